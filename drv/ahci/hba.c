/*
 * A controller: reset, its ports, interrupts.
 *
 * Names: the disks of controller n are sdC(32 n) and up by port.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ahci.h"

enum { ABAR = 5, CLASS_AHCI = 0x010601 };

bool ahci_dma32;

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

	if (h->bar.size < HBA_PORTS)
		return sip_fail(h->ctlr.server, -ENOTSUP, "%s: %llu bytes of registers",
				h->ctlr.addr, (unsigned long long)h->bar.size);
	h->cap = sip_read32(&h->bar, HBA_CAP);
	if (h->cap == UINT32_MAX)
		return sip_fail(h->ctlr.server, -ENODEV, "%s: no controller answers", h->ctlr.addr);
	h->ctlr.dma_max = CAP_S64A_get(h->cap) && !ahci_dma32 ? 0 : 1ull << 32;
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
		return sip_fail(h->ctlr.server, -ETIMEDOUT, "%s: controller reset", h->ctlr.addr);
	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK);
	return 0;
}

/* --- an engine that does not stop ------------------------------------------------------------ */

/* In the keeper's thread, so none of them is being reset. */
static void
let_others_fall(struct ahci_port *p)
{
	for (unsigned i = 0; i < HBA_MAX_PORTS; i++) {
		struct ahci_port *o = &p->hba->port[i];

		if (!o->implemented || o == p)
			continue;
		drive_reset(&o->port);
		os_lock_take(&o->queue.lock);
		o->fallen = true;
		os_lock_give(&o->queue.lock);
	}
}

/* Bus mastering is off.  What was told to the ports is lost, but not where their memory is. */
static bool
reset_again(struct ahci_port *p)
{
	struct ahci_hba *h = p->hba;
	uint32_t ghc = sip_read32(&h->bar, HBA_GHC);

	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK | GHC_HR_MASK);
	if (!sip_wait32(&h->bar, HBA_GHC, GHC_HR_MASK, 0, AHCI_HBA_RESET_MS))
		return false;
	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK);
	for (unsigned i = 0; i < HBA_MAX_PORTS; i++)
		h->port[i].cmd = 0;
	if (CMD_CR_get(port_read(p, PORT_CMD)) || sip_dev_busmaster(h->ctlr.dev, true) < 0)
		return false;
	ahci_port_spin_up(p);
	sip_write32(&h->bar, HBA_IS, UINT32_MAX);
	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK | (ghc & GHC_IE_MASK));
	return true;
}

/*
 * It may still write into memory that is others' next [AHCI 1.3.1, 10.1.2, 10.4.2, 10.4.3].  The
 * controller's reset takes the other ports' commands with it: those ports are reset too, and send
 * them again.  A controller that does not mind its reset gets no bus mastering any more.
 */
void
ahci_silence(struct ahci_port *p)
{
	struct ahci_hba *h = p->hba;
	bool gone = port_read(p, PORT_CMD) == UINT32_MAX, linked = ahci_port_link(p);

	if (h->muted)
		return;
	if (!gone && ahci_port_comreset(p)) {
		if (linked)
			ahci_port_await_link(p);
		return;
	}
	sip_dev_busmaster(h->ctlr.dev, false);
	if (!gone)
		let_others_fall(p);
	if (!gone && reset_again(p)) {
		drive_tell(&p->port, "its engine did not stop: the controller was reset");
		if (linked)
			ahci_port_await_link(p);
		return;
	}
	h->muted = true;
	drive_tell(&p->port, "%s: the controller's bus mastering is off",
		   gone ? "its registers are gone" : "its engine does not stop");
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

static void
free_hba(struct drive_ctlr *c)
{
	struct ahci_hba *h = (struct ahci_hba *)c;

	for (unsigned i = 0; i < HBA_MAX_PORTS; i++)
		pthread_mutex_destroy(&h->port[i].seen_lock);
	free(h);
}

static void
release(struct ahci_hba *h)
{
	for (unsigned i = 0; i < HBA_MAX_PORTS; i++) {
		if (h->port[i].dma.vaddr)
			sip_dma_free(h->ctlr.dev, &h->port[i].dma);
		if (h->port[i].tables.vaddr)
			sip_dma_free(h->ctlr.dev, &h->port[i].tables);
	}
	sip_dev_unmap(h->ctlr.dev, &h->bar);
	drive_ctlr_fini(&h->ctlr);
}

static int
make_ports(struct ahci_hba *h)
{
	for (unsigned i = 0; i < HBA_MAX_PORTS; i++) {
		struct ahci_port *p = &h->port[i];
		char name[16];
		int err;

		if (!p->implemented)
			continue;
		snprintf(name, sizeof name, "port %u", i);
		drive_port_init(&p->port, &h->ctlr, &ahci_ops, name);
		err = drive_queue_init(&p->queue, &p->port, AHCI_SLOTS);
		if (err < 0)
			return err;
	}
	return 0;
}

static struct ahci_hba *
make_hba(struct sip_server *s, struct sip_dev *d)
{
	struct ahci_hba *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	drive_ctlr_init(&h->ctlr, s, d);
	h->ctlr.free = free_hba;
	for (unsigned i = 0; i < HBA_MAX_PORTS; i++) {
		struct ahci_port *p = &h->port[i];

		p->hba = h;
		p->index = i;
		p->regs = HBA_PORTS + i * HBA_PORT_SIZE;
		pthread_mutex_init(&p->seen_lock, NULL);
	}
	return h;
}

static void
quiet(struct ahci_hba *h)
{
	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK); /* no interrupts */
	drive_ctlr_stop(&h->ctlr);
	for (unsigned i = 0; i < HBA_MAX_PORTS; i++)
		if (h->port[i].implemented)
			port_write(&h->port[i], PORT_IE, 0);
	/* A reset ends whatever DMA there may still be [10.4.3]. */
	sip_write32(&h->bar, HBA_GHC, GHC_AE_MASK | GHC_HR_MASK);
	sip_wait32(&h->bar, HBA_GHC, GHC_HR_MASK, 0, AHCI_HBA_RESET_MS);
	sip_dev_busmaster(h->ctlr.dev, false);
}

static int
start_hba(struct ahci_hba *h)
{
	struct sip_dev *d = h->ctlr.dev;
	int err, irq;

	if ((err = make_ports(h)) < 0 || (err = ahci_start_ports(h)) < 0)
		return err;
	irq = sip_dev_msi(d, 1);
	if (irq < 0)
		return sip_fail(h->ctlr.server, irq, "%s: no interrupt", h->ctlr.addr);
	err = sip_dev_interrupts(d, irq);
	if (err < 0)
		return sip_refused(h->ctlr.server, err, "%s: interrupt %d", h->ctlr.addr, irq);
	ahci_start_poll(h);
	err = drive_ctlr_start(&h->ctlr);
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
	return 0;
quiet:
	sip_dev_quiet(d);
	quiet(h);
free:
	release(h);
	d->priv = NULL;
	return err;
}

static void
detach(struct sip_server *s, struct sip_dev *d)
{
	(void)s;
	quiet(d->priv);
	release(d->priv);
	d->priv = NULL;
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
