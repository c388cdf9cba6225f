/*
 * A disk in memory for tests of a struct blk_server: 4096 sectors of 512 bytes with an MBR.  What
 * it does with requests is the test's; what must not fail fails the test.
 */
#pragma once
#include <pthread.h>
#include "blk.h"

enum { BLK_RAM_SECTORS = 4096 };

struct blk_ram {
	uint8_t data[BLK_RAM_SECTORS * 512];
	struct blk_server *blk;
	struct blk_memory *memory;
	void *buffers; /* four small ones, all bytes 0xee */
	struct blk_disk *disk;
	pthread_mutex_t lock; /* for the next two */
	bool holding;         /* what blk_ram_keeps is asked about is kept back */
	struct blk_io *held;
};

/* Writes entry i (0 to 3) of its MBR: sectors start to start + n.  Type 0: there is none. */
void blk_ram_entry(struct blk_ram *r, unsigned i, uint8_t type, uint32_t start, uint32_t n);
/* The disk in a server of its own; info is completed with its memory and size. */
void
blk_ram_start(struct blk_ram *r, struct blk_info *info, const struct blk_ops *ops, void *drive);
void blk_ram_stop(struct blk_ram *r);
/* Moves the data of a read or a write; the caller ends the request. */
void blk_ram_read(const struct blk_ram *r, struct blk_io *io);
void blk_ram_write(struct blk_ram *r, const struct blk_io *io);
/* True: the request is not to be done now, as it is held; the test ends it. */
bool blk_ram_keeps(struct blk_ram *r, struct blk_io *io);
/* The one that is held; waits for it. */
struct blk_io *blk_ram_held(struct blk_ram *r);
/* Sets all bytes of the sectors of a request. */
void blk_ram_set(struct blk_ram *r, const struct blk_io *io, uint8_t byte);
