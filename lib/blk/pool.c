/*
 * The memory of a controller's requests: each is a buffer that the device can reach, in one of two
 * sizes, or bare, for a client's own memory.  There is a fixed number of them, so nothing is
 * allocated for a request.
 *
 * Who finds none waits, and what is given back goes to the next: a round has one request of each
 * client.  What waits is not a thread, or a client with many requests would have all those that
 * serve, and another's would not even be looked at; only what comes when BLK_WAITING_MAX wait, and
 * blk_req_get, wait in their threads.
 *
 * One disk may not answer, and keep what it has.  So half of a pool is shared, and of the other
 * half each disk has the same share for itself: no other disk gets the last ones.  Of more disks
 * than requests in a pool nobody has a share; who wants a large buffer then has to do with a small
 * one.
 *
 * What waits in a pool waits because nothing is free there, or its disk has all that it may.  A
 * buffer goes over in blk_req_put: whose turn it is is told (`go`) by one thread at a time, since
 * that may give back the next.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "disk.h"

struct blk_memory *
blk_memory_new(void)
{
	struct blk_memory *m = calloc(1, sizeof *m);

	if (!m)
		return NULL;
	m->small.kind = BLK_SMALL;
	m->big.kind = BLK_BIG;
	m->bare.kind = BLK_BARE;
	m->small.full = m->big.full = true;
	return m;
}

void
blk_memory_grows(struct blk_memory *m, int (*more)(void *arg, size_t bufsize), void *arg)
{
	m->more = more;
	m->more_arg = arg;
	m->small.full = m->big.full = false;
}

void
blk_memory_free(struct blk_memory *m)
{
	struct blk_chunk *c, *next;
	struct blk_share *s;
	struct blk_req *q;

	while ((q = m->bare.free)) {
		m->bare.free = q->next;
		free(q->part);
		free(q);
	}
	for (c = m->chunks; c; c = next) {
		next = c->next;
		free(c->req);
		free(c);
	}
	while ((s = m->shares)) {
		m->shares = s->next;
		free(s);
	}
	free(m);
}

/* --- shares ---------------------------------------------------------------------------------- */

/*
 * What each disk has, which no other gets, and what is left for all.  Divided when a disk or a
 * buffer comes or goes, not for each request.  As with all the functions below, m->lock is held.
 */
static void
divide(const struct blk_memory *m, struct blk_pool *pool)
{
	unsigned all = pool->kind == BLK_BARE ? BLK_BARE_MAX : pool->total, n = m->ndisks;

	if (n < 2)
		pool->share = n ? all : 0;
	else
		pool->share = all / (2 * n) ? all / (2 * n) : all >= n;
	pool->common = all - pool->share * n;
}

static void
divide_all(struct blk_memory *m)
{
	divide(m, &m->small);
	divide(m, &m->big);
	divide(m, &m->bare);
}

/* Where one more of the disk would be counted; NULL: it has all that it may. */
static inline unsigned *
room_for(struct blk_pool *pool, const struct blk_disk *d)
{
	unsigned *own = &d->share->used[pool->kind];

	if (*own < pool->share)
		return own;
	return pool->shared < pool->common ? &pool->shared : NULL;
}

/* It is free, and there is room to count it. */
static inline struct blk_req *
take_free(struct blk_pool *pool, unsigned *count)
{
	struct blk_req *q = pool->free;

	pool->free = q->next;
	q->counted = count;
	++*count;
	return q;
}

/* --- whose turn it is ------------------------------------------------------------------------ */

/* m->lock is held.  Behind the client's others, and those of the same round. */
static void
wait_in(struct blk_pool *pool, struct blk_waiter *w)
{
	struct blk_waiter **at;

	w->round = pool->round;
	for (at = &pool->waiting; *at; at = &(*at)->next)
		if ((*at)->want.client == w->want.client)
			w->round = (*at)->round + 1;
	for (at = &pool->waiting; *at && (*at)->round <= w->round; at = &(*at)->next)
		;
	w->next = *at;
	*at = w;
}

/* m->lock is held, and w is in no list. */
static void
hand_over(struct blk_memory *m, struct blk_waiter *w, struct blk_req *q)
{
	struct blk_waiter **at;

	w->next = NULL;
	w->got = q;
	if (w->turn) {
		sem_post(w->turn);
		return;
	}
	for (at = &m->ready; *at; at = &(*at)->next)
		;
	*at = w;
}

/* m->lock is held.  Who may have one, in the order of their turns, gets what is free. */
static void
serve(struct blk_memory *m, struct blk_pool *pool)
{
	struct blk_waiter **at = &pool->waiting;

	while (*at && pool->free) {
		struct blk_waiter *w = *at;
		unsigned *count = room_for(pool, w->want.disk);

		if (!count) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		if (w->round > pool->round)
			pool->round = w->round;
		hand_over(m, w, take_free(pool, count));
	}
}

