/*
 * The bus of a real device: the kernel's files.
 *
 *	/dev/pci/B.D.Fctl	what it is; commands
 *	/dev/pci/B.D.Fraw	its configuration space
 *	/dev/mem		registers, mapped uncached
 *	/dev/io			ports: a read or write at the port's number
 *	/dev/dma/alloc		memory that the device can reach; mapped by the kernel
 *	/dev/irq/N		interrupts: a read blocks, and gives 32 bytes for each
 *
 * What the kernel says is checked for form; that the device and the memory are ours to use, the
 * kernel checks.  On Linux the files are those of a server that stands for the kernel (qtestfs).
 */
#include "os.h"
#include "sip.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CTL_MAX		4096
#define IRQ_RECORD	32	/* count, time, zeros */

static int
open_in(struct sip_dev *d, int flags, const char *fmt, ...) SIP_PRINTF(3, 4);

static int
open_in(struct sip_dev *d, int flags, const char *fmt, ...)
{
	char path[SIP_PATH_MAX];
	int n = snprintf(path, sizeof path, "%s/", d->root);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(path + n, sizeof path - (size_t)n, fmt, ap);
	va_end(ap);
	return os_open(path, flags | O_CLOEXEC, 0);
}

static int
files_info(struct sip_dev *d, struct sip_pci_info *info)
{
	char text[CTL_MAX];
	if (d->ctl_fd < 0)
		d->ctl_fd = open_in(d, O_RDWR, "pci/%sctl", info->addr);
	if (d->ctl_fd < 0)
		return d->ctl_fd;
	int64_t n = os_pread(d->ctl_fd, text, sizeof text - 1, 0);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	struct sip_pci_info fresh = *info;
	int e = sip_pci_parse(text, &fresh);
	if (e == 0)
		*info = fresh;
	return e;
}

/* One access for each aligned 4 bytes. */
static int
files_config(struct sip_dev *d, void *buf, size_t n)
{
	int fd = open_in(d, O_RDONLY, "pci/%sraw", d->info.addr);
	if (fd < 0)
		return fd;
	int64_t r = os_pread(fd, buf, n, 0);
	os_close(fd);
	return r < 0 ? (int)r : (size_t)r < n ? -EPROTO : 0;
}

static int
files_command(struct sip_dev *d, const char *text)
{
	int64_t n = os_pwrite(d->ctl_fd, text, strlen(text), 0);
	return n < 0 ? (int)n : 0;
}

static int
files_map(struct sip_dev *d, unsigned bar, struct sip_bar *out)
{
	(void)bar;
	if (d->mem_fd < 0)
		d->mem_fd = open_in(d, O_RDWR, "mem");
	if (d->mem_fd < 0)
		return d->mem_fd;
	out->regs = os_map(d->mem_fd, out->base, out->size, OS_READ | OS_WRITE, OS_UNCACHED);
	return out->regs || errno == ENODEV ? 0 : -EACCES;
}

static void
files_unmap(struct sip_dev *d, struct sip_bar *bar)
{
	(void)d;
	if (bar->regs)
		os_unmap((void *)(uintptr_t)bar->regs, bar->size);
}

/* Where /dev/mem cannot be mapped, as it is a server's: each access is one of its own.  One that is
 * refused reads as ones, as from a device that has gone. */
static uint64_t
files_read(struct sip_dev *d, unsigned bar, uint64_t off, unsigned width)
{
	uint64_t value = 0;
	int64_t n = os_pread(d->mem_fd, &value, width, (int64_t)(d->info.bar[bar].base + off));
	return n == width ? value : UINT64_MAX;
}

static void
files_write(struct sip_dev *d, unsigned bar, uint64_t off, unsigned width, uint64_t value)
{
	os_pwrite(d->mem_fd, &value, width, (int64_t)(d->info.bar[bar].base + off));
}

static int
files_ports(struct sip_dev *d)
{
	if (d->io_fd < 0)
		d->io_fd = open_in(d, O_RDWR, "io");
	return d->io_fd < 0 ? d->io_fd : 0;
}

/* A port that is refused reads as ones, as one does where nothing is. */
static uint32_t
files_in(struct sip_dev *d, uint16_t port, unsigned width)
{
	uint32_t value = 0;
	return os_pread(d->io_fd, &value, width, port) == width ? value : UINT32_MAX;
}

static void
files_out(struct sip_dev *d, uint16_t port, unsigned width, uint32_t value)
{
	os_pwrite(d->io_fd, &value, width, port);
}

