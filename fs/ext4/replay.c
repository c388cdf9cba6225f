/*
 * Replay without writing: two walks over the log.  The first finds the last whole transaction,
 * the second collects the blocks and the revoke records up to there; then, of all copies of a
 * block, the newest that was not revoked goes into the overlay.
 * Spec: journal.rst; the rules for what ends the log are those of Linux fs/jbd2/recovery.c.
 *
 * Both walks are bounded by the size of the ring: each step takes at least one block of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "journal.h"

enum { FIRST_ROOM = 256 };
#define CRC32_BE_POLY 0x04c11db7u

struct copy {				/* one copy of a block */
	struct ext4_overlay_entry e;
	size_t order;
};

struct walk {
	struct ext4_log *log;
	uint8_t *block, *data;
	uint32_t at, sequence, left;	/* next block of the log; blocks before the ring is round */
	/* the first walk */
	uint32_t crc;			/* of a transaction, for JBD_COMPAT_CHECKSUM */
	bool suspect;			/* a bad checksum: stale or damage? the commit tells */
	bool ended;
	uint32_t end;			/* the first transaction not to replay */
	uint64_t last_time;
	/* the second walk */
	struct copy *copy;
	size_t n, room;
	struct ext4_revokes revokes;
};

static uint32_t
crc32_be(uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n > 0; n--, p++) {
		crc ^= (uint32_t)*p << 24;
		for (int bit = 0; bit < 8; bit++)
			crc = crc << 1 ^ (crc & 0x80000000u ? CRC32_BE_POLY : 0);
	}
	return crc;
}

/* Reads the next block and its type; 0 when the log ends here. */
static int
next_block(struct walk *w)
{
	struct disk_jbd_header h;
	int r;

	if (w->left == 0)
		return 0;
	r = ext4_log_read(w->log, w->at, w->block);
	if (r < 0)
		return r;
	memcpy(&h, w->block, sizeof(h));
	if (getbe32(h.h_magic) != JBD_MAGIC || getbe32(h.h_sequence) != w->sequence)
		return 0;
	w->at = ext4_log_next(w->log, w->at, 1);
	w->left--;
	return (int)(getbe32(h.h_blocktype) & 0xff);
}

static void
restart(struct walk *w)
{
	w->at = w->log->start;
	w->sequence = w->log->sequence;
	w->left = w->log->last - w->log->first;
	w->crc = ~0u;
}

/* The first walk: steps over a descriptor's blocks.  0 when they pass the end of the ring. */
static int
skip_blocks(struct walk *w)
{
	bool sum = (w->log->compat & JBD_COMPAT_CHECKSUM) && !w->log->ip->fs->opt.nocheck;
	size_t size = w->log->ip->fs->block_size;
	struct ext4_tags tags;
	struct ext4_tag tag;
	int r = 1;

	if (!ext4_log_block_good(w->log, w->block))
		w->suspect = true;
	if (sum)
		w->crc = crc32_be(w->crc, w->block, size);
	ext4_tags_open(w->log, w->block, &tags);
	while (ext4_tags_next(w->log, &tags, &tag)) {
		if (w->left == 0)
			return 0;
		if (sum) {
			r = ext4_log_read(w->log, w->at, w->data);
			if (r < 0)
				return r;
			w->crc = crc32_be(w->crc, w->data, size);
		}
		w->at = ext4_log_next(w->log, w->at, 1);
		w->left--;
	}
	return 1;
}

static bool
old_sum_good(const struct walk *w)
{
	struct disk_jbd_commit c;
	uint32_t found;

	if (!(w->log->compat & JBD_COMPAT_CHECKSUM) || w->log->ip->fs->opt.nocheck)
		return true;
	memcpy(&c, w->block, sizeof(c));
	found = getbe32(c.h_chksum[0]);
	if (c.h_chksum_type == JBD_CRC32 && c.h_chksum_size == 4)
		return found == w->crc;
	return c.h_chksum_type == 0 && c.h_chksum_size == 0 && found == 0;
}

/* The first walk, at a commit block: 1 go on, 0 the log ends before this transaction. */
static int
commit(struct walk *w)
{
	uint64_t when = ext4_commit_time(w->block);

	if (w->suspect && when < w->last_time)
		return 0;
	if (w->suspect)
		return ext4_error(EUCLEAN, "ext4: journal: transaction %u: bad checksum",
		    w->sequence);
	if (!ext4_commit_good(w->log, w->block) || !old_sum_good(w)) {
		if (when < w->last_time)
			return 0;
		if (!w->ended)
			w->end = w->sequence;
		w->ended = true;
		if (!(w->log->incompat & JBD_INCOMPAT_ASYNC_COMMIT))
			return 0;
	}
	w->last_time = when;
	w->crc = ~0u;
	w->sequence++;
	return 1;
}

