/*
 * The model's registers and queues; see model.h.  It follows NVMe 1.4, sections 3, 4 and 7, as far
 * as a driver can see it.  One lock; the device's thread holds it while it carries out a command.
 */
#include "model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_SIZE = 0x5000, IRQ_WAIT_NS = 5000000 };

/* --- completions ----------------------------------------------------------------------------- */

static void
raise_vector(struct model *m, unsigned vector)
{
	m->pending[m->nvectors ? vector : 0]++;
	pthread_cond_broadcast(&m->irq);
}

/* The word with the phase is written last. */
static void
put_completion(struct model *m, unsigned qid, const struct nvme_completion *c)
{
	struct model_queue *q = &m->queue[qid];
	uint32_t *at = (uint32_t *)(void *)model_dma_at(
		m, q->cq + (uint64_t)q->cq_tail * NVME_CQE_SIZE, NVME_CQE_SIZE);

	if (!at)
		return;
	if ((q->cq_tail + 1) % q->cq_entries == q->cq_head)
		model_lint(m, "no room for a completion");
	at[0] = c->result;
	at[1] = 0;
	at[2] = (uint32_t)qid << 16 | q->head;
	__atomic_store_n(&at[3], (uint32_t)c->status << 17 | (uint32_t)c->phase << 16 | c->cid,
			 __ATOMIC_RELEASE);
	if (c->phase != q->phase)
		return;
	q->cq_tail = (q->cq_tail + 1) % q->cq_entries;
	if (!q->cq_tail)
		q->phase = !q->phase;
}

static void
complete(struct model *m, unsigned qid, struct nvme_completion c, bool quietly)
{
	const struct model_queue *q = &m->queue[qid];

	if (!q->cq_on)
		return;
	c.phase ^= !q->phase;
	put_completion(m, qid, &c);
	if (q->interrupts && !quietly)
		raise_vector(m, q->vector);
}

void
model_complete(struct model *m, unsigned qid, uint16_t cid, uint16_t status, uint32_t result)
{
	complete(m, qid,
		 (struct nvme_completion){
			 .cid = cid, .status = status, .result = result, .phase = true },
		 false);
}

/* --- events ---------------------------------------------------------------------------------- */

/* [5.2]: no more of a type until its log is read. */
void
model_event(struct model *m, unsigned type, unsigned info, unsigned log)
{
	uint32_t result = log << 16 | info << 8 | type;

	if (m->event_masked[type])
		return;
	m->event_masked[type] = true;
	if (m->nevents)
		model_complete(m, 0, m->event[--m->nevents], NVME_OK, result);
	else if (m->nuntold < MODEL_EVENTS)
		m->untold[m->nuntold++] = result;
}

static void
want_event(struct model *m, uint16_t cid)
{
	if (m->nuntold)
		model_complete(m, 0, cid, NVME_OK, m->untold[--m->nuntold]);
	else if (m->nevents < MODEL_EVENTS)
		m->event[m->nevents++] = cid;
	else {
		model_lint(m, "more requests for events than it takes");
		model_complete(m, 0, cid, 0x105 | NVME_DO_NOT_RETRY, 0);
	}
}

/* --- the device's thread --------------------------------------------------------------------- */

static struct model_fault *
find_fault(struct model *m, bool admin, const struct nvme_command *c)
{
	uint64_t lba = (uint64_t)c->cdw11 << 32 | c->cdw10, n = (c->cdw12 & 0xffff) + 1ul;

	for (unsigned i = 0; i < MODEL_FAULTS; i++) {
		struct model_fault *f = &m->fault[i];

		if (!f->times || f->admin != admin || (!f->any && f->opcode != c->opcode))
			continue;
		if (f->lba != UINT64_MAX &&
		    (admin ? f->lba != c->cdw10 : f->lba < lba || f->lba >= lba + n))
			continue;
		f->times--;
		return f;
	}
	return NULL;
}

