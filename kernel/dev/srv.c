/*
 * dev_srv: /srv, the names of services.  srv(3), include/lux9/ipc.h
 *
 * Making a file makes a service and gives its server's end; opening one gives a client's end.  The
 * name goes with the server's end or by unlink; but if the service can be taken over, the name
 * stays, and opening it with O_TRUNC gives the server's end to a successor.  `srv_lock` (class
 * "service names") guards the list and the entries; an entry lives while it is listed.  chan.aux
 * is the service of an open channel, with
 * an end of its own; aux2 is the generation of a server's, else 0.  qid.path names the entry.
 */
#include "service.h"

#include "cap.h"
#include "proc.h"

#define NAMES_MAX 512

struct entry {
	struct list node;
	uint64_t id;
	struct service *service;	/* it removes the entry before it goes */
	uint32_t mode, uid, gid;
	char name[SYS_NAME_MAX + 1];
};

static struct spinlock srv_lock = SPINLOCK("service names");
static struct list entries = LIST_INIT(entries);
static uint64_t last_id;
static int nentries;

/* Called with the lock held; one of both is to match. */
static struct entry *
find(uint64_t id, const char *name)
{
	list_for_each(p, &entries) {
		struct entry *e = list_entry(p, struct entry, node);

		if (e->id == id || (name && strcmp(e->name, name) == 0))
			return e;
	}
	return NULL;
}

static int
srv_gen(struct chan *c, int i, struct dirtab *d, char buf[SYS_NAME_MAX + 1])
{
	int r = -1;

	if (c->qid.path != 0)
		return -1;
	spin_lock(&srv_lock);
	list_for_each(p, &entries) {
		struct entry *e = list_entry(p, struct entry, node);

		if (i-- > 0)
			continue;
		strlcpy(buf, e->name, SYS_NAME_MAX + 1);
		*d = (struct dirtab){ buf, e->id, 0100000 | e->mode, 0 };
		r = 1;
		break;
	}
	spin_unlock(&srv_lock);
	return r;
}

static bool
may_use(const struct entry *e)
{
	struct proc *p = proc_current();
	uint32_t bits = e->mode;

	if (p == NULL || p->uid == 0)
		return true;
	bits = p->uid == e->uid ? bits >> 6 : p->gid == e->gid ? bits >> 3 : bits;
	return (bits & 6) != 0;
}

/* A server's end of a service that has lost its server. */
static int
take_over(struct chan *c, struct service *s)
{
	int64_t generation = service_take_over(s);

	service_put_client(s);
	if (generation < 0)
		return (int)generation;
	c->aux = s;
	c->aux2 = (uint64_t)generation;
	return 0;
}

static int
srv_open(struct chan **c, uint32_t flags)
{
	struct service *s = NULL;
	struct entry *e;
	int err = -ENOENT;

	if ((*c)->qid.type & QT_DIR)
		return 0;
	spin_lock(&srv_lock);
	e = find((*c)->qid.path, NULL);
	if (e && may_use(e)) {
		s = e->service;
		service_get_client(s);
		err = 0;
	} else if (e) {
		err = -EACCES;
	}
	spin_unlock(&srv_lock);
	if (err == 0 && flags & SYS_O_TRUNC)
		return take_over(*c, s);
	(*c)->aux = s;
	(*c)->aux2 = 0;
	return err;
}

static struct entry *
entry_new(const char *name, uint32_t mode)
{
	struct proc *p = proc_current();
	struct entry *e = kzalloc(sizeof(*e));

	if (e == NULL)
		return NULL;
	e->service = service_new();
	if (e->service == NULL) {
		kfree(e);
		return NULL;
	}
	e->mode = mode & 0777;
	e->uid = p ? p->uid : 0;
	e->gid = p ? p->gid : 0;
	strlcpy(e->name, name, sizeof(e->name));
	return e;
}

