/*
 * ext2, ext3 and ext4, read-only: what the parts of this file server offer each other.
 *
 * Layers, each calling only those above it: err, crc, dev; cache (blocks, through the log's
 * overlay); super, group; inode; map (extent, indirect); file; dir (hash, htree), xattr, inline
 * data; journal.  serve.c turns them into 9P.  No call trusts the disk: -EUCLEAN names what is
 * damaged, -EIO a device's refusal.  The text for people is ext4_error_text(), per thread.
 *
 * Locks, in order: ext4_file.lock, ext4_icache.lock, ext4_shard.lock; none is held over device
 * input, but a buffer's `loader` (cache.c).  An inode does not change after it was read but for its
 * atomics.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "blk_source.h"
#include "disk.h"
#include "os_lock.h"

struct ext4_fs;
struct ext4_inode;

/* --- err.c ------------------------------------------------------------------------------------ */
enum { EXT4_ERROR_TEXT = 256 };

/* Keeps the text for this thread; its value is -error. */
#define ext4_error(error, ...) (ext4_set_error(__VA_ARGS__), -(error))
void ext4_set_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The last ext4_error's text in this thread. */
const char *ext4_error_text(void);

/* --- crc.c ------------------------------------------------------------------------------------ */
/* CRC-32C as ext4 uses it: no inversion at either end; begin with ~0. */
uint32_t ext4_crc32c(uint32_t crc, const void *data, size_t n);
/* CRC-16 (0x8005 reflected), for RO_GDT_CSUM; begin with ~0. */
uint16_t ext4_crc16(uint16_t crc, const void *data, size_t n);

/* --- cache.c ---------------------------------------------------------------------------------- */
enum { EXT4_RUN_BYTES = 1 << 20 };	/* the largest single read of the device */

/* What a block was checked as, for one inode, and need not be again: bits of ext4_buf.checked. */
enum {
	EXT4_CHECKED_DIR = 1,
	EXT4_CHECKED_DX_ROOT = 2,
	EXT4_CHECKED_DX_NODE = 4,
	EXT4_CHECKED_XATTR = 8,
	EXT4_CHECKED_EXTENT = 16,
};

struct ext4_buf {
	uint64_t blk;
	uint8_t *data;			/* block_size bytes, constant while a reference is held */
	atomic_uint refs;
	atomic_uint_fast64_t checked;	/* inode << 32 | EXT4_CHECKED_* */
	bool valid, loading, recent, extra;
	struct os_lock loader;
	struct ext4_shard *shard;
	struct ext4_buf *next;		/* same bucket */
};

struct ext4_shard {
	struct os_lock lock;
	struct ext4_buf *bufs, **bucket;
	uint32_t nbufs, hand, mask;
};

enum { EXT4_MAX_SHARDS = 8 };

struct ext4_cache {
	uint8_t *memory;
	uint32_t nshards;		/* a power of two */
	uint32_t ahead_max;		/* blocks */
	struct ext4_shard shard[EXT4_MAX_SHARDS];
	atomic_uint_fast64_t misses, reads;
};

static inline bool
ext4_is_checked(struct ext4_buf *b, uint32_t ino, uint32_t as)
{
	uint64_t c = atomic_load_explicit(&b->checked, memory_order_relaxed);

	return c >> 32 == ino && (c & as) != 0;
}

static inline void
ext4_set_checked(struct ext4_buf *b, uint32_t ino, uint32_t as)
{
	uint64_t c = atomic_load_explicit(&b->checked, memory_order_relaxed);

	c = c >> 32 == ino ? c | as : (uint64_t)ino << 32 | as;
	atomic_store_explicit(&b->checked, c, memory_order_relaxed);
}

