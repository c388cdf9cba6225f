/*
 * The driver on a model of a controller that reaches no memory above 4 GiB: its own is below, and
 * an address above is refused and never cut off.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "model/world.h"

enum { MINE = SIP_MODEL_DMAS - 1 };

static void
upper_halves_are_zero(struct model *m, unsigned port, unsigned off, uint32_t v)
{
	enum { CLBU = 0x04, FBU = 0x0c }; /* [AHCI 1.3.1, 3.3] */

	(void)port;
	if ((off == CLBU || off == FBU) && v)
		sip_model_lint(&m->bus, "an address above 4 GiB");
}

static struct world *
make(bool says)
{
	struct world *w = world_make(1);

	if (!says)
		w->m.cap &= ~CAP_S64A_MASK;
	w->m.bus.wants_low = true;
	w->m.before_write = upper_halves_are_zero;
	model_disk_make(&w->m, 0, SECTORS, 512, true);
	return w;
}

/* Four sectors into memory at that address, which the model would reach. */
static int
read_to(struct world *w, uint64_t paddr, uint8_t mem[4 * 512])
{
	struct dma_seg seg = { paddr, 4 * 512 };
	struct blk_io io = { .kind = BLK_READ, .sector = 100, .nsectors = 4, .seg = &seg,
			     .nsegs = 1 };
	int err;

	pthread_mutex_lock(&w->m.bus.lock);
	w->m.bus.dma[MINE].p = mem;
	w->m.bus.dma[MINE].n = 4 * 512;
	w->m.bus.dma[MINE].paddr = paddr;
	pthread_mutex_unlock(&w->m.bus.lock);
	err = world_run_io(w, &io);
	pthread_mutex_lock(&w->m.bus.lock);
	w->m.bus.dma[MINE].p = NULL;
	pthread_mutex_unlock(&w->m.bus.lock);
	return err;
}

static void
reach(bool says)
{
	static const uint64_t too_high[] = { 1ull << 32, 5ull << 32, (1ull << 32) - 512 };
	struct world *w = make(says);
	uint8_t buf[64 * 512], got[64 * 512], mem[4 * 512] = { 0 };

	world_attach(w);
	assert_true(w->dev->dma32);
	assert_true(world_told(w, 0).info.dma32);
	world_fill(buf, 100, 64, 1);
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_WRITE, 100, 64, buf), 0);
	assert_memory_equal(w->m.port[0].disk.data + 100 * 512, buf, sizeof buf);
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 100, 64, got), 0);
	assert_memory_equal(got, buf, sizeof buf);
	for (unsigned i = 0; i < sizeof too_high / sizeof too_high[0]; i++)
		assert_int_equal(read_to(w, too_high[i], mem), -EFAULT);
	assert_int_equal(mem[0], 0);
	assert_int_equal(read_to(w, (1ull << 32) - sizeof mem, mem), 0);
	assert_memory_equal(mem, buf, sizeof mem);
	world_stop(w);
}

static void
controller_says_so(void **state)
{
	(void)state;
	reach(false);
}

static void
option_says_so(void **state)
{
	(void)state;
	ahci_dma32 = true;
	reach(true);
	ahci_dma32 = false;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(controller_says_so),
		cmocka_unit_test(option_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
