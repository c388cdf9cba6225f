/*
 * The other processors: each is started with the trampoline of boot.S, becomes its idle thread and
 * takes work.
 */
#include "acpi.h"
#include "cpu.h"

#define TRAMPOLINE	0x8000ul
#define START_WAIT_NS	200000000ul

extern char trampoline[], trampoline_end[];
extern uint64_t boot_pml4[512];
static uint32_t starting;
/* For boot.S: where the processor that starts begins in C, and its stack's end. */
extern uint64_t smp_stack;
_Noreturn void smp_main(void);
uint64_t smp_stack;

_Noreturn void
smp_main(void)
{
	unsigned id = __atomic_load_n(&starting, __ATOMIC_ACQUIRE);

	trap_init();
	cpu_init(id);
	mmu_init_cpu();
	lapic_init();
	cpu_init_stacks(cpu_self());
	sched_init_cpu();
	while (__atomic_load_n(&ncpus, __ATOMIC_ACQUIRE) <= id)
		cpu_pause();	/* one that is too late takes no part: it is sent no interrupts */
	sched_idle();
}

/* The trampoline's page is at its own address in the boot tables only. */
void
smp_start(void)
{
	uint32_t ids[CPU_MAX];
	unsigned n = acpi_cpus(ids, CPU_MAX), id = 1;
	uint32_t self = lapic_id();

	memcpy(phys_to_virt(TRAMPOLINE), phys_to_virt((paddr_t)trampoline),
	       (size_t)(trampoline_end - trampoline));
	for (unsigned i = 0; i < n && id < CPU_MAX; i++) {
		if (ids[i] == self)
			continue;
		char *stack = kernel_stack_alloc();

		if (stack == NULL)
			break;
		/* The boot tables still map 4 GiB at 0; their upper half follows the kernel's. */
		uint64_t *boot_top = phys_to_virt((paddr_t)boot_pml4);

		memcpy(boot_top + 256, (uint64_t *)phys_to_virt(kernel_pml4) + 256, 2048);
		smp_stack = (uint64_t)stack + KSTACK_SIZE;
		__atomic_store_n(&starting, id, __ATOMIC_RELEASE);
		lapic_start(ids[i], TRAMPOLINE);
		uint64_t end = time_now() + START_WAIT_NS;

		while (!__atomic_load_n(&cpus[id].online, __ATOMIC_ACQUIRE) && time_now() < end)
			cpu_pause();
		if (!cpus[id].online) {
			kprint("smp: processor %u does not start\n", ids[i]);
			break;
		}
		__atomic_store_n(&ncpus, ++id, __ATOMIC_RELEASE);
	}
}
