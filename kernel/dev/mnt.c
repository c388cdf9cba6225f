/*
 * The mount driver: file calls on a mounted server become 9P requests.  doc/ipc.md
 *
 * A channel's aux is its mount, aux2 its fid and, above it, the server's I/O unit.  Names and
 * small replies go through a buffer that the request owns; data goes straight to and from the
 * caller's memory.
 */
#include "../as.h"
#include "../procs.h"

#define IO_MAX		(1u << 20)
#define READDIR_MAX	65536u
#define WIRE_ENTRY	24u		/* qid 13, offset 8, type 1, length of name 2 */
#define GETATTR_ALL	0x3fffull

struct mount {
	uint32_t refs, id;
	struct service *service;
};

static uint32_t next_id = 1;

static struct mount *
mount_of(const struct chan *c)
{
	return c->aux;
}

static uint32_t
fid_of(const struct chan *c)
{
	return (uint32_t)c->aux2;
}

static void
mount_put(struct mount *m)
{
	if (!ref_put(&m->refs))
		return;
	service_put_client(m->service);
	kfree(m);
}

static struct qid
qid_of(const struct ipc_qid *q)
{
	return (struct qid){ q->path, q->version, q->type };
}

/* The current thread's request, for c. */
static struct request *
begin(const struct chan *c, uint32_t type)
{
	struct request *r = request_get();

	if (r != NULL) {
		r->head.type = type;
		r->head.fid = fid_of(c);
	}
	return r;
}

/* A buffer of the request's own: strings go out of it, replies come into it. */
static bool
buffer(struct request *r, size_t n)
{
	r->kbuf = kmalloc(n);
	r->src = r->dst = r->kbuf;
	r->user_src = r->user_dst = false;
	r->ndst = (uint32_t)n;
	r->nsrc = 0;
	return r->kbuf != NULL;
}

static void
put_string(struct request *r, const char *s)
{
	size_t n = strlen(s);
	uint8_t *p = (uint8_t *)r->kbuf + r->nsrc;

	p[0] = (uint8_t)n;
	p[1] = (uint8_t)(n >> 8);
	memcpy(p + 2, s, n);
	r->nsrc += (uint32_t)n + 2;
}

/* A request with up to two names for bulk and no reply but a qid. */
static int
name_request(struct chan *c, struct request *r, const char *a, const char *b)
{
	if (r == NULL || !buffer(r, strlen(a) + (b != NULL ? strlen(b) : 0) + 4))
		return -ENOMEM;
	put_string(r, a);
	if (b != NULL)
		put_string(r, b);
	r->ndst = 0;
	return service_call(mount_of(c)->service, r);
}

static struct chan *
mnt_chan(struct mount *m, uint32_t fid, struct qid qid)
{
	struct chan *c = chan_new(&dev_mnt);

	if (c == NULL)
		return NULL;
	ref_get(&m->refs);
	c->aux = m;
	c->aux2 = fid;
	c->id = m->id;
	c->qid = qid;
	return c;
}

int
mnt_attach(struct chan *sc, const char *aname, struct chan **out)
{
	bool server;
	struct service *s = sc->dev == &dev_srv ? srv_service(sc, &server) : NULL;
	struct mount *m;
	struct request *r;
	uint32_t fid;
	int err = -ENOMEM;

	if (s == NULL || server)
		return error(EINVAL, "mount: not a service's client end");
	m = kzalloc(sizeof *m);
	if (m == NULL)
		return -ENOMEM;
	service_get_client(s);
	m->refs = 1;
	m->service = s;
	m->id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
	fid = service_fid(s);
	r = request_get();
	if (fid == NOFID || r == NULL || !buffer(r, strlen(aname) + 16))
		goto fail;
	r->head.type = IPC_TATTACH;
	r->head.fid = fid;
	r->head.newfid = NOFID;
	r->head.uid = proc_current()->uid;
	r->head.conn = m->id;
	put_string(r, "");
	put_string(r, aname);
	r->ndst = 0;
	r->makes_fid = true;
	r->fid = fid;
	err = service_call(s, r);
	if (err != 0)
		goto fail;
	*out = mnt_chan(m, fid, qid_of(&r->qid));
	if (*out == NULL) {
		err = -ENOMEM;
		service_clunk(s, fid);
		fid = NOFID;
	}
fail:
	if (err != 0 && fid != NOFID && err != -EINTR)
		service_fid_free(s, fid);
	mount_put(m);
	return err;
}

