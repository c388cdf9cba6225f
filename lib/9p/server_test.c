/*
 * The server over a socket pair, with its own client and with messages made by hand: both
 * dialects, answers at once and from another thread, flushes, and clients that misbehave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include <os.h>
#include <p9_client.h>
#include "memtree.h"
#include "table.h"

struct rig {
	struct mem_tree tree;
	struct p9_srv srv;
	int fd;				/* the client's end */
	struct p9_client *c;
	struct p9c_file *root;
};

/* --- every operation answered later, from a thread of its own -------------------------------- */

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

#define LATER(name) static void later_##name(struct p9_req *r) { put_off(mem_##name, r); }
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

/* --- the rig --------------------------------------------------------------------------------- */

static struct rig *
rig_new(const struct p9_srv_ops *ops, int nthreads)
{
	struct rig *g = calloc(1, sizeof *g);
	int fds[2];

	mem_init(&g->tree);
	g->srv.ops = ops;
	g->srv.aux = &g->tree;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(p9_srv_start(&g->srv, NULL, nthreads), 0);
	assert_int_equal(p9_srv_add_fd(&g->srv, fds[1]), 0);
	g->fd = fds[0];
	return g;
}

static struct rig *
rig_client(const struct p9_srv_ops *ops, enum p9_dialect d, uint32_t msize)
{
	struct rig *g = rig_new(ops, 4);

	assert_int_equal(p9c_open(&g->c, g->fd, d, msize, 5000), 0);
	assert_int_equal(p9c_dialect(g->c), d);
	assert_int_equal(p9c_attach(g->c, "root", 0, "", &g->root), 0);
	return g;
}

static void
rig_free(struct rig *g)
{
	if (g->c) {
		if (g->root)
			p9c_clunk(g->root);
		p9c_close(g->c);
	} else {
		close(g->fd);
	}
	p9_srv_stop(&g->srv);
	p9_srv_wait(&g->srv);
	assert_int_equal(g->tree.live, 0);	/* each fid was destroyed once */
	assert_int_equal(g->tree.nslow, 0);
	free(g);
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

/* --- what a client does, in both dialects ------------------------------------------------------ */

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
		SYS_ATTR_MTIME_SET | SYS_ATTR_UID, .mode = 0600, .size = 5, .mtime_sec = 77, .uid = 42 };
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

/* --- what only 9P2000.L has -------------------------------------------------------------------- */

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

/* --- many at once ------------------------------------------------------------------------------ */

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
		if (p9c_read(f, buf, (size_t)n, (uint64_t)i) != n || memcmp(buf, text, (size_t)n))
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
	do				/* a thread may still be busy with what follows its answer */
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

/* --- by hand ----------------------------------------------------------------------------------- */

static void
send_msg(struct rig *g, enum p9_dialect d, const struct p9_msg *m)
{
	uint8_t buf[9000];
	int n = p9_pack(buf, sizeof buf, d, m);

	assert_true(n > 0);
	assert_int_equal(write(g->fd, buf, (size_t)n), n);
}

static void
get_bytes(int fd, uint8_t *p, size_t n)
{
	while (n) {
		ssize_t k = read(fd, p, n);

		assert_true(k > 0);
		p += k;
		n -= (size_t)k;
	}
}

static uint8_t got[140000];

static void
get_msg(struct rig *g, enum p9_dialect d, struct p9_msg *m)
{
	uint32_t size;

	get_bytes(g->fd, got, 4);
	memcpy(&size, got, 4);
	assert_true(size >= 7 && size <= sizeof got);
	get_bytes(g->fd, got + 4, size - 4);
	assert_int_equal(p9_unpack(got, size, d, m), 0);
}

static void
expect(struct rig *g, const struct p9_msg *t, unsigned type, unsigned tag)
{
	struct p9_msg r;

	if (t)
		send_msg(g, P9_2000L, t);
	get_msg(g, P9_2000L, &r);
	if (r.type == IPC_RLERROR && type != IPC_RLERROR)
		fail_msg("error %u in place of %u", r.error, type);
	assert_int_equal(r.type, type);
	assert_int_equal(r.tag, tag);
}

