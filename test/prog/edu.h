/*
 * QEMU's edu, a device that takes 100 ms to copy between its own buffer and memory, for programs
 * that act as its driver.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include "driver.h"

enum { DMA_SRC = 0x80, DMA_DST = 0x88, DMA_COUNT = 0x90, DMA_CMD = 0x98 };
/* QEMU 7.2 takes the last of 4096 bytes for one too many. */
enum { DMA_START = 1, DMA_TO_MEMORY = 2, DEVICE_BUFFER = 0x40000, DMA_BYTES = 4088 };
enum { PAGE = 4096, TRIES = 10000, TICK_NS = 1000000 };

static char function[16];		/* "0.4.0" */
static uint64_t registers;

static inline void
tick(void)
{
	struct timespec t = { .tv_nsec = TICK_NS };

	nanosleep(&t, NULL);
}

static inline void
find_edu(void)
{
	const char *text = find_function("vendor 0x1234\ndevice 0x11e8", function);

	CHECK(text != NULL);
	registers = bar_of(text, 0);
	CHECK(registers != 0);
}

static inline int
open_function(void)
{
	char path[96];
	int fd;

	snprintf(path, sizeof path, "/dev/pci/%sctl", function);
	fd = open(path, O_RDWR);
	CHECK(fd >= 0);
	command(fd, "enable");
	return fd;
}

static inline volatile uint8_t *
map_registers(void)
{
	int fd = open("/dev/mem", O_RDWR);
	void *p;

	CHECK(fd >= 0);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)registers);
	CHECK(p != MAP_FAILED);
	return p;
}

static inline void
write64(volatile uint8_t *regs, unsigned at, uint64_t v)
{
	*(volatile uint64_t *)(regs + at) = v;
}

static inline bool
transferring(volatile uint8_t *regs)
{
	return *(volatile uint32_t *)(regs + DMA_CMD) & DMA_START;
}

/* Takes the device over as a driver must: whatever runs ends with bus mastering off. */
static inline void
take_over(int ctl, volatile uint8_t *regs)
{
	int tries = TRIES;

	while (transferring(regs) && tries-- > 0)
		tick();
	CHECK(tries > 0);
	command(ctl, "quiet");
	command(ctl, "busmaster on");
}

/* Starts a copy from the device's buffer to memory, or back. */
static inline void
transfer(volatile uint8_t *regs, uint64_t paddr, bool to_memory)
{
	write64(regs, DMA_SRC, to_memory ? DEVICE_BUFFER : paddr);
	write64(regs, DMA_DST, to_memory ? paddr : DEVICE_BUFFER);
	write64(regs, DMA_COUNT, DMA_BYTES);
	write64(regs, DMA_CMD, DMA_START | (to_memory ? DMA_TO_MEMORY : 0));
	CHECK(transferring(regs));
}
