/*
 * One sipd at a time, and always one.
 *
 * The lock is a service in /srv that nobody serves: making it fails while there is one, and it goes
 * with the last process that has it, however that ends.  Those are the manager and, for a moment, a
 * child that makes a slot; so who finds it taken waits a little.
 *
 * init starts a sipd again that was killed (init/keep.c), if it has asked for that: by one record
 * in a pipe of init's, which processes that init has started have.
 */
#include "../init/keep.h"
#include "sipd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCK		"/srv/sipd"
#define LOCK_TRIES	100
#define LOCK_NS		(10 * NS_PER_MS)

static void
refused(const char *what)
{
	char why[OS_ERRSTR_MAX];
	int err = errno;
	bool words = os_errstr(why, sizeof why) > 0;
	fprintf(stderr, "sipd: %s: %s\n", what, words ? why : strerror(err));
}

int
alone_lock(void)
{
	int fd = -1;
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		fd = open(LOCK, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			break;
		os_sleep_ns(LOCK_NS);
	}
	if (fd >= 0)
		return fd;
	if (errno != EEXIST)
		refused(LOCK);
	else
		fprintf(stderr, "sipd: another sipd manages the servers (%s is its)\n", LOCK);
	exit(1);
}

static int
keeper(void)
{
	const char *fd = getenv(KEEP_ENV);
	return fd && atoi(fd) > 2 ? atoi(fd) : -1;
}

bool
alone_has_keeper(void)
{
	return keeper() >= 0;
}

void
alone_ask_keeper(const char *dir, const char *root)
{
	struct keep_request ask = { .pid = getpid() };
	char path[PATH_MAX];
	int fd = keeper();
	const char *whole = realpath(dir, path);
	snprintf(ask.dir, sizeof ask.dir, "%s", whole ? whole : dir);
	whole = realpath(root, path);
	snprintf(ask.root, sizeof ask.root, "%s", whole ? whole : root);
	if (write(fd, &ask, sizeof ask) != sizeof ask)
		refused("init will not start it again");
	close(fd);
	unsetenv(KEEP_ENV);
}
