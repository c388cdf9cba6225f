/*
 * A driver with a model as its controller, and what tests do with it; see world.h.
 */
#include "world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "os.h"
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
	int err;

	assert_int_equal(sip_init(&w->server, &type), 0);
	assert_int_equal(drive_server_ops.initialize(&w->server), 0);
	w->server.initialized = true;
	assert_int_equal(sip_model_open(&w->m.bus, "1.0.0", &w->dev), 0);
	err = sip_attach(&w->server, w->dev);
	if (err == 0) {
		assert_int_equal(drive_server_ops.start(&w->server), 0);
		w->c = w->dev->priv;
	}
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
	const char *wrong;

	sip_finish(&w->server);
	wrong = sip_model_verdict(&w->m.bus);
	if (wrong)
		fail_msg("%s", wrong);
	model_fini(&w->m);
	free(w);
}

struct drive_disk *
world_drive(struct world *w, const char *name)
{
	struct drive_port *p = &w->c->port;
	struct drive_disk *d;

	pthread_mutex_lock(&p->lock);
	for (d = p->disks; d && strcmp(d->info.name, name) != 0; d = d->next)
		;
	pthread_mutex_unlock(&p->lock);
	return d;
}

struct blk_disk *
world_disk(struct world *w, const char *name)
{
	struct drive_disk *d = world_drive(w, name);
	struct blk_disk *blk = NULL;

	pthread_mutex_lock(&w->c->port.lock);
	if (d)
		blk = d->blk;
	pthread_mutex_unlock(&w->c->port.lock);
	return blk;
}

struct blk_disk *
world_disk0(struct world *w)
{
	return world_disk(w, "sdN0");
}

bool
world_becomes(struct world *w, const char *name, bool there)
{
	for (unsigned ms = 0; ms < WAIT_MS; ms += 2) {
		if ((world_disk(w, name) != NULL) == there)
			return true;
		os_sleep_ns(2000000);
	}
	return false;
}

uint64_t
world_counter(struct world *w, const uint64_t *which)
{
	uint64_t v;

	pthread_mutex_lock(&w->c->port.lock);
	v = *which;
	pthread_mutex_unlock(&w->c->port.lock);
	return v;
}

void
world_fill(uint8_t *buf, uint64_t sector, size_t bytes, unsigned seed)
{
	for (size_t i = 0; i < bytes; i++)
		buf[i] = (uint8_t)(sector + i / 512 + i * 3 + seed);
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

struct load {
	struct blk_disk *disk;
	uint64_t bad; /* a sector that is expected to fail; else UINT64_MAX */
	int other;    /* an error that is expected instead of success; else 0 */
	unsigned index, failed, others;
};

static void *
load_thread(void *arg)
{
	struct load *l = arg;
	uint64_t base = l->index * (SECTORS / THREADS);
	uint8_t buf[16 * 512], got[16 * 512];

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t sector = base + i * 16 % (SECTORS / THREADS - 16);
		bool bad = l->bad >= sector && l->bad < sector + 16;
		int err;

		world_fill(buf, sector, sizeof buf, i);
		err = blk_sync(l->disk, BLK_WRITE, sector, 16, buf);
		if (!err)
			err = blk_sync(l->disk, BLK_READ, sector, 16, got);
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
			assert_int_equal(blk_sync(l->disk, BLK_FLUSH, 0, 0, NULL), 0);
	}
	return NULL;
}

void
world_load(struct world *w, uint64_t bad, int other, void (*meanwhile)(struct world *))
{
	struct load l[THREADS];
	struct blk_disk *d = world_disk0(w);
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

struct model_fault
world_fault(enum model_fault_kind kind, unsigned times, uint8_t opcode, uint64_t lba)
{
	return (struct model_fault){ .kind = kind,
				     .times = times,
				     .opcode = opcode,
				     .lba = lba,
				     .status = NVME_READ_ERROR };
}

/* --- commands that do not come from lib/blk -------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool done;
	int err;
} mine = { .lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER };

void __wrap_blk_done(struct blk_io *io, int error);
void __real_blk_done(struct blk_io *io, int error);

void
__wrap_blk_done(struct blk_io *io, int error)
{
	if (io->client != &mine) {
		__real_blk_done(io, error);
		return;
	}
	pthread_mutex_lock(&mine.lock);
	mine.done = true;
	mine.err = error;
	pthread_cond_signal(&mine.over);
	pthread_mutex_unlock(&mine.lock);
}

int
world_run_io(struct world *w, struct blk_io *io)
{
	mine.done = false;
	io->client = &mine;
	drive_blk_ops.read(world_drive(w, "sdN0"), io);
	pthread_mutex_lock(&mine.lock);
	while (!mine.done)
		pthread_cond_wait(&mine.over, &mine.lock);
	pthread_mutex_unlock(&mine.lock);
	return mine.err;
}
