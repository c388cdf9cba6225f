/*
 * Inside the 9P server: what its files and its transports (wire.c, lib/os) share.
 *
 * A transport fills r->in, r->wire_type and the names of a request and calls p9_request(), in a
 * thread whose p9_self is set.  The answer leaves through conn->send, in the thread that answers.
 *
 * Requests of several operations (walk, plain 9P2000's create, ...) go step by step: p9_next()
 * names an operation and what follows its answer.  What follows runs in a library thread, never
 * on the stack of the server's answer: it may call operations that take the server's locks.
 *
 * Memory of fids and requests is kept in pools while the service lasts, so a stale pointer found
 * in a table is still a fid or request, and taking a reference tells whether it is the right one.
 *
 * Order of locks: conn->flush_lock, conn->write_lock, state->lock, reqs_lock; conn->name_lock,
 * conn->queue_lock and a table's lock are taken alone.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <os_lock.h>
#include <p9_srv.h>

/* req.state: references in the low half. */
#define REQ_REFS	0xffffu
#define REQ_FLUSHED	0x10000u
#define REQ_ANSWERED	0x20000u

enum step_phase { STEP_RUNNING, STEP_PARKED, STEP_DONE };
enum fid_phase { FID_NEW, FID_BUSY, FID_OPEN, FID_AUTH, FID_XATTR_READ, FID_XATTR_WRITE };

struct p9_counters {
	_Atomic uint64_t requests, done, errors, bytes_read, bytes_written;
};

struct p9_xattr {
	size_t size, filled;
	uint32_t flags;
	char name[P9_NAME_MAX + 1];
	uint8_t data[];
};

/* What a request of several steps keeps between them. */
struct p9_steps {
	struct p9_fid *orig, *dir;
	bool (*found)(struct p9_req *);
	char name[P9_NAME_MAX + 1], name2[P9_NAME_MAX + 1];
	struct ipc_setattr setattr;
	uint32_t perm, omode;
	uint8_t *ents, *out;		/* plain directory read: entries, stat records */
	size_t ents_size, ents_n, pos, want, used;
	uint64_t cookie, next_cookie;
};

#define TABLE_LEAF 256

/* Fids by number: two levels, read without a lock; numbers of 65536 and more in chains. */
struct p9_fidtab {
	_Atomic(_Atomic(struct p9_fid *) *) leaf[TABLE_LEAF];
	pthread_mutex_t lock;		/* chains */
	struct p9_fid *chain[TABLE_LEAF];
	_Atomic uint32_t count;
};

struct p9_tagtab {
	_Atomic(_Atomic(struct p9_req *) *) leaf[TABLE_LEAF];
};

struct p9_conn {
	struct p9_srv *srv;
	struct p9_srv_state *state;
	struct p9_conn *next;
	void (*send)(struct p9_req *);		/* a final answer: transmit or p9_answer_first */
	void (*transmit)(struct p9_req *);	/* the transport's */
	enum p9_dialect dialect;
	uint32_t msize;
	bool trusted_tags;		/* the kernel's: never twice */
	uint64_t serve_flags;		/* lux9: IPC_SERVE_DIRECT, if it takes such requests */
	struct p9_fidtab fids;
	struct p9_tagtab tags;
	_Atomic uint32_t refs, inflight, nfids, nxattr;
	_Atomic bool dead, draining;
	pthread_mutex_t flush_lock;	/* every req.flushers of the connection */
	pthread_mutex_t name_lock;	/* fid.name and fid.parent, once in the table */
	/* wire.c */
	int fd;
	bool versioned, not_socket;
	pthread_mutex_t write_lock;
	pthread_mutex_t queue_lock;	/* all below */
	pthread_cond_t queue_cond;
	struct p9_req *queue, **queue_tail;
	int nthreads, nidle, nrunning;
	bool reading, hung_up;
	uint8_t *ahead;			/* bytes read and not used yet */
	size_t ahead_pos, ahead_end;
};

/* A thread of the library. */
struct p9_worker {
	struct p9_conn *conn;
	struct p9_req *ready;		/* lux9: answered, to be sent with the next SYS_SERVE */
	struct p9_req *current;
	struct p9_req *spare;
	struct p9_fid *dead;		/* to be destroyed when no operation is on the stack */
	struct p9_counters n;
	struct p9_worker *next;
};

