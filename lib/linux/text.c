/*
 * Strings and small files, without a C library.
 */
#include "linux.h"

size_t
text_length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

bool
text_is(const char *s, const char *other)
{
	const char *rest = text_after(s, other);

	return rest && *rest == '\0';
}

const char *
text_after(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return NULL;
	return s;
}

size_t
text_copy(char *dst, const char *src, size_t n)
{
	return text_add(dst, 0, n, src);
}

size_t
text_add(char *dst, size_t at, size_t n, const char *src)
{
	while (*src && at + 1 < n)
		dst[at++] = *src++;
	dst[at] = '\0';
	return at;
}

size_t
text_add_number(char *dst, size_t at, size_t n, int64_t v)
{
	char digits[24];
	size_t i = sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	digits[--i] = '\0';
	do
		digits[--i] = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		digits[--i] = '-';
	return text_add(dst, at, n, digits + i);
}

int64_t
text_number(const char **s)
{
	const char *p = *s;
	bool negative;
	uint64_t v = 0;

	while (*p == ' ' || *p == '\t')
		p++;
	negative = *p == '-';
	if (negative)
		p++;
	while (*p >= '0' && *p <= '9')
		v = v * 10 + (uint64_t)(*p++ - '0');
	*s = p;
	return (int64_t)(negative ? 0 - v : v);
}

int64_t
text_line_value(const char *text, const char *name)
{
	while (*text) {
		const char *v = text_after(text, name);

		if (v && (*v == ' ' || *v == '\t'))
			return text_number(&v);
		while (*text && *text++ != '\n')
			;
	}
	return -1;
}

long
text_read_file(const char *path, char *buf, size_t n)
{
	long fd = lux_call4(SYS_OPEN, SYS_CWD, LUX_ARG(path), SYS_O_RDONLY | SYS_O_CLOEXEC, 0);
	size_t at = 0;
	long r = 0;

	if (fd < 0)
		return fd;
	while (at + 1 < n) {
		r = lux_call4(SYS_PREAD, fd, LUX_ARG(buf + at), LUX_ARG(n - 1 - at), -1);
		if (r <= 0)
			break;
		at += (size_t)r;
	}
	lux_call1(SYS_CLOSE, fd);
	buf[at] = '\0';
	return r < 0 ? r : (long)at;
}

long
text_write_file(const char *path, const char *text)
{
	long fd = lux_call4(SYS_OPEN, SYS_CWD, LUX_ARG(path), SYS_O_WRONLY | SYS_O_CLOEXEC, 0);
	long r;

	if (fd < 0)
		return fd;
	r = lux_call4(SYS_PWRITE, fd, LUX_ARG(text), LUX_ARG(text_length(text)), -1);
	lux_call1(SYS_CLOSE, fd);
	return r < 0 ? r : 0;
}
