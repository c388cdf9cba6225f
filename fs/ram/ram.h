/*
 * The RAM file system: its structures and who locks them.
 *
 * A file's bytes are in chunks of up to 64 KiB, contiguous and page-aligned, under a radix tree of
 * the chunk's number; a chunk that is not there is a hole.  A chunk has a count of its users, so a
 * reply can be sent straight from it while a truncate lets go of it.
 *
 *	tree	(read-write)	names: directories, links, parents, nlink
 *	inode	(read-write)	one file's attributes, bytes, extended attributes, locks
 *	pages	(mutex)		the page allocator
 *
 * Taken in that order; of two inodes, never both.  A chunk's bytes are written under its inode's
 * lock and may be read without: what a reader sees of a write at the same moment is not defined.
 * An inode is freed when the last fid lets go and no name is left: refs counts the fids and, once,
 * the names.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <p9_srv.h>

#define RAM_PAGE	4096u
#define RAM_CHUNK	65536u		/* largest run of contiguous bytes */
#define RAM_ORDERS	5		/* 4, 8, 16, 32, 64 KiB */
#define RAM_SLAB	(1u << 20)
#define RAM_NAME_MAX	255
#define RAM_LINK_MAX	32000
#define RAM_XATTRS_MAX	256		/* on one file */
#define RAM_LOCKS_MAX	1024		/* on one file */
#define RAM_INODE_COST	512		/* what an inode is charged */

struct ram_slab;

struct ram_pages {
	pthread_mutex_t lock;
	struct ram_block *free[RAM_ORDERS];
	unsigned nslabs, nempty;
};

struct ram_chunk {
	_Atomic uint32_t refs;
	uint32_t size;			/* a power of 2, RAM_PAGE to RAM_CHUNK */
	uint8_t *data;
	struct ram_slab *slab;
	struct ram_fs *fs;
};

struct ram_data {
	void *root;			/* a chunk when height is 0, else a node */
	unsigned height;
	uint64_t bytes;			/* in chunks */
};

struct ram_entry {
	struct ram_entry *next, *prev;	/* in order of cookie */
	struct ram_entry *chain;	/* in the hash table */
	struct ram_inode *inode;
	uint64_t cookie;		/* of readdir; never used again in this directory */
	uint32_t hash;
	uint8_t len;
	char name[];			/* NUL-terminated */
};

struct ram_dir {
	struct ram_entry *first, *last;
	struct ram_entry **table;	/* NULL while the directory is small */
	uint32_t nbuckets;
	_Atomic uint32_t count;
	uint64_t next_cookie;
	struct ram_inode *parent;
	_Atomic(struct ram_entry *) hint;	/* where a readdir left off */
};

struct ram_xattr {
	struct ram_xattr *next;
	uint32_t size;
	uint8_t *value;
	char name[];
};

struct ram_lock {
	struct ram_lock *next;
	uint64_t start, end;		/* end is included */
	uint32_t pid;
	bool exclusive;
	const struct p9_fid *fid;
	char client[32];
};

struct ram_inode {
	pthread_rwlock_t lock;
	struct ram_fs *fs;
	_Atomic uint64_t refs;
	uint64_t ino, rdev, size;
	/* Read without a lock; changed under `tree` or the inode's, as it comes. */
	_Atomic uint32_t mode, uid, gid, version;
	_Atomic uint64_t nlink;
	_Atomic int64_t atime, mtime, ctime, btime;	/* ns since 1970 */
	atomic_bool locked;		/* a record lock has been set on it */
	struct ram_xattr *xattrs;
	struct ram_lock *locks;
	union {
		struct ram_data data;
		struct ram_dir dir;
		char *target;
	};
};

struct ram_fs {
	pthread_rwlock_t tree;
	struct ram_pages pages;
	struct ram_inode *root;
	uint64_t limit;			/* bytes, -size */
	_Atomic uint64_t used, ninodes, next_ino;
};

static inline bool
ram_is_dir(const struct ram_inode *i)
{
	return S_ISDIR(i->mode);
}

