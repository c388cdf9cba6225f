/*
 * elf_parse on headers made here, each wrong in one way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "elf.h"

static uint8_t head[4096];
static struct elf_image image;
static const char *why;

static void
put(size_t at, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		head[at + (size_t)i] = (uint8_t)(v >> 8 * i);
}

static size_t
phdr(int i)
{
	return 64 + (size_t)i * 56;
}

static void
load(int i, uint32_t flags, uint64_t off, uint64_t vaddr, uint64_t filesz, uint64_t memsz)
{
	put(phdr(i), 1, 4);
	put(phdr(i) + 4, flags, 4);
	put(phdr(i) + 8, off, 8);
	put(phdr(i) + 16, vaddr, 8);
	put(phdr(i) + 32, filesz, 8);
	put(phdr(i) + 40, memsz, 8);
	put(phdr(i) + 48, 4096, 8);
}

/* Text at 4 MiB, data on the page after it. */
static int
good(void **state)
{
	(void)state;
	memset(head, 0, sizeof(head));
	memcpy(head, "\177ELF\2\1\1", 7);
	put(16, 2, 2);
	put(18, 62, 2);
	put(24, 0x400100, 8);
	put(32, 64, 8);
	put(54, 56, 2);
	put(56, 3, 2);
	load(0, 5, 0, 0x400000, 0x1f00, 0x1f00);
	load(1, 6, 0x1f00, 0x402f00, 0x80, 0x3000);
	put(phdr(2), 0x6474e551, 4);	/* GNU_STACK */
	return 0;
}

static int
parse(void)
{
	return elf_parse(head, sizeof(head), 0x2000, &image, &why);
}

static void
refused(const char *text)
{
	assert_int_equal(parse(), -8);
	assert_non_null(why);
	if (strstr(why, text) == NULL)
		fail_msg("said: %s", why);
}

static void
test_good(void **state)
{
	(void)state;
	assert_int_equal(parse(), 0);
	assert_null(why);
	assert_int_equal(image.nsegments, 2);
	assert_int_equal(image.entry, 0x400100);
	assert_int_equal(image.phdr, 0x400040);
	assert_int_equal(image.phnum, 3);
	assert_int_equal(image.low, 0x400000);
	assert_int_equal(image.high, 0x406000);
	assert_int_equal(image.segment[0].prot, 5);
	assert_int_equal(image.segment[1].prot, 3);
	assert_int_equal(image.segment[1].memsz, 0x3000);
}

static void
test_pie(void **state)
{
	(void)state;
	put(16, 3, 2);
	put(24, 0x100, 8);
	load(0, 5, 0, 0, 0x1f00, 0x1f00);
	load(1, 6, 0x1f00, 0x2f00, 0x80, 0x3000);
	assert_int_equal(parse(), 0);
	assert_int_equal(image.bias, ELF_PIE_BASE);
	assert_int_equal(image.entry, ELF_PIE_BASE + 0x100);
	assert_int_equal(image.phdr, ELF_PIE_BASE + 64);
	load(1, 6, 0x1f00, 0x7fff00000f00, 0x80, 0x3000);
	refused("outside user memory");
	load(1, 6, 0x1f00, 0x2f00, 0x80, 0x3000);
	put(24, 0xffffffffffffff00, 8);
	refused("entry");
}

static void
test_header(void **state)
{
	static const struct {
		size_t at;
		uint64_t value;
		int bytes;
		const char *why;
	} bad[] = {
		{ 0, 0, 1, "not an ELF" }, { 4, 1, 1, "64-bit" }, { 5, 2, 1, "64-bit" },
		{ 18, 183, 2, "another kind" }, { 16, 1, 2, "object" }, { 16, 4, 2, "object" },
		{ 54, 55, 2, "bad program headers" }, { 56, 0, 2, "bad program headers" },
		{ 56, 65, 2, "bad program headers" }, { 32, 4000, 8, "at the start" },
		{ 32, UINT64_MAX, 8, "at the start" }, { 24, 0x402f00, 8, "entry" },
		{ 24, 0, 8, "entry" }, { 24, 0x401f00, 8, "entry" }, { 24, UINT64_MAX, 8, "entry" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		good(state);
		put(bad[i].at, bad[i].value, bad[i].bytes);
		refused(bad[i].why);
	}
	good(state);
	for (size_t n = 0; n < 64 + 3 * 56; n++)
		assert_int_equal(elf_parse(head, n, 0x2000, &image, &why), -8);
	assert_int_equal(elf_parse(head, 64 + 3 * 56, 0x2000, &image, &why), 0);
	assert_int_equal(elf_parse(head, 4096, 100, &image, &why), -8);
}

static void
test_segments(void **state)
{
	(void)state;
	load(1, 7, 0x1f00, 0x402f00, 0x80, 0x3000);
	refused("writable and executable");
	load(1, 6, 0x1f00, 0x402f00, 0x101, 0x3000);
	refused("exceeds the file");
	load(1, 6, 0x2001, 0x403001, 0, 0x3000);
	refused("exceeds the file");
	load(1, 6, UINT64_MAX - 0xff, 0x402f00, 0x80, 0x3000);
	refused("exceeds the file");
	load(1, 6, 0x1f00, 0x402f00, 0x80, 0x7f);
	refused("exceeds its memory");
	load(1, 6, 0x1f00, 0x402f00, 0x80, 0);
	refused("exceeds its memory");
	load(1, 6, 0x1f00, 0x402f01, 0x80, 0x3000);
	refused("aligned");
	load(1, 6, 0x1f00, 0x401f00, 0x80, 0x3000);
	refused("overlap");
	load(1, 6, 0x1f00, 0x300f00, 0x80, 0x3000);
	refused("out of order");
	load(1, 6, 0x1f00, 0x402f00, 0x80, UINT64_MAX);
	refused("outside user memory");
	load(1, 6, 0x1f00, 0x402f00, 0x80, 0x800000000000 - 0x402f00 + 1);
	refused("outside user memory");
	load(1, 6, 0x1f00, 0xffff800000000f00, 0x80, 0x3000);
	refused("outside user memory");
	load(1, 6, 0, 0x402000, 0, 0);
	assert_int_equal(parse(), 0);
	assert_int_equal(image.nsegments, 1);
	load(0, 5, 0, 0xf000, 0x1f00, 0x1f00);
	refused("outside user memory");
}

static void
test_kinds(void **state)
{
	(void)state;
	put(phdr(2), 3, 4);
	refused("dynamic program");
	good(state);
	put(phdr(0), 0, 4);
	put(phdr(1), 0, 4);
	refused("nothing to load");
	good(state);
	put(56, 30, 2);
	for (int i = 0; i < 17; i++)
		load(i, i ? 4 : 5, 0, 0x400000 + (uint64_t)i * 0x10000, 0x1000, 0x1000);
	refused("too many segments");
	put(phdr(16), 0, 4);
	assert_int_equal(parse(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_good, good), cmocka_unit_test_setup(test_pie, good),
		cmocka_unit_test_setup(test_header, good),
		cmocka_unit_test_setup(test_segments, good),
		cmocka_unit_test_setup(test_kinds, good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
