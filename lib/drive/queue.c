/*
 * Commands of one hardware queue: waiting, in flight, ended.
 *
 * This is the fast path.  A command for which there is room is built and sent at once.  Else it
 * waits in one of four places; each is empty while the next is looked at:
 *
 *	again	was in flight when the port broke, or failed and is tried once more
 *	flow	by client; the flows take turns, but for one that is full (turns.c)
 *	behind	the first must run alone; when it has been sent, those up to the next such one
 *		go to their flows
 *
 * `serial` commands at the head of `again` (or one less, and one in flight) are sent one at a time,
 * since one of them stopped the port.  Then the port's other queues are closed.
 *
 * What ends is collected in `done`, and told when the lock has been given up.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "private.h"

enum { WORD = 64 };

static const unsigned default_ms[BLK_NKINDS + 1] = {
	[BLK_READ] = 10000,    [BLK_WRITE] = 10000, [BLK_FLUSH] = 60000,
	[BLK_DISCARD] = 60000, [BLK_ZERO] = 60000,  [DRIVE_OWN] = 15000,
};

unsigned
drive_timeout_ms(unsigned kind)
{
	return default_ms[kind];
}

/* --- lists ----------------------------------------------------------------------------------- */

void
drive_list_append(struct drive_list *l, struct blk_io *io)
{
	io->next = NULL;
	*(l->tail ? &l->tail->next : &l->head) = io;
	l->tail = io;
}

static struct blk_io *
pop(struct drive_list *l)
{
	struct blk_io *io = l->head;

	l->head = io->next;
	if (!l->head)
		l->tail = NULL;
	return io;
}

static void
push(struct drive_list *l, struct blk_io *io)
{
	io->next = l->head;
	l->head = io;
	if (!l->tail)
		l->tail = io;
}

static struct blk_io *
take_done(struct drive_queue *q)
{
	struct blk_io *list = q->done.head;

	q->done.head = q->done.tail = NULL;
	return list;
}

/* --- ends ------------------------------------------------------------------------------------ */

static void
trace(const struct drive_disk *d, const char *what, const struct blk_io *io)
{
	sip_log(d->port->ctlr->server, "%s: %s %c %llu +%u", d->info.name, what, "rwfdzo"[io->kind],
		(unsigned long long)io -> sector, io -> nsectors);
}

void
drive_io_done(struct blk_io *io, int err)
{
	const struct drive_disk *d = io->drive;

	if (atomic_load_explicit(&d->trace, memory_order_relaxed))
		trace(d, "end", io);
	if (io->kind < BLK_NKINDS)
		blk_done(io, err);
	else
		drive_command_over((struct drive_command *)io, err);
}

/* A write that was to reach the medium, of a disk that cannot do it at once. */
static bool
flush_follows(struct blk_io *io)
{
	struct drive_disk *d = io->drive;

	if (io->kind != BLK_WRITE || d->fua || !d->flushes)
		return false;
	io->kind = BLK_FLUSH;
	io->nsegs = 0;
	io->tries = 0;
	drive_send(d, io);
	return true;
}

static unsigned
end_done(struct blk_io *list)
{
	struct blk_io *next;
	unsigned n = 0;

	for (; list; list = next, n++) {
		next = list->next;
		if (list->error)
			drive_error(((struct drive_disk *)list->drive)->port, list);
		else if (list->fua && flush_follows(list))
			continue;
		drive_io_done(list, list->error);
	}
	return n;
}

void
drive_end_list(struct blk_io *list, int err, const char *why)
{
	struct blk_io *next;

	for (; list; list = next) {
		next = list->next;
		if (why)
			snprintf(list->why, sizeof list->why, "%s", why);
		drive_io_done(list, err);
	}
}

static inline bool
in_flight(const struct drive_queue *q, unsigned tag)
{
	return tag < q->depth && q->busy[tag / WORD] >> tag % WORD & 1;
}

struct blk_io *
drive_tag(const struct drive_queue *q, unsigned tag)
{
	return in_flight(q, tag) ? q->slot[tag] : NULL;
}

static inline struct blk_io *
untag(struct drive_queue *q, unsigned tag)
{
	if (!in_flight(q, tag)) {
		q->stray++;
		return NULL;
	}
	q->busy[tag / WORD] &= ~(1ull << tag % WORD);
	if (!--q->nbusy)
		q->alone = false;
	if (q->slot[tag]->big_kib)
		drive_flow_left(q, q->slot[tag]);
	return q->slot[tag];
}

struct blk_io *
drive_untag(struct drive_queue *q, unsigned tag)
{
	return untag(q, tag);
}

