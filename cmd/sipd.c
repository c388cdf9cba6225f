/*
 * sipd: the manager of servers.  It reads the manifests, finds which driver each PCI function
 * wants, and starts everything in order of dependency, each in a slot of /dev/sip whose ctl it
 * keeps open.  Then it watches them and tells of what dies.
 *
 * One thread.  Every wait for a server ends: after its manifest's deadline, or SETTLE_MS.
 */
#include "cmd.h"
#include "sip.h"

#include <fcntl.h>
#include <poll.h>

#define PLAN_MAX	128
#define DEVS_MAX	256
#define WATCH_MS	5000		/* the longest between two looks; a change ends the wait */
#define SETTLE_MS	10000
#define STATUS_MAX	2048

struct running {
	int ctl, status;		/* -1: it could not be made, or has gone */
	int state;			/* enum sip_state, as last seen */
	uint64_t since;
};

struct manager {
	struct sip_factory factory;
	struct sip_pci_info devs[DEVS_MAX];
	size_t ndevs;
	struct sip_plan plan[PLAN_MAX];
	struct running run[PLAN_MAX];
	size_t nplan;
};

static const char help[] =
	"usage: sipd [-n] [-1] [-m DIR] [-r ROOT]\n"
	"Starts the servers that the manifests tell of, and watches them.\n"
	"  -n       print what would be started, and start nothing\n"
	"  -1       come back when everything has started, and go on in the background\n"
	"  -m DIR   where the manifests are (/boot/sip)\n"
	"  -r ROOT  where pci and sip are (/dev)\n";

static void
warn(const char *text)
{
	fprintf(stderr, "sipd: %s\n", text);
}

static int
keep_device(void *arg, const struct sip_pci_info *info)
{
	struct manager *m = arg;
	if (m->ndevs < DEVS_MAX)
		m->devs[m->ndevs++] = *info;
	return 0;
}

static void
make_plan(struct manager *m, const char *dir)
{
	if (sip_factory_load(&m->factory, dir, warn) < 0)
		cmd_die(dir);
	if (sip_dev_scan(m->factory.root, keep_device, m) < 0)
		cmd_warn("pci");	/* servers without a device still start */
	m->nplan = sip_factory_plan(&m->factory, m->devs, m->ndevs, m->plan, PLAN_MAX, warn);
}

static void
print_plan(const struct manager *m)
{
	for (size_t i = 0; i < m->nplan; i++) {
		const struct sip_plan *p = &m->plan[i];
		printf("%-12s %-10s %-24s %s\n", p->name, p->device[0] ? p->device : "-",
			p->type->program, p->type->mount[0] ? p->type->mount : "-");
	}
}

