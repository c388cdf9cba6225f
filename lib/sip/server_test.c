/* The base server: options, states, health texts, the order of a life, what an error undoes. */
#include "os.h"
#include "sip.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char trace[256];
static int fail_at;		/* which step fails: the letter in the trace */

static int
step(char c)
{
	size_t n = strlen(trace);
	trace[n] = c;
	trace[n + 1] = '\0';
	return c == fail_at ? -EIO : 0;
}

static int initialize(struct sip_server *s) { (void)s; return step('i'); }
static int start(struct sip_server *s) { (void)s; return step('s'); }
static void stop(struct sip_server *s) { (void)s; step('S'); }
static const char *health_why = "";
static int
health(struct sip_server *s)
{
	(void)s;
	if (fail_at == 'h')
		os_set_errstr("%s", health_why);
	return fail_at == 'h' ? -EIO : 0;
}
static int unmount(struct sip_server *s) { (void)s; return step('M'); }

static int
mount(struct sip_server *s, const char *device)
{
	(void)s;
	assert_string_equal("disk", device);
	return step('m');
}

static bool flag, red, blue;
static const char *word;
static uint64_t number, size, small;
static const struct sip_word words[] = {
	{ "red", &red }, { "blue", &blue }, { "rw", NULL }, { 0 },
};

static const struct sip_option options[] = {
	{ "flag", NULL, "a flag", SIP_OPT_FLAG, &flag },
	{ "word", "W", "a word", SIP_OPT_STRING, &word },
	{ "number", "N", "a number", SIP_OPT_NUMBER, &number },
	{ "size", "S", "a size", SIP_OPT_SIZE, &size },
	{ "small", "N", "a small number", SIP_OPT_NUMBER32, &small },
	{ "o", "WORDS", "words", SIP_OPT_WORDS, (void *)words },
	{ 0 },
};
static const struct sip_server_ops server_ops = {
	.initialize = initialize, .start = start, .stop = stop, .health = health,
};
static const struct sip_fs_ops fs_ops = { .mount = mount, .unmount = unmount };
static const struct sip_type type = {
	.name = "test", .about = "A test.", .server = &server_ops, .fs = &fs_ops,
	.options = options,
};
static struct sip_server s;

static int
setup(void **state)
{
	(void)state;
	trace[0] = '\0';
	fail_at = 0;
	return sip_init(&s, &type);
}

static int
parse(const char *line)
{
	static char copy[256];
	char *argv[32] = { copy }, *p = copy;
	int argc = 0;
	strcpy(copy, line);
	for (char *w; argc < 31 && (w = strsep(&p, " ")) != NULL; )
		argv[argc++] = w;
	return sip_parse(&s, argc, argv);
}

static void
good_options(void **state)
{
	(void)state;
	assert_int_equal(0, parse("test"));
	assert_string_equal("test", s.config.name);
	assert_int_equal(0, parse("test -mount /m -listen unix!/x -device disk -d -r -name n -flag "
		"-word -r -number 0x10"));
	assert_int_equal(0, parse("test -size 3M"));
	assert_int_equal(16, number);
	assert_int_equal(3 << 20, size);
	assert_true(flag && s.config.debug && s.config.readonly);
	assert_int_equal(1, parse("test -h"));
}

static void
words_of_options(void **state)
{
	(void)state;
	red = blue = false;
	assert_int_equal(0, parse("test -o rw,,blue, -small 4294967295"));
	assert_true(blue && !red && small == UINT32_MAX);
	assert_int_equal(0, parse("test -o red,blue"));
	assert_true(red);
}

/* A file system without a device is no server; with -h it tells what it would be. */
static void
needed_device(void **state)
{
	static const struct sip_fs_ops needs = { .mount = mount, .needs_device = true };
	static const struct sip_type needy = { .name = "needy", .about = "A test.", .fs = &needs };
	(void)state;
	assert_int_equal(0, sip_init(&s, &needy));
	assert_int_equal(-EINVAL, parse("needy"));
	assert_int_equal(1, parse("needy -h"));
	assert_int_equal(0, parse("needy -device x"));
}

