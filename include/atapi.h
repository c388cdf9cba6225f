/*
 * ATAPI: the packet commands of optical drives, for every controller that can carry packets.
 *
 * The first part is pure: it builds commands, decodes answers and sense data, and follows what they
 * say about the medium.  The second makes a drive a read-only disk of lib/blk, with `eject`, `load`
 * and the rest in its ctl and a packet file; a driver gives it one function that carries out a
 * packet.  Sections are those of MMC-6, SPC-4 and ACS-4.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "blk.h"

/* --- lib/atapi/command.c: commands and their answers ------------------------------------------ */

enum atapi_opcode {
	ATAPI_TEST_UNIT_READY = 0x00,
	ATAPI_REQUEST_SENSE = 0x03,
	ATAPI_INQUIRY = 0x12,
	ATAPI_START_STOP_UNIT = 0x1b,
	ATAPI_PREVENT_ALLOW = 0x1e,
	ATAPI_READ_CAPACITY = 0x25,
	ATAPI_READ_10 = 0x28,
	ATAPI_READ_TOC = 0x43,
	ATAPI_GET_EVENT_STATUS = 0x4a,
	ATAPI_MODE_SENSE_10 = 0x5a,
	ATAPI_READ_12 = 0xa8,
};

enum {
	ATAPI_CDB_MAX = 16,
	ATAPI_SECTOR = 2048,
	ATAPI_INQUIRY_SIZE = 36,
	ATAPI_SENSE_SIZE = 32,
	ATAPI_CAPACITY_SIZE = 8,
	ATAPI_EVENT_SIZE = 8,
	ATAPI_TOC_SIZE = 804, /* a header and 100 descriptors */
	ATAPI_CAPS_SIZE = 64,
	ATAPI_TRACKS_MAX = 100,
};

enum atapi_direction { ATAPI_NODATA, ATAPI_IN, ATAPI_OUT };

enum atapi_tray { ATAPI_STOP, ATAPI_START, ATAPI_EJECT, ATAPI_LOAD };

/* What READ TOC asks for: the tracks, or where the last session begins. */
enum atapi_toc_format { ATAPI_TOC_TRACKS = 0, ATAPI_TOC_SESSIONS = 1 };

/*
 * One command.  The builders set cdb, direction and bytes; whoever sends it the memory; the
 * transport what was answered.  `bytes` is the most that is moved; the device may move less.
 */
struct atapi_packet {
	uint8_t cdb[ATAPI_CDB_MAX];
	enum atapi_direction direction;
	uint32_t bytes;
	uint32_t timeout_ms;
	const struct dma_seg *seg; /* the device sees the data here; at least `bytes` in all */
	unsigned nsegs;
	void *data; /* the same memory for the processor */

	uint8_t status, error; /* of the task file; a sense key is in error's upper half */
	uint32_t moved;
};

void atapi_cmd_test_ready(struct atapi_packet *p);
void atapi_cmd_request_sense(struct atapi_packet *p);
void atapi_cmd_inquiry(struct atapi_packet *p);
void atapi_cmd_tray(enum atapi_tray what, struct atapi_packet *p);
void atapi_cmd_prevent(bool prevent, struct atapi_packet *p);
void atapi_cmd_capacity(struct atapi_packet *p);
void atapi_cmd_toc(enum atapi_toc_format format, struct atapi_packet *p);
/* Polled, the media class. */
void atapi_cmd_events(struct atapi_packet *p);
/* The page of capabilities and mechanical status (0x2a). */
void atapi_cmd_capabilities(struct atapi_packet *p);
/* READ(10), or READ(12) for more than 65535 blocks.  -EINVAL: none, or beyond 32 bits. */
int atapi_cmd_read(uint64_t lba, uint32_t nblocks, struct atapi_packet *p);
/* "READ(10)"; "command 0xNN" is made by whoever prints: NULL for one that is not in the list. */
const char *atapi_opcode_name(uint8_t opcode);

/* Decoders take the n bytes that came; -EPROTO: too few, or not what was asked for. */
struct atapi_inquiry {
	uint8_t type; /* 5: CD or DVD; 7: optical memory; 0: direct access */
	bool removable;
	char vendor[9], product[17], revision[5]; /* printable, without blanks at the end */
};
int atapi_inquiry(const uint8_t *b, size_t n, struct atapi_inquiry *out);

/* Sectors of ATAPI_SECTOR bytes.  -EMEDIUMTYPE: blocks of another size. */
int atapi_capacity(const uint8_t *b, size_t n, uint64_t *nsectors);

struct atapi_track {
	uint8_t number; /* 0xaa: the lead-out */
	bool data;      /* else sound */
	uint32_t lba;
};
struct atapi_toc {
	unsigned first, last, ntracks; /* ntracks: of those below, with the lead-out */
	struct atapi_track track[ATAPI_TRACKS_MAX];
};
int atapi_toc(const uint8_t *b, size_t n, struct atapi_toc *out);
/* Where the first track of the last session begins. */
int atapi_last_session(const uint8_t *b, size_t n, uint32_t *lba);

enum atapi_event {
	ATAPI_EVENT_NONE,
	ATAPI_EVENT_EJECT,
	ATAPI_EVENT_NEW,
	ATAPI_EVENT_REMOVED,
	ATAPI_EVENT_CHANGED
};
struct atapi_events {
	enum atapi_event event;
	bool tray_open, present;
};
/* -EOPNOTSUPP: the device does not report on media. */
int atapi_events(const uint8_t *b, size_t n, struct atapi_events *out);

struct atapi_caps {
	bool eject, lock, locked;
	unsigned mechanism; /* 0 caddy, 1 tray, 2 pop-up, 4 and 5 changers */
};
int atapi_capabilities(const uint8_t *b, size_t n, struct atapi_caps *out);

