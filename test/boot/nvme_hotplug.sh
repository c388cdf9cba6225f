# bound: 500
# NVMe controllers behind a root port come and go under load: readers have their error, the driver
# ends, and nothing is left.  QEMU may hold the drive for a device that has gone while the next one
# comes: share-rw in test/prog/hotplug.c.  CYCLES: how often (10); for more than 100, HOTPLUG_TIMEOUT.
. test/boot/lib.sh

cycles=${CYCLES:-10}
python3 -c 'import struct, sys
sys.stdout.buffer.write(struct.pack("<1048576Q", *range(0, 8 << 20, 8)))' > "$dir/disk"
with_prog hotplug
init <<END
sipd -1
hotplug $cycles 0.4.0
cat /dev/slot/*
END
python3 test/boot/monitor.py "$dir/qmp" "$dir/asked" > "$dir/monitor" &
CPUS=2 TIMEOUT=${HOTPLUG_TIMEOUT:-450} EXTRA="-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off \
-D $dir/lint -trace pci_nvme_ub_* \
-qmp unix:$dir/qmp,server=on,wait=off -debugcon file:$dir/asked \
-device pcie-root-port,id=first,chassis=9,slot=9,addr=4 \
-blockdev driver=file,filename=$dir/disk,node-name=file \
-blockdev driver=raw,file=file,node-name=blank" boot
cat "$dir/monitor"
expect 'hotplug: all right'
[ ! -s "$dir/lint" ] || fail 'what QEMU does not like'
console | grep 'readers have'
