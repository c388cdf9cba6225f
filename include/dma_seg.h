/*
 * A run of memory as a device sees it.  A command's data is a list of them.
 */
#pragma once
#include <stdint.h>

struct dma_seg {
	uint64_t paddr, bytes;
};
