/*
 * What SCSI disks answer [SPC-4, 6, 7; SBC-3, 5, 6].
 */
#include <errno.h>
#include <string.h>
#include "scsi.h"

enum {
	INQUIRY_MIN = 36,
	QUALIFIER_SHIFT = 5,
	QUALIFIER_NOT_CAPABLE = 3,
	LUN_SIZE = 8,
	LUN_SIMPLE = 0, /* addressing methods [SAM-5, 4.7] */
	LUN_FLAT = 1,
	SECTOR_MIN = 512,
	SECTOR_MAX = 4096,
	EXPONENT_MAX = 12, /* a physical block of more is not believed */
	VPD_HEAD = 4,
	DESIGNATOR_HEAD = 4,
	DESIGNATOR_NAA = 3,
	LIMITS_MIN = 16, /* old devices end before the limits of UNMAP */
	LIMITS_UNMAP = 28,
	LIMITS_SAME = 44,
	MODE_HEAD = 4,
	MODE_WP = 0x80,
	MODE_DPOFUA = 0x10,
	CACHING_WCE = 4,
};

static uint64_t
get(const uint8_t *at, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | at[i];
	return v;
}

static void
copy_text(char *out, size_t size, const uint8_t *at, size_t n)
{
	size_t len = n < size - 1 ? n : size - 1;

	for (size_t i = 0; i < len; i++)
		out[i] = at[i] >= ' ' && at[i] <= '~' ? (char)at[i] : at[i] ? '_' : ' ';
	while (len && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
}

int
scsi_inquiry(const uint8_t *b, size_t n, struct scsi_inquiry *out)
{
	memset(out, 0, sizeof *out);
	if (n < INQUIRY_MIN)
		return -EPROTO;
	out->type = b[0] & 0x1f;
	out->there = b[0] >> QUALIFIER_SHIFT == 0;
	copy_text(out->vendor, sizeof out->vendor, b + 8, 8);
	copy_text(out->product, sizeof out->product, b + 16, 16);
	copy_text(out->revision, sizeof out->revision, b + 32, 4);
	return 0;
}

int
scsi_luns(const uint8_t *b, size_t n, uint16_t *lun, unsigned max)
{
	unsigned count = 0;
	uint64_t bytes;

	if (n < LUN_SIZE)
		return -EPROTO;
	bytes = get(b, 4);
	if (bytes > n - LUN_SIZE)
		bytes = n - LUN_SIZE;
	for (uint64_t at = LUN_SIZE; at + LUN_SIZE <= LUN_SIZE + bytes && count < max;
	     at += LUN_SIZE) {
		unsigned method = b[at] >> 6;

		if (get(b + at + 2, 6))
			continue;
		if (method == LUN_FLAT || (method == LUN_SIMPLE && !b[at]))
			lun[count++] = (uint16_t)(get(b + at, 2) & 0x3fff);
	}
	return (int)count;
}

static int
check_size(struct scsi_capacity *c)
{
	if (c->secsize < SECTOR_MIN || c->secsize > SECTOR_MAX || c->secsize & (c->secsize - 1))
		return -ENOTSUP;
	return c->nsectors > INT64_MAX / c->secsize ? -ENOTSUP : 0;
}

int
scsi_capacity_10(const uint8_t *b, size_t n, struct scsi_capacity *out)
{
	memset(out, 0, sizeof *out);
	if (n < SCSI_CAPACITY_10)
		return -EPROTO;
	out->nsectors = get(b, 4) == UINT32_MAX ? 0 : get(b, 4) + 1;
	out->secsize = out->physsecsize = (uint32_t)get(b + 4, 4);
	return check_size(out);
}

int
scsi_capacity_16(const uint8_t *b, size_t n, struct scsi_capacity *out)
{
	unsigned exponent;

	memset(out, 0, sizeof *out);
	if (n < LIMITS_MIN)
		return -EPROTO;
	if (get(b, 8) == UINT64_MAX || b[12] & 1) /* PROT_EN: more than secsize is moved */
		return -ENOTSUP;
	out->nsectors = get(b, 8) + 1;
	out->secsize = (uint32_t)get(b + 8, 4);
	exponent = b[13] & 0xf;
	out->physsecsize = out->secsize << (exponent <= EXPONENT_MAX ? exponent : 0);
	out->thin = b[14] & 0x80;
	return check_size(out);
}

/* The bytes after the head of a page of vital product data, or -EPROTO. */
static int
page_bytes(const uint8_t *b, size_t n, uint8_t page)
{
	size_t length;

	if (n < VPD_HEAD || b[1] != page)
		return -EPROTO;
	length = (size_t)get(b + 2, 2);
	return (int)(length < n - VPD_HEAD ? length : n - VPD_HEAD);
}

bool
scsi_vpd_has(const uint8_t *b, size_t n, uint8_t page)
{
	int length = page_bytes(b, n, SCSI_VPD_PAGES);

	return length > 0 && memchr(b + VPD_HEAD, page, (size_t)length);
}

int
scsi_vpd_serial(const uint8_t *b, size_t n, char *out, size_t size)
{
	int length = page_bytes(b, n, SCSI_VPD_SERIAL);
	size_t skip = 0;

	if (length < 0)
		return length;
	while (skip < (size_t)length && b[VPD_HEAD + skip] == ' ')
		skip++;
	copy_text(out, size, b + VPD_HEAD + skip, (size_t)length - skip);
	return 0;
}

int
scsi_vpd_id(const uint8_t *b, size_t n, uint64_t *wwn)
{
	int length = page_bytes(b, n, SCSI_VPD_ID);

	if (length < 0)
		return length;
	for (int at = 0; at + DESIGNATOR_HEAD + 8 <= length;) {
		const uint8_t *d = b + VPD_HEAD + at;

		/* Binary, of the unit itself. */
		if ((d[0] & 0xf) == 1 && (d[1] & 0x3f) == DESIGNATOR_NAA && d[3] >= 8) {
			*wwn = get(d + DESIGNATOR_HEAD, 8);
			return 0;
		}
		at += DESIGNATOR_HEAD + d[3];
	}
	return -ENOENT;
}

int
scsi_vpd_limits(const uint8_t *b, size_t n, struct scsi_limits *out)
{
	int length = page_bytes(b, n, SCSI_VPD_LIMITS);

	memset(out, 0, sizeof *out);
	if (length < LIMITS_MIN - VPD_HEAD)
		return -EPROTO;
	out->max_transfer = (uint32_t)get(b + 8, 4);
	if (length < LIMITS_UNMAP - VPD_HEAD)
		return 0;
	out->unmap_sectors = (uint32_t)get(b + 20, 4);
	out->unmap_ranges = (uint32_t)get(b + 24, 4);
	if (length >= LIMITS_SAME - VPD_HEAD)
		out->same_sectors = get(b + 36, 8);
	return 0;
}

int
scsi_vpd_provisioning(const uint8_t *b, size_t n, struct scsi_provisioning *out)
{
	int length = page_bytes(b, n, SCSI_VPD_PROVISIONING);

	*out = (struct scsi_provisioning){ 0 };
	if (length < 4)
		return -EPROTO;
	out->unmap = b[5] & 0x80; /* LBPU */
	out->same = b[5] & 0x40;  /* LBPWS */
	return 0;
}

int
scsi_mode(const uint8_t *b, size_t n, struct scsi_mode *out)
{
	size_t at;

	memset(out, 0, sizeof *out);
	if (n < MODE_HEAD)
		return -EPROTO;
	out->readonly = b[2] & MODE_WP;
	out->fua = b[2] & MODE_DPOFUA;
	at = MODE_HEAD + b[3];
	if (at + 3 <= n && (b[at] & 0x3f) == SCSI_MODE_CACHING)
		out->writeback = b[at + 2] & CACHING_WCE;
	return 0;
}
