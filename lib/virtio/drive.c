/*
 * Disks behind virtio; see virtio_drive.h.
 *
 * Vectors: 0 is the configuration's, each queue has one after it; where there are fewer, or none
 * but a line, one serves all.  Interrupts are never turned off: a closed queue is not reaped.
 *
 * Locks: a ring is used under the lock of its drive_queue; in the keeper's thread without, between
 * a reset and drive_ops.ready, as all queues are closed then.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "os.h"
#include "virtio_drive.h"

enum { POLL_NS = 20000, ISR_QUEUE = 1, ISR_CONFIGURATION = 2 }; /* [4.1.4.5] */

static struct virtio_drive_queue *
queue_of(struct drive_queue *q)
{
	return (struct virtio_drive_queue *)q;
}

/* --- commands -------------------------------------------------------------------------------- */

void
virtio_drive_ring(struct drive_queue *dq)
{
	struct virtio_drive_queue *q = queue_of(dq);

	if (virtq_publish(&q->vq.ring))
		virtio_ring_bell(&q->drive->v, &q->vq);
}

void
virtio_drive_reap(struct drive_queue *dq)
{
	struct virtio_drive_queue *q = queue_of(dq);
	struct virtq *ring = &q->vq.ring;
	uint32_t written;
	int slot;

	if (!ring->mem)
		return;
	do {
		while ((slot = virtq_take(ring, &written)) >= 0) {
			if (!drive_tag(dq, (unsigned)slot)) {
				q->own_written[slot] = written;
				q->own_done[slot] = true;
			} else
				q->drive->kind->ended(q, (unsigned)slot, written);
		}
		if (slot == -EPROTO)
			atomic_store(&q->lied, true);
	} while (virtq_listen(ring));
}

/* One client's commands stay together: they end together, with one interrupt. */
struct drive_queue *
virtio_drive_pick(struct drive_disk *disk, const struct blk_io *io)
{
	struct virtio_drive *d = virtio_drive_of(disk->port);
	uint64_t mixed = (uintptr_t)io->client * 0x9e3779b97f4a7c15;

	return &d->queue[(mixed >> 32) % d->nqueues].q;
}

/* --- the driver's own ------------------------------------------------------------------------ */

bool
virtio_drive_own_begin(struct virtio_drive_queue *q, unsigned slot, bool keeper)
{
	os_lock_take(&q->q.lock);
	if ((keeper || q->q.open) && !virtq_in_flight(&q->vq.ring, slot))
		return true;
	os_lock_give(&q->q.lock);
	return false;
}

void
virtio_drive_own_send(struct virtio_drive_queue *q)
{
	virtio_drive_ring(&q->q);
	os_lock_give(&q->q.lock);
}

/* An open queue is reaped by its interrupts too. */
static bool
own_over(struct virtio_drive_queue *q, unsigned slot)
{
	bool open, done;

	os_lock_take(&q->q.lock);
	open = q->q.open;
	if (!open)
		virtio_drive_reap(&q->q);
	os_lock_give(&q->q.lock);
	if (open)
		drive_poll(&q->q);
	os_lock_take(&q->q.lock);
	done = q->own_done[slot];
	q->own_done[slot] = false;
	os_lock_give(&q->q.lock);
	return done;
}

int64_t
virtio_drive_own_wait(struct virtio_drive_queue *q, unsigned slot, unsigned ms)
{
	struct sip_patience p = sip_patience(ms);

	for (;;) {
		bool lied = atomic_load(&q->lied);

		if (own_over(q, slot))
			return q->own_written[slot];
		if (lied)
			return -EPROTO;
		if (sip_patience_over(&p))
			return -ETIMEDOUT;
		os_sleep_ns(POLL_NS);
	}
}

/* --- interrupts ------------------------------------------------------------------------------ */

/* What reaping it has shown. */
static void
queue_news(struct virtio_drive_queue *q)
{
	if (atomic_load_explicit(&q->lied, memory_order_relaxed))
		drive_break(&q->drive->port);
	if (atomic_load_explicit(&q->look, memory_order_relaxed)) {
		atomic_store(&q->look, false);
		drive_change(&q->drive->port);
	}
}

static void
queue_interrupt(void *arg, uint64_t count, uint64_t ns)
{
	struct virtio_drive_queue *q = arg;

	(void)count, (void)ns;
	drive_reap(&q->q);
	queue_news(q);
}

/* told: the interrupt was for something else, or may have been. */
static void
configuration(struct virtio_drive *d, bool told)
{
	uint8_t status = virtio_get_status(&d->v);

	if (status != UINT8_MAX && status & VIRTIO_NEEDS_RESET)
		drive_break(&d->port);
	else if (!told || status == UINT8_MAX)
		drive_change(&d->port);
}

