/*
 * The operations that make, move and remove names.  All of them hold `tree` for writing while they
 * look and change, and change nothing when they fail.
 */
#include "ram.h"

#include <errno.h>
#include <fcntl.h>
#include <lux9/sys.h>
#include <stdlib.h>
#include <string.h>

/* A new inode named in a directory, with a reference for the name; `tree` is held for writing. */
static int
make(struct ram_inode *dir, const char *name, struct ram_inode *i)
{
	if (!dir->nlink)
		return -ENOENT;
	int e = ram_dir_add(dir, name, i);
	if (e < 0)
		return e;
	if (ram_is_dir(i)) {
		i->dir.parent = dir;
		dir->nlink++;
	}
	ram_touch(dir, true);
	return 0;
}

/* What the new file has of its directory's group, as POSIX allows and Linux does. */
static struct ram_inode *
new_in(struct p9_req *r, struct ram_inode *dir, uint32_t mode)
{
	uint32_t gid = r->in.gid;
	if (dir->mode & S_ISGID) {
		gid = dir->gid;
		if (S_ISDIR(mode))
			mode |= S_ISGID;
	}
	return ram_inode_new(dir->fs, mode, r->fid->uid, gid);
}

/* Makes a name for i, which the call takes over; 0 or a negative errno. */
static int
add(struct p9_req *r, struct ram_inode *dir, struct ram_inode *i)
{
	int e;
	pthread_rwlock_wrlock(&dir->fs->tree);
	e = ram_dir_find(dir, r->name) ? -EEXIST : make(dir, r->name, i);
	if (e == 0)
		ram_inode_get(i);	/* the caller's, beside the name's */
	pthread_rwlock_unlock(&dir->fs->tree);
	if (e < 0)
		ram_inode_put(i);
	return e;
}

static void
add_and_reply(struct p9_req *r, struct ram_inode *i)
{
	int e = i ? add(r, ram_inode_of(r->fid), i) : -ENOSPC;
	if (e < 0) {
		p9_fail(r, e, NULL);
		return;
	}
	struct ipc_qid qid = ram_qid(i);
	ram_inode_put(i);
	p9_reply_qid(r, &qid);
}

void
ram_create(struct p9_req *r)
{
	struct ram_inode *dir = ram_inode_of(r->fid), *i = NULL;
	struct ram_entry *old;
	int e = 0;
	if (!ram_in_directory(r))
		return;
	pthread_rwlock_wrlock(&dir->fs->tree);
	old = ram_dir_find(dir, r->name);
	if (old && (r->in.flags & O_EXCL || !S_ISREG(old->inode->mode))) {
		e = r->in.flags & O_EXCL ? -EEXIST : ram_is_dir(old->inode) ? -EISDIR : -EEXIST;
	} else if (old) {
		i = old->inode;
	} else {
		i = new_in(r, dir, S_IFREG | (r->in.mode & 07777));
		e = i ? make(dir, r->name, i) : -ENOSPC;
		if (i && e < 0)
			ram_inode_put(i);
	}
	if (e == 0)
		ram_inode_get(i);
	pthread_rwlock_unlock(&dir->fs->tree);
	if (e < 0) {
		p9_fail(r, e, NULL);
		return;
	}
	if (old && r->in.flags & O_TRUNC)
		ram_empty(i);
	r->newfid->aux = i;
	struct ipc_qid qid = ram_qid(i);
	p9_reply_open(r, &qid, 0);
}

void
ram_mkdir(struct p9_req *r)
{
	if (ram_in_directory(r))
		add_and_reply(r, new_in(r, ram_inode_of(r->fid), S_IFDIR | (r->in.mode & 07777)));
}

void
ram_symlink(struct p9_req *r)
{
	struct ram_inode *i;
	size_t n = strlen(r->name2);
	if (!ram_in_directory(r))
		return;
	i = new_in(r, ram_inode_of(r->fid), S_IFLNK | 0777);
	if (i && ram_charge(i->fs, n + 1) == 0) {
		i->target = strdup(r->name2);
		i->size = n;
		if (!i->target)
			ram_credit(i->fs, n + 1);
	}
	if (i && !i->target) {
		ram_inode_put(i);
		i = NULL;
	}
	add_and_reply(r, i);
}

void
ram_mknod(struct p9_req *r)
{
	uint32_t type = r->in.mode & (uint32_t)S_IFMT;
	if (!ram_in_directory(r))
		return;
	if (type == S_IFDIR || type == S_IFLNK) {
		p9_fail(r, EINVAL, NULL);
		return;
	}
	type = type ? type : S_IFREG;
	struct ram_inode *i = new_in(r, ram_inode_of(r->fid), type | (r->in.mode & 07777));
	if (i)
		i->rdev = (r->in.offset >> 32) << 8 | (r->in.offset & 0xff) |
		    (r->in.offset & 0xffffff00) << 12;
	add_and_reply(r, i);
}

