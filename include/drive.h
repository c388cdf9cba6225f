/*
 * Drives: everything that a driver of disks does between lib/blk and its registers.
 *
 *	ctlr	a controller: one PCI function; the keeper thread, memory for requests
 *	port	what fails, is reset and comes back as a whole: an AHCI port, an IDE channel, an
 *		NVMe controller, a virtio device; it is EMPTY, READY or BROKEN
 *	queue	where its hardware takes commands from, with tags: a port's slots, an NVMe queue
 *		pair, a virtqueue; an IDE channel is one of depth 1
 *	disk	what lib/blk shows, behind a port: one, or several that share its queues (IDE's two,
 *		NVMe's name spaces, SCSI's units)
 *
 * A driver embeds drive_ctlr, drive_port and drive_queue in its own structures, fills in a table
 * (drive_ops), and from its interrupt calls drive_reap, drive_break, drive_change.  It never keeps
 * a list of commands, a timer, a retry or a thread of its own.  Its program is
 *
 *	.server = &drive_server_ops, .p9 = &blk_p9_ops, .driver = &its own attach and detach
 *
 *	attach:	make ctlr, drive_ctlr_init; map, reset; bus mastering on; drive_port_init and
 *		drive_queue_init; drive_ctlr_start; interrupts; drive_port_start for each port,
 *		which lets the keeper `probe` it.  The program's start waits for the disks, for
 *		DRIVE_START_MS.
 *	detach:	drive_ctlr_stop; reset the device; drive_ctlr_fini
 *
 * The way of a command:
 *
 *	drive_submit	waits if it must: no tag is free, it or another must run alone, or the port
 *			is not READY
 *	build, ring	into the tag's slot; then, once for all that were built, the doorbell
 *	reap		drive_end or drive_fail for each tag that has ended, and the next are sent
 *
 * Waiting commands are of clients (blk_io.client), which take turns; a command that must run alone
 * (queue.alone_kinds) is never overtaken, and overtakes none.  Waiting discards of one disk are
 * sent as one command, if it can (disk.ranges): the others hang on blk_io.chain.
 *
 * When a command fails by itself (drive_fail), it alone is tried again, DRIVE_TRIES times; but not
 * a flush, of which the first failure is told: the device may have dropped what it could not write,
 * and would then say of another that it went well.  When
 * the port as a whole stops (drive_break, or a command is over its time), the keeper asks
 * `diagnose`, lets `restart` bring it back, and sends all that was in flight again: if one is known
 * to be to blame, that one uses up a try; if not, all are sent one at a time, and the one that
 * fails alone is to blame.  So whoever waits gets an answer within DRIVE_TRIES deadlines, and
 * nobody fails for a neighbour.  The clock of deadlines stands still while the keeper is busy
 * with another port.
 *
 * Locks: drive_queue.lock, which `build`, `ring` and `reap` are called with; drive_port.lock and
 * drive_ctlr.keeper_lock, either of which may be taken with it held, never the other way.
 * No lock is held while lib/blk is called.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "blk.h"
#include "os_lock.h"
#include "sip.h"

enum {
	DRIVE_TAGS_MAX = 1024,
	DRIVE_QUEUES_MAX = 64, /* of a port */
	DRIVE_FLOWS = 16,      /* clients that take turns; more share a turn */
	DRIVE_BIG_KIB = 64,    /* a command that is counted */
	DRIVE_LAST = 4,        /* a 1/4 of the tags is kept for disks with few commands in flight */
	DRIVE_FLOW_KIB = 4096, /* of those in flight for each client, at most or one more ... */
	DRIVE_FLOW_MIN = 1024, /* ... divided among a port's queues, but not below this */

	DRIVE_TICK_MS = 200,   /* of the keeper: a lost interrupt is found after two */
	DRIVE_LOST = 3,        /* interrupts of a queue, before it is polled ... */
	DRIVE_CALM = 10,       /* ... with fewer ticks between two of them, in which some came */
	DRIVE_POLL_MS = 2,     /* while something is in flight */
	DRIVE_TRIES = 4,       /* of one command that is known to fail */
	DRIVE_RESETS = 3,      /* in a row that fail, before the port is given up */
	DRIVE_START_MS = 4000, /* for all disks together; what takes longer comes by itself */
	DRIVE_DEBOUNCE_MS = 100,
	DRIVE_LATE_MS = 2000,  /* who has a command for longer says that it is degraded */

	DRIVE_NSMALL = 64, /* buffers for requests, each controller's, at most */
	DRIVE_NBIG = 8,
	DRIVE_CHUNK = 8, /* small ones that are made at once */

	DRIVE_BLOCK_MAX = 64,       /* bytes of a command, or its result, in the device's form */
	DRIVE_DATA_MAX = 128 << 10, /* bytes of data of a driver's own command */
};

