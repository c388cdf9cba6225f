/*
 * Configuration space: made like that of an ICH9 AHCI function, and broken ones.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "pci.h"

static void
put_bytes(uint8_t *at, const char *bytes, size_t n)
{
	memcpy(at, bytes, n);
}

static void
make(uint8_t c[256])
{
	static const uint8_t header[64] = {
		0x86,
		0x80,
		0x22,
		0x29,
		0x07,
		0x05,
		0x10,
		0x00,
		0x02,
		0x01,
		0x06,
		0x01,
		0x00,
		0x00,
		0x80,
		[0x20] = 0x41,
		0xc0,
		0,
		0,
		0x00,
		0x10,
		0xbf,
		0xfe,
		0,
		0,
		0,
		0,
		0xf4,
		0x1a,
		0x00,
		0x11,
		[0x34] = 0x80,
		[0x3c] = 0x0a,
		0x01,
	};

	memset(c, 0, 256);
	memcpy(c, header, sizeof header);
	put_bytes(c + 0x80, "\x05\xa8\x80\x00", 4);
	put_bytes(c + 0xa8, "\x12\x00\x10\x00", 4);
}

static void
ich9_ahci(void **state)
{
	uint8_t c[256];
	struct pci_config p;

	(void)state;
	make(c);
	assert_int_equal(pci_decode(c, sizeof c, &p), 0);
	assert_int_equal(p.vendor, 0x8086);
	assert_int_equal(p.device, 0x2922);
	assert_int_equal(p.class, 0x010601);
	assert_int_equal(p.revision, 2);
	assert_true(p.multifunction && !p.bridge);
	assert_int_equal(p.bar[4].kind, PCI_BAR_IO);
	assert_int_equal(p.bar[4].base, 0xc040);
	assert_int_equal(p.bar[5].kind, PCI_BAR_MEM);
	assert_int_equal(p.bar[5].base, 0xfebf1000);
	assert_int_equal(p.bar[0].kind, PCI_BAR_NONE);
	assert_int_equal(p.interrupt_line, 10);
	assert_int_equal(p.subsystem_vendor, 0x1af4);
	assert_int_equal(p.ncaps, 2);
	assert_int_equal(pci_find_cap(&p, PCI_CAP_MSI), 0x80);
	assert_int_equal(pci_find_cap(&p, PCI_CAP_SATA), 0xa8);
	assert_int_equal(pci_find_cap(&p, PCI_CAP_MSIX), 0);
	assert_int_equal(pci_msi_vectors(c, sizeof c, &p.cap[0]), 1);
	assert_int_equal(pci_msi_vectors(c, sizeof c, &p.cap[1]), 0);
	assert_string_equal(pci_class_name(p.class), "SATA controller, AHCI");
	assert_string_equal(pci_class_name(0x010600), "SATA controller");
	assert_string_equal(pci_class_name(0x600000), "unknown class");
}

static void
broken_lists(void **state)
{
	uint8_t c[256];
	struct pci_config p;

	(void)state;
	make(c);
	c[0xa9] = 0x80;
	assert_int_equal(pci_decode(c, sizeof c, &p), -ELOOP);
	assert_int_equal(p.ncaps, 2);
	c[0xa9] = 0x20; /* into the header */
	assert_int_equal(pci_decode(c, sizeof c, &p), -ELOOP);
	c[0xa9] = 0xfc; /* the last place */
	assert_int_equal(pci_decode(c, sizeof c, &p), 0);
	assert_int_equal(p.ncaps, 3);
	assert_int_equal(pci_decode(c, 0xa9, &p), -ELOOP); /* cut in a capability */
	assert_int_equal(p.ncaps, 1);
	assert_int_equal(pci_decode(c, 63, &p), -EINVAL);
	memset(c, 0xff, sizeof c);
	assert_int_equal(pci_decode(c, sizeof c, &p), -ENODEV);
	for (unsigned i = 0; i < 256; i++)
		c[i] = (uint8_t)(i + 4);
	put_bytes(c, "\x86\x80", 2);
	c[0x34] = 0x40;
	c[0x06] = 0x10;
	for (unsigned at = 0x40; at < 0x100; at += 4) /* as many as there can be */
		c[at + 1] = (uint8_t)(at + 4);
	assert_int_equal(pci_decode(c, sizeof c, &p), 0);
	assert_int_equal(p.ncaps, PCI_MAX_CAPS);
}

