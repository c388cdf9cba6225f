/*
 * `discard` and `zero` in ctl: of a disk and of its partitions, by a device that can and by one
 * that cannot, beside files that are open, and beside a rescan.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "disk.h"
#include "p9_client.h"
#include "p9_srv.h"

enum { NSECTORS = 4096, ONE = 100, ONE_END = 150, PATIENCE_MS = 20 };

struct world {
	uint8_t data[NSECTORS * 512];
	unsigned zeroes, discards, writes, longest;
	int zero_answer; /* of a device that says it can */
	pthread_mutex_t lock;
	bool holding; /* a `zero` is kept back */
	struct blk_io *held;
	struct blk_server *blk;
	struct blk_memory *memory;
	void *buffers;
	struct blk_disk *disk;
	struct p9_srv srv;
	struct p9_client *client;
	struct p9c_file *root;
	_Atomic int rescanned;
};

static void
read_now(void *drive, struct blk_io *io)
{
	struct world *w = drive;

	memcpy(io->data, w->data + io->sector * 512, io->nsectors * 512ul);
	blk_done(io, 0);
}

static void
write_now(void *drive, struct blk_io *io)
{
	struct world *w = drive;

	memcpy(w->data + io->sector * 512, io->data, io->nsectors * 512ul);
	w->writes++;
	if (io->nsectors > w->longest)
		w->longest = io->nsectors;
	blk_done(io, 0);
}

static void
flush_now(void *drive, struct blk_io *io)
{
	(void)drive;
	blk_done(io, 0);
}

static void
discard_now(void *drive, struct blk_io *io)
{
	struct world *w = drive;

	memset(w->data + io->sector * 512, 0xdd, io->nsectors * 512ul);
	w->discards++;
	blk_done(io, 0);
}

static void
zero_now(void *drive, struct blk_io *io)
{
	struct world *w = drive;
	bool holding;

	pthread_mutex_lock(&w->lock);
	holding = w->holding;
	if (holding)
		w->held = io;
	pthread_mutex_unlock(&w->lock);
	w->zeroes++;
	if (holding)
		return;
	if (!w->zero_answer)
		memset(w->data + io->sector * 512, 0, io->nsectors * 512ul);
	blk_done(io, w->zero_answer);
}

static const struct blk_ops able = { .read = read_now,
				     .write = write_now,
				     .flush = flush_now,
				     .discard = discard_now,
				     .zero = zero_now };
static const struct blk_ops unable = { .read = read_now, .write = write_now, .flush = flush_now };

static void
entry(struct world *w, unsigned i, uint32_t start, uint32_t n)
{
	uint8_t *e = w->data + 446 + 16 * i;

	e[4] = n ? 0x83 : 0;
	memcpy(e + 8, &start, 4);
	memcpy(e + 12, &n, 4);
	memcpy(w->data + 510, "\x55\xaa", 2);
}

