/*
 * dev_pipe: pairs of channels; what is written to one is read from the other.  pipe(3)
 *
 * A pipe is two directions, each a ring of bytes whose memory is taken at its first write.  A
 * writer or reader that copies to or from the caller's memory is alone in its role (`writing`,
 * `reading`) but holds no lock; `lock` (class "pipe") guards all else.  A write of up to
 * PIPE_ATOMIC bytes is not mixed with another's.  chan.aux is the pipe, aux2 the end, 0 or 1: end i
 * reads from way[i] and writes to way[1 - i].
 */
#include "poll.h"
#include "proc.h"

#define RING_ORDER	4	/* 64 KiB; one page if memory is short */
#define PIPE_ATOMIC	PAGE_SIZE

struct way {
	uint8_t *ring;
	uint64_t in, out;	/* bytes ever written and read */
	size_t size;		/* of the ring: a power of two; 0: not yet */
	unsigned order;
	size_t want;		/* the least space that a waiting writer needs */
	bool writing, reading;
	struct waitq readers, writers;
};

struct pipe {
	struct spinlock lock;
	bool closed[2];
	struct way way[2];
	uint64_t id;
};

static uint64_t last_id;

static struct way *
way_of(struct chan *c, bool write)
{
	struct pipe *p = c->aux;

	return &p->way[write ? 1 - c->aux2 : c->aux2];
}

static struct chan *
end_new(struct pipe *p, unsigned i)
{
	struct chan *c = chan_new(&dev_pipe);

	if (c) {
		c->qid.path = p->id << 1 | i;
		c->aux = p;
		c->aux2 = i;
		c->flags = SYS_O_RDWR;
		c->open = true;
	}
	return c;
}

int
pipe_new(struct chan *end[2])
{
	struct pipe *p = kzalloc(sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	spin_init(&p->lock, "pipe");
	p->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++) {
		waitq_init(&p->way[i].readers);
		waitq_init(&p->way[i].writers);
		p->way[i].want = SIZE_MAX;
	}
	end[0] = end_new(p, 0);
	end[1] = end_new(p, 1);
	if (end[0] && end[1])
		return 0;
	/* An end that was not made counts as closed. */
	for (int i = 0; i < 2; i++)
		p->closed[i] = end[i] == NULL;
	if (!end[0] && !end[1])
		kfree(p);
	chan_put(end[0]);
	chan_put(end[1]);
	return -ENOMEM;
}

static size_t
space(const struct way *w)
{
	return w->size - (size_t)(w->in - w->out);
}

/* Called with the lock held. */
static void
wake_writers(struct way *w)
{
	w->want = SIZE_MAX;
	wake_all(&w->writers);
}

static void
pipe_close(struct chan *c)
{
	struct pipe *p = c->aux;
	bool last;

	spin_lock(&p->lock);
	p->closed[c->aux2] = true;
	last = p->closed[1 - c->aux2];
	for (int i = 0; i < 2; i++) {
		wake_all(&p->way[i].readers);
		wake_writers(&p->way[i]);
	}
	spin_unlock(&p->lock);
	poll_notify((uint64_t)p);
	if (!last)
		return;
	for (int i = 0; i < 2; i++)
		if (p->way[i].ring)
			page_put(virt_to_phys(p->way[i].ring), p->way[i].order);
	kfree(p);
}

static void
ring_alloc(struct way *w)
{
	paddr_t pa = page_alloc(RING_ORDER, 0);

	w->order = pa ? RING_ORDER : 0;
	if (pa == 0)
		pa = page_alloc(0, 0);
	if (pa) {
		w->ring = phys_to_virt(pa);
		w->size = PAGE_SIZE << w->order;
	}
}

/* Moves n bytes between the ring, at position at, and the caller: at most two pieces. */
static int
ring_copy(struct way *w, struct uio *u, uint64_t at, size_t n, bool write)
{
	while (n > 0) {
		size_t i = at & (w->size - 1), k = MIN(n, w->size - i);
		int err = write ? uio_get(u, w->ring + i, k) : uio_put(u, w->ring + i, k);

		if (err < 0)
			return err;
		at += k;
		n -= k;
	}
	return 0;
}

