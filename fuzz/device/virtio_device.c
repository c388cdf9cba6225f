/* See virtio_device.h. */
#include "virtio_device.h"
#include "device.h"

enum { BAR = 4, BAR_SIZE = 0x4000, ISR = 0x1000, OWN = 0x2000, NOTIFY = 0x3000, MULTIPLIER = 4 };
enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4, DESC_SIZE = 16 };
enum { /* of the common structure [4.1.4.3] */
       FEATURE_SELECT = 0x00,
       FEATURE = 0x04,
       NUM_QUEUES = 0x12,
       STATUS = 0x14,
       QUEUE_SELECT = 0x16,
       QUEUE_SIZE = 0x18,
       QUEUE_VECTOR = 0x1a,
       QUEUE_ENABLE = 0x1c,
       QUEUE_NOTIFY_OFF = 0x1e,
       QUEUE_DESC = 0x20,
       QUEUE_DRIVER = 0x28,
       QUEUE_DEVICE = 0x30,
       COMMON_SIZE = 0x38,
};

/* --- registers ------------------------------------------------------------------------------- */

static void
reset(struct virtio_fuzz *v)
{
	memset(v->queue, 0, sizeof v->queue);
	for (unsigned i = 0; i < VIRTIO_FUZZ_QUEUES; i++)
		v->queue[i].size = v->queue_size;
	v->status = 0;
}

static uint64_t
read_register(void *device, unsigned bar, uint64_t off, unsigned width)
{
	struct virtio_fuzz *v = device;
	const struct virtio_fuzz_queue *q = &v->queue[v->select % VIRTIO_FUZZ_QUEUES];
	uint64_t value = device_get(&v->d, bar, off, width);

	switch (off) {
	case FEATURE: value = v->features >> 32 * (v->feature_select & 1) & UINT32_MAX; break;
	case NUM_QUEUES: value = VIRTIO_FUZZ_QUEUES; break;
	case STATUS: value = v->status; break;
	case QUEUE_SIZE: value = q->size; break;
	case QUEUE_VECTOR: value = q->vector; break;
	case QUEUE_NOTIFY_OFF: value = v->select; break;
	case ISR: value = 1; break;
	default: break;
	}
	return device_lie(&v->d, value, width);
}

static void
wrote_address(struct virtio_fuzz_queue *q, uint64_t off, uint64_t value)
{
	uint64_t *at = off < QUEUE_DRIVER ? &q->desc : off < QUEUE_DEVICE ? &q->avail : &q->used;
	unsigned shift = off & 4 ? 32 : 0;

	*at = (*at & ~((uint64_t)UINT32_MAX << shift)) | value << shift;
}

static void
write_register(void *device, unsigned bar, uint64_t off, unsigned width, uint64_t value)
{
	struct virtio_fuzz *v = device;
	struct virtio_fuzz_queue *q = &v->queue[v->select % VIRTIO_FUZZ_QUEUES];

	device_put(&v->d, bar, off, width, value);
	if (off >= QUEUE_DESC && off < COMMON_SIZE) {
		wrote_address(q, off, value);
		return;
	}
	switch (off) {
	case FEATURE_SELECT: v->feature_select = (uint32_t)value; break;
	case STATUS:
		v->status = (uint8_t)value;
		if (!value)
			reset(v);
		break;
	case QUEUE_SELECT: v->select = (uint16_t)value; break;
	case QUEUE_SIZE: q->size = (uint16_t)value; break;
	case QUEUE_VECTOR: q->vector = (uint16_t)value; break;
	case QUEUE_ENABLE: q->enable = (uint16_t)value; break;
	default: break;
	}
}

/* --- queues ---------------------------------------------------------------------------------- */

