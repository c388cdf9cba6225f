/*
 * What a driver of disks can do wrong with a command, in builds for tests (lib/sip/fault.c): the
 * functions of DRIVE_FAULTS.  Each gets the disk and the blk_io.
 *
 * The addresses that are given to a device stay until the process ends, as nobody can tell when it
 * has done with them.  So there are WILD_LISTS of them, and one that is used again has the same
 * addresses as before, but for its length.
 */
#include <stdatomic.h>
#include "private.h"

#define WILD_HIGH (1ull << 45)  /* where no machine has memory */
#define WILD_LOW  0xfffff000ull /* the firmware's ROM: nothing is written there */

enum { WILD_LISTS = 8, LIST_SEGS = 260, PAGE = 4096 };

struct list {
	struct dma_seg seg[LIST_SEGS];
	unsigned n;
	uint64_t bytes;
};

void
drive_fault_start(void *disk, void *io)
{
	drive_send(disk, io);
}

/* Whatever a request before this one left in the buffer is its data. */
void
drive_fault_wrong(void *disk, void *io)
{
	((struct blk_io *)io)->drive = disk;
	drive_io_done(io, 0);
}

/* Pieces of `unit` bytes, all at the same address; false: they would be too many. */
static bool
fill(struct list *l, uint64_t paddr, uint64_t unit, uint64_t bytes)
{
	if (bytes > unit * LIST_SEGS)
		return false;
	l->bytes = bytes;
	for (l->n = 0; bytes; l->n++) {
		l->seg[l->n] = (struct dma_seg){ paddr, bytes < unit ? bytes : unit };
		bytes -= l->seg[l->n].bytes;
	}
	return true;
}

static bool
send_with(struct drive_disk *d, struct blk_io *io, const struct list *l)
{
	io->seg = l->seg;
	io->nsegs = l->n;
	drive_send(d, io);
	return true;
}

/*
 * Without an IOMMU any address of a page that is in use would write into somebody's memory, and
 * nothing could hold it.  So the address is one where there is none.  Only reads: a write would put
 * what comes from there on the disk.
 */
bool
drive_fault_wild_dma(void *disk, void *request)
{
	static struct list lists[WILD_LISTS];
	static _Atomic unsigned next;
	struct list *l = &lists[atomic_fetch_add(&next, 1) % WILD_LISTS];
	struct drive_disk *d = disk;
	struct blk_io *io = request;
	uint64_t reach = d->port->ctlr->dma_max, bytes = (uint64_t)io->nsectors * d->info.secsize;
	bool low = reach && reach <= WILD_HIGH;

	if (io->kind != BLK_READ || !bytes ||
	    !fill(l, low ? WILD_LOW : WILD_HIGH, low ? PAGE : bytes, bytes))
		return false;
	return send_with(d, io, l);
}

static void
keep(struct list *l, const struct blk_io *io)
{
	if (io->nsegs > LIST_SEGS)
		return;
	for (unsigned i = 0; i < io->nsegs; i++) {
		l->seg[i] = io->seg[i];
		l->bytes += io->seg[i].bytes;
	}
	l->n = io->nsegs;
}

/*
 * The first time the addresses of a read are kept that goes straight to its client's memory, and it
 * goes on as it should; later ones of the same length, of whomever, go there too.
 */
bool
drive_fault_stale_dma(void *disk, void *request)
{
	static struct list kept;
	struct drive_disk *d = disk;
	struct blk_io *io = request;

	if (io->kind != BLK_READ || io->data)
		return false;
	if (!kept.n) {
		keep(&kept, io);
		return false;
	}
	if (kept.bytes != (uint64_t)io->nsectors * d->info.secsize)
		return false;
	return send_with(d, io, &kept);
}
