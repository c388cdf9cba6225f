/*
 * PCI configuration space, decoded; no hardware [PCI 3.0, 6; PCIe 4.0, 7].  The kernel's text
 * about a function is parsed by sip_pci_parse of sip.h.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PCI_CONFIG_SIZE = 256,
	PCI_HEADER_SIZE = 64,
	PCI_NBARS = 6,
	PCI_MAX_CAPS = 48, /* as many as fit into what follows the header */
	PCI_CAP_PM = 0x01,
	PCI_CAP_MSI = 0x05,
	PCI_CAP_VENDOR = 0x09,
	PCI_CAP_PCIE = 0x10,
	PCI_CAP_MSIX = 0x11,
	PCI_CAP_SATA = 0x12,
	PCI_CAP_AF = 0x13,
};

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM };

struct pci_bar {
	enum pci_bar_kind kind;
	bool is64, prefetch;
	uint64_t base;
};

struct pci_cap {
	uint8_t id, offset;
};

struct pci_config {
	uint16_t vendor, device, command, status, subsystem_vendor, subsystem;
	uint32_t class; /* class << 16 | subclass << 8 | interface */
	uint8_t revision, header_type, interrupt_line, interrupt_pin;
	bool multifunction, bridge;
	struct pci_bar bar[PCI_NBARS]; /* a bridge has two; a 64-bit one leaves the next NONE */
	struct pci_cap cap[PCI_MAX_CAPS];
	unsigned ncaps;
};

/*
 * n bytes of configuration space.  -EINVAL below 64 bytes; -ENODEV for vendor 0xffff; -ELOOP for a
 * capability list that loops or leaves the space (what was found before is in out).
 */
int pci_decode(const uint8_t *config, size_t n, struct pci_config *out);
/* The offset of the first capability with that id, or 0. */
unsigned pci_find_cap(const struct pci_config *c, uint8_t id);
/* The size of a BAR from what it reads after all ones were written to it; 0 for none. */
uint64_t pci_bar_size(uint64_t readback, bool io, bool is64);
/* The vectors that an MSI or MSI-X capability can have; 0 for another one, or a cut one. */
unsigned pci_msi_vectors(const uint8_t *config, size_t n, const struct pci_cap *cap);
/* "SATA controller, AHCI"; the class alone, or "unknown class", where there is no better name. */
const char *pci_class_name(uint32_t class);
const char *pci_cap_name(uint8_t id);
/*
 * What the capability says, at most n bytes with the NUL; "" if nothing is known of it, or it is
 * cut.  The length.
 */
size_t
pci_cap_text(const uint8_t *config, size_t size, const struct pci_cap *cap, char *text, size_t n);
