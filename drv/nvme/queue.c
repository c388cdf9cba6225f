/*
 * Commands in flight: into a submission queue, and back out of the completion queue.
 *
 * This is the fast path: a command is 64 bytes and one write to a doorbell; what an interrupt ends
 * is found in memory, by the phase, and costs one write for all of them.  No register is read.  A
 * queue has one entry more than tags, so it is never full.
 *
 * What a completion says is foreign: its id is looked for among those in flight (lib/drive), its
 * queue and head are not used, and one look takes at most as many as the queue has entries.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ctlr.h"

/* The submission queue, the completion queue, the PRP lists: each from a page's edge. */
int
nvme_queue_init(struct nvme_ctlr *c, struct nvme_queue *q)
{
	unsigned most = NVME_CAP_MQES_get(c->cap) + 1;
	unsigned entries = most < NVME_ENTRIES ? most : NVME_ENTRIES;
	size_t lists = (size_t)(entries - 1) * NVME_LIST_SIZE;
	int err = drive_dma_alloc(&c->d, 2ul * c->page + lists, c->page, &q->dma);

	if (err < 0)
		return err;
	q->ctlr = c;
	q->ring.entries = entries;
	q->ring.sq = q->dma.vaddr;
	q->ring.cq = q->ring.sq + c->page;
	q->lists = q->ring.cq + c->page;
	q->sq_paddr = q->dma.paddr;
	q->cq_paddr = q->sq_paddr + c->page;
	q->lists_paddr = q->cq_paddr + c->page;
	nvme_ring_init(&q->ring);
	return drive_queue_init(&q->q, &c->port, entries - 1);
}

/* Each thread has its queue. */
struct drive_queue *
nvme_pick(struct drive_disk *d, const struct blk_io *io)
{
	static _Thread_local unsigned mine; /* and one; 0: none yet */
	struct nvme_ctlr *c = nvme_of(d->port);
	unsigned active = atomic_load_explicit(&c->active, memory_order_relaxed);

	(void)io;
	if (!mine)
		mine = atomic_fetch_add(&c->next, 1) % NVME_QUEUES_MAX + 1;
	return &c->queue[active > 1 ? (mine - 1) % active : 0].q;
}

/* The ranges of a discard, and of those that go with it, are put into its own buffer. */
static struct nvme_command
deallocate(const struct nvme_disk *d, const struct blk_io *io)
{
	void *ranges = io->data;
	uint64_t paddr = io->seg->paddr;
	int n = 0;

	for (; io && n >= 0; io = io->chain)
		n = nvme_range_add(ranges, (unsigned)n, io->sector, io->nsectors);
	return nvme_cmd_deallocate(d->nsid, (unsigned)n, paddr);
}

/*
 * An SGL, if the controller takes one, where it is the shorter, or where PRPs cannot say what there
 * is: pages of the processor's in a controller's larger ones.
 */
static int
build_data(struct nvme_queue *q, struct nvme_command *cmd, const struct blk_io *io, unsigned tag)
{
	size_t at = (size_t)tag * NVME_LIST_SIZE;
	struct nvme_prp_list prps = { (uint64_t *)(void *)(q->lists + at), q->lists_paddr + at,
				      NVME_LIST_ENTRIES };
	struct nvme_sgl_list sgl = { q->lists + at, q->lists_paddr + at, NVME_SGL_ENTRIES };
	unsigned align = q->ctlr->id.sgl_align;
	uint32_t page = q->ctlr->page;
	int err = -EINVAL;

	if (!align || !nvme_sgl_is_shorter(io->seg, io->nsegs, page))
		err = nvme_prps(cmd, io->seg, io->nsegs, page, &prps);
	return err == -EINVAL && align ? nvme_sgl(cmd, io->seg, io->nsegs, align, &sgl) : err;
}

int
nvme_build(struct drive_queue *dq, struct blk_io *io, unsigned tag)
{
	struct nvme_queue *q = (struct nvme_queue *)dq;
	const struct nvme_disk *d = ((struct drive_disk *)io->drive)->priv;
	struct nvme_command cmd;
	bool write = io->kind == BLK_WRITE;
	int err = 0;

	switch (io->kind) {
	case BLK_READ:
	case BLK_WRITE:
		cmd = nvme_cmd_rw(write ? NVME_WRITE : NVME_READ, d->nsid, io->sector, io->nsectors,
				  write && io->fua);
		err = build_data(q, &cmd, io, tag);
		break;
	case BLK_FLUSH: cmd = nvme_cmd_flush(d->nsid); break;
	case BLK_DISCARD: cmd = deallocate(d, io); break;
	case BLK_ZERO: cmd = nvme_cmd_zeroes(d->nsid, io->sector, io->nsectors); break;
	default: memcpy(&cmd, ((struct drive_command *)io)->block, sizeof cmd);
	}
	if (err < 0) {
		snprintf(io->why, sizeof io->why, "memory that the device cannot be told of");
		return err;
	}
	cmd.cid = (uint16_t)tag;
	nvme_ring_put(&q->ring, &cmd);
	return 0;
}

void
nvme_ring_bell(struct drive_queue *dq)
{
	const struct nvme_queue *q = (const struct nvme_queue *)dq;

	atomic_thread_fence(memory_order_release);
	nvme_tell(q->ctlr, q->q.index + 1, false, q->ring.tail);
}

/* Aborted, by us, or not ready: it was not carried out, or only in part [NVMe 1.4, 4.6.1.2.1]. */
static enum drive_retry
retry(uint16_t status)
{
	uint16_t code = status & NVME_STATUS_CODE;

	if (status & NVME_DO_NOT_RETRY)
		return DRIVE_FINAL;
	return code == NVME_ABORTED || code == NVME_ABORTED_DELETED || code == NVME_NOT_READY
		       ? DRIVE_UNDONE
		       : DRIVE_AGAIN;
}

static void
fail(struct drive_queue *q, const struct nvme_completion *c)
{
	char why[BLK_WHY_MAX];

	nvme_status_text(c->status, why, sizeof why);
	drive_fail(q, c->cid, nvme_errno(c->status), retry(c->status), why);
}

void
nvme_reap(struct drive_queue *dq)
{
	struct nvme_queue *q = (struct nvme_queue *)dq;
	struct nvme_completion c;
	unsigned n = 0;

	while (n < q->ring.entries && nvme_ring_take(&q->ring, &c)) {
		if (c.status & NVME_STATUS_CODE)
			fail(dq, &c);
		else
			drive_end(dq, c.cid);
		n++;
	}
	if (n)
		nvme_tell(q->ctlr, dq->index + 1, true, q->ring.head);
}
