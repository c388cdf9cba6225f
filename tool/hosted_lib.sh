# A driver as a process of Linux on a device model of QEMU; sourced.
#
#	hosted_names                   the names in tool/hosted.tab whose programs are built
#	hosted_disks                   of those, the ones that have a disk to write to
#	hosted_cds                     the ones that have an optical drive
#	hosted_machine NAME [OPTION..] QEMU and qtestfs, with more options of qtestfs; $disk_name
#	hosted_driver [OPTION..]       the driver, until its service is there; $driver is its pid
#	hosted_stop [SIGNAL [SECONDS]] ends the driver; its exit status
#	hosted_value SERVICE FILE NAME what a line `NAME value` says
#	hosted_end                     all of them
#	hosted_test                    a test's beginning: $dir, $p9; at its exit, hosted_end
#	hosted_fail TEXT...            ends a test that failed, with the logs
#	hosted_judge WHEN              fails if the driver did to the machine what it was not given to do
#
# $h is the directory of it all: h/disk the image (made if it is not there), h/dev and h/sd the
# services of qtestfs and of the driver, h/monitor QEMU's, h/*.log.  HOSTED_DRIVE: in place of h/disk,
# what QEMU's -drive takes as file.  HOSTED_BIN: where the programs are; HOSTED_QTESTFS: qtestfs, if it
# is elsewhere.  HOSTED_UNDER: a command before the driver's.

hosted_tab=$(dirname "${BASH_SOURCE[0]}")/hosted.tab
hosted_bin=${HOSTED_BIN:-${B:-build}/test/bin}
qemu_pid= qtestfs_pid= driver=

hosted_field()
{
	awk -F'|' -v name="$1" -v n="$2" '!/^#/ && $1 == name { print $n }' "$hosted_tab"
}

hosted_program()
{
	local p
	p=$(hosted_field "$1" 5)
	echo "${p:-$1}"
}

hosted_names()
{
	local name
	for name in $(awk -F'|' '!/^#/ && NF { print $1 }' "$hosted_tab"); do
		[ ! -x "$hosted_bin/$(hosted_program "$name")" ] || echo "$name"
	done
}

hosted_is_cd()
{
	[ "$(hosted_field "$1" 6)" = cd ]
}

hosted_disks()
{
	local name
	for name in $(hosted_names); do
		[ "$(hosted_field "$name" 4)" = - ] || hosted_is_cd "$name" || echo "$name"
	done
}

hosted_cds()
{
	local name
	for name in $(hosted_names); do
		! hosted_is_cd "$name" || echo "$name"
	done
}

# Waits until a socket is there, at most $2 tenths of a second, while the process $3 lives.
hosted_wait()
{
	local i
	for i in $(seq "$2"); do
		[ ! -S "$1" ] || return 0
		kill -0 "$3" 2> /dev/null || return 1
		sleep 0.1
	done
	return 1
}

# The processor executes two instructions: cli, hlt.  The machine's clock runs; nothing else does.
hosted_bios()
{
	head -c 65520 /dev/zero
	printf '\372\364\353\375'
	head -c 12 /dev/zero
}

