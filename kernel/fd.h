/*
 * Descriptor tables: what only the file calls and /proc use.  fd.c; the rest is in chan.h.
 */
#pragma once
#include "chan.h"

int fd_close(int fd);
/* Puts c, whose reference passes also on error, at fd, closing what was there: fd. */
int fd_replace(struct chan *c, int fd, bool cloexec);
/* set < 0: only tells.  0, 1 or -EBADF. */
int fd_cloexec(int fd, int set);
void fdtable_get(struct fdtable *t);
/* The channel of fd in any process's table, with a reference, or NULL. */
struct chan *fdtable_at(struct fdtable *t, int fd);
/* For a process that does not run yet: c, whose reference passes, becomes fd; 0 or an error. */
int fdtable_put_at(struct fdtable *t, int fd, struct chan *c);
