/*
 * Fids: their memory, references, names and the table by number.
 *
 * Looking one up takes no lock: read the slot, take a reference unless there are none left, and
 * read the slot again.  A fid's memory is never given back while the service runs, so the worst
 * that a stale slot gives is a reference to another fid, which the second read finds out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "srv.h"

struct p9_fid *
p9_fid_new(struct p9_conn *conn)
{
	struct p9_srv_state *st = conn->state;
	uint32_t max = conn->srv->max_fids ? conn->srv->max_fids : P9_SRV_FIDS;
	struct p9_fid *f;

	if (atomic_fetch_add(&conn->nfids, 1) >= max && !conn->trusted_tags) {
		atomic_fetch_sub(&conn->nfids, 1);
		return NULL;
	}
	pthread_mutex_lock(&st->lock);
	f = st->free_fids;
	if (f)
		st->free_fids = f->next;
	pthread_mutex_unlock(&st->lock);
	if (!f) {
		f = calloc(1, sizeof *f);
		if (!f) {
			atomic_fetch_sub(&conn->nfids, 1);
			return NULL;
		}
	}
	f->aux = NULL;
	f->qid = (struct ipc_qid){ 0 };
	f->uid = P9_NOUID;
	f->flags = 0;
	f->is_open = f->remove_on_clunk = f->owned = false;
	f->srv = conn->srv;
	f->phase = FID_NEW;
	f->dir_busy = false;
	f->num = P9_NOFID;
	f->conn = conn;
	f->parent = f->next = NULL;
	f->name = NULL;
	f->xattr = NULL;
	f->dir_offset = f->dir_cookie = 0;
	atomic_store(&f->refs, 1);
	return f;
}

void
p9_fid_ref(struct p9_fid *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
}

/* Destroys one fid whose references are gone; its parent, which loses one, is returned if that was
 * the last. */
static struct p9_fid *
destroy(struct p9_fid *f)
{
	struct p9_conn *conn = f->conn;
	struct p9_srv_state *st = conn->state;
	struct p9_fid *parent = f->parent;

	if (f->owned && f->srv->ops->destroy)
		f->srv->ops->destroy(f);
	if (f->xattr) {
		free(f->xattr);
		f->xattr = NULL;
		atomic_fetch_sub(&conn->nxattr, 1);
	}
	if (f->name != f->short_name)
		free(f->name);
	f->name = NULL;
	f->parent = NULL;
	f->aux = NULL;
	atomic_fetch_sub(&conn->nfids, 1);
	pthread_mutex_lock(&st->lock);
	f->next = st->free_fids;
	st->free_fids = f;
	pthread_mutex_unlock(&st->lock);
	return parent && atomic_fetch_sub(&parent->refs, 1) == 1 ? parent : NULL;
}

