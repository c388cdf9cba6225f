/*
 * What a process's devices reach: tables of a unit's second stage, addresses as they are.
 * vtd_table.c.  The caller has a lock, and tells the units of what was taken out.
 */
#pragma once
#include "../kernel.h"

/* Of an entry [VT-d 4.0, 9.8]: what the device may do. */
enum { VTD_READ = 1, VTD_WRITE = 2 };

struct vtd_table {
	paddr_t root;			/* 0: there is none */
	unsigned levels;		/* 3 to 5 */
	uint64_t end;			/* every address that can be told is below */
	bool flush;			/* a unit does not look into the processors' caches */
	bool widened;			/* vtd_table_add's: see there */
};

/* An empty one: 0 or -ENOMEM. */
int vtd_table_new(struct vtd_table *t);
void vtd_table_free(struct vtd_table *t);
/*
 * Lets devices reach the pages from pa on, once more: how many it could, from the first.  Fewer
 * than npages: memory is short, an address is too high, or a page is there too often.  Both are
 * page-aligned; a page has what any of its uses allows until the last has gone.  A page that was in
 * reach and allows more now sets `widened`: the units are to be told, and the caller clears it.
 */
uint64_t vtd_table_add(struct vtd_table *t, paddr_t pa, uint64_t npages, unsigned allow);
/* Once less.  True if a page is out of reach now: the units are to be told. */
bool vtd_table_remove(struct vtd_table *t, paddr_t pa, uint64_t npages);
/* Makes what was written visible to a unit that asks memory only. */
void vtd_flush(const void *p, size_t n);
