/*
 * What the capabilities of configuration space say, in words [PCI 3.0, 6.7, 6.8; PM 1.2, 3.2;
 * PCIe 4.0, 7.5.3].  Bytes that are not in the space are not looked at.
 */
#include <stdio.h>
#include <string.h>
#include "pci.h"

enum {
	CONTROL = 2,
	MSI_ENABLE = 1 << 0,
	MSI_64 = 1 << 7,
	MSI_MASK = 1 << 8,
	MSI_MME_SHIFT = 4,
	MSIX_ENABLE = 1 << 15,
	MSIX_TABLE = 4,
	MSIX_BIR = 7,
	PM_CONTROL = 4,
	PM_STATE = 3,
	PCIE_TYPE_SHIFT = 4,
	PCIE_SLOT = 1 << 8,
	PCIE_LINK_CAP = 12,
	PCIE_LINK_STATUS = 18,
	PCIE_LENGTH = 20,
	LINK_SPEED = 15,
	LINK_WIDTH_SHIFT = 4,
	LINK_WIDTH = 0x3f,
	VENDOR_LENGTH = 2,
};

static unsigned
get16(const uint8_t *p)
{
	return (unsigned)(p[0] | p[1] << 8);
}

const char *
pci_cap_name(uint8_t id)
{
	static const char *const names[] = {
		[PCI_CAP_PM] = "power management",
		[0x02] = "AGP",
		[0x03] = "vital product data",
		[0x04] = "slot identification",
		[PCI_CAP_MSI] = "MSI",
		[0x06] = "CompactPCI hot swap",
		[0x07] = "PCI-X",
		[0x08] = "HyperTransport",
		[PCI_CAP_VENDOR] = "vendor's own",
		[0x0a] = "debug port",
		[0x0b] = "CompactPCI resource control",
		[0x0c] = "hot plug",
		[0x0d] = "subsystem of a bridge",
		[0x0e] = "AGP 8x",
		[0x0f] = "secure device",
		[PCI_CAP_PCIE] = "PCI Express",
		[PCI_CAP_MSIX] = "MSI-X",
		[PCI_CAP_SATA] = "SATA",
		[PCI_CAP_AF] = "advanced features",
		[0x14] = "enhanced allocation",
		[0x15] = "flattening portal bridge",
	};

	return id < sizeof names / sizeof names[0] && names[id] ? names[id] : "unknown";
}

static const char *
link_speed(unsigned code)
{
	static const char *const speeds[] = { "?", "2.5", "5", "8", "16", "32", "64" };

	return code < sizeof speeds / sizeof speeds[0] ? speeds[code] : "?";
}

static void
express_text(const uint8_t *c, char *text, size_t n)
{
	static const char *const types[16] = {
		[0] = "endpoint",
		[1] = "legacy endpoint",
		[4] = "root port",
		[5] = "upstream port",
		[6] = "downstream port",
		[7] = "bridge to PCI",
		[8] = "bridge from PCI",
		[9] = "integrated endpoint",
		[10] = "root complex event collector",
	};
	unsigned flags = get16(c + CONTROL), cap = get16(c + PCIE_LINK_CAP);
	unsigned status = get16(c + PCIE_LINK_STATUS);
	const char *type = types[flags >> PCIE_TYPE_SHIFT & 15];
	unsigned widest = cap >> LINK_WIDTH_SHIFT & LINK_WIDTH;

	if (!widest) /* no link: it is part of the root complex */
		snprintf(text, n, "%s", type ? type : "unknown type");
	else
		snprintf(text, n, "%s%s, link %s GT/s x%u of %s GT/s x%u",
			 type ? type : "unknown type", flags & PCIE_SLOT ? ", slot" : "",
			 link_speed(status & LINK_SPEED), status >> LINK_WIDTH_SHIFT & LINK_WIDTH,
			 link_speed(cap & LINK_SPEED), widest);
}

static unsigned
length_of(uint8_t id)
{
	return id == PCI_CAP_PCIE ? PCIE_LENGTH : id == PCI_CAP_MSIX || id == PCI_CAP_PM ? 8 : 4;
}

size_t
pci_cap_text(const uint8_t *config, size_t size, const struct pci_cap *cap, char *text, size_t n)
{
	const uint8_t *c = config + cap->offset;
	unsigned control;

	text[0] = '\0';
	if (cap->offset + length_of(cap->id) > size)
		return 0;
	control = get16(c + CONTROL);
	if (cap->id == PCI_CAP_MSI)
		snprintf(text, n, "%s, %u of %u messages%s%s", control & MSI_ENABLE ? "on" : "off",
			 1u << (control >> MSI_MME_SHIFT & 7), pci_msi_vectors(config, size, cap),
			 control & MSI_64 ? ", 64 bits" : "", control & MSI_MASK ? ", masks" : "");
	else if (cap->id == PCI_CAP_MSIX)
		snprintf(text, n, "%s, %u messages, table in bar %u",
			 control & MSIX_ENABLE ? "on" : "off", pci_msi_vectors(config, size, cap),
			 (unsigned)(c[MSIX_TABLE] & MSIX_BIR));
	else if (cap->id == PCI_CAP_PM)
		snprintf(text, n, "in D%u", (unsigned)(c[PM_CONTROL] & PM_STATE));
	else if (cap->id == PCI_CAP_PCIE)
		express_text(c, text, n);
	else if (cap->id == PCI_CAP_VENDOR)
		snprintf(text, n, "%u bytes", c[VENDOR_LENGTH]);
	return strlen(text);
}
