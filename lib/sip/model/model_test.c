/*
 * The bus of a model: what it gives a driver, and that it notices each thing that a driver must not
 * do.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "os.h"
#include "sip_model.h"

enum { AT_SOURCE = 0x00, AT_TARGET = 0x08, AT_COUNT = 0x10, AT_DONE = 0x14, PORT = 0xc000 };

/* It copies bytes of the driver's memory, and interrupts. */
struct copier {
	struct sip_model bus;
	uint64_t source, target;
	uint32_t count, done, port;
};

static uint64_t
copier_read(void *device, unsigned bar, uint64_t off, unsigned width)
{
	const struct copier *c = device;

	assert_true(bar == 0 && width == 4);
	return off == AT_DONE ? c->done : c->count;
}

static void
copier_write(void *device, unsigned bar, uint64_t off, unsigned width, uint64_t value)
{
	struct copier *c = device;

	assert_true(bar == 0);
	if (width == 8)
		*(off == AT_SOURCE ? &c->source : &c->target) = value;
	else {
		c->count = (uint32_t)value;
		sip_model_wake(&c->bus);
	}
}

static uint32_t
copier_in(void *device, uint16_t port, unsigned width)
{
	(void)port, (void)width;
	return ((struct copier *)device)->port;
}

static void
copier_out(void *device, uint16_t port, unsigned width, uint32_t value)
{
	assert_true(port == PORT && width == 2);
	((struct copier *)device)->port = value;
}

static bool
copier_step(void *device)
{
	struct copier *c = device;
	uint8_t *from, *to;

	if (!c->count)
		return false;
	from = sip_model_memory(&c->bus, c->source, c->count);
	to = sip_model_memory(&c->bus, c->target, c->count);
	if (from && to)
		memmove(to, from, c->count);
	c->count = 0;
	c->done++;
	sip_model_interrupt(&c->bus, 1);
	return true;
}

static const struct sip_model_ops ops = {
	.read = copier_read,
	.write = copier_write,
	.in = copier_in,
	.out = copier_out,
	.step = copier_step,
};

static const struct sip_driver_ops no_ops = { 0 };
static const struct sip_type type = { .name = "copier", .driver = &no_ops };

struct world {
	struct copier c;
	struct sip_server server;
	struct sip_dev *dev;
	struct sip_bar regs;
	struct sip_dma dma;
};

static int
open_world(void **state, bool by_hand)
{
	static struct world world;
	struct world *w = &world;

	memset(w, 0, sizeof *w);
	sip_model_init(&w->c.bus, &ops, &w->c);
	w->c.bus.by_hand = by_hand;
	w->c.bus.info.bar[0].kind = SIP_BAR_MEM;
	w->c.bus.info.bar[0].size = 0x2000;
	w->c.bus.info.msix = 4;
	w->c.bus.info.msix_bar = 0;
	w->c.bus.info.msix_offset = 0x1800;
	w->c.bus.pci[0x40] = 7;
	w->c.bus.was_reset = true;
	assert_int_equal(sip_init(&w->server, &type), 0);
	assert_int_equal(sip_model_open(&w->c.bus, "0.4.0", &w->dev), 0);
	w->dev->server = &w->server;
	assert_int_equal(sip_dev_enable(w->dev), 0);
	assert_int_equal(sip_dev_map(w->dev, 0, &w->regs), 0);
	assert_int_equal(sip_dma_alloc(w->dev, 8192, 4096, &w->dma), 0);
	*state = w;
	return 0;
}

static int
setup(void **state)
{
	return open_world(state, false);
}

static int
setup_by_hand(void **state)
{
	return open_world(state, true);
}

static int
finish(struct world *w)
{
	sip_dev_busmaster(w->dev, false);
	sip_dma_free(w->dev, &w->dma);
	sip_dev_unmap(w->dev, &w->regs);
	sip_dev_close(w->dev);
	sip_finish(&w->server);
	return 0;
}

/* After a driver that did nothing wrong. */
static int
teardown(void **state)
{
	struct world *w = *state;

	finish(w);
	assert_null(sip_model_verdict(&w->c.bus));
	sip_model_fini(&w->c.bus);
	return 0;
}