static void
hang(struct model *m, unsigned qid, uint16_t cid, bool hard)
{
	for (unsigned i = 0; i < MODEL_HUNG; i++)
		if (!m->hung[i].used) {
			m->hung[i] = (struct model_hung){ true, hard, qid, cid };
			return;
		}
}

/* True: the fault is all that becomes of the command. */
static bool
instead(struct model *m, unsigned qid, const struct nvme_command *c, const struct model_fault *f)
{
	struct nvme_completion end = { .cid = c->cid, .phase = true };

	switch (f->kind) {
	case MODEL_FAIL: model_complete(m, qid, c->cid, f->status, 0); return true;
	case MODEL_HANG:
	case MODEL_HANG_HARD: hang(m, qid, c->cid, f->kind == MODEL_HANG_HARD); return true;
	case MODEL_WRONG_PHASE:
		end.phase = false;
		complete(m, qid, end, false);
		hang(m, qid, c->cid, true);
		return true;
	case MODEL_WRONG_CID: model_complete(m, qid, 0xfff0, NVME_OK, 0); return false;
	case MODEL_RANDOM:
		model_complete(m, qid, c->cid, model_chance(m, c, NVME_PAGE), 0);
		return true;
	case MODEL_FATAL: m->csts |= NVME_CSTS_CFS_MASK; return true;
	case MODEL_NO_INTERRUPT:
	case MODEL_TWICE: return false;
	}
	return false;
}

static void
run(struct model *m, unsigned qid, const struct nvme_command *c)
{
	struct nvme_completion end = { .cid = c->cid, .phase = true };
	struct model_fault *f = find_fault(m, qid == 0, c);
	bool quietly = f && f->kind == MODEL_NO_INTERRUPT;

	for (unsigned i = 0; i < MODEL_HUNG; i++)
		if (m->hung[i].used && m->hung[i].qid == qid && m->hung[i].cid == c->cid)
			model_lint(m, "a command's id that is in use");
	if (f && instead(m, qid, c, f))
		return;
	if (qid == 0 && c->opcode == NVME_ASYNC_EVENT) {
		want_event(m, c->cid);
		return;
	}
	end.status = qid == 0 ? model_admin(m, c, &end.result) : model_io(m, c);
	complete(m, qid, end, quietly);
	if (f && f->kind == MODEL_TWICE)
		complete(m, qid, end, quietly);
}

static void
run_queue(struct model *m, unsigned qid)
{
	struct model_queue *q = &m->queue[qid];
	unsigned n = (q->tail + q->sq_entries - q->head) % q->sq_entries;
	const uint8_t *at = model_dma_at(m, q->sq + (uint64_t)q->head * NVME_SQE_SIZE,
					 NVME_SQE_SIZE);
	struct nvme_command c;

	if (n > q->most)
		q->most = n;
	q->head = (q->head + 1) % q->sq_entries;
	q->commands++;
	if (!at) {
		m->csts |= NVME_CSTS_CFS_MASK;
		return;
	}
	memcpy(&c, at, sizeof c);
	run(m, qid, &c);
}

/*
 * One command of some queue; false if there is none.  Without bus mastering the function fetches
 * none: what a dead driver has left stays as it is.
 */
static bool
run_one(struct model *m)
{
	unsigned first = model_random(m) % MODEL_QUEUES;

	if (!m->bus_master || m->gone || !NVME_CSTS_RDY_get(m->csts) || NVME_CSTS_CFS_get(m->csts))
		return false;
	for (unsigned i = 0; i < MODEL_QUEUES; i++) {
		unsigned qid = (first + i) % MODEL_QUEUES;
		const struct model_queue *q = &m->queue[qid];

		if (!q->sq_on || q->head == q->tail)
			continue;
		run_queue(m, qid);
		return true;
	}
	return false;
}

