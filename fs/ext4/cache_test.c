/* The block cache alone, over a device whose every block says its number. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ext4.h"

enum { BLOCKS = 4096, SIZE = 1024, THREADS = 4, ROUNDS = 3000 };

struct counter {
	atomic_uint reads, bytes;
	atomic_bool broken, slow;	/* slow: an answer comes when it is not any more */
	atomic_size_t largest;
};

static int
numbered_read(void *ctx, void *buf, size_t n, uint64_t off)
{
	struct counter *c = ctx;

	atomic_fetch_add(&c->reads, 1);
	atomic_fetch_add(&c->bytes, (unsigned)n);
	if (n > atomic_load(&c->largest))
		atomic_store(&c->largest, n);
	while (atomic_load(&c->slow))
		sched_yield();
	if (atomic_load(&c->broken))
		return ext4_error(EIO, "broken");
	for (size_t at = 0; at < n; at += SIZE) {
		uint32_t blk = (uint32_t)((off + at) / SIZE);

		memset((uint8_t *)buf + at, (int)(blk * 7 & 255), SIZE);
		memcpy((uint8_t *)buf + at, &blk, sizeof(blk));
	}
	return 0;
}

static void
begin(struct ext4_fs *fs, struct counter *c)
{
	memset(fs, 0, sizeof(*fs));
	memset(c, 0, sizeof(*c));
	fs->block_size = SIZE;
	fs->block_bits = 10;
	fs->blocks_count = BLOCKS;
	fs->dev = (struct blk_source){.read = numbered_read, .ctx = c, .size = BLOCKS * SIZE};
	assert_int_equal(0, ext4_cache_init(fs, 0));	/* 1 MiB: 1024 blocks */
}

