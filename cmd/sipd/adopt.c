/*
 * Slots that sipd has not made itself.
 *
 * When it starts, a predecessor may have left slots: each one that is what a server of the plan
 * would be (type, device, mount, capabilities, and a name that this type gives) is that server, in
 * whatever state it is.  A driver keeps the number of its name, which is its disks'.  One that was
 * made and never started is made again: nobody knows how far its maker got.  The driver of a device
 * that has gone meanwhile is seen off.  A slot that has the name and is something else was made by
 * somebody, and stays his.
 *
 * Afterwards slots are looked for once a second: of those that others make the deadline is kept.
 */
#include "sipd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS_MAX	64		/* that the kernel has */
#define ENTRIES_MAX	128		/* of a directory that changes while it is read */
#define TEXT_MAX	8192		/* no file of a slot is longer */
#define SCAN_NS		(1000 * NS_PER_MS)

struct seen {
	char name[SIP_NAME_MAX], type[SIP_NAME_MAX], mount[SIP_PATH_MAX], device[32];
	struct facts facts;
	bool taken;
};

static const struct sip_manifest others = { .restart = SIP_RESTART_NEVER };
static struct seen seen[SLOTS_MAX];
static size_t nseen;

bool
server_is_others(const struct server *s)
{
	return s->plan.type == &others;
}

