/*
 * Second-stage tables [VT-d 4.0, 3.7 and 9.8], where every address leads to itself.
 *
 * The same page may be reached for several requests at once, and for a buffer: how often is counted
 * in bits 61:52 of its entry, which hardware ignores.  A table, once made, stays until the end of
 * all: at most one page for 2 MiB of memory.
 */
#include "vtd_table.h"

#include "../mem.h"
#include "mmu.h"

enum { COUNT_SHIFT = 52, COUNT_MAX = 1023, ENTRIES = 512, LINE = 64 };

#define COUNT_ONE	(1ull << COUNT_SHIFT)
#define COUNT_MASK	((uint64_t)COUNT_MAX << COUNT_SHIFT)

void
vtd_flush(const void *p, size_t n)
{
	const char *at = (const char *)ROUND_DOWN((uintptr_t)p, LINE);

	for (; at < (const char *)p + n; at += LINE)
		__asm__ volatile("clflush %0" : : "m"(*at) : "memory");
	__asm__ volatile("mfence" : : : "memory");
}

static void
written(const struct vtd_table *t, const void *p, size_t n)
{
	if (t->flush)
		vtd_flush(p, n);
}

static paddr_t
empty_table(const struct vtd_table *t)
{
	paddr_t pa = page_alloc(0, PAGE_ZERO);

	if (pa != 0)
		written(t, phys_to_virt(pa), PAGE_SIZE);
	return pa;
}

/* The entry of a page; NULL if there is no table for it, and none could be made. */
static uint64_t *
entry(const struct vtd_table *t, paddr_t pa, bool make)
{
	uint64_t *at = phys_to_virt(t->root);

	for (unsigned l = t->levels - 1; l > 0; l--) {
		uint64_t *e = &at[pa >> (PAGE_SHIFT + 9 * l) & (ENTRIES - 1)];

		if (*e == 0) {
			paddr_t next = make ? empty_table(t) : 0;

			if (next == 0)
				return NULL;
			*e = next | VTD_READ | VTD_WRITE;
			written(t, e, sizeof *e);
		}
		at = phys_to_virt(*e & PTE_ADDR);
	}
	return &at[pa >> PAGE_SHIFT & (ENTRIES - 1)];
}

int
vtd_table_new(struct vtd_table *t)
{
	t->root = empty_table(t);
	return t->root != 0 ? 0 : -ENOMEM;
}

static void
free_below(paddr_t table, unsigned levels)
{
	const uint64_t *e = phys_to_virt(table);

	for (unsigned i = 0; levels > 1 && i < ENTRIES; i++)
		if (e[i] != 0)
			free_below(e[i] & PTE_ADDR, levels - 1);
	page_put(table, 0);
}

void
vtd_table_free(struct vtd_table *t)
{
	if (t->root != 0)
		free_below(t->root, t->levels);
	t->root = 0;
}

/* How many of npages have their entries in the table of pa's. */
static unsigned
in_table(paddr_t pa, uint64_t npages)
{
	return (unsigned)MIN(npages, ENTRIES - (pa >> PAGE_SHIFT & (ENTRIES - 1)));
}

uint64_t
vtd_table_add(struct vtd_table *t, paddr_t pa, uint64_t npages, unsigned allow)
{
	uint64_t done = 0;

	if (pa >= t->end || npages > (t->end - pa) >> PAGE_SHIFT)
		return 0;
	while (done < npages) {
		paddr_t at = pa + done * PAGE_SIZE;
		unsigned n = in_table(at, npages - done), i = 0;
		uint64_t *e = entry(t, at, true);

		if (e == NULL)
			break;
		for (; i < n && (e[i] & COUNT_MASK) != COUNT_MASK; i++) {
			t->widened |= e[i] != 0 && (allow & ~e[i]) != 0;
			e[i] = (e[i] + COUNT_ONE) | (at + i * PAGE_SIZE) | allow;
		}
		written(t, e, i * sizeof *e);
		done += i;
		if (i < n)
			break;
	}
	return done;
}

bool
vtd_table_remove(struct vtd_table *t, paddr_t pa, uint64_t npages)
{
	bool out = false;

	for (uint64_t done = 0; done < npages;) {
		unsigned n = in_table(pa + done * PAGE_SIZE, npages - done);
		uint64_t *e = entry(t, pa + done * PAGE_SIZE, false);

		KASSERT(e != NULL);
		for (unsigned i = 0; i < n; i++) {
			KASSERT((e[i] & COUNT_MASK) != 0);
			e[i] -= COUNT_ONE;
			if ((e[i] & COUNT_MASK) == 0) {
				e[i] = 0;
				out = true;
			}
		}
		written(t, e, n * sizeof *e);
		done += n;
	}
	return out;
}
