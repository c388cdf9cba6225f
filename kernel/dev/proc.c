/*
 * dev_proc: /proc, the processes.  proc(3)
 *
 * qid.path is pid << 8 | file; a channel holds no reference to its process: each call finds it
 * again, and fails with ENOENT once it is gone.  What belongs to a process is taken with a
 * reference under its lock, and used without.
 */
#include "fd.h"
#include "name.h"
#include "procs.h"

#define FILE_BITS	8

enum { QDIR, QCTL, QSTATUS, QNS, QFD, QMEM, QREGS, QNOTE, QWAIT, QARGS };
enum { DIRECTORY = 0040555, RFLAGS_USER = 0xdd5, RFLAGS_FIXED = 0x202 };

static const struct dirtab files[] = {
	{ "ctl", QCTL, 0100200, 0 }, { "status", QSTATUS, 0100444, 0 },
	{ "ns", QNS, 0100444, 0 }, { "fd", QFD, 0100444, 0 }, { "mem", QMEM, 0100600, 0 },
	{ "regs", QREGS, 0100600, 0 }, { "note", QNOTE, 0100200, 0 },
	{ "wait", QWAIT, 0100400, 0 }, { "args", QARGS, 0100444, 0 },
};

static inline int
pid_of(const struct chan *c)
{
	return (int)(c->qid.path >> FILE_BITS);
}

static inline unsigned
file_of(const struct chan *c)
{
	return c->qid.path & ((1 << FILE_BITS) - 1);
}

static struct proc *
process(const struct chan *c)
{
	return proc_find(pid_of(c));
}

/* A process by its number, or the caller. */
static int
root_find(const char *name, struct dirtab *e)
{
	struct proc *p;
	uint64_t pid;

	if (strcmp(name, "self") == 0)
		pid = (uint64_t)proc_current()->pid;
	else if (name[0] < '1' || name[0] > '9' || text_number(name, INT32_MAX, &pid) < 0)
		return -ENOENT;
	p = proc_find((int)pid);
	if (p == NULL)
		return -ENOENT;
	proc_put(p);
	*e = (struct dirtab){ name, pid << FILE_BITS, DIRECTORY, 0 };
	return 0;
}

static bool
is_private(unsigned file)
{
	return file == QCTL || file == QMEM || file == QREGS || file == QNOTE;
}

/* The process of c, if the caller may do what the file is for. */
static int
open_process(struct chan *c, struct proc **out)
{
	struct proc *p = process(c);
	int err = 0;

	if (p == NULL)
		return error(ENOENT, "process %d is gone", pid_of(c));
	if (is_private(file_of(c)))
		err = proc_may_control(p);
	if (err < 0) {
		proc_put(p);
		return err;
	}
	*out = p;
	return 0;
}

static int
proc_open(struct chan **c, uint32_t flags)
{
	unsigned file = file_of(*c);
	struct proc *p;
	int err;

	if ((*c)->qid.path == 0)
		return 0;
	err = file == QDIR ? 0 : devtab_check(&files[file - 1], flags);
	if (err == 0)
		err = open_process(*c, &p);
	if (err == 0)
		proc_put(p);
	return err;
}

/* Called with the lock held. */
static struct thread *
first_thread(const struct proc *p)
{
	if (list_empty(&p->threads))
		return NULL;
	return list_entry(p->threads.next, struct thread, siblings);
}

static const char *
state_name(const struct proc *p)
{
	static const char *const names[] = {
		[T_NEW] = "new", [T_RUNNABLE] = "ready", [T_RUNNING] = "running",
		[T_SLEEPING] = "sleeping", [T_WAKING] = "ready",
		[T_DEAD] = "dead",
	};

	if (p->zombie || list_empty(&p->threads))
		return "ended";
	if (p->stopped)
		return "stopped";
	return names[first_thread(p)->state % ARRAY_LEN(names)];
}

static void
status_text(struct text *t, void *arg)
{
	struct proc *p = arg;
	uint64_t memory = proc_memory(p);

	spin_lock(&p->lock);
	text_add(t, "name %s\npid %d\nppid %d\npgrp %d\nsession %d\nuid %u\ngid %u\nstate %s\n"
		 "threads %u\nmemory %lu\ncpu_ns %lu\nstart_ns %lu\n", p->name, p->pid, p->ppid,
		 p->pgrp, p->session, p->uid, p->gid, state_name(p), p->nthreads, memory,
		 p->cpu_ns, p->start_ns);
	spin_unlock(&p->lock);
}

