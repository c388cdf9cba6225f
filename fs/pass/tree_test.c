/*
 * The tree as a client sees it, over a directory of Linux's: each operation does below what it says
 * and tells what is there; no name leads out; fids keep their files through renames.
 */
#include "testing.h"

#include <dirent.h>
#include <os.h>
#include <p9_client.h>

#define PLAIN_CANNOT	4	/* calls of use_everything that plain 9P2000 has not */

static struct rig *g;
static struct p9_client *c;
static struct p9c_file *root;

static int
setup(void **state)
{
	(void)state;
	g = rig_new();
	assert_int_equal(p9c_open(&c, g->fd, P9_2000L, 0, 5000), 0);
	assert_int_equal(p9c_attach(c, "root", 0, "/", &root), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	p9c_clunk(root);
	p9c_close(c);
	rig_free(g);
	return 0;
}

static struct p9c_file *
at(const char *path)
{
	struct p9c_file *f;

	assert_int_equal(p9c_walk(root, path, &f), 0);
	return f;
}

static struct p9c_file *
opened(const char *path, uint32_t flags)
{
	struct p9c_file *f = at(path);

	assert_int_equal(p9c_file_open(f, flags), 0);
	return f;
}

static int
missing(const char *path)
{
	struct p9c_file *f = NULL;
	int rc = p9c_walk(root, path, &f);

	if (rc == 0)
		p9c_clunk(f);
	return rc;
}

static struct stat
stat_below(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(below_path(g, name), &st), 0);
	return st;
}

static void
attributes_are_those_below(void **state)
{
	struct p9c_file *f;
	struct ipc_attr a;
	struct stat st;

	(void)state;
	put_below(g, "tree/f", "hello");
	assert_int_equal(chmod(below_path(g, "tree/f"), 04751), 0);
	st = stat_below("tree/f");
	f = at("f");
	assert_int_equal(p9c_getattr(f, &a), 0);
	assert_int_equal(a.qid.path, st.st_ino);
	assert_int_equal(f->qid.path, st.st_ino);
	assert_int_equal(a.qid.type, P9_QTFILE);
	assert_int_equal(a.mode, st.st_mode);
	assert_int_equal(a.uid, st.st_uid);
	assert_int_equal(a.size, 5);
	assert_int_equal(a.nlink, 1);
	assert_int_equal(a.mtime_sec, st.st_mtim.tv_sec);
	assert_int_equal(a.mtime_nsec, st.st_mtim.tv_nsec);
	uint32_t version = a.qid.version;
	struct ipc_setattr s = { .valid = SYS_ATTR_MODE | SYS_ATTR_SIZE | SYS_ATTR_ATIME |
		SYS_ATTR_ATIME_SET, .mode = 0600, .size = 3, .atime_sec = 1000000,
		.atime_nsec = 7 };
	assert_int_equal(p9c_setattr(f, &s), 0);
	st = stat_below("tree/f");
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(st.st_atim.tv_sec, 1000000);
	assert_int_equal(st.st_atim.tv_nsec, 7);
	assert_int_equal(p9c_getattr(f, &a), 0);
	assert_int_not_equal(a.qid.version, version);
	s = (struct ipc_setattr){ .valid = SYS_ATTR_MTIME | SYS_ATTR_MTIME_SET, .mtime_sec = 5 };
	assert_int_equal(p9c_setattr(f, &s), 0);
	assert_int_equal(stat_below("tree/f").st_mtim.tv_sec, 5);
	assert_int_equal(stat_below("tree/f").st_atim.tv_sec, 1000000);
	p9c_clunk(f);
	f = at("");
	assert_int_equal(f->qid.path, stat_below("tree").st_ino);
	assert_int_equal(f->qid.type, P9_QTDIR);
	p9c_clunk(f);
}

