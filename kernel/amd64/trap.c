/*
 * Traps: the interrupt table, faults of programs and of the kernel, panics.
 *
 * A fault of a program becomes a note; without a handler for it the process ends.  A fault of the
 * kernel on user memory goes on at the fix-up that the instruction has in the exception table, and
 * any other is a panic.
 */
#include "../as.h"
#include "../note.h"
#include "cpu.h"
#include "../log.h"

enum {
	TRAP_DIVIDE = 0, TRAP_DEBUG = 1, TRAP_NMI = 2, TRAP_BREAKPOINT = 3, TRAP_OVERFLOW = 4,
	TRAP_INVALID = 6, TRAP_DOUBLE = 8, TRAP_PROTECTION = 13, TRAP_PAGE = 14, TRAP_FPU = 16,
	TRAP_ALIGNMENT = 17, TRAP_MACHINE = 18, TRAP_SIMD = 19, TRAP_EXCEPTIONS = 32
};

#define ERR_WRITE	2u
#define ERR_FETCH	16u

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_mid;
	uint32_t offset_high, zero;
};

struct extable {
	uint64_t from, to;
};

extern char trap_stubs[];
extern const struct extable extable_start[], extable_end[];
extern const uint64_t ksyms_count;
extern const struct {
	uint64_t address, name;
} ksyms[];
extern const char ksym_names[];
extern char kernel_text[], kernel_rodata[];

void irq_dispatch(unsigned vector);
void trap_user(struct sys_regs *r, uint64_t vector, uint64_t err);
void trap_kernel(struct sys_regs *r, uint64_t vector, uint64_t err);
void trap_paranoid_c(struct sys_regs *r, uint64_t vector, uint64_t err);

static struct gate idt[256];
static uint32_t panicking;

static const char *const trap_names[TRAP_EXCEPTIONS] = {
	[TRAP_DIVIDE] = "divide error", [TRAP_DEBUG] = "debug", [TRAP_NMI] = "nmi",
	[TRAP_BREAKPOINT] = "breakpoint", [TRAP_OVERFLOW] = "overflow",
	[TRAP_INVALID] = "invalid opcode", [TRAP_DOUBLE] = "double fault",
	[TRAP_PROTECTION] = "general protection", [TRAP_PAGE] = "page fault",
	[TRAP_FPU] = "floating point", [TRAP_ALIGNMENT] = "alignment",
	[TRAP_MACHINE] = "machine check", [TRAP_SIMD] = "floating point",
};

/* Loads the table; the first processor fills it. */
void
trap_init(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = { sizeof idt - 1, (uint64_t)idt };
	static const uint8_t ist[TRAP_EXCEPTIONS] = {
		[TRAP_DEBUG] = 1, [TRAP_NMI] = 2, [TRAP_DOUBLE] = 3, [TRAP_MACHINE] = 4,
	};

	for (unsigned v = 0; v < 256; v++) {
		uint64_t a = (uint64_t)trap_stubs + 16 * v;

		idt[v] = (struct gate){
			.offset_low = (uint16_t)a, .selector = SEL_KCODE,
			.ist = v < TRAP_EXCEPTIONS ? ist[v] : 0,
			.type = v == TRAP_BREAKPOINT ? 0xee : 0x8e,
			.offset_mid = (uint16_t)(a >> 16), .offset_high = (uint32_t)(a >> 32),
		};
	}
	__asm__ volatile("lidt %0" : : "m"(idtr));
}

static const char *
symbol_of(uint64_t address, uint64_t *offset)
{
	uint64_t lo = 0, hi = ksyms_count;

	if (hi == 0 || address < ksyms[0].address || address >= (uint64_t)kernel_rodata)
		return NULL;
	while (hi - lo > 1) {
		uint64_t mid = (lo + hi) / 2;

		if (ksyms[mid].address <= address)
			lo = mid;
		else
			hi = mid;
	}
	*offset = address - ksyms[lo].address;
	return ksym_names + ksyms[lo].name;
}

static void
print_place(uint64_t address)
{
	uint64_t offset;
	const char *name = symbol_of(address, &offset);

	if (name != NULL)
		kprint("  %016lx %s+0x%lx\n", address, name, offset);
	else
		kprint("  %016lx\n", address);
}

/* Follows frame pointers while they stay in the kernel and go upward. */
static void
backtrace(uint64_t rip, uint64_t rbp)
{
	kprint("stack:\n");
	print_place(rip);
	for (int i = 0; i < 32 && rbp >= DIRECT_MAP && (rbp & 7) == 0; i++) {
		const uint64_t *frame = (const uint64_t *)rbp;

		if (frame[1] < (uint64_t)kernel_text || frame[1] >= (uint64_t)kernel_rodata)
			break;
		print_place(frame[1]);
		if (frame[0] <= rbp || frame[0] - rbp > KSTACK_SIZE)
			break;
		rbp = frame[0];
	}
}

