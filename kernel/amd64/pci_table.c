/*
 * The table of PCI functions: who is there, and what belongs to whom.
 *
 * A function has one reference from the table while it is in it, and one from each user; it is
 * freed with the last.  table_lock protects the table.
 */
#include "pci.h"

#include "../lock.h"
#include "../mem.h"

enum { CLASS_IDE = 0x0101 };

static struct spinlock table_lock = SPINLOCK("pci table");
static struct pci_func *funcs[PCI_FUNCS_MAX];	/* with free places */
static unsigned nfuncs;				/* all are below */
static uint32_t last_serial;

bool
pci_add(struct pci_func *f)
{
	unsigned i = 0;

	spin_lock(&table_lock);
	while (i < nfuncs && funcs[i] != NULL)
		i++;
	if (i < PCI_FUNCS_MAX) {
		f->serial = ++last_serial;
		funcs[i] = f;
		nfuncs = MAX(nfuncs, i + 1);
	}
	spin_unlock(&table_lock);
	return i < PCI_FUNCS_MAX;
}

unsigned
pci_count(void)
{
	return nfuncs;
}

struct pci_func *
pci_at(unsigned i)
{
	struct pci_func *f = NULL;

	spin_lock(&table_lock);
	if (i < nfuncs && funcs[i] != NULL) {
		f = funcs[i];
		ref_get(&f->refs);
	}
	spin_unlock(&table_lock);
	return f;
}

struct pci_func *
pci_find(unsigned bdf, uint32_t serial)
{
	struct pci_func *f = NULL;

	spin_lock(&table_lock);
	for (unsigned i = 0; i < nfuncs && f == NULL; i++)
		if (funcs[i] != NULL && funcs[i]->bdf == bdf &&
		    (serial == 0 || funcs[i]->serial == serial))
			f = funcs[i];
	if (f != NULL)
		ref_get(&f->refs);
	spin_unlock(&table_lock);
	return f;
}

struct pci_func *
pci_bridge_of(unsigned bus)
{
	struct pci_func *f = NULL;

	spin_lock(&table_lock);
	for (unsigned i = 0; i < nfuncs && f == NULL; i++)
		if (funcs[i] != NULL && funcs[i]->header == PCI_HEADER_BRIDGE &&
		    funcs[i]->secondary == bus && bus != 0)
			f = funcs[i];
	if (f != NULL)
		ref_get(&f->refs);
	spin_unlock(&table_lock);
	return f;
}

void
pci_put(struct pci_func *f)
{
	if (f != NULL && ref_put(&f->refs))
		kfree(f);
}

void
pci_take(struct pci_func *f)
{
	spin_lock(&table_lock);
	for (unsigned i = 0; i < nfuncs; i++)
		if (funcs[i] == f)
			funcs[i] = NULL;
	spin_unlock(&table_lock);
	pci_lost(f);
}

uint64_t
pci_bar_over(uint64_t pa, uint64_t n)
{
	uint64_t end = 0;

	spin_lock(&table_lock);
	for (unsigned i = 0; i < nfuncs * PCI_BARS && end == 0; i++) {
		const struct pci_func *f = funcs[i / PCI_BARS];
		const struct pci_bar *b = f != NULL ? &f->bar[i % PCI_BARS] : NULL;

		if (b != NULL && !b->io && b->size != 0 && b->base < pa + n &&
		    pa < b->base + b->size)
			end = b->base + b->size;
	}
	spin_unlock(&table_lock);
	return end;
}

static bool
within(uint64_t at, uint64_t n, uint64_t base, uint64_t size)
{
	return size != 0 && at >= base && n <= size && at - base <= size - n;
}

bool
pci_has_mem(const struct pci_func *f, paddr_t pa, size_t n)
{
	for (unsigned i = 0; i < PCI_BARS; i++)
		if (!f->bar[i].io && within(pa, n, f->bar[i].base, f->bar[i].size))
			return true;
	return false;
}

bool
pci_has_pages(const struct pci_func *f, paddr_t pa, size_t n)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *b = &f->bar[i];

		if (!b->io && b->size != 0 &&
		    within(pa, n, ROUND_DOWN(b->base, PAGE_SIZE), ROUND_UP(b->size, PAGE_SIZE)))
			return true;
	}
	return false;
}

/* An IDE function in compatibility mode has the ISA ports and lines [PCI IDE 1.0, 2.1]. */
static bool
ide_compatible(const struct pci_func *f, unsigned channel)
{
	return f->class >> 8 == CLASS_IDE && (f->class >> (2 * channel) & 1) == 0;
}

bool
pci_has_port(const struct pci_func *f, unsigned port, unsigned width)
{
	static const uint16_t command[2] = { 0x1f0, 0x170 }, control[2] = { 0x3f6, 0x376 };

	for (unsigned i = 0; i < PCI_BARS; i++)
		if (f->bar[i].io && within(port, width, f->bar[i].base, f->bar[i].size))
			return true;
	for (unsigned i = 0; i < 2; i++)
		if (ide_compatible(f, i) && (within(port, width, command[i], 8) ||
					     within(port, width, control[i], 1)))
			return true;
	return false;
}

bool
pci_has_line(const struct pci_func *f, unsigned line)
{
	if (f->pin >= 1 && f->pin <= 4 && f->line == line && line != 0 && line != 0xff)
		return true;
	return (line == 14 && ide_compatible(f, 0)) || (line == 15 && ide_compatible(f, 1));
}

paddr_t
pci_msix_in(paddr_t pa, size_t n)
{
	paddr_t first = 0;

	spin_lock(&table_lock);
	for (unsigned i = 0; i < nfuncs; i++) {
		const struct pci_func *f = funcs[i];
		paddr_t table;

		if (f == NULL || f->cap_msix == 0)
			continue;
		table = f->bar[f->msix_bar].base + f->msix_offset;
		if (pa < table + (uint64_t)f->msix_vectors * PCI_MSIX_ENTRY && table < pa + n &&
		    (first == 0 || table < first))
			first = table;
	}
	spin_unlock(&table_lock);
	return first;
}
