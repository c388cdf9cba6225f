/* Calls on files by their names and their descriptors: opening, creating, changing, duplicating. */
#include "testing/services.h"

#include "testing/tree.h"

static void
test_create(void **state)
{
	int64_t fd;

	(void)state;
	fd = open_at(SYS_CWD, "/root/a/d/f", SYS_O_CREAT | SYS_O_RDWR);
	assert_int_equal(fd, 0);
	assert_int_equal(creates, 1);
	assert_int_equal(open_at(SYS_CWD, "/root/a/d/f", SYS_O_CREAT | SYS_O_RDWR), 1);
	assert_int_equal(creates, 1);
	assert_int_equal(open_at(SYS_CWD, "/root/a/d/f", SYS_O_CREAT | SYS_O_EXCL), -EEXIST);
	assert_int_equal(open_at(SYS_CWD, "/root/link", SYS_O_CREAT | SYS_O_EXCL), -EEXIST);
	assert_int_equal(open_at(SYS_CWD, "/root/no/f", SYS_O_CREAT), -ENOENT);
	assert_int_equal(open_at(SYS_CWD, "/root/a/b/c/file/f", SYS_O_CREAT), -ENOTDIR);
	assert_int_equal(open_at(SYS_CWD, "/root/new/", SYS_O_CREAT), -EISDIR);
	assert_int_equal(open_at(SYS_CWD, "/root/a", SYS_O_CREAT), -EISDIR);
	assert_int_equal(open_at(SYS_CWD, "/dev/f", SYS_O_CREAT), -EPERM);
	/* A dangling link's target is made. */
	assert_int_equal(open_at(SYS_CWD, "/root/dangle", SYS_O_CREAT), 2);
	LEADS("/root/a/new", "/root/a/new");
	LEADS("/root/dangle", "/root/a/new");
	/* Made right in a mounted root, and beside a mount point met half way. */
	assert_int_equal(open_at(SYS_CWD, "/root/top", SYS_O_CREAT), 3);
	LEADS("/root/top", "/root/top");
}

static void
test_create_race(void **state)
{
	(void)state;
	create_says_exists = true;
	assert_int_equal(open_at(SYS_CWD, "/root/race", SYS_O_CREAT | SYS_O_RDWR), 0);
	assert_int_equal(creates, 1);
	create_says_exists = true;
	assert_int_equal(open_at(SYS_CWD, "/root/race2", SYS_O_CREAT | SYS_O_EXCL), -EEXIST);
	create_says_exists = false;
}

static void
test_open_checks(void **state)
{
	char buf[8];
	int64_t fd;

	(void)state;
	assert_int_equal(open_at(SYS_CWD, "/root/a", SYS_O_RDWR), -EISDIR);
	assert_int_equal(open_at(SYS_CWD, "/root/a/b/c/file", SYS_O_DIRECTORY), -ENOTDIR);
	assert_int_equal(open_at(SYS_CWD, "/root/flink", SYS_O_NOFOLLOW), -ELOOP);
	assert_int_equal(open_at(SYS_CWD, "/root/a", 3), -EINVAL);
	assert_int_equal(open_at(99, "x", 0), -EBADF);
	assert_int_equal(CALL(sys_open, (uint64_t)SYS_CWD, 8, 0, 0), -EFAULT);
	fd = open_at(SYS_CWD, "/root/flink", SYS_O_NOFOLLOW | SYS_O_PATH);
	assert_true(fd >= 0);
	assert_int_equal(opens, 0);
	assert_int_equal(CALL(sys_pread, (uint64_t)fd, u(buf), 8, UINT64_MAX), -EBADF);
	fd = open_at(SYS_CWD, "/root/a", 0);
	assert_int_equal(CALL(sys_pread, (uint64_t)fd, u(buf), 8, UINT64_MAX), -EISDIR);
	fd = open_at(SYS_CWD, "/root/a/b/c/file", SYS_O_WRONLY);
	assert_int_equal(CALL(sys_pread, (uint64_t)fd, u(buf), 8, UINT64_MAX), -EBADF);
	assert_int_equal(CALL(sys_pwrite, (uint64_t)fd, u(buf), 8, 1ul << 63), -EINVAL);
	assert_int_equal(CALL(sys_readdir, (uint64_t)fd, u(buf), 8), -ENOTDIR);
}

static void
test_change(void **state)
{
	uint64_t cwd = (uint64_t)SYS_CWD;

	(void)state;
	assert_int_equal(CALL(sys_mkdir, cwd, u("/root/m/"), 0755), 0);
	assert_int_equal(CALL(sys_mkdir, cwd, u("/root/m"), 0755), -EEXIST);
	assert_int_equal(CALL(sys_mkdir, cwd, u("/"), 0755), -EBUSY);
	assert_int_equal(CALL(sys_mkdir, cwd, u("/root/."), 0755), -EINVAL);
	assert_int_equal(CALL(sys_mkdir, cwd, u("/root/a/.."), 0755), -EINVAL);
	assert_int_equal(CALL(sys_mkdir, cwd, u("/dev/x"), 0755), -EPERM);
	assert_int_equal(CALL(sys_rename, cwd, u("/root/m"), cwd, u("/root/a/m2")), 0);
	LEADS("/root/a/m2", "/root/a/m2");
	mount_root(other, "/root/a/m2", SYS_MREPL);
	assert_int_equal(CALL(sys_rename, cwd, u("/root/a/d"), cwd, u("/root/a/m2/d")), -EXDEV);
	assert_int_equal(CALL(sys_unlink, cwd, u("/root/a/m2"), 0x200), -EBUSY);
	assert_int_equal(CALL(sys_rename, cwd, u("/root/a/m2"), cwd, u("/root/q")), -EBUSY);
	assert_int_equal(CALL(sys_unmount, 0, u("/root/a/m2")), 0);
	assert_int_equal(CALL(sys_unlink, cwd, u("/root/a/m2"), 0x200), 0);
	FAILS("/root/a/m2", ENOENT);
	assert_int_equal(CALL(sys_unlink, cwd, u("/root/link"), 0), 0);
	LEADS("/root/a/b", "/root/a/b");
}

