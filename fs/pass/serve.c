/* The 9P operations: each is a message that pass_run takes through, or the library, asking. */
#include "pass.h"

#include <errno.h>

#define OPERATION(name, message) \
	static void \
	name(struct p9_req *r) \
	{ \
		pass_run(r, message); \
	}

OPERATION(attach, PASS_ATTACH)
OPERATION(walk, PASS_WALK)
OPERATION(open_file, PASS_OPEN)
OPERATION(create, PASS_CREATE)
OPERATION(read_file, PASS_READ)
OPERATION(write_file, PASS_WRITE)
OPERATION(readdir_file, PASS_READDIR)
OPERATION(fsync_file, PASS_FSYNC)
OPERATION(getattr, PASS_GETATTR)
OPERATION(setattr, PASS_SETATTR)
OPERATION(statfs_file, PASS_STATFS)
OPERATION(mkdir_in, PASS_MKDIR)
OPERATION(symlink_in, PASS_SYMLINK)
OPERATION(mknod_in, PASS_MKNOD)
OPERATION(readlink_file, PASS_READLINK)
OPERATION(link_in, PASS_LINK)
OPERATION(rename_in, PASS_RENAME)
OPERATION(unlink_in, PASS_UNLINK)
OPERATION(xattr_get, PASS_GETXATTR)
OPERATION(xattr_set, PASS_SETXATTR)
OPERATION(lock_file, PASS_LOCK)
OPERATION(getlock, PASS_GETLOCK)

static int
clone_fid(const struct p9_fid *from, struct p9_fid *to)
{
	struct pass *p = pass_of(to->srv);

	to->aux = pass_file_new(p, pass_node_get(p, pass_file_of(from)->node));
	return to->aux ? 0 : -ENOMEM;
}

static void
destroy(struct p9_fid *fid)
{
	pass_file_free(pass_of(fid->srv), pass_file_of(fid));
}

const struct p9_srv_ops pass_ops = {
	.attach = attach, .walk = walk, .clone = clone_fid, .destroy = destroy, .open = open_file,
	.create = create, .read = read_file, .write = write_file, .readdir = readdir_file,
	.fsync = fsync_file, .getattr = getattr, .setattr = setattr, .statfs = statfs_file,
	.mkdir = mkdir_in, .symlink = symlink_in, .mknod = mknod_in, .readlink = readlink_file,
	.link = link_in, .rename = rename_in, .unlink = unlink_in, .xattr_get = xattr_get,
	.xattr_set = xattr_set, .lock = lock_file, .getlock = getlock, .flush = pass_flush,
	.message = pass_message, .answered = pass_answered,
};
