/*
 * Where a path leads: over servers' files, "..", links, names that are too long, and from a
 * directory that is not the root.
 */
#include "testing/services.h"

#include "testing/tree.h"

static void
test_plain(void **state)
{
	(void)state;
	LEADS("/", "/");
	LEADS("///", "/");
	LEADS("/dev", "/dev");
	LEADS("/root/a/b/c/file", "/root/a/b/c/file");
	LEADS("/root//a/./b/././c/", "/root/a/b/c");
	LEADS("root/a", "/root/a");
	LEADS(".", "/");
	LEADS("#root/dev", "#root/dev");
	LEADS("#root/dev/..", "#root");
	LEADS("#root/..", "#root");
	FAILS("", ENOENT);
	FAILS("#nothing", ENOENT);
	FAILS("/nothing", ENOENT);
	FAILS("/root/nothing/x", ENOENT);
	FAILS("/root/a/nothing", ENOENT);
	FAILS("/root/a/b/c/file/x", ENOTDIR);
	FAILS("/root/a/b/c/file/", ENOTDIR);
	FAILS("/root/a/b/c/file/..", ENOTDIR);
	FAILS("/root/a/b/c/file/.", ENOTDIR);
}

static void
test_one_walk(void **state)
{
	(void)state;
	walks = 0;
	LEADS("/root/a/b/c/file", "/root/a/b/c/file");
	assert_int_equal(walks, 1);
	walks = 0;
	FAILS("/root/a/b/c/nothing/more", ENOENT);
	assert_int_equal(walks, 1);
}

static void
test_dotdot(void **state)
{
	(void)state;
	LEADS("/..", "/");
	LEADS("/../../root", "/root");
	LEADS("/root/..", "/");
	LEADS("/root/a/..", "/root");
	LEADS("/root/a/b/../d", "/root/a/d");
	LEADS("/root/a/b/c/../../d/../b/c", "/root/a/b/c");
	FAILS("/root/nothing/../a", ENOENT);
	/* ".." after a link is the parent of where it leads. */
	LEADS("/root/link/..", "/root/a");
	LEADS("/root/abs/../b", "/root/a/b");
}

static void
test_links(void **state)
{
	char got[SYS_PATH_MAX];

	(void)state;
	LEADS("/root/link", "/root/a/b");
	LEADS("/root/link/", "/root/a/b");
	LEADS("/root/link/c/file", "/root/a/b/c/file");
	LEADS("/root/abs", "/root/a/d");
	LEADS("/root/a/up/c", "/root/a/b/c");
	LEADS("/root/flink", "/root/a/b/c/file");
	FAILS("/root/flink/", ENOTDIR);
	FAILS("/root/loop", ELOOP);
	FAILS("/root/loop/x", ELOOP);
	FAILS("/root/dangle", ENOENT);
	assert_int_equal(resolve("/root/link", NAME_NOFOLLOW, got), 0);
	assert_string_equal(got, "/root/link");
	assert_int_equal(resolve("/root/link/", NAME_NOFOLLOW, got), 0);
	assert_string_equal(got, "/root/a/b");
	assert_int_equal(resolve("/root/loop", NAME_NOFOLLOW, got), 0);
}

static void
test_many_links(void **state)
{
	char names[60][16], targets[60][16];

	(void)state;
	for (int i = 0; i < 41; i++) {
		snprintf(names[i], 16, "l%d", i);
		snprintf(targets[i], 16, "l%d", i + 1);
		add(tree, names[i], QT_SYMLINK, i == 40 ? "a" : targets[i]);
	}
	LEADS("/root/l1", "/root/a");
	FAILS("/root/l0", ELOOP);
}

static void
test_long(void **state)
{
	char path[SYS_PATH_MAX + 100], name[300];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[0] = '/';
	name[256] = '\0';
	FAILS(name, ENOENT);
	name[256] = 'n';
	name[257] = '\0';
	FAILS(name, ENAMETOOLONG);
	memset(path, '/', sizeof(path));
	path[SYS_PATH_MAX - 1] = '\0';
	LEADS(path, "/");
	path[SYS_PATH_MAX - 1] = '/';
	path[SYS_PATH_MAX] = '\0';
	FAILS(path, ENAMETOOLONG);
	/* 20 names take two walks; 300 bytes take the heap. */
	struct fnode *d = tree;
	char *p = path + sprintf(path, "/root");

	for (int i = 0; i < 20; i++) {
		d = add(d, "directory-long", QT_DIR, NULL);
		p += sprintf(p, "/directory-long");
	}
	walks = 0;
	LEADS(path, path);
	assert_int_equal(walks, 2);
}

