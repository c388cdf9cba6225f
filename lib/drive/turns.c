/*
 * Whose turn it is in a queue: each client has a flow, as long as it has commands that wait there
 * or large ones in flight.
 *
 * A flow with its share of DRIVE_FLOW_KIB of large commands in flight is full: a client that always
 * has many would fill the device's own queue with them, where nobody takes turns, and a small one
 * of another would come behind them all.  What waits in a full flow is overtaken by the others.
 * The device is one, however many queues it has: they share what a client may have in it.
 *
 * Of disks that share a queue one may not answer, and keep its tags.  The last quarter of them is
 * only for a disk that has few: so there are always some for another.
 *
 * The queue's lock is held in all of it.
 */
#include "private.h"

#define ALL_FLOWS ((uint32_t)((1ull << DRIVE_FLOWS) - 1))

/* The client's own; else one that nobody uses; a shared one if all are in use. */
unsigned
drive_flow_of(struct drive_queue *q, const struct blk_io *io)
{
	uint32_t used = q->flows | q->bigs;
	/* From the high bits of a product: addresses differ in the middle. */
	unsigned f = (unsigned)((uintptr_t)io->client * 0x9e3779b97f4a7c15 >> 60) % DRIVE_FLOWS;

	for (uint32_t left = used; left; left &= left - 1)
		if (q->owner[__builtin_ctz(left)] == io->client)
			return (unsigned)__builtin_ctz(left);
	if (used == ALL_FLOWS)
		return f;
	if (used >> f & 1)
		f = (unsigned)__builtin_ctz(~used);
	q->owner[f] = io->client;
	return f;
}

static uint32_t
most_kib(const struct drive_queue *q)
{
	uint32_t kib = DRIVE_FLOW_KIB / q->port->nqueues;

	return kib < DRIVE_FLOW_MIN ? DRIVE_FLOW_MIN : kib;
}

void
drive_flow_enter(struct drive_queue *q, struct blk_io *io)
{
	io->flow = drive_flow_of(q, io);
	q->bigs |= 1u << io->flow;
	q->kib[io->flow] += io->big_kib;
	if (q->kib[io->flow] >= most_kib(q))
		q->full |= 1u << io->flow;
}

void
drive_flow_left(struct drive_queue *q, const struct blk_io *io)
{
	q->kib[io->flow] -= io->big_kib;
	if (q->kib[io->flow] < most_kib(q))
		q->full &= ~(1u << io->flow);
	if (!q->kib[io->flow])
		q->bigs &= ~(1u << io->flow);
}

void
drive_to_flow(struct drive_queue *q, struct blk_io *io)
{
	unsigned f = drive_flow_of(q, io);

	drive_list_append(&q->flow[f], io);
	q->flows |= 1u << f;
}

bool
drive_has_enough(const struct drive_queue *q, const struct blk_io *io)
{
	unsigned n = 0, ndisks = atomic_load_explicit(&q->port->ndisks, memory_order_relaxed);
	unsigned few = q->depth / DRIVE_LAST / (ndisks ? ndisks : 1);

	if (ndisks < 2)
		return false;
	for (unsigned tag = 0; tag < q->depth; tag++) {
		const struct blk_io *o = drive_tag(q, tag);

		n += o && o->drive == io->drive;
	}
	return n >= (few ? few : 1);
}

uint32_t
drive_flows_ready(const struct drive_queue *q)
{
	uint32_t may = q->flows & ~q->full;

	for (uint32_t left = drive_is_scarce(q) ? may : 0; left; left &= left - 1)
		if (drive_has_enough(q, q->flow[__builtin_ctz(left)].head))
			may &= ~(left & -left);
	return may;
}

struct drive_list *
drive_flow_next(struct drive_queue *q, uint32_t may)
{
	/* The first after the one that had the last turn. */
	uint32_t later = may & ~((2u << q->turn) - 1);

	q->turn = (unsigned)__builtin_ctz(later ? later : may);
	return &q->flow[q->turn];
}
