/*
 * The 9P operations, read-only.  A fid's aux is a struct ext4_file, which holds its inode.
 *
 * A read that lies in one block is answered from the block cache without a copy; the block is held
 * until the reply has gone.  A qid's path is the inode number.  Permissions are told and not
 * enforced: the kernel's mount, or the client, does that.  A directory's ".." is the disk's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "serve.h"

static struct ext4_served *
served(const struct p9_srv *srv)
{
	const struct sip_server *s = srv->aux;

	return s->priv;
}

static struct ext4_fs *
fs_of(const struct p9_req *r)
{
	return &served(r->srv)->fs;
}

static struct ext4_file *
file_of(const struct p9_fid *fid)
{
	return fid->aux;
}

/* Answers with the error; damage and a device's errors count for the server's health. */
static void
fail(struct p9_req *r, int error)
{
	bool ours = error == -EIO || error == -EUCLEAN;

	if (ours)
		sip_error(r->srv->aux, "%s", ext4_error_text());
	if (ours || error == -ENOKEY || error == -ENOTSUP)
		p9_fail(r, error, "%s", ext4_error_text());
	else
		p9_fail(r, error, NULL);
}

static struct ipc_qid
qid_of(const struct ext4_inode *ip)
{
	uint64_t change = (uint64_t)ip->ctime.sec * 1000000000u + ip->ctime.nsec;
	struct ipc_qid q = {.path = ip->ino,
	    .version = (uint32_t)(change ^ change >> 32 ^ ip->generation ^ ip->version)};

	if (S_ISDIR(ip->mode))
		q.type = P9_QTDIR;
	else if (S_ISLNK(ip->mode))
		q.type = P9_QTSYMLINK;
	return q;
}

/* Gives fid the inode, whose reference it takes over. */
static int
set_file(struct p9_fid *fid, struct ext4_inode *ip)
{
	struct ext4_file *f = malloc(sizeof(*f));

	if (f != NULL)
		ext4_file_open(f, ip);
	ext4_iput(ip);
	fid->aux = f;
	return f == NULL ? -ENOMEM : 0;
}

static void
reply_inode(struct p9_req *r, struct p9_fid *fid, uint32_t ino)
{
	struct ext4_inode *ip;
	struct ipc_qid q;
	int e = ext4_iget(fs_of(r), ino, &ip);

	if (e == 0) {
		q = qid_of(ip);
		e = set_file(fid, ip);
	}
	if (e < 0)
		fail(r, e);
	else
		p9_reply_qid(r, &q);
}

static void
attach(struct p9_req *r)
{
	reply_inode(r, r->fid, ROOT_INO);
}

static void
walk(struct p9_req *r)
{
	uint32_t ino;
	int e = ext4_dir_lookup(file_of(r->fid)->ip, r->name, strlen(r->name), &ino);

	if (e < 0)
		fail(r, e);
	else
		reply_inode(r, r->newfid, ino);
}

static int
clone_file(const struct p9_fid *from, struct p9_fid *to)
{
	struct ext4_inode *ip = file_of(from)->ip;

	ext4_ihold(ip);
	return set_file(to, ip);
}

static void
destroy(struct p9_fid *fid)
{
	struct ext4_file *f = file_of(fid);

	if (f == NULL)
		return;
	if (atomic_load(&f->locked))
		ext4_unlock_all(&served(fid->srv)->locks, fid);
	ext4_file_close(f);
	free(f);
	fid->aux = NULL;
}

static void
open_file(struct p9_req *r)
{
	struct ext4_inode *ip = file_of(r->fid)->ip;
	struct ipc_qid q = qid_of(ip);
	bool writes = (r->in.flags & O_ACCMODE) != O_RDONLY || (r->in.flags & O_TRUNC) != 0;
	int e = ext4_check_readable(ip);

	if (writes)
		e = S_ISDIR(ip->mode) ? -EISDIR : -EROFS;
	if (e < 0)
		fail(r, e);
	else
		p9_reply_open(r, &q, 0);
}

static void
release(void *buf)
{
	ext4_brelse(buf);
}

/* A read of more than one block: one copy, into the reply's own room. */
static void
read_copy(struct p9_req *r, struct ext4_file *f, uint64_t off, size_t n)
{
	uint8_t *dst = p9_buf(r);
	int64_t got = dst ? ext4_file_read(f, off, n, dst) : -ENOMEM;

	if (got < 0)
		fail(r, (int)got);
	else
		p9_reply_data(r, dst, (size_t)got);
}

static void
read_file(struct p9_req *r)
{
	struct ext4_file *f = file_of(r->fid);
	uint64_t off = r->in.offset;
	uint32_t size = f->ip->fs->block_size;
	struct ext4_span s;
	int64_t got;

	if (!ext4_inode_is_reg(f->ip)) {
		p9_fail(r, ext4_inode_is_dir(f->ip) ? EISDIR : EINVAL, NULL);
		return;
	}
	if (off + r->in.count < f->ip->size && r->in.count > size - (off & (size - 1))) {
		read_copy(r, f, off, r->in.count);
		return;
	}
	got = ext4_file_span(f, off, r->in.count, &s);
	if (got < 0)
		fail(r, (int)got);
	else if (got > 0 && got < r->in.count && off + (uint64_t)got < f->ip->size) {
		ext4_brelse(s.buf);
		read_copy(r, f, off, r->in.count);
	} else {
		p9_reply_held(r, got > 0 ? s.data : f->ip->fs->zeros, (size_t)got, release, s.buf);
	}
}

struct listing {
	struct p9_req *r;
	struct ext4_fs *fs;
};