static void
configuration_interrupt(void *arg, uint64_t count, uint64_t ns)
{
	struct virtio_drive *d = arg;

	(void)count, (void)ns;
	configuration(d, d->kind->other && d->kind->other(d));
}

/* The one interrupt of a device that has no more of them. */
static void
any_interrupt(void *arg, uint64_t count, uint64_t ns)
{
	struct virtio_drive *d = arg;
	uint8_t isr = d->nvectors ? ISR_QUEUE | ISR_CONFIGURATION : virtio_isr(&d->v);

	if (isr & ISR_QUEUE) {
		for (unsigned i = 0; i < d->nqueues; i++)
			queue_interrupt(&d->queue[i], count, ns);
		if (d->kind->other)
			d->kind->other(d);
	}
	if (isr & ISR_CONFIGURATION)
		configuration(d, d->nvectors);
}

/* --- what the keeper does -------------------------------------------------------------------- */

/* Reading the ISR lets go of the line.  The queues are reaped after this. */
void
virtio_drive_look(struct drive_port *p)
{
	struct virtio_drive *d = virtio_drive_of(p);
	uint8_t isr = d->nvectors ? 0 : virtio_isr(&d->v);

	for (unsigned i = 0; i < d->nqueues; i++)
		queue_news(&d->queue[i]);
	if (d->kind->other)
		d->kind->other(d);
	if (isr & ISR_CONFIGURATION)
		configuration(d, false);
}

static unsigned
vector_of(const struct virtio_drive *d, unsigned queue)
{
	return !d->nvectors ? VIRTIO_NO_VECTOR : d->nvectors > d->nqueues ? queue + 1 : 0;
}

static int
start_queues(struct virtio_drive *d)
{
	int err = virtio_config_vector(&d->v, d->nvectors ? 0 : VIRTIO_NO_VECTOR);

	for (unsigned i = 0; err == 0 && i < d->nqueues; i++) {
		struct virtio_drive_queue *q = &d->queue[i];

		atomic_store(&q->lied, false);
		memset(q->own_done, 0, sizeof q->own_done);
		err = virtio_queue_start(&d->v, &q->vq, d->kind->first_queue + i, &q->shape,
					 vector_of(d, i));
	}
	if (err == 0 && d->kind->prepare)
		err = d->kind->prepare(d);
	return err;
}

static const uint64_t QUEUE_FEATURES = VIRTIO_F(VIRTIO_EVENT_IDX) | VIRTIO_F(VIRTIO_INDIRECT_DESC);

/*
 * Until the features are negotiated, which the configuration depends on, it is not looked at.  Once
 * the queues are planned, a device must offer again what they were planned with.
 */
static int
find_out(struct virtio_drive *d)
{
	uint8_t config[VIRTIO_DRIVE_CONFIG_MAX];
	int err = virtio_negotiate(&d->v, d->kind->features | QUEUE_FEATURES);

	if (err == 0 && d->nqueues && (d->v.features & QUEUE_FEATURES) != d->planned_with)
		err = -EPROTO;
	if (err == 0)
		err = virtio_config(&d->v, config, d->kind->config_bytes);
	if (err == 0)
		err = d->kind->configure(d, config);
	return err;
}

int
virtio_drive_bring_up(struct virtio_drive *d)
{
	int err = find_out(d);

	if (err == 0)
		err = start_queues(d);
	if (err == 0)
		err = sip_dev_busmaster(d->ctlr.dev,
					true); /* `quiet` may have had to turn it off */
	if (err == 0)
		virtio_driver_ok(&d->v);
	else if (err != -ENODEV && err != -ESTALE) {
		virtio_fail(&d->v);
		drive_tell(&d->port, "cannot be started: %s", strerror(-err));
	}
	return err;
}

bool
virtio_drive_present(struct drive_port *p)
{
	return virtio_get_status(&virtio_drive_of(p)->v) != UINT8_MAX;
}

enum drive_verdict
virtio_drive_diagnose(struct drive_port *p, struct drive_blame *b)
{
	struct virtio_drive *d = virtio_drive_of(p);

	b->whole = !b->late; /* a command's own error is its status */
	if (!b->late)
		snprintf(b->why, sizeof b->why, "the device needs a reset");
	for (unsigned i = 0; i < d->nqueues; i++)
		if (atomic_load(&d->queue[i].lied))
			snprintf(b->why, sizeof b->why, "the device ended what was not begun");
	return DRIVE_RESET;
}

void
virtio_drive_quiet(struct drive_port *p)
{
	struct virtio_drive *d = virtio_drive_of(p);
	int err = virtio_reset(&d->v);

	if (err < 0 && err != -ENODEV) /* nothing else stops it then */
		sip_dev_busmaster(d->ctlr.dev, false);
}

