/*
 * The example driver on a model of its device: a bus whose registers are functions, with a
 * device that can be strange in each way that matters.
 */
#include "edu.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct model {
	/* How it is strange. */
	bool dead, silent, wrong_id, no_msi;
	uint64_t paddr;
	/* The device. */
	uint32_t live, result, status, irq_status;
	uint64_t src, dst, count;
	uint8_t buffer[EDU_BUFFER_SIZE], memory[EDU_BUFFER_SIZE];
	bool busmaster, interrupt, closed;
	int transferring;	/* looks until the transfer of a dead driver has ended */
	pthread_mutex_t lock;
	pthread_cond_t came;
	/* What was done. */
	char log[256];
	int maps, dmas, irqs;
} m;

static void
raise_irq(uint32_t bits)
{
	pthread_mutex_lock(&m.lock);
	m.irq_status |= bits;
	m.interrupt = true;
	pthread_cond_signal(&m.came);
	pthread_mutex_unlock(&m.lock);
}

static void
dma(uint32_t cmd)
{
	bool out = cmd & EDU_DMA_TO_MEMORY;
	uint64_t device = out ? m.src : m.dst, memory = out ? m.dst : m.src;
	assert_true(m.busmaster);
	assert_in_range(device, EDU_BUFFER, EDU_BUFFER + EDU_BUFFER_SIZE - 1);
	assert_true(device + m.count <= EDU_BUFFER + EDU_BUFFER_SIZE);
	assert_int_equal(m.paddr, memory);
	if (out)
		memcpy(m.memory, m.buffer + (device - EDU_BUFFER), m.count);
	else
		memcpy(m.buffer + (device - EDU_BUFFER), m.memory, m.count);
	if (cmd & EDU_DMA_IRQ && !m.silent)
		raise_irq(EDU_IRQ_DMA);
}

static uint64_t
reg_read(struct sip_dev *d, unsigned bar, uint64_t off, unsigned width)
{
	(void)d;
	assert_int_equal(0, bar);
	assert_true(width == 4 || off >= 0x80);
	switch (off) {
	case EDU_ID: return m.wrong_id ? 0x010000eeu : 0x010000edu;
	case EDU_LIVE: return m.dead ? 0xffffffffu : ~m.live;
	case EDU_FACTORIAL: return m.result;
	case EDU_IRQ_STATUS: return m.irq_status;
	case EDU_DMA_CMD: return m.transferring > 0 && m.transferring-- ? EDU_DMA_START : 0;
	}
	return 0;
}

static void
reg_write(struct sip_dev *d, unsigned bar, uint64_t off, unsigned width, uint64_t v)
{
	(void)d, (void)bar, (void)width;
	switch (off) {
	case EDU_LIVE: m.live = (uint32_t)v; break;
	case EDU_STATUS: m.status = (uint32_t)v; break;
	case EDU_FACTORIAL:
		m.result = 1;
		for (uint32_t i = 2; i <= v; i++)
			m.result *= i;
		if (m.status & EDU_STATUS_IRQ && !m.silent)
			raise_irq(EDU_IRQ_FACTORIAL);
		break;
	case EDU_IRQ_RAISE: raise_irq((uint32_t)v); break;
	case EDU_IRQ_ACK: m.irq_status &= ~(uint32_t)v; break;
	case EDU_DMA_SRC: m.src = v; break;
	case EDU_DMA_DST: m.dst = v; break;
	case EDU_DMA_COUNT: m.count = v; break;
	case EDU_DMA_CMD: dma((uint32_t)v); break;
	default: fail_msg("a write to 0x%x", (unsigned)off);
	}
}

static int
bus_info(struct sip_dev *d, struct sip_pci_info *i)
{
	(void)d;
	i->vendor = 0x1234;
	i->device = 0x11e8;
	i->bar[0].kind = SIP_BAR_MEM;
	i->bar[0].size = 1 << 20;
	i->irq = m.no_msi ? -1 : 11;
	i->vector = -1;
	return 0;
}

static int
bus_command(struct sip_dev *d, const char *text)
{
	(void)d;
	strcat(strcat(m.log, text), ";");
	if (strcmp(text, "quiet") == 0)
		assert_int_equal(0, m.transferring);
	if (strncmp(text, "busmaster", 9) == 0)
		m.busmaster = strcmp(text, "busmaster on") == 0;
	return 0;
}

