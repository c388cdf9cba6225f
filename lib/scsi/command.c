/*
 * Commands of SCSI disks [SPC-4, 6; SBC-3, 5].
 */
#include <string.h>
#include "scsi.h"

enum {
	ACTION_READ_CAPACITY = 0x10,
	INQUIRY_EVPD = 1,
	MODE_DBD = 8,
	LOG_CUMULATIVE = 0x40, /* PC: the values as they are */
	RW_FUA = 8,
	SAME_UNMAP = 8
};

static void
put(uint8_t *at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
}

static unsigned
begin(uint8_t *cdb, enum scsi_opcode opcode, unsigned length)
{
	memset(cdb, 0, SCSI_CDB_MAX);
	cdb[0] = (uint8_t)opcode;
	return length;
}

unsigned
scsi_cmd_test_ready(uint8_t *cdb)
{
	return begin(cdb, SCSI_TEST_UNIT_READY, 6);
}

unsigned
scsi_cmd_inquiry(uint8_t *cdb, int vpd, uint16_t bytes)
{
	unsigned n = begin(cdb, SCSI_INQUIRY, 6);

	if (vpd >= 0) {
		cdb[1] = INQUIRY_EVPD;
		cdb[2] = (uint8_t)vpd;
	}
	put(cdb + 3, bytes, 2);
	return n;
}

unsigned
scsi_cmd_report_luns(uint8_t *cdb, uint32_t bytes)
{
	unsigned n = begin(cdb, SCSI_REPORT_LUNS, 12);

	put(cdb + 6, bytes, 4);
	return n;
}

unsigned
scsi_cmd_capacity_10(uint8_t *cdb)
{
	return begin(cdb, SCSI_READ_CAPACITY_10, 10);
}

unsigned
scsi_cmd_capacity_16(uint8_t *cdb)
{
	unsigned n = begin(cdb, SCSI_SERVICE_ACTION_IN_16, 16);

	cdb[1] = ACTION_READ_CAPACITY;
	put(cdb + 10, SCSI_CAPACITY_16, 4);
	return n;
}

unsigned
scsi_cmd_mode_sense(uint8_t *cdb, uint8_t page, uint8_t bytes)
{
	unsigned n = begin(cdb, SCSI_MODE_SENSE_6, 6);

	cdb[1] = MODE_DBD;
	cdb[2] = page;
	cdb[4] = bytes;
	return n;
}

unsigned
scsi_cmd_log_sense(uint8_t *cdb, uint8_t page, uint16_t bytes)
{
	unsigned n = begin(cdb, SCSI_LOG_SENSE, 10);

	cdb[2] = LOG_CUMULATIVE | page;
	put(cdb + 7, bytes, 2);
	return n;
}

unsigned
scsi_cmd_rw(uint8_t *cdb, const struct scsi_rw *rw)
{
	bool wide = rw->lba + rw->n > UINT32_MAX || rw->n > UINT16_MAX;
	unsigned length;

	if (wide) {
		length = begin(cdb, rw->write ? SCSI_WRITE_16 : SCSI_READ_16, 16);
		put(cdb + 2, rw->lba, 8);
		put(cdb + 10, rw->n, 4);
	} else {
		length = begin(cdb, rw->write ? SCSI_WRITE_10 : SCSI_READ_10, 10);
		put(cdb + 2, rw->lba, 4);
		put(cdb + 7, rw->n, 2);
	}
	cdb[1] = rw->fua ? RW_FUA : 0;
	return length;
}

unsigned
scsi_cmd_flush(uint8_t *cdb)
{
	return begin(cdb, SCSI_SYNCHRONIZE_CACHE_10, 10);
}

unsigned
scsi_cmd_unmap(uint8_t *cdb, unsigned nranges)
{
	unsigned n = begin(cdb, SCSI_UNMAP, 10);

	put(cdb + 7, SCSI_UNMAP_HEADER + nranges * SCSI_UNMAP_RANGE, 2);
	return n;
}

void
scsi_unmap_range(uint8_t *list, unsigned i, uint64_t lba, uint32_t n)
{
	uint8_t *at = list + SCSI_UNMAP_HEADER + (size_t)i * SCSI_UNMAP_RANGE;

	put(at, lba, 8);
	put(at + 8, n, 4);
	put(at + 12, 0, 4);
}

/* [SBC-3, 5.28.2] */
void
scsi_unmap_header(uint8_t *list, unsigned nranges)
{
	put(list, SCSI_UNMAP_HEADER - 2 + nranges * SCSI_UNMAP_RANGE, 2);
	put(list + 2, nranges * SCSI_UNMAP_RANGE, 2);
	put(list + 4, 0, 4);
}

unsigned
scsi_cmd_write_same(uint8_t *cdb, uint64_t lba, uint32_t n, bool unmap)
{
	unsigned length = begin(cdb, SCSI_WRITE_SAME_16, 16);

	cdb[1] = unmap ? SAME_UNMAP : 0;
	put(cdb + 2, lba, 8);
	put(cdb + 10, n, 4);
	return length;
}
