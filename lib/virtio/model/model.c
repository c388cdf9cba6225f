/*
 * The model's registers and bus; see model.h.  It follows VIRTIO 1.2, sections 3.1 and 4.1, as far
 * as a driver can see it.  One lock; the device's thread holds it while it serves.
 *
 * BAR 4: common registers at 0, ISR at 0x1000, configuration at 0x2000, bells at 0x3000, four
 * bytes apart.
 */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	BAR = 4,
	BAR_SIZE = 0x4000,
	AT_ISR = 0x1000,
	AT_CONFIG = 0x2000,
	AT_NOTIFY = 0x3000,
	NOTIFY_STEP = 4,
	COMMON_END = 0x38,
	FIRST_IRQ = 300,
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
	m->was_reset = true;
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
		vmodel_lint(m, "a status bit cleared");
	if (!m->was_reset)
		vmodel_lint(m, "status before a reset");
	if (v & VIRTIO_FEATURES_OK && !(m->status & VIRTIO_FEATURES_OK)) {
		if (m->taken & ~m->offered)
			vmodel_lint(m, "features that were not offered");
		if (m->keeps_features || m->taken & ~m->offered)
			v &= (uint8_t)~VIRTIO_FEATURES_OK;
	}
	if (v & VIRTIO_DRIVER_OK && !(v & VIRTIO_FEATURES_OK))
		vmodel_lint(m, "DRIVER_OK without features");
	m->status = v | (m->status & VIRTIO_NEEDS_RESET);
	pthread_cond_signal(&m->work);
}

static void
enable_queue(struct vmodel *m, struct vmodel_queue *q, uint64_t v)
{
	if (v != 1 || !(m->status & VIRTIO_FEATURES_OK) || m->status & VIRTIO_DRIVER_OK)
		vmodel_lint(m, "a queue enabled out of turn");
	if (!q->desc || !q->driver || !q->device || q->desc % 16 || q->driver % 2 || q->device % 4)
		vmodel_lint(m, "a queue without memory, or badly aligned");
	if (!q->size || q->size > q->max || q->size & (q->size - 1))
		vmodel_lint(m, "a queue of a size that cannot be");
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
	case 0x10: m->config_vector = v < m->nopen ? (uint16_t)v : VIRTIO_NO_VECTOR; return;
	case 0x14: write_status(m, (uint8_t)v); return;
	case 0x16: m->queue_select = (uint16_t)v; return;
	}
	if (!q || q->enable) {
		vmodel_lint(m, "no such queue, or it runs");
		return;
	}
	switch (off) {
	case 0x18: q->size = (uint16_t)v; break;
	case 0x1a: q->vector = v < m->nopen ? (uint16_t)v : VIRTIO_NO_VECTOR; break;
	case 0x1c: enable_queue(m, q, v); break;
	case 0x20:
	case 0x24: set_half(&q->desc, off & 4, v); break;
	case 0x28:
	case 0x2c: set_half(&q->driver, off & 4, v); break;
	case 0x30:
	case 0x34: set_half(&q->device, off & 4, v); break;
	default: vmodel_lint(m, "a write to no register"); break;
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
	vmodel_lint(m, "a read of no register");
	return 0;
}

/* [4.1.3.1]: fields in their own width, wide ones as words. */
static unsigned
common_width(unsigned off)
{
	return off == 0x14 || off == 0x15 ? 1 : off >= 0x10 && off < 0x20 ? 2 : 4;
}

static uint64_t
bus_read(struct sip_dev *d, unsigned bar, uint64_t off, unsigned width)
{
	struct vmodel *m = d->bus_priv;
	uint64_t v = 0;

	pthread_mutex_lock(&m->lock);
	m->accesses++;
	if (m->gone)
		v = UINT64_MAX;
	else if (bar != BAR)
		vmodel_lint(m, "not the registers' BAR");
	else if (off < COMMON_END) {
		if (width != common_width((unsigned)off))
			vmodel_lint(m, "a register in another width");
		v = read_common(m, (unsigned)off);
	} else if (off == AT_ISR && width == 1) {
		v = m->isr;
		m->isr = 0;
	} else if (off >= AT_CONFIG && off + width <= AT_CONFIG + m->config_bytes) {
		if (!(m->status & VIRTIO_FEATURES_OK))
			vmodel_lint(m, "configuration before the features");
		memcpy(&v, m->config + (off - AT_CONFIG), width);
	} else
		vmodel_lint(m, "a read outside of the registers");
	pthread_mutex_unlock(&m->lock);
	return v;
}

