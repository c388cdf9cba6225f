/*
 * Changes of partition tables.
 *
 * A change is first a plan: which sectors get which bytes, in which order.  The table as it would
 * be is then read through the plan by the same reader that will read it from the disk, and only
 * when it is what was asked for, and no other partition is another, may the plan be written.  It
 * touches the table's sectors only, and its order is such that the disk has the old or the new
 * table whole at every moment, if the device writes one sector whole or not at all:
 *
 *	GPT		the copy that was not in use, flush, the other, flush
 *	new GPT		so, and then sector 0
 *	MBR		one sector; a new link of a chain before the sector that leads to it
 *
 * One plan is one change.  No locks: one thread.
 */
#pragma once
#include "blk.h"

struct blk_medium {
	blk_read_fn read;
	/* Whole sectors; and all that was written is on the medium.  0, or a negative errno. */
	int (*write)(void *ctx, uint64_t sector, uint32_t nsectors, const void *buf);
	int (*flush)(void *ctx);
	void *ctx;
	uint64_t nsectors;
	uint32_t secsize;
};

struct blk_new_part {
	uint32_t number;    /* 0: the first that is free */
	bool logical;       /* in the MBR's extended partition */
	uint64_t start;     /* in sectors; 0: where there is room */
	uint64_t nsectors;  /* 0: as many as there is room for */
	uint64_t align;     /* in sectors, of a start that is not given; at least 1 */
	const char *type;   /* a name of blk_type_find, a UUID, or a number as 0x83 */
	const char *label;  /* GPT only; UTF-8; may be NULL */
	uint8_t random[16]; /* for its UUID */
};

/* --- lib/blk/{plan,gpt_edit,mbr_edit}.c ----------------------------------------------------- */

struct blk_plan;

/*
 * Reads the table.  The medium's ctx must live as long as the plan; the caller frees it.  -EINVAL
 * for sizes that cannot be, -ENOMEM, or what reading sector 0 failed with.
 */
int blk_plan_new(const struct blk_medium *m, struct blk_plan **out);
void blk_plan_free(struct blk_plan *p);
/* The table that the disk has, and the one that it would have. */
const struct blk_table *blk_plan_old(const struct blk_plan *p);
const struct blk_table *blk_plan_new_table(const struct blk_plan *p);
/* Why the last of these functions failed. */
const char *blk_plan_why(const struct blk_plan *p);

/* The changes: 0, or a negative errno; then the plan can only be freed. */
int blk_plan_create(struct blk_plan *p, enum blk_table_kind kind, const uint8_t random[16]);
/* out: the number that it has. */
int blk_plan_add(struct blk_plan *p, const struct blk_new_part *n, uint32_t *out);
int blk_plan_delete(struct blk_plan *p, uint32_t number);
/* type or label may be NULL: as it was. */
int blk_plan_change(struct blk_plan *p, uint32_t number, const char *type, const char *label);

/*
 * Whether a partition of the old table is another in the new one, or is not in it: one that is open
 * would be lost.
 */
bool blk_plan_moves(const struct blk_plan *p, uint32_t number);
/* Writes it: 0, or what the medium failed with. */
int blk_plan_write(struct blk_plan *p);

/* --- lib/blk/types.c: names of the usual types ---------------------------------------------- */

struct blk_type {
	const char *name;
	uint8_t mbr;      /* 0: an MBR has none */
	const char *uuid; /* NULL: a GPT has none */
};

/* NULL: there is none with that name. */
const struct blk_type *blk_type_find(const char *name);
/* The name of a type as ctl and `part` print it: a UUID, or 0x83; NULL: it has none. */
const char *blk_type_name(const char *text);
/* The i-th, from 0; NULL after the last. */
const struct blk_type *blk_type_at(unsigned i);
