/*
 * os_tree.h on Lux9: the kernel's calls.  A place is what SYS_O_PATH opens.
 */
#include <errno.h>
#include <fcntl.h>
#include <os_tree.h>
#include <lux9/calls.h>

#define PLACE (SYS_O_PATH | SYS_O_CLOEXEC)

int
os_place(const char *path)
{
	return (int)lux_call4(SYS_OPEN, SYS_CWD, LUX_ARG(path), PLACE, 0);
}

int
os_place_in(int place, const char *name)
{
	return (int)lux_call4(SYS_OPEN, place, LUX_ARG(name), PLACE | SYS_O_NOFOLLOW, 0);
}

int
os_open_place(int place, int flags)
{
	return (int)lux_call4(SYS_OPEN, place, LUX_ARG(""), flags | SYS_O_CLOEXEC, 0);
}

int
os_open_in(int place, const char *name, int flags, uint32_t mode)
{
	return (int)lux_call4(SYS_OPEN, place, LUX_ARG(name),
		flags | SYS_O_NOFOLLOW | SYS_O_CLOEXEC, LUX_ARG(mode));
}

int
os_getattr(int fd, struct ipc_attr *a, uint64_t *dev)
{
	struct sys_stat st = { 0 };
	long rc = lux_call4(SYS_STAT, fd, LUX_ARG(""), LUX_ARG(&st), SYS_AT_EMPTY_PATH);

	if (rc < 0)
		return (int)rc;
	*dev = st.dev;
	*a = (struct ipc_attr){
		.valid = 0xfff,		/* all that 9P2000.L has but generation and data version */
		.qid = { st.qid_path, st.qid_version, st.qid_type, { 0 } },
		.mode = st.mode, .uid = st.uid, .gid = st.gid, .nlink = st.nlink,
		.rdev = st.rdev, .size = st.size, .blksize = st.blksize, .blocks = st.blocks,
		.atime_sec = st.atime.sec, .atime_nsec = st.atime.nsec,
		.mtime_sec = st.mtime.sec, .mtime_nsec = st.mtime.nsec,
		.ctime_sec = st.ctime.sec, .ctime_nsec = st.ctime.nsec,
		.btime_sec = st.btime.sec, .btime_nsec = st.btime.nsec,
	};
	return 0;
}

int
os_setattr(int fd, const struct ipc_setattr *a)
{
	struct sys_attr s = {
		.valid = a->valid, .mode = a->mode, .uid = a->uid, .gid = a->gid, .size = a->size,
		.atime = { a->atime_sec, (uint32_t)a->atime_nsec, 0 },
		.mtime = { a->mtime_sec, (uint32_t)a->mtime_nsec, 0 },
	};

	return (int)lux_call4(SYS_SETATTR, fd, LUX_ARG(""), LUX_ARG(&s), SYS_AT_EMPTY_PATH);
}

int
os_statfs(int fd, struct ipc_statfs *s)
{
	_Static_assert(sizeof *s == sizeof(struct sys_statfs), "the same record");
	return (int)lux_call2(SYS_STATFS, fd, LUX_ARG(s));
}

int
os_mkdir_in(int place, const char *name, uint32_t mode)
{
	return (int)lux_call3(SYS_MKDIR, place, LUX_ARG(name), LUX_ARG(mode));
}

int
os_mknod_in(int place, const char *name, uint32_t mode, uint64_t rdev)
{
	return (int)lux_call5(SYS_MKNOD, place, LUX_ARG(name), LUX_ARG(mode), LUX_ARG(rdev >> 32),
		LUX_ARG(rdev & 0xffffffffu));
}

int
os_symlink_in(int place, const char *name, const char *target)
{
	return (int)lux_call3(SYS_SYMLINK, LUX_ARG(target), place, LUX_ARG(name));
}

int
os_link_in(int place, const char *name, int file)
{
	return (int)lux_call5(SYS_LINK, file, LUX_ARG(""), place, LUX_ARG(name),
		SYS_AT_EMPTY_PATH);
}

int
os_unlink_in(int place, const char *name, uint32_t flags)
{
	return (int)lux_call3(SYS_UNLINK, place, LUX_ARG(name), LUX_ARG(flags));
}

int
os_rename_in(int from, const char *name, int to, const char *name2)
{
	return (int)lux_call4(SYS_RENAME, from, LUX_ARG(name), to, LUX_ARG(name2));
}

int64_t
os_readlink(int place, char *buf, size_t n)
{
	return lux_call4(SYS_READLINK, place, LUX_ARG(""), LUX_ARG(buf), LUX_ARG(n));
}

int64_t
os_readdir(int fd, uint64_t offset, void *buf, size_t n)
{
	long rc = lux_call3(SYS_SEEK, fd, LUX_ARG(offset), 0);

	return rc < 0 ? rc : lux_call3(SYS_READDIR, fd, LUX_ARG(buf), LUX_ARG(n));
}

int64_t
os_getxattr(int fd, const char *name, void *buf, size_t n)
{
	return lux_call4(SYS_GETXATTR, fd, LUX_ARG(name), LUX_ARG(buf), LUX_ARG(n));
}

int
os_setxattr(int fd, const char *name, const void *buf, size_t n, uint32_t flags)
{
	return (int)lux_call5(SYS_SETXATTR, fd, LUX_ARG(name), LUX_ARG(buf), LUX_ARG(n),
		LUX_ARG(flags));
}

int
os_lock(int fd, const struct ipc_lock *l)
{
	struct sys_lock s = { l->type, l->pid, l->start, l->length };

	return (int)lux_call3(SYS_LOCK, fd, LUX_ARG(&s), 0);
}

int
os_getlock(int fd, struct ipc_lock *l)
{
	struct sys_lock s = { l->type, l->pid, l->start, l->length };
	long rc = lux_call3(SYS_LOCK, fd, LUX_ARG(&s), 2);

	if (rc < 0)
		return (int)rc;
	l->type = s.type;
	l->pid = s.pid;
	l->start = s.start;
	l->length = s.length;
	return 0;
}