static uint32_t
number(const uint8_t *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

/* More blocks than can be counted: an error, not a cache of what is left of the number. */
static void
too_large(void **state)
{
	struct ext4_fs fs;
	struct counter c;

	(void)state;
	begin(&fs, &c);
	ext4_cache_free(&fs);
	assert_int_equal(-ENOMEM, ext4_cache_init(&fs, 1ull << 43));
	assert_int_equal(0, c.reads);
}

static void
hits_and_misses(void **state)
{
	struct ext4_fs fs;
	struct counter c;
	struct ext4_buf *a, *b;

	(void)state;
	begin(&fs, &c);
	assert_null(ext4_bpeek(&fs, 5));
	assert_int_equal(0, ext4_bread(&fs, 5, &a));
	assert_int_equal(0, ext4_bread(&fs, 5, &b));
	assert_ptr_equal(a, b);
	assert_int_equal(1, c.reads);
	assert_int_equal(5, number(a->data));
	ext4_brelse(a);
	ext4_brelse(b);
	a = ext4_bpeek(&fs, 5);
	assert_ptr_equal(a, b);
	ext4_brelse(a);
	assert_int_equal(-EUCLEAN, ext4_bread(&fs, BLOCKS, &a));
	assert_null(a);
	ext4_brelse(NULL);
	ext4_cache_free(&fs);
}

/* More held than there are buffers: each is still another block; all can be had afterwards. */
static void
all_held(void **state)
{
	static struct ext4_buf *held[BLOCKS];
	struct ext4_fs fs;
	struct counter c;
	struct ext4_buf *again;

	(void)state;
	begin(&fs, &c);
	for (uint32_t i = 0; i < BLOCKS; i++)
		assert_int_equal(0, ext4_bread(&fs, i, &held[i]));
	for (uint32_t i = 0; i < BLOCKS; i++)
		assert_int_equal(i, number(held[i]->data));
	assert_int_equal(0, ext4_bread(&fs, BLOCKS - 1, &again));
	assert_ptr_equal(held[BLOCKS - 1], again);
	assert_true(again->extra);
	ext4_brelse(again);
	for (uint32_t i = 0; i < BLOCKS; i++)
		ext4_brelse(held[i]);
	assert_null(ext4_bpeek(&fs, BLOCKS - 1));
	for (uint32_t i = 0; i < BLOCKS; i++) {
		assert_int_equal(0, ext4_bread(&fs, i, &again));
		assert_int_equal(i, number(again->data));
		ext4_brelse(again);
	}
	ext4_cache_free(&fs);
}

static void
reading_ahead(void **state)
{
	struct ext4_fs fs;
	struct counter c;
	struct ext4_buf *b;

	(void)state;
	begin(&fs, &c);
	ext4_bahead(&fs, 100, 50);
	assert_int_equal(1, c.reads);
	for (uint32_t i = 100; i < 150; i++) {
		b = ext4_bpeek(&fs, i);
		assert_non_null(b);
		assert_int_equal(i, number(b->data));
		ext4_brelse(b);
	}
	ext4_bahead(&fs, 90, 50);		/* only the ten that are not there */
	assert_int_equal(60 * SIZE, c.bytes);
	ext4_bahead(&fs, 100, 50);
	assert_int_equal(2, c.reads);
	ext4_bahead(&fs, BLOCKS - 3, 50);	/* ends with the file system */
	assert_int_equal(63 * SIZE, c.bytes);
	ext4_bahead(&fs, 1000, 100000);		/* never more than 128 KiB */
	assert_int_equal(128 * SIZE, c.largest);
	ext4_cache_free(&fs);
}

static void
copying(void **state)
{
	static uint8_t buf[BLOCKS * SIZE];
	struct ext4_fs fs;
	struct counter c;
	struct ext4_buf *b;

	(void)state;
	begin(&fs, &c);
	assert_int_equal(0, ext4_bread(&fs, 10, &b));
	b->data[100] ^= 0xff;			/* to know the cache's copy */
	assert_int_equal(0, ext4_bcopy(&fs, 0, 2500, buf));
	for (uint32_t i = 0; i < 2500; i++)
		assert_int_equal(i, number(buf + i * SIZE));
	assert_int_equal(b->data[100], buf[10 * SIZE + 100]);
	assert_int_equal(EXT4_RUN_BYTES, c.largest);
	assert_int_equal(1 + 4, c.reads);	/* 0-9, 11-1034, 1035-2058, 2059-2499 */
	assert_null(ext4_bpeek(&fs, 11));	/* the cache is left alone */
	ext4_brelse(b);
	c.broken = true;
	assert_int_equal(-EIO, ext4_bcopy(&fs, 9, 3, buf));
	ext4_cache_free(&fs);
}

/* Blocks that the log replaces, within a larger read and alone. */
static void
replaced(void **state)
{
	static uint8_t buf[10 * SIZE];
	struct ext4_overlay_entry e[] = {
		{.blk = 20, .at = 3000}, {.blk = 21, .at = 3001, .escaped = true},
		{.blk = 25, .at = 9},
	};
	static const uint8_t magic[] = {0xc0, 0x3b, 0x39, 0x98};
	struct ext4_fs fs;
	struct counter c;
	struct ext4_buf *b;

	(void)state;
	begin(&fs, &c);
	fs.overlay = (struct ext4_overlay){e, 3};
	assert_int_equal(0, ext4_blocks_read(&fs, 18, 10, buf));
	assert_int_equal(18, number(buf));
	assert_int_equal(19, number(buf + SIZE));
	assert_int_equal(3000, number(buf + 2 * SIZE));
	assert_memory_equal(magic, buf + 3 * SIZE, 4);
	assert_int_equal((3001 * 7) & 255, buf[3 * SIZE + 4]);
	assert_int_equal(22, number(buf + 4 * SIZE));
	assert_int_equal(9, number(buf + 7 * SIZE));
	assert_int_equal(27, number(buf + 9 * SIZE));
	assert_int_equal(0, ext4_bread(&fs, 25, &b));
	assert_int_equal(9, number(b->data));
	ext4_brelse(b);
	ext4_cache_free(&fs);
}

static void
failing(void **state)
{
	struct ext4_fs fs;
	struct counter c;
	struct ext4_buf *b;

	(void)state;
	begin(&fs, &c);
	c.broken = true;
	assert_int_equal(-EIO, ext4_bread(&fs, 7, &b));
	assert_null(b);
	ext4_bahead(&fs, 7, 20);
	assert_null(ext4_bpeek(&fs, 8));
	c.broken = false;
	for (uint32_t i = 7; i < 27; i++) {
		assert_int_equal(0, ext4_bread(&fs, i, &b));
		assert_int_equal(i, number(b->data));
		ext4_brelse(b);
	}
	ext4_cache_free(&fs);
}

struct job {
	struct ext4_fs *fs;
	unsigned seed, wrong;
};

static void *
hammer(void *arg)
{
	struct job *j = arg;

	for (int i = 0; i < ROUNDS; i++) {
		uint32_t blk = (uint32_t)rand_r(&j->seed) % BLOCKS;
		struct ext4_buf *b;

		if (i % 7 == 0)
			ext4_bahead(j->fs, blk, 30);
		if (ext4_bread(j->fs, blk, &b) < 0) {
			j->wrong += b != NULL;
			continue;
		}
		j->wrong += number(b->data) != blk;
		ext4_brelse(b);
	}
	return NULL;
}

/* Several threads at once, the device failing now and then: never another block's bytes. */
static void
threads(void **state)
{
	struct ext4_fs fs;
	struct counter c;
	pthread_t t[THREADS];
	struct job job[THREADS];

	(void)state;
	begin(&fs, &c);
	for (unsigned i = 0; i < THREADS; i++) {
		job[i] = (struct job){&fs, i + 1, 0};
		assert_int_equal(0, pthread_create(&t[i], NULL, hammer, &job[i]));
	}
	for (int i = 0; i < 20; i++) {
		atomic_store(&c.broken, i % 2 == 0);
		for (struct timespec ts = {0, 300000}; nanosleep(&ts, &ts) != 0;)
			continue;
	}
	atomic_store(&c.broken, false);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(0, job[i].wrong);
	}
	ext4_cache_free(&fs);
}

