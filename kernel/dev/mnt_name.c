/*
 * The mount driver's calls that must not be carried out twice: making, removing and moving names,
 * appending, extended attributes.  doc/recovery.md
 *
 * On a recoverable mount they go one at a time through each service (`names`).  Before one is sent,
 * the server is asked for the name; if the server goes before it has answered, the next one is
 * asked again, and what has changed tells whether the call was carried out.
 */
#include "mnt.h"

#define AGAIN_MAX	100	/* servers that go before one call is over */

/* --- one at a time --------------------------------------------------------------------------- */

static int
names_lock(struct service *s)
{
	int err = 0;

	spin_lock(&s->lock);
	while (err == 0 && s->names != NULL)
		err = wait_on(&s->names_free, &s->lock, FOREVER);
	if (err == 0)
		s->names = thread_current();
	spin_unlock(&s->lock);
	return err;
}

static void
names_unlock(struct service *s)
{
	spin_lock(&s->lock);
	if (s->names == thread_current())	/* not left to its request */
		names_free(s);
	spin_unlock(&s->lock);
}

/* --- asking ---------------------------------------------------------------------------------- */

struct found {
	bool there;
	struct qid qid;
};

/*
 * What the name is now: 0 or a negative errno.  If a call may have been carried out already
 * (`sent`), only a kill ends the question.
 */
static int
ask(struct chan *dir, const char *name, struct found *out, bool sent)
{
	struct service *s = mount_of(dir)->service;
	uint32_t fid = service_fid(s);
	struct request *r = mnt_begin(dir, IPC_TWALK);
	int got = -ENOMEM;

	if (fid != NOFID && r != NULL) {
		r->head.newfid = r->fid = fid;
		r->makes_fid = true;
		r->sent = sent;
		got = rpc_walk(dir, r, &name, 1, &out->qid);
	}
	out->there = got == 1;
	if (got == 1)
		service_clunk(s, fid, r->generation);
	else if (fid != NOFID && got != -EINTR)
		service_fid_free(s, fid);
	return got >= 0 || got == -ENOENT ? 0 : got;
}

/* --- changing names -------------------------------------------------------------------------- */

/* One call: what it sends, and what its names were before. */
struct change {
	uint32_t type;
	struct chan *dir, *other;	/* other: the new directory, or the file to link to */
	const char *a, *b;		/* names in its bulk, b may be NULL */
	uint32_t flags, mode;
	uint64_t rdev;
	struct rename *rename;
	struct found was, target_was;	/* of a; of a rename's b */
};

static int
send(const struct change *ch)
{
	struct request *r = mnt_begin(ch->dir, ch->type);

	if (r != NULL) {
		r->head.flags = ch->flags;
		r->head.mode = ch->mode;
		r->head.gid = proc_current()->gid;
		r->head.offset = ch->rdev;
		if (ch->other != NULL)
			r->head.newfid = fid_of(ch->other);
		r->once = recoverable(ch->dir);
	}
	return mnt_call_names(ch->dir, r, ch->a, ch->b);
}

static int
ask_before(struct change *ch)
{
	int err = ask(ch->dir, ch->a, &ch->was, false);

	if (err == 0 && ch->type == IPC_TRENAMEAT)
		err = ask(ch->other, ch->b, &ch->target_was, false);
	return err;
}

/* Two names of one file: to rename one to the other does nothing. */
static bool
renames_nothing(const struct change *ch)
{
	return ch->target_was.there && ch->target_was.qid.path == ch->was.qid.path;
}

/* The server went while it had the call: 0 if it was done, -ERESTART if not, or an error. */
static int
judge(struct change *ch)
{
	struct found now;
	bool done;
	int err;

	if (ch->type == IPC_TRENAMEAT) {
		err = ask(ch->other, ch->b, &now, true);
		done = ch->was.there && !renames_nothing(ch) && now.there &&
		       now.qid.path == ch->was.qid.path;
	} else {
		err = ask(ch->dir, ch->a, &now, true);
		if (ch->type == IPC_TUNLINKAT)
			done = ch->was.there &&
			       (!now.there || now.qid.path != ch->was.qid.path);
		else
			done = !ch->was.there && now.there;
	}
	return err != 0 ? err : done ? 0 : -ERESTART;
}

/* With `names`: sends it until it is known what became of it. */
static int
change_once(struct change *ch)
{
	int err = ask_before(ch);

	if (err != 0) {
		rename_free(ch->rename);
		return err;
	}
	if (ch->rename != NULL)
		rename_begin(mount_of(ch->dir)->service, ch->rename);
	for (int i = 0; i < AGAIN_MAX; i++) {
		err = send(ch);
		if (err == -ERESTART)
			err = judge(ch);
		if (err != -ERESTART)
			return err;
	}
	return error(EHOSTDOWN, "the server keeps going away");
}

/*
 * What became of a rename is not known to a client that was killed, or has waited in vain: if the
 * server is away, the recovery finds it out.
 */