/* page.c: contiguous pages. */
void ram_pages_init(struct ram_pages *p);
void ram_pages_free(struct ram_pages *p);	/* every block must have been freed */
uint8_t *ram_page_alloc(struct ram_pages *p, uint32_t size, struct ram_slab **slab);
void ram_page_free(struct ram_pages *p, struct ram_slab *slab, uint8_t *data, uint32_t size);

/* data.c: a file's bytes.  The inode's lock is held.  ram_read stays within the file's size. */
struct ram_chunk *ram_chunk_at(const struct ram_data *d, uint64_t key);
void ram_chunk_put(struct ram_chunk *c);
void ram_read(const struct ram_inode *i, uint64_t off, void *buf, size_t n);
/* Bytes written, fewer when there is no room; -ENOSPC or -EFBIG when none. */
int64_t ram_write(struct ram_inode *i, uint64_t off, const void *buf, size_t n);
int ram_truncate(struct ram_inode *i, uint64_t size);
void ram_data_free(struct ram_inode *i);

/* dir.c: names.  `tree` is held. */
struct ram_entry *ram_dir_find(const struct ram_inode *dir, const char *name);
int ram_dir_add(struct ram_inode *dir, const char *name, struct ram_inode *i);
void ram_dir_remove(struct ram_inode *dir, struct ram_entry *e);
/* The first entry whose cookie is above `cookie`, or NULL. */
struct ram_entry *ram_dir_from(struct ram_inode *dir, uint64_t cookie);
bool ram_dir_inside(const struct ram_inode *dir, const struct ram_inode *of);

/* inode.c */
int ram_fs_init(struct ram_fs *fs, uint64_t limit);
void ram_fs_free(struct ram_fs *fs);		/* no fid may be left */
int ram_charge(struct ram_fs *fs, uint64_t n);	/* 0 or -ENOSPC */
void ram_credit(struct ram_fs *fs, uint64_t n);
struct ram_inode *ram_inode_new(struct ram_fs *fs, uint32_t mode, uint32_t uid, uint32_t gid);
void ram_inode_put(struct ram_inode *i);
static inline struct ram_inode *
ram_inode_get(struct ram_inode *i)
{
	atomic_fetch_add_explicit(&i->refs, 1, memory_order_relaxed);
	return i;
}
struct ipc_qid ram_qid(const struct ram_inode *i);
void ram_touch(struct ram_inode *i, bool data);	/* ctime, and mtime and version for data */
void ram_getattr(const struct ram_inode *i, struct ipc_attr *a);
int ram_setattr(struct ram_inode *i, const struct ipc_setattr *a);

/* xattr.c: the inode's lock is held. */
const struct ram_xattr *ram_xattr_find(const struct ram_inode *i, const char *name);
int ram_xattr_set(struct ram_inode *i, const char *name, const void *value, uint32_t n,
	uint32_t flags);
size_t ram_xattr_list(const struct ram_inode *i, char *buf, size_t n);	/* the size it needs */
void ram_xattr_free(struct ram_inode *i);

/* lock.c: advisory record locks.  The inode's lock is held. */
enum { RAM_LOCK_DONE, RAM_LOCK_BLOCKED, RAM_LOCK_ERROR };
uint32_t ram_lock(struct ram_inode *i, const struct p9_fid *fid, const struct ipc_lock *l);
void ram_getlock(const struct ram_inode *i, const struct ipc_lock *l, struct ipc_lock *out);
void ram_unlock_fid(struct ram_inode *i, const struct p9_fid *fid);

/* ops.c: the 9P operations on files; name_ops.c: those that change names. */
extern const struct p9_srv_ops ram_ops;
/* Which file system a p9_srv serves: the program's matter, as is its aux. */
extern struct ram_fs *(*ram_of)(struct p9_srv *srv);
static inline struct ram_inode *
ram_inode_of(const struct p9_fid *fid)
{
	return fid->aux;
}
bool ram_in_directory(struct p9_req *r);	/* else it has answered */
void ram_empty(struct ram_inode *i);
void ram_create(struct p9_req *r);
void ram_mkdir(struct p9_req *r);
void ram_symlink(struct p9_req *r);
void ram_mknod(struct p9_req *r);
void ram_link(struct p9_req *r);
void ram_unlink(struct p9_req *r);
void ram_rename(struct p9_req *r);
