/*
 * The model's drives: a disk and an optical drive, at the level of the command block.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../../lib/ata/testing/page.h"
#include "atapi.h"
#include "drive.h"

enum { READY = ATA_STATUS_DRDY | 0x10, SECTOR = 512 };

struct model_drive *
model_disk(struct model *m, unsigned n, uint64_t nsectors)
{
	struct model_drive *d = &m->channel[n / 2].drive[n % 2];

	*d = (struct model_drive){ .kind = MODEL_DISK,
				   .lba48 = true,
				   .dma = true,
				   .nsectors = nsectors,
				   .bad = UINT64_MAX };
	d->data = calloc(nsectors, SECTOR);
	d->buffer = malloc(MODEL_BUFFER);
	snprintf(d->serial, sizeof d->serial, "DISK%u", n);
	model_drive_reset(d);
	d->resets = 0;
	return d;
}

struct model_drive *
model_optical(struct model *m, unsigned n, uint64_t nsectors)
{
	struct model_drive *d = model_disk(m, n, nsectors * (MODEL_CD / SECTOR));

	d->kind = MODEL_OPTICAL;
	d->lba48 = false;
	d->nsectors = nsectors;
	model_drive_reset(d);
	d->resets = 0;
	return d;
}

/* The signature stands in the registers [ACS-4, 9.12]. */
void
model_drive_reset(struct model_drive *d)
{
	d->resets++;
	d->status = d->kind == MODEL_DISK ? READY : 0;
	d->error = 1;
	d->count[0] = d->low[0] = 1;
	d->mid[0] = d->kind == MODEL_OPTICAL ? 0x14 : 0;
	d->high[0] = d->kind == MODEL_OPTICAL ? 0xeb : 0;
	d->hung = d->dma_wanted = d->wants_cdb = d->packet = false;
	d->multiple = 0;
}

static void
identify(const struct model_drive *d, uint8_t *page)
{
	memset(page, 0, SECTOR);
	ata_page_put(page, 0, d->kind == MODEL_OPTICAL ? 0x85c0 : 0x40);
	ata_page_text(page, 10, 10, d->serial);
	ata_page_text(page, 23, 4, "1.0");
	ata_page_text(page, 27, 20, d->kind == MODEL_OPTICAL ? "MODEL CD" : "MODEL DISK");
	ata_page_put(page, 47, d->no_multiple ? 0 : 0x8010);
	ata_page_put(page, 49, 0x200 | d->dma << 8);
	ata_page_put(page, 60, (unsigned)(d->nsectors & 0xffff));
	ata_page_put(page, 61, (unsigned)(d->nsectors >> 16));
	ata_page_put(page, 82, d->smart);
	ata_page_put(page, 84, 0x4000);
	ata_page_put(page, 85, d->smart_on);
	ata_page_put(page, 87, 0x4000);
	ata_page_put(page, 83, 0x4000 | d->lba48 << 10 | 1 << 12 | d->lba48 << 13);
	ata_page_put(page, 100, (unsigned)(d->nsectors & 0xffff));
	ata_page_put(page, 101, (unsigned)(d->nsectors >> 16));
	ata_page_put(page, 105, d->trim ? 2 : 0); /* blocks of ranges in one command */
	ata_page_put(page, 169, d->trim);
}

/* --- ends and blocks ------------------------------------------------------------------------- */

static void
end(struct model *m, struct model_channel *c, struct model_drive *d, uint8_t error)
{
	d->error = error;
	d->status = READY | (error ? ATA_STATUS_ERR : 0);
	d->size = d->at = 0;
	if (d->packet)
		d->count[0] = IDE_REASON_COMMAND | IDE_REASON_IN;
	d->packet = false;
	model_interrupt(m, c);
}

static bool
touches_bad(struct model_drive *d, uint64_t lba, uint64_t n)
{
	if (!d->bad_times || d->bad < lba || d->bad >= lba + n)
		return false;
	d->bad_times--;
	return true;
}

