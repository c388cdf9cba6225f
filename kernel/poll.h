/*
 * Waiting for one of several files.  poll.c.
 *
 * What a file's readiness depends on has a number of 64 bits: an address, or an id.  A device with
 * a poll() calls poll_on() with it, holding no lock, before it looks; and poll_notify() after each
 * change that may make a file ready, from an interrupt too.  Numbers that are alike by chance cost
 * a look, no more.
 */
#pragma once
#include "chan.h"

#define POLLIN		1
#define POLLOUT		4
#define POLLERR		8
#define POLLHUP		16
#define POLLNVAL	32

struct poller;
/* p waits for the thing from now on; NULL: it does not wait. */
void poll_on(struct poller *p, uint64_t thing);
void poll_notify(uint64_t thing);