int ext4_cache_init(struct ext4_fs *fs, size_t bytes);
void ext4_cache_free(struct ext4_fs *fs);
/* Forgets every block.  Nothing may be held. */
void ext4_cache_drop(struct ext4_fs *fs);
/* The block, held until ext4_brelse.  -EUCLEAN if there is no such block.  *out NULL on errors. */
int ext4_bread(struct ext4_fs *fs, uint64_t blk, struct ext4_buf **out);
void ext4_brelse(struct ext4_buf *b);		/* NULL is nothing */
/* The block if it is in the cache now, held; or NULL. */
struct ext4_buf *ext4_bpeek(struct ext4_fs *fs, uint64_t blk);
/* Brings blk and up to n - 1 that follow it into the cache in one read.  Errors show in bread. */
void ext4_bahead(struct ext4_fs *fs, uint64_t blk, uint32_t n);
/* Copies n blocks, from the cache where they are there, the rest in large reads past it. */
int ext4_bcopy(struct ext4_fs *fs, uint64_t blk, uint32_t n, uint8_t *dst);
/* Bytes of the device, as the log says they are.  Whole blocks; n * block_size <= 1 MiB. */
int ext4_blocks_read(struct ext4_fs *fs, uint64_t blk, uint32_t n, uint8_t *dst);

/* --- journal.c, replay.c ---------------------------------------------------------------------- */
struct ext4_overlay_entry {
	uint64_t blk;			/* this block of the file system */
	uint64_t at;			/* is to be read here */
	uint32_t sequence;
	bool escaped;			/* its first four bytes are the log's magic */
};

struct ext4_overlay {			/* sorted by blk, each once */
	struct ext4_overlay_entry *entry;
	size_t n;
};

/* The first entry with entry.blk >= blk. */
size_t ext4_overlay_find(const struct ext4_overlay *o, uint64_t blk);
/* Reads the log of a file system that needs recovery and fills fs->overlay. */
int ext4_journal_load(struct ext4_fs *fs);

/* --- super.c ---------------------------------------------------------------------------------- */
enum { EXT4_CSUM_NONE, EXT4_CSUM_GROUP, EXT4_CSUM_METADATA };

struct ext4_options {
	size_t cache_bytes;		/* 0: the default */
	bool noload;			/* read past a log that needs replay */
	bool nocheck;			/* believe blocks whose checksums do not match */
	bool quiet;			/* no warnings on standard error */
};
enum { EXT4_CACHE_DEFAULT = 8 << 20, EXT4_CACHE_MIN = 1 << 20 };

struct ext4_icache {
	struct os_lock lock;
	struct ext4_inode **bucket;
	struct ext4_inode *idle_first, *idle_last;	/* without references, oldest first */
	uint32_t mask, nidle, idle_max;
};

struct ext4_fs {
	struct blk_source dev;
	struct ext4_options opt;
	struct disk_super sb;
	uint32_t compat, incompat, ro_compat;
	uint32_t block_size, block_bits;
	uint32_t inode_size, desc_size, descs_per_block;
	uint64_t blocks_count;
	uint32_t inodes_count, groups_count, first_data_block, first_meta_bg;
	uint32_t blocks_per_group, inodes_per_group, cluster_ratio;
	uint32_t csum_kind, csum_seed;
	uint32_t hash_seed[4];
	bool hash_unsigned;
	bool replayed;			/* overlay is in use */
	struct ext4_overlay overlay;
	struct ext4_cache cache;
	struct ext4_icache icache;
	uint8_t *zeros;			/* one block */
	atomic_bool counted;		/* what follows is known */
	atomic_uint_fast64_t free_blocks, free_inodes;
};

struct ext4_statfs {
	uint64_t blocks, bfree, bavail, files, ffree, fsid;
	uint32_t block_size;
};

