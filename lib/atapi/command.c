/*
 * Packet commands and their answers [MMC-6, 6; SPC-4, 6].  Everything in a packet is big-endian.
 * Pure; what came from a device is never believed beyond the bytes that came.
 */
#include <errno.h>
#include <string.h>
#include "atapi.h"

enum {
	QUICK_MS = 10000,
	READ_MS = 30000, /* the disc may have to spin up, and bad places are tried again */
	TRAY_MS = 30000,
	READ_10_MAX = 65535,
	IMMEDIATE = 1, /* in byte 1 of START STOP UNIT */
	POLLED = 1,
	MEDIA_CLASS = 4,
	CAPS_PAGE = 0x2a,
	CAPS_PAGE_MIN = 7,
	TOC_ENTRY = 8,
	TOC_HEAD = 4,
	CONTROL_DATA = 4, /* of a track */
	MODE_HEAD = 8,
	OLD_FORM_1 = 2336, /* what old drives say of a disc that they read in blocks of 2048 */
	OLD_FORM_2 = 2340,
	RAW_SECTOR = 2352,
};

static uint32_t
be16(const uint8_t *b)
{
	return (uint32_t)b[0] << 8 | b[1];
}

static uint32_t
be32(const uint8_t *b)
{
	return be16(b) << 16 | be16(b + 2);
}

