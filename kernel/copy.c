/*
 * Data between address spaces: copies, and shares of whole pages.
 *
 * The other address space's pages are pinned, and copied through the direct map; as->lock
 * is held only to find and count them, so that the near side may fault.  Large page-aligned data of
 * a private region is not copied: both sides get the same pages, copy-on-write.
 */
#include "amd64/mmu.h"
#include "as.h"
#include "page.h"
#include "proc.h"

#define PIN_MAX		32ul	/* pages held at once */
#define FAULTS_MAX	100	/* for one page, which others may take away again */
#define DEVICE_FAULTS	3	/* the same, when there is another way */

static int
copy_current(void *dst, const void *src, size_t n)
{
	if ((uint64_t)dst < USER_TOP)
		return copy_to_user(dst, src, n);
	if ((uint64_t)src < USER_TOP)
		return copy_from_user(dst, src, n);
	memcpy(dst, src, n);
	return 0;
}

/*
 * Pins present pages from addr on that would not fault, at most max and within one page table: how
 * many.  A DMA buffer's pages are memory too; a device's registers are not.
 */
static unsigned
pin(struct as *as, uint64_t addr, unsigned access, unsigned max, paddr_t *pa)
{
	pte_t want = PTE_P | PTE_U | (access & SYS_PROT_WRITE ? PTE_W : 0);
	unsigned n = 0, room = 512 - (unsigned)(addr >> PAGE_SHIFT & 511);

	as_lock(as);
	const pte_t *e = mmu_entry(as->pml4, addr, false);

	for (max = MIN(max, room); e != NULL && n < max; n++) {
		if ((e[n] & (want | PTE_DEVICE)) != want)
			break;
		pa[n] = e[n] & PTE_ADDR;
		page_get(pa[n]);
	}
	as_unlock(as);
	return n;
}

/* As pin(), making the first page present: at least one, or -EFAULT. */
static int
pin_fault(struct as *as, uint64_t addr, unsigned access, unsigned max, paddr_t *pa)
{
	for (int i = 0; addr < USER_HIGH && i < FAULTS_MAX; i++) {
		unsigned n = pin(as, addr, access, max, pa);

		if (n > 0)
			return (int)n;
		if (as_fault(as, addr, access) != 0)
			break;
	}
	return -EFAULT;
}

/* Copies the part, at most n bytes, that is in pinned pages, adjacent ones at once; unpins. */
static int64_t
copy_pinned(char *local, const paddr_t *pa, unsigned count, size_t off, size_t n, unsigned access)
{
	size_t done = 0;
	int err = 0;

	for (unsigned i = 0; i < count && err == 0 && done < n;) {
		unsigned run = 1;

		while (i + run < count && pa[i + run] == pa[i] + run * PAGE_SIZE)
			run++;
		size_t part = MIN(n - done, run * PAGE_SIZE - off);

		char *pinned = (char *)phys_to_virt(pa[i]) + off;

		err = access == SYS_PROT_WRITE ? copy_current(pinned, local + done, part)
					       : copy_current(local + done, pinned, part);
		done += part;
		off = 0;
		i += run;
	}
	for (unsigned i = 0; i < count; i++)
		page_put(pa[i], 0);
	return err != 0 ? -EIO : (int64_t)done;
}

static int
as_copy(struct as *as, uint64_t addr, char *local, size_t n, unsigned access)
{
	paddr_t pa[PIN_MAX];

	while (n > 0) {
		size_t off = addr & PAGE_MASK;
		unsigned wanted = (unsigned)MIN((off + n + PAGE_MASK) >> PAGE_SHIFT, PIN_MAX);
		int got = pin_fault(as, addr, access, wanted, pa);
		int64_t done = got < 0 ? got
				       : copy_pinned(local, pa, (unsigned)got, off, n, access);

		if (done < 0)
			return (int)done;
		local += done;
		addr += (uint64_t)done;
		n -= (size_t)done;
	}
	return 0;
}

int
as_copy_out(struct as *as, uint64_t udst, const void *src, size_t n)
{
	return as_copy(as, udst, (char *)src, n, SYS_PROT_WRITE);
}

int
as_copy_in(struct as *as, void *dst, uint64_t usrc, size_t n)
{
	return as_copy(as, usrc, dst, n, SYS_PROT_READ);
}

/* True for memory that is the address space's own, or a private view of a program's file. */
static bool
is_private(const struct region *r)
{
	return r != NULL && (r->kind == REGION_ANON || r->kind == REGION_IMAGE);
}

/* As pin(), for a device, which may have private memory only. */
static unsigned
pin_device(struct as *as, uint64_t addr, unsigned access, unsigned max, paddr_t *pa)
{
	pte_t want = PTE_P | PTE_U | (access & SYS_PROT_WRITE ? PTE_W : 0);
	pte_t high = access & AS_LOW ? PTE_ADDR & ~0xfffffffful : 0;
	unsigned n = 0;

	as_lock(as);
	const struct region *r = as_region(as, addr);
	const pte_t *e = is_private(r) ? mmu_entry(as->pml4, addr, false) : NULL;

	max = (unsigned)MIN(max, 512 - (addr >> PAGE_SHIFT & 511));
	for (; e != NULL && n < max && addr + n * PAGE_SIZE < r->end; n++) {
		if ((e[n] & (want | high)) != want)
			break;
		pa[n] = e[n] & PTE_ADDR;
		page_get(pa[n]);
		if (access & SYS_PROT_WRITE)
			__atomic_fetch_add(&page_of(pa[n])->pins, 1, __ATOMIC_RELAXED);
	}
	as_unlock(as);
	return n;
}

