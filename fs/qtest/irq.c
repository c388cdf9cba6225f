/*
 * Interrupts: /dev/irq.
 *
 * A message is a write of a device to a word of the vectors' page, in memory that this process has
 * mapped: a thread looks at the words, every 50 us while there is traffic, else every millisecond.
 * A line's level is told by QEMU.
 *
 *	message, edge line	counted; a read gives the count since the last
 *	level line		a read ends while the level is high, and when all that share the
 *				line and have read it are back: it is masked in between (man/3/irq)
 *
 * The thread takes the requests that have their interrupt out under the lock, and answers them
 * without it.
 */
#include "machine.h"
#include "os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum {
	LOOK_NS = 50000, LOOK_IDLE_NS = 1000000, BUSY_NS = 20000000,
	SLACK_NS = 1000,	/* of the thread's sleeps [prctl(2)] */
	TAKE_MAX = 32,		/* requests that are answered between two looks */
	RECORD = 4,		/* words of what a read gives */
	LINE_TIMER = 0, LINE_CASCADE = 2,
};

struct taken {
	struct p9_req *r;
	const struct process *process;	/* may have ended: only to be compared */
	uint64_t record[RECORD];
	bool over;
};

static bool
is_message(const struct user *u)
{
	return u->number >= MESSAGE_BASE;
}

static bool
is_level(const struct user *u)
{
	return u->number == PCI_LINE;
}

static struct user *
user_of(struct irqs *q, const struct process *p, unsigned number)
{
	for (unsigned i = 0; i < USERS_MAX + VECTORS_MAX; i++)
		if (q->user[i].process == p && q->user[i].number == number)
			return &q->user[i];
	return NULL;
}

/* --- the thread ----------------------------------------------------------------------------- */

static void
came(struct user *u, uint64_t now)
{
	u->count++;
	u->fresh++;
	u->last_ns = now;
}

static void
look_at_messages(struct machine *m, uint64_t now)
{
	struct irqs *q = &m->irqs;

	for (unsigned v = 0; v < VECTORS_MAX; v++) {
		struct user *u = &q->user[USERS_MAX + v];

		if (!u->process || !atomic_load_explicit(&m->vectors[v], memory_order_relaxed))
			continue;
		atomic_exchange(&m->vectors[v], 0);
		q->busy_until_ns = now + BUSY_NS;
		if (!liar_now(&q->liar, LIAR_INTERRUPTS))
			came(u, now);
	}
}

/* Everybody who shares the line and has read it waits for it again. */
static bool
all_back(const struct irqs *q, unsigned line)
{
	for (unsigned i = 0; i < USERS_MAX; i++) {
		const struct user *u = &q->user[i];

		if (u->process && u->number == line && u->reads && !u->waiting)
			return false;
	}
	return true;
}

static void
look_at_lines(struct irqs *q, uint64_t now)
{
	if (!q->level[PCI_LINE] || !all_back(q, PCI_LINE))
		return;
	for (unsigned i = 0; i < USERS_MAX; i++)
		if (q->user[i].waiting && is_level(&q->user[i]))
			came(&q->user[i], now);
}

static unsigned
take(struct irqs *q, struct taken *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < USERS_MAX + VECTORS_MAX && n < TAKE_MAX; i++) {
		struct user *u = &q->user[i];

		if (!u->waiting || (!u->fresh && !u->over))
			continue;
		t[n++] = (struct taken){ .r = u->waiting, .process = u->process, .over = u->over,
			.record = { u->fresh, u->last_ns } };
		q->delivered += !u->over;
		u->waiting = NULL;
		u->fresh = 0;
	}
	return n;
}

/* An interrupt is when a driver looks at what its device has written: the time for a lie there. */
static void
answer(struct machine *m, struct taken *t, unsigned n)
{
	pthread_mutex_lock(&m->lock);
	for (unsigned i = 0; i < n; i++)
		dma_lie(m, t[i].process);
	pthread_mutex_unlock(&m->lock);
	for (unsigned i = 0; i < n; i++)
		if (t[i].over)
			p9_fail(t[i].r, EIO, "irq: the interrupt was given up");
		else
			p9_reply_data(t[i].r, t[i].record, sizeof t[i].record);
}

/* Until something changes, or it is time to look at the messages' words. */
static void
rest(struct irqs *q, uint64_t now)
{
	uint64_t until = now + (now < q->busy_until_ns ? LOOK_NS : LOOK_IDLE_NS);
	struct timespec t = { .tv_sec = (time_t)(until / 1000000000),
			      .tv_nsec = (long)(until % 1000000000) };

	if (q->nmessages)
		pthread_cond_timedwait(&q->changed, &q->lock, &t);
	else
		pthread_cond_wait(&q->changed, &q->lock);
}