void
p9_fid_put_now(struct p9_fid *f)
{
	if (!f || atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	while (f)	/* as deep as the tree */
		f = destroy(f);
}

void
p9_fid_drain(struct p9_fid *list)
{
	while (list) {
		struct p9_fid *f = list;

		list = f->next;
		while (f)
			f = destroy(f);
	}
}

void
p9_fid_dead(struct p9_fid *f)
{
	struct p9_srv_state *st;

	if (p9_self && p9_self->conn == f->conn) {
		f->next = p9_self->dead;
		p9_self->dead = f;
		return;
	}
	st = f->conn->state;
	pthread_mutex_lock(&st->lock);
	f->next = st->dead_fids;
	st->dead_fids = f;
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
}

/* The slot of a number below 65536; NULL if it has no leaf yet. */
static inline _Atomic(struct p9_fid *) *
slot(struct p9_fidtab *t, uint32_t num)
{
	_Atomic(struct p9_fid *) *leaf =
		atomic_load_explicit(&t->leaf[num / TABLE_LEAF], memory_order_acquire);

	return leaf ? &leaf[num % TABLE_LEAF] : NULL;
}

/* The same, made where it is not; NULL: out of memory. */
static _Atomic(struct p9_fid *) *
make_slot(struct p9_fidtab *t, uint32_t num)
{
	_Atomic(struct p9_fid *) *leaf, *none = NULL;

	if (slot(t, num))
		return slot(t, num);
	leaf = calloc(TABLE_LEAF, sizeof *leaf);
	if (leaf && !atomic_compare_exchange_strong(&t->leaf[num / TABLE_LEAF], &none, leaf))
		free((void *)leaf);
	return slot(t, num);
}

static inline bool
ref_unless_gone(struct p9_fid *f)
{
	uint32_t n = atomic_load_explicit(&f->refs, memory_order_relaxed);

	while (n)
		if (atomic_compare_exchange_weak(&f->refs, &n, n + 1))
			return true;
	return false;
}

static struct p9_fid **
chain_find(struct p9_fidtab *t, uint32_t num)
{
	struct p9_fid **p = &t->chain[num % TABLE_LEAF];

	while (*p && (*p)->num != num)
		p = &(*p)->next;
	return p;
}

static __attribute__((noinline)) struct p9_fid *
chain_get(struct p9_fidtab *t, uint32_t num)
{
	struct p9_fid *f;

	pthread_mutex_lock(&t->lock);
	f = *chain_find(t, num);
	if (f)
		p9_fid_ref(f);
	pthread_mutex_unlock(&t->lock);
	return f;
}

struct p9_fid *
p9_fid_get(struct p9_conn *conn, uint32_t num)
{
	_Atomic(struct p9_fid *) *s;
	struct p9_fid *f;

	if (num >= TABLE_LEAF * TABLE_LEAF)
		return chain_get(&conn->fids, num);
	s = slot(&conn->fids, num);
	f = s ? atomic_load_explicit(s, memory_order_acquire) : NULL;
	if (!f || !ref_unless_gone(f))
		return NULL;
	if (atomic_load_explicit(s, memory_order_acquire) == f)
		return f;
	p9_fid_put(f);
	return NULL;
}

int
p9_fid_insert(struct p9_conn *conn, struct p9_fid *f, uint32_t num)
{
	struct p9_fidtab *t = &conn->fids;
	struct p9_fid **p, *none = NULL;
	_Atomic(struct p9_fid *) *s;
	bool done;

	if (num == P9_NOFID)
		return -EINVAL;
	f->num = num;
	p9_fid_ref(f);
	if (num < TABLE_LEAF * TABLE_LEAF) {
		s = make_slot(t, num);
		done = s && atomic_compare_exchange_strong(s, &none, f);
	} else {
		pthread_mutex_lock(&t->lock);
		p = chain_find(t, num);
		done = !*p;
		if (done)
			*p = f;
		pthread_mutex_unlock(&t->lock);
	}
	if (done)
		return 0;
	f->num = P9_NOFID;
	atomic_fetch_sub(&f->refs, 1);
	return none || num >= TABLE_LEAF * TABLE_LEAF ? -EBUSY : -ENOMEM;
}

bool
p9_fid_replace(struct p9_conn *conn, struct p9_fid *old, struct p9_fid *f)
{
	struct p9_fidtab *t = &conn->fids;
	struct p9_fid *expect = old, **p;
	_Atomic(struct p9_fid *) *s;
	bool done;

	if (f) {
		f->num = old->num;
		p9_fid_ref(f);
	}
	if (old->num < TABLE_LEAF * TABLE_LEAF) {
		s = slot(t, old->num);
		done = s && atomic_compare_exchange_strong(s, &expect, f);
	} else {
		pthread_mutex_lock(&t->lock);
		p = chain_find(t, old->num);
		done = *p == old;
		if (done && f)
			f->next = old->next;
		if (done)
			*p = f ? f : old->next;
		pthread_mutex_unlock(&t->lock);
	}
	p9_fid_put_now(done ? old : f);
	return done;
}

void
p9_fid_clear(struct p9_conn *conn)
{
	struct p9_fidtab *t = &conn->fids;

	for (unsigned i = 0; i < TABLE_LEAF; i++) {
		_Atomic(struct p9_fid *) *leaf = atomic_load(&t->leaf[i]);

		for (unsigned j = 0; leaf && j < TABLE_LEAF; j++)
			p9_fid_put_now(atomic_exchange(&leaf[j], NULL));
		while (t->chain[i]) {
			struct p9_fid *f = t->chain[i];

			t->chain[i] = f->next;
			p9_fid_put_now(f);
		}
	}
}

void
p9_fidtab_free(struct p9_fidtab *t)
{
	for (unsigned i = 0; i < TABLE_LEAF; i++)
		free((void *)atomic_load(&t->leaf[i]));
	pthread_mutex_destroy(&t->lock);
}

int
p9_fid_set_name(struct p9_fid *f, const char *name)
{
	size_t n = strlen(name) + 1;
	char *room = n <= sizeof f->short_name ? f->short_name : malloc(n);

	if (!room)
		return -ENOMEM;
	pthread_mutex_lock(&f->conn->name_lock);
	if (f->name && f->name != f->short_name)
		free(f->name);
	memmove(room, name, n);
	f->name = room;
	pthread_mutex_unlock(&f->conn->name_lock);
	return 0;
}

struct p9_fid *
p9_fid_parent(struct p9_fid *f)
{
	struct p9_fid *parent;

	pthread_mutex_lock(&f->conn->name_lock);
	parent = f->parent;
	if (parent)
		p9_fid_ref(parent);
	pthread_mutex_unlock(&f->conn->name_lock);
	return parent;
}

void
p9_fid_copy_name(struct p9_fid *f, char name[P9_NAME_MAX + 1])
{
	pthread_mutex_lock(&f->conn->name_lock);
	strcpy(name, f->name ? f->name : "/");
	pthread_mutex_unlock(&f->conn->name_lock);
}