static void
reading_and_writing(void **state)
{
	static uint8_t data[300000], got[300001];
	struct p9c_file *f;
	struct stat st;

	(void)state;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 7 + i / 1000);
	assert_int_equal(p9c_create(root, "f", O_RDWR | O_EXCL, 0640, &f), 0);
	assert_int_equal(p9c_write(f, data, sizeof data, 1), sizeof data);
	assert_int_equal(p9c_read(f, got, sizeof got, 0), sizeof got);
	assert_int_equal(got[0], 0);
	assert_memory_equal(got + 1, data, sizeof data);
	assert_int_equal(p9c_read(f, got, 10, 1 << 30), 0);
	assert_int_equal(p9c_fsync(f, true), 0);
	assert_int_equal(p9c_fsync(root, false), 0);		/* which is not open */
	assert_int_equal(f->qid.path, stat_below("tree/f").st_ino);
	p9c_clunk(f);
	st = stat_below("tree/f");
	assert_int_equal(st.st_size, sizeof data + 1);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(p9c_create(root, "f", O_RDWR | O_EXCL, 0640, &f), -EEXIST);
	f = opened("f", O_WRONLY | O_TRUNC);
	assert_int_equal(stat_below("tree/f").st_size, 0);
	assert_int_equal(p9c_write(f, "abc", 3, 0), 3);
	p9c_clunk(f);
	f = opened("f", O_WRONLY | O_APPEND);
	assert_int_equal(p9c_write(f, "def", 3, 0), 3);
	p9c_clunk(f);
	f = opened("f", O_RDONLY);
	assert_int_equal(p9c_read(f, got, sizeof got, 0), 6);
	assert_memory_equal(got, "abcdef", 6);
	assert_int_equal(p9c_write(f, "x", 1, 0), -EBADF);
	p9c_clunk(f);
}

struct list {
	char names[4096];
	int n;
};

static int
add_name(void *arg, const struct p9c_entry *e)
{
	struct list *l = arg;
	struct stat st = stat_below(strcmp(e->name, "sub") == 0 ? "tree/sub" : "tree/link");

	if (strcmp(e->name, "sub") == 0 || strcmp(e->name, "link") == 0) {
		assert_int_equal(e->qid.path, st.st_ino);
		assert_int_equal(e->type, IFTODT(st.st_mode));
		assert_int_equal(e->qid.type, e->type == DT_DIR ? P9_QTDIR : P9_QTSYMLINK);
	}
	l->n++;
	return 0;
}

static void
directories(void **state)
{
	struct list l = { .n = 0 };
	struct p9c_file *d;
	char name[300], letters[200];

	(void)state;
	memset(letters, 'n', sizeof letters);
	assert_int_equal(p9c_mkdir(root, "sub", 02750), 0);
	assert_int_equal(stat_below("tree/sub").st_mode, S_IFDIR | 02750);
	assert_int_equal(p9c_symlink(root, "link", "sub"), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "tree/%04d-%.*s", i, i % 200, letters);
		put_below(g, name, "");
	}
	d = opened("", O_RDONLY);
	assert_int_equal(p9c_list(d, add_name, &l), 0);
	assert_int_equal(l.n, 1002);
	p9c_clunk(d);
	assert_int_equal(p9c_mkdir(root, "sub", 0755), -EEXIST);
	put_below(g, "tree/sub/x", "");
	assert_int_equal(p9c_unlink(root, "sub", true), -ENOTEMPTY);
	assert_int_equal(p9c_unlink(root, "sub", false), -EISDIR);
	assert_int_equal(unlink(below_path(g, "tree/sub/x")), 0);
	assert_int_equal(p9c_unlink(root, "link", true), -ENOTDIR);
	assert_int_equal(p9c_unlink(root, "sub", true), 0);
	assert_int_equal(p9c_unlink(root, "none", false), -ENOENT);
	assert_int_equal(missing("sub"), -ENOENT);
}

