/*
 * The file calls on descriptors.  Those on paths are in sysdir.c.
 *
 * A read or write goes straight to the channel's device with the caller's own memory; the
 * descriptor's reference keeps the channel.  The offset of a channel is an atomic word: two
 * threads that share it may read the same bytes, as with Plan 9's.
 */
#include "dev/cons.h"
#include "fd.h"
#include "name.h"
#include "proc.h"
#include "syscall.h"
#include "userpath.h"

#define IO_MAX	0x7ffff000ul

int64_t
sys_open(const uint64_t a[6])
{
	uint32_t flags = (uint32_t)a[2], mode = (uint32_t)a[3];
	enum name_what what = NAME_OPEN;
	struct chan *from = NULL, *c;
	struct user_path path;
	int r;

	if ((flags & SYS_O_ACCMODE) == SYS_O_ACCMODE)
		return error(EINVAL, "open: bad access mode");
	if (flags & SYS_O_CREAT && !(flags & SYS_O_PATH))
		what = NAME_CREATE;
	r = user_path_get(&path, a[1]);
	if (r < 0)
		return r;
	r = user_path_from(&path, a[0], &from);
	if (r == 0)
		r = name_lookup(from, from && !from->open && !path.text[0] ? "." : path.text, what,
				flags, mode & 07777, &c);
	if (r == 0)
		r = fd_install(c, 0, flags & SYS_O_CLOEXEC);
	chan_put(from);
	user_path_put(&path);
	return r;
}

int64_t
sys_close(const uint64_t a[6])
{
	return fd_close((int)a[0]);
}

static inline struct uio
user_data(uint64_t base, uint64_t n)
{
	return (struct uio){ .base = (char *)base, .left = n < IO_MAX ? n : IO_MAX, .user = true };
}

static inline int64_t
read_write(const uint64_t a[6], bool write)
{
	struct chan *c = fd_get((int)a[0]);
	bool own = a[3] == UINT64_MAX;
	struct uio u;
	uint64_t off;
	int64_t n;

	if (unlikely(c == NULL))
		return -EBADF;
	u = user_data(a[1], a[2]);
	off = own ? __atomic_load_n(&c->offset, __ATOMIC_RELAXED) : a[3];
	if (unlikely(!c->open ||
		     (c->flags & SYS_O_ACCMODE) == (write ? SYS_O_RDONLY : SYS_O_WRONLY)))
		n = -EBADF;
	else if (unlikely(off > INT64_MAX || u.left > INT64_MAX - off))
		n = -EINVAL;
	else
		n = write ? chan_write(c, &u, off) : chan_read(c, &u, off);
	if (own && n > 0)
		__atomic_fetch_add(&c->offset, (uint64_t)n, __ATOMIC_RELAXED);
	chan_put(c);
	return n;
}

int64_t
sys_pread(const uint64_t a[6])
{
	return read_write(a, false);
}

int64_t
sys_pwrite(const uint64_t a[6])
{
	return read_write(a, true);
}

typedef int64_t file_call(struct chan *c, const uint64_t a[6]);

/* Calls f on the open file that a[0] names. */
static int64_t
on_fd(const uint64_t a[6], file_call *f)
{
	struct chan *c = fd_get((int)a[0]);
	int64_t r;

	if (unlikely(c == NULL))
		return -EBADF;
	r = f(c, a);
	chan_put(c);
	return r;
}

static int64_t
do_seek(struct chan *c, const uint64_t a[6])
{
	int64_t off = (int64_t)a[1], base = 0;
	struct sys_stat st;
	int err;

	if (!c->open)
		return -EBADF;
	if (c->dev->kind == SYS_KIND_PIPE || c->dev->kind == SYS_KIND_SERVICE ||
	    cons_is_terminal(c))
		return -ESPIPE;
	if (a[2] == 1) {
		base = (int64_t)__atomic_load_n(&c->offset, __ATOMIC_RELAXED);
	} else if (a[2] == 2) {
		err = c->dev->stat ? c->dev->stat(c, &st) : -EPERM;
		if (err < 0)
			return err;
		base = (int64_t)MIN(st.size, (uint64_t)INT64_MAX);
	} else if (a[2] != 0) {
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, off, &off) || off < 0)
		return -EINVAL;
	__atomic_store_n(&c->offset, (uint64_t)off, __ATOMIC_RELAXED);
	return off;
}

int64_t
sys_seek(const uint64_t a[6])
{
	return on_fd(a, do_seek);
}

int64_t
sys_fsync(const uint64_t a[6])
{
	struct chan *c = fd_get((int)a[0]);
	int64_t r = -EBADF;

	if (c && c->open)
		r = c->dev->fsync ? c->dev->fsync(c, a[1] != 0) : -EINVAL;
	chan_put(c);
	return r;
}

int64_t
sys_statfs(const uint64_t a[6])
{
	struct sys_statfs st = { .bsize = PAGE_SIZE, .namelen = SYS_NAME_MAX };
	struct chan *c = fd_get((int)a[0]);
	int r = -EBADF;

	if (c)
		r = c->dev->statfs ? c->dev->statfs(c, &st) : 0;
	chan_put(c);
	return r < 0 ? r : copy_to_user((void *)a[1], &st, sizeof(st));
}

