/*
 * The driver on a model of the device: data, limits, queues, errors, devices that lie, hang, need a
 * reset, change their size or go.  Every test ends with a look at what the model did not like
 * (`lint`).
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
#include "../../lib/virtio/model/model.h"
#include "os.h"
#include "p9_srv.h"
#include "virtioblk.h"

enum { SECTORS = 8192, WAIT_MS = DRIVE_TEST_WAIT_MS, NO_LBA = -1 };

struct world {
	struct vmodel m;
	struct sip_server server;
	struct sip_dev *dev;
	struct vblk *b;

	/* The device's side, under the model's lock. */
	uint8_t *data;
	uint64_t nsectors; /* of 512 bytes */
	const char *serial;
	int64_t bad_lba; /* a request that touches it ends with an error */
	bool may_unmap;  /* what is zero, as its configuration says */
	unsigned flushes, discards, ranges, zeroes, ids, errors;
	unsigned bad_flushes; /* so many end with an error */
	uint64_t reads, writes, most_pieces, most_bytes;
};

static const struct sip_type type = {
	.name = "virtioblk",
	.server = &drive_server_ops,
	.driver = &vblk_driver_ops,
	.p9 = &blk_p9_ops,
};

/* --- the device ------------------------------------------------------------------------------ */

static uint8_t
move(struct world *w, const struct vmodel_request *r, uint64_t sector, bool write)
{
	size_t n = write ? vmodel_room(r, false) - VIRTIO_BLK_HEADER_SIZE
			 : vmodel_room(r, true) - 1;

	if (n % 512 || sector > w->nsectors || n / 512 > w->nsectors - sector || !n) {
		sip_model_lint(&w->m.bus, "a request outside of the disk");
		return VIRTIO_BLK_S_IOERR;
	}
	if (w->bad_lba >= 0 && (uint64_t)w->bad_lba >= sector &&
	    (uint64_t)w->bad_lba < sector + n / 512) {
		w->errors++;
		return VIRTIO_BLK_S_IOERR;
	}
	for (unsigned i = 0; i < r->npieces; i++)
		if (r->piece[i].n > w->most_bytes)
			w->most_bytes = r->piece[i].n;
	if (r->npieces > w->most_pieces)
		w->most_pieces = r->npieces;
	if (write) {
		w->writes++;
		vmodel_get(r, VIRTIO_BLK_HEADER_SIZE, w->data + sector * 512, n);
	} else {
		w->reads++;
		vmodel_put(r, 0, w->data + sector * 512, n);
	}
	return VIRTIO_BLK_S_OK;
}

static uint8_t
discard(struct world *w, const struct vmodel_request *r, bool zeroes)
{
	size_t n = vmodel_room(r, false) - VIRTIO_BLK_HEADER_SIZE;

	if (!n || n % 16)
		sip_model_lint(&w->m.bus, "ranges that are none");
	for (size_t i = 0; i < n / 16; i++) {
		uint64_t sector;
		uint32_t count[2];

		vmodel_get(r, VIRTIO_BLK_HEADER_SIZE + i * 16, &sector, 8);
		vmodel_get(r, VIRTIO_BLK_HEADER_SIZE + i * 16 + 8, count, 8);
		if (sector + count[0] > w->nsectors || count[1] != (zeroes && w->may_unmap)) {
			sip_model_lint(&w->m.bus, "a range outside of the disk, or odd flags");
			continue;
		}
		memset(w->data + sector * 512, 0, count[0] * 512ul);
		w->ranges++;
	}
	w->discards += !zeroes;
	w->zeroes += zeroes;
	return VIRTIO_BLK_S_OK;
}

