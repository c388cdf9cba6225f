/*
 * The transport of a device: its common registers, negotiation, queues, configuration
 * [VIRTIO 1.2, 3.1, 4.1.4.3].
 *
 * The registers are read and written in the widths that they have [4.1.3.1].  Every wait has a
 * bound, and what the device says of itself is checked before it is a length or a place.
 */
#include <errno.h>
#include <string.h>
#include "os.h"
#include "pci.h"
#include "virtio.h"

enum common_reg { /* [4.1.4.3] */
		  COMMON_DEVICE_FEATURE_SELECT = 0x00,
		  COMMON_DEVICE_FEATURE = 0x04,
		  COMMON_DRIVER_FEATURE_SELECT = 0x08,
		  COMMON_DRIVER_FEATURE = 0x0c,
		  COMMON_CONFIG_VECTOR = 0x10, /* 16 bits, as the next */
		  COMMON_NUM_QUEUES = 0x12,
		  COMMON_STATUS = 0x14, /* 8 bits, as the next */
		  COMMON_CONFIG_GENERATION = 0x15,
		  COMMON_QUEUE_SELECT = 0x16, /* 16 bits, as all that begin with QUEUE */
		  COMMON_QUEUE_SIZE = 0x18,
		  COMMON_QUEUE_VECTOR = 0x1a,
		  COMMON_QUEUE_ENABLE = 0x1c,
		  COMMON_QUEUE_NOTIFY_OFF = 0x1e,
		  COMMON_QUEUE_DESC = 0x20, /* but for addresses: twice 32 */
		  COMMON_QUEUE_DRIVER = 0x28,
		  COMMON_QUEUE_DEVICE = 0x30,
		  COMMON_END = 0x38,
};

enum {
	POLL_NS = 50000,
	SPIN_LOOKS = 50,
	QUEUE_ALIGN = 4096,
	CONFIG_MAX = 256, /* of the device's own */
};

/* --- registers ----------------------------------------------------------------------------- */

static const struct sip_bar *
common_bar(const struct virtio_device *v)
{
	return &v->bar[v->layout.common.bar];
}

static uint64_t
common_at(const struct virtio_device *v, enum common_reg r)
{
	return v->layout.common.offset + (uint64_t)r;
}

static uint8_t
get8(const struct virtio_device *v, enum common_reg r)
{
	return sip_read8(common_bar(v), common_at(v, r));
}

static uint16_t
get16(const struct virtio_device *v, enum common_reg r)
{
	return sip_read16(common_bar(v), common_at(v, r));
}

static void
set16(const struct virtio_device *v, enum common_reg r, unsigned value)
{
	sip_write16(common_bar(v), common_at(v, r), (uint16_t)value);
}

static void
set32(const struct virtio_device *v, enum common_reg r, uint32_t value)
{
	sip_write32(common_bar(v), common_at(v, r), value);
}

static void
set64(const struct virtio_device *v, enum common_reg r, uint64_t value)
{
	sip_write32(common_bar(v), common_at(v, r), (uint32_t)value);
	sip_write32(common_bar(v), common_at(v, r) + 4, (uint32_t)(value >> 32));
}

uint8_t
virtio_get_status(const struct virtio_device *v)
{
	return get8(v, COMMON_STATUS);
}

static void
set_status(const struct virtio_device *v, uint8_t status)
{
	sip_write8(common_bar(v), common_at(v, COMMON_STATUS), status);
}

static void
add_status(const struct virtio_device *v, uint8_t bits)
{
	set_status(v, virtio_get_status(v) | bits);
}

uint8_t
virtio_isr(const struct virtio_device *v)
{
	return sip_read8(&v->bar[v->layout.isr.bar], v->layout.isr.offset);
}

/* --- opening ------------------------------------------------------------------------------- */

/* A BAR with the MSI-X table in it may be mapped in part: then the rest is no registers. */
static int
map(struct virtio_device *v, struct virtio_region *r, uint32_t least)
{
	struct sip_bar *bar = &v->bar[r->bar];
	int err = r->length && !bar->dev ? sip_dev_map(v->dev, r->bar, bar) : 0;

	if (err < 0 || !r->length)
		return err;
	if (r->offset >= bar->size || bar->size - r->offset < least)
		return -ENOTSUP;
	if (r->length > bar->size - r->offset)
		r->length = (uint32_t)(bar->size - r->offset);
	return 0;
}

