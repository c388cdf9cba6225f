# Partition tables made by sgdisk, sfdisk and fdisk, as lib/blk reads them: disks of 1 MiB to 15 TiB,
# sectors of 512 and 4096 bytes; damaged and hostile ones too.
. "$(dirname "$0")/lib.sh"
need sgdisk sfdisk fdisk python3
cd "$dir" || exit 1

# --- GPT
truncate -s 64M gpt
sgdisk -o -n 1:2048:+10M -c 1:boot -t 1:ef00 -n 5:0:+20M -c 5:'root ümlaut' -A 5:set:2 \
	-n 128:0:+1M -c 128:'a label of all its thirty-six units..' gpt > /dev/null
same gpt
sgdisk_agrees gpt
"$bin/part" -p gpt | cmp -s - <("$bin/part" gpt) || complain "-p is not print"
truncate -s 64M many
args=()
for i in $(seq 1 128); do args+=(-n "$i:0:+200K"); done
sgdisk -a 8 -o "${args[@]}" many > /dev/null
same many
# More than the usual 128 entries, and more than there may be partitions.
truncate -s 64M more
args=()
for i in $(seq 1 200); do args+=(-n "$i:0:+20K"); done
sgdisk -o -S 200 more > /dev/null && sgdisk -a 8 "${args[@]}" more > /dev/null
same more
[ "$(grep -c . got)" = 201 ] || complain "not 200 partitions: $(head -3 got)"
truncate -s 64M toomany
args=()
for i in $(seq 1 260); do args+=(-n "$i:0:+20K"); done
sgdisk -o -S 260 toomany > /dev/null && sgdisk -a 8 "${args[@]}" toomany > /dev/null
says toomany 'note partition 257: more than 256 partitions'
[ "$(grep -c ^part got)" = 256 ] || complain "not 256 partitions"

# Sizes from 1 MiB to beyond 2^32 sectors; then every kind of damage to one of the copies.
wreck()
{
	dd if=/dev/urandom of="$1" bs=512 seek="$2" count=1 conv=notrunc status=none
}
nsizes=0
for size in 1M 5M 7M 1G 2047G 2049G 3T 8T 15T; do
	image=gpt_$size
	truncate -s $size "$image" || { complain "no image of $size"; continue; }
	case $size in
	1M|5M)	args=(-a 1 -n 1:0:+100K -n 2:0:+99K -n 9:0:0) ;;
	*)	args=(-n 1:0:+1M -t 1:8200 -c '1:first of '$size -n 7:-1M:0 -n 3:0:-1100K -c 3:middle) ;;
	esac
	sgdisk -o "${args[@]}" "$image" > /dev/null || complain "$size: sgdisk"
	same "$image"
	sgdisk_agrees "$image"
	"$bin/part" "$image" | grep note && complain "$size: there is a note"
	by_us "$image" > whole
	last=$(($(stat -c %s "$image") / 512 - 1))
	for at in 1 2 $last $((last - 32)); do
		cp --sparse=always "$image" damaged
		wreck damaged "$at"
		by_us damaged > got
		cmp -s whole got || complain "$size: sector $at damaged: $(diff whole got)"
		case $at in
		1|2)	says damaged '^note gpt: primary: ' ;;
		*)	says damaged '^note gpt: backup: ' ;;
		esac
	done
	wreck damaged 2
	says damaged '^table none'
	nsizes=$((nsizes + 1))
done

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
says grown 'note protective mbr: 131071 sectors, in a disk of 163840'
"$bin/part" print grown | grep -c '^part' | grep -qx 3 || complain "a grown image loses partitions"
truncate -s 1M cut
dd if=gpt of=cut bs=1M count=1 conv=notrunc status=none
says cut 'usable sectors are not in the disk'
# The copies are both good and not the same: another's change that was cut off.
cp gpt halfway
sgdisk -c 1:renamed halfway > /dev/null
dd if=gpt of=halfway bs=512 count=34 conv=notrunc status=none
says halfway 'note gpt: backup: it differs from the primary'
same gpt

# --- hybrid and protective MBRs
cp gpt hybrid
sgdisk -h 1:5 hybrid > /dev/null
same hybrid
says hybrid 'note hybrid mbr: 2 entries beside the gpt are not used'
for n in 0 1 1000 131070 131072 4294967295; do
	cp gpt protective
	python3 -c 'import struct, sys
