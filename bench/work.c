/*
 * work: does the work that is measured, with marks around it (mark.h), on Lux9 and on Linux.  It
 * is an ordinary static program that makes Linux's system calls; with -native it makes Lux9's own,
 * where there is a choice.
 *
 *	work [-native] [calls | served FILE | processes | raw DISK | tree DIR |
 *		first | linux | end]...
 *
 * `first` says a line.  `linux` is for a first process there: it makes /dev and loads the modules
 * that /modules names.  `end` ends the machine.  Without arguments: first, end.
 */
#include "work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <lux9/calls.h>

#define PAGE	4096

bool native;
static uint64_t began;

void
bench_fail(const char *what)
{
	printf("work: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	if (getpid() == 1)
		machine_end();
	exit(1);
}

static uint64_t
ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

void
row_begin(void)
{
	MARK(MARK_BEGIN);
	began = ticks();
}

void
row_end(const char *name, unsigned long count)
{
	uint64_t n = ticks() - began;

	MARK(MARK_END);
	printf("row %s %lu %llu\n", name, count, (unsigned long long)n);
	fflush(stdout);
}

void *
bench_memory(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	bench_check(p != MAP_FAILED, "memory");
	memset(p, 0x5a, n);
	return p;
}

void
bench_touch(const char *buf, size_t n)
{
	for (size_t at = 0; at < n; at += PAGE)
		(void)*(const volatile char *)(buf + at);
}

ssize_t
bench_pread(int fd, void *buf, size_t n, off_t offset)
{
	if (native)
		return lux_call4(SYS_PREAD, fd, LUX_ARG(buf), LUX_ARG(n), offset);
	return pread(fd, buf, n, offset);
}

ssize_t
bench_pwrite(int fd, const void *buf, size_t n, off_t offset)
{
	if (native)
		return lux_call4(SYS_PWRITE, fd, LUX_ARG(buf), LUX_ARG(n), offset);
	return pwrite(fd, buf, n, offset);
}

static bool
is(const char *word, const char *name)
{
	return word && strcmp(word, name) == 0;
}

int
main(int argc, char **argv)
{
	if (argc == 1) {
		machine_first_line();
		machine_end();
	}
	for (int i = 1; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : "";

		if (is(argv[i], "-native"))
			native = true;
		else if (is(argv[i], "nothing"))
			_exit(0);
		else if (is(argv[i], "first"))
			machine_first_line();
		else if (is(argv[i], "linux"))
			machine_linux();
		else if (is(argv[i], "end"))
			machine_end();
		else if (is(argv[i], "calls"))
			work_calls();
		else if (is(argv[i], "processes"))
			work_processes(argv[0]);
		else if (is(argv[i], "served"))
			work_served(next), i++;
		else if (is(argv[i], "raw"))
			work_raw(next), i++;
		else if (is(argv[i], "tree"))
			work_tree(next), i++;
		else
			bench_fail(argv[i]);
	}
	return 0;
}
