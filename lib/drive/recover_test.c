/*
 * Recovery on a fake drive: suspects, late commands, disks that come and go.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake.h"
#include "os.h"

/* The port stops; which command did it nobody knows: one at a time, and the bad one fails alone. */
static void
suspects(struct fake *f)
{
	struct cmd c[MANY];
	struct cmd *bad = &c[2];

	f->poison = &bad->io;
	for (unsigned i = 0; i < MANY; i++)
		fake_send(f, &c[i], BLK_READ, i, i);
	assert_true(f->breaking);
	for (unsigned ms = 0; ms < WAIT_MS && atomic_load(&bad->result) == 1; ms++) {
		bool breaking;

		pthread_mutex_lock(&f->lock);
		breaking = f->breaking;
		f->breaking = false;
		pthread_mutex_unlock(&f->lock);
		if (breaking)
			drive_break(&f->port);
		else if (f->restarts)
			for (unsigned i = 0; i < MANY; i++)
				if (&c[i] != bad && fake_runs(f, &c[i]))
					fake_end(f, &c[i], true);
		os_sleep_ns(1000000);
	}
	assert_int_equal(bad->result, -EIO);
	assert_string_equal(bad->io.why, "read of 8 at 2: the fake broke");
	assert_int_equal(bad->io.tries, DRIVE_TRIES);
	f->poison = NULL;
	fake_end_all(f, c, MANY);
	for (unsigned i = 0; i < MANY; i++)
		if (&c[i] != bad)
			assert_int_equal(c[i].result, 0);
	assert_int_equal(f->restarts, 1 + DRIVE_TRIES);
	for (unsigned i = 0; i < f->port.nqueues; i++)
		assert_int_equal(f->queue[i].serial, 0);
}

static void
suspects_one_at_a_time(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);

	(void)state;
	suspects(f);
	fake_stop(f);
	f = fake_make(&fake_many_ops, QUEUES, DEPTH);
	suspects(f);
	fake_stop(f);
}

static void
known_culprit(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c[3];

	(void)state;
	f->verdict = DRIVE_RESEND;
	for (unsigned i = 0; i < 3; i++)
		fake_send(f, &c[i], BLK_WRITE, i, 1);
	f->blamed = (int)c[1].io.tag;
	f->final = true;
	drive_break(&f->port);
	assert_true(fake_becomes(&c[1], -EIO));
	assert_int_equal(f->restarts, 0);
	assert_int_equal(c[1].sent, 1);
	WAIT_FOR(NOW(f->running) == 2);
	assert_int_equal(f->running, 2); /* both at once */
	assert_true(c[0].sent == 2 && c[2].sent == 2);
	fake_end(f, &c[0], true);
	fake_end(f, &c[2], true);
	fake_stop(f);
}

/* One is over its time and the others are not: it can be aborted, and they run on. */
static void
late_and_aborted(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd late, other;

	(void)state;
	f->verdict = DRIVE_CONTINUE;
	f->final = true;
	fake_send(f, &late, BLK_READ, 1, 1);
	f->blamed = (int)late.io.tag;
	atomic_fetch_add(&f->ctlr.ahead_ms, drive_timeout_ms(BLK_READ) / 2);
	os_sleep_ns(300000000);
	fake_send(f, &other, BLK_READ, 2, 1);
	atomic_fetch_add(&f->ctlr.ahead_ms, drive_timeout_ms(BLK_READ) * 2 / 3);
	assert_true(fake_becomes(&late, -ETIMEDOUT));
	assert_string_equal(late.io.why, "read of 8 at 1: late");
	assert_int_equal(other.sent, 1);
	assert_true(fake_runs(f, &other));
	assert_int_equal(f->restarts, 0);
	assert_true(fake_comes(f, true));
	fake_end(f, &other, true);
	fake_stop(f);
}

static void
late_for_good(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c;

	(void)state;
	fake_send(f, &c, BLK_READ, 1, 1);
	for (unsigned i = 0; i < 100 && c.result == 1; i++) {
		atomic_fetch_add(&f->ctlr.ahead_ms, drive_timeout_ms(BLK_READ) + 1);
		os_sleep_ns(100000000);
	}
	assert_int_equal(c.result, -ETIMEDOUT);
	assert_int_equal(c.sent, DRIVE_TRIES);
	assert_int_equal(f->restarts, DRIVE_TRIES);
	fake_stop(f);
}

/*
 * A flush that is lost by a reset, or that nothing is said of, is sent again; one that the device
 * stopped for is told.
 */
