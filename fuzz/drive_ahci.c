/*
 * The AHCI driver on a controller, and devices behind it, that say anything.
 *
 * The controller is well made [AHCI 1.3.1]: it is reset, its links come up, commands are fetched
 * and carried out.  Then each register that is read may say another thing, and each byte of a page,
 * of the received FISes, of a header's count of bytes; a command may hang or fail, a device may go,
 * or be another one when it comes again, a reset may not end, an engine may not stop, and the whole
 * may be pulled out.  The input:
 *
 *	1 byte	what it is: enum choice
 *	1 byte	CAP.NCS, 5 bits
 *	1 byte	what it always does wrong: enum habit
 *	then	lies (fuzz/device/device.c:device_lie), a fate for each command and each link (enum
 *		fate, enum link), in between what the driver is asked
 *
 * What the driver may not do with its memory is noticed by the bus: each list, table, piece and
 * area of FISes is looked for there.  A lie does not hide an engine that runs, nor CAP, which says
 * what memory to use: of those there is no other sign.  And what it says has ended is over: no
 * command that has ended reaches its data.
 */
#include "device/device.h"
#include "drv/ahci/ahci.h"
#include "lib/ata/testing/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	ABAR = 5,
	PORTS = 4, /* that have registers; the first two may have devices */
	BAR_SIZE = HBA_PORTS + PORTS * HBA_PORT_SIZE,
	SECTORS = 4000,
	AWAY_STEPS = 8,
	LINK_UP = 0x123, /* PxSSTS: active, the second speed, a device */
	LOG_LIES = 16,
	FIS_C = 0x80, /* a command, not the control register [SATA 3.3, 10.5.5] */
};

enum choice {
	OPTICAL = 1, /* port 0 has an optical drive */
	TWO = 2,     /* port 1 has a disk */
	LINE = 4,    /* no messages */
	QUEUED = 8,
	STAGGERED = 16,
	LOW = 32, /* addresses of 32 bits */
	OVERRIDE = 64,
	BIOS = 128,
};

enum habit {
	STICKS = 1,       /* an engine does not stop for ST */
	STICKS_LINK = 2,  /* nor for COMRESET */
	STICKS_RESET = 4, /* nor for the controller's reset */
	HANGS_ALL = 8,    /* reads and writes do not end */
};

enum fate { /* of a command; the others are good too */
	    GOOD,
	    HANGS,
	    GOES,
	    ANOTHER,
	    FAILS,
	    BREAKS,
	    PULLED, /* the controller: registers read as ones */
	    DEAF,   /* or as zeros, as where memory is not decoded any more */
	    FATES = 16,
};

enum link { /* that comes up; the others are good too */
	    LINK_GOOD,
	    LINK_NONE,
	    LINK_SEEN, /* it does not understand */
	    LINK_BUSY, /* its first FIS does not come */
	    LINKS = 16,
};

static struct port {
	bool stuck;    /* its engine does not stop */
	bool halted;   /* an error: the engine does nothing [6.2.2] */
	unsigned away; /* steps until its device comes again */
	uint8_t serial, failed;
} ports[PORTS];

static unsigned choice, habit;
static bool deaf;

/* --- registers ------------------------------------------------------------------------------- */

static uint64_t
at(unsigned i, enum port_reg r)
{
	return HBA_PORTS + i * HBA_PORT_SIZE + r;
}

static uint32_t
get(const struct device *d, unsigned i, enum port_reg r)
{
	return (uint32_t)device_get(d, ABAR, at(i, r), 4);
}

static void
put(struct device *d, unsigned i, enum port_reg r, uint32_t v)
{
	device_put(d, ABAR, at(i, r), 4, v);
}

static uint64_t
get_address(const struct device *d, unsigned i, enum port_reg low)
{
	return device_get(d, ABAR, at(i, low), 8);
}

static void
set_bits(struct device *d, unsigned i, enum port_reg r, uint32_t bits)
{
	put(d, i, r, get(d, i, r) | bits);
}

static bool
is_packet(unsigned i)
{
	return !i && choice & OPTICAL;
}

static bool
is_there(unsigned i)
{
	return (!i || (i == 1 && choice & TWO)) && !ports[i].away;
}

static void
tell(struct device *d, unsigned i, uint32_t is)
{
	set_bits(d, i, PORT_IS, is);
	device_put(d, ABAR, HBA_IS, 4, device_get(d, ABAR, HBA_IS, 4) | 1u << i);
}

