/* Capabilities and the words of commands, against a machine of three functions. */
#include "testing/caller.h"

#include "cap.c"
#include "text.c"

static struct pci_func ahci = { .bdf = 0xfa, .serial = 5, .pin = 1, .line = 10,
	.bar[5] = { .base = 0xfebf1000, .size = 0x1000 },
	.bar[4] = { 0xc040, 0x20, true, false, false } };
static struct pci_func small = { .bdf = 0x10, .serial = 6,
	.bar[0] = { .base = 0xfebf2000, .size = 0x400 } };
static struct pci_func other = { .bdf = 0x18, .serial = 7,
	.bar[0] = { .base = 0xfebf2400, .size = 0x400 } };
static struct pci_func *funcs[] = { &ahci, &small, &other };

bool
page_is_ram(paddr_t pa)
{
	return pa < 0x8000000;
}

bool
irq_is_reserved(paddr_t pa, size_t n)
{
	return pa < 0xfef00000 && pa + n > 0xfee00000;
}

bool
acpi_owns_port(unsigned port, unsigned width)
{
	return port < 0x680 && port + width > 0x600;
}

unsigned
pci_count(void)
{
	return ARRAY_LEN(funcs);
}

struct pci_func *
pci_at(unsigned i)
{
	funcs[i]->refs++;
	return funcs[i];
}

struct pci_func *
pci_find(unsigned bdf, uint32_t serial)
{
	for (unsigned i = 0; i < ARRAY_LEN(funcs); i++)
		if (funcs[i]->bdf == bdf && funcs[i]->serial == serial)
			return pci_at(i);
	return NULL;
}

void
pci_put(struct pci_func *f)
{
	if (f != NULL)
		f->refs--;
}

static bool
none_referred_to(void)
{
	return ahci.refs == 0 && small.refs == 0 && other.refs == 0;
}

static bool
in_bar(const struct pci_func *f, uint64_t at, size_t n, bool io, uint64_t round)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *b = &f->bar[i];

		if (b->size != 0 && b->io == io && at >= (b->base & ~(round - 1)) &&
		    at + n <= ((b->base + b->size + round - 1) & ~(round - 1)))
			return true;
	}
	return false;
}

bool
pci_has_mem(const struct pci_func *f, paddr_t pa, size_t n)
{
	return in_bar(f, pa, n, false, 1);
}

bool
pci_has_pages(const struct pci_func *f, paddr_t pa, size_t n)
{
	return in_bar(f, pa, n, false, PAGE_SIZE);
}

bool
pci_has_port(const struct pci_func *f, unsigned port, unsigned width)
{
	return in_bar(f, port, width, true, 1);
}

bool
pci_has_line(const struct pci_func *f, unsigned line)
{
	return f->pin != 0 && f->line == line;
}

paddr_t
pci_msix_in(paddr_t pa, size_t n)
{
	return pa < 0xfebf0040 && pa + n > 0xfebf0000 ? 0xfebf0000 : 0;
}

static struct cap_set *
with(struct cap_spec spec)
{
	struct cap_set *c = NULL;

	test_proc.caps = &all;
	assert_int_equal(cap_new(&spec, &c), 0);
	test_proc.caps = c;
	return c;
}

static void
test_mask(void **state)
{
	(void)state;
	struct cap_set *c = with((struct cap_spec){ .mask = CAP_DEVICE | CAP_DMA });

	assert_int_equal(cap_check(CAP_DEVICE), 0);
	assert_int_equal(cap_check(CAP_INTERRUPT), -EACCES);
	assert_string_equal(test_error, "permission denied: needs interrupt");
	assert_true(cap_has(c, CAP_DMA));
	assert_false(cap_has(c, CAP_DMA | CAP_ADMIN));
	cap_put(c);
}

