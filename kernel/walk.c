/*
 * Walking names: mounts, unions, "..", symbolic links.
 *
 * The text is walked in runs of up to WALK_MAX names, one dev->walk call each.  The qids of a run
 * tell whether a mount point or a symbolic link was passed half way; the run is then cut there.
 * ".." is lexical, as in Plan 9: the path that was reached loses its last name and is resolved
 * again from the root; since a path has no symbolic links in it, this is the real parent.  A
 * relative link's target is resolved likewise.  A descriptor's directory is an open channel, which
 * cannot be walked from: it is resolved again by its path, as is that of a union.
 *
 * No lock is held across a device's call.  Bounds: SYS_PATH_MAX for every text, LINKS_MAX links;
 * each ".." and each name consumes text.
 */
#include "walk.h"

#include "proc.h"

#define LINKS_MAX	40

/* A run of names out of the text. */
struct run {
	int n;
	bool last;			/* nothing but separators and "." follow */
	bool slash;			/* something does follow the last name */
	const char *name[WALK_MAX];
	char *after[WALK_MAX];
};

void
place_put(struct place *p)
{
	if (p->c)
		chan_put(p->c);
	path_put(p->path);
	mount_head_put(p->head);
	*p = (struct place){ 0 };
}

/* The root of the kernel's own tree, under everything: made while the first process is alone. */
static struct chan *
root_chan(void)
{
	static struct chan *root;

	if (root == NULL && dev_root.attach(&dev_root, &root) < 0)
		return NULL;
	chan_get(root);
	return root;
}

static bool
separator(char c)
{
	return c == '/' || c == '\0';
}

/*
 * "#name" of a kernel device at the start of the text: its root, without what is mounted in it; the
 * text goes on after it.
 */
static int
start_device(struct walker *w, const struct dev *d, size_t n)
{
	struct proc *p = proc_current();
	struct chan *c;
	int err;

	if (p && p->no_mount)
		return error(EPERM, "#%s: this process may not open new devices", d->name);
	if (d->attach == NULL)
		return -ENODEV;
	err = d->attach(d, &c);
	if (err < 0)
		return err;
	w->at = (struct place){ .c = c, .path = path_new(w->pos, n), .fresh = true };
	w->pos += n;
	w->ns = NULL;
	return w->at.path ? 0 : -ENOMEM;
}

/* Puts w->at where the text begins, when the text is not relative.  True if it is not. */
static int
start_absolute(struct walker *w, bool *absolute)
{
	const struct dev *d;
	size_t n = 1;

	*absolute = true;
	if (w->pos < w->end && *w->pos == '#') {
		while (w->pos + n < w->end && !separator(w->pos[n]))
			n++;
		d = dev_find(w->pos + 1, n - 1);
		if (d)
			return start_device(w, d, n);
	}
	if (w->pos == w->end || *w->pos != '/') {
		*absolute = false;
		return 0;
	}
	w->at = (struct place){ .c = root_chan() };
	if (w->at.c == NULL)
		return -ENOMEM;
	w->at.path = path_get(w->at.c->path);
	return 0;
}

/* Makes the text `a/b/rest`; a and b may lie in it. */
static int
set_text(struct walker *w, const char *a, size_t na, const char *b, size_t nb)
{
	size_t rest = (size_t)(w->end - w->pos);
	size_t n = na + 1 + nb + 1 + rest;
	char *t, *p;

	if (n > SYS_PATH_MAX)
		return -ENAMETOOLONG;
	t = p = kmalloc(n + 1);
	if (t == NULL)
		return -ENOMEM;
	memcpy(p, a, na);
	p += na;
	if (na > 0 && nb > 0)
		*p++ = '/';
	memcpy(p, b, nb);
	p += nb;
	if (rest > 0)
		*p++ = '/';
	memcpy(p, w->pos, rest);
	p += rest;
	kfree(w->heap);
	w->heap = w->text = w->pos = t;
	w->end = p;
	return 0;
}

/* Begins again at the absolute text that set_text made. */
static int
restart(struct walker *w)
{
	bool absolute;
	int err;

	place_put(&w->at);
	err = start_absolute(w, &absolute);
	return err < 0 ? err : absolute ? 0 : -ENOENT;
}

/* The next name at *p, which is moved behind it: its length; 0 at the end. */
static size_t
next_name(const struct walker *w, char **p)
{
	char *s = *p, *e;

	for (;;) {
		while (s < w->end && separator(*s))
			s++;
		for (e = s; e < w->end && !separator(*e); e++)
			;
		if (e - s == 1 && *s == '.')
			s = e;
		else
			break;
	}
	*p = e;
	return (size_t)(e - s);
}

static bool
is_dotdot(const char *s, size_t n)
{
	return n == 2 && s[0] == '.' && s[1] == '.';
}

