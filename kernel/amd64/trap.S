/*
 * Entries to the kernel and returns from it, the switch between threads, and copies of user memory.
 *
 * At the top of every kernel stack, from its end downward: what the processor pushes (ss rsp rflags
 * cs rip, 40 bytes), the error code and the vector (16), and a struct sys_regs (144).  A system
 * call leaves the first 56 bytes unused unless it returns by iretq.
 */
#define R_RAX	0
#define R_RCX	16
#define R_RDX	24
#define R_RSI	32
#define R_RDI	40
#define R_RSP	56
#define R_R8	64
#define R_R9	72
#define R_R10	80
#define R_R11	88
#define R_RIP	128
#define R_RFLAGS 136
#define R_SIZE	144
#define F_VECTOR 144
#define F_ERROR	152
#define F_RIP	160
#define F_CS	168
#define F_RFLAGS 176
#define F_RSP	184
#define F_SS	192

#define GS_CURRENT 8
#define GS_KSTACK 16
#define GS_USER_RSP 24
#define GS_SYSCALLS 32
#define THREAD_WORK 32
#define SYS_FIRST 0x1000

#define SEL_UDATA 0x1b
#define SEL_UCODE 0x23

.macro PUSH regs:vararg
	.irp r, \regs
	pushq %\r
	.endr
.endm
.macro POP regs:vararg
	.irp r, \regs
	popq %\r
	.endr
.endm
.macro PUSH_GENERAL rsp_value
	PUSH r15, r14, r13, r12, r11, r10, r9, r8
	pushq \rsp_value
	PUSH rbp, rdi, rsi, rdx, rcx, rbx, rax
.endm

/*
 * Kernel code that touches user memory.  Without SMAP, stac and clac are patched away; after a fault
 * that cannot be repaired, `from` goes on at `to`.
 */
.macro SMAP instruction
	.pushsection .smap_patch, "aw"
	.quad 9f
	.popsection
9:	\instruction
.endm
.macro EXTABLE from, to
	.pushsection .extable, "a"
	.balign 8
	.quad \from, \to
	.popsection
.endm

	.text
	.globl syscall_entry
syscall_entry:
	swapgs
	movq %rsp, %gs:GS_USER_RSP
	movq %gs:GS_KSTACK, %rsp
	incq %gs:GS_SYSCALLS
	subq $56, %rsp
	pushq %r11
	pushq %rcx
	PUSH_GENERAL %gs:GS_USER_RSP
	subq $SYS_FIRST, %rax
	cmpq syscall_count(%rip), %rax
	jae 2f
	pushq %rax			/* keeps the stack aligned */
	PUSH r9, r8, r10, rdx, rsi, rdi
	movq %rsp, %rdi
	call *syscall_table(, %rax, 8)
	addq $56, %rsp
	testq %rax, %rax
	js 5f
1:	movq %gs:GS_CURRENT, %rcx
	cmpl $0, THREAD_WORK(%rcx)
	jne 4f
	movq R_RDX(%rsp), %rdx
	movq R_RSI(%rsp), %rsi
	movq R_RDI(%rsp), %rdi
	movq R_R8(%rsp), %r8
	movq R_R9(%rsp), %r9
	movq R_R10(%rsp), %r10
	movq R_RIP(%rsp), %rcx
	movq R_RFLAGS(%rsp), %r11
	movq R_RSP(%rsp), %rsp
	swapgs
	sysretq

	/* Not a number of ours: on to the process's handler, if it has one. */
2:	testq %rax, %rax
	jns 3f
	movq %rsp, %rdi
	call syscall_upcall		/* the handler, or 0; lowers regs->rsp */
	testq %rax, %rax
	jz 3f
	movq %rax, R_RIP(%rsp)
	movq R_RAX(%rsp), %rax
	jmp 1b
3:	movq $-38, %rax
	jmp 1b

5:	movq %rax, %rdi
	call syscall_failed
	jmp 1b

4:	movq %rsp, %rdi
	movq %rax, %rsi
	call syscall_work
	jmp return_user

/* rsp at a struct sys_regs of a user thread: restore everything. */
	.globl return_user
return_user:
	movq R_RIP(%rsp), %rax
	movq %rax, F_RIP(%rsp)
	movq R_RFLAGS(%rsp), %rax
	movq %rax, F_RFLAGS(%rsp)
	movq R_RSP(%rsp), %rax
	movq %rax, F_RSP(%rsp)
	movq $SEL_UCODE, F_CS(%rsp)
	movq $SEL_UDATA, F_SS(%rsp)
	swapgs
