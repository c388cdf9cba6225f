/*
 * The 9P operations of the RAM file system.  A fid's aux is its inode, with a reference.
 *
 * Permissions are stored and not enforced: the kernel's mount, or the client, does that.
 * Reads leave a file's access time alone unless it has changed since (as Linux's relatime).
 */
#include "ram.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lux9/sys.h>
#include <stdlib.h>
#include <string.h>

struct ram_fs *(*ram_of)(struct p9_srv *srv);

static const uint8_t zeros[RAM_CHUNK] __attribute__((aligned(4096)));

static void
reply_qid(struct p9_req *r, struct ram_inode *i)
{
	struct ipc_qid qid = ram_qid(i);
	p9_reply_qid(r, &qid);
}

static void
attach(struct p9_req *r)
{
	struct ram_fs *fs = ram_of(r->srv);
	r->fid->aux = ram_inode_get(fs->root);
	reply_qid(r, fs->root);
}

static void
walk(struct p9_req *r)
{
	struct ram_inode *dir = ram_inode_of(r->fid), *to = NULL;
	if (!ram_is_dir(dir)) {
		p9_fail(r, ENOTDIR, NULL);
		return;
	}
	pthread_rwlock_rdlock(&dir->fs->tree);
	if (strcmp(r->name, "..") == 0) {
		to = dir->dir.parent;
	} else {
		struct ram_entry *e = ram_dir_find(dir, r->name);
		to = e ? e->inode : NULL;
	}
	if (to)
		ram_inode_get(to);
	pthread_rwlock_unlock(&dir->fs->tree);
	if (!to) {
		p9_fail(r, ENOENT, NULL);
		return;
	}
	r->newfid->aux = to;
	reply_qid(r, to);
}

static int
clone_op(const struct p9_fid *from, struct p9_fid *to)
{
	to->aux = ram_inode_get(ram_inode_of(from));
	return 0;
}

static void
destroy(struct p9_fid *fid)
{
	struct ram_inode *i = ram_inode_of(fid);
	if (!i)
		return;
	if (i->locked) {
		pthread_rwlock_wrlock(&i->lock);
		ram_unlock_fid(i, fid);
		pthread_rwlock_unlock(&i->lock);
	}
	ram_inode_put(i);
}

void
ram_empty(struct ram_inode *i)
{
	pthread_rwlock_wrlock(&i->lock);
	ram_truncate(i, 0);
	ram_touch(i, true);
	pthread_rwlock_unlock(&i->lock);
}

bool
ram_in_directory(struct p9_req *r)
{
	if (ram_is_dir(ram_inode_of(r->fid)))
		return true;
	p9_fail(r, ENOTDIR, NULL);
	return false;
}

static void
open_op(struct p9_req *r)
{
	struct ram_inode *i = ram_inode_of(r->fid);
	if (ram_is_dir(i) && (r->in.flags & O_ACCMODE) != O_RDONLY) {
		p9_fail(r, EISDIR, NULL);
		return;
	}
	if (r->in.flags & O_TRUNC && S_ISREG(i->mode))
		ram_empty(i);
	struct ipc_qid qid = ram_qid(i);
	p9_reply_open(r, &qid, 0);
}

static void
accessed(struct ram_inode *i)
{
	struct ipc_setattr a = { .valid = SYS_ATTR_ATIME };
	pthread_rwlock_wrlock(&i->lock);
	int64_t ctime = i->ctime;
	ram_setattr(i, &a);
	i->ctime = ctime;
	pthread_rwlock_unlock(&i->lock);
}

static void
release_chunk(void *chunk)
{
	ram_chunk_put(chunk);
}

/* More than one chunk, or one that ends early: one copy, into the reply's own room. */
static void
read_copy(struct p9_req *r, struct ram_inode *i, uint64_t off, size_t n)
{
	uint8_t *buf = p9_buf(r);
	if (buf)
		ram_read(i, off, buf, n);
	pthread_rwlock_unlock(&i->lock);
	if (buf)
		p9_reply_data(r, buf, n);
	else
		p9_fail(r, ENOMEM, NULL);
}

static void
read_op(struct p9_req *r)
{
	struct ram_inode *i = ram_inode_of(r->fid);
	uint64_t off = r->in.offset;
	if (!S_ISREG(i->mode)) {
		p9_fail(r, ram_is_dir(i) ? EISDIR : EINVAL, NULL);
		return;
	}
	if (__builtin_expect(i->atime <= i->mtime || i->atime <= i->ctime, 0))
		accessed(i);
	pthread_rwlock_rdlock(&i->lock);
	if (off >= i->size || !r->in.count) {
		pthread_rwlock_unlock(&i->lock);
		p9_reply_data(r, zeros, 0);
		return;
	}
	uint64_t rest = i->size - off;
	size_t n = r->in.count < rest ? r->in.count : (size_t)rest;
	size_t at = off & (RAM_CHUNK - 1);
	struct ram_chunk *c = at + n <= RAM_CHUNK ? ram_chunk_at(&i->data, off / RAM_CHUNK) : NULL;
	if (!c || at + n > c->size) {
		if (!c && at + n <= RAM_CHUNK) {	/* a hole */
			pthread_rwlock_unlock(&i->lock);
			p9_reply_data(r, zeros, n);
			return;
		}
		read_copy(r, i, off, n);
		return;
	}
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	pthread_rwlock_unlock(&i->lock);
	p9_reply_held(r, c->data + at, n, release_chunk, c);
}

