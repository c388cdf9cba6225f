/*
 * The /dev/sd tree over the 9P server; see man/3/sd.
 *
 *	/  sdctl  sdXN/  ctl raw data geometry stats packet part/  0 1 2 ... by-uuid/ by-label/
 *
 * A fid's aux is a struct node: the kind of file, its disk and, for data, its partition, with a
 * reference on each.  A node never changes but for `opened`, so requests need no lock to read one;
 * what an open packet file keeps has its own (packet.c).  A file of the disk's data is busy from
 * before it is seen to be in the table until the device is done, so that a rescan knows when
 * nothing more happens to its sectors, and another medium is not shown before.  Entries under
 * by-uuid and by-label are the same files as under part.
 * Without a medium the disk's names stay, but cannot be opened: a walk of several names tells of
 * the first only why it failed [walk(5)].
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "disk.h"
#include "p9_srv.h"

enum node_kind {
	NODE_ROOT,
	NODE_SDCTL,
	NODE_DISK,
	NODE_CTL,
	NODE_RAW,
	NODE_DATA,
	NODE_GEOMETRY,
	NODE_STATS,
	NODE_PARTS,
	NODE_PART,
	NODE_BY_UUID,
	NODE_BY_LABEL,
	NODE_PACKET,
};

_Static_assert(NODE_PACKET >> BLK_KIND_BITS == 0, "the kinds of files in a path");

enum { TEXT_MAX = 128 << 10, COMMAND_MAX = 256, DT_DIRECTORY = 4, DT_REGULAR = 8 };

struct node {
	enum node_kind kind;
	struct blk_server *server;
	struct blk_disk *disk;     /* NULL above the disks */
	struct blk_file *file;     /* data: NULL if there was no medium; then it is not opened */
	bool opened;               /* and counted in file->opens */
	struct blk_answer *answer; /* packet: of the last command */
};

static const struct entry {
	const char *name;
	enum node_kind kind;
} disk_entries[] = {
	{ "ctl", NODE_CTL },           { "raw", NODE_RAW },     { "data", NODE_DATA },
	{ "geometry", NODE_GEOMETRY }, { "stats", NODE_STATS }, { "packet", NODE_PACKET },
	{ "part", NODE_PARTS },
};

static bool
is_dir(enum node_kind kind)
{
	return kind == NODE_ROOT || kind == NODE_DISK || kind == NODE_PARTS ||
	       kind == NODE_BY_UUID || kind == NODE_BY_LABEL;
}

static bool
is_data(enum node_kind kind)
{
	return kind == NODE_RAW || kind == NODE_DATA || kind == NODE_PART;
}

static struct ipc_qid
node_qid(enum node_kind kind, const struct blk_disk *d, const struct blk_file *f)
{
	return (struct ipc_qid){ .type = is_dir(kind) ? P9_QTDIR : P9_QTFILE,
				 .path = blk_path(kind, d, f) };
}

/* Takes a reference on both.  NULL: out of memory. */
static struct node *
make_node(struct blk_server *s, enum node_kind kind, struct blk_disk *d, struct blk_file *f)
{
	struct node *n = malloc(sizeof *n);

	if (!n)
		return NULL;
	*n = (struct node){ kind, s, d, f, false, NULL };
	if (kind == NODE_PACKET && !(n->answer = blk_answer_new())) {
		free(n);
		return NULL;
	}
	if (d)
		atomic_fetch_add(&d->refs, 1);
	if (f)
		atomic_fetch_add(&f->refs, 1);
	return n;
}

static void
free_node(struct node *n)
{
	if (n->opened)
		atomic_fetch_sub(&n->file->opens, 1);
	if (n->file)
		blk_file_put(n->file);
	if (n->disk)
		blk_disk_put(n->disk);
	if (n->answer)
		blk_answer_free(n->answer);
	free(n);
}

static void
tree_attach(struct p9_req *r)
{
	struct ipc_qid qid = node_qid(NODE_ROOT, NULL, NULL);

	r->fid->aux = make_node(r->srv->aux, NODE_ROOT, NULL, NULL);
	if (!r->fid->aux)
		p9_fail(r, ENOMEM, NULL);
	else
		p9_reply_qid(r, &qid);
}

/* --- walk ------------------------------------------------------------------------------------ */

static struct node *
walk_root(struct blk_server *s, const char *name)
{
	if (strcmp(name, "sdctl") == 0)
		return make_node(s, NODE_SDCTL, NULL, NULL);
	for (unsigned i = 0; i < s->ndisks; i++)
		if (strcmp(s->disk[i]->info.name, name) == 0)
			return make_node(s, NODE_DISK, s->disk[i], NULL);
	return NULL;
}

