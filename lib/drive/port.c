/*
 * What the keeper does for a port: looking for disks, recovery, removal.
 *
 *	state	event				what is done			next
 *	EMPTY	drive_port_start, drive_change	probe; its disks are shown	READY, or EMPTY
 *	EMPTY	drive_break			quiet: it listens again		EMPTY
 *	READY	drive_change, not `present`	commands end with ENODEV	EMPTY
 *	READY	drive_break, or overdue		hold, diagnose, restart		see BROKEN
 *	BROKEN	a command			waits				BROKEN
 *	BROKEN	restart went well		all are sent again		READY
 *	BROKEN	another disk, or none, or	commands end with ENODEV	EMPTY
 *		DRIVE_RESETS failed
 *
 * Only the keeper's thread changes the state; but a port that the driver's attach makes itself is
 * that one's from drive_port_expect to drive_port_show, and the keeper does not look at it; and
 * drive_ctlr_stop has all of them when the keeper has ended.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "os.h"
#include "private.h"

enum { DEBOUNCE_STEP_MS = 10 };

void
drive_port_init(struct drive_port *p, struct drive_ctlr *c, const struct drive_ops *ops,
		const char *name)
{
	p->ctlr = c;
	p->ops = ops;
	snprintf(p->name, sizeof p->name, "%s", name);
	pthread_mutex_init(&p->lock, NULL);
	p->next = c->ports;
	c->ports = p;
}

int
drive_queue_init(struct drive_queue *q, struct drive_port *p, unsigned ntags)
{
	q->slot = calloc(ntags, sizeof(struct blk_io *));
	if (!q->slot)
		return -ENOMEM;
	q->port = p;
	q->index = p->nqueues;
	q->ntags = q->depth = ntags;
	p->queue[p->nqueues++] = q;
	return 0;
}

void
drive_event(struct drive_port *p, unsigned event)
{
	atomic_fetch_or(&p->events, event);
	drive_wake(p->ctlr);
}

static void
close_queues(struct drive_port *p)
{
	for (unsigned i = 0; i < p->nqueues; i++)
		drive_queue_close(p->queue[i]);
}

/* While commands are sent one at a time, the first queue has them all. */
static void
open_queues(struct drive_port *p)
{
	bool serial;

	os_lock_take(&p->queue[0]->lock);
	serial = p->queue[0]->serial;
	os_lock_give(&p->queue[0]->lock);
	for (unsigned i = 0; i < p->nqueues; i++)
		if (i == 0 || !serial)
			drive_queue_open(p->queue[i]);
}

void
drive_break(struct drive_port *p)
{
	close_queues(p);
	drive_event(p, DRIVE_EVENT_ERROR);
}

void
drive_change(struct drive_port *p)
{
	pthread_mutex_lock(&p->lock);
	p->changes++;
	pthread_mutex_unlock(&p->lock);
	drive_event(p, DRIVE_EVENT_CHANGE);
}

void
drive_reset(struct drive_port *p)
{
	close_queues(p);
	drive_event(p, DRIVE_EVENT_RESET);
}

void
drive_label(const struct drive_port *p, char *out, size_t n)
{
	snprintf(out, n, "%s%s%s", p->ctlr->addr, p->name[0] ? " " : "", p->name);
}

void
drive_tell(struct drive_port *p, const char *fmt, ...)
{
	char text[sizeof p->last_error], who[48];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&p->lock);
	memcpy(p->last_error, text, sizeof text);
	pthread_mutex_unlock(&p->lock);
	drive_label(p, who, sizeof who);
	sip_error(p->ctlr->server, "%s: %s", who, text);
}

/* A command fails for good. */
void
drive_error(struct drive_port *p, const struct blk_io *io)
{
	char who[48];

	pthread_mutex_lock(&p->lock);
	snprintf(p->last_error, sizeof p->last_error, "%s", io->why);
	pthread_mutex_unlock(&p->lock);
	drive_label(p, who, sizeof who);
	sip_log(p->ctlr->server, "%s: %s", who, io->why);
}

/* --- disks that come ------------------------------------------------------------------------- */

static void
set_ready(struct drive_port *p)
{
	pthread_mutex_lock(&p->lock);
	p->state = DRIVE_READY;
	pthread_mutex_unlock(&p->lock);
	if (p->ops->ready)
		p->ops->ready(p);
	open_queues(p);
}

static void
expect(struct drive_port *p, bool attaching)
{
	struct drive_ctlr *c = p->ctlr;

	pthread_mutex_lock(&p->lock);
	p->starting = true;
	p->attaching = attaching;
	pthread_mutex_unlock(&p->lock);
	pthread_mutex_lock(&c->keeper_lock);
	c->starting++;
	pthread_mutex_unlock(&c->keeper_lock);
}

