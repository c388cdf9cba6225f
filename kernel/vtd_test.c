/*
 * Second-stage tables of the IOMMU, read back by a walk of the test's own.  The firmware's table is
 * acpi_test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "mem.h"

static void *
test_phys(paddr_t pa)
{
	return (void *)pa;
}
#define phys_to_virt test_phys
#include "amd64/vtd_table.c"

static long pages_left = -1, pages_used;

paddr_t
page_alloc(unsigned order, unsigned flags)
{
	void *p;

	assert_true(order == 0 && flags == PAGE_ZERO);
	if (pages_left == 0)
		return 0;
	pages_left -= pages_left > 0;
	pages_used++;
	p = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	assert_non_null(p);
	return (paddr_t)memset(p, 0, PAGE_SIZE);
}

void
page_put(paddr_t pa, unsigned order)
{
	assert_int_equal(order, 0);
	pages_used--;
	free((void *)pa);
}

void
panic(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

static struct vtd_table
new_table(unsigned levels)
{
	uint64_t end = 1ull << (levels == 5 ? 52 : 12 + 9 * levels);
	struct vtd_table t = { .levels = levels, .end = end, .flush = true };

	assert_int_equal(pages_used, 0);
	assert_int_equal(vtd_table_new(&t), 0);
	return t;
}

/* As the hardware: what a device may do at an address, and whether it comes out there. */
static unsigned
reach(const struct vtd_table *t, uint64_t address)
{
	uint64_t e = t->root | 3;

	for (unsigned shift = 12 + 9 * t->levels; shift > 12;) {
		shift -= 9;
		e = ((uint64_t *)(e & 0xffffffffff000ull))[address >> shift & 0x1ff];
		if ((e & 3) == 0)
			return 0;
		assert_int_equal(e & 0xffc, 0);		/* reserved, or of other modes */
	}
	assert_int_equal(e & 0xffffffffff000ull, address & ~0xfffull);
	return e & 3;
}

static void
pages_in_and_out(void **state)
{
	(void)state;
	for (unsigned levels = 3; levels <= 5; levels++) {
		struct vtd_table t = new_table(levels);
		paddr_t last = t.end - PAGE_SIZE, cross = 0x3fffe000;

		assert_int_equal(vtd_table_add(&t, cross, 5, VTD_WRITE), 5);
		assert_int_equal(vtd_table_add(&t, last, 1, VTD_READ | VTD_WRITE), 1);
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(reach(&t, cross + i * PAGE_SIZE), VTD_WRITE);
		assert_int_equal(reach(&t, cross - PAGE_SIZE), 0);
		assert_int_equal(reach(&t, cross + 5 * PAGE_SIZE), 0);
		assert_int_equal(reach(&t, last), VTD_READ | VTD_WRITE);
		assert_int_equal(reach(&t, 0), 0);
		assert_true(vtd_table_remove(&t, cross, 5));
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(reach(&t, cross + i * PAGE_SIZE), 0);
		assert_int_equal(reach(&t, last), VTD_READ | VTD_WRITE);
		vtd_table_free(&t);
		assert_int_equal(pages_used, 0);
	}
}

/* A page that two requests have is in reach until both are over. */
static void
counted(void **state)
{
	struct vtd_table t = new_table(4);

	(void)state;
	assert_int_equal(vtd_table_add(&t, 0x5000, 2, VTD_READ), 2);
	assert_false(t.widened);
	assert_int_equal(vtd_table_add(&t, 0x6000, 2, VTD_WRITE), 2);
	assert_true(t.widened);		/* what was cached of 0x6000 forbids a write */
	t.widened = false;
	assert_int_equal(reach(&t, 0x6000), VTD_READ | VTD_WRITE);
	assert_true(vtd_table_remove(&t, 0x5000, 2));
	assert_int_equal(reach(&t, 0x5000), 0);
	assert_int_not_equal(reach(&t, 0x6000), 0);
	assert_int_equal(vtd_table_add(&t, 0x6000, 1, VTD_READ), 1);
	assert_false(t.widened);
	assert_false(vtd_table_remove(&t, 0x6000, 1));
	assert_true(vtd_table_remove(&t, 0x6000, 2));
	assert_int_equal(reach(&t, 0x6000), 0);
	/* As often as there is room for; the page after it is not begun then. */
	for (unsigned i = 0; i < 1023; i++)
		assert_int_equal(vtd_table_add(&t, 0x9000, 1, VTD_READ), 1);
	assert_int_equal(vtd_table_add(&t, 0x8000, 3, VTD_READ), 1);
	assert_int_equal(reach(&t, 0x9000), VTD_READ);
	assert_int_equal(reach(&t, 0xa000), 0);
	for (unsigned i = 0; i < 1023; i++)
		assert_int_equal(vtd_table_remove(&t, 0x9000, 1), i == 1022);
	vtd_table_free(&t);
	assert_int_equal(pages_used, 0);
}

static void
out_of_range(void **state)
{
	struct vtd_table t = new_table(3);

	(void)state;
	assert_int_equal(vtd_table_add(&t, t.end, 1, VTD_READ), 0);
	assert_int_equal(vtd_table_add(&t, t.end - PAGE_SIZE, 2, VTD_READ), 0);
	assert_int_equal(vtd_table_add(&t, 0xfffffffff000, 1, VTD_READ), 0);
	assert_int_equal(pages_used, 1);
	vtd_table_free(&t);
}

/* Memory runs short after each page: what was done is told, and nothing is lost. */
static void
short_of_memory(void **state)
{
	struct vtd_table t = { .levels = 4, .end = 1ull << 48 };
	uint64_t n = 0;

	(void)state;
	pages_left = 0;
	assert_int_equal(vtd_table_new(&t), -ENOMEM);
	for (long left = 0; n < 1024; left++) {
		pages_left = -1;
		t = new_table(4);
		pages_left = left;
		n = vtd_table_add(&t, 0x40000000 - 512 * PAGE_SIZE, 1024, VTD_READ);
		assert_int_equal(n, left < 3 ? 0 : left < 5 ? 512 : 1024);
		vtd_table_remove(&t, 0x40000000 - 512 * PAGE_SIZE, n);
		vtd_table_free(&t);
		assert_int_equal(pages_used, 0);
	}
	pages_left = -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_in_and_out), cmocka_unit_test(counted),
		cmocka_unit_test(out_of_range), cmocka_unit_test(short_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