static void
put16(uint8_t *b, uint32_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static void
put32(uint8_t *b, uint32_t v)
{
	put16(b, v >> 16);
	put16(b + 2, v);
}

static void
command(struct atapi_packet *p, uint8_t opcode, uint32_t in_bytes, uint32_t timeout_ms)
{
	*p = (struct atapi_packet){ .direction = in_bytes ? ATAPI_IN : ATAPI_NODATA,
				    .bytes = in_bytes,
				    .timeout_ms = timeout_ms };
	p->cdb[0] = opcode;
}

void
atapi_cmd_test_ready(struct atapi_packet *p)
{
	command(p, ATAPI_TEST_UNIT_READY, 0, QUICK_MS);
}

void
atapi_cmd_request_sense(struct atapi_packet *p)
{
	command(p, ATAPI_REQUEST_SENSE, ATAPI_SENSE_SIZE, QUICK_MS);
	p->cdb[4] = ATAPI_SENSE_SIZE;
}

void
atapi_cmd_inquiry(struct atapi_packet *p)
{
	command(p, ATAPI_INQUIRY, ATAPI_INQUIRY_SIZE, QUICK_MS);
	p->cdb[4] = ATAPI_INQUIRY_SIZE;
}

/* Not immediate: the answer tells how it went [MMC-6, 6.42]. */
void
atapi_cmd_tray(enum atapi_tray what, struct atapi_packet *p)
{
	command(p, ATAPI_START_STOP_UNIT, 0, TRAY_MS);
	p->cdb[4] = (uint8_t)what; /* LoEj << 1 | Start, as the enum counts */
}

void
atapi_cmd_prevent(bool prevent, struct atapi_packet *p)
{
	command(p, ATAPI_PREVENT_ALLOW, 0, QUICK_MS);
	p->cdb[4] = prevent;
}

void
atapi_cmd_capacity(struct atapi_packet *p)
{
	command(p, ATAPI_READ_CAPACITY, ATAPI_CAPACITY_SIZE, READ_MS);
}

void
atapi_cmd_toc(enum atapi_toc_format format, struct atapi_packet *p)
{
	uint32_t bytes = format == ATAPI_TOC_TRACKS ? ATAPI_TOC_SIZE : TOC_HEAD + TOC_ENTRY;

	command(p, ATAPI_READ_TOC, bytes, READ_MS);
	p->cdb[2] = (uint8_t)format;
	put16(p->cdb + 7, bytes);
}

void
atapi_cmd_events(struct atapi_packet *p)
{
	command(p, ATAPI_GET_EVENT_STATUS, ATAPI_EVENT_SIZE, QUICK_MS);
	p->cdb[1] = POLLED;
	p->cdb[4] = 1 << MEDIA_CLASS;
	put16(p->cdb + 7, ATAPI_EVENT_SIZE);
}

void
atapi_cmd_capabilities(struct atapi_packet *p)
{
	command(p, ATAPI_MODE_SENSE_10, ATAPI_CAPS_SIZE, QUICK_MS);
	p->cdb[2] = CAPS_PAGE;
	put16(p->cdb + 7, ATAPI_CAPS_SIZE);
}

int
atapi_cmd_read(uint64_t lba, uint32_t nblocks, struct atapi_packet *p)
{
	if (!nblocks || nblocks > UINT32_MAX / ATAPI_SECTOR || lba > UINT32_MAX ||
	    nblocks - 1 > UINT32_MAX - lba)
		return -EINVAL;
	if (nblocks <= READ_10_MAX) {
		command(p, ATAPI_READ_10, nblocks * ATAPI_SECTOR, READ_MS);
		put16(p->cdb + 7, nblocks);
	} else {
		command(p, ATAPI_READ_12, nblocks * ATAPI_SECTOR, READ_MS);
		put32(p->cdb + 6, nblocks);
	}
	put32(p->cdb + 2, (uint32_t)lba);
	return 0;
}

const char *
atapi_opcode_name(uint8_t opcode)
{
	static const struct {
		uint8_t opcode;
		const char *name;
	} names[] = {
		{ ATAPI_TEST_UNIT_READY, "TEST UNIT READY" },
		{ ATAPI_REQUEST_SENSE, "REQUEST SENSE" },
		{ ATAPI_INQUIRY, "INQUIRY" },
		{ ATAPI_START_STOP_UNIT, "START STOP UNIT" },
		{ ATAPI_PREVENT_ALLOW, "PREVENT ALLOW MEDIUM REMOVAL" },
		{ ATAPI_READ_CAPACITY, "READ CAPACITY" },
		{ ATAPI_READ_10, "READ(10)" },
		{ ATAPI_READ_TOC, "READ TOC" },
		{ ATAPI_GET_EVENT_STATUS, "GET EVENT STATUS NOTIFICATION" },
		{ ATAPI_MODE_SENSE_10, "MODE SENSE(10)" },
		{ ATAPI_READ_12, "READ(12)" },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].opcode == opcode)
			return names[i].name;
	return NULL;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void
copy_text(char *out, const uint8_t *b, size_t n)
{
	size_t end = 0;

	for (size_t i = 0; i < n; i++) {
		out[i] = b[i] >= ' ' && b[i] < 0x7f ? (char)b[i] : ' ';
		if (out[i] != ' ')
			end = i + 1;
	}
	out[end] = '\0';
}

int
atapi_inquiry(const uint8_t *b, size_t n, struct atapi_inquiry *out)
{
	if (n < ATAPI_INQUIRY_SIZE || b[0] >> 5)
		return -EPROTO;
	out->type = b[0] & 0x1f;
	out->removable = b[1] >> 7;
	copy_text(out->vendor, b + 8, 8);
	copy_text(out->product, b + 16, 16);
	copy_text(out->revision, b + 32, 4);
	return 0;
}

int
atapi_capacity(const uint8_t *b, size_t n, uint64_t *nsectors)
{
	uint32_t size;

	if (n < ATAPI_CAPACITY_SIZE)
		return -EPROTO;
	size = be32(b + 4);
	if (size && size != ATAPI_SECTOR && size != OLD_FORM_1 && size != OLD_FORM_2 &&
	    size != RAW_SECTOR)
		return -EMEDIUMTYPE;
	*nsectors = (uint64_t)be32(b) + 1;
	return 0;
}

int
atapi_toc(const uint8_t *b, size_t n, struct atapi_toc *out)
{
	size_t len;

	if (n < TOC_HEAD)
		return -EPROTO;
	len = be16(b) + 2u;
	if (len > n)
		len = n;
	out->first = b[2];
	out->last = b[3];
	out->ntracks = 0;
	if (!out->first || out->first > out->last || out->last > 99)
		return -EPROTO;
	for (size_t at = TOC_HEAD; at + TOC_ENTRY <= len; at += TOC_ENTRY) {
		struct atapi_track *t = &out->track[out->ntracks];

		if (out->ntracks == ATAPI_TRACKS_MAX)
			return -EPROTO;
		t->number = b[at + 2];
		t->data = b[at + 1] & CONTROL_DATA;
		t->lba = be32(b + at + 4);
		if (out->ntracks && t->lba < t[-1].lba)
			return -EPROTO;
		out->ntracks++;
	}
	return out->ntracks ? 0 : -EPROTO;
}

int
atapi_last_session(const uint8_t *b, size_t n, uint32_t *lba)
{
	if (n < TOC_HEAD + TOC_ENTRY || be16(b) + 2u < TOC_HEAD + TOC_ENTRY || b[2] > b[3])
		return -EPROTO;
	*lba = be32(b + TOC_HEAD + 4);
	return 0;
}

/*
 * [MMC-6, 6.6.2]  The length is of what follows it, which is 6; QEMU's drives leave out the rest of
 * the header and say 4.
 */
int
atapi_events(const uint8_t *b, size_t n, struct atapi_events *out)
{
	unsigned code;

	if (n < 4)
		return -EPROTO;
	if (b[2] >> 7 || (b[2] & 7) != MEDIA_CLASS)
		return -EOPNOTSUPP;
	if (n < ATAPI_EVENT_SIZE || be16(b) < 4)
		return -EPROTO;
	code = b[4] & 0xf;
	out->event = code <= ATAPI_EVENT_CHANGED ? code : ATAPI_EVENT_NONE;
	out->tray_open = b[5] & 1;
	out->present = b[5] >> 1 & 1;
	return 0;
}

int
atapi_capabilities(const uint8_t *b, size_t n, struct atapi_caps *out)
{
	size_t skip;
	const uint8_t *page;

	if (n < MODE_HEAD)
		return -EPROTO;
	skip = MODE_HEAD + be16(b + 6); /* block descriptors */
	if (skip + CAPS_PAGE_MIN > n)
		return -EPROTO;
	page = b + skip;
	if ((page[0] & 0x3f) != CAPS_PAGE || page[1] < CAPS_PAGE_MIN - 2)
		return -EPROTO;
	out->lock = page[6] & 1;
	out->locked = page[6] >> 1 & 1;
	out->eject = page[6] >> 3 & 1;
	out->mechanism = page[6] >> 5;
	return 0;
}