static void
next_block(struct model_drive *d)
{
	uint32_t n = d->packet ? d->mid[0] | (uint32_t)d->high[0] << 8
			       : (d->multiple ? d->multiple : 1) * SECTOR;

	if (d->packet && d->size - d->at < n) {
		n = d->size - d->at;
		d->mid[0] = (uint8_t)n;
		d->high[0] = (uint8_t)(n >> 8);
	}
	d->block_end = d->size - d->at < n ? d->size : d->at + n;
	d->status = READY | ATA_STATUS_DRQ;
	if (d->packet)
		d->count[0] = d->out ? 0 : IDE_REASON_IN;
}

static void
block_over(struct model *m, struct model_channel *c, struct model_drive *d)
{
	if (d->wants_cdb || d->at < d->size) {
		if (d->wants_cdb)
			return;
		next_block(d);
		model_interrupt(m, c);
	} else if (d->out || d->packet) {
		if (d->out && !d->packet)
			memcpy(d->data + d->lba * SECTOR, d->buffer, d->size);
		end(m, c, d, 0);
	} else {
		d->status = READY;
		d->size = d->at = 0;
	}
}

/* DATA SET MANAGEMENT's ranges are here [ACS-4, 7.5.3]; what is trimmed reads as zeros. */
static void
trim(struct model *m, struct model_drive *d)
{
	for (uint32_t at = 0; at < d->size; at += 8) {
		uint64_t entry, lba, n;

		memcpy(&entry, d->buffer + at, sizeof entry);
		lba = entry & 0xffffffffffff;
		n = entry >> 48;
		if (lba + n > d->nsectors)
			sip_model_lint(&m->bus, "a range that the disk has not");
		else if (n)
			memset(d->data + lba * SECTOR, 0, n * SECTOR);
	}
	d->trims++;
}

void
model_transferred(struct model *m, struct model_channel *c, struct model_drive *d)
{
	bool good = !(c->bm_status & IDE_BM_ERROR);

	if (d->trimming && good)
		trim(m, d);
	else if (d->out && good && !d->trimming)
		memcpy(d->data + d->lba * SECTOR, d->buffer, d->size);
	d->trimming = false;
	end(m, c, d, 0);
}

/* --- disk commands --------------------------------------------------------------------------- */

struct request {
	uint64_t lba;
	uint32_t n;
};

static struct request
decode(const struct model_drive *d, bool ext)
{
	struct request r;

	if (!ext) {
		r.lba = d->low[0] | (uint64_t)d->mid[0] << 8 | (uint64_t)d->high[0] << 16 |
			(uint64_t)(d->device & 15) << 24;
		r.n = d->count[0] ? d->count[0] : 256;
		return r;
	}
	r.lba = d->low[0] | (uint64_t)d->mid[0] << 8 | (uint64_t)d->high[0] << 16 |
		(uint64_t)d->low[1] << 24 | (uint64_t)d->mid[1] << 32 | (uint64_t)d->high[1] << 40;
	r.n = d->count[0] | (uint32_t)d->count[1] << 8;
	if (!r.n)
		r.n = 65536;
	return r;
}

struct kind {
	bool ext, write, dma, multiple;
};

static void
transfer(struct model *m, struct model_channel *c, struct model_drive *d, struct kind k)
{
	struct request r = decode(d, k.ext);

	if ((k.ext && !d->lba48) || (k.dma && !d->dma) || (k.multiple && !d->multiple)) {
		end(m, c, d, ATA_ERROR_ABRT);
		return;
	}
	if (r.lba + r.n > d->nsectors || (size_t)r.n * SECTOR > MODEL_BUFFER) {
		sip_model_lint(&m->bus, "sectors that the disk has not");
		end(m, c, d, ATA_ERROR_IDNF);
		return;
	}
	if (touches_bad(d, r.lba, r.n)) {
		end(m, c, d, ATA_ERROR_UNC);
		return;
	}
	d->lba = r.lba;
	d->out = k.write;
	d->at = 0;
	d->size = r.n * SECTOR;
	if (!k.write)
		memcpy(d->buffer, d->data + r.lba * SECTOR, d->size);
	if (k.dma) {
		d->dma_wanted = true;
		d->status = READY | ATA_STATUS_DRQ;
		model_try_dma(m, c);
		return;
	}
	next_block(d);
	if (!k.write)
		model_interrupt(m, c);
}

