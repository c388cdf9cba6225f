/*
 * See testing.h.
 */
#include "testing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "os.h"

enum { MOST = 16 /* sectors of a request */ };

int
drive_test_attach(struct sip_server *s, const struct sip_type *type, struct sip_model *bus,
		  const char *addr, struct sip_dev **dev)
{
	int err;

	assert_int_equal(sip_init(s, type), 0);
	assert_int_equal(drive_server_ops.initialize(s), 0);
	s->initialized = true;
	assert_int_equal(sip_model_open(bus, addr, dev), 0);
	err = sip_attach(s, *dev);
	if (err == 0)
		assert_int_equal(drive_server_ops.start(s), 0);
	return err;
}

void
drive_test_stop(struct sip_server *s, struct sip_model *bus)
{
	const char *wrong;

	sip_finish(s);
	wrong = sip_model_verdict(bus);
	if (wrong)
		fail_msg("%s", wrong);
}

/* --- disks ----------------------------------------------------------------------------------- */

static struct drive_disk *
find(struct drive_port *p, const char *name)
{
	struct drive_disk *d = p->disks;

	while (d && name && strcmp(d->info.name, name) != 0)
		d = d->next;
	return d;
}

struct drive_disk *
drive_test_drive(struct drive_port *p, const char *name)
{
	struct drive_disk *d;

	pthread_mutex_lock(&p->lock);
	d = find(p, name);
	pthread_mutex_unlock(&p->lock);
	return d;
}

struct blk_disk *
drive_test_disk(struct drive_port *p, const char *name)
{
	const struct drive_disk *d;
	struct blk_disk *blk;

	pthread_mutex_lock(&p->lock);
	d = find(p, name);
	blk = d ? d->blk : NULL;
	pthread_mutex_unlock(&p->lock);
	return blk;
}

bool
drive_test_becomes(struct drive_port *p, const char *name, bool there)
{
	for (unsigned ms = 0; ms < DRIVE_TEST_WAIT_MS; ms += 2) {
		if ((drive_test_disk(p, name) != NULL) == there)
			return true;
		os_sleep_ns(2000000);
	}
	return false;
}

uint64_t
drive_test_counter(struct drive_port *p, const uint64_t *which)
{
	uint64_t v;

	pthread_mutex_lock(&p->lock);
	v = *which;
	pthread_mutex_unlock(&p->lock);
	return v;
}

static void
mute(struct sip_model *bus, bool mute)
{
	pthread_mutex_lock(&bus->lock);
	bus->mute = mute;
	pthread_mutex_unlock(&bus->lock);
}

static unsigned
npolled(struct drive_port *p)
{
	unsigned n;

	pthread_mutex_lock(&p->lock);
	n = p->npolled;
	pthread_mutex_unlock(&p->lock);
	return n;
}

static void
read_some(struct blk_disk *d, unsigned n)
{
	uint8_t buf[512];

	for (unsigned i = 0; i < n; i++)
		assert_int_equal(blk_sync(d, BLK_READ, i, 1, buf), 0);
}

void
drive_test_lost_interrupts(struct sip_model *bus, struct drive_port *p)
{
	struct blk_disk *d = drive_test_disk(p, NULL);
	uint64_t before;

	mute(bus, true);
	read_some(d, DRIVE_LOST);
	for (unsigned ms = 0; ms < DRIVE_TEST_WAIT_MS && !npolled(p); ms++)
		os_sleep_ns(1000000);
	assert_int_equal(npolled(p), 1);
	before = os_time_ns();
	read_some(d, 100);
	assert_true(os_time_ns() - before < 100 * (DRIVE_TICK_MS / 2) * 1000000ull);
	assert_int_equal(drive_test_counter(p, &p->lost), DRIVE_LOST);
	mute(bus, false);
	for (unsigned i = 0; i < DRIVE_TEST_WAIT_MS && npolled(p); i++)
		read_some(d, 1);
	assert_int_equal(npolled(p), 0);
	assert_int_equal(drive_test_counter(p, &p->errors), 0);
}

/* --- a load ---------------------------------------------------------------------------------- */

void
drive_test_fill(void *buf, uint64_t sector, size_t bytes, unsigned seed)
{
	uint8_t *b = buf;

	for (size_t i = 0; i < bytes; i++)
		b[i] = (uint8_t)(sector + i / 512 + i * 3 + seed);
}

struct part { /* of the disk, and its thread */
	const struct drive_load *load;
	uint64_t first, n;
	unsigned seed, failed;
	char wrong[128];
};

/* False: what came is not what should. */
static bool
one(struct part *p, uint64_t sector, uint32_t n, unsigned round)
{
	const struct drive_load *l = p->load;
	uint8_t buf[MOST * 512], got[MOST * 512];
	bool bad = l->bad >= sector && l->bad < sector + n;
	int err;

	drive_test_fill(buf, sector, n * 512ul, round);
	err = blk_sync(l->disk, BLK_WRITE, sector, n, buf);
	if (!err)
		err = blk_sync(l->disk, BLK_READ, sector, n, got);
	p->failed += bad && err == -EIO;
	if ((bad && err == -EIO) || (l->other && err == l->other))
		return true;
	if (err || memcmp(buf, got, n * 512ul) != 0) {
		snprintf(p->wrong, sizeof p->wrong, "round %u, %u sectors at %llu: %s", round, n,
			 (unsigned long long)sector, err ? strerror(-err) : "other data");
		return false;
	}
	return true;
}

/* In turn: the next sectors, and any number of them anywhere. */
static void *
part_thread(void *arg)
{
	struct part *p = arg;

	for (unsigned i = 0; i < DRIVE_TEST_ROUNDS; i++) {
		uint64_t at = p->first + i * MOST % (p->n - MOST);
		unsigned n;

		p->seed = p->seed * 1664525 + 1013904223;
		n = 1 + (p->seed >> 16) % MOST;
		if (!one(p, at, MOST, i) ||
		    !one(p, p->first + (p->seed >> 8) % (p->n - MOST), n, i))
			break;
		if (i % 16 == 0 && !p->load->other &&
		    blk_sync(p->load->disk, BLK_FLUSH, 0, 0, NULL) < 0) {
			snprintf(p->wrong, sizeof p->wrong, "round %u: no flush", i);
			break;
		}
	}
	return NULL;
}

void
drive_test_load(const struct drive_load *l)
{
	struct part part[DRIVE_TEST_THREADS];
	pthread_t thread[DRIVE_TEST_THREADS];
	uint64_t n = l->nsectors / DRIVE_TEST_THREADS;

	blk_disk_get(l->disk);
	for (unsigned i = 0; i < DRIVE_TEST_THREADS; i++) {
		part[i] = (struct part){ .load = l, .first = i * n, .n = n, .seed = i + 1 };
		pthread_create(&thread[i], NULL, part_thread, &part[i]);
	}
	if (l->meanwhile)
		l->meanwhile(l->arg);
	for (unsigned i = 0; i < DRIVE_TEST_THREADS; i++)
		pthread_join(thread[i], NULL);
	blk_disk_put(l->disk);
	for (unsigned i = 0; i < DRIVE_TEST_THREADS; i++) {
		if (part[i].wrong[0])
			fail_msg("%s", part[i].wrong);
		if (l->bad != UINT64_MAX)
			assert_int_equal(part[i].failed > 0, l->bad / n == i);
	}
}
