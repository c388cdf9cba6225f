# Verified reads and writes by four clients, 29 at a time, from one sector to 1 MiB, in and out of line.
# Sourced after test/boot/lib.sh and disks.sh.
#
#	soak DRIVER REQUESTS SEED
#
# Each client has a partition of its own, and a ledger of what it has written there, by which the image
# is judged afterwards on the host.

SOAK_MB=20		# a partition's size
SOAK_THREADS="1 4 8 16"

soak_disk()
{
	local args=() i
	rm -f "$dir/disk" "$dir/ledger"
	truncate -s $((SOAK_MB * 4 + 2))M "$dir/disk" || fail "no room"
	for i in 1 2 3 4; do
		args+=(-n "$i:$((1 + (i - 1) * SOAK_MB))M:+${SOAK_MB}M")
	done
	sgdisk "${args[@]}" "$dir/disk" > /dev/null || fail sgdisk
	truncate -s 12M "$dir/ledger"
	sgdisk -n 1:1M:+2M -n 2:3M:+2M -n 3:5M:+2M -n 4:7M:+2M "$dir/ledger" > /dev/null || fail sgdisk
}

soak()
{
	local driver=$1 requests=$2 seed=$3 name n i=0 ledger
	name=$(disk_name "$driver")
	rm -rf "$dir/extra" && mkdir -p "$dir/extra"
	with_prog stamp
	soak_disk
	# The ledger's disk is on the machine's own controller.
	case $driver in
	ahci)	ledger=sdC32 ;;
	ide)	ledger=sdD0 ;;
	*)	ledger=sdC0 ;;
	esac
	{
		echo 'sipd &'
		echo "await -t 30 /dev/sd/$name/part/4 /dev/sd/$ledger/part/4"
		for n in $SOAK_THREADS; do
			i=$((i + 1))
			echo "stamp -threads $n -readers 0 -region $((SOAK_MB * 1048576 / 16))" \
				"-ops $((requests / 4 / n)) -seed $((seed + i))" \
				"-ledger /dev/sd/$ledger/part/$i /dev/sd/$name/part/$i &"
			echo "p$i=\$!"
		done
		echo 'wait $p1; wait $p2; wait $p3; wait $p4'
		echo "cat /dev/sd/$name/stats /dev/sd/$name/ctl"
	} | init
	MACHINE=$(disk_machine "$driver") CPUS=2 THREAD=multi DISKS=$dir/ledger EXTRA="-drive file=$dir/disk,if=none,id=soaked,format=raw,cache=unsafe \
$(disk_device "$driver" soaked) -d guest_errors -D $dir/guest_errors ${EXTRA:-}" boot
	[ "$(console | grep -cF 'stamp: all right')" = 4 ] || fail "not all four are right"
	soak_judge
	[ ! -s "$dir/guest_errors" ] || fail "QEMU complains: $(head -n 3 "$dir/guest_errors")"
}

soak_judge()
{
	local i
	for i in 1 2 3 4; do
		dd if="$dir/disk" of="$dir/part" bs=1M skip=$((1 + (i - 1) * SOAK_MB)) count=$SOAK_MB status=none
		dd if="$dir/ledger" of="$dir/book" bs=1M skip=$((1 + (i - 1) * 2)) count=2 status=none
		python3 test/campaign/judge.py image "$dir/part" "$dir/book" || fail "partition $i is not right"
	done
	sgdisk -v "$dir/disk" | grep -q 'No problems found' || fail "the table was changed"
}
