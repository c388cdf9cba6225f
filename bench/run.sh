#!/bin/bash
# make bench: boots Lux9 and Linux on the same machine, one after the other, has each do the same
# work (work.c), and prints what it took in instructions, and where PROFILE=1 where they went.
# T=quick leaves out the search for the least memory; T=lux9 leaves out Linux too, T=nvme (or virtioblk,
# virtioscsi) all but that disk of Lux9's: the table then has what the last run found.  Everything is in
# build/bench; the table also in build/bench/table.
set -eu
b=${B:-build}
dir=$b/bench
what=${T:-all}
export MEM=1G CPUS=1 TIMEOUT=${TIMEOUT:-300}
mkdir -p "$dir"
exec 8> "$dir/lock"
flock 8

fail()
{
	echo "bench: $*" >&2
	exit 1
}

# The disks: one to overwrite, one with a file system.  $1: for whom.
make_disks()
{
	if [ ! -s "$dir/tree.img" ]; then
		mkdir -p "$dir/tree"
		for i in 0 1 2; do
			head -c 16M /dev/urandom > "$dir/tree/cold$i"
		done
		head -c 1M /dev/urandom > "$dir/tree/hot"
		truncate -s 96M "$dir/tree.tmp"
		PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q -F -b 4096 -d "$dir/tree" "$dir/tree.tmp"
		mv "$dir/tree.tmp" "$dir/tree.img"
		rm -r "$dir/tree"
	fi
	head -c 128M /dev/zero > "$dir/raw.img"
	export DISKS="$dir/raw.img $dir/tree.img"
}

# A boot of either system: its name, then arguments of QEMU.  The console is in NAME.console.
machine()
{
	local name=$1 rc=0
	shift
	rm -f "$dir/$name.console"
	EXTRA="$*" SERIAL=$dir/$name.console sh tool/qemu.sh < /dev/null || rc=$?
	[ "$rc" = 0 ] || fail "$name: ended with $rc; see $dir/$name.console"
	! grep -a '^work: ' "$dir/$name.console" || fail "$name"
}

icount='-icount shift=0,sleep=off'
plugin()
{
	echo "-plugin $dir/count.so,log=$dir/$1.log${2:+,profile=$dir/$1.profile}"
}

# --- Lux9 -------------------------------------------------------------------------------------
# An archive with the program in it, and the commands of init from standard input.
archive()
{
	rm -rf "$dir/extra"
	mkdir -p "$dir/extra/bin"
	cp "$dir/work" "$dir/extra/bin/"
	{ echo 'set -e'; cat; } > "$dir/extra/init.conf"
	[ "${1:-}" != init ] || cp "$dir/work" "$dir/extra/init"
	sh tool/mkboot.sh "$b" "$dir/boot.tar" "$dir/extra"
	rm -rf "$dir/extra"
	export KERNEL=$b/kernel/lux9.elf INITRD=$dir/boot.tar APPEND=init.end=exit ENDS=exit
}

lux9()
{
	archive <<-'END'
		ramfs -mount /tmp &
		until mkdir /tmp/ready; do sleep 0.1; done
		/boot/bin/work -native calls served /tmp/f processes
		echo through the personality
		/boot/bin/work calls served /tmp/f
	END
	# shellcheck disable=SC2086
	machine lux9-calls $icount
	make_disks
	archive <<-'END'
		sipd &
		await -t 60 /dev/sd/sdC0/raw
		await -t 60 /dev/sd/sdC1/raw
		ext4fs -device /dev/sd/sdC1/raw -mount /root -r &
		await -t 60 /root/hot
		/boot/bin/work -native raw /dev/sd/sdC0/raw tree /root
	END
	# shellcheck disable=SC2046
	machine lux9-io $(plugin lux9-io)
	unset DISKS
	archive init < /dev/null
	# shellcheck disable=SC2046
	machine lux9-boot $(plugin lux9-boot)
	archive <<< 'work first'
	# shellcheck disable=SC2046
	machine lux9-init $(plugin lux9-init)
}

# --- disks that are not SATA's ------------------------------------------------------------------
others="nvme virtioblk virtioscsi"

# QEMU's arguments for such a disk to overwrite.
other_disk()
{
	local drive="-drive file=$dir/$1.img,if=none,id=other,format=raw"

	head -c 128M /dev/zero > "$dir/$1.img"
	case $1 in
	nvme)	echo "$drive -device nvme,drive=other,serial=BENCH" ;;
	virtioblk) echo "$drive -device virtio-blk-pci,disable-legacy=on,drive=other,serial=BENCH" ;;
	virtioscsi) echo "$drive -device virtio-scsi-pci,disable-legacy=on,id=host" \
			"-device scsi-hd,drive=other,bus=host.0,serial=BENCH" ;;
	esac
}

