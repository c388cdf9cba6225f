/*
 * Sense data: what a device says about a command that did not go well [SPC-4, 4.5; MMC-6, annex F].
 * One table of the additional codes that mean something here; for all others the key decides.
 */
#include <errno.h>
#include <stdio.h>
#include "atapi.h"

enum {
	FIXED = 0x70,
	DESCRIPTOR = 0x72,
	FIXED_KEY_MIN = 3,
	FIXED_EXTRA = 8, /* where the additional length begins to count */
	DESCRIPTOR_MIN = 4,
	ANY = 0x100,
};

int
atapi_sense(const uint8_t *b, size_t n, struct atapi_sense *out)
{
	unsigned code = n ? b[0] & 0x7f : 0;
	size_t end;

	*out = (struct atapi_sense){ .deferred = code & 1 };
	if ((code & ~1u) == DESCRIPTOR && n >= DESCRIPTOR_MIN) {
		out->key = b[1] & 0xf;
		out->asc = b[2];
		out->ascq = b[3];
		return 0;
	}
	if ((code & ~1u) != FIXED || n < FIXED_KEY_MIN)
		return -EPROTO;
	out->key = b[2] & 0xf;
	end = n >= FIXED_EXTRA ? FIXED_EXTRA + b[7] : 0;
	if (end > n)
		end = n;
	if (end > 12)
		out->asc = b[12];
	if (end > 13)
		out->ascq = b[13];
	if (b[0] >> 7 && n >= 7) {
		out->has_lba = true;
		out->lba = (uint32_t)b[3] << 24 | (uint32_t)b[4] << 16 | (uint32_t)b[5] << 8 | b[6];
	}
	return 0;
}

/* The first that fits; an ascq of ANY fits all. */
static const struct meaning {
	uint8_t key, asc;
	uint16_t ascq;
	int error;
	enum atapi_retry retry;
	const char *text;
} meanings[] = {
	{ ATAPI_NOT_READY, 0x04, 0x01, EAGAIN, ATAPI_WAIT, "becoming ready" },
	{ ATAPI_NOT_READY, 0x04, 0x02, EAGAIN, ATAPI_GIVE_UP, "to be started" },
	{ ATAPI_NOT_READY, 0x04, 0x04, EBUSY, ATAPI_GIVE_UP, "format in progress" },
	{ ATAPI_NOT_READY, 0x04, 0x07, EAGAIN, ATAPI_WAIT, "operation in progress" },
	{ ATAPI_NOT_READY, 0x04, 0x08, EBUSY, ATAPI_WAIT, "long write in progress" },
	{ ATAPI_NOT_READY, 0x04, ANY, EIO, ATAPI_GIVE_UP, "not ready" },
	{ ATAPI_NOT_READY, 0x30, ANY, EMEDIUMTYPE, ATAPI_GIVE_UP, "incompatible medium" },
	{ ATAPI_NOT_READY, 0x3a, 0x02, ENOMEDIUM, ATAPI_GIVE_UP, "no medium, tray open" },
	{ ATAPI_NOT_READY, 0x3a, ANY, ENOMEDIUM, ATAPI_GIVE_UP, "no medium" },
	{ ATAPI_MEDIUM_ERROR, 0x11, ANY, EIO, ATAPI_AGAIN, "unrecovered read error" },
	{ ATAPI_MEDIUM_ERROR, 0x02, ANY, EIO, ATAPI_AGAIN, "no seek complete" },
	{ ATAPI_MEDIUM_ERROR, 0x57, ANY, EIO, ATAPI_GIVE_UP, "no table of contents" },
	{ ATAPI_ILLEGAL_REQUEST, 0x20, ANY, EOPNOTSUPP, ATAPI_GIVE_UP, "unknown command" },
	{ ATAPI_ILLEGAL_REQUEST, 0x21, ANY, EINVAL, ATAPI_GIVE_UP, "address out of range" },
	{ ATAPI_ILLEGAL_REQUEST, 0x24, ANY, EINVAL, ATAPI_GIVE_UP, "invalid field in command" },
	{ ATAPI_ILLEGAL_REQUEST, 0x30, ANY, EMEDIUMTYPE, ATAPI_GIVE_UP, "incompatible medium" },
	{ ATAPI_ILLEGAL_REQUEST, 0x53, 0x02, EBUSY, ATAPI_GIVE_UP, "medium removal prevented" },
	{ ATAPI_ILLEGAL_REQUEST, 0x64, ANY, EMEDIUMTYPE, ATAPI_GIVE_UP, "not a data track" },
	{ ATAPI_ILLEGAL_REQUEST, 0x6f, ANY, EACCES, ATAPI_GIVE_UP, "copy protection" },
	{ ATAPI_UNIT_ATTENTION, 0x00, ANY, ENOMEDIUM, ATAPI_GIVE_UP, "of what is not known" },
	{ ATAPI_UNIT_ATTENTION, 0x28, ANY, ENOMEDIUM, ATAPI_GIVE_UP, "medium may have changed" },
	{ ATAPI_UNIT_ATTENTION, 0x29, ANY, EIO, ATAPI_AGAIN, "reset" },
	{ ATAPI_UNIT_ATTENTION, 0x2a, ANY, EIO, ATAPI_AGAIN, "parameters changed" },
	{ ATAPI_UNIT_ATTENTION, 0x2e, ANY, EIO, ATAPI_AGAIN, "no time left" },
	{ ATAPI_UNIT_ATTENTION, 0x3f, ANY, EIO, ATAPI_AGAIN, "its operation changed" },
	{ ATAPI_UNIT_ATTENTION, 0x5a, ANY, EIO, ATAPI_AGAIN, "operator wants the medium out" },
};

