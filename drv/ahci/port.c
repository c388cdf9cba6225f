/*
 * A port's engine and link [AHCI 1.3.1, 10].  Every wait is bounded by a name in ahci.h.
 */
#include <errno.h>
#include <string.h>
#include "ahci.h"
#include "os.h"

enum { POLL_NS = 20000, RESET_HOLD_NS = 1500000 };

static bool
wait_port(const struct ahci_port *p, enum port_reg r, uint32_t mask, uint32_t want, unsigned ms)
{
	return sip_wait32(&p->hba->bar, p->regs + r, mask, want, ms);
}

/* What we have put there, and never what is read: a device that says that its engines run must not
 * get them turned on by it.  The controller's reset has cleared it [10.4.3]. */
static void
change_cmd(struct ahci_port *p, uint32_t clear, uint32_t set)
{
	p->cmd = (p->cmd & ~clear) | set;
	port_write(p, PORT_CMD, p->cmd);
	p->cmd &= ~(CMD_ICC_MASK | CMD_CLO_MASK); /* orders, which are carried out once */
}

bool
ahci_port_link(const struct ahci_port *p)
{
	return SSTS_DET_get(port_read(p, PORT_SSTS)) == DET_PRESENT;
}

bool
ahci_port_is_driven(const struct ahci_port *p)
{
	uint32_t signature = port_read(p, PORT_SIG);

	return signature == SIGNATURE_ATA || signature == (uint32_t)SIGNATURE_ATAPI;
}

int
ahci_engine_stop(struct ahci_port *p)
{
	/* [10.1.2, step 3]: ST first, FRE only when CR is clear. */
	change_cmd(p, CMD_ST_MASK, 0);
	if (!wait_port(p, PORT_CMD, CMD_CR_MASK, 0, AHCI_ENGINE_MS))
		return -ETIMEDOUT;
	return 0;
}

static int
stop_receiving(struct ahci_port *p)
{
	change_cmd(p, CMD_FRE_MASK, 0);
	return wait_port(p, PORT_CMD, CMD_FR_MASK, 0, AHCI_ENGINE_MS) ? 0 : -ETIMEDOUT;
}

int
ahci_engine_start(struct ahci_port *p)
{
	/* [10.3.1]: FRE is set, BSY and DRQ are clear, the link is up. */
	if (!wait_port(p, PORT_TFD, ATA_STATUS_BSY | ATA_STATUS_DRQ, 0, AHCI_READY_MS))
		return ahci_port_link(p) ? -ETIMEDOUT : -ENODEV;
	if (!ahci_port_link(p))
		return -ENODEV;
	ahci_engine_on(p);
	return 0;
}

void
ahci_engine_on(struct ahci_port *p)
{
	port_write(p, PORT_SERR, UINT32_MAX);
	port_write(p, PORT_IS, UINT32_MAX);
	change_cmd(p, 0, CMD_ST_MASK);
}

void
ahci_port_spin_up(struct ahci_port *p)
{
	port_write(p, PORT_SCTL, SCTL_IPM_set(0, SCTL_IPM_OFF));
	change_cmd(p, CMD_ICC_MASK, CMD_SUD_MASK | CMD_POD_MASK | CMD_ICC_set(0, CMD_ICC_ACTIVE));
}

/* For a disk's commands; they are not given back, as the next disk may need them. */
int
ahci_port_tables(struct ahci_port *p, unsigned nslots)
{
	size_t bytes = (size_t)nslots * AHCI_TABLE_SIZE;

	if (p->tables.vaddr && p->tables.size >= bytes)
		return 0;
	if (p->tables.vaddr)
		sip_dma_free(p->hba->ctlr.dev, &p->tables);
	p->tables.vaddr = NULL;
	return drive_dma_alloc(&p->hba->ctlr, bytes, 4096, &p->tables);
}

