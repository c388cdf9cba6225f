/*
 * ATA and AHCI data, without hardware: IDENTIFY pages, commands, FISes, AHCI command headers and
 * PRD tables.  Pure functions; the caller owns all memory.  Sections are those of ACS-4, SATA 3.3
 * and AHCI 1.3.1.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dma_seg.h"

/* --- lib/ata/identify.c ---------------------------------------------------------------------- */

enum { ATA_PAGE_SIZE = 512, ATA_IDENTIFY_SIZE = ATA_PAGE_SIZE, ATA_MAX_TAGS = 32 };

struct ata_identity {
	char model[41], serial[21], firmware[9]; /* printable, without blanks at the end */
	bool packet;                             /* IDENTIFY PACKET DEVICE: nothing below counts */
	bool lba48, dma, removable;
	bool ncq;
	unsigned queue_depth; /* 1..32 */
	bool write_cache, write_cache_on;
	bool flush, flush_ext, fua; /* fua: WRITE DMA FUA EXT */
	bool logs;                  /* READ LOG EXT */
	bool smart, smart_on;
	bool trim, trim_zeroes;        /* zeroes: trimmed sectors read as 0 for certain */
	unsigned trim_blocks;          /* 512-byte blocks of ranges in one command; at least 1 */
	uint64_t nsectors;             /* logical */
	uint32_t secsize, physsecsize; /* bytes */
	uint32_t align;                /* logical sectors that LBA 0 lies into its physical one */
	unsigned rotation;             /* rpm; 1 solid state; 0 not told */
	unsigned sata_gen;             /* the fastest it can; 0 not told */
	uint64_t wwn;                  /* 0 without */
	unsigned cylinders, heads, sectors_per_track;
};

/*
 * Decodes the 512 bytes of IDENTIFY DEVICE [ACS-4, 7.13.6].  -EINVAL: a wrong checksum;
 * -ENOTSUP: no LBA, no sectors, or a sector size that is not a power of two in 512..4096.
 */
int ata_identify(const void *page, struct ata_identity *out);

/* --- lib/ata/command.c ----------------------------------------------------------------------- */

enum ata_opcode {
	ATA_DSM = 0x06,
	ATA_READ_DMA_EXT = 0x25,
	ATA_WRITE_DMA_EXT = 0x35,
	ATA_WRITE_DMA_FUA_EXT = 0x3d,
	ATA_READ_FPDMA = 0x60,
	ATA_WRITE_FPDMA = 0x61,
	ATA_READ_SECTORS = 0x20,
	ATA_READ_SECTORS_EXT = 0x24,
	ATA_READ_MULTIPLE_EXT = 0x29,
	ATA_WRITE_SECTORS = 0x30,
	ATA_WRITE_SECTORS_EXT = 0x34,
	ATA_WRITE_MULTIPLE_EXT = 0x39,
	ATA_PACKET = 0xa0,
	ATA_IDENTIFY_PACKET = 0xa1,
	ATA_READ_MULTIPLE = 0xc4,
	ATA_WRITE_MULTIPLE = 0xc5,
	ATA_SET_MULTIPLE = 0xc6,
	ATA_SMART = 0xb0,
	ATA_READ_DMA = 0xc8,
	ATA_WRITE_DMA = 0xca,
	ATA_STANDBY_IMMEDIATE = 0xe0,
	ATA_CHECK_POWER_MODE = 0xe5,
	ATA_FLUSH = 0xe7,
	ATA_FLUSH_EXT = 0xea,
	ATA_IDENTIFY = 0xec,
	ATA_SET_FEATURES = 0xef,
	ATA_READ_LOG_EXT = 0x2f,
};

enum {
	ATA_LOG_NCQ_ERROR = 0x10,
	ATA_LBA28_SECTORS = 1 << 28,
	ATA_LBA28_MAX = 256,
	ATA_LBA48_MAX = 65536,
};

struct ata_command {
	uint8_t opcode, device;
	uint16_t features, count;
	uint64_t lba;
};

/* The most sectors that one read or write may have on this device. */
uint32_t ata_max_sectors(const struct ata_identity *id);
/*
 * A read or a write of n sectors: FPDMA with the tag where the device queues, else DMA EXT, else
 * DMA.  FUA on a device that cannot gives -ENOTSUP; n = 0, too many, or beyond the end, -EINVAL.
 */