static void *
read_one(void *arg)
{
	struct job *j = arg;
	struct ext4_buf *b;
	int r = ext4_bread(j->fs, j->seed, &b);

	j->wrong = r < 0 ? (unsigned)-r : number(b->data) != j->seed;
	ext4_brelse(b);
	return NULL;
}

/* Until so many hold the one block that is being loaded. */
static void
await_holders(struct ext4_fs *fs, unsigned n)
{
	for (;; sched_yield())
		for (uint32_t i = 0; i < fs->cache.nshards; i++)
			for (uint32_t k = 0; k < fs->cache.shard[i].nbufs; k++)
				if (atomic_load(&fs->cache.shard[i].bufs[k].refs) == n)
					return;
}

/* Several want a block that is being loaded: one read is for all; who waited for one that fails
 * tries for himself. */
static void
together(void **state)
{
	struct ext4_fs fs;
	struct counter c;
	pthread_t t[THREADS];
	struct job job[THREADS];

	(void)state;
	begin(&fs, &c);
	for (uint32_t blk = 5; blk < 7; blk++) {
		atomic_store(&c.slow, true);
		atomic_store(&c.broken, blk == 6);
		atomic_store(&c.reads, 0);
		for (unsigned i = 0; i < THREADS; i++) {
			job[i] = (struct job){&fs, blk, 0};
			assert_int_equal(0, pthread_create(&t[i], NULL, read_one, &job[i]));
		}
		await_holders(&fs, THREADS);
		assert_in_range(atomic_load(&c.reads), 0, 1);
		atomic_store(&c.slow, false);
		for (unsigned i = 0; i < THREADS; i++) {
			pthread_join(t[i], NULL);
			assert_int_equal(blk == 6 ? EIO : 0, job[i].wrong);
		}
		assert_in_range(atomic_load(&c.reads), 1, blk == 6 ? THREADS : 1);
	}
	ext4_cache_free(&fs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_large),
		cmocka_unit_test(hits_and_misses), cmocka_unit_test(all_held),
		cmocka_unit_test(reading_ahead), cmocka_unit_test(copying),
		cmocka_unit_test(replaced), cmocka_unit_test(failing), cmocka_unit_test(threads),
		cmocka_unit_test(together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
