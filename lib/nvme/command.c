/*
 * Commands and what they point to: PRPs, ranges [NVMe 1.4, 4.3, 5, 6].  The caller orders what is
 * written here before the doorbell.
 */
#include <errno.h>
#include <string.h>
#include "nvme.h"

enum {
	RW_FUA = 1 << 30,
	ZEROES_DEALLOCATE = 1 << 25,
	DSM_DEALLOCATE = 1 << 2,
	QUEUE_CONTIGUOUS = 1 << 0,
	QUEUE_INTERRUPTS = 1 << 1,
	PRP_ALIGN = 4,
};

static struct nvme_command
blocks(uint8_t opcode, uint32_t nsid, uint64_t lba, uint32_t cdw12)
{
	return (struct nvme_command){ .opcode = opcode,
				      .nsid = nsid,
				      .cdw10 = (uint32_t)lba,
				      .cdw11 = (uint32_t)(lba >> 32),
				      .cdw12 = cdw12 };
}

struct nvme_command
nvme_cmd_rw(uint8_t opcode, uint32_t nsid, uint64_t lba, uint32_t n, bool fua)
{
	return blocks(opcode, nsid, lba, (n - 1) | (fua ? RW_FUA : 0));
}

struct nvme_command
nvme_cmd_zeroes(uint32_t nsid, uint64_t lba, uint32_t n)
{
	return blocks(NVME_WRITE_ZEROES, nsid, lba, (n - 1) | ZEROES_DEALLOCATE);
}

struct nvme_command
nvme_cmd_flush(uint32_t nsid)
{
	return (struct nvme_command){ .opcode = NVME_FLUSH, .nsid = nsid };
}

struct nvme_command
nvme_cmd_deallocate(uint32_t nsid, unsigned nranges, uint64_t prp1)
{
	return (struct nvme_command){ .opcode = NVME_DSM,
				      .nsid = nsid,
				      .prp1 = prp1,
				      .cdw10 = nranges - 1,
				      .cdw11 = DSM_DEALLOCATE };
}

int
nvme_range_add(void *buf, unsigned n, uint64_t lba, uint32_t nblocks)
{
	struct {
		uint32_t attributes, nblocks;
		uint64_t lba;
	} last, range = { 0, nblocks, lba };
	uint8_t *end = (uint8_t *)buf + (size_t)n * NVME_RANGE_SIZE;

	_Static_assert(sizeof range == NVME_RANGE_SIZE, "a range");
	if (n) {
		memcpy(&last, end - NVME_RANGE_SIZE, sizeof last);
		if (last.lba + last.nblocks == lba && nblocks <= UINT32_MAX - last.nblocks) {
			last.nblocks += nblocks;
			memcpy(end - NVME_RANGE_SIZE, &last, sizeof last);
			return (int)n;
		}
	}
	if (n == NVME_RANGES_MAX)
		return -ENOSPC;
	memcpy(end, &range, sizeof range);
	return (int)n + 1;
}

struct nvme_command
nvme_cmd_identify(unsigned cns, uint32_t nsid, uint64_t prp1)
{
	return (struct nvme_command){
		.opcode = NVME_IDENTIFY, .nsid = nsid, .prp1 = prp1, .cdw10 = cns
	};
}

struct nvme_command
nvme_cmd_create_cq(unsigned qid, unsigned entries, unsigned vector, uint64_t prp1)
{
	return (struct nvme_command){ .opcode = NVME_CREATE_CQ,
				      .prp1 = prp1,
				      .cdw10 = (entries - 1) << 16 | qid,
				      .cdw11 = vector << 16 | QUEUE_INTERRUPTS | QUEUE_CONTIGUOUS };
}

struct nvme_command
nvme_cmd_create_sq(unsigned qid, unsigned entries, uint64_t prp1)
{
	return (struct nvme_command){ .opcode = NVME_CREATE_SQ,
				      .prp1 = prp1,
				      .cdw10 = (entries - 1) << 16 | qid,
				      .cdw11 = qid << 16 | QUEUE_CONTIGUOUS };
}

struct nvme_command
nvme_cmd_abort(unsigned qid, uint16_t cid)
{
	return (struct nvme_command){ .opcode = NVME_ABORT, .cdw10 = (uint32_t)cid << 16 | qid };
}

struct nvme_command
nvme_cmd_set_feature(unsigned feature, uint32_t value)
{
	return (struct nvme_command){ .opcode = NVME_SET_FEATURES,
				      .cdw10 = feature,
				      .cdw11 = value };
}

/* Of the controller as a whole: name space all ones [5.14]. */
struct nvme_command
nvme_cmd_log(unsigned log, size_t bytes, uint64_t prp1)
{
	return (struct nvme_command){ .opcode = NVME_GET_LOG,
				      .nsid = UINT32_MAX,
				      .prp1 = prp1,
				      .cdw10 = (uint32_t)(bytes / 4 - 1) << 16 | log };
}

/* --- PRPs ------------------------------------------------------------------------------------ */

struct filler {
	struct nvme_command *c;
	const struct nvme_prp_list *list;
	unsigned n; /* entries so far, prp1 too */
};

/* The second entry is prp2 itself when it is the last; with a third, both are in the list. */
static int
put(struct filler *f, uint64_t paddr)
{
	unsigned at = f->n++;

	if (at == 0)
		f->c->prp1 = paddr;
	else if (at > f->list->max)
		return -E2BIG;
	else {
		f->list->entry[at - 1] = paddr;
		f->c->prp2 = at == 1 ? paddr : f->list->paddr;
	}
	return 0;
}

int
nvme_prps(struct nvme_command *c, const struct dma_seg *seg, unsigned nsegs, uint32_t page,
	  const struct nvme_prp_list *list)
{
	struct filler f = { .c = c, .list = list };

	for (unsigned i = 0; i < nsegs; i++) {
		uint64_t at = seg[i].paddr, end = at + seg[i].bytes;

		if (end <= at || at % PRP_ALIGN || (i && at % page) ||
		    (i + 1 < nsegs && end % page))
			return -EINVAL;
		while (at < end) {
			int err = put(&f, at);

			if (err < 0)
				return err;
			at = (at | (page - 1)) + 1;
			if (!at) /* the last page there is */
				break;
		}
	}
	return f.n ? 0 : -EINVAL;
}
