/*
 * The server over a socket pair with its own client: both dialects, answers at once and from
 * another thread, many at a time, calls that are cancelled.  wire_test.c speaks by hand.
 */
#include <signal.h>
#include <string.h>
#include <os.h>
#include "rig.h"

/* --- every operation answered later, from a thread of its own ----------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t some;
	pthread_t thread;
	struct { void (*op)(struct p9_req *); struct p9_req *r; } todo[256];
	int n;
	bool stop;
} later = { .lock = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER };

static void
put_off(void (*op)(struct p9_req *), struct p9_req *r)
{
	pthread_mutex_lock(&later.lock);
	assert_true(later.n < 256);
	later.todo[later.n].op = op;
	later.todo[later.n++].r = r;
	pthread_cond_signal(&later.some);
	pthread_mutex_unlock(&later.lock);
}

static void *
later_thread(void *arg)
{
	pthread_mutex_lock(&later.lock);
	while (!later.stop || later.n) {
		void (*op)(struct p9_req *);
		struct p9_req *r;

		if (!later.n) {
			pthread_cond_wait(&later.some, &later.lock);
			continue;
		}
		op = later.todo[--later.n].op;
		r = later.todo[later.n].r;
		pthread_mutex_unlock(&later.lock);
		op(r);
		pthread_mutex_lock(&later.lock);
	}
	pthread_mutex_unlock(&later.lock);
	return arg;
}

#define LATER(name) \
	static void later_##name(struct p9_req *r) { put_off(mem_##name, r); }
LATER(attach)
LATER(walk)
LATER(open)
LATER(create)
LATER(read)
LATER(write)
LATER(readdir)
LATER(getattr)
LATER(setattr)
LATER(mkdir)
LATER(rename)
LATER(unlink)
LATER(xattr_get)
LATER(xattr_set)

static const struct p9_srv_ops later_ops = {
	.attach = later_attach, .walk = later_walk, .clone = mem_clone, .destroy = mem_destroy,
	.open = later_open, .create = later_create, .read = later_read, .write = later_write,
	.readdir = later_readdir, .getattr = later_getattr, .setattr = later_setattr,
	.statfs = mem_statfs, .mkdir = later_mkdir, .symlink = mem_symlink,
	.readlink = mem_readlink, .rename = later_rename, .unlink = later_unlink,
	.xattr_get = later_xattr_get, .xattr_set = later_xattr_set, .lock = mem_lock,
	.getlock = mem_getlock, .flush = mem_flush,
};

/* --- the rig ------------------------------------------------------------------------------ */

static struct rig *
rig_client(const struct p9_srv_ops *ops, enum p9_dialect d, uint32_t msize)
{
	struct rig *g = rig_new(ops, 4);

	assert_int_equal(p9c_open(&g->c, g->fd, d, msize, 5000), 0);
	assert_int_equal(p9c_dialect(g->c), d);
	assert_int_equal(p9c_attach(g->c, "root", 0, "", &g->root), 0);
	return g;
}

static int
count_entries(void *arg, const struct p9c_entry *e)
{
	assert_true(strlen(e->name) > 0);
	++*(int *)arg;
	return 0;
}

static int
entries_of(struct p9c_file *dir, const char *path)
{
	struct p9c_file *f;
	int n = 0;

	assert_int_equal(p9c_walk(dir, path, &f), 0);
	assert_int_equal(p9c_file_open(f, O_RDONLY), 0);
	assert_int_equal(p9c_list(f, count_entries, &n), 0);
	assert_int_equal(p9c_clunk(f), 0);
	return n;
}

static void
put_file(struct p9c_file *dir, const char *name, const char *text)
{
	struct p9c_file *f;

	assert_int_equal(p9c_create(dir, name, O_RDWR, 0644, &f), 0);
	assert_int_equal(p9c_write(f, text, strlen(text), 0), strlen(text));
	assert_int_equal(p9c_clunk(f), 0);
}

/* --- what a client does, in both dialects ------------------------------------------------- */

