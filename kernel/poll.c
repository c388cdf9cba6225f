/*
 * SYS_POLL: waiting for one of several files.
 *
 * A thread can wait on one queue only, so all pollers wait on one, with a count of changes: a
 * device notes a change, every poller looks again.  Without pollers a change costs one load.  A
 * file without a poll function is always ready.
 */
#include "poll.h"
#include "proc.h"
#include "syscall.h"

#define POLL_FILES_MAX	FD_MAX
#define POLL_SMALL	8

static struct {
	struct spinlock lock;
	uint32_t pollers;
	uint64_t changes;
	struct waitq queue;
} polls = { .lock = SPINLOCK("poll"), .queue = { LIST_INIT(polls.queue.waiters) } };

void
poll_notify(void)
{
	/* Pairs with poll_all: the poller is counted before it looks at the file. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (likely(__atomic_load_n(&polls.pollers, __ATOMIC_RELAXED) == 0))
		return;
	spin_lock(&polls.lock);
	polls.changes++;
	wake_all(&polls.queue);
	spin_unlock(&polls.lock);
}

/* Sleeps until the count of changes is no longer `seen`: 0, -EINTR, -ETIMEDOUT. */
static int
wait_for_change(uint64_t seen, uint64_t deadline)
{
	int err = 0;

	spin_lock(&polls.lock);
	while (polls.changes == seen && err == 0)
		err = wait_on(&polls.queue, &polls.lock, deadline);
	spin_unlock(&polls.lock);
	return err;
}

/* Fills in what f is ready for: whether it is for anything. */
static bool
look_at(struct sys_poll *f)
{
	struct chan *c = f->fd < 0 ? NULL : fd_get(f->fd);
	int ready;

	if (c == NULL) {
		f->revents = f->fd < 0 ? 0 : POLLNVAL;
		return f->revents != 0;
	}
	ready = c->dev->poll ? c->dev->poll(c) : POLLIN | POLLOUT;
	if (ready < 0)
		ready = POLLERR;
	chan_put(c);
	f->revents = (int16_t)(ready & (f->events | POLLERR | POLLHUP));
	return f->revents != 0;
}

/* Looks at all until one is ready; how many are. */
static int
poll_all(struct sys_poll *f, size_t n, uint64_t deadline)
{
	int ready = 0, err = 0;

	while (ready == 0 && err == 0) {
		uint64_t seen;

		__atomic_add_fetch(&polls.pollers, 1, __ATOMIC_SEQ_CST);
		seen = __atomic_load_n(&polls.changes, __ATOMIC_SEQ_CST);
		for (size_t i = 0; i < n; i++)
			ready += look_at(&f[i]);
		if (ready == 0)
			err = time_now() >= deadline ? -ETIMEDOUT : wait_for_change(seen, deadline);
		__atomic_sub_fetch(&polls.pollers, 1, __ATOMIC_RELEASE);
	}
	return err == -EINTR ? err : ready;
}

int64_t
sys_poll(const uint64_t a[6])
{
	struct sys_poll small[POLL_SMALL], *f = small;
	struct sys_poll *user = (struct sys_poll *)a[0];
	int64_t timeout = (int64_t)a[2];
	size_t n = a[1], bytes = n * sizeof(*f);
	uint64_t now = time_now();
	int64_t r;

	if (n > POLL_FILES_MAX)
		return -EINVAL;
	if (n > POLL_SMALL)
		f = kmalloc(bytes);
	if (f == NULL)
		return -ENOMEM;
	r = copy_from_user(f, user, bytes);
	if (r == 0)
		r = poll_all(f, n, timeout < 0 || (uint64_t)timeout > FOREVER - now
				   ? FOREVER : now + (uint64_t)timeout);
	if (r >= 0 && copy_to_user(user, f, bytes) < 0)
		r = -EFAULT;
	if (f != small)
		kfree(f);
	return r;
}
