# Virtio block devices: sectors of 512 and 4096, several queues, read-only, discard, flush, hot plug,
# another size.  Every byte in its place, and QEMU has nothing to complain of.
. test/boot/lib.sh
. test/boot/virtio_lib.sh

virtio_images
with_prog monitor
{
virtio_writes sdV0 sdV1 sdV2
virtio_regions sdV0
cat <<'END'
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
END
virtio_grows sdV0
} | init
sed -i "s#file=HOT#file=$dir/hot#" "$dir/extra/init.conf"
with_monitor
device=virtio-blk-pci,disable-legacy=on
CPUS=2 EXTRA="-d guest_errors -D $dir/guest $monitor \
-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off \
-drive file=$dir/small,if=none,id=small,format=raw,discard=unmap -device $device,drive=small,serial=LUX9-V0,addr=8 \
-drive file=$dir/large,if=none,id=large,format=raw \
-device $device,drive=large,logical_block_size=4096,physical_block_size=4096,addr=9 \
-drive file=$dir/fixed,if=none,id=fixed,format=raw,readonly=on -device $device,drive=fixed,num-queues=1,addr=10 \
-drive file=$dir/hot,if=none,id=hot,format=raw \
-device pcie-root-port,id=slot1,chassis=1,slot=1,addr=11" boot
virtio_judge LUX9-V0
refuse_re '^(errors|resets|lost-interrupts|stray-ends) [1-9]'
