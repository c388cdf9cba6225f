/*
 * Drivers of QEMU's edu are killed while their device writes to their memory, and others use all
 * the memory that there is: fencing DEATHS.  The device takes 100 ms for a transfer, so each death
 * is in the middle of one.  Nobody's memory is ever written.
 *
 * At the end drivers that lie: they say quiet while the transfer of the one before them runs, use
 * the memory that this gives free, and turn bus mastering on.  That must be seen, or this test
 * sees nothing.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>
#include "edu.h"

enum { HELD_PAGES = 256, LIES = 10 };

static struct shared {
	_Atomic unsigned started;	/* transfers */
	_Atomic unsigned written;	/* pages of others that were written */
	_Atomic unsigned rounds;	/* of the checker */
} *shared;

/* Lets the device write to our memory, says so, and waits for its death. */
static void
driver(void)
{
	volatile uint8_t *regs = map_registers();
	int ctl = open_function(), dma = open("/dev/dma/alloc", O_RDWR);
	char text[128];
	uint64_t paddr;

	take_over(ctl, regs);
	CHECK(dma >= 0);
	snprintf(text, sizeof text, "size %d align %d device %s", PAGE, PAGE, function);
	command(dma, text);
	CHECK(read(dma, text, sizeof text) > 0 && strstr(text, "paddr:") != NULL);
	paddr = strtoull(strstr(text, "paddr:") + 6, NULL, 16);
	transfer(regs, paddr, true);
	shared->started++;
	for (;;)
		pause();
}

static pid_t
start(void (*f)(void))
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		f();
	return pid;
}

static void
fill(uint64_t *p, size_t npages)
{
	for (size_t i = 0; i < npages * PAGE / 8; i++)
		p[i] = ~i;
}

static unsigned
changed_pages(const uint64_t *p, size_t npages)
{
	unsigned n = 0;

	for (size_t i = 0; i < npages * PAGE / 8; i += PAGE / 8)
		for (size_t k = 0; k < PAGE / 8; k++)
			if (p[i + k] != ~(i + k)) {
				n++;
				break;
			}
	return n;
}

static uint64_t *
get_pages(size_t npages)
{
	void *p = mmap(NULL, npages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* Fills memory, looks whether it stays so, gives it back; again and again. */
static void
checker(void)
{
	for (;;) {
		uint64_t *p = get_pages(HELD_PAGES);

		fill(p, HELD_PAGES);
		for (int ticks = 0; ticks < 3; ticks++)
			tick();
		shared->written += changed_pages(p, HELD_PAGES);
		CHECK(munmap(p, (size_t)HELD_PAGES * PAGE) == 0);
		shared->rounds++;
	}
}

/* What is given free by its word are the next pages that it gets. */
static void
liar(void)
{
	volatile uint8_t *regs = map_registers();
	uint64_t *p = get_pages(HELD_PAGES);
	int ctl = open_function(), tries = TRIES;

	p[0] = 1;		/* the tables for the rest are there from now on */
	CHECK(transferring(regs));
	command(ctl, "quiet");
	fill(p, HELD_PAGES);
	command(ctl, "busmaster on");
	while (transferring(regs) && tries-- > 0)
		tick();
	shared->written += changed_pages(p, HELD_PAGES);
	shared->rounds++;
	for (;;)
		pause();
}

static void
wait_for(_Atomic unsigned *count, unsigned before)
{
	for (int i = 0; *count == before; i++) {
		CHECK(i < TRIES);
		tick();
	}
}

/* A driver dies in the middle of a transfer. */
static void
one_death(void)
{
	unsigned before = shared->started;
	pid_t pid = start(driver);

	wait_for(&shared->started, before);
	kill_child(pid);
}

/* Before anybody says quiet, the function's bus mastering cannot be turned on. */
static void
stays_off(void)
{
	int ctl = open_function();

	CHECK(write(ctl, "busmaster on", 12) < 0 && errno == EBUSY);
	CHECK(write(ctl, "disable", 7) == 7);
	CHECK(write(ctl, "busmaster on", 12) < 0 && errno == EBUSY);
	CHECK(write(ctl, "disable", 7) == 7);
	close(ctl);
}

static void
one_lie(void)
{
	unsigned rounds = shared->rounds;
	pid_t pid;

	one_death();
	pid = start(liar);
	wait_for(&shared->rounds, rounds);
	kill_child(pid);
}

int
main(int argc, char **argv)
{
	int deaths = argc > 1 ? atoi(argv[1]) : 100;
	pid_t check;

	find_edu();
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	check = start(checker);
	for (int i = 0; i < deaths; i++) {
		one_death();
		if (i % 16 == 0)
			stays_off();
	}
	kill_child(check);
	printf("fencing: %d deaths in transfers, %u rounds of the checker, %u pages written\n",
	       deaths, shared->rounds, shared->written);
	CHECK(shared->started == (unsigned)deaths && shared->rounds > (unsigned)deaths / 10);
	CHECK(shared->written == 0);

	for (int i = 0; i < LIES && shared->written == 0; i++)
		one_lie();
	printf("fencing: drivers that lie: %u pages written\n", shared->written);
	CHECK(shared->written > 0);
	return all_right("fencing");
}