static const struct {
	const char *name;
	int error;
	enum atapi_retry retry;
} keys[16] = {
	[ATAPI_NO_SENSE] = { "no sense", 0, ATAPI_GIVE_UP },
	[ATAPI_RECOVERED] = { "recovered error", 0, ATAPI_GIVE_UP },
	[ATAPI_NOT_READY] = { "not ready", EIO, ATAPI_GIVE_UP },
	[ATAPI_MEDIUM_ERROR] = { "medium error", EIO, ATAPI_AGAIN },
	[ATAPI_HARDWARE_ERROR] = { "hardware error", EIO, ATAPI_AGAIN },
	[ATAPI_ILLEGAL_REQUEST] = { "illegal request", EINVAL, ATAPI_GIVE_UP },
	[ATAPI_UNIT_ATTENTION] = { "unit attention", EIO, ATAPI_AGAIN },
	[ATAPI_DATA_PROTECT] = { "data protect", EROFS, ATAPI_GIVE_UP },
	[ATAPI_BLANK_CHECK] = { "blank check", EIO, ATAPI_GIVE_UP },
	[9] = { "vendor's own error", EIO, ATAPI_GIVE_UP },
	[10] = { "copy aborted", EIO, ATAPI_GIVE_UP },
	[ATAPI_ABORTED] = { "aborted command", EIO, ATAPI_AGAIN },
	[12] = { "equal", EIO, ATAPI_GIVE_UP },
	[13] = { "volume overflow", EIO, ATAPI_GIVE_UP },
	[14] = { "miscompare", EIO, ATAPI_GIVE_UP },
	[15] = { "completed", EIO, ATAPI_GIVE_UP },
};

static const struct meaning *
find(const struct atapi_sense *s)
{
	for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
		const struct meaning *m = &meanings[i];

		if (m->key == s->key && m->asc == s->asc && (m->ascq == ANY || m->ascq == s->ascq))
			return m;
	}
	return NULL;
}

int
atapi_errno(const struct atapi_sense *s)
{
	const struct meaning *m = find(s);

	return m ? -m->error : -keys[s->key & 15].error;
}

enum atapi_retry
atapi_retry(const struct atapi_sense *s)
{
	const struct meaning *m = find(s);

	return m ? m->retry : keys[s->key & 15].retry;
}

int
atapi_sense_text(const struct atapi_sense *s, char *buf, size_t size)
{
	const struct meaning *m = find(s);
	int n = snprintf(buf, size, "%s%s%s (%x/%02x/%02x)", keys[s->key & 15].name, m ? ": " : "",
			 m ? m->text : "", s->key, s->asc, s->ascq);

	return n < 0 ? 0 : (size_t)n < size ? n : (int)size - 1;
}
