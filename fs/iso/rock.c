/*
 * System use areas [SUSP 1.12] with Rock Ridge in them [RRIP 1.12].
 *
 * An area is a list of entries: a name of two letters, length, version, data.  One entry, CE, tells
 * where the list goes on, in another block; at most AREAS_MAX such jumps are followed, so a loop
 * ends.
 * An area ends at an entry ST, and where fewer than four bytes or only zeros are left.
 *
 *	PX mode, links, owner	NM name, in pieces		CL the directory it stands for
 *	PN device		SL target, in components	PL the parent of a moved directory
 *	TF times		ZF, SF: contents coded		RE moved here: not to be seen
 */
#include <errno.h>
#include <string.h>
#include "iso.h"

enum {
	HEAD = 4, /* name, length, version */
	AREAS_MAX = 32,
	AREA_MAX = ISO_SECTOR,
	SP_SIZE = 7,
	XA_SIZE = 14, /* what CD-ROM XA puts before */
};

enum { NM_CONTINUE = 1, NM_CURRENT = 2, NM_PARENT = 4 };
enum { SL_CONTINUE = 1, SL_CURRENT = 2, SL_PARENT = 4, SL_ROOT = 8 };
enum { TF_LONG = 0x80 };

static bool
is(const uint8_t *e, const char *name)
{
	return e[0] == (uint8_t)name[0] && e[1] == (uint8_t)name[1];
}

int
iso_rock_skip(const uint8_t *system, size_t n)
{
	for (size_t at = 0; at <= XA_SIZE; at += XA_SIZE) {
		const uint8_t *e = system + at;

		if (at + SP_SIZE <= n && is(e, "SP") && e[2] >= SP_SIZE && e[4] == 0xbe &&
		    e[5] == 0xef)
			return e[6];
	}
	return -1;
}

/* --- entries: n bytes of data after the head ------------------------------------------------- */

/* The k-th field of 4 bytes in both orders; false, with an error to be told, if it is not there. */
static bool
number(const struct iso_fs *fs, const uint8_t *data, size_t n, unsigned k, uint32_t *v)
{
	if (n < 8 * ((size_t)k + 1))
		return false;
	return iso_both32(data + 8 * (size_t)k, v) || fs->opt.nocheck;
}

static bool
entry_px(const struct iso_fs *fs, const uint8_t *data, size_t n, struct iso_rock *r)
{
	r->has_mode = true;
	return number(fs, data, n, 0, &r->mode) && number(fs, data, n, 1, &r->nlink) &&
	       number(fs, data, n, 2, &r->uid) && number(fs, data, n, 3, &r->gid);
}

/* As Linux's makedev: writers put all into the low word when it has room [RRIP 4.1.2]. */
static bool
entry_pn(const struct iso_fs *fs, const uint8_t *data, size_t n, struct iso_rock *r)
{
	uint32_t high, low, major, minor;

	if (!number(fs, data, n, 0, &high) || !number(fs, data, n, 1, &low))
		return false;
	major = high ? high : low >> 8;
	minor = high ? low : low & 0xff;
	r->has_device = true;
	r->rdev = (uint64_t)(major & 0xfff) << 8 | (minor & 0xff) |
		  (uint64_t)(minor & 0xfff00) << 12;
	return true;
}

static bool
entry_nm(const uint8_t *data, size_t n, struct iso_rock *r)
{
	if (n < 1)
		return false;
	if (r->name_over || data[0] & (NM_CURRENT | NM_PARENT))
		return true;
	if (n - 1 > ISO_NAME_MAX - r->name_len)
		return false;
	memcpy(r->name + r->name_len, data + 1, n - 1);
	r->name_len += n - 1;
	r->name[r->name_len] = '\0';
	r->name_over = !(data[0] & NM_CONTINUE);
	return true;
}

static bool
add_link(struct iso_rock *r, const void *s, size_t n)
{
	if (n > ISO_LINK_MAX - r->link_len || memchr(s, 0, n))
		return false;
	memcpy(r->link + r->link_len, s, n);
	r->link_len += n;
	r->link[r->link_len] = '\0';
	return true;
}

static bool
add_component(struct iso_rock *r, uint8_t flags, const uint8_t *s, size_t n)
{
	bool joins = r->link_joins, ok = true;

	r->link_joins = flags & SL_CONTINUE;
	if (flags & SL_ROOT)
		return r->link_len == 0 && add_link(r, "/", 1);
	if (!joins && r->link_len && r->link[r->link_len - 1] != '/')
		ok = add_link(r, "/", 1);
	if (flags & SL_CURRENT)
		return ok && add_link(r, ".", 1);
	if (flags & SL_PARENT)
		return ok && add_link(r, "..", 2);
	return ok && add_link(r, s, n);
}

