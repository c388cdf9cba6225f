/*
 * Intel's IOMMU: DMA remapping in legacy mode [VT-d 4.0], so that a device reaches the memory of
 * the process that drives it and no other.
 *
 * Each process that has memory for devices has a domain: a second-stage table (vtd_table.c) of its
 * buffers of /dev/dma, and of clients' pages for as long as a request has them.  Addresses are
 * physical ones on both sides.  A function has a context entry while a process drives it with bus
 * mastering on; every other request of a device is blocked.
 *
 *	entry absent  --busmaster on-->  present  --busmaster off, disable, death-->  absent
 *	any  --a fault-->  absent, and further faults of the function are not recorded
 *
 * A fault kills the function's owner.  The root table and domain numbers are the same for all
 * units, and each change is told to all of them, so which unit a function belongs to need not be
 * known.  Not used: interrupt remapping, so a device can still send any message [5.1]; scalable
 * mode, PASIDs, device TLBs.  What the firmware reserved for its own devices is out of their reach.
 * A unit without queued invalidation, or that wants its write buffers flushed, is left off.
 *
 * vtd_lock, a spinlock: tables, domains, entries, the units' queues.  It is taken by the interrupt
 * of a fault, too, and nothing but page and PCI tables are locked under it.
 */
#include "vtd.h"

#include <lux9/sys.h>

#include "../cap.h"
#include "../irq.h"
#include "../mem.h"
#include "acpi.h"
#include "cpu.h"
#include "pci.h"
#include "vtd_table.h"

enum vtd_reg {			/* [VT-d 4.0, 11.4] */
	VTD_VER = 0x00, VTD_CAP = 0x08, VTD_ECAP = 0x10, VTD_GCMD = 0x18, VTD_GSTS = 0x1c,
	VTD_RTADDR = 0x20, VTD_FSTS = 0x34, VTD_FECTL = 0x38, VTD_FEDATA = 0x3c,
	VTD_FEADDR = 0x40, VTD_FEUADDR = 0x44, VTD_PMEN = 0x64, VTD_IQT = 0x88, VTD_IQA = 0x90
};

enum {				/* of GCMD and GSTS [11.4.4] */
	GCMD_TE = 1u << 31, GCMD_SRTP = 1 << 30, GCMD_QIE = 1 << 26, GCMD_IRE = 1 << 25
};
#define GSTS_KEPT	0x96ffffffu	/* what a command repeats of the state */

enum {
	FSTS_OVERFLOW = 1, FSTS_PENDING = 2, FECTL_MASKED = 1u << 31,
	PMEN_ON = 1u << 31, PMEN_STATUS = 1,
	CAP_CACHING = 1 << 7, CAP_WRITE_BUFFER = 1 << 4, CAP_PROTECTED = 3 << 5,
	ECAP_COHERENT = 1, ECAP_QUEUE = 2
};
#define CAP_PAGES	(1ull << 39)	/* invalidation page by page */

enum {				/* of a descriptor [6.5.2] */
	INV_CONTEXT = 1, INV_IOTLB = 2, INV_WAIT = 5, INV_GLOBAL = 1 << 4, INV_DOMAIN = 2 << 4,
	INV_PAGES = 3 << 4, INV_DRAIN = 3 << 6, INV_STATUS = 1 << 5, INV_ID_SHIFT = 16,
	INV_DATA_SHIFT = 32, QUEUE_LENGTH = 256, RANGES_MAX = 4
};

enum {				/* of a context entry [9.3], by halves */
	CONTEXT_PRESENT = 1, CONTEXT_QUIET = 2, CONTEXT_ID_SHIFT = 8, CONTEXT_ID_MASK = 0xffff,
	CONTEXT_WORDS = 2, ROOT_PRESENT = 1
};

enum { REGISTERS_SIZE = 0x4000, FAULT_SIZE = 16, FAULT_STATUS = 8, FAULT_CLEAR = 12,
       ROUNDS_MAX = 64 };
enum { DOMAINS_MAX = 1024, ADDRESS_BITS = 52 };

#define COMMAND_NS	100000000ull	/* hardware takes microseconds */
#define COMMAND_LOOKS	10000u		/* after that: the machine may have stood still */
#define ENTRY_ADDR	0x000ffffffffff000ull

