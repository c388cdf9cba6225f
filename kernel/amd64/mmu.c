/*
 * The kernel's own mappings, page tables, and TLB consistency.
 *
 * The upper half is the same in every address space: its top-level entries are all made at boot.
 * Slot 256 on: the direct map of RAM; 508: kernel stacks, each above an unmapped page; 510: a
 * window for each processor, and device registers; 511: the kernel.
 *
 * A processor that must forget translations is sent an interrupt and counts what it did; the
 * sender waits for the count.  Whoever spins with interrupts off answers too (tlb_answer), so two
 * processors never wait for each other.
 */
#include "mmu.h"

#include "../as.h"
#include "../boot.h"
#include "../page.h"
#include "cpu.h"

#define SLOT_STACKS	508ul
#define SLOT_DEVICES	510ul
#define SLOT_VA(n)	(0xffff000000000000ul | (n) << 39)
#define KERNEL_VA	0xffffffff80000000ul
#define WINDOW(cpu)	(SLOT_VA(SLOT_DEVICES) + (cpu) * PAGE_SIZE)
#define STACK_STRIDE	(2 * KSTACK_SIZE)
#define DEVICE_MAPS_MAX	64
#define HUGE		0x200000ul
#define GIANT		0x40000000ul

extern char kernel_text[], kernel_rodata[], kernel_data[], kernel_end[];

paddr_t kernel_pml4;
static struct spinlock kmap_lock = SPINLOCK("kernel map");
static void *free_stacks;
static uint64_t next_stack = SLOT_VA(SLOT_STACKS);
static uint64_t next_device = WINDOW(CPU_MAX);
static struct {
	paddr_t pa;
	size_t n;
	char *va;
} device_map[DEVICE_MAPS_MAX];
static unsigned ndevice_maps;

/* The entry at `level` (0: a 4 KiB page's, 1: 2 MiB, 2: 1 GiB). */
static pte_t *
entry_at(paddr_t pml4, uint64_t va, unsigned level, bool alloc)
{
	pte_t *t = phys_to_virt(pml4);
	pte_t link = PTE_P | PTE_W | (va < USER_TOP ? PTE_U : 0);

	for (unsigned l = 3; l > level; l--) {
		pte_t *e = &t[va >> (12 + 9 * l) & 511];

		if (!(*e & PTE_P)) {
			paddr_t pa = alloc ? page_alloc(0, PAGE_ZERO) : 0;

			if (pa == 0)
				return NULL;
			*e = pa | link;
		}
		t = phys_to_virt(*e & PTE_ADDR);
	}
	return &t[va >> (12 + 9 * level) & 511];
}

pte_t *
mmu_entry(paddr_t pml4, uint64_t va, bool alloc)
{
	/* The usual case, without a loop: every table is there. */
	pte_t e = ((pte_t *)phys_to_virt(pml4))[va >> 39 & 511];

	if (likely(e & PTE_P)) {
		e = ((pte_t *)phys_to_virt(e & PTE_ADDR))[va >> 30 & 511];
		if (likely(e & PTE_P)) {
			e = ((pte_t *)phys_to_virt(e & PTE_ADDR))[va >> 21 & 511];
			if (likely(e & PTE_P))
				return &((pte_t *)phys_to_virt(e & PTE_ADDR))[va >> 12 & 511];
		}
	}
	return entry_at(pml4, va, 0, alloc);
}

pte_t *
mmu_next(paddr_t pml4, uint64_t *va, uint64_t end)
{
	while (*va < end) {
		pte_t *t = phys_to_virt(pml4);
		unsigned l = 3;

		for (;; l--) {
			pte_t *e = &t[*va >> (12 + 9 * l) & 511];

			if (l == 0)
				break;
			if (!(*e & PTE_P)) {
				*va = (*va | ((PAGE_SIZE << 9 * l) - 1)) + 1;
				break;
			}
			t = phys_to_virt(*e & PTE_ADDR);
		}
		if (l > 0)
			continue;
		/* The rest of one table, quickly: most of it is empty, or all of it is there. */
		pte_t *e = &t[*va >> 12 & 511], *stop = &t[512];

		for (; e < stop && *va < end; e++, *va += PAGE_SIZE)
			if (*e & PTE_P)
				return e;
	}
	return NULL;
}

static void
kmap(uint64_t va, paddr_t pa, pte_t flags)
{
	pte_t *e = entry_at(kernel_pml4, va, 0, true);

	if (e == NULL)
		panic("mmu: no memory for a page table");
	*e = pa | flags | PTE_P;
}

