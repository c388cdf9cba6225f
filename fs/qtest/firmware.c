/*
 * What a machine's firmware does before a system starts: looks for functions on all buses, numbers
 * the buses, gives BARs their addresses and bridges their windows, routes the interrupt lines
 * [PCI 3.0, 6.2.5.1; PCI-to-PCI Bridge 1.2, 3.2.5; 3.10].
 *
 * Addresses go up from the start of the hole below 4 GiB.  All lines of PCI functions are one input
 * of the I/O APIC, so each of them is shared.  Behind a slot there is room for what comes later, in
 * the bridge's windows; not for another bridge.
 */
#include "machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	IO_FIRST = 0xc000, IO_LAST = 0xffff,
	BUSES_MAX = 32,
	BRIDGE_MEM_UNIT = 1 << 20, BRIDGE_IO_UNIT = 4096,
	SLOT_MEM = 4 << 20, SLOT_IO = 4096,

	COMMAND_IO = 1, COMMAND_MEM = 2, COMMAND_MASTER = 4,
	AT_COMMAND = 0x04, AT_BAR = 0x10, AT_BUSES = 0x18, AT_IO_WINDOW = 0x1c,
	AT_MEM_WINDOW = 0x20, AT_PREFETCH_WINDOW = 0x24, AT_LINE = 0x3c,

	EXP_FLAGS = 2, EXP_FLAGS_SLOT = 1 << 8, EXP_DEVICE_CAP = 4, EXP_FLR = 1 << 28,

	Q35_HOST = 0x29c08086, I440FX_HOST = 0x12378086,
	ICH9_LPC_BDF = 31 << 3, PIIX3_BDF = 1 << 3,
	CLASS_IDE = 0x0101, IDE_NATIVE_BOTH = 0x05,
};

static const uint64_t mem_first = 0x80000000, mem_last = 0xfebfffff;

struct firmware {
	struct machine *m;
	uint64_t mem, io;	/* the next free address */
	uint64_t mem_last, io_last;
	unsigned buses;		/* in use */
	bool later;		/* the system runs: nothing is turned on, no bus is numbered */
	char *err;
};

static uint64_t
align(uint64_t v, uint64_t to)
{
	return (v + to - 1) & ~(to - 1);
}

static int
give(struct firmware *w, struct bar *b)
{
	uint64_t *next = b->io ? &w->io : &w->mem, end = b->io ? w->io_last : w->mem_last;

	b->base = align(*next, b->size);
	if (b->base + b->size - 1 > end) {
		snprintf(w->err, SIP_TEXT_MAX, "no room for a BAR of %llu bytes",
			(unsigned long long)b->size);
		return -ENOSPC;
	}
	*next = b->base + b->size;
	return 0;
}

/* Sizes the BAR at index i and gives it an address; how many registers it takes. */
static int
set_bar(struct firmware *w, struct func *f, unsigned i)
{
	unsigned at = AT_BAR + 4 * i;
	struct bar *b = &f->bar[i];
	uint64_t ones;
	int err;

	config_write(w->m, f->bdf, at, 4, UINT32_MAX);
	ones = config_read(w->m, f->bdf, at, 4);
	b->io = ones & 1;
	b->is64 = !b->io && (ones & 6) == 4 && i + 1 < PCI_NBARS;
	b->prefetch = !b->io && ones & 8;
	if (b->is64) {
		config_write(w->m, f->bdf, at + 4, 4, UINT32_MAX);
		ones |= (uint64_t)config_read(w->m, f->bdf, at + 4, 4) << 32;
	}
	b->size = pci_bar_size(ones, b->io, b->is64);
	if (b->size) {
		err = give(w, b);
		if (err < 0)
			return err;
		config_write(w->m, f->bdf, at, 4, (uint32_t)b->base);
		if (b->is64)
			config_write(w->m, f->bdf, at + 4, 4, (uint32_t)(b->base >> 32));
	}
	return b->is64 ? 2 : 1;
}