/* Plain 9P2000 has only a text, of which the errno is not always known. */
static void
refused(struct rig *g, int64_t rc, int error)
{
	if (p9c_dialect(g->c) == P9_2000 && rc == -EIO)
		return;
	assert_int_equal(rc, error);
}

static void
files(struct rig *g)
{
	struct p9c_file *dir, *f, *g2;
	char buf[9000], big[9000];
	struct ipc_attr a;

	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (char)(i * 7);
	assert_int_equal(p9c_mkdir(g->root, "dir", 0755), 0);
	assert_int_equal(p9c_mkdir(g->root, "dir", 0755), -EEXIST);
	assert_int_equal(p9c_walk(g->root, "dir", &dir), 0);
	assert_true(dir->qid.type & P9_QTDIR);
	assert_int_equal(p9c_create(dir, "file", O_RDWR, 0644, &f), 0);
	assert_int_equal(p9c_write(f, big, sizeof big, 3), sizeof big);
	assert_int_equal(p9c_read(f, buf, sizeof buf, 3), sizeof buf);
	assert_memory_equal(buf, big, sizeof buf);
	assert_int_equal(p9c_read(f, buf, 3, 0), 3);
	assert_memory_equal(buf, "\0\0", 3);
	assert_int_equal(p9c_read(f, buf, 10, 100000), 0);
	refused(g, p9c_write(f, big, sizeof big, MEM_FILE), -ENOSPC);
	if (p9c_dialect(g->c) == P9_2000) {
		os_errstr(buf, sizeof buf);
		assert_string_equal(buf, "file would exceed 16384 bytes");
	}
	assert_int_equal(p9c_fsync(f, false), 0);
	assert_int_equal(p9c_getattr(f, &a), 0);
	assert_int_equal(a.size, sizeof big + 3);
	assert_int_equal(a.mode, S_IFREG | 0644);
	assert_int_equal(p9c_walk(g->root, "dir/./file", &g2), 0);
	assert_int_equal(g2->qid.path, f->qid.path);
	refused(g, p9c_read(g2, buf, 1, 0), -EBADF);
	assert_int_equal(p9c_file_open(g2, O_RDONLY), 0);
	assert_true(p9c_file_open(g2, O_RDONLY) < 0);
	refused(g, p9c_write(g2, buf, 1, 0), -EBADF);
	assert_int_equal(p9c_clunk(g2), 0);
	assert_int_equal(p9c_clunk(f), 0);
	assert_int_equal(p9c_walk(dir, "../dir/../../dir/file", &f), 0);
	assert_int_equal(p9c_clunk(f), 0);
	assert_int_equal(p9c_walk(dir, "none", &f), -ENOENT);
	assert_int_equal(p9c_walk(dir, "file/x", &f), -ENOENT);
	assert_int_equal(p9c_clunk(dir), 0);
}

static void
attributes(struct rig *g)
{
	struct ipc_setattr s = { .valid = SYS_ATTR_MODE | SYS_ATTR_SIZE | SYS_ATTR_MTIME |
		SYS_ATTR_MTIME_SET | SYS_ATTR_UID, .mode = 0600, .size = 5, .mtime_sec = 77,
		.uid = 42 };
	struct p9c_file *f;
	struct ipc_attr a;

	assert_int_equal(p9c_walk(g->root, "dir/file", &f), 0);
	assert_int_equal(p9c_setattr(f, &s), 0);
	assert_int_equal(p9c_getattr(f, &a), 0);
	assert_int_equal(a.mode, S_IFREG | 0600);
	assert_int_equal(a.size, 5);
	assert_int_equal(a.mtime_sec, 77);
	assert_int_equal(a.uid, 42);
	s.size = MEM_FILE + 1;
	assert_int_equal(p9c_setattr(f, &s), -EFBIG);
	assert_int_equal(p9c_clunk(f), 0);
}

