# Virtio SCSI hosts: units of several targets, sectors of 512 and 4096, read-only, discard, flush;
# units that come, go and change.  Every byte in its place, and QEMU has nothing to complain of.
. test/boot/lib.sh

truncate -s 32M "$dir/small" "$dir/fixed" "$dir/hot"
truncate -s 64M "$dir/large"
python3 - "$dir" <<'END'
import random, sys
for name, seed in ("small", 1), ("fixed", 2), ("hot", 3):
    with open(sys.argv[1] + "/" + name, "r+b") as f:
        f.write(random.Random(seed).randbytes(16 << 20))
END
cp "$dir/small" "$dir/before"
head -c 2000000 /dev/urandom > "$dir/extra/blob"
with_prog monitor packet
init <<'END'
sipd -1
for d in sdS0 sdS1 sdS192; do await -t 30 /dev/sd/$d/part/0; done
cat /dev/sd/sdS0/ctl
cat /dev/sd/sdS1/geometry
dd if=/dev/sd/sdS0/data bs=65536 | sha256sum
dd if=/boot/blob of=/dev/sd/sdS0/data bs=1000 seek=17 conv=notrunc && echo done a &
dd if=/boot/blob of=/dev/sd/sdS1/data bs=777 seek=3 conv=notrunc,fsync && echo done b &
dd if=/boot/blob of=/dev/sd/sdS1/data bs=65536 seek=200 conv=notrunc,fsync && echo done c &
dd if=/boot/blob of=/dev/sd/sdS1/data bs=100 seek=200001 conv=notrunc,fsync && echo done d &
wait
dd if=/boot/blob of=/dev/sd/sdS192/data bs=512 count=1 conv=notrunc || echo "a write is refused"
dd if=/dev/sd/sdS192/data bs=65536 count=10 | sha256sum
await -t 30 /dev/sd/sdS320/part/0
cat /dev/sd/sdS320/ctl
dd if=/dev/sd/sdS320/data bs=65536 count=10 | sha256sum
packet sdS320
echo eject > /dev/sd/sdS320/ctl
dd if=/dev/sd/sdS320/data bs=2048 count=1 > /dev/null || echo "the disc is out"
packet sdS0
packet sdS1 write
packet sdS192
echo flush > /dev/sd/sdS0/ctl
echo flush > /dev/sd/sdS0/ctl
echo discard 16384 16384 > /dev/sd/sdS0/ctl
echo zero 8192 4096 > /dev/sd/sdS0/ctl
cat /dev/sd/sdS0/stats
dd if=/dev/sd/sdS0/data bs=1048576 skip=8 count=8 | sha256sum

# One that comes, goes, and comes again; and one that grows.
for time in first second; do
	monitor "drive_add 0 if=none,id=$time,format=raw,file=HOT,file.locking=off"
	monitor "device_add scsi-hd,id=plug$time,drive=$time,bus=host.0,scsi-id=200,lun=3,serial=HOT"
	await -t 60 /dev/sd/sdS1763/part/0
	dd if=/dev/sd/sdS1763/data bs=65536 | sha256sum
	monitor "device_del plug$time"
	while cat /dev/sd/sdS1763/ctl > /dev/null 2> /dev/null; do sleep 0.1; done
	echo it has gone
done
monitor 'info blockstats'
monitor 'block_resize small 48M'
until grep -q 'size 50331648' /dev/sd/sdS0/ctl; do sleep 0.1; done
echo it has grown
dd if=/dev/sd/sdS0/data bs=1048576 skip=47 | wc -c
END
sed -i "s#file=HOT#file=$dir/hot#" "$dir/extra/init.conf"
python3 test/boot/monitor.py "$dir/qmp" "$dir/asked" > "$dir/monitor" &
unit="-device scsi-hd,bus=host.0"
CPUS=2 EXTRA="-d guest_errors -D $dir/guest -qmp unix:$dir/qmp,server=on,wait=off -debugcon file:$dir/asked \
-device virtio-scsi-pci,disable-legacy=on,id=host \
-drive file=$dir/small,if=none,id=small,format=raw,discard=unmap $unit,drive=small,serial=LUX9-S0,scsi-id=0,lun=0 \
-drive file=$dir/large,if=none,id=large,format=raw \
$unit,drive=large,logical_block_size=4096,physical_block_size=4096,scsi-id=0,lun=1 \
-drive file=$dir/fixed,if=none,id=fixed,format=raw,readonly=on $unit,drive=fixed,scsi-id=3,lun=0 \
-drive file=$dir/fixed,if=none,id=disc,format=raw,media=cdrom,readonly=on \
-device scsi-cd,bus=host.0,scsi-id=5,drive=disc" boot
[ ! -s "$dir/guest" ] || fail "QEMU complains: $(head -5 "$dir/guest")"
expect 'done a' 'done b' 'done c' 'done d' 'a write is refused' 'it has grown' 'the disc is out' 'size 33554432' \
	'serial LUX9-S0' 'queues 2' 'secsize 4096' 'discard-requests 1' 'zero-requests 1' 'zero-bytes 2097152' 'write-zeroes' \
	"packet: sdS0: type 0 'QEMU    ' 'QEMU HARDDISK   '" 'packet: sdS0: 65536 sectors of 512' \
	'packet: sdS1: 16384 sectors of 4096' 'packet: sdS1: written' 'packet: sdS320: type 5' \
	'packet: sdS0: sense 5/20/00' 'packet: sdS0: all right' 'packet: sdS1: all right' \
	'packet: sdS192: all right' 'packet: sdS320: all right'
expect_re '^1048576$'
expect "$(sha256sum < "$dir/before")" "$(dd if="$dir/fixed" bs=65536 count=10 status=none | sha256sum)" \
	"$(head -c 8M /dev/zero | sha256sum)"
[ "$(console | grep -c "$(sha256sum < "$dir/hot")")" = 2 ] || fail "the plugged unit is another"
[ "$(console | grep -c "$(dd if="$dir/fixed" bs=65536 count=10 status=none | sha256sum)")" = 2 ] ||
	fail "the disc is not what the unit beside it is"
[ "$(console | grep -c '^it has gone')" = 2 ] || fail "a unit does not go"
refuse_re '^(resets|lost-interrupts|stray-ends) [1-9]'
python3 test/boot/virtio_images.py "$dir" || fail "an image is not what it should be"