void
as_unpin(const struct dma_seg *seg, int nsegs, unsigned access)
{
	for (; nsegs > 0; nsegs--, seg++)
		for (paddr_t pa = ROUND_DOWN(seg->paddr, PAGE_SIZE); pa < seg->paddr + seg->bytes;
		     pa += PAGE_SIZE) {
			if (access & SYS_PROT_WRITE)
				__atomic_fetch_sub(&page_of(pa)->pins, 1, __ATOMIC_RELAXED);
			page_put(pa, 0);
		}
}

int
as_pin(struct as *as, uint64_t addr, size_t n, unsigned access, struct dma_seg *seg)
{
	paddr_t pa[PIN_MAX];
	int nsegs = 0;

	for (int faults = 0; n > 0; faults++) {
		size_t off = addr & PAGE_MASK;
		unsigned wanted = (unsigned)MIN((off + n + PAGE_MASK) >> PAGE_SHIFT, PIN_MAX);
		unsigned got = pin_device(as, addr, access, wanted, pa);

		if (got > 0) {
			faults = 0;
		} else if (faults == DEVICE_FAULTS || as_fault(as, addr, access & ~AS_LOW) != 0) {
			as_unpin(seg, nsegs, access);
			return -EFAULT;
		}
		for (unsigned i = 0; i < got; i++, off = 0) {
			size_t part = MIN(n, PAGE_SIZE - off);

			if (nsegs == 0 ||
			    seg[nsegs - 1].paddr + seg[nsegs - 1].bytes != pa[i] + off)
				seg[nsegs++] = (struct dma_seg){ pa[i] + off, 0 };
			seg[nsegs - 1].bytes += part;
			addr += part;
			n -= part;
		}
	}
	return nsegs;
}

/* Makes up to max private pages of the current thread read-only and counts them: how many. */
static unsigned
share_take(struct as *as, uint64_t addr, unsigned max, paddr_t *pa)
{
	unsigned n = 0;

	as_lock(as);
	struct region *r = as_region(as, addr);
	pte_t *e = is_private(r) ? mmu_entry(as->pml4, addr, false) : NULL;

	max = (unsigned)MIN(max, 512 - (addr >> PAGE_SHIFT & 511));
	for (; e != NULL && n < max && addr + n * PAGE_SIZE < r->end; n++) {
		if ((e[n] & (PTE_P | PTE_U | PTE_PHYS)) != (PTE_P | PTE_U))
			break;
		e[n] = (e[n] & ~PTE_W) | PTE_COW;
		pa[n] = e[n] & PTE_ADDR;
		page_get(pa[n]);
	}
	if (n > 0)
		mmu_flush(as, FLUSH_ALL);
	as_unlock(as);
	return n;
}

/* Puts counted pages in the place of those at addr, whose numbers come back in pa: how many. */
static unsigned
share_give(struct as *as, uint64_t addr, unsigned count, paddr_t *pa)
{
	unsigned n = 0;
	bool replaced = false;

	as_lock(as);
	struct region *r = as_region(as, addr);

	if (!is_private(r) || !(r->prot & SYS_PROT_WRITE))
		count = 0;
	for (; n < count && addr + n * PAGE_SIZE < r->end; n++) {
		pte_t *e = mmu_entry(as->pml4, addr + n * PAGE_SIZE, true);
		paddr_t old;

		if (e == NULL || (!(*e & PTE_P) && !as_within_limit(as)))
			break;
		old = *e & PTE_P ? *e & PTE_ADDR : 0;
		as_count(as, old == 0);
		replaced |= old != 0;
		*e = pa[n] | (as_prot_bits(r->prot) & ~PTE_W) | PTE_COW;
		pa[n] = old;
	}
	if (replaced)
		mmu_flush(as, FLUSH_ALL);
	as_unlock(as);
	return n;
}

size_t
as_share_out(struct as *as, uint64_t udst, uint64_t usrc, size_t n)
{
	paddr_t pa[PIN_MAX];
	size_t done = 0;

	if (((udst | usrc) & PAGE_MASK) != 0 || as == as_current() || udst > USER_HIGH - n)
		return 0;
	while (n - done >= PAGE_SIZE) {
		unsigned want = (unsigned)MIN((n - done) >> PAGE_SHIFT, PIN_MAX);
		unsigned took = share_take(as_current(), usrc + done, want, pa);
		unsigned gave = took > 0 ? share_give(as, udst + done, took, pa) : 0;

		/* What was given left the old pages in pa; what was not is still the source's. */
		for (unsigned i = 0; i < took; i++)
			if (pa[i] != 0)
				page_put(pa[i], 0);
		done += gave * PAGE_SIZE;
		if (gave < want)
			break;
	}
	return done;
}
