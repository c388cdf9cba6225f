/*
 * The driver on a model that fails: errors, lost interrupts, commands that never end.
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
#include "model/world.h"
#include "os.h"

/* One sector is bad for good: who touches it fails, nobody else. */
static void
bad_sector(void **state)
{
	(void)state;
	for (int ncq = 0; ncq < 2; ncq++) {
		struct world *w = world_start(ncq);

		w->m.bus.delay_us = 20;
		sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = MODEL_FAIL,
									 .times = UINT32_MAX,
									 .lba = 1024 * 2 + 100,
									 .status = ATA_ERROR_UNC });
		world_run_load(w, 1024 * 2 + 100, 0, NULL);
		assert_non_null(strstr(w->hba->port[0].port.last_error,
				       "status 0x51 DRDY DSC ERR, error 0x40 UNC"));
		world_stop(w);
	}
}

static void
tries_are_counted(void **state)
{
	struct world *w = world_start(true);
	uint8_t buf[512] = { 0 };
	struct ahci_port *p = &w->hba->port[0];

	(void)state;
	sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = MODEL_FAIL,
								 .times = DRIVE_TRIES - 1,
								 .lba = 7,
								 .status = ATA_ERROR_ICRC });
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 7, 1, buf), 0);
	assert_int_equal(world_counter(p, &p->port.errors), DRIVE_TRIES - 1);
	/* The ladder: again; a software reset; COMRESET. */
	assert_int_equal(p->logs, DRIVE_TRIES - 1);
	assert_int_equal(p->soft_resets, 1);
	assert_int_equal(p->link_resets, 1);
	assert_int_equal(world_counter(p, &p->port.resets), 2);
	sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = MODEL_FAIL,
								 .times = DRIVE_TRIES,
								 .lba = 7,
								 .status = ATA_ERROR_ICRC });
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_WRITE, 7, 1, buf), -EIO);
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_WRITE, 7, 1, buf), 0);
	sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = MODEL_FAIL,
								 .times = 1,
								 .opcode = ATA_FLUSH_EXT,
								 .lba = UINT64_MAX,
								 .status = ATA_ERROR_ABRT });
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_FLUSH, 0, 0, NULL), -EIO);
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(w->m.port[0].disk.flushes, 1);
	world_stop(w);
}

/* One at a time, with commands that end well between, or one command might have them all. */
static void
faults_under_load(void *arg)
{
	struct world *w = arg;
	struct ahci_port *p = &w->hba->port[0];

	for (unsigned i = 0; i < 8; i++) {
		uint64_t before = world_counter(p, &p->queue.completions);

		sip_model_add_fault(&w->m.bus, (struct sip_model_fault){
						       .kind = i & 1 ? MODEL_FAIL : MODEL_INTERFACE,
						       .times = 1,
						       .lba = UINT64_MAX,
						       .status = ATA_ERROR_ABRT });
		for (unsigned ms = 0; ms < 500; ms++) {
			if (world_counter(p, &p->port.errors) > i &&
			    world_counter(p, &p->queue.completions) > before + 40)
				break;
			os_sleep_ns(1000000);
		}
	}
}

/* Passing faults: everybody gets his data. */
static void
passing_faults(void **state)
{
	(void)state;
	for (int ncq = 0; ncq < 2; ncq++) {
		struct world *w = world_start(ncq);

		w->m.bus.delay_us = 50;
		world_run_load(w, UINT64_MAX, 0, faults_under_load);
		assert_true(w->hba->port[0].port.resets > 0);
		world_stop(w);
	}
}

static void *
read_sector(void *arg)
{
	struct load *l = arg;
	uint8_t buf[512];

	l->failed = (unsigned)-blk_sync(l->disk, BLK_READ, l->bad, 1, buf);
	return NULL;
}

/* So many reads of one sector each, at once, from sector 0 on. */
static void
read_together(struct world *w, struct load *l, unsigned n)
{
	pthread_t t[THREADS];

	for (unsigned i = 0; i < n; i++) {
		l[i] = (struct load){ .disk = world_disk(w, 0), .bad = i };
		pthread_create(&t[i], NULL, read_sector, &l[i]);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

/*
 * The disk's log tells whose error it was: the others are sent again together, without a reset, and
 * only the one is tried again.  A disk without the log, or with a wrong one, needs resets.
 */
static void
error_log(void **state)
{
	(void)state;
	for (int logs = 0; logs < 2; logs++) {
		struct world *w = world_start(true);
		struct ahci_port *p = &w->hba->port[0];
		struct load l[THREADS];

		p->id.logs = w->m.port[0].disk.logs = logs;
		w->m.bus.delay_us = 2000;
		sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = MODEL_FAIL,
									 .times = UINT32_MAX,
									 .lba = 3,
									 .status = ATA_ERROR_UNC });
		read_together(w, l, THREADS);
		for (unsigned i = 0; i < THREADS; i++)
			assert_int_equal(l[i].failed, i == 3 ? EIO : 0);
		assert_string_equal(p->port.last_error,
				    "read of 1 at 3: status 0x51 DRDY DSC ERR, error 0x40 UNC");
		assert_int_equal(p->logs, logs ? DRIVE_TRIES : 0);
		assert_int_equal(w->m.port[0].disk.log_reads, p->logs);
		if (logs)
			assert_int_equal(world_counter(p, &p->port.resets), 0);
		else
			assert_true(world_counter(p, &p->port.resets) > 0);
		world_stop(w);
	}
}

