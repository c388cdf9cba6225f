/*
 * Offsets of struct thread and struct sys_note that entry.S uses; thread.c asserts them.
 */
#pragma once

#define T_SELF		0
#define T_KSP		8	/* the top of the thread's own stack */
#define T_USP		16	/* the program's stack pointer at the upcall */
#define T_RESUME_SP	24	/* where pers_resume finds flags and address */
#define T_WORK		32
#define T_STACK_LOW	40
#define T_REGS		48	/* struct sys_regs */

#define R_RAX		0
#define R_RBX		8
#define R_RCX		16
#define R_RDX		24
#define R_RSI		32
#define R_RDI		40
#define R_RBP		48
#define R_RSP		56
#define R_R8		64
#define R_R9		72
#define R_R10		80
#define R_R11		88
#define R_R12		96
#define R_R13		104
#define R_R14		112
#define R_R15		120
#define R_RIP		128
#define R_RFLAGS	136

/* The frame of a call, at the top of the thread's own stack. */
#define F_NUMBER	0
#define F_RDI		8
#define F_RSI		16
#define F_RDX		24
#define F_R10		32
#define F_R8		40
#define F_R9		48
#define F_SIZE		64

/* From the stack pointer that an upcall leaves to the program's own: redzone and address. */
#define UPCALL_LOWERS	136
#define RESUME_LOWERS	144	/* the same, and the flags */

#define SYS_NOTED_NR	0x1069

/* The first thread's, one after the other. */
#define FIRST_STACK	61440
#define FIRST_THREAD	4096
