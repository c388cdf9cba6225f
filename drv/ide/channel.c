/*
 * A channel's registers, its reset, and commands that are polled for: who is there?
 *
 * A channel without a drive reads as ones, or as 0x7f where D7 is pulled down [ATA8-APT, 4.2];
 * where one drive answers for both, the absent one's registers do not keep what is written.  So
 * nobody is waited for who is not there.
 */
#include <errno.h>
#include <string.h>
#include "ide.h"
#include "os.h"

enum { FLOATING = 0xff, PULLED_DOWN = 0x7f, PATTERN_A = 0x55, PATTERN_B = 0xaa, POLL_NS = 100000 };
enum { SIGNATURE_PACKET = 0xeb14, SIGNATURE_SATA_PACKET = 0x9669, DRAIN_MAX = 64 };

uint8_t
ide_status(const struct ide_channel *c)
{
	return sip_in8(&c->control, IDE_CONTROL);
}

bool
ide_wait(const struct ide_channel *c, uint8_t mask, uint8_t want, unsigned timeout_ms)
{
	struct sip_patience p = sip_patience(timeout_ms);

	for (unsigned looks = 0;; looks++) {
		if ((ide_status(c) & mask) == want)
			return true;
		if (sip_patience_over(&p))
			return false;
		if (looks > 20)
			os_sleep_ns(POLL_NS);
	}
}

/* The status is good 400 ns after it [ATA8-APT, 6.3]: a read of it takes that. */
void
ide_select(const struct ide_channel *c, unsigned drive, uint8_t bits)
{
	sip_out8(&c->command, IDE_DEVICE,
		 (uint8_t)(IDE_DEVICE_FIXED | (drive ? IDE_DEVICE_SLAVE : 0) | bits));
	ide_status(c);
}

/* Registers of a 48-bit device keep two bytes: the first that is written is the upper one. */
void
ide_write_taskfile(const struct ide_channel *c, const struct ata_command *a, bool lba48)
{
	for (unsigned half = lba48 ? 1 : 0; half <= 1; half--) {
		unsigned shift = 8 * half;

		sip_out8(&c->command, IDE_ERROR, (uint8_t)(a->features >> shift));
		sip_out8(&c->command, IDE_COUNT, (uint8_t)(a->count >> shift));
		sip_out8(&c->command, IDE_LBA_LOW, (uint8_t)(a->lba >> 3 * shift));
		sip_out8(&c->command, IDE_LBA_MID, (uint8_t)(a->lba >> (3 * shift + 8)));
		sip_out8(&c->command, IDE_LBA_HIGH, (uint8_t)(a->lba >> (3 * shift + 16)));
	}
	sip_out8(&c->command, IDE_STATUS, a->opcode);
}

void
ide_data_in(const struct ide_channel *c, uint8_t *to, uint32_t n)
{
	for (; n >= 4; n -= 4, to += 4) {
		uint32_t v = sip_in32(&c->command, IDE_DATA);

		memcpy(to, &v, 4);
	}
	for (; n; n -= n > 1 ? 2 : 1, to += 2) {
		uint16_t v = sip_in16(&c->command, IDE_DATA);

		memcpy(to, &v, n > 1 ? 2 : 1);
	}
}

void
ide_data_out(const struct ide_channel *c, const uint8_t *from, uint32_t n)
{
	for (; n >= 4; n -= 4, from += 4) {
		uint32_t v;

		memcpy(&v, from, 4);
		sip_out32(&c->command, IDE_DATA, v);
	}
	for (; n; n -= n > 1 ? 2 : 1, from += 2) {
		uint16_t v = 0;

		memcpy(&v, from, n > 1 ? 2 : 1);
		sip_out16(&c->command, IDE_DATA, v);
	}
}

/* [BM IDE 1.0, 3.1] */
void
ide_master_stop(const struct ide_channel *c)
{
	if (!c->has_master)
		return;
	sip_out8(&c->master, IDE_BM_COMMAND, 0);
	sip_out8(&c->master, IDE_BM_STATUS, IDE_BM_ERROR | IDE_BM_INTERRUPT);
}

void
ide_interrupts(const struct ide_channel *c, bool on)
{
	sip_out8(&c->control, IDE_CONTROL, on ? 0 : IDE_CONTROL_NO_INTERRUPTS);
}

/* --- who is there ----------------------------------------------------------------------------- */

static bool
keeps(const struct ide_channel *c, unsigned drive, uint8_t a, uint8_t b)
{
	ide_select(c, drive, 0);
	sip_out8(&c->command, IDE_COUNT, a);
	sip_out8(&c->command, IDE_LBA_LOW, b);
	return sip_in8(&c->command, IDE_COUNT) == a && sip_in8(&c->command, IDE_LBA_LOW) == b;
}

static bool
is_nobody(uint8_t status)
{
	return status == FLOATING || status == PULLED_DOWN;
}

