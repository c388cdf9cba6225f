/*
 * Name resolution over a small tree that a pretended server holds in memory: walks, mounts, unions,
 * "..", links, creation, and the calls on paths above them.
 *
 * long: one pretended server, and every rule of resolution over it.
 */
#include "testing.h"

#include "dev/cons.h"
#include "fd.h"
#include "name.h"
#include "syscall.h"

#define NODES_MAX 128

struct fnode {
	char name[SYS_NAME_MAX + 1];
	struct fnode *parent;
	uint8_t type;			/* QT_* */
	bool gone, dead;		/* dead: its server; of a root */
	const char *target;
	uint32_t tree;
};

static struct fnode nodes[NODES_MAX];
static int nnodes;
static int walks, opens, creates, live;
static bool create_says_exists;

static struct fnode *
add(struct fnode *parent, const char *name, uint8_t type, const char *target)
{
	struct fnode *n = &nodes[nnodes++];

	assert_true(nnodes <= NODES_MAX);
	memset(n, 0, sizeof(*n));
	strlcpy(n->name, name, sizeof(n->name));
	n->parent = parent;
	n->type = type;
	n->target = target;
	n->tree = parent ? parent->tree : (uint32_t)nnodes;
	return n;
}

static struct fnode *
child(struct fnode *dir, const char *name)
{
	for (int i = 0; i < nnodes; i++)
		if (nodes[i].parent == dir && !nodes[i].gone && strcmp(nodes[i].name, name) == 0)
			return &nodes[i];
	return NULL;
}

static struct chan *
chan_of(struct fnode *f)
{
	struct chan *c = chan_new(&dev_mnt);

	if (c == NULL)
		return NULL;
	c->qid = (struct qid){ .path = (uint64_t)(f - nodes), .type = f->type };
	c->id = f->tree;
	c->aux = f;
	live++;
	return c;
}

static int
fake_walk(struct chan *c, int n, const char *const *names, int *done, struct qid *qids,
	  struct chan **out)
{
	struct fnode *f = c->aux;

	assert_false(c->open);
	walks++;
	*out = NULL;
	*done = 0;
	if (mnt_is_dead(c))
		return -EHOSTDOWN;
	for (*done = 0; *done < n; ++*done) {
		struct fnode *k = f->type & QT_DIR ? child(f, names[*done]) : NULL;

		assert_true(strcmp(names[*done], "..") != 0 && strcmp(names[*done], ".") != 0);
		assert_true(names[*done][0] != '\0' && strchr(names[*done], '/') == NULL);
		if (k == NULL)
			return *done == 0 ? -ENOENT : 0;
		f = k;
		qids[*done] = (struct qid){ .path = (uint64_t)(f - nodes), .type = f->type };
	}
	*out = chan_of(f);
	return *out ? 0 : -ENOMEM;
}

static int
fake_open(struct chan **c, uint32_t flags)
{
	(void)flags;
	if (mnt_is_dead(*c))
		return -EHOSTDOWN;
	opens++;
	(*c)->aux2 = 1;
	return 0;
}

static int
fake_create(struct chan *c, const char *name, uint32_t flags, uint32_t mode)
{
	struct fnode *f;

	(void)mode;
	(void)flags;
	creates++;
	if (create_says_exists) {
		create_says_exists = false;
		add(c->aux, name, QT_FILE, NULL);
		return -EEXIST;
	}
	if (child(c->aux, name))
		return -EEXIST;
	f = add(c->aux, name, QT_FILE, NULL);
	c->aux = f;
	c->qid = (struct qid){ .path = (uint64_t)(f - nodes), .type = f->type };
	return 0;
}

static void
fake_close(struct chan *c)
{
	(void)c;
	live--;
}

static int64_t
fake_readlink(struct chan *c, char *buf, size_t n)
{
	struct fnode *f = c->aux;

	return snprintf(buf, n, "%s", f->target);
}

static int64_t
fake_readdir(struct chan *c, void *buf, size_t n, uint64_t off)
{
	size_t at = 0;

	assert_true(c->open);
	if (mnt_is_dead(c))
		return -EHOSTDOWN;
	for (int i = (int)off; i < nnodes; i++) {
		size_t k;

		if (nodes[i].parent != c->aux || nodes[i].gone)
			continue;
		k = dirent_pack((char *)buf + at, n - at, (uint64_t)i, i + 1, 8, nodes[i].name);
		if (k == 0)
			return at ? (int64_t)at : -EINVAL;
		at += k;
	}
	return (int64_t)at;
}

static int
fake_stat(struct chan *c, struct sys_stat *st)
{
	struct fnode *f = c->aux;
	struct dirtab e = { f->name, c->qid.path, f->type & QT_DIR ? 0040755 : 0100644, 0 };

	return devtab_stat(c, st, &e);
}

static int
fake_mkdir(struct chan *dir, const char *name, uint32_t mode)
{
	(void)mode;
	if (child(dir->aux, name))
		return -EEXIST;
	add(dir->aux, name, QT_DIR, NULL);
	return 0;
}

static int
fake_unlink(struct chan *dir, const char *name, uint32_t flags)
{
	struct fnode *f = child(dir->aux, name);

	(void)flags;
	if (f == NULL)
		return -ENOENT;
	f->gone = true;
	return 0;
}

static int
fake_rename(struct chan *odir, const char *oname, struct chan *ndir, const char *nname)
{
	struct fnode *f = child(odir->aux, oname);

	if (f == NULL)
		return -ENOENT;
	f->parent = ndir->aux;
	strlcpy(f->name, nname, sizeof(f->name));
	return 0;
}