struct p9_srv_state {
	struct p9_srv *srv;
	pthread_mutex_t lock;		/* all below but free_reqs and the counters */
	pthread_cond_t changed;		/* wait, helper */
	struct p9_conn *conns;
	struct p9_worker *workers;
	uint32_t nconns;
	int nthreads, live_threads;
	bool listening;
	int stoppers;			/* threads in p9_srv_stop */
	_Atomic bool stopping;
	struct os_lock reqs_lock;	/* the next; taken last */
	struct p9_req *free_reqs;
	struct p9_fid *free_fids;
	/* For the helper thread. */
	struct p9_req *parked;
	struct p9_fid *dead_fids;
	struct p9_conn *dead_conns;
	struct p9_counters n;		/* of threads that are not workers, or are no more */
	uint64_t last_error_ns;
	char last_error[P9_ERRMAX];
	/* lib/os */
	int listen_fd, port;
	char unix_path[108];
};

extern _Thread_local struct p9_worker *p9_self;

/* fid.c */
struct p9_fid *p9_fid_new(struct p9_conn *);
void p9_fid_ref(struct p9_fid *);
/* Drops a reference; destroys at the last.  _put may be called on the server's stack, _put_now
 * only where none of its operations is.  NULL is allowed. */
void p9_fid_dead(struct p9_fid *);
static inline void
p9_fid_put(struct p9_fid *f)
{
	if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
		p9_fid_dead(f);
}
void p9_fid_put_now(struct p9_fid *);
void p9_fid_drain(struct p9_fid *list);
struct p9_fid *p9_fid_get(struct p9_conn *, uint32_t num);
int p9_fid_insert(struct p9_conn *, struct p9_fid *, uint32_t num);
/* Puts f (or nothing, NULL) where old is; false if old is not there any more. */
bool p9_fid_replace(struct p9_conn *, struct p9_fid *old, struct p9_fid *f);
void p9_fid_clear(struct p9_conn *);
int p9_fid_set_name(struct p9_fid *, const char *);
struct p9_fid *p9_fid_parent(struct p9_fid *);
void p9_fid_copy_name(struct p9_fid *, char name[P9_NAME_MAX + 1]);
void p9_fidtab_free(struct p9_fidtab *);

/* req.c */
struct p9_req *p9_req_new(struct p9_conn *);
void p9_req_recycle(struct p9_req *);
bool p9_req_room(uint8_t **buf, size_t *size, size_t want);
/* r->in and r->wire_type are set: makes the rest new and enters the tag; -EBUSY: it is in use. */
int p9_req_begin(struct p9_req *);
void p9_tag_remove(struct p9_req *);
void p9_do_flush(struct p9_req *);
void p9_flush_all(struct p9_conn *);
void p9_finish(struct p9_req *);
/* After the answer is on its way: gives up fids and flushes.  `flushed`: REQ_FLUSHED was set. */
void p9_answered(struct p9_req *, bool flushed);
uint64_t p9_oldest(struct p9_conn *, uint64_t now);
void p9_tagtab_free(struct p9_tagtab *);

/* step.c */
static inline bool
p9_next(struct p9_req *r, void (*op)(struct p9_req *), bool (*then)(struct p9_req *))
{
	r->op = op;
	r->then = then;
	return true;
}
void p9_run(struct p9_req *);
/* The answer to a step has come, from any thread. */
void p9_step_answered(struct p9_req *);
/* The final answer of a stepped request; always false. */
bool p9_done(struct p9_req *);
bool p9_done_error(struct p9_req *, int error, const char *text);
int p9_helper_start(struct p9_srv_state *);

/* between.c */
/* Asks the server, which has ops.message, before `carry` is called. */
void p9_offer(struct p9_req *, void (*carry)(struct p9_req *));
void p9_answer_first(struct p9_req *);
static inline void
p9_set_transport(struct p9_conn *c, void (*transmit)(struct p9_req *))
{
	c->transmit = transmit;
	c->send = c->srv->ops->answered ? p9_answer_first : transmit;
}

