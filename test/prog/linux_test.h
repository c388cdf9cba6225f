/*
 * For programs that check Linux system calls from inside: ordinary programs of a C library, which
 * must say the same on Linux and on Lux9.  Each prints a line `ok NAME` or `FAIL NAME LINE WHAT`
 * for each test, and exits 0 only if none failed.  Files are made in $TMPDIR or /tmp.
 */
#pragma once
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int test_failed;		/* in the test that runs */

#define CHECK(x) \
	((x) ? (void)0 : (printf("FAIL %s %d %s (errno %d)\n", __func__, __LINE__, #x, errno), \
			  (void)(test_failed = 1)))
/* For what the rest of a test needs. */
#define NEED(x) \
	do { \
		if (!(x)) { \
			printf("FAIL %s %d %s (errno %d)\n", __func__, __LINE__, #x, errno); \
			test_failed = 1; \
			return; \
		} \
	} while (0)
#define CHECK_ERR(x, e)	(errno = 0, CHECK((x) == -1 && errno == (e)))

struct test {
	const char *name;
	void (*run)(void);
};
#define TEST(f)	{ #f, f }

/* With arguments: only the tests so named. */
static inline int
run_tests(const struct test *t, size_t n, int argc, char **argv)
{
	const char *dir = getenv("TMPDIR");
	int failures = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (chdir(dir ? dir : "/tmp") < 0) {
		perror(dir ? dir : "/tmp");
		return 1;
	}
	for (size_t i = 0; i < n; i++) {
		int wanted = argc < 2;

		for (int a = 1; a < argc; a++)
			wanted |= strcmp(argv[a], t[i].name) == 0;
		if (!wanted)
			continue;
		test_failed = 0;
		t[i].run();
		failures += test_failed;
		if (!test_failed)
			printf("ok %s\n", t[i].name);
	}
	return failures != 0;
}
#define RUN_TESTS(list) \
	return run_tests(list, sizeof(list) / sizeof((list)[0]), argc, argv)
