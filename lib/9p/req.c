/*
 * Requests: their memory, the table by tag, flushing, and the end of each.
 *
 * A request's state word holds its references (one is the answer's), whether a flush wants it,
 * and whether it has been answered.  A flush takes a reference and joins `flushers` under
 * flush_lock; whoever answers sees REQ_FLUSHED, and answers the flushes after the request itself,
 * so that an Rflush never overtakes the reply it is about.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <os.h>
#include "srv.h"

struct p9_req *
p9_req_new(struct p9_conn *conn)
{
	struct p9_srv_state *st = conn->state;
	struct p9_req *r = p9_self ? p9_self->spare : NULL;

	if (r) {
		p9_self->spare = NULL;
	} else {
		os_lock_take(&st->reqs_lock);
		r = st->free_reqs;
		if (r)
			st->free_reqs = r->next;
		os_lock_give(&st->reqs_lock);
	}
	if (!r)
		r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->conn = conn;
	r->srv = conn->srv;
	r->next = NULL;
	atomic_fetch_add(&conn->refs, 1);
	return r;
}

#define KEEP_BUFFER (256 * 1024)	/* larger ones are not kept in the pool */

static void
trim(uint8_t **buf, size_t *size)
{
	if (*size > KEEP_BUFFER) {
		free(*buf);
		*buf = NULL;
		*size = 0;
	}
}

void
p9_req_recycle(struct p9_req *r)
{
	struct p9_conn *conn = r->conn;
	struct p9_srv_state *st = conn->state;

	if (p9_self && !p9_self->spare && conn == p9_self->conn) {
		p9_self->spare = r;
	} else {
		trim(&r->buf, &r->buf_size);
		trim(&r->rbuf, &r->rbuf_size);
		os_lock_take(&st->reqs_lock);
		r->next = st->free_reqs;
		st->free_reqs = r;
		os_lock_give(&st->reqs_lock);
	}
	p9_conn_put(conn);
}

bool
p9_req_room(uint8_t **buf, size_t *size, size_t want)
{
	uint8_t *p;

	if (*size >= want)
		return true;
	want = (want + 4095) & ~(size_t)4095;
	p = malloc(want);
	if (!p)
		return false;
	free(*buf);
	*buf = p;
	*size = want;
	return true;
}

static inline _Atomic(struct p9_req *) *
slot(struct p9_tagtab *t, uint32_t tag)
{
	_Atomic(struct p9_req *) *leaf;

	if (tag >= TABLE_LEAF * TABLE_LEAF)
		return NULL;
	leaf = atomic_load_explicit(&t->leaf[tag / TABLE_LEAF], memory_order_acquire);
	return leaf ? &leaf[tag % TABLE_LEAF] : NULL;
}

/* The same, made where it is not; NULL: out of memory, or no tag. */
static __attribute__((noinline)) _Atomic(struct p9_req *) *
make_slot(struct p9_tagtab *t, uint32_t tag)
{
	_Atomic(struct p9_req *) *leaf, *none = NULL;

	if (tag >= TABLE_LEAF * TABLE_LEAF)
		return NULL;
	leaf = calloc(TABLE_LEAF, sizeof *leaf);
	if (leaf && !atomic_compare_exchange_strong(&t->leaf[tag / TABLE_LEAF], &none, leaf))
		free((void *)leaf);
	return slot(t, tag);
}

static int
tag_insert(struct p9_req *r)
{
	_Atomic(struct p9_req *) *s = slot(&r->conn->tags, r->in.tag);
	struct p9_req *none = NULL;

	if (!s)
		s = make_slot(&r->conn->tags, r->in.tag);
	if (!s)
		return -ENOMEM;
	if (r->conn->trusted_tags)
		atomic_store_explicit(s, r, memory_order_release);
	else if (!atomic_compare_exchange_strong(s, &none, r))
		return -EBUSY;
	r->tagged = true;
	return 0;
}

int
p9_req_begin(struct p9_req *r)
{
	struct p9_worker *me = p9_self;

	r->fid = r->newfid = NULL;
	r->name = r->name2 = NULL;
	r->seg = NULL;
	r->aux = NULL;
	r->then = NULL;
	r->release = NULL;
	r->steps = NULL;
	r->flushers = NULL;
	r->rbuf_used = 0;
	r->step = r->nnames = 0;
	atomic_store_explicit(&r->stamp_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&r->state, 1, memory_order_release);
	p9_bump(me ? &me->n.requests : &r->conn->state->n.requests, 1, me != NULL);
	return tag_insert(r);
}

void
p9_tag_remove(struct p9_req *r)
{
	struct p9_req *me = r;
	_Atomic(struct p9_req *) *s;

	if (!r->tagged || r->conn->trusted_tags)
		return;
	s = slot(&r->conn->tags, r->in.tag);
	if (s)
		atomic_compare_exchange_strong(s, &me, NULL);
	r->tagged = false;
}

static void
let_go(struct p9_req *r)
{
	if ((atomic_fetch_sub(&r->state, 1) & REQ_REFS) == 1)
		p9_req_recycle(r);
}

/* Takes a reference to the request with that tag and marks it as flushed, unless it has been
 * answered.  Until the reference is held, r may be anybody's. */
