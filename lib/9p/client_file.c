/*
 * The client's files: each call of p9_client.h as 9P2000.L says it, and, where plain 9P2000 says
 * it otherwise, as that does (client_plain.c).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "client.h"

#define DEPTH_MAX 4096		/* names in one path */

struct p9c_file *
p9c_file_new(struct p9_client *c)
{
	struct p9c_file *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->client = c;
	pthread_mutex_lock(&c->lock);
	f->num = c->nfree ? c->free_fids[--c->nfree] : c->next_fid++;
	pthread_mutex_unlock(&c->lock);
	return f;
}

/* The number of a fid that the server does not know, or no longer. */
void
p9c_file_free(struct p9c_file *f)
{
	struct p9_client *c = f->client;
	uint32_t *more, size;

	pthread_mutex_lock(&c->lock);
	if (c->nfree == c->free_size) {
		size = c->free_size ? 2 * c->free_size : 64;
		more = realloc(c->free_fids, size * sizeof *more);
		if (more) {
			c->free_fids = more;
			c->free_size = size;
		}
	}
	if (c->nfree < c->free_size)
		c->free_fids[c->nfree++] = f->num;
	pthread_mutex_unlock(&c->lock);
	free(f);
}

static bool
plain(const struct p9c_file *f)
{
	return f->client->dialect == P9_2000;
}

int
p9c_attach(struct p9_client *c, const char *uname, uint32_t uid, const char *aname,
	struct p9c_file **out)
{
	struct p9_msg t = { .type = P9_TATTACH, .newfid = P9_NOFID, .uid = uid }, r;
	struct p9c_file *f = p9c_file_new(c);
	int rc;

	if (!f)
		return -ENOMEM;
	t.fid = f->num;
	t.uname = p9_str(uname);
	t.aname = p9_str(aname ? aname : "");
	rc = p9c_simple(c, &t, &r);
	if (rc) {
		p9c_file_free(f);
		return rc;
	}
	f->qid = r.qid;
	*out = f;
	return 0;
}

/* Up to 16 names of *path, which moves on; their number, or a negative errno. */
static int
some_names(const char **path, struct p9_str *names)
{
	int n = 0;

	while (n < P9_NAMES_MAX) {
		size_t len;

		*path += strspn(*path, "/");
		len = strcspn(*path, "/");
		if (len == 0)
			break;
		if (len > P9_NAME_MAX)
			return -ENAMETOOLONG;
		if (!(len == 1 && **path == '.'))
			names[n++] = (struct p9_str){ *path, (uint16_t)len };
		*path += len;
	}
	return n;
}

static int
walk_some(struct p9_client *c, uint32_t from, struct p9c_file *to, const char **path)
{
	struct p9_msg t = { .type = P9_TWALK, .fid = from, .newfid = to->num }, r;
	int n = some_names(path, t.wname), rc;

	if (n < 0)
		return n;
	t.nwname = (uint16_t)n;
	rc = p9c_simple(c, &t, &r);
	if (rc)
		return rc;
	if (r.nwqid > n)
		return -EPROTO;
	if (r.nwqid < n)
		return -ENOENT;
	if (n)
		to->qid = r.wqid[n - 1];
	return 0;
}

int
p9c_walk(struct p9c_file *from, const char *path, struct p9c_file **out)
{
	struct p9c_file *f = p9c_file_new(from->client);
	int rc;

	if (!f)
		return -ENOMEM;
	f->qid = from->qid;
	rc = walk_some(f->client, from->num, f, &path);
	if (rc) {
		p9c_file_free(f);
		return rc;
	}
	for (int i = 0; rc == 0 && *path && i < DEPTH_MAX / P9_NAMES_MAX; i++)
		rc = walk_some(f->client, f->num, f, &path);
	if (rc == 0 && *path)
		rc = -ENAMETOOLONG;
	if (rc)
		p9c_clunk(f);
	else
		*out = f;
	return rc;
}

