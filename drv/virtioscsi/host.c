/*
 * The device: what its configuration says, the control queue, which only the keeper uses, and the
 * event queue, by which it tells of units that come, go and change [VIRTIO 1.2, 5.6].
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "virtioscsi.h"

enum { CONTROL_EXTRA = 64 };

/* --- news ------------------------------------------------------------------------------------ */

void
vscsi_news(struct vscsi *s, uint8_t target)
{
	pthread_mutex_lock(&s->news_lock);
	s->news[target / 64] |= 1ull << target % 64;
	s->told = true;
	pthread_mutex_unlock(&s->news_lock);
}

void
vscsi_news_all(struct vscsi *s)
{
	pthread_mutex_lock(&s->news_lock);
	s->all = s->told = true;
	pthread_mutex_unlock(&s->news_lock);
}

/* The slot's buffer is the device's again; with news_lock. */
static void
post(struct vscsi *s, unsigned slot)
{
	struct virtq *ring = &s->events.ring;
	struct virtq_chain c;

	memset(virtq_extra(ring, slot), 0, VIRTIO_SCSI_EVENT_SIZE);
	virtq_begin(ring, slot, 1, &c);
	virtq_piece(&c, virtq_extra_at(ring, slot), VIRTIO_SCSI_EVENT_SIZE, true);
	virtq_end(&c);
}

static void
publish(struct vscsi *s)
{
	if (virtq_publish(&s->events.ring))
		virtio_ring_bell(&s->d.v, &s->events);
}

/* With news_lock. */
static bool
take(struct vscsi *s)
{
	struct virtq *ring = &s->events.ring;
	struct virtio_scsi_event e;
	uint32_t written;
	bool any = false;
	int slot;

	while ((slot = virtq_take(ring, &written)) >= 0) {
		virtio_scsi_event(virtq_extra(ring, (unsigned)slot), &e);
		post(s, (unsigned)slot);
		any = true;
		if (e.missed)
			s->all = true;
		if (e.kind != VIRTIO_SCSI_EVENT_NONE)
			s->news[e.at.target / 64] |= 1ull << e.at.target % 64;
		s->told |= e.missed || e.kind != VIRTIO_SCSI_EVENT_NONE;
	}
	return any;
}

static bool
events(struct virtio_drive *d)
{
	struct vscsi *s = (struct vscsi *)d;
	bool any = false, told;

	pthread_mutex_lock(&s->news_lock);
	while (s->live) {
		any |= take(s);
		publish(s);
		if (!virtq_listen(&s->events.ring))
			break;
	}
	told = s->told;
	pthread_mutex_unlock(&s->news_lock);
	if (any && told)
		drive_change(&d->port);
	return any;
}

/* --- the device ------------------------------------------------------------------------------ */

static int
configure(struct virtio_drive *d, const uint8_t *config)
{
	struct vscsi *s = (struct vscsi *)d;
	struct virtio_scsi_limits *l = &s->limits;
	int err = virtio_scsi_decode(config, l);

	if (err < 0)
		return err;
	d->offered_queues = l->nqueues;
	if (!d->nqueues)
		d->chain = (l->seg_max < VSCSI_DATA_PIECES ? l->seg_max : VSCSI_DATA_PIECES) + 2;
	return 0;
}

/* Before DRIVER_OK; the event queue's interrupts are those of the configuration. */
static int
prepare(struct virtio_drive *d)
{
	struct vscsi *s = (struct vscsi *)d;
	struct virtq_shape shape = { 0 };
	unsigned size = virtio_queue_size(&d->v, VIRTIO_SCSI_CONTROL_QUEUE);
	int err;

	if (size < 2)
		return -ENOTSUP;
	virtq_plan(&shape, size, 1, 2, false);
	shape.extra = CONTROL_EXTRA;
	shape.event_idx = virtio_has(&d->v, VIRTIO_EVENT_IDX);
	err = virtio_queue_start(&d->v, &s->control, VIRTIO_SCSI_CONTROL_QUEUE, &shape,
				 VIRTIO_NO_VECTOR);
	size = virtio_queue_size(&d->v, VIRTIO_SCSI_EVENT_QUEUE);
	if (err < 0 || !size)
		return err < 0 ? err : -ENOTSUP;
	virtq_plan(&shape, size, VSCSI_EVENTS, 1, false);
	shape.extra = VIRTIO_SCSI_EVENT_SIZE;
	return virtio_queue_start(&d->v, &s->events, VIRTIO_SCSI_EVENT_QUEUE, &shape,
				  d->nvectors ? 0 : VIRTIO_NO_VECTOR);
}

