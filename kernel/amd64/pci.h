/*
 * PCI functions: configuration space, BARs, messages, reset.  pci.c.
 *
 * A function found at boot stays in the table for good.  Who drives a function is dev/pci.c's
 * business; the calls here that change one are made by its owner or with nobody owning it.
 */
#pragma once
#include "../kernel.h"

#define PCI_BARS	6
#define PCI_FUNCS_MAX	256
#define PCI_CONFIG_SIZE	256

/* Offsets in configuration space [PCI 3.0, 6.1]. */
enum pci_config {
	PCI_VENDOR = 0x00, PCI_DEVICE = 0x02, PCI_COMMAND = 0x04, PCI_STATUS = 0x06,
	PCI_REVISION = 0x08, PCI_PROGIF = 0x09, PCI_CLASS = 0x0a, PCI_CACHE_LINE = 0x0c,
	PCI_LATENCY = 0x0d, PCI_HEADER = 0x0e, PCI_BAR0 = 0x10, PCI_SUBVENDOR = 0x2c,
	PCI_SUBDEVICE = 0x2e, PCI_CAPABILITIES = 0x34, PCI_LINE = 0x3c, PCI_PIN = 0x3d,
	PCI_SECONDARY_BUS = 0x19, PCI_SUBORDINATE_BUS = 0x1a
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
	uint16_t bdf;			/* bus << 8 | device << 3 | function */
	uint16_t vendor, device, subvendor, subdevice;
	uint32_t class;			/* 24 bits: base, sub, interface */
	uint8_t revision, header, line, pin;
	uint8_t cap_pm, cap_msi, cap_msix, cap_express;	/* 0: none */
	uint16_t msi_vectors, msix_vectors;	/* that it has */
	uint8_t msix_bar;
	uint32_t msix_offset;
	volatile uint32_t *msix_table;	/* mapped at its first use */
	struct pci_bar bar[PCI_BARS];
	/* dev/pci.c's, under its lock. */
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
unsigned pci_count(void);
struct pci_func *pci_at(unsigned i);		/* NULL beyond the last */
struct pci_func *pci_find(unsigned bdf);	/* or NULL */
/* width 1, 2 or 4, aligned; reads beyond the space, or of a function that is gone, give ones. */
uint32_t pci_read(const struct pci_func *f, unsigned offset, unsigned width);
void pci_write(const struct pci_func *f, unsigned offset, unsigned width, uint32_t v);
/* Sets and clears bits of the command register. */
void pci_command(const struct pci_func *f, uint16_t clear, uint16_t set);
/* The bits of the byte at offset that a driver may write. */
uint8_t pci_write_mask(unsigned offset);

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
 * Resets the function and restores its BARs; messages, decoding and bus mastering are off
 * afterwards.  Sleeps about 100 ms.  -EOPNOTSUPP if it has no reset of its own.
 */
int pci_reset(struct pci_func *f);