static void
rename_ends(const struct change *ch, int err)
{
	struct service *s = mount_of(ch->dir)->service;
	bool known = err != -EINTR && err != -EHOSTDOWN;

	spin_lock(&s->lock);
	if (ch->rename != NULL && s->renaming == ch->rename && s->names == thread_current() &&
	    (known || s->state == SERVICE_ALIVE))
		rename_over(s, err == 0 && ch->was.there && !renames_nothing(ch));
	spin_unlock(&s->lock);
}

static int
change(struct change *ch)
{
	struct service *s = mount_of(ch->dir)->service;
	int err;

	if (!recoverable(ch->dir))
		return send(ch);
	err = names_lock(s);
	if (err != 0)
		return err;
	if (ch->type == IPC_TRENAMEAT) {
		ch->rename = rename_new(ch->dir, ch->a, ch->other, ch->b);
		err = ch->rename != NULL ? 0 : -ENOMEM;
	}
	if (err == 0)
		err = change_once(ch);
	rename_ends(ch, err);
	names_unlock(s);
	return err;
}

int
mnt_mkdir(struct chan *dir, const char *name, uint32_t mode)
{
	struct change ch = { .type = IPC_TMKDIR, .dir = dir, .a = name, .mode = mode };

	return change(&ch);
}

int
mnt_unlink(struct chan *dir, const char *name, uint32_t flags)
{
	struct change ch = { .type = IPC_TUNLINKAT, .dir = dir, .a = name, .flags = flags };

	return change(&ch);
}

int
mnt_link(struct chan *dir, const char *name, struct chan *file)
{
	struct change ch = { .type = IPC_TLINK, .dir = dir, .a = name, .other = file };

	if (mount_of(dir) != mount_of(file))
		return error(EXDEV, "link: %s would be on another server", name);
	return change(&ch);
}

int
mnt_symlink(struct chan *dir, const char *name, const char *target)
{
	struct change ch = { .type = IPC_TSYMLINK, .dir = dir, .a = name, .b = target };

	return change(&ch);
}

int
mnt_mknod(struct chan *dir, const char *name, uint32_t mode, uint64_t rdev)
{
	struct change ch = { .type = IPC_TMKNOD, .dir = dir, .a = name, .mode = mode,
			     .rdev = rdev };

	return change(&ch);
}

int
mnt_rename(struct chan *odir, const char *oname, struct chan *ndir, const char *nname)
{
	struct change ch = { .type = IPC_TRENAMEAT, .dir = odir, .a = oname, .other = ndir,
			     .b = nname };

	if (mount_of(odir) != mount_of(ndir))
		return error(EXDEV, "rename: %s would move to another server", oname);
	return change(&ch);
}

/* --- making a file --------------------------------------------------------------------------- */

static int
create(struct chan *c, const char *name, uint32_t flags, uint32_t mode)
{
	struct request *r = mnt_begin(c, IPC_TLCREATE);
	int err;

	if (r != NULL) {
		r->head.flags = recoverable(c) ? flags & ~SYS_O_APPEND : flags;
		r->head.mode = mode;
		r->head.gid = proc_current()->gid;
		r->once = recoverable(c);
	}
	err = mnt_call_names(c, r, name, NULL);
	if (err == 0 && r != NULL && recoverable(c) &&
	    !fidrec_moved(c, r, name, qid_of(&r->qid), true, flags & ~SYS_O_APPEND))
		err = -ERESTART;
	if (err == 0)
		mnt_opened(c, r);
	return err;
}

/* The file was made, and c is its directory: c becomes it, open. */
static int
open_made(struct chan *c, const char *name, uint32_t flags)
{
	for (int i = 0; i < AGAIN_MAX; i++) {
		struct request *r = mnt_begin(c, IPC_TWALK);
		struct qid qid;
		int got;

		if (r == NULL)
			return -ENOMEM;
		r->head.newfid = fid_of(c);
		got = rpc_walk(c, r, &name, 1, &qid);
		if (got < 1)
			return got < 0 ? got : -ENOENT;
		if (fidrec_moved(c, r, name, qid, false, 0))
			return mnt_lopen(c, flags & ~(SYS_O_CREAT | SYS_O_EXCL | SYS_O_TRUNC));
	}
	return error(EHOSTDOWN, "the server keeps going away");
}

static int
create_once(struct chan *c, const char *name, uint32_t flags, uint32_t mode)
{
	struct found was, now;
	int err = ask(c, name, &was, false);

	for (int i = 0; err == 0 && i < AGAIN_MAX; i++) {
		err = create(c, name, flags, mode);
		if (err != -ERESTART)
			return err;
		err = ask(c, name, &now, true);
		if (err == 0 && !was.there && now.there)
			return open_made(c, name, flags);
	}
	return err != 0 ? err : error(EHOSTDOWN, "the server keeps going away");
}

int
mnt_create(struct chan *c, const char *name, uint32_t flags, uint32_t mode)
{
	struct service *s = mount_of(c)->service;
	int err;

	if (!recoverable(c))
		return create(c, name, flags, mode);
	err = names_lock(s);
	if (err != 0)
		return err;
	err = create_once(c, name, flags, mode);
	names_unlock(s);
	return err;
}

