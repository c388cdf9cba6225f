/* ACPI tables made here: whole, cut short, and wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sanitizer/asan_interface.h>

#include "mem.h"

#define MEMORY 0x110000
static uint8_t *memory;

static void *
test_phys(paddr_t pa)
{
	return memory + pa;
}
#define phys_to_virt test_phys
#include "amd64/acpi.c"

void
kprint(const char *fmt, ...)
{
	(void)fmt;
}

bool
page_is_ram(paddr_t pa)
{
	return pa < MEMORY;
}

/* Nothing but what is in memory may be asked for. */
volatile void *
kernel_map_device(paddr_t pa, size_t n)
{
	static uint8_t nothing[2 * PAGE_SIZE];

	(void)pa;
	assert_true(n <= sizeof nothing);
	return nothing;
}

static void
put32(paddr_t at, uint32_t v)
{
	memcpy(memory + at, &v, 4);
}

static void
put64(paddr_t at, uint64_t v)
{
	memcpy(memory + at, &v, 8);
}

static void
finish(paddr_t at, size_t n, size_t checksum_at)
{
	uint8_t sum = 0;

	memory[at + checksum_at] = 0;
	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + memory[at + i]);
	memory[at + checksum_at] = (uint8_t)-sum;
}

static void
table(paddr_t at, const char *name, uint32_t n)
{
	memcpy(memory + at, name, 4);
	put32(at + 4, n);
	finish(at, n, 9);
}

enum { RSDP = 0xf0010, RSDT = 0x1000, MADT = 0x2000, FADT = 0x3000, DSDT = 0x4000, MCFG = 0x5000,
       HPET = 0x6000, DMAR = 0x7000 };

static const uint8_t madt_records[] = {
	0, 8, 0, 0, 1, 0, 0, 0,				/* processor 0 */
	0, 8, 1, 2, 1, 0, 0, 0,				/* processor 2 */
	0, 8, 2, 3, 0, 0, 0, 0,				/* 3 is not enabled */
	9, 16, 0, 0, 0x34, 0x12, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0,	/* an x2APIC, out of reach */
	0, 8, 5, 2, 1, 0, 0, 0,				/* 2 again */
	1, 12, 7, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0,
	2, 10, 0, 0, 2, 0, 0, 0, 0, 0,
	2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0,
	4, 6, 0xff, 0, 0, 1,
	0x7f, 3, 0,					/* of no known type */
};

static const uint8_t s5[] = { 0x08, '_', 'S', '5', '_', 0x12, 6, 4, 0x0a, 5, 0x0a, 7, 0, 0 };

