/*
 * Which files are the same after a driver's restart, by their qid.path; and memory that grows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include "disk.h"
#include "testing/ram.h"

enum { KINDS = 16, NPATHS = KINDS * 4 };

static void
read_now(void *drive, struct blk_io *io)
{
	blk_ram_read(drive, io);
	blk_done(io, 0);
}

static const struct blk_ops ops = { .read = read_now };

static struct blk_info
info_of(const struct blk_ram *w)
{
	return (struct blk_info){ .name = "sdT3",
				  .model = "RAM disk",
				  .serial = "1",
				  .nsectors = BLK_RAM_SECTORS,
				  .secsize = 512,
				  .max_sectors = 8,
				  .memory = w->memory };
}

static struct blk_ram *
start(void)
{
	struct blk_ram *w = calloc(1, sizeof *w);
	struct blk_info info;

	memcpy(w->data + 440, "\x78\x56\x34\x12", 4);
	blk_ram_entry(w, 0, 0x83, 100, 50);
	blk_ram_entry(w, 1, 0x83, 150, 1000);
	info = info_of(w);
	blk_ram_start(w, &info, &ops, w);
	return w;
}

static void
stop(struct blk_ram *w)
{
	blk_ram_stop(w);
	free(w);
}

/* For each kind: of the disk, of all of it, of its two partitions.  No two are the same. */
static void
paths_of(const struct blk_disk *d, uint64_t path[NPATHS])
{
	assert_int_equal(d->nfiles, 3);
	for (unsigned i = 0; i < NPATHS; i++) {
		const struct blk_file *f = i < KINDS ? NULL : d->file[i / KINDS - 1];

		path[i] = blk_path(i % KINDS, d, f);
		for (unsigned k = KINDS * 2; k < i; k++)
			assert_true(path[i] != path[k]);
		assert_true(path[i] != blk_path(i % KINDS, NULL, NULL));
	}
}

/* Another driver finds this at the same place: which paths are others? */
static void
check_paths(struct blk_ram *w, const struct blk_info *info, unsigned first_other)
{
	uint64_t was[NPATHS], is[NPATHS];

	paths_of(w->disk, was);
	blk_remove_disk(w->disk);
	assert_int_equal(blk_add_disk(w->blk, info, &ops, w, &w->disk), 0);
	paths_of(w->disk, is);
	for (unsigned i = 0; i < NPATHS; i++)
		assert_int_equal(was[i] != is[i], i >= first_other);
}

static void
the_same(void **state)
{
	struct blk_ram *w = start();
	struct blk_info info = info_of(w);

	(void)state;
	strcpy(info.firmware, "newer");
	check_paths(w, &info, NPATHS);
	stop(w);
}

static void
another_disk(void **state)
{
	struct blk_ram *w = start();
	struct blk_info info = info_of(w);

	(void)state;
	strcpy(info.serial, "2");
	check_paths(w, &info, 0);
	strcpy(info.model, "ROM disk");
	check_paths(w, &info, 0);
	info.nsectors--;
	check_paths(w, &info, 0);
	stop(w);
}

static void
another_partition(void **state)
{
	struct blk_ram *w = start();
	struct blk_info info = info_of(w);
	uint64_t was[NPATHS], is[NPATHS];

	(void)state;
	blk_ram_entry(w, 1, 0x83, 150, 999);
	check_paths(w, &info, 3 * KINDS);
	blk_ram_entry(w, 1, 0x83, 151, 999);
	check_paths(w, &info, 3 * KINDS);
	w->data[440] ^= 1; /* the table's signature, from which the UUIDs come */
	check_paths(w, &info, 2 * KINDS);
	paths_of(w->disk, was);
	blk_ram_entry(w, 1, 0x83, 152, 999); /* a rescan makes the same of it as a new driver */
	assert_int_equal(blk_rescan(w->disk), 0);
	paths_of(w->disk, is);
	for (unsigned i = 0; i < NPATHS; i++)
		assert_int_equal(was[i] != is[i], i >= 3 * KINDS);
	check_paths(w, &info, NPATHS);
	stop(w);
}

static void
names(void **state)
{
	struct blk_ram *w = start();
	struct blk_info info = info_of(w);
	struct blk_disk *d;

	(void)state;
	strcpy(info.name, "sdU3"); /* nothing would tell their files apart */
	assert_int_equal(blk_add_disk(w->blk, &info, &ops, w, &d), -EEXIST);
	strcpy(info.name, "sdT16384");
	assert_int_equal(blk_add_disk(w->blk, &info, &ops, w, &d), -EINVAL);
	strcpy(info.name, "sdT16383");
	assert_int_equal(blk_add_disk(w->blk, &info, &ops, w, &d), 0);
	assert_true(blk_path(1, d, NULL) != blk_path(1, w->disk, NULL));
	blk_remove_disk(d);
	stop(w);
}

