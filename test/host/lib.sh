# Helpers of the scripts for Linux; a script sources this file: . "$(dirname "$0")/lib.sh"
set -u
PATH=$PATH:/usr/sbin:/sbin
top=$(cd "$(dirname "$0")/../.." && pwd)
bin=$(cd "$top" && cd "${B:-build}/host/bin" && pwd) || exit 1
dir=${TEST_DIR:-$(mktemp -d)}
bad=0

complain()
{
	echo "FAIL: $*"
	bad=1
}

# Or the test is skipped.
need()
{
	local p
	for p; do
		command -v "$p" > /dev/null || { echo "needs $p"; exit 77; }
	done
}

# --- partition tables, as other people's tools see them ----------------------------------------

# In our form: the table's kind and name; for each partition number, start, sectors, type, and for
# a GPT UUID and label.  sfdisk knows images of 512-byte sectors only; fdisk the others.
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

by_fdisk()
{
	local columns=Device,Start,Sectors,Id
	fdisk -b "$2" -l "$1" 2>/dev/null | grep -q 'Disklabel type: gpt' &&
		columns=Device,Start,Sectors,Type-UUID,UUID,Name
	fdisk -b "$2" -l -o $columns "$1" 2>/dev/null | python3 -c '
import re, sys
for line in sys.stdin:
    line = line.rstrip()
    m = re.match(r"Disklabel type: (\w+)", line)
    if m:
        kind = m.group(1).replace("dos", "mbr")
    m = re.match(r"Disk identifier: (0x)?(\S+)", line)
    if m:
        print(kind, m.group(2).lower())
    m = re.match(sys.argv[1] + r"p?(\d+) +(\d+) +(\d+) +(\S+) *(\S*) *(.*)$", line)
    if m and kind == "gpt":
        print(m.group(1), m.group(2), m.group(3), m.group(4).lower(), m.group(5).lower(), m.group(6))
    elif m:
        print(m.group(1), m.group(2), m.group(3), "0x%02x" % int(m.group(4), 16))
' "$(printf '%s' "$1" | sed 's/[.]/[.]/g')" | sort -n
}

by_us()
{
	"$bin/part" print -s "${2:-512}" "$1" | awk '
		$1 == "table" { print $2 ($3 == "" ? "" : " " $3) }
		$1 == "part" && $5 ~ /^0x/ { print $2, $3, $4, $5 }
		$1 == "part" && $5 !~ /^0x/ {
			label = $0
			for (i = 0; i < 8; i++)
				sub(/^[^ ]+ ?/, "", label)
			print $2, $3, $4, $5, $6, label
		}' | sort -n
}

# same IMAGE [SECTOR-SIZE]
same()
{
	if [ "${2:-512}" = 512 ]; then by_sfdisk "$1"; else by_fdisk "$1" "$2"; fi > want
	by_us "$1" "${2:-512}" > got
	[ -s want ] || complain "$1: sfdisk or fdisk says nothing"
	diff -u want got || complain "$1: not what sfdisk or fdisk says"
}

# sgdisk must agree with sfdisk about the sectors of a GPT, or the judge is wrong.
sgdisk_agrees()
{
	sgdisk -p "$1" 2>/dev/null | awk '/^ *[0-9]+ +[0-9]+ +[0-9]+ /{ printf "%d %s %.0f\n", $1, $2, $3 - $2 + 1 }' > want
	"$bin/part" print "$1" | awk '$1 == "part"{ print $2, $3, $4 }' | sort -n > got
	diff -u want got || complain "$1: not what sgdisk says"
}

# says IMAGE PATTERN [SECTOR-SIZE]
says()
{
	"$bin/part" print -s "${3:-512}" "$1" > got
	grep -q -- "$2" got || complain "$1: does not say \"$2\": $(cat got)"
}

# Neither sgdisk nor sfdisk finds a fault.
verified()
{
	if [ "$("$bin/part" print "$1" | awk 'NR == 1{ print $2 }')" = gpt ]; then
		sgdisk -v "$1" > verdict 2>&1
		grep -q '^No problems found' verdict || complain "$1: sgdisk -v: $(cat verdict)"
	fi
	LC_ALL=C sfdisk --verify "$1" > verdict 2>&1 && grep -q 'No errors detected' verdict ||
		complain "$1: sfdisk --verify: $(cat verdict)"
}
