/*
 * Threads, processes, time.
 */
#pragma once
#include <lux9/sys.h>

#include "chan.h"
#include "lock.h"
#include "mem.h"

struct cap_set;
struct env;
struct request;

enum thread_state { T_NEW, T_RUNNABLE, T_RUNNING, T_SLEEPING, T_WAKING, T_DEAD };

#define PRIO_DEFAULT	10u

struct thread {
	/* Offsets 0..39 are known to amd64/trap.S. */
	uint64_t ksp;			/* saved kernel stack pointer */
	uint8_t *kstack;		/* lowest address of the stack */
	void *fpu;			/* FXSAVE or XSAVE area */
	struct proc *proc;		/* NULL: a kernel thread */
	uint32_t work;			/* WORK_*: to do before it goes back to user mode; atomic */

	uint32_t state;			/* enum thread_state; atomic */
	uint32_t on_cpu;		/* its registers are in a processor */
	uint32_t refs;
	int32_t tid;
	uint32_t cpu;			/* where it ran last */
	uint32_t prio;			/* 0 (idle) .. 31 */
	struct list run;		/* in a run queue */
	struct list wait;		/* in a wait queue */
	int wake_reason;
	bool interruptible, killable;
	bool in_note;			/* its handler has not come back */
	struct list siblings;		/* proc->threads */
	uint64_t fs_base, gs_base;
	uint64_t cpu_ns, start_ns;
	void (*kernel_fn)(void *);
	void *kernel_arg;
	struct request *request;	/* service.c: its request record, kept for the next */
	struct thread *serving;		/* mnt.c */
	int errstr_of;			/* the errno that errstr is about; 0: it is told already */
	char errstr[SYS_ERRSTR_MAX];
};

/* Work for a thread on its way to user mode. */
#define WORK_RESCHED	1	/* another thread should run */
#define WORK_NOTE	2	/* a note waits */
#define WORK_KILL	4	/* it must end */
#define WORK_STOP	8	/* its process is stopped */
#define WORK_FRAME	16	/* the saved registers were changed: restore them all */

#define NOTES_MAX 8

struct note {
	char text[64];
	uint64_t address, code;
	int tid;			/* 0: for any thread */
};

struct proc {
	int32_t pid, ppid, pgrp, session;
	uint32_t uid, gid;
	uint32_t refs;
	uint32_t no_mount;		/* SYS_FNOMNT */
	struct spinlock lock;		/* threads, children's ends, notes, cwd, name */
	struct list all;		/* every process, by pid */
	struct list children, sibling;
	struct proc *parent;
	struct list threads;
	uint32_t nthreads;
	struct as *as;
	struct fdtable *fds;
	struct ns *ns;
	struct env *env;
	struct cap_set *caps;
	struct chan *cwd;		/* under lock; take a reference */
	uint64_t notify, upcall;	/* user addresses */
	struct note notes[NOTES_MAX];
	int nnotes;
	bool exiting, zombie, stopped, serves;	/* serves: it has been a service's server */
	struct sys_wait end;
	struct waitq child_wait;	/* under proc.c's tree lock */
	struct waitq gone;		/* under lock: a thread has left, or goes on after a stop */
	uint64_t cpu_ns;
	uint64_t start_ns;
	void *sip;			/* dev/sip.c: the server slot it runs for */
	uint32_t interrupts;		/* a second, above which they are a storm; 0: the default */
	struct vtd_domain *domain;	/* amd64/vtd.c: what its devices reach, or NULL */
	char name[32];
	char args[128];			/* the first bytes of its command line */
};

struct thread *thread_current(void);

static inline struct proc *
proc_current(void)
{
	return thread_current()->proc;
}

/* time.c: ns since boot, monotonic on every processor; ns since 1970. */
uint64_t time_now(void);
uint64_t time_wall(void);
void time_set_wall(uint64_t ns);

/*
 * sched.c.  A thread that is asleep (T_SLEEPING) is made runnable by whoever changes its state
 * first; `reason` is what its wait returns.  False if it was not asleep.
 */
bool thread_wake(struct thread *t, int reason);
/*
 * The current thread, whose state is T_SLEEPING, gives the processor to `next`, which the caller
 * has claimed with thread_claim(); returns when woken.
 */
bool thread_claim(struct thread *t);
void sched_handoff(struct thread *next);
/* Makes a claimed thread runnable instead. */
void sched_run_claimed(struct thread *t);
/* Runs another thread; the current one is T_SLEEPING or T_DEAD. */
void schedule(void);
/* Adds WORK_* and makes the thread notice soon. */
void thread_set_work(struct thread *t, uint32_t work);
/* A new thread with a stack and one reference; runs fn(arg) in the kernel if proc is NULL. */
struct thread *thread_new(struct proc *p, uint32_t prio);
void thread_put(struct thread *t);
void fpu_init(void *fpu);		/* as a program finds it */
void sched_start(struct thread *t);	/* T_NEW to runnable; takes over the reference */
/* The registers of a thread of a process when it is in the kernel. */
struct sys_regs *thread_regs(struct thread *t);

struct sched_stats {
	uint64_t switches, syscalls, interrupts, ipis, faults, idle_ns;
};
unsigned cpu_count(void);
unsigned cpu_id(void);
void sched_stats(unsigned cpu, struct sched_stats *out);
void sched_yield(void);
/* Lets pending interrupts in; call with no spinlock held in loops over user-sized work. */
void irq_window(void);

/* proc.c */
/* Calls f on every process, in order of pid, until it returns not 0, which is returned. */
int proc_each(int (*f)(struct proc *, void *), void *arg);
struct proc *proc_find(int pid);	/* with a reference, or NULL */
void proc_put(struct proc *p);
/* tid 0: any thread.  "kill" cannot be caught. */
int proc_note(struct proc *p, int tid, const char *text);
void proc_kill(struct proc *p, const char *why);
int proc_stop(struct proc *p, bool stop);
/* dev/proc.c: of the text of its name space, as a file, the part at off. */
int64_t proc_ns_read(struct proc *p, struct uio *u, uint64_t off);
uint64_t proc_memory(struct proc *p);	/* bytes of RAM of its own and shared */
/*
 * Starts a program in a new process, a child of the current one, with a name space and
 * environment that are shared with it, the descriptors given (0, 1, 2; references pass) and
 * the capabilities (the reference passes).  Returns its pid.  For dev/sip.c and the first process.
 */
struct spawn {
	const char *path;
	const char *const *argv;	/* NULL-terminated */
	const char *const *envp;	/* NULL-terminated, or NULL */
	struct chan *fd[3];
	struct cap_set *caps;
	void *sip;
	uint64_t memory_limit;		/* bytes; 0: none */
	uint32_t prio;			/* 0: the default */
	uint32_t interrupts;		/* as in struct proc */
};
int proc_spawn(const struct spawn *s, struct proc **out);
