/*
 * Discards of ATA disks: include/drive_trim.h.
 */
#include "drive_trim.h"

void
drive_trim_info(const struct ata_identity *id, struct drive_disk *d)
{
	unsigned room = BLK_BUF_SMALL / ATA_PAGE_SIZE;

	d->trims = id->trim;
	d->ranges = (id->trim_blocks < room ? id->trim_blocks : room) * ATA_TRIM_RANGES;
	d->range_sectors = ATA_TRIM_RANGE_MAX;
	d->info.discard_sectors = d->ranges * ATA_TRIM_RANGE_MAX;
}

int
drive_trim(const struct blk_io *io, struct ata_command *out)
{
	const struct drive_disk *d = io->drive;
	unsigned nblocks;
	int used = 0;

	for (const struct blk_io *x = io; x; x = x->chain) {
		used = ata_trim_add(io->data, (unsigned)used, d->ranges, x->sector, x->nsectors);
		if (used < 0)
			return used;
	}
	nblocks = ata_trim_end(io->data, (unsigned)used);
	ata_cmd_trim(nblocks, out);
	return (int)(nblocks * ATA_PAGE_SIZE);
}
