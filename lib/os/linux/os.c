/*
 * os.h on Linux: POSIX calls, and for files of mounted services those of mount.c.  The text of the
 * last error is kept in the thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <os.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "mount.h"

static _Thread_local char last_error[OS_ERRSTR_MAX];

static int
result(int64_t rc)
{
	int error = errno;

	if (rc >= 0)
		return (int)rc;
	os_set_errstr("%s", strerror(error));
	return -error;
}

int
os_errstr(char *buf, size_t n)
{
	int len = snprintf(buf, n, "%s", last_error);

	return (size_t)len < n ? len : (int)n - 1;
}

void
os_set_errstr(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(last_error, sizeof last_error, fmt, ap);
	va_end(ap);
}

static uint64_t
clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t
os_time_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t
os_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int
os_sleep_ns(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };

	return result(nanosleep(&t, NULL));
}

int
os_open(const char *path, int flags, uint32_t mode)
{
	int rc = served_open(path, flags);

	return rc != -ENXIO ? rc : result(open(path, flags, mode));
}

int
os_close(int fd)
{
	return is_served(fd) ? served_close(fd) : result(close(fd));
}

int64_t
os_pread(int fd, void *buf, size_t n, int64_t offset)
{
	if (is_served(fd))
		return served_pread(fd, buf, n, offset);
	ssize_t got = offset < 0 ? read(fd, buf, n) : pread(fd, buf, n, offset);

	return got < 0 ? result(got) : got;
}

int64_t
os_pwrite(int fd, const void *buf, size_t n, int64_t offset)
{
	if (is_served(fd))
		return served_pwrite(fd, buf, n, offset);
	ssize_t put = offset < 0 ? write(fd, buf, n) : pwrite(fd, buf, n, offset);

	return put < 0 ? result(put) : put;
}

int
os_fsync(int fd, bool data_only)
{
	if (is_served(fd))
		return served_fsync(fd, data_only);
	return result(data_only ? fdatasync(fd) : fsync(fd));
}

int64_t
os_size(int fd)
{
	struct stat st;
	uint64_t bytes;

	if (is_served(fd))
		return served_size(fd);
	if (fstat(fd, &st) < 0)
		return result(-1);
	if (!S_ISBLK(st.st_mode))
		return st.st_size;
	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return result(-1);
	return (int64_t)bytes;
}

int
os_block_size(int fd)
{
	int bytes;

	if (is_served(fd))
		return -ENOTTY;
	return ioctl(fd, BLKSSZGET, &bytes) < 0 ? -errno : bytes;
}

/* EINVAL: a loop device, say, that was not asked to have them. */
int
os_block_rescan(int fd)
{
	if (is_served(fd))
		return -ENOTTY;
	if (ioctl(fd, BLKRRPART) < 0)
		return errno == EINVAL ? -ENOTTY : -errno;
	return 0;
}

void *
os_map(int fd, uint64_t offset, size_t len, int prot, enum os_cache cache)
{
	size_t into = offset % 4096;
	int p = (prot & OS_READ ? PROT_READ : 0) | (prot & OS_WRITE ? PROT_WRITE : 0);
	void *at;

	(void)cache;	/* Linux decides by the file */
	if (is_served(fd)) {
		at = served_map(fd, offset, len, p);
		if (!at)
			result(-1);
		return at;
	}
	at = mmap(NULL, len + into, p, MAP_SHARED, fd, (off_t)(offset - into));
	if (at == MAP_FAILED) {
		result(-1);
		return NULL;
	}
	return (char *)at + into;
}

int
os_unmap(void *at, size_t len)
{
	size_t into = (uintptr_t)at % 4096;

	if (served_unmap(at))
		return 0;
	return result(munmap((char *)at - into, len + into));
}

static int
no_name_space(void)
{
	os_set_errstr("name spaces are Lux9's");
	return -EOPNOTSUPP;
}

int
os_mount(const char *service, const char *path, int flags, const char *aname, unsigned wait_ms)
{
	int fd = os_service_open(service), rc;

	if (fd < 0)
		return fd;
	rc = os_mount_fd(fd, path, flags, aname, wait_ms);
	close(fd);
	return rc;
}

int
os_mount_fd(int fd, const char *path, int flags, const char *aname, unsigned wait_ms)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	(void)wait_ms;		/* a service that has gone has no successor here */
	return own < 0 ? result(-1) : served_mount(own, path, flags, aname ? aname : "");
}

int
os_bind(const char *what, const char *path, int flags)
{
	(void)what, (void)path, (void)flags;
	return no_name_space();
}

int
os_fork_ns(int (*child)(void *arg), void *arg)
{
	int pid = result(fork());

	if (pid == 0)
		_exit(child(arg));
	return pid;
}

int
os_unmount(const char *what, const char *path)
{
	(void)what, (void)path;
	return no_name_space();
}

static int
dial_unix(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, rc;

	if (strlen(path) >= sizeof sa.sun_path)
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return result(-1);
	rc = result(connect(fd, (struct sockaddr *)&sa, sizeof sa));
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

static int
dial_tcp(const char *address)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
	const char *port = strchr(address, '!');
	int fd = -1, rc = -EHOSTUNREACH, on = 1;
	char host[256];

	if (!port || (size_t)(port - address) >= sizeof host)
		return -EINVAL;
	memcpy(host, address, (size_t)(port - address));
	host[port - address] = 0;
	rc = getaddrinfo(host, port + 1, &hints, &list);
	if (rc) {
		os_set_errstr("%s: %s", address, gai_strerror(rc));
		return -EHOSTUNREACH;
	}
	for (a = list; a; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		rc = fd < 0 ? result(-1) : result(connect(fd, a->ai_addr, a->ai_addrlen));
		if (rc == 0)
			break;
		if (fd >= 0)
			close(fd);
	}
	freeaddrinfo(list);
	if (rc < 0)
		return rc;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

int
os_service_open(const char *name)
{
	if (strncmp(name, "unix!", 5) == 0)
		return dial_unix(name + 5);
	if (strncmp(name, "tcp!", 4) == 0)
		return dial_tcp(name + 4);
	os_set_errstr("%s is neither unix!PATH nor tcp!HOST!PORT", name);
	return -EINVAL;
}