const struct dev dev_mnt = {
	.name = "mnt", .walk = fake_walk, .open = fake_open, .create = fake_create,
	.close = fake_close, .readdir = fake_readdir, .stat = fake_stat, .readlink = fake_readlink,
	.mkdir = fake_mkdir, .unlink = fake_unlink, .rename = fake_rename,
};

static struct fnode *tree, *other;

int
mnt_attach(struct chan *service, const char *aname, uint64_t wait_ns, struct chan **out)
{
	(void)service;
	(void)wait_ns;
	*out = chan_of(strcmp(aname, "other") == 0 ? other : tree);
	return *out ? 0 : -ENOMEM;
}

bool
mnt_is(const struct chan *c, struct chan *service, const char *aname)
{
	(void)c;
	(void)service;
	(void)aname;
	return false;
}

int
pipe_new(struct chan *end[2])
{
	(void)end;
	return -ENOMEM;
}

bool
mnt_is_dead(const struct chan *c)
{
	return c->dev == &dev_mnt && nodes[c->id - 1].dead;
}

bool
cons_is_terminal(const struct chan *c)
{
	(void)c;
	return false;
}

const struct dev *
dev_find(const char *name, size_t n)
{
	return n == 4 && memcmp(name, "root", 4) == 0 ? &dev_root : NULL;
}

unsigned
dev_number(const struct dev *d)
{
	return d == &dev_root;
}

static uint64_t
u(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

#define CALL(f, ...) f((const uint64_t[6]){ __VA_ARGS__ })

static void
mount_root(struct fnode *f, const char *at, unsigned flags)
{
	struct chan *c = chan_of(f), *old;

	c->path = path_new("/srv/x", 6);
	assert_int_equal(name_lookup(NULL, at, NAME_MOUNT_POINT, 0, 0, &old), 0);
	assert_int_equal(ns_mount(test_proc.ns, c, old, flags | MOUNT_SERVER), 0);
	chan_put(c);
	chan_put(old);
}

/*
 * tree at /root: a/b/c/file, a/d, link -> a/b, abs -> /root/a/d, loop -> loop, dangle -> a/new,
 * up -> ../root/a, flink -> a/b/c/file; other at nothing yet: b2, x/y, a/only
 */
static int
setup(void **state)
{
	struct fnode *a, *b, *c;

	(void)state;
	test_allocations = -1;
	nnodes = walks = opens = creates = live = 0;
	tree = add(NULL, "", QT_DIR, NULL);
	a = add(tree, "a", QT_DIR, NULL);
	b = add(a, "b", QT_DIR, NULL);
	c = add(b, "c", QT_DIR, NULL);
	add(c, "file", QT_FILE, NULL);
	add(a, "d", QT_DIR, NULL);
	add(tree, "link", QT_SYMLINK, "a/b");
	add(tree, "abs", QT_SYMLINK, "/root/a/d");
	add(tree, "loop", QT_SYMLINK, "loop");
	add(tree, "dangle", QT_SYMLINK, "a/new");
	add(a, "up", QT_SYMLINK, "../a/b");
	add(tree, "flink", QT_SYMLINK, "a/b/c/file");
	other = add(NULL, "", QT_DIR, NULL);
	add(other, "b2", QT_FILE, NULL);
	add(add(other, "x", QT_DIR, NULL), "y", QT_FILE, NULL);
	add(add(other, "a", QT_DIR, NULL), "only", QT_FILE, NULL);
	test_proc.ns = ns_new();
	test_proc.fds = fdtable_new();
	test_proc.cwd = NULL;
	mount_root(tree, "/root", SYS_MREPL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	chan_put(test_proc.cwd);
	fdtable_put(test_proc.fds);
	ns_put(test_proc.ns);
	assert_int_equal(live, 0);
	return 0;
}

/* The path that a name leads to, or its error. */
static int
resolve(const char *path, enum name_what what, char *out)
{
	struct chan *c;
	int err = name_lookup(NULL, path, what, 0, 0, &c);

	if (err == 0) {
		strcpy(out, chan_path(c));
		chan_put(c);
	}
	return err;
}

#define LEADS(path, to) do { \
	char got_[SYS_PATH_MAX]; \
	assert_int_equal(resolve(path, NAME_WALK, got_), 0); \
	assert_string_equal(got_, to); \
} while (0)
#define FAILS(path, err) do { \
	char got_[SYS_PATH_MAX]; \
	assert_int_equal(resolve(path, NAME_WALK, got_), -(err)); \
} while (0)

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

static int64_t
open_at(int64_t dir, const char *path, uint32_t flags)
{
	return CALL(sys_open, (uint64_t)dir, u(path), flags, 0644);
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
		TEST(test_plain), TEST(test_one_walk), TEST(test_dotdot), TEST(test_links),
		TEST(test_many_links), TEST(test_long), TEST(test_mounts), TEST(test_shadow),
		TEST(test_mount_file), TEST(test_union), TEST(test_union_with_old),
		TEST(test_union_dead), TEST(test_unmount_dead),
		TEST(test_union_seek), TEST(test_create), TEST(test_create_race),
		TEST(test_open_checks), TEST(test_relative), TEST(test_relative_mount),
		TEST(test_change), TEST(test_readlink), TEST(test_copy_and_text),
		TEST(test_no_capability),
		TEST(test_not_allowed), TEST(test_short_memory), TEST(test_fds), TEST(test_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
