/*
 * For unit tests that mount nothing: no server is mounted, no file is a terminal, and the devices
 * by name are those of test_devs.  Include it in exactly one file of a test.
 */
#pragma once
#include "dev/cons.h"
#include "name.h"

static const struct dev *const *test_devs;	/* ends with NULL; NULL: none */

int
mnt_attach(struct chan *service, const char *aname, uint64_t wait_ns, struct chan **out)
{
	(void)service;
	(void)aname;
	(void)wait_ns;
	(void)out;
	return -EINVAL;
}

bool
mnt_is(const struct chan *c, struct chan *service, const char *aname)
{
	(void)c;
	(void)service;
	(void)aname;
	return false;
}

bool
mnt_is_dead(const struct chan *c)
{
	(void)c;
	return false;
}

bool
cons_is_terminal(const struct chan *c)
{
	(void)c;
	return false;
}

const struct dev *
dev_find(const char *name, size_t n)
{
	for (const struct dev *const *d = test_devs; d && *d; d++)
		if (strlen((*d)->name) == n && memcmp((*d)->name, name, n) == 0)
			return *d;
	return NULL;
}

unsigned
dev_number(const struct dev *d)
{
	(void)d;
	return 1;
}
