/*
 * The layer on a fake drive: its registers are a table of tags, which the test ends as it likes.
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
#include "os.h"
#include "private.h"

enum { TAGS = 100, DEPTH = 4, MANY = 24, WAIT_MS = 20000, SECTORS = 100000, QUEUES = 3 };

/* One command, with what became of it. */
struct cmd {
	struct blk_io io;
	_Atomic int result; /* 1: not over */
	unsigned sent;      /* how often */
	unsigned order;     /* of its last sending, from 1 */
};

struct fake {
	struct drive_ctlr ctlr;
	struct drive_port port;
	struct drive_queue queue[QUEUES];
	struct sip_dev dev;
	struct sip_server server;
	struct sip_bus bus;

	pthread_mutex_t lock; /* the device's side, all below */
	struct blk_io *tag[QUEUES][DRIVE_TAGS_MAX];
	uint64_t ends[QUEUES][DRIVE_TAGS_MAX / 64];  /* finished, not reaped yet */
	uint64_t fails[QUEUES][DRIVE_TAGS_MAX / 64]; /* of these: with an error */
	unsigned sent, rings, running, most, restarts, probes, quiets;
	bool there, again, broken_restart, freed;
	int other; /* an error of restart */
	enum drive_verdict verdict;
	int blamed; /* a tag of queue 0, or -1 */
	bool final;
	struct blk_io *poison; /* ends nothing: the device breaks when it starts */
	bool breaking;
	unsigned ndisks;
};

static const struct sip_pci_match match[] = { { .class = 1, .class_mask = 1 }, { 0 } };
static const struct sip_driver_ops driver = { .match = match };
static const struct sip_type type = { .name = "fake",
				      .server = &drive_server_ops,
				      .driver = &driver };

static struct fake *
of(struct drive_port *p)
{
	return (struct fake *)((char *)p - offsetof(struct fake, port));
}

/* In place of lib/blk's blk_done (tool/drive.mk). */
void __wrap_blk_done(struct blk_io *io, int err);

void
__wrap_blk_done(struct blk_io *io, int err)
{
	struct cmd *c = (struct cmd *)io;

	atomic_store(&c->result, err);
}

static int
fake_build(struct drive_queue *q, struct blk_io *io, unsigned tag)
{
	struct fake *f = of(q->port);
	unsigned i = q->index;

	if (io->sector >= SECTORS)
		return -EINVAL;
	pthread_mutex_lock(&f->lock);
	if (f->tag[i][tag])
		abort(); /* a tag twice */
	f->tag[i][tag] = io;
	f->sent++;
	for (struct blk_io *x = io; x && x->kind != DRIVE_OWN; x = x->chain) {
		((struct cmd *)x)->sent++;
		((struct cmd *)x)->order = f->sent;
	}
	if (++f->running > f->most)
		f->most = f->running;
	if (io == f->poison)
		f->breaking = true;
	pthread_mutex_unlock(&f->lock);
	return 0;
}

static void
fake_ring(struct drive_queue *q)
{
	of(q->port)->rings++;
}

static void
fake_reap(struct drive_queue *q)
{
	struct fake *f = of(q->port);
	unsigned i = q->index;

	pthread_mutex_lock(&f->lock);
	for (unsigned t = 0; t < DRIVE_TAGS_MAX; t++) {
		uint64_t bit = 1ull << t % 64;

		if (!(f->ends[i][t / 64] & bit))
			continue;
		f->ends[i][t / 64] &= ~bit;
		if (f->tag[i][t])
			f->running--;
		f->tag[i][t] = NULL;
		if (f->fails[i][t / 64] & bit)
			drive_fail(q, t, -EIO, f->again, "the fake says so");
		else
			drive_end(q, t);
		f->fails[i][t / 64] &= ~bit;
	}
	pthread_mutex_unlock(&f->lock);
}

static int
fake_probe(struct drive_port *p)
{
	struct fake *f = of(p);

	f->probes++;
	if (!f->there)
		return -ENODEV;
	for (unsigned i = 0; i < f->ndisks; i++) {
		struct drive_disk *d = drive_disk_new(p, 16);

		d->flushes = d->trims = true;
		d->info.nsectors = 0; /* lib/blk refuses it: the tests send commands themselves */
		snprintf(d->info.name, sizeof d->info.name, "sdX%u", i);
	}
	return 0;
}

