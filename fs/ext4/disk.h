/*
 * What ext2, ext3 and ext4 write on a disk: layouts, magic numbers, feature bits.
 * Spec: Linux Documentation/filesystems/ext4 (ondisk), and for the log journal.rst there.
 * Everything is bytes in fixed order: le16, le32 and le64 in the file system, be16 and be32 in
 * the log.  They are types of their own so that no field can be used without being converted.
 */
#pragma once
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

typedef struct { uint8_t b[2]; } le16;
typedef struct { uint8_t b[4]; } le32;
typedef struct { uint8_t b[8]; } le64;
typedef struct { uint8_t b[2]; } be16;
typedef struct { uint8_t b[4]; } be32;

static inline uint16_t
get16(le16 v)
{
	return (uint16_t)(v.b[0] | v.b[1] << 8);
}

static inline uint32_t
get32(le32 v)
{
	return (uint32_t)v.b[0] | (uint32_t)v.b[1] << 8 | (uint32_t)v.b[2] << 16 |
	       (uint32_t)v.b[3] << 24;
}

static inline uint64_t
get64(le64 v)
{
	le32 lo = {{v.b[0], v.b[1], v.b[2], v.b[3]}}, hi = {{v.b[4], v.b[5], v.b[6], v.b[7]}};

	return (uint64_t)get32(hi) << 32 | get32(lo);
}

static inline uint16_t
getbe16(be16 v)
{
	return (uint16_t)(v.b[0] << 8 | v.b[1]);
}

static inline uint32_t
getbe32(be32 v)
{
	return (uint32_t)v.b[3] | (uint32_t)v.b[2] << 8 | (uint32_t)v.b[1] << 16 |
	       (uint32_t)v.b[0] << 24;
}

static inline le32
put32(uint32_t v)
{
	return (le32){{(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)}};
}

static inline uint64_t
get48(le32 lo, uint32_t hi)
{
	return (uint64_t)hi << 32 | get32(lo);
}

enum {
	SUPER_OFFSET = 1024,
	SUPER_SIZE = 1024,
	SUPER_MAGIC = 0xef53,
	ROOT_INO = 2,
	GOOD_OLD_INODE_SIZE = 128,
	GOOD_OLD_FIRST_INO = 11,
	N_BLOCKS = 15,			/* i_block: 12 direct, single, double, triple */
	NDIR_BLOCKS = 12,
	I_BLOCK_SIZE = 60,
	NAME_LEN = 255,
};

enum {					/* s_feature_compat */
	COMPAT_HAS_JOURNAL = 0x4,
	COMPAT_DIR_INDEX = 0x20,
	COMPAT_SPARSE_SUPER2 = 0x200,
	COMPAT_FAST_COMMIT = 0x400,
};

enum {					/* s_feature_incompat */
	INCOMPAT_COMPRESSION = 0x1,
	INCOMPAT_FILETYPE = 0x2,
	INCOMPAT_RECOVER = 0x4,
	INCOMPAT_JOURNAL_DEV = 0x8,
	INCOMPAT_META_BG = 0x10,
	INCOMPAT_EXTENTS = 0x40,
	INCOMPAT_64BIT = 0x80,
	INCOMPAT_MMP = 0x100,
	INCOMPAT_FLEX_BG = 0x200,
	INCOMPAT_EA_INODE = 0x400,
	INCOMPAT_DIRDATA = 0x1000,
	INCOMPAT_CSUM_SEED = 0x2000,
	INCOMPAT_LARGEDIR = 0x4000,
	INCOMPAT_INLINE_DATA = 0x8000,
	INCOMPAT_ENCRYPT = 0x10000,
	INCOMPAT_CASEFOLD = 0x20000,
};

enum {					/* s_feature_ro_compat */
	RO_SPARSE_SUPER = 0x1,
	RO_LARGE_FILE = 0x2,
	RO_HUGE_FILE = 0x8,
	RO_GDT_CSUM = 0x10,
	RO_DIR_NLINK = 0x20,
	RO_EXTRA_ISIZE = 0x40,
	RO_BIGALLOC = 0x200,
	RO_METADATA_CSUM = 0x400,
};

enum {					/* s_flags */
	SUPER_SIGNED_HASH = 0x1,
	SUPER_UNSIGNED_HASH = 0x2,
};

