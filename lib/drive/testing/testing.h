/*
 * What the tests of drivers of disks share: a driver on the model of its controller, what it shows,
 * and a load that knows what it must read.  All of it fails the test when something is wrong.
 */
#pragma once
#include "../private.h"
#include "sip_model.h"

enum { DRIVE_TEST_THREADS = 8, DRIVE_TEST_ROUNDS = 60, DRIVE_TEST_WAIT_MS = 30000 };

/*
 * Starts a server of that type on the model at that address, with *dev as its device: 0, or the
 * driver's error; drive_test_stop follows in any case.
 */
int drive_test_attach(struct sip_server *s, const struct sip_type *type, struct sip_model *bus,
		      const char *addr, struct sip_dev **dev);
/* Ends it; the model must have liked all of it. */
void drive_test_stop(struct sip_server *s, struct sip_model *bus);

/* A disk of the port by its name, or the first one; or NULL. */
struct drive_disk *drive_test_drive(struct drive_port *p, const char *name);
/* What lib/blk shows of it, or NULL. */
struct blk_disk *drive_test_disk(struct drive_port *p, const char *name);
/* Waits until it is there, or gone. */
bool drive_test_becomes(struct drive_port *p, const char *name, bool there);
/* One of the port's counters. */
uint64_t drive_test_counter(struct drive_port *p, const uint64_t *which);

/* Interrupts get lost: the port is polled, and nobody waits long; they come again. */
void drive_test_lost_interrupts(struct sip_model *bus, struct drive_port *p);

/* Bytes that differ from sector to sector (of 512) and by seed. */
void drive_test_fill(void *buf, uint64_t sector, size_t bytes, unsigned seed);

struct drive_load {
	struct blk_disk *disk; /* of sectors of 512 bytes */
	uint64_t nsectors;
	uint64_t bad;                 /* a sector that must fail with EIO; UINT64_MAX: none */
	int other;                    /* an error that may come instead of success; 0: none */
	void (*meanwhile)(void *arg); /* called once they run; or NULL */
	void *arg;
};
/* Threads write, read back and flush, each in its part of the disk. */
void drive_test_load(const struct drive_load *l);

/*
 * A command that does not come from lib/blk: its result.  One at a time, and only in tests that are
 * linked with --wrap=blk_done (io.c).
 */
int drive_test_run_io(struct drive_disk *d, struct blk_io *io);
