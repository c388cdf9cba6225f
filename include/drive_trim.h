/*
 * DATA SET MANAGEMENT with TRIM, for the drivers of ATA disks.
 */
#pragma once
#include "ata.h"
#include "drive.h"

/* What the disk takes of discards: d->trims, ranges, range_sectors and info.discard_sectors. */
void drive_trim_info(const struct ata_identity *id, struct drive_disk *d);

/*
 * Builds the command for a BLK_DISCARD and all in its chain; the ranges go into the first one's own
 * buffer, at whose start the command's data is then: how many bytes, or a negative errno.
 */
int drive_trim(const struct blk_io *io, struct ata_command *out);
