/*
 * What a file is: stat, access, modes, owners, times, sizes, extended attributes, statfs.
 * [stat(2), statx(2), utimensat(2), xattr(7)]
 */
#include "calls.h"

#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <linux/xattr.h>

#define UTIME_NOW	0x3fffffff
#define UTIME_OMIT	0x3ffffffe
#define NSEC_PER_USEC	1000

/* A NULL or empty path means the descriptor itself where flags say so. */
static long
stat_at(int dirfd, const char *path, struct sys_stat *st, unsigned flags)
{
	char buf[PATH_SIZE];
	int fd;

	flags &= SYS_AT_NOFOLLOW | SYS_AT_EMPTY_PATH;
	if (!path || (!*path && (flags & SYS_AT_EMPTY_PATH)))
		return again(lux_call4(SYS_STAT, dirfd, LUX_ARG(""), LUX_ARG(st),
				       SYS_AT_EMPTY_PATH));
	fd = path_fd(path);
	if (fd >= 0 && !(flags & SYS_AT_NOFOLLOW))
		return stat_at(fd, "", st, SYS_AT_EMPTY_PATH);
	return again(lux_call4(SYS_STAT, dirfd, LUX_ARG(path_map(path, buf)), LUX_ARG(st),
			       flags & SYS_AT_NOFOLLOW));
}

static void
fill_stat(struct stat *to, const struct sys_stat *st)
{
	memset(to, 0, sizeof(*to));
	to->st_dev = st->dev + 1;
	to->st_ino = st->qid_path;
	to->st_nlink = st->nlink;
	to->st_mode = st->mode;
	to->st_uid = st->uid;
	to->st_gid = st->gid;
	to->st_rdev = st->rdev;
	to->st_size = (long)st->size;
	to->st_blksize = (long)st->blksize;
	to->st_blocks = (long)st->blocks;
	to->st_atime = (uint64_t)st->atime.sec;
	to->st_atime_nsec = st->atime.nsec;
	to->st_mtime = (uint64_t)st->mtime.sec;
	to->st_mtime_nsec = st->mtime.nsec;
	to->st_ctime = (uint64_t)st->ctime.sec;
	to->st_ctime_nsec = st->ctime.nsec;
}

long
lx_newfstatat(int dirfd, const char *path, struct stat *out, unsigned flags)
{
	struct sys_stat st;
	long r = stat_at(dirfd, path, &st, flags);

	if (r >= 0)
		fill_stat(out, &st);
	return r;
}

long
lx_stat(const char *path, struct stat *out)
{
	return lx_newfstatat(SYS_CWD, path, out, 0);
}

long
lx_lstat(const char *path, struct stat *out)
{
	return lx_newfstatat(SYS_CWD, path, out, SYS_AT_NOFOLLOW);
}

long
lx_fstat(int fd, struct stat *out)
{
	return lx_newfstatat(fd, NULL, out, SYS_AT_EMPTY_PATH);
}

static struct statx_timestamp
statx_time(const struct sys_time *t)
{
	return (struct statx_timestamp){ .tv_sec = t->sec, .tv_nsec = t->nsec };
}

long
lx_statx(int dirfd, const char *path, unsigned flags, unsigned mask, struct statx *out)
{
	struct sys_stat st;
	long r = stat_at(dirfd, path, &st, flags);
	uint64_t dev = st.dev + 1;

	if (r < 0)
		return r;
	if (mask & STATX__RESERVED)
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	out->stx_mask = STATX_BASIC_STATS | (st.btime.sec ? STATX_BTIME : 0);
	out->stx_blksize = (uint32_t)st.blksize;
	out->stx_nlink = (uint32_t)st.nlink;
	out->stx_uid = st.uid;
	out->stx_gid = st.gid;
	out->stx_mode = (uint16_t)st.mode;
	out->stx_ino = st.qid_path;
	out->stx_size = st.size;
	out->stx_blocks = st.blocks;
	out->stx_atime = statx_time(&st.atime);
	out->stx_btime = statx_time(&st.btime);
	out->stx_ctime = statx_time(&st.ctime);
	out->stx_mtime = statx_time(&st.mtime);
	/* The parts of a number as stat has it. */
	out->stx_rdev_major = (uint32_t)(st.rdev >> 8 & 0xfff);
	out->stx_rdev_minor = (uint32_t)((st.rdev & 0xff) | (st.rdev >> 12 & 0xfff00));
	out->stx_dev_major = (uint32_t)(dev >> 8 & 0xfff);
	out->stx_dev_minor = (uint32_t)((dev & 0xff) | (dev >> 12 & 0xfff00));
	return 0;
}

