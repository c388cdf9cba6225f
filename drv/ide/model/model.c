/*
 * The model's ports, bus master and bus; its drives' commands are in drive.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "drive.h"

enum { FLOATING = 0xff, WAIT_NS = 5000000, DMA_SHIFT = 21 };

void
model_lint(struct model *m, const char *what)
{
	m->lint++;
	m->lint_what = what;
}

void
model_interrupt(struct model *m, struct model_channel *c)
{
	struct model_drive *d = &c->drive[c->selected];

	if (c->control & IDE_CONTROL_NO_INTERRUPTS)
		return;
	if (d->lose_interrupt) {
		d->lose_interrupt--;
		return;
	}
	c->bm_status |= IDE_BM_INTERRUPT;
	m->pending[m->native || c == &m->channel[0] ? 0 : 1]++;
	pthread_cond_broadcast(&m->irq);
}

uint8_t *
model_memory(struct model *m, uint64_t paddr, uint64_t n)
{
	uint64_t i = (paddr >> DMA_SHIFT) - 1, at = paddr & ((1u << DMA_SHIFT) - 1);

	if (paddr >> DMA_SHIFT && i < MODEL_DMAS && m->dma[i].p && at + n <= m->dma[i].n)
		return m->dma[i].p + at;
	m->wild++;
	model_lint(m, "DMA outside of what was allocated");
	return NULL;
}

/* --- the bus master -------------------------------------------------------------------------- */

/* Moves `size` bytes between the drive's buffer and memory: false, if the table is too short. */
static bool
move(struct model *m, struct model_channel *c, struct model_drive *d)
{
	uint32_t at = 0, entry[2];

	for (unsigned i = 0; i < IDE_PRDS && at < d->size; i++) {
		uint8_t *prd = model_memory(m, c->bm_table + 8 * (uint64_t)i, 8), *p;
		uint32_t n;

		if (!prd)
			return false;
		memcpy(entry, prd, sizeof entry);
		n = entry[1] & 0xffff ? entry[1] & 0xffff : 0x10000;
		if ((entry[0] & 0xffff) + n > 0x10000)
			model_lint(m, "an entry crosses 64 KiB");
		if (n > d->size - at)
			n = d->size - at;
		p = model_memory(m, entry[0], n);
		if (!p)
			return false;
		if (d->out)
			memcpy(d->buffer + at, p, n);
		else
			memcpy(p, d->buffer + at, n);
		at += n;
		if (entry[1] >> 31)
			break;
	}
	return at == d->size;
}

void
model_try_dma(struct model *m, struct model_channel *c)
{
	struct model_drive *d = &c->drive[c->selected];

	if (!(c->bm_command & IDE_BM_START) || !d->dma_wanted)
		return;
	if (!m->bus_master)
		model_lint(m, "DMA without bus mastering");
	if (!(c->bm_command & IDE_BM_TO_MEMORY) != d->out)
		model_lint(m, "the bus master goes the wrong way");
	d->dma_wanted = false;
	c->bm_status &= (uint8_t)~IDE_BM_ACTIVE;
	if (d->dma_error) {
		d->dma_error--;
		c->bm_status |= IDE_BM_ERROR;
	} else if (!move(m, c, d))
		c->bm_status |= IDE_BM_ERROR;
	model_transferred(m, c, d);
}

static void
master_out(struct model *m, struct model_channel *c, unsigned reg, uint32_t v)
{
	if (reg == IDE_BM_COMMAND) {
		if (v & IDE_BM_START && !(c->bm_command & IDE_BM_START))
			c->bm_status |= IDE_BM_ACTIVE;
		if (!(v & IDE_BM_START))
			c->bm_status &= (uint8_t)~IDE_BM_ACTIVE;
		c->bm_command = (uint8_t)v;
		model_try_dma(m, c);
	} else if (reg == IDE_BM_STATUS)
		c->bm_status &= (uint8_t) ~(v & (IDE_BM_ERROR | IDE_BM_INTERRUPT));
	else if (reg == IDE_BM_TABLE)
		c->bm_table = v;
}

