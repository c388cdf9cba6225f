/*
 * The AHCI driver's own structures; see main.c for the whole, and for the locks.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "ata.h"
#include "blk.h"
#include "regs.h"
#include "sip.h"

enum {
	AHCI_SLOTS = 32,
	AHCI_TABLE_SIZE = 256, /* of one slot: FIS, ATAPI command, 8 PRDs */
	AHCI_TABLE_PRDS = (AHCI_TABLE_SIZE - AHCI_TABLE_PRDT) / AHCI_PRD_SIZE,
	AHCI_OFF_LIST = 0,
	AHCI_OFF_FIS = AHCI_LIST_SIZE,
	AHCI_OFF_TABLES = AHCI_OFF_FIS + 1024,
	AHCI_OFF_SCRATCH = AHCI_OFF_TABLES + AHCI_SLOTS * AHCI_TABLE_SIZE,
	AHCI_SCRATCH_SIZE = 512,
	AHCI_PORT_MEMORY = 12 << 10,

	AHCI_NSMALL = 64, /* buffers for requests, each controller's, at most */
	AHCI_NBIG = 8,
	AHCI_CHUNK = 8, /* small ones that are made at once */
	AHCI_MAX_HBAS = SIP_DEVS_MAX,

	AHCI_TICK_MS = 200, /* of the keeper */
	AHCI_RW_MS = 10000,
	AHCI_FLUSH_MS = 60000,
	AHCI_TRIM_MS = 60000,
	AHCI_IDENTIFY_MS = 5000,
	AHCI_ENGINE_MS = 500,     /* PxCMD.CR and FR [10.1.2] */
	AHCI_HBA_RESET_MS = 1000, /* GHC.HR [10.4.3] */
	AHCI_PRESENCE_MS = 10,    /* a disk answers COMRESET, if there is one [10.1.1] */
	AHCI_LINK_MS = 1000,      /* DET after COMRESET */
	AHCI_READY_MS = 15000,    /* BSY after COMRESET: the disk spins up */
	AHCI_START_MS = 4000,     /* for all ports together; what takes longer comes by hot plug */
	AHCI_BIOS_MS = 2000,      /* hand-over [10.6.3] */
	AHCI_TRIES = 4,           /* of one command that is known to fail */
	AHCI_RESETS = 3,          /* in a row that fail, before the disk is given up */
};

_Static_assert(AHCI_OFF_SCRATCH + AHCI_SCRATCH_SIZE <= AHCI_PORT_MEMORY, "port memory");

enum ahci_step { /* of a port at the start; start.c */
		 AHCI_STEP_LINK,
		 AHCI_STEP_READY,
		 AHCI_STEP_IDENTIFY,
		 AHCI_STEP_DISK,
		 AHCI_STEP_NONE,
		 AHCI_STEP_LATE,
};

enum ahci_state { AHCI_EMPTY, AHCI_READY, AHCI_BROKEN };

enum ahci_event { AHCI_EVENT_ERROR = 1, AHCI_EVENT_LINK = 2, AHCI_EVENT_RESET = 4 };

struct ahci_hba;

struct ahci_port {
	struct ahci_hba *hba;
	unsigned index;
	uint64_t regs; /* offset in the BAR */
	bool implemented;
	struct sip_dma dma;
	uint8_t *mem;
	atomic_bool trace;

	enum ahci_step step;   /* as the next two, of the start */
	bool vacant, expected; /* before the controller's reset: surely no disk; surely one */

	struct ata_identity id; /* changes only while EMPTY */
	pthread_t adder;        /* shows a new disk; the keeper's, as the next */
	bool adder_started;

	pthread_mutex_t lock; /* all below */
	enum ahci_state state;
	unsigned events, generation; /* generation: of disks that were in the port */
	bool adding;
	struct blk_disk *disk;
	uint32_t busy, slots; /* in use; what may be used */
	bool ncq, plain;      /* plain: the running one is not queued */
	unsigned serial;      /* so many still one at a time: one of them is bad */
	struct blk_io *slot[AHCI_SLOTS];
	struct blk_io *head, *tail;            /* waiting */
	uint32_t seen_is, seen_tfd, seen_serr; /* of the last error */
	uint64_t completions, ticked;          /* ticked: completions at the keeper's last tick */
	bool was_busy;                         /* then */
	uint64_t errors, retries, resets, lost, link_changes, link_errors;
	char last_error[160];
};

struct ahci_control { /* a command of the driver's own; io.tag is its opcode, not 0 */
	struct blk_io io;
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool done;
	int err;
};

struct ahci { /* the program; sip_server.priv */
	struct blk_server *blk;
	struct ahci_hba *hba[AHCI_MAX_HBAS];
	unsigned nhbas;
	bool stopped;
};