/* --- appending ------------------------------------------------------------------------------- */

int64_t
mnt_append(struct chan *c, struct uio *u)
{
	struct service *s = mount_of(c)->service;
	struct sys_stat st;
	int64_t n = names_lock(s);

	if (n != 0)
		return n;
	n = mnt_stat(c, &st);
	if (n == 0)
		n = mnt_write_at(c, u, st.size);
	names_unlock(s);
	return n;
}

/* --- extended attributes: each through a fid of its own -------------------------------------- */

/* One attempt: *x is a fid to read the value from, *size how much there is. */
static int
xattr_walk(struct chan *c, const char *name, struct chan **x, uint64_t *size)
{
	struct service *s = mount_of(c)->service;
	uint32_t fid = service_fid(s);
	struct request *r = fid != NOFID ? mnt_begin(c, IPC_TXATTRWALK) : NULL;
	int err = -ENOMEM;

	if (r != NULL) {
		r->head.newfid = r->fid = fid;
		r->makes_fid = true;
		err = mnt_call_names(c, r, name, NULL);
	}
	if (r == NULL || err != 0) {
		if (fid != NOFID && err != -EINTR)
			service_fid_free(s, fid);
		return err;
	}
	*size = r->offset;
	*x = mnt_chan(mount_of(c), fid, c->qid, NULL);
	if (*x != NULL)
		return 0;
	service_clunk(s, fid, r->generation);
	return -ENOMEM;
}

/* n of `size` bytes: a fid that has gone half way is no end of the value. */
static int64_t
xattr_whole(const struct chan *c, int64_t n, uint64_t size)
{
	return n >= 0 && (uint64_t)n < size && recoverable(c) ? -ERESTART : n;
}

static int64_t
xattr_get(struct chan *c, const char *name, struct uio *u)
{
	struct chan *x;
	uint64_t size;
	int64_t n = xattr_walk(c, name, &x, &size);

	if (n != 0)
		return n;
	if (u->left == 0)
		n = (int64_t)size;
	else if (size > u->left)
		n = -ERANGE;
	else
		n = xattr_whole(c, mnt_read(x, u, 0), size);
	chan_put(x);
	return n;
}

/* What was read before the server went is read again. */
int64_t
mnt_getxattr(struct chan *c, const char *name, struct uio *u)
{
	struct uio whole = *u;
	int64_t n = -ERESTART;

	for (int i = 0; i < AGAIN_MAX && n == -ERESTART; i++) {
		*u = whole;
		n = xattr_get(c, name, u);
	}
	return n != -ERESTART ? n : error(EHOSTDOWN, "the server keeps going away");
}

/* One attempt.  The value is set, and an error shows, when the fid goes: so that is waited for. */
static int
xattr_set(struct chan *c, const char *name, struct uio *u, uint32_t flags)
{
	struct chan *x;
	size_t size = u->left;
	struct request *r;
	int64_t n = mnt_transient(c, &x);

	if (n != 0)
		return (int)n;
	r = mnt_begin(x, IPC_TXATTRCREATE);
	if (r != NULL) {
		r->head.flags = flags;
		r->head.offset = size;
	}
	n = mnt_call_names(x, r, name, NULL);
	if (n == 0 && size > 0)
		n = xattr_whole(c, mnt_write_at(x, u, 0), size);
	r = n >= 0 ? mnt_begin(x, IPC_TCLUNK) : NULL;
	if (r != NULL) {
		n = mnt_call(x, r);
		if (n == 0) {		/* else it may still be there: chan_put clunks it again */
			service_fid_free(mount_of(x)->service, fid_of(x));
			mount_put(mount_of(x));
			x->aux = NULL;
		}
	}
	chan_put(x);
	return n < 0 ? (int)n : 0;
}

#define XATTR_CREATE	1
#define XATTR_REPLACE	2

/* Whether the first attempt would pass the test of its flags is asked before. */
static int
xattr_set_once(struct chan *c, const char *name, struct uio *u, uint32_t flags)
{
	struct uio none = { 0 }, whole = *u;
	int64_t size = flags != 0 ? mnt_getxattr(c, name, &none) : 0;
	int err;

	for (int i = 0; i < AGAIN_MAX; i++) {
		*u = whole;
		err = xattr_set(c, name, u, flags);
		if (err != -ERESTART)
			return err;
		if ((flags == XATTR_CREATE && size == -ENODATA) ||
		    (flags == XATTR_REPLACE && size >= 0))
			flags = 0;
	}
	return error(EHOSTDOWN, "the server keeps going away");
}

int
mnt_setxattr(struct chan *c, const char *name, struct uio *u, uint32_t flags)
{
	struct service *s = mount_of(c)->service;
	int err;

	if (!recoverable(c))
		return xattr_set(c, name, u, flags);
	err = names_lock(s);
	if (err != 0)
		return err;
	err = xattr_set_once(c, name, u, flags);
	names_unlock(s);
	return err;
}
