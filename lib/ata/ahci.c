/*
 * AHCI's structures in memory [AHCI 1.3.1, 4.2]: the command header and the PRD table.  They are
 * little-endian words in memory that the controller reads; the caller orders them before the
 * write that issues the command.
 */
#include <errno.h>
#include <string.h>
#include "ata.h"

enum { H2D_DWORDS = ATA_FIS_H2D_SIZE / 4 };

void
ahci_header(void *header, uint32_t flags, unsigned nprds, uint64_t table)
{
	uint32_t word[AHCI_HEADER_SIZE / 4] = {
		H2D_DWORDS | flags | nprds << 16,
		0,
		(uint32_t)table,
		(uint32_t)(table >> 32),
	};

	memcpy(header, word, sizeof word);
}

uint32_t
ahci_header_moved(const void *header)
{
	uint32_t moved;

	memcpy(&moved, (const uint8_t *)header + 4, sizeof moved);
	return moved;
}

int
ahci_prdt(void *prdt, unsigned max, const struct dma_seg *piece, unsigned n)
{
	uint8_t *out = prdt;
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t paddr = piece[i].paddr, left = piece[i].bytes;

		if (!left || ((paddr | left) & 1))
			return -EINVAL;
		while (left) {
			uint32_t bytes = left < AHCI_PRD_MAX ? (uint32_t)left : AHCI_PRD_MAX;
			uint32_t word[AHCI_PRD_SIZE / 4] = {
				(uint32_t)paddr,
				(uint32_t)(paddr >> 32),
				0,
				bytes - 1,
			};

			if (count == max || count == AHCI_MAX_PRDS)
				return -E2BIG;
			memcpy(out + (size_t)count++ * AHCI_PRD_SIZE, word, sizeof word);
			paddr += bytes;
			left -= bytes;
		}
	}
	return count ? (int)count : -EINVAL;
}