static void
take_ranges(struct model *m, struct model_channel *c, struct model_drive *d)
{
	if (!d->trim || !d->dma || d->feature[0] != 1 || !d->count[0] || d->count[0] > 2) {
		end(m, c, d, ATA_ERROR_ABRT);
		return;
	}
	d->out = d->trimming = d->dma_wanted = true;
	d->at = 0;
	d->size = d->count[0] * SECTOR;
	d->status = READY | ATA_STATUS_DRQ;
	model_try_dma(m, c);
}

static void
send_page(struct model *m, struct model_channel *c, struct model_drive *d)
{
	d->out = false;
	d->at = 0;
	d->size = d->block_end = SECTOR;
	d->status = READY | ATA_STATUS_DRQ;
	model_interrupt(m, c);
}

/* A sum of 0, as all pages of SMART have [ATA8-ACS, 7.53]. */
static void
send_sealed(struct model *m, struct model_channel *c, struct model_drive *d)
{
	ata_page_seal(d->buffer);
	send_page(m, c, d);
}

static void
smart(struct model *m, struct model_channel *c, struct model_drive *d)
{
	d->smarts++;
	memset(d->buffer, 0, SECTOR);
	if (!d->smart_on || d->mid[0] != 0x4f || d->high[0] != 0xc2) {
		end(m, c, d, ATA_ERROR_ABRT);
	} else if (d->feature[0] == ATA_SMART_STATUS) {
		d->mid[0] = d->failing ? 0xf4 : 0x4f;
		d->high[0] = d->failing ? 0x2c : 0xc2;
		end(m, c, d, 0);
	} else if (d->feature[0] == ATA_SMART_DATA) {
		memcpy(d->buffer + 2, "\xc2\0\0\x64\x5a", 5);
		d->buffer[2 + 5] = d->celsius;
		send_sealed(m, c, d);
	} else if (d->feature[0] == ATA_SMART_THRESHOLDS) {
		memcpy(d->buffer + 2, "\xc2\x05", 2);
		send_sealed(m, c, d);
	} else
		end(m, c, d, ATA_ERROR_ABRT);
}

static void
disk_command(struct model *m, struct model_channel *c, struct model_drive *d, uint8_t opcode)
{
	switch (opcode) {
	case ATA_IDENTIFY:
		identify(d, d->buffer);
		send_page(m, c, d);
		break;
	case ATA_SMART: smart(m, c, d); break;
	case ATA_READ_DMA: transfer(m, c, d, (struct kind){ .dma = true }); break;
	case ATA_WRITE_DMA: transfer(m, c, d, (struct kind){ .dma = true, .write = true }); break;
	case ATA_READ_DMA_EXT: transfer(m, c, d, (struct kind){ true, false, true, false }); break;
	case ATA_WRITE_DMA_EXT: transfer(m, c, d, (struct kind){ true, true, true, false }); break;
	case ATA_READ_SECTORS: transfer(m, c, d, (struct kind){ 0 }); break;
	case ATA_WRITE_SECTORS: transfer(m, c, d, (struct kind){ .write = true }); break;
	case ATA_READ_SECTORS_EXT: transfer(m, c, d, (struct kind){ .ext = true }); break;
	case ATA_WRITE_SECTORS_EXT:
		transfer(m, c, d, (struct kind){ .ext = true, .write = true });
		break;
	case ATA_READ_MULTIPLE: transfer(m, c, d, (struct kind){ .multiple = true }); break;
	case ATA_WRITE_MULTIPLE:
		transfer(m, c, d, (struct kind){ .multiple = true, .write = true });
		break;
	case ATA_READ_MULTIPLE_EXT:
		transfer(m, c, d, (struct kind){ .ext = true, .multiple = true });
		break;
	case ATA_WRITE_MULTIPLE_EXT:
		transfer(m, c, d, (struct kind){ true, true, false, true });
		break;
	case ATA_SET_MULTIPLE:
		d->multiple = d->count[0];
		end(m, c, d, 0);
		break;
	case ATA_DSM: take_ranges(m, c, d); break;
	case ATA_FLUSH:
	case ATA_FLUSH_EXT:
		d->flushes += !d->bad_flush;
		end(m, c, d, d->bad_flush ? ATA_ERROR_ABRT : 0);
		d->bad_flush -= d->bad_flush > 0;
		break;
	case ATA_STANDBY_IMMEDIATE:
		d->standbys++;
		end(m, c, d, 0);
		break;
	default: end(m, c, d, ATA_ERROR_ABRT);
	}
}