static uint8_t
carry_out(struct world *w, const struct vmodel_request *r, uint32_t kind, uint64_t sector)
{
	char id[VIRTIO_BLK_ID_SIZE + 1] = { 0 };

	switch (kind) {
	case VIRTIO_BLK_T_IN: return move(w, r, sector, false);
	case VIRTIO_BLK_T_OUT: return move(w, r, sector, true);
	case VIRTIO_BLK_T_FLUSH:
		if (w->bad_flushes) {
			w->bad_flushes--;
			return VIRTIO_BLK_S_IOERR;
		}
		w->flushes++;
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_DISCARD: return discard(w, r, false);
	case VIRTIO_BLK_T_WRITE_ZEROES: return discard(w, r, true);
	case VIRTIO_BLK_T_GET_ID:
		w->ids++;
		if (!w->serial)
			return VIRTIO_BLK_S_UNSUPP;
		snprintf(id, sizeof id, "%s", w->serial);
		vmodel_put(r, 0, id, VIRTIO_BLK_ID_SIZE);
		return VIRTIO_BLK_S_OK;
	}
	sip_model_lint(&w->m.bus, "a request of no known type");
	return VIRTIO_BLK_S_UNSUPP;
}

static uint32_t
serve(void *arg, const struct vmodel_request *r)
{
	struct world *w = arg;
	size_t room = vmodel_room(r, true);
	uint32_t head[2] = { 0 };
	uint64_t sector = 0;
	uint8_t status;

	if (vmodel_get(r, 0, head, 8) != 8 || vmodel_get(r, 8, &sector, 8) != 8 || !room ||
	    head[1]) {
		sip_model_lint(&w->m.bus, "no header, or no room for a status");
		return 0;
	}
	status = carry_out(w, r, head[0], sector);
	vmodel_put(r, room - 1, &status, 1);
	return (uint32_t)room;
}

static void
set(struct world *w, unsigned at, uint64_t v, unsigned bytes)
{
	memcpy(w->m.config + at, &v, bytes);
}

static struct world *
make(uint64_t features)
{
	struct world *w = calloc(1, sizeof *w);

	vmodel_init(&w->m);
	w->m.serve = serve;
	w->m.arg = w;
	w->m.offered |= features | VIRTIO_F(VIRTIO_BLK_FLUSH) | VIRTIO_F(VIRTIO_BLK_SEG_MAX);
	w->nsectors = SECTORS;
	w->data = calloc(w->nsectors * 2, 512);
	w->serial = "SN1";
	w->bad_lba = NO_LBA;
	set(w, 0, w->nsectors, 8);
	set(w, 12, 254, 4);
	set(w, 34, 1, 2);
	return w;
}

static void
attach(struct world *w)
{
	assert_int_equal(drive_test_attach(&w->server, &type, &w->m.bus, "0.4.0", &w->dev), 0);
	w->b = w->dev->priv;
}

static struct world *
start(uint64_t features)
{
	struct world *w = make(features);

	attach(w);
	return w;
}

static void
stop(struct world *w)
{
	drive_test_stop(&w->server, &w->m.bus);
	vmodel_fini(&w->m);
	free(w->data);
	free(w);
}

static struct blk_disk *
disk(struct world *w)
{
	return drive_test_disk(&w->b->d.port, NULL);
}

static bool
becomes(struct world *w, bool there)
{
	return drive_test_becomes(&w->b->d.port, NULL, there);
}

static uint64_t
counter(struct world *w, const uint64_t *which)
{
	return drive_test_counter(&w->b->d.port, which);
}

/* --- data ------------------------------------------------------------------------------------ */

