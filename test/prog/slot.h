/* What the programs share that watch a server's slot (man/3/sip). */
#pragma once
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#include "driver.h"

enum { SLOT_WAIT_MS = 60000, SLOT_PAUSE_NS = 200000 };

static inline uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void
pause_a_little(void)
{
	struct timespec t = { .tv_nsec = SLOT_PAUSE_NS };

	nanosleep(&t, NULL);
}

static inline void
slot_write(const char *server, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof path, "/dev/sip/servers/%s/ctl", server);
	fd = open(path, O_WRONLY);
	CHECK(fd >= 0);
	command(fd, text);
	close(fd);
}

static inline unsigned
value(const char *text, const char *name)
{
	const char *v = strstr(text, name);

	CHECK(v != NULL);
	return (unsigned)strtoul(v + strlen(name), NULL, 10);
}

/* Until it is healthy in a generation after `before`: that generation. */
static inline unsigned
slot_wait_healthy(int fd, unsigned before)
{
	uint64_t end = now() + SLOT_WAIT_MS * 1000000ull;
	char text[4096];

	for (;;) {
		ssize_t n = pread(fd, text, sizeof text - 1, 0);
		unsigned g;

		CHECK(n > 0);
		text[n] = '\0';
		g = value(text, "\ngeneration ");
		if (strstr(text, "\nstatus healthy\n") && g > before)
			return g;
		if (now() >= end)
			printf("%s", text);
		CHECK(!strstr(text, "\nstatus failed\n"));
		CHECK(now() < end);
		poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 1000);
	}
}

/* A process of that name that init looks after, in a session of its own; 0: none. */
static inline pid_t
process_named(const char *name)
{
	char line[64], path[64], text[1024];
	struct dirent *e;
	pid_t found = 0;
	DIR *d = opendir("/proc");

	CHECK(d != NULL);
	snprintf(line, sizeof line, "name %s\n", name);
	while (!found && (e = readdir(d)) != NULL) {
		ssize_t n;
		int fd;

		snprintf(path, sizeof path, "/proc/%.16s/status", e->d_name);
		fd = atoi(e->d_name) > 0 ? open(path, O_RDONLY) : -1;
		n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
		text[n > 0 ? n : 0] = '\0';
		if (fd >= 0)
			close(fd);
		if (strncmp(text, line, strlen(line)) == 0 && strstr(text, "\nppid 1\n") &&
		    value(text, "\nsession ") == (unsigned)atoi(e->d_name))
			found = (pid_t)atoi(e->d_name);
	}
	closedir(d);
	return found;
}

/* Waits for a manager of that name, lets it live for so long, and kills it. */
static inline pid_t
kill_manager(const char *name, long live_us)
{
	uint64_t end = now() + SLOT_WAIT_MS * 1000000ull;
	pid_t pid;

	while ((pid = process_named(name)) == 0) {
		CHECK(now() < end);
		pause_a_little();
	}
	if (live_us)
		nanosleep(&(struct timespec){ .tv_sec = live_us / 1000000,
			  .tv_nsec = live_us % 1000000 * 1000 }, NULL);
	CHECK(kill(pid, SIGKILL) == 0);
	return pid;
}

/* Until nothing is left of it. */
static inline void
wait_gone(pid_t pid)
{
	uint64_t end = now() + SLOT_WAIT_MS * 1000000ull;

	while (kill(pid, 0) == 0) {
		CHECK(now() < end);
		pause_a_little();
	}
}

/* Its status file. */
static inline int
slot_status(const char *server)
{
	char path[256];
	int fd;

	snprintf(path, sizeof path, "/dev/sip/servers/%s/status", server);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	return fd;
}