struct drive_ctlr;
struct drive_port;
struct drive_queue;
struct drive_disk;

/* --- what a driver fills in ------------------------------------------------------------------ */

enum drive_verdict {
	DRIVE_RESET,    /* `restart` is needed */
	DRIVE_RESEND,   /* the device has forgotten all commands and takes new ones */
	DRIVE_CONTINUE, /* the one to blame is over, or (NULL) ends by itself; others run */
	DRIVE_OVER,     /* that one is over, and its result tells how: no error of the port */
};

struct drive_blame { /* what `diagnose` finds out */
	bool late;   /* set by the caller: a command is over its time, no error was told */
	int err;     /* for the client: -EIO, or if late -ETIMEDOUT, unless it is changed */
	char why[BLK_WHY_MAX];     /* "status 0x51 DRDY ERR, error 0x40 UNC" */
	struct drive_queue *queue; /* and tag: the command to blame; NULL: not known */
	unsigned tag;
	bool final; /* it need not be tried again; a flush never is, but if it is late or ... */
	bool whole; /* ... the device as a whole went wrong: it told an error of no command */
};

/* May a command that failed be tried again? */
enum drive_retry {
	DRIVE_FINAL,  /* it would fail again */
	DRIVE_AGAIN,  /* it may go well; not a flush, whose success would be no answer any more */
	DRIVE_UNDONE, /* the device did not begin, or was told to stop: nothing has failed yet */
};

struct drive_ops {
	/*
	 * With the queue's lock, quickly.  build: writes the command where the device finds it; the
	 * data is in io->seg, the disk is io->drive; an error other than 0 ends it unsent.  A
	 * BLK_DISCARD is of all in io->chain; their ranges may be written to io->data of the first.
	 * A DRIVE_OWN is a struct drive_command.  io->fua counts if the disk's fua is set; else a
	 * flush will follow.  ring: what was built may be fetched.  reap: calls drive_end or
	 * drive_fail for what has ended; it is called for each interrupt and when the keeper looks
	 * for lost ones, also with nothing in flight (queue.nbusy), and once in the keeper's thread
	 * after `hold`, when queue.open is false.
	 */
	int (*build)(struct drive_queue *q, struct blk_io *io, unsigned tag);
	void (*ring)(struct drive_queue *q);
	void (*reap)(struct drive_queue *q);

	/*
	 * In the keeper's thread, without a lock and quickly: interrupts may be lost.  What one
	 * would have told besides ends of commands (drive_break, drive_change), and what must be
	 * acknowledged before the device sends another.  All queues are reaped after it.  May be
	 * NULL.
	 */
	void (*look)(struct drive_port *p);

	/*
	 * In the keeper's thread and without a lock; each may sleep, for a bounded time.  Nothing
	 * of lib/drive sends commands meanwhile: the driver polls its own.
	 *
	 * probe: the port is EMPTY and something may be there.  Makes it work, sets the depth of
	 * its queues, makes its disks (drive_disk_new): 0; no disk: -ENODEV without a word, another
	 * error after telling why (drive_tell).  The disks are shown after it.
	 */
	int (*probe)(struct drive_port *p);
	/* Is something there?  Asked after drive_change, and when nothing moves.  NULL: always. */
	bool (*present)(struct drive_port *p);
	/* READY: a name space may have come or gone (drive_change, and `present`).  May be NULL. */
	void (*changed)(struct drive_port *p);
	/* It is BROKEN: no more interrupts.  May be NULL. */
	void (*hold)(struct drive_port *p);
	/* What happened?  `b` is filled in for what may be known.  NULL: DRIVE_RESET. */
	enum drive_verdict (*diagnose)(struct drive_port *p, struct drive_blame *b);
	/*
	 * Makes it work again, so that nothing of before is carried out any more; attempt: 0 and
	 * up to DRIVE_RESETS - 1, as others failed.  0; -ENODEV: nothing is there; -ESTALE:
	 * another disk is; another error: it failed, try harder.
	 */
	int (*restart)(struct drive_port *p, unsigned attempt);
	/* READY from here on: interrupts on.  May be NULL. */
	void (*ready)(struct drive_port *p);
	/*
	 * EMPTY: after this the device reaches no memory of ours.  It listens for a new disk, if
	 * it can.  Also called in drive_ctlr_stop, and again after a drive_break in EMPTY.
	 */
	void (*quiet)(struct drive_port *p);

