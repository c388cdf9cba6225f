# Partition tables made and changed by `part`, as sgdisk, sfdisk and fdisk see them; changed by those
# and by `part` in turns; what is not to be done is refused, and nothing is written then.
. "$(dirname "$0")/lib.sh"
need sgdisk sfdisk fdisk python3
cd "$dir" || exit 1

part()
{
	"$bin/part" "$@"
}

image()
{
	rm -f "$2"
	truncate -s "$1" "$2"
}

# refused WHY IMAGE COMMAND...: fails with that text, and the image stays as it is
refused()
{
	local why=$1 image=$2 before rc
	shift 2
	before=$(cksum < "$image")
	"$@" > refused 2>&1
	rc=$?
	[ $rc = 1 ] || [ $rc = 2 ] || complain "$*: status $rc"
	grep -qF -- "$why" refused || complain "$*: \"$(cat refused)\" and not \"$why\""
	[ "$before" = "$(cksum < "$image")" ] || complain "$*: it was refused, and written"
}

check()
{
	same "$@"
	[ "${2:-512}" != 512 ] || verified "$1"
	part print -s "${2:-512}" "$1" | grep note && complain "$1: there is a note"
}

# --- GPT, of all sizes
for size in 1M 5M 64M 2047G 2049G 3T 15T; do
	image $size new
	part create gpt new || complain "$size: create"
	check new
	case $size in
	1M)	part add -a 1s -l 100K -c 'first one' new; part add -a 4K -l 100K new
		part add -a 1s -t efi new ;;
	*)	part add -l 1M -c 'first one' new; part add -b 3M -l 1024s -t 'swap' new
		part add -n 100 -t efi -c 'größer' new ;;
	esac > numbers || complain "$size: add"
	check new
	sgdisk_agrees new
	part type new 2 linux && part label new 2 'anders 😀' && part label new 1 '' ||
		complain "$size: change"
	check new
	part delete new 2 || complain "$size: delete"
	check new
	sgdisk_agrees new
	sgdisk -n 9:0:+10K -a 1 -c 9:theirs new > /dev/null || complain "$size: sgdisk adds"
	check new
	part label new 9 ours || complain "$size: theirs"
	check new
	cp --sparse=always new damaged
	last=$(($(stat -c %s new) / 512 - 1))
	for at in 1 2 $last $((last - 32)); do # a change mends either copy
		cp --sparse=always new damaged
		dd if=/dev/urandom of=damaged bs=512 seek="$at" count=1 conv=notrunc status=none
		part label damaged 9 mended || complain "$size: $at: mend"
		check damaged
	done
done
[ "$(part print new | awk '$2 == 1{ print $3, $4 }')" = '2048 2048' ] || complain "not aligned"
"$bin/part" print new | grep -c '^part' | grep -qx 3 || complain "not 3 partitions"

image 64M grown
part create gpt grown && part add -l 10M grown > /dev/null && truncate -s 100M grown
part add grown > /dev/null || complain "grown: add"
part print grown | grep -q 'note gpt' && complain "grown: the backup is not at the end"
sgdisk -v grown > verdict 2>&1
grep -q '^No problems found' verdict || complain "grown: $(cat verdict)"
awk '$2 == 2{ exit !($4 > 180000) }' <(part print grown) || complain "the new sectors are not used"

# --- MBR
for size in 8M 3T; do
	image $size new
	part create mbr new || complain "mbr: create"
	check new
	{ part add -l 1M new && part add -b 2M -l 4M -t extended new && part add -t fat new &&
		part add -x -a 1s -l 1M new && part add -x -a 8s -l 512K -t swap new &&
		part add -x -l 100s -a 1s new; } > numbers && part add -n 8 -a 1s -l 1000s new > /dev/null || complain "mbr: add"
	check new
	part delete new 6 && part type new 7 lvm || complain "mbr: delete"
	check new
	part delete new 5 || complain "mbr: delete the first"
	check new
	echo 'size=100, type=83' | sfdisk -q -a new > log 2>&1 || complain "sfdisk adds: $(cat log)"
	check new
	while part print new | grep -q '^part 5'; do
		part delete new 5 || break
		check new
	done
	part add -x -a 1s new > /dev/null && part delete new 3 || complain "mbr: the last"
	check new
done
image 8M new
printf 'label: dos\nstart=64,size=15000,type=5\nstart=100,size=1000\nstart=2000,size=1000\nstart=5000,size=100\n' |
	sfdisk -q new
part delete new 6 && part add -x -a 1s -b 1500s -l 100s new > /dev/null || complain "theirs"
check new

# --- sectors of 4096 bytes, and of 2048
for secsize in 4096 2048 1024; do
	for kind in gpt mbr; do
		image 64M new
		part create -s $secsize $kind new && part add -s $secsize -l 1M new &&
			part add -s $secsize -b 4M -l 8M -t data new && part add -s $secsize -a 64K new &&
			part delete -s $secsize new 1 && part type -s $secsize new 2 swap ||
			complain "$kind of $secsize"
		check new $secsize
	done
done > numbers
image 15T new
part create -s 4096 gpt new && part add -s 4096 -c large new > /dev/null || complain "15T of 4096"
check new 4096
loop=
if [ "$(id -u)" = 0 ] && loop=$(losetup -b 4096 --show -f new 2> /dev/null); then
	sgdisk -v "$loop" > verdict 2>&1
	losetup -d "$loop"
	grep -q '^No problems found' verdict || complain "4096: $(cat verdict)"
else
	echo "no loop device: sgdisk did not look at sectors of 4096 bytes"
fi

# --- one kind after the other; nothing is left of the first
image 8M new
part create gpt new && part add new > /dev/null && part create -f mbr new && part add new > /dev/null
check new
grep -qa 'EFI PART' new && complain "a GPT is left under the MBR"
part create -f gpt new && part add new > /dev/null
check new