long
lx_faccessat2(int dirfd, const char *path, unsigned mode, unsigned flags)
{
	struct sys_procinfo pi = { 0 };
	struct sys_stat st;
	long r = stat_at(dirfd, path, &st, flags);
	unsigned may;

	if (mode > 7)
		return -EINVAL;
	if (r < 0 || mode == 0)
		return r;
	lux_call1(SYS_PROCINFO, LUX_ARG(&pi));
	if (pi.uid == 0)
		may = 6 | ((st.mode & 0111) || S_ISDIR(st.mode));
	else if (pi.uid == st.uid)
		may = st.mode >> 6;
	else if (pi.gid == st.gid)
		may = st.mode >> 3;
	else
		may = st.mode;
	return mode & ~may ? -EACCES : 0;
}

long
lx_faccessat(int dirfd, const char *path, unsigned mode)
{
	return lx_faccessat2(dirfd, path, mode, 0);
}

long
lx_access(const char *path, unsigned mode)
{
	return lx_faccessat2(SYS_CWD, path, mode, 0);
}

static long
set_at(int dirfd, const char *path, const struct sys_attr *a, unsigned flags)
{
	char buf[PATH_SIZE];

	if (!path || (!*path && (flags & SYS_AT_EMPTY_PATH)))
		return again(lux_call4(SYS_SETATTR, dirfd, LUX_ARG(""), LUX_ARG(a),
				       SYS_AT_EMPTY_PATH));
	return again(lux_call4(SYS_SETATTR, dirfd, LUX_ARG(path_map(path, buf)), LUX_ARG(a),
			       flags & SYS_AT_NOFOLLOW));
}

long
lx_fchmodat(int dirfd, const char *path, uint32_t mode)
{
	struct sys_attr a = { .valid = SYS_ATTR_MODE, .mode = mode & 07777 };

	return set_at(dirfd, path, &a, 0);
}

long
lx_chmod(const char *path, uint32_t mode)
{
	return path ? lx_fchmodat(SYS_CWD, path, mode) : -EFAULT;
}

long
lx_fchmod(int fd, uint32_t mode)
{
	return lx_fchmodat(fd, NULL, mode);
}

long
lx_fchownat(int dirfd, const char *path, uint32_t uid, uint32_t gid, unsigned flags)
{
	struct sys_attr a = { .uid = uid, .gid = gid };

	if (uid != UINT32_MAX)
		a.valid |= SYS_ATTR_UID;
	if (gid != UINT32_MAX)
		a.valid |= SYS_ATTR_GID;
	return set_at(dirfd, path, &a, flags);
}

long
lx_chown(const char *path, uint32_t uid, uint32_t gid)
{
	return path ? lx_fchownat(SYS_CWD, path, uid, gid, 0) : -EFAULT;
}

long
lx_lchown(const char *path, uint32_t uid, uint32_t gid)
{
	return path ? lx_fchownat(SYS_CWD, path, uid, gid, SYS_AT_NOFOLLOW) : -EFAULT;
}

long
lx_fchown(int fd, uint32_t uid, uint32_t gid)
{
	return lx_fchownat(fd, NULL, uid, gid, 0);
}

long
lx_ftruncate(int fd, int64_t size)
{
	struct sys_attr a = { .valid = SYS_ATTR_SIZE, .size = (uint64_t)size };

	return size < 0 ? -EINVAL : set_at(fd, NULL, &a, 0);
}

long
lx_truncate(const char *path, int64_t size)
{
	struct sys_attr a = { .valid = SYS_ATTR_SIZE, .size = (uint64_t)size };

	if (!path)
		return -EFAULT;
	return size < 0 ? -EINVAL : set_at(SYS_CWD, path, &a, 0);
}

static bool
set_time(struct sys_attr *a, struct sys_time *to, const struct lx_timespec *ts, uint32_t bits)
{
	uint32_t touch = bits & (SYS_ATTR_ATIME | SYS_ATTR_MTIME);

	if (ts->nsec == UTIME_OMIT)
		return true;
	if (ts->nsec == UTIME_NOW) {
		a->valid |= touch;
		return true;
	}
	a->valid |= bits;
	to->sec = ts->sec;
	to->nsec = (uint32_t)ts->nsec;
	return ts->nsec >= 0 && ts->nsec < NSEC;
}

long
lx_utimensat(int dirfd, const char *path, const struct lx_timespec ts[2], unsigned flags)
{
	struct sys_attr a = { .valid = SYS_ATTR_ATIME | SYS_ATTR_MTIME };

	if (ts) {
		a.valid = 0;
		if (!set_time(&a, &a.atime, &ts[0], SYS_ATTR_ATIME | SYS_ATTR_ATIME_SET) ||
		    !set_time(&a, &a.mtime, &ts[1], SYS_ATTR_MTIME | SYS_ATTR_MTIME_SET))
			return -EINVAL;
	}
	return a.valid ? set_at(dirfd, path, &a, flags) : 0;
}

/* tv: seconds and microseconds, access and modification. */
long
lx_futimesat(int dirfd, const char *path, const int64_t tv[4])
{
	struct lx_timespec ts[2];

	if (!tv)
		return lx_utimensat(dirfd, path, NULL, 0);
	ts[0] = (struct lx_timespec){ tv[0], tv[1] * NSEC_PER_USEC };
	ts[1] = (struct lx_timespec){ tv[2], tv[3] * NSEC_PER_USEC };
	return lx_utimensat(dirfd, path, ts, 0);
}

