/*
 * What service.c, the client's side of a service, and serve.c, the server's, share.
 */
#pragma once
#include "amd64/cpu.h"
#include "lock.h"
#include "procs.h"

struct pool {			/* small numbers, the lowest unused first while none were freed */
	uint32_t *free;
	uint32_t nfree, next, size, max;
};

struct server_wait {
	struct list link;
	struct thread *thread;
	struct request *request;
};

enum service_state {
	SERVICE_ALIVE,
	SERVICE_RECOVERING,		/* a successor's fids are made again, the rest is held */
	SERVICE_DOWN,			/* waits for a successor */
	SERVICE_FAILED,			/* the same, but its callers do not wait */
	SERVICE_DEAD
};

#define LATENCY_BUCKETS 64		/* powers of two of TSC ticks */

struct service {
	struct spinlock lock;
	uint32_t refs;
	uint32_t state;			/* enum service_state */
	uint32_t serving;		/* the generation of the server's end; 0: there is none */
	uint32_t generation;		/* the latest */
	uint32_t ended;			/* the last of which all ends are closed */
	struct list queue;		/* requests that no server has taken */
	struct list idle;		/* server_wait, the latest first */
	struct request **tag;
	struct pool tags, fids;
	uint64_t latency[LATENCY_BUCKETS];	/* of answers of this generation */
	/* Recovery. */
	struct list held;		/* requests, by `posted` */
	struct waitq changed;		/* the state, or a held request's */
	uint64_t down_ns;		/* when the last server went */
	uint32_t recoverable;		/* mounts that are */
	struct list mounts;		/* dev/mnt_fid.c */
	const void *names;		/* who changes names: a thread, or its request */
	struct waitq names_free;
	uint32_t renames;		/* how many there were */
	struct rename *renaming;	/* the last that recovery needs to know of */
	/* Whose it is. */
	struct list all;
	uint64_t slot;			/* of /dev/sip; 0: none */
	uint32_t uid;
};

/* With the lock held: the number may be used again. */
void service_fid_give(struct service *s, uint32_t fid);
/*
 * With the lock held, after a request without a client is over: what it had made or was to free.
 * Returns a fid that must still be clunked, or NOFID.
 */
uint32_t orphan_ends(struct service *s, struct request *r);
void request_dispose(struct request *r);
/* Drops the lock; the claimed thread t, if there is one, is to run. */
void service_unlock_run(struct service *s, struct thread *t);
/* With the lock held: the current thread will sleep until claimed; false: it has to stop. */
bool service_sleep_begin(struct thread *t, uint32_t stop);
/* Drops the lock and sleeps, as begun; the claimed thread t, if there is one, runs in its place. */
void service_unlock_sleep(struct service *s, struct thread *t);

/* held.c */
/*
 * With the lock held: requests of servers that have gone are held, failed or ended.  Called when a
 * server goes, and by a server's thread that finds itself gone in the middle of a copy.
 */
void service_lose(struct service *s);
/* The server of that generation has gone; nothing if another serves. */
void service_hang_up(struct service *s, uint32_t generation);
/* With the lock held, the state not ALIVE: r is held (0), or why not. */
int service_hold(struct service *s, struct request *r);
/* With the lock held, r HELD: waits; r is another state's, or over with an error. */
void service_hold_wait(struct service *s, struct request *r);
/* With the lock held: r is over, which no server has. */
void request_end(struct service *s, struct request *r, int err);
/* The fids are there again: whatever was held goes on.  Nothing if that server has gone, too. */
void service_release(struct service *s, uint32_t generation);

/* dev/mnt_fid.c */
/* With the lock held: what became of the rename under way is known; changes the paths, if done. */
void rename_over(struct service *s, bool done);
void rename_free(struct rename *n);	/* NULL is valid */

/* dev/mnt_recover.c: a kernel thread that makes the fids of that generation, and releases. */
int recovery_start(struct service *s, uint32_t generation);

/* With the lock held: for a successor. */
static inline bool
service_waits(const struct service *s)
{
	return s->state == SERVICE_DOWN || s->state == SERVICE_FAILED;
}

/* With the lock held: the next may change names. */
static inline void
names_free(struct service *s)
{
	s->names = NULL;
	wake_one(&s->names_free);
}

/* --- what every request goes through: with the lock held -------------------------------------- */

bool service_tag_new(struct service *s, struct request *r);

/* A tag for r; false if there are too many requests. */
static inline bool
service_tag(struct service *s, struct request *r)
{
	uint32_t tag;

	if (unlikely(s->tags.nfree == 0))
		return service_tag_new(s, r);
	tag = s->tags.free[--s->tags.nfree];
	s->tag[tag] = r;
	r->head.tag = tag;
	return true;
}

static inline void
service_tag_give(struct service *s, uint32_t tag)
{
	s->tag[tag] = NULL;
	s->tags.free[s->tags.nfree++] = tag;
}

/* A waiting server's thread, claimed, with r; or NULL, and r is queued. */
static inline __attribute__((always_inline)) struct thread *
request_post(struct service *s, struct request *r)
{
	struct list *l;

	r->posted = rdtsc();
	r->generation = s->serving;
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

/*
 * The request is over.  Returns its client if it was claimed, to be run; a request without a client
 * goes to *orphan, to be ended by orphan_ends and request_dispose.
 */
static inline __attribute__((always_inline)) struct thread *
request_done(struct service *s, struct request *r, struct request **orphan)
{
	struct thread *t = r->client;
	uint64_t ticks = rdtsc() - r->posted;

	s->latency[63 - __builtin_clzl(ticks | 1)]++;
	if (unlikely(r->head.type == IPC_TFLUSH)) {
		if (r->flushed != NULL)
			r->flushed->flusher = NULL;
		else
			service_tag_give(s, r->head.newfid);
	}
	if (unlikely(r->flusher != NULL)) {
		r->flusher->flushed = NULL;
		r->flusher = NULL;
		s->tag[r->head.tag] = NULL;
	} else {
		service_tag_give(s, r->head.tag);
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
