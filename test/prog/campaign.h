/*
 * What the programs of the kill campaigns share: time, chance, workers whose every call is timed
 * and counted when it fails, and the deaths of the server that is killed under them.
 *
 * A worker is a thread.  It says before and after each call what it does; `supervise` ends the
 * program when a call takes longer than STUCK_NS: a client that hangs is a failure, not a wait.
 * SIGTERM ends the run in good order; no worker sees it.
 */
#pragma once
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#include "check.h"

#define SECOND_NS   1000000000ll
#define STUCK_NS    (30 * SECOND_NS)
#define LOOK_US     20000
#define WORKERS_MAX 32
#define ERRNO_MAX   256
#define SHORT       0  /* the kind of error of a call that did less than it was asked */
#define TOLD_MAX    10 /* so many failures are told one by one */

struct worker {
	struct run *run;
	unsigned id;
	uint64_t chance; /* state of its random numbers */
	uint64_t calls;
	int64_t longest;
	const char *_Atomic call; /* that it is in, since */
	_Atomic int64_t since;    /* 0: in none */
	_Atomic bool begun;       /* it has opened what it uses */
	pthread_t thread;
};

struct run {
	const char *program;
	uint64_t seed, seconds, ops, deaths; /* 0: it does not end by this */
	const char *server;                  /* whose deaths are counted, or NULL */
	const char *ready;                   /* a file to make when all work, or NULL */
	uint64_t deaths_before, deaths_seen;
	_Atomic bool stop;
	_Atomic unsigned told, working;
	_Atomic uint64_t errors[ERRNO_MAX];
	struct worker worker[WORKERS_MAX];
	unsigned nworkers;
};

static inline int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND_NS + t.tv_nsec;
}

/* splitmix64 */
static inline uint64_t
random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline uint64_t
random_below(uint64_t *state, uint64_t n)
{
	return random_next(state) % n;
}

static inline uint64_t
number_of(const char *program, const char *name, const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	if (end == text || *end != '\0' || *text == '-') {
		fprintf(stderr, "%s: -%s %s: not a number\n", program, name, text);
		exit(2);
	}
	return n;
}

/* --- a server's deaths ------------------------------------------------------------------------ */