static void
test_relative(void **state)
{
	struct sys_stat st;
	char buf[SYS_PATH_MAX];
	int64_t fd, path_fd;

	(void)state;
	assert_int_equal(CALL(sys_chdir, (uint64_t)SYS_CWD, u("/root/link")), 0);
	assert_int_equal(CALL(sys_fdctl, (uint64_t)SYS_CWD, SYS_FD_PATH, u(buf)), 9);
	assert_string_equal(buf, "/root/a/b");
	LEADS("c/file", "/root/a/b/c/file");
	LEADS("..", "/root/a");
	LEADS("../../..", "/");
	assert_int_equal(CALL(sys_chdir, (uint64_t)SYS_CWD, u("c/file")), -ENOTDIR);
	fd = open_at(SYS_CWD, "/root/a", 0);
	path_fd = open_at(SYS_CWD, "/root/a", SYS_O_PATH | SYS_O_DIRECTORY);
	assert_int_equal(CALL(sys_stat, (uint64_t)fd, u("b/c/file"), u(&st), 0), 0);
	assert_int_equal(CALL(sys_stat, (uint64_t)path_fd, u("b/c/file"), u(&st), 0), 0);
	assert_int_equal(CALL(sys_stat, (uint64_t)fd, u("../a/d"), u(&st), 0), 0);
	assert_int_equal(CALL(sys_stat, (uint64_t)fd, u(""), u(&st), 0), -ENOENT);
	assert_int_equal(CALL(sys_stat, (uint64_t)fd, u(""), u(&st), SYS_AT_EMPTY_PATH), 0);
	assert_string_equal(nodes[st.qid_path].name, "a");
	assert_int_equal(CALL(sys_stat, (uint64_t)SYS_CWD, u(""), u(&st), SYS_AT_EMPTY_PATH), 0);
	assert_string_equal(nodes[st.qid_path].name, "b");
	/* The empty name opens a place itself, also that of a file; nothing else. */
	assert_int_equal(open_at(fd, "", 0), -ENOENT);
	assert_int_equal(open_at(SYS_CWD, "", 0), -ENOENT);
	assert_true(open_at(path_fd, "", 0) >= 0);
	path_fd = open_at(SYS_CWD, "/root/a/b/c/file", SYS_O_PATH);
	path_fd = open_at(path_fd, "", SYS_O_RDWR);
	assert_int_equal(CALL(sys_fdctl, (uint64_t)path_fd, SYS_FD_PATH, u(buf)), 16);
	assert_string_equal(buf, "/root/a/b/c/file");
	assert_int_equal(CALL(sys_fdctl, (uint64_t)path_fd, SYS_FD_GETFLAGS, 0), SYS_O_RDWR);
	path_fd = open_at(SYS_CWD, "/root/link", SYS_O_PATH | SYS_O_NOFOLLOW);
	assert_int_equal(open_at(path_fd, "", 0), -ELOOP);
	assert_int_equal(CALL(sys_chdir, (uint64_t)fd, u(".")), 0);
	LEADS("d", "/root/a/d");
	/* What is mounted on the directory one is in shows at once. */
	mount_root(other, "/root/a", SYS_MREPL);
	LEADS("x/y", "/root/a/x/y");
}

static void
test_relative_mount(void **state)
{
	(void)state;
	assert_int_equal(CALL(sys_chdir, (uint64_t)SYS_CWD, u("/root/a/d")), 0);
	mount_root(other, "/root/a/d", SYS_MREPL);
	LEADS("x/y", "/root/a/d/x/y");
	LEADS("x/..", "/root/a/d");
	LEADS("../b", "/root/a/b");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_plain), TEST(test_one_walk), TEST(test_dotdot), TEST(test_links),
		TEST(test_many_links), TEST(test_long), TEST(test_relative),
		TEST(test_relative_mount),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
