/*
 * Where a 9P server listens on Linux: unix!PATH, tcp!HOST!PORT.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <os.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "../../9p/srv.h"

/* A socket that a server before us left behind is removed; one that is in use is not, nor any
 * other kind of file. */
static int
clear_path(const char *path)
{
	char name[128];
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	snprintf(name, sizeof name, "unix!%s", path);
	fd = os_service_open(name);
	if (fd >= 0) {
		close(fd);
		return -EADDRINUSE;
	}
	return unlink(path) < 0 ? -errno : 0;
}

static int
listen_on(int fd, const struct sockaddr *sa, socklen_t n)
{
	int rc;

	if (fd < 0)
		return -errno;
	if (bind(fd, sa, n) == 0 && listen(fd, 16) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

static int
listen_unix(struct p9_srv_state *st, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int rc;

	if (strlen(path) >= sizeof sa.sun_path)
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, path);
	rc = clear_path(path);
	if (rc)
		return rc;
	rc = listen_on(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&sa,
		sizeof sa);
	if (rc >= 0)
		strcpy(st->unix_path, path);
	return rc;
}

/* sockaddr_in and sockaddr_in6 have the port at the same place. */
static int
bound_port(int fd)
{
	struct sockaddr_in6 sa = { 0 };
	socklen_t n = sizeof sa;

	return getsockname(fd, (struct sockaddr *)&sa, &n) < 0 ? 0 : ntohs(sa.sin6_port);
}

static int
listen_tcp(struct p9_srv_state *st, const char *address)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list;
	const char *port = strchr(address, '!');
	int fd, on = 1, rc;
	char host[256];

	if (!port || (size_t)(port - address) >= sizeof host)
		return -EINVAL;
	memcpy(host, address, (size_t)(port - address));
	host[port - address] = 0;
	rc = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port + 1, &hints, &list);
	if (rc)
		return -EADDRNOTAVAIL;
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, list->ai_protocol);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	rc = listen_on(fd, list->ai_addr, list->ai_addrlen);
	freeaddrinfo(list);
	if (rc >= 0)
		st->port = bound_port(rc);
	return rc;
}

static void *
accept_thread(void *arg)
{
	struct p9_srv_state *st = arg;
	struct pollfd pfd = { .fd = st->listen_fd, .events = POLLIN };
	int on = 1;

	while (!st->stopping) {
		int fd = accept4(st->listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0) {		/* out of descriptors, or stopping: not in a tight loop */
			if (!st->stopping && errno != EINTR && errno != ECONNABORTED)
				poll(&pfd, 0, 100);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (p9_srv_add_fd(st->srv, fd))
			close(fd);
	}
	p9_thread_over(st);
	return NULL;
}

int
p9_os_start(struct p9_srv *srv, const char *where)
{
	struct p9_srv_state *st = srv->state;
	int fd = -EINVAL;

	if (strncmp(where, "unix!", 5) == 0)
		fd = listen_unix(st, where + 5);
	else if (strncmp(where, "tcp!", 4) == 0)
		fd = listen_tcp(st, where + 4);
	if (fd < 0)
		return fd;
	st->listen_fd = fd;
	return p9_thread(st, accept_thread, st);
}

void
p9_os_stop(struct p9_srv_state *st)
{
	bool over;

	if (st->listen_fd < 0)
		return;
	shutdown(st->listen_fd, SHUT_RDWR);	/* wakes accept */
	if (st->unix_path[0])
		unlink(st->unix_path);
	st->unix_path[0] = 0;
	pthread_mutex_lock(&st->lock);
	over = st->live_threads == 0;
	pthread_mutex_unlock(&st->lock);
	if (over) {
		close(st->listen_fd);
		st->listen_fd = -1;
	}
}
