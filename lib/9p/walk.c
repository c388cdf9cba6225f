/*
 * Attach, walk, clunk, and the messages that name a file by its fid where operations name it by
 * its directory and name: remove and rename.
 *
 * A walk goes one name at a time, from each fid to a fresh one; the one it ends at takes its place
 * in the table last, so that a walk that fails half-way has changed nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "srv.h"

#define AT_REMOVEDIR_FLAG 0x200

bool
p9_fresh(struct p9_req *r)
{
	r->newfid = p9_fid_new(r->conn);
	if (!r->newfid)
		return p9_done_error(r, ENFILE, "too many fids");
	if (r->fid)
		r->newfid->uid = r->fid->uid;
	return true;
}

int
p9_fid_settle(struct p9_fid *f, const struct ipc_qid *qid, struct p9_fid *parent,
	const char *name)
{
	f->owned = true;
	f->qid = *qid;
	f->parent = parent;
	if (parent)
		p9_fid_ref(parent);
	return name ? p9_fid_set_name(f, name) : 0;
}

static void
drop(struct p9_fid **f)
{
	p9_fid_put_now(*f);
	*f = NULL;
}

static bool
in_use(struct p9_req *r, uint32_t num)
{
	struct p9_fid *f = p9_fid_get(r->conn, num);

	if (!f)
		return false;
	p9_fid_put_now(f);
	p9_error(r, EBUSY, "fid is in use");
	return true;
}

static bool
insert(struct p9_req *r, struct p9_fid *f, uint32_t num)
{
	int rc = p9_fid_insert(r->conn, f, num);

	return rc ? p9_done_error(r, rc, rc == -EBUSY ? "fid is in use" : NULL) : p9_done(r);
}

static bool
attached(struct p9_req *r)
{
	if (p9_failed(r))
		return p9_done(r);
	p9_fid_settle(r->fid, &r->out.qid, NULL, NULL);
	return insert(r, r->fid, r->in.fid);
}

void
p9_do_attach(struct p9_req *r)
{
	if (in_use(r, r->in.fid))
		return;
	if (r->in.newfid != P9_NOFID) {
		r->newfid = p9_fid_get(r->conn, r->in.newfid);
		if (!r->newfid || r->newfid->phase != FID_AUTH) {
			p9_error(r, EBADF, "not an auth fid");
			return;
		}
	}
	r->fid = p9_fid_new(r->conn);
	if (!r->fid) {
		p9_error(r, ENFILE, "too many fids");
		return;
	}
	r->fid->uid = r->in.uid;
	p9_next(r, r->srv->ops->attach, attached);
	p9_run(r);
}

static bool
authed(struct p9_req *r)
{
	if (p9_failed(r))
		return p9_done(r);
	p9_fid_settle(r->newfid, &r->out.qid, NULL, NULL);
	r->newfid->phase = FID_AUTH;
	return insert(r, r->newfid, r->in.fid);
}

void
p9_do_auth(struct p9_req *r)
{
	if (in_use(r, r->in.fid))
		return;
	if (!r->srv->ops->auth) {
		p9_error(r, ENOENT, "no authentication is needed");
		return;
	}
	if (!p9_fresh(r))
		return;
	r->newfid->uid = r->in.uid;
	p9_next(r, r->srv->ops->auth, authed);
	p9_run(r);
}

static bool
walk_reply(struct p9_req *r)
{
	r->out.type = IPC_TWALK + 1;
	r->out.error = 0;
	r->out.count = r->step;
	r->out.offset = 0;
	r->out.data = r->qids;
	r->out.length = r->step * sizeof r->qids[0];
	r->stable = true;
	return p9_done(r);
}

/* The walk ended where it began: the new fid is another for the same file. */
static int
clone_end(struct p9_req *r)
{
	struct p9_fid *from = r->fid, *to = p9_fid_new(r->conn), *parent;
	char name[P9_NAME_MAX + 1];
	int rc = 0;

	if (!to)
		return -ENFILE;
	to->uid = from->uid;
	if (r->srv->ops->clone)
		rc = r->srv->ops->clone(from, to);
	else
		to->aux = from->aux;
	if (rc == 0) {
		parent = p9_fid_parent(from);
		p9_fid_copy_name(from, name);
		rc = p9_fid_settle(to, &from->qid, parent, from->name ? name : NULL);
		p9_fid_put_now(parent);
	}
	if (rc) {
		p9_fid_put_now(to);
		return rc;
	}
	p9_fid_put_now(from);
	r->fid = to;
	return 0;
}

static bool
walk_end(struct p9_req *r)
{
	struct p9_fid *old;
	int rc;

	if (r->fid->num != P9_NOFID) {
		if (r->in.newfid == r->in.fid)
			return walk_reply(r);
		rc = clone_end(r);
		if (rc)
			return p9_done_error(r, rc, NULL);
	}
	if (r->in.newfid == r->in.fid) {
		old = p9_fid_get(r->conn, r->in.fid);
		rc = old && p9_fid_replace(r->conn, old, r->fid) ? 0 : -EBADF;
		p9_fid_put_now(old);
	} else {
		rc = p9_fid_insert(r->conn, r->fid, r->in.newfid);
	}
	return rc ? p9_done_error(r, rc, rc == -EBUSY ? "fid is in use" : NULL) : walk_reply(r);
}

static bool walked(struct p9_req *);

static bool
walk_on(struct p9_req *r)
{
	for (; r->step < r->nnames; r->step++) {
		const char *name = r->names[r->step];
		bool dir = r->fid->qid.type & P9_QTDIR;

		if (dir && (strcmp(name, ".") == 0 ||
		    (strcmp(name, "..") == 0 && !r->fid->parent))) {
			r->qids[r->step] = r->fid->qid;
			continue;
		}
		if (!dir && r->step == 0)
			return p9_done_error(r, ENOTDIR, NULL);
		if (!dir)
			return walk_reply(r);
		if (!p9_fresh(r))
			return false;
		r->name = name;
		return p9_next(r, r->srv->ops->walk, walked);
	}
	return walk_end(r);
}

