/*
 * The model's registers and queues; see model.h.  It follows NVMe 1.4, sections 3, 4 and 7, as far
 * as a driver can see it.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BAR_SIZE = 0x5000 };

/* --- completions ----------------------------------------------------------------------------- */

/* The word with the phase is written last. */
static void
put_completion(struct model *m, unsigned qid, const struct nvme_completion *c)
{
	struct model_queue *q = &m->queue[qid];
	uint32_t *at = (uint32_t *)(void *)sip_model_memory(
		&m->bus, q->cq + (uint64_t)q->cq_tail * NVME_CQE_SIZE, NVME_CQE_SIZE);

	if (!at)
		return;
	if ((q->cq_tail + 1) % q->cq_entries == q->cq_head)
		sip_model_lint(&m->bus, "no room for a completion");
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
		sip_model_interrupt(&m->bus, q->vector);
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
		sip_model_lint(&m->bus, "more requests for events than it takes");
		model_complete(m, 0, cid, 0x105 | NVME_DO_NOT_RETRY, 0);
	}
}

/* --- what the device does --------------------------------------------------------------------- */

static const struct sip_model_fault *
find_fault(struct model *m, bool admin, const struct nvme_command *c)
{
	uint64_t lba = (uint64_t)c->cdw11 << 32 | c->cdw10, n = (c->cdw12 & 0xffff) + 1ul;
	struct sip_model_fault *f = NULL;

	while ((f = sip_model_next_fault(&m->bus, f)) != NULL) {
		if (f->admin != admin || f->opcode != c->opcode)
			continue;
		if (f->lba != UINT64_MAX &&
		    (admin ? f->lba != c->cdw10 : f->lba < lba || f->lba >= lba + n))
			continue;
		f->times--;
		break;
	}
	return f;
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
instead(struct model *m, unsigned qid, const struct nvme_command *c,
	const struct sip_model_fault *f)
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
	const struct sip_model_fault *f = find_fault(m, qid == 0, c);
	bool quietly = f && f->kind == MODEL_NO_INTERRUPT;

	for (unsigned i = 0; i < MODEL_HUNG; i++)
		if (m->hung[i].used && m->hung[i].qid == qid && m->hung[i].cid == c->cid)
			sip_model_lint(&m->bus, "a command's id that is in use");
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
	const uint8_t *at = sip_model_memory(&m->bus, q->sq + (uint64_t)q->head * NVME_SQE_SIZE,
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

/* One command of some queue; false if there is none. */
static bool
step(void *device)
{
	struct model *m = device;
	unsigned first = sip_model_random(&m->bus) % MODEL_QUEUES;

	if (!NVME_CSTS_RDY_get(m->csts) || NVME_CSTS_CFS_get(m->csts))
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
	m->bus.was_reset = true;
	if (!m->stuck)
		m->csts = 0;
}

static void
enable(struct model *m, uint32_t cc)
{
	unsigned mps = NVME_CC_MPS_get(cc);

	if (NVME_CC_IOSQES_get(cc) != NVME_SQE_SHIFT || NVME_CC_IOCQES_get(cc) != NVME_CQE_SHIFT)
		sip_model_lint(&m->bus, "sizes of entries");
	if (mps < NVME_CAPH_MPSMIN_get(m->cap_high) || mps > NVME_CAPH_MPSMAX_get(m->cap_high))
		sip_model_lint(&m->bus, "a page size that it has not");
	if (NVME_CSTS_RDY_get(m->csts))
		sip_model_lint(&m->bus, "enabled while it is not yet disabled");
	if (!m->asq || !m->acq || m->asq % NVME_PAGE || m->acq % NVME_PAGE)
		sip_model_lint(&m->bus, "no admin queue");
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
		sip_model_lint(&m->bus, "a doorbell that there is not");
	else if (!NVME_CSTS_RDY_get(m->csts))
		sip_model_lint(&m->bus, "a doorbell before it is ready");
	else if (v >= (i % 2 ? q->cq_entries : q->sq_entries))
		sip_model_lint(&m->bus, "a doorbell beyond the queue");
	else if (i % 2) {
		unsigned had = (q->cq_tail + q->cq_entries - q->cq_head) % q->cq_entries;

		if ((v + q->cq_entries - q->cq_head) % q->cq_entries > had)
			sip_model_lint(&m->bus, "it took completions that are none");
		q->cq_head = v;
	} else {
		if (!m->bus.bus_master)
			sip_model_lint(&m->bus, "a command with bus mastering off");
		q->tail = v;
		sip_model_wake(&m->bus);
	}
}

static void
write_half(uint64_t *reg, bool upper, uint32_t v)
{
	*reg = upper ? (*reg & UINT32_MAX) | (uint64_t)v << 32 : (*reg >> 32) << 32 | v;
}

static void
set_register(struct model *m, uint64_t off, uint32_t v)
{
	if (off >= NVME_AQA && off < NVME_ACQ + 8 && NVME_CC_EN_get(m->cc))
		sip_model_lint(&m->bus, "the admin queue is changed while it is in use");
	switch (off) {
	case NVME_CC: write_cc(m, v); break;
	case NVME_AQA: m->aqa = v; break;
	case NVME_ASQ:
	case NVME_ASQ + 4: write_half(&m->asq, off != NVME_ASQ, v); break;
	case NVME_ACQ:
	case NVME_ACQ + 4: write_half(&m->acq, off != NVME_ACQ, v); break;
	case NVME_INTMS:
	case NVME_INTMC:
		if (m->bus.nvectors)
			sip_model_lint(&m->bus, "masks, with MSI-X");
		break;
	default:
		if (off >= NVME_DOORBELLS)
			write_doorbell(m, off, v);
		else
			sip_model_lint(&m->bus, "a write where nothing is");
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
get_register(struct model *m, uint64_t off)
{
	switch (off) {
	case NVME_CAP: return m->cap_low;
	case NVME_CAP + 4: return m->cap_high;
	case NVME_VS: return m->vs;
	case NVME_CC: return m->cc;
	case NVME_CSTS: return read_csts(m);
	case NVME_AQA: return m->aqa;
	}
	sip_model_lint(&m->bus, "a read where nothing is");
	return 0;
}

static uint64_t
read_register(void *device, unsigned bar, uint64_t off, unsigned width)
{
	struct model *m = device;

	(void)bar;
	if (width != 4)
		sip_model_lint(&m->bus, "not a 32-bit access");
	return get_register(m, off);
}

static void
write_register(void *device, unsigned bar, uint64_t off, unsigned width, uint64_t value)
{
	struct model *m = device;

	(void)bar;
	if (width != 4)
		sip_model_lint(&m->bus, "not a 32-bit access");
	set_register(m, off, (uint32_t)value);
}

static const struct sip_model_ops ops = {
	.read = read_register,
	.write = write_register,
	.step = step,
};

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

	pthread_mutex_lock(&m->bus.lock);
	free(ns->data);
	*ns = (struct model_namespace){ .present = true, .nsectors = nsectors, .secsize = secsize };
	ns->data = calloc(nsectors, secsize);
	namespaces_changed(m);
	pthread_mutex_unlock(&m->bus.lock);
}

void
model_namespace_remove(struct model *m, unsigned nsid)
{
	pthread_mutex_lock(&m->bus.lock);
	m->ns[nsid - 1].present = false;
	namespaces_changed(m);
	pthread_mutex_unlock(&m->bus.lock);
}

void
model_critical(struct model *m, uint8_t critical, unsigned kelvin)
{
	pthread_mutex_lock(&m->bus.lock);
	m->critical = critical;
	m->kelvin = kelvin;
	if (m->event_config & critical)
		model_event(m, NVME_EVENT_TYPE_SMART, 1, NVME_LOG_SMART);
	pthread_mutex_unlock(&m->bus.lock);
}

bool
model_event_now(struct model *m, unsigned type, unsigned info, unsigned log)
{
	bool told;

	pthread_mutex_lock(&m->bus.lock);
	told = !m->event_masked[type] && m->nevents;
	if (told)
		model_event(m, type, info, log);
	pthread_mutex_unlock(&m->bus.lock);
	return told;
}

void
model_remove(struct model *m)
{
	pthread_mutex_lock(&m->bus.lock);
	m->bus.gone = true;
	pthread_mutex_unlock(&m->bus.lock);
}

void
model_init(struct model *m)
{
	struct sip_pci_info *info = &m->bus.info;

	memset(m, 0, sizeof *m);
	sip_model_init(&m->bus, &ops, m);
	info->class = 0x010802;
	info->vendor = 0x1b36;
	info->device = 0x0010;
	info->bar[0].kind = SIP_BAR_MEM;
	info->bar[0].base = 0xfebf0000;
	info->bar[0].size = BAR_SIZE;
	info->irq = 10;
	info->msix = MODEL_VECTORS;
	info->msix_bar = 0;
	info->msix_offset = BAR_SIZE - 0x1000;
	m->cap_low = NVME_CAP_MQES_set(0, MODEL_MQES) | NVME_CAP_CQR_MASK | NVME_CAP_TO_set(0, 2);
	m->cap_high = NVME_CAPH_CSS_set(0, 1) | NVME_CAPH_MPSMAX_set(0, 4);
	m->vs = 0x10400;
	m->max_pairs = MODEL_QUEUES - 1;
	m->cache = m->deallocate = m->zeroes = m->list = m->bus.was_reset = true;
	m->kelvin = 310;
	snprintf(m->serial, sizeof m->serial, "SN1");
}

void
model_fini(struct model *m)
{
	for (unsigned i = 0; i < MODEL_NAMESPACES; i++)
		free(m->ns[i].data);
	sip_model_fini(&m->bus);
}
