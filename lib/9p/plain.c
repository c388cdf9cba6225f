/*
 * What plain 9P2000 says with stat records, in terms of the operations: stat, wstat, and reading a
 * directory.  Users and groups are decimal numbers.  [Plan 9 manual, stat(5), read(5)]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <lux9/sys.h>
#include "srv.h"

#define DIR_CHUNK 4096	/* bytes of entries that are looked at in one go */
#define DIR_BIGGEST (P9_NAME_MAX + 24)

uint32_t
p9_plain_mode(const struct ipc_attr *a)
{
	return (a->mode & 0777) | (a->qid.type & P9_QTDIR ? P9_DMDIR : 0);
}

static int
pack_stat(uint8_t *buf, size_t n, const struct ipc_attr *a, const char *name)
{
	struct p9_stat s = { .qid = a->qid, .mode = p9_plain_mode(a) };
	char uid[16], gid[16];

	snprintf(uid, sizeof uid, "%u", a->uid);
	snprintf(gid, sizeof gid, "%u", a->gid);
	s.qid.type &= (uint8_t)~P9_QTSYMLINK;
	s.atime = (uint32_t)a->atime_sec;
	s.mtime = (uint32_t)a->mtime_sec;
	s.length = a->qid.type & P9_QTDIR ? 0 : a->size;
	s.name = p9_str(name);
	s.uid = p9_str(uid);
	s.gid = p9_str(gid);
	s.muid = s.uid;
	return p9_stat_pack(buf, n, &s);
}

static bool
answer_data(struct p9_req *r, const void *data, size_t n)
{
	r->out.error = 0;
	r->out.type = 0;
	r->out.data = data;
	r->out.length = n;
	r->stable = false;
	return p9_done(r);
}

static bool
stat_known(struct p9_req *r)
{
	char name[P9_NAME_MAX + 1];
	struct ipc_attr a;
	int n;

	if (p9_failed(r))
		return p9_done(r);
	a = r->u.attr;
	p9_fid_copy_name(r->fid, name);
	r->in.count = 2 * P9_NAME_MAX;
	if (!p9_buf(r))
		return p9_done_error(r, ENOMEM, NULL);
	n = pack_stat(r->rbuf, r->rbuf_size, &a, name);
	return n < 0 ? p9_done_error(r, n, NULL) : answer_data(r, r->rbuf, (size_t)n);
}

void
p9_plain_stat(struct p9_req *r)
{
	r->in.type = IPC_TGETATTR;
	r->in.offset = P9_GETATTR_BASIC;
	p9_next(r, r->srv->ops->getattr, stat_known);
	p9_run(r);
}

/* --- wstat -------------------------------------------------------------------------------- */

static bool
number(struct p9_str s, uint32_t *out)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < s.n; i++) {
		if (s.s[i] < '0' || s.s[i] > '9' || v > UINT32_MAX)
			return false;
		v = v * 10 + (uint64_t)(s.s[i] - '0');
	}
	*out = (uint32_t)v;
	return s.n > 0 && v < UINT32_MAX;
}

/* What a record asks to change, as a setattr; 0, or an errno.  All ones and "" mean: leave it. */
static int
wanted(const struct p9_stat *s, bool dir, struct ipc_setattr *a)
{
	if (s->mode != ~0u) {
		if (!!(s->mode & P9_DMDIR) != dir || (s->mode & (P9_DMAPPEND | P9_DMEXCL)))
			return EINVAL;
		a->valid |= SYS_ATTR_MODE;
		a->mode = s->mode & 0777;
	}
	if (s->atime != ~0u) {
		a->valid |= SYS_ATTR_ATIME | SYS_ATTR_ATIME_SET;
		a->atime_sec = s->atime;
	}
	if (s->mtime != ~0u) {
		a->valid |= SYS_ATTR_MTIME | SYS_ATTR_MTIME_SET;
		a->mtime_sec = s->mtime;
	}
	if (s->length != ~0ull && !(dir && s->length == 0)) {
		if (dir)
			return EISDIR;
		a->valid |= SYS_ATTR_SIZE;
		a->size = s->length;
	}
	if (s->uid.n) {
		a->valid |= SYS_ATTR_UID;
		if (!number(s->uid, &a->uid))
			return EINVAL;
	}
	if (s->gid.n) {
		a->valid |= SYS_ATTR_GID;
		if (!number(s->gid, &a->gid))
			return EINVAL;
	}
	return 0;
}