static void
expect_error(struct rig *g, const struct p9_msg *t, unsigned error)
{
	struct p9_msg r;

	send_msg(g, P9_2000L, t);
	get_msg(g, P9_2000L, &r);
	assert_int_equal(r.type, IPC_RLERROR);
	assert_int_equal(r.error, error);
	assert_int_equal(r.tag, t->tag);
}

static void
hello(struct rig *g)
{
	struct p9_msg t = { .type = P9_TVERSION, .tag = P9_NOTAG, .msize = 8192 };
	struct p9_msg a = { .type = P9_TATTACH, .newfid = P9_NOFID };

	t.version = p9_str("9P2000.L");
	expect(g, &t, P9_RVERSION, P9_NOTAG);
	expect(g, &a, P9_RATTACH, 0);
}

static struct p9_msg
walk_msg(uint16_t tag, uint32_t fid, uint32_t newfid, const char *name)
{
	struct p9_msg t = { .type = P9_TWALK, .tag = tag, .fid = fid, .newfid = newfid };

	if (name) {
		t.nwname = 1;
		t.wname[0] = p9_str(name);
	}
	return t;
}

static void
test_version(void **state)
{
	struct rig *g = rig_new(&mem_ops, 2);
	struct p9_msg t = { .type = P9_TVERSION, .tag = P9_NOTAG, .msize = 1u << 30 }, r;
	struct p9_msg clunk = { .type = P9_TCLUNK, .tag = 1 };

	(void)state;
	send_msg(g, P9_2000, &clunk);		/* before any version */
	get_msg(g, P9_2000, &r);
	assert_int_equal(r.type, P9_RERROR);
	t.version = p9_str("8P1999");
	send_msg(g, P9_2000, &t);
	get_msg(g, P9_2000, &r);
	assert_true(p9_str_eq(r.version, "unknown"));
	t.version = p9_str("9P2000.u");
	send_msg(g, P9_2000, &t);
	get_msg(g, P9_2000, &r);
	assert_true(p9_str_eq(r.version, "9P2000"));
	assert_int_equal(r.msize, P9_SRV_MSIZE);
	t.msize = 100;
	send_msg(g, P9_2000, &t);
	get_msg(g, P9_2000, &r);
	assert_int_equal(r.type, P9_RERROR);
	hello(g);
	hello(g);				/* a session anew: fid 0 is free again */
	rig_free(g);
}

static void
test_fids(void **state)
{
	struct rig *g = rig_new(&mem_ops, 2);
	struct p9_msg m = { .type = IPC_TMKDIR, .tag = 1, .mode = 0755, .name = p9_str("d") };
	struct p9_msg a = { .type = P9_TATTACH, .tag = 1, .newfid = P9_NOFID };
	struct p9_msg big, t, r;

	(void)state;
	hello(g);
	expect_error(g, &a, EBUSY);		/* fid 0 is in use */
	expect(g, &m, IPC_TMKDIR + 1, 1);
	t = walk_msg(2, 0, 1, "d");
	expect(g, &t, P9_RWALK, 2);
	expect_error(g, &t, EBUSY);
	t = walk_msg(3, 7, 8, NULL);
	expect_error(g, &t, EBADF);
	t = walk_msg(3, 0, P9_NOFID, NULL);
	expect_error(g, &t, EINVAL);
	t = walk_msg(4, 1, 1, "..");		/* in place */
	expect(g, &t, P9_RWALK, 4);
	t = walk_msg(4, 1, 1, "none");		/* fails: fid 1 is what it was */
	expect_error(g, &t, ENOENT);
	t = walk_msg(4, 1, 1, "d");
	expect(g, &t, P9_RWALK, 4);
	t = walk_msg(5, 0, 100000, "d");	/* a number that has no place in the table */
	expect(g, &t, P9_RWALK, 5);
	expect_error(g, &t, EBUSY);
	t = walk_msg(5, 100000, 100000 + 256 * 256, NULL);
	expect(g, &t, P9_RWALK, 5);
	t = walk_msg(5, 100000, 100000, "..");
	expect(g, &t, P9_RWALK, 5);
	t = walk_msg(6, 0, 9, "d");
	t.nwname = 2;
	t.wname[1] = p9_str("none");
	send_msg(g, P9_2000L, &t);		/* half-way: one qid, and no fid 9 */
	get_msg(g, P9_2000L, &r);
	assert_int_equal(r.type, P9_RWALK);
	assert_int_equal(r.nwqid, 1);
	big = (struct p9_msg){ .type = P9_TCLUNK, .tag = 1, .fid = 9 };
	expect_error(g, &big, EBADF);
	big.fid = 100000;
	expect(g, &big, P9_RCLUNK, 1);
	expect_error(g, &big, EBADF);
	rig_free(g);
}