void
drive_port_expect(struct drive_port *p)
{
	expect(p, true);
}

void
drive_port_none(struct drive_port *p)
{
	struct drive_ctlr *c = p->ctlr;
	bool was;

	pthread_mutex_lock(&p->lock);
	was = p->starting;
	p->starting = false;
	pthread_mutex_unlock(&p->lock);
	if (!was)
		return;
	pthread_mutex_lock(&c->keeper_lock);
	c->starting--;
	pthread_cond_broadcast(&c->settled);
	pthread_mutex_unlock(&c->keeper_lock);
}

void
drive_port_start(struct drive_port *p)
{
	expect(p, false);
	drive_event(p, DRIVE_EVENT_CHANGE);
}

static void
show(struct drive_port *p)
{
	struct drive_disk *list[BLK_MAX_DISKS];
	unsigned n = 0;

	set_ready(p);
	pthread_mutex_lock(&p->lock);
	for (struct drive_disk *d = p->disks; d && n < BLK_MAX_DISKS; d = d->next) {
		atomic_fetch_add(&d->refs, 1);
		list[n++] = d;
	}
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < n; i++)
		drive_disk_show(list[i]);
	for (unsigned i = 0; i < n; i++)
		drive_disk_put(list[i]);
	if (!n)
		drive_port_none(p);
}

void
drive_port_show(struct drive_port *p)
{
	show(p);
	pthread_mutex_lock(&p->lock);
	p->attaching = false;
	pthread_mutex_unlock(&p->lock);
	drive_wake(p->ctlr); /* for what has happened meanwhile */
}

static void
plug(struct drive_port *p)
{
	bool later;

	pthread_mutex_lock(&p->lock);
	later = p->replug = p->adding > 0;
	p->given_up &= later;
	pthread_mutex_unlock(&p->lock);
	if (later)
		return; /* the end of the last thread raises the event again */
	if (p->ops->probe(p) == 0)
		show(p);
	else
		drive_port_none(p);
}

/* --- disks that go --------------------------------------------------------------------------- */

static void
forget_disk(struct drive_disk *d)
{
	struct drive_port *p = d->port;
	struct blk_disk *blk;

	pthread_mutex_lock(&p->lock);
	blk = d->blk;
	d->blk = NULL;
	pthread_mutex_unlock(&p->lock);
	if (blk)
		blk_remove_disk(blk);
	if (d->packet)
		drive_packet_gone(d);
}

void
drive_port_drop(struct drive_port *p, const char *why)
{
	struct drive_list all = { 0 };
	struct drive_disk *disks, *next;

	pthread_mutex_lock(&p->lock);
	p->state = DRIVE_EMPTY;
	disks = p->disks;
	p->disks = NULL;
	p->ndisks = 0;
	for (struct drive_disk *d = disks; d; d = d->next)
		atomic_store(&d->gone, true);
	pthread_mutex_unlock(&p->lock);
	close_queues(p);
	for (unsigned i = 0; i < p->nqueues; i++)
		drive_take(p->queue[i], NULL, true, &all);
	drive_lost_forget(p);
	for (struct drive_disk *d = disks; d; d = d->next)
		forget_disk(d);
	p->ops->quiet(p); /* the device must not know the buffers that are given back */
	drive_end_list(all.head, -ENODEV, why);
	for (; disks; disks = next) {
		next = disks->next;
		drive_disk_put(disks);
	}
}

void
drive_disk_drop(struct drive_disk *d, const char *why)
{
	struct drive_port *p = d->port;
	struct drive_list all = { 0 };

	pthread_mutex_lock(&p->lock);
	for (struct drive_disk **at = &p->disks; *at; at = &(*at)->next)
		if (*at == d) {
			*at = d->next;
			p->ndisks--;
			break;
		}
	atomic_store(&d->gone, true);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->nqueues; i++)
		drive_take(p->queue[i], d, false, &all);
	forget_disk(d);
	drive_end_list(all.head, -ENODEV, why);
	drive_disk_put(d);
}

/* --- recovery -------------------------------------------------------------------------------- */

/* Commands in flight; if one, which. */
static unsigned
flying(struct drive_port *p, struct drive_blame *only)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->nqueues; i++) {
		struct drive_queue *q = p->queue[i];

		os_lock_take(&q->lock);
		for (unsigned t = 0; q->nbusy && t < q->depth; t++)
			for (const struct blk_io *io = drive_tag(q, t); io; io = io->chain, n++) {
				only->queue = q;
				only->tag = t;
			}
		os_lock_give(&q->lock);
	}
	return n;
}

