/*
 * What lib/drive's keeper asks of a channel.
 *
 * A software reset ends what both drives were doing; then each is asked who it is.  A drive that
 * does not come back is dropped alone, if the other does.  DMA that fails or does not end
 * IDE_DMA_TRIES times is given up for programmed I/O.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ide.h"

static struct ide_channel *
of(struct drive_port *p)
{
	return (struct ide_channel *)p;
}

static bool
may_dma(const struct ide_channel *c, const struct ide_drive *d)
{
	return c->has_master && d->transfers.dma && d->dma_failures < IDE_DMA_TRIES;
}

static int
accept(struct ide_channel *c, unsigned drive)
{
	struct drive_disk *disk = drive_disk_new(&c->port, sizeof(struct ide_disk));
	struct ide_drive *d = &c->drive[drive];
	int err = 0;

	if (!disk)
		return -ENOMEM;
	((struct ide_disk *)disk->priv)->drive = drive;
	drive_smart_init(&((struct ide_disk *)disk->priv)->smart);
	atomic_store(&d->dma, may_dma(c, d));
	ide_disk_info(c, drive, disk);
	if (d->id.packet)
		err = drive_disk_packet(disk, atomic_load(&d->dma));
	if (err < 0) {
		drive_disk_drop(disk, "out of memory");
		return err;
	}
	d->disk = disk;
	return 0;
}

static int
probe(struct drive_port *p)
{
	struct ide_channel *c = of(p);
	unsigned found = 0;

	ide_interrupts(c, false);
	ide_master_stop(c);
	if (!ide_channel_has_drives(c))
		return -ENODEV;
	ide_reset(c); /* one that stays busy tells at IDENTIFY */
	for (unsigned i = 0; i < IDE_DRIVES; i++) {
		struct ide_drive *d = &c->drive[i];
		int err;

		if (!d->present)
			continue;
		d->dma_failures = 0;
		err = ide_identify(c, i, d);
		if (err == 0)
			err = accept(c, i);
		d->present = err == 0;
		found += err == 0;
		if (err < 0 && err != -ENODEV && err != -EIO)
			drive_tell(p, "drive %u cannot be started: %s", i, strerror(-err));
	}
	return found ? 0 : -ENODEV;
}

static void
ready(struct drive_port *p)
{
	ide_interrupts(of(p), true);
}

static void
hold(struct drive_port *p)
{
	ide_interrupts(of(p), false);
	ide_master_stop(of(p));
}

static void
quiet(struct drive_port *p)
{
	struct ide_channel *c = of(p);

	if (!c->usable)
		return;
	hold(p);
	for (unsigned i = 0; i < IDE_DRIVES; i++) {
		c->drive[i].present = false;
		c->drive[i].disk = NULL;
	}
}

static enum drive_verdict
diagnose(struct drive_port *p, struct drive_blame *b)
{
	struct ide_channel *c = of(p);

	if (b->late) {
		snprintf(b->why, sizeof b->why, "no answer in time, status 0x%02x", ide_status(c));
		if (c->run.protocol == IDE_DMA)
			ide_dma_failed(c, c->run.drive);
	}
	return DRIVE_RESET;
}

static bool
same(const struct ata_identity *a, const struct ata_identity *b)
{
	return a->packet == b->packet && a->nsectors == b->nsectors && a->secsize == b->secsize &&
	       a->lba48 == b->lba48 && strcmp(a->serial, b->serial) == 0 &&
	       strcmp(a->model, b->model) == 0;
}

/* 0; -ENODEV: another, or none. */
static int
find_again(struct ide_channel *c, unsigned drive)
{
	struct ide_drive *d = &c->drive[drive], now = { 0 };
	int err = ide_identify(c, drive, &now);

	if (err == 0 && !same(&d->id, &now.id))
		err = -ENODEV;
	if (err == 0) {
		d->multiple = now.multiple;
		atomic_store(&d->dma, may_dma(c, d));
	}
	return err;
}

static int
restart(struct drive_port *p, unsigned attempt)
{
	struct ide_channel *c = of(p);
	struct drive_disk *lost[IDE_DRIVES] = { 0 };
	unsigned left = 0;
	int err = 0;

	ide_reset(c);
	for (unsigned i = 0; i < IDE_DRIVES; i++) {
		struct ide_drive *d = &c->drive[i];
		int e = d->present ? find_again(c, i) : 0;

		left += d->present && e == 0;
		if (e < 0) {
			lost[i] = d->disk;
			err = e;
		}
	}
	if (err == 0)
		return 0;
	if (attempt + 1 < DRIVE_RESETS || !left)
		return err;
	for (unsigned i = 0; i < IDE_DRIVES; i++)
		if (lost[i]) {
			c->drive[i].present = false;
			c->drive[i].disk = NULL;
			drive_tell(p, "drive %u does not come back after a reset", i);
			drive_disk_drop(lost[i], "it does not come back after a reset");
		}
	return 0;
}

const struct drive_ops ide_ops = {
	.build = ide_build,
	.ring = ide_ring,
	.reap = ide_reap,
	.probe = probe,
	.hold = hold,
	.diagnose = diagnose,
	.restart = restart,
	.ready = ready,
	.quiet = quiet,
	.command = ide_command,
	.describe = ide_describe,
	.statistics = ide_statistics,
};
