/*
 * The example driver on a model of its device, which can be strange in each way that matters: a
 * model is registers and a table on sip_model.h.
 */
#include "edu.h"
#include "os.h"
#include "sip_model.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS	60000

static struct model {
	struct sip_model bus;
	bool dead, silent, wrong_id; /* how it is strange */
	bool slow;                   /* it computes until compute_end */
	atomic_uint argument;        /* of what it computes; 0: nothing */
	uint32_t live, result, status, irq_status;
	uint64_t src, dst, count;
	uint8_t buffer[EDU_BUFFER_SIZE];
	int transferring; /* looks until the transfer of a dead driver has ended */
} m;

static void
raise_irq(uint32_t bits)
{
	m.irq_status |= bits;
	sip_model_interrupt(&m.bus, 0);
}

static void
dma(uint32_t cmd)
{
	bool out = cmd & EDU_DMA_TO_MEMORY;
	uint64_t device = out ? m.src : m.dst;
	uint8_t *memory = sip_model_memory(&m.bus, out ? m.dst : m.src, m.count);

	if (device < EDU_BUFFER || device + m.count > EDU_BUFFER + EDU_BUFFER_SIZE)
		sip_model_lint(&m.bus, "a transfer outside of the device's buffer");
	else if (memory && out)
		memcpy(memory, m.buffer + (device - EDU_BUFFER), m.count);
	else if (memory)
		memcpy(m.buffer + (device - EDU_BUFFER), memory, m.count);
	if (cmd & EDU_DMA_IRQ && !m.silent)
		raise_irq(EDU_IRQ_DMA);
}

static void
compute_end(uint32_t n)
{
	m.result = 1;
	for (uint32_t i = 2; i <= n; i++)
		m.result *= i;
	if (m.status & EDU_STATUS_IRQ && !m.silent)
		raise_irq(EDU_IRQ_FACTORIAL);
}

static uint64_t
reg_read(void *device, unsigned bar, uint64_t off, unsigned width)
{
	(void)device, (void)bar;
	if (width != 4 && off < EDU_DMA_SRC)
		sip_model_lint(&m.bus, "a register that takes 32 bits");
	switch (off) {
	case EDU_ID: return m.wrong_id ? 0x010000eeu : 0x010000edu;
	case EDU_LIVE: return m.dead ? 0xffffffffu : ~m.live;
	case EDU_FACTORIAL: return m.result;
	case EDU_IRQ_STATUS: return m.irq_status;
	case EDU_DMA_CMD:
		if (m.transferring && !--m.transferring)
			m.bus.was_reset = true;
		return m.transferring ? EDU_DMA_START : 0;
	}
	return 0;
}

static void
reg_write(void *device, unsigned bar, uint64_t off, unsigned width, uint64_t v)
{
	(void)device, (void)bar, (void)width;
	switch (off) {
	case EDU_LIVE: m.live = (uint32_t)v; break;
	case EDU_STATUS: m.status = (uint32_t)v; break;
	case EDU_FACTORIAL:
		m.result = (uint32_t)v;
		if (m.slow)
			m.argument = (unsigned)v;
		else
			compute_end((uint32_t)v);
		break;
	case EDU_IRQ_RAISE: raise_irq((uint32_t)v); break;
	case EDU_IRQ_ACK: m.irq_status &= ~(uint32_t)v; break;
	case EDU_DMA_SRC: m.src = v; break;
	case EDU_DMA_DST: m.dst = v; break;
	case EDU_DMA_COUNT: m.count = v; break;
	case EDU_DMA_CMD: dma((uint32_t)v); break;
	default: sip_model_lint(&m.bus, "a write to no register");
	}
}

static const struct sip_model_ops ops = { .read = reg_read, .write = reg_write };

static struct sip_server s;

static int
setup(void **state)
{
	(void)state;
	memset(&m, 0, sizeof m);
	sip_model_init(&m.bus, &ops, &m);
	m.bus.info.vendor = 0x1234;
	m.bus.info.device = 0x11e8;
	m.bus.info.bar[0].kind = SIP_BAR_MEM;
	m.bus.info.bar[0].size = 1 << 20;
	m.bus.info.irq = 11;
	m.bus.dma_base = 0x100000;
	m.bus.wants_low = true;
	m.bus.was_reset = true; /* it has no reset; see `successor` */
	return sip_init(&s, &edu_type);
}

static int
attach(void)
{
	struct sip_dev *d;
	assert_int_equal(0, sip_model_open(&m.bus, "0.4.0", &d));
	return sip_attach(&s, d);
}

static void
nothing_left(void)
{
	const char *wrong = sip_model_verdict(&m.bus);
	if (wrong)
		fail_msg("%s", wrong);
	assert_int_equal(0, m.bus.frees_too_early);	/* the device first, then its memory */
	assert_int_equal(0, s.ndevs);
}

static int
up(void **state)
{
	setup(state);
	assert_int_equal(0, attach());
	((struct edu *)s.priv)->timeout_ms = WAIT_MS;
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
	assert_string_equal("enable;quiet;line;busmaster on;", m.bus.log);
	assert_string_equal("version 1.0\ndevice 0.4.0\n", text("id"));
	assert_int_equal(1, m.bus.irqs);
	sip_finish(&s);
	assert_string_equal("enable;quiet;line;busmaster on;busmaster off;", m.bus.log);
	nothing_left();
}

/* Its predecessor died in a transfer: that ends before memory is released and bus mastering on. */
static void
successor(void **state)
{
	(void)state;
	m.transferring = 70;
	m.bus.was_reset = false;
	assert_int_equal(0, attach());
	assert_string_equal("enable;quiet;line;busmaster on;", m.bus.log);
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
	m.bus.dma_base = (1 << 28) - 1;
	assert_int_equal(-ERANGE, attach());
	nothing_left();
	edu_reach = 32;
	assert_int_equal(0, attach());
	sip_finish(&s);
	nothing_left();
	edu_reach = 28;
	m.bus.dma_base = 0x1000;
	m.bus.info.irq = -1;
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

static void *
ask(void *)
{
	assert_int_equal(0, tell("factorial", "5"));
	return NULL;
}

static void *
look(void *answer)
{
	strcpy(answer, text("factorial"));
	return NULL;
}

/* While the device computes, its register has the argument: nobody sees it as an answer. */
static void
answers_only(void **state)
{
	char answer[SIP_TREE_TEXT] = "";
	pthread_t asks, looks;

	(void)state;
	m.slow = true;
	assert_int_equal(0, pthread_create(&asks, NULL, ask, NULL));
	while (!m.argument)
		os_sleep_ns(100000);
	assert_int_equal(0, pthread_create(&looks, NULL, look, answer));
	os_sleep_ns(20000000); /* for a driver that does not wait */
	compute_end(5);
	pthread_join(asks, NULL);
	pthread_join(looks, NULL);
	assert_string_equal("120\n", answer);
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
	struct edu *e = s.priv;
	char c;
	(void)state;
	m.silent = true;
	e->timeout_ms = 20;
	assert_int_equal(-ETIMEDOUT, tell("factorial", "3"));
	assert_int_equal(-ETIMEDOUT, file("dma")->read(&s, &c, 1, 0));
	m.silent = false;
	e->timeout_ms = WAIT_MS;
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
		cmocka_unit_test_setup_teardown(answers_only, up, down),
		cmocka_unit_test_setup_teardown(dma_both_ways, up, down),
		cmocka_unit_test_setup_teardown(interrupts, up, down),
		cmocka_unit_test_setup_teardown(silent, up, down),
		cmocka_unit_test_setup_teardown(dies, up, down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
