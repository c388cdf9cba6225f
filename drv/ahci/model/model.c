/*
 * The model's registers and commands; see model.h.  It follows AHCI 1.3.1, section 5, as far as a
 * driver can see it.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../regs.h"
#include "command.h"
#include "os.h"

enum {
	TFD_READY = ATA_STATUS_DRDY | 0x10,
	TFD_NO_DEVICE = 0x7f,
	TFD_SPINS_UP = ATA_STATUS_BSY,
	SPEED_GEN3 = 3 << 4,
	ACTIVE_IPM = 1 << 8,
	SERR_CHANGED = 1 << 26 | 1 << 16,
	MODEL_SLOTS = 32,
	ABAR = 5,
	ABAR_SIZE = 0x1000,
};

/* --- interrupts and the link ----------------------------------------------------------------- */

/* One message for each bit that is set; what stands in IS already keeps quiet [10.7.2.1]. */
static void
update(struct model *m)
{
	uint32_t fresh;

	for (unsigned i = 0; i < MODEL_PORTS; i++)
		if (m->port[i].is & m->port[i].ie)
			m->is |= 1u << i;
	fresh = m->is & ~m->told;
	m->told = GHC_IE_get(m->ghc) ? m->is : 0;
	if (fresh && m->told)
		sip_model_interrupt(&m->bus, 0);
}

static void
link_down(struct model_port *p)
{
	p->runs |= p->hung && p->disk.stuck != MODEL_STOPS;
	p->ssts = 0;
	p->tfd = TFD_NO_DEVICE;
	p->sig = UINT32_MAX;
	p->hung = 0;
}

static void
link_up(struct model_port *p)
{
	if (!p->disk.present || p->disk.dead) {
		link_down(p);
		return;
	}
	p->ssts = DET_PRESENT | SPEED_GEN3 | ACTIVE_IPM;
	p->tfd = TFD_READY;
	p->sig = p->disk.signature ? p->disk.signature : SIGNATURE_ATA;
	p->halted = p->fatal = p->srst = p->disk.failed = false;
	p->hung = 0;
	p->disk.resets++;
}

/* Power for the disk's motor [10.1.1]; without staggered spin-up it has it always. */
static void
spin_up(struct model *m, struct model_port *p)
{
	unsigned spinning = 0;
	uint64_t now = os_time_ns();

	link_up(p);
	if (!p->ssts || !p->disk.spin_ms)
		return;
	p->tfd = TFD_SPINS_UP;
	p->ready_ns = now + p->disk.spin_ms * 1000000ull;
	for (unsigned i = 0; i < MODEL_PORTS; i++)
		spinning += m->port[i].ready_ns > now;
	if (spinning > m->most_spinning)
		m->most_spinning = spinning;
}

static void
link_changed(struct model_port *p)
{
	p->serr |= SERR_CHANGED;
	p->is |= IS_PRCS | IS_PCS;
}

static void
reset_all(struct model *m)
{
	m->ghc = GHC_AE_MASK;
	m->is = m->told = 0;
	m->bus.was_reset = true;
	for (unsigned i = 0; i < MODEL_PORTS; i++) {
		struct model_port *p = &m->port[i];
		struct model_port was = *p;

		*p = (struct model_port){ .disk = was.disk };
		if (was.runs && was.disk.stuck == MODEL_NEVER) {
			p->runs = true;
			p->hung_at = was.hung_at;
			p->cmd = CMD_CR_MASK;
		}
		if (!CAP_SSS_get(m->cap))
			link_up(p);
	}
}

/* --- what the device does --------------------------------------------------------------------- */

static const struct sip_model_fault *
find_fault(struct model *m, const struct model_decoded *c)
{
	struct sip_model_fault *f = NULL;

	while ((f = sip_model_next_fault(&m->bus, f)) != NULL) {
		if (f->opcode ? f->opcode != c->opcode : !c->has_data)
			continue;
		if (f->lba != UINT64_MAX && (f->lba < c->lba || f->lba >= c->lba + c->n))
			continue;
		f->times--;
		break;
	}
	return f;
}

