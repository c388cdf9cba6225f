/*
 * What this driver can do wrong with a command, in builds for tests (lib/sip/fault.c).
 */
#include "ide.h"

enum { LOOKS = 100 };

/*
 * A channel at its old place interrupts by an edge: one for each command that ends.  So whichever
 * drive is selected is told again and again to say whether it sleeps, by CHECK POWER MODE [ACS-4,
 * 7.3], and its status is read, or there would be no second edge.  What was running is ended before
 * that, as its status is gone then; what waits goes on waiting.
 */
static void
interrupt(void *where)
{
	const struct drive_disk *d = where;
	struct ide_channel *c = (struct ide_channel *)d->port;

	os_lock_take(&c->queue.lock);
	if (c->queue.open)
		ide_reap(&c->queue);
	if (c->queue.open && !c->queue.nbusy) {
		sip_out8(&c->command, IDE_STATUS, ATA_CHECK_POWER_MODE);
		for (unsigned i = 0; i < LOOKS; i++)
			if (!(sip_in8(&c->command, IDE_STATUS) & ATA_STATUS_BSY))
				break;
	}
	os_lock_give(&c->queue.lock);
}

const struct sip_faults sip_driver_faults = { DRIVE_FAULTS, .interrupt = interrupt };