/* --- ports ----------------------------------------------------------------------------------- */

struct place {
	struct model_channel *c;
	enum { COMMAND, CONTROL, MASTER } block;
	unsigned reg;
};

static bool
find(struct model *m, uint16_t port, struct place *out)
{
	const uint16_t cmd[2] = { m->native ? MODEL_CMD_0 : IDE_LEGACY_COMMAND_0,
				  m->native ? MODEL_CMD_1 : IDE_LEGACY_COMMAND_1 };
	const uint16_t ctl[2] = { m->native ? MODEL_CTL_0 + 2 : IDE_LEGACY_CONTROL_0,
				  m->native ? MODEL_CTL_1 + 2 : IDE_LEGACY_CONTROL_1 };

	for (unsigned i = 0; i < IDE_CHANNELS; i++) {
		unsigned master = MODEL_MASTER + IDE_BM_PORTS * i;

		out->c = &m->channel[i];
		if (port >= cmd[i] && port < cmd[i] + IDE_COMMAND_PORTS) {
			out->block = COMMAND;
			out->reg = port - cmd[i];
			return true;
		}
		if (port == ctl[i]) {
			out->block = CONTROL;
			out->reg = 0;
			return true;
		}
		if (port >= master && port < master + IDE_BM_PORTS) {
			out->block = MASTER;
			out->reg = port - master;
			return true;
		}
	}
	model_lint(m, "a port that is not the function's");
	return false;
}

static uint32_t
read_port(struct model *m, struct place *p, unsigned width)
{
	struct model_channel *c = p->c;

	if (p->block == MASTER)
		return p->reg == IDE_BM_STATUS    ? c->bm_status
		       : p->reg == IDE_BM_COMMAND ? c->bm_command
						  : c->bm_table;
	if (!c->drive[0].kind && !c->drive[1].kind)
		return FLOATING;
	if (!c->drive[c->selected].kind)
		return 0;
	if (p->block == CONTROL)
		return c->drive[c->selected].status;
	return model_drive_in(m, c, p->reg, width);
}

static uint32_t
bus_in(struct sip_dev *dev, uint16_t port, unsigned width)
{
	struct model *m = dev->bus_priv;
	struct place p;
	uint32_t v = UINT32_MAX;

	pthread_mutex_lock(&m->lock);
	m->ports++;
	if (find(m, port, &p))
		v = read_port(m, &p, width);
	if (m->random) {
		m->random = m->random * 1664525 + 1013904223;
		if (m->random >> 31)
			v = m->random >> 3;
	}
	pthread_mutex_unlock(&m->lock);
	return v;
}

static void
write_control(struct model *m, struct model_channel *c, uint8_t v)
{
	for (unsigned i = 0; i < IDE_DRIVES; i++)
		if (c->control & IDE_CONTROL_RESET && !(v & IDE_CONTROL_RESET) && c->drive[i].kind)
			model_drive_reset(&c->drive[i]);
	if (v & IDE_CONTROL_RESET)
		c->selected = 0;
	c->control = v;
	(void)m;
}

static void
bus_out(struct sip_dev *dev, uint16_t port, unsigned width, uint32_t v)
{
	struct model *m = dev->bus_priv;
	struct place p;

	pthread_mutex_lock(&m->lock);
	m->ports++;
	if (find(m, port, &p)) {
		if (p.block == MASTER)
			master_out(m, p.c, p.reg, v);
		else if (p.block == CONTROL)
			write_control(m, p.c, (uint8_t)v);
		else
			model_drive_out(m, p.c, p.reg, width, v);
	}
	pthread_mutex_unlock(&m->lock);
}

/* --- the rest of the bus --------------------------------------------------------------------- */

