/*
 * All servers, in one thread: wait until a slot changes or a time comes, look, do what is needed.
 *
 * Nothing here waits for a server.  `start` takes as long as the kernel needs to load the program,
 * which therefore should not be on a file system that one of these servers serves.
 */
#include "sipd.h"

#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define WATCH_MS	5000		/* the longest wait; those who have ended are collected */

static int
wait_ms(const struct manager *m)
{
	uint64_t due = m->scan_at, now = os_time_ns();
	for (size_t i = 0; i < m->nservers; i++) {
		uint64_t d = server_due(m, &m->server[i]);
		due = d < due ? d : due;
	}
	if (due <= now)
		return 0;
	uint64_t ms = (due - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms < WATCH_MS ? (int)ms : WATCH_MS;
}

/* True when all have settled; *status 0 when all are healthy. */
static bool
all_settled(const struct manager *m, char *status)
{
	bool settled = true, well = true;
	for (size_t i = 0; i < m->nservers; i++) {
		settled &= m->server[i].settled;
		well &= server_is_others(&m->server[i]) || server_is_well(&m->server[i]);
	}
	*status = !well;
	return settled;
}

static void
look_at_all(struct manager *m, const struct pollfd *p)
{
	for (size_t i = 0; i < m->nservers; i++) {
		struct server *s = &m->server[i];
		uint64_t now = os_time_ns();
		if ((p[i].fd >= 0 && p[i].revents) || server_due(m, s) <= now)
			server_update(m, s, now);
	}
}

static void
tell_ready(struct manager *m)
{
	char status;
	if (m->ready < 0 || !all_settled(m, &status))
		return;
	if (write(m->ready, &status, 1) != 1)
		perror("sipd: pipe");
	close(m->ready);
	m->ready = -1;
}

void
manage(struct manager *m)
{
	static struct pollfd p[SERVERS_MAX + 1];
	for (;;) {
		tell_ready(m);
		for (size_t i = 0; i < m->nservers; i++)
			p[i] = (struct pollfd){ .fd = m->server[i].status, .events = POLLIN };
		size_t n = m->nservers;
		p[n] = (struct pollfd){ .fd = m->devices.ctl, .events = POLLIN };
		poll(p, n + 1, wait_ms(m));
		look_at_all(m, p);
		follow_forget(m);
		if (m->devices.ctl >= 0 && p[n].revents)
			follow_devices(m);
		adopt_others(m, os_time_ns());
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
