/*
 * The driver on a model of the controller: data, queueing, errors, lost interrupts, commands that
 * never end, hot plug.  Every test ends with a look at what the model did not like (`lint`).
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
#include "ahci.h"
#include "model/model.h"
#include "os.h"
#include "p9_srv.h"

enum { SECTORS = 8192, THREADS = 8, ROUNDS = 60, WAIT_MS = 30000 };

struct world {
	struct model m;
	struct sip_server server;
	struct sip_dev *dev;
	struct ahci_hba *hba;
};

static const struct sip_type type = {
	.name = "ahci",
	.server = &drive_server_ops,
	.driver = &ahci_driver_ops,
	.p9 = &blk_p9_ops,
};

/* A controller with those of the first ports implemented; the disks are made by the test. */
static struct world *
make(unsigned nports)
{
	struct world *w = calloc(1, sizeof *w);

	model_init(&w->m);
	w->m.pi = (1u << nports) - 1;
	return w;
}

static void
attach(struct world *w)
{
	assert_int_equal(sip_init(&w->server, &type), 0);
	assert_int_equal(drive_server_ops.initialize(&w->server), 0);
	w->server.initialized = true;
	assert_int_equal(sip_dev_open_bus("0.31.2", &w->m.bus, &w->m, &w->dev), 0);
	assert_int_equal(sip_attach(&w->server, w->dev), 0);
	assert_int_equal(drive_server_ops.start(&w->server), 0);
	w->hba = w->dev->priv;
}

static struct world *
start(bool ncq)
{
	struct world *w = make(1);

	model_disk_make(&w->m, 0, SECTORS, 512, ncq);
	attach(w);
	return w;
}

static void
stop(struct world *w)
{
	sip_finish(&w->server);
	if (w->m.lint)
		fail_msg("%u faults of the driver; the last: %s", w->m.lint, w->m.lint_what);
	assert_false(w->m.bus_master);
	for (unsigned i = 0; i < MODEL_DMAS; i++)
		assert_null(w->m.dma[i].p);
	model_fini(&w->m);
	free(w);
}

static struct blk_disk *
disk(struct world *w, unsigned port)
{
	struct drive_port *p = &w->hba->port[port].port;
	struct blk_disk *d;

	pthread_mutex_lock(&p->lock);
	d = p->disks ? p->disks->blk : NULL;
	pthread_mutex_unlock(&p->lock);
	return d;
}

/* What is told of it now; of zeros if there is none. */
static struct drive_disk
told(struct world *w, unsigned port)
{
	struct drive_port *p = &w->hba->port[port].port;
	struct drive_disk d = { 0 };

	pthread_mutex_lock(&p->lock);
	if (p->disks)
		d.info = p->disks->info;
	pthread_mutex_unlock(&p->lock);
	return d;
}

static int
command(struct world *w, const char *text)
{
	return drive_blk_ops.command(w->hba->port[0].port.disks, text);
}

static bool
becomes(struct world *w, unsigned port, bool there)
{
	for (unsigned ms = 0; ms < WAIT_MS; ms += 2) {
		if ((disk(w, port) != NULL) == there)
			return true;
		os_sleep_ns(2000000);
	}
	return false;
}

static uint64_t
counter(struct ahci_port *p, const uint64_t *which)
{
	uint64_t v;

	pthread_mutex_lock(&p->queue.lock);
	pthread_mutex_lock(&p->port.lock);
	v = *which;
	pthread_mutex_unlock(&p->port.lock);
	pthread_mutex_unlock(&p->queue.lock);
	return v;
}

static void
fill(uint8_t *buf, uint64_t sector, uint32_t n, unsigned seed)
{
	for (uint32_t i = 0; i < n * 512; i++)
		buf[i] = (uint8_t)(sector + i / 512 + i * 3 + seed);
}

static void
data_goes_both_ways(void **state)
{
	(void)state;
	for (int ncq = 0; ncq < 2; ncq++) {
		struct world *w = start(ncq);
		uint8_t buf[64 * 512], got[64 * 512];

		fill(buf, 100, 64, 1);
		assert_int_equal(blk_sync(disk(w, 0), BLK_WRITE, 100, 64, buf), 0);
		assert_memory_equal(w->m.port[0].disk.data + 100 * 512, buf, sizeof buf);
		assert_int_equal(blk_sync(disk(w, 0), BLK_READ, 100, 64, got), 0);
		assert_memory_equal(got, buf, sizeof buf);
		assert_int_equal(blk_sync(disk(w, 0), BLK_READ, SECTORS - 1, 1, got), 0);
		assert_int_equal(w->hba->port[0].ncq, ncq);
		stop(w);
	}
}

