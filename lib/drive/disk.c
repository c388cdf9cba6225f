/*
 * Disks: as lib/blk sees them, shown in a thread of their own, and a driver's own commands.
 *
 * A disk's partition table is read in a thread, since a bad sector there needs the keeper.  A disk is
 * held by its port, by that thread, and by lib/blk until the last of its files is closed; it holds
 * the controller.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "private.h"

/* --- lib/blk's functions ---------------------------------------------------------------------- */

static void
submit(void *drive, struct blk_io *io)
{
	struct drive_disk *d = drive;

	if (!sip_fault(d->port->ctlr->server, d, io))
		drive_send(d, io);
}

/* A disk without a cache has nothing to lose. */
static void
submit_flush(void *drive, struct blk_io *io)
{
	const struct drive_disk *d = drive;

	if (d->flushes)
		submit(drive, io);
	else
		blk_done(io, 0);
}

static void
submit_discard(void *drive, struct blk_io *io)
{
	const struct drive_disk *d = drive;

	if (d->trims)
		submit(drive, io);
	else {
		snprintf(io->why, sizeof io->why, "discard: the disk cannot");
		blk_done(io, -EOPNOTSUPP);
	}
}

static int
command(void *drive, const char *text)
{
	struct drive_disk *d = drive;
	const struct drive_ops *ops = d->port->ops;

	if (strcmp(text, "reset") == 0)
		drive_event(d->port, DRIVE_EVENT_RESET);
	else if (strcmp(text, "trace on") == 0 || strcmp(text, "trace off") == 0)
		atomic_store(&d->trace, strcmp(text, "trace on") == 0);
	else
		return ops->command ? ops->command(d, text) : -EINVAL;
	return 0;
}

static size_t
length(int printed, size_t n)
{
	return printed < 0 ? 0 : (size_t)printed < n ? (size_t)printed : n - 1;
}

static size_t
describe(void *drive, char *buf, size_t n)
{
	static const char *const states[] = { "empty", "ready", "recovering" };
	struct drive_disk *d = drive;
	struct drive_port *p = d->port;
	char last[sizeof p->last_error];
	enum drive_state state;
	size_t len;

	pthread_mutex_lock(&p->lock);
	state = p->state;
	memcpy(last, p->last_error, sizeof last);
	pthread_mutex_unlock(&p->lock);
	len = length(snprintf(buf, n, "controller %s%s%s\nport-state %s\n", p->ctlr->addr,
			      p->name[0] ? " " : "", p->name, states[state]),
		     n);
	if (p->ops->describe && !atomic_load(&d->gone) && len + 1 < n)
		len += p->ops->describe(d, buf + len, n - len);
	return len +
	       length(snprintf(buf + len, n - len, "last-error %s\n", last[0] ? last : "none"),
		      n - len);
}

static size_t
statistics(void *drive, char *buf, size_t n)
{
	struct drive_disk *d = drive;
	struct drive_port *p = d->port;
	unsigned long long commands = 0, stray = 0;
	size_t len;

	for (unsigned i = 0; i < p->nqueues; i++) {
		pthread_mutex_lock(&p->queue[i]->lock);
		commands += p->queue[i]->completions;
		stray += p->queue[i]->stray;
		pthread_mutex_unlock(&p->queue[i]->lock);
	}
	pthread_mutex_lock(&p->lock);
	len = length(snprintf(buf, n,
			      "commands %llu\nerrors %llu\nretries %llu\nresets %llu\n"
			      "lost-interrupts %llu\nlink-changes %llu\nstray-ends %llu\n",
			      commands, (unsigned long long)p->errors,
			      (unsigned long long)p->retries, (unsigned long long)p->resets,
			      (unsigned long long)p->lost, (unsigned long long)p->changes, stray),
		     n);
	pthread_mutex_unlock(&p->lock);
	if (p->ops->statistics && !atomic_load(&d->gone) && len + 1 < n)
		len += p->ops->statistics(d, buf + len, n - len);
	return len;
}

static void
release(void *drive)
{
	drive_disk_put(drive);
}

const struct blk_ops drive_blk_ops = {
	.read = submit,
	.write = submit,
	.flush = submit_flush,
	.discard = submit_discard,
	.command = command,
	.describe = describe,
	.statistics = statistics,
	.release = release,
};

/* --- coming and going ------------------------------------------------------------------------- */

struct drive_disk *
drive_disk_new(struct drive_port *p, size_t priv)
{
	struct drive_disk *d = calloc(1, sizeof *d), **at;

	if (d && priv && !(d->priv = calloc(1, priv))) {
		free(d);
		d = NULL;
	}
	if (!d)
		return NULL;
	d->port = p;
	atomic_store(&d->refs, 1);
	drive_ctlr_get(p->ctlr);
	pthread_mutex_lock(&p->lock);
	for (at = &p->disks; *at; at = &(*at)->next)
		;
	*at = d;
	pthread_mutex_unlock(&p->lock);
	return d;
}

