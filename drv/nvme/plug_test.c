/*
 * The driver on a model of the controller: name spaces and controllers that come and go.
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

enum { SOON_MS = 8000 }; /* no command has got to its time */

static void
pull(void *arg)
{
	struct world *w = arg;
	os_sleep_ns(3000000);
	model_remove(&w->m);
}

/* The whole controller: whoever waits hears of it soon. */
static void
removal(void **state)
{
	struct world *w = world_start();
	uint64_t began = os_time_ns();

	(void)state;
	w->m.bus.delay_us = 100;
	world_load(w, UINT64_MAX, -ENODEV, pull);
	assert_true(os_time_ns() - began < SOON_MS * 1000000ull);
	assert_null(world_disk0(w));
	world_stop(w);
}

static void
namespaces_come_and_go(void **state)
{
	struct world *w = world_start();
	uint8_t buf[512] = { 0 };
	struct blk_disk *d;

	(void)state;
	assert_null(world_disk(w, "sdN1"));
	model_namespace_make(&w->m, 2, SECTORS, 512);
	assert_true(world_becomes(w, "sdN1", true));
	world_round_trip(w, "sdN1", 2);
	d = world_disk(w, "sdN1");
	blk_disk_get(d);
	model_namespace_remove(&w->m, 2);
	assert_true(world_becomes(w, "sdN1", false));
	assert_int_equal(blk_sync(d, BLK_READ, 0, 1, buf), -ENODEV);
	blk_disk_put(d);
	model_namespace_make(&w->m, 2, 2 * SECTORS, 4096);
	assert_true(world_becomes(w, "sdN1", true));
	assert_int_equal(world_drive(w, "sdN1")->info.nsectors, 2 * SECTORS);
	assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 0, 1, buf), 0);
	world_stop(w);
}

static void
health_event(void **state)
{
	struct world *w = world_start();

	(void)state;
	model_critical(&w->m, NVME_EVENT_TEMPERATURE, 360);
	for (unsigned ms = 0; ms < WAIT_MS; ms += 2) {
		pthread_mutex_lock(&w->c->port.lock);
		bool told = strstr(w->c->port.last_error,
				   "health: the temperature is out of range");

		pthread_mutex_unlock(&w->c->port.lock);
		if (told)
			break;
		os_sleep_ns(2000000);
	}
	assert_non_null(strstr(w->c->port.last_error, "health: the temperature is out of range"));
	world_stop(w);
}

/* The driver's requests for events are as many as it wants, and the log was read so often. */
static bool
listens(struct world *w, unsigned log, unsigned reads)
{
	for (unsigned ms = 0; ms < WAIT_MS; ms += 2) {
		bool well;

		pthread_mutex_lock(&w->m.bus.lock);
		well = w->m.nevents == NVME_EVENTS && w->m.logs[log] >= reads;
		pthread_mutex_unlock(&w->m.bus.lock);
		if (well)
			return true;
		os_sleep_ns(2000000);
	}
	return false;
}

/* Events that it has no use for: their logs are read, a vendor's are not, and it asks again. */
static void
other_events(void **state)
{
	struct world *w = world_start();
	uint8_t buf[512];

	(void)state;
	assert_true(listens(w, 0, 0));
	for (unsigned i = 1; i < 4; i++) {
		assert_true(model_event_now(&w->m, NVME_EVENT_TYPE_ERROR, 3, NVME_LOG_ERROR));
		assert_true(listens(w, NVME_LOG_ERROR, i));
		/* Firmware is about to be activated. */
		assert_true(model_event_now(&w->m, NVME_EVENT_TYPE_NOTICE, 1, 3));
		assert_true(listens(w, 3, i));
	}
	assert_true(model_event_now(&w->m, 7, 0, 0xc1));
	assert_true(listens(w, 0, 0));
	assert_int_equal(w->m.logs[0xc1] + w->m.logs[0xc1 % 32 + 32], 0);
	assert_int_equal(w->m.logs[1], 3);
	assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 0, 1, buf), 0);
	assert_int_equal(world_counter(w, &w->c->port.resets), 0);
	world_stop(w);
}

/* One that tells of events without an end is not listened to any more, until it is reset. */
static void
endless_events(void **state)
{
	struct world *w = world_start();
	unsigned told = 0, reads;
	uint8_t buf[512];

	(void)state;
	for (unsigned idle = 0; idle < 500;) {
		bool now = model_event_now(&w->m, NVME_EVENT_TYPE_ERROR, 0, NVME_LOG_ERROR);

		told += now;
		idle = now ? 0 : idle + 1;
		if (!now)
			os_sleep_ns(200000);
	}
	/* The last requests were sent before the last events came. */
	assert_in_range(told, NVME_EVENTS_LIMIT, NVME_EVENTS_LIMIT + NVME_EVENTS - 1);
	reads = w->m.logs[NVME_LOG_ERROR];
	assert_true(reads && reads <= told);
	assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 0, 1, buf), 0);
	assert_int_equal(drive_blk_ops.command(world_drive(w, "sdN0"), "reset"), 0);
	assert_true(listens(w, 0, 0));
	world_stop(w);
}

/* After a reset another one answers: the old disk is gone, the new one is there. */
static void
exchanged_controller(void **state)
{
	struct world *w = world_start();
	struct blk_disk *old = world_disk0(w);
	uint8_t buf[512];

	(void)state;
	blk_disk_get(old);
	snprintf(w->m.serial, sizeof w->m.serial, "OTHER");
	assert_int_equal(drive_blk_ops.command(world_drive(w, "sdN0"), "reset"), 0);
	for (unsigned ms = 0; ms < WAIT_MS && world_disk0(w) == old; ms += 2)
		os_sleep_ns(2000000);
	assert_true(world_becomes(w, "sdN0", true));
	assert_string_equal(world_drive(w, "sdN0")->info.serial, "OTHER");
	assert_int_equal(blk_sync(old, BLK_READ, 0, 1, buf), -ENODEV);
	assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 0, 1, buf), 0);
	blk_disk_put(old);
	world_stop(w);
}

static void
normal_shutdown(void **state)
{
	struct world *w = world_start();
	struct model *m = &w->m;

	(void)state;
	sip_finish(&w->server);
	assert_int_equal(m->shutdowns, 1);
	assert_false(NVME_CC_EN_get(m->cc));
	world_stop(w);
}

/* One process may drive several: their disks do not meet. */
static void
two_controllers(void **state)
{
	struct world *w = world_start(), *other = world_make();
	struct drive_port *p;

	(void)state;
	model_namespace_make(&other->m, 1, SECTORS, 512);
	assert_int_equal(sip_model_open(&other->m.bus, "2.0.0", &other->dev), 0);
	assert_int_equal(sip_attach(&w->server, other->dev), 0);
	assert_int_equal(drive_server_ops.start(&w->server), 0);
	p = &((struct nvme_ctlr *)other->dev->priv)->port;
	assert_string_equal(p->disks->info.name, "sdN32");
	world_round_trip(w, "sdN0", 1);
	world_stop(w);
	assert_int_equal(other->m.shutdowns, 1);
	assert_int_equal(other->m.bus.lint, 0);
	model_fini(&other->m);
	free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removal),         cmocka_unit_test(namespaces_come_and_go),
		cmocka_unit_test(health_event),    cmocka_unit_test(exchanged_controller),
		cmocka_unit_test(normal_shutdown), cmocka_unit_test(two_controllers),
		cmocka_unit_test(other_events),    cmocka_unit_test(endless_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