static void
open_slow(struct rig *g)
{
	struct p9_msg c = { .type = IPC_TLCREATE, .tag = 1, .fid = 1, .flags = O_RDWR,
		.mode = 0644, .name = p9_str("slow") };
	struct p9_msg w = walk_msg(1, 0, 1, NULL);

	expect(g, &w, P9_RWALK, 1);
	expect(g, &c, IPC_TLCREATE + 1, 1);
}

static void
test_flush(void **state)
{
	struct rig *g = rig_new(&mem_ops, 2);
	struct p9_msg r = { .type = P9_TREAD, .tag = 10, .fid = 1, .count = 10 };
	struct p9_msg f = { .type = P9_TFLUSH, .tag = 20, .oldtag = 10 }, got_r;

	(void)state;
	hello(g);
	open_slow(g);
	expect(g, &f, P9_RFLUSH, 20);		/* nothing to flush */
	f.oldtag = 20;
	expect(g, &f, P9_RFLUSH, 20);		/* itself */
	f.oldtag = 10;
	send_msg(g, P9_2000L, &r);
	send_msg(g, P9_2000L, &f);
	f.tag = 21;
	send_msg(g, P9_2000L, &f);		/* twice */
	get_msg(g, P9_2000L, &got_r);		/* the reply, or the error, comes first */
	assert_int_equal(got_r.tag, 10);
	get_msg(g, P9_2000L, &got_r);
	assert_int_equal(got_r.type, P9_RFLUSH);
	get_msg(g, P9_2000L, &got_r);
	assert_int_equal(got_r.type, P9_RFLUSH);
	send_msg(g, P9_2000L, &r);		/* the tag can be used again */
	expect_error(g, &r, EBUSY);		/* but not twice at once */
	while (!mem_release(&g->tree))
		;
	expect(g, NULL, P9_RREAD, 10);
	f.tag = 22;
	expect(g, &f, P9_RFLUSH, 22);		/* too late */
	rig_free(g);
}

/* Blocked, with as many as the server has threads waiting behind: a flush still comes through. */
static void
test_hang_up(void **state)
{
	struct rig *g = rig_new(&mem_ops, 2);
	struct p9_msg r = { .type = P9_TREAD, .fid = 1, .count = 10 };

	(void)state;
	hello(g);
	open_slow(g);
	for (unsigned i = 0; i < 20; i++) {
		r.tag = (uint16_t)(100 + i);
		send_msg(g, P9_2000L, &r);
	}
	rig_free(g);				/* closes it; nothing may be left waiting */
}

static void
hostile(const uint8_t *bytes, size_t n, bool ends)
{
	struct rig *g = rig_new(&mem_ops, 2);
	uint8_t answer[256];
	ssize_t k;

	hello(g);
	assert_int_equal(write(g->fd, bytes, n), n);
	k = read(g->fd, answer, sizeof answer);
	assert_true(ends ? k <= 0 : k >= 11 && answer[4] == IPC_RLERROR);
	rig_free(g);
}