static void
data_goes_both_ways(void **state)
{
	uint8_t buf[64 * 512], got[64 * 512];

	(void)state;
	for (unsigned vectors = 0; vectors < 4; vectors++) {
		struct world *w = make(0);

		w->m.bus.info.msix = vectors; /* none: a line; one: for all */
		attach(w);
		drive_test_fill(buf, 100, 64 * 512, 1);
		assert_int_equal(blk_sync(disk(w), BLK_WRITE, 100, 64, buf), 0);
		assert_memory_equal(w->data + 100 * 512, buf, sizeof buf);
		assert_int_equal(blk_sync(disk(w), BLK_READ, 100, 64, got), 0);
		assert_memory_equal(got, buf, sizeof buf);
		assert_int_equal(blk_sync(disk(w), BLK_READ, SECTORS - 1, 1, got), 0);
		assert_int_equal(blk_sync(disk(w), BLK_READ, SECTORS, 1, got), -EINVAL);
		assert_int_equal(w->flushes, 0);
		assert_int_equal(blk_sync(disk(w), BLK_FLUSH, 0, 0, NULL), 0);
		assert_int_equal(w->flushes, 1);
		assert_int_equal(w->b->d.nvectors, vectors > 2 ? 2 : vectors);
		assert_int_equal(counter(w, &w->b->d.port.lost), 0);
		stop(w);
	}
}

static void
large_sectors(void **state)
{
	struct world *w = make(VIRTIO_F(VIRTIO_BLK_BLK_SIZE) | VIRTIO_F(VIRTIO_BLK_TOPOLOGY));
	uint8_t buf[4096], got[4096];

	(void)state;
	set(w, 20, 4096, 4);
	set(w, 24, 2, 1);
	attach(w);
	drive_test_fill(buf, 7, 8 * 512, 3);
	assert_int_equal(blk_sync(disk(w), BLK_WRITE, 7, 1, buf), 0);
	assert_memory_equal(w->data + 7 * 4096, buf, sizeof buf);
	assert_int_equal(blk_sync(disk(w), BLK_READ, 7, 1, got), 0);
	assert_memory_equal(got, buf, sizeof buf);
	assert_int_equal(blk_sync(disk(w), BLK_READ, SECTORS / 8, 1, got), -EINVAL);
	stop(w);
}

/* Pieces of at most size_max, at most seg_max of them. */
static void
limits_are_kept(void **state)
{
	static const uint32_t cases[][2] = {
		{ 4096, 16 }, { 512, 254 }, { 8192, 2 }, { 65536, 8 }
	};
	uint8_t *buf = malloc(SECTORS * 512), *got = malloc(SECTORS * 512);

	(void)state;
	drive_test_fill(buf, 0, SECTORS * 512, 9);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = make(VIRTIO_F(VIRTIO_BLK_SIZE_MAX));

		set(w, 8, cases[i][0], 4);
		set(w, 12, cases[i][1], 4);
		attach(w);
		assert_non_null(disk(w));
		assert_int_equal(blk_sync(disk(w), BLK_WRITE, 0, 2000, buf), 0);
		assert_memory_equal(w->data, buf, 2000 * 512);
		assert_int_equal(blk_sync(disk(w), BLK_READ, 0, 2000, got), 0);
		assert_memory_equal(got, buf, 2000 * 512);
		assert_true(w->most_bytes <= cases[i][0]);
		assert_true(w->most_pieces <= cases[i][1] + 2);
		stop(w);
	}
	free(buf);
	free(got);
}

/* With and without the device's leave to unmap; in pieces of what it takes, or by writes. */
static void
zeroes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct world *w = make(i < 2 ? VIRTIO_F(VIRTIO_BLK_WRITE_ZEROES) : 0);

		set(w, 48, 100, 4);
		set(w, 56, i, 1);
		w->may_unmap = i;
		attach(w);
		memset(w->data, 0xaa, SECTORS * 512);
		assert_int_equal(blk_sync(disk(w), BLK_ZERO, 50, 350, NULL), 0);
		assert_int_equal(w->zeroes, i < 2 ? 4 : 0);
		assert_int_equal(w->writes, i < 2 ? 0 : 3);
		assert_int_equal(w->data[50 * 512 - 1], 0xaa);
		assert_int_equal(w->data[400 * 512], 0xaa);
		for (unsigned n = 50 * 512; n < 400 * 512; n++)
			assert_int_equal(w->data[n], 0);
		stop(w);
	}
}

