/*
 * Threads: records, start and end, clone and fork, locks, futexes.  [clone(2), futex(2)]
 *
 * A record and its stack are one block; blocks are reused when the kernel has cleared `live`, and
 * never unmapped, so any thread may look at any record at any time.  table_lock guards the choice
 * of a record.  A thread that unmaps the stack it stands on (musl's detached ones) has it done at
 * its end, by which time it stands on its own.
 */
#include "calls.h"

#include <linux/futex.h>
#include <linux/sched.h>

#include "layout.h"

#define ARCH_SET_GS	0x1001
#define ARCH_SET_FS	0x1002
#define ARCH_GET_FS	0x1003
#define ARCH_GET_GS	0x1004
#define CLONE_THREADISH	(CLONE_VM | CLONE_THREAD)

_Static_assert(offsetof(struct thread, ksp) == T_KSP, "layout.h");
_Static_assert(offsetof(struct thread, usp) == T_USP, "layout.h");
_Static_assert(offsetof(struct thread, resume_sp) == T_RESUME_SP, "layout.h");
_Static_assert(offsetof(struct thread, work) == T_WORK, "layout.h");
_Static_assert(offsetof(struct thread, stack_low) == T_STACK_LOW, "layout.h");
_Static_assert(offsetof(struct thread, regs) == T_REGS, "layout.h");
_Static_assert(offsetof(struct sys_note, regs) == 0, "layout.h");
_Static_assert(offsetof(struct sys_regs, rsp) == R_RSP, "layout.h");
_Static_assert(offsetof(struct sys_regs, r15) == R_R15, "layout.h");
_Static_assert(offsetof(struct sys_regs, rflags) == R_RFLAGS, "layout.h");
_Static_assert(SYS_NOTED == SYS_NOTED_NR, "layout.h");

struct thread *threads[THREADS_MAX];
uint32_t thread_count;
static struct lock table_lock;
static uint32_t users;		/* threads of the program; atomic */

