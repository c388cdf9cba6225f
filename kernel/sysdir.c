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
#define OWN_OFFSET	((1l << MEMBER_SHIFT) - 1)

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

/* A directory and a name in it, which a call is to make or remove. */
struct entry {
	struct place dir;
	char name[SYS_NAME_MAX + 1];
};

/* `existing`: it has the name, and nothing may be mounted there. */
static int
entry_get(struct entry *e, uint64_t dirfd, uint64_t user, bool existing)
{
	struct user_path path;
	struct chan *from;
	int r = get_path(dirfd, user, &path, &from);

	if (r < 0)
		return r;
	r = name_parent_place(from, path.text, existing, &e->dir, e->name);
	if (r == 0 && existing && ns_busy(ns_current(), e->dir.path->text, e->name)) {
		place_put(&e->dir);
		r = error(EBUSY, "%s: something is mounted on it", e->name);
	}
	chan_put(from);
	user_path_put(&path);
	return r;
}

/* The call on the entry ends with r. */
static int
entry_done(struct entry *e, int r)
{
	if (r == -EPERM)
		r = error(EPERM, "%s: nothing can be made or removed there", e->name);
	place_put(&e->dir);
	return r;
}

int64_t
sys_mkdir(const uint64_t a[6])
{
	struct entry e;
	int r = entry_get(&e, a[0], a[1], false);
	struct chan *dir;

	if (r < 0)
		return r;
	dir = e.dir.c;
	r = dir->dev->mkdir ? dir->dev->mkdir(dir, e.name, (uint32_t)a[2] & 07777) : -EPERM;
	return entry_done(&e, r);
}

int64_t
sys_unlink(const uint64_t a[6])
{
	struct entry e;
	int r = entry_get(&e, a[0], a[1], true);
	struct chan *dir;

	if (r < 0)
		return r;
	dir = e.dir.c;
	r = dir->dev->unlink ? dir->dev->unlink(dir, e.name, (uint32_t)a[2]) : -EPERM;
	return entry_done(&e, r);
}

int64_t
sys_mknod(const uint64_t a[6])
{
	uint64_t rdev = a[3] << 32 | (uint32_t)a[4];
	struct entry e;
	int r = entry_get(&e, a[0], a[1], false);
	struct chan *dir;

	if (r < 0)
		return r;
	dir = e.dir.c;
	r = dir->dev->mknod ? dir->dev->mknod(dir, e.name, (uint32_t)a[2], rdev) : -EPERM;
	return entry_done(&e, r);
}

int64_t
sys_symlink(const uint64_t a[6])
{
	struct user_path target;
	struct entry e;
	int r = user_path_get(&target, a[0]);

	if (r < 0)
		return r;
	r = target.text[0] == '\0' ? -ENOENT : entry_get(&e, a[1], a[2], false);
	if (r == 0) {
		struct chan *dir = e.dir.c;

		r = dir->dev->symlink ? dir->dev->symlink(dir, e.name, target.text) : -EPERM;
		r = entry_done(&e, r);
	}
	user_path_put(&target);
	return r;
}

int64_t
sys_link(const uint64_t a[6])
{
	uint64_t flags = (a[4] & SYS_AT_FOLLOW ? 0 : SYS_AT_NOFOLLOW) | (a[4] & SYS_AT_EMPTY_PATH);
	struct place file;
	struct entry e;
	int r = get_place(a[0], a[1], flags, &file);

	if (r < 0)
		return r;
	r = entry_get(&e, a[2], a[3], false);
	if (r == 0) {
		struct chan *dir = e.dir.c;

		if (dir->dev != file.c->dev || dir->id != file.c->id)
			r = error(EXDEV, "%s: the file is of a different server", e.name);
		else
			r = dir->dev->link ? dir->dev->link(dir, e.name, file.c) : -EPERM;
		r = entry_done(&e, r);
	}
	place_put(&file);
	return r;
}

int64_t
sys_rename(const uint64_t a[6])
{
	struct entry old, new_;
	struct chan *from, *to;
	int r = entry_get(&old, a[0], a[1], true);

	if (r < 0)
		return r;
	r = entry_get(&new_, a[2], a[3], true);
	if (r == 0) {
		from = old.dir.c;
		to = new_.dir.c;
		if (from->dev != to->dev || from->id != to->id)
			r = error(EXDEV, "%s and %s are of different servers", old.name, new_.name);
		else
			r = from->dev->rename ? from->dev->rename(from, old.name, to, new_.name)
					      : error(EPERM, "%s: cannot be renamed", old.name);
		place_put(&new_.dir);
	}
	place_put(&old.dir);
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

/* The member's records from off on.  A member that cannot be read hides only itself. */
static int64_t
member_readdir(struct chan *member, char *buf, size_t n, uint64_t off)
{
	struct chan *m = chan_clone(member);
	int64_t r = 0;

	if (m && m->dev->readdir &&
	    (!m->dev->open || m->dev->open(&m, SYS_O_RDONLY | SYS_O_DIRECTORY) == 0)) {
		m->open = true;
		r = m->dev->readdir(m, buf, n, off);
	}
	chan_put(m);
	return r;
}

/*
 * One member's records a call, from the first that has any.  *member is which: each call opens it
 * again, since an offset holds for every opening of a directory.
 */
static int64_t
union_readdir(struct chan *c, char *buf, size_t n, uint64_t off, uint64_t *member)
{
	for (; *member < (uint64_t)c->head->n; ++*member, off = 0) {
		struct chan *m = c->head->member[*member].to;
		int64_t r = same_place(c, m) ? c->dev->readdir(c, buf, n, off)
					     : member_readdir(m, buf, n, off);

		if (r > 0 || r == -EINVAL || r == -EINTR)
			return r;
	}
	return 0;
}

/*
 * The last record's offset; those of a union are marked as the member's.  What a server made is not
 * believed.
 */
static uint64_t
last_offset(char *buf, int64_t n, bool is_union, uint64_t member)
{
	struct sys_dirent *d;
	uint64_t last = 0;

	for (int64_t at = 0; n - at >= (int64_t)sizeof(*d); at += d->reclen) {
		d = (struct sys_dirent *)(buf + at);
		if (is_union)
			d->offset = (d->offset & OWN_OFFSET) | (int64_t)(member << MEMBER_SHIFT);
		last = (uint64_t)d->offset;
		if (d->reclen < sizeof(*d) || d->reclen > n - at)
			break;
	}
	return last;
}

static int64_t
readdir(struct chan *c, uint64_t user, size_t n)
{
	uint64_t off = __atomic_load_n(&c->offset, __ATOMIC_RELAXED);
	uint64_t member = off >> MEMBER_SHIFT;
	bool is_union = c->head && c->head->n > 1;
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
	r = is_union ? union_readdir(c, buf, n, off & (uint64_t)OWN_OFFSET, &member)
		     : c->dev->readdir(c, buf, n, off);
	if (r > (int64_t)n)
		r = -EIO;
	if (r > 0) {
		uint64_t next = last_offset(buf, r, is_union, member);

		if (copy_to_user((void *)user, buf, (size_t)r) < 0)
			r = -EFAULT;
		else
			__atomic_store_n(&c->offset, next, __ATOMIC_RELAXED);
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