static void
discards(void **state)
{
	static const uint64_t features[] = { VIRTIO_F(VIRTIO_BLK_DISCARD),
					     VIRTIO_F(VIRTIO_BLK_WRITE_ZEROES) };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct world *w = make(features[i]);

		set(w, 36, 100, 4); /* sectors of a range */
		set(w, 40, 4, 4);   /* ranges */
		set(w, 48, 100, 4);
		set(w, 56, 1, 1);
		w->may_unmap = true;
		attach(w);
		memset(w->data, 0xaa, SECTORS * 512);
		assert_int_equal(blk_sync(disk(w), BLK_DISCARD, 50, 350, NULL), 0);
		assert_int_equal(w->ranges, 4);
		assert_true(i ? w->zeroes > 0 && !w->discards : w->discards > 0 && !w->zeroes);
		assert_int_equal(w->data[50 * 512 - 1], 0xaa);
		assert_int_equal(w->data[400 * 512], 0xaa);
		for (unsigned n = 50 * 512; n < 400 * 512; n++)
			assert_int_equal(w->data[n], 0);
		stop(w);
	}
}

static void
what_is_not_offered(void **state)
{
	struct world *w = make(0);

	(void)state;
	w->m.offered &= ~VIRTIO_F(VIRTIO_BLK_FLUSH);
	w->serial = NULL;
	attach(w);
	assert_int_equal(blk_sync(disk(w), BLK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(w->flushes, 0);
	assert_int_equal(blk_sync(disk(w), BLK_DISCARD, 0, 8, NULL), -EOPNOTSUPP);
	assert_string_equal(w->b->d.port.disks->info.serial, "");
	stop(w);
}

static void
the_disk_is_described(void **state)
{
	struct world *w = make(VIRTIO_F(VIRTIO_BLK_RO) | VIRTIO_F(VIRTIO_BLK_GEOMETRY));
	const struct blk_info *info;

	(void)state;
	w->serial = "a\x01 serial number that is long";
	set(w, 16, 8, 2);
	set(w, 18, 16, 1);
	set(w, 19, 63, 1);
	attach(w);
	info = &w->b->d.port.disks->info;
	assert_string_equal(info->name, "sdV0");
	assert_string_equal(info->serial, "a_ serial number tha");
	assert_true(info->readonly && info->heads == 16 && info->cylinders == 8);
	stop(w);
}

/* --- many at once ---------------------------------------------------------------------------- */

static void
load(struct world *w)
{
	struct drive_load l = { .disk = disk(w), .nsectors = SECTORS, .bad = UINT64_MAX };

	drive_test_load(&l);
}

static void
many_at_once(void **state)
{
	struct world *w = make(0);

	(void)state;
	w->m.bus.delay_us = 50;
	attach(w);
	load(w);
	assert_true(w->m.queue[0].most_in_flight > 1);
	assert_int_equal(counter(w, &w->b->d.port.errors), 0);
	stop(w);
}

static void
several_queues(void **state)
{
	struct world *w = make(VIRTIO_F(VIRTIO_BLK_MQ));

	(void)state;
	w->m.nqueues = 4;
	set(w, 34, 4, 2);
	attach(w);
	load(w);
	assert_true(w->b->d.nqueues >= 1 && w->b->d.nqueues <= 4);
	for (unsigned i = 0; i < w->b->d.nqueues; i++)
		assert_true(w->m.queue[i].enable);
	assert_int_equal(w->b->d.nvectors, w->b->d.nqueues + 1);
	stop(w);
}

/* --- errors ---------------------------------------------------------------------------------- */

static void
a_bad_sector(void **state)
{
	struct world *w = start(0);
	uint8_t buf[16 * 512];

	(void)state;
	w->bad_lba = 1000;
	assert_int_equal(blk_sync(disk(w), BLK_READ, 1000, 1, buf), -EIO);
	assert_int_equal(w->errors, DRIVE_TRIES);
	assert_int_equal(blk_sync(disk(w), BLK_READ, 999, 1, buf), 0);
	assert_int_equal(blk_sync(disk(w), BLK_WRITE, 992, 16, buf), -EIO);
	assert_int_equal(blk_sync(disk(w), BLK_READ, 1001, 15, buf), 0);
	w->bad_flushes = 1;
	assert_int_equal(blk_sync(disk(w), BLK_FLUSH, 0, 0, NULL), -EIO);
	assert_int_equal(w->flushes, 0);
	assert_int_equal(blk_sync(disk(w), BLK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(w->flushes, 1);
	assert_int_equal(counter(w, &w->b->d.port.resets), 0);
	stop(w);
}

static void
lost_interrupts(void **state)
{
	struct world *w = start(0);
	uint8_t buf[512];

	(void)state;
	sip_model_add_fault(&w->m.bus,
			    (struct sip_model_fault){ .kind = VMODEL_NO_INTERRUPT, .times = 1 });
	assert_int_equal(blk_sync(disk(w), BLK_READ, 0, 1, buf), 0);
	for (unsigned ms = 0; ms < WAIT_MS && !counter(w, &w->b->d.port.lost); ms++)
		os_sleep_ns(1000000); /* it is counted after the end */
	assert_int_equal(counter(w, &w->b->d.port.lost), 1);
	assert_int_equal(counter(w, &w->b->d.port.resets), 0);
	stop(w);
}

/* One for the queue, one for all, or a line: that stands until somebody has read why. */
static void
no_interrupts(void **state)
{
	(void)state;
	for (unsigned vectors = 0; vectors < 4; vectors++) {
		struct world *w = make(0);

		w->m.bus.info.msix = vectors;
		attach(w);
		drive_test_lost_interrupts(&w->m.bus, &w->b->d.port);
		stop(w);
	}
}

/* The device makes nonsense once: it is reset, and nobody notices. */
static void
lies_and_resets(void **state)
{
	static const enum vmodel_fault_kind kinds[] = { VMODEL_BAD_ID, VMODEL_TWICE, VMODEL_JUMP,
							VMODEL_LONG, VMODEL_NEEDS_RESET };

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct world *w = start(0);

		sip_model_add_fault(&w->m.bus, (struct sip_model_fault){
						       .kind = kinds[i], .times = 1, .skip = 40 });
		sip_model_add_fault(&w->m.bus, (struct sip_model_fault){
						       .kind = kinds[i], .times = 1, .skip = 200 });
		load(w);
		assert_true(counter(w, &w->b->d.port.resets) >= 1);
		assert_non_null(disk(w));
		stop(w);
	}
}

/* A read that is said to be well, but was not written, must not give what others have left. */
static void
short_answers(void **state)
{
	struct world *w = start(0);
	uint8_t buf[512];

	(void)state;
	sip_model_add_fault(&w->m.bus,
			    (struct sip_model_fault){ .kind = VMODEL_SHORT, .times = 1 });
	assert_int_equal(blk_sync(disk(w), BLK_READ, 0, 1, buf), -EPROTO);
	assert_int_equal(blk_sync(disk(w), BLK_READ, 0, 1, buf), 0);
	stop(w);
}

static void *
pass_time(void *arg)
{
	struct world *w = arg;

	for (unsigned i = 0; i < 3000 && counter(w, &w->b->d.port.resets) <= DRIVE_TRIES; i++) {
		atomic_fetch_add(&w->b->d.ctlr.ahead_ms, 1000);
		os_sleep_ns(10000000);
	}
	return NULL;
}

static void
requests_that_never_end(void **state)
{
	struct world *w = start(0);
	uint8_t buf[512];
	pthread_t t;

	(void)state;
	sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = VMODEL_HANG, .times = 1 });
	atomic_fetch_add(&w->b->d.ctlr.ahead_ms, 1);
	pthread_create(&t, NULL, pass_time, w);
	assert_int_equal(blk_sync(disk(w), BLK_READ, 5, 1, buf), 0);
	sip_model_add_fault(&w->m.bus,
			    (struct sip_model_fault){ .kind = VMODEL_HANG, .times = DRIVE_TRIES });
	assert_int_equal(blk_sync(disk(w), BLK_READ, 5, 1, buf), -ETIMEDOUT);
	pthread_join(t, NULL);
	assert_int_equal(blk_sync(disk(w), BLK_READ, 5, 1, buf), 0);
	stop(w);
}

/* --- the device changes ---------------------------------------------------------------------- */

static void
another_size(void **state)
{
	struct world *w = start(0);
	struct blk_disk *was = disk(w);
	uint8_t buf[512];

	(void)state;
	blk_disk_get(was);
	pthread_mutex_lock(&w->m.bus.lock);
	w->nsectors = 2 * SECTORS;
	set(w, 0, w->nsectors, 8);
	vmodel_config_changed(&w->m);
	pthread_mutex_unlock(&w->m.bus.lock);
	for (unsigned ms = 0; ms < WAIT_MS && (!disk(w) || disk(w) == was); ms += 2)
		os_sleep_ns(2000000);
	assert_int_equal(blk_sync(disk(w), BLK_READ, 2 * SECTORS - 1, 1, buf), 0);
	assert_int_equal(blk_sync(was, BLK_READ, 0, 1, buf), -ENODEV);
	blk_disk_put(was);
	stop(w);
}

/* What the queues were planned with is not offered any more after a reset: it is not used. */
static void
features_go(void **state)
{
	static const unsigned features[] = { VIRTIO_EVENT_IDX, VIRTIO_INDIRECT_DESC };
	uint8_t buf[512];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct world *w = start(0);
		struct blk_disk *was = disk(w);

		blk_disk_get(was);
		pthread_mutex_lock(&w->m.bus.lock);
		w->m.offered &= ~VIRTIO_F(features[i]);
		pthread_mutex_unlock(&w->m.bus.lock);
		sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = VMODEL_NEEDS_RESET,
									 .times = 1 });
		assert_true(blk_sync(was, BLK_READ, 0, 1, buf) < 0);
		assert_true(becomes(w, false));
		blk_disk_put(was);
		stop(w);
	}
}

