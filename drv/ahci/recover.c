/*
 * What lib/drive's keeper asks of a port: bringing it up, what an error was, resets, hot plug.
 *
 * Recovery goes up a ladder [AHCI 1.3.1, 6.2.2]:
 *
 *	engine off and on, and for queued commands READ LOG EXT, which names the one to blame and
 *	ends the disk's error state [SATA 3.3, 13.7]; then all are sent again
 *	software reset: the disk has no log or did not answer, or the same command fails again
 *	COMRESET: that did not help; twice
 *	the disk is given up; if its engine does not stop even then, the controller is reset
 *
 * A bad sector is tried again without a reset, which would not mend it.  After a reset the disk is
 * asked who it is before anything is sent again.
 *
 * A change of the link must not be lost: PxSERR's N and X are only cleared where the link is looked
 * at afterwards, or before a disk is identified.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ahci.h"

enum { REFUSALS = 3 };

static struct ahci_port *
of(struct drive_port *p)
{
	return (struct ahci_port *)p;
}

bool
ahci_port_listen(struct ahci_port *p)
{
	uint32_t serr = port_read(p, PORT_SERR);

	port_write(p, PORT_SERR, serr); /* what comes from here on is not cleared */
	port_write(p, PORT_IS, UINT32_MAX);
	port_write(p, PORT_IE, IS_LINK);
	return serr & (SERR_N_MASK | SERR_X_MASK);
}

/* Of a disk, or an ATAPI device, and nothing else. */
static int
know_disk(struct ahci_port *p, struct ata_identity *id)
{
	return ahci_port_is_driven(p) ? ahci_port_identify(p, id) : -ENOTSUP;
}

static int
start_disk(struct ahci_port *p, struct ata_identity *id)
{
	int err = ahci_port_reset(p);

	return err ? err : know_disk(p, id);
}

static const char *
what_is_there(uint32_t signature)
{
	switch (signature) {
	case SIGNATURE_ATA: return "a disk without LBA or DMA";
	case (uint32_t)SIGNATURE_ATAPI: return "an ATAPI device that says it is none";
	case (uint32_t)SIGNATURE_MULTIPLIER: return "a port multiplier";
	case (uint32_t)SIGNATURE_ENCLOSURE: return "an enclosure";
	}
	return "an unknown device";
}

void
ahci_port_refuse(struct ahci_port *p, int err)
{
	uint32_t signature = port_read(p, PORT_SIG);

	if (err == -ENOTSUP)
		drive_tell(&p->port, "%s is not driven (signature 0x%08x)",
			   what_is_there(signature), signature);
	else
		drive_tell(&p->port, "cannot be started: %s", strerror(-err));
	ahci_engine_stop(p);
	/* Not for ever, or a broken link would be reset without end. */
	if (ahci_port_listen(p) && ++p->refusals < REFUSALS)
		drive_change(&p->port);
}

int
ahci_port_accept(struct ahci_port *p, const struct ata_identity *id)
{
	bool ncq = !id->packet && id->ncq && id->lba48 && CAP_SNCQ_get(p->hba->cap);
	unsigned depth = ncq ? id->queue_depth : 1;
	struct drive_disk *d;
	int err;

	if (depth > p->hba->nslots)
		depth = p->hba->nslots;
	err = ahci_port_tables(p, depth);
	if (err < 0)
		return err;
	d = drive_disk_new(&p->port, sizeof(struct drive_smart));
	if (!d)
		return -ENOMEM;
	p->refusals = 0;
	p->id = *id;
	p->ncq = ncq;
	p->queue.depth = depth;
	/* Others may not run beside queued ones [SATA 3.3, 13.6]. */
	p->queue.alone_kinds = 1u << DRIVE_OWN;
	if (ncq)
		p->queue.alone_kinds |= 1u << BLK_FLUSH | 1u << BLK_DISCARD;
	drive_smart_init(d->priv);
	ahci_disk_info(p, d);
	if (!id->packet)
		return 0;
	/* Which way data goes is not told to the device: bridges that must know get it by PIO. */
	err = drive_disk_packet(d, p->transfers.dma && !p->transfers.dma_direction);
	if (err < 0)
		drive_disk_drop(d, "out of memory");
	return err;
}