/* After one that did: exactly that was noticed. */
static int
blamed(void **state)
{
	struct world *w = *state;

	finish(w);
	assert_int_equal(w->c.bus.lint, 1);
	assert_non_null(sip_model_verdict(&w->c.bus));
	sip_model_fini(&w->c.bus);
	return 0;
}

static void
copy(struct world *w, uint64_t source, uint64_t target, uint32_t n)
{
	sip_write64(&w->regs, AT_SOURCE, source);
	sip_write64(&w->regs, AT_TARGET, target);
	sip_write32(&w->regs, AT_COUNT, n);
}

static _Atomic uint64_t interrupts;

static void
interrupt(void *arg, uint64_t count, uint64_t ns)
{
	(void)arg, (void)ns;
	interrupts += count;
}

static void
a_device_works(void **state)
{
	struct world *w = *state;
	struct sip_irq irq = { 0 };
	uint8_t *p = w->dma.vaddr, config[256];

	assert_true(w->dma.paddr > UINT32_MAX && w->dma.paddr % 4096 == 0);
	assert_int_equal(w->regs.size, 0x1000);
	assert_int_equal(sip_dev_config(w->dev, config, sizeof config), 0);
	assert_int_equal(config[0x40], 7);
	assert_int_equal(sip_dev_msi(w->dev, 5), -EOPNOTSUPP);
	assert_int_equal(sip_dev_msi(w->dev, 2), SIP_MODEL_VECTOR);
	assert_int_equal(w->dev->info.vectors[1], SIP_MODEL_VECTOR + 1);
	interrupts = 0;
	assert_int_equal(sip_irq_start(&irq, w->dev, SIP_MODEL_VECTOR + 1, interrupt, NULL), 0);
	memset(p, 0xa5, 100);
	copy(w, w->dma.paddr, w->dma.paddr + 8092, 100);
	os_sleep_ns(1000000);
	assert_int_equal(sip_read32(&w->regs, AT_DONE), 0); /* it may not write yet */
	assert_int_equal(sip_dev_busmaster(w->dev, true), 0);
	assert_true(sip_wait32(&w->regs, AT_DONE, ~0u, 1, 20000));
	assert_memory_equal(p, p + 8092, 100);
	for (unsigned ms = 0; ms < 20000 && !interrupts; ms++)
		os_sleep_ns(1000000);
	assert_int_equal(interrupts, 1);
	sip_irq_stop(&irq);
	assert_string_equal(w->c.bus.log, "enable;msix 2;busmaster on;");
}

/* Its steps are the test's, one command each; as little as a thread's without bus mastering. */
static void
a_device_by_hand(void **state)
{
	struct world *w = *state;
	uint8_t *p = w->dma.vaddr;

	memset(p, 0xa5, 100);
	copy(w, w->dma.paddr, w->dma.paddr + 8092, 100);
	assert_false(sip_model_step(&w->c.bus));
	assert_int_equal(sip_dev_busmaster(w->dev, true), 0);
	os_sleep_ns(1000000);
	assert_int_equal(sip_read32(&w->regs, AT_DONE), 0);
	assert_true(sip_model_step(&w->c.bus));
	assert_int_equal(sip_read32(&w->regs, AT_DONE), 1);
	assert_memory_equal(p, p + 8092, 100);
	assert_false(sip_model_step(&w->c.bus));
}

static void
ports(void **state)
{
	struct world *w = *state;
	struct sip_ports p;

	assert_int_equal(sip_dev_ports(w->dev, PORT, 8, &p), 0);
	sip_out16(&p, 0, 0x1234);
	assert_int_equal(sip_in16(&p, 0), 0x1234);
}

static void
a_line(void **state)
{
	struct world *w = *state;
	uint64_t count, ns;

	w->c.bus.info.msix = 0;
	w->c.bus.info.irq = 11;
	w->dev->info.msix = 0;
	w->dev->info.irq = 11;
	assert_int_equal(sip_dev_msi(w->dev, 1), 11);
	pthread_mutex_lock(&w->c.bus.lock);
	sip_model_interrupt(&w->c.bus, 3);
	pthread_mutex_unlock(&w->c.bus.lock);
	assert_int_equal(w->dev->bus->irq_wait(w->dev, 11, &count, &ns), 0);
	assert_int_equal(count, 1);
	assert_int_equal(w->dev->bus->irq_wait(w->dev, 11, &count, &ns), -EINTR);
}