static void
test_ranges(void **state)
{
	(void)state;
	struct cap_set *c = with((struct cap_spec){ .mask = CAP_DEVICE, .ngrants = 3, .grants = {
		{ GRANT_PCI, 0xfa, 5 }, { GRANT_PORT, 0x1f0, 0x1f7 },
		{ GRANT_LINE, 14, 14 } } });

	assert_int_equal(cap_check_mem(0xfebf1000, 4), 0);
	assert_int_equal(cap_check_mem(0xfebf1ffc, 4), 0);
	assert_int_equal(cap_check_mem(0xfebf1ffd, 4), -EACCES);
	assert_int_equal(cap_check_mem(0xfebf2000, 4), -EACCES);
	assert_int_equal(cap_check_mem(0xfebf1000, 0), -EACCES);
	assert_int_equal(cap_check_mem(~0ull, 8), -EACCES);
	assert_int_equal(cap_check_port(0x1f0, 4), 0);
	assert_int_equal(cap_check_port(0x1f7, 1), 0);
	assert_int_equal(cap_check_port(0x1f7, 2), -EACCES);
	assert_int_equal(cap_check_port(0x1ef, 1), -EACCES);
	assert_int_equal(cap_check_port(0xc05c, 4), 0);
	assert_int_equal(cap_check_port(0xc05d, 4), -EACCES);
	assert_int_equal(cap_check_port(0xffff, 2), -EACCES);
	assert_int_equal(cap_check_line(14), 0);
	assert_int_equal(cap_check_line(10), 0);
	assert_int_equal(cap_check_line(11), -EACCES);
	assert_int_equal(cap_check_pci(0xfa), 0);
	assert_int_equal(cap_check_pci(0x10), -EACCES);
	cap_put(c);
}

/* Not even the first process. */
static void
test_never(void **state)
{
	(void)state;
	test_proc.caps = &all;
	assert_int_equal(cap_check_mem(0x1000, 4), -EACCES);
	assert_int_equal(cap_check_mem(0x7fffffc, 8), -EACCES);
	assert_int_equal(cap_check_mem(0xfee00020, 4), -EACCES);
	assert_int_equal(cap_check_mem(0xfedffffc, 8), -EACCES);
	assert_int_equal(cap_check_mem(0xfebf003c, 4), -EACCES);
	assert_int_equal(cap_check_mem(0xfebf0040, 4), 0);
	assert_int_equal(cap_check_mem(0xb8000, 2), 0);
	assert_int_equal(cap_check_mem(0xffffc, 8), -EACCES);
	for (unsigned port = 0x20; port < 0x22; port++)
		assert_int_equal(cap_check_port(port, 1), -EACCES);
	assert_int_equal(cap_check_port(0x1f, 2), -EACCES);
	assert_int_equal(cap_check_port(0xcf8, 4), -EACCES);
	assert_int_equal(cap_check_port(0xcfe, 1), -EACCES);
	assert_int_equal(cap_check_port(0x604, 2), -EACCES);
	assert_int_equal(cap_check_port(0x3f8, 1), 0);
	assert_int_equal(cap_check_line(0), -EACCES);
	assert_int_equal(cap_check_line(4), 0);
}

static void
test_shared_page(void **state)
{
	(void)state;
	struct cap_set *c = with((struct cap_spec){ .mask = CAP_DEVICE, .ngrants = 2,
		.grants = { { GRANT_PCI, 0xfa, 5 }, { GRANT_PCI, 0x10, 6 } } });

	assert_int_equal(cap_check_map(0xfebf1000, 0x1000), 0);
	assert_int_equal(cap_check_map(0xfebf2000, 0x1000), -EACCES);
	assert_int_equal(cap_check_map(0xfebf1000, 0x2000), -EACCES);
	assert_true(none_referred_to());
	cap_put(c);
	c = with((struct cap_spec){ .mask = CAP_DEVICE, .ngrants = 2,
		.grants = { { GRANT_PCI, 0x18, 7 }, { GRANT_PCI, 0x10, 6 } } });
	assert_int_equal(cap_check_map(0xfebf2000, 0x1000), 0);
	cap_put(c);
}

static void
test_shrink(void **state)
{
	(void)state;
	struct cap_set *c = with((struct cap_spec){ .mask = CAP_DEVICE, .ngrants = 2,
		.grants = { { GRANT_PCI, 0xfa, 5 }, { GRANT_PORT, 0x3f8, 0x3ff } } }), *d = NULL;
	struct cap_spec s = { .mask = CAP_DEVICE | CAP_DMA };

	assert_int_equal(cap_new(&s, &d), -EACCES);
	s = (struct cap_spec){ .mask = CAP_DEVICE, .unlimited = true };
	assert_int_equal(cap_new(&s, &d), -EACCES);
	s = (struct cap_spec){ .ngrants = 1, .grants = { { GRANT_PCI, 0x10, 6 } } };
	assert_int_equal(cap_new(&s, &d), -EACCES);
	s.grants[0] = (struct grant){ GRANT_PORT, 0x3f8, 0x400 };
	assert_int_equal(cap_new(&s, &d), -EACCES);
	s.grants[0] = (struct grant){ GRANT_LINE, 11, 11 };
	assert_int_equal(cap_new(&s, &d), -EACCES);
	s.grants[0] = (struct grant){ GRANT_PORT, 0x3f9, 0x3fa };
	assert_int_equal(cap_new(&s, &d), 0);
	cap_put(d);
	s.grants[0] = (struct grant){ GRANT_LINE, 10, 10 };
	assert_int_equal(cap_new(&s, &d), 0);
	cap_put(d);
	cap_put(c);
}

