/*
 * Devices with packet commands: lib/atapi's transport over lib/drive's own commands.
 *
 * Such a disk is not shown to lib/blk itself: the thread that would do so starts a lib/atapi unit,
 * which has a disk of its own, and stays until the device is gone.  The device's commands still
 * wait their turn among those of the other disk at the port, and are recovered as all are; only
 * they are not tried again after a reset, as lib/atapi knows better what has become of the medium.
 *
 * The disk is held by the unit until lib/blk has let go of that (release).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ata.h"
#include "atapi.h"
#include "private.h"

struct drive_packet {
	struct atapi_unit *unit; /* NULL: not shown; only that thread's */
	atomic_bool dma;
	pthread_mutex_t lock; /* of gone */
	pthread_cond_t went;
	bool gone;
	uint8_t buffer[ATAPI_BUFFER];
};

int
drive_disk_packet(struct drive_disk *d, bool dma)
{
	struct drive_packet *k = calloc(1, sizeof *k);

	if (!k)
		return -ENOMEM;
	atomic_store(&k->dma, dma);
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->went, NULL);
	d->packet = k;
	return 0;
}

void
drive_disk_no_dma(struct drive_disk *d)
{
	if (d->packet)
		atomic_store(&d->packet->dma, false);
}

void
drive_packet_free(struct drive_disk *d)
{
	struct drive_packet *k = d->packet;

	if (!k)
		return;
	pthread_mutex_destroy(&k->lock);
	pthread_cond_destroy(&k->went);
	free(k);
}

/* Only reads of blocks: of a command that moves less, DMA does not tell how much. */
static bool
by_dma(const struct drive_packet *k, const struct atapi_packet *p)
{
	return atomic_load(&k->dma) && p->bytes &&
	       (p->cdb[0] == ATAPI_READ_10 || p->cdb[0] == ATAPI_READ_12);
}

static int
run(void *drive, struct atapi_packet *p)
{
	struct drive_disk *d = drive;
	struct drive_command c = { .io.tries = DRIVE_TRIES - 1,
				   .bytes = p->bytes + (p->bytes & 1),
				   .write = p->direction == ATAPI_OUT,
				   .timeout_ms = p->timeout_ms };
	struct ata_packet block;
	struct ata_packet_end end;
	int err;

	_Static_assert(sizeof block <= sizeof c.block, "the block of a command");
	_Static_assert(sizeof end <= sizeof c.result, "its result");
	ata_cmd_packet(p->cdb, p->bytes, by_dma(d->packet, p), &block);
	memcpy(c.block, &block, sizeof block);
	err = drive_command(d, &c, p->data);
	if (err < 0)
		return err;
	memcpy(&end, c.result, sizeof end);
	p->status = end.status;
	p->error = end.error;
	p->moved = end.moved < p->bytes ? end.moved : p->bytes;
	return 0;
}

static int
command(void *drive, const char *text)
{
	return drive_blk_ops.command(drive, text);
}

static size_t
describe(void *drive, char *buf, size_t n)
{
	return drive_blk_ops.describe(drive, buf, n);
}

static size_t
statistics(void *drive, char *buf, size_t n)
{
	return drive_blk_ops.statistics(drive, buf, n);
}

static void
tell(void *drive, const char *text)
{
	drive_tell(((struct drive_disk *)drive)->port, "%s", text);
}

static void
release(void *drive)
{
	drive_disk_put(drive);
}

static const struct atapi_transport transport = {
	.run = run,
	.command = command,
	.describe = describe,
	.statistics = statistics,
	.log = tell,
	.release = release,
};

void
drive_packet_show(struct drive_disk *d)
{
	struct drive_packet *k = d->packet;
	struct atapi_config c = { .server = d->port->ctlr->blk,
				  .transport = &transport,
				  .drive = d,
				  .max_bytes = DRIVE_DATA_MAX,
				  .memory = d->port->ctlr->memory,
				  .buffer = k->buffer };
	struct atapi_unit *u = atapi_unit_new();
	int err = u ? 0 : -ENOMEM;

	snprintf(c.name, sizeof c.name, "%s", d->info.name);
	snprintf(c.model, sizeof c.model, "%s", d->info.model);
	snprintf(c.serial, sizeof c.serial, "%s", d->info.serial);
	snprintf(c.firmware, sizeof c.firmware, "%s", d->info.firmware);
	snprintf(c.features, sizeof c.features, "%.*s", (int)sizeof c.features - 1,
		 d->info.features);
	if (u) {
		atomic_fetch_add(&d->refs, 1); /* the unit's, until its release */
		err = atapi_unit_start(u, &c);
	}
	if (err < 0) {
		if (!atomic_load(&d->gone))
			drive_tell(d->port, "%s cannot be added: %s", d->info.name, strerror(-err));
		atapi_unit_free(u);
		u = NULL;
	}
	k->unit = u;
}

void
drive_packet_serve(struct drive_disk *d)
{
	struct drive_packet *k = d->packet;

	if (!k->unit)
		return;
	pthread_mutex_lock(&k->lock);
	while (!k->gone)
		pthread_cond_wait(&k->went, &k->lock);
	pthread_mutex_unlock(&k->lock);
	atapi_unit_stop(k->unit);
	atapi_unit_free(k->unit);
	k->unit = NULL;
}

void
drive_packet_gone(struct drive_disk *d)
{
	pthread_mutex_lock(&d->packet->lock);
	d->packet->gone = true;
	pthread_cond_signal(&d->packet->went);
	pthread_mutex_unlock(&d->packet->lock);
}
