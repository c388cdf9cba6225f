/*
 * The model's registers; see model.h.  It follows VIRTIO 1.2, sections 3.1 and 4.1, as far as a
 * driver can see it.
 *
 * BAR 4: common registers at 0, ISR at 0x1000, configuration at 0x2000, bells at 0x3000, four
 * bytes apart.
 */
#include "private.h"

#include <string.h>

enum {
	BAR = 4,
	BAR_SIZE = 0x4000,
	AT_ISR = 0x1000,
	AT_CONFIG = 0x2000,
	AT_NOTIFY = 0x3000,
	NOTIFY_STEP = 4,
	COMMON_END = 0x38,
	LINE = 10,
};

/* --- registers ------------------------------------------------------------------------------- */

static void
reset(struct vmodel *m)
{
	if (m->never_resets)
		return;
	m->status = 0;
	m->taken = 0;
	m->isr = 0;
	m->config_vector = VIRTIO_NO_VECTOR;
	m->npending = 0;
	m->bus.was_reset = true;
	m->resets++;
	for (unsigned i = 0; i < VMODEL_QUEUES; i++) {
		struct vmodel_queue *q = &m->queue[i], old = *q;

		memset(q, 0, sizeof *q);
		q->max = q->size = old.max;
		q->vector = VIRTIO_NO_VECTOR;
		q->notified = old.notified;
		q->interrupts = old.interrupts;
		q->requests = old.requests;
		q->most_in_flight = old.most_in_flight;
	}
}

static void
write_status(struct vmodel *m, uint8_t v)
{
	if (!v) {
		reset(m);
		return;
	}
	if (m->status & ~v & ~VIRTIO_NEEDS_RESET)
		sip_model_lint(&m->bus, "a status bit cleared");
	if (!m->bus.was_reset)
		sip_model_lint(&m->bus, "status before a reset");
	if (v & VIRTIO_FEATURES_OK && !(m->status & VIRTIO_FEATURES_OK)) {
		if (m->taken & ~m->offered)
			sip_model_lint(&m->bus, "features that were not offered");
		if (m->keeps_features || m->taken & ~m->offered)
			v &= (uint8_t)~VIRTIO_FEATURES_OK;
	}
	if (v & VIRTIO_DRIVER_OK && !(v & VIRTIO_FEATURES_OK))
		sip_model_lint(&m->bus, "DRIVER_OK without features");
	m->status = v | (m->status & VIRTIO_NEEDS_RESET);
	sip_model_wake(&m->bus);
}

static void
enable_queue(struct vmodel *m, struct vmodel_queue *q, uint64_t v)
{
	if (v != 1 || !(m->status & VIRTIO_FEATURES_OK) || m->status & VIRTIO_DRIVER_OK)
		sip_model_lint(&m->bus, "a queue enabled out of turn");
	if (!q->desc || !q->driver || !q->device || q->desc % 16 || q->driver % 2 || q->device % 4)
		sip_model_lint(&m->bus, "a queue without memory, or badly aligned");
	if (!q->size || q->size > q->max || q->size & (q->size - 1))
		sip_model_lint(&m->bus, "a queue of a size that cannot be");
	q->enable = 1;
}

static void
set_half(uint64_t *v, bool high, uint64_t half)
{
	*v = high ? (*v & UINT32_MAX) | half << 32 : (*v & ~(uint64_t)UINT32_MAX) | half;
}

static void
write_common(struct vmodel *m, unsigned off, uint64_t v)
{
	struct vmodel_queue *q = m->queue_select < m->nqueues ? &m->queue[m->queue_select] : NULL;

	switch (off) {
	case 0x00: m->feature_select = (uint32_t)v; return;
	case 0x08: m->driver_select = (uint32_t)v; return;
	case 0x0c:
		if (m->driver_select < 2)
			set_half(&m->taken, m->driver_select, v);
		return;
	case 0x10: m->config_vector = v < m->bus.nvectors ? (uint16_t)v : VIRTIO_NO_VECTOR; return;
	case 0x14: write_status(m, (uint8_t)v); return;
	case 0x16: m->queue_select = (uint16_t)v; return;
	}
	if (!q || q->enable) {
		sip_model_lint(&m->bus, "no such queue, or it runs");
		return;
	}
	switch (off) {
	case 0x18: q->size = (uint16_t)v; break;
	case 0x1a: q->vector = v < m->bus.nvectors ? (uint16_t)v : VIRTIO_NO_VECTOR; break;
	case 0x1c: enable_queue(m, q, v); break;
	case 0x20:
	case 0x24: set_half(&q->desc, off & 4, v); break;
	case 0x28:
	case 0x2c: set_half(&q->driver, off & 4, v); break;
	case 0x30:
	case 0x34: set_half(&q->device, off & 4, v); break;
	default: sip_model_lint(&m->bus, "a write to no register"); break;
	}
}

static uint64_t
read_common(struct vmodel *m, unsigned off)
{
	const struct vmodel_queue *q = m->queue_select < m->nqueues ? &m->queue[m->queue_select]
								    : NULL;

	switch (off) {
	case 0x04:
		return m->feature_select < 2 ? (uint32_t)(m->offered >> 32 * m->feature_select) : 0;
	case 0x10: return m->config_vector;
	case 0x12: return m->nqueues;
	case 0x14: return m->status;
	case 0x15:
		if (m->generations_to_come) {
			m->generations_to_come--;
			m->generation++;
		}
		return m->generation;
	case 0x18: return q ? q->size : 0;
	case 0x1a: return q ? q->vector : VIRTIO_NO_VECTOR;
	case 0x1c: return q ? q->enable : 0;
	case 0x1e: return m->queue_select;
	}
	sip_model_lint(&m->bus, "a read of no register");
	return 0;
}

