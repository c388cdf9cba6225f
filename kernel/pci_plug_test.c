/* Addresses for functions that come into a slot, in the windows of a port made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "amd64/pci_plug.c"

static uint8_t port_config[256], func_config[256];
static struct pci_func port = { .bdf = 0x10, .header = PCI_HEADER_BRIDGE, .secondary = 1,
	.cap_express = 0x54 };
static struct pci_func f;
static struct window bars[4], maps[4];	/* in the way */
static char told[256];

static uint8_t *
config_of(const struct pci_func *g)
{
	return g == &port ? port_config : func_config;
}

uint32_t
pci_read(const struct pci_func *g, unsigned offset, unsigned width)
{
	uint32_t v = 0;

	memcpy(&v, config_of(g) + offset, width);
	return v;
}

void
pci_write(const struct pci_func *g, unsigned offset, unsigned width, uint32_t v)
{
	memcpy(config_of(g) + offset, &v, width);
}

void
pci_command(const struct pci_func *g, uint16_t clear, uint16_t set)
{
	pci_write(g, PCI_COMMAND, 2, (pci_read(g, PCI_COMMAND, 2) & ~(uint32_t)clear) | set);
}

void
kprint(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(told, sizeof told, fmt, ap);
	va_end(ap);
}

static uint64_t
over(const struct window *w, uint64_t at, uint64_t n)
{
	for (unsigned i = 0; i < 4; i++)
		if (w[i].limit != 0 && w[i].base < at + n && at <= w[i].limit)
			return w[i].limit + 1;
	return 0;
}

uint64_t
pci_bar_over(uint64_t pa, uint64_t n)
{
	return over(bars, pa, n);
}

uint64_t
memdev_map_over(paddr_t pa, uint64_t n)
{
	return over(maps, pa, n);
}

/* 2 MiB at 0xfe400000, and 1 GiB for prefetching at 8 GiB. */
static int
setup(void **state)
{
	(void)state;
	memset(port_config, 0, sizeof port_config);
	memset(func_config, 0, sizeof func_config);
	memset(bars, 0, sizeof bars);
	memset(maps, 0, sizeof maps);
	told[0] = '\0';
	f = (struct pci_func){ .bdf = 0x100, .cap_express = 0x40 };
	pci_write(&port, MEMORY_BASE, 4, 0xfe50fe40);
	pci_write(&port, PREFETCH_BASE, 4, 0x3ff10001);
	pci_write(&port, PREFETCH_BASE_HIGH, 4, 2);
	pci_write(&port, PREFETCH_LIMIT_HIGH, 4, 2);
	func_config[PCI_COMMAND] = PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_MASTER;
	return 0;
}

static uint32_t
bar(unsigned i)
{
	return pci_read(&f, PCI_BAR0 + 4 * i, 4);
}

static void
windows(void **state)
{
	(void)state;
	struct window w = window(&port, false);

	assert_true(w.base == 0xfe400000 && w.limit == 0xfe5fffff);
	w = window(&port, true);
	assert_true(w.base == 0x200000000 && w.limit == 0x23fffffff);
	pci_write(&port, MEMORY_BASE, 4, 0xfe30fe40);	/* closed */
	assert_true(window(&port, false).limit == 0);
	pci_write(&port, MEMORY_BASE, 4, 0);		/* never set up */
	assert_true(window(&port, false).limit == 0);
	memset(port_config, 0xff, sizeof port_config);	/* gone */
	w = window(&port, true);
	assert_true(w.limit == 0 || w.base <= w.limit);
}

static void
largest_first(void **state)
{
	(void)state;
	f.bar[0].size = 0x1000;
	f.bar[2].size = 0x100000;
	f.bar[4].size = 0x20;
	f.bar[4].io = true;
	f.bar[5].size = 0x10;
	f.bar[0].base = 0x12345000;			/* what it had elsewhere does not count */
	pci_plug_bars(&f, &port);
	assert_int_equal(bar(2), 0xfe400000);
	assert_int_equal(bar(0), 0xfe500000);
	assert_int_equal(bar(5), 0xfe501000);		/* not in the other's page */
	assert_int_equal(bar(4), 0);
	assert_int_equal(f.bar[4].size, 0);
	assert_int_equal(func_config[PCI_COMMAND], 0);
	assert_string_equal(told, "");
}

