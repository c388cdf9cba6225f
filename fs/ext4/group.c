/*
 * Group descriptors: where a group's inodes are.  Spec: Linux ext4 ondisk/group_descr.rst.
 * They are read through the block cache and checked at each use; nothing is kept.
 */
#include <errno.h>
#include <string.h>
#include "ext4.h"

static bool
is_power_of(uint32_t n, uint32_t base)
{
	while (n > 1 && n % base == 0)
		n /= base;
	return n == 1;
}

bool
ext4_group_has_super(const struct ext4_fs *fs, uint32_t group)
{
	if (group == 0)
		return true;
	if (fs->compat & COMPAT_SPARSE_SUPER2)
		return group == get32(fs->sb.s_backup_bgs[0]) ||
		       group == get32(fs->sb.s_backup_bgs[1]);
	if (group == 1 || !(fs->ro_compat & RO_SPARSE_SUPER))
		return true;
	return is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7);
}

/* The block that holds descriptors nr * descs_per_block and up. */
static uint64_t
descriptor_block(const struct ext4_fs *fs, uint32_t nr)
{
	uint32_t super = SUPER_OFFSET >> fs->block_bits, group;
	uint64_t first;

	if (!(fs->incompat & INCOMPAT_META_BG) || nr < fs->first_meta_bg)
		return (uint64_t)super + 1 + nr;
	group = nr * fs->descs_per_block;
	first = fs->first_data_block + (uint64_t)group * fs->blocks_per_group;
	if (ext4_group_has_super(fs, group))
		first++;
	if (fs->block_size == 1024 && nr == 0 && fs->first_data_block == 0)
		first++;
	return first;
}

static uint16_t
checksum(const struct ext4_fs *fs, uint32_t group, const uint8_t *desc)
{
	static const uint8_t none[2];
	le32 number = put32(group);
	const uint8_t *rest = desc + GROUP_CHECKSUM + 2;
	size_t nrest = fs->desc_size - GROUP_CHECKSUM - 2;

	if (fs->csum_kind == EXT4_CSUM_METADATA) {
		uint32_t c = ext4_crc32c(fs->csum_seed, &number, sizeof(number));

		c = ext4_crc32c(c, desc, GROUP_CHECKSUM);
		c = ext4_crc32c(c, none, sizeof(none));
		return (uint16_t)ext4_crc32c(c, rest, nrest);
	} else {
		uint16_t c = ext4_crc16(0xffff, fs->sb.s_uuid, sizeof(fs->sb.s_uuid));

		c = ext4_crc16(c, &number, sizeof(number));
		c = ext4_crc16(c, desc, GROUP_CHECKSUM);
		return ext4_crc16(c, rest, nrest);
	}
}

static void
decode(const struct ext4_fs *fs, const struct disk_group *d, struct ext4_group *g)
{
	g->block_bitmap = get32(d->bg_block_bitmap_lo);
	g->inode_bitmap = get32(d->bg_inode_bitmap_lo);
	g->inode_table = get32(d->bg_inode_table_lo);
	g->free_blocks = get16(d->bg_free_blocks_count_lo);
	g->free_inodes = get16(d->bg_free_inodes_count_lo);
	g->flags = get16(d->bg_flags);
	if (fs->desc_size < sizeof(*d))
		return;
	g->block_bitmap |= (uint64_t)get32(d->bg_block_bitmap_hi) << 32;
	g->inode_bitmap |= (uint64_t)get32(d->bg_inode_bitmap_hi) << 32;
	g->inode_table |= (uint64_t)get32(d->bg_inode_table_hi) << 32;
	g->free_blocks |= (uint32_t)get16(d->bg_free_blocks_count_hi) << 16;
	g->free_inodes |= (uint32_t)get16(d->bg_free_inodes_count_hi) << 16;
}

int
ext4_group_read(struct ext4_fs *fs, uint32_t group, struct ext4_group *g)
{
	struct disk_group d = {0};
	struct ext4_buf *b;
	const uint8_t *at;
	uint64_t table;
	int r = ext4_bread(fs, descriptor_block(fs, group / fs->descs_per_block), &b);

	if (r < 0)
		return r;
	at = b->data + (size_t)(group % fs->descs_per_block) * fs->desc_size;
	memcpy(&d, at, fs->desc_size < sizeof(d) ? fs->desc_size : sizeof(d));
	if (fs->csum_kind != EXT4_CSUM_NONE && !fs->opt.nocheck &&
	    checksum(fs, group, at) != get16(d.bg_checksum))
		r = ext4_error(EUCLEAN, "ext4: group %u: bad checksum", group);
	ext4_brelse(b);
	if (r < 0)
		return r;
	decode(fs, &d, g);
	table = (uint64_t)fs->inodes_per_group * fs->inode_size;
	if (!ext4_valid_blocks(fs, g->inode_table, (table + fs->block_size - 1) >> fs->block_bits))
		return ext4_error(EUCLEAN, "ext4: group %u: inode table at block %llu is outside",
		    group, (unsigned long long)g->inode_table);
	return 0;
}
