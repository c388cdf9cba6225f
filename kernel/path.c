/*
 * Paths: the names that channels were reached by, immutable and counted.
 *
 * The text is clean: "/", or "/" and names with one '/' between them; no ".", "..", empty name or
 * '/' at the end.  That of a kernel device's own tree begins "#name" in place of "/".
 */
#include "name.h"

static struct path *
path_alloc(size_t n)
{
	struct path *p = kmalloc(sizeof(*p) + n + 1);

	if (p) {
		p->refs = 1;
		p->length = (uint16_t)n;
		p->text[n] = '\0';
	}
	return p;
}

struct path *
path_new(const char *text, size_t n)
{
	struct path *p = path_alloc(n);

	if (p)
		memcpy(p->text, text, n);
	return p;
}

void
path_put(struct path *p)
{
	if (p && ref_put(&p->refs))
		kfree(p);
}

int
path_join(struct path *p, const char *const *names, int n, struct path **out)
{
	size_t base = p->length, length, at;
	struct path *q;

	if (base == 1 && p->text[0] == '/')
		base = 0;
	length = base;
	for (int i = 0; i < n; i++)
		length += 1 + strlen(names[i]);
	if (length >= SYS_PATH_MAX)
		return -ENAMETOOLONG;
	q = path_alloc(MAX(length, 1ul));
	if (q == NULL)
		return -ENOMEM;
	q->text[0] = '/';
	memcpy(q->text, p->text, base);
	at = base;
	for (int i = 0; i < n; i++) {
		size_t k = strlen(names[i]);

		q->text[at] = '/';
		memcpy(q->text + at + 1, names[i], k);
		at += 1 + k;
	}
	*out = q;
	return 0;
}

size_t
path_parent(const char *text, size_t n)
{
	size_t i = n;

	while (i > 0 && text[i - 1] != '/')
		i--;
	if (i == 0)
		return n;		/* "#name": its own parent */
	return i == 1 ? 1 : i - 1;
}

const char *
chan_path(const struct chan *c)
{
	return c->path ? c->path->text : "";
}
