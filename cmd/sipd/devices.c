/*
 * The functions under /dev/pci, as sipd follows them.
 *
 * A function is told from another in the same place by its serial.  One that is leaving counts as
 * gone: its driver is to end before its power does (pciehp waits for that, with a bound), and the
 * kernel takes no other owner.
 */
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
keep(void *arg, const struct sip_pci_info *info)
{
	struct devices *d = arg;
	if (d->n < DEVICES_MAX)
		d->now[d->n++] = *info;
	return 0;
}

/* The count is read before the list: what changes in between is told of again. */
static int
look(struct devices *d)
{
	char text[64];
	if (d->ctl >= 0 && pread(d->ctl, text, sizeof text, 0) < 0)
		return -errno;
	d->n = 0;
	return sip_dev_scan(d->root, keep, d);
}

int
devices_open(struct devices *d, const char *root)
{
	char path[SIP_PATH_MAX];
	*d = (struct devices){ .root = root, .ctl = -1 };
	snprintf(path, sizeof path, "%s/pci/ctl", root);
	d->ctl = open(path, O_RDONLY | O_CLOEXEC);
	return look(d);
}

/* The same function in a list, or NULL. */
static const struct sip_pci_info *
find(const struct sip_pci_info *one, const struct sip_pci_info *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].addr, one->addr) == 0 && list[i].serial == one->serial)
			return &list[i];
	return NULL;
}

void
devices_compare(const struct sip_pci_info *old, size_t nold, const struct sip_pci_info *new,
	size_t nnew, struct devices_change *c)
{
	c->ncome = c->ngone = 0;
	for (size_t i = 0; i < nold; i++) {
		const struct sip_pci_info *same = find(&old[i], new, nnew);
		if (!old[i].leaving && (!same || same->leaving))
			c->gone[c->ngone++] = same ? *same : old[i];
	}
	for (size_t i = 0; i < nnew; i++)
		if (!new[i].leaving && !find(&new[i], old, nold))
			c->come[c->ncome++] = new[i];
}

int
devices_update(struct devices *d, struct devices_change *c)
{
	static struct sip_pci_info old[DEVICES_MAX];
	size_t nold = d->n;
	memcpy(old, d->now, nold * sizeof old[0]);
	int e = look(d);
	if (e < 0) {		/* what is not known has not gone */
		memcpy(d->now, old, nold * sizeof old[0]);
		d->n = nold;
	}
	devices_compare(old, nold, d->now, d->n, c);
	return e;
}

static const struct place *
place_of(const struct places *p, const struct sip_plan *plan)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->place[i].type == plan->type &&
		    strcmp(p->place[i].device, plan->device) == 0)
			return &p->place[i];
	return NULL;
}

static void
place_forget(struct places *p, size_t i)
{
	memmove(&p->place[i], &p->place[i + 1], (--p->n - i) * sizeof p->place[0]);
}

/* The place with that number of the type, or p->n. */
static size_t
place_with(const struct places *p, const struct sip_plan *plan)
{
	size_t i = 0;
	while (i < p->n &&
	       (p->place[i].type != plan->type || p->place[i].number != plan->number))
		i++;
	return i;
}

void
places_add(struct places *p, const struct sip_plan *plan)
{
	struct place *at;
	if (!plan->device[0] || place_of(p, plan))
		return;
	if (p->n == PLACES_MAX)	/* the oldest is forgotten; if it is there, its name is taken */
		place_forget(p, 0);
	at = &p->place[p->n++];
	*at = (struct place){ .type = plan->type, .number = plan->number };
	snprintf(at->device, sizeof at->device, "%s", plan->device);
}

/* The lowest that nobody has; of those that a place has that is empty now, if there are many. */
void
places_number(struct places *p, bool (*taken)(void *arg, const char *name), void *arg,
	struct sip_plan *out)
{
	size_t i;
	for (out->number = 0; out->number < NUMBERS_KEPT; out->number++) {
		sip_factory_name(out);
		if (place_with(p, out) == p->n && !taken(arg, out->name))
			return;
	}
	for (out->number = 0; out->number < SIP_NUMBER_MAX; out->number++) {
		sip_factory_name(out);
		if (!taken(arg, out->name))
			break;
	}
	i = place_with(p, out);
	if (i < p->n)
		place_forget(p, i);
}

bool
devices_plan(const struct sip_factory *f, const struct sip_pci_info *info, struct places *p,
	bool (*taken)(void *arg, const char *name), void *arg, struct sip_plan *out)
{
	const struct place *old;
	*out = (struct sip_plan){ .type = sip_factory_match(f, info) };
	if (!out->type)
		return false;
	snprintf(out->device, sizeof out->device, "%s", info->addr);
	old = place_of(p, out);
	if (old)
		out->number = old->number;
	sip_factory_name(out);
	if (!old)
		places_number(p, taken, arg, out);
	places_add(p, out);
	return true;
}