/* Gathers names up to a ".."; ends each with NUL in place. */
static int
gather(struct walker *w, struct run *r)
{
	char *p = w->pos;

	r->n = 0;
	for (;;) {
		size_t k = next_name(w, &p);
		char *e = p;

		r->last = k == 0;
		if (k == 0 || is_dotdot(p - k, k) || r->n == WALK_MAX)
			break;
		if (k > SYS_NAME_MAX)
			return -ENAMETOOLONG;
		r->name[r->n] = p - k;
		r->after[r->n++] = e;
	}
	if (r->n > 0)
		r->slash = r->after[r->n - 1] < w->end;
	for (int i = 0; i < r->n; i++)
		if (r->after[i] < w->end)
			*r->after[i] = '\0';
	/* The text has room for one NUL at its end. */
	*w->end = '\0';
	return 0;
}

void
walk_through(struct walker *w)
{
	struct mount_head *h;
	struct chan *c = w->at.c;

	if (w->at.mounted || w->ns == NULL)
		return;
	h = ns_find(w->ns, c->dev, c->id, c->qid.path);
	if (h == NULL)
		return;
	w->at.c = mount_head_first(h);
	chan_get(w->at.c);
	chan_put(c);
	w->at.head = h;
	w->at.mounted = true;
	w->at.fresh = false;
}

/*
 * One walk, in the first member of the union that has the first name; *from is that member.  What a
 * dead one says counts only if all are, and at->c is one.
 */
static int
union_walk(const struct place *at, const struct run *r, int *done, struct qid *qids,
	   struct chan **out, struct chan **from)
{
	int n = at->head ? at->head->n : 1;
	int err = -ENOENT;

	for (int i = 0; i < n; i++) {
		struct chan *c = n == 1 ? at->c : at->head->member[i].to;
		int e;

		*done = 0;
		*out = NULL;
		e = c->dev->walk ? c->dev->walk(c, r->n, r->name, done, qids, out) : -ENOTDIR;
		if (e == 0 && *done > 0) {
			*from = c;
			return 0;
		}
		if (e < 0 && e != -ENOENT && err == -ENOENT && (c == at->c || !mnt_is_dead(c)))
			err = e;
	}
	return err;
}

static int
advance(struct walker *w, const struct run *r, int n, struct chan *c, struct mount_head *h)
{
	struct path *p;
	int err = path_join(w->at.path, r->name, n, &p);

	if (err < 0) {
		chan_put(c);
		mount_head_put(h);
		return err;
	}
	place_put(&w->at);
	w->at = (struct place){ .c = c, .path = p, .head = h, .mounted = h != NULL,
				.fresh = h == NULL };
	w->pos = r->after[n - 1];
	return 0;
}

/* The link is names[i] of the run, walked from `from`; c is its channel if the run reached it. */
static int
follow(struct walker *w, const struct run *r, int i, struct chan *from, struct chan *c)
{
	struct qid qids[WALK_MAX];
	struct path *dir;
	char *target;
	int64_t n;
	int done, err = 0;

	if (++w->links > LINKS_MAX) {
		err = error(ELOOP, "%s: too many symbolic links", r->name[i]);
	} else if (c == NULL) {
		err = from->dev->walk(from, i + 1, r->name, &done, qids, &c);
		if (err == 0 && c == NULL)
			err = -ENOENT;
	}
	target = err ? NULL : kmalloc(SYS_PATH_MAX);
	if (target == NULL) {
		if (c)
			chan_put(c);
		return err ? err : -ENOMEM;
	}
	n = c->dev->readlink ? c->dev->readlink(c, target, SYS_PATH_MAX) : -EINVAL;
	chan_put(c);
	if (n == 0 || n >= SYS_PATH_MAX)
		n = n ? -ENAMETOOLONG : -ENOENT;
	if (n > 0) {
		w->pos = r->after[i];
		if (target[0] == '/' || i == 0) {
			err = set_text(w, target, (size_t)n, "", 0);
		} else {
			err = path_join(w->at.path, r->name, i, &dir);
			if (err == 0) {
				err = set_text(w, dir->text, dir->length, target, (size_t)n);
				path_put(dir);
			}
		}
		if (err == 0 && (target[0] == '/' || i > 0))
			err = restart(w);
	}
	kfree(target);
	return n < 0 ? (int)n : err;
}

/* What a run passed first: an index, or n. */
static int
first_stop(struct walker *w, const struct run *r, int done, const struct qid *qids,
	   const struct chan *from, struct mount_head **head)
{
	*head = NULL;
	for (int i = 0; i < done; i++) {
		bool final = r->last && i == r->n - 1;

		if (qids[i].type & QT_SYMLINK && (!final || r->slash || w->how & FOLLOW))
			return i;
		if (final || w->ns == NULL)
			continue;
		*head = ns_find(w->ns, from->dev, from->id, qids[i].path);
		if (*head)
			return i;
	}
	return done;
}

/* The last name of the run, and of the text, is not there. */
static void
missing(struct walker *w, const struct run *r)
{
	w->missing = r->name[r->n - 1];
	w->missing_dir = r->slash;
}

/* The run stopped short at something that is no link and no mount point. */
static int
short_walk(struct walker *w, const struct run *r, int done, const struct qid *qids,
	   struct chan *from)
{
	struct qid again[WALK_MAX];
	struct chan *c = NULL;
	int n = 0, err;

