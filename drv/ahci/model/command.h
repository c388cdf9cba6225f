/*
 * Between the model's registers and its disk.
 */
#pragma once
#include "ata.h"
#include "model.h"

struct model_decoded {
	uint8_t opcode;
	bool has_data;
	uint64_t lba;
	uint32_t n;
};

/* Something that a driver must not do. */
void model_lint(struct model *m, const char *what);
/* n bytes of the driver's memory, or NULL if they are not its. */
uint8_t *model_dma_at(struct model *m, uint64_t paddr, size_t n);
bool model_is_queued(uint8_t opcode);
struct model_decoded model_decode(const uint8_t *fis);
/* False: the device aborts it. */
bool model_carry_out(struct model *m, struct model_disk *d, const uint8_t *header, uint8_t *table);
