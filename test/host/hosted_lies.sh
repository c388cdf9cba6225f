# Each driver of tool/hosted.tab on a device that lies: of the registers it reads, of the words in its
# memory and of its interrupts some are not what the device model made them.  The driver may tell its
# clients errors, and may refuse to start; it may not crash, nor hang past its bound, nor touch what
# it was not given; and when the lies end, a driver started anew works.
# LIES_RUNS: runs of each driver (6), of LIES_SECONDS (1) each.  LIES_SEED: the first run's number (1).
# LIES_ONLY: one name.  LIES_RATE: in place of the run's own.  LIES_FAULT: a fault (man/4/fault) that the
# driver is told to have, so that this script can be seen to fail (hosted_judges.sh).
# bound: 600
set -u
cd "$(dirname "$0")/../.." || exit 1
. tool/hosted_lib.sh
hosted_test
bound=${LIES_BOUND:-60}

fail()
{
	echo "FAIL: $name, run $run ($kinds, one in $rate): $*"
	tail -n 60 "$h"/*.log
	"$p9" -a "unix!$h/dev" cat qtest/ctl qtest/refused irq/ctl
	exit 1
}

tell()
{
	echo "$1" | "$p9" -a "unix!$h/dev" write qtest/ctl || fail "qtestfs does not take: $1"
}

sane()
{
	! grep -E 'Sanitizer|runtime error|AddressSan' "$h/driver.log" || fail "a sanitizer"
	kill -0 $qtestfs_pid 2> /dev/null || fail "qtestfs died"
}

# Refusals and wild accesses are the driver's own, unless the device has changed its memory.
innocent()
{
	[ "$(hosted_value "$h/dev" qtest/ctl refused)" = 0 ] || fail "it reached outside of its registers"
	case $kinds in
	*memory*) ;;
	*)	[ "$(hosted_value "$h/dev" qtest/ctl wild)" = 0 ] || fail "its device was sent elsewhere" ;;
	esac
}

# QEMU itself may give up a device that is used so (an assertion of its own fails): that is not the
# driver's end, but it is the run's.
machine_gone()
{
	! kill -0 $qemu_pid 2> /dev/null
}

# The clients, until each has its answers; 1: one has none, though the machine lives.
use()
{
	local client
	python3 test/host/hosted_use.py "$h/sd" "$disk_name" "${LIES_SECONDS:-1}" "$run" $bound \
		> "$h/use" 2>&1 &
	client=$!
	while kill -0 $client 2> /dev/null; do
		machine_gone && kill $client 2> /dev/null
		sleep 0.05
	done
	wait $client 2> /dev/null || machine_gone
}

# A disk keeps what is written; a disc has what the image has.
works()
{
	[ "$disk_name" != - ] || return 0
	python3 - "$h/sd" "$disk_name" "$(hosted_is_cd "$name" && echo cd)" <<'END'
import sys
sys.path.insert(0, "test/host")
import p9
is_cd = sys.argv[3] == "cd"
f = p9.Client(sys.argv[1]).open(sys.argv[2] + "/data", 0 if is_cd else 2)
data, at = (b"a" * 5000, 6300001) if is_cd else (b"x" * 5000, 63000001)
if not is_cd:
    f.put(data, at)
    f.fsync()
sys.exit(f.all(5000, at) != data)
END
}

one_run()
{
	local rc=0 began=$SECONDS
	h=$dir/$name-$run
	mkdir -p "$h"
	head -c $((8 << 20)) /dev/zero | tr '\0' 'a' > "$h/disk"
	truncate -s 64M "$h/disk"
	hosted_machine "$name" -lie "$rate" -seed "$run" -kinds "$kinds" || fail "no machine"
	if hosted_driver > "$h/start"; then
		[ -z "${LIES_FAULT:-}" ] || echo "fault $LIES_FAULT" |
			"$p9" -a "unix!$h/sd" write "$([ "$disk_name" = - ] && echo ctl || echo sdctl)"
		use || {
			cat "$h/use"
			fail "a request hangs, or the driver is gone"
		}
		tail -n 1 "$h/use"
	elif kill -0 $driver 2> /dev/null; then
		fail "it does not start, nor end, in 60 s"
	else
		echo "refuses to start: $(grep -v '^$' "$h/driver.log" | tail -n 1)"
	fi
	lies=$("$p9" -a "unix!$h/dev" cat qtest/ctl | sed -n 's/^lies-\([a-z]*\)/\1/p' | tr '\n' ' ')
	if machine_gone; then
		hosted_stop KILL
	else
		hosted_stop TERM $bound || rc=$?
	fi
	sane
	innocent
	[ $rc -le 1 ] || machine_gone || fail "it ends with $rc"
	if ! machine_gone; then
		tell "lie 0"
		hosted_driver || fail "no start on a device that has stopped lying"
		works || fail "a new driver does not work"
		hosted_stop TERM $bound || fail "the new driver ends with $?"
		sane
	else
		echo "QEMU gave up: $(tail -n 1 "$h/qemu.log")"
	fi
	hosted_end
	echo "$name, run $run ($kinds, one in $rate): $((SECONDS - began)) s, lies: $lies"
	rm -rf "$h"
}

sets=(registers memory interrupts registers,interrupts registers,memory,interrupts registers)
rates=(100 20 5 10 200 1000)
first=${LIES_SEED:-1}
for name in ${LIES_ONLY:-$(hosted_names)}; do
	for run in $(seq "$first" $((first + ${LIES_RUNS:-6} - 1))); do
		kinds=${sets[run % 6]}
		rate=${LIES_RATE:-${rates[(run + run / 6) % 6]}}
		one_run
	done
done
