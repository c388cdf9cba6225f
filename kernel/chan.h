/*
 * Channels (open or named files), devices, name spaces, descriptors.
 *
 * A channel names one file of one device: a kernel device, or the mount driver, which stands for
 * every server.  It is reference-counted.  Between walk and open it is a place in a tree; after
 * open its mode does not change.
 */
#pragma once
#include <lux9/sys.h>

#include "lock.h"
#include "mem.h"

#define QT_DIR		0x80
#define QT_SYMLINK	0x02
#define QT_FILE		0

struct qid {
	uint64_t path;
	uint32_t version;
	uint8_t type;
};

/*
 * Where data of a read or write is: in the kernel, or in the memory of the current thread.
 * uio_put and uio_get move n bytes (at most what is left) and advance; 0 or -EFAULT.
 */
struct uio {
	char *base;
	size_t left;
	bool user;
};

int uio_put(struct uio *u, const void *src, size_t n);
int uio_get(struct uio *u, void *dst, size_t n);
/* For a file whose whole content is text: the part at off; bytes put, or an error. */
int64_t uio_put_text(struct uio *u, uint64_t off, const char *text, size_t n);
/* The same, of a text that fill(t, arg) makes, at most MADE_MAX bytes. */
#define MADE_MAX 8192
int64_t uio_put_made(struct uio *u, uint64_t off, void (*fill)(struct text *t, void *arg),
		     void *arg);
/* All that is left, piece by piece, to f: how much, or -EFAULT. */
int64_t uio_get_all(struct uio *u, void (*f)(const char *s, size_t n));
/*
 * Text written to a ctl file: up to n - 1 bytes into buf, ended, a trailing newline removed.
 * Returns the length of what was written, or -E2BIG, -EFAULT; -EINVAL for a control character.
 */
int64_t uio_get_lines(struct uio *u, char *buf, size_t n);
/* The same, of one line: a command. */
int64_t uio_get_command(struct uio *u, char *buf, size_t n);

/* The name that a channel was reached by, for getcwd, /proc/PID/ns and "..". */
struct path {
	uint32_t refs;
	uint16_t length;
	char text[];
};

struct dev;
struct dirtab;
struct mount_head;
struct poller;

struct chan {
	uint32_t refs;
	uint32_t id;		/* which instance of dev: sys_stat.dev */
	const struct dev *dev;
	struct qid qid;
	uint32_t flags;		/* SYS_O_* once open; CHAN_OPEN */
	bool open;
	struct spinlock lock;	/* the device's own */
	uint64_t offset;
	void *aux;		/* the device's own */
	uint64_t aux2;		/* the device's own */
	void *aux3;		/* the device's own */
	struct path *path;	/* NULL only inside a device */
	struct mount_head *head; /* the mount it was reached by: an open or bound union */
};

#define WALK_MAX 16

/*
 * A device.  A NULL function means -EPERM (for walk -ENOTDIR, for readdir -ENOTDIR, for seek-less
 * things nothing).  All are called without spinlocks held and may sleep, unless noted.  `read`
 * and `write` return bytes.  Text for people goes through error().
 */
struct dev {
	const char *name;
	/* The root; NULL if there is none to be had by name. */
	int (*attach)(const struct dev *d, struct chan **out);
	/*
	 * Walks n (0..WALK_MAX) names, none "." or ".." or empty, from c, which is not open.
	 * *done counts the names that could be walked, qids[i] what each reached.  *out is a new
	 * channel only when all were, NULL otherwise; a first name that does not exist is -ENOENT.
	 * No name: *out is a new channel of the same place (qids may be NULL).
	 */
	int (*walk)(struct chan *c, int n, const char *const *names, int *done, struct qid *qids,
		    struct chan **out);
	/* Opens c itself, or replaces *c by another channel.  NULL: directories can be opened. */
	int (*open)(struct chan **c, uint32_t flags);
	/* Makes name in the directory c and turns c into it, open. */
	int (*create)(struct chan *c, const char *name, uint32_t flags, uint32_t mode);
	/* The last reference goes; must not fail and must not wait for another process. */
	void (*close)(struct chan *c);
	int64_t (*read)(struct chan *c, struct uio *u, uint64_t off);
	int64_t (*write)(struct chan *c, struct uio *u, uint64_t off);
	/*
	 * Fills buf with sys_dirent records from position off; returns bytes, 0 at the end.  Each
	 * record's offset continues after it.
	 */
	int64_t (*readdir)(struct chan *c, void *buf, size_t n, uint64_t off);
	int (*stat)(struct chan *c, struct sys_stat *st);
	int (*setattr)(struct chan *c, const struct sys_attr *a);
	int (*mkdir)(struct chan *dir, const char *name, uint32_t mode);
	int (*unlink)(struct chan *dir, const char *name, uint32_t flags);
	int (*rename)(struct chan *odir, const char *oname, struct chan *ndir, const char *nname);
	int (*link)(struct chan *dir, const char *name, struct chan *file);
	int (*symlink)(struct chan *dir, const char *name, const char *target);
	int64_t (*readlink)(struct chan *c, char *buf, size_t n);
	int (*mknod)(struct chan *dir, const char *name, uint32_t mode, uint64_t rdev);
	int (*fsync)(struct chan *c, bool data_only);
	int (*statfs)(struct chan *c, struct sys_statfs *st);
	int64_t (*getxattr)(struct chan *c, const char *name, struct uio *u);
	int (*setxattr)(struct chan *c, const char *name, struct uio *u, uint32_t flags);
	int (*lock)(struct chan *c, struct sys_lock *l, int how);
	/* POLLIN | POLLOUT now; p is for poll_on() (poll.h). */
	int (*poll)(struct chan *c, struct poller *p);
	/* What SYS_MAP of c at off maps; the reference passes to the caller. */
	int (*map)(struct chan *c, uint64_t off, size_t n, unsigned prot, unsigned flags,
		   struct phys_map **out);
	enum sys_kind kind;
	/* For devices of generated trees: entry i of directory c; see devtab.c below. */
	int (*gen)(struct chan *c, int i, struct dirtab *e, char *buf);
	/* Finds a name in the root, if that is too long to go through: 0 or an error. */
	int (*find)(const char *name, struct dirtab *e);
};