/* The text of a file of the server's slot; false, with an empty text, if it has none. */
static inline bool
slot_text(const char *server, const char *file, char *text, size_t size)
{
	char path[128];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof path, "/dev/sip/servers/%s/%s", server, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The value of a line `NAME VALUE`; NULL if there is none. */
static inline const char *
line_value(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (; text != NULL && *text != '\0'; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (strncmp(text, name, n) == 0 && text[n] == ' ')
			return text + n + 1;
	}
	return NULL;
}

static inline uint64_t
line_number(const char *text, const char *name, uint64_t otherwise)
{
	const char *v = line_value(text, name);

	return v != NULL ? strtoull(v, NULL, 0) : otherwise;
}

static inline uint64_t
restarts_of(const char *server)
{
	char text[4096];

	if (!slot_text(server, "health", text, sizeof text)) {
		fprintf(stderr, "%s: there is no such server\n", server);
		exit(1);
	}
	return line_number(text, "restarts", 0);
}

/* --- calls ------------------------------------------------------------------------------------ */

static inline void
call_begin(struct worker *w, const char *call)
{
	w->call = call;
	w->since = now_ns();
	w->calls++;
}

static inline void
call_failed(struct worker *w, int kind)
{
	struct run *run = w->run;

	run->errors[kind > 0 && kind < ERRNO_MAX ? kind : SHORT]++;
	if (run->told++ < TOLD_MAX)
		printf("%s: worker %u: %s: %s\n", run->program, w->id, w->call,
		       kind == SHORT ? "done in part" : strerror(kind));
	usleep(1000);
}

static inline void
call_end(struct worker *w)
{
	int64_t took = now_ns() - w->since;

	w->since = 0;
	if (took > w->longest)
		w->longest = took;
}

/* The end of a call that should have done `want`; false if it did not: that is counted. */
static inline bool
call_done(struct worker *w, int64_t result, uint64_t want)
{
	int kind = result < 0 ? errno : SHORT;

	call_end(w);
	if (result >= 0 && (uint64_t)result == want)
		return true;
	call_failed(w, kind);
	return false;
}

/* Something that the program knows better than the system. */
#define WRONG(w, ...)                                                          \
	do {                                                                   \
		if ((w)->run->told++ < TOLD_MAX) {                             \
			printf("%s: worker %u: ", (w)->run->program, (w)->id); \
			printf(__VA_ARGS__);                                   \
			printf("\n");                                          \
		}                                                              \
	} while (0)

/* --- the run ---------------------------------------------------------------------------------- */

#define OPTION(name, letter)                          \
	{                                             \
		name, required_argument, NULL, letter \
	}
#define RUN_OPTIONS                                                                             \
	OPTION("seed", 's'), OPTION("seconds", 't'), OPTION("ops", 'o'), OPTION("deaths", 'd'), \
		OPTION("server", 'n'), OPTION("ready", 'y')

/* Takes an option that all programs have; false if it is none of them. */
static inline bool
run_option(struct run *run, int option, const char *value)
{
	switch (option) {
	case 's': run->seed = number_of(run->program, "seed", value); return true;
	case 't': run->seconds = number_of(run->program, "seconds", value); return true;
	case 'o': run->ops = number_of(run->program, "ops", value); return true;
	case 'd': run->deaths = number_of(run->program, "deaths", value); return true;
	case 'n':
		run->server = value;
		return true;
	case 'y':
		run->ready = value;
		return true;
	default: return false;
	}
}

/* The options of a program that has only these and -threads; returns its one argument. */
static inline const char *
run_directory(struct run *run, unsigned *threads, int argc, char **argv)
{
	static const struct option names[] = { RUN_OPTIONS, OPTION("threads", 'T'), { 0 } };
	int c;

	while ((c = getopt_long_only(argc, argv, "", names, NULL)) != -1) {
		if (run_option(run, c, optarg))
			continue;
		if (c != 'T')
			exit(2);
		*threads = (unsigned)number_of(run->program, "threads", optarg);
	}
	if (optind != argc - 1 || *threads == 0 || *threads > WORKERS_MAX) {
		fprintf(stderr, "%s: one directory, 1 to %d threads\n", run->program, WORKERS_MAX);
		exit(2);
	}
	return argv[optind];
}

static inline void
run_start(struct run *run, unsigned n, void *(*work)(void *))
{
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	CHECK(pthread_sigmask(SIG_BLOCK, &term, NULL) == 0);
	if (run->server != NULL && run->deaths_before == 0)
		run->deaths_before = restarts_of(run->server);
	for (unsigned i = 0; i < n; i++) {
		struct worker *w = &run->worker[run->nworkers];

		CHECK(run->nworkers < WORKERS_MAX);
		w->run = run;
		w->id = run->nworkers++;
		w->chance = run->seed * 1000003 + w->id;
		run->working++;
		CHECK(pthread_create(&w->thread, NULL, work, w) == 0);
	}
}

/*
 * All that will be allocated has been, and all is open: who kills, and who counts what deaths leave
 * behind, may begin.
 */
static inline void
run_is_ready(const struct run *run)
{
	int64_t until = now_ns() + STUCK_NS;
	int fd;

	for (unsigned i = 0; i < run->nworkers; i++)
		while (!run->worker[i].begun) {
			CHECK(now_ns() < until);
			usleep(1000);
		}
	fd = run->ready != NULL ? open(run->ready, O_CREAT | O_WRONLY, 0600) : -1;
	CHECK(run->ready == NULL || (fd >= 0 && close(fd) == 0));
}

/* Asked by a worker before each step; before the first it has opened all that it uses. */
static inline bool
run_goes_on(struct worker *w, uint64_t step)
{
	w->begun = true;
	return !w->run->stop && (w->run->ops == 0 || step < w->run->ops);
}

/* A worker's last call. */
static inline void *
run_ends(struct worker *w)
{
	w->run->working--;
	return NULL;
}

/* What is known of the server when something has gone wrong for good, and of its interrupts. */
static inline void
tell_state(const char *server)
{
	static const char *const files[] = { "status", "health", "log" };
	static char text[32768];
	ssize_t n;
	int fd;

	for (int i = 0; i < 3; i++)
		if (slot_text(server, files[i], text, sizeof text))
			printf("--- %s of %s:\n%s", files[i], server, text);
	fd = open("/dev/irq/ctl", O_RDONLY);
	while (fd >= 0 && (n = read(fd, text, sizeof text)) > 0)
		printf("--- interrupts:\n%.*s", (int)n, text);
	fflush(stdout);
}

static inline void
end_if_stuck(const struct run *run)
{
	for (unsigned i = 0; i < run->nworkers; i++) {
		const struct worker *w = &run->worker[i];
		int64_t since = w->since;

		if (since == 0 || now_ns() - since < STUCK_NS)
			continue;
		printf("%s: worker %u is stuck in %s\n", run->program, i, w->call);
		if (run->server != NULL)
			tell_state(run->server);
		printf("%s: failed\n", run->program);
		fflush(stdout);
		_exit(1);
	}
}

static inline bool
asked_to_end(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && sigismember(&pending, SIGTERM);
}

/* Until the time is up, the deaths were seen, SIGTERM, or all workers have done their steps. */
static inline void
supervise(struct run *run)
{
	int64_t end = now_ns() + (int64_t)run->seconds * SECOND_NS;

	while (run->working > 0) {
		usleep(LOOK_US);
		end_if_stuck(run);
		if (run->server != NULL)
			run->deaths_seen = restarts_of(run->server) - run->deaths_before;
		if (asked_to_end() || (run->seconds != 0 && now_ns() >= end) ||
		    (run->deaths != 0 && run->deaths_seen >= run->deaths))
			run->stop = true;
	}
	for (unsigned i = 0; i < run->nworkers; i++)
		CHECK(pthread_join(run->worker[i].thread, NULL) == 0);
}

static inline uint64_t
run_errors(const struct run *run)
{
	uint64_t n = 0;

	for (int i = 0; i < ERRNO_MAX; i++)
		n += run->errors[i];
	return n;
}

/* The end of a summary line: errors, each kind with its count, the longest pause, deaths. */
static inline void
print_run(const struct run *run)
{
	int64_t longest = 0;

	printf(", errors %lu", run_errors(run));
	for (int i = 0; i < ERRNO_MAX; i++)
		if (run->errors[i] != 0)
			printf(" (%s %lu)", i == SHORT ? "done in part" : strerror(i),
			       (unsigned long)run->errors[i]);
	for (unsigned i = 0; i < run->nworkers; i++)
		if (run->worker[i].longest > longest)
			longest = run->worker[i].longest;
	printf(", longest pause %ld.%03ld ms", longest / 1000000, longest / 1000 % 1000);
	if (run->server != NULL)
		printf(", deaths %lu", run->deaths_seen);
	printf("\n");
}

/* The program's result: it is well if nothing was wrong and no call failed. */
static inline int
run_result(const struct run *run, bool wrong)
{
	if (!wrong && run_errors(run) == 0)
		return all_right(run->program);
	printf("%s: failed\n", run->program);
	return 1;
}
