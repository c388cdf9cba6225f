/*
 * Names to channels: what a resolution (walk.c) is for: a place, an open file, a new file, the
 * directory to make or remove a name in.
 */
#include "walk.h"

static int
bad_path(const char *path)
{
	return path == NULL || *path == '\0' ? error(ENOENT, "empty file name") : 0;
}

int
name_place(struct chan *from, const char *path, enum name_what what, struct place *out)
{
	static const unsigned how[] = {
		[NAME_WALK] = FOLLOW | THROUGH, [NAME_NOFOLLOW] = THROUGH,
		[NAME_MOUNT_POINT] = FOLLOW,
	};
	struct walker w;
	int err = bad_path(path);

	if (err < 0)
		return err;
	err = walk_text(&w, from, path, strlen(path), how[what]);
	if (err == 0) {
		*out = w.at;
		w.at = (struct place){ 0 };
	}
	walker_done(&w);
	return err;
}

/* A channel of its own for the place: the place's own, or a clone. */
static int
place_chan(struct place *p, struct chan **out)
{
	struct chan *c = p->c;

	if (p->fresh)
		chan_get(c);
	else if ((c = chan_clone(c)) == NULL)
		return -ENOMEM;
	path_put(c->path);
	c->path = path_get(p->path);
	if (p->head && p->head->n > 1) {
		mount_head_get(p->head);
		c->head = p->head;
	}
	*out = c;
	return 0;
}

/* Why c cannot be opened so, or 0. */
static int
open_check(const struct chan *c, uint32_t flags)
{
	const char *name = c->path->text;

	if (flags & SYS_O_DIRECTORY && !(c->qid.type & QT_DIR))
		return error(ENOTDIR, "%s: not a directory", name);
	if (flags & SYS_O_PATH)
		return 0;
	if (c->qid.type & QT_SYMLINK)
		return error(ELOOP, "%s: a symbolic link", name);
	if (c->qid.type & QT_DIR && ((flags & SYS_O_ACCMODE) != SYS_O_RDONLY ||
				     flags & (SYS_O_TRUNC | SYS_O_CREAT)))
		return error(EISDIR, "%s: is a directory", name);
	if (c->dev->open == NULL && !(c->qid.type & QT_DIR))
		return error(EPERM, "%s: cannot be opened", name);
	return 0;
}

/* The place's file, open. */
static int
place_open(struct place *p, uint32_t flags, struct chan **out)
{
	uint32_t keep = flags & ~(SYS_O_CREAT | SYS_O_EXCL | SYS_O_TRUNC | SYS_O_CLOEXEC);
	struct chan *c, *place;
	int err = place_chan(p, &c);

	if (err < 0)
		return err;
	place = c;		/* opening may put another channel in its place */
	chan_get(place);
	err = open_check(c, flags);
	if (err == 0 && !(flags & SYS_O_PATH) && c->dev->open)
		err = c->dev->open(&c, keep | (flags & SYS_O_TRUNC));
	if (err < 0) {
		chan_put(c);
	} else {
		if (c->path == NULL)
			c->path = path_get(place->path);
		c->flags = keep;
		c->open = !(flags & SYS_O_PATH);
		*out = c;
	}
	chan_put(place);
	return err;
}

/* Which member of the union gets new files. */
static int
create_member(const struct place *at, struct chan **out)
{
	const struct mount_head *h = at->head;

	*out = at->c;
	if (h == NULL || h->n == 1)
		return 0;
	for (int i = 0; i < h->n; i++)
		if (h->member[i].flags & SYS_MCREATE && !mnt_is_dead(h->member[i].to)) {
			*out = h->member[i].to;
			return 0;
		}
	return error(EPERM, "%s: no member of the union may be written", at->path->text);
}

