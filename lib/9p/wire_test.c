/*
 * The server on a stream, with messages made by hand: versions, fids, flushes in every order,
 * clients that misbehave or hang up, limits, and listening.
 */
#include <string.h>
#include <os.h>
#include "rig.h"
#include "table.h"

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
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_fids),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_hang_up),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