static void *
look(void *arg)
{
	struct machine *m = arg;
	struct irqs *q = &m->irqs;
	struct taken t[TAKE_MAX];

	prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0);
	pthread_mutex_lock(&q->lock);
	while (!q->ending) {
		uint64_t now = os_time_ns();
		unsigned n;

		look_at_messages(m, now);
		look_at_lines(q, now);
		n = take(q, t);
		if (!n) {
			rest(q, now);
			continue;
		}
		pthread_mutex_unlock(&q->lock);
		answer(m, t, n);
		pthread_mutex_lock(&q->lock);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

int
irqs_start(struct machine *m)
{
	struct irqs *q = &m->irqs;
	pthread_condattr_t attr;
	int err;

	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->changed, &attr);
	pthread_condattr_destroy(&attr);
	err = pthread_create(&q->thread, NULL, look, m);
	q->running = !err;
	return -err;
}

void
irqs_end(struct machine *m)
{
	struct irqs *q = &m->irqs;

	if (!q->running)
		return;
	pthread_mutex_lock(&q->lock);
	q->ending = true;
	pthread_cond_signal(&q->changed);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->thread, NULL);
	q->running = false;
}

void
irqs_line(void *machine, unsigned line, bool level)
{
	struct machine *m = machine;
	struct irqs *q = &m->irqs;

	if (line >= LINES_MAX)
		return;
	pthread_mutex_lock(&q->lock);
	q->level[line] = level;
	for (unsigned i = 0; level && i < USERS_MAX; i++)
		if (q->user[i].process && q->user[i].number == line && !is_level(&q->user[i]) &&
		    !liar_now(&q->liar, LIAR_INTERRUPTS))
			came(&q->user[i], os_time_ns());
	pthread_cond_signal(&q->changed);
	pthread_mutex_unlock(&q->lock);
}

/* It will soon interrupt; and a lie is an interrupt that no device has sent. */
void
irqs_touched(struct machine *m)
{
	struct irqs *q = &m->irqs;
	uint64_t now = os_time_ns();
	struct user *u;

	pthread_mutex_lock(&q->lock);
	if (now > q->busy_until_ns)
		pthread_cond_signal(&q->changed);
	q->busy_until_ns = now + BUSY_NS;
	u = &q->user[liar_random(&q->liar) % (USERS_MAX + VECTORS_MAX)];
	if (u->process && liar_now(&q->liar, LIAR_INTERRUPTS))
		came(u, now);
	pthread_mutex_unlock(&q->lock);
}

/* --- who may read them ---------------------------------------------------------------------- */

static bool
line_granted(const struct machine *m, const struct process *p, unsigned line)
{
	for (unsigned i = 0; i < m->nfuncs; i++) {
		const struct func *f = &m->func[i];

		if (!func_granted(p, f))
			continue;
		if ((f->config.interrupt_pin && line == PCI_LINE) ||
		    (f->compat && (line == 14 || line == 15)))
			return true;
	}
	return false;
}

static void
claim(struct user *u, struct process *p, unsigned number, const char *name)
{
	*u = (struct user){ .number = number, .process = p };
	snprintf(u->name, sizeof u->name, "%s", name);
}

static void
give_up(struct irqs *q, struct user *u)
{
	u->process = NULL;
	u->over = true;
	pthread_cond_signal(&q->changed);
}

int
irq_register(struct machine *m, struct process *p, unsigned number, const char *name)
{
	struct irqs *q = &m->irqs;
	unsigned i = 0;
	int rc = 0;

	if (number == LINE_TIMER || number == LINE_CASCADE || !line_granted(m, p, number))
		return machine_refuse(m, "irq: line %u is not granted", number);
	pthread_mutex_lock(&q->lock);
	if (!user_of(q, p, number)) {
		while (i < USERS_MAX && (q->user[i].process || q->user[i].waiting))
			i++;
		if (i < USERS_MAX)
			claim(&q->user[i], p, number, name);
		rc = i < USERS_MAX ? 0 : -ENOSPC;
	}
	pthread_mutex_unlock(&q->lock);
	return rc;
}

