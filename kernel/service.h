/*
 * Services: the two ends of 9P in place.  dev/srv.c has the names, dev/mnt.c the requests.
 *
 * A service lives while anybody holds an end of it.  When its server's end goes it is dead, and
 * what is outstanding fails with EHOSTDOWN; or, if somebody has a recoverable mount of it, it is
 * down, and a successor may take it over.  doc/recovery.md
 */
#pragma once
#include "chan.h"

struct service;

/* service.c */
struct service *service_new(void);	/* a server's end of generation 1; NULL: no memory */
/*
 * The server's end of that generation goes; must not wait for another process.  True if the
 * service may be taken over: its name stays.
 */
bool service_put_server(struct service *s, uint32_t generation);
void service_get_client(struct service *s);
void service_put_client(struct service *s);
/*
 * A server's end for a successor: its generation.  -EEXIST if the service has a server, or is not
 * this process's to take over; -ENOMEM.
 */
int64_t service_take_over(struct service *s);
/* Whoever waits for a successor gets an error, and none will come. */
void service_end(struct service *s);

/*
 * What the services of a server slot (proc->sip) have to do, together.  Times in ns; percentiles
 * are the upper ends of powers of two, of all requests since the slot's server started.
 */
struct service_stats {
	uint64_t requests;		/* answered */
	uint64_t oldest_ns;		/* age of the oldest request of a living server */
	uint64_t p50_ns, p99_ns;
	uint32_t depth;			/* requests not yet answered */
	uint32_t held;			/* of them, those that wait for a successor */
};
void service_slot_stats(uint64_t slot, struct service_stats *out);
/* The slot's server is given up: whoever waits for it gets an error, until one starts again. */
void service_slot_fail(uint64_t slot);

/*
 * dev/srv.c: the service of an open file of /srv, or NULL; it lives as long as c is held.  A
 * server's end has a generation, a client's 0.
 */
struct service *srv_service(struct chan *c, uint32_t *generation);
void srv_forget(struct service *s);		/* it has ended: its name goes */
