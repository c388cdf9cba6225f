/*
 * Processes: birth, death, waiting.
 *
 * tree_lock guards the list of processes, parents and children, and zombies; p->lock the threads,
 * notes and names of one.  A process has one reference for its place in the tree, until its parent
 * has waited for it, and one for each thread.
 */
#include "procs.h"

#include "amd64/cpu.h"
#include "amd64/mmu.h"
#include "as.h"
#include "cap.h"
#include "env.h"
#include "exec.h"
#include "fd.h"
#include "hw.h"
#include "note.h"
#include "syscall.h"

#define PROC_MAX	4096

static struct spinlock tree_lock = SPINLOCK("proc tree");
static struct list procs = LIST_INIT(procs);
static unsigned nprocs;
static struct proc *first;

static struct proc *
proc_new(void)
{
	struct proc *p = kzalloc(sizeof *p);

	if (p == NULL)
		return NULL;
	p->refs = 1;
	spin_init(&p->lock, "proc");
	list_init(&p->all);
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->threads);
	waitq_init(&p->child_wait);
	waitq_init(&p->gone);
	p->start_ns = time_now();
	return p;
}

static void
proc_get(struct proc *p)
{
	ref_get(&p->refs);
}

void
proc_put(struct proc *p)
{
	if (!ref_put(&p->refs))
		return;
	if (p->caps != NULL)
		cap_put(p->caps);
	kfree(p);
}

struct proc *
proc_find(int pid)
{
	struct proc *found = NULL;

	spin_lock(&tree_lock);
	list_for_each(l, &procs) {
		struct proc *p = list_entry(l, struct proc, all);

		if (p->pid == pid) {
			proc_get(p);
			found = p;
			break;
		}
	}
	spin_unlock(&tree_lock);
	return found;
}

/* The next process after pid, with a reference. */
static struct proc *
proc_after(int pid)
{
	struct proc *found = NULL;

	spin_lock(&tree_lock);
	list_for_each(l, &procs) {
		struct proc *p = list_entry(l, struct proc, all);

		if (p->pid > pid && (found == NULL || p->pid < found->pid))
			found = p;
	}
	if (found != NULL)
		proc_get(found);
	spin_unlock(&tree_lock);
	return found;
}

int
proc_each(int (*f)(struct proc *, void *), void *arg)
{
	struct proc *p;
	int pid = 0, r = 0;

	while (r == 0 && (p = proc_after(pid)) != NULL) {
		pid = p->pid;
		r = f(p, arg);
		proc_put(p);
	}
	return r;
}

int
proc_may_control(const struct proc *p)
{
	const struct proc *me = proc_current();

	if (p == me || (me->uid == p->uid && (cap_has(me->caps, CAP_ADMIN) || p->caps == me->caps)))
		return 0;
	return cap_check(CAP_ADMIN) == 0 ? 0 :
	       error(EPERM, "process %d is not yours to control", p->pid);
}

uint64_t
proc_memory(struct proc *p)
{
	uint64_t n = 0;

	spin_lock(&p->lock);
	if (p->as != NULL)
		n = p->as->npages * PAGE_SIZE;
	spin_unlock(&p->lock);
	return n;
}

/* --- birth ----------------------------------------------------------------------------------- */

/*
 * A thread of p, not started: p counts it.  NULL, too, if the current thread is to end: all that p
 * had were told so, and the new one would not know.
 */
static struct thread *
add_thread(struct proc *p, uint32_t prio)
{
	struct thread *t = thread_new(p, prio), *me = thread_current();

	if (t == NULL)
		return NULL;
	proc_get(p);
	spin_lock(&p->lock);
	if (me->proc == p && (me->work & WORK_KILL)) {
		spin_unlock(&p->lock);
		thread_put(t);
		return NULL;
	}
	list_append(&p->threads, &t->siblings);
	p->nthreads++;
	spin_unlock(&p->lock);
	return t;
}

/* Puts p, whose first thread is t, into the tree. */
static int
enter_tree(struct proc *p, struct proc *parent, struct thread *t)
{
	spin_lock(&tree_lock);
	if (nprocs >= PROC_MAX) {
		spin_unlock(&tree_lock);
		return error(EAGAIN, "there are %d processes already", PROC_MAX);
	}
	nprocs++;
	p->pid = t->tid;
	if (parent != NULL) {
		p->parent = parent;
		p->ppid = parent->pid;
		list_append(&parent->children, &p->sibling);
	} else {
		p->pgrp = p->session = p->pid;
	}
	list_append(&procs, &p->all);
	spin_unlock(&tree_lock);
	return 0;
}

