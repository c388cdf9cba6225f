/* Processes: what proc.c, exec.c, note.c and the system calls share. */
#pragma once
#include "proc.h"
#include "rpc.h"

/*
 * The current process ends with this status; note is what ended it, or "".  Returns, and the
 * thread ends on its way to user mode.
 */
void proc_exit_current(int status, const char *note);
/* The current thread ends now; the last one of a process ends it. */
void thread_exit(void) __attribute__((noreturn));
/* Ends every thread of the current process but the current; -EINTR if it is to end itself. */
int proc_single_thread(void);
/* 0, or -EPERM: the caller may note, stop, kill and look into p. */
int proc_may_control(const struct proc *p);
/* The first process: runs fn in the kernel before it goes to user mode. */
struct proc *proc_first(void (*fn)(void *));
