/*
 * Commands on a fake drive: tags, order, turns, ends, what the disk says of itself.
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

static void
depth_and_tags(void **state)
{
	static const unsigned depths[] = { 1, 4, 63, 64, 65, 1000, DRIVE_TAGS_MAX };

	(void)state;
	for (unsigned i = 0; i < sizeof depths / sizeof depths[0]; i++) {
		struct fake *f = fake_make(&fake_ops, 1, depths[i]);
		unsigned n = depths[i] + 10;
		struct cmd *c = calloc(n, sizeof *c);

		for (unsigned k = 0; k < n; k++)
			fake_send(f, &c[k], BLK_READ, k, 1);
		assert_int_equal(f->running, depths[i]);
		assert_int_equal(f->queue[0].nwaiting, 10);
		for (unsigned k = 0; k < n; k++)
			fake_end(f, &c[k], true);
		for (unsigned k = 0; k < n; k++)
			assert_int_equal(c[k].result, 0);
		assert_int_equal(f->most, depths[i]);
		free(c);
		fake_stop(f);
	}
}

/* Ends of tags that are free, or that never were, are the device's fault and change nothing. */
static void
stray_ends(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c;

	(void)state;
	fake_send(f, &c, BLK_READ, 1, 1);
	pthread_mutex_lock(&f->lock);
	f->ends[0][0] = 0xfffffffffffffff0;
	f->ends[0][DRIVE_TAGS_MAX / 64 - 1] = UINT64_MAX;
	pthread_mutex_unlock(&f->lock);
	drive_reap(&f->queue[0]);
	assert_int_equal(c.result, 1);
	assert_int_equal(f->queue[0].stray, 60 + 64);
	fake_end(f, &c, true);
	assert_int_equal(c.result, 0);
	fake_stop(f);
}

static void
one_alone(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c[6];

	(void)state;
	f->queue[0].alone_kinds = 1 << BLK_FLUSH;
	fake_send(f, &c[0], BLK_WRITE, 0, 1);
	fake_send(f, &c[1], BLK_WRITE, 8, 1);
	fake_send(f, &c[2], BLK_FLUSH, 0, 2);
	fake_send(f, &c[3], BLK_WRITE, 16, 3);
	fake_send(f, &c[4], BLK_FLUSH, 0, 3);
	fake_send(f, &c[5], BLK_READ, 24, 4);
	assert_int_equal(f->running, 2);
	fake_end(f, &c[1], true);
	assert_false(fake_runs(f, &c[2]));
	fake_end(f, &c[0], true);
	assert_true(fake_runs(f, &c[2]));
	assert_int_equal(f->running, 1);
	fake_end(f, &c[2], true);
	assert_true(fake_runs(f, &c[3]));
	assert_int_equal(f->running, 1);
	fake_end(f, &c[3], true);
	assert_true(fake_runs(f, &c[4]) && !fake_runs(f, &c[5]));
	fake_end(f, &c[4], true);
	fake_end(f, &c[5], true);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(c[i].result, 0);
	fake_stop(f);
}

/* A client with few commands does not wait for all of one with many. */
static void
clients_take_turns(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd deep[MANY], shallow[2];

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		fake_send(f, &deep[i], BLK_READ, i, 0x10000);
	fake_send(f, &shallow[0], BLK_READ, 500, 0x20000);
	fake_send(f, &shallow[1], BLK_READ, 501, 0x20000);
	for (unsigned i = 0; i < 4; i++)
		fake_end(f, &deep[i], true);
	assert_true(shallow[0].order && shallow[0].order <= DEPTH + 2);
	assert_true(shallow[1].order && shallow[1].order <= DEPTH + 4);
	fake_end_all(f, deep, MANY);
	fake_end_all(f, shallow, 2);
	for (unsigned i = 1; i < MANY; i++)
		assert_true(deep[i].order > deep[i - 1].order);
	fake_stop(f);
}

static void
send_large(struct fake *f, struct cmd *c, uint64_t sector, uintptr_t client)
{
	fake_prepare(c, BLK_READ, sector, client);
	c->io.nsectors = 2 * DRIVE_FLOW_KIB / 4; /* a quarter of what a client may have */
	drive_send(fake_disk(f), &c->io);
}

