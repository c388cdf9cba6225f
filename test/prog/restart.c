/*
 * A driver is killed again and again under readers: restart SERVER FILE TIMES BOUND_US [MANAGER].
 * Its manager starts it each time, and the readers keep their descriptors and get what they asked
 * for.  Prints how long it took until the successor was healthy and how long the longest read was,
 * of all deaths: the median, the 90th percentile and the longest; fails when a read fails, or when
 * the 90th percentile of the reads' is over the bound: the longest is the host's, if that pauses.
 * With MANAGER each time the process of that name is killed first, which was started MANAGER_MS
 * before at least.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "slot.h"

enum { READERS = 4, READ_SIZE = 4096, SPAN = 1 << 20, TIMES_MAX = 1000 };
enum { BUSY_READS = 16, TOLD = 10, MANAGER_MS = 1200 };

static const char *server, *file;

static struct shared {
	_Atomic uint64_t reads, failed;		/* by all readers */
	_Atomic uint64_t longest_ns[READERS];	/* read since it was last made 0 */
	_Atomic uint64_t count[READERS];
} *shared;

static void
reader(unsigned me)
{
	static char buf[READ_SIZE];
	int fd = open(file, O_RDONLY);
	unsigned seed = me;

	for (;;) {
		uint64_t began = now(), took;
		off_t at = (off_t)((seed >> 8) % (SPAN / READ_SIZE)) * READ_SIZE;

		seed = seed * 1103515245 + 12345;
		if (pread(fd, buf, sizeof buf, at) != READ_SIZE) {
			if (shared->failed++ < TOLD)
				printf("restart: reader %u: %s\n", me, strerror(errno));
			fflush(stdout);
			pause_a_little();
		}
		took = now() - began;
		if (took > shared->longest_ns[me])
			shared->longest_ns[me] = took;
		shared->count[me]++;
		shared->reads++;
	}
}

/* Until each reader has done some more. */
static void
wait_busy(void)
{
	uint64_t end = now() + SLOT_WAIT_MS * 1000000ull;

	for (unsigned i = 0; i < READERS; i++) {
		uint64_t first = shared->count[i];

		while (shared->count[i] < first + BUSY_READS) {
			CHECK(now() < end);
			pause_a_little();
		}
	}
}

/* The longest read of any of them since the last call. */
static uint64_t
longest(void)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < READERS; i++) {
		uint64_t ns = atomic_exchange(&shared->longest_ns[i], 0);

		if (ns > most)
			most = ns;
	}
	return most;
}

static int
shorter(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static uint64_t
tell(const char *what, uint64_t *ns, unsigned n)
{
	uint64_t p90;

	qsort(ns, n, sizeof ns[0], shorter);
	p90 = ns[(n * 90 - 1) / 100] / 1000;
	printf("restart: %s, %u deaths, us: median %lu, 90th %lu, longest %lu\n", what, n,
	       ns[n / 2] / 1000, p90, ns[n - 1] / 1000);
	return p90;
}

int
main(int argc, char **argv)
{
	static uint64_t healthy[TIMES_MAX], pause_ns[TIMES_MAX];
	unsigned times, bound_us, generation;
	pid_t pid[READERS];
	int status;

	CHECK(argc == 5 || argc == 6);
	server = argv[1], file = argv[2];
	times = (unsigned)atoi(argv[3]), bound_us = (unsigned)atoi(argv[4]);
	CHECK(times > 0 && times <= TIMES_MAX);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	status = slot_status(server);
	for (unsigned i = 0; i < READERS; i++)
		if ((pid[i] = fork()) == 0)
			reader(i);
	generation = slot_wait_healthy(status, 0);
	for (unsigned i = 0; i < times; i++) {
		wait_busy();
		longest();
		if (argc == 6) {
			kill_manager(argv[5], MANAGER_MS * 1000);
			longest();
		}
		healthy[i] = now();
		slot_write(server, "kill");
		generation = slot_wait_healthy(status, generation);
		healthy[i] = now() - healthy[i];
		wait_busy();
		pause_ns[i] = longest();
	}
	for (unsigned i = 0; i < READERS; i++) {
		CHECK(pid[i] > 0 && kill(pid[i], SIGKILL) == 0);
		CHECK(waitpid(pid[i], NULL, 0) == pid[i]);
	}
	tell("healthy", healthy, times);
	printf("restart: %lu reads, %lu failed\n", shared->reads, shared->failed);
	CHECK(tell("the longest read", pause_ns, times) <= bound_us);
	CHECK(shared->failed == 0);
	return all_right("restart");
}