# What Lux9 calls it, and what Linux.
other_name()
{
	case $1 in
	nvme)	echo /dev/sd/sdN0/raw /dev/nvme0n1 ;;
	virtioblk) echo /dev/sd/sdV0/raw /dev/vda ;;
	virtioscsi) echo /dev/sd/sdS0/raw /dev/sdc ;;
	esac
}

lux9_other()
{
	local name

	read -r name _ <<< "$(other_name "$1")"
	unset DISKS
	archive <<-END
		sipd &
		await -t 60 $name
		/boot/bin/work -native raw $name
	END
	# shellcheck disable=SC2046
	machine "lux9-$1" $(plugin "lux9-$1") $(other_disk "$1")
}

# --- Linux ------------------------------------------------------------------------------------
linux()
{
	local line='console=ttyS0 quiet rdinit=/work panic=-1' kind name

	rm -f "$dir"/linux-*
	bash bench/linux.sh "$dir/work" "$dir/linux"
	export KERNEL=$dir/linux/vmlinux ENDS=
	export INITRD=$dir/linux/initramfs-boot
	# shellcheck disable=SC2086
	APPEND="$line -- calls processes end" machine linux-calls $icount
	# shellcheck disable=SC2046
	APPEND=$line machine linux-boot $(plugin linux-boot)
	export INITRD=$dir/linux/initramfs
	make_disks
	# shellcheck disable=SC2046
	APPEND="$line -- linux raw /raw tree /root end" machine linux-io $(plugin linux-io)
	# The two disks stay: the program waits for them.
	for kind in $others; do
		read -r _ name <<< "$(other_name "$kind")"
		# shellcheck disable=SC2046
		APPEND="$line -- linux raw $name end" machine "linux-$kind" $(plugin "linux-$kind") \
			$(other_disk "$kind")
	done
}

# --- the least memory -------------------------------------------------------------------------
# Whether the machine says its first line with $1 MiB.
says_line()
{
	rm -f "$dir/memory.console"
	MEM=${1}M TIMEOUT=20 SERIAL=$dir/memory.console sh tool/qemu.sh < /dev/null > /dev/null 2>&1 || :
	grep -aqs '^first line' "$dir/memory.console"
}

# The row NAME: the least MiB between $2, where it does not, and $3, where it does.
least_memory()
{
	local name=$1 low=$2 high=$3 middle

	says_line "$high" || return 0
	while [ $((high - low)) -gt 1 ]; do
		middle=$(((low + high) / 2))
		if says_line "$middle"; then high=$middle; else low=$middle; fi
	done
	echo "$name $high" >> "$dir/memory"
}

memory()
{
	rm -f "$dir/memory"
	unset DISKS
	archive <<< '/boot/bin/work first'
	least_memory lux9 1 64
	make_disks
	archive <<-'END'
		sipd &
		await -t 10 /dev/sd/sdC0/raw
		await -t 10 /dev/sd/sdC1/raw
		ext4fs -device /dev/sd/sdC1/raw -mount /root -r &
		await -t 10 /root/hot
		wc -c /root/hot
		/boot/bin/work first
	END
	least_memory lux9-ext4 1 128
	[ "$what" != lux9 ] || return 0
	export KERNEL=$dir/linux/vmlinux INITRD=$dir/linux/initramfs ENDS=
	APPEND='console=ttyS0 quiet rdinit=/work panic=-1 -- linux first end' least_memory linux-ext4 16 256
	export INITRD=$dir/linux/initramfs-boot
	unset DISKS
	APPEND='console=ttyS0 quiet rdinit=/work panic=-1' least_memory linux 16 256
}

# Where the instructions of each row go, in build/bench/profile.
profile()
{
	make_disks
	archive <<-'END'
		ramfs -mount /tmp &
		sipd &
		await -t 60 /dev/sd/sdC0/raw
		await -t 60 /dev/sd/sdC1/raw
		ext4fs -device /dev/sd/sdC1/raw -mount /root -r &
		await -t 60 /root/hot
		/boot/bin/work -native calls served /tmp/f processes raw /dev/sd/sdC0/raw tree /root
	END
	# shellcheck disable=SC2046
	machine profile $(plugin profile yes)
	python3 bench/profile.py "$dir/profile.profile" "$dir/profile.console" "$KERNEL" \
		"$b/lux9/personality" "$b"/lux9/bin/* "$dir/work" > "$dir/profile"
	echo "profile: $dir/profile"
}

if [ -n "${PROFILE:-}" ]; then
	profile
	exit 0
fi
if [[ " $others " = *" $what "* ]]; then
	rm -f "$dir/lux9-$what".*
	lux9_other "$what"
else
	rm -f "$dir"/lux9-*
	lux9
	for kind in $others; do
		lux9_other "$kind"
	done
	[ "$what" = lux9 ] || linux
fi
[ "$what" != all ] || memory
python3 bench/table.py "$dir" | tee "$dir/table"
