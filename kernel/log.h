/* The kernel's log.  log.c. */
#pragma once
#include "kernel.h"

extern bool log_console;	/* messages also go to the serial line at once */
extern bool log_screen;		/* and to the screen */

/* Copies the log's bytes from absolute position off, or from its oldest; returns how many. */
size_t log_read(char *buf, size_t n, uint64_t off);
void log_panic(void);
