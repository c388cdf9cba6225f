/*
 * The file calls on paths and directories.
 *
 * A name to be made goes to the member of a union that takes new files; a name to be removed or
 * moved, to the member that has it.  What a name space has mounted something on cannot be removed.
 */
#include "name.h"
#include "proc.h"
#include "syscall.h"
#include "userpath.h"

#define READDIR_MAX	(32 * 1024ul)
#define MEMBER_SHIFT	56	/* a union's directory offset: the member, and its own */

int
user_path_get(struct user_path *p, uint64_t user)
{
	int64_t n = copy_str_from_user(p->small, (const char *)user, sizeof(p->small));

	p->text = p->small;
	if (n != -ENAMETOOLONG)
		return n < 0 ? (int)n : 0;
	p->text = kmalloc(SYS_PATH_MAX);
	if (p->text == NULL)
		return -ENOMEM;
	n = copy_str_from_user(p->text, (const char *)user, SYS_PATH_MAX);
	if (n < 0)
		user_path_put(p);
	return n < 0 ? (int)n : 0;
}

void
user_path_put(struct user_path *p)
{
	if (p->text != p->small)
		kfree(p->text);
}

int
user_path_from(const struct user_path *p, uint64_t dirfd, struct chan **from)
{
	*from = NULL;
	if (p->text[0] == '/' || (int)dirfd == SYS_CWD)
		return 0;
	*from = fd_get((int)dirfd);
	if (*from == NULL)
		return -EBADF;
	if (p->text[0] == '\0' || (*from)->qid.type & QT_DIR)
		return 0;
	chan_put(*from);
	*from = NULL;
	return -ENOTDIR;
}

/* The path and its beginning together; on success both are the caller's to put. */
static int
get_path(uint64_t dirfd, uint64_t user, struct user_path *p, struct chan **from)
{
	int r = user_path_get(p, user);

	*from = NULL;
	if (r < 0)
		return r;
	r = user_path_from(p, dirfd, from);
	if (r < 0)
		user_path_put(p);
	return r;
}

/* The place that a call with SYS_AT_* flags means. */
static int
get_place(uint64_t dirfd, uint64_t user, uint64_t flags, struct place *out)
{
	struct user_path path;
	struct chan *from;
	int r;

	if (flags & SYS_AT_EMPTY_PATH && user == 0) {
		path.text = path.small;
		path.small[0] = '\0';
		r = user_path_from(&path, dirfd, &from);
	} else {
		r = get_path(dirfd, user, &path, &from);
	}
	if (r < 0)
		return r;
	if (path.text[0] == '\0' && flags & SYS_AT_EMPTY_PATH) {
		if (from) {
			chan_get(from);
			*out = (struct place){ .c = from };
		} else {
			r = name_place(NULL, ".", NAME_WALK, out);
		}
	} else {
		r = name_place(from, path.text, flags & SYS_AT_NOFOLLOW ? NAME_NOFOLLOW : NAME_WALK,
			       out);
	}
	chan_put(from);
	user_path_put(&path);
	return r;
}

int64_t
sys_stat(const uint64_t a[6])
{
	struct sys_stat st = { 0 };
	struct place p;
	int r = get_place(a[0], a[1], a[3], &p);

	if (r < 0)
		return r;
	r = p.c->dev->stat ? p.c->dev->stat(p.c, &st) : -EPERM;
	/* Kernel devices have small numbers, then come the mounts. */
	if (r == 0)
		st.dev = dev_number(p.c->dev) ? dev_number(p.c->dev) : 0x100ul + p.c->id;
	place_put(&p);
	return r < 0 ? r : copy_to_user((void *)a[2], &st, sizeof(st));
}

int64_t
sys_setattr(const uint64_t a[6])
{
	struct sys_attr attr;
	struct place p;
	int r;

	if (copy_from_user(&attr, (const void *)a[2], sizeof(attr)) < 0)
		return -EFAULT;
	r = get_place(a[0], a[1], a[3], &p);
	if (r < 0)
		return r;
	r = p.c->dev->setattr ? p.c->dev->setattr(p.c, &attr) : -EPERM;
	place_put(&p);
	return r;
}

/* The directory and last name that a call means. */
static int
get_parent(uint64_t dirfd, uint64_t user, bool existing, struct place *dir,
	   char name[SYS_NAME_MAX + 1])
{
	struct user_path path;
	struct chan *from;
	int r = get_path(dirfd, user, &path, &from);

	if (r < 0)
		return r;
	r = name_parent_place(from, path.text, existing, dir, name);
	chan_put(from);
	user_path_put(&path);
	return r;
}

/* 0 or -EBUSY. */
static int
check_busy(const struct place *dir, const char *name)
{
	if (!ns_busy(ns_current(), dir->path->text, name))
		return 0;
	return error(EBUSY, "%s: something is mounted on it", name);
}

/* What to do with a name in the directory dir. */
typedef int name_call(struct chan *dir, const char *name, const void *arg, uint64_t n);