static bool
has_entry(const struct blk_disk *d, enum node_kind kind)
{
	return kind != NODE_PACKET || d->ops->packet;
}

/* All of it: raw, data and part/0. */
static struct node *
walk_whole(struct node *n, struct blk_disk *d, enum node_kind kind)
{
	if (d->nfiles)
		return make_node(n->server, kind, d, d->file[0]);
	return blk_is_empty(d) ? make_node(n->server, kind, d, NULL) : NULL;
}

static struct node *
walk_disk(struct node *n, const char *name)
{
	for (size_t i = 0; i < sizeof disk_entries / sizeof disk_entries[0]; i++)
		if (strcmp(disk_entries[i].name, name) == 0) {
			enum node_kind kind = disk_entries[i].kind;

			if (!has_entry(n->disk, kind))
				return NULL;
			return is_data(kind) ? walk_whole(n, n->disk, kind)
					     : make_node(n->server, kind, n->disk, NULL);
		}
	return NULL;
}

/* What a partition is called in that directory: "" for nothing. */
static void
file_name(enum node_kind dir, const struct blk_file *f, char name[128])
{
	name[0] = '\0';
	if (dir == NODE_PARTS)
		snprintf(name, 128, "%u", f->number);
	else if (dir == NODE_BY_UUID)
		snprintf(name, 128, "%s", f->uuid);
	else if (strcmp(f->label, ".") != 0 && strcmp(f->label, "..") != 0)
		snprintf(name, 128, "%s", f->label);
}

static struct blk_file *
find_file(const struct blk_disk *d, enum node_kind dir, const char *name)
{
	char own[128];

	for (unsigned i = 0; i < d->nfiles; i++) {
		file_name(dir, d->file[i], own);
		if (own[0] && strcmp(own, name) == 0)
			return d->file[i]; /* of two with the same label, the first */
	}
	return NULL;
}

static struct node *
walk_parts(struct node *n, const char *name)
{
	struct blk_file *f;

	if (n->kind == NODE_PARTS && strcmp(name, "by-uuid") == 0)
		return make_node(n->server, NODE_BY_UUID, n->disk, NULL);
	if (n->kind == NODE_PARTS && strcmp(name, "by-label") == 0)
		return make_node(n->server, NODE_BY_LABEL, n->disk, NULL);
	if (n->kind == NODE_PARTS && strcmp(name, "0") == 0)
		return walk_whole(n, n->disk, NODE_PART);
	f = find_file(n->disk, n->kind, name);
	return f ? make_node(n->server, NODE_PART, n->disk, f) : NULL;
}

static struct node *
walk_up(struct node *n)
{
	if (n->kind == NODE_BY_UUID || n->kind == NODE_BY_LABEL)
		return make_node(n->server, NODE_PARTS, n->disk, NULL);
	if (n->kind == NODE_PARTS)
		return make_node(n->server, NODE_DISK, n->disk, NULL);
	return make_node(n->server, NODE_ROOT, NULL, NULL);
}

static void
tree_walk(struct p9_req *r)
{
	struct node *n = r->fid->aux, *to = NULL;
	struct ipc_qid qid;

	if (!is_dir(n->kind)) {
		p9_fail(r, ENOTDIR, NULL);
		return;
	}
	pthread_mutex_lock(&n->server->lock);
	if (strcmp(r->name, "..") == 0)
		to = walk_up(n);
	else if (n->kind == NODE_ROOT)
		to = walk_root(n->server, r->name);
	else if (n->kind == NODE_DISK)
		to = walk_disk(n, r->name);
	else
		to = walk_parts(n, r->name);
	pthread_mutex_unlock(&n->server->lock);
	if (!to) {
		p9_fail(r, ENOENT, NULL);
		return;
	}
	qid = node_qid(to->kind, to->disk, to->file);
	r->newfid->aux = to;
	p9_reply_qid(r, &qid);
}

static int
tree_clone(const struct p9_fid *from, struct p9_fid *to)
{
	const struct node *n = from->aux;

	to->aux = make_node(n->server, n->kind, n->disk, n->file);
	return to->aux ? 0 : -ENOMEM;
}

static void
tree_destroy(struct p9_fid *fid)
{
	free_node(fid->aux);
}

/* --- directories ----------------------------------------------------------------------------- */

