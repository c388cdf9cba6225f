/* Which PCI functions there are, and what has changed: devices.c. */
#pragma once
#include "sip.h"

#define DEVICES_MAX	256
#define PLACES_MAX	256
#define NUMBERS_KEPT	8		/* below it none is given to another place: lib/drive's
					 * names have room for so many hosts with 2048 disks */

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

/*
 * Where devices are and were, each with its number among those of the type: a name is made of it,
 * so it stays with the place.
 */
struct places {
	struct place {
		const struct sip_manifest *type;
		char device[16];
		unsigned number;
	} place[PLACES_MAX];
	size_t n;
};

/* Looks for the first time; a negative errno if there is no list. */
int devices_open(struct devices *d, const char *root);
/* Looks again.  One that has begun to leave counts as gone; one in another's place is another. */
int devices_update(struct devices *d, struct devices_change *c);
/* The difference of two lists; its bounds are those of the lists. */
void devices_compare(const struct sip_pci_info *old, size_t nold, const struct sip_pci_info *new,
	size_t nnew, struct devices_change *c);
/* The place of a server that was planned is remembered. */
void places_add(struct places *p, const struct sip_plan *plan);
/* Gives a server of the plan the number and name that one that has come would get. */
void places_number(struct places *p, bool (*taken)(void *arg, const char *name), void *arg,
	struct sip_plan *out);
/*
 * The server that is to drive a function that has come, under the name that a device of its type
 * had in the same place; else under one that no place has and `taken` does not know.  False if no
 * type does.
 */
bool devices_plan(const struct sip_factory *f, const struct sip_pci_info *info, struct places *p,
	bool (*taken)(void *arg, const char *name), void *arg, struct sip_plan *out);
