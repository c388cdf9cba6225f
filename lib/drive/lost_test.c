/*
 * Interrupts that do not come, on a fake drive: found, polled for, and back.
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

enum { SENT = 100, USEFUL_MS = 20 };

/* The device has done it, and says nothing. */
static void
end_silently(struct fake *f, struct cmd *c)
{
	unsigned queue = f->port.ops->pick ? (unsigned)c->io.sector % f->port.nqueues : 0;

	pthread_mutex_lock(&f->lock);
	f->ends[queue][c->io.tag / 64] |= 1ull << c->io.tag % 64;
	pthread_mutex_unlock(&f->lock);
}

static void
send_silently(struct fake *f, unsigned n, uint64_t sector)
{
	for (unsigned i = 0; i < n; i++) {
		struct cmd c;

		fake_send(f, &c, BLK_READ, sector, 1);
		end_silently(f, &c);
		assert_true(fake_becomes(&c, 0));
	}
}

static void
send_well(struct fake *f, unsigned n, uint64_t sector)
{
	for (unsigned i = 0; i < n; i++) {
		struct cmd c;

		fake_send(f, &c, BLK_READ, sector, 1);
		fake_end(f, &c, true);
		assert_int_equal(c.result, 0);
	}
}

static unsigned
npolled(struct fake *f)
{
	unsigned n;

	pthread_mutex_lock(&f->port.lock);
	n = f->port.npolled;
	pthread_mutex_unlock(&f->port.lock);
	return n;
}

static void
says(struct fake *f, const char *want)
{
	char text[OS_ERRSTR_MAX] = "";
	int err;

	os_set_errstr("%s", "");
	err = drive_health(&f->server);
	os_errstr(text, sizeof text);
	assert_string_equal(text, want ? want : "");
	assert_int_equal(err < 0, want != NULL);
}

static bool
text_has(struct fake *f, size_t (*of)(void *, char *, size_t), const char *what)
{
	char text[1024];

	of(fake_disk(f), text, sizeof text);
	return strstr(text, what);
}

/* Lets ticks pass in which interrupts come, until there is nothing to poll for. */
static void
interrupts_come(struct fake *f, uint64_t sector)
{
	for (unsigned i = 0; i < WAIT_MS / 10 && npolled(f); i++) {
		send_well(f, 3, sector);
		os_sleep_ns(10000000);
	}
	assert_int_equal(npolled(f), 0);
}

static void
lost_and_back(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	uint64_t before;

	(void)state;
	send_silently(f, DRIVE_LOST - 1, 1);
	says(f, NULL);
	assert_int_equal(f->looks, DRIVE_LOST - 1);
	send_silently(f, 1, 1);
	WAIT_FOR(npolled(f));
	says(f, "0.5.0 port 7: its interrupts do not come, it is polled");
	assert_string_equal(f->port.last_error, "interrupts do not come: polled every 2 ms");
	assert_true(text_has(f, drive_blk_ops.describe, "port-state polled\n"));
	before = os_time_ns();
	send_silently(f, SENT, 1);
	assert_true(os_time_ns() - before < SENT * USEFUL_MS * 1000000ull);
	says(f, "0.5.0 port 7: its interrupts do not come, it is polled");
	assert_true(text_has(f, drive_blk_ops.statistics, "lost-interrupts 3\npolled-ends 103\n"));
	interrupts_come(f, 1);
	says(f, NULL);
	assert_true(text_has(f, drive_blk_ops.describe, "port-state ready\n"));
	assert_int_equal(f->port.lost, DRIVE_LOST);
	assert_int_equal(f->restarts, 0);
	fake_stop(f);
}

/* A device that is idle is not looked at, and one that is slow is not called deaf. */
static void
only_while_busy(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c;
	unsigned looks;

	(void)state;
	send_silently(f, DRIVE_LOST, 1);
	WAIT_FOR(npolled(f));
	os_sleep_ns(2 * DRIVE_TICK_MS * 1000000ull);
	looks = NOW(f->looks);
	os_sleep_ns(3 * DRIVE_TICK_MS * 1000000ull);
	assert_int_equal(NOW(f->looks), looks);
	fake_send(f, &c, BLK_READ, 1, 1);
	os_sleep_ns(3 * DRIVE_TICK_MS * 1000000ull);
	assert_true(NOW(f->looks) > looks + 20);
	assert_int_equal(c.result, 1);
	end_silently(f, &c);
	assert_true(fake_becomes(&c, 0));
	assert_int_equal(f->port.lost, DRIVE_LOST);
	fake_stop(f);
	f = fake_make(&fake_ops, 1, DEPTH);
	for (unsigned i = 0; i < DRIVE_LOST + 1; i++) {
		fake_send(f, &c, BLK_READ, 1, 1);
		os_sleep_ns(3 * DRIVE_TICK_MS * 1000000ull);
		fake_end(f, &c, true);
		assert_int_equal(c.result, 0);
	}
	assert_int_equal(f->port.lost, 0);
	assert_int_equal(npolled(f), 0);
	fake_stop(f);
}

