/*
 * The driver on a model of the controller: both modes, masters and slaves, DMA and programmed I/O,
 * optical drives, errors, commands that never end, lost interrupts, registers that lie.  Every test
 * ends with a look at what the model did not like (`lint`).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../../lib/blk/testing/testing.h"
#include "../../lib/drive/testing/testing.h"
#include "ide.h"
#include "model/model.h"
#include "os.h"

enum { SECTORS = 6000, LARGE = 150000, CD_SECTORS = 500, WAIT_MS = 30000 };
/* Accesses to an empty channel's ports, and of an IDENTIFY; the time of two empty channels. */
enum { EMPTY_PORTS = 16, IDENTIFY_PORTS = 128, EMPTY_MS = 10000 };

struct world {
	struct model m;
	struct sip_server server;
	struct sip_dev *dev;
	struct blk_test t;
};

static const struct sip_type type = {
	.name = "ide",
	.server = &drive_server_ops,
	.driver = &ide_driver_ops,
	.p9 = &blk_p9_ops,
};

static struct world *
make_as(unsigned native, bool master)
{
	struct world *w = calloc(1, sizeof *w);

	model_init(&w->m, native, master);
	return w;
}

static struct world *
make(void)
{
	return make_as(0, true);
}

static void
attach(struct world *w)
{
	assert_int_equal(drive_test_attach(&w->server, &type, &w->m.bus, "0.1.1", &w->dev), 0);
	blk_test_start(&w->t, ((struct drive_program *)w->server.priv)->blk);
}

static void
stop(struct world *w)
{
	blk_test_stop(&w->t);
	assert_int_equal(w->m.bus.wild, 0);
	drive_test_stop(&w->server, &w->m.bus);
	model_fini(&w->m);
	free(w);
}

static int
open_file(struct world *w, const char *path, uint32_t flags, struct p9c_file **f)
{
	return blk_test_open(&w->t, path, flags, f);
}

/* Bytes moved, or an error. */
static int64_t
transfer(struct world *w, const char *path, bool write, void *buf, size_t n, uint64_t off)
{
	return write ? blk_test_write(&w->t, path, buf, n, off)
		     : blk_test_read(&w->t, path, buf, n, off);
}

static bool
text_has(struct world *w, const char *path, const char *what)
{
	return blk_test_says(&w->t, path, what);
}

static int
ctl(struct world *w, const char *path, const char *command)
{
	return blk_test_command(&w->t, path, command);
}

/* What was written is on the model's disk, and reads back: large, small, unaligned, at the end. */
static void
check_data(struct world *w, unsigned n)
{
	struct model_drive *d = &w->m.channel[n / 2].drive[n % 2];
	static const struct {
		size_t n;
		uint64_t off;
	} t[] = { { 512, 0 },
		  { 700000, 4096 },
		  { 1000, 777 },
		  { 65536, 512 * 100 },
		  { 1 << 20, 512 * 2000 },
		  { 1, SECTORS * 512 - 1 },
		  { 512, SECTORS * 512 - 512 } };
	uint8_t *a = malloc(1 << 20), *b = malloc(1 << 20);
	char path[32];

	snprintf(path, sizeof path, "sdD%u/data", n);
	for (unsigned i = 0; i < sizeof t / sizeof t[0]; i++) {
		drive_test_fill(a, 0, t[i].n, i + n);
		assert_int_equal(transfer(w, path, true, a, t[i].n, t[i].off), t[i].n);
		assert_memory_equal(d->data + t[i].off, a, t[i].n);
		memset(b, 0, t[i].n);
		assert_int_equal(transfer(w, path, false, b, t[i].n, t[i].off), t[i].n);
		assert_memory_equal(a, b, t[i].n);
	}
	free(a);
	free(b);
}