static bool
wstat_renamed(struct p9_req *r)
{
	if (!p9_failed(r))
		p9_moved(r, r->newfid, r->name2);
	return p9_done(r);
}

static bool
wstat_rename(struct p9_req *r)
{
	struct p9_steps *s = r->steps;

	if (p9_failed(r))
		return p9_done(r);
	if (s->dir) {			/* after a setattr: back to the directory */
		p9_fid_put_now(r->fid);
		r->fid = s->dir;
		s->dir = NULL;
	}
	r->newfid = r->fid;
	p9_fid_ref(r->newfid);
	r->name = s->name;
	r->name2 = s->name2;
	r->in.type = IPC_TRENAMEAT;
	return p9_next(r, r->srv->ops->rename, wstat_renamed);
}

/* The file is still there under its name, and the new name is free. */
static bool
wstat_change(struct p9_req *r)
{
	struct p9_steps *s = r->steps;

	if (!s->setattr.valid)
		return wstat_rename(r);
	s->dir = r->fid;
	r->fid = s->orig;
	p9_fid_ref(r->fid);
	r->in.type = IPC_TSETATTR;
	r->data = &s->setattr;
	return p9_next(r, r->srv->ops->setattr, wstat_rename);
}

static bool
wstat_new_name(struct p9_req *r)
{
	bool failed = p9_failed(r);

	r->newfid->owned = !failed;
	p9_fid_put_now(r->newfid);
	r->newfid = NULL;
	if (!failed)
		return p9_done_error(r, EEXIST, NULL);
	if (r->out.error != ENOENT)
		return p9_done(r);
	r->out.type = 0;	/* that it is not there is no failure */
	return wstat_change(r);
}

static bool
wstat_found(struct p9_req *r)
{
	if (!p9_fresh(r))
		return false;
	r->name = r->steps->name2;
	return p9_next(r, r->srv->ops->walk, wstat_new_name);
}

static void
sync_default(struct p9_req *r)
{
	p9_ok(r);
}

/* Sets steps->name2 if the record renames the file; 0 or an errno. */
static int
new_name(struct p9_req *r, struct p9_str want)
{
	struct p9_steps *s = r->steps;

	p9_fid_copy_name(r->fid, s->name);
	if (want.n == 0 || p9_str_eq(want, s->name))
		return 0;
	if (want.n > P9_NAME_MAX)
		return ENAMETOOLONG;
	if (memchr(want.s, 0, want.n) || memchr(want.s, '/', want.n) || p9_str_eq(want, ".") ||
	    p9_str_eq(want, ".."))
		return EINVAL;
	memcpy(s->name2, want.s, want.n);
	s->name2[want.n] = 0;
	return 0;
}

void
p9_plain_wstat(struct p9_req *r)
{
	struct p9_stat want;
	int error;

	if (p9_stat_unpack(r->data, r->in.count, &want) != (int)r->in.count) {
		p9_error(r, EINVAL, "malformed stat record");
		return;
	}
	if (!p9_steps_new(r))
		return;
	error = wanted(&want, r->fid->qid.type & P9_QTDIR, &r->steps->setattr);
	if (error == 0)
		error = new_name(r, want.name);
	if (error) {
		p9_error(r, error, NULL);
		return;
	}
	if (r->steps->name2[0]) {
		if (!p9_find_self(r, wstat_found))
			return;
	} else if (r->steps->setattr.valid) {
		r->in.type = IPC_TSETATTR;
		r->data = &r->steps->setattr;
		p9_next(r, r->srv->ops->setattr, p9_done);
	} else {
		r->in.type = IPC_TFSYNC;
		r->in.flags = 0;
		p9_next(r, r->srv->ops->fsync ? r->srv->ops->fsync : sync_default, p9_done);
	}
	p9_run(r);
}

/* --- reading a directory ------------------------------------------------------------------ */

static bool
dir_end(struct p9_req *r)
{
	struct p9_steps *s = r->steps;
	struct p9_fid *f = r->fid;

	f->dir_cookie = s->cookie;
	f->dir_offset += s->used;
	atomic_store(&f->dir_busy, false);
	return answer_data(r, s->out, s->used);
}

/* What has been read is worth more than the error, which comes again with the next read. */
static bool
dir_failed(struct p9_req *r, int error, const char *text)
{
	if (r->steps->used)
		return dir_end(r);
	atomic_store(&r->fid->dir_busy, false);
	return p9_done_error(r, error, text);
}

