# bound: 900
# Native hot plug behind root ports: devices come and go twenty times each, and their drivers with
# them; disks are taken away while they are read; nothing is left.  One who was not granted a port
# cannot take away what is behind it.
#
# QEMU cannot plug a disk into a controller that is there, nor a controller with one: those with a
# disk are there at boot.
. test/boot/lib.sh

for i in 1 2 3; do
	python3 -c 'import struct, sys
sys.stdout.buffer.write(struct.pack("<1048576Q", *range(0, 8 << 20, 8)))' > "$dir/disk$i"
done
with_prog hotplug
init <<'END'
sipd -1
exec 3<>/dev/sip/clone
echo name outsider >&3
echo exec /boot/bin/sh /boot/outsider.sh >&3
echo capability device-access >&3
echo device 0.4.0 >&3
echo start >&3
until grep -q 'end of generation' /dev/sip/servers/outsider/log; do sleep 0.1; done
until echo delete >&3; do sleep 0.1; done
exec 3>&-
hotplug 20 0.4.0 0.5.0 0.6.0 0.7.0
cat /dev/slot/*
END
cat > "$dir/extra/outsider.sh" <<'END'
for what in 'leave 2.0.0' 'remove 2.0.0' 'rescan 2' 'remove 0.31.2' 'remove 0.4.0' 'rescan 0'; do
	echo $what > /dev/pci/ctl && echo "did it: $what"
done
echo rescan 1 > /dev/pci/ctl && echo "its own port"
echo tried
END
ports=
for i in 1 2 3; do
	ports="$ports -device pcie-root-port,id=port$i,chassis=$i,slot=$i,addr=$((4 + i)) \
-device ich9-ahci,id=disk$i,bus=port$i -drive file=$dir/disk$i,if=none,id=d$i,format=raw \
-device ide-hd,drive=d$i,bus=disk$i.0"
done
with_monitor
CPUS=2 TIMEOUT=800 EXTRA="-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off \
$monitor -device pcie-root-port,id=first,chassis=9,slot=9,addr=4 $ports" boot
cat "$dir/monitor"
expect 'hotplug: all right' 'its own port' 'pci: 0.5.0 is not granted'
expect_re 'remove 0.31.2: nothing there is behind a bridge'
refuse 'did it'
refuse 'no room for'
