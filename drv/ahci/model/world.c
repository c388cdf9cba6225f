/*
 * The driver on the model: see world.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "p9_srv.h"
#include "world.h"

const struct sip_type world_type = {
	.name = "ahci",
	.server = &drive_server_ops,
	.driver = &ahci_driver_ops,
	.p9 = &blk_p9_ops,
};

/* A controller with those of the first ports implemented; the disks are made by the test. */
struct world *
world_make(unsigned nports)
{
	struct world *w = calloc(1, sizeof *w);

	model_init(&w->m);
	w->m.pi = (1u << nports) - 1;
	return w;
}

void
world_attach(struct world *w)
{
	assert_int_equal(drive_test_attach(&w->server, &world_type, &w->m.bus, "0.31.2", &w->dev),
			 0);
	w->hba = w->dev->priv;
}

struct world *
world_start(bool ncq)
{
	struct world *w = world_make(1);

	model_disk_make(&w->m, 0, SECTORS, 512, ncq);
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

struct blk_disk *
world_disk(struct world *w, unsigned port)
{
	return drive_test_disk(&w->hba->port[port].port, NULL);
}

/* What is told of it now; of zeros if there is none. */
struct drive_disk
world_told(struct world *w, unsigned port)
{
	struct drive_port *p = &w->hba->port[port].port;
	struct drive_disk d = { 0 };

	pthread_mutex_lock(&p->lock);
	if (p->disks)
		d.info = p->disks->info;
	pthread_mutex_unlock(&p->lock);
	return d;
}

int
world_command(struct world *w, const char *text)
{
	return drive_blk_ops.command(w->hba->port[0].port.disks, text);
}

bool
world_becomes(struct world *w, unsigned port, bool there)
{
	return drive_test_becomes(&w->hba->port[port].port, NULL, there);
}

uint64_t
world_counter(struct ahci_port *p, const uint64_t *which)
{
	uint64_t v;

	os_lock_take(&p->queue.lock);
	pthread_mutex_lock(&p->port.lock);
	v = *which;
	pthread_mutex_unlock(&p->port.lock);
	os_lock_give(&p->queue.lock);
	return v;
}

void
world_fill(uint8_t *buf, uint64_t sector, uint32_t n, unsigned seed)
{
	drive_test_fill(buf, sector, n * 512ul, seed);
}

void
world_describe(struct world *w, unsigned port, char text[1024])
{
	drive_blk_ops.describe(w->hba->port[port].port.disks, text, 1024);
}

int
world_run_io(struct world *w, struct blk_io *io)
{
	return drive_test_run_io(w->hba->port[0].port.disks, io);
}

void
world_run_load(struct world *w, uint64_t bad, int other, void (*meanwhile)(void *w))
{
	struct drive_load l = { .disk = world_disk(w, 0),
				.nsectors = SECTORS,
				.bad = bad,
				.other = other,
				.meanwhile = meanwhile,
				.arg = w };

	drive_test_load(&l);
}
