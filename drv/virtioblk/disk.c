/*
 * Requests [VIRTIO 1.2, 5.2.6] and what is told of the disk.
 *
 * A request is a header, its data, and a byte of status, in one chain; header and status lie in
 * the slot's own bytes.  The status is set to what no device answers before it is sent.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "virtioblk.h"

enum { GET_ID_MS = 5000 };

static struct vblk *
vblk_of(struct drive_port *p)
{
	return (struct vblk *)virtio_drive_of(p);
}

/* --- commands -------------------------------------------------------------------------------- */

/* No piece is longer than the device takes. */
static uint64_t
piece_max(const struct virtio_blk_limits *l)
{
	return l->size_max ? l->size_max & ~(l->secsize - 1) : UINT32_MAX & ~(VIRTIO_SECTOR - 1ull);
}

static unsigned
count_pieces(const struct blk_io *io, uint64_t max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < io->nsegs; i++)
		n += (unsigned)((io->seg[i].bytes + max - 1) / max);
	return n;
}

static void
put_pieces(struct virtq_chain *c, const struct blk_io *io, uint64_t max)
{
	for (unsigned i = 0; i < io->nsegs; i++)
		for (uint64_t at = 0; at < io->seg[i].bytes; at += max) {
			uint64_t left = io->seg[i].bytes - at;

			virtq_piece(c, io->seg[i].paddr + at, left < max ? left : max,
				    io->kind == BLK_READ);
		}
}

/* A discard may be zeros that need no room. */
static bool
is_zeroes(const struct vblk_disk *disk, const struct blk_io *io)
{
	return io->kind == BLK_ZERO || disk->zeroes;
}

/*
 * The ranges of all discards of the chain, or of what is to be zero, into the first one's buffer;
 * how many bytes.
 */
static uint64_t
put_ranges(const struct vblk_disk *disk, const struct blk_io *io)
{
	const struct virtio_blk_limits *l = &disk->limits;
	uint32_t unit = l->secsize / VIRTIO_SECTOR;
	bool zeroes = is_zeroes(disk, io);
	uint32_t max = zeroes ? l->zeroes_sectors : l->discard_sectors;
	uint8_t *out = io->data;
	uint64_t n = 0;

	for (; io; io = io->chain)
		for (uint32_t at = 0; at < io->nsectors; at += max, n++) {
			uint32_t left = io->nsectors - at;

			virtio_blk_range(out + n * VIRTIO_BLK_RANGE_SIZE, (io->sector + at) * unit,
					 (left < max ? left : max) * unit,
					 zeroes && l->zeroes_unmap ? VIRTIO_BLK_RANGE_UNMAP : 0);
		}
	return n * VIRTIO_BLK_RANGE_SIZE;
}

static enum virtio_blk_type
type_of(const struct vblk_disk *disk, const struct blk_io *io)
{
	switch (io->kind) {
	case BLK_READ: return VIRTIO_BLK_T_IN;
	case BLK_WRITE: return VIRTIO_BLK_T_OUT;
	case BLK_FLUSH: return VIRTIO_BLK_T_FLUSH;
	default: return is_zeroes(disk, io) ? VIRTIO_BLK_T_WRITE_ZEROES : VIRTIO_BLK_T_DISCARD;
	}
}

static void
begin(struct virtq *ring, unsigned slot, unsigned pieces, struct virtq_chain *c)
{
	uint8_t *extra = virtq_extra(ring, slot);

	extra[VBLK_STATUS] = VIRTIO_BLK_S_NONE;
	virtq_begin(ring, slot, pieces + 2, c);
	virtq_piece(c, virtq_extra_at(ring, slot) + VBLK_HEADER, VIRTIO_BLK_HEADER_SIZE, false);
}

static void
end(struct virtq *ring, unsigned slot, struct virtq_chain *c)
{
	virtq_piece(c, virtq_extra_at(ring, slot) + VBLK_STATUS, 1, true);
	virtq_end(c);
}

