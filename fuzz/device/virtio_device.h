/*
 * A virtio device for drive_virtio*.c: its registers, and its side of the queues [VIRTIO 1.2, 2.7,
 * 4.1].  It takes what the driver has put there, looks whether it was given each address,
 * and answers; what it answers goes through device_lie.
 */
#pragma once
#include "device.h"
#include "virtio.h"

enum { VIRTIO_FUZZ_QUEUES = 8, VIRTIO_FUZZ_PIECES = 1024, VIRTIO_FUZZ_CONFIG = 64 };

struct piece {
	uint8_t *p;
	uint32_t n;
	bool written; /* the device's to write */
};

struct virtio_fuzz {
	struct device d; /* first */
	uint64_t features;
	uint8_t config[VIRTIO_FUZZ_CONFIG];
	/* Carries out a command: how many bytes were written; UINT32_MAX: later, perhaps. */
	uint32_t (*command)(struct virtio_fuzz *v, unsigned queue, const struct piece *piece,
			    unsigned n);

	struct virtio_fuzz_queue {
		uint16_t size, vector, enable;
		uint64_t desc, avail, used;
		uint16_t seen, done;
	} queue[VIRTIO_FUZZ_QUEUES];
	uint16_t select, queue_size;
	uint8_t status;
	uint32_t feature_select;
};

/* features, config and command are set; the input, of 3 bytes and more, begins with what it is. */
void virtio_fuzz_run(struct virtio_fuzz *v, const struct sip_driver_ops *driver,
		     const uint8_t *data, size_t size);
