/*
 * The kernel's start, in order, and the first process: its name space, its descriptors, its
 * program.
 */
#include "amd64/acpi.h"
#include "amd64/cpu.h"
#include "amd64/uart.h"
#include "amd64/vtd.h"
#include "as.h"
#include "boot.h"
#include "dev/archive.h"
#include "exec.h"
#include "irq.h"
#include "log.h"
#include "page.h"
#include "procs.h"
#include "syscall.h"

_Noreturn void kernel_main(uint32_t magic, paddr_t info);
void irq_init(void);

/* Where each kernel device is found. */
static const struct {
	const char *where;
	const struct dev *dev;
} mounts[] = {
	{ "/dev", &dev_cons }, { "/boot", &dev_boot }, { "/srv", &dev_srv }, { "/env", &dev_env },
	{ "/proc", &dev_proc }, { "/dev/mem", &dev_mem }, { "/dev/io", &dev_io },
	{ "/dev/irq", &dev_irq }, { "/dev/dma", &dev_dma }, { "/dev/pci", &dev_pci },
	{ "/dev/sip", &dev_sip },
};

static void
mount_device(const char *where, const struct dev *d)
{
	struct chan *old, *root;
	int err = name_lookup(NULL, where, NAME_MOUNT_POINT, 0, 0, &old);

	if (err == 0)
		err = d->attach(d, &root);
	if (err == 0)
		err = ns_mount(proc_current()->ns, root, old, SYS_MREPL);
	if (err != 0)
		panic("boot: %s cannot be mounted on %s: error %d %s", d->name, where, -err,
		      thread_current()->errstr);
	chan_put(old);
	chan_put(root);
}

static void
open_console(void)
{
	for (int i = 0; i < 3; i++) {
		struct chan *c;

		if (name_lookup(NULL, "/dev/cons", NAME_OPEN, SYS_O_RDWR, 0, &c) != 0 ||
		    fd_install(c, 0, false) != i)
			panic("boot: /dev/cons cannot be opened");
	}
}

static void
first_program(void)
{
	const char *path = boot_option("init");
	struct exec_program prog;
	struct exec_args args;

	path = path != NULL ? path : "/boot/init";
	if (exec_args_new(&args) != 0 || exec_args_add(&args, path, false) != 0)
		panic("boot: no memory for the first program");
	int err = exec_load(NULL, path, &args, &prog);

	if (err != 0)
		panic("boot: %s cannot be started: error %d %s", path, -err,
		      thread_current()->errstr);
	exec_args_free(&args);
	exec_commit(&prog);
}

/* The first process, still in the kernel. */
static void
first_process(void *)
{
	struct proc *p = proc_current();

	if (dev_root.attach(&dev_root, &p->cwd) != 0)
		panic("boot: no memory for the root");
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++)
		mount_device(mounts[i].where, mounts[i].dev);
	open_console();
	first_program();
}

void
kernel_main(uint32_t magic, paddr_t info)
{
	cpu_init(0);
	trap_init();
	uart_init();
	boot_parse(magic, info);
	page_init();
	mmu_init();
	page_init_high();
	cpu_init_stacks(cpu_self());
	kprint("lux9: %lu MiB free of %lu, by %s\n", page_free_count() >> 8, page_total() >> 8,
	       boot.loader);
	irq_pic_off();		/* before the local APIC stops listening to it */
	acpi_init(boot.rsdp);
	time_init();
	lapic_init();
	sched_init_cpu();
	irq_init();
	vtd_init();
	futex_init();
	vga_init();
	uart_start();
	kbd_start();
	if (boot.archive != 0)
		boot_archive_set(phys_to_virt(boot.archive), boot.archive_size);
	smp_start();
	kprint("lux9: %u processor%s, TSC %lu MHz, up in %lu us\n", ncpus, ncpus > 1 ? "s" : "",
	       time_tsc_hz() / 1000000, time_now() / 1000);
	proc_first(first_process);
	sched_idle();
}