static void
every_way(void **state)
{
	(void)state;
	for (unsigned native = 0; native < 4; native++) /* either channel */
		for (unsigned master = 0; master < 2; master++) {
			struct world *w = make_as(native, master);

			model_disk(&w->m, 0, SECTORS);
			model_disk(&w->m, 1, SECTORS)->lba48 = false;
			model_disk(&w->m, 2, SECTORS)->dma = false;
			model_disk(&w->m, 3, SECTORS)->no_multiple = true;
			w->m.channel[1].drive[1].dma = false;
			attach(w);
			for (unsigned n = 0; n < 4; n++)
				check_data(w, n);
			assert_true(text_has(w, "sdD0/ctl",
					     master ? "transfers dma\n" : "transfers pio\n"));
			assert_true(text_has(w, "sdD1/ctl", "drive slave\n"));
			assert_true(text_has(w, "sdD2/ctl", "features multiple lba48"));
			assert_true(text_has(w, "sdD3/ctl", "transfers pio\n"));
			assert_int_equal(ctl(w, "sdD1/ctl", "flush"), 0);
			assert_int_equal(w->m.channel[0].drive[1].flushes, 1);
			assert_int_equal(w->m.channel[0].drive[0].flushes, 0);
			assert_int_equal(ctl(w, "sdD2/ctl", "standby"), 0);
			assert_int_equal(w->m.channel[1].drive[0].standbys, 1);
			assert_int_equal(ctl(w, "sdD0/ctl", "nonsense"), -EINVAL);
			stop(w);
		}
}

/* Of more sectors than a range has, too; and not without DMA. */
static void
discards(void **state)
{
	struct world *w = make();
	struct model_drive *d = model_disk(&w->m, 0, LARGE), *pio = model_disk(&w->m, 1, SECTORS);

	(void)state;
	d->trim = pio->trim = true;
	pio->dma = false;
	memset(d->data, 0xaa, LARGE * 512);
	attach(w);
	assert_true(text_has(w, "sdD0/ctl", "lba48 trim"));
	assert_int_equal(ctl(w, "sdD0/ctl", "discard 3 1"), 0);
	assert_int_equal(d->trims, 1);
	assert_true(d->data[3 * 512 - 1] == 0xaa && !d->data[3 * 512] && !d->data[4 * 512 - 1] &&
		    d->data[4 * 512] == 0xaa);
	assert_int_equal(ctl(w, "sdD0/ctl", "discard 10 140010"), 0);
	assert_int_equal(d->trims, 2);
	assert_true(d->data[10 * 512 - 1] == 0xaa && !d->data[10 * 512] &&
		    !d->data[140020ul * 512 - 1] && d->data[140020ul * 512] == 0xaa);
	assert_int_equal(ctl(w, "sdD1/ctl", "discard 0 8"), -EOPNOTSUPP);
	assert_int_equal(pio->trims, 0);
	d->dma_error = 2; /* then there is none any more */
	assert_int_equal(ctl(w, "sdD0/ctl", "discard 3 1"), -EOPNOTSUPP);
	assert_true(text_has(w, "sdD0/ctl", "transfers pio"));
	assert_int_equal(ctl(w, "sdD0/ctl", "zero 4 1"), 0);
	assert_int_equal(d->data[4 * 512], 0);
	stop(w);
}

/*
 * Nobody is waited for who is not there: an empty channel costs a few looks at its registers and no
 * reset, which has to be waited for; an absent slave costs less than an IDENTIFY.
 */
static void
absent(void **state)
{
	struct world *w = make();
	struct p9c_file *f;
	uint64_t began = os_time_ns(), one;

	(void)state;
	attach(w);
	assert_int_equal(open_file(w, "sdD0/ctl", O_RDONLY, &f), -ENOENT);
	assert_in_range(w->m.bus.accesses, 1, 2 * EMPTY_PORTS);
	assert_true(os_time_ns() - began < EMPTY_MS * 1000000ull);
	stop(w);
	for (unsigned slave = 0; slave < 2; slave++) {
		w = make();
		model_disk(&w->m, 0, SECTORS);
		if (slave)
			model_disk(&w->m, 1, SECTORS);
		attach(w);
		if (!slave)
			one = w->m.bus.accesses;
		else
			assert_in_range(w->m.bus.accesses, one + IDENTIFY_PORTS, UINT64_MAX);
		assert_int_equal(open_file(w, "sdD1/ctl", O_RDONLY, &f), slave ? 0 : -ENOENT);
		if (slave)
			p9c_clunk(f);
		stop(w);
	}
	w = make();
	model_disk(&w->m, 3, SECTORS); /* a slave alone */
	attach(w);
	check_data(w, 3);
	assert_int_equal(open_file(w, "sdD2/ctl", O_RDONLY, &f), -ENOENT);
	stop(w);
}

