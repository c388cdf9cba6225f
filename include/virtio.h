/*
 * Virtio 1.x devices on PCI: where their registers are, negotiation, split virtqueues, and the
 * requests of the two kinds of disks.  Sections are those of VIRTIO 1.2.
 *
 * layout.c, ring.c, blk.c and scsi.c touch no hardware; device.c does, through sip.h.  Not here:
 * legacy devices (before 1.0), packed queues, resetting one queue alone.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dma_seg.h"
#include "sip.h"

enum { VIRTIO_VENDOR = 0x1af4, VIRTIO_SECTOR = 512 /* what a disk's sizes are counted in */ };

/* --- lib/virtio/layout.c: the capabilities of a function [4.1.4] ---------------------------- */

struct virtio_region {
	uint32_t offset, length; /* in the BAR; a length of 0: there is none */
	uint8_t bar;
};

struct virtio_layout {
	struct virtio_region common, notify, isr, config;
	uint32_t notify_multiplier;
};

/*
 * From n bytes of configuration space and the sizes of the memory BARs (0: none).  Of several
 * places for one structure the first that lies in its BAR counts.  -EINVAL, -ENODEV as pci_decode;
 * -ENOTSUP if it is no modern device: common, notify or isr structure missing.
 */
int virtio_layout(const uint8_t *config, size_t n, const uint64_t barsize[6],
		  struct virtio_layout *out);
/* Where queue number `offset` (queue_notify_off) is rung, in notify's BAR; -EINVAL: outside. */
int64_t virtio_notify_at(const struct virtio_layout *l, uint16_t offset);

/* --- lib/virtio/ring.c: a split virtqueue [2.7] --------------------------------------------- */

enum {
	VIRTQ_MAX_SIZE = 1024, /* entries; larger queues are used in part */
	VIRTQ_MAX_SLOTS = 256,
	VIRTQ_NO_SLOT = -1,
};

/*
 * A queue's entries belong to slots from the start: slot s has the `direct` descriptors from
 * s * direct on, and the table of `indirect` ones in which a longer list of memory goes.  So
 * there is no list of free descriptors, and what a device says is done is checked by a division.
 */
struct virtq_shape {
	uint16_t size;     /* entries, a power of 2 */
	uint16_t slots;    /* commands in flight; slots * direct <= size */
	uint16_t direct;   /* descriptors of a slot in the queue itself; at least 1 */
	uint16_t indirect; /* in its table; 0: there is none */
	uint16_t extra;    /* bytes of a slot for the driver, in the same memory */
	bool event_idx;    /* VIRTIO_F_EVENT_IDX was negotiated */
};

struct virtq {
	struct virtq_shape shape;
	uint8_t *mem;
	uint64_t paddr;
	size_t avail, used, extras, tables; /* offsets in mem */
	uint16_t added, published, taken;   /* indices, as the device's: modulo 2^16 */
	unsigned busy;                      /* slots in flight */
	bool broken;                        /* the device lied: nothing more is taken */
	uint64_t in_flight[VIRTQ_MAX_SLOTS / 64];
	uint64_t room[VIRTQ_MAX_SLOTS]; /* bytes of a slot's command, more cannot be written */
};

/*
 * A shape for a queue of `size` entries: as many slots as fit, at most `slots`, each for lists of
 * up to `chain` pieces of memory: in the queue itself where there is room, else in tables if
 * `indirect`.  chain is cut to what is possible: the result.
 */
unsigned
virtq_plan(struct virtq_shape *s, unsigned size, unsigned slots, unsigned chain, bool indirect);
size_t virtq_bytes(const struct virtq_shape *s);
/* mem: virtq_bytes, aligned to 4096, where the device sees paddr.  It is cleared. */
void virtq_init(struct virtq *q, const struct virtq_shape *s, void *mem, uint64_t paddr);
/* The slot's own bytes, and where the device finds them. */
void *virtq_extra(const struct virtq *q, unsigned slot);
uint64_t virtq_extra_at(const struct virtq *q, unsigned slot);
bool virtq_in_flight(const struct virtq *q, unsigned slot);
/* A slot that is not in flight, or VIRTQ_NO_SLOT. */
int virtq_free_slot(const struct virtq *q);