static int
create_in(struct walker *w, uint32_t flags, uint32_t mode, struct chan **out)
{
	struct chan *dir, *c;
	struct path *path = NULL;
	int err;

	walk_through(w);
	if (!(w->at.c->qid.type & QT_DIR))
		return error(ENOTDIR, "%s: not a directory", w->at.path->text);
	err = create_member(&w->at, &dir);
	if (err < 0)
		return err;
	if (dir->dev->create == NULL)
		return error(EPERM, "%s: files cannot be made in it", w->at.path->text);
	err = path_join(w->at.path, &w->missing, 1, &path);
	if (err < 0)
		return err;
	c = chan_clone(dir);
	err = c ? c->dev->create(c, w->missing, flags & ~SYS_O_CLOEXEC, mode) : -ENOMEM;
	if (err < 0) {
		if (c)
			chan_put(c);
		path_put(path);
		return err;
	}
	path_put(c->path);
	c->path = path;
	c->flags = flags & ~(SYS_O_CREAT | SYS_O_EXCL | SYS_O_TRUNC | SYS_O_CLOEXEC);
	c->open = true;
	*out = c;
	return 0;
}

#define CREATE_RACES 8		/* somebody makes and removes the file all the time */

static int
open_or_create(struct chan *from, const char *path, uint32_t flags, uint32_t mode,
	       struct chan **out)
{
	bool excl = flags & SYS_O_EXCL;
	size_t n = strlen(path);
	int err = -EEXIST;

	for (int i = 0; i < CREATE_RACES && err == -EEXIST; i++) {
		struct walker w;

		err = walk_text(&w, from, path, n,
				(excl || flags & SYS_O_NOFOLLOW ? 0 : FOLLOW) | THROUGH);
		if (err == 0 && excl) {
			err = error(EEXIST, "%s: exists", w.at.path->text);
			walker_done(&w);
			break;
		}
		if (err == 0) {
			err = place_open(&w.at, flags, out);
			walker_done(&w);
			break;
		}
		if (err == -ENOENT && w.missing && w.missing_dir)
			err = error(EISDIR, "%s: cannot make a directory by opening it", path);
		else if (err == -ENOENT && w.missing)
			err = create_in(&w, flags, mode, out);
		walker_done(&w);
		if (excl)
			break;
	}
	return err;
}

int
name_lookup(struct chan *from, const char *path, enum name_what what, uint32_t flags,
	    uint32_t mode, struct chan **out)
{
	struct place p = { 0 };
	enum name_what how = what;
	int err = bad_path(path);

	if (err < 0)
		return err;
	if (what == NAME_CREATE)
		return open_or_create(from, path, flags, mode, out);
	if (what == NAME_OPEN)
		how = flags & SYS_O_NOFOLLOW ? NAME_NOFOLLOW : NAME_WALK;
	err = name_place(from, path, how, &p);
	if (err < 0)
		return err;
	err = what == NAME_OPEN ? place_open(&p, flags, out) : place_chan(&p, out);
	place_put(&p);
	return err;
}

/* The member of the union that has the name; the first if none has. */
static struct chan *
member_with(const struct place *at, const char *name)
{
	for (int i = 0; at->head && i < at->head->n; i++) {
		struct chan *m = at->head->member[i].to, *c = NULL;
		struct qid q[WALK_MAX];
		int done = 0;

		if (m->dev->walk && m->dev->walk(m, 1, &name, &done, q, &c) == 0 && c) {
			chan_put(c);
			return m;
		}
	}
	return at->c;
}

int
name_parent_place(struct chan *from, const char *path, bool existing, struct place *dir,
		  char name[SYS_NAME_MAX + 1])
{
	size_t end, start;
	struct walker w;
	struct chan *c;
	int err = bad_path(path);

	if (err < 0)
		return err;
	end = strlen(path);
	while (end > 0 && path[end - 1] == '/')
		end--;
	for (start = end; start > 0 && path[start - 1] != '/'; start--)
		;
	if (end - start > SYS_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, path + start, end - start);
	name[end - start] = '\0';
	if (start == end)
		return error(EBUSY, "the root cannot be changed");
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error(EINVAL, "%s: not a name that can be made or removed", name);
	err = walk_text(&w, from, path, start, FOLLOW | THROUGH);
	if (err == 0 && !(w.at.c->qid.type & QT_DIR))
		err = error(ENOTDIR, "%s: not a directory", w.at.path->text);
	if (err == 0 && w.at.head && w.at.head->n > 1) {
		if (existing)
			c = member_with(&w.at, name);
		else
			err = create_member(&w.at, &c);
		if (err == 0) {
			chan_get(c);
			chan_put(w.at.c);
			w.at.c = c;
		}
	}
	if (err == 0) {
		*dir = w.at;
		w.at = (struct place){ 0 };
	}
	walker_done(&w);
	return err;
}