static int
bus_map(struct sip_dev *d, unsigned bar, struct sip_bar *out)
{
	(void)d, (void)bar;
	out->regs = NULL;
	m.maps++;
	return 0;
}

static void
bus_unmap(struct sip_dev *d, struct sip_bar *bar)
{
	(void)d, (void)bar;
	m.maps--;
}

static int
bus_dma_alloc(struct sip_dev *d, size_t size, size_t align, struct sip_dma *out)
{
	(void)d;
	assert_int_equal(EDU_BUFFER_SIZE, size);
	assert_int_equal(EDU_BUFFER_SIZE, align);
	*out = (struct sip_dma){ .vaddr = m.memory, .paddr = m.paddr, .size = size, .handle = 1 };
	m.dmas++;
	return 0;
}

static void
bus_dma_free(struct sip_dev *d, struct sip_dma *dma_)
{
	(void)d, (void)dma_;
	assert_false(m.busmaster);	/* the device first, then its memory */
	m.dmas--;
}

static int
bus_irq_open(struct sip_dev *d, int irq)
{
	(void)d;
	m.irqs++;
	return irq;
}

static int
bus_irq_wait(struct sip_dev *d, int fd, uint64_t *count, uint64_t *ns)
{
	struct timespec t;
	(void)fd;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_mutex_lock(&m.lock);
	if (!m.interrupt && !d->irq.closing)
		pthread_cond_timedwait(&m.came, &m.lock, &t);
	bool came = m.interrupt;
	m.interrupt = false;
	pthread_mutex_unlock(&m.lock);
	*count = 1;
	*ns = 0;
	return came ? 0 : -EINTR;
}

static void
bus_irq_close(struct sip_dev *d, int fd)
{
	(void)d, (void)fd;
	m.irqs--;
}

static const struct sip_bus bus = {
	.info = bus_info, .command = bus_command, .map = bus_map, .unmap = bus_unmap,
	.read = reg_read, .write = reg_write, .dma_alloc = bus_dma_alloc, .dma_free = bus_dma_free,
	.irq_open = bus_irq_open, .irq_wait = bus_irq_wait, .irq_close = bus_irq_close,
};

static struct sip_server s;

static int
setup(void **state)
{
	(void)state;
	memset(&m, 0, sizeof m);
	pthread_mutex_init(&m.lock, NULL);
	pthread_cond_init(&m.came, NULL);
	m.paddr = 0x100000;
	return sip_init(&s, &edu_type);
}

static int
attach(void)
{
	struct sip_dev *d;
	assert_int_equal(0, sip_dev_open_bus("0.4.0", &bus, NULL, &d));
	return sip_attach(&s, d);
}

static void
nothing_left(void)
{
	assert_int_equal(0, m.maps);
	assert_int_equal(0, m.dmas);
	assert_int_equal(0, m.irqs);
	assert_int_equal(0, s.ndevs);
	assert_false(m.busmaster);
}

static int
up(void **state)
{
	setup(state);
	assert_int_equal(0, attach());
	((struct edu *)s.priv)->timeout_ms = 20;
	return 0;
}

static int
down(void **state)
{
	(void)state;
	sip_finish(&s);
	nothing_left();
	return 0;
}

static const struct sip_file *
file(const char *name)
{
	const struct sip_file *f = edu_type.files;
	while (strcmp(f->name, name) != 0)
		f++;
	return f;
}

static int
tell(const char *name, const char *what)
{
	char text[64];
	strcpy(text, what);
	return file(name)->command(&s, text);
}

static const char *
text(const char *name)
{
	static char buf[SIP_TREE_TEXT];
	assert_true(file(name)->text(&s, buf, sizeof buf) > 0);
	return buf;
}

static void
attaching(void **state)
{
	(void)state;
	assert_string_equal("enable;quiet;line;busmaster on;", m.log);
	assert_string_equal("version 1.0\ndevice 0.4.0\n", text("id"));
	assert_int_equal(1, m.irqs);
	sip_finish(&s);
	assert_string_equal("enable;quiet;line;busmaster on;busmaster off;", m.log);
	nothing_left();
}

