/*
 * Commands that are over their time [VIRTIO 1.2, 5.6.6.2]: each is aborted; if that does not help,
 * its unit is reset; if that does not, the device is.  Only then do others notice.
 *
 * In the keeper's thread, while all queues are closed: what has been aborted is taken from its
 * queue here, and vscsi_ended gives it back to lib/drive, which tries it again.
 */
#include <errno.h>
#include <stdio.h>
#include "os.h"
#include "virtioscsi.h"

enum { POLL_NS = 50000, ANSWER_AT = 32 }; /* in the control queue's slot */

/* 0: the device says that it is done. */
static int
manage(struct vscsi *s, enum virtio_scsi_task task, struct virtio_scsi_address at, uint64_t id)
{
	struct sip_patience p = sip_patience(VSCSI_TASK_MS);
	struct virtq *ring = &s->control.ring;
	uint8_t *extra = virtq_extra(ring, 0);
	struct virtq_chain c;
	uint32_t written;
	uint8_t answer;
	int slot;

	if (virtq_in_flight(ring, 0))
		return -EBUSY;
	virtio_scsi_task(extra, task, at, id);
	extra[ANSWER_AT] = VIRTIO_SCSI_NONE;
	virtq_begin(ring, 0, 2, &c);
	virtq_piece(&c, virtq_extra_at(ring, 0), VIRTIO_SCSI_TASK_SIZE, false);
	virtq_piece(&c, virtq_extra_at(ring, 0) + ANSWER_AT, VIRTIO_SCSI_TASK_ANSWER_SIZE, true);
	virtq_end(&c);
	if (virtq_publish(ring))
		virtio_ring_bell(&s->d.v, &s->control);
	while ((slot = virtq_take(ring, &written)) == -EAGAIN) {
		if (sip_patience_over(&p))
			return -ETIMEDOUT;
		os_sleep_ns(POLL_NS);
	}
	if (slot < 0)
		return slot;
	answer = extra[ANSWER_AT];
	if (answer != VIRTIO_SCSI_OK && answer != VIRTIO_SCSI_FUNCTION_SUCCEEDED)
		return -EIO;
	return 0;
}

static const struct blk_io *
overdue(struct virtio_drive_queue *q, unsigned tag, struct virtio_scsi_address *at)
{
	const struct blk_io *io;

	os_lock_take(&q->q.lock);
	io = drive_tag(&q->q, tag);
	if (io && io->deadline >= atomic_load(&q->drive->ctlr.now_ms))
		io = NULL;
	if (io)
		*at = ((const struct vscsi_unit *)((struct drive_disk *)io->drive)->priv)->at;
	os_lock_give(&q->q.lock);
	return io;
}

static bool
ends(struct virtio_drive_queue *q, unsigned tag, const struct blk_io *io)
{
	struct sip_patience p = sip_patience(VSCSI_TASK_MS);
	bool over;

	for (;;) {
		os_lock_take(&q->q.lock);
		virtio_drive_reap(&q->q);
		over = drive_tag(&q->q, tag) != io;
		os_lock_give(&q->q.lock);
		if (over || sip_patience_over(&p))
			return over;
		os_sleep_ns(POLL_NS);
	}
}

static bool
abort_it(struct vscsi *s, struct virtio_drive_queue *q, unsigned tag, const struct blk_io *io,
	 struct virtio_scsi_address at)
{
	if (manage(s, VIRTIO_SCSI_ABORT_TASK, at, vscsi_id(q, tag)) == 0 && ends(q, tag, io)) {
		drive_tell(&s->d.port, "target %u unit %u: a command was aborted", at.target,
			   at.lun);
		return true;
	}
	if (manage(s, VIRTIO_SCSI_LUN_RESET, at, 0) == 0 && ends(q, tag, io)) {
		drive_tell(&s->d.port, "target %u unit %u: was reset", at.target, at.lun);
		return true;
	}
	return false;
}

enum drive_verdict
vscsi_diagnose(struct drive_port *p, struct drive_blame *b)
{
	struct vscsi *s = vscsi_of(p);
	struct virtio_scsi_address at;

	if (!b->late)
		return virtio_drive_diagnose(p, b);
	for (unsigned i = 0; i < s->d.nqueues; i++) {
		struct virtio_drive_queue *q = &s->d.queue[i];

		for (unsigned tag = 0; tag < q->q.depth; tag++) {
			const struct blk_io *io = overdue(q, tag, &at);

			if (io && !abort_it(s, q, tag, io, at))
				return DRIVE_RESET;
		}
	}
	b->queue = NULL; /* vscsi_ended has told who it was */
	return DRIVE_CONTINUE;
}
