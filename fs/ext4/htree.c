/*
 * The index of a large directory: a tree of hashes over its blocks.
 * Spec: Linux ext4 ondisk/directory.rst.
 *
 * The root is in block 0, behind "." and ".."; other nodes are in blocks that look like one empty
 * entry.  Names with the same hash may go on into the next leaf: then its hash in the index has
 * its last bit set.  An index of an unknown kind, or damaged, is left alone: the caller searches
 * all blocks instead.
 */
#include <errno.h>
#include <string.h>
#include "ext4.h"

enum { BLOCK_MASK = 0x0fffffff, LEVELS_OLD = 2, INFO_LENGTH = 8 };

struct frame {
	struct ext4_buf *buf;
	const uint8_t *entries;
	uint32_t count, at;
};

struct path {
	struct frame frame[DX_MAX_LEVELS];
	uint32_t levels;		/* frames in use; the last one points at leaves */
};

static struct disk_dx_entry
entry_at(const struct frame *f, uint32_t i)
{
	struct disk_dx_entry e;

	memcpy(&e, f->entries + (size_t)i * sizeof(e), sizeof(e));
	return e;
}

/* Where a node's entries begin: behind the root's head, or a node's empty entry. */
static uint32_t
entries_offset(uint64_t lblk)
{
	return lblk == 0 ? DX_ROOT_ENTRIES : DX_NODE_ENTRIES;
}

static struct disk_dx_countlimit
count_limit(const uint8_t *block, uint32_t offset)
{
	struct disk_dx_countlimit c;

	memcpy(&c, block + offset, sizeof(c));
	return c;
}

static int
damaged(const struct ext4_inode *dir, uint64_t lblk, const char *what)
{
	return ext4_error(EUCLEAN, "ext4: inode %u: directory index block %llu: %s", dir->ino,
	    (unsigned long long)lblk, what);
}

int
ext4_htree_check(struct ext4_inode *dir, struct ext4_buf *b, uint64_t lblk)
{
	struct ext4_fs *fs = dir->fs;
	uint32_t offset = entries_offset(lblk), c;
	struct disk_dx_countlimit n = count_limit(b->data, offset);
	size_t used = offset + (size_t)get16(n.count) * sizeof(struct disk_dx_entry);
	size_t tail = offset + (size_t)get16(n.limit) * sizeof(struct disk_dx_entry);
	static const uint8_t none[4];
	struct disk_dx_tail t;

	if (get16(n.count) == 0 || get16(n.count) > get16(n.limit) || tail > fs->block_size)
		return damaged(dir, lblk, "bad count");
	if (fs->csum_kind != EXT4_CSUM_METADATA || fs->opt.nocheck)
		return 0;
	if (tail + sizeof(t) > fs->block_size)
		return damaged(dir, lblk, "no room for a checksum");
	memcpy(&t, b->data + tail, sizeof(t));
	c = ext4_crc32c(dir->csum_seed, b->data, used);
	c = ext4_crc32c(c, &t.dt_reserved, sizeof(t.dt_reserved));
	c = ext4_crc32c(c, none, sizeof(none));
	return c == get32(t.dt_checksum) ? 0 : damaged(dir, lblk, "bad checksum");
}

/* Fills the next frame from block lblk. */
static int
push(struct ext4_inode *dir, struct path *p, uint64_t lblk)
{
	uint32_t as = lblk == 0 ? EXT4_CHECKED_DX_ROOT : EXT4_CHECKED_DX_NODE;
	struct frame *f = &p->frame[p->levels];
	uint32_t offset = entries_offset(lblk);
	int r = 0;

	if (lblk >= dir->size >> dir->fs->block_bits)
		return damaged(dir, lblk, "past the end");
	r = ext4_file_block(dir, lblk, &f->buf);
	if (r < 0)
		return r;
	if (f->buf == NULL)
		return damaged(dir, lblk, "a hole");
	p->levels++;
	if (!ext4_is_checked(f->buf, dir->ino, as)) {
		r = ext4_htree_check(dir, f->buf, lblk);
		if (r < 0)
			return r;
		ext4_set_checked(f->buf, dir->ino, as);
	}
	f->entries = f->buf->data + offset;
	f->count = get16(count_limit(f->buf->data, offset).count);
	f->at = 0;
	return 0;
}

