/*
 * Who is there, and what it is: REPORT LUNS to each target, then to each unit INQUIRY, READ
 * CAPACITY and the pages of vital product data that it has.  In the keeper's thread.
 *
 * All that units answer may be nonsense, and all that they need not answer may be an error: then
 * they have no serial number, or no discard.  Only a device that does not answer is an error.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "virtioscsi.h"

enum { INQUIRY_BYTES = 96, VPD_BYTES = 252, MODE_BYTES = 64 };

struct facts {
	struct scsi_inquiry inquiry;
	struct scsi_capacity capacity;
	struct scsi_limits limits;
	struct scsi_mode mode;
	char serial[24];
	uint64_t wwn;
	struct scsi_provisioning provisioning;
	bool has_mode;
};

/* After these the device must be reset; others are a unit's own. */
static bool
fatal(int err)
{
	return err == -ETIMEDOUT || err == -EPROTO;
}

/* --- one unit -------------------------------------------------------------------------------- */

static int
ask_page(struct vscsi *s, struct vscsi_ask *a, int vpd, uint16_t bytes)
{
	a->cdb_bytes = scsi_cmd_inquiry(a->cdb, vpd, bytes);
	a->bytes = bytes;
	return vscsi_ask(s, a);
}

static int
ask_capacity(struct vscsi *s, struct vscsi_ask *a, struct scsi_capacity *out)
{
	int err;

	a->cdb_bytes = scsi_cmd_capacity_16(a->cdb);
	a->bytes = SCSI_CAPACITY_16;
	err = vscsi_ask(s, a);
	if (err == 0)
		return scsi_capacity_16(a->data, a->moved, out) < 0 ? -ENOTSUP : 0;
	if (fatal(err))
		return err;
	a->cdb_bytes = scsi_cmd_capacity_10(a->cdb);
	a->bytes = SCSI_CAPACITY_10;
	err = vscsi_ask(s, a);
	if (err == 0 && (scsi_capacity_10(a->data, a->moved, out) < 0 || !out->nsectors))
		err = -ENOTSUP;
	return err;
}

static int
ask_pages(struct vscsi *s, struct vscsi_ask *a, struct facts *f)
{
	static const uint8_t wanted[] = { SCSI_VPD_SERIAL, SCSI_VPD_ID, SCSI_VPD_LIMITS,
					  SCSI_VPD_PROVISIONING };
	bool has[sizeof wanted];
	int err = ask_page(s, a, SCSI_VPD_PAGES, VPD_BYTES);

	if (err < 0)
		return fatal(err) ? err : 0;
	for (size_t i = 0; i < sizeof wanted; i++)
		has[i] = scsi_vpd_has(a->data, a->moved, wanted[i]);
	for (size_t i = 0; i < sizeof wanted; i++) {
		err = has[i] ? ask_page(s, a, wanted[i], VPD_BYTES) : -ENOENT;
		if (fatal(err))
			return err;
		if (err < 0)
			continue;
		switch (wanted[i]) {
		case SCSI_VPD_SERIAL:
			scsi_vpd_serial(a->data, a->moved, f->serial, sizeof f->serial);
			break;
		case SCSI_VPD_ID: scsi_vpd_id(a->data, a->moved, &f->wwn); break;
		case SCSI_VPD_LIMITS: scsi_vpd_limits(a->data, a->moved, &f->limits); break;
		default: scsi_vpd_provisioning(a->data, a->moved, &f->provisioning); break;
		}
	}
	return 0;
}

static int
ask_mode(struct vscsi *s, struct vscsi_ask *a, struct facts *f)
{
	int err;

	a->cdb_bytes = scsi_cmd_mode_sense(a->cdb, SCSI_MODE_CACHING, MODE_BYTES);
	a->bytes = MODE_BYTES;
	err = vscsi_ask(s, a);
	f->has_mode = err == 0 && scsi_mode(a->data, a->moved, &f->mode) == 0;
	return fatal(err) ? err : 0;
}

