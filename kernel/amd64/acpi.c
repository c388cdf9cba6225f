/*
 * ACPI: the static tables [ACPI 6.4, 5.2], soft off and reset.
 *
 * Reads MADT, FADT, HPET, MCFG, DMAR and IVRS once at boot and keeps the little that the kernel
 * needs.  There is no AML interpreter: the sleep type of soft off is searched for in the DSDT.
 * Every table's length is bounded and its checksum tested before it is used; every record's length
 * is checked against its table.  After acpi_init nothing changes, so there is no lock.
 */
#include "acpi.h"

#include "../mem.h"
#include "cpu.h"

enum {
	CPUS_MAX = 256, IOAPICS_MAX = 16, OVERRIDES_MAX = 16, RESERVED_MAX = 32, TABLES_MAX = 128,
	PORT_RANGES_MAX = 10, IOMMU_SIZE = 0x4000,
	TABLE_LENGTH_MAX = 4 << 20, SDT_HEADER = 36, RSDP_V1 = 20, RSDP_V2 = 36
};

/* Every x86-64 processor has at least this much physical address space. */
#define ADDRESS_MAX	(1ull << 36)

enum fadt {			/* [ACPI 6.4, table 5.9] */
	FADT_DSDT = 40, FADT_SMI_CMD = 48, FADT_ACPI_ENABLE = 52, FADT_PM1A_CNT = 64,
	FADT_PM1B_CNT = 68, FADT_FLAGS = 112, FADT_RESET_REG = 116, FADT_RESET_VALUE = 128,
	FADT_X_DSDT = 140, FADT_LENGTH_MIN = 116, FADT_RESET_SUPPORTED = 1 << 10
};

/* Where the FADT has the port and the length of each block. */
static const struct {
	uint8_t port, length;
} fadt_blocks[] = {
	{ 56, 88 }, { 60, 88 }, { FADT_PM1A_CNT, 89 }, { FADT_PM1B_CNT, 89 }, { 72, 90 },
	{ 76, 91 }, { 80, 92 }, { 84, 93 },
};

enum { GAS_MEMORY = 0, GAS_PORT = 1 };

enum { PM1_SCI_EN = 1, PM1_SLP_TYP = 7 << 10, PM1_SLP_TYP_SHIFT = 10, PM1_SLP_EN = 1 << 13 };

struct override {
	uint8_t irq;
	uint16_t flags;
	uint32_t gsi;
};

static struct {
	uint32_t cpus[CPUS_MAX];
	struct acpi_ioapic ioapics[IOAPICS_MAX];
	struct override overrides[OVERRIDES_MAX];
	struct acpi_range reserved[RESERVED_MAX], ports[PORT_RANGES_MAX];
	unsigned ncpus, nioapics, noverrides, nreserved, nports;
	struct acpi_iommu iommus[ACPI_IOMMUS_MAX];
	unsigned niommus;
	uint16_t pm1a_cnt, pm1b_cnt, smi_cmd;
	uint8_t acpi_enable, slp_typa, slp_typb, reset_space, reset_value;
	bool have_s5;
	paddr_t reset_address;
} acpi;

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t
get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t
get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* NULL if no table can be there. */
static const uint8_t *
acpi_map(paddr_t pa, size_t n)
{
	paddr_t first = ROUND_DOWN(pa, PAGE_SIZE), end = ROUND_UP(pa + n, PAGE_SIZE);
	bool ram = true;

	if (pa == 0 || n == 0 || pa >= ADDRESS_MAX || n > ADDRESS_MAX - pa)
		return NULL;
	for (paddr_t p = first; p < end; p += PAGE_SIZE)
		ram = ram && page_is_ram(p);
	if (ram)
		return phys_to_virt(pa);
	return (const uint8_t *)kernel_map_device(first, end - first) + (pa - first);
}

static bool
checksum_ok(const uint8_t *p, size_t n)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + p[i]);
	return sum == 0;
}

/* The whole table at pa, or NULL. */
static const uint8_t *
table_at(paddr_t pa, uint32_t *length)
{
	const uint8_t *t = acpi_map(pa, SDT_HEADER);

	if (t == NULL)
		return NULL;
	*length = get32(t + 4);
	if (*length < SDT_HEADER || *length > TABLE_LENGTH_MAX)
		return NULL;
	t = acpi_map(pa, *length);
	return t != NULL && checksum_ok(t, *length) ? t : NULL;
}