static bool
put_entry(struct p9_req *r, uint64_t *i, struct ipc_qid qid, const char *name)
{
	if ((*i)++ < r->in.offset)
		return true;
	return p9_dirent(r, &qid, *i, qid.type & P9_QTDIR ? DT_DIRECTORY : DT_REGULAR, name);
}

static void
list_root(struct p9_req *r, const struct blk_server *s)
{
	uint64_t i = 0;

	if (!s->unlisted && !put_entry(r, &i, node_qid(NODE_SDCTL, NULL, NULL), "sdctl"))
		return;
	for (unsigned d = 0; d < s->ndisks; d++)
		if (!put_entry(r, &i, node_qid(NODE_DISK, s->disk[d], NULL), s->disk[d]->info.name))
			return;
}

static void
list_disk(struct p9_req *r, const struct blk_disk *d)
{
	uint64_t i = 0;

	for (size_t e = 0; e < sizeof disk_entries / sizeof disk_entries[0]; e++) {
		enum node_kind kind = disk_entries[e].kind;
		const struct blk_file *f = is_data(kind) && d->nfiles ? d->file[0] : NULL;

		if (has_entry(d, kind) &&
		    !put_entry(r, &i, node_qid(kind, d, f), disk_entries[e].name))
			return;
	}
}

static void
list_parts(struct p9_req *r, const struct node *n)
{
	const struct blk_disk *d = n->disk;
	uint64_t i = 0;

	if (n->kind == NODE_PARTS &&
	    (!put_entry(r, &i, node_qid(NODE_BY_UUID, d, NULL), "by-uuid") ||
	     !put_entry(r, &i, node_qid(NODE_BY_LABEL, d, NULL), "by-label")))
		return;
	if (n->kind == NODE_PARTS && blk_is_empty(d) &&
	    !put_entry(r, &i, node_qid(NODE_PART, d, NULL), "0"))
		return;
	for (unsigned p = 0; p < d->nfiles; p++) {
		char name[128];

		file_name(n->kind, d->file[p], name);
		if (name[0] && find_file(d, n->kind, name) == d->file[p] &&
		    !put_entry(r, &i, node_qid(NODE_PART, d, d->file[p]), name))
			return;
	}
}

static void
tree_readdir(struct p9_req *r)
{
	const struct node *n = r->fid->aux;

	pthread_mutex_lock(&n->server->lock);
	if (n->kind == NODE_ROOT)
		list_root(r, n->server);
	else if (n->kind == NODE_DISK)
		list_disk(r, n->disk);
	else
		list_parts(r, n);
	pthread_mutex_unlock(&n->server->lock);
	p9_ok(r);
}

static void
tree_getattr(struct p9_req *r)
{
	const struct node *n = r->fid->aux;
	struct ipc_attr a = { .valid = P9_GETATTR_BASIC, .nlink = 1, .blksize = BLK_MAX_SECTOR };

	a.qid = node_qid(n->kind, n->disk, n->file);
	if (is_dir(n->kind))
		a.mode = S_IFDIR | 0555;
	else if (n->kind == NODE_GEOMETRY || n->kind == NODE_STATS)
		a.mode = S_IFREG | 0444;
	else if (is_data(n->kind) && n->disk->info.readonly)
		a.mode = S_IFREG | 0440;
	else if (n->kind == NODE_PACKET)
		a.mode = S_IFREG | 0600;
	else
		a.mode = S_IFREG | 0660;
	if (n->file) {
		a.size = n->file->nsectors << n->disk->shift;
		a.blocks = a.size >> 9;
	}
	p9_reply_attr(r, &a);
}

/* A file of this tree cannot be changed in its attributes; a size or time that is set, as open
 * with O_TRUNC does, is let pass. */
static void
tree_setattr(struct p9_req *r)
{
	const struct ipc_setattr *a = r->data;

	if (a->valid & 7) /* mode, uid, gid */
		p9_fail(r, EPERM, NULL);
	else
		p9_ok(r);
}

static void
tree_open(struct p9_req *r)
{
	struct node *n = r->fid->aux;
	struct ipc_qid qid = node_qid(n->kind, n->disk, n->file);
	bool write = (r->in.flags & O_ACCMODE) != O_RDONLY;
	bool readonly = n->disk && is_data(n->kind) && n->disk->info.readonly;

	if (n->disk && atomic_load(&n->disk->gone))
		p9_fail(r, ENODEV, "%s: disk is gone", n->disk->info.name);
	else if (n->disk && is_data(n->kind) && !n->file)
		p9_fail(r, ENOMEDIUM, "%s: no medium", n->disk->info.name);
	else if (write && is_dir(n->kind))
		p9_fail(r, EISDIR, NULL);
	else if (write && (n->kind == NODE_GEOMETRY || n->kind == NODE_STATS))
		p9_fail(r, EACCES, NULL);
	else if (write && readonly)
		p9_fail(r, EROFS, "%s: disk is read-only", n->disk->info.name);
	else if (n->disk && is_data(n->kind)) {
		n->opened = true;
		atomic_fetch_add(&n->file->opens, 1);
		p9_reply_open_direct(r, &qid, BLK_IO_MAX, blk_direct(n->disk));
	} else
		p9_reply_open(r, &qid, 0);
}

