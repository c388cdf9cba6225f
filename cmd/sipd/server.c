/*
 * One server under sipd: made, looked at, started again, given up.
 *
 * What is true is what the slot's status says, which is read once for each step: a read takes the
 * poll's readiness away, so all that it tells must be answered.  A generation is
 * one life: `ended` is the last whose end was answered, so that an end is answered once, and one
 * that was not started from here (`expected`) was started by hand: its count is clean.
 */
#include "sipd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_MAX	2048
#define SETTLE_MS	10000		/* to be healthy, for one without a deadline */

int
server_add(struct manager *m, const struct sip_plan *plan)
{
	if (m->nservers == SERVERS_MAX)
		return -ENOSPC;
	m->server[m->nservers++] = (struct server){
		.plan = *plan, .ctl = -1, .status = -1, .state = SIP_UNKNOWN,
		.deadline_ms = plan->type->deadline_ms,
	};
	return 0;
}

bool
server_is_well(const struct server *s)
{
	return s->state == SIP_HEALTHY || s->state == SIP_DEGRADED;
}

static uint64_t
settle_ns(const struct server *s)
{
	return (s->deadline_ms ? s->deadline_ms : SETTLE_MS) * NS_PER_MS;
}

static uint64_t
number(const char *text, const char *name)
{
	char value[32];
	return sip_field(text, name, value, sizeof value) > 0 ? strtoull(value, NULL, 10) : 0;
}

void
server_facts(const char *text, struct facts *f)
{
	char state[32] = "";
	*f = (struct facts){ 0 };
	if (sip_field(text, "cause", f->cause, sizeof f->cause) < 0)
		f->cause[0] = '\0';
	sip_field(text, "status", state, sizeof state);
	int parsed = sip_state_parse(state);
	f->state = parsed < 0 ? SIP_FAILING : (enum sip_state)parsed;
	f->running = number(text, "pid") != 0 || f->state == SIP_STARTING;
	f->generation = (unsigned)number(text, "generation");
	f->deadline_ms = (unsigned)number(text, "deadline");
	f->uptime_ns = number(text, "uptime");
	f->lived_ns = number(text, "lived");
	f->report_ns = number(text, "report");
	f->oldest_ns = number(text, "oldest");
}

