/*
 * The model's ports and bus master; its drives' commands are in drive.c.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "drive.h"

enum { FLOATING = 0xff };

static bool
is_native(const struct model *m, unsigned channel)
{
	return m->native >> channel & 1;
}

static void
raise_line(struct model *m, struct model_channel *c)
{
	unsigned i = (unsigned)(c - m->channel);

	c->line = true;
	sip_model_raise(&m->bus, is_native(m, i) ? MODEL_LINE
				 : i             ? IDE_LEGACY_LINE_1
						 : IDE_LEGACY_LINE_0);
}

void
model_stray_interrupt(struct model *m, int channel)
{
	pthread_mutex_lock(&m->bus.lock);
	if (channel >= 0)
		raise_line(m, &m->channel[channel]);
	else
		sip_model_raise(&m->bus, m->native ? MODEL_LINE : IDE_LEGACY_LINE_0);
	pthread_mutex_unlock(&m->bus.lock);
}

void
model_interrupt(struct model *m, struct model_channel *c)
{
	struct model_drive *d = &c->drive[c->selected];

	if (c->control & IDE_CONTROL_NO_INTERRUPTS)
		return;
	if (d->lose_interrupt) {
		d->lose_interrupt--;
		return;
	}
	c->bm_status |= IDE_BM_INTERRUPT;
	raise_line(m, c);
}

/* --- the bus master -------------------------------------------------------------------------- */

/* Moves `size` bytes between the drive's buffer and memory: false, if the table is too short. */
static bool
move(struct model *m, struct model_channel *c, struct model_drive *d)
{
	struct sip_model_data data = { d->buffer, d->size, !d->out };
	uint32_t entry[2];

	for (unsigned i = 0; i < IDE_PRDS && data.left; i++) {
		uint8_t *prd = sip_model_memory(&m->bus, c->bm_table + 8 * (uint64_t)i, 8);
		uint32_t n;

		if (!prd)
			return false;
		memcpy(entry, prd, sizeof entry);
		n = entry[1] & 0xffff ? entry[1] & 0xffff : 0x10000;
		if ((entry[0] & 0xffff) + n > 0x10000)
			sip_model_lint(&m->bus, "an entry crosses 64 KiB");
		if (!sip_model_move(&m->bus, &data, entry[0], n))
			return false;
		if (entry[1] >> 31)
			break;
	}
	return !data.left;
}

void
model_try_dma(struct model *m, struct model_channel *c)
{
	struct model_drive *d = &c->drive[c->selected];

	if (!(c->bm_command & IDE_BM_START) || !d->dma_wanted)
		return;
	if (!m->bus.bus_master)
		sip_model_lint(&m->bus, "DMA without bus mastering");
	if (!(c->bm_command & IDE_BM_TO_MEMORY) != d->out)
		sip_model_lint(&m->bus, "the bus master goes the wrong way");
	d->dma_wanted = false;
	c->bm_status &= (uint8_t)~IDE_BM_ACTIVE;
	if (d->dma_error) {
		d->dma_error--;
		c->bm_status |= IDE_BM_ERROR;
	} else if (!move(m, c, d))
		c->bm_status |= IDE_BM_ERROR;
	model_transferred(m, c, d);
}

static void
master_out(struct model *m, struct model_channel *c, unsigned reg, uint32_t v)
{
	if (reg == IDE_BM_COMMAND) {
		if (v & IDE_BM_START && !(c->bm_command & IDE_BM_START))
			c->bm_status |= IDE_BM_ACTIVE;
		if (!(v & IDE_BM_START)) { /* nothing reaches memory any more [BM IDE 1.0, 3.1] */
			c->bm_status &= (uint8_t)~IDE_BM_ACTIVE;
			c->stopped = true;
			m->bus.was_reset = m->channel[0].stopped && m->channel[1].stopped;
		}
		c->bm_command = (uint8_t)v;
		model_try_dma(m, c);
	} else if (reg == IDE_BM_STATUS)
		c->bm_status &= (uint8_t) ~(v & (IDE_BM_ERROR | IDE_BM_INTERRUPT));
	else if (reg == IDE_BM_TABLE)
		c->bm_table = v;
}

/* --- ports ----------------------------------------------------------------------------------- */

struct place {
	struct model_channel *c;
	enum { COMMAND, CONTROL, MASTER } block;
	unsigned reg;
};