static void
test_hostile(void **state)
{
	static const uint8_t small[] = { 6, 0, 0, 0, 120, 0, 0, 0, 0, 0, 0 };
	static const uint8_t large[] = { 1, 0x20, 0, 0, 118, 0, 0, 0, 0, 0, 0 };
	static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff, 118, 0, 0 };
	static const uint8_t type[] = { 7, 0, 0, 0, 250, 1, 0 };
	static const uint8_t reply[] = { 7, 0, 0, 0, 121, 1, 0 };
	static const uint8_t plain[] = { 12, 0, 0, 0, 112, 1, 0, 0, 0, 0, 0, 0 };
	static const uint8_t cut[] = { 9, 0, 0, 0, 120, 1, 0, 0, 0 };
	static const uint8_t nul[] = { 24, 0, 0, 0, 110, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0,
		5, 0, 'a', 0, 'b', 'c', 'd' };

	(void)state;
	hostile(small, sizeof small, true);
	hostile(large, sizeof large, true);
	hostile(huge, sizeof huge, true);
	hostile(type, sizeof type, false);
	hostile(reply, sizeof reply, false);
	hostile(plain, sizeof plain, false);
	hostile(cut, sizeof cut, false);
	hostile(nul, sizeof nul, false);
}

static void
test_limits(void **state)
{
	struct rig *g = rig_new(&mem_ops, 2);
	struct p9_msg t, r;
	unsigned n = 0;
	int fds[2];

	(void)state;
	g->srv.max_fids = 10;
	g->srv.max_conns = 1;
	hello(g);
	do {
		t = walk_msg(1, 0, ++n, NULL);
		send_msg(g, P9_2000L, &t);
		get_msg(g, P9_2000L, &r);
	} while (r.type == P9_RWALK && n < 100);
	assert_int_equal(r.error, ENFILE);
	assert_int_equal(n, 10);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(p9_srv_add_fd(&g->srv, fds[1]), -EMFILE);
	close(fds[0]);
	close(fds[1]);
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

/* Over real listening sockets of both kinds, several clients. */
static void
test_listen(void **state)
{
	char path[64], address[80], *where[2] = { "tcp!127.0.0.1!0", address };

	(void)state;
	snprintf(path, sizeof path, "/tmp/p9-server-test.%d", (int)getpid());
	snprintf(address, sizeof address, "unix!%s", path);
	for (int i = 0; i < 2; i++) {
		struct rig *g = calloc(1, sizeof *g);
		struct p9_client *c[3];
		struct p9c_file *root;

		mem_init(&g->tree);
		g->srv.ops = &mem_ops;
		g->srv.aux = &g->tree;
		assert_int_equal(p9_srv_start(&g->srv, where[i], 2), 0);
		if (i == 0)
			snprintf(address, sizeof address, "tcp!127.0.0.1!%d",
				p9_srv_port(&g->srv));
		for (int k = 0; k < 3; k++) {
			int fd = os_service_open(address);

			assert_true(fd >= 0);
			assert_int_equal(p9c_open(&c[k], fd, P9_2000L, 0, 5000), 0);
			assert_int_equal(p9c_attach(c[k], "u", 1, "x", &root), -ENOENT);
			assert_int_equal(p9c_attach(c[k], "u", 1, "", &root), 0);
			free(root);		/* left behind on purpose */
		}
		p9_srv_stop(&g->srv);
		assert_int_equal(p9_srv_wait(&g->srv), 0);
		for (int k = 0; k < 3; k++)
			p9c_close(c[k]);
		assert_int_equal(g->tree.live, 0);
		free(g);
		snprintf(address, sizeof address, "unix!%s", path);
	}
	assert_int_equal(access(path, F_OK), -1);
	assert_true(p9_serve(&(struct p9_srv){ .ops = &mem_ops }, "tcp!x", 2) < 0);
	assert_true(p9_serve(&(struct p9_srv){ .ops = &mem_ops }, "name", 2) < 0);
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
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_fids),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_hang_up),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_plain_remove),
		cmocka_unit_test(test_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