static int
mnt_walk(struct chan *c, int n, const char *const *names, int *done, struct qid *qids,
	 struct chan **out)
{
	struct mount *m = mount_of(c);
	struct request *r = begin(c, IPC_TWALK);
	uint32_t fid = service_fid(m->service);
	size_t bytes = (size_t)n * sizeof(struct ipc_qid);
	int err = -ENOMEM;

	*done = 0;
	for (int i = 0; i < n; i++)
		bytes += strlen(names[i]) + 2;
	if (fid == NOFID || r == NULL || !buffer(r, bytes + 8))
		goto fail;
	for (int i = 0; i < n; i++)
		put_string(r, names[i]);
	r->ndst = (uint32_t)((size_t)n * sizeof(struct ipc_qid));
	r->head.newfid = r->fid = fid;
	r->head.count = (uint32_t)n;
	r->makes_fid = true;
	err = service_call(m->service, r);
	if (err != 0)
		goto fail;
	const struct ipc_qid *q = r->kbuf;
	int got = (int)MIN(r->got / sizeof *q, (size_t)n);

	for (int i = 0; i < got; i++)
		qids[i] = qid_of(&q[i]);
	*done = got;
	*out = NULL;
	if (got < n) {		/* the server has not made the fid */
		service_fid_free(m->service, fid);
		return got == 0 ? error(ENOENT, "%s: no such file", names[0]) : 0;
	}
	*out = mnt_chan(m, fid, n > 0 ? qids[n - 1] : c->qid);
	if (*out != NULL)
		return 0;
	service_clunk(m->service, fid);
	return -ENOMEM;
fail:
	if (fid != NOFID && err != -EINTR)	/* interrupted: the service ends it */
		service_fid_free(m->service, fid);
	return err;
}

static void
mnt_close(struct chan *c)
{
	struct mount *m = mount_of(c);

	if (m == NULL)		/* mnt_setxattr has clunked it */
		return;
	service_clunk(m->service, fid_of(c));
	mount_put(m);
}

static void
opened(struct chan *c, const struct request *r)
{
	c->qid = qid_of(&r->qid);
	c->aux2 = (uint64_t)MIN(r->count, IO_MAX) << 32 | fid_of(c);
}

static int
mnt_open(struct chan **cp, uint32_t flags)
{
	struct chan *c = *cp;
	struct request *r = begin(c, IPC_TLOPEN);

	if (r == NULL)
		return -ENOMEM;
	r->head.flags = flags;
	int err = service_call(mount_of(c)->service, r);

	if (err == 0)
		opened(c, r);
	return err;
}

static int
mnt_create(struct chan *c, const char *name, uint32_t flags, uint32_t mode)
{
	struct request *r = begin(c, IPC_TLCREATE);

	if (r == NULL)
		return -ENOMEM;
	r->head.flags = flags;
	r->head.mode = mode;
	r->head.gid = proc_current()->gid;
	int err = name_request(c, r, name, NULL);

	if (err == 0)
		opened(c, r);
	return err;
}

static uint32_t
io_unit(const struct chan *c)
{
	uint32_t unit = (uint32_t)(c->aux2 >> 32);

	return unit != 0 ? unit : IO_MAX;
}

static int64_t
mnt_read(struct chan *c, struct uio *u, uint64_t off)
{
	struct mount *m = mount_of(c);
	uint32_t unit = io_unit(c);
	int64_t total = 0;

	do {
		struct request *r = begin(c, IPC_TREAD);
		uint32_t count = (uint32_t)MIN(u->left, (size_t)unit);
		int err;

		if (r == NULL)
			return total > 0 ? total : -ENOMEM;
		r->head.offset = off + (uint64_t)total;
		r->head.count = r->ndst = count;
		r->dst = u->base;
		r->user_dst = u->user;
		err = service_call(m->service, r);
		if (err != 0)
			return total > 0 ? total : err;
		u->base += r->got;
		u->left -= r->got;
		total += r->got;
		if (r->got < count)
			break;
	} while (u->left > 0);
	return total;
}

