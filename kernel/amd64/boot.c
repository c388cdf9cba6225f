/*
 * The loader's information, from PVH (QEMU's -kernel: Xen's hvm_start_info, version 1) or
 * Multiboot2 (GRUB).  Runs on the boot page tables, which map the first 4 GiB; everything above is
 * refused.
 */
#include "../boot.h"

#include "../mem.h"

#define PVH_MAGIC	0x336ec578u
#define MB2_LOADED	0x36d76289u
#define LOW_LIMIT	(1ul << 32)
#define MB2_TAGS_MAX	128

struct boot_info boot;

struct pvh_info {
	uint32_t magic, version, flags, nmodules;
	uint64_t modules, cmdline, rsdp, memmap;
	uint32_t nmemmap, reserved;
};

struct pvh_module {
	uint64_t start, size, cmdline, reserved;
};

struct pvh_range {
	uint64_t start, size;
	uint32_t type, reserved;
};

struct mb2_tag {
	uint32_t type, size;
};

struct mb2_module {
	uint32_t type, size, start, end;
};

struct mb2_memmap {
	uint32_t type, size, entry_size, version;
};

struct mb2_range {
	uint64_t start, length;
	uint32_t type, reserved;
};

enum { MB2_CMDLINE = 1, MB2_MODULE = 3, MB2_MEMMAP = 6, MB2_RSDP1 = 14, MB2_RSDP2 = 15 };

static const void *
low(uint64_t pa)
{
	if (pa == 0 || pa >= LOW_LIMIT)
		panic("boot: the loader's data at 0x%lx is out of reach", pa);
	return phys_to_virt(pa);
}

static void
add_range(uint64_t start, uint64_t size, uint32_t type)
{
	uint64_t end = start + size;

	if (end <= start || end > 1ul << 46)
		return;
	if (boot.nranges == BOOT_RANGES_MAX)
		panic("boot: more than %d memory ranges", BOOT_RANGES_MAX);
	boot.range[boot.nranges++] = (struct boot_range){ start, end, type };
}

static void
set_archive(uint64_t start, uint64_t size)
{
	if (boot.archive != 0 || size == 0 || start + size > LOW_LIMIT)
		return;
	boot.archive = start;
	boot.archive_size = size;
}

static void
parse_pvh(const struct pvh_info *i)
{
	boot.loader = "PVH";
	if (i->cmdline != 0)
		strlcpy(boot.cmdline, low(i->cmdline), sizeof boot.cmdline);
	if (i->nmodules > 0) {
		const struct pvh_module *m = low(i->modules);

		set_archive(m->start, m->size);
	}
	boot.rsdp = i->rsdp;
	if (i->version < 1 || i->nmemmap == 0)
		panic("boot: the loader gave no memory map");
	const struct pvh_range *r = low(i->memmap);

	for (uint32_t k = 0; k < i->nmemmap; k++)
		add_range(r[k].start, r[k].size, r[k].type);
}

static void
parse_mb2_memmap(const struct mb2_memmap *m)
{
	if (m->entry_size < sizeof(struct mb2_range))
		panic("boot: memory map entries of %u bytes", m->entry_size);
	for (uint32_t off = sizeof *m; off + m->entry_size <= m->size; off += m->entry_size) {
		const struct mb2_range *r = (const void *)((const char *)m + off);

		add_range(r->start, r->length, r->type);
	}
}

static void
parse_mb2(const char *info)
{
	uint32_t total = *(const uint32_t *)info, off = 8;

	boot.loader = "Multiboot2";
	for (int n = 0; n < MB2_TAGS_MAX && off + sizeof(struct mb2_tag) <= total; n++) {
		const struct mb2_tag *t = (const void *)(info + off);
		const struct mb2_module *m = (const void *)t;

		if (t->type == 0 || t->size < sizeof *t)
			break;
		switch (t->type) {
		case MB2_CMDLINE:
			strlcpy(boot.cmdline, (const char *)(t + 1), sizeof boot.cmdline);
			break;
		case MB2_MODULE:
			if (m->end > m->start)
				set_archive(m->start, m->end - m->start);
			break;
		case MB2_MEMMAP:
			parse_mb2_memmap((const void *)t);
			break;
		case MB2_RSDP1:
		case MB2_RSDP2:
			/* A copy in the loader's data: nothing is reserved, it is read at once. */
			boot.rsdp = virt_to_phys(t + 1);
			break;
		default:
			break;
		}
		off += ROUND_UP(t->size, 8u);
	}
	if (boot.nranges == 0)
		panic("boot: the loader gave no memory map");
}

/* An RSDP inside the loader's data is copied where it stays. */
static void
keep_rsdp(void)
{
	static uint64_t copy[5];

	if (boot.rsdp == 0)
		return;
	memcpy(copy, low(boot.rsdp), sizeof copy);
	boot.rsdp = (paddr_t)copy - 0xffffffff80000000ul;
}

void
boot_parse(uint32_t magic, paddr_t info)
{
	if (magic == PVH_MAGIC)
		parse_pvh(low(info));
	else if (magic == MB2_LOADED)
		parse_mb2(low(info));
	else
		panic("boot: unknown loader, magic 0x%x", magic);
	keep_rsdp();
}

const char *
boot_option(const char *name)
{
	static char value[256];
	size_t n = strlen(name);
	const char *s = boot.cmdline;

	while (*s != '\0') {
		size_t len = 0;

		while (s[len] != '\0' && s[len] != ' ')
			len++;
		if (len > n && strncmp(s, name, n) == 0 && s[n] == '=') {
			strlcpy(value, s + n + 1, MIN(sizeof value, len - n));
			return value;
		}
		s += len + (s[len] == ' ');
	}
	return NULL;
}
