/*
 * From a message to its answer, and the faults on the way:
 *
 *	hang -> delay -> fail -> drop -> crash before -> carried out, once or twice ->
 *	corrupt -> crash after -> drop reply -> reorder -> answered
 *
 * What has to wait waits in the list `held`, without a thread: four late threads go on with it when
 * its time has come, and a flush takes it out of there at any moment.
 *
 *	DELAYED		nothing has been done yet; goes on at its time
 *	DROPPED		is never answered but after a flush
 *	KEPT		has its answer, which goes after the next one, or at its time
 *	TURN		has its answer, which goes now; those that are KEPT follow
 *
 * Only a request that hangs keeps its thread, as it would in a server that is stuck.
 *
 * The library's own messages (PASS_CLONE and on) go the same way in two halves: pass_message is
 * asked before one is carried out, pass_answered has its answer.  The faults that are still to come
 * are r->aux in between; so is, for any message, that its answer is corrupted.
 */
#include "pass.h"

#include <errno.h>
#include <os.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS	1000000ull
#define NS_PER_S	1000000000ull
#define IDLE_NS		(3600 * NS_PER_S)	/* a late thread looks again */

enum state { DELAYED, DROPPED, KEPT, TURN };

struct pass_held {
	struct pass_held *next;
	struct p9_req *r;
	enum pass_message message;
	enum state state;
	bool done;			/* the answer counts */
	uint64_t due_ns;
	struct pass_faults faults;
	struct pass_answer answer;
};

static pass_below *const below[PASS_MESSAGES] = {
	[PASS_ATTACH] = pass_attach, [PASS_WALK] = pass_walk, [PASS_OPEN] = pass_open,
	[PASS_CREATE] = pass_create, [PASS_READ] = pass_read, [PASS_WRITE] = pass_write,
	[PASS_READDIR] = pass_readdir, [PASS_FSYNC] = pass_fsync, [PASS_GETATTR] = pass_getattr,
	[PASS_SETATTR] = pass_setattr, [PASS_STATFS] = pass_statfs, [PASS_MKDIR] = pass_mkdir,
	[PASS_SYMLINK] = pass_symlink, [PASS_MKNOD] = pass_mknod,
	[PASS_READLINK] = pass_readlink, [PASS_LINK] = pass_link, [PASS_RENAME] = pass_rename,
	[PASS_UNLINK] = pass_unlink, [PASS_GETXATTR] = pass_getxattr,
	[PASS_SETXATTR] = pass_setxattr, [PASS_LOCK] = pass_lock,
	[PASS_GETLOCK] = pass_getlock,	/* the rest is the library's */
};

/* The library's own message, or PASS_MESSAGES. */
static enum pass_message
own_message(const struct p9_req *r)
{
	switch (r->wire_type) {
	case IPC_TWALK: return r->nnames == 0 ? PASS_CLONE : PASS_MESSAGES;
	case IPC_TXATTRCREATE: return PASS_XATTRCREATE;
	case IPC_TCLUNK: return PASS_CLUNK;
	case IPC_TREMOVE: return PASS_REMOVE;
	case IPC_TFLUSH: return PASS_FLUSH;
	default: return PASS_MESSAGES;
	}
}

static bool
is_own(enum pass_message message)
{
	return message >= PASS_CLONE && message < PASS_MESSAGES;
}

static bool
has(const struct pass_faults *f, enum pass_kind kind)
{
	return f->kinds & 1u << kind;
}

/* --- requests that wait --------------------------------------------------------------------- */

/* Takes one out of the list; `held` is locked. */
static void
take(struct pass *p, struct pass_held *h)
{
	struct pass_held **at = &p->held;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	if (h->state == KEPT)
		atomic_fetch_sub(&p->nreordered, 1);
}

/* One of the library's own is not carried out.  A flush cannot fail: it is, late. */
static void
give_up_own(struct p9_req *r, enum pass_message message, int error)
{
	if (message == PASS_FLUSH)
		p9_carry_out(r);
	else
		p9_fail(r, error, NULL);
}

