/*
 * A small tree that a pretended server holds in memory, mounted at /root, and another beside it:
 * what the tests of names walk, open and change.  Include it in exactly one file of a test.
 */
#pragma once
#include "fd.h"
#include "testing/calls.h"
#include "testing/devices.h"

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

static int
attach(const char *aname, struct chan **out)
{
	*out = chan_of(strcmp(aname, "other") == 0 ? other : tree);
	return *out ? 0 : -ENOMEM;
}

static bool
is_dead(const struct chan *c)
{
	return c->dev == &dev_mnt && nodes[c->id - 1].dead;
}

int
pipe_new(struct chan *end[2])
{
	(void)end;
	return -ENOMEM;
}

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
	static const struct dev *const devs[] = { &dev_root, NULL };
	struct fnode *a, *b, *c;

	(void)state;
	test_allocations = -1;
	test_devs = devs;
	test_attach = attach;
	test_is_dead = is_dead;
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
