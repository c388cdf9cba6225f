/*
 * VGA text mode, 80 by 25, output only: enough to see messages on a PC.
 *
 * Carriage return, line feed, backspace, tab; escape sequences are swallowed.  Present when the
 * adapter is in colour text mode (GRUB and the BIOS leave it so; a UEFI machine has none).
 * vga_lock protects the cursor and the screen.
 */
#include "uart.h"

#include "../mem.h"
#include "cpu.h"

enum {
	COLUMNS = 80, ROWS = 25, GREY = 0x0700, TAB = 8, ESC = 27,
	CRTC = 0x3d4, CURSOR_HIGH = 14, CURSOR_LOW = 15, GRAPHICS = 0x3ce, GRAPHICS_MISC = 6,
	MISC_OUTPUT = 0x3cc, SCREEN = 0xb8000
};

enum escape { TEXT, ESCAPE, SEQUENCE };

static struct spinlock vga_lock = SPINLOCK("vga");
static volatile uint16_t *screen;	/* NULL: none */
static unsigned row, column;
static enum escape state;

/* Graphics controller, miscellaneous: not in graphics, window at 0xb8000 [IBM VGA, 2-86]. */
void
vga_init(void)
{
	uint8_t misc;

	if (inb(MISC_OUTPUT) == 0xff || (inb(MISC_OUTPUT) & 1) == 0)
		return;
	outb(GRAPHICS, GRAPHICS_MISC);
	misc = inb(GRAPHICS + 1);
	if (misc == 0xff || (misc & 1) != 0 || (misc >> 2 & 3) != 3)
		return;
	screen = kernel_map_device(SCREEN, COLUMNS * ROWS * 2);
	for (unsigned i = 0; i < COLUMNS * ROWS; i++)
		screen[i] = GREY | ' ';
}

static void
cursor_show(void)
{
	unsigned at = row * COLUMNS + column;

	outb(CRTC, CURSOR_HIGH);
	outb(CRTC + 1, (uint8_t)(at >> 8));
	outb(CRTC, CURSOR_LOW);
	outb(CRTC + 1, (uint8_t)at);
}

static void
new_line(void)
{
	if (++row < ROWS)
		return;
	row = ROWS - 1;
	for (unsigned i = 0; i < COLUMNS * (ROWS - 1); i++)
		screen[i] = screen[i + COLUMNS];
	for (unsigned i = 0; i < COLUMNS; i++)
		screen[(ROWS - 1) * COLUMNS + i] = GREY | ' ';
}

static void
show(char c)
{
	screen[row * COLUMNS + column] = (uint16_t)(GREY | (uint8_t)c);
	if (++column == COLUMNS) {
		column = 0;
		new_line();
	}
}

/* True if c is part of an escape sequence. */
static bool
escaped(char c)
{
	if (c == ESC)
		state = ESCAPE;
	else if (state == ESCAPE)
		state = c == '[' ? SEQUENCE : TEXT;
	else if (state == SEQUENCE)
		state = c >= '@' && c <= '~' ? TEXT : SEQUENCE;
	else
		return false;
	return true;
}

static void
put(char c)
{
	if (escaped(c))
		return;
	switch (c) {
	case '\n':
		new_line();
		break;
	case '\r':
		column = 0;
		break;
	case '\b':
		column -= column > 0;
		break;
	case '\t':
		do
			show(' ');
		while (column % TAB != 0);
		break;
	default:
		if ((uint8_t)c >= ' ')
			show(c);
	}
}

void
vga_write(const char *s, size_t n)
{
	if (screen == NULL)
		return;
	spin_lock(&vga_lock);
	while (n-- > 0)
		put(*s++);
	cursor_show();
	spin_unlock(&vga_lock);
}
