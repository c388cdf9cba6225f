/*
 * The model's function on its bus: what it says of itself, memory, the interrupt; see model.h.
 */
#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int
bus_info(struct sip_dev *d, struct sip_pci_info *info)
{
	const struct model *m = d->bus_priv;

	info->class = 0x010601;
	info->vendor = 0x8086;
	info->device = 0x2922;
	info->bar[5].kind = SIP_BAR_MEM;
	info->bar[5].base = 0xfebf1000;
	info->bar[5].size = m->bar_size;
	info->irq = 10;
	info->msi = 1;
	info->vector = 40;
	info->enabled = true;
	return 0;
}

static int
bus_command(struct sip_dev *d, const char *text)
{
	struct model *m = d->bus_priv;

	pthread_mutex_lock(&m->lock);
	if (strcmp(text, "enable") == 0)
		m->enabled = true;
	else if (strncmp(text, "busmaster ", 10) == 0)
		m->bus_master = strcmp(text + 10, "on") == 0;
	else if (strcmp(text, "quiet") == 0) {
		m->forgets++;
		if (m->bus_master)
			model_lint(m, "quiet while it may write to memory");
	}
	if ((m->bus_master || m->forgets) && !m->was_reset)
		model_lint(m, "memory before the reset");
	pthread_mutex_unlock(&m->lock);
	return 0;
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
bus_dma_alloc(struct sip_dev *d, size_t size, size_t align, struct sip_dma *out)
{
	struct model *m = d->bus_priv;
	void *p;
	int err = -ENOMEM;

	if (posix_memalign(&p, align < 64 ? 64 : align, size))
		return -ENOMEM;
	memset(p, 0, size);
	pthread_mutex_lock(&m->lock);
	if (d->dma32 != m->wants_low)
		model_lint(m, "memory of the wrong kind");
	for (int i = 0; i < MODEL_DMAS && err; i++)
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
	struct timespec t;

	(void)fd;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += 5000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	pthread_mutex_lock(&m->lock);
	if (!m->pending)
		pthread_cond_timedwait(&m->irq, &m->lock, &t);
	*count = m->pending;
	*ns = 0;
	m->pending = 0;
	pthread_mutex_unlock(&m->lock);
	return *count ? 0 : -EINTR;
}

static void
bus_irq_close(struct sip_dev *d, int fd)
{
	(void)d, (void)fd;
}

void
model_bus(struct model *m)
{
	m->bus = (struct sip_bus){
		.info = bus_info,
		.command = bus_command,
		.map = bus_map,
		.unmap = bus_unmap,
		.dma_alloc = bus_dma_alloc,
		.dma_free = bus_dma_free,
		.irq_open = bus_irq_open,
		.irq_wait = bus_irq_wait,
		.irq_close = bus_irq_close,
	};
}
