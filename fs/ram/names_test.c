/* Directories, extended attributes and record locks, each against what POSIX or Linux says. */
#include "ram.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ram_fs fs;
static struct ram_inode *dir, *file;

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(0, ram_fs_init(&fs, 8 << 20));
	dir = fs.root;
	file = ram_inode_new(&fs, S_IFREG | 0644, 1, 1);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	file->nlink = 0;
	ram_inode_put(file);
	ram_fs_free(&fs);
	assert_int_equal(0, fs.used);
	return 0;
}

static void
add(const char *name)
{
	assert_int_equal(0, ram_dir_add(dir, name, file));
	file->nlink++;
}

static void
drop(const char *name)
{
	struct ram_entry *e = ram_dir_find(dir, name);
	assert_non_null(e);
	ram_dir_remove(dir, e);
	file->nlink--;
}

static void
many_names(void **state)
{
	char name[32];
	(void)state;
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof name, "f%d", i);
		assert_null(ram_dir_find(dir, name));
		add(name);
	}
	assert_int_equal(5000, dir->dir.count);
	for (int i = 0; i < 5000; i += 3) {
		snprintf(name, sizeof name, "f%d", i);
		drop(name);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof name, "f%d", i);
		struct ram_entry *e = ram_dir_find(dir, name);
		assert_int_equal(i % 3 != 0, e != NULL);
		if (e)
			drop(name);
	}
	assert_int_equal(0, dir->dir.count);
	assert_null(dir->dir.table);
}

static void
name_lengths(void **state)
{
	char name[300];
	(void)state;
	memset(name, 'n', sizeof name);
	name[256] = '\0';
	assert_int_equal(-ENAMETOOLONG, ram_dir_add(dir, name, file));
	name[255] = '\0';
	add(name);
	assert_non_null(ram_dir_find(dir, name));
	name[254] = '\0';
	assert_null(ram_dir_find(dir, name));
	assert_int_equal(-EINVAL, ram_dir_add(dir, "", file));
	name[254] = 'n';
	drop(name);
}

/* A listing in pieces, with entries going and coming between them: each that stays, once. */
static void
listing(void **state)
{
	char name[32];
	unsigned char seen[200] = { 0 };
	uint64_t cookie = 2;
	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "%d", i);
		add(name);
	}
	for (int step = 0;; step++) {
		struct ram_entry *e = ram_dir_from(dir, cookie);
		if (!e)
			break;
		assert_true(e->cookie > cookie);
		cookie = e->cookie;
		dir->dir.hint = e;
		seen[atoi(e->name)]++;
		if (step == 10)
			drop(e->name);			/* the one at hand */
		if (step == 20)
			drop("3");			/* one before */
		if (step == 30)
			drop("90");			/* one ahead */
		if (step == 40)
			add("150");
	}
	for (int i = 0; i < 100; i++)
		assert_int_equal(i != 90, seen[i]);
	assert_int_equal(1, seen[150]);
	dir->dir.hint = dir->dir.last;			/* from the start again, with a late hint */
	assert_string_equal("0", ram_dir_from(dir, 0)->name);
	while (dir->dir.first)
		drop(dir->dir.first->name);
}

static void
no_room(void **state)
{
	(void)state;
	uint64_t limit = fs.limit;
	fs.limit = fs.used + 40;
	assert_int_equal(-ENOSPC, ram_dir_add(dir, "a-name", file));
	assert_null(ram_dir_find(dir, "a-name"));
	assert_int_equal(-ENOSPC, ram_xattr_set(file, "user.x", "0123456789", 10, 0));
	assert_null(ram_inode_new(&fs, S_IFREG, 0, 0));
	fs.limit = limit;
	assert_int_equal(-ENOSPC, ram_charge(&fs, UINT64_MAX / 2));
}

static void
xattrs(void **state)
{
	char list[64];
	(void)state;
	assert_int_equal(0, ram_xattr_set(file, "user.a", "1", 1, 0));
	assert_int_equal(-EEXIST, ram_xattr_set(file, "user.a", "2", 1, 1));
	assert_int_equal(-ENODATA, ram_xattr_set(file, "user.b", "2", 1, 2));
	assert_int_equal(-ENODATA, ram_xattr_set(file, "user.b", "", 0, 0));
	assert_int_equal(-EOPNOTSUPP, ram_xattr_set(file, "system.posix_acl_access", "2", 1, 0));
	assert_int_equal(0, ram_xattr_set(file, "user.a", "22", 2, 2));
	assert_int_equal(0, ram_xattr_set(file, "user.b", "3", 1, 1));
	assert_int_equal(2, ram_xattr_find(file, "user.a")->size);
	assert_memory_equal("22", ram_xattr_find(file, "user.a")->value, 2);
	assert_int_equal(14, ram_xattr_list(file, NULL, 0));
	assert_int_equal(14, ram_xattr_list(file, list, sizeof list));
	assert_memory_equal("user.b\0user.a", list, 14);
	assert_int_equal(0, ram_xattr_set(file, "user.b", "", 0, 2));
	assert_null(ram_xattr_find(file, "user.b"));
	char name[32];
	for (int i = 0; i < RAM_XATTRS_MAX - 1; i++) {
		snprintf(name, sizeof name, "user.%d", i);
		assert_int_equal(0, ram_xattr_set(file, name, "v", 1, 0));
	}
	assert_int_equal(-ENOSPC, ram_xattr_set(file, "user.more", "v", 1, 0));
	assert_int_equal(0, ram_xattr_set(file, "user.0", "w", 1, 0));
}