static int
on_name(uint64_t dirfd, uint64_t user, bool existing, name_call *f, const void *arg, uint64_t n)
{
	char name[SYS_NAME_MAX + 1];
	struct place dir;
	int r = get_parent(dirfd, user, existing, &dir, name);

	if (r < 0)
		return r;
	r = existing ? check_busy(&dir, name) : 0;
	if (r == 0)
		r = f(dir.c, name, arg, n);
	if (r == -EPERM)
		r = error(EPERM, "%s: nothing can be made or removed there", name);
	place_put(&dir);
	return r;
}

static int
do_mkdir(struct chan *dir, const char *name, const void *arg, uint64_t mode)
{
	(void)arg;
	return dir->dev->mkdir ? dir->dev->mkdir(dir, name, (uint32_t)mode & 07777) : -EPERM;
}

int64_t
sys_mkdir(const uint64_t a[6])
{
	return on_name(a[0], a[1], false, do_mkdir, NULL, a[2]);
}

static int
do_unlink(struct chan *dir, const char *name, const void *arg, uint64_t flags)
{
	(void)arg;
	return dir->dev->unlink ? dir->dev->unlink(dir, name, (uint32_t)flags) : -EPERM;
}

int64_t
sys_unlink(const uint64_t a[6])
{
	return on_name(a[0], a[1], true, do_unlink, NULL, a[2]);
}

static int
do_mknod(struct chan *dir, const char *name, const void *arg, uint64_t mode)
{
	const uint64_t *rdev = arg;

	return dir->dev->mknod ? dir->dev->mknod(dir, name, (uint32_t)mode, *rdev) : -EPERM;
}

int64_t
sys_mknod(const uint64_t a[6])
{
	uint64_t rdev = a[3] << 32 | (uint32_t)a[4];

	return on_name(a[0], a[1], false, do_mknod, &rdev, a[2]);
}

static int
do_symlink(struct chan *dir, const char *name, const void *target, uint64_t n)
{
	(void)n;
	return dir->dev->symlink ? dir->dev->symlink(dir, name, target) : -EPERM;
}

int64_t
sys_symlink(const uint64_t a[6])
{
	struct user_path target;
	int r = user_path_get(&target, a[0]);

	if (r < 0)
		return r;
	r = target.text[0] == '\0' ? -ENOENT
				   : on_name(a[1], a[2], false, do_symlink, target.text, 0);
	user_path_put(&target);
	return r;
}

static int
do_link(struct chan *dir, const char *name, const void *arg, uint64_t n)
{
	struct chan *file = (struct chan *)arg;

	(void)n;
	if (dir->dev != file->dev || dir->id != file->id)
		return error(EXDEV, "%s: the file is of a different server", name);
	return dir->dev->link ? dir->dev->link(dir, name, file) : -EPERM;
}

int64_t
sys_link(const uint64_t a[6])
{
	uint64_t flags = (a[4] & SYS_AT_FOLLOW ? 0 : SYS_AT_NOFOLLOW) | (a[4] & SYS_AT_EMPTY_PATH);
	struct place file;
	int r = get_place(a[0], a[1], flags, &file);

	if (r < 0)
		return r;
	r = on_name(a[2], a[3], false, do_link, file.c, 0);
	place_put(&file);
	return r;
}

int64_t
sys_rename(const uint64_t a[6])
{
	char oname[SYS_NAME_MAX + 1], nname[SYS_NAME_MAX + 1];
	struct place odir, ndir;
	int r = get_parent(a[0], a[1], true, &odir, oname);

	if (r < 0)
		return r;
	r = get_parent(a[2], a[3], true, &ndir, nname);
	if (r < 0) {
		place_put(&odir);
		return r;
	}
	r = check_busy(&odir, oname);
	if (r == 0)
		r = check_busy(&ndir, nname);
	if (r == 0 && (odir.c->dev != ndir.c->dev || odir.c->id != ndir.c->id))
		r = error(EXDEV, "%s and %s are of different servers", oname, nname);
	if (r == 0)
		r = odir.c->dev->rename
			  ? odir.c->dev->rename(odir.c, oname, ndir.c, nname)
			  : error(EPERM, "%s: cannot be renamed", oname);
	place_put(&odir);
	place_put(&ndir);
	return r;
}

int64_t
sys_readlink(const uint64_t a[6])
{
	size_t n = MIN(a[3], (uint64_t)SYS_PATH_MAX);
	struct place p;
	char *buf;
	int64_t r = get_place(a[0], a[1], SYS_AT_NOFOLLOW | SYS_AT_EMPTY_PATH, &p);

	if (r < 0)
		return r;
	buf = kmalloc(SYS_PATH_MAX);
	if (buf == NULL)
		r = -ENOMEM;
	else if (!(p.c->qid.type & QT_SYMLINK) || p.c->dev->readlink == NULL)
		r = -EINVAL;
	else
		r = p.c->dev->readlink(p.c, buf, SYS_PATH_MAX);
	if (r > SYS_PATH_MAX)
		r = -EIO;
	if (r >= 0) {
		r = (int64_t)MIN((size_t)r, n);
		if (copy_to_user((void *)a[2], buf, (size_t)r) < 0)
			r = -EFAULT;
	}
	kfree(buf);
	place_put(&p);
	return r;
}