static void
write_op(struct p9_req *r)
{
	struct ram_inode *i = ram_inode_of(r->fid);
	if (!S_ISREG(i->mode)) {
		p9_fail(r, ram_is_dir(i) ? EISDIR : EINVAL, NULL);
		return;
	}
	pthread_rwlock_wrlock(&i->lock);
	uint64_t off = r->fid->flags & O_APPEND ? i->size : r->in.offset;
	int64_t n = ram_write(i, off, r->data, r->in.count);
	if (n > 0)
		ram_touch(i, true);
	pthread_rwlock_unlock(&i->lock);
	if (n < 0)
		p9_fail(r, (int)n, NULL);
	else
		p9_reply_count(r, (uint32_t)n);
}

static bool
dirent(struct p9_req *r, struct ram_inode *i, uint64_t cookie, const char *name)
{
	struct ipc_qid qid = ram_qid(i);
	return p9_dirent(r, &qid, cookie, (uint8_t)IFTODT(i->mode), name);
}

static void
readdir_op(struct p9_req *r)
{
	struct ram_inode *dir = ram_inode_of(r->fid);
	uint64_t from = r->in.offset;
	bool room = true;
	if (!ram_in_directory(r))
		return;
	pthread_rwlock_rdlock(&dir->fs->tree);
	if (from < 1 && room)
		room = dirent(r, dir, 1, ".");
	if (from < 2 && room)
		room = dirent(r, dir->dir.parent ? dir->dir.parent : dir, 2, "..");
	struct ram_entry *e = room ? ram_dir_from(dir, from) : NULL;
	while (e && dirent(r, e->inode, e->cookie, e->name)) {
		dir->dir.hint = e;
		e = e->next;
	}
	pthread_rwlock_unlock(&dir->fs->tree);
	p9_ok(r);
}

static void
getattr(struct p9_req *r)
{
	struct ram_inode *i = ram_inode_of(r->fid);
	struct ipc_attr a;
	pthread_rwlock_rdlock(&i->lock);
	ram_getattr(i, &a);
	pthread_rwlock_unlock(&i->lock);
	p9_reply_attr(r, &a);
}

static void
setattr(struct p9_req *r)
{
	struct ram_inode *i = ram_inode_of(r->fid);
	pthread_rwlock_wrlock(&i->lock);
	int e = ram_setattr(i, r->data);
	pthread_rwlock_unlock(&i->lock);
	if (e < 0)
		p9_fail(r, e, NULL);
	else
		p9_ok(r);
}

static void
statfs(struct p9_req *r)
{
	struct ram_fs *fs = ram_of(r->srv);
	uint64_t used = fs->used, left = used < fs->limit ? fs->limit - used : 0;
	struct ipc_statfs s = {
		.type = 0x01021994,	/* Linux's number for a file system in memory */
		.bsize = RAM_PAGE, .blocks = fs->limit / RAM_PAGE, .bfree = left / RAM_PAGE,
		.bavail = left / RAM_PAGE, .files = fs->ninodes + left / RAM_INODE_COST,
		.ffree = left / RAM_INODE_COST, .namelen = RAM_NAME_MAX,
	};
	p9_reply_statfs(r, &s);
}

static void
readlink_op(struct p9_req *r)
{
	struct ram_inode *i = ram_inode_of(r->fid);
	if (!S_ISLNK(i->mode))
		p9_fail(r, EINVAL, NULL);
	else
		p9_reply_data(r, i->target, i->size);	/* it never changes */
}

static void
xattr_get(struct p9_req *r)
{
	struct ram_inode *i = ram_inode_of(r->fid);
	pthread_rwlock_rdlock(&i->lock);
	const struct ram_xattr *x = *r->name ? ram_xattr_find(i, r->name) : NULL;
	size_t n = *r->name ? (x ? x->size : 0) : ram_xattr_list(i, NULL, 0);
	uint8_t *copy = malloc(n + 1);
	if (copy && x)
		memcpy(copy, x->value, n);
	else if (copy && !*r->name)
		ram_xattr_list(i, (char *)copy, n);
	pthread_rwlock_unlock(&i->lock);
	if (!copy)
		p9_fail(r, ENOMEM, NULL);
	else if (*r->name && !x)
		p9_fail(r, ENODATA, NULL);
	else
		p9_reply_data(r, copy, n);
	free(copy);
}

static void
xattr_set(struct p9_req *r)
{
	struct ram_inode *i = ram_inode_of(r->fid);
	pthread_rwlock_wrlock(&i->lock);
	int e = ram_xattr_set(i, r->name, r->data, r->in.count, r->in.flags);
	pthread_rwlock_unlock(&i->lock);
	if (e < 0)
		p9_fail(r, e, NULL);
	else
		p9_ok(r);
}

static void
lock_op(struct p9_req *r)
{
	struct ram_inode *i = ram_inode_of(r->fid);
	pthread_rwlock_wrlock(&i->lock);
	uint32_t status = ram_lock(i, r->fid, r->data);
	pthread_rwlock_unlock(&i->lock);
	p9_reply_count(r, status);
}

static void
getlock_op(struct p9_req *r)
{
	struct ram_inode *i = ram_inode_of(r->fid);
	struct ipc_lock out;
	pthread_rwlock_rdlock(&i->lock);
	ram_getlock(i, r->data, &out);
	pthread_rwlock_unlock(&i->lock);
	p9_reply_lock(r, &out);
}

const struct p9_srv_ops ram_ops = {
	.attach = attach, .walk = walk, .clone = clone_op, .destroy = destroy,
	.open = open_op, .create = ram_create, .read = read_op, .write = write_op,
	.readdir = readdir_op, .getattr = getattr, .setattr = setattr, .statfs = statfs,
	.mkdir = ram_mkdir, .symlink = ram_symlink, .mknod = ram_mknod, .readlink = readlink_op,
	.link = ram_link, .rename = ram_rename, .unlink = ram_unlink,
	.xattr_get = xattr_get, .xattr_set = xattr_set, .lock = lock_op, .getlock = getlock_op,
};
