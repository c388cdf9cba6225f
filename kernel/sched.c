/*
 * Threads and processors: run queues, sleeping and waking, timers, the idle loop.
 *
 * Each processor has a queue for each of 32 priorities, under its run_lock.  A thread's state is
 * changed by compare-and-swap: whoever takes it from T_SLEEPING owns its waking.  A thread may be
 * claimed while it still runs on its way to sleep; whoever would run it waits for on_cpu to fall.
 * Lock order here: wait queue's lock -> timer_lock -> run_lock.
 */
#include "amd64/cpu.h"
#include "amd64/mmu.h"
#include "as.h"
#include "note.h"
#include "proc.h"

#define SLICE_NS	10000000ul
#define FPU_SIZE	512

struct timer {
	struct list link;
	uint64_t deadline;
	struct thread *thread;
	struct cpu *cpu;
};

struct cpu cpus[CPU_MAX];
unsigned ncpus = 1;
uint64_t idle_cpus;
static int32_t next_tid;

struct thread *
thread_current(void)
{
	struct thread *t;

	__asm__ volatile("movq %%gs:8, %0" : "=r"(t));
	return t;
}

unsigned
cpu_count(void)
{
	return ncpus;
}

unsigned
cpu_id(void)
{
	return cpu_self()->id;
}

/* --- timers ---------------------------------------------------------------------------------- */

static void
timer_arm(struct cpu *c)
{
	uint64_t d = c->slice_end;

	if (!list_empty(&c->timers))
		d = MIN(d, list_entry(c->timers.next, struct timer, link)->deadline);
	if (d != c->timer_armed) {
		c->timer_armed = d;
		lapic_timer(d);
	}
}

/* Another thread waits: the current one has a slice from now.  Takes no lock, for sched_tick(). */
static void
slice_start(struct cpu *c)
{
	if (c->slice_end != FOREVER)
		return;
	c->slice_end = time_now() + SLICE_NS;
	if (c->slice_end < c->timer_armed) {
		c->timer_armed = c->slice_end;
		lapic_timer(c->slice_end);
	}
}

static void
timer_add(struct timer *tm)
{
	struct cpu *c = cpu_self();
	struct list *at = &c->timers;

	tm->cpu = c;
	spin_lock(&c->timer_lock);
	list_for_each(l, &c->timers) {
		if (list_entry(l, struct timer, link)->deadline > tm->deadline)
			break;
		at = l;
	}
	list_add_after(at, &tm->link);
	timer_arm(c);
	spin_unlock(&c->timer_lock);
}

static void
timer_cancel(struct timer *tm)
{
	spin_lock(&tm->cpu->timer_lock);
	if (!list_empty(&tm->link))
		list_remove(&tm->link);
	spin_unlock(&tm->cpu->timer_lock);
}

/* The timer interrupt.  Threads are woken under the lock, so that a cancel waits for that. */
void
sched_tick(void)
{
	struct cpu *c = cpu_self();
	uint64_t now = time_now();

	spin_lock(&c->timer_lock);
	c->timer_armed = FOREVER;
	while (!list_empty(&c->timers)) {
		struct timer *tm = list_entry(c->timers.next, struct timer, link);

		if (tm->deadline > now)
			break;
		list_remove(&tm->link);
		thread_wake(tm->thread, -ETIMEDOUT);
	}
	if (c->slice_end <= now) {
		c->slice_end = FOREVER;
		__atomic_fetch_or(&c->current->work, WORK_RESCHED, __ATOMIC_RELAXED);
	}
	timer_arm(c);
	spin_unlock(&c->timer_lock);
}

/* --- run queues ------------------------------------------------------------------------------ */

static void
run_push(struct cpu *c, struct thread *t, uint32_t prio)
{
	spin_lock(&c->run_lock);
	list_append(&c->run[prio], &t->run);
	c->run_mask |= 1u << prio;
	c->nrun++;
	spin_unlock(&c->run_lock);
}

static struct thread *
run_pop(struct cpu *c)
{
	struct thread *t = NULL;

	if (c->run_mask == 0)
		return NULL;
	spin_lock(&c->run_lock);
	if (c->run_mask != 0) {
		unsigned p = 31 - (unsigned)__builtin_clz(c->run_mask);

		t = list_entry(list_pop(&c->run[p]), struct thread, run);
		if (list_empty(&c->run[p]))
			c->run_mask &= ~(1u << p);
		c->nrun--;
	}
	spin_unlock(&c->run_lock);
	return t;
}

