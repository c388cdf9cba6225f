/*
 * The model's queues, and what it does with them [VIRTIO 1.2, 2.7]; see model.h.
 */
#include "private.h"

#include <string.h>

enum {
	NEXT = 1,
	WRITE = 2,
	INDIRECT = 4,
	ISR_QUEUE = 1,
	ISR_CONFIG = 2,
	DESC_SIZE = 16,
	MAX_DESCS = 2048
};

static bool
taken(const struct vmodel *m, unsigned feature)
{
	return m->taken >> feature & 1;
}

/* --- memory ---------------------------------------------------------------------------------- */

static uint16_t
load16(struct vmodel *m, uint64_t paddr)
{
	uint16_t *p = (uint16_t *)(void *)sip_model_memory(&m->bus, paddr, 2);

	return p ? __atomic_load_n(p, __ATOMIC_SEQ_CST) : 0;
}

static void
store16(struct vmodel *m, uint64_t paddr, uint16_t v)
{
	uint16_t *p = (uint16_t *)(void *)sip_model_memory(&m->bus, paddr, 2);

	if (p)
		__atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}

size_t
vmodel_room(const struct vmodel_request *r, bool write)
{
	size_t n = 0;

	for (unsigned i = 0; i < r->npieces; i++)
		n += r->piece[i].write == write ? r->piece[i].n : 0;
	return n;
}

static size_t
move(const struct vmodel_request *r, size_t skip, uint8_t *buf, size_t n, bool write)
{
	size_t done = 0;

	for (unsigned i = 0; i < r->npieces && done < n; i++) {
		const struct vmodel_piece *p = &r->piece[i];
		size_t part;

		if (p->write != write)
			continue;
		if (skip >= p->n) {
			skip -= p->n;
			continue;
		}
		part = p->n - skip < n - done ? p->n - skip : n - done;
		memcpy(write ? p->p + skip : buf + done, write ? buf + done : p->p + skip, part);
		done += part;
		skip = 0;
	}
	return done;
}

size_t
vmodel_get(const struct vmodel_request *r, size_t skip, void *buf, size_t n)
{
	return move(r, skip, buf, n, false);
}

size_t
vmodel_put(const struct vmodel_request *r, size_t skip, const void *buf, size_t n)
{
	return move(r, skip, (uint8_t *)(uintptr_t)buf, n, true);
}

/* --- interrupts ------------------------------------------------------------------------------ */

void
vmodel_raise(struct vmodel *m, uint16_t vector, uint8_t isr)
{
	m->isr |= isr;
	sip_model_interrupt(&m->bus, vector);
}

void
vmodel_config_changed(struct vmodel *m)
{
	m->generation++;
	if (m->status & VIRTIO_DRIVER_OK)
		vmodel_raise(m, m->config_vector, ISR_CONFIG);
}

static void
needs_reset(struct vmodel *m)
{
	m->status |= VIRTIO_NEEDS_RESET;
	vmodel_config_changed(m);
}

/* --- queues ---------------------------------------------------------------------------------- */

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static bool
get_desc(struct vmodel *m, uint64_t table, unsigned i, struct desc *d)
{
	const uint8_t *p = sip_model_memory(&m->bus, table + (uint64_t)i * DESC_SIZE, DESC_SIZE);

	if (p)
		memcpy(d, p, sizeof *d);
	return p;
}

/* The list of memory that begins with a descriptor; false if a driver must not make such a one. */
static bool
walk(struct vmodel *m, uint64_t table, unsigned n, unsigned at, struct vmodel_request *r)
{
	struct desc d;

	for (unsigned i = 0; i < MAX_DESCS; i++) {
		if (at >= n || !get_desc(m, table, at, &d) || r->npieces == VMODEL_PIECES)
			return false;
		if (d.flags & INDIRECT) {
			if (!taken(m, VIRTIO_INDIRECT_DESC) || d.flags & (NEXT | WRITE) ||
			    r->npieces || d.len % DESC_SIZE || !d.len ||
			    d.len / DESC_SIZE > m->queue[r->queue].max)
				return false;
			return get_desc(m, d.addr, 0, &(struct desc){ 0 }) &&
			       walk(m, d.addr, d.len / DESC_SIZE, 0, r);
		}
		if (!d.len || (r->npieces && r->piece[r->npieces - 1].write && !(d.flags & WRITE)))
			return false;
		r->piece[r->npieces].p = sip_model_memory(&m->bus, d.addr, d.len);
		r->piece[r->npieces].n = d.len;
		r->piece[r->npieces++].write = d.flags & WRITE;
		if (!r->piece[r->npieces - 1].p)
			return false;
		if (!(d.flags & NEXT))
			return true;
		at = d.next;
	}
	return false;
}

static bool
fetch(struct vmodel *m, unsigned queue, uint16_t head, struct vmodel_request *r)
{
	r->queue = queue;
	r->head = head;
	r->npieces = 0;
	if (walk(m, m->queue[queue].desc, m->queue[queue].size, head, r))
		return true;
	sip_model_lint(&m->bus, "a chain of descriptors that no device takes");
	needs_reset(m);
	return false;
}

static bool
running(const struct vmodel *m)
{
	return m->status & VIRTIO_DRIVER_OK && !(m->status & VIRTIO_NEEDS_RESET) &&
	       m->bus.bus_master && !m->bus.gone;
}

