/* Which PCI functions there are, and what has changed: devices.c. */
#pragma once
#include "sip.h"

#define DEVICES_MAX	256

struct devices {
	const char *root;		/* where pci is */
	int ctl;			/* readable when the list has changed; -1: it never does */
	struct sip_pci_info now[DEVICES_MAX];
	size_t n;
};

struct devices_change {
	struct sip_pci_info come[DEVICES_MAX];
	struct sip_pci_info gone[DEVICES_MAX];	/* `leaving`: it is still there */
	size_t ncome, ngone;
};

/* Looks for the first time; a negative errno if there is no list. */
int devices_open(struct devices *d, const char *root);
/* Looks again.  One that has begun to leave counts as gone; one in another's place is another. */
int devices_update(struct devices *d, struct devices_change *c);
/* The difference of two lists; its bounds are those of the lists. */
void devices_compare(const struct sip_pci_info *old, size_t nold, const struct sip_pci_info *new,
	size_t nnew, struct devices_change *c);
/*
 * The server that is to drive a function that has come, with a name that `taken` does not know.
 * False if no type does.
 */
bool devices_plan(const struct sip_factory *f, const struct sip_pci_info *info,
	bool (*taken)(void *arg, const char *name), void *arg, struct sip_plan *out);
