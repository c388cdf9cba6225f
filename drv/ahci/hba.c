/*
 * A controller: reset, memory, its ports, interrupts, and the keeper, a thread that does for each
 * port what may take long.
 *
 * Names: the disks of the machine's n-th controller, in the order of PCI addresses, are sdC(32 n)
 * and up by port, whichever process drives it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ahci.h"
#include "os.h"
#include "p9_srv.h"

enum { ABAR = 5, CLASS_AHCI = 0x010601 };

/* --- the program ----------------------------------------------------------------------------- */

static void
rescan(void *arg)
{
	struct ahci *a = arg;

	for (unsigned i = 0; i < a->nhbas; i++) {
		struct ahci_hba *h = a->hba[i];

		for (unsigned n = 0; n < HBA_MAX_PORTS; n++) {
			struct ahci_port *p = &h->port[n];

			pthread_mutex_lock(&p->lock);
			if (p->implemented && p->state == AHCI_EMPTY)
				p->events |= AHCI_EVENT_LINK;
			pthread_mutex_unlock(&p->lock);
		}
		ahci_wake_keeper(h);
	}
}

static int
command(void *arg, const char *text)
{
	return sip_fault_command(arg, text);
}

int
ahci_initialize(struct sip_server *s)
{
	struct ahci *a = calloc(1, sizeof *a);

	if (!a)
		return -ENOMEM;
	a->blk = blk_server_new(rescan, a);
	if (!a->blk) {
		free(a);
		return -ENOMEM;
	}
	blk_server_commands(a->blk, command, s);
	s->priv = a;
	s->p9.aux = a->blk;
	s->p9.msize = P9_MSIZE_MAX;
	return 0;
}

static void
free_program(struct sip_server *s)
{
	struct ahci *a = s->priv;

	blk_server_free(a->blk);
	free(a);
	s->priv = NULL;
}

/* The devices are detached after this. */
void
ahci_stop(struct sip_server *s)
{
	struct ahci *a = s->priv;

	if (!a)
		return;
	a->stopped = true;
	if (!a->nhbas)
		free_program(s);
}

/* --- the controller -------------------------------------------------------------------------- */

/* [AHCI 1.3.1, 10.6.3]; a BIOS that does not let go is not waited for longer. */
static void
take_from_bios(struct ahci_hba *h)
{
	if (!CAP2_BOH_get(sip_read32(&h->bar, HBA_CAP2)))
		return;
	sip_write32(&h->bar, HBA_BOHC, sip_read32(&h->bar, HBA_BOHC) | BOHC_OOS_MASK);
	sip_wait32(&h->bar, HBA_BOHC, BOHC_BOS_MASK | BOHC_BB_MASK, 0, AHCI_BIOS_MS);
}

static int
reset_hba(struct ahci_hba *h)
{
	unsigned room;

	h->cap = sip_read32(&h->bar, HBA_CAP);
	if (h->cap == UINT32_MAX)
		return sip_fail(h->server, -ENODEV, "%s: no controller answers", h->dev->info.addr);
	h->nslots = CAP_NCS_get(h->cap) + 1;
	room = (unsigned)((h->bar.size - HBA_PORTS) / HBA_PORT_SIZE);
	h->pi = sip_read32(&h->bar, HBA_PI);
	if (room < HBA_MAX_PORTS) /* ports outside of the BAR */
		h->pi &= (1u << room) - 1;
	/* AE first, as HR needs it on a controller that can do without [10.4.3]. */
	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK);
	take_from_bios(h);
	ahci_start_look(h);
	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK | GHC_HR_MASK);
	if (!sip_wait32(&h->bar, HBA_GHC, GHC_HR_MASK, 0, AHCI_HBA_RESET_MS))
		return sip_fail(h->server, -ETIMEDOUT, "%s: controller reset", h->dev->info.addr);
	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK);
	return 0;
}

static int
add_buffers(struct ahci_hba *h, size_t bytes, size_t bufsize)
{
	struct sip_dma *dma = &h->dma[h->ndma];
	int err = sip_dma_alloc(h->dev, bytes, 4096, dma);

	if (err < 0)
		return err;
	h->ndma++;
	if (!CAP_S64A_get(h->cap) && dma->paddr + bytes > 1ull << 32)
		return sip_fail(h->server, -ENOTSUP, "%s: 32-bit controller, memory above 4 GiB",
				h->dev->info.addr);
	err = blk_memory_add(h->memory, dma->vaddr, dma->paddr, bytes, bufsize);
	return err < 0 ? err : 0;
}

