/*
 * Capabilities: what a process may do to hardware, and to what others see.  cap.c.
 *
 * CAP_FILE_SYSTEM: to serve files: names in /srv, and mounts and binds.  Nothing asks for
 * CAP_NETWORKING as long as there is no network.
 *
 * A set is immutable once a process has it; a child gets the same set or a smaller one.
 */
#pragma once
#include "kernel.h"

enum cap {
	CAP_FILE_SYSTEM = 1, CAP_DEVICE = 2, CAP_INTERRUPT = 4, CAP_DMA = 8, CAP_PAGE_EXCHANGE = 16,
	CAP_NETWORKING = 32, CAP_ADMIN = 64,	/* /dev/sip, shutdown, time, other processes */
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
/* As cap_check_mem for whole pages: none may hold registers of a function that is not granted. */
int cap_check_map(paddr_t pa, size_t n);

/*
 * What a set is made from.  A function's memory, ports and lines come with it; ports and lines
 * are for devices that are not PCI.
 */
enum grant_kind { GRANT_PCI, GRANT_PORT, GRANT_LINE };

struct grant {
	enum grant_kind kind;
	/* Inclusive; a line is lo; a function is lo, and hi its serial: it ends with it. */
	uint32_t lo, hi;
};

#define CAP_GRANTS_MAX 24

struct cap_spec {
	uint32_t mask;			/* enum cap */
	bool unlimited;			/* not narrowed to the grants */
	unsigned ngrants;
	struct grant grants[CAP_GRANTS_MAX];
};

/* -EACCES if the current process does not have all of it itself, -ENOMEM. */
int cap_new(const struct cap_spec *spec, struct cap_set **out);
/* 0 if there is no capability of that name. */
uint32_t cap_parse(const char *name);
/* "B.D.F", decimal, whole: 0 or -EINVAL. */
int cap_parse_pci(const char *text, unsigned *bdf);
/* One line for each capability and grant. */
void cap_spec_text(const struct cap_spec *spec, struct text *t);
