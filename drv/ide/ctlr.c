/*
 * A controller: its channels' ports and interrupts.
 *
 * In compatibility mode a channel has the PC's ports and line, whatever the BARs say; in native
 * mode those of BARs 0 to 3 and the function's line, which both channels then share [PCI IDE
 * Controller Specification 1.0, 2].  The bus master has BAR 4 in both; without it there is only
 * programmed I/O.
 *
 * Names: the drives of the machine's n-th controller are sdD(4 n) to sdD(4 n + 3): primary master,
 * slave, secondary master, slave.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ide.h"

enum { CLASS_IDE = 0x010100, CLASS_MASK = 0xffff00, NATIVE_0 = 1, NATIVE_1 = 4, MASTER_BAR = 4 };
#define DMA_LIMIT (1ull << 32)

static bool
is_native(const struct sip_dev *d, unsigned channel)
{
	return d->info.class & (channel ? NATIVE_1 : NATIVE_0);
}

static int
native_ports(struct sip_dev *d, struct ide_channel *c)
{
	unsigned bar = 2 * c->index;
	int err;

	if (d->info.bar[bar].kind != SIP_BAR_IO || d->info.bar[bar + 1].kind != SIP_BAR_IO)
		return -ENODEV;
	err = sip_dev_ports(d, d->info.bar[bar].base, IDE_COMMAND_PORTS, &c->command);
	if (err == 0)
		err = sip_dev_ports(d, d->info.bar[bar + 1].base + IDE_NATIVE_CONTROL,
				    IDE_CONTROL_PORTS, &c->control);
	c->line = -1;
	return err;
}

static int
legacy_ports(struct sip_dev *d, struct ide_channel *c)
{
	int err = sip_dev_ports(d, c->index ? IDE_LEGACY_COMMAND_1 : IDE_LEGACY_COMMAND_0,
				IDE_COMMAND_PORTS, &c->command);

	if (err == 0)
		err = sip_dev_ports(d, c->index ? IDE_LEGACY_CONTROL_1 : IDE_LEGACY_CONTROL_0,
				    IDE_CONTROL_PORTS, &c->control);
	c->line = c->index ? IDE_LEGACY_LINE_1 : IDE_LEGACY_LINE_0;
	return err;
}

static void
find_master(struct sip_dev *d, struct ide_channel *c)
{
	uint64_t base = d->info.bar[MASTER_BAR].base + (uint64_t)IDE_BM_PORTS * c->index;

	c->has_master = d->info.bar[MASTER_BAR].kind == SIP_BAR_IO &&
			d->info.bar[MASTER_BAR].base &&
			sip_dev_ports(d, base, IDE_BM_PORTS, &c->master) == 0;
	/* One that can do DMA on one channel at a time does it on the first. */
	if (c->has_master && c->index && sip_in8(&c->master, IDE_BM_STATUS) & IDE_BM_SIMPLEX)
		c->has_master = false;
	ide_master_stop(c);
}

static int
make_channel(struct ide_ctlr *h, struct sip_dev *d, unsigned index)
{
	struct ide_channel *c = &h->channel[index];
	int err;

	c->ctlr = h;
	c->index = index;
	drive_port_init(&c->port, &h->ctlr, &ide_ops, index ? "secondary" : "primary");
	err = drive_queue_init(&c->queue, &c->port, 1);
	if (err < 0)
		return err;
	c->queue.depth = 1;
	err = is_native(d, index) ? native_ports(d, c) : legacy_ports(d, c);
	if (err == -ENODEV)
		return 0; /* a channel that is turned off */
	if (err < 0)
		return err;
	c->usable = true;
	find_master(d, c);
	ide_interrupts(c, false);
	return 0;
}

/* --- interrupts ------------------------------------------------------------------------------ */

static void
own_line(void *arg, uint64_t count, uint64_t ns)
{
	(void)count, (void)ns;
	ide_interrupt(arg);
}

