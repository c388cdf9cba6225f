/*
 * Descriptor tables.
 *
 * `lock` (class "fdtable") guards everything.  Only a process's own threads change its table, so
 * a process with one thread reads its own without the lock; /proc reads others' with it.  A
 * table grows and never shrinks.  A channel is put only after the lock is released.
 */
#include "fd.h"
#include "proc.h"

#define FIRST	32

struct fdtable {
	struct chan **slot;
	uint32_t size;
	uint32_t refs;
	struct spinlock lock;
	uint64_t cloexec[FD_MAX / 64];
	struct chan *first[FIRST];
};

struct fdtable *
fdtable_new(void)
{
	struct fdtable *t = kzalloc(sizeof(*t));

	if (t) {
		t->refs = 1;
		t->slot = t->first;
		t->size = FIRST;
		spin_init(&t->lock, "fdtable");
	}
	return t;
}

void
fdtable_get(struct fdtable *t)
{
	ref_get(&t->refs);
}

/* Makes room for `size` descriptors: 0 or -ENOMEM. */
static int
grow(struct fdtable *t, uint32_t size)
{
	struct chan **bigger = kzalloc(size * sizeof(struct chan *)), **old = bigger;

	if (bigger == NULL)
		return -ENOMEM;
	spin_lock(&t->lock);
	if (size > t->size) {
		memcpy(bigger, t->slot, t->size * sizeof(struct chan *));
		old = t->slot;
		t->slot = bigger;
		t->size = size;
	}
	spin_unlock(&t->lock);
	if (old != t->first)
		kfree(old);
	return 0;
}

static uint32_t
size_for(int fd)
{
	uint32_t size = FIRST;

	while (size <= (uint32_t)fd)
		size *= 2;
	return size;
}

struct fdtable *
fdtable_copy(struct fdtable *t)
{
	struct fdtable *n = fdtable_new();
	uint32_t size;

	if (n == NULL)
		return NULL;
	do {
		size = __atomic_load_n(&t->size, __ATOMIC_RELAXED);
		if (size > n->size && grow(n, size) < 0) {
			fdtable_put(n);
			return NULL;
		}
		spin_lock(&t->lock);
		if (t->size <= n->size)
			break;
		spin_unlock(&t->lock);
	} while (true);
	for (uint32_t i = 0; i < t->size; i++) {
		n->slot[i] = t->slot[i];
		if (n->slot[i])
			chan_get(n->slot[i]);
	}
	memcpy(n->cloexec, t->cloexec, sizeof(n->cloexec));
	spin_unlock(&t->lock);
	return n;
}

void
fdtable_put(struct fdtable *t)
{
	if (t == NULL || !ref_put(&t->refs))
		return;
	for (uint32_t i = 0; i < t->size; i++)
		chan_put(t->slot[i]);
	if (t->slot != t->first)
		kfree(t->slot);
	kfree(t);
}

static struct fdtable *
current_table(void)
{
	return proc_current()->fds;
}

static inline uint64_t
bit(int fd)
{
	return 1ul << (fd & 63);
}

struct chan *
fd_get(int fd)
{
	struct proc *p = proc_current();
	struct fdtable *t = p->fds;
	struct chan *c;

	if (likely(p->nthreads == 1)) {
		c = (uint32_t)fd < t->size ? t->slot[fd] : NULL;
		if (likely(c != NULL))
			chan_get(c);
		return c;
	}
	return fdtable_at(t, fd);
}

struct chan *
fdtable_at(struct fdtable *t, int fd)
{
	struct chan *c = NULL;

	spin_lock(&t->lock);
	if ((uint32_t)fd < t->size)
		c = t->slot[fd];
	if (c)
		chan_get(c);
	spin_unlock(&t->lock);
	return c;
}

/* Called with the lock held. */
static struct chan *
put_at(struct fdtable *t, int fd, struct chan *c, bool cloexec)
{
	struct chan *old = t->slot[fd];

	t->slot[fd] = c;
	t->cloexec[fd / 64] = cloexec ? t->cloexec[fd / 64] | bit(fd)
				      : t->cloexec[fd / 64] & ~bit(fd);
	return old;
}

/* The least number from `least` on that is free, in the table or behind it. */
static uint32_t
least_free(const struct fdtable *t, uint32_t least)
{
	while (least < t->size && t->slot[least])
		least++;
	return least;
}

int
fd_install(struct chan *c, int least, bool cloexec)
{
	struct fdtable *t = current_table();
	int err = least < 0 || least >= FD_MAX ? -EINVAL : 0;

	while (err == 0) {
		uint32_t fd;

		spin_lock(&t->lock);
		fd = least_free(t, (uint32_t)least);
		if (fd < t->size) {
			put_at(t, (int)fd, c, cloexec);
			spin_unlock(&t->lock);
			return (int)fd;
		}
		spin_unlock(&t->lock);
		err = fd >= FD_MAX ? error(EMFILE, "too many open files: %d", FD_MAX)
				   : grow(t, size_for((int)fd));
	}
	chan_put(c);
	return err;
}

static int
set_in(struct fdtable *t, struct chan *c, int fd, bool cloexec)
{
	struct chan *old;

	if (fd < 0 || fd >= FD_MAX || ((uint32_t)fd >= t->size && grow(t, size_for(fd)) < 0)) {
		chan_put(c);
		return fd < 0 || fd >= FD_MAX ? -EBADF : -ENOMEM;
	}
	spin_lock(&t->lock);
	old = put_at(t, fd, c, cloexec);
	spin_unlock(&t->lock);
	chan_put(old);
	return fd;
}

int
fd_replace(struct chan *c, int fd, bool cloexec)
{
	return set_in(current_table(), c, fd, cloexec);
}

int
fdtable_put_at(struct fdtable *t, int fd, struct chan *c)
{
	int r = set_in(t, c, fd, false);

	return r < 0 ? r : 0;
}

static int
close_in(struct fdtable *t, int fd)
{
	struct chan *old = NULL;

	spin_lock(&t->lock);
	if ((uint32_t)fd < t->size)
		old = put_at(t, fd, NULL, false);
	spin_unlock(&t->lock);
	chan_put(old);
	return old ? 0 : -EBADF;
}

int
fd_close(int fd)
{
	return close_in(current_table(), fd);
}

int
fd_cloexec(int fd, int set)
{
	struct fdtable *t = current_table();
	int r = -EBADF;

	spin_lock(&t->lock);
	if ((uint32_t)fd < t->size && t->slot[fd]) {
		if (set >= 0)
			put_at(t, fd, t->slot[fd], set > 0);
		r = (t->cloexec[fd / 64] & bit(fd)) != 0;
	}
	spin_unlock(&t->lock);
	return r;
}

void
fdtable_exec(struct fdtable *t)
{
	for (int fd = 0; fd < (int)t->size; fd++)
		if (t->cloexec[fd / 64] & bit(fd))
			close_in(t, fd);
}
