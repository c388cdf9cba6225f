/*
 * The factory: the registered types of server, which of them drives a device, in which order they
 * start, and how one is made: a slot of /dev/sip that is told what it is and then started.
 *
 * A factory belongs to one thread; there are no locks.
 */
#include "os.h"
#include "sip.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIR_ENTRIES_MAX 1024

void
sip_factory_init(struct sip_factory *f)
{
	*f = (struct sip_factory){ .root = "/dev" };
}

void
sip_factory_free(struct sip_factory *f)
{
	for (unsigned i = 0; i < f->ntypes; i++)
		free(f->type[i]);
	f->ntypes = 0;
}

const struct sip_manifest *
sip_factory_find(const struct sip_factory *f, const char *name)
{
	for (unsigned i = 0; i < f->ntypes; i++)
		if (strcmp(f->type[i]->name, name) == 0)
			return f->type[i];
	return NULL;
}

int
sip_factory_register(struct sip_factory *f, const struct sip_manifest *m)
{
	if (sip_factory_find(f, m->name))
		return -EEXIST;
	if (f->ntypes == SIP_TYPES_MAX)
		return -ENOSPC;
	struct sip_manifest *copy = malloc(sizeof *copy);
	if (!copy)
		return -ENOMEM;
	*copy = *m;
	/* Kept sorted, so that a plan does not depend on a directory's order. */
	unsigned at = f->ntypes++;
	for (; at > 0 && strcmp(f->type[at - 1]->name, m->name) > 0; at--)
		f->type[at] = f->type[at - 1];
	f->type[at] = copy;
	return 0;
}

static void
load_one(struct sip_factory *f, const char *path, void (*warn)(const char *text))
{
	struct sip_manifest m;
	char err[SIP_TEXT_MAX];
	int e = sip_manifest_load(&m, path, err);
	if (e < 0) {
		warn(err);
		return;
	}
	e = sip_factory_register(f, &m);
	if (e < 0) {
		snprintf(err, sizeof err, "%.60s: %.31s: %s", path, m.name,
			e == -EEXIST ? "a type of that name exists" : strerror(-e));
		warn(err);
	}
}

int
sip_factory_load(struct sip_factory *f, const char *dirname, void (*warn)(const char *text))
{
	char path[SIP_PATH_MAX];
	DIR *dir = opendir(dirname);
	if (!dir)
		return -errno;
	for (unsigned i = 0; i < DIR_ENTRIES_MAX; i++) {
		struct dirent *e = readdir(dir);
		if (!e)
			break;
		if (e->d_name[0] == '.')
			continue;
		int n = snprintf(path, sizeof path, "%s/%s", dirname, e->d_name);
		if (n < (int)sizeof path)
			load_one(f, path, warn);
	}
	closedir(dir);
	return (int)f->ntypes;
}

/* 0: no match; a vendor and device beat a class, a longer class a shorter one. */
static unsigned
exactness(const struct sip_manifest *m, const struct sip_pci_info *info)
{
	unsigned best = 0;
	for (unsigned i = 0; i < m->nmatch; i++) {
		struct sip_pci_match one[2] = { m->match[i] };
		if (!sip_pci_matches(one, info))
			continue;
		unsigned score = (unsigned)__builtin_popcount(one[0].class_mask) + 1;
		if (one[0].vendor)
			score += 32;
		best = score > best ? score : best;
	}
	return best;
}

const struct sip_manifest *
sip_factory_match(const struct sip_factory *f, const struct sip_pci_info *info)
{
	const struct sip_manifest *best = NULL;
	unsigned score = 0;
	for (unsigned i = 0; i < f->ntypes; i++) {
		unsigned e = exactness(f->type[i], info);
		if (e > score) {
			score = e;
			best = f->type[i];
		}
	}
	return best;
}

struct planner {
	const struct sip_factory *f;
	const struct sip_pci_info *devs;
	size_t ndevs;
	struct sip_plan *plan;
	size_t nplan, n;
	bool done[SIP_TYPES_MAX];
};

void
sip_factory_name(struct sip_plan *p)
{
	snprintf(p->name, sizeof p->name, p->number ? "%.27s%u" : "%.31s", p->type->name,
		p->number % 1000);
}

static void
plan_add(struct planner *p, const struct sip_manifest *m, unsigned number, const char *device)
{
	if (p->n == p->nplan)
		return;
	struct sip_plan *e = &p->plan[p->n++];
	*e = (struct sip_plan){ .type = m, .number = number };
	sip_factory_name(e);
	snprintf(e->device, sizeof e->device, "%s", device);
}

static void
plan_type(struct planner *p, const struct sip_manifest *m)
{
	unsigned number = 0;
	if (!m->nmatch) {
		plan_add(p, m, 0, "");
		return;
	}
	for (size_t i = 0; i < p->ndevs; i++)
		if (sip_factory_match(p->f, &p->devs[i]) == m)
			plan_add(p, m, number++, p->devs[i].addr);
}

