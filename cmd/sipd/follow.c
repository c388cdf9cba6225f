/*
 * Drivers come and go with their functions.
 *
 * The driver of a function that is leaving is asked to stop, and has STOP of sip(3) to do so; that
 * of one that has gone already is killed: it has nobody to talk to.  Its mount goes first, so that
 * nobody new comes to it.  Then its slot is deleted, which ends what clients wait for.  All that
 * waits, so a child does it; the server keeps its name until the slot has gone.  One that comes
 * back to its place meanwhile waits for that name.
 */
#include "sipd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DELETE_TRIES	1000		/* of DELETE_NS: for the process to end */
#define DELETE_NS	(10 * NS_PER_MS)

static bool
taken(void *arg, const char *name)
{
	const struct manager *m = arg;
	for (size_t i = 0; i < m->nservers; i++)
		if (strcmp(m->server[i].plan.name, name) == 0)
			return true;
	return false;
}

static void
unmount(const struct server *s)
{
	char service[SIP_PATH_MAX];
	if (!s->plan.type->mount[0])
		return;
	snprintf(service, sizeof service, "/srv/%s", s->plan.name);
	os_unmount(service, s->plan.type->mount);	/* it may not have got so far */
}

static void
end(const struct server *s, bool leaving)
{
	char err[SIP_TEXT_MAX];
	int e = -EBUSY;
	unmount(s);
	sip_factory_tell(s->ctl, err, leaving ? "stop" : "kill its device has gone");
	for (unsigned i = 0; i < DELETE_TRIES && e == -EBUSY; i++) {
		e = sip_factory_tell(s->ctl, err, "delete");
		if (e == -EBUSY)
			os_sleep_ns(DELETE_NS);
	}
	if (e < 0 && e != -ENOENT)
		fprintf(stderr, "sipd: %s: %s\n", s->plan.name, err);
}

/* A child that takes its time is neither what another sipd waits for nor who waits for this one. */
static void
let_go(const struct manager *m)
{
	if (m->lock >= 0)
		close(m->lock);
	if (m->ready >= 0)
		close(m->ready);
}

static void
part(struct manager *m, struct server *s, bool leaving)
{
	fprintf(stderr, "sipd: %s: %s %s\n", s->plan.name, s->plan.device,
		leaving ? "is leaving" : "has gone");
	s->going = s->settled = true;
	s->start_at = 0;
	if (s->ctl < 0)
		return;
	pid_t pid = fork();
	if (pid == 0)
		let_go(m);
	if (pid <= 0)
		end(s, leaving);	/* by itself, if there can be no child */
	if (pid == 0)
		_exit(0);
}

static void
come(struct manager *m, const struct sip_pci_info *info)
{
	struct sip_plan plan;
	if (!devices_plan(&m->factory, info, &m->places, taken, m, &plan))
		return;
	int e = server_add(m, &plan);
	fprintf(stderr, "sipd: %s: %s has come%s%s\n", plan.name, plan.device, e < 0 ? ": " : "",
		e < 0 ? "too many servers" : "");
}

void
follow_devices(struct manager *m)
{
	static struct devices_change c;
	int e = devices_update(&m->devices, &c);
	if (e < 0)
		fprintf(stderr, "sipd: %s/pci: %s\n", m->devices.root, strerror(-e));
	for (size_t i = 0; i < c.ngone; i++)
		for (size_t k = 0; k < m->nservers; k++)
			if (!m->server[k].going &&
			    strcmp(m->server[k].plan.device, c.gone[i].addr) == 0)
				part(m, &m->server[k], c.gone[i].leaving);
	for (size_t i = 0; i < c.ncome; i++)
		come(m, &c.come[i]);
}

void
follow_gone(struct manager *m, struct server *s, bool leaving)
{
	part(m, s, leaving);
}

void
follow_forget(struct manager *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->nservers; i++)
		if (!m->server[i].going || m->server[i].ctl >= 0)
			m->server[n++] = m->server[i];
	m->nservers = n;
}
