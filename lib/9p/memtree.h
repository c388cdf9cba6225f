/*
 * A small tree in memory behind the 9P server, for its tests and its fuzz target only.  Nodes come
 * from a fixed array and files hold at most MEM_FILE bytes.  A read of a file named "slow" is not
 * answered until it is flushed or mem_release() is called.
 *
 * One lock, and answers are given under it, as a file server might: the library must bear that.
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <dirent.h>
#include <lux9/sys.h>
#include <p9_srv.h>

#ifndef MEM_NODES
#define MEM_NODES 256
#define MEM_FILE 16384
#endif
#define MEM_SLOW 64

struct mem_node {
	bool used, dir, link;
	char name[P9_NAME_MAX + 1];
	struct mem_node *parent;
	uint32_t mode, refs, version, uid;
	int64_t mtime;
	size_t size, xattr_size;
	char xattr_name[P9_NAME_MAX + 1];
	uint8_t data[MEM_FILE], xattr[256];
};

struct mem_tree {
	pthread_mutex_t lock;
	struct mem_node node[MEM_NODES];
	struct p9_req *slow[MEM_SLOW];
	int nslow, nflush, live;	/* live: fids not destroyed */
};

static inline struct mem_tree *
mem_of(struct p9_req *r)
{
	return r->srv->aux;
}

static inline struct ipc_qid
mem_qid(struct mem_tree *t, struct mem_node *n)
{
	return (struct ipc_qid){ .path = (uint64_t)(n - t->node), .version = n->version,
		.type = n->dir ? P9_QTDIR : n->link ? P9_QTSYMLINK : 0 };
}

static inline struct mem_node *
mem_find(struct mem_tree *t, struct mem_node *dir, const char *name)
{
	for (int i = 1; i < MEM_NODES; i++)
		if (t->node[i].used && t->node[i].parent == dir &&
		    strcmp(t->node[i].name, name) == 0)
			return &t->node[i];
	return NULL;
}

static inline struct mem_node *
mem_make(struct mem_tree *t, struct mem_node *dir, const char *name, uint32_t mode)
{
	for (int i = 0; i < MEM_NODES; i++) {
		struct mem_node *n = &t->node[i];

		if (n->used || n->refs)
			continue;
		memset(n, 0, sizeof *n);
		n->used = true;
		n->dir = S_ISDIR(mode);
		n->link = S_ISLNK(mode);
		n->mode = mode;
		n->parent = dir;
		strcpy(n->name, name);
		return n;
	}
	return NULL;
}

static inline void
mem_init(struct mem_tree *t)
{
	memset(t, 0, sizeof *t);
	pthread_mutex_init(&t->lock, NULL);
	mem_make(t, NULL, "", S_IFDIR | 0755);
}

/* Sets a fid's node; the lock is held. */
static inline void
mem_hold(struct mem_tree *t, struct p9_fid *f, struct mem_node *n)
{
	f->aux = n;
	n->refs++;
	t->live++;
}

static inline void
mem_attach(struct p9_req *r)
{
	struct mem_tree *t = mem_of(r);
	struct ipc_qid q = mem_qid(t, &t->node[0]);

	pthread_mutex_lock(&t->lock);
	if (r->name[0]) {
		p9_fail(r, ENOENT, "no tree is called %s", r->name);
	} else {
		mem_hold(t, r->fid, &t->node[0]);
		p9_reply_qid(r, &q);
	}
	pthread_mutex_unlock(&t->lock);
}

static inline void
mem_walk(struct p9_req *r)
{
	struct mem_tree *t = mem_of(r);
	struct mem_node *dir = r->fid->aux, *n;
	struct ipc_qid q;

	pthread_mutex_lock(&t->lock);
	n = strcmp(r->name, "..") == 0 ? dir->parent : mem_find(t, dir, r->name);
	if (n) {
		mem_hold(t, r->newfid, n);
		q = mem_qid(t, n);
		p9_reply_qid(r, &q);
	} else {
		p9_fail(r, ENOENT, NULL);
	}
	pthread_mutex_unlock(&t->lock);
}

