/*
 * What the readers of partition tables share.  Private to lib/blk.
 */
#pragma once
#include "blk.h"

struct blk_scan {
	blk_read_fn read;
	void *ctx;
	uint64_t nsectors;
	uint32_t secsize;
	struct blk_table *table;
};

static inline uint16_t
blk_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
blk_get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t
blk_get64(const uint8_t *p)
{
	return blk_get32(p) | (uint64_t)blk_get32(p + 4) << 32;
}

static inline bool
blk_overlap(const struct blk_part *p, uint64_t start, uint64_t nsectors)
{
	return p->start < start + nsectors && start < p->start + p->nsectors;
}

/* scan.c */
void blk_note(struct blk_scan *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A note about a partition that is not taken. */
void blk_refuse(struct blk_scan *s, const struct blk_part *p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Checks a candidate against the disk and what the table has, and adds or refuses it. */
bool blk_take(struct blk_scan *s, const struct blk_part *p);

/* mbr.c: true if the sector holds a table; *protective if that is there to guard a GPT. */
bool blk_mbr_scan(struct blk_scan *s, const uint8_t *sector, bool *protective);

/* gpt.c */
/* True if either copy was good. */
bool blk_gpt_scan(struct blk_scan *s);
/* There is no table here: why that may be, if the disk has something like a GPT. */
void blk_gpt_hint(struct blk_scan *s);

enum { BLK_UUID_TEXT = 37 };
/* The bytes of a GUID, of which the first three fields are little-endian, as text. */
void blk_uuid_text(char text[BLK_UUID_TEXT], const uint8_t *guid);
