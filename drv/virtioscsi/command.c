/*
 * Commands [VIRTIO 1.2, 5.6.6.1]: what is read comes first in the chain (command, data to the
 * device), then what is written (answer, data from it).  Command and answer lie in the slot's own
 * bytes; the answer is set to one that no device gives before it is sent.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "virtioscsi.h"

/* --- clients' -------------------------------------------------------------------------------- */

static void
begin(struct virtio_drive_queue *q, unsigned slot, unsigned pieces, struct virtq_chain *c)
{
	uint8_t *extra = virtq_extra(&q->vq.ring, slot);

	memset(extra + VSCSI_ANSWER, VIRTIO_SCSI_NONE, VIRTIO_SCSI_ANSWER_SIZE);
	virtq_begin(&q->vq.ring, slot, pieces + 2, c);
	virtq_piece(c, virtq_extra_at(&q->vq.ring, slot) + VSCSI_COMMAND, VIRTIO_SCSI_COMMAND_SIZE,
		    false);
}

static void
put_answer(struct virtio_drive_queue *q, unsigned slot, struct virtq_chain *c)
{
	virtq_piece(c, virtq_extra_at(&q->vq.ring, slot) + VSCSI_ANSWER, VIRTIO_SCSI_ANSWER_SIZE,
		    true);
}

/* The ranges of all discards of the chain, into the first one's buffer; how many. */
static unsigned
put_ranges(const struct drive_disk *d, const struct blk_io *io)
{
	uint8_t *list = io->data;
	unsigned n = 0;

	for (; io; io = io->chain)
		for (uint32_t at = 0; at < io->nsectors; at += d->range_sectors) {
			uint32_t left = io->nsectors - at;

			scsi_unmap_range(list, n++, io->sector + at,
					 left < d->range_sectors ? left : d->range_sectors);
		}
	scsi_unmap_header(list, n);
	return n;
}

/* Of lib/atapi, for an optical drive. */
static unsigned
build_packet(const struct blk_io *io, uint8_t *cdb)
{
	const struct drive_command *c = (const struct drive_command *)io;
	struct ata_packet p;

	memcpy(&p, c->block, sizeof p);
	memcpy(cdb, p.cdb, SCSI_CDB_MAX);
	return SCSI_CDB_MAX;
}

static bool
to_device(const struct blk_io *io)
{
	if (io->kind == DRIVE_OWN)
		return ((const struct drive_command *)io)->write;
	return io->kind != BLK_READ;
}

int
vscsi_build(struct drive_queue *dq, struct blk_io *io, unsigned tag)
{
	struct virtio_drive_queue *q = (struct virtio_drive_queue *)dq;
	const struct drive_disk *d = io->drive;
	const struct vscsi_unit *u = d->priv;
	uint64_t nsectors = u->capacity.nsectors;
	uint8_t cdb[SCSI_CDB_MAX];
	struct dma_seg own;
	const struct dma_seg *seg = io->seg;
	struct virtq_chain c;
	unsigned n, nsegs = io->nsegs;

	if (d->packet && io->kind != DRIVE_OWN)
		return -EOPNOTSUPP;
	if (io->sector > nsectors || io->nsectors > nsectors - io->sector)
		return -EINVAL;
	if (d->packet)
		n = build_packet(io, cdb);
	else if (io->kind == DRIVE_OWN)
		n = vscsi_packet_build(io, cdb);
	else if (io->kind == BLK_FLUSH)
		n = scsi_cmd_flush(cdb);
	else if (io->kind == BLK_DISCARD) {
		unsigned nranges = put_ranges(d, io);

		n = scsi_cmd_unmap(cdb, nranges);
		own = (struct dma_seg){ seg->paddr,
					SCSI_UNMAP_HEADER + nranges * SCSI_UNMAP_RANGE };
		seg = &own;
		nsegs = 1;
	} else if (io->kind == BLK_ZERO) {
		n = scsi_cmd_write_same(cdb, io->sector, io->nsectors, u->same_unmaps);
		memset(io->data, 0, d->info.secsize);
		own = (struct dma_seg){ seg->paddr, d->info.secsize };
		seg = &own;
		nsegs = 1;
	} else {
		bool write = io->kind == BLK_WRITE;

		n = scsi_cmd_rw(cdb, &(struct scsi_rw){ io->sector, io->nsectors, write,
							write && io->fua && d->fua });
	}
	virtio_scsi_command((uint8_t *)virtq_extra(&q->vq.ring, tag) + VSCSI_COMMAND, u->at,
			    vscsi_id(q, tag), cdb, n);
	begin(q, tag, nsegs, &c);
	for (unsigned i = 0; to_device(io) && i < nsegs; i++)
		virtq_piece(&c, seg[i].paddr, seg[i].bytes, false);
	put_answer(q, tag, &c);
	for (unsigned i = 0; !to_device(io) && i < nsegs; i++)
		virtq_piece(&c, seg[i].paddr, seg[i].bytes, true);
	virtq_end(&c);
	return 0;
}

