/*
 * fair DISK WHAT: how long a client that reads 4 KiB at a time waits beside a greedy one, which
 * always has DEPTH requests of 1 MiB outstanding through one open file.  WHAT is what the greedy
 * one does: `read` and `write` are of whole sectors, which a driver may do directly; `bytes` are
 * reads from odd places, which take a buffer of the driver's.
 *
 * The measure is how many of the greedy one's requests end while it waits: of DEPTH that were there
 * before it, few.  A machine that is slow is slow for both.
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

enum {
	DEPTH = 32,
	BIG = 1 << 20,
	SMALL = 4096,
	DISK_MIB = 64,
	SAMPLES = 200,
	FEW = DEPTH / 2,
	MANY = DEPTH
};

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

struct waits { /* of each request, sorted */
	int64_t us[SAMPLES];
	int64_t ended[SAMPLES]; /* of the greedy one's meanwhile */
};

static void
sample(int fd, struct waits *w)
{
	static char buf[SMALL];
	unsigned seed = 77;

	for (unsigned i = 0; i < SAMPLES; i++) {
		int64_t begun = now_us();
		uint64_t before = done;
		off_t at = (off_t)(rand_r(&seed) % (DISK_MIB * 256)) * SMALL;

		CHECK(pread(fd, buf, SMALL, at) == SMALL);
		w->ended[i] = (int64_t)(done - before);
		w->us[i] = now_us() - begun;
	}
	qsort(w->us, SAMPLES, sizeof w->us[0], compare);
	qsort(w->ended, SAMPLES, sizeof w->ended[0], compare);
}

int
main(int argc, char **argv)
{
	static struct waits alone, beside;
	pthread_t thread[DEPTH];
	char path[64];
	int fd;

	CHECK(argc == 3);
	writes = strcmp(argv[2], "write") == 0;
	skew = strcmp(argv[2], "bytes") == 0 ? 3 : 0;
	snprintf(path, sizeof path, "/dev/sd/%s/data", argv[1]);
	big_fd = open(path, O_RDWR);
	fd = open(path, O_RDONLY);
	CHECK(big_fd >= 0 && fd >= 0);
	sample(fd, &alone);
	for (uintptr_t i = 0; i < DEPTH; i++)
		CHECK(pthread_create(&thread[i], NULL, greedy, (void *)(i + 1)) == 0);
	while (done < 2 * DEPTH)
		usleep(1000);
	sample(fd, &beside);
	stop = true;
	for (unsigned i = 0; i < DEPTH; i++)
		CHECK(pthread_join(thread[i], NULL) == 0);
	printf("fair: %s %s: %ld of the greedy's %d end meanwhile (median), %ld (90 %%), %ld "
	       "(most); "
	       "4 KiB alone %ld us; beside, %ld us (median), %ld us (90 %%), %ld us (longest)\n",
	       argv[1], argv[2], beside.ended[SAMPLES / 2], DEPTH, beside.ended[SAMPLES * 9 / 10],
	       beside.ended[SAMPLES - 1], alone.us[SAMPLES / 2], beside.us[SAMPLES / 2],
	       beside.us[SAMPLES * 9 / 10], beside.us[SAMPLES - 1]);
	CHECK(beside.ended[SAMPLES / 2] <= FEW);
	CHECK(beside.ended[SAMPLES * 9 / 10] <= MANY);
	return all_right("fair");
}
