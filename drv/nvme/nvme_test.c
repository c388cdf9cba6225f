/*
 * The driver on a model of the controller: data, queues, commands, controllers that are not as they
 * should be, answers that are chance.
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

enum { CHANCES = 40, PAGES = 64, SEGS = 20 };

struct discarder {
	struct blk_disk *disk;
	unsigned index;
};

/* Two name spaces; strides, page sizes, and every number of vectors and queues. */
static void
data_goes_both_ways(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct world *w = world_make();

		model_namespace_make(&w->m, 1, SECTORS, 512);
		model_namespace_make(&w->m, 3, SECTORS, 4096);
		w->m.bus.info.msix = i + 1;
		w->m.max_pairs = i + 1;
		w->m.ready_reads = i * 30;
		w->m.sgls = i % 3;
		w->m.cap_high = NVME_CAPH_DSTRD_set(w->m.cap_high, i);
		w->m.cap_high = NVME_CAPH_MPSMIN_set(w->m.cap_high, i);
		world_attach(w);
		world_round_trip(w, "sdN0", 1);
		world_round_trip(w, "sdN2", 3);
		assert_null(world_disk(w, "sdN1"));
		assert_true(w->c->active >= 1 && w->c->active <= w->m.max_pairs);
		world_stop(w);
	}
}

static void
identity(void **state)
{
	struct world *w = world_make();
	const struct blk_info *info;
	char text[1024];

	(void)state;
	model_namespace_make(&w->m, 1, SECTORS, 512);
	model_namespace_make(&w->m, 2, SECTORS, 512);
	model_namespace_make(&w->m, 4, SECTORS, 4096);
	model_namespace_make(&w->m, 3, SECTORS, 4096);
	w->m.ns[1].metadata = 8;
	w->m.ns[2].metadata = 64;
	w->m.kelvin = 300;
	world_attach(w);
	assert_null(world_drive(w, "sdN1")); /* refused, as the next */
	assert_null(world_drive(w, "sdN2"));
	info = &world_drive(w, "sdN3")->info;
	assert_string_equal(info->model, "Model NVMe");
	assert_string_equal(info->serial, "SN1");
	assert_int_equal(info->secsize, 4096);
	assert_int_equal(info->max_sectors, (128 << 10) / 4096);
	assert_int_equal(info->max_segs, 257);
	assert_true(info->direct);
	assert_string_equal(info->features,
			    "write-cache flush fua trim write-zeroes smart solid-state");
	drive_blk_ops.describe(world_drive(w, "sdN3"), text, sizeof text);
	assert_non_null(strstr(text, "controller 1.0.0\nport-state ready\nnamespace 4\n"
				     "id 04776655443322110000000000000000\n"));
	assert_non_null(
		strstr(text, "smart passed\ntemperature 27\nsmart-value available-spare 100\n"));
	world_stop(w);
}

/* Flushes only where there is a cache; every queue has its share. */
static void
load(void **state)
{
	(void)state;
	for (int cache = 0; cache < 2; cache++) {
		struct world *w = world_make();

		model_namespace_make(&w->m, 1, SECTORS, 512);
		w->m.cache = cache;
		w->m.sgls = cache ? 2 : 0;
		w->m.bus.delay_us = 50;
		world_attach(w);
		world_load(w, UINT64_MAX, 0, NULL);
		assert_int_equal(w->m.ns[0].flushes, cache ? THREADS * 4 : 0);
		for (unsigned i = 0; i < w->c->active; i++)
			assert_true(w->m.queue[i + 1].commands > THREADS * ROUNDS / 8);
		assert_int_equal(world_counter(w, &w->c->port.resets), 0);
		world_stop(w);
	}
}

static void *
discard_thread(void *arg)
{
	struct discarder *l = arg;

	for (unsigned i = 0; i < ROUNDS; i++)
		assert_int_equal(blk_sync(l->disk, BLK_DISCARD, l->index * 1024ull + i, 1, NULL),
				 0);
	return NULL;
}

