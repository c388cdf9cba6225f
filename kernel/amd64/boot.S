/*
 * The first instructions: from PVH or Multiboot2 (32-bit protected mode, no paging) and, for the
 * other processors, from real mode, to C in the higher half.
 *
 * The boot page tables map the first 4 GiB at 0, at the direct map and (1 GiB) at -2 GiB;
 * mmu_init() replaces them.
 */
#define PTE_P		0x001
#define PTE_W		0x002
#define PTE_PS		0x080
#define MB2_MAGIC	0xe85250d6
#define CR0_BOOT	0x80010033	/* PG WP NE ET MP PE */

	.section .multiboot2, "a"
	.balign 8
mb2_header:
	.long MB2_MAGIC, 0, mb2_end - mb2_header, -(MB2_MAGIC + mb2_end - mb2_header)
	/* Information request: command line, memory map, modules, ACPI. */
	.balign 8
	.short 1, 0
	.long 24
	.long 1, 6, 3, 14
	/* Modules on page boundaries. */
	.balign 8
	.short 6, 0
	.long 8
	/* Entry on EFI and BIOS alike: the 32-bit one, through the ELF header. */
	.balign 8
	.short 0, 0
	.long 8
mb2_end:

	.section .note.xen, "a", @note
	.balign 4
	.long 4, 8, 18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.quad boot_pvh

/* From 32-bit or real mode: PAE, OSFXSR, OSXMMEXCPT; long mode, NX, system calls; paging. */
.macro LONG_MODE
	movl $boot_pml4, %eax
	movl %eax, %cr3
	movl %cr4, %eax
	orl $0x620, %eax
	movl %eax, %cr4
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x901, %eax
	wrmsr
	movl $CR0_BOOT, %eax
	movl %eax, %cr0
.endm

	.section .boot, "ax"
	.code32
	.globl boot_pvh, boot_multiboot2
boot_pvh:
	movl $0x336ec578, %eax
boot_multiboot2:
	cli
	cld
	movl $boot_stack_top, %esp
	movl %eax, %edi			/* loader's magic */
	movl %ebx, %esi			/* its information */
	/* PML4: 0 and 256 share the 4 GiB; 511 has the last two GiB. */
	movl $boot_pdpt + PTE_P + PTE_W, %eax
	movl %eax, boot_pml4
	movl %eax, boot_pml4 + 256 * 8
	movl $boot_pdpt_high + PTE_P + PTE_W, boot_pml4 + 511 * 8
	movl $boot_pd + PTE_P + PTE_W, %eax
	movl %eax, boot_pdpt_high + 510 * 8
	movl $boot_pdpt, %ebx
	movl $4, %ecx
1:	movl %eax, (%ebx)
	addl $4096, %eax
	addl $8, %ebx
	loop 1b
	movl $boot_pd, %ebx
	movl $PTE_P + PTE_W + PTE_PS, %eax
	movl $2048, %ecx
2:	movl %eax, (%ebx)
	addl $0x200000, %eax
	addl $8, %ebx
	loop 2b
	lgdt boot_gdt_pointer
	LONG_MODE
	ljmp $8, $boot_long

	.code64
boot_long:
	xorl %eax, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %eax, %fs
	movl %eax, %gs
	movl %edi, %edi
	movl %esi, %esi
	movabsq $boot_high, %rax
	jmp *%rax

	.balign 8
	.globl boot_gdt
boot_gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* code */
	.quad 0x00cf93000000ffff	/* data */
boot_gdt_pointer:
	.short 23
	.quad boot_gdt

/*
 * Another processor starts here, in real mode, in a copy of this code in a page below 1 MiB.  The
 * boot tables map that page, and this one, at their own addresses.
 */
	.code16
	.globl trampoline, trampoline_end
trampoline:
	cli
	movw %cs, %ax
	movw %ax, %ds
	lgdtl trampoline_gdt_pointer - trampoline
	LONG_MODE
	ljmpl $8, $trampoline_long
trampoline_gdt_pointer:
	.short 23
	.long boot_gdt
trampoline_end:
	.code64
trampoline_long:
	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movabsq $smp_stack, %rax
	movq (%rax), %rsp
	xorl %ebp, %ebp
	movabsq $smp_main, %rax
	call *%rax
	ud2

	.section .boot.bss, "aw", @progbits
	.balign 4096
	.globl boot_pml4
boot_pml4:
	.fill 4096, 1, 0
boot_pdpt:
	.fill 4096, 1, 0
boot_pdpt_high:
	.fill 4096, 1, 0
boot_pd:
	.fill 4 * 4096, 1, 0
boot_stack:
	.fill 1024, 1, 0
boot_stack_top:

	.text
	.code64
boot_high:
	movq $boot_cpu_stack_top, %rsp
	xorl %ebp, %ebp
	call kernel_main
	ud2

	.bss
	.balign 4096
boot_cpu_stack:
	.skip 16384
	.globl boot_cpu_stack_top
boot_cpu_stack_top:
	.section .note.GNU-stack, "", @progbits
