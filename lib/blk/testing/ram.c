/*
 * See ram.h.
 */
#include "ram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "os.h"

enum { TABLE = 446, ENTRY = 16, SIGNATURE = 510, NBUFFERS = 4, WAIT_MS = 60000 };

void
blk_ram_entry(struct blk_ram *r, unsigned i, uint8_t type, uint32_t start, uint32_t n)
{
	uint8_t *e = r->data + TABLE + ENTRY * i;

	e[4] = type;
	memcpy(e + 8, &start, 4);
	memcpy(e + 12, &n, 4);
	memcpy(r->data + SIGNATURE, "\x55\xaa", 2);
}

void
blk_ram_start(struct blk_ram *r, struct blk_info *info, const struct blk_ops *ops, void *drive)
{
	size_t size = (size_t)NBUFFERS * BLK_BUF_SMALL;

	pthread_mutex_init(&r->lock, NULL);
	r->blk = blk_server_new(NULL, NULL);
	r->memory = blk_memory_new();
	r->buffers = malloc(size);
	assert_non_null(r->buffers);
	memset(r->buffers, 0xee, size);
	blk_memory_add(r->memory, r->buffers, 0, size, BLK_BUF_SMALL);
	info->memory = r->memory;
	info->nsectors = BLK_RAM_SECTORS;
	info->secsize = 512;
	assert_int_equal(blk_add_disk(r->blk, info, ops, drive, &r->disk), 0);
}

void
blk_ram_stop(struct blk_ram *r)
{
	blk_remove_disk(r->disk);
	blk_server_free(r->blk);
	blk_memory_free(r->memory);
	pthread_mutex_destroy(&r->lock);
	free(r->buffers);
}

void
blk_ram_read(const struct blk_ram *r, struct blk_io *io)
{
	memcpy(io->data, r->data + io->sector * 512, io->nsectors * 512ul);
}

void
blk_ram_write(struct blk_ram *r, const struct blk_io *io)
{
	memcpy(r->data + io->sector * 512, io->data, io->nsectors * 512ul);
}

bool
blk_ram_keeps(struct blk_ram *r, struct blk_io *io)
{
	bool holding;

	pthread_mutex_lock(&r->lock);
	holding = r->holding;
	if (holding)
		r->held = io;
	pthread_mutex_unlock(&r->lock);
	return holding;
}

struct blk_io *
blk_ram_held(struct blk_ram *r)
{
	struct blk_io *io = NULL;

	for (unsigned ms = 0; !io; ms++) {
		assert_true(ms < WAIT_MS);
		os_sleep_ns(1000000);
		pthread_mutex_lock(&r->lock);
		io = r->held;
		pthread_mutex_unlock(&r->lock);
	}
	return io;
}

void
blk_ram_set(struct blk_ram *r, const struct blk_io *io, uint8_t byte)
{
	memset(r->data + io->sector * 512, byte, io->nsectors * 512ul);
}
