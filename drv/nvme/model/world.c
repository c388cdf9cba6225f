/*
 * A driver with a model as its controller, and what tests do with it; see world.h.
 */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "p9_srv.h"

static const struct sip_type type = {
	.name = "nvme",
	.server = &drive_server_ops,
	.driver = &nvme_driver_ops,
	.p9 = &blk_p9_ops,
};

struct world *
world_make(void)
{
	struct world *w = calloc(1, sizeof *w);

	model_init(&w->m);
	return w;
}

int
world_try_attach(struct world *w)
{
	int err = drive_test_attach(&w->server, &type, &w->m.bus, "1.0.0", &w->dev);

	if (err == 0)
		w->c = w->dev->priv;
	return err;
}

void
world_attach(struct world *w)
{
	assert_int_equal(world_try_attach(w), 0);
}

struct world *
world_start(void)
{
	struct world *w = world_make();

	model_namespace_make(&w->m, 1, SECTORS, 512);
	world_attach(w);
	return w;
}

void
world_stop(struct world *w)
{
	drive_test_stop(&w->server, &w->m.bus);
	model_fini(&w->m);
	free(w);
}

struct drive_disk *
world_drive(struct world *w, const char *name)
{
	return drive_test_drive(&w->c->port, name);
}

struct blk_disk *
world_disk(struct world *w, const char *name)
{
	return drive_test_disk(&w->c->port, name);
}

struct blk_disk *
world_disk0(struct world *w)
{
	return world_disk(w, "sdN0");
}

bool
world_becomes(struct world *w, const char *name, bool there)
{
	return drive_test_becomes(&w->c->port, name, there);
}

uint64_t
world_counter(struct world *w, const uint64_t *which)
{
	return drive_test_counter(&w->c->port, which);
}

void
world_fill(uint8_t *buf, uint64_t sector, size_t bytes, unsigned seed)
{
	drive_test_fill(buf, sector, bytes, seed);
}

void
world_round_trip(struct world *w, const char *name, unsigned nsid)
{
	static uint8_t buf[64 << 10], got[64 << 10];
	uint32_t size = w->m.ns[nsid - 1].secsize, n = sizeof buf / size;

	world_fill(buf, 100, sizeof buf, nsid);
	assert_int_equal(blk_sync(world_disk(w, name), BLK_WRITE, 100, n, buf), 0);
	assert_memory_equal(w->m.ns[nsid - 1].data + 100ul * size, buf, sizeof buf);
	assert_int_equal(blk_sync(world_disk(w, name), BLK_READ, 100, n, got), 0);
	assert_memory_equal(got, buf, sizeof buf);
	assert_int_equal(blk_sync(world_disk(w, name), BLK_READ, SECTORS - 1, 1, got), 0);
}

void
world_load(struct world *w, uint64_t bad, int other, void (*meanwhile)(void *w))
{
	struct drive_load l = { .disk = world_disk0(w),
				.nsectors = SECTORS,
				.bad = bad,
				.other = other,
				.meanwhile = meanwhile,
				.arg = w };

	drive_test_load(&l);
}

struct sip_model_fault
world_fault(enum model_fault_kind kind, unsigned times, uint8_t opcode, uint64_t lba)
{
	return (struct sip_model_fault){ .kind = kind,
					 .times = times,
					 .opcode = opcode,
					 .lba = lba,
					 .status = NVME_READ_ERROR };
}

int
world_run_io(struct world *w, struct blk_io *io)
{
	return drive_test_run_io(world_drive(w, "sdN0"), io);
}
