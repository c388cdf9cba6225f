/*
 * Whom the kernel's parts work for in a unit test, over the C library: the process that calls,
 * memory that can run short, the last error's text.  Include it in exactly one file of a test,
 * before the kernel's headers.
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
static long test_allocations = -1;	/* that are to succeed before one fails; < 0: all */

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

void
kprint(const char *fmt, ...)
{
	(void)fmt;
}