static void
a_device_goes(void **state)
{
	struct world *w = start(0);

	(void)state;
	pthread_mutex_lock(&w->m.bus.lock);
	w->m.bus.gone = true;
	pthread_mutex_unlock(&w->m.bus.lock);
	drive_change(&w->b->d.port);
	assert_true(becomes(w, false));
	stop(w);
}

static void
devices_that_cannot_be(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct world *w = make(VIRTIO_F(VIRTIO_BLK_BLK_SIZE));

		set(w, 20, 512, 4);
		if (i == 0)
			w->m.offered &= ~VIRTIO_F(VIRTIO_VERSION_1);
		if (i == 1)
			set(w, 20, 513, 4);
		if (i == 2)
			w->m.queue[0].max = w->m.queue[0].size = 3;
		if (i == 3)
			w->m.keeps_features = true;
		if (i == 4) /* a legacy device: no capabilities */
			w->m.bus.pci[0x06] = 0;
		assert_int_equal(drive_test_attach(&w->server, &type, &w->m.bus, "0.4.0", &w->dev),
				 -ENOTSUP);
		stop(w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_goes_both_ways),
		cmocka_unit_test(large_sectors),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(discards),
		cmocka_unit_test(zeroes),
		cmocka_unit_test(what_is_not_offered),
		cmocka_unit_test(the_disk_is_described),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(several_queues),
		cmocka_unit_test(a_bad_sector),
		cmocka_unit_test(lost_interrupts),
		cmocka_unit_test(no_interrupts),
		cmocka_unit_test(lies_and_resets),
		cmocka_unit_test(short_answers),
		cmocka_unit_test(requests_that_never_end),
		cmocka_unit_test(another_size),
		cmocka_unit_test(features_go),
		cmocka_unit_test(a_device_goes),
		cmocka_unit_test(devices_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
