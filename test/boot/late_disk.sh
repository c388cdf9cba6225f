# A disk that does not answer, beside one that does, in one driver under sipd: the driver says so, and
# mends it itself, which takes it longer than its deadline.  It is not killed, and nobody waits
# who does not use that disk, however many requests that one has.  When the disk answers again, the
# driver is healthy.
# bound: 600
. test/boot/lib.sh

truncate -s 64M "$dir/hung" "$dir/well"
head -c 8M /dev/urandom | dd of="$dir/hung" conv=notrunc status=none
head -c 8M /dev/urandom | dd of="$dir/well" conv=notrunc status=none
with_prog monitor greedy
cat > "$dir/extra/other.sh" <<'END'
dd if=/dev/sd/sdS1/data bs=65536 count=128 2> /dev/null | sha256sum
cat /dev/sd/sdctl /dev/sd/sdS0/stats > /dev/null
echo "the other disk answers $1"
END
# greedily.sh NAME N BYTES: more and more of them until there is /tmp/NAME.
cat > "$dir/extra/greedily.sh" <<'END'
set -e
until [ -e /tmp/$1 ]; do greedy /dev/sd/sdS0/data $2 $3; done
echo over > /tmp/over$1
END
init <<'END'
sipd -1
ramfs -mount /tmp &
await -t 30 /dev/sd/sdS0/part/0 /dev/sd/sdS1/part/0
until mkdir /tmp/there 2> /dev/null; do sleep 0.1; done
slot=/dev/sip/servers/virtioscsi
# 100 bytes a second: one of these many reads is late, and so is each that follows.  When the monitor
# comes to it is not known: there are more of them until one is late.
(
	until [ -e /tmp/late ]; do
		dd if=/dev/sd/sdS0/data of=/dev/null bs=4096 count=8192 2> /tmp/told || echo failed >> /tmp/told
	done
	echo over > /tmp/over
) &
monitor 'block_set_io_throttle hung 0 100 0 0 0 0'
until grep -q degraded $slot/status; do sleep 0.2; done
echo late > /tmp/late
sh /boot/other.sh 'while one is late'
grep message $slot/health
sleep 20
sh /boot/other.sh 'after the first reset'
monitor 'block_set_io_throttle hung 0 0 0 0 0 0'
until [ -e /tmp/over ]; do sleep 1; done
cat /tmp/told
grep resets /dev/sd/sdS0/stats
until grep -q healthy $slot/status; do sleep 0.2; done
echo "it is healthy again"

sh /boot/greedily.sh many 300 8192 &
sh /boot/greedily.sh large 40 1048576 &
monitor 'block_set_io_throttle hung 0 100 0 0 0 0'
until grep -q degraded $slot/status; do sleep 0.2; done
echo late > /tmp/many
echo late > /tmp/large
rescans=
for i in 1 2 3 4 5 6 7 8 9 10; do
	( echo rescan > /dev/sd/sdS0/ctl 2> /dev/null && echo scanned || echo "not now" ) &
	rescans="$rescans $!"
done
sh /boot/other.sh 'beside a greedy client'
grep message $slot/health
sh /boot/other.sh 'more than once'
monitor 'block_set_io_throttle hung 0 0 0 0 0 0'
await -t 120 /tmp/overmany /tmp/overlarge
for r in $rescans; do wait $r; done
until grep -q healthy $slot/status; do sleep 0.2; done
grep generation $slot/status
dd if=/dev/sd/sdS0/data bs=65536 count=128 2> /dev/null | sha256sum
grep resets /dev/sd/sdS0/stats
cat $slot/log
END
with_monitor
CPUS=2 TIMEOUT=250 EXTRA="$monitor \
-device virtio-scsi-pci,disable-legacy=on,id=host \
-drive file=$dir/hung,if=none,id=hung,format=raw -device scsi-hd,bus=host.0,drive=hung,scsi-id=0,lun=0 \
-drive file=$dir/well,if=none,id=well,format=raw -device scsi-hd,bus=host.0,drive=well,scsi-id=0,lun=1" boot
cat "$dir/monitor"
expect 'the other disk answers while one is late' 'it is healthy again' \
	'the other disk answers beside a greedy client' 'the other disk answers more than once' 'the other disk answers after the first reset'
expect_re '^message 0\.[0-9]+\.0: a read of sdS0 takes [0-9]+ s' '^generation 1$' '^resets [1-9]' \
	'^scanned$' '^not now$' '^33554432 bytes|[Tt]imed out'
[ "$(console | grep -c '^greedy: all right')" -ge 2 ] || fail "a client had no answer"
[ "$(console | grep -c "$(head -c 8M "$dir/well" | sha256sum)")" = 4 ] || fail "the other disk has other data"
expect "$(head -c 8M "$dir/hung" | sha256sum)"
refuse 'older than' 'missed health'
