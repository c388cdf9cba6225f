/*
 * What is taken from a driver that dies, and in which order; its DMA memory (dev/dma.c, the real
 * one) is not free before its device is quiet.
 */
#include "testing/services.h"

#include "amd64/vtd.h"
#include "dev/dma.c"
#include "fence.c"
#include "text.c"

enum { ALONE = 0x10, FIRST = 0x20, SECOND = 0x28, PAGES = 3, PINS = 3 };

static char steps[512];			/* what was done, in order */
static struct pci_func funcs[] = { { .bdf = ALONE }, { .bdf = FIRST }, { .bdf = SECOND } };
static unsigned no_reset;		/* a bit for each function that cannot be reset */
static unsigned drained;		/* and for each that says that nothing is outstanding */
static int64_t pages_used, pages_pinned;
static bool can_pin = true;
static struct proc another = { .pid = 8 };

static void
step(const char *what, unsigned bdf)
{
	size_t n = strlen(steps);

	snprintf(steps + n, sizeof(steps) - n, bdf ? "%s %x;" : "%s;", what, bdf);
}

void
irqdev_proc_exit(struct proc *p)
{
	assert_ptr_equal(p, &test_proc);
	step("lines", 0);
}

struct pci_func *
pcidev_owned(const struct proc *p, const struct pci_func *after)
{
	for (struct pci_func *f = after ? funcs + (after - funcs) + 1 : funcs; f < funcs + 3; f++)
		if (f->owner == p)
			return f;
	return NULL;
}

void
pcidev_disown(struct pci_func *f)
{
	f->owner = NULL;
	step("disown", f->bdf);
}

void
pci_messages_off(struct pci_func *f)
{
	step("messages", f->bdf);
}

void
pci_command(const struct pci_func *f, uint16_t clear, uint16_t set)
{
	assert_int_equal(clear, PCI_COMMAND_MASTER);
	assert_int_equal(set, 0);
	step("master", f->bdf);
}

bool
pci_drained(const struct pci_func *f)
{
	step("drain", f->bdf);
	return drained >> (f - funcs) & 1;
}

int
pci_reset(struct pci_func *f)
{
	step("reset", f->bdf);
	return no_reset >> (f - funcs) & 1 ? -EOPNOTSUPP : 0;
}

/* An IOMMU: pages that the process's devices reach, until the process has ended. */
static bool iommu;
static int64_t pages_mapped;
static bool can_map = true;

static int64_t
pages_in(const struct dma_seg *seg, int nsegs)
{
	uint64_t n = 0;

	for (int i = 0; i < nsegs; i++)
		n += ((seg[i].paddr + seg[i].bytes - 1) >> PAGE_SHIFT) -
		     (seg[i].paddr >> PAGE_SHIFT) + 1;
	return (int64_t)n;
}

int
vtd_map(struct proc *p, const struct dma_seg *seg, int nsegs, unsigned access)
{
	assert_ptr_equal(p, &test_proc);
	assert_true(access & SYS_PROT_WRITE);
	if (can_map && iommu)
		pages_mapped += pages_in(seg, nsegs);
	return can_map ? 0 : -ENOMEM;
}

void
vtd_unmap(struct proc *p, const struct dma_seg *seg, int nsegs)
{
	assert_ptr_equal(p, &test_proc);
	pages_mapped -= pages_mapped == 0 ? 0 : pages_in(seg, nsegs);
}

void
vtd_detach(const struct pci_func *f)
{
	if (iommu)
		step("detach", f->bdf);
}

void
vtd_end(struct proc *p)
{
	assert_ptr_equal(p, &test_proc);
	pages_mapped = 0;
	if (iommu)
		step("end", 0);
}

paddr_t
page_alloc_run(uint64_t n, uint64_t align, unsigned flags)
{
	(void)align, (void)flags;
	pages_used += (int64_t)n;
	return 0x100000;
}

void
page_put_run(paddr_t pa, uint64_t n)
{
	(void)pa;
	pages_used -= (int64_t)n;
	step("free", 0);
}

uint64_t
page_total(void)
{
	return 1000;
}

bool
mnt_is_dead(const struct chan *c)
{
	(void)c;
	return false;
}

bool
cap_has(const struct cap_set *c, enum cap which)
{
	(void)c;
	return (test_caps & which) == (uint32_t)which;
}

/* A client's memory: two segments, which may be pinned when can_pin says so. */
int
as_pin(struct as *as, uint64_t addr, size_t n, unsigned access, struct dma_seg *seg)
{
	(void)as, (void)addr;
	assert_int_equal(access, SYS_PROT_WRITE);
	if (!can_pin)
		return -EFAULT;
	seg[0] = (struct dma_seg){ 0x200200, PAGE_SIZE - 0x200 };
	seg[1] = (struct dma_seg){ 0x300000, n - seg[0].bytes };
	pages_pinned += PINS;
	return 2;
}

void
as_unpin(const struct dma_seg *seg, int nsegs, unsigned access)
{
	assert_int_equal(access, SYS_PROT_WRITE);
	if (nsegs <= 0)
		return;
	assert_int_equal(nsegs, 2);
	assert_int_equal(seg[0].paddr, 0x200200);
	pages_pinned -= PINS;
	step("unpin", 0);
}

