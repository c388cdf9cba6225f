/*
 * The driver on a model of the controller: errors, lost interrupts, commands that never end, wrong
 * completions.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "model/world.h"
#include "os.h"

static atomic_bool time_passes;

/* One sector is bad for good: who touches it fails, nobody else, and nothing is reset. */
static void
bad_sector(void **state)
{
	struct world *w = world_start();

	(void)state;
	w->m.bus.delay_us = 20;
	sip_model_add_fault(&w->m.bus,
			    world_fault(MODEL_FAIL, UINT32_MAX, NVME_READ, 1024 * 2 + 100));
	world_load(w, 1024 * 2 + 100, 0, NULL);
	assert_non_null(strstr(w->c->port.last_error, "status 0x281 unrecovered read error"));
	assert_int_equal(world_counter(w, &w->c->port.resets), 0);
	world_stop(w);
}

static void
tries_are_counted(void **state)
{
	struct world *w = world_start();
	struct sip_model_fault f = world_fault(MODEL_FAIL, DRIVE_TRIES - 1, NVME_READ, 7);
	uint8_t buf[512] = { 0 };

	(void)state;
	sip_model_add_fault(&w->m.bus, f);
	assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 7, 1, buf), 0);
	assert_int_equal(world_counter(w, &w->c->port.errors), DRIVE_TRIES - 1);
	f.times = DRIVE_TRIES;
	sip_model_add_fault(&w->m.bus, f);
	assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 7, 1, buf), -EIO);
	assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 7, 1, buf), 0);
	f.times = 1; /* no use, says the controller */
	f.status = NVME_READ_ERROR | NVME_DO_NOT_RETRY;
	sip_model_add_fault(&w->m.bus, f);
	assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 7, 1, buf), -EIO);
	sip_model_add_fault(&w->m.bus, world_fault(MODEL_FAIL, 1, NVME_FLUSH, UINT64_MAX));
	assert_int_equal(blk_sync(world_disk0(w), BLK_FLUSH, 0, 0, NULL), -EIO);
	assert_int_equal(w->m.ns[0].flushes, 0); /* once, and told */
	f = world_fault(MODEL_FAIL, DRIVE_TRIES - 1, NVME_FLUSH, UINT64_MAX);
	f.status = NVME_ABORTED; /* nothing failed */
	sip_model_add_fault(&w->m.bus, f);
	assert_int_equal(blk_sync(world_disk0(w), BLK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(w->m.ns[0].flushes, 1);
	world_stop(w);
}

static void
lost_interrupt(void **state)
{
	struct world *w = world_start();
	uint8_t buf[512];

	(void)state;
	sip_model_add_fault(&w->m.bus, world_fault(MODEL_NO_INTERRUPT, 1, NVME_READ, 9));
	assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 9, 1, buf), 0);
	for (unsigned ms = 0; ms < WAIT_MS && !world_counter(w, &w->c->port.lost); ms += 2)
		os_sleep_ns(2000000); /* it is counted after the answer */
	assert_int_equal(world_counter(w, &w->c->port.lost), 1);
	assert_int_equal(world_counter(w, &w->c->port.resets), 0);
	world_stop(w);
}

static void
no_interrupts(void **state)
{
	struct world *w = world_start();

	(void)state;
	drive_test_lost_interrupts(&w->m.bus, &w->c->port);
	assert_int_equal(world_counter(w, &w->c->port.resets), 0);
	world_stop(w);
}

static void *
pass_time(void *arg)
{
	struct world *w = arg;

	while (atomic_load(&time_passes)) {
		os_sleep_ns(60000000);
		atomic_fetch_add(&w->c->d.ahead_ms, drive_timeout_ms(BLK_READ) + 1);
	}
	return NULL;
}

static int
read_while_time_passes(struct world *w, uint64_t sector)
{
	uint8_t buf[512];
	pthread_t t;
	int err;

	atomic_store(&time_passes, true);
	pthread_create(&t, NULL, pass_time, w);
	err = blk_sync(world_disk0(w), BLK_READ, sector, 1, buf);
	atomic_store(&time_passes, false);
	pthread_join(t, NULL);
	return err;
}

static void
aborted_command(void **state)
{
	struct world *w = world_start();

	(void)state;
	sip_model_add_fault(&w->m.bus, world_fault(MODEL_HANG, 1, NVME_READ, 9));
	assert_int_equal(read_while_time_passes(w, 9), 0);
	assert_int_equal(w->m.aborts, 1);
	assert_int_equal(world_counter(w, &w->c->port.resets), 0);
	sip_model_add_fault(&w->m.bus, world_fault(MODEL_HANG, 100, NVME_READ, 9));
	assert_int_equal(read_while_time_passes(w, 9), -ETIMEDOUT);
	assert_int_equal(read_while_time_passes(w, 10), 0);
	world_stop(w);
}