	if (!(qids[done - 1].type & QT_DIR))
		return error(ENOTDIR, "%s: not a directory", r->name[done - 1]);
	if (!r->last || done != r->n - 1)
		return error(ENOENT, "%s: does not exist", r->name[done]);
	err = from->dev->walk(from, done, r->name, &n, again, &c);
	if (err == 0 && c == NULL)
		err = -ENOENT;
	if (err == 0)
		err = advance(w, r, done, c, NULL);
	if (err < 0)
		return err;
	missing(w, r);
	return -ENOENT;
}

static int
step(struct walker *w, const struct run *r)
{
	struct qid qids[WALK_MAX];
	struct mount_head *head;
	struct chan *c, *from;
	int done, stop, err;

	walk_through(w);
	if (!(w->at.c->qid.type & QT_DIR))
		return error(ENOTDIR, "%s: not a directory", w->at.path->text);
	err = union_walk(&w->at, r, &done, qids, &c, &from);
	if (err < 0) {
		if (err == -ENOENT && r->last && r->n == 1)
			missing(w, r);
		return err == -ENOENT ? error(ENOENT, "%s: does not exist", r->name[0]) : err;
	}
	stop = first_stop(w, r, done, qids, from, &head);
	if (head) {
		if (c)
			chan_put(c);
		c = mount_head_first(head);
		chan_get(c);
		return advance(w, r, stop + 1, c, head);
	}
	if (stop < done) {
		if (c && stop != r->n - 1) {
			chan_put(c);
			c = NULL;
		}
		return follow(w, r, stop, from, c);
	}
	if (c == NULL)
		return short_walk(w, r, done, qids, from);
	return advance(w, r, r->n, c, NULL);
}

/* At a "..": all that follow one another at once. */
static int
dotdot(struct walker *w)
{
	struct path *p = path_get(w->at.path);
	size_t n = p->length;
	char *s = w->pos;
	size_t k;
	int err;

	if (!(w->at.c->qid.type & QT_DIR)) {
		path_put(p);
		return error(ENOTDIR, "%s: not a directory", w->at.path->text);
	}
	while (k = next_name(w, &s), is_dotdot(s - k, k)) {
		n = path_parent(p->text, n);
		w->pos = s;
	}
	err = set_text(w, p->text, n, "", 0);
	path_put(p);
	return err < 0 ? err : restart(w);
}

static int
run(struct walker *w)
{
	struct run r;
	bool must_be_dir = w->end > w->text && separator(w->end[-1]);
	int err;

	for (;;) {
		err = gather(w, &r);
		if (err < 0)
			return err;
		if (r.n > 0) {
			err = step(w, &r);
			must_be_dir = r.slash;
		} else if (!r.last) {
			err = dotdot(w);
			must_be_dir = true;
		} else {
			break;
		}
		if (err < 0)
			return err;
	}
	if (w->how & THROUGH)
		walk_through(w);
	if (must_be_dir && !(w->at.c->qid.type & QT_DIR))
		return error(ENOTDIR, "%s: not a directory", w->at.path->text);
	return 0;
}

static int
start_relative(struct walker *w, struct chan *from)
{
	struct proc *p = proc_current();
	struct path *path;
	int err;

	if (from) {
		chan_get(from);
	} else if (p) {
		spin_lock(&p->lock);
		from = p->cwd;
		if (from)
			chan_get(from);
		spin_unlock(&p->lock);
	}
	if (from == NULL)
		from = root_chan();
	if (from == NULL)
		return -ENOMEM;
	if (!from->open && from->head == NULL) {
		w->at = (struct place){ .c = from, .path = path_get(from->path) };
		return w->at.path ? 0 : -EINVAL;
	}
	path = path_get(from->path);
	chan_put(from);
	if (path == NULL)
		return -EINVAL;
	err = set_text(w, path->text, path->length, "", 0);
	path_put(path);
	return err < 0 ? err : restart(w);
}

int
walk_text(struct walker *w, struct chan *from, const char *path, size_t n, unsigned how)
{
	bool absolute;
	int err;

	w->ns = ns_current();
	w->at = (struct place){ 0 };
	w->how = how;
	w->links = 0;
	w->heap = NULL;
	w->missing = NULL;
	w->missing_dir = false;
	w->text = w->small;
	if (n >= SYS_PATH_MAX)
		return -ENAMETOOLONG;
	if (n >= TEXT_SMALL) {
		w->text = w->heap = kmalloc(n + 1);
		if (w->text == NULL)
			return -ENOMEM;
	}
	memcpy(w->text, path, n);
	w->text[n] = '\0';
	w->pos = w->text;
	w->end = w->text + n;
	err = start_absolute(w, &absolute);
	if (err == 0 && !absolute)
		err = start_relative(w, from);
	return err < 0 ? err : run(w);
}

void
walker_done(struct walker *w)
{
	place_put(&w->at);
	kfree(w->heap);
}