static int
find_end(struct walk *w)
{
	int r = 1;

	restart(w);
	while (r > 0) {
		r = next_block(w);
		if (r == JBD_DESCRIPTOR)
			r = skip_blocks(w);
		else if (r == JBD_COMMIT)
			r = commit(w);
		else if (r == JBD_REVOKE)
			w->suspect |= !ext4_log_block_good(w->log, w->block);
		else if (r > 0)
			r = 0;
	}
	if (!w->ended)
		w->end = w->sequence;
	return r;
}

static int
append(struct walk *w, const struct ext4_overlay_entry *e)
{
	if (w->n == w->room) {
		size_t room = w->room ? w->room * 2 : FIRST_ROOM;
		struct copy *p = realloc(w->copy, room * sizeof(*p));

		if (p == NULL)
			return ext4_error(ENOMEM, "ext4: no memory for the journal");
		w->copy = p;
		w->room = room;
	}
	w->copy[w->n] = (struct copy){*e, w->n};
	w->n++;
	return 0;
}

/* The second walk: a descriptor's blocks. */
static int
collect(struct walk *w)
{
	struct ext4_fs *fs = w->log->ip->fs;
	struct ext4_tags tags;
	struct ext4_tag tag;
	int r = 0;

	if (!ext4_log_block_good(w->log, w->block))
		return ext4_error(EUCLEAN, "ext4: journal: transaction %u: descriptor: bad "
		    "checksum", w->sequence);
	ext4_tags_open(w->log, w->block, &tags);
	while (r == 0 && w->left > 0 && ext4_tags_next(w->log, &tags, &tag)) {
		struct ext4_overlay_entry e = {.blk = tag.blk, .sequence = w->sequence,
		    .escaped = (tag.flags & JBD_TAG_ESCAPE) != 0};

		r = ext4_log_read(w->log, w->at, w->data);
		if (r == 0 && !ext4_tag_good(w->log, &tag, w->sequence, w->data))
			r = ext4_error(EUCLEAN, "ext4: journal: transaction %u: block %llu: bad "
			    "checksum", w->sequence, (unsigned long long)tag.blk);
		if (r == 0 && tag.blk >= fs->blocks_count)
			r = ext4_error(EUCLEAN, "ext4: journal: transaction %u: block %llu is "
			    "outside", w->sequence, (unsigned long long)tag.blk);
		if (r == 0)
			r = ext4_log_where(w->log, w->at, &e.at);
		if (r == 0)
			r = append(w, &e);
		w->at = ext4_log_next(w->log, w->at, 1);
		w->left--;
	}
	return r < 0 ? r : 1;
}

static int
collect_all(struct walk *w)
{
	int r = 1;

	restart(w);
	while (r > 0 && w->sequence != w->end) {
		r = next_block(w);
		if (r == JBD_DESCRIPTOR) {
			r = collect(w);
		} else if (r == JBD_COMMIT) {
			w->sequence++;
		} else if (r == JBD_REVOKE && ext4_log_block_good(w->log, w->block)) {
			r = ext4_revokes_add(w->log, &w->revokes, w->block, w->sequence);
			r = r < 0 ? r : 1;
		}
	}
	return r < 0 ? r : 0;
}

/* By block; the newest copy first. */
static int
compare(const void *x, const void *y)
{
	const struct copy *a = x, *b = y;

	if (a->e.blk != b->e.blk)
		return a->e.blk < b->e.blk ? -1 : 1;
	return a->order > b->order ? -1 : a->order < b->order;
}

static int
make_overlay(struct walk *w, struct ext4_overlay *o)
{
	if (w->n == 0)
		return 0;
	ext4_revokes_sort(&w->revokes);
	qsort(w->copy, w->n, sizeof(*w->copy), compare);
	o->entry = calloc(w->n, sizeof(*o->entry));
	if (o->entry == NULL)
		return ext4_error(ENOMEM, "ext4: no memory for the journal");
	for (size_t i = 0; i < w->n; i++) {
		const struct ext4_overlay_entry *e = &w->copy[i].e;

		if (i > 0 && w->copy[i - 1].e.blk == e->blk)
			continue;
		if (!ext4_revokes_has(&w->revokes, e->blk, e->sequence))
			o->entry[o->n++] = *e;
	}
	return 0;
}

int
ext4_log_replay(struct ext4_log *log, uint32_t *tid)
{
	struct ext4_fs *fs = log->ip->fs;
	struct walk w = {.log = log};
	int r = -ENOMEM;

	w.block = malloc(fs->block_size);
	w.data = malloc(fs->block_size);
	if (w.block != NULL && w.data != NULL)
		r = find_end(&w);
	else
		ext4_set_error("ext4: no memory for the journal");
	if (r == 0)
		r = collect_all(&w);
	if (r == 0)
		r = make_overlay(&w, &fs->overlay);
	*tid = w.end;
	free(w.block);
	free(w.data);
	free(w.copy);
	free(w.revokes.entry);
	return r;
}

size_t
ext4_overlay_find(const struct ext4_overlay *o, uint64_t blk)
{
	size_t lo = 0, hi = o->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (o->entry[mid].blk < blk)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}
