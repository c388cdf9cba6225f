/*
 * The driver on a model of the host: units, data, sense data, commands that hang and are aborted,
 * units that come, go and change, units that answer nonsense.  Every test ends with a look at what
 * the model did not like (`lint`).
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
#include "../../lib/drive/testing/testing.h"
#include "os.h"
#include "p9_srv.h"
#include "model/host.h"

enum { WAIT_MS = DRIVE_TEST_WAIT_MS };

struct world {
	struct host h;
	struct sip_server server;
	struct sip_dev *dev;
	struct vscsi *s;
};

static const struct sip_type type = {
	.name = "virtioscsi",
	.server = &drive_server_ops,
	.driver = &vscsi_driver_ops,
	.p9 = &blk_p9_ops,
};

/* --- a world --------------------------------------------------------------------------------- */

static void
set(struct world *w, unsigned at, uint64_t v, unsigned bytes)
{
	memcpy(w->h.m.config + at, &v, bytes);
}

static struct world *
make(void)
{
	struct world *w = calloc(1, sizeof *w);

	vmodel_init(&w->h.m);
	w->h.m.bus.info.device = 0x1048;
	w->h.m.serve = host_serve;
	w->h.m.arg = &w->h;
	w->h.m.offered |= VIRTIO_F(VIRTIO_SCSI_HOTPLUG) | VIRTIO_F(VIRTIO_SCSI_CHANGE);
	w->h.m.nqueues = 4;
	w->h.m.kept = 1 << VIRTIO_SCSI_EVENT_QUEUE;
	w->h.m.config_bytes = VIRTIO_SCSI_CONFIG_SIZE;
	w->h.random = 1;
	set(w, 0, 2, 4);
	set(w, 4, 126, 4);
	set(w, 8, 65535, 4);
	set(w, 12, 128, 4);
	set(w, 16, 16, 4);
	set(w, 20, 96, 4);
	set(w, 24, 32, 4);
	set(w, 30, 255, 2);
	set(w, 32, 16383, 4);
	return w;
}

static void
attach(struct world *w)
{
	assert_int_equal(drive_test_attach(&w->server, &type, &w->h.m.bus, "0.4.0", &w->dev), 0);
	w->s = w->dev->priv;
}

static struct world *
start(void)
{
	struct world *w = make();

	host_add(&w->h, 0, 0, 0, 512);
	attach(w);
	return w;
}

static void
stop(struct world *w)
{
	drive_test_stop(&w->server, &w->h.m.bus);
	vmodel_fini(&w->h.m);
	for (unsigned i = 0; i < UNITS; i++)
		free(w->h.unit[i].data);
	free(w);
}

static struct blk_disk *
disk(struct world *w, const char *name)
{
	return drive_test_disk(&w->s->d.port, name);
}

static bool
becomes(struct world *w, const char *name, bool there)
{
	return drive_test_becomes(&w->s->d.port, name, there);
}

/* --- tests ----------------------------------------------------------------------------------- */

static const char *
serial_of(struct virtio_scsi_address at)
{
	if (at.target == 20) /* it does not tell */
		return "";
	return at.target == 3 ? "SN2" : at.lun ? "SN1" : "SN0";
}

static void
units_are_found(void **state)
{
	struct world *w = make();
	struct unit *u;

	(void)state;
	host_add(&w->h, 0, 0, 0, 512);
	host_add(&w->h, 1, 0, 1, 4096);
	host_add(&w->h, 2, 3, 7, 512)->readonly = true;
	u = host_add(&w->h, 3, 20, 2, 512);
	u->old = true;
	host_add(&w->h, 4, 5, 0, 512)->type = SCSI_TYPE_OPTICAL;
	host_add(&w->h, 5, 20, 4, 512); /* there is no name for it */
	host_add(&w->h, 6, 255, 0, 1024 * 16)->nsectors = 10;
	attach(w);
	assert_non_null(disk(w, "sdS0"));
	assert_non_null(disk(w, "sdS1"));
	assert_non_null(disk(w, "sdS199"));
	assert_non_null(disk(w, "sdS1042"));
	assert_null(disk(w, "sdS320"));
	assert_null(disk(w, "sdS1980"));
	for (const struct drive_disk *d = w->s->d.port.disks; d; d = d->next) {
		const struct vscsi_unit *v = d->priv;

		assert_string_equal(d->info.model, "MODEL DISK");
		assert_int_equal(d->info.readonly, v->at.target == 3);
		assert_int_equal(d->info.secsize, v->at.target == 0 && v->at.lun == 1 ? 4096 : 512);
		assert_string_equal(d->info.serial, serial_of(v->at));
		assert_int_equal(d->trims, v->at.target != 20);
	}
	stop(w);
}