static int64_t
pipe_read(struct chan *c, struct uio *u, uint64_t)
{
	struct way *w = way_of(c, false);
	struct pipe *p = c->aux;
	size_t n = 0;
	int err = 0;

	if (u->left == 0)
		return 0;
	spin_lock(&p->lock);
	while (err == 0 && (w->in == w->out || w->reading)) {
		if (!w->reading && p->closed[1 - c->aux2])
			break;
		err = c->flags & SYS_O_NONBLOCK ? -EAGAIN : wait_on(&w->readers, &p->lock, FOREVER);
	}
	if (err == 0)
		n = MIN(u->left, w->in - w->out);
	if (n > 0) {
		w->reading = true;
		spin_unlock(&p->lock);
		err = ring_copy(w, u, w->out, n, false);
		spin_lock(&p->lock);
		w->reading = false;
		if (err == 0)
			w->out += n;
		if (space(w) >= w->want)
			wake_writers(w);
		wake_all(&w->readers);
	}
	spin_unlock(&p->lock);
	if (n > 0)
		poll_notify((uint64_t)p);
	return err < 0 ? err : (int64_t)n;
}

/*
 * The space that a write of n bytes waits for.  A long one waits for half of the ring, so that
 * reader and writer do not take turns for every page.
 */
static size_t
needed(const struct chan *c, const struct way *w, size_t n)
{
	if (n <= PIPE_ATOMIC)
		return n;
	return c->flags & SYS_O_NONBLOCK ? 1 : MIN(n, MAX(w->size / 2, PIPE_ATOMIC));
}

/* Waits until it may write some of n bytes: how many, 0 with *err when the pipe is closed. */
static size_t
writable(struct chan *c, struct way *w, size_t n, int *err)
{
	struct pipe *p = c->aux;

	while (!p->closed[1 - c->aux2]) {
		if (!w->writing && w->size == 0)
			ring_alloc(w);
		if (!w->writing && w->size == 0) {
			*err = -ENOMEM;
			return 0;
		}
		if (!w->writing && space(w) >= needed(c, w, n))
			return MIN(n, space(w));
		w->want = MIN(w->want, needed(c, w, n));
		*err = c->flags & SYS_O_NONBLOCK
			? -EAGAIN : wait_on(&w->writers, &p->lock, FOREVER);
		if (*err < 0)
			return 0;
	}
	*err = -EPIPE;
	return 0;
}

static int64_t
pipe_write(struct chan *c, struct uio *u, uint64_t)
{
	struct way *w = way_of(c, true);
	struct pipe *p = c->aux;
	size_t done = 0;
	int err = 0;

	spin_lock(&p->lock);
	while (err == 0 && u->left > 0) {
		size_t n = writable(c, w, u->left, &err);

		if (n == 0)
			break;
		w->writing = true;
		spin_unlock(&p->lock);
		err = ring_copy(w, u, w->in, n, true);
		spin_lock(&p->lock);
		w->writing = false;
		if (err == 0) {
			w->in += n;
			done += n;
		}
		wake_all(&w->readers);
		wake_writers(w);
		if (u->left > 0 && err == 0) {
			spin_unlock(&p->lock);
			poll_notify((uint64_t)p);
			irq_window();
			spin_lock(&p->lock);
		}
	}
	spin_unlock(&p->lock);
	poll_notify((uint64_t)p);
	if (err == -EPIPE && done == 0)
		proc_note(proc_current(), thread_current()->tid, "sys: pipe");
	return done > 0 ? (int64_t)done : err;
}

static int
pipe_poll(struct chan *c, struct poller *poller)
{
	struct way *in = way_of(c, false), *out = way_of(c, true);
	struct pipe *p = c->aux;
	int ready = 0;

	poll_on(poller, (uint64_t)p);
	spin_lock(&p->lock);
	if (in->in != in->out)
		ready |= POLLIN;
	if (out->size == 0 || space(out) >= PIPE_ATOMIC)
		ready |= POLLOUT;
	if (p->closed[1 - c->aux2])
		ready |= POLLIN | POLLOUT | POLLHUP;
	spin_unlock(&p->lock);
	return ready;
}

static int
pipe_stat(struct chan *c, struct sys_stat *st)
{
	struct way *w = way_of(c, false);
	struct dirtab e = { "", c->qid.path, 0010600, w->in - w->out };

	return devtab_stat(c, st, &e);
}

const struct dev dev_pipe = {
	.name = "pipe", .close = pipe_close, .read = pipe_read, .write = pipe_write,
	.poll = pipe_poll, .stat = pipe_stat, .kind = SYS_KIND_PIPE,
};
