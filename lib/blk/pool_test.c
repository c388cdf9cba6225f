/*
 * The memory of a controller's requests: disks and their shares.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "disk.h"

enum { SMALL = 8, BIG = 2, MANY = 400 };

struct client {
	struct blk_disk disk;
	struct blk_req *got[MANY + SMALL];
	unsigned n;
};

static uint8_t buffers[SMALL * BLK_BUF_SMALL + BIG * BLK_BUF_BIG];

static struct blk_memory *
make(struct client *c, unsigned n)
{
	struct blk_memory *m = blk_memory_new();

	assert_int_equal(blk_memory_add(m, buffers, 0, SMALL * BLK_BUF_SMALL, BLK_BUF_SMALL),
			 SMALL);
	assert_int_equal(blk_memory_add(m, buffers + SMALL * BLK_BUF_SMALL, 0, BIG * BLK_BUF_BIG,
					BLK_BUF_BIG),
			 BIG);
	for (unsigned i = 0; i < n; i++) {
		c[i] = (struct client){ .disk.info.memory = m };
		assert_int_equal(blk_memory_join(&c[i].disk), 0);
	}
	return m;
}

static void
got(void *arg, struct blk_req *q)
{
	struct client *c = arg;

	assert_ptr_equal(q->disk, &c->disk);
	c->got[c->n++] = q;
}

static void
want(struct client *c, unsigned n, uint32_t bytes, const struct dma_seg *seg)
{
	for (unsigned i = 0; i < n; i++)
		blk_req_want(&(struct blk_want){ .disk = &c->disk, .bytes = bytes, .seg = seg,
						 .nsegs = 1, .client = c, .go = got, .arg = c });
}

/* All that it has, and what it gets meanwhile. */
static void
give_back(struct client *c)
{
	for (unsigned i = 0; i < c->n; i++)
		blk_req_put(c->got[i]);
	c->n = 0;
}

static void
all_is_back(struct blk_memory *m)
{
	assert_int_equal(m->nwaiting + m->held, 0);
	assert_int_equal(m->small.shared + m->big.shared + m->bare.shared, 0);
	for (const struct blk_share *s = m->shares; s; s = s->next)
		assert_int_equal(s->used[BLK_SMALL] + s->used[BLK_BIG] + s->used[BLK_BARE], 0);
	blk_memory_free(m);
}

/* A disk that gives nothing back keeps half and its share; another's goes round and round. */
static void
hung_disk(void **state)
{
	static struct client c[2];
	const struct dma_seg seg = { 0, 512 };

	(void)state;
	for (int direct = 0; direct < 2; direct++) {
		struct blk_memory *m = make(c, 2);
		unsigned all = direct ? BLK_BARE_MAX : SMALL;

		want(&c[0], MANY, 512, direct ? &seg : NULL);
		assert_int_equal(c[0].n, all * 3 / 4);
		assert_int_equal(m->nwaiting, MANY - all * 3 / 4);
		want(&c[1], all / 4 + 1, 512, direct ? &seg : NULL);
		assert_int_equal(c[1].n, all / 4);
		for (unsigned i = 0; i < MANY; i++) {
			struct blk_req *q = c[1].got[0];

			c[1].got[0] = c[1].got[--c[1].n];
			blk_req_put(q);
			assert_int_equal(c[1].n, all / 4);
			want(&c[1], 1, 512, direct ? &seg : NULL);
		}
		assert_int_equal(c[0].n, all * 3 / 4);
		give_back(&c[0]);
		give_back(&c[1]);
		all_is_back(m);
	}
}

/* With one that goes, its share goes to the others, also if it never gives back what it has. */
static void
disk_goes(void **state)
{
	static struct client c[3];
	struct blk_memory *m = make(c, 2);

	(void)state;
	want(&c[0], SMALL, 512, NULL);
	want(&c[1], 1, 512, NULL);
	assert_int_equal(c[0].n, SMALL * 3 / 4);
	blk_memory_leave(&c[1].disk);
	assert_int_equal(c[0].n, SMALL - 1);
	c[2] = (struct client){ .disk.info.memory = m };
	assert_int_equal(blk_memory_join(&c[2].disk), 0);
	assert_ptr_not_equal(c[2].disk.share, c[1].disk.share);
	give_back(&c[1]);
	give_back(&c[0]);
	blk_memory_leave(&c[2].disk);
	assert_int_equal(blk_memory_join(&c[1].disk), 0);
	all_is_back(m);
}

/* What comes when there are disks already is theirs, too. */
static void
buffers_come(void **state)
{
	static struct client c[2];
	struct blk_memory *m = blk_memory_new();

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		c[i] = (struct client){ .disk.info.memory = m };
		assert_int_equal(blk_memory_join(&c[i].disk), 0);
	}
	for (unsigned n = 0; n < 2; n++)
		assert_int_equal(blk_memory_add(m, buffers + n * SMALL / 2 * BLK_BUF_SMALL, 0,
						SMALL / 2 * BLK_BUF_SMALL, BLK_BUF_SMALL),
				 SMALL / 2);
	want(&c[0], SMALL, 512, NULL);
	want(&c[1], SMALL, 512, NULL);
	assert_int_equal(c[0].n, SMALL * 3 / 4);
	assert_int_equal(c[1].n, SMALL / 4);
	give_back(&c[0]);
	give_back(&c[1]);
	all_is_back(m);
}

/* Fewer large ones than disks: a small one does, and nobody waits for a disk that hangs. */
static void
many_disks(void **state)
{
	static struct client c[BIG + 2];
	struct blk_memory *m = make(c, BIG + 2);

	(void)state;
	want(&c[0], BIG, BLK_IO_MAX, NULL);
	want(&c[1], 1, BLK_IO_MAX, NULL);
	assert_int_equal(c[0].n + c[1].n, BIG + 1);
	assert_int_equal(c[0].got[0]->size, BLK_BUF_BIG - BLK_BUF_SLACK);
	assert_int_equal(c[1].got[0]->size, BLK_BUF_SMALL - BLK_BUF_SLACK);
	give_back(&c[0]);
	give_back(&c[1]);
	all_is_back(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hung_disk),
		cmocka_unit_test(disk_goes),
		cmocka_unit_test(buffers_come),
		cmocka_unit_test(many_disks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
