/*
 * What the files of the mount driver share: mnt.c (calls), mnt_name.c (changing names), mnt_fid.c
 * (mounts, and fids that can be made again), mnt_recover.c (making them).
 */
#pragma once
#include "../serve.h"

#define IO_MAX	(1u << 20)

/*
 * `service`, `aname` and what follows never change but `generation`.  The list of fids, and
 * `generation`, are under the service's lock.
 */
struct mount {
	uint32_t refs, id;
	struct service *service;
	uint32_t generation;	/* of the server that knows its fids */
	uint32_t uid;
	uint64_t wait_ns;	/* 0: not recoverable */
	uint64_t root;		/* qid.path of its root */
	struct list link;	/* of the service's, if recoverable */
	struct list fids;
	char aname[];
};

/*
 * What it takes to get a fid again, in the list of its recoverable mount.  Everything is under the
 * service's lock.  While `busy`, the recovery's thread has it: who closes it says so and leaves.
 */
struct fidrec {
	struct list link;
	uint32_t fid, flags;	/* flags: as it was opened */
	uint32_t generation;	/* of the server that has the fid */
	bool open, stale, busy, closing;
	struct qid qid;
	char *path;		/* names with '/' between, from the mount's root */
	struct list locks;	/* what was locked and unlocked, in order: struct lockrec */
	unsigned nlocks;
};

#define LOCKS_MAX 64

struct lockrec {
	struct list link;
	struct sys_lock lock;
};

static inline struct mount *
mount_of(const struct chan *c)
{
	return c->aux;
}

static inline uint32_t
fid_of(const struct chan *c)
{
	return (uint32_t)c->aux2;
}

static inline struct fidrec *
rec_of(const struct chan *c)
{
	return c->aux3;
}

static inline bool
recoverable(const struct chan *c)
{
	return mount_of(c)->wait_ns != 0;
}

static inline struct qid
qid_of(const struct ipc_qid *q)
{
	return (struct qid){ q->path, q->version, q->type };
}

/* mnt.c */
/* The current thread's request, for c; NULL if memory is short. */
struct request *mnt_begin(const struct chan *c, uint32_t type);
/* A buffer of the request's own: strings go out of it, replies of at most n bytes come into it. */
bool mnt_buffer(struct request *r, size_t n);
void mnt_put_string(struct request *r, const char *s);
/* What it means that the server does not know c's fid: a negative errno. */
int mnt_lost_fid(const struct chan *c);

static inline int
mnt_call(const struct chan *c, struct request *r)
{
	int err = service_call(mount_of(c)->service, r);

	return likely(err != -EBADF) ? err : mnt_lost_fid(c);
}

/* Sends r with up to two names for bulk and no reply but a qid; r NULL: -ENOMEM. */
int mnt_call_names(struct chan *c, struct request *r, const char *a, const char *b);
/* A channel for the fid, with its record, if it has one.  NULL: no memory. */
struct chan *mnt_chan(struct mount *m, uint32_t fid, struct qid qid, struct fidrec *f);
/* A fid of its own for c's file, for one operation. */
int mnt_transient(struct chan *c, struct chan **out);
int mnt_lopen(struct chan *c, uint32_t flags);
void mnt_opened(struct chan *c, const struct request *r);	/* what the answer says of c */
int mnt_stat(struct chan *c, struct sys_stat *st);
int64_t mnt_read(struct chan *c, struct uio *u, uint64_t off);
int64_t mnt_write_at(struct chan *c, struct uio *u, uint64_t off);

/* mnt_fid.c */
void mount_put(struct mount *m);
/* Makes r a Tattach, and sends it. */
int rpc_attach(struct mount *m, struct request *r, uint32_t fid);
/* Makes r, whose fids are set, a Twalk, and sends it: how many names were walked; their qids. */
int rpc_walk(const struct chan *c, struct request *r, const char *const *names, int n,
	     struct qid *qids);
/* Parts of that: the bulk, -ENOMEM; the answer's qids. */
int rpc_walk_pack(struct request *r, const char *const *names, int n);
int rpc_walk_qids(const struct request *r, int n, struct qid *qids);
/* base/names, where either may be empty, in memory of its own.  NULL: no memory. */
char *fidrec_text(const char *base, const char *const *names, int n);
/* A record for a fid below `from` (NULL: the root); not in the list yet.  NULL: no memory. */
struct fidrec *fidrec_new(struct mount *m, const struct fidrec *from, const char *const *names,
			  int n, uint32_t fid);
void fidrec_free(struct fidrec *f);		/* NULL is valid */
/*
 * These enter what an answer of r's generation means; false, and nothing is entered, if that
 * server has gone since: then the caller asks again.  A mount and the record of its root:
 */
bool mount_enter(struct mount *m, struct fidrec *root, const struct request *r);
/* A fid; `renames` was the service's before the call, and must be. */
bool fidrec_enter(struct mount *m, struct fidrec *f, const struct request *r, uint32_t renames);
/* c's fid was opened; */
bool fidrec_opened(struct chan *c, const struct request *r, uint32_t flags);
/* it went to a name in its directory, and was opened with that, if `open`. */
bool fidrec_moved(struct chan *c, const struct request *r, const char *name, struct qid qid,
		  bool open, uint32_t flags);
/* c's file was locked or unlocked, as l says, which is the record's from then on; */
bool fidrec_locked(struct chan *c, const struct request *r, struct lockrec *l);
void lock_pack(struct request *r, const struct sys_lock *l, bool block);
void fidrec_remove(struct mount *m, struct fidrec *f);	/* out of the list */
/* The channel's fid and record go. */
void fidrec_close(struct chan *c);

/*
 * A rename that may have been done when the server goes: paths below `from` may be below `to`.
 * The service keeps the one under way, and the last one whose client never knew.
 */
struct rename {
	char *from, *to;
	uint64_t root;			/* of which tree */
};
/* With the lock held: path, if it is below what was moved, as it is after that; or NULL. */
char *renamed(const struct rename *n, const char *path);
/* NULL: no memory. */
struct rename *rename_new(struct chan *odir, const char *oname, struct chan *ndir,
			  const char *nname);
void rename_begin(struct service *s, struct rename *n);	/* n is the service's from then on */

/* mnt_name.c */
int mnt_create(struct chan *c, const char *name, uint32_t flags, uint32_t mode);
int mnt_mkdir(struct chan *dir, const char *name, uint32_t mode);
int mnt_unlink(struct chan *dir, const char *name, uint32_t flags);
int mnt_rename(struct chan *odir, const char *oname, struct chan *ndir, const char *nname);
int mnt_link(struct chan *dir, const char *name, struct chan *file);
int mnt_symlink(struct chan *dir, const char *name, const char *target);
int mnt_mknod(struct chan *dir, const char *name, uint32_t mode, uint64_t rdev);
int64_t mnt_getxattr(struct chan *c, const char *name, struct uio *u);
int mnt_setxattr(struct chan *c, const char *name, struct uio *u, uint32_t flags);
/* Writes at the end of the file, once, on a recoverable mount. */
int64_t mnt_append(struct chan *c, struct uio *u);
