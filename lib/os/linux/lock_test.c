/*
 * os_lock.h: one at a time, and nobody sleeps for ever.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <cmocka.h>
#include <os.h>
#include <os_lock.h>

enum { THREADS = 4, ROUNDS = 20000, LONG = 64, HELD_NS = 20000 };

struct counter {
	struct os_lock lock;
	unsigned n; /* under the lock, as the next */
	bool inside;
	_Atomic unsigned both; /* times that it was taken by two */
};

static void *
count(void *arg)
{
	struct counter *c = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		os_lock_take(&c->lock);
		if (c->inside)
			c->both++;
		c->inside = true;
		c->n++;
		if (i % (ROUNDS / LONG) == 0) /* the others fall asleep */
			os_sleep_ns(HELD_NS);
		c->inside = false;
		os_lock_give(&c->lock);
	}
	return NULL;
}

static void
one_at_a_time(void **state)
{
	static struct counter c;
	pthread_t t[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, count, &c), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(c.n, THREADS * ROUNDS);
	assert_int_equal(c.both, 0);
	assert_int_equal(c.lock.state, 0);
}

static void *
take_once(void *arg)
{
	struct counter *c = arg;

	os_lock_take(&c->lock);
	c->n++;
	os_lock_give(&c->lock);
	return NULL;
}

/* Who waits is woken, and not before. */
static void
waits(void **state)
{
	static struct counter c;
	pthread_t t;

	(void)state;
	os_lock_take(&c.lock);
	assert_int_equal(c.lock.state, 1);
	assert_int_equal(pthread_create(&t, NULL, take_once, &c), 0);
	while (atomic_load(&c.lock.state) != 2)
		os_sleep_ns(HELD_NS);
	assert_int_equal(c.n, 0);
	os_lock_give(&c.lock);
	pthread_join(t, NULL);
	assert_int_equal(c.n, 1);
	assert_int_equal(c.lock.state, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
