/* Address spaces: what as.c, exec.c and the system calls share. */
#pragma once
#include <dma_seg.h>

#include "amd64/cpu.h"
#include "mem.h"

#define USER_LOW	0x10000ul
#define USER_HIGH	(USER_TOP - PAGE_SIZE)	/* the last page stays empty: see amd64/trap.S */
#define AS_REGIONS_MAX	8192

enum region_kind { REGION_ANON, REGION_SHARED, REGION_IMAGE, REGION_PHYS };

/* Pages shared by processes: anonymous shared memory. */
struct shared {
	uint32_t refs;
	uint64_t npages;
	struct spinlock lock;
	paddr_t page[];
};

/* A program's file, in memory: the pages of its segments.  exec.c. */
struct image;

struct region {
	struct list link;
	uint64_t start, end;
	uint8_t prot, kind;
	uint64_t offset;	/* into what backs it, at start */
	struct shared *shared;
	struct image *image;
	unsigned segment;	/* of the image */
	struct phys_map *phys;
};

/* Pages that an address space and those forked from it may have together.  exec passes it on. */
struct budget {
	uint32_t refs;
	uint64_t limit, used;	/* used: atomic; each processor may go one page beyond the limit */
};

struct as {
	struct spinlock lock;	/* regions and page tables; by as_lock() */
	uint32_t next, serving;	/* whose turn it is at the lock */
	uint32_t refs;
	paddr_t pml4;
	uint64_t cpus;		/* processors that may have it loaded; atomic */
	struct list regions;	/* by address */
	struct region *last;	/* the last one found */
	unsigned nregions;
	uint64_t npages;	/* mapped, but for device memory, and page tables' */
	struct budget *budget;	/* or NULL; what is in npages is in its `used` */
	bool over_limit;	/* a fault failed because of it */
};

/*
 * First come, first served: faults of several threads hold the lock for as long as other processors
 * take to forget a page, and a mere spinlock can pass one of them over for ever.
 */
static inline void
as_lock(struct as *as)
{
	uint32_t turn = __atomic_fetch_add(&as->next, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&as->serving, __ATOMIC_ACQUIRE) != turn) {
		tlb_answer();
		__builtin_ia32_pause();
	}
	spin_lock(&as->lock);
}

static inline void
as_unlock(struct as *as)
{
	spin_unlock(&as->lock);
	__atomic_store_n(&as->serving, as->serving + 1, __ATOMIC_RELEASE);
}

struct as *as_new(void);
struct as *as_fork(struct as *parent);
enum map_where {
	MAP_HINT,		/* at *addr if that is free, else the highest room */
	MAP_FREE,		/* at *addr, or -EEXIST */
	MAP_REPLACE,		/* at *addr; what is there goes */
};
/*
 * Adds a region and sets *addr.  -EINVAL for a bad range, -ENOMEM.  What backs it is given in
 * `like` (start and end are ignored), whose references pass.
 */
int as_map(struct as *as, uint64_t *addr, size_t length, const struct region *like,
	   enum map_where how);
int as_protect(struct as *as, uint64_t addr, size_t length, unsigned prot);
/* Makes one page present: 0, -EFAULT or -ENOMEM. */
int as_fault(struct as *as, uint64_t addr, unsigned access);
/* as.c, for copy.c; called with as->lock held. */
struct region *as_region(struct as *as, uint64_t addr);
uint64_t as_prot_bits(unsigned prot);
/*
 * Gives whole pages of the current thread's private memory to another address space's, in the place
 * of what it has there, both copy-on-write.  How many bytes, from the start; the rest is to be
 * copied.
 */
size_t as_share_out(struct as *as, uint64_t udst, uint64_t usrc, size_t n);
/*
 * The segments of n bytes of private memory, for a device that reads or (access: write) writes
 * them, below 4 GiB if access has AS_LOW; each page has a reference, and one that is written is
 * pinned, until as_unpin.  How many, at most one for each page; or -EFAULT.
 */
#define AS_LOW	0x100u
int as_pin(struct as *as, uint64_t addr, size_t n, unsigned access, struct dma_seg *seg);
void as_unpin(const struct dma_seg *seg, int nsegs, unsigned access);
/* The next write to a page that is still pinned gets a copy of it. */
void as_detach(struct as *as, uint64_t addr, size_t n);
/* What names a futex at addr: 0 or -EFAULT. */
int as_futex_key(struct as *as, uint64_t addr, uint64_t key[2]);
struct shared *shared_new(uint64_t n);	/* pages */

/* budget.c */
/* A budget of its own, of so many pages: 0 or -ENOMEM. */
int as_limit(struct as *as, uint64_t limit);
void as_leave_budget(struct as *as);
/* What as has counts from now on in the budget that `from` had, which loses it. */
void as_take_budget(struct as *as, struct as *from);
/* With the lock held: n more pages, or fewer. */
void as_count(struct as *as, int64_t n);
/* False if one more page would be too many. */
bool as_within_limit(struct as *as);

/* exec.c: page i of a segment: its address, or 0 when i is past the file's part (zeros). */
paddr_t image_page(struct image *im, unsigned segment, uint64_t i);
void image_get(struct image *im);
void image_put(struct image *im);
/* Gives up cached images: true if pages were freed. */
bool image_shrink(void);
