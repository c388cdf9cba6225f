/*
 * What this driver can do wrong with a command, in builds for tests (lib/sip/fault.c).
 */
#include "ahci.h"

/* What is pending interrupts again when interrupts are turned off and on [AHCI 1.3.1, 10.7.2]. */
static void
interrupt(void *where)
{
	const struct drive_disk *d = where;
	const struct ahci_hba *h = (const struct ahci_hba *)d->port->ctlr;

	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK);
	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK | GHC_IE_MASK);
}

const struct sip_faults sip_driver_faults = { DRIVE_FAULTS, .interrupt = interrupt };