static inline int
mem_clone(const struct p9_fid *from, struct p9_fid *to)
{
	struct mem_tree *t = to->srv->aux;

	pthread_mutex_lock(&t->lock);
	mem_hold(t, to, from->aux);
	pthread_mutex_unlock(&t->lock);
	return 0;
}

static inline void
mem_destroy(struct p9_fid *f)
{
	struct mem_tree *t = f->srv->aux;
	struct mem_node *n = f->aux;

	pthread_mutex_lock(&t->lock);
	n->refs--;
	t->live--;
	pthread_mutex_unlock(&t->lock);
}

static inline void
mem_open(struct p9_req *r)
{
	struct mem_tree *t = mem_of(r);
	struct mem_node *n = r->fid->aux;
	struct ipc_qid q;

	pthread_mutex_lock(&t->lock);
	if (r->in.flags & O_TRUNC)
		n->size = 0;
	q = mem_qid(t, n);
	p9_reply_open(r, &q, 0);
	pthread_mutex_unlock(&t->lock);
}

/* A new node under r->name, of the mode; answered when that is not possible. */
static inline struct mem_node *
mem_new(struct p9_req *r, uint32_t mode)
{
	struct mem_tree *t = mem_of(r);
	struct mem_node *n = NULL;

	if (!((struct mem_node *)r->fid->aux)->used) {
		p9_fail(r, ENOENT, "directory is gone");
	} else if (mem_find(t, r->fid->aux, r->name)) {
		p9_fail(r, EEXIST, NULL);
	} else {
		n = mem_make(t, r->fid->aux, r->name, mode);
		if (!n)
			p9_fail(r, ENOSPC, NULL);
	}
	return n;
}

static inline void
mem_create(struct p9_req *r)
{
	struct mem_tree *t = mem_of(r);
	struct mem_node *n;
	struct ipc_qid q;

	pthread_mutex_lock(&t->lock);
	n = r->in.flags & O_EXCL ? NULL : mem_find(t, r->fid->aux, r->name);
	if (!n)
		n = mem_new(r, S_IFREG | (r->in.mode & 0777));
	if (n) {
		if (r->in.flags & O_TRUNC)
			n->size = 0;
		mem_hold(t, r->newfid, n);
		q = mem_qid(t, n);
		p9_reply_open(r, &q, 0);
	}
	pthread_mutex_unlock(&t->lock);
}

static inline void
mem_make_node(struct p9_req *r, uint32_t mode)
{
	struct mem_tree *t = mem_of(r);
	struct mem_node *n;
	struct ipc_qid q;

	pthread_mutex_lock(&t->lock);
	n = mem_new(r, mode);
	if (n && r->name2) {
		n->size = strlen(r->name2);
		memcpy(n->data, r->name2, n->size);
	}
	if (n) {
		q = mem_qid(t, n);
		p9_reply_qid(r, &q);
	}
	pthread_mutex_unlock(&t->lock);
}

static inline void
mem_mkdir(struct p9_req *r)
{
	mem_make_node(r, S_IFDIR | (r->in.mode & 0777));
}

static inline void
mem_symlink(struct p9_req *r)
{
	mem_make_node(r, S_IFLNK | 0777);
}

static inline void
mem_readlink(struct p9_req *r)
{
	struct mem_node *n = r->fid->aux;

	if (n->link)
		p9_reply_data(r, n->data, n->size);
	else
		p9_fail(r, EINVAL, NULL);
}

static inline void
mem_read(struct p9_req *r)
{
	struct mem_tree *t = mem_of(r);
	struct mem_node *n = r->fid->aux;
	uint64_t from;

	pthread_mutex_lock(&t->lock);
	if (p9_cancelled(r)) {
		p9_fail(r, EINTR, NULL);
	} else if (strcmp(n->name, "slow") == 0 && t->nslow < MEM_SLOW) {
		r->aux = t;
		t->slow[t->nslow++] = r;
	} else {
		from = r->in.offset < n->size ? r->in.offset : n->size;
		p9_reply_data(r, n->data + from, n->size - from);
	}
	pthread_mutex_unlock(&t->lock);
}