static bool
line_falls(struct world *w, unsigned channel)
{
	bool stands = true;

	for (unsigned ms = 0; stands && ms < WAIT_MS; ms += 2) {
		os_sleep_ns(2000000);
		pthread_mutex_lock(&w->m.bus.lock);
		stands = w->m.channel[channel].line;
		pthread_mutex_unlock(&w->m.bus.lock);
	}
	return !stands;
}

static atomic_bool straying;
static pthread_t stray_thread;

static void *
stray(void *arg)
{
	struct world *w = arg;

	for (int i = 0; atomic_load(&straying); i++) {
		model_stray_interrupt(&w->m, i % 3 - 1);
		os_sleep_ns(100000);
	}
	return NULL;
}

static void
stray_start(struct world *w)
{
	atomic_store(&straying, true);
	pthread_create(&stray_thread, NULL, stray, w);
}

static void
stray_stop(void)
{
	atomic_store(&straying, false);
	pthread_join(stray_thread, NULL);
}

/* What is not ours to interrupt, or is late: it is looked at, told to be quiet, does no harm. */
static void
stray_interrupts(void **state)
{
	(void)state;
	for (unsigned native = 0; native < 2; native++) {
		struct world *w = make_as(native ? 3 : 0, true);

		model_disk(&w->m, 0, SECTORS);
		model_disk(&w->m, 2, SECTORS)->dma = false;
		attach(w);
		for (int i = 0; i < 6; i++) { /* nothing runs: the line must fall */
			model_stray_interrupt(&w->m, i % 2);
			assert_true(line_falls(w, (unsigned)i % 2));
		}
		stray_start(w);
		check_data(w, 0);
		check_data(w, 2);
		stray_stop();
		assert_true(text_has(w, "sdD0/stats", "errors 0\n"));
		assert_true(text_has(w, "sdD0/stats", "resets 0\n"));
		assert_true(text_has(w, "sdD0/ctl", "transfers dma\n"));
		stop(w);
	}
}

static void
set_bad(struct world *w, unsigned n, uint64_t sector, unsigned times)
{
	struct model_drive *d = &w->m.channel[n / 2].drive[n % 2];

	pthread_mutex_lock(&w->m.bus.lock);
	d->bad = sector;
	d->bad_times = times;
	pthread_mutex_unlock(&w->m.bus.lock);
}

static void
errors(void **state)
{
	(void)state;
	for (unsigned dma = 0; dma < 2; dma++) {
		struct world *w = make();
		uint8_t b[4096];

		model_disk(&w->m, 0, SECTORS)->dma = dma;
		attach(w);
		set_bad(w, 0, 100, 2);
		assert_int_equal(transfer(w, "sdD0/data", false, b, 4096, 100 * 512), 4096);
		set_bad(w, 0, 100, 1000);
		assert_int_equal(transfer(w, "sdD0/data", false, b, 4096, 99 * 512), -EIO);
		assert_true(text_has(w, "sdD0/ctl", "error 0x40 UNC"));
		assert_int_equal(transfer(w, "sdD0/data", false, b, 512, 99 * 512), 512);
		assert_true(text_has(w, "sdD0/ctl", dma ? "transfers dma" : "transfers pio"));
		stop(w);
	}
}

static void
let_time_pass(struct world *w)
{
	struct ide_ctlr *h = w->dev->priv;

	atomic_store(&h->ctlr.ahead_ms, 1000000);
}

static void
health(void **state)
{
	struct world *w = make();
	struct model_drive *good = model_disk(&w->m, 0, SECTORS);
	struct model_drive *bad = model_disk(&w->m, 1, SECTORS);

	(void)state;
	good->smart = good->smart_on = bad->smart = bad->smart_on = true;
	good->celsius = 41;
	bad->failing = true;
	bad->lba48 = false;
	model_disk(&w->m, 2, SECTORS)->smart = true;
	model_disk(&w->m, 3, SECTORS);
	attach(w);
	assert_true(text_has(w, "sdD0/ctl",
			     "\nsmart passed\ntemperature 41\n"
			     "smart-attribute 194 temperature 41 100 90 5 ok\n"));
	assert_true(text_has(w, "sdD1/ctl", "\nsmart failed "));
	assert_true(text_has(w, "sdD2/ctl", "\nsmart off\n"));
	assert_true(text_has(w, "sdD3/ctl", "\nsmart none\n"));
	assert_int_equal(good->smarts, 3);
	assert_int_equal(w->m.channel[1].drive[0].smarts + w->m.channel[1].drive[1].smarts, 0);
	check_data(w, 0);
	assert_true(text_has(w, "sdD0/stats", "errors 0\n"));
	stop(w);
}

