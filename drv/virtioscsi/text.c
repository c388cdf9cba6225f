/*
 * Names and ctl.
 *
 * A host has NUMBERS numbers for its units, so that a name depends on nothing but the host and the
 * unit's address: 64 units of each of the first 16 targets, and 4 of each other.
 */
#include <errno.h>
#include <stdio.h>
#include "virtioscsi.h"

enum { NUMBERS = 2048, FEW_TARGETS = 16, MANY_UNITS = 64, FEW_UNITS = 4 };

_Static_assert(FEW_TARGETS *MANY_UNITS + (VIRTIO_SCSI_TARGETS - FEW_TARGETS) * FEW_UNITS <= NUMBERS,
	       "the numbers of a host");

int
vscsi_number(const struct vscsi *s, struct virtio_scsi_address at)
{
	unsigned n, base = s->d.ctlr.number * NUMBERS;

	if (at.target < FEW_TARGETS && at.lun < MANY_UNITS)
		n = at.target * MANY_UNITS + at.lun;
	else if (at.target >= FEW_TARGETS && at.lun < FEW_UNITS)
		n = FEW_TARGETS * MANY_UNITS + (at.target - FEW_TARGETS) * FEW_UNITS + at.lun;
	else
		return -ERANGE;
	return base + n < 1u << BLK_NUMBER_BITS ? (int)(base + n) : -ERANGE;
}

size_t
vscsi_describe(struct drive_disk *d, char *buf, size_t n)
{
	const struct virtio_drive *v = virtio_drive_of(d->port);
	const struct vscsi_unit *u = d->priv;
	int len = snprintf(buf, n,
			   "target %u\nunit %u\nqueues %u\nvectors %u\nwrite-cache %s\n"
			   "segments %u\nwwn %016llx\n",
			   u->at.target, u->at.lun, v->nqueues, v->nvectors,
			   u->writeback ? "on" : "off", v->chain - 2, (unsigned long long)u->wwn);
	size_t used = blk_printed(len, n);

	return d->packet ? used : used + vscsi_health_text(d, buf + used, n - used);
}