static void
names(struct rig *g)
{
	struct p9c_file *dir, *f;
	char name[20];

	assert_int_equal(p9c_walk(g->root, "dir", &dir), 0);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "name%03d", i);
		put_file(dir, name, name);
	}
	assert_int_equal(entries_of(g->root, "dir"), 101);
	assert_int_equal(p9c_rename(dir, "name007", dir, "bond"), 0);
	assert_int_equal(p9c_walk(dir, "name007", &f), -ENOENT);
	assert_int_equal(p9c_walk(dir, "bond", &f), 0);
	assert_int_equal(p9c_clunk(f), 0);
	assert_int_equal(p9c_rename(dir, "none", dir, "x"), -ENOENT);
	assert_int_equal(p9c_unlink(g->root, "dir", true), -ENOTEMPTY);
	assert_int_equal(p9c_unlink(dir, "none", false), -ENOENT);
	assert_int_equal(p9c_unlink(dir, "bond", false), 0);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "name%03d", i);
		assert_int_equal(p9c_unlink(dir, name, false), i == 7 ? -ENOENT : 0);
	}
	assert_int_equal(p9c_unlink(dir, "file", false), 0);
	assert_int_equal(entries_of(g->root, "dir"), 0);
	assert_int_equal(p9c_clunk(dir), 0);
	assert_int_equal(p9c_unlink(g->root, "dir", true), 0);
	assert_int_equal(entries_of(g->root, ""), 0);
}

static void
all(const struct p9_srv_ops *ops, enum p9_dialect d, uint32_t msize)
{
	struct rig *g = rig_client(ops, d, msize);

	files(g);
	attributes(g);
	names(g);
	rig_free(g);
}

static void
test_both_dialects(void **state)
{
	(void)state;
	all(&mem_ops, P9_2000L, 0);
	all(&mem_ops, P9_2000, 0);
	all(&mem_ops, P9_2000L, P9_MSIZE_MIN);
	all(&mem_ops, P9_2000, P9_MSIZE_MIN);
}

static void
test_answers_later(void **state)
{
	(void)state;
	later.stop = false;
	pthread_create(&later.thread, NULL, later_thread, NULL);
	all(&later_ops, P9_2000L, 0);
	all(&later_ops, P9_2000, 0);
	pthread_mutex_lock(&later.lock);
	later.stop = true;
	pthread_cond_signal(&later.some);
	pthread_mutex_unlock(&later.lock);
	pthread_join(later.thread, NULL);
}

/* --- what only 9P2000.L has --------------------------------------------------------------- */

static void
test_linux_only(void **state)
{
	struct rig *g = rig_client(&mem_ops, P9_2000L, 0);
	struct ipc_lock l = { .type = 1, .start = 5, .length = 6, .pid = 7, .client = "me" };
	struct p9c_file *f, *d;
	struct ipc_statfs s;
	char buf[300];

	(void)state;
	assert_int_equal(p9c_symlink(g->root, "link", "a/target"), 0);
	assert_int_equal(p9c_walk(g->root, "link", &f), 0);
	assert_int_equal(f->qid.type, P9_QTSYMLINK);
	assert_int_equal(p9c_readlink(f, buf, sizeof buf), 8);
	assert_string_equal(buf, "a/target");
	assert_int_equal(p9c_xattr_get(f, "user.x", buf, sizeof buf), -ENODATA);
	assert_int_equal(p9c_xattr_set(f, "user.x", "value", 5, 0), 0);
	assert_int_equal(p9c_xattr_get(f, "user.x", buf, sizeof buf), 5);
	assert_memory_equal(buf, "value", 5);
	assert_int_equal(p9c_xattr_get(f, "user.x", NULL, 0), 5);
	assert_int_equal(p9c_xattr_get(f, "", buf, sizeof buf), 7);
	memset(buf, 'y', sizeof buf);
	assert_int_equal(p9c_xattr_set(f, "user.x", buf, sizeof buf, 0), -ENOSPC);
	assert_int_equal(p9c_xattr_set(f, "user.x", NULL, 0, 0), 0);
	assert_int_equal(p9c_xattr_get(f, "user.x", buf, sizeof buf), -ENODATA);
	assert_int_equal(p9c_lock(f, &l), 0);
	assert_int_equal(p9c_getlock(f, &l), 0);
	assert_int_equal(l.type, 2);
	assert_string_equal(l.client, "me");
	assert_int_equal(p9c_statfs(g->root, &s), 0);
	assert_int_equal(s.namelen, 255);
	assert_int_equal(p9c_link(g->root, "hard", f), -EOPNOTSUPP);
	assert_int_equal(p9c_mkdir(g->root, "d", 0700), 0);
	assert_int_equal(p9c_walk(g->root, "d", &d), 0);
	assert_int_equal(p9c_rename(g->root, "link", d, "link2"), 0);
	assert_int_equal(entries_of(g->root, "d"), 1);
	assert_int_equal(p9c_rename(g->root, "d", d, "in"), -EINVAL);
	assert_int_equal(p9c_mkdir(g->root, "..", 0700), -EINVAL);
	assert_int_equal(p9c_mkdir(g->root, "a/b", 0700), -EINVAL);
	assert_int_equal(p9c_mkdir(g->root, "", 0700), -EINVAL);
	assert_int_equal(p9c_mkdir(f, "x", 0700), -ENOTDIR);
	assert_int_equal(p9c_rename(g->root, "d", f, "x"), -ENOTDIR);
	p9c_clunk(f);
	p9c_clunk(d);
	rig_free(g);
}

