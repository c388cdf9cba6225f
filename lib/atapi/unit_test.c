/*
 * A drive that is none: a disc in memory, trays that open, hostile answers; seen by a 9P client
 * through the tree of lib/blk.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "atapi.h"
#include "os.h"
#include "../blk/testing/testing.h"

enum { NSECTORS = 300, POLL_MS = 5, WAIT_LOOKS = 2000, ERR = 0x51, OK = 0x50 };

struct drive {
	pthread_mutex_t lock;
	uint8_t *disc; /* NULL: none */
	uint32_t nsectors;
	bool open, prevented, has_events;
	uint8_t event;
	struct atapi_sense attention; /* key 0: none */
	unsigned coming;              /* how often it says that it becomes ready */
	uint32_t bad;                 /* a sector that cannot be read */
	unsigned bad_times, reads, longest;
	bool gone, stuck;
	struct atapi_sense last;
	unsigned hostile; /* a seed; 0: none */
	uint32_t lie;     /* moved is this */
	bool lies;
};

struct world {
	struct drive d;
	struct blk_server *blk;
	struct blk_memory *memory;
	struct atapi_unit *unit;
	uint8_t *buffers;
	uint8_t buffer[ATAPI_BUFFER];
	struct blk_test t;
};

static int
check(struct drive *d, struct atapi_packet *p, uint8_t key, uint8_t asc, uint8_t ascq)
{
	d->last = (struct atapi_sense){ .key = key, .asc = asc, .ascq = ascq };
	p->status = ERR;
	p->error = (uint8_t)(key << 4);
	p->moved = 0;
	return 0;
}

static int
answer(struct atapi_packet *p, const void *data, uint32_t n)
{
	if (n > p->bytes)
		n = p->bytes;
	memcpy(p->data, data, n);
	p->moved = n;
	p->status = OK;
	p->error = 0;
	return 0;
}

static int
tray(struct drive *d, struct atapi_packet *p)
{
	if (p->cdb[4] == 2 && d->prevented)
		return check(d, p, 5, 0x53, 2);
	if (p->cdb[4] == 2)
		d->open = true;
	if (p->cdb[4] == 3 && d->open) {
		d->open = false;
		d->attention = (struct atapi_sense){ .key = 6, .asc = 0x28 };
		d->event = 2;
	}
	return answer(p, "", 0);
}

static int
do_read(struct drive *d, struct atapi_packet *p)
{
	const uint8_t *c = p->cdb;
	uint32_t lba = (uint32_t)c[2] << 24 | (uint32_t)c[3] << 16 | (uint32_t)c[4] << 8 | c[5];
	uint32_t n = (uint32_t)c[7] << 8 | c[8];

	d->reads++;
	if (n > d->longest)
		d->longest = n;
	if (lba > d->nsectors || n > d->nsectors - lba)
		return check(d, p, 5, 0x21, 0);
	if (d->bad_times && d->bad >= lba && d->bad < lba + n) {
		d->bad_times--;
		return check(d, p, 3, 0x11, 0);
	}
	answer(p, d->disc + (size_t)lba * ATAPI_SECTOR, n * ATAPI_SECTOR);
	if (d->lies)
		p->moved = d->lie;
	return 0;
}

static int
medium_command(struct drive *d, struct atapi_packet *p)
{
	uint32_t last = d->nsectors - 1;
	uint8_t b[20] = { 0 };

	if (d->attention.key) {
		struct atapi_sense s = d->attention;

		d->attention.key = 0;
		return check(d, p, s.key, s.asc, s.ascq);
	}
	if (d->open || !d->disc)
		return check(d, p, 2, 0x3a, d->open ? 2 : 1);
	if (d->coming) {
		d->coming--;
		return check(d, p, 2, 4, 1);
	}
	if (p->cdb[0] == ATAPI_TEST_UNIT_READY)
		return answer(p, "", 0);
	if (p->cdb[0] == ATAPI_READ_10)
		return do_read(d, p);
	if (p->cdb[0] == ATAPI_READ_CAPACITY) {
		b[2] = (uint8_t)(last >> 8);
		b[3] = (uint8_t)last;
		b[6] = 8;
		return answer(p, b, 8);
	}
	b[2] = b[3] = 1;
	b[1] = p->cdb[2] ? 10 : 18;
	b[5] = 0x14;
	b[6] = 1;
	b[14] = 0xaa;
	b[19] = 200;
	return answer(p, b, p->cdb[2] ? 12 : 20);
}

