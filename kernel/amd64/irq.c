/*
 * Interrupts: vectors of processors, I/O APIC lines, messages.
 *
 * [82093AA I/O APIC datasheet; Intel SDM 3A, chapter 11 (APIC) and 11.11 (messages)].  The legacy
 * PICs are remapped out of the way of the traps and masked.  There is no interrupt remapping and no
 * routing by AML: a PCI function without messages uses the line that the firmware put into its
 * interrupt line register, through the I/O APIC's ISA pins.
 *
 * A handle is a processor and a vector.  irq_lock protects allocation and the I/O APICs' registers;
 * dispatch takes no lock.  irq_free waits until the handler is not running, so that its argument
 * may be freed.
 */
#include "../irq.h"

#include "../mem.h"
#include "acpi.h"
#include "cpu.h"

enum {
	NVECTORS = IRQ_VECTOR_LAST - IRQ_VECTOR_FIRST + 1, LINES_MAX = 256, IOAPICS_MAX = 16,
	ISA_LINES = 16
};

enum { IOAPIC_SELECT = 0x00, IOAPIC_WINDOW = 0x10, IOAPIC_VERSION = 1, IOAPIC_REDIRECTION = 0x10 };
enum { REDIR_LOW = 1 << 13, REDIR_LEVEL = 1 << 15, REDIR_MASKED = 1 << 16 };
enum { PIC1 = 0x20, PIC2 = 0xa0, PIC1_ELCR = 0x4d0, PIC2_ELCR = 0x4d1, PIC_VECTOR = 0x20 };

#define LAPIC_MESSAGE	0xfee00000ul
#define LAPIC_WINDOW	0x100000ul
#define MESSAGE_ID_MAX	254u		/* 255 is broadcast [SDM 3A, 11.11.1] */

struct vector {
	irq_handler handler;
	void *arg;
};

struct line {
	volatile uint32_t *ioapic;	/* NULL: no controller has it */
	uint32_t pin, low;		/* low: the redirection's low word, as last written */
	int handle;			/* 0: not routed */
};

static struct spinlock irq_lock = SPINLOCK("irq");
static struct vector vectors[CPU_MAX][NVECTORS];
static unsigned allocated[CPU_MAX];
static uint32_t running[CPU_MAX];	/* the vector being dispatched, or 0; atomic */
static struct line lines[LINES_MAX];
static unsigned nlines;
static struct acpi_ioapic ioapics[IOAPICS_MAX];
static unsigned nioapics;

static uint32_t
ioapic_read(volatile uint32_t *io, unsigned reg)
{
	io[IOAPIC_SELECT / 4] = reg;
	return io[IOAPIC_WINDOW / 4];
}

static void
ioapic_write(volatile uint32_t *io, unsigned reg, uint32_t v)
{
	io[IOAPIC_SELECT / 4] = reg;
	io[IOAPIC_WINDOW / 4] = v;
}

static bool
overlaps(paddr_t pa, size_t n, paddr_t start, size_t length)
{
	return pa < ROUND_UP(start + length, PAGE_SIZE) && ROUND_DOWN(start, PAGE_SIZE) < pa + n;
}

bool
irq_is_reserved(paddr_t pa, size_t n)
{
	const struct acpi_range *r;

	if (overlaps(pa, n, LAPIC_MESSAGE, LAPIC_WINDOW))
		return true;
	for (unsigned i = 0; i < nioapics; i++)
		if (overlaps(pa, n, ioapics[i].address, PAGE_SIZE))
			return true;
	for (unsigned i = 0; (r = acpi_reserved(i)) != NULL; i++)
		if (overlaps(pa, n, r->start, r->length))
			return true;
	return false;
}