static void
links_and_nodes(void **state)
{
	struct p9c_file *f;
	struct ipc_statfs s;
	char target[64];

	(void)state;
	put_below(g, "tree/f", "hello");
	f = at("f");
	assert_int_equal(p9c_link(root, "hard", f), 0);
	assert_int_equal(stat_below("tree/hard").st_ino, f->qid.path);
	assert_int_equal(stat_below("tree/f").st_nlink, 2);
	p9c_clunk(f);
	assert_int_equal(p9c_symlink(root, "soft", "../to/somewhere"), 0);
	f = at("soft");
	assert_int_equal(f->qid.type, P9_QTSYMLINK);
	assert_int_equal(p9c_readlink(f, target, sizeof target), 15);
	assert_string_equal(target, "../to/somewhere");
	assert_int_equal(p9c_file_open(f, O_RDONLY), -ELOOP);
	p9c_clunk(f);
	f = at("f");
	assert_int_equal(p9c_readlink(f, target, sizeof target), -EINVAL);
	p9c_clunk(f);
	assert_int_equal(p9c_mknod(root, "fifo", S_IFIFO | 0600, 0, 0), 0);
	assert_int_equal(stat_below("tree/fifo").st_mode, S_IFIFO | 0600);
	f = at("fifo");					/* and its opening waits for nobody */
	assert_int_equal(p9c_file_open(f, O_WRONLY), -ENXIO);
	p9c_clunk(f);
	assert_int_equal(p9c_statfs(root, &s), 0);
	assert_true(s.bsize > 0 && s.blocks > 0);
}

/* No name leads out of the tree: not a link, not "..", not a directory that was moved away. */
static void
no_way_out(void **state)
{
	struct p9c_file *d, *f;

	(void)state;
	put_below(g, "secret", "not for you");
	assert_int_equal(mkdir(below_path(g, "tree/d"), 0755), 0);
	assert_int_equal(symlink("..", below_path(g, "tree/up")), 0);
	assert_int_equal(symlink("../secret", below_path(g, "tree/file")), 0);
	assert_int_equal(symlink("/etc", below_path(g, "tree/etc")), 0);
	assert_int_equal(missing("up/secret"), -ENOENT);
	assert_int_equal(missing("etc/passwd"), -ENOENT);
	assert_int_equal(missing("../secret"), -ENOENT);
	assert_int_equal(missing("d/../../secret"), -ENOENT);
	f = at("file");
	assert_int_equal(p9c_file_open(f, O_RDONLY), -ELOOP);
	p9c_clunk(f);
	assert_int_equal(p9c_create(root, "file", O_RDWR, 0644, &f), -ELOOP);
	f = at("d/..");
	assert_int_equal(f->qid.path, root->qid.path);
	p9c_clunk(f);
	d = at("d");
	char out[128];
	snprintf(out, sizeof out, "%s/d", g->dir);
	assert_int_equal(rename(below_path(g, "tree/d"), out), 0);
	assert_int_equal(p9c_walk(d, "../secret", &f), -ENOENT);
	assert_int_equal(p9c_walk(d, "..", &f), 0);
	assert_int_equal(f->qid.path, root->qid.path);
	p9c_clunk(f);
	p9c_clunk(d);
}

static void
fids_keep_their_files(void **state)
{
	struct p9c_file *f, *h, *d, *e;
	char text[16] = "";

	(void)state;
	assert_int_equal(p9c_mkdir(root, "a", 0755), 0);
	assert_int_equal(p9c_mkdir(root, "b", 0755), 0);
	put_below(g, "tree/a/f", "hello");
	f = opened("a/f", O_RDWR);
	h = at("a/f");
	d = at("a");
	e = at("b");
	assert_int_equal(p9c_rename(root, "a", e, "c"), 0);
	assert_true(is_below(g, "tree/b/c/f"));
	assert_int_equal(p9c_read(f, text, sizeof text, 0), 5);
	assert_int_equal(p9c_file_open(h, O_RDONLY), 0);	/* below what was moved */
	assert_int_equal(p9c_read(h, text, sizeof text, 0), 5);
	assert_int_equal(p9c_unlink(d, "f", false), 0);
	assert_int_equal(missing("b/c/f"), -ENOENT);
	assert_int_equal(p9c_write(f, "gone", 4, 0), 4);	/* and what has no name any more */
	assert_int_equal(p9c_read(f, text, sizeof text, 0), 5);
	assert_memory_equal(text, "goneo", 5);
	struct ipc_attr a;
	assert_int_equal(p9c_getattr(f, &a), 0);
	assert_int_equal(a.nlink, 0);
	put_below(g, "tree/x", "1");
	put_below(g, "tree/y", "2");
	assert_int_equal(p9c_rename(root, "x", root, "y"), 0);
	assert_false(is_below(g, "tree/x"));
	assert_int_equal(p9c_rename(root, "x", root, "y"), -ENOENT);
	p9c_clunk(f);
	p9c_clunk(h);
	p9c_clunk(d);
	p9c_clunk(e);
}

