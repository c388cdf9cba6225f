/*
 * A model of an IDE controller with its drives, at the level of ports and memory, for tests (see
 * sip_model.h).  Commands are carried out when they are given; what the driver must not do is
 * counted, and faults are made on demand.
 */
#pragma once
#include "../ide.h"
#include "sip_model.h"

enum { MODEL_BUFFER = 1 << 20, MODEL_CD = 2048 };
enum {
	MODEL_CMD_0 = 0xc100,
	MODEL_CTL_0 = 0xc110,
	MODEL_CMD_1 = 0xc120,
	MODEL_CTL_1 = 0xc130,
	MODEL_MASTER = 0xc140,
	MODEL_LINE = 11
}; /* in native mode */

enum { MODEL_STOP_US = 100000 };
enum model_kind { MODEL_NONE, MODEL_DISK, MODEL_OPTICAL };

struct model_drive {
	enum model_kind kind;
	bool lba48, dma, no_multiple, trim;
	bool smart, smart_on, failing; /* it has SMART; that is on; what it says of itself */
	uint8_t celsius;
	uint64_t nsectors;
	uint8_t *data;
	char serial[21];
	unsigned flushes, resets, standbys, smarts, trims;

	/* Faults, each so many times. */
	unsigned hang, lose_interrupt, dma_error, bad_flush;
	uint64_t bad; /* a sector, for bad_times */
	unsigned bad_times;

	/* Registers: the last two values of each. */
	uint8_t feature[2], count[2], low[2], mid[2], high[2], device, status, error;
	unsigned multiple;

	/* The transfer that goes on. */
	uint8_t *buffer;
	uint32_t at, size, block_end;
	bool out, hung, packet, wants_cdb, dma_wanted, trimming;
	uint64_t lba;
	uint8_t opcode, cdb[16];
	uint8_t key, asc, ascq; /* sense */
	bool tray_open, attention;
};

struct model_channel {
	struct model_drive drive[IDE_DRIVES];
	unsigned selected;
	uint8_t control;
	bool stopped; /* the bus master, since the driver began */
	bool line;    /* its interrupt stands, until the status is read */
	uint8_t bm_command, bm_status;
	uint32_t bm_table;
};

struct model {
	struct sip_model bus;
	unsigned native; /* channels, as bits */
	struct model_channel channel[IDE_CHANNELS];
	bool nonsense;  /* every second read gives anything */
	unsigned stops; /* so often all stands still, MODEL_STOP_US after a look: it was busy */
};

/* Channels (as bits) with ports of their own, others with legacy's; with a bus master or not. */
void model_init(struct model *m, unsigned native, bool master);
void model_fini(struct model *m);
struct model_drive *model_disk(struct model *m, unsigned n, uint64_t nsectors);
struct model_drive *model_optical(struct model *m, unsigned n, uint64_t nsectors);
/* An interrupt that no command asked for: of the channel, or (-1) of another device on the line. */
void model_stray_interrupt(struct model *m, int channel);
