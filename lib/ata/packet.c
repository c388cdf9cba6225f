/*
 * PACKET [ACS-4, 7.18], and commands for programmed I/O [ACS-4, 7.24 to 7.62].
 */
#include <string.h>
#include "ata.h"

enum {
	FEATURE_DMA = 1,
	W_CONFIG = 0,
	W_MULTIPLE = 47,
	W_CAPABILITIES = 49,
	W_PACKET_DMA = 62,
	MULTIPLE_MAX = 128,
};

void
ata_cmd_packet(const uint8_t cdb[ATA_CDB_SIZE], uint32_t bytes, bool dma, struct ata_packet *out)
{
	/* A device that has data, and may send blocks of none, aborts or hangs [ACS-4, 7.18]. */
	uint64_t limit = bytes && bytes < ATA_PACKET_COUNT_MAX ? bytes : ATA_PACKET_COUNT_MAX;

	*out = (struct ata_packet){
		.command = { .opcode = ATA_PACKET,
			     .features = dma ? FEATURE_DMA : 0,
			     .lba = dma ? 0 : limit << 8 } /* in LBA mid and high */
	};
	memcpy(out->cdb, cdb, sizeof out->cdb);
}

static unsigned
word(const uint8_t *page, unsigned i)
{
	return page[2 * i] | (unsigned)page[2 * i + 1] << 8;
}

void
ata_transfers(const void *data, struct ata_transfers *out)
{
	const uint8_t *page = data;
	unsigned multiple = word(page, W_MULTIPLE) & 0xff, config = word(page, W_CONFIG);

	*out = (struct ata_transfers){ .dma = word(page, W_CAPABILITIES) >> 8 & 1,
				       .dma_direction = word(page, W_PACKET_DMA) >> 15,
				       .cdb_size = (config & 3) == 1 ? 16 : 12,
				       .cdb_interrupts = (config >> 5 & 3) == 1 };
	if (multiple && multiple <= MULTIPLE_MAX && !(multiple & (multiple - 1)))
		out->multiple = multiple;
}

int
ata_cmd_rw_pio(const struct ata_identity *id, const struct ata_rw *rw, bool multiple,
	       struct ata_command *out)
{
	static const uint8_t opcodes[2][2][2] = {
		/* write, multiple, 48 bits */
		{ { ATA_READ_SECTORS, ATA_READ_SECTORS_EXT },
		  { ATA_READ_MULTIPLE, ATA_READ_MULTIPLE_EXT } },
		{ { ATA_WRITE_SECTORS, ATA_WRITE_SECTORS_EXT },
		  { ATA_WRITE_MULTIPLE, ATA_WRITE_MULTIPLE_EXT } },
	};
	struct ata_rw plain = { .lba = rw->lba, .n = rw->n, .write = rw->write };
	int err = ata_cmd_rw(id, &plain, out);

	if (err == 0)
		out->opcode = opcodes[rw->write][multiple][id->lba48];
	return err;
}