/* One client's large commands do not fill the device: small ones, and another's, go at once. */
static void
large_ones_leave_room(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, 32);
	struct cmd deep[MANY], large[2], small[DRIVE_FLOWS];

	(void)state;
	fake_disk(f)->info.secsize = 512;
	for (unsigned i = 0; i < MANY; i++)
		send_large(f, &deep[i], i, 0x10000);
	assert_int_equal(f->running, 4);
	/* As many clients as there are flows: none comes behind the first by chance. */
	for (unsigned i = 0; i < DRIVE_FLOWS - 2; i++) {
		fake_send(f, &small[i], BLK_READ, 500 + i, 0x20000 + 0x1040 * i);
		assert_true(fake_runs(f, &small[i]));
	}
	send_large(f, &large[0], 700, 0x90000);
	assert_true(fake_runs(f, &large[0]));
	/* One ends, one goes; a small one frees nothing. */
	fake_end(f, &small[0], true);
	assert_int_equal(f->running, 4 + DRIVE_FLOWS - 3 + 1);
	fake_end(f, &deep[1], true);
	assert_true(fake_runs(f, &deep[4]) && !fake_runs(f, &deep[5]));
	/* They are counted again when they are sent again. */
	drive_event(&f->port, DRIVE_EVENT_RESET);
	WAIT_FOR(fake_runs(f, &deep[4]));
	fake_end_all(f, small + 1, DRIVE_FLOWS - 3);
	fake_end_all(f, large, 1);
	fake_end_all(f, deep, MANY);
	assert_int_equal(f->queue[0].bigs | f->queue[0].full | f->queue[0].flows, 0);
	for (unsigned i = 0; i < DRIVE_FLOWS; i++)
		assert_int_equal(f->queue[0].kib[i], 0);
	for (unsigned i = 1; i < MANY; i++)
		assert_int_equal(deep[i].result, 0);
	send_large(f, &large[1], 700, 0x10000);
	fake_end(f, &large[1], true);
	assert_int_equal(large[1].result, 0);
	fake_stop(f);
}

/* A client's share is of the device: several queues divide it, down to a least one. */
static void
queues_divide_a_share(void **state)
{
	static const unsigned queues[] = { 2, DRIVE_FLOW_KIB / DRIVE_FLOW_MIN, QUEUES };

	(void)state;
	for (unsigned i = 0; i < sizeof queues / sizeof queues[0]; i++) {
		struct fake *f = fake_make(&fake_many_ops, queues[i], 32);
		unsigned each = DRIVE_FLOW_KIB / queues[i];
		struct cmd deep[MANY];

		if (each < DRIVE_FLOW_MIN)
			each = DRIVE_FLOW_MIN;
		fake_disk(f)->info.secsize = 512;
		for (unsigned n = 0; n < MANY; n++)
			send_large(f, &deep[n], n * queues[i], 0x10000); /* all in one queue */
		assert_int_equal(f->running, each / (DRIVE_FLOW_KIB / 4));
		fake_end_all(f, deep, MANY);
		for (unsigned n = 0; n < MANY; n++)
			assert_int_equal(deep[n].result, 0);
		fake_stop(f);
	}
}

/* A disk that answers nothing leaves the last tags of a queue to the other. */
static void
hung_neighbour(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, 8);
	struct cmd hung[MANY], c[MANY];
	struct drive_disk *a, *b;

	(void)state;
	fake_two_disks(f, &a, &b);
	for (unsigned i = 0; i < MANY; i++) {
		fake_prepare(&hung[i], BLK_READ, i, i % 3);
		drive_send(a, &hung[i].io);
	}
	assert_int_equal(f->running, 6);
	for (unsigned i = 0; i < MANY; i++) {
		fake_prepare(&c[i], BLK_READ, i, 7);
		drive_send(b, &c[i].io);
		assert_int_equal(f->running, 7);
	}
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(fake_runs(f, &c[i]));
		fake_end(f, &c[i], true);
		assert_int_equal(c[i].result, 0);
	}
	assert_int_equal(f->running, 6);
	fake_end_all(f, hung, MANY);
	fake_stop(f);
}

