/*
 * What lib/drive's keeper asks of a port: bringing it up, what an error was, a reset, hot plug.
 *
 * Recovery [AHCI 1.3.1, 6.2.2] goes by COMRESET, which also ends a disk's NCQ error state, and asks
 * the disk who it is before anything is sent again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ahci.h"

static struct ahci_port *
of(struct drive_port *p)
{
	return (struct ahci_port *)p;
}

void
ahci_port_listen(struct ahci_port *p)
{
	port_write(p, PORT_SERR, UINT32_MAX);
	port_write(p, PORT_IS, UINT32_MAX);
	port_write(p, PORT_IE, IS_LINK);
}

static int
start_disk(struct ahci_port *p, struct ata_identity *id)
{
	int err = ahci_port_reset(p);

	if (err == 0 && port_read(p, PORT_SIG) != SIGNATURE_ATA)
		return -ENOTSUP;
	return err ? err : ahci_port_identify(p, id);
}

void
ahci_port_refuse(struct ahci_port *p, int err)
{
	if (err == -ENOTSUP)
		sip_log(p->hba->ctlr.server,
			"%s port %u: signature 0x%x: not a disk that it drives", p->hba->ctlr.addr,
			p->index, port_read(p, PORT_SIG));
	else
		drive_tell(&p->port, "cannot be started: %s", strerror(-err));
	ahci_engine_stop(p);
	ahci_port_listen(p);
}

int
ahci_port_accept(struct ahci_port *p, const struct ata_identity *id)
{
	struct drive_disk *d = drive_disk_new(&p->port, 0);
	unsigned depth;

	if (!d)
		return -ENOMEM;
	p->id = *id;
	p->ncq = id->ncq && id->lba48 && CAP_SNCQ_get(p->hba->cap);
	depth = p->ncq ? id->queue_depth : 1;
	p->queue.depth = depth < p->hba->nslots ? depth : p->hba->nslots;
	/* Others may not run beside queued ones [SATA 3.3, 13.6]. */
	p->queue.alone_kinds = p->ncq ? 1u << BLK_FLUSH | 1u << BLK_DISCARD | 1u << DRIVE_OWN : 0;
	ahci_disk_info(p, d);
	return 0;
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

static int
probe(struct drive_port *port)
{
	struct ahci_port *p = of(port);
	struct ata_identity id = { 0 };
	int err;

	if (!ahci_port_link(p))
		ahci_port_listen(p);
	if (!ahci_port_link(p)) /* still: what comes from here on interrupts */
		return -ENODEV;
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

	pthread_mutex_lock(&p->seen_lock);
	p->seen_is = 0;
	port_write(p, PORT_IS, UINT32_MAX);
	port_write(p, PORT_IE, IS_WANTED);
	pthread_mutex_unlock(&p->seen_lock);
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

	if (!p->implemented)
		return;
	port_write(p, PORT_IE, 0);
	ahci_engine_stop(p);
	ahci_port_listen(p);
}

static enum drive_verdict
diagnose(struct drive_port *port, struct drive_blame *b)
{
	struct ahci_port *p = of(port);
	uint8_t status = (uint8_t)TFD_STATUS_get(p->seen_tfd);
	uint8_t error = (uint8_t)TFD_ERROR_get(p->seen_tfd);

	if (b->late)
		return DRIVE_RESET;
	if (p->seen_is & IS_TFES) {
		ata_error_text(status, error, b->why, sizeof b->why);
		if (ata_errno(status, error))
			b->err = ata_errno(status, error);
	} else
		snprintf(b->why, sizeof b->why, "PxIS 0x%x PxSERR 0x%x", p->seen_is, p->seen_serr);
	return DRIVE_RESET;
}

static bool
same_disk(const struct ata_identity *a, const struct ata_identity *b)
{
	return a->nsectors == b->nsectors && a->secsize == b->secsize && a->ncq == b->ncq &&
	       a->lba48 == b->lba48 && strcmp(a->serial, b->serial) == 0 &&
	       strcmp(a->model, b->model) == 0;
}

static int
restart(struct drive_port *port, unsigned attempt)
{
	struct ahci_port *p = of(port);
	struct ata_identity id = { 0 };
	int err = start_disk(p, &id);

	(void)attempt;
	if (err == -ENOTSUP)
		return -ESTALE;
	return err == 0 && !same_disk(&p->id, &id) ? -ESTALE : err;
}

const struct drive_ops ahci_ops = {
	.build = ahci_build,
	.ring = ahci_ring,
	.reap = ahci_reap,
	.probe = probe,
	.present = present,
	.hold = hold,
	.diagnose = diagnose,
	.restart = restart,
	.ready = ready,
	.quiet = quiet,
	.command = ahci_command,
	.describe = ahci_describe,
};
