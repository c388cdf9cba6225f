/*
 * A slot's driver on a model of a port: its registers, and the kernel's list of functions.  The
 * model's clock is moved by the driver's own waits.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pciehp.h"

#define EXPRESS		0x54u
#define LAMPS		(CAP_ATTENTION_LAMP | CAP_POWER_LAMP)
#define FULL		(CAP_BUTTON | CAP_POWER | LAMPS | CAP_HOT_PLUG)
#define LOG_MAX		8192

static struct model {
	uint32_t slot_cap, link_cap;
	uint16_t flags, control, status, link;
	/* How the port and what is in it are strange. */
	bool gone, mute, no_link, no_function, stubborn;
	unsigned found_after_ms, ends_after_ms;
	/* The kernel. */
	bool known, owned, leaving;
	uint64_t ms, left_at, power_at;
	unsigned kill_at, writes;	/* this write of the driver is its last; 0: it lives */
	jmp_buf killed;
	char log[LOG_MAX];
} m;

static struct slot s;

static void
note(const char *text)
{
	strncat(strncat(m.log, text, LOG_MAX - strlen(m.log) - 2), ";", 2);
}

static bool
power(void)
{
	return !(m.control & CTL_POWER_OFF);
}

static bool
let_go(uint16_t control)
{
	return control & CTL_POWER_OFF &&
	    (control & CTL_POWER_LAMP) == LAMP_OFF << POWER_LAMP_SHIFT;
}

/* As with QEMU's port: what loses its power and its lamp is taken out. */
static void
settle(uint16_t old)
{
	if ((old ^ m.control) & CTL_POWER_OFF)
		note(power() ? "power on" : "power off");
	if (power() && old & CTL_POWER_OFF)
		m.power_at = m.ms;
	if (power() && m.status & STA_PRESENT && !m.no_link && !(m.link & LINK_ACTIVE)) {
		m.link |= LINK_ACTIVE;
		m.status |= STA_LINK;
	}
	if (!power() && m.link & LINK_ACTIVE) {
		m.link &= (uint16_t)~LINK_ACTIVE;
		m.status |= STA_LINK;
	}
	if (!let_go(old) && let_go(m.control) && m.status & STA_PRESENT && !m.stubborn) {
		m.status &= (uint16_t)~STA_PRESENT;
		m.status |= STA_PRESENCE;
	}
}

static uint32_t
model_read(void *arg, unsigned offset, unsigned width)
{
	(void)arg;
	if (m.gone)
		return width == 4 ? 0xffffffff : 0xffff;
	switch (offset - EXPRESS) {
	case EXP_FLAGS: return m.flags;
	case EXP_LINK_CAP: return m.link_cap;
	case EXP_LINK_STATUS: return m.link;
	case EXP_SLOT_CAP: return m.slot_cap;
	case EXP_SLOT_CONTROL: return m.control;
	case EXP_SLOT_STATUS: return m.status;
	}
	fail_msg("a read at 0x%x", offset);
	return 0;
}

static void
step(void)
{
	if (m.kill_at && ++m.writes == m.kill_at)
		longjmp(m.killed, 1);
}

static int
model_write(void *arg, unsigned offset, uint16_t value)
{
	(void)arg;
	step();
	if (m.gone)
		return -EIO;
	if (offset == EXPRESS + EXP_SLOT_STATUS) {
		m.status &= (uint16_t)~(value & (STA_EVENTS | STA_COMPLETED));
		return 0;
	}
	assert_int_equal(EXPRESS + EXP_SLOT_CONTROL, offset);
	uint16_t old = m.control;
	m.control = value;
	if (!m.mute)
		m.status |= STA_COMPLETED;
	settle(old);
	return 0;
}

static unsigned
model_functions(void *arg, unsigned bus, char addr[SLOT_FUNCS][16])
{
	(void)arg;
	assert_int_equal(1, bus);
	strcpy(addr[0], "1.0.0");
	return m.known;
}

static bool
model_owned(void *arg, const char *addr)
{
	(void)arg, (void)addr;
	if (m.leaving && m.ms - m.left_at >= m.ends_after_ms)
		m.owned = false;
	return m.owned;
}

static bool
model_leaving(void *arg, const char *addr)
{
	(void)arg, (void)addr;
	return m.leaving;
}

