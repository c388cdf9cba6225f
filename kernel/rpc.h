/*
 * Requests to services: service.c.  What the mount driver uses; a server's side is SYS_SERVE.
 */
#pragma once
#include <lux9/ipc.h>

#include "service.h"

/* Up to this many bytes two copies through the kernel cost less than finding the user's page. */
#define REQUEST_SMALL 128
/* From this many on, pinning them for a device costs less than a copy. */
#define REQUEST_DIRECT 16384u

enum request_state { REQ_IDLE, REQ_QUEUED, REQ_ACTIVE, REQ_COPYING, REQ_DONE, REQ_HELD };

/*
 * One request.  Its caller fills head and the two bulks, calls service_call(), and reads the
 * reply.  A bulk is the current thread's memory (user) or the kernel's; kernel memory must be
 * `kbuf`, which the request owns, or stay valid while the request is not REQ_DONE.
 */
struct request {
	struct list link;		/* in the service's queue */
	struct service *service;
	uint32_t state;			/* enum request_state; under the service's lock */
	struct thread *client;		/* who waits, or NULL */
	struct as *as;			/* the client's, if user_src or user_dst */
	uint64_t wait_ns;		/* of a recoverable mount; 0: not one */
	uint64_t posted;		/* when it last went to the server or its queue; TSC */
	uint32_t generation;		/* of the server that it last went to */
	bool sent;			/* it may have been done: only a kill ends the wait */
	bool once;			/* is not sent twice: -ERESTART when it might be */
	bool recovers;			/* the recovery's own: goes before the others */
	bool makes_fid;
	uint16_t direct;		/* large; what the file says of direct requests, or 0 */
	uint16_t lost;			/* true: a server went while it had `pinned` */
	struct ipc_req head;
	const void *src;
	void *dst;
	uint32_t nsrc, ndst;
	bool user_src, user_dst;
	struct buffer *pinned;		/* the client's pages that a server has; dev/dma.c */
	bool waiting;			/* the client waits for REQ_COPYING to end */
	/* The reply. */
	int32_t error;			/* 0 or a negative errno */
	uint32_t count, got;		/* got: bytes in dst */
	uint64_t offset;
	struct ipc_qid qid;
	/* Without a waiter: what is to be done when the reply comes. */
	struct request *flushed;	/* IPC_TFLUSH: the request meant, until that is over */
	struct request *flusher;	/* the flush of this one; keeps the tag from reuse */
	bool inline_dst;		/* the reply's bulk is in `small` */
	uint8_t small[REQUEST_SMALL];	/* a bulk that is too short for the other address space */
	uint32_t fid;			/* a fid that the request frees (clunk) or makes */
	void *kbuf;
};

#define NOFID UINT32_MAX

/* The current thread's request, emptied; NULL if memory is short. */
struct request *request_get(void);
/*
 * Sends r and waits.  0 or a negative errno (r->error), the text recorded; -EINTR after a note,
 * when the server has been told; then r may be gone, and the fid it was to make (fid, makes_fid)
 * is freed: callers use r only after 0.  When the server goes meanwhile: doc/recovery.md.
 */
int service_call(struct service *s, struct request *r);
/* Sends a clunk, if the server of that generation lives, and frees the number; nobody waits. */
void service_clunk(struct service *s, uint32_t fid, uint32_t generation);
uint32_t service_fid(struct service *s);	/* NOFID if there is none */
void service_fid_free(struct service *s, uint32_t fid);
/* The thread ends. */
void request_free(struct thread *t);