static struct world *
start(const struct blk_ops *ops, bool readonly)
{
	struct world *w = calloc(1, sizeof *w);
	struct blk_info info = { .name = "sdT0",
				 .nsectors = NSECTORS,
				 .secsize = 512,
				 .max_sectors = 48,
				 .discard_sectors = 100,
				 .zero_sectors = 70,
				 .readonly = readonly };
	size_t size = 4ul * BLK_BUF_SMALL;
	char where[32];
	int fd[2];

	memset(w->data + 512, 0xaa, sizeof w->data - 512);
	entry(w, 0, ONE, ONE_END - ONE);
	entry(w, 1, ONE_END, 1000);
	pthread_mutex_init(&w->lock, NULL);
	w->blk = blk_server_new(NULL, NULL);
	w->memory = blk_memory_new();
	w->buffers = malloc(size);
	memset(w->buffers, 0xee, size);
	blk_memory_add(w->memory, w->buffers, 0, size, BLK_BUF_SMALL);
	info.memory = w->memory;
	assert_int_equal(blk_add_disk(w->blk, &info, ops, w, &w->disk), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	snprintf(where, sizeof where, "fd!%d", fd[0]);
	w->srv = (struct p9_srv){ .ops = &blk_p9_ops, .aux = w->blk, .msize = P9_MSIZE_MAX };
	assert_int_equal(p9_srv_start(&w->srv, where, 4), 0);
	assert_int_equal(p9c_open(&w->client, fd[1], P9_2000L, P9_MSIZE_MAX, 20000), 0);
	assert_int_equal(p9c_attach(w->client, "none", P9_NOUID, "", &w->root), 0);
	return w;
}

static void
stop(struct world *w)
{
	p9c_clunk(w->root);
	p9c_close(w->client);
	p9_srv_stop(&w->srv);
	p9_srv_wait(&w->srv);
	blk_remove_disk(w->disk);
	blk_server_free(w->blk);
	blk_memory_free(w->memory);
	pthread_mutex_destroy(&w->lock);
	free(w->buffers);
	free(w);
}

static struct p9c_file *
opened(struct world *w, const char *path, uint32_t flags)
{
	struct p9c_file *f;

	assert_int_equal(p9c_walk(w->root, path, &f), 0);
	assert_int_equal(p9c_file_open(f, flags), 0);
	return f;
}

static int
command(struct world *w, const char *text)
{
	struct p9c_file *f = opened(w, "sdT0/ctl", O_WRONLY);
	int64_t n = p9c_write(f, text, strlen(text), 0);

	p9c_clunk(f);
	return n < 0 ? (int)n : 0;
}

/* The sectors from first to end, and no others, have this byte; the rest is as it was. */
static void
only(const struct world *w, uint64_t first, uint64_t end, uint8_t byte)
{
	for (size_t i = 512; i < sizeof w->data; i++) {
		bool in = i / 512 >= first && i / 512 < end;

		if (w->data[i] != (in ? byte : 0xaa))
			fail_msg("sector %zu has %02x", i / 512, w->data[i]);
	}
}

static void
zeros_by_the_device(void **state)
{
	struct world *w = start(&able, false);

	(void)state;
	assert_int_equal(command(w, "zero 2000 150"), 0);
	assert_int_equal(w->zeroes, 3); /* of at most 70 */
	assert_int_equal(w->writes, 0);
	only(w, 2000, 2150, 0);
	stop(w);
}

static void
zeros_by_writes(void **state)
{
	(void)state;
	for (unsigned late = 0; late < 2; late++) {
		struct world *w = start(late ? &able : &unable, false);

		w->zero_answer = -EOPNOTSUPP;
		assert_int_equal(command(w, "zero 2000 150"), 0);
		assert_int_equal(w->writes, 4); /* of at most 48 */
		assert_int_equal(w->longest, 48);
		only(w, 2000, 2150, 0);
		assert_int_equal(command(w, "zero 2000 1"), 0);
		assert_int_equal(w->zeroes, late); /* asked once */
		stop(w);
	}
}

/* Any other error is one. */
static void
zeros_that_fail(void **state)
{
	struct world *w = start(&able, false);

	(void)state;
	w->zero_answer = -EIO;
	assert_int_equal(command(w, "zero 2000 150"), -EIO);
	assert_int_equal(w->zeroes, 1);
	assert_int_equal(w->writes, 0);
	only(w, 0, 0, 0);
	stop(w);
}

static void
in_a_partition(void **state)
{
	struct world *w = start(&able, false);

	(void)state;
	assert_int_equal(command(w, "zero 0 50 1"), 0);
	only(w, ONE, ONE_END, 0);
	memset(w->data + 512, 0xaa, sizeof w->data - 512);
	assert_int_equal(command(w, "discard 49 1 1"), 0);
	only(w, ONE_END - 1, ONE_END, 0xdd);
	memset(w->data + 512, 0xaa, sizeof w->data - 512);
	assert_int_equal(command(w, "zero 0 51 1"), -EINVAL);
	assert_int_equal(command(w, "zero 50 1 1"), -EINVAL);
	assert_int_equal(command(w, "discard 49 2 1"), -EINVAL);
	assert_int_equal(command(w, "discard 18446744073709551615 2 1"), -EINVAL);
	assert_int_equal(command(w, "zero 0 1 3"), -ENXIO);
	only(w, 0, 0, 0);
	assert_int_equal(command(w, "zero 4095 1 0"), 0); /* 0: the disk */
	only(w, 4095, 4096, 0);
	stop(w);
}

/* Sectors of the disk that are an open partition's are nobody else's. */
static void
beside_open_files(void **state)
{
	struct world *w = start(&able, false);
	struct p9c_file *whole = opened(w, "sdT0/raw", O_RDONLY);
	struct p9c_file *f = opened(w, "sdT0/part/by-uuid/00000000-01", O_RDONLY);

	(void)state;
	assert_int_equal(command(w, "discard 99 2"), -EBUSY);
	assert_int_equal(command(w, "zero 149 1"), -EBUSY);
	assert_int_equal(command(w, "zero 0 4096"), -EBUSY);
	only(w, 0, 0, 0);
	assert_int_equal(command(w, "zero 150 1"), 0);
	only(w, 150, 151, 0);
	assert_int_equal(command(w, "discard 0 1 1"), 0); /* it is meant */
	p9c_clunk(f);
	assert_int_equal(command(w, "discard 99 2"), 0);
	p9c_clunk(whole);
	stop(w);
}

static void
refused(void **state)
{
	static const char *const bad[] = {
		"zero",           "zero ",
		"zero 1",         "zero 1 0",
		"zero -1 1",      "zero 1 -1",
		"zero 1 2 3 4",   "zero 1 2 x",
		"zero x 1",       "zero 1  2",
		"zero 4096 1",    "zero 4000 97",
		"discard 1 2 -1", "discard 1 4294967296",
		"zero 0 524289",  "zero 0x 1",
	};
	struct world *w = start(&able, false);

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (command(w, bad[i]) != -EINVAL)
			fail_msg("%s", bad[i]);
	assert_int_equal(w->zeroes, 0);
	stop(w);
	w = start(&able, true);
	assert_int_equal(command(w, "zero 1 1"), -EROFS);
	assert_int_equal(command(w, "discard 1 1"), -EROFS);
	only(w, 0, 0, 0);
	stop(w);
	w = start(&unable, false);
	assert_int_equal(command(w, "discard 1 1"), -EOPNOTSUPP);
	stop(w);
}

static void *
zero_late(void *arg)
{
	assert_int_equal(command(arg, "zero 0 10 1"), 0);
	return NULL;
}

static void *
rescan(void *arg)
{
	struct world *w = arg;

	assert_int_equal(blk_rescan(w->disk), 0);
	atomic_store(&w->rescanned, 1);
	return NULL;
}

static bool
is_held(struct world *w)
{
	bool held;

	pthread_mutex_lock(&w->lock);
	held = w->held != NULL;
	pthread_mutex_unlock(&w->lock);
	return held;
}

/* A rescan that takes the partition away waits for the zeros that are under way. */
static void
beside_a_rescan(void **state)
{
	struct world *w = start(&able, false);
	pthread_t zero, scan;

	(void)state;
	w->holding = true;
	pthread_create(&zero, NULL, zero_late, w);
	while (!is_held(w))
		usleep(1000);
	entry(w, 0, 0, 0);
	pthread_create(&scan, NULL, rescan, w);
	usleep(PATIENCE_MS * 1000);
	assert_int_equal(atomic_load(&w->rescanned), 0);
	blk_done(w->held, 0);
	pthread_join(zero, NULL);
	pthread_join(scan, NULL);
	w->holding = false;
	assert_int_equal(command(w, "zero 0 10 1"), -ENXIO);
	stop(w);
}

static void *
write_late(void *arg)
{
	struct world *w = arg;
	struct p9c_file *f = opened(w, "sdT0/raw", O_WRONLY);

	assert_int_equal(p9c_write(f, "lux9", 4, 105 * 512 + 10), 4);
	p9c_clunk(f);
	return NULL;
}

static uint64_t
nwaits(struct world *w)
{
	uint64_t n;

	os_lock_take(&w->disk->writes_lock);
	n = w->disk->waits;
	os_lock_give(&w->disk->writes_lock);
	return n;
}

/* A write of some bytes of a sector that is being made zero does not bring back the others. */
static void
beside_a_write(void **state)
{
	struct world *w = start(&able, false);
	pthread_t zero, write;

	(void)state;
	w->holding = true;
	pthread_create(&zero, NULL, zero_late, w);
	while (!is_held(w))
		usleep(1000);
	pthread_create(&write, NULL, write_late, w);
	while (!nwaits(w))
		usleep(1000);
	memset(w->data + ONE * 512, 0, 10 * 512);
	blk_done(w->held, 0);
	pthread_join(zero, NULL);
	pthread_join(write, NULL);
	assert_memory_equal(w->data + 105 * 512 + 10, "lux9", 4);
	memset(w->data + 105 * 512 + 10, 0, 4);
	only(w, ONE, ONE + 10, 0);
	stop(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zeros_by_the_device), cmocka_unit_test(zeros_by_writes),
		cmocka_unit_test(zeros_that_fail),     cmocka_unit_test(in_a_partition),
		cmocka_unit_test(beside_open_files),   cmocka_unit_test(refused),
		cmocka_unit_test(beside_a_rescan),     cmocka_unit_test(beside_a_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
