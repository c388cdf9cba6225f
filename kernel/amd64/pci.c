/*
 * PCI: configuration access, enumeration, BARs, messages, reset.  The table is pci_table.c's.
 *
 * [PCI 3.0; PCI Express 5.0, chapter 7; PCI-PCI bridge 1.2].  Segment 0, the first 256 bytes of
 * configuration space, by ports 0xcf8 and 0xcfc: every PC has them, and nothing here needs more.
 * The firmware has given buses, and addresses to what was there at boot; what comes later gets its
 * addresses in pci_plug.c.
 *
 * A function that was removed (`gone`) answers with ones, and nothing is written to whoever has its
 * place now.  config_lock makes a port access of two steps one, and guards `gone`.
 */
#include "pci.h"

#include "../hw.h"
#include "../irq.h"
#include "../mem.h"
#include "../proc.h"
#include "cpu.h"

enum {
	BUSES = 256, CAPABILITIES_MAX = 48,
	CONFIG_ADDRESS = 0xcf8, CONFIG_DATA = 0xcfc
};

enum { CLASS_STORAGE = 0x01, CLASS_NETWORK = 0x02, CLASS_BRIDGE = 0x06 };
enum { HEADER_MULTI = 0x80, HEADER_TYPE = 0x7f, STATUS_CAPABILITIES = 0x10 };

enum {				/* [PCI 3.0, 6.8.1], from the capability */
	MSI_CONTROL = 2, MSI_ADDRESS = 4, MSI_DATA_32 = 8, MSI_ADDRESS_HIGH = 8, MSI_DATA_64 = 12,
	MSI_ENABLE = 1, MSI_64 = 1 << 7, MSI_CAPABLE_SHIFT = 1, MSI_ENABLED_SHIFT = 4
};

enum {				/* [PCI 3.0, 6.8.2] */
	MSIX_CONTROL = 2, MSIX_TABLE = 4, MSIX_SIZE = 0x7ff, MSIX_FUNCTION_MASK = 1 << 14,
	MSIX_ENABLE = 1 << 15, MSIX_ENTRY_MASKED = 1
};

enum {				/* [PCIe 5.0, 7.5.3; PCI PM 1.2, 3.2] */
	EXP_FLR = 1 << 28, EXP_START_FLR = 1 << 15, EXP_PENDING = 1 << 5, EXP_RESERVED = 1 << 15,
	PM_CONTROL = 4, PM_STATE = 3, PM_D3HOT = 3, PM_NO_SOFT_RESET = 1 << 3
};

#define RESET_WAIT_NS	100000000ull	/* [PCIe 5.0, 6.6.2] */
#define READY_TRIES	20		/* of 50 ms: 1 s */
#define PENDING_TRIES	10		/* of 10 ms */

static struct spinlock config_lock = SPINLOCK("pci config");

/* config_lock is held. */
static uint32_t
config(unsigned bdf, unsigned offset, unsigned width, const uint32_t *write)
{
	uint16_t data = (uint16_t)(CONFIG_DATA + (offset & 3));
	uint32_t v = 0;

	outl(CONFIG_ADDRESS, 0x80000000u | bdf << 8 | (offset & 0xfc));
	if (write == NULL)
		v = width == 4 ? inl(data) : width == 2 ? inw(data) : inb(data);
	else if (width == 4)
		outl(data, *write);
	else if (width == 2)
		outw(data, (uint16_t)*write);
	else
		outb(data, (uint8_t)*write);
	return v;
}

static uint32_t
config_read(unsigned bdf, unsigned offset, unsigned width)
{
	uint32_t v;

	spin_lock(&config_lock);
	v = config(bdf, offset, width, NULL);
	spin_unlock(&config_lock);
	return v;
}

static bool
config_valid(unsigned offset, unsigned width)
{
	return (width == 1 || width == 2 || width == 4) && offset % width == 0 &&
	       offset < PCI_CONFIG_SIZE;
}

uint32_t
pci_read(const struct pci_func *f, unsigned offset, unsigned width)
{
	uint32_t v = ~0u;

	if (!config_valid(offset, width))
		return v;
	spin_lock(&config_lock);
	if (!f->gone)
		v = config(f->bdf, offset, width, NULL);
	spin_unlock(&config_lock);
	return v;
}

