/*
 * Open files: open, read, write, seek, descriptors, pipes, locks.  [open(2), readv(2), fcntl(2)]
 *
 * readv and writev of little data go through one buffer, so that they are one request; a large
 * writev is several, and a large readv ends after the first buffer it filled.
 */
#include "calls.h"

#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/uio.h>

#define BOUNCE		8192
#define IOV_MAX		1024
#define PIPE_BYTES	65536
#define DEFINED_FLAGS	(O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_NONBLOCK | \
			 O_DSYNC | O_DIRECT | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | __O_SYNC | \
			 O_PATH)

/* A read or write that a signal ended: of a disk's file always again, else as the handler says. */
static long
interrupted(int fd)
{
	if (lux_call3(SYS_FDCTL, fd, SYS_FD_KIND, 0) == SYS_KIND_FILE)
		return again(-EINTR);
	return again_unless_handled(-EINTR);
}

long
lx_read(int fd, char *buf, size_t n)
{
	long r = lux_blocking(SYS_PREAD, fd, LUX_ARG(buf), LUX_ARG(n), -1, 0, 0);

	return __builtin_expect(r == -EINTR, 0) ? interrupted(fd) : r;
}

long
lx_write(int fd, const char *buf, size_t n)
{
	long r = lux_blocking(SYS_PWRITE, fd, LUX_ARG(buf), LUX_ARG(n), -1, 0, 0);

	return __builtin_expect(r == -EINTR, 0) ? interrupted(fd) : r;
}

long
lx_pread64(int fd, char *buf, size_t n, int64_t offset)
{
	long r;

	if (offset < 0)
		return -EINVAL;
	r = lux_blocking(SYS_PREAD, fd, LUX_ARG(buf), LUX_ARG(n), offset, 0, 0);
	return __builtin_expect(r == -EINTR, 0) ? interrupted(fd) : r;
}

long
lx_pwrite64(int fd, const char *buf, size_t n, int64_t offset)
{
	long r;

	if (offset < 0)
		return -EINVAL;
	r = lux_blocking(SYS_PWRITE, fd, LUX_ARG(buf), LUX_ARG(n), offset, 0, 0);
	return __builtin_expect(r == -EINTR, 0) ? interrupted(fd) : r;
}

/* The total length, or -EINVAL. */
static int64_t
iov_length(const struct iovec *iov, int n)
{
	uint64_t total = 0;

	if (n < 0 || n > IOV_MAX)
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len > INT64_MAX - total)
			return -EINVAL;
		total += iov[i].iov_len;
	}
	return (int64_t)total;
}

/* The first buffer that is not empty, if it is the only one or too large to be copied. */
static const struct iovec *
iov_single(const struct iovec *iov, int n, int64_t total)
{
	int i = 0;

	while (i < n - 1 && iov[i].iov_len == 0)
		i++;
	return n > 0 && (iov[i].iov_len == (uint64_t)total || total > BOUNCE) ? &iov[i] : NULL;
}

/* offset -1: the file's own. */
static long
read_vector(int fd, const struct iovec *iov, int n, int64_t offset)
{
	int64_t total = iov_length(iov, n);
	const struct iovec *one;
	char buf[BOUNCE], *from = buf;
	long r;

	if (total < 0)
		return total;
	one = iov_single(iov, n, total);
	if (one)
		r = lux_blocking(SYS_PREAD, fd, LUX_ARG(one->iov_base), LUX_ARG(one->iov_len),
				 offset, 0, 0);
	else
		r = lux_blocking(SYS_PREAD, fd, LUX_ARG(buf), total, offset, 0, 0);
	if (r == -EINTR)
		return interrupted(fd);
	for (long left = r; !one && left > 0; iov++) {
		size_t part = iov->iov_len < (size_t)left ? iov->iov_len : (size_t)left;

		memcpy(iov->iov_base, from, part);
		from += part;
		left -= (long)part;
	}
	return r;
}

static long
write_vector(int fd, const struct iovec *iov, int n, int64_t offset)
{
	int64_t total = iov_length(iov, n);
	char buf[BOUNCE], *to = buf;
	long done = 0, r = 0;

	if (total < 0)
		return total;
	if (total <= BOUNCE) {
		for (int i = 0; i < n; i++) {
			memcpy(to, iov[i].iov_base, iov[i].iov_len);
			to += iov[i].iov_len;
		}
		r = lux_blocking(SYS_PWRITE, fd, LUX_ARG(buf), total, offset, 0, 0);
		return r == -EINTR ? interrupted(fd) : r;
	}
	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len == 0)
			continue;
		r = lux_blocking(SYS_PWRITE, fd, LUX_ARG(iov[i].iov_base), LUX_ARG(iov[i].iov_len),
				 offset < 0 ? offset : offset + done, 0, 0);
		if (r < 0)
			break;
		done += r;
		if ((size_t)r < iov[i].iov_len)
			break;
	}
	if (done > 0)
		return done;
	return r == -EINTR ? interrupted(fd) : r;
}