static int
srv_create(struct chan *c, const char *name, uint32_t flags, uint32_t mode)
{
	struct entry *e;
	int err = cap_check(CAP_FILE_SYSTEM);

	if (err < 0)
		return err;
	if ((flags & SYS_O_ACCMODE) != SYS_O_RDWR)
		return error(EINVAL, "srv: %s: a service is made with read and write", name);
	e = entry_new(name, mode);
	if (e == NULL)
		return -ENOMEM;
	spin_lock(&srv_lock);
	if (find(0, name))
		err = -EEXIST;
	else if (nentries >= NAMES_MAX)
		err = -ENOSPC;
	if (err == 0) {
		e->id = ++last_id;
		list_append(&entries, &e->node);
		nentries++;
		c->qid = (struct qid){ .path = e->id };
		c->aux = e->service;
		c->aux2 = 1;
	}
	spin_unlock(&srv_lock);
	if (err < 0) {
		service_put_server(e->service, 1);
		kfree(e);
	}
	return err != -ENOSPC ? err : error(ENOSPC, "srv: more than %d names", NAMES_MAX);
}

/* Called with the lock held. */
static void
entry_remove(struct entry *e)
{
	list_remove(&e->node);
	nentries--;
	kfree(e);
}

void
srv_forget(struct service *s)
{
	spin_lock(&srv_lock);
	list_for_each_safe(p, next, &entries) {
		struct entry *e = list_entry(p, struct entry, node);

		if (e->service == s)
			entry_remove(e);
	}
	spin_unlock(&srv_lock);
}

static void
srv_close(struct chan *c)
{
	struct service *s = c->aux;

	if (s == NULL)
		return;
	service_get_client(s);		/* until its name has gone */
	if (c->aux2 == 0)
		service_put_client(s);
	else if (!service_put_server(s, (uint32_t)c->aux2))
		srv_forget(s);
	service_put_client(s);
}

static int
srv_unlink(struct chan *, const char *name, uint32_t flags)
{
	struct proc *p = proc_current();
	struct service *s = NULL;
	struct entry *e;
	int err = cap_check(CAP_FILE_SYSTEM);

	if (err < 0)
		return err;
	if (flags & SYS_AT_REMOVEDIR)
		return -ENOTDIR;
	spin_lock(&srv_lock);
	e = find(0, name);
	if (e == NULL) {
		err = -ENOENT;
	} else if (p && p->uid != 0 && p->uid != e->uid) {
		err = -EACCES;
	} else {
		s = e->service;
		service_get_client(s);
		entry_remove(e);
	}
	spin_unlock(&srv_lock);
	if (s != NULL) {
		service_end(s);
		service_put_client(s);
	}
	return err;
}

static int64_t
srv_refuse(struct chan *c, struct uio *, uint64_t)
{
	return error(EINVAL, "srv: %s",
		     c->aux2 ? "a service is answered with its own call, not by read and write"
			     : "a service is mounted, not read or written");
}

static int
srv_stat(struct chan *c, struct sys_stat *st)
{
	struct dirtab d = { "", c->qid.path, c->qid.path ? 0100600 : 0040777, 0 };
	uint32_t uid = 0, gid = 0;
	struct entry *e;

	spin_lock(&srv_lock);
	e = c->qid.path ? find(c->qid.path, NULL) : NULL;
	if (e) {
		d.mode = 0100000 | e->mode;
		uid = e->uid;
		gid = e->gid;
	}
	spin_unlock(&srv_lock);
	devtab_stat(c, st, &d);
	st->uid = uid;
	st->gid = gid;
	return 0;
}

struct service *
srv_service(struct chan *c, uint32_t *generation)
{
	if (c->dev != &dev_srv || !c->open)
		return NULL;
	*generation = (uint32_t)c->aux2;
	return c->aux;
}

const struct dev dev_srv = {
	.gen = srv_gen,
	.name = "srv", .attach = devtab_attach, .walk = devtab_walk, .open = srv_open,
	.create = srv_create, .close = srv_close, .read = srv_refuse, .write = srv_refuse,
	.readdir = devtab_readdir, .stat = srv_stat, .unlink = srv_unlink,
	.kind = SYS_KIND_SERVICE,
};
