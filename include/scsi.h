/*
 * SCSI disks: the commands of block devices and what they answer.  Pure functions; big-endian bytes
 * that a device sent may say anything.  Sense data, and devices with media of 2048 bytes: atapi.h.
 * Sections are those of SPC-4 and SBC-3.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum scsi_opcode {
	SCSI_TEST_UNIT_READY = 0x00,
	SCSI_FORMAT_UNIT = 0x04,
	SCSI_INQUIRY = 0x12,
	SCSI_MODE_SELECT_6 = 0x15,
	SCSI_MODE_SENSE_6 = 0x1a,
	SCSI_START_STOP = 0x1b,
	SCSI_READ_CAPACITY_10 = 0x25,
	SCSI_READ_10 = 0x28,
	SCSI_WRITE_10 = 0x2a,
	SCSI_SYNCHRONIZE_CACHE_10 = 0x35,
	SCSI_UNMAP = 0x42,
	SCSI_SANITIZE = 0x48,
	SCSI_LOG_SENSE = 0x4d,
	SCSI_MODE_SELECT_10 = 0x55,
	SCSI_READ_16 = 0x88,
	SCSI_WRITE_16 = 0x8a,
	SCSI_WRITE_SAME_16 = 0x93,
	SCSI_SERVICE_ACTION_IN_16 = 0x9e, /* READ CAPACITY(16) */
	SCSI_REPORT_LUNS = 0xa0,
};

enum scsi_status { /* [SAM-5, 5.3.1] */
		   SCSI_GOOD = 0x00,
		   SCSI_CHECK_CONDITION = 0x02,
		   SCSI_BUSY = 0x08,
		   SCSI_RESERVATION_CONFLICT = 0x18,
		   SCSI_TASK_SET_FULL = 0x28,
};

enum scsi_type { SCSI_TYPE_DISK = 0x00, SCSI_TYPE_CD = 0x05, SCSI_TYPE_OPTICAL = 0x07 };

enum {
	SCSI_CDB_MAX = 16,
	SCSI_VPD_NONE = -1, /* the standard INQUIRY data */
	SCSI_VPD_PAGES = 0x00,
	SCSI_VPD_SERIAL = 0x80,
	SCSI_VPD_ID = 0x83,
	SCSI_VPD_LIMITS = 0xb0,
	SCSI_VPD_PROVISIONING = 0xb2,
	SCSI_MODE_CACHING = 0x08,
	SCSI_LOG_PAGES = 0x00, /* which there are */
	SCSI_LOG_TEMPERATURE = 0x0d,
	SCSI_LOG_EXCEPTIONS = 0x2f,
	SCSI_UNMAP_HEADER = 8,
	SCSI_UNMAP_RANGE = 16,
	SCSI_CAPACITY_10 = 8,
	SCSI_CAPACITY_16 = 32,
};

/* --- lib/scsi/command.c: each fills in cdb, SCSI_CDB_MAX bytes; its length -------------------*/

unsigned scsi_cmd_test_ready(uint8_t *cdb);
unsigned scsi_cmd_inquiry(uint8_t *cdb, int vpd, uint16_t bytes);
unsigned scsi_cmd_report_luns(uint8_t *cdb, uint32_t bytes);
unsigned scsi_cmd_capacity_10(uint8_t *cdb);
unsigned scsi_cmd_capacity_16(uint8_t *cdb);
unsigned scsi_cmd_mode_sense(uint8_t *cdb, uint8_t page, uint8_t bytes);
unsigned scsi_cmd_log_sense(uint8_t *cdb, uint8_t page, uint16_t bytes);
/* READ(10) or WRITE(10) where they reach, else of 16 bytes. */
struct scsi_rw {
	uint64_t lba;
	uint32_t n;
	bool write, fua; /* fua: past the cache */
};
unsigned scsi_cmd_rw(uint8_t *cdb, const struct scsi_rw *rw);
unsigned scsi_cmd_flush(uint8_t *cdb); /* the whole medium */
/* The list has so many ranges, set with scsi_unmap_range; then scsi_unmap_header. */
unsigned scsi_cmd_unmap(uint8_t *cdb, unsigned nranges);
void scsi_unmap_range(uint8_t *list, unsigned i, uint64_t lba, uint32_t n);
void scsi_unmap_header(uint8_t *list, unsigned nranges);
/* One sector of data for all n; unmap: their room may be given up if they read as that then. */
unsigned scsi_cmd_write_same(uint8_t *cdb, uint64_t lba, uint32_t n, bool unmap);

