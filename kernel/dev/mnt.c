/*
 * The mount driver: file calls on a mounted server become 9P requests.  doc/ipc.md
 *
 * A channel's aux is its mount, aux2 its fid and, above it, the server's I/O unit and what the file
 * says of direct requests, aux3 the record of a fid that can be made again.  Names and small
 * replies go through a buffer that the request owns; data goes straight to and from the caller's
 * memory.
 */
#include "mnt.h"

#include "../as.h"
#include "../name.h"

#define READDIR_MAX	65536u
#define WIRE_ENTRY	24u		/* qid 13, offset 8, type 1, length of name 2 */
#define GETATTR_ALL	0x3fffull
#define RESTARTS_MAX	100		/* servers that go before one call is over */
#define UNIT_BITS	21		/* of an I/O unit */

static uint32_t next_id = 1;

/* A fid of a recoverable mount without a record lives for one operation, which begins again. */
struct request *
mnt_begin(const struct chan *c, uint32_t type)
{
	const struct mount *m = mount_of(c);
	struct request *r = request_get();

	if (r == NULL)
		return NULL;
	r->head.type = type;
	r->head.fid = fid_of(c);
	if (m->wait_ns != 0) {
		r->wait_ns = m->wait_ns;
		r->once = c->aux3 == NULL;
	}
	return r;
}

int
mnt_lost_fid(const struct chan *c)
{
	const struct fidrec *f = rec_of(c);
	const struct mount *m = mount_of(c);

	if (f != NULL)
		return f->stale ? error(ESTALE, "%s: gone since its server started again",
					chan_path(c)) : -EBADF;
	if (recoverable(c))
		return -ERESTART;
	return m->generation != m->service->serving ? error(EHOSTDOWN, "the server has gone") :
	       -EBADF;
}

bool
mnt_buffer(struct request *r, size_t n)
{
	r->kbuf = kmalloc(n);
	r->src = r->dst = r->kbuf;
	r->user_src = r->user_dst = false;
	r->ndst = (uint32_t)n;
	r->nsrc = 0;
	return r->kbuf != NULL;
}

void
mnt_put_string(struct request *r, const char *s)
{
	size_t n = strlen(s);
	uint8_t *p = (uint8_t *)r->kbuf + r->nsrc;

	p[0] = (uint8_t)n;
	p[1] = (uint8_t)(n >> 8);
	memcpy(p + 2, s, n);
	r->nsrc += (uint32_t)n + 2;
}

int
mnt_call_names(struct chan *c, struct request *r, const char *a, const char *b)
{
	if (r == NULL || !mnt_buffer(r, strlen(a) + (b != NULL ? strlen(b) : 0) + 4))
		return -ENOMEM;
	mnt_put_string(r, a);
	if (b != NULL)
		mnt_put_string(r, b);
	r->ndst = 0;
	return mnt_call(c, r);
}

struct chan *
mnt_chan(struct mount *m, uint32_t fid, struct qid qid, struct fidrec *f)
{
	struct chan *c = chan_new(&dev_mnt);

	if (c == NULL)
		return NULL;
	ref_get(&m->refs);
	c->aux = m;
	c->aux2 = fid;
	c->aux3 = f;
	c->id = m->id;
	c->qid = qid;
	return c;
}

static struct mount *
mount_new(struct service *s, const char *aname, uint64_t wait_ns)
{
	struct mount *m = kzalloc(sizeof *m + strlen(aname) + 1);

	if (m == NULL)
		return NULL;
	service_get_client(s);
	m->refs = 1;
	m->service = s;
	m->id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
	m->uid = proc_current()->uid;
	m->wait_ns = wait_ns;
	list_init(&m->link);
	list_init(&m->fids);
	memcpy(m->aname, aname, strlen(aname));
	return m;
}

/* One attempt: *out is the root; -ERESTART when the server that answered has gone. */
static int
attach(struct mount *m, struct chan **out)
{
	struct service *s = m->service;
	struct request *r = request_get();
	uint32_t fid = service_fid(s);
	struct fidrec *f = m->wait_ns != 0 ? fidrec_new(m, NULL, NULL, 0, fid) : NULL;
	int err = -ENOMEM;

	if (fid == NOFID)
		goto free;
	if (r == NULL || (f == NULL && m->wait_ns != 0))
		goto give;
	r->wait_ns = m->wait_ns;
	err = rpc_attach(m, r, fid);
	if (err != 0)
		goto give;
	m->root = r->qid.path;
	if (f != NULL)
		f->qid = qid_of(&r->qid);
	err = -ERESTART;
	if (!mount_enter(m, f, r))
		goto clunk;
	*out = mnt_chan(m, fid, qid_of(&r->qid), f);
	if (*out != NULL)
		return 0;
	err = -ENOMEM;
	if (f != NULL)
		fidrec_remove(m, f);
clunk:
	service_clunk(s, fid, r->generation);
	fid = NOFID;
give:
	if (fid != NOFID && err != -EINTR)
		service_fid_free(s, fid);
free:
	fidrec_free(f);
	return err;
}

