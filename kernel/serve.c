/*
 * SYS_SERVE: the server's side of a service, and the copies of both bulks.  service.c tells the
 * states of a request and the lock that guards them.
 */
#include "amd64/cpu.h"
#include "as.h"
#include "cap.h"
#include "hw.h"
#include "procs.h"
#include "serve.h"
#include "syscall.h"

#define SHARE_MIN	16384u	/* below that, copying costs less than the page tables' changes */

/* The reply's bulk, from the current thread's memory, to the client.  -EFAULT: it is not there. */
static int
reply_bulk(struct request *r, const struct ipc_rep *rep)
{
	int err = 0;

	if (rep->type == IPC_RLERROR) {
		size_t n = MIN(rep->length, (uint64_t)SYS_ERRSTR_MAX - 1);

		r->error = rep->error - 1 < 4095 ? -(int32_t)rep->error : -EIO;
		if (r->client == NULL)
			return 0;
		if (n > 0 && copy_from_user(r->client->errstr, rep->data, n) != 0)
			n = 0;
		r->client->errstr[n] = '\0';
		r->client->errstr_of = -r->error;
		return 0;
	}
	r->error = 0;
	r->count = rep->count;
	r->offset = rep->offset;
	r->qid = rep->qid;
	r->got = (uint32_t)MIN(rep->length, (uint64_t)r->ndst);
	if (r->got == 0)
		return 0;
	if (!user_range(rep->data, r->got))	/* what follows takes kernel memory too */
		return -EFAULT;
	if (r->user_dst && r->got <= REQUEST_SMALL) {
		err = copy_from_user(r->small, rep->data, r->got);
		r->inline_dst = err == 0;
	} else if (r->user_dst) {
		uint64_t dst = (uint64_t)r->dst, shared = 0;

		if (r->got >= SHARE_MIN && cap_has(proc_current()->caps, CAP_PAGE_EXCHANGE))
			shared = as_share_out(r->as, dst, (uint64_t)rep->data, r->got);
		r->error = as_copy_out(r->as, dst + shared, (const char *)rep->data + shared,
				       r->got - shared);
		return r->error == -EIO ? -EFAULT : 0;
	} else
		err = copy_from_user(r->dst, rep->data, r->got);
	return err;
}

/*
 * Called with the lock held, which it drops: the server went while a request was copied to it.
 * A successor may be there already.
 */
static int
deliver_late(struct service *s)
{
	uint32_t alive;

	service_lose(s);
	alive = s->state == SERVICE_ALIVE ? s->serving : 0;
	spin_unlock(&s->lock);
	if (alive != 0)
		service_release(s, alive);
	return 1;
}

/* The server has r, whose copy is over: 0; 1 if the server has gone meanwhile. */
static inline __attribute__((always_inline)) int
active(struct service *s, struct request *r)
{
	struct thread *t = NULL;

	spin_lock(&s->lock);
	r->state = REQ_ACTIVE;
	if (unlikely(s->serving != r->generation))
		return deliver_late(s);
	if (unlikely(r->waiting) && r->client != NULL && thread_claim(r->client)) {
		t = r->client;
		t->wake_reason = 0;
	}
	spin_unlock(&s->lock);
	if (unlikely(t != NULL))
		sched_run_claimed(t);
	return 0;
}

/* No server has the client's pages any more, nor its device. */
static __attribute__((noinline)) void
unpin(struct request *r)
{
	if (r->pinned != NULL)
		dma_unpin(r->pinned);
	r->pinned = NULL;
}

/* An answer cannot be read: it has not come. */
static __attribute__((noinline)) int
unanswered(struct service *s, struct request *r)
{
	active(s, r);
	return error(EFAULT, "serve: bad answer");
}

/*
 * Finishes the request that rep, of that generation's server, answers; *wake is its client,
 * claimed, if it has one.
 */