/* NULL when every `after` of the type is planned; else the first that is not. */
static const char *
waits_for(const struct planner *p, const struct sip_manifest *m)
{
	for (unsigned a = 0; a < m->nafter; a++) {
		bool planned = false;
		for (unsigned i = 0; i < p->f->ntypes; i++)
			planned |= p->done[i] && strcmp(p->f->type[i]->name, m->after[a]) == 0;
		if (!planned)
			return m->after[a];
	}
	return NULL;
}

size_t
sip_factory_plan(const struct sip_factory *f, const struct sip_pci_info *devs, size_t ndevs,
	struct sip_plan *plan, size_t nplan, void (*warn)(const char *text))
{
	struct planner p = { .f = f, .devs = devs, .ndevs = ndevs, .plan = plan, .nplan = nplan };
	bool progress = true;
	while (progress) {
		progress = false;
		for (unsigned i = 0; i < f->ntypes; i++) {
			if (p.done[i] || waits_for(&p, f->type[i]))
				continue;
			plan_type(&p, f->type[i]);
			p.done[i] = progress = true;
		}
	}
	for (unsigned i = 0; i < f->ntypes; i++) {
		if (p.done[i])
			continue;
		char text[SIP_TEXT_MAX];
		const char *on = waits_for(&p, f->type[i]);
		snprintf(text, sizeof text, "%s: after %s: %s", f->type[i]->name, on,
			sip_factory_find(f, on) ? "it can never start" : "no such type");
		warn(text);
	}
	return p.n;
}

int
sip_factory_tell(int ctl, char err[SIP_TEXT_MAX], const char *fmt, ...)
{
	char text[3 * SIP_PATH_MAX], why[OS_ERRSTR_MAX];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	os_set_errstr("%s", "");
	int e = n < (int)sizeof text ? text_write_fd(ctl, text, (size_t)n) : -E2BIG;
	if (e < 0)	/* the kernel's own sentence says more than the number */
		snprintf(err, SIP_TEXT_MAX, "%.50s: %.75s", text,
			os_errstr(why, sizeof why) > 0 ? why : strerror(-e));
	return e;
}

int
sip_factory_publish(const struct sip_factory *f)
{
	char path[SIP_PATH_MAX], err[SIP_TEXT_MAX];
	int e = 0;
	snprintf(path, sizeof path, "%s/sip/types", f->root);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (unsigned i = 0; i < f->ntypes; i++) {
		int r = sip_factory_tell(fd, err, "%s %s", f->type[i]->name, f->type[i]->program);
		e = e ? e : r;
	}
	close(fd);
	return e;
}

/* How long clients of its mount wait for a successor. */
static const char *
wait_option(const struct sip_manifest *m, char out[24])
{
	out[0] = '\0';
	if (m->wait_ms && m->mount[0])
		snprintf(out, 24, " -wait %u", m->wait_ms);
	return out;
}

static int
configure(int fd, const struct sip_plan *p, char err[SIP_TEXT_MAX])
{
	const struct sip_manifest *m = p->type;
	char waits[24], device[48] = "";
	if (p->device[0])
		snprintf(device, sizeof device, " -device %s -number %u", p->device, p->number);
	int e = sip_factory_tell(fd, err, "name %s", p->name);
	if (!e)
		e = sip_factory_tell(fd, err, "type %s", m->name);
	for (unsigned i = 0; !e && i < m->ncaps; i++)
		e = sip_factory_tell(fd, err, "capability %s", m->capability[i]);
	if (!e && p->device[0])
		e = sip_factory_tell(fd, err, "device %s", p->device);
	for (unsigned i = 0; !e && i < m->ngrants; i++)
		e = sip_factory_tell(fd, err, "%s", m->grant[i]);
	if (!e && m->mount[0])
		e = sip_factory_tell(fd, err, "mount %s", m->mount);
	if (!e && m->memory)
		e = sip_factory_tell(fd, err, "memory %llu", (unsigned long long)m->memory);
	if (!e)
		e = sip_factory_tell(fd, err, "priority %u", m->priority);
	if (!e && m->deadline_ms)
		e = sip_factory_tell(fd, err, "deadline %u", m->deadline_ms);
	if (!e)
		e = sip_factory_tell(fd, err, "interrupts %u", m->interrupts);
	if (!e)
		e = sip_factory_tell(fd, err, "exec %s%s%s%s%s%s%s", m->program, device,
			m->mount[0] ? " -mount " : "", m->mount, wait_option(m, waits),
			m->args[0] ? " " : "", m->args);
	return e;
}

int
sip_factory_make(const struct sip_factory *f, const struct sip_plan *p, char err[SIP_TEXT_MAX])
{
	char path[SIP_PATH_MAX];
	snprintf(path, sizeof path, "%s/sip/clone", f->root);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		fd = -errno;
		snprintf(err, SIP_TEXT_MAX, "%.80s: %s", path, strerror(-fd));
		return fd;
	}
	int e = configure(fd, p, err);
	if (e < 0) {
		char ignored[SIP_TEXT_MAX];
		sip_factory_tell(fd, ignored, "delete");
		close(fd);
		return e;
	}
	return fd;
}
