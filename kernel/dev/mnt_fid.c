/*
 * Mounts, and the records of fids that can be made again.  doc/recovery.md
 *
 * All records of a recoverable mount are in its list, and recoverable mounts in their service's;
 * both, and what is in a record, are under the service's lock.  A record that the recovery works on
 * is `busy`: it stays in the list, and the recovery ends it if it was closed meanwhile.
 */
#include "mnt.h"

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

int
rpc_walk_pack(struct request *r, const char *const *names, int n)
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

int
rpc_walk_qids(const struct request *r, int n, struct qid *qids)
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
	int err = rpc_walk_pack(r, names, n);

	if (err == 0)
		err = mnt_call(c, r);
	return err != 0 ? err : rpc_walk_qids(r, n, qids);
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

char *
fidrec_text(const char *base, const char *const *names, int n)
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
	list_init(&f->locks);
	f->fid = fid;
	spin_lock(&m->service->lock);
	f->path = fidrec_text(from != NULL && from->path != NULL ? from->path : "", names, n);
	spin_unlock(&m->service->lock);
	if (f->path != NULL)
		return f;
	kfree(f);
	return NULL;
}

void
fidrec_free(struct fidrec *f)
{
	struct list *l;

	if (f == NULL)
		return;
	while ((l = list_pop(&f->locks)) != NULL)
		kfree(list_entry(l, struct lockrec, link));
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

		f->path = old != NULL ? fidrec_text(old, &name, 1) : NULL;
		kfree(old);
		f->qid = qid;
		f->open = open;
		f->flags = flags & ~(SYS_O_CREAT | SYS_O_EXCL | SYS_O_TRUNC);
	}
	spin_unlock(&s->lock);
	return ok;
}

/* What l makes of no consequence: the same range of the same process, or all that it had. */
static void
locks_drop(struct fidrec *f, const struct sys_lock *l)
{
	bool all = l->type == 2 && l->start == 0 && l->length == 0;

	list_for_each_safe(p, next, &f->locks) {
		struct lockrec *old = list_entry(p, struct lockrec, link);

		if (old->lock.pid != l->pid ||
		    (!all && (old->lock.start != l->start || old->lock.length != l->length)))
			continue;
		list_remove(&old->link);
		kfree(old);
		f->nlocks--;
	}
}

bool
fidrec_locked(struct chan *c, const struct request *r, struct lockrec *l)
{
	struct service *s = mount_of(c)->service;
	struct fidrec *f = rec_of(c);
	bool ok;

	spin_lock(&s->lock);
	ok = current_answer(s, r);
	if (ok) {
		locks_drop(f, &l->lock);
		list_append(&f->locks, &l->link);
		f->nlocks++;
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

void
rename_free(struct rename *n)
{
	if (n == NULL)
		return;
	kfree(n->from);
	kfree(n->to);
	kfree(n);
}

struct rename *
rename_new(struct chan *odir, const char *oname, struct chan *ndir, const char *nname)
{
	const struct fidrec *from = rec_of(odir), *to = rec_of(ndir);
	struct service *s = mount_of(odir)->service;
	struct rename *n = kzalloc(sizeof *n);

	if (n == NULL)
		return NULL;
	n->root = mount_of(odir)->root;
	spin_lock(&s->lock);
	if (from != NULL && to != NULL && from->path != NULL && to->path != NULL) {
		n->from = fidrec_text(from->path, &oname, 1);
		n->to = fidrec_text(to->path, &nname, 1);
	}
	spin_unlock(&s->lock);
	if (n->from != NULL && n->to != NULL)
		return n;
	rename_free(n);
	return NULL;
}

void
rename_begin(struct service *s, struct rename *n)
{
	spin_lock(&s->lock);
	rename_free(s->renaming);
	s->renaming = n;
	spin_unlock(&s->lock);
}

char *
renamed(const struct rename *n, const char *path)
{
	const char *rest = path != NULL ? below(path, n->from) : NULL;

	if (rest == NULL)
		return NULL;
	rest += *rest == '/';
	return fidrec_text(n->to, &rest, *rest != '\0');
}

void
rename_over(struct service *s, bool done)
{
	struct rename *n = s->renaming;

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
	rename_free(n);
}
