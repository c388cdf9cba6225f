/*
 * The model's disk: what its commands do with its data and the driver's memory; see model.h.
 */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
model_move(struct model *m, const struct model_command *in, uint8_t *buf, size_t n, bool to_host)
{
	const uint8_t *header = in->header, *table = in->table;
	uint32_t nprds = (uint32_t)(header[2] | header[3] << 8);
	struct sip_model_data data = { buf, n, to_host };

	for (uint32_t i = 0; i < nprds && data.left; i++) {
		uint64_t paddr;
		uint32_t dbc;

		memcpy(&paddr, table + AHCI_TABLE_PRDT + i * AHCI_PRD_SIZE, 8);
		memcpy(&dbc, table + AHCI_TABLE_PRDT + i * AHCI_PRD_SIZE + 12, 4);
		if (!(dbc & 1))
			sip_model_lint(&m->bus, "odd PRD byte count");
		if (!sip_model_move(&m->bus, &data, paddr, (dbc & 0x3fffff) + 1))
			return false;
	}
	return !data.left;
}

void
model_identify(const struct model_disk *d, uint8_t page[512])
{
	uint32_t lba28 = d->nsectors < ATA_LBA28_SECTORS ? (uint32_t)d->nsectors : 0xfffffff;

	memset(page, 0, 512);
	ata_page_put(page, 0, 0x0040);
	ata_page_put(page, 1, 16383);
	ata_page_put(page, 3, 16);
	ata_page_put(page, 6, 63);
	ata_page_text(page, 10, 10, d->serial);
	ata_page_text(page, 23, 4, "1.0");
	ata_page_text(page, 27, 20, "Model disk");
	ata_page_put(page, 49, 0x0300);
	ata_page_put(page, 60, (uint16_t)lba28);
	ata_page_put(page, 61, (uint16_t)(lba28 >> 16));
	ata_page_put(page, 75, (uint16_t)(d->depth - 1));
	ata_page_put(page, 76, (uint16_t)(0x000e | (d->ncq ? 0x100 : 0)));
	ata_page_put(page, 82, 0x0021);
	ata_page_put(page, 83, (uint16_t)(0x4000 | (d->lba48 ? 0x3400 : 0x1000)));
	ata_page_put(page, 84, (uint16_t)(0x4000 | (d->logs ? 0x20 : 0) | (d->fua ? 0x40 : 0)));
	ata_page_put(page, 85, 0x0021);
	for (unsigned i = 0; i < 4; i++)
		ata_page_put(page, 100 + i, (uint16_t)(d->nsectors >> 16 * i));
	ata_page_put(page, 105, (uint16_t)d->trim_blocks);
	ata_page_put(page, 106, d->secsize != 512 ? 0x5000 : d->native ? 0x4000 : 0x6003);
	ata_page_put(page, 117, (uint16_t)(d->secsize / 2));
	ata_page_put(page, 169, d->trim);
	ata_page_put(page, 217, 1);
	page[510] = 0xa5;
	ata_page_seal(page);
}

bool
model_is_queued(uint8_t opcode)
{
	return opcode == ATA_READ_FPDMA || opcode == ATA_WRITE_FPDMA;
}

struct model_decoded
model_decode(const uint8_t *f)
{
	struct model_decoded c = { .opcode = f[2] };

	c.lba = f[4] | (uint64_t)f[5] << 8 | (uint64_t)f[6] << 16 | (uint64_t)f[8] << 24 |
		(uint64_t)f[9] << 32 | (uint64_t)f[10] << 40;
	c.n = (uint32_t)(f[12] | f[13] << 8);
	if (model_is_queued(c.opcode))
		c.n = (uint32_t)(f[3] | f[11] << 8);
	if (c.opcode == ATA_READ_DMA || c.opcode == ATA_WRITE_DMA) {
		c.lba = (c.lba & 0xffffff) | (uint64_t)(f[7] & 15) << 24;
		c.n = c.n ? c.n & 0xff : 256;
	} else if (!c.n)
		c.n = 65536;
	c.fua = c.opcode == ATA_WRITE_DMA_FUA_EXT || (c.opcode == ATA_WRITE_FPDMA && f[7] & 0x80);
	c.has_data = model_is_queued(c.opcode) || c.opcode == ATA_READ_DMA ||
		     c.opcode == ATA_WRITE_DMA || c.opcode == ATA_READ_DMA_EXT ||
		     c.opcode == ATA_WRITE_DMA_EXT || c.opcode == ATA_WRITE_DMA_FUA_EXT;
	return c;
}

static void
trim(struct model_disk *d, const uint8_t *ranges, unsigned nblocks)
{
	for (unsigned i = 0; i < nblocks * 64; i++) {
		uint64_t e, lba, n;

		memcpy(&e, ranges + 8 * i, 8);
		lba = e & 0xffffffffffff;
		n = e >> 48;
		if (lba < d->nsectors && n <= d->nsectors - lba)
			memset(d->data + lba * d->secsize, 0, n * d->secsize);
		d->ranges += n > 0;
	}
	d->trims++;
}

