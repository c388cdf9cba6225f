/* The codec: every message of both dialects there and back, cut short, and lied about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include "table.h"

#define BIG 8192

static uint32_t seed = 1;

static uint32_t
rnd(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8;
}

static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

static struct p9_str
rnd_str(void)
{
	unsigned n = rnd() % 20, from = rnd() % 10;

	return (struct p9_str){ letters + from, (uint16_t)n };
}

static struct ipc_qid
rnd_qid(void)
{
	return (struct ipc_qid){ .path = (uint64_t)rnd() << 32 | rnd(), .version = rnd(),
		.type = (uint8_t)rnd() };
}

static struct p9_str
rnd_stat(uint8_t *buf, size_t size)
{
	struct p9_stat s = { .type = (uint16_t)rnd(), .dev = rnd(), .qid = rnd_qid(),
		.mode = rnd(), .atime = rnd(), .mtime = rnd(), .length = rnd(),
		.name = rnd_str(), .uid = rnd_str(), .gid = rnd_str(), .muid = rnd_str() };
	int n = p9_stat_pack(buf, size, &s);

	assert_true(n > 0);
	return (struct p9_str){ (char *)buf, (uint16_t)n };
}

/* Each member of the message by its kind, at random. */
static void
fill(struct p9_msg *m, enum p9_dialect d, unsigned type, uint8_t *stat)
{
	memset(m, 0, sizeof *m);
	m->type = (uint8_t)type;
	m->tag = (uint16_t)rnd();
	for (const struct p9_field *f = p9_fields(d, type); f->kind != P9_KEND; f++) {
		void *p = (char *)m + f->offset;

		switch (f->kind) {
		case P9_KINT:
		case P9_KINT_OPT:
			p9_field_set(m, f, ((uint64_t)rnd() << 32 | rnd()) &
				(f->wire == 8 ? ~0ull : (1ull << (8 * f->wire)) - 1));
			break;
		case P9_KSTR:
			*(struct p9_str *)p = rnd_str();
			break;
		case P9_KSTAT:
			*(struct p9_str *)p = rnd_stat(stat, 512);
			break;
		case P9_KQID:
			*(struct ipc_qid *)p = rnd_qid();
			break;
		case P9_KNAMES:
			m->nwname = (uint16_t)(rnd() % (P9_NAMES_MAX + 1));
			for (unsigned i = 0; i < m->nwname; i++)
				m->wname[i] = rnd_str();
			break;
		case P9_KQIDS:
			m->nwqid = (uint16_t)(rnd() % (P9_NAMES_MAX + 1));
			for (unsigned i = 0; i < m->nwqid; i++)
				m->wqid[i] = rnd_qid();
			break;
		default:
			m->count = rnd() % 30;
			m->data = letters;
			break;
		}
	}
}

static void
same_str(struct p9_str a, struct p9_str b)
{
	assert_int_equal(a.n, b.n);
	if (a.n)
		assert_memory_equal(a.s, b.s, a.n);
}

static void
same(const struct p9_msg *a, const struct p9_msg *b, const struct p9_field *f)
{
	const void *pa = (const char *)a + f->offset, *pb = (const char *)b + f->offset;

	switch (f->kind) {
	case P9_KINT:
	case P9_KINT_OPT:
		assert_true(p9_field_get(a, f) == p9_field_get(b, f));
		break;
	case P9_KSTR:
	case P9_KSTAT:
		same_str(*(const struct p9_str *)pa, *(const struct p9_str *)pb);
		break;
	case P9_KQID:
		assert_memory_equal(pa, pb, sizeof(struct ipc_qid));
		break;
	case P9_KNAMES:
		assert_int_equal(a->nwname, b->nwname);
		for (unsigned i = 0; i < a->nwname; i++)
			same_str(a->wname[i], b->wname[i]);
		break;
	case P9_KQIDS:
		assert_int_equal(a->nwqid, b->nwqid);
		for (unsigned i = 0; i < a->nwqid; i++)
			assert_memory_equal(&a->wqid[i], &b->wqid[i], sizeof a->wqid[i]);
		break;
	default:
		assert_int_equal(a->count, b->count);
		assert_memory_equal(a->data, b->data, a->count);
		break;
	}
}

/* The optional member at the end makes one length besides the whole one right. */
static bool
may_stop(const struct p9_field *f, int n, int whole)
{
	for (; f->kind != P9_KEND; f++)
		if (f->kind == P9_KINT_OPT && n == whole - f->wire)
			return true;
	return false;
}