/*
 * One use of its tries: the command, off its tag, if that was the last.  A flush has one, but if it
 * is only late, or the device as a whole went wrong: that has not told of an error of the flush,
 * and what it says next is still an answer.
 */
static struct blk_io *
accuse(struct drive_port *p, const struct drive_blame *b)
{
	struct drive_queue *q = b->queue;
	struct blk_io *io;
	bool final;

	os_lock_take(&q->lock);
	io = drive_tag(q, b->tag);
	drive_describe(io, b->why);
	pthread_mutex_lock(&p->lock);
	memcpy(p->last_error, io->why, sizeof io->why);
	pthread_mutex_unlock(&p->lock);
	final = b->final || (io->kind == BLK_FLUSH && !b->late && !b->whole);
	if (++io->tries >= DRIVE_TRIES || final) {
		drive_untag(q, b->tag);
		if (q->serial)
			q->serial--;
	} else
		io = NULL;
	os_lock_give(&q->lock);
	return io;
}

/* Sends again what was in flight; suspects all through the first queue. */
static void
resend(struct drive_port *p)
{
	unsigned n = 0;
	bool serial;

	os_lock_take(&p->queue[0]->lock);
	serial = p->queue[0]->serial;
	os_lock_give(&p->queue[0]->lock);
	for (unsigned i = 0; i < p->nqueues; i++) {
		struct drive_queue *q = p->queue[i];

		os_lock_take(&q->lock);
		n += drive_resend(q, serial ? p->queue[0] : q);
		os_lock_give(&q->lock);
	}
	pthread_mutex_lock(&p->lock);
	p->retries += n;
	pthread_mutex_unlock(&p->lock);
}

/* It is one that is in flight, and not one of several in a chain. */
static bool
is_known(const struct drive_blame *b)
{
	const struct blk_io *io = NULL;

	if (b->queue) {
		os_lock_take(&b->queue->lock);
		io = drive_tag(b->queue, b->tag);
		os_lock_give(&b->queue->lock);
	}
	return io && !io->chain;
}

/* The one command that was running is to blame; of several, each is a suspect. */
static struct blk_io *
blame(struct drive_port *p, struct drive_blame *b)
{
	struct drive_blame only = { 0 };
	unsigned n = flying(p, &only);

	pthread_mutex_lock(&p->lock);
	p->errors++;
	pthread_mutex_unlock(&p->lock);
	if (!is_known(b)) {
		b->queue = only.queue;
		b->tag = only.tag;
		if (n != 1)
			b->queue = NULL;
	}
	if (b->queue)
		return accuse(p, b);
	if (n > 1) {
		os_lock_take(&p->queue[0]->lock);
		p->queue[0]->serial = n;
		os_lock_give(&p->queue[0]->lock);
	}
	return NULL;
}

/* READY again: 0, or the port has been dropped. */
static int
restart(struct drive_port *p)
{
	int err = -EIO;

	for (unsigned i = 0; i < DRIVE_RESETS; i++) {
		pthread_mutex_lock(&p->lock);
		p->resets++;
		pthread_mutex_unlock(&p->lock);
		err = p->ops->restart(p, i);
		if (err == 0 || err == -ENODEV || err == -ESTALE)
			break;
	}
	if (err == 0)
		return 0;
	if (err == -ESTALE) {
		drive_tell(p, "another disk is there");
		drive_port_drop(p, "another disk is there");
		plug(p);
	} else {
		pthread_mutex_lock(&p->lock);
		p->given_up = true;
		pthread_mutex_unlock(&p->lock);
		drive_tell(p, "given up: reset: %s", strerror(-err));
		drive_port_drop(p, "the disk does not come back after a reset");
	}
	return err;
}

/* It may have ended since, and its tag be another's. */
static bool
still_overdue(const struct drive_blame *b, uint64_t now)
{
	const struct blk_io *io;

	os_lock_take(&b->queue->lock);
	io = drive_tag(b->queue, b->tag);
	os_lock_give(&b->queue->lock);
	return io && io->deadline < now;
}

/* The command that `diagnose` names has ended, as it would in `reap`. */
static void
take_over(const struct drive_blame *b)
{
	if (!b->queue)
		return;
	os_lock_take(&b->queue->lock);
	if (drive_tag(b->queue, b->tag)) {
		drive_end(b->queue, b->tag);
		b->queue->found++;
	}
	os_lock_give(&b->queue->lock);
}