static void
args_text(struct text *t, void *arg)
{
	struct proc *p = arg;

	spin_lock(&p->lock);
	text_add(t, "%s\n", p->args);
	spin_unlock(&p->lock);
}

static void
fd_text(struct text *t, void *arg)
{
	static const char *const modes[] = { "r", "w", "rw", "-" };
	struct proc *p = arg;
	struct path *cwd = NULL;
	struct fdtable *fds;

	spin_lock(&p->lock);
	fds = p->fds;
	if (fds)
		fdtable_get(fds);
	if (p->cwd)
		cwd = path_get(p->cwd->path);
	spin_unlock(&p->lock);
	text_add(t, "%s\n", cwd ? cwd->text : "");
	path_put(cwd);
	for (int fd = 0; fds && fd < FD_MAX; fd++) {
		struct chan *c = fdtable_at(fds, fd);

		if (c == NULL)
			continue;
		text_add(t, "%d %s %s %u %lu %10lu %s\n", fd, modes[c->flags & 3], c->dev->name,
			 c->id, c->qid.path, c->offset, c->path ? c->path->text : "-");
		chan_put(c);
	}
	fdtable_put(fds);
}

int64_t
proc_ns_read(struct proc *p, struct uio *u, uint64_t off)
{
	struct ns *ns;
	char *text;
	int64_t n;

	spin_lock(&p->lock);
	ns = p->ns;
	if (ns)
		ns_get(ns);
	spin_unlock(&p->lock);
	if (ns == NULL)
		return 0;
	n = ns_text(ns, &text);
	ns_put(ns);
	if (n < 0)
		return n;
	n = uio_put_text(u, off, text, (size_t)n);
	kfree(text);
	return n;
}

/* Blocks until the process has ended; then who it was and how it ended, once. */
static int64_t
read_wait(struct proc *p, struct uio *u, uint64_t off)
{
	char text[128];
	int err = 0, n;

	spin_lock(&p->lock);
	while (p->nthreads > 0 && err == 0)
		err = wait_on(&p->gone, &p->lock, FOREVER);
	n = ksnprintf(text, sizeof(text), "%d %d %lu %s\n", p->pid, p->end.status, p->cpu_ns,
		      p->end.note);
	spin_unlock(&p->lock);
	return err < 0 ? err : uio_put_text(u, off, text, MIN((size_t)n, sizeof(text) - 1));
}

static int64_t
memory(struct proc *p, struct uio *u, uint64_t addr, bool write)
{
	char *buf = kmalloc(PAGE_SIZE);
	size_t done = 0;
	struct as *as;
	int err = 0;

	spin_lock(&p->lock);
	as = p->as;
	if (as)
		as_get(as);
	spin_unlock(&p->lock);
	while (as && buf && u->left > 0 && err == 0) {
		size_t n = MIN(u->left, PAGE_SIZE - (addr & PAGE_MASK));

		if (write)
			err = uio_get(u, buf, n);
		if (err == 0 && addr < USER_TOP)
			err = write ? as_copy_out(as, addr, buf, n) : as_copy_in(as, buf, addr, n);
		else if (err == 0)
			err = -EFAULT;
		if (err == 0 && !write)
			err = uio_put(u, buf, n);
		if (err == 0) {
			done += n;
			addr += n;
		}
		irq_window();
	}
	if (as)
		as_put(as);
	kfree(buf);
	if (as == NULL || buf == NULL)
		return as ? -ENOMEM : 0;
	return done > 0 ? (int64_t)done : err;
}

static int64_t
read_regs(struct proc *p, struct uio *u, uint64_t off)
{
	struct sys_regs r;
	struct thread *t;

	spin_lock(&p->lock);
	t = first_thread(p);
	if (t)
		r = *thread_regs(t);
	spin_unlock(&p->lock);
	return t ? uio_put_text(u, off, (const char *)&r, sizeof(r)) : -ESRCH;
}

/* Called with the lock held: t waits, on its way to user mode, for its process to go on. */
static bool
is_stopped(const struct proc *p, const struct thread *t)
{
	if (p->stopped)
		list_for_each(l, &p->gone.waiters)
			if (l == &t->wait)
				return true;
	return false;
}

