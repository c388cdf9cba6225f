/* The registers of QEMU's `edu` device [QEMU docs/specs/edu], and the driver's state. */
#pragma once
#include "sip.h"

enum {				/* BAR 0; below 0x80 in 4 bytes, above in 4 or 8 */
	EDU_ID = 0x00, EDU_LIVE = 0x04,	/* LIVE gives the complement of what was written */
	EDU_FACTORIAL = 0x08,
	EDU_STATUS = 0x20,
	EDU_IRQ_STATUS = 0x24,
	EDU_IRQ_RAISE = 0x60, EDU_IRQ_ACK = 0x64,
	EDU_DMA_SRC = 0x80, EDU_DMA_DST = 0x88, EDU_DMA_COUNT = 0x90, EDU_DMA_CMD = 0x98,
};

#define EDU_ID_MAGIC		0xedu
#define EDU_STATUS_IRQ		0x80u	/* interrupt when the factorial is there */
enum { EDU_DMA_START = 1, EDU_DMA_TO_MEMORY = 2, EDU_DMA_IRQ = 4 };
#define EDU_IRQ_FACTORIAL	0x001u	/* bits of EDU_IRQ_STATUS */
#define EDU_IRQ_DMA		0x100u
#define EDU_BUFFER		0x40000u	/* its own memory, as DMA addresses it */
#define EDU_BUFFER_SIZE		4096u
#define EDU_TIMEOUT_MS		2000u	/* the model takes 100 ms for a transfer */

struct edu {
	struct sip_dev *dev;
	struct sip_bar regs;
	struct sip_dma dma;
	pthread_mutex_t one;		/* one command at a time */
	struct sip_event event;		/* EDU_IRQ_* that have come */
	_Atomic uint64_t interrupts;
	unsigned timeout_ms;
};

extern const struct sip_type edu_type;
extern uint64_t edu_reach;		/* -reach: address bits of its dma_mask */
