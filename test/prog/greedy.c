/*
 * greedy FILE N BYTES: N threads, each with one read of BYTES after another at its own place in
 * FILE, through one open file.  Tells how many had all of them, and how many were told ETIMEDOUT.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>
#include "check.h"

enum { MOST = 400, STACK = 65536, ROUNDS = 40 };

static int fd, result[MOST];
static size_t size;

static void *
reader(void *arg)
{
	uintptr_t i = (uintptr_t)arg;
	void *buf = aligned_alloc(4096, (size + 4095) & ~(size_t)4095);
	ssize_t n;

	CHECK(buf != NULL);
	for (unsigned round = 0; round < ROUNDS && !result[i]; round++) {
		n = pread(fd, buf, size, (off_t)(i * size));
		result[i] = n == (ssize_t)size ? 0 : n < 0 ? errno : -1;
	}
	free(buf);
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_t thread[MOST];
	pthread_attr_t attr;
	unsigned n, came = 0, late = 0;

	CHECK(argc == 4);
	n = (unsigned)atoi(argv[2]);
	size = (size_t)atoi(argv[3]);
	CHECK(n > 0 && n <= MOST && size > 0);
	fd = open(argv[1], O_RDONLY);
	CHECK(fd >= 0);
	pthread_attr_init(&attr);
	CHECK(pthread_attr_setstacksize(&attr, STACK) == 0);
	for (uintptr_t i = 0; i < n; i++)
		CHECK(pthread_create(&thread[i], &attr, reader, (void *)i) == 0);
	printf("greedy: %u are under way\n", n);
	fflush(stdout);
	for (unsigned i = 0; i < n; i++) {
		CHECK(pthread_join(thread[i], NULL) == 0);
		came += result[i] == 0;
		late += result[i] == ETIMEDOUT;
	}
	printf("greedy: of %u, %u came and %u were told ETIMEDOUT\n", n, came, late);
	CHECK(came + late == n);
	return all_right("greedy");
}
