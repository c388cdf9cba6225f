/*
 * Name spaces: for each group of processes a table of what is mounted where.  Plan 9's model.
 *
 * A mount point is a place: (device, instance, qid.path).  What is mounted on it is a mount_head,
 * which is never changed but replaced, so a resolution uses it without a lock and a copy of a
 * name space shares it.  `lock` (class "namespace") guards the table; nothing is called under it
 * but the heap.  A filter of one bit per hash value answers most questions without the lock: it
 * is set before a mount is visible, and cleared under the lock.
 */
#include "name.h"
#include "proc.h"

#define BUCKETS		64
#define HEADS_MAX	1024

struct slot {
	struct slot *next;
	struct mount_head *head;
};

struct ns {
	uint32_t refs;
	struct spinlock lock;
	uint32_t nheads;
	uint64_t seq;
	uint64_t filter[4];
	struct slot *bucket[BUCKETS];
};

static uint32_t
hash(const struct dev *dev, uint32_t id, uint64_t path)
{
	uint64_t h = (path + id * 0x9e3779b1ul + ((uintptr_t)dev >> 4)) * 0x9e3779b97f4a7c15ul;

	return (uint32_t)(h >> 56);
}

bool
same_place(const struct chan *a, const struct chan *b)
{
	return a->dev == b->dev && a->id == b->id && a->qid.path == b->qid.path;
}

struct ns *
ns_new(void)
{
	struct ns *ns = kzalloc(sizeof(*ns));

	if (ns) {
		ns->refs = 1;
		spin_init(&ns->lock, "namespace");
	}
	return ns;
}

struct ns *
ns_current(void)
{
	struct proc *p = proc_current();

	return p ? p->ns : NULL;
}

void
ns_get(struct ns *ns)
{
	ref_get(&ns->refs);
}

static void
slots_free(struct slot *s)
{
	while (s) {
		struct slot *next = s->next;

		mount_head_put(s->head);
		kfree(s);
		s = next;
	}
}

void
ns_put(struct ns *ns)
{
	if (ns == NULL || !ref_put(&ns->refs))
		return;
	for (int i = 0; i < BUCKETS; i++)
		slots_free(ns->bucket[i]);
	kfree(ns);
}

struct ns *
ns_copy(struct ns *ns)
{
	struct ns *n = ns_new();
	bool short_of_memory = false;

	if (n == NULL)
		return NULL;
	spin_lock(&ns->lock);
	for (int i = 0; i < BUCKETS && !short_of_memory; i++)
		for (struct slot *s = ns->bucket[i]; s; s = s->next) {
			struct slot *t = kmalloc(sizeof(*t));

			if (t == NULL) {
				short_of_memory = true;
				break;
			}
			t->head = s->head;
			mount_head_get(t->head);
			t->next = n->bucket[i];
			n->bucket[i] = t;
		}
	n->nheads = ns->nheads;
	n->seq = ns->seq;
	memcpy(n->filter, ns->filter, sizeof(n->filter));
	spin_unlock(&ns->lock);
	if (short_of_memory) {
		ns_put(n);
		return NULL;
	}
	return n;
}

void
mount_head_put(struct mount_head *h)
{
	if (h == NULL || !ref_put(&h->refs))
		return;
	for (int i = 0; i < h->n; i++)
		chan_put(h->member[i].to);
	chan_put(h->from);
	kfree(h);
}

struct chan *
mount_head_first(const struct mount_head *h)
{
	int i = 0;

	while (i < h->n - 1 && mnt_is_dead(h->member[i].to))
		i++;
	return h->member[mnt_is_dead(h->member[i].to) ? 0 : i].to;
}

/* Called with the lock held: the link that points at the slot, or at the NULL where it would be. */
static struct slot **
slot_of(struct ns *ns, uint32_t h, const struct dev *dev, uint32_t id, uint64_t path)
{
	struct slot **s = &ns->bucket[h % BUCKETS];

	for (; *s; s = &(*s)->next) {
		const struct chan *f = (*s)->head->from;

		if (f->qid.path == path && f->dev == dev && f->id == id)
			break;
	}
	return s;
}

struct mount_head *
ns_find(struct ns *ns, const struct dev *dev, uint32_t id, uint64_t path)
{
	uint32_t h = hash(dev, id, path);
	struct mount_head *found = NULL;
	struct slot *s;

	if (!(__atomic_load_n(&ns->filter[h >> 6], __ATOMIC_ACQUIRE) >> (h & 63) & 1))
		return NULL;
	spin_lock(&ns->lock);
	s = *slot_of(ns, h, dev, id, path);
	if (s) {
		found = s->head;
		mount_head_get(found);
	}
	spin_unlock(&ns->lock);
	return found;
}

static struct mount_head *
head_new(struct chan *from, int room)
{
	struct mount_head *h = kzalloc(sizeof(*h) + (size_t)room * sizeof(h->member[0]));

	if (h) {
		h->refs = 1;
		h->from = from;
		chan_get(from);
	}
	return h;
}

