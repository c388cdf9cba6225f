/*
 * Servers and devices for unit tests: no server is mounted unless a test says how, no file is a
 * terminal, and the devices by name are those of test_devs.  Include it in exactly one file of a
 * test.
 */
#pragma once
#include "dev/cons.h"
#include "name.h"

static const struct dev *const *test_devs;	/* ends with NULL; NULL: none */
static int (*test_attach)(const char *aname, struct chan **out);	/* NULL: it fails */
static bool (*test_is_dead)(const struct chan *c);	/* NULL: none is */

int
mnt_attach(struct chan *service, const char *aname, uint64_t wait_ns, struct chan **out)
{
	(void)service;
	(void)wait_ns;
	return test_attach ? test_attach(aname, out) : -EINVAL;
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
	return test_is_dead && test_is_dead(c);
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

/* Of those in test_devs, from 1 on; 0 of another. */
unsigned
dev_number(const struct dev *d)
{
	for (unsigned i = 0; test_devs && test_devs[i]; i++)
		if (test_devs[i] == d)
			return i + 1;
	return 0;
}
