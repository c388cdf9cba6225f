/*
 * A port whose engine does not stop: its requests must not end while it may still write to their
 * memory, and the other ports go on.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "model/world.h"
#include "os.h"

enum { SETTLE_NS = 100000000, HANGS = SECTORS - 1 };

struct reader {
	struct blk_disk *disk;
	struct model *m;
	int err;
	unsigned writes; /* of the model's when the request ended */
};

static unsigned
late_writes(struct model *m)
{
	unsigned n;

	pthread_mutex_lock(&m->bus.lock);
	n = m->late_writes;
	pthread_mutex_unlock(&m->bus.lock);
	return n;
}

static void *
read_hung(void *arg)
{
	struct reader *r = arg;
	uint8_t buf[512];

	r->err = blk_sync(r->disk, BLK_READ, HANGS, 1, buf);
	r->writes = late_writes(r->m);
	return NULL;
}

static struct world *
two_disks(int stuck)
{
	struct world *w = world_make(2);

	for (unsigned i = 0; i < 2; i++)
		model_disk_make(&w->m, i, SECTORS, 512, true);
	w->m.port[0].disk.stuck = stuck;
	w->m.bus.delay_us = 200;
	world_attach(w);
	return w;
}

/* Reads a sector of port 0 that hangs, until the driver has ended it. */
static void
hang(struct world *w, bool pull, struct reader *r)
{
	pthread_t t;

	sip_model_add_fault(&w->m.bus, (struct sip_model_fault){
					       .kind = MODEL_HANG, .times = 100, .lba = HANGS });
	*r = (struct reader){ .disk = world_disk(w, 0), .m = &w->m };
	blk_disk_get(r->disk);
	pthread_create(&t, NULL, read_hung, r);
	for (unsigned ms = 0, hung = 0; ms < WAIT_MS && !hung; ms += 2) {
		os_sleep_ns(2000000);
		pthread_mutex_lock(&w->m.bus.lock);
		hung = w->m.port[0].hung;
		pthread_mutex_unlock(&w->m.bus.lock);
	}
	if (pull)
		model_unplug(&w->m, 0);
	else
		atomic_fetch_add(&w->hba->ctlr.ahead_ms, drive_timeout_ms(BLK_READ) + 1);
	pthread_join(t, NULL);
	blk_disk_put(r->disk);
	os_sleep_ns(SETTLE_NS);
	assert_int_equal(late_writes(&w->m), r->writes);
}

static void
comreset_stops_it(void **state)
{
	struct world *w = two_disks(MODEL_UNTIL_COMRESET);
	struct reader r;

	(void)state;
	hang(w, true, &r);
	assert_int_equal(r.err, -ENODEV);
	assert_true(r.writes > 0);
	assert_int_equal(w->m.port[1].disk.resets, 1); /* of the start */
	model_plug(&w->m, 0, "NEXT");
	assert_true(world_becomes(w, 0, true));
	world_stop(w);
}

static void
meanwhile_hang(void *arg)
{
	struct world *w = arg;
	struct reader r;

	hang(w, true, &r);
	assert_int_equal(r.err, -ENODEV);
	assert_true(r.writes > 0);
}

/* The other disk's commands were lost with the controller's reset: nobody notices. */
static void
reset_stops_it(void **state)
{
	struct world *w = two_disks(MODEL_UNTIL_RESET);
	struct drive_load l = { .disk = world_disk(w, 1),
				.nsectors = SECTORS / 2,
				.bad = UINT64_MAX,
				.meanwhile = meanwhile_hang,
				.arg = w };

	(void)state;
	drive_test_load(&l);
	assert_int_equal(world_counter(&w->hba->port[1], &w->hba->port[1].port.resets), 1);
	assert_int_equal(world_counter(&w->hba->port[1], &w->hba->port[1].port.errors), 0);
	assert_null(world_disk(w, 0));
	assert_string_equal(w->hba->port[0].port.last_error,
			    "its engine did not stop: the controller was reset");
	w->m.port[0].disk.stuck = MODEL_STOPS;
	model_plug(&w->m, 0, "NEXT");
	assert_true(world_becomes(w, 0, true));
	world_stop(w);
}

static void
nothing_stops_it(void **state)
{
	struct world *w = two_disks(MODEL_NEVER);
	uint8_t buf[512];
	struct blk_disk *other = world_disk(w, 1);
	struct reader r;

	(void)state;
	blk_disk_get(other);
	hang(w, false, &r);
	assert_int_equal(r.err, -ENODEV);
	assert_true(r.writes > 0);
	assert_int_equal(blk_sync(other, BLK_READ, 0, 1, buf), -ENODEV);
	blk_disk_put(other);
	assert_false(w->m.bus.bus_master);
	world_stop(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comreset_stops_it),
		cmocka_unit_test(reset_stops_it),
		cmocka_unit_test(nothing_stops_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
