/*
 * Physical pages, the kernel's heap, and user address spaces.
 */
#pragma once
#include "lock.h"

/* page.c: physical memory, in blocks of 2^order pages, order 0..PAGE_ORDER_MAX. */
#define PAGE_ORDER_MAX	10
#define PAGE_ZERO	1	/* filled with zeros */
#define PAGE_DMA32	2	/* below 4 GiB */

/* 0 if there is none.  The block has one reference, counted in its first page. */
paddr_t page_alloc(unsigned order, unsigned flags);
void page_get(paddr_t pa);
/* Frees the page when that was the last reference; order as allocated. */
void page_put(paddr_t pa, unsigned order);
/*
 * n pages in a row, each with a reference of its own; the first at a multiple of `align` pages, a
 * power of two or 0.  n and align are at most 2^PAGE_ORDER_MAX; 0 if there is no such run.
 */
paddr_t page_alloc_run(uint64_t n, uint64_t align, unsigned flags);
void page_put_run(paddr_t pa, uint64_t n);
uint32_t page_refs(paddr_t pa);
/* True if the page is RAM that the boot map named, of whatever use. */
bool page_is_ram(paddr_t pa);
uint64_t page_total(void);
uint64_t page_free_count(void);

#define DIRECT_MAP	0xffff800000000000ul

static inline void *
phys_to_virt(paddr_t pa)
{
	return (void *)(pa + DIRECT_MAP);
}

static inline paddr_t
virt_to_phys(const void *va)	/* of the direct map only */
{
	return (paddr_t)va - DIRECT_MAP;
}

/* heap.c: kmalloc(0) is valid; NULL if memory is short; kfree(NULL) is valid. */
void *kmalloc(size_t n);
void *kzalloc(size_t n);
void kfree(void *p);
size_t heap_used(void);

/*
 * Maps n bytes of device memory at pa into the kernel, uncached.  Never fails after boot: panics
 * when the window is full.  Stays mapped; the same pa gives the same address.
 */
volatile void *kernel_map_device(paddr_t pa, size_t n);
/* The page of device registers, until this processor's next call. */
volatile char *kernel_window(paddr_t page);

#define USER_TOP	0x0000800000000000ul

/*
 * User memory of the current thread.  All return 0 or -EFAULT; the kernel never faults on a
 * wrong user address.  copy_str gives the length, or -ENAMETOOLONG with n bytes and no NUL.
 */
bool user_range(const void *p, size_t n);	/* true if it lies in the lower half */
int copy_from_user(void *dst, const void *usrc, size_t n);
int copy_to_user(void *udst, const void *src, size_t n);
int64_t copy_str_from_user(char *dst, const char *usrc, size_t n);

/* as.c: address spaces. */
struct as;
struct thread;

enum map_cache { MAP_CACHED, MAP_UNCACHED, MAP_WC };

/*
 * What backs a mapping of physical memory that is not the address space's own (device registers,
 * a DMA buffer): `put` is called once, when the last mapping of this record goes.
 */
struct phys_map {
	paddr_t pa;
	size_t length;		/* whole pages */
	enum map_cache cache;
	uint32_t refs;
	void (*put)(struct phys_map *);
	void *arg;
};

/*
 * Maps pm, whose reference passes to the mapping (also on error), at *addr, or where there is
 * room if *addr is 0; *addr is set.  prot is SYS_PROT_*.
 */
int as_map_phys(struct as *as, uint64_t *addr, struct phys_map *pm, unsigned prot);
int as_unmap(struct as *as, uint64_t addr, size_t length);
struct as *as_current(void);
void as_get(struct as *as);
void as_put(struct as *as);
/*
 * Copies between the kernel, or the current thread's memory, and any address space, faulting
 * pages in as its own threads would.  0; -EFAULT, or -EIO if the current thread's is not there.
 */
int as_copy_out(struct as *as, uint64_t udst, const void *src, size_t n);
int as_copy_in(struct as *as, void *dst, uint64_t usrc, size_t n);