static void
notify(struct vmodel *m, uint64_t off, uint64_t v)
{
	if (off % NOTIFY_STEP || off / NOTIFY_STEP != v || v >= m->nqueues || !m->queue[v].enable) {
		vmodel_lint(m, "a bell of no queue");
		return;
	}
	if (!(m->status & VIRTIO_DRIVER_OK) || !m->bus_master)
		vmodel_lint(m, "a bell before DRIVER_OK or bus mastering");
	m->queue[v].notified++;
	pthread_cond_signal(&m->work);
}

static void
bus_write(struct sip_dev *d, unsigned bar, uint64_t off, unsigned width, uint64_t value)
{
	struct vmodel *m = d->bus_priv;

	pthread_mutex_lock(&m->lock);
	m->accesses++;
	if (bar != BAR || !m->enabled)
		vmodel_lint(m, "not the registers' BAR, or not enabled");
	else if (m->gone)
		;
	else if (off < COMMON_END) {
		if (width != common_width((unsigned)off))
			vmodel_lint(m, "a register in another width");
		write_common(m, (unsigned)off, value);
	} else if (off >= AT_NOTIFY && off < AT_NOTIFY + NOTIFY_STEP * VMODEL_QUEUES && width == 2)
		notify(m, off - AT_NOTIFY, value);
	else if (off >= AT_CONFIG && off + width <= AT_CONFIG + m->config_bytes)
		memcpy(m->config + (off - AT_CONFIG), &value, width);
	else
		vmodel_lint(m, "a write outside of the registers");
	pthread_mutex_unlock(&m->lock);
}

/* --- the rest of the bus --------------------------------------------------------------------- */

static int
bus_info(struct sip_dev *d, struct sip_pci_info *info)
{
	struct vmodel *m = d->bus_priv;

	info->class = 0x010000;
	info->vendor = VIRTIO_VENDOR;
	info->device = m->device_id;
	info->bar[BAR].kind = SIP_BAR_MEM;
	info->bar[BAR].base = 0xfe000000;
	info->bar[BAR].size = BAR_SIZE;
	info->irq = LINE;
	info->msix = m->nvectors;
	info->vector = m->nopen ? FIRST_IRQ : -1;
	info->nvectors = m->nopen;
	for (unsigned i = 0; i < m->nopen; i++)
		info->vectors[i] = FIRST_IRQ + (int)i;
	info->enabled = true;
	return 0;
}

static int
bus_command(struct sip_dev *d, const char *text)
{
	struct vmodel *m = d->bus_priv;
	int err = 0;

	pthread_mutex_lock(&m->lock);
	if (strcmp(text, "enable") == 0)
		m->enabled = true;
	else if (strncmp(text, "busmaster ", 10) == 0)
		m->bus_master = strcmp(text + 10, "on") == 0;
	else if (strncmp(text, "msix ", 5) == 0) {
		unsigned long n = strtoul(text + 5, NULL, 10);

		if (n && n <= m->nvectors)
			m->nopen = (unsigned)n;
		else
			err = -EINVAL;
	} else if (strcmp(text, "quiet") == 0) {
		m->forgets++;
		if (m->bus_master)
			vmodel_lint(m, "quiet while it may write to memory");
	}
	if ((m->bus_master || m->forgets) && !m->was_reset && !m->gone)
		vmodel_lint(m, "memory before the reset");
	pthread_mutex_unlock(&m->lock);
	return err;
}

static int
bus_map(struct sip_dev *d, unsigned bar, struct sip_bar *out)
{
	(void)d, (void)bar;
	out->regs = NULL;
	return 0;
}

static void
bus_unmap(struct sip_dev *d, struct sip_bar *bar)
{
	(void)d, (void)bar;
}

static int
bus_config(struct sip_dev *d, void *buf, size_t n)
{
	const struct vmodel *m = d->bus_priv;

	memcpy(buf, m->pci, n < sizeof m->pci ? n : sizeof m->pci);
	return 0;
}