/* Mounts what is on dev.  On error nothing stays allocated.  Frees with ext4_unmount. */
int ext4_mount(struct ext4_fs *fs, const struct blk_source *dev, const struct ext4_options *opt);
void ext4_unmount(struct ext4_fs *fs);
void ext4_statfs(struct ext4_fs *fs, struct ext4_statfs *st);
/* Decodes and checks a superblock's bytes into fs.  Pure but for fs. */
int ext4_super_decode(struct ext4_fs *fs, const struct disk_super *sb);
void ext4_warn(const struct ext4_fs *fs, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
bool ext4_valid_blocks(const struct ext4_fs *fs, uint64_t blk, uint64_t n);

/* --- group.c ---------------------------------------------------------------------------------- */
struct ext4_group {
	uint64_t block_bitmap, inode_bitmap, inode_table;
	uint32_t free_blocks, free_inodes, flags;
};

bool ext4_group_has_super(const struct ext4_fs *fs, uint32_t group);
int ext4_group_read(struct ext4_fs *fs, uint32_t group, struct ext4_group *g);

/* --- inode.c ---------------------------------------------------------------------------------- */
struct ext4_time {
	int64_t sec;
	uint32_t nsec;
};

struct ext4_inode {
	struct ext4_fs *fs;
	uint32_t ino;
	atomic_uint refs;
	uint32_t mode, uid, gid, nlink, flags, generation;
	uint32_t rdev_major, rdev_minor;
	uint32_t csum_seed;		/* for the blocks that belong to it */
	uint64_t size, sectors, file_acl;	/* sectors: 512 bytes each */
	uint64_t version;		/* i_version, or what stands for it */
	struct ext4_time atime, mtime, ctime, crtime;
	bool has_crtime;
	atomic_uint_fast64_t hint;	/* a directory's block where the last name was found */
	uint32_t extra;			/* i_extra_isize, checked; 0 in 128-byte inodes */
	struct ext4_inode *next, *idle_next, *idle_prev;
	bool idle;
	uint8_t raw[];			/* inode_size bytes */
};

/* The inode, held until ext4_iput.  -ESTALE when it is not in use. */
int ext4_iget(struct ext4_fs *fs, uint32_t ino, struct ext4_inode **out);
void ext4_ihold(struct ext4_inode *ip);
void ext4_iput(struct ext4_inode *ip);
int ext4_icache_init(struct ext4_fs *fs);
void ext4_icache_free(struct ext4_fs *fs);
/* Fills ip from its raw bytes; checks them.  Pure. */
int ext4_inode_decode(struct ext4_inode *ip);
const uint8_t *ext4_inode_iblock(const struct ext4_inode *ip);
bool ext4_inode_is_dir(const struct ext4_inode *ip);
bool ext4_inode_is_reg(const struct ext4_inode *ip);
bool ext4_inode_is_link(const struct ext4_inode *ip);

/* --- extent.c, indirect.c --------------------------------------------------------------------- */
struct ext4_run {			/* len blocks of a file from lblk on; pblk 0: zeros */
	uint64_t lblk, pblk, len;
};

/* The run that lblk lies in; it may begin before lblk.  len is at least one. */
int ext4_map(struct ext4_inode *ip, uint64_t lblk, struct ext4_run *run);
int ext4_extent_map(struct ext4_inode *ip, uint64_t lblk, struct ext4_run *run);
int ext4_indirect_map(struct ext4_inode *ip, uint64_t lblk, struct ext4_run *run);
/* Block lblk of a directory, held; *out NULL and 0 for a hole. */
int ext4_file_block(struct ext4_inode *ip, uint64_t lblk, struct ext4_buf **out);

/* --- file.c ----------------------------------------------------------------------------------- */
struct ext4_file {			/* one open file */
	struct ext4_inode *ip;
	struct os_lock lock;		/* of what follows */
	struct ext4_run run;		/* the last mapping used */
	uint64_t next;			/* after the last read: asked for next, it is in order */
	uint32_t window;		/* blocks to read ahead */
	atomic_bool locked;		/* record locks may have been set through it */
};

/* -ENOKEY when its contents are encrypted. */
int ext4_check_readable(const struct ext4_inode *ip);
void ext4_file_open(struct ext4_file *f, struct ext4_inode *ip);	/* takes a reference */
void ext4_file_close(struct ext4_file *f);
struct ext4_span {
	const uint8_t *data;
	struct ext4_buf *buf;		/* give to ext4_brelse */
};
/*
 * Up to n bytes at off without a copy: as many as lie in one block and in the file; 0 at its end.
 */
int64_t ext4_file_span(struct ext4_file *f, uint64_t off, size_t n, struct ext4_span *s);
/* Copies up to n bytes at off; short only at the end of the file.  Bytes, or a negative errno. */
int64_t ext4_file_read(struct ext4_file *f, uint64_t off, size_t n, uint8_t *dst);
/* The target's bytes without a 0; their number, at most n. */
int64_t ext4_readlink(struct ext4_inode *ip, size_t n, uint8_t *dst);

/* --- hash.c ----------------------------------------------------------------------------------- */
enum { HASH_LEGACY, HASH_HALF_MD4, HASH_TEA, HASH_LEGACY_U, HASH_HALF_MD4_U, HASH_TEA_U };

/* The htree hash of a name (its last bit 0).  -EINVAL for a version that is not one of these. */
int ext4_hash(uint32_t version, const uint32_t seed[4], const char *name, size_t n, uint32_t *hash);

/* --- dir.c, htree.c --------------------------------------------------------------------------- */
struct ext4_dirent {
	uint32_t ino;
	uint8_t type;			/* unknown, file, dir, c, b, fifo, socket, link: 0..7 */
	uint8_t name_len;
	const char *name;		/* no 0 at its end */
	uint64_t next;			/* where to go on after this entry */
};

/* Non-zero ends the reading. */
typedef int (*ext4_dir_fn)(void *ctx, const struct ext4_dirent *de);

/* Entries from position `from` on (0, or a dirent's next), "." and ".." included. */
int ext4_dir_read(struct ext4_inode *dir, uint64_t from, ext4_dir_fn fn, void *ctx);
int ext4_dir_lookup(struct ext4_inode *dir, const char *name, size_t n, uint32_t *ino);
/* Looks in one checked directory block: 1 found, 0 not. */
int ext4_dir_search(struct ext4_inode *dir, const uint8_t *block, const char *name, size_t n,
	uint32_t *ino);
/* A leaf block of a directory, checked, held; *out NULL for a hole. */
int ext4_dir_block(struct ext4_inode *dir, uint64_t lblk, struct ext4_buf **out);
/* One entry at p, of at most `left` >= 8 bytes: its length, or -EUCLEAN.  Does not set next. */
int ext4_dirent_decode(struct ext4_inode *dir, const uint8_t *p, size_t left,
	struct ext4_dirent *de);
uint32_t ext4_rec_len(const struct ext4_fs *fs, le16 rec_len);
bool ext4_dir_is_indexed(const struct ext4_inode *dir);
/* 0, -ENOENT, or -ENOTSUP when the index is no help and all blocks must be searched. */
int ext4_htree_lookup(struct ext4_inode *dir, const char *name, size_t n, uint32_t *ino);
/* The index node at lblk's own check: its checksum. */
int ext4_htree_check(struct ext4_inode *dir, struct ext4_buf *b, uint64_t lblk);

/* --- inline.c --------------------------------------------------------------------------------- */
/* Inline data at off: how many bytes of n are contiguous there, and where. */
int64_t ext4_inline_span(struct ext4_inode *ip, uint64_t off, size_t n, const uint8_t **data);
int ext4_inline_dir_read(struct ext4_inode *dir, uint64_t from, ext4_dir_fn fn, void *ctx);
int ext4_inline_lookup(struct ext4_inode *dir, const char *name, size_t n, uint32_t *ino);

/* --- xattr.c ---------------------------------------------------------------------------------- */
enum { EXT4_XATTR_DATA_INDEX = 7, EXT4_XATTR_MAX = 65536 };

/* Names, each ended by 0: their size; fills only when n is enough, -ERANGE when n > 0 is not. */
int64_t ext4_xattr_list(struct ext4_inode *ip, uint8_t *dst, size_t n);
/* A value: its size.  -ENODATA.  n as for list. */
int64_t ext4_xattr_get(struct ext4_inode *ip, const char *name, uint8_t *dst, size_t n);
/* system.data inside the inode: -ENODATA if there is none. */
int ext4_xattr_inline(struct ext4_inode *ip, const uint8_t **data, size_t *n);
