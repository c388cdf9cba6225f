/*
 * Direct requests through the 9P server in place: what the driver sees of a client's segments, and
 * what is answered when it cannot have them.  The kernel and the drive are played here; a segment's
 * address is the host's.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <lux9/calls.h>
#include "blk.h"
#include "p9_srv.h"

enum { NSECTORS = 4096, SECTOR = 512, PAGE = 4096, MIB = 1 << 20, MAX_SEGS = 5 };
enum { MAX_SECTORS = 100, TAG = 3, FID_ROOT = 1, FID_RAW, PAGES = MIB / PAGE + 1 };

/* --- the kernel: one request at a time ------------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct ipc_req req;
	const void *bulk;
	bool asked, answered, ended, takes_direct;
	struct ipc_rep rep;
	uint8_t data[MIB];
} k = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void
take_answer(const struct ipc_rep *rep)
{
	if (rep->type == 0) {
		k.ended = true;
	} else {
		assert_int_equal(rep->tag, TAG);
		k.rep = *rep;
		if (rep->length)
			memcpy(k.data, rep->data, rep->length);
		k.answered = true;
	}
	pthread_cond_broadcast(&k.changed);
}

static long
play_call6(long number, long a, long b, long c, long d, long e, long f)
{
	struct ipc_req *req = (void *)c;
	long rc = 0;

	(void)number, (void)a, (void)f;
	pthread_mutex_lock(&k.lock);
	if (b)
		take_answer((const void *)b);
	while (req && !k.asked && !k.ended)
		pthread_cond_wait(&k.changed, &k.lock);
	if (k.ended) {
		rc = -EHOSTDOWN;
	} else if (req) {
		k.takes_direct = ((uint64_t)e & IPC_SERVE_DIRECT) != 0;
		*req = k.req;
		memcpy((void *)d, k.bulk, req->length);
		k.asked = false;
	}
	pthread_mutex_unlock(&k.lock);
	return rc;
}

static int
play_open(const char *path, int flags, uint32_t mode)
{
	(void)path, (void)flags, (void)mode;
	return dup(0);
}

#define lux_call6 play_call6
#define os_open play_open
#include "../os/lux9/serve.c"

/* The answer is in k.rep, its data in k.data: 0, or its errno. */
static int
ask(struct ipc_req q, const void *bulk, size_t length)
{
	q.tag = TAG;
	q.length = (uint32_t)length;
	pthread_mutex_lock(&k.lock);
	k.req = q;
	k.bulk = bulk;
	k.asked = true;
	k.answered = false;
	pthread_cond_broadcast(&k.changed);
	while (!k.answered)
		pthread_cond_wait(&k.changed, &k.lock);
	pthread_mutex_unlock(&k.lock);
	return k.rep.type == IPC_RLERROR ? (int)k.rep.error : 0;
}

/* --- the drive ------------------------------------------------------------------------------- */

static struct {
	uint8_t data[NSECTORS * SECTOR];
	unsigned commands, direct;
	uint64_t bad;		/* a sector that fails */
} drive;

static void
check_list(const struct blk_io *io)
{
	uint64_t bytes = 0;

	assert_null(io->data);
	assert_in_range(io->nsegs, 1, MAX_SEGS);
	for (unsigned i = 0; i < io->nsegs; i++) {
		const struct dma_seg *s = &io->seg[i];

		bytes += s->bytes;
		assert_true(s->bytes > 0 && s->paddr % 4 == 0);
		assert_true(i == 0 || s->paddr % PAGE == 0);
		assert_true(i == io->nsegs - 1 || (s->paddr + s->bytes) % PAGE == 0);
	}
	assert_int_equal(bytes, io->nsectors * SECTOR);
}

static void
move(void *arg, struct blk_io *io)
{
	uint8_t *at = drive.data + io->sector * SECTOR;

	(void)arg;
	assert_true(io->nsectors > 0 && io->nsectors <= MAX_SECTORS);
	assert_true(io->sector + io->nsectors <= NSECTORS);
	drive.commands++;
	if (drive.bad >= io->sector && drive.bad < io->sector + io->nsectors) {
		blk_done(io, -EIO);
		return;
	}
	if (io->data == NULL) {
		check_list(io);
		drive.direct++;
	}
	for (unsigned i = 0; i < io->nsegs; i++) {
		void *mem = io->data ? io->data : (void *)io->seg[i].paddr;

		if (io->kind == BLK_READ)
			memcpy(mem, at, io->seg[i].bytes);
		else
			memcpy(at, mem, io->seg[i].bytes);
		at += io->seg[i].bytes;
	}
	blk_done(io, 0);
}