struct unit {
	volatile char *regs;
	paddr_t base;
	uint64_t cap, ecap;
	uint64_t *queue;
	volatile uint32_t *done;	/* the number of the last wait that is over */
	uint32_t waits;
	unsigned tail;
};

struct vtd_domain {
	struct list all;
	unsigned id;
	int32_t pid;
	struct vtd_table table;
};

static bool vtd_on;			/* does not change after boot */
static struct spinlock vtd_lock = SPINLOCK("vtd");
static struct unit units[ACPI_IOMMUS_MAX];
static unsigned nunits, ndomains;	/* numbers below ndomains can be used */
static uint64_t caps_all, caps_any;	/* of the units: what each has, what one has */
static unsigned max_order;		/* of the pages that one descriptor can name */
static struct vtd_table model;		/* what every domain's table has in common */
static uint64_t *root;
static struct list domains = LIST_INIT(domains);

/* --- registers --- */

static uint32_t
reg_read32(const struct unit *u, unsigned at)
{
	return *(volatile uint32_t *)(u->regs + at);
}

static uint64_t
reg_read64(const struct unit *u, unsigned at)
{
	return *(volatile uint64_t *)(u->regs + at);
}

static void
reg_write32(const struct unit *u, unsigned at, uint32_t v)
{
	*(volatile uint32_t *)(u->regs + at) = v;
}

static void
reg_write64(const struct unit *u, unsigned at, uint64_t v)
{
	*(volatile uint64_t *)(u->regs + at) = v;
}

static bool
reg_wait(const struct unit *u, unsigned at, uint32_t mask, uint32_t want)
{
	uint64_t start = time_now();
	unsigned late = 0;

	while ((reg_read32(u, at) & mask) != want) {
		if (time_now() - start > COMMAND_NS && ++late > COMMAND_LOOKS)
			return false;
		cpu_pause();
	}
	return true;
}

/* One bit of the state, set or cleared. */
static bool
command(const struct unit *u, uint32_t bit, bool on)
{
	uint32_t v = reg_read32(u, VTD_GSTS) & GSTS_KEPT;

	reg_write32(u, VTD_GCMD, on ? v | bit : v & ~bit);
	return reg_wait(u, VTD_GSTS, bit, on ? bit : 0);
}

/* --- invalidation: vtd_lock is held --- */

static void
post(struct unit *u, uint64_t lo, uint64_t hi)
{
	uint64_t *e = &u->queue[2 * u->tail];

	e[0] = lo;
	e[1] = hi;
	if (model.flush)
		vtd_flush(e, 2 * sizeof *e);
	u->tail = (u->tail + 1) % QUEUE_LENGTH;
}

/* Everything posted, as one: false if the unit has not done it in time. */
static bool
finish(struct unit *u)
{
	paddr_t status = virt_to_phys((void *)u->done);
	uint64_t start = time_now();
	unsigned late = 0;

	post(u, INV_WAIT | INV_STATUS | (uint64_t)++u->waits << INV_DATA_SHIFT, status);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	reg_write64(u, VTD_IQT, u->tail << 4);
	while (*u->done != u->waits) {
		if (time_now() - start > COMMAND_NS && ++late > COMMAND_LOOKS)
			return false;
		tlb_answer();
		cpu_pause();
	}
	return true;
}

static void
post_all(uint64_t lo, uint64_t hi)
{
	for (unsigned i = 0; i < nunits; i++)
		post(&units[i], lo, hi);
}

/* A unit that does not answer may let a device write anywhere: nothing is safe any more. */
static void
finish_all(void)
{
	for (unsigned i = 0; i < nunits; i++)
		if (!finish(&units[i]))
			panic("vtd: the unit at 0x%lx does not forget", units[i].base);
}

static void
forget_everything(struct unit *u)
{
	post(u, INV_CONTEXT | INV_GLOBAL, 0);
	post(u, INV_IOTLB | INV_GLOBAL | INV_DRAIN, 0);
}

/* The order of the least aligned block that has both pages. */
static unsigned
order_of(uint64_t first, uint64_t last)
{
	unsigned order = 0;

	while (first >> order != last >> order)
		order++;
	return order;
}