static void
end_badly(struct model *m, struct model_port *p, uint32_t is, int error)
{
	p->fatal = is & IS_FATAL;
	p->tfd = TFD_READY | ATA_STATUS_ERR | (uint32_t)error << 8;
	p->is |= is;
	p->halted = true;
	update(m);
}

static void
end_well(struct model *m, struct model_port *p, uint32_t bit, bool queued, bool quietly)
{
	p->ci &= ~bit;
	p->sact &= ~bit;
	p->tfd = TFD_READY;
	if (!quietly) {
		p->is |= queued ? IS_SDBS : IS_DHRS;
		update(m);
	}
}

static void
check_mix(struct model *m, const struct model_port *p, const uint8_t *table, unsigned slot)
{
	uint32_t bit = 1u << slot;

	if (model_is_queued(table[2])) {
		if (!(p->sact & bit))
			sip_model_lint(&m->bus, "queued command without its SACT bit");
		if (table[12] >> 3 != slot)
			sip_model_lint(&m->bus, "tag is not the slot");
		if (slot >= p->disk.depth || !p->disk.ncq)
			sip_model_lint(&m->bus, "more queued commands than the disk takes");
		if (p->ci & ~p->sact)
			sip_model_lint(&m->bus, "queued and plain commands together");
	} else if ((p->ci | p->sact) & ~bit)
		sip_model_lint(&m->bus, "a plain command beside another");
}

/* A register FIS without the C bit: the control register alone [SATA 3.3, 11.4]. */
static void
control(struct model *m, struct model_port *p, const uint8_t *header, const uint8_t *table)
{
	bool set = table[15] & 4;

	if (p->ci != 1 || p->sact)
		sip_model_lint(&m->bus, "a software reset beside commands");
	if (set && (header[1] & 5) != 5)
		sip_model_lint(&m->bus, "SRST without R and C in the header");
	if (!set && !p->srst)
		sip_model_lint(&m->bus, "SRST was not set");
	p->ci = 0;
	p->srst = set;
	if (set)
		return;
	p->disk.soft_resets++;
	p->disk.failed = p->fatal = false;
	p->hung = 0;
	p->tfd = p->disk.soft_deaf || p->disk.dead ? TFD_SPINS_UP : TFD_READY;
	p->sig = p->disk.signature ? p->disk.signature : SIGNATURE_ATA;
}

static void
run_slot(struct model *m, struct model_port *p, unsigned slot)
{
	uint32_t bit = 1u << slot;
	uint8_t *header = sip_model_memory(
		&m->bus, ((uint64_t)p->clbu << 32 | p->clb) + slot * AHCI_HEADER_SIZE,
		AHCI_HEADER_SIZE);
	const struct sip_model_fault *f;
	struct model_command in = { .header = header, .fb = (uint64_t)p->fbu << 32 | p->fb };
	struct model_decoded c;
	uint8_t *table = NULL;
	uint64_t at = 0;

	if (header) {
		memcpy(&at, header + 8, 8);
		table = sip_model_memory(&m->bus, at, AHCI_TABLE_PRDT);
	}
	if (!table) {
		end_badly(m, p, IS_HBFS, 0);
		return;
	}
	in.table = table;
	if (!(table[1] & 0x80)) {
		control(m, p, header, table);
		return;
	}
	if (p->fatal)
		sip_model_lint(&m->bus, "a command before the reset that a fatal error needs");
	check_mix(m, p, table, slot);
	c = model_decode(table);
	f = find_fault(m, &c);
	if (f && f->kind == MODEL_HANG) {
		p->hung |= bit;
		memcpy(&p->hung_at, table + AHCI_TABLE_PRDT, 8);
		if (model_is_queued(c.opcode))
			p->ci &= ~bit;
	} else if (f && f->kind == MODEL_INTERFACE)
		end_badly(m, p, IS_IFS, 0);
	else if (f && f->kind == MODEL_FAIL_QUIETLY) {
		p->ci &= ~bit;
		p->tfd = TFD_READY | ATA_STATUS_ERR | (uint32_t)f->status << 8;
		p->halted = true;
	} else if (f && f->kind == MODEL_FAIL) {
		if (model_is_queued(c.opcode))
			model_fail_queued(&p->disk, slot, &c, (uint8_t)f->status);
		end_badly(m, p, IS_TFES, f->status);
	} else if (!model_carry_out(m, &p->disk, &in)) {
		if (model_is_queued(c.opcode) && !p->disk.failed)
			model_fail_queued(&p->disk, slot, &c, ATA_ERROR_ABRT);
		end_badly(m, p, IS_TFES,
			  ATA_ERROR_ABRT | (p->disk.packet ? p->disk.sense[0] << 4 : 0));
	} else
		end_well(m, p, bit, model_is_queued(c.opcode), f && f->kind == MODEL_NO_INTERRUPT);
}

