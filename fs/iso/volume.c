/*
 * Volume descriptors, and which tree of which session is served [ECMA-119, 8].
 *
 * A session has descriptors from its sector 16 on.  The last one counts: a drive tells where it
 * begins, and an image is searched, from the end of each session, for SEARCH_SECTORS; what is found
 * must have its root directory in itself, since an image of another volume inside a file would not.
 *
 * Of one session the tree is the primary one with Rock Ridge, else Joliet's, else the primary one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "iso.h"

enum {
	TYPE_PRIMARY = 1,
	TYPE_SUPPLEMENTARY = 2,
	TYPE_END = 255,
	FIRST_SECTOR = 16,
	DESCRIPTORS_MAX = 64,
	SESSIONS_MAX = 99,
	SEARCH_SECTORS = 32768, /* more than lead-out, lead-in and pre-gap between two sessions */
	BATCH = 16,             /* sectors read at a time when searching */
	VERSION_ENHANCED = 2,
	ESCAPES = 88,
};

static bool
is_joliet(const uint8_t *s)
{
	return s[ESCAPES] == '%' && s[ESCAPES + 1] == '/' &&
	       (s[ESCAPES + 2] == '@' || s[ESCAPES + 2] == 'C' || s[ESCAPES + 2] == 'E');
}

static void
take_label(const uint8_t *s, struct iso_volume *v)
{
	char name[ISO_NAME_MAX + 1] = "";
	size_t n = v->joliet ? iso_name_joliet(s + 40, 32, 0, name)
			     : (memcpy(name, s + 40, 32), (size_t)32);

	while (n && (name[n - 1] == ' ' || !name[n - 1]))
		n--;
	if (n >= sizeof v->label)
		n = sizeof v->label - 1;
	for (size_t i = 0; i < n; i++)
		v->label[i] = name[i] > 0 && name[i] < ' ' ? '_' : name[i];
	v->label[n] = '\0';
}

static int
check_numbers(const struct iso_volume *v)
{
	if (v->block_size != 512 && v->block_size != 1024 && v->block_size != ISO_SECTOR)
		return iso_error(EUCLEAN, "iso: blocks of %u bytes", v->block_size);
	if (!v->nblocks)
		return iso_error(EUCLEAN, "iso: a volume without blocks");
	return 0;
}

int
iso_volume_decode(const uint8_t s[ISO_SECTOR], bool check, struct iso_volume *v)
{
	struct iso_record root;
	bool same;
	int err;

	if (memcmp(s + 9, "CDROM", 5) == 0)
		return iso_error(ENOTSUP,
				 "iso: High Sierra, the format before ISO 9660, is not read");
	if (memcmp(s + 1, "CD001", 5) != 0)
		return -ENOENT;
	v->joliet = s[0] == TYPE_SUPPLEMENTARY && s[6] != VERSION_ENHANCED && is_joliet(s);
	if (s[0] != TYPE_PRIMARY && !v->joliet)
		return -ENOENT;
	same = iso_both32(s + 80, &v->nblocks);
	same &= iso_both16(s + 128, &v->block_size);
	if (check && !same)
		return iso_error(EUCLEAN, "iso: volume descriptor: its byte orders differ");
	err = check_numbers(v);
	if (err < 0)
		return err;
	if (iso_record_decode(s + 156, ISO_RECORD_MIN, check, &root) < 0 ||
	    !(root.flags & ISO_FLAG_DIR))
		return iso_error(EUCLEAN, "iso: volume descriptor: no root directory in it");
	v->root_block = root.block + root.ear;
	v->root_bytes = root.bytes;
	take_label(s, v);
	return 0;
}

/* --- one session ----------------------------------------------------------------------------- */

struct session {
	struct iso_volume primary, joliet;
	bool has_primary, has_joliet;
};

static int
read_descriptors(struct iso_fs *fs, uint64_t start, struct session *out)
{
	uint8_t s[ISO_SECTOR];

	out->has_primary = out->has_joliet = false;
	for (unsigned i = 0; i < DESCRIPTORS_MAX; i++) {
		struct iso_volume v;
		int err = iso_read(fs, (start + FIRST_SECTOR + i) * ISO_SECTOR, s, sizeof s);

		if (err == -EUCLEAN && i)
			break; /* the device ends here */
		if (err < 0)
			return err;
		err = iso_volume_decode(s, !fs->opt.nocheck, &v);
		if (err < 0 && err != -ENOENT)
			return err;
		if (err == 0 && v.joliet && !out->has_joliet) {
			out->joliet = v;
			out->has_joliet = true;
		} else if (err == 0 && !v.joliet && !out->has_primary) {
			out->primary = v;
			out->has_primary = true;
		}
		if (memcmp(s + 1, "BEA01", 5) == 0 && !out->has_primary)
			return iso_error(ENOTSUP, "iso: UDF, which is not read");
		if (s[0] == TYPE_END || memcmp(s + 1, "CD001", 5) != 0)
			break;
	}
	if (!out->has_primary)
		return iso_error(EUCLEAN, "iso: no volume descriptor at sector %llu",
				 (unsigned long long)start + FIRST_SECTOR);
	return 0;
}

