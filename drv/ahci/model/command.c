/*
 * The model's disk: what its commands do with its data and the driver's memory; see model.h.
 */
#include "command.h"

#include <stdio.h>
#include <string.h>

void
model_lint(struct model *m, const char *what)
{
	m->lint++;
	m->lint_what = what;
}

uint8_t *
model_dma_at(struct model *m, uint64_t paddr, size_t n)
{
	uint8_t *p = (uint8_t *)(uintptr_t)paddr;

	if (!m->bus_master)
		model_lint(m, "DMA with bus mastering off");
	for (unsigned i = 0; i < MODEL_DMAS; i++)
		if (m->dma[i].p && p >= m->dma[i].p && n <= m->dma[i].n &&
		    (size_t)(p - m->dma[i].p) <= m->dma[i].n - n)
			return p;
	model_lint(m, "DMA outside of the driver's memory");
	return NULL;
}

/* Moves n bytes between buf and the PRDs; false if they do not have room. */
static bool
move(struct model *m, const uint8_t *header, uint8_t *table, uint8_t *buf, size_t n, bool to_host)
{
	uint32_t nprds = (uint32_t)(header[2] | header[3] << 8);

	for (uint32_t i = 0; i < nprds && n; i++) {
		uint64_t paddr;
		uint32_t dbc;
		size_t part;
		uint8_t *mem;

		memcpy(&paddr, table + AHCI_TABLE_PRDT + i * AHCI_PRD_SIZE, 8);
		memcpy(&dbc, table + AHCI_TABLE_PRDT + i * AHCI_PRD_SIZE + 12, 4);
		part = (dbc & 0x3fffff) + 1;
		if (!(dbc & 1))
			model_lint(m, "odd PRD byte count");
		if (part > n)
			part = n;
		mem = model_dma_at(m, paddr, part);
		if (!mem)
			return false;
		memcpy(to_host ? mem : buf, to_host ? buf : mem, part);
		buf += part;
		n -= part;
	}
	return !n;
}

static void
put_word(uint8_t *page, unsigned w, uint16_t v)
{
	page[2 * w] = (uint8_t)v;
	page[2 * w + 1] = (uint8_t)(v >> 8);
}

static void
put_text(uint8_t *page, unsigned w, unsigned nwords, const char *s)
{
	size_t len = strlen(s);

	for (unsigned i = 0; i < 2 * nwords; i++)
		page[2 * w + (i ^ 1)] = i < len ? (uint8_t)s[i] : ' ';
}

void
model_identify(const struct model_disk *d, uint8_t page[512])
{
	uint32_t lba28 = d->nsectors < ATA_LBA28_SECTORS ? (uint32_t)d->nsectors : 0xfffffff;
	uint8_t sum = 0;

	memset(page, 0, 512);
	put_word(page, 0, 0x0040);
	put_word(page, 1, 16383);
	put_word(page, 3, 16);
	put_word(page, 6, 63);
	put_text(page, 10, 10, d->serial);
	put_text(page, 23, 4, "1.0");
	put_text(page, 27, 20, "Model disk");
	put_word(page, 49, 0x0300);
	put_word(page, 60, (uint16_t)lba28);
	put_word(page, 61, (uint16_t)(lba28 >> 16));
	put_word(page, 75, (uint16_t)(d->depth - 1));
	put_word(page, 76, (uint16_t)(0x000e | (d->ncq ? 0x100 : 0)));
	put_word(page, 82, 0x0021);
	put_word(page, 83, (uint16_t)(0x4000 | (d->lba48 ? 0x3400 : 0x1000)));
	put_word(page, 84, 0x4040);
	put_word(page, 85, 0x0021);
	for (unsigned i = 0; i < 4; i++)
		put_word(page, 100 + i, (uint16_t)(d->nsectors >> 16 * i));
	put_word(page, 106, d->secsize == 512 ? 0x6003 : 0x5000);
	put_word(page, 117, (uint16_t)(d->secsize / 2));
	put_word(page, 169, d->trim);
	put_word(page, 217, 1);
	page[510] = 0xa5;
	for (unsigned i = 0; i < 511; i++)
		sum = (uint8_t)(sum + page[i]);
	page[511] = (uint8_t)-sum;
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
	c.has_data = model_is_queued(c.opcode) || c.opcode == ATA_READ_DMA ||
		     c.opcode == ATA_WRITE_DMA || c.opcode == ATA_READ_DMA_EXT ||
		     c.opcode == ATA_WRITE_DMA_EXT;
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
	}
	d->trims++;
}

/* False: the device aborts it. */
bool
model_carry_out(struct model *m, struct model_disk *d, const uint8_t *header, uint8_t *table)
{
	struct model_decoded c = model_decode(table);
	bool write = header[0] & AHCI_HEADER_WRITE;
	uint8_t page[512];

	if (c.has_data) {
		if (c.lba >= d->nsectors || c.n > d->nsectors - c.lba)
			return false;
		*(write ? &d->writes : &d->reads) += 1;
		return move(m, header, table, d->data + c.lba * d->secsize,
			    (size_t)c.n * d->secsize, !write);
	}
	switch (c.opcode) {
	case ATA_IDENTIFY:
		model_identify(d, page);
		return move(m, header, table, page, sizeof page, true);
	case ATA_FLUSH:
	case ATA_FLUSH_EXT: d->flushes++; return true;
	case ATA_STANDBY_IMMEDIATE: d->standbys++; return true;
	case ATA_DSM:
		if (!d->trim || !move(m, header, table, page, sizeof page, false))
			return false;
		trim(d, page, 1);
		return true;
	}
	return false;
}