static void
recover(struct drive_port *p, bool failed, struct drive_blame *b)
{
	enum drive_verdict verdict = DRIVE_RESET;
	struct blk_io *bad = NULL;

	pthread_mutex_lock(&p->lock);
	p->state = DRIVE_BROKEN;
	pthread_mutex_unlock(&p->lock);
	close_queues(p);
	if (p->ops->hold)
		p->ops->hold(p);
	for (unsigned i = 0; i < p->nqueues; i++)
		drive_queue_last(p->queue[i]);
	if (b->queue && !still_overdue(b, atomic_load(&p->ctlr->now_ms)))
		b->queue = NULL;
	if (failed) {
		if (p->ops->diagnose)
			verdict = p->ops->diagnose(p, b);
		if (verdict == DRIVE_OVER)
			take_over(b);
		else if (verdict != DRIVE_CONTINUE || b->queue)
			bad = blame(p, b);
	}
	if (verdict == DRIVE_RESET || verdict == DRIVE_RESEND)
		resend(p);
	if (verdict != DRIVE_RESET || restart(p) == 0) {
		set_ready(p);
		for (unsigned i = 0; i < p->nqueues; i++) /* what ended while it was held */
			drive_poll(p->queue[i]);
		if (p->ops->present && !p->ops->present(p)) /* lost while interrupts were off */
			drive_event(p, DRIVE_EVENT_CHANGE);
	}
	if (bad) { /* only now: until the reset the device still knew the buffer */
		drive_error(p, bad);
		drive_io_done(bad, b->err);
	}
}

/* --- the keeper's look ----------------------------------------------------------------------- */

/*
 * True if a command is over its time.  If others end meanwhile, the fault is its own; if nothing
 * moves, any of them may have stopped the device.
 */
static bool
overdue(struct drive_port *p, struct drive_blame *b)
{
	uint64_t now = atomic_load(&p->ctlr->now_ms);
	unsigned n, total = 0;
	bool moves = drive_lost_tick(p);

	for (unsigned i = 0; i < p->nqueues; i++) {
		int tag = drive_overdue(p->queue[i], now, &n);

		total += n;
		if (tag >= 0) {
			b->queue = p->queue[i];
			b->tag = (unsigned)tag;
		}
	}
	if (!moves && p->ops->present && !p->ops->present(p)) /* pulled out, without a word */
		drive_event(p, DRIVE_EVENT_CHANGE);
	if (total != 1 || !moves)
		b->queue = NULL;
	return total > 0;
}

static bool
settles(const struct drive_port *p)
{
	if (!p->ops->present)
		return true;
	for (unsigned ms = 0; ms < DRIVE_DEBOUNCE_MS; ms += DEBOUNCE_STEP_MS) {
		if (p->ops->present((struct drive_port *)p))
			return true;
		os_sleep_ns(DEBOUNCE_STEP_MS * 1000000ull);
	}
	return p->ops->present((struct drive_port *)p);
}

static void
keep_working(struct drive_port *p, unsigned events, bool late, struct drive_blame *b)
{
	if (events & DRIVE_EVENT_CHANGE) {
		if (!settles(p)) {
			drive_tell(p, "the disk is gone");
			drive_port_drop(p, "the disk is gone");
			return;
		}
		if (p->ops->changed)
			p->ops->changed(p);
		else
			events |= DRIVE_EVENT_RESET; /* that finds another disk */
	}
	if (events & DRIVE_EVENT_ERROR || late) {
		b->late = !(events & DRIVE_EVENT_ERROR);
		b->err = b->late ? -ETIMEDOUT : -EIO;
		snprintf(b->why, sizeof b->why, "%s", b->late ? "no answer in time" : "failed");
		if (!b->late)
			b->queue = NULL;
		recover(p, true, b);
	} else if (events & DRIVE_EVENT_RESET)
		recover(p, false, b);
	else if (events & DRIVE_EVENT_OPEN)
		open_queues(p);
}

void
drive_port_keep(struct drive_port *p, bool tick)
{
	struct drive_blame b = { 0 };
	enum drive_state state;
	bool attaching, late;
	unsigned events;

	pthread_mutex_lock(&p->lock);
	state = p->state;
	attaching = p->attaching;
	pthread_mutex_unlock(&p->lock);
	if (attaching)
		return;
	late = tick && overdue(p, &b);
	events = atomic_exchange(&p->events, 0);
	if (state != DRIVE_EMPTY) {
		keep_working(p, events, late, &b);
		return;
	}
	/* An error of the disk that has gone, noticed late, may have turned interrupts off. */
	if (events & DRIVE_EVENT_ERROR)
		p->ops->quiet(p);
	if (events & (DRIVE_EVENT_CHANGE | DRIVE_EVENT_RESET))
		plug(p);
}