int
mnt_attach(struct chan *sc, const char *aname, uint64_t wait_ns, struct chan **out)
{
	uint32_t generation;
	struct service *s = sc->dev == &dev_srv ? srv_service(sc, &generation) : NULL;
	struct mount *m;
	int err = -ERESTART;

	if (s == NULL || generation != 0)
		return error(EINVAL, "mount: not a service's client end");
	m = mount_new(s, aname, wait_ns);
	if (m == NULL)
		return -ENOMEM;
	for (int i = 0; i < RESTARTS_MAX && err == -ERESTART; i++)
		err = attach(m, out);
	mount_put(m);
	return err == -ERESTART ? error(EHOSTDOWN, "the server keeps going away") : err;
}

bool
mnt_is(const struct chan *c, struct chan *service, const char *aname)
{
	uint32_t generation;
	const struct mount *m = c->aux;

	return c->dev == &dev_mnt && m->wait_ns != 0 && m->root == c->qid.path &&
	       m->service == srv_service(service, &generation) && strcmp(m->aname, aname) == 0;
}

bool
mnt_is_dead(const struct chan *c)
{
	const struct mount *m = c->aux;

	return c->dev == &dev_mnt &&
	       (m->wait_ns == 0
		? m->generation != __atomic_load_n(&m->service->serving, __ATOMIC_RELAXED)
		: __atomic_load_n(&m->service->state, __ATOMIC_RELAXED) == SERVICE_DEAD);
}

/*
 * One attempt.  -ERESTART when the server that answered has gone, or names have changed meanwhile.
 * `transient`: the new fid is for one operation, and gets no record.
 */
static int
walk_try(struct chan *c, int n, const char *const *names, int *done, struct qid *qids,
	 struct chan **out, bool transient)
{
	struct mount *m = mount_of(c);
	struct service *s = m->service;
	uint32_t fid = service_fid(s), renames = __atomic_load_n(&s->renames, __ATOMIC_RELAXED);
	struct request *r = mnt_begin(c, IPC_TWALK);
	bool record = recoverable(c) && !transient;
	struct fidrec *f = record ? fidrec_new(m, rec_of(c), names, n, fid) : NULL;
	int err = -ENOMEM, got;

	*done = 0;
	*out = NULL;
	if (fid == NOFID || r == NULL || (record && f == NULL))
		goto give;
	r->head.newfid = r->fid = fid;
	r->makes_fid = true;
	got = rpc_walk(c, r, names, n, qids);
	err = MIN(got, 0);
	if (err != 0)
		goto give;
	*done = got;
	if (got < n) {		/* the server has not made the fid */
		err = got == 0 ? error(ENOENT, "%s: no such file", names[0]) : 0;
		goto give;
	}
	err = -ERESTART;
	if (f != NULL) {
		f->qid = n > 0 ? qids[n - 1] : c->qid;
		if (!fidrec_enter(m, f, r, renames))
			goto clunk;
	}
	*out = mnt_chan(m, fid, n > 0 ? qids[n - 1] : c->qid, f);
	if (*out != NULL)
		return 0;
	err = -ENOMEM;
	if (f != NULL)
		fidrec_remove(m, f);
clunk:
	service_clunk(s, fid, r->generation);
	fidrec_free(f);
	return err;
give:
	if (fid != NOFID && err != -EINTR)	/* interrupted: the service ends it */
		service_fid_free(s, fid);
	fidrec_free(f);
	return err;
}

static int
mnt_walk(struct chan *c, int n, const char *const *names, int *done, struct qid *qids,
	 struct chan **out)
{
	int err = -ERESTART;

	for (int i = 0; i < RESTARTS_MAX && err == -ERESTART; i++)
		err = walk_try(c, n, names, done, qids, out, false);
	return err == -ERESTART ? error(EHOSTDOWN, "the server keeps going away") : err;
}

int
mnt_transient(struct chan *c, struct chan **out)
{
	int done;

	return walk_try(c, 0, NULL, &done, NULL, out, true);
}

