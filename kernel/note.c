/*
 * Notes: posting, delivery on the user's stack, return.
 *
 * A process queues at most NOTES_MAX; one more is lost, and so is one that waits already.  A thread
 * in its handler gets no other until SYS_NOTED.  "kill" is not queued: it ends the process.
 */
#include "note.h"

#include "amd64/cpu.h"
#include "as.h"
#include "exec.h"
#include "procs.h"
#include "syscall.h"

#define MXCSR_OFFSET	24
#define MXCSR_MASK	0xffbfu

/* Called with p->lock held; the thread that shall take it, or NULL. */
static struct thread *
taker(struct proc *p, int tid)
{
	list_for_each(l, &p->threads) {
		struct thread *t = list_entry(l, struct thread, siblings);

		if (tid == 0 || t->tid == tid)
			return t;
	}
	return NULL;
}

static int
note_add(struct proc *p, const struct note *n)
{
	struct thread *t = taker(p, n->tid);

	if (t == NULL)
		return -ESRCH;
	for (int i = 0; i < p->nnotes; i++)
		if (p->notes[i].tid == n->tid && strcmp(p->notes[i].text, n->text) == 0)
			return 0;
	if (p->nnotes == NOTES_MAX)
		return error(EAGAIN, "note: process %d has %d waiting", p->pid, NOTES_MAX);
	p->notes[p->nnotes++] = *n;
	thread_set_work(t, WORK_NOTE);
	return 0;
}

int
proc_note(struct proc *p, int tid, const char *text)
{
	struct note n = { .tid = tid };
	int err;

	if (strcmp(text, "kill") == 0) {
		proc_kill(p, p == proc_current() ? "kill by itself" : "kill");
		return 0;
	}
	strlcpy(n.text, text, sizeof n.text);
	spin_lock(&p->lock);
	err = note_add(p, &n);
	spin_unlock(&p->lock);
	return err;
}

/* What happened, where, and at which instruction: it may become the cause of a death. */
static void
fault_text(char *to, size_t n, const char *text, uint64_t address, uint64_t rip)
{
	if (address != rip)
		ksnprintf(to, n, "%s at 0x%lx, ip 0x%lx", text, address, rip);
	else
		ksnprintf(to, n, "%s, ip 0x%lx", text, rip);
}

void
note_fault(const char *text, uint64_t address, uint64_t code)
{
	struct thread *t = thread_current();
	struct proc *p = t->proc;
	struct note n = { .address = address, .code = code, .tid = t->tid };
	bool memory = strcmp(text, "sys: memory") == 0;

	if (memory)
		strlcpy(n.text, p->as->over_limit ? "sys: memory limit" : text, sizeof n.text);
	else
		fault_text(n.text, sizeof n.text, text, address, thread_regs(t)->rip);
	if (memory || p->notify == 0 || t->in_note) {	/* a handler would need memory too */
		kprint("%s %d: %s\n", p->name, p->pid, n.text);
		proc_exit_current(256, n.text);
		return;
	}
	spin_lock(&p->lock);
	if (p->nnotes == NOTES_MAX)	/* a fault cannot wait: it takes the place of another */
		p->nnotes--;
	memmove(&p->notes[1], &p->notes[0], (size_t)p->nnotes * sizeof n);
	p->notes[0] = n;
	p->nnotes++;
	spin_unlock(&p->lock);
	thread_set_work(t, WORK_NOTE);
}

/* Takes the first note for t: false if there is none. */
static bool
note_take(struct thread *t, struct note *n)
{
	struct proc *p = t->proc;
	bool found = false;

	spin_lock(&p->lock);
	for (int i = 0; i < p->nnotes && !found; i++) {
		if (p->notes[i].tid != 0 && p->notes[i].tid != t->tid)
			continue;
		*n = p->notes[i];
		p->nnotes--;
		memmove(&p->notes[i], &p->notes[i + 1], (size_t)(p->nnotes - i) * sizeof *n);
		found = true;
	}
	spin_unlock(&p->lock);
	return found;
}

void
notes_leave(const struct thread *t)
{
	struct proc *p = t->proc;
	struct thread *other = taker(p, 0);
	int kept = 0;

	for (int i = 0; i < p->nnotes; i++)
		if (p->notes[i].tid != t->tid)
			p->notes[kept++] = p->notes[i];
	p->nnotes = kept;
	if (kept > 0 && other != NULL)
		thread_set_work(other, WORK_NOTE);
}

