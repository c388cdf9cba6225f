/*
 * What a device keeps of itself: the NCQ error log [ACS-4, 9.13; SATA 3.3, 13.7.3], SMART data
 * [ACS-4, 7.44; the attributes are the vendor's, but 190 and 194 are temperatures by custom].
 */
#include <errno.h>
#include <string.h>
#include "ata.h"

enum {
	LOG_NOT_QUEUED = 0x80, /* of byte 0; bits 4:0 are the tag */
	SMART_GOOD = 0xc24f,   /* LBA 23:8 of SMART RETURN STATUS */
	SMART_FAILING = 0x2cf4,
	SMART_FIRST = 2, /* attributes, of 12 bytes: id, flags, value, worst, 6 raw bytes */
	SMART_ENTRY = 12,
	SMART_VALUE = 3,
	SMART_WORST = 4,
	SMART_RAW = 5,
	SMART_RAW_BYTES = 6,
	SMART_THRESHOLD = 1, /* of an entry of 12 bytes too: id, threshold */
	ID_AIRFLOW = 190,
	ID_TEMPERATURE = 194,
	HOTTEST = 120, /* degrees; more is no temperature */
};

static bool
sum_is_zero(const uint8_t *page)
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < ATA_PAGE_SIZE; i++)
		sum = (uint8_t)(sum + page[i]);
	return sum == 0;
}

int
ata_ncq_error(const void *page, struct ata_ncq_error *out)
{
	const uint8_t *p = page;

	if (!sum_is_zero(p))
		return -EINVAL;
	out->queued = !(p[0] & LOG_NOT_QUEUED);
	out->tag = p[0] & (ATA_MAX_TAGS - 1);
	out->status = p[2];
	out->error = p[3];
	out->lba = p[4] | (uint64_t)p[5] << 8 | (uint64_t)p[6] << 16 | (uint64_t)p[8] << 24 |
		   (uint64_t)p[9] << 32 | (uint64_t)p[10] << 40;
	/* The status of a failed command says so. */
	return out->status & (ATA_STATUS_ERR | ATA_STATUS_DF) ? 0 : -EINVAL;
}

void
ata_cmd_ncq_log(struct ata_command *out)
{
	*out = (struct ata_command){ .opcode = ATA_READ_LOG_EXT,
				     .count = 1,
				     .lba = ATA_LOG_NCQ_ERROR };
}

void
ata_cmd_smart(enum ata_smart what, struct ata_command *out)
{
	*out = (struct ata_command){ .opcode = ATA_SMART,
				     .features = (uint16_t)what,
				     .lba = (uint32_t)SMART_GOOD << 8 };
}

int
ata_smart_health(const struct ata_result *r)
{
	uint32_t signature = (uint32_t)(r->lba >> 8) & 0xffff;

	return signature == SMART_GOOD ? 1 : signature == SMART_FAILING ? 0 : -EINVAL;
}

int
ata_smart_temperature(const void *page)
{
	const uint8_t *p = page;
	int found = -ENOENT;

	if (!sum_is_zero(p))
		return -EINVAL;
	for (unsigned i = 0; i < ATA_SMART_COUNT; i++) {
		const uint8_t *a = p + SMART_FIRST + i * SMART_ENTRY;

		if (a[SMART_RAW] > HOTTEST)
			continue;
		if (a[0] == ID_TEMPERATURE)
			return a[SMART_RAW];
		if (a[0] == ID_AIRFLOW)
			found = a[SMART_RAW];
	}
	return found;
}

static uint8_t
threshold_of(const uint8_t *page, uint8_t id)
{
	for (unsigned i = 0; i < ATA_SMART_COUNT; i++) {
		const uint8_t *t = page + SMART_FIRST + i * SMART_ENTRY;

		if (t[0] == id)
			return t[SMART_THRESHOLD];
	}
	return 0;
}

unsigned
ata_smart_attributes(const void *page, const void *thresholds,
		     struct ata_attribute out[ATA_SMART_COUNT])
{
	const uint8_t *p = page;
	bool known = thresholds && sum_is_zero(thresholds);
	unsigned n = 0;

	if (!sum_is_zero(p))
		return 0;
	for (unsigned i = 0; i < ATA_SMART_COUNT; i++) {
		const uint8_t *a = p + SMART_FIRST + i * SMART_ENTRY;

		if (!a[0])
			continue;
		out[n] = (struct ata_attribute){ .id = a[0],
						 .value = a[SMART_VALUE],
						 .worst = a[SMART_WORST] };
		for (unsigned b = 0; b < SMART_RAW_BYTES; b++)
			out[n].raw |= (uint64_t)a[SMART_RAW + b] << 8 * b;
		if (known)
			out[n].threshold = threshold_of(thresholds, a[0]);
		n++;
	}
	return n;
}

const char *
ata_smart_state(const struct ata_attribute *a)
{
	if (!a->threshold)
		return "ok";
	return a->value <= a->threshold ? "failing" : a->worst <= a->threshold ? "failed" : "ok";
}

const char *
ata_smart_name(uint8_t id)
{
	static const char *const names[256] = {
		[1] = "read-error-rate",
		[2] = "throughput",
		[3] = "spin-up-time",
		[4] = "starts-and-stops",
		[5] = "reallocated-sectors",
		[7] = "seek-error-rate",
		[8] = "seek-time",
		[9] = "power-on-hours",
		[10] = "spin-up-retries",
		[12] = "power-cycles",
		[177] = "wear-leveling",
		[183] = "link-downshifts",
		[184] = "end-to-end-errors",
		[187] = "uncorrectable-errors",
		[188] = "command-timeouts",
		[ID_AIRFLOW] = "airflow-temperature",
		[191] = "shocks",
		[192] = "power-off-retracts",
		[193] = "load-cycles",
		[ID_TEMPERATURE] = "temperature",
		[195] = "ecc-recovered",
		[196] = "reallocations",
		[197] = "pending-sectors",
		[198] = "offline-uncorrectable",
		[199] = "link-crc-errors",
		[233] = "media-wearout",
		[241] = "sectors-written",
		[242] = "sectors-read",
	};

	return names[id];
}