static int
model_tell(void *arg, const char *word, const char *what)
{
	char text[64];
	(void)arg;
	step();
	snprintf(text, sizeof text, "%s %s%s", word, what,
		strcmp(word, "remove") == 0 && m.owned && power() ? " from its driver" : "");
	note(text);
	if (strcmp(word, "rescan") == 0) {
		bool answers = power() && m.status & STA_PRESENT && !m.no_function &&
		    m.ms - m.power_at >= m.found_after_ms;
		assert_true(m.ms - m.power_at >= SLOT_READY_MS);
		assert_true(m.link & LINK_ACTIVE || !(m.link_cap & LINK_CAP_REPORTING));
		if (!m.known && answers)
			m.known = m.owned = true;
	} else if (!m.known) {
		return -ENOENT;
	} else if (strcmp(word, "leave") == 0) {
		m.left_at = m.leaving ? m.left_at : m.ms;
		m.leaving = true;
	} else {
		m.known = m.owned = m.leaving = false;
	}
	return 0;
}

static void
model_sleep(void *arg, unsigned ms)
{
	(void)arg;
	m.ms += ms;
}

static void
model_log(void *arg, const char *text)
{
	(void)arg;
	note(text);
}

static const struct slot_ops ops = {
	.read = model_read, .write = model_write, .functions = model_functions,
	.owned = model_owned, .leaving = model_leaving, .tell = model_tell,
	.sleep_ms = model_sleep, .log = model_log,
};

/* An empty slot, its power off. */
static int
setup(void **state)
{
	(void)state;
	m = (struct model){
		.slot_cap = FULL | 9u << CAP_NUMBER_SHIFT, .link_cap = LINK_CAP_REPORTING,
		.flags = FLAGS_SLOT, .control = CTL_POWER_OFF | CTL_ATTENTION | CTL_POWER_LAMP,
	};
	return 0;
}

static int
begin(void)
{
	slot_init(&s, &ops, NULL, EXPRESS, 1);
	return slot_begin(&s);
}

/* As QEMU's device_add does. */
static void
insert(void)
{
	m.status |= STA_PRESENT | STA_PRESENCE | STA_BUTTON;
	settle(m.control);
}

static void
pull(void)
{
	m.status &= (uint16_t)~STA_PRESENT;
	m.status |= STA_PRESENCE | STA_LINK;
	m.link = 0;
}

static void
button(void)
{
	m.status |= STA_BUTTON;
}

static void
events(void)
{
	m.log[0] = '\0';
	assert_int_equal(0, slot_events(&s));
	assert_int_equal(0, m.status & STA_EVENTS);
}

static void
on(void)
{
	insert();
	events();
	assert_int_equal(SLOT_ON, s.state);
}

static unsigned
lamp(void)
{
	return (m.control & CTL_POWER_LAMP) >> POWER_LAMP_SHIFT;
}

static unsigned
attention(void)
{
	return (m.control & CTL_ATTENTION) >> ATTENTION_SHIFT;
}

static void
what_it_has(void **state)
{
	(void)state;
	assert_int_equal(0, begin());
	assert_int_equal(SLOT_EMPTY, s.state);
	assert_int_equal(9, s.number);
	assert_int_equal(CTL_BUTTON | CTL_FAULT | CTL_PRESENCE | CTL_INTERRUPT | CTL_LINK,
		m.control & 0x103f);
	slot_end(&s);
	assert_int_equal(0, m.control & CTL_INTERRUPT);
	m.flags = 0;
	assert_int_equal(0, begin());
	assert_int_equal(SLOT_NONE, s.state);
	m.flags = FLAGS_SLOT;
	m.slot_cap = FULL & ~CAP_HOT_PLUG;
	assert_int_equal(0, begin());
	assert_int_equal(SLOT_NONE, s.state);
	assert_int_equal(-ENODEV, slot_power(&s, true));
	slot_init(&s, &ops, NULL, 0, 1);
	assert_int_equal(SLOT_NONE, s.state);
	setup(state);
	m.gone = true;
	slot_init(&s, &ops, NULL, EXPRESS, 1);
	s.state = SLOT_EMPTY;
	assert_int_equal(-EIO, slot_begin(&s));
	assert_int_equal(-EIO, slot_events(&s));
}

