/*
 * A flat directory of a few files over 9P, from a table in the server's type.
 *
 * A fid's aux is a `struct node` of its own: which file, and the text that the file had when it
 * was last read from offset 0, so that a reader in pieces sees one moment.  The fid's lock protects
 * the text; the table is constant.
 */
#include "os.h"
#include "sip.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lux9/sys.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ROOT		(-1)	/* the directory's index; a file's is its place in the table */
#define COMMAND_MAX	256

struct node {
	int index;
	pthread_mutex_t lock;
	char *text;
	size_t len;
};

static struct sip_server *
server_of(struct p9_srv *srv)
{
	return srv->aux;
}

static const struct sip_file *
files_of(struct p9_req *r)
{
	return server_of(r->srv)->type->files;
}

/* NULL for the directory. */
static const struct sip_file *
file_of(struct p9_req *r)
{
	struct node *n = r->fid->aux;
	return n->index == ROOT ? NULL : files_of(r) + n->index;
}

static struct ipc_qid
qid_of(int index)
{
	return (struct ipc_qid){
		.path = (uint64_t)(index + 1), .type = index == ROOT ? P9_QTDIR : P9_QTFILE,
	};
}

static struct node *
node_new(int index)
{
	struct node *n = calloc(1, sizeof *n);
	if (n) {
		n->index = index;
		pthread_mutex_init(&n->lock, NULL);
	}
	return n;
}

static void
become(struct p9_req *r, struct p9_fid *fid, int index)
{
	struct ipc_qid qid = qid_of(index);
	fid->aux = node_new(index);
	if (fid->aux)
		p9_reply_qid(r, &qid);
	else
		p9_fail(r, ENOMEM, NULL);
}

static void
attach(struct p9_req *r)
{
	become(r, r->fid, ROOT);
}

static void
walk(struct p9_req *r)
{
	if (file_of(r)) {
		p9_fail(r, ENOTDIR, NULL);
		return;
	}
	const struct sip_file *files = files_of(r);
	if (strcmp(r->name, "..") == 0) {
		become(r, r->newfid, ROOT);
		return;
	}
	for (int i = 0; files && files[i].name; i++)
		if (strcmp(files[i].name, r->name) == 0) {
			become(r, r->newfid, i);
			return;
		}
	p9_fail(r, ENOENT, NULL);
}

static int
clone_node(const struct p9_fid *from, struct p9_fid *to)
{
	to->aux = node_new(((struct node *)from->aux)->index);
	return to->aux ? 0 : -ENOMEM;
}

static void
destroy(struct p9_fid *fid)
{
	struct node *n = fid->aux;
	if (!n)
		return;
	pthread_mutex_destroy(&n->lock);
	free(n->text);
	free(n);
}

static bool
readable(const struct sip_file *f)
{
	return f->text || f->read;
}

static bool
writable(const struct sip_file *f)
{
	return f->write || f->command;
}

static void
open_node(struct p9_req *r)
{
	const struct sip_file *f = file_of(r);
	unsigned mode = r->in.flags & O_ACCMODE;
	struct node *n = r->fid->aux;
	struct ipc_qid qid = qid_of(n->index);
	if (f ? (mode != O_RDONLY && !writable(f)) || (mode != O_WRONLY && !readable(f)) :
	    mode != O_RDONLY)
		p9_fail(r, f ? EACCES : EISDIR, NULL);
	else
		p9_reply_open(r, &qid, 0);
}

/* The operation's own words, where it had some.  A client's mistake is not the server's error. */
static void
fail(struct p9_req *r, int err)
{
	char text[OS_ERRSTR_MAX];
	bool words = os_errstr(text, sizeof text) > 0;
	if (err == -EIO || err == -ETIMEDOUT || err == -ENXIO || err == -ENODEV)
		sip_log(server_of(r->srv), "%s: %s", file_of(r)->name,
			words ? text : strerror(-err));	/* counted as what it is answered with */
	if (words)
		p9_fail(r, err, "%s", text);
	else
		p9_fail(r, err, NULL);
}

static int
refresh(struct p9_req *r, const struct sip_file *f, struct node *n)
{
	char *text = malloc(SIP_TREE_TEXT);
	if (!text)
		return -ENOMEM;
	int len = f->text(server_of(r->srv), text, SIP_TREE_TEXT);
	if (len < 0) {
		free(text);
		return len;
	}
	free(n->text);
	n->text = text;
	n->len = len < SIP_TREE_TEXT ? (size_t)len : SIP_TREE_TEXT - 1;
	return 0;
}