enum { RD, WR, UN };

static struct ipc_lock
range(uint32_t type, uint64_t start, uint64_t length, uint32_t pid)
{
	return (struct ipc_lock){ .type = type, .start = start, .length = length, .pid = pid,
		.client = "c" };
}

static uint32_t
take(uint32_t type, uint64_t start, uint64_t length, uint32_t pid)
{
	struct ipc_lock l = range(type, start, length, pid);
	return ram_lock(file, (void *)(uintptr_t)(pid * 16), &l);
}

static uint32_t
holder(uint64_t start, uint64_t length)
{
	struct ipc_lock l = range(WR, start, length, 99), out;
	ram_getlock(file, &l, &out);
	return out.type == UN ? 0 : out.pid;
}

static void
locks(void **state)
{
	(void)state;
	assert_int_equal(RAM_LOCK_DONE, take(WR, 0, 100, 1));
	assert_int_equal(RAM_LOCK_BLOCKED, take(RD, 99, 1, 2));
	assert_int_equal(RAM_LOCK_DONE, take(RD, 100, 1, 2));
	assert_int_equal(RAM_LOCK_DONE, take(RD, 100, 10, 1));	/* readers share */
	assert_int_equal(RAM_LOCK_BLOCKED, take(WR, 100, 1, 1));
	assert_int_equal(RAM_LOCK_DONE, take(UN, 40, 20, 1));	/* splits */
	assert_int_equal(1, holder(39, 1));
	assert_int_equal(0, holder(40, 20));
	assert_int_equal(1, holder(60, 1));
	assert_int_equal(RAM_LOCK_DONE, take(RD, 0, 10, 1));	/* weaker, in place */
	assert_int_equal(RAM_LOCK_DONE, take(RD, 0, 10, 2));
	assert_int_equal(RAM_LOCK_DONE, take(UN, 0, 0, 1));	/* to the end */
	assert_int_equal(0, holder(10, 80));
	assert_int_equal(2, holder(0, 10));
	assert_int_equal(RAM_LOCK_DONE, take(WR, 1000, UINT64_MAX, 3));	/* cut, not wrapped */
	assert_int_equal(3, holder(UINT64_MAX, 1));
	assert_int_equal(0, holder(999, 1));
	assert_int_equal(RAM_LOCK_ERROR, take(7, 0, 1, 1));
	ram_unlock_fid(file, (void *)(uintptr_t)(3 * 16));
	assert_int_equal(0, holder(1000, 0));
	assert_int_equal(2, holder(0, 0));
	struct ipc_lock other = range(WR, 0, 1, 2);
	strcpy(other.client, "another");	/* the same pid elsewhere is another owner */
	assert_int_equal(RAM_LOCK_BLOCKED, ram_lock(file, NULL, &other));
}

static void
attributes(void **state)
{
	struct ipc_setattr s = { .valid = 0x10 | 0x80 | 0x20 | 0x100, .atime_sec = -1,
		.atime_nsec = 999999999, .mtime_sec = 5, .mtime_nsec = 7 };
	struct ipc_attr a;
	(void)state;
	assert_int_equal(0, ram_setattr(file, &s));
	ram_getattr(file, &a);
	assert_int_equal(-1, a.atime_sec);
	assert_int_equal(999999999, a.atime_nsec);
	assert_int_equal(5, a.mtime_sec);
	assert_int_equal(7, a.mtime_nsec);
	s.mtime_nsec = 1000000000;
	assert_int_equal(-EINVAL, ram_setattr(file, &s));
	s.mtime_nsec = 0;
	s.mtime_sec = INT64_MAX;
	assert_int_equal(-EINVAL, ram_setattr(file, &s));
	s = (struct ipc_setattr){ .valid = 1 | 2 | 4, .mode = S_IFDIR | 04711, .uid = 5, .gid = 6 };
	assert_int_equal(0, ram_setattr(file, &s));
	ram_getattr(file, &a);
	assert_int_equal(S_IFREG | 04711, a.mode);
	assert_int_equal(5, a.uid);
	assert_int_equal(6, a.gid);
	s = (struct ipc_setattr){ .valid = 8, .size = 1 };
	assert_int_equal(-EISDIR, ram_setattr(dir, &s));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(many_names, setup, teardown),
		cmocka_unit_test_setup_teardown(name_lengths, setup, teardown),
		cmocka_unit_test_setup_teardown(listing, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(xattrs, setup, teardown),
		cmocka_unit_test_setup_teardown(locks, setup, teardown),
		cmocka_unit_test_setup_teardown(attributes, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
