/*
 * Disks behind virtio: what virtio-blk and virtio-scsi have in common between lib/drive and
 * lib/virtio.  A device is a drive_ctlr with one port; its request queues are the port's, and a tag
 * is a slot of the virtqueue.  Two more slots of each are the driver's own, for what it asks the
 * device by itself.
 *
 * A driver embeds virtio_drive first in its structure, fills in a virtio_drive_kind, and takes the
 * functions below into its drive_ops.
 */
#pragma once
#include "drive.h"
#include "virtio.h"

enum {
	VIRTIO_DRIVE_QUEUES = 8,
	VIRTIO_DRIVE_DEPTH = 64, /* of each queue */
	VIRTIO_DRIVE_OWN = 2,    /* slots */
};

struct virtio_drive;
struct virtio_drive_queue;

struct virtio_drive_kind {
	uint64_t features;    /* that are wanted, beside the transport's */
	unsigned first_queue; /* those before it are the driver's business */
	unsigned extra;       /* bytes of a slot for the driver */
	size_t config_bytes;  /* at most VIRTIO_DRIVE_CONFIG_MAX */
	/*
	 * What the configuration says; in attach, and after each reset.  Sets the two below; also
	 * what lies in it otherwise.  A negative errno: it cannot be driven; -ESTALE: another disk.
	 */
	int (*configure)(struct virtio_drive *d, const uint8_t *config);
	/* Starts the queues before first_queue, before DRIVER_OK.  May be NULL. */
	int (*prepare)(struct virtio_drive *d);
	/* With the queue's lock: a tag has ended, so many bytes were written. */
	void (*ended)(struct virtio_drive_queue *q, unsigned tag, uint32_t written);
	/*
	 * Has something happened in the queues before first_queue?  Called for interrupts of the
	 * configuration, or of all if there is but one.  May be NULL.
	 */
	bool (*other)(struct virtio_drive *d);
};

enum { VIRTIO_DRIVE_CONFIG_MAX = 64 };

struct virtio_drive_queue {
	struct drive_queue q; /* first */
	struct virtio_queue vq;
	struct virtq_shape shape;
	struct virtio_drive *drive;
	struct sip_irq irq;
	atomic_bool lied; /* the device, in this queue */
	atomic_bool look; /* set in kind->ended: the keeper shall see what has changed */
	/* Of requests of the driver's own, under q.lock. */
	bool own_done[VIRTQ_MAX_SLOTS];
	uint32_t own_written[VIRTQ_MAX_SLOTS];
};

struct virtio_drive {
	struct drive_ctlr ctlr; /* first */
	struct drive_port port;
	const struct virtio_drive_kind *kind;
	/* Optional: gives back the driver's own DMA memory; the device reaches none any more. */
	void (*forget)(struct virtio_drive *d);
	struct virtio_device v;
	/* Set by kind->configure: request queues that it has; pieces of memory of a command. */
	unsigned offered_queues, chain;

	struct virtio_drive_queue queue[VIRTIO_DRIVE_QUEUES];
	unsigned nqueues, nvectors; /* nvectors: 0 without MSI-X */
	uint64_t planned_with;      /* features that the queues depend on */
	struct sip_irq irq;         /* the configuration's, or all */
};

/*
 * attach of sip_driver_ops, for a zeroed structure of the driver: the device is reset and found
 * out, has its vectors and threads, and the keeper will `probe` it.  On an error it is freed by
 * `release`.
 */
int virtio_drive_attach(struct virtio_drive *d, struct sip_server *s, struct sip_dev *dev,
			const struct virtio_drive_kind *kind, const struct drive_ops *ops,
			void (*release)(struct drive_ctlr *c));
void virtio_drive_detach(struct sip_server *s, struct sip_dev *dev);

/* In `probe` and `restart`: from a reset to DRIVER_OK.  Negative errnos; what is wrong was told. */
int virtio_drive_bring_up(struct virtio_drive *d);

/* For drive_ops. */
void virtio_drive_ring(struct drive_queue *q);
void virtio_drive_reap(struct drive_queue *q);
void virtio_drive_look(struct drive_port *p);
bool virtio_drive_present(struct drive_port *p);
enum drive_verdict virtio_drive_diagnose(struct drive_port *p, struct drive_blame *b);
void virtio_drive_quiet(struct drive_port *p);
struct drive_queue *virtio_drive_pick(struct drive_disk *d, const struct blk_io *io);

static inline struct virtio_drive *
virtio_drive_of(struct drive_port *p)
{
	return (struct virtio_drive *)p->ctlr;
}

/*
 * Requests of the driver's own: begin (which takes the queue's lock), then for each virtq_begin up
 * to virtq_end, and send; then wait for each.  Slots: the last VIRTIO_DRIVE_OWN, the first of them
 * is the keeper's; in the keeper's thread, while the port is not READY, all.  begin: false, without
 * the lock, if the slot is still in flight, or the port not READY and the caller not the keeper.
 */
bool virtio_drive_own_begin(struct virtio_drive_queue *q, unsigned slot, bool keeper);
void virtio_drive_own_send(struct virtio_drive_queue *q);
/* The number of bytes written; -ETIMEDOUT or -EPROTO: the device must be reset before the next. */
int64_t virtio_drive_own_wait(struct virtio_drive_queue *q, unsigned slot, unsigned ms);
static inline unsigned
virtio_drive_own_slot(const struct virtio_drive_queue *q, unsigned i)
{
	return q->q.ntags + i;
}
