/*
 * A planned change of a partition table: its steps, the table as it would be, and writing it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "edit.h"
#include "mbr.h"

int
plan_fail(struct blk_plan *p, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->why, sizeof p->why, fmt, ap);
	va_end(ap);
	return err;
}

int
plan_step(struct blk_plan *p, uint64_t sector, uint32_t nsectors, const void *data, bool flush)
{
	size_t bytes = (size_t)nsectors * p->m.secsize;
	struct plan_step *s = &p->step[p->nsteps];

	if (p->nsteps == PLAN_MAX_STEPS || sector >= p->m.nsectors ||
	    nsectors > p->m.nsectors - sector)
		return plan_fail(p, -EINVAL, "sector %llu cannot be part of a table",
				 (unsigned long long)sector);
	*s = (struct plan_step){ sector, nsectors, flush, malloc(bytes) };
	if (!s->data)
		return plan_fail(p, -ENOMEM, "no memory");
	memcpy(s->data, data, bytes);
	p->nsteps++;
	return 0;
}

/* The step's sectors that are among those at buf. */
static void
lay_over(const struct blk_plan *p, const struct plan_step *s, uint64_t sector, uint32_t nsectors,
	 uint8_t *buf)
{
	uint64_t from = s->sector > sector ? s->sector : sector;
	uint64_t end = s->sector + s->nsectors, to = sector + nsectors;

	if (end < to)
		to = end;
	if (from < to)
		memcpy(buf + (from - sector) * p->m.secsize,
		       s->data + (from - s->sector) * p->m.secsize, (to - from) * p->m.secsize);
}

int
plan_read(void *plan, uint64_t sector, uint32_t nsectors, void *buf)
{
	struct blk_plan *p = plan;
	int err = p->m.read(p->m.ctx, sector, nsectors, buf);

	for (unsigned i = 0; i < p->nsteps && err >= 0; i++)
		lay_over(p, &p->step[i], sector, nsectors, buf);
	return err;
}

int
blk_plan_new(const struct blk_medium *m, struct blk_plan **out)
{
	struct blk_plan *p = calloc(1, sizeof *p);
	int err;

	if (!p)
		return -ENOMEM;
	p->m = *m;
	err = m->nsectors ? blk_scan_partitions(m->read, m->ctx, m->nsectors, m->secsize, &p->old)
			  : -EINVAL;
	if (err < 0) {
		free(p);
		return err;
	}
	p->new = p->old;
	*out = p;
	return 0;
}

void
blk_plan_free(struct blk_plan *p)
{
	for (unsigned i = 0; i < p->nsteps; i++)
		free(p->step[i].data);
	free(p);
}

const struct blk_table *
blk_plan_old(const struct blk_plan *p)
{
	return &p->old;
}

const struct blk_table *
blk_plan_new_table(const struct blk_plan *p)
{
	return &p->new;
}

const char *
blk_plan_why(const struct blk_plan *p)
{
	return p->why;
}

/* --- what may be, and what came out ----------------------------------------------------------- */

static const struct blk_part *
find_any(const struct blk_table *t, uint32_t number)
{
	for (unsigned i = 0; i < t->nparts; i++)
		if (t->part[i].number == number)
			return &t->part[i];
	return NULL;
}

static bool
same_part(const struct blk_part *a, const struct blk_part *b)
{
	return a->start == b->start && a->nsectors == b->nsectors && strcmp(a->uuid, b->uuid) == 0;
}

bool
blk_plan_moves(const struct blk_plan *p, uint32_t number)
{
	const struct blk_part *was = find_any(&p->old, number), *is = find_any(&p->new, number);

	return was && (!is || !same_part(was, is));
}

/*
 * Reads the table as it would be.  No partition but `number` may be another; those behind it in a
 * chain are renumbered when it goes.
 */
static int
check_result(struct blk_plan *p, uint32_t number, bool renumbers)
{
	int err = blk_scan_partitions(plan_read, p, p->m.nsectors, p->m.secsize, &p->new);

	if (err < 0)
		return plan_fail(p, err, "sector 0 cannot be read");
	if (p->new.kind != p->old.kind || p->new.nrefused > p->old.nrefused)
		return plan_fail(p, -EINVAL, "the table would not be a good one: %.40s",
				 p->new.notes);
	for (unsigned i = 0; i < p->old.nparts; i++) {
		uint32_t n = p->old.part[i].number;

		if (n != number && blk_plan_moves(p, n) && !(renumbers && n > number))
			return plan_fail(p, -EINVAL, "partition %u would be another", n);
	}
	return 0;
}

/* Refused entries are in the way of everything but their own removal. */
static int
may_change(struct blk_plan *p, bool removal)
{
	if (p->nsteps)
		return plan_fail(p, -EINVAL, "a plan is one change");
	if (p->old.kind == BLK_TABLE_NONE)
		return plan_fail(p, -ENOENT, "there is no partition table");
	if (!removal && p->old.nrefused)
		return plan_fail(p, -EINVAL, "the table has %u entries that are refused",
				 p->old.nrefused);
	return 0;
}

