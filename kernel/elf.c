/*
 * The ELF64 headers of a static program for x86-64: checked whole, then told.  [ELF, System V gABI]
 *
 * The file is hostile: every number is checked before it is used.  Refused: anything dynamic
 * (PT_INTERP), memory that is writable and executable at once, segments that overlap, share a
 * page, descend, wrap or reach outside [ELF_LOW, USER_TOP), data outside the file, an entry that is
 * not executable.  Section headers, symbols and relocations are not read; a position-independent
 * program relocates itself.
 */
#include "elf.h"

#include <lux9/sys.h>

enum { ENOEXEC_ = 8, PAGE = 4096 };
#define TOP 0x0000800000000000ul

enum {					/* offsets; [ELF64 header] */
	E_CLASS = 4, E_DATA = 5, E_VERSION = 6, E_TYPE = 16, E_MACHINE = 18, E_ENTRY = 24,
	E_PHOFF = 32, E_PHENTSIZE = 54, E_PHNUM = 56, EHDR_SIZE = 64,
};
enum {					/* [ELF64 program header] */
	P_TYPE = 0, P_FLAGS = 4, P_OFFSET = 8, P_VADDR = 16, P_FILESZ = 32, P_MEMSZ = 40,
	PHDR_SIZE = 56,
};
enum { ET_EXEC = 2, ET_DYN = 3, EM_X86_64 = 62, PT_LOAD = 1, PT_INTERP = 3 };
enum { PF_X = 1, PF_W = 2, PF_R = 4 };

static uint64_t
get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = bytes; i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

static const char *
check_header(const uint8_t *h, size_t n)
{
	if (n < EHDR_SIZE || h[0] != 0x7f || h[1] != 'E' || h[2] != 'L' || h[3] != 'F')
		return "not an ELF program";
	if (h[E_CLASS] != 2 || h[E_DATA] != 1 || h[E_VERSION] != 1)
		return "not a 64-bit little-endian program";
	if (get(h + E_MACHINE, 2) != EM_X86_64)
		return "a program for another kind of processor";
	if (get(h + E_TYPE, 2) != ET_EXEC && get(h + E_TYPE, 2) != ET_DYN)
		return "an object file, not a program";
	if (get(h + E_PHENTSIZE, 2) != PHDR_SIZE || get(h + E_PHNUM, 2) == 0 ||
	    get(h + E_PHNUM, 2) > ELF_PHNUM_MAX)
		return "bad program headers";
	if (get(h + E_PHOFF, 8) > n || get(h + E_PHNUM, 2) * PHDR_SIZE > n - get(h + E_PHOFF, 8))
		return "program headers are not at the start of the file";
	return NULL;
}

static const char *
check_segment(const struct elf_segment *s, uint64_t file_size, uint64_t low)
{
	if (s->filesz > s->memsz)
		return "a segment's data exceeds its memory";
	if (s->offset > file_size || s->filesz > file_size - s->offset)
		return "a segment's data exceeds the file";
	if (s->vaddr < low || s->vaddr >= TOP || s->memsz > TOP - s->vaddr)
		return "a segment is outside user memory";
	if ((s->vaddr ^ s->offset) % PAGE != 0)
		return "a segment is not aligned with its data";
	if (s->prot & SYS_PROT_WRITE && s->prot & SYS_PROT_EXEC)
		return "a segment is writable and executable";
	return NULL;
}

/* The segment of program header p, not yet checked. */
static struct elf_segment
segment(const uint8_t *p)
{
	uint64_t flags = get(p + P_FLAGS, 4);

	return (struct elf_segment){
		.vaddr = get(p + P_VADDR, 8), .memsz = get(p + P_MEMSZ, 8),
		.filesz = get(p + P_FILESZ, 8), .offset = get(p + P_OFFSET, 8),
		.prot = (flags & PF_R ? SYS_PROT_READ : 0u) | (flags & PF_W ? SYS_PROT_WRITE : 0u) |
			(flags & PF_X ? SYS_PROT_EXEC : 0u),
	};
}

static const char *
add_segment(struct elf_image *out, const uint8_t *p, uint64_t file_size)
{
	struct elf_segment s = segment(p);
	uint64_t before = out->nsegments ? out->high : 0;
	const char *why;

	if (s.memsz == 0)
		return s.filesz == 0 ? NULL : "a segment's data exceeds its memory";
	if (out->nsegments == ELF_SEGMENTS_MAX)
		return "too many segments";
	why = check_segment(&s, file_size, out->bias ? 0 : ELF_LOW);
	if (why)
		return why;
	if (out->bias && s.vaddr + s.memsz > TOP - PAGE - out->bias)
		return "a segment is outside user memory";
	s.vaddr += out->bias;
	if (s.vaddr / PAGE * PAGE < before)
		return "segments overlap or are out of order";
	if (out->nsegments == 0)
		out->low = s.vaddr / PAGE * PAGE;
	out->high = (s.vaddr + s.memsz + PAGE - 1) / PAGE * PAGE;
	out->segment[out->nsegments++] = s;
	return NULL;
}

/* Where in memory the program headers are: in the segment that holds their part of the file. */
static uint64_t
phdr_address(const struct elf_image *out, uint64_t phoff, uint64_t length)
{
	for (uint32_t i = 0; i < out->nsegments; i++) {
		const struct elf_segment *s = &out->segment[i];

		if (phoff >= s->offset && phoff - s->offset <= s->filesz &&
		    length <= s->filesz - (phoff - s->offset))
			return s->vaddr + (phoff - s->offset);
	}
	return 0;
}

static const char *
check_entry(const struct elf_image *out)
{
	for (uint32_t i = 0; i < out->nsegments; i++) {
		const struct elf_segment *s = &out->segment[i];

		if (s->prot & SYS_PROT_EXEC && out->entry >= s->vaddr &&
		    out->entry - s->vaddr < s->filesz)
			return NULL;
	}
	return "the entry point is not in executable memory";
}

int
elf_parse(const void *head, size_t n, uint64_t file_size, struct elf_image *out, const char **why)
{
	const uint8_t *h = head;
	uint64_t phoff;

	*out = (struct elf_image){ 0 };
	*why = check_header(h, n < file_size ? n : (size_t)file_size);
	if (*why)
		return -ENOEXEC_;
	phoff = get(h + E_PHOFF, 8);
	out->phnum = (uint32_t)get(h + E_PHNUM, 2);
	out->bias = get(h + E_TYPE, 2) == ET_DYN ? ELF_PIE_BASE : 0;
	for (uint32_t i = 0; i < out->phnum && *why == NULL; i++) {
		const uint8_t *p = h + phoff + i * PHDR_SIZE;

		if (get(p + P_TYPE, 4) == PT_INTERP)
			*why = "a dynamic program: it needs an interpreter; link it statically";
		else if (get(p + P_TYPE, 4) == PT_LOAD)
			*why = add_segment(out, p, file_size);
	}
	if (*why == NULL && out->nsegments == 0)
		*why = "nothing to load";
	if (*why == NULL && get(h + E_ENTRY, 8) >= TOP - out->bias)
		*why = "the entry point is not in executable memory";
	if (*why)
		return -ENOEXEC_;
	out->entry = get(h + E_ENTRY, 8) + out->bias;
	out->phdr = phdr_address(out, phoff, (uint64_t)out->phnum * PHDR_SIZE);
	*why = check_entry(out);
	return *why ? -ENOEXEC_ : 0;
}