struct as *
as_current(void)
{
	return NULL;
}

int
as_map_phys(struct as *as, uint64_t *addr, struct phys_map *pm, unsigned prot)
{
	(void)as, (void)pm, (void)prot;
	*addr = 0x5000;
	return 0;
}

int
as_unmap(struct as *as, uint64_t addr, size_t len)
{
	(void)as, (void)addr, (void)len;
	return 0;
}

int
cap_check_pci(unsigned bdf)
{
	(void)bdf;
	return 0;
}

int
cap_parse_pci(const char *text, unsigned *bdf)
{
	(void)text, (void)bdf;
	return -EINVAL;
}

/* The process owns the functions of `mask` and has a buffer, which is no longer mapped. */
static struct buffer *
drives(unsigned mask, uint32_t device)
{
	struct dma_request q = { .size = PAGES * PAGE_SIZE, .device = device };
	struct answer a = { 0 };
	struct buffer *b;

	steps[0] = '\0';
	for (unsigned i = 0; i < 3; i++)
		funcs[i].owner = mask >> i & 1 ? &test_proc : &another;
	assert_int_equal(buffer_alloc(&q, &a), 0);
	b = list_entry(buffers.prev, struct buffer, all);
	assert_int_equal(pages_used, PAGES);
	map_put(&b->map);
	assert_int_equal(pages_used, PAGES);
	return b;
}

static void
order_with_reset(void **state)
{
	(void)state;
	no_reset = 0;
	drives(6, DMA_ANY_DEVICE);
	hw_proc_exit(&test_proc);
	assert_string_equal(steps, "lines;messages 20;messages 28;master 20;master 28;"
				   "drain 20;reset 20;drain 28;reset 28;free;disown 20;disown 28;");
	assert_int_equal(pages_used, 0);
	assert_false(funcs[1].unquiet || funcs[2].unquiet);
	assert_ptr_equal(funcs[0].owner, &another);
}

/* The IOMMU has forgotten the device before any page is free, or waits. */
static void
order_with_iommu(void **state)
{
	(void)state;
	iommu = true;
	no_reset = 0;
	drives(6, DMA_ANY_DEVICE);
	assert_int_equal(pages_mapped, PAGES);
	hw_proc_exit(&test_proc);
	assert_string_equal(steps, "lines;messages 20;messages 28;master 20;master 28;"
				   "drain 20;reset 20;drain 28;reset 28;detach 20;detach 28;end;"
				   "free;disown 20;disown 28;");
	no_reset = 1;
	drives(1, DMA_ANY_DEVICE);
	hw_proc_exit(&test_proc);
	assert_string_equal(steps, "lines;messages 10;master 10;drain 10;reset 10;detach 10;end;"
				   "disown 10;");
	assert_int_equal(pages_used, PAGES);
	dma_quiet(ALONE);
	assert_int_equal(pages_used, 0);
	iommu = false;
}

static void
not_before_quiet(void **state)
{
	(void)state;
	no_reset = 1;
	drives(1, DMA_ANY_DEVICE);
	hw_proc_exit(&test_proc);
	assert_string_equal(steps, "lines;messages 10;master 10;drain 10;reset 10;disown 10;");
	assert_true(funcs[0].unquiet);
	assert_int_equal(pages_used, PAGES);
	dma_quiet(FIRST);
	dma_proc_exit(&another, true, ALONE);
	assert_int_equal(pages_used, PAGES);
	dma_quiet(ALONE);
	assert_int_equal(pages_used, 0);
}

/* Nothing outstanding: no reset, and the same wait as for one that cannot be reset. */
static void
not_reset_when_drained(void **state)
{
	(void)state;
	no_reset = 0;
	drained = 2;
	drives(2, DMA_ANY_DEVICE);
	hw_proc_exit(&test_proc);
	assert_string_equal(steps, "lines;messages 20;master 20;drain 20;disown 20;");
	assert_true(funcs[1].unquiet);
	assert_int_equal(pages_used, PAGES);
	dma_quiet(ALONE);
	assert_int_equal(pages_used, PAGES);
	dma_quiet(FIRST);
	assert_int_equal(pages_used, 0);
	drained = 0;
}

/* A buffer for the function that was reset: the other one can have been told of it as well. */
static void
one_of_two(void **state)
{
	(void)state;
	no_reset = 4;
	drives(6, FIRST);
	hw_proc_exit(&test_proc);
	assert_true(!funcs[1].unquiet && funcs[2].unquiet);
	dma_quiet(FIRST);
	assert_int_equal(pages_used, PAGES);
	dma_quiet(SECOND);
	assert_int_equal(pages_used, 0);
}

/* Nobody's word is enough for both: time is. */
static void
two_of_two(void **state)
{
	struct buffer *b;

	(void)state;
	no_reset = 6;
	b = drives(6, FIRST);
	hw_proc_exit(&test_proc);
	dma_quiet(FIRST);
	dma_quiet(SECOND);
	assert_int_equal(pages_used, PAGES);
	assert_int_equal(b->quiet_at, time_now() + QUIET_NS);
	b->quiet_at = time_now();
	dma_quiet(ALONE);
	assert_int_equal(pages_used, 0);
}

