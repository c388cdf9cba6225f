# `part` on block devices of Linux: a loop device of 512-byte sectors and one of 4096.  Their sectors'
# size is not told; what Linux then says that it has for partitions, and what sfdisk, sgdisk and fdisk
# find, is what was made; a device with a partition that is in use is not written.  There are Linuxes
# that know no tables: these are told of the partitions by partx, which reads the table itself.
. "$(dirname "$0")/lib.sh"
need losetup partx sgdisk sfdisk fdisk python3 mkfs.ext4
[ "$(id -u)" = 0 ] && [ -e /dev/loop-control ] && [ -d /sys/block ] || { echo 'needs root, loop devices and /sys'; exit 77; }
cd "$dir" || exit 1
device=
trap '[ -z "$device" ] || losetup -d "$device"' EXIT

# The partitions that Linux has, in sectors of 512 bytes.
by_linux()
{
	local p
	for p in "/sys/block/${device#/dev/}/${device#/dev/}"p*; do
		[ -e "$p" ] && echo "${p##*p} $(cat "$p/start") $(cat "$p/size")"
	done | sort -n
}

linux_agrees() # SECTOR-SIZE [RANGES]: what partx is to tell of; not of an extended one on sectors of 4096
{
	local r
	# Asked by `part` to look, it has forgotten what partx told it before.
	[ $knows = 1 ] || { by_linux > got; [ ! -s got ] || complain "$1: Linux was not asked to look again"; }
	for r in ${2:-1:}; do
		[ $knows = 1 ] || partx -a -n "$r" "$device" || complain "$1: partx"
	done
	"$bin/part" print "$device" | awk -v n=$(($1 / 512)) '
		$1 == "part" && !/container/ { printf "%d %.0f %.0f\n", $2, $3 * n, $4 * n }' | sort -n > want
	# Of an extended partition Linux shows the first two sectors, as something to boot from.
	by_linux | awk '!($3 == 2)' > got
	[ -s want ] || complain "$1: no partitions"
	diff -u want got || complain "$1: not what Linux has"
}

attach() # SIZE SECTOR-SIZE
{
	[ -z "$device" ] || losetup -d "$device"
	rm -f image && truncate -s "$1" image
	device=$(losetup -f -P --sector-size "$2" --show image) || { device=; echo 'skipped: no loop device'; exit 77; }
}

attach 20M 512
sgdisk -o -n 1:2048:+1M "$device" > /dev/null && partprobe "$device" 2> /dev/null || blockdev --rereadpt "$device"
knows=$(by_linux | grep -c .)
for sector in 512 4096; do
	attach 200M $sector
	"$bin/part" create gpt "$device" || complain "$sector: create"
	"$bin/part" add -l 20M -t efi -c boot "$device" > /dev/null || complain "$sector: add"
	"$bin/part" add -n 7 -b 100M -l 30M -c 'a third' "$device" > /dev/null || complain "$sector: add at"
	"$bin/part" add -t linux "$device" > /dev/null || complain "$sector: add the rest"
	linux_agrees $sector
	if [ $sector = 512 ]; then verified "$device"; sgdisk_agrees "$device"; fi
	"$bin/part" delete "$device" 7 || complain "$sector: delete"
	linux_agrees $sector
	grep -q '^7 ' got && complain "$sector: partition 7 is still there"
	same "$device" $sector
	"$bin/part" print -s $((4608 - sector)) "$device" > refused 2>&1 && complain "$sector: other sectors"
	grep -q "its sectors have $sector bytes" refused || complain "$(cat refused)"

	# A file system on the first: while it is mounted nothing is changed.
	if [ -b "${device}p1" ] && mkfs.ext4 -q "${device}p1" && mkdir -p mnt && mount "${device}p1" mnt; then
		sync
		before=$(dd if="$device" bs=4096 count=16 status=none | cksum)
		"$bin/part" delete "$device" 1 > refused 2>&1 && complain "$sector: a mounted partition was deleted"
		grep -qi busy refused || complain "$(cat refused)"
		[ "$before" = "$(dd if="$device" bs=4096 count=16 status=none | cksum)" ] || complain "$sector: written"
		umount mnt
		echo "$sector: beside a mount"
	fi

	"$bin/part" create -f mbr "$device" || complain "$sector: create mbr"
	"$bin/part" add -l 10M -t fat32 "$device" > /dev/null || complain "$sector: mbr add"
	"$bin/part" add -l 80M -t extended "$device" > /dev/null || complain "$sector: mbr extended"
	for i in 1 2 3; do "$bin/part" add -x -l 5M "$device" > /dev/null || complain "$sector: mbr logical $i"; done
	linux_agrees $sector "1 5:"
	same "$device" $sector
	[ $sector != 512 ] || verified "$device"
done
exit $bad
