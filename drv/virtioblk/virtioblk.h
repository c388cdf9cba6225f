/*
 * The driver's own structures; see main.c.
 */
#pragma once
#include "virtio_drive.h"

enum { /* the driver's bytes of a slot */
       VBLK_HEADER = 0,
       VBLK_STATUS = VIRTIO_BLK_HEADER_SIZE,
       VBLK_ID = 32,
       VBLK_EXTRA = 64,
       VBLK_DATA_PIECES = 254, /* of a command: 1 MiB of pages nearly */
       VBLK_MAX_RANGES = 256,  /* of a discard */
};

_Static_assert(VBLK_ID + VIRTIO_BLK_ID_SIZE <= VBLK_EXTRA, "a slot's bytes");

struct vblk {
	struct virtio_drive d;           /* first */
	struct virtio_blk_limits limits; /* as of the last reset or change */
};

struct vblk_disk { /* drive_disk.priv */
	struct virtio_blk_limits limits;
	bool zeroes; /* discards are written as zeroes that may unmap */
};

/* disk.c */
extern const struct sip_driver_ops vblk_driver_ops;
/* Writes the command into its slot. */
int vblk_build(struct drive_queue *q, struct blk_io *io, unsigned tag);
