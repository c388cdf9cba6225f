/*
 * Discs made here, byte by byte, with what a good one has and what a bad one may have.  The device
 * is larger than what is written: the rest reads as a pattern, so files above 4 GiB cost nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "iso.h"

enum { SECTORS = 64, ROOT = 20, SUB = 21, AREA = 22, SUBSUB = 23, OTHER = 24, FILE_AT = 30 };
#define DEVICE (16ull << 30)
#define EXTENT (4096ull * 1048575) /* 4 GiB less a page */

struct disc {
	uint8_t b[SECTORS * ISO_SECTOR];
	size_t at[SECTORS]; /* where the next record goes */
	uint64_t size, bad; /* bad: this byte cannot be read */
};

static uint8_t
pattern(uint64_t off)
{
	return (uint8_t)(off >> 11 ^ off >> 20 ^ off);
}

static int
disc_read(void *ctx, void *buf, size_t n, uint64_t off)
{
	const struct disc *d = ctx;
	uint8_t *p = buf;

	assert_true(off <= d->size && n <= d->size - off);
	if (d->bad >= off && d->bad < off + n)
		return iso_error(EIO, "bad byte");
	for (size_t i = 0; i < n; i++)
		p[i] = off + i < sizeof d->b ? d->b[off + i] : pattern(off + i);
	return 0;
}

static void
both32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++) {
		p[i] = (uint8_t)(v >> 8 * i);
		p[7 - i] = p[i];
	}
}

struct rec {
	const char *name; /* "\0" and "\1" with n 1 */
	size_t n;
	uint32_t block, bytes;
	uint8_t flags;
	const void *system;
	size_t system_len;
};

static uint8_t *
put_record(uint8_t *p, const struct rec *r)
{
	size_t len = 33 + r->n + !(r->n & 1) + r->system_len;

	memset(p, 0, len);
	both32(p + 2, r->block);
	both32(p + 10, r->bytes);
	p[18] = 104;
	p[19] = p[20] = 1;
	p[25] = r->flags;
	p[28] = p[31] = 1;
	p[32] = (uint8_t)r->n;
	memcpy(p + 33, r->name, r->n);
	if (r->system_len)
		memcpy(p + len - r->system_len, r->system, r->system_len);
	len += len & 1;
	p[0] = (uint8_t)len;
	return p;
}

static uint8_t *
add(struct disc *d, unsigned dir, struct rec r)
{
	uint8_t *p = d->b + dir * ISO_SECTOR + d->at[dir];

	if (!r.n)
		r.n = strlen(r.name);
	put_record(p, &r);
	d->at[dir] += p[0];
	return p;
}

static const uint8_t SP[7] = { 'S', 'P', 7, 1, 0xbe, 0xef, 0 };

static void
begin_dir(struct disc *d, unsigned dir, unsigned parent, bool rock)
{
	add(d, dir,
	    (struct rec){ .name = "\0",
			  .n = 1,
			  .block = dir,
			  .bytes = ISO_SECTOR,
			  .flags = ISO_FLAG_DIR,
			  .system = SP,
			  .system_len = rock && dir == ROOT ? sizeof SP : 0 });
	add(d, dir,
	    (struct rec){ .name = "\1",
			  .n = 1,
			  .block = parent,
			  .bytes = ISO_SECTOR,
			  .flags = ISO_FLAG_DIR });
}

static void
put_volume(uint8_t *s, uint32_t nblocks, unsigned root)
{
	memset(s, 0, 2 * ISO_SECTOR);
	s[0] = 1;
	memcpy(s + 1, "CD001\1", 6);
	memset(s + 40, ' ', 32);
	memcpy(s + 40, "LABEL", 5);
	both32(s + 80, nblocks);
	s[129] = s[130] = 8;
	put_record(s + 156, &(struct rec){ .name = "\0",
					   .n = 1,
					   .block = root,
					   .bytes = ISO_SECTOR,
					   .flags = ISO_FLAG_DIR });
	s[ISO_SECTOR] = 255;
	memcpy(s + ISO_SECTOR + 1, "CD001\1", 6);
}

