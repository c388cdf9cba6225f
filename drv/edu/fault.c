/*
 * What this driver can do wrong, in builds for tests (lib/sip/fault.c).  It is asked when a command
 * has been started: the device is busy.
 */
#include "edu.h"
#include "os.h"

#define WILD_ADDRESS	0xfffff000u	/* the firmware's ROM: nothing is written there */
#define RAISED		0x1000u		/* a bit of EDU_IRQ_STATUS that means nothing */

/* What called this answers at once. */
static void
wrong(void *, void *)
{
}

/* The device writes to an address that is not ours; see drv/ahci/fault.c for the choice. */
static bool
wild_dma(void *where, void *)
{
	struct edu *e = where;
	if (edu_reach < 32 ||
	    !sip_wait32(&e->regs, EDU_DMA_CMD, EDU_DMA_START, 0, EDU_TIMEOUT_MS))
		return false;
	sip_write64(&e->regs, EDU_DMA_SRC, EDU_BUFFER);
	sip_write64(&e->regs, EDU_DMA_DST, WILD_ADDRESS);
	sip_write64(&e->regs, EDU_DMA_COUNT, EDU_BUFFER_SIZE / 2);
	sip_write64(&e->regs, EDU_DMA_CMD, EDU_DMA_START | EDU_DMA_IRQ | EDU_DMA_TO_MEMORY);
	return false;
}

static void
interrupt(void *where)
{
	struct edu *e = where;
	sip_write32(&e->regs, EDU_IRQ_RAISE, RAISED);
}

const struct sip_faults sip_driver_faults = {
	.wrong = wrong, .wild_dma = wild_dma, .interrupt = interrupt,
};
