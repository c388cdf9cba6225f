/*
 * A request on its way to an operation: one table says, for each message type of both dialects,
 * which fids it takes, what its strings must be, and who carries it out.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "srv.h"

enum flag {
	WANT_FID = 1, WANT_NEWFID = 2,	/* must be known */
	WANT_NEWDIR = 32 | WANT_NEWFID,	/* and a directory */
	WANT_DIR = 4,			/* the fid is a directory */
	WANT_OPEN = 8,			/* the fid is open */
	OK_IF_NULL = 16,		/* without an operation it succeeds */
	ANY_FID = 64,			/* an auth fid or an attribute's will do: it has no file */
	NO_OP = 128,			/* no operation carries it out: see ops.message */
};

struct handler {
	void (*fn)(struct p9_req *);	/* or, when NULL, the operation at `op` */
	uint16_t op;
	uint8_t flags, name, name2;
};

static void do_read(struct p9_req *);
static void do_write(struct p9_req *);
static void do_readdir(struct p9_req *);
static void do_readlink(struct p9_req *);

#define OP(member)	.op = offsetof(struct p9_srv_ops, member)
#define FN(function)	.fn = function

static const struct handler handlers[128] = {
	[IPC_TSTATFS] = { OP(statfs), .flags = WANT_FID },
	[IPC_TLOPEN] = { FN(p9_do_open), .flags = WANT_FID },
	[IPC_TLCREATE] = { FN(p9_do_create), .flags = WANT_FID | WANT_DIR, .name = NAME_ENTRY },
	[IPC_TSYMLINK] = { OP(symlink), .flags = WANT_FID | WANT_DIR, .name = NAME_ENTRY,
		.name2 = NAME_TARGET },
	[IPC_TMKNOD] = { OP(mknod), .flags = WANT_FID | WANT_DIR, .name = NAME_ENTRY },
	[IPC_TRENAME] = { FN(p9_do_rename), .flags = WANT_FID | WANT_NEWDIR, .name = NAME_ENTRY },
	[IPC_TREADLINK] = { FN(do_readlink), .flags = WANT_FID },
	[IPC_TGETATTR] = { OP(getattr), .flags = WANT_FID },
	[IPC_TSETATTR] = { OP(setattr), .flags = WANT_FID },
	[IPC_TXATTRWALK] = { FN(p9_do_xattrwalk), .flags = WANT_FID, .name = NAME_XATTR },
	[IPC_TXATTRCREATE] = { FN(p9_do_xattrcreate), .flags = WANT_FID | NO_OP,
		.name = NAME_XATTR },
	[IPC_TREADDIR] = { FN(do_readdir), .flags = WANT_FID | WANT_DIR | WANT_OPEN },
	[IPC_TFSYNC] = { OP(fsync), .flags = WANT_FID | OK_IF_NULL },
	[IPC_TLOCK] = { OP(lock), .flags = WANT_FID },
	[IPC_TGETLOCK] = { OP(getlock), .flags = WANT_FID },
	[IPC_TLINK] = { OP(link), .flags = WANT_FID | WANT_NEWFID | WANT_DIR, .name = NAME_ENTRY },
	[IPC_TMKDIR] = { OP(mkdir), .flags = WANT_FID | WANT_DIR, .name = NAME_ENTRY },
	[IPC_TRENAMEAT] = { OP(rename), .flags = WANT_FID | WANT_NEWDIR | WANT_DIR,
		.name = NAME_ENTRY, .name2 = NAME_ENTRY },
	[IPC_TUNLINKAT] = { OP(unlink), .flags = WANT_FID | WANT_DIR, .name = NAME_ENTRY },
	[P9_TAUTH] = { FN(p9_do_auth), .name = NAME_FREE, .name2 = NAME_FREE },
	[IPC_TATTACH] = { FN(p9_do_attach), .name = NAME_FREE, .name2 = NAME_FREE },
	[IPC_TFLUSH] = { FN(p9_do_flush), .flags = NO_OP },
	[IPC_TWALK] = { FN(p9_do_walk), .flags = WANT_FID | NO_OP },
	[P9_TOPEN] = { FN(p9_plain_open), .flags = WANT_FID },
	[P9_TCREATE] = { FN(p9_plain_create), .flags = WANT_FID | WANT_DIR, .name = NAME_ENTRY },
	[IPC_TREAD] = { FN(do_read), .flags = WANT_FID | ANY_FID },
	[IPC_TWRITE] = { FN(do_write), .flags = WANT_FID | ANY_FID },
	[IPC_TCLUNK] = { FN(p9_do_clunk), .flags = WANT_FID | ANY_FID | NO_OP },
	[IPC_TREMOVE] = { FN(p9_do_remove), .flags = WANT_FID | ANY_FID | NO_OP },
	[P9_TSTAT] = { FN(p9_plain_stat), .flags = WANT_FID },
	[P9_TWSTAT] = { FN(p9_plain_wstat), .flags = WANT_FID },
};

