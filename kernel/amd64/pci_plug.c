/*
 * Slots: addresses for a function that came after the firmware had given all, and what a driver of
 * the port may write.
 *
 * [PCI-PCI bridge 1.2, 3.2.5; PCIe 5.0, 7.5.3].  Memory BARs get the lowest free place in the
 * windows that the firmware gave to the port.  Not done: I/O BARs (PCIe functions work without),
 * windows that are too small, buses behind a bridge in a slot.
 */
#include "pci.h"

#include "../hw.h"

enum {				/* [PCI-PCI bridge 1.2, 3.2] */
	MEMORY_BASE = 0x20, MEMORY_LIMIT = 0x22, PREFETCH_BASE = 0x24, PREFETCH_LIMIT = 0x26,
	PREFETCH_BASE_HIGH = 0x28, PREFETCH_LIMIT_HIGH = 0x2c, WINDOW_64 = 1
};

enum { FLAGS_SLOT = 1 << 8, SLOT_HOT_PLUG = 1 << 6, PAYLOAD_CAP = 7, PAYLOAD_SHIFT = 5 };

#define PLACE_TRIES	4096		/* places looked at for one BAR */
#define BELOW_4G	0xffffffffull
#define ADDRESS_MAX	((1ull << 52) - 1)	/* of a processor's page tables */

struct window {
	uint64_t base, limit;		/* inclusive; limit 0: there is none */
};

static struct window
window(const struct pci_func *bridge, bool prefetch)
{
	unsigned at = prefetch ? PREFETCH_BASE : MEMORY_BASE;
	uint32_t v = pci_read(bridge, at, 4);
	struct window w = { (v & 0xfff0ull) << 16, (v & 0xfff00000ull) | 0xfffff };

	if (prefetch && (v & 15) == WINDOW_64) {
		w.base |= (uint64_t)pci_read(bridge, PREFETCH_BASE_HIGH, 4) << 32;
		w.limit |= (uint64_t)pci_read(bridge, PREFETCH_LIMIT_HIGH, 4) << 32;
	}
	if (w.base == 0 || w.base > w.limit)
		w.limit = 0;
	return w;
}

/*
 * The end of what is in the way: a BAR of f or of another function, or a map of a process, which
 * may be one of a function that has gone; 0: nothing is.
 */
static uint64_t
occupied(const struct pci_func *f, uint64_t at, uint64_t n)
{
	uint64_t end = pci_bar_over(at, n);

	for (unsigned i = 0; i < PCI_BARS && end == 0; i++)
		if (f->bar[i].base != 0 && f->bar[i].base < at + n &&
		    at < f->bar[i].base + f->bar[i].size)
			end = f->bar[i].base + f->bar[i].size;
	return end != 0 ? end : memdev_map_over(at, n);
}

/* The lowest place in the window, or 0.  BARs do not share pages. */
static uint64_t
place(const struct pci_func *f, const struct pci_bar *b, struct window w)
{
	uint64_t limit = MIN(w.limit, b->is64 ? ADDRESS_MAX : BELOW_4G), size = b->size, end;

	if (w.limit == 0 || w.base > limit || size - 1 > limit - w.base)
		return 0;
	size = MAX(size, PAGE_SIZE);
	for (uint64_t at = ROUND_UP(w.base, size), i = 0;
	     i < PLACE_TRIES && at >= w.base && at <= limit && size - 1 <= limit - at; i++) {
		end = occupied(f, at, size);
		if (end == 0)
			return at;
		at = ROUND_UP(end, size);
	}
	return 0;
}

/* Of the BARs without an address the largest: in this order they leave the fewest holes. */
static unsigned
next_bar(const struct pci_func *f)
{
	unsigned best = PCI_BARS;

	for (unsigned i = 0; i < PCI_BARS; i++)
		if (f->bar[i].size != 0 && f->bar[i].base == 0 &&
		    (best == PCI_BARS || f->bar[i].size > f->bar[best].size))
			best = i;
	return best;
}

