/*
 * Where a file's blocks are, the old way: twelve direct pointers and three trees of indirect
 * blocks.  Spec: Linux ext4 ondisk/blockmap.rst.  These blocks have no checksums; each pointer is
 * checked when it is used.
 */
#include <errno.h>
#include <string.h>
#include "ext4.h"

enum { LEVELS = 3, RUN_MAX = 1024 };

int
ext4_map(struct ext4_inode *ip, uint64_t lblk, struct ext4_run *run)
{
	if (ip->flags & FL_EXTENTS)
		return ext4_extent_map(ip, lblk, run);
	return ext4_indirect_map(ip, lblk, run);
}

static uint32_t
pointer_at(const uint8_t *table, uint64_t i)
{
	le32 v;

	memcpy(&v, table + i * sizeof(v), sizeof(v));
	return get32(v);
}

/* The run of pointers at table[i], of n: neighbours on the disk, or all zero. */
static int
table_run(const struct ext4_inode *ip, const uint8_t *table, uint64_t i, uint64_t n,
	struct ext4_run *run)
{
	uint32_t first = pointer_at(table, i);
	uint64_t len = 1;

	while (i + len < n && len < RUN_MAX &&
	    pointer_at(table, i + len) == (first ? first + (uint32_t)len : 0))
		len++;
	run->pblk = first;
	run->len = len;
	if (first != 0 && !ext4_valid_blocks(ip->fs, first, len))
		return ext4_error(EUCLEAN, "ext4: inode %u: block %u is outside", ip->ino, first);
	return 0;
}

/* Descends `level` tables from block `blk`; `at` counts within what that tree covers. */
static int
tree_run(struct ext4_inode *ip, uint32_t blk, uint32_t level, uint64_t at, struct ext4_run *run)
{
	uint32_t bits = ip->fs->block_bits - 2;
	uint64_t each = (uint64_t)1 << bits;
	struct ext4_buf *b;
	int r = 0;

	for (; level > 0 && r == 0; level--) {
		uint64_t covers = (uint64_t)1 << (level * bits);

		if (blk == 0) {
			run->pblk = 0;
			run->len = covers - at;
			return 0;
		}
		if (!ext4_valid_blocks(ip->fs, blk, 1))
			return ext4_error(EUCLEAN, "ext4: inode %u: indirect block %u is outside",
			    ip->ino, blk);
		r = ext4_bread(ip->fs, blk, &b);
		if (r < 0)
			return r;
		if (level == 1)
			r = table_run(ip, b->data, at, each, run);
		else
			blk = pointer_at(b->data, at >> ((level - 1) * bits));
		at &= (covers >> bits) - 1;
		ext4_brelse(b);
	}
	return r;
}

int
ext4_indirect_map(struct ext4_inode *ip, uint64_t lblk, struct ext4_run *run)
{
	const uint8_t *root = ext4_inode_iblock(ip);
	uint32_t bits = ip->fs->block_bits - 2;
	uint64_t at = lblk;

	*run = (struct ext4_run){.lblk = lblk};
	if (at < NDIR_BLOCKS)
		return table_run(ip, root, at, NDIR_BLOCKS, run);
	at -= NDIR_BLOCKS;
	for (uint32_t level = 1; level <= LEVELS; level++) {
		uint64_t covers = (uint64_t)1 << (level * bits);

		if (at < covers)
			return tree_run(ip, pointer_at(root, NDIR_BLOCKS + level - 1), level, at,
			    run);
		at -= covers;
	}
	run->len = UINT64_MAX - lblk;
	return 0;
}
