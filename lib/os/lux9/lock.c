/*
 * os_lock.h on Lux9: waits by the kernel's futexes.
 */
#include <os_lock.h>
#include <lux9/calls.h>

enum { LOOKS = 100 }; /* on another processor it is given back sooner than a thread falls asleep */

/* It is left as 2, since others may wait too. */
void
os_lock_wait(struct os_lock *l)
{
	for (unsigned i = 0; i < LOOKS; i++) {
		if (atomic_load_explicit(&l->state, memory_order_relaxed) != 1)
			break;
		__builtin_ia32_pause();
	}
	while (atomic_exchange_explicit(&l->state, 2, memory_order_acquire))
		lux_call5(SYS_FUTEX, LUX_ARG(&l->state), SYS_FUTEX_WAIT, 2, SYS_FOREVER, 0);
}

/* The lock may be gone by now; then the word's address wakes nobody, or one who looks again. */
void
os_lock_wake(struct os_lock *l)
{
	lux_call5(SYS_FUTEX, LUX_ARG(&l->state), SYS_FUTEX_WAKE, 1, 0, 0);
}
