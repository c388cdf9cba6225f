/*
 * Requests: bytes at any offset, in terms of the driver's whole sectors.
 *
 * A request owns a buffer that the device can reach (pool.c).  A read goes to the driver at once,
 * is cut when it is longer than the driver takes, and is answered from the buffer.
 *
 *	write, aligned:		claim -> copy into the buffer -> WRITE ... -> finish
 *	write, unaligned:	claim -> READ the sectors at the ends -> copy -> WRITE ... -> finish
 *
 * A direct request has no buffer, but a list of segments, of which each command gets a part.
 *
 * Zeros that the device cannot make by itself are written, from the buffer, as often as it takes.
 *
 * Claim: an unaligned write and any other write that has a sector in common with it (zeros are
 * written too) exclude each other, first come, first served.  Aligned writes never wait for each
 * other, and cost a look at the lists only while there is an unaligned write.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "disk.h"

enum step { STEP_FIRST, STEP_LAST, STEP_MOVE };

/* --- claims ---------------------------------------------------------------------------------- */

static void
append(struct blk_list *l, struct blk_req *q)
{
	q->next = NULL;
	q->prev = l->tail;
	*(l->tail ? &l->tail->next : &l->head) = q;
	l->tail = q;
}

static void
take_out(struct blk_list *l, struct blk_req *q)
{
	*(q->prev ? &q->prev->next : &l->head) = q->next;
	*(q->next ? &q->next->prev : &l->tail) = q->prev;
}

/* Is there one in the list, before `end`, that q must wait for? */
static bool
conflicts(const struct blk_list *l, const struct blk_req *q, const struct blk_req *end)
{
	for (const struct blk_req *o = l->head; o && o != end; o = o->next)
		if ((o->partial || q->partial) && o->first < q->first + q->nsectors &&
		    q->first < o->first + o->nsectors)
			return true;
	return false;
}

static bool
is_write(const struct blk_req *q)
{
	return q->kind == BLK_WRITE || q->kind == BLK_ZERO;
}

static bool
claim(struct blk_req *q)
{
	struct blk_disk *d = q->disk;
	bool wait = false;

	os_lock_take(&d->writes_lock);
	if (q->partial || d->npartial)
		wait = conflicts(&d->active, q, NULL) || conflicts(&d->waiting, q, NULL);
	append(wait ? &d->waiting : &d->active, q);
	d->npartial += q->partial;
	d->waits += wait;
	os_lock_give(&d->writes_lock);
	return !wait;
}

/* True if another may have waited for it. */
static bool
give_back(struct blk_req *q)
{
	struct blk_disk *d = q->disk;
	bool waits;

	os_lock_take(&d->writes_lock);
	take_out(&d->active, q);
	d->npartial -= q->partial;
	waits = d->waiting.head;
	os_lock_give(&d->writes_lock);
	return waits;
}

static struct blk_req *
next_claim(struct blk_disk *d)
{
	for (struct blk_req *q = d->waiting.head; q; q = q->next)
		if (!conflicts(&d->active, q, NULL) && !conflicts(&d->waiting, q, q)) {
			take_out(&d->waiting, q);
			append(&d->active, q);
			return q;
		}
	return NULL;
}

/* --- steps ----------------------------------------------------------------------------------- */

static void next_step(struct blk_req *q);

