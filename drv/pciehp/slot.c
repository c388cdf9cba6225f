/*
 * The slot of a PCI Express port [PCIe 5.0, 6.7 and 7.5.3.9 to 11]: what its events mean, and the
 * order in which power, link, functions and lamps follow each other.  Over slot_ops; no hardware.
 *
 *	in:   lamp blinks - events cleared - power on - link up, 100 ms - lamp on - `rescan`
 *	out:  lamp blinks - events cleared - `leave`, drivers end - power, lamp off - `remove`
 *	gone: `remove` - power and lamp off
 *
 * A driver that does not end in time loses its function before the power goes.  What a predecessor
 * began is found in the registers and in the kernel's list, and ended: functions go that are
 * leaving, have no power, or stand under a lamp that blinks; power, or a lamp that blinks, without
 * functions is a device that is coming.
 *
 * Not done: the five seconds in which a second press of the button would undo the first; the
 * manually operated latch and the electromechanical lock.
 */
#include "pciehp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define POLL_MS	5u
#define ONES	0xffffu

const char *
slot_state_name(enum slot_state state)
{
	static const char *const names[] = {
		[SLOT_NONE] = "none", [SLOT_EMPTY] = "empty", [SLOT_OFF] = "off",
		[SLOT_STARTING] = "starting", [SLOT_ON] = "on", [SLOT_ENDING] = "ending",
		[SLOT_FAULT] = "fault",
	};
	return names[state];
}

static uint16_t
get(const struct slot *s, unsigned reg)
{
	return (uint16_t)s->ops->read(s->arg, s->express + reg, 2);
}

static bool
present(const struct slot *s)
{
	return get(s, EXP_SLOT_STATUS) & STA_PRESENT;
}

static bool
powered(const struct slot *s)
{
	return !(s->cap & CAP_POWER) || !(get(s, EXP_SLOT_CONTROL) & CTL_POWER_OFF);
}

static bool
blinking(const struct slot *s)
{
	return s->cap & CAP_POWER_LAMP && (get(s, EXP_SLOT_CONTROL) & CTL_POWER_LAMP) ==
	    LAMP_BLINK << POWER_LAMP_SHIFT;
}

static bool
link_active(const struct slot *s)
{
	return !s->link_reporting || get(s, EXP_LINK_STATUS) & LINK_ACTIVE;
}

/* Until (register & mask) == want. */
static bool
wait_for(const struct slot *s, unsigned reg, uint16_t mask, uint16_t want, unsigned ms)
{
	for (unsigned t = 0; (get(s, reg) & mask) != want; t += POLL_MS) {
		if (t >= ms)
			return false;
		s->ops->sleep_ms(s->arg, POLL_MS);
	}
	return true;
}

/* Changes bits of the slot control; the port says when it has done so [6.7.3.2]. */
static int
command(struct slot *s, unsigned clear, unsigned set)
{
	uint16_t old = get(s, EXP_SLOT_CONTROL), new = (uint16_t)((old & ~clear) | set);
	if (old == new)
		return 0;
	int e = s->ops->write(s->arg, s->express + EXP_SLOT_STATUS, STA_COMPLETED);
	if (e == 0)
		e = s->ops->write(s->arg, s->express + EXP_SLOT_CONTROL, new);
	if (e < 0 || s->cap & CAP_NO_COMPLETION)
		return e;
	if (!wait_for(s, EXP_SLOT_STATUS, STA_COMPLETED, STA_COMPLETED, SLOT_COMMAND_MS))
		s->ops->log(s->arg, "the port did not confirm a command");	/* some do not */
	return s->ops->write(s->arg, s->express + EXP_SLOT_STATUS, STA_COMPLETED);
}

static unsigned
lamps(const struct slot *s, unsigned power, unsigned attention)
{
	unsigned v = 0;
	if (s->cap & CAP_POWER_LAMP)
		v |= power << POWER_LAMP_SHIFT;
	if (s->cap & CAP_ATTENTION_LAMP)
		v |= attention << ATTENTION_SHIFT;
	return v;
}

/* Lamps and power in one command. */
static int
show(struct slot *s, unsigned power, unsigned attention, bool on)
{
	unsigned clear = lamps(s, 3, 3), set = lamps(s, power, attention);
	if (s->cap & CAP_POWER) {
		clear |= CTL_POWER_OFF;
		set |= on ? 0 : CTL_POWER_OFF;
	}
	return command(s, clear, set);
}