/* A grant is of one function, not of the place where it is: it does not pass to the next one. */
static void
test_unplugged(void **state)
{
	(void)state;
	struct cap_set *c = with((struct cap_spec){ .mask = CAP_DEVICE, .ngrants = 1,
		.grants = { { GRANT_PCI, 0xfa, 5 } } }), *d = NULL;
	struct cap_spec s = { .ngrants = 1, .grants = { { GRANT_PCI, 0xfa, 5 } } };

	assert_int_equal(cap_check_mem(0xfebf1000, 4), 0);
	ahci.serial = 8;
	assert_int_equal(cap_check_pci(0xfa), -EACCES);
	assert_int_equal(cap_check_mem(0xfebf1000, 4), -EACCES);
	assert_int_equal(cap_check_map(0xfebf1000, 0x1000), -EACCES);
	assert_int_equal(cap_check_port(0xc040, 4), -EACCES);
	assert_int_equal(cap_check_line(10), -EACCES);
	assert_int_equal(cap_new(&s, &d), -ENODEV);
	assert_string_equal(test_error, "pci: 0.31.2 has gone");
	test_proc.caps = &all;
	assert_int_equal(cap_new(&s, &d), -ENODEV);
	ahci.serial = 5;
	cap_put(c);
	assert_true(none_referred_to());
}

static void
test_text(void **state)
{
	(void)state;
	struct cap_spec s = { .mask = CAP_DEVICE | CAP_ADMIN, .ngrants = 3, .grants = {
		{ GRANT_PCI, 0xfa, 5 }, { GRANT_PORT, 0x1f0, 0x1f7 }, { GRANT_LINE, 14, 14 } } };
	char buf[256];
	struct text t = { .buf = buf, .n = sizeof buf };
	unsigned bdf;

	cap_spec_text(&s, &t);
	assert_string_equal(buf, "capability device-access\ncapability admin\ndevice 0.31.2\n"
			    "port 0x1f0-0x1f7\nline 14\n");
	t = (struct text){ .buf = buf, .n = 10 };
	cap_spec_text(&s, &t);
	assert_string_equal(buf, "capabilit");
	assert_int_equal(cap_parse("dma"), CAP_DMA);
	assert_int_equal(cap_parse("everything"), 0);
	assert_int_equal(cap_parse_pci("0.31.2", &bdf), 0);
	assert_int_equal(bdf, 0xfa);
	assert_int_equal(cap_parse_pci("255.31.7", &bdf), 0);
	assert_int_equal(bdf, 0xffff);
	static const char *const bad[] = { "", "0", "0.1", "0.1.", "0.32.0", "0.0.8", "256.0.0",
		"0.1.2.3", "0.1.2 ", "-1.0.0", "0..1", "99999999999.0.0" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(cap_parse_pci(bad[i], &bdf), -EINVAL);
}

static void
test_words(void **state)
{
	(void)state;
	char text[] = "  msi\t4  ", *w[3];
	uint64_t v;

	assert_int_equal(text_words(text, w, 3), 2);
	assert_string_equal(w[1], "4");
	char four[] = "a b c d", empty[] = "  ";
	assert_int_equal(text_words(four, w, 3), -1);
	assert_int_equal(text_words(empty, w, 3), 0);
	assert_int_equal(text_number("0x1F", 31, &v), 0);
	assert_int_equal(v, 31);
	assert_int_equal(text_number("18446744073709551615", UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	static const char *const bad[] = { "", "0x", "18446744073709551616", "1a", "-1", " 1",
		"0xg" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(text_number(bad[i], UINT64_MAX, &v), -EINVAL);
	assert_int_equal(text_number("32", 31, &v), -EINVAL);
	assert_int_equal(text_number("7", 5, &v), -EINVAL);
	assert_int_equal(text_size("16M", 1 << 24, &v), 0);
	assert_int_equal(v, 1 << 24);
	assert_int_equal(text_size("17M", 1 << 24, &v), -EINVAL);
	assert_int_equal(text_size("1T", UINT64_MAX, &v), -EINVAL);
	assert_int_equal(text_size("4096", 4096, &v), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mask), cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_never), cmocka_unit_test(test_shared_page),
		cmocka_unit_test(test_shrink), cmocka_unit_test(test_text),
		cmocka_unit_test(test_words), cmocka_unit_test(test_unplugged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