static bool
find(struct model *m, uint16_t port, struct place *out)
{
	const uint16_t cmd[2] = { is_native(m, 0) ? MODEL_CMD_0 : IDE_LEGACY_COMMAND_0,
				  is_native(m, 1) ? MODEL_CMD_1 : IDE_LEGACY_COMMAND_1 };
	const uint16_t ctl[2] = { is_native(m, 0) ? MODEL_CTL_0 + 2 : IDE_LEGACY_CONTROL_0,
				  is_native(m, 1) ? MODEL_CTL_1 + 2 : IDE_LEGACY_CONTROL_1 };

	for (unsigned i = 0; i < IDE_CHANNELS; i++) {
		unsigned master = MODEL_MASTER + IDE_BM_PORTS * i;

		out->c = &m->channel[i];
		if (port >= cmd[i] && port < cmd[i] + IDE_COMMAND_PORTS) {
			out->block = COMMAND;
			out->reg = port - cmd[i];
			return true;
		}
		if (port == ctl[i]) {
			out->block = CONTROL;
			out->reg = 0;
			return true;
		}
		if (port >= master && port < master + IDE_BM_PORTS) {
			out->block = MASTER;
			out->reg = port - master;
			return true;
		}
	}
	sip_model_lint(&m->bus, "a port that is not the function's");
	return false;
}

static uint32_t
read_port(struct model *m, struct place *p, unsigned width)
{
	struct model_channel *c = p->c;

	if (p->block == MASTER)
		return p->reg == IDE_BM_STATUS    ? c->bm_status
		       : p->reg == IDE_BM_COMMAND ? c->bm_command
						  : c->bm_table;
	if (!c->drive[0].kind && !c->drive[1].kind)
		return FLOATING;
	if (!c->drive[c->selected].kind)
		return 0;
	if (p->block == CONTROL && m->stops) {
		usleep(MODEL_STOP_US);
		m->stops--;
		return ATA_STATUS_BSY;
	}
	if (p->block == CONTROL)
		return c->drive[c->selected].status;
	if (p->reg == IDE_STATUS)
		c->line = false;
	return model_drive_in(m, c, p->reg, width);
}

static uint32_t
model_in(void *device, uint16_t port, unsigned width)
{
	struct model *m = device;
	struct place p;
	uint32_t v = UINT32_MAX;

	if (find(m, port, &p))
		v = read_port(m, &p, width);
	if (m->nonsense && sip_model_random(&m->bus) & 1)
		v = sip_model_random(&m->bus) << 16 | sip_model_random(&m->bus);
	return v;
}

static void
write_control(struct model_channel *c, uint8_t v)
{
	for (unsigned i = 0; i < IDE_DRIVES; i++)
		if (c->control & IDE_CONTROL_RESET && !(v & IDE_CONTROL_RESET) && c->drive[i].kind)
			model_drive_reset(&c->drive[i]);
	if (v & IDE_CONTROL_RESET)
		c->selected = 0;
	c->control = v;
}

static void
model_out(void *device, uint16_t port, unsigned width, uint32_t v)
{
	struct model *m = device;
	struct place p;

	if (!find(m, port, &p))
		return;
	if (p.block == MASTER)
		master_out(m, p.c, p.reg, v);
	else if (p.block == CONTROL)
		write_control(p.c, (uint8_t)v);
	else
		model_drive_out(m, p.c, p.reg, width, v);
}

static const struct sip_model_ops ops = { .in = model_in, .out = model_out };

/* --- what a test does ------------------------------------------------------------------------ */

void
model_init(struct model *m, unsigned native, bool master)
{
	static const uint64_t base[5] = { MODEL_CMD_0, MODEL_CTL_0, MODEL_CMD_1, MODEL_CTL_1,
					  MODEL_MASTER };
	struct sip_pci_info *info = &m->bus.info;

	memset(m, 0, sizeof *m);
	sip_model_init(&m->bus, &ops, m);
	m->native = native;
	m->bus.was_reset = !master;
	m->bus.wants_low = true;
	info->class = 0x01018a | (native & 1) | (native & 2) << 1;
	info->vendor = 0x8086;
	info->device = 0x7010;
	info->irq = native ? MODEL_LINE : -1;
	for (unsigned i = 0; i < 5; i++)
		if (i == 4 ? master : is_native(m, i / 2)) {
			info->bar[i].kind = SIP_BAR_IO;
			info->bar[i].base = base[i];
			info->bar[i].size = i == 4 ? 16 : i & 1 ? 4 : 8;
		}
}

void
model_fini(struct model *m)
{
	for (unsigned i = 0; i < IDE_CHANNELS * IDE_DRIVES; i++) {
		free(m->channel[i / 2].drive[i % 2].data);
		free(m->channel[i / 2].drive[i % 2].buffer);
	}
	sip_model_fini(&m->bus);
}
