/*
 * The AHCI driver's own structures; see main.c for the whole, and for the locks.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "ata.h"
#include "drive_smart.h"
#include "regs.h"

enum {
	AHCI_SLOTS = 32,
	AHCI_SEGS = 264, /* a MiB of single pages, and some; makes tables multiples of 128 bytes */
	AHCI_TABLE_SIZE = AHCI_TABLE_PRDT + AHCI_SEGS * AHCI_PRD_SIZE, /* of one slot */

	/* A port's memory: command list, received FISes; a table and data of polled commands. */
	AHCI_OFF_LIST = 0,
	AHCI_OFF_FIS = AHCI_LIST_SIZE,
	AHCI_OFF_TABLE = AHCI_OFF_FIS + AHCI_FIS_AREA,
	AHCI_OFF_SCRATCH = AHCI_OFF_TABLE + 256,
	AHCI_PORT_MEMORY = AHCI_OFF_SCRATCH + ATA_PAGE_SIZE,

	AHCI_POLLED_MS = 5000,     /* IDENTIFY, READ LOG */
	AHCI_SOFT_MS = 100,        /* the first half of a software reset is one FIS */
	AHCI_SOFT_READY_MS = 3000, /* the second: the disk is ready; else COMRESET follows */
	AHCI_STAGGER_MS = 2000,    /* a disk spins up before the next may begin */
	AHCI_ENGINE_MS = 500,      /* PxCMD.CR and FR [10.1.2] */
	AHCI_HBA_RESET_MS = 1000,  /* GHC.HR [10.4.3] */
	AHCI_PRESENCE_MS = 10,     /* a disk answers COMRESET, if there is one [10.1.1] */
	AHCI_LINK_MS = 1000,       /* DET after COMRESET */
	AHCI_READY_MS = 15000,     /* BSY after COMRESET: the disk spins up */
	AHCI_BIOS_MS = 2000,       /* hand-over [10.6.3] */
};

_Static_assert(AHCI_TABLE_SIZE % 128 == 0 && AHCI_OFF_TABLE % 128 == 0, "[AHCI 1.3.1, 4.2.2]");

enum ahci_step { /* of a port at the start; start.c */
		 AHCI_STEP_TURN,
		 AHCI_STEP_LINK,
		 AHCI_STEP_READY,
		 AHCI_STEP_IDENTIFY,
		 AHCI_STEP_DISK,
		 AHCI_STEP_NONE,
		 AHCI_STEP_LATE,
};

struct ahci_hba;

struct ahci_port {
	struct drive_port port; /* first */
	struct drive_queue queue;
	struct ahci_hba *hba;
	unsigned index;
	uint64_t regs; /* offset in the BAR */
	bool implemented;
	struct sip_dma dma, tables; /* tables: of the slots that the disk has */
	uint8_t *mem;
	uint32_t cmd; /* PxCMD, as it was written last */

	enum ahci_step step;   /* as the next three, of the start */
	uint64_t turn_ms;      /* when it was given power */
	bool vacant, expected; /* before the controller's reset: surely no disk; surely one */

	struct ata_identity id; /* this and ncq change only while it is EMPTY */
	bool ncq;
	struct ata_transfers transfers; /* of what was identified last; the keeper's */
	uint32_t fresh;                 /* built, and not rung for; under queue.lock */

	/*
	 * The controller was reset: what is in flight has not ended.  The keeper's, with queue.lock
	 * for `reap`.
	 */
	bool fallen;
	bool soft;         /* the next reset may be a software one; the keeper's, as the next */
	unsigned refusals; /* in a row of what is in the port */
	_Atomic uint64_t soft_resets, link_resets, logs, link_errors; /* logs: NCQ error logs */

	pthread_mutex_t seen_lock; /* the first error since the port was made ready: */
	uint32_t seen_is, seen_tfd, seen_serr;
};

struct ahci_hba {
	struct drive_ctlr ctlr; /* first */
	struct sip_bar bar;
	uint32_t cap, pi;
	unsigned nslots;
	bool muted; /* without bus mastering: it did not come out of a reset; the keeper's */
	struct ahci_port port[HBA_MAX_PORTS];
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
extern bool ahci_dma32; /* an option: some controllers say S64A and cannot */
/* The port's engine did not stop: after this the port reaches no memory, whatever it takes. */
void ahci_silence(struct ahci_port *p);

/* start.c: all ports at once */
/* Before the controller's reset: what is known of each port's link. */
void ahci_start_look(struct ahci_hba *h);
int ahci_start_ports(struct ahci_hba *h);  /* after it: links come up from here on */
void ahci_start_poll(struct ahci_hba *h);  /* until each port has its disk, or none */
void ahci_start_disks(struct ahci_hba *h); /* with the keeper: partition tables */

/* port.c: the port's engine and link */
void ahci_port_spin_up(struct ahci_port *p);
int ahci_port_memory(struct ahci_port *p); /* with spin-up */
int ahci_port_tables(struct ahci_port *p, unsigned nslots);
int ahci_engine_start(struct ahci_port *p);
void ahci_engine_on(struct ahci_port *p); /* the disk is ready */
int ahci_engine_stop(struct ahci_port *p);
/* After an error: off and on, if the disk is ready for commands: 0, -EBUSY, -ETIMEDOUT. */
int ahci_engine_again(struct ahci_port *p);
/* COMRESET, and the engine on again: 0, -ENODEV without a link, -ETIMEDOUT. */
int ahci_port_reset(struct ahci_port *p);
/* COMRESET alone, with ST clear; false: the engine still runs. */
bool ahci_port_comreset(struct ahci_port *p);
void ahci_port_await_link(struct ahci_port *p);
/* A software reset of the disk, the link stays: the same. */
int ahci_port_soft_reset(struct ahci_port *p);
/* A command without data, or that reads ATA_PAGE_SIZE bytes (page not NULL), with nothing else. */
int ahci_poll(struct ahci_port *p, const struct ata_command *c, void *page);
int ahci_port_identify(struct ahci_port *p, struct ata_identity *id);
/* The same in two halves. */
void ahci_identify_send(struct ahci_port *p);
int ahci_identify_take(struct ahci_port *p, struct ata_identity *id);
bool ahci_port_link(const struct ahci_port *p);
/* By the signature: a disk, or an ATAPI device. */
bool ahci_port_is_driven(const struct ahci_port *p);

/* queue.c: commands in flight */
int ahci_build(struct drive_queue *q, struct blk_io *io, unsigned slot);
void ahci_ring(struct drive_queue *q);
void ahci_reap(struct drive_queue *q);
/* How the command of an ATAPI device has ended goes into its result. */
void ahci_packet_end(const struct ahci_port *p, struct blk_io *io, uint32_t tfd);
void ahci_port_interrupt(struct ahci_port *p);
void ahci_look(struct drive_port *p);

/* recover.c: in the keeper's thread, or before there is one */
extern const struct drive_ops ahci_ops;
int ahci_port_accept(struct ahci_port *p, const struct ata_identity *id);
void ahci_port_refuse(struct ahci_port *p, int err); /* tells why; a link may come */
/* The link's changes interrupt; true if there was one that nobody has seen. */
bool ahci_port_listen(struct ahci_port *p);

/* text.c */
size_t ahci_describe(struct drive_disk *d, char *buf, size_t n);
size_t ahci_statistics(struct drive_disk *d, char *buf, size_t n);
int ahci_command(struct drive_disk *d, const char *text);
/* Fills in info and what the disk can do. */
void ahci_disk_info(const struct ahci_port *p, struct drive_disk *d);