/* With one command at a time those that wait go together. */
static void
discard(void **state)
{
	struct world *w = world_make();
	struct discarder l[THREADS];
	pthread_t t[THREADS];

	(void)state;
	w->m.cap_low = NVME_CAP_MQES_set(w->m.cap_low, 1);
	w->m.max_pairs = 1;
	w->m.bus.delay_us = 200;
	model_namespace_make(&w->m, 1, SECTORS, 512);
	memset(w->m.ns[0].data, 0xaa, (size_t)SECTORS * 512);
	world_attach(w);
	for (unsigned i = 0; i < THREADS; i++) {
		l[i] = (struct discarder){ .disk = world_disk0(w), .index = i };
		pthread_create(&t[i], NULL, discard_thread, &l[i]);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (unsigned i = 0; i < SECTORS; i++)
		assert_int_equal(w->m.ns[0].data[i * 512ul], i % 1024 < ROUNDS ? 0 : 0xaa);
	assert_true(w->m.ns[0].trims < THREADS * ROUNDS);
	assert_int_equal(blk_sync(world_disk0(w), BLK_DISCARD, 0, SECTORS, NULL), 0);
	world_stop(w);
}

static void
zero(void **state)
{
	struct world *w = world_start();

	(void)state;
	memset(w->m.ns[0].data, 0xaa, (size_t)SECTORS * 512);
	assert_int_equal(blk_sync(world_disk0(w), BLK_ZERO, 10, 20, NULL), 0);
	assert_int_equal(w->m.ns[0].zeroes, 1);
	assert_int_equal(w->m.ns[0].data[10 * 512 - 1], 0xaa);
	assert_int_equal(w->m.ns[0].data[10 * 512], 0);
	assert_int_equal(w->m.ns[0].data[30 * 512 - 1], 0);
	assert_int_equal(w->m.ns[0].data[30 * 512], 0xaa);
	assert_int_equal(w->m.ns[0].writes, 0);
	assert_int_equal(drive_blk_ops.command(world_drive(w, "sdN0"), "nonsense"), -EINVAL);
	world_stop(w);
}

static uint8_t *
memory_at(const struct sip_dma *dma, const struct dma_seg *seg)
{
	return (uint8_t *)dma->vaddr + (seg->paddr - dma->paddr);
}

/* Pages of a client's, anywhere: from the middle of one into the middle of another. */
static unsigned
scatter(const struct sip_dma *dma, struct dma_seg seg[SEGS])
{
	unsigned bytes = 0;

	for (unsigned i = 0; i < SEGS; i++) {
		seg[i] = (struct dma_seg){ dma->paddr + i * 7 % PAGES * 4096ull, 4096 };
		if (i == 0)
			seg[i] = (struct dma_seg){ seg[i].paddr + 512, 4096 - 512 };
		if (i == SEGS - 1)
			seg[i].bytes = 512;
		world_fill(memory_at(dma, &seg[i]), i, seg[i].bytes, 3);
		bytes += (unsigned)seg[i].bytes;
	}
	return bytes;
}

static void
segments(void **state)
{
	struct world *w = world_start();
	struct dma_seg seg[SEGS];
	struct sip_dma dma;
	struct blk_io io = {
		.kind = BLK_WRITE, .sector = 9, .seg = seg, .nsegs = SEGS, .fua = true
	};
	const uint8_t *at = w->m.ns[0].data + 9 * 512;

	(void)state;
	assert_int_equal(sip_dma_alloc(w->dev, PAGES * 4096, 4096, &dma), 0);
	io.nsectors = scatter(&dma, seg) / 512;
	assert_int_equal(world_run_io(w, &io), 0);
	assert_int_equal(w->m.ns[0].fuas, 1);
	for (unsigned i = 0; i < SEGS; at += seg[i++].bytes)
		assert_memory_equal(at, memory_at(&dma, &seg[i]), seg[i].bytes);
	memset(dma.vaddr, 0, dma.size);
	io.kind = BLK_READ;
	assert_int_equal(world_run_io(w, &io), 0);
	at = w->m.ns[0].data + 9 * 512;
	for (unsigned i = 0; i < SEGS; at += seg[i++].bytes)
		assert_memory_equal(at, memory_at(&dma, &seg[i]), seg[i].bytes);
	seg[3].paddr += 512; /* that is not how memory is told of */
	assert_int_equal(world_run_io(w, &io), -EINVAL);
	sip_dma_free(w->dev, &dma);
	world_stop(w);
}

/* A name space of a controller that takes SGLs, or not, at addresses of its own choice. */
static struct world *
sgl_world(unsigned sgls, unsigned mps)
{
	struct world *w = world_make();

	w->m.sgls = sgls;
	w->m.cap_high = NVME_CAPH_MPSMIN_set(w->m.cap_high, mps);
	model_namespace_make(&w->m, 1, SECTORS, 512);
	world_attach(w);
	return w;
}

/* Of data that the driver's buffers hold: contiguous, whatever their pages. */
static void
sgls_for_buffers(void **state)
{
	uint8_t buf[64 * 512], got[64 * 512];

	(void)state;
	for (unsigned sgls = 0; sgls < 4; sgls++) { /* 3 means nothing */
		struct world *w = sgl_world(sgls, 0);
		unsigned prps = w->m.prp_data;
		bool takes = sgls == 1 || sgls == 2;

		world_fill(buf, 5, sizeof buf, 1);
		assert_int_equal(blk_sync(world_disk0(w), BLK_WRITE, 5, 64, buf), 0);
		assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 5, 64, got), 0);
		assert_memory_equal(got, buf, sizeof buf);
		assert_memory_equal(w->m.ns[0].data + 5 * 512, buf, sizeof buf);
		assert_int_equal(w->m.sgl_data, takes ? 2 : 0);
		assert_int_equal(w->m.sgl_lists, 0);
		assert_int_equal(w->m.prp_data - prps, takes ? 0 : 2);
		assert_int_equal(blk_sync(world_disk0(w), BLK_READ, 5, 8, got), 0); /* short */
		assert_int_equal(w->m.sgl_data, takes ? 2 : 0);
		world_stop(w);
	}
}