static void
forget(const struct vtd_domain *d, const struct dma_seg *seg, int nsegs)
{
	uint64_t id = (uint64_t)d->id << INV_ID_SHIFT;
	bool pages = (caps_all & CAP_PAGES) != 0 && nsegs <= RANGES_MAX;

	for (int i = 0; i < nsegs && pages; i++) {
		uint64_t first = seg[i].paddr >> PAGE_SHIFT;
		unsigned order = order_of(first, (seg[i].paddr + seg[i].bytes - 1) >> PAGE_SHIFT);

		pages = order <= max_order;
		if (pages)
			post_all(INV_IOTLB | INV_PAGES | INV_DRAIN | id,
				 first >> order << (order + PAGE_SHIFT) | order);
	}
	if (!pages)
		post_all(INV_IOTLB | INV_DOMAIN | INV_DRAIN | id, 0);
	finish_all();
}

/* --- domains --- */

static struct vtd_domain *
domain_find(unsigned id)
{
	list_for_each(l, &domains)
		if (list_entry(l, struct vtd_domain, all)->id == id)
			return list_entry(l, struct vtd_domain, all);
	return NULL;
}

/* vtd_lock is held: p's domain, which it has from the first call on; NULL: no room. */
static struct vtd_domain *
domain_of(struct proc *p)
{
	struct vtd_domain *d = p->domain;
	unsigned id = 1;		/* 0 is the units' own [6.2.2.1] */

	while (d == NULL && id < ndomains && domain_find(id) != NULL)
		id++;
	if (d != NULL || id == ndomains)
		return d;
	d = kmalloc(sizeof *d);
	if (d == NULL)
		return NULL;
	*d = (struct vtd_domain){ .id = id, .pid = p->pid, .table = model };
	if (vtd_table_new(&d->table) < 0) {
		kfree(d);
		return NULL;
	}
	list_append(&domains, &d->all);
	p->domain = d;
	return d;
}

static uint64_t
pages_of(const struct dma_seg *s)
{
	return (ROUND_UP(s->paddr + s->bytes, PAGE_SIZE) - ROUND_DOWN(s->paddr, PAGE_SIZE)) >>
	       PAGE_SHIFT;
}

/* True if a page is out of reach. */
static bool
take_out(struct vtd_domain *d, const struct dma_seg *seg, int nsegs)
{
	bool out = false;

	for (int i = 0; i < nsegs; i++)
		out |= vtd_table_remove(&d->table, ROUND_DOWN(seg[i].paddr, PAGE_SIZE),
					pages_of(&seg[i]));
	return out;
}

/* The segments before the first that does not fit. */
static int
put_in(struct vtd_domain *d, const struct dma_seg *seg, int nsegs, unsigned allow)
{
	for (int i = 0; i < nsegs; i++) {
		paddr_t pa = ROUND_DOWN(seg[i].paddr, PAGE_SIZE);
		uint64_t want = pages_of(&seg[i]), n;

		n = vtd_table_add(&d->table, pa, want, allow);
		if (n == want)
			continue;
		vtd_table_remove(&d->table, pa, n);
		return i;
	}
	return nsegs;
}

int
vtd_map(struct proc *p, const struct dma_seg *seg, int nsegs, unsigned access)
{
	unsigned allow = (access & SYS_PROT_READ ? VTD_READ : 0) |
			 (access & SYS_PROT_WRITE ? VTD_WRITE : 0);
	struct vtd_domain *d;
	int done = 0;

	if (likely(!vtd_on))
		return 0;
	spin_lock(&vtd_lock);
	d = domain_of(p);
	if (d != NULL)
		done = put_in(d, seg, nsegs, allow);
	if (d != NULL && done < nsegs) {
		take_out(d, seg, done);
		forget(d, seg, nsegs);
	} else if (d != NULL && (d->table.widened || (caps_any & CAP_CACHING))) {
		forget(d, seg, nsegs);	/* that they allowed less, or were absent [6.1] */
	}
	if (d != NULL)
		d->table.widened = false;
	spin_unlock(&vtd_lock);
	return d != NULL && done == nsegs ? 0 : -ENOMEM;
}

void
vtd_unmap(struct proc *p, const struct dma_seg *seg, int nsegs)
{
	if (likely(!vtd_on))
		return;
	spin_lock(&vtd_lock);
	if (p->domain != NULL && take_out(p->domain, seg, nsegs))
		forget(p->domain, seg, nsegs);
	spin_unlock(&vtd_lock);
}