static void
data_goes_both_ways(void **state)
{
	uint8_t buf[64 * 512], got[64 * 512];

	(void)state;
	for (unsigned vectors = 0; vectors < 5; vectors += 2) {
		struct world *w = make();
		struct unit *u = host_add(&w->h, 0, 0, 0, 512);

		w->h.m.bus.info.msix = vectors;
		attach(w);
		drive_test_fill(buf, 0, sizeof buf, 1);
		assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_WRITE, 100, 64, buf), 0);
		assert_memory_equal(u->data + 100 * 512, buf, sizeof buf);
		assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_READ, 100, 64, got), 0);
		assert_memory_equal(got, buf, sizeof buf);
		assert_int_equal(u->flushes, 0);
		assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_FLUSH, 0, 0, NULL), 0);
		assert_int_equal(u->flushes, 1);
		assert_int_equal(u->long_ones, 0);
		stop(w);
	}
}

static void
large_units(void **state)
{
	struct world *w = make();
	struct unit *u = host_add(&w->h, 0, 0, 0, 512);
	uint8_t buf[512], got[512];

	(void)state;
	u->nsectors = 1ull << 40;
	attach(w);
	drive_test_fill(buf, 0, sizeof buf, 1);
	assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_WRITE, (1ull << 40) - 1, 1, buf), 0);
	assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_READ, (1ull << 40) - 1, 1, got), 0);
	assert_memory_equal(got, buf, sizeof buf);
	assert_int_equal(u->long_ones, 2);
	stop(w);
}

static void
discards(void **state)
{
	struct world *w = start();
	struct unit *u = &w->h.unit[0];

	(void)state;
	memset(u->data, 0xaa, SECTORS * 512);
	assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_DISCARD, 50, 650, NULL), 0);
	assert_int_equal(u->ranges, 7); /* of 100 sectors */
	assert_int_equal(u->unmaps, 3); /* of 3 ranges */
	assert_int_equal(u->data[50 * 512 - 1], 0xaa);
	assert_int_equal(u->data[50 * 512], 0);
	assert_int_equal(u->data[700 * 512 - 1], 0);
	assert_int_equal(u->data[700 * 512], 0xaa);
	stop(w);
}

/* By WRITE SAME that unmaps, that does not, that is refused; and by writes from the beginning. */
static void
zeroes(void **state)
{
	static const struct {
		bool has, unmaps;
		uint32_t max;
		unsigned sames, writes;
	} cases[] = {
		{ true, true, 100, 10, 0 }, { true, true, 0, 2, 0 },    { true, false, 300, 4, 0 },
		{ false, false, 0, 0, 8 },  { false, true, 100, 1, 8 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = make();
		struct unit *u = host_add(&w->h, 0, 0, 0, 512);

		u->same = cases[i].has;
		u->same_unmaps = cases[i].unmaps;
		u->same_max = cases[i].max;
		attach(w);
		memset(u->data, 0xaa, SECTORS * 512);
		assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_ZERO, 50, 1000, NULL), 0);
		assert_int_equal(u->sames, cases[i].sames);
		assert_int_equal(u->writes, cases[i].writes);
		assert_int_equal(u->data[50 * 512 - 1], 0xaa);
		assert_int_equal(u->data[1050 * 512], 0xaa);
		for (unsigned n = 50 * 512; n < 1050 * 512; n++)
			assert_int_equal(u->data[n], 0);
		stop(w);
	}
}

static int
packet(struct world *w, const char *cdb, unsigned n, struct blk_packet *p)
{
	memset(p->cdb, 0, sizeof p->cdb);
	memcpy(p->cdb, cdb, n);
	p->cdb_len = (uint8_t)n;
	p->timeout_ms = 1000;
	p->moved = p->status = p->sense_len = 0;
	return vscsi_packet(w->s->d.port.disks, p);
}

