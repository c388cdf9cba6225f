/*
 * User address spaces: regions, page faults, copy-on-write fork.  copy.c moves data between them.
 *
 * as->lock guards the regions and the page tables.  A fault never sleeps: a program's file is in
 * memory whole before it runs (exec.c).  A page is counted once for each table entry that maps it;
 * device memory and DMA buffers are not counted (PTE_PHYS), their phys_map is.
 */
#include "as.h"

#include <lux9/sys.h>

#include "amd64/cpu.h"
#include "amd64/mmu.h"
#include "page.h"
#include "proc.h"

#define GATHER_MAX 64

struct region *
as_region(struct as *as, uint64_t addr)
{
	struct region *r = as->last;

	if (r != NULL && addr >= r->start && addr < r->end)
		return r;
	list_for_each(l, &as->regions) {
		r = list_entry(l, struct region, link);
		if (addr < r->start)
			return NULL;
		if (addr < r->end)
			return as->last = r;
	}
	return NULL;
}

static void
backing_get(const struct region *r)
{
	if (r->shared != NULL)
		ref_get(&r->shared->refs);
	if (r->image != NULL)
		image_get(r->image);
	if (r->phys != NULL)
		ref_get(&r->phys->refs);
}

struct shared *
shared_new(uint64_t n)
{
	struct shared *s = n < 1ul << 22 ? kzalloc(sizeof *s + n * sizeof s->page[0]) : NULL;

	if (s == NULL)
		return NULL;
	s->refs = 1;
	s->npages = n;
	spin_init(&s->lock, "shared");
	return s;
}

static void
shared_put(struct shared *s)
{
	if (!ref_put(&s->refs))
		return;
	for (uint64_t i = 0; i < s->npages; i++)
		if (s->page[i] != 0)
			page_put(s->page[i], 0);
	kfree(s);
}

static void
backing_put(const struct region *r)
{
	if (r->shared != NULL)
		shared_put(r->shared);
	if (r->image != NULL)
		image_put(r->image);
	if (r->phys != NULL && ref_put(&r->phys->refs))
		r->phys->put(r->phys);
}

struct as *
as_new(void)
{
	struct as *as = kzalloc(sizeof *as);

	if (as == NULL)
		return NULL;
	as->pml4 = mmu_table_new();
	if (as->pml4 == 0) {
		kfree(as);
		return NULL;
	}
	as->refs = 1;
	spin_init(&as->lock, "address space");
	list_init(&as->regions);
	return as;
}

void
as_get(struct as *as)
{
	ref_get(&as->refs);
}

struct as *
as_current(void)
{
	return proc_current()->as;
}

/* Called with the lock held: unmaps the pages of [start, end) and frees them after the flush. */
static void
pages_drop(struct as *as, uint64_t start, uint64_t end)
{
	paddr_t gathered[GATHER_MAX];
	unsigned n = 0;
	bool any = false;
	pte_t *e;

	for (uint64_t va = start; (e = mmu_next(as->pml4, &va, end)) != NULL; va += PAGE_SIZE) {
		any = true;
		if (!(*e & PTE_PHYS)) {
			gathered[n++] = *e & PTE_ADDR;
			as_count(as, -1);
		}
		*e = 0;
		if (n == GATHER_MAX) {
			mmu_flush(as, FLUSH_ALL);
			while (n > 0)
				page_put(gathered[--n], 0);
		}
	}
	if (any)
		mmu_flush(as, end - start == PAGE_SIZE ? start : FLUSH_ALL);
	while (n > 0)
		page_put(gathered[--n], 0);
}

static void
region_free(struct as *as, struct region *r)
{
	if (as->last == r)
		as->last = NULL;
	list_remove(&r->link);
	as->nregions--;
	backing_put(r);
	kfree(r);
}

void
as_put(struct as *as)
{
	if (!ref_put(&as->refs))
		return;
	mmu_forget(as);
	as_lock(as);
	list_for_each_safe(l, next, &as->regions) {
		struct region *r = list_entry(l, struct region, link);

		pages_drop(as, r->start, r->end);
		region_free(as, r);
	}
	as_unlock(as);
	as_leave_budget(as);
	mmu_table_free(as->pml4);
	kfree(as);
}

/* The list entry after which a region at addr belongs, or NULL if something overlaps. */
static struct list *
place_find(struct as *as, uint64_t addr, uint64_t end)
{
	struct list *after = &as->regions;

	list_for_each(l, &as->regions) {
		struct region *r = list_entry(l, struct region, link);

		if (r->start >= end)
			break;
		if (r->end > addr)
			return NULL;
		after = l;
	}
	return after;
}

