/*
 * A split virtqueue [VIRTIO 1.2, 2.7]: in the device's memory, one after the other,
 *
 *	descriptors	16 bytes for each entry
 *	available ring	flags, idx, entries, used_event
 *	used ring	flags, idx, entries (id, len), avail_event
 *	extras		shape.extra bytes of each slot
 *	tables		shape.indirect descriptors of each slot
 *
 * The memory is shared with the device, which may write anything anywhere in it at any time.
 * So nothing here that matters is read from it but what the device has to say: the used ring's idx
 * and entries, each read once, and checked against what is known here before it is used.
 *
 * There is no lock: the caller has one for each queue.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include "virtio.h"

enum {
	DESC_NEXT = 1,
	DESC_WRITE = 2,
	DESC_INDIRECT = 4,
	USED_NO_NOTIFY = 1,
	FEW_SLOTS = 8,
	CHAIN_MIN = 3,
	ALIGN = 64, /* more than the standard asks for: a cache line */
};

struct descriptor {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};
_Static_assert(sizeof(struct descriptor) == 16, "[2.7.5]");

struct avail_ring {
	uint16_t flags, idx, ring[];
};

struct used_element {
	uint32_t id, len;
};

struct used_ring {
	uint16_t flags, idx;
	struct used_element ring[];
};
_Static_assert(sizeof(struct avail_ring) == 4 && sizeof(struct used_ring) == 4, "[2.7.6, 2.7.8]");