static void
packets(void **state)
{
	struct world *w = start();
	struct unit *u = &w->h.unit[0];
	uint8_t buf[1024];
	struct blk_packet p = { .bytes = 37, .data = buf };

	(void)state;
	memset(buf, 0xee, sizeof buf);
	assert_int_equal(packet(w, "\x12\0\0\0\x25\0", 6, &p), 0); /* of an odd length */
	assert_true(p.status == SCSI_GOOD && p.moved == 36);
	assert_memory_equal(buf + 8, "MODEL   DISK", 12);
	p.bytes = 0;
	assert_int_equal(packet(w, "\0\0\0\0\0\0", 6, &p), 0);
	assert_true(p.status == SCSI_GOOD && !p.moved);
	p.bytes = sizeof buf;
	drive_test_fill(u->data + 3 * 512, 3, 1024, 5);
	assert_int_equal(packet(w, "\x28\0\0\0\0\x03\0\0\x02\0", 10, &p), 0);
	assert_true(p.status == SCSI_GOOD && p.moved == 1024);
	assert_memory_equal(buf, u->data + 3 * 512, 1024);
	p.out = true;
	drive_test_fill(buf, 7, 1024, 6);
	assert_int_equal(packet(w, "\x8a\0\0\0\0\0\0\0\0\x07\0\0\0\x02\0\0", 16, &p), 0);
	assert_true(p.status == SCSI_GOOD && p.moved == 1024);
	assert_memory_equal(buf, u->data + 7 * 512, 1024);
	stop(w);
}

/* What the disk says of it is the answer: no error of the driver's, and nothing is tried again. */
static void
packets_that_fail(void **state)
{
	struct world *w = start();
	struct unit *u = &w->h.unit[0];
	uint8_t buf[512];
	struct blk_packet p = { .bytes = 512, .data = buf };
	unsigned before = u->reads;

	(void)state;
	u->bad_lba = 3;
	assert_int_equal(packet(w, "\x28\0\0\0\0\x03\0\0\x01\0", 10, &p), 0);
	assert_true(p.status == SCSI_CHECK_CONDITION && !p.moved && p.sense_len == 18);
	assert_int_equal(p.sense[2], ATAPI_MEDIUM_ERROR);
	assert_int_equal(u->reads, before + 1);
	u->attentions = 1;
	assert_int_equal(packet(w, "\x28\0\0\0\0\x04\0\0\x01\0", 10, &p), 0);
	assert_int_equal(p.sense[2], ATAPI_UNIT_ATTENTION);
	w->h.hang = 1;
	assert_int_equal(packet(w, "\x28\0\0\0\0\x04\0\0\x01\0", 10, &p), -ETIMEDOUT);
	assert_int_equal(w->h.aborts, 1);
	w->h.unit[0].present = false;
	assert_true(packet(w, "\0\0\0\0\0\0", 6, &p) < 0);
	stop(w);
}

static void
standby(void **state)
{
	struct world *w = start();
	struct drive_disk *d = w->s->d.port.disks;
	struct unit *u = &w->h.unit[0];

	(void)state;
	assert_int_equal(vscsi_command(d, "standby"), 0);
	assert_int_equal(u->standbys, 1);
	assert_int_equal(vscsi_command(d, "stand"), -EINVAL);
	u->no_standby = true;
	assert_int_equal(vscsi_command(d, "standby"), -EOPNOTSUPP);
	assert_int_equal(u->standbys, 1);
	stop(w);
}

