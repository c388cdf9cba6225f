/*
 * What is taken from a driver that dies, and in which order; its DMA memory (dev/dma.c, the real
 * one) is not free before its device is quiet.
 */
#include "testing.h"

#include "dev/dma.c"
#include "fence.c"
#include "text.c"

enum { ALONE = 0x10, FIRST = 0x20, SECOND = 0x28, PAGES = 3 };

static char steps[512];			/* what was done, in order */
static struct pci_func funcs[] = { { .bdf = ALONE }, { .bdf = FIRST }, { .bdf = SECOND } };
static unsigned no_reset;		/* a bit for each function that cannot be reset */
static int64_t pages_used;
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

int
pci_reset(struct pci_func *f)
{
	step("reset", f->bdf);
	return no_reset >> (f - funcs) & 1 ? -EOPNOTSUPP : 0;
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
				   "reset 20;reset 28;free;disown 20;disown 28;");
	assert_int_equal(pages_used, 0);
	assert_false(funcs[1].unquiet || funcs[2].unquiet);
	assert_ptr_equal(funcs[0].owner, &another);
}

static void
not_before_quiet(void **state)
{
	(void)state;
	no_reset = 1;
	drives(1, DMA_ANY_DEVICE);
	hw_proc_exit(&test_proc);
	assert_string_equal(steps, "lines;messages 10;master 10;reset 10;disown 10;");
	assert_true(funcs[0].unquiet);
	assert_int_equal(pages_used, PAGES);
	dma_quiet(FIRST);
	dma_proc_exit(&another, true, ALONE);
	assert_int_equal(pages_used, PAGES);
	dma_quiet(ALONE);
	assert_int_equal(pages_used, 0);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_with_reset), cmocka_unit_test(not_before_quiet),
		cmocka_unit_test(one_of_two),	    cmocka_unit_test(two_of_two),
		cmocka_unit_test(no_driver),
	};

	test_allocations = -1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