restore_all:
	POP rax, rbx, rcx, rdx, rsi, rdi, rbp
	addq $8, %rsp
	POP r8, r9, r10, r11, r12, r13, r14, r15
	addq $32, %rsp			/* rip rflags vector error */
	iretq

trap_common:
	testb $3, 24(%rsp)
	jz 1f
	swapgs
1:	cld
	SMAP clac			/* a user's alignment flag must not open user memory */
	pushq 32(%rsp)			/* rflags */
	pushq 24(%rsp)			/* rip */
	PUSH_GENERAL 120(%rsp)
	movq %rsp, %rdi
	movq F_VECTOR(%rsp), %rsi
	movq F_ERROR(%rsp), %rdx
	testb $3, F_CS(%rsp)
	jz 2f
	call trap_user
	jmp return_user
2:	movq %rsp, %rbp			/* an aligned stack for C, wherever the trap came */
	andq $-16, %rsp
	call trap_kernel
	movq %rbp, %rsp
	movq R_RIP(%rsp), %rax
	movq %rax, F_RIP(%rsp)
	jmp restore_all

/* NMI, debug, double fault and machine check have stacks of their own; gs may be either. */
trap_paranoid:
	pushq 32(%rsp)
	pushq 24(%rsp)
	PUSH_GENERAL 120(%rsp)
	cld
	movl $0xc0000101, %ecx
	rdmsr
	xorl %ebx, %ebx
	testl %edx, %edx
	js 1f
	swapgs
	movl $1, %ebx
1:	movq %rsp, %rdi
	movq F_VECTOR(%rsp), %rsi
	movq F_ERROR(%rsp), %rdx
	movq %rsp, %r12
	andq $-16, %rsp
	call trap_paranoid_c
	movq %r12, %rsp
	testl %ebx, %ebx
	jz 2f
	swapgs
2:	jmp restore_all

/* One stub a vector, 16 bytes each. */
	.balign 16
	.globl trap_stubs
trap_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	.if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
	.else
	pushq $0
	.endif
	pushq $vector
	.if vector == 1 || vector == 2 || vector == 8 || vector == 18
	jmp trap_paranoid
	.else
	jmp trap_common
	.endif
	.set vector, vector + 1
	.endr

/* void switch_stacks(struct thread *prev, struct thread *next) */
	.balign 16
	.globl switch_stacks
switch_stacks:
	PUSH rbp, rbx, r12, r13, r14, r15
	movq %rsp, (%rdi)
	movq (%rsi), %rsp
	POP r15, r14, r13, r12, rbx, rbp
	ret

/* A new thread's first instructions; rsp is at its struct sys_regs. */
	.globl thread_start
thread_start:
	xorl %ebp, %ebp
	movq %rsp, %rdi
	subq $8, %rsp
	call thread_first
	addq $8, %rsp
	jmp return_user

/*
 * int user_copy(void *dst, const void *src, size_t n): one of the two is user memory, whose range
 * has been checked.  0, or -EFAULT.  The access flags are open only here and in the next two.
 */
	.balign 16
	.globl user_copy
user_copy:
	SMAP stac
	movq %rdx, %rcx
	shrq $3, %rcx
	jz 2f
1:	rep movsq
	EXTABLE 1b, user_fault
2:	movl %edx, %ecx
	andl $7, %ecx
	jz 4f
3:	rep movsb
	EXTABLE 3b, user_fault
4:	xorl %eax, %eax
user_done:
	SMAP clac
	ret
user_fault:
	movq $-14, %rax
	jmp user_done

/* int64_t user_copy_str(char *dst, const char *src, size_t n): the length, -EFAULT or -ENAMETOOLONG. */
	.globl user_copy_str
user_copy_str:
	SMAP stac
	xorl %eax, %eax
1:	cmpq %rdx, %rax
	jae 3f
2:	movb (%rsi, %rax), %cl
	EXTABLE 2b, user_fault
	movb %cl, (%rdi, %rax)
	testb %cl, %cl
	jz user_done
	incq %rax
	jmp 1b
3:	movq $-36, %rax
	jmp user_done

/* int user_load32(const uint32_t *p, uint32_t *out): reads one word; 0 or -EFAULT. */
	.globl user_load32
user_load32:
	SMAP stac
1:	movl (%rdi), %eax
	EXTABLE 1b, user_fault
	movl %eax, (%rsi)
	xorl %eax, %eax
	jmp user_done
	.section .note.GNU-stack, "", @progbits