static size_t
align(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static struct avail_ring *
avail(const struct virtq *q)
{
	return (struct avail_ring *)(q->mem + q->avail);
}

static struct used_ring *
used(const struct virtq *q)
{
	return (struct used_ring *)(q->mem + q->used);
}

/* --- the plan -------------------------------------------------------------------------------- */

unsigned
virtq_plan(struct virtq_shape *s, unsigned size, unsigned slots, unsigned chain, bool indirect)
{
	unsigned direct;

	if (size > VIRTQ_MAX_SIZE)
		size = VIRTQ_MAX_SIZE;
	if (slots > VIRTQ_MAX_SLOTS)
		slots = VIRTQ_MAX_SLOTS;
	if (slots > size)
		slots = size;
	if (!indirect && chain > size / FEW_SLOTS) /* rather several short ones than one long one */
		chain = size / FEW_SLOTS > CHAIN_MIN ? size / FEW_SLOTS : CHAIN_MIN;
	if (!indirect && slots > size / chain)
		slots = size / chain ? size / chain : 1;
	direct = size / slots;
	s->size = (uint16_t)size;
	s->slots = (uint16_t)slots;
	s->direct = (uint16_t)(direct < chain ? direct : chain);
	s->indirect = 0;
	if (chain <= direct)
		return chain;
	if (!indirect)
		return direct;
	if (chain > size) /* [2.7.5.3.1]: not longer than the queue */
		chain = size;
	s->indirect = (uint16_t)chain;
	return chain;
}

/* Offsets of all parts; the size of the whole. */
static size_t
place(const struct virtq_shape *s, struct virtq *q)
{
	size_t at = align(s->size * sizeof(struct descriptor));

	q->avail = at;
	at = align(at + sizeof(struct avail_ring) + 2u * s->size + 2);
	q->used = at;
	at = align(at + sizeof(struct used_ring) + s->size * sizeof(struct used_element) + 2);
	q->extras = at;
	at = align(at + (size_t)s->slots * s->extra);
	q->tables = at;
	return at + (size_t)s->slots * s->indirect * sizeof(struct descriptor);
}

size_t
virtq_bytes(const struct virtq_shape *s)
{
	struct virtq q;

	return place(s, &q);
}

void
virtq_init(struct virtq *q, const struct virtq_shape *s, void *mem, uint64_t paddr)
{
	memset(q, 0, sizeof *q);
	q->shape = *s;
	q->mem = mem;
	q->paddr = paddr;
	memset(mem, 0, place(s, q));
}

void *
virtq_extra(const struct virtq *q, unsigned slot)
{
	return q->mem + q->extras + (size_t)slot * q->shape.extra;
}

uint64_t
virtq_extra_at(const struct virtq *q, unsigned slot)
{
	return q->paddr + q->extras + (uint64_t)slot * q->shape.extra;
}

bool
virtq_in_flight(const struct virtq *q, unsigned slot)
{
	return q->in_flight[slot / 64] >> slot % 64 & 1;
}

int
virtq_free_slot(const struct virtq *q)
{
	for (unsigned i = 0; i < q->shape.slots; i += 64) {
		uint64_t room = ~q->in_flight[i / 64];
		unsigned slot = i + (room ? (unsigned)__builtin_ctzll(room) : 64);

		if (room)
			return slot < q->shape.slots ? (int)slot : VIRTQ_NO_SLOT;
	}
	return VIRTQ_NO_SLOT;
}

/* --- to the device --------------------------------------------------------------------------- */

void
virtq_begin(struct virtq *q, unsigned slot, unsigned pieces, struct virtq_chain *c)
{
	size_t head = (size_t)slot * q->shape.direct;

	assert(pieces && (pieces <= q->shape.direct || pieces <= q->shape.indirect));
	assert(slot < q->shape.slots && !virtq_in_flight(q, slot));
	c->q = q;
	c->slot = (uint16_t)slot;
	c->n = 0;
	c->indirect = pieces > q->shape.direct;
	c->first = c->indirect ? 0 : (uint16_t)head;
	c->desc = c->indirect ? q->mem + q->tables +
					slot * (size_t)q->shape.indirect * sizeof(struct descriptor)
			      : q->mem + head * sizeof(struct descriptor);
	q->room[slot] = 0;
}

void
virtq_piece(struct virtq_chain *c, uint64_t paddr, uint64_t bytes, bool device_writes)
{
	struct descriptor *d = (struct descriptor *)c->desc + c->n++;

	d->addr = paddr;
	d->len = (uint32_t)bytes;
	d->flags = DESC_NEXT | (device_writes ? DESC_WRITE : 0);
	d->next = (uint16_t)(c->first + c->n);
	/* What is only read counts too: QEMU's SCSI host says that it has written it. */
	c->q->room[c->slot] += bytes;
}

void
virtq_end(struct virtq_chain *c)
{
	struct virtq *q = c->q;
	size_t head = (size_t)c->slot * q->shape.direct;
	struct descriptor *last = (struct descriptor *)c->desc + c->n - 1;

	last->flags &= (uint16_t)~DESC_NEXT;
	if (c->indirect)
		*((struct descriptor *)q->mem + head) = (struct descriptor){
			.addr = q->paddr + (uint64_t)(c->desc - q->mem),
			.len = c->n * (uint32_t)sizeof(struct descriptor),
			.flags = DESC_INDIRECT,
		};
	avail(q)->ring[q->added++ % q->shape.size] = (uint16_t)head;
	q->in_flight[c->slot / 64] |= 1ull << c->slot % 64;
	q->busy++;
}

bool
virtq_publish(struct virtq *q)
{
	uint16_t from = q->published, event;

	if (from == q->added)
		return false;
	q->published = q->added;
	__atomic_store_n(&avail(q)->idx, q->added, __ATOMIC_RELEASE);
	/* The device writes what it wants, then looks at idx; here the other way [2.7.13.4.1]. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->shape.event_idx)
		return !(__atomic_load_n(&used(q)->flags, __ATOMIC_RELAXED) & USED_NO_NOTIFY);
	event = __atomic_load_n((uint16_t *)&used(q)->ring[q->shape.size], __ATOMIC_RELAXED);
	return (uint16_t)(q->added - event - 1) < (uint16_t)(q->added - from); /* [2.7.10] */
}

/* --- and back -------------------------------------------------------------------------------- */

static int
lie(struct virtq *q)
{
	q->broken = true;
	return -EPROTO;
}

int
virtq_take(struct virtq *q, uint32_t *written)
{
	uint16_t idx = __atomic_load_n(&used(q)->idx, __ATOMIC_ACQUIRE),
		 n = (uint16_t)(idx - q->taken);
	const struct used_element *e = &used(q)->ring[q->taken % q->shape.size];
	uint32_t id, len, slot;

	if (q->broken)
		return -EPROTO;
	if (!n)
		return -EAGAIN;
	if (n > q->busy)
		return lie(q);
	id = __atomic_load_n(&e->id, __ATOMIC_RELAXED);
	len = __atomic_load_n(&e->len, __ATOMIC_RELAXED);
	slot = id / q->shape.direct;
	if (id % q->shape.direct || slot >= q->shape.slots || !virtq_in_flight(q, slot) ||
	    len > q->room[slot])
		return lie(q);
	q->taken++;
	q->busy--;
	q->in_flight[slot / 64] &= ~(1ull << slot % 64);
	*written = len;
	return (int)slot;
}

bool
virtq_listen(struct virtq *q)
{
	if (q->broken)
		return false;
	/* Without EVENT_IDX the device always interrupts: flags stays 0. */
	if (q->shape.event_idx)
		__atomic_store_n(&avail(q)->ring[q->shape.size], q->taken, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&used(q)->idx, __ATOMIC_RELAXED) != q->taken;
}
