/*
 * Futexes: waiting for a word of memory to change.  [futex(2)]
 *
 * A word is named by its address space and address, or, in shared memory, by the memory and the
 * offset.  Waiters are in the bucket of their name's hash, each with a queue of its own, so that
 * one can be woken alone.
 */
#include "as.h"
#include "proc.h"
#include "syscall.h"

#define BUCKETS 64u

struct waiter {
	struct list link;
	uint64_t key[2];
	struct waitq queue;
	bool woken;
};

struct bucket {
	struct spinlock lock;
	struct list waiters;
};

static struct bucket buckets[BUCKETS];

int user_load32(const uint32_t *p, uint32_t *out);

void
futex_init(void)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		spin_init(&buckets[i].lock, "futex");
		list_init(&buckets[i].waiters);
	}
}

static struct bucket *
bucket_of(const uint64_t key[2])
{
	uint64_t h = (key[0] ^ key[1]) * 0x9e3779b97f4a7c15ul;

	return &buckets[h >> 58];
}

static int
futex_wait(uint64_t address, uint32_t value, int64_t timeout)
{
	struct waiter w = { .woken = false };
	uint64_t deadline = timeout < 0 ? FOREVER : time_now() + (uint64_t)timeout;
	uint32_t now;
	int err = as_futex_key(as_current(), address, w.key);

	if (err != 0)
		return err;
	waitq_init(&w.queue);
	struct bucket *b = bucket_of(w.key);

	spin_lock(&b->lock);
	err = user_load32((const uint32_t *)address, &now);
	if (err != 0 || now != value) {
		spin_unlock(&b->lock);
		return err != 0 ? err : -EAGAIN;
	}
	list_append(&b->waiters, &w.link);
	err = wait_on(&w.queue, &b->lock, deadline);
	list_remove(&w.link);
	spin_unlock(&b->lock);
	return w.woken ? 0 : err;
}

static int
futex_wake(const uint64_t key[2], uint32_t max)
{
	struct bucket *b = bucket_of(key);
	uint32_t n = 0;

	spin_lock(&b->lock);
	list_for_each_safe(l, next, &b->waiters) {
		struct waiter *w = list_entry(l, struct waiter, link);

		if (n >= max)
			break;
		if (w->key[0] != key[0] || w->key[1] != key[1])
			continue;
		list_remove(&w->link);
		w->woken = true;
		n++;
		wake_one(&w->queue);
	}
	spin_unlock(&b->lock);
	return (int)n;
}

/*
 * A requeued waiter is simply woken: its caller looks at the word again, as after any spurious
 * wake-up, which futex(2) permits.
 */
int64_t
sys_futex(const uint64_t a[6])
{
	uint64_t key[2];
	int err;

	switch (a[1]) {
	case SYS_FUTEX_WAIT:
		return futex_wait(a[0], (uint32_t)a[2], (int64_t)a[3]);
	case SYS_FUTEX_WAKE:
		err = as_futex_key(as_current(), a[0], key);
		return err != 0 ? err : futex_wake(key, (uint32_t)MIN(a[2], (uint64_t)INT32_MAX));
	case SYS_FUTEX_REQUEUE:
		err = as_futex_key(as_current(), a[0], key);
		return err != 0 ? err : futex_wake(key, INT32_MAX);
	default:
		return error(EINVAL, "futex: no operation %lu", a[1]);
	}
}
