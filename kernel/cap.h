/*
 * Capabilities: what a process may do to hardware.  cap.c.
 *
 * A set is immutable once a process has it; a child gets the same set or a smaller one.
 */
#pragma once
#include "kernel.h"

enum cap {
	CAP_FILE_SYSTEM = 1, CAP_DEVICE = 2, CAP_INTERRUPT = 4, CAP_DMA = 8, CAP_PAGE_EXCHANGE = 16,
	CAP_NETWORKING = 32, CAP_ADMIN = 64,	/* admin: /dev/sip, shutdown, time, other processes */
	CAP_ALL = 127
};

struct cap_set;
struct proc;

struct cap_set *cap_all(void);		/* the first process's; nothing is narrowed */
struct cap_set *cap_get(struct cap_set *c);
void cap_put(struct cap_set *c);
/* 0, or -EACCES with the text "permission denied: needs NAME". */
int cap_check(enum cap c);
bool cap_has(const struct cap_set *c, enum cap which);
/* 0 or -EACCES with a text: ranges of the current process's grant. */
int cap_check_mem(paddr_t pa, size_t n);
int cap_check_port(unsigned port, unsigned width);
int cap_check_line(unsigned line);
int cap_check_pci(unsigned bdf);	/* bus << 8 | dev << 3 | fn */
