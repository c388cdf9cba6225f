/*
 * reaper: kills a server again and again, while others use it, and measures its repair.
 *
 * -server NAME is the slot.  -cause, as often as one likes, says how: `kill` (the slot's ctl),
 * `note` (the process's own), or a command with a blank for the file -faults, in which `#` becomes
 * # and a small number: "fault crash #", "crash mkdir # after".  `mixed` stands for kill, note and
 * what the disk drivers' test builds can do.  The causes come equally often, in random order.
 * Between a repair and the next death there are 0 to -between ms; -again is the share, in percent,
 * of deaths after which the successor is killed too, before it is healthy.
 *
 * A repair has three times, all from the server's end by the kernel's clock: until the successor's
 * process was started, until it said that it is healthy, and until it answered a request, which
 * -probe (a file of the server) finds out: reads of it run all the time.  Whether requests were
 * outstanding when the server died is what `depth` in the slot's status said just before, or `held`
 * just after.
 *
 * At the end: the table, and what the deaths have left behind (nothing).  -others: others kill as
 * well, so that this cannot be counted.
 */
#include <dirent.h>
#include <poll.h>
#include "campaign.h"

#define CAUSES_MAX  32
#define WAIT_NS     (60 * SECOND_NS) /* for a death that was ordered, and for a repair */
#define RING        65536u           /* the latest answers to the probe */
#define AFTER_MAX   8                /* a fault comes at one of so many requests */
#define SETTLE_NS   (10 * SECOND_NS)
#define PAGES_SLACK 128
#define HEAP_SLACK  16384

enum { STARTED, HEALTHY, ANSWERED, TIMES };

struct repair {
	uint64_t ns[TIMES];
	bool busy;
};

struct cause {
	const char *name, *command; /* command NULL: kill, or note */
	uint64_t deaths, busy;
	struct repair *repair;
};

/* What a death could leave behind. */
struct usage {
	uint64_t dma, irq, processes, services, pages, heap;
};

/* A slot's state at one moment. */
struct state {
	char status[16];
	uint64_t generation, pid, start, depth, held;
};

struct reaper {
	struct run run;
	const char *faults, *probe;
	uint64_t between_ms, again, warm, bound_ms;
	bool start, samples, others;
	uint64_t chance;
	int ctl, status;
	struct cause cause[CAUSES_MAX];
	unsigned ncauses;
	_Atomic uint64_t nanswers;
	_Atomic int64_t answer[RING];
	uint64_t extra; /* deaths that nobody ordered */
};

static void
give_up(const struct reaper *r, const char *what, const char *cause)
{
	printf("reaper: %s: %s\n", cause, what);
	tell_state(r->run.server);
	printf("reaper: failed\n");
	fflush(stdout);
	_exit(1);
}

/* --- the server ------------------------------------------------------------------------------- */

static void
look(struct reaper *r, struct state *s)
{
	char text[4096];
	const char *v;
	ssize_t n = pread(r->status, text, sizeof text - 1, 0);

	CHECK(n > 0);
	text[n] = '\0';
	v = line_value(text, "status");
	CHECK(v != NULL);
	snprintf(s->status, sizeof s->status, "%.*s", (int)strcspn(v, "\n"), v);
	s->generation = line_number(text, "generation", 0);
	s->pid = line_number(text, "pid", 0);
	s->start = (uint64_t)now_ns() - line_number(text, "uptime", 0);
	s->depth = line_number(text, "depth", 0);
	s->held = line_number(text, "held", 0);
}

static bool
is(const struct state *s, const char *status)
{
	return strcmp(s->status, status) == 0;
}

static void
order(int fd, const char *text)
{
	ssize_t n = write(fd, text, strlen(text));

	if (n < 0)
		printf("reaper: %s: %s\n", text, strerror(errno));
	CHECK(n == (ssize_t)strlen(text));
}

/* Waits for a change of the slot, and sees what else must be seen. */
static void
wait_change(struct reaper *r, int64_t until, const char *cause)
{
	struct pollfd p = { .fd = r->status, .events = POLLIN };

	if (now_ns() > until)
		give_up(r, "no successor is healthy in time", cause);
	end_if_stuck(&r->run);
	CHECK(poll(&p, 1, 100) >= 0);
}