static void
release_parts(struct proc *p)
{
	spin_lock(&p->lock);
	struct fdtable *fds = p->fds;
	struct chan *cwd = p->cwd;
	struct env *env = p->env;
	struct ns *ns = p->ns;
	struct as *as = p->as;

	p->fds = NULL;
	p->cwd = NULL;
	p->env = NULL;
	p->ns = NULL;
	p->as = NULL;
	spin_unlock(&p->lock);
	if (fds != NULL)
		fdtable_put(fds);
	if (cwd != NULL)
		chan_put(cwd);
	if (env != NULL)
		env_put(env);
	if (ns != NULL)
		ns_put(ns);
	if (as != NULL) {
		if (cpu_self()->as == as)
			mmu_switch(NULL);
		as_put(as);
	}
}

/* A process that never ran. */
static void
proc_abandon(struct proc *p, struct thread *t)
{
	release_parts(p);
	if (t != NULL)
		thread_put(t);
	proc_put(p);
}

static void
inherit(struct proc *p, struct proc *from)
{
	p->pgrp = from->pgrp;
	p->session = from->session;
	p->uid = from->uid;
	p->gid = from->gid;
	p->no_mount = from->no_mount;
	p->interrupts = from->interrupts;
	p->notify = from->notify;
	p->upcall = from->upcall;
	p->caps = cap_get(from->caps);
	spin_lock(&from->lock);
	p->cwd = from->cwd;
	if (p->cwd != NULL)
		chan_get(p->cwd);
	memcpy(p->name, from->name, sizeof p->name);
	memcpy(p->args, from->args, sizeof p->args);
	spin_unlock(&from->lock);
}

static bool
share_names(struct proc *p, struct proc *from, uint64_t flags)
{
	if (flags & SYS_FCLEANNS) {
		p->ns = ns_new();
	} else if (flags & SYS_FNEWNS) {
		p->ns = ns_copy(from->ns);
	} else {
		p->ns = from->ns;
		ns_get(p->ns);
	}
	if (flags & SYS_FNEWENV) {
		p->env = env_copy(from->env);
	} else {
		p->env = from->env;
		env_get(p->env);
	}
	return p->ns != NULL && p->env != NULL;
}

int64_t
sys_fork(const uint64_t a[6])
{
	struct thread *me = thread_current(), *t = NULL;
	struct proc *from = me->proc, *p;
	int64_t err = -ENOMEM;

	if (a[0] & ~(uint64_t)(SYS_FNEWNS | SYS_FCLEANNS | SYS_FNEWENV | SYS_FNOMNT))
		return error(EINVAL, "fork: unknown flags 0x%lx", a[0]);
	p = proc_new();
	if (p == NULL)
		return -ENOMEM;
	inherit(p, from);
	if (a[0] & SYS_FNOMNT)
		p->no_mount = 1;
	p->as = as_fork(from->as);
	p->fds = fdtable_copy(from->fds);
	if (!share_names(p, from, a[0]) || p->as == NULL || p->fds == NULL)
		goto fail;
	t = add_thread(p, me->prio);
	if (t == NULL)
		goto fail;
	err = enter_tree(p, from, t);
	if (err != 0)
		goto fail;
	__asm__ volatile("fxsave64 (%0)" : : "r"(me->fpu) : "memory");
	memcpy(t->fpu, me->fpu, 512);
	*thread_regs(t) = *thread_regs(me);
	thread_regs(t)->rax = 0;
	t->fs_base = me->fs_base;
	t->gs_base = me->gs_base;
	t->in_note = me->in_note;
	int pid = p->pid;

	sched_start(t);
	return pid;
fail:
	proc_abandon(p, t);
	return err;
}

int64_t
sys_thread(const uint64_t a[6])
{
	struct thread *me = thread_current(), *t;
	struct sys_regs *r;

	if (a[0] >= USER_HIGH || a[1] > USER_HIGH || a[3] >= USER_HIGH || a[4] >= USER_HIGH)
		return error(EINVAL, "thread: bad address");
	t = add_thread(me->proc, me->prio);
	if (t == NULL)
		return -ENOMEM;
	r = thread_regs(t);
	memset(r, 0, sizeof *r);
	r->rip = a[0];
	r->rsp = a[1];
	r->rdi = a[2];
	r->rflags = RFLAGS_IF | 2;
	t->fs_base = a[3];
	t->gs_base = a[4];
	int tid = t->tid;

	sched_start(t);
	return tid;
}

/* The start of a spawned process, in the kernel, on its own thread. */
static void
spawn_start(void *arg)
{
	struct exec_program *prog = arg;

	exec_commit(prog);
	kfree(prog);
}

