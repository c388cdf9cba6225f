/*
 * A device that answers from a fuzzer's input, under a driver of lib/drive that is made to
 * run in one thread and in its own time.
 *
 * The driver is the real one, with the real lib/drive, and the bus that of all models
 * (include/sip_model.h), with the device's steps made by hand: in place of the keeper's thread and
 * of interrupts there are steps too, and a clock that goes on when it is looked at.  What must
 * hold, whatever the device says: no fault (sanitizers), nothing that the bus notices, every
 * command ends once, and each does within its bound.
 *
 * tool/fuzz.mk links it with what it takes the place of.
 */
#pragma once
#include <stdlib.h>
#include <string.h>
#include "lib/drive/private.h"
#include "sip_model.h"

enum { DEVICE_BARS = 6, DEVICE_VECTORS = 40 };

struct device {
	struct sip_model bus; /* first; its `device` is this */

	/* The target's: what it is, and what it does. */
	const struct sip_driver_ops *driver;
	uint8_t *bar[DEVICE_BARS]; /* memory of the size that bus.info says */

	/* The input. */
	const uint8_t *p, *end;
	unsigned truths; /* so many values are what they are */

	/* The harness's. */
	struct sip_irq *irq[DEVICE_VECTORS]; /* NULL: none */
	uint64_t now_ns;
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

/* The target then fills in bus.info, bus.pci and bar.  The input stays the caller's. */
void device_init(struct device *d, const struct sip_driver_ops *driver,
		 const struct sip_model_ops *ops, const uint8_t *input, size_t n);
/* A value instead of that one: one byte of the input says for how many it is itself, or which. */
uint64_t device_lie(struct device *d, uint64_t value, unsigned width);
/* What stands in a BAR's memory; the bus has checked the access. */
uint64_t device_get(const struct device *d, unsigned bar, uint64_t off, unsigned width);
void device_put(struct device *d, unsigned bar, uint64_t off, unsigned width, uint64_t value);
/* n bytes of memory for DMA at that address, which the driver has given to the device: it ends here
 * if it has not. */
uint8_t *device_memory(struct device *d, uint64_t paddr, size_t n);
/* The same, and if it is a command's data, that command has not ended. */
uint8_t *device_data(struct device *d, uint64_t paddr, size_t n);
/* Attach, look for disks, commands, errors, detach; and the end of the bus. */
void device_run(struct device *d);
