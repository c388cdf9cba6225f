/*
 * What a driver of disks says of itself: degraded while one of its disks does not answer, is being
 * reset, was given up, or has to be polled.  A manager has more patience then (man/4/sipd): all
 * that recovery does takes its time, and ends by itself.
 *
 * It is asked in a thread of its own, which waits for nothing that a disk may hold up: the locks
 * are those that are held for moments, and of the keeper only the time of its last round is read.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "os.h"
#include "private.h"

enum { WORD = 64 };

struct oldest {
	uint64_t now, age_ms;
	unsigned kind;
	char disk[sizeof ((struct blk_info *)0)->name];
};

static void
consider(struct oldest *o, const struct blk_io *io)
{
	if (!io || o->now < io->since_ms + o->age_ms)
		return;
	o->age_ms = o->now - io->since_ms;
	o->kind = io->kind;
	memcpy(o->disk, ((const struct drive_disk *)io->drive)->info.name, sizeof o->disk);
}

/* Of each list the first is the oldest, or as old as the others for this purpose. */
static void
look_at_queue(struct drive_queue *q, struct oldest *o)
{
	os_lock_take(&q->lock);
	for (unsigned w = 0; q->nbusy && w < DRIVE_TAGS_MAX / WORD; w++)
		for (uint64_t left = q->busy[w]; left; left &= left - 1)
			consider(o, q->slot[w * WORD + (unsigned)__builtin_ctzll(left)]);
	if (q->nwaiting) {
		consider(o, q->again.head);
		for (unsigned f = 0; f < DRIVE_FLOWS; f++)
			consider(o, q->flow[f].head);
		consider(o, q->behind.head);
	}
	os_lock_give(&q->lock);
}

static unsigned
seconds(uint64_t ms)
{
	return (unsigned)(ms / 1000);
}

static int
look_at_port(struct drive_port *p)
{
	struct oldest o = { .now = atomic_load(&p->ctlr->now_ms) };
	enum drive_state state;
	bool given_up, polled;
	char who[48];

	pthread_mutex_lock(&p->lock);
	state = p->state;
	given_up = p->given_up;
	polled = p->npolled;
	pthread_mutex_unlock(&p->lock);
	drive_label(p, who, sizeof who);
	for (unsigned i = 0; i < p->nqueues; i++)
		look_at_queue(p->queue[i], &o);
	if (o.age_ms > DRIVE_LATE_MS)
		os_set_errstr("%s: a %s of %s takes %u s%s", who, drive_kind_name(o.kind), o.disk,
			      seconds(o.age_ms),
			      state == DRIVE_BROKEN ? ", and it is being reset" : "");
	else if (state == DRIVE_BROKEN)
		os_set_errstr("%s: it is being reset", who);
	else if (given_up)
		os_set_errstr("%s: its disk was given up", who);
	else if (polled)
		os_set_errstr("%s: its interrupts do not come, it is polled", who);
	else
		return 0;
	return -EIO;
}

/* Nobody looks after the other ports meanwhile. */
static int
look_at_keeper(struct drive_ctlr *c)
{
	struct drive_port *p = atomic_load(&c->kept);
	uint64_t round = atomic_load(&c->round_ms), now = drive_clock_ms();
	char who[48];

	if (!round || now <= round + DRIVE_LATE_MS)
		return 0;
	snprintf(who, sizeof who, "%s", c->addr);
	if (p)
		drive_label(p, who, sizeof who);
	os_set_errstr("%s: it is looked after for %u s", who, seconds(now - round));
	return -EBUSY;
}

int
drive_health(struct sip_server *s)
{
	const struct drive_program *a = s->priv;
	int err = 0;

	for (unsigned i = 0; i < a->nctlrs && !err; i++) {
		for (struct drive_port *p = a->ctlr[i]->ports; p && !err; p = p->next)
			err = look_at_port(p);
		if (!err)
			err = look_at_keeper(a->ctlr[i]);
	}
	return err;
}
