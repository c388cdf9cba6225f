/*
 * Budgets: the pages that an address space and those forked from it have together.
 *
 * A page counts in each address space that maps it, so that nobody gains by giving up what a
 * relative still has.  `used` is atomic; what an address space has in it is its npages, under its
 * own lock.
 */
#include "as.h"

void
as_count(struct as *as, int64_t n)
{
	as->npages += (uint64_t)n;
	if (as->budget != NULL)
		__atomic_fetch_add(&as->budget->used, (uint64_t)n, __ATOMIC_RELAXED);
}

bool
as_within_limit(struct as *as)
{
	const struct budget *b = as->budget;

	if (b == NULL || __atomic_load_n(&b->used, __ATOMIC_RELAXED) < b->limit)
		return true;
	as->over_limit = true;
	return false;
}

void
as_leave_budget(struct as *as)
{
	struct budget *b = as->budget;

	as->budget = NULL;
	if (b == NULL)
		return;
	__atomic_fetch_sub(&b->used, as->npages, __ATOMIC_RELAXED);
	if (ref_put(&b->refs))
		kfree(b);
}

int
as_limit(struct as *as, uint64_t limit)
{
	struct budget *b = kzalloc(sizeof *b);

	if (b == NULL)
		return -ENOMEM;
	*b = (struct budget){ .refs = 1, .limit = limit, .used = as->npages };
	as_leave_budget(as);
	as->budget = b;
	return 0;
}

void
as_take_budget(struct as *as, struct as *from)
{
	struct budget *b = from->budget;

	if (as == from || b == NULL)
		return;
	ref_get(&b->refs);
	as_lock(from);		/* a server may be copying to it */
	as_leave_budget(from);
	as_unlock(from);
	as->budget = b;
	__atomic_fetch_add(&b->used, as->npages, __ATOMIC_RELAXED);
}
