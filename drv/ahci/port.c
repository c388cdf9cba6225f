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

static void
change(const struct ahci_port *p, enum port_reg r, uint32_t clear, uint32_t set)
{
	port_write(p, r, (port_read(p, r) & ~clear) | set);
}

bool
ahci_port_link(const struct ahci_port *p)
{
	return SSTS_DET_get(port_read(p, PORT_SSTS)) == DET_PRESENT;
}

int
ahci_engine_stop(struct ahci_port *p)
{
	/* [10.1.2, step 3]: ST first, FRE only when CR is clear. */
	change(p, PORT_CMD, CMD_ST_MASK, 0);
	if (!wait_port(p, PORT_CMD, CMD_CR_MASK, 0, AHCI_ENGINE_MS))
		return -ETIMEDOUT;
	return 0;
}

static int
stop_receiving(struct ahci_port *p)
{
	change(p, PORT_CMD, CMD_FRE_MASK, 0);
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
	change(p, PORT_CMD, 0, CMD_ST_MASK);
}

void
ahci_port_spin_up(struct ahci_port *p)
{
	port_write(p, PORT_SCTL, SCTL_IPM_set(0, SCTL_IPM_OFF));
	change(p, PORT_CMD, CMD_ICC_MASK,
	       CMD_SUD_MASK | CMD_POD_MASK | CMD_ICC_set(0, CMD_ICC_ACTIVE));
}

int
ahci_port_memory(struct ahci_port *p)
{
	int err;

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
	change(p, PORT_CMD, 0, CMD_FRE_MASK);
	ahci_port_spin_up(p);
	return 0;
}

int
ahci_port_reset(struct ahci_port *p)
{
	port_write(p, PORT_IE, 0);
	/* CR that stays set is cured by the reset itself [10.4.2]. */
	ahci_engine_stop(p);
	change(p, PORT_CMD, 0, CMD_FRE_MASK);
	change(p, PORT_SCTL, SCTL_DET_MASK, SCTL_DET_set(0, SCTL_DET_RESET));
	os_sleep_ns(RESET_HOLD_NS); /* at least 1 ms */
	change(p, PORT_SCTL, SCTL_DET_MASK, 0);
	if (!wait_port(p, PORT_SSTS, SSTS_DET_MASK, DET_PRESENT, AHCI_LINK_MS))
		return -ENODEV;
	port_write(p, PORT_SERR, UINT32_MAX);
	return ahci_engine_start(p);
}

/* In slot 0, with nothing else running; data to the scratch page. */
void
ahci_identify_send(struct ahci_port *p)
{
	uint8_t *table = p->mem + AHCI_OFF_TABLES;
	struct dma_seg piece = { p->dma.paddr + AHCI_OFF_SCRATCH, ATA_IDENTIFY_SIZE };
	struct ata_command c;

	ata_cmd_simple(ATA_IDENTIFY, &c);
	ahci_prdt(table + AHCI_TABLE_PRDT, AHCI_TABLE_PRDS, &piece, 1);
	ata_fis_h2d(table + AHCI_TABLE_CFIS, &c);
	ahci_header(p->mem + AHCI_OFF_LIST, 0, 1, p->dma.paddr + AHCI_OFF_TABLES);
	atomic_thread_fence(memory_order_release);
	port_write(p, PORT_CI, 1);
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

int
ahci_identify_take(struct ahci_port *p, struct ata_identity *id)
{
	uint8_t page[ATA_IDENTIFY_SIZE];
	int err = command_over(p);

	if (err < 0)
		return err;
	memcpy(page, p->mem + AHCI_OFF_SCRATCH, sizeof page);
	err = ata_identify(page, id);
	return err < 0 ? err : id->packet || !id->dma ? -ENOTSUP : 0;
}

int
ahci_port_identify(struct ahci_port *p, struct ata_identity *id)
{
	uint64_t end = os_time_ns() + AHCI_IDENTIFY_MS * 1000000ull;
	int err;

	ahci_identify_send(p);
	while ((err = ahci_identify_take(p, id)) == -EAGAIN) {
		if (os_time_ns() > end)
			return -ETIMEDOUT;
		os_sleep_ns(POLL_NS);
	}
	return err;
}