	/* The queue for a command, if the port has more than one; else NULL. */
	struct drive_queue *(*pick)(struct drive_disk *d, const struct blk_io *io);

	/* Optional: the port's disks take SCSI's commands: as blk_ops.packet. */
	int (*packet)(struct drive_disk *d, struct blk_packet *p);

	/* Of the disk's ctl (what lib/blk and lib/drive do not know) and stats; may be NULL. */
	int (*command)(struct drive_disk *d, const char *text);
	size_t (*describe)(struct drive_disk *d, char *buf, size_t n);
	size_t (*statistics)(struct drive_disk *d, char *buf, size_t n);

	/* Of a command, by kind; 0: the default (drive_timeout_ms). */
	unsigned timeout_ms[BLK_NKINDS + 1];
};

/* A command of the driver's own waits its turn as others do; its kind is this. */
#define DRIVE_OWN BLK_NKINDS

struct drive_command {
	struct blk_io io;                /* first */
	uint8_t block[DRIVE_BLOCK_MAX];  /* in the device's own form */
	uint8_t result[DRIVE_BLOCK_MAX]; /* for the driver to fill in before drive_end */
	uint32_t bytes;                  /* of data, at most DRIVE_DATA_MAX; ATA: even */
	bool write;                      /* to the device */
	bool alone;                      /* nothing may run beside it */
	unsigned timeout_ms;             /* 0: as for other commands of this kind */
	struct drive_queue *queue;       /* NULL: as for other commands */

	/* lib/drive's own. */
	_Atomic unsigned refs;
	struct sip_dma dma;
	struct dma_seg seg;
	void *buf;
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool done;
};

/* --- the structures -------------------------------------------------------------------------- */

struct drive_list {
	struct blk_io *head, *tail;
};

struct drive_lost { /* lost.c */
	uint64_t completions, found; /* at the last tick */
	bool was_busy, stuck;        /* stuck: still, and nothing had ended since the one before */
	unsigned looked;             /* so much has the last look found */
	unsigned row, calm;    /* lost ones; ticks since the last, in which some came */
	unsigned back, needed; /* polled: ticks in which they came; after so many they are back */
};

struct drive_queue {
	struct drive_port *port;
	unsigned index;
	unsigned alone_kinds; /* 1 << kind: must run alone; as the next two, set while not open */
	unsigned depth;       /* tags 0 to depth - 1 are used; at most ntags */
	unsigned ntags;

	struct os_lock lock; /* all below */
	bool open;            /* READY: commands may be sent */
	bool alone;           /* the running one runs alone */
	unsigned nbusy, nwaiting;
	unsigned serial;                    /* so many still one at a time: one of them is bad */
	uint64_t busy[DRIVE_TAGS_MAX / 64]; /* tags in flight, as bits */
	struct blk_io **slot;
	struct drive_list again; /* sent once already: before all others */
	struct drive_list flow[DRIVE_FLOWS];
	const void *owner[DRIVE_FLOWS]; /* whose the flow is, while it is in flows or bigs */
	uint32_t kib[DRIVE_FLOWS];      /* of its large commands in flight */
	uint32_t bigs, full;            /* flows that have some, and as much as they may */
	uint32_t flows;               /* that are not empty, as bits */
	unsigned turn;                /* the flow that had the last one */
	struct drive_list behind;     /* one that must run alone, and what came after it */
	struct drive_list done;       /* to be ended when the lock is given up */
	uint64_t completions, found;  /* found: of which no interrupt has told */
	uint64_t stray;               /* ends of tags that were not in flight */
	bool polled;                  /* its interrupts do not come */
	struct drive_lost lost;       /* the keeper's own */
};

enum drive_state { DRIVE_EMPTY, DRIVE_READY, DRIVE_BROKEN };

struct drive_port {
	struct drive_ctlr *ctlr;
	const struct drive_ops *ops;
	struct drive_port *next; /* of the controller */
	char name[16];           /* "port 3"; "" if it is the controller */
	struct drive_queue *queue[DRIVE_QUEUES_MAX];
	unsigned nqueues;
	_Atomic unsigned events;
	uint64_t poll_ms; /* the keeper's own: when it polls next; 0: not yet known */

