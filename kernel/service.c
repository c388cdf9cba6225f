/*
 * Services: 9P in place between a client's thread and a server's.  doc/ipc.md tells it in order.
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
#include "syscall.h"

#define TAGS_MIN	32u
#define TAGS_MAX	4096u
#define FIDS_MAX	65536u
#define SHARE_MIN	16384u	/* below that, copying costs less than the page tables' changes */

struct pool {			/* small numbers, the lowest unused first while none were freed */
	uint32_t *free;
	uint32_t nfree, next, size, max;
};

struct server_wait {
	struct list link;
	struct thread *thread;
	struct request *request;
};

struct service {
	struct spinlock lock;
	uint32_t refs;
	uint32_t servers;		/* ends */
	bool dead;
	struct list queue;		/* requests that no server has taken */
	struct list idle;		/* server_wait, the latest first */
	struct request **tag;
	struct pool tags, fids;
};

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
service_fid_free(struct service *s, uint32_t fid)
{
	spin_lock(&s->lock);
	pool_give(&s->fids, fid);
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

static void
request_dispose(struct request *r)
{
	kfree(r->kbuf);
	kfree(r);
}

/*
 * Called with the lock held: the request is over.  Returns its client if it was claimed, to be
 * run; a request without a client goes to *orphan, to be disposed of.
 */
static struct thread *
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

/* Drops the lock; the claimed thread t, if there is one, is to run. */
static void
unlock_and_run(struct service *s, struct thread *t)
{
	spin_unlock(&s->lock);
	if (t != NULL)
		sched_run_claimed(t);
}

/* Drops the lock and sleeps, as sleep_begin prepared; the claimed thread t runs in its place. */
static void
unlock_and_sleep(struct service *s, struct thread *t)
{
	struct thread *self = thread_current();

	spin_unlock(&s->lock);
	if (t != NULL)
		sched_handoff(t);
	else
		schedule();
	self->interruptible = self->killable = false;
}

/* Ends every request of a service that has died, but for those that a server is about to end. */
static void
fail_all(struct service *s)
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
		unlock_and_run(s, t);
		if (orphan != NULL)
			request_dispose(orphan);
	}
}

/* The service is dead: its requests fail, and servers that wait are told. */
static void
hang_up(struct service *s)
{
	struct list *l;

	spin_lock(&s->lock);
	s->dead = true;
	while ((l = list_pop(&s->idle)) != NULL)
		thread_wake(list_entry(l, struct server_wait, link)->thread, -EHOSTDOWN);
	spin_unlock(&s->lock);
	fail_all(s);
}