/* [8259A datasheet]: ICW1..ICW4, then every line masked. */
void
irq_pic_off(void)
{
	outb(PIC1, 0x11);
	outb(PIC2, 0x11);
	outb(PIC1 + 1, PIC_VECTOR);
	outb(PIC2 + 1, PIC_VECTOR + 8);
	outb(PIC1 + 1, 4);
	outb(PIC2 + 1, 2);
	outb(PIC1 + 1, 1);
	outb(PIC2 + 1, 1);
	outb(PIC1 + 1, 0xff);
	outb(PIC2 + 1, 0xff);
}

static void
ioapic_init(const struct acpi_ioapic *a)
{
	volatile uint32_t *io = kernel_map_device(a->address, IOAPIC_WINDOW + 4);
	unsigned pins = (ioapic_read(io, IOAPIC_VERSION) >> 16 & 0xff) + 1;

	if (a->gsi_base >= LINES_MAX)
		return;
	pins = MIN(pins, LINES_MAX - a->gsi_base);
	for (unsigned pin = 0; pin < pins; pin++) {
		struct line *l = &lines[a->gsi_base + pin];

		l->ioapic = io;
		l->pin = pin;
		l->low = REDIR_MASKED;
		ioapic_write(io, IOAPIC_REDIRECTION + 2 * pin, l->low);
	}
	nlines = MAX(nlines, a->gsi_base + pins);
}

void
irq_init(void)
{
	nioapics = MIN(acpi_ioapics(ioapics, IOAPICS_MAX), (unsigned)IOAPICS_MAX);
	for (unsigned i = 0; i < nioapics; i++)
		if (ioapics[i].address != 0)
			ioapic_init(&ioapics[i]);
}

void
irq_dispatch(unsigned vector)
{
	unsigned cpu = cpu_id();
	struct vector *v = &vectors[cpu][vector - IRQ_VECTOR_FIRST];
	irq_handler h;

	__atomic_store_n(&running[cpu], vector, __ATOMIC_SEQ_CST);
	h = __atomic_load_n(&v->handler, __ATOMIC_SEQ_CST);
	if (likely(h != NULL))
		h(v->arg);
	__atomic_store_n(&running[cpu], 0, __ATOMIC_RELEASE);
	lapic_eoi();
}

/* The first of n free vectors in a row, aligned to n; NVECTORS if there are none. */
static unsigned
find_run(unsigned cpu, unsigned n)
{
	unsigned first = ROUND_UP((unsigned)IRQ_VECTOR_FIRST, n) - IRQ_VECTOR_FIRST, i;

	for (; first + n <= NVECTORS; first += n) {
		for (i = 0; i < n && vectors[cpu][first + i].handler == NULL; i++)
			;
		if (i == n)
			return first;
	}
	return NVECTORS;
}

/* The processor with the fewest interrupts that a message can reach and that has room. */
static unsigned
choose_cpu(unsigned n)
{
	unsigned best = CPU_MAX, count = MIN(cpu_count(), (unsigned)CPU_MAX);

	for (unsigned i = 0; i < count; i++)
		if (lapic_id_of_cpu(i) <= MESSAGE_ID_MAX && find_run(i, n) < NVECTORS &&
		    (best == CPU_MAX || allocated[i] < allocated[best]))
			best = i;
	return best;
}

int
irq_alloc_block(unsigned n, irq_handler h, void *const *args, int *handles)
{
	unsigned cpu, first;

	spin_lock(&irq_lock);
	cpu = choose_cpu(n);
	if (cpu == CPU_MAX) {
		spin_unlock(&irq_lock);
		return -ENOSPC;
	}
	first = find_run(cpu, n);
	for (unsigned i = 0; i < n; i++) {
		struct vector *v = &vectors[cpu][first + i];

		v->arg = args[i];
		__atomic_store_n(&v->handler, h, __ATOMIC_RELEASE);
		handles[i] = (int)(cpu * NVECTORS + first + i + 1);
	}
	allocated[cpu] += n;
	spin_unlock(&irq_lock);
	return 0;
}