void
ram_link(struct p9_req *r)
{
	struct ram_inode *dir = ram_inode_of(r->fid), *i = ram_inode_of(r->newfid);
	int e;
	if (!ram_in_directory(r))
		return;
	pthread_rwlock_wrlock(&dir->fs->tree);
	if (ram_dir_find(dir, r->name))
		e = -EEXIST;
	else if (ram_is_dir(i))
		e = -EPERM;
	else if (!i->nlink)
		e = -ENOENT;
	else if (i->nlink >= RAM_LINK_MAX)
		e = -EMLINK;
	else
		e = make(dir, r->name, i);
	if (e == 0) {
		i->nlink++;
		ram_touch(i, false);
	}
	pthread_rwlock_unlock(&dir->fs->tree);
	if (e < 0)
		p9_fail(r, e, NULL);
	else
		p9_ok(r);
}

/* Takes a name away; the inode's last use of it is over.  `tree` is held for writing. */
static void
forget(struct ram_inode *dir, struct ram_entry *e)
{
	struct ram_inode *i = e->inode;
	ram_dir_remove(dir, e);
	if (ram_is_dir(i)) {
		dir->nlink--;
		i->nlink = 0;
		i->dir.parent = NULL;
	} else {
		i->nlink--;
	}
	ram_touch(i, false);
	ram_touch(dir, true);
	if (!i->nlink)
		ram_inode_put(i);
}

static int
may_forget(const struct ram_entry *e, bool want_dir)
{
	if (!want_dir)
		return ram_is_dir(e->inode) ? -EISDIR : 0;
	if (!ram_is_dir(e->inode))
		return -ENOTDIR;
	return e->inode->dir.count ? -ENOTEMPTY : 0;
}

void
ram_unlink(struct p9_req *r)
{
	struct ram_inode *dir = ram_inode_of(r->fid);
	if (!ram_in_directory(r))
		return;
	pthread_rwlock_wrlock(&dir->fs->tree);
	struct ram_entry *e = ram_dir_find(dir, r->name);
	int err = e ? may_forget(e, r->in.flags & SYS_AT_REMOVEDIR) : -ENOENT;
	if (err == 0)
		forget(dir, e);
	pthread_rwlock_unlock(&dir->fs->tree);
	if (err < 0)
		p9_fail(r, err, NULL);
	else
		p9_ok(r);
}

/* What stands at the new name may be replaced: 0, 1 when both are one file, or an errno. */
static int
may_replace(const struct ram_inode *from, const struct ram_inode *i, const struct ram_inode *to,
	const struct ram_entry *old)
{
	if (ram_is_dir(i) && ram_dir_inside(to, i))
		return -EINVAL;
	if (!to->nlink)
		return -ENOENT;
	if (!old)
		return 0;
	if (ram_is_dir(old->inode) && ram_dir_inside(from, old->inode))
		return -ENOTEMPTY;
	if (old->inode == i)
		return 1;
	if (ram_is_dir(i) && !ram_is_dir(old->inode))
		return -ENOTDIR;
	return may_forget(old, ram_is_dir(i));
}

/* `tree` is held for writing.  The new name is made first, so that failing changes nothing. */
static int
rename_locked(struct ram_inode *from, const char *name, struct ram_inode *to, const char *name2)
{
	struct ram_entry *e = ram_dir_find(from, name), *old = ram_dir_find(to, name2);
	if (!e)
		return -ENOENT;
	struct ram_inode *i = e->inode;
	int err = may_replace(from, i, to, old);
	if (err)
		return err < 0 ? err : 0;
	err = ram_dir_add(to, name2, i);
	if (err < 0)
		return err;
	if (old)
		forget(to, old);
	ram_dir_remove(from, e);
	if (ram_is_dir(i)) {
		from->nlink--;
		to->nlink++;
		i->dir.parent = to;
	}
	ram_touch(i, false);
	ram_touch(from, true);
	ram_touch(to, true);
	return 0;
}

void
ram_rename(struct p9_req *r)
{
	struct ram_inode *from = ram_inode_of(r->fid), *to = ram_inode_of(r->newfid);
	if (!ram_in_directory(r))
		return;
	if (!ram_is_dir(to)) {
		p9_fail(r, ENOTDIR, NULL);
		return;
	}
	pthread_rwlock_wrlock(&from->fs->tree);
	int e = rename_locked(from, r->name, to, r->name2);
	pthread_rwlock_unlock(&from->fs->tree);
	if (e < 0)
		p9_fail(r, e, NULL);
	else
		p9_ok(r);
}