/* Fids of one file share a descriptor; when they go, so does it. */
static void
descriptors(void **state)
{
	struct p9c_file *f[500];
	int before, after;

	(void)state;
	put_below(g, "tree/f", "hello");
	before = dup(0);
	for (int i = 0; i < 500; i++)
		f[i] = at("f");
	after = dup(0);
	assert_in_range(after - before, 1, 3);
	for (int i = 0; i < 500; i++)
		p9c_clunk(f[i]);
	close(before);
	close(after);
}

static void
attributes_by_name(void **state)
{
	char value[64];
	struct p9c_file *f;

	(void)state;
	put_below(g, "tree/f", "hello");
	f = at("f");
	int rc = p9c_xattr_set(f, "user.colour", "blue", 4, 0);
	if (rc == -EOPNOTSUPP) {		/* the host's file system has none */
		p9c_clunk(f);
		skip();
	}
	assert_int_equal(rc, 0);
	assert_int_equal(p9c_xattr_get(f, "user.colour", value, sizeof value), 4);
	assert_memory_equal(value, "blue", 4);
	assert_int_equal(p9c_xattr_set(f, "user.colour", "red", 3, 1), -EEXIST);
	assert_int_equal(p9c_xattr_get(f, "", value, sizeof value), 12);
	assert_string_equal(value, "user.colour");
	assert_int_equal(p9c_xattr_set(f, "user.colour", NULL, 0, 0), 0);
	assert_int_equal(p9c_xattr_get(f, "user.colour", value, sizeof value), -ENODATA);
	p9c_clunk(f);
}

static void
locks(void **state)
{
	struct ipc_lock l = { .type = 1, .start = 10, .length = 5, .pid = 7, .client = "one" }, got;
	struct p9c_file *a, *b;

	(void)state;
	put_below(g, "tree/f", "hello");
	a = opened("f", O_RDWR);
	b = opened("f", O_RDWR);
	assert_int_equal(p9c_lock(a, &l), 0);
	l.pid = 8;
	assert_int_equal(p9c_lock(b, &l), 1);
	got = l;
	assert_int_equal(p9c_getlock(b, &got), 0);
	assert_int_equal(got.type, 1);
	assert_int_equal(got.start, 10);
	assert_int_equal(got.length, 5);
	l.start = 15;
	assert_int_equal(p9c_lock(b, &l), 0);
	p9c_clunk(a);				/* its lock goes with it */
	l.start = 10;
	assert_int_equal(p9c_lock(b, &l), 0);
	p9c_clunk(b);
	a = at("f");
	assert_int_equal(p9c_lock(a, &l), -EBADF);
	p9c_clunk(a);
}

static void
mistakes(void **state)
{
	struct p9c_file *f;
	struct pass p;
	char text[OS_ERRSTR_MAX];

	(void)state;
	assert_int_equal(p9c_attach(c, "root", 0, "elsewhere", &f), -ENOENT);
	put_below(g, "tree/f", "hello");
	assert_int_equal(pass_init(&p, below_path(g, "tree/f")), -ENOTDIR);
	os_errstr(text, sizeof text);
	assert_non_null(strstr(text, "not a directory"));
	assert_int_equal(pass_init(&p, below_path(g, "tree/none")), -ENOENT);
}

