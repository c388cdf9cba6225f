/*
 * Mounts, the records of fids that can be made again, and the recovery that makes them.
 * doc/recovery.md
 *
 * All records of a recoverable mount are in its list, and recoverable mounts in their service's;
 * both, and what is in a record, are under the service's lock.  A record that the recovery works on
 * is `busy`: it stays in the list, and the recovery ends it if it was closed meanwhile.
 *
 * The recovery is a kernel thread for each take-over.  It attaches each mount anew, walks to every
 * fid, under its old number, compares qid.path, and opens it as it was.  Then all that is held goes
 * on.  It ends early if its server goes, too.
 */
#include "mnt.h"

#include "../amd64/cpu.h"
#include "../name.h"

#define RECOVERY_PRIO	20
#define TRIES_MAX	4	/* of one fid, against names that change */

/* --- messages that need no channel ----------------------------------------------------------- */

int
rpc_attach(struct mount *m, struct request *r, uint32_t fid)
{
	if (!mnt_buffer(r, strlen(m->aname) + 16))
		return -ENOMEM;
	r->head.type = IPC_TATTACH;
	r->head.fid = fid;
	r->head.newfid = NOFID;
	r->head.uid = m->uid;
	r->head.conn = m->id;
	mnt_put_string(r, "");
	mnt_put_string(r, m->aname);
	r->ndst = 0;
	r->makes_fid = true;
	r->fid = fid;
	return service_call(m->service, r);
}

static int
walk_pack(struct request *r, const char *const *names, int n)
{
	size_t bytes = (size_t)n * sizeof(struct ipc_qid);

	for (int i = 0; i < n; i++)
		bytes += strlen(names[i]) + 2;
	if (!mnt_buffer(r, bytes + 8))
		return -ENOMEM;
	for (int i = 0; i < n; i++)
		mnt_put_string(r, names[i]);
	r->ndst = (uint32_t)((size_t)n * sizeof(struct ipc_qid));
	r->head.count = (uint32_t)n;
	return 0;
}

static int
walk_qids(const struct request *r, int n, struct qid *qids)
{
	const struct ipc_qid *q = r->kbuf;
	int got = (int)MIN(r->got / sizeof *q, (size_t)n);

	for (int i = 0; i < got; i++)
		qids[i] = qid_of(&q[i]);
	return got;
}

int
rpc_walk(const struct chan *c, struct request *r, const char *const *names, int n,
	 struct qid *qids)
{
	int err = walk_pack(r, names, n);

	if (err == 0)
		err = mnt_call(c, r);
	return err != 0 ? err : walk_qids(r, n, qids);
}

/* --- mounts ---------------------------------------------------------------------------------- */

void
mount_put(struct mount *m)
{
	struct service *s = m->service;
	bool last = false;

	if (!ref_put(&m->refs))
		return;
	if (m->wait_ns != 0) {
		spin_lock(&s->lock);
		if (!list_empty(&m->link)) {
			list_remove(&m->link);
			last = --s->recoverable == 0 && s->serving == 0;
		}
		spin_unlock(&s->lock);
	}
	if (last) {		/* nobody waits for a successor any more */
		service_end(s);
		srv_forget(s);
	}
	service_put_client(s);
	kfree(m);
}

static bool
current_answer(const struct service *s, const struct request *r)
{
	return s->serving == r->generation;
}

bool
mount_enter(struct mount *m, struct fidrec *root, const struct request *r)
{
	struct service *s = m->service;
	bool ok;

	spin_lock(&s->lock);
	ok = current_answer(s, r);
	if (ok) {
		m->generation = r->generation;
		if (root != NULL) {
			root->generation = r->generation;
			list_append(&m->fids, &root->link);
			list_append(&s->mounts, &m->link);
			s->recoverable++;
		}
	}
	spin_unlock(&s->lock);
	return ok;
}

/* --- records --------------------------------------------------------------------------------- */

/* With the lock held: base/names, where either may be empty.  NULL: no memory. */
static char *
path_text(const char *base, const char *const *names, int n)
{
	size_t length = strlen(base) + 1;
	char *text, *p;

	for (int i = 0; i < n; i++)
		length += strlen(names[i]) + 1;
	text = p = kmalloc(length);
	if (text == NULL)
		return NULL;
	memcpy(p, base, strlen(base));
	p += strlen(base);
	for (int i = 0; i < n; i++) {
		if (p != text)
			*p++ = '/';
		memcpy(p, names[i], strlen(names[i]));
		p += strlen(names[i]);
	}
	*p = '\0';
	return text;
}

