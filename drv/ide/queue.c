/*
 * The command of a channel: one at a time, for either of its drives.
 *
 *	protocol	ring					at each interrupt
 *	NODATA		task file				the end
 *	PIO_IN		task file				a block; with the last one the end
 *	PIO_OUT		task file, DRQ, the first block		the next block, or the end
 *	DMA		PRD table, task file, start		stop the bus master; the end
 *	PACKET		task file, DRQ, the packet; by DMA:	by PIO: a block of as many bytes as
 *			start					the device says; else the end
 *
 * An interrupt is only a hint to look: what the registers say decides, so one too many or too few
 * does no harm.  Everything here runs under the queue's lock.
 */
#include <errno.h>
#include <string.h>
#include "drive_trim.h"
#include "ide.h"

enum { SECTOR_BLOCKS = 1 };

static struct ide_channel *
of(struct drive_queue *q)
{
	return (struct ide_channel *)q->port;
}

/* --- building -------------------------------------------------------------------------------- */

/* 8 bytes an entry: address, length (0 is 64 KiB), the last's mark [BM IDE 1.0, 1.2]. */
static int
build_prds(struct ide_channel *c, const struct blk_io *io, uint32_t bytes)
{
	uint8_t *out = c->prds.vaddr;
	unsigned n = 0;

	for (unsigned i = 0; i < io->nsegs && bytes; i++) {
		uint64_t paddr = io->seg[i].paddr, left = io->seg[i].bytes;

		if (left > bytes)
			left = bytes;
		bytes -= (uint32_t)left;
		while (left) {
			uint64_t room = IDE_PRD_BOUNDARY - paddr % IDE_PRD_BOUNDARY;
			uint32_t part = (uint32_t)(left < room ? left : room), entry[2];

			if (n == IDE_PRDS || paddr + part > 1ull << 32 || (paddr | part) & 1)
				return -EINVAL;
			entry[0] = (uint32_t)paddr;
			entry[1] = part & 0xffff;
			memcpy(out + (size_t)n++ * IDE_PRD_SIZE, entry, sizeof entry);
			paddr += part;
			left -= part;
		}
	}
	if (!n || bytes)
		return -EINVAL;
	out[n * IDE_PRD_SIZE - 1] = IDE_PRD_LAST >> 8;
	return 0;
}

static int
build_rw(struct ide_channel *c, const struct ide_drive *d, const struct blk_io *io,
	 struct ide_command *r)
{
	struct ata_rw rw = { .lba = io->sector, .n = io->nsectors, .write = io->kind == BLK_WRITE };

	r->write = rw.write;
	r->bytes = io->nsectors * d->id.secsize;
	r->dma = atomic_load(&d->dma);
	if (r->dma) {
		r->protocol = IDE_DMA;
		rw.fua = rw.write && io->fua && ((const struct drive_disk *)io->drive)->fua;
		return ata_cmd_rw(&d->id, &rw, &r->ata);
	}
	r->protocol = rw.write ? IDE_PIO_OUT : IDE_PIO_IN;
	(void)c;
	return ata_cmd_rw_pio(&d->id, &rw, d->multiple > 0, &r->ata);
}

/* Not without DMA, also when that has failed meanwhile. */
static int
build_trim(const struct ide_drive *d, const struct blk_io *io, struct ide_command *r)
{
	int bytes = atomic_load(&d->dma) ? drive_trim(io, &r->ata) : -EOPNOTSUPP;

	if (bytes < 0)
		return bytes;
	r->protocol = IDE_DMA;
	r->dma = r->write = true;
	r->bytes = (uint32_t)bytes;
	return 0;
}

static int
build_own(const struct ide_drive *d, const struct drive_command *own, struct ide_command *r)
{
	struct ata_packet asked;

	memcpy(&r->ata, own->block, sizeof r->ata);
	r->bytes = own->bytes;
	r->write = own->write;
	if (r->ata.opcode != ATA_PACKET) {
		r->protocol = !own->bytes ? IDE_NODATA : own->write ? IDE_PIO_OUT : IDE_PIO_IN;
		return 0;
	}
	if (!d->id.packet)
		return -EOPNOTSUPP;
	memcpy(&asked, own->block, sizeof asked);
	r->protocol = IDE_PACKET;
	r->dma = r->ata.features & 1 && atomic_load(&d->dma);
	ata_cmd_packet(asked.cdb, r->bytes, r->dma, &r->packet);
	if (r->dma && d->transfers.dma_direction && !r->write)
		r->packet.command.features |= 4; /* DMADIR [ACS-4, 7.18] */
	r->ata = r->packet.command;
	return 0;
}