static void
flushes(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c, other;

	(void)state;
	fake_send(f, &c, BLK_FLUSH, 0, 1);
	drive_reset(&f->port);
	WAIT_FOR(NOW(f->restarts) == 1 && fake_runs(f, &c));
	atomic_fetch_add(&f->ctlr.ahead_ms, drive_timeout_ms(BLK_FLUSH) + 1);
	WAIT_FOR(NOW(f->restarts) == 2 && fake_runs(f, &c));
	assert_int_equal(c.sent, 3);
	fake_end(f, &c, true);
	assert_int_equal(c.result, 0);
	fake_send(f, &c, BLK_FLUSH, 0, 1); /* who did it is not known: each alone */
	fake_send(f, &other, BLK_READ, 0, 1);
	drive_break(&f->port);
	WAIT_FOR(NOW(f->restarts) == 3 && NOW(f->running) == 1);
	if (fake_runs(f, &other))
		fake_end(f, &other, true);
	WAIT_FOR(fake_runs(f, &c));
	assert_int_equal(c.sent, 2);
	drive_break(&f->port);
	assert_true(fake_becomes(&c, -EIO));
	assert_string_equal(c.io.why, "flush: the fake broke");
	assert_int_equal(c.sent, 2);
	fake_end_all(f, &other, 1);
	assert_int_equal(other.result, 0);
	/* The device as a whole went wrong: no word of the flush. */
	f->whole = true;
	fake_send(f, &c, BLK_FLUSH, 0, 1);
	drive_break(&f->port);
	WAIT_FOR(NOW(f->restarts) == 5 && fake_runs(f, &c));
	fake_end(f, &c, true);
	assert_int_equal(c.result, 0);
	fake_stop(f);
}

/* What stopped the port is over, and no error: with its whole chain, and no longer a suspect. */
static void
over_and_not_to_blame(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c[3], sync, trim[2];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		fake_send(f, &c[i], BLK_READ, i, 1);
	drive_break(&f->port); /* nobody knows whose fault it is */
	WAIT_FOR(NOW(f->queue[0].serial) == 3);
	assert_true(fake_comes(f, true));
	f->verdict = DRIVE_OVER;
	for (unsigned i = 0; i < 3; i++) {
		WAIT_FOR(fake_runs(f, &c[i]));
		f->blamed = (int)c[i].io.tag;
		drive_break(&f->port);
		assert_true(fake_becomes(&c[i], 0));
	}
	assert_int_equal(f->queue[0].serial, 0);
	fake_disk(f)->ranges = 2;
	fake_disk(f)->range_sectors = 8;
	f->queue[0].alone_kinds = 1u << BLK_FLUSH;
	fake_send(f, &sync, BLK_FLUSH, 0, 1);
	for (unsigned i = 0; i < 2; i++)
		fake_send(f, &trim[i], BLK_DISCARD, 8 * i, 1);
	fake_end(f, &sync, true);
	assert_ptr_equal(trim[0].io.chain, &trim[1].io);
	f->blamed = (int)trim[0].io.tag;
	drive_break(&f->port);
	assert_true(fake_becomes(&trim[0], 0));
	assert_true(fake_becomes(&trim[1], 0));
	assert_int_equal(f->restarts, 1);
	fake_stop(f);
}

static void
lost_interrupt(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c;

	(void)state;
	fake_send(f, &c, BLK_READ, 1, 1);
	pthread_mutex_lock(&f->lock);
	f->ends[0][0] = 1ull << c.io.tag;
	pthread_mutex_unlock(&f->lock);
	assert_true(fake_becomes(&c, 0));
	WAIT_FOR(NOW(f->port.lost));
	assert_int_equal(f->port.lost, 1);
	assert_int_equal(f->restarts, 0);
	fake_stop(f);
}

static void
given_up(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c[MANY];

	(void)state;
	f->broken_restart = true;
	for (unsigned i = 0; i < MANY; i++)
		fake_send(f, &c[i], BLK_READ, i, i);
	drive_break(&f->port);
	for (unsigned i = 0; i < MANY; i++)
		assert_true(fake_becomes(&c[i], -ENODEV));
	assert_int_equal(f->restarts, DRIVE_RESETS);
	assert_string_equal(c[0].io.why, "the disk does not come back after a reset");
	assert_true(fake_comes(f, false));
	f->broken_restart = false;
	drive_change(&f->port); /* it is pulled out and put in again */
	assert_true(fake_comes(f, true));
	fake_send(f, &c[0], BLK_READ, 0, 1);
	fake_end(f, &c[0], true);
	fake_stop(f);
}

