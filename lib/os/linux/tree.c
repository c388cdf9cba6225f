/*
 * os_tree.h on Linux.  What the system cannot do to an O_PATH descriptor it does to its name under
 * /proc/self/fd, which leads to that very file [proc(5), open(2)].
 */
#include <errno.h>
#include <fcntl.h>
#include <os.h>
#include <os_tree.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <lux9/sys.h>
#include "mount.h"

#define PLACE (O_PATH | O_CLOEXEC)

struct link { char path[40]; };

static struct link
link_of(int fd)
{
	struct link l;

	snprintf(l.path, sizeof l.path, "/proc/self/fd/%d", fd);
	return l;
}

static int64_t
result(int64_t rc)
{
	int error = errno;

	if (rc >= 0)
		return rc;
	os_set_errstr("%s", strerror(error));
	return -error;
}

int
os_place(const char *path)
{
	return (int)result(open(path, PLACE));
}

int
os_place_in(int place, const char *name)
{
	return (int)result(openat(place, name, PLACE | O_NOFOLLOW));
}

/* A FIFO must not wait for its other end, which nobody but another client could be. */
int
os_open_place(int place, int flags)
{
	struct stat st;

	if (fstat(place, &st) < 0)
		return (int)result(-1);
	if (S_ISFIFO(st.st_mode))
		flags |= O_NONBLOCK;
	return (int)result(open(link_of(place).path, flags | O_CLOEXEC | O_NOCTTY));
}

int
os_open_in(int place, const char *name, int flags, uint32_t mode)
{
	return (int)result(openat(place, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode));
}

static uint8_t
qid_type(uint32_t mode)
{
	return S_ISDIR(mode) ? 0x80 : S_ISLNK(mode) ? 0x02 : 0;
}

int
os_getattr(int fd, struct ipc_attr *a, uint64_t *dev)
{
	struct statx st;
	int64_t rc = statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st);

	if (rc < 0)
		return (int)result(rc);
	*dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	*a = (struct ipc_attr){
		.valid = 0x7ff | (st.stx_mask & STATX_BTIME ? 0x800 : 0),
		.qid = { .path = st.stx_ino, .type = qid_type(st.stx_mode), .version =
			(uint32_t)((uint64_t)st.stx_mtime.tv_sec * 1000000000u +
			st.stx_mtime.tv_nsec) },
		.mode = st.stx_mode, .uid = st.stx_uid, .gid = st.stx_gid, .nlink = st.stx_nlink,
		.rdev = makedev(st.stx_rdev_major, st.stx_rdev_minor), .size = st.stx_size,
		.blksize = st.stx_blksize, .blocks = st.stx_blocks,
		.atime_sec = st.stx_atime.tv_sec, .atime_nsec = st.stx_atime.tv_nsec,
		.mtime_sec = st.stx_mtime.tv_sec, .mtime_nsec = st.stx_mtime.tv_nsec,
		.ctime_sec = st.stx_ctime.tv_sec, .ctime_nsec = st.stx_ctime.tv_nsec,
		.btime_sec = st.stx_btime.tv_sec, .btime_nsec = st.stx_btime.tv_nsec,
	};
	return 0;
}

static struct timespec
time_to_set(uint32_t valid, uint32_t bit, uint32_t set, int64_t sec, int64_t nsec)
{
	if (!(valid & bit))
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	if (!(valid & set))
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	return (struct timespec){ .tv_sec = sec, .tv_nsec = (long)nsec };
}

int
os_setattr(int fd, const struct ipc_setattr *a)
{
	struct link l = link_of(fd);
	struct timespec ts[2] = {
		time_to_set(a->valid, SYS_ATTR_ATIME, SYS_ATTR_ATIME_SET, a->atime_sec,
			a->atime_nsec),
		time_to_set(a->valid, SYS_ATTR_MTIME, SYS_ATTR_MTIME_SET, a->mtime_sec,
			a->mtime_nsec),
	};
	uid_t uid = a->valid & SYS_ATTR_UID ? a->uid : (uid_t)-1;
	gid_t gid = a->valid & SYS_ATTR_GID ? a->gid : (gid_t)-1;
	int rc = 0;

	if (a->valid & (SYS_ATTR_UID | SYS_ATTR_GID))
		rc = fchownat(fd, "", uid, gid, AT_EMPTY_PATH);
	if (rc == 0 && a->valid & SYS_ATTR_MODE)
		rc = chmod(l.path, a->mode & 07777);
	if (rc == 0 && a->valid & SYS_ATTR_SIZE)
		rc = truncate(l.path, (off_t)a->size);
	if (rc == 0 && a->valid & (SYS_ATTR_ATIME | SYS_ATTR_MTIME))
		rc = utimensat(fd, "", ts, AT_EMPTY_PATH);
	return (int)result(rc);
}