/* The first command after a while does not wait for a tick. */
static void
idle_between(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	uint64_t before;

	(void)state;
	send_silently(f, DRIVE_LOST, 1);
	WAIT_FOR(npolled(f));
	before = os_time_ns();
	for (unsigned i = 0; i < SENT; i++) {
		os_sleep_ns(10 * DRIVE_POLL_MS * 1000000ull);
		send_silently(f, 1, 1);
	}
	assert_true(os_time_ns() - before < SENT * (10 * DRIVE_POLL_MS + USEFUL_MS) * 1000000ull);
	fake_stop(f);
}

/* Few enough in so much time are no line that is dead. */
static void
now_and_then(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);

	(void)state;
	for (unsigned i = 0; i < DRIVE_LOST + 1; i++) {
		send_silently(f, 1, 1);
		WAIT_FOR(NOW(f->port.lost) == i + 1);
		for (unsigned ms = 0; ms < WAIT_MS && NOW(f->queue[0].lost.row); ms += 50) {
			send_well(f, 1, 1);
			os_sleep_ns(50000000);
		}
		assert_int_equal(NOW(f->queue[0].lost.row), 0);
	}
	assert_int_equal(f->port.lost, DRIVE_LOST + 1);
	assert_int_equal(npolled(f), 0);
	says(f, NULL);
	fake_stop(f);
}

/* One of a device's messages is dead: its queue is polled, however well the others do. */
static void
one_of_several(void **state)
{
	struct fake *f = fake_make(&fake_many_ops, QUEUES, DEPTH);

	(void)state;
	for (unsigned i = 0; i < DRIVE_LOST; i++) {
		send_well(f, 2, 1);
		send_silently(f, 1, 2);
	}
	WAIT_FOR(npolled(f));
	assert_true(NOW(f->queue[2].polled));
	assert_string_equal(f->port.last_error,
			    "interrupts of queue 2 do not come: polled every 2 ms");
	send_well(f, 10, 1);
	os_sleep_ns(3 * DRIVE_TICK_MS * 1000000ull);
	assert_int_equal(npolled(f), 1);
	interrupts_come(f, 2);
	fake_stop(f);
}

/* Lost again and again: it must do well for longer each time. */
static void
needs_longer(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		send_silently(f, DRIVE_LOST, 1);
		WAIT_FOR(npolled(f));
		assert_int_equal(f->queue[0].lost.needed, 1u << i);
		send_silently(f, 5, 1);
		interrupts_come(f, 1);
	}
	fake_stop(f);
}

/* Its successor at the port begins anew. */
static void
disk_goes(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);

	(void)state;
	send_silently(f, DRIVE_LOST, 1);
	WAIT_FOR(npolled(f));
	f->there = false;
	drive_change(&f->port);
	assert_true(fake_comes(f, false));
	WAIT_FOR(!npolled(f));
	says(f, NULL);
	f->there = true;
	drive_change(&f->port);
	assert_true(fake_comes(f, true));
	send_silently(f, DRIVE_LOST, 1);
	WAIT_FOR(npolled(f));
	assert_int_equal(f->queue[0].lost.needed, 1);
	fake_stop(f);
}

/* A reset while it is polled: what was in flight is sent again, and found again. */
static void
reset_meanwhile(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c[3];

	(void)state;
	send_silently(f, DRIVE_LOST, 1);
	WAIT_FOR(npolled(f));
	for (unsigned i = 0; i < 3; i++)
		fake_send(f, &c[i], BLK_READ, i, 1);
	drive_event(&f->port, DRIVE_EVENT_RESET);
	fake_restarts(f, 1);
	for (unsigned i = 0; i < 3; i++) {
		WAIT_FOR(fake_runs(f, &c[i]));
		end_silently(f, &c[i]);
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_true(fake_becomes(&c[i], 0));
		assert_int_equal(c[i].sent, 2);
	}
	assert_int_equal(npolled(f), 1);
	interrupts_come(f, 1);
	fake_stop(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_and_back),   cmocka_unit_test(only_while_busy),
		cmocka_unit_test(now_and_then),    cmocka_unit_test(one_of_several),
		cmocka_unit_test(needs_longer),    cmocka_unit_test(disk_goes),
		cmocka_unit_test(reset_meanwhile), cmocka_unit_test(idle_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