static void
add_cpu(uint32_t apic_id, uint32_t flags)
{
	if ((flags & 1) == 0 || acpi.ncpus == CPUS_MAX)
		return;
	for (unsigned i = 0; i < acpi.ncpus; i++)
		if (acpi.cpus[i] == apic_id)
			return;
	acpi.cpus[acpi.ncpus++] = apic_id;
}

/*
 * [ACPI 6.4, 5.2.12]: one record of the MADT, n bytes.  An x2APIC's is passed over: an xAPIC cannot
 * reach it.
 */
static void
madt_record(const uint8_t *r, unsigned n)
{
	switch (r[0]) {
	case 0:
		if (n >= 8)
			add_cpu(r[3], get32(r + 4));
		break;
	case 1:
		if (n >= 12 && acpi.nioapics < IOAPICS_MAX)
			acpi.ioapics[acpi.nioapics++] = (struct acpi_ioapic){
				get32(r + 4), get32(r + 8), r[2] };
		break;
	case 2:
		if (n >= 10 && r[2] == 0 && acpi.noverrides < OVERRIDES_MAX)
			acpi.overrides[acpi.noverrides++] = (struct override){
				r[3], get16(r + 8), get32(r + 4) };
		break;
	}
}

static void
madt_parse(const uint8_t *t, uint32_t length)
{
	if (length < 44)
		return;
	for (uint32_t at = 44; length - at >= 2; at += t[at + 1]) {
		if (t[at + 1] < 2 || t[at + 1] > length - at)
			break;
		madt_record(t + at, t[at + 1]);
	}
}

/* Name(_S5_, Package(){a, b, ...}) in AML [ACPI 6.4, 20.2]; an element is Zero, One or a byte. */
static bool
s5_package(const uint8_t *p, const uint8_t *end, uint8_t typ[2])
{
	if (end - p < 3 || p[0] != 0x12)
		return false;
	p += 2 + (p[1] >> 6);			/* PackageOp, PkgLength */
	if (end - p < 1 || *p++ < 1)		/* NumElements */
		return false;
	typ[1] = 0;
	for (int i = 0; i < 2; i++) {
		if (end - p >= 2 && p[0] == 0x0a) {
			typ[i] = p[1] & 7;
			p += 2;
		} else if (end - p >= 1 && p[0] <= 1) {
			typ[i] = *p++;
		} else {
			return i == 1;
		}
	}
	return true;
}

static void
dsdt_parse(const uint8_t *t, uint32_t length)
{
	uint8_t typ[2] = { 0 };

	for (uint32_t i = SDT_HEADER + 1; i + 4 < length; i++) {
		if (memcmp(t + i, "_S5_", 4) != 0)
			continue;
		if (t[i - 1] != 0x08 && !(t[i - 1] == '\\' && t[i - 2] == 0x08))
			continue;
		if (s5_package(t + i + 4, t + length, typ)) {
			acpi.slp_typa = typ[0];
			acpi.slp_typb = typ[1];
			acpi.have_s5 = true;
			return;
		}
	}
}

static uint16_t
port_at(const uint8_t *p)
{
	return get32(p) <= 0xffff ? get16(p) : 0;
}

static void
fadt_parse(const uint8_t *t, uint32_t length)
{
	const uint8_t *dsdt = NULL;
	uint32_t flags, n = 0;

	if (length < FADT_LENGTH_MIN || acpi.nports != 0)
		return;
	flags = get32(t + FADT_FLAGS);
	acpi.smi_cmd = port_at(t + FADT_SMI_CMD);
	acpi.acpi_enable = t[FADT_ACPI_ENABLE];
	acpi.pm1a_cnt = port_at(t + FADT_PM1A_CNT);
	acpi.pm1b_cnt = port_at(t + FADT_PM1B_CNT);
	acpi.ports[acpi.nports++] = (struct acpi_range){ acpi.smi_cmd, 2 };
	for (size_t i = 0; i < ARRAY_LEN(fadt_blocks) && acpi.nports < PORT_RANGES_MAX; i++)
		if (port_at(t + fadt_blocks[i].port) != 0)
			acpi.ports[acpi.nports++] = (struct acpi_range){
				port_at(t + fadt_blocks[i].port), t[fadt_blocks[i].length] };
	if (length > FADT_RESET_VALUE && (flags & FADT_RESET_SUPPORTED)) {
		acpi.reset_space = t[FADT_RESET_REG];
		acpi.reset_address = get64(t + FADT_RESET_REG + 4);
		acpi.reset_value = t[FADT_RESET_VALUE];
	}
	if (length >= FADT_X_DSDT + 8)
		dsdt = table_at(get64(t + FADT_X_DSDT), &n);
	if (dsdt == NULL)
		dsdt = table_at(get32(t + FADT_DSDT), &n);
	if (dsdt != NULL)
		dsdt_parse(dsdt, n);
}