/* Of a stopped process only: its first thread goes on with them. */
static int64_t
write_regs(struct proc *p, struct uio *u, uint64_t off)
{
	struct sys_regs r;
	struct thread *t;
	int err = 0;

	if (off != 0 || u->left != sizeof(r))
		return error(EINVAL, "regs: want all %lu bytes", sizeof(r));
	if (uio_get(u, &r, sizeof(r)) < 0)
		return -EFAULT;
	if (r.rip >= USER_TOP - PAGE_SIZE || r.rsp >= USER_TOP)
		return error(EINVAL, "regs: rip or rsp is not the user's");
	r.rflags = (r.rflags & RFLAGS_USER) | RFLAGS_FIXED;
	spin_lock(&p->lock);
	t = first_thread(p);
	if (t == NULL || !is_stopped(p, t))
		err = -EBUSY;
	else
		*thread_regs(t) = r;
	if (err == 0)
		thread_set_work(t, WORK_FRAME);
	spin_unlock(&p->lock);
	return err ? error(EBUSY, "regs: process %d is not stopped", p->pid) : (int64_t)sizeof(r);
}

static int64_t
proc_read(struct chan *c, struct uio *u, uint64_t off)
{
	struct proc *p;
	int64_t n = open_process(c, &p);

	if (n < 0)
		return n;
	switch (file_of(c)) {
	case QSTATUS:
		n = uio_put_made(u, off, status_text, p);
		break;
	case QFD:
		n = uio_put_made(u, off, fd_text, p);
		break;
	case QARGS:
		n = uio_put_made(u, off, args_text, p);
		break;
	case QNS:
		n = proc_ns_read(p, u, off);
		break;
	case QMEM:
		n = memory(p, u, off, false);
		break;
	case QREGS:
		n = read_regs(p, u, off);
		break;
	case QWAIT:
		n = read_wait(p, u, off);
		break;
	default:
		n = -EPERM;
	}
	proc_put(p);
	return n;
}

static int
command(struct proc *p, const char *text)
{
	if (strcmp(text, "kill") == 0)
		proc_kill(p, "kill");
	else if (strcmp(text, "stop") == 0)
		return proc_stop(p, true);
	else if (strcmp(text, "start") == 0)
		return proc_stop(p, false);
	else
		return error(EINVAL, "ctl: want kill, stop, start");
	return 0;
}

static int64_t
proc_write(struct chan *c, struct uio *u, uint64_t off)
{
	unsigned file = file_of(c);
	char text[64];
	struct proc *p;
	int64_t n;
	int err = open_process(c, &p);

	if (err < 0)
		return err;
	if (file == QMEM || file == QREGS) {
		n = file == QMEM ? memory(p, u, off, true) : write_regs(p, u, off);
	} else if (file == QCTL || file == QNOTE) {
		n = uio_get_command(u, text, sizeof(text));
		if (n >= 0)
			err = file == QCTL ? command(p, text) : proc_note(p, 0, text);
		n = err < 0 ? err : n;
	} else {
		n = -EPERM;
	}
	proc_put(p);
	return n;
}

/* Of the processes, which come in the order of their numbers, the first of at least *arg. */
static int
first_from(struct proc *p, void *arg)
{
	return p->pid >= *(int *)arg ? p->pid : 0;
}

static int
proc_gen(struct chan *c, int i, struct dirtab *e, char buf[SYS_NAME_MAX + 1])
{
	if (c->qid.path == 0) {
		int pid = proc_each(first_from, &i);

		if (pid == 0)
			return -1;
		ksnprintf(buf, SYS_NAME_MAX + 1, "%d", pid);
		*e = (struct dirtab){ buf, (uint64_t)pid << FILE_BITS, DIRECTORY, 0 };
		return pid + 1;
	}
	if (i >= (int)ARRAY_LEN(files))
		return -1;
	*e = files[i];
	e->path |= c->qid.path;
	return 1;
}

static int
proc_stat(struct chan *c, struct sys_stat *st)
{
	unsigned file = file_of(c);
	struct dirtab e = { "", c->qid.path, file ? files[file - 1].mode : DIRECTORY, 0 };
	struct proc *p = c->qid.path ? process(c) : NULL;

	if (c->qid.path && p == NULL)
		return error(ENOENT, "process %d is gone", pid_of(c));
	devtab_stat(c, st, &e);
	if (p) {
		st->uid = p->uid;
		st->gid = p->gid;
		proc_put(p);
	}
	return 0;
}

const struct dev dev_proc = {
	.name = "proc", .attach = devtab_attach, .walk = devtab_walk, .open = proc_open,
	.read = proc_read, .write = proc_write, .readdir = devtab_readdir, .stat = proc_stat,
	.gen = proc_gen, .find = root_find,
};