/* The text of a slot's file: false if there is none. */
static bool
text_of(const struct manager *m, const char *slot, const char *file, char text[TEXT_MAX])
{
	char path[SIP_PATH_MAX];
	snprintf(path, sizeof path, "%s/sip/servers/%s/%s", m->factory.root, slot, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, TEXT_MAX - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n >= 0;
}

/* The names of all slots, at most n: how many. */
static size_t
slots(const struct manager *m, char name[][SIP_NAME_MAX], size_t n)
{
	char path[SIP_PATH_MAX];
	size_t have = 0;
	snprintf(path, sizeof path, "%s/sip/servers", m->factory.root);
	DIR *d = opendir(path);
	for (unsigned i = 0; d && i < ENTRIES_MAX && have < n; i++) {
		const struct dirent *e = readdir(d);
		if (!e)
			break;
		if (e->d_name[0] != '.' && strlen(e->d_name) < SIP_NAME_MAX)
			strcpy(name[have++], e->d_name);
	}
	if (d)
		closedir(d);
	return have;
}

/* --- what a predecessor left ------------------------------------------------------------------ */

static bool
see(const struct manager *m, const char *name, struct seen *out)
{
	static char text[TEXT_MAX];
	*out = (struct seen){ 0 };
	if (!text_of(m, name, "status", text))
		return false;
	snprintf(out->name, sizeof out->name, "%s", name);
	if (sip_field(text, "type", out->type, sizeof out->type) < 0)
		out->type[0] = '\0';
	if (sip_field(text, "mount", out->mount, sizeof out->mount) < 0)
		out->mount[0] = '\0';
	server_facts(text, &out->facts);
	if (!text_of(m, name, "devices", text))
		return false;
	/* Several make a text that is no device's address: no server of a plan has that. */
	char *end = strchr(text, '\n');
	if (end)
		*end = end[1] ? '+' : '\0';
	snprintf(out->device, sizeof out->device, "%.31s", text);
	return true;
}

/* The number that a server's name gives it among those of its type; -1: it is none of its names. */
static int
number_of(const char *name, const char *type)
{
	size_t n = strlen(type);
	char *end;
	if (strncmp(name, type, n) != 0)
		return -1;
	if (!name[n])
		return 0;
	if (name[n] < '1' || name[n] > '9' || strlen(name + n) > 3)
		return -1;
	long number = strtol(name + n, &end, 10);
	return *end || number > SIP_NUMBER_MAX ? -1 : (int)number;
}

/* Made, perhaps not completely, and never started. */
static bool
is_unfinished(const struct seen *s)
{
	return s->facts.generation == 0 && s->facts.state == SIP_UNKNOWN;
}

static const struct sip_pci_info *
function_at(const struct manager *m, const char *device)
{
	for (size_t i = 0; i < m->devices.n; i++)
		if (strcmp(m->devices.now[i].addr, device) == 0)
			return &m->devices.now[i];
	return NULL;
}

/* A driver that a predecessor started, and whose device has gone or is leaving. */
static bool
is_left_behind(const struct manager *m, const struct seen *s)
{
	const struct sip_manifest *t = sip_factory_find(&m->factory, s->type);
	const struct sip_pci_info *function = function_at(m, s->device);
	return m->devices.n && t && t->nmatch && s->device[0] &&
		number_of(s->name, s->type) >= 0 && (!function || function->leaving);
}

struct names {
	const struct manager *m;
	const struct sip_plan *plan;
	size_t n, except;
};

static bool
is_planned(void *arg, const char *name)
{
	const struct names *a = arg;
	for (size_t i = 0; i < a->n; i++)
		if (i != a->except && strcmp(a->plan[i].name, name) == 0)
			return true;
	for (size_t i = 0; i < nseen; i++)
		if (strcmp(seen[i].name, name) == 0 && is_left_behind(a->m, &seen[i]))
			return true;
	return false;
}

static struct seen *
driver_of(const struct sip_plan *p)
{
	for (size_t i = 0; i < nseen; i++)
		if (strcmp(seen[i].type, p->type->name) == 0 &&
		    strcmp(seen[i].device, p->device) == 0 &&
		    number_of(seen[i].name, seen[i].type) >= 0)
			return &seen[i];
	return NULL;
}

void
adopt_names(struct manager *m, struct sip_plan *plan, size_t n)
{
	static char name[SLOTS_MAX][SIP_NAME_MAX];
	static bool kept[SERVERS_MAX];
	size_t nnames = slots(m, name, SLOTS_MAX);
	for (size_t i = 0; i < nnames; i++)
		nseen += see(m, name[i], &seen[nseen]);
	for (size_t i = 0; i < n; i++) {
		const struct seen *s = plan[i].device[0] ? driver_of(&plan[i]) : NULL;
		kept[i] = s;
		if (!s)
			continue;
		plan[i].number = (unsigned)number_of(s->name, s->type);
		sip_factory_name(&plan[i]);
		places_add(&m->places, &plan[i]);
	}
	for (size_t i = 0; i < n; i++) {
		struct names others_names = { m, plan, n, i };
		if (plan[i].device[0] && !kept[i] && is_planned(&others_names, plan[i].name))
			places_number(&m->places, is_planned, &others_names, &plan[i]);
	}
}

static bool
same_capabilities(const struct manager *m, const char *slot, const struct sip_manifest *t)
{
	static char text[TEXT_MAX];
	char line[64];
	unsigned has = 0, all = 0;
	if (!text_of(m, slot, "caps", text))
		return false;
	for (const char *p = text; (p = strstr(p, "capability ")); p++)
		all++;
	for (unsigned i = 0; i < t->ncaps; i++) {
		snprintf(line, sizeof line, "capability %s\n", t->capability[i]);
		has += strstr(text, line) != NULL;
	}
	return has == t->ncaps && all == has;
}

/* What is another than its manifest says, or NULL. */
static const char *
difference(const struct manager *m, const struct seen *slot, const struct sip_plan *p)
{
	return strcmp(slot->type, p->type->name) != 0 ? "type" :
		strcmp(slot->device, p->device) != 0 ? "device" :
		strcmp(slot->mount, p->type->mount) != 0 ? "mount" :
		same_capabilities(m, slot->name, p->type) ? NULL : "capabilities";
}

/* Its successor is made in its turn. */
static void
unmake(struct manager *m, struct server *s)
{
	char err[SIP_TEXT_MAX];
	int e = server_open(m, s, s->plan.name);
	if (e == 0)
		e = sip_factory_tell(s->ctl, err, "delete");
	if (s->ctl >= 0)
		close(s->ctl);
	if (s->status >= 0)
		close(s->status);
	s->ctl = s->status = -1;
	server_tell(s, e < 0 ? "was made and not started, and cannot be deleted" :
		"was made and not started: made again");
}

static void
leave(struct server *s, const char *what)
{
	s->made = s->settled = true;
	s->state = SIP_FAILING;
	server_tell(s, "there is a server of that name with another %s than its manifest's: "
		"it is left alone", what);
}

static void
adopt(struct manager *m, struct server *s, struct seen *slot, uint64_t now)
{
	static char text[TEXT_MAX];
	struct sip_past past = { 0 };
	bool own = strcmp(slot->type, s->plan.type->name) == 0;
	slot->taken = true;
	if (is_unfinished(slot) && (own || !slot->type[0])) {
		unmake(m, s);
		return;
	}
	const char *what = difference(m, slot, &s->plan);
	if (what) {
		leave(s, what);
		return;
	}
	if (text_of(m, slot->name, "health", text))
		sip_history(s->plan.type, text, &past);
	int e = server_open(m, s, slot->name);
	if (e < 0) {
		leave(s, strerror(-e));
		return;
	}
	server_adopt(s, &slot->facts, &past, now);
	server_tell(s, "taken over, generation %u, %s", slot->facts.generation,
		sip_state_name(slot->facts.state));
}

static void
see_off(struct manager *m, const struct seen *slot, uint64_t now)
{
	static const struct sip_past none;
	struct sip_plan p = { .type = sip_factory_find(&m->factory, slot->type) };
	if (!is_left_behind(m, slot) || m->nservers == SERVERS_MAX)
		return;
	p.number = (unsigned)number_of(slot->name, slot->type);
	sip_factory_name(&p);
	snprintf(p.device, sizeof p.device, "%.15s", slot->device);
	if (difference(m, slot, &p))
		return;
	server_add(m, &p);
	struct server *s = &m->server[m->nservers - 1];
	if (server_open(m, s, p.name) < 0) {
		m->nservers--;
		return;
	}
	server_adopt(s, &slot->facts, &none, now);
	follow_gone(m, s, function_at(m, slot->device) != NULL);
}

void
adopt_all(struct manager *m)
{
	uint64_t now = os_time_ns();
	for (size_t i = 0; i < m->nservers; i++)
		for (size_t k = 0; k < nseen; k++)
			if (strcmp(m->server[i].plan.name, seen[k].name) == 0)
				adopt(m, &m->server[i], &seen[k], now);
	for (size_t k = 0; k < nseen; k++)
		if (!seen[k].taken)
			see_off(m, &seen[k], now);
}

/* --- what others make ------------------------------------------------------------------------- */

static bool
is_known(const struct manager *m, const char *name)
{
	for (size_t i = 0; i < m->nservers; i++)
		if (m->server[i].ctl >= 0 && strcmp(m->server[i].plan.name, name) == 0)
			return true;
	return false;
}

/* Under another name: whoever may make a server may name it. */
static bool
has_id(const struct manager *m, uint64_t id)
{
	for (size_t i = 0; i + 1 < m->nservers; i++)
		if (m->server[i].ctl >= 0 && m->server[i].id == id)
			return true;
	return false;
}

static void
watch(struct manager *m, const char *name)
{
	struct sip_plan p = { .type = &others };
	snprintf(p.name, sizeof p.name, "%s", name);
	if (server_add(m, &p) < 0)
		return;
	struct server *s = &m->server[m->nservers - 1];
	s->made = s->settled = true;
	if (server_open(m, s, name) == 0 && !has_id(m, s->id))
		return;
	if (s->ctl >= 0)
		close(s->ctl);
	if (s->status >= 0)
		close(s->status);
	m->nservers--;
}

void
adopt_others(struct manager *m, uint64_t now)
{
	static char name[SLOTS_MAX][SIP_NAME_MAX];
	if (now < m->scan_at)
		return;
	m->scan_at = now + SCAN_NS;
	size_t n = slots(m, name, SLOTS_MAX);
	for (size_t i = 0; i < n; i++)
		if (!is_known(m, name[i]))
			watch(m, name[i]);
}
