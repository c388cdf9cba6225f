/*
 * Waiting for one of several files.  poll.c.
 *
 * A device with a poll() calls poll_notify() after each change that may make a file ready, from an
 * interrupt too.
 */
#pragma once
#include "chan.h"

#define POLLIN		1
#define POLLOUT		4
#define POLLERR		8
#define POLLHUP		16
#define POLLNVAL	32

void poll_notify(void);
