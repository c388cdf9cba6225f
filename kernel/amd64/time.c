/*
 * Time: the TSC, measured against the PIT's channel 2 at boot; the date from the CMOS clock.
 */
#include "cpu.h"

#define PIT_HZ		1193182ul
#define PIT_COUNT	5966ul		/* about 5 ms */
#define PIT_WAIT_MAX	100000000
#define PIT_GATE	0x61
#define PIT_DATA2	0x42
#define PIT_MODE	0x43

static uint64_t tsc_start, tsc_hz, ns_per_tick;	/* ns_per_tick: 32.32 fixed point */
static uint64_t wall_offset;

uint64_t
time_tsc_hz(void)
{
	return tsc_hz;
}

uint64_t
time_now(void)
{
	return (uint64_t)((unsigned __int128)(rdtsc() - tsc_start) * ns_per_tick >> 32);
}

void
time_spin(uint64_t ns)
{
	uint64_t end = time_now() + ns;

	while (time_now() < end)
		cpu_pause();
}

/* Counts TSC ticks while the PIT counts down once; the speaker stays silent. */
static uint64_t
measure(void)
{
	outb(PIT_GATE, (uint8_t)((inb(PIT_GATE) & ~2u) | 1));
	outb(PIT_MODE, 0xb0);
	outb(PIT_DATA2, PIT_COUNT & 0xff);
	outb(PIT_DATA2, PIT_COUNT >> 8);
	uint64_t t0 = rdtsc();

	for (int i = 0; i < PIT_WAIT_MAX && !(inb(PIT_GATE) & 0x20); i++)
		;
	return rdtsc() - t0;
}

static unsigned
cmos(unsigned reg)
{
	outb(0x70, (uint8_t)reg);
	return inb(0x71);
}

static unsigned
from_bcd(unsigned v, bool binary)
{
	return binary ? v : (v >> 4) * 10 + (v & 15);
}

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar. */
static uint64_t
days_of(uint64_t y, uint64_t m, uint64_t d)
{
	y -= m <= 2;
	uint64_t era = y / 400, yoe = y - era * 400;
	uint64_t doy = (153 * (m + (m > 2 ? -3ul : 9)) + 2) / 5 + d - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static uint64_t
cmos_seconds(void)
{
	unsigned v[6], again[6];
	static const uint8_t reg[6] = { 0, 2, 4, 7, 8, 9 };
	bool binary = cmos(11) & 4;

	for (int tries = 0; tries < 1000; tries++) {
		for (int i = 0; i < 6; i++)
			v[i] = cmos(reg[i]);
		for (int i = 0; i < 6; i++)
			again[i] = cmos(reg[i]);
		if (!(cmos(10) & 0x80) && memcmp(v, again, sizeof v) == 0)
			break;
	}
	bool pm = (v[2] & 0x80) != 0 && !(cmos(11) & 2);

	v[2] &= 0x7f;
	for (int i = 0; i < 6; i++)
		v[i] = from_bcd(v[i], binary);
	uint64_t hour = pm ? v[2] % 12 + 12 : v[2];

	return days_of(2000 + v[5], v[4], v[3]) * 86400 + hour * 3600 + v[1] * 60 + v[0];
}

uint64_t
time_wall(void)
{
	return time_now() + wall_offset;
}

void
time_set_wall(uint64_t ns)
{
	wall_offset = ns - time_now();
}

void
time_init(void)
{
	uint64_t ticks = MIN(measure(), measure());

	tsc_hz = ticks * PIT_HZ / PIT_COUNT;
	if (tsc_hz < 1000000)
		panic("time: the TSC does not count");
	ns_per_tick = mul_div(1000000000, 1ul << 32, tsc_hz);
	time_set_wall(cmos_seconds() * 1000000000ul);
}