static bool
fake_present(struct drive_port *p)
{
	return of(p)->there;
}

static enum drive_verdict
fake_diagnose(struct drive_port *p, struct drive_blame *b)
{
	struct fake *f = of(p);

	snprintf(b->why, sizeof b->why, "%s", b->late ? "late" : "the fake broke");
	if (f->blamed >= 0) {
		b->queue = p->queue[0];
		b->tag = (unsigned)f->blamed;
		b->final = f->final;
	}
	f->blamed = -1;
	if (f->verdict == DRIVE_CONTINUE) {
		pthread_mutex_lock(&f->lock);
		f->tag[0][b->tag] = NULL;
		f->running--;
		pthread_mutex_unlock(&f->lock);
	} else if (f->verdict == DRIVE_RESEND) {
		pthread_mutex_lock(&f->lock);
		memset(f->tag, 0, sizeof f->tag);
		f->running = 0;
		pthread_mutex_unlock(&f->lock);
	}
	return f->verdict;
}

static int
fake_restart(struct drive_port *p, unsigned attempt)
{
	struct fake *f = of(p);

	(void)attempt;
	f->restarts++;
	pthread_mutex_lock(&f->lock);
	memset(f->tag, 0, sizeof f->tag);
	memset(f->ends, 0, sizeof f->ends);
	f->running = 0;
	pthread_mutex_unlock(&f->lock);
	return f->broken_restart ? -EIO : f->other;
}

static void
fake_quiet(struct drive_port *p)
{
	of(p)->quiets++;
}

static struct drive_queue *
fake_pick(struct drive_disk *d, const struct blk_io *io)
{
	return d->port->queue[io->sector % QUEUES];
}

static const struct drive_ops fake_ops = {
	.build = fake_build,
	.ring = fake_ring,
	.reap = fake_reap,
	.probe = fake_probe,
	.present = fake_present,
	.diagnose = fake_diagnose,
	.restart = fake_restart,
	.quiet = fake_quiet,
};

static const struct drive_ops many_ops = {
	.build = fake_build,
	.ring = fake_ring,
	.reap = fake_reap,
	.probe = fake_probe,
	.diagnose = fake_diagnose,
	.restart = fake_restart,
	.quiet = fake_quiet,
	.pick = fake_pick,
};

static int
bus_dma_alloc(struct sip_dev *d, size_t size, size_t align, struct sip_dma *out)
{
	(void)d;
	if (posix_memalign(&out->vaddr, align, size))
		return -ENOMEM;
	out->paddr = (uintptr_t)out->vaddr;
	out->size = size;
	return 0;
}

static void
bus_dma_free(struct sip_dev *d, struct sip_dma *dma)
{
	(void)d;
	free(dma->vaddr);
}

static void
fake_free(struct drive_ctlr *c)
{
	((struct fake *)c)->freed = true;
}

static struct drive_disk *
disk(struct fake *f)
{
	struct drive_disk *d;

	pthread_mutex_lock(&f->port.lock);
	d = f->port.disks;
	pthread_mutex_unlock(&f->port.lock);
	return d;
}

static bool
comes(struct fake *f, bool there)
{
	for (unsigned ms = 0; ms < WAIT_MS; ms++) {
		enum drive_state state;

		pthread_mutex_lock(&f->port.lock);
		state = f->port.state;
		pthread_mutex_unlock(&f->port.lock);
		if ((state == DRIVE_READY) == there)
			return true;
		os_sleep_ns(1000000);
	}
	return false;
}

static struct fake *
make(const struct drive_ops *ops, unsigned nqueues, unsigned ntags)
{
	struct fake *f = calloc(1, sizeof *f);

	f->bus = (struct sip_bus){ .dma_alloc = bus_dma_alloc, .dma_free = bus_dma_free };
	f->dev.bus = &f->bus;
	f->dev.root = "/nowhere";
	snprintf(f->dev.info.addr, sizeof f->dev.info.addr, "0.5.0");
	pthread_mutex_init(&f->lock, NULL);
	f->there = true;
	f->blamed = -1;
	f->ndisks = 1;
	assert_int_equal(sip_init(&f->server, &type), 0);
	assert_int_equal(drive_server_ops.initialize(&f->server), 0);
	drive_ctlr_init(&f->ctlr, &f->server, &f->dev);
	f->ctlr.free = fake_free;
	drive_port_init(&f->port, &f->ctlr, ops, "port 7");
	for (unsigned i = 0; i < nqueues; i++)
		assert_int_equal(drive_queue_init(&f->queue[i], &f->port, ntags), 0);
	assert_int_equal(drive_ctlr_start(&f->ctlr), 0);
	drive_port_start(&f->port);
	assert_int_equal(drive_server_ops.start(&f->server), 0);
	assert_true(comes(f, true));
	return f;
}

