/* The name space: mounts, unions and their dead members, its copy and text, who may change it. */
#include "testing/services.h"

#include "testing/tree.h"

static void
test_mounts(void **state)
{
	char got[SYS_PATH_MAX];

	(void)state;
	mount_root(other, "/root/a/b", SYS_MREPL);
	LEADS("/root/a/b", "/root/a/b");
	LEADS("/root/a/b/x/y", "/root/a/b/x/y");
	FAILS("/root/a/b/c", ENOENT);
	LEADS("/root/a/b/x/../..", "/root/a");
	LEADS("/root/a/b/../d", "/root/a/d");
	LEADS("/root/link/x", "/root/a/b/x");
	assert_int_equal(resolve("/root/a/b", NAME_MOUNT_POINT, got), 0);
	/* On top of it again, and off. */
	mount_root(tree, "/root/a/b", SYS_MREPL);
	FAILS("/root/a/b/x", ENOENT);
	LEADS("/root/a/b/a/d", "/root/a/b/a/d");
}

static void
test_shadow(void **state)
{
	(void)state;
	mount_root(other, "/root/a/b", SYS_MREPL);
	assert_int_equal(CALL(sys_bind, u("/root/a/d"), u("/root/a/b"), SYS_MREPL), 0);
	FAILS("/root/a/b/x", ENOENT);
	assert_int_equal(CALL(sys_unmount, 0, u("/root/a/b")), 0);
	LEADS("/root/a/b/c", "/root/a/b/c");
	assert_int_equal(CALL(sys_unmount, 0, u("/root/a/b")), -EINVAL);
	/* The whole root replaced; its own mount points are not visible in it. */
	assert_int_equal(CALL(sys_bind, u("/root"), u("/"), SYS_MREPL), 0);
	LEADS("/a/b/c", "/a/b/c");
	FAILS("/dev", ENOENT);
	assert_int_equal(CALL(sys_bind, u("#root"), u("/a/d"), SYS_MREPL), 0);
	LEADS("/a/d/dev", "/a/d/dev");
	assert_int_equal(CALL(sys_unmount, 0, u("/")), 0);
	LEADS("/dev", "/dev");
}

static void
test_mount_file(void **state)
{
	char got[SYS_PATH_MAX];
	struct sys_stat st;

	(void)state;
	assert_int_equal(CALL(sys_bind, u("/root/a/b/c/file"), u("/root/a/d"), 0), -ENOTDIR);
	add(tree, "f2", QT_FILE, NULL);
	assert_int_equal(CALL(sys_bind, u("/root/a/b/c/file"), u("/root/f2"), 0), 0);
	assert_int_equal(CALL(sys_stat, (uint64_t)SYS_CWD, u("/root/f2"), u(&st), 0), 0);
	assert_string_equal(nodes[st.qid_path].name, "file");
	assert_int_equal(resolve("/root/f2", NAME_MOUNT_POINT, got), 0);
	assert_int_equal(CALL(sys_bind, u("/root/f2"), u("/root/f2"), SYS_MAFTER), -EINVAL);
}

static void
list(const char *path, char *out, size_t buf_size)
{
	char *buf = malloc(buf_size);
	int64_t fd = CALL(sys_open, (uint64_t)SYS_CWD, u(path), SYS_O_DIRECTORY, 0), n;

	assert_true(fd >= 0);
	out[0] = '\0';
	while ((n = CALL(sys_readdir, (uint64_t)fd, u(buf), buf_size)) > 0)
		for (int64_t at = 0; at < n;) {
			struct sys_dirent *d = (struct sys_dirent *)(buf + at);

			strcat(strcat(out, d->name), " ");
			at += d->reclen;
		}
	assert_int_equal(n, 0);
	assert_int_equal(CALL(sys_close, (uint64_t)fd), 0);
	free(buf);
}

