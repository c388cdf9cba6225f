/*
 * See fake.h.
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
#include "fake.h"
#include "os.h"

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
			drive_fail(q, t, -EIO, f->retry, "the fake says so");
		else
			drive_end(q, t);
		f->fails[i][t / 64] &= ~bit;
	}
	pthread_mutex_unlock(&f->lock);
}

static void
fake_look(struct drive_port *p)
{
	of(p)->looks++;
}

static int
fake_probe(struct drive_port *p)
{
	struct fake *f = of(p);

	f->probes++;
	while (atomic_load(&f->slow_probe))
		os_sleep_ns(1000000);
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

	b->whole = f->whole;
	snprintf(b->why, sizeof b->why, "%s", b->late ? "late" : "the fake broke");
	if (f->blamed >= 0) {
		b->queue = p->queue[0];
		b->tag = (unsigned)f->blamed;
		b->final = f->final;
	}
	f->blamed = -1;
	if (f->verdict == DRIVE_CONTINUE || f->verdict == DRIVE_OVER) {
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
	while (atomic_load(&f->slow_restart))
		os_sleep_ns(1000000);
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
	return d->port->queue[io->sector % d->port->nqueues];
}

const struct drive_ops fake_ops = {
	.build = fake_build,
	.ring = fake_ring,
	.reap = fake_reap,
	.look = fake_look,
	.probe = fake_probe,
	.present = fake_present,
	.diagnose = fake_diagnose,
	.restart = fake_restart,
	.quiet = fake_quiet,
};

const struct drive_ops fake_many_ops = {
	.build = fake_build,
	.ring = fake_ring,
	.reap = fake_reap,
	.look = fake_look,
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

struct drive_disk *
fake_disk(struct fake *f)
{
	struct drive_disk *d;

	pthread_mutex_lock(&f->port.lock);
	d = f->port.disks;
	pthread_mutex_unlock(&f->port.lock);
	return d;
}

bool
fake_comes(struct fake *f, bool there)
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

void
fake_restarts(const struct fake *f, unsigned n)
{
	WAIT_FOR(NOW(f->restarts) >= n);
	assert_true(f->restarts >= n);
}

void
fake_two_disks(struct fake *f, struct drive_disk **a, struct drive_disk **b)
{
	f->ndisks = 2;
	f->other = -ESTALE;
	drive_change(&f->port);
	WAIT_FOR(NOW(f->probes) >= 2);
	assert_true(fake_comes(f, true));
	f->other = 0;
	*a = fake_disk(f);
	*b = (*a)->next;
}

struct fake *
fake_make(const struct drive_ops *ops, unsigned nqueues, unsigned ntags)
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
	assert_true(fake_comes(f, true));
	return f;
}

void
fake_stop(struct fake *f)
{
	drive_ctlr_stop(&f->ctlr);
	assert_int_equal(f->port.state, DRIVE_EMPTY);
	drive_server_ops.stop(&f->server);
	drive_ctlr_fini(&f->ctlr);
	assert_true(f->freed);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

void
fake_prepare(struct cmd *c, enum blk_kind kind, uint64_t sector, uintptr_t client)
{
	*c = (struct cmd){ .io = { .kind = kind,
				   .sector = sector,
				   .nsectors = 8,
				   .client = (const void *)client },
			   .result = 1 };
}

void
fake_send(struct fake *f, struct cmd *c, enum blk_kind kind, uint64_t sector, uintptr_t client)
{
	fake_prepare(c, kind, sector, client);
	drive_send(fake_disk(f), &c->io);
}

/* Ends what runs of it, as the device. */
void
fake_end(struct fake *f, struct cmd *c, bool well)
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

bool
fake_runs(struct fake *f, const struct cmd *c)
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

bool
fake_becomes(const struct cmd *c, int result)
{
	WAIT_FOR(atomic_load(&c->result) == result);
	return atomic_load(&c->result) == result;
}

/* Ends whatever runs, until all are over. */
void
fake_end_all(struct fake *f, struct cmd *c, unsigned n)
{
	for (unsigned ms = 0; ms < WAIT_MS; ms++) {
		bool over = true;

		for (unsigned i = 0; i < n; i++) {
			if (fake_runs(f, &c[i]))
				fake_end(f, &c[i], true);
			over &= atomic_load(&c[i].result) != 1;
		}
		if (over)
			return;
		os_sleep_ns(1000000);
	}
	fail_msg("commands that never end");
}
