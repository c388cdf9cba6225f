/*
 * Fast commits: only whether there is a whole one that would have to be replayed.
 * Spec: Linux fs/ext4/fast_commit.h, and ext4_fc_replay_scan for what makes one whole.
 *
 * They are tags of type and length, never across a block; a head says for which transaction they
 * are, and a tail ends each commit with the CRC of its tags.
 */
#include <string.h>
#include "journal.h"

enum { TAG = sizeof(struct disk_fc_tag), HEAD_TID = TAG + 4, TAIL_CRC = TAG + 4 };

struct scan {
	uint32_t tid, crc;
	bool begun;
};

static uint32_t
word(const uint8_t *p)
{
	le32 v;

	memcpy(&v, p, sizeof(v));
	return get32(v);
}

/* 1: a whole commit.  0: go on with the next block.  -1: what is here is not one. */
static int
scan_block(struct scan *s, const uint8_t *block, size_t size)
{
	for (size_t at = 0; at + TAG <= size;) {
		const uint8_t *p = block + at;
		struct disk_fc_tag t;
		size_t len;

		memcpy(&t, p, sizeof(t));
		len = TAG + get16(t.fc_len);
		if (len > size - at)
			return -1;
		if (get16(t.fc_tag) == FC_TAG_HEAD) {
			if (len < HEAD_TID + 4 || word(p + HEAD_TID) != s->tid)
				return -1;
			s->begun = true;
		}
		if (!s->begun || get16(t.fc_tag) == 0 || get16(t.fc_tag) > FC_TAG_HEAD)
			return -1;
		if (get16(t.fc_tag) == FC_TAG_TAIL) {
			if (len < TAIL_CRC + 4 || word(p + TAG) != s->tid)
				return -1;
			s->crc = ext4_crc32c(s->crc, p, TAIL_CRC);
			return s->crc == word(p + TAIL_CRC) ? 1 : -1;
		}
		s->crc = ext4_crc32c(s->crc, p, len);
		at += len;
	}
	return 0;
}

int
ext4_log_has_fast_commit(struct ext4_log *log, uint32_t tid, uint8_t *block)
{
	struct scan s = {.tid = tid};
	int r = 0;

	if (!(log->incompat & JBD_INCOMPAT_FAST_COMMIT))
		return 0;
	for (uint32_t at = log->last + 1; at < log->end && r == 0; at++) {
		r = ext4_log_read(log, at, block);
		if (r < 0)
			return r;
		r = scan_block(&s, block, log->ip->fs->block_size);
	}
	return r > 0;
}