/* Its cache is turned on by a packet: from then on it must be flushed. */
static void
packets_that_change(void **state)
{
	static const uint8_t on[24] = { 0, 0, 0, 0, SCSI_MODE_CACHING, 0x12, 4 };
	struct world *w = make();
	struct unit *u = host_add(&w->h, 0, 0, 0, 512);
	struct blk_packet p = { .bytes = sizeof on, .out = true, .data = (uint8_t *)on };
	struct blk_disk *old;

	(void)state;
	u->writethrough = true;
	attach(w);
	old = disk(w, "sdS0");
	blk_disk_get(old);
	assert_int_equal(blk_sync(old, BLK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(u->flushes, 0);
	assert_int_equal(packet(w, "\x15\x10\0\0\x18\0", 6, &p), 0);
	assert_int_equal(p.status, SCSI_GOOD);
	for (unsigned ms = 0; ms < WAIT_MS && (disk(w, "sdS0") == old || !disk(w, "sdS0")); ms += 2)
		os_sleep_ns(2000000);
	assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(u->flushes, 1);
	assert_int_equal(blk_sync(old, BLK_FLUSH, 0, 0, NULL), -ENODEV);
	blk_disk_put(old);
	stop(w);
}

static uint64_t
counter(struct world *w, const uint64_t *which)
{
	uint64_t v;

	pthread_mutex_lock(&w->s->d.port.lock);
	v = *which;
	pthread_mutex_unlock(&w->s->d.port.lock);
	return v;
}

static void
sense_data(void **state)
{
	struct world *w = start();
	struct unit *u = &w->h.unit[0];
	uint8_t buf[16 * 512];

	(void)state;
	u->bad_lba = 1000;
	assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_READ, 992, 16, buf), -EIO);
	assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_READ, 984, 16, buf), 0);
	u->attentions = 2;
	assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_READ, 0, 16, buf), 0);
	u->busy = 2;
	assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_READ, 0, 16, buf), 0);
	u->bad_flushes = 1; /* told at once */
	assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_FLUSH, 0, 0, NULL), -EIO);
	assert_int_equal(u->flushes, 0);
	u->attentions = u->busy = 1; /* it has not begun with those */
	assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(u->flushes, 1);
	assert_int_equal(counter(w, &w->s->d.port.resets), 0);
	stop(w);
}

static void *
pass_time(void *arg)
{
	struct world *w = arg;

	for (unsigned i = 0; i < 1000 && w->h.hang + w->h.hangs; i++) {
		atomic_fetch_add(&w->s->d.ctlr.ahead_ms, 1000);
		os_sleep_ns(10000000);
	}
	return NULL;
}

/* A command that hangs is aborted, or its unit is reset, or at last the device. */
static void
commands_that_hang(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct world *w = start();
		uint8_t buf[512];
		unsigned resets = w->h.m.resets;
		pthread_t t;

		w->h.no_abort = i > 0;
		w->h.no_reset = i > 1;
		w->h.hang = 1;
		pthread_create(&t, NULL, pass_time, w);
		assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_READ, 5, 1, buf), 0);
		w->h.hangs = false;
		pthread_join(t, NULL);
		assert_int_equal(w->h.aborts, 1);
		assert_int_equal(w->h.unit_resets, i > 0);
		assert_int_equal(w->h.m.resets > resets, i > 1);
		stop(w);
	}
}

static void
units_come_and_go(void **state)
{
	struct world *w = start();
	struct blk_disk *was;
	uint8_t buf[512];

	(void)state;
	for (unsigned i = 0; i < 40; i++) { /* more often than there are buffers */
		pthread_mutex_lock(&w->h.m.bus.lock);
		free(w->h.unit[1].data);
		host_add(&w->h, 1, 200, 3, 512);
		host_event(&w->h, 1, 200, 3, 1);
		pthread_mutex_unlock(&w->h.m.bus.lock);
		assert_true(becomes(w, "sdS1763", true));
		assert_int_equal(blk_sync(disk(w, "sdS1763"), BLK_READ, 5, 1, buf), 0);
		pthread_mutex_lock(&w->h.m.bus.lock);
		w->h.unit[1].present = false;
		host_event(&w->h, 1, 200, 3, 2);
		pthread_mutex_unlock(&w->h.m.bus.lock);
		assert_true(becomes(w, "sdS1763", false));
	}
	was = disk(w, "sdS0");
	blk_disk_get(was);
	pthread_mutex_lock(&w->h.m.bus.lock);
	w->h.unit[0].nsectors = SECTORS / 2;
	host_event(&w->h, 3, 0, 0, 0x092a);
	pthread_mutex_unlock(&w->h.m.bus.lock);
	for (unsigned ms = 0; ms < WAIT_MS && (!disk(w, "sdS0") || disk(w, "sdS0") == was); ms += 2)
		os_sleep_ns(2000000);
	assert_int_equal(blk_sync(was, BLK_READ, 0, 1, buf), -ENODEV);
	assert_int_equal(blk_sync(disk(w, "sdS0"), BLK_READ, SECTORS / 2 - 1, 1, buf), 0);
	blk_disk_put(was);
	assert_int_equal(counter(w, &w->s->d.port.resets), 0);
	stop(w);
}

static void
missed_events(void **state)
{
	struct world *w = start();

	(void)state;
	pthread_mutex_lock(&w->h.m.bus.lock);
	host_add(&w->h, 1, 1, 0, 512);
	host_event(&w->h, 1u << 31, 0, 0, 0);
	pthread_mutex_unlock(&w->h.m.bus.lock);
	assert_true(becomes(w, "sdS64", true));
	stop(w);
}

