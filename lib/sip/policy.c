/*
 * What a manager does about a server that died or that is late.  Pure: facts and times come in, a
 * decision goes out.
 *
 *	asked to stop		nothing
 *	restart never		nothing; on-failure after exit 0: nothing
 *	killed by hand		started at once; no failure
 *	its own failure		the first at once, then after 10 ms, 20 ms, ... 5 s; given up at the
 *				limit.  A life that was stable begins the count anew
 *
 * A life is not stable because its end was waited for: a request that hangs each life of its server
 * makes that fail in the end, and is told so, whatever the deadline is.
 *
 * A server that says that it is degraded knows of the trouble, and ends it by itself: a disk's
 * driver tries again and resets, which takes longer than any deadline that is good for finding
 * servers that hang.
 */
#include "sip.h"
#include "text.h"

#include <string.h>

#define NS_PER_MS	1000000u
#define START_DOUBLINGS	4
/* A constant's number in a message. */
#define TEXT_OF(x)	#x
#define NUMBER(x)	TEXT_OF(x)
#define CAUSE_REPORT	"missed health deadline"
#define CAUSE_REQUEST	"a request is older than the deadline"
#define CAUSE_PATIENCE	"a request is older than " NUMBER(SIP_DEGRADED_DEADLINES) " deadlines"

static unsigned
backoff_ms(unsigned deaths)
{
	unsigned ms = SIP_BACKOFF_FIRST_MS;
	if (deaths < 2)
		return 0;
	for (unsigned i = 2; i < deaths && ms < SIP_BACKOFF_MAX_MS; i++)
		ms *= 2;
	return ms < SIP_BACKOFF_MAX_MS ? ms : SIP_BACKOFF_MAX_MS;
}

enum sip_action
sip_policy(const struct sip_manifest *m, unsigned *deaths,
	const struct sip_end *end, unsigned *delay_ms)
{
	*delay_ms = 0;
	if (end->stopped || m->restart == SIP_RESTART_NEVER)
		return SIP_LEAVE;
	if (m->restart == SIP_RESTART_ON_FAILURE && end->exit0)
		return SIP_LEAVE;
	if (end->lived_ms >= end->waited_ms && end->lived_ms - end->waited_ms >= m->stable_ms)
		*deaths = 0;
	if (end->by_hand)
		return SIP_START;
	if (++*deaths >= m->limit)
		return SIP_GIVE_UP;
	*delay_ms = backoff_ms(*deaths);
	return SIP_START;
}

uint64_t
sip_blame_ns(uint64_t age_ns, uint64_t now, uint64_t others_well_since)
{
	uint64_t well = now > others_well_since ? now - others_well_since : 0;
	return age_ns < well ? age_ns : well;
}

uint64_t
sip_running_ns(uint64_t age_ns, uint64_t now, uint64_t still_from, uint64_t still_until)
{
	uint64_t began = now > age_ns ? now - age_ns : 0;
	uint64_t from = began > still_from ? began : still_from;
	return from < still_until ? age_ns - (still_until - from) : age_ns;
}

uint64_t
sip_start_ns(unsigned deadline_ms, unsigned missed)
{
	unsigned doublings = missed < START_DOUBLINGS ? missed : START_DOUBLINGS;
	return (uint64_t)deadline_ms * NS_PER_MS << doublings;
}

const char *
sip_overdue(unsigned deadline_ms, const struct sip_late *late)
{
	uint64_t deadline = (uint64_t)deadline_ms * NS_PER_MS;
	if (!deadline)
		return NULL;
	if (late->report_ns > deadline)
		return CAUSE_REPORT;
	/* What has become old meanwhile may just now be answered. */
	if (late->request_ns > deadline && late->healthy_ns > deadline)
		return CAUSE_REQUEST;
	return late->request_ns > SIP_DEGRADED_DEADLINES * deadline ? CAUSE_PATIENCE : NULL;
}

uint64_t
sip_verdict_ms(unsigned deadline_ms, const char *cause)
{
	if (strcmp(cause, CAUSE_PATIENCE) == 0)
		return (uint64_t)deadline_ms * SIP_DEGRADED_DEADLINES;
	return strcmp(cause, CAUSE_REPORT) == 0 || strcmp(cause, CAUSE_REQUEST) == 0 ?
		deadline_ms : 0;
}

/* One life that was followed by another: when it ended, and how long until that was healthy. */
struct life {
	uint64_t end_ns, took_ns;
	const char *cause;
};

/* "restart NS took NS cause TEXT", in place. */
static bool
parse_life(char *line, struct life *l)
{
	char *rest = line, *word = text_word(&rest);
	if (!word || strcmp(word, "restart") != 0)
		return false;
	char *end = text_word(&rest), *took = text_word(&rest);
	char *ns = text_word(&rest), *cause = text_word(&rest);
	l->cause = rest;
	return end && took && ns && cause && strcmp(took, "took") == 0 &&
		strcmp(cause, "cause") == 0 && text_number(end, UINT64_MAX, &l->end_ns) &&
		text_number(ns, UINT64_MAX, &l->took_ns);
}

/* healthy_ns: since when it was so; 0: it never was, or nobody knows. */
static void
count_life(const struct sip_manifest *m, const struct life *l, uint64_t healthy_ns,
	struct sip_past *past)
{
	const struct sip_end end = {
		.stopped = strcmp(l->cause, "asked to stop") == 0,
		.by_hand = strcmp(l->cause, "killed by hand") == 0,
		.exit0 = strcmp(l->cause, "exited with status 0") == 0,
		.lived_ms = healthy_ns && l->end_ns > healthy_ns ?
			(l->end_ns - healthy_ns) / NS_PER_MS : 0,
		.waited_ms = healthy_ns ? sip_verdict_ms(m->deadline_ms, l->cause) : 0,
	};
	unsigned delay_ms;
	/* It has lived again: if that was not the manager's doing, it was by hand. */
	if (sip_policy(m, &past->deaths, &end, &delay_ms) != SIP_START)
		past->deaths = 0;
	past->missed = strcmp(l->cause, SIP_CAUSE_START) == 0 ? past->missed + 1 : 0;
	if (l->took_ns)
		past->missed = 0;
}

void
sip_history(const struct sip_manifest *m, const char *health, struct sip_past *out)
{
	const char *p = health, *end = health + strlen(health);
	char line[TEXT_LINE_MAX];
	uint64_t healthy_ns = 0;
	struct life l;
	bool toolong;
	*out = (struct sip_past){ 0 };
	while (text_line(&p, end, line, &toolong)) {
		if (!parse_life(line, &l))
			continue;
		count_life(m, &l, healthy_ns, out);
		healthy_ns = l.took_ns ? l.end_ns + l.took_ns : 0;
	}
}
