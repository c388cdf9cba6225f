/*
 * What the model's commands do with its name spaces and the driver's memory; see model.h.
 */
#include "model.h"

#include <string.h>

enum { SMART_CRITICAL = 0, SMART_KELVIN = 1, LOG_FIRMWARE = 3 };

/* --- PRPs [NVMe 1.4, 4.3] -------------------------------------------------------------------- */

static size_t
page_size(const struct model *m)
{
	return (size_t)NVME_PAGE << NVME_CC_MPS_get(m->cc);
}

/* The address of the i-th page of the data, or 0. */
static uint64_t
prp(struct model *m, const struct nvme_command *c, size_t i, size_t npages)
{
	uint64_t v;
	const uint8_t *at;

	if (i == 0)
		return c->prp1;
	if (npages == 2)
		v = c->prp2;
	else {
		if (c->prp2 % 8 || c->prp2 % page_size(m) + (npages - 1) * 8 > page_size(m))
			sip_model_lint(&m->bus, "a PRP list that crosses a page");
		at = sip_model_memory(&m->bus, c->prp2 + (i - 1) * 8, 8);
		if (!at)
			return 0;
		memcpy(&v, at, 8);
	}
	if (v % page_size(m))
		sip_model_lint(&m->bus, "a PRP with an offset");
	return v;
}

/* --- SGLs [4.4] ------------------------------------------------------------------------------ */

enum { SGL_DATA = 0x00, SGL_LAST_SEGMENT = 0x30, SGL_DESCRIPTORS = 512 };

struct sgl {
	uint64_t paddr;
	uint32_t bytes;
	uint8_t reserved[3], type;
};

static bool
move_block(struct model *m, const struct sgl *d, struct sip_model_data *data)
{
	if (d->type != SGL_DATA || !d->bytes || d->bytes > data->left) {
		sip_model_lint(&m->bus, "a descriptor that is none, or for too much");
		return false;
	}
	if (m->sgls == 2 && (d->paddr | d->bytes) % 4)
		sip_model_lint(&m->bus, "a descriptor that is not aligned");
	return sip_model_move(&m->bus, data, d->paddr, d->bytes);
}

static bool
move_sgl(struct model *m, const struct nvme_command *c, struct sip_model_data *data)
{
	struct sgl first, d;
	const uint8_t *at;
	bool ok = true;

	memcpy(&first, &c->prp1, sizeof first);
	m->sgl_data++;
	if (!m->sgls)
		sip_model_lint(&m->bus, "an SGL, which it does not take");
	if (first.type != SGL_LAST_SEGMENT) {
		ok = move_block(m, &first, data);
	} else {
		m->sgl_lists++;
		at = sip_model_memory(&m->bus, first.paddr, first.bytes);
		if (!at || !first.bytes || first.bytes % sizeof d ||
		    first.bytes / sizeof d > SGL_DESCRIPTORS)
			sip_model_lint(&m->bus, "a segment that is none");
		for (size_t i = 0; ok && at && i < first.bytes; i += sizeof d) {
			memcpy(&d, at + i, sizeof d);
			ok = move_block(m, &d, data);
		}
	}
	if (data->left)
		sip_model_lint(&m->bus, "an SGL for too little");
	return ok && !data->left;
}

static bool
move_prps(struct model *m, const struct nvme_command *c, struct sip_model_data *data)
{
	size_t page = page_size(m), first = page - c->prp1 % page, n = data->left;
	size_t npages = n <= first ? 1 : 1 + (n - first + page - 1) / page;

	if (c->prp1 % 4)
		sip_model_lint(&m->bus, "a PRP that is not aligned");
	for (size_t i = 0; i < npages; i++)
		if (!sip_model_move(&m->bus, data, prp(m, c, i, npages), i ? page : first))
			return false;
	return true;
}

