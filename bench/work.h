/* The measured work: one program for both systems.  See work.c. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mark.h"

#define KIB	1024ul
#define MIB	(KIB * KIB)
#define REPEATS	3	/* of each row; the table has their median */

extern bool native;	/* Lux9's own calls in place of Linux's */

/* Prints why and ends the program. */
void bench_fail(const char *what) __attribute__((noreturn));

static inline void
bench_check(bool ok, const char *what)
{
	if (!ok)
		bench_fail(what);
}

/*
 * Between them is a row's work.  The end prints "row NAME COUNT TICKS": how many operations, and
 * the time-stamp counter's difference, which is instructions when QEMU counts with -icount.
 */
void row_begin(void);
void row_end(const char *name, unsigned long count);

/* Memory of its own pages, of n bytes. */
void *bench_memory(size_t n);
/* Looks at a byte of each page: what was read must be there, not only promised. */
void bench_touch(const char *buf, size_t n);
ssize_t bench_pread(int fd, void *buf, size_t n, off_t offset);
ssize_t bench_pwrite(int fd, const void *buf, size_t n, off_t offset);

/* calls.c */
void work_calls(void);
void work_served(const char *file);
void work_processes(char *self);

/* io.c */
void work_raw(const char *disk);
void work_tree(const char *dir);

/* machine.c: a first process */
void machine_first_line(void);
void machine_linux(void);
void machine_end(void) __attribute__((noreturn));
