/*
 * The 9P operations, read-only.  A fid's aux is a struct iso_node, with a reference.
 *
 * A qid's path is the place of the file's first record on the device, or that where a directory
 * begins: the same after every restart.  Permissions are told and not enforced: the kernel's
 * mount, or the client, does that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "serve.h"
#include "sip.h"

enum { ISO_MAGIC = 0x9660, UNIT = 512 };

static struct iso_fs *
fs_of(const struct p9_req *r)
{
	const struct sip_server *s = r->srv->aux;

	return s->priv;
}

/* Answers with the error; damage and a device's errors count for the server's health. */
static void
fail(struct p9_req *r, int error)
{
	bool ours = error == -EIO || error == -EUCLEAN;

	if (ours)
		sip_error(r->srv->aux, "%s", iso_error_text());
	if (ours || error == -EOPNOTSUPP)
		p9_fail(r, error, "%s", iso_error_text());
	else
		p9_fail(r, error, NULL);
}

static uint8_t
qid_type(uint32_t mode)
{
	return S_ISDIR(mode) ? P9_QTDIR : S_ISLNK(mode) ? P9_QTSYMLINK : P9_QTFILE;
}

static struct ipc_qid
qid_of(const struct iso_node *n)
{
	return (struct ipc_qid){ .path = n->id,
				 .version = (uint32_t)n->mtime,
				 .type = qid_type(n->mode) };
}

/* The answer to a walk or an attach: n is the fid's now. */
static void
reply_node(struct p9_req *r, struct p9_fid *fid, struct iso_node *n, int error)
{
	struct ipc_qid q;

	if (!n) {
		fail(r, error);
		return;
	}
	q = qid_of(n);
	fid->aux = n;
	p9_reply_qid(r, &q);
}

static void
attach(struct p9_req *r)
{
	struct iso_node *n;
	int e = iso_node_dir(fs_of(r), fs_of(r)->root, &n);

	reply_node(r, r->fid, n, e);
}

static void
walk(struct p9_req *r)
{
	struct iso_node *dir = r->fid->aux, *n = NULL;
	struct iso_entry *e = malloc(sizeof *e);
	int err = e ? 0 : -ENOMEM;

	if (!err && !S_ISDIR(dir->mode))
		err = -ENOTDIR;
	if (!err && strcmp(r->name, "..") == 0) {
		n = dir->up ? dir->up : dir;
		iso_node_hold(n);
	} else if (!err && (err = iso_dir_find(dir, r->name, e)) == 0)
		err = iso_node_entry(dir, e, &n);
	free(e);
	reply_node(r, r->newfid, n, err);
}

static int
clone_node(const struct p9_fid *from, struct p9_fid *to)
{
	iso_node_hold(from->aux);
	to->aux = from->aux;
	return 0;
}

static void
destroy(struct p9_fid *fid)
{
	iso_node_put(fid->aux);
	fid->aux = NULL;
}

static void
open_node(struct p9_req *r)
{
	struct iso_node *n = r->fid->aux;
	struct ipc_qid q = qid_of(n);
	bool writes = (r->in.flags & O_ACCMODE) != O_RDONLY || (r->in.flags & O_TRUNC) != 0;
	int e = iso_file_check(n);

	if (writes)
		e = S_ISDIR(n->mode) ? -EISDIR : -EROFS;
	if (e < 0)
		fail(r, e);
	else
		p9_reply_open(r, &q, 0);
}

static void
read_node(struct p9_req *r)
{
	struct iso_node *n = r->fid->aux;
	uint8_t *dst;
	int64_t got;

	if (!S_ISREG(n->mode)) {
		p9_fail(r, S_ISDIR(n->mode) ? EISDIR : EINVAL, NULL);
		return;
	}
	dst = p9_buf(r);
	got = dst ? iso_file_read(n, r->in.offset, r->in.count, dst) : -ENOMEM;
	if (got < 0)
		fail(r, (int)got);
	else
		p9_reply_data(r, dst, (size_t)got);
}

static bool
list_entry(struct p9_req *r, const struct iso_node *dir, const struct iso_entry *e)
{
	uint8_t type = iso_entry_type(e);
	struct ipc_qid q = { .path = e->dotdot && dir->up ? dir->up->id : e->id,
			     .type = qid_type((uint32_t)type << 12) };

	return p9_dirent(r, &q, e->next, type, e->dot ? "." : e->dotdot ? ".." : e->name);
}

static void
read_dir(struct p9_req *r)
{
	struct iso_node *dir = r->fid->aux;
	struct iso_entry *e = malloc(sizeof *e);
	uint64_t at = r->in.offset;
	int got = e ? 1 : -ENOMEM;

	while (got > 0 && (got = iso_dir_next(dir, at, e)) > 0) {
		if (!e->hidden && !list_entry(r, dir, e))
			break;
		at = e->next;
	}
	free(e);
	if (got < 0)
		fail(r, got);
	else
		p9_ok(r);
}

static void
getattr(struct p9_req *r)
{
	const struct iso_node *n = r->fid->aux;
	struct ipc_attr a = { .valid = P9_GETATTR_BASIC,
			      .qid = qid_of(n),
			      .mode = n->mode,
			      .uid = n->uid,
			      .gid = n->gid,
			      .nlink = n->nlink,
			      .rdev = n->rdev,
			      .size = n->size,
			      .blksize = ISO_SECTOR,
			      .blocks = (n->size + UNIT - 1) / UNIT };

	a.atime_sec = (uint64_t)n->atime;
	a.mtime_sec = (uint64_t)n->mtime;
	a.ctime_sec = (uint64_t)n->ctime;
	if (n->has_btime) {
		a.valid |= P9_GETATTR_BTIME;
		a.btime_sec = (uint64_t)n->btime;
	}
	p9_reply_attr(r, &a);
}

static void
statfs(struct p9_req *r)
{
	const struct iso_volume *v = &fs_of(r)->volume;

	p9_reply_statfs(r, &(struct ipc_statfs){ .type = ISO_MAGIC,
						 .bsize = v->block_size,
						 .blocks = v->nblocks,
						 .namelen = ISO_NAME_MAX });
}

static void
read_link(struct p9_req *r)
{
	const struct iso_node *n = r->fid->aux;
	int e = iso_file_check(n);

	if (n->link && e < 0)
		fail(r, e);
	else if (n->link)
		p9_reply_data(r, n->link, n->link_len);
	else
		p9_fail(r, EINVAL, NULL);
}

static void
read_only(struct p9_req *r)
{
	p9_fail(r, EROFS, NULL);
}

const struct p9_srv_ops iso_ops = {
	.attach = attach,
	.walk = walk,
	.clone = clone_node,
	.destroy = destroy,
	.open = open_node,
	.read = read_node,
	.readdir = read_dir,
	.getattr = getattr,
	.statfs = statfs,
	.readlink = read_link,
	.create = read_only,
	.write = read_only,
	.setattr = read_only,
	.mkdir = read_only,
	.symlink = read_only,
	.mknod = read_only,
	.link = read_only,
	.rename = read_only,
	.unlink = read_only,
	.xattr_set = read_only,
};