static struct cpu *
choose_cpu(struct thread *t)
{
	struct cpu *me = cpu_self(), *last = &cpus[t->cpu];
	uint64_t idle = __atomic_load_n(&idle_cpus, __ATOMIC_RELAXED);

	if (idle == 0 || !last->online)
		return last->online ? last : me;
	if (idle >> me->id & 1)
		return me;
	if (idle >> t->cpu & 1)
		return last;
	return &cpus[__builtin_ctzl(idle)];
}

void
sched_queued(void)
{
	struct cpu *c = cpu_self();
	struct thread *t = c->current;

	if (c->run_mask >> t->prio > 1)
		__atomic_fetch_or(&t->work, WORK_RESCHED, __ATOMIC_RELAXED);
	if (c->run_mask != 0 && t != c->idle)
		slice_start(c);
}

/* Only t's own processor looks at its current thread, which may end at any time. */
static void
enqueue(struct thread *t)
{
	struct cpu *c = choose_cpu(t);

	__atomic_store_n(&t->state, T_RUNNABLE, __ATOMIC_RELEASE);
	run_push(c, t, t->prio);
	if (c != cpu_self())
		lapic_ipi(c->apic_id, VECTOR_RESCHED);
	else
		sched_queued();
}

static struct thread *
steal(struct cpu *me)
{
	struct cpu *busiest = NULL;

	for (unsigned i = 0; i < ncpus; i++)
		if (&cpus[i] != me && cpus[i].online && cpus[i].nrun > 0 &&
		    (busiest == NULL || cpus[i].nrun > busiest->nrun))
			busiest = &cpus[i];
	return busiest != NULL ? run_pop(busiest) : NULL;
}

__attribute__((noinline)) static void
wait_off_cpu_slow(struct thread *t)
{
	while (__atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE)) {
		tlb_answer();
		cpu_pause();
	}
}

static inline void
wait_off_cpu(struct thread *t)
{
	if (unlikely(__atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE)))
		wait_off_cpu_slow(t);
}

