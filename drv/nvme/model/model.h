/*
 * A model of an NVMe controller with its name spaces, at the level of registers and memory, for
 * tests (see sip_model.h).  Name spaces are memory; faults are made on demand, and what the driver
 * must not do is counted.
 */
#pragma once
#include "nvme.h"
#include "sip_model.h"

enum {
	MODEL_NAMESPACES = 4, /* their numbers are 1 and up */
	MODEL_QUEUES = 9,     /* with the admin queue */
	MODEL_VECTORS = 9,
	MODEL_EVENTS = 4,
	MODEL_HUNG = 64,
	MODEL_MQES = 63,
	MODEL_MDTS = 5, /* 128 KiB */
};

/* Kinds of sip_model_fault.  In `admin`, lba is CDW10. */
enum model_fault_kind {
	MODEL_FAIL,         /* the command ends with `status` */
	MODEL_HANG,         /* it never ends, unless it is aborted */
	MODEL_HANG_HARD,    /* nor then */
	MODEL_NO_INTERRUPT, /* it ends, and nobody is told */
	MODEL_WRONG_PHASE,  /* its completion has the phase of an old one; it never ends */
	MODEL_WRONG_CID,    /* a completion for a command that there is not, and one for it */
	MODEL_TWICE,        /* two completions */
	MODEL_RANDOM,       /* what it reads is chance */
	MODEL_FATAL,        /* the controller stops: CSTS.CFS */
};

struct model_namespace {
	bool present;
	uint64_t nsectors;
	uint32_t secsize;
	unsigned metadata;
	uint8_t *data;
	uint64_t reads, writes;
	unsigned flushes, trims, ranges, zeroes, fuas;
};

struct model_queue { /* a pair */
	bool sq_on, cq_on, interrupts;
	uint64_t sq, cq;
	unsigned sq_entries, cq_entries, cqid, vector;
	unsigned head, tail;       /* of the submission queue */
	unsigned cq_head, cq_tail; /* of the completion queue */
	bool phase;
	unsigned most; /* in flight at once */
	uint64_t commands;
};

struct model_hung {
	bool used, hard;
	unsigned qid;
	uint16_t cid;
};

struct model {
	struct sip_model bus;

	/* A test may change these and bus.info before attaching, and some later. */
	uint32_t cap_low, cap_high, vs;
	unsigned max_pairs;                   /* that it gives */
	bool cache, deallocate, zeroes, list; /* list: it knows CNS 2 */
	unsigned sgls;                        /* IDENTIFY's word: 0 none, 1 any, 2 dwords */
	unsigned ready_reads;                 /* of CSTS until RDY follows EN */
	bool stuck;                           /* RDY never does */
	unsigned kelvin;
	uint8_t critical;
	char serial[21];

	uint32_t cc, csts, aqa;
	uint64_t asq, acq;
	unsigned wait_reads;
	struct model_queue queue[MODEL_QUEUES];
	struct model_hung hung[MODEL_HUNG];
	uint16_t event[MODEL_EVENTS]; /* requests that wait */
	unsigned nevents;
	bool event_masked[8];          /* by type, until its log is read */
	uint32_t untold[MODEL_EVENTS]; /* results of events that nobody has asked for yet */
	unsigned nuntold;
	uint32_t event_config;
	struct model_namespace ns[MODEL_NAMESPACES];
	unsigned resets, shutdowns, aborts;
	unsigned logs[256];                     /* read so often */
	unsigned prp_data, sgl_data, sgl_lists; /* commands with data; SGLs with a segment */
};

void model_init(struct model *m);
void model_fini(struct model *m);
/* Before model_init's device is used, or while it runs: with the event for it, if asked for. */
void model_namespace_make(struct model *m, unsigned nsid, uint64_t nsectors, uint32_t secsize);
void model_namespace_remove(struct model *m, unsigned nsid);
/* An event of SMART: what is critical, and the temperature. */
void model_critical(struct model *m, uint8_t critical, unsigned kelvin);
/* An event of some type, unless its type waits for its log to be read: then false. */
bool model_event_now(struct model *m, unsigned type, unsigned info, unsigned log);
/* Pulled out. */
void model_remove(struct model *m);

/* command.c */
/* Carries it out: its status; *result is the completion's. */
uint16_t model_admin(struct model *m, const struct nvme_command *c, uint32_t *result);
uint16_t model_io(struct model *m, const struct nvme_command *c);
/* Instead: chance in the n bytes, at most a page, that it would have given. */
uint16_t model_chance(struct model *m, const struct nvme_command *c, size_t n);

/* model.c, for command.c */
void model_complete(struct model *m, unsigned qid, uint16_t cid, uint16_t status, uint32_t result);
void model_event(struct model *m, unsigned type, unsigned info, unsigned log);
