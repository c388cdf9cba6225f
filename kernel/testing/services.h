/*
 * The kernel's own services, over the C library, for unit tests of its portable parts: include it
 * in exactly one file of a test.  A wait is a yield that may wake for nothing.
 */
#pragma once
#include "testing/caller.h"

static uint32_t test_caps = CAP_ALL;

int
cap_check(enum cap c)
{
	return (uint32_t)c & ~test_caps ? error(EACCES, "permission denied") : 0;
}

void
spin_lock_slow(struct spinlock *l)
{
	while (__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

int
wait_on(struct waitq *q, struct spinlock *l, uint64_t deadline)
{
	(void)q;
	spin_unlock(l);
	sched_yield();
	spin_lock(l);
	return deadline == FOREVER ? 0 : -ETIMEDOUT;
}

int
wake_one(struct waitq *q)
{
	(void)q;
	return 0;
}

int
wake_all(struct waitq *q)
{
	(void)q;
	return 0;
}

void
mutex_init(struct mutex *m, const char *name)
{
	(void)name;
	spin_init(&m->lock, name);
}

void
mutex_lock(struct mutex *m)
{
	spin_lock(&m->lock);
}

void
mutex_unlock(struct mutex *m)
{
	spin_unlock(&m->lock);
}

void
irq_window(void)
{
}

uint64_t
time_now(void)
{
	return 1;
}

/* Addresses below 4096 are not the caller's. */
int
copy_from_user(void *dst, const void *usrc, size_t n)
{
	if ((uintptr_t)usrc < 4096 && n > 0)
		return -EFAULT;
	memcpy(dst, usrc, n);
	return 0;
}

int
copy_to_user(void *udst, const void *src, size_t n)
{
	if ((uintptr_t)udst < 4096 && n > 0)
		return -EFAULT;
	memcpy(udst, src, n);
	return 0;
}

int64_t
copy_str_from_user(char *dst, const char *usrc, size_t n)
{
	if ((uintptr_t)usrc < 4096)
		return -EFAULT;
	for (size_t i = 0; i < n; i++)
		if ((dst[i] = usrc[i]) == '\0')
			return (int64_t)i;
	return -ENAMETOOLONG;
}

paddr_t
page_alloc(unsigned order, unsigned flags)
{
	void *p = test_may_allocate() ? aligned_alloc(PAGE_SIZE, PAGE_SIZE << order) : NULL;

	(void)flags;
	return p ? (uintptr_t)p - DIRECT_MAP : 0;
}

void
page_put(paddr_t pa, unsigned order)
{
	(void)order;
	free(phys_to_virt(pa));
}

static char test_note[64];

int
proc_note(struct proc *p, int tid, const char *text)
{
	(void)p;
	(void)tid;
	strlcpy(test_note, text, sizeof(test_note));
	return 0;
}