void
pci_write(const struct pci_func *f, unsigned offset, unsigned width, uint32_t v)
{
	if (!config_valid(offset, width))
		return;
	spin_lock(&config_lock);
	if (!f->gone)
		config(f->bdf, offset, width, &v);
	spin_unlock(&config_lock);
}

void
pci_lost(struct pci_func *f)
{
	spin_lock(&config_lock);
	f->gone = true;
	spin_unlock(&config_lock);
}

void
pci_command(const struct pci_func *f, uint16_t clear, uint16_t set)
{
	uint32_t v = pci_read(f, PCI_COMMAND, 2);

	if (f->header == PCI_HEADER_BRIDGE)	/* what is behind it needs these */
		clear &= (uint16_t)~(PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	pci_write(f, PCI_COMMAND, 2, (v & ~(uint32_t)clear) | set);
	pci_read(f, PCI_COMMAND, 2);		/* what was posted before has arrived */
}

/* From what the BAR reads after ones were written. */
static uint64_t
bar_size(uint32_t lo, uint32_t hi, bool io, bool is64)
{
	uint64_t mask = lo & (io ? ~3u : ~15u);

	if (mask == 0 && (!is64 || hi == 0))
		return 0;
	if (io)
		mask |= 0xffffffffffff0000ull;	/* the upper 16 bits may be fixed at 0 */
	else
		mask |= is64 ? (uint64_t)hi << 32 : 0xffffffff00000000ull;
	return mask & -mask;
}

/* [PCI 3.0, 6.2.5.1]: decoding is off.  Returns how many registers it took. */
static unsigned
bar_read(struct pci_func *f, unsigned i, unsigned n)
{
	unsigned at = PCI_BAR0 + 4 * i;
	uint32_t lo = pci_read(f, at, 4), hi = 0, lo_size, hi_size = 0;
	struct pci_bar *b = &f->bar[i];

	b->io = lo & 1;
	b->is64 = !b->io && (lo >> 1 & 3) == 2 && i + 1 < n;
	b->prefetch = !b->io && (lo & 8);
	pci_write(f, at, 4, ~0u);
	lo_size = pci_read(f, at, 4);
	pci_write(f, at, 4, lo);
	if (b->is64) {
		hi = pci_read(f, at + 4, 4);
		pci_write(f, at + 4, 4, ~0u);
		hi_size = pci_read(f, at + 4, 4);
		pci_write(f, at + 4, 4, hi);
	}
	b->base = b->io ? lo & 0xfffc : (lo & ~15u) | (uint64_t)hi << 32;
	b->size = bar_size(lo_size, hi_size, b->io, b->is64);
	return b->is64 ? 2 : 1;
}

/* The firmware's addresses: a BAR without a good one is as none. */
static void
bars_check(struct pci_func *f)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		struct pci_bar *b = &f->bar[i];

		if (b->base == 0 || b->base % MAX(b->size, 1ull) != 0 ||
		    b->base + b->size < b->base)
			b->size = 0;
	}
}

static void
bars_read(struct pci_func *f)
{
	unsigned n = f->header == 0 ? PCI_BARS : f->header == PCI_HEADER_BRIDGE ? 2 : 0;
	uint16_t command = (uint16_t)pci_read(f, PCI_COMMAND, 2);

	if (f->class >> 8 == CLASS_BRIDGE << 8)		/* the host bridge decodes RAM */
		return;
	pci_write(f, PCI_COMMAND, 2, command & ~(uint32_t)(PCI_COMMAND_IO | PCI_COMMAND_MEM));
	for (unsigned i = 0; i < n;)
		i += bar_read(f, i, n);
	pci_write(f, PCI_COMMAND, 2, command);
}

static void
capability(struct pci_func *f, unsigned id, uint8_t at)
{
	uint32_t control = pci_read(f, at, 4) >> 16, table;

	switch (id) {
	case PCI_CAP_PM: f->cap_pm = at; break;
	case PCI_CAP_EXPRESS: f->cap_express = at; break;
	case PCI_CAP_MSI:
		f->cap_msi = at;
		f->msi_vectors = (uint16_t)(1u << MIN(control >> MSI_CAPABLE_SHIFT & 7, 5u));
		break;
	case PCI_CAP_MSIX:
		table = pci_read(f, at + MSIX_TABLE, 4);
		f->msix_bar = table & 7;
		f->msix_offset = table & ~7u;
		f->msix_vectors = (uint16_t)((control & MSIX_SIZE) + 1);
		f->cap_msix = at;
		break;
	}
}