/* The status is not kept up: what is there stays. */
static void
not_the_slots_business(void **state)
{
	(void)state;
	m.known = m.owned = true;
	m.control = LAMP_OFF << POWER_LAMP_SHIFT;
	assert_int_equal(0, begin());
	assert_int_equal(SLOT_NONE, s.state);
	assert_true(m.known);
	assert_int_equal(0, m.control & CTL_INTERRUPT);
	assert_int_equal(0, slot_events(&s));
	assert_int_equal(-ENODEV, slot_power(&s, false));
	assert_non_null(strstr(m.log, "not for hot plugging"));
	/* One that was pulled out before the driver started is told of by an event. */
	m.status |= STA_PRESENCE;
	assert_int_equal(0, begin());
	assert_int_equal(SLOT_EMPTY, s.state);
	assert_false(m.known);
}

static void
in_and_out(void **state)
{
	(void)state;
	assert_int_equal(0, begin());
	on();
	assert_string_equal("power on;rescan 1;", m.log);
	assert_int_equal(LAMP_ON, lamp());
	m.ends_after_ms = 500;
	button();
	events();
	assert_string_equal("leave 1.0.0;power off;remove 1.0.0;", m.log);
	assert_int_equal(SLOT_EMPTY, s.state);
	assert_int_equal(LAMP_OFF, lamp());
	assert_false(m.known);
	events();
	assert_string_equal("", m.log);
	assert_int_equal(1, s.plugged);
	assert_int_equal(1, s.unplugged);
	assert_int_equal(0, s.pulled + s.faults);
}

/* It stays without power, until the button is pressed, somebody asks, or it is pulled. */
static void
stays_off(void **state)
{
	(void)state;
	m.stubborn = true;
	assert_int_equal(0, begin());
	on();
	button();
	events();
	assert_int_equal(SLOT_OFF, s.state);
	events();
	assert_string_equal("", m.log);
	button();
	events();
	assert_string_equal("power on;rescan 1;", m.log);
	assert_int_equal(0, slot_power(&s, true));
	assert_int_equal(0, slot_power(&s, false));
	assert_int_equal(SLOT_OFF, s.state);
	assert_int_equal(0, slot_power(&s, true));
	assert_int_equal(SLOT_ON, s.state);
	assert_int_equal(0, slot_power(&s, false));
	pull();
	events();
	assert_string_equal("", m.log);
	assert_int_equal(SLOT_EMPTY, s.state);
	assert_int_equal(-ENODEV, slot_power(&s, true));
}

static void
surprise(void **state)
{
	(void)state;
	assert_int_equal(0, begin());
	on();
	pull();
	events();
	assert_string_equal("the device was pulled out;remove 1.0.0 from its driver;power off;",
		m.log);
	assert_int_equal(SLOT_EMPTY, s.state);
	assert_int_equal(1, s.pulled);
	on();
	m.status &= (uint16_t)~STA_PRESENT;	/* without an event */
	events();
	assert_int_equal(SLOT_EMPTY, s.state);
	assert_false(m.known);
	on();
	m.status |= STA_PRESENCE;		/* out and in again before anybody looked */
	m.stubborn = true;
	events();
	assert_string_equal("the device was pulled out;remove 1.0.0 from its driver;power off;"
		"power on;rescan 1;", m.log);
	assert_int_equal(SLOT_ON, s.state);
	m.link = 0;
	m.status |= STA_LINK;			/* there, but it does not talk any more */
	events();
	assert_false(m.known);
}

/* A driver that does not end loses its function while the device still has power. */
static void
driver_stays(void **state)
{
	(void)state;
	m.ends_after_ms = 10 * SLOT_LEAVE_MS;
	assert_int_equal(0, begin());
	on();
	uint64_t start = m.ms;
	button();
	events();
	assert_string_equal("leave 1.0.0;remove 1.0.0 from its driver;power off;", m.log);
	assert_in_range(m.ms - start, SLOT_LEAVE_MS, SLOT_LEAVE_MS + SLOT_OFF_MS + 100);
	assert_int_equal(SLOT_EMPTY, s.state);
}