static int
serve(struct drive *d, struct atapi_packet *p)
{
	static const uint8_t inquiry[36] = "\x05\x80\x05\x32\x1f\0\0\0MAKER   DRIVE           1.0";
	uint8_t b[18] = { 0x70, 0, d->last.key, 0, 0, 0, 0, 10 };

	switch (p->cdb[0]) {
	case ATAPI_INQUIRY: return answer(p, inquiry, 36);
	case ATAPI_REQUEST_SENSE:
		b[12] = d->last.asc;
		b[13] = d->last.ascq;
		return answer(p, b, 18);
	case ATAPI_GET_EVENT_STATUS:
		if (!d->has_events)
			return check(d, p, 5, 0x20, 0);
		b[0] = 0;
		b[1] = 6;
		b[2] = 4;
		b[4] = d->event;
		b[5] = (uint8_t)(d->open | (d->disc && !d->open) << 1);
		d->event = 0;
		return answer(p, b, 8);
	case ATAPI_PREVENT_ALLOW: d->prevented = p->cdb[4] & 1; return answer(p, "", 0);
	case ATAPI_START_STOP_UNIT: return tray(d, p);
	case ATAPI_TEST_UNIT_READY:
	case ATAPI_READ_CAPACITY:
	case ATAPI_READ_10:
	case ATAPI_READ_TOC: return medium_command(d, p);
	default: return check(d, p, 5, 0x20, 0);
	}
}

/* Anything at all, but within the memory that it was given. */
static int
hostile(struct drive *d, struct atapi_packet *p)
{
	unsigned r = d->hostile = d->hostile * 1664525 + 1013904223;

	for (uint32_t i = 0; i < p->bytes; i++) {
		d->hostile = d->hostile * 1664525 + 1013904223;
		((uint8_t *)p->data)[i] = (uint8_t)(d->hostile >> 24);
	}
	if (p->cdb[0] == ATAPI_INQUIRY && p->bytes) {
		memset(p->data, 0, p->bytes);
		*(uint8_t *)p->data = 5;
		p->moved = p->bytes;
		p->status = OK;
		return 0;
	}
	p->moved = r >> 30 ? d->hostile >> 8 : p->bytes;
	p->status = (uint8_t)(r >> 20);
	p->error = (uint8_t)(r >> 10);
	return r % 50 ? 0 : -ETIMEDOUT;
}

static int
drive_run(void *arg, struct atapi_packet *p)
{
	struct drive *d = arg;
	int err;

	pthread_mutex_lock(&d->lock);
	assert_true((p->direction == ATAPI_NODATA) == (p->bytes == 0));
	if (d->gone)
		err = -ENODEV;
	else if (d->stuck)
		err = -ETIMEDOUT;
	else if (d->hostile)
		err = hostile(d, p);
	else
		err = serve(d, p);
	pthread_mutex_unlock(&d->lock);
	return err;
}

static int
drive_command(void *arg, const char *text)
{
	(void)arg;
	return strcmp(text, "reset") == 0 ? 0 : -EINVAL;
}

static const struct atapi_transport transport = { .run = drive_run, .command = drive_command };

static uint8_t *
make_disc(uint32_t nsectors, uint8_t first)
{
	uint8_t *b = malloc((size_t)nsectors * ATAPI_SECTOR);

	for (size_t i = 0; i < (size_t)nsectors * ATAPI_SECTOR; i++)
		b[i] = (uint8_t)(i * 7 + i / ATAPI_SECTOR + first);
	return b;
}