static void
no_driver(void **state)
{
	(void)state;
	no_reset = 0;
	steps[0] = '\0';
	for (unsigned i = 0; i < 3; i++)
		funcs[i].owner = &another;
	hw_proc_exit(&test_proc);
	assert_string_equal(steps, "lines;");
}

/* The process owns the functions of `mask` and has a client's pages, for a request. */
static struct buffer *
pins(unsigned mask)
{
	struct buffer *b;
	size_t bytes;

	steps[0] = '\0';
	for (unsigned i = 0; i < 3; i++)
		funcs[i].owner = mask >> i & 1 ? &test_proc : &another;
	b = dma_pin(NULL, 0x5200, 2 * PAGE_SIZE, SYS_PROT_WRITE);
	if (b == NULL)
		return NULL;
	assert_int_equal(pages_pinned, PINS);
	assert_int_equal(dma_pinned(b, &bytes)[1].paddr, 0x300000);
	assert_int_equal(bytes, 2 * sizeof(struct dma_seg));
	return b;
}

/* In reach for as long as they are pinned; not pinned if they cannot be in reach. */
static void
pinned_with_iommu(void **state)
{
	struct buffer *b;

	(void)state;
	iommu = true;
	b = pins(1);
	assert_int_equal(pages_mapped, PINS);
	dma_unpin(b);
	assert_int_equal(pages_mapped, 0);
	assert_int_equal(pages_pinned, 0);
	can_map = false;
	assert_null(pins(1));
	assert_int_equal(pages_pinned, 0);
	assert_true(list_empty(&buffers));
	iommu = false;
	can_map = true;
}

static void
answered(void **state)
{
	(void)state;
	dma_unpin(pins(1));
	assert_int_equal(pages_pinned, 0);
	assert_true(list_empty(&buffers));
}

/* All are reset when the process ends; its service, and with it the request, ends after that. */
static void
pinned_and_reset(void **state)
{
	struct buffer *b = pins(6);

	(void)state;
	no_reset = 0;
	hw_proc_exit(&test_proc);
	assert_int_equal(pages_pinned, PINS);
	dma_buffer_put(b);
	assert_int_equal(pages_pinned, 0);
	/* Or another process answers it that has the same end of the service. */
	b = pins(6);
	hw_proc_exit(&test_proc);
	dma_unpin(b);
	assert_int_equal(pages_pinned, 0);
	assert_true(list_empty(&buffers));
}

static void
pinned_until_quiet(void **state)
{
	struct buffer *b = pins(1);

	(void)state;
	no_reset = 1;
	hw_proc_exit(&test_proc);
	dma_buffer_put(b);
	dma_quiet(FIRST);
	assert_int_equal(pages_pinned, PINS);
	dma_quiet(ALONE);
	assert_int_equal(pages_pinned, 0);
	/* An answer by another process says nothing of the device. */
	b = pins(1);
	hw_proc_exit(&test_proc);
	dma_unpin(b);
	assert_int_equal(pages_pinned, PINS);
	dma_quiet(ALONE);
	assert_int_equal(pages_pinned, 0);
}

/* The service ends, the process does not. */
static void
pinned_without_service(void **state)
{
	(void)state;
	no_reset = 0;
	dma_buffer_put(pins(1));
	assert_int_equal(pages_pinned, PINS);
	hw_proc_exit(&test_proc);
	assert_int_equal(pages_pinned, 0);
	assert_true(list_empty(&buffers));
}

static void
not_pinned(void **state)
{
	struct buffer *b[100];
	unsigned n = 0;

	(void)state;
	assert_null(pins(0));		/* it drives nothing */
	test_caps = CAP_ALL & ~(uint32_t)CAP_DMA;
	assert_null(pins(1));
	test_caps = CAP_ALL;
	can_pin = false;
	assert_null(pins(1));
	can_pin = true;
	test_allocations = 0;
	assert_null(pins(1));
	test_allocations = -1;
	assert_true(list_empty(&buffers));
	while (n < ARRAY_LEN(b) && (b[n] = dma_pin(NULL, 0, PAGES * PAGE_SIZE, SYS_PROT_WRITE)))
		n++;
	assert_int_equal(n, 1000 / RAM_SHARE / PAGES);
	while (n > 0)
		dma_unpin(b[--n]);
	assert_int_equal(pages_pinned, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_with_reset), cmocka_unit_test(order_with_iommu),
		cmocka_unit_test(not_before_quiet), cmocka_unit_test(not_reset_when_drained),
		cmocka_unit_test(one_of_two),	    cmocka_unit_test(two_of_two),
		cmocka_unit_test(no_driver),	    cmocka_unit_test(answered),
		cmocka_unit_test(pinned_with_iommu), cmocka_unit_test(pinned_and_reset),
		cmocka_unit_test(pinned_until_quiet), cmocka_unit_test(pinned_without_service),
		cmocka_unit_test(not_pinned),
	};

	test_allocations = -1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
