/*
 * Extended attributes.  The protocol reads and writes them through a fid, in pieces; the file
 * server sees whole values: one is fetched at Txattrwalk, and set when its fid is clunked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "srv.h"

#define XATTR_FIDS 64	/* in one connection */

static struct p9_xattr *
xattr_new(struct p9_conn *conn, size_t size)
{
	struct p9_xattr *x;

	if (atomic_fetch_add(&conn->nxattr, 1) >= XATTR_FIDS) {
		atomic_fetch_sub(&conn->nxattr, 1);
		return NULL;
	}
	x = malloc(sizeof *x + size);
	if (!x) {
		atomic_fetch_sub(&conn->nxattr, 1);
		return NULL;
	}
	x->size = size;
	x->filled = 0;
	x->name[0] = 0;
	return x;
}

static bool
got(struct p9_req *r)
{
	struct p9_fid *f;
	int rc;

	if (p9_failed(r))
		return p9_done(r);
	if (!p9_fresh(r))
		return false;
	f = r->newfid;
	f->qid = r->fid->qid;
	f->xattr = xattr_new(r->conn, r->out.length);
	if (!f->xattr)
		return p9_done_error(r, ENOMEM, "too many extended attributes at once");
	if (r->out.length)
		memcpy(f->xattr->data, r->out.data, r->out.length);
	f->phase = FID_XATTR_READ;
	rc = p9_fid_insert(r->conn, f, r->in.newfid);
	if (rc)
		return p9_done_error(r, rc, rc == -EBUSY ? "fid is in use" : NULL);
	r->out.offset = r->out.length;
	r->out.length = 0;
	return p9_done(r);
}

void
p9_do_xattrwalk(struct p9_req *r)
{
	struct p9_fid *f = p9_fid_get(r->conn, r->in.newfid);

	if (f) {
		p9_fid_put_now(f);
		p9_error(r, EBUSY, "fid is in use");
		return;
	}
	r->in.count = P9_SRV_XATTR;
	p9_next(r, r->srv->ops->xattr_get, got);
	p9_run(r);
}

void
p9_xattr_read(struct p9_req *r)
{
	struct p9_xattr *x = r->fid->xattr;
	uint64_t from = r->in.offset < x->size ? r->in.offset : x->size;

	p9_reply_data(r, x->data + from, x->size - from);
}

void
p9_do_xattrcreate(struct p9_req *r)
{
	uint8_t fresh = FID_NEW;
	struct p9_xattr *x;

	if (!r->name[0] || r->in.offset > P9_SRV_XATTR) {
		p9_error(r, r->name[0] ? E2BIG : EINVAL, NULL);
		return;
	}
	if (!atomic_compare_exchange_strong(&r->fid->phase, &fresh, FID_BUSY)) {
		p9_error(r, EBUSY, "fid is open already");
		return;
	}
	x = xattr_new(r->conn, r->in.offset);
	if (!x) {
		atomic_store(&r->fid->phase, FID_NEW);
		p9_error(r, ENOMEM, "too many extended attributes at once");
		return;
	}
	x->flags = r->in.flags;
	strcpy(x->name, r->name);
	r->fid->xattr = x;
	atomic_store(&r->fid->phase, FID_XATTR_WRITE);
	p9_ok(r);
}

void
p9_xattr_write(struct p9_req *r)
{
	struct p9_xattr *x = r->fid->xattr;
	uint8_t phase = FID_XATTR_WRITE;

	if (!atomic_compare_exchange_strong(&r->fid->phase, &phase, FID_BUSY)) {
		p9_error(r, EBUSY, NULL);
		return;
	}
	if (r->in.offset != x->filled || r->in.count > x->size - x->filled) {
		atomic_store(&r->fid->phase, FID_XATTR_WRITE);
		p9_error(r, EINVAL, "extended attribute is written out of order or too long");
		return;
	}
	memcpy(x->data + x->filled, r->data, r->in.count);
	x->filled += r->in.count;
	atomic_store(&r->fid->phase, FID_XATTR_WRITE);
	p9_reply_count(r, r->in.count);
}

bool
p9_xattr_clunk(struct p9_req *r)
{
	struct p9_xattr *x = r->fid->xattr;

	if (x->filled != x->size)
		return p9_done_error(r, EINVAL, "extended attribute is not complete");
	r->in.type = IPC_TXATTRCREATE;
	r->in.count = (uint32_t)x->size;
	r->in.flags = x->flags;
	r->name = x->name;
	r->data = x->data;
	return p9_next(r, r->srv->ops->xattr_set, p9_done);
}