static void
stop(struct fake *f)
{
	drive_ctlr_stop(&f->ctlr);
	assert_int_equal(f->port.state, DRIVE_EMPTY);
	drive_server_ops.stop(&f->server);
	drive_ctlr_fini(&f->ctlr);
	assert_true(f->freed);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static void
prepare(struct cmd *c, enum blk_kind kind, uint64_t sector, uintptr_t client)
{
	*c = (struct cmd){ .io = { .kind = kind,
				   .sector = sector,
				   .nsectors = 8,
				   .client = (const void *)client },
			   .result = 1 };
}

static void
send(struct fake *f, struct cmd *c, enum blk_kind kind, uint64_t sector, uintptr_t client)
{
	prepare(c, kind, sector, client);
	drive_send(disk(f), &c->io);
}

/* Ends what runs of it, as the device. */
static void
end(struct fake *f, struct cmd *c, bool well)
{
	struct drive_queue *q = NULL;

	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < f->port.nqueues; i++)
		for (unsigned t = 0; t < DRIVE_TAGS_MAX; t++)
			for (struct blk_io *io = f->tag[i][t]; io; io = io->chain)
				if (io == &c->io) {
					q = f->port.queue[i];
					f->ends[i][t / 64] |= 1ull << t % 64;
					if (!well)
						f->fails[i][t / 64] |= 1ull << t % 64;
				}
	pthread_mutex_unlock(&f->lock);
	assert_non_null(q);
	drive_reap(q);
}

static bool
runs(struct fake *f, const struct cmd *c)
{
	bool found = false;

	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < f->port.nqueues; i++)
		for (unsigned t = 0; t < DRIVE_TAGS_MAX; t++)
			for (struct blk_io *io = f->tag[i][t]; io; io = io->chain)
				found |= io == &c->io;
	pthread_mutex_unlock(&f->lock);
	return found;
}

static bool
becomes(const struct cmd *c, int result)
{
	for (unsigned ms = 0; ms < WAIT_MS && atomic_load(&c->result) != result; ms++)
		os_sleep_ns(1000000);
	return atomic_load(&c->result) == result;
}

/* Ends whatever runs, until all are over. */
static void
end_all(struct fake *f, struct cmd *c, unsigned n)
{
	for (unsigned ms = 0; ms < WAIT_MS; ms++) {
		bool over = true;

		for (unsigned i = 0; i < n; i++) {
			if (runs(f, &c[i]))
				end(f, &c[i], true);
			over &= atomic_load(&c[i].result) != 1;
		}
		if (over)
			return;
		os_sleep_ns(1000000);
	}
	fail_msg("commands that never end");
}

/* --- tests ----------------------------------------------------------------------------------------- */

static void
depth_and_tags(void **state)
{
	static const unsigned depths[] = { 1, 4, 63, 64, 65, 1000, DRIVE_TAGS_MAX };

	(void)state;
	for (unsigned i = 0; i < sizeof depths / sizeof depths[0]; i++) {
		struct fake *f = make(&fake_ops, 1, depths[i]);
		unsigned n = depths[i] + 10;
		struct cmd *c = calloc(n, sizeof *c);

		for (unsigned k = 0; k < n; k++)
			send(f, &c[k], BLK_READ, k, 1);
		assert_int_equal(f->running, depths[i]);
		assert_int_equal(f->queue[0].nwaiting, 10);
		for (unsigned k = 0; k < n; k++)
			end(f, &c[k], true);
		for (unsigned k = 0; k < n; k++)
			assert_int_equal(c[k].result, 0);
		assert_int_equal(f->most, depths[i]);
		free(c);
		stop(f);
	}
}