/* --- attach and detach ----------------------------------------------------------------------- */

static unsigned
nprocessors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned)n : 1;
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static int
plan_queues(struct virtio_drive *d)
{
	unsigned n = least(least(d->offered_queues, nprocessors()), VIRTIO_DRIVE_QUEUES);

	d->planned_with = d->v.features & QUEUE_FEATURES;
	for (d->nqueues = 0; d->nqueues < n; d->nqueues++) {
		struct virtio_drive_queue *q = &d->queue[d->nqueues];
		unsigned size = virtio_queue_size(&d->v, d->kind->first_queue + d->nqueues);
		int err;

		if (size < 2)
			break;
		q->drive = d;
		d->chain = virtq_plan(&q->shape, size, VIRTIO_DRIVE_DEPTH + VIRTIO_DRIVE_OWN,
				      d->chain, virtio_has(&d->v, VIRTIO_INDIRECT_DESC));
		q->shape.extra = (uint16_t)d->kind->extra;
		q->shape.event_idx = virtio_has(&d->v, VIRTIO_EVENT_IDX);
		if (q->shape.slots <= VIRTIO_DRIVE_OWN)
			break;
		err = drive_queue_init(&q->q, &d->port, q->shape.slots - VIRTIO_DRIVE_OWN);
		if (err < 0)
			return err;
	}
	return d->nqueues ? 0 : -ENOTSUP;
}

static int
start_interrupts(struct virtio_drive *d)
{
	struct sip_dev *dev = d->ctlr.dev;
	int irq = -EOPNOTSUPP, err = 0;

	if (dev->info.msix > d->nqueues)
		irq = sip_dev_msi(dev, d->nqueues + 1);
	if (irq < 0)
		irq = sip_dev_msi(dev, 1);
	if (irq < 0)
		return irq;
	d->nvectors = dev->info.msix ? dev->info.nvectors : 0;
	if (d->nvectors <= d->nqueues)
		return sip_irq_start(&d->irq, dev, irq, any_interrupt, d);
	err = sip_irq_start(&d->irq, dev, irq, configuration_interrupt, d);
	for (unsigned i = 0; err == 0 && i < d->nqueues; i++)
		err = sip_irq_start(&d->queue[i].irq, dev, dev->info.vectors[i + 1],
				    queue_interrupt, &d->queue[i]);
	return err;
}

static void
stop_interrupts(struct virtio_drive *d)
{
	sip_irq_stop(&d->irq);
	for (unsigned i = 0; i < d->nqueues; i++)
		sip_irq_stop(&d->queue[i].irq);
}

static void
finish(struct virtio_drive *d)
{
	struct sip_dev *dev = d->ctlr.dev;

	stop_interrupts(d);
	drive_ctlr_stop(&d->ctlr);
	if (d->v.dev)
		virtio_reset(&d->v);
	sip_dev_busmaster(dev, false);
	for (unsigned i = 0; i < d->nqueues; i++)
		virtio_queue_free(&d->v, &d->queue[i].vq);
	if (d->forget)
		d->forget(d);
	virtio_close(&d->v);
	dev->priv = NULL;
	drive_ctlr_fini(&d->ctlr);
}

static int
start(struct virtio_drive *d)
{
	int err;

	if ((err = sip_dev_forget(d->ctlr.dev)) < 0 ||
	    (err = sip_dev_busmaster(d->ctlr.dev, true)) < 0 || (err = find_out(d)) < 0 ||
	    (err = plan_queues(d)) < 0 || (err = drive_ctlr_start(&d->ctlr)) < 0 ||
	    (err = start_interrupts(d)) < 0)
		return err;
	drive_port_start(&d->port);
	return 0;
}

/*
 * Bus mastering goes on only after the reset, which ends what a driver before this one may have
 * left running [2.4.1]; `forget` says so.
 */
int
virtio_drive_attach(struct virtio_drive *d, struct sip_server *s, struct sip_dev *dev,
		    const struct virtio_drive_kind *kind, const struct drive_ops *ops,
		    void (*release)(struct drive_ctlr *c))
{
	int err;

	d->kind = kind;
	d->ctlr.free = release;
	drive_ctlr_init(&d->ctlr, s, dev);
	drive_port_init(&d->port, &d->ctlr, ops, "");
	dev->priv = d;
	if ((err = sip_dev_enable(dev)) == 0 && (err = virtio_open(&d->v, dev)) == 0 &&
	    (err = virtio_reset(&d->v)) == 0)
		err = start(d);
	if (err < 0) {
		sip_fail(s, err, "%s: cannot be driven", dev->info.addr);
		finish(d);
	}
	return err;
}

void
virtio_drive_detach(struct sip_server *s, struct sip_dev *dev)
{
	(void)s;
	finish(dev->priv);
}
