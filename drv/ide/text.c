/*
 * What a drive says of itself: what lib/blk must know, the driver's lines of ctl, standby.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "drive_trim.h"
#include "ide.h"

static void
put_features(const struct ide_drive *d, struct blk_info *info)
{
	const struct drive_feature list[] = {
		{ atomic_load(&d->dma), "dma" },
		{ d->multiple > 0, "multiple" },
		{ d->id.lba48, "lba48" },
		{ d->id.trim && atomic_load(&d->dma), "trim" },
		{ d->id.write_cache_on, "write-cache" },
		{ d->id.flush || d->id.flush_ext, "flush" },
		{ d->id.smart, "smart" },
	};

	drive_features(list, sizeof list / sizeof list[0], info);
}

void
ide_disk_info(const struct ide_channel *c, unsigned drive, struct drive_disk *disk)
{
	const struct ide_drive *d = &c->drive[drive];
	const struct ata_identity *id = &d->id;
	struct blk_info *info = &disk->info;
	uint32_t max = ata_max_sectors(id);

	snprintf(info->name, sizeof info->name, "sdD%u",
		 IDE_CHANNELS * IDE_DRIVES * c->ctlr->ctlr.number + IDE_DRIVES * c->index + drive);
	snprintf(info->model, sizeof info->model, "%s", id->model);
	snprintf(info->serial, sizeof info->serial, "%s", id->serial);
	snprintf(info->firmware, sizeof info->firmware, "%s", id->firmware);
	put_features(d, info);
	if (id->packet)
		return;
	info->nsectors = id->nsectors;
	info->secsize = id->secsize;
	info->physsecsize = id->physsecsize;
	info->max_sectors = max < IDE_SECTORS_MAX ? max : IDE_SECTORS_MAX;
	info->queue_depth = 1;
	info->cylinders = id->cylinders;
	info->heads = id->heads;
	info->sectors_per_track = id->sectors_per_track;
	info->max_segs = IDE_SEGS;
	info->align = 2;
	disk->flushes = id->flush || id->flush_ext;
	disk->fua = id->fua && id->lba48 && atomic_load(&d->dma);
	if (atomic_load(&d->dma)) /* the command is one of DMA [ACS-4, 7.5.2] */
		drive_trim_info(id, disk);
}

static const struct ide_channel *
channel_of(const struct drive_disk *d)
{
	return (const struct ide_channel *)d->port;
}

size_t
ide_describe(struct drive_disk *disk, char *buf, size_t n)
{
	const struct ide_channel *c = channel_of(disk);
	unsigned drive = ((const struct ide_disk *)disk->priv)->drive;
	const struct ide_drive *d = &c->drive[drive];
	int len = snprintf(buf, n, "drive %s\ntransfers %s\n", drive ? "slave" : "master",
			   atomic_load(&d->dma) ? "dma" : "pio");

	size_t used = blk_printed(len, n);

	if (d->id.packet)
		return used;
	return used + drive_smart_text(disk, &((struct ide_disk *)disk->priv)->smart, &d->id,
				       buf + used, n - used);
}

size_t
ide_statistics(struct drive_disk *disk, char *buf, size_t n)
{
	const struct ide_channel *c = channel_of(disk);
	int len = snprintf(buf, n, "dma-commands %llu\npio-commands %llu\npacket-commands %llu\n",
			   (unsigned long long)atomic_load(&c->dma_commands),
			   (unsigned long long)atomic_load(&c->pio_commands),
			   (unsigned long long)atomic_load(&c->packets));

	return blk_printed(len, n);
}

int
ide_command(struct drive_disk *disk, const char *text)
{
	struct drive_command c = { 0 };
	struct ata_command ata;

	if (strcmp(text, "standby") != 0)
		return -EINVAL;
	ata_cmd_simple(ATA_STANDBY_IMMEDIATE, &ata);
	memcpy(c.block, &ata, sizeof ata);
	return drive_command(disk, &c, NULL);
}
