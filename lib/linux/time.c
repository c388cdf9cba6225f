/*
 * Clocks, sleeping, and the interval timer.  [clock_gettime(2), nanosleep(2), setitimer(2)]
 *
 * The timer is a thread of the personality's own, started when first it is needed; no program
 * sees it.  timer_lock guards its fields; timer.changes is the futex it sleeps on.
 */
#include "calls.h"

#include <asm/siginfo.h>
#include <linux/time.h>
#include <linux/times.h>

#define NSEC_PER_USEC	1000
#define NSEC_PER_TICK	10000000	/* AT_CLKTCK is 100 */
#define SECONDS_MAX	(1ll << 33)

static struct {
	struct lock lock;
	uint32_t changes;
	bool running;
	int64_t next, interval;		/* ns since boot, 0: off; ns */
} timer;

int64_t
time_now(int which)
{
	return lux_call1(SYS_TIME, which);
}

int64_t
time_span(const struct lx_timespec *ts, long *error)
{
	if (!ts)
		return SYS_FOREVER;
	if (ts->sec < 0 || ts->nsec < 0 || ts->nsec >= NSEC) {
		*error = -EINVAL;
		return 0;
	}
	if (ts->sec > SECONDS_MAX)
		return SYS_FOREVER;
	return ts->sec * NSEC + ts->nsec;
}

int64_t
time_deadline(int64_t span)
{
	return span == SYS_FOREVER ? SYS_FOREVER : time_now(0) + span;
}

int64_t
time_left(int64_t deadline)
{
	int64_t left;

	if (deadline == SYS_FOREVER)
		return SYS_FOREVER;
	left = deadline - time_now(0);
	return left > 0 ? left : 0;
}

/* SYS_TIME's number for a clock, or -1. */
static int
clock_kind(int clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		return 1;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
		return 2;
	}
	return -1;
}

long
lx_clock_gettime(int clock, struct lx_timespec *ts)
{
	int kind = clock_kind(clock);
	int64_t now;

	if (kind < 0)
		return -EINVAL;
	now = time_now(kind);
	ts->sec = now / NSEC;
	ts->nsec = now % NSEC;
	return 0;
}

long
lx_clock_getres(int clock, struct lx_timespec *ts)
{
	if (clock_kind(clock) < 0)
		return -EINVAL;
	if (ts)
		*ts = (struct lx_timespec){ 0, 1 };
	return 0;
}

long
lx_gettimeofday(int64_t tv[2], void *zone)
{
	int64_t now = time_now(1);

	if (tv) {
		tv[0] = now / NSEC;
		tv[1] = now % NSEC / NSEC_PER_USEC;
	}
	if (zone)
		memset(zone, 0, sizeof(struct timezone));
	return 0;
}

long
lx_time(int64_t *out)
{
	int64_t now = time_now(1) / NSEC;

	if (out)
		*out = now;
	return now;
}

long
lx_times(struct tms *out)
{
	if (out) {
		memset(out, 0, sizeof(*out));
		out->tms_utime = time_now(2) / NSEC_PER_TICK;
	}
	return time_now(0) / NSEC_PER_TICK;
}

static long
sleep_until(int64_t deadline, struct lx_timespec *left)
{
	struct thread *t = thread_self();
	int64_t span = time_left(deadline);

	while (span > 0) {
		if (signal_sleep(span) == -EINTR && signal_waits(t)) {
			span = time_left(deadline);
			if (left)
				*left = (struct lx_timespec){ span / NSEC, span % NSEC };
			return -EINTR;
		}
		span = time_left(deadline);
	}
	return 0;
}

long
lx_nanosleep(const struct lx_timespec *ts, struct lx_timespec *left)
{
	long error = 0;
	int64_t span = ts ? time_span(ts, &error) : 0;

	if (!ts)
		return -EFAULT;
	if (error)
		return error;
	return sleep_until(time_deadline(span == SYS_FOREVER ? INT64_MAX / 4 : span), left);
}

long
lx_clock_nanosleep(int clock, int flags, const struct lx_timespec *ts, struct lx_timespec *left)
{
	int kind = clock_kind(clock);
	long error = 0;
	int64_t at;

	if (kind < 0 || kind == 2)
		return -EINVAL;
	if (!(flags & TIMER_ABSTIME))
		return lx_nanosleep(ts, left);
	at = ts ? time_span(ts, &error) : 0;
	if (!ts || error)
		return ts ? error : -EFAULT;
	if (kind == 1)
		at += time_now(0) - time_now(1);
	return sleep_until(at, NULL);
}

