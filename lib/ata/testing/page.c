/* See page.h. */
#include "page.h"

#include <string.h>

void
ata_page_put(uint8_t *page, unsigned word, unsigned value)
{
	page[2 * word] = (uint8_t)value;
	page[2 * word + 1] = (uint8_t)(value >> 8);
}

void
ata_page_text(uint8_t *page, unsigned word, unsigned nwords, const char *s)
{
	for (unsigned i = 0; i < 2 * nwords; i++, s += *s != 0)
		page[2 * word + (i ^ 1)] = *s ? (uint8_t)*s : ' ';
}

void
ata_page_identify(uint8_t page[ATA_IDENTIFY_SIZE], bool packet, unsigned nsectors)
{
	memset(page, 0, ATA_IDENTIFY_SIZE);
	ata_page_put(page, 0, packet ? 0x85c0 : 0x0040);
	for (unsigned i = 10; i < 47; i++)
		if (i < 20 || i >= 23)
			ata_page_put(page, i, 0x4142);
	ata_page_put(page, 47, 0x8010);
	ata_page_put(page, 49, 0x0f00);
	ata_page_put(page, 53, 6);
	ata_page_put(page, 60, nsectors);
	ata_page_put(page, 63, 7);
	ata_page_put(page, 80, 0x1f0);
	ata_page_put(page, 82, 0x4021 | (packet ? 0x10 : 0)); /* SMART, write cache */
	ata_page_put(page, 83, 0x7400);
	ata_page_put(page, 84, 0x4020);
	ata_page_put(page, 85, 0x4021);
	ata_page_put(page, 86, 0x3400);
	ata_page_put(page, 87, 0x4000);
	ata_page_put(page, 88, 0x3f);
	ata_page_put(page, 100, nsectors);
}

void
ata_page_seal(uint8_t page[ATA_PAGE_SIZE])
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < ATA_PAGE_SIZE - 1; i++)
		sum = (uint8_t)(sum + page[i]);
	page[ATA_PAGE_SIZE - 1] = (uint8_t)-sum;
}
