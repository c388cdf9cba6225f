/*
 * Inodes: making and freeing them, attributes, and the account of memory.  Everything that a file
 * system allocates is charged against its limit before it is allocated.
 */
#include "os.h"
#include "ram.h"

#include <errno.h>
#include <lux9/sys.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define NS	1000000000ll

int
ram_charge(struct ram_fs *fs, uint64_t n)
{
	if (atomic_fetch_add(&fs->used, n) + n <= fs->limit)
		return 0;
	atomic_fetch_sub(&fs->used, n);
	return -ENOSPC;
}

void
ram_credit(struct ram_fs *fs, uint64_t n)
{
	atomic_fetch_sub(&fs->used, n);
}

struct ram_inode *
ram_inode_new(struct ram_fs *fs, uint32_t mode, uint32_t uid, uint32_t gid)
{
	if (ram_charge(fs, RAM_INODE_COST) < 0)
		return NULL;
	struct ram_inode *i = calloc(1, sizeof *i);
	if (!i) {
		ram_credit(fs, RAM_INODE_COST);
		return NULL;
	}
	pthread_rwlock_init(&i->lock, NULL);
	i->fs = fs;
	i->refs = 1;
	i->ino = atomic_fetch_add(&fs->next_ino, 1);
	i->mode = mode;
	i->uid = uid == P9_NOUID ? 0 : uid;
	i->gid = gid == P9_NOUID ? 0 : gid;
	i->nlink = S_ISDIR(mode) ? 2 : 1;
	i->atime = i->mtime = i->ctime = i->btime = (int64_t)os_wall_ns();
	atomic_fetch_add(&fs->ninodes, 1);
	return i;
}

void
ram_inode_put(struct ram_inode *i)
{
	struct ram_fs *fs = i->fs;
	if (atomic_fetch_sub(&i->refs, 1) != 1)
		return;
	if (S_ISREG(i->mode)) {
		ram_data_free(i);
	} else if (S_ISLNK(i->mode) && i->target) {
		ram_credit(fs, i->size + 1);
		free(i->target);
	}
	ram_xattr_free(i);
	ram_unlock_fid(i, NULL);
	pthread_rwlock_destroy(&i->lock);
	free(i);
	atomic_fetch_sub(&fs->ninodes, 1);
	ram_credit(fs, RAM_INODE_COST);
}

int
ram_fs_init(struct ram_fs *fs, uint64_t limit)
{
	memset(fs, 0, sizeof *fs);
	pthread_rwlock_init(&fs->tree, NULL);
	ram_pages_init(&fs->pages);
	fs->limit = limit;
	fs->next_ino = 1;
	fs->root = ram_inode_new(fs, S_IFDIR | 0755, 0, 0);
	if (!fs->root)
		return -ENOSPC;
	fs->root->dir.parent = fs->root;
	return 0;
}

/* Depth first without recursion: a tree may be as deep as memory allows. */
void
ram_fs_free(struct ram_fs *fs)
{
	struct ram_inode *dir = fs->root;
	while (dir) {
		struct ram_entry *e = dir->dir.first;
		if (!e) {
			struct ram_inode *up = dir == fs->root ? NULL : dir->dir.parent;
			if (up) {
				ram_dir_remove(up, up->dir.first);
				ram_inode_put(dir);
			}
			dir = up;
			continue;
		}
		if (ram_is_dir(e->inode)) {
			dir = e->inode;
			continue;
		}
		struct ram_inode *i = e->inode;
		ram_dir_remove(dir, e);
		if (--i->nlink == 0)
			ram_inode_put(i);
	}
	if (fs->root)
		ram_inode_put(fs->root);
	fs->root = NULL;
	ram_pages_free(&fs->pages);
	pthread_rwlock_destroy(&fs->tree);
}

struct ipc_qid
ram_qid(const struct ram_inode *i)
{
	uint8_t type = S_ISDIR(i->mode) ? P9_QTDIR : S_ISLNK(i->mode) ? P9_QTSYMLINK : P9_QTFILE;
	return (struct ipc_qid){ .path = i->ino, .version = i->version, .type = type };
}

void
ram_touch(struct ram_inode *i, bool data)
{
	i->ctime = (int64_t)os_wall_ns();
	if (data) {
		i->mtime = i->ctime;
		i->version++;
	}
}

static void
put_time(int64_t t, int64_t *sec, int64_t *nsec)
{
	*sec = t / NS - (t % NS < 0);
	*nsec = t - *sec * NS;
}

void
ram_getattr(const struct ram_inode *i, struct ipc_attr *a)
{
	bool dir = ram_is_dir(i);
	uint64_t bytes = S_ISREG(i->mode) ? i->data.bytes : 0;
	*a = (struct ipc_attr){
		.valid = P9_GETATTR_BASIC | P9_GETATTR_BTIME, .qid = ram_qid(i),
		.mode = i->mode, .uid = i->uid, .gid = i->gid, .nlink = i->nlink, .rdev = i->rdev,
		.size = dir ? i->dir.count * 32u : i->size, .blksize = RAM_CHUNK,
		.blocks = bytes / 512,
	};
	put_time(i->atime, &a->atime_sec, &a->atime_nsec);
	put_time(i->mtime, &a->mtime_sec, &a->mtime_nsec);
	put_time(i->ctime, &a->ctime_sec, &a->ctime_nsec);
	put_time(i->btime, &a->btime_sec, &a->btime_nsec);
}

/* False for a time that 64 bits of nanoseconds cannot hold. */
static bool
get_time(int64_t sec, int64_t nsec, int64_t *out)
{
	return nsec >= 0 && nsec < NS && !__builtin_mul_overflow(sec, NS, out) &&
	    !__builtin_add_overflow(*out, nsec, out);
}

int
ram_setattr(struct ram_inode *i, const struct ipc_setattr *a)
{
	int64_t now = (int64_t)os_wall_ns(), atime = now, mtime = now;
	if (a->valid & SYS_ATTR_ATIME_SET && !get_time(a->atime_sec, a->atime_nsec, &atime))
		return -EINVAL;
	if (a->valid & SYS_ATTR_MTIME_SET && !get_time(a->mtime_sec, a->mtime_nsec, &mtime))
		return -EINVAL;
	if (a->valid & SYS_ATTR_SIZE) {
		if (!S_ISREG(i->mode))
			return ram_is_dir(i) ? -EISDIR : -EINVAL;
		int e = ram_truncate(i, a->size);
		if (e < 0)
			return e;
		ram_touch(i, true);
	}
	if (a->valid & SYS_ATTR_MODE)
		i->mode = (i->mode & (uint32_t)S_IFMT) | (a->mode & 07777);
	if (a->valid & SYS_ATTR_UID)
		i->uid = a->uid;
	if (a->valid & SYS_ATTR_GID)
		i->gid = a->gid;
	if (a->valid & SYS_ATTR_ATIME)
		i->atime = atime;
	if (a->valid & SYS_ATTR_MTIME)
		i->mtime = mtime;
	i->ctime = now;
	return 0;
}
