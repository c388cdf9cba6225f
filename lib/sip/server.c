/*
 * The life of a server: options, initialize, devices, mount, start, serving, and all of that
 * backwards.  sip_main is the whole of it; tests call the parts.
 *
 * A note to end (SIGTERM, SIGINT) is passed through a pipe to a thread that stops the service, as
 * a handler must not.
 */
#include "os.h"
#include "sip.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUMBERED_MAX	99

static int stop_pipe[2] = { -1, -1 };	/* a handler has no argument */

/* A name from outside becomes part of paths. */
static bool
name_ok(const char *name)
{
	size_t n = strlen(name);
	return n > 0 && n < SIP_NAME_MAX && !strchr(name, '/') && name[0] != '.';
}

/* Under sipd, standard error is the server's log already. */
static void
open_reports(struct sip_server *s)
{
	char path[SIP_PATH_MAX];
	const char *under = getenv("SIP_NAME"), *deadline = getenv("SIP_DEADLINE");
	uint64_t ms;
	if (deadline && text_number(deadline, UINT_MAX, &ms))
		s->report_ms = sip_report_ms((unsigned)ms);
	if (under && name_ok(under)) {
		snprintf(path, sizeof path, "/dev/sip/servers/%s/health", under);
		s->health_fd = open(path, O_WRONLY | O_CLOEXEC);
	}
	if (s->config.log) {
		s->log_fd = open(s->config.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (s->log_fd < 0)
			sip_fail(s, -errno, "%s", s->config.log);
	}
}

int
sip_init(struct sip_server *s, const struct sip_type *type)
{
	const char *under = getenv("SIP_NAME");
	pthread_condattr_t attr;
	*s = (struct sip_server){ .type = type, .log_fd = -1, .health_fd = -1,
		.report_ms = SIP_REPORT_MS };
	s->config.name = under && name_ok(under) ? under : type->name;
	s->config.number = SIP_NUMBER_NONE;
	s->p9.ops = type->p9;
	s->p9.aux = s;
	s->p9.keep = true;	/* the reporting thread asks for its counts */
	pthread_mutex_init(&s->health.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->health.wake, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

/*
 * An operation failed: `what` is told unless the operation, since `before`, has told more.  Who may
 * not do something is told so by the system, and by nobody else.
 */
static int
failed(struct sip_server *s, int err, unsigned before, const char *what)
{
	if (s->nmessages != before)
		return err;
	return err == -EACCES || err == -EPERM ? sip_refused(s, err, "%s", what) :
		sip_fail(s, err, "%s", what);
}

static int
attach(struct sip_server *s, struct sip_dev *d)
{
	const struct sip_driver_ops *ops = s->type->driver;
	int e = ops->probe ? ops->probe(s, d) : 0;
	if (e < 0)
		return e;
	unsigned before = s->nmessages;
	e = ops->attach ? ops->attach(s, d) : 0;
	if (e < 0)
		return failed(s, e, before, d->info.addr);
	s->dev[s->ndevs++] = d;
	return 0;
}

int
sip_attach(struct sip_server *s, struct sip_dev *d)
{
	if (s->ndevs == SIP_DEVS_MAX)
		return -ENOSPC;
	d->server = s;
	int e = attach(s, d);
	if (e < 0)
		sip_dev_close(d);
	return e;
}

static int
attach_addr(struct sip_server *s, const char *addr)
{
	struct sip_dev *d;
	int e = sip_dev_open(addr, &d);
	if (e < 0)
		return sip_refused(s, e, "/dev/pci/%.16sctl", addr);
	return sip_attach(s, d);
}

static int
found(void *arg, const struct sip_pci_info *info)
{
	struct sip_server *s = arg;
	if (sip_pci_matches(s->type->driver->match, info))
		attach_addr(s, info->addr);	/* it has told why not; others may do */
	return 0;
}

/* A service that narrows what its client may do does so by the name that it attaches to. */
static int
mount_dev(struct sip_server *s)
{
	struct sip_config *c = &s->config;
	if (!c->dev)
		return 0;
	int e = os_mount(c->dev, "/dev", OS_MBEFORE, c->device ? c->device : "", 0);
	return e < 0 ? sip_refused(s, e, "-dev %s", c->dev) : 0;
}

static int
attach_all(struct sip_server *s)
{
	if (!s->type->driver || s->ndevs)
		return 0;
	int err = mount_dev(s);
	if (err < 0)
		return err;
	if (s->config.device)
		return attach_addr(s, s->config.device);
	if (s->type->driver->match) {
		int e = sip_dev_scan("/dev", found, s);
		if (e < 0)
			return sip_refused(s, e, "/dev/pci");
	}
	return s->ndevs ? 0 : sip_fail(s, -ENODEV, "no device that it drives");
}

int
sip_start(struct sip_server *s)
{
	const struct sip_server_ops *ops = s->type->server;
	unsigned before = s->nmessages;
	sip_set_state(s, SIP_STARTING, NULL);
	int e = ops && ops->initialize ? ops->initialize(s) : 0;
	if (e < 0)
		return failed(s, e, before, "initialize");
	s->initialized = true;
	e = attach_all(s);
	if (e < 0)
		return e;
	if (s->type->fs && s->type->fs->mount) {
		before = s->nmessages;
		e = s->type->fs->mount(s, s->config.device);
		if (e < 0)
			return failed(s, e, before, s->config.device ? s->config.device : "mount");
	}
	s->mounted = true;
	before = s->nmessages;
	e = ops && ops->start ? ops->start(s) : 0;
	return e < 0 ? failed(s, e, before, "start") : 0;
}

/* Under its name; when that is only the type's and another server has it, with a number. */
static int
start_service(struct sip_server *s)
{
	struct sip_config *c = &s->config;
	int threads = s->type->nthreads ? (int)s->type->nthreads : 1;
	os_set_errstr("%s", "");
	int e = p9_srv_start(&s->p9, c->listen ? c->listen : c->name, threads);
	bool may = !c->listen && c->name == s->type->name;
	for (unsigned n = 2; may && e == -EEXIST && n <= NUMBERED_MAX; n++) {
		snprintf(s->numbered, sizeof s->numbered, "%.*s%u", SIP_NAME_MAX - 4,
			s->type->name, n);
		e = p9_srv_start(&s->p9, s->numbered, threads);
		if (e == 0)
			c->name = s->numbered;
	}
	return e < 0 ? sip_refused(s, e, "%s%s", c->listen ? "" : "/srv/",
		c->listen ? c->listen : c->name) : 0;
}

/* Where its files are to be; -EINVAL, and said: nobody tells. */
static int
choose_place(struct sip_server *s)
{
	struct sip_config *c = &s->config;
	const char *told = getenv("SIP_MOUNT");
	if (!c->listen && !c->mount)
		c->mount = told && told[0] ? told : s->type->mount;
	if (c->listen || c->mount)
		return 0;
	sip_log(s, "needs -mount or -listen");
	return -EINVAL;
}

static int
post(struct sip_server *s)
{
	struct sip_config *c = &s->config;
	char service[SIP_PATH_MAX];
	int e = choose_place(s);
	if (e < 0)
		return e;
	e = start_service(s);
	if (e < 0)
		return e;
	if (!c->mount || c->listen)
		return 0;
	/* Drivers share directories such as /dev/sd; a file server replaces what is there. */
	int flags = s->type->driver ? OS_MAFTER : OS_MREPL | OS_MCREATE;
	if (s->type->before)
		flags = OS_MBEFORE;
	snprintf(service, sizeof service, "/srv/%s", c->name);
	e = os_mount(service, c->mount, flags, "", (unsigned)c->wait_ms);
	if (e < 0)
		sip_refused(s, e, "mount on %s", c->mount);
	return e;
}

int
sip_serve(struct sip_server *s)
{
	int e = post(s);
	if (e < 0) {
		if (s->p9.state)
			p9_srv_stop(&s->p9);
		return e;
	}
	sip_set_state(s, SIP_HEALTHY, NULL);
	if (s->stopping)	/* asked to before there was a service to stop */
		p9_srv_stop(&s->p9);
	return p9_srv_wait(&s->p9);
}

void
sip_stop(struct sip_server *s)
{
	s->stopping = true;
	if (s->p9.state)
		p9_srv_stop(&s->p9);
}

void
sip_finish(struct sip_server *s)
{
	const struct sip_type *t = s->type;
	sip_health_end(s);
	if (s->initialized && t->server && t->server->stop)
		t->server->stop(s);
	if (s->mounted && t->fs && t->fs->unmount) {
		int e = t->fs->unmount(s);
		if (e < 0)
			sip_fail(s, e, "unmount");
	}
	while (s->ndevs > 0) {
		struct sip_dev *d = s->dev[--s->ndevs];
		sip_dev_quiet(d);
		if (t->driver->detach)
			t->driver->detach(s, d);
		sip_dev_close(d);
	}
	s->initialized = s->mounted = false;
	sip_set_state(s, SIP_STOPPED, NULL);
	p9_srv_free(&s->p9);
	if (s->health_fd >= 0)
		close(s->health_fd);
	if (s->log_fd >= 0)
		close(s->log_fd);
	s->health_fd = s->log_fd = -1;
}

static void
on_signal(int sig)
{
	int saved = errno;
	ssize_t ignored = write(stop_pipe[1], "", 1);
	(void)ignored, (void)sig;
	errno = saved;
}

static void *
stopper(void *arg)
{
	char c;
	ssize_t n;
	do
		n = read(stop_pipe[0], &c, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		sip_stop(arg);
	return NULL;
}

/* Without it the server serves all the same, and a note ends it at once. */
static void
catch_signals(struct sip_server *s)
{
	pthread_t t;
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	signal(SIGPIPE, SIG_IGN);
	if (pipe2(stop_pipe, O_CLOEXEC) < 0 || pthread_create(&t, NULL, stopper, s) != 0)
		return;
	pthread_detach(t);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
}

int
sip_main(int argc, char **argv, const struct sip_type *type)
{
	static struct sip_server s;	/* outlives the stopping thread */
	int e = sip_init(&s, type);
	if (e == 0)
		e = sip_parse(&s, argc, argv);
	if (e == 0)
		e = choose_place(&s);
	if (e)
		return e < 0 ? 2 : 0;
	open_reports(&s);
	catch_signals(&s);
	e = sip_start(&s);
	if (e == 0)
		e = sip_health_start(&s);
	if (e == 0)
		e = sip_serve(&s);
	if (e < 0)
		sip_set_state(&s, SIP_FAILING, "%s", s.failure[0] ? s.failure : strerror(-e));
	sip_finish(&s);
	return e < 0 ? 1 : 0;
}