/* The root's first record, of a volume: 0 with its system use area, or -EUCLEAN. */
static int
read_root(struct iso_fs *fs, const struct iso_volume *v, uint8_t buf[ISO_RECORD_MAX],
	  struct iso_record *r)
{
	uint64_t off = (uint64_t)v->root_block * v->block_size;
	int err = iso_read(fs, off, buf, ISO_RECORD_MAX);

	if (err == 0)
		err = iso_record_decode(buf, ISO_RECORD_MAX, !fs->opt.nocheck, r);
	if (err == -EUCLEAN ||
	    (err == 0 && (r->name_len != 1 || r->name[0] || !(r->flags & ISO_FLAG_DIR) ||
			  r->block + r->ear != v->root_block)))
		return iso_error(EUCLEAN, "iso: no root directory at block %u", v->root_block);
	return err;
}

static int
choose_tree(struct iso_fs *fs, const struct session *s)
{
	uint8_t buf[ISO_RECORD_MAX];
	struct iso_record root;
	int skip = -1, err;

	err = read_root(fs, &s->primary, buf, &root);
	if (err == 0)
		skip = iso_rock_skip(root.system, root.system_len);
	else if (!s->has_joliet)
		return err;
	if (skip >= 0 && !fs->opt.norock)
		fs->kind = ISO_ROCK;
	else if (s->has_joliet && !fs->opt.nojoliet)
		fs->kind = ISO_JOLIET;
	else
		fs->kind = ISO_PLAIN;
	fs->skip = fs->kind == ISO_ROCK ? (unsigned)skip : 0;
	fs->volume = fs->kind == ISO_JOLIET ? s->joliet : s->primary;
	fs->root = (uint64_t)fs->volume.root_block * fs->volume.block_size;
	return read_root(fs, &fs->volume, buf, &root);
}

/* --- sessions -------------------------------------------------------------------------------- */

/* Is there one that begins at this sector, with descriptor s? */
static bool
is_session(struct iso_fs *fs, uint64_t start, const uint8_t *s)
{
	uint8_t buf[ISO_RECORD_MAX];
	struct iso_record root;
	struct iso_volume v;

	return s[0] == TYPE_PRIMARY && iso_volume_decode(s, !fs->opt.nocheck, &v) == 0 &&
	       (uint64_t)v.root_block * v.block_size >= start * ISO_SECTOR &&
	       read_root(fs, &v, buf, &root) == 0;
}

/* The next session after sector `from`: where it begins, or 0. */
static uint64_t
search(struct iso_fs *fs, uint64_t from)
{
	uint64_t nsectors = fs->dev.size / ISO_SECTOR, end = from + SEARCH_SECTORS;
	uint8_t buf[BATCH * ISO_SECTOR];

	if (end > nsectors)
		end = nsectors;
	for (uint64_t at = from + FIRST_SECTOR; at < end; at += BATCH) {
		unsigned n = end - at < BATCH ? (unsigned)(end - at) : BATCH;

		if (iso_read(fs, at * ISO_SECTOR, buf, (size_t)n * ISO_SECTOR) < 0)
			return 0; /* between sessions a disc need not be readable */
		for (unsigned i = 0; i < n; i++)
			if (is_session(fs, at + i - FIRST_SECTOR, buf + (size_t)i * ISO_SECTOR))
				return at + i - FIRST_SECTOR;
	}
	return 0;
}

static uint64_t
end_of(uint64_t start, const struct iso_volume *v)
{
	return start + ((uint64_t)v->nblocks * v->block_size + ISO_SECTOR - 1) / ISO_SECTOR;
}

static int
find_session(struct iso_fs *fs, struct session *s)
{
	uint64_t start = fs->opt.has_session ? fs->opt.session : fs->opt.drive_session;
	int err = read_descriptors(fs, start, s);

	if (err < 0 && !fs->opt.has_session && start) { /* the drive was wrong */
		start = 0;
		err = read_descriptors(fs, start, s);
	}
	for (unsigned i = 0; err == 0 && !fs->opt.has_session && i < SESSIONS_MAX; i++) {
		struct session next;
		uint64_t at = search(fs, end_of(start, &s->primary));

		if (!at || read_descriptors(fs, at, &next) < 0)
			break;
		start = at;
		*s = next;
	}
	fs->session = (uint32_t)start;
	return err;
}

int
iso_mount(struct iso_fs *fs, const struct blk_source *dev, const struct iso_options *opt)
{
	struct session s;
	int err;

	*fs = (struct iso_fs){ .dev = *dev, .opt = *opt };
	if (dev->size < (FIRST_SECTOR + 1) * ISO_SECTOR)
		return iso_error(EUCLEAN, "iso: a device of %llu bytes is too small",
				 (unsigned long long)dev->size);
	err = iso_cache_init(fs, opt->cache_bytes ? opt->cache_bytes : ISO_CACHE_DEFAULT);
	if (err < 0)
		return err;
	err = find_session(fs, &s);
	if (err == 0)
		err = choose_tree(fs, &s);
	if (err < 0)
		iso_cache_free(fs);
	return err;
}

void
iso_unmount(struct iso_fs *fs)
{
	iso_cache_free(fs);
}

const char *
iso_kind_name(enum iso_kind kind)
{
	static const char *const names[] = { "plain names", "Rock Ridge", "Joliet" };

	return names[kind];
}