/* A disk that is gone gets no command any more, its successor none of its. */
static void
gone_and_back(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct drive_disk *old = fake_disk(f);
	struct cmd c[MANY], late;

	(void)state;
	atomic_fetch_add(&old->refs, 1);
	for (unsigned i = 0; i < MANY; i++)
		fake_send(f, &c[i], BLK_READ, i, i);
	f->there = false;
	drive_change(&f->port);
	for (unsigned i = 0; i < MANY; i++)
		assert_true(fake_becomes(&c[i], -ENODEV));
	assert_string_equal(c[0].io.why, "the disk is gone");
	pthread_mutex_lock(&f->lock);
	memset(f->tag, 0, sizeof f->tag);
	f->running = 0;
	pthread_mutex_unlock(&f->lock);
	f->there = true;
	drive_change(&f->port);
	assert_true(fake_comes(f, true));
	fake_prepare(&late, BLK_WRITE, 5, 1);
	drive_send(old, &late.io);
	assert_int_equal(late.result, -ENODEV);
	assert_int_equal(late.sent, 0);
	assert_true(fake_disk(f) != old);
	fake_send(f, &c[0], BLK_READ, 0, 1);
	fake_end(f, &c[0], true);
	drive_disk_put(old);
	fake_stop(f);
}

static void
another_disk(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c;

	(void)state;
	fake_send(f, &c, BLK_READ, 1, 1);
	f->other = -ESTALE;
	drive_change(&f->port);
	assert_true(fake_becomes(&c, -ENODEV));
	assert_string_equal(c.io.why, "another disk is there");
	WAIT_FOR(NOW(f->probes) >= 2);
	assert_int_equal(f->probes, 2);
	assert_true(fake_comes(f, true));
	fake_stop(f);
}

/* One of two disks behind a port goes; the other's commands go on. */
static void
one_of_two(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, 2);
	struct drive_disk *a, *b;
	struct cmd c[6];

	(void)state;
	f->there = false;
	drive_change(&f->port);
	assert_true(fake_comes(f, false));
	f->there = true;
	f->ndisks = 2;
	drive_change(&f->port);
	assert_true(fake_comes(f, true));
	a = fake_disk(f);
	b = a->next;
	atomic_fetch_add(&a->refs, 1); /* as lib/blk does for who has it open */
	for (unsigned i = 0; i < 6; i++) {
		fake_prepare(&c[i], BLK_READ, i, i);
		drive_send(i & 1 ? b : a, &c[i].io);
	}
	drive_disk_drop(a, "gone");
	assert_int_equal(c[0].result, 1); /* in flight */
	assert_int_equal(c[2].result, -ENODEV);
	assert_int_equal(c[4].result, -ENODEV);
	fake_end(f, &c[0], true);
	fake_end(f, &c[1], true);
	fake_end(f, &c[3], true);
	fake_end(f, &c[5], true);
	assert_ptr_equal(fake_disk(f), b);
	drive_disk_put(a);
	fake_stop(f);
}

/* The one of them that runs. */
static void
end_first(struct fake *f, struct cmd *c)
{
	for (unsigned i = 0; i < QUEUES; i++)
		if (fake_runs(f, &c[i])) {
			fake_end(f, &c[i], true);
			return;
		}
	fail_msg("none of them runs");
}

/*
 * Commands of one disk are suspects, so the other queues are closed; it goes, and with it those
 * that waited: the other disk's commands in those queues go on.
 */
static void
suspects_go(struct fake *f, bool first)
{
	struct drive_disk *a, *b;
	struct cmd c[QUEUES], other;

	fake_two_disks(f, &a, &b);
	atomic_fetch_add(&a->refs, 1);
	for (unsigned i = 0; i < QUEUES; i++) {
		fake_prepare(&c[i], BLK_READ, i, i);
		drive_send(a, &c[i].io);
	}
	f->restarts = 0;
	drive_break(&f->port);
	fake_restarts(f, 1);
	assert_true(fake_comes(f, true));
	WAIT_FOR(NOW(f->running) == 1);
	assert_int_equal(f->running, 1);
	fake_prepare(&other, BLK_READ, 1, 1);
	drive_send(b, &other.io);
	assert_false(fake_runs(f, &other));
	if (!first) {
		end_first(f, c);
		assert_int_equal(f->running, 1);
	}
	drive_disk_drop(a, "gone");
	end_first(f, c);
	for (unsigned i = 0; i < QUEUES; i++)
		assert_int_not_equal(c[i].result, 1);
	WAIT_FOR(fake_runs(f, &other));
	fake_end(f, &other, true);
	assert_int_equal(other.result, 0);
	drive_disk_put(a);
}

static void
suspects_go_with_their_disk(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct fake *f = fake_make(&fake_many_ops, QUEUES, DEPTH);

		suspects_go(f, i);
		fake_stop(f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suspects_one_at_a_time),
		cmocka_unit_test(known_culprit),
		cmocka_unit_test(late_and_aborted),
		cmocka_unit_test(late_for_good),
		cmocka_unit_test(flushes),
		cmocka_unit_test(over_and_not_to_blame),
		cmocka_unit_test(lost_interrupt),
		cmocka_unit_test(given_up),
		cmocka_unit_test(gone_and_back),
		cmocka_unit_test(another_disk),
		cmocka_unit_test(one_of_two),
		cmocka_unit_test(suspects_go_with_their_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
