/*
 * A 9P server on Lux9: requests come in place, by SYS_SERVE (lux9/ipc.h).
 *
 * Each worker has a request into whose members the kernel writes.  An answer that an operation
 * gives before it returns is not sent then: the worker's next SYS_SERVE sends it and waits for
 * the next request in one entry, into the same request.  Any other answer is sent at once, by a
 * SYS_SERVE that receives nothing.  Data of an answer must outlive the operation for that, so
 * small data is copied to the request's own room, and large data that is not held is sent at once.
 *
 * The kernel's tags are trusted: it uses none again before its answer, flushed or not.  An Rflush
 * may overtake the answer it is about: the request may be in the hands of a worker that has not
 * entered its tag yet, or has answered and not come to its SYS_SERVE.
 */
#include <errno.h>
#include <fcntl.h>
#include <os.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <lux9/calls.h>
#include "../../9p/srv.h"

#define COPY_MAX	2048		/* a second SYS_SERVE costs more than this copy */
#define BULK		(128 * 1024)	/* bytes of a write that arrive in one request */
#define RETRY_NS	10000000	/* between attempts when memory is short */

static long
serve(struct p9_conn *c, const struct ipc_rep *rep, struct p9_req *r, int64_t timeout_ns)
{
	return lux_call6(SYS_SERVE, c->fd, LUX_ARG(rep), r ? LUX_ARG(&r->in) : 0,
		r ? LUX_ARG(r->buf) : 0, r ? LUX_ARG(r->buf_size | c->serve_flags) : 0, timeout_ns);
}

static void
send_now(struct p9_req *r)
{
	uint32_t old;

	serve(r->conn, &r->out, NULL, 0);
	old = atomic_fetch_or(&r->state, REQ_ANSWERED);
	p9_answered(r, old & REQ_FLUSHED);
}

/* The worker's own answer can wait for its next entry.  What is held is not held that long. */
static bool
can_wait(struct p9_req *r)
{
	if (!r->release && (r->stable || r->out.length == 0))
		return true;
	if (r->out.length > COPY_MAX || !p9_req_room(&r->rbuf, &r->rbuf_size, COPY_MAX))
		return false;
	memcpy(r->rbuf, r->out.data, r->out.length);
	r->out.data = r->rbuf;
	if (r->release) {
		r->release(r->release_arg);
		r->release = NULL;
	}
	return true;
}

static void
lux_send(struct p9_req *r)
{
	if (p9_self && p9_self->current == r && can_wait(r))
		p9_self->ready = r;
	else
		send_now(r);
}

/* The answer of the operation that has just returned, if it can go with the next entry.  Fids are
 * given up first, unless that destroys one, which may own the data. */
static bool
combine(struct p9_worker *me, struct p9_req *r)
{
	uint32_t alone = 1;

	if (r->release || !atomic_compare_exchange_strong(&r->state, &alone, 1 | REQ_ANSWERED))
		return false;
	p9_release_fids(r);
	return me->dead == NULL;
}

static int
set_bulk(struct p9_req *r)
{
	if (r->in.type > 127)
		return -EOPNOTSUPP;
	if ((r->in.type != IPC_TREAD && r->in.type != IPC_TWRITE) || !(r->in.flags & IPC_DIRECT))
		return p9_set_bulk(r);
	r->seg = (const struct dma_seg *)r->buf;
	r->nsegs = r->in.length / (uint32_t)sizeof *r->seg;
	r->data = NULL;
	return 0;
}

static void
take(struct p9_worker *me, struct p9_req *r)
{
	int rc;

	r->wire_type = (uint8_t)r->in.type;
	rc = p9_req_begin(r);
	if (rc == 0 && p9_has_bulk(r))
		rc = set_bulk(r);
	me->current = r;
	if (rc)
		p9_error(r, rc, NULL);
	else
		p9_request(r);
	me->current = NULL;
}

