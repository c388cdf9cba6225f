/*
 * The NVMe driver on a controller that says anything.
 *
 * The controller is well made: it becomes ready, answers IDENTIFY and the other admin commands,
 * makes queues, and ends reads and writes.  Then each value of a register, each word of a
 * completion and each byte of a page may be another.  The input:
 *
 *	1 byte	CAP.DSTRD, 2 bits; 4: no messages but one; 8: CAP.MPSMIN is 1
 *	1 byte	CAP.MQES: entries of a queue, less one
 *	then	lies (fuzz/device/device.c:device_lie), in between what the driver is asked
 */
#include "device/device.h"
#include "drv/nvme/ctlr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BAR_SIZE = 0x2000, QUEUES = 20, SECTORS = 5000, LIES = 160, PAGE_BYTES = 4096 };

static struct queue {
	uint64_t sq, cq;                           /* 0: there is none */
	unsigned sq_entries, cq_entries, head, at; /* head: of what was taken; at: of completions */
	bool phase;
} queues[QUEUES];

static unsigned stride, page_size;

/* --- registers ------------------------------------------------------------------------------- */

static uint32_t
get(const struct device *d, unsigned off)
{
	return (uint32_t)device_get(d, 0, off, 4);
}

static void
put(struct device *d, unsigned off, uint32_t v)
{
	device_put(d, 0, off, 4, v);
}

static void
enable(struct device *d, bool on)
{
	memset(queues, 0, sizeof queues);
	if (!on)
		return;
	queues[0] = (struct queue){
		.sq = get(d, NVME_ASQ) | (uint64_t)get(d, NVME_ASQ + 4) << 32,
		.cq = get(d, NVME_ACQ) | (uint64_t)get(d, NVME_ACQ + 4) << 32,
		.sq_entries = NVME_AQA_ASQS_get(get(d, NVME_AQA)) + 1,
		.cq_entries = NVME_AQA_ACQS_get(get(d, NVME_AQA)) + 1,
		.phase = true,
	};
	for (unsigned qid = 0; qid < QUEUES; qid++)
		if (nvme_doorbell(qid, true, stride) + 4 <= BAR_SIZE) {
			put(d, (unsigned)nvme_doorbell(qid, false, stride), 0);
			put(d, (unsigned)nvme_doorbell(qid, true, stride), 0);
		}
}

/* CAP is what it is: it says where doorbells are, and how long a page is, which both must know. */
static uint64_t
read_register(void *device, unsigned bar, uint64_t off, unsigned width)
{
	uint64_t value = device_get(device, bar, off, width);

	return off < NVME_VS ? value : device_lie(device, value, width);
}

static void
write_register(void *device, unsigned bar, uint64_t off, unsigned width, uint64_t value)
{
	struct device *d = device;
	bool was = get(d, NVME_CSTS) & 1, on;
	uint32_t cc;

	device_put(d, bar, off, width, value);
	if (off != NVME_CC)
		return;
	cc = get(d, NVME_CC);
	on = NVME_CC_EN_get(cc);
	if (was != on)
		enable(d, on);
	put(d, NVME_CSTS, on | (NVME_CC_SHN_get(cc) ? NVME_SHST_COMPLETE << 2 : 0));
}

/* --- commands -------------------------------------------------------------------------------- */

/* What IDENTIFY says of a controller with two name spaces [NVMe 1.4, 5.15]. */
static void
identify(struct device *d, const struct nvme_command *c)
{
	uint8_t *page = device_memory(d, c->prp1, PAGE_BYTES);
	uint32_t two[2] = { 1, 2 }, number = 2;
	uint64_t sectors = SECTORS;

	memset(page, 0, PAGE_BYTES);
	switch (c->cdw10 & 0xff) {
	case NVME_CNS_CONTROLLER:
		memset(page + 4, 'x', 60);
		page[77] = 5;
		page[512] = 0x66, page[513] = 0x44;
		memcpy(page + 516, &number, 4);
		page[520] = 0x0c;
		page[525] = 1;
		break;
	case NVME_CNS_LIST: memcpy(page, two, sizeof two); break;
	case NVME_CNS_NAMESPACE:
		memcpy(page, &sectors, 8);
		memcpy(page + 8, &sectors, 8);
		page[130] = 9;
		break;
	default: break;
	}
	for (unsigned i = 0; i < LIES; i++)
		page[i] = (uint8_t)device_lie(d, page[i], 1);
	for (unsigned i = 512; i < 512 + 16; i++)
		page[i] = (uint8_t)device_lie(d, page[i], 1);
}