/* "vaddr:0x… paddr:0x… handle:N" */
static int
dma_answer(char *text, struct sip_dma *out)
{
	static const char *const keys[] = { "vaddr:", "paddr:", "handle:" };
	uint64_t v[3];
	for (char *nl; (nl = strchr(text, '\n')) != NULL; )
		*nl = ' ';
	for (int i = 0; i < 3; i++) {
		char *word = text_word(&text);
		size_t n = strlen(keys[i]);
		if (!word || strncmp(word, keys[i], n) != 0 ||
		    !text_number(word + n, i == 2 ? INT32_MAX : UINT64_MAX, &v[i]))
			return -EPROTO;
	}
	out->vaddr = (void *)(uintptr_t)v[0];
	out->paddr = v[1];
	out->handle = (int)v[2];
	return 0;
}

/* The kernel has mapped the buffer.  A server cannot; it gives 0 for vaddr, and its file. */
static int
dma_map(struct sip_dev *d, struct sip_dma *out)
{
	if (out->vaddr)
		return 0;
	int fd = open_in(d, O_RDWR, "dma/%d/data", out->handle);
	if (fd < 0)
		return fd;
	out->vaddr = os_map(fd, 0, out->size, OS_READ | OS_WRITE, OS_CACHED);
	int e = out->vaddr ? 0 : -errno;
	os_close(fd);
	d->maps_dma = true;
	return e;
}

static void
files_dma_free(struct sip_dev *d, struct sip_dma *dma)
{
	if (d->maps_dma && dma->vaddr)
		os_unmap(dma->vaddr, dma->size);
	int fd = open_in(d, O_WRONLY, "dma/%d/ctl", dma->handle);
	if (fd < 0)
		return;
	os_pwrite(fd, "free", 4, 0);
	os_close(fd);
}

static int
files_dma_alloc(struct sip_dev *d, size_t size, size_t align, struct sip_dma *out)
{
	char text[256];
	int fd = open_in(d, O_RDWR, "dma/alloc");
	if (fd < 0)
		return fd;
	int n = snprintf(text, sizeof text, "size %zu align %zu device %s%s", size, align,
		d->info.addr, d->dma32 ? " dma32" : "");
	int64_t r = os_pwrite(fd, text, (size_t)n, 0);
	if (r >= 0)
		r = os_pread(fd, text, sizeof text - 1, 0);
	os_close(fd);
	if (r < 0)
		return (int)r;
	text[r] = '\0';
	out->size = size;
	int e = dma_answer(text, out);
	if (e == 0 && (e = dma_map(d, out)) < 0)
		files_dma_free(d, out);
	return e;
}

/* A line has to be asked for by name before its file is there; a vector of msi has its file. */
static int
files_irq_open(struct sip_dev *d, int irq)
{
	char text[64];
	int fd = open_in(d, O_RDONLY, "irq/%d", irq);
	if (fd >= 0)
		return fd;
	int ctl = open_in(d, O_WRONLY, "irq/ctl");
	if (ctl < 0)
		return ctl;
	int n = snprintf(text, sizeof text, "register %d %.16s", irq, d->info.addr);
	int64_t r = os_pwrite(ctl, text, (size_t)n, 0);
	os_close(ctl);
	return r < 0 ? (int)r : open_in(d, O_RDONLY, "irq/%d", irq);
}

static int
files_irq_wait(struct sip_dev *d, int fd, uint64_t *count, uint64_t *ns)
{
	uint64_t record[IRQ_RECORD / 8];
	(void)d;
	int64_t n = os_pread(fd, record, sizeof record, -1);
	if (n < 0)
		return (int)n;
	if (n != IRQ_RECORD)
		return -EPROTO;
	*count = record[0];
	*ns = record[1];
	return 0;
}

static void
files_irq_close(struct sip_dev *d, int fd)
{
	(void)d;
	os_close(fd);
}

static void
files_close(struct sip_dev *d)
{
	int *fds[] = { &d->ctl_fd, &d->mem_fd, &d->io_fd };
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (*fds[i] >= 0)
			os_close(*fds[i]);
		*fds[i] = -1;
	}
}

const struct sip_bus sip_bus_files = {
	.info = files_info, .command = files_command,
	.map = files_map, .unmap = files_unmap, .read = files_read, .write = files_write,
	.dma_alloc = files_dma_alloc, .dma_free = files_dma_free,
	.irq_open = files_irq_open, .irq_wait = files_irq_wait, .irq_close = files_irq_close,
	.close = files_close, .config = files_config, .ports = files_ports,
	.in = files_in, .out = files_out,
};