void
drive_disk_put(struct drive_disk *d)
{
	struct drive_ctlr *c = d->port->ctlr;

	if (atomic_fetch_sub(&d->refs, 1) != 1)
		return;
	free(d->priv);
	free(d);
	drive_ctlr_put(c);
}

/* The last thread of the port is over: what had to wait for it goes on. */
static void
end_adding(struct drive_port *p)
{
	bool last, replug;

	pthread_mutex_lock(&p->lock);
	last = !--p->adding;
	replug = last && p->replug;
	if (last)
		p->replug = false;
	pthread_mutex_unlock(&p->lock);
	if (replug)
		drive_event(p, DRIVE_EVENT_CHANGE);
	else if (last)
		drive_port_none(p);
}

static void
add(struct drive_disk *d)
{
	struct drive_port *p = d->port;
	struct blk_disk *blk = NULL;
	bool gone = false;
	int err;

	d->info.memory = p->ctlr->memory;
	atomic_fetch_add(&d->refs, 1); /* lib/blk's */
	err = blk_add_disk(p->ctlr->blk, &d->info, &drive_blk_ops, d, &blk);
	pthread_mutex_lock(&p->lock);
	gone = atomic_load(&d->gone);
	if (err == 0 && !gone)
		d->blk = blk;
	pthread_mutex_unlock(&p->lock);
	if (err < 0 && !gone)
		drive_tell(p, "%s cannot be added: %s", d->info.name, strerror(-err));
	else if (err == 0 && gone)
		blk_remove_disk(blk);
}

static void *
adder(void *arg)
{
	struct drive_disk *d = arg;
	struct drive_port *p = d->port;
	struct drive_ctlr *c = p->ctlr;

	add(d);
	end_adding(p);
	drive_disk_put(d);
	pthread_mutex_lock(&c->keeper_lock);
	c->adders--;
	pthread_cond_broadcast(&c->settled);
	pthread_mutex_unlock(&c->keeper_lock);
	return NULL;
}

void
drive_disk_show(struct drive_disk *d)
{
	struct drive_port *p = d->port;
	struct drive_ctlr *c = p->ctlr;
	pthread_attr_t attr;
	pthread_t t;
	int err;

	atomic_fetch_add(&d->refs, 1); /* the thread's */
	pthread_mutex_lock(&p->lock);
	p->adding++;
	pthread_mutex_unlock(&p->lock);
	pthread_mutex_lock(&c->keeper_lock);
	c->adders++;
	pthread_mutex_unlock(&c->keeper_lock);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&t, &attr, adder, d);
	pthread_attr_destroy(&attr);
	if (!err)
		return;
	pthread_mutex_lock(&c->keeper_lock);
	c->adders--;
	pthread_mutex_unlock(&c->keeper_lock);
	drive_tell(p, "%s: no thread for a new disk", d->info.name);
	drive_disk_drop(d, "no thread for a new disk");
	end_adding(p);
	drive_disk_put(d);
}

/* --- a driver's own commands ------------------------------------------------------------------- */

static int
run(struct drive_disk *d, struct drive_command *c)
{
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->over, NULL);
	drive_send(d, &c->io);
	pthread_mutex_lock(&c->lock);
	while (!c->done)
		pthread_cond_wait(&c->over, &c->lock);
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->over);
	return c->io.error;
}

int
drive_command(struct drive_disk *d, struct drive_command *c, void *buf)
{
	struct drive_ctlr *ctlr = d->port->ctlr;
	struct dma_seg seg;
	int err = 0;

	if (c->bytes > DRIVE_PAGE_SIZE)
		return -EINVAL;
	c->io.kind = DRIVE_OWN;
	c->io.client = c;
	if (!c->bytes)
		return run(d, c);
	pthread_mutex_lock(&ctlr->page_lock);
	if (!ctlr->page.vaddr)
		err = drive_dma_alloc(ctlr, DRIVE_PAGE_SIZE, DRIVE_PAGE_SIZE, &ctlr->page);
	if (err == 0) {
		if (c->write)
			memcpy(ctlr->page.vaddr, buf, c->bytes);
		seg = (struct dma_seg){ ctlr->page.paddr, c->bytes };
		c->io.seg = &seg;
		c->io.nsegs = 1;
		c->io.data = ctlr->page.vaddr;
		err = run(d, c);
		if (err == 0 && !c->write)
			memcpy(buf, ctlr->page.vaddr, c->bytes);
	}
	pthread_mutex_unlock(&ctlr->page_lock);
	return err;
}

/* --- faults on demand -------------------------------------------------------------------------- */

void
drive_fault_start(void *disk, void *io)
{
	drive_send(disk, io);
}

/* Whatever a request before this one left in the buffer is its data. */
void
drive_fault_wrong(void *disk, void *io)
{
	((struct blk_io *)io)->drive = disk;
	drive_io_done(io, 0);
}