static void
timer_fire(int64_t deadline)
{
	struct signal_info info = { .signo = SIGALRM, .code = SI_KERNEL };
	bool due;

	lock_get(&timer.lock);
	due = timer.next == deadline;
	if (due)
		timer.next = timer.interval ? deadline + timer.interval : 0;
	lock_put(&timer.lock);
	if (due)
		signal_post(NULL, &info);
}

/* The timer's thread. */
void
timer_run(void)
{
	thread_self()->tid = (int32_t)lux_call0(SYS_GETTID);
	for (;;) {
		uint32_t seen = __atomic_load_n(&timer.changes, __ATOMIC_SEQ_CST);
		int64_t deadline = __atomic_load_n(&timer.next, __ATOMIC_SEQ_CST);
		int64_t span = deadline ? deadline - time_now(0) : SYS_FOREVER;

		if (deadline && span <= 0)
			timer_fire(deadline);
		else
			lux_call5(SYS_FUTEX, LUX_ARG(&timer.changes), SYS_FUTEX_WAIT, seen,
				  span, 0);
	}
}

void
timer_fork_child(void)
{
	memset(&timer, 0, sizeof(timer));
}

static long
timer_start(void)
{
	struct thread *t = thread_new();
	long r;

	if (!t)
		return -ENOMEM;
	t->hidden = true;
	t->mask = ~0ull;
	r = lux_call5(SYS_THREAD, LUX_ARG(pers_timer), LUX_ARG(t->ksp), 0, 0, LUX_ARG(t));
	if (r < 0)
		__atomic_store_n(&t->live, 0, __ATOMIC_RELEASE);
	return r;
}

/* Sets the timer; what it was is left in the arguments. */
static long
timer_set(int64_t *span, int64_t *interval)
{
	int64_t now = time_now(0), was, was_interval;
	long r = 0;

	lock_get(&timer.lock);
	if (!timer.running && *span) {
		r = timer_start();
		timer.running = r >= 0;
	}
	was = timer.next > now ? timer.next - now : 0;
	was_interval = timer.interval;
	if (r >= 0) {
		timer.next = *span ? now + *span : 0;
		timer.interval = *interval;
		__atomic_add_fetch(&timer.changes, 1, __ATOMIC_SEQ_CST);
	}
	lock_put(&timer.lock);
	if (r < 0)
		return r;
	lux_call5(SYS_FUTEX, LUX_ARG(&timer.changes), SYS_FUTEX_WAKE, 1, 0, 0);
	*span = was;
	*interval = was_interval;
	return 0;
}

static int64_t
span_of(const int64_t tv[2])
{
	return tv[0] * NSEC + tv[1] * NSEC_PER_USEC;
}

static void
span_to(int64_t tv[2], int64_t span)
{
	tv[0] = span / NSEC;
	tv[1] = span % NSEC / NSEC_PER_USEC;
}

long
lx_getitimer(int which, int64_t out[4])
{
	int64_t next, interval, now = time_now(0);

	if (which != ITIMER_REAL)
		return -EINVAL;
	lock_get(&timer.lock);
	next = timer.next > now ? timer.next - now : 0;
	interval = timer.interval;
	lock_put(&timer.lock);
	span_to(out, interval);
	span_to(out + 2, next);
	return 0;
}

/* in and out: interval and value, each seconds and microseconds. */
long
lx_setitimer(int which, const int64_t in[4], int64_t out[4])
{
	int64_t interval = in ? span_of(in) : 0, span = in ? span_of(in + 2) : 0;
	long r;

	if (which != ITIMER_REAL || span < 0 || interval < 0)
		return -EINVAL;
	r = timer_set(&span, &interval);
	if (r == 0 && out) {
		span_to(out, interval);
		span_to(out + 2, span);
	}
	return r;
}

long
lx_alarm(uint32_t seconds)
{
	int64_t span = seconds * NSEC, interval = 0;
	long r = timer_set(&span, &interval);

	return r < 0 ? r : (span + NSEC - 1) / NSEC;
}
