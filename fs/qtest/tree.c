/*
 * The tree that is served, for one process each attach:
 *
 *	mem  io  irq/{ctl,N}  dma/{alloc,N/{ctl,data}}  pci/{ctl,B.D.Fctl,B.D.Fraw}
 *	qtest/{ctl,refused}	of this server itself
 *
 * A process sees its own buffers, and every interrupt and function; what it may do with them is
 * decided when it does it.
 */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct place {			/* a fixed name */
	enum node_kind dir, kind;
	const char *name;
};

static const struct place places[] = {
	{ N_ROOT, N_MEM, "mem" }, { N_ROOT, N_IO, "io" }, { N_ROOT, N_IRQ, "irq" },
	{ N_ROOT, N_DMA, "dma" }, { N_ROOT, N_PCI, "pci" }, { N_ROOT, N_QTEST, "qtest" },
	{ N_IRQ, N_IRQ_CTL, "ctl" }, { N_DMA, N_DMA_ALLOC, "alloc" },
	{ N_DMA_BUFFER, N_DMA_CTL, "ctl" }, { N_DMA_BUFFER, N_DMA_DATA, "data" },
	{ N_PCI, N_PCI_CTL, "ctl" },
	{ N_QTEST, N_QTEST_CTL, "ctl" }, { N_QTEST, N_QTEST_REFUSED, "refused" },
};

#define NPLACES (sizeof places / sizeof *places)

static struct machine *
machine_of(const struct p9_srv *srv)
{
	return ((struct sip_server *)srv->aux)->priv;
}

bool
node_is_dir(enum node_kind k)
{
	return k == N_ROOT || k == N_IRQ || k == N_DMA || k == N_DMA_BUFFER || k == N_PCI ||
		k == N_QTEST;
}

bool
node_is_text(enum node_kind k)
{
	return !node_is_dir(k) && k != N_MEM && k != N_IO && k != N_IRQ_LINE && k != N_DMA_DATA &&
		k != N_FUNC_RAW;
}

static struct ipc_qid
qid_of(enum node_kind kind, unsigned number)
{
	return (struct ipc_qid){ .path = (uint64_t)kind << 32 | number,
		.type = node_is_dir(kind) ? P9_QTDIR : P9_QTFILE };
}

static struct node *
node_new(struct machine *m, enum node_kind kind, unsigned number, struct process *p)
{
	struct node *n = calloc(1, sizeof *n);

	if (!n)
		return NULL;
	*n = (struct node){ .kind = kind, .number = number, .process = p };
	process_ref(m, p);
	return n;
}

static void
become(struct p9_req *r, struct p9_fid *fid, enum node_kind kind, unsigned number,
	struct process *p)
{
	struct ipc_qid qid = qid_of(kind, number);

	fid->aux = node_new(machine_of(r->srv), kind, number, p);
	if (fid->aux)
		p9_reply_qid(r, &qid);
	else
		p9_fail(r, ENOMEM, NULL);
}

static void
attach(struct p9_req *r)
{
	struct machine *m = machine_of(r->srv);
	struct process *p = process_new(m, r->name);

	if (!p) {
		p9_fail(r, ENOENT, "there is no function %.20s", r->name);
		return;
	}
	become(r, r->fid, N_ROOT, 0, p);
	process_put(m, p);
}

/* --- names ---------------------------------------------------------------------------------- */

static bool
number_of(const char *name, unsigned *out)
{
	char after;

	return name[0] >= '0' && name[0] <= '9' && sscanf(name, "%u%c", out, &after) == 1;
}

static bool
func_file(struct machine *m, const char *name, enum node_kind *kind, unsigned *number)
{
	unsigned b, d, fn;
	char what[4], after;

	if (sscanf(name, "%u.%u.%u%3[a-z]%c", &b, &d, &fn, what, &after) != 4 || b > 255 ||
	    d > 31 || fn > 7)
		return false;
	*number = b << 8 | d << 3 | fn;
	*kind = strcmp(what, "raw") == 0 ? N_FUNC_RAW : N_FUNC_CTL;
	return (*kind == N_FUNC_RAW || strcmp(what, "ctl") == 0) && func_find(m, *number);
}

/* With m->lock held. */
static bool
find(struct machine *m, const struct node *dir, const char *name, enum node_kind *kind,
	unsigned *number)
{
	*number = dir->kind == N_DMA_BUFFER ? dir->number : 0;
	for (size_t i = 0; i < NPLACES; i++)
		if (places[i].dir == dir->kind && strcmp(places[i].name, name) == 0) {
			*kind = places[i].kind;
			return true;
		}
	switch (dir->kind) {
	case N_IRQ:
		*kind = N_IRQ_LINE;
		return number_of(name, number) && irq_mine(m, dir->process, *number);
	case N_DMA:
		*kind = N_DMA_BUFFER;
		return number_of(name, number) && dma_find(m, dir->process, *number);
	case N_PCI:
		return func_file(m, name, kind, number);
	default:
		return false;
	}
}

static enum node_kind
parent(enum node_kind kind)
{
	if (kind == N_DMA_BUFFER)
		return N_DMA;
	for (size_t i = 0; i < NPLACES; i++)
		if (places[i].kind == kind)
			return places[i].dir;
	return kind == N_IRQ_LINE ? N_IRQ : kind == N_ROOT ? N_ROOT : N_PCI;
}