static inline void
add(_Atomic uint64_t *to, uint64_t n)
{
	atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static void
count(const struct blk_req *q, int error)
{
	struct blk_disk *d = q->disk;
	struct blk_kind_stats *st = &d->stats[q->kind];

	atomic_fetch_sub_explicit(&d->inflight, 1, memory_order_relaxed);
	add(&st->requests, 1);
	add(&st->cycles, blk_cycles() - q->began);
	if (error)
		add(&st->errors, 1);
	else
		add(&st->bytes, q->kind >= BLK_DISCARD ? q->nsectors << d->shift : q->count);
	if (!error && !q->mem)
		add(&d->direct_bytes, q->count);
}

static void
finish(struct blk_req *q, int error)
{
	struct blk_disk *d = q->disk;
	bool pump = is_write(q) && give_back(q);

	count(q, error);
	if (pump)
		atomic_fetch_add(&d->refs, 1); /* q's own may end with finish */
	q->finish(q, error);
	while (pump) {
		os_lock_take(&d->writes_lock);
		q = next_claim(d);
		os_lock_give(&d->writes_lock);
		if (q)
			next_step(q);
		else {
			pump = false;
			blk_disk_put(d);
		}
	}
}

uint64_t
blk_part_of(const struct blk_req *q, uint64_t skip, uint64_t bytes, unsigned *n)
{
	uint32_t max = q->disk->info.max_segs, i = 0;
	uint64_t left = bytes;

	*n = 0;
	for (; i < q->ndirect && skip >= q->direct[i].bytes; i++)
		skip -= q->direct[i].bytes;
	if (max > BLK_PART_SEGS)
		max = BLK_PART_SEGS;
	for (; i < q->ndirect && left && *n < max; i++) {
		uint64_t part = q->direct[i].bytes - skip;

		if (part > left)
			part = left;
		q->part[(*n)++] = (struct dma_seg){ q->direct[i].paddr + skip, part };
		left -= part;
		skip = 0;
	}
	return bytes - left;
}

/* The next sectors of a direct request, as many as there can be: their bytes are io->seg. */
static __attribute__((noinline)) uint64_t
next_part(struct blk_req *q, uint64_t nsectors)
{
	uint32_t shift = q->disk->shift;
	struct blk_io *io = &q->io;
	uint64_t bytes = blk_part_of(q, q->moved << shift, nsectors << shift, &io->nsegs);
	uint64_t over = bytes & ((1u << shift) - 1);

	for (; over && io->nsegs; io->nsegs--) { /* not in the middle of a sector */
		struct dma_seg *last = &q->part[io->nsegs - 1];

		if (last->bytes > over) {
			last->bytes -= over;
			break;
		}
		over -= last->bytes;
	}
	io->seg = q->part;
	return bytes >> shift;
}

static void
submit(struct blk_req *q, enum blk_kind kind, uint64_t sector, uint64_t nsectors)
{
	const struct blk_ops *ops = q->disk->ops;
	struct blk_io *io = &q->io;

	io->kind = kind;
	io->sector = sector;
	io->nsectors = (uint32_t)nsectors;
	io->tries = 0;
	io->why[0] = '\0';
	io->data = q->mem;
	if (q->mem) {
		io->seg = &q->seg;
		io->nsegs = kind != BLK_FLUSH;
	}
	q->seg = (struct dma_seg){ q->paddr, BLK_BUF_SMALL };
	if (q->mem && (kind == BLK_READ || kind == BLK_WRITE)) {
		uint64_t skip = q->by_writes ? 0 : (sector - q->first) << q->disk->shift;

		io->data = q->mem + skip;
		q->seg.paddr += skip;
		q->seg.bytes = nsectors << q->disk->shift;
	}
	if (atomic_load_explicit(&q->disk->gone, memory_order_relaxed))
		blk_done(io, -ENODEV);
	else if (kind == BLK_READ)
		ops->read(q->disk->drive, io);
	else if (kind == BLK_WRITE)
		ops->write(q->disk->drive, io);
	else if (kind == BLK_FLUSH)
		ops->flush(q->disk->drive, io);
	else if (kind == BLK_ZERO)
		ops->zero(q->disk->drive, io);
	else if (ops->discard)
		ops->discard(q->disk->drive, io);
	else
		blk_done(io, -EOPNOTSUPP);
}

/* The sectors of one command. */
static uint64_t
most_sectors(const struct blk_req *q)
{
	const struct blk_info *info = &q->disk->info;
	uint32_t room = q->size >> q->disk->shift;

	if (q->by_writes)
		return room < info->max_sectors ? room : info->max_sectors;
	return q->kind == BLK_DISCARD ? info->discard_sectors
	       : q->kind == BLK_ZERO  ? info->zero_sectors
				      : info->max_sectors;
}

static void
zero_by_writes(struct blk_req *q)
{
	q->by_writes = true;
	memset(q->mem, 0, q->size);
}

static void
next_step(struct blk_req *q)
{
	const struct blk_info *info = &q->disk->info;
	uint32_t tail = (q->head + q->count) & (info->secsize - 1);
	uint64_t left, max = most_sectors(q);

	if (q->step == STEP_FIRST) { /* its last sector too, if that is the same */
		if (q->partial && (q->head || (q->nsectors == 1 && tail))) {
			submit(q, BLK_READ, q->first, 1);
			return;
		}
		q->step = STEP_LAST;
	}
	if (q->step == STEP_LAST) {
		if (q->partial && q->nsectors > 1 && tail) {
			submit(q, BLK_READ, q->first + q->nsectors - 1, 1);
			return;
		}
		q->step = STEP_MOVE;
	}
	if (q->kind == BLK_WRITE && !q->moved && q->mem)
		memcpy(q->mem + q->head, q->source, q->count);
	left = q->nsectors - q->moved;
	if (left > max)
		left = max;
	if (!q->mem) {
		left = next_part(q, left);
		if (!left) { /* fewer bytes in the list than were said */
			finish(q, -EFAULT);
			return;
		}
	}
	submit(q, q->by_writes ? BLK_WRITE : q->kind, q->first + q->moved, left);
}

void
blk_done(struct blk_io *io, int error)
{
	struct blk_req *q = (struct blk_req *)io;

	if (error == -EOPNOTSUPP && io->kind == BLK_ZERO) {
		atomic_store(&q->disk->no_zero, true);
		zero_by_writes(q);
		next_step(q);
		return;
	}
	if (error) {
		finish(q, error);
		return;
	}
	if (q->step == STEP_MOVE) {
		q->moved += io->nsectors;
		if (q->moved >= q->nsectors) {
			finish(q, 0);
			return;
		}
	} else
		q->step++;
	next_step(q);
}

static void
start(struct blk_req *q)
{
	q->moved = 0;
	q->step = q->partial ? STEP_FIRST : STEP_MOVE;
	q->began = blk_cycles();
	q->io.since_ms = 0;
	atomic_fetch_add_explicit(&q->disk->inflight, 1, memory_order_relaxed);
	q->by_writes = false;
	if (q->kind == BLK_ZERO && (!q->disk->ops->zero || atomic_load(&q->disk->no_zero)))
		zero_by_writes(q);
	if (!is_write(q) || claim(q))
		next_step(q);
}

void
blk_req_bytes(struct blk_req *q, uint64_t offset, uint32_t count)
{
	const struct blk_disk *d = q->disk;
	uint32_t mask = d->info.secsize - 1;

	q->first = offset >> d->shift;
	q->head = (uint32_t)offset & mask;
	q->count = count;
	q->nsectors = ((uint64_t)q->head + count + mask) >> d->shift;
	q->partial = q->kind == BLK_WRITE && ((q->head | count) & mask);
	start(q);
}

void
blk_req_sectors(struct blk_req *q, uint64_t first, uint64_t nsectors)
{
	q->first = first;
	q->nsectors = nsectors;
	q->head = 0;
	q->count = q->kind == BLK_READ || q->kind == BLK_WRITE
			   ? (uint32_t)(nsectors << q->disk->shift)
			   : 0;
	start(q);
}

/* --- waiting for one ------------------------------------------------------------------------- */

struct sync_wait {
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool done;
	int error;
};

static void
sync_finish(struct blk_req *q, int error)
{
	struct sync_wait *w = q->aux;

	pthread_mutex_lock(&w->lock);
	w->done = true;
	w->error = error;
	pthread_cond_signal(&w->over);
	pthread_mutex_unlock(&w->lock);
}

static int
sync_piece(struct blk_disk *d, enum blk_kind kind, uint64_t sector, uint64_t n, void *buf)
{
	struct sync_wait w = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 };
	struct blk_req *q = blk_req_get(d, 0);

	q->kind = kind;
	q->source = buf;
	q->finish = sync_finish;
	q->aux = &w;
	blk_req_sectors(q, sector, n);
	pthread_mutex_lock(&w.lock);
	while (!w.done)
		pthread_cond_wait(&w.over, &w.lock);
	pthread_mutex_unlock(&w.lock);
	if (!w.error && kind == BLK_READ)
		memcpy(buf, q->mem, n << d->shift);
	blk_req_put(q);
	pthread_mutex_destroy(&w.lock);
	pthread_cond_destroy(&w.over);
	return w.error;
}

int
blk_sync(struct blk_disk *d, enum blk_kind kind, uint64_t sector, uint32_t nsectors, void *buf)
{
	uint32_t max = (BLK_BUF_SMALL - BLK_BUF_SLACK) >> d->shift;
	int err = 0;

	if (sector > d->nsectors || nsectors > d->nsectors - sector)
		return -EINVAL;
	if (kind >= BLK_FLUSH)
		return sync_piece(d, kind, sector, nsectors, NULL);
	while (nsectors && !err) {
		uint32_t n = nsectors < max ? nsectors : max;

		err = sync_piece(d, kind, sector, n, buf);
		sector += n;
		nsectors -= n;
		buf = (uint8_t *)buf + ((size_t)n << d->shift);
	}
	return err;
}
