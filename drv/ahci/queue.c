/*
 * Commands in flight: from lib/blk into a slot, and back when its bit is gone.
 *
 * This is the fast path: per request one lock each way, a table that is there already, two
 * register writes to start (PxSACT, PxCI), and for all that an interrupt ends one read of PxIS, one
 * write, and one read of PxSACT.  Requests leave the queue in the order in which they came, so a
 * flush or a trim, which may not run beside queued commands [SATA 3.3, 13.6], is never overtaken.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ahci.h"

static bool
is_plain(const struct ahci_port *p, const struct blk_io *io)
{
	return !p->ncq || (io->kind != BLK_READ && io->kind != BLK_WRITE);
}

/* Builds the command in its slot; a trim's ranges go into the request's own buffer. */
static void
build(struct ahci_port *p, struct blk_io *io, unsigned slot)
{
	uint8_t *table = p->mem + AHCI_OFF_TABLES + slot * AHCI_TABLE_SIZE;
	struct dma_seg trim;
	const struct dma_seg *seg = io->seg;
	unsigned nsegs = io->nsegs;
	uint32_t flags = io->kind == BLK_WRITE ? AHCI_HEADER_WRITE : 0;
	struct ata_command c;
	int nprds;

	if (io->tag) {
		ata_cmd_simple((uint8_t)io->tag, &c);
	} else if (io->kind == BLK_FLUSH) {
		ata_cmd_flush(&p->id, &c);
	} else if (io->kind == BLK_DISCARD) {
		uint64_t lba = io->sector, n = io->nsectors;
		unsigned nblocks = ata_trim_fill(io->data, 1, &lba, &n);

		ata_cmd_trim(nblocks, &c);
		trim = (struct dma_seg){ seg->paddr, nblocks * 512ul };
		seg = &trim;
		flags = AHCI_HEADER_WRITE;
	} else {
		struct ata_rw rw = { .lba = io->sector,
				     .n = io->nsectors,
				     .tag = slot,
				     .write = io->kind == BLK_WRITE,
				     .queued = p->ncq };

		ata_cmd_rw(&p->id, &rw, &c); /* in range: ahci_submit has checked */
	}
	nprds = nsegs ? ahci_prdt(table + AHCI_TABLE_PRDT, AHCI_TABLE_PRDS, seg, nsegs) : 0;
	ata_fis_h2d(table + AHCI_TABLE_CFIS, &c);
	ahci_header(p->mem + AHCI_OFF_LIST + slot * AHCI_HEADER_SIZE, flags, (unsigned)nprds,
		    p->dma.paddr + AHCI_OFF_TABLES + slot * AHCI_TABLE_SIZE);
}

static unsigned
timeout_ms(const struct blk_io *io)
{
	return io->kind == BLK_FLUSH     ? AHCI_FLUSH_MS
	       : io->kind == BLK_DISCARD ? AHCI_TRIM_MS
					 : AHCI_RW_MS;
}

void
ahci_port_pump(struct ahci_port *p)
{
	uint64_t now = atomic_load_explicit(&p->hba->now_ms, memory_order_relaxed);
	uint32_t fresh = 0;

	if (p->state != AHCI_READY)
		return;
	while (p->head && !p->plain) {
		struct blk_io *io = p->head;
		bool plain = is_plain(p, io);
		uint32_t room = ~p->busy & p->slots;
		unsigned slot;

		if (!room || (p->busy && (plain || p->serial)))
			break;
		slot = (unsigned)__builtin_ctz(room);
		p->head = io->next;
		if (!p->head)
			p->tail = NULL;
		build(p, io, slot);
		io->deadline = now + timeout_ms(io);
		p->slot[slot] = io;
		p->busy |= 1u << slot;
		p->plain = plain;
		fresh |= 1u << slot;
	}
	if (!fresh)
		return;
	atomic_thread_fence(memory_order_release); /* the tables before the doorbell */
	if (!p->plain)
		port_write(p, PORT_SACT, fresh); /* before CI [5.3.2.3] */
	port_write(p, PORT_CI, fresh);
}

static void
trace(const struct ahci_port *p, const char *what, const struct blk_io *io)
{
	sip_log(p->hba->server, "port %u: %s %c %llu +%u", p->index, what, "rwfd"[io->kind],
		(unsigned long long)io -> sector, io -> nsectors);
}

void
ahci_io_done(struct blk_io *io, int err)
{
	if (!io->tag) {
		blk_done(io, err);
		return;
	}
	struct ahci_control *c = (struct ahci_control *)io;

	pthread_mutex_lock(&c->lock);
	c->err = err;
	c->done = true;
	pthread_cond_signal(&c->over);
	pthread_mutex_unlock(&c->lock);
}