int
blk_plan_create(struct blk_plan *p, enum blk_table_kind kind, const uint8_t random[16])
{
	int err;

	if (p->nsteps || kind == BLK_TABLE_NONE)
		return plan_fail(p, -EINVAL, "a plan is one change");
	err = kind == BLK_TABLE_GPT ? gpt_create(p, random) : mbr_create(p, random);
	if (err < 0)
		return err;
	err = blk_scan_partitions(plan_read, p, p->m.nsectors, p->m.secsize, &p->new);
	if (err < 0 || p->new.kind != kind || p->new.nparts || p->new.notes[0])
		return plan_fail(p, -EINVAL, "the table would not be a good one: %.40s",
				 p->new.notes);
	return 0;
}

int
blk_plan_add(struct blk_plan *p, const struct blk_new_part *n, uint32_t *out)
{
	struct blk_new_part to = *n;
	const struct blk_part *is;
	int err = may_change(p, false);

	if (err < 0)
		return err;
	err = p->old.kind == BLK_TABLE_GPT ? gpt_add(p, &to, out) : mbr_add(p, &to, out);
	if (err < 0)
		return err;
	err = check_result(p, *out, false);
	if (err < 0)
		return err;
	is = find_any(&p->new, *out);
	if (!is || is->start != to.start || is->nsectors != to.nsectors ||
	    p->new.nparts != p->old.nparts + 1)
		return plan_fail(p, -EINVAL, "partition %u would not be as asked for", *out);
	return 0;
}

int
blk_plan_delete(struct blk_plan *p, uint32_t number)
{
	bool logical;
	int err = may_change(p, true);

	if (err < 0)
		return err;
	err = p->old.kind == BLK_TABLE_GPT ? gpt_delete(p, number) : mbr_delete(p, number);
	if (err < 0)
		return err;
	logical = p->old.kind == BLK_TABLE_MBR && number > MBR_NENTRIES;
	err = check_result(p, number, logical);
	if (err == 0 && logical && p->new.nparts != p->old.nparts - 1)
		return plan_fail(p, -EINVAL, "its part of the chain holds others too");
	return err;
}

int
blk_plan_change(struct blk_plan *p, uint32_t number, const char *type, const char *label)
{
	int err = may_change(p, false);

	if (err < 0)
		return err;
	if (!find_any(&p->old, number))
		return plan_fail(p, -ENOENT, "there is no partition %u", number);
	err = p->old.kind == BLK_TABLE_GPT ? gpt_change(p, number, type, label)
					   : mbr_change(p, number, type, label);
	if (err < 0)
		return err;
	err = check_result(p, number, false);
	if (err == 0 && blk_plan_moves(p, number))
		return plan_fail(p, -EINVAL, "partition %u would be another", number);
	return err;
}

int
blk_plan_write(struct blk_plan *p)
{
	for (unsigned i = 0; i < p->nsteps; i++) {
		const struct plan_step *s = &p->step[i];
		int err = p->m.write(p->m.ctx, s->sector, s->nsectors, s->data);

		if (err >= 0 && s->flush)
			err = p->m.flush(p->m.ctx);
		if (err < 0)
			return plan_fail(p, err, "sector %llu cannot be written",
					 (unsigned long long)s->sector);
	}
	return 0;
}

/* --- room ------------------------------------------------------------------------------------- */

/* The free sectors from `at` on: the first gap that does not end before it. */
static struct plan_gap
next_gap(struct plan_gap in, struct plan_used used, uint64_t at)
{
	struct plan_gap g = { at, in.end };
	bool moved = true;

	while (moved) { /* at most once for each that is used */
		moved = false;
		for (unsigned i = 0; i < used.n; i++)
			if (used.gap[i].start <= g.start && g.start < used.gap[i].end) {
				g.start = used.gap[i].end;
				moved = true;
			}
	}
	for (unsigned i = 0; i < used.n; i++)
		if (used.gap[i].start > g.start && used.gap[i].start < g.end)
			g.end = used.gap[i].start;
	return g;
}

/* Where in the gap it would begin; the gap's end if nowhere. */
static uint64_t
first_in(struct plan_gap g, const struct blk_new_part *n, uint64_t before)
{
	uint64_t at = g.start + before;

	if (at % n->align)
		at += n->align - at % n->align;
	return at < g.end ? at : g.end;
}

int
plan_place(struct blk_plan *p, struct plan_gap in, struct plan_used used, struct blk_new_part *n,
	   uint64_t before)
{
	struct plan_gap g = { in.start, in.start };
	uint64_t best = 0, best_size = 0;

	for (; g.end < in.end; g.start = g.end) {
		uint64_t at, size;

		g = next_gap(in, used, g.start);
		if (g.start >= in.end)
			break;
		at = n->start ? n->start : first_in(g, n, before);
		if (at < g.start + before || at >= g.end)
			continue;
		size = g.end - at;
		if (n->nsectors && size < n->nsectors)
			continue;
		if (size > best_size) {
			best = at;
			best_size = size;
		}
		if (n->nsectors)
			break; /* the first that is large enough */
	}
	if (!best_size)
		return plan_fail(p, -ENOSPC, "there is no room for it%s",
				 n->start ? " at that place" : "");
	n->start = best;
	if (n->nsectors)
		return 0;
	n->nsectors = best_size;
	if (best_size > (best + best_size) % n->align) /* what comes behind may begin at once */
		n->nsectors -= (best + best_size) % n->align;
	return 0;
}
