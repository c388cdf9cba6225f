/*
 * Message interrupts by MSI-X, and DMA with them: an NVMe controller's admin queue by hand, as a
 * driver would, through the kernel's files alone.  msix SERIAL: the serial number that the
 * controller tells.  [NVMe 1.4, 3.1, 4.2, 4.6, 5.15]
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include "driver.h"

enum { CAP_HIGH = 0x04, CC = 0x14, CSTS = 0x1c, AQA = 0x24, ASQ = 0x28, ACQ = 0x30 };
enum { DOORBELLS = 0x1000, ENTRIES = 8, COMMANDS = 20, IDENTIFY = 6, READY_TRIES = 5000 };

#define CC_ENABLE	0x00460001u	/* 64-byte commands, 16-byte completions */
#define PAGE		4096u

static char function[16];
static volatile uint8_t *reg;

static uint32_t
read32(unsigned at)
{
	return *(volatile uint32_t *)(reg + at);
}

static void
write32(unsigned at, uint32_t v)
{
	*(volatile uint32_t *)(reg + at) = v;
}

static void
write64(unsigned at, uint64_t v)
{
	write32(at, (uint32_t)v);
	write32(at + 4, (uint32_t)(v >> 32));
}

/* One page that the device reaches, filled with zeros: its two addresses. */
static uint8_t *
dma_page(uint64_t *paddr)
{
	char text[128];
	const char *v, *p;
	int fd = open("/dev/dma/alloc", O_RDWR);
	ssize_t n;

	CHECK(fd >= 0);
	snprintf(text, sizeof text, "size 4096 align 4096 device %s", function);
	command(fd, text);
	n = read(fd, text, sizeof text - 1);
	CHECK(n > 0);
	text[n] = '\0';
	v = strstr(text, "vaddr:");
	p = strstr(text, "paddr:");
	CHECK(v != NULL && p != NULL);
	*paddr = strtoull(p + 6, NULL, 16);
	memset((void *)(uintptr_t)strtoull(v + 6, NULL, 16), 0, PAGE);
	return (uint8_t *)(uintptr_t)strtoull(v + 6, NULL, 16);
}

static void
wait_ready(uint32_t want)
{
	for (int i = 0; i < READY_TRIES && (read32(CSTS) & 1) != want; i++)
		usleep(1000);
	CHECK((read32(CSTS) & 3) == want);
}

int
main(int argc, char **argv)
{
	uint64_t sq_at, cq_at, data_at, base, count[4], total = 0;
	const char *text = find_function("class 0x010802", function);
	char path[96];
	uint8_t *sq, *cq, *data;
	int ctl, mem, irq;

	CHECK(argc == 2 && text != NULL);
	base = bar_of(text, 0);
	CHECK(base != 0);
	snprintf(path, sizeof path, "/dev/pci/%sctl", function);
	ctl = open(path, O_RDWR);
	mem = open("/dev/mem", O_RDWR);
	CHECK(ctl >= 0 && mem >= 0);
	command(ctl, "enable");
	reg = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mem, (off_t)base);
	CHECK(reg != MAP_FAILED);
	write32(CC, 0);
	wait_ready(0);
	command(ctl, "quiet");
	command(ctl, "msix 1");
	irq = open_vector(path);
	command(ctl, "busmaster on");
	sq = dma_page(&sq_at);
	cq = dma_page(&cq_at);
	data = dma_page(&data_at);
	write32(AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	write64(ASQ, sq_at);
	write64(ACQ, cq_at);
	write32(CC, CC_ENABLE);
	wait_ready(1);
	for (unsigned i = 0; i < COMMANDS; i++) {
		uint32_t *c = (uint32_t *)(sq + i % ENTRIES * 64);
		volatile uint16_t *done = (volatile uint16_t *)(cq + i % ENTRIES * 16);

		memset(c, 0, 64);
		c[0] = IDENTIFY | (i + 1) << 16;
		c[6] = (uint32_t)data_at;
		c[7] = (uint32_t)(data_at >> 32);
		c[10] = 1;		/* the controller */
		memset(data, 0, PAGE);
		write32(DOORBELLS, (i + 1) % ENTRIES);
		CHECK(read(irq, count, sizeof count) == sizeof count);
		CHECK(count[0] >= 1);
		total += count[0];
		CHECK(done[6] == i + 1);	/* the command's number */
		CHECK((done[7] & 1) == (i / ENTRIES % 2 == 0) && done[7] >> 1 == 0);
		CHECK(memcmp(data + 4, argv[1], strlen(argv[1])) == 0);
		write32(DOORBELLS + (4u << (read32(CAP_HIGH) & 15)), (i + 1) % ENTRIES);
	}
	CHECK(total == COMMANDS);
	write32(CC, 0);
	wait_ready(0);
	return all_right("msix");
}
