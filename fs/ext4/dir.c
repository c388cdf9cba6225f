/*
 * Directories: blocks of entries, read in order, or searched; the index over them is htree.c.
 * Spec: Linux ext4 ondisk/directory.rst.
 *
 * A block is checked whole (checksum, lengths, inode numbers) the first time that it is read from
 * the device.  A position for readdir is the offset of the next entry in the directory; a block is
 * always walked from its start, so that a position stays good when entries before it are joined.
 */
#include <errno.h>
#include <string.h>
#include "ext4.h"

enum { REC_LEN_64K = 65535, TYPE_MAX = 7 };

struct wanted {
	const char *name;
	size_t n;
	uint32_t *ino;
};

uint32_t
ext4_rec_len(const struct ext4_fs *fs, le16 rec_len)
{
	uint32_t len = get16(rec_len);

	if (fs->block_size < 65536)
		return len;
	if (len == REC_LEN_64K || len == 0)
		return fs->block_size;
	return (len & 65532) | (len & 3) << 16;
}

bool
ext4_dir_is_indexed(const struct ext4_inode *dir)
{
	return (dir->flags & FL_INDEX) && (dir->fs->compat & COMPAT_DIR_INDEX);
}

int
ext4_dirent_decode(struct ext4_inode *dir, const uint8_t *p, size_t left, struct ext4_dirent *de)
{
	struct disk_dirent d;
	uint32_t len;

	memcpy(&d, p, sizeof(d));
	len = ext4_rec_len(dir->fs, d.rec_len);
	de->ino = get32(d.inode);
	de->name_len = d.name_len;
	de->type = (dir->fs->incompat & INCOMPAT_FILETYPE) && d.file_type <= TYPE_MAX ?
	    d.file_type : 0;
	de->name = (const char *)p + DIRENT_HEAD;
	if (len % 4 != 0 || len < DIRENT_HEAD || len > left ||
	    (uint32_t)DIRENT_HEAD + d.name_len > len)
		return ext4_error(EUCLEAN, "ext4: inode %u: directory entry with a bad length",
		    dir->ino);
	if (de->ino > dir->fs->inodes_count)
		return ext4_error(EUCLEAN, "ext4: inode %u: directory entry of inode %u, which is "
		    "not", dir->ino, de->ino);
	if (de->ino != 0 && (d.name_len == 0 || memchr(de->name, 0, d.name_len) != NULL ||
	    memchr(de->name, '/', d.name_len) != NULL))
		return ext4_error(EUCLEAN, "ext4: inode %u: directory entry with a bad name",
		    dir->ino);
	return (int)len;
}

/* A leaf's checksum, in an entry of no inode at its end. */
static int
check_sum(const struct ext4_inode *dir, const uint8_t *block, uint64_t lblk)
{
	size_t n = dir->fs->block_size - DIRENT_TAIL;
	struct disk_dirent d;
	le32 sum;

	memcpy(&d, block + n, sizeof(d));
	memcpy(&sum, block + n + DIRENT_HEAD, sizeof(sum));
	if (get32(d.inode) != 0 || get16(d.rec_len) != DIRENT_TAIL || d.name_len != 0 ||
	    d.file_type != DIRENT_TAIL_TYPE || ext4_crc32c(dir->csum_seed, block, n) != get32(sum))
		return ext4_error(EUCLEAN, "ext4: inode %u: directory block %llu: bad checksum",
		    dir->ino, (unsigned long long)lblk);
	return 0;
}

static int
check_entries(struct ext4_inode *dir, const uint8_t *block)
{
	uint32_t size = dir->fs->block_size;

	for (uint32_t at = 0; at < size;) {
		struct ext4_dirent de;
		int len = size - at < DIRENT_HEAD ? -EUCLEAN :
		    ext4_dirent_decode(dir, block + at, size - at, &de);

		if (len < 0)
			return len;
		at += (uint32_t)len;
	}
	return 0;
}

/* An index node looks like one empty entry to who does not know it. */
static bool
is_index_block(const struct ext4_inode *dir, const struct ext4_buf *b, uint64_t lblk)
{
	struct disk_dirent d;

	if (!(dir->flags & FL_INDEX))
		return false;
	memcpy(&d, b->data, sizeof(d));
	return lblk == 0 || (get32(d.inode) == 0 &&
	    ext4_rec_len(dir->fs, d.rec_len) == dir->fs->block_size);
}

int
ext4_dir_block(struct ext4_inode *dir, uint64_t lblk, struct ext4_buf **out)
{
	struct ext4_fs *fs = dir->fs;
	int r = ext4_file_block(dir, lblk, out);

	if (r < 0 || *out == NULL || ext4_is_checked(*out, dir->ino, EXT4_CHECKED_DIR))
		return r;
	if (is_index_block(dir, *out, lblk))
		r = ext4_htree_check(dir, *out, lblk);
	else if (fs->csum_kind == EXT4_CSUM_METADATA && !fs->opt.nocheck)
		r = check_sum(dir, (*out)->data, lblk);
	if (r == 0)
		r = check_entries(dir, (*out)->data);
	if (r == 0) {
		ext4_set_checked(*out, dir->ino, EXT4_CHECKED_DIR);
		return 0;
	}
	ext4_brelse(*out);
	*out = NULL;
	return r;
}

