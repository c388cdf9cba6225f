/*
 * The hardware is taken from a process that ends, whatever it was doing with it, in one order:
 *
 *	1	its interrupts: lines are masked, messages turned off at the device
 *	2	bus mastering of its functions goes off, read back: what a device had posted before
 *		has arrived, and from here on it neither reads nor writes memory
 *	3	one that says that nothing is outstanding (Transactions Pending [PCIe 5.0,
 *		7.5.3.5]) is left as it is: with bus mastering off it can do no harm, and a reset
 *		takes 100 ms.  Any other is reset, if it can be (FLR, or D3hot where that resets)
 *	4	an IOMMU, if there is one, lets them reach nothing any more, and has forgotten
 *		what it knew; the process's tables go (amd64/vtd.c)
 *	5	its DMA memory: free if all were reset; else it waits for the one that was not to be
 *		quiet, which the successor says when it has stopped the device.  Until then bus
 *		mastering stays off, since the device may still have the addresses.  An emulator may
 *		go on writing where it had mapped memory, and tells of nothing outstanding
 *	6	vectors and ownership: another driver may come
 *
 * The rest of the process is freed after that.  No lock is owned here.
 */
#include "amd64/pci.h"
#include "amd64/vtd.h"
#include "hw.h"
#include "proc.h"

void
hw_proc_exit(struct proc *p)
{
	struct pci_func *f, *first = pcidev_owned(p, NULL);
	unsigned nwild = 0, wild = DMA_ANY_DEVICE;

	irqdev_proc_exit(p);
	for (f = first; f != NULL; f = pcidev_owned(p, f))
		pci_messages_off(f);
	for (f = first; f != NULL; f = pcidev_owned(p, f))
		pci_command(f, PCI_COMMAND_MASTER, 0);
	for (f = first; f != NULL; f = pcidev_owned(p, f)) {
		f->unquiet = pci_drained(f) || pci_reset(f) < 0;
		if (f->unquiet)
			wild = nwild++ == 0 ? f->bdf : DMA_ANY_DEVICE;
	}
	for (f = first; f != NULL; f = pcidev_owned(p, f))
		vtd_detach(f);
	vtd_end(p);
	dma_proc_exit(p, nwild == 0, wild);
	while ((f = pcidev_owned(p, NULL)) != NULL)
		pcidev_disown(f);
}
