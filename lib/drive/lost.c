/*
 * Interrupts that do not come.
 *
 *	works	Nothing has ended for a tick, and then something is found to have ended: one is
 *		lost.  DRIVE_LOST times, with fewer than DRIVE_CALM ticks between two of them in
 *		which interrupts ended something: polled.
 *	polled	In a tick interrupts ended more than polling found.  As many such ticks in a row as
 *		`needed`, 1 the first time and each time after that twice as many: works.
 *
 * A message that is lost once may keep a device from sending another until it is acknowledged,
 * which is what drive_ops.look is for.  A line that loses every tenth is polled nearly always in
 * the end, and the log is not filled.
 *
 * The keeper polls each DRIVE_POLL_MS, but only while something is in flight in such a queue; the
 * first command of a queue that was idle wakes it (queue.c:drive_send).  It leaves that command
 * the whole time, so an interrupt that comes is first.
 *
 * The fast path counts what has ended, as it does anyway; what no interrupt has told of is counted
 * where it is found.  The difference is what interrupts did.
 */
#include "private.h"

enum { NEEDED_MAX = 256 };

static void
poll_all(struct drive_port *p)
{
	if (p->ops->look)
		p->ops->look(p);
	/* All: what was acknowledged may have been another queue's. */
	for (unsigned i = 0; i < p->nqueues; i++)
		p->queue[i]->lost.looked = drive_poll(p->queue[i]);
}

static void
set_polled(struct drive_queue *q, bool polled)
{
	struct drive_port *p = q->port;

	os_lock_take(&q->lock);
	q->polled = polled;
	os_lock_give(&q->lock);
	pthread_mutex_lock(&p->lock);
	if (polled)
		p->npolled++;
	else
		p->npolled--;
	pthread_mutex_unlock(&p->lock);
	q->lost.row = q->lost.calm = q->lost.back = 0;
}

static void
begin_polling(struct drive_queue *q)
{
	struct drive_port *p = q->port;
	unsigned *n = &q->lost.needed;

	set_polled(q, true);
	*n = !*n ? 1 : *n < NEEDED_MAX ? 2 * *n : NEEDED_MAX;
	if (p->nqueues > 1)
		drive_tell(p, "interrupts of queue %u do not come: polled every %u ms", q->index,
			   DRIVE_POLL_MS);
	else
		drive_tell(p, "interrupts do not come: polled every %u ms", DRIVE_POLL_MS);
}

static void
end_polling(struct drive_queue *q)
{
	struct drive_port *p = q->port;
	char who[48];

	set_polled(q, false);
	drive_label(p, who, sizeof who);
	if (p->nqueues > 1)
		sip_log(p->ctlr->server, "%s: interrupts of queue %u come again", who, q->index);
	else
		sip_log(p->ctlr->server, "%s: interrupts come again", who);
}

/* Told at the first, second, fourth and so on, as one now and then would fill the log. */
static void
count_lost(struct drive_queue *q)
{
	struct drive_port *p = q->port;
	uint64_t lost;
	char who[48];

	pthread_mutex_lock(&p->lock);
	lost = ++p->lost;
	pthread_mutex_unlock(&p->lock);
	drive_label(p, who, sizeof who);
	if (!(lost & (lost - 1)))
		sip_log(p->ctlr->server, "%s: an interrupt is late, or lost: %llu so far", who,
			(unsigned long long)lost);
	q->lost.calm = 0;
	if (++q->lost.row >= DRIVE_LOST)
		begin_polling(q);
}

/* ended, found: since the last tick; found: without an interrupt. */
static void
judge(struct drive_queue *q, uint64_t ended, uint64_t found)
{
	struct drive_lost *l = &q->lost;

	if (!ended)
		return;
	if (q->polled) {
		l->back = ended - found > found ? l->back + 1 : 0;
		if (l->back >= l->needed)
			end_polling(q);
	} else if (l->row && ended > found && ++l->calm >= DRIVE_CALM)
		l->row = 0;
}

static void
take_stock(struct drive_queue *q)
{
	struct drive_lost *l = &q->lost, was = *l;

	os_lock_take(&q->lock);
	l->completions = q->completions;
	l->found = q->found;
	l->was_busy = q->nbusy;
	l->stuck = q->open && was.was_busy && q->nbusy && l->completions == was.completions;
	os_lock_give(&q->lock);
	judge(q, l->completions - was.completions, l->found - was.found);
}

bool
drive_lost_tick(struct drive_port *p)
{
	bool stuck = false, moves = true;

	for (unsigned i = 0; i < p->nqueues; i++) {
		take_stock(p->queue[i]);
		stuck |= p->queue[i]->lost.stuck;
	}
	if (stuck)
		poll_all(p);
	for (unsigned i = 0; stuck && i < p->nqueues; i++) {
		struct drive_queue *q = p->queue[i];

		if (q->lost.stuck && !q->lost.looked)
			moves = false;
		else if (q->lost.stuck && !q->polled)
			count_lost(q);
	}
	return moves;
}

static bool
must_poll(struct drive_port *p)
{
	bool busy = false;

	for (unsigned i = 0; i < p->nqueues && !busy; i++) {
		struct drive_queue *q = p->queue[i];

		os_lock_take(&q->lock);
		busy = q->polled && q->open && q->nbusy;
		os_lock_give(&q->lock);
	}
	return busy;
}

uint64_t
drive_lost_poll(struct drive_port *p)
{
	uint64_t now;

	if (!p->npolled || !must_poll(p)) { /* only the keeper changes npolled */
		p->poll_ms = 0;
		return UINT64_MAX;
	}
	now = drive_clock_ms();
	if (p->poll_ms && now < p->poll_ms)
		return p->poll_ms;
	if (p->poll_ms)
		poll_all(p);
	p->poll_ms = now + DRIVE_POLL_MS;
	return p->poll_ms;
}

void
drive_lost_forget(struct drive_port *p)
{
	for (unsigned i = 0; i < p->nqueues; i++) {
		struct drive_queue *q = p->queue[i];

		if (q->polled)
			set_polled(q, false);
		q->lost = (struct drive_lost){ 0 };
	}
}
