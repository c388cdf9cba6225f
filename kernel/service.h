/*
 * Services: the two ends of 9P in place.  dev/srv.c has the names, dev/mnt.c the requests.
 *
 * A service lives while anybody holds an end of it.  When the last server's end goes it is dead:
 * what is outstanding fails with EHOSTDOWN.
 */
#pragma once
#include "chan.h"

struct service;

/* service.c */
struct service *service_new(void);		/* one server's end; NULL if memory is short */
void service_put_server(struct service *s);	/* must not wait for another process */
void service_get_client(struct service *s);
void service_put_client(struct service *s);

/*
 * What the services of a server slot (proc->sip) have to do, together.  Times in ns; percentiles are
 * the upper ends of powers of two, of all requests since the slot's server started.
 */
struct service_stats {
	uint64_t requests;		/* answered */
	uint64_t oldest_ns;		/* age of the oldest request that a server has and has not answered */
	uint64_t p50_ns, p99_ns;
	uint32_t depth;			/* requests not yet answered */
	uint32_t held;			/* of them, those that wait for a successor */
};
void service_slot_stats(uint64_t slot, struct service_stats *out);
/* The slot's server is given up: who waits for its services gets an error, until one starts again. */
void service_slot_fail(uint64_t slot);

/* dev/srv.c: the service of an open file of /srv, or NULL; it lives as long as c is held. */
struct service *srv_service(struct chan *c, bool *server_end);