/* --- what they answer ------------------------------------------------------------------------ */

struct outcome {
	int err;
	enum drive_retry retry;
	bool look;    /* a unit has come, gone or changed */
	bool illegal; /* it has no such command, or no such field in it */
	bool reset;   /* it tells that it was reset */
	char why[BLK_WHY_MAX];
};

static void
judge_sense(const struct virtio_scsi_answer *a, struct outcome *o)
{
	struct atapi_sense sense;

	if (atapi_sense(a->sense, a->sense_bytes, &sense) < 0) {
		o->err = -EIO;
		snprintf(o->why, sizeof o->why, "check condition without sense data");
		return;
	}
	o->err = atapi_errno(&sense);
	if (sense.key == ATAPI_UNIT_ATTENTION) /* it is told in place of the command's beginning */
		o->retry = DRIVE_UNDONE;
	else if (atapi_retry(&sense) != ATAPI_GIVE_UP)
		o->retry = DRIVE_AGAIN;
	o->illegal = sense.key == ATAPI_ILLEGAL_REQUEST;
	o->look = sense.key == ATAPI_UNIT_ATTENTION && (sense.asc == 0x2a || sense.asc == 0x3f);
	o->reset = sense.key == ATAPI_UNIT_ATTENTION && sense.asc == 0x29;
	if (!o->err && sense.key > ATAPI_RECOVERED)
		o->err = -EIO;
	atapi_sense_text(&sense, o->why, sizeof o->why);
}

/* Aborted, by us or by a reset, or not begun [Virtio 1.2, 5.6.6.1]. */
static bool
was_stopped(enum virtio_scsi_response r)
{
	return r == VIRTIO_SCSI_ABORTED || r == VIRTIO_SCSI_RESET || r == VIRTIO_SCSI_BUSY;
}

static void
judge(const struct virtio_scsi_answer *a, struct outcome *o)
{
	*o = (struct outcome){ 0 };
	if (a->response != VIRTIO_SCSI_OK) {
		o->err = virtio_scsi_errno(a->response);
		if (was_stopped(a->response))
			o->retry = DRIVE_UNDONE;
		else if (o->err == -EIO)
			o->retry = DRIVE_AGAIN;
		o->look = a->response == VIRTIO_SCSI_BAD_TARGET;
		snprintf(o->why, sizeof o->why, "%s", virtio_scsi_response_name(a->response));
	} else if (a->status == SCSI_CHECK_CONDITION)
		judge_sense(a, o);
	else if (a->status != SCSI_GOOD) {
		bool busy = a->status == SCSI_BUSY || a->status == SCSI_TASK_SET_FULL;

		o->retry = busy ? DRIVE_UNDONE : DRIVE_FINAL;
		o->err = busy ? -EBUSY : -EIO;
		snprintf(o->why, sizeof o->why, "SCSI status 0x%02x", a->status);
	}
}

/*
 * lib/atapi asks for sense data with a command, as ATA devices have it; here it came with the one
 * before, and the device has forgotten it [SAM-5, 5.14.4].
 */
static void
end_packet(struct virtio_drive_queue *q, unsigned tag, const struct virtio_scsi_answer *a)
{
	struct blk_io *io = drive_tag(&q->q, tag);
	struct drive_command *c = (struct drive_command *)io;
	struct vscsi_unit *u = ((struct drive_disk *)io->drive)->priv;
	struct ata_packet_end end = { .status = ATA_STATUS_DRDY };
	struct ata_packet p;

	memcpy(&p, c->block, sizeof p);
	end.moved = a->residual < c->bytes ? c->bytes - a->residual : 0;
	if (p.cdb[0] == ATAPI_REQUEST_SENSE && u->sense_bytes) {
		end.moved = u->sense_bytes < c->bytes ? u->sense_bytes : c->bytes;
		memcpy(io->data, u->sense, end.moved);
		u->sense_bytes = 0;
	} else if (a->status != SCSI_GOOD) {
		u->sense_bytes = a->sense_bytes < sizeof u->sense ? a->sense_bytes
								  : sizeof u->sense;
		memcpy(u->sense, a->sense, u->sense_bytes);
		end.status |= ATA_STATUS_ERR;
		end.error = (uint8_t)(u->sense_bytes > 2 ? u->sense[2] << 4 : ATAPI_ABORTED << 4);
	}
	memcpy(c->result, &end, sizeof end);
	drive_end(&q->q, tag);
}