void
vtd_end(struct proc *p)
{
	struct vtd_domain *d;

	if (likely(!vtd_on))
		return;
	spin_lock(&vtd_lock);
	d = p->domain;
	p->domain = NULL;
	if (d != NULL) {
		list_remove(&d->all);
		vtd_table_free(&d->table);
	}
	spin_unlock(&vtd_lock);
	kfree(d);
}

/* --- context entries: vtd_lock is held --- */

static void
written(const uint64_t *e, size_t n)
{
	if (model.flush)
		vtd_flush(e, n);
}

/* Both halves of a function's entry; NULL if there is no table for its bus, and none is made. */
static uint64_t *
context_of(unsigned bdf, bool make)
{
	uint64_t *e = &root[CONTEXT_WORDS * (bdf >> 8)];

	if (!(*e & ROOT_PRESENT)) {
		paddr_t pa = make ? page_alloc(0, PAGE_ZERO) : 0;

		if (pa == 0)
			return NULL;
		written(phys_to_virt(pa), PAGE_SIZE);
		*e = pa | ROOT_PRESENT;
		written(e, sizeof *e);
	}
	return (uint64_t *)phys_to_virt(*e & ENTRY_ADDR) +
	       (size_t)CONTEXT_WORDS * (bdf & 0xff);
}

/* The entry is absent while it changes.  Rare: so the units forget all that they know. */
static void
context_set(uint64_t *c, uint64_t lo, uint64_t hi)
{
	c[0] = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	c[1] = hi;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	c[0] = lo;
	written(c, CONTEXT_WORDS * sizeof *c);
	for (unsigned i = 0; i < nunits; i++)
		forget_everything(&units[i]);
	finish_all();
}

/* Behind a bridge to conventional PCI all functions speak in the bridge's name [3.4.1]. */
static bool
is_alone(const struct pci_func *f)
{
	enum { EXP_TYPE_SHIFT = 4, EXP_TYPE = 15, EXP_TO_PCI = 7, EXP_FROM_PCI = 8, DEPTH = 256 };
	unsigned bus = f->bdf >> 8;
	bool alone = true;

	for (int i = 0; i < DEPTH && bus != 0 && alone; i++) {
		struct pci_func *b = pci_bridge_of(bus);
		unsigned type = b == NULL || b->cap_express == 0 ? EXP_TO_PCI :
			pci_read(b, b->cap_express + PCI_EXP_FLAGS, 2) >> EXP_TYPE_SHIFT & EXP_TYPE;

		alone = type != EXP_TO_PCI && type != EXP_FROM_PCI;
		bus = b != NULL ? b->bdf >> 8 : 0;
		pci_put(b);
	}
	return alone;
}

int
vtd_attach(struct proc *p, const struct pci_func *f)
{
	struct vtd_domain *d;
	uint64_t *c;

	if (likely(!vtd_on))
		return 0;
	if (!is_alone(f))
		return error(EOPNOTSUPP, "pci: the IOMMU cannot tell it from its neighbours, "
			     "behind a bridge to conventional PCI");
	spin_lock(&vtd_lock);
	d = domain_of(p);
	c = d != NULL ? context_of(f->bdf, true) : NULL;
	if (c != NULL)
		context_set(c, d->table.root | CONTEXT_PRESENT,
			    (d->table.levels - 2) | (uint64_t)d->id << CONTEXT_ID_SHIFT);
	spin_unlock(&vtd_lock);
	return c != NULL ? 0 : error(ENOMEM, "pci: no memory for the IOMMU's tables");
}

void
vtd_detach(const struct pci_func *f)
{
	uint64_t *c;

	if (likely(!vtd_on))
		return;
	spin_lock(&vtd_lock);
	c = context_of(f->bdf, false);
	if (c != NULL && (c[0] & CONTEXT_PRESENT))
		context_set(c, 0, 0);
	spin_unlock(&vtd_lock);
}

/* --- faults --- */