/* --- packets --------------------------------------------------------------------------------- */

static void
check(struct model *m, struct model_channel *c, struct model_drive *d, unsigned sense)
{
	d->key = (uint8_t)(sense >> 16);
	d->asc = (uint8_t)(sense >> 8);
	d->ascq = (uint8_t)sense;
	end(m, c, d, (uint8_t)(d->key << 4));
}

static void
answer(struct model *m, struct model_channel *c, struct model_drive *d, uint32_t n)
{
	d->size = n;
	d->at = 0;
	d->out = false;
	if (!n)
		end(m, c, d, 0);
	else if (d->feature[0] & 1) {
		d->dma_wanted = true;
		model_try_dma(m, c);
	} else {
		if (!d->mid[0] && !d->high[0])
			sip_model_lint(&m->bus, "no limit for a packet's data");
		next_block(d);
		model_interrupt(m, c);
	}
}

static void
medium_packet(struct model *m, struct model_channel *c, struct model_drive *d)
{
	const uint8_t *p = d->cdb;
	uint64_t lba = (uint64_t)p[2] << 24 | (uint64_t)p[3] << 16 | (uint64_t)p[4] << 8 | p[5];
	uint32_t n = (uint32_t)p[7] << 8 | p[8], last = (uint32_t)d->nsectors - 1;

	if (d->attention) {
		d->attention = false;
		check(m, c, d, 0x062800);
	} else if (d->tray_open)
		check(m, c, d, 0x023a02);
	else if (p[0] == ATAPI_TEST_UNIT_READY)
		answer(m, c, d, 0);
	else if (p[0] == ATAPI_READ_CAPACITY) {
		memcpy(d->buffer,
		       (uint8_t[8]){ 0, 0, (uint8_t)(last >> 8), (uint8_t)last, 0, 0, 8, 0 }, 8);
		answer(m, c, d, 8);
	} else if (p[0] != ATAPI_READ_10)
		check(m, c, d, 0x052000);
	else if (lba + n > d->nsectors || n * MODEL_CD > MODEL_BUFFER)
		check(m, c, d, 0x052100);
	else if (touches_bad(d, lba, n))
		check(m, c, d, 0x031100);
	else {
		memcpy(d->buffer, d->data + lba * MODEL_CD, n * MODEL_CD);
		answer(m, c, d, n * MODEL_CD);
	}
}

static void
packet(struct model *m, struct model_channel *c, struct model_drive *d)
{
	static const uint8_t inquiry[36] = "\x05\x80\x05\x32\x1f\0\0\0MODEL   CD              1.0";
	uint8_t sense[18] = { 0x70, 0, d->key, 0, 0, 0, 0, 10, 0, 0, 0, 0, d->asc, d->ascq };

	switch (d->cdb[0]) {
	case ATAPI_INQUIRY:
		memcpy(d->buffer, inquiry, 36);
		answer(m, c, d, 36);
		break;
	case ATAPI_REQUEST_SENSE:
		memcpy(d->buffer, sense, 18);
		answer(m, c, d, 18);
		break;
	case ATAPI_GET_EVENT_STATUS:
		memcpy(d->buffer, (uint8_t[8]){ 0, 6, 4, 0x10, 0, d->tray_open ? 1 : 2 }, 8);
		answer(m, c, d, 8);
		break;
	case ATAPI_START_STOP_UNIT:
		if (d->cdb[4] == 3 && d->tray_open)
			d->attention = true;
		if (d->cdb[4] & 2)
			d->tray_open = d->cdb[4] == 2;
		answer(m, c, d, 0);
		break;
	default: medium_packet(m, c, d);
	}
}

static void
optical_command(struct model *m, struct model_channel *c, struct model_drive *d, uint8_t opcode)
{
	if (opcode == ATA_IDENTIFY_PACKET) {
		identify(d, d->buffer);
		send_page(m, c, d);
	} else if (opcode == ATA_PACKET) {
		d->packet = d->wants_cdb = true;
		d->out = true;
		d->at = 0;
		d->size = d->block_end = 12;
		d->count[0] = IDE_REASON_COMMAND;
		d->status = READY | ATA_STATUS_DRQ;
	} else {
		d->mid[0] = 0x14; /* aborted, with its signature */
		d->high[0] = 0xeb;
		end(m, c, d, ATA_ERROR_ABRT);
	}
}