/* One command of some port, queued ones in any order; false if there is none. */
static bool
step(void *device)
{
	struct model *m = device;
	bool more = false;

	if (m->frozen)
		return false;
	for (unsigned i = 0; i < MODEL_PORTS; i++) {
		struct model_port *p = &m->port[i];
		uint32_t todo = p->ci & ~p->hung;
		unsigned skip, n = (unsigned)__builtin_popcount(p->ci | p->sact);

		if (p->runs) {
			uint8_t *at = sip_model_memory(&m->bus, p->hung_at, 1);

			if (at)
				++*at;
			m->late_writes++;
			more = true;
		}
		if (!todo || p->halted || !CMD_ST_get(p->cmd) || !p->ssts)
			continue;
		if (n > p->disk.most_in_flight)
			p->disk.most_in_flight = n;
		skip = sip_model_random(&m->bus) % (unsigned)__builtin_popcount(todo);
		while (skip--)
			todo &= todo - 1;
		run_slot(m, p, (unsigned)__builtin_ctz(todo));
		return true;
	}
	return more;
}

/* --- registers ------------------------------------------------------------------------------- */

static void
write_cmd(struct model *m, struct model_port *p, uint32_t v)
{
	if (CMD_CLO_get(v)) {
		if (CMD_ST_get(v) || !CAP_SCLO_get(m->cap))
			sip_model_lint(&m->bus, "CLO that is not allowed");
		p->tfd &= ~(uint32_t)(ATA_STATUS_BSY | ATA_STATUS_DRQ);
		v = CMD_CLO_set(v, 0);
	}
	if (CMD_SUD_get(v) && !CMD_SUD_get(p->cmd) && CAP_SSS_get(m->cap) && !p->ssts)
		spin_up(m, p);
	if (CMD_ST_get(v) && !CMD_ST_get(p->cmd)) {
		p->halted = false;
		if (!CMD_FRE_get(p->cmd))
			sip_model_lint(&m->bus, "ST without FRE");
		if (p->tfd & (ATA_STATUS_BSY | ATA_STATUS_DRQ))
			sip_model_lint(&m->bus, "ST while the device is busy");
		if (p->runs)
			sip_model_lint(&m->bus, "ST while the engine runs");
	}
	if (!CMD_ST_get(v)) {
		p->runs |= p->hung && p->disk.stuck != MODEL_STOPS;
		sip_model_wake(&m->bus);
		if (p->hung) /* forgotten by the controller, not by the disk */
			p->fatal = true;
		p->ci = p->sact = p->hung = 0;
	}
	v = CMD_CR_set(v, CMD_ST_get(v) || p->runs);
	p->cmd = CMD_FR_set(v, CMD_FRE_get(v));
}

static void
write_sctl(struct model_port *p, uint32_t v)
{
	uint32_t was = SCTL_DET_get(p->sctl), is = SCTL_DET_get(v);

	p->sctl = v;
	if (is == SCTL_DET_RESET) {
		if (p->runs && p->disk.stuck == MODEL_UNTIL_COMRESET) {
			p->runs = false;
			p->cmd = CMD_CR_set(p->cmd, 0);
		}
		link_down(p);
		p->ci = p->sact = 0;
	} else if (was == SCTL_DET_RESET) {
		link_up(p);
		link_changed(p);
	}
}

