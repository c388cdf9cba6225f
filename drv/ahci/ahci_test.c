/*
 * The driver on a model of the controller: data, queueing, commands, what disks there are.
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

static void
data_goes_both_ways(void **state)
{
	(void)state;
	for (int ncq = 0; ncq < 2; ncq++) {
		struct world *w = world_start(ncq);
		uint8_t buf[64 * 512], got[64 * 512];

		world_fill(buf, 100, 64, 1);
		assert_int_equal(blk_sync(world_disk(w, 0), BLK_WRITE, 100, 64, buf), 0);
		assert_memory_equal(w->m.port[0].disk.data + 100 * 512, buf, sizeof buf);
		assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 100, 64, got), 0);
		assert_memory_equal(got, buf, sizeof buf);
		assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, SECTORS - 1, 1, got), 0);
		assert_int_equal(w->hba->port[0].ncq, ncq);
		world_stop(w);
	}
}

static void
identity(void **state)
{
	struct world *w = world_make(4);
	struct blk_info info;
	char text[1024];

	(void)state;
	model_disk_make(&w->m, 1, SECTORS, 512, true);
	model_disk_make(&w->m, 2, SECTORS, 4096, true);
	model_disk_make(&w->m, 3, 3000, 512, false);
	w->m.port[3].disk.lba48 = false;
	w->m.port[2].disk.depth = 8;
	world_attach(w);
	assert_null(world_disk(w, 0));
	assert_non_null(world_disk(w, 1));
	info = world_told(w, 2).info;
	assert_string_equal(info.name, "sdC2");
	assert_string_equal(info.model, "Model disk");
	assert_string_equal(info.serial, "SN2");
	assert_int_equal(info.secsize, 4096);
	assert_int_equal(info.queue_depth, 8);
	assert_int_equal(info.max_sectors, 65536);
	assert_non_null(strstr(info.features, "ncq trim"));
	info = world_told(w, 3).info;
	assert_int_equal(info.max_sectors, 256);
	assert_int_equal(info.queue_depth, 1);
	drive_blk_ops.describe(w->hba->port[3].port.disks, text, sizeof text);
	assert_non_null(strstr(text, "controller 0.31.2 port 3\nport-state ready\nlink sata-3\n"));
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(blk_sync(world_disk(w, i), BLK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(w->m.port[3].disk.flushes, 1);
	world_stop(w);
}

static void
load(void **state)
{
	(void)state;
	for (int ncq = 0; ncq < 2; ncq++) {
		struct world *w = world_start(ncq);

		w->m.bus.delay_us = ncq ? 50 : 0;
		world_run_load(w, UINT64_MAX, 0, NULL);
		assert_int_equal(w->m.port[0].disk.flushes, THREADS * 4);
		if (ncq)
			assert_true(w->m.port[0].disk.most_in_flight > 2);
		else
			assert_int_equal(w->m.port[0].disk.most_in_flight, 1);
		world_stop(w);
	}
}

static void
commands(void **state)
{
	struct world *w = world_start(true);
	struct ahci_port *p = &w->hba->port[0];
	uint8_t buf[512] = { 1 };

	(void)state;
	assert_int_equal(world_command(w, "standby"), 0);
	assert_int_equal(w->m.port[0].disk.standbys, 1);
	assert_int_equal(world_command(w, "dance"), -EINVAL);
	memset(w->m.port[0].disk.data + 512 * 999, 0xff, 512 * 102);
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_DISCARD, 1000, 100, NULL), 0);
	assert_int_equal(w->m.port[0].disk.data[512 * 1000 - 1], 0xff);
	assert_int_equal(w->m.port[0].disk.data[512 * 1000], 0);
	assert_int_equal(w->m.port[0].disk.data[512 * 1100 - 1], 0);
	assert_int_equal(w->m.port[0].disk.data[512 * 1100], 0xff);
	assert_int_equal(world_command(w, "reset"), 0);
	for (unsigned ms = 0; ms < WAIT_MS && !world_counter(p, &p->port.resets); ms += 2)
		os_sleep_ns(2000000);
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_WRITE, 5, 1, buf), 0);
	assert_int_equal(w->m.port[0].disk.data[512 * 5], 1);
	assert_int_equal(world_counter(p, &p->port.resets), 1);
	assert_int_equal(world_counter(p, &p->port.errors), 0);
	world_stop(w);
}

static void *
discard_thread(void *arg)
{
	struct load *l = arg;

	l->failed = (unsigned)-blk_sync(l->disk, BLK_DISCARD, l->bad, 100, NULL);
	return NULL;
}

static unsigned
queued(struct world *w)
{
	struct drive_queue *q = &w->hba->port[0].queue;
	unsigned n;

	os_lock_take(&q->lock);
	n = q->nwaiting + q->nbusy;
	os_lock_give(&q->lock);
	return n;
}

/* Discards that wait together become one command, and ranges that meet become one. */
static void
discards_together(void **state)
{
	struct world *w = world_make(1);
	struct model_disk *d = &w->m.port[0].disk;
	struct load l[THREADS];
	pthread_t t[THREADS];

	(void)state;
	model_disk_make(&w->m, 0, SECTORS, 512, true);
	d->trim_blocks = 8;
	memset(d->data, 0xff, SECTORS * 512);
	world_attach(w);
	assert_int_equal(w->hba->port[0].port.disks->info.discard_sectors,
			 8 * ATA_TRIM_RANGES * ATA_TRIM_RANGE_MAX);
	model_freeze(&w->m, true);
	for (unsigned i = 0; i < THREADS; i++) {
		l[i] = (struct load){ .disk = world_disk(w, 0), .bad = i * 100 };
		pthread_create(&t[i], NULL, discard_thread, &l[i]);
		while (queued(w) <= i) /* in this order: they meet */
			os_sleep_ns(1000000);
	}
	model_freeze(&w->m, false);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(l[i].failed, 0);
	}
	assert_int_equal(d->trims, 2); /* the first was alone when it came */
	assert_int_equal(d->ranges, 2);
	for (unsigned i = 0; i < THREADS * 100 * 512; i++)
		assert_int_equal(d->data[i], 0);
	assert_int_equal(d->data[THREADS * 100 * 512], 0xff);
	world_stop(w);
}