struct growing {
	struct blk_memory *memory;
	void *buffers[4];
	unsigned n, calls;
};

static int
more_memory(void *arg, size_t bufsize)
{
	struct growing *g = arg;

	g->calls++;
	if (bufsize == BLK_BUF_BIG || g->n == 4)
		return -ENOMEM;
	g->buffers[g->n] = malloc(bufsize);
	return blk_memory_add(g->memory, g->buffers[g->n++], 0, bufsize, bufsize);
}

/* Buffers are made when they are wanted; without big ones the small ones serve. */
static void
memory_grows(void **state)
{
	struct growing g = { .memory = blk_memory_new() };
	struct blk_disk d = { .info.memory = g.memory };
	struct blk_req *q[4];

	(void)state;
	blk_memory_grows(g.memory, more_memory, &g);
	assert_int_equal(blk_memory_join(&d), 0);
	for (unsigned i = 0; i < 4; i++) {
		q[i] = blk_req_get(&d, i ? 512 : BLK_IO_MAX);
		assert_int_equal(q[i]->size, BLK_BUF_SMALL - BLK_BUF_SLACK);
		assert_int_equal(g.n, i + 1);
	}
	assert_int_equal(g.calls, 5);
	blk_req_put(q[2]);
	assert_ptr_equal(blk_req_get(&d, BLK_IO_MAX), q[2]);
	assert_int_equal(g.calls, 5);
	for (unsigned i = 0; i < 4; i++)
		free(g.buffers[i]);
	blk_memory_free(g.memory);
}

struct turns {
	struct blk_req *got[64];
	unsigned n, of[64];
};

struct one {
	struct turns *turns;
	unsigned client;
};

static void
my_turn(void *arg, struct blk_req *q)
{
	struct one *o = arg;

	o->turns->of[o->turns->n] = o->client;
	o->turns->got[o->turns->n++] = q;
}

static void
want(struct blk_disk *d, struct one *o, const struct dma_seg *seg)
{
	blk_req_want(&(struct blk_want){ .disk = d, .bytes = 512, .seg = seg, .nsegs = 1,
					 .client = &o->turns->of[o->client], .go = my_turn,
					 .arg = o });
}

/* Nobody is kept who wants one; they go in rounds of one of each client. */
static void
clients_take_turns(void **state)
{
	static const unsigned order[] = { 0, 0, 0, 1, 2, 0, 1, 0, 0, 0, 0, 0 };
	struct dma_seg segs[] = { { 0, 512 }, { 0, 512 } };

	(void)state;
	for (int direct = 0; direct < 2; direct++) {
		struct blk_memory *m = blk_memory_new();
		struct blk_disk d = { .info.memory = m };
		struct turns t = { 0 }, held;
		struct one o[] = { { &t, 0 }, { &t, 1 }, { &t, 2 }, { &t, 3 } };
		const struct dma_seg *seg = direct ? segs : NULL;
		uint8_t *buffers = malloc(2ul * BLK_BUF_SMALL);
		unsigned extra = direct ? BLK_BARE_MAX - 2 : 0;

		assert_int_equal(blk_memory_add(m, buffers, 0, 2ul * BLK_BUF_SMALL, BLK_BUF_SMALL),
				 2);
		assert_int_equal(blk_memory_join(&d), 0);
		for (unsigned i = 0; i < extra; i++)
			want(&d, &o[3], seg);
		held = t;
		t = (struct turns){ 0 };
		for (unsigned i = 0; i < 9; i++)
			want(&d, &o[0], seg);
		for (unsigned i = 0; i < 3; i++)
			want(&d, &o[i == 1 ? 2 : 1], seg);
		assert_int_equal(t.n, 2);
		for (unsigned i = 0; i < 10; i++) {
			blk_req_put(t.got[i]);
			assert_int_equal(t.n, i + 3);
			assert_ptr_equal(t.got[i + 2], t.got[i]);
		}
		assert_memory_equal(t.of, order, sizeof order);
		assert_int_equal(m->nwaiting, 0);
		for (unsigned i = 0; i < extra; i++)
			blk_req_put(held.got[i]);
		blk_req_put(t.got[10]);
		blk_req_put(t.got[11]);
		blk_memory_free(m);
		free(buffers);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same),          cmocka_unit_test(another_disk),
		cmocka_unit_test(another_partition), cmocka_unit_test(names),
		cmocka_unit_test(memory_grows),      cmocka_unit_test(clients_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
