/*
 * The superblock: what kind of file system this is, and whether it can be read.
 * Spec: Linux ext4 ondisk/super.rst.  Backups of the superblock are not looked for.
 *
 * Features that change how files are read and are not known here are refused by name; features
 * that only matter to a writer are not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "ext4.h"

enum {
	INCOMPAT_KNOWN = INCOMPAT_FILETYPE | INCOMPAT_RECOVER | INCOMPAT_META_BG |
	    INCOMPAT_EXTENTS | INCOMPAT_64BIT | INCOMPAT_MMP | INCOMPAT_FLEX_BG |
	    INCOMPAT_EA_INODE | INCOMPAT_CSUM_SEED | INCOMPAT_LARGEDIR | INCOMPAT_INLINE_DATA |
	    INCOMPAT_ENCRYPT | INCOMPAT_CASEFOLD,
	LOG_BLOCK_SIZE_MAX = 6,		/* 64 KiB */
	LOG_CLUSTER_SIZE_MAX = 20,	/* 1 GiB */
	CHECKSUM_CRC32C = 1,
	DESC_SIZE_MAX = 1024,
};

static const char *
incompat_name(uint32_t bit)
{
	switch (bit) {
	case INCOMPAT_COMPRESSION: return "compression";
	case INCOMPAT_JOURNAL_DEV: return "journal_dev";
	case INCOMPAT_DIRDATA: return "dirdata";
	default: return NULL;
	}
}

static int
check_features(const struct ext4_fs *fs)
{
	uint32_t unknown = fs->incompat & ~(uint32_t)INCOMPAT_KNOWN;
	char names[128] = "";
	size_t used = 0;

	if (fs->incompat & INCOMPAT_JOURNAL_DEV)
		return ext4_error(ENOTSUP, "ext4: this is a journal device, not a file system");
	for (uint32_t i = 0; i < 32 && used < sizeof(names) - 24; i++) {
		uint32_t bit = 1u << i;

		if (!(unknown & bit))
			continue;
		if (incompat_name(bit) != NULL)
			used += (size_t)sprintf(names + used, " %s", incompat_name(bit));
		else
			used += (size_t)sprintf(names + used, " incompat-0x%x", bit);
	}
	if (unknown)
		return ext4_error(ENOTSUP, "ext4: features not supported:%s", names);
	return 0;
}

static int
bad(const char *what, uint64_t value)
{
	return ext4_error(EUCLEAN, "ext4: superblock: bad %s %llu", what,
	    (unsigned long long)value);
}