/* Until a generation after `old` is healthy, or has a process; true if it saw requests held. */
static bool
wait_successor(struct reaper *r, struct state *s, uint64_t old, bool healthy, const char *cause)
{
	int64_t until = now_ns() + WAIT_NS;
	bool held = false;

	for (;;) {
		look(r, s);
		held |= s->held > 0;
		if (s->generation > old && (healthy ? is(s, "healthy") : s->pid != 0))
			return held;
		if (is(s, "failed"))
			give_up(r, "the server was given up", cause);
		if (r->start && is(s, "failing") && s->pid == 0)
			order(r->ctl, "start");
		else
			wait_change(r, until, cause);
	}
}

static void
send_note(uint64_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/proc/%lu/ctl", pid);
	fd = open(path, O_WRONLY);
	CHECK(fd >= 0);
	order(fd, "kill");
	close(fd);
}

static void
send_fault(struct reaper *r, const char *command)
{
	const char *sharp = strchr(command, '#');
	char text[128];
	int fd = open(r->faults, O_WRONLY);

	if (fd < 0)
		printf("reaper: %s: %s\n", r->faults, strerror(errno));
	CHECK(fd >= 0);
	if (sharp != NULL)
		snprintf(text, sizeof text, "%.*s#%lu%s", (int)(sharp - command), command,
			 1 + random_below(&r->chance, AFTER_MAX), sharp + 1);
	else
		snprintf(text, sizeof text, "%s", command);
	order(fd, text);
	close(fd);
}

static void
kill_server(struct reaper *r, const struct cause *c, uint64_t pid)
{
	if (c->command != NULL)
		send_fault(r, c->command);
	else if (strcmp(c->name, "note") == 0)
		send_note(pid);
	else
		order(r->ctl, "kill");
}

/* --- the probe -------------------------------------------------------------------------------- */

static void *
prober(void *arg)
{
	struct worker *w = arg;
	struct reaper *r = (struct reaper *)w->run; /* its first member */
	char buf[512];
	int fd = open(r->probe, O_RDONLY);

	if (fd < 0)
		printf("reaper: %s: %s\n", r->probe, strerror(errno));
	CHECK(fd >= 0);
	for (uint64_t step = 0; run_goes_on(w, step); step++) {
		call_begin(w, "pread");
		if (call_done(w, pread(fd, buf, sizeof buf, 0), sizeof buf)) {
			r->answer[r->nanswers % RING] = now_ns();
			r->nanswers++;
		}
	}
	close(fd);
	return run_ends(w);
}

/* When the server that started then has first answered; 0: not yet. */
static int64_t
first_answer(struct reaper *r, uint64_t start)
{
	uint64_t n = r->nanswers, i = n > RING / 2 ? n - RING / 2 : 0;

	for (; i < n; i++)
		if (r->answer[i % RING] > (int64_t)start)
			return r->answer[i % RING];
	return 0;
}

static int64_t
wait_answer(struct reaper *r, const struct state *s, const char *cause)
{
	int64_t until = now_ns() + WAIT_NS, t;

	while ((t = first_answer(r, s->start)) == 0) {
		end_if_stuck(&r->run);
		if (now_ns() > until)
			give_up(r, "the successor does not answer", cause);
		usleep(200);
	}
	return t;
}

/* --- one death -------------------------------------------------------------------------------- */

static void
measure(struct reaper *r, struct cause *c, const struct state *s, bool busy)
{
	char text[4096], *line = text, *next;
	struct repair *p = &c->repair[c->deaths++];
	uint64_t end;

	CHECK(slot_text(r->run.server, "health", text, sizeof text));
	while ((next = strstr(line + 1, "\nrestart ")) != NULL)
		line = next;
	CHECK(sscanf(line, "\nrestart %lu took %lu", &end, &p->ns[HEALTHY]) == 2);
	p->ns[STARTED] = s->start - end;
	if (r->probe != NULL)
		p->ns[ANSWERED] = (uint64_t)wait_answer(r, s, c->name) - end;
	p->busy = busy;
	c->busy += busy;
}