f = open("protective", "r+b")
f.seek(446 + 12)
f.write(struct.pack("<I", int(sys.argv[1])))' $n
	by_us protective > got
	cmp -s want got || complain "protective MBR of $n sectors: $(diff want got)"
done
cp gpt unprotected
dd if=/dev/zero of=unprotected bs=512 count=1 conv=notrunc status=none
says unprotected '^table none'
says unprotected 'note gpt: there is one without a protective mbr'

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
for type in 5 f 85; do
	for n in 1 28 56; do
		{
			printf 'label: dos\nstart=2048, size=520000, type=%s\n' $type
			for i in $(seq 0 $((n - 1))); do
				printf 'start=%d, size=%d, type=83\n' $((4096 + i * 8192)) $((1024 + i))
			done
		} > script
		rm -f chain
		truncate -s 256M chain
		sfdisk -q chain < script
		same chain
		[ "$(grep -c . got)" = $((n + 2)) ] || complain "chain of $n: $(cat got)"
		verified chain
	done
done
truncate -s 64M four
printf 'label: dos\nsize=1M\nsize=2M,type=b\nsize=3M,type=ef\n,,82\n' | sfdisk -q four
same four
for size in 1M 2047G 3T; do
	image=mbr_$size
	truncate -s $size "$image"
	case $size in
	1M)	printf 'label: dos\nstart=1, size=900, type=5\nstart=3, size=10\nstart=14, size=100\n' ;;
	*)	printf 'label: dos\nsize=1M\nsize=1000G,type=83\n,500G,f\nsize=100G\nsize=100M,type=82\n' ;;
	esac | sfdisk -q "$image" 2> log || complain "mbr of $size: $(cat log)"
	same "$image"
done

# More than 60 partitions, which is as many as sfdisk and fdisk see: libblkid is the judge.
python3 - <<'END'
import struct
def entry(kind, start, n):
    return struct.pack("<B3sB3sII", 0, b"\0\0\0", kind, b"\0\0\0", start, n)
with open("sixty", "wb") as f:
    f.truncate(64 << 20)
    def sector(lba, *entries):
        f.seek(lba * 512 + 446)
        f.write(b"".join(entries).ljust(64, b"\0") + b"\x55\xaa")
    sector(0, entry(0x83, 64, 64), entry(0x85, 128, 100000), entry(0x0c, 110000, 64))
    for i in range(60):
        link = [entry(0x05, 1000 * (i + 1), 1000)] if i < 59 else []
        sector(128 + 1000 * i, entry(0x83, 8, 900 + i), *link)
END
partx -o NR,START,SECTORS,TYPE -g -s sixty 2> log | awk 'NF{ print $1, $2, $3, $4 }' > want
"$bin/part" print sixty | awk '$1 == "part"{ print $2, $3, $4, $5 }' |
	sed 's/ 0x0/ 0x/' > got
[ "$(grep -c . want)" = 63 ] || complain "partx: $(cat log want)"
diff want got || complain "60 logical partitions: not what partx says"

# Tables of random shape: primaries in any order, gaps, chains.
cat > tables.py <<'END'
import random, sys
rnd = random.Random(int(sys.argv[1]))
at, out = 64, []
extended = rnd.randrange(4)
for i in range(4):
    if rnd.random() < .2 and i != extended:
        continue
    at += rnd.randrange(0, 5000)
    n = rnd.randrange(1, 30000)
    if i == extended:
        n += 20000
        out.append((i, "%d : start=%d, size=%d, type=%s" % (i + 1, at, n, rnd.choice("5f"))))
        inside, number = at + 2, 5
        while rnd.random() < .9:
            size = rnd.randrange(1, 4000)
            if inside + size + 2 > at + n:
                break
            out.append((9, "%d : start=%d, size=%d, type=%x" %
                (number, inside, size, rnd.choice([0x83, 7, 0x82, 1]))))
            number += 1
            inside += size + rnd.randrange(2, 100)
    else:
        out.append((i, "%d : start=%d, size=%d, type=%x%s" %
            (i + 1, at, n, rnd.choice([0x83, 0xc, 0xa5]), rnd.choice(["", ", bootable"]))))
    at += n
print("label: dos")
for _, line in sorted(out, key=lambda o: o[0]):
    print(line)
END
for seed in $(seq 1 25); do
	python3 tables.py "$seed" > script
	rm -f random
	truncate -s 128M random
	sfdisk -q random < script > log 2>&1 || { complain "random $seed: $(cat log script)"; continue; }
	same random
