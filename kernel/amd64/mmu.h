/* Page tables.  mmu.c; as.c is what uses them. */
#pragma once
#include "../mem.h"

typedef uint64_t pte_t;

#define PTE_P	0x1ul
#define PTE_W	0x2ul
#define PTE_U	0x4ul
#define PTE_PWT	0x8ul
#define PTE_PCD	0x10ul
#define PTE_PS	0x80ul
#define PTE_G	0x100ul
#define PTE_COW	0x200ul		/* ours: a write copies the page */
#define PTE_PHYS 0x400ul	/* ours: the page is not counted here */
#define PTE_NX	(1ul << 63)
#define PTE_ADDR 0x000ffffffffff000ul
/* The page attribute table is set so that PWT alone is write-combining. */
#define PTE_UC	(PTE_PCD | PTE_PWT)
#define PTE_WC	PTE_PWT
#define PTE_DEVICE PTE_PWT	/* set in both */

struct cpu;

/* A new table whose upper half is the kernel's; 0 if memory is short. */
paddr_t mmu_table_new(void);
/* Frees the tables of the lower half, which map nothing any more, and the top. */
void mmu_table_free(paddr_t pml4);
/* The entry for a user address, or NULL; with alloc, NULL only if memory is short. */
pte_t *mmu_entry(paddr_t pml4, uint64_t va, bool alloc);
/* The first entry that is present in [*va, end), and its address in *va; NULL if there is none. */
pte_t *mmu_next(paddr_t pml4, uint64_t *va, uint64_t end);
/* Loads the table of as (NULL: the kernel's) and keeps its set of processors. */
void mmu_switch(struct as *as);
/* Removes what this and other processors remember of as at va, or of all of it (va = FLUSH_ALL). */
#define FLUSH_ALL UINT64_MAX
void mmu_flush(struct as *as, uint64_t va);
/* Makes every processor forget as, which no thread uses. */
void mmu_forget(struct as *as);
