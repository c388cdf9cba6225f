/*
 * /dev/mem: device registers at physical addresses.
 *
 * A read or write of 1, 2, 4 or 8 bytes at a multiple of that is one bus access; any other is a
 * row of the largest that fit.  SYS_MAP maps whole pages, uncached unless SYS_MAP_WC.  Every use is
 * checked against the caller's grant (cap.c); nobody reaches RAM.  With everything granted the VGA
 * and BIOS area can be read, and its VGA part written.  A map that would cover an MSI-X table ends
 * before the table's page.
 *
 * The kernel's own view of a page stays mapped, so that the number of pages reached by read and
 * write is bounded; a driver of many registers maps them.
 */
#include "../amd64/pci.h"
#include "../cap.h"
#include "../hw.h"
#include "../proc.h"

enum { PAGES_MAX = 2048, TRANSFER_MAX = 1 << 16 };
enum { BIOS_START = 0xc0000, BIOS_END = 0x100000 };

static struct spinlock pages_lock = SPINLOCK("mem pages");
static paddr_t pages[PAGES_MAX];	/* hashed; 0: free */
static unsigned npages;

static int
mem_open(struct chan **cp, uint32_t flags)
{
	(void)cp;
	(void)flags;
	return cap_check(CAP_DEVICE);
}

/* Counts the page once: false if too many are mapped. */
static bool
page_known(paddr_t page)
{
	unsigned i = (unsigned)(page >> PAGE_SHIFT) * 2654435761u % PAGES_MAX;
	bool known = false;

	spin_lock(&pages_lock);
	while (pages[i] != 0 && pages[i] != page)
		i = (i + 1) % PAGES_MAX;
	if (pages[i] == page) {
		known = true;
	} else if (npages < PAGES_MAX / 2) {
		pages[i] = page;
		npages++;
		known = true;
	}
	spin_unlock(&pages_lock);
	return known;
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
transfer(struct uio *u, paddr_t pa, bool write)
{
	size_t n = MIN(u->left, (size_t)TRANSFER_MAX), done = 0, width;
	uint64_t v;
	int r = 0;

	for (; done < n; done += width) {
		paddr_t at = pa + done, page = ROUND_DOWN(at, PAGE_SIZE);
		volatile char *p;

		width = access_width(at, n - done);
		if (!page_known(page))
			return error(ENOMEM, "mem: too many pages; map them");
		p = (volatile char *)kernel_map_device(page, PAGE_SIZE) + (at - page);
		if (write) {
			v = 0;
			if ((r = uio_get(u, &v, width)) < 0)
				break;
			bus_write(p, width, v);
		} else {
			v = bus_read(p, width);
			if ((r = uio_put(u, &v, width)) < 0)
				break;
		}
	}
	return r < 0 ? r : (int64_t)done;
}

static int
mem_check(paddr_t pa, size_t n, bool write)
{
	int r = cap_check(CAP_DEVICE);

	if (r == 0)
		r = cap_check_mem(pa, MIN(n, (size_t)TRANSFER_MAX));
	if (r == 0 && write && pa < BIOS_END && pa + n > BIOS_START)
		r = error(EACCES, "mem: the bios area is read-only");
	return r;
}

static int64_t
mem_read(struct chan *c, struct uio *u, uint64_t off)
{
	int r;

	(void)c;
	if (u->left == 0)
		return 0;
	r = mem_check(off, u->left, false);
	return r < 0 ? r : transfer(u, off, false);
}

static int64_t
mem_write(struct chan *c, struct uio *u, uint64_t off)
{
	int r;

	(void)c;
	if (u->left == 0)
		return 0;
	r = mem_check(off, u->left, true);
	return r < 0 ? r : transfer(u, off, true);
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
