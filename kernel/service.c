/*
 * Services: 9P in place between a client's thread and a server's; here the client's side, in
 * serve.c the server's.  doc/ipc.md tells it in order.
 *
 * A call takes a server's thread that waits, claims it, and gives it the processor; a reply goes
 * back the same way.  The bulk is copied once, by the server's thread, straight between the two
 * address spaces; a very short one twice, through the request.
 *
 * service->lock guards the queue, the tags, the waiting servers and every request's state:
 *
 *   IDLE -> QUEUED -> COPYING -> ACTIVE -> COPYING -> DONE
 *                  (request's bulk)   (reply's bulk)
 *
 * COPYING belongs to a server's thread inside the kernel, which ends it soon; a client that is
 * killed or gets a note waits for that.  In ACTIVE a killed client leaves the request behind: it
 * has no client from then on and is freed when the reply comes.  A client is woken by claiming it
 * under the lock, and one woken otherwise takes the lock before it leaves, so that no one is
 * woken who has left.
 */
#include "amd64/cpu.h"
#include "as.h"
#include "procs.h"
#include "serve.h"
#include "syscall.h"

#define TAGS_MIN	32u
#define TAGS_MAX	4096u
#define FIDS_MAX	65536u

/* --- numbers --------------------------------------------------------------------------------- */

static uint32_t
pool_take(struct pool *p)
{
	if (p->nfree > 0)
		return p->free[--p->nfree];
	if (p->next == p->size) {
		uint32_t size = p->size != 0 ? p->size * 2 : TAGS_MIN;
		uint32_t *bigger = size <= p->max ? kmalloc(size * sizeof *bigger) : NULL;

		if (bigger == NULL)
			return NOFID;
		kfree(p->free);		/* nothing is free: there is nothing to keep */
		p->free = bigger;
		p->size = size;
	}
	return p->next++;
}

static void
pool_give(struct pool *p, uint32_t n)
{
	p->free[p->nfree++] = n;
}

uint32_t
service_fid(struct service *s)
{
	spin_lock(&s->lock);
	uint32_t fid = pool_take(&s->fids);

	spin_unlock(&s->lock);
	return fid;
}

void
service_fid_give(struct service *s, uint32_t fid)
{
	pool_give(&s->fids, fid);
}

void
service_fid_free(struct service *s, uint32_t fid)
{
	spin_lock(&s->lock);
	service_fid_give(s, fid);
	spin_unlock(&s->lock);
}

/* Called with the lock held: false if there are too many requests. */
static bool
tag_take(struct service *s, struct request *r)
{
	uint32_t size = s->tags.size, tag;

	if (likely(s->tags.nfree > 0)) {
		tag = s->tags.free[--s->tags.nfree];
		s->tag[tag] = r;
		r->head.tag = tag;
		return true;
	}
	tag = pool_take(&s->tags);
	if (tag == NOFID)
		return false;
	if (s->tags.size != size) {
		struct request **bigger = kzalloc(s->tags.size * sizeof(void *));

		if (bigger == NULL) {
			s->tags.next--;		/* the pool has grown; the table follows later */
			s->tags.size = size;
			return false;
		}
		if (s->tag != NULL)
			memcpy(bigger, s->tag, size * sizeof(void *));
		kfree(s->tag);
		s->tag = bigger;
	}
	s->tag[tag] = r;
	r->head.tag = tag;
	return true;
}

static void
tag_give(struct service *s, struct request *r)
{
	s->tag[r->head.tag] = NULL;
	pool_give(&s->tags, r->head.tag);
}

/* --- services -------------------------------------------------------------------------------- */

struct service *
service_new(void)
{
	struct service *s = kzalloc(sizeof *s);

	if (s == NULL)
		return NULL;
	spin_init(&s->lock, "service");
	s->refs = s->servers = 1;
	list_init(&s->queue);
	list_init(&s->idle);
	s->tags.max = TAGS_MAX;
	s->fids.max = FIDS_MAX;
	return s;
}

static void
service_put(struct service *s)
{
	if (!ref_put(&s->refs))
		return;
	kfree(s->tag);
	kfree(s->tags.free);
	kfree(s->fids.free);
	kfree(s);
}

void
service_get_client(struct service *s)
{
	ref_get(&s->refs);
}

void
service_put_client(struct service *s)
{
	service_put(s);
}

void
request_dispose(struct request *r)
{
	kfree(r->kbuf);
	kfree(r);
}

