/*
 * A service as a whole: start, stop, wait, its connections' and workers' accounts, its figures.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <os.h>
#include "srv.h"

_Thread_local struct p9_worker *p9_self;

#define THREADS_MAX 256

struct p9_conn *
p9_conn_new(struct p9_srv *srv, int fd)
{
	struct p9_srv_state *st = srv->state;
	uint32_t max = srv->max_conns ? srv->max_conns : P9_SRV_CONNS;
	struct p9_conn *c = calloc(1, sizeof *c);
	bool room;

	if (!c)
		return NULL;
	c->srv = srv;
	c->state = st;
	c->fd = fd;
	c->refs = 1;
	c->msize = srv->msize ? srv->msize : P9_SRV_MSIZE;
	if (c->msize > P9_MSIZE_MAX)
		c->msize = P9_MSIZE_MAX;
	c->queue_tail = &c->queue;
	pthread_mutex_init(&c->fids.lock, NULL);
	pthread_mutex_init(&c->flush_lock, NULL);
	pthread_mutex_init(&c->name_lock, NULL);
	pthread_mutex_init(&c->write_lock, NULL);
	pthread_mutex_init(&c->queue_lock, NULL);
	pthread_cond_init(&c->queue_cond, NULL);
	pthread_mutex_lock(&st->lock);
	room = st->nconns < max && !st->stopping;
	if (room) {
		st->nconns++;
		c->next = st->conns;
		st->conns = c;
	}
	pthread_mutex_unlock(&st->lock);
	if (!room) {
		free(c);
		return NULL;
	}
	return c;
}

void
p9_conn_put(struct p9_conn *c)
{
	struct p9_srv_state *st = c->state;
	struct p9_conn **p;

	if (atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	pthread_mutex_lock(&st->lock);
	for (p = &st->conns; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	c->next = st->dead_conns;
	st->dead_conns = c;
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
}

void
p9_conn_free(struct p9_conn *c)
{
	struct p9_srv_state *st = c->state;

	p9_fid_clear(c);
	p9_fidtab_free(&c->fids);
	p9_tagtab_free(&c->tags);
	if (c->fd >= 0)
		close(c->fd);
	pthread_mutex_destroy(&c->flush_lock);
	pthread_mutex_destroy(&c->name_lock);
	pthread_mutex_destroy(&c->write_lock);
	pthread_mutex_destroy(&c->queue_lock);
	pthread_cond_destroy(&c->queue_cond);
	free(c->ahead);
	free(c);
	pthread_mutex_lock(&st->lock);
	st->nconns--;
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
}

void
p9_worker_begin(struct p9_worker *w, struct p9_conn *conn, struct p9_srv_state *st)
{
	w->conn = conn;
	p9_self = w;
	pthread_mutex_lock(&st->lock);
	w->next = st->workers;
	st->workers = w;
	pthread_mutex_unlock(&st->lock);
}

static void
fold(struct p9_counters *to, struct p9_counters *from)
{
	to->requests += from->requests;
	to->done += from->done;
	to->errors += from->errors;
	to->bytes_read += from->bytes_read;
	to->bytes_written += from->bytes_written;
}

void
p9_worker_end(struct p9_srv_state *st)
{
	struct p9_worker *w = p9_self, **p;

	p9_after_request(w);	/* what the last flush has answered may have held fids */
	p9_self = NULL;
	pthread_mutex_lock(&st->lock);
	for (p = &st->workers; *p != w; p = &(*p)->next)
		;
	*p = w->next;
	fold(&st->n, &w->n);
	if (w->spare) {
		os_lock_take(&st->reqs_lock);
		w->spare->next = st->free_reqs;
		st->free_reqs = w->spare;
		os_lock_give(&st->reqs_lock);
	}
	pthread_mutex_unlock(&st->lock);
}

void
p9_after_request(struct p9_worker *w)
{
	while (w->dead) {
		struct p9_fid *list = w->dead;

		w->dead = NULL;
		p9_fid_drain(list);
	}
}


int
p9_thread(struct p9_srv_state *st, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t t;
	int rc;

	pthread_mutex_lock(&st->lock);
	st->live_threads++;
	pthread_mutex_unlock(&st->lock);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&t, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	if (rc)
		p9_thread_over(st);
	return -rc;
}

void
p9_thread_over(struct p9_srv_state *st)
{
	pthread_mutex_lock(&st->lock);
	st->live_threads--;
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
}