static void
direct_map(paddr_t start, paddr_t end, bool giant)
{
	for (paddr_t pa = ROUND_DOWN(start, HUGE), n; pa < end; pa += n) {
		n = giant && (pa & (GIANT - 1)) == 0 && end - pa >= GIANT ? GIANT : HUGE;
		*entry_at(kernel_pml4, pa + DIRECT_MAP, n == GIANT ? 2 : 1, true) =
			pa | PTE_P | PTE_W | PTE_PS | PTE_G | PTE_NX;
	}
}

/* RAM, and what lies between it: ACPI's tables too, which firmware may call merely reserved. */
static void
map_memory(void)
{
	paddr_t low_end = 0, high_end = 0;
	uint32_t r[4];

	cpuid(0x80000001, 0, r);
	for (unsigned i = 0; i < boot.nranges; i++) {
		const struct boot_range *b = &boot.range[i];

		if (b->type == BOOT_RESERVED)
			continue;
		if (b->start < 1ul << 32)
			low_end = MAX(low_end, MIN(b->end, 1ul << 32));
		else
			high_end = MAX(high_end, b->end);
	}
	for (unsigned i = 0; i < boot.nranges; i++)
		if (boot.range[i].type == BOOT_RESERVED && boot.range[i].start <= low_end &&
		    boot.range[i].end > low_end && boot.range[i].end <= 0xe0000000)
			low_end = boot.range[i].end;
	direct_map(0, low_end, r[3] >> 26 & 1);
	if (high_end > 0)
		direct_map(1ul << 32, high_end, r[3] >> 26 & 1);
}

void
mmu_init(void)
{
	static const unsigned slots[] = { SLOT_STACKS, SLOT_DEVICES, 511 };

	kernel_pml4 = page_alloc(0, PAGE_ZERO);
	pte_t *top = phys_to_virt(kernel_pml4);

	map_memory();
	for (uint64_t va = KERNEL_VA + 0x100000; va < (uint64_t)kernel_end; va += PAGE_SIZE) {
		pte_t f = PTE_NX | PTE_W;

		if (va >= (uint64_t)kernel_text && va < (uint64_t)kernel_rodata)
			f = 0;
		else if (va >= (uint64_t)kernel_rodata && va < (uint64_t)kernel_data)
			f = PTE_NX;
		kmap(va, va - KERNEL_VA, f | PTE_G);
	}
	for (size_t i = 0; i < ARRAY_LEN(slots); i++)
		if (!(top[slots[i]] & PTE_P))
			top[slots[i]] = page_alloc(0, PAGE_ZERO) | PTE_P | PTE_W;
	write_cr3(kernel_pml4);
	mmu_init_cpu();
}

void
mmu_init_cpu(void)
{
	/* WB, WC, UC-, UC; the upper four as after reset. */
	wrmsr(MSR_PAT, 0x0007040600070106ul);
	write_cr3(kernel_pml4);
}

volatile void *
kernel_map_device(paddr_t pa, size_t n)
{
	paddr_t base = ROUND_DOWN(pa, PAGE_SIZE);
	size_t len = ROUND_UP(pa + n, PAGE_SIZE) - base;

	spin_lock(&kmap_lock);
	for (unsigned i = 0; i < ndevice_maps; i++) {
		if (device_map[i].pa <= base && device_map[i].pa + device_map[i].n >= base + len) {
			char *va = device_map[i].va + (pa - device_map[i].pa);

			spin_unlock(&kmap_lock);
			return va;
		}
	}
	if (ndevice_maps == DEVICE_MAPS_MAX)
		panic("mmu: more than %d device mappings", DEVICE_MAPS_MAX);
	uint64_t va = next_device;

	next_device += len + PAGE_SIZE;
	for (size_t off = 0; off < len; off += PAGE_SIZE)
		kmap(va + off, base + off, PTE_W | PTE_NX | PTE_UC | PTE_G);
	device_map[ndevice_maps].pa = base;
	device_map[ndevice_maps].n = len;
	device_map[ndevice_maps++].va = (char *)va;
	spin_unlock(&kmap_lock);
	return (volatile char *)va + (pa - base);
}

volatile char *
kernel_window(paddr_t page)
{
	uint64_t va = WINDOW(cpu_self()->id);

	kmap(va, page, PTE_W | PTE_NX | PTE_UC);
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
	return (volatile char *)va;
}