/* -ENODEV: no unit; -ENXIO: neither disk nor optical drive. */
static int
find_out(struct vscsi *s, struct virtio_scsi_address at, struct facts *f)
{
	struct vscsi_ask a = { .at = at };
	int err;

	memset(f, 0, sizeof *f);
	err = ask_page(s, &a, SCSI_VPD_NONE, INQUIRY_BYTES);
	if (err == 0 && scsi_inquiry(a.data, a.moved, &f->inquiry) < 0)
		err = -EIO;
	if (err < 0)
		return err;
	if (!f->inquiry.there)
		return -ENODEV;
	if (f->inquiry.type == SCSI_TYPE_CD) /* the rest is lib/atapi's */
		return ask_pages(s, &a, f);
	if (f->inquiry.type != SCSI_TYPE_DISK)
		return -ENXIO;
	a.cdb_bytes = scsi_cmd_test_ready(a.cdb);
	a.bytes = 0;
	if ((err = vscsi_ask(s, &a)) < 0 || (err = ask_capacity(s, &a, &f->capacity)) < 0 ||
	    (err = ask_pages(s, &a, f)) < 0)
		return err;
	return ask_mode(s, &a, f);
}

/* --- as a disk ------------------------------------------------------------------------------- */

static uint32_t
least(uint32_t a, uint64_t b)
{
	return b < a ? (uint32_t)b : a;
}

static void
set_transfers(const struct vscsi *s, const struct facts *f, struct blk_info *info)
{
	info->max_sectors = (BLK_IO_MAX + BLK_BUF_SLACK) / info->secsize;
	if (f->limits.max_transfer)
		info->max_sectors = least(info->max_sectors, f->limits.max_transfer);
	if (s->limits.max_sectors)
		info->max_sectors = least(info->max_sectors, (uint64_t)s->limits.max_sectors *
								     VIRTIO_SECTOR / info->secsize);
	info->max_segs = s->d.chain - 2;
}

static void
set_discard(const struct facts *f, struct drive_disk *d)
{
	d->trims = f->capacity.thin && f->provisioning.unmap && f->limits.unmap_sectors;
	if (!d->trims)
		return;
	d->range_sectors = f->limits.unmap_sectors;
	d->ranges = f->limits.unmap_ranges ? least(VSCSI_MAX_RANGES, f->limits.unmap_ranges) : 1;
	d->info.discard_sectors = least(UINT32_MAX, (uint64_t)d->ranges * d->range_sectors);
}

/*
 * WRITE SAME(16) where the unit tells that it has it; one that refuses it after all is written to.
 * One that does not unmap with it, or gives no limit, takes it in the size of a write.
 */
static void
set_zero(const struct facts *f, struct drive_disk *d)
{
	struct vscsi_unit *u = d->priv;

	u->same_unmaps = f->capacity.thin && f->provisioning.same;
	d->zeroes = u->same_unmaps || f->limits.same_sectors;
	d->info.zero_sectors = f->limits.same_sectors ? least(UINT32_MAX, f->limits.same_sectors)
						      : d->info.max_sectors;
}

static struct drive_disk *
make_disk(struct vscsi *s, struct virtio_scsi_address at, const struct facts *f)
{
	struct drive_disk *d = drive_disk_new(&s->d.port, sizeof(struct vscsi_unit));
	struct blk_info *info;
	struct vscsi_unit *u;

	if (!d)
		return NULL;
	u = d->priv;
	info = &d->info;
	u->at = at;
	u->capacity = f->capacity;
	u->wwn = f->wwn;
	u->writeback = f->mode.writeback;
	vscsi_health_init(&u->health);
	snprintf(info->name, sizeof info->name, "sdS%d", vscsi_number(s, at));
	snprintf(info->model, sizeof info->model, "%s%s%s", f->inquiry.vendor,
		 f->inquiry.vendor[0] ? " " : "", f->inquiry.product);
	snprintf(info->serial, sizeof info->serial, "%s", f->serial);
	snprintf(info->firmware, sizeof info->firmware, "%s", f->inquiry.revision);
	if (f->inquiry.type == SCSI_TYPE_CD) {
		snprintf(info->features, sizeof info->features, "scsi");
		return d;
	}
	info->nsectors = f->capacity.nsectors;
	info->secsize = f->capacity.secsize;
	info->physsecsize = f->capacity.physsecsize;
	info->queue_depth = s->d.queue[0].q.depth * s->d.nqueues;
	info->readonly = f->has_mode && f->mode.readonly;
	info->direct = true;
	set_transfers(s, f, info);
	set_discard(f, d);
	set_zero(f, d);
	d->flushes = !f->has_mode || f->mode.writeback;
	d->fua = f->has_mode && f->mode.fua;
	snprintf(info->features, sizeof info->features, "scsi%s%s%s%s%s",
		 d->flushes ? " flush" : "", d->fua ? " fua" : "", d->trims ? " discard" : "",
		 d->zeroes ? " write-zeroes" : "", f->capacity.thin ? " thin" : "");
	return d;
}

