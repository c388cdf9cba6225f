/*
 * A 9P server: the library keeps fids, tags, flushes, walks, dialects and transports; a file
 * server fills in a table of operations and serves both dialects and both worlds with it.
 *
 * An operation gets a request, and answers it exactly once, before it returns or later, from any
 * thread, by one of the p9_reply calls, p9_ok or p9_fail.  It must not touch the request after
 * that.  Operations run at the same time in several threads, on the same fid too: the server
 * locks its own data.  The request's members are in `r->in`, which is struct ipc_req of
 * lux9/ipc.h: that file says which members a type has.  Names arrive NUL-terminated, 1 to 255
 * bytes, without '/' and never "." ("." is dealt with by the library); ".." arrives in walk only.
 *
 * Fids are never changed: a walk or a create makes a new one.  The library keeps a directory's
 * fid alive while a fid below it lives (9P2000's remove and rename need it).
 *
 * Locks: none is held while an operation runs.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <dma_seg.h>
#include <lux9/ipc.h>
#include <p9.h>

struct p9_srv;
struct p9_conn;
struct p9_steps;
struct p9_xattr;

struct p9_fid {
	void *aux;		/* the server's */

	/* Set by the library; read-only for the server. */
	struct ipc_qid qid;	/* as answered to attach, walk, create */
	uint32_t uid;		/* from attach; P9_NOUID when the client told none */
	uint32_t flags;		/* O_* of the open, when is_open */
	bool is_open;
	struct p9_srv *srv;

	/* The library's own. */
	bool remove_on_clunk, owned;
	_Atomic uint8_t phase;
	_Atomic bool dir_busy;
	_Atomic uint32_t refs;
	uint32_t num;
	struct p9_conn *conn;
	struct p9_fid *parent, *next;
	char *name;		/* as walked; NULL for a root */
	char short_name[32];
	struct p9_xattr *xattr;
	uint64_t dir_offset, dir_cookie;
};

struct p9_req {
	/* What is asked; read-only for the server. */
	struct ipc_req in;
	struct p9_fid *fid;	/* what in.fid names */
	struct p9_fid *newfid;	/* walk, create, auth: to be filled; link: the file; rename: the
				   new directory; attach: the auth fid or NULL */
	const char *name;	/* the name; attach, auth: aname; xattr: its name, "" lists */
	const char *name2;	/* symlink: the target; rename: new name; attach, auth: uname */
	const void *data;	/* write, xattr_set: in.count bytes; setattr: struct ipc_setattr;
				   lock, getlock: struct ipc_lock */
	const struct dma_seg *seg;	/* read, write: NULL, or it is direct (see ops.direct) */
	uint32_t nsegs;
	struct p9_srv *srv;
	void *aux;		/* the server's, NULL at first: for an answer given later */

	/* The library's own. */
	struct ipc_rep out;
	struct p9_conn *conn;
	void (*op)(struct p9_req *);
	bool (*then)(struct p9_req *);
	void (*carry)(struct p9_req *);
	void (*release)(void *arg);
	void *release_arg;
	_Atomic uint32_t state, phase;
	_Atomic uint64_t stamp_ns;
	uint8_t wire_type;
	bool tagged, stable;
	uint32_t nnames, step;
	uint8_t *buf, *rbuf;	/* what came; room for an answer */
	size_t buf_size, rbuf_size, rbuf_used;
	struct p9_steps *steps;
	struct p9_req *flushers, *next;
	const char *names[P9_NAMES_MAX];
	struct ipc_qid qids[P9_NAMES_MAX];
	union {
		struct ipc_attr attr;
		struct ipc_setattr setattr;
		struct ipc_statfs statfs;
		struct ipc_lock lock;
		char error[P9_ERRMAX];
	} u;
};

/*
 * Every member may be NULL: the operation then fails with EOPNOTSUPP, except where said.
 * "-> x" is the reply call that ends it; any may end with p9_fail instead.
 */
struct p9_srv_ops {
	/*
	 * Large reads and writes of files opened with p9_reply_open_direct may come direct, on
	 * Lux9, if the process drives a device: r->seg are the nsegs segments of the client's
	 * memory, in.count bytes in all, valid until the reply, and r->data is NULL.  A device
	 * moves them, and p9_reply_count says how many; or a read is answered with data as any
	 * other.
	 */
	bool direct;

	/* Session.  attach sets r->fid->aux.  -> p9_reply_qid */
	void (*attach)(struct p9_req *);
	/* Makes r->newfid an auth fid, which is then read and written.  NULL: none is needed. */
	void (*auth)(struct p9_req *);	/* -> p9_reply_qid */