static void *
device(void *arg)
{
	struct model *m = arg;

	pthread_mutex_lock(&m->lock);
	while (!m->closing) {
		if (m->delay_us) {
			pthread_mutex_unlock(&m->lock);
			usleep(m->delay_us);
			pthread_mutex_lock(&m->lock);
		}
		if (!m->closing && !run_one(m)) /* it may have been closed while it slept */
			pthread_cond_wait(&m->work, &m->lock);
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

/* --- registers ------------------------------------------------------------------------------- */

static void
disable(struct model *m)
{
	memset(m->queue, 0, sizeof m->queue);
	memset(m->hung, 0, sizeof m->hung);
	memset(m->event_masked, 0, sizeof m->event_masked);
	m->nevents = m->nuntold = 0;
	m->event_config = 0;
	m->resets++;
	m->was_reset = true;
	if (!m->stuck)
		m->csts = 0;
}

static void
enable(struct model *m, uint32_t cc)
{
	unsigned mps = NVME_CC_MPS_get(cc);

	if (NVME_CC_IOSQES_get(cc) != NVME_SQE_SHIFT || NVME_CC_IOCQES_get(cc) != NVME_CQE_SHIFT)
		model_lint(m, "sizes of entries");
	if (mps < NVME_CAPH_MPSMIN_get(m->cap_high) || mps > NVME_CAPH_MPSMAX_get(m->cap_high))
		model_lint(m, "a page size that it has not");
	if (NVME_CSTS_RDY_get(m->csts))
		model_lint(m, "enabled while it is not yet disabled");
	if (!m->asq || !m->acq || m->asq % NVME_PAGE || m->acq % NVME_PAGE)
		model_lint(m, "no admin queue");
	m->queue[0] = (struct model_queue){ .sq_on = true,
					    .cq_on = true,
					    .interrupts = true,
					    .phase = true,
					    .sq = m->asq,
					    .cq = m->acq,
					    .sq_entries = NVME_AQA_ASQS_get(m->aqa) + 1,
					    .cq_entries = NVME_AQA_ACQS_get(m->aqa) + 1 };
	m->wait_reads = m->ready_reads;
}

static void
write_cc(struct model *m, uint32_t cc)
{
	bool was = NVME_CC_EN_get(m->cc), is = NVME_CC_EN_get(cc);

	if (is && was && NVME_CC_SHN_get(cc) && !NVME_CC_SHN_get(m->cc)) {
		m->csts = NVME_CSTS_SHST_set(m->csts, NVME_SHST_COMPLETE);
		m->shutdowns++;
	}
	if (!was && is)
		enable(m, cc);
	m->cc = cc;
	if (was && !is)
		disable(m);
}

static void
write_doorbell(struct model *m, uint64_t off, uint32_t v)
{
	uint64_t stride = 4ull << NVME_CAPH_DSTRD_get(m->cap_high);
	uint64_t i = (off - NVME_DOORBELLS) / stride;
	struct model_queue *q = &m->queue[i / 2 < MODEL_QUEUES ? i / 2 : 0];

	if ((off - NVME_DOORBELLS) % stride || i / 2 >= MODEL_QUEUES || !q->sq_on)
		model_lint(m, "a doorbell that there is not");
	else if (!NVME_CSTS_RDY_get(m->csts))
		model_lint(m, "a doorbell before it is ready");
	else if (v >= (i % 2 ? q->cq_entries : q->sq_entries))
		model_lint(m, "a doorbell beyond the queue");
	else if (i % 2) {
		unsigned had = (q->cq_tail + q->cq_entries - q->cq_head) % q->cq_entries;

		if ((v + q->cq_entries - q->cq_head) % q->cq_entries > had)
			model_lint(m, "it took completions that are none");
		q->cq_head = v;
	} else {
		if (!m->bus_master)
			model_lint(m, "a command with bus mastering off");
		q->tail = v;
		pthread_cond_signal(&m->work);
	}
}

static void
write_half(uint64_t *reg, bool upper, uint32_t v)
{
	*reg = upper ? (*reg & UINT32_MAX) | (uint64_t)v << 32 : (*reg >> 32) << 32 | v;
}

static void
write_register(struct model *m, uint64_t off, uint32_t v)
{
	if (off >= NVME_AQA && off < NVME_ACQ + 8 && NVME_CC_EN_get(m->cc))
		model_lint(m, "the admin queue is changed while it is in use");
	switch (off) {
	case NVME_CC: write_cc(m, v); break;
	case NVME_AQA: m->aqa = v; break;
	case NVME_ASQ:
	case NVME_ASQ + 4: write_half(&m->asq, off != NVME_ASQ, v); break;
	case NVME_ACQ:
	case NVME_ACQ + 4: write_half(&m->acq, off != NVME_ACQ, v); break;
	case NVME_INTMS:
	case NVME_INTMC:
		if (m->nvectors)
			model_lint(m, "masks, with MSI-X");
		break;
	default:
		if (off >= NVME_DOORBELLS)
			write_doorbell(m, off, v);
		else
			model_lint(m, "a write where nothing is");
	}
}

static uint32_t
read_csts(struct model *m)
{
	if (NVME_CC_EN_get(m->cc) && !NVME_CSTS_RDY_get(m->csts) && !m->stuck) {
		if (m->wait_reads)
			m->wait_reads--;
		else
			m->csts |= NVME_CSTS_RDY_MASK;
	}
	return m->csts;
}

static uint32_t
read_register(struct model *m, uint64_t off)
{
	switch (off) {
	case NVME_CAP: return m->cap_low;
	case NVME_CAP + 4: return m->cap_high;
	case NVME_VS: return m->vs;
	case NVME_CC: return m->cc;
	case NVME_CSTS: return read_csts(m);
	case NVME_AQA: return m->aqa;
	}
	model_lint(m, "a read where nothing is");
	return 0;
}

static void
check_access(struct model *m, unsigned bar, uint64_t off, unsigned width)
{
	m->accesses++;
	if (bar != 0 || width != 4 || off % 4 || off >= m->table || !m->enabled)
		model_lint(m, "not a 32-bit access to an enabled BAR");
}

static uint64_t
bus_read(struct sip_dev *d, unsigned bar, uint64_t off, unsigned width)
{
	struct model *m = d->bus_priv;
	uint32_t v;

	pthread_mutex_lock(&m->lock);
	check_access(m, bar, off, width);
	v = m->gone ? UINT32_MAX : read_register(m, off);
	pthread_mutex_unlock(&m->lock);
	return v;
}

static void
bus_write(struct sip_dev *d, unsigned bar, uint64_t off, unsigned width, uint64_t value)
{
	struct model *m = d->bus_priv;

	pthread_mutex_lock(&m->lock);
	check_access(m, bar, off, width);
	if (!m->gone)
		write_register(m, off, (uint32_t)value);
	pthread_mutex_unlock(&m->lock);
}

/* --- the rest of the bus --------------------------------------------------------------------- */

static int
bus_info(struct sip_dev *d, struct sip_pci_info *info)
{
	const struct model *m = d->bus_priv;

	info->class = 0x010802;
	info->vendor = 0x1b36;
	info->device = 0x0010;
	info->bar[0].kind = SIP_BAR_MEM;
	info->bar[0].base = 0xfebf0000;
	info->bar[0].size = BAR_SIZE;
	info->irq = 10;
	info->msix = m->vectors;
	info->msix_bar = 0;
	info->msix_offset = m->table;
	info->nvectors = m->nvectors;
	info->vector = m->nvectors ? MODEL_FIRST_VECTOR : -1;
	for (unsigned i = 0; i < m->nvectors; i++)
		info->vectors[i] = MODEL_FIRST_VECTOR + (int)i;
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
	else if (strncmp(text, "msix ", 5) == 0)
		m->nvectors = (unsigned)atoi(text + 5);
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
	return irq < MODEL_FIRST_VECTOR ? 0 : irq - MODEL_FIRST_VECTOR;
}

/* Returns now and then, since the waiting thread is ended by a signal on a real bus. */
static int
bus_irq_wait(struct sip_dev *d, int fd, uint64_t *count, uint64_t *ns)
{
	struct model *m = d->bus_priv;
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += IRQ_WAIT_NS;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_mutex_lock(&m->lock);
	if (!m->pending[fd])
		pthread_cond_timedwait(&m->irq, &m->lock, &t);
	*count = m->pending[fd];
	*ns = 0;
	m->pending[fd] = 0;
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
namespaces_changed(struct model *m)
{
	if (m->event_config & NVME_EVENT_NAMESPACES)
		model_event(m, NVME_EVENT_TYPE_NOTICE, 0, NVME_LOG_NAMESPACES);
}

void
model_namespace_make(struct model *m, unsigned nsid, uint64_t nsectors, uint32_t secsize)
{
	struct model_namespace *ns = &m->ns[nsid - 1];

	pthread_mutex_lock(&m->lock);
	free(ns->data);
	*ns = (struct model_namespace){ .present = true, .nsectors = nsectors, .secsize = secsize };
	ns->data = calloc(nsectors, secsize);
	namespaces_changed(m);
	pthread_mutex_unlock(&m->lock);
}

void
model_namespace_remove(struct model *m, unsigned nsid)
{
	pthread_mutex_lock(&m->lock);
	m->ns[nsid - 1].present = false;
	namespaces_changed(m);
	pthread_mutex_unlock(&m->lock);
}

void
model_add_fault(struct model *m, struct model_fault f)
{
	pthread_mutex_lock(&m->lock);
	for (unsigned i = 0; i < MODEL_FAULTS; i++)
		if (!m->fault[i].times) {
			m->fault[i] = f;
			break;
		}
	pthread_mutex_unlock(&m->lock);
}

void
model_critical(struct model *m, uint8_t critical, unsigned kelvin)
{
	pthread_mutex_lock(&m->lock);
	m->critical = critical;
	m->kelvin = kelvin;
	if (m->event_config & critical)
		model_event(m, NVME_EVENT_TYPE_SMART, 1, NVME_LOG_SMART);
	pthread_mutex_unlock(&m->lock);
}

void
model_remove(struct model *m)
{
	pthread_mutex_lock(&m->lock);
	m->gone = true;
	pthread_mutex_unlock(&m->lock);
}

void
model_init(struct model *m)
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
	};
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->work, NULL);
	pthread_cond_init(&m->irq, NULL);
	m->cap_low = NVME_CAP_MQES_set(0, MODEL_MQES) | NVME_CAP_CQR_MASK | NVME_CAP_TO_set(0, 2);
	m->cap_high = NVME_CAPH_CSS_set(0, 1) | NVME_CAPH_MPSMAX_set(0, 4);
	m->vs = 0x10400;
	m->vectors = MODEL_VECTORS;
	m->table = BAR_SIZE - 0x1000;
	m->max_pairs = MODEL_QUEUES - 1;
	m->cache = m->deallocate = m->zeroes = m->list = m->was_reset = true;
	m->kelvin = 310;
	snprintf(m->serial, sizeof m->serial, "SN1");
	m->random = 1;
	pthread_create(&m->thread, NULL, device, m);
}

void
model_fini(struct model *m)
{
	pthread_mutex_lock(&m->lock);
	m->closing = true;
	pthread_cond_signal(&m->work);
	pthread_mutex_unlock(&m->lock);
	pthread_join(m->thread, NULL);
	for (unsigned i = 0; i < MODEL_NAMESPACES; i++)
		free(m->ns[i].data);
	pthread_mutex_destroy(&m->lock);
	pthread_cond_destroy(&m->work);
	pthread_cond_destroy(&m->irq);
}
