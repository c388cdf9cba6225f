/*
 * What the loader told: amd64/boot.c fills it from PVH or Multiboot2, copied out of the loader's
 * memory.
 */
#pragma once
#include "kernel.h"

#define BOOT_RANGES_MAX 64

enum boot_memory { BOOT_RAM = 1, BOOT_RESERVED = 2, BOOT_ACPI = 3, BOOT_NVS = 4 };

struct boot_range {
	paddr_t start, end;
	uint32_t type;
};

struct boot_info {
	struct boot_range range[BOOT_RANGES_MAX];
	unsigned nranges;
	paddr_t archive;		/* the boot archive, or 0 */
	size_t archive_size;
	paddr_t rsdp;			/* 0: not told */
	char cmdline[1024];
	const char *loader;		/* "PVH" or "Multiboot2" */
};

extern struct boot_info boot;

void boot_parse(uint32_t magic, paddr_t info);
/* The value of NAME=VALUE on the command line, or NULL; valid until the next call. */
const char *boot_option(const char *name);
