#!/bin/bash
# A long kill campaign, in pieces of bounded QEMU runs; prints the table of doc/campaign.md.
#
# Variables, all optional:
#   N        deaths (10000)             PIECE    deaths of one machine (500)
#   SEED     of the first piece (1)     VARIANT  one of test/campaign/lib.sh (disk)
#   CAUSE    mixed: all that the variant has (the default), for a disk's driver nine; outside: kill
#            and note only, of the usual drivers; or one of test/prog/reaper.c
#   BUILD_FAULTS  0 or 1: the drivers are the usual ones, or the tests' builds, which the causes
#            from inside need (as CAUSE and VARIANT want it)
#   ICOUNT   1: time is instructions, one to a nanosecond, on one processor (as BUILD_FAULTS: so a
#            storm of interrupts is one however busy the host is; test/boot/faults.sh)
#   CPUS     processors (2; with BUILD_FAULTS=1 or ICOUNT=1 one)
#   DEADLINE of the disk's driver, in ms (1000; with ICOUNT=1 200)
#   KERNEL   build/kernel-debug/lux9.elf for the debug kernel
#
# Each piece is judged for itself: piece I of SEED S can be run alone with SEED=S+I, N=PIECE.
# Consoles are kept in build/campaign/.  Exits with 0 if all pieces were right, with 2 if what was
# asked for cannot be.
set -u
cd "$(dirname "$0")/.." || exit 1
n=${N:-10000} piece=${PIECE:-500} seed=${SEED:-1} variant=${VARIANT:-disk} cause=${CAUSE:-mixed}

# Whether these causes of this variant come from inside of a driver.
from_inside()
{
	case $variant:$cause in
	names:*|tree:*|iso:*|*:outside|*:kill|*:note) echo 0 ;;
	*) echo 1 ;;
	esac
}

refuse_usage()
{
	echo "campaign: $*" >&2
	exit 2
}

faults=${BUILD_FAULTS:-$(from_inside)}
icount=${ICOUNT:-$faults}
case $variant:$cause in
names:fault*|tree:fault*|iso:fault*)
	refuse_usage "$variant: no driver dies, so none by: $cause" ;;
*:fault*)
	[ "$faults" = 1 ] || refuse_usage "BUILD_FAULTS=$faults: drivers that do not know: $cause" ;;
esac
export B=${B:-build} CACHE=unsafe BUILD_FAULTS=$faults
export CPUS=${CPUS:-$((faults || icount ? 1 : 2))}
keep=$B/campaign/$variant
if [ "$icount" = 1 ]; then
	# There a driver has time for more interrupts.
	export CPUS=1 EXTRA="-icount shift=0,sleep=on" DEADLINE=${DEADLINE:-200} STORM=100000
fi

run_piece()
(
	# TIMEOUT: a death from which a deadline saves takes a second, and more on a loaded machine
	export TIMEOUT=$((120 + $1 * 2))
	. test/boot/lib.sh
	. test/campaign/lib.sh
	case $cause in
	mixed)	mixed_causes "$variant" ;;
	outside) mixed=(kill note) ;;
	*)	mixed=("$cause") ;;
	esac
	campaign "$variant" "$1" "$2" "${mixed[@]}"
)

rm -rf "$keep"
mkdir -p "$keep"
bad=0
for ((i = 0, left = n; left > 0; i++, left -= now)); do
	now=$((left < piece ? left : piece))
	TEST_DIR=$(mktemp -d /tmp/lux9-campaign.XXXXXX)
	export TEST_DIR
	if run_piece $now $((seed + i)) > "$keep/$i.log" 2>&1; then
		word=right
	else
		word=WRONG bad=$((bad + 1))
		tail -n 40 "$keep/$i.log"
	fi
	cp "$TEST_DIR/console" "$keep/$i.console"
	rm -rf "$TEST_DIR"
	echo "piece $i, seed $((seed + i)), $now deaths: $word"
done
python3 test/campaign/judge.py table "$keep"/*.console
echo "$variant: $n deaths ordered, $i machines, $bad of them wrong"
[ $bad = 0 ]
