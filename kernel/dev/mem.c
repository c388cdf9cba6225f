/*
 * /dev/mem: device registers at physical addresses.
 *
 * A read or write of 1, 2, 4 or 8 bytes at a multiple of that is one bus access; any other is a
 * row of the largest that fit.  SYS_MAP maps whole pages, uncached unless SYS_MAP_WC.  Every use is
 * checked against the caller's grant (cap.c); nobody reaches RAM.  With everything granted the VGA
 * and BIOS area can be read, and its VGA part written.  A map that would cover an MSI-X table ends
 * before the table's page.
 *
 * What is in use, mapped or being read or written, is in the list `uses` before the grant is
 * checked.  An address in it is not given to a function that is plugged in (pci_plug.c): whoever
 * used it for a function that has gone finds nobody there.
 */
#include "../amd64/pci.h"
#include "../cap.h"
#include "../hw.h"
#include "../proc.h"

enum { TRANSFER_MAX = 1 << 16 };
enum { BIOS_START = 0xc0000, BIOS_END = 0x100000 };

struct use {
	struct list all;
	struct phys_map map;		/* only pa and length, while it is read or written */
};

static struct spinlock uses_lock = SPINLOCK("mem uses");
static struct list uses = LIST_INIT(uses);

static void
use_begin(struct use *us)
{
	spin_lock(&uses_lock);
	list_append(&uses, &us->all);
	spin_unlock(&uses_lock);
}

static void
use_end(struct use *us)
{
	spin_lock(&uses_lock);
	list_remove(&us->all);
	spin_unlock(&uses_lock);
}

uint64_t
memdev_map_over(paddr_t pa, uint64_t n)
{
	uint64_t end = 0;

	spin_lock(&uses_lock);
	list_for_each(p, &uses) {
		const struct phys_map *m = &list_entry(p, struct use, all)->map;

		if (m->pa < pa + n && pa < m->pa + m->length)
			end = MAX(end, m->pa + m->length);
	}
	spin_unlock(&uses_lock);
	return end;
}

static int
mem_open(struct chan **, uint32_t)
{
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
	struct use us = { .map = { .pa = pa, .length = n } };
	int64_t r = cap_check(CAP_DEVICE);

	if (r < 0 || n == 0)
		return r;
	use_begin(&us);
	r = cap_check_mem(pa, n);
	if (r == 0 && write && pa < BIOS_END && pa + n > BIOS_START)
		r = error(EACCES, "mem: the bios area is read-only");
	if (r == 0)
		r = transfer(u, pa, n, write);
	use_end(&us);
	return r;
}

static int64_t
mem_read(struct chan *, struct uio *u, uint64_t off)
{
	return mem_access(u, off, false);
}

static int64_t
mem_write(struct chan *, struct uio *u, uint64_t off)
{
	return mem_access(u, off, true);
}

static void
map_put(struct phys_map *pm)
{
	struct use *us = pm->arg;

	use_end(us);
	kfree(us);
}

static int
map_check(uint64_t off, size_t n, unsigned prot)
{
	int r;

	if (off % PAGE_SIZE != 0 || (prot & SYS_PROT_EXEC))
		return error(EINVAL, "mem: 0x%lx cannot be mapped so", off);
	if ((r = cap_check_map(off, n)) < 0)
		return r;
	if ((prot & SYS_PROT_WRITE) && off < BIOS_END && off + n > BIOS_START)
		return error(EACCES, "mem: the bios area is read-only");
	return 0;
}

static int
mem_map(struct chan *, uint64_t off, size_t n, unsigned prot, unsigned flags,
	struct phys_map **out)
{
	struct use *us;
	paddr_t table;
	int r = cap_check(CAP_DEVICE);

	if (r < 0)
		return r;
	n = ROUND_UP(n, PAGE_SIZE);
	table = ROUND_DOWN(pci_msix_in(off, n), PAGE_SIZE);
	if (table > off)
		n = table - off;
	us = kzalloc(sizeof *us);
	if (us == NULL)
		return -ENOMEM;
	us->map = (struct phys_map){ .pa = off, .length = n, .refs = 1, .put = map_put, .arg = us,
				     .cache = flags & SYS_MAP_WC ? MAP_WC : MAP_UNCACHED };
	use_begin(us);
	r = map_check(off, n, prot);
	if (r < 0)
		map_put(&us->map);
	else
		*out = &us->map;
	return r;
}

const struct dev dev_mem = {
	.name = "mem", .attach = devtab_attach, .walk = devtab_walk, .open = mem_open,
	.read = mem_read, .write = mem_write, .stat = devtab_plain_stat, .map = mem_map,
};
