/*
 * COM1, a 16550 [NS PC16550D datasheet]: the early console, output polled, input by interrupt.
 *
 * uart_lock is not needed for output: each character is one port write, and the log's lock, or a
 * panic, is around them.  No flow control; input that overruns is lost.
 */
#include "uart.h"

#include "../dev/cons.h"
#include "cpu.h"

enum {
	COM1 = 0x3f8, COM1_LINE = 4,
	DATA = 0, IER = 1, FCR = 2, IIR = 2, LCR = 3, MCR = 4, LSR = 5, SCRATCH = 7,
	DIVISOR_LOW = 0, DIVISOR_HIGH = 1,
	IER_RECEIVED = 1, LCR_8N1 = 3, LCR_DIVISOR = 0x80, FCR_ON = 0xc7,
	MCR_DTR_RTS = 3, MCR_OUT2 = 8, LSR_READY = 1, LSR_EMPTY = 0x20,
	BAUD_115200 = 1, SEND_TRIES = 100000, RECEIVE_MAX = 256, FIFO = 16
};

static bool present;
static unsigned room;			/* of the transmit FIFO, known to be free */

static uint8_t
uart_in(unsigned reg)
{
	return inb((uint16_t)(COM1 + reg));
}

static void
uart_out(unsigned reg, unsigned v)
{
	outb((uint16_t)(COM1 + reg), (uint8_t)v);
}

void
uart_init(void)
{
	uart_out(SCRATCH, 0x5a);
	if (uart_in(SCRATCH) != 0x5a)
		return;
	uart_out(SCRATCH, 0xa5);
	if (uart_in(SCRATCH) != 0xa5)
		return;
	uart_out(IER, 0);
	uart_out(LCR, LCR_DIVISOR);
	uart_out(DIVISOR_LOW, BAUD_115200);
	uart_out(DIVISOR_HIGH, 0);
	uart_out(LCR, LCR_8N1);
	uart_out(FCR, FCR_ON);
	uart_out(MCR, MCR_DTR_RTS | MCR_OUT2);
	present = true;
}

static void
uart_putc(char c)
{
	int tries = SEND_TRIES;

	while (room == 0) {
		if (uart_in(LSR) & LSR_EMPTY)
			room = FIFO;
		else if (tries-- == 0)
			return;
	}
	room--;
	uart_out(DATA, (uint8_t)c);
}

void
uart_write(const char *s, size_t n)
{
	while (present && n-- > 0)
		uart_putc(*s++);
}

static void
uart_interrupt(void *)
{
	uart_in(IIR);
	for (int i = 0; i < RECEIVE_MAX && (uart_in(LSR) & LSR_READY); i++)
		cons_input((char)uart_in(DATA));
}

bool
console_line(unsigned line, irq_handler h)
{
	bool level, low;
	int handle = irq_alloc(h, NULL);

	irq_line_kind(line, &level, &low);
	if (handle < 0 || irq_route_line(handle, line, level, low) < 0)
		return false;
	irq_line_mask(line, false);
	h(NULL);		/* an edge that came before would be the last */
	return true;
}

void
uart_start(void)
{
	if (!present)
		return;
	uart_out(IER, IER_RECEIVED);
	if (!console_line(COM1_LINE, uart_interrupt))
		kprint("uart: no interrupt; there will be no input\n");
}