static void
capabilities_read(struct pci_func *f)
{
	uint64_t end;
	unsigned at;

	if ((pci_read(f, PCI_STATUS, 2) & STATUS_CAPABILITIES) == 0 ||
	    f->header > PCI_HEADER_BRIDGE)
		return;
	at = pci_read(f, PCI_CAPABILITIES, 1) & 0xfc;
	for (int i = 0; i < CAPABILITIES_MAX && at >= 0x40; i++) {
		uint32_t v = pci_read(f, at, 2);

		capability(f, v & 0xff, (uint8_t)at);
		at = v >> 8 & 0xfc;
	}
	end = f->msix_offset + (uint64_t)f->msix_vectors * PCI_MSIX_ENTRY;
	if (f->cap_msix != 0 && (f->msix_bar >= PCI_BARS || f->bar[f->msix_bar].io ||
				 end > f->bar[f->msix_bar].size)) {
		f->cap_msix = 0;
		f->msix_vectors = 0;
	}
}

static struct pci_func *
func_new(unsigned bdf)
{
	struct pci_func *f = kzalloc(sizeof *f);
	uint32_t v;

	if (f == NULL)
		return NULL;
	f->refs = 1;
	list_init(&f->owned);
	f->bdf = (uint16_t)bdf;
	f->vendor = (uint16_t)pci_read(f, PCI_VENDOR, 2);
	f->device = (uint16_t)pci_read(f, PCI_DEVICE, 2);
	v = pci_read(f, PCI_REVISION, 4);
	f->revision = (uint8_t)v;
	f->class = v >> 8;
	f->header = pci_read(f, PCI_HEADER, 1) & HEADER_TYPE;
	f->line = (uint8_t)pci_read(f, PCI_LINE, 1);
	f->pin = (uint8_t)pci_read(f, PCI_PIN, 1);
	if (f->header == 0) {
		f->subvendor = (uint16_t)pci_read(f, PCI_SUBVENDOR, 2);
		f->subdevice = (uint16_t)pci_read(f, PCI_SUBDEVICE, 2);
	}
	if (f->header == PCI_HEADER_BRIDGE)
		f->secondary = (uint8_t)pci_read(f, PCI_SECONDARY_BUS, 1);
	return f;
}

/* Storage and network functions get no bus mastering; a bridge passes on what is behind it. */
static void
master_at_start(struct pci_func *f)
{
	if (f->class >> 16 == CLASS_STORAGE || f->class >> 16 == CLASS_NETWORK)
		pci_command(f, PCI_COMMAND_MASTER, 0);
	if (f->header == PCI_HEADER_BRIDGE)
		pci_command(f, 0, PCI_COMMAND_MASTER);
}

/*
 * Adds the function; `behind` is the bridge of a slot, where it gets its addresses, or NULL for the
 * firmware's.  False if it is in the table already, or cannot be.
 */
static bool
func_add(unsigned bdf, const struct pci_func *behind)
{
	struct pci_func *f = pci_find(bdf, 0);

	if (f != NULL) {
		pci_put(f);
		return false;
	}
	f = func_new(bdf);
	if (f == NULL)
		return false;
	if (behind != NULL && f->header != 0) {
		kprint("pci: %u.%u.%u: a bridge in a slot is left alone\n", bdf >> 8, bdf >> 3 & 31,
		       bdf & 7);
		pci_put(f);
		return false;
	}
	bars_read(f);
	if (behind != NULL)
		pci_plug_bars(f, behind);
	else
		bars_check(f);
	capabilities_read(f);
	if (behind != NULL)
		pci_plug_payload(f, behind);
	f->unquiet = behind != NULL;	/* it may have been here before, and at work */
	master_at_start(f);
	if (!pci_add(f)) {
		kprint("pci: no room for another function\n");
		pci_put(f);
		return false;
	}
	return true;
}

static bool
func_there(unsigned bdf)
{
	unsigned v = config_read(bdf, PCI_VENDOR, 2);

	return v != 0xffff && v != 0 && v != 1;	/* 1: not ready yet [PCIe 5.0, 2.3.2] */
}