static int
just_fid(struct p9c_file *f, uint8_t type, uint32_t flags)
{
	struct p9_msg t = { .type = type, .fid = f->num, .flags = flags }, r;

	return p9c_simple(f->client, &t, &r);
}

int
p9c_clunk(struct p9c_file *f)
{
	int rc = just_fid(f, P9_TCLUNK, 0);

	p9c_file_free(f);
	return rc;
}

static int
opened(struct p9c_file *f, struct p9_msg *t)
{
	struct p9_msg r;
	int rc = p9c_simple(f->client, t, &r);

	if (rc == 0) {
		f->qid = r.qid;
		f->iounit = r.iounit;
	}
	return rc;
}

int
p9c_file_open(struct p9c_file *f, uint32_t flags)
{
	struct p9_msg t = { .type = IPC_TLOPEN, .fid = f->num, .flags = flags };

	if (plain(f)) {
		t.type = P9_TOPEN;
		t.omode = p9c_plain_omode(flags);
	}
	return opened(f, &t);
}

int
p9c_create(struct p9c_file *dir, const char *name, uint32_t flags, uint32_t mode,
	struct p9c_file **out)
{
	struct p9_msg t = { .type = IPC_TLCREATE, .flags = flags | O_CREAT, .mode = mode };
	struct p9c_file *f;
	int rc = p9c_walk(dir, "", &f);

	if (rc)
		return rc;
	t.fid = f->num;
	t.name = p9_str(name);
	if (plain(f)) {
		t.type = P9_TCREATE;
		t.omode = p9c_plain_omode(flags);
		t.mode = mode & 0777;
	}
	rc = opened(f, &t);
	if (rc)
		p9c_clunk(f);
	else
		*out = f;
	return rc;
}

static uint32_t
chunk(const struct p9c_file *f, size_t n)
{
	size_t most = f->client->msize - P9_IOHDR;

	if (f->iounit && f->iounit < most)
		most = f->iounit;
	return (uint32_t)(n < most ? n : most);
}

int64_t
p9c_read(struct p9c_file *f, void *buf, size_t n, uint64_t offset)
{
	struct p9_msg t = { .type = P9_TREAD, .fid = f->num }, r;
	size_t done = 0;
	void *keep;
	int rc = 0;

	while (done < n) {
		t.offset = offset + done;
		t.count = chunk(f, n - done);
		rc = p9c_rpc(f->client, &t, &r, &keep);
		if (rc == 0 && r.count > t.count)
			rc = -EPROTO;
		if (rc == 0)
			memcpy((char *)buf + done, r.data, r.count);
		free(keep);
		if (rc || r.count == 0)
			break;
		done += r.count;
	}
	return done ? (int64_t)done : rc;
}

int64_t
p9c_write(struct p9c_file *f, const void *buf, size_t n, uint64_t offset)
{
	struct p9_msg t = { .type = P9_TWRITE, .fid = f->num }, r;
	size_t done = 0;
	int rc = 0;

	while (done < n) {
		t.offset = offset + done;
		t.count = chunk(f, n - done);
		t.data = (const char *)buf + done;
		rc = p9c_simple(f->client, &t, &r);
		if (rc == 0 && (r.count > t.count || r.count == 0))
			rc = -EPROTO;
		if (rc)
			break;
		done += r.count;
	}
	return done ? (int64_t)done : rc;
}

/* What can be a file's name: others are made of it without a further look. */
static bool
is_name(struct p9_str s)
{
	return s.n > 0 && s.n <= P9_NAME_MAX && !memchr(s.s, '/', s.n) && !memchr(s.s, 0, s.n);
}

