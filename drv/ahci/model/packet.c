/*
 * The model as an optical drive: the few packets that tell what is in it, and reads; see command.h.
 */
#include "command.h"

#include <string.h>

enum {
	BLOCK = 2048,
	OP_READY = 0x00,
	OP_SENSE = 0x03,
	OP_INQUIRY = 0x12,
	OP_CAPACITY = 0x25,
	OP_READ_10 = 0x28,
	OP_READ_12 = 0xa8,
	NOT_READY = 2,
	MEDIUM_ERROR = 3,
	ILLEGAL_REQUEST = 5,
	NO_MEDIUM = 0x3a,
	UNRECOVERED = 0x11,
	NO_SUCH_COMMAND = 0x20,
	OUT_OF_RANGE = 0x21,
};

void
model_identify_packet(const struct model_disk *d, uint8_t page[512])
{
	memset(page, 0, 512);
	page[0] = 0x80; /* removable, 12-byte packets */
	page[1] = 0x85; /* a packet device, an optical one */
	page[2 * 49 + 1] = 0x03;
	ata_page_text(page, 10, 10, d->serial);
	ata_page_text(page, 23, 4, "1.0");
	ata_page_text(page, 27, 20, "Model drive");
}

static bool
fail(struct model_disk *d, uint8_t key, uint8_t code)
{
	d->sense[0] = key;
	d->sense[1] = code;
	d->sense[2] = 0;
	return false;
}

/* As much of an answer as was asked for; how much goes into the header. */
static bool
answer(struct model *m, const struct model_command *in, uint8_t *buf, size_t n, size_t asked)
{
	uint32_t moved = (uint32_t)(n < asked ? n : asked);

	memcpy((uint8_t *)in->header + 4, &moved, sizeof moved);
	return model_move(m, in, buf, moved, true);
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool
read_blocks(struct model *m, struct model_disk *d, const struct model_command *in,
	    const uint8_t *cdb)
{
	uint32_t lba = get32(cdb + 2);
	uint32_t n = cdb[0] == OP_READ_10 ? (uint32_t)(cdb[7] << 8 | cdb[8]) : get32(cdb + 6);

	if (lba > d->nsectors || n > d->nsectors - lba)
		return fail(d, ILLEGAL_REQUEST, OUT_OF_RANGE);
	if (d->bad_block && d->bad_block >= lba && d->bad_block < lba + n)
		return fail(d, MEDIUM_ERROR, UNRECOVERED);
	d->reads++;
	return answer(m, in, d->data + (size_t)lba * BLOCK, (size_t)n * BLOCK, SIZE_MAX);
}

bool
model_packet(struct model *m, struct model_disk *d, const struct model_command *in)
{
	const uint8_t *cdb = in->table + AHCI_TABLE_ACMD;
	uint32_t last = (uint32_t)(d->nsectors - 1);
	uint8_t sense[18] = { 0x70, 0, d->sense[0], 0, 0, 0, 0, 10 };
	uint8_t inquiry[36] = { 5, 0x80, 0, 0x32, 31 };
	uint8_t capacity[8] = { (uint8_t)(last >> 24),
				(uint8_t)(last >> 16),
				(uint8_t)(last >> 8),
				(uint8_t)last,
				0,
				0,
				BLOCK >> 8,
				0 };

	if (!(in->header[0] & AHCI_HEADER_ATAPI))
		sip_model_lint(&m->bus, "a packet without the ATAPI flag");
	switch (cdb[0]) {
	case OP_SENSE:
		sense[12] = d->sense[1];
		sense[13] = d->sense[2];
		return answer(m, in, sense, sizeof sense, cdb[4]);
	case OP_INQUIRY:
		memcpy(inquiry + 8, "MODEL   OPTICAL DRIVE   1.0 ", 28);
		return answer(m, in, inquiry, sizeof inquiry, cdb[4]);
	case OP_READY: return d->medium || fail(d, NOT_READY, NO_MEDIUM);
	case OP_CAPACITY:
		if (!d->medium)
			return fail(d, NOT_READY, NO_MEDIUM);
		return answer(m, in, capacity, sizeof capacity, SIZE_MAX);
	case OP_READ_10:
	case OP_READ_12:
		if (!d->medium)
			return fail(d, NOT_READY, NO_MEDIUM);
		return read_blocks(m, d, in, cdb);
	}
	return fail(d, ILLEGAL_REQUEST, NO_SUCH_COMMAND);
}