struct fidrec *
fidrec_new(struct mount *m, const struct fidrec *from, const char *const *names, int n,
	   uint32_t fid)
{
	struct fidrec *f = kzalloc(sizeof *f);

	if (f == NULL)
		return NULL;
	list_init(&f->link);
	f->fid = fid;
	spin_lock(&m->service->lock);
	f->path = path_text(from != NULL && from->path != NULL ? from->path : "", names, n);
	spin_unlock(&m->service->lock);
	if (f->path != NULL)
		return f;
	kfree(f);
	return NULL;
}

void
fidrec_free(struct fidrec *f)
{
	if (f != NULL)
		kfree(f->path);
	kfree(f);
}

bool
fidrec_enter(struct mount *m, struct fidrec *f, const struct request *r, uint32_t renames)
{
	struct service *s = m->service;
	bool ok;

	spin_lock(&s->lock);
	ok = current_answer(s, r) && s->renames == renames;
	if (ok) {
		f->generation = r->generation;
		list_append(&m->fids, &f->link);
	}
	spin_unlock(&s->lock);
	return ok;
}

bool
fidrec_opened(struct chan *c, const struct request *r, uint32_t flags)
{
	struct service *s = mount_of(c)->service;
	struct fidrec *f = rec_of(c);
	bool ok;

	spin_lock(&s->lock);
	ok = current_answer(s, r);
	if (ok) {
		f->open = true;
		f->flags = flags & ~(SYS_O_CREAT | SYS_O_EXCL | SYS_O_TRUNC);
		f->qid = qid_of(&r->qid);
	}
	spin_unlock(&s->lock);
	return ok;
}

bool
fidrec_moved(struct chan *c, const struct request *r, const char *name, struct qid qid, bool open,
	     uint32_t flags)
{
	struct service *s = mount_of(c)->service;
	struct fidrec *f = rec_of(c);
	bool ok;

	spin_lock(&s->lock);
	ok = current_answer(s, r);
	if (ok) {
		char *old = f->path;

		f->path = old != NULL ? path_text(old, &name, 1) : NULL;
		kfree(old);
		f->qid = qid;
		f->open = open;
		f->flags = flags & ~(SYS_O_CREAT | SYS_O_EXCL | SYS_O_TRUNC);
	}
	spin_unlock(&s->lock);
	return ok;
}

void
fidrec_remove(struct mount *m, struct fidrec *f)
{
	spin_lock(&m->service->lock);
	list_remove(&f->link);
	spin_unlock(&m->service->lock);
}

void
fidrec_close(struct chan *c)
{
	struct service *s = mount_of(c)->service;
	struct fidrec *f = rec_of(c);
	bool busy;

	spin_lock(&s->lock);
	busy = f->busy;
	if (busy)
		f->closing = true;
	else
		list_remove(&f->link);
	spin_unlock(&s->lock);
	if (busy)
		return;
	service_clunk(s, f->fid, f->stale ? 0 : f->generation);
	fidrec_free(f);
}

/* --- renames --------------------------------------------------------------------------------- */

/* What follows `prefix` in path: "" or "/..."; NULL if path is not it or below it. */
static const char *
below(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(path, prefix, n) == 0 && (path[n] == '/' || path[n] == '\0') ? path + n :
										      NULL;
}

bool
rename_paths(struct rename *n, struct chan *odir, const char *oname, struct chan *ndir,
	     const char *nname)
{
	const struct fidrec *from = rec_of(odir), *to = rec_of(ndir);
	struct service *s = mount_of(odir)->service;

	n->root = mount_of(odir)->root;
	n->from = n->to = NULL;
	spin_lock(&s->lock);
	if (from != NULL && to != NULL && from->path != NULL && to->path != NULL) {
		n->from = path_text(from->path, &oname, 1);
		n->to = path_text(to->path, &nname, 1);
	}
	spin_unlock(&s->lock);
	if (n->from != NULL && n->to != NULL)
		return true;
	kfree(n->from);
	kfree(n->to);
	return false;
}

void
rename_begin(struct service *s, struct rename *n)
{
	spin_lock(&s->lock);
	s->renaming = n;
	spin_unlock(&s->lock);
}

/* With the lock held: path, if it is below what was moved, as it is after that; or NULL. */
static char *
renamed(const struct rename *n, const char *path)
{
	const char *rest = path != NULL ? below(path, n->from) : NULL;

	if (rest == NULL)
		return NULL;
	rest += *rest == '/';
	return path_text(n->to, &rest, *rest != '\0');
}