static void
give_held(struct pass *p, struct pass_held *h)
{
	if (is_own(h->message)) {
		if (h->done)
			p9_send(h->r);
		else
			give_up_own(h->r, h->message, EINTR);
	} else {
		if (!h->done)
			h->answer = (struct pass_answer){ .fd = -1, .error = -EINTR };
		pass_give(p, h->r, &h->answer);
	}
	free(h);
}

/* A flush that came before has found nothing to take: its request is answered here. */
static void
hold(struct pass *p, struct pass_held *h)
{
	struct pass_held **at = &p->held;
	bool flushed;

	pthread_mutex_lock(&p->held_lock);
	flushed = p9_cancelled(h->r);
	if (!flushed) {
		while (*at)
			at = &(*at)->next;
		h->next = NULL;
		*at = h;
		if (h->state == KEPT)
			atomic_fetch_add(&p->nreordered, 1);
		pthread_cond_broadcast(&p->held_changed);
	}
	pthread_mutex_unlock(&p->held_lock);
	if (flushed)
		give_held(p, h);
}

static struct pass_held *
held_new(struct p9_req *r, enum pass_message message, const struct pass_faults *f,
	enum state state, unsigned ms)
{
	struct pass_held *h = malloc(sizeof *h);

	if (h)
		*h = (struct pass_held){ .r = r, .message = message, .state = state, .faults = *f,
			.due_ns = state == DROPPED ? UINT64_MAX : os_time_ns() + ms * NS_PER_MS,
			.answer = { .fd = -1 } };
	return h;
}

/* Without memory the answer, if there is one, goes at once. */
static void
hold_answer(struct pass *p, struct p9_req *r, struct pass_answer *a, enum state state, unsigned ms)
{
	static const struct pass_faults none;
	struct pass_held *h = held_new(r, PASS_ALL, &none, state, ms);

	if (!h) {
		pass_give(p, r, a);
		return;
	}
	h->done = true;
	h->answer = *a;
	hold(p, h);
}

static void
hold_request(struct pass *p, struct p9_req *r, enum pass_message message,
	const struct pass_faults *f, enum state state)
{
	struct pass_held *h = held_new(r, message, f, state, f->ms);

	if (h)
		hold(p, h);
	else if (is_own(message))
		give_up_own(r, message, ENOMEM);
	else
		p9_fail(r, ENOMEM, NULL);
}

/* The answer to one of the library's own.  Without memory it goes at once. */
static void
hold_own_answer(struct pass *p, struct p9_req *r, enum state state, unsigned ms)
{
	static const struct pass_faults none;
	struct pass_held *h = held_new(r, own_message(r), &none, state, ms);

	if (!h) {
		p9_send(r);
		return;
	}
	h->done = true;
	hold(p, h);
}

void
pass_flush(struct p9_req *old)
{
	struct pass *p = pass_of(old->srv);
	struct pass_held *h;

	pthread_mutex_lock(&p->held_lock);
	for (h = p->held; h && h->r != old; h = h->next)
		;
	if (h)
		take(p, h);
	pthread_mutex_unlock(&p->held_lock);
	if (h)
		give_held(p, h);
}

/* --- from a message to its answer ----------------------------------------------------------- */

