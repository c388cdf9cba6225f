/*
 * os.h on Lux9: the kernel's calls, not through the C library and its personality.
 */
#include <errno.h>
#include <fcntl.h>
#include <os.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <lux9/calls.h>

int
os_errstr(char *buf, size_t n)
{
	return (int)lux_call2(SYS_ERRSTR, LUX_ARG(buf), LUX_ARG(n));
}

void
os_set_errstr(const char *fmt, ...)
{
	char text[OS_ERRSTR_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	lux_call2(SYS_SETERRSTR, LUX_ARG(text), LUX_ARG(strlen(text)));
}

uint64_t
os_time_ns(void)
{
	return (uint64_t)lux_call1(SYS_TIME, 0);
}

uint64_t
os_wall_ns(void)
{
	return (uint64_t)lux_call1(SYS_TIME, 1);
}

int
os_sleep_ns(uint64_t ns)
{
	return (int)lux_call1(SYS_SLEEP, LUX_ARG(ns));
}

int
os_open(const char *path, int flags, uint32_t mode)
{
	return (int)lux_call4(SYS_OPEN, SYS_CWD, LUX_ARG(path), flags, LUX_ARG(mode));
}

int
os_close(int fd)
{
	return (int)lux_call1(SYS_CLOSE, fd);
}

int64_t
os_pread(int fd, void *buf, size_t n, int64_t offset)
{
	return lux_call4(SYS_PREAD, fd, LUX_ARG(buf), LUX_ARG(n), offset);
}

int64_t
os_pwrite(int fd, const void *buf, size_t n, int64_t offset)
{
	return lux_call4(SYS_PWRITE, fd, LUX_ARG(buf), LUX_ARG(n), offset);
}

int
os_fsync(int fd, bool data_only)
{
	return (int)lux_call2(SYS_FSYNC, fd, data_only);
}

int64_t
os_size(int fd)
{
	struct sys_stat st = { 0 };
	long rc = lux_call4(SYS_STAT, fd, LUX_ARG(""), LUX_ARG(&st), SYS_AT_EMPTY_PATH);

	return rc < 0 ? rc : (int64_t)st.size;
}

int
os_block_size(int fd)
{
	(void)fd;
	return -ENOTTY;
}

int
os_block_rescan(int fd)
{
	(void)fd;
	return -ENOTTY;
}

void *
os_map(int fd, uint64_t offset, size_t len, int prot, enum os_cache cache)
{
	static const long kind[] = {
		[OS_CACHED] = 0,
		[OS_UNCACHED] = SYS_MAP_UNCACHED,
		[OS_WRITE_COMBINING] = SYS_MAP_WC,
	};
	size_t into = offset % 4096;
	long p = (prot & OS_READ ? SYS_PROT_READ : 0) | (prot & OS_WRITE ? SYS_PROT_WRITE : 0);
	long at = lux_call6(SYS_MAP, 0, LUX_ARG(len + into), p, SYS_MAP_SHARED | kind[cache], fd,
		LUX_ARG(offset - into));

	if (at < 0 && at > -4096) {
		errno = (int)-at;
		return NULL;
	}
	return (void *)((uintptr_t)at + into);
}

int
os_unmap(void *at, size_t len)
{
	size_t into = (uintptr_t)at % 4096;

	return (int)lux_call2(SYS_UNMAP, LUX_ARG((char *)at - into), LUX_ARG(len + into));
}

int
os_mount_fd(int fd, const char *path, int flags, const char *aname, unsigned wait_ms)
{
	return (int)lux_call6(SYS_MOUNT, fd, LUX_ARG(path), flags, LUX_ARG(aname ? aname : ""),
		(int64_t)wait_ms * 1000000, 0);
}

int
os_mount(const char *service, const char *path, int flags, const char *aname, unsigned wait_ms)
{
	int fd = os_service_open(service), rc;

	if (fd < 0)
		return fd;
	rc = os_mount_fd(fd, path, flags, aname, wait_ms);
	os_close(fd);
	return rc;
}

int
os_bind(const char *what, const char *path, int flags)
{
	return (int)lux_call3(SYS_BIND, LUX_ARG(what), LUX_ARG(path), flags);
}

int
os_fork_ns(int (*child)(void *arg), void *arg)
{
	long pid = lux_call1(SYS_FORK, SYS_FNEWNS);

	if (pid == 0)
		lux_call1(SYS_EXIT, child(arg));
	return (int)pid;
}

int
os_unmount(const char *what, const char *path)
{
	return (int)lux_call2(SYS_UNMOUNT, LUX_ARG(what), LUX_ARG(path));
}

int
os_service_open(const char *name)
{
	char path[256];

	if (strchr(name, '/'))
		return os_open(name, O_RDWR | O_CLOEXEC, 0);
	if ((size_t)snprintf(path, sizeof path, "/srv/%s", name) >= sizeof path)
		return -ENAMETOOLONG;
	return os_open(path, O_RDWR | O_CLOEXEC, 0);
}