# --- nothing but the table is written
head -c 8M /dev/urandom > full
for kind in gpt mbr; do
	cp full new
	part create $kind new && part add -l 1M new || complain "$kind over data"
	case $kind in
	gpt)	part add -b 3M -l 3M new ;;
	mbr)	part add -b 3M -l 3M -t extended new && part add -x -a 1s -l 100s new &&
		part add -x -a 1s -b 4M -l 100s new && part delete new 5 && part delete new 1 ;;
	esac || complain "$kind over data"
	cmp -l full new | awk '{ s = int(($1 - 1) / 512); n[s]++ } END { for (s in n) print s }' | sort -n > touched
	case $kind in
	gpt)	seq 0 33; seq 16351 16383 ;;
	mbr)	printf '0\n6144\n8191\n' ;;
	esac > allowed
	[ -s touched ] || complain "$kind: nothing was written"
	grep -vxFf allowed touched && complain "$kind: sectors outside of the table were written"
done > numbers

# --- refusals
image 8M new
refused 'there is no partition table' new part add new
refused 'neither gpt nor mbr' new part create bsd new
part create gpt new && part add -l 1M new > /dev/null
refused 'it has partitions' new part create gpt new
refused 'it has partitions' new part create mbr new
refused 'no room for it at that place' new part add -b 1M -l 1M new
refused 'no room for it' new part add -l 7M new
refused 'no room for it' new part add -l 100T new
refused 'there is a partition 1' new part add -n 1 new
refused 'a gpt has no type extended' new part add -t extended new
refused 'no logical partitions' new part add -x new
refused 'there is no partition 2' new part delete new 2
refused 'there is no partition 2' new part label new 2 x
refused 'at most 36' new part label new 1 "$(printf '%037d' 0)"
refused 'not a whole number of sectors' new part add -l 1000 new
refused 'not a number' new part add -l '' new
refused 'a sector has 512' new part create -s 520 gpt new
refused 'no such option' new part print -z new
refused 'wrong number of arguments' new part delete new
refused 'too large' new part delete new 4294967297
part types | grep -q '^efi .*0xef c12a7328-f81f-11d2-ba4b-00a0c93ec93b' || complain "types"
# What is there and is not understood is not replaced unasked either: a table for other sectors, one without its
# protective entry, one whose only partition is refused.
image 64M other
part create -s 4096 gpt other && part add -s 4096 other > /dev/null
refused 'a table that cannot be used' other part create gpt other
refused 'a table that cannot be used' other part create mbr other
image 64M other
sgdisk -n 1:0:0 other > /dev/null && dd if=/dev/zero of=other bs=512 count=1 conv=notrunc status=none
refused 'a table that cannot be used' other part create gpt other
image 64M other
echo 'start=2048,size=100000' | sfdisk -q other && truncate -s 32M other
refused 'it has partitions' other part create gpt other
part create -f gpt other && sgdisk -v other | grep -q '^No problems found' || complain "create -f"
image 33K tiny
refused 'too small' tiny part create gpt tiny
cp new over
sgdisk -n 2:0:+1M -a 1 over > /dev/null
python3 - <<'END'
import struct, zlib
# Partition 2 begins where 1 does, in both copies with their sums.
with open("over", "r+b") as f:
    for header in (512, 8 * 2**20 - 512):
        f.seek(header)
        h = bytearray(f.read(92))
        at, = struct.unpack_from("<Q", h, 72)
        f.seek(at * 512)
        e = bytearray(f.read(128 * 128))
        e[128 + 32:128 + 40] = e[32:40]
        f.seek(at * 512)
        f.write(e)
        struct.pack_into("<I", h, 88, zlib.crc32(e))
        struct.pack_into("<I", h, 16, 0)
        struct.pack_into("<I", h, 16, zlib.crc32(h))
        f.seek(header)
        f.write(h)
END
refused '1 entries that are refused' over part add over
part delete over 2 || complain "the entry that is refused cannot be removed"
check over

# --- a disk as its driver shows it: sizes, what is open, and the rescan
mkdir -p sd/sdC0
image 64M sd/sdC0/data
printf 'sectors 16384\nsecsize 4096\nphyssecsize 4096\n' > sd/sdC0/geometry
ctl()
{
	printf 'device sdC0\n%s\n' "$1" > sd/sdC0/ctl
}
driver_asked()
{
	grep -q '^rescan' sd/sdC0/ctl || complain "$1: the driver was not asked to read the table again"
	ctl ''
}
ctl ''
part create gpt sd/sdC0 || complain "disk: create"
driver_asked create
part add -l 1M sd/sdC0/data > numbers && part add -l 1M sd/sdC0 > numbers || complain "disk: add"
driver_asked add
same sd/sdC0/data 4096
ctl 'open 1 2'
refused 'partition 1 is open' sd/sdC0/data part delete sd/sdC0 1
refused 'partition 1 is open' sd/sdC0/data part create -s 4096 mbr sd/sdC0
part label sd/sdC0 1 stays || complain "a label is no other partition"
driver_asked label
ctl 'open 1 2'
part delete sd/sdC0 2 || complain "another partition cannot be deleted"
ctl 'open 1 2'
part delete -f sd/sdC0 1 || complain "not even with -f"
driver_asked delete
ctl 'open 0 1'
refused 'the disk is open' sd/sdC0/data part create gpt sd/sdC0
refused 'its sectors have 4096 bytes' sd/sdC0/data part create -s 512 gpt sd/sdC0
rm sd/sdC0/ctl
refused 'sd/sdC0/ctl' sd/sdC0/data part create gpt sd/sdC0
refused 'No such file' sd/sdC0/data part print nothing

exit $bad