static int
spawn_load(const struct spawn *s, struct exec_program *prog)
{
	struct exec_args args;
	int err = exec_args_new(&args);

	if (err != 0)
		return err;
	for (const char *const *v = s->argv; err == 0 && *v != NULL; v++)
		err = exec_args_add(&args, *v, false);
	for (const char *const *v = s->envp; err == 0 && v != NULL && *v != NULL; v++)
		err = exec_args_add(&args, *v, true);
	if (err == 0)
		err = exec_load(NULL, s->path, &args, prog);
	exec_args_free(&args);
	return err;
}

static int
spawn_files(struct proc *p, const struct spawn *s)
{
	p->fds = fdtable_new();
	for (int i = 0; i < 3; i++) {
		if (p->fds == NULL || s->fd[i] == NULL)
			continue;
		chan_get(s->fd[i]);
		int err = fdtable_put_at(p->fds, i, s->fd[i]);

		if (err < 0)
			return err;
	}
	return p->fds != NULL ? 0 : -ENOMEM;
}

int
proc_spawn(const struct spawn *s, struct proc **out)
{
	struct proc *me = proc_current(), *p = NULL;
	struct thread *t = NULL;
	struct exec_program *prog = kzalloc(sizeof *prog);
	int err = prog != NULL ? spawn_load(s, prog) : -ENOMEM;

	if (err != 0)
		goto fail;
	p = proc_new();
	if (p == NULL) {
		err = -ENOMEM;
		goto fail_loaded;
	}
	inherit(p, me);
	cap_put(p->caps);
	p->caps = cap_get(s->caps);
	p->notify = p->upcall = 0;
	p->sip = s->sip;
	p->as = prog->as;		/* so that the thread can run; exec_commit keeps it */
	as_get(p->as);
	p->interrupts = s->interrupts;
	if (s->memory_limit != 0)
		err = as_limit(p->as, ROUND_UP(s->memory_limit, PAGE_SIZE) / PAGE_SIZE);
	if (err == 0 && !share_names(p, me, 0))
		err = -ENOMEM;
	if (err != 0)
		goto fail_loaded;
	err = spawn_files(p, s);
	if (err != 0)
		goto fail_loaded;
	t = add_thread(p, s->prio != 0 ? MIN(s->prio, 30u) : PRIO_DEFAULT);
	err = t != NULL ? enter_tree(p, me, t) : -ENOMEM;
	if (err != 0)
		goto fail_loaded;
	t->kernel_fn = spawn_start;
	t->kernel_arg = prog;
	if (out != NULL) {
		proc_get(p);
		*out = p;
	}
	err = p->pid;
	sched_start(t);
	goto done;
fail_loaded:
	as_put(prog->as);
	if (p != NULL)
		proc_abandon(p, t);
fail:
	kfree(prog);
done:
	for (int i = 0; i < 3; i++)
		if (s->fd[i] != NULL)
			chan_put(s->fd[i]);
	cap_put(s->caps);
	return err;
}

struct proc *
proc_first(void (*fn)(void *))
{
	struct proc *p = proc_new();

	p->as = as_new();
	p->fds = fdtable_new();
	p->ns = ns_new();
	p->env = env_new();
	p->caps = cap_all();
	strlcpy(p->name, "boot", sizeof p->name);
	struct thread *t = add_thread(p, PRIO_DEFAULT);

	if (t == NULL || enter_tree(p, NULL, t) != 0)
		panic("no memory for the first process");
	t->kernel_fn = fn;
	first = p;
	sched_start(t);
	return p;
}

/* --- death ----------------------------------------------------------------------------------- */

/* Called with p->lock held. */
static void
end_threads(struct proc *p, struct thread *but)
{
	list_for_each(l, &p->threads) {		/* NOLINT: a list has no NULL */
		struct thread *t = list_entry(l, struct thread, siblings);

		if (t != but)
			thread_set_work(t, WORK_KILL);
	}
}

static void
proc_end(struct proc *p, int status, const char *note)
{
	spin_lock(&p->lock);
	if (!p->exiting) {
		p->exiting = true;
		p->end.status = status;
		strlcpy(p->end.note, note, sizeof p->end.note);
	}
	end_threads(p, NULL);
	spin_unlock(&p->lock);
}

void
proc_exit_current(int status, const char *note)
{
	proc_end(proc_current(), status, note);
}

void
proc_kill(struct proc *p, const char *why)
{
	proc_end(p, 256, why);
}

int
proc_stop(struct proc *p, bool stop)
{
	spin_lock(&p->lock);
	p->stopped = stop;
	if (stop)
		list_for_each(l, &p->threads)
			thread_set_work(list_entry(l, struct thread, siblings), WORK_STOP);
	else
		wake_all(&p->gone);
	spin_unlock(&p->lock);
	return 0;
}