	/* r->name in the directory r->fid; sets r->newfid->aux.  -> p9_reply_qid */
	void (*walk)(struct p9_req *);
	/* A second fid for the same file, not open.  0 or a negative errno, at once.
	 * NULL: aux is copied. */
	int (*clone)(const struct p9_fid *from, struct p9_fid *to);
	/* The last use of a fid is over: once for each fid whose attach, auth, walk, clone or
	 * create succeeded.  Called with nothing of the server's on the stack.  May be NULL. */
	void (*destroy)(struct p9_fid *);

	/* in.flags = Linux O_*, never O_CREAT.  A directory is opened too.  -> p9_reply_open.
	 * NULL: every open succeeds. */
	void (*open)(struct p9_req *);
	/* r->name in r->fid: makes and opens it (O_EXCL in in.flags: must be new); in.mode, in.gid;
	 * sets r->newfid->aux.  -> p9_reply_open */
	void (*create)(struct p9_req *);
	/* in.offset, in.count; at the end of the file 0 bytes.  -> p9_reply_data or _held */
	void (*read)(struct p9_req *);
	/* in.offset, in.count bytes at r->data, valid until the reply.  -> p9_reply_count */
	void (*write)(struct p9_req *);
	/* From in.offset (0, or the offset given to an earlier p9_dirent): calls p9_dirent for each
	 * entry until it says false.  "." and ".." may be among them.  -> p9_ok */
	void (*readdir)(struct p9_req *);
	/* in.flags 1: data only.  NULL: succeeds.  -> p9_ok */
	void (*fsync)(struct p9_req *);

	/* -> p9_reply_attr */
	void (*getattr)(struct p9_req *);
	/* r->data is a struct ipc_setattr; valid is SYS_ATTR_*.  -> p9_ok */
	void (*setattr)(struct p9_req *);
	/* -> p9_reply_statfs */
	void (*statfs)(struct p9_req *);

	/* In the directory r->fid, r->name.  -> p9_reply_qid */
	void (*mkdir)(struct p9_req *);
	void (*symlink)(struct p9_req *);
	void (*mknod)(struct p9_req *);	/* in.mode; in.offset = major << 32 | minor */
	/* -> p9_reply_data */
	void (*readlink)(struct p9_req *);
	/* r->newfid is the file.  -> p9_ok */
	void (*link)(struct p9_req *);
	/* r->name in r->fid becomes r->name2 in r->newfid, replacing what is there.  -> p9_ok */
	void (*rename)(struct p9_req *);
	/* in.flags has AT_REMOVEDIR (0x200) when a directory is meant.  -> p9_ok */
	void (*unlink)(struct p9_req *);

	/* The value of r->name on r->fid; "": the names, each with its NUL.  -> p9_reply_data */
	void (*xattr_get)(struct p9_req *);
	/* in.count bytes at r->data, in.flags 1 create 2 replace; 0 bytes removes it.  -> p9_ok */
	void (*xattr_set)(struct p9_req *);

	/* r->data is a struct ipc_lock.  -> p9_reply_count(0 done, 1 blocked, 2 error) */
	void (*lock)(struct p9_req *);
	/* -> p9_reply_lock */
	void (*getlock)(struct p9_req *);

	/* The client (or the end of its connection) wants `old` over: it should be answered soon,
	 * as it is or with EINTR.  `old` is valid during this call, though another thread may be
	 * answering it, and its operation may not have begun.  The reply to the flush
	 * waits for the answer to `old`.  May be NULL. */
	void (*flush)(struct p9_req *old);

	/*
	 * For a server that stands between clients and another one, to see what goes wrong there;
	 * NULL for all others.
	 *
	 * A message that the library carries out by itself has come: clunk, remove, flush, a walk
	 * of no names, xattrcreate (in.type).  It is carried out when the server says p9_carry_out,
	 * now or later, from any thread; p9_fail answers it undone, but the fid of a clunk or
	 * remove is given up.  A flush must not fail.  ops.flush is then called for flushes, too.
	 */
	void (*message)(struct p9_req *);
	/* The answer to any message, in r->out, with what it points to, is final: the server may
	 * change its content, and gives it to p9_send once, now or later, from any thread. */
	void (*answered)(struct p9_req *);
};

struct p9_srv {
	const struct p9_srv_ops *ops;
	void *aux;		/* the server's */
	uint32_t msize;		/* largest message; 0: P9_SRV_MSIZE */
	uint32_t max_fids;	/* in each connection; 0: P9_SRV_FIDS */
	uint32_t max_conns;	/* 0: P9_SRV_CONNS */
	bool keep;		/* its counts stay after wait, until p9_srv_free */
	struct p9_srv_state *state;	/* the library's */
};