/* [PCI 3.0, 6.2.5.1]: decoding is off. */
static void
bar_write(const struct pci_func *f, unsigned i)
{
	const struct pci_bar *b = &f->bar[i];

	pci_write(f, PCI_BAR0 + 4 * i, 4, (uint32_t)b->base);
	if (b->is64)
		pci_write(f, PCI_BAR0 + 4 * i + 4, 4, (uint32_t)(b->base >> 32));
}

void
pci_plug_bars(struct pci_func *f, const struct pci_func *bridge)
{
	unsigned i;

	pci_command(f, PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_MASTER, 0);
	for (i = 0; i < PCI_BARS; i++) {
		f->bar[i].base = 0;
		if (f->bar[i].io)
			f->bar[i].size = 0;
	}
	while ((i = next_bar(f)) < PCI_BARS) {
		struct pci_bar *b = &f->bar[i];
		uint64_t at = b->prefetch ? place(f, b, window(bridge, true)) : 0;

		if (at == 0)
			at = place(f, b, window(bridge, false));
		if (at == 0) {
			kprint("pci: %u.%u.%u: no room for bar %u, 0x%lx bytes\n", f->bdf >> 8,
			       f->bdf >> 3 & 31, f->bdf & 7, i, b->size);
			b->size = 0;
			continue;
		}
		b->base = at;
		bar_write(f, i);
	}
}

/*
 * Both ends of a link must take the other's largest packet, and nobody else is on this one
 * [PCIe 5.0, 2.2.2]: the smaller of what the port uses and the function can.
 */
void
pci_plug_payload(struct pci_func *f, const struct pci_func *bridge)
{
	unsigned exp = f->cap_express, port = bridge->cap_express;
	uint32_t mask = PAYLOAD_CAP << PAYLOAD_SHIFT, mine, its, can;

	if (exp == 0 || port == 0)
		return;
	its = pci_read(bridge, port + PCI_EXP_DEVICE_CONTROL, 2);
	mine = pci_read(f, exp + PCI_EXP_DEVICE_CONTROL, 2);
	can = (pci_read(f, exp + PCI_EXP_DEVICE_CAP, 4) & PAYLOAD_CAP) << PAYLOAD_SHIFT;
	can = MIN(can, its & mask);
	pci_write(f, exp + PCI_EXP_DEVICE_CONTROL, 2, (mine & ~mask) | can);
	if (can < (its & mask))
		pci_write(bridge, port + PCI_EXP_DEVICE_CONTROL, 2, (its & ~mask) | can);
}

/*
 * A port that is granted is granted with its slot: its lamps, its power, which events are told and
 * acknowledged.  With them a driver can do to the device in the slot what a hand can that pulls it
 * out, and reaches neither memory nor anything outside of the slot.  Bit 11 of the control, the
 * lock of the slot, stays as it is.
 */
uint8_t
pci_slot_mask(const struct pci_func *f, unsigned offset)
{
	unsigned exp = f->cap_express, at = offset - exp;

	if (f->header != PCI_HEADER_BRIDGE || exp == 0 || at < PCI_EXP_SLOT_CONTROL ||
	    at > PCI_EXP_SLOT_STATUS + 1u)
		return 0;
	if ((pci_read(f, exp + PCI_EXP_FLAGS, 2) & FLAGS_SLOT) == 0 ||
	    (pci_read(f, exp + PCI_EXP_SLOT_CAP, 4) & SLOT_HOT_PLUG) == 0)
		return 0;
	switch (at) {
	case PCI_EXP_SLOT_CONTROL: return 0xff;
	case PCI_EXP_SLOT_CONTROL + 1: return 0x17;
	case PCI_EXP_SLOT_STATUS: return 0xff;		/* ones clear events, or do nothing */
	default: return 0x01;
	}
}