static inline void
begin(struct blk_req *q, const struct blk_want *w)
{
	q->disk = w->disk;
	q->direct = w->seg;
	q->ndirect = w->nsegs;
	q->partial = false;
	q->source = NULL;
	q->io.client = w->client;
	q->io.fua = false;
}

/* m->lock is held, and let go meanwhile. */
static void
tell_ready(struct blk_memory *m)
{
	struct blk_waiter *w;

	if (m->telling)
		return;
	m->telling = true;
	while ((w = m->ready)) {
		m->ready = w->next;
		m->nwaiting--;
		m->held -= w->want.held;
		os_lock_give(&m->lock);
		begin(w->got, &w->want);
		w->want.go(w->want.arg, w->got);
		free(w);
		os_lock_take(&m->lock);
	}
	m->telling = false;
}

/* m->lock is held.  It is told by `go`; false: too many are, or there is no memory for it. */
static bool
wait_apart(struct blk_memory *m, struct blk_pool *pool, const struct blk_want *want)
{
	bool room = m->nwaiting < BLK_WAITING_MAX && m->held + want->held <= BLK_HELD_MAX;
	struct blk_waiter *w = room ? malloc(sizeof *w) : NULL;

	if (!w)
		return false;
	*w = (struct blk_waiter){ .want = *want };
	m->nwaiting++;
	m->held += want->held;
	wait_in(pool, w);
	return true;
}

/* m->lock is held, and let go meanwhile. */
static struct blk_req *
wait_here(struct blk_memory *m, struct blk_pool *pool, const struct blk_want *want)
{
	sem_t turn;
	struct blk_waiter here = { .want = *want, .turn = &turn };

	sem_init(&turn, 0, 0);
	wait_in(pool, &here);
	while (!here.got) {
		os_lock_give(&m->lock);
		while (sem_wait(&turn) < 0) /* EINTR */
			;
		os_lock_take(&m->lock);
	}
	sem_destroy(&turn);
	return here.got;
}

/* --- buffers --------------------------------------------------------------------------------- */

int
blk_memory_add(struct blk_memory *m, void *vaddr, uint64_t paddr, size_t bytes, size_t bufsize)
{
	size_t n = bytes / bufsize;
	struct blk_chunk *c = malloc(sizeof *c);
	struct blk_pool *pool = bufsize >= BLK_BUF_BIG ? &m->big : &m->small;

	if (c)
		c->req = calloc(n ? n : 1, sizeof *c->req);
	if (!c || !c->req) {
		free(c);
		return -ENOMEM;
	}
	os_lock_take(&m->lock);
	for (size_t i = 0; i < n; i++) {
		struct blk_req *q = &c->req[i];

		q->memory = m;
		q->mem = (uint8_t *)vaddr + i * bufsize;
		q->paddr = paddr + i * bufsize;
		q->size = (uint32_t)(bufsize - BLK_BUF_SLACK);
		q->next = pool->free;
		pool->free = q;
	}
	pool->total += (unsigned)n;
	divide(m, pool);
	serve(m, pool);
	c->next = m->chunks;
	m->chunks = c;
	os_lock_give(&m->lock);
	return (int)n;
}

/* m->lock is held.  There will be no big ones: who waits for one has to do with a small one. */
static void
do_with_small(struct blk_memory *m)
{
	struct blk_waiter *w;

	while ((w = m->big.waiting)) {
		m->big.waiting = w->next;
		wait_in(&m->small, w);
	}
	serve(m, &m->small);
}

/* m->lock is held, and let go meanwhile.  Also for those who have come to wait meanwhile. */
static void
grow(struct blk_memory *m, struct blk_pool *pool)
{
	while (pool) {
		size_t bufsize = pool == &m->big ? BLK_BUF_BIG : BLK_BUF_SMALL;
		int err;

		m->growing = true;
		os_lock_give(&m->lock);
		err = m->more(m->more_arg, bufsize);
		os_lock_take(&m->lock);
		m->growing = false;
		pool->full = err < 0;
		if (m->big.full && !m->big.total)
			do_with_small(m);
		pool = m->big.waiting && !m->big.full	  ? &m->big
		       : m->small.waiting && !m->small.full ? &m->small
							    : NULL;
	}
	tell_ready(m);
}

/* m->lock is held. */
static struct blk_req *
new_bare(struct blk_memory *m, unsigned *count)
{
	struct blk_req *q = calloc(1, sizeof *q);

	if (q)
		q->part = malloc(BLK_PART_SEGS * sizeof *q->part);
	if (!q || !q->part) {
		free(q);
		return NULL;
	}
	q->memory = m;
	m->bare.total++;
	q->counted = count;
	++*count;
	return q;
}