static void
link_down(struct device *d, unsigned i)
{
	put(d, i, PORT_SSTS, 0);
	put(d, i, PORT_TFD, 0x7f);
	set_bits(d, i, PORT_SERR, SERR_N_MASK);
	tell(d, i, IS_PRCS);
}

static void
link_up(struct device *d, unsigned i)
{
	enum link how = LINK_NONE;

	if (is_there(i))
		how = device_byte(d) % LINKS;
	if (how == LINK_NONE)
		return;
	put(d, i, PORT_SSTS, how == LINK_SEEN ? DET_SEEN : LINK_UP);
	put(d, i, PORT_TFD, how == LINK_BUSY ? ATA_STATUS_BSY : ATA_STATUS_DRDY);
	put(d, i, PORT_SIG, is_packet(i) ? (uint32_t)SIGNATURE_ATAPI : SIGNATURE_ATA);
	set_bits(d, i, PORT_SERR, SERR_N_MASK | SERR_X_MASK);
	tell(d, i, IS_PCS | IS_PRCS);
}

/* [10.4.3]: where the port's memory is stays. */
static void
reset(struct device *d)
{
	bool over = device_byte(d) % 16 != 1;

	device_put(d, ABAR, HBA_GHC, 4, GHC_AE_MASK | (over ? 0 : GHC_HR_MASK));
	device_put(d, ABAR, HBA_IS, 4, 0);
	for (unsigned i = 0; i < PORTS; i++) {
		ports[i].stuck = ports[i].stuck && habit & STICKS_RESET;
		ports[i].halted = false;
		if (!ports[i].stuck)
			put(d, i, PORT_CMD, 0);
		for (unsigned r = PORT_IS; r <= PORT_CI; r += 4)
			if (r != PORT_CMD)
				put(d, i, r, 0);
		put(d, i, PORT_TFD, 0x7f);
		if (!(choice & STAGGERED))
			link_up(d, i);
	}
}

static void
stop(struct device *d, unsigned i)
{
	ports[i].halted = ports[i].stuck = false;
	put(d, i, PORT_CI, 0);
	put(d, i, PORT_SACT, 0);
}

/* [3.3.7, 10.3.1]: ST only with FRE; ICC and CLO are carried out at once. */
static void
write_command(struct device *d, unsigned i, uint32_t v)
{
	uint32_t was = get(d, i, PORT_CMD);

	device_check(!CMD_ST_get(v) || CMD_FRE_get(v));
	if (CMD_CLO_get(v))
		put(d, i, PORT_TFD, get(d, i, PORT_TFD) & ~(ATA_STATUS_BSY | ATA_STATUS_DRQ));
	v &= CMD_ST_MASK | CMD_FRE_MASK | CMD_SUD_MASK | CMD_POD_MASK;
	if (CMD_CR_get(was) && !CMD_ST_get(v) && !ports[i].stuck)
		ports[i].stuck = habit & STICKS;
	if (CMD_ST_get(v) || ports[i].stuck)
		v |= CMD_CR_MASK;
	else
		stop(d, i);
	if (CMD_FRE_get(v) || ports[i].stuck)
		v |= CMD_FR_MASK;
	put(d, i, PORT_CMD, v);
	if (choice & STAGGERED && CMD_SUD_get(v) && !CMD_SUD_get(was))
		link_up(d, i);
}

/* COMRESET, and its end [10.4.2]. */
static void
write_control(struct device *d, unsigned i, uint32_t v)
{
	bool was = SCTL_DET_get(get(d, i, PORT_SCTL)) == SCTL_DET_RESET;

	put(d, i, PORT_SCTL, v);
	if (SCTL_DET_get(v) == SCTL_DET_RESET) {
		put(d, i, PORT_SSTS, 0);
		if (ports[i].stuck && !(habit & STICKS_LINK)) {
			stop(d, i);
			put(d, i, PORT_CMD, get(d, i, PORT_CMD) & ~CMD_CR_MASK);
		}
	} else if (was)
		link_up(d, i);
}

static void
write_port(struct device *d, unsigned i, unsigned r, uint32_t v)
{
	switch (r) {
	case PORT_CLB:
	case PORT_CLBU:
	case PORT_FB:
	case PORT_FBU:
	case PORT_IE: put(d, i, r, v); break;
	case PORT_IS:
	case PORT_SERR: put(d, i, r, get(d, i, r) & ~v); break;
	case PORT_CMD: write_command(d, i, v); break;
	case PORT_SCTL: write_control(d, i, v); break;
	case PORT_SACT:
	case PORT_CI:
		if (CMD_ST_get(get(d, i, PORT_CMD)))
			set_bits(d, i, r, v);
		break;
	default: device_check(false); /* it cannot be written */
	}
}