/* [4.1.3.1]: fields in their own width, wide ones as words. */
static unsigned
common_width(unsigned off)
{
	return off == 0x14 || off == 0x15 ? 1 : off >= 0x10 && off < 0x20 ? 2 : 4;
}

static uint64_t
read_register(void *device, unsigned bar, uint64_t off, unsigned width)
{
	struct vmodel *m = device;
	uint64_t v = 0;

	(void)bar;
	if (off < COMMON_END) {
		if (width != common_width((unsigned)off))
			sip_model_lint(&m->bus, "a register in another width");
		v = read_common(m, (unsigned)off);
	} else if (off == AT_ISR && width == 1) {
		v = m->isr;
		m->isr = 0;
	} else if (off >= AT_CONFIG && off + width <= AT_CONFIG + m->config_bytes) {
		if (!(m->status & VIRTIO_FEATURES_OK))
			sip_model_lint(&m->bus, "configuration before the features");
		memcpy(&v, m->config + (off - AT_CONFIG), width);
	} else
		sip_model_lint(&m->bus, "a read outside of the registers");
	return v;
}

static void
notify(struct vmodel *m, uint64_t off, uint64_t v)
{
	if (off % NOTIFY_STEP || off / NOTIFY_STEP != v || v >= m->nqueues || !m->queue[v].enable) {
		sip_model_lint(&m->bus, "a bell of no queue");
		return;
	}
	if (!(m->status & VIRTIO_DRIVER_OK) || !m->bus.bus_master)
		sip_model_lint(&m->bus, "a bell before DRIVER_OK or bus mastering");
	m->queue[v].notified++;
	sip_model_wake(&m->bus);
}

static void
write_register(void *device, unsigned bar, uint64_t off, unsigned width, uint64_t value)
{
	struct vmodel *m = device;

	(void)bar;
	if (off < COMMON_END) {
		if (width != common_width((unsigned)off))
			sip_model_lint(&m->bus, "a register in another width");
		write_common(m, (unsigned)off, value);
	} else if (off >= AT_NOTIFY && off < AT_NOTIFY + NOTIFY_STEP * VMODEL_QUEUES && width == 2)
		notify(m, off - AT_NOTIFY, value);
	else if (off >= AT_CONFIG && off + width <= AT_CONFIG + m->config_bytes)
		memcpy(m->config + (off - AT_CONFIG), &value, width);
	else
		sip_model_lint(&m->bus, "a write outside of the registers");
}

static const struct sip_model_ops ops = {
	.read = read_register,
	.write = write_register,
	.step = vmodel_step,
};

/* --- what a test does ------------------------------------------------------------------------ */

static void
put_cap(uint8_t *pci, unsigned at, unsigned next, uint8_t kind, uint32_t offset, uint32_t length)
{
	uint8_t *c = pci + at;
	uint32_t step = NOTIFY_STEP;

	c[0] = 0x09;
	c[1] = (uint8_t)next;
	c[2] = kind == 2 ? 20 : 16;
	c[3] = kind;
	c[4] = BAR;
	memcpy(c + 8, &offset, 4);
	memcpy(c + 12, &length, 4);
	if (kind == 2)
		memcpy(c + 16, &step, 4);
}

static void
make_pci(uint8_t *pci, uint16_t device_id)
{
	const uint16_t vendor = VIRTIO_VENDOR;

	memcpy(pci, &vendor, 2);
	memcpy(pci + 2, &device_id, 2);
	pci[0x06] = 0x10; /* there is a list */
	pci[0x34] = 0x40;
	put_cap(pci, 0x40, 0x54, 1, 0, 0x1000);
	put_cap(pci, 0x54, 0x68, 3, AT_ISR, 0x1000);
	put_cap(pci, 0x68, 0x7c, 4, AT_CONFIG, 0x1000);
	put_cap(pci, 0x7c, 0, 2, AT_NOTIFY, 0x1000);
}

void
vmodel_init(struct vmodel *m)
{
	struct sip_pci_info *info = &m->bus.info;

	memset(m, 0, sizeof *m);
	sip_model_init(&m->bus, &ops, m);
	info->class = 0x010000;
	info->vendor = VIRTIO_VENDOR;
	info->device = 0x1042;
	info->bar[BAR].kind = SIP_BAR_MEM;
	info->bar[BAR].base = 0xfe000000;
	info->bar[BAR].size = BAR_SIZE;
	info->irq = LINE;
	info->msix = VMODEL_VECTORS;
	make_pci(m->bus.pci, info->device);
	m->offered = VIRTIO_F(VIRTIO_VERSION_1) | VIRTIO_F(VIRTIO_EVENT_IDX) |
		     VIRTIO_F(VIRTIO_INDIRECT_DESC);
	m->nqueues = 1;
	m->config_bytes = VIRTIO_BLK_CONFIG_SIZE;
	for (unsigned i = 0; i < VMODEL_QUEUES; i++)
		m->queue[i].max = m->queue[i].size = 256;
}

void
vmodel_fini(struct vmodel *m)
{
	sip_model_fini(&m->bus);
}
