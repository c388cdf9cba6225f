/*
 * The blocks that describe a transaction in the log: tags, and every kind of checksum.
 * Spec: Linux Documentation/filesystems/ext4/journal.rst, "Descriptor Block", "Commit Block".
 */
#include <string.h>
#include "journal.h"

enum { TAG3 = 16, TAG = 12, UUID = 16, SUM = 4, HEADER = sizeof(struct disk_jbd_header) };

static size_t
tag_size(const struct ext4_log *log)
{
	size_t n = TAG;

	if (log->incompat & JBD_INCOMPAT_CSUM_V3)
		return TAG3;
	if (log->incompat & JBD_INCOMPAT_CSUM_V2)
		n += 2;
	return (log->incompat & JBD_INCOMPAT_64BIT) ? n : n - 4;
}

void
ext4_tags_open(const struct ext4_log *log, const uint8_t *block, struct ext4_tags *t)
{
	t->at = block + HEADER;
	t->end = block + log->ip->fs->block_size - (log->csum ? SUM : 0);
}

static uint32_t
word(const uint8_t *p)
{
	be32 v;

	memcpy(&v, p, sizeof(v));
	return getbe32(v);
}

static uint32_t
half(const uint8_t *p)
{
	be16 v;

	memcpy(&v, p, sizeof(v));
	return getbe16(v);
}

int
ext4_tags_next(const struct ext4_log *log, struct ext4_tags *t, struct ext4_tag *tag)
{
	size_t n = tag_size(log);
	const uint8_t *p = t->at;
	bool wide = (log->incompat & JBD_INCOMPAT_64BIT) != 0;

	if (p == NULL || (size_t)(t->end - p) < n)
		return 0;
	tag->blk = word(p);
	if (log->incompat & JBD_INCOMPAT_CSUM_V3) {
		tag->flags = word(p + 4);
		tag->checksum = word(p + 12);
	} else {
		tag->checksum = half(p + 4);
		tag->flags = half(p + 6);
	}
	if (wide)
		tag->blk |= (uint64_t)word(p + 8) << 32;
	p += n;
	if (!(tag->flags & JBD_TAG_SAME_UUID))
		p = (size_t)(t->end - p) < UUID ? t->end : p + UUID;
	t->at = (tag->flags & JBD_TAG_LAST) ? NULL : p;
	return 1;
}

bool
ext4_log_block_good(const struct ext4_log *log, const uint8_t *block)
{
	static const uint8_t none[SUM];
	size_t n = log->ip->fs->block_size - SUM;

	if (!log->csum || log->ip->fs->opt.nocheck)
		return true;
	return ext4_crc32c(ext4_crc32c(log->seed, block, n), none, SUM) == word(block + n);
}

bool
ext4_commit_good(const struct ext4_log *log, const uint8_t *block)
{
	enum { AT = offsetof(struct disk_jbd_commit, h_chksum) };
	static const uint8_t none[SUM];
	uint32_t c;

	if (!log->csum || log->ip->fs->opt.nocheck)
		return true;
	c = ext4_crc32c(log->seed, block, AT);
	c = ext4_crc32c(c, none, SUM);
	c = ext4_crc32c(c, block + AT + SUM, log->ip->fs->block_size - AT - SUM);
	return c == word(block + AT);
}

bool
ext4_tag_good(const struct ext4_log *log, const struct ext4_tag *tag, uint32_t sequence,
	const uint8_t *data)
{
	uint8_t seq[4] = {(uint8_t)(sequence >> 24), (uint8_t)(sequence >> 16),
	    (uint8_t)(sequence >> 8), (uint8_t)sequence};
	uint32_t c;

	if (!log->csum || log->ip->fs->opt.nocheck)
		return true;
	c = ext4_crc32c(log->seed, seq, sizeof(seq));
	c = ext4_crc32c(c, data, log->ip->fs->block_size);
	if (!(log->incompat & JBD_INCOMPAT_CSUM_V3))
		c &= 0xffff;
	return c == tag->checksum;
}

uint64_t
ext4_commit_time(const uint8_t *block)
{
	enum { AT = offsetof(struct disk_jbd_commit, h_commit_sec_hi) };

	return (uint64_t)word(block + AT) << 32 | word(block + AT + 4);
}