void
vscsi_ended(struct virtio_drive_queue *q, unsigned tag, uint32_t written)
{
	struct blk_io *io = drive_tag(&q->q, tag);
	const struct drive_disk *d = io->drive;
	struct vscsi_unit *u = d->priv;
	struct virtio_scsi_answer a;
	struct outcome o;

	virtio_scsi_answer((uint8_t *)virtq_extra(&q->vq.ring, tag) + VSCSI_ANSWER, &a);
	if (d->packet && a.response == VIRTIO_SCSI_OK) {
		end_packet(q, tag, &a);
		return;
	}
	judge(&a, &o);
	if (io->kind == DRIVE_OWN && a.response == VIRTIO_SCSI_OK) {
		o.look |= vscsi_packet_ended(io, &a);
		o.err = 0;
		a.residual = 0;
	}
	if (io->kind == BLK_ZERO && o.illegal) { /* then zeros are written */
		o.err = -EOPNOTSUPP;
		o.retry = DRIVE_FINAL;
	}
	if (!o.err && a.residual) {
		o.err = -EIO;
		snprintf(o.why, sizeof o.why, "%u bytes were not moved", a.residual);
	}
	/* What it did not write is what somebody else has left there. */
	if (!o.err && io->kind == BLK_READ &&
	    written != VIRTIO_SCSI_ANSWER_SIZE + (uint64_t)io->nsectors * d->info.secsize) {
		o.err = -EPROTO;
		snprintf(o.why, sizeof o.why, "%u bytes were written", written);
	}
	if (o.look) {
		vscsi_news((struct vscsi *)q->drive, u->at.target);
		atomic_store(&q->look, true); /* the keeper is woken without the queue's lock */
	}
	if (a.response == VIRTIO_SCSI_ABORTED &&
	    io->deadline < atomic_load(&q->drive->ctlr.now_ms)) {
		o.err = -ETIMEDOUT;
		snprintf(o.why, sizeof o.why, "no answer in time, aborted");
	}
	if (o.reset && atomic_exchange(&u->was_reset, false))
		io->tries--; /* by us: no fault of the command that is told it */
	if (!o.err)
		drive_end(&q->q, tag);
	else
		drive_fail(&q->q, tag, o.err, o.retry, o.why);
}

/* --- the driver's own ------------------------------------------------------------------------ */

void
vscsi_ask_put(struct vscsi *s, struct vscsi_ask *a)
{
	struct virtio_drive_queue *q = &s->d.queue[0];
	uint64_t at = (uint64_t)a->slot * VSCSI_ASK_BYTES;
	struct virtq_chain c;

	a->data = (uint8_t *)s->scratch.vaddr + at;
	memset((uint8_t *)s->scratch.vaddr + at, 0, VSCSI_ASK_BYTES);
	virtio_scsi_command((uint8_t *)virtq_extra(&q->vq.ring, a->slot) + VSCSI_COMMAND, a->at,
			    vscsi_id(q, a->slot), a->cdb, a->cdb_bytes);
	begin(q, a->slot, a->bytes != 0, &c);
	put_answer(q, a->slot, &c);
	if (a->bytes)
		virtq_piece(&c, s->scratch.paddr + at, a->bytes, true);
	virtq_end(&c);
}

int
vscsi_ask_end(struct vscsi *s, struct vscsi_ask *a)
{
	struct virtio_drive_queue *q = &s->d.queue[0];
	int64_t written = virtio_drive_own_wait(q, a->slot, VSCSI_ASK_MS);
	struct outcome o;

	if (written < 0)
		return (int)written;
	virtio_scsi_answer((uint8_t *)virtq_extra(&q->vq.ring, a->slot) + VSCSI_ANSWER, &a->answer);
	judge(&a->answer, &o);
	/* Not by `written`: there are devices that count what they have not moved. */
	a->moved = a->answer.residual < a->bytes ? a->bytes - a->answer.residual : 0;
	if (a->answer.response == VIRTIO_SCSI_OK && a->answer.status == SCSI_CHECK_CONDITION &&
	    atapi_sense(a->answer.sense, a->answer.sense_bytes, &a->sense) == 0 &&
	    a->sense.key == ATAPI_UNIT_ATTENTION)
		return -EAGAIN;
	/* Those two say that the device must be reset: no answer of a unit does. */
	return o.err == -EPROTO || o.err == -ETIMEDOUT ? -EIO : o.err;
}

int
vscsi_ask(struct vscsi *s, struct vscsi_ask *a)
{
	struct virtio_drive_queue *q = &s->d.queue[0];
	int err = -EAGAIN;

	a->slot = virtio_drive_own_slot(q, 0);
	for (unsigned i = 0; err == -EAGAIN && i < VSCSI_ATTENTIONS; i++) {
		if (!virtio_drive_own_begin(q, a->slot, true))
			return -ETIMEDOUT;
		vscsi_ask_put(s, a);
		virtio_drive_own_send(q);
		err = vscsi_ask_end(s, a);
	}
	return err == -EAGAIN ? -EIO : err;
}