int
os_statfs(int fd, struct ipc_statfs *s)
{
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return (int)result(-1);
	*s = (struct ipc_statfs){ .type = (uint32_t)st.f_type, .bsize = (uint32_t)st.f_bsize,
		.blocks = st.f_blocks, .bfree = st.f_bfree, .bavail = st.f_bavail,
		.files = st.f_files, .ffree = st.f_ffree, .namelen = (uint32_t)st.f_namelen };
	memcpy(&s->fsid, &st.f_fsid, sizeof s->fsid);
	return 0;
}

int
os_mkdir_in(int place, const char *name, uint32_t mode)
{
	return (int)result(mkdirat(place, name, mode & 07777));
}

int
os_mknod_in(int place, const char *name, uint32_t mode, uint64_t rdev)
{
	return (int)result(mknodat(place, name, mode,
		makedev((unsigned)(rdev >> 32), (unsigned)rdev)));
}

int
os_symlink_in(int place, const char *name, const char *target)
{
	return (int)result(symlinkat(target, place, name));
}

int
os_link_in(int place, const char *name, int file)
{
	return (int)result(linkat(AT_FDCWD, link_of(file).path, place, name, AT_SYMLINK_FOLLOW));
}

int
os_unlink_in(int place, const char *name, uint32_t flags)
{
	return (int)result(unlinkat(place, name, (int)flags));
}

int
os_rename_in(int from, const char *name, int to, const char *name2)
{
	return (int)result(renameat(from, name, to, name2));
}

int64_t
os_readlink(int place, char *buf, size_t n)
{
	ssize_t got = readlinkat(place, "", buf, n);

	if (got < 0 && errno == ENOENT)		/* of what is no link [readlinkat(2)] */
		errno = EINVAL;
	return result(got);
}

int64_t
os_readdir(int fd, uint64_t offset, void *buf, size_t n)
{
	if (is_served(fd))
		return served_readdir(fd, offset, buf, n);
	if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
		return result(-1);
	return result(syscall(SYS_getdents64, fd, buf, n));
}

int64_t
os_getxattr(int fd, const char *name, void *buf, size_t n)
{
	struct link l = link_of(fd);

	return result(*name ? getxattr(l.path, name, buf, n) : listxattr(l.path, buf, n));
}

int
os_setxattr(int fd, const char *name, const void *buf, size_t n, uint32_t flags)
{
	struct link l = link_of(fd);

	return (int)result(n ? setxattr(l.path, name, buf, n, (int)flags) :
		removexattr(l.path, name));
}

static const short lock_types[] = { F_RDLCK, F_WRLCK, F_UNLCK };

/* Of the open file, not of this process: each client's descriptor is an owner. */
static int
ofd_lock(int fd, int command, struct flock *f, const struct ipc_lock *l)
{
	if (l->type > 2)
		return -EINVAL;
	*f = (struct flock){ .l_type = lock_types[l->type], .l_whence = SEEK_SET,
		.l_start = (off_t)l->start, .l_len = (off_t)l->length };
	return (int)result(fcntl(fd, command, f));
}

int
os_lock(int fd, const struct ipc_lock *l)
{
	struct flock f;
	int rc = ofd_lock(fd, F_OFD_SETLK, &f, l);

	return rc == -EACCES ? -EAGAIN : rc;
}

int
os_getlock(int fd, struct ipc_lock *l)
{
	struct flock f;
	int rc = ofd_lock(fd, F_OFD_GETLK, &f, l);

	if (rc < 0)
		return rc;
	l->type = f.l_type == F_RDLCK ? 0 : f.l_type == F_WRLCK ? 1 : 2;
	if (l->type == 2)
		return 0;
	l->start = (uint64_t)f.l_start;
	l->length = (uint64_t)f.l_len;
	l->pid = (uint32_t)f.l_pid;
	return 0;
}