bool
thread_claim(struct thread *t)
{
	uint32_t s = T_SLEEPING;

	return __atomic_compare_exchange_n(&t->state, &s, T_WAKING, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

void
sched_run_claimed(struct thread *t)
{
	wait_off_cpu(t);
	enqueue(t);
}

bool
thread_wake(struct thread *t, int reason)
{
	if (!thread_claim(t))
		return false;
	t->wake_reason = reason;
	sched_run_claimed(t);
	return true;
}

void
thread_set_work(struct thread *t, uint32_t work)
{
	__atomic_fetch_or(&t->work, work, __ATOMIC_SEQ_CST);
	if (((work & (WORK_NOTE | WORK_KILL)) && t->interruptible) ||
	    ((work & WORK_KILL) && t->killable))
		thread_wake(t, -EINTR);
	if (__atomic_load_n(&t->on_cpu, __ATOMIC_RELAXED) && t != thread_current())
		lapic_ipi(cpus[t->cpu].apic_id, VECTOR_RESCHED);
}

/* --- switching ------------------------------------------------------------------------------- */

static void
switch_finish(void)
{
	struct thread *prev = cpu_self()->prev;
	bool dead = prev->state == T_DEAD;

	__atomic_store_n(&prev->on_cpu, 0, __ATOMIC_RELEASE);
	if (dead)
		thread_put(prev);
}

static void
switch_to(struct cpu *c, struct thread *next)
{
	struct thread *prev = c->current;
	uint64_t now = rdtsc();

	lock_debug_none("switch");
	next->state = T_RUNNING;
	next->on_cpu = 1;
	next->cpu = c->id;
	prev->cpu_ns += now - prev->start_ns;	/* in TSC ticks; proc.c converts */
	next->start_ns = now;
	c->stats.switches++;
	if (prev->proc != NULL)
		__asm__ volatile("fxsave64 (%0)" : : "r"(prev->fpu) : "memory");
	if (next->proc != NULL) {
		mmu_switch(next->proc->as);
		__asm__ volatile("fxrstor64 (%0)" : : "r"(next->fpu) : "memory");
	}
	c->prev = prev;
	c->current = next;
	cpu_set_thread(next);
	switch_stacks(prev, next);
	switch_finish();
}

void
schedule(void)
{
	struct cpu *c = cpu_self();
	struct thread *next = run_pop(c);

	if (next == NULL)
		next = c->idle;
	if (next == c->current) {
		next->state = T_RUNNING;
		return;
	}
	wait_off_cpu(next);
	if (c->nrun > 0)
		slice_start(c);
	switch_to(c, next);
}

__attribute__((noinline)) static void
queue_and_schedule(struct thread *next)
{
	sched_run_claimed(next);
	schedule();
}

void
sched_handoff(struct thread *next)
{
	struct cpu *c = cpu_self();

	if (unlikely(c->run_mask >> next->prio > 1)) {	/* something more urgent waits here */
		queue_and_schedule(next);
		return;
	}
	if (unlikely(next->on_cpu))
		wait_off_cpu_slow(next);
	switch_to(c, next);
}

/*
 * Who has run for half a slice without a pause goes behind those of the default priority, whatever
 * its own is: a server that does not come to an end does not keep away who would kill it for that.
 * (The slice itself may have begun with others.)
 */
void
sched_yield(void)
{
	struct cpu *c = cpu_self();
	struct thread *t = c->current;
	bool long_run = rdtsc() - t->start_ns > time_tsc_hz() / (2000000000u / SLICE_NS);

	__atomic_fetch_and(&t->work, ~WORK_RESCHED, __ATOMIC_RELAXED);
	c->slice_end = FOREVER;
	if (c->run_mask == 0)
		return;
	__atomic_store_n(&t->state, T_RUNNABLE, __ATOMIC_RELEASE);
	run_push(c, t, long_run ? MIN(t->prio, PRIO_DEFAULT) : t->prio);
	schedule();
}

void
irq_window(void)
{
	lock_debug_none("irq_window");
	__asm__ volatile("sti; nop; cli" : : : "memory");
}

void
sched_idle(void)
{
	for (;;) {
		struct cpu *c = cpu_self();
		uint64_t bit = 1ul << c->id;

		__atomic_fetch_and(&c->current->work, ~WORK_RESCHED, __ATOMIC_RELAXED);
		if (c->run_mask != 0) {
			schedule();
			continue;
		}
		struct thread *t = steal(c);

		if (t != NULL) {
			wait_off_cpu(t);
			switch_to(c, t);
			continue;
		}
		__atomic_fetch_or(&idle_cpus, bit, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&c->run_mask, __ATOMIC_SEQ_CST) == 0) {
			uint64_t since = rdtsc();

			__asm__ volatile("sti; hlt; cli" : : : "memory");
			c->stats.idle_ns += rdtsc() - since;
		}
		__atomic_fetch_and(&idle_cpus, ~bit, __ATOMIC_SEQ_CST);
	}
}

/* --- wait queues ----------------------------------------------------------------------------- */

static int
wait_common(struct waitq *q, struct spinlock *l, uint64_t deadline, uint32_t stop)
{
	struct thread *t = thread_current();
	struct timer tm;

	t->interruptible = (stop & WORK_NOTE) != 0;
	t->killable = (stop & WORK_KILL) != 0;
	t->wake_reason = 0;
	list_append(&q->waiters, &t->wait);
	__atomic_store_n(&t->state, T_SLEEPING, __ATOMIC_SEQ_CST);
	if ((__atomic_load_n(&t->work, __ATOMIC_SEQ_CST) & stop) && thread_claim(t)) {
		t->state = T_RUNNING;
		list_remove(&t->wait);
		return -EINTR;
	}
	if (deadline != FOREVER) {
		tm.deadline = deadline;
		tm.thread = t;
		timer_add(&tm);
	}
	spin_unlock(l);
	schedule();
	if (deadline != FOREVER)
		timer_cancel(&tm);
	spin_lock(l);
	if (!list_empty(&t->wait))
		list_remove(&t->wait);
	t->interruptible = t->killable = false;
	return t->wake_reason;
}

int
wait_on(struct waitq *q, struct spinlock *l, uint64_t deadline)
{
	return wait_common(q, l, deadline, WORK_NOTE | WORK_KILL);
}

int
wait_on_kill(struct waitq *q, struct spinlock *l, uint64_t deadline)
{
	return wait_common(q, l, deadline, WORK_KILL);
}

int
wait_on_hard(struct waitq *q, struct spinlock *l, uint64_t deadline)
{
	return wait_common(q, l, deadline, 0);
}

int
wake_one(struct waitq *q)
{
	while (!list_empty(&q->waiters)) {
		struct thread *t = list_entry(list_pop(&q->waiters), struct thread, wait);

		if (thread_wake(t, 0))
			return 1;
	}
	return 0;
}

int
wake_all(struct waitq *q)
{
	int n = 0;

	while (wake_one(q))
		n++;
	return n;
}

/* --- threads --------------------------------------------------------------------------------- */

void
fpu_init(void *fpu)
{
	memset(fpu, 0, FPU_SIZE);
	((uint16_t *)fpu)[0] = 0x37f;	/* FCW */
	((uint32_t *)fpu)[6] = 0x1f80;	/* MXCSR */
}

struct thread *
thread_new(struct proc *p, uint32_t prio)
{
	struct thread *t = kzalloc(sizeof *t);

	if (t == NULL)
		return NULL;
	t->kstack = kernel_stack_alloc();
	t->fpu = p != NULL ? kmalloc(FPU_SIZE) : NULL;
	if (t->kstack == NULL || (p != NULL && t->fpu == NULL)) {
		if (t->kstack != NULL)
			kernel_stack_free(t->kstack);
		kfree(t->fpu);
		kfree(t);
		return NULL;
	}
	t->refs = 1;
	t->proc = p;
	t->prio = prio;
	t->state = T_NEW;
	t->cpu = cpu_self()->id;
	t->tid = __atomic_add_fetch(&next_tid, 1, __ATOMIC_RELAXED);
	list_init(&t->run);
	list_init(&t->wait);
	list_init(&t->siblings);
	if (p != NULL)
		fpu_init(t->fpu);
	/* What switch_stacks() pops, then thread_start's view: the frame. */
	uint64_t *sp = (uint64_t *)thread_regs(t);

	*--sp = (uint64_t)thread_start;
	for (int i = 0; i < 6; i++)
		*--sp = 0;
	t->ksp = (uint64_t)sp;
	return t;
}

struct sys_regs *
thread_regs(struct thread *t)
{
	return (struct sys_regs *)(t->kstack + KSTACK_SIZE - 56 - sizeof(struct sys_regs));
}

void
thread_put(struct thread *t)
{
	if (!ref_put(&t->refs))
		return;
	if (t->proc != NULL)
		proc_put(t->proc);
	kernel_stack_free(t->kstack);
	kfree(t->fpu);
	kfree(t);
}

/* From thread_start, on the thread's own stack. */
void thread_first(void);
void
thread_first(void)
{
	struct thread *t;

	switch_finish();
	t = thread_current();
	if (t->kernel_fn != NULL)
		t->kernel_fn(t->kernel_arg);
	if (__atomic_load_n(&t->work, __ATOMIC_RELAXED) != 0)	/* killed already, it may be */
		note_user_work(thread_regs(t));
}

void
sched_start(struct thread *t)
{
	t->state = T_WAKING;
	enqueue(t);
}

void
sched_stats(unsigned cpu, struct sched_stats *out)
{
	*out = cpus[cpu].stats;
	out->syscalls = cpus[cpu].syscalls;
	out->idle_ns = mul_div(out->idle_ns, 1000000000u, time_tsc_hz());
}

/* The calling context becomes this processor's idle thread. */
void
sched_init_cpu(void)
{
	struct cpu *c = cpu_self();
	struct thread *t = c->idle;

	for (int i = 0; i < 32; i++)
		list_init(&c->run[i]);
	list_init(&c->timers);
	spin_init(&c->run_lock, "run queue");
	spin_init(&c->timer_lock, "timer");
	c->timer_armed = c->slice_end = FOREVER;
	t->state = T_RUNNING;
	t->on_cpu = 1;
	t->cpu = c->id;
	t->start_ns = rdtsc();
	c->current = t;
	__atomic_store_n(&c->online, 1, __ATOMIC_RELEASE);
}
