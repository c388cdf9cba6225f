/*
 * What the ACPI tables say.  acpi.c.
 */
#pragma once
#include "../kernel.h"

struct acpi_ioapic {
	paddr_t address;
	uint32_t gsi_base;
	uint8_t id;
};

struct acpi_range {
	uint64_t start, length;
};

#define ACPI_IOMMUS_MAX	16

struct acpi_iommu {		/* Intel's */
	paddr_t base;		/* of its registers: a page's */
	uint16_t segment;
};

/* Flags of an override [ACPI 6.4, table 5.26]. */
enum {
	ACPI_POLARITY = 3, ACPI_POLARITY_LOW = 3,	/* 0: as the bus */
	ACPI_TRIGGER = 0xc, ACPI_TRIGGER_LEVEL = 0xc
};

/*
 * rsdp as the loader told.  Without tables the machine has one processor and the accessors give
 * nothing.  Needs kernel_map_device and page_is_ram.
 */
void acpi_init(paddr_t rsdp);
/* Each gives how many there are, and at most max of them. */
unsigned acpi_cpus(uint32_t *apic_ids, unsigned max);
unsigned acpi_ioapics(struct acpi_ioapic *out, unsigned max);
/* Registers of timers and IOMMUs, and configuration windows; NULL after the last. */
const struct acpi_range *acpi_reserved(unsigned i);
const struct acpi_iommu *acpi_iommu(unsigned i);	/* NULL after the last */
/* The global interrupt of an ISA line; false, and the same number, if it is not overridden. */
bool acpi_isa_override(unsigned irq, uint32_t *gsi, uint16_t *flags);
/* Ports that the power-management hardware decodes. */
bool acpi_owns_port(unsigned port, unsigned width);
/* Returns only if it did not work. */
bool acpi_poweroff(void);
void machine_reset(void) __attribute__((noreturn));
