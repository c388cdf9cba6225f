/*
 * /dev/mem: device registers at physical addresses.
 *
 * A read or write of 1, 2, 4 or 8 bytes at a multiple of that is one bus access; any other is a
 * row of the largest that fit.  SYS_MAP maps whole pages, uncached unless SYS_MAP_WC.  Every use is
 * checked against the caller's grant (cap.c); nobody reaches RAM.  With everything granted the VGA
 * and BIOS area can be read, and its VGA part written.  A map that would cover an MSI-X table ends
 * before the table's page.
 */
#include "../amd64/pci.h"
#include "../cap.h"
#include "../hw.h"
#include "../proc.h"

enum { TRANSFER_MAX = 1 << 16 };
enum { BIOS_START = 0xc0000, BIOS_END = 0x100000 };

static int
mem_open(struct chan **cp, uint32_t flags)
{
	(void)cp;
	(void)flags;
	return cap_check(CAP_DEVICE);
}

static uint64_t
bus_read(volatile void *p, size_t width)
{
	switch (width) {
	case 1: return *(volatile uint8_t *)p;
	case 2: return *(volatile uint16_t *)p;
	case 4: return *(volatile uint32_t *)p;
	default: return *(volatile uint64_t *)p;
	}
}

static void
bus_write(volatile void *p, size_t width, uint64_t v)
{
	switch (width) {
	case 1: *(volatile uint8_t *)p = (uint8_t)v; break;
	case 2: *(volatile uint16_t *)p = (uint16_t)v; break;
	case 4: *(volatile uint32_t *)p = (uint32_t)v; break;
	default: *(volatile uint64_t *)p = v; break;
	}
}

/* The largest access at pa within n bytes. */
static size_t
access_width(paddr_t pa, size_t n)
{
	size_t width = 8;

	while (width > n || pa % width != 0)
		width /= 2;
	return width;
}

static int64_t
transfer(struct uio *u, paddr_t pa, size_t n, bool write)
{
	size_t done = 0, width;
	int r = 0;

	for (; done < n && r == 0; done += width) {
		paddr_t at = pa + done, page = ROUND_DOWN(at, PAGE_SIZE);
		uint64_t v = 0;

		width = access_width(at, n - done);
		if (write)
			r = uio_get(u, &v, width);
		if (write && r == 0)
			bus_write(kernel_window(page) + (at - page), width, v);
		if (!write) {
			v = bus_read(kernel_window(page) + (at - page), width);
			r = uio_put(u, &v, width);
		}
	}
	return r < 0 ? r : (int64_t)done;
}

static int64_t
mem_access(struct uio *u, paddr_t pa, bool write)
{
	size_t n = MIN(u->left, (size_t)TRANSFER_MAX);
	int r = cap_check(CAP_DEVICE);

	if (r < 0 || n == 0)
		return r;
	r = cap_check_mem(pa, n);
	if (r == 0 && write && pa < BIOS_END && pa + n > BIOS_START)
		r = error(EACCES, "mem: the bios area is read-only");
	return r < 0 ? r : transfer(u, pa, n, write);
}

static int64_t
mem_read(struct chan *c, struct uio *u, uint64_t off)
{
	(void)c;
	return mem_access(u, off, false);
}

static int64_t
mem_write(struct chan *c, struct uio *u, uint64_t off)
{
	(void)c;
	return mem_access(u, off, true);
}

static void
map_put(struct phys_map *pm)
{
	kfree(pm);
}

static int
mem_map(struct chan *c, uint64_t off, size_t n, unsigned prot, unsigned flags,
	struct phys_map **out)
{
	struct phys_map *pm;
	paddr_t table;
	int r = cap_check(CAP_DEVICE);

	(void)c;
	if (r < 0)
		return r;
	n = ROUND_UP(n, PAGE_SIZE);
	table = ROUND_DOWN(pci_msix_in(off, n), PAGE_SIZE);
	if (table > off)
		n = table - off;
	if (off % PAGE_SIZE != 0 || (prot & SYS_PROT_EXEC))
		return error(EINVAL, "mem: 0x%lx cannot be mapped so", off);
	if ((r = cap_check_map(off, n)) < 0)
		return r;
	if ((prot & SYS_PROT_WRITE) && off < BIOS_END && off + n > BIOS_START)
		return error(EACCES, "mem: the bios area is read-only");
	pm = kzalloc(sizeof *pm);
	if (pm == NULL)
		return -ENOMEM;
	*pm = (struct phys_map){ .pa = off, .length = n, .refs = 1, .put = map_put,
				 .cache = flags & SYS_MAP_WC ? MAP_WC : MAP_UNCACHED };
	*out = pm;
	return 0;
}

const struct dev dev_mem = {
	.name = "mem", .attach = devtab_attach, .walk = devtab_walk, .open = mem_open,
	.read = mem_read, .write = mem_write, .stat = devtab_plain_stat, .map = mem_map,
};
