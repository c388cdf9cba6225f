/*
 * The IDE driver on a channel that says anything.
 *
 * The channel is well made: it identifies itself, moves sectors and packets, ends commands.  Then
 * each value that is read from it may be another.  The input:
 *
 *	1 byte	1: the master is an optical drive; 2: there is a slave; 4: no bus master
 *	then	lies about what ports say (fuzz/device/device.c:device_lie), in between what the
 *		driver is asked
 */
#include "device/device.h"
#include "drv/ide/ide.h"
#include "lib/ata/testing/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MASTER_BASE = 0xc000, PAGE_WORDS = 256, CHANNELS = 2, SECTORS = 4000 };

static struct channel {
	uint8_t reg[IDE_COMMAND_PORTS], control, command, status, opcode;
	uint8_t page[ATA_IDENTIFY_SIZE];
	unsigned at, left; /* in page; bytes of data that it still has, or takes */
} channels[CHANNELS];

static unsigned choice;

/* --- what a well made drive says ------------------------------------------------------------- */

static bool
selects_slave(const struct channel *c)
{
	return c->reg[IDE_DEVICE] & IDE_DEVICE_SLAVE;
}

static bool
is_packet(const struct channel *c)
{
	return choice & 1 && !selects_slave(c);
}

static bool
is_there(const struct channel *c)
{
	return c == channels && (!selects_slave(c) || choice & 2);
}

static void
sign(struct channel *c)
{
	c->reg[IDE_LBA_MID] = is_packet(c) ? 0x14 : 0;
	c->reg[IDE_LBA_HIGH] = is_packet(c) ? 0xeb : 0;
	c->reg[IDE_COUNT] = c->reg[IDE_LBA_LOW] = 1;
}

static void
begin(struct channel *c, uint8_t opcode)
{
	c->opcode = opcode;
	c->status = ATA_STATUS_DRDY;
	c->at = c->left = 0;
	c->reg[IDE_ERROR] = 0;
	switch (opcode) {
	case ATA_IDENTIFY:
		if (!is_packet(c)) {
			ata_page_identify(c->page, false, SECTORS);
			c->left = ATA_IDENTIFY_SIZE;
			break;
		}
		sign(c);
		c->status |= ATA_STATUS_ERR;
		c->reg[IDE_ERROR] = ATA_ERROR_ABRT;
		break;
	case ATA_IDENTIFY_PACKET:
		ata_page_identify(c->page, true, SECTORS);
		c->left = ATA_IDENTIFY_SIZE;
		break;
	case ATA_PACKET:
		c->left = 12;
		c->reg[IDE_COUNT] = IDE_REASON_COMMAND;
		break;
	case ATA_READ_SECTORS:
	case ATA_READ_SECTORS_EXT:
	case ATA_READ_MULTIPLE:
	case ATA_READ_MULTIPLE_EXT:
	case ATA_WRITE_SECTORS:
	case ATA_WRITE_SECTORS_EXT:
	case ATA_WRITE_MULTIPLE:
	case ATA_WRITE_MULTIPLE_EXT: c->left = 512u * c->reg[IDE_COUNT]; break;
	default: break;
	}
}

/* The data port; a packet's data follows the packet. */
static void
moved(struct channel *c, unsigned width)
{
	c->at = (c->at + width) % ATA_IDENTIFY_SIZE;
	c->left -= c->left < width ? c->left : width;
	if (c->left || c->opcode != ATA_PACKET)
		return;
	if (c->reg[IDE_COUNT] == IDE_REASON_COMMAND) {
		c->reg[IDE_COUNT] = IDE_REASON_IN;
		c->reg[IDE_LBA_MID] = 36;
		c->reg[IDE_LBA_HIGH] = 0;
		c->left = 36;
	} else {
		c->reg[IDE_COUNT] = IDE_REASON_IN | IDE_REASON_COMMAND;
		c->opcode = 0;
	}
}

/* --- ports ----------------------------------------------------------------------------------- */

static struct channel *
of_command(uint16_t port, unsigned *reg)
{
	unsigned i = port >= IDE_LEGACY_COMMAND_0 ? 0 : 1;
	unsigned base = i ? IDE_LEGACY_COMMAND_1 : IDE_LEGACY_COMMAND_0;

	*reg = port - base;
	return port >= base && *reg < IDE_COMMAND_PORTS ? &channels[i] : NULL;
}