static _Noreturn void
crash(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static void
hang(struct pass *p)
{
	pthread_mutex_lock(&p->held_lock);
	uint64_t epoch = p->hang_epoch;
	while (p->hang_epoch == epoch && !p->ending)
		pthread_cond_wait(&p->held_changed, &p->held_lock);
	pthread_mutex_unlock(&p->held_lock);
}

void
pass_clear_hung(struct pass *p)
{
	pthread_mutex_lock(&p->held_lock);
	p->hang_epoch++;
	pthread_cond_broadcast(&p->held_changed);
	pthread_mutex_unlock(&p->held_lock);
}

/* Without memory it goes on as if there were no fault. */
static void
leave_for_answer(struct p9_req *r, const struct pass_faults *f)
{
	struct pass_faults *x = r->aux ? NULL : malloc(sizeof *x);

	if (x) {
		*x = *f;
		r->aux = x;
	}
}

/* Carries it out again; the client gets the first answer, which must not lie where the second is
 * made. */
static void
repeat(struct pass *p, struct p9_req *r, enum pass_message message, struct pass_answer *a)
{
	struct pass_answer second = { .fd = -1 };

	if (a->data && a->data != a->heap) {
		a->heap = malloc(a->length + 1);
		if (a->heap)
			memcpy(a->heap, a->data, a->length);
		else
			a->error = -ENOMEM;
		a->data = a->heap;
	}
	below[message](p, r, &second);
	pass_forget(p, &second);
}

static void
carry_out(struct pass *p, struct p9_req *r, enum pass_message message,
	const struct pass_faults *f, struct pass_answer *a)
{
	bool corrupt = has(f, PASS_CORRUPT);
	bool data_in = message == PASS_WRITE || message == PASS_SETXATTR;

	/* The data to be written is in the request's own room, and nobody else's. */
	if (corrupt && data_in)
		pass_flip((void *)r->data, r->in.count, f->bit);
	below[message](p, r, a);
	if (has(f, PASS_DUPLICATE))
		repeat(p, r, message, a);
	if (!corrupt || data_in || a->error)
		return;
	if (a->reply == PASS_R_DATA)
		pass_flip(a->data, a->length, f->bit);
	else
		leave_for_answer(r, &(struct pass_faults){ .kinds = 1u << PASS_CORRUPT,
			.bit = f->bit });
}

static void
finish(struct pass *p, struct p9_req *r, struct pass_answer *a, bool keep)
{
	if (keep)
		hold_answer(p, r, a, KEPT, p->reorder_ms);
	else if (atomic_load(&p->nreordered) > 0)
		hold_answer(p, r, a, TURN, 0);
	else
		pass_give(p, r, a);
}

static void
go_on_own(struct pass *p, struct p9_req *r, enum pass_message message,
	const struct pass_faults *f)
{
	bool fails = has(f, PASS_FAIL);

	if (!fails && has(f, PASS_DROP) && !f->drop_after) {
		hold_request(p, r, message, f, DROPPED);
		return;
	}
	if (!fails && has(f, PASS_CRASH) && !f->crash_after)
		crash();
	leave_for_answer(r, f);
	if (fails)
		p9_fail(r, f->error, NULL);
	else
		p9_carry_out(r);
}

/* What comes after the delay. */
static void
go_on(struct pass *p, struct p9_req *r, enum pass_message message, const struct pass_faults *f)
{
	struct pass_answer a = { .fd = -1 };

	if (is_own(message)) {
		go_on_own(p, r, message, f);
		return;
	}
	if (has(f, PASS_FAIL)) {
		a.error = -f->error;
		finish(p, r, &a, has(f, PASS_REORDER));
		return;
	}
	if (has(f, PASS_DROP) && !f->drop_after) {
		hold_request(p, r, message, f, DROPPED);
		return;
	}
	if (has(f, PASS_CRASH) && !f->crash_after)
		crash();
	carry_out(p, r, message, f, &a);
	if (has(f, PASS_CRASH))
		crash();
	if (has(f, PASS_DROP))
		hold_answer(p, r, &a, DROPPED, 0);
	else
		finish(p, r, &a, has(f, PASS_REORDER));
}

static void
run_with(struct pass *p, struct p9_req *r, enum pass_message message, const struct pass_faults *f)
{
	for (unsigned k = 0; k < PASS_KINDS; k++)
		if (has(f, (enum pass_kind)k))
			atomic_fetch_add(&p->faults[k][message], 1);
	if (has(f, PASS_HANG))
		hang(p);
	if (has(f, PASS_DELAY))
		hold_request(p, r, message, f, DELAYED);
	else
		go_on(p, r, message, f);
}

/* Counts it; true if something is to happen to it. */
static bool
comes(struct pass *p, enum pass_message message, struct pass_faults *f)
{
	atomic_fetch_add_explicit(&p->requests[message], 1, memory_order_relaxed);
	return atomic_load_explicit(&p->rules.n, memory_order_relaxed) > 0 &&
		pass_rules_pick(&p->rules, message, f);
}

void
pass_run(struct p9_req *r, enum pass_message message)
{
	struct pass *p = pass_of(r->srv);
	struct pass_answer a = { .fd = -1 };
	struct pass_faults f;

	if (comes(p, message, &f)) {
		run_with(p, r, message, &f);
		return;
	}
	below[message](p, r, &a);
	finish(p, r, &a, false);
}

void
pass_message(struct p9_req *r)
{
	struct pass *p = pass_of(r->srv);
	enum pass_message message = own_message(r);
	struct pass_faults f;

	if (comes(p, message, &f))
		run_with(p, r, message, &f);
	else
		p9_carry_out(r);
}

/* Operations' answers have had their other faults before they were given. */
void
pass_answered(struct p9_req *r)
{
	struct pass *p = pass_of(r->srv);
	struct pass_faults f = { 0 };

	if (r->aux) {
		f = *(struct pass_faults *)r->aux;
		free(r->aux);
		r->aux = NULL;
	}
	if (has(&f, PASS_CORRUPT) && r->out.type != IPC_RLERROR)
		pass_corrupt(r, f.bit);
	if (own_message(r) == PASS_MESSAGES) {
		p9_send(r);
		return;
	}
	if (has(&f, PASS_CRASH) && !has(&f, PASS_FAIL))
		crash();
	if (has(&f, PASS_DROP) && !has(&f, PASS_FAIL))
		hold_own_answer(p, r, DROPPED, 0);
	else if (has(&f, PASS_REORDER))
		hold_own_answer(p, r, KEPT, PASS_REORDER_MS);
	else if (atomic_load(&p->nreordered) > 0)
		hold_own_answer(p, r, TURN, 0);
	else
		p9_send(r);
}

/* --- late threads ---------------------------------------------------------------------------- */

/* The first that is due, or when the next one is; `held` is locked. */
static struct pass_held *
due(struct pass *p, uint64_t now, uint64_t *next)
{
	*next = now + IDLE_NS;
	for (struct pass_held *h = p->held; h; h = h->next) {
		if (h->due_ns <= now)
			return h;
		if (h->due_ns < *next)
			*next = h->due_ns;
	}
	return NULL;
}

static void
release_kept(struct pass *p)
{
	pthread_mutex_lock(&p->held_lock);
	for (struct pass_held *h = p->held; h; h = h->next)
		if (h->state == KEPT)
			h->due_ns = 0;
	pthread_cond_broadcast(&p->held_changed);
	pthread_mutex_unlock(&p->held_lock);
}

static void
go_on_late(struct pass *p, struct pass_held *h)
{
	bool turn = h->state == TURN;

	if (h->state == DELAYED) {
		go_on(p, h->r, h->message, &h->faults);
		free(h);
	} else {
		give_held(p, h);
	}
	if (turn)
		release_kept(p);
}

static void *
late(void *arg)
{
	struct pass *p = arg;
	uint64_t next;

	pthread_mutex_lock(&p->held_lock);
	while (!p->ending) {
		struct pass_held *h = due(p, os_time_ns(), &next);

		if (h) {
			take(p, h);
			pthread_mutex_unlock(&p->held_lock);
			go_on_late(p, h);
			pthread_mutex_lock(&p->held_lock);
		} else {
			struct timespec t = { (time_t)(next / NS_PER_S), (long)(next % NS_PER_S) };

			pthread_cond_timedwait(&p->held_changed, &p->held_lock, &t);
		}
	}
	pthread_mutex_unlock(&p->held_lock);
	return NULL;
}

int
pass_late_start(struct pass *p)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&p->held_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->held_changed, &attr);
	pthread_condattr_destroy(&attr);
	for (; p->nlate < PASS_LATE; p->nlate++) {
		int e = pthread_create(&p->late[p->nlate], NULL, late, p);

		if (e) {
			pass_late_end(p);
			return -e;
		}
	}
	return 0;
}

void
pass_late_end(struct pass *p)
{
	pthread_mutex_lock(&p->held_lock);
	p->ending = true;
	pthread_cond_broadcast(&p->held_changed);
	pthread_mutex_unlock(&p->held_lock);
	while (p->nlate > 0)
		pthread_join(p->late[--p->nlate], NULL);
}
