/*
 * The console: between whoever has keys and a screen (serial line, VGA) and /dev/cons.  cons.c.
 */
#pragma once
#include "chan.h"

/* Shows text on the serial line and the screen; from any context, also with interrupts. */
void cons_write(const char *s, size_t n);
/* A character was typed; at interrupt level or not. */
void cons_input(char c);
bool cons_is_terminal(const struct chan *c);

/* random.c: cryptographically strong. */
void random_bytes(void *buf, size_t n);

/* What misc.c, the tree of /dev, needs of cons.c and random.c. */
int64_t cons_read(struct chan *c, struct uio *u);
int cons_poll(struct poller *p);
void consctl_text(struct text *t);
int consctl_command(struct chan *c, char *text);
void consctl_close(struct chan *c);
void random_mix(const char *buf, size_t n);
