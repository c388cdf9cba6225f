/*
 * Static ELF64 programs for x86-64.  elf.c: pure; nothing of the kernel but types.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS_MAX	16
#define ELF_PHNUM_MAX		64
/* The head of the file that elf_parse wants: header and program headers must lie within. */
#define ELF_HEAD_MAX		4096
#define ELF_LOW			0x10000ul		/* no program below this address */
#define ELF_PIE_BASE		0x0000555555554000ul	/* where a position-independent one goes */

struct elf_segment {
	uint64_t vaddr;		/* with the load bias, not rounded */
	uint64_t memsz, filesz;	/* filesz <= memsz, memsz > 0 */
	uint64_t offset;	/* congruent to vaddr modulo the page size */
	unsigned prot;		/* SYS_PROT_* */
};

struct elf_image {
	uint64_t entry;		/* with the load bias */
	uint64_t bias;
	uint64_t phdr;		/* the address of the program headers in memory, or 0 */
	uint32_t phnum;
	uint32_t nsegments;
	uint64_t low, high;	/* whole pages that all segments lie in */
	struct elf_segment segment[ELF_SEGMENTS_MAX];	/* ascending, no page shared */
};

/*
 * Checks everything and fills *out, from the first n bytes of a file of file_size bytes.
 * 0; -ENOEXEC with *why set to a sentence for people.
 */
int elf_parse(const void *head, size_t n, uint64_t file_size, struct elf_image *out,
	      const char **why);