static int
start_unit(struct world *w)
{
	struct atapi_config c = { .server = w->blk,
				  .transport = &transport,
				  .drive = &w->d,
				  .name = "sdT2",
				  .model = "MAKER DRIVE",
				  .max_bytes = 64 << 10,
				  .memory = w->memory,
				  .buffer = w->buffer,
				  .poll_ms = POLL_MS };

	return atapi_unit_start(w->unit, &c);
}

static struct world *
start(bool disc, bool events)
{
	struct world *w = calloc(1, sizeof *w);
	size_t size = 4 * (size_t)BLK_BUF_SMALL;

	pthread_mutex_init(&w->d.lock, NULL);
	w->d.nsectors = NSECTORS;
	w->d.has_events = events;
	w->d.bad = UINT32_MAX;
	if (disc)
		w->d.disc = make_disc(NSECTORS, 0);
	w->blk = blk_server_new(NULL, NULL);
	w->memory = blk_memory_new();
	w->buffers = malloc(size);
	blk_memory_add(w->memory, w->buffers, 0, size, BLK_BUF_SMALL);
	w->unit = atapi_unit_new();
	assert_int_equal(start_unit(w), 0);
	blk_test_start(&w->t, w->blk);
	return w;
}

static void
stop(struct world *w)
{
	blk_test_stop(&w->t);
	atapi_unit_stop(w->unit);
	atapi_unit_free(w->unit);
	blk_server_free(w->blk);
	blk_memory_free(w->memory);
	free(w->buffers);
	free(w->d.disc);
	free(w);
}

static int
open_file(struct world *w, const char *path, uint32_t flags, struct p9c_file **f)
{
	return blk_test_open(&w->t, path, flags, f);
}

static int
ctl(struct world *w, const char *text)
{
	return blk_test_command(&w->t, "sdT2/ctl", text);
}

static bool
ctl_has(struct world *w, const char *line)
{
	return blk_test_says(&w->t, "sdT2/ctl", line);
}

static void
wait_for(struct world *w, const char *line)
{
	for (int i = 0; !ctl_has(w, line); i++) {
		assert_true(i < WAIT_LOOKS);
		os_sleep_ns(1000000);
	}
}

static void
set(struct world *w, void (*change)(struct drive *d))
{
	pthread_mutex_lock(&w->d.lock);
	change(&w->d);
	pthread_mutex_unlock(&w->d.lock);
}

static void
reads(void **state)
{
	struct world *w = start(true, true);
	uint8_t *b = malloc(NSECTORS * ATAPI_SECTOR);
	struct p9c_file *f;
	struct ipc_attr a;

	(void)state;
	assert_true(ctl_has(w, "state ready\n") && ctl_has(w, "size 614400\n"));
	assert_true(ctl_has(w, "medium ready\ntray closed\n"));
	assert_true(ctl_has(w, "session 0\ntrack 1 data 0\n"));
	assert_int_equal(open_file(w, "sdT2/data", O_RDWR, &f), -EROFS);
	assert_int_equal(open_file(w, "sdT2/part/0", O_RDONLY, &f), 0);
	assert_int_equal(p9c_getattr(f, &a), 0);
	assert_int_equal(a.size, NSECTORS * ATAPI_SECTOR);
	assert_int_equal(p9c_read(f, b, NSECTORS * ATAPI_SECTOR, 0), NSECTORS * ATAPI_SECTOR);
	assert_memory_equal(b, w->d.disc, NSECTORS * ATAPI_SECTOR);
	assert_int_equal(p9c_read(f, b, 5000, 4321), 5000);
	assert_memory_equal(b, w->d.disc + 4321, 5000);
	assert_true(w->d.longest <= 32);
	p9c_clunk(f);
	assert_int_equal(ctl(w, "flush"), 0);
	assert_int_equal(ctl(w, "reset"), 0);
	assert_int_equal(ctl(w, "nonsense"), -EINVAL);
	free(b);
	stop(w);
}

static void
bad_twice(struct drive *d)
{
	d->bad = 100;
	d->bad_times = 2;
}

static void
bad_for_ever(struct drive *d)
{
	d->bad_times = 1000;
}

