/*
 * What an ATA disk may say: any bytes as IDENTIFY page, logs, SMART data, and as the FISes
 * that come back; and what commands are built from such an identity.
 */
#include <stdlib.h>
#include <string.h>
#include "ata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT = 64 };

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static bool
is_power(uint32_t n)
{
	return n && !(n & (n - 1));
}

/* Nothing that is built reaches beyond the disk, or beyond what a command can say. */
static void
commands(const struct ata_identity *id, const struct ata_transfers *t, const uint8_t *data)
{
	struct ata_command c;
	struct ata_rw rw = { .tag = data[0] % ATA_MAX_TAGS,
			     .write = data[1] & 1,
			     .fua = data[1] & 2,
			     .queued = data[1] & 4 };

	memcpy(&rw.lba, data + 2, 8);
	memcpy(&rw.n, data + 10, 4);
	if (data[1] & 8)
		rw.lba %= id->nsectors ? id->nsectors : 1;
	if (data[1] & 16)
		rw.n = rw.n % 300;
	check(ata_max_sectors(id) <= ATA_LBA48_MAX);
	for (unsigned pio = 0; pio < 2; pio++) {
		int err = pio ? ata_cmd_rw_pio(id, &rw, t->multiple, &c) : ata_cmd_rw(id, &rw, &c);

		if (err < 0)
			continue;
		check(rw.n && rw.n <= ata_max_sectors(id));
		check(rw.lba < id->nsectors && rw.n <= id->nsectors - rw.lba);
		check(ata_opcode_name(c.opcode) != NULL);
		if (id->lba48 || c.opcode == ATA_READ_FPDMA || c.opcode == ATA_WRITE_FPDMA)
			check(c.lba == rw.lba);
		else /* bits 27:24 are the device's */
			check((c.lba & 0xffffff) == (rw.lba & 0xffffff) &&
			      (c.device & 15) == rw.lba >> 24 && rw.lba < ATA_LBA28_SECTORS);
	}
}

static void
identity(const uint8_t *page, const uint8_t *more)
{
	struct ata_identity id;
	struct ata_transfers t;

	ata_transfers(page, &t);
	check(!t.multiple || is_power(t.multiple));
	check(t.cdb_size == 12 || t.cdb_size == 16);
	if (ata_identify(page, &id) < 0)
		return;
	check(memchr(id.model, 0, sizeof id.model) && memchr(id.serial, 0, sizeof id.serial) &&
	      memchr(id.firmware, 0, sizeof id.firmware));
	if (id.packet)
		return;
	check(is_power(id.secsize) && id.secsize >= 512 && id.secsize <= 4096);
	check(is_power(id.physsecsize) && id.physsecsize >= id.secsize);
	check(id.nsectors <= INT64_MAX / id.secsize);
	commands(&id, &t, more);
}

static void
logs(const uint8_t *page)
{
	struct ata_attribute a[ATA_SMART_COUNT];
	struct ata_ncq_error e;
	unsigned n = ata_smart_attributes(page, page, a);
	int degrees = ata_smart_temperature(page);

	check(n <= ATA_SMART_COUNT && degrees < 256);
	for (unsigned i = 0; i < n; i++)
		check(ata_smart_state(&a[i]) && a[i].raw < 1ull << 56);
	if (ata_ncq_error(page, &e) == 0)
		check(e.tag < ATA_MAX_TAGS);
}

static void
fises(const uint8_t *data, size_t size)
{
	size_t n = size < ATA_FIS_D2H_SIZE ? size : ATA_FIS_D2H_SIZE;
	uint8_t *fis = malloc(n ? n : 1);
	struct ata_result r;
	char text[TEXT];

	if (!fis)
		return;
	memcpy(fis, data, n);
	if (ata_fis_decode(fis, n, &r) == 0) {
		ata_smart_health(&r);
		check(ata_errno(r.status, r.error) <= 0);
		check(ata_error_text(r.status, r.error, text, sizeof text) < TEXT);
	}
	free(fis);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *page = calloc(1, ATA_PAGE_SIZE), more[16] = { 0 };

	if (!page)
		return 0;
	memcpy(page, data, size < ATA_PAGE_SIZE ? size : ATA_PAGE_SIZE);
	if (size > ATA_PAGE_SIZE)
		memcpy(more, data + ATA_PAGE_SIZE,
		       size - ATA_PAGE_SIZE < sizeof more ? size - ATA_PAGE_SIZE : sizeof more);
	identity(page, more);
	/* So that the fuzzer gets past the sums: a page's bytes add up to 0. */
	for (unsigned i = 0; i < ATA_PAGE_SIZE - 1; i++)
		page[ATA_PAGE_SIZE - 1] = (uint8_t)(i ? page[ATA_PAGE_SIZE - 1] - page[i]
						      : -page[i]);
	logs(page);
	fises(data, size);
	free(page);
	return 0;
}
