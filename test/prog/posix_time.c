/* Clocks and timers. */
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static volatile sig_atomic_t ticks;

static void
tick(int sig)
{
	(void)sig;
	ticks++;
}

static double
now(clockid_t clock)
{
	struct timespec t;

	CHECK(clock_gettime(clock, &t) == 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
main(void)
{
	struct itimerval every = { { 0, 20000 }, { 0, 20000 } }, off = { 0 };
	double a = now(CLOCK_MONOTONIC), b, cpu;

	for (int i = 0; i < 10000; i++) {
		b = now(CLOCK_MONOTONIC);
		CHECK(b >= a);
		a = b;
	}
	usleep(50000);
	b = now(CLOCK_MONOTONIC);
	CHECK(b - a >= 0.05 && b - a < 20);
	a = now(CLOCK_MONOTONIC);
	CHECK(poll(NULL, 0, 100) == 0);
	b = now(CLOCK_MONOTONIC);
	CHECK(b - a >= 0.1 && b - a < 20);
	CHECK(now(CLOCK_REALTIME) > 1700000000.0);
	signal(SIGALRM, tick);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
	for (a = now(CLOCK_MONOTONIC); ticks < 5 && now(CLOCK_MONOTONIC) - a < 60;)
		;
	CHECK(ticks >= 5 && setitimer(ITIMER_REAL, &off, NULL) == 0);
	CHECK(now(CLOCK_PROCESS_CPUTIME_ID) > cpu);
	return all_right("posix_time");
}