/* A log that names a slot where nothing runs, or whose sum is wrong, accuses nobody. */
static void
lie_in_log(struct model *m, unsigned port, unsigned off, uint32_t v)
{
	(void)v;
	if (off == PORT_CI && m->port[port].disk.failed)
		m->port[port].disk.log[0] ^= 0x1f;
}

static void
lie_in_log_well(struct model *m, unsigned port, unsigned off, uint32_t v)
{
	uint8_t *log = m->port[port].disk.log;

	if (off == PORT_CI && m->port[port].disk.failed && log[0] != 31) {
		log[511] = (uint8_t)(log[511] + log[0] - 31);
		log[0] = 31;
	}
	(void)v;
}

static void
false_log(void **state)
{
	(void)state;
	for (int well = 0; well < 2; well++) {
		struct world *w = world_start(true);
		struct load l[THREADS];

		w->m.bus.delay_us = 2000;
		sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = MODEL_FAIL,
									 .times = UINT32_MAX,
									 .lba = 3,
									 .status = ATA_ERROR_UNC });
		w->m.before_write = well ? lie_in_log_well : lie_in_log;
		read_together(w, l, THREADS);
		for (unsigned i = 0; i < THREADS; i++)
			assert_int_equal(l[i].failed, i == 3 ? EIO : 0);
		world_stop(w);
	}
}

/* A software reset that the disk does not come out of is followed by COMRESET. */
static void
soft_reset_fails(void **state)
{
	struct world *w = world_start(true);
	struct ahci_port *p = &w->hba->port[0];
	uint8_t buf[512];

	(void)state;
	w->m.port[0].disk.soft_deaf = true;
	sip_model_add_fault(&w->m.bus, (struct sip_model_fault){
					       .kind = MODEL_INTERFACE, .times = 1, .lba = 9 });
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 9, 1, buf), 0);
	assert_int_equal(p->soft_resets, 1);
	assert_int_equal(p->link_resets, 1);
	assert_int_equal(p->link_errors, 1);
	assert_int_equal(world_counter(p, &p->port.resets), 2);
	world_stop(w);
}

/* A flush that fails is told, once: whether another's success is an answer nobody knows. */
static void
plain_error(void **state)
{
	struct world *w = world_start(true);
	struct ahci_port *p = &w->hba->port[0];

	(void)state;
	sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = MODEL_FAIL,
								 .times = 1,
								 .opcode = ATA_FLUSH_EXT,
								 .lba = UINT64_MAX,
								 .status = ATA_ERROR_ABRT });
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_FLUSH, 0, 0, NULL), -EIO);
	assert_int_equal(w->m.port[0].disk.flushes, 0);
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(w->m.port[0].disk.flushes, 1);
	assert_int_equal(world_counter(p, &p->port.resets), 0);
	assert_int_equal(world_counter(p, &p->port.errors), 1);
	assert_int_equal(w->m.port[0].disk.log_reads, 0);
	world_stop(w);
}

static void
lost_interrupt(void **state)
{
	struct world *w = world_start(true);
	struct ahci_port *p = &w->hba->port[0];
	uint8_t buf[512];

	(void)state;
	sip_model_add_fault(&w->m.bus, (struct sip_model_fault){
					       .kind = MODEL_NO_INTERRUPT, .times = 1, .lba = 9 });
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 9, 1, buf), 0);
	for (unsigned ms = 0; ms < WAIT_MS && !world_counter(p, &p->port.lost); ms += 2)
		os_sleep_ns(2000000); /* it is counted after the answer */
	assert_int_equal(world_counter(p, &p->port.lost), 1);
	assert_int_equal(world_counter(p, &p->port.resets), 0);
	world_stop(w);
}

static void
mute(struct world *w, bool mute)
{
	pthread_mutex_lock(&w->m.bus.lock);
	w->m.bus.mute = mute;
	pthread_mutex_unlock(&w->m.bus.lock);
}

static const char *
world_text(struct world *w)
{
	static char text[1024];

	world_describe(w, 0, text);
	return text;
}

static void
read_one(struct world *w)
{
	uint8_t buf[512];

	assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 1, 1, buf), 0);
}

/*
 * All are lost, those of errors too; then they come again.  The bit that stands in IS keeps the
 * controller quiet for good, unless the driver clears it: so one that is lost costs only itself.
 */
