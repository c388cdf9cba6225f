/*
 * SYS_POLL: waiting for one of several files.
 *
 * A thread can wait on one queue only, so each poller has its own, and all are in one list.  What
 * may change has a number (poll.h), of which a hash is kept: `waiting` counts the pollers of each.
 * A change costs one load if it is 0; else those who wait for that hash are woken, and look again.
 * `lock` (class "poll") guards it all; `waiting` is read without it.  A file without a poll
 * function is always ready.
 *
 * No change is missed (model/poll.pml).  A poller is counted before it looks at the file, and a
 * file is changed before the count is looked at, with a barrier between: one of them sees the
 * other.  Who sees the count finds the poller in the list, or the poller comes to the lock later
 * and then sees the change.  `changed` is taken back under the lock, before the poller looks again.
 */
#include "poll.h"
#include "proc.h"
#include "syscall.h"

#define POLL_FILES_MAX	FD_MAX
#define POLL_SMALL	8
#define HASHES		64

struct poller {
	struct list link;
	struct waitq queue;
	uint64_t hashes;		/* a bit for each that it waits for */
	bool changed;			/* one of them, since it last began to look */
};

static struct {
	struct spinlock lock;
	struct list all;
	uint32_t waiting[HASHES];
} polls = { .lock = SPINLOCK("poll"), .all = LIST_INIT(polls.all) };

static unsigned
hash(uint64_t thing)
{
	return (unsigned)(thing * 0x9e3779b97f4a7c15ul >> 58);
}

void
poll_notify(uint64_t thing)
{
	unsigned h = hash(thing);

	/* Pairs with poll_on. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (likely(__atomic_load_n(&polls.waiting[h], __ATOMIC_RELAXED) == 0))
		return;
	spin_lock(&polls.lock);
	list_for_each(l, &polls.all) {
		struct poller *p = list_entry(l, struct poller, link);

		if (p->hashes >> h & 1) {
			p->changed = true;
			wake_all(&p->queue);
		}
	}
	spin_unlock(&polls.lock);
}

void
poll_on(struct poller *p, uint64_t thing)
{
	unsigned h = hash(thing);

	if (p == NULL || p->hashes >> h & 1)
		return;
	spin_lock(&polls.lock);
	p->hashes |= 1ul << h;
	__atomic_add_fetch(&polls.waiting[h], 1, __ATOMIC_SEQ_CST);
	spin_unlock(&polls.lock);
}

/* Fills in what f is ready for: whether it is for anything. */
static bool
look_at(struct sys_poll *f, struct poller *p)
{
	struct chan *c = f->fd < 0 ? NULL : fd_get(f->fd);
	int ready;

	if (c == NULL) {
		f->revents = f->fd < 0 ? 0 : POLLNVAL;
		return f->revents != 0;
	}
	ready = c->dev->poll ? c->dev->poll(c, p) : POLLIN | POLLOUT;
	if (ready < 0)
		ready = POLLERR;
	chan_put(c);
	f->revents = (int16_t)(ready & (f->events | POLLERR | POLLHUP));
	return f->revents != 0;
}

/* How many are ready. */
static int
look_at_all(struct sys_poll *f, size_t n, struct poller *p)
{
	int ready = 0;

	for (size_t i = 0; i < n; i++)
		ready += look_at(&f[i], p);
	return ready;
}

/* As a poller: looks until one is ready; how many are, or an error. */
static int
poll_wait(struct sys_poll *f, size_t n, uint64_t deadline)
{
	struct poller p = { .queue = { LIST_INIT(p.queue.waiters) } };
	int ready, err = 0;

	spin_lock(&polls.lock);
	list_append(&polls.all, &p.link);
	spin_unlock(&polls.lock);
	while ((ready = look_at_all(f, n, &p)) == 0 && err == 0) {
		spin_lock(&polls.lock);
		while (!p.changed && err == 0)
			err = wait_on(&p.queue, &polls.lock, deadline);
		p.changed = false;
		spin_unlock(&polls.lock);
	}
	spin_lock(&polls.lock);
	list_remove(&p.link);
	for (unsigned h = 0; h < HASHES; h++)
		if (p.hashes >> h & 1)
			__atomic_sub_fetch(&polls.waiting[h], 1, __ATOMIC_RELAXED);
	spin_unlock(&polls.lock);
	return ready > 0 || err != -EINTR ? ready : err;
}

/* Most find something ready, and wait for nothing. */
static int
poll_all(struct sys_poll *f, size_t n, uint64_t deadline)
{
	int ready = look_at_all(f, n, NULL);

	return ready > 0 || time_now() >= deadline ? ready : poll_wait(f, n, deadline);
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
