# The machine stands still again and again, for longer than the deadlines of its servers, as virtual ones do
# when their host pauses; its clock goes on.  Nobody is killed for it, no device is reset, no client is told.
# bound: 600
. test/boot/lib.sh

with_prog stamp
drivers='ahci nvme virtioblk virtioscsi' disks='sdC0 sdN0 sdV0 sdS0'
mkdir -p "$dir/extra/sip"
for d in $drivers; do
	sed 's/^deadline .*/deadline 2000/' "boot/sip/$d" > "$dir/extra/sip/$d"
done
{
	echo 'sipd -1'
	for d in $disks; do
		echo "await -t 30 /dev/sd/$d/raw"
		echo "stamp -threads 1 -readers 1 -region 1048576 /dev/sd/$d/raw &"
		echo 'loads="$loads $!"'
	done
	echo 'sleep 15'
	echo 'for l in $loads; do kill $l; wait $l; done'
	for d in $drivers; do echo "echo $d \$(grep generation /dev/sip/servers/$d/status)"; done
	for d in $disks; do echo "cat /dev/sd/$d/stats"; done
} | init
# Stops for 2.5 s, goes on for a while, until it has ended.
pause()
{
	local pid n=0
	until [ -s "$dir/pid" ]; do sleep 0.1; done
	pid=$(cat "$dir/pid")
	until grep -q '^sipd: .*healthy' "$dir/console" 2> /dev/null; do sleep 0.1; done
	while sleep "1.$((RANDOM % 10))" && kill -STOP "$pid" 2> /dev/null; do
		sleep 2.5
		kill -CONT "$pid"
		n=$((n + 1))
		echo $n > "$dir/pauses"
	done
}
for d in a b c d; do truncate -s 8M "$dir/$d"; done
pause &
CPUS=2 CACHE=unsafe DISKS=$dir/a EXTRA="-pidfile $dir/pid \
-device nvme,serial=B,drive=b -drive file=$dir/b,if=none,id=b,format=raw,cache=unsafe \
-device virtio-blk-pci,drive=c -drive file=$dir/c,if=none,id=c,format=raw,cache=unsafe \
-device virtio-scsi-pci,id=host -device scsi-hd,drive=d,bus=host.0 \
-drive file=$dir/d,if=none,id=d,format=raw,cache=unsafe" boot
wait
console | grep -E '^stamp: [a-z]+ .*pause'
[ "$(cat "$dir/pauses")" -ge 3 ] || fail "it did not stand still"
for d in $drivers; do expect_re "^$d generation 1\$"; done
[ "$(console | grep -c '^stamp: all right')" = 4 ] || fail "a client was told"
refuse_re '^(errors|resets) [1-9]'
