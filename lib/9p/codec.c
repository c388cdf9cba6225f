/*
 * Packing and unpacking of 9P messages, driven by the table in table.c.  Decoding copies nothing:
 * strings and data point into the buffer.  Every access goes through the bounded cursor.
 */
#include <errno.h>
#include <string.h>
#include "table.h"

uint64_t
p9_get(struct p9_cur *c, unsigned nbytes)
{
	uint64_t v = 0;

	if (c->overrun || (size_t)(c->end - c->p) < nbytes) {
		c->overrun = true;
		return 0;
	}
	for (unsigned i = 0; i < nbytes; i++)
		v |= (uint64_t)c->p[i] << (8 * i);
	c->p += nbytes;
	return v;
}

void
p9_put(struct p9_cur *c, unsigned nbytes, uint64_t v)
{
	if (c->overrun || (size_t)(c->end - c->p) < nbytes) {
		c->overrun = true;
		return;
	}
	for (unsigned i = 0; i < nbytes; i++)
		c->p[i] = (uint8_t)(v >> (8 * i));
	c->p += nbytes;
}

/* The next n bytes, passed over; NULL past the end. */
static uint8_t *
take(struct p9_cur *c, size_t n)
{
	uint8_t *p = c->p;

	if (c->overrun || (size_t)(c->end - c->p) < n) {
		c->overrun = true;
		return NULL;
	}
	c->p += n;
	return p;
}

struct p9_str
p9_get_str(struct p9_cur *c)
{
	struct p9_str s = { NULL, 0 };
	uint16_t n = (uint16_t)p9_get(c, 2);

	s.s = (const char *)take(c, n);
	s.n = s.s ? n : 0;
	return s;
}

void
p9_put_str(struct p9_cur *c, struct p9_str s)
{
	uint8_t *p;

	p9_put(c, 2, s.n);
	p = take(c, s.n);
	if (p && s.n)
		memcpy(p, s.s, s.n);
}

struct ipc_qid
p9_get_qid(struct p9_cur *c)
{
	struct ipc_qid q = { 0 };

	q.type = (uint8_t)p9_get(c, 1);
	q.version = (uint32_t)p9_get(c, 4);
	q.path = p9_get(c, 8);
	return q;
}

void
p9_put_qid(struct p9_cur *c, const struct ipc_qid *q)
{
	p9_put(c, 1, q->type);
	p9_put(c, 4, q->version);
	p9_put(c, 8, q->path);
}

uint64_t
p9_field_get(const struct p9_msg *m, const struct p9_field *f)
{
	const void *p = (const char *)m + f->offset;

	switch (f->member) {
	case 1:
		return *(const uint8_t *)p;
	case 2:
		return *(const uint16_t *)p;
	case 4:
		return *(const uint32_t *)p;
	default:
		return *(const uint64_t *)p;
	}
}

void
p9_field_set(struct p9_msg *m, const struct p9_field *f, uint64_t v)
{
	void *p = (char *)m + f->offset;

	switch (f->member) {
	case 1:
		*(uint8_t *)p = (uint8_t)v;
		break;
	case 2:
		*(uint16_t *)p = (uint16_t)v;
		break;
	case 4:
		*(uint32_t *)p = (uint32_t)v;
		break;
	default:
		*(uint64_t *)p = v;
		break;
	}
}

static void
get_names(struct p9_cur *c, struct p9_msg *m)
{
	unsigned n = (unsigned)p9_get(c, 2);

	if (n > P9_NAMES_MAX)
		c->overrun = true;
	for (unsigned i = 0; i < n && !c->overrun; i++)
		m->wname[i] = p9_get_str(c);
	m->nwname = (uint16_t)n;
}

static void
get_qids(struct p9_cur *c, struct p9_msg *m)
{
	unsigned n = (unsigned)p9_get(c, 2);

	if (n > P9_NAMES_MAX)
		c->overrun = true;
	for (unsigned i = 0; i < n && !c->overrun; i++)
		m->wqid[i] = p9_get_qid(c);
	m->nwqid = (uint16_t)n;
}

static void
get_field(struct p9_cur *c, struct p9_msg *m, const struct p9_field *f)
{
	void *p = (char *)m + f->offset;

	switch (f->kind) {
	case P9_KINT_OPT:
		if (c->p == c->end)
			break;
		/* fallthrough */
	case P9_KINT:
		p9_field_set(m, f, p9_get(c, f->wire));
		break;
	case P9_KSTR:
	case P9_KSTAT:
		*(struct p9_str *)p = p9_get_str(c);
		break;
	case P9_KQID:
		*(struct ipc_qid *)p = p9_get_qid(c);
		break;
	case P9_KNAMES:
		get_names(c, m);
		break;
	case P9_KQIDS:
		get_qids(c, m);
		break;
	default:
		m->count = (uint32_t)p9_get(c, 4);
		m->data = take(c, m->count);
		break;
	}
}

