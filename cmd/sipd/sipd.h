/*
 * sipd's parts: server.c (one server: what the kernel says of it, and what is done), deadline.c
 * (servers that are late), devices.c (which functions there are), follow.c (drivers come and go
 * with them), adopt.c (slots that are there already, or that others make), alone.c (no other sipd;
 * a successor), loop.c (all of them, one after another, for ever).
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
	uint64_t id;			/* of the slot, while ctl is open */
	enum sip_state state;		/* as last seen */
	bool made;			/* it was tried */
	bool not_started;		/* `start` was an error */
	bool going;			/* its device has gone: follow.c ends it */
	bool settled;			/* has been healthy, or will not be for now */
	unsigned generation;		/* as last seen */
	unsigned expected;		/* the last one that was started from here */
	unsigned ended;			/* the last generation whose end was answered */
	unsigned killed;		/* the last one that was killed as late */
	unsigned deadline_ms;		/* what the slot says; 0: none */
	unsigned told_ms;		/* what it said when this generation was started */
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
	int lock;			/* alone.c; -1: none */
	int ready;			/* a byte goes there when all have settled; -1: no more */
	uint64_t scan_at;		/* when to look for slots that others have made */
};

/* What the kernel says of a slot. */
struct facts {
	enum sip_state state;
	bool running, gone;
	unsigned generation, deadline_ms;
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
/* Its slot's files: 0 or a negative errno. */
int server_open(const struct manager *m, struct server *s, const char *slot);
/* What the text of a status says. */
void server_facts(const char *text, struct facts *f);
/* It goes on from where its slot is, in whatever state. */
void server_adopt(struct server *s, const struct facts *f, const struct sip_past *past,
	uint64_t now);
/* One line about it. */
void server_tell(const struct server *s, const char *fmt, ...) SIP_PRINTF(2, 3);

/* adopt.c: of those who made their slot by hand only the deadline is sipd's business. */
bool server_is_others(const struct server *s);
/* Before anything is made: servers of the plan get the slots that are there and are theirs. */
void adopt_names(struct manager *m, struct sip_plan *plan, size_t n);
void adopt_all(struct manager *m);
/* Slots that others have made since are watched; it is done once a second. */
void adopt_others(struct manager *m, uint64_t now);

/* alone.c */
/* Ends the program if there is another sipd: the lock, which a fork shares. */
int alone_lock(void);
/* True when init looks after a sipd that has asked it to. */
bool alone_has_keeper(void);
/* Asks it, for this process and these options. */
void alone_ask_keeper(const char *dir, const char *root);

/* follow.c: the list of functions has changed; those whose slots have gone are forgotten. */
void follow_devices(struct manager *m);
void follow_forget(struct manager *m);
/* The device of a server that was found has gone meanwhile, or is leaving. */
void follow_gone(struct manager *m, struct server *s, bool leaving);

/* deadline.c: kills it if it is late. */
void server_judge(struct manager *m, struct server *s, const struct facts *f, uint64_t now);

/* loop.c: for ever.  m->ready gets 0 if all are healthy when they have settled, else 1. */
void __attribute__((noreturn)) manage(struct manager *m);