void
service_put_server(struct service *s)
{
	if (ref_put(&s->servers))
		hang_up(s);
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

/* Called with the lock held: the current thread will sleep until claimed. */
static bool
sleep_begin(struct thread *t, uint32_t stop)
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
		if (sleep_begin(t, r->state == REQ_ACTIVE ? WORK_KILL : 0)) {
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
	if (unlikely(!sleep_begin(t, WORK_KILL | WORK_NOTE))) {
		unlock_and_run(s, st);
		return call_interrupted(s, r);
	}
	unlock_and_sleep(s, st);
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
	unlock_and_run(s, st);
}

/* --- the server's side ----------------------------------------------------------------------- */

/* The reply's bulk, from the current thread's memory, to the client. */
static void
reply_bulk(struct request *r, const struct ipc_rep *rep)
{
	int err = 0;

	if (rep->type == IPC_RLERROR) {
		size_t n = MIN(rep->length, (uint64_t)SYS_ERRSTR_MAX - 1);

		r->error = rep->error - 1 < 4095 ? -(int32_t)rep->error : -EIO;
		if (r->client == NULL)
			return;
		if (n > 0 && copy_from_user(r->client->errstr, rep->data, n) != 0)
			n = 0;
		r->client->errstr[n] = '\0';
		r->client->errstr_of = -r->error;
		return;
	}
	r->error = 0;
	r->count = rep->count;
	r->offset = rep->offset;
	r->qid = rep->qid;
	r->got = (uint32_t)MIN(rep->length, (uint64_t)r->ndst);
	if (r->got == 0)
		return;
	if (!user_range(rep->data, r->got)) {	/* what follows takes kernel memory too */
		err = -EFAULT;
	} else if (r->user_dst && r->got <= REQUEST_SMALL) {
		err = copy_from_user(r->small, rep->data, r->got);
		r->inline_dst = true;
	} else if (r->user_dst) {
		size_t shared = r->got >= SHARE_MIN ?
				as_share_out(r->as, (uint64_t)r->dst, (uint64_t)rep->data, r->got) : 0;

		err = as_copy_out(r->as, (uint64_t)r->dst + shared, (const char *)rep->data + shared,
				  r->got - shared);
	} else
		err = copy_from_user(r->dst, rep->data, r->got);
	if (err != 0)
		r->error = err;
}

/*
 * Called with the lock held, after a request without a client is over: what it had made or was to
 * free.  Returns a fid that must still be clunked, or NOFID.
 */
static uint32_t
orphan_ends(struct service *s, struct request *r)
{
	if (r->fid == NOFID)
		return NOFID;
	if (r->makes_fid && r->error == 0)
		return r->fid;
	pool_give(&s->fids, r->fid);
	return NOFID;
}

/* Finishes the request that rep answers; *wake is its client, claimed, if it has one. */
static int
reply(struct service *s, const struct ipc_rep *rep, struct thread **wake)
{
	struct request *r, *orphan = NULL;
	uint32_t clunk = NOFID;

	spin_lock(&s->lock);
	r = rep->tag < s->tags.next ? s->tag[rep->tag] : NULL;
	if (r == NULL || r->state != REQ_ACTIVE ||
	    (rep->type != r->head.type + 1 && rep->type != IPC_RLERROR)) {
		spin_unlock(&s->lock);
		return error(EINVAL, "serve: no request has tag %u", rep->tag);
	}
	r->state = REQ_COPYING;
	spin_unlock(&s->lock);
	reply_bulk(r, rep);
	spin_lock(&s->lock);
	*wake = request_done(s, r, &orphan);
	if (unlikely(orphan != NULL))
		clunk = orphan_ends(s, orphan);
	spin_unlock(&s->lock);
	if (likely(orphan == NULL))
		return 0;
	request_dispose(orphan);
	if (clunk != NOFID)
		service_clunk(s, clunk);
	return 0;
}

static struct request *
queue_take(struct service *s)
{
	struct list *l = list_pop(&s->queue);
	struct request *r = l != NULL ? list_entry(l, struct request, link) : NULL;

	if (r != NULL)
		r->state = REQ_COPYING;
	return r;
}

/* The rare case, with a deadline: through a wait queue's timer.  Called with the lock held. */
static int
receive_until(struct service *s, struct server_wait *w, uint64_t deadline)
{
	struct waitq q;
	int err = 0;

	waitq_init(&q);
	list_push(&s->idle, &w->link);
	if (s->dead)		/* the lock was let go */
		err = -EHOSTDOWN;
	else if (list_empty(&s->queue))
		err = wait_on(&q, &s->lock, deadline);
	if (!list_empty(&w->link))
		list_remove(&w->link);
	if (w->request == NULL)
		w->request = queue_take(s);
	return w->request != NULL ? 0 : err;
}

/*
 * Waits for a request; first runs the claimed client `wake`, on this processor if nothing else is
 * to be done here.
 */
static int
receive(struct service *s, struct thread *wake, uint64_t deadline, struct request **out)
{
	struct thread *t = thread_current();
	struct server_wait w = { .thread = t };
	int err;

	list_init(&w.link);
	spin_lock(&s->lock);
	if (unlikely(s->dead)) {
		unlock_and_run(s, wake);
		return error(EHOSTDOWN, "serve: the service has ended");
	}
	*out = queue_take(s);
	if (*out != NULL) {
		unlock_and_run(s, wake);
		return 0;
	}
	if (deadline != FOREVER) {
		unlock_and_run(s, wake);
		spin_lock(&s->lock);
		err = receive_until(s, &w, deadline);
		spin_unlock(&s->lock);
		*out = w.request;
		return err;
	}
	list_push(&s->idle, &w.link);
	t->wake_reason = 0;
	if (unlikely(!sleep_begin(t, WORK_KILL | WORK_NOTE))) {
		list_remove(&w.link);
		unlock_and_run(s, wake);
		return -EINTR;
	}
	unlock_and_sleep(s, wake);
	*out = w.request;
	if (likely(w.request != NULL))
		return 0;
	spin_lock(&s->lock);
	if (!list_empty(&w.link))
		list_remove(&w.link);
	spin_unlock(&s->lock);
	return t->wake_reason;
}

/* Ends a request that could not be given to the server. */
static void
request_fail(struct service *s, struct request *r, int err)
{
	struct request *orphan = NULL;

	spin_lock(&s->lock);
	r->error = err;
	struct thread *t = request_done(s, r, &orphan);

	if (orphan != NULL)
		(void)orphan_ends(s, orphan);
	unlock_and_run(s, t);
	if (orphan != NULL)
		request_dispose(orphan);
}

/*
 * Gives a request to the server: 0; 1 if it failed for the client's own fault, and another should
 * be taken; -EFAULT.
 */
static int
deliver(struct service *s, struct request *r, const uint64_t a[6])
{
	size_t length = MIN(r->nsrc, a[4]);
	struct thread *t = NULL;
	int err = 0;

	r->head.length = (uint32_t)length;
	if (length != 0) {
		if (r->head.type == IPC_TWRITE)
			r->head.count = (uint32_t)length;
		else if (length < r->nsrc)
			err = -EIO;
		if (!user_range((void *)a[3], length))	/* as_copy_in takes kernel memory too */
			err = -EFAULT;
		if (err == 0 && r->user_src)
			err = as_copy_in(r->as, (void *)a[3], (uint64_t)r->src, length);
		else if (err == 0)
			err = copy_to_user((void *)a[3], r->src, length);
		if (err != 0) {
			request_fail(s, r, err);
			return 1;
		}
	}
	if (copy_to_user((void *)a[2], &r->head, sizeof r->head) != 0) {
		request_fail(s, r, -EIO);
		return error(EFAULT, "serve: bad buffer");
	}
	spin_lock(&s->lock);
	r->state = REQ_ACTIVE;
	if (unlikely(s->dead)) {
		spin_unlock(&s->lock);
		fail_all(s);
		return 1;
	}
	if (unlikely(r->waiting) && r->client != NULL && thread_claim(r->client)) {
		t = r->client;
		t->wake_reason = 0;
	}
	spin_unlock(&s->lock);
	if (unlikely(t != NULL))
		sched_run_claimed(t);
	return 0;
}

int64_t
sys_serve(const uint64_t a[6])
{
	struct ipc_rep rep;
	struct thread *wake = NULL;
	struct request *r = NULL;
	bool server = false;
	struct chan *c = fd_get((int)a[0]);
	struct service *s = c != NULL && c->dev == &dev_srv ? srv_service(c, &server) : NULL;
	uint64_t deadline = (int64_t)a[5] < 0 ? FOREVER : time_now() + a[5];
	int err = 0;

	if (unlikely(!server)) {
		if (c != NULL)
			chan_put(c);
		return error(EBADF, "serve: not a server's end");
	}
	if (a[1] != 0) {
		err = copy_from_user(&rep, (const void *)a[1], sizeof rep);
		if (err == 0 && unlikely(rep.type == 0))
			hang_up(s);
		else if (err == 0)
			err = reply(s, &rep, &wake);
	}
	if (err == 0 && a[2] != 0) {
		do {
			err = receive(s, wake, deadline, &r);
			wake = NULL;
			if (err == 0)
				err = deliver(s, r, a);
		} while (err > 0);
	}
	if (wake != NULL)
		sched_run_claimed(wake);
	chan_put(c);
	return err;
}
