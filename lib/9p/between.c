/*
 * For a server that stands between clients and another server, and tries out what goes wrong there:
 * it sees what the library otherwise does by itself.
 *
 * A message that has no operation (clunk, remove, flush, a walk of no names, xattrcreate) is a step
 * before its handler: ops->message is the operation, and p9_carry_out its answer.  An answer, of
 * any message, goes to ops->answered in place of the transport, which p9_send gives it to.
 */
#include <errno.h>
#include "srv.h"

/* A clunk or a remove that fails has given its fid up all the same [9P, clunk(5), remove(5)]. */
static bool
refused(struct p9_req *r)
{
	if (r->wire_type == IPC_TCLUNK || r->wire_type == IPC_TREMOVE)
		p9_fid_replace(r->conn, r->fid, NULL);
	return p9_done(r);
}

static bool
offered(struct p9_req *r)
{
	if (p9_failed(r))
		return refused(r);
	r->then = NULL;
	r->carry(r);
	return false;
}

void
p9_offer(struct p9_req *r, void (*carry)(struct p9_req *))
{
	r->carry = carry;
	p9_next(r, r->srv->ops->message, offered);
	p9_run(r);
}

void
p9_carry_out(struct p9_req *r)
{
	p9_ok(r);
}

void
p9_answer_first(struct p9_req *r)
{
	r->srv->ops->answered(r);
}

void
p9_send(struct p9_req *r)
{
	r->conn->transmit(r);
}