unsigned
pci_scan(unsigned bus, const struct pci_func *behind)
{
	unsigned added = 0;

	for (unsigned dev = 0; dev < 32; dev++) {
		bool multi = true;

		for (unsigned fn = 0; fn < 8 && multi; fn++) {
			unsigned bdf = bus << 8 | dev << 3 | fn;

			if (!func_there(bdf)) {
				multi = fn != 0;
				continue;
			}
			if (fn == 0)
				multi = config_read(bdf, PCI_HEADER, 1) & HEADER_MULTI;
			added += func_add(bdf, behind);
		}
	}
	return added;
}

/* Buses behind bridges that were found. */
static void
buses_behind(bool todo[BUSES])
{
	struct pci_func *f;

	for (unsigned i = 0; i < pci_count(); i++) {
		f = pci_at(i);
		if (f != NULL && f->header == PCI_HEADER_BRIDGE)
			todo[f->secondary] = true;
		pci_put(f);
	}
}

void
pci_init(void)
{
	bool todo[BUSES] = { true }, done[BUSES] = { false };
	bool more = true;

	for (unsigned pass = 0; pass < BUSES && more; pass++) {
		more = false;
		for (unsigned bus = 0; bus < BUSES; bus++) {
			if (!todo[bus] || done[bus])
				continue;
			done[bus] = more = true;
			pci_scan(bus, NULL);
		}
		buses_behind(todo);
	}
	kprint("pci: %u functions\n", pci_count());
}

uint8_t
pci_write_mask(const struct pci_func *f, unsigned offset)
{
	uint8_t slot = pci_slot_mask(f, offset);

	if (slot != 0)
		return slot;
	switch (offset) {
	case PCI_COMMAND: return PCI_COMMAND_MWI | PCI_COMMAND_PARITY;
	case PCI_COMMAND + 1: return (PCI_COMMAND_SERR | PCI_COMMAND_NO_INTX) >> 8;
	case PCI_STATUS + 1: return 0xf9;
	case PCI_CACHE_LINE: case PCI_LATENCY: return 0xff;
	default: return 0;
	}
}

int
pci_msi_on(struct pci_func *f, const int *handles, unsigned n)
{
	uint32_t control, data;
	uint64_t address;
	unsigned at = f->cap_msi, log = 0;

	if (at == 0)
		return -ENODEV;
	if (n > f->msi_vectors)
		return -EINVAL;
	while (1u << log < n)
		log++;
	irq_message(handles[0], &address, &data);
	control = pci_read(f, at + MSI_CONTROL, 2);
	control &= ~(uint32_t)(MSI_ENABLE | 7 << MSI_ENABLED_SHIFT);
	pci_write(f, at + MSI_CONTROL, 2, control);
	pci_write(f, at + MSI_ADDRESS, 4, (uint32_t)address);
	if (control & MSI_64)
		pci_write(f, at + MSI_ADDRESS_HIGH, 4, (uint32_t)(address >> 32));
	pci_write(f, at + (control & MSI_64 ? MSI_DATA_64 : MSI_DATA_32), 2, data);
	pci_command(f, 0, PCI_COMMAND_NO_INTX);
	pci_write(f, at + MSI_CONTROL, 2, control | log << MSI_ENABLED_SHIFT | MSI_ENABLE);
	return 0;
}

static void
msix_entry(struct pci_func *f, unsigned i, int handle)
{
	paddr_t at = f->bar[f->msix_bar].base + f->msix_offset + i * (uint64_t)PCI_MSIX_ENTRY;
	volatile uint32_t *e;
	uint64_t address = 0;
	uint32_t data = 0;

	if (handle != 0)
		irq_message(handle, &address, &data);
	e = (volatile uint32_t *)(kernel_window(ROUND_DOWN(at, PAGE_SIZE)) + at % PAGE_SIZE);
	e[3] = MSIX_ENTRY_MASKED;
	if (handle == 0)
		return;
	e[0] = (uint32_t)address;
	e[1] = (uint32_t)(address >> 32);
	e[2] = data;
	e[3] = 0;
}