static const struct blk_ops drive_ops = { .read = move, .write = move, .flush = move };

/* --- a client -------------------------------------------------------------------------------- */

static struct client {
	struct p9_srv srv;
	struct blk_server *blk;
	struct blk_memory *memory;
	struct blk_disk *disk;
	uint8_t *buffers, *pages;	/* pages: the client's memory, in an order of its own */
	struct dma_seg seg[PAGES];
	unsigned nsegs;
} c;

/* n bytes of the client's memory, which begin in the middle of a page and have no two in a row. */
static void
make_list(size_t skip, size_t n)
{
	c.nsegs = 0;
	for (unsigned i = 0; n > 0; i++, skip = 0) {
		uint64_t page = (uint64_t)c.pages + (uint64_t)(PAGES - 1 - i) * PAGE;
		size_t part = n < PAGE - skip ? n : PAGE - skip;

		c.seg[c.nsegs++] = (struct dma_seg){ page + skip, part };
		n -= part;
	}
}

static void
gather(uint8_t *to)
{
	for (unsigned i = 0; i < c.nsegs; i++) {
		memcpy(to, (void *)c.seg[i].paddr, c.seg[i].bytes);
		to += c.seg[i].bytes;
	}
}

static int
direct(unsigned type, uint64_t offset, uint32_t count)
{
	struct ipc_req q = { .type = type, .fid = FID_RAW, .offset = offset, .count = count,
			     .flags = IPC_DIRECT };

	drive.commands = drive.direct = 0;
	return ask(q, c.seg, c.nsegs * sizeof c.seg[0]);
}

static void
walk_raw(void)
{
	static const uint8_t names[] = "\4\0sdT0\3\0raw";
	struct ipc_req walk = { .type = IPC_TWALK, .fid = FID_ROOT, .newfid = FID_RAW, .count = 2 };
	struct ipc_req open = { .type = IPC_TLOPEN, .fid = FID_RAW, .flags = O_RDWR };

	assert_int_equal(ask(walk, names, sizeof names - 1), 0);
	assert_int_equal(k.rep.count, 2);
	assert_int_equal(ask(open, "", 0), 0);
}

static void
begin(bool can, uint32_t max_segs)
{
	struct blk_info info = { .name = "sdT0", .nsectors = NSECTORS, .secsize = SECTOR,
				 .physsecsize = SECTOR, .max_sectors = MAX_SECTORS,
				 .max_segs = max_segs, .align = 4, .direct = can, .dma32 = true };
	struct ipc_req attach = { .type = IPC_TATTACH, .fid = FID_ROOT, .newfid = UINT32_MAX };
	size_t n = BLK_BUF_BIG + BLK_BUF_SMALL;

	k.ended = k.asked = false;
	c.blk = blk_server_new(NULL, NULL);
	c.memory = info.memory = blk_memory_new();
	c.buffers = malloc(n);
	c.pages = aligned_alloc(PAGE, PAGES * PAGE);
	blk_memory_add(c.memory, c.buffers, (uint64_t)c.buffers, BLK_BUF_BIG, BLK_BUF_BIG);
	blk_memory_add(c.memory, c.buffers + BLK_BUF_BIG, (uint64_t)c.buffers + BLK_BUF_BIG,
		       BLK_BUF_SMALL, BLK_BUF_SMALL);
	for (size_t i = 0; i < sizeof drive.data; i++)
		drive.data[i] = (uint8_t)(i * 2654435761u >> 13);
	drive.bad = UINT64_MAX;
	assert_int_equal(blk_add_disk(c.blk, &info, &drive_ops, NULL, &c.disk), 0);
	c.srv = (struct p9_srv){ .ops = &blk_p9_ops, .aux = c.blk, .msize = P9_MSIZE_MAX };
	assert_int_equal(p9_srv_start(&c.srv, "test", 1), 0);
	assert_int_equal(ask(attach, "\0\0\0", 4), 0);
	walk_raw();
	memset(c.pages, 0xee, PAGES * PAGE);
}

static void
end(void)
{
	p9_srv_stop(&c.srv);
	assert_int_equal(p9_srv_wait(&c.srv), 0);
	blk_remove_disk(c.disk);
	blk_server_free(c.blk);
	blk_memory_free(c.memory);
	free(c.buffers);
	free(c.pages);
}

/* --- tests ----------------------------------------------------------------------------------- */

