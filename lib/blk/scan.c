/*
 * Partition tables: which kind a disk has, and the checks that hold for every kind.
 *
 * A table is foreign data: a partition is taken only when it lies inside the disk and overlaps no
 * other; everything else is refused with a line that says why.  No state, no locks.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "table.h"

void
blk_note(struct blk_scan *s, const char *fmt, ...)
{
	char *notes = s->table->notes;
	size_t used = strlen(notes), room = sizeof s->table->notes - used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(notes + used, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n + 2 > room) { /* only whole lines */
		notes[used] = '\0';
		return;
	}
	notes[used + (size_t)n] = '\n';
	notes[used + (size_t)n + 1] = '\0';
}

static const struct blk_part *
overlapped(const struct blk_table *t, const struct blk_part *p)
{
	for (unsigned i = 0; i < t->nparts; i++) {
		const struct blk_part *q = &t->part[i];

		/* A logical partition lies in its container; mbr.c checks that it does. */
		if (q->container && p->number > 4)
			continue;
		if (p->start < q->start + q->nsectors && q->start < p->start + p->nsectors)
			return q;
	}
	return NULL;
}

bool
blk_take(struct blk_scan *s, const struct blk_part *p)
{
	struct blk_table *t = s->table;
	const struct blk_part *other;

	if (p->start >= s->nsectors || p->nsectors > s->nsectors - p->start)
		blk_note(s, "partition %u: %llu sectors at %llu do not fit in the disk's %llu",
			 p->number, (unsigned long long)p->nsectors, (unsigned long long)p->start,
			 (unsigned long long)s->nsectors);
	else if ((other = overlapped(t, p)))
		blk_note(s, "partition %u: overlaps partition %u", p->number, other->number);
	else if (t->nparts == BLK_MAX_PARTS)
		blk_note(s, "partition %u: more than %d partitions", p->number, BLK_MAX_PARTS);
	else {
		t->part[t->nparts++] = *p;
		return true;
	}
	t->nrefused++;
	return false;
}

int
blk_scan_partitions(blk_read_fn read, void *ctx, uint64_t nsectors, uint32_t secsize,
		    struct blk_table *out)
{
	struct blk_scan s = { read, ctx, nsectors, secsize, out };
	uint8_t sector[BLK_MAX_SECTOR];
	bool protective = false;
	int err;

	memset(out, 0, sizeof *out);
	if (secsize < BLK_MIN_SECTOR || secsize > BLK_MAX_SECTOR || (secsize & (secsize - 1)))
		return -EINVAL;
	if (!nsectors)
		return 0;
	err = read(ctx, 0, 1, sector);
	if (err < 0)
		return err;
	if (!blk_mbr_scan(&s, sector, &protective))
		return 0;
	if (!protective) {
		out->kind = BLK_TABLE_MBR;
		return 0;
	}
	out->uuid[0] = '\0';
	if (blk_gpt_scan(&s))
		out->kind = BLK_TABLE_GPT;
	return 0;
}

const struct blk_part *
blk_find_part(const struct blk_table *t, uint32_t number)
{
	for (unsigned i = 0; i < t->nparts; i++)
		if (t->part[i].number == number && !t->part[i].container)
			return &t->part[i];
	return NULL;
}