static void
one_death(struct reaper *r, struct cause *c, bool counts)
{
	struct state s, now;
	uint64_t before = restarts_of(r->run.server), deaths = 1;
	bool busy;

	wait_successor(r, &s, 0, true, c->name);
	usleep((useconds_t)random_below(&r->chance, r->between_ms * 1000 + 1));
	look(r, &s);
	busy = s.depth > 0;
	kill_server(r, c, s.pid);
	if (random_below(&r->chance, 100) < r->again) {
		wait_successor(r, &now, s.generation, false, c->name);
		order(r->ctl, "kill");
		deaths++;
		s.generation = now.generation;
	}
	busy |= wait_successor(r, &now, s.generation, true, c->name);
	if (counts) {
		measure(r, c, &now, busy);
		r->run.deaths_seen += deaths;
	}
	before = restarts_of(r->run.server) - before;
	r->extra += before > deaths ? before - deaths : 0;
}

/* --- what is left behind ---------------------------------------------------------------------- */

static uint64_t
entries(const char *dir, const char *first)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	uint64_t n = 0;

	CHECK(d != NULL);
	while ((e = readdir(d)) != NULL)
		n += strchr(first, e->d_name[0]) != NULL;
	closedir(d);
	return n;
}

static uint64_t
file_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	CHECK(fd >= 0);
	n = read(fd, text, size - 1);
	CHECK(n >= 0);
	text[n] = '\0';
	close(fd);
	return (uint64_t)n;
}

static struct usage
usage_now(void)
{
	struct usage u = { 0 };
	char text[8192];

	file_text("/dev/irq/ctl", text, sizeof text);
	for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
		u.irq++;
	file_text("/dev/swap", text, sizeof text);
	u.pages = line_number(text, "pages free", 0);
	u.heap = line_number(text, "heap", 0);
	CHECK(u.pages != 0 && u.heap != 0);
	u.dma = entries("/dev/dma", "0123456789");
	u.processes = entries("/proc", "123456789");
	u.services = entries("/srv", "abcdefghijklmnopqrstuvwxyz0123456789");
	return u;
}

static bool
leaks(const struct usage *before, const struct usage *after)
{
	return after->dma > before->dma || after->irq > before->irq ||
	       after->processes > before->processes || after->services > before->services ||
	       after->pages + PAGES_SLACK < before->pages ||
	       after->heap > before->heap + HEAP_SLACK;
}

/*
 * The least that is in use in half a second: requests under way use something, too.  It begins with
 * a new server, which has not yet taken all that it will want.
 */
static struct usage
least_usage(struct reaper *r)
{
	struct state s;
	struct usage least;

	wait_successor(r, &s, 0, true, "usage");
	order(r->ctl, "kill");
	wait_successor(r, &s, s.generation, true, "usage");
	least = usage_now();

	for (int i = 0; i < 25; i++) {
		struct usage u = usage_now();

		usleep(20000);
		least.dma = u.dma < least.dma ? u.dma : least.dma;
		least.irq = u.irq < least.irq ? u.irq : least.irq;
		least.processes = u.processes < least.processes ? u.processes : least.processes;
		least.services = u.services < least.services ? u.services : least.services;
		least.pages = u.pages > least.pages ? u.pages : least.pages;
		least.heap = u.heap < least.heap ? u.heap : least.heap;
	}
	return least;
}

static bool
leaked(struct reaper *r, const struct usage *before)
{
	int64_t until = now_ns() + SETTLE_NS;
	struct usage after;

	do
		after = least_usage(r);
	while (leaks(before, &after) && now_ns() < until);
	printf("reaper: pages free %lu, then %lu; heap %lu, then %lu; dma %lu, %lu; irq %lu, %lu; "
	       "processes %lu, %lu; services %lu, %lu\n",
	       before->pages, after.pages, before->heap, after.heap, before->dma, after.dma,
	       before->irq, after.irq, before->processes, after.processes, before->services,
	       after.services);
	if (!leaks(before, &after))
		printf("reaper: leaked nothing\n");
	return leaks(before, &after);
}