static bool
is_power_of_2(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static int
decode_sizes(struct ext4_fs *fs, const struct disk_super *sb)
{
	uint32_t log = get32(sb->s_log_block_size), cluster = get32(sb->s_log_cluster_size);
	bool old = get32(sb->s_rev_level) == 0;

	if (log > LOG_BLOCK_SIZE_MAX)
		return bad("block size: 1024 shifted by", log);
	fs->block_bits = 10 + log;
	fs->block_size = 1u << fs->block_bits;
	fs->inode_size = old ? GOOD_OLD_INODE_SIZE : get16(sb->s_inode_size);
	if (!is_power_of_2(fs->inode_size) || fs->inode_size < GOOD_OLD_INODE_SIZE ||
	    fs->inode_size > fs->block_size)
		return bad("inode size", fs->inode_size);
	fs->desc_size = GROUP_SIZE_MIN;
	if (fs->incompat & INCOMPAT_64BIT)
		fs->desc_size = get16(sb->s_desc_size);
	if (!is_power_of_2(fs->desc_size) || fs->desc_size > DESC_SIZE_MAX ||
	    fs->desc_size < ((fs->incompat & INCOMPAT_64BIT) ? 64 : GROUP_SIZE_MIN))
		return bad("group descriptor size", fs->desc_size);
	fs->descs_per_block = fs->block_size / fs->desc_size;
	fs->cluster_ratio = 1;
	if (fs->ro_compat & RO_BIGALLOC) {
		if (cluster < log || cluster > LOG_CLUSTER_SIZE_MAX)
			return bad("cluster size: 1024 shifted by", cluster);
		fs->cluster_ratio = 1u << (cluster - log);
	}
	return 0;
}

static int
decode_geometry(struct ext4_fs *fs, const struct disk_super *sb)
{
	uint64_t groups;

	fs->blocks_count = get48(sb->s_blocks_count_lo,
	    (fs->incompat & INCOMPAT_64BIT) ? get32(sb->s_blocks_count_hi) : 0);
	fs->inodes_count = get32(sb->s_inodes_count);
	fs->first_data_block = get32(sb->s_first_data_block);
	fs->blocks_per_group = get32(sb->s_blocks_per_group);
	fs->inodes_per_group = get32(sb->s_inodes_per_group);
	fs->first_meta_bg = get32(sb->s_first_meta_bg);
	if (fs->blocks_per_group == 0 || fs->blocks_per_group % fs->cluster_ratio != 0 ||
	    fs->blocks_per_group / fs->cluster_ratio > fs->block_size * 8)
		return bad("blocks per group", fs->blocks_per_group);
	if (fs->inodes_per_group == 0 || fs->inodes_per_group > fs->block_size * 8)
		return bad("inodes per group", fs->inodes_per_group);
	if (fs->first_data_block > 1 || fs->first_data_block >= fs->blocks_count ||
	    (fs->first_data_block == 1 && fs->block_bits > 10))
		return bad("first data block", fs->first_data_block);
	if (fs->blocks_count > fs->dev.size >> fs->block_bits)
		return ext4_error(EUCLEAN, "ext4: superblock: %llu blocks of %u, but the device "
		    "has %llu", (unsigned long long)fs->blocks_count, fs->block_size,
		    (unsigned long long)(fs->dev.size >> fs->block_bits));
	groups = (fs->blocks_count - fs->first_data_block + fs->blocks_per_group - 1) /
	    fs->blocks_per_group;
	if (groups > UINT32_MAX - fs->descs_per_block)
		return bad("number of groups", groups);
	fs->groups_count = (uint32_t)groups;
	if (groups * fs->inodes_per_group != fs->inodes_count)
		return bad("number of inodes", fs->inodes_count);
	return 0;
}

static int
decode_checksums(struct ext4_fs *fs, const struct disk_super *sb)
{
	fs->csum_kind = EXT4_CSUM_NONE;
	if (fs->ro_compat & RO_METADATA_CSUM)
		fs->csum_kind = EXT4_CSUM_METADATA;
	else if (fs->ro_compat & RO_GDT_CSUM)
		fs->csum_kind = EXT4_CSUM_GROUP;
	fs->csum_seed = (fs->incompat & INCOMPAT_CSUM_SEED) ? get32(sb->s_checksum_seed) :
	    ext4_crc32c(~0u, sb->s_uuid, sizeof(sb->s_uuid));
	if (fs->csum_kind != EXT4_CSUM_METADATA)
		return 0;
	if (sb->s_checksum_type != CHECKSUM_CRC32C)
		return bad("checksum type", sb->s_checksum_type);
	if (!fs->opt.nocheck && ext4_crc32c(~0u, sb, offsetof(struct disk_super, s_checksum)) !=
	    get32(sb->s_checksum))
		return ext4_error(EUCLEAN, "ext4: superblock: bad checksum");
	return 0;
}

int
ext4_super_decode(struct ext4_fs *fs, const struct disk_super *sb)
{
	int r;

	if (get16(sb->s_magic) != SUPER_MAGIC)
		return ext4_error(EINVAL, "ext4: superblock: bad magic number 0x%x: not ext2, "
		    "ext3 or ext4", get16(sb->s_magic));
	fs->sb = *sb;
	fs->compat = fs->incompat = fs->ro_compat = 0;
	if (get32(sb->s_rev_level) > 0) {
		fs->compat = get32(sb->s_feature_compat);
		fs->incompat = get32(sb->s_feature_incompat);
		fs->ro_compat = get32(sb->s_feature_ro_compat);
	}
	for (int i = 0; i < 4; i++)
		fs->hash_seed[i] = get32(sb->s_hash_seed[i]);
	fs->hash_unsigned = (get32(sb->s_flags) & SUPER_UNSIGNED_HASH) != 0;
	r = check_features(fs);
	if (r == 0)
		r = decode_checksums(fs, sb);
	if (r == 0)
		r = decode_sizes(fs, sb);
	if (r == 0)
		r = decode_geometry(fs, sb);
	return r;
}

bool
ext4_valid_blocks(const struct ext4_fs *fs, uint64_t blk, uint64_t n)
{
	return blk > fs->first_data_block && blk < fs->blocks_count && n <= fs->blocks_count - blk;
}

/* The superblock and all else once more, as the log left them. */
static int
reread(struct ext4_fs *fs)
{
	uint32_t bits = fs->block_bits, within = SUPER_OFFSET & (fs->block_size - 1);
	struct ext4_buf *b = NULL;
	struct disk_super sb;
	int r;

	ext4_icache_free(fs);
	ext4_cache_drop(fs);
	r = ext4_icache_init(fs);
	if (r == 0)
		r = ext4_bread(fs, SUPER_OFFSET >> bits, &b);
	if (b == NULL)
		return r;
	memcpy(&sb, b->data + within, sizeof(sb));
	ext4_brelse(b);
	r = ext4_super_decode(fs, &sb);
	if (r == 0 && fs->block_bits != bits)
		r = bad("block size in the journal: 1 shifted by", fs->block_bits);
	return r;
}

static int
replay(struct ext4_fs *fs)
{
	int r;

	if (!(fs->incompat & INCOMPAT_RECOVER) || !(fs->compat & COMPAT_HAS_JOURNAL))
		return 0;
	if (fs->opt.noload) {
		ext4_warn(fs, "the journal is ignored: files may be inconsistent");
		return 0;
	}
	r = ext4_journal_load(fs);
	if (r == 0 && fs->overlay.n > 0) {
		fs->replayed = true;
		r = reread(fs);
	}
	return r;
}

static int
check_root(struct ext4_fs *fs)
{
	struct ext4_inode *root;
	int r = ext4_iget(fs, ROOT_INO, &root);

	if (r < 0)
		return r;
	if (!ext4_inode_is_dir(root))
		r = ext4_error(EUCLEAN, "ext4: inode 2: the root is no directory");
	ext4_iput(root);
	return r;
}

int
ext4_mount(struct ext4_fs *fs, const struct blk_source *dev, const struct ext4_options *opt)
{
	struct disk_super sb;
	int r;

	memset(fs, 0, sizeof(*fs));
	fs->dev = *dev;
	fs->opt = *opt;
	if (dev->size < SUPER_OFFSET + SUPER_SIZE)
		return ext4_error(EINVAL, "ext4: device: too small for a file system");
	r = dev->read(dev->ctx, &sb, sizeof(sb), SUPER_OFFSET);
	if (r == 0)
		r = ext4_super_decode(fs, &sb);
	if (r < 0)
		return r;
	fs->zeros = calloc(1, fs->block_size);
	r = fs->zeros == NULL ? ext4_error(ENOMEM, "ext4: no memory") : ext4_icache_init(fs);
	if (r == 0)
		r = ext4_cache_init(fs, opt->cache_bytes ? opt->cache_bytes : EXT4_CACHE_DEFAULT);
	if (r == 0)
		r = replay(fs);
	if (r == 0)
		r = check_root(fs);
	if (r < 0)
		ext4_unmount(fs);
	return r;
}

void
ext4_unmount(struct ext4_fs *fs)
{
	ext4_icache_free(fs);
	ext4_cache_free(fs);
	free(fs->overlay.entry);
	free(fs->zeros);
	memset(fs, 0, sizeof(*fs));
}

/* Counts what is free, once: nothing changes.  Two threads may do so, with the same result. */
static void
count_free(struct ext4_fs *fs)
{
	uint64_t blocks = 0, inodes = 0;

	for (uint32_t i = 0; i < fs->groups_count; i++) {
		struct ext4_group g;

		if (ext4_group_read(fs, i, &g) < 0)
			continue;
		blocks += (uint64_t)g.free_blocks * fs->cluster_ratio;
		inodes += g.free_inodes;
	}
	atomic_store(&fs->free_blocks, blocks);
	atomic_store(&fs->free_inodes, inodes);
	atomic_store(&fs->counted, true);
}

void
ext4_statfs(struct ext4_fs *fs, struct ext4_statfs *st)
{
	uint64_t reserved = get48(fs->sb.s_r_blocks_count_lo,
	    (fs->incompat & INCOMPAT_64BIT) ? get32(fs->sb.s_r_blocks_count_hi) : 0);
	uint64_t overhead = (uint64_t)get32(fs->sb.s_overhead_blocks) * fs->cluster_ratio;
	le64 id[2];

	if (!atomic_load(&fs->counted))
		count_free(fs);
	memset(st, 0, sizeof(*st));
	st->block_size = fs->block_size;
	st->blocks = fs->blocks_count - (overhead < fs->blocks_count ? overhead : 0);
	st->bfree = atomic_load(&fs->free_blocks);
	st->bavail = st->bfree > reserved ? st->bfree - reserved : 0;
	st->files = fs->inodes_count;
	st->ffree = atomic_load(&fs->free_inodes);
	memcpy(id, fs->sb.s_uuid, sizeof(id));
	st->fsid = get64(id[0]) ^ get64(id[1]);
}
