/*
 * Text files of one `name value` record a line: splitting, numbers, reading and writing whole
 * files.  Everything is bounded by the caller's buffer; no memory is allocated.
 */
#include "sip.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

bool
text_line(const char **p, const char *end, char line[TEXT_LINE_MAX], bool *toolong)
{
	if (*p >= end)
		return false;
	const char *from = *p;
	const char *nl = memchr(from, '\n', (size_t)(end - from));
	const char *to = nl ? nl : end;
	*p = nl ? nl + 1 : end;
	while (from < to && blank(*from))
		from++;
	while (to > from && blank(to[-1]))
		to--;
	size_t n = (size_t)(to - from);
	*toolong = n >= TEXT_LINE_MAX;
	if (*toolong)
		n = TEXT_LINE_MAX - 1;
	memcpy(line, from, n);
	line[n] = '\0';
	return true;
}

char *
text_word(char **p)
{
	char *s = *p;
	while (blank(*s))
		s++;
	if (!*s)
		return NULL;
	char *e = s;
	while (*e && !blank(*e))
		e++;
	if (*e)
		*e++ = '\0';
	while (blank(*e))
		e++;
	*p = e;
	return s;
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static const char *
scan_number(const char *s, uint64_t *out)
{
	uint64_t value = 0, base = 10;
	if (s[0] == '0' && (s[1] | 0x20) == 'x') {
		base = 16;
		s += 2;
	}
	const char *first = s;
	for (; (uint64_t)digit(*s) < base; s++)
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit(*s), &value))
			return NULL;
	*out = value;
	return s == first ? NULL : s;
}

bool
text_number(const char *s, uint64_t max, uint64_t *out)
{
	const char *e = scan_number(s, out);
	return e && !*e && *out <= max;
}

bool
text_size(const char *s, uint64_t *out)
{
	static const char units[] = "kmgt";
	const char *e = scan_number(s, out);
	if (!e)
		return false;
	if (!*e)
		return true;
	const char *u = strchr(units, *e | 0x20);
	if (!u || e[1])
		return false;
	uint64_t unit = 1ULL << (10 * (u - units + 1));
	return !__builtin_mul_overflow(*out, unit, out);
}

long
text_read_fd(int fd, char *buf, size_t n)
{
	size_t have = 0;
	while (have < n) {
		ssize_t got = read(fd, buf + have, n - have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	if (have == n)
		return -E2BIG;
	buf[have] = '\0';
	return (long)have;
}

long
text_read_file(const char *path, char *buf, size_t n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	long got = text_read_fd(fd, buf, n);
	close(fd);
	return got;
}

int
text_write_fd(int fd, const char *text, size_t n)
{
	ssize_t put;
	do
		put = write(fd, text, n);
	while (put < 0 && errno == EINTR);
	if (put < 0)
		return -errno;
	return (size_t)put == n ? 0 : -EIO;
}

int
sip_field(const char *text, const char *name, char *out, size_t n)
{
	const char *p = text, *end = text + strlen(text);
	char line[TEXT_LINE_MAX];
	bool toolong;
	while (text_line(&p, end, line, &toolong)) {
		char *rest = line;
		char *word = text_word(&rest);
		if (!word || strcmp(word, name) != 0)
			continue;
		size_t len = strlen(rest);
		if (len >= n)
			return -E2BIG;
		memcpy(out, rest, len + 1);
		return (int)len;
	}
	return -ENOENT;
}
