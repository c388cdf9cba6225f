# Virtio SCSI hosts: units of several targets, sectors of 512 and 4096, read-only, discard, flush;
# units that come, go and change.  Every byte in its place, and QEMU has nothing to complain of.
. test/boot/lib.sh
. test/boot/virtio_lib.sh

virtio_images
with_prog monitor packet
{
virtio_writes sdS0 sdS1 sdS192
cat <<'END'
await -t 30 /dev/sd/sdS320/part/0
cat /dev/sd/sdS320/ctl
dd if=/dev/sd/sdS320/data bs=65536 count=10 | sha256sum
packet sdS320
echo eject > /dev/sd/sdS320/ctl
dd if=/dev/sd/sdS320/data bs=2048 count=1 > /dev/null || echo "the disc is out"
packet sdS0
packet sdS1 write
packet sdS192
END
virtio_regions sdS0
cat <<'END'
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
END
virtio_grows sdS0
} | init
sed -i "s#file=HOT#file=$dir/hot#" "$dir/extra/init.conf"
with_monitor
unit="-device scsi-hd,bus=host.0"
CPUS=2 EXTRA="-d guest_errors -D $dir/guest $monitor \
-device virtio-scsi-pci,disable-legacy=on,id=host \
-drive file=$dir/small,if=none,id=small,format=raw,discard=unmap $unit,drive=small,serial=LUX9-S0,scsi-id=0,lun=0 \
-drive file=$dir/large,if=none,id=large,format=raw \
$unit,drive=large,logical_block_size=4096,physical_block_size=4096,scsi-id=0,lun=1 \
-drive file=$dir/fixed,if=none,id=fixed,format=raw,readonly=on $unit,drive=fixed,scsi-id=3,lun=0 \
-drive file=$dir/fixed,if=none,id=disc,format=raw,media=cdrom,readonly=on \
-device scsi-cd,bus=host.0,scsi-id=5,drive=disc" boot
virtio_judge LUX9-S0
expect 'the disc is out' 'write-zeroes' \
	"packet: sdS0: type 0 'QEMU    ' 'QEMU HARDDISK   '" 'packet: sdS0: 65536 sectors of 512' \
	'packet: sdS1: 16384 sectors of 4096' 'packet: sdS1: written' 'packet: sdS320: type 5' \
	'packet: sdS0: sense 5/20/00' 'packet: sdS0: all right' 'packet: sdS1: all right' \
	'packet: sdS192: all right' 'packet: sdS320: all right'
[ "$(head -c 640K "$dir/fixed" | times_summed)" = 2 ] || fail "the disc is not what the unit beside it is"
[ "$(console | grep -c '^it has gone')" = 2 ] || fail "a unit does not go"
refuse_re '^(resets|lost-interrupts|stray-ends) [1-9]'
