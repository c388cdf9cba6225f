/*
 * Recovery: a kernel thread for each take-over of a service.  It attaches each recoverable mount
 * anew, walks to every fid, under its old number, compares qid.path, opens it as it was and takes
 * its locks.  Then all that is held goes on.  It ends early if its server goes, too.
 * doc/recovery.md
 *
 * A record that it works on is `busy`: it stays in its mount's list, and the recovery ends it if it
 * was closed meanwhile.
 */
#include "mnt.h"

#include "../name.h"

#define RECOVERY_PRIO	20
#define TRIES_MAX	4	/* of one fid, against names that change */

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

		if (r == NULL || rpc_walk_pack(r, names, n) != 0)
			return -ENOMEM;
		r->head.newfid = fid;
		err = send(rc, r);
		if (err != 0 || rpc_walk_qids(r, n, qids) < n) {
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

/* The n-th lock of f, which is open again. */
static int
lock_again(const struct recovery *rc, struct fidrec *f, unsigned n)
{
	struct request *r = request_for(IPC_TLOCK, f->fid);
	const struct lockrec *found = NULL;
	int err;

	if (r == NULL || !mnt_buffer(r, sizeof(struct ipc_lock)))
		return -ENOMEM;
	spin_lock(&rc->s->lock);
	list_for_each(l, &f->locks)
		if (n-- == 0)
			found = list_entry(l, struct lockrec, link);
	if (found != NULL)
		lock_pack(r, &found->lock, false);
	spin_unlock(&rc->s->lock);
	if (found == NULL)
		return 0;
	err = send(rc, r);
	return err != 0 ? err : r->count == 0 ? 0 : -EAGAIN;
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
		path = fidrec_text(f->path, NULL, 0);
	else if (moved && n != NULL && n->root == m->root)
		path = renamed(n, f->path);
	spin_unlock(&rc->s->lock);
	return path;
}

/* Recovery has found f where a rename may have brought it. */
static void
enter_moved(const struct recovery *rc, const struct mount *m, struct fidrec *f)
{
	char *now = path_now(rc, m, f, true), *old;

	if (now == NULL)
		return;
	spin_lock(&rc->s->lock);
	old = f->path;
	f->path = now;
	spin_unlock(&rc->s->lock);
	kfree(old);
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
		for (unsigned i = 0; err == 0 && i < f->nlocks; i++)
			err = lock_again(rc, f, i);
		if (err != 0)
			clunk_again(rc, f->fid);
		else if (try % 2 == 1)
			enter_moved(rc, m, f);
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
	spin_lock(&rc->s->lock);
	if (rc->s->serving == rc->generation)
		m->generation = rc->generation;
	else
		err = -EHOSTDOWN;	/* another recovery is at it */
	spin_unlock(&rc->s->lock);
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