static void
head_add(struct mount_head *h, struct chan *to, uint32_t flags)
{
	chan_get(to);
	h->member[h->n++] = (struct mount_member){ to, flags };
}

static void
head_add_all(struct mount_head *h, const struct mount_head *other)
{
	for (int i = 0; i < other->n; i++)
		head_add(h, other->member[i].to, other->member[i].flags);
}

/* What is to be at `old` when new_ is added to what is there now (NULL: nothing). */
static struct mount_head *
head_with(const struct mount_head *now, struct chan *new_, struct chan *old, unsigned flags)
{
	const struct mount_head *whole = new_->head;	/* new_ is a union itself */
	int nold = (flags & 3) == SYS_MREPL ? 0 : now ? now->n : 1;
	int nnew = whole ? whole->n : 1;
	struct mount_head *h;

	if (nold + nnew > UNION_MAX)
		return NULL;
	h = head_new(old, nold + nnew);
	if (h == NULL)
		return NULL;
	for (int pass = 0; pass < 2; pass++) {
		bool new_turn = (pass == 0) == ((flags & 3) != SYS_MAFTER);

		if (!new_turn && nold > 0) {
			if (now)
				head_add_all(h, now);
			else
				head_add(h, old, 0);
		}
		if (new_turn && whole) {
			head_add_all(h, whole);
			h->member[h->n - nnew].flags |= flags & (SYS_MCREATE | MOUNT_SERVER);
		} else if (new_turn) {
			head_add(h, new_, flags & (SYS_MCREATE | MOUNT_SERVER));
		}
	}
	return h;
}

/*
 * What is left when the members that are `gone`, or mounts of that name, go; NULL with *err 0 if
 * nothing is.
 */
static struct mount_head *
head_without(const struct mount_head *now, const struct chan *gone, const char *name, int *err)
{
	struct mount_head *h = head_new(now->from, now->n);
	int removed = 0;

	*err = h ? 0 : -ENOMEM;
	if (h == NULL)
		return NULL;
	for (int i = 0; i < now->n; i++) {
		const struct mount_member *m = &now->member[i];
		bool by_name = m->flags & MOUNT_SERVER &&
			       strcmp(chan_path(m->to), name) == 0;

		if (by_name || (gone && same_place(m->to, gone)))
			removed++;
		else
			head_add(h, m->to, m->flags);
	}
	if (removed == 0)
		*err = error(EINVAL, "unmount: %s is not mounted on %s", name,
			     chan_path(now->from));
	if (removed > 0 && h->n > 0 && !(h->n == 1 && same_place(h->member[0].to, now->from)))
		return h;
	mount_head_put(h);
	return NULL;
}

static void
filter_rebuild(struct ns *ns)
{
	uint64_t f[4] = { 0 };

	for (int i = 0; i < BUCKETS; i++)
		for (struct slot *s = ns->bucket[i]; s; s = s->next) {
			const struct chan *c = s->head->from;
			uint32_t h = hash(c->dev, c->id, c->qid.path);

			f[h >> 6] |= 1ul << (h & 63);
		}
	for (int i = 0; i < 4; i++)
		__atomic_store_n(&ns->filter[i], f[i], __ATOMIC_RELEASE);
}

/*
 * Puts h (its reference passes; NULL: nothing) where `now` was (NULL: nothing).  False, and h is
 * dropped, when it is no longer so.
 */
static int
replace(struct ns *ns, struct chan *at, struct mount_head *now, struct mount_head *h)
{
	uint32_t k = hash(at->dev, at->id, at->qid.path);
	struct slot **link, *spare = h && !now ? kmalloc(sizeof(*spare)) : NULL;
	int err = h && !now && !spare ? -ENOMEM : -EAGAIN;

	spin_lock(&ns->lock);
	link = slot_of(ns, k, at->dev, at->id, at->qid.path);
	if (err != -ENOMEM && (*link ? (*link)->head : NULL) == now) {
		err = 0;
		if (h)
			h->seq = now ? now->seq : ++ns->seq;
		if (now && h) {
			(*link)->head = h;
		} else if (now) {
			spare = *link;
			*link = spare->next;
			ns->nheads--;
			filter_rebuild(ns);
		} else if (ns->nheads >= HEADS_MAX) {
			err = -ENOSPC;
		} else {
			*spare = (struct slot){ NULL, h };
			*link = spare;
			spare = NULL;
			ns->nheads++;
			ns->filter[k >> 6] |= 1ul << (k & 63);
		}
	}
	spin_unlock(&ns->lock);
	kfree(spare);
	mount_head_put(err ? h : now);
	return err;
}

/* A device's root that was not reached by a name is called "#device". */
static int
name_root(struct chan *c)
{
	char text[32];

	if (c->path == NULL) {
		int n = ksnprintf(text, sizeof(text), "#%s", c->dev->name);

		c->path = path_new(text, MIN((size_t)n, sizeof(text) - 1));
	}
	return c->path ? 0 : -ENOMEM;
}

#define RACES_MAX 100		/* lost against other mounts on one place */