void
irq_unregister(struct machine *m, const struct process *p, unsigned number)
{
	struct irqs *q = &m->irqs;
	struct user *u;

	pthread_mutex_lock(&q->lock);
	u = user_of(q, p, number);
	if (u && !is_message(u))
		give_up(q, u);
	pthread_mutex_unlock(&q->lock);
}

void
irq_process_exit(struct machine *m, const struct process *p)
{
	struct irqs *q = &m->irqs;

	pthread_mutex_lock(&q->lock);
	for (unsigned i = 0; i < USERS_MAX; i++)
		if (q->user[i].process == p)
			give_up(q, &q->user[i]);
	pthread_mutex_unlock(&q->lock);
}

int
irq_message_new(struct machine *m, struct process *p, const char *name, uint64_t *paddr)
{
	struct irqs *q = &m->irqs;
	unsigned v = 0;

	pthread_mutex_lock(&q->lock);
	while (v < VECTORS_MAX && (q->user[USERS_MAX + v].process ||
	    q->user[USERS_MAX + v].waiting))
		v++;
	if (v < VECTORS_MAX) {
		claim(&q->user[USERS_MAX + v], p, MESSAGE_BASE + v, name);
		atomic_store(&m->vectors[v], 0);
		q->nmessages++;
		pthread_cond_signal(&q->changed);
	}
	pthread_mutex_unlock(&q->lock);
	*paddr = m->vectors_paddr + 4ull * v;
	return v < VECTORS_MAX ? (int)v : -ENOSPC;
}

void
irq_message_free(struct machine *m, unsigned vector)
{
	struct irqs *q = &m->irqs;

	pthread_mutex_lock(&q->lock);
	give_up(q, &q->user[USERS_MAX + vector]);
	q->nmessages--;
	pthread_mutex_unlock(&q->lock);
}

bool
irq_mine(struct machine *m, const struct process *p, unsigned number)
{
	struct irqs *q = &m->irqs;
	bool mine;

	pthread_mutex_lock(&q->lock);
	mine = user_of(q, p, number);
	pthread_mutex_unlock(&q->lock);
	return mine;
}

/* --- reads ---------------------------------------------------------------------------------- */

void
irq_read(struct machine *m, const struct process *p, unsigned number, struct p9_req *r)
{
	struct irqs *q = &m->irqs;
	struct user *u;
	int err = 0;

	pthread_mutex_lock(&q->lock);
	u = user_of(q, p, number);
	if (!u)
		err = EIO;
	else if (p9_cancelled(r))
		err = EINTR;
	else if (u->waiting)
		err = EBUSY;
	if (!err) {
		u->waiting = r;
		u->reads = true;
		pthread_cond_signal(&q->changed);
	}
	pthread_mutex_unlock(&q->lock);
	if (err)
		p9_fail(r, err, err == EIO ? "irq: the interrupt was given up" : NULL);
}

void
irq_flush(struct machine *m, struct p9_req *r)
{
	struct irqs *q = &m->irqs;
	bool found = false;

	pthread_mutex_lock(&q->lock);
	for (unsigned i = 0; i < USERS_MAX + VECTORS_MAX; i++) {
		struct user *u = &q->user[i];

		if (u->waiting != r)
			continue;
		u->waiting = NULL;
		u->reads = false;	/* who does not come back holds up nobody */
		found = true;
		pthread_cond_signal(&q->changed);
	}
	pthread_mutex_unlock(&q->lock);
	if (found)
		p9_fail(r, EINTR, NULL);
}

size_t
irq_text(struct machine *m, char *buf, size_t max)
{
	struct irqs *q = &m->irqs;
	size_t n = 0;

	pthread_mutex_lock(&q->lock);
	for (unsigned i = 0; i < USERS_MAX + VECTORS_MAX && n < max; i++) {
		const struct user *u = &q->user[i];

		if (u->process)
			n += (size_t)snprintf(buf + n, max - n, "%u %s pid %d %s count %llu\n",
				u->number, u->name, u->process->pid,
				is_message(u) ? "message" : is_level(u) ? "level" : "edge",
				(unsigned long long)u->count);
	}
	pthread_mutex_unlock(&q->lock);
	return n < max ? n : max;
}

int
irq_next(struct machine *m, int from)
{
	struct irqs *q = &m->irqs;
	int next = -1;

	pthread_mutex_lock(&q->lock);
	for (unsigned i = 0; i < USERS_MAX + VECTORS_MAX; i++) {
		int number = (int)q->user[i].number;

		if (q->user[i].process && number >= from && (next < 0 || number < next))
			next = number;
	}
	pthread_mutex_unlock(&q->lock);
	return next;
}