static int64_t
xattr(const uint64_t a[6], bool set)
{
	struct uio u = user_data(a[2], a[3]);
	char name[SYS_NAME_MAX + 1];
	int64_t r = copy_str_from_user(name, (const char *)a[1], sizeof(name));
	struct chan *c = fd_get((int)a[0]);

	if (c == NULL)
		return -EBADF;
	if (r >= 0 && set)
		r = c->dev->setxattr ? c->dev->setxattr(c, name, &u, (uint32_t)a[4]) : -EOPNOTSUPP;
	else if (r >= 0)
		r = c->dev->getxattr ? c->dev->getxattr(c, name, &u) : -EOPNOTSUPP;
	chan_put(c);
	return r;
}

int64_t
sys_getxattr(const uint64_t a[6])
{
	return xattr(a, false);
}

int64_t
sys_setxattr(const uint64_t a[6])
{
	return xattr(a, true);
}

static int64_t
do_lock(struct chan *c, const uint64_t a[6])
{
	struct sys_lock l;
	int r;

	if (copy_from_user(&l, (const void *)a[1], sizeof(l)) < 0)
		return -EFAULT;
	if (l.type > 2 || a[2] > 2)
		return -EINVAL;
	l.pid = (uint32_t)proc_current()->pid;
	r = c->dev->lock ? c->dev->lock(c, &l, (int)a[2]) : -EOPNOTSUPP;
	return r == 0 && a[2] == 2 ? copy_to_user((void *)a[1], &l, sizeof(l)) : r;
}

int64_t
sys_lock(const uint64_t a[6])
{
	return on_fd(a, do_lock);
}

int64_t
sys_dup(const uint64_t a[6])
{
	int fd = (int)a[0], to = (int)a[1];
	bool cloexec = a[2] & SYS_O_CLOEXEC;
	struct chan *c = fd_get(fd);

	if (c == NULL)
		return -EBADF;
	if (to == -1)
		return fd_install(c, (int)a[3], cloexec);
	if (to == fd) {
		chan_put(c);
		return fd;
	}
	return fd_replace(c, to, cloexec);
}

static int64_t
put_path(struct path *p, uint64_t user)
{
	const char *text = p ? p->text : "";
	size_t n = strlen(text);
	int r = copy_to_user((void *)user, text, n + 1);

	return r < 0 ? r : (int64_t)n;
}

static int64_t
cwd_path(uint64_t user)
{
	struct proc *p = proc_current();
	struct path *path;
	int64_t r;

	spin_lock(&p->lock);
	path = p->cwd ? path_get(p->cwd->path) : NULL;
	spin_unlock(&p->lock);
	r = put_path(path, user);
	path_put(path);
	return r;
}

static enum sys_kind
kind(const struct chan *c)
{
	if (c->dev->kind == SYS_KIND_CONS)
		return cons_is_terminal(c) ? SYS_KIND_CONS : SYS_KIND_FILE;
	return c->qid.type & QT_DIR ? SYS_KIND_FILE : c->dev->kind;
}

static void
set_flags(struct chan *c, uint32_t flags)
{
	const uint32_t mask = SYS_O_APPEND | SYS_O_NONBLOCK;

	/* The other flags of an open file never change. */
	__atomic_store_n(&c->flags, (c->flags & ~mask) | (flags & mask), __ATOMIC_RELAXED);
}

static int64_t
do_fdctl(struct chan *c, const uint64_t a[6])
{
	switch (a[1]) {
	case SYS_FD_GETFLAGS:
		return c->flags;
	case SYS_FD_SETFLAGS:
		set_flags(c, (uint32_t)a[2]);
		return 0;
	case SYS_FD_PATH:
		return put_path(c->path, a[2]);
	case SYS_FD_KIND:
		return kind(c);
	default:
		return -EINVAL;
	}
}

int64_t
sys_fdctl(const uint64_t a[6])
{
	int fd = (int)a[0];

	if (a[1] == SYS_FD_GETCLOEXEC)
		return fd_cloexec(fd, -1);
	if (a[1] == SYS_FD_SETCLOEXEC)
		return fd_cloexec(fd, a[2] != 0) < 0 ? -EBADF : 0;
	if (a[1] == SYS_FD_PATH && fd == SYS_CWD)
		return cwd_path(a[2]);
	return on_fd(a, do_fdctl);
}

int64_t
sys_pipe(const uint64_t a[6])
{
	bool cloexec = a[1] & SYS_O_CLOEXEC;
	struct chan *end[2];
	int32_t fd[2];
	int r = pipe_new(end);

	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++)
		end[i]->flags |= (uint32_t)a[1] & SYS_O_NONBLOCK;
	fd[0] = fd_install(end[0], 0, cloexec);
	if (fd[0] < 0) {
		chan_put(end[1]);
		return fd[0];
	}
	fd[1] = fd_install(end[1], 0, cloexec);
	r = fd[1] < 0 ? fd[1] : copy_to_user((void *)a[0], fd, sizeof(fd));
	if (r < 0) {
		fd_close(fd[0]);
		if (fd[1] >= 0)
			fd_close(fd[1]);
	}
	return r;
}
