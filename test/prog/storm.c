/*
 * Storms on the kernel's core from many threads and processes at once: storm ROUNDS.  Threads are
 * made while their process exits or execs, processes are killed before their first instruction,
 * several threads exec at once, memory is mapped and copied on write under everybody's feet, and
 * all processors are busy.  A process that does not end within HANG_MS is a failure.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <lux9/sys.h>
#include "check.h"

#define HANG_MS		20000
#define THREADS		4
#define EXEC_STATUS	7
#define HOGS		11
#define PAGE		4096u
#define PAIRS		4
#define BOUNCES		400u	/* of a pair, in a round */
#define AREA_PAGES	64u

static char *self = "/boot/bin/storm";

static void
end_of(pid_t pid, const char *what, int *status)
{
	const struct timespec ms = { 0, 1000000 };
	pid_t r = 0;

	CHECK(pid > 0);
	for (int i = 0; i < HANG_MS && r == 0; i++) {
		r = waitpid(pid, status, WNOHANG);
		if (r == 0)
			nanosleep(&ms, NULL);
	}
	if (r != pid)
		printf("storm: %s: process %d does not end (%d)\n", what, pid, r);
	CHECK(r == pid);
}

/* --- death before life ------------------------------------------------------------------------ */

static void
kill_newborn(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			for (;;)
				__asm__ volatile("");
		CHECK(pid > 0 && kill(pid, SIGKILL) == 0);
		end_of(pid, "newborn", &status);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}

/* --- threads made while the process ends ------------------------------------------------------ */

static void *
short_thread(void *arg)
{
	return arg;
}

static void *
breeder(void *arg)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 4 * PAGE);
	for (;;)
		if (pthread_create(&t, &attr, short_thread, NULL) != 0)
			usleep(100);
	return arg;
}

static void *
exec_thread(void *arg)
{
	char *argv[] = { self, "exit", NULL };

	(void)arg;
	execv(self, argv);
	return NULL;
}

static void
start(void *(*f)(void *), int n)
{
	pthread_t t;

	for (int i = 0; i < n; i++)
		CHECK(pthread_create(&t, NULL, f, NULL) == 0);
}

enum { BY_EXIT, BY_EXEC, BY_EXECS, BY_KILL, WAYS };

static void
breed_and_end(int way)
{
	start(breeder, way == BY_EXECS ? 1 : THREADS);
	if (way == BY_EXECS)
		start(exec_thread, THREADS);
	usleep(500);
	if (way == BY_EXIT)
		_exit(EXEC_STATUS);
	if (way == BY_EXEC)
		exec_thread(NULL);
	for (;;)
		pause();
}

static void
breeders(int rounds)
{
	static const char *const names[] = { "exit", "exec", "several execs", "kill" };

	for (int i = 0; i < rounds; i++) {
		int way = i % WAYS, status;
		pid_t pid = fork();

		if (pid == 0)
			breed_and_end(way);
		if (way == BY_KILL) {
			usleep((useconds_t)(i * 37 % 3000));
			CHECK(kill(pid, SIGKILL) == 0);
		}
		end_of(pid, names[way], &status);
		if (way == BY_KILL)
			CHECK(WIFSIGNALED(status));
		else
			CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXEC_STATUS);
	}
}

/* --- memory ----------------------------------------------------------------------------------- */

static volatile uint32_t *shared_pages;	/* every thread has a word in every page */
static _Atomic int memory_stop;

static void *
writer(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	uint32_t mine[AREA_PAGES] = { 0 };

	for (uint32_t i = 0; !memory_stop; i++) {
		unsigned p = (i * 17 + me) % AREA_PAGES;
		volatile uint32_t *word = &shared_pages[p * (PAGE / 4) + me];

		CHECK(*word == mine[p]);	/* a write to a page that was copied is lost */
		mine[p] = *word = i;
	}
	return NULL;
}

/* Private mappings: what was written is there, and a new one is zero. */
static void *
mapper(void *arg)
{
	uint32_t me = 0x1000000u * (uint32_t)(uintptr_t)arg;

	for (uint32_t i = 0; !memory_stop; i++) {
		uint32_t n = 1 + i % 8;
		uint32_t *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(p != MAP_FAILED);
		for (uint32_t k = 0; k < n; k++) {
			CHECK(p[k * (PAGE / 4)] == 0);
			p[k * (PAGE / 4)] = me + i;
		}
		CHECK(mprotect(p, PAGE, PROT_READ) == 0);
		CHECK(mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0);
		for (uint32_t k = 0; k < n; k++)
			CHECK(p[k * (PAGE / 4)] == me + i);
		p[0] = 0;
		CHECK(munmap(p, n * PAGE) == 0);
	}
	return NULL;
}