static void
mnt_close(struct chan *c)
{
	struct mount *m = mount_of(c);

	if (m == NULL)		/* mnt_setxattr has clunked it */
		return;
	if (c->aux3 != NULL)
		fidrec_close(c);
	else
		service_clunk(m->service, fid_of(c), m->generation);
	mount_put(m);
}

void
mnt_opened(struct chan *c, const struct request *r)
{
	c->qid = qid_of(&r->qid);
	c->aux2 = r->offset << (UNIT_BITS + 32) | (uint64_t)MIN(r->count, IO_MAX) << 32 |
		  fid_of(c);
}

/* On a recoverable mount the kernel appends itself: mnt_append. */
int
mnt_lopen(struct chan *c, uint32_t flags)
{
	int err = -ERESTART;

	if (recoverable(c))
		flags &= ~SYS_O_APPEND;
	for (int i = 0; i < RESTARTS_MAX && err == -ERESTART; i++) {
		struct request *r = mnt_begin(c, IPC_TLOPEN);

		if (r == NULL)
			return -ENOMEM;
		r->head.flags = flags;
		err = mnt_call(c, r);
		if (err == 0 && c->aux3 != NULL && !fidrec_opened(c, r, flags))
			err = -ERESTART;
		if (err == 0)
			mnt_opened(c, r);
	}
	return err;
}

static int
mnt_open(struct chan **cp, uint32_t flags)
{
	return mnt_lopen(*cp, flags);
}

static uint32_t
io_unit(const struct chan *c)
{
	uint32_t unit = (uint32_t)(c->aux2 >> 32) & ((1u << UNIT_BITS) - 1);

	return unit != 0 ? unit : IO_MAX;
}

static uint16_t
direct_of(const struct chan *c)
{
	return (uint16_t)(c->aux2 >> (UNIT_BITS + 32));
}

