# Helpers of the boot scenarios; a scenario sources this file.  Each has its own directory, $dir.
#
#	. test/boot/lib.sh
#	init <<'END'                    commands for /boot/init.conf, run with `set -e`
#	echo hello
#	END
#	boot                            boots, waits for the end; the console is in $dir/console
#	expect 'hello'                  the console has a line with this text
#	refuse 'panic'                  and none with this
#
# The machine ends when the commands end: with their status, which boot checks.  CPUS, THREAD, MEM, DISKS,
# CACHE, EXTRA, APPEND, KERNEL and TIMEOUT are those of tool/qemu.sh.  Files put into $dir/extra before
# boot are laid over the boot archive.  $b is the build: the programs and kernels of when it began.

set -u
dir=${TEST_DIR:-$(mktemp -d /tmp/lux9-test.XXXXXX)}
mkdir -p "$dir/extra"

# What is booted, as it is now, in $dir/build: a make may replace the files meanwhile, of which each is
# whole at any time.  Links, where they can be.
take_build()
{
	local f
	rm -rf "$dir/build"
	for f in kernel/lux9.elf kernel-debug/lux9.elf boot.tar lux9/bin lux9/fault lux9/personality prog; do
		[ -e "$1/$f" ] || continue
		mkdir -p "$dir/build/$(dirname "$f")"
		cp -al "$1/$f" "$dir/build/$(dirname "$f")/" 2> /dev/null ||
			cp -a "$1/$f" "$dir/build/$(dirname "$f")/" || exit 1
	done
}
take_build "${B:-build}"
export B=$dir/build
b=$B
export TIMEOUT=${TIMEOUT:-240}

fail()
{
	echo "FAIL: $*"
	if [ -f "$dir/console" ]; then
		echo "--- the console's end:"
		tail -n "${CONSOLE_LINES:-60}" "$dir/console" | tr -d '\r'
	fi
	exit 1
}

skip()
{
	echo "skipped: $*"
	exit 77
}

# The commands of init, from standard input.
init()
{
	{ echo 'set -e'; cat; } > "$dir/extra/init.conf"
}

# Puts programs built from test/prog into the archive, as /boot/bin/NAME.
with_prog()
{
	mkdir -p "$dir/extra/bin"
	local p
	for p; do
		[ -x "$b/prog/$p" ] || fail "$b/prog/$p is not built"
		cp "$b/prog/$p" "$dir/extra/bin/"
	done
}

# Puts drivers with faults on demand (man/4/fault) in the place of the usual ones.
with_fault_prog()
{
	mkdir -p "$dir/extra/bin"
	local p
	for p; do
		[ -x "$b/lux9/fault/$p" ] || fail "$b/lux9/fault/$p is not built"
		strip -o "$dir/extra/bin/$p" "$b/lux9/fault/$p"
	done
}

archive()
{
	bash tool/mkboot.sh "$b" "$dir/boot.tar" "$dir/extra" || fail "no boot archive"
}

# Boots and waits; the status that is expected of the machine is $1, or 0.
boot()
{
	local want=${1:-0} rc=0
	archive
	ENDS=exit INITRD=$dir/boot.tar APPEND="init.end=exit ${APPEND:-}" SERIAL=$dir/console \
		sh tool/qemu.sh < /dev/null || rc=$?
	[ -s "$dir/console" ] || fail "nothing on the console (status $rc)"
	case $rc in
	"$want") ;;
	126)	fail "powered off or reset itself" ;;
	124)	fail "not ended after $TIMEOUT s" ;;
	*)	fail "ended with $rc, not $want" ;;
	esac
	refuse 'panic:'
}

# The console as text, without carriage returns.
console()
{
	tr -d '\r' < "$dir/console"
}

expect()
{
	local t
	for t; do
		console | grep -qF -- "$t" || fail "not on the console: $t"
	done
}

expect_re()
{
	local t
	for t; do
		console | grep -qE -- "$t" || fail "nothing on the console like: $t"
	done
}

refuse()
{
	local t
	for t; do
		! console | grep -F -- "$t" || fail "on the console: $t"
	done
}

refuse_re()
{
	local t
	for t; do
		! console | grep -E -- "$t" || fail "on the console: $t"
	done
}

# The first match of an extended regular expression on the console.
find_re()
{
	console | grep -oE -m1 -- "$1"
}

# Answers what programs ask of the next machine's monitor (test/prog/monitor); what that says goes to
# $dir/monitor, or $1.  $monitor are the options for EXTRA.
with_monitor()
{
	monitor="-qmp unix:$dir/qmp,server=on,wait=off -debugcon file:$dir/asked"
	rm -f "$dir/asked" "$dir/qmp"
	python3 test/boot/monitor.py "$dir/qmp" "$dir/asked" > "${1:-$dir/monitor}" &
}