/* The highest room of that length below the stack's usual place, or 0. */
static uint64_t
room_find(struct as *as, size_t length)
{
	uint64_t top = USER_HIGH - (1ul << 36);

	for (struct list *l = as->regions.prev; l != &as->regions; l = l->prev) {
		struct region *r = list_entry(l, struct region, link);

		if (r->start >= top)
			continue;
		if (r->end <= top && top - r->end >= length)
			break;
		top = r->start;
	}
	return top >= length + USER_LOW ? top - length : 0;
}

/* Called with the lock held: makes addr a boundary between regions. */
static int
region_split(struct as *as, uint64_t addr)
{
	struct region *r = as_region(as, addr);

	if (r == NULL || r->start == addr)
		return 0;
	struct region *tail = as->nregions < AS_REGIONS_MAX ? kmalloc(sizeof *tail) : NULL;

	if (tail == NULL)
		return -ENOMEM;
	*tail = *r;
	backing_get(r);
	tail->start = addr;
	tail->offset += addr - r->start;
	r->end = addr;
	list_add_after(&r->link, &tail->link);
	as->nregions++;
	return 0;
}

/* Called with the lock held: addr and end become boundaries between regions. */
static int
range_split(struct as *as, uint64_t addr, uint64_t end)
{
	int err = region_split(as, addr);

	return err != 0 ? err : region_split(as, end);
}

/* Called with the lock held: the regions between two boundaries go. */
static void
range_drop(struct as *as, uint64_t addr, uint64_t end)
{
	list_for_each_safe(l, next, &as->regions) {
		struct region *r = list_entry(l, struct region, link);

		if (r->start >= end)
			break;
		if (r->end <= addr)
			continue;
		pages_drop(as, r->start, r->end);
		region_free(as, r);
	}
}

static bool
in_reach(uint64_t addr, size_t length)
{
	return addr >= USER_LOW && addr <= USER_HIGH - length;
}

int
as_map(struct as *as, uint64_t *addr, size_t length, const struct region *like, enum map_where how)
{
	struct region *r = kmalloc(sizeof *r);
	struct list *after;
	int err = -ENOMEM;

	if (r == NULL)
		goto fail;
	err = -EINVAL;
	length = ROUND_UP(length, PAGE_SIZE);
	if (length == 0 || length > USER_HIGH || (*addr & PAGE_MASK) != 0)
		goto fail;
	if (like->phys != NULL && (like->offset > like->phys->length ||
				   length > like->phys->length - like->offset))
		goto fail;
	as_lock(as);
	err = -ENOMEM;
	if (how == MAP_HINT &&
	    (!in_reach(*addr, length) || place_find(as, *addr, *addr + length) == NULL))
		*addr = room_find(as, length);
	if (!in_reach(*addr, length) || as->nregions >= AS_REGIONS_MAX)
		goto fail_locked;
	if (how == MAP_REPLACE) {
		err = range_split(as, *addr, *addr + length);
		if (err != 0)
			goto fail_locked;
		range_drop(as, *addr, *addr + length);
	}
	err = -EEXIST;
	after = place_find(as, *addr, *addr + length);
	if (after == NULL)
		goto fail_locked;
	*r = *like;
	r->start = *addr;
	r->end = *addr + length;
	list_add_after(after, &r->link);
	as->nregions++;
	as_unlock(as);
	return 0;
fail_locked:
	as_unlock(as);
fail:
	kfree(r);
	backing_put(like);
	return err;
}

int
as_map_phys(struct as *as, uint64_t *addr, struct phys_map *pm, unsigned prot)
{
	struct region like = { .prot = (uint8_t)(prot & ~SYS_PROT_EXEC), .kind = REGION_PHYS,
			       .phys = pm };

	return as_map(as, addr, pm->length, &like, MAP_HINT);
}

static int
range_prepare(struct as *as, uint64_t addr, size_t *length)
{
	*length = ROUND_UP(*length, PAGE_SIZE);
	if ((addr & PAGE_MASK) != 0 || *length == 0 || addr > USER_HIGH ||
	    *length > USER_HIGH - addr)
		return -EINVAL;
	as_lock(as);
	int err = range_split(as, addr, addr + *length);

	if (err != 0)
		as_unlock(as);
	return err;
}

int
as_unmap(struct as *as, uint64_t addr, size_t length)
{
	int err = range_prepare(as, addr, &length);

	if (err != 0)
		return err;
	range_drop(as, addr, addr + length);
	as_unlock(as);
	return 0;
}

