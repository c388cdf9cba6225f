/*
 * A driver with a model as its controller: what its tests share.
 */
#pragma once
#include "../../../lib/drive/testing/testing.h"
#include "../ctlr.h"
#include "model.h"

enum {
	SECTORS = 8192,
	THREADS = DRIVE_TEST_THREADS,
	ROUNDS = DRIVE_TEST_ROUNDS,
	WAIT_MS = DRIVE_TEST_WAIT_MS
};

struct world {
	struct model m;
	struct sip_server server;
	struct sip_dev *dev;
	struct nvme_ctlr *c;
};

/* The name spaces are made by the test, before it attaches. */
struct world *world_make(void);
int world_try_attach(struct world *w);
void world_attach(struct world *w);
struct world *world_start(void); /* with one of SECTORS of 512 bytes */
/* Ends the driver, and fails the test if the model did not like something. */
void world_stop(struct world *w);
struct drive_disk *world_drive(struct world *w, const char *name);
struct blk_disk *world_disk(struct world *w, const char *name);
struct blk_disk *world_disk0(struct world *w);
/* Waits until it is there, or gone. */
bool world_becomes(struct world *w, const char *name, bool there);
uint64_t world_counter(struct world *w, const uint64_t *which); /* of the port */
void world_fill(uint8_t *buf, uint64_t sector, size_t bytes, unsigned seed);
/* 64 KiB to the name space and back. */
void world_round_trip(struct world *w, const char *name, unsigned nsid);
/* A load of sdN0: see struct drive_load; meanwhile gets w. */
void world_load(struct world *w, uint64_t bad, int other, void (*meanwhile)(void *w));
struct sip_model_fault
world_fault(enum model_fault_kind kind, unsigned times, uint8_t opcode, uint64_t lba);
/* A command of the test's own on sdN0: its result. */
int world_run_io(struct world *w, struct blk_io *io);