static int
bus_info(struct sip_dev *d, struct sip_pci_info *info)
{
	const struct model *m = d->bus_priv;
	static const uint64_t base[5] = { MODEL_CMD_0, MODEL_CTL_0, MODEL_CMD_1, MODEL_CTL_1,
					  MODEL_MASTER };

	info->class = m->native ? 0x01018f : 0x010180;
	info->vendor = 0x8086;
	info->device = 0x7010;
	info->irq = m->native ? MODEL_LINE : -1;
	info->vector = -1;
	for (unsigned i = 0; i < 5; i++)
		if (i == 4 ? !m->no_master : m->native) {
			info->bar[i].kind = SIP_BAR_IO;
			info->bar[i].base = base[i];
			info->bar[i].size = i == 4 ? 16 : i & 1 ? 4 : 8;
		}
	return 0;
}

static int
bus_command(struct sip_dev *d, const char *text)
{
	struct model *m = d->bus_priv;

	pthread_mutex_lock(&m->lock);
	if (strcmp(text, "busmaster on") == 0)
		m->bus_master = true;
	else if (strcmp(text, "busmaster off") == 0)
		m->bus_master = false;
	else if (strcmp(text, "enable") == 0)
		m->enabled = true;
	pthread_mutex_unlock(&m->lock);
	return strncmp(text, "msi", 3) == 0 ? -EOPNOTSUPP : 0;
}

/* Each piece has 2 MiB of the device's addresses. */
static int
bus_dma_alloc(struct sip_dev *d, size_t size, size_t align, struct sip_dma *out)
{
	struct model *m = d->bus_priv;
	int err = -ENOMEM;
	void *p;

	if (size > 1u << DMA_SHIFT)
		return -ENOMEM;
	if (posix_memalign(&p, align < 64 ? 64 : align, size))
		return -ENOMEM;
	memset(p, 0, size);
	pthread_mutex_lock(&m->lock);
	if (!d->dma32)
		model_lint(m, "memory that may be above 4 GiB");
	for (int i = 0; i < MODEL_DMAS && err; i++)
		if (!m->dma[i].p) {
			m->dma[i].p = p;
			m->dma[i].n = size;
			*out = (struct sip_dma){ p, (i + 1ull) << DMA_SHIFT, size, i };
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
	struct model *m = d->bus_priv;

	pthread_mutex_lock(&m->lock);
	m->dma[dma->handle].p = NULL;
	pthread_mutex_unlock(&m->lock);
	free(dma->vaddr);
}

static int
bus_irq_open(struct sip_dev *d, int irq)
{
	(void)d;
	return irq;
}

/* Returns now and then, since the waiting thread is ended by a signal on a real bus. */
static int
bus_irq_wait(struct sip_dev *d, int fd, uint64_t *count, uint64_t *ns)
{
	struct model *m = d->bus_priv;
	uint64_t *pending = &m->pending[fd == IDE_LEGACY_LINE_1];
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += WAIT_NS;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	pthread_mutex_lock(&m->lock);
	if (!*pending)
		pthread_cond_timedwait(&m->irq, &m->lock, &t);
	*count = *pending;
	*ns = 0;
	*pending = 0;
	pthread_mutex_unlock(&m->lock);
	return *count ? 0 : -EINTR;
}

static void
bus_irq_close(struct sip_dev *d, int fd)
{
	(void)d, (void)fd;
}

static int
bus_ports(struct sip_dev *d)
{
	(void)d;
	return 0;
}

void
model_init(struct model *m)
{
	memset(m, 0, sizeof *m);
	m->bus = (struct sip_bus){ .info = bus_info,
				   .command = bus_command,
				   .dma_alloc = bus_dma_alloc,
				   .dma_free = bus_dma_free,
				   .irq_open = bus_irq_open,
				   .irq_wait = bus_irq_wait,
				   .irq_close = bus_irq_close,
				   .ports = bus_ports,
				   .in = bus_in,
				   .out = bus_out };
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->irq, NULL);
}

void
model_fini(struct model *m)
{
	for (unsigned i = 0; i < IDE_CHANNELS * IDE_DRIVES; i++) {
		free(m->channel[i / 2].drive[i % 2].data);
		free(m->channel[i / 2].drive[i % 2].buffer);
	}
	pthread_mutex_destroy(&m->lock);
	pthread_cond_destroy(&m->irq);
}