static int
setup(void **state)
{
	(void)state;
	memory = calloc(1, MEMORY);
	memcpy(memory + RSDP, "RSD PTR ", 8);
	put32(RSDP + 16, RSDT);
	finish(RSDP, 20, 8);
	put32(RSDT + 36, MADT);
	put32(RSDT + 40, FADT);
	put32(RSDT + 44, MCFG);
	put32(RSDT + 48, HPET);
	put32(RSDT + 52, DMAR);
	table(RSDT, "RSDT", 56);
	put32(MADT + 36, 0xfee00000);
	memcpy(memory + MADT + 44, madt_records, sizeof madt_records);
	table(MADT, "APIC", 44 + sizeof madt_records);
	put32(FADT + 40, DSDT);
	put32(FADT + 64, 0x604);
	put32(FADT + 76, 0x608);
	memory[FADT + 89] = 2;
	memory[FADT + 91] = 4;
	table(FADT, "FACP", 244);
	memcpy(memory + DSDT + 50, s5, sizeof s5);
	table(DSDT, "DSDT", 100);
	put64(MCFG + 44, 0xb0000000);
	memory[MCFG + 55] = 255;
	table(MCFG, "MCFG", 60);
	put64(HPET + 44, 0xfed00000);
	table(HPET, "HPET", 56);
	memory[DMAR + 50] = 16;
	put64(DMAR + 56, 0xfed90000);
	table(DMAR, "DMAR", 64);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static void
test_whole(void **state)
{
	uint32_t ids[8], gsi;
	struct acpi_ioapic io[2];
	uint16_t flags;

	(void)state;
	acpi_init(RSDP);
	assert_int_equal(acpi_cpus(ids, 8), 2);
	assert_int_equal(ids[0], 0);
	assert_int_equal(ids[1], 2);
	assert_int_equal(acpi_ioapics(io, 2), 1);
	assert_true(io[0].address == 0xfec00000 && io[0].id == 7 && io[0].gsi_base == 0);
	assert_true(acpi_isa_override(0, &gsi, &flags));
	assert_int_equal(gsi, 2);
	assert_true(acpi_isa_override(9, &gsi, &flags));
	assert_int_equal(flags, 0x0d);
	assert_false(acpi_isa_override(4, &gsi, &flags));
	assert_int_equal(gsi, 4);
	assert_true(acpi_reserved(0)->start == 0xb0000000);
	assert_true(acpi_reserved(0)->length == 256u << 20);
	assert_true(acpi_reserved(1)->start == 0xfed00000);
	assert_true(acpi_reserved(2)->start == 0xfed90000);
	assert_null(acpi_reserved(3));
	assert_true(acpi.have_s5 && acpi.slp_typa == 5 && acpi.slp_typb == 7);
	assert_true(acpi_owns_port(0x608, 1));
	assert_true(acpi_owns_port(0x604, 2) && acpi_owns_port(0x603, 2));
	assert_false(acpi_owns_port(0x606, 2));
}

/* An accessor gives no more than asked for, and says how many there are. */
static void
test_max(void **state)
{
	uint32_t ids[2] = { 7, 7 };

	(void)state;
	acpi_init(RSDP);
	assert_int_equal(acpi_cpus(ids, 1), 2);
	assert_int_equal(ids[1], 7);
}

static void
test_none(void **state)
{
	uint32_t ids[2];

	(void)state;
	memory[RSDP + 8]++;
	acpi_init(RSDP);
	assert_int_equal(acpi_cpus(ids, 2), 0);
	acpi_init(0x12345678);
	assert_int_equal(acpi_cpus(ids, 2), 0);
	acpi_init(0);
	assert_int_equal(acpi_cpus(ids, 2), 0);
}

static void
test_checksum(void **state)
{
	uint32_t ids[2];

	(void)state;
	memory[MADT + 50]++;
	acpi_init(RSDP);
	assert_int_equal(acpi_cpus(ids, 2), 0);
	assert_true(acpi.have_s5);
}

/* A length that lies, with a right checksum. */
static void
test_lengths(void **state)
{
	uint32_t ids[8];

	(void)state;
	memory[MADT + 44 + 8 + 1] = 0;		/* a record of no length ends the table */
	table(MADT, "APIC", 44 + sizeof madt_records);
	table(MCFG, "MCFG", 50);
	put32(HPET + 4, 0xffffffff);
	acpi_init(RSDP);
	assert_int_equal(acpi_cpus(ids, 8), 1);
	assert_true(acpi_reserved(0)->start == 0xfed90000);
	assert_null(acpi_reserved(1));
}

/* Every table cut at every length: nothing outside is read (the sanitizer says so). */
static void
test_cut(void **state)
{
	static const struct { paddr_t at; const char *name; uint32_t n; } all[] = {
		{ MADT, "APIC", 44 + sizeof madt_records }, { FADT, "FACP", 244 },
		{ DSDT, "DSDT", 100 }, { MCFG, "MCFG", 60 }, { HPET, "HPET", 56 },
		{ DMAR, "DMAR", 64 }, { RSDT, "RSDT", 56 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		for (uint32_t n = SDT_HEADER; n <= all[i].n; n++) {
			table(all[i].at, all[i].name, n);
			ASAN_POISON_MEMORY_REGION(memory + all[i].at + n, PAGE_SIZE - n);
			acpi_init(RSDP);
			ASAN_UNPOISON_MEMORY_REGION(memory + all[i].at + n, PAGE_SIZE - n);
		}
		table(all[i].at, all[i].name, all[i].n);
	}
}

static void
test_s5(void **state)
{
	static const uint8_t ones[] = { 0x12, 6, 4, 1, 0, 0, 0 }, cut[] = { 0x12, 6, 4, 0x0a };
	uint8_t typ[2];

	(void)state;
	assert_true(s5_package(ones, ones + sizeof ones, typ));
	assert_true(typ[0] == 1 && typ[1] == 0);
	assert_false(s5_package(cut, cut + sizeof cut, typ));
	assert_false(s5_package(ones, ones + 3, typ));
	assert_false(s5_package(ones + 1, ones + sizeof ones, typ));
}

static const uint8_t unit_1[] = {
	0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0xd9, 0xfe, 0, 0, 0, 0,
	1, 8, 0, 0, 0, 0, 2, 0,			/* for a function of its own */
};
static const uint8_t unit_2[] = { 0, 0, 16, 0, 1, 0, 0, 0, 0, 0x10, 0xd9, 0xfe, 0, 0, 0, 0 };
static const uint8_t unit_3[] = { 0, 0, 16, 0, 1, 0, 3, 0, 0, 0x20, 0xd9, 0xfe, 0, 0, 0, 0 };
static const uint8_t firmware[] = {
	1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0, 0, 0, 0,
	0xff, 0xff, 0x7f, 0x7b, 0, 0, 0, 0,
};
static const uint8_t unknown[] = { 9, 0, 5, 0, 0xff };

static uint32_t dmar_end;

/* Adds a record, and gives the place where it is. */
static uint8_t *
dmar_record(const uint8_t *r, uint32_t n)
{
	memcpy(memory + DMAR + dmar_end, r, n);
	dmar_end += n;
	return memory + DMAR + dmar_end - n;
}
#define RECORD(r) dmar_record(r, sizeof(r))

/* How many units there are by the table as it is, read from memory that ends with it. */
static unsigned
dmar_units(void)
{
	unsigned n = 0;

	table(DMAR, "DMAR", dmar_end);
	ASAN_POISON_MEMORY_REGION(memory + DMAR + dmar_end, PAGE_SIZE - dmar_end);
	acpi_init(RSDP);
	ASAN_UNPOISON_MEMORY_REGION(memory + DMAR + dmar_end, PAGE_SIZE - dmar_end);
	while (acpi_iommu(n) != NULL)
		n++;
	return n;
}

static void
test_iommus(void **state)
{
	uint32_t whole;

	(void)state;
	dmar_end = 48;
	RECORD(unit_1);
	RECORD(firmware);
	RECORD(unknown);
	RECORD(unit_2);
	RECORD(unit_3);
	whole = dmar_end;
	assert_int_equal(dmar_units(), 3);
	assert_true(acpi_iommu(0)->base == 0xfed90000 && acpi_iommu(0)->segment == 0);
	assert_true(acpi_iommu(1)->base == 0xfed91000 && acpi_iommu(1)->segment == 0);
	assert_true(acpi_iommu(2)->base == 0xfed92000 && acpi_iommu(2)->segment == 3);
	assert_true(acpi_reserved(2)->start == 0xfed90000);
	assert_true(acpi_reserved(4)->start == 0xfed92000);
	for (dmar_end = SDT_HEADER; dmar_end < whole; dmar_end++)
		assert_int_equal(dmar_units(), (dmar_end >= 48 + sizeof unit_1) +
					       (dmar_end >= whole - sizeof unit_3));
}

/* A wrong byte in a record between two that are right; a length that is none ends the table. */
static void
wrong_iommu(unsigned at, uint8_t v, unsigned want)
{
	dmar_end = 48;
	RECORD(unit_2);
	RECORD(unit_3)[at] = v;
	RECORD(unit_1);
	assert_int_equal(dmar_units(), want);
}

static void
test_wrong_iommus(void **state)
{
	(void)state;
	wrong_iommu(9, 0x20, 3);
	wrong_iommu(8, 1, 2);		/* no page's address */
	wrong_iommu(9, 0x10, 2);	/* that of the first */
	wrong_iommu(15, 1, 2);		/* beyond all memory */
	wrong_iommu(2, 0, 1);
	wrong_iommu(2, 3, 1);
	wrong_iommu(2, 200, 1);
	dmar_end = 48;
	dmar_record(unit_3, 12)[2] = 12;	/* too short for what it is */
	dmar_record(firmware, 16)[2] = 16;
	assert_int_equal(dmar_units(), 0);
	dmar_end = 48;
	for (unsigned i = 0; i < ACPI_IOMMUS_MAX + 3; i++)
		RECORD(unit_2)[10] = (uint8_t)i;
	assert_int_equal(dmar_units(), ACPI_IOMMUS_MAX);
	assert_null(acpi_iommu(ACPI_IOMMUS_MAX));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_max, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_checksum, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lengths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_iommus, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_iommus, setup, teardown),
		cmocka_unit_test(test_s5),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
