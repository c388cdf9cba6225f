/*
 * Opening and creating, in both dialects.  A fid is FID_BUSY while it happens, so that two
 * requests cannot open it at once.
 */
#include <errno.h>
#include <fcntl.h>
#include "srv.h"

static bool
begin(struct p9_req *r)
{
	uint8_t fresh = FID_NEW;

	if (atomic_compare_exchange_strong(&r->fid->phase, &fresh, FID_BUSY))
		return true;
	p9_error(r, EBUSY, "fid is open already");
	return false;
}

static void
open_fid(struct p9_req *r, struct p9_fid *f)
{
	f->flags = r->in.flags;
	f->is_open = true;
	if (r->wire_type == P9_TOPEN)
		f->remove_on_clunk = r->in.mode & P9_ORCLOSE;
	else if (r->wire_type == P9_TCREATE)
		f->remove_on_clunk = r->steps->omode & P9_ORCLOSE;
	atomic_store(&f->phase, FID_OPEN);
}

static bool
opened(struct p9_req *r)
{
	if (p9_failed(r))
		atomic_store(&r->fid->phase, FID_NEW);
	else
		open_fid(r, r->fid);
	return p9_done(r);
}

static void
open_default(struct p9_req *r)
{
	p9_reply_open(r, &r->fid->qid, 0);
}

void
p9_do_open(struct p9_req *r)
{
	void (*op)(struct p9_req *) = r->srv->ops->open ? r->srv->ops->open : open_default;

	r->in.flags &= ~(uint32_t)(O_CREAT | O_EXCL);
	if ((r->fid->qid.type & P9_QTDIR) &&
	    ((r->in.flags & O_ACCMODE) != O_RDONLY || (r->in.flags & O_TRUNC))) {
		p9_error(r, EISDIR, NULL);
		return;
	}
	if (!begin(r))
		return;
	p9_next(r, op, opened);
	p9_run(r);
}

/* The new file's fid, open, takes the place of its directory's. */
static bool
replace_dir(struct p9_req *r, struct p9_fid *dir, struct p9_fid *f)
{
	open_fid(r, f);
	atomic_store(&dir->phase, FID_NEW);
	if (!p9_fid_replace(r->conn, dir, f))
		return p9_done_error(r, EBADF, "unknown fid");
	return p9_done(r);
}

static bool
create_failed(struct p9_req *r, struct p9_fid *dir)
{
	atomic_store(&dir->phase, FID_NEW);
	return p9_done(r);
}

static bool
created(struct p9_req *r)
{
	int rc;

	if (p9_failed(r))
		return create_failed(r, r->fid);
	rc = p9_fid_settle(r->newfid, &r->out.qid, r->fid, r->name);
	if (rc) {
		atomic_store(&r->fid->phase, FID_NEW);
		return p9_done_error(r, rc, NULL);
	}
	return replace_dir(r, r->fid, r->newfid);
}

static bool
create(struct p9_req *r)
{
	struct p9_fid *dir = r->fid;

	r->in.type = IPC_TLCREATE;
	if (!p9_fresh(r)) {
		atomic_store(&dir->phase, FID_NEW);
		return false;
	}
	return p9_next(r, r->srv->ops->create, created);
}

void
p9_do_create(struct p9_req *r)
{
	if (!begin(r))
		return;
	r->in.flags &= ~(uint32_t)O_CREAT;
	if (create(r))
		p9_run(r);
}

static uint32_t
flags_of(uint32_t omode)
{
	static const uint32_t access[4] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY };

	return access[omode & 3] | (omode & P9_OTRUNC ? (uint32_t)O_TRUNC : 0);
}

void
p9_plain_open(struct p9_req *r)
{
	r->in.type = IPC_TLOPEN;
	r->in.flags = flags_of(r->in.mode);
	p9_do_open(r);
}

static bool
dir_opened(struct p9_req *r)
{
	struct p9_steps *s = r->steps;

	return p9_failed(r) ? create_failed(r, s->dir) : replace_dir(r, s->dir, r->fid);
}

static bool
dir_walked(struct p9_req *r)
{
	struct p9_steps *s = r->steps;
	int rc;

	if (p9_failed(r))
		return create_failed(r, r->fid);
	rc = p9_fid_settle(r->newfid, &r->out.qid, r->fid, r->name);
	if (rc) {
		atomic_store(&r->fid->phase, FID_NEW);
		return p9_done_error(r, rc, NULL);
	}
	s->dir = r->fid;
	r->fid = r->newfid;
	r->newfid = NULL;
	r->in.type = IPC_TLOPEN;
	r->in.flags = O_RDONLY;
	return p9_next(r, r->srv->ops->open ? r->srv->ops->open : open_default, dir_opened);
}

static bool
dir_made(struct p9_req *r)
{
	struct p9_fid *dir = r->fid;

	if (p9_failed(r))
		return create_failed(r, dir);
	r->in.type = IPC_TWALK;
	if (!p9_fresh(r)) {
		atomic_store(&dir->phase, FID_NEW);
		return false;
	}
	return p9_next(r, r->srv->ops->walk, dir_walked);
}

/* The permissions of a new file are cut by its directory's [open(5)]. */
static bool
dir_known(struct p9_req *r)
{
	struct p9_steps *s = r->steps;
	uint32_t keep = s->perm & P9_DMDIR ? 0777 : 0666;

	if (p9_failed(r))
		return create_failed(r, r->fid);
	r->in.flags = flags_of(s->omode) | O_EXCL;
	r->in.mode = s->perm & (~keep | (r->u.attr.mode & keep)) & 0777;
	r->in.gid = r->u.attr.gid;
	if (!(s->perm & P9_DMDIR))
		return create(r);
	r->in.type = IPC_TMKDIR;
	return p9_next(r, r->srv->ops->mkdir, dir_made);
}

void
p9_plain_create(struct p9_req *r)
{
	uint32_t perm = r->in.mode, omode = r->in.flags;

	if (perm & (P9_DMAPPEND | P9_DMEXCL)) {
		p9_error(r, EOPNOTSUPP, "append-only and exclusive files are not supported");
		return;
	}
	if ((perm & P9_DMDIR) && ((omode & 3) == P9_OWRITE || (omode & 3) == P9_ORDWR)) {
		p9_error(r, EISDIR, NULL);
		return;
	}
	if (!p9_steps_new(r))
		return;
	if (!begin(r))
		return;
	r->steps->perm = perm;
	r->steps->omode = omode;
	r->in.type = IPC_TGETATTR;
	r->in.offset = P9_GETATTR_BASIC;
	p9_next(r, r->srv->ops->getattr, dir_known);
	p9_run(r);
}
