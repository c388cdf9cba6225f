/*
 * Requests that take several operations, one after another, each answered at once or later.
 *
 * p9_run() calls an operation with phase RUNNING.  If its answer comes before it returns, the
 * answer finds RUNNING, and p9_run() goes on by itself when the operation returns: no recursion,
 * and none of the server's locks held.  Otherwise p9_run() parks the request, and its answer, from
 * whatever thread, hands it to the helper thread, which goes on.
 *
 * The helper thread also destroys fids and connections whose last use ended in a thread of the
 * server's.
 */
#include <errno.h>
#include "srv.h"

void
p9_run(struct p9_req *r)
{
	do {
		uint32_t running = STEP_RUNNING;

		atomic_store(&r->phase, STEP_RUNNING);
		if (r->op)
			r->op(r);
		else
			p9_fail(r, EOPNOTSUPP, NULL);
		if (atomic_compare_exchange_strong(&r->phase, &running, STEP_PARKED))
			return;
	} while (r->then(r));
}

void
p9_step_answered(struct p9_req *r)
{
	struct p9_srv_state *st = r->conn->state;

	if (atomic_exchange(&r->phase, STEP_DONE) == STEP_RUNNING)
		return;
	pthread_mutex_lock(&st->lock);
	r->next = st->parked;
	st->parked = r;
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
}

bool
p9_done(struct p9_req *r)
{
	r->then = NULL;
	if (!p9_failed(r))
		r->out.type = r->wire_type + 1u;
	p9_finish(r);
	return false;
}

bool
p9_done_error(struct p9_req *r, int error, const char *text)
{
	r->then = NULL;
	p9_error(r, error, text);
	return false;
}

static void
go_on(struct p9_req *list)
{
	while (list) {
		struct p9_req *r = list;

		list = r->next;
		r->next = NULL;
		if (r->then(r))
			p9_run(r);
	}
}

static void *
helper(void *arg)
{
	struct p9_srv_state *st = arg;
	struct p9_worker me = { 0 };

	p9_worker_begin(&me, NULL, st);
	pthread_mutex_lock(&st->lock);
	while (st->nconns || st->listening || st->parked || st->dead_fids || st->dead_conns) {
		struct p9_req *parked = st->parked;
		struct p9_fid *fids = st->dead_fids;
		struct p9_conn *conn = st->dead_conns;

		if (!parked && !fids && !conn) {
			pthread_cond_wait(&st->changed, &st->lock);
			continue;
		}
		st->parked = NULL;
		st->dead_fids = NULL;
		st->dead_conns = conn ? conn->next : NULL;
		pthread_mutex_unlock(&st->lock);
		p9_fid_drain(fids);
		go_on(parked);
		p9_after_request(&me);
		if (conn)
			p9_conn_free(conn);
		pthread_mutex_lock(&st->lock);
	}
	pthread_mutex_unlock(&st->lock);
	p9_worker_end(st);
	p9_thread_over(st);
	return NULL;
}

int
p9_helper_start(struct p9_srv_state *st)
{
	return p9_thread(st, helper, st);
}