int
irq_alloc(irq_handler h, void *arg)
{
	int handle, r = irq_alloc_block(1, h, &arg, &handle);

	return r < 0 ? r : handle;
}

static unsigned
handle_cpu(int handle)
{
	return (unsigned)(handle - 1) / NVECTORS;
}

static unsigned
handle_vector(int handle)
{
	return (unsigned)(handle - 1) % NVECTORS + IRQ_VECTOR_FIRST;
}

void
irq_free(int handle)
{
	unsigned cpu = handle_cpu(handle), vector = handle_vector(handle);

	KASSERT(handle > 0 && cpu < CPU_MAX);
	spin_lock(&irq_lock);
	__atomic_store_n(&vectors[cpu][vector - IRQ_VECTOR_FIRST].handler, NULL, __ATOMIC_SEQ_CST);
	allocated[cpu]--;
	spin_unlock(&irq_lock);
	while (__atomic_load_n(&running[cpu], __ATOMIC_SEQ_CST) == vector)
		cpu_pause();
}

static struct line *
line_of(unsigned line)
{
	uint32_t gsi = line;
	uint16_t flags;

	if (line < ISA_LINES)
		acpi_isa_override(line, &gsi, &flags);
	return gsi < nlines && lines[gsi].ioapic != NULL ? &lines[gsi] : NULL;
}

void
irq_line_kind(unsigned line, bool *level, bool *active_low)
{
	uint32_t gsi;
	uint16_t flags, elcr;

	*level = *active_low = line >= ISA_LINES;	/* PCI's habit */
	if (line >= ISA_LINES)
		return;
	elcr = (uint16_t)(inb(PIC1_ELCR) | inb(PIC2_ELCR) << 8);
	if (elcr != 0xffff)
		*level = elcr >> line & 1;
	if (!acpi_isa_override(line, &gsi, &flags))
		return;
	if (flags & ACPI_POLARITY)
		*active_low = (flags & ACPI_POLARITY) == ACPI_POLARITY_LOW;
	if (flags & ACPI_TRIGGER)
		*level = (flags & ACPI_TRIGGER) == ACPI_TRIGGER_LEVEL;
}

static void
line_write(struct line *l, uint32_t low)
{
	l->low = low;
	ioapic_write(l->ioapic, IOAPIC_REDIRECTION + 2 * l->pin, low);
}

int
irq_route_line(int handle, unsigned line, bool level, bool active_low)
{
	struct line *l = line_of(line);
	uint32_t low = handle_vector(handle) | REDIR_MASKED;

	if (l == NULL)
		return -ENXIO;
	spin_lock(&irq_lock);
	if (l->handle != 0) {
		spin_unlock(&irq_lock);
		return -EBUSY;
	}
	l->handle = handle;
	low |= (level ? REDIR_LEVEL : 0) | (active_low ? REDIR_LOW : 0);
	ioapic_write(l->ioapic, IOAPIC_REDIRECTION + 2 * l->pin + 1,
		     lapic_id_of_cpu(handle_cpu(handle)) << 24);
	line_write(l, low);
	spin_unlock(&irq_lock);
	return 0;
}

void
irq_line_mask(unsigned line, bool masked)
{
	struct line *l = line_of(line);

	if (l == NULL)
		return;
	spin_lock(&irq_lock);
	if (l->handle != 0)
		line_write(l, masked ? l->low | REDIR_MASKED : l->low & ~(uint32_t)REDIR_MASKED);
	spin_unlock(&irq_lock);
}

void
irq_unroute_line(unsigned line)
{
	struct line *l = line_of(line);

	if (l == NULL)
		return;
	spin_lock(&irq_lock);
	line_write(l, REDIR_MASKED);
	l->handle = 0;
	spin_unlock(&irq_lock);
}

void
irq_message(int handle, uint64_t *address, uint32_t *data)
{
	*address = LAPIC_MESSAGE | lapic_id_of_cpu(handle_cpu(handle)) << 12;
	*data = handle_vector(handle);
}