hosted_machine()
{
	local name=$1 machine device
	shift
	machine=$(hosted_field "$name" 2)
	device=$(hosted_field "$name" 3)
	disk_name=$(hosted_field "$name" 4)
	program=$(hosted_program "$name")
	[ -n "$machine" ] || { echo "no line $name in $hosted_tab" >&2; return 1; }
	h_ram=$(mktemp /dev/shm/lux9-hosted.XXXXXX) || return 1
	hosted_bios > "$h/bios"
	rm -f "$h/qtest" "$h/dev" "$h/sd" "$h/monitor"
	local drive=() medium=
	! hosted_is_cd "$name" || medium=,readonly=on,media=cdrom
	if [ "$disk_name" != - ]; then
		[ -e "$h/disk" ] || truncate -s 64M "$h/disk"
		drive=(-drive "file=${HOSTED_DRIVE:-$h/disk},if=none,id=d0,format=raw,discard=unmap,rerror=report,werror=report$medium")
	fi
	# shellcheck disable=SC2086
	${QEMU:-qemu-system-x86_64} -machine "$machine,accel=tcg,memory-backend=ram" -m 64M -bios "$h/bios" \
		-object "memory-backend-file,id=ram,size=64M,mem-path=$h_ram,share=on" \
		-nodefaults -no-user-config -display none -no-reboot \
		-qtest "unix:$h/qtest,server=on,wait=off" -qtest-log none \
		-monitor "unix:$h/monitor,server=on,wait=off" \
		"${drive[@]}" $device ${HOSTED_EXTRA:-} > "$h/qemu.log" 2>&1 < /dev/null &
	qemu_pid=$!
	hosted_wait "$h/qtest" 100 $qemu_pid || { cat "$h/qemu.log"; return 1; }
	"${HOSTED_QTESTFS:-$hosted_bin/qtestfs}" -qtest "unix!$h/qtest" -memory "$h_ram" -listen "unix!$h/dev" "$@" \
		> "$h/qtestfs.log" 2>&1 &
	qtestfs_pid=$!
	hosted_wait "$h/dev" 100 $qtestfs_pid || { cat "$h/qtestfs.log"; return 1; }
}

hosted_driver()
{
	rm -f "$h/sd"
	# shellcheck disable=SC2086
	${HOSTED_UNDER:-} "$hosted_bin/$program" -dev "unix!$h/dev" -listen "unix!$h/sd" "$@" \
		>> "$h/driver.log" 2>&1 &
	driver=$!
	hosted_wait "$h/sd" 600 $driver || { cat "$h/driver.log"; return 1; }
}

# A signal to the driver (TERM), and its status, which is 137 when it had to be killed after $2 s (60).
hosted_stop()
{
	local rc=0 i
	kill "-${1:-TERM}" "$driver" 2> /dev/null
	for i in $(seq $((${2:-60} * 20))); do
		kill -0 "$driver" 2> /dev/null || break
		sleep 0.05
	done
	kill -9 "$driver" 2> /dev/null
	wait "$driver" 2> /dev/null || rc=$?
	driver=
	# qtestfs ends its process when it sees the connection end.
	for i in $(seq 200); do
		[ "$(hosted_value "$h/dev" qtest/ctl owned)" != 0 ] || break
		sleep 0.02
	done
	return $rc
}

# The value of a name in a text that a service has.
hosted_value()
{
	"${B:-build}/host/bin/9p" -a "unix!$1" cat "$2" | sed -n "s/^$3 //p"
}

hosted_end()
{
	local p
	for p in $driver $qtestfs_pid $qemu_pid; do
		kill -9 "$p" 2> /dev/null && wait "$p" 2> /dev/null
	done
	[ -z "${h_ram:-}" ] || rm -f "$h_ram"
	driver= qtestfs_pid= qemu_pid=
}

hosted_fail()
{
	echo "FAIL: ${name:+$name: }$*"
	tail -n 40 "$h"/*.log
	"${B:-build}/host/bin/9p" -a "unix!$h/dev" cat qtest/ctl qtest/refused irq/ctl
	exit 1
}

hosted_judge()
{
	local n
	for n in refused wild; do
		[ "$(hosted_value "$h/dev" qtest/ctl $n)" = 0 ] || hosted_fail "$1: $n"
	done
	! grep -E 'Sanitizer|runtime error' "$h/driver.log" || hosted_fail "$1: a sanitizer"
}

hosted_test()
{
	command -v qemu-system-x86_64 > /dev/null || { echo "needs qemu-system-x86_64"; exit 77; }
	dir=${TEST_DIR:-$(mktemp -d)}
	p9=${B:-build}/host/bin/9p
	trap hosted_end EXIT
}