static int
try_disk(struct ahci_port *p, struct ata_identity *id)
{
	int err = -ETIMEDOUT;

	for (unsigned i = 0; i < DRIVE_RESETS; i++) {
		err = start_disk(p, id);
		if (err == 0 || err == -ENODEV || err == -ENOTSUP)
			break;
	}
	return err;
}

static void
spin_up(struct ahci_port *p)
{
	ahci_port_spin_up(p);
	sip_wait32(&p->hba->bar, p->regs + PORT_SSTS, SSTS_DET_MASK, DET_PRESENT,
		   p->expected ? AHCI_LINK_MS : AHCI_PRESENCE_MS);
}

static int
probe(struct drive_port *port)
{
	struct ahci_port *p = of(port);
	struct ata_identity id = { 0 };
	int err;

	p->fallen = false;
	if (!CMD_SUD_get(port_read(p, PORT_CMD))) /* it had no turn at the start */
		spin_up(p);
	if (!ahci_port_link(p))
		ahci_port_listen(p);
	if (!ahci_port_link(p)) { /* still: what comes from here on interrupts */
		p->refusals = 0;
		return -ENODEV;
	}
	err = ahci_port_memory(p);
	if (err == 0)
		err = try_disk(p, &id);
	if (err == 0)
		err = ahci_port_accept(p, &id);
	if (err < 0)
		ahci_port_refuse(p, err);
	return err;
}

static bool
present(struct drive_port *p)
{
	return ahci_port_link(of(p));
}

static void
ready(struct drive_port *port)
{
	struct ahci_port *p = of(port);

	p->soft = false;
	pthread_mutex_lock(&p->seen_lock);
	p->seen_is = 0;
	port_write(p, PORT_IS, UINT32_MAX);
	port_write(p, PORT_IE, IS_WANTED);
	pthread_mutex_unlock(&p->seen_lock);
	/* One that came while interrupts were off, after the disk was identified. */
	if (port_read(p, PORT_SERR) & (SERR_N_MASK | SERR_X_MASK)) {
		port_write(p, PORT_SERR, SERR_N_MASK | SERR_X_MASK);
		drive_change(port);
	}
}

static void
hold(struct drive_port *p)
{
	port_write(of(p), PORT_IE, 0);
}

static void
quiet(struct drive_port *port)
{
	struct ahci_port *p = of(port);
	bool stopped;

	if (!p->implemented)
		return;
	port_write(p, PORT_IE, 0);
	stopped = ahci_engine_stop(p) == 0;
	if (!stopped)
		ahci_silence(p);
	/* Another disk may have come before this; else it is the change that a reset makes. */
	if (ahci_port_listen(p) && stopped)
		drive_change(port);
}

/* --- what an error was ----------------------------------------------------------------------- */

static void
put_error(struct drive_blame *b, uint8_t status, uint8_t error)
{
	ata_error_text(status, error, b->why, sizeof b->why);
	if (ata_errno(status, error))
		b->err = ata_errno(status, error);
}

/* How often the command to blame has failed before; of several, the one that did most often. */
static unsigned
failed_before(struct ahci_port *p, const struct drive_blame *b)
{
	unsigned most = 0;

	os_lock_take(&p->queue.lock);
	for (unsigned slot = 0; slot < p->queue.depth; slot++) {
		const struct blk_io *io = drive_tag(&p->queue, slot);

		if (io && io->tries > most && (!b->queue || b->tag == slot))
			most = io->tries;
	}
	os_lock_give(&p->queue.lock);
	return most;
}

/* Which of the queued commands it was; it also ends the disk's refusal of all others. */
static bool
read_log(struct ahci_port *p, struct drive_blame *b, uint8_t *error)
{
	struct ata_ncq_error log;
	uint8_t page[ATA_PAGE_SIZE];
	struct ata_command c;

	if (!p->id.logs)
		return false;
	ata_cmd_ncq_log(&c);
	if (ahci_poll(p, &c, page) < 0 || ata_ncq_error(page, &log) < 0 || !log.queued)
		return false;
	atomic_fetch_add(&p->logs, 1);
	put_error(b, log.status, log.error);
	b->queue = &p->queue;
	b->tag = log.tag;
	*error = log.error;
	return true;
}

