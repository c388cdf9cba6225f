/*
 * Where a function's virtio structures are [VIRTIO 1.2, 4.1.4].  Configuration space is the
 * device's and may say anything: what does not lie in a memory BAR is passed over, as are kinds
 * that this does not know.
 */
#include <errno.h>
#include <string.h>
#include "pci.h"
#include "virtio.h"

enum {
	CAP_LEN = 2,
	CAP_CFG_TYPE = 3,
	CAP_BAR = 4,
	CAP_OFFSET = 8,
	CAP_LENGTH = 12,
	CAP_SIZE = 16,
	CAP_MULTIPLIER = 16,
	CAP_NOTIFY_SIZE = 20,
	TYPE_COMMON = 1,
	TYPE_NOTIFY = 2,
	TYPE_ISR = 3,
	TYPE_DEVICE = 4,
	COMMON_SIZE = 0x38, /* up to queue_device [4.1.4.3] */
	NOTIFY_WIDTH = 2,
};

static uint32_t
get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static bool
decode(const uint8_t *cap, const uint64_t barsize[6], struct virtio_region *r)
{
	r->bar = cap[CAP_BAR];
	r->offset = get32(cap + CAP_OFFSET);
	r->length = get32(cap + CAP_LENGTH);
	return r->bar < PCI_NBARS && r->length && r->offset < barsize[r->bar] &&
	       r->length <= barsize[r->bar] - r->offset;
}

static void
take(const uint8_t *cap, unsigned room, const uint64_t barsize[6], struct virtio_layout *out)
{
	struct virtio_region r;

	if (cap[CAP_LEN] < CAP_SIZE || room < CAP_SIZE || !decode(cap, barsize, &r))
		return;
	switch (cap[CAP_CFG_TYPE]) {
	case TYPE_COMMON:
		if (!out->common.length && r.length >= COMMON_SIZE && r.offset % 4 == 0)
			out->common = r;
		break;
	case TYPE_NOTIFY:
		if (out->notify.length || cap[CAP_LEN] < CAP_NOTIFY_SIZE ||
		    room < CAP_NOTIFY_SIZE || r.length < NOTIFY_WIDTH || r.offset % 2)
			break;
		out->notify = r;
		out->notify_multiplier = get32(cap + CAP_MULTIPLIER);
		break;
	case TYPE_ISR:
		if (!out->isr.length)
			out->isr = r;
		break;
	case TYPE_DEVICE:
		if (!out->config.length && r.offset % 4 == 0)
			out->config = r;
		break;
	}
}

int
virtio_layout(const uint8_t *config, size_t n, const uint64_t barsize[6], struct virtio_layout *out)
{
	struct pci_config pci;
	int err = pci_decode(config, n, &pci);

	memset(out, 0, sizeof *out);
	if (err < 0 && err != -ELOOP) /* a list that ends badly began well */
		return err;
	if (n > PCI_CONFIG_SIZE)
		n = PCI_CONFIG_SIZE;
	for (unsigned i = 0; i < pci.ncaps; i++)
		if (pci.cap[i].id == PCI_CAP_VENDOR)
			take(config + pci.cap[i].offset, (unsigned)n - pci.cap[i].offset, barsize,
			     out);
	return out->common.length && out->notify.length && out->isr.length ? 0 : -ENOTSUP;
}

int64_t
virtio_notify_at(const struct virtio_layout *l, uint16_t offset)
{
	uint64_t at = (uint64_t)offset * l->notify_multiplier; /* [4.1.4.4] */

	if (at % NOTIFY_WIDTH || at > l->notify.length - NOTIFY_WIDTH)
		return -EINVAL;
	return (int64_t)(l->notify.offset + at);
}