static unsigned
functions(const struct slot *s, char addr[SLOT_FUNCS][16])
{
	return s->ops->functions(s->arg, s->bus, addr);
}

static bool
occupied(const struct slot *s)
{
	char addr[SLOT_FUNCS][16];
	return functions(s, addr) > 0;
}

static void
tell_all(const struct slot *s, const char *word, bool only_owned)
{
	char addr[SLOT_FUNCS][16], text[SIP_TEXT_MAX];
	unsigned n = functions(s, addr);
	for (unsigned i = 0; i < n; i++) {
		if (only_owned && !s->ops->owned(s->arg, addr[i]))
			continue;
		int e = s->ops->tell(s->arg, word, addr[i]);
		if (e == 0 || e == -ENOENT)
			continue;
		snprintf(text, sizeof text, "%.10s %.15s: %.60s", word, addr[i], strerror(-e));
		s->ops->log(s->arg, text);
	}
}

static bool
any(const struct slot *s, bool (*is)(void *arg, const char *addr))
{
	char addr[SLOT_FUNCS][16];
	unsigned n = functions(s, addr);
	for (unsigned i = 0; i < n; i++)
		if (is(s->arg, addr[i]))
			return true;
	return false;
}

static void
power_off(struct slot *s, unsigned attention)
{
	bool was = powered(s);
	show(s, LAMP_OFF, attention, false);
	if (was && s->cap & CAP_POWER)
		s->ops->sleep_ms(s->arg, SLOT_OFF_MS);
}

static void
fault(struct slot *s, const char *why)
{
	s->ops->log(s->arg, why);
	s->faults++;
	tell_all(s, "remove", false);
	power_off(s, LAMP_ON);
	s->state = SLOT_FAULT;
}

/* The device has gone already, or another one is there: its functions are nobody's any more. */
static void
pulled(struct slot *s)
{
	s->ops->log(s->arg, "the device was pulled out");
	s->pulled++;
	tell_all(s, "remove", false);
	power_off(s, LAMP_OFF);
	s->state = SLOT_EMPTY;
}

/* True if a function answers. */
static bool
scan(struct slot *s)
{
	char bus[8];
	snprintf(bus, sizeof bus, "%u", s->bus);
	for (unsigned i = 0; i < SLOT_FOUND_TRIES && present(s); i++) {
		s->ops->sleep_ms(s->arg, SLOT_READY_MS);
		s->ops->tell(s->arg, "rescan", bus);
		if (occupied(s))
			return true;
	}
	return false;
}

static void
plug(struct slot *s)
{
	s->state = SLOT_STARTING;
	show(s, LAMP_BLINK, LAMP_OFF, true);
	if (s->link_reporting &&
	    !wait_for(s, EXP_LINK_STATUS, LINK_ACTIVE, LINK_ACTIVE, SLOT_LINK_MS)) {
		fault(s, "the link does not come up");
		return;
	}
	if (!s->link_reporting)
		s->ops->sleep_ms(s->arg, SLOT_LINK_MS);
	show(s, LAMP_ON, LAMP_OFF, true);
	if (!scan(s)) {
		if (present(s))
			fault(s, "no function answers");
		else
			pulled(s);
		return;
	}
	/* The contacts and the link may have told more than once of the same coming. */
	s->ops->write(s->arg, s->express + EXP_SLOT_STATUS, STA_PRESENCE | STA_LINK);
	s->plugged++;
	s->state = SLOT_ON;
}

static void
unplug(struct slot *s)
{
	s->state = SLOT_ENDING;
	show(s, LAMP_BLINK, LAMP_OFF, powered(s));
	tell_all(s, "leave", false);
	for (unsigned t = 0; t < SLOT_LEAVE_MS && present(s) && any(s, s->ops->owned);
	     t += POLL_MS)
		s->ops->sleep_ms(s->arg, POLL_MS);
	tell_all(s, "remove", true);
	power_off(s, LAMP_OFF);
	tell_all(s, "remove", false);
	s->unplugged++;
	s->state = present(s) ? SLOT_OFF : SLOT_EMPTY;
}

/* What events mean depends on what is there: the kernel's functions, and the device. */
static void
act(struct slot *s, unsigned events)
{
	bool here = present(s), known = occupied(s);
	if (events & STA_FAULT) {
		fault(s, "power fault");
		return;
	}
	if (known && (!here || events & STA_PRESENCE ||
		      (events & STA_LINK && !link_active(s)))) {
		pulled(s);
		known = false;
	}
	if (here && !known && events & (STA_PRESENCE | STA_BUTTON))
		plug(s);
	else if (known && events & STA_BUTTON)
		unplug(s);
	else if (!here && !known)
		s->state = SLOT_EMPTY;
}