	pthread_mutex_t lock; /* all below */
	enum drive_state state;
	struct drive_disk *disks;
	_Atomic unsigned ndisks; /* changed with the lock */
	unsigned adding;       /* threads that show a disk */
	bool replug, starting; /* replug: look for a disk when they are over */
	bool given_up;         /* its resets failed; until something new is looked for */
	bool attaching;        /* the driver's attach has the port */
	unsigned npolled;      /* queues whose interrupts do not come */
	uint64_t errors, retries, resets, lost, changes;
	char last_error[160];
};

struct drive_disk {
	struct drive_port *port;
	struct blk_info info;        /* set before it is shown, but for `memory` */
	void *priv;                  /* the driver's, as long as the disk */
	bool flushes, trims, zeroes; /* it has a cache to flush; can discard; BLK_ZERO */
	bool fua;                    /* a write can go past the cache; else a flush follows it */
	struct drive_packet *packet; /* drive_disk_packet */
	unsigned ranges;        /* of a discard command, at most; 0: each discard is one command */
	uint32_t range_sectors; /* of each */

	/* lib/drive's own. */
	struct drive_disk *next;
	atomic_bool gone, trace;
	_Atomic unsigned refs;
	struct blk_disk *blk; /* under port->lock; NULL until it is shown */
};

struct drive_program { /* sip_server.priv */
	struct blk_server *blk;
	struct drive_ctlr *ctlr[SIP_DEVS_MAX];
	unsigned nctlrs;
	bool stopped;
};

struct drive_ctlr {
	struct sip_server *server;
	struct sip_dev *dev;
	struct blk_server *blk;
	char addr[16];    /* of the function: "0.31.2" */
	unsigned number;  /* among those of the kind; its disks' names are made of it */
	uint64_t dma_max; /* no memory at or above this address; 0: no limit */
	void (*free)(struct drive_ctlr *c); /* when nothing refers to it any more */

	/* lib/drive's own. */
	struct drive_port *ports;
	struct blk_memory *memory;
	struct sip_dma dma[DRIVE_NSMALL / DRIVE_CHUNK + DRIVE_NBIG];
	unsigned ndma, nsmall, nbig;
	_Atomic unsigned refs;
	_Atomic uint64_t now_ms;   /* the clock of deadlines */
	_Atomic uint64_t round_ms; /* when the keeper was at the beginning of its round; 0: never */
	_Atomic(struct drive_port *) kept; /* that it looks after; NULL: none */
	_Atomic uint64_t ahead_ms; /* to be added to it: a test lets time pass */

	pthread_t keeper;
	bool keeper_runs;
	pthread_mutex_t keeper_lock; /* all below */
	pthread_cond_t keeper_wake;
	bool wake, closing;
	unsigned starting; /* ports whose disks are still to be shown at the start */
	unsigned adders;   /* threads that show a disk */
	pthread_cond_t settled;
};

/* --- lib/drive/ctlr.c: the program, a controller, its keeper --------------------------------- */

extern const struct sip_server_ops drive_server_ops;

/*
 * Fills in server, dev, blk, number.  *c is the driver's, zeroed, and stays until c->free is
 * called: by drive_ctlr_fini, or when the last file of its disks is closed.
 */
void drive_ctlr_init(struct drive_ctlr *c, struct sip_server *s, struct sip_dev *d);
/* Memory and the keeper; bus mastering is on, dma_max is set.  On an error: stop and fini. */
int drive_ctlr_start(struct drive_ctlr *c);
/* Its ports lose their disks; no thread of lib/drive is left.  Interrupts are off. */
void drive_ctlr_stop(struct drive_ctlr *c);
/* The device reaches no memory any more.  *c is not to be used after it. */
void drive_ctlr_fini(struct drive_ctlr *c);
void drive_wake(struct drive_ctlr *c);
/* Memory that the device reaches, below dma_max: 0, -ENOMEM, -ENOTSUP. */
int drive_dma_alloc(struct drive_ctlr *c, size_t bytes, size_t align, struct sip_dma *out);

/* --- lib/drive/port.c: what the keeper does for a port --------------------------------------- */

/* name as drive_port.name; ops and *p stay as long as the controller. */
void drive_port_init(struct drive_port *p, struct drive_ctlr *c, const struct drive_ops *ops,
		     const char *name);
