/*
 * ATA commands [ACS-4, 7].  In the 28-bit commands bits 27:24 of the LBA are in the device
 * register; in FPDMA QUEUED the count is in features and the tag in count [ACS-4, 7.24].
 */
#include <errno.h>
#include <string.h>
#include "ata.h"

enum {
	DEVICE_LBA = 0x40,
	DEVICE_FUA = 0x80,
	FPDMA_TAG_SHIFT = 3,
	TRIM_FEATURE = 1,
	TRIM_ENTRY = 8,
};

static const uint64_t TRIM_LBA_MASK = 0xffffffffffff;

uint32_t
ata_max_sectors(const struct ata_identity *id)
{
	return id->lba48 ? ATA_LBA48_MAX : ATA_LBA28_MAX;
}

int
ata_cmd_rw(const struct ata_identity *id, const struct ata_rw *rw, struct ata_command *out)
{
	if (!rw->n || rw->n > ata_max_sectors(id))
		return -EINVAL;
	if (rw->lba >= id->nsectors || rw->n > id->nsectors - rw->lba)
		return -EINVAL;
	out->lba = rw->lba;
	out->device = DEVICE_LBA;
	out->features = 0;
	out->count = (uint16_t)rw->n; /* 65536 is written 0 */
	if (rw->queued) {
		if (!id->ncq || rw->tag >= ATA_MAX_TAGS)
			return -EINVAL;
		out->opcode = rw->write ? ATA_WRITE_FPDMA : ATA_READ_FPDMA;
		out->features = (uint16_t)rw->n;
		out->count = (uint16_t)(rw->tag << FPDMA_TAG_SHIFT);
		if (rw->fua)
			out->device |= DEVICE_FUA;
		return 0;
	}
	if (rw->fua && (!rw->write || !id->fua || !id->lba48))
		return -ENOTSUP;
	if (id->lba48) {
		out->opcode = rw->fua     ? ATA_WRITE_DMA_FUA_EXT
			      : rw->write ? ATA_WRITE_DMA_EXT
					  : ATA_READ_DMA_EXT;
		return 0;
	}
	out->opcode = rw->write ? ATA_WRITE_DMA : ATA_READ_DMA;
	out->count = (uint8_t)rw->n;
	out->device |= (uint8_t)(rw->lba >> 24 & 15);
	out->lba &= 0xffffff;
	return 0;
}

void
ata_cmd_simple(uint8_t opcode, struct ata_command *out)
{
	*out = (struct ata_command){ .opcode = opcode };
}

void
ata_cmd_flush(const struct ata_identity *id, struct ata_command *out)
{
	ata_cmd_simple(id->flush_ext ? ATA_FLUSH_EXT : ATA_FLUSH, out);
}

void
ata_cmd_trim(unsigned nblocks, struct ata_command *out)
{
	*out = (struct ata_command){ .opcode = ATA_DSM,
				     .device = DEVICE_LBA,
				     .features = TRIM_FEATURE,
				     .count = (uint16_t)nblocks };
}

static void
put_range(uint8_t *at, uint64_t lba, uint64_t count)
{
	uint64_t entry = lba | count << 48;

	for (unsigned b = 0; b < 8; b++)
		at[b] = (uint8_t)(entry >> 8 * b);
}

static uint64_t
get_range(const uint8_t *at)
{
	uint64_t entry = 0;

	for (unsigned b = 0; b < 8; b++)
		entry |= (uint64_t)at[b] << 8 * b;
	return entry;
}

int
ata_trim_add(uint8_t *buf, unsigned used, unsigned max, uint64_t lba, uint64_t n)
{
	uint64_t last = used ? get_range(buf + (used - 1) * TRIM_ENTRY) : 0;
	uint64_t first = last & TRIM_LBA_MASK, count = last >> 48, joined = 0;

	if (used && first + count == lba) {
		joined = ATA_TRIM_RANGE_MAX - count < n ? ATA_TRIM_RANGE_MAX - count : n;
		lba += joined;
		n -= joined;
	}
	if ((n + ATA_TRIM_RANGE_MAX - 1) / ATA_TRIM_RANGE_MAX > max - used)
		return -E2BIG;
	if (joined)
		put_range(buf + (used - 1) * TRIM_ENTRY, first, count + joined);
	while (n) {
		uint64_t part = n < ATA_TRIM_RANGE_MAX ? n : ATA_TRIM_RANGE_MAX;

		put_range(buf + used++ * TRIM_ENTRY, lba, part);
		lba += part;
		n -= part;
	}
	return (int)used;
}

unsigned
ata_trim_end(uint8_t *buf, unsigned used)
{
	unsigned nblocks = (used + ATA_TRIM_RANGES - 1) / ATA_TRIM_RANGES;

	memset(buf + used * TRIM_ENTRY, 0, (nblocks * ATA_TRIM_RANGES - used) * TRIM_ENTRY);
	return nblocks;
}

const char *
ata_opcode_name(uint8_t opcode)
{
	static const struct {
		uint8_t opcode;
		const char *name;
	} names[] = {
		{ ATA_DSM, "DATA SET MANAGEMENT" },
		{ ATA_READ_DMA_EXT, "READ DMA EXT" },
		{ ATA_WRITE_DMA_EXT, "WRITE DMA EXT" },
		{ ATA_WRITE_DMA_FUA_EXT, "WRITE DMA FUA EXT" },
		{ ATA_READ_FPDMA, "READ FPDMA QUEUED" },
		{ ATA_WRITE_FPDMA, "WRITE FPDMA QUEUED" },
		{ ATA_PACKET, "PACKET" },
		{ ATA_READ_SECTORS, "READ SECTORS" },
		{ ATA_READ_SECTORS_EXT, "READ SECTORS EXT" },
		{ ATA_READ_MULTIPLE, "READ MULTIPLE" },
		{ ATA_READ_MULTIPLE_EXT, "READ MULTIPLE EXT" },
		{ ATA_WRITE_SECTORS, "WRITE SECTORS" },
		{ ATA_WRITE_SECTORS_EXT, "WRITE SECTORS EXT" },
		{ ATA_WRITE_MULTIPLE, "WRITE MULTIPLE" },
		{ ATA_WRITE_MULTIPLE_EXT, "WRITE MULTIPLE EXT" },
		{ ATA_SET_MULTIPLE, "SET MULTIPLE MODE" },
		{ ATA_IDENTIFY_PACKET, "IDENTIFY PACKET DEVICE" },
		{ ATA_SMART, "SMART" },
		{ ATA_READ_DMA, "READ DMA" },
		{ ATA_WRITE_DMA, "WRITE DMA" },
		{ ATA_STANDBY_IMMEDIATE, "STANDBY IMMEDIATE" },
		{ ATA_FLUSH, "FLUSH CACHE" },
		{ ATA_FLUSH_EXT, "FLUSH CACHE EXT" },
		{ ATA_IDENTIFY, "IDENTIFY DEVICE" },
		{ ATA_SET_FEATURES, "SET FEATURES" },
		{ ATA_READ_LOG_EXT, "READ LOG EXT" },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].opcode == opcode)
			return names[i].name;
	return "unknown command";
}