static struct channel *
of_control(uint16_t port)
{
	return port == IDE_LEGACY_CONTROL_0   ? &channels[0]
	       : port == IDE_LEGACY_CONTROL_1 ? &channels[1]
					      : NULL;
}

static uint8_t
status(const struct channel *c)
{
	return c->status | (c->left ? ATA_STATUS_DRQ : 0);
}

static uint32_t
in(void *device, uint16_t port, unsigned width)
{
	unsigned reg;
	struct channel *c = of_control(port);
	uint32_t value = UINT32_MAX;

	if (port >= MASTER_BASE) {
		device_check(port < MASTER_BASE + CHANNELS * IDE_BM_PORTS && !(choice & 4));
		value = port % IDE_BM_PORTS == IDE_BM_STATUS ? IDE_BM_INTERRUPT : 0;
	} else if (c) {
		value = is_there(c) ? status(c) : 0xff;
	} else {
		c = of_command(port, &reg);
		device_check(c && (width == 1 || reg == IDE_DATA));
		if (is_there(c) && reg == IDE_DATA) {
			memcpy(&value, c->page + c->at,
			       c->at + width <= sizeof c->page ? width : 1);
			moved(c, width);
		} else if (is_there(c))
			value = reg == IDE_STATUS ? status(c) : c->reg[reg];
	}
	return (uint32_t)device_lie(
		device, value & (width == 4 ? UINT32_MAX : (1u << 8 * width) - 1), width);
}

/* The device does its DMA at once: every entry of the table is looked at [BM IDE 1.0, 1.2]. */
static void
transfer(struct device *d, uint32_t table)
{
	for (unsigned i = 0; i < IDE_PRDS; i++) {
		const uint8_t *entry = device_memory(d, table + i * IDE_PRD_SIZE, IDE_PRD_SIZE);
		uint32_t paddr, count;

		memcpy(&paddr, entry, 4);
		memcpy(&count, entry + 4, 4);
		device_memory(d, paddr, count & 0xffff ? count & 0xffff : 65536);
		if (count >> 16 & IDE_PRD_LAST)
			return;
	}
	device_check(false);
}

static void
out(void *device, uint16_t port, unsigned width, uint32_t value)
{
	static uint32_t table[CHANNELS];
	unsigned reg;
	struct channel *c = of_control(port);

	if (port >= MASTER_BASE) {
		reg = port - MASTER_BASE;
		device_check(reg < CHANNELS * IDE_BM_PORTS);
		if (reg % IDE_BM_PORTS == IDE_BM_TABLE)
			table[reg / IDE_BM_PORTS] = value;
		else if (reg % IDE_BM_PORTS == IDE_BM_COMMAND && value & IDE_BM_START)
			transfer(device, table[reg / IDE_BM_PORTS]);
		return;
	}
	if (c) {
		c->control = (uint8_t)value;
		if (value & IDE_CONTROL_RESET) {
			begin(c, 0);
			sign(c);
		}
		return;
	}
	c = of_command(port, &reg);
	device_check(c && (width == 1 || reg == IDE_DATA));
	if (reg == IDE_DATA)
		moved(c, width);
	else if (reg == IDE_STATUS)
		begin(c, (uint8_t)value);
	else
		c->reg[reg] = (uint8_t)value;
}

static const struct sip_model_ops ops = { .in = in, .out = out };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct device d;
	struct sip_pci_info *info = &d.bus.info;

	if (!size)
		return 0;
	choice = data[0];
	device_init(&d, &ide_driver_ops, &ops, data + 1, size - 1);
	d.bus.wants_low = true;
	info->class = 0x010180;
	info->irq = 14;
	if (!(choice & 4)) {
		info->bar[4].kind = SIP_BAR_IO;
		info->bar[4].base = MASTER_BASE;
		info->bar[4].size = CHANNELS * IDE_BM_PORTS;
	}
	memset(channels, 0, sizeof channels);
	for (unsigned i = 0; i < CHANNELS; i++)
		begin(&channels[i], 0);
	device_run(&d);
	return 0;
}
