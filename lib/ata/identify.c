/*
 * IDENTIFY DEVICE data [ACS-4, 7.13.6].  256 little-endian words; strings have the two characters
 * of each word swapped.  A word whose bits 15:14 are not 01b, where it has them, says nothing.
 */
#include <errno.h>
#include <string.h>
#include "ata.h"

enum {
	W_CONFIG = 0,
	W_CYLINDERS = 1,
	W_HEADS = 3,
	W_SECTORS = 6,
	W_SERIAL = 10,
	W_FIRMWARE = 23,
	W_MODEL = 27,
	W_CAPABILITIES = 49,
	W_LBA28 = 60,
	W_ADDITIONAL = 69,
	W_QUEUE_DEPTH = 75,
	W_SATA = 76,
	W_SET1 = 82,
	W_SET2 = 83,
	W_SET3 = 84,
	W_ON1 = 85,
	W_LBA48 = 100,
	W_TRIM_BLOCKS = 105,
	W_SECTOR_SIZE = 106,
	W_WWN = 108,
	W_LOGICAL_WORDS = 117,
	W_DSM = 169,
	W_ALIGNMENT = 209,
	W_ROTATION = 217,
	W_LBA_EXTENDED = 230,
	W_INTEGRITY = 255,

	INTEGRITY_MAGIC = 0xa5,
	MAX_SECTOR_SHIFT = 12, /* of a physical sector: logical ones in it */
};

static uint16_t
word(const uint8_t *page, unsigned i)
{
	return (uint16_t)(page[2 * i] | page[2 * i + 1] << 8);
}

static bool
bit(const uint8_t *page, unsigned i, unsigned n)
{
	return word(page, i) >> n & 1;
}

/* Bits 15:14 are 01b: the word is valid. */
static bool
marked(const uint8_t *page, unsigned i)
{
	return word(page, i) >> 14 == 1;
}

static uint32_t
dword(const uint8_t *page, unsigned i)
{
	return word(page, i) | (uint32_t)word(page, i + 1) << 16;
}

static void
text(char *out, const uint8_t *page, unsigned first, unsigned nwords)
{
	unsigned len = 2 * nwords, skip;

	for (unsigned i = 0; i < len; i++) {
		char c = (char)page[2 * first + (i ^ 1)];

		out[i] = c >= ' ' && c < 0x7f ? c : ' ';
	}
	while (len && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
	skip = (unsigned)strspn(out, " ");
	memmove(out, out + skip, len - skip + 1);
}

static bool
checksum_wrong(const uint8_t *page)
{
	uint8_t sum = 0;

	if ((word(page, W_INTEGRITY) & 0xff) != INTEGRITY_MAGIC)
		return false; /* the device has none */
	for (unsigned i = 0; i < ATA_IDENTIFY_SIZE; i++)
		sum = (uint8_t)(sum + page[i]);
	return sum != 0;
}

static void
decode_features(const uint8_t *page, struct ata_identity *id)
{
	uint16_t sata = word(page, W_SATA);

	id->dma = bit(page, W_CAPABILITIES, 8);
	id->smart = bit(page, W_SET1, 0);
	id->write_cache = bit(page, W_SET1, 5);
	id->smart_on = bit(page, W_ON1, 0);
	id->write_cache_on = bit(page, W_ON1, 5);
	if (marked(page, W_SET2)) {
		id->lba48 = bit(page, W_SET2, 10);
		id->flush = bit(page, W_SET2, 12);
		id->flush_ext = bit(page, W_SET2, 13);
	}
	if (marked(page, W_SET3)) {
		id->logs = bit(page, W_SET3, 5);
		id->fua = bit(page, W_SET3, 6);
		if (bit(page, W_SET3, 8))
			id->wwn = (uint64_t)word(page, W_WWN) << 48 |
				  (uint64_t)word(page, W_WWN + 1) << 32 |
				  (uint64_t)word(page, W_WWN + 2) << 16 | word(page, W_WWN + 3);
	}
	id->queue_depth = 1;
	if (sata != 0 && sata != 0xffff) {
		id->sata_gen = sata & 8 ? 3 : sata & 4 ? 2 : sata & 2 ? 1 : 0;
		id->ncq = sata >> 8 & 1;
		if (id->ncq)
			id->queue_depth = (word(page, W_QUEUE_DEPTH) & 31) + 1u;
	}
	id->trim = bit(page, W_DSM, 0);
	id->trim_zeroes = id->trim && bit(page, W_ADDITIONAL, 14) && bit(page, W_ADDITIONAL, 5);
	id->trim_blocks = word(page, W_TRIM_BLOCKS) ? word(page, W_TRIM_BLOCKS) : 1;
	id->rotation = word(page, W_ROTATION);
	if (id->rotation > 1 && (id->rotation <= 0x400 || id->rotation == 0xffff))
		id->rotation = 0;
}

static int
decode_sectors(const uint8_t *page, struct ata_identity *id)
{
	uint64_t bytes = 512;
	unsigned shift = 0;

	/* Words 117-118 count 16-bit words [ACS-4, 7.13.6.39]. */
	if (marked(page, W_SECTOR_SIZE)) {
		if (bit(page, W_SECTOR_SIZE, 12))
			bytes = 2 * (uint64_t)dword(page, W_LOGICAL_WORDS);
		if (bit(page, W_SECTOR_SIZE, 13))
			shift = word(page, W_SECTOR_SIZE) & 15;
	}
	if (bytes < 512 || bytes > 4096 || (bytes & (bytes - 1)) || shift > MAX_SECTOR_SHIFT)
		return -ENOTSUP;
	id->secsize = (uint32_t)bytes;
	id->physsecsize = id->secsize << shift;
	if (marked(page, W_ALIGNMENT))
		id->align = word(page, W_ALIGNMENT) & 0x3fff & ((1u << shift) - 1);

	id->nsectors = dword(page, W_LBA28);
	if (id->lba48) {
		unsigned w = bit(page, W_ADDITIONAL, 3) ? W_LBA_EXTENDED : W_LBA48;

		id->nsectors = dword(page, w) | (uint64_t)dword(page, w + 2) << 32;
		if (id->nsectors > 1ull << 48)
			return -ENOTSUP;
	} else if (id->nsectors > ATA_LBA28_SECTORS)
		return -ENOTSUP;
	return id->nsectors && bit(page, W_CAPABILITIES, 9) ? 0 : -ENOTSUP;
}

int
ata_identify(const void *data, struct ata_identity *id)
{
	const uint8_t *page = data;

	memset(id, 0, sizeof *id);
	if (checksum_wrong(page))
		return -EINVAL;
	text(id->serial, page, W_SERIAL, 10);
	text(id->firmware, page, W_FIRMWARE, 4);
	text(id->model, page, W_MODEL, 20);
	id->removable = bit(page, W_CONFIG, 7);
	id->packet = word(page, W_CONFIG) >> 14 == 2;
	if (id->packet)
		return 0;
	id->cylinders = word(page, W_CYLINDERS);
	id->heads = word(page, W_HEADS);
	id->sectors_per_track = word(page, W_SECTORS);
	decode_features(page, id);
	return decode_sectors(page, id);
}