static void
call(struct p9_req *r, size_t offset, bool ok_if_null)
{
	void (*op)(struct p9_req *) =
		*(void (*const *)(struct p9_req *))((const char *)r->srv->ops + offset);

	if (op)
		op(r);
	else if (ok_if_null)
		p9_ok(r);
	else
		p9_error(r, EOPNOTSUPP, NULL);
}

static void
do_read(struct p9_req *r)
{
	uint32_t most = r->conn->msize - P9_IOHDR;
	struct p9_fid *f = r->fid;

	if (r->in.count > most)
		r->in.count = most;
	if (f->phase == FID_XATTR_READ) {
		p9_xattr_read(r);
	} else if (f->phase != FID_AUTH && (f->phase != FID_OPEN ||
	    (f->flags & O_ACCMODE) == O_WRONLY)) {
		p9_error(r, EBADF, "fid is not open for reading");
	} else if (f->qid.type & P9_QTDIR) {
		if (r->conn->dialect == P9_2000)
			p9_plain_readdir(r);
		else
			p9_error(r, EISDIR, NULL);
	} else if (r->in.offset > INT64_MAX) {
		p9_error(r, EINVAL, "offset is negative");
	} else {
		call(r, offsetof(struct p9_srv_ops, read), false);
	}
}

static void
do_write(struct p9_req *r)
{
	struct p9_fid *f = r->fid;

	if (f->phase == FID_XATTR_WRITE)
		p9_xattr_write(r);
	else if (f->phase != FID_AUTH && (f->phase != FID_OPEN ||
	    (f->flags & O_ACCMODE) == O_RDONLY))
		p9_error(r, EBADF, "fid is not open for writing");
	else if (f->qid.type & P9_QTDIR)
		p9_error(r, EISDIR, NULL);
	else if (r->in.offset > (uint64_t)INT64_MAX - r->in.count)
		p9_error(r, EFBIG, NULL);
	else
		call(r, offsetof(struct p9_srv_ops, write), false);
}

static void
do_readdir(struct p9_req *r)
{
	if (r->in.count > r->conn->msize - P9_IOHDR)
		r->in.count = r->conn->msize - P9_IOHDR;
	call(r, offsetof(struct p9_srv_ops, readdir), false);
}

static void
do_readlink(struct p9_req *r)
{
	r->in.count = 4095;
	if (r->in.count > r->conn->msize - P9_IOHDR)
		r->in.count = r->conn->msize - P9_IOHDR;
	call(r, offsetof(struct p9_srv_ops, readlink), false);
}

/* The fids that the message needs; 0 or the errno to answer. */
static int
find_fids(struct p9_req *r, unsigned flags)
{
	if (!(flags & WANT_FID))
		return 0;
	r->fid = p9_fid_get(r->conn, r->in.fid);
	if (!r->fid)
		return EBADF;
	if (!(flags & ANY_FID) && r->fid->phase >= FID_AUTH)
		return EINVAL;
	if (flags & WANT_NEWFID) {
		r->newfid = p9_fid_get(r->conn, r->in.newfid);
		if (!r->newfid)
			return EBADF;
		if (r->newfid->phase >= FID_AUTH)
			return EINVAL;
	}
	if ((flags & WANT_NEWDIR) == WANT_NEWDIR && !(r->newfid->qid.type & P9_QTDIR))
		return ENOTDIR;
	if ((flags & WANT_DIR) && !(r->fid->qid.type & P9_QTDIR))
		return ENOTDIR;
	return 0;
}