static void
no_interrupts(void **state)
{
	(void)state;
	for (int ncq = 0; ncq < 2; ncq++) {
		struct world *w = world_start(ncq);
		struct ahci_port *p = &w->hba->port[0];
		uint64_t before;

		mute(w, true);
		read_one(w);
		mute(w, false);
		before = os_time_ns();
		for (unsigned i = 0; i < 100; i++)
			read_one(w);
		assert_true(os_time_ns() - before < 100 * 100000000ull);
		assert_int_equal(world_counter(p, &p->port.lost), 1);
		mute(w, true);
		for (unsigned i = 1; i < DRIVE_LOST; i++)
			read_one(w);
		for (unsigned ms = 0; ms < WAIT_MS && !strstr(world_text(w), "polled"); ms++)
			os_sleep_ns(1000000);
		sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = MODEL_FAIL,
									 .times = 1,
									 .lba = 1,
									 .status = ATA_ERROR_UNC });
		before = os_time_ns();
		for (unsigned i = 0; i < 100; i++)
			read_one(w);
		assert_true(os_time_ns() - before < 100 * 100000000ull);
		assert_int_equal(world_counter(p, &p->port.errors), 1);
		assert_int_equal(world_counter(p, &p->port.lost), DRIVE_LOST);
		mute(w, false);
		for (unsigned ms = 0; ms < WAIT_MS && strstr(world_text(w), "polled"); ms++)
			read_one(w);
		assert_non_null(strstr(world_text(w), "port-state ready"));
		world_stop(w);
	}
}

/* A flush that failed, and whose interrupt is lost, is told as one that failed, not as late. */
static void *
pass_flush_time(void *arg)
{
	struct world *w = arg;

	for (unsigned i = 0;
	     i < 20 && !world_counter(&w->hba->port[0], &w->hba->port[0].port.errors); i++) {
		os_sleep_ns(300000000);
		atomic_fetch_add(&w->hba->ctlr.ahead_ms, drive_timeout_ms(BLK_FLUSH) / 4);
	}
	return NULL;
}

static void
lost_error(void **state)
{
	struct world *w = world_start(true);
	pthread_t t;

	(void)state;
	sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = MODEL_FAIL_QUIETLY,
								 .times = 1,
								 .opcode = ATA_FLUSH_EXT,
								 .lba = UINT64_MAX,
								 .status = ATA_ERROR_ABRT });
	pthread_create(&t, NULL, pass_flush_time, w);
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_FLUSH, 0, 0, NULL), -EIO);
	pthread_join(t, NULL);
	assert_int_equal(w->m.port[0].disk.flushes, 0);
	world_stop(w);
}

static void *
pass_time(void *arg)
{
	struct world *w = arg;

	for (unsigned i = 0; i < 3 * DRIVE_TRIES; i++) {
		os_sleep_ns(60000000);
		atomic_fetch_add(&w->hba->ctlr.ahead_ms, drive_timeout_ms(BLK_READ) + 1);
	}
	return NULL;
}

static void
hanging_command(void **state)
{
	struct world *w = world_start(true);
	struct ahci_port *p = &w->hba->port[0];
	uint8_t buf[512];
	pthread_t t;

	(void)state;
	sip_model_add_fault(&w->m.bus,
			    (struct sip_model_fault){ .kind = MODEL_HANG, .times = 1, .lba = 9 });
	pthread_create(&t, NULL, pass_time, w);
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 9, 1, buf), 0);
	assert_int_equal(world_counter(p, &p->port.resets), 1);
	pthread_join(t, NULL);
	sip_model_add_fault(&w->m.bus,
			    (struct sip_model_fault){ .kind = MODEL_HANG, .times = 100, .lba = 9 });
	pthread_create(&t, NULL, pass_time, w);
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 9, 1, buf), -ETIMEDOUT);
	assert_int_equal(world_counter(p, &p->port.resets), 1 + DRIVE_TRIES);
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 10, 1, buf), 0);
	pthread_join(t, NULL);
	world_stop(w);
}

static void
dead_after_reset(void **state)
{
	struct world *w = world_start(true);
	struct blk_disk *d = world_disk(w, 0);
	uint8_t buf[512];

	(void)state;
	blk_disk_get(d);
	w->m.port[0].disk.dead = true;
	sip_model_add_fault(&w->m.bus, (struct sip_model_fault){
					       .kind = MODEL_INTERFACE, .times = 1, .lba = 9 });
	assert_int_equal(blk_sync(d, BLK_READ, 9, 1, buf), -ENODEV);
	blk_disk_put(d);
	assert_true(world_becomes(w, 0, false));
	world_stop(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_sector),      cmocka_unit_test(tries_are_counted),
		cmocka_unit_test(passing_faults),  cmocka_unit_test(error_log),
		cmocka_unit_test(false_log),       cmocka_unit_test(soft_reset_fails),
		cmocka_unit_test(plain_error),     cmocka_unit_test(lost_interrupt),
		cmocka_unit_test(no_interrupts),   cmocka_unit_test(lost_error),
		cmocka_unit_test(hanging_command), cmocka_unit_test(dead_after_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
