/*
 * The bus of a model: see sip_model.h.  It is the struct sip_bus that stands in a test where the
 * kernel's files stand else (lib/sip/dev_files.c).  One lock; the device's thread holds it in a
 * step.
 */
#include "sip_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { IRQ_WAIT_NS = 5000000, LINE_ALIGN = 64, SECOND_NS = 1000000000 };

/* --- for the model --------------------------------------------------------------------------- */

void
sip_model_lint(struct sip_model *b, const char *what)
{
	b->lint++;
	b->lint_what = what;
}

uint8_t *
sip_model_memory(struct sip_model *b, uint64_t paddr, size_t n)
{
	if (!b->bus_master)
		sip_model_lint(b, "DMA with bus mastering off");
	for (unsigned i = 0; i < SIP_MODEL_DMAS; i++)
		if (b->dma[i].p && paddr >= b->dma[i].paddr && n <= b->dma[i].n &&
		    paddr - b->dma[i].paddr <= b->dma[i].n - n)
			return b->dma[i].p + (paddr - b->dma[i].paddr);
	b->wild++;
	sip_model_lint(b, "DMA outside of the driver's memory");
	return NULL;
}

bool
sip_model_move(struct sip_model *b, struct sip_model_data *data, uint64_t paddr, size_t n)
{
	size_t part = n < data->left ? n : data->left;
	uint8_t *memory = sip_model_memory(b, paddr, part);

	if (!memory)
		return false;
	memcpy(data->to_memory ? memory : data->at, data->to_memory ? data->at : memory, part);
	data->at += part;
	data->left -= part;
	return true;
}

struct sip_model_fault *
sip_model_next_fault(struct sip_model *b, struct sip_model_fault *f)
{
	for (f = f ? f + 1 : b->fault; f < b->fault + SIP_MODEL_FAULTS; f++)
		if (f->times)
			return f;
	return NULL;
}

void
sip_model_raise(struct sip_model *b, unsigned irq)
{
	if (b->mute)
		return;
	b->pending[irq]++;
	pthread_cond_broadcast(&b->irq);
}

/* A message is a write to memory: none without bus mastering [PCI 3.0, 6.8.1]. */
void
sip_model_interrupt(struct sip_model *b, unsigned i)
{
	if (b->nvectors && i < b->nvectors && b->bus_master)
		sip_model_raise(b, SIP_MODEL_VECTOR + i);
	else if (!b->nvectors && b->info.irq >= 0)
		sip_model_raise(b, (unsigned)b->info.irq);
}

void
sip_model_wake(struct sip_model *b)
{
	pthread_cond_signal(&b->work);
}

unsigned
sip_model_random(struct sip_model *b)
{
	b->random = b->random * 1664525 + 1013904223;
	return b->random >> 16;
}

static bool
step(struct sip_model *b)
{
	return b->bus_master && !b->gone && b->ops->step && b->ops->step(b->device);
}

