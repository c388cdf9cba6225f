/*
 * Time: the TSC, measured against the PIT's channel 2 at boot.  The date is what somebody sets:
 * init does, from the CMOS clock.
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
}