/* --- many at once ------------------------------------------------------------------------- */

static void *
hammer(void *arg)
{
	struct p9c_file *root = arg, *f;
	char name[32], text[64], buf[64];

	snprintf(name, sizeof name, "t%lx", (unsigned long)pthread_self());
	if (p9c_create(root, name, O_RDWR, 0644, &f))
		return "create";
	for (int i = 0; i < 200; i++) {
		int n = snprintf(text, sizeof text, "%s %d", name, i);
		struct p9c_file *again;

		if (p9c_write(f, text, (size_t)n, (uint64_t)i) != n)
			return "write";
		if (p9c_read(f, buf, (size_t)n, (uint64_t)i) != n ||
		    memcmp(buf, text, (size_t)n) != 0)
			return "read";
		if (p9c_walk(root, name, &again) || p9c_clunk(again))
			return "walk";
	}
	return p9c_clunk(f) ? "clunk" : NULL;
}

static void
test_many_in_flight(void **state)
{
	struct rig *g = rig_client(&mem_ops, P9_2000L, 0);
	struct p9_srv_stats st;
	pthread_t t[8];
	void *why;

	(void)state;
	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, hammer, g->root);
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], &why);
		assert_null(why);
	}
	do		/* a thread may still be busy with what follows its answer */
		p9_srv_stats(&g->srv, &st);
	while (st.fids > 1 || st.inflight);
	assert_true(st.requests >= 8 * 200 * 4);
	assert_int_equal(st.inflight, 0);
	assert_int_equal(st.fids, 1);
	assert_int_equal(st.conns, 1);
	rig_free(g);
}

struct reader {
	struct p9c_file *f;
	_Atomic int done;
};

static void *
read_slow(void *arg)
{
	struct reader *rd = arg;
	char buf[8];
	int64_t n = p9c_read(rd->f, buf, sizeof buf, 0);

	rd->done++;
	return (void *)(intptr_t)n;
}

/* More blocked reads than there are threads, and other work goes on. */
static void
test_blocked(void **state)
{
	struct rig *g = rig_client(&mem_ops, P9_2000L, 0);
	struct reader rd = { 0 };
	struct p9_srv_stats st;
	pthread_t t[9];
	void *n;

	(void)state;
	put_file(g->root, "slow", "x");
	assert_int_equal(p9c_walk(g->root, "slow", &rd.f), 0);
	assert_int_equal(p9c_file_open(rd.f, O_RDONLY), 0);
	for (int i = 0; i < 9; i++)
		pthread_create(&t[i], NULL, read_slow, &rd);
	while (mem_waiting(&g->tree) < 9)
		os_sleep_ns(100000);
	assert_int_equal(entries_of(g->root, ""), 1);
	p9_srv_stats(&g->srv, &st);
	os_sleep_ns(2000000);
	p9_srv_stats(&g->srv, &st);
	assert_true(st.inflight >= 9 && st.oldest_ns >= 2000000);
	while (rd.done < 9) {		/* "slow" is 4 bytes, so each reads twice */
		mem_release(&g->tree);
		os_sleep_ns(100000);
	}
	for (int i = 0; i < 9; i++) {
		pthread_join(t[i], &n);
		assert_int_equal((intptr_t)n, 8);
	}
	p9c_clunk(rd.f);
	rig_free(g);
}

