/*
 * What this driver can do wrong with a command, in builds for tests (lib/sip/fault.c).
 */
#include "virtioscsi.h"

enum { WILD_SHIFT = 45 }; /* of an address where no machine has memory */

/* As in virtioblk: only reads, and only where there is no memory. */
static bool
wild_dma(void *where, void *request)
{
	static const struct dma_seg nowhere = { 1ull << WILD_SHIFT, VIRTIO_SECTOR };
	struct blk_io *io = request;

	if (io->kind != BLK_READ)
		return false;
	io->seg = &nowhere;
	io->nsegs = 1;
	drive_fault_start(where, io);
	return true;
}

const struct sip_faults sip_driver_faults = {
	.start = drive_fault_start,
	.wrong = drive_fault_wrong,
	.wild_dma = wild_dma,
};
