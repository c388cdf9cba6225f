/*
 * /dev/dma: memory that devices read and write.
 *
 *	alloc		`size BYTES [align BYTES] [device B.D.F] [dma32]`; the next read gives
 *			`vaddr:0x... paddr:0x... handle:N`: zeroed, mapped in the caller
 *	N/ctl		size, addresses, owner; `free`
 *	N/data		the bytes
 *
 * A buffer is contiguous and belongs to the process that asked for it.  It has one reference while
 * it is allocated and one while it is mapped; its pages are free again when both are gone.  The
 * buffers of a process that ended while one of its functions could not be reset wait for that
 * function to be quiet: `quiet` of /dev/pci, or QUIET_NS.  With bus mastering off a real device is
 * quiet already, and it stays off until `quiet`; an emulated one may have requests under way.
 *
 * Clients' pages that a process's device moves data to or from for a request are in the same list,
 * without a name: they have one reference while the request is not over, and one while the process
 * has not answered it, and then, as above, until the device is quiet.
 *
 * dma_lock protects the list and the buffers' owners.
 */
#include "../amd64/vtd.h"
#include "../as.h"
#include "../cap.h"
#include "../hw.h"
#include "../proc.h"

enum { FILE_ROOT, FILE_ALLOC, FILE_DIR = 0, FILE_CTL = 1, FILE_DATA = 2 };
enum { SIZE_MAX_ORDER = PAGE_ORDER_MAX, RAM_SHARE = 4 };

#define QUIET_NS 30000000000ull
#define BUFFER_MAX (PAGE_SIZE << SIZE_MAX_ORDER)

struct buffer {
	struct list all;
	uint32_t refs;
	uint32_t handle;		/* 0: a client's pages have no name */
	struct proc *owner;		/* NULL: waits until `quiet_at`, or is not in the list */
	int32_t pid;
	paddr_t pa;			/* 0: a client's pages, at `seg` */
	size_t size;			/* whole pages */
	uint64_t vaddr, quiet_at;
	uint32_t device;		/* or DMA_ANY_DEVICE */
	struct phys_map map;
	unsigned access;		/* to a client's pages: the device's */
	int nsegs;
	struct dma_seg seg[];
};

struct dma_request {
	uint64_t size, align;
	uint32_t device;
	unsigned flags;
};

static struct mutex dma_lock = MUTEX_STATIC(dma_lock, "dma");
static struct list buffers = LIST_INIT(buffers);
static uint32_t last_handle;

void
dma_buffer_put(struct buffer *b)
{
	if (!ref_put(&b->refs))
		return;
	if (b->pa != 0)
		page_put_run(b->pa, b->size >> PAGE_SHIFT);
	else
		as_unpin(b->seg, b->nsegs, b->access);
	kfree(b);
}

static void
map_put(struct phys_map *pm)
{
	dma_buffer_put(pm->arg);
}

/* Its owner's devices do not reach it any more, if an IOMMU holds them. */
static void
out_of_reach(const struct buffer *b)
{
	struct dma_seg whole = { b->pa, b->size };

	if (b->owner != NULL)
		vtd_unmap(b->owner, b->pa != 0 ? &whole : b->seg, b->pa != 0 ? 1 : b->nsegs);
}

/* dma_lock is held. */
static void
buffer_release(struct buffer *b)
{
	list_remove(&b->all);
	out_of_reach(b);
	b->owner = NULL;
	dma_buffer_put(b);
}

/* Of p, or with NULL of nobody any more. */
static uint64_t
owned_bytes(const struct proc *p)
{
	uint64_t n = 0;

	list_for_each(e, &buffers) {
		struct buffer *b = list_entry(e, struct buffer, all);

		if (b->owner == p)
			n += b->size;
	}
	return n;
}

/* A process's share of memory, and that of all the buffers that wait. */
static uint64_t
share_bytes(void)
{
	return page_total() * PAGE_SIZE / RAM_SHARE;
}

/*
 * dma_lock is held: releases the buffers of the function, those that have waited enough, and the
 * oldest when too many wait.
 */
static void
release_quiet(uint32_t device)
{
	uint64_t now = list_empty(&buffers) ? 0 : time_now(), waiting = owned_bytes(NULL);

	list_for_each_safe(p, next, &buffers) {
		struct buffer *b = list_entry(p, struct buffer, all);

		if (b->owner != NULL || (b->quiet_at > now && b->device != device &&
					 waiting <= share_bytes()))
			continue;
		waiting -= b->size;
		buffer_release(b);
	}
}