static bool
catch(struct p9_conn *conn, struct p9_req *r, uint32_t tag)
{
	uint32_t old = atomic_load(&r->state);

	do {
		if (!(old & REQ_REFS) || (old & REQ_ANSWERED))
			return false;
	} while (!atomic_compare_exchange_weak(&r->state, &old, old + 1));
	if (r->conn == conn && r->in.tag == tag) {
		old = atomic_load(&r->state);
		while (!(old & REQ_ANSWERED))
			if (atomic_compare_exchange_weak(&r->state, &old, old | REQ_FLUSHED))
				return true;
	}
	let_go(r);
	return false;
}

/* A flush is the server's only if it asks for those. */
static void
ask_server(const struct p9_srv_ops *ops, struct p9_req *old)
{
	if (ops->flush && (old->wire_type != IPC_TFLUSH || ops->message))
		ops->flush(old);
}

void
p9_do_flush(struct p9_req *r)
{
	struct p9_conn *conn = r->conn;
	_Atomic(struct p9_req *) *s = slot(&conn->tags, r->in.newfid);
	struct p9_req *old = s ? atomic_load(s) : NULL;

	if (!old || old == r) {
		p9_ok(r);
		return;
	}
	pthread_mutex_lock(&conn->flush_lock);
	if (!catch(conn, old, r->in.newfid)) {
		pthread_mutex_unlock(&conn->flush_lock);
		p9_ok(r);
		return;
	}
	r->next = old->flushers;
	old->flushers = r;
	pthread_mutex_unlock(&conn->flush_lock);
	/* r may be answered and gone from here on. */
	ask_server(conn->srv->ops, old);
	let_go(old);
}

/* The connection is over, or starts anew. */
void
p9_flush_all(struct p9_conn *conn)
{
	for (unsigned i = 0; i < TABLE_LEAF; i++) {
		_Atomic(struct p9_req *) *leaf = atomic_load(&conn->tags.leaf[i]);

		for (unsigned j = 0; leaf && j < TABLE_LEAF; j++) {
			struct p9_req *r = atomic_load(&leaf[j]);

			if (!r || !catch(conn, r, i * TABLE_LEAF + j))
				continue;
			ask_server(conn->srv->ops, r);
			let_go(r);
		}
	}
}

void
p9_answered(struct p9_req *r, bool flushed)
{
	struct p9_req *list = NULL;
	struct p9_conn *conn = r->conn;

	p9_release_fids(r);
	if (!conn->trusted_tags)
		p9_wire_answered(conn);
	if (flushed) {
		pthread_mutex_lock(&conn->flush_lock);
		list = r->flushers;
		r->flushers = NULL;
		pthread_mutex_unlock(&conn->flush_lock);
	}
	while (list) {
		struct p9_req *next = list->next;

		p9_ok(list);
		list = next;
	}
	let_go(r);
}

static __attribute__((noinline)) void
keep_error(struct p9_srv_state *st, struct p9_req *r)
{
	pthread_mutex_lock(&st->lock);
	st->last_error_ns = os_time_ns();
	memcpy(st->last_error, r->u.error, sizeof st->last_error);
	pthread_mutex_unlock(&st->lock);
}

/* Not what a client did wrong, or what is everyday. */
static bool
own_failure(uint32_t err)
{
	return err == EIO || err == ENODEV || err == ENXIO || err == ETIMEDOUT || err == ENOMEM ||
	       err == EPROTO || err == EHOSTDOWN || err == EBADMSG;
}

/* The answer in r->out is final. */
void
p9_finish(struct p9_req *r)
{
	struct p9_worker *me = p9_self;
	struct p9_srv_state *st = r->conn->state;
	bool mine = me && me->conn;
	struct p9_counters *n = mine ? &me->n : &st->n;

	assert(!(atomic_load_explicit(&r->state, memory_order_relaxed) & REQ_ANSWERED));
	r->out.tag = r->in.tag;
	p9_bump(&n->done, 1, mine);
	if (r->out.type == IPC_TREAD + 1) {
		p9_bump(&n->bytes_read, r->out.length + r->out.count, mine);
	} else if (r->out.type == IPC_TWRITE + 1) {
		p9_bump(&n->bytes_written, r->out.count, mine);
	} else if (p9_failed(r) && own_failure(r->out.error)) {
		p9_bump(&n->errors, 1, mine);
		keep_error(st, r);
	}
	r->conn->send(r);
}

uint64_t
p9_oldest(struct p9_conn *conn, uint64_t now)
{
	uint64_t oldest = 0;

	for (unsigned i = 0; i < TABLE_LEAF; i++) {
		_Atomic(struct p9_req *) *leaf = atomic_load(&conn->tags.leaf[i]);

		for (unsigned j = 0; leaf && j < TABLE_LEAF; j++) {
			struct p9_req *r = atomic_load(&leaf[j]);
			uint64_t none = 0;

			if (!r || !(atomic_load(&r->state) & REQ_REFS) ||
			    (atomic_load(&r->state) & REQ_ANSWERED))
				continue;
			if (!atomic_compare_exchange_strong(&r->stamp_ns, &none, now) &&
			    now - none > oldest)
				oldest = now - none;
		}
	}
	return oldest;
}

void
p9_tagtab_free(struct p9_tagtab *t)
{
	for (unsigned i = 0; i < TABLE_LEAF; i++)
		free((void *)atomic_load(&t->leaf[i]));
}
