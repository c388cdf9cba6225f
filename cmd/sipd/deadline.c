/*
 * Servers that are late: a health report that has not come, a request that is not answered, a start
 * that does not end.  They are looked at four times within their deadline, and once a second at
 * least: the deadline is what the slot says at that moment, as anybody can change it there.  What
 * is done while one says that it is degraded is sip_overdue's.
 *
 * A machine that is too busy makes everybody late, sipd as well: a look that comes a whole period
 * late judges nobody, LATE_MAX times in a row; how late it came is taken from the ages that are
 * seen later; and who did not start in time has twice as long the next time.
 */
#include "sipd.h"

#include <string.h>

#define LATE_MAX	8
#define LOOKS		4	/* within a deadline; so often a server reports, as well */

/* Since when all that it comes after, and what that comes after, is so; `now`: it is not. */
static uint64_t
others_since(const struct manager *m, const struct server *s, uint64_t now, bool healthy)
{
	const struct sip_manifest *t = s->plan.type;
	uint64_t since = 0;
	for (size_t i = 0; i < m->nservers; i++) {
		const struct server *k = &m->server[i];
		uint64_t its = healthy ? k->healthy_since : k->well_since;
		for (unsigned a = 0; a < t->nafter; a++) {
			if (strcmp(k->plan.type->name, t->after[a]) != 0)
				continue;
			/* A plan has no circles, so this ends. */
			uint64_t below = others_since(m, k, now, healthy);
			if (!its)
				return now;
			since = its > since ? its : since;
			since = below > since ? below : since;
		}
	}
	return since;
}

static uint64_t
later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t
running(const struct server *s, uint64_t age_ns, uint64_t now)
{
	return sip_running_ns(age_ns, now, s->still_from, s->still_until);
}

/*
 * The age of its last report.  How often it is to report it was told when it was started: with a
 * deadline that is shorter now it comes as often as before, which is no fault of the server's.
 */
static uint64_t
report_ns(const struct server *s, const struct facts *f, uint64_t now)
{
	uint64_t told = LOOKS * sip_report_ms(s->told_ms) * NS_PER_MS;
	uint64_t age = now > f->report_ns ? now - f->report_ns : 0;
	return s->deadline_ms < s->told_ms || !s->told_ms ? age > told ? age : 0 : age;
}

/* Why it is to be killed, or NULL; *since: when what it is killed for began. */
static const char *
overdue(const struct manager *m, const struct server *s, const struct facts *f, uint64_t now,
	uint64_t *since)
{
	unsigned deadline_ms = s->deadline_ms;
	uint64_t well = others_since(m, s, now, false);
	uint64_t own = s->well_since ? s->well_since : s->since;
	*since = now;
	if (f->state == SIP_STARTING)
		return running(s, sip_blame_ns(f->uptime_ns, now, well), now) >
			sip_start_ns(deadline_ms, s->nmissed) ?
		    SIP_CAUSE_START : NULL;
	uint64_t healthy = later(others_since(m, s, now, true),
		f->state == SIP_DEGRADED ? now : later(own, s->healthy_since));
	struct sip_late late = {
		.report_ns = report_ns(s, f, now),
		/* What a request waited for this server's predecessor is not its fault either. */
		.request_ns = sip_blame_ns(f->oldest_ns, now, later(well, own)),
		.healthy_ns = now - healthy,
	};
	*since = now - later(late.report_ns, late.request_ns);
	late.report_ns = running(s, late.report_ns, now);
	late.request_ns = running(s, late.request_ns, now);
	return sip_overdue(deadline_ms, &late);
}

void
server_judge(struct manager *m, struct server *s, const struct facts *f, uint64_t now)
{
	uint64_t period = sip_report_ms(s->deadline_ms) * NS_PER_MS;
	char err[SIP_TEXT_MAX];
	if (!s->look_at)
		s->look_at = now + period;
	if (now < s->look_at)
		return;
	s->nlate = now - s->look_at > period ? s->nlate + 1 : 0;
	if (s->nlate) {
		s->still_from = s->look_at;
		s->still_until = now;
	}
	s->look_at = now + period;
	if (!s->deadline_ms || !f->running || s->killed == f->generation ||
	    (s->nlate && s->nlate <= LATE_MAX))
		return;
	uint64_t since;
	const char *why = overdue(m, s, f, now, &since);
	if (!why)
		return;
	s->killed = f->generation;
	s->late_since = since;
	s->nmissed += f->state == SIP_STARTING;
	if (sip_factory_tell(s->ctl, err, "kill %s", why) < 0)
		server_tell(s, "%s", err);
	else if (server_is_others(s))	/* of whose changes nothing else is told */
		server_tell(s, "killed: %s", why);
}