void
p9_request(struct p9_req *r)
{
	const struct handler *h = &handlers[r->wire_type & 127];
	int error;

	if (!h->fn && !h->op) {
		p9_error(r, EOPNOTSUPP, "no such message type");
		return;
	}
	error = find_fids(r, h->flags);
	if (error) {
		p9_error(r, error, error == EBADF ? "unknown fid" :
			error == EINVAL ? "fid is not a file's" : NULL);
		return;
	}
	if ((h->flags & WANT_OPEN) && r->fid->phase != FID_OPEN) {
		p9_error(r, EBADF, "fid is not open");
		return;
	}
	if ((h->flags & NO_OP) && r->srv->ops->message &&
	    (r->wire_type != IPC_TWALK || r->nnames == 0))
		p9_offer(r, h->fn);
	else if (h->fn)
		h->fn(r);
	else
		call(r, h->op, h->flags & OK_IF_NULL);
}

int
p9_c_string(struct p9_str s, enum p9_namekind kind, const char **out)
{
	size_t max = kind == NAME_TARGET || kind == NAME_FREE ? 4095 : P9_NAME_MAX;
	char *to;

	if (s.n > max)
		return -ENAMETOOLONG;
	if (!s.s || memchr(s.s, 0, s.n))
		return -EINVAL;
	if (kind == NAME_ENTRY || kind == NAME_WALK) {
		if (s.n == 0 || memchr(s.s, '/', s.n))
			return -EINVAL;
		if (kind == NAME_ENTRY && (p9_str_eq(s, ".") || p9_str_eq(s, "..")))
			return -EINVAL;
	}
	if (kind == NAME_TARGET && s.n == 0)
		return -ENOENT;
	to = (char *)s.s - 1;
	memmove(to, s.s, s.n);
	to[s.n] = 0;
	*out = to;
	return 0;
}

int
p9_set_names(struct p9_req *r, struct p9_str name, struct p9_str name2)
{
	const struct handler *h = &handlers[r->wire_type & 127];
	int rc = 0;

	if (h->name)
		rc = p9_c_string(name, h->name, &r->name);
	if (rc == 0 && h->name2)
		rc = p9_c_string(name2, h->name2, &r->name2);
	return rc;
}

/* Bytes of bulk record that the type has; 0: none. */
static size_t
record_size(uint32_t type)
{
	switch (type) {
	case IPC_TSETATTR:
		return sizeof(struct ipc_setattr);
	case IPC_TLOCK:
	case IPC_TGETLOCK:
		return sizeof(struct ipc_lock);
	default:
		return 0;
	}
}

static int
set_walk_names(struct p9_req *r, struct p9_cur *c)
{
	struct p9_str s[P9_NAMES_MAX];
	int rc = 0;

	if (r->in.count > P9_NAMES_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < r->in.count; i++)
		s[i] = p9_get_str(c);
	for (unsigned i = 0; i < r->in.count && rc == 0 && !c->overrun; i++)
		rc = p9_c_string(s[i], NAME_WALK, &r->names[i]);
	r->nnames = r->in.count;
	return c->overrun ? -EINVAL : rc;
}

int
p9_set_bulk(struct p9_req *r)
{
	const struct handler *h = &handlers[r->wire_type & 127];
	struct p9_cur c = { r->buf, r->buf + r->in.length, false };
	struct p9_str one = { NULL, 0 }, two = { NULL, 0 };
	size_t record;

	if (r->in.type == IPC_TWRITE) {	/* first, as it is not rare */
		r->in.count = r->in.length;
		r->data = r->buf;
		return 0;
	}
	if (r->in.type == IPC_TWALK)
		return set_walk_names(r, &c);
	record = record_size(r->in.type);
	if (record) {
		if (r->in.length < record)
			return -EINVAL;
		memcpy(&r->u, r->buf, record);
		r->data = &r->u;
		return 0;
	}
	if (h->name)
		one = p9_get_str(&c);
	if (h->name2)
		two = p9_get_str(&c);
	if (c.overrun)
		return -EINVAL;
	return r->in.type == IPC_TATTACH ? p9_set_names(r, two, one) : p9_set_names(r, one, two);
}