/* The function is blocked.  False if it was told of before; *pid: whose it was, or 0. */
static bool
block(unsigned bdf, int32_t *pid)
{
	const struct vtd_domain *d = NULL;
	uint64_t *c;
	bool fresh;

	spin_lock(&vtd_lock);
	c = context_of(bdf, true);
	fresh = c != NULL && !(c[0] & CONTEXT_QUIET);
	if (fresh && (c[0] & CONTEXT_PRESENT))
		d = domain_find(c[1] >> CONTEXT_ID_SHIFT & CONTEXT_ID_MASK);
	*pid = d != NULL ? d->pid : 0;
	if (fresh)
		context_set(c, CONTEXT_QUIET, 0);
	spin_unlock(&vtd_lock);
	return fresh;
}

/* Each function is told of once for each time that it was attached. */
static void
fault(uint64_t status, uint64_t address)
{
	unsigned bdf = status & 0xffff, reason = status >> 32 & 0xff;
	bool read = status >> 62 & 1;
	struct proc *p;
	char why[80];
	int32_t pid;

	if (!block(bdf, &pid))
		return;
	ksnprintf(why, sizeof why, "iommu fault: %s at 0x%lx by %u.%u.%u, reason 0x%x",
		  read ? "read" : "write", address, bdf >> 8, bdf >> 3 & 31, bdf & 7, reason);
	kprint("vtd: %s%s\n", why, pid == 0 ? ", which nobody drives" : "");
	p = pid != 0 ? proc_find(pid) : NULL;
	if (p == NULL)
		return;
	proc_kill(p, why);
	proc_put(p);
}

/* [11.4.14]: where the records of faults are, and how many. */
static unsigned
fault_at(const struct unit *u)
{
	return (unsigned)(u->cap >> 24 & 0x3ff) * FAULT_SIZE;
}

static unsigned
faults_max(const struct unit *u)
{
	return (unsigned)(u->cap >> 40 & 0xff) + 1;
}

static void
faults_read(const struct unit *u)
{
	for (unsigned i = 0; i < faults_max(u); i++) {
		unsigned at = fault_at(u) + i * FAULT_SIZE;
		uint64_t status = reg_read64(u, at + FAULT_STATUS), address = reg_read64(u, at);

		if (status >> 63 == 0)
			continue;
		reg_write32(u, at + FAULT_CLEAR, 1u << 31);
		fault(status, address & ~(uint64_t)PAGE_MASK);
	}
	reg_write32(u, VTD_FSTS, FSTS_OVERFLOW);
}

/*
 * No other interrupt comes before there has been no record for a moment [7.3].  Each function that
 * is read of is quiet after that: who comes to the end of the rounds has all the bus against him.
 */
static void
fault_interrupt(void *arg)
{
	const struct unit *u = arg;
	unsigned rounds = 0;

	while ((reg_read32(u, VTD_FSTS) & (FSTS_OVERFLOW | FSTS_PENDING)) && rounds++ < ROUNDS_MAX)
		faults_read(u);
	if (rounds > ROUNDS_MAX)
		kprint("vtd: faults do not end: no more are told\n");
}

static bool
fault_start(struct unit *u)
{
	int handle = irq_alloc(fault_interrupt, u);
	uint64_t address;
	uint32_t data;

	if (handle < 0)
		return false;
	irq_message(handle, &address, &data);
	reg_write32(u, VTD_FECTL, FECTL_MASKED);
	reg_write32(u, VTD_FEDATA, data);
	reg_write32(u, VTD_FEADDR, (uint32_t)address);
	reg_write32(u, VTD_FEUADDR, (uint32_t)(address >> 32));
	for (unsigned i = 0; i < faults_max(u); i++)
		reg_write32(u, fault_at(u) + i * FAULT_SIZE + FAULT_CLEAR, 1u << 31);
	reg_write32(u, VTD_FSTS, FSTS_OVERFLOW);
	reg_write32(u, VTD_FECTL, 0);
	return true;
}

/* --- start --- */

/* Why the unit cannot be used, or NULL. */
static const char *
unit_find(struct unit *u, const struct acpi_iommu *from)
{
	if (from->segment != 0)
		return "it is of another PCI segment";
	*u = (struct unit){ .base = from->base,
			    .regs = kernel_map_device(from->base, REGISTERS_SIZE) };
	u->cap = reg_read64(u, VTD_CAP);
	u->ecap = reg_read64(u, VTD_ECAP);
	if (u->cap == ~0ull || u->ecap == ~0ull)
		return "nothing answers";
	if (!(u->ecap & ECAP_QUEUE))
		return "it has no queued invalidation";
	if (u->cap & CAP_WRITE_BUFFER)
		return "its write buffers want to be flushed";
	if (fault_at(u) + faults_max(u) * FAULT_SIZE > REGISTERS_SIZE)
		return "its fault records are out of their place";
	return NULL;
}

