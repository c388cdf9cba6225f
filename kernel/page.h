/* The record of each page of RAM; page.c and heap.c. */
#pragma once
#include "mem.h"

enum page_use { PAGE_RESERVED, PAGE_FREE, PAGE_USED, PAGE_SLAB, PAGE_BIG };

struct page {
	uint32_t refs;
	uint8_t order;		/* of the block that begins here */
	uint8_t use;		/* enum page_use */
	union {
		uint16_t head;	/* PAGE_SLAB: how many pages before is the slab's first */
		uint16_t pins;	/* PAGE_USED: how many requests have a device write there */
	};
};

extern struct page *pages;
extern uint64_t npages;		/* page frame numbers below this have a record */

static inline struct page *
page_of(paddr_t pa)
{
	return &pages[pa >> PAGE_SHIFT];
}

/* Ranges of the boot map below 4 GiB, then, when the direct map covers them, those above. */
void page_init(void);
void page_init_high(void);
