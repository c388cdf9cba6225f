/* File calls as Linux programs make them, in the current directory, which must be writable. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"

static void
reading_and_writing(void)
{
	char buf[64] = { 0 };
	struct iovec iov[2] = { { "abc", 3 }, { "defg", 4 } };
	int fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0640), dup_fd;

	CHECK(fd >= 0);
	CHECK(open("f", O_RDWR | O_CREAT | O_EXCL, 0640) == -1 && errno == EEXIST);
	CHECK(write(fd, "0123456789", 10) == 10);
	CHECK(pwrite(fd, "XY", 2, 4) == 2);
	CHECK(lseek(fd, 0, SEEK_CUR) == 10);
	CHECK(pread(fd, buf, 20, 0) == 10 && memcmp(buf, "0123XY6789", 10) == 0);
	dup_fd = dup(fd);
	CHECK(dup_fd >= 0 && lseek(dup_fd, 2, SEEK_SET) == 2 && read(fd, buf, 2) == 2);
	CHECK(memcmp(buf, "23", 2) == 0);
	CHECK(ftruncate(fd, 4) == 0 && lseek(fd, 0, SEEK_END) == 4);
	CHECK(pwrite(fd, "end", 3, 100000) == 3);
	CHECK(pread(fd, buf, 8, 50000) == 8 && memcmp(buf, "\0\0\0\0\0\0\0\0", 8) == 0);
	CHECK(lseek(fd, 0, SEEK_SET) == 0 && writev(fd, iov, 2) == 7);
	CHECK(pread(fd, buf, 7, 0) == 7 && memcmp(buf, "abcdefg", 7) == 0);
	CHECK(fsync(fd) == 0);
	CHECK(close(fd) == 0 && close(dup_fd) == 0 && close(fd) == -1 && errno == EBADF);
	CHECK(read(fd, buf, 1) == -1 && errno == EBADF);
	fd = open("f", O_WRONLY | O_APPEND);
	CHECK(fd >= 0 && write(fd, "!", 1) == 1 && lseek(fd, 0, SEEK_END) == 100004);
	CHECK(read(fd, buf, 1) == -1 && errno == EBADF);
	CHECK((fcntl(fd, F_GETFL) & (O_APPEND | O_ACCMODE)) == (O_APPEND | O_WRONLY));
	CHECK(close(fd) == 0);
}

static void
names(void)
{
	struct stat a, b;
	char buf[64];
	int fd;

	CHECK(stat("f", &a) == 0 && S_ISREG(a.st_mode) && a.st_size == 100004);
	CHECK(rename("f", "g") == 0 && stat("f", &b) == -1 && errno == ENOENT);
	CHECK(stat("g", &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	CHECK(mkdir("d", 0755) == 0 && mkdir("d", 0755) == -1 && errno == EEXIST);
	CHECK(rename("g", "d/g") == 0 && access("d/g", R_OK) == 0);
	CHECK(symlink("d/g", "s") == 0 && readlink("s", buf, sizeof(buf)) == 3);
	CHECK(lstat("s", &b) == 0 && S_ISLNK(b.st_mode) && stat("s", &b) == 0);
	CHECK(b.st_ino == a.st_ino);
	CHECK(symlink("loop", "loop") == 0 && open("loop", O_RDONLY) == -1 && errno == ELOOP);
	CHECK(link("d/g", "h") == 0 && stat("h", &b) == 0 && b.st_nlink == 2);
	CHECK(rmdir("d") == -1 && errno == ENOTEMPTY);
	CHECK(open("d/g/x", O_RDONLY) == -1 && errno == ENOTDIR);
	CHECK(open("d", O_WRONLY) == -1 && errno == EISDIR);
	CHECK(chmod("h", 0600) == 0 && stat("h", &b) == 0 && (b.st_mode & 07777) == 0600);
	fd = open("h", O_RDONLY);
	CHECK(fd >= 0 && unlink("h") == 0 && unlink("d/g") == 0);
	CHECK(pread(fd, buf, 3, 0) == 3 && memcmp(buf, "abc", 3) == 0 && close(fd) == 0);
	CHECK(unlink("s") == 0 && unlink("loop") == 0);
}

static void
directories(void)
{
	char cwd[256], name[32];
	struct dirent *e;
	int seen = 0, dirfd, fd;
	DIR *d;

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "d/file-%d", i);
		fd = open(name, O_WRONLY | O_CREAT, 0644);
		CHECK(fd >= 0 && close(fd) == 0);
	}
	d = opendir("d");
	CHECK(d);
	while ((e = readdir(d)))
		seen += strncmp(e->d_name, "file-", 5) == 0;
	CHECK(seen == 300);
	rewinddir(d);
	CHECK(readdir(d) && closedir(d) == 0);
	CHECK(getcwd(cwd, sizeof(cwd)) && chdir("d") == 0 && access("file-7", F_OK) == 0);
	CHECK(chdir("..") == 0 && access("d/file-7", F_OK) == 0);
	dirfd = open("d", O_RDONLY | O_DIRECTORY);
	CHECK(dirfd >= 0 && (fd = openat(dirfd, "file-8", O_RDWR)) >= 0 && close(fd) == 0);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		CHECK(unlinkat(dirfd, name, 0) == 0);
	}
	CHECK(close(dirfd) == 0 && rmdir("d") == 0);
}

static void
bad_memory(void)
{
	int fd = open("e", O_RDWR | O_CREAT, 0600);

	CHECK(fd >= 0 && write(fd, "x", 1) == 1);
	CHECK(read(fd, (void *)8, 1) <= 0);
	CHECK(pread(fd, (void *)8, 1, 0) == -1 && errno == EFAULT);
	CHECK(write(fd, (void *)8, 100) == -1 && errno == EFAULT);
	CHECK(open((char *)8, O_RDONLY) == -1 && errno == EFAULT);
	CHECK(close(fd) == 0 && unlink("e") == 0);
}

int
main(void)
{
	reading_and_writing();
	names();
	directories();
	bad_memory();
	return all_right("posix_files");
}
