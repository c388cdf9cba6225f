/*
 * Names of classes and capabilities [PCI Code and ID Assignment 1.11].  An entry with a mask names
 * all that agree under it; the first that fits is taken, so the exact ones come first.
 */
#include "pci.h"

const char *
pci_class_name(uint32_t class)
{
	static const struct {
		uint32_t mask, class;
		const char *name;
	} names[] = {
		{ 0xffffff, 0x010601, "SATA controller, AHCI" },
		{ 0xffffff, 0x010802, "NVMe controller" },
		{ 0xffff00, 0x010000, "SCSI controller" },
		{ 0xffff00, 0x010100, "IDE controller" },
		{ 0xffff00, 0x010400, "RAID controller" },
		{ 0xffff00, 0x010600, "SATA controller" },
		{ 0xffff00, 0x010700, "SAS controller" },
		{ 0xffff00, 0x010800, "solid-state memory controller" },
		{ 0xff0000, 0x010000, "storage controller" },
		{ 0xffff00, 0x020000, "Ethernet controller" },
		{ 0xff0000, 0x020000, "network controller" },
		{ 0xffff00, 0x030000, "VGA controller" },
		{ 0xff0000, 0x030000, "display controller" },
		{ 0xffff00, 0x040300, "audio device" },
		{ 0xff0000, 0x040000, "multimedia device" },
		{ 0xff0000, 0x050000, "memory controller" },
		{ 0xffff00, 0x060000, "host bridge" },
		{ 0xffff00, 0x060100, "ISA bridge" },
		{ 0xffff00, 0x060400, "PCI bridge" },
		{ 0xff0000, 0x060000, "bridge" },
		{ 0xffff00, 0x070000, "serial controller" },
		{ 0xff0000, 0x070000, "communication controller" },
		{ 0xffff00, 0x080600, "IOMMU" },
		{ 0xff0000, 0x080000, "system peripheral" },
		{ 0xff0000, 0x090000, "input device" },
		{ 0xff0000, 0x0b0000, "processor" },
		{ 0xffffff, 0x0c0300, "USB controller, UHCI" },
		{ 0xffffff, 0x0c0310, "USB controller, OHCI" },
		{ 0xffffff, 0x0c0320, "USB controller, EHCI" },
		{ 0xffffff, 0x0c0330, "USB controller, xHCI" },
		{ 0xffff00, 0x0c0500, "SMBus controller" },
		{ 0xff0000, 0x0c0000, "serial bus controller" },
		{ 0xff0000, 0x0d0000, "wireless controller" },
		{ 0xff0000, 0x100000, "encryption controller" },
		{ 0xff0000, 0x120000, "accelerator" },
		{ 0xff0000, 0xff0000, "device of no class" },
		{ 0xff0000, 0x000000, "device of before the classes" },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if ((class & names[i].mask) == names[i].class)
			return names[i].name;
	return "unknown class";
}

const char *
pci_cap_name(uint8_t id)
{
	switch (id) {
	case PCI_CAP_PM: return "power management";
	case PCI_CAP_MSI: return "MSI";
	case PCI_CAP_VENDOR: return "vendor's own";
	case PCI_CAP_PCIE: return "PCI Express";
	case PCI_CAP_MSIX: return "MSI-X";
	case PCI_CAP_SATA: return "SATA";
	case PCI_CAP_AF: return "advanced features";
	}
	return "unknown";
}