static struct disc *
new_disc(bool rock)
{
	struct disc *d = calloc(1, sizeof *d);

	d->size = DEVICE;
	d->bad = UINT64_MAX;
	put_volume(d->b + 16 * ISO_SECTOR, SECTORS, ROOT);
	begin_dir(d, ROOT, ROOT, rock);
	memset(d->b + FILE_AT * ISO_SECTOR, 'x', ISO_SECTOR);
	return d;
}

static int
try_mount(struct disc *d, struct iso_fs *fs, struct iso_options opt)
{
	struct blk_source dev = { .read = disc_read, .ctx = d, .size = d->size };

	return iso_mount(fs, &dev, &opt);
}

static void
mount(struct disc *d, struct iso_fs *fs)
{
	assert_int_equal(try_mount(d, fs, (struct iso_options){ 0 }), 0);
}

static void
unmount(struct disc *d, struct iso_fs *fs)
{
	iso_unmount(fs);
	free(d);
}

static int
find(struct iso_fs *fs, uint64_t dir, const char *name, struct iso_node **out)
{
	struct iso_entry *e = malloc(sizeof *e);
	struct iso_node *n;
	int err = iso_node_dir(fs, dir, &n);

	*out = NULL;
	if (err == 0)
		err = iso_dir_find(n, name, e);
	if (err == 0)
		err = iso_node_entry(n, e, out);
	iso_node_put(n);
	free(e);
	return err;
}

/* One that must be there. */
static struct iso_node *
look(struct iso_fs *fs, uint64_t dir, const char *name)
{
	struct iso_node *n;

	if (find(fs, dir, name, &n) == 0 && n)
		return n;
	fail_msg("%s: %s", name, iso_error_text());
	abort();
}

/* Three names, from the root. */
static int
down(struct iso_fs *fs, const char *a, const char *b, const char *c)
{
	const char *names[] = { a, b, c };
	struct iso_entry *e = malloc(sizeof *e);
	struct iso_node *n, *next;
	int err = iso_node_dir(fs, fs->root, &n);

	for (unsigned i = 0; i < 3 && err == 0; i++) {
		err = iso_dir_find(n, names[i], e);
		if (err == 0)
			err = iso_node_entry(n, e, &next);
		iso_node_put(n);
		n = err == 0 ? next : NULL;
	}
	iso_node_put(n);
	free(e);
	return err;
}

static bool
says(const char *text)
{
	if (strstr(iso_error_text(), text))
		return true;
	print_error("it says: %s\n", iso_error_text());
	return false;
}

static void
several_extents(void **state)
{
	struct disc *d = new_disc(false);
	struct iso_node *n;
	struct iso_fs fs;
	uint8_t b[200];
	uint64_t size = EXTENT + 1000;

	(void)state;
	add(d, ROOT, (struct rec){ "BIG.BIN;1", 0, 1000, EXTENT, ISO_FLAG_MORE, NULL, 0 });
	add(d, ROOT, (struct rec){ "BIG.BIN;1", 0, 4000000, 1000, 0, NULL, 0 });
	add(d, ROOT, (struct rec){ "NEXT.;1", 0, FILE_AT, 5, 0, NULL, 0 });
	mount(d, &fs);
	n = look(&fs, fs.root, "big.bin");
	assert_true(n->size == size);
	assert_int_equal(iso_file_read(n, EXTENT - 100, 200, b), 200);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(b[i], pattern(i < 100 ? 1000 * 2048ull + EXTENT - 100 + i
						       : 4000000 * 2048ull + i - 100));
	assert_int_equal(iso_file_read(n, size - 3, 200, b), 3);
	assert_int_equal(iso_file_read(n, size, 200, b), 0);
	assert_int_equal(iso_file_read(n, UINT64_MAX, 200, b), 0);
	iso_node_put(n);
	n = look(&fs, fs.root, "next");
	assert_true(n->size == 5);
	iso_node_put(n);
	unmount(d, &fs);
}

static void
extents_without_end(void **state)
{
	struct disc *d = new_disc(false);
	struct iso_node *n;
	struct iso_fs fs;

	(void)state;
	add(d, ROOT, (struct rec){ "A.;1", 0, 1000, 2048, ISO_FLAG_MORE, NULL, 0 });
	add(d, ROOT, (struct rec){ "B.;1", 0, FILE_AT, 5, 0, NULL, 0 });
	mount(d, &fs);
	assert_int_equal(find(&fs, fs.root, "b", &n), -EUCLEAN);
	assert_true(says("its last extent is not there"));
	unmount(d, &fs);
}