static void
short_answer(struct drive *d)
{
	d->bad_times = 0;
	d->lies = true;
	d->lie = 2047;
}

static void
errors(void **state)
{
	struct world *w = start(true, true);
	struct p9c_file *f;
	uint8_t b[2048];
	unsigned before;

	(void)state;
	assert_int_equal(open_file(w, "sdT2/raw", O_RDONLY, &f), 0);
	set(w, bad_twice);
	assert_int_equal(p9c_read(f, b, 2048, 100 * 2048), 2048);
	set(w, bad_for_ever);
	before = w->d.reads;
	assert_int_equal(p9c_read(f, b, 2048, 100 * 2048), -EIO);
	assert_int_equal(w->d.reads - before, 4);
	assert_true(ctl_has(w, "last-sense sdT2: read of 1 at 100: medium error: unrecovered"));
	assert_int_equal(p9c_read(f, b, 2048, 99 * 2048), 2048); /* its neighbour */
	set(w, short_answer);
	assert_int_equal(p9c_read(f, b, 2048, 0), -EIO);
	p9c_clunk(f);
	stop(w);
}

static void
swap(struct drive *d)
{
	free(d->disc);
	d->disc = make_disc(NSECTORS, 99);
	d->attention = (struct atapi_sense){ .key = 6, .asc = 0x28 };
	d->event = 2;
}

/* What the attention was for is lost, as by a reset before REQUEST SENSE. */
static void
swap_unsaid(struct drive *d)
{
	swap(d);
	d->attention.asc = 0;
	d->event = 0;
}

static void
attention(struct drive *d)
{
	d->attention = (struct atapi_sense){ .key = 6, .asc = 0x28 };
}

static void
power_on(struct drive *d)
{
	d->attention = (struct atapi_sense){ .key = 6, .asc = 0x29 };
}

/* Opens the data file when it is that of a medium with another path. */
static struct p9c_file *
open_new(struct world *w, uint64_t old_path)
{
	for (int i = 0; i < WAIT_LOOKS; i++) {
		struct p9c_file *f;

		if (open_file(w, "sdT2/data", O_RDONLY, &f) == 0) {
			if (f->qid.path != old_path)
				return f;
			p9c_clunk(f);
		}
		os_sleep_ns(1000000);
	}
	fail();
	return NULL;
}

/* A read of the old disc never gives the new one's bytes, and its files go. */
static void
changes(bool events, void (*swaps)(struct drive *d))
{
	struct world *w = start(true, events);
	struct p9c_file *old, *f;
	struct ipc_attr a;
	uint8_t data[2048];
	int64_t n;

	assert_int_equal(open_file(w, "sdT2/data", O_RDONLY, &old), 0);
	assert_int_equal(p9c_getattr(old, &a), 0);
	set(w, power_on); /* that is no change of the medium */
	assert_int_equal(p9c_read(old, data, 2048, 0), 2048);
	set(w, swaps);
	n = p9c_read(old, data, 2048, 0);
	assert_true(n == -ENOMEDIUM);
	f = open_new(w, a.qid.path);
	assert_int_equal(p9c_read(f, data, 2048, 2048), 2048);
	assert_memory_equal(data, w->d.disc + 2048, 2048);
	assert_int_equal(p9c_read(old, data, 2048, 0), -ENOMEDIUM);
	p9c_clunk(old);
	set(w, attention); /* perhaps another: it is the same */
	for (int i = 0; (n = p9c_read(f, data, 2048, 0)) != 2048; i++) {
		assert_true(n == -ENOMEDIUM && i < WAIT_LOOKS);
		os_sleep_ns(1000000);
	}
	p9c_clunk(f);
	stop(w);
}

static void
change(void **state)
{
	(void)state;
	changes(true, swap);
	changes(false, swap);
	changes(true, swap_unsaid);
}

