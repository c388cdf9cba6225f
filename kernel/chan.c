/*
 * Channels.
 *
 * Nothing here locks: a channel's place never changes, its open mode is set before it is shared,
 * and its offset is an atomic word.  `lock` is the device's own.
 */
#include "name.h"

struct chan *
chan_new(const struct dev *d)
{
	struct chan *c = kzalloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	c->refs = 1;
	c->dev = d;
	spin_init(&c->lock, "chan");
	return c;
}

struct chan *
chan_clone(struct chan *c)
{
	struct chan *n = NULL;
	int done = 0;

	if (c->dev->walk == NULL || c->dev->walk(c, 0, NULL, &done, NULL, &n) < 0 || n == NULL)
		return NULL;
	if (n->path == NULL)
		n->path = path_get(c->path);
	return n;
}

void
chan_close(struct chan *c)
{
	if (c->dev->close)
		c->dev->close(c);
	mount_head_put(c->head);
	path_put(c->path);
	kfree(c);
}

int64_t
chan_read(struct chan *c, struct uio *u, uint64_t off)
{
	if (unlikely(c->qid.type & QT_DIR))
		return -EISDIR;
	if (unlikely(c->dev->read == NULL))
		return -EPERM;
	return c->dev->read(c, u, off);
}

int64_t
chan_write(struct chan *c, struct uio *u, uint64_t off)
{
	if (unlikely(c->qid.type & QT_DIR))
		return -EISDIR;
	if (unlikely(c->dev->write == NULL))
		return -EPERM;
	return c->dev->write(c, u, off);
}

int
chan_read_all(struct chan *c, void *buf, size_t n, uint64_t off)
{
	size_t done = 0;

	while (done < n) {
		struct uio u = { (char *)buf + done, n - done, false };
		int64_t r = chan_read(c, &u, off + done);

		if (r < 0)
			return (int)r;
		if (r == 0 || (size_t)r > n - done)
			return -EIO;
		done += (size_t)r;
	}
	return 0;
}