static void
test_union(void **state)
{
	char out[512];

	(void)state;
	mount_root(other, "/root", SYS_MAFTER);
	LEADS("/root/a/b", "/root/a/b");
	LEADS("/root/x/y", "/root/x/y");
	LEADS("/root/b2", "/root/b2");
	FAILS("/root/a/only", ENOENT);	/* the first member that has "a" decides */
	FAILS("/root/none", ENOENT);
	list("/root", out, 4096);
	assert_string_equal(out, "a link abs loop dangle flink b2 x a ");
	/* A place of a union is the whole union, with what comes to it later. */
	int64_t place = open_at(SYS_CWD, "/root", SYS_O_PATH);
	assert_true(open_at(place, "a/b", SYS_O_PATH) >= 0);
	assert_true(open_at(place, "x/y", SYS_O_PATH) >= 0);
	list("/root", out, 40);		/* one record at a time */
	assert_string_equal(out, "a link abs loop dangle flink b2 x a ");
	mount_root(other, "/root", SYS_MBEFORE);
	LEADS("/root/a/only", "/root/a/only");
	assert_true(open_at(place, "a/only", SYS_O_PATH) >= 0);
	list("/root", out, 4096);
	assert_string_equal(out, "b2 x a a link abs loop dangle flink b2 x a ");
}

static void
names_in_ns(char *out)
{
	char *text;
	int64_t n = ns_text(test_proc.ns, &text);

	assert_true(n >= 0 && n < 512);
	memcpy(out, text, (size_t)n);
	out[n] = '\0';
	kfree(text);
}

/* A member whose server has gone for ever is passed over, wherever it stands, until all have. */
static void
test_union_dead(void **state)
{
	struct fnode *last = add(NULL, "", QT_DIR, NULL);
	char out[512];
	int64_t fd;

	(void)state;
	add(last, "z", QT_FILE, NULL);
	mount_root(other, "/root", SYS_MAFTER);
	mount_root(last, "/root", SYS_MAFTER | SYS_MCREATE);
	fd = open_at(SYS_CWD, "/root", 0);
	assert_true(fd >= 0);
	tree->dead = true;
	FAILS("/root/link", ENOENT);
	LEADS("/root/b2", "/root/b2");
	LEADS("/root/a/only", "/root/a/only");
	LEADS("/root/z", "/root/z");
	LEADS("/root/./x/../z", "/root/z");
	list("/root", out, 4096);
	assert_string_equal(out, "b2 x a z ");
	list("/root", out, 40);
	assert_string_equal(out, "b2 x a z ");
	/* One who had it open reads what others have. */
	char buf[64];
	assert_true(CALL(sys_readdir, (uint64_t)fd, u(buf), sizeof buf) > 0);
	assert_string_equal(((struct sys_dirent *)buf)->name, "b2");
	assert_true(open_at(SYS_CWD, "/root/new", SYS_O_CREAT) >= 0);
	assert_true(child(last, "new") != NULL);
	assert_int_equal(CALL(sys_unlink, (uint64_t)SYS_CWD, u("/root/new"), 0), 0);
	names_in_ns(out);
	assert_string_equal(out, "mount /srv/x /root # dead\nmount -a /srv/x /root\n"
			    "mount -ac /srv/x /root\n");
	last->dead = true;
	assert_int_equal(open_at(SYS_CWD, "/root/more", SYS_O_CREAT), -EPERM);
	FAILS("/root/z", ENOENT);
	other->dead = true;
	FAILS("/root/z", EHOSTDOWN);
	tree->dead = false;
	LEADS("/root/link", "/root/a/b");
	FAILS("/root/z", ENOENT);
	list("/root", out, 4096);
	assert_string_equal(out, "a link abs loop dangle flink ");
}