static int
open_status(const struct manager *m, const char *name)
{
	char path[SIP_PATH_MAX];
	snprintf(path, sizeof path, "%s/sip/servers/%s/status", m->factory.root, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* What the kernel says of a server; SIP_FAILING when it says nothing any more. */
static int
look(int fd, char cause[SIP_TEXT_MAX])
{
	char text[STATUS_MAX], state[32];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
	strcpy(cause, "its slot has gone");
	if (n < 0)
		return SIP_FAILING;
	text[n] = '\0';
	if (sip_field(text, "cause", cause, SIP_TEXT_MAX) < 0 &&
	    sip_field(text, "message", cause, SIP_TEXT_MAX) < 0)
		cause[0] = '\0';
	if (sip_field(text, "status", state, sizeof state) < 0)
		return SIP_FAILING;
	int s = sip_state_parse(state);
	return s < 0 ? SIP_FAILING : s;
}

static bool
settled(int state)
{
	return state != SIP_UNKNOWN && state != SIP_STARTING;
}

/* Looks again, and tells of a change: how long the start took, or why it is not well. */
static void
update(struct manager *m, size_t i)
{
	struct running *r = &m->run[i];
	char cause[SIP_TEXT_MAX];
	if (r->ctl < 0)
		return;
	int state = look(r->status, cause);
	if (state == r->state)
		return;
	if (state == SIP_STARTING)
		r->since = os_time_ns();
	else if (state == SIP_HEALTHY)
		fprintf(stderr, "sipd: %s: healthy after %llu ms\n", m->plan[i].name,
			(unsigned long long)((os_time_ns() - r->since) / 1000000));
	else
		fprintf(stderr, "sipd: %s: %s%s%s\n", m->plan[i].name, sip_state_name(state),
			cause[0] ? ": " : "", cause);
	r->state = state;
}

static bool
wait_settled(struct manager *m, size_t i)
{
	struct running *r = &m->run[i];
	unsigned ms = m->plan[i].type->deadline_ms;
	uint64_t end = r->since + (ms ? ms : SETTLE_MS) * 1000000ull;
	update(m, i);
	for (uint64_t now; !settled(r->state) && (now = os_time_ns()) < end; update(m, i)) {
		struct pollfd p = { .fd = r->status, .events = POLLIN };
		poll(&p, 1, (int)((end - now) / 1000000) + 1);
	}
	if (!settled(r->state)) {
		fprintf(stderr, "sipd: %s: still %s after %u ms\n", m->plan[i].name,
			sip_state_name(r->state), ms ? ms : SETTLE_MS);
		r->state = SIP_FAILING;
	}
	return r->state == SIP_HEALTHY || r->state == SIP_DEGRADED;
}

/* The servers that this one comes after stand before it in the plan. */
static void
wait_dependencies(struct manager *m, size_t i)
{
	const struct sip_manifest *t = m->plan[i].type;
	for (unsigned a = 0; a < t->nafter; a++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(m->plan[k].type->name, t->after[a]) == 0)
				wait_settled(m, k);
}

static void
start_all(struct manager *m)
{
	char err[SIP_TEXT_MAX];
	for (size_t i = 0; i < m->nplan; i++) {
		wait_dependencies(m, i);
		m->run[i].since = os_time_ns();
		m->run[i].state = SIP_STARTING;
		m->run[i].ctl = sip_factory_make(&m->factory, &m->plan[i], err);
		m->run[i].status = -1;
		if (m->run[i].ctl < 0) {
			m->run[i].state = SIP_FAILING;
			fprintf(stderr, "sipd: %s: %s\n", m->plan[i].name, err);
			continue;
		}
		m->run[i].status = open_status(m, m->plan[i].name);
	}
}

static bool
wait_all(struct manager *m)
{
	bool good = true;
	for (size_t i = 0; i < m->nplan; i++)
		good &= wait_settled(m, i);
	return good;
}

/* A slot that was deleted is always ready: it is left out. */
static void __attribute__((noreturn))
watch(struct manager *m)
{
	static struct pollfd p[PLAN_MAX];
	for (;;) {
		for (size_t i = 0; i < m->nplan; i++)
			p[i] = (struct pollfd){ .fd = m->run[i].status, .events = POLLIN };
		poll(p, m->nplan, WATCH_MS);
		for (size_t i = 0; i < m->nplan; i++) {
			update(m, i);
			if (!(p[i].revents & (POLLHUP | POLLNVAL)))
				continue;
			close(m->run[i].status);
			close(m->run[i].ctl);
			m->run[i].status = m->run[i].ctl = -1;
		}
	}
}

/*
 * The servers are the child's from the beginning, as it is the one who stays; it sends one byte
 * when they have started.
 */
static int
in_background(struct manager *m)
{
	int p[2];
	char status = 1;
	if (pipe(p) < 0)
		cmd_die("pipe");
	pid_t pid = fork();
	if (pid < 0)
		cmd_die("fork");
	if (pid > 0) {
		close(p[1]);
		while (read(p[0], &status, 1) < 0 && errno == EINTR)
			;
		return status;
	}
	close(p[0]);
	start_all(m);
	status = !wait_all(m);
	if (write(p[1], &status, 1) != 1)
		cmd_warn("pipe");
	close(p[1]);
	watch(m);
}

int
main(int argc, char **argv)
{
	static struct manager m;
	const char *dir = "/boot/sip";
	bool dry = false, once = false;
	int c;
	sip_factory_init(&m.factory);
	while ((c = cmd_option(argc, argv, "n1m:r:", help)) != -1) {
		dry |= c == 'n';
		once |= c == '1';
		if (c == 'm')
			dir = optarg;
		if (c == 'r')
			m.factory.root = optarg;
	}
	if (optind < argc)
		cmd_usage(argv[optind], "not an option");
	make_plan(&m, dir);
	if (dry) {
		print_plan(&m);
		cmd_end(0);
	}
	if (sip_factory_publish(&m.factory) < 0)
		cmd_warn("types");
	if (once)
		return in_background(&m);
	start_all(&m);
	wait_all(&m);
	watch(&m);
}