static bool
move(struct model *m, const struct nvme_command *c, uint8_t *buf, size_t n, bool to_host)
{
	struct sip_model_data data = { buf, n, to_host };

	if (c->flags & 0x80)
		sip_model_lint(&m->bus, "an SGL for metadata");
	if (c->flags & 0x40)
		return move_sgl(m, c, &data);
	m->prp_data++;
	return move_prps(m, c, &data);
}

/* --- pages ----------------------------------------------------------------------------------- */

static void
put(uint8_t *p, size_t at, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[at + i] = (uint8_t)(v >> 8 * i);
}

static void
put_text(uint8_t *p, size_t n, const char *s)
{
	size_t len = strlen(s);

	for (size_t i = 0; i < n; i++)
		p[i] = i < len ? (uint8_t)s[i] : ' ';
}

static void
controller_page(const struct model *m, uint8_t *p)
{
	put_text(p + 4, 20, m->serial);
	put_text(p + 24, 40, "Model NVMe");
	put_text(p + 64, 8, "1.0");
	p[77] = MODEL_MDTS;
	put(p, 80, m->vs, 4);
	put(p, 92, NVME_EVENT_NAMESPACES, 4);
	p[258] = 3;
	p[259] = MODEL_EVENTS - 1;
	put(p, 266, 343, 2);
	p[512] = 0x66;
	p[513] = 0x44;
	put(p, 516, MODEL_NAMESPACES, 4);
	put(p, 520, (m->deallocate ? 4 : 0) | (m->zeroes ? 8 : 0), 2);
	p[525] = m->cache;
	p[536] = (uint8_t)m->sgls;
}

static void
namespace_page(const struct model *m, uint32_t nsid, uint8_t *p)
{
	const struct model_namespace *ns = &m->ns[nsid - 1];

	if (!ns->present)
		return;
	put(p, 0, ns->nsectors, 8);
	put(p, 8, ns->nsectors, 8);
	p[25] = 1;
	p[26] = 1;
	put(p, 128, 9 << 16, 4);
	put(p, 132, (uint64_t)__builtin_ctz(ns->secsize) << 16 | ns->metadata, 4);
	put(p, 120, 0x1122334455667700 + nsid, 8);
}

static void
list_page(const struct model *m, uint32_t after, uint8_t *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MODEL_NAMESPACES; i++)
		if (m->ns[i].present && i + 1 > after)
			put(p, 4ul * n++, i + 1, 4);
}

static uint16_t
identify(struct model *m, const struct nvme_command *c)
{
	uint8_t page[NVME_IDENTIFY_SIZE] = { 0 };
	unsigned cns = c->cdw10 & 0xff;

	if (cns == NVME_CNS_NAMESPACE) {
		if (!c->nsid || c->nsid > MODEL_NAMESPACES)
			return NVME_INVALID_NAMESPACE | NVME_DO_NOT_RETRY;
		namespace_page(m, c->nsid, page);
	} else if (cns == NVME_CNS_CONTROLLER)
		controller_page(m, page);
	else if (cns == NVME_CNS_LIST && m->list)
		list_page(m, c->nsid, page);
	else
		return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
	return move(m, c, page, sizeof page, true) ? NVME_OK : NVME_INVALID_PRP;
}

uint16_t
model_chance(struct model *m, const struct nvme_command *c, size_t n)
{
	uint8_t page[NVME_IDENTIFY_SIZE];

	for (size_t i = 0; i < sizeof page; i++)
		page[i] = (uint8_t)sip_model_random(&m->bus);
	return move(m, c, page, n, true) ? NVME_OK : NVME_INVALID_PRP;
}