static void
hanging_command(void **state)
{
	struct world *w = world_start();

	(void)state;
	sip_model_add_fault(&w->m.bus, world_fault(MODEL_HANG_HARD, 1, NVME_READ, 9));
	assert_int_equal(read_while_time_passes(w, 9), 0);
	assert_int_equal(world_counter(w, &w->c->port.resets), 1);
	sip_model_add_fault(&w->m.bus, world_fault(MODEL_HANG_HARD, 100, NVME_READ, 9));
	assert_int_equal(read_while_time_passes(w, 9), -ETIMEDOUT);
	assert_int_equal(world_counter(w, &w->c->port.resets), 1 + DRIVE_TRIES);
	assert_int_equal(read_while_time_passes(w, 10), 0);
	world_stop(w);
}

/* Completions that are lies cost at most a reset. */
static void
wrong_completions(void **state)
{
	struct world *w = world_start();
	uint8_t buf[512];

	(void)state;
	sip_model_add_fault(&w->m.bus, world_fault(MODEL_WRONG_PHASE, 1, NVME_READ, 9));
	assert_int_equal(read_while_time_passes(w, 9), 0);
	assert_int_equal(world_counter(w, &w->c->port.resets), 1);
	sip_model_add_fault(&w->m.bus, world_fault(MODEL_WRONG_CID, 3, NVME_READ, 9));
	sip_model_add_fault(&w->m.bus, world_fault(MODEL_TWICE, 3, NVME_READ, 10));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 9, 1, buf), 0);
		assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 10, 1, buf), 0);
	}
	assert_int_equal(world_counter(w, &w->c->port.resets), 1);
	world_stop(w);
}

static void
fatal_under_load(void *arg)
{
	struct world *w = arg;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t before = world_counter(w, &w->c->port.resets);

		sip_model_add_fault(&w->m.bus, world_fault(MODEL_FATAL, 1, NVME_READ, UINT64_MAX));
		for (unsigned ms = 0; ms < 900 && world_counter(w, &w->c->port.resets) == before;
		     ms++)
			os_sleep_ns(1000000);
	}
}

/* The controller stops with everything in flight: it is reset, and everybody gets his data. */
static void
fatal_status(void **state)
{
	struct world *w = world_start();

	(void)state;
	w->m.bus.delay_us = 1000;
	world_load(w, UINT64_MAX, 0, fatal_under_load);
	assert_true(w->c->port.resets > 1);
	world_stop(w);
}

/*
 * It stops and cannot be reset: its disks go, and before anybody gets his memory back it cannot
 * reach it any more.  When it can be reset again, all is well.
 */
static void
does_not_stop(void **state)
{
	struct world *w = world_make();
	struct blk_disk *disk;
	uint8_t buf[512];

	(void)state;
	model_namespace_make(&w->m, 1, SECTORS, 512);
	w->m.cap_low = NVME_CAP_TO_set(w->m.cap_low, 0);
	world_attach(w);
	disk = world_disk0(w);
	blk_disk_get(disk);
	w->m.stuck = true;
	sip_model_add_fault(&w->m.bus, world_fault(MODEL_FATAL, 1, NVME_READ, UINT64_MAX));
	assert_int_equal(blk_sync(disk, BLK_READ, 9, 1, buf), -ENODEV);
	assert_false(w->m.bus.bus_master);
	blk_disk_put(disk);
	assert_non_null(strstr(w->c->port.last_error, "the controller does not stop"));
	w->m.stuck = false;
	w->m.csts = 0;
	drive_change(&w->c->port);
	assert_true(world_becomes(w, "sdN0", true));
	assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 9, 1, buf), 0);
	world_stop(w);
}

static void
dead_admin_queue(void **state)
{
	struct world *w = world_start();
	char text[1024];
	uint8_t buf[512];

	(void)state;
	sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = MODEL_HANG_HARD,
								 .times = 1,
								 .admin = true,
								 .opcode = NVME_GET_LOG,
								 .lba = UINT64_MAX });
	atomic_store(&w->c->asked_ns, 0);
	drive_blk_ops.describe(world_drive(w, "sdN0"), text, sizeof text);
	assert_non_null(strstr(text, "smart passed\ntemperature 37\n"));
	assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 9, 1, buf), 0);
	for (unsigned ms = 0; ms < WAIT_MS && !world_counter(w, &w->c->port.resets); ms += 2)
		os_sleep_ns(2000000); /* NVME_ADMIN_MS */
	assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 9, 1, buf), 0);
	w->m.kelvin = 320;
	atomic_store(&w->c->asked_ns, 0);
	for (unsigned ms = 0; ms < WAIT_MS && !strstr(text, "temperature 47\n"); ms += 2) {
		drive_blk_ops.describe(world_drive(w, "sdN0"), text, sizeof text);
		os_sleep_ns(2000000);
	}
	assert_non_null(strstr(text, "temperature 47\n"));
	world_stop(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_sector),        cmocka_unit_test(tries_are_counted),
		cmocka_unit_test(lost_interrupt),    cmocka_unit_test(no_interrupts),
		cmocka_unit_test(aborted_command),   cmocka_unit_test(hanging_command),
		cmocka_unit_test(wrong_completions), cmocka_unit_test(fatal_status),
		cmocka_unit_test(does_not_stop),     cmocka_unit_test(dead_admin_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
