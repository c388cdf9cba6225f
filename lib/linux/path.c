/*
 * Names: the few that mean something else here, the current directory, symbolic links.
 *
 * /proc/self is the caller's /proc/PID; its exe, cwd and fd/N are not files of Lux9's /proc and
 * are answered here, as are /dev/fd and the names of the terminal.
 */
#include "calls.h"

static const struct {
	const char *name, *is;
} aliases[] = {
	{ "tty", "/dev/cons" },
	{ "console", "/dev/cons" },
	{ "urandom", "/dev/random" },
};

/* The path of an open file, or an error. */
static long
path_of_fd(int fd, char buf[PATH_SIZE])
{
	long n = lux_call3(SYS_FDCTL, fd, SYS_FD_PATH, LUX_ARG(buf));

	if (n < 0)
		return n;
	if (n > PATH_SIZE - 1)
		n = PATH_SIZE - 1;
	buf[n] = '\0';
	return n;
}

static int
standard_fd(const char *name)
{
	if (text_is(name, "stdin"))
		return 0;
	if (text_is(name, "stdout"))
		return 1;
	return text_is(name, "stderr") ? 2 : -1;
}

/* The descriptor that a path names (/dev/fd/N, /proc/self/fd/N, /dev/stdin), or -1. */
static int
fd_of_path(const char *path)
{
	const char *rest = text_after(path, "/proc/self/fd/");

	if (!rest)
		rest = text_after(path, "/dev/fd/");
	if (rest && *rest) {
		int64_t fd = text_number(&rest);

		return *rest || fd < 0 || fd > INT32_MAX ? -1 : (int)fd;
	}
	rest = text_after(path, "/dev/");
	return rest ? standard_fd(rest) : -1;
}

int
path_fd(const char *path)
{
	if (path[0] != '/' || (path[1] != 'd' && path[1] != 'p'))
		return -1;
	return fd_of_path(path);
}

static const char *
map_proc(const char *rest, char buf[PATH_SIZE])
{
	size_t n;

	if (text_is(rest, "/mounts"))
		return "/proc/mounts";
	if (text_is(rest, "/exe"))
		return proc.exe;
	if (text_is(rest, "/cwd") && path_of_fd(SYS_CWD, buf) >= 0)
		return buf;
	if (*rest && *rest != '/')
		return NULL;
	n = text_copy(buf, "/proc/", PATH_SIZE);
	n = text_add_number(buf, n, PATH_SIZE, proc.pid);
	text_add(buf, n, PATH_SIZE, rest);
	return buf;
}

const char *
path_map(const char *path, char buf[PATH_SIZE])
{
	const char *rest, *to = NULL;
	int fd;

	if (path[0] != '/' || (path[1] != 'd' && path[1] != 'p'))
		return path;
	fd = fd_of_path(path);
	if (fd >= 0)
		return path_of_fd(fd, buf) > 0 ? buf : path;
	rest = text_after(path, "/proc/self");
	if (rest)
		to = map_proc(rest, buf);
	rest = text_after(path, "/dev/");
	for (size_t i = 0; rest && i < ARRAY_LEN(aliases); i++)
		if (text_is(rest, aliases[i].name))
			to = aliases[i].is;
	return to ? to : path;
}

long
lx_getcwd(char *buf, size_t n)
{
	char path[PATH_SIZE];
	long length = path_of_fd(SYS_CWD, path);

	if (length < 0)
		return length;
	if ((size_t)length + 1 > n)
		return -ERANGE;
	memcpy(buf, path, (size_t)length + 1);
	return length + 1;
}

long
lx_chdir(const char *path)
{
	char buf[PATH_SIZE];

	return again(lux_call2(SYS_CHDIR, SYS_CWD, LUX_ARG(path_map(path, buf))));
}

long
lx_fchdir(int fd)
{
	return again(lux_call2(SYS_CHDIR, fd, LUX_ARG(".")));
}

long
lx_readlinkat(int dirfd, const char *path, char *buf, long n)
{
	char target[PATH_SIZE];
	const char *to = NULL;
	int fd;

	if (n <= 0)
		return -EINVAL;
	fd = path_fd(path);
	if (fd >= 0) {
		long r = path_of_fd(fd, target);

		if (r < 0)
			return -ENOENT;
		to = target;
	} else if (text_is(path, "/proc/self/exe") || text_is(path, "/proc/self/cwd")) {
		to = path_map(path, target);
	} else if (text_is(path, "/proc/self")) {
		text_add_number(target, 0, sizeof(target), proc.pid);
		to = target;
	}
	if (to) {
		size_t length = text_length(to);

		if (length > (size_t)n)
			length = (size_t)n;
		memcpy(buf, to, length);
		return (long)length;
	}
	return again(lux_call4(SYS_READLINK, dirfd, LUX_ARG(path_map(path, target)), LUX_ARG(buf),
			       n));
}

long
lx_readlink(const char *path, char *buf, long n)
{
	return lx_readlinkat(SYS_CWD, path, buf, n);
}
