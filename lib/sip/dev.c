/*
 * What a driver does with its device, over any bus: enabling, interrupts, registers, DMA memory.
 * The bus is the kernel's files (dev_files.c) or a model in a test (model/).
 *
 * A vector's thread does one read per interrupt and calls its handler.  `closing` and `ended` are
 * all that it shares with the rest of the framework.
 */
#include "os.h"
#include "sip.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_TRIES	200	/* of 5 ms: for the thread to leave the driver's handler */
#define PAGE		4096
#define POLL_NS		20000	/* between two looks at a register */
#define SPIN_LOOKS	50	/* before the first sleep */

int
sip_dev_open_bus(const char *addr, const struct sip_bus *bus, void *bus_priv, struct sip_dev **out)
{
	if (!sip_pci_addr_ok(addr))
		return -EINVAL;
	struct sip_dev *d = calloc(1, sizeof *d);
	if (!d)
		return -ENOMEM;
	d->bus = bus;
	d->bus_priv = bus_priv;
	d->root = "/dev";
	d->ctl_fd = d->mem_fd = d->io_fd = -1;
	d->info.msix_bar = -1;
	snprintf(d->info.addr, sizeof d->info.addr, "%s", addr);
	int e = bus->info(d, &d->info);
	if (e < 0) {
		free(d);
		return e;
	}
	*out = d;
	return 0;
}

int
sip_dev_open(const char *addr, struct sip_dev **out)
{
	return sip_dev_open_bus(addr, &sip_bus_files, NULL, out);
}

void
sip_dev_close(struct sip_dev *d)
{
	sip_dev_quiet(d);
	if (d->bus->close)
		d->bus->close(d);
	free(d);
}

int
sip_dev_command(struct sip_dev *d, const char *fmt, ...)
{
	char text[SIP_TEXT_MAX];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return n < (int)sizeof text ? d->bus->command(d, text) : -E2BIG;
}

int
sip_dev_enable(struct sip_dev *d)
{
	return sip_dev_command(d, "enable");
}

int
sip_dev_busmaster(struct sip_dev *d, bool on)
{
	return sip_dev_command(d, "busmaster %s", on ? "on" : "off");
}

int
sip_dev_forget(struct sip_dev *d)
{
	return sip_dev_command(d, "quiet");
}

int
sip_dev_reset(struct sip_dev *d)
{
	return sip_dev_command(d, "reset");
}

int
sip_dev_config(struct sip_dev *d, void *buf, size_t n)
{
	return d->bus->config ? d->bus->config(d, buf, n) : -EOPNOTSUPP;
}

int
sip_dev_msi(struct sip_dev *d, unsigned nvectors)
{
	int e = -EOPNOTSUPP;
	if (d->info.msix >= nvectors)
		e = sip_dev_command(d, "msix %u", nvectors);
	if (e < 0 && d->info.msi >= nvectors)
		e = sip_dev_command(d, "msi %u", nvectors);
	if (e >= 0)
		e = d->bus->info(d, &d->info);
	if (e >= 0 && d->info.vector >= 0)
		return d->info.vector;
	if (nvectors == 1 && d->info.irq >= 0 && (e = sip_dev_command(d, "line")) >= 0)
		return d->info.irq;
	return e < 0 ? e : -EOPNOTSUPP;
}

int
sip_dev_map(struct sip_dev *d, unsigned bar, struct sip_bar *out)
{
	if (bar >= 6 || d->info.bar[bar].kind != SIP_BAR_MEM || !d->info.bar[bar].size)
		return -ENODEV;
	*out = (struct sip_bar){
		.base = d->info.bar[bar].base, .size = d->info.bar[bar].size,
		.dev = d, .index = bar,
	};
	uint64_t table = d->info.msix_offset & ~(uint64_t)(PAGE - 1);
	if (d->info.msix_bar == (int)bar && table < out->size)
		out->size = table;
	if (!out->size)
		return -ENODEV;
	return d->bus->map(d, bar, out);
}

void
sip_dev_unmap(struct sip_dev *d, struct sip_bar *bar)
{
	if (bar->dev)
		d->bus->unmap(d, bar);
	*bar = (struct sip_bar){ 0 };
}

int
sip_dev_ports(struct sip_dev *d, uint64_t base, uint64_t size, struct sip_ports *out)
{
	if (!base || !size || base > UINT16_MAX || size > UINT16_MAX - base + 1 || !d->bus->ports)
		return -ENODEV;
	*out = (struct sip_ports){ d, (uint16_t)base, (uint16_t)size };
	return d->bus->ports(d);
}

