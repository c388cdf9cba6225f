/*
 * Physical memory: a binary buddy allocator with a small stock of single pages on each processor.
 *
 * Two zones, below and above 4 GiB, each with a free list an order; the lists' links are in the
 * free pages themselves.  One lock guards both zones.  The stocks belong to their processors,
 * which do not take interrupts in the kernel, and need none.
 */
#include "page.h"

#include "amd64/cpu.h"
#include "boot.h"

#define LOW_PAGES	(1ul << (32 - PAGE_SHIFT))
#define RESERVED_LOW	0x100000ul	/* the first MiB is the firmware's and the trampoline's */
#define STOCK_MAX	64u
#define STOCK_BATCH	32u

struct zone {
	struct list free[PAGE_ORDER_MAX + 1];
	uint64_t nfree;
};

extern char kernel_end[];

struct page *pages;
uint64_t npages;
static struct zone zones[2];
static struct spinlock page_lock = SPINLOCK("page allocator");
static uint64_t total_pages;

static paddr_t
kernel_end_pa(void)
{
	return (paddr_t)kernel_end - 0xffffffff80000000ul;
}

static struct zone *
zone_of(uint64_t pfn)
{
	return &zones[pfn >= LOW_PAGES];
}

static void
zone_push(uint64_t pfn, unsigned order)
{
	struct list *l = phys_to_virt(pfn << PAGE_SHIFT);

	pages[pfn].use = PAGE_FREE;
	pages[pfn].order = (uint8_t)order;
	list_push(&zone_of(pfn)->free[order], l);
}

static void
zone_take(uint64_t pfn)
{
	list_remove(phys_to_virt(pfn << PAGE_SHIFT));
	pages[pfn].use = PAGE_RESERVED;
}

/* Called with page_lock held. */
static void
buddy_free(uint64_t pfn, unsigned order)
{
	zone_of(pfn)->nfree += 1ul << order;
	while (order < PAGE_ORDER_MAX) {
		uint64_t other = pfn ^ (1ul << order);

		if (other >= npages || pages[other].use != PAGE_FREE || pages[other].order != order)
			break;
		zone_take(other);
		pfn &= ~(1ul << order);
		order++;
	}
	zone_push(pfn, order);
}

/* Called with page_lock held; the page frame number, or 0. */
static uint64_t
buddy_alloc(struct zone *z, unsigned order)
{
	unsigned o = order;

	while (o <= PAGE_ORDER_MAX && list_empty(&z->free[o]))
		o++;
	if (o > PAGE_ORDER_MAX)
		return 0;
	uint64_t pfn = virt_to_phys(z->free[o].next) >> PAGE_SHIFT;

	zone_take(pfn);
	while (o > order) {
		o--;
		zone_push(pfn + (1ul << o), o);
	}
	z->nfree -= 1ul << order;
	return pfn;
}

static uint64_t
zones_alloc(unsigned order, unsigned flags)
{
	uint64_t pfn = 0;

	if (!(flags & PAGE_DMA32))
		pfn = buddy_alloc(&zones[1], order);
	return pfn != 0 ? pfn : buddy_alloc(&zones[0], order);
}

static uint64_t
stock_alloc(struct cpu *c)
{
	if (c->page_cached == 0) {
		unsigned n = 0;

		spin_lock(&page_lock);
		while (n < STOCK_BATCH && (c->page_cache[n] = zones_alloc(0, 0)) != 0)
			n++;
		spin_unlock(&page_lock);
		if (n == 0)
			return 0;
		/* Upward: neighbours in an address space are so in memory, and copied at once. */
		for (unsigned i = 0; i < n / 2; i++) {
			paddr_t t = c->page_cache[i];

			c->page_cache[i] = c->page_cache[n - 1 - i];
			c->page_cache[n - 1 - i] = t;
		}
		c->page_cached = n;
	}
	return c->page_cache[--c->page_cached];
}

paddr_t
page_alloc(unsigned order, unsigned flags)
{
	uint64_t pfn;

	if (order > PAGE_ORDER_MAX || alloc_debug_fails())
		return 0;
	if (order == 0 && !(flags & PAGE_DMA32)) {
		pfn = stock_alloc(cpu_self());
	} else {
		spin_lock(&page_lock);
		pfn = zones_alloc(order, flags);
		spin_unlock(&page_lock);
	}
	if (pfn == 0)
		return 0;
	pages[pfn].refs = 1;
	pages[pfn].order = (uint8_t)order;
	pages[pfn].use = PAGE_USED;
	pages[pfn].pins = 0;
	if (flags & PAGE_ZERO)
		memset(phys_to_virt(pfn << PAGE_SHIFT), 0, PAGE_SIZE << order);
	return pfn << PAGE_SHIFT;
}

void
page_get(paddr_t pa)
{
	ref_get(&page_of(pa)->refs);
}

uint32_t
page_refs(paddr_t pa)
{
	return __atomic_load_n(&page_of(pa)->refs, __ATOMIC_ACQUIRE);
}