struct thread *
request_done(struct service *s, struct request *r, struct request **orphan)
{
	struct thread *t = r->client;

	if (unlikely(r->head.type == IPC_TFLUSH)) {
		if (r->flushed != NULL)
			r->flushed->flusher = NULL;
		else
			pool_give(&s->tags, r->head.newfid);
	}
	if (unlikely(r->flusher != NULL)) {
		r->flusher->flushed = NULL;
		r->flusher = NULL;
		s->tag[r->head.tag] = NULL;
	} else {
		tag_give(s, r);
	}
	r->state = REQ_DONE;
	if (t == NULL) {
		*orphan = r;
		return NULL;
	}
	if (!thread_claim(t))
		return NULL;
	t->wake_reason = 0;
	return t;
}

void
service_unlock_run(struct service *s, struct thread *t)
{
	spin_unlock(&s->lock);
	if (t != NULL)
		sched_run_claimed(t);
}

void
service_unlock_sleep(struct service *s, struct thread *t)
{
	struct thread *self = thread_current();

	spin_unlock(&s->lock);
	if (t != NULL)
		sched_handoff(t);
	else
		schedule();
	self->interruptible = self->killable = false;
}

void
service_fail_all(struct service *s)
{
	for (;;) {
		struct request *r = NULL, *orphan = NULL;
		struct thread *t;

		spin_lock(&s->lock);
		for (uint32_t i = 0; i < s->tags.next && s->tag != NULL && r == NULL; i++)
			if (s->tag[i] != NULL && s->tag[i]->state != REQ_COPYING)
				r = s->tag[i];
		if (r == NULL) {
			spin_unlock(&s->lock);
			return;
		}
		if (r->state == REQ_QUEUED)
			list_remove(&r->link);
		r->error = -EHOSTDOWN;
		if (r->client != NULL) {
			strlcpy(r->client->errstr, "the server has gone", SYS_ERRSTR_MAX);
			r->client->errstr_of = EHOSTDOWN;
		}
		t = request_done(s, r, &orphan);
		service_unlock_run(s, t);
		if (orphan != NULL)
			request_dispose(orphan);
	}
}

void
service_hang_up(struct service *s)
{
	struct list *l;

	spin_lock(&s->lock);
	s->dead = true;
	while ((l = list_pop(&s->idle)) != NULL)
		thread_wake(list_entry(l, struct server_wait, link)->thread, -EHOSTDOWN);
	spin_unlock(&s->lock);
	service_fail_all(s);
}

void
service_put_server(struct service *s)
{
	if (ref_put(&s->servers))
		service_hang_up(s);
	service_put(s);
}

/* --- the client's side ----------------------------------------------------------------------- */

struct request *
request_get(void)
{
	struct thread *t = thread_current();
	struct request *r = t->request;

	if (r == NULL) {
		r = kzalloc(sizeof *r);
		if (r == NULL)
			return NULL;
		list_init(&r->link);
		t->request = r;
	}
	if (r->kbuf != NULL) {
		kfree(r->kbuf);
		r->kbuf = NULL;
	}
	r->src = NULL;
	r->dst = NULL;
	r->nsrc = r->ndst = 0;
	r->makes_fid = false;
	r->fid = NOFID;
	r->head = (struct ipc_req){ .newfid = NOFID };
	return r;
}

void
request_free(struct thread *t)
{
	if (t->request != NULL)
		request_dispose(t->request);
	t->request = NULL;
}

/* With the lock held: a waiting server's thread, claimed, with r; or NULL, and r is queued. */
static struct thread *
request_post(struct service *s, struct request *r)
{
	struct list *l;

	while ((l = list_pop(&s->idle)) != NULL) {
		struct server_wait *w = list_entry(l, struct server_wait, link);

		if (!thread_claim(w->thread))
			continue;	/* it was killed, or its time is up */
		w->thread->wake_reason = 0;
		w->request = r;
		r->state = REQ_COPYING;
		return w->thread;
	}
	r->state = REQ_QUEUED;
	list_append(&s->queue, &r->link);
	return NULL;
}

bool
service_sleep_begin(struct thread *t, uint32_t stop)
{
	t->interruptible = (stop & WORK_NOTE) != 0;
	t->killable = (stop & WORK_KILL) != 0;
	__atomic_store_n(&t->state, T_SLEEPING, __ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&t->work, __ATOMIC_RELAXED) & stop) || !thread_claim(t))
		return true;
	t->state = T_RUNNING;
	return false;
}