/* --- text files ------------------------------------------------------------------------------ */

static void
read_text(struct p9_req *r, const struct node *n)
{
	char *text = malloc(TEXT_MAX);
	size_t len = 0, at;

	if (!text) {
		p9_fail(r, ENOMEM, NULL);
		return;
	}
	if (n->kind == NODE_SDCTL)
		len = blk_text_sdctl(n->server, text, TEXT_MAX);
	else if (n->kind == NODE_CTL)
		len = blk_text_ctl(n->disk, text, TEXT_MAX);
	else if (n->kind == NODE_GEOMETRY)
		len = blk_text_geometry(n->disk, text, TEXT_MAX);
	else if (n->kind == NODE_STATS)
		len = blk_text_stats(n->disk, text, TEXT_MAX);
	at = r->in.offset < len ? (size_t)r->in.offset : len;
	p9_reply_data(r, text + at, len - at);
	free(text);
}

static void
write_text(struct p9_req *r, const struct node *n)
{
	char command[COMMAND_MAX], why[BLK_WHY_MAX] = "";
	uint32_t len = r->in.count;
	int err = 0;

	if (len >= sizeof command) {
		p9_fail(r, EINVAL, "command is too long");
		return;
	}
	memcpy(command, r->data, len);
	while (len && (command[len - 1] == '\n' || command[len - 1] == ' '))
		len--;
	command[len] = '\0';
	if (strlen(command) != len)
		err = -EINVAL;
	else if (n->kind == NODE_CTL)
		err = blk_ctl_command(n->disk, command, why);
	else if (n->kind != NODE_SDCTL)
		err = -EACCES;
	else
		err = blk_sdctl_command(n->server, command, why);
	if (err < 0)
		p9_fail(r, err, why[0] ? "%s" : NULL, why);
	else
		p9_reply_count(r, r->in.count);
}

/* --- data ------------------------------------------------------------------------------------ */

/* Before the answer, with which the fid may go. */
static void
over(struct p9_req *r)
{
	const struct node *n = r->fid->aux;

	blk_file_idle(n->disk, n->file);
}

/*
 * The file is busy until `over`.  False, and the request is answered, when it is no longer what was
 * opened.
 */
static bool
begin(struct p9_req *r, const struct node *n)
{
	if (blk_file_busy(n->disk, n->file))
		return true;
	if (atomic_load_explicit(&n->disk->gone, memory_order_relaxed))
		p9_fail(r, ENODEV, "%s: disk is gone", n->disk->info.name);
	else if (n->disk->info.removable)
		p9_fail(r, ENOMEDIUM, "%s: this medium is no longer in", n->disk->info.name);
	else
		p9_fail(r, ENXIO, "%s: partition %u is no longer in the table", n->disk->info.name,
			n->file->number);
	return false;
}

static void
fail_io(struct blk_req *q, int error)
{
	struct p9_req *r = q->aux;

	if (q->io.why[0])
		p9_fail(r, error, "%s: %s", q->disk->info.name, q->io.why);
	else
		p9_fail(r, error, NULL);
	blk_req_put(q);
}

static void
release_req(void *arg)
{
	blk_req_put(arg);
}

static void
finish_moved(struct blk_req *q)
{
	struct p9_req *r = q->aux;
	uint32_t count = q->count;

	blk_req_put(q);
	p9_reply_count(r, count);
}

static void
finish_read(struct blk_req *q, int error)
{
	over(q->aux);
	if (error)
		fail_io(q, error);
	else if (q->mem)
		p9_reply_held(q->aux, q->mem + q->head, q->count, release_req, q);
	else
		finish_moved(q);
}

static void
finish_write(struct blk_req *q, int error)
{
	over(q->aux);
	if (error)
		fail_io(q, error);
	else
		finish_moved(q);
}

static void
finish_flush(struct blk_req *q, int error)
{
	struct p9_req *r = q->aux;

	over(r);
	if (error)
		fail_io(q, error);
	else {
		blk_req_put(q);
		p9_ok(r);
	}
}