/* One range that all map, unmap and protect; the kernel reads and writes it for them. */
static char *fought;

static void *
fighter(void *arg)
{
	uint32_t r = (uint32_t)(uintptr_t)arg;
	int fd[2];

	/* A read into a page that has gone leaves its bytes: a pipe that is full must not block. */
	CHECK(pipe2(fd, O_NONBLOCK) == 0);
	while (!memory_stop) {
		r = r * 1664525 + 1013904223;
		char *p = fought + (r >> 8) % 16 * PAGE;
		size_t n = (1 + (r >> 16) % 4) * PAGE;

		switch (r >> 28) {
		case 0: case 1: case 2:
			mmap(p, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			     -1, 0);
			break;
		case 3:
			munmap(p, n);
			break;
		case 4: case 5:
			mprotect(p, n, r & 1 << 20 ? PROT_READ : PROT_READ | PROT_WRITE);
			break;
		case 6:
			mprotect(p, n, PROT_NONE);
			break;
		default:
			if (write(fd[1], p, 64) == 64)
				(void)!read(fd[0], p + PAGE, 64);
			break;
		}
	}
	close(fd[0]);
	close(fd[1]);
	return NULL;
}

static void
forks(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			for (unsigned p = 0; p < AREA_PAGES; p += 3)
				shared_pages[p * (PAGE / 4) + p % THREADS] = 0xffffffff;
			_exit(0);
		}
		end_of(pid, "copy", &status);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

/* Two kinds of threads while the process forks: what one kind unmaps, the other would be given. */
static void
memory(int rounds, void *(*other)(void *))
{
	pthread_t t[2 * THREADS];

	memory_stop = 0;
	shared_pages = mmap(NULL, AREA_PAGES * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fought = mmap(NULL, 20 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(shared_pages != MAP_FAILED && fought != MAP_FAILED);
	for (uintptr_t i = 0; i < THREADS; i++) {
		CHECK(pthread_create(&t[2 * i], NULL, writer, (void *)i) == 0);
		CHECK(pthread_create(&t[2 * i + 1], NULL, other, (void *)(i + 1)) == 0);
	}
	forks(rounds);
	memory_stop = 1;
	for (int i = 0; i < 2 * THREADS; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
}

/* What is mapped over a mapping takes its place at once: no other thread is given the room. */
static void *
taker(void *arg)
{
	while (!memory_stop) {
		char *p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(p != MAP_FAILED && munmap(p, 4 * PAGE) == 0);
	}
	return arg;
}

static void
fixed(int rounds)
{
	char *p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t t;

	memory_stop = 0;
	CHECK(p != MAP_FAILED && pthread_create(&t, NULL, taker, NULL) == 0);
	for (int i = 0; i < rounds * 100; i++)
		CHECK(mmap(p, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			   0) == p);
	memory_stop = 1;
	CHECK(pthread_join(t, NULL) == 0);
}

/* A range of most of the address space costs nothing to fork, protect and unmap. */
static void
sparse(int rounds)
{
	size_t n = 64ul << 40;

	for (int i = 0; i < rounds; i++) {
		char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct timespec t0, t1;
		int status;

		CHECK(p != MAP_FAILED);
		p[n / 2] = 1;
		clock_gettime(CLOCK_MONOTONIC, &t0);
		pid_t pid = fork();

		if (pid == 0)
			_exit(p[n / 2]);
		end_of(pid, "sparse", &status);
		CHECK(WEXITSTATUS(status) == 1);
		CHECK(mprotect(p, n, PROT_READ) == 0 && p[n / 2] == 1);
		CHECK(munmap(p, n) == 0);
		clock_gettime(CLOCK_MONOTONIC, &t1);
		CHECK(t1.tv_sec - t0.tv_sec <= 2);
	}
}

/* --- signals ---------------------------------------------------------------------------------- */

static _Atomic unsigned signals_taken;

static void
take_signal(int sig)
{
	(void)sig;
	signals_taken++;
}

static void *
reader(void *arg)
{
	int *fd = arg;
	char c;

	for (;;)
		if (read(fd[0], &c, 1) != 1 && errno != EINTR)
			return NULL;
}

static void
signalled(void)
{
	static int fd[2];
	pthread_t t;

	signal(SIGUSR1, take_signal);
	CHECK(pipe(fd) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t, NULL, reader, fd) == 0);
	for (int i = 0;; i++) {
		(void)!write(fd[1], "x", 1);
		if (i == 2000)
			exec_thread(NULL);
	}
}

static void
signals(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			signal(SIGUSR1, SIG_IGN);
			signalled();
		}
		for (int k = 0; k < 20 + i % 60; k++) {
			kill(pid, SIGUSR1);
			if (k % 8 == 0)
				usleep(100);
		}
		if (i % 2)
			kill(pid, SIGKILL);
		end_of(pid, "signals", &status);
	}
}

