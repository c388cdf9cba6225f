/* Spinlocks' slow path, and sleeping locks.  debug/lockorder.c checks the order. */
#include "lock.h"

#include "amd64/cpu.h"

/* Apart, so that who takes a free lock saves no registers for the wait. */
__attribute__((noinline)) void
spin_lock_slow(struct spinlock *l)
{
	do {
		while (__atomic_load_n(&l->held, __ATOMIC_RELAXED)) {
			tlb_answer();
			cpu_pause();
		}
	} while (__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE));
}

void
mutex_init(struct mutex *m, const char *name)
{
	spin_init(&m->lock, name);
	m->held = false;
	waitq_init(&m->queue);
	(void)name;
}

void
mutex_lock(struct mutex *m)
{
	spin_lock(&m->lock);
	while (m->held)
		wait_on_hard(&m->queue, &m->lock, FOREVER);
	m->held = true;
	spin_unlock(&m->lock);
}

void
mutex_unlock(struct mutex *m)
{
	spin_lock(&m->lock);
	m->held = false;
	wake_one(&m->queue);
	spin_unlock(&m->lock);
}