/* A request to receive into; waits for memory, and is NULL only when the service stops. */
static struct p9_req *
fresh(struct p9_conn *c)
{
	while (!c->state->stopping) {
		struct p9_req *r = p9_req_new(c);

		if (r && p9_req_room(&r->buf, &r->buf_size, BULK))
			return r;
		if (r)
			p9_req_recycle(r);
		os_sleep_ns(RETRY_NS);
	}
	return NULL;
}

/* After an operation: what the next entry sends, or NULL; *r is the request to receive into. */
static const struct ipc_rep *
settle(struct p9_worker *me, struct p9_req **r)
{
	struct p9_req *ready = me->ready;
	struct p9_conn *c = me->conn;

	me->ready = NULL;
	if (ready && combine(me, ready))
		return &ready->out;
	if (ready && (atomic_load(&ready->state) & REQ_ANSWERED)) {
		serve(c, &ready->out, NULL, 0);
		p9_answered(ready, false);
	} else if (ready) {
		send_now(ready);
	}
	p9_after_request(me);
	*r = fresh(c);
	return NULL;
}

static void *
worker(void *arg)
{
	struct p9_conn *c = arg;
	struct p9_srv_state *st = c->state;
	struct p9_worker me = { 0 };
	const struct ipc_rep *rep = NULL;
	struct p9_req *r;
	long rc;

	p9_worker_begin(&me, c, st);
	r = fresh(c);
	while (r && !st->stopping) {
		rc = serve(c, rep, r, SYS_FOREVER);
		if (rc == 0) {
			take(&me, r);
			rep = settle(&me, &r);
		} else if (rc == -EINTR || (rc == -EINVAL && rep)) {
			rep = NULL;
		} else {
			break;
		}
	}
	if (rep)
		serve(c, rep, NULL, 0);
	if (r)
		p9_req_recycle(r);
	if (st->stopping)
		p9_flush_all(c);
	pthread_mutex_lock(&st->lock);
	if (!st->stopping)		/* the service is dead, and every worker finds it so */
		st->listening = false;
	pthread_mutex_unlock(&st->lock);
	p9_worker_end(st);
	p9_conn_put(c);
	p9_thread_over(st);
	return NULL;
}

int
p9_os_start(struct p9_srv *srv, const char *where)
{
	struct p9_srv_state *st = srv->state;
	struct p9_conn *c;
	char path[256];
	int fd, rc = 0, n = 0;

	if ((size_t)snprintf(path, sizeof path, "/srv/%s", where) >= sizeof path ||
	    strchr(where, '/') || strchr(where, '!'))
		return -EINVAL;
	/* Without O_EXCL, another server's name would open as a client's end of it.  A name whose
	 * server has gone and is waited for is taken over. */
	fd = os_open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd == -EEXIST)
		fd = os_open(path, O_TRUNC | O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	c = p9_conn_new(srv, -1);
	if (!c) {
		os_close(fd);
		return -ENOMEM;
	}
	p9_set_transport(c, lux_send);
	c->dialect = P9_2000L;
	c->msize = P9_MSIZE_MAX;
	c->trusted_tags = true;
	c->serve_flags = srv->ops->direct ? IPC_SERVE_DIRECT : 0;
	c->fd = fd;
	for (; n < st->nthreads && rc == 0; n++) {
		atomic_fetch_add(&c->refs, 1);
		rc = p9_thread(st, worker, c);
		if (rc)
			p9_conn_put(c);
	}
	p9_conn_put(c);
	return n > 1 || rc == 0 ? 0 : rc;
}

/* The kernel ends the services, and with them the workers' waiting. */
void
p9_os_stop(struct p9_srv_state *st)
{
	static const struct ipc_rep end;

	pthread_mutex_lock(&st->lock);
	for (struct p9_conn *c = st->conns; c; c = c->next)
		if (c->transmit == lux_send)
			serve(c, &end, NULL, 0);
	pthread_mutex_unlock(&st->lock);
}
