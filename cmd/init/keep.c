/*
 * sipd is started again when it is killed: whatever else dies is sipd's to start again, and only
 * init is always there.
 *
 * sipd asks for it, by a record in a pipe whose end every process has that init or its shells have
 * started.  It is then init's child, as its parent has ended.  What it asks for is read when a
 * child ends, as it matters then and not before.  One that ends by itself, or that was asked to
 * (SIGTERM, SIGINT), has ended.  The first time it is started at once; one that lives less than
 * STABLE_NS each time later and later.
 */
#include "keep.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os.h"

#define SIPD		"/boot/bin/sipd"
#define KEEP_FD		63	/* no larger: every process has a table up to it */
#define STABLE_NS	1000000000ull
#define NS_PER_MS	1000000ull
#define FIRST_MS	10u
#define DOUBLINGS_MAX	9	/* 5120 ms */
#define FORK_TRIES	100
#define FORK_NS		100000000ull

static int requests = -1;
static struct keep_request kept;	/* pid 0: nothing */
static uint64_t begun_ns;		/* 0: long ago */
static uint64_t waited_ns;		/* of that, before it was started */
static unsigned nshort;			/* short lives in a row */

void
keep_begin(void)
{
	char number[8];
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0 || dup2(p[1], KEEP_FD) < 0) {
		perror("init: sipd will not be started again");
		return;
	}
	close(p[1]);
	requests = p[0];
	snprintf(number, sizeof number, "%d", KEEP_FD);
	setenv(KEEP_ENV, number, 1);
}

/* The latest counts: there is one sipd at a time. */
static void
read_requests(void)
{
	struct keep_request r;

	while (requests >= 0 && read(requests, &r, sizeof r) == sizeof r) {
		if (r.pid <= 0 || !memchr(r.dir, 0, sizeof r.dir) ||
		    !memchr(r.root, 0, sizeof r.root))
			continue;
		kept = r;
		begun_ns = 0;
		nshort = 0;
	}
}

static void __attribute__((noreturn))
child(unsigned delay_ms)
{
	setsid();
	unsetenv(KEEP_ENV);	/* init knows already */
	close(KEEP_FD);
	os_sleep_ns(delay_ms * NS_PER_MS);
	execl(SIPD, SIPD, "-m", kept.dir, "-r", kept.root, (char *)NULL);
	perror("init: " SIPD);
	_exit(126);
}

static void
start_again(unsigned delay_ms)
{
	pid_t pid = -1;

	for (unsigned i = 0; i < FORK_TRIES && (pid = fork()) < 0; i++)
		os_sleep_ns(FORK_NS);
	if (pid == 0)
		child(delay_ms);
	if (pid < 0)
		perror("init: " SIPD);
	waited_ns = delay_ms * NS_PER_MS;
	kept.pid = pid > 0 ? pid : 0;
	begun_ns = os_time_ns();
}

void
keep_ended(pid_t pid, int status)
{
	unsigned doublings, delay_ms;

	read_requests();
	if (!kept.pid || pid != kept.pid)
		return;
	kept.pid = 0;
	if (!WIFSIGNALED(status) || WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT)
		return;
	nshort = begun_ns && os_time_ns() - begun_ns < STABLE_NS + waited_ns ? nshort + 1 : 0;
	doublings = nshort > DOUBLINGS_MAX ? DOUBLINGS_MAX : nshort - 1;
	delay_ms = nshort ? FIRST_MS << doublings : 0;
	printf("init: sipd: ended by signal %d; started again", WTERMSIG(status));
	if (delay_ms)
		printf(" after %u ms", delay_ms);
	printf("\n");
	fflush(stdout);
	start_again(delay_ms);
}
