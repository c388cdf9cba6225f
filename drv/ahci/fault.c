/*
 * What this driver can do wrong with a command, in builds for tests (lib/sip/fault.c).
 */
#include "ahci.h"

enum { WILD_SHIFT = 45 }; /* of an address where no machine has memory */

/*
 * Without an IOMMU any address of a page that is in use would write into somebody's memory, and
 * nothing could hold it.  So the address is one where there is none: real controllers end the
 * command with a host bus error, QEMU's drops the data.  Only reads: a write would put what comes
 * from there on the disk.
 */
static bool
wild_dma(void *where, void *request)
{
	struct drive_disk *d = where;
	const struct ahci_hba *h = (const struct ahci_hba *)d->port->ctlr;
	static const struct dma_seg nowhere = { 1ull << WILD_SHIFT, 1 << 20 };
	struct blk_io *io = request;

	if (io->kind != BLK_READ || !CAP_S64A_get(h->cap))
		return false;
	io->seg = &nowhere;
	io->nsegs = 1;
	drive_fault_start(d, io);
	return true;
}

/* What is pending interrupts again when interrupts are turned off and on [AHCI 1.3.1, 10.7.2]. */
static void
interrupt(void *where)
{
	const struct drive_disk *d = where;
	const struct ahci_hba *h = (const struct ahci_hba *)d->port->ctlr;

	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK);
	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK | GHC_IE_MASK);
}

const struct sip_faults sip_driver_faults = {
	.start = drive_fault_start,
	.wrong = drive_fault_wrong,
	.wild_dma = wild_dma,
	.interrupt = interrupt,
};