/* Ends of tags that are free, or that never were, are the device's fault and change nothing. */
static void
stray_ends(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);
	struct cmd c;

	(void)state;
	send(f, &c, BLK_READ, 1, 1);
	pthread_mutex_lock(&f->lock);
	f->ends[0][0] = 0xfffffffffffffff0;
	f->ends[0][DRIVE_TAGS_MAX / 64 - 1] = UINT64_MAX;
	pthread_mutex_unlock(&f->lock);
	drive_reap(&f->queue[0]);
	assert_int_equal(c.result, 1);
	assert_int_equal(f->queue[0].stray, 60 + 64);
	end(f, &c, true);
	assert_int_equal(c.result, 0);
	stop(f);
}

static void
one_alone(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);
	struct cmd c[6];

	(void)state;
	f->queue[0].alone_kinds = 1 << BLK_FLUSH;
	send(f, &c[0], BLK_WRITE, 0, 1);
	send(f, &c[1], BLK_WRITE, 8, 1);
	send(f, &c[2], BLK_FLUSH, 0, 2);
	send(f, &c[3], BLK_WRITE, 16, 3);
	send(f, &c[4], BLK_FLUSH, 0, 3);
	send(f, &c[5], BLK_READ, 24, 4);
	assert_int_equal(f->running, 2);
	end(f, &c[1], true);
	assert_false(runs(f, &c[2]));
	end(f, &c[0], true);
	assert_true(runs(f, &c[2]));
	assert_int_equal(f->running, 1);
	end(f, &c[2], true);
	assert_true(runs(f, &c[3]));
	assert_int_equal(f->running, 1);
	end(f, &c[3], true);
	assert_true(runs(f, &c[4]) && !runs(f, &c[5]));
	end(f, &c[4], true);
	end(f, &c[5], true);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(c[i].result, 0);
	stop(f);
}

/* A client with few commands does not wait for all of one with many. */
static void
clients_take_turns(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);
	struct cmd deep[MANY], shallow[2];

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		send(f, &deep[i], BLK_READ, i, 0x10000);
	send(f, &shallow[0], BLK_READ, 500, 0x20000);
	send(f, &shallow[1], BLK_READ, 501, 0x20000);
	for (unsigned i = 0; i < 4; i++)
		end(f, &deep[i], true);
	assert_true(shallow[0].order && shallow[0].order <= DEPTH + 2);
	assert_true(shallow[1].order && shallow[1].order <= DEPTH + 4);
	end_all(f, deep, MANY);
	end_all(f, shallow, 2);
	for (unsigned i = 1; i < MANY; i++)
		assert_true(deep[i].order > deep[i - 1].order);
	stop(f);
}

static void
one_that_fails_alone(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);
	struct cmd bad, good;

	(void)state;
	f->again = true;
	send(f, &bad, BLK_READ, 100, 1);
	send(f, &good, BLK_READ, 200, 1);
	for (unsigned i = 0; i < DRIVE_TRIES; i++)
		end(f, &bad, false);
	assert_int_equal(bad.result, -EIO);
	assert_int_equal(bad.sent, DRIVE_TRIES);
	assert_string_equal(bad.io.why, "read of 8 at 100: the fake says so");
	assert_int_equal(good.sent, 1);
	end(f, &good, true);
	f->again = false;
	send(f, &bad, BLK_FLUSH, 0, 1);
	end(f, &bad, false);
	assert_int_equal(bad.result, -EIO);
	assert_int_equal(bad.sent, 1);
	assert_int_equal(f->port.errors, DRIVE_TRIES + 1);
	assert_int_equal(f->port.retries, DRIVE_TRIES - 1);
	assert_int_equal(f->restarts, 0);
	assert_string_equal(f->port.last_error, "flush: the fake says so");
	stop(f);
}

static void
refused_by_build(void **state)
{
	struct fake *f = make(&fake_ops, 1, 1);
	struct cmd c[3];

	(void)state;
	send(f, &c[0], BLK_READ, SECTORS, 1);
	assert_int_equal(c[0].result, -EINVAL);
	send(f, &c[0], BLK_READ, 0, 1);
	send(f, &c[1], BLK_READ, SECTORS, 1);
	send(f, &c[2], BLK_READ, 0, 1);
	end(f, &c[0], true);
	assert_int_equal(c[1].result, -EINVAL);
	end(f, &c[2], true);
	stop(f);
}

static void
wait_restarts(const struct fake *f, unsigned n)
{
	for (unsigned ms = 0; ms < WAIT_MS && *(volatile const unsigned *)&f->restarts < n; ms++)
		os_sleep_ns(1000000);
	assert_true(f->restarts >= n);
}

