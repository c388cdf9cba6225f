/*
 * Commands in a port's slots: the fast path.
 *
 * Per request two register writes to start (PxSACT, PxCI), and for all that an interrupt ends one
 * read of PxIS, one write, and one read of PxSACT.
 */
#include <errno.h>
#include <string.h>
#include "ahci.h"
#include "drive_trim.h"

/* Not queued: its end is told by PxCI, not by PxSACT. */
static bool
is_plain(const struct ahci_port *p)
{
	return !p->ncq || p->queue.alone;
}

/* The header's flags, or an error. */
static int
build_data(struct ahci_port *p, const struct blk_io *io, unsigned slot, struct ata_command *c)
{
	bool write = io->kind == BLK_WRITE;
	struct ata_rw rw = { .lba = io->sector,
			     .n = io->nsectors,
			     .tag = slot,
			     .write = write,
			     .queued = p->ncq,
			     .fua = write && io->fua &&
				    ((const struct drive_disk *)io->drive)->fua };
	int err = ata_cmd_rw(&p->id, &rw, c);

	return err < 0 ? err : write ? AHCI_HEADER_WRITE : 0;
}

/* What is not a read or a write; the header's flags, or an error. */
static int
build_other(struct ahci_port *p, const struct blk_io *io, struct ata_command *c,
	    struct dma_seg *trim)
{
	const struct drive_command *own = (const struct drive_command *)io;
	int bytes;

	if (io->kind == BLK_FLUSH) {
		ata_cmd_flush(&p->id, c);
		return 0;
	}
	if (io->kind == BLK_DISCARD) {
		bytes = drive_trim(io, c);
		if (bytes < 0)
			return bytes;
		*trim = (struct dma_seg){ io->seg->paddr, (size_t)bytes };
		return AHCI_HEADER_WRITE;
	}
	memcpy(c, own->block, sizeof *c);
	return (own->write ? AHCI_HEADER_WRITE : 0) | (p->id.packet ? AHCI_HEADER_ATAPI : 0);
}

/* All commands of an ATAPI device are such: include/drive.h. */
static const struct ata_packet *
packet_of(const struct blk_io *io)
{
	return (const void *)((const struct drive_command *)io)->block;
}

int
ahci_build(struct drive_queue *q, struct blk_io *io, unsigned slot)
{
	struct ahci_port *p = (struct ahci_port *)q->port;
	uint8_t *table = (uint8_t *)p->tables.vaddr + slot * AHCI_TABLE_SIZE;
	const struct dma_seg *seg = io->seg;
	struct ata_command c;
	struct dma_seg trim;
	int nprds = 0, flags;

	if (io->kind == BLK_READ || io->kind == BLK_WRITE)
		flags = build_data(p, io, slot, &c);
	else
		flags = build_other(p, io, &c, &trim);
	if (flags < 0)
		return flags;
	if (io->kind == BLK_DISCARD)
		seg = &trim;
	if (io->nsegs)
		nprds = ahci_prdt(table + AHCI_TABLE_PRDT, AHCI_SEGS, seg, io->nsegs);
	if (nprds < 0)
		return nprds;
	ata_fis_h2d(table + AHCI_TABLE_CFIS, &c);
	if (flags & AHCI_HEADER_ATAPI)
		memcpy(table + AHCI_TABLE_ACMD, packet_of(io)->cdb, ATA_CDB_SIZE);
	ahci_header(p->mem + AHCI_OFF_LIST + slot * AHCI_HEADER_SIZE, (uint32_t)flags,
		    (unsigned)nprds, p->tables.paddr + slot * AHCI_TABLE_SIZE);
	p->fresh |= 1u << slot;
	return 0;
}

void
ahci_ring(struct drive_queue *q)
{
	struct ahci_port *p = (struct ahci_port *)q->port;

	atomic_thread_fence(memory_order_release); /* the tables before the doorbell */
	if (!is_plain(p))
		port_write(p, PORT_SACT, p->fresh); /* before CI [5.3.2.3] */
	port_write(p, PORT_CI, p->fresh);
	p->fresh = 0;
}

