# Virtio block devices: sectors of 512 and 4096, several queues, read-only, discard, flush, hot plug,
# another size.  Every byte in its place, and QEMU has nothing to complain of.
. test/boot/lib.sh

truncate -s 32M "$dir/small" "$dir/fixed"
truncate -s 64M "$dir/large"
cp "$dir/small" "$dir/hot"
python3 - "$dir" <<'END'
import random, sys
for name, seed in ("small", 1), ("fixed", 2), ("hot", 3):
    with open(sys.argv[1] + "/" + name, "r+b") as f:
        f.write(random.Random(seed).randbytes(16 << 20))
END
cp "$dir/small" "$dir/before"
head -c 2000000 /dev/urandom > "$dir/extra/blob"
with_prog monitor
init <<'END'
sipd -1
for d in sdV0 sdV1 sdV2; do await -t 30 /dev/sd/$d/part/0; done
cat /dev/sd/sdV0/ctl
cat /dev/sd/sdV1/ctl
cat /dev/sd/sdV1/geometry
dd if=/dev/sd/sdV0/data bs=65536 | sha256sum
dd if=/boot/blob of=/dev/sd/sdV0/data bs=1000 seek=17 conv=notrunc && echo done a &
dd if=/boot/blob of=/dev/sd/sdV1/data bs=777 seek=3 conv=notrunc,fsync && echo done b &
dd if=/boot/blob of=/dev/sd/sdV1/data bs=65536 seek=200 conv=notrunc,fsync && echo done c &
dd if=/boot/blob of=/dev/sd/sdV1/data bs=100 seek=200001 conv=notrunc,fsync && echo done d &
wait
dd if=/boot/blob of=/dev/sd/sdV2/data bs=512 count=1 conv=notrunc || echo "a write is refused"
dd if=/dev/sd/sdV2/data bs=65536 count=10 | sha256sum
echo flush > /dev/sd/sdV0/ctl
echo flush > /dev/sd/sdV0/ctl
echo discard 16384 16384 > /dev/sd/sdV0/ctl
echo zero 8192 4096 > /dev/sd/sdV0/ctl
cat /dev/sd/sdV0/stats
dd if=/dev/sd/sdV0/data bs=1048576 skip=8 count=8 | sha256sum

# One that comes, goes, and comes again; and one that grows.
monitor 'device_add virtio-blk-pci,disable-legacy=on,id=hot,drive=hot,bus=slot1,serial=HOT'
await -t 60 /dev/sd/sdV3/part/0
dd if=/dev/sd/sdV3/data bs=65536 | sha256sum
monitor 'device_del hot'
while cat /dev/sd/sdV3/ctl > /dev/null 2> /dev/null; do sleep 0.1; done
until grep -q 'state empty' /dev/slot/0.17.0; do sleep 0.1; done
echo it has gone
monitor 'drive_add 0 if=none,id=again,format=raw,file=HOT,file.locking=off'
monitor 'device_add virtio-blk-pci,disable-legacy=on,id=hot2,drive=again,bus=slot1,serial=HOT'
await -t 60 /dev/sd/sdV3/part/0
dd if=/dev/sd/sdV3/data bs=1048576 | sha256sum
monitor 'info blockstats'
monitor 'block_resize small 48M'
until grep -q 'size 50331648' /dev/sd/sdV0/ctl; do sleep 0.1; done
echo it has grown
dd if=/dev/sd/sdV0/data bs=1048576 skip=47 | wc -c
END
sed -i "s#file=HOT#file=$dir/hot#" "$dir/extra/init.conf"
python3 test/boot/monitor.py "$dir/qmp" "$dir/asked" > "$dir/monitor" &
device=virtio-blk-pci,disable-legacy=on
CPUS=2 EXTRA="-d guest_errors -D $dir/guest -qmp unix:$dir/qmp,server=on,wait=off -debugcon file:$dir/asked \
-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off \
-drive file=$dir/small,if=none,id=small,format=raw,discard=unmap -device $device,drive=small,serial=LUX9-V0,addr=8 \
-drive file=$dir/large,if=none,id=large,format=raw \
-device $device,drive=large,logical_block_size=4096,physical_block_size=4096,addr=9 \
-drive file=$dir/fixed,if=none,id=fixed,format=raw,readonly=on -device $device,drive=fixed,num-queues=1,addr=10 \
-drive file=$dir/hot,if=none,id=hot,format=raw \
-device pcie-root-port,id=slot1,chassis=1,slot=1,addr=11" boot
[ ! -s "$dir/guest" ] || fail "QEMU complains: $(head -5 "$dir/guest")"
expect 'done a' 'done b' 'done c' 'done d' 'a write is refused' 'it has gone' 'it has grown' \
	'size 33554432' 'size 67108864' 'serial LUX9-V0' 'queues 2' \
	'secsize 4096' 'discard-requests 1' 'zero-requests 1' 'zero-bytes 2097152'
expect_re '^1048576$'
expect "$(sha256sum < "$dir/before")" "$(dd if="$dir/fixed" bs=65536 count=10 status=none | sha256sum)" \
	"$(head -c 8M /dev/zero | sha256sum)"
[ "$(console | grep -c "$(sha256sum < "$dir/hot")")" = 2 ] || fail "the plugged disk is another"
refuse_re '^(errors|resets|lost-interrupts|stray-ends) [1-9]'
python3 test/boot/virtio_images.py "$dir" || fail "an image is not what it should be"