static int
set_bars(struct firmware *w, struct func *f)
{
	unsigned n = f->config.bridge ? 2 : PCI_NBARS;

	f->compat = f->config.class >> 8 == CLASS_IDE && !(f->config.class & IDE_NATIVE_BOTH);
	for (unsigned i = 0; i < n; ) {
		int took = set_bar(w, f, i);

		if (took < 0)
			return took;
		i += (unsigned)took;
	}
	return 0;
}

static void
find_messages(struct machine *m, struct func *f)
{
	f->msi_at = pci_find_cap(&f->config, PCI_CAP_MSI);
	f->msix_at = pci_find_cap(&f->config, PCI_CAP_MSIX);
	f->express_at = pci_find_cap(&f->config, PCI_CAP_PCIE);
	/* [PCIe 4.0, 7.5.3.3] */
	if (f->express_at &&
	    config_read(m, f->bdf, f->express_at + EXP_DEVICE_CAP, 4) & EXP_FLR)
		f->flr_at = f->express_at;
	if (f->msix_at) {
		uint32_t table = config_read(m, f->bdf, f->msix_at + 4, 4);

		f->nmsix = (config_read(m, f->bdf, f->msix_at + 2, 2) & 0x7ff) + 1;
		f->table_bar = table & 7;
		f->table_offset = table & ~7u;
		if (f->table_bar >= PCI_NBARS || f->table_offset + 16ull * f->nmsix >
		    f->bar[f->table_bar].size)
			f->msix_at = f->nmsix = 0;
	}
}

static int
add(struct firmware *w, unsigned bdf)
{
	struct machine *m = w->m;
	struct func *f = &m->func[m->nfuncs];
	uint8_t raw[PCI_CONFIG_SIZE];
	int err;

	if (m->nfuncs == FUNCS_MAX)
		return -ENOSPC;
	for (unsigned at = 0; at < sizeof raw; at += 4) {
		uint32_t v = config_read(m, bdf, at, 4);

		memcpy(raw + at, &v, 4);
	}
	*f = (struct func){ .bdf = bdf, .serial = ++m->serials };
	err = pci_decode(raw, sizeof raw, &f->config);
	if (err < 0 && err != -ELOOP)
		return err;
	err = set_bars(w, f);
	if (err < 0)
		return err;
	find_messages(m, f);
	if (f->config.interrupt_pin)
		config_write(m, bdf, AT_LINE, 1, PCI_LINE);
	config_change(m, bdf, AT_COMMAND, COMMAND_MASTER,
		w->later ? 0 : COMMAND_IO | COMMAND_MEM);
	m->nfuncs++;
	return 0;
}

static int scan_bus(struct firmware *w, unsigned bus);

/* What stays free for a device that comes later. */
static void
reserve(struct firmware *w, struct func *f)
{
	if (!f->express_at ||
	    !(config_read(w->m, f->bdf, f->express_at + EXP_FLAGS, 2) & EXP_FLAGS_SLOT))
		return;
	w->mem = w->mem < f->mem + SLOT_MEM ? f->mem + SLOT_MEM : w->mem;
	w->io = w->io < f->io + SLOT_IO ? f->io + SLOT_IO : w->io;
}

/* What is behind a bridge: its addresses are one piece, which becomes the bridge's windows. */
static int
scan_behind(struct firmware *w, struct func *f)
{
	unsigned bus = ++w->buses, bdf = f->bdf;
	uint64_t mem = f->mem = w->mem = align(w->mem, BRIDGE_MEM_UNIT);
	uint64_t io = f->io = w->io = align(w->io, BRIDGE_IO_UNIT);
	int err;

	if (bus == BUSES_MAX)
		return -ENOSPC;
	config_write(w->m, bdf, AT_BUSES, 4, bdf >> 8 | bus << 8 | 0xff << 16);
	err = scan_bus(w, bus);
	if (err < 0)
		return err;
	config_write(w->m, bdf, AT_BUSES, 4, bdf >> 8 | bus << 8 | w->buses << 16);
	reserve(w, f);
	w->mem = align(w->mem, BRIDGE_MEM_UNIT);
	w->io = align(w->io, BRIDGE_IO_UNIT);
	f->behind = bus;
	f->mem_last = w->mem - 1;
	f->io_last = w->io - 1;
	/* A limit below its base closes a window. */
	config_write(w->m, bdf, AT_MEM_WINDOW, 4,
		(uint32_t)(mem >> 16 & 0xfff0) | (uint32_t)((w->mem - 1) & 0xfff00000));
	config_write(w->m, bdf, AT_IO_WINDOW, 2,
		(uint32_t)(io >> 8 & 0xf0) | (uint32_t)((w->io - 1) & 0xf000));
	config_write(w->m, bdf, AT_PREFETCH_WINDOW, 4, 0x0000fff0);
	config_change(w->m, bdf, AT_COMMAND, 0, COMMAND_IO | COMMAND_MEM | COMMAND_MASTER);
	return 0;
}