static int
bus_dma_alloc(struct sip_dev *d, size_t size, size_t align, struct sip_dma *out)
{
	struct vmodel *m = d->bus_priv;
	void *p;
	int err = -ENOMEM;

	if (posix_memalign(&p, align < 64 ? 64 : align, size))
		return -ENOMEM;
	memset(p, 0, size);
	pthread_mutex_lock(&m->lock);
	for (int i = 0; i < VMODEL_DMAS && err; i++)
		if (!m->dma[i].p) {
			m->dma[i].p = p;
			m->dma[i].n = size;
			*out = (struct sip_dma){ p, (uintptr_t)p, size, i };
			err = 0;
		}
	pthread_mutex_unlock(&m->lock);
	if (err)
		free(p);
	return err;
}

static void
bus_dma_free(struct sip_dev *d, struct sip_dma *dma)
{
	struct vmodel *m = d->bus_priv;

	pthread_mutex_lock(&m->lock);
	m->dma[dma->handle].p = NULL;
	pthread_mutex_unlock(&m->lock);
	free(dma->vaddr);
}

static int
bus_irq_open(struct sip_dev *d, int irq)
{
	(void)d;
	return irq == LINE ? 0 : irq - FIRST_IRQ;
}

/* Returns now and then, since the waiting thread is ended by a signal on a real bus. */
static int
bus_irq_wait(struct sip_dev *d, int fd, uint64_t *count, uint64_t *ns)
{
	struct vmodel *m = d->bus_priv;
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += 5000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	pthread_mutex_lock(&m->lock);
	if (!m->raised[fd])
		pthread_cond_timedwait(&m->irq, &m->lock, &t);
	*count = m->raised[fd];
	*ns = 0;
	m->raised[fd] = 0;
	pthread_mutex_unlock(&m->lock);
	return *count ? 0 : -EINTR;
}

static void
bus_irq_close(struct sip_dev *d, int fd)
{
	(void)d, (void)fd;
}

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
vmodel_add_fault(struct vmodel *m, struct vmodel_fault f)
{
	pthread_mutex_lock(&m->lock);
	for (unsigned i = 0; i < VMODEL_FAULTS; i++)
		if (!m->fault[i].times) {
			m->fault[i] = f;
			break;
		}
	pthread_mutex_unlock(&m->lock);
}

void
vmodel_init(struct vmodel *m)
{
	memset(m, 0, sizeof *m);
	m->bus = (struct sip_bus){
		.info = bus_info,
		.command = bus_command,
		.map = bus_map,
		.unmap = bus_unmap,
		.read = bus_read,
		.write = bus_write,
		.dma_alloc = bus_dma_alloc,
		.dma_free = bus_dma_free,
		.irq_open = bus_irq_open,
		.irq_wait = bus_irq_wait,
		.irq_close = bus_irq_close,
		.config = bus_config,
	};
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->work, NULL);
	pthread_cond_init(&m->irq, NULL);
	m->device_id = 0x1042;
	m->offered = VIRTIO_F(VIRTIO_VERSION_1) | VIRTIO_F(VIRTIO_EVENT_IDX) |
		     VIRTIO_F(VIRTIO_INDIRECT_DESC);
	m->nqueues = 1;
	m->nvectors = VMODEL_VECTORS;
	m->config_bytes = VIRTIO_BLK_CONFIG_SIZE;
	for (unsigned i = 0; i < VMODEL_QUEUES; i++)
		m->queue[i].max = m->queue[i].size = 256;
	m->random = 1;
	make_pci(m->pci, m->device_id);
}

void
vmodel_start(struct vmodel *m)
{
	pthread_create(&m->thread, NULL, vmodel_device, m);
}

void
vmodel_fini(struct vmodel *m)
{
	pthread_mutex_lock(&m->lock);
	m->closing = true;
	pthread_cond_signal(&m->work);
	pthread_mutex_unlock(&m->lock);
	pthread_join(m->thread, NULL);
	pthread_mutex_destroy(&m->lock);
	pthread_cond_destroy(&m->work);
	pthread_cond_destroy(&m->irq);
}