/* What all units can; false if they have nothing in common. */
static bool
capabilities(void)
{
	static const unsigned levels[] = { 4, 3, 5 };
	unsigned width = 63;

	caps_all = ~0ull;
	ndomains = DOMAINS_MAX;
	max_order = 63;
	for (unsigned i = 0; i < nunits; i++) {
		uint64_t cap = units[i].cap;

		caps_all &= cap;
		caps_any |= cap;
		ndomains = MIN(ndomains, 16u << 2 * (cap & 7));
		width = MIN(width, (unsigned)(cap >> 16 & 63) + 1);
		max_order = MIN(max_order, (unsigned)(cap >> 48 & 63));
		model.flush |= !(units[i].ecap & ECAP_COHERENT);
	}
	for (unsigned i = 0; i < ARRAY_LEN(levels) && model.levels == 0; i++)
		if (caps_all >> (8 + levels[i] - 2) & 1)
			model.levels = levels[i];
	model.end = 1ull << MIN(MIN(width, (unsigned)ADDRESS_BITS), PAGE_SHIFT + 9 * model.levels);
	return model.levels != 0;
}

/* [6.5.2, 11.4.4]: what the firmware had on goes off first. */
static bool
unit_start(struct unit *u)
{
	static const uint32_t bits[] = { GCMD_TE, GCMD_IRE, GCMD_QIE };
	paddr_t queue = page_alloc(1, PAGE_ZERO);	/* and the page after it, for `done` */

	for (unsigned i = 0; i < ARRAY_LEN(bits); i++)
		if ((reg_read32(u, VTD_GSTS) & bits[i]) && !command(u, bits[i], false))
			return false;
	if (queue == 0 || !fault_start(u))
		return false;
	u->queue = phys_to_virt(queue);
	u->done = phys_to_virt(queue + PAGE_SIZE);
	written(u->queue, 2 * PAGE_SIZE);
	reg_write64(u, VTD_RTADDR, virt_to_phys(root));
	reg_write64(u, VTD_IQT, 0);
	reg_write64(u, VTD_IQA, queue);
	if (!command(u, GCMD_SRTP, true) || !command(u, GCMD_QIE, true))
		return false;
	forget_everything(u);
	if (!finish(u) || !command(u, GCMD_TE, true))
		return false;
	if (u->cap & CAP_PROTECTED)		/* [11.4.7]: what it held, translation holds now */
		reg_write32(u, VTD_PMEN, reg_read32(u, VTD_PMEN) & ~PMEN_ON);
	return !(u->cap & CAP_PROTECTED) || reg_wait(u, VTD_PMEN, PMEN_STATUS, 0);
}

/* All of them, or none. */
static bool
units_start(void)
{
	paddr_t pa = page_alloc(0, PAGE_ZERO);
	unsigned n = 0;

	if (pa == 0 || !capabilities())
		return false;
	root = phys_to_virt(pa);
	written(root, PAGE_SIZE);
	while (n < nunits && unit_start(&units[n]))
		n++;
	for (unsigned i = 0; i <= n && n < nunits; i++)
		if (reg_read32(&units[i], VTD_GSTS) & GCMD_TE)
			command(&units[i], GCMD_TE, false);
	return n == nunits;
}

void
vtd_init(void)
{
	const struct acpi_iommu *a;

	for (unsigned i = 0; (a = acpi_iommu(i)) != NULL; i++) {
		const char *why = unit_find(&units[nunits], a);

		if (why != NULL)
			kprint("vtd: the unit at 0x%lx is left off: %s\n", a->base, why);
		nunits += why == NULL;
	}
	if (nunits == 0)
		return;
	vtd_on = units_start();
	if (vtd_on)
		kprint("vtd: %u unit%s, %u levels: a device reaches its driver's memory only\n",
		       nunits, nunits > 1 ? "s" : "", model.levels);
	else
		kprint("vtd: the units do not start: devices reach all memory\n");
}
