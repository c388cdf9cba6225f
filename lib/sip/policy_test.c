/* What is done about a death, and who is late. */
#include "sip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS 1000000ull

static struct sip_manifest m;
static unsigned deaths, delay;

static int
setup(void **state)
{
	(void)state;
	m = (struct sip_manifest){
		.restart = SIP_RESTART_ALWAYS, .stable_ms = 1000, .limit = 8,
	};
	deaths = 0;
	delay = 12345;
	return 0;
}

static enum sip_action
dies(struct sip_end end)
{
	return sip_policy(&m, &deaths, &end, &delay);
}

static void
backs_off(void **state)
{
	static const unsigned want[] = { 0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000 };
	(void)state;
	m.limit = 100;
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		assert_int_equal(SIP_START, dies((struct sip_end){ .lived_ms = 999 }));
		assert_int_equal(want[i], delay);
	}
	for (unsigned i = deaths + 1; i < m.limit; i++)
		assert_int_equal(SIP_START, dies((struct sip_end){ 0 }));
	assert_int_equal(SIP_BACKOFF_MAX_MS, delay);
	assert_int_equal(SIP_GIVE_UP, dies((struct sip_end){ 0 }));
}

static void
remembers(void **state)
{
	struct sip_past past;
	(void)state;
	m.deadline_ms = 500;
	sip_history(&m, "state healthy\nmessage \nrestarts 0\n", &past);
	assert_int_equal(0, past.deaths);
	/* Of the first nobody knows how long it lived; the third ended after 2 s. */
	sip_history(&m, "restarts 3\nrestart 1000000000 took 5000000 cause fault: x\n"
		"restart 1100000000 took 5000000 cause fault: x\n"
		"restart 3105000000 took 5000000 cause fault: x\n", &past);
	assert_int_equal(1, past.deaths);
	/* The last half of 1.2 s was waiting for a report: it was not stable. */
	sip_history(&m, "restart 1000000000 took 5000000 cause fault: x\n"
		"restart 2205000000 took 0 cause missed health deadline\n"
		"restart 2300000000 took 0 cause not healthy within the deadline\n"
		"restart 2400000000 took 0 cause not healthy within the deadline\n", &past);
	assert_int_equal(4, past.deaths);
	assert_int_equal(2, past.missed);
	/* By hand: it does not count; asked to stop, it was started by hand. */
	sip_history(&m, "restart 1000000000 took 5000000 cause fault: x\n"
		"restart 1100000000 took 0 cause killed by hand\n"
		"restart 1200000000 took 0 cause fault: x\n", &past);
	assert_int_equal(2, past.deaths);
	sip_history(&m, "restart 1000000000 took 5000000 cause fault: x\n"
		"restart 1100000000 took 0 cause asked to stop\n", &past);
	assert_int_equal(0, past.deaths);
	/* Given up at the limit, so it was started by hand. */
	m.limit = 2;
	sip_history(&m, "restart 1000000000 took 0 cause fault: x\n"
		"restart 1100000000 took 0 cause fault: x\n"
		"restart 1200000000 took 0 cause fault: x\n", &past);
	assert_int_equal(1, past.deaths);
	sip_history(&m, "restart\nrestart x took 0 cause y\nrestart 1 took 2\n", &past);
	assert_int_equal(0, past.deaths);
	assert_int_equal(32000, sip_verdict_ms(500, "a request is older than 64 deadlines"));
	assert_int_equal(0, sip_verdict_ms(500, "memory limit"));
}

static void
limit(void **state)
{
	(void)state;
	for (int i = 0; i < 7; i++)
		assert_int_equal(SIP_START, dies((struct sip_end){ 0 }));
	assert_int_equal(SIP_GIVE_UP, dies((struct sip_end){ 0 }));
	m.limit = 1;
	deaths = 0;
	assert_int_equal(SIP_GIVE_UP, dies((struct sip_end){ 0 }));
	assert_int_equal(0, delay);
}

/* A server that dies again and again, but has lived well between, is started for ever. */
static void
stable(void **state)
{
	(void)state;
	for (int i = 0; i < 7; i++)
		dies((struct sip_end){ 0 });
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(SIP_START, dies((struct sip_end){ .lived_ms = 1000 }));
		assert_int_equal(0, delay);
	}
	assert_int_equal(1, deaths);
}

static void
by_hand(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++)
		dies((struct sip_end){ 0 });
	for (int i = 0; i < 100; i++) {
		assert_int_equal(SIP_START, dies((struct sip_end){ .by_hand = true }));
		assert_int_equal(0, delay);
		assert_int_equal(6, deaths);
	}
	assert_int_equal(SIP_START, dies((struct sip_end){ 0 }));
	assert_int_equal(320, delay);
	assert_int_equal(SIP_GIVE_UP, dies((struct sip_end){ 0 }));
}

static void
kinds(void **state)
{
	(void)state;
	assert_int_equal(SIP_LEAVE, dies((struct sip_end){ .stopped = true }));
	assert_int_equal(SIP_START, dies((struct sip_end){ .exit0 = true }));
	m.restart = SIP_RESTART_ON_FAILURE;
	assert_int_equal(SIP_LEAVE, dies((struct sip_end){ .exit0 = true }));
	assert_int_equal(SIP_START, dies((struct sip_end){ 0 }));
	m.restart = SIP_RESTART_NEVER;
	assert_int_equal(SIP_LEAVE, dies((struct sip_end){ 0 }));
	assert_int_equal(SIP_LEAVE, dies((struct sip_end){ .by_hand = true }));
	assert_int_equal(2, deaths);
}