static void
refused_files(void **state)
{
	static const uint8_t zf[16] = { 'Z', 'F', 16, 1, 'p', 'z', 4, 15 };
	static const uint8_t sf[21] = { 'S', 'F', 21, 1 };
	struct disc *d = new_disc(true);
	struct iso_node *n;
	struct iso_fs fs;
	uint8_t b[8];
	static const struct {
		const char *name, *text;
		int error;
	} want[] = {
		{ "zip", "compressed (zisofs, pz)", -EOPNOTSUPP },
		{ "sparse", "a sparse file", -EOPNOTSUPP },
		{ "leaved", "interleaved", -EOPNOTSUPP },
		{ "far", "are not in the device", -EUCLEAN },
		{ "edge", "are not in the device", -EUCLEAN },
	};

	(void)state;
	add(d, ROOT, (struct rec){ "ZIP.;1", 0, FILE_AT, 5, 0, zf, 16 });
	add(d, ROOT, (struct rec){ "SPARSE.;1", 0, FILE_AT, 5, 0, sf, 21 });
	add(d, ROOT, (struct rec){ "LEAVED.;1", 0, FILE_AT, 5, 0, NULL, 0 })[27] = 1;
	add(d, ROOT, (struct rec){ "FAR.;1", 0, UINT32_MAX, 5, 0, NULL, 0 });
	add(d, ROOT, (struct rec){ "EDGE.;1", 0, DEVICE / 2048 - 1, 2049, 0, NULL, 0 });
	add(d, ROOT, (struct rec){ "FITS.;1", 0, DEVICE / 2048 - 1, 2048, 0, NULL, 0 });
	add(d, ROOT, (struct rec){ "EMPTY.;1", 0, UINT32_MAX, 0, 0, NULL, 0 });
	mount(d, &fs);
	assert_int_equal(fs.kind, ISO_ROCK);
	for (unsigned i = 0; i < sizeof want / sizeof want[0]; i++) {
		n = look(&fs, fs.root, want[i].name);
		assert_int_equal(iso_file_check(n), want[i].error);
		assert_int_equal(iso_file_read(n, 0, 8, b), want[i].error);
		assert_true(says(want[i].text));
		iso_node_put(n);
	}
	n = look(&fs, fs.root, "fits");
	assert_int_equal(iso_file_read(n, 2040, 8, b), 8);
	iso_node_put(n);
	n = look(&fs, fs.root, "empty");
	assert_int_equal(iso_file_read(n, 0, 8, b), 0);
	iso_node_put(n);
	unmount(d, &fs);
}

/* Directories that hold themselves, or each other, or somebody else's. */
static void
loops(void **state)
{
	struct disc *d = new_disc(false);
	struct iso_node *n;
	struct iso_fs fs;

	(void)state;
	begin_dir(d, SUB, ROOT, false);
	add(d, ROOT, (struct rec){ "SUB", 0, SUB, 2048, ISO_FLAG_DIR, NULL, 0 });
	add(d, ROOT, (struct rec){ "SELF", 0, ROOT, 2048, ISO_FLAG_DIR, NULL, 0 });
	add(d, ROOT, (struct rec){ "FILE", 0, FILE_AT, 2048, ISO_FLAG_DIR, NULL, 0 });
	begin_dir(d, SUBSUB, SUBSUB, false);
	begin_dir(d, OTHER, ROOT, false);
	add(d, SUB, (struct rec){ "LOOSE", 0, SUBSUB, 2048, ISO_FLAG_DIR, NULL, 0 });
	add(d, SUB, (struct rec){ "OTHERS", 0, OTHER, 2048, ISO_FLAG_DIR, NULL, 0 });
	add(d, SUBSUB, (struct rec){ "UP", 0, SUB, 2048, ISO_FLAG_DIR, NULL, 0 });
	add(d, SUBSUB, (struct rec){ "TOP", 0, ROOT, 2048, ISO_FLAG_DIR, NULL, 0 });
	add(d, SUB, (struct rec){ "SAME", 0, SUB, 2048, ISO_FLAG_DIR, NULL, 0 });
	add(d, SUB, (struct rec){ "FAR", 0, UINT32_MAX, 2048, ISO_FLAG_DIR, NULL, 0 });
	mount(d, &fs);
	n = look(&fs, fs.root, "sub");
	assert_true(S_ISDIR(n->mode) && n->parent == fs.root && n->id == SUB * 2048);
	iso_node_put(n);
	assert_int_equal(find(&fs, SUB * 2048, "same", &n), -EUCLEAN);
	assert_true(says("is in itself"));
	n = look(&fs, SUB * 2048, "loose"); /* it names itself */
	iso_node_put(n);
	assert_int_equal(find(&fs, SUB * 2048, "others", &n), -EUCLEAN);
	assert_true(says("is another one's"));
	assert_int_equal(find(&fs, SUB * 2048, "far", &n), -EUCLEAN);
	assert_true(says("are not in the device"));
	assert_int_equal(find(&fs, fs.root, "file", &n), -EUCLEAN);
	assert_int_equal(find(&fs, fs.root, "self", &n), -EUCLEAN);
	assert_int_equal(down(&fs, "sub", "loose", "up"), -EUCLEAN);
	assert_true(says("is in itself"));
	assert_int_equal(down(&fs, "sub", "loose", "top"), -EUCLEAN);
	assert_true(says("is in itself"));
	unmount(d, &fs);
}

