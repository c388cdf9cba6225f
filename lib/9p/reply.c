/*
 * How a file server answers: the public reply calls.  Each fills r->out and gives it on, to the
 * next step of the request or to its transport.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "srv.h"

static void
answer(struct p9_req *r)
{
	if (r->then)
		p9_step_answered(r);
	else
		p9_finish(r);
}

static void
fill(struct p9_req *r, const void *data, size_t length)
{
	r->out.type = r->in.type + 1;
	r->out.error = 0;
	r->out.count = 0;
	r->out.offset = 0;
	r->out.data = data;
	r->out.length = length;
}

void
p9_ok(struct p9_req *r)
{
	fill(r, r->rbuf, r->rbuf_used);
	r->stable = true;
	answer(r);
}

static void
fail(struct p9_req *r, int error)
{
	error = error < 0 ? -error : error;
	if (error < 1 || error > 4095)
		error = EIO;
	if (r->u.error[0] == 0)
		snprintf(r->u.error, sizeof r->u.error, "%s", strerror(error));
	fill(r, r->u.error, strlen(r->u.error));
	r->out.type = IPC_RLERROR;
	r->out.error = (uint32_t)error;
	r->stable = true;
	answer(r);
}

void
p9_error(struct p9_req *r, int error, const char *text)
{
	r->u.error[0] = 0;
	if (text)
		snprintf(r->u.error, sizeof r->u.error, "%s", text);
	fail(r, error);
}

void
p9_fail(struct p9_req *r, int error, const char *fmt, ...)
{
	va_list ap;

	r->u.error[0] = 0;
	if (fmt) {
		va_start(ap, fmt);
		vsnprintf(r->u.error, sizeof r->u.error, fmt, ap);
		va_end(ap);
	}
	fail(r, error);
}

void
p9_reply_open_direct(struct p9_req *r, const struct ipc_qid *qid, uint32_t iounit, uint64_t direct)
{
	fill(r, NULL, 0);
	r->out.qid = *qid;
	r->out.count = iounit;
	r->out.offset = direct;
	r->stable = true;
	answer(r);
}

void
p9_reply_open(struct p9_req *r, const struct ipc_qid *qid, uint32_t iounit)
{
	p9_reply_open_direct(r, qid, iounit, 0);
}

void
p9_reply_qid(struct p9_req *r, const struct ipc_qid *qid)
{
	p9_reply_open(r, qid, 0);
}

void
p9_reply_count(struct p9_req *r, uint32_t count)
{
	fill(r, NULL, 0);
	r->out.count = count;
	r->stable = true;
	answer(r);
}

static void
no_memory(struct p9_req *r)
{
	p9_error(r, ENOMEM, NULL);
}

void
p9_reply_data(struct p9_req *r, const void *data, size_t length)
{
	const uint8_t *p = data;

	if (length > r->in.count)
		length = r->in.count;
	r->stable = r->rbuf && p >= r->rbuf && p < r->rbuf + r->rbuf_size;
	if (r->then && !r->stable) {	/* looked at later: see step.c */
		if (!p9_req_room(&r->rbuf, &r->rbuf_size, length + 1)) {
			no_memory(r);
			return;
		}
		if (length)
			memcpy(r->rbuf, data, length);
		data = r->rbuf;
	}
	fill(r, data, length);
	answer(r);
}

void
p9_reply_held(struct p9_req *r, const void *data, size_t length, void (*release)(void *),
	void *arg)
{
	if (r->then) {
		p9_reply_data(r, data, length);
		release(arg);
		return;
	}
	r->release = release;
	r->release_arg = arg;
	fill(r, data, length > r->in.count ? r->in.count : length);
	r->stable = true;
	answer(r);
}

void
p9_reply_attr(struct p9_req *r, const struct ipc_attr *attr)
{
	r->u.attr = *attr;
	fill(r, &r->u.attr, sizeof r->u.attr);
	r->out.qid = attr->qid;
	r->stable = true;
	answer(r);
}

void
p9_reply_statfs(struct p9_req *r, const struct ipc_statfs *statfs)
{
	r->u.statfs = *statfs;
	fill(r, &r->u.statfs, sizeof r->u.statfs);
	r->stable = true;
	answer(r);
}

void
p9_reply_lock(struct p9_req *r, const struct ipc_lock *lock)
{
	struct ipc_lock copy = *lock;	/* it may be r->data, within r->u */

	r->u.lock = copy;
	fill(r, &r->u.lock, sizeof r->u.lock);
	r->stable = true;
	answer(r);
}

void *
p9_buf(struct p9_req *r)
{
	return p9_req_room(&r->rbuf, &r->rbuf_size, r->in.count + 1) ? r->rbuf : NULL;
}

bool
p9_dirent(struct p9_req *r, const struct ipc_qid *qid, uint64_t next_offset, uint8_t type,
	const char *name)
{
	struct p9_dirent e = { *qid, next_offset, type, p9_str(name) };
	int n;

	if (!p9_buf(r))
		return false;
	n = p9_dirent_pack(r->rbuf + r->rbuf_used, r->in.count - r->rbuf_used, &e);
	if (n < 0)
		return false;
	r->rbuf_used += (size_t)n;
	return true;
}

bool
p9_cancelled(const struct p9_req *r)
{
	return (atomic_load_explicit(&r->state, memory_order_relaxed) & REQ_FLUSHED) ||
		atomic_load_explicit(&r->conn->dead, memory_order_relaxed);
}
