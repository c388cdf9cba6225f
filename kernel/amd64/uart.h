/*
 * The PC's own console hardware: COM1 (uart.c), VGA text (vga.c), PS/2 keyboard (kbd.c).
 *
 * What is typed goes to cons_input of dev/cons.h.
 */
#pragma once
#include "../irq.h"

/* As early as wanted: 115200 8N1, polled. */
void uart_init(void);
/* Gives up on a character when the line is stuck; nothing without a UART. */
void uart_write(const char *s, size_t n);
/* After irq_init: input by interrupt. */
void uart_start(void);

/* The handler takes what comes on the line, an ISA line, from now on: false if it cannot. */
bool console_line(unsigned line, irq_handler h);

/* After mmu_init. */
void vga_init(void);
/* Nothing before vga_init, or without a text screen. */
void vga_write(const char *s, size_t n);

/* After irq_init: an absent controller is found out. */
void kbd_start(void);