static void
ctl_has(struct world *w, const char *name, const char *want)
{
	char text[2048];
	struct drive_disk *d = drive_test_drive(&w->s->d.port, name);

	assert_true(drive_blk_ops.describe(d, text, sizeof text) < sizeof text);
	if (!strstr(text, want))
		print_error("%s: no \"%s\" in:\n%s", name, want, text);
	assert_non_null(strstr(text, want));
}

/* What is refused or makes no sense is told; who looks again does not ask the disk again. */
static void
health(void **state)
{
	struct world *w = make();
	struct unit *u;

	(void)state;
	host_add(&w->h, 0, 0, 0, 512); /* has none */
	u = host_add(&w->h, 1, 1, 0, 512);
	u->logs = true;
	u->degrees = 41;
	u = host_add(&w->h, 2, 2, 0, 512);
	u->logs = true;
	u->asc = 0x5d, u->ascq = 0x14, u->degrees = 50;
	u->cut = SCSI_LOG_TEMPERATURE;
	u = host_add(&w->h, 3, 3, 0, 512);
	u->logs = true;
	u->degrees = 0xff;
	u->refused = SCSI_LOG_EXCEPTIONS;
	attach(w);
	w->h.unit[1].attentions = 1; /* it is asked once more */
	ctl_has(w, "sdS0", "\nsmart none\n");
	ctl_has(w, "sdS64", "\nsmart passed\ntemperature 41\nlast-error");
	ctl_has(w, "sdS128",
		"\nsmart failed a failure is predicted (0x5d/0x14)\ntemperature 50\n"
		"smart-note the temperature page (0x0d) is malformed\nlast-error");
	ctl_has(w, "sdS192",
		"\nsmart unknown\nsmart-note the informational exceptions page (0x2f) "
		"was refused, though the disk lists it\nlast-error");
	assert_int_equal(w->h.unit[0].log_reads, 1);
	assert_int_equal(w->h.unit[1].log_reads, 3);
	w->h.unit[1].degrees = 42;
	ctl_has(w, "sdS64", "temperature 41\n");
	assert_int_equal(w->h.unit[1].log_reads, 3);
	stop(w);
}

/* A disk that does not answer is not waited for longer than a second. */
static void
health_of_a_disk_that_hangs(void **state)
{
	struct world *w = make();
	uint64_t began;

	(void)state;
	host_add(&w->h, 0, 0, 0, 512)->logs = true;
	attach(w);
	w->h.unit[0].log_hangs = true;
	began = os_time_ns();
	ctl_has(w, "sdS0", "\nsmart unknown\nsmart-note the list of log pages was not answered\n");
	assert_true(os_time_ns() - began < 8000000000ull);
	stop(w);
}

/* Answers with random bits in them: some commands fail; nobody hangs, nothing breaks. */
static void
nonsense(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct world *w = make();
		uint8_t buf[512];

		set(w, 30, 15, 2); /* targets */
		host_add(&w->h, 0, 0, 0, 512);
		host_add(&w->h, 1, 1, 0, 512);
		w->h.random = i;
		w->h.nonsense = true;
		attach(w);
		for (unsigned k = 0; k < 50 && disk(w, "sdS0"); k++)
			blk_sync(disk(w, "sdS0"), k % 2 ? BLK_READ : BLK_WRITE, k, 1, buf);
		stop(w);
	}
}

static void
no_interrupts(void **state)
{
	struct world *w = start();

	(void)state;
	drive_test_lost_interrupts(&w->h.m.bus, &w->s->d.port);
	stop(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units_are_found),
		cmocka_unit_test(data_goes_both_ways),
		cmocka_unit_test(large_units),
		cmocka_unit_test(discards),
		cmocka_unit_test(zeroes),
		cmocka_unit_test(packets),
		cmocka_unit_test(packets_that_fail),
		cmocka_unit_test(packets_that_change),
		cmocka_unit_test(standby),
		cmocka_unit_test(sense_data),
		cmocka_unit_test(commands_that_hang),
		cmocka_unit_test(units_come_and_go),
		cmocka_unit_test(missed_events),
		cmocka_unit_test(health),
		cmocka_unit_test(health_of_a_disk_that_hangs),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(no_interrupts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