static void
one_that_fails_alone(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd bad, good;

	(void)state;
	f->retry = DRIVE_AGAIN;
	fake_send(f, &bad, BLK_READ, 100, 1);
	fake_send(f, &good, BLK_READ, 200, 1);
	for (unsigned i = 0; i < DRIVE_TRIES; i++)
		fake_end(f, &bad, false);
	assert_int_equal(bad.result, -EIO);
	assert_int_equal(bad.sent, DRIVE_TRIES);
	assert_string_equal(bad.io.why, "read of 8 at 100: the fake says so");
	assert_int_equal(good.sent, 1);
	fake_end(f, &good, true);
	f->retry = DRIVE_FINAL;
	fake_send(f, &bad, BLK_WRITE, 8, 1);
	fake_end(f, &bad, false);
	assert_int_equal(bad.result, -EIO);
	assert_int_equal(bad.sent, 1);
	assert_int_equal(f->port.errors, DRIVE_TRIES + 1);
	assert_int_equal(f->port.retries, DRIVE_TRIES - 1);
	assert_int_equal(f->restarts, 0);
	assert_string_equal(f->port.last_error, "write of 8 at 8: the fake says so");
	fake_stop(f);
}

/* Another's success would be no answer; but what was not begun may be sent again. */
static void
flush_that_fails(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c;

	(void)state;
	f->retry = DRIVE_AGAIN;
	fake_send(f, &c, BLK_FLUSH, 0, 1);
	fake_end(f, &c, false);
	assert_int_equal(c.result, -EIO);
	assert_int_equal(c.sent, 1);
	assert_int_equal(f->port.errors, 1);
	assert_int_equal(f->port.retries, 0);
	assert_string_equal(f->port.last_error, "flush: the fake says so");
	fake_send(f, &c, BLK_FLUSH, 0, 1);
	fake_end(f, &c, true);
	assert_int_equal(c.result, 0);
	f->retry = DRIVE_UNDONE;
	fake_send(f, &c, BLK_FLUSH, 0, 1);
	for (unsigned i = 1; i < DRIVE_TRIES; i++)
		fake_end(f, &c, false);
	fake_end(f, &c, true);
	assert_int_equal(c.result, 0);
	assert_int_equal(c.sent, DRIVE_TRIES);
	fake_stop(f);
}

/* The disk cannot write past its cache: the flush behind such a write is that write's. */
static void
write_whose_flush_fails(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c;

	(void)state;
	f->retry = DRIVE_AGAIN;
	fake_prepare(&c, BLK_WRITE, 0, 1);
	c.io.fua = true;
	drive_send(fake_disk(f), &c.io);
	fake_end(f, &c, false);
	assert_int_equal(c.sent, 2);
	fake_end(f, &c, true);
	assert_int_equal(c.sent, 3);
	assert_int_equal(c.io.kind, BLK_FLUSH);
	assert_int_equal(c.result, 1);
	fake_end(f, &c, false);
	assert_int_equal(c.result, -EIO);
	assert_int_equal(c.sent, 3);
	fake_stop(f);
}

static void
refused_by_build(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, 1);
	struct cmd c[3];

	(void)state;
	fake_send(f, &c[0], BLK_READ, SECTORS, 1);
	assert_int_equal(c[0].result, -EINVAL);
	fake_send(f, &c[0], BLK_READ, 0, 1);
	fake_send(f, &c[1], BLK_READ, SECTORS, 1);
	fake_send(f, &c[2], BLK_READ, 0, 1);
	fake_end(f, &c[0], true);
	assert_int_equal(c[1].result, -EINVAL);
	fake_end(f, &c[2], true);
	fake_stop(f);
}