pte_t
as_prot_bits(unsigned prot)
{
	return (prot != 0 ? PTE_P | PTE_U : 0) | (prot & SYS_PROT_WRITE ? PTE_W : 0) |
	       (prot & SYS_PROT_EXEC ? 0 : PTE_NX);
}

/* Called with the lock held: what is mapped follows the region's protection. */
static void
pages_protect(struct as *as, struct region *r)
{
	pte_t *e;

	for (uint64_t va = r->start; (e = mmu_next(as->pml4, &va, r->end)) != NULL;
	     va += PAGE_SIZE) {
		pte_t keep = *e & ~(PTE_W | PTE_NX | PTE_U);

		if (r->prot == 0)	/* mapped, for its content, but out of the user's reach */
			*e = keep | PTE_NX;
		else
			*e = keep | (as_prot_bits(r->prot) & ~((*e & PTE_COW) ? PTE_W : 0ul));
	}
}

int
as_protect(struct as *as, uint64_t addr, size_t length, unsigned prot)
{
	uint64_t reached = addr;
	int err = range_prepare(as, addr, &length);

	if (err != 0)
		return err;
	list_for_each(l, &as->regions) {
		struct region *r = list_entry(l, struct region, link);

		if (r->start >= addr + length)
			break;
		if (r->end <= addr)
			continue;
		if (r->start == reached)
			reached = r->end;
		r->prot = (uint8_t)(r->kind == REGION_PHYS ? prot & r->prot : prot);
		pages_protect(as, r);
	}
	mmu_flush(as, FLUSH_ALL);
	as_unlock(as);
	return reached >= addr + length ? 0 : -ENOMEM;
}

static paddr_t
user_page(struct as *as, unsigned flags)
{
	return as_within_limit(as) ? page_alloc(0, flags) : 0;
}

/* The entry of a page, with its table, which counts and stays until the address space goes. */
static pte_t *
user_entry(struct as *as, uint64_t addr)
{
	pte_t *e = mmu_entry(as->pml4, addr, false);

	if (likely(e != NULL))
		return e;
	e = as_within_limit(as) ? mmu_entry(as->pml4, addr, true) : NULL;
	as_count(as, e != NULL);
	return e;
}

static inline __attribute__((always_inline)) paddr_t
page_copy(struct as *as, paddr_t from)
{
	paddr_t pa = user_page(as, 0);

	if (pa != 0)
		memcpy(phys_to_virt(pa), phys_to_virt(from), PAGE_SIZE);
	return pa;
}

static int
fault_phys(struct region *r, uint64_t page, pte_t *e)
{
	static const pte_t cache[] = { [MAP_UNCACHED] = PTE_UC, [MAP_WC] = PTE_WC };
	paddr_t pa = r->phys->pa + r->offset + (page - r->start);

	*e = pa | as_prot_bits(r->prot) | cache[r->phys->cache] | PTE_PHYS;
	return 0;
}

static int
fault_shared(struct as *as, struct region *r, uint64_t i, pte_t *e)
{
	struct shared *s = r->shared;

	spin_lock(&s->lock);
	if (s->page[i] == 0)
		s->page[i] = user_page(as, PAGE_ZERO);
	paddr_t pa = s->page[i];

	if (pa != 0)
		page_get(pa);
	spin_unlock(&s->lock);
	if (pa == 0)
		return -ENOMEM;
	as_count(as, 1);
	*e = pa | as_prot_bits(r->prot);
	return 0;
}

/* A page that is not present. */
static int
fault_absent(struct as *as, struct region *r, uint64_t page, unsigned access, pte_t *e)
{
	uint64_t i = (page - r->start + r->offset) >> PAGE_SHIFT;
	paddr_t pa = 0;
	pte_t bits = as_prot_bits(r->prot);

	if (r->kind == REGION_PHYS)
		return fault_phys(r, page, e);
	if (r->kind == REGION_SHARED)
		return fault_shared(as, r, i, e);
	if (r->kind == REGION_IMAGE)
		pa = image_page(r->image, r->segment, i);
	if (pa != 0 && !(access & SYS_PROT_WRITE)) {
		page_get(pa);
		bits = (bits & ~PTE_W) | PTE_COW;
	} else {
		pa = pa != 0 ? page_copy(as, pa) : user_page(as, PAGE_ZERO);
		if (pa == 0)
			return -ENOMEM;
	}
	as_count(as, 1);
	*e = pa | bits;
	return 0;
}

