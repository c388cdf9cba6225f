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

/* dev/srv.c: the service of an open file of /srv, or NULL; it lives as long as c is held. */
struct service *srv_service(struct chan *c, bool *server_end);
