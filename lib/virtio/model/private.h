/*
 * Between the model's registers and its queues.
 */
#pragma once
#include "model.h"

/* An interrupt by that vector, or by the line with that bit of the ISR register. */
void vmodel_raise(struct vmodel *m, uint16_t vector, uint8_t isr);
/* The device's thread. */
void *vmodel_device(void *arg);