static void
reserve(paddr_t start, size_t n)
{
	if (start != 0 && start < ADDRESS_MAX && acpi.nreserved < RESERVED_MAX)
		acpi.reserved[acpi.nreserved++] = (struct acpi_range){ start, n };
}

static void
mcfg_parse(const uint8_t *t, uint32_t length)
{
	for (uint32_t at = 44; at + 16 <= length; at += 16)
		if (t[at + 10] <= t[at + 11])
			reserve(get64(t + at) + ((uint64_t)t[at + 10] << 20),
				(size_t)(t[at + 11] - t[at + 10] + 1) << 20);
}

/* [VT-d 4.0, 8.3]: where a unit's registers are; which functions it is for, nobody asks. */
static void
dmar_unit(const uint8_t *r)
{
	paddr_t base = get64(r + 8);
	bool ok = base != 0 && base % PAGE_SIZE == 0 && base < ADDRESS_MAX &&
		  acpi.niommus < ACPI_IOMMUS_MAX;

	for (unsigned i = 0; i < acpi.niommus; i++)
		ok = ok && acpi.iommus[i].base != base;
	if (!ok) {
		kprint("acpi: an IOMMU at 0x%lx is passed over\n", base);
		return;
	}
	acpi.iommus[acpi.niommus++] = (struct acpi_iommu){ base, get16(r + 6) };
	reserve(base, IOMMU_SIZE);
}

/* [VT-d 4.0, 8.1 and 8.4] */
static void
dmar_parse(const uint8_t *t, uint32_t length)
{
	for (uint32_t at = 48, n; at < length && length - at >= 4; at += n) {
		const uint8_t *r = t + at;

		n = get16(r + 2);
		if (n < 4 || n > length - at) {
			kprint("acpi: the table of IOMMUs is cut short\n");
			return;
		}
		if (get16(r) == 0 && n >= 16)
			dmar_unit(r);
		else if (get16(r) == 1 && n >= 24)
			kprint("acpi: 0x%lx to 0x%lx, of the firmware's devices, is out of their "
			       "reach with an IOMMU\n", get64(r + 8), get64(r + 16));
	}
}

/* Units of [AMD IOMMU 3.07, 5.2], types 0x10, 0x11 and 0x40. */
static void
ivrs_parse(const uint8_t *t, uint32_t length)
{
	kprint("acpi: AMD's IOMMU is not used: devices reach all memory\n");
	for (uint32_t at = 48; at + 16 <= length && get16(t + at + 2) >= 16;
	     at += get16(t + at + 2))
		if (t[at] == 0x10 || t[at] == 0x11 || t[at] == 0x40)
			reserve(get64(t + at + 8), IOMMU_SIZE);
}

static void
table_parse(paddr_t pa)
{
	uint32_t length;
	const uint8_t *t = table_at(pa, &length);

	if (t == NULL)
		return;
	if (memcmp(t, "APIC", 4) == 0)
		madt_parse(t, length);
	else if (memcmp(t, "FACP", 4) == 0)
		fadt_parse(t, length);
	else if (memcmp(t, "MCFG", 4) == 0)
		mcfg_parse(t, length);
	else if (memcmp(t, "DMAR", 4) == 0 && acpi.niommus == 0)
		dmar_parse(t, length);
	else if (memcmp(t, "IVRS", 4) == 0)
		ivrs_parse(t, length);
	else if (memcmp(t, "HPET", 4) == 0 && length >= 52 && t[40] == GAS_MEMORY)
		reserve(get64(t + 44), PAGE_SIZE);
}

/* The root table that the RSDP names; *wide: its entries are 64 bits. */
static const uint8_t *
root_table(paddr_t rsdp, uint32_t *length, bool *wide)
{
	const uint8_t *p = acpi_map(rsdp, RSDP_V2), *t = NULL;

	if (p == NULL || memcmp(p, "RSD PTR ", 8) != 0 || !checksum_ok(p, RSDP_V1))
		return NULL;
	*wide = true;
	if (p[15] >= 2 && checksum_ok(p, RSDP_V2))
		t = table_at(get64(p + 24), length);
	if (t != NULL && memcmp(t, "XSDT", 4) == 0)
		return t;
	*wide = false;
	t = table_at(get32(p + 16), length);
	return t != NULL && memcmp(t, "RSDT", 4) == 0 ? t : NULL;
}

