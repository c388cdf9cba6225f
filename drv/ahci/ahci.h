/*
 * The AHCI driver's own structures; see main.c for the whole, and for the locks.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "ata.h"
#include "drive.h"
#include "regs.h"

enum {
	AHCI_SLOTS = 32,
	AHCI_TABLE_SIZE = 4352, /* of one slot: FIS, ATAPI command, 264 PRDs: 1 MiB of pages */
	AHCI_TABLE_PRDS = (AHCI_TABLE_SIZE - AHCI_TABLE_PRDT) / AHCI_PRD_SIZE,
	AHCI_OFF_LIST = 0,
	AHCI_OFF_FIS = AHCI_LIST_SIZE,
	AHCI_OFF_TABLES = AHCI_OFF_FIS + 1024,
	AHCI_OFF_SCRATCH = AHCI_OFF_TABLES + AHCI_SLOTS * AHCI_TABLE_SIZE,
	AHCI_SCRATCH_SIZE = 512,
	AHCI_PORT_MEMORY = 140 << 10,

	AHCI_IDENTIFY_MS = 5000,
	AHCI_ENGINE_MS = 500,     /* PxCMD.CR and FR [10.1.2] */
	AHCI_HBA_RESET_MS = 1000, /* GHC.HR [10.4.3] */
	AHCI_PRESENCE_MS = 10,    /* a disk answers COMRESET, if there is one [10.1.1] */
	AHCI_LINK_MS = 1000,      /* DET after COMRESET */
	AHCI_READY_MS = 15000,    /* BSY after COMRESET: the disk spins up */
	AHCI_BIOS_MS = 2000,      /* hand-over [10.6.3] */
};

_Static_assert(AHCI_TABLE_SIZE % 128 == 0, "a table's alignment [AHCI 1.3.1, 4.2.2]");
_Static_assert(AHCI_OFF_SCRATCH + AHCI_SCRATCH_SIZE <= AHCI_PORT_MEMORY, "port memory");

enum ahci_step { /* of a port at the start; start.c */
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
	struct sip_dma dma;
	uint8_t *mem;

	enum ahci_step step;   /* as the next two, of the start */
	bool vacant, expected; /* before the controller's reset: surely no disk; surely one */

	struct ata_identity id; /* this and ncq change only while it is EMPTY */
	bool ncq;
	uint32_t fresh; /* built, and not rung for; under queue.lock */

	pthread_mutex_t seen_lock; /* the first error since the port was made ready: */
	uint32_t seen_is, seen_tfd, seen_serr;
};

struct ahci_hba {
	struct drive_ctlr ctlr; /* first */
	struct sip_bar bar;
	uint32_t cap, pi;
	unsigned nslots;
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

/* start.c: all ports at once */
/* Before the controller's reset: what is known of each port's link. */
void ahci_start_look(struct ahci_hba *h);
int ahci_start_ports(struct ahci_hba *h);  /* after it: links come up from here on */
void ahci_start_poll(struct ahci_hba *h);  /* until each port has its disk, or none */
void ahci_start_disks(struct ahci_hba *h); /* with the keeper: partition tables */

/* port.c: the port's engine and link */
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
int ahci_build(struct drive_queue *q, struct blk_io *io, unsigned slot);
void ahci_ring(struct drive_queue *q);
void ahci_reap(struct drive_queue *q);
void ahci_port_interrupt(struct ahci_port *p);

/* recover.c: in the keeper's thread, or before there is one */
extern const struct drive_ops ahci_ops;
int ahci_port_accept(struct ahci_port *p, const struct ata_identity *id);
void ahci_port_refuse(struct ahci_port *p, int err); /* tells why; a link may come */
void ahci_port_listen(struct ahci_port *p);

/* text.c */
size_t ahci_describe(struct drive_disk *d, char *buf, size_t n);
int ahci_command(struct drive_disk *d, const char *text);
/* Fills in info and what the disk can do. */
void ahci_disk_info(const struct ahci_port *p, struct drive_disk *d);
