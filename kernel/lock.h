/*
 * Spinlocks and sleeping locks.
 *
 * Order (a thread that holds one may take only those to its right; the debug build checks it, by
 * class, from what it has seen): namespace -> mount -> fdtable -> chan -> proc tree -> proc ->
 * address space -> service -> wait queue -> run queue -> page allocator -> log.
 */
#pragma once
#include "kernel.h"

/* `name` is the lock's class in the order check. */
struct spinlock {
	uint32_t held;
#ifdef LOCK_DEBUG
	uint32_t cpu;
	const char *name;
#endif
};

#ifdef LOCK_DEBUG
#define SPINLOCK(n)	{ 0, 0, (n) }
#define spin_init(l, n)	((l)->held = 0, (l)->name = (n))
void lock_debug_acquire(struct spinlock *l);
void lock_debug_acquired(struct spinlock *l);
void lock_debug_release(struct spinlock *l);
/* Panics if this processor holds a lock. */
void lock_debug_none(const char *what);
/* fail=N on the command line: true for each Nth allocation of a process after the first. */
bool alloc_debug_fails(void);
#else
#define SPINLOCK(n)	{ 0 }
#define spin_init(l, n)	((l)->held = 0)
#define lock_debug_acquire(l)	((void)0)
#define lock_debug_acquired(l)	((void)0)
#define lock_debug_release(l)	((void)0)
#define lock_debug_none(what)	((void)0)
#define alloc_debug_fails()	false
#endif

/* While it spins it answers other processors' requests (TLB shoot-down), so that none deadlocks. */
void spin_lock_slow(struct spinlock *l);

static inline void
spin_lock(struct spinlock *l)
{
	lock_debug_acquire(l);
	if (unlikely(__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE)))
		spin_lock_slow(l);
	lock_debug_acquired(l);
}

static inline void
spin_unlock(struct spinlock *l)
{
	lock_debug_release(l);
	__atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}

/*
 * A queue of sleeping threads.  It has no lock of its own: whoever waits, wakes or looks holds
 * the one spinlock that protects the condition waited for.
 */
struct waitq {
	struct list waiters;
};

static inline void
waitq_init(struct waitq *q)
{
	list_init(&q->waiters);
}

#define FOREVER UINT64_MAX

/*
 * Called with l held; sleeps until woken, releases l meanwhile, and holds it again on return.
 * `deadline` is in time_now()'s ns, or FOREVER.  Returns 0 when woken (check the condition
 * again), -ETIMEDOUT, or -EINTR when a note or a kill came (never in wait_on_kill(), which only
 * a kill ends, and never in wait_on_hard()).
 */
int wait_on(struct waitq *q, struct spinlock *l, uint64_t deadline);
int wait_on_kill(struct waitq *q, struct spinlock *l, uint64_t deadline);
int wait_on_hard(struct waitq *q, struct spinlock *l, uint64_t deadline);
/* Called with the same spinlock held.  Return how many were woken. */
int wake_one(struct waitq *q);
int wake_all(struct waitq *q);

/* A sleeping lock.  Uninterruptible: its holders must not wait for another process. */
struct mutex {
	struct spinlock lock;
	bool held;
	struct waitq queue;
};

void mutex_init(struct mutex *m, const char *name);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);

/* A reference count; ref_get is for who knows that it is not 0. */
static inline void
ref_get(uint32_t *r)
{
	__atomic_add_fetch(r, 1, __ATOMIC_RELAXED);
}

static inline bool
ref_get_unless_zero(uint32_t *r)
{
	uint32_t n = __atomic_load_n(r, __ATOMIC_RELAXED);

	while (n != 0 && !__atomic_compare_exchange_n(r, &n, n + 1, false, __ATOMIC_RELAXED,
						      __ATOMIC_RELAXED))
		;
	return n != 0;
}

/* True when that was the last. */
static inline bool
ref_put(uint32_t *r)
{
	return __atomic_sub_fetch(r, 1, __ATOMIC_ACQ_REL) == 0;
}
