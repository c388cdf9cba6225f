/*
 * Names of classes [PCI Code and ID Assignment 1.11].  An entry with a mask names
 * all that agree under it; the first that fits is taken, so the exact ones come first.
 */
#include "pci.h"

static const struct {
	uint32_t mask, class;
	const char *name;
} names[] = {
	{ 0xffffff, 0x010601, "SATA controller, AHCI" },
	{ 0xffffff, 0x010802, "NVMe controller" },
	{ 0xffff00, 0x010000, "SCSI controller" },
	{ 0xffff00, 0x010200, "floppy disk controller" },
	{ 0xffff00, 0x010500, "ATA controller" },
	{ 0xffff00, 0x010900, "UFS controller" },
	{ 0xffff00, 0x010100, "IDE controller" },
	{ 0xffff00, 0x010400, "RAID controller" },
	{ 0xffff00, 0x010600, "SATA controller" },
	{ 0xffff00, 0x010700, "SAS controller" },
	{ 0xffff00, 0x010800, "solid-state memory controller" },
	{ 0xff0000, 0x010000, "storage controller" },
	{ 0xffff00, 0x020000, "Ethernet controller" },
	{ 0xffff00, 0x020700, "InfiniBand controller" },
	{ 0xff0000, 0x020000, "network controller" },
	{ 0xffff00, 0x030000, "VGA controller" },
	{ 0xffff00, 0x030200, "3D controller" },
	{ 0xff0000, 0x030000, "display controller" },
	{ 0xffff00, 0x040300, "audio device" },
	{ 0xffff00, 0x040000, "video device" },
	{ 0xffff00, 0x040100, "audio device" },
	{ 0xff0000, 0x040000, "multimedia device" },
	{ 0xffff00, 0x050000, "RAM" },
	{ 0xffff00, 0x050200, "CXL memory" },
	{ 0xff0000, 0x050000, "memory controller" },
	{ 0xffff00, 0x060000, "host bridge" },
	{ 0xffff00, 0x060100, "ISA bridge" },
	{ 0xffff00, 0x060400, "PCI bridge" },
	{ 0xffff00, 0x060700, "CardBus bridge" },
	{ 0xff0000, 0x060000, "bridge" },
	{ 0xffff00, 0x070000, "serial controller" },
	{ 0xffff00, 0x070100, "parallel controller" },
	{ 0xffff00, 0x070300, "modem" },
	{ 0xff0000, 0x070000, "communication controller" },
	{ 0xffff00, 0x080600, "IOMMU" },
	{ 0xffff00, 0x080500, "SD host controller" },
	{ 0xff0000, 0x080000, "system peripheral" },
	{ 0xff0000, 0x090000, "input device" },
	{ 0xff0000, 0x0b0000, "processor" },
	{ 0xffffff, 0x0c0300, "USB controller, UHCI" },
	{ 0xffffff, 0x0c0310, "USB controller, OHCI" },
	{ 0xffffff, 0x0c0320, "USB controller, EHCI" },
	{ 0xffffff, 0x0c0330, "USB controller, xHCI" },
	{ 0xffffff, 0x0c0340, "USB controller, USB4" },
	{ 0xffffff, 0x0c03fe, "USB device" },
	{ 0xffff00, 0x0c0300, "USB controller" },
	{ 0xffff00, 0x0c0000, "FireWire controller" },
	{ 0xffff00, 0x0c0500, "SMBus controller" },
	{ 0xffff00, 0x0c0700, "IPMI interface" },
	{ 0xff0000, 0x0c0000, "serial bus controller" },
	{ 0xff0000, 0x0d0000, "wireless controller" },
	{ 0xff0000, 0x100000, "encryption controller" },
	{ 0xff0000, 0x110000, "signal processing controller" },
	{ 0xff0000, 0x120000, "accelerator" },
	{ 0xff0000, 0xff0000, "device of no class" },
	{ 0xff0000, 0x000000, "device of before the classes" },
};

const char *
pci_class_name(uint32_t class)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if ((class & names[i].mask) == names[i].class)
			return names[i].name;
	return "unknown class";
}
