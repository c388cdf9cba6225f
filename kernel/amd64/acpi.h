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

struct acpi_mcfg {
	paddr_t base;			/* of the first bus */
	uint16_t segment;
	uint8_t bus_first, bus_last;
};

struct acpi_nmi {
	uint32_t acpi_id;		/* 0xff: every processor */
	uint16_t flags;			/* as an override's */
	uint8_t lint;			/* 0 or 1 */
};

/* Flags of an override [ACPI 6.4, table 5.26]. */
enum {
	ACPI_POLARITY = 3, ACPI_POLARITY_LOW = 3,	/* 0: as the bus */
	ACPI_TRIGGER = 0xc, ACPI_TRIGGER_LEVEL = 0xc
};

/*
 * rsdp 0: searched in the EBDA and the BIOS area.  Without tables the machine has one processor
 * and the accessors give nothing.  Needs kernel_map_device and page_is_ram.
 */
void acpi_init(paddr_t rsdp);
/* Each gives how many there are, and at most max of them. */
unsigned acpi_cpus(uint32_t *apic_ids, unsigned max);
unsigned acpi_ioapics(struct acpi_ioapic *out, unsigned max);
unsigned acpi_mcfg(struct acpi_mcfg *out, unsigned max);
unsigned acpi_nmis(struct acpi_nmi *out, unsigned max);
unsigned acpi_iommus(paddr_t *out, unsigned max);
paddr_t acpi_lapic(void);
paddr_t acpi_hpet(void);		/* 0: none */
/* The global interrupt of an ISA line; false, and the same number, if it is not overridden. */
bool acpi_isa_override(unsigned irq, uint32_t *gsi, uint16_t *flags);
/* The power-management timer's port, 0: none; 24 or 32 bits at 3,579,545 Hz. */
unsigned acpi_pm_timer(bool *is32);
/* Ports that the power-management hardware decodes. */
bool acpi_owns_port(unsigned port, unsigned width);
/* Returns only if it did not work. */
bool acpi_poweroff(void);
void machine_reset(void) __attribute__((noreturn));