static bool dir_next(struct p9_req *);

static bool
dir_stat_known(struct p9_req *r)
{
	struct p9_steps *s = r->steps;
	struct ipc_attr a = r->u.attr;
	bool failed = p9_failed(r);
	int n = 0;

	p9_fid_put_now(r->fid);
	r->fid = s->orig;
	s->orig = NULL;
	if (failed && r->out.error != ENOENT)
		return dir_failed(r, (int)r->out.error, NULL);
	if (!failed) {
		n = pack_stat(s->out + s->used, s->want - s->used, &a, s->name);
		if (n < 0)
			return dir_failed(r, EINVAL, "count is too small for an entry");
	}
	s->used += (size_t)n;
	s->cookie = s->next_cookie;
	return dir_next(r);
}

static bool
dir_walked(struct p9_req *r)
{
	struct p9_steps *s = r->steps;

	if (p9_failed(r)) {
		p9_fid_put_now(r->newfid);
		r->newfid = NULL;
		if (r->out.error != ENOENT)
			return dir_failed(r, (int)r->out.error, NULL);
		s->cookie = s->next_cookie;
		return dir_next(r);
	}
	p9_fid_settle(r->newfid, &r->out.qid, NULL, NULL);
	s->orig = r->fid;
	r->fid = r->newfid;
	r->newfid = NULL;
	r->in.type = IPC_TGETATTR;
	r->in.offset = P9_GETATTR_BASIC;
	return p9_next(r, r->srv->ops->getattr, dir_stat_known);
}

static bool
dir_filled(struct p9_req *r)
{
	struct p9_steps *s = r->steps;
	uint8_t *ents = s->ents;
	size_t size = s->ents_size;

	if (p9_failed(r))
		return dir_failed(r, (int)r->out.error, NULL);
	if (r->out.length == 0)
		return dir_end(r);
	s->ents_n = r->out.length;
	s->pos = 0;
	s->ents = r->rbuf;
	s->ents_size = r->rbuf_size;
	r->rbuf = ents;
	r->rbuf_size = size;
	return dir_next(r);
}

static bool
dir_next(struct p9_req *r)
{
	struct p9_steps *s = r->steps;
	struct p9_dirent e;

	while (s->pos < s->ents_n) {
		int n = p9_dirent_unpack(s->ents + s->pos, s->ents_n - s->pos, &e);

		if (n < 0 || e.name.n > P9_NAME_MAX)
			return dir_failed(r, EIO, "malformed directory entry");
		s->pos += (size_t)n;
		s->next_cookie = e.offset;
		if (p9_str_eq(e.name, ".") || p9_str_eq(e.name, "..")) {
			s->cookie = e.offset;
			continue;
		}
		memcpy(s->name, e.name.s, e.name.n);
		s->name[e.name.n] = 0;
		r->newfid = p9_fid_new(r->conn);
		if (!r->newfid)
			return dir_failed(r, ENFILE, "too many fids");
		r->newfid->uid = r->fid->uid;
		r->name = s->name;
		r->in.type = IPC_TWALK;
		return p9_next(r, r->srv->ops->walk, dir_walked);
	}
	if (s->want - s->used < DIR_BIGGEST && s->used)
		return dir_end(r);
	r->in.type = IPC_TREADDIR;
	r->in.offset = s->cookie;
	r->in.count = DIR_CHUNK;
	r->rbuf_used = 0;
	return p9_next(r, r->srv->ops->readdir, dir_filled);
}

void
p9_plain_readdir(struct p9_req *r)
{
	struct p9_fid *f = r->fid;
	struct p9_steps *s;
	bool idle = false;

	if (!p9_steps_new(r))
		return;
	s = r->steps;
	s->want = r->in.count;
	s->out = malloc(s->want + 1);
	if (!s->out) {
		p9_error(r, ENOMEM, NULL);
		return;
	}
	if (!atomic_compare_exchange_strong(&f->dir_busy, &idle, true)) {
		p9_error(r, EBUSY, "directory is being read already");
		return;
	}
	if (r->in.offset == 0)
		f->dir_offset = f->dir_cookie = 0;
	if (r->in.offset != f->dir_offset) {
		atomic_store(&f->dir_busy, false);
		p9_error(r, EINVAL, "directories are read from the start, in order");
		return;
	}
	s->cookie = f->dir_cookie;
	if (dir_next(r))
		p9_run(r);
}