static int
add_disk(struct vscsi *s, struct virtio_scsi_address at, const struct facts *f,
	 struct drive_disk **out)
{
	struct drive_disk *d = make_disk(s, at, f);

	if (!d)
		return -ENOMEM;
	if (f->inquiry.type == SCSI_TYPE_CD && drive_disk_packet(d, false) < 0) {
		drive_disk_drop(d, "out of memory");
		return -ENOMEM;
	}
	*out = d;
	return 0;
}

/* Once for each target. */
static void
tell_strange(struct vscsi *s, struct virtio_scsi_address at, enum scsi_type type)
{
	uint64_t bit = 1ull << at.target % 64;

	if (!(s->strange[at.target / 64] & bit))
		sip_log(s->d.ctlr.server,
			"%s target %u unit %u: device of type %u: not a disk that it drives",
			s->d.ctlr.dev->info.addr, at.target, at.lun, type);
	s->strange[at.target / 64] |= bit;
}

/* NULL and 0: there is none, or it is not driven, which is told. */
static int
add_unit(struct vscsi *s, struct virtio_scsi_address at, struct drive_disk **out)
{
	struct facts f = { 0 };
	int err = find_out(s, at, &f);

	*out = NULL;
	if (fatal(err))
		return err;
	if (err == -ENODEV)
		return 0;
	if (err == 0 && vscsi_number(s, at) < 0)
		err = -ERANGE;
	if (err == -ENXIO)
		tell_strange(s, at, f.inquiry.type);
	else if (err < 0)
		drive_tell(&s->d.port, "target %u unit %u: %s", at.target, at.lun, strerror(-err));
	else
		return add_disk(s, at, &f, out);
	return 0;
}

/* --- all of them ----------------------------------------------------------------------------- */

/* How many units; a target that does not know the command has one. */
static int
units_of(const struct vscsi_ask *a, int err, uint16_t lun[VSCSI_UNITS])
{
	if (err == -ENODEV || fatal(err))
		return err == -ENODEV ? 0 : err;
	if (err == 0)
		err = scsi_luns(a->data, a->moved, lun, VSCSI_UNITS);
	if (err >= 0)
		return err;
	lun[0] = 0;
	return 1;
}

static void
ask_units(struct vscsi_ask *a, unsigned target)
{
	a->at = (struct virtio_scsi_address){ .target = (uint8_t)target };
	a->cdb_bytes = scsi_cmd_report_luns(a->cdb, VSCSI_ASK_BYTES);
	a->bytes = VSCSI_ASK_BYTES;
}

struct search {
	struct virtio_scsi_address found[BLK_MAX_DISKS];
	unsigned n;
	struct vscsi_ask ask[VIRTIO_DRIVE_DEPTH + VIRTIO_DRIVE_OWN];
};

/* Asks as many targets at once as the queue has slots: most of them are not there. */
static int
search(struct vscsi *s, unsigned first, unsigned n, struct search *all)
{
	struct virtio_drive_queue *q = &s->d.queue[0];
	int result = 0;

	if (!virtio_drive_own_begin(q, 0, true))
		return -ETIMEDOUT;
	for (unsigned i = 0; i < n; i++) {
		all->ask[i].slot = i;
		ask_units(&all->ask[i], first + i);
		vscsi_ask_put(s, &all->ask[i]);
	}
	virtio_drive_own_send(q);
	for (unsigned i = 0; i < n && result >= 0; i++) {
		uint16_t lun[VSCSI_UNITS] = { 0 };
		struct vscsi_ask *a = &all->ask[i];

		result = units_of(a, vscsi_ask_end(s, a), lun);
		for (int k = 0; k < result; k++)
			if (all->n < BLK_MAX_DISKS)
				all->found[all->n++] = (struct virtio_scsi_address){ a->at.target,
										     lun[k] };
	}
	return result < 0 ? result : 0;
}