/* --- stopped processes ------------------------------------------------------------------------ */

static int
proc_file(pid_t pid, const char *name, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	fd = open(path, flags);
	CHECK(fd >= 0);
	return fd;
}

static void
moved(void)
{
	_exit(EXEC_STATUS);
}

/* A program that computes is stopped, sent elsewhere by its registers, and goes on there. */
static void
stop_and_move(void)
{
	struct sys_regs r;
	pid_t pid = fork();
	int ctl, regs, status, tries = 0;

	if (pid == 0)
		for (;;)
			__asm__ volatile("");
	ctl = proc_file(pid, "ctl", O_WRONLY);
	regs = proc_file(pid, "regs", O_RDWR);
	CHECK(write(ctl, "stop", 4) == 4);
	do {
		CHECK(pread(regs, &r, sizeof r, 0) == sizeof r);
		r.rip = (uint64_t)(uintptr_t)moved;
		r.rsp = (r.rsp & ~15ul) - 264;
		usleep(100);
	} while (pwrite(regs, &r, sizeof r, 0) != sizeof r && ++tries < 10000);
	CHECK(write(ctl, "start", 5) == 5);
	end_of(pid, "stopped", &status);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXEC_STATUS);
	close(ctl);
	close(regs);
}

/* --- processors ------------------------------------------------------------------------------- */

/* More programs that only compute than processors: each gets its share. */
static void
hogs(void)
{
	volatile uint32_t *count = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid[HOGS];
	int status;

	CHECK(count != MAP_FAILED);
	for (int i = 0; i < HOGS; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			for (;;)
				count[i]++;
	}
	for (int i = 0; i < 20; i++)
		usleep(100000);
	for (int i = 0; i < HOGS; i++) {
		CHECK(count[i] > 0);
		CHECK(kill(pid[i], SIGKILL) == 0);
		end_of(pid[i], "hog", &status);
	}
}

/* --- polls: a change that a poller misses is a pair that hangs -------------------------------- */

static void
bounce(int in, int out, int quiet, unsigned n)
{
	struct pollfd f[2] = { { in, POLLIN, 0 }, { quiet, POLLIN, 0 } };
	char c;

	for (unsigned i = 0; i < n; i++)
		if (poll(f, 2, -1) != 1 || read(in, &c, 1) != 1 || write(out, &c, 1) != 1)
			_exit(1);
	_exit(0);
}

static void
poll_pairs(int rounds)
{
	pid_t pid[2 * PAIRS];
	int quiet[2], status;

	CHECK(pipe(quiet) == 0);
	for (unsigned i = 0; i < PAIRS; i++) {
		int to[2], back[2];

		CHECK(pipe(to) == 0 && pipe(back) == 0);
		for (unsigned k = 0; k < 2; k++) {
			pid[2 * i + k] = fork();
			if (pid[2 * i + k] == 0)
				bounce(k ? back[0] : to[0], k ? to[1] : back[1], quiet[0],
				       BOUNCES * (unsigned)rounds);
		}
		CHECK(write(to[1], "x", 1) == 1);
		close(to[0]);
		close(to[1]);
		close(back[0]);
		close(back[1]);
	}
	for (unsigned i = 0; i < 2 * PAIRS; i++) {
		end_of(pid[i], "poll", &status);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	close(quiet[0]);
	close(quiet[1]);
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 100;

	if (argc > 1 && strcmp(argv[1], "exit") == 0)
		return EXEC_STATUS;
	setvbuf(stdout, NULL, _IONBF, 0);
	printf("storm: newborn\n");
	kill_newborn(rounds * 5);
	printf("storm: breeders\n");
	breeders(rounds);
	printf("storm: memory\n");
	memory(rounds, mapper);
	memory(rounds, fighter);
	printf("storm: ranges\n");
	fixed(rounds);
	sparse(2);
	printf("storm: stop\n");
	for (int i = 0; i < rounds; i++)
		stop_and_move();
	printf("storm: signals\n");
	signals(rounds);
	printf("storm: polls\n");
	poll_pairs(rounds);
	printf("storm: hogs\n");
	hogs();
	return all_right("storm");
}