int
ide_build(struct drive_queue *q, struct blk_io *io, unsigned tag)
{
	struct ide_channel *c = of(q);
	const struct drive_disk *disk = io->drive;
	unsigned drive = ((const struct ide_disk *)disk->priv)->drive;
	const struct ide_drive *d = &c->drive[drive];
	struct ide_command r = { .io = io, .drive = drive, .data = io->data };
	int err = 0;

	(void)tag;
	if (!d->present)
		return -ENODEV;
	switch (io->kind) {
	case BLK_READ:
	case BLK_WRITE: err = build_rw(c, d, io, &r); break;
	case BLK_FLUSH: ata_cmd_flush(&d->id, &r.ata); break;
	case BLK_DISCARD: err = build_trim(d, io, &r); break;
	case DRIVE_OWN: err = build_own(d, (const struct drive_command *)io, &r); break;
	default: err = -EOPNOTSUPP;
	}
	if (err == 0 && r.dma)
		err = build_prds(c, io, r.bytes);
	if (err == 0)
		c->run = r;
	return err;
}

/* --- sending --------------------------------------------------------------------------------- */

/* The keeper finds that it is over its time, and resets the channel. */
static void
give_up(struct ide_channel *c)
{
	c->run.io->deadline = 0;
}

static uint32_t
block_size(const struct ide_channel *c)
{
	const struct ide_drive *d = &c->drive[c->run.drive];
	uint32_t n = d->multiple ? d->multiple : SECTOR_BLOCKS, left = c->run.bytes - c->run.moved;

	n *= d->id.secsize ? d->id.secsize : ATA_IDENTIFY_SIZE;
	return n < left ? n : left;
}

static void
send_block(struct ide_channel *c)
{
	uint32_t n = block_size(c);

	ide_data_out(c, c->run.data + c->run.moved, n);
	c->run.moved += n;
}

static void
master_prepare(const struct ide_channel *c)
{
	sip_out32(&c->master, IDE_BM_TABLE, (uint32_t)c->prds.paddr);
	sip_out8(&c->master, IDE_BM_COMMAND, c->run.write ? 0 : IDE_BM_TO_MEMORY);
	sip_out8(&c->master, IDE_BM_STATUS, IDE_BM_ERROR | IDE_BM_INTERRUPT);
}

static void
master_start(const struct ide_channel *c)
{
	sip_out8(&c->master, IDE_BM_COMMAND,
		 (uint8_t)(IDE_BM_START | (c->run.write ? 0 : IDE_BM_TO_MEMORY)));
}

static void
send_packet(struct ide_channel *c)
{
	ide_data_out(c, c->run.packet.cdb, c->drive[c->run.drive].transfers.cdb_size);
	c->run.packet_sent = true;
	if (c->run.dma)
		master_start(c);
}

/* What goes to the device before its first interrupt; an error is its to tell, at that. */
static void
send_first(struct ide_channel *c)
{
	struct ide_command *r = &c->run;

	if (r->protocol == IDE_PACKET && c->drive[r->drive].transfers.cdb_interrupts)
		return;
	ide_status(c);
	if (!ide_wait(c, ATA_STATUS_BSY, 0, IDE_DRQ_MS)) {
		give_up(c);
		return;
	}
	if (!(ide_status(c) & ATA_STATUS_DRQ))
		return;
	if (r->protocol == IDE_PACKET)
		send_packet(c);
	else
		send_block(c);
}

