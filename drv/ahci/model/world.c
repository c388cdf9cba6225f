/*
 * The driver on the model: see world.h.
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
#include "os.h"
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
	assert_int_equal(sip_init(&w->server, &world_type), 0);
	assert_int_equal(drive_server_ops.initialize(&w->server), 0);
	w->server.initialized = true;
	assert_int_equal(sip_model_open(&w->m.bus, "0.31.2", &w->dev), 0);
	assert_int_equal(sip_attach(&w->server, w->dev), 0);
	assert_int_equal(drive_server_ops.start(&w->server), 0);
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
	const char *wrong;

	sip_finish(&w->server);
	wrong = sip_model_verdict(&w->m.bus);
	if (wrong)
		fail_msg("%s", wrong);
	model_fini(&w->m);
	free(w);
}

struct blk_disk *
world_disk(struct world *w, unsigned port)
{
	struct drive_port *p = &w->hba->port[port].port;
	struct blk_disk *d;

	pthread_mutex_lock(&p->lock);
	d = p->disks ? p->disks->blk : NULL;
	pthread_mutex_unlock(&p->lock);
	return d;
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
	for (unsigned ms = 0; ms < WAIT_MS; ms += 2) {
		if ((world_disk(w, port) != NULL) == there)
			return true;
		os_sleep_ns(2000000);
	}
	return false;
}

uint64_t
world_counter(struct ahci_port *p, const uint64_t *which)
{
	uint64_t v;

	pthread_mutex_lock(&p->queue.lock);
	pthread_mutex_lock(&p->port.lock);
	v = *which;
	pthread_mutex_unlock(&p->port.lock);
	pthread_mutex_unlock(&p->queue.lock);
	return v;
}

void
world_fill(uint8_t *buf, uint64_t sector, uint32_t n, unsigned seed)
{
	for (uint32_t i = 0; i < n * 512; i++)
		buf[i] = (uint8_t)(sector + i / 512 + i * 3 + seed);
}

void
world_describe(struct world *w, unsigned port, char text[1024])
{
	drive_blk_ops.describe(w->hba->port[port].port.disks, text, 1024);
}

/* Commands that do not come from lib/blk (tool/ahci.mk): their client is this. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool done;
	int err;
} mine = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 };

void __real_blk_done(struct blk_io *io, int err);
void __wrap_blk_done(struct blk_io *io, int err);

void
__wrap_blk_done(struct blk_io *io, int err)
{
	if (io->client != &mine) {
		__real_blk_done(io, err);
		return;
	}
	pthread_mutex_lock(&mine.lock);
	mine.done = true;
	mine.err = err;
	pthread_cond_signal(&mine.over);
	pthread_mutex_unlock(&mine.lock);
}

int
world_run_io(struct world *w, struct blk_io *io)
{
	mine.done = false;
	io->client = &mine;
	drive_blk_ops.read(w->hba->port[0].port.disks, io);
	pthread_mutex_lock(&mine.lock);
	while (!mine.done)
		pthread_cond_wait(&mine.over, &mine.lock);
	pthread_mutex_unlock(&mine.lock);
	return mine.err;
}

static void *
load_thread(void *arg)
{
	struct load *l = arg;
	struct blk_disk *d = l->disk;
	uint64_t base = l->index * (SECTORS / THREADS);
	uint8_t buf[16 * 512], got[16 * 512];

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t sector = base + i * 16 % (SECTORS / THREADS - 16);
		bool bad = l->bad >= sector && l->bad < sector + 16;
		int err;

		world_fill(buf, sector, 16, i);
		err = blk_sync(d, BLK_WRITE, sector, 16, buf);
		if (!err)
			err = blk_sync(d, BLK_READ, sector, 16, got);
		if (bad && err == -EIO)
			l->failed++;
		else if (l->other && err == l->other)
			l->others++;
		else {
			if (err)
				fail_msg("round %u at %llu: %s", i, (unsigned long long)sector,
					 strerror(-err));
			assert_memory_equal(buf, got, sizeof buf);
		}
		if (i % 16 == 0 && !l->other)
			assert_int_equal(blk_sync(d, BLK_FLUSH, 0, 0, NULL), 0);
	}
	return NULL;
}

void
world_run_load(struct world *w, uint64_t bad, int other, void (*meanwhile)(struct world *))
{
	struct load l[THREADS];
	struct blk_disk *d = world_disk(w, 0);
	pthread_t t[THREADS];

	blk_disk_get(d);
	for (unsigned i = 0; i < THREADS; i++) {
		l[i] = (struct load){ .disk = d, .index = i, .bad = bad, .other = other };
		pthread_create(&t[i], NULL, load_thread, &l[i]);
	}
	if (meanwhile)
		meanwhile(w);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		if (bad != UINT64_MAX)
			assert_int_equal(l[i].failed > 0, bad / (SECTORS / THREADS) == i);
	}
	blk_disk_put(d);
}
