/*
 * The processor: per-processor data, control and model-specific registers, descriptor tables.
 */
#pragma once
#include "../lock.h"
#include "../proc.h"

#define CPU_MAX		32

#define SEL_KCODE	0x08
#define SEL_KDATA	0x10
#define SEL_UDATA	0x1b
#define SEL_UCODE	0x23
#define SEL_TSS		0x28

#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_FMASK	0xc0000084
#define MSR_FS_BASE	0xc0000100
#define MSR_GS_BASE	0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_APIC_BASE	0x1b
#define MSR_PAT		0x277

#define RFLAGS_IF	0x200
#define RFLAGS_USER	0xcd5	/* what a user may choose: CF PF AF ZF SF TF DF OF, less TF below */

#define VECTOR_TIMER	0xf0
#define VECTOR_RESCHED	0xf1
#define VECTOR_TLB	0xf2
#define VECTOR_PANIC	0xf3
#define VECTOR_SPURIOUS	0xff

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3, iomap;
} __attribute__((packed));

struct cpu {
	/* Offsets 0..39 are known to the assembly. */
	struct cpu *self;
	struct thread *current;
	uint64_t kstack_top;
	uint64_t user_rsp;
	uint64_t syscalls;

	uint32_t id, apic_id;
	struct thread *idle;
	struct as *as;			/* whose page table is loaded, NULL: the kernel's */
	struct thread *prev;		/* being switched from */
	uint32_t tlb_request, tlb_done;	/* counts; see mmu.c */
	uint32_t online;
	struct spinlock run_lock;	/* run queues */
	uint32_t run_mask;		/* priorities with a thread */
	uint32_t nrun;
	struct list run[32];
	struct spinlock timer_lock;
	struct list timers;		/* by deadline */
	uint64_t timer_armed;		/* deadline in the LAPIC, or FOREVER */
	uint64_t slice_end;
	struct sched_stats stats;
	paddr_t page_cache[64];		/* page.c */
	unsigned page_cached;
	uint64_t gdt[8];
	struct tss tss;
#ifdef LOCK_DEBUG
	struct spinlock *locks_held[16];
	unsigned nlocks_held;
#endif
};

extern struct cpu cpus[CPU_MAX];
extern unsigned ncpus;
extern uint64_t idle_cpus;		/* bit mask; atomic */

/* Asked each time: a thread that has slept may be on another processor. */
static inline struct cpu *
cpu_self(void)
{
	struct cpu *c;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(c));
	return c;
}

static inline void
wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
			 : "memory");
}

static inline uint64_t
rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline uint64_t
rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static inline void
cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "a"(leaf), "c"(sub));
}

/* inb, outb and the same for words and long words. */
#define PORT_ACCESS(suffix, type) \
	static inline void \
	out##suffix(uint16_t port, type v) \
	{ \
		__asm__ volatile("out" #suffix " %0, %1" : : "a"(v), "Nd"(port)); \
	} \
	static inline type \
	in##suffix(uint16_t port) \
	{ \
		type v; \
\
		__asm__ volatile("in" #suffix " %1, %0" : "=a"(v) : "Nd"(port)); \
		return v; \
	}
PORT_ACCESS(b, uint8_t)
PORT_ACCESS(w, uint16_t)
PORT_ACCESS(l, uint32_t)

static inline void
cpu_pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline uint64_t
read_cr2(void)
{
	uint64_t v;

	__asm__ volatile("movq %%cr2, %0" : "=r"(v));
	return v;
}

static inline void
write_cr3(uint64_t v)
{
	__asm__ volatile("movq %0, %%cr3" : : "r"(v) : "memory");
}

/* cpu.c */
void cpu_init(unsigned id);		/* this processor's tables and features */
void cpu_init_stacks(struct cpu *c);
void cpu_set_thread(struct thread *t);	/* kernel stack, fs and gs bases */
bool cpu_has_rdrand(void);

/* lapic.c */
void lapic_init(void);			/* this processor's */
void lapic_eoi(void);
void lapic_timer(uint64_t deadline_ns);	/* one shot; FOREVER stops it */
void lapic_ipi(uint32_t apic_id, uint8_t vector);
void lapic_start(uint32_t apic_id, paddr_t trampoline);
uint32_t lapic_id(void);
uint32_t lapic_id_of_cpu(unsigned cpu);

/* smp.c */
void smp_start(void);

/* time.c */
void time_init(void);
uint64_t time_tsc_hz(void);
/* Waits by spinning; for hardware that needs it during boot. */
void time_spin(uint64_t ns);

/* mmu.c */
void mmu_init(void);			/* the kernel's own page table */
void mmu_init_cpu(void);
extern paddr_t kernel_pml4;
void tlb_answer(void);			/* does what other processors asked of this one */
void *kernel_stack_alloc(void);		/* the lowest address; a guard page lies below */
void kernel_stack_free(void *stack);
#define KSTACK_SIZE 16384ul

/* sched.c */
void sched_init_cpu(void);
void sched_tick(void);
/* A thread was put into this processor's queue, perhaps by another. */
void sched_queued(void);
void sched_idle(void) __attribute__((noreturn));

/* switch.S */
void switch_stacks(struct thread *prev, struct thread *next);
void thread_start(void);

/* trap.c */
void trap_init(void);
