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

enum { LAST_NOTE = 40 }; /* room that is kept for the count of the others */

static void
add_note(struct blk_scan *s, const char *prefix, const char *fmt, va_list ap)
{
	char line[160], *notes = s->table->notes;
	size_t used = strlen(notes), n;

	n = (size_t)snprintf(line, sizeof line, "%s", prefix);
	vsnprintf(line + n, sizeof line - n, fmt, ap);
	if (used + strlen(line) + 2 + LAST_NOTE > sizeof s->table->notes) {
		s->table->nhidden++;
		return;
	}
	snprintf(notes + used, sizeof s->table->notes - used, "%s\n", line);
}

void
blk_note(struct blk_scan *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_note(s, "", fmt, ap);
	va_end(ap);
}

void
blk_refuse(struct blk_scan *s, const struct blk_part *p, const char *fmt, ...)
{
	char prefix[32];
	va_list ap;

	snprintf(prefix, sizeof prefix, "partition %u: ", p->number);
	va_start(ap, fmt);
	add_note(s, prefix, fmt, ap);
	va_end(ap);
	s->table->nrefused++;
}

static void
end_notes(struct blk_table *t)
{
	size_t used = strlen(t->notes);

	if (t->nhidden)
		snprintf(t->notes + used, sizeof t->notes - used, "and %u more\n", t->nhidden);
}

static const struct blk_part *
overlapped(const struct blk_table *t, const struct blk_part *p)
{
	for (unsigned i = 0; i < t->nparts; i++) {
		const struct blk_part *q = &t->part[i];

		/* A logical partition lies in its container; mbr.c checks that it does. */
		if (q->container && p->number > 4)
			continue;
		if (blk_overlap(p, q->start, q->nsectors))
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
		blk_refuse(s, p, "%llu sectors at %llu do not fit in the disk's %llu",
			   (unsigned long long)p->nsectors, (unsigned long long)p->start,
			   (unsigned long long)s->nsectors);
	else if ((other = overlapped(t, p)))
		blk_refuse(s, p, "overlaps partition %u", other->number);
	else if (t->nparts == BLK_MAX_PARTS)
		blk_refuse(s, p, "more than %d partitions", BLK_MAX_PARTS);
	else {
		t->part[t->nparts++] = *p;
		return true;
	}
	return false;
}

static void
scan_sector(struct blk_scan *s, const uint8_t *sector)
{
	bool protective = false;

	if (blk_mbr_scan(s, sector, &protective) && !protective) {
		s->table->kind = BLK_TABLE_MBR;
		return;
	}
	if (protective) {
		s->table->uuid[0] = '\0';
		if (blk_gpt_scan(s))
			s->table->kind = BLK_TABLE_GPT;
	}
	if (s->table->kind == BLK_TABLE_NONE)
		blk_gpt_hint(s);
}

int
blk_scan_partitions(blk_read_fn read, void *ctx, uint64_t nsectors, uint32_t secsize,
		    struct blk_table *out)
{
	struct blk_scan s = { read, ctx, nsectors, secsize, out };
	uint8_t sector[BLK_MAX_SECTOR];
	int err;

	memset(out, 0, sizeof *out);
	if (secsize < BLK_MIN_SECTOR || secsize > BLK_MAX_SECTOR || (secsize & (secsize - 1)))
		return -EINVAL;
	if (!nsectors)
		return 0;
	err = read(ctx, 0, 1, sector);
	if (err < 0)
		return err;
	scan_sector(&s, sector);
	end_notes(out);
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
