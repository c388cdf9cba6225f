/*
 * What the two halves of the model share.
 */
#pragma once
#include "model.h"

/* model.c */
void model_interrupt(struct model *m, struct model_channel *c);
void model_try_dma(struct model *m, struct model_channel *c);

/* drive.c: the selected drive's command block */
uint32_t model_drive_in(struct model *m, struct model_channel *c, unsigned reg, unsigned width);
void
model_drive_out(struct model *m, struct model_channel *c, unsigned reg, unsigned width, uint32_t v);
void model_drive_reset(struct model_drive *d);
/* The bus master has moved the data. */
void model_transferred(struct model *m, struct model_channel *c, struct model_drive *d);