int
pci_msix_on(struct pci_func *f, const int *handles, unsigned n)
{
	uint32_t control;

	if (f->cap_msix == 0)
		return -ENODEV;
	if (n > f->msix_vectors)
		return -EINVAL;
	control = pci_read(f, f->cap_msix + MSIX_CONTROL, 2) & ~(uint32_t)MSIX_FUNCTION_MASK;
	pci_command(f, 0, PCI_COMMAND_NO_INTX | PCI_COMMAND_MEM);
	pci_write(f, f->cap_msix + MSIX_CONTROL, 2, control | MSIX_ENABLE | MSIX_FUNCTION_MASK);
	for (unsigned i = 0; i < f->msix_vectors; i++)
		msix_entry(f, i, i < n ? handles[i] : 0);
	pci_write(f, f->cap_msix + MSIX_CONTROL, 2, control | MSIX_ENABLE);
	return 0;
}

static void
control_off(const struct pci_func *f, uint8_t at, uint32_t enable)
{
	if (at != 0)
		pci_write(f, at + MSI_CONTROL, 2, pci_read(f, at + MSI_CONTROL, 2) & ~enable);
}

void
pci_messages_off(struct pci_func *f)
{
	control_off(f, f->cap_msi, MSI_ENABLE);
	control_off(f, f->cap_msix, MSIX_ENABLE);
	pci_command(f, 0, PCI_COMMAND_NO_INTX);
}

static void
sleep_ns(uint64_t ns)
{
	struct spinlock l = SPINLOCK("pci sleep");
	struct waitq q;

	waitq_init(&q);
	spin_lock(&l);
	wait_on_hard(&q, &l, time_now() + ns);
	spin_unlock(&l);
}

/* A function that was pulled out has nothing to come either; its reserved bits are ones too. */
bool
pci_drained(const struct pci_func *f)
{
	unsigned at = f->cap_express + PCI_EXP_DEVICE_STATUS, mask = EXP_PENDING | EXP_RESERVED;
	int tries = f->cap_express != 0 ? PENDING_TRIES : 0;

	for (; tries > 0 && (pci_read(f, at, 2) & mask) == EXP_PENDING; tries--)
		sleep_ns(RESET_WAIT_NS / PENDING_TRIES);
	return tries > 0;
}

/* Function-level reset [PCIe 5.0, 6.6.2], or by way of D3hot [PCI PM 1.2, 5.4.1]. */
static int
reset_start(struct pci_func *f)
{
	unsigned exp = f->cap_express, pm = f->cap_pm;
	uint32_t v;

	if (exp != 0 && (pci_read(f, exp + PCI_EXP_DEVICE_CAP, 4) & EXP_FLR)) {
		pci_drained(f);
		v = pci_read(f, exp + PCI_EXP_DEVICE_CONTROL, 2);
		pci_write(f, exp + PCI_EXP_DEVICE_CONTROL, 2, v | EXP_START_FLR);
		return 0;
	}
	if (pm == 0 || (pci_read(f, pm + PM_CONTROL, 2) & PM_NO_SOFT_RESET))
		return -EOPNOTSUPP;
	v = pci_read(f, pm + PM_CONTROL, 2) & ~(uint32_t)PM_STATE;
	pci_write(f, pm + PM_CONTROL, 2, v | PM_D3HOT);
	sleep_ns(RESET_WAIT_NS / PENDING_TRIES);
	pci_write(f, pm + PM_CONTROL, 2, v);
	return 0;
}

int
pci_reset(struct pci_func *f)
{
	uint32_t saved[PCI_BARS];

	if (f->header != 0)
		return -EOPNOTSUPP;
	if (pci_read(f, PCI_VENDOR, 2) != f->vendor)	/* pulled out */
		return -EIO;
	for (unsigned i = 0; i < PCI_BARS; i++)
		saved[i] = pci_read(f, PCI_BAR0 + 4 * i, 4);
	pci_messages_off(f);
	pci_command(f, PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_MASTER, PCI_COMMAND_NO_INTX);
	if (reset_start(f) < 0)
		return -EOPNOTSUPP;
	sleep_ns(RESET_WAIT_NS);
	for (int i = 0; i < READY_TRIES && pci_read(f, PCI_VENDOR, 2) != f->vendor; i++)
		sleep_ns(RESET_WAIT_NS / 2);
	if (pci_read(f, PCI_VENDOR, 2) != f->vendor)
		return -EIO;
	for (unsigned i = 0; i < PCI_BARS; i++)
		pci_write(f, PCI_BAR0 + 4 * i, 4, saved[i]);
	pci_write(f, PCI_LINE, 1, f->line);
	return 0;
}
