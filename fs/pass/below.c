/*
 * What messages about one file do below: attach, walk, open, reading, writing, attributes, locks.
 * Each leaves its answer in *a.  What changes names is in names.c.
 */
#include "pass.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <os.h>
#include <os_tree.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX	65536u		/* bytes of a directory read at once */
#define ENTRIES_MIN	1024u
#define XATTR_TRIES	4		/* while its size changes */
#define OPEN_FLAGS	(O_ACCMODE | O_TRUNC | O_APPEND | O_DIRECTORY | O_NONBLOCK | O_SYNC)

void
pass_error(struct pass_answer *a, int64_t error)
{
	a->error = (int)error;
	os_errstr(a->text, sizeof a->text);
}

/* The descriptor that says most about the file. */
static int
fd_of(const struct p9_fid *fid)
{
	const struct pass_file *f = fid->aux;

	return f->fd >= 0 ? f->fd : f->node->place;
}

static void
result(struct pass_answer *a, int64_t rc)
{
	a->reply = PASS_R_OK;
	if (rc < 0)
		pass_error(a, rc);
}

void
pass_attach(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	struct ipc_attr attr;
	uint64_t dev;

	if (r->name[0] && strcmp(r->name, "/") != 0) {
		os_set_errstr("no tree is called %s", r->name);
		pass_error(a, -ENOENT);
		return;
	}
	int rc = os_getattr(p->root->place, &attr, &dev);
	if (rc < 0) {
		pass_error(a, rc);
		return;
	}
	a->reply = PASS_R_QID;
	a->qid = pass_qid(p, &attr, dev);
	a->file = pass_file_new(p, pass_node_get(p, p->root));
	if (!a->file)
		a->error = -ENOMEM;
}

static int
find(struct pass *p, struct pass_node *dir, const char *name, struct pass_node **out,
	struct ipc_qid *qid)
{
	struct ipc_attr attr;
	uint64_t dev;
	int place;

	if (strcmp(name, "..") != 0) {
		place = os_place_in(dir->place, name);
		return place < 0 ? place : pass_node_of(p, place, dir, out, qid);
	}
	*out = pass_node_get(p, dir->parent ? dir->parent : dir);
	int rc = os_getattr((*out)->place, &attr, &dev);
	if (rc < 0)
		pass_node_put(p, *out);
	else
		*qid = pass_qid(p, &attr, dev);
	return rc;
}

void
pass_walk(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	struct pass_node *to;
	int rc = find(p, pass_file_of(r->fid)->node, r->name, &to, &a->qid);

	a->reply = PASS_R_QID;
	if (rc < 0) {
		pass_error(a, rc);
		return;
	}
	a->file = pass_file_new(p, to);
	if (!a->file)
		a->error = -ENOMEM;
}

void
pass_open(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	(void)p;
	a->reply = PASS_R_OPEN;
	a->qid = r->fid->qid;
	a->fd = os_open_place(pass_file_of(r->fid)->node->place, (int)r->in.flags & OPEN_FLAGS);
	if (a->fd < 0)
		pass_error(a, a->fd);
}

void
pass_read(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	void *buf = p9_buf(r);
	int64_t n;

	(void)p;
	if (!buf) {
		a->error = -ENOMEM;
		return;
	}
	n = os_pread(pass_file_of(r->fid)->fd, buf, r->in.count, (int64_t)r->in.offset);
	a->reply = PASS_R_DATA;
	a->data = buf;
	a->length = n < 0 ? 0 : (size_t)n;
	if (n < 0)
		pass_error(a, n);
}

void
pass_write(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	int64_t n = os_pwrite(pass_file_of(r->fid)->fd, r->data, r->in.count,
		(int64_t)r->in.offset);

	(void)p;
	a->reply = PASS_R_COUNT;
	a->count = (uint32_t)n;
	if (n < 0)
		pass_error(a, n);
}

