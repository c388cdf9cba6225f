/* Notes, and what a thread does on its way back to user mode.  note.c. */
#pragma once
#include "proc.h"

/* A fault of the current thread: it is told first, and ends if it has no handler. */
void note_fault(const char *text, uint64_t address, uint64_t code);
/* Does all WORK_* of the current thread; may not return.  r is what it will go on with. */
void note_user_work(struct sys_regs *r);
/* The current thread leaves its process, whose lock is held: its notes go, others find another. */
void notes_leave(const struct thread *t);
