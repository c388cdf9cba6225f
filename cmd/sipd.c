/*
 * sipd: the manager of servers.  It reads the manifests, finds which driver each PCI function
 * wants, and starts everything in order of dependency, each in a slot of /dev/sip whose ctl it
 * keeps open.  What dies it starts again, as its manifest says; what is late it kills.  A function
 * that comes later gets its driver; one that goes takes it along.  What a sipd before this one has
 * started goes on under this one; and init starts it again when it is killed.
 *
 * One thread.  The work is in sipd/.
 */
#include <fcntl.h>
#include <sys/wait.h>

#include "cmd.h"
#include "sipd/sipd.h"

static const char help[] =
	"usage: sipd [-n] [-1] [-m DIR] [-r ROOT]\n"
	"Starts the servers that the manifests tell of, and starts again what dies.\n"
	"  -n       print what would be started, and start nothing\n"
	"  -1       come back when everything has started, and go on in the background\n"
	"           (under init it goes there at once without -1)\n"
	"  -m DIR   where the manifests are (/boot/sip)\n"
	"  -r ROOT  where pci and sip are (/dev)\n";

static void
warn(const char *text)
{
	fprintf(stderr, "sipd: %s\n", text);
}

static void
make_plan(struct manager *m, const char *dir)
{
	struct devices *d = &m->devices;
	static struct sip_plan plan[SERVERS_MAX];
	static struct sip_pci_info there[DEVICES_MAX];
	size_t nthere = 0;
	if (sip_factory_load(&m->factory, dir, warn) < 0)
		cmd_die(dir);
	if (devices_open(d, m->factory.root) < 0)
		cmd_warn("pci");	/* servers without a device still start */
	for (size_t i = 0; i < d->n; i++)
		if (!d->now[i].leaving)
			there[nthere++] = d->now[i];
	size_t n = sip_factory_plan(&m->factory, there, nthere, plan, SERVERS_MAX, warn);
	adopt_names(m, plan, n);
	for (size_t i = 0; i < n; i++) {
		server_add(m, &plan[i]);
		places_add(&m->places, &plan[i]);
	}
}

static void
print_plan(const struct manager *m)
{
	for (size_t i = 0; i < m->nservers; i++) {
		const struct sip_plan *p = &m->server[i].plan;
		printf("%-12s %-10s %-24s %s\n", p->name, p->device[0] ? p->device : "-",
			p->type->program, p->type->mount[0] ? p->type->mount : "-");
	}
}

static void __attribute__((noreturn))
run(struct manager *m, const char *dir)
{
	if (alone_has_keeper())
		alone_ask_keeper(dir, m->factory.root);
	if (sip_factory_publish(&m->factory) < 0)
		cmd_warn("types");
	adopt_all(m);
	manage(m);
}

/* Until the manager has sent its byte. */
static int
wait_ready(int fd)
{
	char status;
	ssize_t n;
	while ((n = read(fd, &status, 1)) < 0 && errno == EINTR)
		;
	if (n == 1)
		return status;
	fprintf(stderr, "sipd: it ended before everything had started\n");
	return 1;
}

/*
 * The servers are a grandchild's from the beginning, as it is the one who stays: its parent has
 * ended, so it is init's.
 */
static int
in_background(struct manager *m, const char *dir, bool wait)
{
	int p[2], failed = 0;
	if (pipe2(p, O_CLOEXEC) < 0)
		cmd_die("pipe");
	pid_t pid = fork();
	if (pid < 0)
		cmd_die("fork");
	if (pid == 0) {
		pid = fork();
		if (pid != 0)
			_exit(pid < 0);
		setsid();
		close(p[0]);
		m->ready = p[1];
		run(m, dir);
	}
	close(p[1]);
	close(m->lock);
	while (waitpid(pid, &failed, 0) < 0 && errno == EINTR)
		;
	return wait ? wait_ready(p[0]) : failed != 0;
}

int
main(int argc, char **argv)
{
	static struct manager m = { .lock = -1, .ready = -1 };
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
	if (!dry)
		m.lock = alone_lock();
	make_plan(&m, dir);
	if (dry) {
		print_plan(&m);
		cmd_end(0);
	}
	if (once || alone_has_keeper())
		return in_background(&m, dir, once);
	run(&m, dir);
}
