/*
 * A pair of queues in memory [NVMe 1.4, 4.1].  The controller writes completions, and turns their
 * phase over in each round: that tells which are new.  The word with the phase is read first, and
 * everything once.
 */
#include <stdatomic.h>
#include <string.h>
#include "nvme.h"

void
nvme_ring_init(struct nvme_ring *r)
{
	memset(r->sq, 0, (size_t)r->entries * NVME_SQE_SIZE);
	memset(r->cq, 0, (size_t)r->entries * NVME_CQE_SIZE);
	r->tail = r->head = 0;
	r->phase = true;
}

void
nvme_ring_put(struct nvme_ring *r, const struct nvme_command *cmd)
{
	memcpy(r->sq + (size_t)r->tail * NVME_SQE_SIZE, cmd, sizeof *cmd);
	if (++r->tail == r->entries)
		r->tail = 0;
}

bool
nvme_ring_take(struct nvme_ring *r, struct nvme_completion *out)
{
	const _Atomic uint32_t *at = (_Atomic uint32_t *)(void *)(r->cq +
								  (size_t)r->head * NVME_CQE_SIZE);
	uint32_t word[4];

	word[3] = atomic_load_explicit(&at[3], memory_order_acquire);
	for (unsigned i = 0; i < 3; i++)
		word[i] = atomic_load_explicit(&at[i], memory_order_relaxed);
	*out = nvme_completion(word);
	if (out->phase != r->phase)
		return false;
	if (++r->head == r->entries) {
		r->head = 0;
		r->phase = !r->phase;
	}
	return true;
}