static uint32_t
admin(struct device *d, const struct nvme_command *c)
{
	unsigned qid = c->cdw10 & 0xffff, entries = (c->cdw10 >> 16) + 1;

	switch (c->opcode) {
	case NVME_IDENTIFY: identify(d, c); return 0;
	case NVME_GET_LOG:
		memset(device_memory(d, c->prp1, PAGE_BYTES), (int)device_lie(d, 1, 1), 512);
		return 0;
	case NVME_CREATE_CQ:
	case NVME_CREATE_SQ:
		device_check(qid && qid < QUEUES && entries > 1);
		if (c->opcode == NVME_CREATE_CQ) {
			queues[qid] = (struct queue){ .cq = c->prp1,
						      .cq_entries = entries,
						      .phase = true };
		} else {
			queues[qid].sq = c->prp1;
			queues[qid].sq_entries = entries;
		}
		return 0;
	case NVME_SET_FEATURES: return 0x000f000f;
	default: return 0;
	}
}

/* Every page that the command's list names was given to the controller [4.3]. */
static void
look_at_data(struct device *d, const struct nvme_command *c)
{
	uint64_t bytes = ((uint64_t)(c->cdw12 & 0xffff) + 1) * 512, room = page_size;
	uint64_t first = room - c->prp1 % room, at = 0;

	if (c->opcode != NVME_READ && c->opcode != NVME_WRITE)
		return;
	device_memory(d, c->prp1, bytes < first ? bytes : first);
	if (bytes <= first)
		return;
	bytes -= first;
	if (bytes <= room) {
		device_memory(d, c->prp2, bytes);
		return;
	}
	for (; bytes; at += 8) {
		uint64_t entry, part = bytes < room ? bytes : room;

		memcpy(&entry, device_memory(d, c->prp2 + at, 8), 8);
		device_memory(d, entry, part);
		bytes -= part;
	}
}

static void
complete(struct device *d, unsigned qid, uint16_t cid, uint32_t result)
{
	struct queue *q = &queues[qid];
	uint32_t word[4] = { result, 0, q->head | qid << 16, 0 };
	uint8_t *at = device_memory(d, q->cq + 16ul * q->at, 16);

	word[0] = (uint32_t)device_lie(d, word[0], 4);
	word[2] = (uint32_t)device_lie(d, word[2], 4);
	word[3] = (uint32_t)device_lie(d, cid | (uint32_t)q->phase << 16, 4);
	memcpy(at, word, sizeof word);
	if (++q->at == q->cq_entries) {
		q->at = 0;
		q->phase = !q->phase;
	}
}

/* An event is kept until the input wants one. */
static bool
is_kept(struct device *d, unsigned qid, const struct nvme_command *c)
{
	return !qid && c->opcode == NVME_ASYNC_EVENT && device_byte(d) % 4 != 1;
}

static bool
step(void *device)
{
	struct device *d = device;

	if (!(get(d, NVME_CSTS) & 1))
		return false;
	for (unsigned qid = 0; qid < QUEUES; qid++) {
		struct queue *q = &queues[qid];
		unsigned tail;

		if (!q->sq)
			continue;
		tail = get(d, (unsigned)nvme_doorbell(qid, false, stride));
		device_check(tail < q->sq_entries);
		while (q->head != tail) {
			struct nvme_command c;

			memcpy(&c, device_memory(d, q->sq + 64ul * q->head, 64), sizeof c);
			q->head = (q->head + 1) % q->sq_entries;
			if (is_kept(d, qid, &c))
				continue;
			if (qid)
				look_at_data(d, &c);
			complete(d, qid, c.cid, qid ? 0 : admin(d, &c));
		}
	}
	return false;
}

static const struct sip_model_ops ops = {
	.read = read_register,
	.write = write_register,
	.step = step,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t bar[BAR_SIZE];
	struct device d;
	struct sip_pci_info *info = &d.bus.info;

	if (size < 2)
		return 0;
	stride = data[0] & 3;
	page_size = data[0] & 8 ? 8192 : 4096;
	device_init(&d, &nvme_driver_ops, &ops, data + 2, size - 2);
	info->class = 0x010802;
	info->msix = data[0] & 4 ? 1 : 16;
	info->bar[0].kind = SIP_BAR_MEM;
	info->bar[0].base = 0xfe000000;
	info->bar[0].size = BAR_SIZE;
	memset(bar, 0, sizeof bar);
	d.bar[0] = bar;
	put(&d, NVME_CAP, data[1] | 2u << 24);
	put(&d, NVME_CAP + 4, stride | 1 << 5 | (data[0] & 8 ? 1u << 16 | 1u << 20 : 0));
	put(&d, NVME_VS, 0x10400);
	memset(queues, 0, sizeof queues);
	device_run(&d);
	return 0;
}