int
proc_single_thread(void)
{
	struct thread *me = thread_current();
	struct proc *p = me->proc;
	int err = 0;

	spin_lock(&p->lock);
	if (me->work & WORK_KILL)	/* another's exit, or its exec, came first */
		err = -EINTR;
	else
		end_threads(p, me);
	while (err == 0 && p->nthreads > 1)
		err = wait_on_kill(&p->gone, &p->lock, FOREVER);
	spin_unlock(&p->lock);
	return err;
}

/* Gives p's children to the first process. */
static void
orphan_children(struct proc *p)
{
	spin_lock(&tree_lock);
	while (!list_empty(&p->children)) {
		struct proc *c = list_entry(list_pop(&p->children), struct proc, sibling);

		c->parent = first;
		c->ppid = first->pid;
		list_append(&first->children, &c->sibling);
		if (c->zombie)
			wake_all(&first->child_wait);
	}
	spin_unlock(&tree_lock);
}

static void
become_zombie(struct proc *p)
{
	struct proc *parent;

	spin_lock(&tree_lock);
	p->zombie = true;
	parent = p->parent;
	if (parent != NULL) {
		proc_get(parent);
		wake_all(&parent->child_wait);
	}
	spin_unlock(&tree_lock);
	if (parent != NULL) {
		if (parent->notify != 0)
			proc_note(parent, 0, "sys: child");
		proc_put(parent);
	}
}

/* In the last thread. */
static void
proc_finish(struct proc *p)
{
	if (p == first)
		panic("the first process ended: status %d %s", p->end.status, p->end.note);
	hw_proc_exit(p);
	orphan_children(p);
	release_parts(p);
	p->end.pid = p->pid;
	p->end.cpu_ns = p->cpu_ns;
	if (p->sip != NULL)
		sip_proc_exit(p, &p->end);
	become_zombie(p);
}

void
thread_exit(void)
{
	struct thread *t = thread_current();
	struct proc *p = t->proc;
	uint64_t ticks = t->cpu_ns + (rdtsc() - t->start_ns);

	spin_lock(&p->lock);
	list_remove(&t->siblings);
	notes_leave(t);
	p->cpu_ns += mul_div(ticks, 1000000000u, time_tsc_hz());
	bool last = --p->nthreads == 0;

	wake_all(&p->gone);
	spin_unlock(&p->lock);
	if (last)
		proc_finish(p);
	request_free(t);
	t->state = T_DEAD;
	schedule();
	panic("a dead thread runs");
}

int64_t
sys_exit(const uint64_t a[6])
{
	proc_exit_current((int)(a[0] & 255), "");
	return 0;
}

int64_t
sys_thread_exit(const uint64_t a[6])
{
	static const uint32_t zero;

	if (a[0] != 0 && copy_to_user((void *)a[0], &zero, sizeof zero) == 0) {
		const uint64_t wake[6] = { a[0], SYS_FUTEX_WAKE, 1 };

		sys_futex(wake);
	}
	thread_set_work(thread_current(), WORK_KILL);
	return 0;
}

/* --- waiting --------------------------------------------------------------------------------- */

static bool
wanted(const struct proc *c, int pid, const struct proc *me)
{
	if (pid > 0)
		return c->pid == pid;
	if (pid == 0)
		return c->pgrp == me->pgrp;
	return pid == -1 || (uint32_t)c->pgrp == -(uint32_t)pid;
}

/* Called with tree_lock held: 1 and *out a zombie, 0 if one may come, -ECHILD. */
static int
find_zombie(struct proc *me, int pid, struct proc **out)
{
	int r = -ECHILD;

	list_for_each(l, &me->children) {
		struct proc *c = list_entry(l, struct proc, sibling);

		if (!wanted(c, pid, me))
			continue;
		r = 0;
		if (c->zombie) {
			*out = c;
			return 1;
		}
	}
	return r;
}

int64_t
sys_wait(const uint64_t a[6])
{
	struct proc *me = proc_current(), *c = NULL;
	struct sys_wait end;
	int err;

	spin_lock(&tree_lock);
	while ((err = find_zombie(me, (int)a[0], &c)) == 0) {
		if (a[2] & SYS_WNOHANG)
			break;
		err = wait_on(&me->child_wait, &tree_lock, FOREVER);
		if (err != 0)
			break;
	}
	if (c != NULL) {
		list_remove(&c->sibling);
		list_remove(&c->all);
		nprocs--;
	}
	spin_unlock(&tree_lock);
	if (err == -ECHILD)
		return error(ECHILD, "wait: no such child");
	if (c == NULL)
		return err;
	end = c->end;
	proc_put(c);
	if (a[1] != 0 && copy_to_user((void *)a[1], &end, sizeof end) != 0)
		return -EFAULT;
	return end.pid;
}