static void *
run(void *arg)
{
	struct sip_model *b = arg;

	pthread_mutex_lock(&b->lock);
	while (!b->closing) {
		if (b->delay_us) {
			pthread_mutex_unlock(&b->lock);
			usleep(b->delay_us);
			pthread_mutex_lock(&b->lock);
		}
		if (b->closing) /* while it slept */
			break;
		if (!step(b))
			pthread_cond_wait(&b->work, &b->lock);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

/* --- registers and ports --------------------------------------------------------------------- */

/* What the driver may map of a BAR: up to the page of the MSI-X table. */
static uint64_t
room(const struct sip_pci_info *info, unsigned bar)
{
	if (bar >= 6 || info->bar[bar].kind != SIP_BAR_MEM)
		return 0;
	if (info->msix_bar == (int)bar && info->msix_offset < info->bar[bar].size)
		return info->msix_offset & ~0xfffull;
	return info->bar[bar].size;
}

/* True: it is the device's to answer. */
static bool
register_access(struct sip_model *b, unsigned bar, uint64_t off, unsigned width)
{
	uint64_t n = room(&b->info, bar);

	b->accesses++;
	if (off % width || off >= n || width > n - off)
		sip_model_lint(b, "an access outside of the function's registers");
	else if (!b->enabled)
		sip_model_lint(b, "a register of a function that is not enabled");
	else
		return !b->gone;
	return false;
}

static uint64_t
bus_read(struct sip_dev *d, unsigned bar, uint64_t off, unsigned width)
{
	struct sip_model *b = d->bus_priv;
	uint64_t v = UINT64_MAX;

	pthread_mutex_lock(&b->lock);
	if (register_access(b, bar, off, width))
		v = b->ops->read(b->device, bar, off, width);
	pthread_mutex_unlock(&b->lock);
	return v;
}

static void
bus_write(struct sip_dev *d, unsigned bar, uint64_t off, unsigned width, uint64_t value)
{
	struct sip_model *b = d->bus_priv;

	pthread_mutex_lock(&b->lock);
	if (register_access(b, bar, off, width))
		b->ops->write(b->device, bar, off, width, value);
	pthread_mutex_unlock(&b->lock);
}

static int
bus_ports(struct sip_dev *d)
{
	const struct sip_model *b = d->bus_priv;

	return b->ops->in && b->ops->out ? 0 : -ENODEV;
}

static bool
port_access(struct sip_model *b)
{
	b->accesses++;
	if (!b->enabled)
		sip_model_lint(b, "a port of a function that is not enabled");
	return b->enabled && !b->gone;
}

static uint32_t
bus_in(struct sip_dev *d, uint16_t port, unsigned width)
{
	struct sip_model *b = d->bus_priv;
	uint32_t v = UINT32_MAX;

	pthread_mutex_lock(&b->lock);
	if (port_access(b))
		v = b->ops->in(b->device, port, width);
	pthread_mutex_unlock(&b->lock);
	return v;
}

static void
bus_out(struct sip_dev *d, uint16_t port, unsigned width, uint32_t value)
{
	struct sip_model *b = d->bus_priv;

	pthread_mutex_lock(&b->lock);
	if (port_access(b))
		b->ops->out(b->device, port, width, value);
	pthread_mutex_unlock(&b->lock);
}

/* --- what it says of itself, and its commands ------------------------------------------------ */

static int
bus_info(struct sip_dev *d, struct sip_pci_info *info)
{
	struct sip_model *b = d->bus_priv;
	char addr[sizeof info->addr];

	memcpy(addr, info->addr, sizeof addr);
	pthread_mutex_lock(&b->lock);
	*info = b->info;
	memcpy(info->addr, addr, sizeof addr);
	info->enabled = b->enabled;
	info->nvectors = b->nvectors;
	for (unsigned i = 0; i < b->nvectors; i++)
		info->vectors[i] = SIP_MODEL_VECTOR + (int)i;
	info->vector = b->nvectors ? SIP_MODEL_VECTOR : -1;
	pthread_mutex_unlock(&b->lock);
	return 0;
}

static int
bus_config(struct sip_dev *d, void *buf, size_t n)
{
	const struct sip_model *b = d->bus_priv;

	memcpy(buf, b->pci, n < sizeof b->pci ? n : sizeof b->pci);
	return 0;
}

static int
give_vectors(struct sip_model *b, const char *count, unsigned most)
{
	unsigned long n = strtoul(count, NULL, 10);

	if (!n || n > most || n > SIP_VECTORS_MAX)
		return -EINVAL;
	b->nvectors = (unsigned)n;
	return 0;
}

static int
command(struct sip_model *b, const char *text)
{
	if (strcmp(text, "enable") == 0)
		b->enabled = true;
	else if (strcmp(text, "busmaster on") == 0) {
		b->bus_master = true;
		sip_model_wake(b);
	} else if (strcmp(text, "busmaster off") == 0)
		b->bus_master = false;
	else if (strncmp(text, "msix ", 5) == 0)
		return give_vectors(b, text + 5, b->info.msix);
	else if (strncmp(text, "msi ", 4) == 0)
		return give_vectors(b, text + 4, b->info.msi);
	else if (strcmp(text, "line") == 0)
		return b->info.irq < 0 ? -EINVAL : 0;
	else if (strcmp(text, "quiet") == 0) {
		b->forgets++;
		if (b->bus_master)
			sip_model_lint(b, "quiet while it may write to memory");
	} else {
		sip_model_lint(b, "a command that the kernel does not know");
		return -EINVAL;
	}
	return 0;
}

static int
bus_command(struct sip_dev *d, const char *text)
{
	struct sip_model *b = d->bus_priv;
	int err;

	pthread_mutex_lock(&b->lock);
	if (strlen(b->log) + strlen(text) + 2 <= sizeof b->log)
		strcat(strcat(b->log, text), ";");
	err = command(b, text);
	if ((b->bus_master || b->forgets) && !b->was_reset && !b->gone)
		sip_model_lint(b, "memory before the reset");
	pthread_mutex_unlock(&b->lock);
	return err;
}

static int
bus_map(struct sip_dev *d, unsigned bar, struct sip_bar *out)
{
	struct sip_model *b = d->bus_priv;

	(void)bar;
	pthread_mutex_lock(&b->lock);
	b->maps++;
	pthread_mutex_unlock(&b->lock);
	out->regs = NULL; /* they are read by bus_read */
	return 0;
}

static void
bus_unmap(struct sip_dev *d, struct sip_bar *bar)
{
	struct sip_model *b = d->bus_priv;

	(void)bar;
	pthread_mutex_lock(&b->lock);
	b->maps--;
	pthread_mutex_unlock(&b->lock);
}

/* --- memory ---------------------------------------------------------------------------------- */

static uint64_t
address(const struct sip_model *b, const struct sip_dev *d, int i)
{
	uint64_t base = d->dma32 ? SIP_MODEL_DMA_LOW : SIP_MODEL_DMA_HIGH;

	return (b->dma_base ? b->dma_base : base) + ((uint64_t)i << SIP_MODEL_DMA_SHIFT);
}

static int
bus_dma_alloc(struct sip_dev *d, size_t size, size_t align, struct sip_dma *out)
{
	struct sip_model *b = d->bus_priv;
	int err = -ENOMEM;
	void *p;

	if (size > 1u << SIP_MODEL_DMA_SHIFT ||
	    posix_memalign(&p, align < LINE_ALIGN ? LINE_ALIGN : align, size))
		return -ENOMEM;
	memset(p, 0, size);
	pthread_mutex_lock(&b->lock);
	if (d->dma32 != b->wants_low)
		sip_model_lint(b, "memory of the wrong kind was asked for");
	for (int i = 0; i < SIP_MODEL_DMAS && err; i++)
		if (!b->dma[i].p) {
			b->dma[i].p = p;
			b->dma[i].n = size;
			b->dma[i].paddr = address(b, d, i);
			*out = (struct sip_dma){ p, b->dma[i].paddr, size, i };
			err = 0;
		}
	pthread_mutex_unlock(&b->lock);
	if (err)
		free(p);
	return err;
}

static void
bus_dma_free(struct sip_dev *d, struct sip_dma *dma)
{
	struct sip_model *b = d->bus_priv;

	pthread_mutex_lock(&b->lock);
	b->frees_too_early += b->bus_master;
	b->dma[dma->handle].p = NULL;
	pthread_mutex_unlock(&b->lock);
	free(dma->vaddr);
}

/* --- interrupts ------------------------------------------------------------------------------ */

static int
bus_irq_open(struct sip_dev *d, int irq)
{
	struct sip_model *b = d->bus_priv;
	int err = irq;

	pthread_mutex_lock(&b->lock);
	if (irq < 0 || irq >= SIP_MODEL_VECTOR + (int)b->nvectors) {
		sip_model_lint(b, "an interrupt that it has not been given");
		err = -EINVAL;
	} else
		b->irqs++;
	pthread_mutex_unlock(&b->lock);
	return err;
}

/* Returns now and then, since the waiting thread is ended by a signal on a real bus. */
static int
bus_irq_wait(struct sip_dev *d, int fd, uint64_t *count, uint64_t *ns)
{
	struct sip_model *b = d->bus_priv;
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += IRQ_WAIT_NS;
	t.tv_sec += t.tv_nsec / SECOND_NS;
	t.tv_nsec %= SECOND_NS;
	pthread_mutex_lock(&b->lock);
	if (!b->pending[fd])
		pthread_cond_timedwait(&b->irq, &b->lock, &t);
	*count = b->pending[fd];
	*ns = 0;
	b->pending[fd] = 0;
	pthread_mutex_unlock(&b->lock);
	return *count ? 0 : -EINTR;
}

static void
bus_irq_close(struct sip_dev *d, int fd)
{
	struct sip_model *b = d->bus_priv;

	(void)fd;
	pthread_mutex_lock(&b->lock);
	b->irqs--;
	pthread_mutex_unlock(&b->lock);
}

static const struct sip_bus bus = {
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
	.ports = bus_ports,
	.in = bus_in,
	.out = bus_out,
	.config = bus_config,
};

/* --- what a test does ------------------------------------------------------------------------ */

void
sip_model_init(struct sip_model *b, const struct sip_model_ops *ops, void *device)
{
	memset(b, 0, sizeof *b);
	b->ops = ops;
	b->device = device;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->work, NULL);
	pthread_cond_init(&b->irq, NULL);
	b->info.irq = b->info.vector = b->info.msix_bar = -1;
	b->random = 1;
}

int
sip_model_open(struct sip_model *b, const char *addr, struct sip_dev **out)
{
	int err = sip_dev_open_bus(addr, &bus, b, out);

	if (err == 0 && b->ops->step && !b->by_hand && !b->running) {
		err = -pthread_create(&b->thread, NULL, run, b);
		b->running = !err;
	}
	return err;
}

bool
sip_model_step(struct sip_model *b)
{
	bool more;

	pthread_mutex_lock(&b->lock);
	more = step(b);
	pthread_mutex_unlock(&b->lock);
	return more;
}

void
sip_model_add_fault(struct sip_model *b, struct sip_model_fault f)
{
	pthread_mutex_lock(&b->lock);
	for (unsigned i = 0; i < SIP_MODEL_FAULTS; i++)
		if (!b->fault[i].times) {
			b->fault[i] = f;
			break;
		}
	pthread_mutex_unlock(&b->lock);
}

static unsigned
pieces_left(const struct sip_model *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SIP_MODEL_DMAS; i++)
		n += b->dma[i].p != NULL;
	return n;
}

const char *
sip_model_verdict(struct sip_model *b)
{
	unsigned pieces;

	pthread_mutex_lock(&b->lock);
	pieces = pieces_left(b);
	b->verdict[0] = '\0';
	if (b->lint)
		snprintf(b->verdict, sizeof b->verdict, "%u faults of the driver; the last: %s",
			 b->lint, b->lint_what);
	else if (b->bus_master)
		snprintf(b->verdict, sizeof b->verdict, "the device may still write to memory");
	else if (b->maps || b->irqs || pieces)
		snprintf(b->verdict, sizeof b->verdict,
			 "not given back: %u BARs, %u interrupts, %u pieces of memory", b->maps,
			 b->irqs, pieces);
	pthread_mutex_unlock(&b->lock);
	return b->verdict[0] ? b->verdict : NULL;
}

void
sip_model_fini(struct sip_model *b)
{
	pthread_mutex_lock(&b->lock);
	b->closing = true;
	sip_model_wake(b);
	pthread_mutex_unlock(&b->lock);
	if (b->running)
		pthread_join(b->thread, NULL);
	for (unsigned i = 0; i < SIP_MODEL_DMAS; i++)
		free(b->dma[i].p);
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->work);
	pthread_cond_destroy(&b->irq);
}
