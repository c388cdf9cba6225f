/*
 * Scatter-gather lists [NVMe 1.4, 4.4]: data blocks only, one in the command itself or a last
 * segment in memory.  Unlike PRPs a descriptor says an address and a length, so what lies together
 * in memory is one, whatever its pages are.
 */
#include <errno.h>
#include <string.h>
#include "nvme.h"

enum { TYPE_DATA = 0x00, TYPE_LAST_SEGMENT = 0x30, PSDT_SGL = 1 << 6, BLOCK_MAX_SHIFT = 32 };

struct descriptor {
	uint64_t paddr;
	uint32_t bytes;
	uint8_t reserved[3], type;
};

_Static_assert(sizeof(struct descriptor) == NVME_SGL_SIZE, "a descriptor");
_Static_assert(offsetof(struct nvme_command, prp2) - offsetof(struct nvme_command, prp1) == 8,
	       "the first descriptor of a command");

/* How many segments from i on lie together, and their bytes. */
static unsigned
run(const struct dma_seg *seg, unsigned nsegs, unsigned i, uint64_t *bytes)
{
	unsigned n = 1;

	*bytes = seg[i].bytes;
	while (i + n < nsegs && seg[i + n].paddr == seg[i].paddr + *bytes)
		*bytes += seg[i + n++].bytes;
	return n;
}

bool
nvme_sgl_is_shorter(const struct dma_seg *seg, unsigned nsegs, uint32_t page)
{
	uint64_t npages = 0, nruns = 0, bytes;

	for (unsigned i = 0; i < nsegs; i += run(seg, nsegs, i, &bytes), nruns++)
		;
	for (unsigned i = 0; i < nsegs; i++)
		npages += (seg[i].paddr % page + seg[i].bytes + page - 1) / page;
	if (npages <= 2)
		return false;
	return nruns == 1 || nruns * NVME_SGL_SIZE < (npages - 1) * sizeof(uint64_t);
}

static void
put(void *at, uint64_t paddr, uint64_t bytes, uint8_t type)
{
	struct descriptor d = { .paddr = paddr, .bytes = (uint32_t)bytes, .type = type };

	memcpy(at, &d, sizeof d);
}

int
nvme_sgl(struct nvme_command *c, const struct dma_seg *seg, unsigned nsegs, uint32_t align,
	 const struct nvme_sgl_list *list)
{
	uint64_t bytes;
	unsigned n = 0;

	for (unsigned i = 0; i < nsegs; n++) {
		uint64_t at = seg[i].paddr;

		i += run(seg, nsegs, i, &bytes);
		if (!bytes || bytes >> BLOCK_MAX_SHIFT || at + bytes < at || (at | bytes) % align)
			return -EINVAL;
		if (n >= list->max)
			return -E2BIG;
		put(list->at + (size_t)n * NVME_SGL_SIZE, at, bytes, TYPE_DATA);
	}
	if (!n)
		return -EINVAL;
	c->flags = PSDT_SGL;
	if (n == 1)
		memcpy(&c->prp1, list->at, NVME_SGL_SIZE);
	else
		put(&c->prp1, list->paddr, (uint64_t)n * NVME_SGL_SIZE, TYPE_LAST_SEGMENT);
	return 0;
}