# Commands for init that write /boot/blob to several places at once.  Each argument is "DISK BS SEEK", or
# "DISK BS SEEK CONV" with another conv than notrunc,fsync; of one that ends well the console has
# "done a", the next "done b", and so on.
blob_writers()
{
	local name=a place disk bs seek conv
	echo 'writers='
	for place; do
		read -r disk bs seek conv <<< "$place"
		echo "dd if=/boot/blob of=/dev/sd/$disk/data bs=$bs seek=$seek conv=${conv:-notrunc,fsync} && echo done $name &"
		echo 'writers="$writers $!"'
		name=$(tr a-y b-z <<< "$name")
	done
	echo 'for w in $writers; do wait $w; done'
}

# Commands for init: the interrupts of the driver $1, built with faults, get lost under a reader of its disk
# $2, and come again; /tmp is there, and the driver alone at /mnt.
lose_interrupts()
{
	cat <<END
slot=/dev/sip/servers/$1
echo 'fault lostirq' > /mnt/sdctl
until grep -q degraded \$slot/status; do dd if=/dev/sd/$2/data of=/dev/null bs=512 count=1 2> /dev/null; done
grep message \$slot/health
grep port-state /dev/sd/$2/ctl
grep last-error /dev/sd/$2/ctl
dd if=/dev/sd/$2/data of=/tmp/lost bs=4096 count=250 2> /tmp/told
sha256sum /tmp/lost
echo "without interrupts: \$(cat /tmp/told)"
grep lost-interrupts /dev/sd/$2/stats
grep polled-ends /dev/sd/$2/stats
cat \$slot/status
echo 'fault irqback' > /mnt/sdctl
until grep -q healthy \$slot/status; do dd if=/dev/sd/$2/data of=/dev/null bs=4096 count=100 2> /dev/null; done
grep port-state /dev/sd/$2/ctl
cat \$slot/log \$slot/status
rm /tmp/lost
END
}

# Of the driver $1, whose disk has what is in the file $2: it was right, not slow, told of, and nobody killed.
expect_lost_interrupts()
{
	local seconds
	expect_re '^message [0-9.]+( [a-z0-9 ]+)?: its interrupts do not come, it is polled$' '^port-state polled$' \
		'^last-error interrupts .*do not come: polled every 2 ms$' \
		'^generation 1$' '^lost-interrupts [3-9]$' '^polled-ends [0-9]{3}' '^port-state ready$' ': interrupts .*come again$'
	expect "$(head -c 1024000 "$2" | sha256sum | cut -d' ' -f1)"
	seconds=$(find_re '^without interrupts: 1024000 bytes, [0-9]+' | sed 's/.* //')
	[ -n "$seconds" ] && [ "$seconds" -lt 15 ] || fail "$1 took ${seconds:-?} s for 250 requests without interrupts"
	refuse_re "interrupts .*do not come.* interrupts .*do not come"
	console | grep '^without interrupts' | sed "s/^/$1 /"
}

# The images NAME of $1 MiB are zeros with $dir/extra/blob at the given places, and nothing else:
# images_with_blob MIB NAME:OFFSET,OFFSET... NAME:...
images_with_blob()
{
	python3 - "$dir" "$@" <<'END' || fail "an image is not what it should be"
import sys
d, mib, *images = sys.argv[1:]
blob = open(d + "/extra/blob", "rb").read()
for image in images:
    name, places = image.split(":")
    want = bytearray(int(mib) << 20)
    for at in map(int, places.split(",")):
        want[at:at + len(blob)] = blob
    got = open(d + "/" + name, "rb").read()
    if got != bytes(want):
        bad = [at for at in range(0, len(want), 512) if got[at:at + 512] != want[at:at + 512]]
        sys.exit("disk %s: %d bytes, differs first at %s" % (name, len(got), bad[:1]))
END
}

# Puts an ext4 tree under $1: at least $2 files and $3 MiB, in folders, with odd names and sizes.
make_tree()
{
	python3 - "$1" "$2" "$3" <<'END'
import os, random, sys
top, nfiles, mib = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rnd = random.Random(9)
left = mib << 20
os.makedirs(top)
blob = rnd.randbytes(1 << 20)
sizes = [0, 1, 511, 512, 513, 4095, 4096, 4097, 65535, 65536, 65537]
big = left // 3
for i in range(nfiles):
    folder = os.path.join(top, "d%02d" % (i % 37), "sub%d" % (i % 5))
    os.makedirs(folder, exist_ok=True)
    name = ["f%d", "a file %d", "\u00e9t\u00e9-%d", "%d-" + "n" * 200][i % 4] % i
    if i < 4:
        n = big // 4
    else:
        share = max(0, left) // (nfiles - i)
        n = sizes[i] if i < len(sizes) else rnd.randrange(0, 2 * share + 1)
    left -= n
    with open(os.path.join(folder, name), "wb") as f:
        while n > 0:
            start = rnd.randrange(0, 4096)
            part = blob[start:start + min(n, 1 << 19)]
            f.write(part)
            n -= len(part)
os.symlink("d00/sub0", os.path.join(top, "link"))
os.makedirs(os.path.join(top, "empty"))
END
}