/* With the last suspect over, the port's other queues are to be opened. */
static void
open_others(struct drive_queue *q)
{
	if (!q->serial && q->port->nqueues > 1)
		drive_event(q->port, DRIVE_EVENT_OPEN);
}

/* One of the suspects is over. */
static void
count_suspect(struct drive_queue *q)
{
	if (!q->serial)
		return;
	q->serial--;
	open_others(q);
}

static void
put_done(struct drive_queue *q, struct blk_io *io, int err)
{
	struct blk_io *next;

	for (; io; io = next) {
		next = io->chain;
		io->chain = NULL;
		io->error = err;
		drive_list_append(&q->done, io);
		q->completions++;
	}
}

bool
drive_end(struct drive_queue *q, unsigned tag)
{
	struct blk_io *io = untag(q, tag);

	if (!io)
		return false;
	if (q->serial)
		count_suspect(q);
	if (io->chain)
		put_done(q, io, 0);
	else {
		io->error = 0;
		drive_list_append(&q->done, io);
		q->completions++;
	}
	return true;
}

const char *
drive_kind_name(unsigned kind)
{
	static const char *const kinds[BLK_NKINDS + 1] = {
		"read", "write", "flush", "discard", "zero", "command"
	};

	return kinds[kind];
}

void
drive_describe(struct blk_io *io, const char *why)
{
	if (io->kind == BLK_FLUSH || io->kind == DRIVE_OWN)
		snprintf(io->why, sizeof io->why, "%s: %s", drive_kind_name(io->kind), why);
	else
		snprintf(io->why, sizeof io->why, "%s of %u at %llu: %s", drive_kind_name(io->kind),
			 io->nsectors, (unsigned long long)io->sector, why);
}

/* Of a flush only what was not carried out: doc/storage.md, "Flush". */
static bool
may_retry(const struct blk_io *io, enum drive_retry retry)
{
	return retry == DRIVE_UNDONE || (retry == DRIVE_AGAIN && io->kind != BLK_FLUSH);
}

bool
drive_fail(struct drive_queue *q, unsigned tag, int err, enum drive_retry retry, const char *why)
{
	struct blk_io *io = drive_untag(q, tag), *next;
	unsigned n = 0;

	if (!io)
		return false;
	for (bool chained = io->chain; io; io = next) {
		next = io->chain;
		io->chain = NULL;
		drive_describe(io, why);
		/* Of a chain nobody knows which one it was: each has its chance alone. */
		if (chained || (++io->tries < DRIVE_TRIES && may_retry(io, retry))) {
			push(&q->again, io); /* first, or `serial` would count another */
			q->nwaiting++;
			n++;
			continue;
		}
		if (q->serial)
			count_suspect(q);
		put_done(q, io, err);
	}
	pthread_mutex_lock(&q->port->lock);
	q->port->errors++;
	q->port->retries += n;
	pthread_mutex_unlock(&q->port->lock);
	return true;
}

/* --- sending --------------------------------------------------------------------------------- */

static bool
must_be_alone(const struct drive_queue *q, const struct blk_io *io)
{
	if (q->alone_kinds >> io->kind & 1)
		return true;
	return io->kind == DRIVE_OWN && ((const struct drive_command *)io)->alone;
}

/* There is one. */
static unsigned
free_tag(const struct drive_queue *q)
{
	unsigned w = 0;

	while (q->busy[w] == UINT64_MAX)
		w++;
	return w * WORD + (unsigned)__builtin_ctzll(~q->busy[w]);
}

/* The kernel is asked for such memory only; an address that is cut off would be another's. */
static bool
in_reach(const struct blk_io *io, uint64_t max)
{
	for (unsigned i = 0; i < io->nsegs; i++)
		if (io->seg[i].paddr >= max || io->seg[i].bytes > max - io->seg[i].paddr)
			return false;
	return true;
}

static inline int
start(struct drive_queue *q, struct blk_io *io, bool alone)
{
	const struct drive_port *p = q->port;
	unsigned tag = free_tag(q), ms = p->ops->timeout_ms[io->kind];
	int err;

	if (io->kind == DRIVE_OWN && ((const struct drive_command *)io)->timeout_ms)
		ms = ((const struct drive_command *)io)->timeout_ms;

	io->deadline = atomic_load_explicit(&p->ctlr->now_ms, memory_order_relaxed) +
		       (ms ? ms : default_ms[io->kind]);
	io->tag = tag;
	if (p->ctlr->dma_max && !in_reach(io, p->ctlr->dma_max))
		return -EFAULT;
	err = p->ops->build(q, io, tag);
	if (err < 0)
		return err;
	io->big_kib = drive_big_kib(io);
	if (io->big_kib)
		drive_flow_enter(q, io);
	q->slot[tag] = io;
	q->busy[tag / WORD] |= 1ull << tag % WORD;
	q->nbusy++;
	q->alone = alone;
	return 0;
}

