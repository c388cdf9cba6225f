/*
 * What a disk says of itself: what lib/blk must know, the driver's lines of ctl and stats; and
 * the driver's own commands of ctl.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ahci.h"
#include "drive_trim.h"

static void
put_features(const struct ahci_port *p, struct blk_info *info)
{
	const struct ata_identity *id = &p->id;
	const struct drive_feature list[] = {
		{ id->lba48, "lba48" },
		{ p->ncq, "ncq" },
		{ id->trim, "trim" },
		{ id->trim_zeroes, "trim-zeroes" },
		{ id->write_cache_on, "write-cache" },
		{ id->flush || id->flush_ext, "flush" },
		{ id->fua, "fua" },
		{ id->smart, "smart" },
		{ id->rotation == 1, "solid-state" },
		{ id->removable, "removable" },
	};

	drive_features(list, sizeof list / sizeof list[0], info);
}

void
ahci_disk_info(const struct ahci_port *p, struct drive_disk *d)
{
	const struct ata_identity *id = &p->id;
	struct blk_info *info = &d->info;

	snprintf(info->name, sizeof info->name, "sdC%u",
		 HBA_MAX_PORTS * p->hba->ctlr.number + p->index);
	snprintf(info->model, sizeof info->model, "%s", id->model);
	snprintf(info->serial, sizeof info->serial, "%s", id->serial);
	snprintf(info->firmware, sizeof info->firmware, "%s", id->firmware);
	if (id->packet) {
		snprintf(info->features, sizeof info->features, "%s",
			 p->transfers.dma ? "dma" : "pio");
		return;
	}
	put_features(p, info);
	info->nsectors = id->nsectors;
	info->secsize = id->secsize;
	info->physsecsize = id->physsecsize;
	info->max_sectors = ata_max_sectors(id);
	info->queue_depth = p->queue.depth;
	info->cylinders = id->cylinders;
	info->heads = id->heads;
	info->sectors_per_track = id->sectors_per_track;
	info->max_segs = AHCI_SEGS;
	info->align = 2; /* [AHCI 1.3.1, 4.2.3.3] */
	info->direct = true;
	info->dma32 = p->hba->ctlr.dma_max;
	d->flushes = id->flush || id->flush_ext;
	d->fua = id->fua && id->lba48;
	drive_trim_info(id, d);
}

/* --- ctl and stats --------------------------------------------------------------------------- */

size_t
ahci_describe(struct drive_disk *d, char *buf, size_t n)
{
	struct ahci_port *p = (struct ahci_port *)d->port;
	size_t len = blk_printed(snprintf(buf, n, "link sata-%u\nrotation %u\nwwn %016llx\n",
					  SSTS_SPD_get(port_read(p, PORT_SSTS)), p->id.rotation,
					  (unsigned long long)p->id.wwn),
				 n);

	if (p->id.packet)
		return len;
	return len + drive_smart_text(d, d->priv, &p->id, buf + len, n - len);
}

size_t
ahci_statistics(struct drive_disk *d, char *buf, size_t n)
{
	struct ahci_port *p = (struct ahci_port *)d->port;

	return blk_printed(snprintf(buf, n,
				    "soft-resets %llu\nlink-resets %llu\nerror-logs %llu\n"
				    "link-errors %llu\n",
				    (unsigned long long)atomic_load(&p->soft_resets),
				    (unsigned long long)atomic_load(&p->link_resets),
				    (unsigned long long)atomic_load(&p->logs),
				    (unsigned long long)atomic_load(&p->link_errors)),
			   n);
}

/* A command without data, in its turn among the others. */
static int
simple(struct drive_disk *d, uint8_t opcode)
{
	struct drive_command c = { 0 };
	struct ata_command ata;

	ata_cmd_simple(opcode, &ata);
	memcpy(c.block, &ata, sizeof ata);
	return drive_command(d, &c, NULL);
}

int
ahci_command(struct drive_disk *d, const char *text)
{
	if (strcmp(text, "standby") == 0)
		return simple(d, ATA_STANDBY_IMMEDIATE);
	return -EINVAL;
}
