/*
 * Interrupts: vectors, lines and messages.  amd64/irq.c.
 */
#pragma once
#include "kernel.h"

/* Runs with interrupts off; must not sleep. */
typedef void (*irq_handler)(void *arg);

/*
 * A free vector of some processor, calling h(arg).  Returns a handle of 1 or more, or -ENOSPC.
 */
int irq_alloc(irq_handler h, void *arg);
void irq_free(int handle);
/*
 * Routes a global interrupt (ISA lines are remapped as ACPI says) to the handle, masked.
 * -ENXIO for a line that no controller has; -EBUSY if it is routed already.
 */
int irq_route_line(int handle, unsigned line, bool level, bool active_low);
void irq_line_mask(unsigned line, bool masked);
void irq_unroute_line(unsigned line);
/* How a line is wired, as the firmware says: ACPI overrides, then ELCR, then the bus's habit. */
void irq_line_kind(unsigned line, bool *level, bool *active_low);
/* n handles, a power of two, whose messages differ in the low bits of the data only. */
int irq_alloc_block(unsigned n, irq_handler h, void *const *args, int *handles);
/* The legacy controllers, out of the traps' way and masked. */
void irq_pic_off(void);
/* Controllers and vectors; after acpi_init, before any other call here. */
void irq_init(void);
/* By the trap code, for vectors IRQ_VECTOR_FIRST..IRQ_VECTOR_LAST of this processor. */
#define IRQ_VECTOR_FIRST 48
#define IRQ_VECTOR_LAST 239
void irq_dispatch(unsigned vector);
/* The address and data that make the device send this handle. */
void irq_message(int handle, uint64_t *address, uint32_t *data);
/* Physical ranges that no process may ever map: interrupt controllers, timers, IOMMU. */
bool irq_is_reserved(paddr_t pa, size_t n);
