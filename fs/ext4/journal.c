/*
 * The log (jbd2): opening it, and what of it must be replayed.
 * Spec: Linux Documentation/filesystems/ext4/journal.rst, and fs/jbd2's rules for recovery.
 *
 * Nothing is written: replay.c turns the log into an overlay that says which block is to be read
 * from where in the log.  Not done: a log on another device, and fast commits that need replay;
 * both are refused, for a file system read without them would be an older one than was promised.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "journal.h"

static int
refuse(const char *what)
{
	return ext4_error(ENOTSUP, "ext4: journal: %s", what);
}

static int
damaged(const char *what, uint64_t value)
{
	return ext4_error(EUCLEAN, "ext4: journal: bad %s %llu", what, (unsigned long long)value);
}

int
ext4_log_read(struct ext4_log *log, uint32_t blk, uint8_t *dst)
{
	struct ext4_fs *fs = log->ip->fs;
	uint64_t phys;
	int r = ext4_log_where(log, blk, &phys);

	if (r < 0)
		return r;
	return fs->dev.read(fs->dev.ctx, dst, fs->block_size, phys << fs->block_bits);
}

int
ext4_log_where(struct ext4_log *log, uint32_t blk, uint64_t *phys)
{
	int r;

	if (blk < log->run.lblk || blk - log->run.lblk >= log->run.len) {
		r = ext4_map(log->ip, blk, &log->run);
		if (r < 0)
			return r;
	}
	if (log->run.pblk == 0)
		return damaged("block, a hole:", blk);
	*phys = log->run.pblk + (blk - log->run.lblk);
	return 0;
}

uint32_t
ext4_log_next(const struct ext4_log *log, uint32_t blk, uint32_t n)
{
	uint64_t at = (uint64_t)blk + n, size = log->last - log->first;

	return at >= log->last ? (uint32_t)(log->first + (at - log->first) % size) : (uint32_t)at;
}

static int
check_super_sum(const struct disk_jbd_super *js, const struct ext4_fs *fs)
{
	struct disk_jbd_super copy = *js;

	memset(&copy.s_checksum, 0, sizeof(copy.s_checksum));
	if (fs->opt.nocheck || ext4_crc32c(~0u, &copy, sizeof(copy)) == getbe32(js->s_checksum))
		return 0;
	return ext4_error(EUCLEAN, "ext4: journal superblock: bad checksum");
}

static int
decode_features(struct ext4_log *log, const struct disk_jbd_super *js)
{
	if (getbe32(js->s_header.h_blocktype) == JBD_SUPER_V2) {
		log->compat = getbe32(js->s_feature_compat);
		log->incompat = getbe32(js->s_feature_incompat);
	}
	if (log->incompat & ~(uint32_t)JBD_INCOMPAT_KNOWN)
		return ext4_error(ENOTSUP, "ext4: journal: unknown features 0x%x",
		    log->incompat & ~(uint32_t)JBD_INCOMPAT_KNOWN);
	log->csum = (log->incompat & (JBD_INCOMPAT_CSUM_V2 | JBD_INCOMPAT_CSUM_V3)) != 0;
	if ((log->incompat & JBD_INCOMPAT_CSUM_V2) && (log->incompat & JBD_INCOMPAT_CSUM_V3))
		return damaged("features: both kinds of checksum:", log->incompat);
	if (!log->csum)
		return 0;
	if (js->s_checksum_type != JBD_CRC32C)
		return damaged("checksum type", js->s_checksum_type);
	log->seed = ext4_crc32c(~0u, js->s_uuid, sizeof(js->s_uuid));
	return check_super_sum(js, log->ip->fs);
}

static int
decode(struct ext4_log *log, const struct disk_jbd_super *js)
{
	uint32_t type = getbe32(js->s_header.h_blocktype), max = getbe32(js->s_maxlen), fc;
	uint64_t size = log->ip->size >> log->ip->fs->block_bits;
	int r;

	if (getbe32(js->s_header.h_magic) != JBD_MAGIC || (type != JBD_SUPER_V1 &&
	    type != JBD_SUPER_V2))
		return damaged("magic number", getbe32(js->s_header.h_magic));
	if (getbe32(js->s_blocksize) != log->ip->fs->block_size)
		return damaged("block size", getbe32(js->s_blocksize));
	r = decode_features(log, js);
	if (r < 0)
		return r;
	log->first = getbe32(js->s_first);
	log->start = getbe32(js->s_start);
	log->sequence = getbe32(js->s_sequence);
	log->last = log->end = max;
	if (max > size)
		return damaged("length", max);
	if (log->incompat & JBD_INCOMPAT_FAST_COMMIT) {
		fc = getbe32(js->s_num_fc_blks);
		fc = fc ? fc : JBD_FC_BLOCKS_DEFAULT;
		if (fc >= max)
			return damaged("number of fast commit blocks", fc);
		log->last = max - fc;
	}
	if (log->first == 0 || log->first >= log->last)
		return damaged("first block", log->first);
	if (log->start != 0 && (log->start < log->first || log->start >= log->last))
		return damaged("start", log->start);
	return 0;
}

static int
load(struct ext4_log *log, uint8_t *block)
{
	struct disk_jbd_super js;
	uint32_t tid;
	int r = ext4_log_read(log, 0, block);

	if (r < 0)
		return r;
	memcpy(&js, block, sizeof(js));
	r = decode(log, &js);
	if (r < 0 || log->start == 0)
		return r;
	r = ext4_log_replay(log, &tid);
	if (r == 0)
		r = ext4_log_has_fast_commit(log, tid, block);
	if (r > 0)
		r = refuse("it holds fast commits that must be replayed first: run e2fsck, or "
		    "mount it once on Linux");
	return r;
}

int
ext4_journal_load(struct ext4_fs *fs)
{
	uint32_t ino = get32(fs->sb.s_journal_inum);
	struct ext4_log log = {0};
	uint8_t *block;
	int r;

	if (ino == 0 && get32(fs->sb.s_journal_dev) != 0)
		return refuse("it is on another device and must be replayed first: run e2fsck");
	if (ino == 0)
		return refuse("needed, and there is none");
	r = ext4_iget(fs, ino, &log.ip);
	if (r < 0)
		return r;
	block = malloc(fs->block_size);
	if (block == NULL)
		r = ext4_error(ENOMEM, "ext4: no memory for the journal");
	else if (!ext4_inode_is_reg(log.ip))
		r = damaged("inode", ino);
	else
		r = load(&log, block);
	free(block);
	ext4_iput(log.ip);
	return r;
}
