/*
 * The IOMMU: a device reaches the memory of the process that drives it, and no other.  vtd.c.
 *
 * Without a unit in the machine every call does nothing and succeeds.
 */
#pragma once
#include <dma_seg.h>

#include "../kernel.h"

struct pci_func;
struct proc;

/* Turns translation on, with everything blocked; before the other processors start. */
void vtd_init(void);

/*
 * These take a spinlock, and wait for the hardware if something gets out of reach.
 *
 * p's devices may reach the pages of the segments: to read them if access has SYS_PROT_READ, to
 * write if SYS_PROT_WRITE.  0, or -ENOMEM and nothing has changed.  p is the current process.
 */
int vtd_map(struct proc *p, const struct dma_seg *seg, int nsegs, unsigned access);
/*
 * What vtd_map was given.  No device of p's reaches the pages when it returns, but for other calls
 * of vtd_map.  After vtd_end it does nothing.
 */
void vtd_unmap(struct proc *p, const struct dma_seg *seg, int nsegs);
/*
 * The function reaches from now on what its owner p may: 0, -ENOMEM, or -EOPNOTSUPP where the units
 * could not tell it from others.
 */
int vtd_attach(struct proc *p, const struct pci_func *f);
/* It reaches nothing any more, when this returns. */
void vtd_detach(const struct pci_func *f);
/* p is ending and has no attached function any more: its tables go. */
void vtd_end(struct proc *p);