void
rename_over(struct service *s, struct rename *n, bool done)
{
	spin_lock(&s->lock);
	list_for_each(l, &s->mounts) {
		struct mount *m = list_entry(l, struct mount, link);

		if (!done || m->root != n->root)
			continue;
		list_for_each(k, &m->fids) {
			struct fidrec *f = list_entry(k, struct fidrec, link);

			if (f->path == NULL || below(f->path, n->from) == NULL)
				continue;
			char *old = f->path;

			f->path = renamed(n, old);	/* NULL: it will be stale */
			kfree(old);
		}
	}
	s->renames += done;
	s->renaming = NULL;
	spin_unlock(&s->lock);
	kfree(n->from);
	kfree(n->to);
}

/* --- recovery -------------------------------------------------------------------------------- */

struct recovery {
	struct service *s;
	uint32_t generation;
};

/* Sends a request of the recovery's own. */
static int
send(const struct recovery *rc, struct request *r)
{
	r->recovers = true;
	r->generation = rc->generation;
	return service_call(rc->s, r);
}

static struct request *
request_for(uint32_t type, uint32_t fid)
{
	struct request *r = request_get();

	if (r != NULL) {
		r->head.type = type;
		r->head.fid = fid;
	}
	return r;
}

/* The fid goes, its number stays. */
static void
clunk_again(const struct recovery *rc, uint32_t fid)
{
	struct request *r = request_for(IPC_TCLUNK, fid);

	if (r != NULL)
		(void)send(rc, r);
}

/* The next names of *path: how many; they are ended in place. */
static int
split(char **path, const char *names[WALK_MAX])
{
	char *p = *path;
	int n = 0;

	while (n < WALK_MAX && *p != '\0') {
		names[n++] = p;
		while (*p != '/' && *p != '\0')
			p++;
		if (*p == '/')
			*p++ = '\0';
	}
	*path = p;
	return n;
}

/*
 * Walks from root to path, under the number fid; *qid is where that is.  path is changed.
 * 0, -ENOENT, or another error; only then the fid is not there.
 */
static int
walk_again(const struct recovery *rc, uint32_t root, uint32_t fid, char *path, struct qid *qid)
{
	uint32_t from = root;

	do {
		const char *names[WALK_MAX];
		struct qid qids[WALK_MAX];
		int n = split(&path, names), err;
		struct request *r = request_for(IPC_TWALK, from);

		if (r == NULL || walk_pack(r, names, n) != 0)
			return -ENOMEM;
		r->head.newfid = fid;
		err = send(rc, r);
		if (err != 0 || walk_qids(r, n, qids) < n) {
			if (from == fid)	/* half way */
				clunk_again(rc, fid);
			return err != 0 ? err : -ENOENT;
		}
		if (n > 0)
			*qid = qids[n - 1];
		from = fid;
	} while (*path != '\0');
	return 0;
}

static int
open_again(const struct recovery *rc, uint32_t fid, uint32_t flags)
{
	struct request *r = request_for(IPC_TLOPEN, fid);

	if (r == NULL)
		return -ENOMEM;
	r->head.flags = flags;
	return send(rc, r);
}

/* The path of f, or, at the second try, where a rename under way may have brought it. */
static char *
path_now(const struct recovery *rc, const struct mount *m, const struct fidrec *f, bool moved)
{
	const struct rename *n;
	char *path = NULL;

	spin_lock(&rc->s->lock);
	n = rc->s->renaming;
	if (!moved && f->path != NULL)
		path = path_text(f->path, NULL, 0);
	else if (moved && n != NULL && n->root == m->root)
		path = renamed(n, f->path);
	spin_unlock(&rc->s->lock);
	return path;
}

/* f, which is busy, is made again below the fid `root`: 0 or an error; then it is not there. */
static int
make_again(const struct recovery *rc, const struct mount *m, struct fidrec *f, uint32_t root)
{
	int err = -ENOENT;

	for (int try = 0; try < TRIES_MAX && err == -ENOENT; try++) {
		uint32_t renames = __atomic_load_n(&rc->s->renames, __ATOMIC_RELAXED);
		char *path = path_now(rc, m, f, try % 2 == 1);
		struct qid qid = { .path = m->root, .type = QT_DIR };

		if (path == NULL)
			continue;
		err = walk_again(rc, root, f->fid, path, &qid);
		kfree(path);
		if (err == 0 && qid.path != f->qid.path)
			err = -ENOENT;
		else if (err == 0)
			err = f->open ? open_again(rc, f->fid, f->flags) : 0;
		else
			continue;
		if (err != 0)
			clunk_again(rc, f->fid);
		if (err == -ENOENT && try % 2 == 1 && renames == rc->s->renames)
			break;
	}
	return err;
}