struct ata_rw {
	uint64_t lba;
	uint32_t n;
	bool write, fua, queued;
	unsigned tag;
};
int ata_cmd_rw(const struct ata_identity *id, const struct ata_rw *rw, struct ata_command *out);
void ata_cmd_flush(const struct ata_identity *id, struct ata_command *out);
void ata_cmd_trim(unsigned nblocks, struct ata_command *out);
void ata_cmd_simple(uint8_t opcode, struct ata_command *out);
/*
 * DSM ranges [ACS-4, 7.5.3], of which buf has `used`: n sectors at lba are put after them, joined
 * to the last if they follow it.  Returns how many there are then; n is left as it is when `max` do
 * not suffice: -E2BIG, and nothing is changed.
 */
enum { ATA_TRIM_RANGE_MAX = 65535, ATA_TRIM_RANGES = 64 /* in a block of 512 bytes */ };
int ata_trim_add(uint8_t *buf, unsigned used, unsigned max, uint64_t lba, uint64_t n);
/* Zeroes what is left of the last block: how many blocks hold ranges. */
unsigned ata_trim_end(uint8_t *buf, unsigned used);
/* "READ FPDMA QUEUED"; "unknown command" for one that is not in the list above. */
const char *ata_opcode_name(uint8_t opcode);

/* --- lib/ata/log.c: each page has ATA_PAGE_SIZE bytes ---------------------------------------- */

struct ata_ncq_error {
	bool queued; /* else the error was no queued command's, and tag says nothing */
	unsigned tag;
	uint8_t status, error;
	uint64_t lba;
};

enum ata_smart { ATA_SMART_DATA = 0xd0, ATA_SMART_THRESHOLDS = 0xd1, ATA_SMART_STATUS = 0xda };
enum { ATA_SMART_COUNT = 30 }; /* attributes of a disk, at most */

struct ata_attribute {
	uint8_t id, value, worst, threshold; /* threshold 0: it has none, or it is not known */
	uint64_t raw;
};

void ata_cmd_ncq_log(struct ata_command *out);
/* -EINVAL: a wrong sum, or no error in it. */
int ata_ncq_error(const void *page, struct ata_ncq_error *out);
void ata_cmd_smart(enum ata_smart what, struct ata_command *out);
struct ata_result;
/* Of SMART RETURN STATUS: 1 good, 0 failing, -EINVAL neither. */
int ata_smart_health(const struct ata_result *r);
/* Of SMART READ DATA: degrees Celsius; -ENOENT: not told; -EINVAL: a wrong sum. */
int ata_smart_temperature(const void *page);
/*
 * Of SMART READ DATA and, if there is one, of SMART READ THRESHOLDS: how many; 0 for a page with a
 * wrong sum.
 */
unsigned ata_smart_attributes(const void *page, const void *thresholds,
			      struct ata_attribute out[ATA_SMART_COUNT]);
/* "reallocated-sectors"; NULL: there is no usual name. */
const char *ata_smart_name(uint8_t id);
/* "ok", "failing" (its value is at or below the threshold) or "failed" (its worst value was). */
const char *ata_smart_state(const struct ata_attribute *a);

/* --- lib/ata/packet.c: PACKET, and transfers by programmed I/O ------------------------------- */

enum { ATA_CDB_SIZE = 16, ATA_PACKET_COUNT_MAX = 0xfffe };

struct ata_packet {
	struct ata_command command;
	uint8_t cdb[ATA_CDB_SIZE];
};

struct ata_packet_end { /* how it ended */
	uint8_t status, error;
	uint32_t moved; /* bytes */
};

/* bytes: what it moves at most, at a time when it is not by DMA [ACS-4, 7.18]. */
void
ata_cmd_packet(const uint8_t cdb[ATA_CDB_SIZE], uint32_t bytes, bool dma, struct ata_packet *out);

struct ata_transfers {       /* what an IDENTIFY page says of them */
	unsigned multiple;   /* sectors in a block of READ MULTIPLE, a power of 2; 0: it has none */
	bool dma;            /* of a packet device too */
	bool dma_direction;  /* DMADIR is wanted in PACKET */
	unsigned cdb_size;   /* 12 or 16 */
	bool cdb_interrupts; /* it interrupts when it wants the packet */
};
void ata_transfers(const void *page, struct ata_transfers *out);
/* As ata_cmd_rw, with READ or WRITE SECTORS, or MULTIPLE where that was set; not queued, no FUA. */
int ata_cmd_rw_pio(const struct ata_identity *id, const struct ata_rw *rw, bool multiple,
		   struct ata_command *out);

