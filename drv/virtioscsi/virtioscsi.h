/*
 * The driver's own structures; see main.c for the whole.
 */
#pragma once
#include "ata.h"
#include "atapi.h"
#include "drive_smart.h"
#include "scsi.h"
#include "virtio_drive.h"

enum { /* the driver's bytes of a slot */
       VSCSI_COMMAND = 0,
       VSCSI_ANSWER = 64,
       VSCSI_EXTRA = 192,

       VSCSI_DATA_PIECES = 254,
       VSCSI_ASK_BYTES = 1024, /* of an answer to the driver's own commands */
       VSCSI_ASK_MS = 5000,
       VSCSI_TASK_MS = 2000,   /* for task management, and for what it aborts to end */
       VSCSI_ATTENTIONS = 8,   /* of a unit, one after the other */
       VSCSI_EVENTS = 16,      /* buffers for them */
       VSCSI_UNITS = 64,       /* of a target, at most; also BLK_MAX_DISKS */
       VSCSI_MAX_RANGES = 256, /* of an UNMAP */
};

_Static_assert(VSCSI_COMMAND + VIRTIO_SCSI_COMMAND_SIZE <= VSCSI_ANSWER, "a slot's bytes");
_Static_assert(VSCSI_ANSWER + VIRTIO_SCSI_ANSWER_SIZE <= VSCSI_EXTRA, "a slot's bytes");

struct vscsi {
	struct virtio_drive d; /* first */
	struct virtio_scsi_limits limits;
	struct virtio_queue control, events;        /* the keeper's; news_lock's */
	uint64_t strange[VIRTIO_SCSI_TARGETS / 64]; /* targets of which it was told; the keeper's */
	struct sip_dma scratch; /* VSCSI_ASK_BYTES for each slot of the first queue */

	pthread_mutex_t news_lock;               /* all below */
	uint64_t news[VIRTIO_SCSI_TARGETS / 64]; /* targets to be looked at */
	bool all;                                /* all of them */
	bool told; /* there is something in news: else nobody knows why, and all are looked at */
	bool live; /* the event queue is the device's */
};

struct vscsi_health {
	_Atomic uint64_t asked_ns; /* 0: never */
	pthread_mutex_t lock;      /* of told */
	struct scsi_health told;
};

struct vscsi_unit {            /* drive_disk.priv */
	atomic_bool was_reset; /* by us, and nobody was told it */
	struct virtio_scsi_address at;
	struct scsi_capacity capacity;
	uint64_t wwn;
	bool writeback;
	bool same_unmaps; /* WRITE SAME may be told to unmap */
	/* An optical drive's: sense data that came with a command, until it is asked for. */
	uint8_t sense_bytes, sense[ATAPI_SENSE_SIZE];
	struct vscsi_health health; /* a disk's */
};

static inline struct vscsi *
vscsi_of(struct drive_port *p)
{
	return (struct vscsi *)virtio_drive_of(p);
}

/* Of a command, among all in flight [5.6.6.1]. */
static inline uint64_t
vscsi_id(const struct virtio_drive_queue *q, unsigned slot)
{
	return (uint64_t)q->q.index << 16 | slot;
}

/* A command of the driver's own, that gets at most VSCSI_ASK_BYTES. */
struct vscsi_ask {
	struct virtio_scsi_address at;
	uint8_t cdb[SCSI_CDB_MAX];
	unsigned cdb_bytes;
	uint32_t bytes; /* of data */

	unsigned slot;
	const uint8_t *data; /* of the answer: valid until the slot's next use */
	uint32_t moved;
	struct virtio_scsi_answer answer;
	struct atapi_sense sense;
};

/* host.c */
extern const struct sip_driver_ops vscsi_driver_ops;

/* command.c */
int vscsi_build(struct drive_queue *q, struct blk_io *io, unsigned tag);
void vscsi_ended(struct virtio_drive_queue *q, unsigned tag, uint32_t written);
/* Puts it into its slot; with the queue's lock. */
void vscsi_ask_put(struct vscsi *s, struct vscsi_ask *a);
/* 0: GOOD.  -EAGAIN: unit attention; -ETIMEDOUT, -EPROTO: the device must be reset. */
int vscsi_ask_end(struct vscsi *s, struct vscsi_ask *a);
/* In the keeper's slot, and again after a unit attention. */
int vscsi_ask(struct vscsi *s, struct vscsi_ask *a);

/* packet.c: a client's command to a disk */
unsigned vscsi_packet_build(const struct blk_io *io, uint8_t cdb[SCSI_CDB_MAX]);
/* It was answered.  True: the unit must be looked at. */
bool vscsi_packet_ended(struct blk_io *io, const struct virtio_scsi_answer *a);
int vscsi_packet(struct drive_disk *d, struct blk_packet *p);
/* `standby`, else -EINVAL. */
int vscsi_command(struct drive_disk *d, const char *text);
/* The same, but waits no longer than that: -EAGAIN; 0: for ever. */
int vscsi_packet_within(struct drive_disk *d, struct blk_packet *p, unsigned wait_ms);

/* health.c */
void vscsi_health_init(struct vscsi_health *h);
/*
 * What is known; if that is older than DRIVE_SMART_AGE_MS the disk is asked, for DRIVE_SMART_MS at
 * most each time.  The length, less than n.
 */
size_t vscsi_health_text(struct drive_disk *d, char *buf, size_t n);

/* task.c */
enum drive_verdict vscsi_diagnose(struct drive_port *p, struct drive_blame *b);

/* Targets to be looked at: one, or all. */
void vscsi_news(struct vscsi *s, uint8_t target);
void vscsi_news_all(struct vscsi *s);

/* units.c; each in the keeper's thread */
/* Finds all units, in `probe`.  A negative errno: the device must be reset. */
int vscsi_find_all(struct vscsi *s);
void vscsi_changed(struct drive_port *p);

/* text.c */
/* The number in its name, or -ERANGE. */
int vscsi_number(const struct vscsi *s, struct virtio_scsi_address at);
size_t vscsi_describe(struct drive_disk *d, char *buf, size_t n);