/* Of a client's pages: scattered ones are PRPs, those that lie together an SGL's segment. */
static void
sgls_for_segments(void **state)
{
	struct world *w = sgl_world(1, 0);
	struct dma_seg seg[16];
	struct sip_dma dma;
	struct blk_io io = { .kind = BLK_WRITE, .sector = 9, .nsectors = 128, .seg = seg };

	(void)state;
	assert_int_equal(sip_dma_alloc(w->dev, PAGES * 4096, 4096, &dma), 0);
	world_fill(dma.vaddr, 0, dma.size, 9);
	for (unsigned i = 0; i < 16; i++)
		seg[i] = (struct dma_seg){ dma.paddr + 8192ull * i, 4096 };
	io.nsegs = 16;
	assert_int_equal(world_run_io(w, &io), 0);
	assert_int_equal(w->m.sgl_data, 0);
	for (unsigned i = 0; i < 16; i++)
		assert_memory_equal(w->m.ns[0].data + 9 * 512 + 4096ul * i,
				    (uint8_t *)dma.vaddr + 8192ul * i, 4096);
	for (unsigned i = 0; i < 16; i++) /* fours of pages, in some order */
		seg[i].paddr = dma.paddr + 4096ull * (i % 4 + 8 * (3 - i / 4));
	assert_int_equal(world_run_io(w, &io), 0);
	assert_int_equal(w->m.sgl_lists, 1);
	for (unsigned i = 0; i < 16; i++)
		assert_memory_equal(w->m.ns[0].data + 9 * 512 + 4096ul * i,
				    memory_at(&dma, &seg[i]), 4096);
	sip_dma_free(w->dev, &dma);
	world_stop(w);
}

/*
 * Pages of 64 KiB: without SGLs nothing but the driver's own buffers can be told of; with them a
 * client's pages can, of 4 KiB and at any address.
 */
static void
sgls_for_large_pages(void **state)
{
	struct world *w = sgl_world(0, 4);
	struct dma_seg seg[3];
	struct sip_dma dma;
	struct blk_io io = {
		.kind = BLK_READ, .sector = 9, .nsectors = 16, .seg = seg, .nsegs = 3
	};

	(void)state;
	assert_int_equal(world_drive(w, "sdN0")->info.max_segs, 1); /* so lib/blk asks for none */
	world_stop(w);
	w = sgl_world(1, 4);
	assert_int_equal(world_drive(w, "sdN0")->info.max_segs, NVME_SGL_ENTRIES);
	assert_int_equal(world_drive(w, "sdN0")->info.align, 1);
	assert_int_equal(sip_dma_alloc(w->dev, PAGES * 4096, 65536, &dma), 0);
	world_fill(w->m.ns[0].data, 0, (size_t)SECTORS * 512, 5);
	seg[0] = (struct dma_seg){ dma.paddr + 4096 + 3001, 4096 - 3001 };
	seg[1] = (struct dma_seg){ dma.paddr + 8 * 4096, 4096 };
	seg[2] = (struct dma_seg){ dma.paddr + 3 * 4096, 3001 };
	assert_int_equal(world_run_io(w, &io), 0);
	assert_int_equal(w->m.sgl_lists, 1);
	for (unsigned i = 0, at = 9 * 512; i < 3; at += (unsigned)seg[i++].bytes)
		assert_memory_equal(w->m.ns[0].data + at, memory_at(&dma, &seg[i]), seg[i].bytes);
	sip_dma_free(w->dev, &dma);
	world_stop(w);
}

static void
no_deallocate(void **state)
{
	struct world *w = world_make();

	(void)state;
	model_namespace_make(&w->m, 1, SECTORS, 512);
	w->m.deallocate = w->m.zeroes = false;
	world_attach(w);
	assert_int_equal(blk_sync(world_disk0(w), BLK_DISCARD, 0, 8, NULL), -EOPNOTSUPP);
	memset(w->m.ns[0].data, 0xaa, (size_t)SECTORS * 512);
	assert_int_equal(blk_sync(world_disk0(w), BLK_ZERO, 0, 600, NULL), 0);
	assert_int_equal(w->m.ns[0].zeroes, 0);
	assert_int_equal(w->m.ns[0].writes, 5); /* of a small buffer */
	assert_int_equal(w->m.ns[0].data[600 * 512 - 1], 0);
	assert_int_equal(w->m.ns[0].data[600 * 512], 0xaa);
	world_stop(w);
}