int
vblk_build(struct drive_queue *dq, struct blk_io *io, unsigned tag)
{
	struct virtq *ring = &((struct virtio_drive_queue *)dq)->vq.ring;
	const struct vblk_disk *disk = ((struct drive_disk *)io->drive)->priv;
	const struct virtio_blk_limits *l = &disk->limits;
	uint64_t max = piece_max(l);
	struct virtq_chain c;

	if (io->kind > BLK_ZERO)
		return -EOPNOTSUPP;
	if (io->sector > l->nsectors || io->nsectors > l->nsectors - io->sector)
		return -EINVAL;
	virtio_blk_header(virtq_extra(ring, tag), type_of(disk, io),
			  io->kind < BLK_FLUSH ? io->sector * (l->secsize / VIRTIO_SECTOR) : 0);
	if (io->kind >= BLK_DISCARD) {
		uint64_t bytes = put_ranges(disk, io);

		begin(ring, tag, 1, &c);
		virtq_piece(&c, io->seg->paddr, bytes, false);
	} else {
		begin(ring, tag, count_pieces(io, max), &c);
		put_pieces(&c, io, max);
	}
	end(ring, tag, &c);
	return 0;
}

static void
ended(struct virtio_drive_queue *q, unsigned tag, uint32_t written)
{
	const uint8_t *extra = virtq_extra(&q->vq.ring, tag);
	uint8_t status = __atomic_load_n(&extra[VBLK_STATUS], __ATOMIC_RELAXED);
	const struct blk_io *io = drive_tag(&q->q, tag);
	int err = virtio_blk_errno(status);
	char why[BLK_WHY_MAX];

	if (!io)
		return;
	if (err == 0 && io->kind == BLK_READ) {
		const struct vblk_disk *disk = ((struct drive_disk *)io->drive)->priv;

		/* What it did not write is what somebody else has left there. */
		if (written != (uint64_t)io->nsectors * disk->limits.secsize + 1)
			err = -EPROTO;
	}
	if (err == 0) {
		drive_end(&q->q, tag);
		return;
	}
	snprintf(why, sizeof why, "status %u, %u bytes", status, written);
	drive_fail(&q->q, tag, err, err == -EIO ? DRIVE_AGAIN : DRIVE_FINAL, why);
}

/* --- the disk -------------------------------------------------------------------------------- */

/* What a disk that is shown depends on. */
static bool
is_same(const struct virtio_blk_limits *a, const struct virtio_blk_limits *b)
{
	return a->nsectors == b->nsectors && a->secsize == b->secsize &&
	       a->size_max == b->size_max && a->seg_max == b->seg_max &&
	       a->discard_sectors == b->discard_sectors && a->discard_ranges == b->discard_ranges &&
	       a->zeroes_sectors == b->zeroes_sectors && a->flush == b->flush &&
	       a->readonly == b->readonly;
}

/* Data pieces of a command are cut to size_max, so half of what there is must do for the cuts. */
static int
configure(struct virtio_drive *d, const uint8_t *config)
{
	struct vblk *b = (struct vblk *)d;
	struct virtio_blk_limits *l = &b->limits;
	const struct drive_disk *disk = d->port.disks;
	int err = virtio_blk_decode(config, d->v.features, l);

	if (err == 0 && l->size_max && l->size_max < l->secsize)
		err = -ENOTSUP;
	if (err < 0)
		return err;
	d->offered_queues = l->nqueues;
	if (!d->nqueues) {
		d->chain = l->seg_max && l->seg_max < VBLK_DATA_PIECES ? l->seg_max
								       : VBLK_DATA_PIECES;
		d->chain += 2;
	}
	if (disk) {
		const struct vblk_disk *shown = disk->priv;

		return is_same(&shown->limits, l) ? 0 : -ESTALE;
	}
	return 0;
}

