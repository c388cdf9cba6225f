/*
 * PCI functions: configuration space, BARs, messages, reset: pci.c; the table: pci_table.c; slots:
 * pci_plug.c.
 *
 * A function may be removed at any time; whoever has a reference keeps the structure, and what it
 * reads of the function are ones.  Who drives a function is dev/pci.c's business; the calls here
 * that change one are made by its owner or with nobody owning it.
 */
#pragma once
#include "../kernel.h"

#define PCI_BARS	6
#define PCI_FUNCS_MAX	256
#define PCI_CONFIG_SIZE	256
#define PCI_HEADER_BRIDGE 1
#define PCI_MSIX_ENTRY	16		/* bytes of an MSI-X table's entry */

/* Offsets in configuration space [PCI 3.0, 6.1]. */
enum pci_config {
	PCI_VENDOR = 0x00, PCI_DEVICE = 0x02, PCI_COMMAND = 0x04, PCI_STATUS = 0x06,
	PCI_REVISION = 0x08, PCI_PROGIF = 0x09, PCI_CLASS = 0x0a, PCI_CACHE_LINE = 0x0c,
	PCI_LATENCY = 0x0d, PCI_HEADER = 0x0e, PCI_BAR0 = 0x10, PCI_SUBVENDOR = 0x2c,
	PCI_SUBDEVICE = 0x2e, PCI_CAPABILITIES = 0x34, PCI_LINE = 0x3c, PCI_PIN = 0x3d,
	PCI_SECONDARY_BUS = 0x19, PCI_SUBORDINATE_BUS = 0x1a
};

enum pci_express {			/* [PCIe 5.0, 7.5.3], from the capability */
	PCI_EXP_FLAGS = 2, PCI_EXP_DEVICE_CAP = 4, PCI_EXP_DEVICE_CONTROL = 8,
	PCI_EXP_DEVICE_STATUS = 10, PCI_EXP_SLOT_CAP = 20, PCI_EXP_SLOT_CONTROL = 24,
	PCI_EXP_SLOT_STATUS = 26
};

enum pci_command {
	PCI_COMMAND_IO = 1, PCI_COMMAND_MEM = 2, PCI_COMMAND_MASTER = 4, PCI_COMMAND_MWI = 0x10,
	PCI_COMMAND_PARITY = 0x40, PCI_COMMAND_SERR = 0x100, PCI_COMMAND_NO_INTX = 0x400
};

enum pci_capability {
	PCI_CAP_PM = 0x01, PCI_CAP_MSI = 0x05, PCI_CAP_EXPRESS = 0x10, PCI_CAP_MSIX = 0x11
};

struct pci_bar {
	uint64_t base, size;		/* size 0: there is none */
	bool io, is64, prefetch;
};

struct pci_func {
	uint32_t refs;
	uint32_t serial;		/* of no other function since boot; never 0 */
	uint16_t bdf;			/* bus << 8 | device << 3 | function */
	uint16_t vendor, device, subvendor, subdevice;
	uint32_t class;			/* 24 bits: base, sub, interface */
	uint8_t revision, header, line, pin;
	uint8_t secondary;		/* of a bridge: the bus behind it */
	uint8_t cap_pm, cap_msi, cap_msix, cap_express;	/* 0: none */
	uint16_t msi_vectors, msix_vectors;	/* that it has */
	uint8_t msix_bar;
	uint32_t msix_offset;
	struct pci_bar bar[PCI_BARS];
	bool gone;			/* pci.c's */
	/* dev/pci.c's, under its lock. */
	bool leaving;			/* nobody becomes its owner any more */
	struct list owned;
	struct proc *owner;
	int32_t owner_pid;
	bool unquiet;			/* its last owner died, and nobody has stopped it since */
	unsigned nhandles;
	int handles[32];
};

/*
 * Finds all functions; bus mastering of storage and network functions is off afterwards.  Called
 * when /dev/pci is attached first.
 */
void pci_init(void);
unsigned pci_count(void);			/* places of the table; some may be free */
/* These give a reference, or NULL. */
struct pci_func *pci_at(unsigned i);
struct pci_func *pci_find(unsigned bdf, uint32_t serial);	/* serial 0: any */
struct pci_func *pci_bridge_of(unsigned bus);	/* that the bus is right behind */
void pci_put(struct pci_func *f);		/* NULL is valid */
/* Gives f its serial and a place; its reference passes to the table.  False if that is full. */
bool pci_add(struct pci_func *f);
/*
 * Adds the functions of a bus that are not in the table yet, and gives them addresses if `behind`
 * is the bridge of their slot: how many.  One caller at a time.
 */
unsigned pci_scan(unsigned bus, const struct pci_func *behind);
/* Takes f out of the table for good; the table's reference passes to the caller. */
void pci_take(struct pci_func *f);
void pci_lost(struct pci_func *f);		/* from now on it reads as ones */
/* The end of a memory BAR that overlaps the range, or 0. */
uint64_t pci_bar_over(uint64_t pa, uint64_t n);
/* width 1, 2 or 4, aligned; reads beyond the space, or of a function that is gone, give ones. */
uint32_t pci_read(const struct pci_func *f, unsigned offset, unsigned width);
void pci_write(const struct pci_func *f, unsigned offset, unsigned width, uint32_t v);
/* Sets and clears bits of the command register. */
void pci_command(const struct pci_func *f, uint16_t clear, uint16_t set);
/* The bits of the byte at offset that the function's driver may write. */
uint8_t pci_write_mask(const struct pci_func *f, unsigned offset);

/* What a function's BARs hold, for grants. */
bool pci_has_mem(const struct pci_func *f, paddr_t pa, size_t n);
bool pci_has_port(const struct pci_func *f, unsigned port, unsigned width);
bool pci_has_line(const struct pci_func *f, unsigned line);
/* Whole pages: within the pages of one of its BARs. */
bool pci_has_pages(const struct pci_func *f, paddr_t pa, size_t n);
/* The lowest address of an MSI-X table of any function in the range, or 0. */
paddr_t pci_msix_in(paddr_t pa, size_t n);

/*
 * Turns messages on, for n handles of irq.h: a power of two, of one block, for MSI.
 * -ENODEV without the capability, -EINVAL for more than it has.
 */
int pci_msi_on(struct pci_func *f, const int *handles, unsigned n);
int pci_msix_on(struct pci_func *f, const int *handles, unsigned n);
void pci_messages_off(struct pci_func *f);
/*
 * Bus mastering is off: whether all that the function had asked of memory is over [PCIe 5.0,
 * 7.5.3.5].  Waits at most 100 ms.  False: it is not, or the function has no way to say so.
 */
bool pci_drained(const struct pci_func *f);
/*
 * Resets the function and restores its BARs; messages, decoding and bus mastering are off
 * afterwards.  Sleeps about 100 ms.  -EOPNOTSUPP if it has no reset of its own.
 */
int pci_reset(struct pci_func *f);

/* pci_plug.c: a function that came into the slot of a bridge. */
void pci_plug_bars(struct pci_func *f, const struct pci_func *bridge);
void pci_plug_payload(struct pci_func *f, const struct pci_func *bridge);
/* The bits of a byte of the slot's registers that a port's driver may write; 0 elsewhere. */
uint8_t pci_slot_mask(const struct pci_func *f, unsigned offset);