bool
ide_channel_has_drives(struct ide_channel *c)
{
	uint8_t status;
	bool any = false;

	ide_select(c, 0, 0);
	status = ide_status(c);
	for (unsigned d = 0; d < IDE_DRIVES; d++)
		c->drive[d].present = false;
	if (is_nobody(status)) {
		ide_select(c, 1, 0);
		if (is_nobody(ide_status(c)))
			return false;
	}
	/*
	 * One that is busy, or waits for data or a packet that a driver before this one owes it,
	 * keeps nothing, and does not let the other be selected: it is there, and the reset will
	 * tell.
	 */
	for (unsigned d = 0; d < IDE_DRIVES; d++) {
		ide_select(c, d, 0);
		status = ide_status(c);
		c->drive[d].present = (!is_nobody(status) &&
				       status & (ATA_STATUS_BSY | ATA_STATUS_DRQ)) ||
				      (keeps(c, d, PATTERN_A, PATTERN_B) &&
				       keeps(c, d, PATTERN_B, PATTERN_A));
		any |= c->drive[d].present;
	}
	return any;
}

int
ide_reset(struct ide_channel *c)
{
	int err = 0;

	ide_master_stop(c);
	sip_out8(&c->control, IDE_CONTROL, IDE_CONTROL_RESET | IDE_CONTROL_NO_INTERRUPTS);
	os_sleep_ns(IDE_RESET_US * 1000);
	sip_out8(&c->control, IDE_CONTROL, IDE_CONTROL_NO_INTERRUPTS);
	os_sleep_ns(IDE_RESET_WAIT_MS * 1000000);
	for (unsigned d = 0; d < IDE_DRIVES; d++) {
		if (!c->drive[d].present)
			continue;
		ide_select(c, d, 0);
		if (!ide_wait(c, ATA_STATUS_BSY, 0, IDE_READY_MS))
			err = -ETIMEDOUT;
	}
	return err;
}

/* A command that reads a page, or nothing (page NULL), with interrupts off. */
static int
poll_command(const struct ide_channel *c, unsigned drive, const struct ata_command *a,
	     uint8_t *page)
{
	uint8_t status;

	ide_select(c, drive, a->device);
	if (!ide_wait(c, ATA_STATUS_BSY | ATA_STATUS_DRQ, 0, IDE_IDLE_MS))
		return -EBUSY;
	ide_write_taskfile(c, a, false);
	ide_status(c);
	if (!ide_wait(c, ATA_STATUS_BSY, 0, IDE_POLLED_MS))
		return -ETIMEDOUT;
	status = sip_in8(&c->command, IDE_STATUS);
	if (status & (ATA_STATUS_ERR | ATA_STATUS_DF))
		return -EIO;
	if (!page)
		return 0;
	if (!(status & ATA_STATUS_DRQ))
		return -EIO;
	ide_data_in(c, page, ATA_IDENTIFY_SIZE);
	/* Whatever else it has to give: the next command needs DRQ clear. */
	for (unsigned i = 0; i < DRAIN_MAX && ide_status(c) & ATA_STATUS_DRQ; i++)
		ide_data_in(c, (uint8_t[4]){ 0 }, 4);
	return 0;
}

static bool
is_packet_device(const struct ide_channel *c)
{
	unsigned signature = sip_in8(&c->command, IDE_LBA_MID) |
			     (unsigned)sip_in8(&c->command, IDE_LBA_HIGH) << 8;

	return signature == SIGNATURE_PACKET || signature == SIGNATURE_SATA_PACKET;
}

/* READ and WRITE MULTIPLE want to be told how many [ACS-4, 7.43]; without them a sector a time. */
static void
set_multiple(const struct ide_channel *c, unsigned drive, struct ide_drive *out)
{
	struct ata_command a = { .opcode = ATA_SET_MULTIPLE,
				 .count = (uint16_t)out->transfers.multiple };

	out->multiple = 0;
	if (out->transfers.multiple > 1 && poll_command(c, drive, &a, NULL) == 0)
		out->multiple = out->transfers.multiple;
}

int
ide_identify(struct ide_channel *c, unsigned drive, struct ide_drive *out)
{
	struct ata_command a = { .opcode = ATA_IDENTIFY };
	uint8_t page[ATA_IDENTIFY_SIZE];
	bool packet;
	int err;

	ide_select(c, drive, 0);
	packet = is_packet_device(c);
	if (packet)
		a.opcode = ATA_IDENTIFY_PACKET;
	err = poll_command(c, drive, &a, page);
	if (err == -EIO && !packet && is_packet_device(c)) { /* aborted, with its signature */
		a.opcode = ATA_IDENTIFY_PACKET;
		err = poll_command(c, drive, &a, page);
	}
	if (err == 0)
		err = ata_identify(page, &out->id);
	if (err == 0 && out->id.packet != (a.opcode == ATA_IDENTIFY_PACKET))
		err = -EIO;
	if (err < 0)
		return err;
	ata_transfers(page, &out->transfers);
	if (!out->id.packet)
		set_multiple(c, drive, out);
	return 0;
}