static void
bad_options(void **state)
{
	static const char *const bad[] = {
		"test x", "test -", "test -none", "test -mount", "test -number x", "test -size 3Q",
		"test -number", "test --flag", "test -name a/b", "test -name .",
		"test -small 4294967296", "test -small -1", "test -small x", "test -o green",
		"test -o red,gre", "test -o redd", "test -o re", "test -o",
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(-EINVAL, parse(bad[i]));
}

static void
states(void **state)
{
	(void)state;
	assert_true(sip_state_may(SIP_UNKNOWN, SIP_STARTING));
	assert_false(sip_state_may(SIP_UNKNOWN, SIP_HEALTHY));
	assert_false(sip_state_may(SIP_STOPPED, SIP_HEALTHY));
	assert_true(sip_state_may(SIP_STOPPED, SIP_STARTING));
	assert_true(sip_state_may(SIP_FAILING, SIP_HEALTHY));
	assert_false(sip_state_may(SIP_HEALTHY, (enum sip_state)17));
	for (int i = SIP_UNKNOWN; i <= SIP_STOPPED; i++) {
		assert_int_equal(i, sip_state_parse(sip_state_name((enum sip_state)i)));
		assert_int_equal(i != SIP_UNKNOWN, sip_state_may((enum sip_state)i, SIP_STOPPED));
	}
	assert_int_equal(SIP_FAILED, sip_state_parse("failed"));
	assert_false(sip_state_may(SIP_STARTING, SIP_FAILED));
	assert_false(sip_state_may(SIP_FAILED, SIP_STOPPED));
	assert_int_equal(-EINVAL, sip_state_parse("well"));
	assert_int_equal(-EINVAL, sip_set_state(&s, SIP_HEALTHY, NULL));
	assert_int_equal(SIP_UNKNOWN, s.health.state);
}

static void
health_text(void **state)
{
	char text[512];
	(void)state;
	assert_int_equal(0, sip_set_state(&s, SIP_STARTING, "now\nstate healthy"));
	sip_count(&s);
	sip_count(&s);
	sip_error(&s, "bad %s", "disk\nstate healthy");
	size_t n = sip_health_text(&s, text, sizeof text);
	assert_int_equal(strlen(text), n);
	assert_string_equal("state starting\nrequests 2\nerrors 1\nmessage now?state healthy\n"
		"last bad disk?state healthy\n", text);
	assert_int_equal(4, sip_health_text(&s, text, 5));
	assert_string_equal("stat", text);
}

static void
life(void **state)
{
	(void)state;
	s.config.device = "disk";
	assert_int_equal(0, sip_start(&s));
	assert_int_equal(SIP_STARTING, s.health.state);
	sip_finish(&s);
	assert_string_equal("imsSM", trace);
	assert_int_equal(SIP_STOPPED, s.health.state);
}

static void
life_cut_short(void **state)
{
	static const char *const after[] = { "i", "im", "ims" };
	static const char *const undone[] = { "i", "imS", "imsSM" };
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		setup(NULL);
		s.config.device = "disk";
		fail_at = (unsigned char)after[i][i];
		assert_int_equal(-EIO, sip_start(&s));
		assert_string_equal(after[i], trace);
		sip_finish(&s);
		assert_string_equal(undone[i], trace);
	}
}

/* The reporting thread asks, and what it writes is what the kernel reads. */
static void
reports(void **state)
{
	char path[] = "/tmp/sip" "XX" "XX" "XX", text[512] = "";
	(void)state;
	s.health_fd = mkstemp(path);
	sip_set_state(&s, SIP_STARTING, NULL);
	sip_set_state(&s, SIP_HEALTHY, NULL);
	assert_true(pread(s.health_fd, text, sizeof text - 1, 0) > 0);
	assert_string_equal("state starting\nrequests 0\nerrors 0\nstate healthy\nrequests 0\n"
		"errors 0\n", text);
	s.report_ms = 3600000;
	assert_int_equal(0, sip_health_start(&s));
	sip_error(&s, "the first");	/* reported at once, not after a period */
	for (int ms = 0; ms < 20000 && !strstr(text, "errors 1\nlast the first\n"); ms++) {
		os_sleep_ns(1000000);
		assert_true(pread(s.health_fd, text, sizeof text - 1, 0) > 0);
	}
	assert_non_null(strstr(text, "errors 1\nlast the first\n"));
	sip_health_end(&s);
	sip_health_end(&s);
	unlink(path);
}

