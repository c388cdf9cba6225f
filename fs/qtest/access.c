/*
 * Registers: /dev/mem and /dev/io.  Every access is checked to the byte against the BARs of the
 * functions that the process was granted; what is outside of them is refused and remembered.
 */
#include "machine.h"

#include <errno.h>
#include <string.h>

static bool
in_table(const struct func *f, unsigned bar, uint64_t at, uint64_t n)
{
	uint64_t end = f->table_offset + 16ull * f->nmsix;

	return f->msix_at && bar == f->table_bar && at < end && at + n > f->table_offset;
}

static bool
in_bar(const struct process *p, const struct func *f, bool io, uint64_t addr, uint64_t n)
{
	if (!func_granted(p, f))
		return false;
	for (unsigned i = 0; i < PCI_NBARS; i++) {
		const struct bar *b = &f->bar[i];

		if (b->size && b->io == io && addr >= b->base && n <= b->size &&
		    addr - b->base <= b->size - n)
			return io || !in_table(f, i, addr - b->base, n);
	}
	return false;
}

static bool
granted(const struct machine *m, const struct process *p, bool io, uint64_t addr, uint64_t n)
{
	for (unsigned i = 0; i < m->nfuncs; i++)
		if (in_bar(p, &m->func[i], io, addr, n))
			return true;
	return false;
}

static int
check_mem(struct machine *m, const struct process *p, uint64_t addr, size_t n)
{
	if (granted(m, p, false, addr, n))
		return 0;
	if (addr < m->ram_size)
		return machine_refuse(m, "mem: 0x%llx is memory", (unsigned long long)addr);
	return machine_refuse(m, "mem: 0x%llx is not in a granted range",
		(unsigned long long)addr);
}

/* An IDE function in compatibility mode has the ports of the ISA bus [PCI IDE 1.0, 2.1]. */
static bool
compat_port(const struct machine *m, const struct process *p, uint64_t port, unsigned n)
{
	static const struct { unsigned from, to; } ports[] = {
		{ 0x1f0, 0x1f7 }, { 0x3f6, 0x3f6 }, { 0x170, 0x177 }, { 0x376, 0x376 },
	};

	for (unsigned i = 0; i < m->nfuncs; i++) {
		if (!m->func[i].compat || !func_granted(p, &m->func[i]))
			continue;
		for (size_t k = 0; k < sizeof ports / sizeof *ports; k++)
			if (port >= ports[k].from && port + n - 1 <= ports[k].to)
				return true;
	}
	return false;
}

static int
check_port(struct machine *m, const struct process *p, uint64_t port, unsigned n)
{
	if (port <= 0xffff && (granted(m, p, true, port, n) || compat_port(m, p, port, n)))
		return 0;
	return machine_refuse(m, "io: port 0x%llx is not in a granted range",
		(unsigned long long)port);
}

static uint64_t
as_told(struct machine *m, const struct process *p, uint64_t value, unsigned width)
{
	dma_lie(m, p);
	if (liar_now(&m->liar, LIAR_REGISTERS))
		return liar_register(&m->liar, value, width);
	m->liar.last = value;
	return value;
}

/* The widest access that is aligned and fits: a row of them is what any other count is. */
static unsigned
width_of(uint64_t addr, size_t left)
{
	unsigned width = 8;

	while (addr % width || width > left)
		width /= 2;
	return width;
}

int64_t
mem_read(struct machine *m, struct process *p, void *buf, size_t n, uint64_t addr)
{
	int rc = check_mem(m, p, addr, n);

	for (size_t done = 0; rc == 0 && done < n; ) {
		unsigned width = width_of(addr + done, n - done);
		uint64_t v = 0;

		m->reads++;
		rc = qtest_read(m->q, addr + done, width, &v);
		v = as_told(m, p, v, width);
		memcpy((uint8_t *)buf + done, &v, width);
		done += width;
	}
	return rc < 0 ? rc : (int64_t)n;
}

int64_t
mem_write(struct machine *m, struct process *p, const void *buf, size_t n, uint64_t addr)
{
	int rc = check_mem(m, p, addr, n);

	for (size_t done = 0; rc == 0 && done < n; ) {
		unsigned width = width_of(addr + done, n - done);
		uint64_t v = 0;

		memcpy(&v, (const uint8_t *)buf + done, width);
		m->writes++;
		rc = qtest_write(m->q, addr + done, width, v);
		done += width;
	}
	dma_lie(m, p);
	irqs_touched(m);
	return rc < 0 ? rc : (int64_t)n;
}

int
io_read(struct machine *m, struct process *p, uint64_t port, unsigned width, uint32_t *value)
{
	uint64_t v = 0;
	int rc = check_port(m, p, port, width);

	if (rc < 0)
		return rc;
	m->reads++;
	rc = qtest_in(m->q, (unsigned)port, width, &v);
	*value = (uint32_t)as_told(m, p, v, width);
	return rc;
}

int
io_write(struct machine *m, struct process *p, uint64_t port, unsigned width, uint32_t value)
{
	int rc = check_port(m, p, port, width);

	if (rc < 0)
		return rc;
	m->writes++;
	rc = qtest_out(m->q, (unsigned)port, width, value);
	dma_lie(m, p);
	irqs_touched(m);
	return rc;
}