/* Fewer than wanted will do, but for the first. */
static int
more_buffers(void *arg, size_t bufsize)
{
	struct ahci_hba *h = arg;
	bool big = bufsize == BLK_BUF_BIG;
	unsigned *n = big ? &h->nbig : &h->nsmall;
	int err;

	if (*n == (big ? AHCI_NBIG : AHCI_NSMALL))
		return -ENOSPC;
	err = add_buffers(h, big ? BLK_BUF_BIG : AHCI_CHUNK * BLK_BUF_SMALL, bufsize);
	if (err == 0)
		*n += big ? 1 : AHCI_CHUNK;
	else
		sip_log(h->server, "%s: fewer buffers than wanted: %s", h->dev->info.addr,
			strerror(-err));
	return err;
}

static int
make_buffers(struct ahci_hba *h)
{
	h->memory = blk_memory_new();
	if (!h->memory)
		return -ENOMEM;
	blk_memory_grows(h->memory, more_buffers, h);
	return more_buffers(h, BLK_BUF_SMALL);
}

static void
free_hba(struct ahci_hba *h)
{
	for (unsigned i = 0; i < HBA_MAX_PORTS; i++) {
		if (h->port[i].dma.vaddr)
			sip_dma_free(h->dev, &h->port[i].dma);
		pthread_mutex_destroy(&h->port[i].lock);
	}
	for (unsigned i = 0; i < h->ndma; i++)
		sip_dma_free(h->dev, &h->dma[i]);
	if (h->memory)
		blk_memory_free(h->memory);
	sip_dev_unmap(h->dev, &h->bar);
	pthread_mutex_destroy(&h->keeper_lock);
	pthread_cond_destroy(&h->keeper_wake);
	pthread_cond_destroy(&h->started);
	free(h);
}

/* --- the keeper ------------------------------------------------------------------------------ */

void
ahci_wake_keeper(struct ahci_hba *h)
{
	pthread_mutex_lock(&h->keeper_lock);
	h->wake = true;
	pthread_cond_signal(&h->keeper_wake);
	pthread_mutex_unlock(&h->keeper_lock);
}

/* Until the next tick or something to do; false when it is to end. */
static bool
keeper_sleep(struct ahci_hba *h, uint64_t until_ms)
{
	struct timespec t = { .tv_sec = (time_t)(until_ms / 1000),
			      .tv_nsec = (long)(until_ms % 1000) * 1000000 };
	bool go_on;

	pthread_mutex_lock(&h->keeper_lock);
	while (!h->wake && !h->closing)
		if (pthread_cond_timedwait(&h->keeper_wake, &h->keeper_lock, &t) == ETIMEDOUT)
			break;
	h->wake = false;
	go_on = !h->closing;
	pthread_mutex_unlock(&h->keeper_lock);
	return go_on;
}

static uint64_t
clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void *
keeper(void *arg)
{
	struct ahci_hba *h = arg;
	uint64_t next = clock_ms() + AHCI_TICK_MS;

	while (keeper_sleep(h, next)) {
		uint64_t now = clock_ms();
		bool tick = now >= next;

		atomic_store(&h->now_ms, now + atomic_load(&h->ahead_ms));
		if (tick)
			next = now + AHCI_TICK_MS;
		for (unsigned i = 0; i < HBA_MAX_PORTS; i++)
			if (h->port[i].implemented)
				ahci_port_keep(&h->port[i], tick);
	}
	return NULL;
}

static int
start_keeper(struct ahci_hba *h)
{
	int err = pthread_create(&h->keeper, NULL, keeper, h);

	h->keeper_runs = !err;
	return -err;
}

static void
stop_keeper(struct ahci_hba *h)
{
	if (!h->keeper_runs)
		return;
	pthread_mutex_lock(&h->keeper_lock);
	h->closing = true;
	pthread_cond_signal(&h->keeper_wake);
	pthread_mutex_unlock(&h->keeper_lock);
	pthread_join(h->keeper, NULL);
	h->keeper_runs = false;
}

/* --- attach, detach, interrupt --------------------------------------------------------------- */

static void
interrupt(struct sip_server *s, struct sip_dev *d, uint64_t count, uint64_t ns)
{
	struct ahci_hba *h = d->priv;
	uint32_t is = sip_read32(&h->bar, HBA_IS) & h->pi;

	(void)s, (void)count, (void)ns;
	for (uint32_t left = is; left; left &= left - 1)
		ahci_port_interrupt(&h->port[__builtin_ctz(left)]);
	if (is)
		sip_write32(&h->bar, HBA_IS, is); /* after the ports' own [10.7.2.1] */
}

/* PCI address as a number. */
static unsigned
address(const char *text)
{
	unsigned bus = 0, dev = 0, fn = 0;

	sscanf(text, "%u.%u.%u", &bus, &dev, &fn);
	return bus << 8 | dev << 3 | fn;
}

struct count_before {
	unsigned address, n;
};

static int
count_before(void *arg, const struct sip_pci_info *info)
{
	struct count_before *c = arg;

	c->n += info->class == CLASS_AHCI && address(info->addr) < c->address;
	return 0;
}

