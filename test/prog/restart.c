/*
 * A driver dies again and again under readers, and is started by hand: restart SERVER FILE TIMES
 * BOUND_US [MOUNT].  Prints how long each start took, from the write of `start` until its slot is healthy,
 * and what the median, the 99th percentile and the longest are; fails when the 99th is over the
 * bound, or when the file cannot be read at once after a server has become healthy.  MOUNT is
 * unmounted after each death, where what a dead server leaves mounted does not come back to life.
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
#include <lux9/calls.h>
#include "driver.h"

enum { READERS = 4, READ_SIZE = 4096, SPAN = 1 << 20, TIMES_MAX = 1000 };
enum { WAIT_MS = 20000, BUSY_READS = 16, PAUSE_NS = 200000 };

static const char *server, *file;
static _Atomic uint64_t *reads;		/* by all readers; shared with them */

static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
pause_a_little(void)
{
	struct timespec t = { .tv_nsec = PAUSE_NS };

	nanosleep(&t, NULL);
}

/* Reads until it is killed; what a dead server costs it is an error and another open. */
static void
reader(unsigned seed)
{
	static char buf[READ_SIZE];
	int fd = -1;

	for (;;) {
		off_t at = (off_t)(seed = seed * 1103515245 + 12345) % (SPAN / READ_SIZE);

		if (fd < 0)
			fd = open(file, O_RDONLY);
		if (fd >= 0 && pread(fd, buf, sizeof buf, labs(at) * READ_SIZE) == READ_SIZE) {
			(*reads)++;
			continue;
		}
		if (fd >= 0)
			close(fd);
		fd = -1;
		pause_a_little();
	}
}

static void
slot_write(const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof path, "/dev/sip/servers/%s/ctl", server);
	fd = open(path, O_WRONLY);
	CHECK(fd >= 0);
	command(fd, text);
	close(fd);
}

static void
wait_healthy(int fd)
{
	uint64_t end = now() + WAIT_MS * 1000000ull;
	char text[4096];

	for (;;) {
		ssize_t n = pread(fd, text, sizeof text - 1, 0);

		CHECK(n > 0);
		text[n] = '\0';
		if (strstr(text, "\nstatus healthy\n"))
			return;
		CHECK(!strstr(text, "\nstatus failing\n") && now() < end);
		poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 1000);
	}
}

static void
wait_busy(void)
{
	uint64_t end = now() + WAIT_MS * 1000000ull, first = *reads;

	while (*reads < first + BUSY_READS) {
		CHECK(now() < end);
		pause_a_little();
	}
}

static void
readable(void)
{
	char buf[512];
	int fd = open(file, O_RDONLY);

	CHECK(fd >= 0);
	CHECK(pread(fd, buf, sizeof buf, 0) == sizeof buf);
	close(fd);
}

static int
shorter(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int
main(int argc, char **argv)
{
	static uint64_t took[TIMES_MAX];
	unsigned times, bound_us;
	pid_t pid[READERS];
	char path[256];
	int status;

	CHECK(argc == 5 || argc == 6);
	server = argv[1], file = argv[2];
	times = (unsigned)atoi(argv[3]), bound_us = (unsigned)atoi(argv[4]);
	CHECK(times > 0 && times <= TIMES_MAX);
	reads = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(reads != MAP_FAILED);
	snprintf(path, sizeof path, "/dev/sip/servers/%s/status", server);
	status = open(path, O_RDONLY);
	CHECK(status >= 0);
	for (unsigned i = 0; i < READERS; i++)
		if ((pid[i] = fork()) == 0)
			reader(i + 1);
	for (unsigned i = 0; i < times; i++) {
		wait_busy();
		slot_write("kill");
		if (argc == 6)
			CHECK(lux_call2(SYS_UNMOUNT, 0, LUX_ARG(argv[5])) == 0);
		took[i] = now();
		slot_write("start");
		wait_healthy(status);
		took[i] = now() - took[i];
		readable();
		printf("%lu%s", took[i] / 1000, i % 16 == 15 || i + 1 == times ? "\n" : " ");
	}
	wait_busy();
	for (unsigned i = 0; i < READERS; i++) {
		CHECK(pid[i] > 0 && kill(pid[i], SIGKILL) == 0);
		CHECK(waitpid(pid[i], NULL, 0) == pid[i]);
	}
	qsort(took, times, sizeof took[0], shorter);
	printf("restart: %u starts in us: median %lu, 99th %lu, longest %lu\n", times,
	       took[times / 2] / 1000, took[(times * 99 - 1) / 100] / 1000,
	       took[times - 1] / 1000);
	CHECK(took[(times * 99 - 1) / 100] <= bound_us * 1000ull);
	return all_right("restart");
}