void
dma_quiet(unsigned bdf)
{
	mutex_lock(&dma_lock);
	release_quiet(bdf);
	mutex_unlock(&dma_lock);
}

void
dma_proc_exit(struct proc *p, bool quiet, unsigned bdf)
{
	if (list_empty(&buffers))
		return;
	mutex_lock(&dma_lock);
	release_quiet(DMA_ANY_DEVICE - 1);
	list_for_each_safe(e, next, &buffers) {
		struct buffer *b = list_entry(e, struct buffer, all);

		if (b->owner != p)
			continue;
		if (quiet) {
			buffer_release(b);
			continue;
		}
		b->owner = NULL;
		b->quiet_at = time_now() + QUIET_NS;
		b->device = bdf;
	}
	mutex_unlock(&dma_lock);
}

struct buffer *
dma_pin(struct as *as, uint64_t addr, size_t n, unsigned access)
{
	struct proc *p = proc_current();
	size_t size = ROUND_UP((addr & PAGE_MASK) + n, PAGE_SIZE);
	struct buffer *b = NULL;
	bool ok;

	if (cap_has(p->caps, CAP_DMA) && pcidev_owned(p, NULL) != NULL)
		b = kmalloc(sizeof *b + (size >> PAGE_SHIFT) * sizeof b->seg[0]);
	if (b == NULL)
		return NULL;
	*b = (struct buffer){ .refs = 2, .owner = p, .size = size, .device = DMA_ANY_DEVICE,
			      .access = access };
	mutex_lock(&dma_lock);
	ok = owned_bytes(p) + size <= share_bytes();
	list_append(&buffers, &b->all);
	mutex_unlock(&dma_lock);
	if (ok)
		b->nsegs = as_pin(as, addr, n, access, b->seg);
	if (b->nsegs > 0 && vtd_map(p, b->seg, b->nsegs, access) == 0)
		return b;
	as_unpin(b->seg, b->nsegs, access);
	b->nsegs = 0;
	dma_unpin(b);
	return NULL;
}

const struct dma_seg *
dma_pinned(const struct buffer *b, size_t *bytes)
{
	*bytes = (size_t)b->nsegs * sizeof b->seg[0];
	return b->seg;
}

void
dma_unpin(struct buffer *b)
{
	mutex_lock(&dma_lock);
	if (b->owner != NULL)
		buffer_release(b);
	mutex_unlock(&dma_lock);
	dma_buffer_put(b);
}

static bool
in_reach(const struct buffer *b)
{
	struct dma_seg whole = { b->pa, b->size };

	return vtd_map(proc_current(), &whole, 1, SYS_PROT_READ | SYS_PROT_WRITE) == 0;
}

static struct buffer *
buffer_new(const struct dma_request *q)
{
	struct buffer *b = kzalloc(sizeof *b);

	if (b == NULL)
		return NULL;
	b->size = ROUND_UP(q->size, PAGE_SIZE);
	b->pa = page_alloc_run(b->size >> PAGE_SHIFT, q->align >> PAGE_SHIFT, q->flags);
	if (b->pa == 0 || !in_reach(b)) {
		if (b->pa != 0)
			page_put_run(b->pa, b->size >> PAGE_SHIFT);
		kfree(b);
		return NULL;
	}
	list_init(&b->all);
	b->refs = 2;			/* the allocation's and the mapping's */
	b->owner = proc_current();
	b->pid = b->owner->pid;
	b->device = q->device;
	b->map = (struct phys_map){ .pa = b->pa, .length = b->size, .cache = MAP_CACHED, .refs = 1,
				    .put = map_put, .arg = b };
	return b;
}

