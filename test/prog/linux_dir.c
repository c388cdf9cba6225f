/* Checks the calls on directories, names and attributes. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <utime.h>

#include "linux_test.h"

static int
make(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	int r = fd < 0 || write(fd, text, strlen(text)) != (long)strlen(text) ? -1 : 0;

	close(fd);
	return r;
}

static void
directories(void)
{
	char cwd[PATH_MAX], back[PATH_MAX], name[300];
	int fd, seen = 0;
	struct dirent *e;
	DIR *d;

	NEED(getcwd(cwd, sizeof(cwd)));
	NEED(mkdir("ld", 0755) == 0);
	CHECK_ERR(mkdir("ld", 0755), EEXIST);
	CHECK(chdir("ld") == 0);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "a file with number %d", i);
		CHECK(make(name, name) == 0);
	}
	CHECK(mkdir("sub", 0700) == 0);
	NEED((d = opendir(".")));
	while ((e = readdir(d))) {
		int n;

		if (sscanf(e->d_name, "a file with number %d", &n) == 1)
			seen += n + 1;
		if (strcmp(e->d_name, "sub") == 0)
			CHECK(e->d_type == DT_DIR || e->d_type == DT_UNKNOWN);
	}
	CHECK(seen == 200 * 201 / 2);
	rewinddir(d);
	CHECK(readdir(d));
	closedir(d);
	fd = open("..", O_RDONLY | O_DIRECTORY);
	CHECK(fchdir(fd) == 0 && getcwd(back, sizeof(back)) && strcmp(cwd, back) == 0);
	close(fd);
	CHECK_ERR(rmdir("ld"), ENOTEMPTY);
	CHECK_ERR(chdir("ld/a file with number 1"), ENOTDIR);
	CHECK_ERR((int)syscall(SYS_getcwd, back, 1), ERANGE);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "ld/a file with number %d", i);
		CHECK(unlink(name) == 0);
	}
	CHECK(rmdir("ld/sub") == 0 && rmdir("ld") == 0);
}

static void
names(void)
{
	struct stat st, st2;

	NEED(make("la", "text") == 0);
	unlink("lb");
	CHECK(rename("la", "lb") == 0);
	CHECK_ERR(stat("la", &st), ENOENT);
	CHECK(stat("lb", &st) == 0 && st.st_size == 4 && st.st_nlink >= 1);
	CHECK(make("la", "x") == 0 && rename("la", "lb") == 0);
	CHECK(stat("lb", &st) == 0 && st.st_size == 1);
	CHECK_ERR(rename("none", "lb"), ENOENT);
	unlink("lc");
	if (link("lb", "lc") == 0) {
		CHECK(stat("lb", &st) == 0 && stat("lc", &st2) == 0);
		CHECK(st.st_ino == st2.st_ino && st.st_nlink == 2);
		CHECK(unlink("lc") == 0);
	}
	CHECK(unlink("lb") == 0);
	CHECK_ERR(unlink("lb"), ENOENT);
	CHECK_ERR(rmdir("none"), ENOENT);
}

static void
links(void)
{
	char buf[PATH_MAX], full[PATH_MAX];
	struct stat st;
	ssize_t n;

	NEED(make("lt", "target") == 0);
	unlink("ls");
	if (symlink("lt", "ls") < 0) {
		CHECK(errno == EPERM || errno == EOPNOTSUPP);
		unlink("lt");
		return;
	}
	n = readlink("ls", buf, sizeof(buf));
	CHECK(n == 2 && memcmp(buf, "lt", 2) == 0);
	CHECK(readlink("ls", buf, 1) == 1);
	CHECK(lstat("ls", &st) == 0 && S_ISLNK(st.st_mode));
	CHECK(stat("ls", &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 6);
	CHECK_ERR(readlink("lt", buf, sizeof(buf)), EINVAL);
	CHECK_ERR(open("ls", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK(realpath("ls", full) && strcmp(full + strlen(full) - 3, "/lt") == 0);
	CHECK(unlink("ls") == 0 && symlink("ls", "ls") == 0);
	CHECK_ERR(open("ls", O_RDONLY), ELOOP);
	CHECK(unlink("ls") == 0 && unlink("lt") == 0);
}

static void
relative(void)
{
	struct stat st;
	int dir, fd;

	NEED(mkdir("lr", 0755) == 0);
	NEED((dir = open("lr", O_RDONLY | O_DIRECTORY)) >= 0);
	fd = openat(dir, "f", O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0);
	CHECK(fstatat(dir, "f", &st, 0) == 0 && (st.st_mode & 0777) == 0600);
	CHECK(fstatat(fd, "", &st, AT_EMPTY_PATH) == 0 && S_ISREG(st.st_mode));
	CHECK(mkdirat(dir, "d", 0755) == 0 && faccessat(dir, "d", X_OK, 0) == 0);
	CHECK(renameat(dir, "f", dir, "d/g") == 0);
	CHECK(unlinkat(dir, "d/g", 0) == 0 && unlinkat(dir, "d", AT_REMOVEDIR) == 0);
	CHECK_ERR(openat(99, "f", O_RDONLY), EBADF);
	CHECK_ERR(openat(fd, "f", O_RDONLY), ENOTDIR);
	close(fd);
	close(dir);
	CHECK(rmdir("lr") == 0);
}

static void
attributes(void)
{
	struct timespec ts[2] = { { 1000000000, 5 }, { 1100000000, 0 } };
	struct statfs fs;
	struct stat st;
	mode_t old = umask(027);
	int fd;

	unlink("lm");
	fd = open("lm", O_CREAT | O_RDWR, 0666);
	NEED(fd >= 0);
	CHECK(fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0640);
	CHECK(umask(old) == 027);
	CHECK(fchmod(fd, 0604) == 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0604);
	CHECK(chmod("lm", 0755) == 0 && stat("lm", &st) == 0 && (st.st_mode & 0777) == 0755);
	CHECK(access("lm", R_OK | W_OK | X_OK) == 0);
	CHECK(chmod("lm", 0644) == 0);
	CHECK_ERR(access("lm", X_OK), EACCES);
	CHECK_ERR(access("none", F_OK), ENOENT);
	CHECK(utimensat(AT_FDCWD, "lm", ts, 0) == 0 && stat("lm", &st) == 0);
	CHECK(st.st_mtim.tv_sec == 1100000000);
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_sec = 1200000000;
	CHECK(futimens(fd, ts) == 0 && fstat(fd, &st) == 0 && st.st_mtim.tv_sec == 1200000000);
	CHECK(utimes("lm", NULL) == 0 && stat("lm", &st) == 0 && st.st_mtim.tv_sec != 1200000000);
	CHECK(truncate("lm", 1000) == 0 && stat("lm", &st) == 0 && st.st_size == 1000);
	CHECK_ERR(truncate("none", 1), ENOENT);
	CHECK(statfs(".", &fs) == 0 && fs.f_bsize > 0 && fs.f_namelen > 0);
	CHECK(fsync(fd) == 0);
	close(fd);
	CHECK(unlink("lm") == 0);
}

static void
unlinked(void)
{
	char buf[8];
	int fd = open("lu", O_CREAT | O_RDWR | O_TRUNC, 0600);

	NEED(fd >= 0);
	CHECK(write(fd, "still", 5) == 5 && unlink("lu") == 0);
	CHECK(pread(fd, buf, 5, 0) == 5 && memcmp(buf, "still", 5) == 0);
	close(fd);
	CHECK_ERR(open("lu", O_RDONLY), ENOENT);
}

int
main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(directories), TEST(names), TEST(links), TEST(relative), TEST(attributes),
		TEST(unlinked),
	};

	RUN_TESTS(tests);
}
