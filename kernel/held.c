/*
 * What becomes of requests when their server goes, and when a successor comes.  doc/recovery.md
 *
 * On a recoverable mount a request is HELD, in the service's list `held`, in the order in which
 * requests were first sent.  Its client sleeps on `changed`, with the bound that its mount sets.
 * Everything here is under the service's lock.
 */
#include "amd64/cpu.h"
#include "hw.h"
#include "procs.h"
#include "serve.h"

static void
client_told(struct request *r, const char *text)
{
	if (r->client == NULL)
		return;
	strlcpy(r->client->errstr, text, SYS_ERRSTR_MAX);
	r->client->errstr_of = EHOSTDOWN;
}

void
request_end(struct service *s, struct request *r, int err)
{
	struct request *none = NULL;
	struct thread *t;

	r->error = err;
	t = request_done(s, r, &none);
	if (t != NULL)
		sched_run_claimed(t);
}

/* By `posted`; the latest is usually the one that is added. */
static void
held_add(struct service *s, struct request *r)
{
	struct list *at = s->held.prev;

	while (at != &s->held && list_entry(at, struct request, link)->posted > r->posted)
		at = at->prev;
	list_push(at, &r->link);
	r->state = REQ_HELD;
}

/* One that the server does not have any more: held or over.  An orphan goes to `ended`. */
static void
lose(struct service *s, struct request *r, struct list *ended)
{
	struct request *orphan = NULL;
	struct thread *t;

	if (r->state == REQ_QUEUED)
		list_remove(&r->link);
	if (unlikely(r->pinned != NULL)) {
		dma_buffer_put(r->pinned);
		r->pinned = NULL;
		r->lost = true;
	}
	if (r->client != NULL && r->wait_ns != 0 && s->state != SERVICE_DEAD) {
		r->sent |= r->state == REQ_ACTIVE;
		held_add(s, r);
		thread_wake(r->client, -EHOSTDOWN);
		return;
	}
	r->error = -EHOSTDOWN;
	client_told(r, "the server has gone");
	t = request_done(s, r, &orphan);
	if (t != NULL)
		sched_run_claimed(t);
	if (orphan != NULL) {
		(void)orphan_ends(s, orphan);
		list_append(ended, &orphan->link);
	}
}

/* Flushes last: the end of one needs to know whether what it is about is over. */
void
service_lose(struct service *s)
{
	struct list ended = LIST_INIT(ended), *l;

	for (int flushes = 0; flushes < 2; flushes++)
		for (uint32_t i = 0; s->tag != NULL && i < s->tags.next; i++) {
			struct request *r = s->tag[i];

			if (r != NULL && (r->state == REQ_QUEUED || r->state == REQ_ACTIVE) &&
			    r->generation != s->serving &&
			    (r->head.type == IPC_TFLUSH) == (flushes == 1))
				lose(s, r, &ended);
		}
	while ((l = list_pop(&ended)) != NULL)
		request_dispose(list_entry(l, struct request, link));
}

/* With the lock held: there is no server, and nobody may come. */
static void
die(struct service *s)
{
	s->state = SERVICE_DEAD;
	s->serving = 0;
	service_lose(s);
	wake_all(&s->changed);
}

void
service_hang_up(struct service *s, uint32_t generation)
{
	struct list *l;

	spin_lock(&s->lock);
	if (s->serving == generation) {
		s->serving = 0;
		s->state = SERVICE_DOWN;
		s->down_ns = time_now();
		while ((l = list_pop(&s->idle)) != NULL)
			thread_wake(list_entry(l, struct server_wait, link)->thread, -EHOSTDOWN);
		if (s->recoverable == 0)
			die(s);
		else
			service_lose(s);
	}
	spin_unlock(&s->lock);
}

void
service_end(struct service *s)
{
	spin_lock(&s->lock);
	if (service_waits(s))
		die(s);
	spin_unlock(&s->lock);
}

/* Why r is not to wait (any longer), or 0. */
static int
refuse(const struct service *s, const struct request *r)
{
	if (s->state == SERVICE_DEAD || r->wait_ns == 0 || r->recovers)
		return error(EHOSTDOWN, "the server has gone");
	if (s->state == SERVICE_FAILED)
		return error(EHOSTDOWN, "the server has failed");
	if (time_now() - s->down_ns >= r->wait_ns)
		return error(EHOSTDOWN, "the server has not come back in %lu ms",
			     r->wait_ns / 1000000);
	return 0;
}

int
service_hold(struct service *s, struct request *r)
{
	int err = refuse(s, r);

	if (err != 0)
		return err;
	if (!service_tag(s, r))
		return error(EAGAIN, "too many requests wait for the server");
	r->posted = rdtsc();
	r->generation = 0;
	held_add(s, r);
	return 0;
}

void
service_hold_wait(struct service *s, struct request *r)
{
	uint32_t work = __atomic_load_n(&thread_current()->work, __ATOMIC_RELAXED);
	int err = refuse(s, r);

	if (work & WORK_KILL || (work & WORK_NOTE && !r->sent))
		err = -EINTR;
	if (err != 0) {
		list_remove(&r->link);
		request_end(s, r, err);
	} else if (r->sent) {
		wait_on_kill(&s->changed, &s->lock, s->down_ns + r->wait_ns);
	} else {
		wait_on(&s->changed, &s->lock, s->down_ns + r->wait_ns);
	}
}

void
service_release(struct service *s, uint32_t generation)
{
	struct list *l;

	spin_lock(&s->lock);
	while (s->serving == generation && (l = list_pop(&s->held)) != NULL) {
		struct request *r = list_entry(l, struct request, link);

		if (r->once && r->sent) {
			request_end(s, r, -ERESTART);
			continue;
		}
		struct thread *t = request_post(s, r);

		if (t != NULL)
			sched_run_claimed(t);
	}
	if (s->serving == generation)
		s->state = SERVICE_ALIVE;
	wake_all(&s->changed);
	spin_unlock(&s->lock);
}