static uint16_t
get_log(struct model *m, const struct nvme_command *c)
{
	uint8_t page[NVME_PAGE] = { 0 };
	size_t n = ((c->cdw10 >> 16) + 1ul) * 4;
	unsigned log = c->cdw10 & 0xff;

	m->logs[log]++;
	if (n > sizeof page)
		return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
	if (log == NVME_LOG_SMART) {
		page[SMART_CRITICAL] = m->critical;
		put(page, SMART_KELVIN, m->kelvin, 2);
		page[3] = 100;
		m->event_masked[NVME_EVENT_TYPE_SMART] = false;
	} else if (log == NVME_LOG_NAMESPACES || log == LOG_FIRMWARE)
		m->event_masked[NVME_EVENT_TYPE_NOTICE] = false;
	else if (log == NVME_LOG_ERROR)
		m->event_masked[NVME_EVENT_TYPE_ERROR] = false;
	else
		return 0x109 | NVME_DO_NOT_RETRY;
	return move(m, c, page, n, true) ? NVME_OK : NVME_INVALID_PRP;
}

/* --- queues ---------------------------------------------------------------------------------- */

static uint16_t
create_cq(struct model *m, const struct nvme_command *c)
{
	unsigned qid = c->cdw10 & 0xffff, entries = (c->cdw10 >> 16) + 1;
	struct model_queue *q = &m->queue[qid < MODEL_QUEUES ? qid : 0];

	if (!qid || qid > m->max_pairs || qid >= MODEL_QUEUES || q->cq_on)
		return 0x101 | NVME_DO_NOT_RETRY;
	if (entries < 2 || entries > MODEL_MQES + 1)
		return 0x102 | NVME_DO_NOT_RETRY;
	if (c->cdw11 >> 16 >= (m->bus.nvectors ? m->bus.nvectors : 1))
		return 0x108 | NVME_DO_NOT_RETRY;
	if (!(c->cdw11 & 1) || c->prp1 % page_size(m))
		return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
	*q = (struct model_queue){ .cq_on = true,
				   .cq = c->prp1,
				   .cq_entries = entries,
				   .vector = c->cdw11 >> 16,
				   .interrupts = c->cdw11 >> 1 & 1,
				   .phase = true };
	return NVME_OK;
}

static uint16_t
create_sq(struct model *m, const struct nvme_command *c)
{
	unsigned qid = c->cdw10 & 0xffff, entries = (c->cdw10 >> 16) + 1, cqid = c->cdw11 >> 16;
	struct model_queue *q = &m->queue[qid < MODEL_QUEUES ? qid : 0];

	if (!qid || qid >= MODEL_QUEUES || q->sq_on)
		return 0x101 | NVME_DO_NOT_RETRY;
	if (cqid != qid || !q->cq_on)
		return 0x100 | NVME_DO_NOT_RETRY;
	if (entries < 2 || entries > MODEL_MQES + 1)
		return 0x102 | NVME_DO_NOT_RETRY;
	if (!(c->cdw11 & 1) || c->prp1 % page_size(m))
		return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
	q->sq_on = true;
	q->sq = c->prp1;
	q->sq_entries = entries;
	q->cqid = cqid;
	return NVME_OK;
}

static void
abort_command(struct model *m, const struct nvme_command *c, uint32_t *result)
{
	unsigned qid = c->cdw10 & 0xffff, cid = c->cdw10 >> 16;

	m->aborts++;
	*result = 1; /* not aborted */
	for (unsigned i = 0; i < MODEL_HUNG; i++) {
		struct model_hung *h = &m->hung[i];

		if (h->used && !h->hard && h->qid == qid && h->cid == cid) {
			h->used = false;
			model_complete(m, qid, h->cid, NVME_ABORTED, 0);
			*result = 0;
		}
	}
}

static uint16_t
set_feature(struct model *m, const struct nvme_command *c, uint32_t *result)
{
	if (c->cdw10 == NVME_FEATURE_QUEUES) {
		if (m->queue[1].cq_on)
			sip_model_lint(&m->bus, "the number of queues is set when there are some");
		*result = (m->max_pairs - 1) << 16 | (m->max_pairs - 1);
	} else if (c->cdw10 == NVME_FEATURE_EVENTS)
		m->event_config = c->cdw11;
	else
		return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
	return NVME_OK;
}