/* --- lib/atapi/sense.c ------------------------------------------------------------------------ */

enum atapi_key {
	ATAPI_NO_SENSE,
	ATAPI_RECOVERED,
	ATAPI_NOT_READY,
	ATAPI_MEDIUM_ERROR,
	ATAPI_HARDWARE_ERROR,
	ATAPI_ILLEGAL_REQUEST,
	ATAPI_UNIT_ATTENTION,
	ATAPI_DATA_PROTECT,
	ATAPI_BLANK_CHECK,
	ATAPI_ABORTED = 0xb,
};

struct atapi_sense {
	uint8_t key, asc, ascq;
	bool deferred; /* of an earlier command */
	bool has_lba;
	uint32_t lba;
};

/*
 * Fixed or descriptor format [SPC-4, 4.5].  Bytes that did not come count as 0.  -EPROTO: neither
 * format, or too short for a key.
 */
int atapi_sense(const uint8_t *b, size_t n, struct atapi_sense *out);
/* What the key and its additional codes mean: 0 for nothing wrong, else a negative errno. */
int atapi_errno(const struct atapi_sense *s);
/* May the same command do better at once, after a while, or not at all? */
enum atapi_retry { ATAPI_GIVE_UP, ATAPI_AGAIN, ATAPI_WAIT };
enum atapi_retry atapi_retry(const struct atapi_sense *s);
/* "not ready: medium not present (2/3a/02)"; the length, at most size - 1. */
int atapi_sense_text(const struct atapi_sense *s, char *buf, size_t size);

/* --- lib/atapi/medium.c: is there one, and is it still the same? ----------------------------- */

/*
 *	UNKNOWN		nothing was heard yet, or the medium may have been changed: ask
 *	NONE		no medium, or the tray is open
 *	WAITING		the drive is taking one up
 *	READY		its capacity has been read, and nothing was heard since
 */
enum atapi_state { ATAPI_UNKNOWN, ATAPI_NONE, ATAPI_WAITING, ATAPI_READY };

struct atapi_medium {
	enum atapi_state state;
	bool tray_open;   /* as far as the drive tells */
	unsigned changes; /* how often READY was lost */
};

/* After a command: s NULL for one that went well.  True if the state is another now. */
bool atapi_medium_sense(struct atapi_medium *m, const struct atapi_sense *s);
/* After GET EVENT STATUS NOTIFICATION. */
bool atapi_medium_events(struct atapi_medium *m, const struct atapi_events *e);
/* The drive is ready, and its capacity is now asked for: WAITING until atapi_medium_ready. */
void atapi_medium_begin(struct atapi_medium *m);
/* It was read.  False, and nothing changes, if there were news since atapi_medium_begin. */
bool atapi_medium_ready(struct atapi_medium *m);
/* A command was given after which nothing is known. */
void atapi_medium_forget(struct atapi_medium *m);
const char *atapi_state_name(enum atapi_state state);

/* --- lib/atapi/unit.c, keep.c, text.c: a drive as a disk ------------------------------------- */

/* For answers, the packet file's data, sense data; the driver's, reachable for the device. */
enum { ATAPI_BUFFER = BLK_PACKET_MAX + 512 };

/*
 * The driver's functions.  `run` carries out one command in the unit's own thread, one at a time,
 * and waits for its end, at most about p->timeout_ms and what resets take.  0: the device has
 * ended it; status, error and moved are set (ERR in status is the device's way to say that there is
 * sense data).  A negative errno: it has not (-ETIMEDOUT), or there is no device (-ENODEV).
 * p->cdb is sent with as many bytes as the device takes, 12 or 16.
 */
struct atapi_transport {
	int (*run)(void *drive, struct atapi_packet *p);
	/* Optional: ctl commands that are the driver's; its lines of ctl and stats: as blk_ops. */
	int (*command)(void *drive, const char *text);
	size_t (*describe)(void *drive, char *buf, size_t n);
	size_t (*statistics)(void *drive, char *buf, size_t n);
	void (*log)(void *drive, const char *text); /* optional */
	/* Optional: the unit has ended, and no function is called with `drive` any more. */
	void (*release)(void *drive);
};

struct atapi_config {
	struct blk_server *server;
	const struct atapi_transport *transport;
	void *drive;
	char name[16];                            /* "sdC2" */
	char model[48], serial[24], firmware[16]; /* of IDENTIFY PACKET DEVICE */
	char features[64];                        /* the transport's, as "dma" */
	uint32_t max_bytes;                       /* of one packet's data; at least 64 KiB */
	uint32_t max_segs, align;                 /* as in blk_info */
	struct blk_memory *memory;
	uint64_t paddr;   /* of buffer, as the device sees it; 0 if `run` copies */
	void *buffer;     /* ATAPI_BUFFER bytes, contiguous */
	unsigned poll_ms; /* how often to look for a change; 0: 2000 */
};

struct atapi_unit;

struct atapi_unit *atapi_unit_new(void);
/* It lives on while files of its disks are open. */
void atapi_unit_free(struct atapi_unit *u);
/*
 * A drive is there: adds its disk to the server, with its medium if that is ready within a second;
 * one that takes longer comes later.  It sleeps, and `run` is called meanwhile: not for the thread
 * that ends commands.  -ENODEV: not a device for media with blocks of 2048 bytes; else what
 * blk_add_disk says.
 */
int atapi_unit_start(struct atapi_unit *u, const struct atapi_config *c);
/*
 * It is gone, or the server ends: the disk goes, what waits gets -ENODEV, and when this returns
 * `run` is not called any more.  `run` should give -ENODEV by then.  Nothing if not started.
 */
void atapi_unit_stop(struct atapi_unit *u);