struct victim {
	struct p9c_file *f;
	struct p9c_cancel token;
	_Atomic int ready;
};

static void *
read_cancellable(void *arg)
{
	struct victim *v = arg;
	char buf[4];
	int64_t rc;

	p9c_cancellable(v->f->client, &v->token);
	v->ready = 1;
	rc = p9c_read(v->f, buf, sizeof buf, 0);
	p9c_cancellable(v->f->client, NULL);
	return (void *)(intptr_t)rc;
}

static void
test_cancel(void **state)
{
	struct rig *g = rig_client(&mem_ops, P9_2000L, 0);
	struct victim v = { 0 };
	pthread_t t;
	void *rc;

	(void)state;
	put_file(g->root, "slow", "x");
	assert_int_equal(p9c_walk(g->root, "slow", &v.f), 0);
	assert_int_equal(p9c_file_open(v.f, O_RDONLY), 0);
	for (int i = 0; i < 20; i++) {
		v.ready = 0;
		pthread_create(&t, NULL, read_cancellable, &v);
		while (!v.ready)
			;
		if (i % 2)
			os_sleep_ns(1000000);
		p9c_cancel(&v.token);
		pthread_join(t, &rc);
		assert_int_equal((intptr_t)rc, -EINTR);
	}
	p9c_clunk(v.f);
	rig_free(g);
}

static void
no_restart(int sig)
{
	(void)sig;
}

static void *
read_interruptible(void *arg)
{
	struct victim *v = arg;
	char buf[4];
	int64_t rc;

	p9c_interruptible(true);
	v->ready = 1;
	rc = p9c_read(v->f, buf, sizeof buf, 0);
	p9c_interruptible(false);
	v->ready = 2;
	return (void *)(intptr_t)rc;
}

static void *
read_to_the_end(void *arg)
{
	char buf[4];

	return (void *)(intptr_t)p9c_read(((struct victim *)arg)->f, buf, sizeof buf, 0);
}

/* A signal ends the call of a thread that wants it so, whether it is the one that reads the
 * connection or not; another one's call goes on. */
static void
test_interrupt(void **state)
{
	struct rig *g = rig_client(&mem_ops, P9_2000L, 0);
	struct sigaction sa = { .sa_handler = no_restart };
	struct victim v = { 0 };
	pthread_t t, other;
	void *rc;

	(void)state;
	sigaction(SIGUSR1, &sa, NULL);
	put_file(g->root, "slow", "x");
	assert_int_equal(p9c_walk(g->root, "slow", &v.f), 0);
	assert_int_equal(p9c_file_open(v.f, O_RDONLY), 0);
	for (int i = 0; i < 20; i++) {
		v.ready = 0;
		if (i % 2) {
			pthread_create(&other, NULL, read_to_the_end, &v);
			while (mem_waiting(&g->tree) < 1)
				os_sleep_ns(100000);
		}
		pthread_create(&t, NULL, read_interruptible, &v);
		while (v.ready != 2) {
			if (i % 2)
				pthread_kill(other, SIGUSR1);
			pthread_kill(t, SIGUSR1);
			os_sleep_ns(100000);
		}
		pthread_join(t, &rc);
		assert_int_equal((intptr_t)rc, -EINTR);
		if (i % 2) {
			assert_int_equal(mem_waiting(&g->tree), 1);
			mem_release(&g->tree);
			pthread_join(other, &rc);
			assert_int_equal((intptr_t)rc, 4);
		}
	}
	p9c_clunk(v.f);
	rig_free(g);
}