/* Its predecessor died in a transfer: that ends before memory is released and bus mastering on. */
static void
successor(void **state)
{
	(void)state;
	m.transferring = 70;
	assert_int_equal(0, attach());
	assert_string_equal("enable;quiet;line;busmaster on;", m.log);
	sip_finish(&s);
	nothing_left();
}

static void
not_the_device(void **state)
{
	(void)state;
	m.wrong_id = true;
	assert_int_equal(-ENODEV, attach());
	nothing_left();
	m.wrong_id = false;
	m.dead = true;
	assert_int_equal(-ENODEV, attach());
	nothing_left();
	m.dead = false;
	m.paddr = (1 << 28) - 1;
	assert_int_equal(-ERANGE, attach());
	nothing_left();
	edu_reach = 32;
	assert_int_equal(0, attach());
	sip_finish(&s);
	nothing_left();
	edu_reach = 28;
	m.paddr = 0x1000;
	m.no_msi = true;
	assert_int_equal(-EOPNOTSUPP, attach());
	nothing_left();
}

static void
factorial(void **state)
{
	(void)state;
	assert_int_equal(0, tell("factorial", "5"));
	assert_string_equal("120\n", text("factorial"));
	assert_int_equal(0, tell("factorial", "0"));
	assert_string_equal("1\n", text("factorial"));
	static const char *const bad[] = { "", "x", "5x", "-1", "1000001", "99999999999999999999" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(-EINVAL, tell("factorial", bad[i]));
	assert_string_equal("1\n", text("factorial"));
}

static void
dma_both_ways(void **state)
{
	const struct sip_file *f = file("dma");
	uint8_t a[EDU_BUFFER_SIZE], b[EDU_BUFFER_SIZE + 1];
	(void)state;
	for (unsigned i = 0; i < sizeof a; i++)
		a[i] = (uint8_t)(i * 7);
	assert_int_equal(sizeof a, f->write(&s, a, sizeof a, 0));
	assert_int_equal(sizeof a, f->read(&s, b, sizeof b, 0));
	assert_memory_equal(a, b, sizeof a);
	assert_int_equal(3, f->write(&s, "abc", 3, 4093));
	assert_int_equal(6, f->read(&s, b, 100, 4090));
	assert_memory_equal(a + 4090, b, 3);
	assert_memory_equal("abc", b + 3, 3);
	assert_int_equal(0, f->read(&s, b, 1, 4096));
	assert_int_equal(0, f->read(&s, b, 1, UINT64_MAX));
	assert_int_equal(-ENOSPC, f->write(&s, "ab", 2, 4095));
	assert_int_equal(-ENOSPC, f->write(&s, "a", 1, UINT64_MAX));
}

static void
interrupts(void **state)
{
	(void)state;
	assert_int_equal(0, tell("ctl", "raise 0x40"));
	assert_string_equal("interrupts 1\n", text("ctl"));
	assert_int_equal(0, m.irq_status);
	assert_int_equal(-EINVAL, tell("ctl", "raise"));
	assert_int_equal(-EINVAL, tell("ctl", "raise 0"));
	assert_int_equal(-EINVAL, tell("ctl", "raise 1 2"));
	assert_int_equal(-EINVAL, tell("ctl", "lower 1"));
}

/* No interrupt comes: an error in bounded time, and the next command works. */
static void
silent(void **state)
{
	char c;
	(void)state;
	m.silent = true;
	assert_int_equal(-ETIMEDOUT, tell("factorial", "3"));
	assert_int_equal(-ETIMEDOUT, file("dma")->read(&s, &c, 1, 0));
	m.silent = false;
	assert_int_equal(0, tell("factorial", "3"));
}

static void
dies(void **state)
{
	(void)state;
	assert_int_equal(0, edu_type.server->health(&s));
	m.dead = true;
	assert_int_equal(-EIO, edu_type.server->health(&s));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(attaching, up),
		cmocka_unit_test_setup(successor, setup),
		cmocka_unit_test_setup(not_the_device, setup),
		cmocka_unit_test_setup_teardown(factorial, up, down),
		cmocka_unit_test_setup_teardown(dma_both_ways, up, down),
		cmocka_unit_test_setup_teardown(interrupts, up, down),
		cmocka_unit_test_setup_teardown(silent, up, down),
		cmocka_unit_test_setup_teardown(dies, up, down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