static void
read_text(struct p9_req *r, const struct sip_file *f)
{
	struct node *n = r->fid->aux;
	pthread_mutex_lock(&n->lock);
	int e = r->in.offset == 0 || !n->text ? refresh(r, f, n) : 0;
	char *buf = e < 0 ? NULL : p9_buf(r);
	size_t len = 0;
	if (buf && r->in.offset < n->len) {
		len = n->len - (size_t)r->in.offset;
		len = len < r->in.count ? len : r->in.count;
		memcpy(buf, n->text + r->in.offset, len);
	}
	pthread_mutex_unlock(&n->lock);
	if (buf)
		p9_reply_data(r, buf, len);
	else
		fail(r, e < 0 ? e : -ENOMEM);
}

static void
read_node(struct p9_req *r)
{
	const struct sip_file *f = file_of(r);
	if (!f) {
		p9_fail(r, EISDIR, NULL);
		return;
	}
	os_set_errstr("%s", "");
	if (f->text) {
		read_text(r, f);
		return;
	}
	if (!f->read) {
		p9_fail(r, EACCES, NULL);
		return;
	}
	void *buf = p9_buf(r);
	int64_t n = buf ? f->read(server_of(r->srv), buf, r->in.count, r->in.offset) : -ENOMEM;
	if (n < 0)
		fail(r, (int)n);
	else
		p9_reply_data(r, buf, (size_t)n);
}

static int64_t
command(struct p9_req *r, const struct sip_file *f)
{
	char text[COMMAND_MAX];
	size_t n = r->in.count;
	if (n >= sizeof text)
		return -E2BIG;
	memcpy(text, r->data, n);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	text[n] = '\0';
	int e = f->command(server_of(r->srv), text);
	return e < 0 ? e : (int64_t)r->in.count;
}

static void
write_node(struct p9_req *r)
{
	const struct sip_file *f = file_of(r);
	if (!f || !writable(f)) {
		p9_fail(r, f ? EACCES : EISDIR, NULL);
		return;
	}
	os_set_errstr("%s", "");
	int64_t n = f->command ? command(r, f) :
	    f->write(server_of(r->srv), r->data, r->in.count, r->in.offset);
	if (n < 0)
		fail(r, (int)n);
	else
		p9_reply_count(r, (uint32_t)n);
}

static void
readdir_root(struct p9_req *r)
{
	const struct sip_file *files = files_of(r);
	uint64_t i = 0;
	if (file_of(r)) {
		p9_fail(r, ENOTDIR, NULL);
		return;
	}
	for (; files && files[i].name; i++) {
		if (i < r->in.offset)
			continue;
		struct ipc_qid qid = qid_of((int)i);
		if (!p9_dirent(r, &qid, i + 1, DT_REG, files[i].name))
			break;
	}
	p9_ok(r);
}

static void
getattr(struct p9_req *r)
{
	const struct sip_file *f = file_of(r);
	struct node *n = r->fid->aux;
	uint32_t mode = S_IFDIR | 0555;
	if (f)
		mode = S_IFREG | (readable(f) ? 0444 : 0) | (writable(f) ? 0222 : 0);
	struct ipc_attr a = {
		.valid = P9_GETATTR_BASIC, .qid = qid_of(n->index), .mode = mode,
		.nlink = f ? 1 : 2, .size = f ? f->size : 0, .blksize = 4096,
	};
	p9_reply_attr(r, &a);
}

/* A shell's > truncates first: nothing to do. */
static void
setattr(struct p9_req *r)
{
	const struct ipc_setattr *a = r->data;
	if (a->valid & (SYS_ATTR_MODE | SYS_ATTR_UID | SYS_ATTR_GID))
		p9_fail(r, EPERM, NULL);
	else
		p9_ok(r);
}

const struct p9_srv_ops sip_tree_ops = {
	.attach = attach, .walk = walk, .clone = clone_node, .destroy = destroy,
	.open = open_node, .read = read_node, .write = write_node, .readdir = readdir_root,
	.getattr = getattr, .setattr = setattr,
};
