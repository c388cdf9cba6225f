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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "disk.h"
#include "testing/ram.h"
#include "testing/testing.h"

enum { ONE = 100, ONE_END = 150, PATIENCE_MS = 20 };

struct world {
	struct blk_ram ram;
	unsigned zeroes, discards, writes, longest;
	int zero_answer; /* of a device that says it can */
	struct blk_test t;
	_Atomic int rescanned;
	bool large; /* its bytes are only counted */
	uint64_t counted, next;
};

static void
read_now(void *drive, struct blk_io *io)
{
	struct world *w = drive;

	blk_ram_read(&w->ram, io);
	blk_done(io, 0);
}

static void
write_now(void *drive, struct blk_io *io)
{
	struct world *w = drive;

	blk_ram_write(&w->ram, io);
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

/* Of a large disk: each sector in its turn. */
static void
count(struct world *w, struct blk_io *io)
{
	assert_int_equal(io->sector, w->next);
	w->next += io->nsectors;
	w->counted += io->nsectors;
	blk_done(io, 0);
}

static void
discard_now(void *drive, struct blk_io *io)
{
	struct world *w = drive;

	if (w->large) {
		count(w, io);
		return;
	}
	blk_ram_set(&w->ram, io, 0xdd);
	w->discards++;
	blk_done(io, 0);
}

static void
zero_now(void *drive, struct blk_io *io)
{
	struct world *w = drive;

	w->zeroes++;
	if (w->large) {
		if (w->zero_answer && w->next >= BLK_ZERO_PIECE / 512)
			blk_done(io, w->zero_answer);
		else
			count(w, io);
		return;
	}
	if (blk_ram_keeps(&w->ram, io))
		return;
	if (!w->zero_answer)
		blk_ram_set(&w->ram, io, 0);
	blk_done(io, w->zero_answer);
}

static const struct blk_ops able = { .read = read_now,
				     .write = write_now,
				     .flush = flush_now,
				     .discard = discard_now,
				     .zero = zero_now };
static const struct blk_ops unable = { .read = read_now, .write = write_now, .flush = flush_now };

static struct world *
start(const struct blk_ops *ops, bool readonly)
{
	struct world *w = calloc(1, sizeof *w);
	struct blk_info info = { .name = "sdT0",
				 .max_sectors = 48,
				 .discard_sectors = 100,
				 .zero_sectors = 70,
				 .readonly = readonly };

	memset(w->ram.data + 512, 0xaa, sizeof w->ram.data - 512);
	blk_ram_entry(&w->ram, 0, 0x83, ONE, ONE_END - ONE);
	blk_ram_entry(&w->ram, 1, 0x83, ONE_END, 1000);
	blk_ram_start(&w->ram, &info, ops, w);
	blk_test_start(&w->t, w->ram.blk);
	return w;
}

static void
stop(struct world *w)
{
	blk_test_stop(&w->t);
	blk_ram_stop(&w->ram);
	free(w);
}

static struct p9c_file *
opened(struct world *w, const char *path, uint32_t flags)
{
	return blk_test_opened(&w->t, path, flags);
}

static int
command(struct world *w, const char *text)
{
	return blk_test_command(&w->t, "sdT0/ctl", text);
}

/* The sectors from first to end, and no others, have this byte; the rest is as it was. */
static void
only(const struct world *w, uint64_t first, uint64_t end, uint8_t byte)
{
	for (size_t i = 512; i < sizeof w->ram.data; i++) {
		bool in = i / 512 >= first && i / 512 < end;

		if (w->ram.data[i] != (in ? byte : 0xaa))
			fail_msg("sector %zu has %02x", i / 512, w->ram.data[i]);
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
	memset(w->ram.data + 512, 0xaa, sizeof w->ram.data - 512);
	assert_int_equal(command(w, "discard 49 1 1"), 0);
	only(w, ONE_END - 1, ONE_END, 0xdd);
	memset(w->ram.data + 512, 0xaa, sizeof w->ram.data - 512);
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

static void
says(struct world *w, enum blk_kind kind, const char *range, int err, const char *text)
{
	char why[BLK_WHY_MAX] = "";

	w->counted = w->next = 0;
	assert_int_equal(blk_range_command(w->ram.disk, kind, range, why), err);
	assert_string_equal(why, text);
}

/* More sectors than 32 bits count, in pieces; what takes too long tells how far it came. */
static void
of_a_large_disk(void **state)
{
	const uint64_t all = 3ull << 31, piece = BLK_ZERO_PIECE / 512;
	struct world *w = start(&able, false);
	struct blk_disk *d = w->ram.disk;

	(void)state;
	w->large = true;
	d->nsectors = d->file[0]->nsectors = all;
	d->info.discard_sectors = d->info.zero_sectors = 1 << 22;
	assert_int_equal(command(w, "discard 0 6442450944"), 0);
	assert_int_equal(w->counted, all);
	says(w, BLK_ZERO, "0 6442450944", 0, "");
	assert_int_equal(w->counted, all);
	says(w, BLK_ZERO, "1 6442450944", -EINVAL, "sdT0: these sectors are not in the disk");
	w->ram.blk->range_ns = 0;
	says(w, BLK_ZERO, "0 6442450944", -ETIMEDOUT,
	     "zero: 524288 sectors done in the time: go on at 524288");
	assert_int_equal(w->counted, piece);
	w->ram.blk->range_ns = BLK_RANGE_NS;
	w->zero_answer = -EIO;
	says(w, BLK_ZERO, "0 6442450944", -EIO, "zero: Input/output error, after 524288 sectors");
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

	assert_int_equal(blk_rescan(w->ram.disk), 0);
	atomic_store(&w->rescanned, 1);
	return NULL;
}

/* A rescan that takes the partition away waits for the zeros that are under way. */
static void
beside_a_rescan(void **state)
{
	struct world *w = start(&able, false);
	pthread_t zero, scan;
	struct blk_io *io;

	(void)state;
	w->ram.holding = true;
	pthread_create(&zero, NULL, zero_late, w);
	io = blk_ram_held(&w->ram);
	blk_ram_entry(&w->ram, 0, 0, 0, 0);
	pthread_create(&scan, NULL, rescan, w);
	usleep(PATIENCE_MS * 1000);
	assert_int_equal(atomic_load(&w->rescanned), 0);
	blk_done(io, 0);
	pthread_join(zero, NULL);
	pthread_join(scan, NULL);
	w->ram.holding = false;
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

	os_lock_take(&w->ram.disk->writes_lock);
	n = w->ram.disk->waits;
	os_lock_give(&w->ram.disk->writes_lock);
	return n;
}

/* A write of some bytes of a sector that is being made zero does not bring back the others. */
static void
beside_a_write(void **state)
{
	struct world *w = start(&able, false);
	pthread_t zero, write;
	struct blk_io *io;

	(void)state;
	w->ram.holding = true;
	pthread_create(&zero, NULL, zero_late, w);
	io = blk_ram_held(&w->ram);
	pthread_create(&write, NULL, write_late, w);
	while (!nwaits(w))
		usleep(1000);
	memset(w->ram.data + ONE * 512, 0, 10 * 512);
	blk_done(io, 0);
	pthread_join(zero, NULL);
	pthread_join(write, NULL);
	assert_memory_equal(w->ram.data + 105 * 512 + 10, "lux9", 4);
	memset(w->ram.data + 105 * 512 + 10, 0, 4);
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
		cmocka_unit_test(of_a_large_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