/* request.c */
void p9_request(struct p9_req *);
/* What a string of a message must be.  ENTRY: a file's name, not "." or ".."; WALK: these too. */
enum p9_namekind { NAME_NONE, NAME_ENTRY, NAME_WALK, NAME_TARGET, NAME_XATTR, NAME_FREE };
/* Makes s, which has its length before it in a buffer, a C string in place; 0 or -errno. */
int p9_c_string(struct p9_str s, enum p9_namekind, const char **);
/* Sets r->name and r->name2 from the strings that the message has. */
int p9_set_names(struct p9_req *, struct p9_str name, struct p9_str name2);
/* The same, and r->data, from the bulk of an in-place request: r->in.length bytes at r->buf. */
int p9_set_bulk(struct p9_req *);
/* Whether there can be any. */
static inline bool
p9_has_bulk(const struct p9_req *r)
{
	return r->in.length || (r->in.type != IPC_TREAD && r->in.type != IPC_TGETATTR);
}
void p9_error(struct p9_req *, int error, const char *text);
static inline bool
p9_failed(const struct p9_req *r)
{
	return r->out.type == IPC_RLERROR;
}

/* walk.c, open.c, xattr.c, plain.c: handlers of request.c's table */
void p9_do_attach(struct p9_req *);
void p9_do_auth(struct p9_req *);
void p9_do_walk(struct p9_req *);
void p9_do_open(struct p9_req *);
void p9_do_create(struct p9_req *);
void p9_do_clunk(struct p9_req *);
void p9_do_remove(struct p9_req *);
void p9_do_rename(struct p9_req *);
void p9_do_xattrwalk(struct p9_req *);
void p9_do_xattrcreate(struct p9_req *);
bool p9_xattr_clunk(struct p9_req *);
void p9_xattr_read(struct p9_req *);
void p9_xattr_write(struct p9_req *);
void p9_plain_open(struct p9_req *);
void p9_plain_create(struct p9_req *);
void p9_plain_stat(struct p9_req *);
void p9_plain_wstat(struct p9_req *);
void p9_plain_readdir(struct p9_req *);
/* What plain 9P2000 calls the mode of a file with these attributes. */
uint32_t p9_plain_mode(const struct ipc_attr *);

void p9_steps_free(struct p9_req *);

/* What r holds until its answer has gone. */
static inline void
p9_release_fids(struct p9_req *r)
{
	if (r->release) {
		r->release(r->release_arg);
		r->release = NULL;
	}
	p9_fid_put(r->fid);
	p9_fid_put(r->newfid);
	r->fid = r->newfid = NULL;
	if (r->steps)
		p9_steps_free(r);
}

/* r->newfid = a fid of r->fid's user, of nothing yet; false: the request has been answered. */
bool p9_fresh(struct p9_req *);
/* Gives it what a walk, a create or a clone has found. */
int p9_fid_settle(struct p9_fid *, const struct ipc_qid *, struct p9_fid *parent,
	const char *name);
/* The room for a request of several steps; false: the request has been answered. */
bool p9_steps_new(struct p9_req *);
/* From r->fid, which moves to steps->orig, to its parent, and steps->name.  Then checks, by a walk,
 * that the name is still the file's, and goes on with `found`, or answers.  As a `then` returns. */
bool p9_find_self(struct p9_req *, bool (*found)(struct p9_req *));
/* After a rename of steps->orig: its new place. */
void p9_moved(struct p9_req *, struct p9_fid *parent, const char *name);

/* run.c */
struct p9_conn *p9_conn_new(struct p9_srv *, int fd);
void p9_conn_put(struct p9_conn *);
void p9_conn_free(struct p9_conn *);
void p9_worker_begin(struct p9_worker *, struct p9_conn *, struct p9_srv_state *);
void p9_worker_end(struct p9_srv_state *);
void p9_after_request(struct p9_worker *);
/* A detached thread, waited for at the end; it calls p9_thread_over last. */
int p9_thread(struct p9_srv_state *, void *(*)(void *), void *);
void p9_thread_over(struct p9_srv_state *);
static inline void
p9_bump(_Atomic uint64_t *counter, uint64_t by, bool mine)
{
	if (mine)
		atomic_store_explicit(counter, atomic_load_explicit(counter,
			memory_order_relaxed) + by, memory_order_relaxed);
	else
		atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* wire.c */
int p9_wire_start(struct p9_srv *, int fd);
void p9_wire_cut(struct p9_conn *);
void p9_wire_answered(struct p9_conn *);

/* lib/os: listens, or posts; threads by p9_thread.  stop makes them end. */
int p9_os_start(struct p9_srv *, const char *where);
void p9_os_stop(struct p9_srv_state *);
