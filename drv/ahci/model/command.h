/*
 * Between the model's registers and its disk.
 */
#pragma once
#include "../../../lib/ata/testing/page.h"
#include "model.h"

struct model_decoded {
	uint8_t opcode;
	bool has_data, fua;
	uint64_t lba;
	uint32_t n;
};

bool model_is_queued(uint8_t opcode);
struct model_decoded model_decode(const uint8_t *fis);
struct model_command { /* where it is in the driver's memory, and where its answer goes */
	const uint8_t *header;
	uint8_t *table;
	uint64_t fb;
};

/* Moves n bytes between buf and the PRDs; false if they do not have room. */
bool
model_move(struct model *m, const struct model_command *in, uint8_t *buf, size_t n, bool to_host);
void model_identify_packet(const struct model_disk *d, uint8_t page[512]);
/* Carries out the packet; false: there is sense data. */
bool model_packet(struct model *m, struct model_disk *d, const struct model_command *in);
/* False: the device aborts it. */
bool model_carry_out(struct model *m, struct model_disk *d, const struct model_command *in);
/* The log has it, and all other commands are refused until the log is read. */
void
model_fail_queued(struct model_disk *d, unsigned tag, const struct model_decoded *c, uint8_t error);