static inline void
mem_flush(struct p9_req *old)
{
	struct mem_tree *t = mem_of(old);

	pthread_mutex_lock(&t->lock);
	t->nflush++;
	for (int i = 0; i < t->nslow; i++) {
		if (t->slow[i] == old) {
			t->slow[i] = t->slow[--t->nslow];
			p9_fail(old, EINTR, NULL);
			break;
		}
	}
	pthread_mutex_unlock(&t->lock);
}

/* How many reads wait. */
static inline int
mem_waiting(struct mem_tree *t)
{
	int n;

	pthread_mutex_lock(&t->lock);
	n = t->nslow;
	pthread_mutex_unlock(&t->lock);
	return n;
}

/* Answers what waits with "slow"; how many. */
static inline int
mem_release(struct mem_tree *t)
{
	int n;

	pthread_mutex_lock(&t->lock);
	n = t->nslow;
	while (t->nslow)
		p9_reply_data(t->slow[--t->nslow], "slow", 4);
	pthread_mutex_unlock(&t->lock);
	return n;
}

static inline void
mem_write(struct p9_req *r)
{
	struct mem_tree *t = mem_of(r);
	struct mem_node *n = r->fid->aux;

	pthread_mutex_lock(&t->lock);
	if (r->in.offset > MEM_FILE || r->in.count > MEM_FILE - r->in.offset) {
		p9_fail(r, ENOSPC, "file would exceed %d bytes", MEM_FILE);
	} else {
		if (r->in.offset > n->size)
			memset(n->data + n->size, 0, r->in.offset - n->size);
		memcpy(n->data + r->in.offset, r->data, r->in.count);
		if (r->in.offset + r->in.count > n->size)
			n->size = r->in.offset + r->in.count;
		n->version++;
		p9_reply_count(r, r->in.count);
	}
	pthread_mutex_unlock(&t->lock);
}

static inline void
mem_readdir(struct p9_req *r)
{
	struct mem_tree *t = mem_of(r);

	pthread_mutex_lock(&t->lock);
	for (uint64_t i = r->in.offset; i < MEM_NODES; i++) {
		struct mem_node *n = &t->node[i];
		struct ipc_qid q = mem_qid(t, n);

		if (i && n->used && n->parent == r->fid->aux &&
		    !p9_dirent(r, &q, i + 1, n->dir ? DT_DIR : DT_REG, n->name))
			break;
	}
	p9_ok(r);
	pthread_mutex_unlock(&t->lock);
}

static inline void
mem_getattr(struct p9_req *r)
{
	struct mem_tree *t = mem_of(r);
	struct mem_node *n = r->fid->aux;
	struct ipc_attr a = { .valid = P9_GETATTR_BASIC, .nlink = 1, .blksize = 4096 };

	pthread_mutex_lock(&t->lock);
	a.qid = mem_qid(t, n);
	a.mode = n->mode;
	a.uid = n->uid;
	a.size = n->size;
	a.mtime_sec = n->mtime;
	p9_reply_attr(r, &a);
	pthread_mutex_unlock(&t->lock);
}

static inline void
mem_setattr(struct p9_req *r)
{
	const struct ipc_setattr *a = r->data;
	struct mem_tree *t = mem_of(r);
	struct mem_node *n = r->fid->aux;

	pthread_mutex_lock(&t->lock);
	if ((a->valid & SYS_ATTR_SIZE) && a->size > MEM_FILE) {
		p9_fail(r, EFBIG, NULL);
		pthread_mutex_unlock(&t->lock);
		return;
	}
	if (a->valid & SYS_ATTR_MODE)
		n->mode = (n->mode & S_IFMT) | (a->mode & 07777);
	if (a->valid & SYS_ATTR_UID)
		n->uid = a->uid;
	if (a->valid & SYS_ATTR_MTIME_SET)
		n->mtime = a->mtime_sec;
	if (a->valid & SYS_ATTR_SIZE) {
		if (a->size > n->size)
			memset(n->data + n->size, 0, a->size - n->size);
		n->size = a->size;
	}
	p9_ok(r);
	pthread_mutex_unlock(&t->lock);
}

static inline bool
mem_empty(struct mem_tree *t, struct mem_node *dir)
{
	for (int i = 1; i < MEM_NODES; i++)
		if (t->node[i].used && t->node[i].parent == dir)
			return false;
	return true;
}