static int
fault_cow(struct as *as, struct region *r, uint64_t page, pte_t *e)
{
	paddr_t old = *e & PTE_ADDR;

	if (page_refs(old) == 1) {
		*e = old | as_prot_bits(r->prot);
		mmu_flush(as, page);
		return 0;
	}
	paddr_t pa = page_copy(as, old);

	if (pa == 0)
		return -ENOMEM;
	*e = pa | as_prot_bits(r->prot);
	mmu_flush(as, page);
	page_put(old, 0);
	return 0;
}

static int
fault_once(struct as *as, uint64_t addr, unsigned access)
{
	struct region *r;
	int err = -EFAULT;
	pte_t *e;

	as_lock(as);
	r = as_region(as, addr);
	if (r != NULL && (access & ~r->prot) == 0 && r->prot != 0) {
		uint64_t page = ROUND_DOWN(addr, PAGE_SIZE);

		e = user_entry(as, addr);
		if (e == NULL)
			err = -ENOMEM;
		else if (!(*e & PTE_P))
			err = fault_absent(as, r, page, access, e);
		else if (!(access & SYS_PROT_WRITE) || *e & PTE_W)
			err = 0;
		else if (*e & PTE_COW)
			err = fault_cow(as, r, page, e);
	}
	as_unlock(as);
	return err;
}

int
as_fault(struct as *as, uint64_t addr, unsigned access)
{
	int err = fault_once(as, addr, access);

	if (err == -ENOMEM && !as->over_limit && image_shrink())
		err = fault_once(as, addr, access);
	return err;
}

int
as_futex_key(struct as *as, uint64_t addr, uint64_t key[2])
{
	if (addr >= USER_HIGH || (addr & 3) != 0)
		return -EFAULT;
	as_lock(as);
	struct region *r = as_region(as, addr);

	if (r != NULL) {
		key[0] = r->kind == REGION_SHARED ? (uint64_t)r->shared : (uint64_t)as;
		key[1] = r->kind == REGION_SHARED ? addr - r->start + r->offset : addr;
	}
	as_unlock(as);
	return r != NULL ? 0 : -EFAULT;
}

/* Both locks are free; the child is not running yet.  Copies what is mapped of one region. */
static int
region_fork(struct as *parent, struct as *child, struct region *r)
{
	bool private = r->kind == REGION_ANON || r->kind == REGION_IMAGE;
	pte_t *e;

	if (!private)		/* shared pages are found again by a fault */
		return 0;
	for (uint64_t va = r->start; (e = mmu_next(parent->pml4, &va, r->end)) != NULL;
	     va += PAGE_SIZE) {
		pte_t *c = mmu_entry(child->pml4, va, true);

		if (c == NULL || !as_within_limit(child))
			return -ENOMEM;
		struct page *page = page_of(*e & PTE_ADDR);

		if (unlikely(page->pins != 0)) {	/* it stays the parent's */
			paddr_t pa = page_copy(child, *e & PTE_ADDR);

			if (pa == 0)
				return -ENOMEM;
			*c = pa | (*e & ~PTE_ADDR);
		} else {
			/* one that is not writable may be made so later */
			*c = *e = (*e & ~PTE_W) | PTE_COW;
			ref_get(&page->refs);
		}
		as_count(child, 1);
	}
	return 0;
}

void
as_detach(struct as *as, uint64_t addr, size_t n)
{
	uint64_t va = ROUND_DOWN(addr, PAGE_SIZE);
	pte_t *e;

	as_lock(as);
	for (; (e = mmu_next(as->pml4, &va, addr + n)) != NULL; va += PAGE_SIZE)
		if (!(*e & PTE_PHYS) && page_of(*e & PTE_ADDR)->pins != 0)
			*e = (*e & ~PTE_W) | PTE_COW;
	mmu_flush(as, FLUSH_ALL);
	as_unlock(as);
}

struct as *
as_fork(struct as *parent)
{
	struct as *child = as_new();
	int err = 0;

	if (child == NULL)
		return NULL;
	child->budget = parent->budget;
	if (child->budget != NULL)
		ref_get(&child->budget->refs);
	as_lock(parent);
	list_for_each(l, &parent->regions) {
		struct region *r = list_entry(l, struct region, link), *n;

		if (r->kind == REGION_PHYS)	/* a device has one driver, which a child is not */
			continue;
		n = kmalloc(sizeof *n);

		if (n == NULL) {
			err = -ENOMEM;
			break;
		}
		*n = *r;
		backing_get(r);
		list_append(&child->regions, &n->link);
		child->nregions++;
		err = region_fork(parent, child, r);
		if (err != 0)
			break;
	}
	mmu_flush(parent, FLUSH_ALL);
	as_unlock(parent);
	if (err != 0) {
		as_put(child);
		return NULL;
	}
	return child;
}
