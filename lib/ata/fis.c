/*
 * Frame information structures [SATA 3.3, 10.5], and what a task file's status and error mean
 * [ACS-4, 6].
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ata.h"

enum { H2D_COMMAND = 0x80, D2H_INTERRUPT = 0x40, CONTROL_SRST = 4 };

void
ata_fis_h2d(uint8_t fis[ATA_FIS_H2D_SIZE], const struct ata_command *c)
{
	uint32_t word[5] = {
		ATA_FIS_H2D | H2D_COMMAND << 8 | (uint32_t)c->opcode << 16 |
			(uint32_t)(c->features & 0xff) << 24,
		(uint32_t)(c->lba & 0xffffff) | (uint32_t)c->device << 24,
		(uint32_t)(c->lba >> 24 & 0xffffff) | (uint32_t)(c->features >> 8) << 24,
		c->count,
		0,
	};

	memcpy(fis, word, sizeof word);
}

void
ata_fis_reset(uint8_t fis[ATA_FIS_H2D_SIZE], bool set)
{
	uint32_t word[5] = { ATA_FIS_H2D, 0, 0, set ? (uint32_t)CONTROL_SRST << 24 : 0, 0 };

	memcpy(fis, word, sizeof word);
}

static uint64_t
get_lba(const uint8_t *f)
{
	return f[4] | (uint64_t)f[5] << 8 | (uint64_t)f[6] << 16 | (uint64_t)f[8] << 24 |
	       (uint64_t)f[9] << 32 | (uint64_t)f[10] << 40;
}

int
ata_fis_decode(const uint8_t *f, size_t n, struct ata_result *out)
{
	memset(out, 0, sizeof *out);
	if (n < ATA_FIS_SET_SIZE)
		return -EINVAL;
	out->type = f[0];
	out->interrupt = f[1] & D2H_INTERRUPT;
	out->status = f[2];
	out->error = f[3];
	if (f[0] == ATA_FIS_SET_BITS) {
		out->active = f[4] | (uint32_t)f[5] << 8 | (uint32_t)f[6] << 16 |
			      (uint32_t)f[7] << 24;
		return 0;
	}
	if ((f[0] != ATA_FIS_D2H && f[0] != ATA_FIS_PIO_SETUP) || n < ATA_FIS_D2H_SIZE)
		return -EINVAL;
	out->device = f[7];
	out->lba = get_lba(f);
	out->count = (uint32_t)(f[12] | f[13] << 8);
	if (f[0] == ATA_FIS_PIO_SETUP) {
		out->end_status = f[15];
		out->count = (uint32_t)(f[16] | f[17] << 8);
	}
	return 0;
}

static size_t
put_names(char *buf, size_t size, uint8_t bits, const char *const names[8])
{
	size_t used = 0;

	for (int i = 7; i >= 0; i--)
		if (bits >> i & 1 && used < size) {
			int n = snprintf(buf + used, size - used, " %s", names[i]);

			used += n > 0 ? (size_t)n : 0;
		}
	return used < size ? used : size - 1;
}

int
ata_error_text(uint8_t status, uint8_t error, char *buf, size_t size)
{
	static const char *const status_names[8] = { "ERR", "SENSE", "ALIGN", "DRQ",
						     "DSC", "DF",    "DRDY",  "BSY" };
	static const char *const error_names[8] = { "ILI",  "NM", "ABRT", "MCR",
						    "IDNF", "MC", "UNC",  "ICRC" };
	size_t used;
	int n = snprintf(buf, size, "status 0x%02x", status);

	if (n < 0 || (size_t)n >= size)
		return size ? (int)size - 1 : 0;
	used = (size_t)n;
	used += put_names(buf + used, size - used, status, status_names);
	n = snprintf(buf + used, size - used, ", error 0x%02x", error);
	if (n < 0 || (size_t)n >= size - used)
		return (int)size - 1;
	used += (size_t)n;
	used += put_names(buf + used, size - used, error, error_names);
	return (int)used;
}

int
ata_errno(uint8_t status, uint8_t error)
{
	if (!(status & (ATA_STATUS_ERR | ATA_STATUS_DF)))
		return 0;
	if (!(status & ATA_STATUS_DF) && (error & (ATA_ERROR_NM | ATA_ERROR_MC | ATA_ERROR_MCR)))
		return -ENOMEDIUM;
	return -EIO;
}
