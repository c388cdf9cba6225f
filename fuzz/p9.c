/*
 * 9P: the decoder alone, a server's connection fed with raw bytes, and one fed with well-formed
 * messages whose types and members, taken from the table of messages, come from the input.
 *
 * What must hold: nothing crashes; what was decoded packs to the same bytes again; every reply of
 * the server decodes; at the end of the session no fid and no waiting request is left.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#define MEM_NODES 24
#define MEM_FILE 2048
#include "lib/9p/memtree.h"
#include "lib/9p/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define OUT_MAX 65536

static void
must(bool holds)
{
	if (!holds)
		abort();
}

/* --- the decoder -------------------------------------------------------------------------- */

static void
decode(const uint8_t *data, size_t n, enum p9_dialect d)
{
	uint8_t *again = malloc(n + 8);
	struct p9_dirent e;
	struct p9_stat s;
	struct p9_msg m;
	char text[200];
	int k;

	if (p9_unpack(data, n, d, &m) == 0) {
		p9_print(text, sizeof text, d, &m);
		k = p9_pack(again, n + 8, d, &m);
		must(k == (int)n || (m.type == IPC_TFSYNC && k == (int)n + 4));
		must(k != (int)n || memcmp(again, data, n) == 0);
	}
	k = p9_stat_unpack(data, n, &s);
	if (k > 0) {
		must((size_t)k <= n && p9_stat_pack(again, n + 8, &s) == k);
		must(memcmp(again, data, (size_t)k) == 0);
	}
	k = p9_dirent_unpack(data, n, &e);
	must(k <= (int)n);
	free(again);
}

/* --- messages from the table -------------------------------------------------------------- */

struct input {
	const uint8_t *p, *end;
};

static unsigned
byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

/* Mostly small, so that fids and offsets meet; seldom anything. */
static uint64_t
number(struct input *in, unsigned width)
{
	unsigned b = byte(in);
	uint64_t v = 0;

	if (b < 0xf0)
		return b % 8;
	for (unsigned i = 0; i < width; i++)
		v |= (uint64_t)byte(in) << (8 * i);
	return b == 0xff ? ~0ull : b == 0xf0 ? v % 4096 : v;
}

static struct p9_str
string(struct input *in)
{
	static const char *const known[] = { "a", "b", "c", "slow", ".", "..", "", "a/b", "0",
		"user.x", "9P2000", "9P2000.L", "name of some length, more than fits inline", "d" };
	unsigned b = byte(in), n;
	struct p9_str s;

	if (b < 0xf8)
		return p9_str(known[b % (sizeof known / sizeof known[0])]);
	n = byte(in);
	if (n > (size_t)(in->end - in->p))
		n = (unsigned)(in->end - in->p);
	s = (struct p9_str){ (const char *)in->p, (uint16_t)n };
	in->p += n;
	return s;
}

static struct p9_str
stat_record(struct input *in, uint8_t *room, size_t size)
{
	struct p9_stat s = { .type = 0xffff, .dev = ~0u, .mode = ~0u, .atime = ~0u, .mtime = ~0u,
		.length = ~0ull };
	unsigned b = byte(in);
	int n;

	if (b & 1)
		s.name = string(in);
	if (b & 2)
		s.length = number(in, 8);
	if (b & 4)
		s.mode = (uint32_t)number(in, 4);
	if (b & 8)
		s.gid = string(in);
	n = p9_stat_pack(room, size, &s);
	return (struct p9_str){ (char *)room, (uint16_t)(n < 0 ? 0 : n) };
}

static void
fill(struct p9_msg *m, const struct p9_field *f, struct input *in, uint8_t *room)
{
	void *p = (char *)m + f->offset;

	switch (f->kind) {
	case P9_KINT:
	case P9_KINT_OPT:
		p9_field_set(m, f, number(in, f->wire));
		break;
	case P9_KSTR:
		*(struct p9_str *)p = string(in);
		break;
	case P9_KSTAT:
		*(struct p9_str *)p = stat_record(in, room, 1024);
		break;
	case P9_KNAMES:
		m->nwname = (uint16_t)(byte(in) % 5);
		for (unsigned i = 0; i < m->nwname; i++)
			m->wname[i] = string(in);
		break;
	case P9_KDATA:
		m->count = (uint32_t)byte(in);
		if (m->count > (size_t)(in->end - in->p))
			m->count = (uint32_t)(in->end - in->p);
		m->data = in->p;
		in->p += m->count;
		break;
	default:
		break;
	}
}

