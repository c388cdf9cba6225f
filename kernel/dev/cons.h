/*
 * The console: between whoever has keys and a screen (serial line, VGA) and /dev/cons.  cons.c.
 */
#pragma once
#include "chan.h"

#define CONS_SINKS 4
/* Where output goes; NULL entries are skipped.  Called from any context, also with interrupts. */
extern void (*cons_sink[CONS_SINKS])(const char *s, size_t n);

/* A character was typed; at interrupt level or not. */
void cons_input(char c);
/* A newline is preceded by a carriage return. */
void cons_write(const char *s, size_t n);
bool cons_is_terminal(const struct chan *c);

/* random.c */
void random_bytes(void *buf, size_t n);

/* log.c: copies the log's bytes from absolute position off, as far as it still has them. */
size_t log_read(char *buf, size_t n, uint64_t off);
