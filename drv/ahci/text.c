/*
 * What a disk says of itself: what lib/blk must know, the driver's lines of ctl, and its commands.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ahci.h"

static void
put_features(const struct ahci_port *p, char *out, size_t size)
{
	const struct ata_identity *id = &p->id;
	const struct {
		bool has;
		const char *name;
	} list[] = {
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
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
		if (list[i].has && used < size) {
			int n = snprintf(out + used, size - used, "%s%s", used ? " " : "",
					 list[i].name);

			used += n > 0 ? (size_t)n : 0;
		}
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
	put_features(p, info->features, sizeof info->features);
	info->nsectors = id->nsectors;
	info->secsize = id->secsize;
	info->physsecsize = id->physsecsize;
	info->max_sectors = ata_max_sectors(id);
	info->discard_sectors = 64 * 65535; /* one block of ranges */
	info->queue_depth = p->queue.depth;
	info->max_segs = AHCI_TABLE_PRDS;
	info->align = 2; /* [AHCI 1.3.1, 4.2.3.3] */
	info->direct = true;
	info->dma32 = !CAP_S64A_get(p->hba->cap);
	info->cylinders = id->cylinders;
	info->heads = id->heads;
	info->sectors_per_track = id->sectors_per_track;
	d->flushes = id->flush || id->flush_ext;
	d->trims = id->trim;
}

size_t
ahci_describe(struct drive_disk *d, char *buf, size_t n)
{
	struct ahci_port *p = (struct ahci_port *)d->port;
	int len = snprintf(buf, n, "link sata-%u\nrotation %u\nwwn %016llx\n",
			   SSTS_SPD_get(port_read(p, PORT_SSTS)), p->id.rotation,
			   (unsigned long long)p->id.wwn);

	return len < 0 ? 0 : (size_t)len < n ? (size_t)len : n - 1;
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
