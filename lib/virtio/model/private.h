/*
 * Between the model's registers and its queues.
 */
#pragma once
#include "model.h"

/* An interrupt by that vector, or by the line with that bit of the ISR register. */
void vmodel_raise(struct vmodel *m, uint16_t vector, uint8_t isr);
/* One request of some queue, in any order; false if there is none. */
bool vmodel_step(void *device);
