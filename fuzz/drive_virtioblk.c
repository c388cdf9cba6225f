/*
 * The driver of virtio block devices on a device that says anything: fuzz/device/virtio_device.h.
 * The input's third byte chooses what the disk can; then come lies, and what the driver is asked.
 */
#include "device/virtio_device.h"
#include "drv/virtioblk/virtioblk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t
command(struct virtio_fuzz *v, unsigned queue, const struct piece *piece, unsigned n)
{
	uint32_t len = 0;

	(void)queue;
	device_check(n >= 2 && piece[0].n == VIRTIO_BLK_HEADER_SIZE && !piece[0].written);
	device_check(piece[n - 1].n == 1 && piece[n - 1].written);
	for (unsigned i = 1; i < n; i++)
		if (piece[i].written) {
			len += piece[i].n;
			for (unsigned at = 0; at < piece[i].n && at < VIRTIO_BLK_ID_SIZE; at++)
				piece[i].p[at] = (uint8_t)device_lie(&v->d, 'x', 1);
		}
	*piece[n - 1].p = (uint8_t)device_lie(&v->d, VIRTIO_BLK_S_OK, 1);
	return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_fuzz v = { .command = command };
	uint64_t sectors = 5000;
	uint32_t size_max = 1 << 16, seg_max = 126, blk_size = 512, discard[3] = { 100, 8, 1 };
	uint16_t queues = 4;

	if (size < 3)
		return 0;
	memcpy(v.config, &sectors, 8);
	memcpy(v.config + 8, &size_max, 4);
	memcpy(v.config + 12, &seg_max, 4);
	memcpy(v.config + 20, &blk_size, 4);
	memcpy(v.config + 34, &queues, 2);
	memcpy(v.config + 36, discard, 12);
	memcpy(v.config + 48, discard, 8);
	v.features = VIRTIO_F(VIRTIO_BLK_BLK_SIZE);
	for (unsigned i = 0; i < 8; i++) {
		static const unsigned bits[] = { VIRTIO_BLK_SIZE_MAX, VIRTIO_BLK_SEG_MAX,
						 VIRTIO_BLK_FLUSH,    VIRTIO_BLK_MQ,
						 VIRTIO_BLK_DISCARD,  VIRTIO_BLK_WRITE_ZEROES,
						 VIRTIO_BLK_TOPOLOGY, VIRTIO_BLK_CONFIG_WCE };

		if (data[2] >> i & 1)
			v.features |= VIRTIO_F(bits[i]);
	}
	virtio_fuzz_run(&v, &vblk_driver_ops, data, size);
	return 0;
}