/*
 * An ATAPI device ends a command with ERR to say that there is sense data, which is lib/atapi's:
 * the engine, which has stopped for it, goes on.
 */
static bool
has_sense(struct ahci_port *p, struct drive_blame *b)
{
	struct blk_io *io;

	if (!p->id.packet || b->late || p->seen_is & IS_FATAL || !(p->seen_is & IS_TFES) ||
	    ahci_engine_again(p) < 0)
		return false;
	os_lock_take(&p->queue.lock);
	io = drive_tag(&p->queue, 0);
	if (io)
		ahci_packet_end(p, io, p->seen_tfd);
	os_lock_give(&p->queue.lock);
	b->queue = &p->queue;
	b->tag = 0;
	return io;
}

/*
 * A command is over its time, but the disk has told of an error, without an interrupt: BSY was set
 * when the command was sent, and only a FIS of the disk's has cleared it [AHCI 1.3.1, 3.3.8].
 */
static void
look_for_error(struct ahci_port *p, struct drive_blame *b)
{
	uint32_t tfd = port_read(p, PORT_TFD);
	uint32_t status = TFD_STATUS_get(tfd);

	if (status & ATA_STATUS_BSY || !(status & (ATA_STATUS_ERR | ATA_STATUS_DF)))
		return;
	p->seen_tfd = tfd;
	p->seen_is |= IS_TFES;
	b->late = false;
	b->err = -EIO;
	b->queue = NULL;
}

static enum drive_verdict
diagnose(struct drive_port *port, struct drive_blame *b)
{
	struct ahci_port *p = of(port);
	bool queued, known = true;
	unsigned before;
	uint8_t error;

	if (p->fallen)
		return DRIVE_RESET;
	if (b->late)
		look_for_error(p, b);
	error = (uint8_t)TFD_ERROR_get(p->seen_tfd);
	if (has_sense(p, b))
		return DRIVE_OVER;
	os_lock_take(&p->queue.lock);
	queued = p->ncq && !p->queue.alone;
	os_lock_give(&p->queue.lock);
	if (p->seen_is & IS_TFES)
		put_error(b, (uint8_t)TFD_STATUS_get(p->seen_tfd), error);
	else if (!b->late) {
		snprintf(b->why, sizeof b->why, "PxIS 0x%x PxSERR 0x%x", p->seen_is, p->seen_serr);
		atomic_fetch_add(&p->link_errors, 1);
	}
	if (b->late || p->seen_is & IS_FATAL || ahci_engine_again(p) < 0)
		known = false;
	else if (queued)
		known = read_log(p, b, &error);
	before = failed_before(p, b);
	p->soft = before <= (known ? 1 : 0);
	if (known && (before == 0 || error & ATA_ERROR_UNC))
		return DRIVE_RESEND;
	return DRIVE_RESET;
}

/* --- resets ---------------------------------------------------------------------------------- */

static bool
same_disk(const struct ata_identity *a, const struct ata_identity *b)
{
	return a->packet == b->packet && a->nsectors == b->nsectors && a->secsize == b->secsize &&
	       a->ncq == b->ncq && a->lba48 == b->lba48 && strcmp(a->serial, b->serial) == 0 &&
	       strcmp(a->model, b->model) == 0;
}

static int
restart(struct drive_port *port, unsigned attempt)
{
	struct ahci_port *p = of(port);
	struct ata_identity id = { 0 };
	int err = p->fallen ? ahci_port_memory(p) : 0;

	if (err < 0)
		return err;
	if (p->soft && attempt == 0 && !p->fallen) {
		err = ahci_port_soft_reset(p);
		err = err ? err : know_disk(p, &id);
	} else
		err = start_disk(p, &id);
	p->fallen = false; /* nothing is in flight here */
	if (err == -ENOTSUP)
		return -ESTALE;
	return err == 0 && !same_disk(&p->id, &id) ? -ESTALE : err;
}

const struct drive_ops ahci_ops = {
	.build = ahci_build,
	.ring = ahci_ring,
	.reap = ahci_reap,
	.look = ahci_look,
	.probe = probe,
	.present = present,
	.hold = hold,
	.diagnose = diagnose,
	.restart = restart,
	.ready = ready,
	.quiet = quiet,
	.command = ahci_command,
	.describe = ahci_describe,
	.statistics = ahci_statistics,
};
