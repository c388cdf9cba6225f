/*
 * A model of an AHCI controller with its disks, at the level of registers and memory, for tests
 * (see sip_model.h).  Disks are memory; faults are made on demand, and what the driver must not do
 * is counted.
 */
#pragma once
#include "sip_model.h"

enum { MODEL_PORTS = 4 };

/* Kinds of sip_model_fault: of a command with its opcode, or (0) any with data. */
enum model_fault_kind {
	MODEL_FAIL,         /* the command ends with `status` as the task file's error */
	MODEL_HANG,         /* it never ends */
	MODEL_INTERFACE,    /* an interface fatal error instead of an answer */
	MODEL_NO_INTERRUPT, /* it ends, and nobody is told */
	MODEL_FAIL_QUIETLY, /* as MODEL_FAIL, but nobody is told, and its CI bit is gone */
};

struct model_disk {
	bool present, ncq, lba48, trim;
	bool logs, fua, native; /* native: physical sectors are logical ones */
	bool failed;            /* a queued command failed: only its log may be read */
	bool soft_deaf;         /* a software reset leaves it busy */
	bool packet, medium;    /* an ATAPI device; with a medium in it */
	uint8_t sense[3];       /* key, code, qualifier of its last command */
	uint32_t bad_block;     /* that cannot be read; 0: all can */
	bool smart_failing;
	unsigned temperature; /* 0: not told */
	unsigned trim_blocks;
	uint32_t signature; /* 0: of a disk */
	unsigned spin_ms;   /* from power to ready */
	uint8_t log[512];
	unsigned depth;
	uint64_t nsectors;
	uint32_t secsize;
	uint8_t *data;
	char serial[21];
	unsigned flushes, resets, soft_resets, log_reads, smarts, standbys, trims, ranges, fuas;
	uint64_t reads, writes;
	unsigned most_in_flight;
	bool dead; /* COMRESET brings no link */
	enum { MODEL_STOPS, MODEL_UNTIL_COMRESET, MODEL_UNTIL_RESET, MODEL_NEVER } stuck;
};

struct model_port {
	uint32_t clb, clbu, fb, fbu, is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
	bool halted;       /* after an error, until ST is set anew */
	bool fatal;        /* the error was the link's: a reset is needed */
	bool srst;         /* between the two halves of a software reset */
	uint64_t ready_ns; /* the disk spins up until then */
	uint32_t hung;     /* slots of commands that never end */
	uint64_t hung_at;  /* where one of them has its data */
	bool runs;         /* though ST is clear (disk.stuck): it goes on writing there */
	struct model_disk disk;
};

struct model {
	struct sip_model bus;
	uint32_t told;             /* bits of IS of which a message has told */
	uint32_t ghc, is, cap, pi; /* cap, pi: a test may change them before attaching */
	struct model_port port[MODEL_PORTS];
	bool frozen; /* it takes no command; see model_freeze */
	unsigned most_spinning;
	unsigned late_writes; /* of engines that should have stopped */
	/* Called with the lock before a port's register is written; may be NULL. */
	void (*before_write)(struct model *m, unsigned port, unsigned off, uint32_t v);
};

void model_init(struct model *m);
void model_fini(struct model *m);
/* Before model_init's device is used, or by plug while it runs. */
void model_disk_make(struct model *m, unsigned port, uint64_t nsectors, uint32_t secsize, bool ncq);
void model_plug(struct model *m, unsigned port, const char *serial);
void model_unplug(struct model *m, unsigned port);
/* The same for before_write, which has the lock. */
void model_plug_locked(struct model *m, unsigned port);
void model_pull_locked(struct model *m, unsigned port);
/* An optical drive, with a medium of so many blocks of 2048 bytes. */
void model_drive_make(struct model *m, unsigned port, uint64_t nblocks);
void model_freeze(struct model *m, bool frozen);
/* Fills an IDENTIFY page, with its checksum. */
void model_identify(const struct model_disk *d, uint8_t page[512]);
