/*
 * Work that never waits for a device: the null call, requests to another process and back,
 * processes and threads.  On Linux a process that serves is at the other end of two pipes; on
 * Lux9 it is also the server of a file.
 */
#include "work.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <lux9/calls.h>

#define NCALLS		20000
#define NREQUESTS	2000
#define NLONG		400	/* of 64 KiB */
#define NPROCESSES	100
#define NPOLLERS	8	/* processes that poll other files meanwhile */
#define NPOLLED		16	/* files of one poll */
#define SERVED_MAX	(64 * KIB)

static long
null_call(void)
{
	return native ? lux_call0(SYS_GETPID) : syscall(SYS_getppid);
}

static void
null_row(void)
{
	row_begin();
	for (unsigned i = 0; i < NCALLS; i++)
		null_call();
	row_end("null", NCALLS);
}

/* Answers a byte with n bytes until the requests end. */
static void
answer(int in, int out, size_t n)
{
	char *buf = bench_memory(n);

	while (read(in, buf, 1) == 1)
		if (write(out, buf, n) != (ssize_t)n)
			break;
	_exit(0);
}

static void
pipe_row(size_t n, unsigned count, const char *name)
{
	int ask[2], reply[2];
	char *buf = bench_memory(n), c = 0;
	pid_t pid;

	bench_check(pipe(ask) == 0 && pipe(reply) == 0, "pipe");
	pid = fork();
	bench_check(pid >= 0, "fork");
	if (pid == 0) {
		close(ask[1]);
		close(reply[0]);
		answer(ask[0], reply[1], n);
	}
	close(ask[0]);
	close(reply[1]);
	row_begin();
	for (unsigned i = 0; i < count; i++) {
		bench_check(write(ask[1], &c, 1) == 1, "pipe");
		for (size_t have = 0; have < n;) {
			ssize_t k = read(reply[0], buf, n - have);

			bench_check(k > 0, "pipe");
			have += (size_t)k;
		}
		bench_touch(buf, n);
	}
	row_end(name, count);
	close(ask[1]);
	close(reply[0]);
	waitpid(pid, NULL, 0);
}

/* The same with others on the machine that wait for something else: they are not to be paid for. */
static void
polled_row(void)
{
	pid_t pid[NPOLLERS];
	int quiet[2], ready[2];
	char c;

	bench_check(pipe(quiet) == 0 && pipe(ready) == 0, "pipe");
	for (unsigned i = 0; i < NPOLLERS; i++) {
		struct pollfd f = { .fd = quiet[0], .events = POLLIN };

		pid[i] = fork();
		bench_check(pid[i] >= 0, "fork");
		if (pid[i] == 0) {
			close(quiet[1]);
			bench_check(write(ready[1], "", 1) == 1, "pipe");
			_exit(poll(&f, 1, -1) != 1);
		}
		bench_check(read(ready[0], &c, 1) == 1, "pipe");
	}
	close(ready[0]);
	close(ready[1]);
	pipe_row(1, NREQUESTS, "pipe_1_polled");
	close(quiet[1]);
	for (unsigned i = 0; i < NPOLLERS; i++) {
		int status;

		bench_check(waitpid(pid[i], &status, 0) == pid[i] && status == 0, "poll");
	}
	close(quiet[0]);
}

/* Of many files the last is ready. */
static void
poll_row(void)
{
	struct pollfd f[NPOLLED];
	int end[NPOLLED][2];

	for (unsigned i = 0; i < NPOLLED; i++) {
		bench_check(pipe(end[i]) == 0, "pipe");
		f[i] = (struct pollfd){ .fd = end[i][0], .events = POLLIN };
	}
	bench_check(write(end[NPOLLED - 1][1], "", 1) == 1, "pipe");
	row_begin();
	for (unsigned i = 0; i < NREQUESTS; i++)
		bench_check(poll(f, NPOLLED, -1) == 1, "poll");
	row_end("poll_16", NREQUESTS);
	for (unsigned i = 0; i < NPOLLED; i++) {
		close(end[i][0]);
		close(end[i][1]);
	}
}

void
work_calls(void)
{
	for (unsigned i = 0; i < REPEATS; i++) {
		null_row();
		pipe_row(1, NREQUESTS, "pipe_1");
		polled_row();
		poll_row();
		pipe_row(4 * KIB, NREQUESTS, "pipe_4k");
		pipe_row(64 * KIB, NLONG, "pipe_64k");
	}
}

static void
served_row(int fd, size_t n, unsigned count, const char *name)
{
	char *buf = bench_memory(n);

	row_begin();
	for (unsigned i = 0; i < count; i++) {
		bench_check(bench_pread(fd, buf, n, 0) == (ssize_t)n, name);
		bench_touch(buf, n);
	}
	row_end(name, count);
}

/* A file that a process serves: written first. */
void
work_served(const char *file)
{
	char *buf = bench_memory(SERVED_MAX);
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);

	bench_check(fd >= 0, file);
	for (size_t at = 0; at < SERVED_MAX; at += 4 * KIB)
		bench_check(write(fd, buf, 4 * KIB) == 4 * KIB, file);
	for (unsigned i = 0; i < REPEATS; i++) {
		served_row(fd, 1, NREQUESTS, "served_1");
		served_row(fd, 4 * KIB, NREQUESTS, "served_4k");
		served_row(fd, 64 * KIB, NLONG, "served_64k");
	}
	close(fd);
}

static void
fork_row(char *self, bool exec, const char *name)
{
	char *argv[] = { self, "nothing", NULL };

	row_begin();
	for (unsigned i = 0; i < NPROCESSES; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			if (exec)
				execv(self, argv);
			_exit(exec);
		}
		bench_check(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, name);
	}
	row_end(name, NPROCESSES);
}

static void *
thread_main(void *arg)
{
	return arg;
}

static void
thread_row(void)
{
	pthread_t t;

	row_begin();
	for (unsigned i = 0; i < NPROCESSES; i++) {
		bench_check(!pthread_create(&t, NULL, thread_main, NULL), "thread");
		pthread_join(t, NULL);
	}
	row_end("thread", NPROCESSES);
}

void
work_processes(char *self)
{
	for (unsigned i = 0; i < REPEATS; i++) {
		fork_row(self, false, "fork_exit");
		fork_row(self, true, "fork_exec");
		thread_row();
	}
}