/* The next record of m that is to be made again, busy; waits for one that an older recovery has. */
static struct fidrec *
next_record(const struct recovery *rc, struct mount *m)
{
	struct service *s = rc->s;
	struct fidrec *found = NULL;
	bool wait = true;

	spin_lock(&s->lock);
	while (found == NULL && wait && s->serving == rc->generation) {
		wait = false;
		list_for_each(l, &m->fids) {
			struct fidrec *f = list_entry(l, struct fidrec, link);

			if (f->generation == rc->generation)
				continue;
			if (!f->busy) {
				found = f;
				break;
			}
			wait = true;
		}
		if (found != NULL)
			found->busy = true;
		else if (wait)
			wait_on_hard(&s->changed, &s->lock, FOREVER);
	}
	spin_unlock(&s->lock);
	return found;
}

/* f is busy no more: there, or stale; or it was closed. */
static void
record_over(const struct recovery *rc, struct mount *m, struct fidrec *f, int err)
{
	struct service *s = rc->s;
	bool gone = err == -EHOSTDOWN, closing;

	spin_lock(&s->lock);
	f->busy = false;
	closing = f->closing;
	list_remove(&f->link);		/* to the end: the rest is before it */
	if (!closing)
		list_append(&m->fids, &f->link);
	if (!gone) {
		f->generation = rc->generation;
		f->stale = err != 0;
	}
	if (err != 0 && !gone && !closing)
		kprint("recovery: /%s: error %d\n", f->path != NULL ? f->path : "?", -err);
	wake_all(&s->changed);
	spin_unlock(&s->lock);
	if (closing) {
		service_clunk(s, f->fid, err != 0 ? 0 : rc->generation);
		fidrec_free(f);
	}
}

/* All fids of a mount.  -EHOSTDOWN: the server has gone again. */
static int
mount_again(const struct recovery *rc, struct mount *m)
{
	uint32_t root = service_fid(rc->s);
	struct request *r = request_get();
	struct fidrec *f;
	int err = -ENOMEM, one = 0;

	if (root != NOFID && r != NULL) {
		r->recovers = true;
		r->generation = rc->generation;
		err = rpc_attach(m, r, root);
	}
	while (one != -EHOSTDOWN && err != -EHOSTDOWN && (f = next_record(rc, m)) != NULL) {
		one = err != 0 ? err : make_again(rc, m, f, root);
		record_over(rc, m, f, one);
	}
	m->generation = rc->generation;
	if (err == 0)
		service_clunk(rc->s, root, rc->generation);
	else if (root != NOFID)
		service_fid_free(rc->s, root);
	return err == -EHOSTDOWN ? err : one;
}

/* The next mount to do, with a reference. */
static struct mount *
next_mount(const struct recovery *rc)
{
	struct mount *found = NULL;

	spin_lock(&rc->s->lock);
	list_for_each(l, &rc->s->mounts) {
		struct mount *m = list_entry(l, struct mount, link);

		if (m->generation != rc->generation && ref_get_unless_zero(&m->refs)) {
			found = m;
			break;
		}
	}
	spin_unlock(&rc->s->lock);
	return found;
}

static void
recover(void *arg)
{
	struct recovery *rc = arg;
	struct mount *m;
	int err = 0;

	while (err != -EHOSTDOWN && (m = next_mount(rc)) != NULL) {
		err = mount_again(rc, m);
		mount_put(m);
	}
	service_release(rc->s, rc->generation);
	service_put_client(rc->s);
	kfree(rc);
	request_free(thread_current());
	thread_current()->state = T_DEAD;
	schedule();
	panic("a recovery that is over runs");
}

int
recovery_start(struct service *s, uint32_t generation)
{
	struct recovery *rc = kzalloc(sizeof *rc);
	struct thread *t = rc != NULL ? thread_new(NULL, RECOVERY_PRIO) : NULL;

	if (t == NULL) {
		kfree(rc);
		return -ENOMEM;
	}
	service_get_client(s);
	*rc = (struct recovery){ s, generation };
	t->kernel_fn = recover;
	t->kernel_arg = rc;
	sched_start(t);
	return 0;
}
