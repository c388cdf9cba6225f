/*
 * A lock for moments: two atomic operations when nobody else wants it, which is what the path of a
 * request can afford (a mutex of POSIX asks first what kind it is).  Zeros are a free one; there is
 * nothing to destroy.  It does not know its owner, and has no condition variable.
 */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

struct os_lock {
	_Atomic uint32_t state; /* 0: free; 1: taken; 2: taken, and somebody may wait */
};

/* lib/os */
void os_lock_wait(struct os_lock *l); /* takes it */
void os_lock_wake(struct os_lock *l); /* one of those that wait */

static inline void
os_lock_take(struct os_lock *l)
{
	uint32_t free = 0;

	if (!atomic_compare_exchange_strong_explicit(&l->state, &free, 1, memory_order_acquire,
						     memory_order_relaxed))
		os_lock_wait(l);
}

static inline void
os_lock_give(struct os_lock *l)
{
	if (atomic_exchange_explicit(&l->state, 0, memory_order_release) == 2)
		os_lock_wake(l);
}