static void
write_through(void **state)
{
	uint8_t buf[1024] = { 1 };
	struct dma_seg seg;
	struct sip_dma dma;
	struct blk_io io;

	(void)state;
	for (int fua = 0; fua < 2; fua++)
		for (int ncq = 0; ncq < 2; ncq++) {
			struct world *w = world_make(1);
			struct model_disk *d = &w->m.port[0].disk;

			model_disk_make(&w->m, 0, SECTORS, 512, ncq);
			d->fua = fua;
			world_attach(w);
			assert_int_equal(sip_dma_alloc(w->dev, 4096, 4096, &dma), 0);
			memcpy(dma.vaddr, buf, sizeof buf);
			seg = (struct dma_seg){ dma.paddr, sizeof buf };
			io = (struct blk_io){ .kind = BLK_WRITE,
					      .sector = 7,
					      .nsectors = 2,
					      .seg = &seg,
					      .nsegs = 1,
					      .fua = true };
			assert_int_equal(world_run_io(w, &io), 0);
			sip_dma_free(w->dev, &dma);
			assert_int_equal(d->fuas, fua);
			assert_int_equal(d->flushes, !fua);
			assert_memory_equal(d->data + 7 * 512, buf, sizeof buf);
			world_stop(w);
		}
}

static void
smart_in_ctl(void **state)
{
	struct world *w = world_make(3);
	char text[1024];

	(void)state;
	model_disk_make(&w->m, 0, SECTORS, 512, true);
	model_disk_make(&w->m, 1, SECTORS, 512, false);
	model_disk_make(&w->m, 2, SECTORS, 512, true);
	w->m.port[0].disk.temperature = 41;
	w->m.port[1].disk.smart_failing = true;
	world_attach(w);
	world_describe(w, 0, text);
	assert_non_null(strstr(text, "smart passed\ntemperature 41\n"
				     "smart-attribute 194 temperature 41 0 0 0 ok\n"
				     "smart-attribute 5 reallocated-sectors 7 100 36 36 failed\n"));
	world_describe(w, 0, text);
	assert_int_equal(w->m.port[0].disk.smarts, 3); /* not asked again so soon */
	world_describe(w, 1, text);
	assert_non_null(strstr(text, "smart failed "));
	assert_null(strstr(text, "temperature"));
	w->m.bus.delay_us = 0;
	sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = MODEL_HANG,
								 .times = 1,
								 .lba = UINT64_MAX,
								 .opcode = ATA_SMART });
	world_describe(w, 2, text); /* the disk hangs; who looks does not */
	assert_non_null(strstr(text, "smart unknown\n"));
	world_stop(w);
}

static void
sector_sizes(void **state)
{
	static const struct {
		uint32_t secsize, physsecsize;
		bool native, lba48;
	} list[] = { { 512, 512, true, true },
		     { 512, 4096, false, true },
		     { 4096, 4096, false, true },
		     { 512, 512, true, false } };
	uint8_t buf[8192], got[8192];

	(void)state;
	for (unsigned i = 0; i < sizeof list / sizeof list[0]; i++) {
		struct world *w = world_make(1);
		struct model_disk *d = &w->m.port[0].disk;
		uint32_t n = 8192 / list[i].secsize;

		model_disk_make(&w->m, 0, 3000, list[i].secsize, list[i].lba48);
		d->native = list[i].native;
		d->lba48 = list[i].lba48;
		world_attach(w);
		assert_int_equal(world_told(w, 0).info.secsize, list[i].secsize);
		assert_int_equal(world_told(w, 0).info.physsecsize, list[i].physsecsize);
		for (unsigned k = 0; k < sizeof buf; k++)
			buf[k] = (uint8_t)(k * 7 + i);
		assert_int_equal(blk_sync(world_disk(w, 0), BLK_WRITE, 3000 - n, n, buf), 0);
		assert_memory_equal(d->data + (3000ul - n) * list[i].secsize, buf, sizeof buf);
		assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 3000 - n, n, got), 0);
		assert_memory_equal(got, buf, sizeof buf);
		assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 2999, 2, got), -EINVAL);
		world_stop(w);
	}
}

