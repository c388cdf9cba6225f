/*
 * Block devices: partition tables, and the /dev/sd tree over a driver's four functions.
 *
 * The first half is pure: it reads sectors through a callback and decodes MBR (with extended
 * partitions) and GPT.  The second half serves disks.  A driver makes one blk_server, gives it
 * DMA memory, and adds a blk_disk for every disk that it finds; the tree, the partitions,
 * unaligned access and the statistics are done here.
 */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- lib/blk/{scan,mbr,gpt}.c: partition tables ---------------------------------------------- */

enum {
	BLK_MAX_PARTS = 128,	/* of one disk; the rest are refused with a note */
	BLK_MIN_SECTOR = 512,
	BLK_MAX_SECTOR = 4096,
	BLK_NOTES_MAX = 1024,
};

enum blk_table_kind { BLK_TABLE_NONE, BLK_TABLE_MBR, BLK_TABLE_GPT };

struct blk_part {
	uint64_t start, nsectors;	/* logical sectors; wholly inside the disk */
	uint32_t number;		/* 1 and up, as Linux numbers them */
	bool container;			/* an extended partition: holds others, is no file itself */
	bool bootable;
	uint8_t mbr_type;		/* MBR only */
	uint64_t attributes;		/* GPT only, as the next two */
	char type_uuid[37];
	char uuid[37];			/* MBR: signature-NN, as Linux's PARTUUID */
	char label[36 * 3 + 1];		/* UTF-8; control characters and '/' become '_' */
};

struct blk_table {
	enum blk_table_kind kind;
	char uuid[37];			/* of the disk: GPT's GUID or MBR's signature */
	unsigned nparts;
	struct blk_part part[BLK_MAX_PARTS];	/* none overlaps another but for containers */
	unsigned nrefused;
	char notes[BLK_NOTES_MAX];	/* what was refused or repaired and why, one a line */
};

/* Reads whole sectors: 0, or a negative errno. */
typedef int (*blk_read_fn)(void *ctx, uint64_t sector, uint32_t nsectors, void *buf);

/*
 * Reads the partition table of a disk of nsectors sectors of secsize bytes (512..4096, a power
 * of two).  Returns 0 (also for a disk without a table), -EINVAL for a bad secsize, or what
 * `read` failed with for sector 0.  Damage elsewhere costs partitions, never the call: it is told
 * in out->notes.  At most 1 MiB of heap for the time of the call; -ENOMEM without.
 */
int blk_scan_partitions(blk_read_fn read, void *ctx, uint64_t nsectors, uint32_t secsize,
    struct blk_table *out);
/* The partition with that number that is not a container, or NULL. */
const struct blk_part *blk_find_part(const struct blk_table *t, uint32_t number);
/* IEEE 802.3, as GPT uses it: start with 0; a result may be passed on as the next start. */
uint32_t blk_crc32(uint32_t crc, const void *data, size_t n);