/* A continuation area that leads to itself; and one in the middle of nowhere. */
static void
areas(void **state)
{
	uint8_t ce[28] = { 'C', 'E', 28, 1 };
	static const uint8_t nm[8] = { 'N', 'M', 8, 1, 1, 'a', 'b', 'c' };
	static const uint8_t more[9] = { 'N', 'M', 9, 1, 0, '/', 'd', 'e', 'f' };
	struct disc *d = new_disc(true);
	struct iso_node *n;
	struct iso_fs fs;
	uint8_t b[8];

	(void)state;
	both32(ce + 4, AREA);
	both32(ce + 20, 28);
	memcpy(d->b + AREA * ISO_SECTOR, ce, 28);
	add(d, ROOT, (struct rec){ "LOOP.;1", 0, FILE_AT, 5, 0, ce, 28 });
	both32(ce + 4, UINT32_MAX);
	add(d, ROOT, (struct rec){ "NOWHERE.;1", 0, FILE_AT, 5, 0, ce, 28 });
	both32(ce + 4, AREA);
	both32(ce + 20, 1 << 20);
	add(d, ROOT, (struct rec){ "LONG.;1", 0, FILE_AT, 5, 0, ce, 28 });
	both32(ce + 12, 100);
	both32(ce + 20, 9);
	memcpy(d->b + AREA * ISO_SECTOR + 100, more, 9);
	memcpy(d->b + AREA * ISO_SECTOR + 200, nm, 8);
	memcpy(d->b + AREA * ISO_SECTOR + 208, ce, 28); /* "abc", then "/def": not a name */
	both32(ce + 12, 200);
	both32(ce + 20, 36);
	add(d, ROOT, (struct rec){ "SLASH.;1", 0, FILE_AT, 5, 0, ce, 28 });
	mount(d, &fs);
	n = look(&fs, fs.root, "loop");
	assert_int_equal(iso_file_read(n, 0, 5, b), -EUCLEAN);
	assert_true(says("more than 32 continuation areas"));
	iso_node_put(n);
	n = look(&fs, fs.root, "nowhere");
	assert_int_equal(iso_file_check(n), -EUCLEAN);
	iso_node_put(n);
	n = look(&fs, fs.root, "long");
	assert_int_equal(iso_file_check(n), -EUCLEAN);
	iso_node_put(n);
	assert_int_equal(find(&fs, fs.root, "abc/def", &n), -ENOENT);
	n = look(&fs, fs.root, "slash");
	assert_int_equal(iso_file_read(n, 0, 5, b), 5);
	iso_node_put(n);
	unmount(d, &fs);
}

