/*
 * Work on disks and files.  The disk is read and written past the kernel's caches where it has
 * any (O_DIRECT), which also overwrites its first SPAN bytes.  What waits is 1 or DEPTH threads,
 * with one request each.
 */
#include "work.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEPTH		32
#define SPAN		(64 * MIB)
#define BLOCK		(4 * KIB)
#define NSMALL		2048	/* requests in a row of 4 KiB ones */
#define NLARGE		64	/* requests in a row of large ones */
#define COLD_SIZE	(16 * MIB)
#define COLD_PIECE	(128 * KIB)
#define HOT_SIZE	(1 * MIB)
#define NHOT		4096

struct load {
	int fd;
	bool writes;
	unsigned nrequests;	/* of each thread */
	pthread_barrier_t begin, end;
};

struct loader {
	struct load *load;
	uint64_t seed;
	char *buf;
	pthread_t thread;
};

static uint64_t
next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void
random_requests(struct load *l, struct loader *self)
{
	for (unsigned i = 0; i < l->nrequests; i++) {
		off_t at = (off_t)(next_random(&self->seed) % (SPAN / BLOCK) * BLOCK);
		ssize_t n = l->writes ? bench_pwrite(l->fd, self->buf, BLOCK, at)
				      : bench_pread(l->fd, self->buf, BLOCK, at);

		bench_check(n == BLOCK, "4 KiB request");
	}
}

static void *
loader_main(void *arg)
{
	struct loader *self = arg;

	pthread_barrier_wait(&self->load->begin);
	random_requests(self->load, self);
	pthread_barrier_wait(&self->load->end);
	return NULL;
}

static void
deep_row(int fd, bool writes, const char *name)
{
	static struct loader loaders[DEPTH];
	struct load l = { .fd = fd, .writes = writes, .nrequests = NSMALL / DEPTH };
	char *buf = bench_memory(DEPTH * BLOCK);

	pthread_barrier_init(&l.begin, NULL, DEPTH + 1);
	pthread_barrier_init(&l.end, NULL, DEPTH + 1);
	for (unsigned i = 0; i < DEPTH; i++) {
		loaders[i].load = &l;
		loaders[i].seed += 0x9e3779b97f4a7c15u * (i + 1);
		loaders[i].buf = buf + i * BLOCK;
		bench_check(!pthread_create(&loaders[i].thread, NULL, loader_main, &loaders[i]),
			"thread");
	}
	row_begin();
	pthread_barrier_wait(&l.begin);
	pthread_barrier_wait(&l.end);
	row_end(name, NSMALL);
	for (unsigned i = 0; i < DEPTH; i++)
		pthread_join(loaders[i].thread, NULL);
}

static void
small_row(int fd, bool writes, const char *name)
{
	static uint64_t seed = 88172645463325252u;
	struct load l = { .fd = fd, .writes = writes, .nrequests = NSMALL };
	struct loader self = { .load = &l, .buf = bench_memory(BLOCK) };

	self.seed = seed;
	row_begin();
	random_requests(&l, &self);
	row_end(name, NSMALL);
	seed = self.seed;
}

static void
large_row(int fd, bool writes, size_t size, const char *name)
{
	char *buf = bench_memory(size);

	row_begin();
	for (unsigned i = 0; i < NLARGE; i++) {
		off_t at = (off_t)(i * size % SPAN);
		ssize_t n = writes ? bench_pwrite(fd, buf, size, at)
				   : bench_pread(fd, buf, size, at);

		bench_check(n == (ssize_t)size, "large request");
		bench_touch(buf, writes ? 0 : size);
	}
	row_end(name, NLARGE);
}

void
work_raw(const char *disk)
{
	int fd = open(disk, native ? O_RDWR : O_RDWR | O_DIRECT);

	bench_check(fd >= 0, disk);
	for (unsigned i = 0; i < REPEATS; i++) {
		small_row(fd, false, "raw_read_4k");
		deep_row(fd, false, "raw_read_4k_32");
		small_row(fd, true, "raw_write_4k");
		deep_row(fd, true, "raw_write_4k_32");
		large_row(fd, false, 128 * KIB, "raw_read_128k");
		large_row(fd, false, MIB, "raw_read_1m");
		large_row(fd, true, MIB, "raw_write_1m");
	}
	close(fd);
}

static int
open_in(const char *dir, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	bench_check(fd >= 0, path);
	return fd;
}

/* A file that nobody has read since the file system was mounted. */
static void
cold_row(const char *dir, const char *name)
{
	char *buf = bench_memory(COLD_PIECE);
	int fd = open_in(dir, name);

	row_begin();
	for (size_t at = 0; at < COLD_SIZE; at += COLD_PIECE) {
		bench_check(bench_pread(fd, buf, COLD_PIECE, (off_t)at) == COLD_PIECE, name);
		bench_touch(buf, COLD_PIECE);
	}
	row_end("ext4_cold_128k", COLD_SIZE / COLD_PIECE);
	close(fd);
}

static void
hot_row(int fd)
{
	static uint64_t seed = 88172645463325252u;
	static char buf[BLOCK];

	row_begin();
	for (unsigned i = 0; i < NHOT; i++) {
		off_t at = (off_t)(next_random(&seed) % (HOT_SIZE / BLOCK) * BLOCK);

		bench_check(bench_pread(fd, buf, BLOCK, at) == BLOCK, "hot");
	}
	row_end("ext4_cached_4k", NHOT);
}

void
work_tree(const char *dir)
{
	char name[16];
	char *buf = bench_memory(COLD_PIECE);
	int fd;

	for (unsigned i = 0; i < REPEATS; i++) {
		snprintf(name, sizeof(name), "cold%u", i);
		cold_row(dir, name);
	}
	fd = open_in(dir, "hot");
	for (unsigned pass = 0; pass < 2; pass++)
		for (size_t at = 0; at < HOT_SIZE; at += COLD_PIECE)
			bench_check(bench_pread(fd, buf, COLD_PIECE, (off_t)at) > 0, "hot");
	for (unsigned i = 0; i < REPEATS; i++)
		hot_row(fd);
	close(fd);
}