int
p9_unpack(const void *buf, size_t n, enum p9_dialect d, struct p9_msg *m)
{
	struct p9_cur c = { (uint8_t *)buf, (uint8_t *)buf + n, false };
	const struct p9_field *f;
	uint64_t size = p9_get(&c, 4);

	memset(m, 0, offsetof(struct p9_msg, wname));
	m->type = (uint8_t)p9_get(&c, 1);
	m->tag = (uint16_t)p9_get(&c, 2);
	f = p9_fields(d, m->type);
	if (c.overrun || size != n || !f)
		return -EPROTO;
	memset(&m->attr, 0, sizeof *m - offsetof(struct p9_msg, attr));
	for (; f->kind != P9_KEND; f++)
		get_field(&c, m, f);
	return c.overrun || c.p != c.end ? -EPROTO : 0;
}

static void
put_counted(struct p9_cur *c, const struct p9_msg *m, const struct p9_field *f)
{
	unsigned n = f->kind == P9_KNAMES ? m->nwname : m->nwqid;

	if (n > P9_NAMES_MAX) {
		c->overrun = true;
		return;
	}
	p9_put(c, 2, n);
	for (unsigned i = 0; i < n; i++) {
		if (f->kind == P9_KNAMES)
			p9_put_str(c, m->wname[i]);
		else
			p9_put_qid(c, &m->wqid[i]);
	}
}

static void
put_field(struct p9_cur *c, const struct p9_msg *m, const struct p9_field *f)
{
	const void *p = (const char *)m + f->offset;

	switch (f->kind) {
	case P9_KINT:
	case P9_KINT_OPT:
		p9_put(c, f->wire, p9_field_get(m, f));
		break;
	case P9_KSTR:
	case P9_KSTAT:
		p9_put_str(c, *(const struct p9_str *)p);
		break;
	case P9_KQID:
		p9_put_qid(c, p);
		break;
	case P9_KNAMES:
	case P9_KQIDS:
		put_counted(c, m, f);
		break;
	default:
		p9_put(c, 4, m->count);
		break;
	}
}

/* Packs all but bulk data, whose length goes to *bulk. */
static int
pack(uint8_t *buf, size_t n, enum p9_dialect d, const struct p9_msg *m, size_t *bulk)
{
	struct p9_cur c = { buf, buf + n, false };
	const struct p9_field *f = p9_fields(d, m->type);
	size_t length;

	*bulk = 0;
	if (!f)
		return -EINVAL;
	p9_put(&c, 4, 0);
	p9_put(&c, 1, m->type);
	p9_put(&c, 2, m->tag);
	for (; f->kind != P9_KEND; f++) {
		put_field(&c, m, f);
		if (f->kind == P9_KDATA)
			*bulk = m->count;
	}
	length = (size_t)(c.p - buf);
	if (c.overrun || length + *bulk > UINT32_MAX)
		return -EMSGSIZE;
	c.p = buf;
	p9_put(&c, 4, length + *bulk);
	return (int)length;
}

int
p9_pack_head(void *buf, size_t n, enum p9_dialect d, const struct p9_msg *m)
{
	size_t bulk;

	return pack(buf, n, d, m, &bulk);
}

int
p9_pack(void *buf, size_t n, enum p9_dialect d, const struct p9_msg *m)
{
	size_t bulk;
	int head = pack(buf, n, d, m, &bulk);

	if (head < 0)
		return head;
	if (bulk > n - (size_t)head || bulk > (size_t)INT32_MAX - (size_t)head)
		return -EMSGSIZE;
	if (bulk)
		memcpy((uint8_t *)buf + head, m->data, bulk);
	return head + (int)bulk;
}

struct p9_str
p9_str(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	return (struct p9_str){ s, (uint16_t)(n > 0xffff ? 0xffff : n) };
}

bool
p9_str_eq(struct p9_str a, const char *b)
{
	return strlen(b) == a.n && (a.n == 0 || memcmp(a.s, b, a.n) == 0);
}

const char *
p9_type_name(enum p9_dialect d, unsigned type)
{
	return p9_fields(d, type) ? p9_table[type].name : NULL;
}