/* Member i of the union that c is the first of, open, with a reference. */
static int
union_member(struct chan *c, int i, struct chan **out)
{
	struct chan *m = NULL, *old;
	int err = 0;

	*out = c;
	if (i == 0) {
		chan_get(c);
		return 0;
	}
	spin_lock(&c->lock);
	if (c->umember && c->uindex == i) {
		m = c->umember;
		chan_get(m);
	}
	spin_unlock(&c->lock);
	if (m == NULL) {
		m = chan_clone(c->head->member[i].to);
		if (m == NULL)
			return -ENOMEM;
		err = m->dev->open ? m->dev->open(&m, SYS_O_RDONLY | SYS_O_DIRECTORY) : -EPERM;
		if (err < 0) {
			chan_put(m);
			return err;
		}
		m->open = true;
		chan_get(m);
		spin_lock(&c->lock);
		old = c->umember;
		c->umember = m;
		c->uindex = i;
		spin_unlock(&c->lock);
		chan_put(old);
	}
	*out = m;
	return 0;
}

/* Marks the records' offsets as member i's.  What a server made is not believed. */
static void
mark_records(char *buf, int64_t n, int i)
{
	struct sys_dirent *d;

	for (int64_t at = 0; n - at >= (int64_t)sizeof(*d); at += d->reclen) {
		d = (struct sys_dirent *)(buf + at);
		if (d->reclen < sizeof(*d) || d->reclen > n - at)
			break;
		d->offset = (int64_t)(((uint64_t)d->offset & ((1ul << MEMBER_SHIFT) - 1)) |
				      (uint64_t)i << MEMBER_SHIFT);
	}
}

static int64_t
last_offset(const char *buf, int64_t n)
{
	const struct sys_dirent *d = NULL;

	for (int64_t at = 0; n - at >= (int64_t)sizeof(*d); at += d->reclen) {
		d = (const struct sys_dirent *)(buf + at);
		if (d->reclen < sizeof(*d) || d->reclen > n - at)
			break;
	}
	return d ? d->offset : 0;
}

static int64_t
union_readdir(struct chan *c, char *buf, size_t n, uint64_t off)
{
	for (uint64_t i = off >> MEMBER_SHIFT; i < (uint64_t)c->head->n; i++) {
		struct chan *m;
		int64_t r = union_member(c, (int)i, &m);

		/* A member that cannot be read hides only itself. */
		if (r < 0)
			continue;
		r = m->dev->readdir ? m->dev->readdir(m, buf, n, off & ((1ul << MEMBER_SHIFT) - 1))
				    : 0;
		chan_put(m);
		if (r > 0) {
			mark_records(buf, r, (int)i);
			return r;
		}
		if (r == -EINVAL || r == -EINTR)
			return r;
		off = 0;
	}
	return 0;
}

static int64_t
readdir(struct chan *c, uint64_t user, size_t n)
{
	uint64_t off = __atomic_load_n(&c->offset, __ATOMIC_RELAXED);
	char *buf;
	int64_t r;

	if (!c->open)
		return -EBADF;
	if (!(c->qid.type & QT_DIR) || c->dev->readdir == NULL)
		return -ENOTDIR;
	n = MIN(n, READDIR_MAX);
	buf = kmalloc(n);
	if (buf == NULL)
		return -ENOMEM;
	r = c->head && c->head->n > 1 ? union_readdir(c, buf, n, off)
				      : c->dev->readdir(c, buf, n, off);
	if (r > (int64_t)n)
		r = -EIO;
	if (r > 0) {
		int64_t next = last_offset(buf, r);

		if (copy_to_user((void *)user, buf, (size_t)r) < 0)
			r = -EFAULT;
		else
			__atomic_store_n(&c->offset, (uint64_t)next, __ATOMIC_RELAXED);
	}
	kfree(buf);
	return r;
}

int64_t
sys_readdir(const uint64_t a[6])
{
	struct chan *c = fd_get((int)a[0]);
	int64_t r;

	if (c == NULL)
		return -EBADF;
	r = readdir(c, a[1], a[2]);
	chan_put(c);
	return r;
}

/* A directory that is worked in stays on this side of what is mounted on it, now or later. */
int64_t
sys_chdir(const uint64_t a[6])
{
	struct proc *p = proc_current();
	struct user_path path;
	struct chan *from, *c, *old;
	struct place beyond = { 0 };
	int r = get_path(a[0], a[1], &path, &from);

	if (r < 0)
		return r;
	r = name_place(from, path.text, NAME_WALK, &beyond);
	if (r == 0 && !(beyond.c->qid.type & QT_DIR))
		r = error(ENOTDIR, "%s: not a directory", path.text);
	if (r == 0)
		r = name_lookup(from, path.text, NAME_MOUNT_POINT, 0, 0, &c);
	if (r == 0) {
		spin_lock(&p->lock);
		old = p->cwd;
		p->cwd = c;
		spin_unlock(&p->lock);
		chan_put(old);
	}
	place_put(&beyond);
	chan_put(from);
	user_path_put(&path);
	return r;
}
