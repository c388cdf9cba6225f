/*
 * The pass-through file system: its structures and who locks them.
 *
 * A request is carried out below by an operation (below.c, names.c), which leaves what is to be
 * answered in a `struct pass_answer`; the answer is then given (answer.c).  Between the two, and
 * before, faults come in (fault.c): so each can be put off, be lost or be made to happen twice
 * without the operations knowing.  What the 9P library carries out by itself (clunks, flushes) it
 * asks about first, and it shows each answer before that goes; corrupt.c changes it there.
 *
 *	rules	(mutex)		which faults are set: rule.c
 *	held	(mutex)		requests that wait for a time, for a flush, or for another
 *	nodes	(mutex)		the table of nodes
 *	file	(mutex)		the position of one open directory
 *
 * None is taken while another is held, and none but `file` during a call of the system.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <p9_srv.h>
#include <sip.h>

/* The messages as rules name them: pass_message_name.  From PASS_CLONE on the library's own. */
enum pass_message {
	PASS_ATTACH, PASS_WALK, PASS_OPEN, PASS_CREATE, PASS_READ, PASS_WRITE, PASS_READDIR,
	PASS_FSYNC, PASS_GETATTR, PASS_SETATTR, PASS_STATFS, PASS_MKDIR, PASS_SYMLINK, PASS_MKNOD,
	PASS_READLINK, PASS_LINK, PASS_RENAME, PASS_UNLINK, PASS_GETXATTR, PASS_SETXATTR,
	PASS_LOCK, PASS_GETLOCK, PASS_CLONE, PASS_XATTRCREATE, PASS_CLUNK, PASS_REMOVE, PASS_FLUSH,
	PASS_MESSAGES, PASS_ALL = PASS_MESSAGES
};

enum pass_kind {
	PASS_DROP, PASS_DELAY, PASS_DUPLICATE, PASS_REORDER, PASS_CORRUPT, PASS_FAIL, PASS_CRASH,
	PASS_HANG, PASS_KINDS
};

#define PASS_RULES_MAX	32
#define PASS_DELAY_MAX	60000u		/* ms */
#define PASS_REORDER_MS	100		/* the longest that an answer waits for the next */
#define PASS_THREADS	16		/* requests in the system's hands at a time */
#define PASS_LATE	4		/* threads for what was put off */
#define PASS_BUCKETS	1024

/* --- rules ---------------------------------------------------------------------------------- */

enum pass_when { PASS_CHANCE, PASS_NTH, PASS_EVERY };

struct pass_rule {
	enum pass_kind kind;
	unsigned message;		/* enum pass_message, or PASS_ALL */
	enum pass_when when;
	uint64_t rate;			/* in a million; how many to go; every how many */
	uint64_t count;			/* requests that it was asked about */
	uint64_t id;			/* which rule since the start, for its numbers */
	unsigned ms;			/* delay */
	int error;			/* fail: an errno */
	bool after;			/* crash: when it is carried out; drop: it is */
};

struct pass_rules {
	pthread_mutex_t lock;
	_Atomic unsigned n;
	struct pass_rule rule[PASS_RULES_MAX];
	uint64_t seed, next_id;
};

/* What is to happen to one request. */
struct pass_faults {
	unsigned kinds;			/* bits 1 << enum pass_kind */
	unsigned ms;
	int error;
	bool crash_after, drop_after;
	uint64_t bit;			/* a random number: which bit is flipped */
};

const char *pass_message_name(unsigned message);	/* of PASS_ALL too */
const char *pass_kind_name(unsigned kind);
/* Why that fault has no meaning for that message; NULL: it has one. */
const char *pass_no_meaning(unsigned kind, unsigned message);
void pass_rules_init(struct pass_rules *rules);
/* One command.  0; else a negative errno, and os_errstr says what is wrong. */
int pass_rules_command(struct pass_rules *rules, const char *text);
/* The rules as commands, one a line; the length, cut at n. */
size_t pass_rules_text(struct pass_rules *rules, char *buf, size_t n);
/* True if something is to happen. */
bool pass_rules_pick(struct pass_rules *rules, unsigned message, struct pass_faults *out);

/* --- files ---------------------------------------------------------------------------------- */

/* A file below that fids stand for: one for each file.  Its place is open as long as it lives. */
struct pass_node {
	struct pass_node *next;		/* in the table's bucket */
	struct pass_node *parent;	/* where it was walked from; NULL for the root */
	unsigned refs;			/* under `nodes` */
	int place;
	uint64_t dev, path;		/* which file: unique while it lives */
};

/* A fid's aux. */
struct pass_file {
	struct pass_node *node;
	int fd;				/* -1: not open */
	pthread_mutex_t lock;
};

