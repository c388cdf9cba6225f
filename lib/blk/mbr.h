/*
 * The layout of an MBR and of a link of an extended partition; see mbr.c.  Private to lib/blk.
 */
#pragma once
#include "table.h"

enum {
	MBR_SIGNATURE = 440,
	MBR_TABLE = 446,
	MBR_MAGIC = 510,
	MBR_NENTRIES = 4,
	MBR_ENTRY_SIZE = 16,
	MBR_MAX_CHAIN = 128,
	MBR_FIRST_LOGICAL = 5,

	MBR_TYPE_EMPTY = 0x00,
	MBR_TYPE_EXTENDED = 0x05,
	MBR_TYPE_EXTENDED_LBA = 0x0f,
	MBR_TYPE_EXTENDED_LINUX = 0x85,
	MBR_TYPE_GPT = 0xee,
	MBR_STATUS_ACTIVE = 0x80,

	/* Of FAT's boot sector [FAT 1.03, Boot Sector and BPB Structure]. */
	BPB_NAME = 3,
	BPB_SECSIZE = 11,
	BPB_CLUSTER = 13,
	BPB_NFATS = 16,
	BPB_MEDIA = 21,
	BPB_MEDIA_MIN = 0xf0,
};

struct mbr_entry {
	uint8_t status, type;
	uint32_t start, nsectors;
};

static inline struct mbr_entry
mbr_get_entry(const uint8_t *sector, unsigned i)
{
	const uint8_t *p = sector + MBR_TABLE + i * MBR_ENTRY_SIZE;

	return (struct mbr_entry){ p[0], p[4], blk_get32(p + 8), blk_get32(p + 12) };
}

static inline bool
mbr_has_magic(const uint8_t *sector)
{
	return sector[MBR_MAGIC] == 0x55 && sector[MBR_MAGIC + 1] == 0xaa;
}

static inline bool
mbr_is_empty(const struct mbr_entry *e)
{
	return e->type == MBR_TYPE_EMPTY || !e->nsectors;
}

static inline bool
mbr_is_extended(const struct mbr_entry *e)
{
	return e->type == MBR_TYPE_EXTENDED || e->type == MBR_TYPE_EXTENDED_LBA ||
	       e->type == MBR_TYPE_EXTENDED_LINUX;
}