static void
write_register(void *device, unsigned bar, uint64_t off, unsigned width, uint64_t value)
{
	struct device *d = device;
	uint32_t v = (uint32_t)value;

	(void)bar;
	device_check(width == 4);
	if (deaf)
		return;
	if (off >= HBA_PORTS) {
		write_port(d, (unsigned)(off - HBA_PORTS) / HBA_PORT_SIZE, off % HBA_PORT_SIZE, v);
		return;
	}
	switch (off) {
	case HBA_GHC:
		device_check(GHC_AE_get(v));
		if (GHC_HR_get(v))
			reset(d);
		else
			device_put(d, ABAR, off, 4, v);
		break;
	case HBA_IS: device_put(d, ABAR, off, 4, device_get(d, ABAR, off, 4) & ~v); break;
	case HBA_BOHC: device_put(d, ABAR, off, 4, v & ~(uint32_t)BOHC_BOS_MASK); break;
	default: device_check(false);
	}
}

/* What it says has ended is not carried out any more, as its memory is others' from then on. */
static void
forget(struct device *d, unsigned i, uint32_t slots)
{
	put(d, i, PORT_CI, get(d, i, PORT_CI) & ~slots);
	put(d, i, PORT_SACT, get(d, i, PORT_SACT) & ~slots);
}

static uint64_t
read_register(void *device, unsigned bar, uint64_t off, unsigned width)
{
	struct device *d = device;
	uint64_t value = device_get(d, bar, off, width), lie;
	unsigned port;

	device_check(width == 4);
	if (deaf)
		return 0;
	if (off == HBA_CAP)
		return value;
	lie = device_lie(d, value, width);
	if (off < HBA_PORTS)
		return lie;
	port = (unsigned)(off - HBA_PORTS) / HBA_PORT_SIZE;
	switch (off % HBA_PORT_SIZE) {
	case PORT_CMD: return lie | (value & CMD_CR_MASK);
	case PORT_CI:
	case PORT_SACT: forget(d, port, (uint32_t)(value & ~lie)); break;
	}
	return lie;
}

/* --- commands -------------------------------------------------------------------------------- */

struct command {
	unsigned port, slot, nprds;
	uint8_t *header, *table;
	uint32_t moved;
};

static uint64_t
get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

/* Every list, table and piece of data is the driver's [4.2.2, 4.2.3]. */
static void
fetch(struct device *d, struct command *c)
{
	uint64_t table;

	c->header = device_memory(d, get_address(d, c->port, PORT_CLB) + c->slot * AHCI_HEADER_SIZE,
				  AHCI_HEADER_SIZE);
	device_check((c->header[0] & 31) == ATA_FIS_H2D_SIZE / 4);
	c->nprds = c->header[2] | (unsigned)c->header[3] << 8;
	table = get64(c->header + 8);
	device_check(table % 128 == 0);
	c->table = device_memory(d, table, AHCI_TABLE_PRDT + c->nprds * (size_t)AHCI_PRD_SIZE);
	device_check(c->table[0] == ATA_FIS_H2D);
	for (unsigned i = 0; i < c->nprds; i++) {
		const uint8_t *prd = c->table + AHCI_TABLE_PRDT + i * AHCI_PRD_SIZE;
		uint32_t count = (uint32_t)(get64(prd + 8) >> 32) & 0x3fffff;

		device_check(count & 1 && get64(prd) % 2 == 0);
		device_data(d, get64(prd), count + 1);
	}
}

/* As much as there is room for. */
static void
answer(struct device *d, struct command *c, const uint8_t *page, size_t n)
{
	for (unsigned i = 0; i < c->nprds && n; i++) {
		const uint8_t *prd = c->table + AHCI_TABLE_PRDT + i * AHCI_PRD_SIZE;
		size_t part = ((uint32_t)(get64(prd + 8) >> 32) & 0x3fffff) + 1;

		if (part > n)
			part = n;
		memcpy(device_data(d, get64(prd), part), page, part);
		page += part;
		n -= part;
		c->moved += (uint32_t)part;
	}
}

static void
identify(struct device *d, struct command *c)
{
	uint8_t page[ATA_IDENTIFY_SIZE];

	ata_page_identify(page, is_packet(c->port), SECTORS);
	ata_page_put(page, 10, 0x4100u + ports[c->port].serial);
	if (choice & QUEUED && !is_packet(c->port)) {
		ata_page_put(page, 75, 31);
		ata_page_put(page, 76, 0x10e);
		ata_page_put(page, 84, 0x4060);
		ata_page_put(page, 105, 1);
		ata_page_put(page, 169, 1);
	}
	for (unsigned w = 0; w < ATA_IDENTIFY_SIZE / 2; w++)
		ata_page_put(page, w,
			     (unsigned)device_lie(d, page[2 * w] | page[2 * w + 1] << 8, 2));
	answer(d, c, page, sizeof page);
}

