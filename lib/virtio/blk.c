/*
 * Block devices: what the configuration says, and requests [VIRTIO 1.2, 5.2].
 */
#include <errno.h>
#include <string.h>
#include "virtio.h"

enum { /* offsets in the configuration [5.2.4] */
       CONFIG_CAPACITY = 0,
       CONFIG_SIZE_MAX = 8,
       CONFIG_SEG_MAX = 12,
       CONFIG_CYLINDERS = 16,
       CONFIG_HEADS = 18,
       CONFIG_SECTORS = 19,
       CONFIG_BLK_SIZE = 20,
       CONFIG_PHYSICAL_EXP = 24,
       CONFIG_NUM_QUEUES = 34,
       CONFIG_MAX_DISCARD_SECTORS = 36,
       CONFIG_MAX_DISCARD_SEG = 40,
       CONFIG_DISCARD_ALIGNMENT = 44,
       CONFIG_MAX_ZEROES_SECTORS = 48,
       CONFIG_ZEROES_MAY_UNMAP = 56,
       SECTOR_MAX = 4096,
       EXP_MAX = 12, /* a physical block of more is not believed */
};

struct header {
	uint32_t type, reserved;
	uint64_t sector;
};
_Static_assert(sizeof(struct header) == VIRTIO_BLK_HEADER_SIZE, "[5.2.6]");

struct range {
	uint64_t sector;
	uint32_t nsectors, flags;
};
_Static_assert(sizeof(struct range) == VIRTIO_BLK_RANGE_SIZE, "[5.2.6]");

static uint64_t
get(const uint8_t *config, unsigned at, unsigned bytes)
{
	uint64_t v = 0;

	memcpy(&v, config + at, bytes);
	return v;
}

static bool
has(uint64_t features, unsigned feature)
{
	return features >> feature & 1;
}

static void
decode_geometry(const uint8_t *c, struct virtio_blk_limits *out)
{
	out->cylinders = (uint32_t)get(c, CONFIG_CYLINDERS, 2);
	out->heads = c[CONFIG_HEADS];
	out->sectors_per_track = c[CONFIG_SECTORS];
}

/* Counts are of 512 bytes there, and of sectors here. */
static void
decode_ranges(const uint8_t *c, uint64_t features, struct virtio_blk_limits *out)
{
	uint32_t unit = out->secsize / VIRTIO_SECTOR;

	out->discard_align = out->discard_ranges = 1;
	if (has(features, VIRTIO_BLK_DISCARD)) {
		uint32_t align = (uint32_t)get(c, CONFIG_DISCARD_ALIGNMENT, 4);

		out->discard_sectors = (uint32_t)get(c, CONFIG_MAX_DISCARD_SECTORS, 4) / unit;
		if (align > unit)
			out->discard_align = align / unit;
		if (get(c, CONFIG_MAX_DISCARD_SEG, 4) > 1)
			out->discard_ranges = (uint32_t)get(c, CONFIG_MAX_DISCARD_SEG, 4);
	}
	if (has(features, VIRTIO_BLK_WRITE_ZEROES)) {
		out->zeroes_sectors = (uint32_t)get(c, CONFIG_MAX_ZEROES_SECTORS, 4) / unit;
		out->zeroes_unmap = c[CONFIG_ZEROES_MAY_UNMAP] == 1;
	}
}

int
virtio_blk_decode(const uint8_t config[VIRTIO_BLK_CONFIG_SIZE], uint64_t features,
		  struct virtio_blk_limits *out)
{
	uint32_t exp = 0;

	memset(out, 0, sizeof *out);
	out->secsize = VIRTIO_SECTOR;
	if (has(features, VIRTIO_BLK_BLK_SIZE))
		out->secsize = (uint32_t)get(config, CONFIG_BLK_SIZE, 4);
	if (out->secsize < VIRTIO_SECTOR || out->secsize > SECTOR_MAX ||
	    (out->secsize & (out->secsize - 1)))
		return -ENOTSUP;
	out->nsectors = get(config, CONFIG_CAPACITY, 8) / (out->secsize / VIRTIO_SECTOR);
	if (!out->nsectors || out->nsectors > INT64_MAX / out->secsize)
		return -ENOTSUP;
	if (has(features, VIRTIO_BLK_TOPOLOGY) && config[CONFIG_PHYSICAL_EXP] <= EXP_MAX)
		exp = config[CONFIG_PHYSICAL_EXP];
	out->physsecsize = out->secsize << exp;
	if (has(features, VIRTIO_BLK_SIZE_MAX))
		out->size_max = (uint32_t)get(config, CONFIG_SIZE_MAX, 4);
	if (has(features, VIRTIO_BLK_SEG_MAX))
		out->seg_max = (uint32_t)get(config, CONFIG_SEG_MAX, 4);
	if (has(features, VIRTIO_BLK_GEOMETRY))
		decode_geometry(config, out);
	out->nqueues = 1;
	if (has(features, VIRTIO_BLK_MQ) && get(config, CONFIG_NUM_QUEUES, 2) > 1)
		out->nqueues = (uint16_t)get(config, CONFIG_NUM_QUEUES, 2);
	decode_ranges(config, features, out);
	out->flush = has(features, VIRTIO_BLK_FLUSH);
	out->readonly = has(features, VIRTIO_BLK_RO);
	/* [5.2.5.2]: without CONFIG_WCE, a device that can flush has a cache. */
	out->writeback = has(features, VIRTIO_BLK_CONFIG_WCE)
				 ? config[VIRTIO_BLK_CONFIG_WRITEBACK] & 1
				 : out->flush;
	return 0;
}

void
virtio_blk_header(void *header, enum virtio_blk_type type, uint64_t sector)
{
	struct header h = { .type = type, .sector = sector };

	memcpy(header, &h, sizeof h);
}

void
virtio_blk_range(void *range, uint64_t sector, uint32_t nsectors, uint32_t flags)
{
	struct range r = { sector, nsectors, flags };

	memcpy(range, &r, sizeof r);
}

int
virtio_blk_errno(uint8_t status)
{
	switch (status) {
	case VIRTIO_BLK_S_OK: return 0;
	case VIRTIO_BLK_S_IOERR: return -EIO;
	case VIRTIO_BLK_S_UNSUPP: return -EOPNOTSUPP;
	}
	return -EPROTO;
}