static void
walk(struct p9_req *r)
{
	struct machine *m = machine_of(r->srv);
	struct node *n = r->fid->aux;
	enum node_kind kind;
	unsigned number;
	bool is;

	if (strcmp(r->name, "..") == 0) {
		become(r, r->newfid, parent(n->kind), n->number, n->process);
		return;
	}
	pthread_mutex_lock(&m->lock);
	is = find(m, n, r->name, &kind, &number);
	pthread_mutex_unlock(&m->lock);
	if (is)
		become(r, r->newfid, kind, number, n->process);
	else
		p9_fail(r, node_is_dir(n->kind) ? ENOENT : ENOTDIR, NULL);
}

static int
clone_node(const struct p9_fid *from, struct p9_fid *to)
{
	const struct node *n = from->aux;

	to->aux = node_new(machine_of(from->srv), n->kind, n->number, n->process);
	return to->aux ? 0 : -ENOMEM;
}

static void
destroy(struct p9_fid *fid)
{
	struct node *n = fid->aux;

	if (!n)
		return;
	process_put(machine_of(fid->srv), n->process);
	free(n->text);
	free(n);
}

/* --- listing -------------------------------------------------------------------------------- */

/* The entry after `from` that is not a fixed name: its number + 1, or 0. */
static unsigned
next_entry(struct machine *m, const struct node *dir, unsigned from, char name[32],
	struct ipc_qid *qid)
{
	unsigned i = from;
	int number;

	if (dir->kind == N_IRQ && (number = irq_next(m, (int)from)) >= 0) {
		snprintf(name, 32, "%d", number);
		*qid = qid_of(N_IRQ_LINE, (unsigned)number);
		return (unsigned)number + 1;
	}
	if (dir->kind == N_PCI && i / 2 < m->nfuncs) {
		unsigned bdf = m->func[i / 2].bdf;

		snprintf(name, 32, "%u.%u.%u%s", bdf >> 8, bdf >> 3 & 31, bdf & 7,
			i % 2 ? "raw" : "ctl");
		*qid = qid_of(i % 2 ? N_FUNC_RAW : N_FUNC_CTL, bdf);
		return i + 1;
	}
	for (; dir->kind == N_DMA && i < BUFFERS_MAX; i++)
		if (m->buffer[i].size && m->buffer[i].owner == dir->process) {
			snprintf(name, 32, "%u", i);
			*qid = qid_of(N_DMA_BUFFER, i);
			return i + 1;
		}
	return 0;
}

/* Offsets: 1 and up the fixed names, from NPLACES + 1 the others. */
static void
list(struct machine *m, struct p9_req *r, const struct node *dir)
{
	uint64_t off = r->in.offset;
	struct ipc_qid qid;
	char name[32];
	unsigned at;

	for (; off < NPLACES; off++) {
		const struct place *p = &places[off];

		qid = qid_of(p->kind, dir->number);
		if (p->dir == dir->kind && !p9_dirent(r, &qid, off + 1, node_is_dir(p->kind) ?
		    DT_DIR : DT_REG, p->name))
			return;
	}
	at = (unsigned)(off - NPLACES);
	while ((at = next_entry(m, dir, at, name, &qid)) != 0)
		if (!p9_dirent(r, &qid, NPLACES + at, qid.type & P9_QTDIR ? DT_DIR : DT_REG,
		    name))
			return;
}

static void
readdir_node(struct p9_req *r)
{
	struct machine *m = machine_of(r->srv);
	struct node *n = r->fid->aux;

	if (!node_is_dir(n->kind) || r->in.offset > NPLACES + UINT16_MAX) {
		p9_fail(r, ENOTDIR, NULL);
		return;
	}
	pthread_mutex_lock(&m->lock);
	list(m, r, n);
	pthread_mutex_unlock(&m->lock);
	p9_ok(r);
}

static void
open_node(struct p9_req *r)
{
	struct node *n = r->fid->aux;
	struct ipc_qid qid = qid_of(n->kind, n->number);

	if (node_is_dir(n->kind) && (r->in.flags & O_ACCMODE) != O_RDONLY)
		p9_fail(r, EISDIR, NULL);
	else
		p9_reply_open(r, &qid, 0);
}

static void
getattr(struct p9_req *r)
{
	struct machine *m = machine_of(r->srv);
	struct node *n = r->fid->aux;
	bool dir = node_is_dir(n->kind);
	struct ipc_attr a = {
		.valid = P9_GETATTR_BASIC, .qid = qid_of(n->kind, n->number), .nlink = dir ? 2 : 1,
		.mode = dir ? S_IFDIR | 0555 : S_IFREG | 0666, .blksize = PAGE,
	};

	pthread_mutex_lock(&m->lock);
	a.size = file_size(m, n);
	pthread_mutex_unlock(&m->lock);
	p9_reply_attr(r, &a);
}

/* A shell's > truncates first: nothing to do. */
static void
setattr(struct p9_req *r)
{
	p9_ok(r);
}

static void
flush(struct p9_req *old)
{
	irq_flush(machine_of(old->srv), old);
}

const struct p9_srv_ops machine_ops = {
	.attach = attach, .walk = walk, .clone = clone_node, .destroy = destroy, .open = open_node,
	.read = file_read, .write = file_write, .readdir = readdir_node, .getattr = getattr,
	.setattr = setattr, .xattr_get = file_pages, .flush = flush,
};