static void
send_flush(struct service *s, struct request *r)
{
	struct request *f = kzalloc(sizeof *f);
	struct thread *st = NULL;

	if (f == NULL)
		return;			/* the reply will come all the same, and end r */
	list_init(&f->link);
	f->service = s;
	f->fid = NOFID;
	f->head.type = IPC_TFLUSH;
	f->head.newfid = r->head.tag;
	if (!tag_take(s, f)) {
		kfree(f);
		return;
	}
	f->flushed = r;
	r->flusher = f;
	st = request_post(s, f);
	if (st != NULL) {
		spin_unlock(&s->lock);
		sched_run_claimed(st);
		spin_lock(&s->lock);
	}
}

/*
 * A request that was not left behind is over: a short reply goes to its place; and if it ended by
 * -EINTR, the fid it was to make is not made.
 */
static int
call_ends(struct service *s, struct request *r, int err)
{
	if (unlikely(err == -EINTR) && r->makes_fid)
		service_fid_free(s, r->fid);
	if (r->inline_dst && err == 0)
		err = copy_to_user(r->dst, r->small, r->got);
	return err;
}

/*
 * The caller was woken by a note or a kill, or has one to take.  Waits as needed until the request
 * is over or left behind; the request's result, or -EINTR.
 */
static int
call_interrupted(struct service *s, struct request *r)
{
	struct thread *t = thread_current();
	bool flushed = false;
	int result = -EINTR;

	spin_lock(&s->lock);
	while (r->state != REQ_DONE) {
		bool killed = (__atomic_load_n(&t->work, __ATOMIC_RELAXED) & WORK_KILL) != 0;

		if (r->state == REQ_QUEUED) {
			list_remove(&r->link);
			tag_give(s, r);
			r->state = REQ_DONE;
			r->error = -EINTR;
			break;
		}
		if (r->state == REQ_ACTIVE && !flushed) {
			flushed = true;
			send_flush(s, r);
			continue;		/* the lock was let go */
		}
		if (r->state == REQ_ACTIVE && killed) {
			r->client = NULL;
			r->dst = NULL;
			r->ndst = 0;
			t->request = NULL;
			spin_unlock(&s->lock);
			return -EINTR;
		}
		r->waiting = true;
		if (service_sleep_begin(t, r->state == REQ_ACTIVE ? WORK_KILL : 0)) {
			spin_unlock(&s->lock);
			schedule();
			spin_lock(&s->lock);
		}
		r->waiting = false;
	}
	result = r->error;
	spin_unlock(&s->lock);
	t->interruptible = t->killable = false;
	return call_ends(s, r, result);
}

int
service_call(struct service *s, struct request *r)
{
	struct thread *t = thread_current(), *st;

	if (unlikely(__atomic_load_n(&t->work, __ATOMIC_RELAXED) & (WORK_KILL | WORK_NOTE)))
		return call_ends(s, r, -EINTR);
	r->service = s;
	r->client = t;
	r->as = t->proc->as;
	r->waiting = r->inline_dst = false;
	if (r->user_src && r->nsrc != 0 && r->nsrc <= REQUEST_SMALL) {
		if (copy_from_user(r->small, r->src, r->nsrc) != 0)
			return -EFAULT;
		r->src = r->small;
		r->user_src = false;
	}
	spin_lock(&s->lock);
	if (unlikely(s->dead)) {
		spin_unlock(&s->lock);
		return error(EHOSTDOWN, "the server has gone");
	}
	if (unlikely(!tag_take(s, r))) {
		spin_unlock(&s->lock);
		return error(EAGAIN, "too many requests wait for the server");
	}
	t->wake_reason = 0;
	st = request_post(s, r);
	if (unlikely(!service_sleep_begin(t, WORK_KILL | WORK_NOTE))) {
		service_unlock_run(s, st);
		return call_interrupted(s, r);
	}
	service_unlock_sleep(s, st);
	if (likely(t->wake_reason == 0))
		return call_ends(s, r, r->error);
	return call_interrupted(s, r);
}

void
service_clunk(struct service *s, uint32_t fid)
{
	struct request *r = kzalloc(sizeof *r);
	struct thread *st = NULL;

	if (r == NULL)
		return;		/* the server keeps the fid until it ends */
	list_init(&r->link);
	r->service = s;
	r->fid = fid;
	r->head.type = IPC_TCLUNK;
	r->head.fid = fid;
	r->head.newfid = NOFID;
	spin_lock(&s->lock);
	if (s->dead || !tag_take(s, r)) {
		if (s->dead)
			pool_give(&s->fids, fid);
		spin_unlock(&s->lock);
		kfree(r);
		return;
	}
	st = request_post(s, r);
	service_unlock_run(s, st);
}

void
service_slot_stats(uint64_t slot, struct service_stats *out)
{
	(void)slot;
	*out = (struct service_stats){ 0 };
}

void
service_slot_fail(uint64_t slot)
{
	(void)slot;
}