/* What it says of itself is the message, with the server's text if there is one. */
static void
says_why(void **state)
{
	static const char *const why[] = { "", "disk 3\nsleeps", "disk 4 sleeps" };
	static const char *const want[] = {
		"state degraded\nrequests 0\nerrors 0\nmessage Input/output error\n",
		"message disk 3?sleeps\n", "message disk 4 sleeps\n",
	};
	char path[] = "/tmp/sip" "XX" "XX" "XX", text[8192];
	(void)state;
	s.health_fd = mkstemp(path);
	s.report_ms = SIP_REPORT_MIN_MS;
	sip_set_state(&s, SIP_STARTING, NULL);
	sip_set_state(&s, SIP_HEALTHY, NULL);
	os_set_errstr("of something else");
	fail_at = 'h';
	for (size_t i = 0; i < 3; i++) {
		health_why = why[i];
		assert_int_equal(0, sip_health_start(&s));
		text[0] = '\0';
		for (int ms = 0; ms < 20000 && !strstr(text, want[i]); ms += 10) {
			os_sleep_ns(10000000);
			ssize_t n = pread(s.health_fd, text, sizeof text - 1, 0);
			text[n > 0 ? n : 0] = '\0';
		}
		assert_non_null(strstr(text, want[i]));
		sip_health_end(&s);
	}
	fail_at = 0;
	assert_int_equal(0, sip_health_start(&s));
	for (int ms = 0; ms < 20000 && s.health.state != SIP_HEALTHY; ms += 10)
		os_sleep_ns(10000000);
	assert_int_equal(SIP_HEALTHY, s.health.state);
	sip_health_end(&s);
	assert_string_equal("well again", s.health.message);
	unlink(path);
}

static void
one_line_each(void **state)
{
	char path[] = "/tmp/sip" "XX" "XX" "XX", text[2048] = "", big[1000];
	(void)state;
	s.log_fd = mkstemp(path);
	sip_log(&s, "a\nb %d", 1);
	sip_debug(&s, "not seen");
	os_set_errstr("%s", "of another call");
	assert_int_equal(-ENOENT, sip_fail(&s, -ENOENT, "x"));
	assert_string_equal("x: No such file or directory", s.failure);
	memset(big, 'y', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	sip_log(&s, "%s", big);
	ssize_t n = pread(s.log_fd, text, sizeof text - 1, 0);
	assert_memory_equal("test: a?b 1\ntest: x: No such file or directory\ntest: y", text, 54);
	os_set_errstr("%s", "permission denied: needs file-system");
	assert_int_equal(-EACCES, sip_refused(&s, -EACCES, "/srv/%s", "x"));
	assert_string_equal("/srv/x: permission denied: needs file-system", s.failure);
	os_set_errstr("%s", "");
	assert_int_equal(-EACCES, sip_refused(&s, -EACCES, "y"));
	assert_string_equal("y: Permission denied", s.failure);
	assert_int_equal('\n', text[n - 1]);
	assert_true(n < 700);
	unlink(path);
}

int
main(void)
{
	unsetenv("SIP_NAME");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(good_options, setup),
		cmocka_unit_test_setup(bad_options, setup),
		cmocka_unit_test_setup(words_of_options, setup),
		cmocka_unit_test(needed_device),
		cmocka_unit_test_setup(states, setup), cmocka_unit_test_setup(health_text, setup),
		cmocka_unit_test_setup(life, setup), cmocka_unit_test_setup(life_cut_short, setup),
		cmocka_unit_test_setup(reports, setup), cmocka_unit_test_setup(says_why, setup),
		cmocka_unit_test_setup(one_line_each, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
