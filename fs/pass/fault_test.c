/*
 * Each fault as a client sees it, message by message on a stream: what is not answered, what comes
 * late, in another order, twice carried out, changed; that a flush ends what waits; that the
 * process ends where it should.
 */
#include "testing.h"

#include <os.h>
#include <poll.h>
#include <sys/wait.h>

#define QUIET_MS	150	/* an answer that has not come by then is not coming */
#define SOON_MS		30000

static struct rig *g;
static uint8_t buf[70000];
static struct p9_msg r;

static void
send_msg(struct p9_msg m)
{
	int n = p9_pack(buf, sizeof buf, P9_2000L, &m);

	assert_true(n > 0);
	assert_int_equal(write(g->fd, buf, (size_t)n), n);
}

static bool
comes(int ms)
{
	struct pollfd p = { .fd = g->fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* The next answer, into r: its tag; -1 when the server has gone. */
static int
receive(void)
{
	uint32_t size;

	assert_true(comes(SOON_MS));
	if (recv(g->fd, &size, 4, MSG_WAITALL) != 4)
		return -1;
	assert_in_range(size, 7, sizeof buf);
	memcpy(buf, &size, 4);
	assert_int_equal(recv(g->fd, buf + 4, size - 4, MSG_WAITALL), size - 4);
	assert_int_equal(p9_unpack(buf, size, P9_2000L, &r), 0);
	return r.tag;
}

/* 0 or a negative errno. */
static int
rpc(struct p9_msg m)
{
	send_msg(m);
	assert_int_equal(receive(), m.tag);
	return r.type == IPC_RLERROR ? -(int)r.error : 0;
}

static struct p9_msg
msg(unsigned type, unsigned tag, uint32_t fid)
{
	return (struct p9_msg){ .type = (uint8_t)type, .tag = (uint16_t)tag, .fid = fid };
}

static struct p9_msg
mkdir_msg(unsigned tag, const char *name)
{
	struct p9_msg m = msg(IPC_TMKDIR, tag, 0);

	m.name = p9_str(name);
	m.mode = 0755;
	return m;
}

static struct p9_msg
read_msg(unsigned tag, uint32_t fid)
{
	struct p9_msg m = msg(IPC_TREAD, tag, fid);

	m.count = 100;
	return m;
}

static struct p9_msg
flush_msg(unsigned tag, unsigned old)
{
	struct p9_msg m = msg(IPC_TFLUSH, tag, 0);

	m.oldtag = (uint16_t)old;
	return m;
}

static void
command(const char *text)
{
	assert_int_equal(pass_command(&g->pass, text), 0);
}

static void
connect_to(void)
{
	struct p9_msg m = { .type = P9_TVERSION, .tag = P9_NOTAG, .msize = 65536,
		.version = p9_str("9P2000.L") };

	assert_int_equal(rpc(m), 0);
	m = msg(IPC_TATTACH, 1, 0);
	m.newfid = P9_NOFID;
	m.uid = 0;
	assert_int_equal(rpc(m), 0);
}

/* Fid 0 is the root, fid 1 the file f, open, with "hello". */
static int
setup(void **state)
{
	struct p9_msg m = msg(IPC_TWALK, 1, 0);

	(void)state;
	g = rig_new();
	put_below(g, "tree/f", "hello");
	connect_to();
	m.newfid = 1;
	m.nwname = 1;
	m.wname[0] = p9_str("f");
	assert_int_equal(rpc(m), 0);
	m = msg(IPC_TLOPEN, 1, 1);
	m.flags = O_RDWR;
	assert_int_equal(rpc(m), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(g->fd);
	rig_free(g);
	return 0;
}

static void
dropped(void **state)
{
	(void)state;
	command("drop mkdir #1");
	send_msg(mkdir_msg(5, "lost"));
	assert_false(comes(QUIET_MS));
	command("drop mkdir #1 reply");
	send_msg(mkdir_msg(6, "made"));
	assert_false(comes(QUIET_MS));
	assert_false(is_below(g, "tree/lost"));
	assert_true(is_below(g, "tree/made"));
	assert_int_equal(rpc(read_msg(7, 1)), 0);		/* others are answered */
	assert_int_equal(r.count, 5);
	send_msg(flush_msg(8, 5));
	assert_int_equal(receive(), 5);
	assert_int_equal(r.type, IPC_RLERROR);
	assert_int_equal(r.error, EINTR);
	assert_int_equal(receive(), 8);
	send_msg(flush_msg(8, 6));			/* this one was carried out, and says so */
	assert_int_equal(receive(), 6);
	assert_int_equal(r.type, IPC_TMKDIR + 1);
	assert_int_equal(receive(), 8);
}

/* A session that ends with requests that wait leaves nothing: rig_free looks. */
static void
hung_up(void **state)
{
	(void)state;
	command("drop read #1");
	command("drop read #2 reply");
	command("delay read #3 60000");
	for (unsigned tag = 5; tag < 8; tag++)
		send_msg(read_msg(tag, 1));
	assert_false(comes(QUIET_MS));
}

static void
delayed(void **state)
{
	(void)state;
	command("delay mkdir #1 60000");
	send_msg(mkdir_msg(6, "never"));
	assert_false(comes(QUIET_MS));
	command("delay mkdir #1 3000");
	uint64_t start = os_time_ns();
	send_msg(mkdir_msg(5, "late"));
	assert_int_equal(rpc(read_msg(7, 1)), 0);	/* the delayed hold up nobody */
	assert_false(is_below(g, "tree/late"));
	assert_int_equal(receive(), 5);
	assert_true(os_time_ns() - start >= 3000000000);
	assert_true(is_below(g, "tree/late"));
	send_msg(flush_msg(8, 6));
	assert_int_equal(receive(), 6);
	assert_int_equal(r.error, EINTR);
	assert_int_equal(receive(), 8);
	assert_false(is_below(g, "tree/never"));
}

/* More of them than there are threads, all at once. */
static void
many_delayed(void **state)
{
	bool seen[100] = { false };

	(void)state;
	command("delay read 100% 300");
	for (unsigned tag = 0; tag < 100; tag++)
		send_msg(read_msg(tag, 1));
	uint64_t start = os_time_ns();
	for (int i = 0; i < 100; i++) {
		int tag = receive();

		assert_in_range(tag, 0, 99);
		assert_false(seen[tag]);
		seen[tag] = true;
		assert_memory_equal(r.data, "hello", 5);
	}
	assert_true(os_time_ns() - start < 20000000000);	/* not one after another */
}

static void
reordered(void **state)
{
	(void)state;
	g->pass.reorder_ms = SOON_MS;
	command("reorder read #1");
	send_msg(read_msg(5, 1));
	assert_false(comes(30));
	send_msg(msg(IPC_TSTATFS, 6, 0));
	assert_int_equal(receive(), 6);
	assert_int_equal(receive(), 5);
	assert_memory_equal(r.data, "hello", 5);
	g->pass.reorder_ms = PASS_REORDER_MS;
	command("reorder read #1");			/* and alone: within its bound */
	uint64_t start = os_time_ns();
	assert_int_equal(rpc(read_msg(5, 1)), 0);
	assert_true(os_time_ns() - start >= PASS_REORDER_MS * 1000000ull);
	g->pass.reorder_ms = SOON_MS;
	command("reorder read #1");
	send_msg(read_msg(5, 1));
	send_msg(flush_msg(6, 5));
	assert_int_equal(receive(), 5);
	assert_int_equal(receive(), 6);
}

static void
duplicated(void **state)
{
	struct p9_msg m = msg(IPC_TLCREATE, 5, 2), w = msg(IPC_TWALK, 5, 0);
	char text[512];

	(void)state;
	command("duplicate mkdir #1");
	assert_int_equal(rpc(mkdir_msg(5, "d")), 0);	/* the second found it there */
	assert_true(is_below(g, "tree/d"));
	assert_int_equal(rpc(mkdir_msg(5, "d")), -EEXIST);
	command("duplicate all 100%");
	assert_int_equal(rpc(read_msg(5, 1)), 0);
	assert_memory_equal(r.data, "hello", 5);
	w.newfid = 2;
	assert_int_equal(rpc(w), 0);
	m.name = p9_str("new");
	m.flags = O_RDWR | O_EXCL;
	m.mode = 0600;
	assert_int_equal(rpc(m), 0);			/* fid 2 is the file, open */
	m = msg(IPC_TWRITE, 5, 2);
	m.data = "x";
	m.count = 1;
	assert_int_equal(rpc(m), 0);
	w.newfid = 3;
	assert_int_equal(rpc(w), 0);
	assert_int_equal(rpc(msg(IPC_TLOPEN, 5, 3)), 0);
	m = msg(IPC_TREADDIR, 5, 3);
	m.count = 4000;
	assert_int_equal(rpc(m), 0);
	assert_in_range(r.count, 5 * 24, 6 * 40);	/* . .. f d new, once each */
	m = msg(IPC_TUNLINKAT, 5, 0);
	m.name = p9_str("new");
	assert_int_equal(rpc(m), 0);
	pass_stats_text(&g->pass, text, sizeof text);
	assert_non_null(strstr(text, "unlink requests 1 duplicate 1\n"));
	assert_non_null(strstr(text, "mkdir requests 2 duplicate 1\n"));
	assert_non_null(strstr(text, "write requests 1 duplicate 1\n"));
}

static int
bits_that_differ(const void *data, const char *want, size_t n)
{
	int bits = 0;

	for (size_t i = 0; i < n; i++)
		bits += __builtin_popcount(((const uint8_t *)data)[i] ^ (uint8_t)want[i]);
	return bits;
}

static void
corrupted(void **state)
{
	struct p9_msg m = msg(IPC_TWRITE, 5, 1);

	(void)state;
	command("corrupt read #1");
	assert_int_equal(rpc(read_msg(5, 1)), 0);
	assert_int_equal(r.count, 5);
	assert_int_equal(bits_that_differ(r.data, "hello", 5), 1);
	assert_int_equal(rpc(read_msg(5, 1)), 0);
	assert_memory_equal(r.data, "hello", 5);
	command("corrupt write #1");
	m.data = "HELLO";
	m.count = 5;
	assert_int_equal(rpc(m), 0);
	assert_int_equal(rpc(read_msg(5, 1)), 0);
	assert_int_equal(bits_that_differ(r.data, "HELLO", 5), 1);
	command("corrupt read #1");
	struct p9_msg end = read_msg(5, 1);
	end.offset = 1000;
	assert_int_equal(rpc(end), 0);			/* nothing to corrupt */
	assert_int_equal(r.count, 0);
}

/* A fid 9 for the root. */
static void
clone_fid(unsigned tag)
{
	struct p9_msg m = msg(IPC_TWALK, tag, 0);

	m.newfid = 9;
	assert_int_equal(rpc(m), 0);
}

static bool
knows_fid(uint32_t fid)
{
	return rpc(msg(IPC_TSTATFS, 20, fid)) != -EBADF;
}

/* A clunk that is lost leaves the fid; one whose answer is lost, or that fails, does not. */
static void
clunks(void **state)
{
	(void)state;
	command("drop clunk #1");
	clone_fid(5);
	send_msg(msg(IPC_TCLUNK, 6, 9));
	assert_false(comes(QUIET_MS));
	assert_true(knows_fid(9));
	send_msg(flush_msg(7, 6));
	assert_int_equal(receive(), 6);
	assert_int_equal(r.type, IPC_RLERROR);
	assert_int_equal(r.error, EINTR);
	assert_int_equal(receive(), 7);
	assert_false(knows_fid(9));			/* an error gives it up all the same */
	command("drop clunk #1 reply");
	clone_fid(5);
	send_msg(msg(IPC_TCLUNK, 6, 9));
	assert_false(comes(QUIET_MS));
	assert_false(knows_fid(9));
	send_msg(flush_msg(7, 6));
	assert_int_equal(receive(), 6);
	assert_int_equal(r.type, IPC_TCLUNK + 1);
	assert_int_equal(receive(), 7);
	command("fail clunk #1 EIO");
	clone_fid(5);
	assert_int_equal(rpc(msg(IPC_TCLUNK, 6, 9)), -EIO);
	assert_false(knows_fid(9));
	command("delay clunk #1 100");
	clone_fid(5);
	send_msg(msg(IPC_TCLUNK, 6, 9));
	assert_true(knows_fid(9));
	assert_int_equal(receive(), 6);
	assert_false(knows_fid(9));
	command("reorder clunk #1");
	clone_fid(5);
	send_msg(msg(IPC_TCLUNK, 6, 9));
	assert_false(comes(30));
	send_msg(msg(IPC_TSTATFS, 7, 0));
	assert_int_equal(receive(), 7);
	assert_int_equal(receive(), 6);
	assert_int_equal(rpc(msg(IPC_TCLUNK, 6, 9)), -EBADF);	/* the library's own error */
	send_msg(msg(IPC_TCLUNK, 6, 1));
	assert_int_equal(receive(), 6);
}

static void
removes_clones_and_xattrs(void **state)
{
	struct p9_msg m = msg(IPC_TWALK, 5, 0);
	char text[1024];

	(void)state;
	command("fail remove #1 EACCES");
	put_below(g, "tree/x", "x");
	m.newfid = 9;
	m.nwname = 1;
	m.wname[0] = p9_str("x");
	assert_int_equal(rpc(m), 0);
	assert_int_equal(rpc(msg(IPC_TREMOVE, 5, 9)), -EACCES);
	assert_false(knows_fid(9));
	assert_true(is_below(g, "tree/x"));
	assert_int_equal(rpc(m), 0);
	command("delay remove #1 50");
	assert_int_equal(rpc(msg(IPC_TREMOVE, 5, 9)), 0);
	assert_false(is_below(g, "tree/x"));
	command("fail clone #1 ENFILE");
	m.nwname = 0;
	assert_int_equal(rpc(m), -ENFILE);
	assert_false(knows_fid(9));
	assert_int_equal(rpc(m), 0);
	command("fail xattrcreate #1 ENOSPC");
	m = msg(IPC_TXATTRCREATE, 5, 9);
	m.name = p9_str("user.a");
	m.size = 1;
	assert_int_equal(rpc(m), -ENOSPC);
	assert_int_equal(rpc(m), 0);
	pass_stats_text(&g->pass, text, sizeof text);
	assert_non_null(strstr(text, "\nremove requests 2 delay 1 fail 1\n"));
	assert_non_null(strstr(text, "\nclone requests 2 fail 1\n"));
	assert_non_null(strstr(text, "\nxattrcreate requests 2 fail 1\n"));
}

/* A flush that is lost, late, or whose answer is lost or late; and a flush of a flush. */
static void
flushes(void **state)
{
	(void)state;
	command("drop read 100%");
	command("drop flush #1");
	send_msg(read_msg(5, 1));
	send_msg(flush_msg(6, 5));
	assert_false(comes(QUIET_MS));			/* neither ends */
	send_msg(flush_msg(7, 6));			/* which a flush of it ends, late */
	assert_int_equal(receive(), 5);
	assert_int_equal(r.error, EINTR);
	assert_int_equal(receive(), 6);
	assert_int_equal(r.type, IPC_TFLUSH + 1);
	assert_int_equal(receive(), 7);
	command("drop flush #1 reply");
	send_msg(read_msg(5, 1));
	send_msg(flush_msg(6, 5));
	assert_int_equal(receive(), 5);
	assert_false(comes(QUIET_MS));
	send_msg(flush_msg(7, 6));
	assert_int_equal(receive(), 6);
	assert_int_equal(r.type, IPC_TFLUSH + 1);
	assert_int_equal(receive(), 7);
	command("delay flush #1 200");
	send_msg(read_msg(5, 1));
	send_msg(flush_msg(6, 5));
	assert_false(comes(30));
	assert_int_equal(receive(), 5);
	assert_int_equal(receive(), 6);
	command("reorder flush #1");
	send_msg(flush_msg(6, 77));			/* of nothing */
	assert_false(comes(30));
	assert_int_equal(rpc(msg(IPC_TSTATFS, 7, 0)), 0);
	assert_int_equal(receive(), 6);
	command("drop flush 100%");			/* and the session ends with them */
	send_msg(read_msg(5, 1));
	send_msg(flush_msg(6, 5));
	command("delay clunk #1 60000");
	command("drop clunk #2 reply");
	send_msg(msg(IPC_TCLUNK, 7, 1));
	send_msg(msg(IPC_TCLUNK, 8, 0));
	assert_false(comes(QUIET_MS));
}

/* Bits by which two answers differ, but for their tags; their lengths are the same. */
static int
differs(struct p9_msg m)
{
	uint8_t first[sizeof buf];
	uint32_t n;
	int bits;

	assert_int_equal(rpc(m), 0);
	memcpy(&n, buf, 4);
	memcpy(first, buf, n);
	command("corrupt all #1");
	assert_int_equal(rpc(m), 0);
	assert_memory_equal(buf, first, 7);
	bits = bits_that_differ(buf + 7, (const char *)first + 7, n - 7);
	command("clear");
	return bits;
}

/* Of every answer with something in it one bit is another, whichever the seed chooses. */
static void
answers_are_corrupted(void **state)
{
	struct p9_msg m, lock = msg(IPC_TGETLOCK, 5, 1);
	char seed[32];

	(void)state;
	m = msg(IPC_TLOPEN, 5, 3);
	lock.lock = (struct ipc_lock){ .type = 1, .length = 10, .pid = 3 };
	lock.client = p9_str("someone");
	struct p9_msg w = msg(IPC_TWALK, 5, 0);
	w.newfid = 3;
	assert_int_equal(rpc(w), 0);
	assert_int_equal(rpc(m), 0);			/* fid 3: the directory, open */
	for (unsigned i = 0; i < 100; i++) {
		snprintf(seed, sizeof seed, "seed %u", i);
		command(seed);
		m = msg(IPC_TGETATTR, 5, 1);
		m.mask = 0x3fff;
		assert_int_equal(differs(m), 1);
		command(seed);
		m = msg(IPC_TREADDIR, 5, 3);
		m.count = 4000;
		assert_int_equal(differs(m), 1);
		command(seed);
		assert_int_equal(differs(lock), 1);
		/* The free blocks may have become others in between. */
		command(seed);
		assert_in_range(differs(msg(IPC_TSTATFS, 5, 0)), 1, 200);
		command(seed);
		command("corrupt walk #1");
		w.newfid = 4;
		w.nwname = 1;
		w.wname[0] = p9_str("f");
		assert_int_equal(rpc(w), 0);
		struct ipc_qid got = r.wqid[0];
		assert_int_equal(rpc(msg(IPC_TCLUNK, 5, 4)), 0);
		assert_int_equal(rpc(w), 0);
		struct ipc_qid want = r.wqid[0];
		int bits = __builtin_popcountll(got.path ^ want.path) +
			__builtin_popcount(got.version ^ want.version) +
			__builtin_popcount(got.type ^ want.type);
		assert_int_equal(bits, 1);
		assert_int_equal(rpc(msg(IPC_TCLUNK, 5, 4)), 0);
	}
	/* Only the client was told something else: fid 1 is a file as before. */
	assert_int_equal(rpc(read_msg(5, 1)), 0);
	assert_memory_equal(r.data, "hello", 5);
}

static void
failed(void **state)
{
	(void)state;
	command("fail mkdir every 2 ENOSPC");
	assert_int_equal(rpc(mkdir_msg(5, "a")), 0);
	assert_int_equal(rpc(mkdir_msg(5, "b")), -ENOSPC);
	assert_int_equal(rpc(mkdir_msg(5, "c")), 0);
	assert_false(is_below(g, "tree/b"));
	command("clear");
	command("fail walk #2 ESTALE");			/* half way: a walk that ends early */
	struct p9_msg m = msg(IPC_TWALK, 5, 0);
	m.newfid = 9;
	m.nwname = 2;
	m.wname[0] = p9_str("a");
	m.wname[1] = p9_str("..");
	assert_int_equal(rpc(m), 0);
	assert_int_equal(r.nwqid, 1);
	assert_int_equal(rpc(msg(IPC_TSTATFS, 5, 9)), -EBADF);
}

static void
hung(void **state)
{
	(void)state;
	command("hang mkdir #1");
	send_msg(mkdir_msg(5, "d"));
	/* A flush of what has not begun is another matter: the library's. */
	for (int ms = 0; ms < SOON_MS && g->pass.faults[PASS_HANG][PASS_MKDIR] == 0; ms++)
		os_sleep_ns(1000000);
	send_msg(flush_msg(6, 5));
	assert_false(comes(QUIET_MS));			/* a flush does not help */
	assert_int_equal(rpc(read_msg(7, 1)), 0);	/* others go on */
	assert_false(is_below(g, "tree/d"));
	command("clear");
	assert_int_equal(receive(), 5);
	assert_true(is_below(g, "tree/d"));
	assert_int_equal(receive(), 6);
}

static _Noreturn void
serve_and_crash(int fd, const char *dir, const char *rule)
{
	static struct pass pass;
	static struct sip_server s = { .priv = &pass };

	s.p9.ops = &pass_ops;
	s.p9.aux = &s;
	if (pass_init(&pass, dir) < 0 || pass_command(&pass, rule) < 0 ||
	    p9_srv_start(&s.p9, NULL, 2) < 0 || p9_srv_add_fd(&s.p9, fd) < 0)
		_exit(3);
	_exit(p9_srv_wait(&s.p9) < 0 ? 4 : 5);
}

/* A child serves; it is dead at the last message, after which "two" is there or not.  For a removal
 * fid 9 is "two". */
static void
crashes(const char *rule, const struct p9_msg *last, bool there)
{
	struct p9_msg w = msg(IPC_TWALK, 5, 0);
	int fds[2], status;

	g = rig_dir();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		serve_and_crash(fds[1], below_path(g, "tree"), rule);
	}
	close(fds[1]);
	g->fd = fds[0];
	connect_to();
	assert_int_equal(rpc(mkdir_msg(5, "one")), 0);
	if (last->type == IPC_TREMOVE) {
		assert_int_equal(rpc(mkdir_msg(5, "two")), 0);
		w.newfid = 9;
		w.nwname = 1;
		w.wname[0] = p9_str("two");
		assert_int_equal(rpc(w), 0);
	}
	send_msg(*last);
	assert_int_equal(receive(), -1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(is_below(g, "tree/one"));
	assert_int_equal(is_below(g, "tree/two"), there);
	close(g->fd);
	rig_dir_free(g);
}

static void
crashed(void **state)
{
	const struct p9_msg second = mkdir_msg(5, "two"), removal = msg(IPC_TREMOVE, 5, 9);

	(void)state;
	crashes("crash mkdir #2 before", &second, false);
	crashes("crash mkdir #2 after", &second, true);
	crashes("crash remove #1 before", &removal, true);
	crashes("crash remove #1 after", &removal, false);
}

/* Several faults by chance under load: each answer is right or an error that was asked for. */
static void
all_at_once(void **state)
{
	unsigned answers = 0, errors = 0;

	(void)state;
	command("seed 42");
	command("delay all 20% 5");
	command("reorder all 20%");
	command("duplicate all 20%");
	command("fail read 10% EIO");
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned tag = 0; tag < 50; tag++)
			send_msg(read_msg(tag, 1));
		for (unsigned tag = 0; tag < 50; tag++, answers++) {
			receive();
			if (r.type == IPC_RLERROR) {
				assert_int_equal(r.error, EIO);
				errors++;
			} else {
				assert_int_equal(r.count, 5);
				assert_memory_equal(r.data, "hello", 5);
			}
		}
	}
	assert_int_equal(answers, 1000);
	assert_in_range(errors, 60, 140);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crashed),	/* it forks: while there is one thread */
		cmocka_unit_test_setup_teardown(dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(hung_up, setup, teardown),
		cmocka_unit_test_setup_teardown(delayed, setup, teardown),
		cmocka_unit_test_setup_teardown(many_delayed, setup, teardown),
		cmocka_unit_test_setup_teardown(reordered, setup, teardown),
		cmocka_unit_test_setup_teardown(duplicated, setup, teardown),
		cmocka_unit_test_setup_teardown(corrupted, setup, teardown),
		cmocka_unit_test_setup_teardown(clunks, setup, teardown),
		cmocka_unit_test_setup_teardown(removes_clones_and_xattrs, setup, teardown),
		cmocka_unit_test_setup_teardown(flushes, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_are_corrupted, setup, teardown),
		cmocka_unit_test_setup_teardown(failed, setup, teardown),
		cmocka_unit_test_setup_teardown(hung, setup, teardown),
		cmocka_unit_test_setup_teardown(all_at_once, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