void
pass_readdir(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	struct pass_file *f = pass_file_of(r->fid);
	size_t size = r->in.count < ENTRIES_MAX ? r->in.count : ENTRIES_MAX;
	int64_t n;

	(void)p;
	size = size < ENTRIES_MIN ? ENTRIES_MIN : size;
	a->reply = PASS_R_ENTRIES;
	a->data = a->heap = malloc(size);
	if (!a->heap) {
		a->error = -ENOMEM;
		return;
	}
	pthread_mutex_lock(&f->lock);
	n = os_readdir(f->fd, r->in.offset, a->heap, size);
	pthread_mutex_unlock(&f->lock);
	a->length = n < 0 ? 0 : (size_t)n;
	if (n < 0)
		pass_error(a, n);
}

/* Plain 9P2000 asks for it by a stat that changes nothing, on a fid that need not be open. */
static int
sync_place(int place, bool data_only)
{
	int fd = os_open_place(place, O_RDONLY);

	if (fd < 0)	/* what cannot be opened has nothing to bring to its medium */
		return fd == -ELOOP || fd == -ENXIO ? 0 : fd;
	int rc = os_fsync(fd, data_only);
	os_close(fd);
	return rc;
}

void
pass_fsync(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	const struct pass_file *f = pass_file_of(r->fid);
	bool data_only = r->in.flags & 1;

	(void)p;
	result(a, f->fd >= 0 ? os_fsync(f->fd, data_only) : sync_place(f->node->place, data_only));
}

void
pass_getattr(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	uint64_t dev;
	int rc = os_getattr(fd_of(r->fid), &a->attr, &dev);

	a->reply = PASS_R_ATTR;
	if (rc < 0)
		pass_error(a, rc);
	else
		a->attr.qid = pass_qid(p, &a->attr, dev);
}

void
pass_setattr(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	(void)p;
	result(a, os_setattr(fd_of(r->fid), r->data));
}

void
pass_statfs(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	int rc = os_statfs(fd_of(r->fid), &a->statfs);

	(void)p;
	a->reply = PASS_R_STATFS;
	if (rc < 0)
		pass_error(a, rc);
}

void
pass_readlink(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	void *buf = p9_buf(r);
	int64_t n = buf ? os_readlink(pass_file_of(r->fid)->node->place, buf, r->in.count) :
		-ENOMEM;

	(void)p;
	a->reply = PASS_R_DATA;
	a->data = buf;
	a->length = n < 0 ? 0 : (size_t)n;
	if (n < 0)
		pass_error(a, n);
}

/* Asks for the size first; -ERANGE when it has grown in between. */
static int64_t
get_value(int fd, const char *name, struct pass_answer *a)
{
	int64_t n = os_getxattr(fd, name, NULL, 0);

	if (n <= 0 || n > P9_SRV_XATTR)
		return n <= 0 ? n : -E2BIG;
	a->heap = malloc((size_t)n);
	if (!a->heap)
		return -ENOMEM;
	n = os_getxattr(fd, name, a->heap, (size_t)n);
	if (n < 0) {
		free(a->heap);
		a->heap = NULL;
	}
	return n;
}

void
pass_getxattr(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	int64_t n = -ERANGE;

	(void)p;
	for (int i = 0; i < XATTR_TRIES && n == -ERANGE; i++)
		n = get_value(fd_of(r->fid), r->name, a);
	a->reply = PASS_R_DATA;
	a->data = a->heap;
	a->length = n < 0 ? 0 : (size_t)n;
	if (n < 0)
		pass_error(a, n);
}

void
pass_setxattr(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	(void)p;
	result(a, os_setxattr(fd_of(r->fid), r->name, r->data, r->in.count, r->in.flags));
}

/* The client asks again for a lock that is not free. */
void
pass_lock(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	int fd = pass_file_of(r->fid)->fd;
	int rc = fd < 0 ? -EBADF : os_lock(fd, r->data);

	(void)p;
	a->reply = PASS_R_COUNT;
	a->count = rc == -EAGAIN;
	if (rc < 0 && rc != -EAGAIN)
		pass_error(a, rc);
}

void
pass_getlock(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	int fd = pass_file_of(r->fid)->fd;

	(void)p;
	a->reply = PASS_R_LOCK;
	memcpy(&a->lock, r->data, sizeof a->lock);
	int rc = fd < 0 ? -EBADF : os_getlock(fd, &a->lock);
	if (rc < 0)
		pass_error(a, rc);
}