int
ns_mount(struct ns *ns, struct chan *new_, struct chan *old, unsigned flags)
{
	int err = name_root(new_);

	if (err < 0)
		return err;
	err = -EAGAIN;
	if ((new_->qid.type ^ old->qid.type) & QT_DIR)
		return error(ENOTDIR, "mount: a file and a directory: %s, %s", chan_path(new_),
			     chan_path(old));
	if ((flags & 3) == 3 || ((flags & 3) != SYS_MREPL && !(old->qid.type & QT_DIR)))
		return error(EINVAL, "mount: flags 0x%x for %s", flags, chan_path(old));
	if ((flags & 3) == SYS_MREPL && same_place(new_, old) && new_->head == NULL)
		return 0;
	for (int i = 0; i < RACES_MAX && err == -EAGAIN; i++) {
		struct mount_head *now = ns_find(ns, old->dev, old->id, old->qid.path);
		struct mount_head *h = head_with(now, new_, old, flags);

		if (h == NULL) {
			mount_head_put(now);
			return error(ENOMEM, "mount: %s: too many members, or no memory",
				     chan_path(old));
		}
		err = replace(ns, old, now, h);
		mount_head_put(now);
	}
	return err;
}

int
ns_unmount(struct ns *ns, struct chan *new_, const char *name, struct chan *old)
{
	int err = -EAGAIN;

	for (int i = 0; i < RACES_MAX && err == -EAGAIN; i++) {
		struct mount_head *now = ns_find(ns, old->dev, old->id, old->qid.path);
		struct mount_head *h = NULL;

		if (now == NULL)
			return error(EINVAL, "unmount: nothing is mounted on %s", chan_path(old));
		err = 0;
		if (name)
			h = head_without(now, new_, name, &err);
		if (err == 0)
			err = replace(ns, old, now, h);
		mount_head_put(now);
	}
	return err;
}

bool
ns_busy(struct ns *ns, const char *dir, const char *name)
{
	size_t n = strlen(dir), k = strlen(name);
	bool busy = false;

	if (n == 1)
		n = 0;			/* "/" */
	spin_lock(&ns->lock);
	for (int i = 0; i < BUCKETS && !busy; i++)
		for (struct slot *s = ns->bucket[i]; s && !busy; s = s->next) {
			const struct path *p = s->head->from->path;

			busy = p && p->length == n + 1 + k && p->text[n] == '/' &&
			       memcmp(p->text, dir, n) == 0 &&
			       memcmp(p->text + n + 1, name, k) == 0;
		}
	spin_unlock(&ns->lock);
	return busy;
}

/* The head that comes after `seq` in age, with a reference. */
static struct mount_head *
next_head(struct ns *ns, uint64_t seq)
{
	struct mount_head *best = NULL;

	spin_lock(&ns->lock);
	for (int i = 0; i < BUCKETS; i++)
		for (struct slot *s = ns->bucket[i]; s; s = s->next)
			if (s->head->seq > seq && (best == NULL || s->head->seq < best->seq))
				best = s->head;
	if (best)
		mount_head_get(best);
	spin_unlock(&ns->lock);
	return best;
}

/* The command that adds member i with this flag: its length. */
static size_t
member_text(const struct mount_head *h, int i, const char *flag, char *buf, size_t n)
{
	const struct mount_member *m = &h->member[i];
	const char *create = m->flags & SYS_MCREATE ? "c" : "";
	const char *dash = *flag || *create ? " -" : "";

	return (size_t)ksnprintf(buf, n, "%s%s%s%s %s %s%s\n",
				 m->flags & MOUNT_SERVER ? "mount" : "bind", dash, flag, create,
				 chan_path(m->to), chan_path(h->from),
				 mnt_is_dead(m->to) ? " # dead" : "");
}

/* The commands that would make h again: the old place is first or in the middle, or not there. */
static size_t
head_text(const struct mount_head *h, char *buf, size_t n)
{
	int old = 0;
	size_t at = 0;

	while (old < h->n && !same_place(h->member[old].to, h->from))
		old++;
	if (old == h->n) {
		at = member_text(h, 0, "", buf, n);
		old = 0;
	} else {
		for (int i = old - 1; i >= 0 && at < n; i--)
			at += member_text(h, i, "b", buf + at, n - at);
	}
	for (int i = old + 1; i < h->n && at < n; i++)
		at += member_text(h, i, "a", buf + at, n - at);
	return at;
}

#define TEXT_MAX (64 * 1024)

int64_t
ns_text(struct ns *ns, char **out)
{
	char *buf = kmalloc(TEXT_MAX);
	struct mount_head *h;
	uint64_t seq = 0;
	size_t at = 0;

	if (buf == NULL)
		return -ENOMEM;
	while ((h = next_head(ns, seq)) != NULL) {
		seq = h->seq;
		at += head_text(h, buf + at, TEXT_MAX - at);
		mount_head_put(h);
		if (at >= TEXT_MAX) {
			at = TEXT_MAX - 1;
			break;
		}
	}
	*out = buf;
	return (int64_t)at;
}