/* The time in which its end was waited for does not make a life stable. */
static void
waited_for(void **state)
{
	(void)state;
	for (int i = 0; i < 7; i++)
		assert_int_equal(SIP_START,
			dies((struct sip_end){ .lived_ms = 10500, .waited_ms = 10000 }));
	assert_int_equal(7, deaths);
	assert_int_equal(SIP_START,
			dies((struct sip_end){ .lived_ms = 11000, .waited_ms = 10000 }));
	assert_int_equal(1, deaths);
	for (int i = 0; i < 6; i++)	/* it is seen a little later than it happened */
		assert_int_equal(SIP_START,
			dies((struct sip_end){ .lived_ms = 9990, .waited_ms = 10000 }));
	assert_int_equal(SIP_GIVE_UP,
			dies((struct sip_end){ .lived_ms = 640000, .waited_ms = 640000 }));
}

static const char *
late(unsigned deadline_ms, uint64_t report_ns, uint64_t request_ns, uint64_t healthy_ns)
{
	return sip_overdue(deadline_ms, &(struct sip_late){ report_ns, request_ns, healthy_ns });
}

static void
lateness(void **state)
{
	(void)state;
	assert_null(late(0, ~0ull, ~0ull, ~0ull));
	assert_null(late(100, 100 * MS, 100 * MS, ~0ull));
	assert_string_equal("missed health deadline", late(100, 100 * MS + 1, 0, ~0ull));
	assert_string_equal("a request is older than the deadline",
		late(100, 0, 100 * MS + 1, ~0ull));
	assert_null(late(3600000, 3600000 * MS, 3600000 * MS, ~0ull));
}

/* 64 deadlines, but not for reports; and a whole one from the moment when it is healthy again. */
static void
degraded(void **state)
{
	(void)state;
	assert_null(late(100, 100 * MS, 6400 * MS, 0));
	assert_string_equal("a request is older than 64 deadlines", late(100, 0, 6400 * MS + 1, 0));
	assert_string_equal("missed health deadline", late(100, 100 * MS + 1, 0, 0));
	assert_null(late(100, 0, 6400 * MS, 100 * MS));
	assert_string_equal("a request is older than the deadline",
		late(100, 0, 6400 * MS, 100 * MS + 1));
	assert_string_equal("a request is older than 64 deadlines", late(100, 0, 6400 * MS + 1, 1));
	assert_null(late(3600000, 0, 64 * 3600000ull * MS, 0));
}

static void
blame(void **state)
{
	(void)state;
	assert_int_equal(50, sip_blame_ns(50, 1000, 0));
	assert_int_equal(50, sip_blame_ns(50, 1000, 900));
	assert_int_equal(10, sip_blame_ns(50, 1000, 990));
	assert_int_equal(0, sip_blame_ns(50, 1000, 1000));
	assert_int_equal(0, sip_blame_ns(50, 1000, 1001));
}

/* A pause of the machine is nobody's age, as much of it as was within. */
static void
pauses(void **state)
{
	(void)state;
	assert_int_equal(50, sip_running_ns(50, 1000, 0, 0));
	assert_int_equal(50, sip_running_ns(50, 1000, 900, 950));
	assert_int_equal(40, sip_running_ns(50, 1000, 900, 960));
	assert_int_equal(30, sip_running_ns(50, 1000, 970, 990));
	assert_int_equal(0, sip_running_ns(50, 1000, 900, 1000));
	assert_int_equal(40, sip_running_ns(50, 1000, 990, 1000));
	assert_int_equal(1990, sip_running_ns(2000, 1000, 990, 1000));
}

static void
start_deadline(void **state)
{
	(void)state;
	assert_int_equal(1000 * MS, sip_start_ns(1000, 0));
	assert_int_equal(2000 * MS, sip_start_ns(1000, 1));
	assert_int_equal(16000 * MS, sip_start_ns(1000, 4));
	assert_int_equal(16000 * MS, sip_start_ns(1000, ~0u));
	assert_int_equal(16 * 3600000ull * MS, sip_start_ns(3600000, 5));
}

static void
report_periods(void **state)
{
	(void)state;
	assert_int_equal(1000, sip_report_ms(0));
	assert_int_equal(1000, sip_report_ms(10000));
	assert_int_equal(1000, sip_report_ms(4000));
	assert_int_equal(500, sip_report_ms(2000));
	assert_int_equal(50, sip_report_ms(200));
	assert_int_equal(50, sip_report_ms(1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(backs_off, setup), cmocka_unit_test_setup(limit, setup),
		cmocka_unit_test_setup(stable, setup), cmocka_unit_test_setup(by_hand, setup),
		cmocka_unit_test_setup(kinds, setup), cmocka_unit_test_setup(waited_for, setup),
		cmocka_unit_test(lateness), cmocka_unit_test(degraded), cmocka_unit_test(blame),
		cmocka_unit_test(pauses),
		cmocka_unit_test(start_deadline), cmocka_unit_test(report_periods),
		cmocka_unit_test_setup(remembers, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