/* For test/campaign/judge.py.  Not while servers die: what they say would come in between. */
static void
print_samples(const struct reaper *r)
{
	for (unsigned i = 0; i < r->ncauses; i++) {
		const struct cause *c = &r->cause[i];

		for (uint64_t k = 0; k < c->deaths; k++) {
			const struct repair *p = &c->repair[k];

			printf("sample\t%s\t%d\t%lu\t%lu\t%lu\n", c->name, p->busy, p->ns[STARTED],
			       p->ns[HEALTHY], p->ns[ANSWERED]);
		}
	}
}

/* --- the table -------------------------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Of the cause's times of that kind, in ns: the least that is not below `permille` of them. */
static uint64_t
rank(const struct cause *c, int kind, uint64_t permille)
{
	uint64_t *v = calloc(c->deaths, sizeof *v), ns;

	CHECK(v != NULL);
	for (uint64_t i = 0; i < c->deaths; i++)
		v[i] = c->repair[i].ns[kind];
	qsort(v, c->deaths, sizeof *v, compare);
	ns = v[(c->deaths * permille + 999) / 1000 - 1];
	free(v);
	return ns;
}

static void
print_cause(const struct cause *c)
{
	static const unsigned ranks[] = { 500, 990, 1000 };

	if (c->deaths == 0)
		return;
	printf("%-24s %6lu %4lu%%", c->name, c->deaths, c->busy * 100 / c->deaths);
	for (int kind = 0; kind < TIMES; kind++) {
		printf(" ");
		for (int i = 0; i < 3; i++) {
			uint64_t us = rank(c, kind, ranks[i]) / 1000;

			printf(" %4lu.%03lu", us / 1000, us % 1000);
		}
	}
	printf("\n");
}

/* True if the bound of the ninety-ninth percentile is kept. */
static bool
print_table(const struct reaper *r)
{
	struct cause all = { .name = "all" };

	all.repair = calloc(r->run.deaths + 1, sizeof *all.repair);
	CHECK(all.repair != NULL);
	printf("%-24s %6s %5s  %-27s %-27s %-27s\n", "cause", "deaths", "busy",
	       " ms: started p50, p99, max", " healthy p50, p99, max", " answered p50, p99, max");
	for (unsigned i = 0; i < r->ncauses; i++) {
		const struct cause *c = &r->cause[i];

		memcpy(all.repair + all.deaths, c->repair, c->deaths * sizeof *c->repair);
		all.deaths += c->deaths;
		all.busy += c->busy;
		print_cause(c);
	}
	print_cause(&all);
	printf("reaper: %lu deaths, %lu of %lu in the middle of requests, %lu that nobody "
	       "ordered\n",
	       r->run.deaths_seen, all.busy, all.deaths, r->extra);
	return r->bound_ms == 0 || all.deaths == 0 ||
	       rank(&all, ANSWERED, 990) <= r->bound_ms * 1000000;
}

/* --- all of it -------------------------------------------------------------------------------- */

static void
add_cause(struct reaper *r, const char *text)
{
	static const char *const mixed[] = {
		"kill",           "note",          "fault crash #",   "fault exit #",
		"fault hang #",   "fault storm #", "fault wildptr #", "fault deaf",
		"fault memory #",
	};
	struct cause *c = &r->cause[r->ncauses];

	if (strcmp(text, "mixed") == 0) {
		for (size_t i = 0; i < sizeof mixed / sizeof mixed[0]; i++)
			add_cause(r, mixed[i]);
		return;
	}
	CHECK(r->ncauses < CAUSES_MAX);
	*c = (struct cause){ .name = text, .command = strchr(text, ' ') != NULL ? text : NULL };
	if (c->command == NULL && strcmp(text, "kill") != 0 && strcmp(text, "note") != 0) {
		fprintf(stderr, "reaper: -cause %s: not a cause\n", text);
		exit(2);
	}
	r->ncauses++;
}