long
lx_readv(int fd, const struct iovec *iov, int n)
{
	return read_vector(fd, iov, n, -1);
}

long
lx_writev(int fd, const struct iovec *iov, int n)
{
	return write_vector(fd, iov, n, -1);
}

long
lx_preadv(int fd, const struct iovec *iov, int n, int64_t offset)
{
	return offset < 0 ? -EINVAL : read_vector(fd, iov, n, offset);
}

long
lx_pwritev(int fd, const struct iovec *iov, int n, int64_t offset)
{
	return offset < 0 ? -EINVAL : write_vector(fd, iov, n, offset);
}

long
lx_openat(int dirfd, const char *path, uint32_t flags, uint32_t mode)
{
	char buf[PATH_SIZE];
	int fd = path_fd(path);
	long r;

	if (fd >= 0)
		return lux_call4(SYS_DUP, fd, -1, flags & O_CLOEXEC, 0);
	if ((flags & __O_TMPFILE) == __O_TMPFILE)
		return -EOPNOTSUPP;
	path = path_map(path, buf);
	r = lux_call4(SYS_OPEN, dirfd, LUX_ARG(path), flags & DEFINED_FLAGS,
		      mode & 07777 & ~proc.umask);
	if (r == -ENOENT && path[0] == '/' && !(flags & (O_ACCMODE | O_CREAT)))
		r = proctext_open(path, flags);
	return again(r);
}

long
lx_open(const char *path, uint32_t flags, uint32_t mode)
{
	return lx_openat(SYS_CWD, path, flags, mode);
}

long
lx_creat(const char *path, uint32_t mode)
{
	return lx_openat(SYS_CWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

long
lx_close(int fd)
{
	return lux_call1(SYS_CLOSE, fd);
}

long
lx_lseek(int fd, int64_t offset, int whence)
{
	if ((unsigned)whence > 2)
		return -EINVAL;
	return again(lux_call3(SYS_SEEK, fd, offset, whence));
}

long
lx_dup(int fd)
{
	return lux_call4(SYS_DUP, fd, -1, 0, 0);
}

long
lx_dup3(int fd, int to, uint32_t flags)
{
	if (fd == to || (flags & ~(uint32_t)O_CLOEXEC))
		return -EINVAL;
	return to < 0 ? -EBADF : lux_call4(SYS_DUP, fd, to, flags, 0);
}

long
lx_dup2(int fd, int to)
{
	long r;

	if (fd != to)
		return lx_dup3(fd, to, 0);
	r = lux_call3(SYS_FDCTL, fd, SYS_FD_GETFLAGS, 0);
	return r < 0 ? r : to;
}

long
lx_pipe2(int fds[2], uint32_t flags)
{
	int made[2];
	long r = lux_call2(SYS_PIPE, LUX_ARG(made), flags & (O_CLOEXEC | O_NONBLOCK));

	if (r < 0)
		return r;
	fds[0] = made[0];
	fds[1] = made[1];
	return 0;
}

long
lx_pipe(int fds[2])
{
	return lx_pipe2(fds, 0);
}

static int64_t
size_of(int fd)
{
	struct sys_stat st;
	long r = lux_call4(SYS_STAT, fd, LUX_ARG(""), LUX_ARG(&st), SYS_AT_EMPTY_PATH);

	return r < 0 ? r : (int64_t)st.size;
}

/* Record locks.  SYS_LOCK counts from the start of the file. */
static long
lock_record(int fd, int command, struct flock *user)
{
	struct flock f = *user;
	struct sys_lock l = { .type = (uint32_t)f.l_type, .pid = (uint32_t)proc.pid };
	int how = command == F_GETLK || command == F_OFD_GETLK ? 2 :
		  command == F_SETLKW || command == F_OFD_SETLKW ? 1 : 0;
	int64_t base = 0, start;
	long r;

	if (f.l_whence == 1)
		base = lux_call3(SYS_SEEK, fd, 0, 1);
	else if (f.l_whence == 2)
		base = size_of(fd);
	if (base < 0)
		return base;
	start = base + f.l_start;
	if (f.l_len < 0) {
		start += f.l_len;
		f.l_len = -f.l_len;
	}
	if (start < 0 || (unsigned)f.l_type > F_UNLCK || (unsigned)f.l_whence > 2)
		return -EINVAL;
	l.start = (uint64_t)start;
	l.length = (uint64_t)f.l_len;
	r = lux_blocking(SYS_LOCK, fd, LUX_ARG(&l), how, 0, 0, 0);
	if (r < 0)
		return again_unless_handled(r);
	if (how == 2) {
		user->l_type = (short)l.type;
		if (l.type != F_UNLCK) {
			user->l_whence = 0;
			user->l_start = (int64_t)l.start;
			user->l_len = (int64_t)l.length;
			user->l_pid = (int)l.pid;
		}
	}
	return 0;
}

long
lx_fcntl(int fd, int command, uint64_t arg)
{
	switch (command) {
	case F_DUPFD:
		return lux_call4(SYS_DUP, fd, -1, 0, LUX_ARG(arg));
	case F_DUPFD_CLOEXEC:
		return lux_call4(SYS_DUP, fd, -1, O_CLOEXEC, LUX_ARG(arg));
	case F_GETFD:
		return lux_call3(SYS_FDCTL, fd, SYS_FD_GETCLOEXEC, 0);
	case F_SETFD:
		return lux_call3(SYS_FDCTL, fd, SYS_FD_SETCLOEXEC, arg & FD_CLOEXEC);
	case F_GETFL:
		return lux_call3(SYS_FDCTL, fd, SYS_FD_GETFLAGS, 0);
	case F_SETFL:
		return lux_call3(SYS_FDCTL, fd, SYS_FD_SETFLAGS, arg & (O_APPEND | O_NONBLOCK));
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return lock_record(fd, command, (struct flock *)arg);
	case F_GETPIPE_SZ:
		if (lux_call3(SYS_FDCTL, fd, SYS_FD_KIND, 0) != SYS_KIND_PIPE)
			return -EBADF;
		return PIPE_BYTES;
	}
	return -EINVAL;
}

long
lx_flock(int fd, int op)
{
	struct sys_lock l = { .pid = (uint32_t)proc.pid };

	switch (op & ~LOCK_NB) {
	case LOCK_SH: l.type = 0; break;
	case LOCK_EX: l.type = 1; break;
	case LOCK_UN: l.type = 2; break;
	default: return -EINVAL;
	}
	return again_unless_handled(lux_blocking(SYS_LOCK, fd, LUX_ARG(&l), !(op & LOCK_NB), 0, 0,
						 0));
}

long
lx_fsync(int fd)
{
	return again(lux_call2(SYS_FSYNC, fd, 0));
}

long
lx_fdatasync(int fd)
{
	return again(lux_call2(SYS_FSYNC, fd, 1));
}

/* Only the length: what is not written yet takes space when it is. */
long
lx_fallocate(int fd, int mode, int64_t offset, int64_t n)
{
	int64_t size = size_of(fd);
	struct sys_attr a = { .valid = SYS_ATTR_SIZE, .size = (uint64_t)(offset + n) };

	if (size < 0)
		return size;
	if (offset < 0 || n <= 0)
		return -EINVAL;
	if (mode & ~FALLOC_FL_KEEP_SIZE)
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_KEEP_SIZE) || offset + n <= size)
		return 0;
	return again(lux_call4(SYS_SETATTR, fd, LUX_ARG(""), LUX_ARG(&a), SYS_AT_EMPTY_PATH));
}