static int
buffer_alloc(const struct dma_request *q, struct answer *a)
{
	struct buffer *b;
	int r;

	mutex_lock(&dma_lock);
	release_quiet(DMA_ANY_DEVICE - 1);
	if (owned_bytes(proc_current()) + q->size > share_bytes()) {
		mutex_unlock(&dma_lock);
		return error(ENOMEM, "dma: this process has its share of memory");
	}
	mutex_unlock(&dma_lock);
	b = buffer_new(q);
	if (b == NULL)
		return error(ENOMEM, "dma: no %lu bytes in a row are free", q->size);
	r = as_map_phys(as_current(), &b->vaddr, &b->map, SYS_PROT_READ | SYS_PROT_WRITE);
	if (r < 0) {
		out_of_reach(b);
		dma_buffer_put(b);
		return r;
	}
	mutex_lock(&dma_lock);
	b->handle = ++last_handle;
	list_append(&buffers, &b->all);
	a->length = (size_t)ksnprintf(a->text, sizeof a->text,
				      "vaddr:0x%lx paddr:0x%lx handle:%u\n", b->vaddr, b->pa,
				      b->handle);
	a->done = 0;
	mutex_unlock(&dma_lock);
	return 0;
}

static int
request_option(struct dma_request *q, const char *name, const char *value)
{
	unsigned bdf;
	int r;

	if (strcmp(name, "size") == 0 && text_size(value, BUFFER_MAX, &q->size) == 0 &&
	    q->size != 0)
		return 0;
	if (strcmp(name, "align") == 0 && text_size(value, BUFFER_MAX, &q->align) == 0 &&
	    (q->align & (q->align - 1)) == 0)
		return 0;
	if (strcmp(name, "device") == 0 && cap_parse_pci(value, &bdf) == 0) {
		r = cap_check_pci(bdf);
		q->device = bdf;
		return r;
	}
	return error(EINVAL, "dma: %s %s is not possible; size is at most %lu", name, value,
		     BUFFER_MAX);
}

static int
request_parse(struct dma_request *q, char *text)
{
	char *w[8];
	int n = text_words(text, w, 8), r;

	*q = (struct dma_request){ .device = DMA_ANY_DEVICE, .flags = PAGE_ZERO };
	for (int i = 0; i < n; i++) {
		if (strcmp(w[i], "dma32") == 0) {
			q->flags |= PAGE_DMA32;
			continue;
		}
		if (i + 1 == n)
			return error(EINVAL, "dma: %s needs a value", w[i]);
		if ((r = request_option(q, w[i], w[i + 1])) < 0)
			return r;
		i++;
	}
	if (q->size == 0)
		return error(EINVAL, "dma: write `size N [align N] [device B.D.F] [dma32]`");
	return 0;
}

/* --- the files --- */

static uint64_t
file_path(uint32_t handle, unsigned file)
{
	return 4ull * handle + file;
}

/* dma_lock is held: the buffer of a path, if the caller owns it. */
static struct buffer *
buffer_of(uint64_t path)
{
	list_for_each(p, &buffers) {
		struct buffer *b = list_entry(p, struct buffer, all);

		if (b->handle == path / 4 && b->owner == proc_current())
			return b;
	}
	return NULL;
}

static int
no_buffer(uint64_t path)
{
	return error(ENOENT, "dma: this process has no buffer %lu", path / 4);
}

static int
dma_gen(struct chan *c, int i, struct dirtab *e, char buf[SYS_NAME_MAX + 1])
{
	struct buffer *b = NULL;

	if (c->qid.path >= 4) {
		uint32_t handle = (uint32_t)(c->qid.path / 4);

		if (i == 0)
			*e = (struct dirtab){ "ctl", file_path(handle, FILE_CTL), HW_RW, 0 };
		else if (i == 1)
			*e = (struct dirtab){ "data", file_path(handle, FILE_DATA), HW_RW, 0 };
		return i < 2 ? 1 : -1;
	}
	if (i == 0) {
		*e = (struct dirtab){ "alloc", FILE_ALLOC, HW_RW, 0 };
		return 1;
	}
	mutex_lock(&dma_lock);
	list_for_each(p, &buffers) {
		struct buffer *at = list_entry(p, struct buffer, all);

		if (at->handle != 0 && --i == 0)
			b = at;
	}
	if (b != NULL) {
		ksnprintf(buf, SYS_NAME_MAX + 1, "%u", b->handle);
		*e = (struct dirtab){ buf, file_path(b->handle, FILE_DIR), HW_DIR, 0 };
	}
	mutex_unlock(&dma_lock);
	return b != NULL ? 1 : -1;
}