/* Its name has gone too: it can be taken away by it all the same. */
static void
test_unmount_dead(void **state)
{
	char out[512];

	(void)state;
	assert_int_equal(CALL(sys_bind, u("/root/a"), u("/mnt"), 0), 0);
	mount_root(other, "/mnt", SYS_MBEFORE);
	other->dead = true;
	assert_int_equal(CALL(sys_unmount, u("/srv/y"), u("/mnt")), -EINVAL);
	assert_int_equal(CALL(sys_unmount, u("/root/a/b"), u("/mnt")), -EINVAL);
	assert_int_equal(CALL(sys_unmount, 8, u("/mnt")), -EFAULT);
	list("/mnt", out, 4096);
	assert_string_equal(out, "b d up ");
	assert_int_equal(CALL(sys_unmount, u("/srv/x"), u("/mnt")), 0);
	names_in_ns(out);
	assert_string_equal(out, "mount /srv/x /root\nbind /root/a /mnt\n");
	/* Alone at its place it goes with the place's name, or its own. */
	tree->dead = true;
	FAILS("/root/a", EHOSTDOWN);
	assert_int_equal(CALL(sys_unmount, u("/srv/x"), u("/root")), 0);
	assert_int_equal(CALL(sys_unmount, u("/srv/x"), u("/root")), -EINVAL);
}

static void
test_union_with_old(void **state)
{
	char out[512];

	(void)state;
	assert_int_equal(CALL(sys_bind, u("/root/a/b"), u("/root/a/d"), SYS_MBEFORE), 0);
	LEADS("/root/a/d/c/file", "/root/a/d/c/file");
	/* Nothing says where to create. */
	assert_int_equal(CALL(sys_mkdir, (uint64_t)SYS_CWD, u("/root/a/d/new"), 0), -EPERM);
	assert_int_equal(CALL(sys_bind, u("/root/a"), u("/root/a/d"), SYS_MAFTER | SYS_MCREATE), 0);
	assert_int_equal(CALL(sys_mkdir, (uint64_t)SYS_CWD, u("/root/a/d/new"), 0), 0);
	LEADS("/root/a/new", "/root/a/new");
	/* A name to be removed is found in the member that has it. */
	assert_int_equal(CALL(sys_unlink, (uint64_t)SYS_CWD, u("/root/a/d/new"), 0x200), 0);
	FAILS("/root/a/new", ENOENT);
	list("/root/a/d", out, 4096);
	assert_string_equal(out, "c b d up ");
	/* A union bound elsewhere is a union there. */
	assert_int_equal(CALL(sys_bind, u("/root/a/d"), u("/mnt"), 0), 0);
	list("/mnt", out, 4096);
	assert_string_equal(out, "c b d up ");
	assert_int_equal(CALL(sys_unmount, u("/root/a/b"), u("/root/a/d")), 0);
	list("/root/a/d", out, 4096);
	assert_string_equal(out, "b d up ");
}

static void
test_union_seek(void **state)
{
	char buf[40];
	int64_t fd;
	struct sys_dirent *d = (struct sys_dirent *)buf;
	int64_t after_link = 0;

	(void)state;
	mount_root(other, "/root", SYS_MAFTER);
	fd = CALL(sys_open, (uint64_t)SYS_CWD, u("/root"), 0, 0);
	assert_true(fd >= 0);
	while (CALL(sys_readdir, (uint64_t)fd, u(buf), sizeof(buf)) > 0)
		if (strcmp(d->name, "b2") == 0)
			after_link = d->offset;
	assert_int_equal(CALL(sys_seek, (uint64_t)fd, (uint64_t)after_link, 0), after_link);
	assert_true(CALL(sys_readdir, (uint64_t)fd, u(buf), sizeof(buf)) > 0);
	assert_string_equal(d->name, "x");
	assert_int_equal(CALL(sys_seek, (uint64_t)fd, 0, 0), 0);
	assert_true(CALL(sys_readdir, (uint64_t)fd, u(buf), sizeof(buf)) > 0);
	assert_string_equal(d->name, "a");
	assert_int_equal(CALL(sys_close, (uint64_t)fd), 0);
}