void
ahci_packet_end(const struct ahci_port *p, struct blk_io *io, uint32_t tfd)
{
	const uint8_t *header = p->mem + AHCI_OFF_LIST + io->tag * AHCI_HEADER_SIZE;
	struct ata_packet_end end = { .status = (uint8_t)TFD_STATUS_get(tfd),
				      .error = (uint8_t)TFD_ERROR_get(tfd),
				      .moved = ahci_header_moved(header) };

	memcpy(((struct drive_command *)io)->result, &end, sizeof end);
}

/* A command of our own may be answered in the registers that the last FIS has brought. */
static void
take_result(const struct ahci_port *p, struct blk_io *io)
{
	if (!io || io->kind != DRIVE_OWN)
		return;
	if (p->id.packet)
		ahci_packet_end(p, io, port_read(p, PORT_TFD));
	else
		memcpy(((struct drive_command *)io)->result, p->mem + AHCI_OFF_FIS + AHCI_RFIS_D2H,
		       ATA_FIS_D2H_SIZE);
}

/*
 * Where a function was whose memory decoding has been turned off, an emulator reads zeros and not
 * ones: as if every command had ended.
 */
static bool
answers(const struct ahci_port *p)
{
	return CMD_ST_get(port_read(p, PORT_CMD));
}

void
ahci_reap(struct drive_queue *q)
{
	struct ahci_port *p = (struct ahci_port *)q->port;
	uint32_t over, left;

	/* Neither a plain command that failed nor one after a reset is over as its bit is gone. */
	if (!q->nbusy || p->fallen || (!q->open && is_plain(p)))
		return;
	left = port_read(p, is_plain(p) ? PORT_CI : PORT_SACT);
	if (!left && !answers(p))
		return;
	/* A bit that was never set tells nothing, whatever the device makes of it. */
	over = (uint32_t)q->busy[0] & ~left;
	/* The bit of a plain command may go though it failed: then that interrupts. */
	if (over && is_plain(p) &&
	    port_read(p, PORT_TFD) & (ATA_STATUS_ERR | ATA_STATUS_DF | ATA_STATUS_BSY))
		return;
	if (over && q->alone)
		take_result(p, drive_tag(q, (unsigned)__builtin_ctz(over)));
	for (; over; over &= over - 1)
		drive_end(q, (unsigned)__builtin_ctz(over));
}

static void
note_error(struct ahci_port *p, uint32_t is)
{
	pthread_mutex_lock(&p->seen_lock);
	if (!p->seen_is) {
		p->seen_is = is;
		p->seen_tfd = port_read(p, PORT_TFD);
		p->seen_serr = port_read(p, PORT_SERR);
	}
	port_write(p, PORT_IE, 0);
	pthread_mutex_unlock(&p->seen_lock);
	drive_break(&p->port);
}

static void
take_events(struct ahci_port *p)
{
	uint32_t is = port_read(p, PORT_IS);

	port_write(p, PORT_IS, is);
	if (is & IS_ERRORS)
		note_error(p, is);
	if (is & IS_LINK) {
		/* PCS and PRCS stand until SERR's X and N are cleared [3.3.5]; the link is looked
		 * at after that. */
		port_write(p, PORT_SERR, port_read(p, PORT_SERR));
		drive_change(&p->port);
	}
}

void
ahci_port_interrupt(struct ahci_port *p)
{
	take_events(p);
	drive_reap(&p->queue);
}

/* While its bit in IS stands a controller may send no message [AHCI 1.3.1, 10.7.2.1]. */
void
ahci_look(struct drive_port *dp)
{
	struct ahci_port *p = (struct ahci_port *)dp;

	take_events(p);
	sip_write32(&p->hba->bar, HBA_IS, 1u << p->index);
}
