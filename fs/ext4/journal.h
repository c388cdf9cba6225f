/*
 * The log while it is being read at mount: between journal.c, replay.c, fastcommit.c, tag.c and
 * revoke.c.
 */
#pragma once
#include "ext4.h"

struct ext4_log {
	struct ext4_inode *ip;
	struct ext4_run run;		/* the last mapping used */
	uint32_t compat, incompat;
	bool csum;			/* v2 or v3 */
	uint32_t seed;
	uint32_t first, last;		/* the ring is first..last - 1 */
	uint32_t end;			/* fast commits are last + 1..end - 1 */
	uint32_t start, sequence;	/* of the oldest transaction */
};

/* --- journal.c --- */
int ext4_log_read(struct ext4_log *log, uint32_t blk, uint8_t *dst);
int ext4_log_where(struct ext4_log *log, uint32_t blk, uint64_t *phys);
/* The block n after blk, around the ring. */
uint32_t ext4_log_next(const struct ext4_log *log, uint32_t blk, uint32_t n);

/* --- replay.c --- */
/* Fills the file system's overlay; *tid: the first transaction that is not in the log. */
int ext4_log_replay(struct ext4_log *log, uint32_t *tid);

/* --- fastcommit.c --- */
/* 1 if there is a fast commit to replay after that transaction.  block: room for one. */
int ext4_log_has_fast_commit(struct ext4_log *log, uint32_t tid, uint8_t *block);

/* --- tag.c --- */
struct ext4_tag {			/* a block in a transaction, as its descriptor says */
	uint64_t blk;
	uint32_t flags, checksum;
};
struct ext4_tags {			/* a descriptor block being walked */
	const uint8_t *at, *end;
};

void ext4_tags_open(const struct ext4_log *log, const uint8_t *block, struct ext4_tags *t);
/* 1, or 0 after the last one. */
int ext4_tags_next(const struct ext4_log *log, struct ext4_tags *t, struct ext4_tag *tag);
/* Whether a descriptor's or revoke block's checksum is right; without checksums it is. */
bool ext4_log_block_good(const struct ext4_log *log, const uint8_t *block);
bool ext4_commit_good(const struct ext4_log *log, const uint8_t *block);
bool ext4_tag_good(const struct ext4_log *log, const struct ext4_tag *tag, uint32_t sequence,
	const uint8_t *data);
uint64_t ext4_commit_time(const uint8_t *block);

/* --- revoke.c --- */
struct ext4_revoked {
	uint64_t blk;
	uint32_t sequence;
};
struct ext4_revokes {			/* sorted: each block once, with its last transaction */
	struct ext4_revoked *entry;
	size_t n, room;
};

int ext4_revokes_add(struct ext4_log *log, struct ext4_revokes *v, const uint8_t *block,
	uint32_t sequence);
void ext4_revokes_sort(struct ext4_revokes *v);
/* Was blk revoked in that transaction or later? */
bool ext4_revokes_has(const struct ext4_revokes *v, uint64_t blk, uint32_t sequence);