static void
set_live(struct vscsi *s, bool live)
{
	pthread_mutex_lock(&s->news_lock);
	s->live = live;
	if (live) {
		for (unsigned i = 0; i < s->events.ring.shape.slots; i++)
			post(s, i);
		publish(s);
	}
	pthread_mutex_unlock(&s->news_lock);
}

static int
bring_up(struct vscsi *s)
{
	int err;

	set_live(s, false);
	err = virtio_drive_bring_up(&s->d);
	if (err == 0)
		set_live(s, true);
	return err;
}

static void
quiet(struct drive_port *p)
{
	set_live(vscsi_of(p), false);
	virtio_drive_quiet(p);
}

static int
make_scratch(struct vscsi *s)
{
	unsigned nslots = virtio_drive_own_slot(&s->d.queue[0], VIRTIO_DRIVE_OWN);

	if (s->scratch.vaddr)
		return 0;
	return drive_dma_alloc(&s->d.ctlr, (size_t)nslots * VSCSI_ASK_BYTES, 4096, &s->scratch);
}

/* A unit may say how many commands it takes; the queues share them. */
static void
set_depth(struct vscsi *s)
{
	unsigned each = s->limits.cmd_per_lun / s->d.nqueues;

	for (unsigned i = 0; s->limits.cmd_per_lun && i < s->d.nqueues; i++) {
		struct drive_queue *q = &s->d.queue[i].q;

		q->depth = each < 1 ? 1 : each < q->ntags ? each : q->ntags;
	}
}

static int
probe(struct drive_port *p)
{
	struct vscsi *s = vscsi_of(p);
	int err = make_scratch(s);

	set_depth(s);
	if (err == 0)
		err = bring_up(s);
	if (err == 0)
		err = vscsi_find_all(s);
	if (err < 0)
		quiet(p);
	return err;
}

/* Who is there may have changed meanwhile: that is found out when commands run again. */
static int
restart(struct drive_port *p, unsigned attempt)
{
	struct vscsi *s = vscsi_of(p);
	int err = bring_up(s);

	(void)attempt;
	if (err == 0) {
		pthread_mutex_lock(&p->lock);
		for (struct drive_disk *d = p->disks; d; d = d->next)
			atomic_store(&((struct vscsi_unit *)d->priv)->was_reset, true);
		pthread_mutex_unlock(&p->lock);
		vscsi_news_all(s);
		drive_change(p);
	}
	return err;
}

static const struct drive_ops ops = {
	.build = vscsi_build,
	.ring = virtio_drive_ring,
	.reap = virtio_drive_reap,
	.look = virtio_drive_look,
	.probe = probe,
	.present = virtio_drive_present,
	.changed = vscsi_changed,
	.diagnose = vscsi_diagnose,
	.restart = restart,
	.quiet = quiet,
	.pick = virtio_drive_pick,
	.command = vscsi_command,
	.packet = vscsi_packet,
	.describe = vscsi_describe,
};

static const struct virtio_drive_kind kind = {
	.features = VIRTIO_F(VIRTIO_SCSI_HOTPLUG) | VIRTIO_F(VIRTIO_SCSI_CHANGE),
	.first_queue = VIRTIO_SCSI_FIRST_QUEUE,
	.extra = VSCSI_EXTRA,
	.config_bytes = VIRTIO_SCSI_CONFIG_SIZE,
	.configure = configure,
	.prepare = prepare,
	.ended = vscsi_ended,
	.other = events,
};

static void
release(struct drive_ctlr *c)
{
	struct vscsi *s = (struct vscsi *)c;

	pthread_mutex_destroy(&s->news_lock);
	free(s);
}

/* The device reaches no memory any more, and its queues have no thread. */
static void
free_memory(struct virtio_drive *d)
{
	struct vscsi *s = (struct vscsi *)d;

	virtio_queue_free(&d->v, &s->control);
	virtio_queue_free(&d->v, &s->events);
	sip_dma_free(d->ctlr.dev, &s->scratch);
}

static int
attach(struct sip_server *server, struct sip_dev *d)
{
	struct vscsi *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->news_lock, NULL);
	s->d.forget = free_memory;
	return virtio_drive_attach(&s->d, server, d, &kind, &ops, release);
}

static const struct sip_pci_match match[] = {
	{ .vendor = VIRTIO_VENDOR, .device = 0x1048 },
	{ .vendor = VIRTIO_VENDOR, .device = 0x1004 }, /* transitional, as a modern one */
	{ 0 },
};

const struct sip_driver_ops vscsi_driver_ops = {
	.match = match,
	.attach = attach,
	.detach = virtio_drive_detach,
};
