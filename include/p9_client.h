/*
 * A 9P client on a byte stream, in both dialects.  Calls block; many threads may make them at the
 * same time on one connection, each with a request of its own in flight.
 *
 * Everything is said in 9P2000.L's terms: Linux's open flags, attributes, errno.  In plain 9P2000
 * it is translated; what has no counterpart there gives -EOPNOTSUPP.  Results are 0 or more, or a
 * negative errno; os_errstr gives the server's text.  -EPROTO: the server's answer makes no sense.
 * Once the connection has failed every call fails with the same error.
 */
#pragma once
#include <stdbool.h>
#include <p9.h>

struct p9_client;

struct p9c_file {		/* a fid */
	struct p9_client *client;
	struct ipc_qid qid;
	uint32_t num, iounit;
};

struct p9c_entry {
	struct ipc_qid qid;
	uint8_t type;		/* DT_* */
	char name[P9_NAME_MAX + 1];
};

/* Agrees on a version on a connected stream, which the client then owns (it is closed also when
 * this fails).  The server may have only plain 9P2000: see p9c_dialect.  msize 0: 128 KiB.
 * timeout_ms: how long any answer may take, 0 for ever; when it passes, the connection has
 * failed. */
int p9c_open(struct p9_client **, int fd, enum p9_dialect, uint32_t msize, int timeout_ms);
/* No call may be running. */
void p9c_close(struct p9_client *);
enum p9_dialect p9c_dialect(const struct p9_client *);

/* One request and its answer; t's tag is chosen here.  The answer's strings and data are in
 * *keep, which the caller frees.  An error reply gives its errno. */
int p9c_rpc(struct p9_client *, struct p9_msg *t, struct p9_msg *r, void **keep);

/* Makes this thread's calls cancellable (NULL: not any more).  p9c_cancel, from another thread,
 * flushes the call that is running: it gives -EINTR unless its answer came first; with none
 * running, the next one gives -EINTR at once. */
struct p9c_cancel {
	struct p9_client *client;
	void *call;
	bool wanted;
};
void p9c_cancellable(struct p9_client *, struct p9c_cancel *);
void p9c_cancel(struct p9c_cancel *);

/* uid P9_NOUID: only the name counts. */
/*
 * This thread's calls end with -EINTR when a signal's handler has run, unless the answer came
 * first; as system calls do.  A signal just before a call is not noticed.
 */
void p9c_interruptible(bool on);

int p9c_attach(struct p9_client *, const char *uname, uint32_t uid, const char *aname,
	struct p9c_file **);
/* A path of any length and depth, "" and "." for the file itself. */
int p9c_walk(struct p9c_file *, const char *path, struct p9c_file **);
/* Always frees the file. */
int p9c_clunk(struct p9c_file *);

int p9c_file_open(struct p9c_file *, uint32_t flags);
/* Makes and opens a file in a directory. */
int p9c_create(struct p9c_file *dir, const char *name, uint32_t flags, uint32_t mode,
	struct p9c_file **);
/* Fewer bytes than n only at the end of the file, or after an error. */
int64_t p9c_read(struct p9c_file *, void *, size_t n, uint64_t offset);
int64_t p9c_write(struct p9c_file *, const void *, size_t n, uint64_t offset);
/* The entries of an open directory but "." and "..": each to fn, until it gives nonzero, which is
 * then the result. */
int p9c_list(struct p9c_file *, int (*fn)(void *, const struct p9c_entry *), void *arg);
int p9c_fsync(struct p9c_file *, bool data_only);

int p9c_getattr(struct p9c_file *, struct ipc_attr *);
int p9c_setattr(struct p9c_file *, const struct ipc_setattr *);
int p9c_statfs(struct p9c_file *, struct ipc_statfs *);
int p9c_mkdir(struct p9c_file *dir, const char *name, uint32_t mode);
/* Of a file, or of an empty directory. */
int p9c_unlink(struct p9c_file *dir, const char *name, bool is_dir);
/* Plain 9P2000: within one directory only, and not over another file. */
int p9c_rename(struct p9c_file *dir, const char *name, struct p9c_file *newdir,
	const char *newname);
int p9c_symlink(struct p9c_file *dir, const char *name, const char *target);
/* Bytes; NUL-terminated if they are fewer than n. */
int p9c_readlink(struct p9c_file *, char *, size_t n);
int p9c_link(struct p9c_file *dir, const char *name, struct p9c_file *file);
int p9c_mknod(struct p9c_file *dir, const char *name, uint32_t mode, uint32_t major,
	uint32_t minor);
/* name "": the names.  Bytes of the value, of which at most n are stored. */
int64_t p9c_xattr_get(struct p9c_file *, const char *name, void *, size_t n);
/* n 0 removes it.  flags: 1 create, 2 replace. */
int p9c_xattr_set(struct p9c_file *, const char *name, const void *, size_t n, uint32_t flags);
/* The status: 0 done, 1 blocked, 2 error. */
int p9c_lock(struct p9c_file *, const struct ipc_lock *);
int p9c_getlock(struct p9c_file *, struct ipc_lock *);
