/*
 * Servers that are late: a health report that has not come, a request that is not answered, a start
 * that does not end.  They are looked at four times within their deadline.
 *
 * A machine that is too busy makes everybody late, sipd as well: a look that comes a whole period
 * late judges nobody, LATE_MAX times in a row; and who did not start in time has twice as long the
 * next time.
 */
#include "sipd.h"

#include <stdio.h>
#include <string.h>

#define LATE_MAX	8

uint64_t
others_well_since(const struct manager *m, const struct server *s, uint64_t now)
{
	const struct sip_manifest *t = s->plan.type;
	uint64_t since = 0;
	for (size_t i = 0; i < m->nservers; i++) {
		const struct server *k = &m->server[i];
		for (unsigned a = 0; a < t->nafter; a++) {
			if (strcmp(k->plan.type->name, t->after[a]) != 0)
				continue;
			/* A plan has no circles, so this ends. */
			uint64_t below = others_well_since(m, k, now);
			if (!k->well_since)
				return now;
			since = k->well_since > since ? k->well_since : since;
			since = below > since ? below : since;
		}
	}
	return since;
}

/* Why it is to be killed, or NULL. */
static const char *
overdue(const struct manager *m, const struct server *s, const struct facts *f, uint64_t now)
{
	unsigned deadline_ms = s->plan.type->deadline_ms;
	uint64_t well = others_well_since(m, s, now);
	uint64_t own = s->well_since ? s->well_since : s->since;
	if (f->state == SIP_STARTING)
		return sip_blame_ns(f->uptime_ns, now, well) >
			sip_start_ns(deadline_ms, s->nmissed) ?
		    "not healthy within the deadline" : NULL;
	/* What a request waited for this server's predecessor is not its fault either. */
	return sip_overdue(deadline_ms, now > f->report_ns ? now - f->report_ns : 0,
		sip_blame_ns(f->oldest_ns, now, well > own ? well : own));
}

void
server_judge(struct manager *m, struct server *s, const struct facts *f, uint64_t now)
{
	uint64_t period = sip_report_ms(s->plan.type->deadline_ms) * NS_PER_MS;
	char err[SIP_TEXT_MAX];
	if (!s->plan.type->deadline_ms)
		return;
	if (!s->look_at)
		s->look_at = now + period;
	if (now < s->look_at)
		return;
	s->nlate = now - s->look_at > period ? s->nlate + 1 : 0;
	s->look_at = now + period;
	if (!f->running || s->killed == f->generation || (s->nlate && s->nlate <= LATE_MAX))
		return;
	const char *why = overdue(m, s, f, now);
	if (!why)
		return;
	s->killed = f->generation;
	s->nmissed += f->state == SIP_STARTING;
	if (sip_factory_tell(s->ctl, err, "kill %s", why) < 0)
		fprintf(stderr, "sipd: %s: %s\n", s->plan.name, err);
}
