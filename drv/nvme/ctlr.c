/*
 * A controller: registers, interrupts, attach and detach [NVMe 1.4, 3.1, 7.6].
 *
 * Names: name space k of controller n is sdN(32 n + k - 1).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ctlr.h"
#include "os.h"

enum { BAR = 0, CLASS_NVME = 0x010802, WAIT_SLICE_MS = 10 };

/* A controller that is not there any more reads as ones. */
static bool
gone(const struct nvme_ctlr *c)
{
	return sip_read32(&c->bar, NVME_CSTS) == UINT32_MAX;
}

/* One that has stopped is there, but nothing ends any more. */
bool
nvme_present(struct drive_port *p)
{
	uint32_t csts = sip_read32(&nvme_of(p)->bar, NVME_CSTS);

	if (csts != UINT32_MAX && NVME_CSTS_CFS_get(csts))
		drive_break(p);
	return csts != UINT32_MAX;
}

/* For as long as CAP.TO allows. */
static int
wait_ready(const struct nvme_ctlr *c, bool ready)
{
	unsigned ms = (NVME_CAP_TO_get(c->cap) + 1) * NVME_READY_UNIT_MS;
	uint32_t want = ready ? NVME_CSTS_RDY_MASK : 0;

	for (unsigned past = 0; past < ms; past += WAIT_SLICE_MS) {
		if (sip_wait32(&c->bar, NVME_CSTS, NVME_CSTS_RDY_MASK, want, WAIT_SLICE_MS))
			return gone(c) ? -ENODEV : 0;
		if (gone(c))
			return -ENODEV;
		if (ready && NVME_CSTS_CFS_get(sip_read32(&c->bar, NVME_CSTS)))
			return -EIO;
	}
	return -ETIMEDOUT;
}

/* [7.3.2]: queues and commands are gone when RDY is clear. */
int
nvme_disable(struct nvme_ctlr *c)
{
	uint32_t cc = sip_read32(&c->bar, NVME_CC);

	nvme_admin_works(c, false);
	if (cc == UINT32_MAX)
		return -ENODEV;
	sip_write32(&c->bar, NVME_CC, NVME_CC_SHN_set(NVME_CC_EN_set(cc, 0), 0));
	return wait_ready(c, false);
}

/* [7.6.1] */
int
nvme_enable(struct nvme_ctlr *c)
{
	uint32_t cc = NVME_CC_IOSQES_set(NVME_CC_EN_MASK, NVME_SQE_SHIFT);
	int err;

	nvme_admin_init(c);
	cc = NVME_CC_IOCQES_set(cc, NVME_CQE_SHIFT);
	cc = NVME_CC_MPS_set(cc, NVME_CAPH_MPSMIN_get(c->caph));
	sip_write32(&c->bar, NVME_CC, cc);
	err = wait_ready(c, true);
	nvme_admin_works(c, err == 0);
	return err;
}

/* [7.6.2]: what is in the cache is on the medium after it. */
void
nvme_shutdown(struct nvme_ctlr *c)
{
	uint32_t cc = sip_read32(&c->bar, NVME_CC), csts = sip_read32(&c->bar, NVME_CSTS);
	unsigned ms = c->id.shutdown_ms ? c->id.shutdown_ms : NVME_SHUTDOWN_MS;

	if (csts == UINT32_MAX || !NVME_CC_EN_get(cc) || !NVME_CSTS_RDY_get(csts) ||
	    NVME_CSTS_CFS_get(csts))
		return;
	if (ms > NVME_SHUTDOWN_MAX_MS)
		ms = NVME_SHUTDOWN_MAX_MS;
	sip_write32(&c->bar, NVME_CC, NVME_CC_SHN_set(cc, NVME_SHN_NORMAL));
	if (!sip_wait32(&c->bar, NVME_CSTS, NVME_CSTS_SHST_MASK,
			NVME_CSTS_SHST_set(0, NVME_SHST_COMPLETE), ms))
		sip_log(c->d.server, "%s: no end of the shutdown", c->d.dev->info.addr);
}

static int
look_at(struct nvme_ctlr *c)
{
	struct sip_server *s = c->d.server;
	const char *addr = c->d.dev->info.addr, *why = NULL;

	c->cap = sip_read32(&c->bar, NVME_CAP);
	c->caph = sip_read32(&c->bar, NVME_CAP + 4);
	if (c->cap == UINT32_MAX)
		return sip_fail(s, -ENODEV, "%s: no controller answers", addr);
	c->page = (uint32_t)NVME_PAGE << NVME_CAPH_MPSMIN_get(c->caph);
	if (!(NVME_CAPH_CSS_get(c->caph) & 1))
		why = "it has not the NVM command set";
	else if (NVME_CAPH_MPSMIN_get(c->caph) > NVME_PAGE_SHIFT_MAX)
		why = "its pages are larger than 64 KiB";
	else if (!NVME_CAP_MQES_get(c->cap))
		why = "its queues have one entry";
	else if (c->bar.size < nvme_doorbell(2, false, NVME_CAPH_DSTRD_get(c->caph)))
		why = "its doorbells are outside of its registers";
	return why ? sip_fail(s, -ENOTSUP, "%s: %s", addr, why) : 0;
}

