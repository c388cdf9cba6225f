# Each disk driver of tool/hosted.tab as a process of Linux, under address and undefined sanitizers, on
# QEMU's model of its controller: random reads and writes of four clients with eight requests in flight
# each, discard and zeros as the host's file system sees them, errors of single sectors and of flushes, and its end by
# SIGKILL in the middle of it all, with a new one that takes over the device.
# bound: 300
set -u
cd "$(dirname "$0")/../.." || exit 1
. tool/hosted_lib.sh
hosted_test

load()
{
	python3 test/host/hosted_load.py "$h/sd" "$disk_name" "$h/disk" "$@"
}

new_image()
{
	head -c $((48 << 20)) /dev/urandom > "$h/disk"
	truncate -s 64M "$h/disk"
}

check_load()
{
	hosted_machine "$name" && hosted_driver || hosted_fail "no start"
	load 1600 4 8 1 || hosted_fail "the data is not right"
	hosted_judge load
}

check_discard()
{
	local blocks after
	echo flush | "$p9" -a "unix!$h/sd" write "$disk_name/ctl" || hosted_fail "flush"
	case $(hosted_value "$h/sd" "$disk_name/ctl" features) in
	*trim*|*discard*) ;;
	*)	echo "discard 2048 32768" | "$p9" -a "unix!$h/sd" write "$disk_name/ctl" 2> /dev/null &&
			hosted_fail "a discard that the disk has not"
		return ;;
	esac
	blocks=$(stat -c %b "$h/disk")
	echo "discard 2048 32768" | "$p9" -a "unix!$h/sd" write "$disk_name/ctl" || hosted_fail "discard"
	after=$(stat -c %b "$h/disk")
	[ $((blocks - after)) -ge 32000 ] || hosted_fail "the image has not shrunk: $blocks, $after blocks"
	hosted_judge discard
}

# Where the device can, the zeros take no room.
check_zero()
{
	local blocks after
	cp "$h/disk" "$h/was"
	blocks=$(stat -c %b "$h/disk")
	echo "zero 65000 2048" | "$p9" -a "unix!$h/sd" write "$disk_name/ctl" || hosted_fail "zero"
	echo "zero 40000 20481" | "$p9" -a "unix!$h/sd" write "$disk_name/ctl" || hosted_fail "zero"
	echo flush | "$p9" -a "unix!$h/sd" write "$disk_name/ctl" || hosted_fail "flush"
	python3 - "$h/was" "$h/disk" <<'EOF' || hosted_fail "the image has not zeros where they were asked for"
import sys
was, now = (open(n, "rb").read() for n in sys.argv[1:])
want = bytearray(was)
for first, count in (65000, 2048), (40000, 20481):
    assert any(was[first * 512:(first + count) * 512])
    want[first * 512:(first + count) * 512] = bytes(count * 512)
sys.exit(want != now)
EOF
	after=$(stat -c %b "$h/disk")
	case $(hosted_value "$h/sd" "$disk_name/ctl" features) in
	*write-zeroes*)	[ $((blocks - after)) -ge 20000 ] || hosted_fail "zeros take room: $blocks, $after blocks" ;;
	*)	[ "$after" -ge "$blocks" ] || hosted_fail "zeros were written and take no room" ;;
	esac
	rm -f "$h/was"
	hosted_judge zero
}

check_kill()
{
	local writes loader
	writes=$(hosted_value "$h/dev" qtest/ctl writes)
	load 100000 4 8 2 > "$h/killed" 2>&1 &
	loader=$!
	for _ in $(seq 200); do
		[ "$(hosted_value "$h/dev" qtest/ctl writes)" -lt $((writes + 500)) ] || break
		sleep 0.02
	done
	hosted_stop KILL
	wait $loader && hosted_fail "the clients of a killed driver noticed nothing"
	grep -q 'the service has gone' "$h/killed" || { cat "$h/killed"; hosted_fail "no client was cut off"; }
	hosted_driver || hosted_fail "no second start"
	load 640 4 8 3 || hosted_fail "the data is not right after a restart"
	[ "$(hosted_value "$h/dev" qtest/ctl held)" = 0 ] || hosted_fail "the dead driver's memory is still held"
	hosted_judge restart
	hosted_stop TERM || hosted_fail "it ends with $?"
	[ "$(hosted_value "$h/dev" qtest/ctl buffers)" = 0 ] || hosted_fail "it has left buffers"
	hosted_judge end
	hosted_end
}

part()
{
	python3 - "$h/sd" "$disk_name" "$@" <<'EOF'
import sys
sys.path.insert(0, "test/host")
import p9
what, sector, count, want = sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6]
f = p9.Client(sys.argv[1]).open(sys.argv[2] + "/data")
try:
    if what == "flush":
        f.put(b"x" * 512, 512 * sector)
        f.fsync()
    elif what == "read":
        got = f.all(count * 512, sector * 512)
        with open(sys.argv[7], "rb") as g:
            g.seek(sector * 512)
            assert got == g.read(count * 512), "not the image's bytes"
    else:
        f.put(bytes(512 * count), sector * 512)
    is_error = False
except p9.Error as e:
    is_error = e.errno == 5
    assert is_error, e
assert is_error == (want == "error"), "%s of sector %d: not %s" % (what, sector, want)
EOF
}

# Some sectors have errors for ever, some once, and the first flush has [QEMU docs/devel/blkdebug]: that is told,
# though the next one goes well.
check_errors()
{
	new_image
	{
		printf '[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "1000"\n\n'
		printf '[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "2000"\nonce = "on"\n\n'
		printf '[inject-error]\nevent = "write_aio"\nerrno = "5"\nsector = "20000"\n\n'
		printf '[inject-error]\nevent = "flush_to_disk"\niotype = "flush"\nerrno = "5"\nonce = "on"\n'
	} > "$h/rules"
	HOSTED_DRIVE=blkdebug:$h/rules:$h/disk hosted_machine "$name" && hosted_driver || hosted_fail "no start"
	part read 1000 1 error || hosted_fail "a bad sector is read"
	part read 1001 900 good "$h/disk" || hosted_fail "a neighbour of a bad sector"
	part read 2000 1 good "$h/disk" || hosted_fail "an error that passes is not mended"
	part write 20000 1 error || hosted_fail "a bad sector is written"
	part write 20001 8 good || hosted_fail "a neighbour of a bad sector is not written"
	part flush 30000 1 error || hosted_fail "a flush that fails is not told"
	part flush 30001 1 good || hosted_fail "the flush after one that failed"
	[ "$(hosted_value "$h/sd" "$disk_name/stats" flush-errors)" = 1 ] || hosted_fail "flush-errors is not 1"
	hosted_judge errors
	hosted_stop TERM || hosted_fail "it ends with $?"
	hosted_end
}

[ -n "$(hosted_disks)" ] || { echo "no driver is built"; exit 1; }
for name in $(hosted_disks); do
	h=$dir/$name
	mkdir -p "$h"
	new_image
	check_load
	check_discard
	check_zero
	check_kill
	check_errors
	echo "$name: well"
done