static void
wait_for_turn(struct drive_queue *q, struct blk_io *io, bool alone)
{
	q->nwaiting++;
	if (alone || q->behind.head)
		drive_list_append(&q->behind, io);
	else
		drive_to_flow(q, io);
}

static uint32_t
nranges(const struct drive_disk *d, const struct blk_io *io)
{
	return (io->nsectors + d->range_sectors - 1) / d->range_sectors;
}

/* Discards that wait right behind this one in the list go with it. */
static void
gather(struct drive_queue *q, struct drive_list *l, struct blk_io *io)
{
	const struct drive_disk *d = io->drive;
	struct blk_io *last = io;
	uint32_t n;

	if (!d->ranges || !d->range_sectors)
		return;
	n = nranges(d, io);
	while (l->head && l->head->kind == BLK_DISCARD && l->head->drive == d &&
	       n + nranges(d, l->head) <= d->ranges) {
		n += nranges(d, l->head);
		last->chain = pop(l);
		last = last->chain;
		q->nwaiting--;
	}
}

/* The one in front has been sent: those up to the next that must run alone are free to go. */
static void
let_follow(struct drive_queue *q)
{
	while (q->behind.head && !must_be_alone(q, q->behind.head))
		drive_to_flow(q, pop(&q->behind));
}

static struct blk_io *
next_of_flows(struct drive_queue *q, uint32_t may)
{
	struct drive_list *l = drive_flow_next(q, may);
	struct blk_io *io = pop(l);

	if (io->kind == BLK_DISCARD)
		gather(q, l, io);
	if (!l->head)
		q->flows &= ~(1u << q->turn);
	return io;
}

/* One that may be sent now, or NULL. */
static struct blk_io *
next(struct drive_queue *q)
{
	struct blk_io *io;

	if (!q->nwaiting || q->alone || q->nbusy >= q->depth || (q->nbusy && q->serial))
		return NULL;
	if (q->again.head) {
		if (q->nbusy && must_be_alone(q, q->again.head))
			return NULL;
		io = pop(&q->again);
	} else if (q->flows) {
		uint32_t may = drive_flows_ready(q);

		if (!may)
			return NULL;
		io = next_of_flows(q, may);
	} else {
		if (q->nbusy)
			return NULL;
		io = pop(&q->behind);
		if (io->kind == BLK_DISCARD)
			gather(q, &q->behind, io);
		let_follow(q);
	}
	q->nwaiting--;
	return io;
}

static void
pump(struct drive_queue *q)
{
	bool fresh = false;
	struct blk_io *io;
	int err;

	while ((io = next(q))) {
		err = start(q, io, must_be_alone(q, io));
		if (err == 0) {
			fresh = true;
			continue;
		}
		if (q->serial)
			count_suspect(q);
		put_done(q, io, err);
		q->found++; /* no interrupt told it */
	}
	if (fresh)
		q->port->ops->ring(q);
}

/* Nothing waits that could be overtaken, and there is room. */
static bool
may_go(struct drive_queue *q, const struct blk_io *io, bool alone)
{
	return q->open && !q->nwaiting && !q->alone && q->nbusy < q->depth &&
	       (!q->nbusy || (!alone && !q->serial)) &&
	       !(drive_is_scarce(q) && drive_has_enough(q, io)) &&
	       !(q->full && drive_big_kib(io) && q->full >> drive_flow_of(q, io) & 1);
}

static struct drive_queue *
queue_for(struct drive_disk *d, const struct blk_io *io)
{
	const struct drive_port *p = d->port;

	if (io->kind == DRIVE_OWN && ((const struct drive_command *)io)->queue)
		return ((const struct drive_command *)io)->queue;
	return p->ops->pick ? p->ops->pick(d, io) : p->queue[0];
}

void
drive_send(struct drive_disk *d, struct blk_io *io)
{
	struct drive_queue *q = queue_for(d, io);
	bool alone = must_be_alone(q, io);
	struct blk_io *done = NULL;
	bool wake = false;
	int err = 0;

	io->drive = d;
	io->chain = NULL;
	if (!io->since_ms)
		io->since_ms = atomic_load_explicit(&d->port->ctlr->now_ms, memory_order_relaxed);
	if (atomic_load_explicit(&d->trace, memory_order_relaxed))
		trace(d, "start", io);
	os_lock_take(&q->lock);
	if (atomic_load_explicit(&d->gone, memory_order_relaxed))
		err = -ENODEV;
	else if (may_go(q, io, alone)) {
		err = start(q, io, alone);
		if (!err)
			q->port->ops->ring(q);
		wake = q->polled && q->nbusy == 1;
	} else {
		wait_for_turn(q, io, alone);
		/* What waits may be of others only, who may not go. */
		if ((q->full || drive_is_scarce(q)) && q->open) {
			pump(q);
			done = take_done(q);
		}
	}
	os_lock_give(&q->lock);
	if (wake)
		drive_wake(d->port->ctlr);
	if (done)
		end_done(done);
	if (err)
		drive_io_done(io, err);
}