void
server_tell(const struct server *s, const char *fmt, ...)
{
	char text[2 * SIP_TEXT_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fprintf(stderr, "sipd: %s: %s\n", s->plan.name, text);
}

static void
command(const struct server *s, const char *text)
{
	char err[SIP_TEXT_MAX];
	if (sip_factory_tell(s->ctl, err, "%s", text) < 0)
		server_tell(s, "%s", err);
}

/* The program's end, or a start that could not be: what the policy says. */
static void
answer_end(struct server *s, const struct facts *f, uint64_t now)
{
	const struct sip_end end = {
		.stopped = f->state == SIP_STOPPED, .lived_ms = f->lived_ns / NS_PER_MS,
		.waited_ms = s->killed == f->generation ? (now - s->late_since) / NS_PER_MS :
			sip_verdict_ms(s->deadline_ms, f->cause),	/* a predecessor's */
		.by_hand = strcmp(f->cause, "killed by hand") == 0,
		.exit0 = strcmp(f->cause, "exited with status 0") == 0,
	};
	char text[SIP_TEXT_MAX];
	unsigned delay_ms;
	s->ended = f->generation;
	s->died = now;
	s->start_at = 0;
	switch (sip_policy(s->plan.type, &s->deaths, &end, &delay_ms)) {
	case SIP_LEAVE:
		s->settled = true;
		break;
	case SIP_START:
		s->start_at = now + delay_ms * NS_PER_MS;
		break;
	case SIP_GIVE_UP:
		s->settled = true;
		snprintf(text, sizeof text, "fail %u deaths in a row", s->deaths);
		command(s, text);
		break;
	}
}

static void
forget(struct server *s)
{
	if (s->status >= 0)
		close(s->status);
	if (s->ctl >= 0)
		close(s->ctl);
	s->status = s->ctl = -1;
	s->settled = true;
	s->start_at = 0;
}

/* After what was to be done was done: nobody waits for the text. */
static void
tell_change(struct server *s, const struct facts *f, enum sip_state before, uint64_t now)
{
	const char *why = f->cause;
	if (server_is_others(s))
		return;
	if (f->state == SIP_HEALTHY && before == SIP_DEGRADED)
		server_tell(s, "healthy again");
	else if (f->state == SIP_HEALTHY)
		server_tell(s, "healthy after %llu ms",
			(unsigned long long)((now - s->since) / NS_PER_MS));
	else if (f->state != SIP_STARTING)
		server_tell(s, "%s%s%s", sip_state_name(f->state), why[0] ? ": " : "", why);
}

static void
new_generation(struct server *s, const struct facts *f, uint64_t now)
{
	s->generation = f->generation;
	s->told_ms = f->deadline_ms;
	s->since = now;
	s->well_since = s->healthy_since = 0;
	s->start_at = 0;
	s->nlate = 0;
	s->state = SIP_STARTING;
	if (f->generation != s->expected)
		s->deaths = 0;
}

/* By a predecessor, whose slot is being deleted. */
static bool
name_is_in_use(const struct manager *m, const struct server *s)
{
	for (const struct server *k = m->server; k < s; k++)
		if (strcmp(k->plan.name, s->plan.name) == 0)
			return true;
	return false;
}

/*
 * Until when the start waits for something that it comes after: 0: it does not; UINT64_MAX: until
 * that has settled.  At a restart it waits only for what is being started as well.
 */
static uint64_t
blocked_until(const struct manager *m, const struct server *s)
{
	const struct sip_manifest *t = s->plan.type;
	uint64_t until = 0;
	if (!s->made && name_is_in_use(m, s))
		return UINT64_MAX;
	for (size_t i = 0; i < m->nservers; i++) {
		const struct server *k = &m->server[i];
		bool coming = k->start_at || k->state == SIP_STARTING;
		for (unsigned a = 0; a < t->nafter; a++) {
			if (strcmp(k->plan.type->name, t->after[a]) != 0)
				continue;
			if (!k->settled)
				return UINT64_MAX;
			if (s->made && coming && s->died + settle_ns(k) > until)
				until = s->died + settle_ns(k);
		}
	}
	return until;
}

static void
look(const struct server *s, struct facts *f)
{
	char text[STATUS_MAX];
	ssize_t n = s->status < 0 ? -1 : pread(s->status, text, sizeof text - 1, 0);
	if (n < 0) {
		*f = (struct facts){ .state = SIP_FAILING, .gone = true,
			.cause = "its slot has gone" };
		return;
	}
	text[n] = '\0';
	server_facts(text, f);
}

int
server_open(const struct manager *m, struct server *s, const char *slot)
{
	char path[SIP_PATH_MAX], id[32];
	snprintf(path, sizeof path, "%s/sip/servers/%s/ctl", m->factory.root, slot);
	s->ctl = open(path, O_RDWR | O_CLOEXEC);
	ssize_t n = s->ctl < 0 ? -1 : pread(s->ctl, id, sizeof id - 1, 0);
	if (n >= 0) {
		id[n] = '\0';
		s->id = strtoull(id, NULL, 10);
		snprintf(path, sizeof path, "%s/sip/servers/%s/status", m->factory.root, slot);
		s->status = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (s->status >= 0)
		return 0;
	int e = errno;
	forget(s);
	return -e;
}

/*
 * A child makes the slot: it gets to the end of that even if this process is killed, and holds the
 * lock (alone.c) as long, so that a successor finds no slot of which nobody knows whose it is.
 */
static int
make_slot(const struct manager *m, const struct server *s)
{
	char err[SIP_TEXT_MAX];
	int status = 0;
	pid_t pid = fork();
	if (pid <= 0) {		/* here, if there can be no child */
		status = sip_factory_make(&m->factory, &s->plan, err);
		if (status < 0)
			server_tell(s, "%s", err);
		else
			close(status);
	}
	if (pid == 0)
		_exit(status < 0);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && status ? -ECHILD : status < 0 ? status : 0;
}

static void
make(struct manager *m, struct server *s, uint64_t now)
{
	s->made = true;
	s->first = s->since = now;
	int e = make_slot(m, s);
	if (!e && (e = server_open(m, s, s->plan.name)) < 0)
		server_tell(s, "its slot: %s", strerror(-e));
	if (e) {
		s->state = SIP_FAILING;
		s->settled = true;
		return;
	}
	s->start_at = now;
}

/*
 * What was before is taken for known: an end that was answered (stopped, given up), or that is to
 * be answered now.  Nobody knows since when it is well, so its deadlines begin now.
 */
void
server_adopt(struct server *s, const struct facts *f, const struct sip_past *past, uint64_t now)
{
	s->made = true;
	s->first = s->since = now;
	s->state = f->state;
	s->generation = s->expected = f->generation;
	s->deadline_ms = f->deadline_ms;
	s->told_ms = s->plan.type->deadline_ms > f->deadline_ms ? s->plan.type->deadline_ms :
		f->deadline_ms;
	s->deaths = past->deaths;
	s->nmissed = past->missed;
	if (f->state == SIP_FAILED) {
		s->ended = f->generation;
		s->settled = true;
	}
	if (server_is_well(s))
		s->well_since = now;
	if (f->state == SIP_HEALTHY)
		s->healthy_since = now;
}

/* What became of it is seen at the next look. */
static void
start(struct server *s)
{
	char err[SIP_TEXT_MAX];
	s->start_at = 0;
	s->expected = s->generation + 1;
	s->not_started = sip_factory_tell(s->ctl, err, "start") < 0;
}

/* The state that the slot has now. */
static void
enter(struct server *s, const struct facts *f, uint64_t now)
{
	if (f->gone) {
		forget(s);
		s->going |= server_is_others(s);
	} else if (f->generation != s->generation) {
		new_generation(s, f, now);
	}
	s->state = f->state;
	if (!f->gone)
		s->deadline_ms = f->deadline_ms;
	if (!server_is_well(s)) {
		s->well_since = 0;
	} else if (!s->well_since) {
		s->well_since = now;
		s->nmissed = 0;
	}
	if (s->state != SIP_HEALTHY)
		s->healthy_since = 0;
	else if (!s->healthy_since)
		s->healthy_since = now;
	s->settled |= f->running && server_is_well(s);
	if (f->running || f->state == SIP_STOPPED)
		s->start_at = 0;
}

/* Nothing but the end of its slot is waited for. */
static void
see_off(struct server *s)
{
	struct facts f;
	look(s, &f);
	if (f.gone)
		forget(s);
}

void
server_update(struct manager *m, struct server *s, uint64_t now)
{
	struct facts f;
	if (s->going) {
		see_off(s);
		return;
	}
	if (!s->made && blocked_until(m, s) <= now)
		make(m, s, now);
	if (s->status < 0)
		return;
	enum sip_state before = s->state;
	unsigned generation = s->generation;
	look(s, &f);
	enter(s, &f, now);
	bool ended = f.generation != s->ended || s->not_started;
	s->not_started = false;
	if (!f.gone && !f.running && ended)
		answer_end(s, &f, now);
	if (s->start_at && s->start_at <= now && blocked_until(m, s) <= now)
		start(s);
	else
		/* By the time after the look, which may be late itself. */
		server_judge(m, s, &f, os_time_ns());
	if (f.state != before || f.generation != generation)
		tell_change(s, &f, before, now);
	if (!s->settled && now >= s->first + settle_ns(s)) {
		s->settled = true;
		server_tell(s, "still %s after %llu ms", sip_state_name(f.state),
			(unsigned long long)((now - s->first) / NS_PER_MS));
	}
}

uint64_t
server_due(const struct manager *m, const struct server *s)
{
	uint64_t due = UINT64_MAX, blocked = blocked_until(m, s);
	if (s->going)
		return UINT64_MAX;
	if (s->not_started)
		return 0;
	if (!s->made || s->start_at)
		due = s->start_at > blocked ? s->start_at : blocked;
	if (s->made && !s->settled && s->first + settle_ns(s) < due)
		due = s->first + settle_ns(s);
	if (s->status >= 0 && s->look_at && s->look_at < due)
		due = s->look_at;
	return due;
}