/* Plain 9P2000's remove goes by the name the fid was walked with, if that is still its file. */
static void
test_plain_remove(void **state)
{
	struct rig *g = rig_client(&mem_ops, P9_2000, 0);
	struct p9_msg t = { .type = P9_TREMOVE }, o = { .type = P9_TOPEN }, r;
	struct p9c_file *f, *d;
	void *keep;

	(void)state;
	put_file(g->root, "a", "1");
	assert_int_equal(p9c_walk(g->root, "a", &f), 0);
	assert_int_equal(p9c_rename(g->root, "a", g->root, "b"), 0);
	put_file(g->root, "a", "2");
	t.fid = f->num;
	assert_true(p9c_rpc(g->c, &t, &r, &keep) < 0);
	free(keep);
	assert_int_equal(entries_of(g->root, ""), 2);
	assert_true(p9c_rpc(g->c, &t, &r, &keep) < 0);	/* and the fid is gone all the same */
	free(keep);
	free(f);
	assert_int_equal(p9c_walk(g->root, "", &d), 0);
	t.fid = d->num;
	assert_true(p9c_rpc(g->c, &t, &r, &keep) < 0);	/* the root stays */
	free(keep);
	free(d);
	assert_int_equal(p9c_walk(g->root, "b", &f), 0);
	o.fid = f->num;
	o.omode = P9_OREAD | P9_ORCLOSE;
	assert_int_equal(p9c_rpc(g->c, &o, &r, &keep), 0);
	free(keep);
	assert_int_equal(p9c_clunk(f), 0);
	assert_int_equal(entries_of(g->root, ""), 1);
	assert_int_equal(p9c_rename(g->root, "a", g->root, "a"), 0);
	put_file(g->root, "c", "");
	assert_int_equal(p9c_rename(g->root, "a", g->root, "c"), -EEXIST);
	rig_free(g);
}

static int
ask(struct rig *g, struct p9_msg t)
{
	struct p9_msg r;
	void *keep = NULL;
	int rc = p9c_rpc(g->c, &t, &r, &keep);

	free(keep);
	return rc;
}

/* The fid of an extended attribute is no file's: no operation on files gets to see it. */
static void
test_attribute_fid(void **state)
{
	static const uint8_t of_files[] = { IPC_TSTATFS, IPC_TLOPEN, IPC_TREADLINK, IPC_TGETATTR,
		IPC_TSETATTR, IPC_TXATTRWALK, IPC_TXATTRCREATE, IPC_TREADDIR, IPC_TFSYNC,
		IPC_TLOCK, IPC_TGETLOCK, IPC_TWALK, IPC_TLCREATE, IPC_TMKDIR, IPC_TUNLINKAT };
	struct rig *g = rig_client(&mem_ops, P9_2000L, 0);
	struct p9_msg t = { .type = IPC_TXATTRWALK, .newfid = 900 };

	(void)state;
	put_file(g->root, "a", "1");
	assert_int_equal(p9c_xattr_set(g->root, "user.x", "value", 5, 0), 0);
	t.fid = g->root->num;
	t.name = p9_str("user.x");
	assert_int_equal(ask(g, t), 0);
	for (size_t i = 0; i < sizeof of_files; i++) {
		t = (struct p9_msg){ .type = of_files[i], .fid = 900, .newfid = 901, .count = 9,
			.name = p9_str("a") };
		assert_int_equal(ask(g, t), -EINVAL);
	}
	t = (struct p9_msg){ .type = IPC_TRENAMEAT, .fid = g->root->num, .newfid = 900,
		.name = p9_str("a"), .name2 = p9_str("b") };
	assert_int_equal(ask(g, t), -EINVAL);
	t.type = IPC_TLINK;
	assert_int_equal(ask(g, t), -EINVAL);
	t = (struct p9_msg){ .type = IPC_TREAD, .fid = 900, .count = 9 };
	assert_int_equal(ask(g, t), 0);
	t.type = IPC_TCLUNK;
	assert_int_equal(ask(g, t), 0);
	rig_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_dialects),
		cmocka_unit_test(test_answers_later),
		cmocka_unit_test(test_linux_only),
		cmocka_unit_test(test_many_in_flight),
		cmocka_unit_test(test_blocked),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_plain_remove),
		cmocka_unit_test(test_attribute_fid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