/* Data in as many pieces as a MiB has pages, at even addresses. */
static void
many_pieces(void **state)
{
	enum { PIECES = 257, BYTES = 1 << 20 };
	struct world *w = world_start(true);
	struct sip_dma dma;
	struct dma_seg seg[PIECES];
	uint64_t left = BYTES;
	struct blk_io io = {
		.kind = BLK_READ, .nsectors = BYTES / 512, .seg = seg, .nsegs = PIECES
	};

	(void)state;
	assert_int_equal(sip_dma_alloc(w->dev, 2 * BYTES, 4096, &dma), 0);
	world_fill(w->m.port[0].disk.data, 0, BYTES / 512, 5);
	for (unsigned i = 0; i < PIECES; i++) {
		/* The first begins, the last ends, within a page; every second page is used. */
		uint64_t skip = i ? 0 : 2, bytes = 4096 - skip;

		seg[i].paddr = dma.paddr + i * 8192ul % (2 * BYTES) + skip + (i == 256 ? 4096 : 0);
		seg[i].bytes = bytes < left ? bytes : left;
		left -= seg[i].bytes;
	}
	assert_int_equal(left, 0);
	assert_int_equal(world_run_io(w, &io), 0);
	left = 0;
	for (unsigned i = 0; i < PIECES; i++) {
		assert_memory_equal((uint8_t *)dma.vaddr + (seg[i].paddr - dma.paddr),
				    w->m.port[0].disk.data + left, seg[i].bytes);
		left += seg[i].bytes;
	}
	sip_dma_free(w->dev, &dma);
	world_stop(w);
}

static void
no_trim(void **state)
{
	struct world *w = world_make(1);

	(void)state;
	model_disk_make(&w->m, 0, SECTORS, 512, true);
	w->m.port[0].disk.trim = false;
	world_attach(w);
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_DISCARD, 0, 8, NULL), -EOPNOTSUPP);
	world_stop(w);
}

/* The price of a request in register accesses, each of which costs a microsecond in a guest. */
static void
register_accesses(void **state)
{
	struct world *w = world_start(true);
	uint8_t buf[4096];
	uint64_t before;

	(void)state;
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 0, 8, buf), 0);
	os_sleep_ns(5000000);
	before = w->m.bus.accesses;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, i * 8, 8, buf), 0);
	os_sleep_ns(5000000);
	/* SACT, CI; IS, PxIS twice, SACT, CMD as that is 0, IS */
	assert_in_range(w->m.bus.accesses - before, 100, 820);
	world_stop(w);
}

/* A controller with 32 address bits is given memory below 4 GiB, and uses no other. */
static void
low_memory(void **state)
{
	struct world *w = world_make(1);

	(void)state;
	model_disk_make(&w->m, 0, SECTORS, 512, true);
	w->m.cap &= ~CAP_S64A_MASK;
	w->m.bus.wants_low = true;
	world_attach(w);
	world_run_load(w, UINT64_MAX, 0, NULL);
	world_stop(w);
}

static void
refused(struct world *w)
{
	assert_int_equal(drive_test_attach(&w->server, &world_type, &w->m.bus, "0.31.2", &w->dev),
			 -ENOTSUP);
	world_stop(w);
}

static void
bad_controllers(void **state)
{
	struct world *w = world_make(1);

	(void)state;
	model_disk_make(&w->m, 0, SECTORS, 512, true);
	w->m.cap &= ~CAP_S64A_MASK;
	w->m.bus.wants_low = true;
	w->m.bus.dma_base = SIP_MODEL_DMA_HIGH; /* and there is none below 4 GiB */
	refused(w);
	w = world_make(1);
	w->m.bus.info.bar[5].size = 16; /* less than its registers take */
	refused(w);
	w = world_make(2);
	/* One port's: the other is not touched. */
	w->m.bus.info.bar[5].size = HBA_PORTS + HBA_PORT_SIZE;
	model_disk_make(&w->m, 0, SECTORS, 512, true);
	world_attach(w);
	assert_non_null(world_disk(w, 0));
	world_stop(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_goes_both_ways),
		cmocka_unit_test(identity),
		cmocka_unit_test(load),
		cmocka_unit_test(commands),
		cmocka_unit_test(discards_together),
		cmocka_unit_test(write_through),
		cmocka_unit_test(smart_in_ctl),
		cmocka_unit_test(sector_sizes),
		cmocka_unit_test(many_pieces),
		cmocka_unit_test(no_trim),
		cmocka_unit_test(register_accesses),
		cmocka_unit_test(low_memory),
		cmocka_unit_test(bad_controllers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