struct descriptor {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* The pieces of a table from its entry `at` on; how many. */
static unsigned
walk(struct virtio_fuzz *v, uint64_t table, unsigned entries, unsigned at, struct piece *out)
{
	unsigned n = 0;

	for (;;) {
		struct descriptor e;

		device_check(at < entries && n < VIRTIO_FUZZ_PIECES);
		memcpy(&e, device_memory(&v->d, table + (uint64_t)at * DESC_SIZE, DESC_SIZE),
		       sizeof e);
		if (e.flags & DESC_INDIRECT) {
			device_check(!n && !(e.flags & DESC_NEXT) && e.len % DESC_SIZE == 0);
			return walk(v, e.addr, e.len / DESC_SIZE, 0, out);
		}
		device_check(e.len > 0);
		out[n++] = (struct piece){ device_memory(&v->d, e.addr, e.len), e.len,
					   e.flags & DESC_WRITE };
		if (!(e.flags & DESC_NEXT))
			return n;
		at = e.next;
	}
}

/* An entry of the used ring, and its index [2.7.8]. */
static void
put_used(struct virtio_fuzz *v, struct virtio_fuzz_queue *q, uint32_t id, uint32_t len)
{
	uint8_t *used = device_memory(&v->d, q->used, 4 + 8ul * q->size);
	uint32_t e[2] = { (uint32_t)device_lie(&v->d, id, 4), (uint32_t)device_lie(&v->d, len, 4) };
	uint16_t idx;

	memcpy(used + 4 + 8ul * (q->done++ % q->size), e, sizeof e);
	idx = (uint16_t)device_lie(&v->d, q->done, 2);
	memcpy(used + 2, &idx, sizeof idx);
}

static void
work(struct virtio_fuzz *v, unsigned index)
{
	static struct piece piece[VIRTIO_FUZZ_PIECES];
	struct virtio_fuzz_queue *q = &v->queue[index];
	const uint8_t *avail;
	uint16_t idx, head;

	if (!q->size)
		return;
	avail = device_memory(&v->d, q->avail, 4 + 2ul * q->size);
	memcpy(&idx, avail + 2, sizeof idx);
	device_check((uint16_t)(idx - q->seen) <= q->size);
	for (; q->seen != idx; q->seen++) {
		unsigned n;
		uint32_t len;

		memcpy(&head, avail + 4 + 2ul * (q->seen % q->size), sizeof head);
		n = walk(v, q->desc, q->size, head, piece);
		for (unsigned i = 1; i < n; i++)
			device_check(piece[i].written >= piece[i - 1].written);
		len = v->command(v, index, piece, n);
		if (len == UINT32_MAX)
			return;
		put_used(v, q, head, len);
	}
}

static bool
step(void *device)
{
	struct virtio_fuzz *v = device;

	for (unsigned i = 0; v->status & VIRTIO_DRIVER_OK && i < VIRTIO_FUZZ_QUEUES; i++)
		if (v->queue[i].enable)
			work(v, i);
	return false;
}

/* --- the function ---------------------------------------------------------------------------- */

static unsigned
capability(uint8_t *at, unsigned offset, unsigned type, uint32_t where, uint32_t length)
{
	unsigned size = type == 2 ? 20 : 16;
	uint32_t multiplier = MULTIPLIER;

	at[offset] = 9; /* vendor specific */
	at[offset + 1] = (uint8_t)(offset + size);
	at[offset + 2] = (uint8_t)size;
	at[offset + 3] = (uint8_t)type;
	at[offset + 4] = BAR;
	memcpy(at + offset + 8, &where, 4);
	memcpy(at + offset + 12, &length, 4);
	if (type == 2)
		memcpy(at + offset + 16, &multiplier, 4);
	return offset + size;
}

static void
configure(struct virtio_fuzz *v)
{
	uint8_t *c = v->d.bus.pci;
	unsigned at = 0x40;

	c[0] = 0xf4, c[1] = 0x1a, c[6] = 0x10, c[0x34] = (uint8_t)at;
	at = capability(c, at, 1, 0, COMMON_SIZE);
	at = capability(c, at, 2, NOTIFY, VIRTIO_FUZZ_QUEUES * MULTIPLIER);
	at = capability(c, at, 3, ISR, 4);
	at = capability(c, at, 4, OWN, VIRTIO_FUZZ_CONFIG);
	c[at - 16 + 1] = 0;
}

static const struct sip_model_ops ops = {
	.read = read_register,
	.write = write_register,
	.step = step,
};

void
virtio_fuzz_run(struct virtio_fuzz *v, const struct sip_driver_ops *driver, const uint8_t *data,
		size_t size)
{
	static uint8_t bar[BAR_SIZE];
	struct device *d = &v->d;
	struct sip_pci_info *info = &d->bus.info;

	device_init(d, driver, &ops, data + 2, size - 2);
	v->features |= VIRTIO_F(VIRTIO_VERSION_1);
	if (data[0] & 1)
		v->features |= VIRTIO_F(VIRTIO_EVENT_IDX);
	if (data[0] & 2)
		v->features |= VIRTIO_F(VIRTIO_INDIRECT_DESC);
	v->queue_size = (uint16_t)(1u << data[1] % 11);
	info->irq = 11;
	info->msix = data[0] & 4 ? 16 : 0;
	info->vendor = VIRTIO_VENDOR;
	info->bar[BAR].kind = SIP_BAR_MEM;
	info->bar[BAR].base = 0xfe000000;
	info->bar[BAR].size = BAR_SIZE;
	memset(bar, 0, sizeof bar);
	memcpy(bar + OWN, v->config, sizeof v->config);
	d->bar[BAR] = bar;
	configure(v);
	/* The function's own words may be lies too. */
	if (data[0] & 0x80)
		for (unsigned i = 0; i < sizeof d->bus.pci; i++)
			d->bus.pci[i] = (uint8_t)device_lie(d, d->bus.pci[i], 1);
	reset(v);
	device_run(d);
}