static void
write_port(struct model *m, struct model_port *p, unsigned off, uint32_t v)
{
	switch (off) {
	case PORT_CLB: p->clb = v; break;
	case PORT_CLBU: p->clbu = v; break;
	case PORT_FB: p->fb = v; break;
	case PORT_FBU: p->fbu = v; break;
	case PORT_IS:
		p->is &= ~v;
		if (p->serr & SERR_CHANGED) /* which they only mirror [3.3.5] */
			p->is |= v & (IS_PRCS | IS_PCS);
		break;
	case PORT_IE: p->ie = v; break;
	case PORT_CMD: write_cmd(m, p, v); break;
	case PORT_SCTL: write_sctl(p, v); break;
	case PORT_SERR:
		p->serr &= ~v;
		if (!(p->serr & SERR_CHANGED))
			p->is &= ~(uint32_t)(IS_PRCS | IS_PCS);
		break;
	case PORT_SACT: p->sact |= v; break;
	case PORT_CI:
		if (!CMD_ST_get(p->cmd))
			sip_model_lint(&m->bus, "CI without ST");
		if (!m->bus.bus_master)
			sip_model_lint(&m->bus, "CI with bus mastering off");
		if (v & p->ci)
			sip_model_lint(&m->bus, "CI bit set twice");
		p->ci |= v;
		sip_model_wake(&m->bus);
		break;
	}
}

static uint32_t
read_port(struct model_port *p, unsigned off)
{
	switch (off) {
	case PORT_CLB: return p->clb;
	case PORT_CLBU: return p->clbu;
	case PORT_FB: return p->fb;
	case PORT_FBU: return p->fbu;
	case PORT_IS: return p->is;
	case PORT_IE: return p->ie;
	case PORT_CMD: return p->cmd;
	case PORT_TFD:
		if (p->ready_ns && os_time_ns() >= p->ready_ns) {
			p->ready_ns = 0;
			p->tfd = TFD_READY;
		}
		return p->tfd;
	case PORT_SIG: return p->sig;
	case PORT_SSTS: return p->ssts;
	case PORT_SCTL: return p->sctl;
	case PORT_SERR: return p->serr;
	case PORT_SACT: return p->sact;
	case PORT_CI: return p->ci;
	}
	return 0;
}

static uint64_t
read_register(void *device, unsigned bar, uint64_t off, unsigned width)
{
	struct model *m = device;

	if (bar != ABAR || width != 4)
		sip_model_lint(&m->bus, "not a 32-bit access to ABAR");
	if (off >= HBA_PORTS + MODEL_PORTS * HBA_PORT_SIZE)
		sip_model_lint(&m->bus, "access outside of the registers");
	else if (off >= HBA_PORTS)
		return read_port(&m->port[(off - HBA_PORTS) / HBA_PORT_SIZE], off % HBA_PORT_SIZE);
	switch (off) {
	case HBA_CAP: return m->cap;
	case HBA_GHC: return m->ghc;
	case HBA_IS: return m->is;
	case HBA_PI: return m->pi;
	}
	return 0;
}

static void
write_register(void *device, unsigned bar, uint64_t off, unsigned width, uint64_t value)
{
	struct model *m = device;
	uint32_t v = (uint32_t)value;

	if (m->before_write && off >= HBA_PORTS)
		m->before_write(m, (unsigned)(off - HBA_PORTS) / HBA_PORT_SIZE, off % HBA_PORT_SIZE,
				v);
	if (bar != ABAR || width != 4)
		sip_model_lint(&m->bus, "not a 32-bit access to ABAR");
	if (off >= HBA_PORTS + MODEL_PORTS * HBA_PORT_SIZE)
		sip_model_lint(&m->bus, "access outside of the registers");
	else if (off >= HBA_PORTS)
		write_port(m, &m->port[(off - HBA_PORTS) / HBA_PORT_SIZE], off % HBA_PORT_SIZE, v);
	else if (off == HBA_GHC && GHC_HR_get(v))
		reset_all(m);
	else if (off == HBA_GHC)
		m->ghc = v;
	else if (off == HBA_IS)
		m->is &= ~v, m->told &= ~v;
	if (off == HBA_GHC || off == HBA_IS || off % HBA_PORT_SIZE == PORT_IE ||
	    off % HBA_PORT_SIZE == PORT_SCTL)
		update(m);
}