static void
faults(void **state)
{
	(void)state;
	m.stubborn = m.no_link = true;
	assert_int_equal(0, begin());
	insert();
	events();
	assert_string_equal("power on;the link does not come up;power off;", m.log);
	assert_int_equal(SLOT_FAULT, s.state);
	assert_int_equal(LAMP_ON, attention());
	assert_int_equal(LAMP_OFF, lamp());
	m.no_link = false;
	m.no_function = true;
	button();
	events();
	assert_int_equal(SLOT_FAULT, s.state);
	assert_non_null(strstr(m.log, "no function answers;power off;"));
	m.no_function = false;
	m.found_after_ms = 5 * SLOT_READY_MS;
	button();
	events();
	assert_int_equal(SLOT_ON, s.state);
	assert_int_equal(LAMP_OFF, attention());
	m.status |= STA_FAULT;
	events();
	assert_string_equal("power fault;remove 1.0.0 from its driver;power off;", m.log);
	assert_int_equal(SLOT_FAULT, s.state);
	assert_int_equal(3, s.faults);
}

/* No lamps, no button, no power control, no link reporting, no confirmation. */
static void
plain_slot(void **state)
{
	(void)state;
	m.slot_cap = CAP_HOT_PLUG | CAP_NO_COMPLETION;
	m.link_cap = 0;
	m.control = 0;
	m.mute = true;
	assert_int_equal(0, begin());
	m.status |= STA_PRESENT | STA_PRESENCE;
	events();
	assert_string_equal("rescan 1;", m.log);
	assert_int_equal(SLOT_ON, s.state);
	pull();
	events();
	assert_string_equal("the device was pulled out;remove 1.0.0 from its driver;", m.log);
	assert_int_equal(0, m.control & (CTL_POWER_OFF | CTL_POWER_LAMP | CTL_ATTENTION));
}

/* A port that says it confirms commands and does not: slow, and told of. */
static void
mute_port(void **state)
{
	(void)state;
	m.mute = true;
	assert_int_equal(0, begin());
	insert();
	events();
	assert_int_equal(SLOT_ON, s.state);
	assert_non_null(strstr(m.log, "the port did not confirm a command;"));
}

/* What firmware has started stays, whatever events are left from that time. */
static void
from_firmware(void **state)
{
	(void)state;
	m.control = LAMP_ON << POWER_LAMP_SHIFT | LAMP_OFF << ATTENTION_SHIFT;
	m.status = STA_PRESENT | STA_PRESENCE | STA_BUTTON | STA_LINK;
	m.link = LINK_ACTIVE;
	m.known = m.owned = true;
	assert_int_equal(0, begin());
	assert_int_equal(SLOT_ON, s.state);
	assert_string_equal("", m.log);
	assert_int_equal(0, m.status & STA_EVENTS);
	setup(state);
	insert();				/* before any driver was there */
	assert_int_equal(0, begin());
	assert_int_equal(SLOT_ON, s.state);
	assert_true(m.known);
}

/* True if the driver got to the end of a change before step `at`. */
static bool
lives(bool removing, unsigned at)
{
	m.writes = 0;
	m.kill_at = at;
	if (setjmp(m.killed) != 0)
		return false;
	if (removing)
		button();
	else
		insert();
	slot_events(&s);
	return true;
}

/* The driver dies at any of its steps; its successor ends what was begun. */
static void
dies_anywhere(void **state)
{
	for (int removing = 0; removing < 2; removing++) {
		unsigned steps = 0;
		for (bool lived = false; !lived; steps++) {
			setup(state);
			m.ends_after_ms = 200;
			assert_int_equal(0, begin());
			if (removing)
				on();
			lived = lives(removing, steps + 1);
			m.kill_at = 0;
			assert_int_equal(0, begin());
			assert_int_equal(!removing, m.known);
			assert_int_equal(removing ? SLOT_EMPTY : SLOT_ON, s.state);
			assert_int_equal(removing ? LAMP_OFF : LAMP_ON, lamp());
			assert_int_equal(0, m.status & STA_EVENTS);
		}
		assert_in_range(steps, 6, 50);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_it_has, setup),
		cmocka_unit_test_setup(in_and_out, setup),
		cmocka_unit_test_setup(not_the_slots_business, setup),
		cmocka_unit_test_setup(stays_off, setup),
		cmocka_unit_test_setup(surprise, setup),
		cmocka_unit_test_setup(driver_stays, setup),
		cmocka_unit_test_setup(faults, setup),
		cmocka_unit_test_setup(plain_slot, setup),
		cmocka_unit_test_setup(mute_port, setup),
		cmocka_unit_test_setup(from_firmware, setup),
		cmocka_unit_test_setup(dies_anywhere, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
