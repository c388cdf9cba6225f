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

# refuses PROGRAM TEXT ARGUMENT...: it ends at once with a status that is not 0, and says the text.
refuses()
{
	local program=$bin/$1 text=$2
	shift 2
	timeout 5 "$program" "$@" -listen unix!sock > log 2>&1
	case $? in
	0|124|13[0-9]) complain "$*: was served, or died" ;;
	esac
	grep -qF -- "$text" log || complain "$*: says $(cat log) and not: $text"
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

# --- Linux itself, as a process (user-mode-linux), with its 9P client ---------------------------

# uml_enter "$0" "$@": the script goes on in name spaces of its own, where this machine is 10.9.0.1 to
# that Linux; or it is skipped.  It is called first, as the script begins anew.
uml_enter()
{
	need linux.uml busybox unshare ip
	[ "$(id -u)" = 0 ] && [ -e /dev/net/tun ] && [ -d /usr/lib/uml/modules ] ||
		{ echo 'needs root, /dev/net/tun'; exit 77; }
	if [ "${2:-}" != inside ]; then
		unshare -n -m true 2> /dev/null || { echo 'skipped: no name spaces of its own here'; exit 77; }
		TEST_DIR=$dir exec unshare -n -m bash "$1" inside
	fi
	ip link set lo up
	ip tuntap add dev tap0 mode tap && ip addr add 10.9.0.1/24 dev tap0 && ip link set tap0 up || exit 1
}

# uml NAME SECONDS: the commands on standard input are its first program.  /mnt/out is $dir; /mnt/fs
# and /mnt/ctl are empty folders; what is printed is in $dir/trace.NAME.
# Fails, and says so, when that Linux did not come up.
uml()
{
	local modules m
	modules=$(echo /usr/lib/uml/modules/*/kernel)
	{
		cat <<END
#!/bin/bash
PATH=/usr/sbin:/sbin:/usr/bin:/bin
modules=$modules
exec > /dev/null 2>&1
mount -t proc proc /proc
mount -t tmpfs tmpfs /mnt
mkdir /mnt/out /mnt/fs /mnt/ctl
mount -t hostfs -o $dir none /mnt/out
exec > /mnt/out/trace.$1 2>&1
echo up
END
		for m in net/9p/9pnet net/9p/9pnet_fd fs/netfs/netfs fs/fscache/fscache fs/9p/9p; do
			echo "busybox insmod $modules/$m.ko"
		done
		printf 'ip link set lo up\nip addr add 10.9.0.2/24 dev eth0\nip link set eth0 up\n'
		cat
		printf 'sync -f /mnt/out\necho o > /proc/sysrq-trigger\nsleep 60\n'
	} > "$dir/init.$1"
	chmod +x "$dir/init.$1"
	HOME=$dir TMPDIR=$dir timeout -k 2 "$2" linux.uml mem=192M root=/dev/root rootfstype=hostfs \
		rootflags=/ ro con=null con0=null,fd:1 init="$dir/init.$1" uml_dir="$dir" \
		eth0=tuntap,tap0 > "$dir/console.$1" 2>&1 < /dev/null
	grep -qx up "$dir/trace.$1" 2> /dev/null && return 0
	echo "FAIL: user-mode-linux did not come up: $(tail -1 "$dir/console.$1")"
	return 1
}

# Functions for the commands of uml: people's own programs at work on a mount.  What went well is told
# in lines that begin with a name, $1.
uml_programs()
{
	cat <<'END'
# use VERSION PORT FOLDER
use() {
	mount -t 9p -o "trans=tcp,port=$2,version=$1,msize=65536,cache=none,access=user,aname=/" \
		10.9.0.1 $3
}
work() {
	cp -r /etc/init.d a && diff -r /etc/init.d a && echo "$1 copied"
	tar cf a.tar a && mkdir b && tar xf a.tar -C b && diff -r a b/a && echo "$1 tar"
	mv b c && mv c/a d && rmdir c && diff -r a d && echo "$1 renamed"
	truncate -s 10M sparse && echo end >> sparse && [ "$(tail -c 4 sparse)" = end ] &&
		[ "$(stat -c %s sparse)" = 10485764 ] && echo "$1 sparse"
	echo old > f && exec 5< f && rm f && echo new > f && [ "$(cat f)" = new ] &&
		[ "$(cat <&5)" = old ] && echo "$1 replaced"
	exec 5<&-
	rm -r a d a.tar sparse f && [ -z "$(ls)" ] && echo "$1 removed"
}
commit() {
	mkdir g && cd g && git init -q . && cp -r /etc/init.d x &&
		git -c user.name=a -c user.email=b add . &&
		git -c user.name=a -c user.email=b commit -qm one && git gc -q && git fsck --full &&
		echo "$1 git"
	cd ..
	sqlite3 t.db 'create table a(x); insert into a values(1); insert into a select x+1 from a;
		pragma integrity_check;' && sqlite3 t.db 'select count(*) from a;' && echo "$1 sqlite"
	rm -rf g t.db
}
# As root.
owners() {
	touch t && ln t hard && ln -s t soft && [ "$(stat -c %h t)" = 2 ] && cmp hard soft && echo "$1 links"
	mkdir own && chown 5:6 own && chmod 2751 own && touch -d '2001-02-03 04:05:06Z' own &&
		[ "$(stat -c '%u %g %a' own)" = '5 6 2751' ] &&
		[ "$(TZ=UTC stat -c %y own)" = '2001-02-03 04:05:06.000000000 +0000' ] && echo "$1 attributes"
	mkfifo p && mknod z c 1 5 && [ "$(stat -c '%F %t %T' z)" = 'character special file 1 5' ] &&
		echo "$1 nodes"
	chmod 1777 . && setpriv --reuid 7 --regid 8 --clear-groups touch mine &&
		[ "$(stat -c '%u %g' mine)" = '7 8' ] && echo "$1 owner"
	rm -rf t hard soft own p z mine
}
END
}

# uml_told NAME LINE...: those lines are in $dir/trace.NAME.
uml_told()
{
	local trace=$dir/trace.$1 line
	shift
	for line; do
		grep -qx "$line" "$trace" || { echo "missing: $line"; bad=1; }
	done
}