/* The log of the queued command that failed, and SMART's pages [ACS-4, 9.13; SATA 3.3, 13.7]. */
static void
log_page(struct device *d, struct command *c)
{
	uint8_t page[ATA_PAGE_SIZE] = { 0 };

	if (c->table[2] == ATA_READ_LOG_EXT) {
		page[0] = ports[c->port].failed;
		page[2] = ATA_STATUS_DRDY | ATA_STATUS_ERR;
		page[3] = ATA_ERROR_UNC;
	} else
		memcpy(page + 2, "\x05\0\0\x64\x24\x07", 6);
	for (unsigned i = 0; i < LOG_LIES; i++)
		page[i] = (uint8_t)device_lie(d, page[i], 1);
	ata_page_seal(page);
	page[ATA_PAGE_SIZE - 1] = (uint8_t)device_lie(d, page[ATA_PAGE_SIZE - 1], 1);
	answer(d, c, page, sizeof page);
}

/* What a drive with a small disc answers [MMC-6, SPC-4]. */
static void
packet(struct device *d, struct command *c)
{
	const uint8_t *cdb = c->table + AHCI_TABLE_ACMD;
	uint8_t data[64] = { 0 };
	size_t n = sizeof data;

	device_check(c->header[0] & AHCI_HEADER_ATAPI);
	switch (cdb[0]) {
	case 0x03: data[0] = 0x70, data[2] = 2, data[7] = 10, data[12] = 0x3a, n = 18; break;
	case 0x12: data[0] = 5, data[1] = 0x80, data[3] = 2, data[4] = 31, n = 36; break;
	case 0x25: data[2] = 1, data[6] = 8, n = 8; break;
	default: break;
	}
	for (unsigned i = 0; i < n; i++)
		data[i] = (uint8_t)device_lie(d, data[i], 1);
	answer(d, c, data, n);
}

static void
carry_out(struct device *d, struct command *c)
{
	switch (c->table[2]) {
	case ATA_IDENTIFY:
	case ATA_IDENTIFY_PACKET: identify(d, c); break;
	case ATA_READ_LOG_EXT:
	case ATA_SMART: log_page(d, c); break;
	case ATA_PACKET: packet(d, c); break;
	default: break;
	}
}

static bool
is_queued(const struct command *c)
{
	return c->table[2] == ATA_READ_FPDMA || c->table[2] == ATA_WRITE_FPDMA;
}

static bool
is_data(const struct command *c)
{
	return is_queued(c) || c->table[2] == ATA_READ_DMA || c->table[2] == ATA_WRITE_DMA ||
	       c->table[2] == ATA_READ_DMA_EXT || c->table[2] == ATA_WRITE_DMA_EXT;
}

/* FISes come in as they like [4.2.1]. */
static void
receive(struct device *d, const struct command *c, uint8_t status, uint8_t error)
{
	uint8_t *area = device_memory(d, get_address(d, c->port, PORT_FB), AHCI_FIS_AREA);
	uint8_t d2h[ATA_FIS_D2H_SIZE] = { ATA_FIS_D2H, 0x40, status, error, 0, 0x4f, 0xc2 };

	for (unsigned i = 0; i < sizeof d2h; i++)
		area[AHCI_RFIS_D2H + i] = (uint8_t)device_lie(d, d2h[i], 1);
	area[AHCI_RFIS_SET_BITS] = (uint8_t)device_lie(d, ATA_FIS_SET_BITS, 1);
	area[AHCI_RFIS_SET_BITS + 4] = (uint8_t)device_lie(d, 1u << c->slot % 8, 1);
}

static void
end(struct device *d, struct command *c, bool good)
{
	uint8_t status = ATA_STATUS_DRDY | (good ? 0 : ATA_STATUS_ERR);
	uint8_t error = good ? 0 : (uint8_t)device_lie(d, ATA_ERROR_UNC, 1);
	uint32_t moved = (uint32_t)device_lie(d, c->moved, 4);

	memcpy(c->header + 4, &moved, sizeof moved);
	if (CMD_FR_get(get(d, c->port, PORT_CMD)))
		receive(d, c, status, error);
	put(d, c->port, PORT_TFD, status | (uint32_t)error << 8);
	tell(d, c->port, good ? is_queued(c) ? IS_SDBS : IS_DHRS : IS_TFES);
	if (!good) {
		ports[c->port].failed = (uint8_t)c->slot;
		ports[c->port].halted = true;
		return;
	}
	forget(d, c->port, 1u << c->slot);
}