static void
bars(void **state)
{
	uint8_t c[256];
	struct pci_config p;

	(void)state;
	make(c);
	put_bytes(c + 0x10, "\x0c\x00\x00\xe0\x01\x00\x00\x00", 8);
	assert_int_equal(pci_decode(c, sizeof c, &p), 0);
	assert_true(p.bar[0].is64 && p.bar[0].prefetch);
	assert_true(p.bar[0].base == 0x1e0000000ull);
	assert_int_equal(p.bar[1].kind, PCI_BAR_NONE);
	put_bytes(c + 0x24, "\x04\x00\x00\xe0", 4); /* 64 bits, and no place for the other half */
	assert_int_equal(pci_decode(c, sizeof c, &p), 0);
	assert_false(p.bar[5].is64);
	assert_int_equal(pci_bar_size(0xfffff000, false, false), 0x1000);
	assert_int_equal(pci_bar_size(0xffffffe1, true, false), 32);
	assert_int_equal(pci_bar_size(0x0000ffe1, true, false), 32);
	assert_true(pci_bar_size(0xfffffffe00000004, false, true) == 0x200000000ull);
	assert_int_equal(pci_bar_size(0, false, false), 0);
	assert_int_equal(pci_bar_size(0xf, false, true), 0);
}

static void
expect_text(const uint8_t *c, size_t n, uint8_t at, const char *want)
{
	char text[128];
	struct pci_cap cap = { c[at], at };

	assert_int_equal(pci_cap_text(c, n, &cap, text, sizeof text), strlen(want));
	assert_string_equal(text, want);
}

static void
capabilities_in_words(void **state)
{
	uint8_t c[PCI_CONFIG_SIZE] = { 0 };
	static const struct {
		uint8_t at;
		uint8_t bytes[20];
		const char *text;
	} caps[] = {
		{ 0x40, { PCI_CAP_MSI, 0, 0x8b, 0x01 }, "on, 1 of 32 messages, 64 bits, masks" },
		{ 0x40, { PCI_CAP_MSI, 0, 0x20, 0x00 }, "off, 4 of 1 messages" },
		{ 0x40,
		  { PCI_CAP_MSIX, 0, 0x40, 0x80, 4, 0x30 },
		  "on, 65 messages, table in bar 4" },
		{ 0x40, { PCI_CAP_PM, 0, 3, 0, 3 }, "in D3" },
		{ 0x40, { PCI_CAP_VENDOR, 0, 20 }, "20 bytes" },
		{ 0x40,
		  { PCI_CAP_PCIE, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x43, 0, 0, 0, 0, 0, 0x11, 0 },
		  "endpoint, link 2.5 GT/s x1 of 8 GT/s x4" },
		{ 0x40,
		  { PCI_CAP_PCIE, 0, 0x42, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x1f, 1, 0, 0, 0, 0, 0, 0 },
		  "root port, slot, link ? GT/s x0 of ? GT/s x17" },
		{ 0x40, { PCI_CAP_PCIE, 0, 0x92 }, "integrated endpoint" },
		{ 0x40, { PCI_CAP_PCIE, 0, 0xf2 }, "unknown type" },
		{ 0x40, { 0x33 }, "" },
		{ 0xf0, { PCI_CAP_PCIE, 0, 2 }, "" }, /* cut */
		{ 0xfc, { PCI_CAP_MSIX, 0, 2 }, "" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof caps / sizeof caps[0]; i++) {
		size_t room = sizeof c - caps[i].at;

		memset(c, 0, sizeof c);
		memcpy(c + caps[i].at, caps[i].bytes, room < 20 ? room : 20);
		expect_text(c, sizeof c, caps[i].at, caps[i].text);
	}
	assert_string_equal(pci_cap_name(PCI_CAP_MSIX), "MSI-X");
	assert_string_equal(pci_cap_name(0), "unknown");
	assert_string_equal(pci_cap_name(0xff), "unknown");
	assert_string_equal(pci_class_name(0x0c0320), "USB controller, EHCI");
	assert_string_equal(pci_class_name(0x0c0350), "USB controller");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ich9_ahci),
		cmocka_unit_test(broken_lists),
		cmocka_unit_test(bars),
		cmocka_unit_test(capabilities_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