void
lock_get(struct lock *l)
{
	uint32_t v = 0;

	if (__atomic_compare_exchange_n(&l->v, &v, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(&l->v, 2, __ATOMIC_ACQUIRE) != 0)
		lux_call5(SYS_FUTEX, LUX_ARG(&l->v), SYS_FUTEX_WAIT, 2, SYS_FOREVER, 0);
}

void
lock_put(struct lock *l)
{
	if (__atomic_exchange_n(&l->v, 0, __ATOMIC_RELEASE) == 2)
		lux_call5(SYS_FUTEX, LUX_ARG(&l->v), SYS_FUTEX_WAKE, 1, 0, 0);
}

/* Also the first thread's, whose memory is static. */
void
thread_init(struct thread *t, uint64_t top, uint64_t low)
{
	memset(t, 0, sizeof(*t));
	t->self = t;
	t->ksp = top;
	t->stack_low = low;
	t->live = 1;
	if (thread_count == 0) {
		threads[thread_count++] = t;
		users = 1;
	}
}

struct thread *
thread_new(void)
{
	struct thread *t = NULL;
	uint32_t i;

	lock_get(&table_lock);
	for (i = 0; i < thread_count; i++) {
		t = threads[i];
		if (!__atomic_load_n(&t->live, __ATOMIC_ACQUIRE) &&
		    !__atomic_load_n(&t->held, __ATOMIC_ACQUIRE))
			break;
	}
	if (i == thread_count) {
		long block = -ENOMEM;

		t = NULL;
		if (i < THREADS_MAX)
			block = lux_call6(SYS_MAP, 0, THREAD_BLOCK, SYS_PROT_READ | SYS_PROT_WRITE,
					  SYS_MAP_PRIVATE, -1, 0);
		if (block > 0) {
			uint64_t end = (uint64_t)block + THREAD_BLOCK;

			t = (struct thread *)((end - sizeof(*t)) & ~63ul);
			thread_init(t, (uint64_t)t, (uint64_t)block);
			threads[i] = t;
			__atomic_store_n(&thread_count, i + 1, __ATOMIC_RELEASE);
		}
	} else {
		thread_init(t, t->ksp, t->stack_low);
	}
	lock_put(&table_lock);
	return t;
}

static int
linux_tid(const struct thread *t)
{
	return t == threads[0] ? proc.pid : t->tid;
}

struct thread *
thread_find(int tid)
{
	for (uint32_t i = 0; i < thread_count; i++)
		if (threads[i]->live && !threads[i]->hidden && linux_tid(threads[i]) == tid)
			return threads[i];
	return NULL;
}

/* The program's registers at the upcall, but for those that entry.S has stored. */
void
thread_save_frame(void)
{
	struct thread *t = thread_self();
	const uint64_t *f = (const uint64_t *)(t->ksp - F_SIZE);
	struct sys_regs *r = &t->regs;

	r->rdi = f[F_RDI / 8];
	r->rsi = f[F_RSI / 8];
	r->rdx = f[F_RDX / 8];
	r->r10 = f[F_R10 / 8];
	r->r8 = f[F_R8 / 8];
	r->r9 = f[F_R9 / 8];
	r->rip = *(const uint64_t *)t->usp;
	r->rsp = t->usp + UPCALL_LOWERS;
	r->rcx = r->rip;
	r->rflags = 0x202;
	r->r11 = r->rflags;
}

/*
 * Whoever is first stores the tid: it must be there when clone returns and when the thread runs,
 * and must not come after the thread's end, which may clear the same word.
 */
static void
tell_tid(struct thread *t, int tid)
{
	lock_get(&t->tell_lock);
	if (t->set_tid_parent && !t->told)
		*t->set_tid_parent = (uint32_t)tid;
	t->tid = tid;
	t->told = true;
	lock_put(&t->tell_lock);
}

void
thread_begin(struct thread *t)
{
	tell_tid(t, (int)lux_call0(SYS_GETTID));
	if (t->set_tid_self)
		*t->set_tid_self = (uint32_t)t->tid;
	signal_waits(t);
	signal_prepare_resume(t);
}

static long
clone_thread(uint64_t flags, uint64_t stack, uint32_t *ptid, uint32_t *ctid, uint64_t tls)
{
	struct thread *self = thread_self(), *t;
	long tid;

	if (flags & CLONE_PARENT_SETTID)
		*ptid = 0;	/* a wrong address is told here */
	t = thread_new();
	if (!t)
		return -EAGAIN;
	thread_save_frame();
	t->regs = self->regs;
	t->regs.rax = 0;
	if (stack)
		t->regs.rsp = stack;
	t->mask = self->mask;
	t->fs = flags & CLONE_SETTLS ? tls : self->fs;
	if (flags & CLONE_PARENT_SETTID)
		t->set_tid_parent = ptid;
	t->held = 1;
	if (flags & CLONE_CHILD_SETTID)
		t->set_tid_self = ctid;
	if (flags & CLONE_CHILD_CLEARTID)
		t->clear_tid = ctid;
	__atomic_add_fetch(&users, 1, __ATOMIC_SEQ_CST);
	tid = lux_call5(SYS_THREAD, LUX_ARG(pers_thread), LUX_ARG(t->ksp), LUX_ARG(t),
			LUX_ARG(t->fs), LUX_ARG(t));
	if (tid < 0) {
		__atomic_sub_fetch(&users, 1, __ATOMIC_SEQ_CST);
		__atomic_store_n(&t->live, 0, __ATOMIC_RELEASE);
	} else {
		tell_tid(t, (int)tid);
	}
	__atomic_store_n(&t->held, 0, __ATOMIC_RELEASE);
	return tid;
}

void
thread_fork_begin(void)
{
	lock_get(&table_lock);
	mem_fork_begin();
}

void
thread_fork_end(bool child)
{
	if (child) {
		struct thread *self = thread_self();

		for (uint32_t i = 0; i < thread_count; i++)
			threads[i]->live = threads[i] == self;
		/* The only thread is the first one: its Linux tid is the pid. */
		for (uint32_t i = 0; i < thread_count; i++)
			if (threads[i] == self) {
				threads[i] = threads[0];
				threads[0] = self;
			}
		users = 1;
		signal_fork_child((int)lux_call0(SYS_GETPID));
		self->tid = (int32_t)lux_call0(SYS_GETTID);
		timer_fork_child();
	}
	mem_fork_end();
	lock_put(&table_lock);
}

long
lx_fork(void)
{
	long pid;

	thread_fork_begin();
	pid = lux_call1(SYS_FORK, 0);
	thread_fork_end(pid == 0);
	return again(pid);
}

/* A process: also what asks for shared memory until exec, which gets a copy. */
static long
clone_process(uint64_t flags, uint64_t stack, uint32_t *ptid, uint32_t *ctid, uint64_t tls)
{
	struct thread *t = thread_self();
	uint64_t back = *(const uint64_t *)t->usp;
	long pid = lx_fork();

	if (pid == 0) {
		if (flags & CLONE_SETTLS) {
			t->fs = tls;
			lux_call2(SYS_SETBASE, 0, LUX_ARG(tls));
		}
		t->clear_tid = flags & CLONE_CHILD_CLEARTID ? ctid : NULL;
		if (flags & CLONE_CHILD_SETTID)
			*ctid = (uint32_t)proc.pid;
		if (stack) {
			t->usp = stack - UPCALL_LOWERS;
			*(uint64_t *)t->usp = back;
		}
	} else if (pid > 0 && (flags & CLONE_PARENT_SETTID)) {
		*ptid = (uint32_t)pid;
	}
	return pid;
}

long
lx_clone(uint64_t flags, uint64_t stack, uint32_t *ptid, uint32_t *ctid, uint64_t tls)
{
	if ((flags & CLONE_THREADISH) == CLONE_THREADISH)
		return clone_thread(flags, stack, ptid, ctid, tls);
	if (flags & CLONE_THREAD)
		return -EINVAL;
	if ((flags & CLONE_VM) && !(flags & CLONE_VFORK))
		return -ENOSYS;
	if (flags & (CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
		     CLONE_NEWUTS | CLONE_NEWCGROUP))
		return -EPERM;
	return clone_process(flags, stack, ptid, ctid, tls);
}

void
lx_exit_group(int status)
{
	lux_call1(SYS_EXIT, status & 0xff);
	__builtin_trap();
}

void
lx_exit(int status)
{
	struct thread *t = thread_self();

	if (__atomic_sub_fetch(&users, 1, __ATOMIC_SEQ_CST) == 0)
		lx_exit_group(status);
	t->mask = ~0ull;
	if (t->clear_tid) {
		__atomic_store_n(t->clear_tid, 0, __ATOMIC_SEQ_CST);
		lux_call5(SYS_FUTEX, LUX_ARG(t->clear_tid), SYS_FUTEX_WAKE, 1, 0, 0);
	}
	if (t->unmap_length)
		lux_call2(SYS_UNMAP, LUX_ARG(t->unmap_addr), LUX_ARG(t->unmap_length));
	lux_call1(SYS_THREAD_EXIT, LUX_ARG(&t->live));
	__builtin_trap();
}

long
lx_gettid(void)
{
	return linux_tid(thread_self());
}

long
lx_set_tid_address(uint32_t *p)
{
	thread_self()->clear_tid = p;
	return lx_gettid();
}

long
lx_arch_prctl(int op, uint64_t addr)
{
	struct thread *t = thread_self();

	switch (op) {
	case ARCH_SET_FS:
		t->fs = addr;
		return lux_call2(SYS_SETBASE, 0, LUX_ARG(addr));
	case ARCH_GET_FS:
		*(uint64_t *)addr = t->fs;
		return 0;
	case ARCH_SET_GS:
		return -EPERM;
	case ARCH_GET_GS:
		*(uint64_t *)addr = 0;
		return 0;
	}
	return -EINVAL;
}

long
lx_sched_yield(void)
{
	return lux_call0(SYS_YIELD);
}

static long
futex_wait(uint32_t *addr, uint32_t value, int64_t deadline)
{
	struct thread *t = thread_self();
	long r;

	do
		r = lux_blocking(SYS_FUTEX, LUX_ARG(addr), SYS_FUTEX_WAIT, value,
				 time_left(deadline), 0, 0);
	while (r == -EINTR && !signal_waits(t));
	if (r == -EINTR && deadline == SYS_FOREVER)
		return -EAGAIN_CALL;
	return r;
}

/* FUTEX_WAKE_OP's word: op:4 cmp:4 oparg:12 cmparg:12. */
static bool
futex_operate(uint32_t *addr, uint32_t word)
{
	uint32_t arg = word >> 12 & 0xfff, other = word & 0xfff;
	uint32_t old = __atomic_load_n(addr, __ATOMIC_SEQ_CST), new;

	if (word & (uint32_t)FUTEX_OP_OPARG_SHIFT << 28)
		arg = 1u << (arg & 31);
	do {
		switch (word >> 28 & 7) {
		case FUTEX_OP_SET: new = arg; break;
		case FUTEX_OP_ADD: new = old + arg; break;
		case FUTEX_OP_OR: new = old | arg; break;
		case FUTEX_OP_ANDN: new = old & ~arg; break;
		default: new = old ^ arg; break;
		}
	} while (!__atomic_compare_exchange_n(addr, &old, new, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	switch (word >> 24 & 15) {
	case FUTEX_OP_CMP_EQ: return old == other;
	case FUTEX_OP_CMP_NE: return old != other;
	case FUTEX_OP_CMP_LT: return (int32_t)old < (int32_t)other;
	case FUTEX_OP_CMP_LE: return (int32_t)old <= (int32_t)other;
	case FUTEX_OP_CMP_GT: return (int32_t)old > (int32_t)other;
	}
	return (int32_t)old >= (int32_t)other;
}

static long
futex_wake(uint32_t *addr, uint64_t n)
{
	return lux_call5(SYS_FUTEX, LUX_ARG(addr), SYS_FUTEX_WAKE, LUX_ARG(n), 0, 0);
}

static int64_t
futex_deadline(int op, int command, uint64_t timeout, long *error)
{
	int64_t span = time_span((const struct lx_timespec *)timeout, error);

	if (*error || span == SYS_FOREVER)
		return span;
	if (command == FUTEX_WAIT)
		return time_deadline(span);
	if (op & FUTEX_CLOCK_REALTIME)
		return time_deadline(span - time_now(1) > 0 ? span - time_now(1) : 0);
	return span;
}

long
lx_futex(uint32_t *addr, int op, uint32_t value, uint64_t timeout, uint32_t *addr2,
	 uint32_t value3)
{
	int command = op & FUTEX_CMD_MASK;
	long error = 0, r;
	int64_t deadline;

	switch (command) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		deadline = futex_deadline(op, command, timeout, &error);
		return error ? error : futex_wait(addr, value, deadline);
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
		return futex_wake(addr, value);
	case FUTEX_CMP_REQUEUE:
		if (__atomic_load_n(addr, __ATOMIC_SEQ_CST) != value3)
			return -EAGAIN;
		[[fallthrough]];
	case FUTEX_REQUEUE:
		return lux_call5(SYS_FUTEX, LUX_ARG(addr), SYS_FUTEX_REQUEUE, value, 0,
				 LUX_ARG(addr2));
	case FUTEX_WAKE_OP:
		value3 = futex_operate(addr2, value3);
		r = futex_wake(addr, value);
		if (r >= 0 && value3)
			r += futex_wake(addr2, timeout);
		return r;
	}
	return -ENOSYS;
}
