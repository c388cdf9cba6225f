/*
 * Life cycle and health.
 *
 *	unknown -> starting -> healthy <-> degraded -> failing -> stopped
 *
 * Any state but unknown may go to failing and to stopped; failing may recover; stopped may start
 * again; failed is what a manager says of a server that it has given up.  Under sipd (SIP_NAME in
 * the environment) each change of state, and the counters four times within the deadline
 * (SIP_DEADLINE), are written to /dev/sip/servers/NAME/health.
 *
 * health.lock protects the texts and the reporting thread's flags; the counters and the state are
 * atomic, so counting a request takes no lock.  Nothing else is locked while it is held.
 */
#include "os.h"
#include "sip.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const names[] = {
	"unknown", "starting", "healthy", "degraded", "failing", "stopped", "failed",
};
#define NSTATES (sizeof names / sizeof *names)

const char *
sip_state_name(enum sip_state state)
{
	return (unsigned)state < NSTATES ? names[state] : names[0];
}

int
sip_state_parse(const char *name)
{
	for (unsigned i = 0; i < NSTATES; i++)
		if (strcmp(name, names[i]) == 0)
			return (int)i;
	return -EINVAL;
}

bool
sip_state_may(enum sip_state from, enum sip_state to)
{
	static const unsigned next[NSTATES] = {
		[SIP_UNKNOWN] = 1u << SIP_STARTING,
		[SIP_STARTING] = 1u << SIP_HEALTHY | 1u << SIP_DEGRADED,
		[SIP_HEALTHY] = 1u << SIP_DEGRADED,
		[SIP_DEGRADED] = 1u << SIP_HEALTHY,
		[SIP_FAILING] = 1u << SIP_HEALTHY | 1u << SIP_DEGRADED,
		[SIP_STOPPED] = 1u << SIP_STARTING,
	};
	if ((unsigned)from >= SIP_FAILED || (unsigned)to >= SIP_FAILED)
		return false;
	if (from == to)
		return true;
	if (to == SIP_FAILING)
		return from != SIP_UNKNOWN && from != SIP_STOPPED;
	return to == SIP_STOPPED ? from != SIP_UNKNOWN : next[from] >> to & 1;
}

/* A device's or a client's text must not make a line of its own. */
static void
one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ')
			*text = '?';
}

int
sip_set_state(struct sip_server *s, enum sip_state state, const char *fmt, ...)
{
	char text[SIP_TEXT_MAX] = "";
	if (fmt) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(text, sizeof text, fmt, ap);
		va_end(ap);
	}
	one_line(text);
	pthread_mutex_lock(&s->health.lock);
	enum sip_state from = s->health.state;
	if (!sip_state_may(from, state)) {
		pthread_mutex_unlock(&s->health.lock);
		return -EINVAL;
	}
	if (state == SIP_STARTING)
		s->health.start_ns = os_time_ns();
	s->health.state = state;
	memcpy(s->health.message, text, sizeof text);
	pthread_mutex_unlock(&s->health.lock);
	if (from != state)
		sip_debug(s, "%s%s%s", names[state], text[0] ? ": " : "", text);
	sip_health_report(s);
	return 0;
}

