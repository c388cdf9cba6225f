/*
 * Configuration space [PCI 3.0, 6.1, 6.2, 6.7].  The bytes are a device's and may say anything;
 * the capability list is followed as long as it stays in the space and visits nothing twice.
 */
#include <errno.h>
#include <string.h>
#include "pci.h"

enum {
	OFF_VENDOR = 0x00,
	OFF_DEVICE = 0x02,
	OFF_COMMAND = 0x04,
	OFF_STATUS = 0x06,
	OFF_REVISION = 0x08,
	OFF_CLASS = 0x09,
	OFF_HEADER = 0x0e,
	OFF_BAR = 0x10,
	OFF_SUBSYSTEM_VENDOR = 0x2c,
	OFF_SUBSYSTEM = 0x2e,
	OFF_CAPS = 0x34,
	OFF_LINE = 0x3c,
	OFF_PIN = 0x3d,
	STATUS_CAPS = 1 << 4,
	HEADER_MULTI = 0x80,
	HEADER_BRIDGE = 1,
	BRIDGE_NBARS = 2,
	BAR_IO = 1,
	BAR_TYPE = 6,
	BAR_TYPE_64 = 4,
	BAR_PREFETCH = 8,
	MSI_CONTROL = 2,
	MSI_MMC_SHIFT = 1,
	MSIX_CONTROL = 2,
	MSIX_SIZE_MASK = 0x7ff,
};

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t
get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static void
decode_bars(const uint8_t *config, struct pci_config *out)
{
	unsigned n = out->bridge ? BRIDGE_NBARS : PCI_NBARS;

	for (unsigned i = 0; i < n; i++) {
		uint32_t raw = get32(config + OFF_BAR + 4 * i);
		struct pci_bar *b = &out->bar[i];

		if (!raw)
			continue;
		if (raw & BAR_IO) {
			b->kind = PCI_BAR_IO;
			b->base = raw & ~3u;
			continue;
		}
		b->kind = PCI_BAR_MEM;
		b->prefetch = raw & BAR_PREFETCH;
		b->base = raw & ~15u;
		b->is64 = (raw & BAR_TYPE) == BAR_TYPE_64 && i + 1 < n;
		if (b->is64)
			b->base |= (uint64_t)get32(config + OFF_BAR + 4 * ++i) << 32;
	}
}

static int
decode_caps(const uint8_t *config, size_t n, struct pci_config *out)
{
	bool visited[PCI_CONFIG_SIZE] = { false };
	unsigned at = config[OFF_CAPS] & ~3u;

	if (!(out->status & STATUS_CAPS))
		return 0;
	while (at) {
		if (at < PCI_HEADER_SIZE || at + 2u > n || visited[at] ||
		    out->ncaps == PCI_MAX_CAPS)
			return -ELOOP;
		visited[at] = true;
		out->cap[out->ncaps++] = (struct pci_cap){ config[at], (uint8_t)at };
		at = config[at + 1] & ~3u;
	}
	return 0;
}

int
pci_decode(const uint8_t *config, size_t n, struct pci_config *out)
{
	memset(out, 0, sizeof *out);
	if (n < PCI_HEADER_SIZE)
		return -EINVAL;
	out->vendor = get16(config + OFF_VENDOR);
	if (out->vendor == 0xffff)
		return -ENODEV;
	out->device = get16(config + OFF_DEVICE);
	out->command = get16(config + OFF_COMMAND);
	out->status = get16(config + OFF_STATUS);
	out->revision = config[OFF_REVISION];
	out->class = get32(config + OFF_REVISION) >> 8;
	out->header_type = config[OFF_HEADER] & 0x7f;
	out->multifunction = config[OFF_HEADER] & HEADER_MULTI;
	out->bridge = out->header_type == HEADER_BRIDGE;
	out->interrupt_line = config[OFF_LINE];
	out->interrupt_pin = config[OFF_PIN];
	if (out->header_type == 0) {
		out->subsystem_vendor = get16(config + OFF_SUBSYSTEM_VENDOR);
		out->subsystem = get16(config + OFF_SUBSYSTEM);
	}
	if (out->header_type <= HEADER_BRIDGE)
		decode_bars(config, out);
	return decode_caps(config, n < PCI_CONFIG_SIZE ? n : PCI_CONFIG_SIZE, out);
}

unsigned
pci_find_cap(const struct pci_config *c, uint8_t id)
{
	for (unsigned i = 0; i < c->ncaps; i++)
		if (c->cap[i].id == id)
			return c->cap[i].offset;
	return 0;
}

uint64_t
pci_bar_size(uint64_t readback, bool io, bool is64)
{
	uint64_t mask = readback & (io ? ~3ull : ~15ull);

	if (!is64)
		mask = (uint32_t)mask;
	if (!mask)
		return 0;
	return mask & -mask; /* the lowest bit that could be written */
}

unsigned
pci_msi_vectors(const uint8_t *config, size_t n, const struct pci_cap *cap)
{
	unsigned control;

	if (cap->offset + 4u > n)
		return 0;
	control = get16(config + cap->offset + MSI_CONTROL);
	if (cap->id == PCI_CAP_MSI) {
		unsigned log = control >> MSI_MMC_SHIFT & 7;

		return log <= 5 ? 1u << log : 0; /* 6 and 7 are reserved */
	}
	return cap->id == PCI_CAP_MSIX ? (control & MSIX_SIZE_MASK) + 1 : 0;
}
