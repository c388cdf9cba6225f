/*
 * The personality's ways in and out: start, upcall, note, new thread, and back to the program.
 *
 * Each thread has a record (struct thread) that gs points at, and a stack of its own, so that
 * little of the program's stack is used.  SSE state is never touched here.
 *
 * A note may come at any instruction.  signal.c looks where: between two of the labels below it
 * sends the thread back to a label from which all can be done again, so that no signal that came
 * after the last look at T_WORK waits for the next call.
 *
 *   pers_exit .. pers_exit_ret		again from pers_exit; at pers_exit_ret: the program's own
 *   pers_resume .. pers_resume_pop	again from pers_resume; at the two last: the program's own
 *   blocking_check .. blocking_call	to blocking_abort: -EINTR
 */
#include <asm/errno.h>
#include "layout.h"

	.text

	/* rsp is at argc. */
	.globl pers_start
pers_start:
	mov	%rsp, %rbx
	mov	%rsp, %rdi
	lea	first_thread(%rip), %rsp
	xor	%ebp, %ebp
	call	start_process
	mov	%rax, %r11
	mov	%rbx, %rsp
	xor	%eax, %eax
	xor	%ebx, %ebx
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	jmp	*%r11

	/*
	 * A Linux call: number in rax, arguments in rdi rsi rdx r10 r8 r9, the address at rsp.
	 * What C preserves is stored too: for clone, for signals, and for pers_fault.
	 */
	.globl pers_upcall
pers_upcall:
	mov	%rsp, %gs:T_USP
	mov	%gs:T_KSP, %rsp
	sub	$F_SIZE, %rsp
	mov	%rax, F_NUMBER(%rsp)
	mov	%rdi, F_RDI(%rsp)
	mov	%rsi, F_RSI(%rsp)
	mov	%rdx, F_RDX(%rsp)
	mov	%r10, F_R10(%rsp)
	mov	%r8, F_R8(%rsp)
	mov	%r9, F_R9(%rsp)
	mov	%rbx, %gs:T_REGS+R_RBX
	mov	%rbp, %gs:T_REGS+R_RBP
	mov	%r12, %gs:T_REGS+R_R12
	mov	%r13, %gs:T_REGS+R_R13
	mov	%r14, %gs:T_REGS+R_R14
	mov	%r15, %gs:T_REGS+R_R15
	cmp	call_count(%rip), %rax
	jae	1f
	lea	call_table(%rip), %r11
	mov	(%r11,%rax,8), %r11
	mov	%r10, %rcx
	test	%r11, %r11
	jz	1f
	call	*%r11
	.globl pers_exit
pers_exit:
	cmpl	$0, %gs:T_WORK
	jne	pers_slow
	mov	F_RDI(%rsp), %rdi
	mov	F_RSI(%rsp), %rsi
	mov	F_RDX(%rsp), %rdx
	mov	F_R10(%rsp), %r10
	mov	F_R8(%rsp), %r8
	mov	F_R9(%rsp), %r9
	mov	%gs:T_USP, %rsp
	.globl pers_exit_ret
pers_exit_ret:
	ret	$128
1:	mov	$-ENOSYS, %rax
	jmp	pers_exit

	/* There may be a signal to deliver: the program's registers go to the record. */
pers_slow:
	mov	%rax, %gs:T_REGS+R_RAX
	call	thread_save_frame
	mov	F_NUMBER(%rsp), %rdi
	call	signal_exit
	jmp	pers_resume

	/* Goes back to the registers in the record. */
	.globl pers_sigreturn
pers_sigreturn:
	add	$8, %rsp
	call	lx_sigreturn
	.globl pers_resume
pers_resume:
	cmpl	$0, %gs:T_WORK
	jne	1f
	mov	%gs:T_REGS+R_RAX, %rax
	mov	%gs:T_REGS+R_RBX, %rbx
	mov	%gs:T_REGS+R_RCX, %rcx
	mov	%gs:T_REGS+R_RDX, %rdx
	mov	%gs:T_REGS+R_RSI, %rsi
	mov	%gs:T_REGS+R_RDI, %rdi
	mov	%gs:T_REGS+R_RBP, %rbp
	mov	%gs:T_REGS+R_R8, %r8
	mov	%gs:T_REGS+R_R9, %r9
	mov	%gs:T_REGS+R_R10, %r10
	mov	%gs:T_REGS+R_R11, %r11
	mov	%gs:T_REGS+R_R12, %r12
	mov	%gs:T_REGS+R_R13, %r13
	mov	%gs:T_REGS+R_R14, %r14
	mov	%gs:T_REGS+R_R15, %r15
	mov	%gs:T_RESUME_SP, %rsp
	.globl pers_resume_pop, pers_resume_ret
pers_resume_pop:
	popfq
pers_resume_ret:
	ret	$128
1:	mov	%gs:T_KSP, %rsp
	mov	$-1, %rdi
	call	signal_exit
	jmp	pers_resume

	/* A new thread, on its own stack, with its record in rdi. */
	.globl pers_thread
pers_thread:
	call	thread_begin
	jmp	pers_resume

	/* The timer's thread, which has no program part. */
	.globl pers_timer
pers_timer:
	call	timer_run
	ud2

	/* A note, in rdi.  On the program's stack: changes to the thread's own, which is idle. */
	.globl pers_note
pers_note:
	mov	R_RSP(%rdi), %rax
	cmp	%gs:T_STACK_LOW, %rax
	jb	1f
	cmp	%gs:T_KSP, %rax
	jbe	2f
1:	mov	%gs:T_KSP, %rsp
2:	and	$-16, %rsp
	call	signal_note
	mov	%rax, %rdi
	mov	$SYS_NOTED_NR, %eax
	syscall
	ud2

	/* Ends the process by the signal in rdi. */
	.globl pers_die
pers_die:
	mov	%gs:T_KSP, %rsp
	call	signal_die
	ud2

	/* A fault on memory that the program gave: the call's result is an error. */
	.globl pers_fault
pers_fault:
	mov	%gs:T_KSP, %rsp
	sub	$F_SIZE, %rsp
	mov	%gs:T_REGS+R_RBX, %rbx
	mov	%gs:T_REGS+R_RBP, %rbp
	mov	%gs:T_REGS+R_R12, %r12
	mov	%gs:T_REGS+R_R13, %r13
	mov	%gs:T_REGS+R_R14, %r14
	mov	%gs:T_REGS+R_R15, %r15
	mov	$-EFAULT, %rax
	jmp	pers_exit

	/*
	 * long lux_blocking(number, a, b, c, d, e, f): a call that may sleep.  -EINTR, without
	 * the call, when a signal came before it.
	 */
	.globl lux_blocking, blocking_check, blocking_call, blocking_abort
lux_blocking:
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
blocking_check:
	cmpl	$0, %gs:T_WORK
	jne	blocking_abort
blocking_call:
	syscall
	ret
blocking_abort:
	mov	$-EINTR, %rax
	ret

	/* Copies n bytes. */
	.globl memcpy, memset
memcpy:
	mov	%rdi, %rax
	mov	%rdx, %rcx
	rep movsb
	ret
memset:
	mov	%rdi, %r11
	mov	%esi, %eax
	mov	%rdx, %rcx
	rep stosb
	mov	%r11, %rax
	ret

	.bss
	.balign	4096
	.globl first_stack, first_thread
first_stack:
	.skip	FIRST_STACK
first_thread:
	.skip	FIRST_THREAD

	.section .note.GNU-stack, "", @progbits
