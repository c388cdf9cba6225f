/*
 * The driver on a model with an optical drive: packets, what they move, sense data, and resets.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../../lib/blk/disk.h"
#include "model/world.h"
#include "os.h"

enum { BLOCKS = 1000, PORT = 1 };

/* The drive as lib/blk has it: lib/atapi's disk, not the port's. */
static struct blk_disk *
drive(struct world *w)
{
	struct blk_server *s = ((struct drive_program *)w->server.priv)->blk;
	struct blk_disk *d = NULL;

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->ndisks; i++)
		if (s->disk[i]->number == PORT)
			d = s->disk[i];
	if (d)
		blk_disk_get(d);
	pthread_mutex_unlock(&s->lock);
	return d;
}

static struct world *
start_drive(bool medium)
{
	struct world *w = world_make(2);

	model_disk_make(&w->m, 0, SECTORS, 512, true);
	model_drive_make(&w->m, PORT, BLOCKS);
	w->m.port[PORT].disk.medium = medium;
	for (unsigned i = 0; i < BLOCKS * 2048; i++)
		w->m.port[PORT].disk.data[i] = (uint8_t)(i * 7 + i / 2048);
	world_attach(w);
	return w;
}

static void
reads(void **state)
{
	struct world *w = start_drive(true);
	struct ahci_port *p = &w->hba->port[PORT];
	struct blk_disk *d = drive(w);
	uint8_t buf[20 * 2048];

	(void)state;
	assert_non_null(d);
	assert_string_equal(d->info.name, "sdC1");
	assert_string_equal(d->info.model, "Model drive");
	assert_int_equal(d->info.secsize, 2048);
	assert_int_equal(d->info.nsectors, BLOCKS);
	assert_int_equal(blk_sync(d, BLK_READ, 980, 20, buf), 0);
	assert_memory_equal(buf, w->m.port[PORT].disk.data + 980 * 2048, sizeof buf);
	assert_int_equal(blk_sync(d, BLK_READ, 990, 11, buf), -EINVAL);
	blk_disk_put(d);
	/* The disk beside it is one as ever. */
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 0, 1, buf), 0);
	assert_int_equal(world_counter(p, &p->port.resets), 0);
	world_stop(w);
}

/* A packet that ends with sense data is no error of the port's: nothing is reset or sent again. */
static void
sense(void **state)
{
	struct world *w = start_drive(true);
	struct ahci_port *p = &w->hba->port[PORT];
	struct blk_disk *d = drive(w);
	uint8_t buf[2048];

	(void)state;
	w->m.port[PORT].disk.bad_block = 77;
	assert_int_equal(blk_sync(d, BLK_READ, 77, 1, buf), -EIO);
	assert_int_equal(blk_sync(d, BLK_READ, 78, 1, buf), 0);
	assert_memory_equal(buf, w->m.port[PORT].disk.data + 78 * 2048, sizeof buf);
	blk_disk_put(d);
	assert_int_equal(world_counter(p, &p->port.resets), 0);
	assert_int_equal(world_counter(p, &p->port.errors), 0);
	assert_string_equal(p->port.last_error, "sdC1: read of 1 at 77: medium error: unrecovered "
						"read error (3/11/00)");
	world_stop(w);
}

static void
no_medium(void **state)
{
	struct world *w = start_drive(false);
	struct ahci_port *p = &w->hba->port[PORT];
	struct blk_disk *d = drive(w);
	char text[1024];

	(void)state;
	assert_non_null(d);
	d->ops->describe(d->drive, text, sizeof text);
	assert_non_null(strstr(text, "medium none"));
	blk_disk_put(d);
	assert_int_equal(world_counter(p, &p->port.resets), 0);
	assert_int_equal(world_counter(p, &p->port.errors), 0);
	world_stop(w);
}

/* After a reset the drive is asked who it is, as a disk is, and is the same. */
static void
resets(void **state)
{
	struct world *w = start_drive(true);
	struct ahci_port *p = &w->hba->port[PORT];
	struct blk_disk *d = drive(w);
	uint8_t buf[2048];

	(void)state;
	drive_blk_ops.command(p->port.disks, "reset");
	for (unsigned ms = 0; ms < WAIT_MS && !world_counter(p, &p->port.resets); ms += 2)
		os_sleep_ns(2000000);
	assert_int_equal(blk_sync(d, BLK_READ, 5, 1, buf), 0);
	blk_disk_put(d);
	world_stop(w);
}

static void
pulled(void **state)
{
	struct world *w = start_drive(true);
	struct blk_disk *d = drive(w), *again = NULL;
	uint8_t buf[2048];

	(void)state;
	model_unplug(&w->m, PORT);
	for (unsigned ms = 0; ms < WAIT_MS && !atomic_load(&d->gone); ms += 2)
		os_sleep_ns(2000000);
	assert_int_equal(blk_sync(d, BLK_READ, 5, 1, buf), -ENODEV);
	blk_disk_put(d);
	model_plug(&w->m, PORT, "BACK");
	for (unsigned ms = 0; ms < WAIT_MS && !(again = drive(w)); ms += 2)
		os_sleep_ns(2000000);
	assert_non_null(again);
	assert_string_equal(again->info.serial, "BACK");
	assert_int_equal(blk_sync(again, BLK_READ, 5, 1, buf), 0);
	blk_disk_put(again);
	world_stop(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),  cmocka_unit_test(sense),  cmocka_unit_test(no_medium),
		cmocka_unit_test(resets), cmocka_unit_test(pulled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