static void
state_free(struct p9_srv *srv)
{
	struct p9_srv_state *st = srv->state;

	while (st->free_reqs) {
		struct p9_req *r = st->free_reqs;

		st->free_reqs = r->next;
		free(r->buf);
		free(r->rbuf);
		free(r);
	}
	while (st->free_fids) {
		struct p9_fid *f = st->free_fids;

		st->free_fids = f->next;
		free(f);
	}
	pthread_mutex_destroy(&st->lock);
	pthread_cond_destroy(&st->changed);
	free(st);
	srv->state = NULL;
}

static int
begin(struct p9_srv *srv, const char *where)
{
	char *end;
	long fd;

	if (!where)
		return 0;
	if (strncmp(where, "fd!", 3) != 0)
		return p9_os_start(srv, where);
	fd = strtol(where + 3, &end, 10);
	if (end == where + 3 || *end || fd < 0 || fd > INT32_MAX)
		return -EINVAL;
	return p9_srv_add_fd(srv, (int)fd);
}

int
p9_srv_start(struct p9_srv *srv, const char *where, int nthreads)
{
	struct p9_srv_state *st;
	int rc;

	if (nthreads < 1 || nthreads > THREADS_MAX ||
	    (srv->msize && srv->msize < P9_MSIZE_MIN))
		return -EINVAL;
	st = calloc(1, sizeof *st);
	if (!st)
		return -ENOMEM;
	st->srv = srv;
	st->nthreads = nthreads;
	st->listen_fd = -1;
	st->listening = true;
	pthread_mutex_init(&st->lock, NULL);
	pthread_cond_init(&st->changed, NULL);
	srv->state = st;
	rc = p9_helper_start(st);
	if (rc) {
		state_free(srv);
		return rc;
	}
	rc = begin(srv, where);
	if (rc) {
		p9_srv_stop(srv);
		p9_srv_wait(srv);
		p9_srv_free(srv);
		return rc;
	}
	if (where && strncmp(where, "fd!", 3) == 0) {
		pthread_mutex_lock(&st->lock);
		st->listening = false;
		pthread_cond_broadcast(&st->changed);
		pthread_mutex_unlock(&st->lock);
	}
	return 0;
}

int
p9_srv_wait(struct p9_srv *srv)
{
	struct p9_srv_state *st = srv->state;

	pthread_mutex_lock(&st->lock);
	while (st->listening || st->nconns || st->live_threads || st->stoppers)
		pthread_cond_wait(&st->changed, &st->lock);
	pthread_mutex_unlock(&st->lock);
	p9_os_stop(st);
	if (!srv->keep)
		state_free(srv);
	return 0;
}

void
p9_srv_free(struct p9_srv *srv)
{
	if (srv->state)
		state_free(srv);
}

void
p9_srv_stop(struct p9_srv *srv)
{
	struct p9_srv_state *st = srv->state;

	pthread_mutex_lock(&st->lock);
	st->stopping = true;
	st->listening = false;
	st->stoppers++;		/* p9_srv_wait leaves the state until we are out of it */
	for (struct p9_conn *c = st->conns; c; c = c->next)
		p9_wire_cut(c);
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
	p9_os_stop(st);
	pthread_mutex_lock(&st->lock);
	st->stoppers--;
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
}

int
p9_serve(struct p9_srv *srv, const char *where, int nthreads)
{
	int rc = p9_srv_start(srv, where, nthreads);

	return rc ? rc : p9_srv_wait(srv);
}

int
p9_srv_add_fd(struct p9_srv *srv, int fd)
{
	return p9_wire_start(srv, fd);
}

int
p9_srv_port(const struct p9_srv *srv)
{
	return srv->state ? srv->state->port : 0;
}

void
p9_srv_stats(struct p9_srv *srv, struct p9_srv_stats *out)
{
	struct p9_srv_state *st = srv->state;
	struct p9_counters sum = { 0 };
	uint64_t now = os_time_ns(), age;

	memset(out, 0, sizeof *out);
	if (!st)
		return;
	pthread_mutex_lock(&st->lock);
	fold(&sum, &st->n);
	for (struct p9_worker *w = st->workers; w; w = w->next)
		fold(&sum, &w->n);
	for (struct p9_conn *c = st->conns; c; c = c->next) {
		age = p9_oldest(c, now);
		if (age > out->oldest_ns)
			out->oldest_ns = age;
		out->fids += c->nfids;
	}
	out->conns = st->nconns;
	out->last_error_ns = st->last_error_ns;
	memcpy(out->last_error, st->last_error, sizeof out->last_error);
	pthread_mutex_unlock(&st->lock);
	out->requests = sum.requests;
	out->errors = sum.errors;
	out->bytes_read = sum.bytes_read;
	out->bytes_written = sum.bytes_written;
	out->inflight = (uint32_t)(sum.requests > sum.done ? sum.requests - sum.done : 0);
}