int
ahci_port_memory(struct ahci_port *p)
{
	int err;

	if (p->hba->muted)
		return -EIO;
	if (ahci_engine_stop(p) < 0 || stop_receiving(p) < 0)
		return -ETIMEDOUT;
	if (!p->dma.vaddr) {
		err = drive_dma_alloc(&p->hba->ctlr, AHCI_PORT_MEMORY, 4096, &p->dma);
		if (err < 0)
			return err;
	}
	p->mem = p->dma.vaddr;
	memset(p->mem, 0, AHCI_PORT_MEMORY);
	port_write(p, PORT_CLB, (uint32_t)(p->dma.paddr + AHCI_OFF_LIST));
	port_write(p, PORT_CLBU, (uint32_t)((p->dma.paddr + AHCI_OFF_LIST) >> 32));
	port_write(p, PORT_FB, (uint32_t)(p->dma.paddr + AHCI_OFF_FIS));
	port_write(p, PORT_FBU, (uint32_t)((p->dma.paddr + AHCI_OFF_FIS) >> 32));
	change_cmd(p, 0, CMD_FRE_MASK);
	ahci_port_spin_up(p);
	return 0;
}

bool
ahci_port_comreset(struct ahci_port *p)
{
	port_write(p, PORT_SCTL, SCTL_DET_set(SCTL_IPM_set(0, SCTL_IPM_OFF), SCTL_DET_RESET));
	os_sleep_ns(RESET_HOLD_NS); /* at least 1 ms */
	port_write(p, PORT_SCTL, SCTL_IPM_set(0, SCTL_IPM_OFF));
	return wait_port(p, PORT_CMD, CMD_CR_MASK, 0, AHCI_ENGINE_MS);
}

void
ahci_port_await_link(struct ahci_port *p)
{
	wait_port(p, PORT_SSTS, SSTS_DET_MASK, DET_PRESENT, AHCI_LINK_MS);
}

int
ahci_port_reset(struct ahci_port *p)
{
	atomic_fetch_add(&p->link_resets, 1);
	port_write(p, PORT_IE, 0);
	/* CR that stays set is cured by the reset itself [10.4.2]. */
	ahci_engine_stop(p);
	change_cmd(p, 0, CMD_FRE_MASK);
	if (!ahci_port_comreset(p))
		return -ETIMEDOUT;
	if (!wait_port(p, PORT_SSTS, SSTS_DET_MASK, DET_PRESENT, AHCI_LINK_MS))
		return -ENODEV;
	port_write(p, PORT_SERR, UINT32_MAX);
	return ahci_engine_start(p);
}

int
ahci_engine_again(struct ahci_port *p)
{
	/* [6.2.2.1]: ST off, the errors cleared, and on again if the disk waits for commands. */
	if (ahci_engine_stop(p) < 0)
		return -ETIMEDOUT;
	if (port_read(p, PORT_TFD) & (ATA_STATUS_BSY | ATA_STATUS_DRQ))
		return -EBUSY;
	/* Not N and X: a change of the link is still to be told. */
	port_write(p, PORT_SERR, ~(uint32_t)(SERR_N_MASK | SERR_X_MASK));
	port_write(p, PORT_IS, UINT32_MAX);
	change_cmd(p, 0, CMD_ST_MASK);
	return 0;
}

/* --- polled commands: in slot 0, with nothing else running ----------------------------------- */

static void
send(struct ahci_port *p, uint32_t flags, unsigned nprds)
{
	ahci_header(p->mem + AHCI_OFF_LIST, flags, nprds, p->dma.paddr + AHCI_OFF_TABLE);
	atomic_thread_fence(memory_order_release);
	port_write(p, PORT_CI, 1);
}

static void
send_command(struct ahci_port *p, const struct ata_command *c, bool data)
{
	struct dma_seg piece = { p->dma.paddr + AHCI_OFF_SCRATCH, ATA_PAGE_SIZE };
	uint8_t *table = p->mem + AHCI_OFF_TABLE;

	ahci_prdt(table + AHCI_TABLE_PRDT, 1, &piece, 1);
	ata_fis_h2d(table + AHCI_TABLE_CFIS, c);
	send(p, 0, data);
}

/* -EAGAIN while the command runs. */
static int
command_over(struct ahci_port *p)
{
	uint32_t tfd;

	if (port_read(p, PORT_CI) & 1 && !(port_read(p, PORT_IS) & IS_ERRORS))
		return ahci_port_link(p) ? -EAGAIN : -ENODEV;
	tfd = port_read(p, PORT_TFD);
	if (port_read(p, PORT_IS) & IS_ERRORS & ~(uint32_t)IS_TFES)
		return -EIO;
	port_write(p, PORT_IS, UINT32_MAX);
	return ata_errno((uint8_t)TFD_STATUS_get(tfd), (uint8_t)TFD_ERROR_get(tfd));
}