/* The port stops; which command did it nobody knows: one at a time, and the bad one fails alone. */
static void
suspects(struct fake *f)
{
	struct cmd c[MANY];
	struct cmd *bad = &c[2];

	f->poison = &bad->io;
	for (unsigned i = 0; i < MANY; i++)
		send(f, &c[i], BLK_READ, i, i);
	assert_true(f->breaking);
	for (unsigned ms = 0; ms < WAIT_MS && atomic_load(&bad->result) == 1; ms++) {
		bool breaking;

		pthread_mutex_lock(&f->lock);
		breaking = f->breaking;
		f->breaking = false;
		pthread_mutex_unlock(&f->lock);
		if (breaking)
			drive_break(&f->port);
		else if (f->restarts)
			for (unsigned i = 0; i < MANY; i++)
				if (&c[i] != bad && runs(f, &c[i]))
					end(f, &c[i], true);
		os_sleep_ns(1000000);
	}
	assert_int_equal(bad->result, -EIO);
	assert_string_equal(bad->io.why, "read of 8 at 2: the fake broke");
	assert_int_equal(bad->io.tries, DRIVE_TRIES);
	f->poison = NULL;
	end_all(f, c, MANY);
	for (unsigned i = 0; i < MANY; i++)
		if (&c[i] != bad)
			assert_int_equal(c[i].result, 0);
	assert_int_equal(f->restarts, 1 + DRIVE_TRIES);
	for (unsigned i = 0; i < f->port.nqueues; i++)
		assert_int_equal(f->queue[i].serial, 0);
}

static void
suspects_one_at_a_time(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);

	(void)state;
	suspects(f);
	stop(f);
	f = make(&many_ops, QUEUES, DEPTH);
	suspects(f);
	stop(f);
}

static void
known_culprit(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);
	struct cmd c[3];

	(void)state;
	f->verdict = DRIVE_RESEND;
	for (unsigned i = 0; i < 3; i++)
		send(f, &c[i], BLK_WRITE, i, 1);
	f->blamed = (int)c[1].io.tag;
	f->final = true;
	drive_break(&f->port);
	assert_true(becomes(&c[1], -EIO));
	assert_int_equal(f->restarts, 0);
	assert_int_equal(c[1].sent, 1);
	for (unsigned ms = 0; ms < WAIT_MS && f->running != 2; ms++)
		os_sleep_ns(1000000);
	assert_int_equal(f->running, 2); /* both at once */
	assert_true(c[0].sent == 2 && c[2].sent == 2);
	end(f, &c[0], true);
	end(f, &c[2], true);
	stop(f);
}

/* One is over its time and the others are not: it can be aborted, and they run on. */
static void
late_and_aborted(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);
	struct cmd late, other;

	(void)state;
	f->verdict = DRIVE_CONTINUE;
	f->final = true;
	send(f, &late, BLK_READ, 1, 1);
	f->blamed = (int)late.io.tag;
	atomic_fetch_add(&f->ctlr.ahead_ms, drive_timeout_ms(BLK_READ) / 2);
	os_sleep_ns(300000000);
	send(f, &other, BLK_READ, 2, 1);
	atomic_fetch_add(&f->ctlr.ahead_ms, drive_timeout_ms(BLK_READ) * 2 / 3);
	assert_true(becomes(&late, -ETIMEDOUT));
	assert_string_equal(late.io.why, "read of 8 at 1: late");
	assert_int_equal(other.sent, 1);
	assert_true(runs(f, &other));
	assert_int_equal(f->restarts, 0);
	assert_true(comes(f, true));
	end(f, &other, true);
	stop(f);
}

static void
late_for_good(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);
	struct cmd c;

	(void)state;
	send(f, &c, BLK_READ, 1, 1);
	for (unsigned i = 0; i < 100 && c.result == 1; i++) {
		atomic_fetch_add(&f->ctlr.ahead_ms, drive_timeout_ms(BLK_READ) + 1);
		os_sleep_ns(100000000);
	}
	assert_int_equal(c.result, -ETIMEDOUT);
	assert_int_equal(c.sent, DRIVE_TRIES);
	assert_int_equal(f->restarts, DRIVE_TRIES);
	stop(f);
}