void
ide_ring(struct drive_queue *q)
{
	struct ide_channel *c = of(q);
	struct ide_command *r = &c->run;

	ide_select(c, r->drive, r->ata.device);
	if (!ide_wait(c, ATA_STATUS_BSY | ATA_STATUS_DRQ, 0, IDE_IDLE_MS)) {
		give_up(c);
		return;
	}
	if (c->has_master)
		sip_out8(&c->master, IDE_BM_STATUS, IDE_BM_ERROR | IDE_BM_INTERRUPT);
	if (r->dma) {
		atomic_thread_fence(memory_order_release); /* the table before its use */
		master_prepare(c);
	}
	atomic_fetch_add(r->protocol == IDE_PACKET ? &c->packets
			 : r->dma                  ? &c->dma_commands
						   : &c->pio_commands,
			 1);
	ide_write_taskfile(c, &r->ata, c->drive[r->drive].id.lba48);
	if (r->protocol == IDE_DMA)
		master_start(c);
	else if (r->protocol == IDE_PACKET || r->protocol == IDE_PIO_OUT)
		send_first(c);
}

/* --- its end --------------------------------------------------------------------------------- */

void
ide_dma_failed(struct ide_channel *c, unsigned drive)
{
	struct ide_drive *d = &c->drive[drive];

	if (!atomic_load(&d->dma) || ++d->dma_failures < IDE_DMA_TRIES)
		return;
	atomic_store(&d->dma, false);
	if (d->disk)
		drive_disk_no_dma(d->disk);
}

static void
fail(struct ide_channel *c, uint8_t status, const char *what)
{
	uint8_t error = sip_in8(&c->command, IDE_ERROR);
	char why[BLK_WHY_MAX];
	int err = ata_errno(status, error);

	if (status & (ATA_STATUS_ERR | ATA_STATUS_DF))
		ata_error_text(status, error, why, sizeof why);
	else
		strcpy(why, what);
	if (c->run.protocol == IDE_DMA && (!(status & ATA_STATUS_ERR) || error & ATA_ERROR_ICRC))
		ide_dma_failed(c, c->run.drive);
	drive_fail(&c->queue, 0, err ? err : -EIO, DRIVE_AGAIN, why);
}

/* The result of a packet tells all, an error too: drive.h. */
static void
end_packet(struct ide_channel *c, uint8_t status)
{
	struct drive_command *own = (struct drive_command *)c->run.io;
	struct ata_packet_end end = { .status = status,
				      .error = sip_in8(&c->command, IDE_ERROR),
				      .moved = c->run.moved };

	memcpy(own->result, &end, sizeof end);
	drive_end(&c->queue, 0);
}

/* The registers after it, as SATA's disks tell of them [SATA 3.3, 10.5.6]: drive_smart.h. */
static void
end_own(struct ide_channel *c, uint8_t status)
{
	struct drive_command *own = (struct drive_command *)c->run.io;

	if (c->run.io->kind == DRIVE_OWN) {
		own->result[0] = ATA_FIS_D2H;
		own->result[2] = status;
		own->result[3] = sip_in8(&c->command, IDE_ERROR);
		own->result[4] = sip_in8(&c->command, IDE_LBA_LOW);
		own->result[5] = sip_in8(&c->command, IDE_LBA_MID);
		own->result[6] = sip_in8(&c->command, IDE_LBA_HIGH);
	}
	drive_end(&c->queue, 0);
}

static void
end_dma(struct ide_channel *c, uint8_t status, uint8_t master)
{
	bool failed = status & (ATA_STATUS_ERR | ATA_STATUS_DF);

	ide_master_stop(c);
	if (c->run.protocol == IDE_PACKET) {
		if (master & IDE_BM_ERROR && !failed) {
			ide_dma_failed(c, c->run.drive);
			drive_fail(&c->queue, 0, -EIO, DRIVE_AGAIN, "bus master error");
			return;
		}
		c->run.moved = failed || master & IDE_BM_ACTIVE ? 0 : c->run.bytes;
		end_packet(c, status);
	} else if (failed || master & IDE_BM_ERROR)
		fail(c, status, "bus master error");
	else if (master & IDE_BM_ACTIVE) /* the device wanted to move less */
		fail(c, status, "less data than was asked for");
	else
		drive_end(&c->queue, 0);
}

