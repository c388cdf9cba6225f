/*
 * Faults on demand, in the middle of a server's work: for tests only.  The build decides: programs
 * that are linked with this file, and with their driver's fault.c, instead of nofault.c.
 *
 *	crash exit wildptr memory deaf	done here, when the request has been started
 *	hang				the request is forgotten
 *	storm				interrupts are no longer acknowledged, and the device is
 *					made to interrupt without end: by the driver, or by its
 *					line, which it holds until somebody acknowledges
 *	lostirq irqback			interrupts are not told of any more; are again
 *	wrong wilddma staledma		the driver's (struct sip_faults)
 *
 * One fault waits at a time.  `waiting` is the kind and, below it, how many requests are still to
 * come; besides it there is only `losing`.
 */
#include "os.h"
#include "sip.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT_MAX	1000000000
#define COUNT_BITS	32
#define WILD_TRIES	1000		/* until one hits nothing */
#define EAT_STEP	(1u << 20)
#define EAT_STEPS	(1u << 20)
#define STORM_MAX	1000000000	/* interrupts */
#define STORM_GAP_NS	5000
#define FOREVER_NS	1000000000
#define LOST_LOOK_NS	5000000		/* between two looks whether interrupts are back */

enum kind {
	NONE, CRASH, EXIT, HANG, DEAF, STORM, WILDPTR, WILDDMA, STALEDMA, WRONG, MEMORY,
	LOSTIRQ, IRQBACK, NKINDS
};
static const char *const names[NKINDS] = {
	"", "crash", "exit", "hang", "deaf", "storm", "wildptr", "wilddma", "staledma", "wrong",
	"memory", "lostirq", "irqback",
};

static _Atomic uint64_t waiting;	/* of the program: a fault is nobody else's */
static atomic_bool losing;		/* its interrupts, of all devices */

static bool
has_line(const struct sip_server *s)
{
	for (unsigned i = 0; i < s->ndevs; i++)
		if (s->dev[i]->info.irq >= 0)
			return true;
	return false;
}

static bool
can(const struct sip_server *s, enum kind kind)
{
	const struct sip_faults *f = &sip_driver_faults;
	switch (kind) {
	case STORM: return f->interrupt || has_line(s);
	case WILDDMA: return f->wild_dma != NULL;
	case STALEDMA: return f->stale_dma != NULL;
	case WRONG: return f->wrong != NULL;
	default: return true;
	}
}

static enum kind
kind_of(const char *name)
{
	for (enum kind k = CRASH; k < NKINDS; k++)
		if (strcmp(names[k], name) == 0)
			return k;
	return NONE;
}

int
sip_fault_command(struct sip_server *s, const char *text)
{
	char copy[SIP_TEXT_MAX], *p = copy;
	uint64_t n = 1;
	if (strlen(text) >= sizeof copy)
		return -ENOENT;
	strcpy(copy, text);
	char *word = text_word(&p), *name = text_word(&p), *count = text_word(&p);
	if (!word || strcmp(word, "fault") != 0)
		return -ENOENT;
	enum kind kind = name ? kind_of(name) : NONE;
	if (kind == NONE || !can(s, kind)) {
		os_set_errstr("fault: this server has no fault %.40s", name ? name : "");
		return -EINVAL;
	}
	if ((count && (count[0] != '#' || !text_number(count + 1, COUNT_MAX, &n) || n == 0)) ||
	    text_word(&p)) {
		os_set_errstr("fault: usage: fault KIND [#N], N from 1 to %d", COUNT_MAX);
		return -EINVAL;
	}
	waiting = (uint64_t)kind << COUNT_BITS | n;
	return 0;
}

/* What is to happen now: NONE nearly always. */
static enum kind
take(void)
{
	uint64_t was = atomic_load_explicit(&waiting, memory_order_relaxed), is;
	do {
		if (was == 0)
			return NONE;
		is = (uint32_t)was == 1 ? 0 : was - 1;
	} while (!atomic_compare_exchange_weak(&waiting, &was, is));
	return is == 0 ? (enum kind)(was >> COUNT_BITS) : NONE;
}