static int
wait_over(struct ahci_port *p, unsigned ms)
{
	struct sip_patience patience = sip_patience(ms);
	int err;

	while ((err = command_over(p)) == -EAGAIN) {
		if (sip_patience_over(&patience))
			return -ETIMEDOUT;
		os_sleep_ns(POLL_NS);
	}
	return err;
}

int
ahci_poll(struct ahci_port *p, const struct ata_command *c, void *page)
{
	int err;

	send_command(p, c, page);
	err = wait_over(p, AHCI_POLLED_MS);
	if (err == 0 && page)
		memcpy(page, p->mem + AHCI_OFF_SCRATCH, ATA_PAGE_SIZE);
	return err;
}

void
ahci_identify_send(struct ahci_port *p)
{
	struct ata_command c;

	ata_cmd_simple(port_read(p, PORT_SIG) == (uint32_t)SIGNATURE_ATAPI ? ATA_IDENTIFY_PACKET
									   : ATA_IDENTIFY,
		       &c);
	send_command(p, &c, true);
}

static int
take_identity(struct ahci_port *p, struct ata_identity *id)
{
	bool packet = port_read(p, PORT_SIG) == (uint32_t)SIGNATURE_ATAPI;
	uint8_t page[ATA_PAGE_SIZE];
	int err;

	memcpy(page, p->mem + AHCI_OFF_SCRATCH, sizeof page);
	err = ata_identify(page, id);
	if (err < 0)
		return err;
	ata_transfers(page, &p->transfers);
	return id->packet != packet || (!packet && !id->dma) ? -ENOTSUP : 0;
}

int
ahci_identify_take(struct ahci_port *p, struct ata_identity *id)
{
	int err = command_over(p);

	return err < 0 ? err : take_identity(p, id);
}

int
ahci_port_identify(struct ahci_port *p, struct ata_identity *id)
{
	int err;

	ahci_identify_send(p);
	err = wait_over(p, AHCI_POLLED_MS);
	return err < 0 ? err : take_identity(p, id);
}

/*
 * [10.4.1]: two FISes without the C bit, SRST set and then clear; the first also lets the disk be
 * busy (R and C of the header).  What was in flight is forgotten by both sides.  Some QEMUs (7.2.22
 * is one) do not end the first: then COMRESET follows.
 */
int
ahci_port_soft_reset(struct ahci_port *p)
{
	uint8_t *fis = p->mem + AHCI_OFF_TABLE + AHCI_TABLE_CFIS;

	atomic_fetch_add(&p->soft_resets, 1);
	if (ahci_engine_again(p) < 0) {
		if (!CAP_SCLO_get(p->hba->cap))
			return -EBUSY;
		change_cmd(p, 0, CMD_CLO_MASK); /* BSY and DRQ are cleared by it [3.3.7] */
		if (!wait_port(p, PORT_CMD, CMD_CLO_MASK, 0, AHCI_ENGINE_MS) ||
		    ahci_engine_again(p) < 0)
			return -EBUSY;
	}
	ata_fis_reset(fis, true);
	send(p, AHCI_HEADER_RESET | AHCI_HEADER_CLEAR_BUSY, 0);
	if (!wait_port(p, PORT_CI, 1, 0, AHCI_SOFT_MS))
		return -ETIMEDOUT;
	os_sleep_ns(POLL_NS); /* at least 5 us */
	ata_fis_reset(fis, false);
	send(p, 0, 0);
	if (!wait_port(p, PORT_CI, 1, 0, AHCI_SOFT_READY_MS))
		return ahci_port_link(p) ? -ETIMEDOUT : -ENODEV;
	if (!wait_port(p, PORT_TFD, ATA_STATUS_BSY | ATA_STATUS_DRQ, 0, AHCI_SOFT_READY_MS))
		return ahci_port_link(p) ? -ETIMEDOUT : -ENODEV;
	return ahci_port_link(p) ? 0 : -ENODEV;
}
