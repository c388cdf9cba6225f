/*
 * What a driver of disks says of itself, on a fake drive.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake.h"
#include "os.h"

/* Lets the clock of deadlines go on, and waits until the keeper has seen it. */
static void
pass(struct fake *f, unsigned ms)
{
	uint64_t before = atomic_load(&f->ctlr.now_ms);

	atomic_fetch_add(&f->ctlr.ahead_ms, ms);
	for (unsigned i = 0; i < WAIT_MS && atomic_load(&f->ctlr.now_ms) < before + ms; i++)
		os_sleep_ns(1000000);
}

static void
says(struct fake *f, const char *want)
{
	char text[OS_ERRSTR_MAX] = "";
	int err;

	os_set_errstr("%s", "");
	err = drive_health(&f->server);
	os_errstr(text, sizeof text);
	if (want)
		assert_non_null(strstr(text, want));
	else
		assert_string_equal(text, "");
	assert_int_equal(err < 0, want != NULL);
}

/* As says, and then for how many seconds: so many, or a few more if the host was late. */
static void
says_since(struct fake *f, const char *what, unsigned least)
{
	char text[OS_ERRSTR_MAX] = "";
	unsigned seconds;

	says(f, what);
	os_errstr(text, sizeof text);
	assert_int_equal(sscanf(strstr(text, what) + strlen(what), "%u s", &seconds), 1);
	assert_in_range(seconds, least, least + 30);
}

/* In flight, or waiting; also when it was sent again since. */
static void
old_commands(void **state)
{
	struct fake *f = fake_make(&fake_many_ops, QUEUES, DEPTH);
	struct cmd c, waits;

	(void)state;
	says(f, NULL);
	fake_send(f, &c, BLK_WRITE, 1, 1);
	pass(f, DRIVE_LATE_MS / 4);
	says(f, NULL);
	pass(f, 2 * DRIVE_LATE_MS + 500);
	says_since(f, "0.5.0 port 7: a write of sdX0 takes ", 5);
	drive_break(&f->port);
	WAIT_FOR(NOW(c.sent) >= 2);
	assert_true(fake_comes(f, true));
	says_since(f, "0.5.0 port 7: a write of sdX0 takes ", 5);
	fake_end(f, &c, true);
	says(f, NULL);
	fake_send(f, &c, BLK_ZERO, 1, 1);
	pass(f, DRIVE_LATE_MS + 1000);
	says_since(f, "0.5.0 port 7: a zero of sdX0 takes ", 3);
	fake_end(f, &c, true);
	drive_queue_close(&f->queue[1]);
	fake_send(f, &waits, BLK_READ, 1, 1);
	pass(f, DRIVE_LATE_MS + 1000);
	assert_int_equal(waits.sent, 0);
	says_since(f, "0.5.0 port 7: a read of sdX0 takes ", 3);
	drive_queue_open(&f->queue[1]);
	fake_end(f, &waits, true);
	says(f, NULL);
	fake_stop(f);
}

/* It answers while the keeper does not come back from a reset. */
static void
resets(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c;

	(void)state;
	atomic_store(&f->slow_restart, true);
	fake_send(f, &c, BLK_READ, 1, 1);
	drive_break(&f->port);
	WAIT_FOR(NOW(f->restarts));
	says(f, "0.5.0 port 7: it is being reset");
	atomic_store(&f->slow_restart, false);
	assert_true(fake_comes(f, true));
	fake_end_all(f, &c, 1);
	says(f, NULL);
	fake_stop(f);
}

/* A keeper that is busy, whatever with, looks after nobody else. */
static void
busy_keeper(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);

	(void)state;
	f->there = false;
	drive_change(&f->port);
	assert_true(fake_comes(f, false));
	says(f, NULL);
	atomic_store(&f->slow_probe, true);
	f->there = true;
	drive_change(&f->port);
	os_sleep_ns((DRIVE_LATE_MS + 300) * 1000000ull);
	says_since(f, "0.5.0 port 7: it is looked after for ", DRIVE_LATE_MS / 1000);
	atomic_store(&f->slow_probe, false);
	assert_true(fake_comes(f, true));
	fake_stop(f);
}

static void
given_up(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);

	(void)state;
	f->broken_restart = true;
	drive_break(&f->port);
	assert_true(fake_comes(f, false));
	says(f, "0.5.0 port 7: its disk was given up");
	f->broken_restart = false;
	drive_change(&f->port);
	assert_true(fake_comes(f, true));
	says(f, NULL);
	fake_stop(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_commands),
		cmocka_unit_test(resets),
		cmocka_unit_test(busy_keeper),
		cmocka_unit_test(given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