static int
refuse(const struct ext4_inode *dir)
{
	if (!ext4_inode_is_dir(dir))
		return ext4_error(ENOTDIR, "ext4: inode %u: not a directory", dir->ino);
	if (dir->flags & FL_ENCRYPT)
		return ext4_error(ENOKEY, "ext4: inode %u: encrypted, and there is no key",
		    dir->ino);
	return 0;
}

/* The entries of a checked block, from position `from` on.  1: fn said stop. */
static int
read_block(struct ext4_inode *dir, const struct ext4_buf *b, uint64_t base, uint64_t from,
	ext4_dir_fn fn, void *ctx)
{
	for (uint32_t at = 0; at < dir->fs->block_size;) {
		struct ext4_dirent de;
		int len = ext4_dirent_decode(dir, b->data + at, dir->fs->block_size - at, &de);

		if (len < 0)
			return len;
		de.next = base + at + (uint32_t)len;
		if (de.ino != 0 && base + at >= from && fn(ctx, &de) != 0)
			return 1;
		at += (uint32_t)len;
	}
	return 0;
}

int
ext4_dir_read(struct ext4_inode *dir, uint64_t from, ext4_dir_fn fn, void *ctx)
{
	uint32_t bits = dir->fs->block_bits;
	uint64_t lblk = from >> bits, end = dir->size >> bits;
	int r = refuse(dir);

	if (r < 0)
		return r;
	if (dir->flags & FL_INLINE_DATA)
		return ext4_inline_dir_read(dir, from, fn, ctx);
	while (lblk < end) {
		struct ext4_buf *b;
		struct ext4_run run;

		r = ext4_dir_block(dir, lblk, &b);
		if (r < 0)
			return r;
		if (b == NULL) {
			r = ext4_map(dir, lblk, &run);
			if (r < 0)
				return r;
			lblk = run.len - (lblk - run.lblk) < end - lblk ? run.lblk + run.len : end;
			continue;
		}
		r = read_block(dir, b, lblk << bits, from, fn, ctx);
		ext4_brelse(b);
		if (r != 0)
			return r < 0 ? r : 0;
		lblk++;
	}
	return 0;
}

int
ext4_dir_search(struct ext4_inode *dir, const uint8_t *block, const char *name, size_t n,
	uint32_t *ino)
{
	uint32_t size = dir->fs->block_size;

	for (uint32_t at = 0; at + DIRENT_HEAD <= size;) {
		struct disk_dirent d;
		uint32_t len;

		memcpy(&d, block + at, sizeof(d));
		len = ext4_rec_len(dir->fs, d.rec_len);
		if (d.name_len == n && get32(d.inode) != 0 && at + DIRENT_HEAD + n <= size &&
		    memcmp(block + at + DIRENT_HEAD, name, n) == 0) {
			*ino = get32(d.inode);
			return 1;
		}
		if (len < DIRENT_HEAD)
			break;
		at += len;
	}
	return 0;
}

/* Searches blocks from..to - 1: 1 found, 0 not. */
static int
search_blocks(struct ext4_inode *dir, uint64_t from, uint64_t to, const struct wanted *w)
{
	for (uint64_t lblk = from; lblk < to;) {
		struct ext4_run run;
		struct ext4_buf *b;
		int r = ext4_dir_block(dir, lblk, &b);

		if (r == 0 && b != NULL) {
			r = ext4_dir_search(dir, b->data, w->name, w->n, w->ino);
			ext4_brelse(b);
			if (r > 0) {
				atomic_store(&dir->hint, lblk);
				return r;
			}
			lblk++;
			continue;
		}
		if (r < 0)
			return r;
		r = ext4_map(dir, lblk, &run);
		if (r < 0)
			return r;
		lblk = run.len - (lblk - run.lblk) < to - lblk ? run.lblk + run.len : to;
	}
	return 0;
}

/* All blocks, beginning with the one that had the last name: names are often asked in order. */
static int
linear_lookup(struct ext4_inode *dir, const char *name, size_t n, uint32_t *ino)
{
	uint64_t end = dir->size >> dir->fs->block_bits, first = atomic_load(&dir->hint);
	struct wanted w = {name, n, ino};
	int r;

	if (first >= end)
		first = 0;
	r = search_blocks(dir, first, end, &w);
	if (r == 0)
		r = search_blocks(dir, 0, first, &w);
	if (r == 0)
		return -ENOENT;
	return r < 0 ? r : 0;
}

int
ext4_dir_lookup(struct ext4_inode *dir, const char *name, size_t n, uint32_t *ino)
{
	bool dots = (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.');
	int r = refuse(dir);

	if (r < 0)
		return r;
	if (n == 0 || n > NAME_LEN)
		return ext4_error(n ? ENAMETOOLONG : ENOENT, "ext4: name of %zu bytes", n);
	if (dir->flags & FL_INLINE_DATA)
		r = ext4_inline_lookup(dir, name, n, ino);
	else if (ext4_dir_is_indexed(dir) && !dots && !(dir->flags & FL_CASEFOLD))
		r = ext4_htree_lookup(dir, name, n, ino);
	else
		r = -ENOTSUP;
	if (r == -ENOENT && dir->fs->opt.nocheck && !(dir->flags & FL_INLINE_DATA))
		r = -ENOTSUP;		/* the index may be what is damaged */
	if (r == -ENOTSUP)
		r = linear_lookup(dir, name, n, ino);
	if (r == -ENOENT)
		return ext4_error(ENOENT, "no such file or directory");
	return r;
}
