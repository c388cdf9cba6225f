# lsdisk and smart over folders like those of /dev/sd: fields, JSON that another program reads, what a
# disk says of its health, and texts that mean no good.
. "$(dirname "$0")/lib.sh"
need python3
cd "$dir" || exit 1

# disk NAME SECTORS SECSIZE, ctl's lines from standard input
disk()
{
	mkdir -p "sd/$1"
	printf 'sectors %s\nsecsize %s\nphyssecsize 4096\n' "$2" "$3" > "sd/$1/geometry"
	truncate -s 1M "sd/$1/data"
	cat > "sd/$1/ctl"
}

says_line()
{
	grep -qxF -- "$1" got || complain "no line \"$1\" in: $(cat got)"
}

disk sdC0 3932160000 4096 <<'END'
device sdC0
model QEMU "HARD"	DISK\
serial QM00001
firmware 2.5+
size 16106127360000
state ready
table gpt 0b0c
part 1 6 1310720000 abcd-1 c12a7328-f81f-11d2-ba4b-00a0c93ec93b my  own "label"\
part 130 1310720006 10 abcd-82 00112233-4455-6677-8899-aabbccddeeff
note gpt: backup: no signature
open 1 2
controller 0.4.0 port 0
smart passed
temperature 31
smart-attribute 5 reallocated-sectors 0 100 100 36 ok
smart-attribute 194 temperature 31 69 51 0 ok
END
disk sdC10 2048 512 <<'END'
model x
serial
size 1048576
table mbr 1234abcd
part 5 100 50 1234abcd-05 0x83
smart failed reallocated-sectors is at 1, its threshold is 36
temperature -4
smart-attribute 5 reallocated-sectors 4711 1 1 36 failing
END
disk sdN2 2048 512 <<'END'
model NVMe
serial 7
size 1048576
table none
smart unknown
temperature 7
smart-note the list of log pages is malformed
smart-value percentage-used 3
smart-value media-errors 18446744073709551615
END
chmod a-w sd/sdN2/data
mkdir sd/empty
echo "sdC0 'x' 1" > sd/sdctl

"$bin/lsdisk" -1 -r sd | tr '\t' '|' > got || complain "lsdisk -1 failed"
cat > want <<'END'
sdC0|16106127360000|4096|-|gpt|-|-|0b0c|QEMU "HARD"_DISK\|QM00001|rw
sdC0/1|5368709120000|4096|6|-|efi|my  own "label"\|abcd-1|-|-|rw
sdC0/130|40960|4096|1310720006|-|00112233-4455-6677-8899-aabbccddeeff|-|abcd-82|-|-|rw
sdC10|1048576|512|-|mbr|-|-|1234abcd|x|-|rw
sdC10/5|25600|512|100|-|linux|-|1234abcd-05|-|-|rw
sdN2|1048576|512|-|none|-|-|-|NVMe|7|ro
END
diff want got || complain "lsdisk -1"
"$bin/lsdisk" -r sd > got
[ "$(wc -l < got)" = 7 ] && head -1 got | grep -q '^name .*mode$' || complain "lsdisk: $(cat got)"
awk '$1 == "sdC0/1" && $2 != "4.9T" { exit 1 }' got || complain "lsdisk: 4.9T: $(cat got)"
"$bin/lsdisk" -j -r sd > got || complain "lsdisk -j failed"
python3 - <<'END' || complain "lsdisk -j: $(cat got)"
import json
disks = json.load(open("got"))["disks"]
assert [d["name"] for d in disks] == ["sdC0", "sdC10", "sdN2"]
assert disks[0]["size"] == 16106127360000 and disks[0]["model"] == 'QEMU "HARD"_DISK\\'
assert disks[0]["partitions"][0]["label"] == 'my  own "label"\\'
assert disks[0]["partitions"][1]["start"] == 1310720006
assert disks[2]["partitions"] == [] and "uuid" not in disks[2]
END
"$bin/lsdisk" -j -r sd/empty | python3 -m json.tool > got || complain "lsdisk -j of nothing"
"$bin/lsdisk" -1 sd/sdN2 sd/sdC10/data > got || complain "lsdisk by name"
[ "$(cut -f 1 got | tr '\n' ' ')" = 'sdN2 sdC10 sdC10/5 ' ] || complain "lsdisk by name: $(cat got)"
"$bin/lsdisk" nothing > got 2> errors && complain "lsdisk of no disk"
grep -qx 'lsdisk: nothing: no such disk' errors || complain "lsdisk: $(cat errors)"
"$bin/lsdisk" -r nothing > got 2> errors && complain "lsdisk of no folder"

"$bin/smart" -r sd > got && complain "smart: a disk that fails is no error status"
says_line 'sdC0 passed, 31 C'
says_line 'sdC10 failed reallocated-sectors is at 1, its threshold is 36, -4 C'
says_line 'sdN2 unknown, 7 C'
says_line '      the list of log pages is malformed'
grep -qE '^ +5 reallocated-sectors +4711 +1 +1 +36  failing$' got || complain "smart: $(cat got)"
grep -qE '^ +media-errors +18446744073709551615$' got || complain "smart: $(cat got)"
"$bin/smart" sd/sdC0 > got || complain "smart: a disk that is well is an error"
[ "$(wc -l < got)" = 4 ] || complain "smart: $(cat got)"
"$bin/smart" -s sd/sdC0 sd/sdN2 > got || complain "smart -s"
[ "$(wc -l < got)" = 2 ] || complain "smart -s: $(cat got)"
"$bin/smart" sd/empty 2> errors && complain "smart of no disk"

exit $bad
