# Disks keep their names while the system is up: a controller with an earlier address goes, the
# driver of the later one dies, the earlier one comes back, and its driver dies as well.  Files that
# are open on the later one's disk are what they were.
. test/boot/lib.sh

for n in 1 2; do
	for i in $(seq 4); do
		head -c 4096 /dev/zero | tr '\0' "$n"
	done > "$dir/disk$n"
	truncate -s 8M "$dir/disk$n"
done
init <<'END'
sipd -1
cat /dev/sd/sdctl
exec 3<>/dev/sd/sdN32/data
echo first $(head -c 4096 <&3)
echo remove 1.0.0 > /dev/pci/ctl
while cat /dev/sd/sdN0/ctl > /dev/null 2> /dev/null; do sleep 0.1; done
echo one has gone
cat /dev/sd/sdctl
echo kill > /dev/sip/servers/nvme1/ctl
echo then $(head -c 4096 <&3)
grep serial /dev/sd/sdN32/ctl
cat /dev/sd/sdN0/ctl || echo 'there is no sdN0'
echo rescan 1 > /dev/pci/ctl
await -t 30 /dev/sd/sdN0/data
echo kill > /dev/sip/servers/nvme/ctl
grep serial /dev/sd/sdN0/ctl
echo kill > /dev/sip/servers/nvme1/ctl
grep serial /dev/sd/sdN32/ctl
echo last $(head -c 4096 <&3)
ls /dev/sd
END
machine="-device pcie-root-port,id=first,chassis=9,slot=9,addr=4 \
-device pcie-root-port,id=second,chassis=8,slot=8,addr=5 \
-device nvme,bus=first,serial=EARLY,drive=d1 -drive file=$dir/disk1,if=none,id=d1,format=raw \
-device nvme,bus=second,serial=LATE,drive=d2 -drive file=$dir/disk2,if=none,id=d2,format=raw"
export CPUS=2
EXTRA="-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off $machine" boot
expect 'one has gone' 'there is no sdN0'
expect_re '^first 2+$' '^then 2+$' '^last 2+$'
[ "$(console | grep -c '^serial LATE')" = 2 ] || fail 'not the later disk'
[ "$(console | grep -c '^serial EARLY')" = 1 ] || fail 'not the earlier disk'

# Without that option QEMU plugs by ACPI, and the slots do not know what is in them; the disks stay.
init <<'END'
sipd -1
await -t 30 /dev/sd/sdN0/data /dev/sd/sdN32/data
cat /dev/sd/sdctl
END
EXTRA=$machine boot
expect 'slot 8: a device is there' 'sdN0' 'sdN32'
refuse 'has gone'
