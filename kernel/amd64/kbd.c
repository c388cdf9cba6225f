/*
 * PS/2 keyboard behind an i8042, US layout [IBM PS/2 keyboard controller; scan code set 1, as the
 * controller translates it].
 *
 * Shift, control, caps lock; arrows, home, end, delete and page keys send the sequences of a VT100.
 * The state belongs to the interrupt, which one processor takes.
 */
#include "uart.h"

#include "../dev/cons.h"
#include "cpu.h"

enum {
	DATA = 0x60, STATUS = 0x64, KBD_LINE = 1,
	STATUS_FULL = 1, STATUS_BUSY = 2, STATUS_MOUSE = 0x20,
	READ_CONFIG = 0x20, WRITE_CONFIG = 0x60, ENABLE_KEYBOARD = 0xae,
	CONFIG_INTERRUPT = 1, CONFIG_DISABLED = 0x10, CONFIG_TRANSLATE = 0x40,
	TRIES = 10000, DRAIN_MAX = 64
};

enum { RELEASED = 0x80, EXTENDED = 0xe0, KEY_CTRL = 0x1d, KEY_LSHIFT = 0x2a, KEY_RSHIFT = 0x36,
       KEY_CAPS = 0x3a };

static const char plain[] =
	"\0\0331234567890-=\b\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] =
	"\0\033!@#$%^&*()_+\b\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";

static const struct {
	uint8_t code;
	const char *text;
} extended_keys[] = {
	{ 0x47, "\033[H" }, { 0x48, "\033[A" }, { 0x49, "\033[5~" }, { 0x4b, "\033[D" },
	{ 0x4d, "\033[C" }, { 0x4f, "\033[F" }, { 0x50, "\033[B" }, { 0x51, "\033[6~" },
	{ 0x53, "\033[3~" }, { 0x1c, "\r" }, { 0x35, "/" },
};

static bool shift, ctrl, caps, extended;

static void
extended_key(uint8_t code)
{
	for (size_t i = 0; i < ARRAY_LEN(extended_keys); i++)
		if (extended_keys[i].code == code)
			for (const char *s = extended_keys[i].text; *s != '\0'; s++)
				cons_input(*s);
}

static void
key(uint8_t code)
{
	char c;

	if (code >= sizeof plain - 1)
		return;
	c = shift ? shifted[code] : plain[code];
	if (caps && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
		c ^= 0x20;
	if (ctrl && c >= '@')
		c &= 0x1f;
	if (c != '\0')
		cons_input(c);
}

static void
scan_code(uint8_t code)
{
	bool down = (code & RELEASED) == 0, was_extended = extended;

	extended = code == EXTENDED;
	if (extended)
		return;
	code &= (uint8_t)~RELEASED;
	if (code == KEY_CTRL)
		ctrl = down;
	else if ((code == KEY_LSHIFT || code == KEY_RSHIFT) && !was_extended)
		shift = down;
	else if (code == KEY_CAPS)
		caps ^= down;
	else if (down && was_extended)
		extended_key(code);
	else if (down)
		key(code);
}

static void
kbd_interrupt(void *)
{
	for (int i = 0; i < DRAIN_MAX; i++) {
		uint8_t status = inb(STATUS), code;

		if ((status & STATUS_FULL) == 0)
			return;
		code = inb(DATA);
		if ((status & STATUS_MOUSE) == 0)
			scan_code(code);
	}
}

static bool
wait_status(uint8_t mask, uint8_t value)
{
	for (int i = 0; i < TRIES; i++)
		if ((inb(STATUS) & mask) == value)
			return true;
	return false;
}

static bool
controller_command(uint8_t c)
{
	if (!wait_status(STATUS_BUSY, 0))
		return false;
	outb(STATUS, c);
	return true;
}

/* Keyboard interrupts and translation on. */
static bool
controller_init(void)
{
	uint8_t config;

	if (inb(STATUS) == 0xff)
		return false;
	for (int i = 0; i < DRAIN_MAX && (inb(STATUS) & STATUS_FULL); i++)
		inb(DATA);
	if (!controller_command(READ_CONFIG) || !wait_status(STATUS_FULL, STATUS_FULL))
		return false;
	config = (uint8_t)((inb(DATA) | CONFIG_INTERRUPT | CONFIG_TRANSLATE) & ~CONFIG_DISABLED);
	if (!controller_command(WRITE_CONFIG) || !wait_status(STATUS_BUSY, 0))
		return false;
	outb(DATA, config);
	return controller_command(ENABLE_KEYBOARD);
}

void
kbd_start(void)
{
	if (controller_init())
		console_line(KBD_LINE, kbd_interrupt);
}