/* Offsets of -1 are the files' own. */
static long
copy(int to, int64_t to_at, int from, int64_t from_at, size_t n)
{
	char buf[BOUNCE];
	size_t done = 0;

	while (done < n) {
		size_t want = n - done < BOUNCE ? n - done : BOUNCE;
		long r = lux_blocking(SYS_PREAD, from, LUX_ARG(buf), LUX_ARG(want),
				      from_at < 0 ? -1 : from_at + (int64_t)done, 0, 0);
		long put = 0, w = 0;

		if (r <= 0)
			return done ? (long)done : r == -EINTR ? interrupted(from) : r;
		while (put < r) {
			w = lux_blocking(SYS_PWRITE, to, LUX_ARG(buf + put), r - put,
					 to_at < 0 ? -1 : to_at + (int64_t)done + put, 0, 0);
			if (w <= 0)
				break;
			put += w;
		}
		done += (size_t)put;
		if (put < r) {
			if (from_at < 0)
				lux_call3(SYS_SEEK, from, put - r, 1);
			return done ? (long)done : w == -EINTR ? interrupted(to) : w;
		}
		if ((size_t)r < want)
			break;
	}
	return (long)done;
}

long
lx_sendfile(int to, int from, int64_t *offset, size_t n)
{
	int64_t at = offset ? *offset : -1;
	long r = copy(to, -1, from, at, n);

	if (offset && r > 0)
		*offset = at + r;
	return r;
}

long
lx_copy_file_range(int from, int64_t *from_at, int to, int64_t *to_at, size_t n, unsigned flags)
{
	int64_t f = from_at ? *from_at : -1, t = to_at ? *to_at : -1;
	long r;

	if (flags)
		return -EINVAL;
	r = copy(to, t, from, f, n);
	if (r > 0 && from_at)
		*from_at = f + r;
	if (r > 0 && to_at)
		*to_at = t + r;
	return r;
}
