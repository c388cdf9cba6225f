/*
 * Configuration space through ports 0xcf8 and 0xcfc [PCI 3.0, 3.2.2.3.2]: the first 256 bytes of a
 * function.  What cannot be read reads as ones.
 */
#include "machine.h"

enum { CONFIG_ADDRESS = 0xcf8, CONFIG_DATA = 0xcfc, COMMAND = 0x04, COMMAND_ALL = 7 };

static int
choose(struct machine *m, unsigned bdf, unsigned at)
{
	return qtest_out(m->q, CONFIG_ADDRESS, 4, 0x80000000u | bdf << 8 | (at & 0xfc));
}

uint32_t
config_read(struct machine *m, unsigned bdf, unsigned at, unsigned width)
{
	uint64_t v = UINT32_MAX;

	if (choose(m, bdf, at) < 0 || qtest_in(m->q, CONFIG_DATA + (at & 3), width, &v) < 0)
		v = UINT32_MAX;
	return (uint32_t)v;
}

void
config_write(struct machine *m, unsigned bdf, unsigned at, unsigned width, uint32_t value)
{
	if (choose(m, bdf, at) == 0)
		qtest_out(m->q, CONFIG_DATA + (at & 3), width, value);
}

void
config_change(struct machine *m, unsigned bdf, unsigned at, uint16_t clear, uint16_t set)
{
	uint32_t v = config_read(m, bdf, at, 2);
	const struct func *f = func_find(m, bdf);

	if (at == COMMAND && f && f->behind)	/* what is behind a bridge needs these */
		clear &= (uint16_t)~COMMAND_ALL;
	config_write(m, bdf, at, 2, (v & ~(uint32_t)clear) | set);
}