static void
lost_interrupt(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);
	struct cmd c;

	(void)state;
	send(f, &c, BLK_READ, 1, 1);
	pthread_mutex_lock(&f->lock);
	f->ends[0][0] = 1ull << c.io.tag;
	pthread_mutex_unlock(&f->lock);
	assert_true(becomes(&c, 0));
	for (unsigned ms = 0; ms < WAIT_MS && !*(volatile uint64_t *)&f->port.lost; ms++)
		os_sleep_ns(1000000);
	assert_int_equal(f->port.lost, 1);
	assert_int_equal(f->restarts, 0);
	stop(f);
}

static void
given_up(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);
	struct cmd c[MANY];

	(void)state;
	f->broken_restart = true;
	for (unsigned i = 0; i < MANY; i++)
		send(f, &c[i], BLK_READ, i, i);
	drive_break(&f->port);
	for (unsigned i = 0; i < MANY; i++)
		assert_true(becomes(&c[i], -ENODEV));
	assert_int_equal(f->restarts, DRIVE_RESETS);
	assert_string_equal(c[0].io.why, "the disk does not come back after a reset");
	assert_true(comes(f, false));
	f->broken_restart = false;
	drive_change(&f->port); /* it is pulled out and put in again */
	assert_true(comes(f, true));
	send(f, &c[0], BLK_READ, 0, 1);
	end(f, &c[0], true);
	stop(f);
}

/* A disk that is gone gets no command any more, its successor none of its. */
static void
gone_and_back(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);
	struct drive_disk *old = disk(f);
	struct cmd c[MANY], late;

	(void)state;
	atomic_fetch_add(&old->refs, 1);
	for (unsigned i = 0; i < MANY; i++)
		send(f, &c[i], BLK_READ, i, i);
	f->there = false;
	drive_change(&f->port);
	for (unsigned i = 0; i < MANY; i++)
		assert_true(becomes(&c[i], -ENODEV));
	assert_string_equal(c[0].io.why, "the disk is gone");
	pthread_mutex_lock(&f->lock);
	memset(f->tag, 0, sizeof f->tag);
	f->running = 0;
	pthread_mutex_unlock(&f->lock);
	f->there = true;
	drive_change(&f->port);
	assert_true(comes(f, true));
	prepare(&late, BLK_WRITE, 5, 1);
	drive_send(old, &late.io);
	assert_int_equal(late.result, -ENODEV);
	assert_int_equal(late.sent, 0);
	assert_true(disk(f) != old);
	send(f, &c[0], BLK_READ, 0, 1);
	end(f, &c[0], true);
	drive_disk_put(old);
	stop(f);
}

static void
another_disk(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);
	struct cmd c;

	(void)state;
	send(f, &c, BLK_READ, 1, 1);
	f->other = -ESTALE;
	drive_change(&f->port);
	assert_true(becomes(&c, -ENODEV));
	assert_string_equal(c.io.why, "another disk is there");
	for (unsigned ms = 0; ms < WAIT_MS && *(volatile unsigned *)&f->probes < 2; ms++)
		os_sleep_ns(1000000);
	assert_int_equal(f->probes, 2);
	assert_true(comes(f, true));
	stop(f);
}

/* One of two disks behind a port goes; the other's commands go on. */
static void
one_of_two(void **state)
{
	struct fake *f = make(&fake_ops, 1, 2);
	struct drive_disk *a, *b;
	struct cmd c[6];

	(void)state;
	f->there = false;
	drive_change(&f->port);
	assert_true(comes(f, false));
	f->there = true;
	f->ndisks = 2;
	drive_change(&f->port);
	assert_true(comes(f, true));
	a = disk(f);
	b = a->next;
	atomic_fetch_add(&a->refs, 1); /* as lib/blk does for who has it open */
	for (unsigned i = 0; i < 6; i++) {
		prepare(&c[i], BLK_READ, i, i);
		drive_send(i & 1 ? b : a, &c[i].io);
	}
	drive_disk_drop(a, "gone");
	assert_int_equal(c[0].result, 1); /* in flight */
	assert_int_equal(c[2].result, -ENODEV);
	assert_int_equal(c[4].result, -ENODEV);
	end(f, &c[0], true);
	end(f, &c[1], true);
	end(f, &c[3], true);
	end(f, &c[5], true);
	assert_ptr_equal(disk(f), b);
	drive_disk_put(a);
	stop(f);
}

