/* Checks clocks and sleeping. */
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

#include "linux_test.h"

static double
now(clockid_t clock)
{
	struct timespec ts = { 0 };

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
clocks(void)
{
	struct timeval tv;
	struct timespec ts;
	double last = now(CLOCK_MONOTONIC), t;
	time_t before;

	for (int i = 0; i < 20000; i++) {
		t = now(CLOCK_MONOTONIC);
		NEED(t >= last);
		last = t;
	}
	last = now(CLOCK_REALTIME);
	before = time(NULL);
	CHECK(gettimeofday(&tv, NULL) == 0);
	t = (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
	CHECK(t > last - 0.01 && t < now(CLOCK_REALTIME) + 0.01);
	CHECK(before - 1 <= tv.tv_sec && tv.tv_sec <= time(NULL) + 1 && tv.tv_sec > 1000000000);
	CHECK(clock_getres(CLOCK_MONOTONIC, &ts) == 0 && ts.tv_sec == 0);
	CHECK_ERR(clock_gettime(1234, &ts), EINVAL);
}

static void
sleeping(void)
{
	struct timespec ts = { 0, 50000000 };
	double t = now(CLOCK_MONOTONIC);

	CHECK(nanosleep(&ts, NULL) == 0);
	CHECK(now(CLOCK_MONOTONIC) - t >= 0.05 && now(CLOCK_MONOTONIC) - t < 20);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += 1;
	CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == 0);
	CHECK(now(CLOCK_MONOTONIC) >= (double)ts.tv_sec + (double)ts.tv_nsec / 1e9);
	ts.tv_sec = 0;
	CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL) == 0);
	ts.tv_nsec = 1000000000;
	CHECK_ERR(nanosleep(&ts, NULL), EINVAL);
}

static void
processor_time(void)
{
	struct rusage ru;
	struct tms tms;
	double t = now(CLOCK_PROCESS_CPUTIME_ID), end = now(CLOCK_MONOTONIC) + 0.2;

	while (now(CLOCK_MONOTONIC) < end)
		;
	CHECK(now(CLOCK_PROCESS_CPUTIME_ID) > t + 0.01);
	CHECK(getrusage(RUSAGE_SELF, &ru) == 0 && (ru.ru_utime.tv_sec || ru.ru_utime.tv_usec ||
						   ru.ru_stime.tv_usec));
	CHECK(times(&tms) != (clock_t)-1);
	CHECK(clock() > 0);
}

int
main(int argc, char **argv)
{
	static const struct test tests[] = { TEST(clocks), TEST(sleeping), TEST(processor_time) };

	RUN_TESTS(tests);
}
