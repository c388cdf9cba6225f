/*
 * Waiting for files: poll and select.  [poll(2), select(2)]  Lux9's sys_poll is Linux's pollfd.
 * Exceptional conditions do not exist here.
 */
#include "calls.h"

#include <linux/poll.h>

#define SELECT_MAX	1024
#define WORD_BITS	64
#define NSEC_PER_MSEC	1000000ll
#define NSEC_PER_USEC	1000

_Static_assert(sizeof(struct pollfd) == sizeof(struct sys_poll), "the same record");

static long
poll_until(struct sys_poll *fds, size_t n, int64_t deadline)
{
	struct thread *t = thread_self();
	long r;

	do
		r = lux_blocking(SYS_POLL, LUX_ARG(fds), LUX_ARG(n), time_left(deadline), 0, 0, 0);
	while (r == -EINTR && !signal_waits(t));
	return r;
}

long
lx_poll(struct sys_poll *fds, uint32_t n, int timeout_ms)
{
	int64_t span = timeout_ms < 0 ? SYS_FOREVER : timeout_ms * NSEC_PER_MSEC;

	return poll_until(fds, n, time_deadline(span));
}

long
lx_ppoll(struct sys_poll *fds, uint32_t n, const struct lx_timespec *ts, const uint64_t *mask)
{
	long error = 0;
	int64_t span = time_span(ts, &error);

	if (error)
		return error;
	if (mask)
		signal_mask_once(thread_self(), *mask);
	if (mask && signal_waits(thread_self()))
		return -EINTR;
	return poll_until(fds, n, time_deadline(span));
}

static bool
is_set(const uint64_t *set, int fd)
{
	return set && (set[fd / WORD_BITS] >> fd % WORD_BITS & 1);
}

/* The sets as records; how many there are. */
static int
select_gather(struct sys_poll *p, int n, uint64_t *const sets[3])
{
	int count = 0;

	for (int fd = 0; fd < n; fd++) {
		bool in = is_set(sets[0], fd), out = is_set(sets[1], fd);

		if (!in && !out && !is_set(sets[2], fd))
			continue;
		p[count].fd = fd;
		p[count].revents = 0;
		p[count++].events = (int16_t)((in ? POLLIN : 0) | (out ? POLLOUT : 0));
	}
	return count;
}

static long
select_scatter(const struct sys_poll *p, int count, int n, uint64_t *const sets[3])
{
	uint64_t out[2][SELECT_MAX / WORD_BITS] = { 0 };
	long bits = 0;

	for (int i = 0; i < count; i++) {
		uint64_t bit = 1ull << p[i].fd % WORD_BITS;
		int word = p[i].fd / WORD_BITS;

		if (p[i].revents & POLLNVAL)
			return -EBADF;
		if ((p[i].events & POLLIN) && (p[i].revents & (POLLIN | POLLHUP | POLLERR))) {
			out[0][word] |= bit;
			bits++;
		}
		if ((p[i].events & POLLOUT) && (p[i].revents & (POLLOUT | POLLERR))) {
			out[1][word] |= bit;
			bits++;
		}
	}
	for (int word = 0; word * WORD_BITS < n; word++) {
		if (sets[0])
			sets[0][word] = out[0][word];
		if (sets[1])
			sets[1][word] = out[1][word];
		if (sets[2])
			sets[2][word] = 0;
	}
	return bits;
}

static long
select_until(int n, uint64_t *const sets[3], int64_t deadline)
{
	struct sys_poll p[SELECT_MAX];
	int count;
	long r;

	if (n < 0)
		return -EINVAL;
	if (n > SELECT_MAX)
		n = SELECT_MAX;
	count = select_gather(p, n, sets);
	r = poll_until(p, (size_t)count, deadline);
	return r < 0 ? r : select_scatter(p, count, n, sets);
}

/* tv: seconds and microseconds, made what is left. */
long
lx_select(int n, uint64_t *in, uint64_t *out, uint64_t *except, int64_t tv[2])
{
	uint64_t *const sets[3] = { in, out, except };
	int64_t deadline = SYS_FOREVER;
	long r;

	if (tv) {
		if (tv[0] < 0 || tv[1] < 0)
			return -EINVAL;
		deadline = time_deadline(tv[0] * NSEC + tv[1] * NSEC_PER_USEC);
	}
	r = select_until(n, sets, deadline);
	if (tv) {
		int64_t left = time_left(deadline);

		tv[0] = left / NSEC;
		tv[1] = left % NSEC / NSEC_PER_USEC;
	}
	return r;
}

/* mask: a pointer to the set, and the set's size. */
long
lx_pselect6(int n, uint64_t *in, uint64_t *out, uint64_t *except, const struct lx_timespec *ts,
	    const uint64_t *const *mask)
{
	uint64_t *const sets[3] = { in, out, except };
	long error = 0;
	int64_t span = time_span(ts, &error);

	if (error)
		return error;
	if (mask && mask[0]) {
		signal_mask_once(thread_self(), *mask[0]);
		if (signal_waits(thread_self()))
			return -EINTR;
	}
	return select_until(n, sets, time_deadline(span));
}