void
acpi_init(paddr_t rsdp)
{
	const uint8_t *root;
	uint32_t length = 0;
	unsigned width, n;
	bool wide = false;

	memset(&acpi, 0, sizeof acpi);
	root = root_table(rsdp, &length, &wide);
	if (root == NULL) {
		kprint("acpi: no tables\n");
		return;
	}
	width = wide ? 8 : 4;
	n = MIN((length - SDT_HEADER) / width, (unsigned)TABLES_MAX);
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *e = root + SDT_HEADER + i * width;

		table_parse(wide ? get64(e) : get32(e));
	}
}

unsigned
acpi_cpus(uint32_t *apic_ids, unsigned max)
{
	memcpy(apic_ids, acpi.cpus, MIN(max, acpi.ncpus) * sizeof *apic_ids);
	return acpi.ncpus;
}

unsigned
acpi_ioapics(struct acpi_ioapic *out, unsigned max)
{
	memcpy(out, acpi.ioapics, MIN(max, acpi.nioapics) * sizeof *out);
	return acpi.nioapics;
}

const struct acpi_range *
acpi_reserved(unsigned i)
{
	return i < acpi.nreserved ? &acpi.reserved[i] : NULL;
}

const struct acpi_iommu *
acpi_iommu(unsigned i)
{
	return i < acpi.niommus ? &acpi.iommus[i] : NULL;
}

bool
acpi_isa_override(unsigned irq, uint32_t *gsi, uint16_t *flags)
{
	*gsi = irq;
	*flags = 0;
	for (unsigned i = 0; i < acpi.noverrides; i++)
		if (acpi.overrides[i].irq == irq) {
			*gsi = acpi.overrides[i].gsi;
			*flags = acpi.overrides[i].flags;
			return true;
		}
	return false;
}

bool
acpi_owns_port(unsigned port, unsigned width)
{
	for (unsigned i = 0; i < acpi.nports; i++)
		if (port < acpi.ports[i].start + acpi.ports[i].length &&
		    acpi.ports[i].start < port + width)
			return true;
	return false;
}

/* About a microsecond each, wherever a PC can be run. */
static void
io_delay(unsigned n)
{
	while (n-- > 0)
		outb(0x80, 0);
}

/* [ACPI 6.4, 16.1.7 and 4.8.3.2.1] */
bool
acpi_poweroff(void)
{
	uint16_t a = acpi.pm1a_cnt, b = acpi.pm1b_cnt;

	if (a == 0 || !acpi.have_s5)
		return false;
	if ((inw(a) & PM1_SCI_EN) == 0 && acpi.smi_cmd != 0 && acpi.acpi_enable != 0) {
		outb(acpi.smi_cmd, acpi.acpi_enable);
		for (int i = 0; i < 3000 && (inw(a) & PM1_SCI_EN) == 0; i++)
			io_delay(1000);
	}
	outw(a, (uint16_t)((inw(a) & ~(PM1_SLP_TYP | PM1_SLP_EN)) |
				 acpi.slp_typa << PM1_SLP_TYP_SHIFT | PM1_SLP_EN));
	if (b != 0)
		outw(b, (uint16_t)((inw(b) & ~(PM1_SLP_TYP | PM1_SLP_EN)) |
					 acpi.slp_typb << PM1_SLP_TYP_SHIFT | PM1_SLP_EN));
	io_delay(1000000);
	return false;
}

/* By the ACPI reset register, the chipset's, the keyboard controller, a triple fault. */
void
machine_reset(void)
{
	static const uint16_t no_idt[5];

	if (acpi.reset_space == GAS_PORT && acpi.reset_address - 1 < 0xffff)
		outb((uint16_t)acpi.reset_address, acpi.reset_value);
	else if (acpi.reset_space == GAS_MEMORY && acpi.reset_address - 1 < ADDRESS_MAX)
		*(volatile uint8_t *)kernel_map_device(acpi.reset_address, 1) = acpi.reset_value;
	io_delay(100000);
	outb(0xcf9, 0x02);
	io_delay(10);
	outb(0xcf9, 0x06);
	io_delay(100000);
	for (int i = 0; i < 10000 && (inb(0x64) & 2); i++)
		io_delay(1);
	outb(0x64, 0xfe);
	io_delay(100000);
	__asm__ volatile("lidt %0; int3" : : "m"(no_idt));
	for (;;)
		__asm__ volatile("hlt");
}