int
sip_dma_alloc(struct sip_dev *d, size_t size, size_t align, struct sip_dma *out)
{
	*out = (struct sip_dma){ .handle = -1 };
	if (!size || (align & (align - 1)))
		return -EINVAL;
	return d->bus->dma_alloc(d, size, align ? align : 1, out);
}

void
sip_dma_free(struct sip_dev *d, struct sip_dma *dma)
{
	if (dma->vaddr)
		d->bus->dma_free(d, dma);
	*dma = (struct sip_dma){ .handle = -1 };
}

static void *
irq_loop(void *arg)
{
	struct sip_irq *i = arg;
	struct sip_dev *d = i->dev;
	uint64_t count = 0, ns = 0;
	while (!i->closing) {
		int e = sip_irq_wait(d, i->fd, &count, &ns);
		if (i->closing)
			break;
		if (e == -EINTR)
			continue;
		if (e < 0) {
			sip_error(d->server, "%s: interrupt: %s", d->info.addr, strerror(-e));
			sip_set_state(d->server, SIP_FAILING, "no interrupts");
			break;
		}
		i->handler(i->arg, count, ns);
	}
	i->ended = true;
	return NULL;
}

static void
wake_only(int sig)
{
	(void)sig;
}

int
sip_irq_start(struct sip_irq *i, struct sip_dev *d, int irq,
	void (*handler)(void *arg, uint64_t count, uint64_t ns), void *arg)
{
	struct sigaction sa = { .sa_handler = wake_only };
	if (!d->server || i->running)
		return -EINVAL;
	int fd = d->bus->irq_open(d, irq);
	if (fd < 0)
		return fd;
	sigaction(SIGUSR1, &sa, NULL);	/* without SA_RESTART: ends a read in sip_irq_stop */
	*i = (struct sip_irq){ .dev = d, .handler = handler, .arg = arg, .fd = fd };
	int e = pthread_create(&i->thread, NULL, irq_loop, i);
	if (e)
		d->bus->irq_close(d, fd);
	i->running = !e;
	return -e;
}

void
sip_irq_stop(struct sip_irq *i)
{
	if (!i->running)
		return;
	i->closing = true;
	for (int n = 0; n < QUIET_TRIES && !i->ended; n++) {
		pthread_kill(i->thread, SIGUSR1);
		os_sleep_ns(n < 4 ? 50000 : 5000000);
	}
	if (i->ended)
		pthread_join(i->thread, NULL);
	else
		pthread_detach(i->thread);
	i->dev->bus->irq_close(i->dev, i->fd);
	i->running = false;
}

static void
driver_interrupt(void *arg, uint64_t count, uint64_t ns)
{
	struct sip_dev *d = arg;
	d->server->type->driver->interrupt(d->server, d, count, ns);
}

int
sip_dev_interrupts(struct sip_dev *d, int irq)
{
	if (!d->server || !d->server->type->driver->interrupt)
		return -EINVAL;
	return sip_irq_start(&d->irq, d, irq, driver_interrupt, d);
}

void
sip_dev_quiet(struct sip_dev *d)
{
	sip_irq_stop(&d->irq);
}

struct sip_patience
sip_patience(unsigned timeout_ms)
{
	uint64_t ns = timeout_ms * 1000000ull;
	return (struct sip_patience){ os_time_ns(), ns, ns / SIP_LOOKS };
}

bool
sip_patience_over(struct sip_patience *p)
{
	uint64_t now = os_time_ns(), passed = now - p->last_ns;
	if (passed > p->most_ns)
		passed = p->most_ns;
	p->last_ns = now;
	p->left_ns = passed < p->left_ns ? p->left_ns - passed : 0;
	return !p->left_ns;
}

bool
sip_wait32(const struct sip_bar *b, uint64_t off, uint32_t mask, uint32_t want, unsigned timeout_ms)
{
	for (int i = 0; i < SPIN_LOOKS; i++)
		if ((sip_read32(b, off) & mask) == want)
			return true;
	struct sip_patience p = sip_patience(timeout_ms);
	while ((sip_read32(b, off) & mask) != want) {
		if (sip_patience_over(&p))
			return false;
		os_sleep_ns(POLL_NS);
	}
	return true;
}
