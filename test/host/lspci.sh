# lspci over a folder like /dev/pci: lines, -v, a capability list that loops.
. "$(dirname "$0")/lib.sh"
need python3
cd "$dir" || exit 1

mkdir -p root/pci
cat > root/pci/0.31.2ctl <<'END'
class 0x010601
vendor 0x8086
device 0x2922
serial 6
subsystem 0x1af4 0x1100
revision 0x02
bar 4 io 0xc040 0x20
bar 5 mem 0xfebf1000 0x1000 64 prefetch
irq 10
msi 1
msix 0
enabled 1
busmaster 1
owner 12
END
sed 's/0x010601/0x0c0330/; s/owner 12/owner 0/; s/irq 10/irq 0/' root/pci/0.31.2ctl > root/pci/0.4.0ctl
python3 - <<'END'
raw = bytearray(256)
raw[0:4] = b"\x86\x80\x22\x29"
raw[6] = 0x10
raw[9:12] = b"\x01\x06\x01"
raw[0x34] = 0x80
raw[0x80:0x84] = bytes([5, 0xa8, 0x81, 0])
raw[0xa8:0xac] = bytes([0x12, 0, 0x10, 0])
open("root/pci/0.31.2raw", "wb").write(raw)
raw[0xa9] = 0x80
open("root/pci/0.4.0raw", "wb").write(raw)
END
"$bin/lspci" -r root > got || complain "lspci failed"
diff - got <<'END' || complain "lspci"
0.4.0 8086:2922 0c0330 USB controller, xHCI
0.31.2 8086:2922 010601 SATA controller, AHCI
END
"$bin/lspci" -v -r root > got || complain "lspci -v failed"
diff - got <<'END' || complain "lspci -v"
0.4.0 8086:2922 0c0330 USB controller, xHCI
	subsystem 1af4:1100
	revision 0x02
	bar 4 io 0xc040 0x20
	bar 5 mem 0xfebf1000 0x1000 64 prefetch
	enabled
	busmaster
	msi 1 msix 0
	capability 0x05 at 0x80: MSI: on, 1 of 1 messages, 64 bits
	capability 0x12 at 0xa8: SATA
	capability list is broken
0.31.2 8086:2922 010601 SATA controller, AHCI
	subsystem 1af4:1100
	revision 0x02
	bar 4 io 0xc040 0x20
	bar 5 mem 0xfebf1000 0x1000 64 prefetch
	enabled
	busmaster
	driver pid 12
	irq 10
	msi 1 msix 0
	capability 0x05 at 0x80: MSI: on, 1 of 1 messages, 64 bits
	capability 0x12 at 0xa8: SATA
END
"$bin/lspci" -r nothing > got 2> errors && complain "lspci of nothing"
grep -q '^lspci: nothing/pci: ' errors || complain "lspci: $(cat errors)"
exit $bad