done

# --- sectors of 4096 bytes: sfdisk cannot, fdisk can
for size in 1M 64M 2T 3T 15T; do
	image=big_$size
	truncate -s $size "$image"
	case $size in
	1M)	printf 'g\nn\n1\n6\n49\nn\n3\n100\n249\nx\nn\n3\nsmall\nr\nw\n' ;;
	*)	printf 'g\nn\n1\n\n+1M\nn\n2\n\n+20M\nt\n2\n19\nn\n128\n\n\nx\nn\n2\nthe label\nr\nw\n' ;;
	esac | fdisk -b 4096 "$image" > log 2>&1
	same "$image" 4096
	says "$image" 'note gpt: there is one for sectors of 4096 bytes; these have 512' 512
	last=$(($(stat -c %s "$image") / 512 - 8))
	by_us "$image" 4096 > whole
	for at in 8 16 $last; do
		cp --sparse=always "$image" damaged
		wreck damaged "$at"
		by_us damaged 4096 > got
		cmp -s whole got || complain "$size of 4096: $at damaged: $(diff whole got)"
	done
	rm -f "$image"
	truncate -s $size "$image"
	case $size in
	1M)	printf 'o\nn\np\n1\n1\n19\nn\np\n2\n20\n255\nw\n' ;;
	*)	printf 'o\nn\np\n1\n\n+5M\nn\ne\n2\n\n+50M\nn\nl\n\n+1M\nn\nl\n\n+1M\nt\n6\n82\nw\n' ;;
	esac | fdisk -b 4096 "$image" > log 2>&1
	same "$image" 4096
	[ "$(grep -c . got)" -gt 2 ] || complain "mbr of $size, 4096: $(cat log)"
done
says gpt 'note gpt: there is one for sectors of 512 bytes; these have 4096' 4096

# --- hostile ones
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
"$bin/part" print loop > /dev/null && complain "a chain that loops is no error status"
# A boot flag that is none: sfdisk shows the entry, and the other one.
cp four flag
printf '\063' | dd of=flag bs=1 seek=446 conv=notrunc status=none
[ "$(sfdisk -d flag 2> /dev/null | grep -c start=)" -gt 1 ] || complain "sfdisk does not show both"
says flag 'partition 1: boot flag 0x33, neither 0 nor 0x80'
"$bin/part" print flag | grep -q '^part 2 ' || complain "the entry beside a bad flag is not there"
before=$(cksum < flag)
"$bin/part" create gpt flag 2> /dev/null && complain "a table with a bad flag was replaced"
[ "$before" = "$(cksum < flag)" ] || complain "it was refused, and written"
"$bin/part" delete flag 1 || complain "an entry with a bad flag cannot be deleted"
"$bin/part" print flag > /dev/null || complain "it is deleted, and still refused"
# A partition that reaches beyond the disk, and two that overlap.
cp four wild
printf '\377\377\377\177' | dd of=wild bs=1 seek=$((446 + 12)) conv=notrunc status=none
says wild 'do not fit in the disk'
cp four over
printf '\001\010\000\000' | dd of=over bs=1 seek=$((446 + 16 + 8)) conv=notrunc status=none
says over 'overlaps partition 1'
"$bin/part" print over > /dev/null && complain "a refused partition is no error status"

# --- what is no use of it
says_why()
{
	local rc=$1 why=$2
	shift 2
	"$bin/part" "$@" > log 2>&1
	[ $? = "$rc" ] && grep -qF -- "$why" log || complain "part $*: $(cat log)"
}
: > nothing
head -c 511 /dev/zero > short
says_why 1 'its 0 bytes are not even one sector of 512' nothing
says_why 1 'its 511 bytes are not even one sector of 512' print short
says_why 2 'frob: no command, nor one disk to print' frob x
says_why 2 'print: wrong number of arguments' print
says_why 2 'delete: wrong number of arguments' delete x

# --- none: a file system in the whole disk, zeros
truncate -s 8M fat
mkfs.fat fat > /dev/null 2>&1
says fat '^table none'
truncate -s 1M zero
says zero '^table none'

# The judge: another table is not the same.
by_sfdisk mbr > want
by_us four > got
cmp -s want got && complain "two tables are the same"
[ $nsizes = 9 ] || complain "only $nsizes sizes"
exit $bad