enum pass_reply {
	PASS_R_OK, PASS_R_QID, PASS_R_OPEN, PASS_R_COUNT, PASS_R_DATA, PASS_R_ENTRIES, PASS_R_ATTR,
	PASS_R_STATFS, PASS_R_LOCK
};

struct pass_answer {
	int error;			/* a negative errno; then nothing else counts but text */
	char text[P9_ERRMAX];
	enum pass_reply reply;
	struct ipc_qid qid;
	uint32_t count;
	void *data;			/* in p9_buf, unless it is `heap` */
	size_t length;
	void *heap;			/* to be freed */
	struct pass_file *file;		/* becomes the aux of the new fid */
	int fd;				/* becomes the file's, when it is opened; -1 */
	union {
		struct ipc_attr attr;
		struct ipc_statfs statfs;
		struct ipc_lock lock;
	};
};

struct pass_held;

struct pass {
	struct pass_node *root;
	struct pass_rules rules;
	_Atomic uint64_t requests[PASS_MESSAGES];
	_Atomic uint64_t faults[PASS_KINDS][PASS_MESSAGES];

	pthread_mutex_t held_lock;	/* all below, to `ending` */
	pthread_cond_t held_changed;	/* late threads, hung requests */
	struct pass_held *held;		/* in order of coming */
	_Atomic unsigned nreordered;	/* of them; read without the lock */
	unsigned reorder_ms;		/* PASS_REORDER_MS, but in tests */
	uint64_t hang_epoch;		/* counts `clear` */
	unsigned nlate;
	bool ending;
	pthread_t late[PASS_LATE];

	pthread_mutex_t nodes_lock;
	struct pass_node *bucket[PASS_BUCKETS];
};

static inline struct pass *
pass_of(const struct p9_srv *srv)
{
	return ((struct sip_server *)srv->aux)->priv;
}

static inline struct pass_file *
pass_file_of(const struct p9_fid *fid)
{
	return fid->aux;
}

/* pass.c: a whole file system.  0 or a negative errno, os_errstr says why. */
int pass_init(struct pass *p, const char *dir);
void pass_end(struct pass *p);			/* the service is over: no request is left */

/* node.c */
/* The node of an open place, which becomes the node's or is closed, and what it is now. */
int pass_node_of(struct pass *p, int place, struct pass_node *parent, struct pass_node **out,
	struct ipc_qid *qid);
struct pass_node *pass_node_get(struct pass *p, struct pass_node *n);
void pass_node_put(struct pass *p, struct pass_node *n);
struct pass_file *pass_file_new(struct pass *p, struct pass_node *n);	/* takes the reference */
void pass_file_free(struct pass *p, struct pass_file *f);
/* The qid that clients see of what a stat tells. */
struct ipc_qid pass_qid(const struct pass *p, const struct ipc_attr *a, uint64_t dev);

/* below.c, names.c: what each message does below. */
typedef void pass_below(struct pass *p, struct p9_req *r, struct pass_answer *a);
pass_below pass_attach, pass_walk, pass_open, pass_read, pass_write, pass_readdir, pass_fsync,
	pass_getattr, pass_setattr, pass_statfs, pass_readlink, pass_getxattr, pass_setxattr,
	pass_lock, pass_getlock;
pass_below pass_create, pass_mkdir, pass_symlink, pass_mknod, pass_link, pass_rename, pass_unlink;
/* The answer is an error, with the system's words for it. */
void pass_error(struct pass_answer *a, int64_t error);

/* answer.c: gives the answer, or drops what is in it. */
void pass_give(struct pass *p, struct p9_req *r, struct pass_answer *a);
void pass_forget(struct pass *p, struct pass_answer *a);

/* corrupt.c */
void pass_flip(void *data, size_t n, uint64_t bit);	/* of n bytes */
/* One bit of r->out, which is no error, and of what it points to. */
void pass_corrupt(struct p9_req *r, uint64_t bit);

/* fault.c: from a message to its answer. */
void pass_run(struct p9_req *r, enum pass_message message);
void pass_message(struct p9_req *r);		/* one of the library's own */
void pass_answered(struct p9_req *r);
void pass_flush(struct p9_req *old);
int pass_late_start(struct pass *p);
void pass_late_end(struct pass *p);
void pass_clear_hung(struct pass *p);

/* serve.c: the table of 9P operations. */
extern const struct p9_srv_ops pass_ops;

/* ctl.c: commands to faults, and figures, as files of a service of their own. */
int pass_command(struct pass *p, const char *text);
size_t pass_stats_text(struct pass *p, char *buf, size_t n);
/* Serves them at an address, or as /srv/NAME, mounted on `mount`. */
int pass_ctl_start(struct sip_server *s, struct pass *p, const char *where, const char *mount);
void pass_ctl_end(void);
