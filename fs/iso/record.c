/*
 * Directory records, dates, and numbers in both byte orders [ECMA-119, 7.2, 7.3, 8.4.26, 9.1].
 * Pure.
 *
 *	0	length of the record		26	file unit size
 *	1	of an extended attribute record	27	interleave gap
 *	2	extent: block, both orders	28	volume in the set, both orders
 *	10	bytes, both orders		32	length of the name
 *	18	date				33	name; a byte if that is even;
 *	25	flags					system use
 */
#include <errno.h>
#include "iso.h"

enum { NAME_AT = 33, QUARTER = 15 * 60, DAY = 86400 };

static uint32_t
le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

bool
iso_both32(const uint8_t *p, uint32_t *v)
{
	*v = le32(p);
	return *v == __builtin_bswap32(le32(p + 4));
}

bool
iso_both16(const uint8_t *p, uint32_t *v)
{
	*v = p[0] | (uint32_t)p[1] << 8;
	return p[0] == p[3] && p[1] == p[2];
}

/* Days from 1970 to the first of March before or on, counted in years that begin then. */
static int64_t
days(int64_t year, unsigned month, unsigned day)
{
	unsigned m = month > 2 ? month - 3 : month + 9;
	int64_t y = month > 2 ? year : year - 1;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

struct fields {
	unsigned month, day, hour, minute, second;
	int64_t year;
	int8_t zone; /* quarters of an hour east of Greenwich */
};

static int64_t
seconds(const struct fields *f)
{
	if (f->month < 1 || f->month > 12 || f->day < 1 || f->day > 31 || f->hour > 23 ||
	    f->minute > 59 || f->second > 60)
		return 0;
	return days(f->year, f->month, f->day) * DAY + f->hour * 3600 + f->minute * 60 + f->second -
	       f->zone * QUARTER;
}

int64_t
iso_date(const uint8_t b[ISO_DATE])
{
	struct fields f = { b[1], b[2], b[3], b[4], b[5], 1900 + b[0], (int8_t)b[6] };

	return seconds(&f);
}

static unsigned
digits(const uint8_t *p, unsigned n)
{
	unsigned v = 0;

	for (unsigned i = 0; i < n; i++)
		v = p[i] >= '0' && p[i] <= '9' ? v * 10 + (p[i] - '0') : 10000;
	return v;
}

int64_t
iso_date_long(const uint8_t b[ISO_DATE_LONG])
{
	struct fields f = { digits(b + 4, 2),  digits(b + 6, 2),  digits(b + 8, 2),
			    digits(b + 10, 2), digits(b + 12, 2), digits(b, 4),
			    (int8_t)b[16] };

	return f.year > 9999 ? 0 : seconds(&f);
}

int
iso_record_decode(const uint8_t *p, size_t left, bool check, struct iso_record *out)
{
	size_t len = left ? p[0] : 0, at;
	bool same;

	if (len < ISO_RECORD_MIN || len > left)
		return iso_error(EUCLEAN, "record of %zu bytes where there are %zu", len, left);
	out->len = p[0];
	out->ear = p[1];
	same = iso_both32(p + 2, &out->block);
	same &= iso_both32(p + 10, &out->bytes);
	if (check && !same)
		return iso_error(EUCLEAN, "its two byte orders tell of different extents");
	out->time = iso_date(p + 18);
	out->flags = p[25];
	out->unit = p[26];
	out->gap = p[27];
	out->name_len = p[32];
	out->name = p + NAME_AT;
	at = NAME_AT + (size_t)out->name_len;
	if (!out->name_len || at > len)
		return iso_error(EUCLEAN, "name of %u bytes in a record of %zu", out->name_len,
				 len);
	at += !(out->name_len & 1);
	if (at > len)
		at = len;
	out->system = p + at;
	out->system_len = (uint8_t)(len - at);
	return 0;
}