static void
says_so(void **state)
{
	(void)state;
	begin(true, MAX_SEGS);
	assert_int_equal(k.rep.offset, IPC_DIRECT_FILE(9, 2, 1));
	assert_true(k.takes_direct);
	end();
	begin(false, MAX_SEGS);
	assert_int_equal(k.rep.offset, 0);
	end();
	begin(true, 1);
	assert_int_equal(k.rep.offset, 0);
	end();
}

/* From the edge of a page, from a sector in one, and so that each eighth sector is in two. */
static void
both_ways(void **state)
{
	static const size_t skips[] = { 0, 512, 4, 4092 };
	static uint8_t got[MIB];

	(void)state;
	begin(true, MAX_SEGS);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t at = (i * 7 + 1) * SECTOR;

		memset(c.pages, 0, PAGES * PAGE);
		make_list(skips[i], MIB);
		assert_int_equal(direct(IPC_TREAD, at, MIB), 0);
		assert_int_equal(k.rep.count, MIB);
		assert_int_equal(k.rep.length, 0);
		assert_int_equal(drive.direct, drive.commands);
		gather(got);
		assert_memory_equal(got, drive.data + at, MIB);
		memset(drive.data, 0, sizeof drive.data);
		assert_int_equal(direct(IPC_TWRITE, at, MIB), 0);
		assert_int_equal(k.rep.count, MIB);
		assert_int_equal(drive.direct, drive.commands);
		assert_memory_equal(got, drive.data + at, MIB);
		assert_true(drive.data[at - 1] == 0 && drive.data[at + MIB] == 0);
		for (size_t b = 0; b < sizeof drive.data; b++)
			drive.data[b] = (uint8_t)(b * 40503u >> (i + 3));
	}
	end();
}

static void
at_the_end(void **state)
{
	uint64_t at = (NSECTORS - 40) * SECTOR;
	uint8_t got[64 * SECTOR] = { 0 };

	(void)state;
	begin(true, MAX_SEGS);
	make_list(4, sizeof got);
	assert_int_equal(direct(IPC_TREAD, at, sizeof got), 0);
	assert_int_equal(k.rep.count, 40 * SECTOR);
	gather(got);
	assert_memory_equal(got, drive.data + at, 40 * SECTOR);
	assert_int_equal(got[40 * SECTOR], 0xee);
	assert_int_equal(direct(IPC_TREAD, NSECTORS * SECTOR, sizeof got), 0);
	assert_int_equal(k.rep.count + k.rep.length, 0);
	assert_int_equal(direct(IPC_TWRITE, NSECTORS * SECTOR, sizeof got), ENOSPC);
	end();
}

/* What is not of whole sectors, or comes to a disk that is not direct: a read has data. */
static void
copied(void **state)
{
	(void)state;
	for (int can = 0; can < 2; can++) {
		uint32_t at = can ? 100 : SECTOR;

		begin(can, MAX_SEGS);
		make_list(0, 32 * SECTOR);
		assert_int_equal(direct(IPC_TREAD, at, 32 * SECTOR), 0);
		assert_int_equal(k.rep.length, 32 * SECTOR);
		assert_memory_equal(k.data, drive.data + at, 32 * SECTOR);
		assert_int_equal(drive.direct, 0);
		assert_int_equal(direct(IPC_TWRITE, at, 32 * SECTOR), ENOMEM);
		assert_int_equal(drive.commands, 0);
		end();
	}
}

static void
errors(void **state)
{
	(void)state;
	begin(true, MAX_SEGS);
	make_list(0, 16 * SECTOR);	/* fewer bytes than are said */
	assert_int_equal(direct(IPC_TREAD, 0, 32 * SECTOR), EFAULT);
	c.nsegs = 0;
	assert_int_equal(direct(IPC_TWRITE, 0, 32 * SECTOR), EFAULT);
	assert_int_equal(drive.commands, 0);
	drive.bad = 200;
	make_list(0, MIB);
	assert_int_equal(direct(IPC_TREAD, 0, MIB), EIO);
	assert_int_equal(direct(IPC_TWRITE, 0, MIB), EIO);
	drive.bad = UINT64_MAX;
	for (int i = 0; i < 200; i++)		/* none of them has kept its record */
		assert_int_equal(direct(IPC_TREAD, 0, MIB), 0);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_so), cmocka_unit_test(both_ways),
		cmocka_unit_test(at_the_end), cmocka_unit_test(copied),
		cmocka_unit_test(errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