/* --- registers ------------------------------------------------------------------------------- */

static void
data_out(struct model *m, struct model_channel *c, struct model_drive *d, unsigned width,
	 uint32_t v)
{
	if (!(d->status & ATA_STATUS_DRQ) || !d->out || d->at + width > d->block_end) {
		sip_model_lint(&m->bus, "data that the drive did not ask for");
		return;
	}
	memcpy((d->wants_cdb ? d->cdb : d->buffer) + d->at, &v, width);
	d->at += width;
	if (d->at < d->block_end)
		return;
	if (d->wants_cdb) {
		d->wants_cdb = false;
		packet(m, c, d);
	} else
		block_over(m, c, d);
}

static uint32_t
data_in(struct model *m, struct model_channel *c, struct model_drive *d, unsigned width)
{
	uint32_t v = 0, n = width;

	if (!(d->status & ATA_STATUS_DRQ) || d->out || d->at >= d->block_end)
		return 0;
	if (n > d->block_end - d->at)
		n = d->block_end - d->at;
	memcpy(&v, d->buffer + d->at, n);
	d->at += n;
	if (d->at == d->block_end)
		block_over(m, c, d);
	return v;
}

uint32_t
model_drive_in(struct model *m, struct model_channel *c, unsigned reg, unsigned width)
{
	struct model_drive *d = &c->drive[c->selected];

	switch (reg) {
	case IDE_DATA: return data_in(m, c, d, width);
	case IDE_ERROR: return d->error;
	case IDE_COUNT: return d->count[0];
	case IDE_LBA_LOW: return d->low[0];
	case IDE_LBA_MID: return d->mid[0];
	case IDE_LBA_HIGH: return d->high[0];
	case IDE_DEVICE: return d->device;
	default: return d->status;
	}
}

static void
shift_in(uint8_t reg[2], uint32_t v)
{
	reg[1] = reg[0];
	reg[0] = (uint8_t)v;
}

static void
command(struct model *m, struct model_channel *c, struct model_drive *d, uint8_t opcode)
{
	if (d->status & (ATA_STATUS_BSY | ATA_STATUS_DRQ) || d->hung) {
		sip_model_lint(&m->bus, "a command while the drive is busy");
		return;
	}
	d->opcode = opcode;
	d->error = 0;
	if (d->hang && opcode != ATA_IDENTIFY && opcode != ATA_SET_MULTIPLE) {
		d->hang--;
		d->hung = true;
		d->status = ATA_STATUS_BSY;
	} else if (d->kind == MODEL_DISK)
		disk_command(m, c, d, opcode);
	else
		optical_command(m, c, d, opcode);
}

/*
 * Both drives see what is written; the command is the selected one's.  While that is busy or has
 * data to move, they see nothing [ATA8-APT, 6.2: the host shall not write], as in QEMU.
 */
void
model_drive_out(struct model *m, struct model_channel *c, unsigned reg, unsigned width, uint32_t v)
{
	if (reg != IDE_DATA && reg != IDE_STATUS &&
	    c->drive[c->selected].status & (ATA_STATUS_BSY | ATA_STATUS_DRQ))
		return;
	if (reg == IDE_DEVICE)
		c->selected = v >> 4 & 1;
	for (unsigned i = 0; i < IDE_DRIVES; i++) {
		struct model_drive *d = &c->drive[i];

		switch (reg) {
		case IDE_ERROR: shift_in(d->feature, v); break;
		case IDE_COUNT: shift_in(d->count, v); break;
		case IDE_LBA_LOW: shift_in(d->low, v); break;
		case IDE_LBA_MID: shift_in(d->mid, v); break;
		case IDE_LBA_HIGH: shift_in(d->high, v); break;
		case IDE_DEVICE: d->device = (uint8_t)v; break;
		default: break;
		}
	}
	if (!c->drive[c->selected].kind)
		return;
	if (reg == IDE_DATA)
		data_out(m, c, &c->drive[c->selected], width, v);
	else if (reg == IDE_STATUS)
		command(m, c, &c->drive[c->selected], (uint8_t)v);
}
