/*
 * What the makers of partition tables share.  Private to lib/blk.
 */
#pragma once
#include "blk_edit.h"
#include "table.h"

enum { PLAN_MAX_STEPS = 8 };

struct plan_step { /* sectors that are written, and whether a flush follows */
	uint64_t sector;
	uint32_t nsectors;
	bool flush;
	uint8_t *data;
};

struct blk_plan {
	struct blk_medium m;
	struct blk_table old, new;
	struct plan_step step[PLAN_MAX_STEPS];
	unsigned nsteps;
	char why[BLK_WHY_MAX];
};

struct plan_gap { /* sectors that belong to nothing */
	uint64_t start, end;
};

static inline void
blk_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void
blk_put32(uint8_t *p, uint32_t v)
{
	blk_put16(p, v);
	blk_put16(p + 2, v >> 16);
}

static inline void
blk_put64(uint8_t *p, uint64_t v)
{
	blk_put32(p, (uint32_t)v);
	blk_put32(p + 4, (uint32_t)(v >> 32));
}

/* plan.c */
int
plan_fail(struct blk_plan *p, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The next sectors to write; the data is copied. */
int plan_step(struct blk_plan *p, uint64_t sector, uint32_t nsectors, const void *data, bool flush);
/* Sectors as they would be after the steps so far. */
int plan_read(void *plan, uint64_t sector, uint32_t nsectors, void *buf);
/*
 * Room in [gap.start, gap.end) for n, of which the sectors in `used` are taken: its start and
 * nsectors are set.  `before` sectors in front of it must be free too.
 */
struct plan_used {
	const struct plan_gap *gap;
	unsigned n;
};
int plan_place(struct blk_plan *p, struct plan_gap in, struct plan_used used,
	       struct blk_new_part *n, uint64_t before);

/* gpt_edit.c, mbr_edit.c: of the changes in blk_edit.h */
int gpt_create(struct blk_plan *p, const uint8_t random[16]);
int gpt_add(struct blk_plan *p, struct blk_new_part *n, uint32_t *out);
int gpt_delete(struct blk_plan *p, uint32_t number);
int gpt_change(struct blk_plan *p, uint32_t number, const char *type, const char *label);
int mbr_create(struct blk_plan *p, const uint8_t random[16]);
int mbr_add(struct blk_plan *p, struct blk_new_part *n, uint32_t *out);
int mbr_delete(struct blk_plan *p, uint32_t number);
int mbr_change(struct blk_plan *p, uint32_t number, const char *type, const char *label);