static int
get_id(struct vblk *b, char serial[VIRTIO_BLK_ID_SIZE + 1])
{
	struct virtio_drive_queue *q = &b->d.queue[0];
	struct virtq *ring = &q->vq.ring;
	unsigned slot = virtio_drive_own_slot(q, 0);
	uint8_t *extra = virtq_extra(ring, slot);
	struct virtq_chain c;
	int64_t n;

	if (!virtio_drive_own_begin(q, slot, true))
		return -EBUSY;
	virtio_blk_header(extra, VIRTIO_BLK_T_GET_ID, 0);
	begin(ring, slot, 1, &c);
	virtq_piece(&c, virtq_extra_at(ring, slot) + VBLK_ID, VIRTIO_BLK_ID_SIZE, true);
	end(ring, slot, &c);
	virtio_drive_own_send(q);
	n = virtio_drive_own_wait(q, slot, GET_ID_MS);
	memset(serial, 0, VIRTIO_BLK_ID_SIZE + 1);
	if (n < 0)
		return (int)n;
	if (extra[VBLK_STATUS] != VIRTIO_BLK_S_OK) /* it need not have one [5.2.6.1] */
		return 0;
	memcpy(serial, extra + VBLK_ID, VIRTIO_BLK_ID_SIZE);
	for (char *p = serial; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '_';
	return 0;
}

static void
put_features(const struct virtio_drive *d, struct blk_info *info)
{
	const struct drive_feature list[] = {
		{ virtio_has(&d->v, VIRTIO_BLK_FLUSH), "flush" },
		{ virtio_has(&d->v, VIRTIO_BLK_DISCARD), "discard" },
		{ virtio_has(&d->v, VIRTIO_BLK_WRITE_ZEROES), "write-zeroes" },
		{ virtio_has(&d->v, VIRTIO_BLK_MQ), "multi-queue" },
		{ virtio_has(&d->v, VIRTIO_BLK_CONFIG_WCE), "cache-mode" },
		{ virtio_has(&d->v, VIRTIO_BLK_RO), "read-only" },
		{ virtio_has(&d->v, VIRTIO_EVENT_IDX), "event-idx" },
		{ virtio_has(&d->v, VIRTIO_INDIRECT_DESC), "indirect" },
	};

	drive_features(list, sizeof list / sizeof list[0], info);
}

static void
set_transfers(const struct virtio_drive *d, const struct virtio_blk_limits *l,
	      struct blk_info *info)
{
	unsigned pieces = d->chain - 2;
	uint64_t most = BLK_IO_MAX + BLK_BUF_SLACK;

	info->max_segs = pieces;
	if (l->size_max && l->size_max < most) { /* half of the pieces for cuts */
		unsigned cuts = pieces / 2 ? pieces / 2 : 1;

		info->max_segs = pieces - cuts ? pieces - cuts : 1;
		if (most > cuts * piece_max(l))
			most = cuts * piece_max(l);
	}
	info->max_sectors = (uint32_t)(most / l->secsize);
}

static struct drive_disk *
make_disk(struct vblk *b, const char *serial)
{
	struct drive_disk *disk = drive_disk_new(&b->d.port, sizeof(struct vblk_disk));
	const struct virtio_blk_limits *l = &b->limits;
	struct vblk_disk *priv;
	struct blk_info *info;

	if (!disk)
		return NULL;
	priv = disk->priv;
	info = &disk->info;
	priv->limits = *l;
	priv->zeroes = !l->discard_sectors && l->zeroes_sectors && l->zeroes_unmap;
	snprintf(info->name, sizeof info->name, "sdV%u", b->d.ctlr.number);
	snprintf(info->model, sizeof info->model, "virtio block device");
	snprintf(info->serial, sizeof info->serial, "%s", serial);
	put_features(&b->d, info);
	info->nsectors = l->nsectors;
	info->secsize = l->secsize;
	info->physsecsize = l->physsecsize;
	info->queue_depth = b->d.queue[0].q.depth * b->d.nqueues;
	info->cylinders = l->cylinders;
	info->heads = l->heads;
	info->sectors_per_track = l->sectors_per_track;
	info->readonly = l->readonly;
	info->direct = true;
	set_transfers(&b->d, l, info);
	disk->flushes = l->flush;
	disk->range_sectors = priv->zeroes ? l->zeroes_sectors : l->discard_sectors;
	disk->trims = disk->range_sectors;
	if (!priv->zeroes)
		disk->ranges = l->discard_ranges < VBLK_MAX_RANGES ? l->discard_ranges
								   : VBLK_MAX_RANGES;
	info->discard_sectors = disk->range_sectors;
	disk->zeroes = l->zeroes_sectors;
	info->zero_sectors = l->zeroes_sectors;
	return disk;
}

static int
probe(struct drive_port *p)
{
	struct vblk *b = vblk_of(p);
	char serial[VIRTIO_BLK_ID_SIZE + 1];
	int err = virtio_drive_bring_up(&b->d);

	if (err == 0)
		err = get_id(b, serial);
	if (err == 0 && !make_disk(b, serial))
		err = -ENOMEM;
	if (err < 0)
		virtio_drive_quiet(p);
	return err;
}

static int
restart(struct drive_port *p, unsigned attempt)
{
	(void)attempt;
	return virtio_drive_bring_up(virtio_drive_of(p));
}

/* The configuration: its size, as all else that can change [5.2.5.2] comes with a reset. */
static void
changed(struct drive_port *p)
{
	struct vblk *b = vblk_of(p);
	uint8_t config[VIRTIO_BLK_CONFIG_SIZE];
	struct drive_disk *disk = p->disks;
	char serial[sizeof disk->info.serial];
	int err = virtio_config(&b->d.v, config, sizeof config);

	if (err == 0)
		err = configure(&b->d, config);
	if (err == 0)
		return;
	if (err != -ESTALE) {
		drive_tell(p, "its configuration cannot be: %s", strerror(-err));
		drive_break(p);
		return;
	}
	snprintf(serial, sizeof serial, "%s", disk->info.serial);
	drive_tell(p, "%s has %llu sectors now", disk->info.name,
		   (unsigned long long)b->limits.nsectors);
	drive_disk_drop(disk, "the size of the disk has changed");
	disk = make_disk(b, serial);
	if (disk)
		drive_disk_show(disk);
}

static size_t
describe(struct drive_disk *d, char *buf, size_t n)
{
	const struct virtio_drive *v = virtio_drive_of(d->port);
	const struct vblk_disk *disk = d->priv;
	int len = snprintf(
		buf, n, "queues %u\nvectors %u\nwrite-cache %s\nsegments %u\nsmart none\n",
		v->nqueues, v->nvectors, disk->limits.writeback ? "on" : "off", v->chain - 2);

	return blk_printed(len, n);
}

static const struct drive_ops ops = {
	.build = vblk_build,
	.ring = virtio_drive_ring,
	.reap = virtio_drive_reap,
	.look = virtio_drive_look,
	.probe = probe,
	.present = virtio_drive_present,
	.changed = changed,
	.diagnose = virtio_drive_diagnose,
	.restart = restart,
	.quiet = virtio_drive_quiet,
	.pick = virtio_drive_pick,
	.describe = describe,
};

static const struct virtio_drive_kind kind = {
	.features = VIRTIO_F(VIRTIO_BLK_SIZE_MAX) | VIRTIO_F(VIRTIO_BLK_SEG_MAX) |
		    VIRTIO_F(VIRTIO_BLK_GEOMETRY) | VIRTIO_F(VIRTIO_BLK_RO) |
		    VIRTIO_F(VIRTIO_BLK_BLK_SIZE) | VIRTIO_F(VIRTIO_BLK_FLUSH) |
		    VIRTIO_F(VIRTIO_BLK_TOPOLOGY) | VIRTIO_F(VIRTIO_BLK_CONFIG_WCE) |
		    VIRTIO_F(VIRTIO_BLK_MQ) | VIRTIO_F(VIRTIO_BLK_DISCARD) |
		    VIRTIO_F(VIRTIO_BLK_WRITE_ZEROES),
	.extra = VBLK_EXTRA,
	.config_bytes = VIRTIO_BLK_CONFIG_SIZE,
	.configure = configure,
	.ended = ended,
};

static void
release(struct drive_ctlr *c)
{
	free(c);
}

static int
attach(struct sip_server *s, struct sip_dev *d)
{
	struct vblk *b = calloc(1, sizeof *b);

	return b ? virtio_drive_attach(&b->d, s, d, &kind, &ops, release) : -ENOMEM;
}

static const struct sip_pci_match match[] = {
	{ .vendor = VIRTIO_VENDOR, .device = 0x1042 },
	{ .vendor = VIRTIO_VENDOR, .device = 0x1001 }, /* transitional, as a modern one */
	{ 0 },
};

const struct sip_driver_ops vblk_driver_ops = {
	.match = match,
	.attach = attach,
	.detach = virtio_drive_detach,
};