/* A pair for each processor, as far as there are doorbells. */
static int
make_queues(struct nvme_ctlr *c)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned want = cpus < 1 ? 1 : cpus > NVME_QUEUES_MAX ? NVME_QUEUES_MAX : (unsigned)cpus;
	unsigned stride = NVME_CAPH_DSTRD_get(c->caph);
	int err = drive_dma_alloc(&c->d, 3ul * c->page, c->page, &c->admin_dma);

	while (err == 0 && c->nqueues < want &&
	       nvme_doorbell(c->nqueues + 2, false, stride) <= c->bar.size) {
		err = nvme_queue_init(c, &c->queue[c->nqueues]);
		c->nqueues += err == 0;
	}
	return err;
}

/* --- interrupts ------------------------------------------------------------------------------ */

static void
interrupt(void *arg, uint64_t count, uint64_t ns)
{
	struct nvme_vector *v = arg;
	struct nvme_ctlr *c = v->ctlr;

	(void)count, (void)ns;
	for (unsigned i = 0; i < c->nqueues; i++)
		if (c->queue[i].vector == v->index)
			drive_reap(&c->queue[i].q);
	if (v->index == 0)
		nvme_admin_interrupt(c);
}

/* Messages; a line is not used, which some controller may have besides. */
static int
start_interrupts(struct nvme_ctlr *c)
{
	struct sip_dev *d = c->d.dev;
	int err = -EOPNOTSUPP;

	for (c->nvectors = c->nqueues + 1; c->nvectors; c->nvectors--)
		if ((err = sip_dev_msi(d, c->nvectors)) >= 0)
			break;
	c->nvectors = d->info.nvectors < c->nvectors ? d->info.nvectors : c->nvectors;
	if (!c->nvectors)
		return sip_fail(c->d.server, err < 0 ? err : -EOPNOTSUPP, "%s: no MSI-X, no MSI",
				d->info.addr);
	/* With too few of them the queues share them, the admin queue the first. */
	for (unsigned i = 0; i < c->nqueues; i++)
		c->queue[i].vector = c->nvectors > c->nqueues ? i + 1 : i % c->nvectors;
	for (unsigned i = 0; err >= 0 && i < c->nvectors; i++) {
		struct nvme_vector *v = &c->vector[i];

		v->ctlr = c;
		v->index = i;
		err = sip_irq_start(&v->irq, d, d->info.vectors[i], interrupt, v);
	}
	return err < 0 ? sip_refused(c->d.server, err, "%s: interrupts", d->info.addr) : 0;
}

/* --- attach, detach -------------------------------------------------------------------------- */

static void
free_ctlr(struct drive_ctlr *d)
{
	struct nvme_ctlr *c = (struct nvme_ctlr *)d;

	pthread_mutex_destroy(&c->turn);
	pthread_mutex_destroy(&c->admin_lock);
	free(c);
}

static void
end(struct nvme_ctlr *c)
{
	struct sip_dev *d = c->d.dev;

	for (unsigned i = 0; i < c->nvectors; i++)
		sip_irq_stop(&c->vector[i].irq);
	drive_ctlr_stop(&c->d);
	sip_dev_busmaster(d, false);
	for (unsigned i = 0; i < c->nqueues; i++)
		sip_dma_free(d, &c->queue[i].dma);
	sip_dma_free(d, &c->admin_dma);
	sip_dev_unmap(d, &c->bar);
	drive_ctlr_fini(&c->d);
}

/*
 * Bus mastering goes on only after the reset, which ends what a driver before this one may have
 * left running: until then the device must not reach the memory of that one, and after it `quiet`
 * may let others have it.
 */
static int
attach(struct sip_server *s, struct sip_dev *d)
{
	struct nvme_ctlr *c = calloc(1, sizeof *c);
	int err;

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->turn, NULL);
	pthread_mutex_init(&c->admin_lock, NULL);
	drive_ctlr_init(&c->d, s, d);
	c->d.free = free_ctlr;
	d->priv = c;
	if ((err = sip_dev_enable(d)) < 0 || (err = sip_dev_map(d, BAR, &c->bar)) < 0 ||
	    (err = look_at(c)) < 0)
		goto end;
	if ((err = nvme_disable(c)) < 0) {
		sip_fail(s, err, "%s: controller reset", d->info.addr);
		goto end;
	}
	drive_port_init(&c->port, &c->d, &nvme_ops, "");
	if ((err = sip_dev_forget(d)) < 0 || (err = sip_dev_busmaster(d, true)) < 0 ||
	    (err = make_queues(c)) < 0 || (err = start_interrupts(c)) < 0 ||
	    (err = drive_ctlr_start(&c->d)) < 0)
		goto end;
	drive_port_start(&c->port);
	return 0;
end:
	end(c);
	d->priv = NULL;
	return err;
}

static void
detach(struct sip_server *s, struct sip_dev *d)
{
	(void)s;
	end(d->priv);
	d->priv = NULL;
}

static const struct sip_pci_match match[] = {
	{ .class = CLASS_NVME, .class_mask = 0xffffff },
	{ 0 },
};

const struct sip_driver_ops nvme_driver_ops = {
	.match = match,
	.attach = attach,
	.detach = detach,
};
