/*
 * What service.c, the client's side of a service, and serve.c, the server's, share.
 */
#pragma once
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

/* With the lock held: the number may be used again. */
void service_fid_give(struct service *s, uint32_t fid);
/*
 * With the lock held: the request is over.  Returns its client if it was claimed, to be run; a
 * request without a client goes to *orphan, to be disposed of.
 */
struct thread *request_done(struct service *s, struct request *r, struct request **orphan);
void request_dispose(struct request *r);
/* Drops the lock; the claimed thread t, if there is one, is to run. */
void service_unlock_run(struct service *s, struct thread *t);
/* With the lock held: the current thread will sleep until claimed; false: it has to stop. */
bool service_sleep_begin(struct thread *t, uint32_t stop);
/* Drops the lock and sleeps, as begun; the claimed thread t, if there is one, runs in its place. */
void service_unlock_sleep(struct service *s, struct thread *t);
/* Ends every request of a service that has died, but for those that a server is about to end. */
void service_fail_all(struct service *s);
/* The service is dead: its requests fail, and servers that wait are told. */
void service_hang_up(struct service *s);
