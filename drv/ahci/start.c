/*
 * The start of a controller's ports, all at once: a driver is healthy when its disks are there,
 * and when it is the successor of one that died, its clients wait for it.
 *
 *	step		waits for					then
 *	TURN		the disk before it, where spin-up is staggered	LINK
 *	LINK		DET 3; the controller's reset sent COMRESET	READY, or NONE
 *	READY		BSY and DRQ clear: the first FIS has come	IDENTIFY, or NONE
 *	IDENTIFY	the command's end				DISK, or LATE
 *	DISK		(in a thread) its partition table is read
 *	LATE		not as it should be: the keeper resets the port, which takes its time
 *
 * COMRESET was sent to every port: by the controller's reset, or, where spin-up is staggered
 * (CAP.SSS), by PxCMD.SUD [AHCI 1.3.1, 10.4.3, 10.1.1]; so none is sent here.  In the second case
 * one disk spins up at a time, as the power supply may not be made for more: the next has its turn
 * when that one is ready, has no link, or has had AHCI_STAGGER_MS.  Who has no turn within the time
 * of the start is LATE, and then the keeper takes one port after the other.
 */
#include <errno.h>
#include "ahci.h"
#include "os.h"

enum { POLL_NS = 20000, SPIN_LOOKS = 50 };

/*
 * A disk says that it is there within AHCI_PRESENCE_MS of COMRESET [10.1.1].  A port that was spun
 * up, that nobody was resetting, and whose link is down and has not changed, has had this time:
 * there is no disk in it, and nothing to wait for.
 */
void
ahci_start_look(struct ahci_hba *h)
{
	for (unsigned i = 0; i < HBA_MAX_PORTS; i++) {
		struct ahci_port *p = &h->port[i];
		uint32_t det, serr;

		p->implemented = h->pi >> i & 1;
		if (!p->implemented)
			continue;
		det = SSTS_DET_get(port_read(p, PORT_SSTS));
		serr = port_read(p, PORT_SERR);
		p->expected = det == DET_SEEN || det == DET_PRESENT;
		p->vacant = det == DET_NONE && CMD_SUD_get(port_read(p, PORT_CMD)) &&
			    !SCTL_DET_get(port_read(p, PORT_SCTL)) && !SERR_N_get(serr) &&
			    !SERR_X_get(serr);
	}
}

int
ahci_start_ports(struct ahci_hba *h)
{
	int err;

	for (unsigned i = 0; i < HBA_MAX_PORTS; i++) {
		struct ahci_port *p = &h->port[i];

		if (!p->implemented)
			continue;
		p->step = AHCI_STEP_LINK;
		if (p->vacant) {
			ahci_port_spin_up(p);
			ahci_port_listen(p);
			if (SSTS_DET_get(port_read(p, PORT_SSTS)) == DET_NONE) {
				p->step = AHCI_STEP_NONE;
				continue;
			}
		}
		if (CAP_SSS_get(h->cap)) {
			p->step = AHCI_STEP_TURN;
			continue;
		}
		err = ahci_port_memory(p);
		if (err < 0)
			return sip_fail(h->ctlr.server, err, "%s port %u", h->ctlr.addr, i);
	}
	return 0;
}

static enum ahci_step
see_link(struct ahci_port *p, uint64_t ms)
{
	uint32_t det = SSTS_DET_get(port_read(p, PORT_SSTS));
	bool wait = p->expected || det == DET_SEEN;

	if (det == DET_PRESENT)
		return AHCI_STEP_READY;
	if (ms <= (wait ? AHCI_LINK_MS : AHCI_PRESENCE_MS))
		return AHCI_STEP_LINK;
	ahci_port_listen(p);
	return ahci_port_link(p) ? AHCI_STEP_READY : AHCI_STEP_NONE;
}

static enum ahci_step
see_ready(struct ahci_port *p)
{
	if (port_read(p, PORT_TFD) & (ATA_STATUS_BSY | ATA_STATUS_DRQ))
		return ahci_port_link(p) ? AHCI_STEP_READY : AHCI_STEP_LATE;
	if (!ahci_port_is_driven(p)) {
		ahci_port_refuse(p, -ENOTSUP);
		return AHCI_STEP_NONE;
	}
	ahci_engine_on(p); /* [10.3.1] */
	ahci_identify_send(p);
	return AHCI_STEP_IDENTIFY;
}

static enum ahci_step
see_identity(struct ahci_port *p)
{
	struct ata_identity id = { 0 };
	int err = ahci_identify_take(p, &id);

	if (err == -EAGAIN)
		return AHCI_STEP_IDENTIFY;
	if (err == -ENOTSUP) {
		ahci_port_refuse(p, err);
		return AHCI_STEP_NONE;
	}
	if (err < 0)
		return AHCI_STEP_LATE;
	return ahci_port_accept(p, &id) < 0 ? AHCI_STEP_LATE : AHCI_STEP_DISK;
}

/* Is another disk spinning up? */
static bool
others_spin_up(const struct ahci_port *p, uint64_t ms)
{
	for (unsigned i = 0; i < HBA_MAX_PORTS; i++) {
		const struct ahci_port *o = &p->hba->port[i];

		if (o->implemented && o != p && o->turn_ms + AHCI_STAGGER_MS > ms &&
		    (o->step == AHCI_STEP_LINK || o->step == AHCI_STEP_READY))
			return true;
	}
	return false;
}

static enum ahci_step
see_turn(struct ahci_port *p, uint64_t ms)
{
	if (others_spin_up(p, ms))
		return AHCI_STEP_TURN;
	p->turn_ms = ms;
	return ahci_port_memory(p) < 0 ? AHCI_STEP_LATE : AHCI_STEP_LINK;
}

/* True while it has to be looked at again. */
static bool
look(struct ahci_port *p, uint64_t ms)
{
	if (p->step == AHCI_STEP_TURN)
		p->step = see_turn(p, ms);
	if (p->step == AHCI_STEP_LINK)
		p->step = see_link(p, ms - p->turn_ms);
	if (p->step == AHCI_STEP_READY)
		p->step = see_ready(p);
	else if (p->step == AHCI_STEP_IDENTIFY)
		p->step = see_identity(p);
	if (p->step < AHCI_STEP_DISK && ms > DRIVE_START_MS)
		p->step = AHCI_STEP_LATE;
	return p->step < AHCI_STEP_DISK;
}

void
ahci_start_poll(struct ahci_hba *h)
{
	uint64_t began = os_time_ns();
	bool more = true;

	for (unsigned looks = 0; more; looks++) {
		uint64_t ms = (os_time_ns() - began) / 1000000;

		more = false;
		for (unsigned i = 0; i < HBA_MAX_PORTS; i++)
			if (h->port[i].implemented)
				more |= look(&h->port[i], ms);
		if (more && looks >= SPIN_LOOKS)
			os_sleep_ns(POLL_NS);
	}
	for (unsigned i = 0; i < HBA_MAX_PORTS; i++)
		if (h->port[i].implemented && h->port[i].step == AHCI_STEP_DISK)
			drive_port_expect(&h->port[i].port);
}

void
ahci_start_disks(struct ahci_hba *h)
{
	for (unsigned i = 0; i < HBA_MAX_PORTS; i++) {
		struct ahci_port *p = &h->port[i];

		if (p->implemented && p->step == AHCI_STEP_DISK)
			drive_port_show(&p->port);
		else if (p->implemented && p->step == AHCI_STEP_LATE)
			drive_port_start(&p->port);
	}
}
