/*
 * The kernel's own services, over the C library, for unit tests of its portable parts: include it
 * in exactly one file of a test.  A wait is a yield that may wake for nothing.
 */
#pragma once
/* Before the kernel's headers: some of these declare what the kernel has names for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <pthread.h>

#include <cmocka.h>

#define sched_yield kernel_sched_yield	/* the C library has one */
#include "proc.h"
#undef sched_yield
#include "cap.h"

static struct proc test_proc = { .pid = 7, .pgrp = 7, .nthreads = 1, .refs = 1 };
static __thread struct thread test_thread = { .proc = &test_proc, .tid = 7 };
static __thread char test_error[SYS_ERRSTR_MAX];
static long test_allocations;		/* that are to succeed before one fails; < 0: all */

static inline bool
test_may_allocate(void)
{
	return test_allocations < 0 || test_allocations-- > 0;
}

struct thread *
thread_current(void)
{
	return &test_thread;
}

void *
kmalloc(size_t n)
{
	return test_may_allocate() ? malloc(n ? n : 1) : NULL;
}

void *
kzalloc(size_t n)
{
	return test_may_allocate() ? calloc(1, n ? n : 1) : NULL;
}

void
kfree(void *p)
{
	free(p);
}

size_t
strlcpy(char *dst, const char *src, size_t n)
{
	return (size_t)snprintf(dst, n, "%s", src);
}

int
error(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(test_error, sizeof(test_error), fmt, ap);
	va_end(ap);
	return -err;
}

int
kvsnprintf(char *buf, size_t n, const char *fmt, va_list ap)
{
	return vsnprintf(buf, n, fmt, ap);
}

int
ksnprintf(char *buf, size_t n, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vsnprintf(buf, n, fmt, ap);
	va_end(ap);
	return r;
}

static uint32_t test_caps = CAP_ALL;

int
cap_check(enum cap c)
{
	return (uint32_t)c & ~test_caps ? error(EACCES, "permission denied") : 0;
}

void
kprint(const char *fmt, ...)
{
	(void)fmt;
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
