/*
 * A file's bytes against a plain array: random writes, truncations and reads; holes; the limit;
 * that everything comes back to the account and to the page allocator.
 */
#include "ram.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ram_fs fs;
static uint64_t idle;		/* charged when the file is new */
static struct ram_inode *file;

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(0, ram_fs_init(&fs, 64 << 20));
	file = ram_inode_new(&fs, S_IFREG | 0644, 1, 1);
	assert_non_null(file);
	idle = fs.used;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	ram_inode_put(file);
	assert_int_equal(RAM_INODE_COST, fs.used);
	assert_int_equal(1, fs.ninodes);
	ram_fs_free(&fs);
	assert_int_equal(0, fs.used);
	return 0;
}

static uint32_t seed;

static uint32_t
rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

#define MODEL	(600 * 1024)

static void
compare(const uint8_t *model, size_t off, size_t n)
{
	static uint8_t got[MODEL];
	memset(got, 0xaa, n);
	ram_read(file, off, got, n);
	assert_memory_equal(model + off, got, n);
}

static void
random_ops(void **state)
{
	static uint8_t model[MODEL], data[200 * 1024];
	uint64_t size = 0;
	(void)state;
	memset(model, 0, sizeof model);
	seed = 42;
	for (int i = 0; i < 3000; i++) {
		uint32_t what = rnd() % 8, off = rnd() % MODEL;
		uint32_t n = rnd() % (what ? 9000u : (uint32_t)sizeof data);
		if (rnd() % 4 == 0)
			off &= ~4095u;
		if (n > MODEL - off)
			n = MODEL - off;
		if (what < 4) {
			memset(data, (int)(rnd() | 1), n);
			assert_int_equal(n, ram_write(file, off, data, n));
			memcpy(model + off, data, n);
			if (n && off + n > size)
				size = off + n;
		} else if (what == 4) {
			assert_int_equal(0, ram_truncate(file, off));
			if (off < size)
				memset(model + off, 0, size - off);
			size = off;
		} else {
			compare(model, off, n);
		}
		assert_int_equal(size, file->size);
	}
	compare(model, 0, MODEL);
	assert_int_equal(0, ram_truncate(file, 0));
	assert_int_equal(idle, fs.used);
	assert_int_equal(0, file->data.bytes);
}

static void
small_files_cost_little(void **state)
{
	(void)state;
	assert_int_equal(1, ram_write(file, 0, "x", 1));
	assert_int_equal(RAM_PAGE, file->data.bytes);
	assert_int_equal(1, ram_write(file, 5000, "y", 1));
	assert_int_equal(2 * RAM_PAGE, file->data.bytes);
	char c[3];
	ram_read(file, 4999, c, 2);
	assert_memory_equal("\0y", c, 2);
	assert_int_equal(0, ram_write(file, 100000, "", 0));
	assert_int_equal(5001, file->size);
}

static void
sparse(void **state)
{
	static const uint64_t at[] = {
		1ull << 20, 1ull << 33, 1ull << 40, 1ull << 52, (1ull << 62) + 12345, INT64_MAX - 1,
	};
	char c;
	(void)state;
	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		assert_int_equal(1, ram_write(file, at[i], "z", 1));
		assert_int_equal(at[i] + 1, file->size);
	}
	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		ram_read(file, at[i], &c, 1);
		assert_int_equal('z', c);
		ram_read(file, at[i] - 70000, &c, 1);
		assert_int_equal(0, c);
	}
	assert_int_equal(6 * RAM_CHUNK, file->data.bytes);
	for (int i = 5; i >= 0; i--) {
		assert_int_equal(0, ram_truncate(file, at[i] & ~65535ull));
		assert_int_equal(i * RAM_CHUNK, file->data.bytes);
	}
	assert_int_equal(idle, fs.used);
	assert_int_equal(-EFBIG, ram_write(file, INT64_MAX, "z", 1));
	assert_int_equal(-EFBIG, ram_write(file, UINT64_MAX, "z", 1));
	assert_int_equal(-EFBIG, ram_truncate(file, 1ull << 63));
}

static void
grown_again_is_zero(void **state)
{
	uint8_t ff[9000], got[9000], zero[9000] = { 0 };
	(void)state;
	memset(ff, 0xff, sizeof ff);
	for (uint64_t base = 0; base <= 65536; base += 65536) {
		assert_int_equal(9000, ram_write(file, base, ff, 9000));
		assert_int_equal(0, ram_truncate(file, base + 100));
		assert_int_equal(0, ram_truncate(file, base + 9000));
		ram_read(file, base + 100, got, 8900);
		assert_memory_equal(zero, got, 8900);
	}
}

static void
limit(void **state)
{
	static uint8_t data[1 << 20];
	uint64_t off = 0;
	int64_t n;
	(void)state;
	while ((n = ram_write(file, off, data, sizeof data)) > 0)
		off += (uint64_t)n;
	assert_int_equal(-ENOSPC, n);
	assert_true(off > 60 << 20);
	assert_true(fs.used <= fs.limit);
	assert_int_equal(off, file->size);
	/* What is there can still be changed, and room that is made can be used. */
	assert_int_equal(4096, ram_write(file, 8192, data, 4096));
	assert_int_equal(0, ram_truncate(file, 1 << 20));
	assert_int_equal(sizeof data, ram_write(file, 1 << 20, data, sizeof data));
}

/* A reply may hold a chunk while the file lets go of it. */
static void
held_chunk(void **state)
{
	(void)state;
	assert_int_equal(5, ram_write(file, 0, "hello", 5));
	struct ram_chunk *c = ram_chunk_at(&file->data, 0);
	atomic_fetch_add(&c->refs, 1);
	uint8_t *data = c->data;
	assert_int_equal(0, ram_truncate(file, 0));
	assert_int_equal(5, ram_write(file, 0, "other", 5));
	assert_ptr_not_equal(data, ram_chunk_at(&file->data, 0)->data);
	ram_chunk_put(c);
}

static void
pages(void **state)
{
	struct ram_pages p;
	struct { uint8_t *at; struct ram_slab *slab; uint32_t size; } b[700];
	(void)state;
	ram_pages_init(&p);
	memset(b, 0, sizeof b);
	seed = 7;
	for (int i = 0; i < 50000; i++) {
		unsigned k = rnd() % 700;
		if (b[k].at) {
			for (uint32_t q = 0; q < b[k].size; q += RAM_PAGE)
				assert_int_equal(k & 0xff, b[k].at[q]);
			ram_page_free(&p, b[k].slab, b[k].at, b[k].size);
			b[k].at = NULL;
			continue;
		}
		b[k].size = RAM_PAGE << rnd() % RAM_ORDERS;
		b[k].at = ram_page_alloc(&p, b[k].size, &b[k].slab);
		assert_non_null(b[k].at);
		assert_int_equal(0, (uintptr_t)b[k].at % RAM_PAGE);
		memset(b[k].at, (int)k, b[k].size);
	}
	for (unsigned k = 0; k < 700; k++)
		if (b[k].at)
			ram_page_free(&p, b[k].slab, b[k].at, b[k].size);
	assert_int_equal(1, p.nslabs);		/* all joined again; one is kept */
	assert_int_equal(1, p.nempty);
	ram_pages_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_ops, setup, teardown),
		cmocka_unit_test_setup_teardown(small_files_cost_little, setup, teardown),
		cmocka_unit_test_setup_teardown(sparse, setup, teardown),
		cmocka_unit_test_setup_teardown(grown_again_is_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(limit, setup, teardown),
		cmocka_unit_test_setup_teardown(held_chunk, setup, teardown),
		cmocka_unit_test(pages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