/* One request of the dialect, packed; bytes. */
static int
request(struct input *in, enum p9_dialect d, uint8_t *out, size_t n)
{
	struct p9_msg m = { .tag = (uint16_t)(byte(in) % 16) };
	unsigned type = byte(in) & 126;
	const struct p9_field *f = p9_fields(d, type);
	uint8_t room[1024];

	if (!f || type == P9_TVERSION)
		return 0;
	m.type = (uint8_t)type;
	for (; f->kind != P9_KEND; f++)
		fill(&m, f, in, room);
	return p9_pack(out, n, d, &m);
}

static size_t
hello(enum p9_dialect d, uint8_t *out, size_t n)
{
	struct p9_msg v = { .type = P9_TVERSION, .tag = P9_NOTAG, .msize = P9_MSIZE_MIN };
	struct p9_msg a = { .type = P9_TATTACH, .tag = 1, .newfid = P9_NOFID };
	size_t k;

	v.version = p9_str(d == P9_2000L ? "9P2000.L" : "9P2000");
	k = (size_t)p9_pack(out, n, P9_2000, &v);
	return k + (size_t)p9_pack(out + k, n - k, d, &a);
}

/* --- a session ---------------------------------------------------------------------------- */

/* Writes all while it reads what comes; the replies, as far as `d` is sure, must decode. */
static void
converse(int fd, const uint8_t *out, size_t n, enum p9_dialect d, bool sure)
{
	static uint8_t in[OUT_MAX * 8];
	size_t have = 0, sent = 0, pos = 0;

	while (sent < n) {
		ssize_t k = send(fd, out + sent, n - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (k > 0)
			sent += (size_t)k;
		else if (errno != EAGAIN)
			break;
		k = recv(fd, in + have, sizeof in - have, MSG_DONTWAIT);
		if (k > 0)
			have += (size_t)k;
		if (have == sizeof in)
			break;
	}
	shutdown(fd, SHUT_WR);
	while (have < sizeof in) {
		ssize_t k = recv(fd, in + have, sizeof in - have, 0);

		if (k <= 0)
			break;
		have += (size_t)k;
	}
	while (sure && pos + P9_HEADER <= have) {
		struct p9_msg m;
		uint32_t size;

		memcpy(&size, in + pos, 4);
		if (size > have - pos)
			break;
		must(p9_unpack(in + pos, size, d, &m) == 0 && (m.type & 1));
		pos += size;
	}
}

static void
session(const uint8_t *out, size_t n, enum p9_dialect d, bool sure)
{
	static struct mem_tree tree;
	struct p9_srv srv = { .ops = &mem_ops, .aux = &tree, .msize = P9_MSIZE_MIN,
		.max_fids = 20 };
	int fds[2];

	mem_init(&tree);
	must(p9_srv_start(&srv, NULL, 1) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	must(p9_srv_add_fd(&srv, fds[1]) == 0);
	converse(fds[0], out, n, d, sure);
	close(fds[0]);
	p9_srv_stop(&srv);
	p9_srv_wait(&srv);
	must(tree.live == 0 && tree.nslow == 0);
	pthread_mutex_destroy(&tree.lock);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t out[OUT_MAX];
	enum p9_dialect d = n && data[0] & 1 ? P9_2000L : P9_2000;
	struct input in = { data + 1, data + n };
	size_t used;
	int k = 0;

	if (n == 0 || n > OUT_MAX / 4)
		return 0;
	used = hello(d, out, sizeof out);
	switch (data[0] >> 1 & 3) {
	case 0:
		decode(data + 1, n - 1, d);
		break;
	case 1:
		memcpy(out + used, data + 1, n - 1);
		session(out, used + n - 1, d, false);
		break;
	default:
		while (in.p < in.end && used < sizeof out - 8192) {
			k = request(&in, d, out + used, sizeof out - used);
			used += k > 0 ? (size_t)k : 0;
		}
		session(out, used, d, true);
		break;
	}
	return 0;
}
