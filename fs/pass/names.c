/*
 * What messages that make, move and remove names do below.  A new file gets its client's owner
 * where this process may give it away.
 */
#include "pass.h"

#include <errno.h>
#include <fcntl.h>
#include <os.h>
#include <os_tree.h>
#include <sys/stat.h>
#include <lux9/sys.h>

#define CREATE_FLAGS	(O_ACCMODE | O_TRUNC | O_EXCL | O_APPEND | O_NONBLOCK | O_SYNC)

static int
place_of(const struct p9_fid *fid)
{
	return pass_file_of(fid)->node->place;
}

/* Who the file belongs to is for its maker to say.  A change of owner, and some systems' mkdir,
 * take the bits above the permissions away. */
static int
give_away(const struct p9_req *r, int fd, const struct ipc_attr *a)
{
	struct ipc_setattr s = { .uid = r->fid->uid, .gid = r->in.gid };
	uint32_t bits = S_ISLNK(a->mode) ? 0 : r->in.mode & 07000;

	if (s.uid != P9_NOUID && s.uid != a->uid)
		s.valid |= SYS_ATTR_UID;
	if (s.gid != P9_NOUID && s.gid != a->gid)
		s.valid |= SYS_ATTR_GID;
	s.mode = (a->mode | bits) & 07777;
	if (bits && (s.valid || s.mode != (a->mode & 07777)))
		s.valid |= SYS_ATTR_MODE;
	int rc = s.valid ? os_setattr(fd, &s) : 0;
	return rc == -EPERM ? 0 : rc;
}

/* The name has been made; what it is, is the answer. */
static void
made(struct pass *p, struct p9_req *r, struct pass_answer *a, int rc)
{
	struct ipc_attr attr;
	uint64_t dev;
	int place = -1;

	a->reply = PASS_R_QID;
	if (rc == 0)
		place = rc = os_place_in(place_of(r->fid), r->name);
	if (rc >= 0)
		rc = os_getattr(place, &attr, &dev);
	if (rc >= 0)
		rc = give_away(r, place, &attr);
	if (rc < 0)
		pass_error(a, rc);
	else
		a->qid = pass_qid(p, &attr, dev);
	if (place >= 0)
		os_close(place);
}

/* A new fid for the file that was opened: the same that the name leads to. */
static int
new_file(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	struct pass_node *n, *dir = pass_file_of(r->fid)->node;
	struct ipc_attr attr;
	uint64_t dev;
	int place, rc = os_getattr(a->fd, &attr, &dev);

	if (rc == 0)
		rc = give_away(r, a->fd, &attr);
	if (rc < 0)
		return rc;
	place = os_place_in(dir->place, r->name);
	rc = place < 0 ? place : pass_node_of(p, place, dir, &n, &a->qid);
	if (rc < 0)
		return rc;
	if (n->path != attr.qid.path || n->dev != dev) {
		pass_node_put(p, n);
		os_set_errstr("%s: another file has that name already", r->name);
		return -ESTALE;
	}
	a->file = pass_file_new(p, n);
	return a->file ? 0 : -ENOMEM;
}

void
pass_create(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	a->reply = PASS_R_OPEN;
	a->fd = os_open_in(place_of(r->fid), r->name, O_CREAT | ((int)r->in.flags & CREATE_FLAGS),
		r->in.mode & 07777);
	int rc = a->fd < 0 ? a->fd : new_file(p, r, a);
	if (rc < 0)
		pass_error(a, rc);
}

void
pass_mkdir(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	made(p, r, a, os_mkdir_in(place_of(r->fid), r->name, r->in.mode & 07777));
}

void
pass_symlink(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	made(p, r, a, os_symlink_in(place_of(r->fid), r->name, r->name2));
}

void
pass_mknod(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	made(p, r, a, os_mknod_in(place_of(r->fid), r->name, r->in.mode, r->in.offset));
}

static void
result(struct pass_answer *a, int rc)
{
	a->reply = PASS_R_OK;
	if (rc < 0)
		pass_error(a, rc);
}

void
pass_link(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	(void)p;
	result(a, os_link_in(place_of(r->fid), r->name, place_of(r->newfid)));
}

void
pass_rename(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	(void)p;
	result(a, os_rename_in(place_of(r->fid), r->name, place_of(r->newfid), r->name2));
}

void
pass_unlink(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	(void)p;
	result(a, os_unlink_in(place_of(r->fid), r->name, r->in.flags & SYS_AT_REMOVEDIR));
}