int64_t
mnt_read(struct chan *c, struct uio *u, uint64_t off)
{
	uint32_t unit = io_unit(c);
	int64_t total = 0;

	do {
		struct request *r = mnt_begin(c, IPC_TREAD);
		uint32_t count = (uint32_t)MIN(u->left, (size_t)unit);
		int err;

		if (r == NULL)
			return total > 0 ? total : -ENOMEM;
		r->head.offset = off + (uint64_t)total;
		r->head.count = r->ndst = count;
		r->dst = u->base;
		r->user_dst = u->user;
		if (unlikely(count >= REQUEST_DIRECT))
			r->direct = direct_of(c);
		r->as = cpu_self()->as;
		err = mnt_call(c, r);
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

int64_t
mnt_write_at(struct chan *c, struct uio *u, uint64_t off)
{
	uint32_t unit = io_unit(c);
	int64_t total = 0;

	do {
		struct request *r = mnt_begin(c, IPC_TWRITE);
		uint32_t n;
		int err;

		if (r == NULL)
			return total > 0 ? total : -ENOMEM;
		r->head.offset = off + (uint64_t)total;
		r->src = u->base;
		r->nsrc = (uint32_t)MIN(u->left, (size_t)unit);
		r->user_src = u->user;
		if (unlikely(r->nsrc >= REQUEST_DIRECT))
			r->direct = direct_of(c);
		r->as = cpu_self()->as;
		err = mnt_call(c, r);
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

static int64_t
mnt_write(struct chan *c, struct uio *u, uint64_t off)
{
	if (unlikely(c->flags & SYS_O_APPEND) && recoverable(c))
		return mnt_append(c, u);
	return mnt_write_at(c, u, off);
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
		if (strlen(name) != len || strchr(name, '/') != NULL)
			return error(EPROTO, "the server's directory entry has no name");
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
	struct request *r = mnt_begin(c, IPC_TREADDIR);
	size_t want = MIN(MIN(n, (size_t)READDIR_MAX), (size_t)io_unit(c));
	int err;

	if (want < WIRE_ENTRY + SYS_NAME_MAX)
		want = WIRE_ENTRY + SYS_NAME_MAX;
	if (r == NULL || !mnt_buffer(r, want))
		return -ENOMEM;
	r->head.offset = off;
	r->head.count = (uint32_t)want;
	err = mnt_call(c, r);
	return err != 0 ? err : repack(r->kbuf, r->got, buf, n);
}

int
mnt_stat(struct chan *c, struct sys_stat *st)
{
	struct request *r = mnt_begin(c, IPC_TGETATTR);
	int err;

	if (r == NULL || !mnt_buffer(r, sizeof(struct ipc_attr)))
		return -ENOMEM;
	r->head.offset = GETATTR_ALL;
	err = mnt_call(c, r);
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
	struct request *r = mnt_begin(c, IPC_TSETATTR);

	if (r == NULL || !mnt_buffer(r, sizeof(struct ipc_setattr)))
		return -ENOMEM;
	*(struct ipc_setattr *)r->kbuf = (struct ipc_setattr){
		.valid = a->valid, .mode = a->mode, .uid = a->uid, .gid = a->gid, .size = a->size,
		.atime_sec = a->atime.sec, .atime_nsec = a->atime.nsec,
		.mtime_sec = a->mtime.sec, .mtime_nsec = a->mtime.nsec,
	};
	r->nsrc = sizeof(struct ipc_setattr);
	r->ndst = 0;
	return mnt_call(c, r);
}

static int64_t
mnt_readlink(struct chan *c, char *buf, size_t n)
{
	struct request *r = mnt_begin(c, IPC_TREADLINK);
	int err;

	if (r == NULL || !mnt_buffer(r, MIN(n, (size_t)SYS_PATH_MAX)))
		return -ENOMEM;
	err = mnt_call(c, r);
	if (err != 0)
		return err;
	memcpy(buf, r->kbuf, r->got);
	return r->got;
}

static int
mnt_fsync(struct chan *c, bool data_only)
{
	struct request *r = mnt_begin(c, IPC_TFSYNC);

	if (r == NULL)
		return -ENOMEM;
	r->head.flags = data_only;
	return mnt_call(c, r);
}

static int
mnt_statfs(struct chan *c, struct sys_statfs *st)
{
	struct request *r = mnt_begin(c, IPC_TSTATFS);
	int err;

	_Static_assert(sizeof(struct sys_statfs) == sizeof(struct ipc_statfs), "same record");
	if (r == NULL || !mnt_buffer(r, sizeof *st))
		return -ENOMEM;
	err = mnt_call(c, r);
	if (err != 0)
		return err;
	if (r->got != sizeof *st)
		return error(EPROTO, "the server's file system record is malformed");
	memcpy(st, r->kbuf, sizeof *st);
	return 0;
}

void
lock_pack(struct request *r, const struct sys_lock *l, bool block)
{
	struct ipc_lock *w = r->kbuf;

	*w = (struct ipc_lock){
		.type = l->type, .flags = block, .start = l->start, .length = l->length,
		.pid = l->pid,
	};
	r->nsrc = sizeof *w;
}

static int
get_lock(struct chan *c, struct sys_lock *l)
{
	struct request *r = mnt_begin(c, IPC_TGETLOCK);
	const struct ipc_lock *w;
	int err;

	if (r == NULL || !mnt_buffer(r, sizeof *w))
		return -ENOMEM;
	lock_pack(r, l, false);
	err = mnt_call(c, r);
	if (err != 0)
		return err;
	if (r->got != sizeof *w)
		return error(EPROTO, "the server's lock record is malformed");
	w = r->kbuf;
	*l = (struct sys_lock){ w->type, w->pid, w->start, w->length };
	return 0;
}

/* With the memory for a record of it, if the mount is recoverable. */
static int
set_lock(struct chan *c, const struct sys_lock *l, bool block, struct lockrec *rec)
{
	int err = -ERESTART;

	for (int i = 0; i < RESTARTS_MAX && err == -ERESTART; i++) {
		struct request *r = mnt_begin(c, IPC_TLOCK);

		if (r == NULL || !mnt_buffer(r, sizeof(struct ipc_lock)))
			return -ENOMEM;
		lock_pack(r, l, block);
		err = mnt_call(c, r);
		if (err == 0 && r->count != 0)
			return r->count == 1 ? -EAGAIN : -EIO;
		if (err == 0 && rec != NULL && !fidrec_locked(c, r, rec))
			err = -ERESTART;
	}
	return err;
}

/* how: 0 set, 1 wait, 2 get. */
static int
mnt_lock(struct chan *c, struct sys_lock *l, int how)
{
	struct fidrec *f = rec_of(c);
	struct lockrec *rec = NULL;
	int err;

	l->pid = (uint32_t)proc_current()->pid;
	if (how == 2)
		return get_lock(c, l);
	if (f != NULL) {
		if (f->nlocks >= LOCKS_MAX)
			return error(ENOLCK, "lock: more than %d", LOCKS_MAX);
		rec = kzalloc(sizeof *rec);
		if (rec == NULL)
			return -ENOMEM;
		rec->lock = *l;
		list_init(&rec->link);
	}
	err = set_lock(c, l, how == 1, rec);
	if (err != 0)
		kfree(rec);
	return err;
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