#define P9_SRV_MSIZE	(128 * 1024 + P9_IOHDR)
#define P9_SRV_FIDS	65536
#define P9_SRV_CONNS	64
#define P9_SRV_TAGS	1024	/* requests in flight on a connection; more get EAGAIN */
#define P9_SRV_XATTR	65536	/* bytes of one extended attribute */
#define P9_SRV_SEND_S	30	/* a client that takes no reply for so long is cut off */

/* --- answers ------------------------------------------------------------------------------ */

void p9_ok(struct p9_req *);
/* errno_ is positive or negative (its sign does not count; 0 is taken as EIO).  fmt NULL: the
 * text is the errno's. */
void p9_fail(struct p9_req *, int errno_, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void p9_reply_qid(struct p9_req *, const struct ipc_qid *);
void p9_reply_open(struct p9_req *, const struct ipc_qid *, uint32_t iounit);
/* direct: IPC_DIRECT_FILE, or 0. */
void p9_reply_open_direct(struct p9_req *, const struct ipc_qid *, uint32_t iounit,
	uint64_t direct);
void p9_reply_count(struct p9_req *, uint32_t count);
/* Any memory of the server's that is valid until this call returns.  Small answers are copied,
 * large ones sent at once; nothing is copied that lies in p9_buf(r).  len is cut to in.count. */
void p9_reply_data(struct p9_req *, const void *, size_t len);
/* The same without a copy: the memory must stay valid until release(arg) is called, exactly once:
 * within this call, or as late as the thread's next request.  No operation may wait for it. */
void p9_reply_held(struct p9_req *, const void *, size_t len, void (*release)(void *), void *arg);
void p9_reply_attr(struct p9_req *, const struct ipc_attr *);
void p9_reply_statfs(struct p9_req *, const struct ipc_statfs *);
void p9_reply_lock(struct p9_req *, const struct ipc_lock *);

/* Room of at least in.count bytes (read, readlink) to put the answer in; NULL: out of memory.
 * Valid until the answer. */
void *p9_buf(struct p9_req *);
/* Within readdir: adds an entry; false when it does not fit, and then it was not added.
 * next_offset: what asks for the entry after this; not 0.  type: DT_*. */
bool p9_dirent(struct p9_req *, const struct ipc_qid *, uint64_t next_offset, uint8_t type,
	const char *name);
/* Within ops.message, or after it: see there. */
void p9_carry_out(struct p9_req *);
/* Within ops.answered, or after it: the answer goes. */
void p9_send(struct p9_req *);
/* A flush for it has come, or its connection is gone: it may end early. */
bool p9_cancelled(const struct p9_req *);

/* --- running ------------------------------------------------------------------------------ */

/*
 * Serves at `where`, with at most nthreads operations running inside the server at a time (for
 * each connection, on the wire).  Lux9: a name, posted as /srv/NAME.  Linux: unix!PATH,
 * tcp!HOST!PORT (HOST * for any).  Both: fd!N, one connected stream.  start returns when clients
 * can come: 0, or a negative errno.  wait returns when the service is over.  stop ends it, from any
 * thread: connections are cut, running operations flushed, and wait returns after them.
 */
int p9_srv_start(struct p9_srv *, const char *where, int nthreads);
int p9_srv_wait(struct p9_srv *);
void p9_srv_stop(struct p9_srv *);
/* After wait, with keep: nobody may call the others meanwhile. */
void p9_srv_free(struct p9_srv *);
/* start and wait. */
int p9_serve(struct p9_srv *, const char *where, int nthreads);

/* Adds a connected stream to a started server, which then owns it; 0 or a negative errno. */
int p9_srv_add_fd(struct p9_srv *, int fd);
/* The port that tcp!HOST!0 got, or 0. */
int p9_srv_port(const struct p9_srv *);

struct p9_srv_stats {
	uint64_t requests, bytes_read, bytes_written;
	/* Replies that tell of a failure of the server or of what is behind it: EIO, ENODEV, ENXIO,
	 * ETIMEDOUT, ENOMEM, EPROTO, EHOSTDOWN, EBADMSG.  A client's own mistakes are none. */
	uint64_t errors;
	uint32_t inflight, fids, conns;
	uint64_t oldest_ns;	/* for how long these calls have seen the oldest waiting */
	uint64_t last_error_ns;	/* os_time_ns of it; 0: none */
	char last_error[P9_ERRMAX];
};
void p9_srv_stats(struct p9_srv *, struct p9_srv_stats *);
