/* Rules: what is taken and what is refused, what they print, when they strike. */
#include "pass.h"

#include <errno.h>
#include <os.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct pass_rules rules;

static int
setup(void **state)
{
	(void)state;
	pass_rules_init(&rules);
	return 0;
}

static void
what_is_taken_is_printed(void **state)
{
	static const char *const good[] = {
		"drop read 1%", "drop write 0.1% reply", "delay all every 3 50",
		"duplicate mkdir #1", "reorder getattr 100%", "corrupt all 0.0001%",
		"corrupt write #7", "fail open every 10 ENOSPC", "fail rename #2 4000",
		"crash mkdir #3 after", "crash unlink 12.5% before",
		"hang fsync #9223372036854775807", "fail setxattr 1% ESTALE",
		"drop flush 1%", "drop flush 1% reply", "delay clunk #1 10", "fail clunk #1 EIO",
		"reorder remove every 2", "crash clone #1 after", "hang flush #1",
		"fail xattrcreate #1 EIO", "corrupt getattr 1%", "corrupt readdir #2",
	};
	char want[2048] = "seed 0\n", got[2048];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(pass_rules_command(&rules, good[i]), 0);
		strcat(strcat(want, good[i]), "\n");
	}
	assert_int_equal(pass_rules_text(&rules, got, sizeof got), strlen(want));
	assert_string_equal(got, want);
	assert_int_equal(pass_rules_text(&rules, got, 40), 39);		/* cut, with its NUL */
	assert_memory_equal(got, want, 39);
	assert_int_equal(pass_rules_command(&rules, "clear"), 0);
	assert_int_equal(pass_rules_command(&rules, "  seed   17 "), 0);
	pass_rules_text(&rules, got, sizeof got);
	assert_string_equal(got, "seed 17\n");
}

static void
what_is_wrong_is_told(void **state)
{
	static const struct {
		const char *command, *why;
	} bad[] = {
		{ "", "command: is empty" }, { "   ", "command: is empty" },
		{ "bogus read 1%", "bogus: not a command" },
		{ "drop", "drop: needs a message's name or all" },
		{ "drop reed 1%", "reed: needs a message's name or all" },
		{ "drop read", "rate: needs a rate: 1%, 0.1%, #N or every N" },
		{ "drop read 1", "1: needs a rate: 1%, 0.1%, #N or every N" },
		{ "drop read 0%", NULL }, { "drop read 101%", NULL }, { "drop read 100.1%", NULL },
		{ "drop read 0.00001%", NULL }, { "drop read .5%", NULL },
		{ "drop read 1.%", NULL },
		{ "drop read -1%", NULL }, { "drop read %", NULL }, { "drop read 1%%", NULL },
		{ "drop read 1.2.3%", NULL }, { "drop read 99999999999999999999%", NULL },
		{ "drop read #", "#: not # and a number above 0" },
		{ "drop read #0", NULL }, { "drop read #-1", NULL }, { "drop read #1x", NULL },
		{ "drop read #9223372036854775808", NULL },
		{ "drop read every", NULL }, { "drop read every 0", "0: not a number above 0" },
		{ "drop read every x", NULL },
		{ "drop read 1% replies", "replies: only reply can follow" },
		{ "drop read 1% reply now", "now: too many words" },
		{ "drop read every 2 reply now", NULL },
		{ "delay read 1%", "delay: needs milliseconds, at most 60000" },
		{ "delay read 1% 60001", NULL }, { "delay read 1% -5", NULL },
		{ "fail read 1%", "fail: needs an error, such as EIO" },
		{ "fail read 1% EWHAT", NULL }, { "fail read 1% 0", NULL },
		{ "fail read 1% 4096", NULL },
		{ "crash read 1%", "crash: needs before or after" },
		{ "crash read 1% around", NULL },
		{ "hang read 1% 5", "5: nothing can follow the rate" },
		{ "seed", "seed: needs a number" }, { "seed x", NULL }, { "seed 1 2", NULL },
		{ "clear all", NULL },
	};
	char text[OS_ERRSTR_MAX], got[64], longest[400];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(pass_rules_command(&rules, bad[i].command), -EINVAL);
		os_errstr(text, sizeof text);
		if (bad[i].why)
			assert_string_equal(text, bad[i].why);
	}
	memset(longest, 'x', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(pass_rules_command(&rules, longest), -EINVAL);
	pass_rules_text(&rules, got, sizeof got);
	assert_string_equal(got, "seed 0\n");
	for (int i = 0; i < PASS_RULES_MAX; i++)
		assert_int_equal(pass_rules_command(&rules, "drop read 1%"), 0);
	assert_int_equal(pass_rules_command(&rules, "drop read 1%"), -ENOSPC);
}

