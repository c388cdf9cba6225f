/* Checks the calls on open files. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "linux_test.h"

#define NAME "linux_file.tmp"

static int
fresh(int flags)
{
	unlink(NAME);
	return open(NAME, O_RDWR | O_CREAT | O_EXCL | flags, 0644);
}

static void
open_flags(void)
{
	int fd = fresh(0);
	char c;

	NEED(fd >= 0);
	CHECK_ERR(open(NAME, O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST);
	CHECK_ERR(open("no such file", O_RDONLY), ENOENT);
	CHECK_ERR(open(NAME, O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERR(open(".", O_WRONLY), EISDIR);
	CHECK_ERR(read(99, &c, 1), EBADF);
	CHECK(write(fd, "hello", 5) == 5);
	close(fd);
	fd = open(NAME, O_RDONLY);
	CHECK_ERR(write(fd, "x", 1), EBADF);
	close(fd);
	fd = open(NAME, O_WRONLY | O_TRUNC);
	CHECK(lseek(fd, 0, SEEK_END) == 0);
	CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY);
	close(fd);
	CHECK_ERR(close(fd), EBADF);
}

static void
offsets(void)
{
	char buf[16] = "";
	int fd = fresh(0);

	NEED(fd >= 0);
	CHECK(write(fd, "0123456789", 10) == 10);
	CHECK(lseek(fd, -3, SEEK_CUR) == 7);
	CHECK(read(fd, buf, sizeof(buf)) == 3 && memcmp(buf, "789", 3) == 0);
	CHECK(read(fd, buf, sizeof(buf)) == 0);
	CHECK(pread(fd, buf, 4, 2) == 4 && memcmp(buf, "2345", 4) == 0);
	CHECK(pwrite(fd, "ab", 2, 4) == 2);
	CHECK(lseek(fd, 0, SEEK_CUR) == 10);
	CHECK(lseek(fd, 100, SEEK_SET) == 100);
	CHECK(write(fd, "z", 1) == 1);
	CHECK(lseek(fd, 0, SEEK_END) == 101);
	CHECK(pread(fd, buf, 3, 98) == 3 && memcmp(buf, "\0\0z", 3) == 0);
	CHECK_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERR(pread(fd, buf, 1, -1), EINVAL);
	CHECK(ftruncate(fd, 5) == 0 && lseek(fd, 0, SEEK_END) == 5);
	close(fd);
}

static void
append(void)
{
	int fd = fresh(O_APPEND), other;

	NEED(fd >= 0);
	CHECK(write(fd, "abc", 3) == 3);
	other = open(NAME, O_WRONLY | O_APPEND);
	CHECK(write(other, "def", 3) == 3);
	CHECK(write(fd, "ghi", 3) == 3);
	CHECK(lseek(fd, 0, SEEK_END) == 9);
	close(other);
	close(fd);
}

static void
vectors(void)
{
	char a[4] = "", b[4] = "", big[3][9000];
	struct iovec out[3] = { { "one", 3 }, { "", 0 }, { "two", 3 } };
	struct iovec in[3] = { { a, 3 }, { NULL, 0 }, { b, 3 } };
	struct iovec large[3] = { { big[0], 9000 }, { big[1], 9000 }, { big[2], 9000 } };
	int fd = fresh(0);

	NEED(fd >= 0);
	CHECK(writev(fd, out, 3) == 6);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	CHECK(readv(fd, in, 3) == 6);
	CHECK(strcmp(a, "one") == 0 && strcmp(b, "two") == 0);
	CHECK(pwritev(fd, out, 3, 100) == 6);
	CHECK(preadv(fd, in + 2, 1, 103) == 3 && strcmp(b, "two") == 0);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	memset(big, 'x', sizeof(big));
	CHECK(writev(fd, large, 3) == 27000);
	CHECK(lseek(fd, 0, SEEK_END) == 27000);
	CHECK_ERR(readv(fd, in, -1), EINVAL);
	close(fd);
}

static void
streams(void)
{
	FILE *f = fopen(NAME, "w+");
	char line[64];
	int n, sum = 0;

	NEED(f);
	for (int i = 0; i < 5000; i++)
		fprintf(f, "line %d\n", i);
	rewind(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "line %d", &n) == 1)
			sum += n;
	CHECK(sum == 4999 * 5000 / 2);
	CHECK(fseek(f, -5, SEEK_END) == 0 && fgetc(f) == '4');
	CHECK(ungetc('q', f) == 'q' && fgetc(f) == 'q');
	CHECK(fclose(f) == 0);
}

static void
descriptors(void)
{
	int fd = fresh(0), other;
	struct stat st;

	NEED(fd >= 0);
	other = dup(fd);
	CHECK(other > fd);
	CHECK(write(fd, "ab", 2) == 2 && lseek(other, 0, SEEK_CUR) == 2);
	CHECK(dup2(fd, 50) == 50 && fcntl(50, F_GETFD) == 0);
	CHECK(dup2(50, 50) == 50);
	CHECK(dup3(fd, 51, O_CLOEXEC) == 51 && fcntl(51, F_GETFD) == FD_CLOEXEC);
	CHECK_ERR(dup3(fd, fd, 0), EINVAL);
	CHECK(fcntl(fd, F_DUPFD, 60) == 60);
	CHECK(fcntl(fd, F_DUPFD_CLOEXEC, 60) == 61 && fcntl(61, F_GETFD) == FD_CLOEXEC);
	CHECK(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0 && (fcntl(fd, F_GETFL) & O_APPEND));
	CHECK_ERR(dup(99), EBADF);
	CHECK_ERR(fcntl(99, F_GETFD), EBADF);
	close(other);
	for (int i = 50; i < 62; i++)
		close(i);
	CHECK(fstat(fd, &st) == 0 && st.st_size == 2 && S_ISREG(st.st_mode));
	close(fd);
}

static void
pipes(void)
{
	int fd[2], status, n;
	char buf[65536];
	long total = 0, sum = 0;
	struct stat st;

	NEED(pipe(fd) == 0);
	CHECK(fstat(fd[0], &st) == 0 && S_ISFIFO(st.st_mode));
	CHECK_ERR(lseek(fd[0], 0, SEEK_SET), ESPIPE);
	CHECK(write(fd[1], "hello", 5) == 5);
	CHECK(ioctl(fd[0], FIONREAD, &n) == 0 && n > 0);
	CHECK(read(fd[0], buf, sizeof(buf)) == 5);
	if (fork() == 0) {
		close(fd[0]);
		for (int i = 0; i < 10; i++) {
			memset(buf, i, sizeof(buf));
			if (write(fd[1], buf, sizeof(buf)) != (long)sizeof(buf))
				_exit(1);
		}
		_exit(0);
	}
	close(fd[1]);
	while ((n = (int)read(fd[0], buf, sizeof(buf))) > 0) {
		for (int i = 0; i < n; i++)
			sum += buf[i];
		total += n;
	}
	CHECK(total == 655360 && sum == 45 * 65536);
	CHECK(wait(&status) > 0 && status == 0);
	close(fd[0]);
	NEED(pipe2(fd, O_NONBLOCK | O_CLOEXEC) == 0);
	CHECK(fcntl(fd[0], F_GETFD) == FD_CLOEXEC);
	CHECK_ERR(read(fd[0], buf, 1), EAGAIN);
	close(fd[1]);
	CHECK(read(fd[0], buf, 1) == 0);
	close(fd[0]);
}

static void
copies(void)
{
	static char data[100000], back[100000];
	off_t at = 10;
	int from = fresh(0), to = open(NAME "2", O_RDWR | O_CREAT | O_TRUNC, 0644);

	NEED(from >= 0 && to >= 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + i / 251);
	CHECK(write(from, data, sizeof(data)) == (long)sizeof(data));
	CHECK(sendfile(to, from, &at, sizeof(data)) == (long)sizeof(data) - 10);
	CHECK(at == (off_t)sizeof(data));
	CHECK(lseek(from, 0, SEEK_SET) == 0);
	CHECK(sendfile(to, from, NULL, 10) == 10 && lseek(from, 0, SEEK_CUR) == 10);
	CHECK(pread(to, back, sizeof(back), 0) == (long)sizeof(back));
	CHECK(memcmp(back, data + 10, sizeof(data) - 10) == 0);
	CHECK(memcmp(back + sizeof(data) - 10, data, 10) == 0);
	close(from);
	close(to);
	unlink(NAME "2");
}

static void
bad_memory(void)
{
	int fd = fresh(0);
	void *volatile bad = (void *)16;
	struct iovec v = { bad, 10 };

	NEED(fd >= 0);
	CHECK(write(fd, "hello", 5) == 5);
	CHECK_ERR(pread(fd, bad, 5, 0), EFAULT);
	CHECK_ERR(write(fd, bad, 5), EFAULT);
	CHECK_ERR(writev(fd, &v, 1), EFAULT);
	CHECK_ERR(open(bad, O_RDONLY), EFAULT);
	CHECK_ERR(pipe(bad), EFAULT);
	CHECK_ERR((int)syscall(SYS_fstat, fd, bad), EFAULT);
	close(fd);
}

static void
locks(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5 };
	int fd = fresh(0), status;

	NEED(fd >= 0);
	if (fcntl(fd, F_SETLK, &l) < 0) {
		CHECK(errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS || errno == EPERM);
		close(fd);
		return;
	}
	if (fork() == 0) {
		int bad;

		l.l_len = 100;
		bad = fcntl(fd, F_SETLK, &l) != -1 || (errno != EAGAIN && errno != EACCES);
		l.l_start = 20;
		bad |= fcntl(fd, F_SETLK, &l) != 0;
		_exit(bad);
	}
	CHECK(wait(&status) > 0 && status == 0);
	l.l_type = F_UNLCK;
	CHECK(fcntl(fd, F_SETLK, &l) == 0);
	close(fd);
}

static void
special_files(void)
{
	char buf[64];
	int fd = open("/dev/null", O_RDWR);

	NEED(fd >= 0);
	CHECK(write(fd, "x", 1) == 1 && read(fd, buf, 1) == 0);
	close(fd);
	fd = open("/dev/zero", O_RDONLY);
	memset(buf, 1, sizeof(buf));
	CHECK(read(fd, buf, sizeof(buf)) == (long)sizeof(buf) && buf[0] == 0 && buf[63] == 0);
	close(fd);
	fd = open("/dev/urandom", O_RDONLY);
	CHECK(read(fd, buf, sizeof(buf)) == (long)sizeof(buf));
	close(fd);
	fd = fresh(0);
	snprintf(buf, sizeof(buf), "/dev/fd/%d", fd);
	CHECK(write(fd, "via", 3) == 3);
	int other = open(buf, O_RDONLY);
	CHECK(other >= 0);
	close(other);
	close(fd);
}

int
main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(open_flags), TEST(offsets), TEST(append), TEST(vectors), TEST(streams),
		TEST(descriptors), TEST(pipes), TEST(copies), TEST(bad_memory), TEST(locks),
		TEST(special_files),
	};

	RUN_TESTS(tests);
}