/* Without any big ones, or a share of them, a small one has to do. */
static inline struct blk_pool *
pool_for(struct blk_memory *m, const struct blk_want *w)
{
	if (w->seg)
		return &m->bare;
	if (w->bytes <= BLK_BUF_SMALL - BLK_BUF_SLACK ||
	    (m->big.full && !m->big.free && !m->big.share))
		return &m->small;
	return &m->big;
}

/* m->lock is held.  None is free for it: one that is made, or NULL; *pool is where it would be. */
static struct blk_req *
make(struct blk_memory *m, const struct blk_want *w, struct blk_pool **pool)
{
	for (;;) {
		struct blk_pool *p = *pool = pool_for(m, w);
		unsigned *count = room_for(p, w->disk);

		if (count && p->free)
			return take_free(p, count);
		if (w->seg)
			return count && p->total < BLK_BARE_MAX ? new_bare(m, count) : NULL;
		if (p->full || m->growing)
			return NULL;
		grow(m, p);
	}
}

/* m->lock is held.  One that is free, or NULL.  Nobody waits who might have it. */
static inline struct blk_req *
take(struct blk_memory *m, const struct blk_want *w)
{
	struct blk_pool *p = pool_for(m, w);
	unsigned *count = p->free ? room_for(p, w->disk) : NULL;

	return count ? take_free(p, count) : NULL;
}

/* m->lock is held, and given up. */
static __attribute__((noinline)) void
want_later(struct blk_memory *m, const struct blk_want *w)
{
	struct blk_pool *pool;
	struct blk_req *q = make(m, w, &pool);

	if (!q && (!w->seg || pool->total)) {
		if (wait_apart(m, pool, w)) {
			os_lock_give(&m->lock);
			return;
		}
		q = wait_here(m, pool, w);
	}
	os_lock_give(&m->lock);
	if (q)
		begin(q, w);
	w->go(w->arg, q);
}

void
blk_req_want(const struct blk_want *w)
{
	struct blk_memory *m = w->disk->info.memory;
	struct blk_req *q;

	os_lock_take(&m->lock);
	q = take(m, w);
	if (!q) {
		want_later(m, w);
		return;
	}
	os_lock_give(&m->lock);
	begin(q, w);
	w->go(w->arg, q);
}

struct blk_req *
blk_req_get(struct blk_disk *d, uint32_t bytes)
{
	struct blk_want w = { .disk = d, .bytes = bytes };
	struct blk_memory *m = d->info.memory;
	struct blk_pool *pool;
	struct blk_req *q;

	os_lock_take(&m->lock);
	q = make(m, &w, &pool);
	if (!q)
		q = wait_here(m, pool, &w);
	os_lock_give(&m->lock);
	begin(q, &w);
	return q;
}

static struct blk_pool *
pool_of(struct blk_req *q)
{
	struct blk_memory *m = q->memory;

	return !q->mem ? &m->bare : q->size > BLK_BUF_SMALL - BLK_BUF_SLACK ? &m->big : &m->small;
}

void
blk_req_put(struct blk_req *q)
{
	struct blk_memory *m = q->memory;
	struct blk_pool *pool = pool_of(q);

	os_lock_take(&m->lock);
	--*q->counted;
	q->next = pool->free;
	pool->free = q;
	if (pool->waiting)
		serve(m, pool);
	if (m->ready)
		tell_ready(m);
	os_lock_give(&m->lock);
}

/* m->lock is held.  One that nothing is charged to any more, or NULL: out of memory. */
static struct blk_share *
new_share(struct blk_memory *m)
{
	struct blk_share *s = m->shares;

	while (s && (s->taken || s->used[BLK_SMALL] || s->used[BLK_BIG] || s->used[BLK_BARE]))
		s = s->next;
	if (!s) {
		s = calloc(1, sizeof *s);
		if (!s)
			return NULL;
		s->next = m->shares;
		m->shares = s;
	}
	s->taken = true;
	return s;
}

int
blk_memory_join(struct blk_disk *d)
{
	struct blk_memory *m = d->info.memory;

	os_lock_take(&m->lock);
	d->share = new_share(m);
	m->ndisks += d->share != NULL;
	divide_all(m);
	os_lock_give(&m->lock);
	return d->share ? 0 : -ENOMEM;
}

void
blk_memory_leave(struct blk_disk *d)
{
	struct blk_memory *m = d->info.memory;

	os_lock_take(&m->lock);
	d->share->taken = false;
	m->ndisks--;
	divide_all(m);
	serve(m, &m->small);
	serve(m, &m->big);
	serve(m, &m->bare);
	tell_ready(m);
	os_lock_give(&m->lock);
}
