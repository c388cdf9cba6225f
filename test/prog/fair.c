/*
 * fair DISK WHAT: how long a client that reads 4 KiB at a time waits beside a greedy one, which
 * always has DEPTH requests of 1 MiB outstanding through one open file.  WHAT is what the greedy
 * one does: `read` and `write` are of whole sectors, which a driver may do directly; `bytes` are
 * reads from odd places, which take a buffer of the driver's.
 *
 * The measure is what the device needs for one of the greedy one's requests, with all of them
 * outstanding: a machine that is slow is slow for both.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "check.h"

enum { DEPTH = 32, BIG = 1 << 20, SMALL = 4096, DISK_MIB = 64, SAMPLES = 200, FEW = 10, MANY = 24 };

static int big_fd;
static bool writes;
static unsigned skew;
static atomic_bool stop;
static _Atomic uint64_t done;

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void *
greedy(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	char *buf = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(buf != MAP_FAILED);
	memset(buf, (int)seed, BIG);
	while (!stop) {
		off_t at = (off_t)(rand_r(&seed) % (DISK_MIB - 1)) * BIG + skew;
		ssize_t n = writes ? pwrite(big_fd, buf, BIG, at) : pread(big_fd, buf, BIG, at);

		CHECK(n == BIG);
		done++;
	}
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Sorted, in us; the whole time. */
static int64_t
sample(int fd, int64_t us[SAMPLES])
{
	static char buf[SMALL];
	unsigned seed = 77;
	int64_t start = now_us();

	for (unsigned i = 0; i < SAMPLES; i++) {
		int64_t begun = now_us();
		off_t at = (off_t)(rand_r(&seed) % (DISK_MIB * 256)) * SMALL;

		CHECK(pread(fd, buf, SMALL, at) == SMALL);
		us[i] = now_us() - begun;
	}
	qsort(us, SAMPLES, sizeof us[0], compare);
	return now_us() - start;
}

int
main(int argc, char **argv)
{
	static int64_t alone[SAMPLES], beside[SAMPLES];
	pthread_t thread[DEPTH];
	int64_t one, took;
	uint64_t before;
	char path[64];
	int fd;

	CHECK(argc == 3);
	writes = strcmp(argv[2], "write") == 0;
	skew = strcmp(argv[2], "bytes") == 0 ? 3 : 0;
	snprintf(path, sizeof path, "/dev/sd/%s/data", argv[1]);
	big_fd = open(path, O_RDWR);
	fd = open(path, O_RDONLY);
	CHECK(big_fd >= 0 && fd >= 0);
	sample(fd, alone);
	for (uintptr_t i = 0; i < DEPTH; i++)
		CHECK(pthread_create(&thread[i], NULL, greedy, (void *)(i + 1)) == 0);
	while (done < 2 * DEPTH)
		usleep(1000);
	before = done;
	took = sample(fd, beside);
	one = took / (int64_t)(done - before + 1);
	stop = true;
	for (unsigned i = 0; i < DEPTH; i++)
		CHECK(pthread_join(thread[i], NULL) == 0);
	printf("fair: %s %s: 4 KiB alone %ld us; beside, %ld us (median), %ld us (90 %%), %ld us "
	       "(longest); one of the greedy's takes %ld us\n",
	       argv[1], argv[2], alone[SAMPLES / 2], beside[SAMPLES / 2],
	       beside[SAMPLES * 9 / 10], beside[SAMPLES - 1], one);
	CHECK(beside[SAMPLES / 2] <= FEW * one + alone[SAMPLES / 2]);
	CHECK(beside[SAMPLES * 9 / 10] <= MANY * one + alone[SAMPLES / 2]);
	return all_right("fair");
}
