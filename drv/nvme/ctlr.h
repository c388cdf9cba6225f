/*
 * The NVMe driver's own structures; see main.c for the whole, and for the locks.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "drive.h"
#include "nvme.h"
#include "sip.h"

enum {
	NVME_QUEUES_MAX = 16,
	NVME_ENTRIES = 64,        /* of an I/O queue, where the controller has so many */
	NVME_ADMIN_ENTRIES = 16,  /* at least 2; more than NVME_EVENTS and one */
	NVME_EVENTS = 2,          /* requests for events that wait at the controller */
	NVME_EVENTS_LIMIT = 1000, /* between two resets; after that none is asked for */
	NVME_NAMESPACES_MAX = 32, /* the highest number that is shown */
	NVME_PAGE_SHIFT_MAX = 4,  /* CAP.MPSMIN: 64 KiB */
	NVME_LIST_ENTRIES = BLK_IO_MAX / NVME_PAGE, /* PRPs of a command behind the first */
	NVME_LIST_SIZE = NVME_LIST_ENTRIES * 8,
	NVME_SGL_ENTRIES = NVME_LIST_SIZE / NVME_SGL_SIZE, /* in the same memory */
	NVME_DISCARD_SECTORS = 1 << 22,

	NVME_ADMIN_MS = 5000,
	NVME_HEALTH_MS = 30000,   /* what is known of it may be so old */
	NVME_READY_UNIT_MS = 500, /* of CAP.TO [3.1.1] */
	NVME_SHUTDOWN_MS = 5000,  /* where the controller does not tell */
	NVME_SHUTDOWN_MAX_MS = 30000,
};

_Static_assert(NVME_PAGE % NVME_LIST_SIZE == 0, "a PRP list may not cross a page");

struct nvme_ctlr;

struct nvme_queue {
	struct drive_queue q; /* first; its lock is the ring's */
	struct nvme_ctlr *ctlr;
	struct nvme_ring ring;
	struct sip_dma dma;
	unsigned vector;
	uint8_t *lists; /* of PRPs or SGL descriptors, by tag */
	uint64_t sq_paddr, cq_paddr, lists_paddr;
};

struct nvme_vector { /* and the queues that it is for */
	struct sip_irq irq;
	struct nvme_ctlr *ctlr;
	unsigned index;
};

struct nvme_disk { /* drive_disk.priv */
	uint32_t nsid;
	struct nvme_namespace ns;
};

struct nvme_ctlr {
	struct drive_ctlr d; /* first */
	struct drive_port port;
	struct sip_bar bar;
	uint32_t cap, caph; /* CAP, its halves */
	uint32_t page;
	unsigned nqueues;        /* of `queue` */
	_Atomic unsigned active; /* that the controller has given */
	struct nvme_queue queue[NVME_QUEUES_MAX];
	_Atomic unsigned next; /* for the next thread */
	unsigned nvectors;
	struct nvme_vector vector[NVME_QUEUES_MAX + 1];
	struct nvme_identity id;                      /* changes only while EMPTY */
	struct drive_disk *disk[NVME_NAMESPACES_MAX]; /* the keeper's */
	struct drive_queue *aborted;                  /* the keeper's: the last one, and its tag */
	unsigned aborted_tag;
	_Atomic uint64_t asked_ns; /* for SMART */

	pthread_mutex_t turn; /* one admin command at a time; taken before admin_lock */
	struct sip_dma admin_dma;
	pthread_mutex_t admin_lock; /* all below */
	struct nvme_ring admin;
	bool dead; /* disabled, or one was not answered: its page is the device's until a reset */
	unsigned life; /* a reset begins another */
	uint16_t cid;
	bool answered;
	struct nvme_completion answer;
	unsigned nevents, events_seen; /* requests that wait */
	uint32_t logs;                 /* that are to be read: bits */
	bool smart_known;
	struct nvme_smart smart; /* as last asked for */
};

static inline struct nvme_ctlr *
nvme_of(struct drive_port *p)
{
	return (struct nvme_ctlr *)p->ctlr;
}

/* A doorbell of queue pair qid: the tail of its commands, or the head of its completions. */
static inline void
nvme_tell(const struct nvme_ctlr *c, unsigned qid, bool completion, unsigned v)
{
	sip_write32(&c->bar, nvme_doorbell(qid, completion, NVME_CAPH_DSTRD_get(c->caph)), v);
}

/* ctlr.c: registers, the admin queue, attach and detach */
extern const struct sip_driver_ops nvme_driver_ops;
/* 0, -ENODEV, -EIO, -ETIMEDOUT.  After it no command is carried out any more. */
int nvme_disable(struct nvme_ctlr *c);
int nvme_enable(struct nvme_ctlr *c); /* from disabled; its admin queue works */
void nvme_shutdown(struct nvme_ctlr *c);
bool nvme_present(struct drive_port *p);

/* admin.c */
void nvme_admin_init(struct nvme_ctlr *c); /* its registers too; the controller is disabled */
/* From now on there are commands; or none, and one that waits fails with EIO. */
void nvme_admin_works(struct nvme_ctlr *c, bool works);
/*
 * One admin command, which may sleep for NVME_ADMIN_MS: 0, -ETIMEDOUT, or what the controller said.
 * buf: where the first n bytes of the page go that the command reads, or NULL; result may be NULL.
 */
int nvme_admin(struct nvme_ctlr *c, struct nvme_command cmd, void *buf, size_t n, uint32_t *result);
void nvme_admin_interrupt(struct nvme_ctlr *c);
/* The log is read by the keeper. */
void nvme_log_wanted(struct nvme_ctlr *c, unsigned log);
/* The logs that are to be read, as bits; and asks for more events. */
uint32_t nvme_take_events(struct nvme_ctlr *c);
void nvme_want_events(struct nvme_ctlr *c);

/* queue.c: commands in flight */
int nvme_queue_init(struct nvme_ctlr *c, struct nvme_queue *q);
int nvme_build(struct drive_queue *q, struct blk_io *io, unsigned tag);
void nvme_ring_bell(struct drive_queue *q);
void nvme_reap(struct drive_queue *q);
struct drive_queue *nvme_pick(struct drive_disk *d, const struct blk_io *io);

/* recover.c: what the keeper does */
extern const struct drive_ops nvme_ops;

/* namespace.c: name spaces as disks */
/* Those that are there become disks, those that are not any more go; shown: the port is READY. */
int nvme_scan(struct nvme_ctlr *c, bool show);

/* text.c */
size_t nvme_describe(struct drive_disk *d, char *buf, size_t n);
void nvme_ask_health(struct nvme_ctlr *c);
