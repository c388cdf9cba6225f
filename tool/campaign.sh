#!/bin/bash
# A long kill campaign, in pieces of bounded QEMU runs; prints the table of doc/campaign.md.
#
# Variables, all optional:
#   N        deaths (10000)             PIECE    deaths of one machine (500)
#   SEED     of the first piece (1)     VARIANT  one of test/campaign/lib.sh (disk)
#   CAUSE    mixed: all that the variant has (the default); or one of test/prog/reaper.c
#   KERNEL   build/kernel-debug/lux9.elf for the debug kernel
#   CPUS     processors (2; with BUILD_FAULTS=1 one, for its storms: test/boot/faults.sh)
#   ICOUNT   1: time is instructions, one to a nanosecond, on one processor
#   DEADLINE of the disk's driver, in ms (1000; with ICOUNT 200)
#
# Each piece is judged for itself: piece I of SEED S can be run alone with SEED=S+I, N=PIECE.
# Consoles are kept in build/campaign/.  Exits with 0 if all pieces were right.
set -u
cd "$(dirname "$0")/.." || exit 1
export B=${B:-build} CACHE=unsafe CPUS=${CPUS:-$((2 - ${BUILD_FAULTS:-0}))}
n=${N:-10000} piece=${PIECE:-500} seed=${SEED:-1} variant=${VARIANT:-disk} cause=${CAUSE:-mixed}
keep=$B/campaign/$variant
if [ "${ICOUNT:-0}" = 1 ]; then
	# There a driver has time for more interrupts.
	export CPUS=1 EXTRA="-icount shift=0,sleep=on" DEADLINE=${DEADLINE:-200} STORM=100000
fi

run_piece()
(
	# TIMEOUT: a death from which a deadline saves takes a second, and more on a loaded machine
	export TIMEOUT=$((120 + $1 * 2))
	. test/boot/lib.sh
	. test/campaign/lib.sh
	if [ "$cause" = mixed ]; then
		mixed_causes "$variant"
	else
		mixed=("$cause")
	fi
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