void
model_fail_queued(struct model_disk *d, unsigned tag, const struct model_decoded *c, uint8_t error)
{
	d->failed = true;
	memset(d->log, 0, sizeof d->log);
	d->log[0] = (uint8_t)tag;
	d->log[2] = ATA_STATUS_DRDY | 0x10 | ATA_STATUS_ERR;
	d->log[3] = error;
	for (unsigned i = 0; i < 3; i++) {
		d->log[4 + i] = (uint8_t)(c->lba >> 8 * i);
		d->log[8 + i] = (uint8_t)(c->lba >> 8 * (i + 3));
	}
	ata_page_seal(d->log);
}

/* The FIS that ends a command without its registers has the status alone. */
static void
answer(struct model *m, uint64_t fb, uint32_t lba)
{
	uint8_t fis[ATA_FIS_D2H_SIZE] = { ATA_FIS_D2H,         0x40,
					  ATA_STATUS_DRDY,     0,
					  (uint8_t)lba,        (uint8_t)(lba >> 8),
					  (uint8_t)(lba >> 16) };
	uint8_t *at = sip_model_memory(&m->bus, fb + AHCI_RFIS_D2H, sizeof fis);

	if (at)
		memcpy(at, fis, sizeof fis);
}

static bool
smart(struct model *m, struct model_disk *d, const struct model_command *in)
{
	uint8_t page[512] = { 0 };

	if ((in->table[5] | in->table[6] << 8) != 0xc24f)
		return false;
	d->smarts++;
	switch (in->table[3]) {
	case ATA_SMART_STATUS:
		answer(m, in->fb, d->smart_failing ? 0x2cf400 : 0xc24f00);
		return true;
	case ATA_SMART_DATA:
		page[2 + 12] = d->temperature ? 194 : 0;
		page[2 + 12 + 5] = (uint8_t)d->temperature;
		memcpy(page + 2 + 24, "\x05\0\0\x64\x24\x07", 6);
		ata_page_seal(page);
		return model_move(m, in, page, sizeof page, true);
	case ATA_SMART_THRESHOLDS:
		memcpy(page + 2, "\x05\x24", 2);
		ata_page_seal(page);
		return model_move(m, in, page, sizeof page, true);
	}
	return false;
}

static bool
discard(struct model *m, struct model_disk *d, const struct model_command *in, unsigned nblocks)
{
	uint8_t *ranges = malloc(nblocks * 512ul);
	bool good = d->trim && nblocks <= d->trim_blocks &&
		    model_move(m, in, ranges, nblocks * 512ul, false);

	if (good)
		trim(d, ranges, nblocks);
	free(ranges);
	return good;
}

static bool
read_log(struct model *m, struct model_disk *d, const struct model_command *in)
{
	uint8_t none[512] = { 0x80 };

	if (!d->logs || in->table[4] != ATA_LOG_NCQ_ERROR || in->table[12] != 1)
		return false;
	d->log_reads++;
	if (!d->failed) {
		ata_page_seal(none);
		return model_move(m, in, none, sizeof none, true);
	}
	d->failed = false;
	return model_move(m, in, d->log, sizeof d->log, true);
}

/* False: the device aborts it. */
bool
model_carry_out(struct model *m, struct model_disk *d, const struct model_command *in)
{
	struct model_decoded c = model_decode(in->table);
	bool write = in->header[0] & AHCI_HEADER_WRITE;
	uint8_t page[512];

	if (d->packet && c.opcode != ATA_PACKET && c.opcode != ATA_IDENTIFY_PACKET)
		return false;
	if (d->failed && c.opcode != ATA_READ_LOG_EXT)
		return false;
	if (c.fua && !d->fua)
		return false;
	if (c.has_data) {
		if (c.lba >= d->nsectors || c.n > d->nsectors - c.lba)
			return false;
		*(write ? &d->writes : &d->reads) += 1;
		d->fuas += c.fua;
		return model_move(m, in, d->data + c.lba * d->secsize, (size_t)c.n * d->secsize,
				  !write);
	}
	switch (c.opcode) {
	case ATA_IDENTIFY:
		model_identify(d, page);
		return model_move(m, in, page, sizeof page, true);
	case ATA_FLUSH:
	case ATA_FLUSH_EXT: d->flushes++; return true;
	case ATA_STANDBY_IMMEDIATE: d->standbys++; return true;
	case ATA_DSM: return discard(m, d, in, c.n);
	case ATA_SMART: return smart(m, d, in);
	case ATA_READ_LOG_EXT: return read_log(m, d, in);
	case ATA_IDENTIFY_PACKET:
		model_identify_packet(d, page);
		return d->packet && model_move(m, in, page, sizeof page, true);
	case ATA_PACKET: return d->packet && model_packet(m, d, in);
	}
	return false;
}
