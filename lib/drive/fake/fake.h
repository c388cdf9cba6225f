/*
 * A fake drive for the tests of lib/drive: its registers are a table of tags, which the test ends
 * as it likes.  Its commands are struct cmd, not lib/blk's (tool/drive.mk).
 */
#pragma once
#include <stdatomic.h>
#include "../private.h"
#include "os.h"

enum { TAGS = 100, DEPTH = 4, MANY = 24, WAIT_MS = 20000, SECTORS = 100000, QUEUES = 5 };

/* One command, with what became of it. */
struct cmd {
	struct blk_io io;
	_Atomic int result; /* 1: not over */
	unsigned sent;      /* how often */
	unsigned order;     /* of its last sending, from 1 */
};

struct fake {
	struct drive_ctlr ctlr;
	struct drive_port port;
	struct drive_queue queue[QUEUES];
	struct sip_dev dev;
	struct sip_server server;
	struct sip_bus bus;

	pthread_mutex_t lock; /* the device's side, all below */
	struct blk_io *tag[QUEUES][DRIVE_TAGS_MAX];
	uint64_t ends[QUEUES][DRIVE_TAGS_MAX / 64];  /* finished, not reaped yet */
	uint64_t fails[QUEUES][DRIVE_TAGS_MAX / 64]; /* of these: with an error */
	unsigned sent, rings, running, most, restarts, probes, quiets, looks;
	bool there, broken_restart, freed;
	enum drive_retry retry; /* of what fails */
	int other; /* an error of restart */
	atomic_bool slow_restart, slow_probe; /* it does not come back from it */
	enum drive_verdict verdict;
	int blamed; /* a tag of queue 0, or -1 */
	bool final, whole;
	struct blk_io *poison; /* ends nothing: the device breaks when it starts */
	bool breaking;
	unsigned ndisks;
};

extern const struct drive_ops fake_ops;      /* with `present` */
extern const struct drive_ops fake_many_ops; /* with several queues, by sector */

/* Waits until something is so, at most for WAIT_MS; NOW reads what another thread changes. */
#define NOW(x)	     (*(const volatile __typeof__(x) *)&(x))
#define WAIT_FOR(so)                                          \
	for (unsigned ms_ = 0; ms_ < WAIT_MS && !(so); ms_++) \
		os_sleep_ns(1000000)

/* A controller with one port, and a disk behind it. */
struct fake *fake_make(const struct drive_ops *ops, unsigned nqueues, unsigned ntags);
void fake_stop(struct fake *f);
struct drive_disk *fake_disk(struct fake *f);
bool fake_comes(struct fake *f, bool there); /* READY, or not */
/* Two disks behind the port instead of the one. */
void fake_two_disks(struct fake *f, struct drive_disk **a, struct drive_disk **b);
/* Waits until the port has been reset n times, which it must be. */
void fake_restarts(const struct fake *f, unsigned n);
void fake_prepare(struct cmd *c, enum blk_kind kind, uint64_t sector, uintptr_t client);
void
fake_send(struct fake *f, struct cmd *c, enum blk_kind kind, uint64_t sector, uintptr_t client);
/* It ends as the device. */
void fake_end(struct fake *f, struct cmd *c, bool well);
bool fake_runs(struct fake *f, const struct cmd *c);
bool fake_becomes(const struct cmd *c, int result);
/* Ends whatever of them runs, until all are over. */
void fake_end_all(struct fake *f, struct cmd *c, unsigned n);