static void
step_pio(struct ide_channel *c, uint8_t status)
{
	struct ide_command *r = &c->run;
	uint32_t n;

	if (status & (ATA_STATUS_ERR | ATA_STATUS_DF)) {
		fail(c, status, "");
		return;
	}
	if (r->protocol == IDE_PIO_OUT && r->moved == r->bytes) {
		if (status & ATA_STATUS_DRQ)
			fail(c, status, "it wants more data than there is");
		else
			end_own(c, status);
		return;
	}
	if (!(status & ATA_STATUS_DRQ)) {
		fail(c, status, "it wants no more data");
		return;
	}
	if (r->protocol == IDE_PIO_OUT) {
		send_block(c);
		return;
	}
	n = block_size(c);
	ide_data_in(c, r->data + r->moved, n);
	r->moved += n;
	if (r->moved == r->bytes)
		end_own(c, status);
}

/* A block of a packet's data: as much of it as there is room for, the rest goes to nobody. */
static void
step_packet_data(struct ide_channel *c, uint8_t reason)
{
	struct ide_command *r = &c->run;
	uint32_t n = sip_in8(&c->command, IDE_LBA_MID) |
		     (uint32_t)sip_in8(&c->command, IDE_LBA_HIGH) << 8;
	uint32_t left = r->bytes - r->moved, part = n < left ? n : left;
	uint8_t nothing[4] = { 0 };

	if (!n || !!(reason & IDE_REASON_IN) == r->write) {
		drive_fail(&c->queue, 0, -EIO, DRIVE_FINAL, "data in the wrong direction");
		give_up(c);
		return;
	}
	if (part && r->write)
		ide_data_out(c, r->data + r->moved, part);
	else if (part)
		ide_data_in(c, r->data + r->moved, part);
	r->moved += part;
	for (n -= part + (part & 1 && n > part); n; n -= n < 4 ? n : 4)
		if (r->write)
			ide_data_out(c, nothing, n < 4 ? n : 4);
		else
			ide_data_in(c, nothing, n < 4 ? n : 4);
}

static void
step_packet(struct ide_channel *c, uint8_t status)
{
	uint8_t reason = sip_in8(&c->command, IDE_COUNT);

	if (status & ATA_STATUS_DRQ && !c->run.packet_sent)
		send_packet(c);
	else if (status & ATA_STATUS_DRQ && !(reason & IDE_REASON_COMMAND) &&
		 !(status & ATA_STATUS_ERR))
		step_packet_data(c, reason);
	else if (!(status & ATA_STATUS_DRQ))
		end_packet(c, status);
	else
		drive_fail(&c->queue, 0, -EIO, DRIVE_FINAL, "it wants a second packet");
}

void
ide_reap(struct drive_queue *q)
{
	struct ide_channel *c = of(q);
	uint8_t status, master = 0;

	if (!q->nbusy || !q->open) /* after `hold` nothing is known to have ended well */
		return;
	if (c->has_master)
		master = sip_in8(&c->master, IDE_BM_STATUS);
	if (c->run.dma && master & IDE_BM_ACTIVE && !(master & (IDE_BM_INTERRUPT | IDE_BM_ERROR)))
		return;
	if (ide_status(c) & ATA_STATUS_BSY)
		return;
	status = sip_in8(&c->command, IDE_STATUS);
	if (c->has_master)
		sip_out8(&c->master, IDE_BM_STATUS, IDE_BM_INTERRUPT);
	if (c->run.dma && c->run.packet_sent == (c->run.protocol == IDE_PACKET))
		end_dma(c, status, master);
	else if (c->run.protocol == IDE_PACKET)
		step_packet(c, status);
	else if (c->run.protocol != IDE_NODATA)
		step_pio(c, status);
	else if (status & (ATA_STATUS_ERR | ATA_STATUS_DF))
		fail(c, status, "");
	else
		end_own(c, status);
}

/* A level interrupt stands until the status is read, also when nothing runs. */
void
ide_interrupt(struct ide_channel *c)
{
	bool idle;

	os_lock_take(&c->queue.lock);
	idle = !c->queue.open || !c->queue.nbusy;
	if (idle) {
		sip_in8(&c->command, IDE_STATUS);
		if (c->has_master)
			sip_out8(&c->master, IDE_BM_STATUS, IDE_BM_INTERRUPT);
	}
	os_lock_give(&c->queue.lock);
	if (!idle)
		drive_reap(&c->queue);
}
