#!/bin/bash
# Verified mixed reads and writes on a driver's disk: test/campaign/soak.sh, in pieces of one machine each.
# Variables, all optional: N requests (1000000), DRIVER (all), SEED (1), PIECE (100000).
set -u
cd "$(dirname "$0")/.." || exit 1
export B=${B:-build} TIMEOUT=1200
TEST_DIR=$(mktemp -d /tmp/lux9-soak.XXXXXX)
export TEST_DIR
trap 'rm -rf "$TEST_DIR"' EXIT
. test/boot/lib.sh
. test/campaign/disks.sh
. test/campaign/soak.sh
n=${N:-1000000} piece=${PIECE:-100000} seed=${SEED:-1}
for driver in ${DRIVER:-$disk_drivers}; do
	for ((i = 0, left = n; left > 0; i++, left -= now)); do
		now=$((left < piece ? left : piece))
		(soak "$driver" $now $((seed + i * 4))) || exit 1
		console | grep '^stamp: writes' | sed "s/^/$driver, piece $i: /"
	done
	echo "$driver: $n requests, all right"
done