static int
find(struct virtio_device *v)
{
	uint8_t config[PCI_CONFIG_SIZE];
	uint64_t size[6];
	int err = sip_dev_config(v->dev, config, sizeof config);

	if (err < 0)
		return err;
	for (unsigned i = 0; i < 6; i++)
		size[i] = v->dev->info.bar[i].kind == SIP_BAR_MEM ? v->dev->info.bar[i].size : 0;
	return virtio_layout(config, sizeof config, size, &v->layout);
}

int
virtio_open(struct virtio_device *v, struct sip_dev *d)
{
	struct virtio_layout *l = &v->layout;
	int err;

	memset(v, 0, sizeof *v);
	v->dev = d;
	err = find(v);
	if (err < 0)
		return sip_fail(d->server, err, "%s: no modern virtio device", d->info.addr);
	if ((err = map(v, &l->common, COMMON_END)) < 0 || (err = map(v, &l->notify, 2)) < 0 ||
	    (err = map(v, &l->isr, 1)) < 0 || (err = map(v, &l->config, 1)) < 0) {
		virtio_close(v);
		return sip_fail(d->server, err, "%s: registers", d->info.addr);
	}
	v->config_size = l->config.length;
	return 0;
}

void
virtio_close(struct virtio_device *v)
{
	for (unsigned i = 0; i < 6; i++)
		if (v->bar[i].dev)
			sip_dev_unmap(v->dev, &v->bar[i]);
}

/* --- negotiation [3.1.1] --------------------------------------------------------------------- */

/* A function that has gone reads as ones; one that could not be opened has no registers. */
static bool
gone(const struct virtio_device *v)
{
	return !common_bar(v)->dev || virtio_get_status(v) == UINT8_MAX;
}

int
virtio_reset(struct virtio_device *v)
{
	struct sip_patience p = sip_patience(VIRTIO_RESET_MS);

	if (gone(v))
		return -ENODEV;
	set_status(v, 0);
	for (unsigned looks = 0; virtio_get_status(v); looks++) { /* [4.1.4.3.2] */
		if (gone(v))
			return -ENODEV;
		if (sip_patience_over(&p))
			return -ETIMEDOUT;
		if (looks >= SPIN_LOOKS)
			os_sleep_ns(POLL_NS);
	}
	return 0;
}

static uint64_t
get_features(const struct virtio_device *v)
{
	uint64_t features = 0;

	for (unsigned half = 0; half < 2; half++) {
		set32(v, COMMON_DEVICE_FEATURE_SELECT, half);
		features |= (uint64_t)sip_read32(common_bar(v), common_at(v, COMMON_DEVICE_FEATURE))
			    << 32 * half;
	}
	return features;
}

int
virtio_negotiate(struct virtio_device *v, uint64_t wanted)
{
	/* ACCESS_PLATFORM: addresses are those that the bus has, which ours are [6.1]. */
	const uint64_t transport = VIRTIO_F(VIRTIO_VERSION_1) | VIRTIO_F(VIRTIO_ACCESS_PLATFORM) |
				   VIRTIO_F(VIRTIO_ORDER_PLATFORM);
	int err = virtio_reset(v);

	if (err < 0)
		return err;
	add_status(v, VIRTIO_ACKNOWLEDGE);
	add_status(v, VIRTIO_DRIVER);
	v->offered = get_features(v);
	v->features = v->offered & (wanted | transport);
	if (!virtio_has(v, VIRTIO_VERSION_1)) {
		virtio_fail(v);
		return -ENOTSUP;
	}
	for (unsigned half = 0; half < 2; half++) {
		set32(v, COMMON_DRIVER_FEATURE_SELECT, half);
		set32(v, COMMON_DRIVER_FEATURE, (uint32_t)(v->features >> 32 * half));
	}
	add_status(v, VIRTIO_FEATURES_OK);
	if (!(virtio_get_status(v) & VIRTIO_FEATURES_OK)) {
		virtio_fail(v);
		return -ENOTSUP;
	}
	v->nqueues = get16(v, COMMON_NUM_QUEUES);
	return 0;
}