int
vscsi_find_all(struct vscsi *s)
{
	unsigned batch = virtio_drive_own_slot(&s->d.queue[0], VIRTIO_DRIVE_OWN);
	struct search *all = calloc(1, sizeof *all);
	struct drive_disk *d;
	int err = all ? 0 : -ENOMEM;

	for (unsigned t = 0; err == 0 && t < s->limits.ntargets; t += batch)
		err = search(s, t, least(batch, s->limits.ntargets - t), all);
	for (unsigned i = 0; err == 0 && i < all->n; i++)
		err = add_unit(s, all->found[i], &d);
	free(all);
	return err;
}

/* --- news ------------------------------------------------------------------------------------ */

static bool
is_listed(const uint16_t *lun, int n, uint16_t which)
{
	for (int i = 0; i < n; i++)
		if (lun[i] == which)
			return true;
	return false;
}

static struct drive_disk *
disk_at(struct vscsi *s, struct virtio_scsi_address at)
{
	for (struct drive_disk *d = s->d.port.disks; d; d = d->next) {
		const struct vscsi_unit *u = d->priv;

		if (u->at.target == at.target && u->at.lun == at.lun)
			return d;
	}
	return NULL;
}

static bool
is_same(const struct drive_disk *d, const struct facts *f)
{
	const struct vscsi_unit *u = d->priv;

	return u->capacity.nsectors == f->capacity.nsectors &&
	       u->capacity.secsize == f->capacity.secsize && u->wwn == f->wwn &&
	       u->writeback == f->mode.writeback && strcmp(d->info.serial, f->serial) == 0;
}

/* One that was there: is it still, and the same? */
static int
check_unit(struct vscsi *s, struct drive_disk *d)
{
	const struct vscsi_unit *u = d->priv;
	struct facts f;
	int err = find_out(s, u->at, &f);

	if (fatal(err))
		return err;
	if (err == -ENODEV) {
		drive_tell(&s->d.port, "%s is gone", d->info.name);
		drive_disk_drop(d, "the disk is gone");
	} else if (err == 0 && !is_same(d, &f)) {
		struct virtio_scsi_address at = u->at;

		drive_tell(&s->d.port, "%s has %llu sectors of %u bytes now", d->info.name,
			   (unsigned long long)f.capacity.nsectors, f.capacity.secsize);
		drive_disk_drop(d, "another disk, or another size");
		d = NULL;
		err = add_disk(s, at, &f, &d);
		if (d)
			drive_disk_show(d);
		return err;
	}
	return 0;
}

static int
look_at(struct vscsi *s, unsigned target)
{
	uint16_t lun[VSCSI_UNITS] = { 0 };
	struct vscsi_ask a = { 0 };
	struct drive_disk *d, *next;
	int n, err = 0;

	ask_units(&a, target);
	n = units_of(&a, vscsi_ask(s, &a), lun);
	for (d = s->d.port.disks; n >= 0 && err == 0 && d; d = next) {
		const struct vscsi_unit *u = d->priv;

		next = d->next;
		if (u->at.target != target)
			continue;
		if (is_listed(lun, n, u->at.lun))
			err = check_unit(s, d);
		else {
			drive_tell(&s->d.port, "%s is gone", d->info.name);
			drive_disk_drop(d, "the disk is gone");
		}
	}
	for (int i = 0; err == 0 && i < n; i++) {
		struct virtio_scsi_address at = { (uint8_t)target, lun[i] };

		if (disk_at(s, at))
			continue;
		err = add_unit(s, at, &d);
		if (d)
			drive_disk_show(d);
	}
	return n < 0 ? n : err;
}

void
vscsi_changed(struct drive_port *p)
{
	struct vscsi *s = vscsi_of(p);
	uint64_t news[VIRTIO_SCSI_TARGETS / 64];
	bool all;

	pthread_mutex_lock(&s->news_lock);
	memcpy(news, s->news, sizeof news);
	memset(s->news, 0, sizeof s->news);
	all = s->all || !s->told;
	s->all = s->told = false;
	pthread_mutex_unlock(&s->news_lock);
	for (unsigned t = 0; t < s->limits.ntargets; t++)
		if ((all || news[t / 64] >> t % 64 & 1) && look_at(s, t) < 0) {
			vscsi_news_all(s);
			drive_break(p);
			return;
		}
}