static int
scan_device(struct firmware *w, unsigned bdf)
{
	unsigned n = 1;

	for (unsigned fn = 0; fn < n; fn++) {
		struct func *f = &w->m->func[w->m->nfuncs];
		int err;

		if ((config_read(w->m, bdf + fn, 0, 4) & 0xffff) == 0xffff ||
		    func_find(w->m, bdf + fn))
			continue;
		err = add(w, bdf + fn);
		if (err == 0 && f->config.bridge && !w->later)
			err = scan_behind(w, f);
		if (err < 0)
			return err;
		if (fn == 0 && f->config.multifunction)
			n = 8;
	}
	return 0;
}

static int
scan_bus(struct firmware *w, unsigned bus)
{
	int err = 0;

	for (unsigned dev = 0; dev < 32 && err == 0; dev++)
		err = scan_device(w, bus << 8 | dev << 3);
	return err;
}

/* [ICH9, 13.1.11, 13.1.14; PIIX3, 4.1.10]: PIRQ A to D, and E to H, each to an ISA line. */
static void
route(struct machine *m)
{
	uint32_t host = config_read(m, 0, 0, 4);
	unsigned bridge = host == Q35_HOST ? ICH9_LPC_BDF : PIIX3_BDF;

	if (host != Q35_HOST && host != I440FX_HOST)
		return;
	for (unsigned i = 0; i < 4; i++) {
		config_write(m, bridge, 0x60 + i, 1, PCI_LINE);
		if (host == Q35_HOST)
			config_write(m, bridge, 0x68 + i, 1, PCI_LINE);
	}
}

int
firmware_run(struct machine *m, char err[SIP_TEXT_MAX])
{
	struct firmware w = { .m = m, .mem = mem_first, .io = IO_FIRST, .mem_last = mem_last,
		.io_last = IO_LAST, .err = err };
	int e;

	if (m->ram_size > mem_first) {
		snprintf(err, SIP_TEXT_MAX, "more than 2 GiB of memory");
		return -EFBIG;
	}
	snprintf(err, SIP_TEXT_MAX, "more buses or functions than there is room for");
	if (config_read(m, 0, 0, 4) == UINT32_MAX) {
		snprintf(err, SIP_TEXT_MAX, "no host bridge answers");
		return -ENODEV;
	}
	route(m);
	e = scan_bus(&w, 0);
	return e == 0 ? qtest_intercept(m->q, "ioapic") : e;
}

int
firmware_rescan(struct machine *m, const struct func *bridge, char err[SIP_TEXT_MAX])
{
	struct firmware w = { .m = m, .mem = bridge->mem, .io = bridge->io,
		.mem_last = bridge->mem_last, .io_last = bridge->io_last, .err = err,
		.later = true };

	snprintf(err, SIP_TEXT_MAX, "no room for more functions");
	for (unsigned i = 0; i < m->nfuncs; i++)
		for (unsigned k = 0; m->func[i].bdf >> 8 == bridge->behind && k < PCI_NBARS; k++) {
			const struct bar *b = &m->func[i].bar[k];
			uint64_t *next = b->io ? &w.io : &w.mem;

			if (b->size && b->base + b->size > *next)
				*next = b->base + b->size;
		}
	return scan_bus(&w, bridge->behind);
}
