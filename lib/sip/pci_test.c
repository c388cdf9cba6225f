/* The text of a PCI function's ctl file, addresses, matches, fields and numbers. */
#include "sip.h"
#include "text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char ahci[] =
	"class 0x010601\nvendor 0x8086\ndevice 0x2922\nsubsystem 0x1af4 0x1100\n"
	"bar 4 io 0xc080 0x20\nbar 5 mem 0xfebf1000 0x1000 64 prefetch\n"
	"irq 10\nmsi 1\nmsix 5\nmsixtable 5 0x2010 0x50\nenabled 0\n"
	"vector 260\nvector 261\nnewer line\n";

static void
parsing(void **state)
{
	struct sip_pci_info i = { .addr = "0.31.2" };
	(void)state;
	assert_int_equal(0, sip_pci_parse(ahci, &i));
	assert_string_equal("0.31.2", i.addr);
	assert_int_equal(0x010601, i.class);
	assert_int_equal(0x8086, i.vendor);
	assert_int_equal(0x2922, i.device);
	assert_int_equal(SIP_BAR_NONE, i.bar[0].kind);
	assert_int_equal(SIP_BAR_IO, i.bar[4].kind);
	assert_int_equal(SIP_BAR_MEM, i.bar[5].kind);
	assert_int_equal(0xfebf1000, i.bar[5].base);
	assert_int_equal(0x1000, i.bar[5].size);
	assert_int_equal(10, i.irq);
	assert_int_equal(1, i.msi);
	assert_int_equal(5, i.msix);
	assert_false(i.enabled);
	assert_int_equal(260, i.vector);
	assert_int_equal(2, i.nvectors);
	assert_int_equal(5, i.msix_bar);
	assert_int_equal(0x2010, i.msix_offset);
	assert_int_equal(261, i.vectors[1]);
}

static void
bad_text(void **state)
{
	static const char *const bad[] = {
		"", "class 0x010601\n", "vendor x\n", "vendor 0x10000\n",
		"vendor 1\nclass 0x1000000\n", "vendor 1\nbar 6 mem 0 0\n",
		"vendor 1\nbar 0 mem 0\n", "vendor 1\nbar 0 mem 1 zz\n",
		"vendor 1\nbar\n",
	};
	struct sip_pci_info i = { 0 };
	(void)state;
	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
		assert_int_equal(-EINVAL, sip_pci_parse(bad[k], &i));
	assert_int_equal(0, sip_pci_parse("vendor 1\nirq 0\n", &i));
	assert_int_equal(-1, i.irq);
	assert_int_equal(0, sip_pci_parse("vendor 1\nirq none\n", &i));
	assert_int_equal(-1, i.irq);
	assert_int_equal(-1, i.vector);
}

static void
addresses(void **state)
{
	(void)state;
	assert_true(sip_pci_addr_ok("0.31.2"));
	assert_true(sip_pci_addr_ok("255.0.7"));
	static const char *const bad[] = {
		"", "0", "0.1", "0.1.", "0.32.0", "256.0.0", "0.0.8", "0.0.0x", "../0.0", "0..0",
		"-1.0.0", "99999999999.0.0",
	};
	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
		assert_false(sip_pci_addr_ok(bad[k]));
}

static void
matches(void **state)
{
	static const struct sip_pci_match list[] = {
		{ .vendor = 0x1234, .device = 0x11e8 },
		{ .class = 0x010600, .class_mask = 0xffff00 },
		{ 0 },
	};
	(void)state;
	struct sip_pci_info edu = { .vendor = 0x1234, .device = 0x11e8 };
	assert_true(sip_pci_matches(list, &edu));
	edu.device = 1;
	assert_false(sip_pci_matches(list, &edu));
	assert_true(sip_pci_matches(list, &(struct sip_pci_info){ .class = 0x010601 }));
	assert_false(sip_pci_matches(list, &(struct sip_pci_info){ .class = 0x010701 }));
	assert_false(sip_pci_matches(&list[2], &(struct sip_pci_info){ 0 }));
}

static void
numbers(void **state)
{
	uint64_t n;
	(void)state;
	assert_true(text_number("18446744073709551615", UINT64_MAX, &n));
	assert_true(n == UINT64_MAX);
	assert_false(text_number("18446744073709551616", UINT64_MAX, &n));
	assert_true(text_number("0xFF", 255, &n));
	assert_int_equal(255, n);
	assert_false(text_number("0x100", 255, &n));
	static const char *const bad[] = { "", "0x", "x", "1a", "-1", " 1", "1 ", "0xg", "+1" };
	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
		assert_false(text_number(bad[k], UINT64_MAX, &n));
	assert_true(text_size("3k", &n));
	assert_int_equal(3072, n);
	assert_true(text_size("2T", &n));
	assert_true(n == 2ull << 40);
	assert_false(text_size("2TB", &n));
	assert_false(text_size("K", &n));
	assert_false(text_size("16777216T", &n));
}

static void
fields(void **state)
{
	char v[8];
	(void)state;
	assert_int_equal(3, sip_field("a 1\n  bc  d e \n", "bc", v, sizeof v));
	assert_string_equal("d e", v);
	assert_int_equal(-ENOENT, sip_field("a 1\n", "b", v, sizeof v));
	assert_int_equal(-E2BIG, sip_field("a 12345678\n", "a", v, sizeof v));
	assert_int_equal(0, sip_field("a\n", "a", v, sizeof v));
}

static int
count(void *arg, const struct sip_pci_info *info)
{
	assert_string_equal("0.31.2", info->addr);
	++*(int *)arg;
	return 0;
}

static void
scanning(void **state)
{
	static const char *const names[] = {
		"0.31.2ctl", "0.31.2raw", "0.30.0ctl", "x.ctl", "ctl",
	};
	char root[] = "/tmp/sip" "XX" "XX" "XX", path[64];
	int found = 0;
	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(-ENOENT, sip_dev_scan(root, count, &found));
	snprintf(path, sizeof path, "%s/pci", root);
	mkdir(path, 0755);
	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof path, "%s/pci/%s", root, names[i]);
		FILE *f = fopen(path, "w");
		fputs(i == 2 ? "nonsense" : ahci, f);
		fclose(f);
	}
	assert_int_equal(0, sip_dev_scan(root, count, &found));
	assert_int_equal(1, found);
	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof path, "%s/pci/%s", root, names[i]);
		unlink(path);
	}
	snprintf(path, sizeof path, "%s/pci", root);
	rmdir(path);
	rmdir(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsing), cmocka_unit_test(bad_text), cmocka_unit_test(addresses),
		cmocka_unit_test(matches), cmocka_unit_test(numbers), cmocka_unit_test(fields),
		cmocka_unit_test(scanning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