long
lx_utimes(const char *path, const int64_t tv[4])
{
	return lx_futimesat(SYS_CWD, path, tv);
}

long
lx_utime(const char *path, const int64_t t[2])
{
	int64_t tv[4] = { 0 };

	if (!t)
		return lx_futimesat(SYS_CWD, path, NULL);
	tv[0] = t[0];
	tv[2] = t[1];
	return lx_futimesat(SYS_CWD, path, tv);
}

static long
open_place(const char *path, unsigned flags)
{
	char buf[PATH_SIZE];

	return again(lux_call4(SYS_OPEN, SYS_CWD, LUX_ARG(path_map(path, buf)),
			       SYS_O_PATH | SYS_O_CLOEXEC | flags, 0));
}

long
lx_fstatfs(int fd, struct statfs *out)
{
	struct sys_statfs s;
	long r = again(lux_call2(SYS_STATFS, fd, LUX_ARG(&s)));

	if (r < 0)
		return r;
	memset(out, 0, sizeof(*out));
	out->f_type = s.type;
	out->f_bsize = out->f_frsize = s.bsize;
	out->f_blocks = (long)s.blocks;
	out->f_bfree = (long)s.bfree;
	out->f_bavail = (long)s.bavail;
	out->f_files = (long)s.files;
	out->f_ffree = (long)s.ffree;
	memcpy(&out->f_fsid, &s.fsid, sizeof(out->f_fsid));
	out->f_namelen = s.namelen;
	return 0;
}

long
lx_statfs(const char *path, struct statfs *out)
{
	long fd = open_place(path, 0), r;

	if (fd < 0)
		return fd;
	r = lx_fstatfs((int)fd, out);
	lux_call1(SYS_CLOSE, fd);
	return r;
}

/* ENOTSUP, not EPERM, is what programs expect of files without attributes. */
static long
xattr_result(long r)
{
	return again(r == -EPERM || r == -ENOSYS ? -EOPNOTSUPP : r);
}

long
lx_fgetxattr(int fd, const char *name, void *buf, size_t n)
{
	return xattr_result(lux_call4(SYS_GETXATTR, fd, LUX_ARG(name), LUX_ARG(buf), LUX_ARG(n)));
}

long
lx_flistxattr(int fd, void *buf, size_t n)
{
	return lx_fgetxattr(fd, "", buf, n);
}

long
lx_fsetxattr(int fd, const char *name, const void *buf, size_t n, unsigned flags)
{
	return xattr_result(lux_call5(SYS_SETXATTR, fd, LUX_ARG(name), LUX_ARG(buf), LUX_ARG(n),
				      flags));
}

/* 9P removes an attribute by making it anew without content. */
long
lx_fremovexattr(int fd, const char *name)
{
	return lx_fsetxattr(fd, name, name, 0, XATTR_REPLACE);
}

static long
get_xattr(const char *path, const char *name, void *buf, size_t n, unsigned flags)
{
	long fd = open_place(path, flags), r;

	if (fd < 0)
		return fd;
	r = lx_fgetxattr((int)fd, name, buf, n);
	lux_call1(SYS_CLOSE, fd);
	return r;
}

long
lx_getxattr(const char *path, const char *name, void *buf, size_t n)
{
	return get_xattr(path, name, buf, n, 0);
}

long
lx_lgetxattr(const char *path, const char *name, void *buf, size_t n)
{
	return get_xattr(path, name, buf, n, SYS_O_NOFOLLOW);
}

long
lx_listxattr(const char *path, void *buf, size_t n)
{
	return get_xattr(path, "", buf, n, 0);
}

long
lx_llistxattr(const char *path, void *buf, size_t n)
{
	return get_xattr(path, "", buf, n, SYS_O_NOFOLLOW);
}

static long
set_xattr(long fd, const char *name, const void *buf, size_t n, unsigned flags)
{
	long r;

	if (fd < 0)
		return fd;
	r = lx_fsetxattr((int)fd, name, buf, n, flags);
	lux_call1(SYS_CLOSE, fd);
	return r;
}

long
lx_setxattr(const char *path, const char *name, const void *buf, size_t n, unsigned flags)
{
	return set_xattr(open_place(path, 0), name, buf, n, flags);
}

long
lx_lsetxattr(const char *path, const char *name, const void *buf, size_t n, unsigned flags)
{
	return set_xattr(open_place(path, SYS_O_NOFOLLOW), name, buf, n, flags);
}

long
lx_removexattr(const char *path, const char *name)
{
	return lx_setxattr(path, name, name, 0, XATTR_REPLACE);
}

long
lx_lremovexattr(const char *path, const char *name)
{
	return lx_lsetxattr(path, name, name, 0, XATTR_REPLACE);
}
