/* The shell's memory: chunks that are freed together, back to a mark. */
#include "sh.h"

#define CHUNK_BYTES	16384

struct arena_chunk {
	struct arena_chunk *below;
	size_t used, size;
	_Alignas(16) char data[];
};

static void
no_memory(void)
{
	static const char text[] = "sh: memory: none left\n";

	(void)!write(2, text, sizeof(text) - 1);
	_exit(1);
}

void *
arena_get(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->top;

	n = (n + 15) & ~(size_t)15;
	if (!c || c->size - c->used < n) {
		size_t size = n > CHUNK_BYTES ? n : CHUNK_BYTES;

		c = malloc(sizeof(*c) + size);
		if (!c)
			no_memory();
		c->below = a->top;
		c->used = 0;
		c->size = size;
		a->top = c;
	}
	c->used += n;
	return memset(c->data + c->used - n, 0, n);
}

char *
arena_copy(struct arena *a, const char *text, size_t n)
{
	char *s = arena_get(a, n + 1);

	memcpy(s, text, n);
	return s;
}

struct arena_mark
arena_mark(const struct arena *a)
{
	return (struct arena_mark){ .chunk = a->top, .used = a->top ? a->top->used : 0 };
}

void
arena_release(struct arena *a, struct arena_mark mark)
{
	while (a->top != mark.chunk) {
		struct arena_chunk *c = a->top;

		a->top = c->below;
		free(c);
	}
	if (a->top)
		a->top->used = mark.used;
}

void
text_add(struct text *t, const char *s, size_t n)
{
	if (!t->s || t->cap - t->n < n + 1) {
		size_t cap = 2 * (t->n + n) + 64;
		char *grown = arena_get(t->arena, cap);

		if (t->s)
			memcpy(grown, t->s, t->n);
		t->s = grown;
		t->cap = cap;
	}
	memcpy(t->s + t->n, s, n);
	t->n += n;
	t->s[t->n] = '\0';
}

void
text_char(struct text *t, char c)
{
	text_add(t, &c, 1);
}

const char *
text_end(struct text *t)
{
	if (!t->s)
		text_add(t, "", 0);
	return t->s;
}
