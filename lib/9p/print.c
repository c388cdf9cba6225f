/*
 * A message as one readable line, from the table: "Tread tag 3 fid 7 offset 0 count 4096".
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "table.h"

struct out {
	char *p;
	size_t n, used;
};

static void __attribute__((format(printf, 2, 3)))
say(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->p + o->used, o->n - o->used, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->used += (size_t)n < o->n - o->used ? (size_t)n : o->n - o->used - 1;
}

/* Foreign bytes are shown, never passed on: anything but printable ASCII as \xNN. */
static void
say_str(struct out *o, struct p9_str s)
{
	say(o, "\"");
	for (unsigned i = 0; i < s.n && i < P9_NAME_MAX; i++) {
		unsigned char ch = (unsigned char)s.s[i];

		if (ch >= 0x20 && ch < 0x7f && ch != '"' && ch != '\\')
			say(o, "%c", ch);
		else
			say(o, "\\x%02x", ch);
	}
	say(o, s.n > P9_NAME_MAX ? "...\"" : "\"");
}

static void
say_qid(struct out *o, const struct ipc_qid *q)
{
	say(o, "(%02x %u %#llx)", q->type, q->version, (unsigned long long)q->path);
}

static void
say_stat(struct out *o, struct p9_str raw)
{
	struct p9_stat s;

	if (raw.n == 0 || p9_stat_unpack(raw.s, raw.n, &s) != raw.n) {
		say(o, "malformed, %u bytes", raw.n);
		return;
	}
	say_str(o, s.name);
	say(o, " ");
	say_qid(o, &s.qid);
	say(o, " mode %#o length %llu", s.mode, (unsigned long long)s.length);
}

static void
say_field(struct out *o, const struct p9_msg *m, const struct p9_field *f)
{
	const void *p = (const char *)m + f->offset;

	say(o, " %s ", f->kind == P9_KNAMES ? "names" : f->kind == P9_KQIDS ? "qids" : f->name);
	switch (f->kind) {
	case P9_KSTR:
		say_str(o, *(const struct p9_str *)p);
		break;
	case P9_KSTAT:
		say_stat(o, *(const struct p9_str *)p);
		break;
	case P9_KQID:
		say_qid(o, p);
		break;
	case P9_KNAMES:
		say(o, "%u", m->nwname);
		for (unsigned i = 0; i < m->nwname && i < P9_NAMES_MAX; i++) {
			say(o, " ");
			say_str(o, m->wname[i]);
		}
		break;
	case P9_KQIDS:
		say(o, "%u", m->nwqid);
		for (unsigned i = 0; i < m->nwqid && i < P9_NAMES_MAX; i++) {
			say(o, " ");
			say_qid(o, &m->wqid[i]);
		}
		break;
	default:
		say(o, "%llu", (unsigned long long)p9_field_get(m, f));
		break;
	}
}

int
p9_print(char *buf, size_t n, enum p9_dialect d, const struct p9_msg *m)
{
	struct out o = { buf, n, 0 };
	const struct p9_field *f = p9_fields(d, m->type);

	if (n == 0)
		return 0;
	buf[0] = 0;
	if (!f) {
		say(&o, "type %u tag %u", m->type, m->tag);
		return (int)o.used;
	}
	say(&o, "%s tag %u", p9_table[m->type].name, m->tag);
	for (; f->kind != P9_KEND; f++)
		say_field(&o, m, f);
	return (int)o.used;
}