struct disk_super {
	le32 s_inodes_count, s_blocks_count_lo, s_r_blocks_count_lo, s_free_blocks_count_lo;
	le32 s_free_inodes_count, s_first_data_block, s_log_block_size, s_log_cluster_size;
	le32 s_blocks_per_group, s_clusters_per_group, s_inodes_per_group, s_mtime, s_wtime;
	le16 s_mnt_count, s_max_mnt_count, s_magic, s_state, s_errors, s_minor_rev_level;
	le32 s_lastcheck, s_checkinterval, s_creator_os, s_rev_level;
	le16 s_def_resuid, s_def_resgid;
	le32 s_first_ino;
	le16 s_inode_size, s_block_group_nr;
	le32 s_feature_compat, s_feature_incompat, s_feature_ro_compat;
	uint8_t s_uuid[16], s_volume_name[16], s_last_mounted[64];
	le32 s_algorithm_usage_bitmap;
	uint8_t s_prealloc_blocks, s_prealloc_dir_blocks;
	le16 s_reserved_gdt_blocks;
	uint8_t s_journal_uuid[16];
	le32 s_journal_inum, s_journal_dev, s_last_orphan, s_hash_seed[4];
	uint8_t s_def_hash_version, s_jnl_backup_type;
	le16 s_desc_size;
	le32 s_default_mount_opts, s_first_meta_bg, s_mkfs_time, s_jnl_blocks[17];
	le32 s_blocks_count_hi, s_r_blocks_count_hi, s_free_blocks_count_hi;
	le16 s_min_extra_isize, s_want_extra_isize;
	le32 s_flags;
	le16 s_raid_stride, s_mmp_interval;
	le64 s_mmp_block;
	le32 s_raid_stripe_width;
	uint8_t s_log_groups_per_flex, s_checksum_type, s_encryption_level, s_reserved_pad;
	le64 s_kbytes_written;
	uint8_t s_snapshots_and_errors[192];	/* 0x180: not needed to read files */
	le32 s_usr_quota_inum, s_grp_quota_inum, s_overhead_blocks, s_backup_bgs[2];
	uint8_t s_encrypt_algos[4], s_encrypt_pw_salt[16];
	le32 s_lpf_ino, s_prj_quota_inum, s_checksum_seed;
	uint8_t s_times_hi[8];
	le16 s_encoding, s_encoding_flags;
	le32 s_orphan_file_inum, s_reserved[94], s_checksum;
};
static_assert(sizeof(struct disk_super) == SUPER_SIZE);
static_assert(offsetof(struct disk_super, s_uuid) == 0x68);
static_assert(offsetof(struct disk_super, s_journal_uuid) == 0xd0);
static_assert(offsetof(struct disk_super, s_desc_size) == 0xfe);
static_assert(offsetof(struct disk_super, s_blocks_count_hi) == 0x150);
static_assert(offsetof(struct disk_super, s_snapshots_and_errors) == 0x180);
static_assert(offsetof(struct disk_super, s_usr_quota_inum) == 0x240);
static_assert(offsetof(struct disk_super, s_checksum_seed) == 0x270);
static_assert(offsetof(struct disk_super, s_checksum) == 0x3fc);

struct disk_group {			/* the first 32 bytes, or all 64 with INCOMPAT_64BIT */
	le32 bg_block_bitmap_lo, bg_inode_bitmap_lo, bg_inode_table_lo;
	le16 bg_free_blocks_count_lo, bg_free_inodes_count_lo, bg_used_dirs_count_lo, bg_flags;
	le32 bg_exclude_bitmap_lo;
	le16 bg_block_bitmap_csum_lo, bg_inode_bitmap_csum_lo, bg_itable_unused_lo, bg_checksum;
	le32 bg_block_bitmap_hi, bg_inode_bitmap_hi, bg_inode_table_hi;
	le16 bg_free_blocks_count_hi, bg_free_inodes_count_hi, bg_used_dirs_count_hi;
	le16 bg_itable_unused_hi;
	le32 bg_exclude_bitmap_hi;
	le16 bg_block_bitmap_csum_hi, bg_inode_bitmap_csum_hi;
	le32 bg_reserved;
};
enum { GROUP_SIZE_MIN = 32, GROUP_CHECKSUM = 30 };
static_assert(sizeof(struct disk_group) == 64);
static_assert(offsetof(struct disk_group, bg_checksum) == GROUP_CHECKSUM);

enum {					/* i_flags */
	FL_ENCRYPT = 0x800,
	FL_INDEX = 0x1000,
	FL_HUGE_FILE = 0x40000,
	FL_EXTENTS = 0x80000,
	FL_VERITY = 0x100000,
	FL_EA_INODE = 0x200000,
	FL_INLINE_DATA = 0x10000000,
	FL_CASEFOLD = 0x40000000,
};

struct disk_inode {
	le16 i_mode, i_uid;
	le32 i_size_lo, i_atime, i_ctime, i_mtime, i_dtime;
	le16 i_gid, i_links_count;
	le32 i_blocks_lo, i_flags, i_version;
	uint8_t i_block[I_BLOCK_SIZE];
	le32 i_generation, i_file_acl_lo, i_size_high, i_obso_faddr;
	le16 i_blocks_high, i_file_acl_high, i_uid_high, i_gid_high, i_checksum_lo, i_reserved;
	/* from here on only as far as i_extra_isize says */
	le16 i_extra_isize, i_checksum_hi;
	le32 i_ctime_extra, i_mtime_extra, i_atime_extra, i_crtime, i_crtime_extra;
	le32 i_version_hi, i_projid;
};
static_assert(sizeof(struct disk_inode) == 160);
static_assert(offsetof(struct disk_inode, i_block) == 40);
static_assert(offsetof(struct disk_inode, i_checksum_lo) == 124);
static_assert(offsetof(struct disk_inode, i_extra_isize) == 128);