void
ahci_send(struct ahci_port *p, struct blk_io *io)
{
	int err = 0;

	if (atomic_load_explicit(&p->trace, memory_order_relaxed))
		trace(p, "start", io);
	pthread_mutex_lock(&p->lock);
	if (p->state == AHCI_EMPTY)
		err = -ENODEV;
	else if (io->sector > p->id.nsectors || io->nsectors > p->id.nsectors - io->sector)
		err = -EINVAL;
	else {
		io->next = NULL;
		*(p->tail ? &p->tail->next : &p->head) = io;
		p->tail = io;
		ahci_port_pump(p);
	}
	pthread_mutex_unlock(&p->lock);
	if (err)
		ahci_io_done(io, err);
}

void
ahci_submit(void *drive, struct blk_io *io)
{
	struct ahci_port *p = drive;

	if (!sip_fault(p->hba->server, p, io))
		ahci_send(p, io);
}

/* A disk that says it has no cache that can be flushed has none to lose. */
static void
submit_flush(void *drive, struct blk_io *io)
{
	const struct ahci_port *p = drive;

	if (p->id.flush || p->id.flush_ext)
		ahci_submit(drive, io);
	else
		blk_done(io, 0);
}

static void
submit_discard(void *drive, struct blk_io *io)
{
	const struct ahci_port *p = drive;

	if (p->id.trim)
		ahci_submit(drive, io);
	else {
		snprintf(io->why, sizeof io->why, "discard: the disk has no TRIM");
		blk_done(io, -EOPNOTSUPP);
	}
}

const struct blk_ops ahci_blk_ops = {
	.read = ahci_submit,
	.write = ahci_submit,
	.flush = submit_flush,
	.discard = submit_discard,
	.command = ahci_command,
	.describe = ahci_describe,
	.statistics = ahci_statistics,
};

unsigned
ahci_port_reap(struct ahci_port *p)
{
	struct blk_io *done[AHCI_SLOTS];
	unsigned n = 0;
	uint32_t over;

	pthread_mutex_lock(&p->lock);
	if (p->state == AHCI_READY && p->busy) {
		/* A bit that was never set tells nothing, whatever the device makes of it. */
		over = p->busy & ~port_read(p, p->plain ? PORT_CI : PORT_SACT);
		p->busy &= ~over;
		for (; over; over &= over - 1) {
			unsigned slot = (unsigned)__builtin_ctz(over);

			done[n++] = p->slot[slot];
			p->slot[slot] = NULL;
		}
		if (!p->busy)
			p->plain = false;
		p->completions += n;
		p->serial -= p->serial < n ? p->serial : n;
		ahci_port_pump(p);
	}
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < n; i++) {
		if (atomic_load_explicit(&p->trace, memory_order_relaxed))
			trace(p, "end", done[i]);
		ahci_io_done(done[i], 0);
	}
	return n;
}

static void
note_error(struct ahci_port *p, uint32_t is)
{
	pthread_mutex_lock(&p->lock);
	if (is & IS_ERRORS && p->state == AHCI_READY) {
		p->seen_is = is;
		p->seen_tfd = port_read(p, PORT_TFD);
		p->seen_serr = port_read(p, PORT_SERR);
		p->state = AHCI_BROKEN;
		p->events |= AHCI_EVENT_ERROR;
		port_write(p, PORT_IE, 0);
	}
	if (is & IS_LINK) {
		/* PCS and PRCS stand until SERR's X and N are cleared [3.3.5]. */
		port_write(p, PORT_SERR, port_read(p, PORT_SERR));
		p->events |= AHCI_EVENT_LINK;
		p->link_changes++;
	}
	pthread_mutex_unlock(&p->lock);
	ahci_wake_keeper(p->hba);
}

void
ahci_port_interrupt(struct ahci_port *p)
{
	uint32_t is = port_read(p, PORT_IS);

	port_write(p, PORT_IS, is);
	if (is & (IS_ERRORS | IS_LINK))
		note_error(p, is);
	ahci_port_reap(p);
}

struct blk_io *
ahci_port_take_all(struct ahci_port *p)
{
	struct blk_io *all = p->head;

	/* Those in slots were before those in the queue. */
	for (unsigned i = AHCI_SLOTS; i-- > 0;)
		if (p->slot[i]) {
			p->slot[i]->next = all;
			all = p->slot[i];
			p->slot[i] = NULL;
		}
	p->head = p->tail = NULL;
	p->busy = 0;
	p->plain = false;
	return all;
}

uint64_t
ahci_port_deadline(const struct ahci_port *p)
{
	uint64_t first = UINT64_MAX;

	for (uint32_t b = p->busy; b; b &= b - 1) {
		const struct blk_io *io = p->slot[__builtin_ctz(b)];

		if (io->deadline < first)
			first = io->deadline;
	}
	return first;
}