static void
release(struct path *p, uint32_t keep)
{
	while (p->levels > keep)
		ext4_brelse(p->frame[--p->levels].buf);
}

/* The last entry whose hash is not above; the first has none and stands for 0. */
static void
search(struct frame *f, uint32_t hash)
{
	uint32_t lo = 1, hi = f->count;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (get32(entry_at(f, mid).hash) <= hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	f->at = lo - 1;
}

static uint64_t
child(const struct path *p)
{
	const struct frame *f = &p->frame[p->levels - 1];

	return get32(entry_at(f, f->at).block) & BLOCK_MASK;
}

/* Reads the root: the name's hash, and how many levels of nodes there are in all. */
static int
open_root(struct ext4_inode *dir, struct path *p, const char *name, size_t n, uint32_t *hash)
{
	uint32_t most = (dir->fs->incompat & INCOMPAT_LARGEDIR) ? DX_MAX_LEVELS : LEVELS_OLD;
	struct disk_dx_info info;
	uint32_t version;
	int r = push(dir, p, 0);

	if (r < 0)
		return r;
	memcpy(&info, p->frame[0].buf->data + DX_ROOT_INFO, sizeof(info));
	version = info.hash_version;
	if (info.info_length != INFO_LENGTH || info.indirect_levels >= most ||
	    get32(info.reserved_zero) != 0 || version > HASH_TEA)
		return -ENOTSUP;
	if (dir->fs->hash_unsigned)
		version += HASH_LEGACY_U;
	r = ext4_hash(version, dir->fs->hash_seed, name, n, hash);
	return r < 0 ? r : info.indirect_levels + 1;
}

/* Moves to the next leaf, if it may hold more of the same hash: 1, 0, or an error. */
static int
advance(struct ext4_inode *dir, struct path *p, uint32_t levels, uint32_t hash)
{
	struct frame *f;
	int r;

	while (p->levels > 0 && p->frame[p->levels - 1].at + 1 >= p->frame[p->levels - 1].count)
		release(p, p->levels - 1);
	if (p->levels == 0)
		return 0;
	f = &p->frame[p->levels - 1];
	f->at++;
	if ((get32(entry_at(f, f->at).hash) & ~1u) != hash)
		return 0;
	while (p->levels < levels) {
		r = push(dir, p, child(p));
		if (r < 0)
			return r;
	}
	return 1;
}

static int
search_leaves(struct ext4_inode *dir, struct path *p, uint32_t hash, const char *name, size_t n,
	uint32_t *ino)
{
	uint32_t levels = p->levels;
	uint64_t left = dir->size >> dir->fs->block_bits;
	int r = 1;

	for (; left > 0 && r > 0; left--) {
		struct ext4_buf *b;
		uint64_t lblk = child(p);

		if (lblk == 0 || lblk >= dir->size >> dir->fs->block_bits)
			return damaged(dir, lblk, "is no leaf");
		r = ext4_dir_block(dir, lblk, &b);
		if (r < 0)
			return r;
		if (b == NULL)
			return damaged(dir, lblk, "leaf is a hole");
		r = ext4_dir_search(dir, b->data, name, n, ino);
		ext4_brelse(b);
		if (r > 0)
			return 1;
		r = advance(dir, p, levels, hash);
	}
	return r < 0 ? r : 0;
}

int
ext4_htree_lookup(struct ext4_inode *dir, const char *name, size_t n, uint32_t *ino)
{
	struct path p = {.levels = 0};
	uint32_t hash = 0;
	int levels = open_root(dir, &p, name, n, &hash), r = levels;

	while (r > 0) {
		search(&p.frame[p.levels - 1], hash);
		if (p.levels == (uint32_t)levels)
			break;
		r = push(dir, &p, child(&p));
		r = r < 0 ? r : 1;
	}
	if (r > 0)
		r = search_leaves(dir, &p, hash, name, n, ino);
	release(&p, 0);
	if (r > 0)
		return 0;
	if (r == 0)
		return -ENOENT;
	return r == -EIO || r == -ENOMEM ? r : -ENOTSUP;
}
