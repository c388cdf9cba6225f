/*
 * sipd's parts: server.c (one server: what the kernel says of it, and what is done), deadline.c
 * (servers that are late), devices.c (which functions there are), follow.c (drivers come and go
 * with them), loop.c (all of them, one after another, for ever).
 */
#pragma once
#include "devices.h"
#include "os.h"
#include "sip.h"

#define SERVERS_MAX	128
#define NS_PER_MS	1000000ull

struct server {
	struct sip_plan plan;
	int ctl, status;		/* -1: not made yet, could not be made, or deleted */
	enum sip_state state;		/* as last seen */
	bool made;			/* it was tried */
	bool not_started;		/* `start` was an error */
	bool going;			/* its device has gone: follow.c ends it */
	bool settled;			/* has been healthy, or will not be for now */
	unsigned generation;		/* as last seen */
	unsigned expected;		/* the last one that was started from here */
	unsigned ended;			/* the last generation whose end was answered */
	unsigned killed;		/* the last one that was killed as late */
	unsigned deaths;		/* sip_policy's */
	unsigned nmissed;		/* starts in a row that did not end in time */
	unsigned nlate;			/* looks in a row that came late themselves */
	/* Since boot, in ns; 0: never. */
	uint64_t first, since;		/* when it was made; when this generation was seen first */
	uint64_t died, start_at;	/* its last end; when to start it again */
	uint64_t well_since;		/* 0: it is neither healthy nor degraded */
	uint64_t healthy_since;		/* 0: it is not healthy */
	uint64_t late_since;		/* when what it was killed for (`killed`) began */
	uint64_t look_at;		/* when to look at its deadlines */
	uint64_t still_from;		/* the last look that came late: when it was due */
	uint64_t still_until;		/* and when it came */
};

struct manager {
	struct sip_factory factory;
	struct server server[SERVERS_MAX];
	size_t nservers;
	struct devices devices;
	struct places places;
};

/* What the kernel says of a slot. */
struct facts {
	enum sip_state state;
	bool running, gone;
	unsigned generation;
	uint64_t uptime_ns, lived_ns, report_ns, oldest_ns;
	char cause[SIP_TEXT_MAX];
};

/* server.c */
/* One more server to look after: -ENOSPC.  It is started when what it comes after has settled. */
int server_add(struct manager *m, const struct sip_plan *plan);
/* Makes it, or looks, does what the policy says, and tells what has changed. */
void server_update(struct manager *m, struct server *s, uint64_t now);
/* When something is to be done for it if nothing happens before; UINT64_MAX: never. */
uint64_t server_due(const struct manager *m, const struct server *s);
bool server_is_well(const struct server *s);

/* follow.c: the list of functions has changed; those whose slots have gone are forgotten. */
void follow_devices(struct manager *m);
void follow_forget(struct manager *m);

/* deadline.c: kills it if it is late. */
void server_judge(struct manager *m, struct server *s, const struct facts *f, uint64_t now);

/* loop.c: for ever.  A byte goes to fd, if not -1, when all have settled; 0: all are healthy. */
void __attribute__((noreturn)) manage(struct manager *m, int fd);