static int64_t
mnt_write(struct chan *c, struct uio *u, uint64_t off)
{
	struct mount *m = mount_of(c);
	uint32_t unit = io_unit(c);
	int64_t total = 0;

	do {
		struct request *r = begin(c, IPC_TWRITE);
		uint32_t n;
		int err;

		if (r == NULL)
			return total > 0 ? total : -ENOMEM;
		r->head.offset = off + (uint64_t)total;
		r->src = u->base;
		r->nsrc = (uint32_t)MIN(u->left, (size_t)unit);
		r->user_src = u->user;
		err = service_call(m->service, r);
		if (err != 0)
			return total > 0 ? total : err;
		n = MIN(r->count, r->nsrc);
		u->base += n;
		u->left -= n;
		total += n;
		if (n == 0)
			break;
	} while (u->left > 0);
	return total;
}

static uint64_t
get_le(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

/* The wire's entries into the system call's records; what does not fit is read again. */
static int64_t
repack(const uint8_t *p, size_t n, void *buf, size_t room)
{
	size_t used = 0;

	while (n >= WIRE_ENTRY) {
		size_t len = (size_t)get_le(p + 22, 2);
		char name[SYS_NAME_MAX + 1];

		if (len > n - WIRE_ENTRY || len > SYS_NAME_MAX || len == 0)
			return error(EPROTO, "the server's directory entry is malformed");
		memcpy(name, p + WIRE_ENTRY, len);
		name[len] = '\0';
		size_t part = dirent_pack((char *)buf + used, room - used, get_le(p + 5, 8),
					  (int64_t)get_le(p + 13, 8), p[21], name);

		if (part == 0)
			return used > 0 ? (int64_t)used :
					  error(EINVAL, "readdir: buffer too small");
		used += part;
		p += WIRE_ENTRY + len;
		n -= WIRE_ENTRY + len;
	}
	return (int64_t)used;
}

static int64_t
mnt_readdir(struct chan *c, void *buf, size_t n, uint64_t off)
{
	struct request *r = begin(c, IPC_TREADDIR);
	size_t want = MIN(MIN(n, (size_t)READDIR_MAX), (size_t)io_unit(c));
	int err;

	if (want < WIRE_ENTRY + SYS_NAME_MAX)
		want = WIRE_ENTRY + SYS_NAME_MAX;
	if (r == NULL || !buffer(r, want))
		return -ENOMEM;
	r->head.offset = off;
	r->head.count = (uint32_t)want;
	err = service_call(mount_of(c)->service, r);
	return err != 0 ? err : repack(r->kbuf, r->got, buf, n);
}

static int
mnt_stat(struct chan *c, struct sys_stat *st)
{
	struct request *r = begin(c, IPC_TGETATTR);
	int err;

	if (r == NULL || !buffer(r, sizeof(struct ipc_attr)))
		return -ENOMEM;
	r->head.offset = GETATTR_ALL;
	err = service_call(mount_of(c)->service, r);
	if (err != 0)
		return err;
	if (r->got != sizeof(struct ipc_attr))
		return error(EPROTO, "the server's attributes are malformed");
	const struct ipc_attr *a = r->kbuf;

	*st = (struct sys_stat){
		.dev = c->id, .qid_path = a->qid.path, .qid_version = a->qid.version,
		.qid_type = a->qid.type, .mode = a->mode, .uid = a->uid, .gid = a->gid,
		.nlink = a->nlink, .rdev = a->rdev, .size = a->size, .blksize = a->blksize,
		.blocks = a->blocks,
		.atime = { a->atime_sec, (uint32_t)a->atime_nsec, 0 },
		.mtime = { a->mtime_sec, (uint32_t)a->mtime_nsec, 0 },
		.ctime = { a->ctime_sec, (uint32_t)a->ctime_nsec, 0 },
		.btime = { a->btime_sec, (uint32_t)a->btime_nsec, 0 },
	};
	return 0;
}

static int
mnt_setattr(struct chan *c, const struct sys_attr *a)
{
	struct request *r = begin(c, IPC_TSETATTR);

	if (r == NULL || !buffer(r, sizeof(struct ipc_setattr)))
		return -ENOMEM;
	*(struct ipc_setattr *)r->kbuf = (struct ipc_setattr){
		.valid = a->valid, .mode = a->mode, .uid = a->uid, .gid = a->gid, .size = a->size,
		.atime_sec = a->atime.sec, .atime_nsec = a->atime.nsec,
		.mtime_sec = a->mtime.sec, .mtime_nsec = a->mtime.nsec,
	};
	r->nsrc = sizeof(struct ipc_setattr);
	r->ndst = 0;
	return service_call(mount_of(c)->service, r);
}

static int
mnt_mkdir(struct chan *dir, const char *name, uint32_t mode)
{
	struct request *r = begin(dir, IPC_TMKDIR);

	if (r != NULL) {
		r->head.mode = mode;
		r->head.gid = proc_current()->gid;
	}
	return name_request(dir, r, name, NULL);
}

static int
mnt_unlink(struct chan *dir, const char *name, uint32_t flags)
{
	struct request *r = begin(dir, IPC_TUNLINKAT);

	if (r != NULL)
		r->head.flags = flags;
	return name_request(dir, r, name, NULL);
}

static int
mnt_rename(struct chan *odir, const char *oname, struct chan *ndir, const char *nname)
{
	struct request *r;

	if (mount_of(odir) != mount_of(ndir))
		return error(EXDEV, "rename: %s would move to another server", oname);
	r = begin(odir, IPC_TRENAMEAT);
	if (r != NULL)
		r->head.newfid = fid_of(ndir);
	return name_request(odir, r, oname, nname);
}

static int
mnt_link(struct chan *dir, const char *name, struct chan *file)
{
	struct request *r;

	if (mount_of(dir) != mount_of(file))
		return error(EXDEV, "link: %s would be on another server", name);
	r = begin(dir, IPC_TLINK);
	if (r != NULL)
		r->head.newfid = fid_of(file);
	return name_request(dir, r, name, NULL);
}

static int
mnt_symlink(struct chan *dir, const char *name, const char *target)
{
	struct request *r = begin(dir, IPC_TSYMLINK);

	if (r != NULL)
		r->head.gid = proc_current()->gid;
	return name_request(dir, r, name, target);
}

static int
mnt_mknod(struct chan *dir, const char *name, uint32_t mode, uint64_t rdev)
{
	struct request *r = begin(dir, IPC_TMKNOD);

	if (r != NULL) {
		r->head.mode = mode;
		r->head.gid = proc_current()->gid;
		r->head.offset = rdev;
	}
	return name_request(dir, r, name, NULL);
}

static int64_t
mnt_readlink(struct chan *c, char *buf, size_t n)
{
	struct request *r = begin(c, IPC_TREADLINK);
	int err;

	if (r == NULL || !buffer(r, MIN(n, (size_t)SYS_PATH_MAX)))
		return -ENOMEM;
	err = service_call(mount_of(c)->service, r);
	if (err != 0)
		return err;
	memcpy(buf, r->kbuf, r->got);
	return r->got;
}

static int
mnt_fsync(struct chan *c, bool data_only)
{
	struct request *r = begin(c, IPC_TFSYNC);

	if (r == NULL)
		return -ENOMEM;
	r->head.flags = data_only;
	return service_call(mount_of(c)->service, r);
}

static int
mnt_statfs(struct chan *c, struct sys_statfs *st)
{
	struct request *r = begin(c, IPC_TSTATFS);
	int err;

	_Static_assert(sizeof(struct sys_statfs) == sizeof(struct ipc_statfs), "same record");
	if (r == NULL || !buffer(r, sizeof *st))
		return -ENOMEM;
	err = service_call(mount_of(c)->service, r);
	if (err != 0)
		return err;
	if (r->got != sizeof *st)
		return error(EPROTO, "the server's file system record is malformed");
	memcpy(st, r->kbuf, sizeof *st);
	return 0;
}

/* Attributes are read through a fid of their own, walked to from the file's. */
static int64_t
mnt_getxattr(struct chan *c, const char *name, struct uio *u)
{
	struct mount *m = mount_of(c);
	struct request *r = begin(c, IPC_TXATTRWALK);
	uint32_t fid = service_fid(m->service);
	int64_t n = -ENOMEM;

	if (fid == NOFID || r == NULL) {
		if (fid != NOFID)
			service_fid_free(m->service, fid);
		return n;
	}
	r->head.newfid = r->fid = fid;
	r->makes_fid = true;
	n = name_request(c, r, name, NULL);
	if (n != 0) {
		if (n != -EINTR)
			service_fid_free(m->service, fid);
		return n;
	}
	uint64_t size = r->offset;
	struct chan *x = mnt_chan(m, fid, c->qid);

	if (x == NULL) {
		service_clunk(m->service, fid);
		return -ENOMEM;
	}
	if (u->left == 0)
		n = (int64_t)size;
	else if (size > u->left)
		n = -ERANGE;
	else
		n = mnt_read(x, u, 0);
	chan_put(x);
	return n;
}

static int
mnt_setxattr(struct chan *c, const char *name, struct uio *u, uint32_t flags)
{
	struct chan *x = chan_clone(c);
	size_t size = u->left;
	struct request *r;
	int64_t n;

	if (x == NULL)
		return -ENOMEM;
	r = begin(x, IPC_TXATTRCREATE);
	if (r != NULL) {
		r->head.flags = flags;
		r->head.offset = size;
	}
	n = name_request(x, r, name, NULL);
	if (n == 0 && size > 0)
		n = mnt_write(x, u, 0);
	/* The value is set, and an error shows, when the fid goes: so that is waited for. */
	r = n >= 0 ? begin(x, IPC_TCLUNK) : NULL;
	if (r != NULL) {
		n = service_call(mount_of(x)->service, r);
		if (n == 0) {		/* else it may still be there: chan_put clunks it again */
			service_fid_free(mount_of(x)->service, fid_of(x));
			mount_put(mount_of(x));
			x->aux = NULL;
		}
	}
	chan_put(x);
	return n < 0 ? (int)n : 0;
}

static int
mnt_lock(struct chan *c, struct sys_lock *l, int how)
{
	struct request *r = begin(c, how == 2 ? IPC_TGETLOCK : IPC_TLOCK);
	struct ipc_lock *w;
	int err;

	if (r == NULL || !buffer(r, sizeof *w))
		return -ENOMEM;
	w = r->kbuf;
	*w = (struct ipc_lock){
		.type = l->type, .flags = how == 1, .start = l->start, .length = l->length,
		.pid = (uint32_t)proc_current()->pid,
	};
	r->nsrc = sizeof *w;
	err = service_call(mount_of(c)->service, r);
	if (err != 0)
		return err;
	if (how != 2)
		return r->count == 0 ? 0 : r->count == 1 ? -EAGAIN : -EIO;
	if (r->got != sizeof *w)
		return error(EPROTO, "the server's lock record is malformed");
	*l = (struct sys_lock){ w->type, w->pid, w->start, w->length };
	return 0;
}

const struct dev dev_mnt = {
	.name = "mnt", .walk = mnt_walk, .open = mnt_open, .create = mnt_create,
	.close = mnt_close, .read = mnt_read, .write = mnt_write, .readdir = mnt_readdir,
	.stat = mnt_stat, .setattr = mnt_setattr, .mkdir = mnt_mkdir, .unlink = mnt_unlink,
	.rename = mnt_rename, .link = mnt_link, .symlink = mnt_symlink,
	.readlink = mnt_readlink, .mknod = mnt_mknod, .fsync = mnt_fsync,
	.statfs = mnt_statfs, .getxattr = mnt_getxattr, .setxattr = mnt_setxattr,
	.lock = mnt_lock,
};