static void
test_copy_and_text(void **state)
{
	struct ns *mine = test_proc.ns, *copy;
	char *text;
	int64_t n;

	(void)state;
	assert_int_equal(CALL(sys_bind, u("/root/a"), u("/mnt"), SYS_MBEFORE | SYS_MCREATE), 0);
	assert_int_equal(CALL(sys_bind, u("/root/a/b"), u("/mnt"), SYS_MAFTER), 0);
	copy = ns_copy(mine);
	test_proc.ns = copy;
	assert_int_equal(CALL(sys_unmount, 0, u("/root")), 0);
	FAILS("/root/a", ENOENT);
	LEADS("/mnt/b", "/mnt/b");
	test_proc.ns = mine;
	LEADS("/root/a", "/root/a");
	n = ns_text(mine, &text);
	assert_int_equal(n, (int64_t)strnlen(text, (size_t)n));
	text[n] = '\0';
	assert_string_equal(text, "mount /srv/x /root\nbind -bc /root/a /mnt\n"
			    "bind -a /root/a/b /mnt\n");
	kfree(text);
	ns_put(copy);
}

static void
test_not_allowed(void **state)
{
	(void)state;
	test_proc.no_mount = 1;
	assert_int_equal(CALL(sys_bind, u("/root"), u("/mnt"), 0), -EPERM);
	assert_int_equal(CALL(sys_unmount, 0, u("/root")), -EPERM);
	FAILS("#root/dev", EPERM);
	test_proc.no_mount = 0;
	assert_int_equal(CALL(sys_bind, u("/root"), u("/mnt"), 8), -EINVAL);
	assert_int_equal(CALL(sys_bind, u("/root"), u("/mnt"), 3), -EINVAL);
	for (int i = 0; i < UNION_MAX - 1; i++)
		assert_int_equal(CALL(sys_bind, u("/root/a"), u("/mnt"), SYS_MAFTER), 0);
	assert_int_equal(CALL(sys_bind, u("/root/a"), u("/mnt"), SYS_MAFTER), -ENOMEM);
}

/* Every allocation of some calls fails once; nothing is lost and nothing breaks. */
static void
test_short_memory(void **state)
{
	struct sys_stat st;

	(void)state;
	LEADS("/", "/");		/* the root's channel is made once and stays */
	for (long k = 0; k < 60; k++) {
		int64_t r;

		test_allocations = k;
		r = open_at(SYS_CWD, "/root/abs/../b/c/file", SYS_O_RDONLY);
		if (r >= 0)
			CALL(sys_close, (uint64_t)r);
		else
			assert_int_equal(r, -ENOMEM);
		test_allocations = k;
		r = CALL(sys_bind, u("/root/a"), u("/mnt"), SYS_MAFTER);
		if (r == 0)
			CALL(sys_unmount, 0, u("/mnt"));
		test_allocations = k;
		r = CALL(sys_stat, (uint64_t)SYS_CWD, u("/root/link/c"), u(&st), 0);
		assert_true(r == 0 || r == -ENOMEM);
		test_allocations = -1;
	}
}

/* Without the capability the name space stays as it is. */
static void
test_no_capability(void **state)
{
	(void)state;
	test_caps = CAP_ALL & ~(uint32_t)CAP_FILE_SYSTEM;
	assert_int_equal(CALL(sys_bind, u("/root/a/d"), u("/root/a/b"), SYS_MREPL), -EACCES);
	assert_int_equal(CALL(sys_unmount, 0, u("/root/a/b")), -EACCES);
	test_caps = CAP_ALL;
	assert_int_equal(CALL(sys_bind, u("/root/a/d"), u("/root/a/b"), SYS_MREPL), 0);
	assert_int_equal(CALL(sys_unmount, 0, u("/root/a/b")), 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_mounts), TEST(test_shadow), TEST(test_mount_file), TEST(test_union),
		TEST(test_union_dead), TEST(test_unmount_dead), TEST(test_union_with_old),
		TEST(test_union_seek), TEST(test_copy_and_text), TEST(test_not_allowed),
		TEST(test_short_memory), TEST(test_no_capability),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