struct ahci_hba {
	struct sip_server *server;
	struct sip_dev *dev;
	struct sip_bar bar;
	struct blk_server *blk;
	struct blk_memory *memory;
	struct sip_dma dma[AHCI_NSMALL / AHCI_CHUNK + AHCI_NBIG];
	unsigned ndma, nsmall, nbig; /* buffers: grow with what is asked for */
	uint32_t cap, pi;
	unsigned nslots, base; /* base: of the numbers of its disks */
	struct ahci_port port[HBA_MAX_PORTS];
	_Atomic uint64_t now_ms;   /* as of the keeper's last tick */
	_Atomic uint64_t ahead_ms; /* added to the clock: a test lets time pass */

	pthread_t keeper;
	bool keeper_runs;
	pthread_mutex_t keeper_lock; /* all below */
	pthread_cond_t keeper_wake;
	bool wake, closing;
	uint32_t starting; /* ports whose disk is still to be shown at the start */
	pthread_cond_t started;
};

static inline uint32_t
port_read(const struct ahci_port *p, enum port_reg r)
{
	return sip_read32(&p->hba->bar, p->regs + r);
}

static inline void
port_write(const struct ahci_port *p, enum port_reg r, uint32_t v)
{
	sip_write32(&p->hba->bar, p->regs + r, v);
}

/* hba.c */
extern const struct sip_driver_ops ahci_driver_ops;
int ahci_initialize(struct sip_server *s);
int ahci_start(struct sip_server *s);
void ahci_stop(struct sip_server *s);
void ahci_wake_keeper(struct ahci_hba *h);

/* start.c: all ports at once */
/* Before the controller's reset: what is known of each port's link. */
void ahci_start_look(struct ahci_hba *h);
int ahci_start_ports(struct ahci_hba *h);  /* after it: links come up from here on */
void ahci_start_poll(struct ahci_hba *h);  /* until each port has its disk, or none */
void ahci_start_disks(struct ahci_hba *h); /* with the keeper: partition tables */
void ahci_start_wait(struct ahci_hba *h, uint64_t until_ns); /* until they are shown */
void ahci_start_over(struct ahci_port *p);                   /* of this port */

/* port.c: the port's engine and link; none of them takes the lock */
void ahci_port_spin_up(struct ahci_port *p);
int ahci_port_memory(struct ahci_port *p); /* with spin-up */
int ahci_engine_start(struct ahci_port *p);
void ahci_engine_on(struct ahci_port *p); /* the disk is ready */
int ahci_engine_stop(struct ahci_port *p);
/* COMRESET, and the engine on again: 0, -ENODEV without a link, -ETIMEDOUT. */
int ahci_port_reset(struct ahci_port *p);
int ahci_port_identify(struct ahci_port *p, struct ata_identity *id);
/* The same in two halves. */
void ahci_identify_send(struct ahci_port *p);
int ahci_identify_take(struct ahci_port *p, struct ata_identity *id);
bool ahci_port_link(const struct ahci_port *p);

/* queue.c: commands in flight */
extern const struct blk_ops ahci_blk_ops;
void ahci_submit(void *drive, struct blk_io *io);
void ahci_send(struct ahci_port *p, struct blk_io *io);
void ahci_io_done(struct blk_io *io, int err);
void ahci_port_interrupt(struct ahci_port *p);
/* Ends what the device has done, and sends what waits; how many ended. */
unsigned ahci_port_reap(struct ahci_port *p);
/* Sends what waits; with the lock held. */
void ahci_port_pump(struct ahci_port *p);
/* All commands, in the order in which they came, taken off the port; with the lock held. */
struct blk_io *ahci_port_take_all(struct ahci_port *p);
uint64_t ahci_port_deadline(const struct ahci_port *p);

/* recover.c: in the keeper's thread, or before there is one */
/* True if there is a disk, which ahci_port_add should show. */
bool ahci_port_bring_up(struct ahci_port *p);
void ahci_port_accept(struct ahci_port *p, const struct ata_identity *id);
void ahci_port_refuse(struct ahci_port *p, int err); /* tells why; a link may come */
void ahci_port_listen(struct ahci_port *p);
/* In a thread of its own, as reading the disk's table may need the keeper. */
void ahci_port_show(struct ahci_port *p);
void ahci_port_keep(struct ahci_port *p, bool tick);
void ahci_port_drop(struct ahci_port *p, const char *why);

/* text.c */
size_t ahci_describe(void *drive, char *buf, size_t n);
size_t ahci_statistics(void *drive, char *buf, size_t n);
void ahci_disk_info(const struct ahci_port *p, struct blk_info *info);
int ahci_command(void *drive, const char *text);