static void
identity(void **state)
{
	struct world *w = make(4);
	struct blk_info info = { 0 };
	char text[1024];

	(void)state;
	model_disk_make(&w->m, 1, SECTORS, 512, true);
	model_disk_make(&w->m, 2, SECTORS, 4096, true);
	model_disk_make(&w->m, 3, 3000, 512, false);
	w->m.port[3].disk.lba48 = false;
	w->m.port[2].disk.depth = 8;
	attach(w);
	assert_null(disk(w, 0));
	assert_non_null(disk(w, 1));
	info = told(w, 2).info;
	assert_string_equal(info.name, "sdC2");
	assert_string_equal(info.model, "Model disk");
	assert_string_equal(info.serial, "SN2");
	assert_int_equal(info.secsize, 4096);
	assert_int_equal(info.queue_depth, 8);
	assert_int_equal(info.max_sectors, 65536);
	assert_non_null(strstr(info.features, "ncq trim"));
	info = told(w, 3).info;
	assert_int_equal(info.max_sectors, 256);
	assert_int_equal(info.queue_depth, 1);
	drive_blk_ops.describe(w->hba->port[3].port.disks, text, sizeof text);
	assert_non_null(strstr(text, "controller 0.31.2 port 3\nport-state ready\nlink sata-3\n"));
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(blk_sync(disk(w, i), BLK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(w->m.port[3].disk.flushes, 1);
	stop(w);
}

struct load {
	struct blk_disk *disk;
	uint64_t bad; /* a sector that is expected to fail; else UINT64_MAX */
	int other;    /* an error that is expected instead of success; else 0 */
	unsigned index, failed, others;
};

static void *
load_thread(void *arg)
{
	struct load *l = arg;
	struct blk_disk *d = l->disk;
	uint64_t base = l->index * (SECTORS / THREADS);
	uint8_t buf[16 * 512], got[16 * 512];

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t sector = base + i * 16 % (SECTORS / THREADS - 16);
		bool bad = l->bad >= sector && l->bad < sector + 16;
		int err;

		fill(buf, sector, 16, i);
		err = blk_sync(d, BLK_WRITE, sector, 16, buf);
		if (!err)
			err = blk_sync(d, BLK_READ, sector, 16, got);
		if (bad && err == -EIO)
			l->failed++;
		else if (l->other && err == l->other)
			l->others++;
		else {
			if (err)
				fail_msg("round %u at %llu: %s", i, (unsigned long long)sector,
					 strerror(-err));
			assert_memory_equal(buf, got, sizeof buf);
		}
		if (i % 16 == 0 && !l->other)
			assert_int_equal(blk_sync(d, BLK_FLUSH, 0, 0, NULL), 0);
	}
	return NULL;
}

static void
run_load(struct world *w, uint64_t bad, int other, void (*meanwhile)(struct world *))
{
	struct load l[THREADS];
	struct blk_disk *d = disk(w, 0);
	pthread_t t[THREADS];

	blk_disk_get(d);
	for (unsigned i = 0; i < THREADS; i++) {
		l[i] = (struct load){ .disk = d, .index = i, .bad = bad, .other = other };
		pthread_create(&t[i], NULL, load_thread, &l[i]);
	}
	if (meanwhile)
		meanwhile(w);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		if (bad != UINT64_MAX)
			assert_int_equal(l[i].failed > 0, bad / (SECTORS / THREADS) == i);
	}
	blk_disk_put(d);
}

static void
load(void **state)
{
	(void)state;
	for (int ncq = 0; ncq < 2; ncq++) {
		struct world *w = start(ncq);

		w->m.delay_us = ncq ? 50 : 0;
		run_load(w, UINT64_MAX, 0, NULL);
		assert_int_equal(w->m.port[0].disk.flushes, THREADS * 4);
		if (ncq)
			assert_true(w->m.port[0].disk.most_in_flight > 2);
		else
			assert_int_equal(w->m.port[0].disk.most_in_flight, 1);
		stop(w);
	}
}

