/*
 * A rescan while partitions are open, seen by a 9P client: what it leaves, and what it waits for.
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
#include <unistd.h>
#include <cmocka.h>
#include "disk.h"
#include "testing/ram.h"
#include "testing/testing.h"

enum { PATIENCE_MS = 20 };

struct world {
	struct blk_ram ram;
	struct blk_test t;
	struct p9c_file *late; /* for write_late */
	_Atomic int64_t wrote;
	_Atomic int rescanned, seen; /* seen: a byte of the late write, after the rescan */
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

	if (blk_ram_keeps(&w->ram, io))
		return;
	blk_ram_write(&w->ram, io);
	blk_done(io, 0);
}

static const struct blk_ops ops = { .read = read_now, .write = write_now };

static struct world *
start(void)
{
	struct world *w = calloc(1, sizeof *w);
	struct blk_info info = { .name = "sdT0", .max_sectors = 128 };

	blk_ram_entry(&w->ram, 0, 0x83, 100, 50);
	blk_ram_entry(&w->ram, 1, 0x83, 150, 1000);
	blk_ram_start(&w->ram, &info, &ops, w);
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

static bool
ctl_says(struct world *w, const char *what)
{
	return blk_test_says(&w->t, "sdT0/ctl", what);
}

static void *
write_late(void *arg)
{
	struct world *w = arg;
	uint8_t buf[512];

	memset(buf, 0x77, sizeof buf);
	atomic_store(&w->wrote, p9c_write(w->late, buf, 512, 0));
	return NULL;
}

static void *
rescan_meanwhile(void *arg)
{
	struct world *w = arg;
	struct p9c_file *f;

	if (p9c_walk(w->t.root, "sdT0/ctl", &f) < 0)
		return NULL;
	if (p9c_file_open(f, O_WRONLY) == 0 && p9c_write(f, "rescan", 6, 0) == 6) {
		atomic_store(&w->seen, w->ram.data[150 * 512]);
		atomic_store(&w->rescanned, 1);
	}
	p9c_clunk(f);
	return NULL;
}

/* A write to the second partition that the disk has and does not do. */
static struct blk_io *
begin_write(struct world *w, pthread_t *writer)
{
	w->late = opened(w, "sdT0/part/2", O_RDWR);
	w->ram.holding = true;
	pthread_create(writer, NULL, write_late, w);
	return blk_ram_held(&w->ram);
}

/* A write that began before the rescan is on the device when that is over. */
static void
waits_for_writes(void **state)
{
	struct world *w = start();
	struct blk_file *file = w->ram.disk->file[2];
	pthread_t writer, rescanner;
	struct blk_io *io;

	(void)state;
	io = begin_write(w, &writer);
	blk_ram_entry(&w->ram, 1, 0x83, 200, 100);
	pthread_create(&rescanner, NULL, rescan_meanwhile, w);
	while (!atomic_load(&file->gone)) /* w->late keeps it */
		sched_yield();
	for (unsigned ms = 0; ms < PATIENCE_MS && !atomic_load(&w->rescanned); ms++)
		usleep(1000);
	assert_int_equal(atomic_load(&w->rescanned), 0);
	w->ram.holding = false;
	write_now(w, io);
	pthread_join(writer, NULL);
	pthread_join(rescanner, NULL);
	assert_int_equal(atomic_load(&w->rescanned), 1);
	assert_int_equal(atomic_load(&w->seen), 0x77);
	assert_int_equal(atomic_load(&w->wrote), 512);
	assert_int_equal(p9c_write(w->late, "x", 1, 0), -ENXIO);
	p9c_clunk(w->late);
	stop(w);
}

/* One that is gone does not make it wait for those that stay. */
static void
waits_for_no_others(void **state)
{
	struct world *w = start();
	pthread_t writer, rescanner;
	struct blk_io *io;

	(void)state;
	io = begin_write(w, &writer);
	blk_ram_entry(&w->ram, 0, 0x83, 90, 50);
	pthread_create(&rescanner, NULL, rescan_meanwhile, w);
	pthread_join(rescanner, NULL);
	assert_int_equal(atomic_load(&w->rescanned), 1);
	w->ram.holding = false;
	write_now(w, io);
	pthread_join(writer, NULL);
	assert_int_equal(atomic_load(&w->wrote), 512);
	p9c_clunk(w->late);
	stop(w);
}

/* Another type is no other partition; who has what open is told. */
static void
keeps_what_is_the_same(void **state)
{
	struct world *w = start();
	struct p9c_file *one = opened(w, "sdT0/part/1", O_RDWR), *all, *again;
	uint8_t buf[512];

	(void)state;
	all = opened(w, "sdT0/data", O_RDONLY);
	again = opened(w, "sdT0/part/by-uuid/00000000-01", O_RDONLY);
	blk_ram_entry(&w->ram, 0, 0x82, 100, 50);
	rescan_meanwhile(w);
	assert_int_equal(p9c_read(one, buf, 512, 0), 512);
	assert_true(ctl_says(w, "\npart 1 100 50 00000000-01 0x82\n"));
	assert_true(ctl_says(w, "\nopen 0 1\nopen 1 2\n"));
	p9c_clunk(again);
	assert_true(ctl_says(w, "\nopen 0 1\nopen 1 1\n"));
	p9c_clunk(all);
	p9c_clunk(one);
	assert_false(ctl_says(w, "\nopen "));
	stop(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_for_writes),
		cmocka_unit_test(waits_for_no_others),
		cmocka_unit_test(keeps_what_is_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