/* Every shorter copy, honest about its size or not, exactly allocated so that ASan watches. */
static void
cut_short(const uint8_t *whole, int n, enum p9_dialect d, unsigned type)
{
	struct p9_msg m;

	for (int k = 0; k < n; k++) {
		uint8_t *part = malloc((size_t)k + !k);
		int rc;

		memcpy(part, whole, (size_t)k);
		assert_int_equal(p9_unpack(part, (size_t)k, d, &m), -EPROTO);
		if (k >= 4) {
			part[0] = (uint8_t)k;
			part[1] = (uint8_t)(k >> 8);
			rc = p9_unpack(part, (size_t)k, d, &m);
			assert_int_equal(rc, may_stop(p9_fields(d, type), k, n) ? 0 : -EPROTO);
		}
		free(part);
	}
}

static void
there_and_back(enum p9_dialect d, unsigned type)
{
	uint8_t buf[BIG], again[BIG], stat[512];
	struct p9_msg m, back;
	char text[300];
	int n, k;

	fill(&m, d, type, stat);
	n = p9_pack(buf, sizeof buf, d, &m);
	assert_true(n >= P9_HEADER);
	assert_int_equal(p9_unpack(buf, (size_t)n, d, &back), 0);
	assert_int_equal(back.type, type);
	assert_int_equal(back.tag, m.tag);
	for (const struct p9_field *f = p9_fields(d, type); f->kind != P9_KEND; f++)
		same(&m, &back, f);
	k = p9_pack(again, sizeof again, d, &back);
	assert_int_equal(k, n);
	assert_memory_equal(buf, again, (size_t)n);
	k = p9_pack_head(again, sizeof again, d, &m);
	assert_true(k <= n);
	assert_memory_equal(buf, again, (size_t)k);
	for (int room = 0; room < n; room++)
		assert_int_equal(p9_pack(again, (size_t)room, d, &m), -EMSGSIZE);
	for (size_t room = 0; room < sizeof text; room++) {
		memset(text, 'x', sizeof text);
		k = p9_print(text, room, d, &back);
		assert_true(room == 0 || (k < (int)room && text[k] == 0));
		assert_int_equal(text[room], 'x');
	}
	cut_short(buf, n, d, type);
	buf[n] = 0;
	buf[0]++;
	if (buf[0])
		assert_int_equal(p9_unpack(buf, (size_t)n + 1, d, &back), -EPROTO);
}

static void
test_every_message(void **state)
{
	unsigned count[2] = { 0 };

	(void)state;
	for (int d = 0; d < 2; d++) {
		for (unsigned type = 0; type < 256; type++) {
			if (!p9_type_name((enum p9_dialect)d, type))
				continue;
			count[d]++;
			for (int i = 0; i < 8; i++)
				there_and_back((enum p9_dialect)d, type);
		}
	}
	assert_int_equal(count[P9_2000], 27);
	assert_int_equal(count[P9_2000L], 57);
}

/* Bytes written down by hand from the manual pages, not by this codec. */
static void
test_known_bytes(void **state)
{
	static const uint8_t version[] = { 19, 0, 0, 0, 100, 0xff, 0xff, 0, 0x20, 0, 0, 6, 0,
		'9', 'P', '2', '0', '0', '0' };
	static const uint8_t walk[] = { 22, 0, 0, 0, 110, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1, 0,
		3, 0, 'e', 't', 'c' };
	static const uint8_t fsync_short[] = { 11, 0, 0, 0, 50, 1, 0, 9, 0, 0, 0 };
	struct p9_msg m;
	uint8_t buf[256];

	(void)state;
	assert_int_equal(p9_unpack(version, sizeof version, P9_2000L, &m), 0);
	assert_int_equal(m.msize, 8192);
	assert_true(p9_str_eq(m.version, "9P2000"));
	assert_int_equal(p9_pack(buf, sizeof buf, P9_2000, &m), sizeof version);
	assert_memory_equal(buf, version, sizeof version);
	assert_int_equal(p9_unpack(walk, sizeof walk, P9_2000, &m), 0);
	assert_int_equal(m.fid, 2);
	assert_int_equal(m.newfid, 3);
	assert_true(m.nwname == 1 && p9_str_eq(m.wname[0], "etc"));
	assert_int_equal(p9_unpack(fsync_short, sizeof fsync_short, P9_2000L, &m), 0);
	assert_int_equal(m.fid, 9);
	assert_int_equal(m.flags, 0);
	m = (struct p9_msg){ .type = IPC_TGETATTR + 1 };
	assert_int_equal(p9_pack(buf, sizeof buf, P9_2000L, &m), 160);
	m.type = IPC_TSTATFS + 1;
	assert_int_equal(p9_pack(buf, sizeof buf, P9_2000L, &m), 67);
	m.type = IPC_TSETATTR;
	assert_int_equal(p9_pack(buf, sizeof buf, P9_2000L, &m), 67);
}

