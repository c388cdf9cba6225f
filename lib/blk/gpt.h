/*
 * The layout of a GUID partition table [UEFI 2.10, 5.3].  Private to lib/blk.
 */
#pragma once
#include "table.h"

enum {
	GPT_H_SIGNATURE = 0,
	GPT_H_REVISION = 8,
	GPT_H_SIZE = 12,
	GPT_H_CRC = 16,
	GPT_H_MY_LBA = 24,
	GPT_H_ALTERNATE_LBA = 32,
	GPT_H_FIRST_USABLE = 40,
	GPT_H_LAST_USABLE = 48,
	GPT_H_GUID = 56,
	GPT_H_ENTRIES_LBA = 72,
	GPT_H_NENTRIES = 80,
	GPT_H_ENTRY_SIZE = 84,
	GPT_H_ENTRIES_CRC = 88,
	GPT_HEADER_MIN = 92,

	GPT_E_TYPE = 0,
	GPT_E_GUID = 16,
	GPT_E_FIRST = 32,
	GPT_E_LAST = 40,
	GPT_E_ATTRIBUTES = 48,
	GPT_E_NAME = 56,
	GPT_ENTRY_MIN = 128,
	GPT_ENTRY_MAX = 4096,
	GPT_NAME_UNITS = 36,
	GPT_GUID_SIZE = 16,
	GPT_MAX_ARRAY = 1 << 20, /* of entries of at least GPT_ENTRY_MIN: see BLK_NUMBER_BITS */
	GPT_NCOPIES = 2,
};

struct blk_gpt { /* one of the two copies */
	uint64_t lba, alternate, first_usable, last_usable, entries_lba;
	uint32_t nentries, entry_size, entries_crc;
	uint8_t guid[GPT_GUID_SIZE];
};

static inline uint32_t
gpt_array_sectors(const struct blk_gpt *h, uint32_t secsize)
{
	return (h->nentries * h->entry_size + secsize - 1) / secsize;
}

static inline bool
gpt_is_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/*
 * The copy whose header is in sector lba, its entries into array, which has room for GPT_MAX_ARRAY
 * and a sector.  NULL, or what is wrong with it.
 */
const char *
blk_gpt_read(const struct blk_scan *s, uint64_t lba, struct blk_gpt *out, uint8_t *array);