unsigned
drive_reap(struct drive_queue *q)
{
	struct blk_io *done;

	os_lock_take(&q->lock);
	if (q->open) {
		q->port->ops->reap(q);
		if (q->nwaiting)
			pump(q);
	}
	done = take_done(q);
	os_lock_give(&q->lock);
	return end_done(done);
}

/* With q's lock. */
static void
find(struct drive_queue *q)
{
	uint64_t before = q->completions;

	q->port->ops->reap(q);
	q->found += q->completions - before;
}

unsigned
drive_poll(struct drive_queue *q)
{
	struct blk_io *done;

	os_lock_take(&q->lock);
	if (q->open) {
		find(q);
		pump(q);
	}
	done = take_done(q);
	os_lock_give(&q->lock);
	return end_done(done);
}

/* --- for the keeper -------------------------------------------------------------------------- */

void
drive_queue_open(struct drive_queue *q)
{
	struct blk_io *done;

	os_lock_take(&q->lock);
	q->open = true;
	pump(q);
	done = take_done(q);
	os_lock_give(&q->lock);
	end_done(done);
}

void
drive_queue_close(struct drive_queue *q)
{
	os_lock_take(&q->lock);
	q->open = false;
	os_lock_give(&q->lock);
}

void
drive_queue_last(struct drive_queue *q)
{
	struct blk_io *done;

	os_lock_take(&q->lock);
	find(q);
	done = take_done(q);
	os_lock_give(&q->lock);
	end_done(done);
}

/* In the order of tags, which says nothing of when they came; they are all equal suspects. */
static void
take_flying(struct drive_queue *q, struct drive_list *out)
{
	for (unsigned tag = 0; q->nbusy && tag < q->ntags; tag++) {
		struct blk_io *next, *io = drive_tag(q, tag) ? drive_untag(q, tag) : NULL;

		for (; io; io = next) {
			next = io->chain;
			io->chain = NULL;
			drive_list_append(out, io);
		}
	}
}

unsigned
drive_resend(struct drive_queue *q, struct drive_queue *to)
{
	struct drive_list all = { 0 };
	unsigned n = 0;

	take_flying(q, &all);
	for (const struct blk_io *io = all.head; io; io = io->next)
		n++;
	if (!n)
		return 0;
	if (to != q)
		os_lock_take(&to->lock);
	all.tail->next = to->again.head;
	to->again.head = all.head;
	if (!to->again.tail)
		to->again.tail = all.tail;
	to->nwaiting += n;
	if (to != q)
		os_lock_give(&to->lock);
	return n;
}

static void
take_list(struct drive_queue *q, struct drive_list *l, const struct drive_disk *d,
	  struct drive_list *out)
{
	struct drive_list kept = { 0 };

	while (l->head) {
		struct blk_io *io = pop(l);
		bool taken = !d || io->drive == d;

		drive_list_append(taken ? out : &kept, io);
		q->nwaiting -= taken;
	}
	*l = kept;
}

void
drive_take(struct drive_queue *q, const struct drive_disk *d, bool flying, struct drive_list *out)
{
	struct blk_io *done;

	os_lock_take(&q->lock);
	if (flying)
		take_flying(q, out);
	take_list(q, &q->again, d, out);
	for (unsigned f = 0; f < DRIVE_FLOWS; f++) {
		take_list(q, &q->flow[f], d, out);
		if (!q->flow[f].head)
			q->flows &= ~(1u << f);
	}
	take_list(q, &q->behind, d, out);
	let_follow(q);
	if (q->serial > q->nbusy + q->nwaiting) { /* suspects have gone */
		q->serial = q->nbusy + q->nwaiting;
		open_others(q);
	}
	if (q->open)
		pump(q);
	done = take_done(q);
	os_lock_give(&q->lock);
	end_done(done);
}

int
drive_overdue(struct drive_queue *q, uint64_t now, unsigned *noverdue)
{
	int tag = -1;

	*noverdue = 0;
	os_lock_take(&q->lock);
	for (unsigned t = 0; q->open && q->nbusy && t < q->depth; t++) {
		const struct blk_io *io = drive_tag(q, t);

		if (io && io->deadline < now) {
			tag = tag < 0 ? (int)t : tag;
			++*noverdue;
		}
	}
	os_lock_give(&q->lock);
	return tag;
}
