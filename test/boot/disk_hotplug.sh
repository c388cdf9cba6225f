# bound: 900
# Controllers with a disk behind a root port come and go under load, of every driver; another one of
# the same kind notices nothing, and nothing is left.  CYCLES: how often (4), for more than 40 with
# HOTPLUG_TIMEOUT in seconds; DRIVERS: which of them.
#
# QEMU may hold the file of a device that has gone while the next one comes: share-rw.
. test/boot/lib.sh

cycles=${CYCLES:-4}
with_prog hotdisk stamp

# The other controller's arguments, on the root port `second`, with the drive `other`.
other()
{
	case $1 in
	ahci)	echo "-device ich9-ahci,id=cold,bus=second -device ide-hd,drive=other,bus=cold.0" ;;
	nvme)	echo "-device nvme,bus=second,serial=OTHER,drive=other" ;;
	virtioblk) echo "-device virtio-blk-pci,bus=second,drive=other" ;;
	virtioscsi) echo "-device virtio-scsi-pci,id=cold,bus=second -device scsi-hd,drive=other,bus=cold.0" ;;
	esac
}

for driver in ${DRIVERS:-ahci nvme virtioblk virtioscsi}; do
	python3 -c 'import struct, sys
sys.stdout.buffer.write(struct.pack("<1048576Q", *range(1 << 20)))' > "$dir/disk"
	truncate -s 8M "$dir/other"
	init <<-END
	sipd -1
	hotdisk $driver $cycles 0.4.0 2.0.0
	cat /dev/slot/*
	END
	with_monitor
	CPUS=2 CACHE=unsafe TIMEOUT=${HOTPLUG_TIMEOUT:-220} EXTRA="\
-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off -D $dir/lint -trace pci_nvme_ub_* \
$monitor \
-device pcie-root-port,id=first,chassis=9,slot=9,addr=4 \
-device pcie-root-port,id=second,chassis=8,slot=8,addr=5 \
-blockdev driver=file,filename=$dir/disk,node-name=file \
-blockdev driver=raw,file=file,node-name=hot \
-drive file=$dir/other,if=none,id=other,format=raw,cache=unsafe $(other "$driver")" boot
	cat "$dir/monitor"
	expect 'hotdisk: all right'
	[ ! -s "$dir/lint" ] || fail 'what QEMU does not like'
	console | grep -E '^(hotdisk|left|stamp):'
done
