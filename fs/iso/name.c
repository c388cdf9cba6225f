/*
 * Names: of the plain tree [ECMA-119, 7.5], and of Joliet's, which are UTF-16 in big-endian order.
 * Pure.
 */
#include <stdio.h>
#include <string.h>
#include "iso.h"

enum { UTF8_MAX = 4, MARK_MAX = 18 };

bool
iso_name_ok(const char *name, size_t n)
{
	if (n == 0 || n > ISO_NAME_MAX || memchr(name, '/', n) || memchr(name, 0, n))
		return false;
	return !(name[0] == '.' && (n == 1 || (n == 2 && name[1] == '.')));
}

/* The length without ";1" and, after that, without a dot at its end. */
static size_t
without_version(const char *name, size_t n)
{
	if (n >= 2 && name[n - 1] == '1' && name[n - 2] == ';')
		n -= 2;
	return n;
}

size_t
iso_name_plain(const uint8_t *p, size_t n, char out[ISO_NAME_MAX + 1])
{
	for (size_t i = 0; i < n; i++) {
		char c = (char)p[i];

		out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c == '/' || !c ? '_' : c;
	}
	n = without_version(out, n);
	if (n > 1 && out[n - 1] == '.')
		n--;
	out[n] = '\0';
	return iso_name_ok(out, n) ? n : 0;
}

static size_t
utf8(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The character at p, and in *used how many bytes it has. */
static uint32_t
utf16(const uint8_t *p, size_t n, size_t *used)
{
	uint32_t c = (uint32_t)p[0] << 8 | p[1], low;

	*used = 2;
	if (c >= 0xd800 && c < 0xdc00 && n >= 4) {
		low = (uint32_t)p[2] << 8 | p[3];
		if (low >= 0xdc00 && low < 0xe000) {
			*used = 4;
			return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		}
	}
	return !c || c == '/' || (c >= 0xd800 && c < 0xe000) ? '_' : c;
}

size_t
iso_name_joliet(const uint8_t *p, size_t n, uint64_t at, char out[ISO_NAME_MAX + 1])
{
	char long_name[128 * UTF8_MAX];
	size_t len = 0, used;

	n &= ~(size_t)1;
	if (n > 254)
		n = 254;
	for (size_t i = 0; i < n; i += used)
		len += utf8(utf16(p + i, n - i, &used), long_name + len);
	len = without_version(long_name, len);
	if (len > ISO_NAME_MAX) {
		len = ISO_NAME_MAX - MARK_MAX;
		while (len && (long_name[len] & 0xc0) == 0x80)
			len--;
		len += (size_t)snprintf(long_name + len, MARK_MAX, "~%llx", (unsigned long long)at);
	}
	memcpy(out, long_name, len);
	out[len] = '\0';
	return iso_name_ok(out, len) ? len : 0;
}
