/*
 * A partition of a file or device: see blk_source.h.  Apart from source.c, so that a file system of
 * whole discs has no partition tables.
 */
#include <errno.h>
#include <stdlib.h>
#include "blk.h"
#include "blk_source.h"

enum { SECTOR = 512 };

static int
sector_read(void *ctx, uint64_t sector, uint32_t nsectors, void *buf)
{
	const struct blk_source *s = ctx;

	return s->read(s->ctx, buf, (size_t)nsectors * SECTOR, sector * SECTOR);
}

int
blk_source_part(struct blk_source *s, struct blk_source_file *f, uint32_t number)
{
	struct blk_table *t = malloc(sizeof *t);
	const struct blk_part *p;
	int err;

	if (!t) {
		f->why("no memory for a partition table");
		return -ENOMEM;
	}
	err = blk_scan_partitions(sector_read, s, s->size / SECTOR, SECTOR, t);
	p = err < 0 ? NULL : blk_find_part(t, number);
	if (p) {
		f->start = p->start * SECTOR;
		s->size = p->nsectors * SECTOR;
	} else if (err >= 0) {
		f->why("no partition %u", number);
		err = -ENXIO;
	}
	free(t);
	return err < 0 ? err : 0;
}