static void
deliver(struct thread *t, struct sys_regs *r)
{
	struct proc *p = t->proc;
	struct sys_note *frame;
	struct note n;

	__atomic_fetch_and(&t->work, ~WORK_NOTE, __ATOMIC_SEQ_CST);
	if (t->in_note || !note_take(t, &n))
		return;
	if (p->notify == 0) {
		if (strcmp(n.text, "sys: child") != 0)
			proc_exit_current(256, n.text);
		return;
	}
	uint64_t sp = ROUND_DOWN(r->rsp - SYS_UPCALL_REDZONE - sizeof *frame, 16ul);

	frame = (struct sys_note *)sp;
	__asm__ volatile("fxsave64 (%0)" : : "r"(t->fpu) : "memory");
	if (copy_to_user(&frame->regs, r, sizeof *r) != 0 ||
	    copy_to_user(&frame->address, &n.address, 16) != 0 ||
	    copy_to_user(frame->text, n.text, sizeof n.text) != 0 ||
	    copy_to_user(frame->fpu, t->fpu, sizeof frame->fpu) != 0) {
		proc_exit_current(256, "sys: no stack for a note");
		return;
	}
	t->in_note = true;
	r->rip = p->notify;
	r->rdi = sp;
	r->rsp = sp - 8;
	r->rflags = RFLAGS_IF | 2;
}

int64_t
sys_noted(const uint64_t a[6])
{
	struct thread *t = thread_current();
	struct sys_regs *r = thread_regs(t), new_regs;
	uint8_t fpu[512] __attribute__((aligned(16)));
	uint32_t mxcsr;

	if (copy_from_user(&new_regs, (void *)(a[0] + offsetof(struct sys_note, regs)),
			   sizeof new_regs) != 0 ||
	    copy_from_user(fpu, (void *)(a[0] + offsetof(struct sys_note, fpu)), sizeof fpu) != 0)
		return -EFAULT;
	if (new_regs.rip >= USER_HIGH)
		return error(EINVAL, "noted: no program at 0x%lx", new_regs.rip);
	memcpy(&mxcsr, fpu + MXCSR_OFFSET, sizeof mxcsr);
	mxcsr &= MXCSR_MASK;
	memcpy(fpu + MXCSR_OFFSET, &mxcsr, sizeof mxcsr);
	__asm__ volatile("fxrstor64 (%0)" : : "r"(fpu) : "memory");
	*r = new_regs;
	r->rflags = (r->rflags & RFLAGS_USER) | RFLAGS_IF | 2;
	t->in_note = false;
	uint32_t work = WORK_FRAME;

	if (t->proc->nnotes > 0)
		work |= WORK_NOTE;
	__atomic_fetch_or(&t->work, work, __ATOMIC_SEQ_CST);
	return 0;
}

int64_t
sys_notify(const uint64_t a[6])
{
	if (a[0] >= USER_HIGH)
		return error(EINVAL, "notify: no program at 0x%lx", a[0]);
	proc_current()->notify = a[0];
	return 0;
}

int64_t
sys_note(const uint64_t a[6])
{
	char text[64];
	int64_t n = copy_str_from_user(text, (const char *)a[2], sizeof text);
	struct proc *p;

	if (n < 0)
		return n;
	p = proc_find((int)a[0]);
	if (p == NULL)
		return error(ESRCH, "note: no process %d", (int)a[0]);
	int err = proc_may_control(p);

	if (err == 0)
		err = proc_note(p, (int)a[1], text);
	proc_put(p);
	return err;
}

static void
stop_here(struct thread *t)
{
	struct proc *p = t->proc;

	spin_lock(&p->lock);
	while (p->stopped && !(t->work & WORK_KILL))
		wait_on_kill(&p->gone, &p->lock, FOREVER);
	__atomic_fetch_and(&t->work, ~WORK_STOP, __ATOMIC_SEQ_CST);
	spin_unlock(&p->lock);
}

void
note_user_work(struct sys_regs *r)
{
	struct thread *t = thread_current();

	for (;;) {
		uint32_t w = __atomic_load_n(&t->work, __ATOMIC_SEQ_CST);

		if (w & WORK_KILL)
			thread_exit();
		else if (w & WORK_STOP)
			stop_here(t);
		else if (w & WORK_NOTE)
			deliver(t, r);
		else if (w & WORK_RESCHED)
			sched_yield();
		else
			break;
	}
	__atomic_fetch_and(&t->work, ~WORK_FRAME, __ATOMIC_RELAXED);
}

/* From amd64/trap.S: a system call's end, when there is work. */
void syscall_work(struct sys_regs *r, int64_t result);
void
syscall_work(struct sys_regs *r, int64_t result)
{
	if (!(thread_current()->work & WORK_FRAME))
		r->rax = (uint64_t)result;
	note_user_work(r);
}