void
virtio_driver_ok(struct virtio_device *v)
{
	add_status(v, VIRTIO_DRIVER_OK);
}

void
virtio_fail(struct virtio_device *v)
{
	if (!gone(v))
		add_status(v, VIRTIO_FAILED);
}

int
virtio_config_vector(struct virtio_device *v, unsigned vector)
{
	set16(v, COMMON_CONFIG_VECTOR, vector);
	return get16(v, COMMON_CONFIG_VECTOR) == vector ? 0 : -EBUSY; /* [4.1.5.1.2] */
}

/* --- queues [4.1.5.1.3] ---------------------------------------------------------------------- */

unsigned
virtio_queue_size(struct virtio_device *v, unsigned index)
{
	unsigned size;

	if (index >= v->nqueues)
		return 0;
	set16(v, COMMON_QUEUE_SELECT, index);
	size = get16(v, COMMON_QUEUE_SIZE);
	if (size > VIRTQ_MAX_SIZE)
		return VIRTQ_MAX_SIZE;
	return size & (size - 1) ? 0 : size;
}

int
virtio_queue_start(struct virtio_device *v, struct virtio_queue *q, unsigned index,
		   const struct virtq_shape *shape, unsigned vector)
{
	size_t bytes = virtq_bytes(shape);
	int64_t notify;
	int err;

	set16(v, COMMON_QUEUE_SELECT, index);
	notify = virtio_notify_at(&v->layout, get16(v, COMMON_QUEUE_NOTIFY_OFF));
	if (notify < 0 || shape->size > get16(v, COMMON_QUEUE_SIZE))
		return -EINVAL;
	if (q->dma.size < bytes) {
		sip_dma_free(v->dev, &q->dma);
		err = sip_dma_alloc(v->dev, bytes, QUEUE_ALIGN, &q->dma);
		if (err < 0)
			return err;
	}
	q->index = (uint16_t)index;
	q->notify = (uint64_t)notify;
	virtq_init(&q->ring, shape, q->dma.vaddr, q->dma.paddr);
	set16(v, COMMON_QUEUE_SIZE, shape->size);
	set16(v, COMMON_QUEUE_VECTOR, vector);
	if (get16(v, COMMON_QUEUE_VECTOR) != vector)
		return -EBUSY;
	set64(v, COMMON_QUEUE_DESC, q->ring.paddr);
	set64(v, COMMON_QUEUE_DRIVER, q->ring.paddr + q->ring.avail);
	set64(v, COMMON_QUEUE_DEVICE, q->ring.paddr + q->ring.used);
	set16(v, COMMON_QUEUE_ENABLE, 1);
	return 0;
}

void
virtio_queue_free(struct virtio_device *v, struct virtio_queue *q)
{
	if (q->dma.vaddr)
		sip_dma_free(v->dev, &q->dma);
	memset(q, 0, sizeof *q);
}

/* --- the device's own configuration [2.5] ---------------------------------------------------- */

static void
copy_config(const struct virtio_device *v, uint8_t *out, size_t n)
{
	const struct sip_bar *bar = &v->bar[v->layout.config.bar];
	uint64_t at = v->layout.config.offset;
	size_t i = 0;

	/* Words for what is longer: its halves are of one moment by the generation [2.5.1]. */
	for (; i + 4 <= n; i += 4) {
		uint32_t word = sip_read32(bar, at + i);

		memcpy(out + i, &word, sizeof word);
	}
	for (; i < n; i++)
		out[i] = sip_read8(bar, at + i);
}

int
virtio_config(struct virtio_device *v, void *buf, size_t n)
{
	size_t there = n < v->config_size ? n : v->config_size;

	memset(buf, 0, n);
	if (there > CONFIG_MAX)
		there = CONFIG_MAX;
	for (unsigned i = 0; i < VIRTIO_CONFIG_TRIES; i++) {
		uint8_t generation = get8(v, COMMON_CONFIG_GENERATION);

		copy_config(v, buf, there);
		if (get8(v, COMMON_CONFIG_GENERATION) == generation)
			return 0;
	}
	return -EAGAIN;
}

void
virtio_config_set8(struct virtio_device *v, unsigned offset, uint8_t value)
{
	if (offset < v->config_size)
		sip_write8(&v->bar[v->layout.config.bar], v->layout.config.offset + offset, value);
}
