/*
 * What the programs share that plug and unplug devices: the monitor of QEMU, which is asked by the
 * debug port (test/boot/monitor.py), servers that come and go, and what they leave behind.
 */
#pragma once
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "driver.h"

#define COME_MS		60000		/* from the plug to a healthy driver, on a slow machine */
#define GO_MS		60000		/* from the button to an empty slot */
#define BUFFERS_S	31		/* dma(3): when nobody says that the device is quiet */
#define DEBUG_PORT	0xe9		/* -debugcon */
#define PAGES_SLACK	64
#define HEAP_SLACK	32768

static inline int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void
nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

static inline void __attribute__((format(printf, 1, 2)))
say(const char *fmt, ...)
{
	char text[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	CHECK(write(1, text, (size_t)n) == n);
}

/* By the port of QEMU's debug console: the machine's own console is everybody's. */
static inline void
monitor(const char *fmt, const char *what)
{
	char text[300];
	int fd = open("/dev/io", O_RDWR), n = snprintf(text, sizeof text, fmt, what);

	CHECK(fd >= 0);
	CHECK(n < (int)sizeof text);
	say("monitor: %.200s\n", text);
	text[n] = '\n';
	for (int i = 0; i <= n; i++)
		CHECK(pwrite(fd, &text[i], 1, DEBUG_PORT) == 1);
	close(fd);
}

static inline int
run(const char *program, const char *a, const char *b)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		execl(program, program, a, b, (char *)NULL);
		_exit(127);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

/* As text_of, of a file that may not be there: then "". */
static inline const char *
maybe(const char *fmt, const char *name)
{
	char path[300];

	snprintf(path, sizeof path, fmt, name);
	return access(path, R_OK) == 0 ? text_of(path) : "";
}

static inline bool
says(const char *fmt, const char *name, const char *what)
{
	static char text[8192];
	char path[300];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, fmt, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return strstr(text, what) != NULL;
}

/* The server whose device this is, into name. */
static inline bool
server_of(const char *device, char name[64])
{
	char line[32];
	DIR *d = opendir("/dev/sip/servers");
	struct dirent *e;
	bool found = false;

	CHECK(d != NULL);
	snprintf(line, sizeof line, "%s\n", device);
	while (!found && (e = readdir(d)) != NULL) {
		found = says("/dev/sip/servers/%s/devices", e->d_name, line);
		snprintf(name, 64, "%.63s", e->d_name);
	}
	closedir(d);
	return found;
}

/* Until it is healthy. */
static inline void
wait_server(const char *device, char name[64])
{
	int64_t start = now_ms();

	while (!server_of(device, name) ||
	       !says("/dev/sip/servers/%s/status", name, "status healthy")) {
		if (now_ms() - start > COME_MS) {
			say("no healthy server for %s\n%s", device,
			    maybe("/dev/pci/%sctl", device));
			exit(1);
		}
		nap();
	}
	say("%s: %s after %ld ms\n", device, name, (long)(now_ms() - start));
}

static inline void
wait_empty(const char *port, const char *device)
{
	int64_t start = now_ms();
	char name[64];

	while (server_of(device, name) || !says("/dev/slot/%s", port, "state empty")) {
		if (now_ms() - start > GO_MS) {
			say("%s is still there\n%s", device, maybe("/dev/slot/%s", port));
			exit(1);
		}
		nap();
	}
	CHECK(maybe("/dev/pci/%sctl", device)[0] == '\0');
	say("%s: gone after %ld ms\n", device, (long)(now_ms() - start));
}

static inline void
device_behind(const char *port, char device[16])
{
	const char *bus = strstr(maybe("/dev/slot/%s", port), "\nbus ");

	CHECK(bus != NULL);
	snprintf(device, 16, "%ld.0.0", strtol(bus + 5, NULL, 10));
}

static inline void
write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0);
	command(fd, text);
	close(fd);
}

/* The disk of a controller, as /dev/sd/NAME/data. */
static inline void
disk_of(const char *device, char path[96])
{
	int64_t start = now_ms();
	char line[40], name[64] = "";

	snprintf(line, sizeof line, "controller %s", device);
	while (name[0] == '\0') {
		DIR *d = opendir("/dev/sd");
		struct dirent *e;

		while (d != NULL && (e = readdir(d)) != NULL)
			if (says("/dev/sd/%s/ctl", e->d_name, line))
				snprintf(name, sizeof name, "%.63s", e->d_name);
		if (d != NULL)
			closedir(d);
		CHECK(now_ms() - start < COME_MS);
		nap();
	}
	snprintf(path, 96, "/dev/sd/%s/data", name);
}

/* --- what is left --- */

struct left {
	unsigned dma, irq, srv, pci, servers, processes;
	uint64_t pages, heap;
};

static inline struct left
count(void)
{
	return (struct left){
		.dma = entries_of("/dev/dma"), .irq = entries_of("/dev/irq"),
		.srv = entries_of("/srv"),
		.pci = entries_of("/dev/pci"), .servers = entries_of("/dev/sip/servers"),
		.processes = entries_of("/proc"),
		.pages = number_in("/dev/swap", "pages free "),
		.heap = number_in("/dev/swap", "heap "),
	};
}

static inline bool
left_more(const struct left *before, const struct left *now)
{
	return now->dma > before->dma || now->irq > before->irq || now->srv > before->srv ||
	       now->pci > before->pci || now->servers > before->servers ||
	       now->processes > before->processes || now->pages + PAGES_SLACK < before->pages ||
	       now->heap > before->heap + HEAP_SLACK;
}

/* Buffers of drivers that could not quiet their device come back later; an exit looks for them. */
static inline void
nothing_left(const struct left *before)
{
	struct left now = count();

	for (int i = 0; i < BUFFERS_S && left_more(before, &now); i++) {
		run("/boot/bin/sleep", "1", NULL);
		now = count();
	}
	say("left: dma %u %u irq %u %u srv %u %u pci %u %u servers %u %u\n", before->dma, now.dma,
	    before->irq, now.irq, before->srv, now.srv, before->pci, now.pci, before->servers,
	    now.servers);
	say("left: processes %u %u pages %lu %lu heap %lu %lu\n", before->processes,
	    now.processes, before->pages, now.pages, before->heap, now.heap);
	CHECK(!left_more(before, &now));
}