void
page_put(paddr_t pa, unsigned order)
{
	struct page *p = page_of(pa);
	struct cpu *c;

	if (!ref_put(&p->refs))
		return;
	c = cpu_self();
	KASSERT((p->use == PAGE_USED || p->use == PAGE_SLAB || p->use == PAGE_BIG) &&
		p->order == order);
	if (order == 0 && c->page_cached < STOCK_MAX) {
		p->use = PAGE_RESERVED;
		c->page_cache[c->page_cached++] = pa >> PAGE_SHIFT;
		return;
	}
	spin_lock(&page_lock);
	buddy_free(pa >> PAGE_SHIFT, order);
	while (order == 0 && c->page_cached > STOCK_BATCH)
		buddy_free(c->page_cache[--c->page_cached], 0);
	spin_unlock(&page_lock);
}

paddr_t
page_alloc_run(uint64_t n, uint64_t align, unsigned flags)
{
	unsigned order = 0;

	while (order <= PAGE_ORDER_MAX && 1ul << order < MAX(n, align))
		order++;
	paddr_t pa = page_alloc(order, flags & ~PAGE_ZERO);

	if (pa == 0)
		return 0;
	if (flags & PAGE_ZERO)		/* not what is given back below */
		memset(phys_to_virt(pa), 0, n << PAGE_SHIFT);
	for (uint64_t i = 0; i < 1ul << order; i++) {
		struct page *p = page_of(pa + i * PAGE_SIZE);

		p->refs = 1;
		p->order = 0;
		p->use = PAGE_USED;
		p->pins = 0;
		if (i >= n)
			page_put(pa + i * PAGE_SIZE, 0);
	}
	return pa;
}

void
page_put_run(paddr_t pa, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		page_put(pa + i * PAGE_SIZE, 0);
}

bool
page_is_ram(paddr_t pa)
{
	for (unsigned i = 0; i < boot.nranges; i++)
		if (pa >= boot.range[i].start && pa < boot.range[i].end &&
		    (boot.range[i].type != BOOT_RESERVED))
			return true;
	return false;
}

uint64_t
page_total(void)
{
	return total_pages;
}

uint64_t
page_free_count(void)
{
	uint64_t n = zones[0].nfree + zones[1].nfree;

	for (unsigned i = 0; i < ncpus; i++)
		n += cpus[i].page_cached;
	return n;
}

/* Frees the pages of [start, end) that lie in no reserved interval. */
static void
release(paddr_t start, paddr_t end)
{
	const paddr_t reserved[][2] = {
		{ 0, RESERVED_LOW },
		{ 0x100000, kernel_end_pa() },
		{ boot.archive, boot.archive + boot.archive_size },
		{ virt_to_phys(pages), virt_to_phys(pages + npages) },
	};

	for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
		paddr_t r0 = ROUND_DOWN(reserved[i][0], PAGE_SIZE);
		paddr_t r1 = ROUND_UP(reserved[i][1], PAGE_SIZE);

		if (r0 >= end || r1 <= start)
			continue;
		if (r0 > start)
			release(start, r0);
		if (r1 < end)
			release(r1, end);
		return;
	}
	uint64_t pfn = ROUND_UP(start, PAGE_SIZE) >> PAGE_SHIFT, last = end >> PAGE_SHIFT;

	while (pfn < last) {
		unsigned order = PAGE_ORDER_MAX;

		while ((pfn & ((1ul << order) - 1)) != 0 || pfn + (1ul << order) > last)
			order--;
		buddy_free(pfn, order);
		total_pages += 1ul << order;
		pfn += 1ul << order;
	}
}

/* Where the records of all pages go: n bytes below 4 GiB, clear of the kernel and the archive. */
static paddr_t
records_place(size_t n)
{
	paddr_t archive_end = boot.archive + boot.archive_size;

	for (unsigned i = 0; i < boot.nranges; i++) {
		const struct boot_range *r = &boot.range[i];
		paddr_t start = ROUND_UP(MAX(r->start, kernel_end_pa()), PAGE_SIZE);
		paddr_t end = MIN(r->end, LOW_PAGES << PAGE_SHIFT);

		if (start < archive_end && boot.archive < start + n)
			start = ROUND_UP(archive_end, PAGE_SIZE);
		if (r->type == BOOT_RAM && start < end && n <= end - start)
			return start;
	}
	panic("boot: %zu bytes for the records of pages are too many", n);
}

/* The RAM between two addresses may be allocated. */
static void
release_ram(paddr_t low, paddr_t high)
{
	for (unsigned i = 0; i < boot.nranges; i++) {
		const struct boot_range *r = &boot.range[i];

		if (r->type == BOOT_RAM && r->start < high && r->end > low)
			release(MAX(r->start, low), MIN(r->end, high));
	}
}

void
page_init(void)
{
	for (unsigned z = 0; z < 2; z++)
		for (unsigned o = 0; o <= PAGE_ORDER_MAX; o++)
			list_init(&zones[z].free[o]);
	for (unsigned i = 0; i < boot.nranges; i++)
		if (boot.range[i].type == BOOT_RAM)
			npages = MAX(npages, boot.range[i].end >> PAGE_SHIFT);
	pages = phys_to_virt(records_place(npages * sizeof *pages));
	memset(pages, 0, npages * sizeof *pages);
	release_ram(0, LOW_PAGES << PAGE_SHIFT);
}

void
page_init_high(void)
{
	release_ram(LOW_PAGES << PAGE_SHIFT, UINT64_MAX);
}