static void
print_regs(const struct sys_regs *r)
{
	kprint("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
	kprint("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", r->rsi, r->rdi, r->rbp, r->rsp);
	kprint("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", r->r8, r->r9, r->r10, r->r11);
	kprint("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", r->r12, r->r13, r->r14, r->r15);
	kprint("rip %016lx flags %lx cr2 %016lx\n", r->rip, r->rflags, read_cr2());
}

static void
panic_begin(const char *what)
{
	struct thread *t = thread_current();

	if (__atomic_exchange_n(&panicking, 1, __ATOMIC_SEQ_CST))
		for (;;)
			__asm__ volatile("cli; hlt");
	log_panic();
	kprint("\npanic: %s\n", what);
	kprint("cpu %u, thread %d, process %d %s\n", cpu_self()->id, t->tid,
	       t->proc != NULL ? t->proc->pid : 0, t->proc != NULL ? t->proc->name : "(kernel)");
}

/* Stops the machine; QEMU's exit device makes a test see it at once. */
_Noreturn static void
panic_end(void)
{
	for (unsigned i = 0; i < ncpus; i++)
		if (i != cpu_self()->id && cpus[i].online)
			lapic_ipi(cpus[i].apic_id, VECTOR_PANIC);
	outb(0xf4, 0x7f);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void __attribute__((noreturn))
panic_regs(const char *what, const struct sys_regs *r, uint64_t err)
{
	panic_begin(what);
	kprint("error %lx\n", err);
	print_regs(r);
	backtrace(r->rip, r->rbp);
	panic_end();
}

void
panic(const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	panic_begin(text);
	backtrace((uint64_t)__builtin_return_address(0), (uint64_t)__builtin_frame_address(0));
	panic_end();
}

static void
interrupt(uint64_t vector)
{
	struct cpu *c = cpu_self();

	c->stats.interrupts++;
	switch (vector) {
	case VECTOR_TIMER:
		lapic_eoi();
		sched_tick();
		break;
	case VECTOR_RESCHED:
		c->stats.ipis++;
		lapic_eoi();
		sched_queued();
		break;
	case VECTOR_TLB:
		c->stats.ipis++;
		lapic_eoi();
		tlb_answer();
		break;
	case VECTOR_PANIC:
		for (;;)
			__asm__ volatile("cli; hlt");
	case VECTOR_SPURIOUS:
		break;
	default:
		irq_dispatch((unsigned)vector);
		break;
	}
}

static void
user_fault(uint64_t vector, uint64_t err, uint64_t address)
{
	char text[64];
	const char *name = vector < TRAP_EXCEPTIONS && trap_names[vector] != NULL ?
			   trap_names[vector] : "exception";

	ksnprintf(text, sizeof text, "sys: trap: %s", name);
	note_fault(text, address, err);
}

void
trap_user(struct sys_regs *r, uint64_t vector, uint64_t err)
{
	struct thread *t = thread_current();

	if (vector == TRAP_PAGE) {
		uint64_t address = read_cr2();
		unsigned access = err & ERR_FETCH ? SYS_PROT_EXEC :
				  err & ERR_WRITE ? SYS_PROT_WRITE : SYS_PROT_READ;

		cpu_self()->stats.faults++;
		int e = address < USER_TOP ? as_fault(t->proc->as, address, access) : -EFAULT;

		if (e == -ENOMEM)
			note_fault("sys: memory", address, err);
		else if (e != 0)
			user_fault(vector, err, address);
	} else if (vector < TRAP_EXCEPTIONS) {
		user_fault(vector, err, r->rip);
	} else {
		interrupt(vector);
	}
	if (__atomic_load_n(&t->work, __ATOMIC_RELAXED) != 0)
		note_user_work(r);
}

/* Where the kernel goes on if the instruction cannot reach user memory; NULL: it must. */
static const struct extable *
extable_of(uint64_t rip)
{
	for (const struct extable *e = extable_start; e < extable_end; e++)
		if (e->from == rip)
			return e;
	return NULL;
}

void
trap_kernel(struct sys_regs *r, uint64_t vector, uint64_t err)
{
	const struct extable *e;
	uint64_t address;

	if (vector >= TRAP_EXCEPTIONS) {
		interrupt(vector);
		return;
	}
	address = read_cr2();
	e = extable_of(r->rip);
	if (e == NULL || (vector != TRAP_PAGE && vector != TRAP_PROTECTION))
		panic_regs(trap_names[vector] != NULL ? trap_names[vector] : "exception", r, err);
	if (vector == TRAP_PAGE && address < USER_TOP && thread_current()->proc != NULL &&
	    as_fault(as_current(), address, err & ERR_WRITE ? SYS_PROT_WRITE : SYS_PROT_READ) == 0)
		return;
	r->rip = e->to;
}

/* A program's single steps are ignored; the others end the machine. */
void
trap_paranoid_c(struct sys_regs *r, uint64_t vector, uint64_t err)
{
	const uint64_t *frame = (const uint64_t *)(r + 1);

	if (vector == TRAP_DEBUG) {
		uint64_t flags = frame[4];

		/* A single step that a program left on ends at the kernel's door. */
		((uint64_t *)(r + 1))[4] = flags & ~0x100ul;
		return;
	}
	panic_regs(trap_names[vector], r, err);
}