/* --- lib/ata/fis.c --------------------------------------------------------------------------- */

enum {
	ATA_FIS_H2D = 0x27,
	ATA_FIS_D2H = 0x34,
	ATA_FIS_DMA_SETUP = 0x41,
	ATA_FIS_PIO_SETUP = 0x5f,
	ATA_FIS_SET_BITS = 0xa1,
	ATA_FIS_H2D_SIZE = 20,
	ATA_FIS_D2H_SIZE = 20,
	ATA_FIS_PIO_SIZE = 20,
	ATA_FIS_SET_SIZE = 8,
};

enum {
	ATA_STATUS_ERR = 1,
	ATA_STATUS_DRQ = 8,
	ATA_STATUS_DF = 0x20,
	ATA_STATUS_DRDY = 0x40,
	ATA_STATUS_BSY = 0x80,
	ATA_ERROR_ILI = 1,
	ATA_ERROR_NM = 2,
	ATA_ERROR_ABRT = 4,
	ATA_ERROR_MCR = 8,
	ATA_ERROR_IDNF = 0x10,
	ATA_ERROR_MC = 0x20,
	ATA_ERROR_UNC = 0x40,
	ATA_ERROR_ICRC = 0x80,
};

struct ata_result { /* of D2H, PIO setup and set device bits */
	uint8_t type, status, error, device;
	bool interrupt;
	uint64_t lba;
	uint32_t count;     /* D2H: count; PIO setup: bytes */
	uint8_t end_status; /* PIO setup: the status after the data */
	uint32_t active;    /* set device bits: the tags that are done */
};

/* Register, host to device, with the C bit [SATA 3.3, 10.5.5]. */
void ata_fis_h2d(uint8_t fis[ATA_FIS_H2D_SIZE], const struct ata_command *c);
/* Software reset, set and then clear, without the C bit [SATA 3.3, 11.4; AHCI 1.3.1, 10.4.1]. */
void ata_fis_reset(uint8_t fis[ATA_FIS_H2D_SIZE], bool set);
/* -EINVAL for a type that is none of the three, or for too few bytes. */
int ata_fis_decode(const uint8_t *fis, size_t n, struct ata_result *out);
/* "status 0x41 DRDY ERR, error 0x40 UNC"; the length, as snprintf's but at most size - 1. */
int ata_error_text(uint8_t status, uint8_t error, char *buf, size_t size);
/* 0 without ERR or DF, else -ENOMEDIUM or -EIO. */
int ata_errno(uint8_t status, uint8_t error);

/* --- lib/ata/ahci.c: what AHCI has in memory ------------------------------------------------- */

enum {
	AHCI_HEADER_SIZE = 32,
	AHCI_LIST_SIZE = 1024,
	AHCI_FIS_AREA = 256,
	AHCI_TABLE_CFIS = 0,
	AHCI_TABLE_ACMD = 0x40,
	AHCI_TABLE_PRDT = 0x80,
	AHCI_PRD_SIZE = 16,
	AHCI_PRD_MAX = 4 << 20, /* bytes of one entry */
	AHCI_MAX_PRDS = 65535,
	AHCI_RFIS_DMA_SETUP = 0,
	AHCI_RFIS_PIO = 0x20,
	AHCI_RFIS_D2H = 0x40,
	AHCI_RFIS_SET_BITS = 0x58,
};

enum { /* flags of a command header, as in its first word */
       AHCI_HEADER_ATAPI = 1 << 5,
       AHCI_HEADER_WRITE = 1 << 6,
       AHCI_HEADER_PREFETCH = 1 << 7,
       AHCI_HEADER_RESET = 1 << 8,
       AHCI_HEADER_BIST = 1 << 9,
       AHCI_HEADER_CLEAR_BUSY = 1 << 10,
};

/* [AHCI 1.3.1, 4.2.2]; the FIS's length is that of H2D.  table must be 128-byte aligned. */
void ahci_header(void *header, uint32_t flags, unsigned nprds, uint64_t table);
/* Bytes moved, as the controller left it. */
uint32_t ahci_header_moved(const void *header);
/*
 * [AHCI 1.3.1, 4.2.3.3]: entries for the pieces, splitting those above 4 MiB.  The number of
 * entries; -EINVAL for an odd address or length, or nothing; -E2BIG above max.
 */
int ahci_prdt(void *prdt, unsigned max, const struct dma_seg *piece, unsigned n);