static void go_bytes(void *arg, struct blk_req *q);

static uint64_t
count_of(const struct p9_req *r, const struct node *n)
{
	uint64_t left = (n->file->nsectors << n->disk->shift) - r->in.offset;

	return left < r->in.count ? left : r->in.count;
}

static void
want_bytes(struct p9_req *r, const struct node *n, bool direct)
{
	uint64_t count = count_of(r, n);
	struct blk_want w = { .disk = n->disk,
			      .bytes = count > BLK_IO_MAX ? BLK_IO_MAX : (uint32_t)count,
			      .client = r->fid,
			      .held = r->in.type == IPC_TWRITE && !r->seg ? (uint32_t)count : 0,
			      .go = go_bytes,
			      .arg = r };

	if (direct && n->disk->info.direct &&
	    !((r->in.offset | count) & (n->disk->info.secsize - 1))) {
		w.seg = r->seg;
		w.nsegs = r->nsegs;
	}
	if (r->seg && !w.seg && r->in.type == IPC_TWRITE) {
		over(r);
		p9_fail(r, ENOMEM, "%s: a direct write cannot be done", n->disk->info.name);
	} else
		blk_req_want(&w);
}

static void
go_bytes(void *arg, struct blk_req *q)
{
	struct p9_req *r = arg;
	const struct node *n = r->fid->aux;
	bool write = r->in.type == IPC_TWRITE;
	uint64_t count = count_of(r, n);

	if (!q) { /* with data, then */
		want_bytes(r, n, false);
		return;
	}
	if (q->mem && count > q->size)
		count = q->size;
	q->kind = write ? BLK_WRITE : BLK_READ;
	q->finish = write ? finish_write : finish_read;
	q->aux = r;
	q->source = r->data;
	q->io.fua = r->fid->flags & O_DSYNC; /* which O_SYNC includes */
	blk_req_bytes(q, (n->file->start << n->disk->shift) + r->in.offset, (uint32_t)count);
}

/* True if there is nothing to do at that place; then it is answered. */
static bool
at_end(struct p9_req *r, const struct node *n, bool write)
{
	bool beyond = r->in.offset >= n->file->nsectors << n->disk->shift;

	if (r->in.count && !beyond)
		return false;
	over(r);
	if (!write)
		p9_reply_data(r, "", 0);
	else if (!r->in.count)
		p9_reply_count(r, 0);
	else
		p9_fail(r, ENOSPC, "%s: write beyond the end", n->disk->info.name);
	return true;
}

static void
command(struct p9_req *r, const struct node *n)
{
	struct blk_disk *d = n->disk;

	if (!blk_may_wait(r, d))
		return;
	if (n->kind == NODE_CTL)
		write_text(r, n);
	else
		blk_answer_serve(n->answer, d, r);
	blk_has_waited(d);
}

static void
tree_read(struct p9_req *r)
{
	const struct node *n = r->fid->aux;

	if (n->kind == NODE_PACKET)
		command(r, n);
	else if (!is_data(n->kind))
		read_text(r, n);
	else if (begin(r, n) && !at_end(r, n, false))
		want_bytes(r, n, r->seg);
}

static void
tree_write(struct p9_req *r)
{
	const struct node *n = r->fid->aux;

	if (n->kind == NODE_PACKET || n->kind == NODE_CTL)
		command(r, n);
	else if (!is_data(n->kind))
		write_text(r, n);
	else if (begin(r, n) && !at_end(r, n, true))
		want_bytes(r, n, r->seg);
}

static void
go_flush(void *arg, struct blk_req *q)
{
	q->kind = BLK_FLUSH;
	q->finish = finish_flush;
	q->aux = arg;
	blk_req_sectors(q, 0, 0);
}

static void
tree_fsync(struct p9_req *r)
{
	const struct node *n = r->fid->aux;

	if (!is_data(n->kind))
		p9_ok(r);
	else if (begin(r, n))
		blk_req_want(&(struct blk_want){
			.disk = n->disk, .client = r->fid, .go = go_flush, .arg = r });
}

const struct p9_srv_ops blk_p9_ops = {
	.direct = true,
	.attach = tree_attach,
	.walk = tree_walk,
	.clone = tree_clone,
	.destroy = tree_destroy,
	.open = tree_open,
	.read = tree_read,
	.write = tree_write,
	.readdir = tree_readdir,
	.fsync = tree_fsync,
	.getattr = tree_getattr,
	.setattr = tree_setattr,
};