static unsigned
hba_number(const struct ahci *a, const struct sip_dev *d)
{
	struct count_before c = { address(d->info.addr), 0 };

	if (sip_dev_scan(d->root, count_before, &c) < 0 || c.n < a->nhbas)
		return a->nhbas;
	return c.n;
}

static struct ahci_hba *
make_hba(struct sip_server *s, struct sip_dev *d)
{
	struct ahci *a = s->priv;
	struct ahci_hba *h = calloc(1, sizeof *h);
	pthread_condattr_t attr;

	if (!h)
		return NULL;
	h->server = s;
	h->dev = d;
	h->blk = a->blk;
	h->base = HBA_MAX_PORTS * hba_number(a, d);
	atomic_store(&h->now_ms, clock_ms());
	pthread_mutex_init(&h->keeper_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->keeper_wake, &attr);
	pthread_cond_init(&h->started, &attr);
	pthread_condattr_destroy(&attr);
	for (unsigned i = 0; i < HBA_MAX_PORTS; i++) {
		struct ahci_port *p = &h->port[i];

		p->hba = h;
		p->index = i;
		p->regs = HBA_PORTS + i * HBA_PORT_SIZE;
		pthread_mutex_init(&p->lock, NULL);
	}
	return h;
}

static void
quiet(struct ahci_hba *h)
{
	stop_keeper(h);
	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK); /* no interrupts */
	for (unsigned i = 0; i < HBA_MAX_PORTS; i++)
		if (h->port[i].implemented) {
			struct ahci_port *p = &h->port[i];

			ahci_port_drop(p, "the driver ends");
			if (p->adder_started)
				pthread_join(p->adder, NULL);
			ahci_engine_stop(p);
			port_write(p, PORT_IE, 0);
		}
	/* A reset ends whatever DMA there may still be [10.4.3]. */
	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK | GHC_HR_MASK);
	sip_wait32(&h->bar, HBA_GHC, GHC_HR_MASK, 0, AHCI_HBA_RESET_MS);
	sip_dev_busmaster(h->dev, false);
}

static int
start_hba(struct ahci_hba *h)
{
	int err, irq;

	if ((err = ahci_start_ports(h)) < 0 || (err = make_buffers(h)) < 0)
		return err;
	irq = sip_dev_msi(h->dev, 1);
	if (irq < 0)
		return sip_fail(h->server, irq, "%s: no interrupt", h->dev->info.addr);
	err = sip_dev_interrupts(h->dev, irq);
	if (err < 0)
		return sip_fail(h->server, err, "%s: interrupt %d", h->dev->info.addr, irq);
	ahci_start_poll(h);
	err = start_keeper(h);
	if (err < 0)
		return err;
	sip_write32(&h->bar, HBA_IS, UINT32_MAX);
	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK | GHC_IE_MASK);
	ahci_start_disks(h);
	return 0;
}

/*
 * Bus mastering goes on only after the reset, which ends what a driver before this one may have
 * left running [10.4.3]: until then the device must not reach the memory of that one, and after
 * it `quiet` may let others have it.
 */
static int
attach(struct sip_server *s, struct sip_dev *d)
{
	struct ahci *a = s->priv;
	struct ahci_hba *h = make_hba(s, d);
	int err;

	if (!h)
		return -ENOMEM;
	d->priv = h;
	if ((err = sip_dev_enable(d)) < 0 || (err = sip_dev_map(d, ABAR, &h->bar)) < 0 ||
	    (err = reset_hba(h)) < 0)
		goto free;
	if ((err = sip_dev_forget(d)) < 0 || (err = sip_dev_busmaster(d, true)) < 0 ||
	    (err = start_hba(h)) < 0)
		goto quiet;
	a->hba[a->nhbas++] = h;
	return 0;
quiet:
	sip_dev_quiet(d);
	quiet(h);
free:
	free_hba(h);
	d->priv = NULL;
	return err;
}

/* Not before the disks are there: what was open on them is looked up again at once. */
int
ahci_start(struct sip_server *s)
{
	struct ahci *a = s->priv;
	uint64_t until = os_time_ns() + AHCI_START_MS * 1000000ull;

	for (unsigned i = 0; i < a->nhbas; i++)
		ahci_start_wait(a->hba[i], until);
	return 0;
}

static void
detach(struct sip_server *s, struct sip_dev *d)
{
	struct ahci *a = s->priv;

	quiet(d->priv);
	free_hba(d->priv);
	for (unsigned i = 0; i < a->nhbas; i++)
		if (a->hba[i] == d->priv)
			a->hba[i] = a->hba[--a->nhbas];
	d->priv = NULL;
	if (a->stopped && !a->nhbas)
		free_program(s);
}

static const struct sip_pci_match match[] = {
	{ .class = CLASS_AHCI, .class_mask = 0xffffff },
	{ 0 },
};

const struct sip_driver_ops ahci_driver_ops = {
	.match = match,
	.attach = attach,
	.detach = detach,
	.interrupt = interrupt,
};