static void
trays(void **state)
{
	static const char *const data[] = { "sdT2/data", "sdT2/raw", "sdT2/part/0" };
	struct world *w = start(true, true);
	struct p9c_file *f;
	struct ipc_attr a;
	uint8_t b[16];

	(void)state;
	assert_int_equal(open_file(w, "sdT2/data", O_RDONLY, &f), 0);
	assert_int_equal(ctl(w, "lock"), 0);
	assert_int_equal(ctl(w, "eject"), -EBUSY);
	assert_true(ctl_has(w, "lock on\n"));
	assert_int_equal(ctl(w, "unlock"), 0);
	assert_int_equal(ctl(w, "eject"), 0);
	assert_true(ctl_has(w, "state empty\n") && ctl_has(w, "medium none\ntray open\n"));
	assert_true(ctl_has(w, "size 0\n"));
	assert_int_equal(p9c_read(f, b, 16, 0), -ENOMEDIUM);
	p9c_clunk(f);
	for (size_t i = 0; i < sizeof data / sizeof data[0]; i++) {
		assert_int_equal(p9c_walk(w->t.root, data[i], &f), 0);
		assert_int_equal(p9c_getattr(f, &a), 0);
		assert_int_equal(a.size, 0);
		assert_int_equal(p9c_file_open(f, O_RDONLY), -ENOMEDIUM);
		assert_int_equal(p9c_file_open(f, O_RDWR), -ENOMEDIUM);
		p9c_clunk(f);
	}
	assert_int_equal(p9c_walk(w->t.root, "sdT2/part/1", &f), -ENOENT);
	assert_int_equal(ctl(w, "eject"), 0);
	assert_int_equal(ctl(w, "load"), 0);
	assert_true(ctl_has(w, "state ready\n") && ctl_has(w, "tray closed\n"));
	assert_int_equal(open_file(w, "sdT2/data", O_RDONLY, &f), 0);
	assert_int_equal(p9c_read(f, b, 16, 0), 16);
	p9c_clunk(f);
	assert_int_equal(ctl(w, "standby"), 0);
	stop(w);
}

static void
insert_slowly(struct drive *d)
{
	d->disc = make_disc(NSECTORS, 3);
	d->attention = (struct atapi_sense){ .key = 6, .asc = 0x28 };
	d->coming = 3;
	d->event = 2;
}

static void
empty_at_first(void **state)
{
	(void)state;
	for (int events = 0; events < 2; events++) {
		struct world *w = start(false, events);

		assert_true(ctl_has(w, "state empty\n"));
		set(w, insert_slowly);
		wait_for(w, "state ready\n");
		stop(w);
	}
}

static void
go(struct drive *d)
{
	d->gone = true;
}

static void
pull(void **state)
{
	struct world *w = start(true, true);
	struct p9c_file *f, *g;
	uint8_t b[16];

	(void)state;
	assert_int_equal(open_file(w, "sdT2/data", O_RDONLY, &f), 0);
	set(w, go);
	assert_int_equal(p9c_read(f, b, 16, 0), -ENODEV);
	atapi_unit_stop(w->unit);
	atapi_unit_stop(w->unit);
	assert_int_equal(p9c_read(f, b, 16, 0), -ENODEV);
	assert_int_equal(p9c_walk(w->t.root, "sdT2", &g), -ENOENT);
	p9c_clunk(f);
	w->d.gone = false;
	assert_int_equal(start_unit(w), 0); /* the same place, again */
	assert_int_equal(open_file(w, "sdT2/data", O_RDONLY, &f), 0);
	assert_int_equal(p9c_read(f, b, 16, 0), 16);
	p9c_clunk(f);
	stop(w);
	w = start(true, true);
	atapi_unit_stop(w->unit);
	w->d.stuck = true;
	assert_int_equal(start_unit(w), -ETIMEDOUT);
	stop(w);
}

