/*
 * Capability sets: made once, checked at every open and every use, never changed.
 *
 * A set is a mask of capabilities and, unless it is unlimited, the PCI functions, port ranges and
 * lines that it is narrowed to.  Some things are in nobody's set: RAM, interrupt controllers,
 * timers, the IOMMU, configuration access, MSI-X tables, the ISA DMA controllers.
 */
#include "cap.h"

#include "amd64/acpi.h"
#include "amd64/pci.h"
#include "hw.h"
#include "irq.h"
#include "mem.h"
#include "proc.h"

enum { HOLE_START = 0xa0000, HOLE_END = 0x100000, LINE_TIMER = 0, LINE_CASCADE = 2 };

#define CHECK_MAX (16ull << 30)		/* bounds the loop over pages */

struct cap_set {
	uint32_t refs;
	struct cap_spec spec;
};

static const struct {
	const char *name;
	uint32_t mask;
} cap_names[] = {
	{ "file-system", CAP_FILE_SYSTEM }, { "device-access", CAP_DEVICE },
	{ "interrupt", CAP_INTERRUPT }, { "dma", CAP_DMA }, { "page-exchange", CAP_PAGE_EXCHANGE },
	{ "networking", CAP_NETWORKING }, { "admin", CAP_ADMIN },
};

/* Ports that decide over other devices' interrupts, memory or time. */
static const struct {
	uint16_t first, last;
} kernel_ports[] = {
	{ 0x00, 0x0f }, { 0x20, 0x21 }, { 0x40, 0x43 }, { 0x61, 0x61 }, { 0x80, 0x92 },
	{ 0xa0, 0xa1 }, { 0xb2, 0xb3 }, { 0xc0, 0xdf }, { 0x4d0, 0x4d1 }, { 0xcf8, 0xcff },
};

static struct cap_set all = { .refs = 1, .spec = { .mask = CAP_ALL, .unlimited = true } };

struct cap_set *
cap_all(void)
{
	return cap_get(&all);
}

struct cap_set *
cap_get(struct cap_set *c)
{
	ref_get(&c->refs);
	return c;
}

void
cap_put(struct cap_set *c)
{
	if (c != NULL && ref_put(&c->refs) && c != &all)
		kfree(c);
}

static const struct cap_spec *
current(void)
{
	return &proc_current()->caps->spec;
}

bool
cap_has(const struct cap_set *c, enum cap which)
{
	return (c->spec.mask & which) == (uint32_t)which;
}

static const char *
cap_name(uint32_t mask)
{
	for (size_t i = 0; i < ARRAY_LEN(cap_names); i++)
		if (cap_names[i].mask & mask)
			return cap_names[i].name;
	return "a capability";
}

int
cap_check(enum cap c)
{
	uint32_t missing = (uint32_t)c & ~current()->mask;

	return missing == 0 ? 0 : error(EACCES, "permission denied: needs %s", cap_name(missing));
}

static bool
granted(const struct cap_spec *s, bool (*covers)(const struct grant *, uint64_t, size_t),
	uint64_t at, size_t n)
{
	if (s->unlimited)
		return true;
	for (unsigned i = 0; i < s->ngrants; i++)
		if (covers(&s->grants[i], at, n))
			return true;
	return false;
}

/* The function of a grant, with a reference; NULL if it has gone or it is another kind of grant. */
static struct pci_func *
granted_func(const struct grant *g)
{
	return g->kind == GRANT_PCI ? pci_find(g->lo, g->hi) : NULL;
}

static bool
grant_has_mem(const struct grant *g, uint64_t pa, size_t n)
{
	struct pci_func *f = granted_func(g);
	bool has = f != NULL && pci_has_mem(f, pa, n);

	pci_put(f);
	return has;
}

static bool
grant_has_pages(const struct grant *g, uint64_t pa, size_t n)
{
	struct pci_func *f = granted_func(g);
	bool has = f != NULL && pci_has_pages(f, pa, n);

	pci_put(f);
	return has;
}

static bool
grant_has_port(const struct grant *g, uint64_t port, size_t width)
{
	struct pci_func *f = granted_func(g);
	bool has = f != NULL && pci_has_port(f, (unsigned)port, (unsigned)width);

	pci_put(f);
	return has || (g->kind == GRANT_PORT && port >= g->lo && port + width - 1 <= g->hi);
}

static bool
grant_has_line(const struct grant *g, uint64_t line, size_t)
{
	struct pci_func *f = granted_func(g);
	bool has = f != NULL && pci_has_line(f, (unsigned)line);

	pci_put(f);
	return has || (g->kind == GRANT_LINE && g->lo == line);
}

static bool
grant_is_pci(const struct grant *g, uint64_t bdf, size_t)
{
	struct pci_func *f = g->kind == GRANT_PCI && g->lo == bdf ? granted_func(g) : NULL;

	pci_put(f);
	return f != NULL;
}

/* What nobody may touch. */
static int
check_never(paddr_t pa, size_t n)
{
	if (n == 0 || pa + n < pa || n > CHECK_MAX)
		return error(EACCES, "mem: 0x%lx is not a range", pa);
	if (irq_is_reserved(pa, n))
		return error(EACCES, "mem: 0x%lx belongs to the kernel's controllers", pa);
	if (pci_msix_in(pa, n) != 0)
		return error(EACCES, "mem: 0x%lx holds an msi-x table", pa);
	if (pa >= HOLE_START && pa < HOLE_END && n <= HOLE_END - pa)
		return 0;
	for (paddr_t p = ROUND_DOWN(pa, PAGE_SIZE); p < pa + n; p += PAGE_SIZE)
		if (page_is_ram(p))
			return error(EACCES, "mem: 0x%lx is memory", p);
	return 0;
}