/* A symbolic link in pieces: "/" "abs"+"olute" ".." "." */
static void
links(void **state)
{
	static const uint8_t sl[] = { 'S', 'L', 25,  1,   0,   8,   0, 1, 3, 'a', 'b', 's', 0,
				      5,   'o', 'l', 'u', 't', 'e', 4, 0, 2, 0,   0,   0,   0 };
	static const uint8_t bad[] = { 'S', 'L', 9, 1, 0, 0, 9, 'a', 'b' };
	uint8_t px[36 + 26] = { 'P', 'X', 36, 1 };
	struct disc *d = new_disc(true);
	struct iso_node *n;
	struct iso_fs fs;

	(void)state;
	both32(px + 4, S_IFLNK | 0777);
	both32(px + 12, 3);
	both32(px + 20, 1000);
	both32(px + 28, 100);
	memcpy(px + 36, sl, 25);
	add(d, ROOT, (struct rec){ "L.;1", 0, 0, 0, 0, px, 61 });
	memcpy(px + 36, bad, 9);
	add(d, ROOT, (struct rec){ "BAD.;1", 0, 0, 0, 0, px, 45 });
	mount(d, &fs);
	n = look(&fs, fs.root, "l");
	assert_true(S_ISLNK(n->mode) && n->uid == 1000 && n->gid == 100 && n->nlink == 3);
	assert_string_equal(n->link, "/absolute/.././");
	iso_node_put(n);
	n = look(&fs, fs.root, "bad");
	assert_int_equal(iso_file_check(n), -EUCLEAN);
	assert_true(says("entry SL is damaged"));
	iso_node_put(n);
	unmount(d, &fs);
}

/* A directory that was moved: found where it belongs, hidden where it stands. */
static void
moved(void **state)
{
	static const uint8_t re[4] = { 'R', 'E', 4, 1 };
	uint8_t cl[12] = { 'C', 'L', 12, 1 }, pl[12] = { 'P', 'L', 12, 1 };
	struct disc *d = new_disc(true);
	struct iso_node *n;
	struct iso_fs fs;

	(void)state;
	both32(cl + 4, SUBSUB);
	both32(pl + 4, ROOT);
	begin_dir(d, SUB, ROOT, true);
	add(d, ROOT, (struct rec){ "SUB", 0, SUB, 2048, ISO_FLAG_DIR, NULL, 0 });
	add(d, ROOT, (struct rec){ "CHILD", 0, 0, 2048, 0, cl, 12 });
	add(d, SUB, (struct rec){ "CHILD", 0, SUBSUB, 2048, ISO_FLAG_DIR, re, 4 });
	add(d, SUBSUB, (struct rec){ "\0", 1, SUBSUB, 2048, ISO_FLAG_DIR, NULL, 0 });
	add(d, SUBSUB, (struct rec){ "\1", 1, SUB, 2048, ISO_FLAG_DIR, pl, 12 });
	mount(d, &fs);
	n = look(&fs, fs.root, "child");
	assert_true(S_ISDIR(n->mode) && n->id == SUBSUB * 2048 && n->parent == fs.root);
	iso_node_put(n);
	assert_int_equal(find(&fs, SUB * 2048, "child", &n), -ENOENT);
	unmount(d, &fs);
}

static void
flags(void **state)
{
	struct disc *d = new_disc(false);
	struct iso_node *n;
	struct iso_fs fs;

	(void)state;
	add(d, ROOT, (struct rec){ "A.;1", 0, 1000, 7, ISO_FLAG_ASSOCIATED, NULL, 0 });
	add(d, ROOT, (struct rec){ "A.;1", 0, FILE_AT, 5, 0, NULL, 0 });
	add(d, ROOT, (struct rec){ "H.;1", 0, FILE_AT, 5, ISO_FLAG_HIDDEN, NULL, 0 });
	mount(d, &fs);
	n = look(&fs, fs.root, "a");
	assert_true(n->size == 5);
	iso_node_put(n);
	n = look(&fs, fs.root, "h");
	iso_node_put(n);
	iso_unmount(&fs);
	assert_int_equal(try_mount(d, &fs, (struct iso_options){ .hide = true }), 0);
	assert_int_equal(find(&fs, fs.root, "h", &n), -ENOENT);
	unmount(d, &fs);
}

