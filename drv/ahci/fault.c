/*
 * What this driver can do wrong with a command, in builds for tests (lib/sip/fault.c).
 */
#include "ahci.h"

enum { WILD_SHIFT = 45 }; /* of an address where no machine has memory */

static void
start(void *where, void *request)
{
	ahci_send(where, request);
}

/* Whatever a request before this one left in the buffer is its data. */
static void
wrong(void *where, void *request)
{
	(void)where;
	ahci_io_done(request, 0);
}

/*
 * Without an IOMMU any address of a page that is in use would write into somebody's memory, and
 * nothing could hold it.  So the address is one where there is none: real controllers end the
 * command with a host bus error, QEMU's drops the data.  Only reads: a write would put what comes
 * from there on the disk.
 */
static bool
wild_dma(void *where, void *request)
{
	struct ahci_port *p = where;
	static const struct dma_seg nowhere = { 1ull << WILD_SHIFT, 1 << 20 };
	struct blk_io *io = request;

	if (io->kind != BLK_READ || !CAP_S64A_get(p->hba->cap))
		return false;
	io->seg = &nowhere;
	ahci_send(p, io);
	return true;
}

/* What is pending interrupts again when interrupts are turned off and on [AHCI 1.3.1, 10.7.2]. */
static void
interrupt(void *where)
{
	struct ahci_port *p = where;

	sip_write32(&p->hba->bar, HBA_GHC, GHC_AE_MASK);
	sip_write32(&p->hba->bar, HBA_GHC, GHC_AE_MASK | GHC_IE_MASK);
}

const struct sip_faults sip_driver_faults = {
	.start = start,
	.wrong = wrong,
	.wild_dma = wild_dma,
	.interrupt = interrupt,
};
