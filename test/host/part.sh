# Partition tables made by sgdisk and sfdisk, as lib/blk reads them; damaged ones too.
set -u
PATH=$PATH:/usr/sbin:/sbin
part=$(cd "${B:-build}/host/bin" && pwd)/part || exit 1
dir=${TEST_DIR:-$(mktemp -d)}
bad=0
command -v sgdisk > /dev/null && command -v sfdisk > /dev/null || { echo "no sgdisk or sfdisk"; exit 77; }
cd "$dir" || exit 1

complain()
{
	echo "FAIL: $*"
	bad=1
}

# What sfdisk says, in our form: number, start, sectors, type; for GPT also UUID and label.
by_sfdisk()
{
	sfdisk --json "$1" 2>/dev/null | python3 -c '
import json, re, sys
t = json.load(sys.stdin)["partitiontable"]
print(t["label"].replace("dos", "mbr"), t["id"].lower().replace("0x", ""))
for p in t.get("partitions", []):
    n = re.search(r"(\d+)$", p["node"]).group(1)
    if t["label"] == "gpt":
        print(n, p["start"], p["size"], p["type"].lower(), p["uuid"].lower(), p.get("name", ""))
    else:
        print(n, p["start"], p["size"], "0x%02x" % int(p["type"], 16))
' | sort -n
}

by_us()
{
	"$part" -p "$1" | python3 -c '
import sys
for line in sys.stdin:
    f = line.rstrip("\n").split(" ")
    if f[0] == "table":
        print(*f[1:])
    elif f[0] == "part" and f[4].startswith("0x"):
        print(*f[1:5])
    elif f[0] == "part":
        print(*f[1:6], " ".join(f[8:]))
' | sort -n
}

same()
{
	by_sfdisk "$1" > want
	by_us "$1" > got
	[ -s want ] || complain "$1: sfdisk says nothing"
	diff -u want got || complain "$1: not what sfdisk says"
}

# sgdisk must agree with sfdisk about the sectors of a GPT, or the judge is wrong.
sgdisk_agrees()
{
	sgdisk -p "$1" 2>/dev/null | awk '/^ *[0-9]+ +[0-9]+ +[0-9]+ /{ print $1, $2, $3 - $2 + 1 }' > want
	"$part" -p "$1" | awk '$1 == "part"{ print $2, $3, $4 }' | sort -n > got
	diff -u want got || complain "$1: not what sgdisk says"
}

says()
{
	"$part" -p "$1" > got
	grep -q -- "$2" got || complain "$1: does not say \"$2\": $(cat got)"
}

# --- GPT
truncate -s 64M gpt
sgdisk -o -n 1:2048:+10M -c 1:boot -t 1:ef00 -n 5:0:+20M -c 5:'root ümlaut' -A 5:set:2 \
	-n 128:0:+1M -c 128:'a label of all its thirty-six units..' gpt > /dev/null
same gpt
sgdisk_agrees gpt
truncate -s 64M many
args=()
for i in $(seq 1 128); do args+=(-n "$i:0:+200K"); done
sgdisk -a 8 -o "${args[@]}" many > /dev/null
same many
cp gpt broken-primary
dd if=/dev/zero of=broken-primary bs=512 seek=1 count=1 conv=notrunc status=none
by_us gpt > want
by_us broken-primary > got
cmp -s want got || complain "the backup says something else than the primary"
says broken-primary 'note gpt: primary: no signature'
cp gpt broken-entries
printf 'x' | dd of=broken-entries bs=1 seek=1080 conv=notrunc status=none
says broken-entries 'note gpt: primary: checksum of the entries is wrong'
by_us broken-entries > got
cmp -s want got || complain "bad entries: the backup is not used"
cp gpt broken-backup
dd if=/dev/zero of=broken-backup bs=512 seek=131071 count=1 conv=notrunc status=none
says broken-backup 'note gpt: backup: no signature'
cp broken-primary broken-both
dd if=/dev/zero of=broken-both bs=512 seek=131071 count=1 conv=notrunc status=none
says broken-both '^table none'
cp gpt grown
truncate -s 80M grown
says grown 'note gpt: backup: it is not in the last sector'
"$part" -p grown | grep -c '^part' | grep -qx 3 || complain "a grown image loses partitions"
truncate -s 1M cut
dd if=gpt of=cut bs=1M count=1 conv=notrunc status=none
says cut 'usable sectors are not in the disk'

# --- MBR
truncate -s 64M mbr
sfdisk -q mbr <<'END'
label: dos
label-id: 0x1234abcd
start=2048, size=20480, type=c, bootable
start=22528, size=40960, type=5
start=63488, size=1000, type=83
start=24576, size=4096, type=83
start=30720, size=8192, type=82
start=40960, size=2048, type=7
END
same mbr
{
	printf 'label: dos\nstart=2048, size=120000, type=f\n'
	for i in $(seq 0 27); do printf 'start=%d, size=1024, type=83\n' $((4096 + i * 4096)); done
} > script
truncate -s 64M chain
sfdisk -q chain < script
same chain
truncate -s 64M four
printf 'label: dos\nsize=1M\nsize=2M,type=b\nsize=3M,type=ef\n,,82\n' | sfdisk -q four
same four

# The second link of the chain points back to the first.
cp mbr loop
python3 - <<'END'
import struct
with open("loop", "r+b") as f:
    f.seek(22528 * 512 + 446 + 16)
    e = bytearray(f.read(16))
    rel, = struct.unpack_from("<I", e, 8)
    f.seek((22528 + rel) * 512 + 446 + 16)
    e = bytearray(f.read(16))
    struct.pack_into("<II", e, 8, 0, 100)
    e[4] = 5
    f.seek(-16, 1)
    f.write(e)
END
says loop 'the chain loops at 22528'
# A partition that reaches beyond the disk, and two that overlap.
cp four wild
printf '\377\377\377\177' | dd of=wild bs=1 seek=$((446 + 12)) conv=notrunc status=none
says wild 'do not fit in the disk'
cp four over
printf '\001\010\000\000' | dd of=over bs=1 seek=$((446 + 16 + 8)) conv=notrunc status=none
says over 'overlaps partition 1'
"$part" -p over > /dev/null && complain "a refused partition is no error status"

# --- none: a file system in the whole disk, zeros
truncate -s 8M fat
mkfs.fat fat > /dev/null 2>&1
says fat '^table none'
truncate -s 1M zero
says zero '^table none'

exit $bad