uint16_t
model_admin(struct model *m, const struct nvme_command *c, uint32_t *result)
{
	if (c->flags)
		sip_model_lint(&m->bus, "an SGL in an admin command");
	switch (c->opcode) {
	case NVME_CREATE_CQ: return create_cq(m, c);
	case NVME_CREATE_SQ: return create_sq(m, c);
	case NVME_IDENTIFY: return identify(m, c);
	case NVME_GET_LOG: return get_log(m, c);
	case NVME_ABORT: abort_command(m, c, result); return NVME_OK;
	case NVME_SET_FEATURES: return set_feature(m, c, result);
	}
	return NVME_INVALID_OPCODE | NVME_DO_NOT_RETRY;
}

/* --- data ------------------------------------------------------------------------------------ */

static bool
in_range(const struct model_namespace *ns, uint64_t lba, uint64_t n)
{
	return lba <= ns->nsectors && n <= ns->nsectors - lba;
}

static uint16_t
deallocate(struct model *m, struct model_namespace *ns, const struct nvme_command *c)
{
	uint8_t ranges[NVME_RANGES_MAX * NVME_RANGE_SIZE];
	unsigned n = (c->cdw10 & 0xff) + 1;

	if (!m->deallocate)
		return NVME_INVALID_OPCODE | NVME_DO_NOT_RETRY;
	if (!move(m, c, ranges, (size_t)n * NVME_RANGE_SIZE, false))
		return NVME_INVALID_PRP;
	for (unsigned i = 0; i < n; i++) {
		uint32_t count;
		uint64_t lba;

		memcpy(&count, ranges + i * NVME_RANGE_SIZE + 4, 4);
		memcpy(&lba, ranges + i * NVME_RANGE_SIZE + 8, 8);
		if (!in_range(ns, lba, count))
			return NVME_LBA_RANGE | NVME_DO_NOT_RETRY;
		memset(ns->data + lba * ns->secsize, 0, (size_t)count * ns->secsize);
	}
	ns->trims++;
	ns->ranges += n;
	return NVME_OK;
}

static uint16_t
data(struct model *m, struct model_namespace *ns, const struct nvme_command *c)
{
	uint64_t lba = (uint64_t)c->cdw11 << 32 | c->cdw10;
	size_t n = (c->cdw12 & 0xffff) + 1ul;
	uint8_t *at = ns->data + lba * ns->secsize;
	bool read = c->opcode == NVME_READ;

	if (!in_range(ns, lba, n))
		return NVME_LBA_RANGE | NVME_DO_NOT_RETRY;
	if (c->opcode == NVME_WRITE_ZEROES) {
		if (!m->zeroes)
			return NVME_INVALID_OPCODE | NVME_DO_NOT_RETRY;
		memset(at, 0, n * ns->secsize);
		ns->zeroes++;
		return NVME_OK;
	}
	if (n * ns->secsize > (size_t)NVME_PAGE << MODEL_MDTS)
		sip_model_lint(&m->bus, "a longer transfer than it takes");
	*(read ? &ns->reads : &ns->writes) += 1;
	ns->fuas += !read && c->cdw12 >> 30 & 1;
	return move(m, c, at, n * ns->secsize, read) ? NVME_OK : NVME_INVALID_PRP;
}

uint16_t
model_io(struct model *m, const struct nvme_command *c)
{
	struct model_namespace *ns = &m->ns[c->nsid - 1];

	if (!c->nsid || c->nsid > MODEL_NAMESPACES || !ns->present)
		return NVME_INVALID_NAMESPACE | NVME_DO_NOT_RETRY;
	switch (c->opcode) {
	case NVME_FLUSH:
		if (!m->cache)
			sip_model_lint(&m->bus, "a flush without a cache");
		ns->flushes++;
		return NVME_OK;
	case NVME_READ:
	case NVME_WRITE:
	case NVME_WRITE_ZEROES: return data(m, ns, c);
	case NVME_DSM: return deallocate(m, ns, c);
	}
	return NVME_INVALID_OPCODE | NVME_DO_NOT_RETRY;
}