static void
options(struct reaper *r, int argc, char **argv)
{
	static const struct option names[] = { RUN_OPTIONS,
					       OPTION("cause", 'c'),
					       OPTION("faults", 'f'),
					       OPTION("probe", 'p'),
					       OPTION("between", 'b'),
					       OPTION("again", 'a'),
					       OPTION("warm", 'w'),
					       OPTION("bound", 'B'),
					       { "start", no_argument, NULL, 'S' },
					       { "samples", no_argument, NULL, 'l' },
					       { "others", no_argument, NULL, 'O' },
					       { 0 } };
	int c;

	while ((c = getopt_long_only(argc, argv, "", names, NULL)) != -1) {
		if (run_option(&r->run, c, optarg))
			continue;
		switch (c) {
		case 'c': add_cause(r, optarg); break;
		case 'f': r->faults = optarg; break;
		case 'p': r->probe = optarg; break;
		case 'b': r->between_ms = number_of("reaper", "between", optarg); break;
		case 'a': r->again = number_of("reaper", "again", optarg); break;
		case 'w': r->warm = number_of("reaper", "warm", optarg); break;
		case 'B': r->bound_ms = number_of("reaper", "bound", optarg); break;
		case 'S': r->start = true; break;
		case 'l': r->samples = true; break;
		case 'O': r->others = true; break;
		default: exit(2);
		}
	}
	if (optind != argc || r->run.server == NULL || r->ncauses == 0 || r->run.deaths == 0) {
		fprintf(stderr, "reaper: needs -server, -deaths and -cause\n");
		exit(2);
	}
}

static int
open_slot(const struct reaper *r, const char *file, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "/dev/sip/servers/%s/%s", r->run.server, file);
	fd = open(path, flags);
	if (fd < 0)
		printf("reaper: %s: %s\n", path, strerror(errno));
	CHECK(fd >= 0);
	return fd;
}

static void
begin(struct reaper *r)
{
	r->chance = r->run.seed * 7919;
	r->ctl = open_slot(r, "ctl", O_WRONLY);
	r->status = open_slot(r, "status", O_RDONLY);
	for (unsigned i = 0; i < r->ncauses; i++) {
		size_t n = r->run.deaths * sizeof(struct repair);

		r->cause[i].repair = malloc(n);
		CHECK(r->cause[i].repair != NULL);
		memset(r->cause[i].repair, 0, n); /* touched, so that it is counted before */
	}
	for (unsigned i = 0; i < RING; i++)
		r->answer[i] = 0;
	if (r->probe != NULL)
		run_start(&r->run, 1, prober);
}

/* Every cause once in random order, and again. */
static void
reap(struct reaper *r)
{
	unsigned deck[CAUSES_MAX], left = 0;

	while (r->run.deaths_seen < r->run.deaths) {
		unsigned k;

		if (left == 0)
			for (; left < r->ncauses; left++)
				deck[left] = left;
		k = (unsigned)random_below(&r->chance, left);
		one_death(r, &r->cause[deck[k]], true);
		deck[k] = deck[--left];
	}
}

int
main(int argc, char **argv)
{
	static struct reaper r = { .run = { .program = "reaper", .seed = 1 },
				   .between_ms = 20,
				   .warm = 5 };
	struct usage before = { 0 };
	bool bad;

	setvbuf(stdout, NULL, _IOLBF, 0);
	options(&r, argc, argv);
	begin(&r);
	for (uint64_t i = 0; i < r.warm; i++)
		one_death(&r, &r.cause[i % r.ncauses], false);
	if (!r.others)
		before = least_usage(&r);
	reap(&r);
	if (r.samples)
		print_samples(&r);
	bad = !print_table(&r);
	if (bad)
		printf("reaper: the repair is not within %lu ms\n", r.bound_ms);
	bad |= !r.others && leaked(&r, &before);
	if (r.probe != NULL) {
		r.run.stop = true;
		supervise(&r.run);
		printf("reaper: probes %lu", r.nanswers);
		print_run(&r.run);
	}
	return run_result(&r.run, bad);
}