static int
dma_open(struct chan **cp, uint32_t)
{
	struct chan *c = *cp;
	bool ok;
	int r;

	if (c->qid.type & QT_DIR)
		return 0;
	if ((r = cap_check(CAP_DMA)) < 0)
		return r;
	if (c->qid.path == FILE_ALLOC) {
		c->aux = kzalloc(sizeof(struct answer));
		return c->aux != NULL ? 0 : -ENOMEM;
	}
	mutex_lock(&dma_lock);
	ok = buffer_of(c->qid.path) != NULL;
	mutex_unlock(&dma_lock);
	return ok ? 0 : no_buffer(c->qid.path);
}

static int64_t
ctl_text(const struct buffer *b, char *text, size_t n)
{
	int at = ksnprintf(text, n, "size %zu\nvaddr 0x%lx\npaddr 0x%lx\nowner %d\n", b->size,
			   b->vaddr, b->pa, b->pid);

	if (b->device != DMA_ANY_DEVICE)
		at += ksnprintf(text + at, n - (size_t)at, "device %u.%u.%u\n", b->device >> 8,
				b->device >> 3 & 31, b->device & 7);
	return at;
}

static int64_t
data_move(struct buffer *b, struct uio *u, uint64_t off, bool out)
{
	size_t n;
	char *p;
	int r;

	if (off >= b->size)
		return out ? 0 : error(EINVAL, "dma: the buffer has %zu bytes", b->size);
	n = MIN(u->left, b->size - off);
	p = (char *)phys_to_virt(b->pa) + off;
	r = out ? uio_put(u, p, n) : uio_get(u, p, n);
	return r < 0 ? r : (int64_t)n;
}

static int64_t
dma_read(struct chan *c, struct uio *u, uint64_t off)
{
	char text[160];
	struct buffer *b;
	int64_t r;

	if (c->qid.path == FILE_ALLOC) {
		mutex_lock(&dma_lock);
		r = answer_read(c->aux, u);
		mutex_unlock(&dma_lock);
		return r;
	}
	mutex_lock(&dma_lock);
	b = buffer_of(c->qid.path);
	if (b != NULL)
		ref_get(&b->refs);
	mutex_unlock(&dma_lock);
	if (b == NULL)
		return no_buffer(c->qid.path);
	if (c->qid.path % 4 == FILE_DATA)
		r = data_move(b, u, off, true);
	else
		r = uio_put_text(u, off, text, (size_t)ctl_text(b, text, sizeof text));
	dma_buffer_put(b);
	return r;
}

static int64_t
alloc_write(struct chan *c, struct uio *u)
{
	struct answer *a = kzalloc(sizeof *a);
	char text[128];
	struct dma_request q;
	int64_t n = a == NULL ? -ENOMEM : uio_get_command(u, text, sizeof text);
	int r;

	if (n >= 0) {
		r = request_parse(&q, text);
		if (r == 0)
			r = buffer_alloc(&q, a);
		if (r < 0)
			n = r;
	}
	if (n >= 0) {
		mutex_lock(&dma_lock);
		*(struct answer *)c->aux = *a;
		mutex_unlock(&dma_lock);
	}
	kfree(a);
	return n;
}

static int64_t
dma_write(struct chan *c, struct uio *u, uint64_t off)
{
	char text[16];
	struct buffer *b;
	int64_t r = 0;
	int err = cap_check(CAP_DMA);

	if (err < 0)
		return err;
	if (c->qid.path == FILE_ALLOC)
		return alloc_write(c, u);
	if (c->qid.path % 4 == FILE_CTL) {
		if ((r = uio_get_command(u, text, sizeof text)) < 0)
			return r;
		if (strcmp(text, "free") != 0)
			return error(EINVAL, "dma: write `free`");
	}
	mutex_lock(&dma_lock);
	b = buffer_of(c->qid.path);
	if (b != NULL && c->qid.path % 4 == FILE_CTL) {
		list_remove(&b->all);		/* the list's reference is ours now */
		out_of_reach(b);
	} else if (b != NULL)
		ref_get(&b->refs);
	mutex_unlock(&dma_lock);
	if (b == NULL)
		return no_buffer(c->qid.path);
	if (c->qid.path % 4 == FILE_CTL)
		as_unmap(as_current(), b->vaddr, b->size);
	else
		r = data_move(b, u, off, false);
	dma_buffer_put(b);
	return r;
}

const struct dev dev_dma = {
	.name = "dma", .attach = devtab_attach, .walk = devtab_walk, .open = dma_open,
	.close = answer_close, .read = dma_read, .write = dma_write, .readdir = devtab_readdir,
	.gen = dma_gen, .stat = devtab_plain_stat,
};