static void
it_is_pulled_out(void **state)
{
	struct world *w = *state;

	w->c.bus.gone = true;
	assert_int_equal(sip_read32(&w->regs, AT_DONE), UINT32_MAX);
	sip_write32(&w->regs, AT_COUNT, 1);
	assert_int_equal(w->c.count, 0);
}

/* --- what is noticed ------------------------------------------------------------------------- */

static void
no_such_register(void **state)
{
	struct world *w = *state;

	w->regs.size = 0x2000; /* a driver that does not look */
	assert_int_equal(sip_read32(&w->regs, 0x1000), UINT32_MAX);
}

static void
not_aligned(void **state)
{
	struct world *w = *state;

	w->dev->bus->write(w->dev, 0, 2, 4, 1);
}

static void
not_enabled(void **state)
{
	struct world *w = *state;

	w->c.bus.enabled = false;
	assert_int_equal(sip_read32(&w->regs, AT_DONE), UINT32_MAX);
}

static void
memory_of_others(void **state)
{
	struct world *w = *state;

	sip_dev_busmaster(w->dev, true);
	copy(w, w->dma.paddr, w->dma.paddr + 8092, 101);
	assert_true(sip_wait32(&w->regs, AT_DONE, ~0u, 1, 20000));
	assert_int_equal(w->c.bus.wild, 1);
}

static void
memory_below_4gib(void **state)
{
	struct world *w = *state;
	struct sip_dma dma;

	w->dev->dma32 = true;
	assert_int_equal(sip_dma_alloc(w->dev, 4096, 4096, &dma), 0);
	assert_true(dma.paddr + dma.size <= UINT32_MAX);
	sip_dma_free(w->dev, &dma);
	w->c.bus.wants_low = true;
	assert_int_equal(sip_dma_alloc(w->dev, 4096, 4096, &dma), 0);
	sip_dma_free(w->dev, &dma);
}

static void
quiet_too_early(void **state)
{
	struct world *w = *state;

	sip_dev_busmaster(w->dev, true);
	assert_int_equal(sip_dev_forget(w->dev), 0);
}

static void
memory_before_the_reset(void **state)
{
	struct world *w = *state;

	w->c.bus.was_reset = false;
	sip_dev_busmaster(w->dev, true);
	w->c.bus.was_reset = true;
}

static void
unknown_command(void **state)
{
	struct world *w = *state;

	assert_int_equal(sip_dev_command(w->dev, "busmaster maybe"), -EINVAL);
}

static void
interrupt_of_others(void **state)
{
	struct world *w = *state;
	struct sip_irq irq = { 0 };

	assert_int_equal(sip_irq_start(&irq, w->dev, SIP_MODEL_VECTOR, interrupt, NULL), -EINVAL);
}

/* What a driver keeps is told of, one after the other. */
static void
left_behind(void **state)
{
	struct world *w = *state;
	const char *text;

	sip_dev_busmaster(w->dev, true);
	text = sip_model_verdict(&w->c.bus);
	assert_non_null(strstr(text, "may still write"));
	sip_dev_busmaster(w->dev, false);
	assert_int_equal(w->c.bus.frees_too_early, 0);
	text = sip_model_verdict(&w->c.bus);
	assert_non_null(strstr(text, "1 BARs, 0 interrupts, 1 pieces"));
	sip_dev_busmaster(w->dev, true);
	sip_dma_free(w->dev, &w->dma);
	assert_int_equal(w->c.bus.frees_too_early, 1);
	sip_dev_busmaster(w->dev, false);
	text = sip_model_verdict(&w->c.bus);
	assert_non_null(strstr(text, "1 BARs, 0 interrupts, 0 pieces"));
}

/* A pause that is longer than a wait's bound does not end it; time in which it could look does. */
static void
patience(void **state)
{
	struct sip_patience p = sip_patience(20);
	uint64_t began;
	unsigned looks = 0;

	(void)state;
	os_sleep_ns(100000000);
	for (; !sip_patience_over(&p); looks++)
		os_sleep_ns(2000000);
	assert_int_equal(looks, SIP_LOOKS - 1);
	p = sip_patience(50);
	began = os_time_ns();
	while (!sip_patience_over(&p))
		;
	assert_true(os_time_ns() - began >= 50000000);
	p = sip_patience(0);
	assert_true(sip_patience_over(&p));
}

