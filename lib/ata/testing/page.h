/*
 * Pages as ATA devices make them, for models of devices and for tests.
 */
#pragma once
#include "ata.h"

/* A word of a page; value is cut to 16 bits. */
void ata_page_put(uint8_t *page, unsigned word, unsigned value);
/* Text in nwords words, their bytes swapped, filled up with spaces (ACS-4: ATA string). */
void ata_page_text(uint8_t *page, unsigned word, unsigned nwords, const char *s);

/*
 * What a well made device says to IDENTIFY, or to IDENTIFY PACKET [ACS-4, 7.12, 7.13]; nsectors fit
 * in 16 bits.
 */
void ata_page_identify(uint8_t page[ATA_IDENTIFY_SIZE], bool packet, unsigned nsectors);
/* Makes the sum over a page of SMART, or of a log, right [ACS-4, 9.14]. */
void ata_page_seal(uint8_t page[ATA_PAGE_SIZE]);
