/*
 * System calls with random numbers and arguments, from processes that are made anew whenever one
 * dies or hangs: random_calls SEED CALLS.  What is tested is that the kernel stays up; the program
 * itself ends well once the calls are made.
 *
 * Arguments are drawn from what hurts: small numbers, negative ones, descriptors, good buffers,
 * buffers at the end of a page that has no next, addresses that are not mapped, the kernel's own.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <lux9/calls.h>
#include "check.h"

#define POLL_US		2000
#define STUCK_POLLS	50

static uint8_t *page;			/* two pages, the second out of reach */
static uint8_t area[1 << 16];
static uint64_t state;

static uint64_t
rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static const char *const paths[] = {
	"/", "/dev", "/dev/null", "/dev/zero", "/dev/pci", "/dev/mem", "/dev/io", "/dev/irq/ctl",
	"/dev/dma/alloc", "/dev/sip/clone", "/dev/sip/servers", "/env/x", "/env", "/srv/r",
	"/srv", "/proc", "/proc/1/status", "/proc/1/mem", "/boot", "/boot/init", "/boot/bin/true",
	"..", ".", "", "x", "/tmp", "/mnt", "/dev/../dev/./null", "/dev/null/x", "/dev/sysctl",
	"/dev/random", "/dev/time", "/dev/swap", "/dev/kmsg", "/proc/1/ns", "/boot/bin",
};

static long
argument(void)
{
	uint64_t r = rnd();

	switch (r % 16) {
	case 0:
		return (long)(r >> 8 & 15);
	case 1:
		return -(long)(r >> 8 & 255);
	case 2:
		return (long)(r >> 8 & 0xffff);
	case 3:
		return (long)(uintptr_t)(page + 4096 - (r >> 8 & 63));
	case 4:
		return (long)(uintptr_t)(page + 4096 + (r >> 8 & 63));
	case 5:
		return (long)(0xffff800000000000ul | (r >> 16 & 0xffffffff));
	case 6:
		return (long)(0xffffffff80100000ul + (r >> 8 & 0xfffff));
	case 7:
		return (long)r;
	case 8:
		return (long)(0x7ffffffff000ul + (r >> 8 & 0x1fff));
	case 9:
		return 0;
	case 10:
		return 1l << (r >> 8 & 63);
	case 11:
	case 12:
	case 13:
		return (long)(uintptr_t)paths[(r >> 8) % (sizeof paths / sizeof paths[0])];
	default:
		return (long)(uintptr_t)(area + (r >> 8 & 0xfff0));
	}
}

/* Sleeping for ever is no test of anything. */
static long
call_number(void)
{
	long n = SYS_FIRST + (long)(rnd() % (SYS_LAST - SYS_FIRST + 4));

	return n == SYS_SLEEP ? SYS_YIELD : n;
}

static void
child(uint64_t seed, _Atomic uint64_t *done, uint64_t limit)
{
	/* Lux9's own process from here on: the personality still believes that it is the parent. */
	lux_call1(SYS_NOTIFY, 0);
	state = seed | 1;
	for (unsigned i = 0; i < sizeof area; i++)
		area[i] = (uint8_t)rnd();
	for (int i = 3; i < 12; i++)
		open(paths[rnd() % (sizeof paths / sizeof paths[0])], (int)(rnd() & 3));
	while (++*done < limit) {
		long n = call_number(), first = argument();

		if (n == SYS_NOTE)	/* its parent, and its parent's, stay out of it */
			first = lux_call0(SYS_GETPID);
		lux_call6(n, first, argument(), argument(), argument(), argument(), argument());
	}
	lux_call1(SYS_EXIT, 0);
}

/* Ends the child if it makes no call for a while: it waits for something that never comes. */
static int
watch(pid_t pid, const _Atomic uint64_t *done)
{
	uint64_t last = 0;
	int still = 0, status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		usleep(POLL_US);
		still = *done == last ? still + 1 : 0;
		last = *done;
		if (still < STUCK_POLLS)
			continue;
		kill(pid, SIGKILL);
		CHECK(waitpid(pid, &status, 0) == pid);
		return 1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t limit = argc > 2 ? strtoull(argv[2], NULL, 0) : 100000;
	_Atomic uint64_t *done = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned processes = 0, stuck = 0;

	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(done != MAP_FAILED && page != MAP_FAILED);
	CHECK(mprotect(page + 4096, 4096, PROT_NONE) == 0);
	while (*done < limit) {
		/* A name space and an environment of its own: what it breaks is its own. */
		long pid = lux_call1(SYS_FORK, SYS_FNEWNS | SYS_FNEWENV);

		CHECK(pid >= 0);
		if (pid == 0)
			child(seed * 0x9e3779b97f4a7c15ul + processes, done, limit);
		processes++;
		stuck += (unsigned)watch((pid_t)pid, done);
	}
	printf("random_calls: seed %lu, %lu calls, %u processes, %u stuck: all right\n", seed,
	       limit, processes, stuck);
	return fflush(stdout) != 0;
}