/* What a slot's command is made of: first what the device reads, then what it writes [2.7.4.2]. */
struct virtq_chain {
	struct virtq *q;
	uint8_t *desc;           /* the first descriptor */
	uint16_t slot, n, first; /* first: its number in the table that it is in */
	bool indirect;
};
/* pieces: how many there will be; at most virtq_plan's result, 1 at least. */
void virtq_begin(struct virtq *q, unsigned slot, unsigned pieces, struct virtq_chain *c);
void virtq_piece(struct virtq_chain *c, uint64_t paddr, uint64_t bytes, bool device_writes);
void virtq_end(struct virtq_chain *c); /* in the ring, but not yet for the device to see */
/* What was added is the device's; true: it wants to be told. */
bool virtq_publish(struct virtq *q);

/*
 * A slot that the device has done, and how many bytes it says it wrote.  -EAGAIN: no more;
 * -EPROTO: it said something impossible, and `broken` stays until virtq_init.
 */
int virtq_take(struct virtq *q, uint32_t *written);
/*
 * Asks for an interrupt when something more is done; true: something already is, and there may be
 * none for it.
 */
bool virtq_listen(struct virtq *q);

/* --- lib/virtio/device.c: the transport [3.1, 4.1] ------------------------------------------- */

enum {
	VIRTIO_RESET_MS = 2000, /* status reads 0 after a reset; QEMU's ends its commands first */
	VIRTIO_CONFIG_TRIES = 16,
	VIRTIO_NO_VECTOR = 0xffff,
};

#define VIRTIO_F(bit) (1ull << (bit))

enum virtio_feature { /* [6] */
		      VIRTIO_INDIRECT_DESC = 28,
		      VIRTIO_EVENT_IDX = 29,
		      VIRTIO_VERSION_1 = 32,
		      VIRTIO_ACCESS_PLATFORM = 33,
		      VIRTIO_ORDER_PLATFORM = 36,
};

enum virtio_status { /* [2.1] */
		     VIRTIO_ACKNOWLEDGE = 1,
		     VIRTIO_DRIVER = 2,
		     VIRTIO_DRIVER_OK = 4,
		     VIRTIO_FEATURES_OK = 8,
		     VIRTIO_NEEDS_RESET = 64,
		     VIRTIO_FAILED = 128,
};

struct virtio_device {
	struct sip_dev *dev;
	struct virtio_layout layout;
	struct sip_bar bar[6]; /* those in which something is */
	uint64_t offered, features;
	uint16_t nqueues;
	uint32_t config_size;
};

struct virtio_queue {
	struct virtq ring;
	struct sip_dma dma;
	uint16_t index;
	uint64_t notify; /* in the notify BAR */
};

/* Finds and maps the registers of an enabled function.  Logs why, if it fails. */
int virtio_open(struct virtio_device *v, struct sip_dev *d);
void virtio_close(struct virtio_device *v);
/* The device forgets everything, and does no more DMA: 0, -ETIMEDOUT, -ENODEV if it has gone. */
int virtio_reset(struct virtio_device *v);
/*
 * From a reset to FEATURES_OK with those of `wanted` that are offered, VERSION_1 and what the
 * transport needs.  -ENOTSUP: it is not modern, or does not take them.
 */
int virtio_negotiate(struct virtio_device *v, uint64_t wanted);
static inline bool
virtio_has(const struct virtio_device *v, unsigned feature)
{
	return v->features >> feature & 1;
}
/* The device's number of entries for a queue, a power of 2 of at most VIRTQ_MAX_SIZE; 0: none. */
unsigned virtio_queue_size(struct virtio_device *v, unsigned index);
/*
 * Gives a queue to the device; its memory is made at the first time and used again after a reset.
 * vector: a number of the MSI-X table, or VIRTIO_NO_VECTOR.  -EINVAL for what the device cannot be
 * right about, -EBUSY if it refuses the vector, -ENOMEM.
 */
int virtio_queue_start(struct virtio_device *v, struct virtio_queue *q, unsigned index,
		       const struct virtq_shape *shape, unsigned vector);
void virtio_queue_free(struct virtio_device *v, struct virtio_queue *q);
int virtio_config_vector(struct virtio_device *v, unsigned vector); /* -EBUSY: refused */
void virtio_driver_ok(struct virtio_device *v);
void virtio_fail(struct virtio_device *v); /* FAILED: the driver has given it up */
uint8_t virtio_get_status(const struct virtio_device *v);
/* Without MSI-X: what interrupts, which it ends.  1: a queue; 2: the configuration. */
uint8_t virtio_isr(const struct virtio_device *v);
/*
 * n bytes of the device's own configuration, all of one moment; what lies beyond its end is 0.
 * -EAGAIN if it never stands still.
 */