static const struct sip_model_ops ops = {
	.read = read_register,
	.write = write_register,
	.step = step,
};

/* --- what a test does ------------------------------------------------------------------------ */

void
model_disk_make(struct model *m, unsigned port, uint64_t nsectors, uint32_t secsize, bool ncq)
{
	struct model_disk *d = &m->port[port].disk;

	pthread_mutex_lock(&m->bus.lock);
	free(d->data);
	*d = (struct model_disk){ .present = true,
				  .ncq = ncq,
				  .lba48 = true,
				  .trim = true,
				  .trim_blocks = 1,
				  .logs = ncq,
				  .depth = ncq ? 32 : 1,
				  .nsectors = nsectors,
				  .secsize = secsize };
	d->data = calloc(nsectors, secsize);
	snprintf(d->serial, sizeof d->serial, "SN%u", port);
	pthread_mutex_unlock(&m->bus.lock);
}

void
model_plug_locked(struct model *m, unsigned port)
{
	struct model_port *p = &m->port[port];

	p->disk.present = true;
	link_up(p);
	link_changed(p);
	update(m);
}

void
model_plug(struct model *m, unsigned port, const char *serial)
{
	struct model_port *p = &m->port[port];

	pthread_mutex_lock(&m->bus.lock);
	snprintf(p->disk.serial, sizeof p->disk.serial, "%s", serial);
	model_plug_locked(m, port);
	pthread_mutex_unlock(&m->bus.lock);
}

void
model_pull_locked(struct model *m, unsigned port)
{
	struct model_port *p = &m->port[port];

	p->disk.present = false;
	link_down(p);
	link_changed(p);
	update(m);
}

void
model_unplug(struct model *m, unsigned port)
{
	pthread_mutex_lock(&m->bus.lock);
	model_pull_locked(m, port);
	pthread_mutex_unlock(&m->bus.lock);
}

void
model_drive_make(struct model *m, unsigned port, uint64_t nblocks)
{
	model_disk_make(m, port, nblocks, 2048, false);
	pthread_mutex_lock(&m->bus.lock);
	m->port[port].disk.packet = m->port[port].disk.medium = true;
	m->port[port].disk.signature = (uint32_t)SIGNATURE_ATAPI;
	pthread_mutex_unlock(&m->bus.lock);
}

void
model_freeze(struct model *m, bool frozen)
{
	pthread_mutex_lock(&m->bus.lock);
	m->frozen = frozen;
	sip_model_wake(&m->bus);
	pthread_mutex_unlock(&m->bus.lock);
}

void
model_init(struct model *m)
{
	struct sip_pci_info *info = &m->bus.info;

	memset(m, 0, sizeof *m);
	sip_model_init(&m->bus, &ops, m);
	info->class = 0x010601;
	info->vendor = 0x8086;
	info->device = 0x2922;
	info->bar[ABAR].kind = SIP_BAR_MEM;
	info->bar[ABAR].base = 0xfebf1000;
	info->bar[ABAR].size = ABAR_SIZE;
	info->irq = 10;
	info->msi = 1;
	m->cap = CAP_NP_set(0, MODEL_PORTS - 1) | CAP_NCS_set(0, MODEL_SLOTS - 1) | CAP_SNCQ_MASK |
		 CAP_S64A_MASK;
	m->pi = (1u << MODEL_PORTS) - 1;
}

void
model_fini(struct model *m)
{
	for (unsigned i = 0; i < MODEL_PORTS; i++)
		free(m->port[i].disk.data);
	sip_model_fini(&m->bus);
}