/* One sector is bad for good: who touches it fails, nobody else. */
static void
bad_sector(void **state)
{
	(void)state;
	for (int ncq = 0; ncq < 2; ncq++) {
		struct world *w = start(ncq);

		w->m.delay_us = 20;
		model_add_fault(&w->m, (struct model_fault){ .kind = MODEL_FAIL,
							     .times = UINT32_MAX,
							     .lba = 1024 * 2 + 100,
							     .error = ATA_ERROR_UNC });
		run_load(w, 1024 * 2 + 100, 0, NULL);
		assert_non_null(strstr(w->hba->port[0].port.last_error,
				       "status 0x51 DRDY DSC ERR, error 0x40 UNC"));
		stop(w);
	}
}

static void
tries_are_counted(void **state)
{
	struct world *w = start(true);
	uint8_t buf[512] = { 0 };
	struct ahci_port *p = &w->hba->port[0];

	(void)state;
	model_add_fault(&w->m, (struct model_fault){ .kind = MODEL_FAIL,
						     .times = DRIVE_TRIES - 1,
						     .lba = 7,
						     .error = ATA_ERROR_ICRC });
	assert_int_equal(blk_sync(disk(w, 0), BLK_READ, 7, 1, buf), 0);
	assert_int_equal(counter(p, &p->port.errors), DRIVE_TRIES - 1);
	assert_int_equal(counter(p, &p->port.resets), DRIVE_TRIES - 1);
	model_add_fault(&w->m, (struct model_fault){ .kind = MODEL_FAIL,
						     .times = DRIVE_TRIES,
						     .lba = 7,
						     .error = ATA_ERROR_ICRC });
	assert_int_equal(blk_sync(disk(w, 0), BLK_WRITE, 7, 1, buf), -EIO);
	assert_int_equal(blk_sync(disk(w, 0), BLK_WRITE, 7, 1, buf), 0);
	model_add_fault(&w->m, (struct model_fault){ .kind = MODEL_FAIL,
						     .times = 1,
						     .opcode = ATA_FLUSH_EXT,
						     .lba = UINT64_MAX,
						     .error = ATA_ERROR_ABRT });
	assert_int_equal(blk_sync(disk(w, 0), BLK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(w->m.port[0].disk.flushes, 1);
	stop(w);
}

/* One at a time, with commands that end well between, or one command might have them all. */
static void
faults_under_load(struct world *w)
{
	struct ahci_port *p = &w->hba->port[0];

	for (unsigned i = 0; i < 8; i++) {
		uint64_t before = counter(p, &p->queue.completions);

		model_add_fault(&w->m,
				(struct model_fault){ .kind = i & 1 ? MODEL_FAIL : MODEL_INTERFACE,
						      .times = 1,
						      .lba = UINT64_MAX,
						      .error = ATA_ERROR_ABRT });
		for (unsigned ms = 0; ms < 500; ms++) {
			if (counter(p, &p->port.errors) > i &&
			    counter(p, &p->queue.completions) > before + 40)
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
		struct world *w = start(ncq);

		w->m.delay_us = 50;
		run_load(w, UINT64_MAX, 0, faults_under_load);
		assert_true(w->hba->port[0].port.resets > 0);
		stop(w);
	}
}

static void
lost_interrupt(void **state)
{
	struct world *w = start(true);
	struct ahci_port *p = &w->hba->port[0];
	uint8_t buf[512];

	(void)state;
	model_add_fault(&w->m,
			(struct model_fault){ .kind = MODEL_NO_INTERRUPT, .times = 1, .lba = 9 });
	assert_int_equal(blk_sync(disk(w, 0), BLK_READ, 9, 1, buf), 0);
	for (unsigned ms = 0; ms < WAIT_MS && !counter(p, &p->port.lost); ms += 2)
		os_sleep_ns(2000000); /* it is counted after the answer */
	assert_int_equal(counter(p, &p->port.lost), 1);
	assert_int_equal(counter(p, &p->port.resets), 0);
	stop(w);
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
	struct world *w = start(true);
	struct ahci_port *p = &w->hba->port[0];
	uint8_t buf[512];
	pthread_t t;

	(void)state;
	model_add_fault(&w->m, (struct model_fault){ .kind = MODEL_HANG, .times = 1, .lba = 9 });
	pthread_create(&t, NULL, pass_time, w);
	assert_int_equal(blk_sync(disk(w, 0), BLK_READ, 9, 1, buf), 0);
	assert_int_equal(counter(p, &p->port.resets), 1);
	pthread_join(t, NULL);
	model_add_fault(&w->m, (struct model_fault){ .kind = MODEL_HANG, .times = 100, .lba = 9 });
	pthread_create(&t, NULL, pass_time, w);
	assert_int_equal(blk_sync(disk(w, 0), BLK_READ, 9, 1, buf), -ETIMEDOUT);
	assert_int_equal(counter(p, &p->port.resets), 1 + DRIVE_TRIES);
	assert_int_equal(blk_sync(disk(w, 0), BLK_READ, 10, 1, buf), 0);
	pthread_join(t, NULL);
	stop(w);
}

static void
pull(struct world *w)
{
	os_sleep_ns(3000000);
	model_unplug(&w->m, 0);
}

static void
hot_plug(void **state)
{
	struct world *w = start(true);
	uint8_t buf[512];
	struct blk_info info = { 0 };

	(void)state;
	w->m.delay_us = 100;
	run_load(w, UINT64_MAX, -ENODEV, pull);
	assert_null(disk(w, 0));
	w->m.delay_us = 0;
	model_plug(&w->m, 0, "OTHER");
	assert_true(becomes(w, 0, true));
	assert_int_equal(blk_sync(disk(w, 0), BLK_READ, 0, 1, buf), 0);
	info = told(w, 0).info;
	assert_string_equal(info.serial, "OTHER");
	model_unplug(&w->m, 0);
	assert_true(becomes(w, 0, false));
	model_plug(&w->m, 0, "THIRD");
	assert_true(becomes(w, 0, true));
	stop(w);
}

/* A disk is exchanged so fast that only its identity tells. */
static void
exchanged_disk(void **state)
{
	struct world *w = start(true);
	struct blk_disk *old = disk(w, 0);
	struct blk_info info = { 0 };

	(void)state;
	model_plug(&w->m, 0, "NEW");
	for (unsigned ms = 0; ms < WAIT_MS && strcmp(info.serial, "NEW") != 0; ms += 2) {
		os_sleep_ns(2000000);
		if (disk(w, 0) && disk(w, 0) != old)
			info = told(w, 0).info;
	}
	assert_string_equal(info.serial, "NEW");
	stop(w);
}

static void
dead_after_reset(void **state)
{
	struct world *w = start(true);
	struct blk_disk *d = disk(w, 0);
	uint8_t buf[512];

	(void)state;
	blk_disk_get(d);
	w->m.port[0].disk.dead = true;
	model_add_fault(&w->m,
			(struct model_fault){ .kind = MODEL_INTERFACE, .times = 1, .lba = 9 });
	assert_int_equal(blk_sync(d, BLK_READ, 9, 1, buf), -ENODEV);
	blk_disk_put(d);
	assert_true(becomes(w, 0, false));
	stop(w);
}

static void
commands(void **state)
{
	struct world *w = start(true);
	struct ahci_port *p = &w->hba->port[0];
	uint8_t buf[512] = { 1 };

	(void)state;
	assert_int_equal(command(w, "standby"), 0);
	assert_int_equal(w->m.port[0].disk.standbys, 1);
	assert_int_equal(command(w, "dance"), -EINVAL);
	memset(w->m.port[0].disk.data + 512 * 999, 0xff, 512 * 102);
	assert_int_equal(blk_sync(disk(w, 0), BLK_DISCARD, 1000, 100, NULL), 0);
	assert_int_equal(w->m.port[0].disk.data[512 * 1000 - 1], 0xff);
	assert_int_equal(w->m.port[0].disk.data[512 * 1000], 0);
	assert_int_equal(w->m.port[0].disk.data[512 * 1100 - 1], 0);
	assert_int_equal(w->m.port[0].disk.data[512 * 1100], 0xff);
	assert_int_equal(command(w, "reset"), 0);
	for (unsigned ms = 0; ms < WAIT_MS && !counter(p, &p->port.resets); ms += 2)
		os_sleep_ns(2000000);
	assert_int_equal(blk_sync(disk(w, 0), BLK_WRITE, 5, 1, buf), 0);
	assert_int_equal(w->m.port[0].disk.data[512 * 5], 1);
	assert_int_equal(counter(p, &p->port.resets), 1);
	assert_int_equal(counter(p, &p->port.errors), 0);
	stop(w);
}

static void
no_trim(void **state)
{
	struct world *w = make(1);

	(void)state;
	model_disk_make(&w->m, 0, SECTORS, 512, true);
	w->m.port[0].disk.trim = false;
	attach(w);
	assert_int_equal(blk_sync(disk(w, 0), BLK_DISCARD, 0, 8, NULL), -EOPNOTSUPP);
	stop(w);
}

/* The price of a request in register accesses, each of which costs a microsecond in a guest. */
static void
register_accesses(void **state)
{
	struct world *w = start(true);
	uint8_t buf[4096];
	uint64_t before;

	(void)state;
	assert_int_equal(blk_sync(disk(w, 0), BLK_READ, 0, 8, buf), 0);
	os_sleep_ns(5000000);
	before = w->m.accesses;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(blk_sync(disk(w, 0), BLK_READ, i * 8, 8, buf), 0);
	os_sleep_ns(5000000);
	/* SACT, CI; IS, PxIS twice, SACT, IS */
	assert_in_range(w->m.accesses - before, 100, 720);
	stop(w);
}

static void
bad_controllers(void **state)
{
	struct world *w = make(1);

	(void)state;
	model_disk_make(&w->m, 0, SECTORS, 512, true);
	w->m.cap &= ~CAP_S64A_MASK; /* and the model's memory is far above 4 GiB */
	assert_int_equal(sip_init(&w->server, &type), 0);
	assert_int_equal(drive_server_ops.initialize(&w->server), 0);
	w->server.initialized = true;
	assert_int_equal(sip_dev_open_bus("0.31.2", &w->m.bus, &w->m, &w->dev), 0);
	assert_int_equal(sip_attach(&w->server, w->dev), -ENOTSUP);
	stop(w);
}

/* What a driver that died leaves: commands in flight, ports that it knew to be empty. */
static void
successor(void **state)
{
	struct world *w = make(3);
	struct model_port *port = w->m.port;
	uint8_t buf[512];

	(void)state;
	model_disk_make(&w->m, 0, SECTORS, 512, true);
	port[0].cmd = CMD_ST_MASK | CMD_CR_MASK | CMD_FRE_MASK | CMD_FR_MASK | CMD_SUD_MASK;
	port[0].ssts = DET_PRESENT;
	port[0].clb = 0x1000;
	port[0].ci = port[0].sact = 0xff00ff;
	port[1].cmd = CMD_SUD_MASK;
	port[2].cmd = CMD_SUD_MASK;
	port[2].serr = SERR_N_MASK; /* it was being reset */
	attach(w);
	assert_int_equal(w->m.forgets, 1);
	assert_non_null(disk(w, 0));
	assert_int_equal(blk_sync(disk(w, 0), BLK_READ, 0, 1, buf), 0);
	assert_true(w->hba->port[0].expected && !w->hba->port[0].vacant);
	assert_true(w->hba->port[1].vacant && !w->hba->port[1].mem);
	assert_true(!w->hba->port[2].expected && !w->hba->port[2].vacant);
	model_disk_make(&w->m, 1, SECTORS, 512, true);
	model_plug(&w->m, 1, "LATE");
	assert_true(becomes(w, 1, true));
	stop(w);
}

/* One disk that keeps silent does not keep another from being shown, and has its own chance. */
static void
slow_disk(void **state)
{
	struct world *w = make(2);
	uint64_t began = os_time_ns();

	(void)state;
	model_disk_make(&w->m, 0, SECTORS, 512, true);
	model_disk_make(&w->m, 1, SECTORS, 512, true);
	model_add_fault(&w->m, (struct model_fault){ .kind = MODEL_HANG,
						     .times = 1,
						     .lba = UINT64_MAX,
						     .opcode = ATA_IDENTIFY });
	attach(w);
	assert_in_range(os_time_ns() - began, DRIVE_START_MS * 1000000ull,
			2 * DRIVE_START_MS * 1000000ull);
	assert_true(disk(w, 0) && disk(w, 1));
	assert_int_equal(w->m.port[0].disk.resets + w->m.port[1].disk.resets, 3);
	stop(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_goes_both_ways),
		cmocka_unit_test(identity),
		cmocka_unit_test(load),
		cmocka_unit_test(bad_sector),
		cmocka_unit_test(tries_are_counted),
		cmocka_unit_test(passing_faults),
		cmocka_unit_test(lost_interrupt),
		cmocka_unit_test(hanging_command),
		cmocka_unit_test(hot_plug),
		cmocka_unit_test(exchanged_disk),
		cmocka_unit_test(dead_after_reset),
		cmocka_unit_test(commands),
		cmocka_unit_test(no_trim),
		cmocka_unit_test(register_accesses),
		cmocka_unit_test(bad_controllers),
		cmocka_unit_test(successor),
		cmocka_unit_test(slow_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