/* The last of two sessions; and what only looks like one is none. */
static void
sessions(void **state)
{
	struct disc *d = new_disc(false);
	struct iso_node *n;
	struct iso_fs fs;

	(void)state;
	both32(d->b + 16 * ISO_SECTOR + 80, 31);
	put_volume(d->b + (40 + 16) * ISO_SECTOR, 20, ROOT); /* with its root before itself */
	mount(d, &fs);
	assert_int_equal(fs.session, 0);
	iso_unmount(&fs);
	put_volume(d->b + (33 + 16) * ISO_SECTOR, 20, 60);
	begin_dir(d, 60, 60, false);
	add(d, 60, (struct rec){ "NEW.;1", 0, FILE_AT, 5, 0, NULL, 0 });
	mount(d, &fs);
	assert_int_equal(fs.session, 33);
	n = look(&fs, fs.root, "new");
	iso_node_put(n);
	iso_unmount(&fs);
	assert_int_equal(try_mount(d, &fs, (struct iso_options){ .has_session = true }), 0);
	assert_int_equal(find(&fs, fs.root, "new", &n), -ENOENT);
	iso_unmount(&fs);
	assert_int_equal(
		try_mount(d, &fs, (struct iso_options){ .has_session = true, .session = 5 }),
		-EUCLEAN);
	free(d);
}

static void
bad_volumes(void **state)
{
	struct disc *d = new_disc(false);
	uint8_t *s = d->b + 16 * ISO_SECTOR;
	struct iso_fs fs;

	(void)state;
	assert_int_equal(try_mount(d, &fs, (struct iso_options){ .cache_bytes = 1ull << 49 }),
			 -ENOMEM); /* more lines than can be counted */
	s[87]++; /* the size: its big-endian half */
	assert_int_equal(try_mount(d, &fs, (struct iso_options){ 0 }), -EUCLEAN);
	assert_int_equal(try_mount(d, &fs, (struct iso_options){ .nocheck = true }), 0);
	iso_unmount(&fs);
	s[87]--;
	s[129] = s[130] = 16;
	assert_int_equal(try_mount(d, &fs, (struct iso_options){ 0 }), -EUCLEAN);
	assert_true(says("blocks of 4096 bytes"));
	s[129] = s[130] = 8;
	both32(s + 158, 5);
	assert_int_equal(try_mount(d, &fs, (struct iso_options){ 0 }), -EUCLEAN);
	assert_true(says("no root directory at block 5"));
	both32(s + 158, UINT32_MAX);
	assert_int_equal(try_mount(d, &fs, (struct iso_options){ 0 }), -EUCLEAN);
	memcpy(s + 9, "CDROM", 5);
	assert_int_equal(try_mount(d, &fs, (struct iso_options){ 0 }), -ENOTSUP);
	assert_true(says("High Sierra"));
	memset(s, 0, ISO_SECTOR);
	memcpy(s + 1, "BEA01\1", 6);
	assert_int_equal(try_mount(d, &fs, (struct iso_options){ 0 }), -ENOTSUP);
	assert_true(says("UDF"));
	d->size = 17 * ISO_SECTOR - 1;
	assert_int_equal(try_mount(d, &fs, (struct iso_options){ 0 }), -EUCLEAN);
	assert_true(says("too small"));
	free(d);
}

/* A sector that cannot be read costs itself, not the 64 KiB around it. */
static void
bad_sector(void **state)
{
	struct disc *d = new_disc(false);
	struct iso_node *n;
	struct iso_fs fs;
	uint8_t b[4096];

	(void)state;
	add(d, ROOT, (struct rec){ "F.;1", 0, FILE_AT, 8192, 0, NULL, 0 });
	mount(d, &fs);
	iso_unmount(&fs);
	d->bad = (FILE_AT + 2) * 2048 + 7;
	mount(d, &fs);
	n = look(&fs, fs.root, "f");
	assert_int_equal(iso_file_read(n, 0, 4096, b), 4096);
	assert_int_equal(iso_file_read(n, 6144, 2048, b), 2048);
	assert_int_equal(iso_file_read(n, 4096, 2048, b), -EIO);
	iso_node_put(n);
	unmount(d, &fs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_extents), cmocka_unit_test(extents_without_end),
		cmocka_unit_test(refused_files),   cmocka_unit_test(loops),
		cmocka_unit_test(areas),           cmocka_unit_test(links),
		cmocka_unit_test(moved),           cmocka_unit_test(flags),
		cmocka_unit_test(sessions),        cmocka_unit_test(bad_volumes),
		cmocka_unit_test(bad_sector),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
