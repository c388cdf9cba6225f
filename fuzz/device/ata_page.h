/*
 * What an ATA device says of itself when it is well made: for drive_ide.c and drive_ahci.c.
 */
#pragma once
#include "ata.h"

static inline void
ata_page_put(uint8_t *page, unsigned word, unsigned value)
{
	page[2 * word] = (uint8_t)value;
	page[2 * word + 1] = (uint8_t)(value >> 8);
}

/* The page of IDENTIFY, or of IDENTIFY PACKET [ACS-4, 7.12, 7.13]; nsectors fit in 16 bits. */
void ata_page_identify(uint8_t page[ATA_IDENTIFY_SIZE], bool packet, unsigned nsectors);
/* Makes the sum over a page of SMART, or of a log, right [ACS-4, 9.14]. */
void ata_page_seal(uint8_t page[ATA_PAGE_SIZE]);
