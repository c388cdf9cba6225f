/*
 * Nodes: one for each file that some fid stands for, found by what the system calls the file, so
 * that a thousand fids of one directory cost one descriptor.  A node's place keeps the file: its
 * number is nobody else's while the node lives.
 *
 * Clients see the file's own qid.  Where the tree goes on in another mount, whose numbers may be
 * the same, the mount's number is mixed in.
 */
#include "pass.h"

#include <errno.h>
#include <os.h>
#include <os_tree.h>
#include <stdlib.h>

static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

struct ipc_qid
pass_qid(const struct pass *p, const struct ipc_attr *a, uint64_t dev)
{
	struct ipc_qid qid = a->qid;

	if (p->root && dev != p->root->dev)
		qid.path ^= mix(dev);
	return qid;
}

static struct pass_node **
bucket_of(struct pass *p, uint64_t dev, uint64_t path)
{
	return &p->bucket[mix(path + (dev << 48)) % PASS_BUCKETS];
}

/* The node of the file, with a reference, or NULL; `nodes` is held. */
static struct pass_node *
find(struct pass *p, uint64_t dev, uint64_t path)
{
	struct pass_node *n = *bucket_of(p, dev, path);

	while (n && (n->path != path || n->dev != dev))
		n = n->next;
	if (n)
		n->refs++;
	return n;
}

static struct pass_node *
insert(struct pass *p, const struct pass_node *like)
{
	struct pass_node **b = bucket_of(p, like->dev, like->path);
	struct pass_node *n = malloc(sizeof *n);

	if (!n)
		return NULL;
	*n = *like;
	n->refs = 1;
	n->next = *b;
	if (n->parent)
		n->parent->refs++;
	*b = n;
	return n;
}

int
pass_node_of(struct pass *p, int place, struct pass_node *parent, struct pass_node **out,
	struct ipc_qid *qid)
{
	struct pass_node new_ = { .place = place, .parent = parent }, *n;
	struct ipc_attr a;
	int rc = os_getattr(place, &a, &new_.dev);

	if (rc < 0) {
		os_close(place);
		return rc;
	}
	new_.path = a.qid.path;
	*qid = pass_qid(p, &a, new_.dev);
	pthread_mutex_lock(&p->nodes_lock);
	n = find(p, new_.dev, new_.path);
	if (!n)
		n = insert(p, &new_);
	pthread_mutex_unlock(&p->nodes_lock);
	if (!n || n->place != place)
		os_close(place);
	*out = n;
	return n ? 0 : -ENOMEM;
}

struct pass_node *
pass_node_get(struct pass *p, struct pass_node *n)
{
	pthread_mutex_lock(&p->nodes_lock);
	n->refs++;
	pthread_mutex_unlock(&p->nodes_lock);
	return n;
}

static void
unlink_node(struct pass *p, struct pass_node *n)
{
	struct pass_node **b = bucket_of(p, n->dev, n->path);

	while (*b != n)
		b = &(*b)->next;
	*b = n->next;
}

void
pass_node_put(struct pass *p, struct pass_node *n)
{
	while (n) {			/* as deep as the tree */
		struct pass_node *parent = n->parent;
		bool last;

		pthread_mutex_lock(&p->nodes_lock);
		last = --n->refs == 0;
		if (last)
			unlink_node(p, n);
		pthread_mutex_unlock(&p->nodes_lock);
		if (!last)
			return;
		os_close(n->place);
		free(n);
		n = parent;
	}
}

struct pass_file *
pass_file_new(struct pass *p, struct pass_node *n)
{
	struct pass_file *f = malloc(sizeof *f);

	if (!f) {
		pass_node_put(p, n);
		return NULL;
	}
	f->node = n;
	f->fd = -1;
	pthread_mutex_init(&f->lock, NULL);
	return f;
}

void
pass_file_free(struct pass *p, struct pass_file *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		os_close(f->fd);
	pass_node_put(p, f->node);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