static bool
entry_sl(const uint8_t *data, size_t n, struct iso_rock *r)
{
	if (n < 1)
		return false;
	if (r->link_over)
		return true;
	for (size_t at = 1; at < n;) {
		if (n - at < 2 || n - at - 2 < data[at + 1])
			return false;
		if (!add_component(r, data[at], data + at + 2, data[at + 1]))
			return false;
		at += 2 + (size_t)data[at + 1];
	}
	r->link_over = !(data[0] & SL_CONTINUE);
	return true;
}

static bool
entry_tf(const uint8_t *data, size_t n, struct iso_rock *r)
{
	size_t size, at = 1;

	if (n < 1)
		return false;
	size = data[0] & TF_LONG ? ISO_DATE_LONG : ISO_DATE;
	for (unsigned i = 0; i < ISO_NTIMES; i++) {
		if (!(data[0] >> i & 1))
			continue;
		if (n - at < size)
			return false;
		r->time[i] = size == ISO_DATE ? iso_date(data + at) : iso_date_long(data + at);
		r->has_times |= 1u << i;
		at += size;
	}
	return true;
}

static bool
entry_zf(const uint8_t *data, size_t n, struct iso_rock *r)
{
	if (n < 2)
		return false;
	r->compressed = true;
	for (unsigned i = 0; i < 2; i++)
		r->algorithm[i] = data[i] > ' ' && data[i] < 0x7f ? (char)data[i] : '?';
	return true;
}

static bool
entry_ce(const struct iso_fs *fs, const uint8_t *data, size_t n, struct iso_rock *r)
{
	return number(fs, data, n, 0, &r->ce_block) && number(fs, data, n, 1, &r->ce_offset) &&
	       number(fs, data, n, 2, &r->ce_bytes);
}

/* long: a table of cases.  False: the entry is damaged. */
static bool
entry(const struct iso_fs *fs, const uint8_t *e, struct iso_rock *r)
{
	const uint8_t *data = e + HEAD;
	size_t n = e[2] - (size_t)HEAD;

	if (is(e, "PX"))
		return entry_px(fs, data, n, r);
	if (is(e, "PN"))
		return entry_pn(fs, data, n, r);
	if (is(e, "NM"))
		return entry_nm(data, n, r);
	if (is(e, "SL"))
		return entry_sl(data, n, r);
	if (is(e, "TF"))
		return entry_tf(data, n, r);
	if (is(e, "ZF"))
		return entry_zf(data, n, r);
	if (is(e, "CE"))
		return entry_ce(fs, data, n, r);
	if (is(e, "CL"))
		return (r->is_child = number(fs, data, n, 0, &r->child));
	if (is(e, "PL"))
		return (r->has_parent = number(fs, data, n, 0, &r->parent));
	if (is(e, "RE"))
		r->is_moved = true;
	else if (is(e, "SF"))
		r->sparse = true;
	else if (is(e, "ST"))
		r->stopped = true;
	return true;
}

/* --- areas ----------------------------------------------------------------------------------- */

static int
area(const struct iso_fs *fs, const uint8_t *p, size_t n, struct iso_rock *r)
{
	r->ce_bytes = 0;
	r->stopped = false;
	while (n >= HEAD && (p[0] || p[1]) && !r->stopped) {
		if (p[2] < HEAD || p[2] > n)
			return iso_error(EUCLEAN, "entry %02x%02x of %u bytes where there are %zu",
					 p[0], p[1], p[2], n);
		if (!entry(fs, p, r))
			return iso_error(EUCLEAN, "entry %c%c is damaged", p[0], p[1]);
		n -= p[2];
		p += p[2];
	}
	return 0;
}

void
iso_rock_clear(struct iso_rock *r)
{
	memset(r, 0, offsetof(struct iso_rock, name));
	r->name[0] = r->link[0] = '\0';
}

int
iso_rock_read(struct iso_fs *fs, const uint8_t *system, size_t n, struct iso_rock *r)
{
	uint8_t buf[AREA_MAX];
	int err;

	iso_rock_clear(r);
	err = n > fs->skip ? area(fs, system + fs->skip, n - fs->skip, r) : 0;
	for (unsigned i = 0; err == 0 && r->ce_bytes; i++) {
		uint64_t off = (uint64_t)r->ce_block * fs->volume.block_size + r->ce_offset;
		uint32_t bytes = r->ce_bytes;

		if (i == AREAS_MAX)
			return iso_error(EUCLEAN, "more than %d continuation areas", AREAS_MAX);
		if (bytes > AREA_MAX)
			return iso_error(EUCLEAN, "continuation area of %u bytes", bytes);
		err = iso_read(fs, off, buf, bytes);
		if (err == 0)
			err = area(fs, buf, bytes, r);
	}
	return err;
}