/* The entries of one Rreaddir; *offset moves on. */
static int
entries(const struct p9_msg *r, uint64_t *offset, int (*fn)(void *, const struct p9c_entry *),
	void *arg)
{
	const uint8_t *p = r->data, *end = p + r->count;
	struct p9c_entry e;
	struct p9_dirent d;
	int rc = 0;

	while (rc == 0 && p < end) {
		int n = p9_dirent_unpack(p, (size_t)(end - p), &d);

		if (n < 0 || d.offset == *offset || !is_name(d.name))
			return -EPROTO;
		p += n;
		*offset = d.offset;
		if (p9_str_eq(d.name, ".") || p9_str_eq(d.name, ".."))
			continue;
		e.qid = d.qid;
		e.type = d.type;
		memcpy(e.name, d.name.s, d.name.n);
		e.name[d.name.n] = 0;
		rc = fn(arg, &e);
	}
	return rc;
}

int
p9c_list(struct p9c_file *f, int (*fn)(void *, const struct p9c_entry *), void *arg)
{
	struct p9_msg t = { .type = IPC_TREADDIR, .fid = f->num }, r;
	void *keep;
	int rc;

	if (plain(f))
		return p9c_plain_list(f, fn, arg);
	t.count = chunk(f, f->client->msize);
	for (int i = 0; i < P9C_LIST_MAX; i++) {
		rc = p9c_rpc(f->client, &t, &r, &keep);
		if (rc == 0 && r.count > t.count)
			rc = -EPROTO;
		if (rc == 0)
			rc = entries(&r, &t.offset, fn, arg);
		free(keep);
		if (rc || r.count == 0)
			return rc;
	}
	return -EPROTO;
}

int
p9c_fsync(struct p9c_file *f, bool data_only)
{
	return plain(f) ? p9c_plain_fsync(f) : just_fid(f, IPC_TFSYNC, data_only);
}

int
p9c_getattr(struct p9c_file *f, struct ipc_attr *out)
{
	struct p9_msg t = { .type = IPC_TGETATTR, .fid = f->num, .mask = 0x3fff }, r;
	int rc;

	if (plain(f))
		return p9c_plain_getattr(f, out);
	rc = p9c_simple(f->client, &t, &r);
	if (rc == 0)
		*out = r.attr;
	return rc;
}

int
p9c_setattr(struct p9c_file *f, const struct ipc_setattr *a)
{
	struct p9_msg t = { .type = IPC_TSETATTR, .fid = f->num, .setattr = *a }, r;

	return plain(f) ? p9c_plain_setattr(f, a) : p9c_simple(f->client, &t, &r);
}

/* Messages about a name in a directory. */
static int
in_dir(struct p9c_file *dir, struct p9_msg *t, const char *name)
{
	struct p9_msg r;

	if (plain(dir))
		return -EOPNOTSUPP;
	t->fid = dir->num;
	t->name = p9_str(name);
	return p9c_simple(dir->client, t, &r);
}

int
p9c_statfs(struct p9c_file *f, struct ipc_statfs *out)
{
	struct p9_msg t = { .type = IPC_TSTATFS, .fid = f->num }, r;
	int rc = plain(f) ? -EOPNOTSUPP : p9c_simple(f->client, &t, &r);

	if (rc == 0)
		*out = r.statfs;
	return rc;
}

int
p9c_mkdir(struct p9c_file *dir, const char *name, uint32_t mode)
{
	struct p9_msg t = { .type = IPC_TMKDIR, .mode = mode };

	return plain(dir) ? p9c_plain_mkdir(dir, name, mode) : in_dir(dir, &t, name);
}

int
p9c_unlink(struct p9c_file *dir, const char *name, bool is_dir)
{
	struct p9_msg t = { .type = IPC_TUNLINKAT, .flags = is_dir ? 0x200 : 0 };
	int rc = plain(dir) ? -EOPNOTSUPP : in_dir(dir, &t, name);

	return rc == -EOPNOTSUPP ? p9c_plain_unlink(dir, name) : rc;	/* older servers too */
}

int
p9c_rename(struct p9c_file *dir, const char *name, struct p9c_file *newdir,
	const char *newname)
{
	struct p9_msg t = { .type = IPC_TRENAMEAT, .newfid = newdir->num };

	t.name2 = p9_str(newname);
	return plain(dir) ? p9c_plain_rename(dir, name, newdir, newname) : in_dir(dir, &t, name);
}