static void
discards_go_together(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct cmd c[6];

	(void)state;
	f->queue[0].alone_kinds = 1 << BLK_DISCARD;
	f->retry = DRIVE_AGAIN;
	fake_disk(f)->ranges = 3;
	fake_disk(f)->range_sectors = 4; /* each needs two ranges */
	fake_send(f, &c[0], BLK_DISCARD, 0, 1);
	fake_send(f, &c[1], BLK_DISCARD, 8, 1);
	fake_send(f, &c[2], BLK_DISCARD, 16, 2);
	fake_end(f, &c[0], true);
	assert_false(fake_runs(f, &c[2]));
	fake_end(f, &c[1], true);
	fake_end(f, &c[2], true);
	fake_disk(f)->ranges = 4;
	for (unsigned i = 0; i < 5; i++)
		fake_send(f, &c[i], BLK_DISCARD, 8 * i, i);
	fake_send(f, &c[5], BLK_READ, 0, 1);
	fake_end(f, &c[0], true);
	assert_true(fake_runs(f, &c[1]) && fake_runs(f, &c[2]) && !fake_runs(f, &c[3]));
	fake_end(f, &c[1], false); /* the pair fails: each is tried alone */
	assert_true(fake_runs(f, &c[1]) != fake_runs(f, &c[2]));
	fake_end_all(f, c, 6);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(c[i].result, 0);
	assert_int_equal(c[1].order == c[2].order, 0);
	assert_int_equal(c[3].order, c[4].order);
	fake_stop(f);
}

static void *
own_thread(void *arg)
{
	struct fake *f = arg;
	struct drive_command c = { .bytes = 512, .alone = true };
	uint8_t buf[512];

	assert_int_equal(drive_command(fake_disk(f), &c, buf), 0);
	for (unsigned i = 0; i < sizeof buf; i++)
		assert_int_equal(buf[i], (uint8_t)i);
	return NULL;
}

static void
own_command(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	struct blk_io *io = NULL;
	pthread_t t;

	(void)state;
	pthread_create(&t, NULL, own_thread, f);
	for (unsigned ms = 0; ms < WAIT_MS && !io; ms++) {
		os_sleep_ns(1000000);
		pthread_mutex_lock(&f->lock);
		io = f->tag[0][0];
		pthread_mutex_unlock(&f->lock);
	}
	assert_non_null(io);
	assert_int_equal(io->kind, DRIVE_OWN);
	assert_int_equal(io->seg->bytes, 512);
	for (unsigned i = 0; i < 512; i++)
		((uint8_t *)io->data)[i] = (uint8_t)i;
	pthread_mutex_lock(&f->lock);
	f->ends[0][0] = 1;
	pthread_mutex_unlock(&f->lock);
	drive_reap(&f->queue[0]);
	pthread_join(t, NULL);
	fake_stop(f);
}

static void
texts(void **state)
{
	struct fake *f = fake_make(&fake_ops, 1, DEPTH);
	char text[1024];

	(void)state;
	drive_blk_ops.describe(fake_disk(f), text, sizeof text);
	assert_string_equal(text, "controller 0.5.0 port 7\nport-state ready\nlast-error "
				  "sdX0 cannot be added: Invalid argument\n");
	drive_blk_ops.statistics(fake_disk(f), text, sizeof text);
	assert_string_equal(text, "commands 0\nerrors 0\nretries 0\nresets 0\nlost-interrupts 0\n"
				  "polled-ends 0\nlink-changes 0\nstray-ends 0\n");
	assert_int_equal(drive_blk_ops.describe(fake_disk(f), text, 12), 11);
	assert_int_equal(drive_blk_ops.command(fake_disk(f), "dance"), -EINVAL);
	assert_int_equal(drive_blk_ops.command(fake_disk(f), "reset"), 0);
	fake_restarts(f, 1);
	fake_stop(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(depth_and_tags),
		cmocka_unit_test(stray_ends),
		cmocka_unit_test(one_alone),
		cmocka_unit_test(clients_take_turns),
		cmocka_unit_test(large_ones_leave_room),
		cmocka_unit_test(queues_divide_a_share),
		cmocka_unit_test(hung_neighbour),
		cmocka_unit_test(one_that_fails_alone),
		cmocka_unit_test(flush_that_fails),
		cmocka_unit_test(write_whose_flush_fails),
		cmocka_unit_test(refused_by_build),
		cmocka_unit_test(discards_go_together),
		cmocka_unit_test(own_command),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
