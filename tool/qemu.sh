#!/bin/sh
# Boots Lux9 in QEMU.  The one place where the command line of the machine is written.
#
# Variables, all optional:
#   KERNEL   ELF kernel, started through PVH   (build/kernel/lux9.elf)
#   INITRD   boot archive                      (build/boot.tar)
#   APPEND   kernel command line
#   ISO      boot this CD image instead of KERNEL and INITRD;  UEFI=1: with OVMF
#   CPUS     processors (1)         MEM      memory (512M)
#   THREAD   single (default): one host thread for all processors;  multi: one for each, which is more
#            like a machine, but safe only while no driver dies and no device comes (doc/hardware.md)
#   MACHINE  q35 (default), with AHCI; pc, with IDE
#   DISKS    raw images, on AHCI ports 0, 1, ... in this order; on IDE's masters and slaves
#   CDS      images of CDs, on the ports after them; "empty": a drive without one
#   CACHE    QEMU's cache mode for them (writeback); unsafe: a flush does not wait for the host's disk
#   SERIAL   the console: stdio (default) or a file
#   TIMEOUT  seconds before the machine is ended; 0: never (120)
#   GDB      1: start stopped, gdb server on port 1234;  a path: on that Unix socket
#   EXTRA    more arguments, split at spaces
#   ENDS     exit: nothing but `exit N` is an end; power-off and a reset then give 126
#   DRY      1: print the command and do nothing
#
# Exits with 0 when the machine powered off (or reset itself: see ENDS), with N after `exit N` on
# /dev/sysctl, with 124 when the time was up, with 125 when QEMU itself failed and with 127 after a
# panic.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
b=${B:-$top/build}
qemu=${QEMU:-qemu-system-x86_64}
serial=${SERIAL:-stdio}

set -- -machine "${MACHINE:-q35}" -accel "tcg,thread=${THREAD:-single}" \
	-cpu qemu64,+smap,+smep,+umip,+fsgsbase,+pdpe1gb,+rdtscp \
	-smp "${CPUS:-1}" -m "${MEM:-512M}" -nodefaults -no-user-config -display none \
	-no-reboot -nic none -device isa-debug-exit,iobase=0xf4,iosize=0x04 -device edu,dma_mask=0xffffffff "$@"
case $serial in
stdio)	if [ -t 0 ]; then
		set -- "$@" -chardev stdio,id=con,mux=on,signal=off -serial chardev:con \
			-mon chardev=con,mode=readline
	else
		set -- "$@" -chardev stdio,id=con,signal=off -serial chardev:con
	fi ;;
*)	set -- "$@" -serial "file:$serial" ;;
esac
if [ -n "${ISO:-}" ]; then
	set -- "$@" -drive "file=$ISO,if=none,id=cd,format=raw,media=cdrom,readonly=on" \
		-device ide-cd,drive=cd,bus=ide.5,bootindex=0
	if [ "${UEFI:-0}" = 1 ]; then
		set -- "$@" -drive \
			if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd
	fi
else
	set -- "$@" -kernel "${KERNEL:-$b/kernel/lux9.elf}" -initrd "${INITRD:-$b/boot.tar}"
	if [ -n "${APPEND:-}" ]; then
		set -- "$@" -append "$APPEND"
	fi
fi
# Where the N-th drive hangs.
place()
{
	case ${MACHINE:-q35} in
	pc)	echo "bus=ide.$(($1 / 2)),unit=$(($1 % 2))" ;;
	*)	echo "bus=ide.$1" ;;
	esac
}
n=0
for d in ${DISKS:-}; do
	set -- "$@" -drive "file=$d,if=none,id=d$n,format=raw,cache=${CACHE:-writeback}" \
		-device "ide-hd,drive=d$n,$(place $n),serial=LUX9-$n"
	n=$((n + 1))
done
for d in ${CDS:-}; do
	case $d in
	empty)	set -- "$@" -drive "if=none,id=d$n,media=cdrom,readonly=on" ;;
	*)	set -- "$@" -drive "file=$d,if=none,id=d$n,format=raw,media=cdrom,readonly=on" ;;
	esac
	set -- "$@" -device "ide-cd,drive=d$n,$(place $n),serial=LUX9-CD$n,id=cd$n"
	n=$((n + 1))
done
case ${GDB:-} in
'')	;;
1)	set -- "$@" -S -gdb tcp:127.0.0.1:1234 ;;
*)	set -- "$@" -S -gdb "unix:$GDB,server=on,wait=off" ;;
esac
# shellcheck disable=SC2086
set -- "$qemu" "$@" ${EXTRA:-}

if [ "${DRY:-0}" = 1 ]; then
	echo "$*"
	exit 0
fi
err=$(mktemp)
trap 'rm -f "$err"' EXIT
rc=0
timeout --foreground -k 5 "${TIMEOUT:-120}" "$@" 2>"$err" || rc=$?
cat "$err" >&2
# isa-debug-exit turns N into 2N+1; 1 is also what QEMU says when it fails, but then with a reason.  That
# a device was kept from memory (vtd, faults) is none.
case $rc in
0)	[ "${ENDS:-}" != exit ] || rc=126 ;;
124|137) rc=124 ;;
1)	rc=0
	if grep '^qemu-system-x86_64: ' "$err" | grep -qvE \
	    '^qemu-system-x86_64: ((warning|vtd_[a-z_]*): |New fault is not |There are pending faults )'; then
		rc=125
	fi ;;
*)	if [ $((rc % 2)) = 1 ]; then rc=$(((rc - 1) / 2)); else rc=125; fi ;;
esac
exit "$rc"
