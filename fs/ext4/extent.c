/*
 * Where a file's blocks are: the extent tree.  Spec: Linux ext4 ondisk/ifork.rst.
 *
 * A node is checked whole the first time that it is read from the device (header, order of its
 * entries, their ranges, checksum); the search may then believe it.  The root, in the inode, is
 * small and checked at each use.
 */
#include <errno.h>
#include <string.h>
#include "ext4.h"

enum { HEAD = sizeof(struct disk_extent_header), ENTRY = sizeof(struct disk_extent) };
#define LBLK_END ((uint64_t)1 << 32)

struct node {
	const uint8_t *entries;
	uint32_t count, max, depth;
};

static struct disk_extent
extent_at(const struct node *n, uint32_t i)
{
	struct disk_extent e;

	memcpy(&e, n->entries + (size_t)i * ENTRY, sizeof(e));
	return e;
}

static uint32_t
lblk_at(const struct node *n, uint32_t i)
{
	le32 v;

	memcpy(&v, n->entries + (size_t)i * ENTRY, sizeof(v));
	return get32(v);
}

static uint64_t
child_at(const struct node *n, uint32_t i)
{
	struct disk_extent_idx x;

	memcpy(&x, n->entries + (size_t)i * ENTRY, sizeof(x));
	return get48(x.ei_leaf_lo, get16(x.ei_leaf_hi));
}

/* An extent's length; *written is false for one that reads as zeros. */
static uint32_t
length(const struct disk_extent *e, bool *written)
{
	uint32_t n = get16(e->ee_len);

	*written = n <= EXTENT_INIT_MAX;
	return *written ? n : n - EXTENT_INIT_MAX;
}

static int
damaged(const struct ext4_inode *ip, uint64_t blk, const char *what)
{
	if (blk == 0)
		return ext4_error(EUCLEAN, "ext4: inode %u: extent root: %s", ip->ino, what);
	return ext4_error(EUCLEAN, "ext4: inode %u: extent block %llu: %s", ip->ino,
	    (unsigned long long)blk, what);
}

static int
check_entries(const struct ext4_inode *ip, const struct node *n, uint64_t blk)
{
	uint64_t end = 0;		/* of what came before */

	for (uint32_t i = 0; i < n->count; i++) {
		struct disk_extent e = extent_at(n, i);
		uint64_t lblk = lblk_at(n, i), phys, len = 1;
		bool written;

		if (n->depth > 0) {
			phys = child_at(n, i);
		} else {
			phys = get48(e.ee_start_lo, get16(e.ee_start_hi));
			len = length(&e, &written);
		}
		if (lblk < end || len == 0 || lblk + len > LBLK_END)
			return damaged(ip, blk, "entries out of order");
		if (!ext4_valid_blocks(ip->fs, phys, len))
			return damaged(ip, blk, "entry points outside");
		end = lblk + len;
	}
	return 0;
}

/* Looks at the node in `space` bytes at p and checks it; depth is what it must have. */
static int
open_node(const struct ext4_inode *ip, const uint8_t *p, size_t space, struct node *n)
{
	struct disk_extent_header h;

	memcpy(&h, p, sizeof(h));
	n->entries = p + HEAD;
	n->count = get16(h.eh_entries);
	n->max = get16(h.eh_max);
	n->depth = get16(h.eh_depth);
	if (get16(h.eh_magic) != EXTENT_MAGIC || n->max > (space - HEAD) / ENTRY ||
	    n->count > n->max || n->depth > EXTENT_MAX_DEPTH || (n->count == 0 && n->depth > 0))
		return ext4_error(EUCLEAN, "ext4: inode %u: extent header is damaged", ip->ino);
	return 0;
}

static int
check_sum(const struct ext4_inode *ip, const struct node *n, const uint8_t *p, uint64_t blk)
{
	size_t tail = HEAD + (size_t)n->max * ENTRY;
	le32 sum;

	if (ip->fs->csum_kind != EXT4_CSUM_METADATA || ip->fs->opt.nocheck)
		return 0;
	if (tail + sizeof(sum) > ip->fs->block_size)
		return damaged(ip, blk, "no room for a checksum");
	memcpy(&sum, p + tail, sizeof(sum));
	if (ext4_crc32c(ip->csum_seed, p, tail) != get32(sum))
		return damaged(ip, blk, "bad checksum");
	return 0;
}

static int
read_node(struct ext4_inode *ip, uint64_t blk, uint32_t depth, struct node *n,
	struct ext4_buf **out)
{
	int r = ext4_bread(ip->fs, blk, out);

	if (r < 0)
		return r;
	r = open_node(ip, (*out)->data, ip->fs->block_size, n);
	if (r == 0 && n->depth != depth)
		r = damaged(ip, blk, "wrong depth");
	if (r == 0 && !ext4_is_checked(*out, ip->ino, EXT4_CHECKED_EXTENT)) {
		r = check_sum(ip, n, (*out)->data, blk);
		if (r == 0)
			r = check_entries(ip, n, blk);
		if (r == 0)
			ext4_set_checked(*out, ip->ino, EXT4_CHECKED_EXTENT);
	}
	if (r < 0) {
		ext4_brelse(*out);
		*out = NULL;
	}
	return r;
}

/* How many entries begin at or before lblk. */
static uint32_t
search(const struct node *n, uint64_t lblk)
{
	uint32_t lo = 0, hi = n->count;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (lblk_at(n, mid) <= lblk)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The run in a leaf; `end` is where the next leaf begins. */
static void
leaf_run(const struct node *n, uint64_t lblk, uint64_t end, struct ext4_run *run)
{
	uint32_t i = search(n, lblk);

	*run = (struct ext4_run){.lblk = lblk};
	if (i < n->count)
		end = lblk_at(n, i);
	if (i > 0) {
		struct disk_extent e = extent_at(n, i - 1);
		uint64_t start = get32(e.ee_block);
		bool written;
		uint32_t len = length(&e, &written);

		if (lblk < start + len) {
			run->lblk = start;
			run->len = len;
			if (written)
				run->pblk = get48(e.ee_start_lo, get16(e.ee_start_hi));
			return;
		}
	}
	run->len = end > lblk ? end - lblk : 1;
}

int
ext4_extent_map(struct ext4_inode *ip, uint64_t lblk, struct ext4_run *run)
{
	uint64_t end = LBLK_END;
	struct ext4_buf *b = NULL;
	struct node n;
	int r;

	if (lblk >= LBLK_END) {
		*run = (struct ext4_run){.lblk = lblk, .len = UINT64_MAX - lblk};
		return 0;
	}
	r = open_node(ip, ext4_inode_iblock(ip), I_BLOCK_SIZE, &n);
	if (r == 0)
		r = check_entries(ip, &n, 0);
	while (r == 0 && n.depth > 0) {
		uint32_t i = search(&n, lblk), depth = n.depth - 1;
		uint64_t child;

		if (i < n.count && lblk_at(&n, i) < end)
			end = lblk_at(&n, i);
		if (i == 0)
			break;
		child = child_at(&n, i - 1);
		ext4_brelse(b);
		r = read_node(ip, child, depth, &n, &b);
	}
	if (r == 0 && n.depth > 0)
		*run = (struct ext4_run){.lblk = lblk, .len = end - lblk};
	else if (r == 0)
		leaf_run(&n, lblk, end, run);
	ext4_brelse(b);
	return r;
}