static void
go(struct device *d, unsigned i)
{
	ports[i].away = AWAY_STEPS;
	ports[i].serial++;
	link_down(d, i);
}

static void
command(struct device *d, struct command *c)
{
	fetch(d, c);
	if (!(c->table[1] & FIS_C)) { /* of a software reset */
		end(d, c, true);
		return;
	}
	if (habit & HANGS_ALL && is_data(c))
		return;
	switch ((enum fate)(device_byte(d) % FATES)) {
	case HANGS: break;
	case GOES: go(d, c->port); break;
	case ANOTHER:
		ports[c->port].serial++;
		link_down(d, c->port);
		link_up(d, c->port);
		break;
	case FAILS: end(d, c, false); break;
	case BREAKS:
		ports[c->port].halted = true;
		tell(d, c->port, 1u << (24 + device_byte(d) % 6));
		break;
	case PULLED: d->bus.gone = true; break;
	case DEAF: deaf = true; break;
	default:
		carry_out(d, c);
		end(d, c, true);
		break;
	}
}

/* An engine that runs has its list and its area of FISes, even if there is no command. */
static void
work(struct device *d, unsigned i)
{
	uint32_t ci = get(d, i, PORT_CI);

	device_memory(d, get_address(d, i, PORT_CLB), AHCI_LIST_SIZE);
	device_memory(d, get_address(d, i, PORT_FB), AHCI_FIS_AREA);
	for (unsigned slot = 0; slot < 32 && is_there(i); slot++)
		if (ci >> slot & 1 && !ports[i].halted && !deaf && !d->bus.gone) {
			struct command c = { .port = i, .slot = slot };

			command(d, &c);
		}
}

static bool
step(void *device)
{
	struct device *d = device;

	for (unsigned i = 0; i < PORTS && !deaf; i++) {
		if (ports[i].away && !--ports[i].away)
			link_up(d, i);
		if (CMD_CR_get(get(d, i, PORT_CMD)))
			work(d, i);
	}
	return false;
}

static const struct sip_model_ops ops = {
	.read = read_register,
	.write = write_register,
	.step = step,
};

/* --- the function ---------------------------------------------------------------------------- */

/* As firmware leaves it: spun up, with links. */
static void
begin(struct device *d, unsigned nslots)
{
	uint32_t cap = (PORTS - 1) | (nslots - 1) << 8;

	cap |= choice & QUEUED ? CAP_SNCQ_MASK : 0;
	cap |= choice & STAGGERED ? CAP_SSS_MASK : 0;
	cap |= choice & LOW ? 0 : CAP_S64A_MASK;
	cap |= choice & OVERRIDE ? CAP_SCLO_MASK : 0;
	device_put(d, ABAR, HBA_CAP, 4, cap);
	device_put(d, ABAR, HBA_PI, 4, (1 << PORTS) - 1);
	device_put(d, ABAR, HBA_VS, 4, 0x10300);
	if (choice & BIOS) {
		device_put(d, ABAR, HBA_CAP2, 4, CAP2_BOH_MASK);
		device_put(d, ABAR, HBA_BOHC, 4, BOHC_BOS_MASK);
	}
	for (unsigned i = 0; i < PORTS; i++) {
		put(d, i, PORT_CMD, CMD_SUD_MASK | CMD_POD_MASK);
		link_up(d, i);
		put(d, i, PORT_SERR, 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t bar[BAR_SIZE];
	struct device d;
	struct sip_pci_info *info = &d.bus.info;

	if (size < 3)
		return 0;
	choice = data[0];
	habit = data[2];
	device_init(&d, &ahci_driver_ops, &ops, data + 3, size - 3);
	d.bus.wants_low = choice & LOW;
	info->class = 0x010601;
	info->irq = 10;
	info->msi = choice & LINE ? 0 : 1;
	info->bar[ABAR].kind = SIP_BAR_MEM;
	info->bar[ABAR].base = 0xfe000000;
	info->bar[ABAR].size = BAR_SIZE;
	memset(bar, 0, sizeof bar);
	d.bar[ABAR] = bar;
	memset(ports, 0, sizeof ports);
	deaf = false;
	begin(&d, data[1] % 32 + 1);
	device_run(&d);
	return 0;
}
