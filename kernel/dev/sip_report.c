/*
 * Server slots: what a server says of itself, its texts, its log.  sip_lock protects it all.
 */
#include "sip.h"

#include "../hw.h"

static const char *const status_names[] = {
	"unknown", "starting", "healthy", "degraded", "failing", "stopped", "failed",
};

char *
sip_split(char *text)
{
	char *rest = text;

	while (*rest != '\0' && *rest != ' ')
		rest++;
	while (*rest == ' ')
		*rest++ = '\0';
	return rest;
}

struct report {
	enum sip_status status;
	const char *message, *last;
	uint64_t requests, errors;
};

static int
report_line(struct report *rep, char *line)
{
	char *rest = sip_split(line);

	if (strcmp(line, "message") == 0)
		rep->message = rest;
	else if (strcmp(line, "last") == 0)
		rep->last = rest;
	else if (strcmp(line, "requests") == 0)
		return text_number(rest, UINT64_MAX, &rep->requests);
	else if (strcmp(line, "errors") == 0)
		return text_number(rest, UINT64_MAX, &rep->errors);
	else if (strcmp(line, "state") == 0) {
		for (int i = SIP_STARTING; i <= SIP_STOPPED; i++)
			if (strcmp(rest, status_names[i]) == 0) {
				rep->status = (enum sip_status)i;
				return 0;
			}
		return -EINVAL;
	} else
		return -EINVAL;
	return 0;
}

/* sip_lock is held. */
static void
report_apply(struct slot *s, const struct report *rep)
{
	bool change = rep->status != s->status || rep->errors != s->errors;

	s->report_ns = time_now();
	if (rep->message != NULL && strcmp(rep->message, s->message) != 0) {
		strlcpy(s->message, rep->message, sizeof s->message);
		change = true;
	}
	if (rep->last != NULL && (strcmp(rep->last, s->last) != 0 || rep->errors != s->errors)) {
		strlcpy(s->last, rep->last, sizeof s->last);
		s->last_ns = s->report_ns;
		change = true;
	}
	if (rep->status == SIP_HEALTHY && s->healthy_ns == 0) {
		struct restart *r = &s->restarts[(s->nrestarts - 1) % SIP_RESTARTS];

		if (s->nrestarts > 0)
			r->took_ns = s->report_ns - r->end_ns;
		s->healthy_ns = s->report_ns;
		slot_event(s, "healthy after %lu us", (s->report_ns - s->start_ns) / 1000);
	}
	s->status = rep->status;
	s->requests = rep->requests;
	s->errors = rep->errors;
	if (change)
		slot_changed(s);
}

int
slot_report(uint64_t id, char *text)
{
	struct report rep = { 0 };
	struct slot *s;
	char *next;
	int r = 0;

	spin_lock(&sip_lock);
	s = slot_find(id);
	if (s == NULL || s->pid == 0)
		r = error(ESRCH, "sip: the server is not running");
	else
		rep = (struct report){ .status = s->status, .requests = s->requests,
				       .errors = s->errors };
	for (; r == 0 && *text != '\0'; text = next) {
		next = strchr(text, '\n');
		if (next != NULL)
			*next++ = '\0';
		else
			next = text + strlen(text);
		if (report_line(&rep, text) < 0)
			r = error(EINVAL, "sip: %s: not a line of a report, or not its value",
				  text);
	}
	if (r == 0)
		report_apply(s, &rep);
	spin_unlock(&sip_lock);
	return r;
}