/* The type of an entry as in dirent.h, from the inode when the directory does not say it. */
static uint8_t
type_of(struct ext4_fs *fs, const struct ext4_dirent *de)
{
	static const uint8_t types[] = {0, S_IFREG >> 12, S_IFDIR >> 12, S_IFCHR >> 12,
	    S_IFBLK >> 12, S_IFIFO >> 12, S_IFSOCK >> 12, S_IFLNK >> 12};
	struct ext4_inode *ip;
	uint8_t type = types[de->type & 7];

	if (type == 0 && ext4_iget(fs, de->ino, &ip) == 0) {
		type = (uint8_t)(ip->mode >> 12);
		ext4_iput(ip);
	}
	return type;
}

static int
list_entry(void *ctx, const struct ext4_dirent *de)
{
	struct listing *l = ctx;
	uint8_t type = type_of(l->fs, de);
	struct ipc_qid q = {.path = de->ino};
	char name[NAME_LEN + 1];

	memcpy(name, de->name, de->name_len);
	name[de->name_len] = 0;
	if (type == S_IFDIR >> 12)
		q.type = P9_QTDIR;
	else if (type == S_IFLNK >> 12)
		q.type = P9_QTSYMLINK;
	return !p9_dirent(l->r, &q, de->next, type, name);
}

static void
read_dir(struct p9_req *r)
{
	struct ext4_file *f = file_of(r->fid);
	struct listing l = {r, fs_of(r)};
	int e = ext4_dir_read(f->ip, r->in.offset, list_entry, &l);

	if (e < 0)
		fail(r, e);
	else
		p9_ok(r);
}

static void
getattr(struct p9_req *r)
{
	const struct ext4_inode *ip = file_of(r->fid)->ip;
	struct ipc_attr a = {.valid = P9_GETATTR_BASIC, .qid = qid_of(ip), .mode = ip->mode,
	    .uid = ip->uid, .gid = ip->gid, .nlink = ip->nlink, .size = ip->size,
	    .blksize = ip->fs->block_size, .blocks = ip->sectors,
	    .atime_sec = ip->atime.sec, .atime_nsec = ip->atime.nsec,
	    .mtime_sec = ip->mtime.sec, .mtime_nsec = ip->mtime.nsec,
	    .ctime_sec = ip->ctime.sec, .ctime_nsec = ip->ctime.nsec};

	a.rdev = ip->rdev_major << 8 | (ip->rdev_minor & 0xff) | (ip->rdev_minor & ~0xffu) << 12;
	if (ip->has_crtime) {
		a.valid |= P9_GETATTR_BTIME;
		a.btime_sec = ip->crtime.sec;
		a.btime_nsec = ip->crtime.nsec;
	}
	p9_reply_attr(r, &a);
}

static void
statfs(struct p9_req *r)
{
	struct ext4_statfs st;

	ext4_statfs(fs_of(r), &st);
	p9_reply_statfs(r, &(struct ipc_statfs){.type = SUPER_MAGIC, .bsize = st.block_size,
	    .blocks = st.blocks, .bfree = st.bfree, .bavail = st.bavail, .files = st.files,
	    .ffree = st.ffree, .fsid = st.fsid, .namelen = NAME_LEN});
}

static void
read_link(struct p9_req *r)
{
	struct ext4_inode *ip = file_of(r->fid)->ip;
	uint8_t *dst = malloc(ip->fs->block_size);
	int64_t n = dst ? ext4_readlink(ip, ip->fs->block_size, dst) : -ENOMEM;

	if (n < 0)
		fail(r, (int)n);
	else
		p9_reply_data(r, dst, (size_t)n);
	free(dst);
}

static int64_t
attribute(struct ext4_inode *ip, const char *name, uint8_t *dst, size_t n)
{
	return name[0] ? ext4_xattr_get(ip, name, dst, n) : ext4_xattr_list(ip, dst, n);
}

static void
xattr_get(struct p9_req *r)
{
	struct ext4_inode *ip = file_of(r->fid)->ip;
	int64_t n = attribute(ip, r->name, NULL, 0);
	uint8_t *dst = NULL;

	if (n > 0) {
		dst = malloc((size_t)n);
		n = dst ? attribute(ip, r->name, dst, (size_t)n) : -ENOMEM;
	}
	if (n < 0)
		fail(r, (int)n);
	else
		p9_reply_data(r, n > 0 ? dst : ip->fs->zeros, (size_t)n);
	free(dst);
}

static void
set_lock(struct p9_req *r)
{
	struct ext4_file *f = file_of(r->fid);

	atomic_store(&f->locked, true);
	p9_reply_count(r, ext4_lock(&served(r->srv)->locks, f->ip->ino, r->fid, r->data));
}

static void
get_lock(struct p9_req *r)
{
	struct ipc_lock out;

	ext4_getlock(&served(r->srv)->locks, file_of(r->fid)->ip->ino, r->data, &out);
	p9_reply_lock(r, &out);
}

static void
read_only(struct p9_req *r)
{
	p9_fail(r, EROFS, NULL);
}

const struct p9_srv_ops ext4_ops = {
	.attach = attach, .walk = walk, .clone = clone_file, .destroy = destroy,
	.open = open_file, .read = read_file, .readdir = read_dir,
	.lock = set_lock, .getlock = get_lock,
	.getattr = getattr, .statfs = statfs, .readlink = read_link, .xattr_get = xattr_get,
	.create = read_only, .write = read_only, .setattr = read_only, .mkdir = read_only,
	.symlink = read_only, .mknod = read_only, .link = read_only, .rename = read_only,
	.unlink = read_only, .xattr_set = read_only,
};