/* One doorbell to send, one for what has ended; no register is read. */
static void
register_accesses(void **state)
{
	struct world *w = world_start();
	uint8_t buf[512];
	uint64_t before = w->m.bus.accesses;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(blk_sync(world_disk0(w), BLK_READ, i, 1, buf), 0);
	assert_int_equal(w->m.bus.accesses - before, 20);
	world_stop(w);
}

static void
refused(struct world *w, int err)
{
	assert_int_equal(world_try_attach(w), err);
	world_stop(w);
}

static void
bad_controllers(void **state)
{
	struct world *w = world_make();

	(void)state;
	w->m.bus.gone = true;
	refused(w, -ENODEV);
	w = world_make();
	w->m.cap_high = NVME_CAPH_CSS_set(w->m.cap_high, 0x80);
	refused(w, -ENOTSUP);
	w = world_make();
	w->m.cap_high = NVME_CAPH_MPSMIN_set(w->m.cap_high, 5);
	refused(w, -ENOTSUP);
	w = world_make();
	w->m.cap_low = NVME_CAP_MQES_set(w->m.cap_low, 0);
	refused(w, -ENOTSUP);
	w = world_make();
	w->m.bus.info.msix = 0;
	refused(w, -EOPNOTSUPP);
	w = world_make();
	w->m.bus.info.msix_offset = 0x1000; /* nothing behind it can be mapped */
	refused(w, -ENOTSUP);
	w = world_make();
	w->m.cap_high = NVME_CAPH_DSTRD_set(w->m.cap_high, 15);
	refused(w, -ENOTSUP);
	w = world_make();
	w->m.cap_low = NVME_CAP_TO_set(w->m.cap_low, 0);
	w->m.stuck = true;
	w->m.csts = NVME_CSTS_RDY_MASK;
	refused(w, -ETIMEDOUT);
}

/* It never becomes ready: there is no disk, and the program goes on. */
static void
never_ready(void **state)
{
	struct world *w = world_make();

	(void)state;
	model_namespace_make(&w->m, 1, SECTORS, 512);
	w->m.cap_low = NVME_CAP_TO_set(w->m.cap_low, 0);
	w->m.stuck = true;
	world_attach(w);
	assert_null(world_disk0(w));
	assert_non_null(strstr(w->c->port.last_error, "cannot be started: reset"));
	world_stop(w);
}

/* NVMe 1.0 has no list of name spaces. */
static void
old_controller(void **state)
{
	struct world *w = world_make();

	(void)state;
	w->m.vs = 0x10000;
	w->m.list = false;
	model_namespace_make(&w->m, 2, SECTORS, 512);
	world_attach(w);
	assert_non_null(world_disk(w, "sdN1"));
	assert_null(world_disk0(w));
	world_stop(w);
}

/* The driver before this one died with the controller running. */
static void
successor(void **state)
{
	struct world *w = world_make();

	(void)state;
	model_namespace_make(&w->m, 1, SECTORS, 512);
	w->m.cc = NVME_CC_EN_MASK;
	w->m.csts = NVME_CSTS_RDY_MASK;
	w->m.bus.was_reset = false;
	world_attach(w);
	assert_true(w->m.bus.forgets == 1 && w->m.resets >= 1);
	world_round_trip(w, "sdN0", 1);
	world_stop(w);
}

/* IDENTIFY pages that are chance: some disks, or none, and an end. */
static void
chance(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CHANCES; i++) {
		struct world *w = world_make();

		w->m.bus.random = i + 1;
		model_namespace_make(&w->m, 1, SECTORS, 512);
		sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = MODEL_RANDOM,
									 .times = i % 4 + 1,
									 .admin = true,
									 .opcode = NVME_IDENTIFY,
									 .lba = i % 3 });
		world_attach(w);
		world_stop(w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_goes_both_ways),
		cmocka_unit_test(identity),
		cmocka_unit_test(load),
		cmocka_unit_test(discard),
		cmocka_unit_test(zero),
		cmocka_unit_test(segments),
		cmocka_unit_test(sgls_for_buffers),
		cmocka_unit_test(sgls_for_segments),
		cmocka_unit_test(sgls_for_large_pages),
		cmocka_unit_test(no_deallocate),
		cmocka_unit_test(register_accesses),
		cmocka_unit_test(bad_controllers),
		cmocka_unit_test(never_ready),
		cmocka_unit_test(old_controller),
		cmocka_unit_test(successor),
		cmocka_unit_test(chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