static int
count_entry(void *arg, const struct p9c_entry *e)
{
	assert_null(strchr(e->name, '/'));
	assert_in_range(strlen(e->name), 1, P9_NAME_MAX);
	(*(int *)arg)++;
	return 0;
}

/* Every call once; how many of them failed.  None may return more than was asked for. */
static unsigned
use_everything(void)
{
	struct ipc_lock l = { .type = 0, .length = 1, .client = "me" };
	struct p9c_file *d = NULL, *f = NULL;
	struct ipc_statfs fs;
	struct ipc_attr a;
	char buf[64];
	unsigned bad = 0;
	int n = 0;

	if (p9c_walk(root, "dir", &d) == 0) {
		bad += p9c_file_open(d, 0) < 0;
		bad += p9c_list(d, count_entry, &n) < 0;
		bad += p9c_clunk(d) < 0;
	} else {
		bad++;
	}
	if (p9c_walk(root, "dir/file", &f) == 0) {
		bad += p9c_getattr(f, &a) < 0;
		bad += p9c_statfs(f, &fs) < 0;
		bad += p9c_file_open(f, O_RDWR) < 0;
		int64_t got = p9c_read(f, buf, sizeof buf, 0);
		assert_true(got <= 5);
		bad += got < 0;
		int rc = p9c_lock(f, &l);
		assert_true(rc <= 2);
		bad += rc < 0;
		bad += p9c_getlock(f, &l) < 0;
		assert_non_null(memchr(l.client, 0, sizeof l.client));
		bad += p9c_clunk(f) < 0;
	} else {
		bad++;
	}
	if (p9c_walk(root, "dir/link", &f) == 0) {
		bad += p9c_readlink(f, buf, sizeof buf) < 0;
		bad += p9c_clunk(f) < 0;
	} else {
		bad++;
	}
	return bad;
}

/* The client of lib/9p takes every corrupted answer for what it is, or says that it is none: it
 * goes on, in both dialects. */
static void
clients_of_corrupted_answers(void **state)
{
	unsigned bad[2] = { 0, 0 };
	char text[64];

	assert_int_equal(mkdir(below_path(g, "tree/dir"), 0755), 0);
	put_below(g, "tree/dir/file", "hello");
	assert_int_equal(symlink("file", below_path(g, "tree/dir/link")), 0);
	for (int plain = 0; plain < 2; plain++) {
		for (unsigned seed = 0; seed < 300; seed++) {
			snprintf(text, sizeof text, "seed %u", seed);
			assert_int_equal(pass_command(&g->pass, text), 0);
			assert_int_equal(pass_command(&g->pass, "corrupt all 100%"), 0);
			bad[plain] += use_everything();
			assert_int_equal(pass_command(&g->pass, "clear"), 0);
		}
		assert_int_equal(use_everything(), plain ? PLAIN_CANNOT : 0);
		if (!plain) {
			teardown(state);
			g = rig_new();
			assert_int_equal(mkdir(below_path(g, "tree/dir"), 0755), 0);
			put_below(g, "tree/dir/file", "hello");
			assert_int_equal(symlink("file", below_path(g, "tree/dir/link")), 0);
			assert_int_equal(p9c_open(&c, g->fd, P9_2000, 0, 5000), 0);
			assert_int_equal(p9c_attach(c, "root", 0, "/", &root), 0);
		}
	}
	assert_true(bad[0] > 10);		/* malformed entries, at least */
	assert_true(bad[1] > 300 * PLAIN_CANNOT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(attributes_are_those_below, setup, teardown),
		cmocka_unit_test_setup_teardown(reading_and_writing, setup, teardown),
		cmocka_unit_test_setup_teardown(directories, setup, teardown),
		cmocka_unit_test_setup_teardown(links_and_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(no_way_out, setup, teardown),
		cmocka_unit_test_setup_teardown(fids_keep_their_files, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(attributes_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(locks, setup, teardown),
		cmocka_unit_test_setup_teardown(mistakes, setup, teardown),
		cmocka_unit_test_setup_teardown(clients_of_corrupted_answers, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