int
p9c_symlink(struct p9c_file *dir, const char *name, const char *target)
{
	struct p9_msg t = { .type = IPC_TSYMLINK };

	t.name2 = p9_str(target);
	return in_dir(dir, &t, name);
}

int
p9c_link(struct p9c_file *dir, const char *name, struct p9c_file *file)
{
	struct p9_msg t = { .type = IPC_TLINK, .newfid = file->num };

	return in_dir(dir, &t, name);
}

int
p9c_mknod(struct p9c_file *dir, const char *name, uint32_t mode, uint32_t major,
	uint32_t minor)
{
	struct p9_msg t = { .type = IPC_TMKNOD, .mode = mode, .major = major, .minor = minor };

	return in_dir(dir, &t, name);
}

int
p9c_readlink(struct p9c_file *f, char *buf, size_t n)
{
	struct p9_msg t = { .type = IPC_TREADLINK, .fid = f->num }, r;
	void *keep;
	int rc;

	if (plain(f))
		return -EOPNOTSUPP;
	rc = p9c_rpc(f->client, &t, &r, &keep);
	if (rc == 0) {
		rc = r.name2.n < n ? r.name2.n : (int)n;
		memcpy(buf, r.name2.s, (size_t)rc);
		if ((size_t)rc < n)
			buf[rc] = 0;
	}
	free(keep);
	return rc;
}

int64_t
p9c_xattr_get(struct p9c_file *f, const char *name, void *buf, size_t n)
{
	struct p9_msg t = { .type = IPC_TXATTRWALK, .fid = f->num }, r;
	struct p9c_file *x;
	int64_t got;
	int rc;

	if (plain(f))
		return -EOPNOTSUPP;
	x = p9c_file_new(f->client);
	if (!x)
		return -ENOMEM;
	t.newfid = x->num;
	t.name = p9_str(name);
	rc = p9c_simple(f->client, &t, &r);
	if (rc) {
		p9c_file_free(x);
		return rc;
	}
	got = p9c_read(x, buf, r.size < n ? r.size : n, 0);
	p9c_clunk(x);
	return got < 0 ? got : (int64_t)(r.size & INT64_MAX);
}

int
p9c_xattr_set(struct p9c_file *f, const char *name, const void *value, size_t n, uint32_t flags)
{
	struct p9_msg t = { .type = IPC_TXATTRCREATE, .size = n, .flags = flags };
	struct p9c_file *x;
	int64_t put = 0;
	int rc = plain(f) ? -EOPNOTSUPP : p9c_walk(f, "", &x), over;

	if (rc)
		return rc;
	rc = in_dir(x, &t, name);
	if (rc == 0 && n)
		put = p9c_write(x, value, n, 0);
	if (rc == 0 && put < (int64_t)n)
		rc = put < 0 ? (int)put : -EIO;
	over = p9c_clunk(x);
	return rc ? rc : over;
}

int
p9c_lock(struct p9c_file *f, const struct ipc_lock *l)
{
	struct p9_msg t = { .type = IPC_TLOCK, .fid = f->num, .lock = *l }, r;
	int rc;

	t.client = p9_str(l->client);
	rc = plain(f) ? -EOPNOTSUPP : p9c_simple(f->client, &t, &r);
	return rc ? rc : r.status <= 2 ? r.status : -EPROTO;
}

int
p9c_getlock(struct p9c_file *f, struct ipc_lock *l)
{
	struct p9_msg t = { .type = IPC_TGETLOCK, .fid = f->num, .lock = *l }, r;
	void *keep = NULL;
	size_t n;
	int rc;

	t.client = p9_str(l->client);
	rc = plain(f) ? -EOPNOTSUPP : p9c_rpc(f->client, &t, &r, &keep);
	if (rc == 0) {
		*l = r.lock;
		memset(l->client, 0, sizeof l->client);
		n = r.client.n < sizeof l->client ? r.client.n : sizeof l->client - 1;
		memcpy(l->client, r.client.s, n);
	}
	free(keep);
	return rc;
}
