/*
 * What the driver's tests share: the driver on a model, and a load that knows what it must read.
 */
#pragma once
#include "../../../lib/drive/testing/testing.h"
#include "../ahci.h"
#include "model.h"

enum { SECTORS = 8192, THREADS = DRIVE_TEST_THREADS, WAIT_MS = DRIVE_TEST_WAIT_MS };

struct world {
	struct model m;
	struct sip_server server;
	struct sip_dev *dev;
	struct ahci_hba *hba;
};

struct load {
	struct blk_disk *disk;
	uint64_t bad; /* a sector that is expected to fail; else UINT64_MAX */
	int other;    /* an error that is expected instead of success; else 0 */
	unsigned index, failed, others;
};

extern const struct sip_type world_type;
/* A controller with those of the first ports implemented; the disks are made by the test. */
struct world *world_make(unsigned nports);
void world_attach(struct world *w);
/* With a disk in port 0. */
struct world *world_start(bool ncq);
/* The driver ends; it fails if the model did not like something. */
void world_stop(struct world *w);
/* What lib/blk shows of a port, or NULL. */
struct blk_disk *world_disk(struct world *w, unsigned port);
/* What is told of it now; of zeros if there is none. */
struct drive_disk world_told(struct world *w, unsigned port);
bool world_becomes(struct world *w, unsigned port, bool there);
int world_command(struct world *w, const char *text); /* of port 0's ctl */
void world_describe(struct world *w, unsigned port, char text[1024]);
uint64_t world_counter(struct ahci_port *p, const uint64_t *which);
void world_fill(uint8_t *buf, uint64_t sector, uint32_t n, unsigned seed);
/* A command that does not come from lib/blk, and its end. */
int world_run_io(struct world *w, struct blk_io *io);
/* A load of port 0's disk: see struct drive_load; meanwhile gets w. */
void world_run_load(struct world *w, uint64_t bad, int other, void (*meanwhile)(void *w));