static void
test_readlink(void **state)
{
	char buf[16] = "zzzzzzzz";

	(void)state;
	assert_int_equal(CALL(sys_readlink, (uint64_t)SYS_CWD, u("/root/link"), u(buf), 16), 3);
	assert_memory_equal(buf, "a/bz", 4);
	assert_int_equal(CALL(sys_readlink, (uint64_t)SYS_CWD, u("/root/link"), u(buf), 1), 1);
	assert_int_equal(CALL(sys_readlink, (uint64_t)SYS_CWD, u("/root/a"), u(buf), 16), -EINVAL);
	assert_int_equal(CALL(sys_readlink, (uint64_t)SYS_CWD, u("/root/link"), 8, 16), -EFAULT);
}

static void
test_fds(void **state)
{
	int64_t fd = -1;

	(void)state;
	for (int i = 0; i < FD_MAX; i++) {
		fd = open_at(SYS_CWD, "/dev", i & 1 ? SYS_O_CLOEXEC : 0);
		assert_int_equal(fd, i);
	}
	assert_int_equal(open_at(SYS_CWD, "/dev", 0), -EMFILE);
	assert_int_equal(CALL(sys_close, 500), 0);
	assert_int_equal(CALL(sys_close, 500), -EBADF);
	assert_int_equal(CALL(sys_close, (uint64_t)-1), -EBADF);
	assert_int_equal(CALL(sys_close, FD_MAX), -EBADF);
	assert_int_equal(CALL(sys_dup, 3, (uint64_t)-1, SYS_O_CLOEXEC, 10), 500);
	assert_int_equal(CALL(sys_fdctl, 500, SYS_FD_GETCLOEXEC), 1);
	assert_int_equal(CALL(sys_dup, 3, 3, 0, 0), 3);
	assert_int_equal(CALL(sys_dup, 3, 600, 0, 0), 600);
	assert_int_equal(CALL(sys_fdctl, 600, SYS_FD_GETCLOEXEC), 0);
	assert_int_equal(CALL(sys_dup, 3, FD_MAX, 0, 0), -EBADF);
	assert_int_equal(CALL(sys_dup, 3, (uint64_t)-1, 0, FD_MAX), -EINVAL);
	struct fdtable *copy = fdtable_copy(test_proc.fds);

	assert_non_null(copy);
	fdtable_exec(test_proc.fds);
	assert_int_equal(CALL(sys_close, 1), -EBADF);
	assert_int_equal(CALL(sys_close, 500), -EBADF);
	assert_int_equal(CALL(sys_close, 0), 0);
	struct chan *c = fdtable_at(copy, 1);

	assert_non_null(c);
	chan_put(c);
	fdtable_put(copy);
}

static void
test_flags(void **state)
{
	int64_t fd = open_at(SYS_CWD, "/root/a/b/c/file", SYS_O_RDWR | SYS_O_TRUNC | SYS_O_CLOEXEC);

	(void)state;
	assert_int_equal(CALL(sys_fdctl, (uint64_t)fd, SYS_FD_GETFLAGS), SYS_O_RDWR);
	assert_int_equal(CALL(sys_fdctl, (uint64_t)fd, SYS_FD_SETFLAGS,
			      SYS_O_NONBLOCK | SYS_O_CREAT | SYS_O_WRONLY), 0);
	assert_int_equal(CALL(sys_fdctl, (uint64_t)fd, SYS_FD_GETFLAGS),
			 SYS_O_RDWR | SYS_O_NONBLOCK);
	assert_int_equal(CALL(sys_fdctl, (uint64_t)fd, 99), -EINVAL);
	assert_int_equal(CALL(sys_seek, (uint64_t)fd, (uint64_t)-1, 0), -EINVAL);
	assert_int_equal(CALL(sys_seek, (uint64_t)fd, 10, 0), 10);
	assert_int_equal(CALL(sys_seek, (uint64_t)fd, INT64_MAX, 1), -EINVAL);
	assert_int_equal(CALL(sys_seek, (uint64_t)fd, (uint64_t)-3, 1), 7);
	assert_int_equal(CALL(sys_seek, (uint64_t)fd, 0, 9), -EINVAL);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_create), TEST(test_create_race), TEST(test_open_checks),
		TEST(test_change), TEST(test_readlink), TEST(test_fds), TEST(test_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
