/* Records, dates and names against bytes written out by hand from the standards. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "iso.h"

/* "README.TXT;1" at block 0x1234, 0x5678 bytes, 2004-02-29 12:30:45, an hour east. */
static const uint8_t readme[46] = { 46,   0,    0x34, 0x12, 0,   0,   0,    0,    0x12, 0x34,
				    0x78, 0x56, 0,    0,    0,   0,   0x56, 0x78, 104,  2,
				    29,   12,   30,   45,   4,   0,   0,    0,    1,    0,
				    0,    1,    12,   'R',  'E', 'A', 'D',  'M',  'E',  '.',
				    'T',  'X',  'T',  ';',  '1', 0 };

static void
records(void **state)
{
	uint8_t b[46];
	struct iso_record r;

	(void)state;
	assert_int_equal(iso_record_decode(readme, 46, true, &r), 0);
	assert_true(r.block == 0x1234 && r.bytes == 0x5678 && r.name_len == 12 && !r.flags);
	assert_memory_equal(r.name, "README.TXT;1", 12);
	assert_int_equal(r.system_len, 0);
	assert_int_equal(r.time, 1078057845 - 3600);
	assert_int_equal(iso_record_decode(readme, 45, true, &r), -EUCLEAN);
	memcpy(b, readme, 46);
	b[9] = 0x35; /* the two orders differ */
	assert_int_equal(iso_record_decode(b, 46, true, &r), -EUCLEAN);
	assert_int_equal(iso_record_decode(b, 46, false, &r), 0);
	assert_int_equal(r.block, 0x1234);
	memcpy(b, readme, 46);
	b[32] = 13; /* to the end, without the byte that makes it even */
	assert_int_equal(iso_record_decode(b, 46, true, &r), 0);
	assert_int_equal(r.system_len, 0);
	b[32] = 14;
	assert_int_equal(iso_record_decode(b, 46, true, &r), -EUCLEAN);
	b[32] = 0;
	assert_int_equal(iso_record_decode(b, 46, true, &r), -EUCLEAN);
	b[32] = 1; /* then twelve bytes of system use */
	assert_int_equal(iso_record_decode(b, 46, true, &r), 0);
	assert_int_equal(r.system_len, 12);
	b[0] = 33;
	assert_int_equal(iso_record_decode(b, 46, true, &r), -EUCLEAN);
	assert_int_equal(iso_record_decode(b, 0, true, &r), -EUCLEAN);
}

static void
dates(void **state)
{
	static const struct {
		uint8_t b[7];
		int64_t want;
	} t[] = {
		{ { 70, 1, 1, 0, 0, 0, 0 }, 0 },
		{ { 69, 12, 31, 23, 59, 59, 0 }, -1 },
		{ { 100, 3, 1, 0, 0, 0, 0 }, 951868800 },
		{ { 100, 2, 29, 23, 59, 59, 0 }, 951868799 },
		{ { 126, 11, 25, 14, 0, 0, (uint8_t)-20 }, 1795615200 + 5 * 3600 },
		{ { 255, 12, 31, 0, 0, 0, 0 }, 5869497600 },
		{ { 0, 0, 0, 0, 0, 0, 0 }, 0 },
		{ { 70, 13, 1, 0, 0, 0, 0 }, 0 },
		{ { 70, 1, 32, 0, 0, 0, 0 }, 0 },
		{ { 70, 1, 1, 24, 0, 0, 0 }, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof t / sizeof t[0]; i++)
		assert_int_equal(iso_date(t[i].b), t[i].want);
	assert_int_equal(iso_date_long((const uint8_t *)"2000030100000099\4"), 951868800 - 3600);
	assert_int_equal(iso_date_long((const uint8_t *)"0000000000000000\0"), 0);
	assert_int_equal(iso_date_long((const uint8_t *)"20x0030100000000\0"), 0);
	assert_int_equal(iso_date_long((const uint8_t *)"2000aa0100000000\0"), 0);
}

static size_t
plain(const char *s, char out[ISO_NAME_MAX + 1])
{
	return iso_name_plain((const uint8_t *)s, strlen(s), out);
}

static void
plain_names(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "README.TXT;1", "readme.txt" },
		{ "A.;1", "a" },
		{ "FILE.;2", "file.;2" },
		{ "NOTHING", "nothing" },
		{ "X/Y", "x_y" },
		{ "DIR.EXT", "dir.ext" },
		{ ".;1", NULL },
		{ "..;1", NULL },
		{ ";1", NULL },
		{ "V;12", "v;12" },
		{ "..A;1", "..a" },
	};
	char name[ISO_NAME_MAX + 1];

	(void)state;
	for (unsigned i = 0; i < sizeof t / sizeof t[0]; i++) {
		size_t n = plain(t[i].in, name);

		assert_int_equal(n, t[i].out ? strlen(t[i].out) : 0);
		if (t[i].out)
			assert_string_equal(name, t[i].out);
	}
}

static void
joliet_names(void **state)
{
	static const uint8_t mixed[] = { 0,    'a', 0,    0xe9, 0x65, 0xe5, 0xd8, 0x3d, 0xde, 0,
					 0xdc, 1,   0xd8, 1,    0,    '/',  0,    ';',  0,    '1' };
	uint8_t wide[208];
	char name[ISO_NAME_MAX + 1], other[ISO_NAME_MAX + 1];
	size_t n;

	(void)state;
	n = iso_name_joliet(mixed, sizeof mixed, 0, name);
	assert_string_equal(name, "a\u00e9\u65e5\U0001f600___");
	assert_int_equal(n, strlen(name));
	assert_int_equal(iso_name_joliet(mixed, 1, 0, name), 0);
	assert_int_equal(iso_name_joliet((const uint8_t *)"\0.\0.", 4, 0, name), 0);
	for (unsigned i = 0; i < sizeof wide; i += 2) {
		wide[i] = 0x65;
		wide[i + 1] = 0xe5;
	}
	n = iso_name_joliet(wide, 170, 7, name); /* 85 of three bytes */
	assert_int_equal(n, 255);
	n = iso_name_joliet(wide, 208, 0x77, name); /* longer than a name can be */
	assert_true(n <= ISO_NAME_MAX && strlen(name) == n);
	assert_string_equal(name + n - 3, "~77");
	assert_true((uint8_t)name[n - 4] == 0xa5); /* not cut within a character */
	iso_name_joliet(wide, 208, 0x78, other);
	assert_true(strcmp(name, other) != 0);
}

static void
names_ok(void **state)
{
	(void)state;
	assert_true(iso_name_ok("a", 1) && iso_name_ok("...", 3) && iso_name_ok(".a", 2));
	assert_false(iso_name_ok("", 0) || iso_name_ok(".", 1) || iso_name_ok("..", 2));
	assert_false(iso_name_ok("a/b", 3) || iso_name_ok("a\0b", 3));
}

static void
skips(void **state)
{
	uint8_t b[30] = { 'S', 'P', 7, 1, 0xbe, 0xef, 3 };

	(void)state;
	assert_int_equal(iso_rock_skip(b, 30), 3);
	assert_int_equal(iso_rock_skip(b, 6), -1);
	memmove(b + 14, b, 7);
	memset(b, 0, 14);
	b[20] = 14;
	assert_int_equal(iso_rock_skip(b, 30), 14); /* after what CD-ROM XA has */
	b[18] = 0;
	assert_int_equal(iso_rock_skip(b, 30), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),     cmocka_unit_test(dates),
		cmocka_unit_test(plain_names), cmocka_unit_test(joliet_names),
		cmocka_unit_test(names_ok),    cmocka_unit_test(skips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
