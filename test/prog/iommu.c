/*
 * A driver of QEMU's edu whose device is sent where it must not go, under an IOMMU: iommu.  What
 * the device does with its driver's own memory works; with another process's, with memory that the
 * driver gave back, and after the death of the driver whose memory it was, nothing is written, and
 * who drives the device then dies of it.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>
#include "edu.h"

enum { MARK = 0x5a, HELD_PAGES = 512, DEATHS = 5, NOT_KILLED = 9 };

struct dma {
	volatile uint8_t *data;
	uint64_t paddr;
	unsigned handle;
};

static struct shared {
	_Atomic unsigned started;
	_Atomic uint64_t paddr;
} *shared;

static struct dma
allocate(void)
{
	int fd = open("/dev/dma/alloc", O_RDWR);
	struct dma d = { 0 };
	char text[128];
	ssize_t n;

	CHECK(fd >= 0);
	snprintf(text, sizeof text, "size %d align %d dma32", PAGE, PAGE);
	command(fd, text);
	n = read(fd, text, sizeof text - 1);
	CHECK(n > 0);
	text[n] = '\0';
	CHECK(strstr(text, "vaddr:") && strstr(text, "paddr:") && strstr(text, "handle:"));
	d.data = (uint8_t *)strtoull(strstr(text, "vaddr:") + 6, NULL, 16);
	d.paddr = strtoull(strstr(text, "paddr:") + 6, NULL, 16);
	d.handle = (unsigned)strtoul(strstr(text, "handle:") + 7, NULL, 10);
	close(fd);
	memset((uint8_t *)d.data, MARK, PAGE);
	return d;
}

static bool
is_marked(const volatile uint8_t *p, size_t n)
{
	while (n && *p == MARK)
		p++, n--;
	return n == 0;
}

static void
wait_transfer(volatile uint8_t *regs)
{
	for (int i = 0; transferring(regs); i++) {
		CHECK(i < TRIES);
		tick();
	}
}

/* From a buffer to the device and back to another: the driver's memory is in reach. */
static void
works(volatile uint8_t *regs, const struct dma *to)
{
	struct dma from = allocate();

	for (int i = 0; i < PAGE; i++)
		from.data[i] = (uint8_t)(i * 7);
	transfer(regs, from.paddr, false);
	wait_transfer(regs);
	transfer(regs, to->paddr, true);
	wait_transfer(regs);
	CHECK(memcmp((const uint8_t *)to->data, (const uint8_t *)from.data, DMA_BYTES) == 0);
}

/* A driver that does right, and then sends the device to `paddr`; if 0, to memory it gave back. */
static void
driver(uint64_t paddr, bool write)
{
	volatile uint8_t *regs = map_registers();
	struct dma before = allocate(), given;
	int ctl = open_function(), fd;
	char path[64];

	take_over(ctl, regs);
	works(regs, &before);
	given = allocate();
	works(regs, &given);
	if (paddr == 0) {
		snprintf(path, sizeof path, "/dev/dma/%u/ctl", given.handle);
		fd = open(path, O_WRONLY);
		CHECK(fd >= 0);
		command(fd, "free");
		paddr = given.paddr;
	}
	transfer(regs, paddr, write);
	wait_transfer(regs);
	for (int i = 0; i < TRIES; i++)
		tick();
	_exit(NOT_KILLED);
}

static void
dies_of_it(pid_t pid)
{
	int status = 0;

	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status));
}

static void
goes_to(const char *where, uint64_t paddr, bool write)
{
	pid_t pid = fork();

	if (pid == 0)
		driver(paddr, write);
	dies_of_it(pid);
	printf("iommu: %s: its driver died of it\n", where);
	fflush(stdout);
}

/* Starts a transfer to its memory, says so, and waits to be killed. */
static void
victim(void)
{
	volatile uint8_t *regs = map_registers();
	int ctl = open_function();
	struct dma d = allocate();

	take_over(ctl, regs);
	transfer(regs, d.paddr, true);
	shared->paddr = d.paddr;
	shared->started++;
	for (;;)
		pause();
}

/* Says quiet while the transfer of the one before it runs, and lets it go on. */
static void
liar(void)
{
	volatile uint8_t *regs = map_registers();
	int ctl = open_function();

	CHECK(transferring(regs));
	command(ctl, "quiet");
	command(ctl, "busmaster on");
	wait_transfer(regs);
	for (int i = 0; i < TRIES; i++)
		tick();
	_exit(NOT_KILLED);
}

/* All that is given free by the liar's word is marked before the transfer ends, and stays so. */
static void
one_lie(uint8_t *held)
{
	unsigned before = shared->started;
	pid_t pid = fork();

	if (pid == 0)
		victim();
	for (int i = 0; shared->started == before; i++) {
		CHECK(i < TRIES);
		tick();
	}
	kill_child(pid);
	memset(held, MARK, (size_t)HELD_PAGES * PAGE);
	pid = fork();
	if (pid == 0)
		liar();
	dies_of_it(pid);
	CHECK(is_marked(held, (size_t)HELD_PAGES * PAGE));
}

int
main(void)
{
	struct dma other = allocate();
	uint8_t *held = mmap(NULL, (size_t)HELD_PAGES * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	find_edu();
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED && held != MAP_FAILED);
	goes_to("a write to another process's buffer", other.paddr, true);
	CHECK(is_marked(other.data, PAGE));
	goes_to("a read of it", other.paddr, false);
	goes_to("a write to a buffer that was given back", 0, true);
	goes_to("a write to the kernel", 0x200000, true);
	for (int i = 0; i < DEATHS; i++)
		one_lie(held);
	CHECK(is_marked(other.data, PAGE));
	printf("iommu: %d transfers that outlived their driver were blocked\n", DEATHS);
	return all_right("iommu");
}