static void
what_has_no_meaning_is_told_why(void **state)
{
	static const struct {
		const char *command, *why;
	} bad[] = {
		{ "corrupt clunk 1%", "corrupt clunk: its answer has nothing in it to corrupt" },
		{ "corrupt setattr 1%", NULL }, { "corrupt flush 1%", NULL },
		{ "duplicate clunk 1%",
		  "duplicate clunk: a fid is given up once: the second finds none" },
		{ "duplicate remove 1%", NULL }, { "duplicate clone 1%", NULL },
		{ "duplicate xattrcreate 1%", NULL },
		{ "duplicate flush 1%", "duplicate flush: a second flush finds nothing to end" },
		{ "fail flush 1% EIO", "fail flush: a flush has no error to answer with" },
		{ "drop version 1%",
		  "version: begins a session, before there are requests; Lux9 has none" },
		{ "drop stat 1%", "stat: of plain 9P2000: it is getattr here" },
		{ "drop error 1%", NULL }, { "drop auth 1%", NULL },
	};
	char text[OS_ERRSTR_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(pass_rules_command(&rules, bad[i].command), -EINVAL);
		os_errstr(text, sizeof text);
		if (bad[i].why)
			assert_string_equal(text, bad[i].why);
	}
	assert_int_equal(rules.n, 0);
}

static void
nth_and_every(void **state)
{
	struct pass_faults f;
	char got[64];

	(void)state;
	pass_rules_command(&rules, "fail mkdir #3 EIO");
	assert_false(pass_rules_pick(&rules, PASS_MKDIR, &f));
	assert_false(pass_rules_pick(&rules, PASS_READ, &f));
	assert_false(pass_rules_pick(&rules, PASS_MKDIR, &f));
	pass_rules_text(&rules, got, sizeof got);
	assert_string_equal(got, "seed 0\nfail mkdir #1 EIO\n");
	assert_true(pass_rules_pick(&rules, PASS_MKDIR, &f));
	assert_int_equal(f.kinds, 1u << PASS_FAIL);
	assert_int_equal(f.error, EIO);
	assert_int_equal(rules.n, 0);			/* spent */
	pass_rules_command(&rules, "delay all every 2 30");
	pass_rules_command(&rules, "drop read every 4 reply");
	for (int i = 1; i <= 40; i++) {
		assert_int_equal(pass_rules_pick(&rules, PASS_READ, &f), i % 2 == 0);
		assert_int_equal(f.kinds,
			(i % 2 ? 0u : 1u << PASS_DELAY) | (i % 4 ? 0u : 1u << PASS_DROP));
		assert_int_equal(f.ms, i % 2 ? 0 : 30);
		assert_int_equal(f.drop_after, i % 4 == 0);
	}
}

static void
all_is_what_has_a_meaning(void **state)
{
	struct pass_faults f;

	(void)state;
	pass_rules_command(&rules, "corrupt all 100%");
	for (unsigned m = 0; m < PASS_MESSAGES; m++)
		assert_int_equal(pass_rules_pick(&rules, m, &f), !pass_no_meaning(PASS_CORRUPT, m));
	assert_true(pass_rules_pick(&rules, PASS_READ, &f));
	assert_true(pass_rules_pick(&rules, PASS_GETATTR, &f));
	assert_false(pass_rules_pick(&rules, PASS_FSYNC, &f));
	pass_rules_command(&rules, "clear");
	pass_rules_command(&rules, "fail all 100% EIO");
	assert_false(pass_rules_pick(&rules, PASS_FLUSH, &f));
	assert_true(pass_rules_pick(&rules, PASS_CLUNK, &f));
	pass_rules_command(&rules, "drop all 100%");
	assert_true(pass_rules_pick(&rules, PASS_FLUSH, &f));
	assert_int_equal(f.kinds, 1u << PASS_DROP);
}

#define TRIES 200000

/* How often a rule by chance strikes, and which requests first, as a sum over their numbers. */
static unsigned
strikes(const char *rule, const char *seed, uint64_t *sum)
{
	struct pass_faults f;
	unsigned n = 0;

	pass_rules_command(&rules, "clear");
	pass_rules_command(&rules, seed);
	pass_rules_command(&rules, rule);
	*sum = 0;
	for (unsigned i = 0; i < TRIES; i++)
		if (pass_rules_pick(&rules, PASS_READ, &f)) {
			n++;
			*sum = *sum * 31 + i;
		}
	return n;
}

static void
chance_is_the_seeds(void **state)
{
	uint64_t a, b, c;

	(void)state;
	assert_in_range(strikes("drop read 1%", "seed 1", &a), 1850, 2150);
	strikes("drop read 1%", "seed 1", &b);
	assert_true(a == b);
	assert_in_range(strikes("drop read 1%", "seed 2", &c), 1850, 2150);
	assert_true(a != c);
	assert_in_range(strikes("drop all 0.1%", "seed 3", &a), 150, 250);
	assert_int_equal(strikes("drop all 100%", "seed 3", &a), TRIES);
	/* A second rule does not disturb the first, and draws numbers of its own. */
	pass_rules_command(&rules, "clear");
	pass_rules_command(&rules, "drop read 50%");
	pass_rules_command(&rules, "delay read 50% 1");
	unsigned both = 0;
	for (unsigned i = 0; i < TRIES; i++) {
		struct pass_faults f;

		pass_rules_pick(&rules, PASS_READ, &f);
		both += f.kinds == (1u << PASS_DROP | 1u << PASS_DELAY);
	}
	assert_in_range(both, TRIES / 4 - 1000, TRIES / 4 + 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_taken_is_printed, setup),
		cmocka_unit_test_setup(what_is_wrong_is_told, setup),
		cmocka_unit_test_setup(what_has_no_meaning_is_told_why, setup),
		cmocka_unit_test_setup(nth_and_every, setup),
		cmocka_unit_test_setup(all_is_what_has_a_meaning, setup),
		cmocka_unit_test_setup(chance_is_the_seeds, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