/* Data in two pieces of memory, of which the second has more room than there is data; and back. */
static void
data_in_pieces(void **state)
{
	struct world *w = *state;
	struct sip_model *b = &w->c.bus;
	uint8_t *memory = w->dma.vaddr, text[] = "0123456789", back[sizeof text] = "";
	struct sip_model_data out = { text, sizeof text, true }, in = { back, sizeof back, false };

	sip_dev_busmaster(w->dev, true);
	assert_true(sip_model_move(b, &out, w->dma.paddr, 4));
	assert_true(out.at == text + 4 && out.left == sizeof text - 4);
	assert_true(sip_model_move(b, &out, w->dma.paddr + 4096, 4096));
	assert_true(out.left == 0);
	assert_memory_equal(memory, "0123\0", 5);
	assert_memory_equal(memory + 4096, "456789\0", 8);
	assert_true(sip_model_move(b, &in, w->dma.paddr, 4));
	assert_true(sip_model_move(b, &in, w->dma.paddr + 4096, 4096));
	assert_memory_equal(back, text, sizeof text);
}

static void
data_elsewhere(void **state)
{
	struct world *w = *state;
	uint8_t byte = 0;
	struct sip_model_data data = { &byte, 1, false };

	sip_dev_busmaster(w->dev, true);
	assert_false(sip_model_move(&w->c.bus, &data, w->dma.paddr + 8192, 1));
	assert_true(data.left == 1);
}

static void
faults(void **state)
{
	struct sip_model *b = &((struct world *)*state)->c.bus;
	struct sip_model_fault *f;

	assert_null(sip_model_next_fault(b, NULL));
	for (unsigned i = 0; i <= SIP_MODEL_FAULTS; i++)
		sip_model_add_fault(b, (struct sip_model_fault){ .kind = i, .times = 1 });
	b->fault[0].times = b->fault[2].times = 0;
	f = sip_model_next_fault(b, NULL);
	assert_true(f == &b->fault[1] && f->kind == 1);
	assert_true(sip_model_next_fault(b, f) == &b->fault[3]);
	assert_null(sip_model_next_fault(b, &b->fault[SIP_MODEL_FAULTS - 1]));
	sip_model_add_fault(b, (struct sip_model_fault){ .kind = 99, .times = 2 });
	assert_int_equal(sip_model_next_fault(b, NULL)->kind, 99);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_device_works, setup, teardown),
		cmocka_unit_test_setup_teardown(a_device_by_hand, setup_by_hand, teardown),
		cmocka_unit_test_setup_teardown(ports, setup, teardown),
		cmocka_unit_test_setup_teardown(a_line, setup, teardown),
		cmocka_unit_test_setup_teardown(it_is_pulled_out, setup, teardown),
		cmocka_unit_test_setup_teardown(no_such_register, setup, blamed),
		cmocka_unit_test_setup_teardown(not_aligned, setup, blamed),
		cmocka_unit_test_setup_teardown(not_enabled, setup, blamed),
		cmocka_unit_test_setup_teardown(memory_of_others, setup, blamed),
		cmocka_unit_test_setup_teardown(data_in_pieces, setup_by_hand, teardown),
		cmocka_unit_test_setup_teardown(data_elsewhere, setup_by_hand, blamed),
		cmocka_unit_test_setup_teardown(faults, setup_by_hand, teardown),
		cmocka_unit_test_setup_teardown(memory_below_4gib, setup, blamed),
		cmocka_unit_test_setup_teardown(quiet_too_early, setup, blamed),
		cmocka_unit_test_setup_teardown(memory_before_the_reset, setup, blamed),
		cmocka_unit_test_setup_teardown(unknown_command, setup, blamed),
		cmocka_unit_test_setup_teardown(interrupt_of_others, setup, blamed),
		cmocka_unit_test_setup_teardown(left_behind, setup, teardown),
		cmocka_unit_test(patience),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
