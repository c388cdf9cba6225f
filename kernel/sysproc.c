/* System calls on the process itself: ids, time, bases, the text of errors. */
#include "amd64/cpu.h"
#include "as.h"
#include "cap.h"
#include "procs.h"
#include "syscall.h"

int64_t
sys_getpid(const uint64_t[6])
{
	return proc_current()->pid;
}

int64_t
sys_gettid(const uint64_t[6])
{
	return thread_current()->tid;
}

/* From amd64/trap.S: a number that is not the kernel's.  The handler, or 0. */
uint64_t syscall_upcall(struct sys_regs *r);
uint64_t
syscall_upcall(struct sys_regs *r)
{
	uint64_t handler = proc_current()->upcall, sp = r->rsp - SYS_UPCALL_REDZONE - 8;

	if (handler == 0)
		return 0;
	if (copy_to_user((void *)sp, &r->rip, sizeof r->rip) != 0) {
		proc_exit_current(256, "sys: no stack for a call");
		return 0;
	}
	r->rsp = sp;
	return handler;
}

int64_t
sys_upcall(const uint64_t a[6])
{
	if (a[0] >= USER_HIGH)
		return error(EINVAL, "upcall: no program at 0x%lx", a[0]);
	proc_current()->upcall = a[0];
	return 0;
}

int64_t
sys_setbase(const uint64_t a[6])
{
	struct thread *t = thread_current();

	if (a[0] > 1 || a[1] >= USER_HIGH)
		return error(EINVAL, "setbase: bad address");
	if (a[0] == 0) {
		t->fs_base = a[1];
		wrmsr(MSR_FS_BASE, a[1]);
	} else {
		t->gs_base = a[1];
		wrmsr(MSR_KERNEL_GS_BASE, a[1]);
	}
	return 0;
}

int64_t
sys_sleep(const uint64_t a[6])
{
	struct spinlock lock = SPINLOCK("sleep");
	struct waitq q;
	uint64_t end = time_now() + a[0];
	int err;

	if ((int64_t)a[0] < 0 || end < a[0])
		end = FOREVER;
	waitq_init(&q);
	spin_lock(&lock);
	err = wait_on(&q, &lock, end);
	spin_unlock(&lock);
	return err == -ETIMEDOUT ? 0 : err;
}

int64_t
sys_time(const uint64_t a[6])
{
	struct thread *t = thread_current();
	uint64_t ticks;

	switch (a[0]) {
	case 0:
		return (int64_t)time_now();
	case 1:
		return (int64_t)time_wall();
	case 2:
		ticks = t->cpu_ns + (rdtsc() - t->start_ns);
		return (int64_t)(t->proc->cpu_ns +
				 mul_div(ticks, 1000000000u, time_tsc_hz()));
	default:
		return error(EINVAL, "time: no clock %lu", a[0]);
	}
}

int64_t
sys_yield(const uint64_t[6])
{
	sched_yield();
	return 0;
}

int64_t
sys_errstr(const uint64_t a[6])
{
	struct thread *t = thread_current();
	size_t n = strlen(t->errstr), part = MIN(n + 1, a[1]);

	if (part == 0)
		return (int64_t)n;
	if (copy_to_user((void *)a[0], t->errstr, part) != 0)
		return -EFAULT;
	return (int64_t)n;
}

int64_t
sys_seterrstr(const uint64_t a[6])
{
	struct thread *t = thread_current();
	size_t n = MIN(a[1], sizeof t->errstr - 1);

	if (copy_from_user(t->errstr, (const void *)a[0], n) != 0) {
		t->errstr[0] = '\0';
		return -EFAULT;
	}
	t->errstr[n] = '\0';
	return 0;
}

int64_t
sys_procinfo(const uint64_t a[6])
{
	struct thread *t = thread_current();
	struct proc *p = t->proc;
	struct sys_procinfo info = {
		.pid = p->pid, .ppid = p->ppid, .tid = t->tid, .pgrp = p->pgrp,
		.session = p->session, .uid = p->uid, .gid = p->gid, .nthreads = p->nthreads,
	};

	return copy_to_user((void *)a[0], &info, sizeof info);
}

/*
 * From amd64/trap.S: a call fails.  A text that was recorded for another error, or for an earlier
 * call, is not this one's.
 */
int64_t syscall_failed(int64_t result);
int64_t
syscall_failed(int64_t result)
{
	struct thread *t = thread_current();

	if (t->errstr_of != -result)
		t->errstr[0] = '\0';
	t->errstr_of = 0;
	return result;
}

/* A process that may not administer the machine cannot become another user, only stay. */
static int
may_become(uint32_t now, uint32_t id)
{
	return now == id || cap_check(CAP_ADMIN) == 0 ? 0 : error(EPERM, "setid: not permitted");
}

int64_t
sys_setid(const uint64_t a[6])
{
	struct proc *p = proc_current();
	int err = 0;

	switch (a[0]) {
	case SYS_ID_UID:
		err = may_become(p->uid, (uint32_t)a[1]);
		if (err == 0)
			p->uid = (uint32_t)a[1];
		return err;
	case SYS_ID_GID:
		err = may_become(p->gid, (uint32_t)a[1]);
		if (err == 0)
			p->gid = (uint32_t)a[1];
		return err;
	case SYS_ID_PGRP:
		p->pgrp = a[1] != 0 ? (int32_t)a[1] : p->pid;
		return p->pgrp;
	case SYS_ID_SESSION:
		p->session = p->pgrp = p->pid;
		return p->pid;
	default:
		return error(EINVAL, "setid: no id %lu", a[0]);
	}
}