static void
in_the_way(void **state)
{
	(void)state;
	bars[0] = (struct window){ 0xfe400000, 0xfe400fff };
	maps[0] = (struct window){ 0xfe401000, 0xfe4fffff };	/* of a function that has gone */
	f.bar[0].size = 0x1000;
	f.bar[1].size = 0x100000;
	pci_plug_bars(&f, &port);
	assert_int_equal(bar(1), 0xfe500000);
	assert_int_equal(bar(0), 0);
	assert_int_equal(f.bar[0].size, 0);
	assert_string_equal(told, "pci: 1.0.0: no room for bar 0, 0x1000 bytes\n");
	maps[0].limit = 0;
	f.bar[0].size = 0x1000;
	pci_plug_bars(&f, &port);
	assert_int_equal(bar(0), 0xfe401000);
}

static void
prefetchable(void **state)
{
	(void)state;
	f.bar[0] = (struct pci_bar){ .size = 0x4000, .is64 = true, .prefetch = true };
	f.bar[2] = (struct pci_bar){ .size = 0x4000, .prefetch = true };
	pci_plug_bars(&f, &port);
	assert_true(f.bar[0].base == 0x200000000);
	assert_int_equal(bar(0), 0);
	assert_int_equal(bar(1), 2);
	assert_int_equal(bar(2), 0xfe400000);		/* 32 bits do not reach the other window */
}

/* Sizes that no device should tell, at the ends of a window and of the address space. */
static void
strange_sizes(void **state)
{
	(void)state;
	struct window all = { 0x1000, UINT64_MAX }, top = { UINT64_MAX - 0xfff, UINT64_MAX };
	struct pci_bar b = { .size = 1ull << 63, .is64 = true };

	assert_true(place(&f, &b, all) == 0);
	b.size = 1ull << 51;
	assert_true(place(&f, &b, all) == 1ull << 51);
	bars[0] = (struct window){ 1ull << 51, (1ull << 51) + 1 };
	assert_true(place(&f, &b, all) == 0);
	b.size = 0x2000;
	assert_true(place(&f, &b, top) == 0);
	b.size = 0x200000;
	assert_true(place(&f, &b, window(&port, false)) == 0xfe400000);
	b.size = 0x400000;
	assert_true(place(&f, &b, window(&port, false)) == 0);
	b.is64 = false;
	assert_true(place(&f, &b, window(&port, true)) == 0);
}

static void
payload(void **state)
{
	(void)state;
	unsigned mine = 0x40 + PCI_EXP_DEVICE_CONTROL, its = 0x54 + PCI_EXP_DEVICE_CONTROL;

	pci_write(&port, its, 2, 0x2820);		/* 256 bytes */
	pci_write(&f, mine, 2, 0x2810);
	func_config[0x40 + PCI_EXP_DEVICE_CAP] = 2;	/* can take 512 */
	pci_plug_payload(&f, &port);
	assert_int_equal(pci_read(&f, mine, 2), 0x2830);
	assert_int_equal(pci_read(&port, its, 2), 0x2820);
	func_config[0x40 + PCI_EXP_DEVICE_CAP] = 0;	/* only 128 */
	pci_plug_payload(&f, &port);
	assert_int_equal(pci_read(&f, mine, 2), 0x2810);
	assert_int_equal(pci_read(&port, its, 2), 0x2800);
}

/* Of a slot that can be plugged: control but for its lock, and status; of others nothing. */
static void
slot_mask(void **state)
{
	(void)state;
	unsigned control = 0x54 + PCI_EXP_SLOT_CONTROL;

	for (unsigned at = 0; at < 256; at++)
		assert_int_equal(pci_slot_mask(&port, at), 0);
	pci_write(&port, 0x54 + PCI_EXP_FLAGS, 2, FLAGS_SLOT);
	pci_write(&port, 0x54 + PCI_EXP_SLOT_CAP, 4, SLOT_HOT_PLUG);
	assert_int_equal(pci_slot_mask(&port, control), 0xff);
	assert_int_equal(pci_slot_mask(&port, control + 1) & 0x08, 0);
	assert_int_equal(pci_slot_mask(&port, control + 1), 0x17);
	assert_int_equal(pci_slot_mask(&port, control + 2), 0xff);
	assert_int_equal(pci_slot_mask(&port, control + 3), 0x01);
	assert_int_equal(pci_slot_mask(&port, control - 1), 0);
	assert_int_equal(pci_slot_mask(&port, control + 4), 0);
	port.header = 0;
	assert_int_equal(pci_slot_mask(&port, control), 0);
	port.header = PCI_HEADER_BRIDGE;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(windows, setup),
		cmocka_unit_test_setup(largest_first, setup),
		cmocka_unit_test_setup(in_the_way, setup),
		cmocka_unit_test_setup(prefetchable, setup),
		cmocka_unit_test_setup(strange_sizes, setup),
		cmocka_unit_test_setup(payload, setup),
		cmocka_unit_test_setup(slot_mask, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