int virtio_config(struct virtio_device *v, void *buf, size_t n);
void virtio_config_set8(struct virtio_device *v, unsigned offset, uint8_t value);

static inline void
virtio_ring_bell(const struct virtio_device *v, const struct virtio_queue *q)
{
	sip_write16(&v->bar[v->layout.notify.bar], q->notify, q->index);
}

/* --- lib/virtio/blk.c: block devices [5.2] --------------------------------------------------- */

enum virtio_blk_feature { /* [5.2.3] */
			  VIRTIO_BLK_SIZE_MAX = 1,
			  VIRTIO_BLK_SEG_MAX = 2,
			  VIRTIO_BLK_GEOMETRY = 4,
			  VIRTIO_BLK_RO = 5,
			  VIRTIO_BLK_BLK_SIZE = 6,
			  VIRTIO_BLK_FLUSH = 9,
			  VIRTIO_BLK_TOPOLOGY = 10,
			  VIRTIO_BLK_CONFIG_WCE = 11,
			  VIRTIO_BLK_MQ = 12,
			  VIRTIO_BLK_DISCARD = 13,
			  VIRTIO_BLK_WRITE_ZEROES = 14,
};

enum virtio_blk_type { /* [5.2.6] */
		       VIRTIO_BLK_T_IN = 0,
		       VIRTIO_BLK_T_OUT = 1,
		       VIRTIO_BLK_T_FLUSH = 4,
		       VIRTIO_BLK_T_GET_ID = 8,
		       VIRTIO_BLK_T_DISCARD = 11,
		       VIRTIO_BLK_T_WRITE_ZEROES = 13,
};

enum {
	VIRTIO_BLK_CONFIG_SIZE = 57, /* what is behind that some devices answer with ones */
	VIRTIO_BLK_CONFIG_WRITEBACK = 32,
	VIRTIO_BLK_HEADER_SIZE = 16,
	VIRTIO_BLK_RANGE_SIZE = 16,
	VIRTIO_BLK_ID_SIZE = 20,
	VIRTIO_BLK_RANGE_UNMAP = 1,
	VIRTIO_BLK_S_OK = 0,
	VIRTIO_BLK_S_IOERR = 1,
	VIRTIO_BLK_S_UNSUPP = 2,
	VIRTIO_BLK_S_NONE = 0xff, /* not in the standard: what is there before the device writes */
};

struct virtio_blk_limits {
	uint64_t nsectors; /* logical, as are the counts below */
	uint32_t secsize, physsecsize;
	uint32_t size_max, seg_max; /* bytes of a piece; pieces; 0: not told */
	uint32_t cylinders, heads, sectors_per_track;
	uint16_t nqueues;         /* at least 1 */
	uint32_t discard_sectors; /* of one range; 0: cannot */
	uint32_t discard_ranges;  /* of a request; at least 1 */
	uint32_t discard_align;   /* sectors; at least 1 */
	uint32_t zeroes_sectors;  /* the same of writing zeroes */
	bool zeroes_unmap, writeback, flush, readonly;
};

/*
 * From the configuration and the negotiated features.  -ENOTSUP: sectors of a size that is no
 * power of 2 in 512..4096, or none at all.
 */
int virtio_blk_decode(const uint8_t config[VIRTIO_BLK_CONFIG_SIZE], uint64_t features,
		      struct virtio_blk_limits *out);
/* sector: in units of 512 bytes, as for the next. */
void virtio_blk_header(void *header, enum virtio_blk_type type, uint64_t sector);
void virtio_blk_range(void *range, uint64_t sector, uint32_t nsectors, uint32_t flags);
/* Of a status byte: 0, -EIO, -EOPNOTSUPP, or -EPROTO for what is none. */
int virtio_blk_errno(uint8_t status);

/* --- lib/virtio/scsi.c: SCSI hosts [5.6] ------------------------------------------------------ */

enum virtio_scsi_feature { /* [5.6.3] */
			   VIRTIO_SCSI_HOTPLUG = 1,
			   VIRTIO_SCSI_CHANGE = 2,
};