static void
crash(void)
{
	static volatile uintptr_t nothing;
	((volatile int *)nothing)[2] = 1;	/* NOLINT: a null pointer, and meant so */
}

/* Most addresses of a program lead nowhere. */
static void
write_wildly(void)
{
	uint64_t x = os_time_ns() | 1;
	for (int i = 0; i < WILD_TRIES; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		*(volatile uint64_t *)(x & 0x7ffffffffff8) = x;
	}
}

static void
eat_memory(void)
{
	static void *eaten;
	for (unsigned i = 0; i < EAT_STEPS; i++) {
		void **p = malloc(EAT_STEP);
		if (!p)
			return;
		memset(p, 1, EAT_STEP);
		*p = eaten;
		eaten = p;
	}
}

/*
 * A line that is never acknowledged interrupts by itself; a message must be made again, and ends
 * with an error when the line is used in place of messages.
 */
static int
wait_without_acknowledging(struct sip_dev *d, int fd, uint64_t *count, uint64_t *ns)
{
	int e;
	do
		e = sip_bus_files.irq_wait(d, fd, count, ns);
	while (e >= 0);
	return e;
}

/*
 * What comes while they are lost comes to nothing: a message is gone, and a line that is not waited
 * for again is not let through again, so it makes no storm.
 */
int
sip_irq_wait(struct sip_dev *d, int fd, uint64_t *count, uint64_t *ns)
{
	int e = losing ? -EINTR : d->bus->irq_wait(d, fd, count, ns);
	if (!losing)
		return e;
	os_sleep_ns(LOST_LOOK_NS);
	return -EINTR;
}

static void
interrupt_again(void *where)
{
	for (unsigned i = 0; i < STORM_MAX; i++) {
		uint64_t next = os_time_ns() + STORM_GAP_NS;
		sip_driver_faults.interrupt(where);
		while (os_time_ns() < next)
			;	/* those that come before the last was taken are one */
	}
}

/* Routed before it is used: a model of an I/O APIC may not see what was high before that. */
static void
use_line(struct sip_dev *d)
{
	uint64_t count, ns;
	int fd = d->info.irq < 0 ? -ENODEV : d->bus->irq_open(d, d->info.irq);
	if (fd >= 0 && sip_dev_command(d, "line") >= 0)
		wait_without_acknowledging(d, fd, &count, &ns);
}

static void
storm(struct sip_server *s, void *where)
{
	static struct sip_bus bus;
	for (unsigned i = 0; i < s->ndevs; i++) {
		bus = *s->dev[i]->bus;
		bus.irq_wait = wait_without_acknowledging;
		s->dev[i]->bus = &bus;
	}
	if (sip_driver_faults.interrupt)
		interrupt_again(where);
	for (unsigned i = 0; i < s->ndevs; i++)
		use_line(s->dev[i]);
}

static void
carry_out(struct sip_server *s, enum kind kind, void *where)
{
	switch (kind) {
	case CRASH: crash(); break;
	case EXIT: _exit(3);
	case DEAF: s->health_fd = -1; break;	/* the reporting thread finds nobody to tell */
	case STORM: storm(s, where); break;
	case WILDPTR: write_wildly(); break;
	case MEMORY: eat_memory(); break;
	case LOSTIRQ:
	case IRQBACK: losing = kind == LOSTIRQ; break;
	default: break;
	}
}

bool
sip_fault(struct sip_server *s, void *where, void *request)
{
	const struct sip_faults *f = &sip_driver_faults;
	enum kind kind = take();
	if (kind == NONE)
		return false;
	sip_log(s, "fault: %s", names[kind]);
	if (kind == WILDDMA && f->wild_dma)		/* sip_fault_command has asked can() */
		return f->wild_dma(where, request);
	if (kind == STALEDMA && f->stale_dma)
		return f->stale_dma(where, request);
	if (kind == WRONG && f->wrong) {
		f->wrong(where, request);
		return true;
	}
	while (kind == HANG && !f->start)
		os_sleep_ns(FOREVER_NS);
	if (kind != HANG && f->start)
		f->start(where, request);
	carry_out(s, kind, where);
	return f->start != NULL;
}
