/*
 * Directories: reading them, and making, removing and renaming what is in them.
 */
#include "calls.h"

#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>

/* sys_dirent is Linux's linux_dirent64. */
long
lx_getdents64(int fd, void *buf, uint32_t n)
{
	return again(lux_call3(SYS_READDIR, fd, LUX_ARG(buf), n));
}

long
lx_mkdirat(int dirfd, const char *path, uint32_t mode)
{
	return again(lux_call3(SYS_MKDIR, dirfd, LUX_ARG(path), mode & 01777 & ~proc.umask));
}

long
lx_mkdir(const char *path, uint32_t mode)
{
	return lx_mkdirat(SYS_CWD, path, mode);
}

long
lx_mknodat(int dirfd, const char *path, uint32_t mode, uint64_t dev)
{
	uint32_t bits = mode & 07777 & ~proc.umask, kind = mode & S_IFMT;
	long fd;

	if (kind == 0 || kind == S_IFREG) {
		fd = lux_call4(SYS_OPEN, dirfd, LUX_ARG(path),
			       SYS_O_CREAT | SYS_O_EXCL | SYS_O_WRONLY | SYS_O_CLOEXEC, bits);
		if (fd >= 0)
			lux_call1(SYS_CLOSE, fd);
		return fd < 0 ? again(fd) : 0;
	}
	return again(lux_call5(SYS_MKNOD, dirfd, LUX_ARG(path), kind | bits,
			       LUX_ARG(dev >> 8 & 0xfff),
			       LUX_ARG((dev & 0xff) | (dev >> 12 & 0xfff00))));
}

long
lx_mknod(const char *path, uint32_t mode, uint64_t dev)
{
	return lx_mknodat(SYS_CWD, path, mode, dev);
}

long
lx_unlinkat(int dirfd, const char *path, unsigned flags)
{
	if (flags & ~(unsigned)AT_REMOVEDIR)
		return -EINVAL;
	return again(lux_call3(SYS_UNLINK, dirfd, LUX_ARG(path), flags));
}

long
lx_unlink(const char *path)
{
	return lx_unlinkat(SYS_CWD, path, 0);
}

long
lx_rmdir(const char *path)
{
	return lx_unlinkat(SYS_CWD, path, AT_REMOVEDIR);
}

long
lx_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	struct sys_stat st;

	if (flags & ~(unsigned)RENAME_NOREPLACE)
		return -EINVAL;
	if (flags) {
		long r = lux_call4(SYS_STAT, to_dir, LUX_ARG(to), LUX_ARG(&st), SYS_AT_NOFOLLOW);

		if (r != -ENOENT)
			return r < 0 ? again(r) : -EEXIST;
	}
	return again(lux_call4(SYS_RENAME, from_dir, LUX_ARG(from), to_dir, LUX_ARG(to)));
}

long
lx_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return lx_renameat2(from_dir, from, to_dir, to, 0);
}

long
lx_rename(const char *from, const char *to)
{
	return lx_renameat2(SYS_CWD, from, SYS_CWD, to, 0);
}

long
lx_linkat(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	if (flags & ~(unsigned)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return again(lux_call5(SYS_LINK, from_dir, LUX_ARG(from), to_dir, LUX_ARG(to), flags));
}

long
lx_link(const char *from, const char *to)
{
	return lx_linkat(SYS_CWD, from, SYS_CWD, to, 0);
}

long
lx_symlinkat(const char *target, int dirfd, const char *path)
{
	return again(lux_call3(SYS_SYMLINK, LUX_ARG(target), dirfd, LUX_ARG(path)));
}

long
lx_symlink(const char *target, const char *path)
{
	return lx_symlinkat(target, SYS_CWD, path);
}

long
lx_umask(uint32_t mask)
{
	uint32_t old = proc.umask;

	proc.umask = mask & 0777;
	return old;
}