int
cap_check_mem(paddr_t pa, size_t n)
{
	int r = check_never(pa, n);

	if (r < 0 || granted(current(), grant_has_mem, pa, n))
		return r;
	return error(EACCES, "mem: 0x%lx is not in a granted range", pa);
}

static bool
has_bar_in(const struct pci_func *f, paddr_t pa, size_t n)
{
	for (unsigned b = 0; b < PCI_BARS; b++)
		if (!f->bar[b].io && f->bar[b].size != 0 && f->bar[b].base < pa + n &&
		    pa < f->bar[b].base + f->bar[b].size)
			return true;
	return false;
}

/* A page may hold small BARs of several functions: all of them must be granted. */
int
cap_check_map(paddr_t pa, size_t n)
{
	const struct cap_spec *s = current();
	int r = check_never(pa, n);

	if (r < 0 || s->unlimited)
		return r;
	if (!granted(s, grant_has_pages, pa, n))
		return error(EACCES, "mem: 0x%lx is not in a granted range", pa);
	for (unsigned i = 0; i < pci_count() && r == 0; i++) {
		struct pci_func *f = pci_at(i);

		if (f != NULL && has_bar_in(f, pa, n) && !granted(s, grant_is_pci, f->bdf, 1))
			r = error(EACCES, "mem: 0x%lx shares a page with %u.%u.%u", pa,
				  f->bdf >> 8, f->bdf >> 3 & 31, f->bdf & 7);
		pci_put(f);
	}
	return r;
}

int
cap_check_port(unsigned port, unsigned width)
{
	if (width == 0 || port > 0xffff || port + width > 0x10000)
		return error(EACCES, "io: 0x%x is not a port", port);
	for (size_t i = 0; i < ARRAY_LEN(kernel_ports); i++)
		if (port <= kernel_ports[i].last && kernel_ports[i].first < port + width)
			return error(EACCES, "io: port 0x%x belongs to the kernel", port);
	if (acpi_owns_port(port, width))
		return error(EACCES, "io: port 0x%x is power management's", port);
	if (!granted(current(), grant_has_port, port, width))
		return error(EACCES, "io: port 0x%x is not in a granted range", port);
	return 0;
}

int
cap_check_line(unsigned line)
{
	if (line == LINE_TIMER || line == LINE_CASCADE)
		return error(EACCES, "irq: line %u belongs to the kernel", line);
	if (!granted(current(), grant_has_line, line, 1))
		return error(EACCES, "irq: line %u is not granted", line);
	return 0;
}

int
cap_check_pci(unsigned bdf)
{
	if (!granted(current(), grant_is_pci, bdf, 1))
		return error(EACCES, "pci: %u.%u.%u is not granted", bdf >> 8, bdf >> 3 & 31,
			     bdf & 7);
	return 0;
}

static int
check_func(const struct grant *g)
{
	struct pci_func *f = granted_func(g);

	pci_put(f);
	return f != NULL ? cap_check_pci(g->lo) :
	       error(ENODEV, "pci: %u.%u.%u has gone", g->lo >> 8, g->lo >> 3 & 31, g->lo & 7);
}

static int
check_grant(const struct grant *g)
{
	switch (g->kind) {
	case GRANT_PCI: return check_func(g);
	case GRANT_PORT: return cap_check_port(g->lo, g->hi - g->lo + 1);
	case GRANT_LINE: return cap_check_line(g->lo);
	}
	return -EINVAL;
}

int
cap_new(const struct cap_spec *spec, struct cap_set **out)
{
	struct cap_set *c;
	int r = cap_check((enum cap)spec->mask);

	if (r < 0)
		return r;
	if (spec->unlimited && !current()->unlimited)
		return error(EACCES, "permission denied: all devices are not granted");
	for (unsigned i = 0; i < spec->ngrants; i++)
		if ((r = check_grant(&spec->grants[i])) < 0)
			return r;
	c = kzalloc(sizeof *c);
	if (c == NULL)
		return -ENOMEM;
	c->refs = 1;
	c->spec = *spec;
	*out = c;
	return 0;
}

uint32_t
cap_parse(const char *name)
{
	if (strcmp(name, "all") == 0)
		return CAP_ALL;
	for (size_t i = 0; i < ARRAY_LEN(cap_names); i++)
		if (strcmp(name, cap_names[i].name) == 0)
			return cap_names[i].mask;
	return 0;
}

int
cap_parse_pci(const char *text, unsigned *bdf)
{
	static const unsigned max[3] = { 255, 31, 7 }, shift[3] = { 8, 3, 0 };
	unsigned v, result = 0;

	for (int i = 0; i < 3; i++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		for (v = 0; *text >= '0' && *text <= '9'; text++)
			if ((v = v * 10 + (unsigned)(*text - '0')) > max[i])
				return -EINVAL;
		result |= v << shift[i];
		if (*text++ != (i < 2 ? '.' : '\0'))
			return -EINVAL;
	}
	*bdf = result;
	return 0;
}

void
cap_spec_text(const struct cap_spec *spec, struct text *t)
{
	for (size_t i = 0; i < ARRAY_LEN(cap_names); i++)
		if (spec->mask & cap_names[i].mask)
			text_add(t, "capability %s\n", cap_names[i].name);
	if (spec->unlimited)
		text_add(t, "device all\n");
	for (unsigned i = 0; i < spec->ngrants; i++) {
		const struct grant *g = &spec->grants[i];

		if (g->kind == GRANT_PCI)
			text_add(t, "device %u.%u.%u\n", g->lo >> 8, g->lo >> 3 & 31, g->lo & 7);
		else if (g->kind == GRANT_PORT)
			text_add(t, "port 0x%x-0x%x\n", g->lo, g->hi);
		else
			text_add(t, "line %u\n", g->lo);
	}
}
