/*
 * Directories [ECMA-119, 6.8]: records, none of which crosses the end of a sector; a length of 0
 * ends the sector.  A position is the offset of a record.
 *
 * Consecutive records with the same name, all but the last with the flag MORE, are one file with
 * several extents [9.1.6].
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "iso.h"

static int
damaged(const struct iso_node *dir, uint64_t at, int err)
{
	char why[128];

	if (err != -EUCLEAN)
		return err;
	strncpy(why, iso_error_text(), sizeof why - 1);
	why[sizeof why - 1] = '\0';
	return iso_error(EUCLEAN, "iso: directory at byte %llu: position %llu: %s",
			 (unsigned long long)dir->id, (unsigned long long)at, why);
}

/*
 * The record at or after *at, which is moved to it, with its bytes in buf: 1, 0 at the end, or a
 * negative errno.
 */
static int
next_record(struct iso_node *dir, uint64_t *at, uint8_t buf[ISO_RECORD_MAX], struct iso_record *r)
{
	while (*at < dir->size) {
		uint64_t left = ISO_SECTOR - *at % ISO_SECTOR;
		size_t n;
		int err;

		if (left > dir->size - *at)
			left = dir->size - *at;
		n = left < ISO_RECORD_MAX ? (size_t)left : ISO_RECORD_MAX;
		err = iso_read(dir->fs, dir->id + *at, buf, n);
		if (err < 0)
			return err;
		if (buf[0]) {
			err = iso_record_decode(buf, n, !dir->fs->opt.nocheck, r);
			return err < 0 ? damaged(dir, *at, err) : 1;
		}
		*at += left;
	}
	return 0;
}

static size_t
set_name(const struct iso_record *r, struct iso_entry *e, enum iso_kind kind)
{
	if (kind == ISO_ROCK && iso_name_ok(e->rock.name, e->rock.name_len)) {
		memcpy(e->name, e->rock.name, e->rock.name_len + 1);
		return e->rock.name_len;
	}
	if (kind == ISO_JOLIET)
		return iso_name_joliet(r->name, r->name_len, e->id, e->name);
	return iso_name_plain(r->name, r->name_len, e->name);
}

static void
add_extent(const struct iso_node *dir, const struct iso_record *r, struct iso_entry *e)
{
	uint64_t block = (uint64_t)r->block + r->ear;

	e->extent[e->nextents++] = (struct iso_extent){ block * dir->fs->volume.block_size,
							r->bytes };
	e->size += r->bytes;
	e->interleaved |= r->unit || r->gap;
}

/* Damage there costs only this entry; some writers make entries too long for their length. */
static void
read_rock(struct iso_node *dir, const struct iso_record *r, struct iso_entry *e)
{
	iso_rock_clear(&e->rock);
	e->damage = 0;
	if (dir->fs->kind == ISO_ROCK)
		e->damage = -iso_rock_read(dir->fs, r->system, r->system_len, &e->rock);
	if (e->damage) {
		strncpy(e->why, iso_error_text(), sizeof e->why - 1);
		e->why[sizeof e->why - 1] = '\0';
	}
}

/* What the first record of a file says of it. */
static void
begin(struct iso_node *dir, uint64_t at, const struct iso_record *r, struct iso_entry *e)
{
	struct iso_fs *fs = dir->fs;

	e->id = dir->id + at;
	e->flags = r->flags;
	e->time = r->time;
	e->dot = r->name_len == 1 && r->name[0] == 0;
	e->dotdot = r->name_len == 1 && r->name[0] == 1;
	e->size = 0;
	e->nextents = 0;
	e->interleaved = false;
	read_rock(dir, r, e);
	e->name[0] = '\0';
	e->name_len = e->dot || e->dotdot ? 0 : set_name(r, e, fs->kind);
	e->name[e->name_len] = '\0';
	add_extent(dir, r, e);
	e->is_dir = r->flags & ISO_FLAG_DIR;
	e->dir = e->extent[0].off;
	if (e->rock.is_child) {
		e->is_dir = true;
		e->dir = (uint64_t)e->rock.child * fs->volume.block_size;
	}
	if (e->is_dir)
		e->id = e->dir;
	e->hidden = e->rock.is_moved || r->flags & ISO_FLAG_ASSOCIATED ||
		    (fs->opt.hide && r->flags & ISO_FLAG_HIDDEN) ||
		    (!e->dot && !e->dotdot && !e->name_len);
}

int
iso_dir_next(struct iso_node *dir, uint64_t at, struct iso_entry *e)
{
	uint8_t buf[ISO_RECORD_MAX], name[ISO_RECORD_MAX];
	struct iso_record r;
	int got = next_record(dir, &at, buf, &r);
	size_t name_len;

	if (got <= 0)
		return got;
	begin(dir, at, &r, e);
	name_len = r.name_len;
	memcpy(name, r.name, name_len);
	e->next = at + r.len;
	while (r.flags & ISO_FLAG_MORE && !e->is_dir) {
		at = e->next;
		got = next_record(dir, &at, buf, &r);
		if (got < 0)
			return got;
		if (!got || r.name_len != name_len || memcmp(r.name, name, name_len) != 0)
			return iso_error(EUCLEAN, "iso: \"%s\": its last extent is not there",
					 e->name);
		if (e->nextents == ISO_EXTENTS_MAX)
			return iso_error(EUCLEAN, "iso: \"%s\": more than %d extents", e->name,
					 ISO_EXTENTS_MAX);
		add_extent(dir, &r, e);
		e->next = at + r.len;
	}
	return 1;
}

static atomic_uint_fast64_t *
hint_of(struct iso_fs *fs, uint64_t block)
{
	return &fs->hint[block % ISO_HINTS];
}

/* The entries at `at` and after, up to `end`: 1 if one has the name, with *at after it. */
static int
search(struct iso_node *dir, const char *name, uint64_t *at, uint64_t end, struct iso_entry *e)
{
	size_t n = strlen(name);
	int got = 0;

	while (*at < end && (got = iso_dir_next(dir, *at, e)) > 0) {
		*at = e->next;
		if (!e->hidden && e->name_len == n && memcmp(e->name, name, n) == 0)
			return 1;
	}
	return got < 0 ? got : 0;
}

/* Of two files of one name it may be either: on a good disc there are none. */
int
iso_dir_find(struct iso_node *dir, const char *name, struct iso_entry *e)
{
	uint64_t block = dir->id / dir->fs->volume.block_size, hint, at = 0;
	atomic_uint_fast64_t *h = hint_of(dir->fs, block);
	int got;

	hint = atomic_load_explicit(h, memory_order_relaxed);
	if (hint >> 32 == block)
		at = hint & UINT32_MAX;
	hint = at;
	got = search(dir, name, &at, dir->size, e);
	if (got == 0 && hint) {
		at = 0;
		got = search(dir, name, &at, hint, e);
	}
	if (got <= 0)
		return got < 0 ? got : -ENOENT;
	if (at <= UINT32_MAX && block <= UINT32_MAX)
		atomic_store_explicit(h, block << 32 | at, memory_order_relaxed);
	return 0;
}

uint8_t
iso_entry_type(const struct iso_entry *e)
{
	if (e->is_dir)
		return S_IFDIR >> 12;
	if (e->rock.has_mode && e->rock.mode & S_IFMT && !S_ISDIR(e->rock.mode))
		return (uint8_t)((e->rock.mode & S_IFMT) >> 12);
	return S_IFREG >> 12;
}
