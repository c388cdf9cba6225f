/*
 * A device that answers from a fuzzer's input, under a driver of lib/drive that is made to
 * run in one thread and in its own time.
 *
 * The driver is the real one, with the real lib/drive: its registers, ports and memory are here;
 * in place of the keeper's thread and of interrupts there are steps, and a clock that goes on when
 * it is looked at.  What must hold, whatever the device says: no fault (sanitizers), no access
 * outside of what the device has, every command ends once, and each does within its bound.
 *
 * tool/fuzz.mk links it with what it takes the place of.
 */
#pragma once
#include <stdlib.h>
#include <string.h>
#include "lib/drive/private.h"

enum { DEVICE_BARS = 6, DEVICE_DMAS = 128, DEVICE_VECTORS = 40, DEVICE_CONFIG = 256 };

struct device_dma {
	uint8_t *p; /* NULL: none */
	uint64_t paddr;
	size_t size;
};

struct device_interrupt {
	void (*handler)(void *arg, uint64_t count, uint64_t ns); /* NULL: none */
	void *arg;
};

struct device {
	/* The target's: what it is, and what it does. */
	const struct sip_driver_ops *driver;
	struct sip_pci_info info;
	uint8_t config[DEVICE_CONFIG];
	uint8_t *bar[DEVICE_BARS]; /* memory of the size that info says */
	/* Values of registers and ports; the last one is what the bus would give. */
	uint64_t (*read)(struct device *d, unsigned bar, uint64_t off, unsigned width);
	void (*written)(struct device *d, unsigned bar, uint64_t off, unsigned width);
	uint32_t (*in)(struct device *d, uint16_t port, unsigned width);
	void (*out)(struct device *d, uint16_t port, unsigned width, uint32_t value);
	void (*turn)(struct device *d); /* it works */

	/* The input. */
	const uint8_t *p, *end;
	unsigned truths; /* so many values are what they are */

	/* The harness's. */
	struct device_dma dma[DEVICE_DMAS];
	struct device_interrupt irq[DEVICE_VECTORS];
	uint64_t next_paddr, now_ns;
	unsigned vectors;
};

static inline void
device_check(bool ok)
{
	if (!ok)
		abort();
}

/* The next byte of the input; 0 behind its end. */
static inline unsigned
device_byte(struct device *d)
{
	return d->p < d->end ? *d->p++ : 0;
}

static inline bool
device_has_more(const struct device *d)
{
	return d->p < d->end;
}

/* A value instead of that one: one byte of the input says for how many it is itself, or which. */
uint64_t device_lie(struct device *d, uint64_t value, unsigned width);
/* n bytes of memory for DMA at that address, or NULL: the device was not given them. */
void *device_memory(struct device *d, uint64_t paddr, size_t n);
/* Attach, look for disks, commands, errors, detach. */
void device_run(struct device *d);
