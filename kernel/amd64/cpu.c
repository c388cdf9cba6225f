/*
 * A processor's own tables: GDT, TSS, system-call registers, protections that it offers.
 */
#include "cpu.h"

#include "../page.h"

#define CR4_UMIP	(1ul << 11)
#define CR4_PGE		(1ul << 7)
#define CR4_SMEP	(1ul << 20)
#define CR4_SMAP	(1ul << 21)

extern char syscall_entry[];
extern uint64_t smap_patch_start[], smap_patch_end[];
static struct thread idle_threads[CPU_MAX];

/* Without SMAP, stac and clac do not exist: they become three-byte NOPs. */
static void
patch_smap(void)
{
	static const uint8_t nop[3] = { 0x0f, 0x1f, 0x00 };

	for (uint64_t *p = smap_patch_start; p < smap_patch_end; p++)
		memcpy(phys_to_virt(*p - 0xffffffff80000000ul), nop, sizeof nop);
}

static void
protections(bool first)
{
	uint32_t r[4], max[4];
	uint64_t cr4;

	__asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
	cr4 |= CR4_PGE;
	cpuid(0, 0, max);
	r[1] = r[2] = 0;
	if (max[0] >= 7)
		cpuid(7, 0, r);
	if (r[1] >> 7 & 1)
		cr4 |= CR4_SMEP;
	if (r[1] >> 20 & 1)
		cr4 |= CR4_SMAP;
	else if (first)
		patch_smap();
	if (r[2] >> 2 & 1)
		cr4 |= CR4_UMIP;
	__asm__ volatile("movq %0, %%cr4" : : "r"(cr4) : "memory");
}

static uint64_t
tss_low(uint64_t base)
{
	return (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 |
	       (base >> 24 & 0xff) << 56;
}

void
cpu_init(unsigned id)
{
	struct cpu *c = &cpus[id];
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdtr;

	c->self = c;
	c->id = id;
	c->idle = &idle_threads[id];
	c->current = c->idle;
	c->gdt[1] = 0x00af9b000000ffff;
	c->gdt[2] = 0x00cf93000000ffff;
	c->gdt[3] = 0x00cff3000000ffff;
	c->gdt[4] = 0x00affb000000ffff;
	c->gdt[5] = tss_low((uint64_t)&c->tss);
	c->gdt[6] = (uint64_t)&c->tss >> 32;
	c->tss.iomap = sizeof(struct tss);
	gdtr.limit = sizeof c->gdt - 1;
	gdtr.base = (uint64_t)c->gdt;
	__asm__ volatile("lgdt %0\n\t"
			 "pushq $8\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovl $0x10, %%eax\n\t"
			 "movl %%eax, %%ss\n\t"
			 "xorl %%eax, %%eax\n\t"
			 "movl %%eax, %%ds\n\t"
			 "movl %%eax, %%es\n\t"
			 "movl %%eax, %%fs\n\t"
			 "movl %%eax, %%gs"
			 : : "m"(gdtr) : "rax", "memory");
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
	wrmsr(MSR_GS_BASE, (uint64_t)c);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	wrmsr(MSR_STAR, (uint64_t)(SEL_UDATA - 8) << 48 | (uint64_t)SEL_KCODE << 32);
	wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
	wrmsr(MSR_FMASK, 0x47700);	/* IF TF DF IOPL NT AC */
	protections(id == 0);
	__asm__ volatile("fninit");
}

/* Each of NMI, debug, double fault and machine check may come at any instruction. */
void
cpu_init_stacks(struct cpu *c)
{
	for (int i = 0; i < 4; i++) {
		char *s = kernel_stack_alloc();

		if (s == NULL)
			panic("cpu: no memory for stacks");
		c->tss.ist[i] = (uint64_t)s + KSTACK_SIZE;
	}
}

void
cpu_set_thread(struct thread *t)
{
	struct cpu *c = cpu_self();

	if (t->proc == NULL)
		return;
	c->kstack_top = (uint64_t)t->kstack + KSTACK_SIZE;
	c->tss.rsp[0] = c->kstack_top;
	wrmsr(MSR_FS_BASE, t->fs_base);
	wrmsr(MSR_KERNEL_GS_BASE, t->gs_base);
}

bool
cpu_has_rdrand(void)
{
	uint32_t r[4];

	cpuid(1, 0, r);
	return r[2] >> 30 & 1;
}
