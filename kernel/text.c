/* Texts of files, and the words and numbers of commands. */
#include "kernel.h"

void
text_add(struct text *t, const char *fmt, ...)
{
	size_t room = t->n - t->at;
	va_list ap;

	va_start(ap, fmt);
	t->at += MIN((size_t)kvsnprintf(t->buf + t->at, room, fmt, ap), room - 1);
	va_end(ap);
}

int
text_words(char *s, char **words, int max)
{
	int n = 0;

	for (;;) {
		while (*s == ' ' || *s == '\t' || *s == '\n')
			*s++ = '\0';
		if (*s == '\0')
			return n;
		if (n == max)
			return -1;
		words[n++] = s;
		while (*s != '\0' && *s != ' ' && *s != '\t' && *s != '\n')
			s++;
	}
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* The number at the start of s, and where it ends; NULL if there is none or it is too large. */
static const char *
number(const char *s, uint64_t max, uint64_t *out)
{
	unsigned base = 10;
	uint64_t v = 0;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	if ((unsigned)digit(*s) >= base)
		return NULL;
	for (; (unsigned)digit(*s) < base; s++) {
		uint64_t d = (uint64_t)digit(*s);

		if (v > (max - MIN(d, max)) / base || v * base + d > max)
			return NULL;
		v = v * base + d;
	}
	*out = v;
	return s;
}

int
text_number(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t v;
	const char *end = number(s, max, &v);

	if (end == NULL || *end != '\0')
		return -EINVAL;
	*out = v;
	return 0;
}

int
text_size(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t v;
	const char *end = number(s, max, &v);
	unsigned shift = 0;

	if (end == NULL)
		return -EINVAL;
	if (*end != '\0') {
		if (end[1] != '\0')
			return -EINVAL;
		switch (*end | 0x20) {
		case 'k': shift = 10; break;
		case 'm': shift = 20; break;
		case 'g': shift = 30; break;
		default: return -EINVAL;
		}
	}
	if (v > max >> shift)
		return -EINVAL;
	*out = v << shift;
	return 0;
}