static void
test_lies(void **state)
{
	uint8_t walk17[7 + 10 + 34] = { sizeof walk17, 0, 0, 0, 110 };
	uint8_t data[] = { 15, 0, 0, 0, 117, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4 };
	uint8_t str[] = { 16, 0, 0, 0, 107, 0, 0, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 7 };
	struct p9_msg m = { .type = P9_TWALK, .nwname = 17 };
	uint8_t buf[256];

	(void)state;
	walk17[15] = 17;
	assert_int_equal(p9_unpack(walk17, sizeof walk17, P9_2000, &m), -EPROTO);
	assert_int_equal(p9_unpack(data, sizeof data, P9_2000, &m), -EPROTO);
	assert_int_equal(p9_unpack(str, sizeof str, P9_2000, &m), -EPROTO);
	assert_int_equal(p9_unpack(str, sizeof str, P9_2000L, &m), -EPROTO);
	m = (struct p9_msg){ .type = P9_TWALK, .nwname = 17 };
	assert_int_equal(p9_pack(buf, sizeof buf, P9_2000, &m), -EMSGSIZE);
	m = (struct p9_msg){ .type = 200 };
	assert_int_equal(p9_pack(buf, sizeof buf, P9_2000, &m), -EINVAL);
	m = (struct p9_msg){ .type = P9_RREAD, .count = 0xffffffff };
	assert_int_equal(p9_pack(buf, sizeof buf, P9_2000, &m), -EMSGSIZE);
	assert_int_equal(p9_pack_head(buf, sizeof buf, P9_2000, &m), -EMSGSIZE);
}

static void
test_records(void **state)
{
	struct p9_stat s = { .name = p9_str("a"), .uid = p9_str("u") }, t;
	struct p9_dirent e = { .offset = 7, .type = 4, .name = p9_str("dir") }, f;
	uint8_t buf[256];
	int n = p9_stat_pack(buf, sizeof buf, &s);

	(void)state;
	assert_int_equal(n, 51);
	assert_int_equal(p9_stat_unpack(buf, sizeof buf, &t), n);
	assert_true(p9_str_eq(t.name, "a") && p9_str_eq(t.uid, "u") && t.gid.n == 0);
	for (int k = 0; k < n; k++) {
		assert_int_equal(p9_stat_unpack(buf, (size_t)k, &t), -EPROTO);
		assert_int_equal(p9_stat_pack(buf + 100, (size_t)k, &s), -EMSGSIZE);
	}
	buf[0]--;		/* the record is longer than it says */
	assert_int_equal(p9_stat_unpack(buf, sizeof buf, &t), -EPROTO);
	buf[0] += 2;		/* and shorter */
	assert_int_equal(p9_stat_unpack(buf, sizeof buf, &t), -EPROTO);
	n = p9_dirent_pack(buf, sizeof buf, &e);
	assert_int_equal(n, 13 + 8 + 1 + 2 + 3);
	assert_int_equal(p9_dirent_unpack(buf, (size_t)n, &f), n);
	assert_true(f.offset == 7 && f.type == 4 && p9_str_eq(f.name, "dir"));
	for (int k = 0; k < n; k++)
		assert_int_equal(p9_dirent_unpack(buf, (size_t)k, &f), -EPROTO);
}

static void
test_print(void **state)
{
	struct p9_msg m = { .type = P9_TWALK, .tag = 3, .fid = 1, .newfid = 2, .nwname = 1 };
	char text[200];

	(void)state;
	m.wname[0] = (struct p9_str){ "a\"\n", 3 };
	p9_print(text, sizeof text, P9_2000, &m);
	assert_string_equal(text, "Twalk tag 3 fid 1 newfid 2 names 1 \"a\\x22\\x0a\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_message),
		cmocka_unit_test(test_known_bytes),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
