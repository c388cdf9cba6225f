/*
 * sipd: the manager of servers.  It reads the manifests, finds which driver each PCI function
 * wants, and starts everything in order of dependency, each in a slot of /dev/sip whose ctl it
 * keeps open.  What dies it starts again, as its manifest says; what is late it kills.  A function
 * that comes later gets its driver; one that goes takes it along.
 *
 * One thread.  The work is in sipd/.
 */
#include "cmd.h"
#include "sipd/sipd.h"

static const char help[] =
	"usage: sipd [-n] [-1] [-m DIR] [-r ROOT]\n"
	"Starts the servers that the manifests tell of, and starts again what dies.\n"
	"  -n       print what would be started, and start nothing\n"
	"  -1       come back when everything has started, and go on in the background\n"
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
	if (sip_factory_load(&m->factory, dir, warn) < 0)
		cmd_die(dir);
	if (devices_open(d, m->factory.root) < 0)
		cmd_warn("pci");	/* servers without a device still start */
	size_t n = sip_factory_plan(&m->factory, d->now, d->n, plan, SERVERS_MAX, warn);
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
	manage(m, p[1]);
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
	manage(&m, -1);
}