/* One more head of the queue: its number, or -1. */
static int
next_head(struct vmodel *m, unsigned queue)
{
	struct vmodel_queue *q = &m->queue[queue];
	uint16_t idx, head;

	if (!q->enable || !running(m))
		return -1;
	idx = load16(m, q->driver + 2);
	if (idx == q->seen) { /* idle: wake it when there is one more */
		if (taken(m, VIRTIO_EVENT_IDX)) {
			store16(m, q->device + 4 + 8u * q->size, q->seen);
			idx = load16(m, q->driver + 2);
		}
		if (idx == q->seen)
			return -1;
	}
	if ((uint16_t)(idx - q->seen) > q->size)
		sip_model_lint(&m->bus, "the available index runs away");
	head = load16(m, q->driver + 4 + 2u * (q->seen % q->size));
	q->seen++;
	if (head >= q->size || q->in_flight[head]) {
		sip_model_lint(&m->bus, "a head that is in flight, or none");
		return -1;
	}
	q->in_flight[head] = true;
	if (++q->now > q->most_in_flight)
		q->most_in_flight = q->now;
	return head;
}

static void
put_used(struct vmodel *m, struct vmodel_queue *q, uint32_t id, uint32_t written)
{
	uint8_t *e = sip_model_memory(&m->bus, q->device + 4 + 8u * (q->used % q->size), 8);

	if (e) {
		memcpy(e, &id, 4);
		memcpy(e + 4, &written, 4);
	}
	q->used++;
}

static void
tell(struct vmodel *m, struct vmodel_queue *q, uint16_t was)
{
	bool wanted;

	store16(m, q->device + 2, q->used);
	if (taken(m, VIRTIO_EVENT_IDX)) {
		uint16_t event = load16(m, q->driver + 4 + 2u * q->size);

		wanted = (uint16_t)(q->used - event - 1) < (uint16_t)(q->used - was);
	} else
		wanted = !(load16(m, q->driver) & 1);
	if (wanted) {
		q->interrupts++;
		vmodel_raise(m, q->vector, ISR_QUEUE);
	}
}

void
vmodel_end(struct vmodel *m, const struct vmodel_request *r, uint32_t written)
{
	struct vmodel_queue *q = &m->queue[r->queue];
	uint16_t was = q->used;

	q->in_flight[r->head] = false;
	q->now--;
	put_used(m, q, r->head, written);
	tell(m, q, was);
}

bool
vmodel_take(struct vmodel *m, unsigned queue, struct vmodel_request *r)
{
	int head = next_head(m, queue);

	return head >= 0 && fetch(m, queue, (uint16_t)head, r);
}

/* --- what the device does --------------------------------------------------------------------- */

static const struct sip_model_fault *
find_fault(struct vmodel *m)
{
	struct sip_model_fault *f = NULL;

	while ((f = sip_model_next_fault(&m->bus, f)) != NULL) {
		if (f->skip) {
			f->skip--;
			continue;
		}
		f->times--;
		break;
	}
	return f;
}

static void
end_with(struct vmodel *m, unsigned fault, const struct vmodel_request *r, uint32_t n)
{
	struct vmodel_queue *q = &m->queue[r->queue];
	uint16_t was = q->used;

	q->in_flight[r->head] = false;
	q->now--;
	switch (fault) {
	case VMODEL_BAD_ID: put_used(m, q, q->size + 7u, n); break;
	case VMODEL_TWICE:
		put_used(m, q, r->head, n);
		put_used(m, q, r->head, n);
		break;
	case VMODEL_JUMP:
		put_used(m, q, r->head, n);
		q->used = (uint16_t)(q->used + 1000);
		break;
	case VMODEL_LONG: put_used(m, q, r->head, UINT32_MAX); break;
	case VMODEL_SHORT: put_used(m, q, r->head, 0); break;
	default: put_used(m, q, r->head, n); break;
	}
	if (fault == VMODEL_NO_INTERRUPT)
		store16(m, q->device + 2, q->used);
	else
		tell(m, q, was);
}

static void
serve(struct vmodel *m, unsigned queue, uint16_t head)
{
	static struct vmodel_request r; /* large; only this thread's, under the lock */
	const struct sip_model_fault *f;
	uint32_t n;

	if (!fetch(m, queue, head, &r))
		return;
	m->queue[queue].requests++;
	f = find_fault(m);
	if (f && f->kind == VMODEL_HANG)
		return;
	if (f && f->kind == VMODEL_NEEDS_RESET) {
		needs_reset(m);
		return;
	}
	n = m->serve ? m->serve(m->arg, &r) : 0;
	if (n == VMODEL_KEEP)
		return;
	if (f)
		end_with(m, f->kind, &r, n);
	else
		vmodel_end(m, &r, n);
}

bool
vmodel_step(void *device)
{
	struct vmodel *m = device;
	unsigned i, queue;
	uint16_t head;

	for (unsigned q = 0; q < m->nqueues; q++) {
		int h;

		/* What a test takes itself with vmodel_take has no server. */
		while (m->npending < VMODEL_PENDING && !(m->kept >> q & 1) &&
		       (h = next_head(m, q)) >= 0) {
			m->pending[m->npending].queue = (uint8_t)q;
			m->pending[m->npending++].head = (uint16_t)h;
		}
	}
	if (!m->npending || !running(m))
		return false;
	i = sip_model_random(&m->bus) % m->npending;
	queue = m->pending[i].queue;
	head = m->pending[i].head;
	m->pending[i] = m->pending[--m->npending];
	serve(m, queue, head);
	return true;
}