enum { EXTENT_MAGIC = 0xf30a, EXTENT_MAX_DEPTH = 5, EXTENT_INIT_MAX = 32768 };

struct disk_extent_header {
	le16 eh_magic, eh_entries, eh_max, eh_depth;
	le32 eh_generation;
};
struct disk_extent {
	le32 ee_block;
	le16 ee_len, ee_start_hi;
	le32 ee_start_lo;
};
struct disk_extent_idx {
	le32 ei_block, ei_leaf_lo;
	le16 ei_leaf_hi, ei_unused;
};
static_assert(sizeof(struct disk_extent_header) == 12);
static_assert(sizeof(struct disk_extent) == 12 && sizeof(struct disk_extent_idx) == 12);

struct disk_dirent {
	le32 inode;
	le16 rec_len;
	uint8_t name_len, file_type;
	/* the name */
};
enum { DIRENT_HEAD = 8, DIRENT_TAIL = 12, DIRENT_TAIL_TYPE = 0xde };
static_assert(sizeof(struct disk_dirent) == DIRENT_HEAD);

enum { DX_ROOT_INFO = 24, DX_ROOT_ENTRIES = 32, DX_NODE_ENTRIES = 8, DX_MAX_LEVELS = 3 };

struct disk_dx_info {
	le32 reserved_zero;
	uint8_t hash_version, info_length, indirect_levels, unused_flags;
};
struct disk_dx_entry {			/* the first one's hash is limit and count */
	le32 hash, block;
};
struct disk_dx_countlimit {
	le16 limit, count;
};
struct disk_dx_tail {
	le32 dt_reserved, dt_checksum;
};

enum { XATTR_MAGIC = 0xea020000 };

struct disk_xattr_header {		/* a block's; in an inode only the magic */
	le32 h_magic, h_refcount, h_blocks, h_hash, h_checksum, h_reserved[3];
};
struct disk_xattr_entry {
	uint8_t e_name_len, e_name_index;
	le16 e_value_offs;
	le32 e_value_inum, e_value_size, e_hash;
	/* the name, padded to 4 */
};
static_assert(sizeof(struct disk_xattr_header) == 32);
static_assert(sizeof(struct disk_xattr_entry) == 16);

/* --- the log: jbd2, big-endian --- */
enum {
	JBD_MAGIC = 0xc03b3998u,
	JBD_DESCRIPTOR = 1,
	JBD_COMMIT = 2,
	JBD_SUPER_V1 = 3,
	JBD_SUPER_V2 = 4,
	JBD_REVOKE = 5,
};
enum {
	JBD_COMPAT_CHECKSUM = 0x1,
	JBD_INCOMPAT_REVOKE = 0x1,
	JBD_INCOMPAT_64BIT = 0x2,
	JBD_INCOMPAT_ASYNC_COMMIT = 0x4,
	JBD_INCOMPAT_CSUM_V2 = 0x8,
	JBD_INCOMPAT_CSUM_V3 = 0x10,
	JBD_INCOMPAT_FAST_COMMIT = 0x20,
	JBD_INCOMPAT_KNOWN = 0x3f,
};
enum { JBD_TAG_ESCAPE = 1, JBD_TAG_SAME_UUID = 2, JBD_TAG_DELETED = 4, JBD_TAG_LAST = 8 };
enum { JBD_CRC32 = 1, JBD_CRC32C = 4, JBD_FC_BLOCKS_DEFAULT = 256 };

struct disk_jbd_header {
	be32 h_magic, h_blocktype, h_sequence;
};
struct disk_jbd_super {
	struct disk_jbd_header s_header;
	be32 s_blocksize, s_maxlen, s_first, s_sequence, s_start, s_errno;
	be32 s_feature_compat, s_feature_incompat, s_feature_ro_compat;
	uint8_t s_uuid[16];
	be32 s_nr_users, s_dynsuper, s_max_transaction, s_max_trans_data;
	uint8_t s_checksum_type, s_padding2[3];
	be32 s_num_fc_blks, s_head, s_padding[40], s_checksum;
	uint8_t s_users[16 * 48];
};
struct disk_jbd_commit {
	struct disk_jbd_header h;
	uint8_t h_chksum_type, h_chksum_size, h_padding[2];
	be32 h_chksum[8], h_commit_sec_hi, h_commit_sec_lo, h_commit_nsec;
};
struct disk_jbd_revoke {
	struct disk_jbd_header r_header;
	be32 r_count;			/* bytes used, this head included */
};
static_assert(sizeof(struct disk_jbd_super) == 1024);
static_assert(offsetof(struct disk_jbd_super, s_checksum) == 0xfc);
static_assert(offsetof(struct disk_jbd_commit, h_chksum) == 16);
static_assert(offsetof(struct disk_jbd_commit, h_commit_sec_hi) == 48);

enum { FC_TAG_TAIL = 8, FC_TAG_HEAD = 9 };

struct disk_fc_tag {
	le16 fc_tag, fc_len;
};