enum {
	VIRTIO_SCSI_CONFIG_SIZE = 36,
	VIRTIO_SCSI_SENSE_OFFSET = 20,
	VIRTIO_SCSI_CDB_OFFSET = 24,
	VIRTIO_SCSI_CDB_MAX = 32,
	VIRTIO_SCSI_SENSE_MAX = 96,
	VIRTIO_SCSI_COMMAND_SIZE = 19 + VIRTIO_SCSI_CDB_MAX,
	VIRTIO_SCSI_ANSWER_SIZE = 12 + VIRTIO_SCSI_SENSE_MAX,
	VIRTIO_SCSI_TASK_SIZE = 24,
	VIRTIO_SCSI_TASK_ANSWER_SIZE = 1,
	VIRTIO_SCSI_EVENT_SIZE = 16,
	VIRTIO_SCSI_CONTROL_QUEUE = 0, /* [5.6.2] */
	VIRTIO_SCSI_EVENT_QUEUE = 1,
	VIRTIO_SCSI_FIRST_QUEUE = 2,
	VIRTIO_SCSI_TARGETS = 256,
	VIRTIO_SCSI_LUNS = 16384,
};

struct virtio_scsi_limits {
	uint16_t nqueues; /* for requests; at least 1 */
	uint32_t seg_max; /* pieces; at least 1 */
	uint32_t max_sectors, cmd_per_lun;
	uint16_t ntargets;
	uint32_t nluns;
};

enum virtio_scsi_response { /* [5.6.6.1.1] */
			    VIRTIO_SCSI_OK = 0,
			    VIRTIO_SCSI_OVERRUN = 1,
			    VIRTIO_SCSI_ABORTED = 2,
			    VIRTIO_SCSI_BAD_TARGET = 3,
			    VIRTIO_SCSI_RESET = 4,
			    VIRTIO_SCSI_BUSY = 5,
			    VIRTIO_SCSI_TRANSPORT_FAILURE = 6,
			    VIRTIO_SCSI_TARGET_FAILURE = 7,
			    VIRTIO_SCSI_NEXUS_FAILURE = 8,
			    VIRTIO_SCSI_FAILURE = 9,
			    VIRTIO_SCSI_FUNCTION_SUCCEEDED = 10,
			    VIRTIO_SCSI_FUNCTION_REJECTED = 11,
			    VIRTIO_SCSI_INCORRECT_LUN = 12,
			    VIRTIO_SCSI_NONE = 0xff, /* not in the standard: not written yet */
};

enum virtio_scsi_task { /* [5.6.6.2] */
			VIRTIO_SCSI_ABORT_TASK = 0,
			VIRTIO_SCSI_LUN_RESET = 5,
};

struct virtio_scsi_address {
	uint8_t target;
	uint16_t lun;
};

struct virtio_scsi_answer {
	enum virtio_scsi_response response;
	uint8_t status;    /* SCSI's; only when the response is OK */
	uint32_t residual; /* bytes that were not moved */
	uint8_t sense_bytes, sense[VIRTIO_SCSI_SENSE_MAX];
};

enum virtio_scsi_event_kind {
	VIRTIO_SCSI_EVENT_NONE,
	VIRTIO_SCSI_EVENT_CAME, /* a unit is there, or was reset */
	VIRTIO_SCSI_EVENT_GONE,
	VIRTIO_SCSI_EVENT_CHANGED, /* its parameters have: capacity, medium */
};

struct virtio_scsi_event {
	enum virtio_scsi_event_kind kind;
	bool missed; /* others were lost: look at everything */
	struct virtio_scsi_address at;
	uint8_t asc, ascq; /* of a change */
};

/* -ENOTSUP: a device whose commands or sense data have another size than was asked for. */
int
virtio_scsi_decode(const uint8_t config[VIRTIO_SCSI_CONFIG_SIZE], struct virtio_scsi_limits *out);
/* n: bytes of the command, at most VIRTIO_SCSI_CDB_MAX. */
void virtio_scsi_command(void *out, struct virtio_scsi_address at, uint64_t id, const uint8_t *cdb,
			 unsigned n);
void virtio_scsi_answer(const void *in, struct virtio_scsi_answer *out);
void
virtio_scsi_task(void *out, enum virtio_scsi_task task, struct virtio_scsi_address at, uint64_t id);
void virtio_scsi_event(const void *in, struct virtio_scsi_event *out);
/* 0 for OK, else a negative errno and a name. */
int virtio_scsi_errno(enum virtio_scsi_response r);
const char *virtio_scsi_response_name(enum virtio_scsi_response r);
