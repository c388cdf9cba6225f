/*
 * The local APIC: end of interrupt, one-shot timer, interrupts between processors.
 * [Intel SDM volume 3, chapter 10]  xAPIC mode, through its registers in memory.
 */
#include "cpu.h"

enum {
	LAPIC_ID = 0x20, LAPIC_TPR = 0x80, LAPIC_EOI = 0xb0, LAPIC_SVR = 0xf0, LAPIC_ESR = 0x280,
	LAPIC_ICR_LOW = 0x300, LAPIC_ICR_HIGH = 0x310, LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_LINT0 = 0x350, LAPIC_LVT_LINT1 = 0x360, LAPIC_LVT_ERROR = 0x370,
	LAPIC_TIMER_INITIAL = 0x380, LAPIC_TIMER_CURRENT = 0x390, LAPIC_TIMER_DIVIDE = 0x3e0
};

#define SVR_ENABLE	0x100u
#define LVT_MASKED	0x10000u
#define ICR_PENDING	0x1000u
#define ICR_INIT	0x4500u
#define ICR_STARTUP	0x4600u
#define ICR_FIXED	0x4000u
#define ICR_WAIT_MAX	1000000
#define TIMER_DIVIDE_1	0xbu
#define CALIBRATE_NS	1000000ul

static volatile char *base;
static uint64_t timer_hz;

static uint32_t
reg_read(unsigned reg)
{
	return *(volatile uint32_t *)(base + reg);
}

static void
reg_write(unsigned reg, uint32_t v)
{
	*(volatile uint32_t *)(base + reg) = v;
}

static void
timer_calibrate(void)
{
	reg_write(LAPIC_LVT_TIMER, LVT_MASKED);
	reg_write(LAPIC_TIMER_INITIAL, UINT32_MAX);
	uint64_t t0 = time_now();
	uint32_t c0 = reg_read(LAPIC_TIMER_CURRENT);

	time_spin(CALIBRATE_NS);
	uint32_t c1 = reg_read(LAPIC_TIMER_CURRENT);
	uint64_t t1 = time_now();

	timer_hz = (uint64_t)(c0 - c1) * 1000000000ul / (t1 - t0);
	if (timer_hz == 0)
		panic("lapic: its timer does not count");
	reg_write(LAPIC_TIMER_INITIAL, 0);
}

void
lapic_init(void)
{
	if (base == NULL)
		base = kernel_map_device(rdmsr(MSR_APIC_BASE) & 0xffffff000ul, PAGE_SIZE);
	reg_write(LAPIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
	reg_write(LAPIC_TPR, 0);
	reg_write(LAPIC_LVT_LINT0, LVT_MASKED);
	reg_write(LAPIC_LVT_LINT1, LVT_MASKED);
	reg_write(LAPIC_LVT_ERROR, LVT_MASKED);
	reg_write(LAPIC_TIMER_DIVIDE, TIMER_DIVIDE_1);
	if (timer_hz == 0)
		timer_calibrate();
	reg_write(LAPIC_LVT_TIMER, VECTOR_TIMER);
	cpu_self()->apic_id = lapic_id();
	lapic_eoi();
}

uint32_t
lapic_id(void)
{
	return reg_read(LAPIC_ID) >> 24;
}

uint32_t
lapic_id_of_cpu(unsigned cpu)
{
	return cpus[cpu].apic_id;
}

void
lapic_eoi(void)
{
	reg_write(LAPIC_EOI, 0);
}

void
lapic_timer(uint64_t deadline)
{
	uint64_t now, ticks;

	if (deadline == FOREVER) {
		reg_write(LAPIC_TIMER_INITIAL, 0);
		return;
	}
	now = time_now();
	if (deadline <= now)
		ticks = 1;
	else if (deadline - now > 1000000000ul)
		ticks = timer_hz;	/* a later one is armed when this has come */
	else
		ticks = mul_div(deadline - now, timer_hz, 1000000000ul) + 1;
	reg_write(LAPIC_TIMER_INITIAL, (uint32_t)MIN(ticks, (uint64_t)UINT32_MAX));
}

static void
icr_send(uint32_t apic_id, uint32_t low)
{
	for (int i = 0; i < ICR_WAIT_MAX && (reg_read(LAPIC_ICR_LOW) & ICR_PENDING); i++)
		cpu_pause();
	reg_write(LAPIC_ICR_HIGH, apic_id << 24);
	reg_write(LAPIC_ICR_LOW, low);
}

void
lapic_ipi(uint32_t apic_id, uint8_t vector)
{
	icr_send(apic_id, ICR_FIXED | vector);
}

/* [Intel SDM volume 3, 8.4.4.1] */
void
lapic_start(uint32_t apic_id, paddr_t trampoline)
{
	icr_send(apic_id, ICR_INIT);
	time_spin(10000000);
	for (int i = 0; i < 2; i++) {
		icr_send(apic_id, ICR_STARTUP | (uint32_t)(trampoline >> PAGE_SHIFT));
		time_spin(200000);
	}
}