/* A command that never ends is given again after a reset; its neighbour at the cable waits. */
static void
hangs(void **state)
{
	struct world *w = make();
	uint8_t b[4096];

	(void)state;
	model_disk(&w->m, 0, SECTORS);
	model_disk(&w->m, 1, SECTORS);
	attach(w);
	let_time_pass(w);
	pthread_mutex_lock(&w->m.bus.lock);
	w->m.channel[0].drive[0].hang = 1;
	pthread_mutex_unlock(&w->m.bus.lock);
	assert_int_equal(transfer(w, "sdD0/data", false, b, 4096, 512 * 8), 4096);
	check_data(w, 1);
	assert_true(w->m.channel[0].drive[0].resets >= 2 && w->m.channel[0].drive[1].resets >= 2);
	stop(w);
}

static void
lost_interrupts(void **state)
{
	struct world *w = make();
	uint8_t b[4096];

	(void)state;
	model_disk(&w->m, 0, SECTORS)->lose_interrupt = 0;
	attach(w);
	for (int i = 0; i < 3; i++) {
		pthread_mutex_lock(&w->m.bus.lock);
		w->m.channel[0].drive[0].lose_interrupt = 1;
		pthread_mutex_unlock(&w->m.bus.lock);
		assert_int_equal(transfer(w, "sdD0/data", false, b, 4096, 512 * 8), 4096);
	}
	assert_true(text_has(w, "sdD0/stats", "lost-interrupts 3\n"));
	assert_true(text_has(w, "sdD0/stats", "resets 0\n"));
	stop(w);
}

/* A machine that stands still for longer than a wait may take has not made its device late. */
static void
a_pause(void **state)
{
	struct world *w = make();
	uint8_t b[4096];

	_Static_assert(IDE_IDLE_MS * 1000 < MODEL_STOP_US, "longer than the wait");
	(void)state;
	model_disk(&w->m, 0, SECTORS);
	attach(w);
	pthread_mutex_lock(&w->m.bus.lock);
	w->m.stops = 2; /* the first look is of whoever has chosen the device */
	pthread_mutex_unlock(&w->m.bus.lock);
	assert_int_equal(transfer(w, "sdD0/data", false, b, 4096, 512 * 8), 4096);
	assert_int_equal(w->m.stops, 0);
	assert_true(text_has(w, "sdD0/stats", "resets 0\n"));
	stop(w);
}

static void
no_interrupts(void **state)
{
	(void)state;
	for (unsigned native = 0; native < 4; native += 3) {
		struct world *w = make_as(native, true);
		struct ide_ctlr *h;

		model_disk(&w->m, 0, SECTORS);
		attach(w);
		h = w->dev->priv;
		drive_test_lost_interrupts(&w->m.bus, &h->channel[0].port);
		stop(w);
	}
}

static void
flush_that_fails(void **state)
{
	struct world *w = make();
	struct model_drive *d = model_disk(&w->m, 0, SECTORS);

	(void)state;
	d->bad_flush = 1;
	attach(w);
	assert_int_equal(ctl(w, "sdD0/ctl", "flush"), -EIO);
	assert_int_equal(d->flushes, 0);
	assert_int_equal(ctl(w, "sdD0/ctl", "flush"), 0);
	assert_int_equal(d->flushes, 1);
	assert_true(text_has(w, "sdD0/stats", "flush-errors 1\n"));
	assert_true(text_has(w, "sdD0/stats", "retries 0\n"));
	stop(w);
}

/* DMA that fails gives way to programmed I/O, and nobody gets an error. */
static void
falls_back(void **state)
{
	struct world *w = make();

	(void)state;
	model_disk(&w->m, 0, SECTORS)->dma_error = 100;
	attach(w);
	check_data(w, 0);
	assert_true(text_has(w, "sdD0/ctl", "transfers pio\n"));
	stop(w);
}