static int
reply(struct service *s, uint32_t generation, const struct ipc_rep *rep, struct thread **wake)
{
	struct request *r, *orphan = NULL;
	uint32_t clunk = NOFID;

	spin_lock(&s->lock);
	r = rep->tag < s->tags.next ? s->tag[rep->tag] : NULL;
	if (r == NULL || r->state != REQ_ACTIVE || r->generation != generation ||
	    (rep->type != r->head.type + 1 && rep->type != IPC_RLERROR)) {
		spin_unlock(&s->lock);
		return error(EINVAL, "serve: no request has tag %u", rep->tag);
	}
	r->state = REQ_COPYING;
	spin_unlock(&s->lock);
	if (unlikely(reply_bulk(r, rep) != 0))
		return unanswered(s, r);
	if (unlikely(r->pinned != NULL)) {
		if (rep->length == 0)		/* a device has put it there */
			r->got = MIN(rep->count, r->ndst);
		unpin(r);
	}
	spin_lock(&s->lock);
	*wake = request_done(s, r, &orphan);
	if (unlikely(orphan != NULL))
		clunk = orphan_ends(s, orphan);
	spin_unlock(&s->lock);
	if (likely(orphan == NULL))
		return 0;
	request_dispose(orphan);
	if (clunk != NOFID)
		service_clunk(s, clunk, generation);
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
receive_until(struct service *s, uint32_t generation, struct server_wait *w, uint64_t deadline)
{
	struct waitq q;
	int err = 0;

	waitq_init(&q);
	list_push(&s->idle, &w->link);
	if (list_empty(&s->queue))
		err = wait_on(&q, &s->lock, deadline);
	if (!list_empty(&w->link))
		list_remove(&w->link);
	if (w->request == NULL && s->serving == generation)
		w->request = queue_take(s);
	return w->request != NULL ? 0 : err;
}

/*
 * Waits for a request of that generation; first runs the claimed client `wake`, on this processor
 * if nothing else is to be done here.
 */
static int
receive(struct service *s, uint32_t generation, struct thread *wake, uint64_t deadline,
	struct request **out)
{
	struct thread *t = thread_current();
	struct server_wait w = { .thread = t };
	int err;

	list_init(&w.link);
	spin_lock(&s->lock);
	if (unlikely(s->serving != generation)) {
		service_unlock_run(s, wake);
		return error(EHOSTDOWN, "serve: the service has ended");
	}
	*out = queue_take(s);
	if (*out != NULL) {
		service_unlock_run(s, wake);
		return 0;
	}
	if (deadline != FOREVER) {
		service_unlock_run(s, wake);
		spin_lock(&s->lock);
		err = s->serving != generation ? -EHOSTDOWN :
		      receive_until(s, generation, &w, deadline);
		spin_unlock(&s->lock);
		*out = w.request;
		return err;
	}
	list_push(&s->idle, &w.link);
	t->wake_reason = 0;
	if (unlikely(!service_sleep_begin(t, WORK_KILL | WORK_NOTE))) {
		list_remove(&w.link);
		service_unlock_run(s, wake);
		return -EINTR;
	}
	service_unlock_sleep(s, wake);
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

	unpin(r);
	spin_lock(&s->lock);
	r->error = err;
	struct thread *t = request_done(s, r, &orphan);

	if (orphan != NULL)
		(void)orphan_ends(s, orphan);
	service_unlock_run(s, t);
	if (orphan != NULL)
		request_dispose(orphan);
}

/*
 * The server's own memory is not there: it has not seen the request, and loses it only if it dies
 * of that.
 */
static __attribute__((noinline)) int
deliver_again(struct service *s, struct request *r)
{
	struct thread *t = NULL;

	unpin(r);
	spin_lock(&s->lock);
	if (s->serving == r->generation) {
		t = request_post(s, r);
		service_unlock_run(s, t);
	} else {
		r->state = REQ_ACTIVE;
		deliver_late(s);
	}
	return error(EFAULT, "serve: bad buffer");
}

/*
 * A request that may be direct: the server gets the addresses of the client's pages.  False: it
 * gets data, and the client its errors, as with any other.
 */
static __attribute__((noinline)) bool
deliver_direct(struct request *r, const uint64_t a[6])
{
	bool write = r->head.type == IPC_TWRITE;
	uint64_t addr = (uint64_t)(write ? r->src : r->dst);
	uint32_t n = write ? r->nsrc : r->ndst;
	uint64_t unit = (1ul << (r->direct & 31)) - 1, align = (1ul << (r->direct >> 5 & 31)) - 1;
	unsigned access = write ? SYS_PROT_READ : SYS_PROT_WRITE;
	const struct dma_seg *seg;
	size_t length;

	r->head.flags = 0;
	if (!(write ? r->user_src : r->user_dst) || !(a[4] & IPC_SERVE_DIRECT) ||
	    ((r->head.offset | n) & unit) != 0 || (addr & align) != 0)
		return false;
	r->pinned = dma_pin(r->as, addr, n, access | (r->direct & 1u << 10 ? AS_LOW : 0));
	if (r->pinned == NULL)
		return false;
	seg = dma_pinned(r->pinned, &length);
	if (length > (uint32_t)a[4] || copy_to_user((void *)a[3], seg, length) != 0) {
		unpin(r);
		return false;
	}
	r->head.flags = IPC_DIRECT;
	r->head.count = n;
	r->head.length = (uint32_t)length;
	return true;
}

/*
 * Gives a request to the server: 0; 1 if it failed for the client's own fault, and another should
 * be taken; -EFAULT.
 */
static int
deliver(struct service *s, struct request *r, const uint64_t a[6])
{
	size_t length = MIN(r->nsrc, (uint32_t)a[4]);
	int err = 0;

	r->head.length = (uint32_t)length;
	if (unlikely(r->direct != 0) && deliver_direct(r, a))
		length = 0;
	if (length != 0) {
		if (!user_range((void *)a[3], length))	/* as_copy_in takes kernel memory too */
			return deliver_again(s, r);
		if (r->head.type == IPC_TWRITE)
			r->head.count = (uint32_t)length;
		else if (length < r->nsrc) {
			request_fail(s, r, -EIO);
			return 1;
		}
		if (r->user_src)
			err = as_copy_in(r->as, (void *)a[3], (uint64_t)r->src, length);
		else if (copy_to_user((void *)a[3], r->src, length) != 0)
			err = -EIO;
		if (err == -EIO)
			return deliver_again(s, r);
		if (err != 0) {
			request_fail(s, r, err);
			return 1;
		}
	}
	if (copy_to_user((void *)a[2], &r->head, sizeof r->head) != 0)
		return deliver_again(s, r);
	return active(s, r);
}

int64_t
sys_serve(const uint64_t a[6])
{
	struct ipc_rep rep;
	struct thread *wake = NULL;
	struct request *r = NULL;
	uint32_t generation = 0;
	struct chan *c = fd_get((int)a[0]);
	struct service *s = c != NULL && c->dev == &dev_srv ? srv_service(c, &generation) : NULL;
	uint64_t deadline = (int64_t)a[5] < 0 ? FOREVER : time_now() + a[5];
	int err = 0;

	if (unlikely(generation == 0)) {
		if (c != NULL)
			chan_put(c);
		return error(EBADF, "serve: not a server's end");
	}
	if (a[1] != 0) {
		err = copy_from_user(&rep, (const void *)a[1], sizeof rep);
		if (err == 0 && unlikely(rep.type == 0))
			service_hang_up(s, generation);
		else if (err == 0)
			err = reply(s, generation, &rep, &wake);
	}
	if (err == 0 && a[2] != 0) {
		do {
			err = receive(s, generation, wake, deadline, &r);
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