void *
kernel_stack_alloc(void)
{
	spin_lock(&kmap_lock);
	char *s = free_stacks;

	if (s != NULL) {
		free_stacks = *(void **)s;
		spin_unlock(&kmap_lock);
		return s;
	}
	uint64_t va = next_stack + KSTACK_SIZE;
	pte_t *e = entry_at(kernel_pml4, va, 0, true);	/* a stack lies within one table */
	size_t n = 0;

	for (; e != NULL && n < KSTACK_SIZE / PAGE_SIZE; n++) {
		paddr_t pa = page_alloc(0, 0);

		if (pa == 0)
			break;
		e[n] = pa | PTE_W | PTE_NX | PTE_G | PTE_P;
	}
	if (n == KSTACK_SIZE / PAGE_SIZE) {
		next_stack += STACK_STRIDE;
		spin_unlock(&kmap_lock);
		return (void *)va;
	}
	while (n-- > 0) {	/* never used: no processor knows the translations */
		page_put(e[n] & PTE_ADDR, 0);
		e[n] = 0;
	}
	spin_unlock(&kmap_lock);
	return NULL;
}

/* A stack stays mapped, for the next thread. */
void
kernel_stack_free(void *stack)
{
	spin_lock(&kmap_lock);
	*(void **)stack = free_stacks;
	free_stacks = stack;
	spin_unlock(&kmap_lock);
}

paddr_t
mmu_table_new(void)
{
	paddr_t pa = page_alloc(0, PAGE_ZERO);

	if (pa != 0)
		memcpy((pte_t *)phys_to_virt(pa) + 256, (pte_t *)phys_to_virt(kernel_pml4) + 256,
		       256 * sizeof(pte_t));
	return pa;
}

static void
table_free(paddr_t pa, unsigned level, unsigned n)
{
	pte_t *t = phys_to_virt(pa);

	if (level > 0)
		for (unsigned i = 0; i < n; i++)
			if (t[i] & PTE_P)
				table_free(t[i] & PTE_ADDR, level - 1, 512);
	page_put(pa, 0);
}

void
mmu_table_free(paddr_t pml4)
{
	table_free(pml4, 3, 256);
}

void
mmu_switch(struct as *as)
{
	struct cpu *c = cpu_self();
	uint64_t bit = 1ul << c->id;

	if (c->as == as)
		return;
	if (as != NULL)
		__atomic_fetch_or(&as->cpus, bit, __ATOMIC_SEQ_CST);
	write_cr3(as != NULL ? as->pml4 : kernel_pml4);
	if (c->as != NULL)
		__atomic_fetch_and(&c->as->cpus, ~bit, __ATOMIC_SEQ_CST);
	c->as = as;
}

/* On the processor itself. */
void
tlb_answer(void)
{
	struct cpu *c = cpu_self();
	uint32_t request = __atomic_load_n(&c->tlb_request, __ATOMIC_ACQUIRE);

	if (request == c->tlb_done)
		return;
	if (c->as != NULL && (c->current->proc == NULL || c->current->proc->as != c->as))
		mmu_switch(NULL);
	else
		write_cr3(c->as != NULL ? c->as->pml4 : kernel_pml4);
	__atomic_store_n(&c->tlb_done, request, __ATOMIC_RELEASE);
}

static void
flush_others(uint64_t mask)
{
	uint32_t want[CPU_MAX];

	for (unsigned i = 0; i < ncpus; i++) {
		if (!(mask >> i & 1))
			continue;
		want[i] = __atomic_add_fetch(&cpus[i].tlb_request, 1, __ATOMIC_SEQ_CST);
		lapic_ipi(cpus[i].apic_id, VECTOR_TLB);
	}
	for (unsigned i = 0; i < ncpus; i++) {
		if (!(mask >> i & 1))
			continue;
		while ((int32_t)(__atomic_load_n(&cpus[i].tlb_done, __ATOMIC_ACQUIRE) -
				 want[i]) < 0) {
			tlb_answer();
			cpu_pause();
		}
	}
}

void
mmu_flush(struct as *as, uint64_t va)
{
	struct cpu *c = cpu_self();

	/* The entry is written before we look who might have read it. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	uint64_t others = __atomic_load_n(&as->cpus, __ATOMIC_SEQ_CST) & ~(1ul << c->id);

	if (c->as == as) {
		if (va == FLUSH_ALL)
			write_cr3(as->pml4);
		else
			__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
	}
	if (others != 0)
		flush_others(others);
}

void
mmu_forget(struct as *as)
{
	struct cpu *c = cpu_self();

	if (c->as == as)
		mmu_switch(NULL);
	uint64_t others = __atomic_load_n(&as->cpus, __ATOMIC_SEQ_CST);

	if (others != 0)
		flush_others(others);
}