/* A driver died in the middle of a command, and its successor finds the drives. */
static void
successor(void **state)
{
	static const uint8_t left[] = { ATA_STATUS_BSY, ATA_STATUS_DRDY | ATA_STATUS_DRQ };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct world *w = make();
		unsigned drive = i / 2;

		model_disk(&w->m, 0, SECTORS);
		model_disk(&w->m, 1, SECTORS);
		w->m.channel[0].selected = drive;
		w->m.channel[0].drive[drive].status = left[i % 2];
		attach(w);
		check_data(w, 0);
		check_data(w, 1);
		stop(w);
	}
}

static void
optical(void **state)
{
	(void)state;
	for (unsigned dma = 0; dma < 2; dma++) {
		struct world *w = make();
		uint8_t *b = malloc(CD_SECTORS * MODEL_CD);
		struct model_drive *d;
		struct p9c_file *f;

		model_disk(&w->m, 0, SECTORS);
		d = model_optical(&w->m, 1, CD_SECTORS);
		d->dma = dma;
		drive_test_fill(d->data, 0, CD_SECTORS * MODEL_CD, 5);
		attach(w);
		assert_true(text_has(w, "sdD1/ctl", "medium ready\n"));
		assert_int_equal(transfer(w, "sdD1/data", false, b, CD_SECTORS * MODEL_CD, 0),
				 CD_SECTORS * MODEL_CD);
		assert_memory_equal(b, d->data, CD_SECTORS * MODEL_CD);
		assert_int_equal(transfer(w, "sdD1/data", false, b, 3000, 1234), 3000);
		assert_memory_equal(b, d->data + 1234, 3000);
		set_bad(w, 1, 7, 1000);
		assert_int_equal(transfer(w, "sdD1/data", false, b, 2048, 7 * 2048), -EIO);
		assert_true(text_has(w, "sdD1/ctl", "unrecovered read error (3/11/00)"));
		check_data(w, 0); /* the disk beside it */
		assert_int_equal(ctl(w, "sdD1/ctl", "eject"), 0);
		assert_true(text_has(w, "sdD1/ctl", "state empty\n"));
		assert_int_equal(ctl(w, "sdD1/ctl", "load"), 0);
		assert_int_equal(open_file(w, "sdD1/data", O_RDONLY, &f), 0);
		p9c_clunk(f);
		d->hang = 1; /* a packet that never ends: the reset is all it costs */
		let_time_pass(w);
		for (int i = 0; i < 3; i++)
			transfer(w, "sdD1/data", false, b, 2048, 0);
		assert_int_equal(transfer(w, "sdD1/data", false, b, 2048, 0), 2048);
		check_data(w, 0);
		free(b);
		stop(w);
	}
}

/* Registers that lie: whatever is read, no access leaves its place, and all requests end. */
static void
lies(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 6; seed++) {
		struct world *w = make();
		uint8_t b[8192];

		model_disk(&w->m, 0, SECTORS)->dma = seed & 1;
		model_optical(&w->m, 2, CD_SECTORS);
		attach(w);
		let_time_pass(w);
		pthread_mutex_lock(&w->m.bus.lock);
		w->m.bus.random = seed;
		w->m.nonsense = true;
		pthread_mutex_unlock(&w->m.bus.lock);
		for (int i = 0; i < 4; i++) {
			transfer(w, "sdD0/data", false, b, sizeof b, (uint64_t)i * 8192);
			transfer(w, "sdD2/data", false, b, sizeof b, (uint64_t)i * 8192);
		}
		pthread_mutex_lock(&w->m.bus.lock);
		w->m.nonsense = false;
		w->m.bus.lint = 0; /* a drive that was lied about gets what it did not want */
		pthread_mutex_unlock(&w->m.bus.lock);
		stop(w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way),
		cmocka_unit_test(absent),
		cmocka_unit_test(errors),
		cmocka_unit_test(hangs),
		cmocka_unit_test(stray_interrupts),
		cmocka_unit_test(health),
		cmocka_unit_test(flush_that_fails),
		cmocka_unit_test(falls_back),
		cmocka_unit_test(lost_interrupts),
		cmocka_unit_test(a_pause),
		cmocka_unit_test(successor),
		cmocka_unit_test(optical),
		cmocka_unit_test(lies),
		cmocka_unit_test(discards),
		cmocka_unit_test(no_interrupts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
