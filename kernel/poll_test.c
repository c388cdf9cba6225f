/*
 * SYS_POLL: what is ready, who is woken, and that nobody is forgotten.
 */
#include "testing/services.h"

#include "fd.h"
#include "poll.h"
#include "testing/calls.h"
#include "testing/devices.h"

static int
setup(void **state)
{
	(void)state;
	test_allocations = -1;
	test_proc.fds = fdtable_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fdtable_put(test_proc.fds);
	return 0;
}

static void
test_poll(void **state)
{
	struct sys_poll f[3];
	int fd[2];

	(void)state;
	pipe_(fd, 0);
	f[0] = (struct sys_poll){ fd[0], POLLIN, 9 };
	f[1] = (struct sys_poll){ fd[1], POLLIN, 9 };
	f[2] = (struct sys_poll){ -1, POLLIN, 9 };
	assert_int_equal(CALL(sys_poll, u(f), 3, 0), 0);
	assert_int_equal(f[0].revents | f[1].revents | f[2].revents, 0);
	assert_int_equal(CALL(sys_poll, u(f), 3, 1000), 0);
	wr(fd[1], "x", 1);
	f[1].events = POLLOUT;
	assert_int_equal(CALL(sys_poll, u(f), 3, (uint64_t)SYS_FOREVER), 2);
	assert_int_equal(f[0].revents, POLLIN);
	assert_int_equal(f[1].revents, POLLOUT);
	cl(fd[1]);
	assert_int_equal(CALL(sys_poll, u(f), 3, (uint64_t)SYS_FOREVER), 2);
	assert_int_equal(f[0].revents, POLLIN | POLLHUP);
	assert_int_equal(f[1].revents, POLLNVAL);
	assert_int_equal(CALL(sys_poll, u(f), FD_MAX + 1, 0), -EINVAL);
	assert_int_equal(CALL(sys_poll, 8, 1, 0), -EFAULT);
	cl(fd[0]);
}

/* Files that count who looks at them.  1 and 2 have different hashes. */
static uint32_t looks[3], level[3];

static int
counted_poll(struct chan *c, struct poller *p)
{
	poll_on(p, c->aux2);
	__atomic_add_fetch(&looks[c->aux2], 1, __ATOMIC_SEQ_CST);
	return (int)__atomic_load_n(&level[c->aux2], __ATOMIC_SEQ_CST);
}

static const struct dev dev_counted = { .name = "counted", .poll = counted_poll };

static void *
one_poll(void *arg)
{
	struct sys_poll f = { *(int *)arg, POLLIN, 0 };

	assert_int_equal(CALL(sys_poll, u(&f), 1, (uint64_t)SYS_FOREVER), 1);
	return NULL;
}

static void
looked(unsigned thing, uint32_t n)
{
	while (__atomic_load_n(&looks[thing], __ATOMIC_SEQ_CST) < n)
		usleep(100);
}

/* Who waits looks again when its own file changes, and not for others'. */
static void
test_poll_own(void **state)
{
	pthread_t t[3];
	int fd[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct chan *c = chan_new(&dev_counted);
		unsigned thing = i == 0 ? 1 : i;

		c->aux2 = thing;
		looks[thing] = level[thing] = 0;
		fd[i] = fd_install(c, 0, false);
		assert_true(fd[i] >= 0);
	}
	assert_int_equal(pthread_create(&t[0], NULL, one_poll, &fd[0]), 0);
	looked(1, 2);			/* the second as one who waits */
	assert_int_equal(pthread_create(&t[1], NULL, one_poll, &fd[1]), 0);
	assert_int_equal(pthread_create(&t[2], NULL, one_poll, &fd[2]), 0);
	looked(1, 4);
	looked(2, 2);
	for (uint32_t i = 0; i < 100; i++) {
		poll_notify(2);
		looked(2, 3 + i);
	}
	usleep(20000);
	assert_int_equal(looks[1], 4);
	poll_notify(1);			/* both, for nothing */
	looked(1, 6);
	level[1] = POLLIN;
	poll_notify(1);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(looks[1], 8);
	assert_int_equal(looks[2], 102);
	level[2] = POLLIN;
	poll_notify(2);
	pthread_join(t[2], NULL);
	poll_notify(1);			/* nobody is left in the list */
	for (int i = 0; i < 3; i++)
		cl(fd[i]);
}

/* Two bounce a byte, each by polling: no change is missed. */
#define BOUNCES 20000

struct bouncer {
	int in, out;
};

static void *
bounce(void *arg)
{
	const struct bouncer *b = arg;
	char c;

	for (int i = 0; i < BOUNCES; i++) {
		struct sys_poll f = { b->in, POLLIN, 0 };

		assert_int_equal(CALL(sys_poll, u(&f), 1, (uint64_t)SYS_FOREVER), 1);
		assert_int_equal(rd(b->in, &c, 1), 1);
		assert_int_equal(wr(b->out, &c, 1), 1);
	}
	return NULL;
}

static void
test_poll_bounce(void **state)
{
	int fd[2];
	char c;

	(void)state;
	pipe_(fd, 0);
	struct bouncer b[2] = { { fd[0], fd[0] }, { fd[1], fd[1] } };
	pthread_t t[2];

	assert_int_equal(wr(fd[0], "x", 1), 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, bounce, &b[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(rd(fd[1], &c, 1), 1);
	cl(fd[0]);
	cl(fd[1]);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_poll), TEST(test_poll_own), TEST(test_poll_bounce),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