static void
shared_line(struct sip_server *s, struct sip_dev *d, uint64_t count, uint64_t ns)
{
	struct ide_ctlr *h = d->priv;

	(void)s, (void)count, (void)ns;
	for (unsigned i = 0; i < IDE_CHANNELS; i++)
		if (h->channel[i].usable && h->channel[i].line < 0)
			ide_interrupt(&h->channel[i]);
}

static int
start_interrupts(struct ide_ctlr *h, struct sip_dev *d)
{
	bool shared = false;
	int err = 0;

	for (unsigned i = 0; i < IDE_CHANNELS && err == 0; i++) {
		struct ide_channel *c = &h->channel[i];

		if (!c->usable)
			continue;
		if (c->line >= 0)
			err = sip_irq_start(&c->irq, d, c->line, own_line, c);
		else
			shared = true;
	}
	if (err == 0 && shared && (err = sip_dev_msi(d, 1)) >= 0)
		err = sip_dev_interrupts(d, err);
	return err;
}

/* --- attach, detach -------------------------------------------------------------------------- */

static void
free_ctlr(struct drive_ctlr *c)
{
	free(c);
}

static struct ide_ctlr *
make_ctlr(struct sip_server *s, struct sip_dev *d)
{
	struct ide_ctlr *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	drive_ctlr_init(&h->ctlr, s, d);
	h->ctlr.free = free_ctlr;
	h->ctlr.dma_max = DMA_LIMIT;
	return h;
}

static void
quiet(struct ide_ctlr *h, struct sip_dev *d)
{
	for (unsigned i = 0; i < IDE_CHANNELS; i++)
		sip_irq_stop(&h->channel[i].irq);
	sip_dev_quiet(d);
	drive_ctlr_stop(&h->ctlr);
	sip_dev_busmaster(d, false);
}

static void
release(struct ide_ctlr *h, struct sip_dev *d)
{
	for (unsigned i = 0; i < IDE_CHANNELS; i++)
		sip_dma_free(d, &h->channel[i].prds);
	drive_ctlr_fini(&h->ctlr);
}

/*
 * What a driver before was doing ends with the bus master's stop and the drives' reset in
 * `probe`.
 */
static int
start(struct ide_ctlr *h, struct sip_dev *d)
{
	int err = 0;

	for (unsigned i = 0; i < IDE_CHANNELS && err == 0; i++)
		err = make_channel(h, d, i);
	if (err == 0)
		err = sip_dev_forget(d);
	if (err == 0)
		err = sip_dev_busmaster(d, true);
	for (unsigned i = 0; i < IDE_CHANNELS && err == 0; i++)
		if (h->channel[i].has_master)
			err = drive_dma_alloc(&h->ctlr, (size_t)IDE_PRDS * IDE_PRD_SIZE, 4096,
					      &h->channel[i].prds);
	if (err == 0)
		err = drive_ctlr_start(&h->ctlr);
	if (err == 0)
		err = start_interrupts(h, d);
	return err;
}

static int
attach(struct sip_server *s, struct sip_dev *d)
{
	struct ide_ctlr *h = make_ctlr(s, d);
	int err;

	if (!h)
		return -ENOMEM;
	d->priv = h;
	err = sip_dev_enable(d);
	if (err == 0)
		err = start(h, d);
	if (err < 0) {
		quiet(h, d);
		release(h, d);
		d->priv = NULL;
		return sip_fail(s, err, "%s: cannot be started", d->info.addr);
	}
	for (unsigned i = 0; i < IDE_CHANNELS; i++)
		if (h->channel[i].usable)
			drive_port_start(&h->channel[i].port);
	return 0;
}

static void
detach(struct sip_server *s, struct sip_dev *d)
{
	struct ide_ctlr *h = d->priv;

	(void)s;
	quiet(h, d);
	release(h, d);
	d->priv = NULL;
}

static const struct sip_pci_match match[] = {
	{ .class = CLASS_IDE, .class_mask = CLASS_MASK },
	{ 0 },
};

const struct sip_driver_ops ide_driver_ops = {
	.match = match,
	.attach = attach,
	.detach = detach,
	.interrupt = shared_line,
};