/* chan.c */
struct chan *chan_new(const struct dev *d);	/* one reference; NULL if memory is short */
struct chan *chan_clone(struct chan *c);	/* the same place, not open */
static inline void
chan_get(struct chan *c)
{
	ref_get(&c->refs);
}
void chan_close(struct chan *c);		/* its last reference has gone */
static inline void
chan_put(struct chan *c)			/* NULL is valid */
{
	if (c != NULL && ref_put(&c->refs))
		chan_close(c);
}
int64_t chan_read(struct chan *c, struct uio *u, uint64_t off);
int64_t chan_write(struct chan *c, struct uio *u, uint64_t off);
/* Reads exactly n bytes into the kernel's memory: 0, or -EIO if the file is shorter. */
int chan_read_all(struct chan *c, void *buf, size_t n, uint64_t off);

/*
 * devtab.c: for kernel devices whose trees are told by dev->gen: *e filled for entry i of directory
 * c (name points at static memory or at buf, of SYS_NAME_MAX + 1 bytes), and 1, or if it is more,
 * the next entry's i; 0 if there is none but more may follow; -1 at the end.  `mode` has POSIX's
 * permission bits and the S_IF* bits.  A new channel has no aux.
 */
struct dirtab {
	const char *name;
	uint64_t path;		/* qid.path */
	uint32_t mode;
	uint64_t size;
};

/* The root, of path 0: a directory, if the device has readdir. */
int devtab_attach(const struct dev *d, struct chan **out);
int devtab_walk(struct chan *c, int n, const char *const *names, int *done, struct qid *qids,
		struct chan **out);
int64_t devtab_readdir(struct chan *c, void *buf, size_t n, uint64_t off);
int devtab_stat(struct chan *c, struct sys_stat *st, const struct dirtab *e);
/* 0, or -EACCES if the file is to be written and its mode says that it cannot be. */
int devtab_check(const struct dirtab *e, uint32_t flags);
/* A directory that all may read, or a file that all may use. */
int devtab_plain_stat(struct chan *c, struct sys_stat *st);
/* Appends one record if it fits: its length, or 0. */
size_t dirent_pack(void *buf, size_t n, uint64_t path, int64_t off, uint8_t type,
		   const char *name);
uint8_t dirent_type(uint32_t mode);

/* ns.c: name spaces. */
struct ns;
struct ns *ns_new(void);
struct ns *ns_copy(struct ns *ns);
void ns_get(struct ns *ns);
void ns_put(struct ns *ns);
int ns_mount(struct ns *ns, struct chan *new_, struct chan *old, unsigned flags);
/* All that is mounted on old; with a name only new_ (NULL: nothing), and mounts of that name. */
int ns_unmount(struct ns *ns, struct chan *new_, const char *name, struct chan *old);

enum name_what {
	NAME_WALK,		/* the place itself, through mounts */
	NAME_NOFOLLOW,		/* the same, but a last symbolic link is not followed */
	NAME_MOUNT_POINT,	/* the last element's own place, not what is mounted on it */
	NAME_OPEN,		/* flags are SYS_O_* without SYS_O_CREAT */
	NAME_CREATE,		/* flags with SYS_O_CREAT: opens or makes */
};

/*
 * Resolves a path of the current process, from `from` (NULL: the current directory) if it does
 * not begin with '/'.  *out has one reference.  Follows at most 40 symbolic links.
 */
int name_lookup(struct chan *from, const char *path, enum name_what what, uint32_t flags,
		uint32_t mode, struct chan **out);

/* fd.c: descriptor tables. */
#define FD_MAX 1024
struct fdtable;
struct fdtable *fdtable_new(void);
struct fdtable *fdtable_copy(struct fdtable *t);
void fdtable_put(struct fdtable *t);		/* closes all */
void fdtable_exec(struct fdtable *t);		/* closes those with close-on-exec */
/* The channel of fd of the current process with one more reference, or NULL. */
struct chan *fd_get(int fd);
/* Takes over the caller's reference, also on error; the least free fd at or above least. */
int fd_install(struct chan *c, int least, bool cloexec);

/* The devices, each in kernel/dev/NAME.c; main.c mounts them where interfaces are documented. */
extern const struct dev dev_root, dev_boot, dev_cons, dev_env, dev_pipe, dev_proc, dev_srv,
	dev_mem, dev_io, dev_irq, dev_dma, dev_pci, dev_sip, dev_mnt;

/*
 * dev/mnt.c: attaches to the service whose client's end is c; *out is the root.  With wait_ns it is
 * a recoverable mount, whose callers wait so long for a successor of the server.
 */
int mnt_attach(struct chan *service, const char *aname, uint64_t wait_ns, struct chan **out);
/* True if c is the root of a recoverable mount of that tree of that service. */
bool mnt_is(const struct chan *c, struct chan *service, const char *aname);
/* True if c is of a mount whose server has gone, and whom no successor can follow. */
bool mnt_is_dead(const struct chan *c);
/* dev/pipe.c: both ends, open. */
int pipe_new(struct chan *end[2]);
