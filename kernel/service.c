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
 * and HELD, when a server has gone and a successor may come: held.c.
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
#define LEAVE_S		30u		/* older, a killed server's request is left behind too */
#define LOOK_NS		1000000000u

/* Every service; the lock comes before a service's own. */
static struct spinlock all_lock = SPINLOCK("services");
static struct list all = LIST_INIT(all);

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

/* None is free that was used before: a new one.  False if there are too many requests. */
bool
service_tag_new(struct service *s, struct request *r)
{
	uint32_t size = s->tags.size, tag = pool_take(&s->tags);

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

/* --- services -------------------------------------------------------------------------------- */

struct service *
service_new(void)
{
	struct service *s = kzalloc(sizeof *s);
	struct proc *p = proc_current();

	if (s == NULL)
		return NULL;
	p->serves = true;
	spin_init(&s->lock, "service");
	s->refs = s->serving = s->generation = 1;
	list_init(&s->queue);
	list_init(&s->idle);
	list_init(&s->held);
	list_init(&s->mounts);
	waitq_init(&s->changed);
	waitq_init(&s->names_free);
	s->tags.max = TAGS_MAX;
	s->fids.max = FIDS_MAX;
	s->slot = (uint64_t)p->sip;
	s->uid = p->uid;
	spin_lock(&all_lock);
	list_append(&all, &s->all);
	spin_unlock(&all_lock);
	return s;
}

static void
service_put(struct service *s)
{
	if (!ref_put(&s->refs))
		return;
	spin_lock(&all_lock);
	list_remove(&s->all);
	spin_unlock(&all_lock);
	kfree(s->tag);
	kfree(s->tags.free);
	kfree(s->fids.free);
	rename_free(s->renaming);
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

bool
service_put_server(struct service *s, uint32_t generation)
{
	bool stays;

	service_hang_up(s, generation);
	spin_lock(&s->lock);
	s->ended = generation;
	stays = s->state != SERVICE_DEAD;
	wake_all(&s->changed);
	spin_unlock(&s->lock);
	service_put(s);
	return stays;
}

int64_t
service_take_over(struct service *s)
{
	struct proc *p = proc_current();
	uint64_t until = time_now() + (LEAVE_S + 1ull) * 1000000000;
	uint32_t generation = 0;
	bool late = false;

	p->serves = true;
	spin_lock(&s->lock);
	/* It may have hung up, and work still at what its successor would ask about. */
	while (service_waits(s) && s->ended != s->generation && !late)
		late = wait_on(&s->changed, &s->lock, until) < 0;
	if (service_waits(s) && !late && s->slot == (uint64_t)p->sip &&
	    (s->uid == p->uid || s->slot != 0)) {
		if (s->state == SERVICE_FAILED)
			s->down_ns = time_now();
		generation = s->serving = ++s->generation;
		s->state = SERVICE_RECOVERING;
		memset(s->latency, 0, sizeof s->latency);
		ref_get(&s->refs);
	}
	spin_unlock(&s->lock);
	if (generation == 0)
		return late ? error(EBUSY, "its last server has not ended") : -EEXIST;
	if (recovery_start(s, generation) == 0)
		return generation;
	service_put_server(s, generation);
	return -ENOMEM;
}

/* --- of a server slot ------------------------------------------------------------------------ */

/* The TSC ticks of the bucket in which the n-th of the counted is. */
static uint64_t
percentile(const uint64_t *count, uint64_t n)
{
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		if (n < count[i])
			return 2ull << i;
		n -= count[i];
	}
	return 0;
}

/* With the lock held. */
static void
count_waiting(struct service *s, struct service_stats *out, uint64_t *oldest)
{
	for (uint32_t i = 0; i < s->tags.next; i++) {
		const struct request *r = s->tag[i];

		if (r == NULL || r->state == REQ_DONE)
			continue;
		out->depth++;
		if (r->state == REQ_HELD)
			out->held++;
		else if (r->posted < *oldest && r->head.type != IPC_TFLUSH)
			*oldest = r->posted;
	}
}

static uint64_t
ticks_ns(uint64_t ticks)
{
	return mul_div(ticks, 1000000000u, time_tsc_hz());
}

void
service_slot_stats(uint64_t slot, struct service_stats *out)
{
	uint64_t count[LATENCY_BUCKETS] = { 0 }, now = rdtsc(), oldest = UINT64_MAX;

	*out = (struct service_stats){ 0 };
	spin_lock(&all_lock);
	list_for_each(l, &all) {
		struct service *s = list_entry(l, struct service, all);

		if (s->slot != slot)
			continue;
		spin_lock(&s->lock);
		if (s->tag != NULL)
			count_waiting(s, out, &oldest);
		for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
			count[i] += s->latency[i];
		spin_unlock(&s->lock);
	}
	spin_unlock(&all_lock);
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		out->requests += count[i];
	if (oldest < now)
		out->oldest_ns = ticks_ns(now - oldest);
	out->p50_ns = ticks_ns(percentile(count, out->requests / 2));
	out->p99_ns = ticks_ns(percentile(count, out->requests - out->requests / 100 - 1));
}

void
service_slot_fail(uint64_t slot)
{
	spin_lock(&all_lock);
	list_for_each(l, &all) {
		struct service *s = list_entry(l, struct service, all);

		if (s->slot != slot)
			continue;
		spin_lock(&s->lock);
		if (s->state == SERVICE_DOWN) {
			s->state = SERVICE_FAILED;
			wake_all(&s->changed);
		}
		spin_unlock(&s->lock);
	}
	spin_unlock(&all_lock);
}

/* --- requests -------------------------------------------------------------------------------- */

void
request_dispose(struct request *r)
{
	kfree(r->kbuf);
	kfree(r);
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

uint32_t
orphan_ends(struct service *s, struct request *r)
{
	if (s->names == r) {
		/* When the server goes, recovery finds out what became of a rename. */
		if (r->head.type == IPC_TRENAMEAT && r->error != -EHOSTDOWN)
			rename_over(s, r->error == 0);
		names_free(s);
	}
	if (r->fid == NOFID)
		return NOFID;
	if (r->makes_fid && r->error == 0)
		return r->fid;
	service_fid_give(s, r->fid);
	return NOFID;
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
	r->wait_ns = 0;
	r->sent = r->once = r->recovers = r->makes_fid = false;
	r->direct = r->lost = 0;
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
	struct request *f = r->flusher == NULL ? kzalloc(sizeof *f) : NULL;

	if (f == NULL)
		return;			/* the reply will come all the same, and end r */
	list_init(&f->link);
	f->service = s;
	f->fid = NOFID;
	f->head.type = IPC_TFLUSH;
	f->head.newfid = r->head.tag;
	if (!service_tag(s, f)) {
		kfree(f);
		return;
	}
	f->flushed = r;
	r->flusher = f;
	service_unlock_run(s, request_post(s, f));
	spin_lock(&s->lock);
}

/*
 * A request that was not left behind is over: a short reply goes to its place; and if it ended by
 * -EINTR, the fid it was to make is not made.
 */
static __attribute__((noinline)) int
call_fails(struct service *s, struct request *r, int err)
{
	if (err == -EINTR && r->makes_fid)
		service_fid_free(s, r->fid);
	if (r->lost && r->user_dst)
		as_detach(r->as, (uint64_t)r->dst, r->ndst);
	return err;
}

static inline int
call_ends(struct service *s, struct request *r, int err)
{
	if (unlikely(err != 0))
		return call_fails(s, r, err);
	return r->inline_dst ? copy_to_user(r->dst, r->small, r->got) : 0;
}

/* The client has been killed: r, with a server, is left behind.  Drops the lock. */
static int
leave_behind(struct service *s, struct request *r)
{
	r->client = NULL;
	r->dst = NULL;
	r->ndst = 0;
	thread_current()->request = NULL;
	if (s->names == thread_current())
		s->names = r;
	spin_unlock(&s->lock);
	return -EINTR;
}

/*
 * What a server has asked another to change is over before it ends, or its successor, asked what
 * became of it, would not know.  But two that are killed do not wait for each other for ever.
 */
static bool
may_leave(const struct thread *t, const struct request *r)
{
	return !t->proc->serves || r->head.type == IPC_TREAD || r->head.type == IPC_TREADDIR ||
	       rdtsc() - r->posted > LEAVE_S * time_tsc_hz();
}

/* With the lock held: sleeps until r's state has changed, or for what `stop` says. */
static void
wait_change(struct service *s, struct request *r, uint32_t stop)
{
	r->waiting = true;
	if (service_sleep_begin(thread_current(), stop)) {
		spin_unlock(&s->lock);
		schedule();
		spin_lock(&s->lock);
	}
	r->waiting = false;
}

/*
 * The caller was woken by a note or a kill, or has one to take, or its server has gone.  Waits as
 * needed until the request is over or left behind; the request's result, or -EINTR.
 */
static int
call_slow(struct service *s, struct request *r)
{
	struct thread *t = thread_current();
	uint32_t flushed = 0;		/* the generation that was asked to */
	int result;

	spin_lock(&s->lock);
	while (r->state != REQ_DONE) {
		uint32_t work = __atomic_load_n(&t->work, __ATOMIC_RELAXED);
		bool killed = (work & WORK_KILL) != 0, noted = killed || (work & WORK_NOTE);

		if (r->state == REQ_HELD) {
			service_hold_wait(s, r);
		} else if (r->state == REQ_QUEUED && noted && (killed || !r->sent)) {
			list_remove(&r->link);
			request_end(s, r, -EINTR);
		} else if (r->state == REQ_ACTIVE && noted && flushed != r->generation) {
			flushed = r->generation;
			send_flush(s, r);	/* lets the lock go */
		} else if (r->state == REQ_ACTIVE && killed && may_leave(t, r)) {
			return leave_behind(s, r);
		} else if (r->state == REQ_ACTIVE && killed) {
			wait_on_hard(&s->changed, &s->lock, time_now() + LOOK_NS);
		} else {
			wait_change(s, r, r->state == REQ_COPYING ? 0 :
					  noted ? WORK_KILL : WORK_KILL | WORK_NOTE);
		}
	}
	result = r->error;
	spin_unlock(&s->lock);
	t->interruptible = t->killable = false;
	return call_ends(s, r, result);
}

/* The service is not alive.  Called with the lock held, and drops it. */
static int
call_held(struct service *s, struct request *r)
{
	int err = service_hold(s, r);

	spin_unlock(&s->lock);
	return err != 0 ? err : call_slow(s, r);
}

int
service_call(struct service *s, struct request *r)
{
	struct thread *t = thread_current(), *st;

	if (unlikely(__atomic_load_n(&t->work, __ATOMIC_RELAXED) &
		     (r->sent ? WORK_KILL : WORK_KILL | WORK_NOTE)))
		return call_ends(s, r, -EINTR);
	r->service = s;
	r->client = t;
	r->waiting = r->inline_dst = false;
	if (r->user_src && r->nsrc != 0 && r->nsrc <= REQUEST_SMALL) {
		if (copy_from_user(r->small, r->src, r->nsrc) != 0)
			return -EFAULT;
		r->src = r->small;
		r->user_src = false;
	}
	spin_lock(&s->lock);
	if (unlikely(s->state != SERVICE_ALIVE || r->recovers) &&
	    !(r->recovers && s->serving == r->generation))
		return call_held(s, r);
	if (unlikely(!service_tag(s, r))) {
		spin_unlock(&s->lock);
		return error(EAGAIN, "too many requests wait for the server");
	}
	t->wake_reason = 0;
	st = request_post(s, r);
	if (unlikely(!service_sleep_begin(t, WORK_KILL | WORK_NOTE))) {
		service_unlock_run(s, st);
		return call_slow(s, r);
	}
	service_unlock_sleep(s, st);
	if (likely(t->wake_reason == 0))
		return call_ends(s, r, r->error);
	return call_slow(s, r);
}

void
service_clunk(struct service *s, uint32_t fid, uint32_t generation)
{
	struct request *r = kzalloc(sizeof *r);
	struct thread *st = NULL;

	spin_lock(&s->lock);
	if (s->serving != generation || generation == 0) {
		service_fid_give(s, fid);
	} else if (r != NULL) {
		list_init(&r->link);
		r->service = s;
		r->fid = fid;
		r->head.type = IPC_TCLUNK;
		r->head.fid = fid;
		r->head.newfid = NOFID;
		if (service_tag(s, r)) {
			st = request_post(s, r);
			r = NULL;
		}
	}				/* else the server keeps the fid until it ends */
	service_unlock_run(s, st);
	kfree(r);
}