static void
pass_through(void **state)
{
	struct world *w = start(true, true);
	uint8_t q[32 + 4] = { 1, 6, 0, 0, 36 }, a[200];
	struct p9c_file *f, *g;

	(void)state;
	assert_int_equal(open_file(w, "sdT2/packet", O_RDWR, &f), 0);
	assert_int_equal(open_file(w, "sdT2/packet", O_RDWR, &g), 0);
	assert_int_equal(p9c_read(f, a, sizeof a, 0), -ENODATA);
	q[16] = ATAPI_INQUIRY;
	q[20] = 36;
	assert_int_equal(p9c_write(f, q, 32, 0), 32);
	assert_int_equal(p9c_read(f, a, sizeof a, 0), 40 + 36);
	assert_true(a[0] == 0 && a[1] == 0 && a[4] == 36 && a[40] == 5);
	assert_memory_equal(a + 48, "MAKER", 5);
	assert_int_equal(p9c_write(f, q, 32, 0), 32);
	assert_int_equal(p9c_read(f, a, 40, 32), 40); /* as a shell's descriptor stands */
	assert_true(a[0] == 0 && a[1] == 0 && a[4] == 36);
	assert_int_equal(p9c_read(f, a, sizeof a, 72), 36);
	assert_true(a[0] == 5 && memcmp(a + 8, "MAKER", 5) == 0);
	assert_int_equal(p9c_read(f, a, sizeof a, 108), 0);
	assert_int_equal(p9c_read(f, a, sizeof a, 0), 40 + 36);
	assert_int_equal(p9c_read(g, a, sizeof a, 0), -ENODATA); /* somebody else's */
	q[16] = 0xee;
	assert_int_equal(p9c_write(f, q, 32, 0), 32);
	assert_int_equal(p9c_read(f, a, sizeof a, 0), 40);
	assert_true(a[0] == 2 && a[1] == 18 && (a[10] & 15) == 5 && a[20] == 0x20);
	assert_int_equal(p9c_write(f, q, 31, 0), -EINVAL);
	assert_int_equal(p9c_write(f, q, 36, 0), -EINVAL);
	q[1] = 7;
	assert_int_equal(p9c_write(f, q, 32, 0), -EINVAL);
	q[1] = 6;
	q[22] = 1; /* beyond the six bytes */
	assert_int_equal(p9c_write(f, q, 32, 0), -EINVAL);
	q[22] = 0;
	q[6] = 2; /* 128 KiB and more */
	assert_int_equal(p9c_write(f, q, 32, 0), -EINVAL);
	q[6] = 0;
	q[0] = 0; /* data without a direction */
	assert_int_equal(p9c_write(f, q, 32, 0), -EINVAL);
	q[0] = 2;
	q[4] = 4; /* four bytes to the device */
	assert_int_equal(p9c_write(f, q, 36, 0), 36);
	assert_int_equal(p9c_read(f, a, sizeof a, 0), 40);
	p9c_clunk(f);
	p9c_clunk(g);
	stop(w);
}

/* Random answers: no crash, no byte beyond what was given, and an end. */
static void
hostile_drive(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed < 30; seed++) {
		struct world *w = start(true, true);
		uint8_t q[32] = { 1, 12, 0, 0, 0, 1 }, a[400], b[4096];
		struct p9c_file *f, *p;

		assert_int_equal(open_file(w, "sdT2/data", O_RDONLY, &f), 0);
		assert_int_equal(open_file(w, "sdT2/packet", O_RDWR, &p), 0);
		pthread_mutex_lock(&w->d.lock);
		w->d.hostile = seed * 7919;
		pthread_mutex_unlock(&w->d.lock);
		for (int i = 0; i < 20; i++) {
			p9c_read(f, b, sizeof b, (uint64_t)i * 2048);
			q[16] = (uint8_t)i;
			p9c_write(p, q, 32, 0);
			assert_true(p9c_read(p, a, sizeof a, 0) <= 40 + 256);
			ctl(w, i & 1 ? "eject" : "load");
			ctl_has(w, "state");
		}
		p9c_clunk(f);
		p9c_clunk(p);
		stop(w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),        cmocka_unit_test(errors),
		cmocka_unit_test(change),       cmocka_unit_test(trays),
		cmocka_unit_test(pull),         cmocka_unit_test(empty_at_first),
		cmocka_unit_test(pass_through), cmocka_unit_test(hostile_drive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