/* Places a fid that ".." has found: where its directory was. */
static int
settle_up(struct p9_req *r)
{
	struct p9_fid *dir = p9_fid_parent(r->fid), *up = p9_fid_parent(dir);
	char name[P9_NAME_MAX + 1];
	int rc;

	p9_fid_copy_name(dir, name);
	rc = p9_fid_settle(r->newfid, &r->out.qid, up, up ? name : NULL);
	p9_fid_put_now(up);
	p9_fid_put_now(dir);
	return rc;
}

static bool
walked(struct p9_req *r)
{
	int rc;

	if (p9_failed(r)) {
		drop(&r->newfid);
		return r->step ? walk_reply(r) : p9_done(r);
	}
	rc = strcmp(r->name, "..") == 0 ? settle_up(r) :
		p9_fid_settle(r->newfid, &r->out.qid, r->fid, r->name);
	if (rc)
		return p9_done_error(r, rc, NULL);
	r->qids[r->step++] = r->newfid->qid;
	p9_fid_put_now(r->fid);
	r->fid = r->newfid;
	r->newfid = NULL;
	return walk_on(r);
}

void
p9_do_walk(struct p9_req *r)
{
	if (r->in.newfid != r->in.fid && in_use(r, r->in.newfid))
		return;
	if (r->in.newfid == P9_NOFID || r->fid->phase == FID_AUTH ||
	    r->fid->phase >= FID_XATTR_READ) {
		p9_error(r, EINVAL, "fid cannot be walked");
		return;
	}
	if (walk_on(r))
		p9_run(r);
}

void
p9_do_clunk(struct p9_req *r)
{
	if (r->fid->phase == FID_OPEN && r->fid->remove_on_clunk) {
		p9_do_remove(r);
		return;
	}
	if (!p9_fid_replace(r->conn, r->fid, NULL)) {
		p9_error(r, EBADF, "unknown fid");
		return;
	}
	if (r->fid->phase == FID_XATTR_WRITE) {
		if (p9_xattr_clunk(r))
			p9_run(r);
		return;
	}
	drop(&r->fid);
	p9_ok(r);
}

bool
p9_steps_new(struct p9_req *r)
{
	r->steps = calloc(1, sizeof *r->steps);
	return r->steps ? true : p9_done_error(r, ENOMEM, NULL);
}

void
p9_steps_free(struct p9_req *r)
{
	struct p9_steps *s = r->steps;

	p9_fid_put(s->orig);
	p9_fid_put(s->dir);
	free(s->ents);
	free(s->out);
	free(s);
	r->steps = NULL;
}

static bool
self_walked(struct p9_req *r)
{
	struct p9_steps *s = r->steps;
	bool same;

	if (p9_failed(r)) {
		drop(&r->newfid);
		return p9_done(r);
	}
	r->newfid->owned = true;
	same = r->out.qid.path == s->orig->qid.path;
	drop(&r->newfid);
	return same ? s->found(r) : p9_done_error(r, ENOENT, "another file has that name now");
}

bool
p9_find_self(struct p9_req *r, bool (*found)(struct p9_req *))
{
	struct p9_steps *s = r->steps;
	struct p9_fid *parent = p9_fid_parent(r->fid);

	if (!parent)
		return p9_done_error(r, EBUSY, "not possible with the root");
	p9_fid_copy_name(r->fid, s->name);
	s->orig = r->fid;
	s->found = found;
	r->fid = parent;
	r->name = s->name;
	if (!p9_fresh(r))
		return false;
	return p9_next(r, r->srv->ops->walk, self_walked);
}

static bool
removable(struct p9_req *r)
{
	struct p9_steps *s = r->steps;

	r->in.type = IPC_TUNLINKAT;
	r->in.flags = s->orig->qid.type & P9_QTDIR ? AT_REMOVEDIR_FLAG : 0;
	return p9_next(r, r->srv->ops->unlink, p9_done);
}

void
p9_do_remove(struct p9_req *r)
{
	if (!p9_fid_replace(r->conn, r->fid, NULL)) {
		p9_error(r, EBADF, "unknown fid");
		return;
	}
	if (p9_steps_new(r) && p9_find_self(r, removable))
		p9_run(r);
}

void
p9_moved(struct p9_req *r, struct p9_fid *parent, const char *name)
{
	struct p9_fid *f = r->steps->orig, *old;

	p9_fid_ref(parent);
	pthread_mutex_lock(&r->conn->name_lock);
	old = f->parent;
	f->parent = parent;
	pthread_mutex_unlock(&r->conn->name_lock);
	p9_fid_put_now(old);
	p9_fid_set_name(f, name);	/* without memory the old name stays, and is found out */
}

static bool
renamed(struct p9_req *r)
{
	if (!p9_failed(r))
		p9_moved(r, r->newfid, r->name2);
	return p9_done(r);
}

static bool
renamable(struct p9_req *r)
{
	struct p9_steps *s = r->steps;

	r->newfid = s->dir;
	s->dir = NULL;
	r->name = s->name;
	r->in.type = IPC_TRENAMEAT;
	return p9_next(r, r->srv->ops->rename, renamed);
}

void
p9_do_rename(struct p9_req *r)
{
	if (!p9_steps_new(r))
		return;
	r->name2 = r->name;
	r->steps->dir = r->newfid;
	r->newfid = NULL;
	if (p9_find_self(r, renamable))
		p9_run(r);
}