void
slot_status(const struct slot *s, struct text *t, const struct slot_facts *facts)
{
	const struct service_stats *st = &facts->stats;
	uint64_t uptime = s->pid != 0 ? time_now() - s->start_ns : 0;

	text_add(t, "name %s\ntype %s\npid %d\nstatus %s\nuptime %lu\n"
		 "generation %u\nrequests %lu\nerrors %lu\nmemory %lu\n",
		 s->name, s->type, s->pid > 0 ? s->pid : 0, status_names[s->status],
		 uptime, s->generation, s->requests, s->errors, facts->memory);
	text_add(t, "deadline %lu\nreport %lu\nrestarts %lu\n", s->deadline_ms, s->report_ns,
		 s->nrestarts);
	text_add(t, "oldest %lu\ndepth %u\nheld %u\np50 %lu\np99 %lu\n", st->oldest_ns, st->depth,
		 st->held, st->p50_ns, st->p99_ns);
	if (s->pid == 0 && s->cause[0] != '\0')
		text_add(t, "cause %s\nlived %lu\n", s->cause,
			 s->healthy_ns != 0 ? s->end_ns - s->healthy_ns : 0);
	for (unsigned i = 0; i < s->nmounts; i++)
		text_add(t, "mount %s\n", s->mounts[i]);
}

void
slot_health(const struct slot *s, struct text *t)
{
	uint64_t first = s->nrestarts > SIP_RESTARTS ? s->nrestarts - SIP_RESTARTS : 0;

	text_add(t, "state %s\nmessage %s\nrequests %lu\nerrors %lu\n", status_names[s->status],
		 s->message, s->requests, s->errors);
	if (s->last[0] != '\0')
		text_add(t, "last %lu %s\n", s->last_ns, s->last);
	text_add(t, "restarts %lu\n", s->nrestarts);
	for (uint64_t i = first; i < s->nrestarts; i++) {
		const struct restart *r = &s->restarts[i % SIP_RESTARTS];

		text_add(t, "restart %lu took %lu cause %s\n", r->end_ns, r->took_ns, r->cause);
	}
	if (s->pid == 0 && s->cause[0] != '\0')
		text_add(t, "ended %lu cause %s\n", s->end_ns, s->cause);
}

/* --- log --- */

/* What a server says is also the kernel's message, under its name. */
static void
say(const char *name, const char *line)
{
	size_t n = strlen(name);

	if (strncmp(line, name, n) == 0 && line[n] == ':')
		kprint("%s\n", line);
	else
		kprint("%s: %s\n", name, line);
}

static void
log_put(struct slot *s, char c)
{
	s->log[s->log_end++ % SIP_LOG_SIZE] = c;
}

void
slot_event(struct slot *s, const char *fmt, ...)
{
	char line[SIP_TEXT + 80];
	uint64_t us = time_now() / 1000;
	va_list ap;
	int n;

	n = ksnprintf(line, sizeof line, "%lu.%06lu lux9: ", us / 1000000, us % 1000000);
	va_start(ap, fmt);
	kvsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
	va_end(ap);
	if (s->log_end > 0 && s->log[(s->log_end - 1) % SIP_LOG_SIZE] != '\n')
		log_put(s, '\n');
	for (const char *c = line; *c != '\0'; c++)
		log_put(s, *c);
	log_put(s, '\n');
}

void
slot_log(uint64_t id, const char *text, size_t n)
{
	char line[SIP_LINE + 1], name[SIP_NAME];
	struct slot *s;

	spin_lock(&sip_lock);
	for (size_t i = 0; i < n && (s = slot_find(id)) != NULL; i++) {
		log_put(s, text[i]);
		if (text[i] != '\n')
			s->line[s->line_length++] = text[i];
		if (text[i] != '\n' && s->line_length < SIP_LINE)
			continue;
		memcpy(line, s->line, s->line_length);
		line[s->line_length] = '\0';
		s->line_length = 0;
		strlcpy(name, s->name, sizeof name);
		spin_unlock(&sip_lock);
		say(name, line);
		spin_lock(&sip_lock);
	}
	spin_unlock(&sip_lock);
}

void
slot_log_copy(const struct slot *s, struct text *t)
{
	uint64_t first = s->log_end > SIP_LOG_SIZE ? s->log_end - SIP_LOG_SIZE : 0;

	for (uint64_t i = first; i < s->log_end; i++)
		t->buf[t->at++] = s->log[i % SIP_LOG_SIZE];
}