static void
discards_go_together(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);
	struct cmd c[6];

	(void)state;
	f->queue[0].alone_kinds = 1 << BLK_DISCARD;
	f->again = true;
	disk(f)->ranges = 3;
	disk(f)->range_sectors = 4; /* each needs two ranges */
	send(f, &c[0], BLK_DISCARD, 0, 1);
	send(f, &c[1], BLK_DISCARD, 8, 1);
	send(f, &c[2], BLK_DISCARD, 16, 2);
	end(f, &c[0], true);
	assert_false(runs(f, &c[2]));
	end(f, &c[1], true);
	end(f, &c[2], true);
	disk(f)->ranges = 4;
	for (unsigned i = 0; i < 5; i++)
		send(f, &c[i], BLK_DISCARD, 8 * i, i);
	send(f, &c[5], BLK_READ, 0, 1);
	end(f, &c[0], true);
	assert_true(runs(f, &c[1]) && runs(f, &c[2]) && !runs(f, &c[3]));
	end(f, &c[1], false); /* the pair fails: each is tried alone */
	assert_true(runs(f, &c[1]) != runs(f, &c[2]));
	end_all(f, c, 6);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(c[i].result, 0);
	assert_int_equal(c[1].order == c[2].order, 0);
	assert_int_equal(c[3].order, c[4].order);
	stop(f);
}

static void *
own_thread(void *arg)
{
	struct fake *f = arg;
	struct drive_command c = { .bytes = 512, .alone = true };
	uint8_t buf[512];

	assert_int_equal(drive_command(disk(f), &c, buf), 0);
	for (unsigned i = 0; i < sizeof buf; i++)
		assert_int_equal(buf[i], (uint8_t)i);
	return NULL;
}

static void
own_command(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);
	struct blk_io *io = NULL;
	pthread_t t;

	(void)state;
	pthread_create(&t, NULL, own_thread, f);
	for (unsigned ms = 0; ms < WAIT_MS && !io; ms++) {
		os_sleep_ns(1000000);
		pthread_mutex_lock(&f->lock);
		io = f->tag[0][0];
		pthread_mutex_unlock(&f->lock);
	}
	assert_non_null(io);
	assert_int_equal(io->kind, DRIVE_OWN);
	assert_int_equal(io->seg->bytes, 512);
	for (unsigned i = 0; i < 512; i++)
		((uint8_t *)io->data)[i] = (uint8_t)i;
	pthread_mutex_lock(&f->lock);
	f->ends[0][0] = 1;
	pthread_mutex_unlock(&f->lock);
	drive_reap(&f->queue[0]);
	pthread_join(t, NULL);
	stop(f);
}

static void
texts(void **state)
{
	struct fake *f = make(&fake_ops, 1, DEPTH);
	char text[1024];

	(void)state;
	drive_blk_ops.describe(disk(f), text, sizeof text);
	assert_string_equal(text, "controller 0.5.0 port 7\nport-state ready\nlast-error "
				  "sdX0 cannot be added: Invalid argument\n");
	drive_blk_ops.statistics(disk(f), text, sizeof text);
	assert_string_equal(text, "commands 0\nerrors 0\nretries 0\nresets 0\nlost-interrupts 0\n"
				  "link-changes 0\nstray-ends 0\n");
	assert_int_equal(drive_blk_ops.describe(disk(f), text, 12), 11);
	assert_int_equal(drive_blk_ops.command(disk(f), "dance"), -EINVAL);
	assert_int_equal(drive_blk_ops.command(disk(f), "reset"), 0);
	wait_restarts(f, 1);
	stop(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(depth_and_tags),
		cmocka_unit_test(stray_ends),
		cmocka_unit_test(one_alone),
		cmocka_unit_test(clients_take_turns),
		cmocka_unit_test(one_that_fails_alone),
		cmocka_unit_test(refused_by_build),
		cmocka_unit_test(suspects_one_at_a_time),
		cmocka_unit_test(known_culprit),
		cmocka_unit_test(late_and_aborted),
		cmocka_unit_test(late_for_good),
		cmocka_unit_test(lost_interrupt),
		cmocka_unit_test(given_up),
		cmocka_unit_test(gone_and_back),
		cmocka_unit_test(another_disk),
		cmocka_unit_test(one_of_two),
		cmocka_unit_test(discards_go_together),
		cmocka_unit_test(own_command),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
