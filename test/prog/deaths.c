/*
 * Drivers that die with all that a driver can hold: an enabled function with bus mastering, a
 * message interrupt, a DMA buffer, mapped registers, a service, open files; deaths N.  Whatever way
 * they die, nothing of it is left: counted before and after.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <lux9/calls.h>
#include "edu.h"

#define WARM_UP		60
#define PAGES_SLACK	24

static void
hold_everything(void)
{
	char path[96], text[128];
	int ctl, dma;
	volatile uint8_t *reg;

	snprintf(path, sizeof path, "/dev/pci/%sctl", function);
	ctl = open(path, O_RDWR);
	CHECK(ctl >= 0);
	command(ctl, "enable");
	command(ctl, "quiet");
	command(ctl, "msi 1");
	command(ctl, "busmaster on");
	open_vector(path);
	dma = open("/dev/dma/alloc", O_RDWR);
	CHECK(dma >= 0);
	snprintf(text, sizeof text, "size 65536 align 4096 device %s", function);
	command(dma, text);
	CHECK(read(dma, text, sizeof text) > 0);
	reg = map_registers();
	CHECK((*(volatile uint32_t *)reg & 0xff) == 0xed);
	CHECK(open("/srv/dying", O_CREAT | O_RDWR | O_EXCL, 0600) >= 0);
}

static void
die(int way)
{
	switch (way % 4) {
	case 0:
		__asm__ volatile("movl $1, 8");
		break;
	case 1:
		_exit(3);
	case 2:
		__asm__ volatile("ud2");
		break;
	default:
		for (;;)
			pause();
	}
}

static void
one_death(int i)
{
	int ready[2], status;
	char c;
	pid_t pid;

	CHECK(pipe(ready) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		hold_everything();
		CHECK(write(ready[1], "x", 1) == 1);
		die(i);
	}
	close(ready[1]);
	CHECK(read(ready[0], &c, 1) == 1); /* or it has died too early */
	if (i % 4 == 3)
		CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && status != 0);
	close(ready[0]);
}

int
main(int argc, char **argv)
{
	int deaths = argc > 1 ? atoi(argv[1]) : 1000;
	uint64_t pages, heap, pages_after, heap_after;
	unsigned dma, irq, srv;

	find_edu();
	for (int i = 0; i < WARM_UP; i++)
		one_death(i);
	dma = entries_of("/dev/dma");
	irq = entries_of("/dev/irq");
	srv = entries_of("/srv");
	pages = number_in("/dev/swap", "pages free ");
	heap = number_in("/dev/swap", "heap ");
	for (int i = 0; i < deaths; i++)
		one_death(i);
	pages_after = number_in("/dev/swap", "pages free ");
	heap_after = number_in("/dev/swap", "heap ");
	printf("deaths: %d; pages free %lu, then %lu; heap %lu, then %lu\n", deaths, pages,
	       pages_after, heap, heap_after);
	CHECK(entries_of("/dev/dma") == dma && entries_of("/dev/irq") == irq);
	CHECK(entries_of("/srv") == srv);
	CHECK(pages_after + PAGES_SLACK >= pages);
	CHECK(heap_after <= heap + 4096);
	return all_right("deaths");
}