static inline void
mem_unlink(struct p9_req *r)
{
	struct mem_tree *t = mem_of(r);
	struct mem_node *n;

	pthread_mutex_lock(&t->lock);
	n = mem_find(t, r->fid->aux, r->name);
	if (!n) {
		p9_fail(r, ENOENT, NULL);
	} else if (n->dir && !(r->in.flags & 0x200)) {
		p9_fail(r, EISDIR, NULL);
	} else if (!n->dir && (r->in.flags & 0x200)) {
		p9_fail(r, ENOTDIR, NULL);
	} else if (n->dir && !mem_empty(t, n)) {
		p9_fail(r, ENOTEMPTY, NULL);
	} else {
		n->used = false;
		p9_ok(r);
	}
	pthread_mutex_unlock(&t->lock);
}

static inline bool
mem_below(const struct mem_node *n, const struct mem_node *dir)
{
	for (int i = 0; n && i < MEM_NODES; i++, n = n->parent)
		if (n == dir)
			return true;
	return false;
}

static inline void
mem_rename(struct p9_req *r)
{
	struct mem_tree *t = mem_of(r);
	struct mem_node *n, *there;

	pthread_mutex_lock(&t->lock);
	n = mem_find(t, r->fid->aux, r->name);
	there = mem_find(t, r->newfid->aux, r->name2);
	if (!n || !((struct mem_node *)r->newfid->aux)->used) {
		p9_fail(r, ENOENT, NULL);
	} else if (mem_below(r->newfid->aux, n)) {
		p9_fail(r, EINVAL, "a directory cannot move into itself");
	} else if (there && there != n && there->dir) {
		p9_fail(r, EISDIR, NULL);
	} else {
		if (there && there != n)
			there->used = false;
		n->parent = r->newfid->aux;
		strcpy(n->name, r->name2);
		p9_ok(r);
	}
	pthread_mutex_unlock(&t->lock);
}

static inline void
mem_xattr_get(struct p9_req *r)
{
	struct mem_node *n = r->fid->aux;

	if (r->name[0] == 0)
		p9_reply_data(r, n->xattr_name, n->xattr_name[0] ? strlen(n->xattr_name) + 1 : 0);
	else if (strcmp(n->xattr_name, r->name) == 0)
		p9_reply_data(r, n->xattr, n->xattr_size);
	else
		p9_fail(r, ENODATA, NULL);
}

static inline void
mem_xattr_set(struct p9_req *r)
{
	struct mem_node *n = r->fid->aux;

	if (r->in.count > sizeof n->xattr) {
		p9_fail(r, ENOSPC, NULL);
		return;
	}
	strcpy(n->xattr_name, r->in.count ? r->name : "");
	memcpy(n->xattr, r->data, r->in.count);
	n->xattr_size = r->in.count;
	p9_ok(r);
}

static inline void
mem_statfs(struct p9_req *r)
{
	struct ipc_statfs s = { .type = 0x01021997, .bsize = 512, .blocks = 1000, .bfree = 900,
		.bavail = 900, .files = MEM_NODES, .ffree = 1, .fsid = 9, .namelen = 255 };

	p9_reply_statfs(r, &s);
}

static inline void
mem_lock(struct p9_req *r)
{
	const struct ipc_lock *l = r->data;

	p9_reply_count(r, l->type <= 2 ? 0 : 2);
}

static inline void
mem_getlock(struct p9_req *r)
{
	struct ipc_lock l = *(const struct ipc_lock *)r->data;

	l.type = 2;
	p9_reply_lock(r, &l);
}

static const struct p9_srv_ops mem_ops = {
	.attach = mem_attach, .walk = mem_walk, .clone = mem_clone, .destroy = mem_destroy,
	.open = mem_open, .create = mem_create, .read = mem_read, .write = mem_write,
	.readdir = mem_readdir, .getattr = mem_getattr, .setattr = mem_setattr,
	.statfs = mem_statfs, .mkdir = mem_mkdir, .symlink = mem_symlink,
	.readlink = mem_readlink, .rename = mem_rename, .unlink = mem_unlink,
	.xattr_get = mem_xattr_get, .xattr_set = mem_xattr_set, .lock = mem_lock,
	.getlock = mem_getlock, .flush = mem_flush,
};