/* --- lib/scsi/answer.c: decoders of the n bytes that came; -EPROTO: too few, or nonsense ----- */

struct scsi_inquiry {
	enum scsi_type type;
	bool there;                               /* a device is connected to this unit [6.4.2] */
	char vendor[9], product[17], revision[5]; /* printable, without blanks at the end */
};
int scsi_inquiry(const uint8_t *b, size_t n, struct scsi_inquiry *out);

/* Numbers of the units, in their order, at most max: how many.  Of more levels: left out. */
int scsi_luns(const uint8_t *b, size_t n, uint16_t *lun, unsigned max);

struct scsi_capacity {
	uint64_t nsectors; /* 0: READ CAPACITY(16) must be asked */
	uint32_t secsize, physsecsize;
	bool thin; /* LBPME: it can unmap */
};
/* -ENOTSUP: sectors of a size that is no power of 2 in 512..4096, or with protection data. */
int scsi_capacity_10(const uint8_t *b, size_t n, struct scsi_capacity *out);
int scsi_capacity_16(const uint8_t *b, size_t n, struct scsi_capacity *out);

/* Is the page in the list of pages? */
bool scsi_vpd_has(const uint8_t *b, size_t n, uint8_t page);
int scsi_vpd_serial(const uint8_t *b, size_t n, char *out, size_t size);
int scsi_vpd_id(const uint8_t *b, size_t n, uint64_t *wwn); /* NAA of the unit; -ENOENT: none */

struct scsi_limits {
	uint32_t max_transfer;                /* sectors; 0: not told, as the next */
	uint32_t unmap_sectors, unmap_ranges; /* of one UNMAP */
	uint64_t same_sectors;                /* of one WRITE SAME */
};
int scsi_vpd_limits(const uint8_t *b, size_t n, struct scsi_limits *out);
struct scsi_provisioning {
	bool unmap, same; /* UNMAP; WRITE SAME(16) that unmaps */
};
int scsi_vpd_provisioning(const uint8_t *b, size_t n, struct scsi_provisioning *out);

struct scsi_mode {
	bool readonly, fua;
	bool writeback; /* only if the caching page came */
};
int scsi_mode(const uint8_t *b, size_t n, struct scsi_mode *out);

/* --- lib/scsi/health.c: pages of LOG SENSE, and what ctl says of them ------------------------- */

/* -EPROTO: it is no list of pages. */
int scsi_log_has(const uint8_t *b, size_t n, uint8_t page);
/* Degrees Celsius, of which the device tells none below 0; -ENOENT: it does not know. */
int scsi_log_temperature(const uint8_t *b, size_t n, int *degrees);

struct scsi_exceptions {
	uint8_t asc, ascq; /* asc 0: all is well */
	int degrees;       /* of the last reading; negative: it does not tell */
};
int scsi_log_exceptions(const uint8_t *b, size_t n, struct scsi_exceptions *out);

enum scsi_told { /* of a page */
		 SCSI_NOT_ASKED,
		 SCSI_NO_PAGE,
		 SCSI_NO_ANSWER, /* to that */
		 SCSI_REFUSED,   /* though it is in the list */
		 SCSI_MALFORMED,
		 SCSI_TOLD,
};

struct scsi_health {
	enum scsi_told pages, temperature, exceptions; /* pages: the list of them */
	int degrees;                                   /* if `temperature` says so; -1: not known */
	struct scsi_exceptions exception;              /* if `exceptions` does */
};
/* Lines of ctl (man/3/sd): the length, less than size. */
int scsi_health_text(const struct scsi_health *h, char *buf, size_t size);