void
sip_error(struct sip_server *s, const char *fmt, ...)
{
	char text[SIP_TEXT_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	one_line(text);
	atomic_fetch_add_explicit(&s->health.errors, 1, memory_order_relaxed);
	pthread_mutex_lock(&s->health.lock);
	memcpy(s->health.last_error, text, sizeof text);
	s->health.last_error_ns = os_time_ns();
	s->health.fresh = true;		/* the kernel takes the time of the report for its own */
	pthread_cond_signal(&s->health.wake);
	pthread_mutex_unlock(&s->health.lock);
	sip_log(s, "%s", text);
}

size_t
sip_health_text(struct sip_server *s, char *buf, size_t n)
{
	struct sip_health *h = &s->health;
	struct p9_srv_stats stats = { 0 };
	if (s->p9.state)
		p9_srv_stats(&s->p9, &stats);
	one_line(stats.last_error);
	pthread_mutex_lock(&h->lock);
	bool answered = stats.last_error_ns > h->last_error_ns;
	const char *last = answered ? stats.last_error : h->last_error;
	int len = snprintf(buf, n, "state %s\nrequests %lu\nerrors %lu\n",
		sip_state_name(h->state), h->requests + stats.requests,
		h->errors + stats.errors);
	if (h->message[0] && len > 0 && (size_t)len < n)
		len += snprintf(buf + len, n - (size_t)len, "message %s\n", h->message);
	if (last[0] && len > 0 && (size_t)len < n)
		len += snprintf(buf + len, n - (size_t)len, "last %s\n", last);
	pthread_mutex_unlock(&h->lock);
	return len < 0 ? 0 : (size_t)len < n ? (size_t)len : n - 1;
}

void
sip_health_report(struct sip_server *s)
{
	char text[512];
	if (s->health_fd < 0)
		return;
	size_t n = sip_health_text(s, text, sizeof text);
	text_write_fd(s->health_fd, text, n);	/* sipd gone is no reason to stop serving */
}

static void
degraded(struct sip_server *s, const char *why)
{
	pthread_mutex_lock(&s->health.lock);
	bool known = s->health.state == SIP_DEGRADED && strcmp(s->health.message, why) == 0;
	pthread_mutex_unlock(&s->health.lock);
	if (!known)
		sip_set_state(s, SIP_DEGRADED, "%s", why);
}

/* A server's own view of itself moves the state between healthy and degraded only. */
static void
ask(struct sip_server *s)
{
	char why[SIP_TEXT_MAX] = "";
	const struct sip_server_ops *ops = s->type->server;
	enum sip_state state = s->health.state;
	if (!ops || !ops->health || (state != SIP_HEALTHY && state != SIP_DEGRADED))
		return;
	os_set_errstr("%s", "");
	int e = ops->health(s);
	if (e < 0) {
		os_errstr(why, sizeof why);
		one_line(why);
		degraded(s, why[0] ? why : strerror(-e));
	} else if (state == SIP_DEGRADED) {
		sip_set_state(s, SIP_HEALTHY, "well again");
	}
}

unsigned
sip_report_ms(unsigned deadline_ms)
{
	unsigned ms = deadline_ms / 4;
	if (!deadline_ms || ms > SIP_REPORT_MS)
		return SIP_REPORT_MS;
	return ms < SIP_REPORT_MIN_MS ? SIP_REPORT_MIN_MS : ms;
}

static struct timespec
next_report(const struct sip_server *s)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += s->report_ms / 1000;
	t.tv_nsec += s->report_ms % 1000 * 1000000l;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

static void *
reporter(void *arg)
{
	struct sip_server *s = arg;
	struct sip_health *h = &s->health;
	pthread_mutex_lock(&h->lock);
	while (!h->ending) {
		struct timespec until = next_report(s);
		while (!h->ending && !h->fresh &&
		       pthread_cond_timedwait(&h->wake, &h->lock, &until) != ETIMEDOUT)
			;
		h->fresh = false;
		if (h->ending)
			break;
		pthread_mutex_unlock(&h->lock);
		ask(s);
		sip_health_report(s);
		pthread_mutex_lock(&h->lock);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

int
sip_health_start(struct sip_server *s)
{
	struct sip_health *h = &s->health;
	const struct sip_server_ops *ops = s->type->server;
	if (h->running || (s->health_fd < 0 && !(ops && ops->health)))
		return 0;
	h->ending = false;
	int e = pthread_create(&h->thread, NULL, reporter, s);
	h->running = e == 0;
	return -e;
}

void
sip_health_end(struct sip_server *s)
{
	struct sip_health *h = &s->health;
	if (!h->running)
		return;
	pthread_mutex_lock(&h->lock);
	h->ending = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	h->running = false;
}