/*
 * The port interrupts when the first event comes after none was there [6.7.3.4]: they are cleared
 * until none is.
 */
int
slot_events(struct slot *s)
{
	if (s->state == SLOT_NONE)
		return 0;
	for (unsigned i = 0; i < SLOT_ROUNDS; i++) {
		uint16_t status = get(s, EXP_SLOT_STATUS);
		if (status == ONES)
			return -EIO;
		unsigned events = status & STA_EVENTS;
		if (!events && (status & STA_PRESENT || !occupied(s)))
			return 0;
		if (events & (STA_BUTTON | STA_PRESENCE) && present(s))
			show(s, LAMP_BLINK, LAMP_OFF, powered(s));	/* for a successor */
		int e = s->ops->write(s->arg, s->express + EXP_SLOT_STATUS, (uint16_t)events);
		if (e < 0)
			return e;
		act(s, events);
	}
	return 0;
}

int
slot_power(struct slot *s, bool on)
{
	if (s->state == SLOT_NONE || !present(s))
		return -ENODEV;
	if (on == occupied(s))
		return 0;
	if (on)
		plug(s);
	else
		unplug(s);
	return s->state == SLOT_FAULT ? -EIO : 0;
}

void
slot_init(struct slot *s, const struct slot_ops *ops, void *arg, unsigned express, unsigned bus)
{
	*s = (struct slot){ .ops = ops, .arg = arg, .express = express, .bus = bus };
	if (!express || bus == 0 || !(get(s, EXP_FLAGS) & FLAGS_SLOT))
		return;
	s->cap = ops->read(arg, express + EXP_SLOT_CAP, 4);
	s->number = s->cap >> CAP_NUMBER_SHIFT;
	s->link_reporting = ops->read(arg, express + EXP_LINK_CAP, 4) & LINK_CAP_REPORTING;
	if (s->cap & CAP_HOT_PLUG)
		s->state = SLOT_EMPTY;
}

/* What was begun before, by a predecessor or by firmware, is ended. */
static void
take_over(struct slot *s, unsigned events)
{
	bool known = occupied(s), here = present(s);
	if (s->state == SLOT_FAULT)
		return;
	if (known && !here)
		pulled(s);
	else if (known && (!powered(s) || blinking(s) || any(s, s->ops->leaving)))
		unplug(s);
	else if (!known && here && (powered(s) || blinking(s) || events & STA_PRESENCE))
		plug(s);
	else
		s->state = known ? SLOT_ON : here ? SLOT_OFF : SLOT_EMPTY;
}

/*
 * Where a predecessor had turned the events on, those that have come are news.  Otherwise they are
 * of the time before the system, and what the firmware has set up stays.  A machine whose firmware
 * does the hot plugging, as QEMU's does by ACPI, may leave the slot's own status as of an empty
 * one; what the kernel has found there a moment ago is not taken away for that.
 */
int
slot_begin(struct slot *s)
{
	unsigned on = CTL_PRESENCE | CTL_INTERRUPT, events = 0;
	if (s->state == SLOT_NONE)
		return 0;
	uint16_t status = get(s, EXP_SLOT_STATUS);
	if (status == ONES)
		return -EIO;
	if (get(s, EXP_SLOT_CONTROL) & CTL_PRESENCE) {
		slot_events(s);
	} else {
		events = status & STA_EVENTS;
		if (!(status & STA_PRESENT) && !(events & STA_PRESENCE) && occupied(s)) {
			s->ops->log(s->arg, "a device is there, and the slot says that it is "
				"empty: not for hot plugging");
			s->state = SLOT_NONE;
			return 0;
		}
		s->ops->write(s->arg, s->express + EXP_SLOT_STATUS, (uint16_t)events);
	}
	take_over(s, events);
	on |= s->cap & CAP_BUTTON ? CTL_BUTTON : 0;
	on |= s->cap & CAP_POWER ? CTL_FAULT : 0;
	on |= s->link_reporting ? CTL_LINK : 0;
	int e = command(s, CTL_COMPLETED, on);
	return e < 0 ? e : slot_events(s);
}

void
slot_end(struct slot *s)
{
	if (s->state != SLOT_NONE)
		command(s, CTL_INTERRUPT, 0);
}