/* -ENOMEM.  Freed with the controller.  ntags: 1 to DRIVE_TAGS_MAX. */
int drive_queue_init(struct drive_queue *q, struct drive_port *p, unsigned ntags);
/* The keeper probes it, and drive_start waits for its disks. */
void drive_port_start(struct drive_port *p);
/*
 * Instead, for a driver whose attach does itself what `probe` does (several ports at once):
 * drive_port_expect before drive_ctlr_start, and then the keeper leaves the port alone until
 * drive_port_show, which opens the queues and shows its disks.
 */
void drive_port_expect(struct drive_port *p);
void drive_port_show(struct drive_port *p);
/* There will be no disk: nobody waits for it any more. */
void drive_port_none(struct drive_port *p);
/* From an interrupt, or wherever it is noticed; never with a queue's lock. */
void drive_break(struct drive_port *p);  /* it has stopped with an error */
void drive_change(struct drive_port *p); /* something has come or gone */
/* All commands in flight are lost, and none is to blame; EMPTY: what was told to it is lost. */
void drive_reset(struct drive_port *p);
/* A line for the log, and last-error of its ctl. */
struct drive_feature {
	bool has;
	const char *name;
};
/* info->features: the names of those that it has. */
void drive_features(const struct drive_feature *list, size_t n, struct blk_info *info);
void drive_tell(struct drive_port *p, const char *fmt, ...) SIP_PRINTF(2, 3);

/* --- lib/drive/queue.c: commands in flight --------------------------------------------------- */

/* In `reap`.  False: no such command is in flight, whatever the device says. */
bool drive_end(struct drive_queue *q, unsigned tag);
/* It failed, for a reason in why, and is tried again if it may and has not had its tries. */
bool drive_fail(struct drive_queue *q, unsigned tag, int err, enum drive_retry retry,
		const char *why);
/* The command in flight with that tag, or NULL; in `reap`, or while the port is BROKEN. */
struct blk_io *drive_tag(const struct drive_queue *q, unsigned tag);
/* From an interrupt: calls `reap`, sends what waits, ends what has ended: how many. */
unsigned drive_reap(struct drive_queue *q);
/* The same, when no interrupt has told that there is something. */
unsigned drive_poll(struct drive_queue *q);

/* --- lib/drive/disk.c: disks ----------------------------------------------------------------- */

extern const struct blk_ops drive_blk_ops; /* what lib/blk is given for every disk */
/* In `probe`, or `changed`.  priv: so many zeroed bytes.  NULL: out of memory. */
struct drive_disk *drive_disk_new(struct drive_port *p, size_t priv);
/* One that `changed` has made. */
void drive_disk_show(struct drive_disk *d);
/* It is gone, the port and its other disks are not; its commands in flight end by themselves. */
void drive_disk_drop(struct drive_disk *d, const char *why);
/*
 * A command of the driver's own, and waits for its end: the thread is neither the keeper's nor an
 * interrupt's.  block, bytes, write, alone and queue are set, the rest is zero; buf holds the data,
 * or gets it.  0 and the result, or a negative errno with a text in io.why.
 */
int drive_command(struct drive_disk *d, struct drive_command *c, void *buf);
/* The same, but waits no longer than that: -EAGAIN, and it goes on without us. */
int
drive_command_within(struct drive_disk *d, struct drive_command *c, void *buf, unsigned wait_ms);
unsigned drive_timeout_ms(unsigned kind);

/* --- lib/drive/packet.c: devices with packet commands ---------------------------------------- */

/*
 * In `probe`: this is such a device, an optical drive.  It is lib/atapi's to show, with what info
 * has of its name, model, serial number, firmware and features.  `build` gets its commands as
 * DRIVE_OWN with a struct ata_packet as block (opcode ATA_PACKET).  How one ended goes into result
 * as a struct ata_packet_end; drive_end then, also when the device says that it went wrong (or
 * DRIVE_OVER).  dma: reads ask for DMA, until drive_disk_no_dma.
 */
int drive_disk_packet(struct drive_disk *d, bool dma);
void drive_disk_no_dma(struct drive_disk *d);

/* --- lib/drive/fault.c: for a driver's struct sip_faults, in builds for tests ----------------- */

void drive_fault_start(void *disk, void *io);
void drive_fault_wrong(void *disk, void *io);
bool drive_fault_wild_dma(void *disk, void *io);
bool drive_fault_stale_dma(void *disk, void *io);
#define DRIVE_FAULTS                                                                               \
	.start = drive_fault_start, .wrong = drive_fault_wrong, .wild_dma = drive_fault_wild_dma,  \
	.stale_dma = drive_fault_stale_dma
