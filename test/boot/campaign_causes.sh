# As campaign.sh, with the causes from inside: the disk's driver crashes, exits, hangs, goes deaf, storms,
# takes all its memory and writes where it may not, in the middle of commands, under writers and readers.
#
# In time counted in instructions: a storm is one however busy the host is (faults.sh).
# bound: 300
. test/boot/lib.sh
. test/campaign/lib.sh

export CACHE=unsafe CPUS=1 EXTRA="-icount shift=0,sleep=on" BUILD_FAULTS=1 DEADLINE=200 STORM=100000 TIMEOUT=200
mixed_causes disk
campaign disk 45 5 "${mixed[@]}"
for cause in 'page fault at 0x8' 'exited with status 3' 'a request is older than the deadline' \
	'missed health deadline' 'interrupt storm' 'memory limit' 'killed by hand'; do
	expect "$cause"
done
