/*
 * The qtest connection against a QEMU that says whatever a test has written down, and liar.c.
 */
#include "liar.h"
#include "qtest.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct line {			/* what QEMU says to a command; NULL: it hangs up */
	const char *want, *say;
};

struct fake {
	int fd;
	const struct line *script;
	pthread_t thread;
	bool as_wanted;
};

struct told {
	unsigned lines[8];
	bool levels[8];
	_Atomic int n;
};

static void *
play(void *arg)
{
	struct fake *f = arg;
	char buf[256];

	f->as_wanted = true;
	for (const struct line *l = f->script; l->want; l++) {
		size_t n = 0;

		while (n < sizeof buf - 1 && (!n || buf[n - 1] != '\n') &&
		       read(f->fd, buf + n, 1) == 1)
			n++;
		buf[n] = 0;
		f->as_wanted &= strcmp(buf, l->want) == 0;
		if (!l->say)
			break;
		if (send(f->fd, l->say, strlen(l->say), MSG_NOSIGNAL) < 0)
			break;
	}
	shutdown(f->fd, SHUT_RDWR);
	return NULL;
}

static void
on_irq(void *arg, unsigned line, bool level)
{
	struct told *t = arg;

	if (t->n == 8)
		return;
	t->lines[t->n] = line;
	t->levels[t->n] = level;
	t->n++;
}

static struct qtest *
start(struct fake *f, const struct line *script, struct told *t)
{
	struct qtest *q;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	*f = (struct fake){ .fd = fds[1], .script = script };
	assert_int_equal(pthread_create(&f->thread, NULL, play, f), 0);
	assert_int_equal(qtest_open(&q, fds[0], on_irq, t), 0);
	return q;
}

static void
end(struct fake *f, struct qtest *q)
{
	pthread_join(f->thread, NULL);
	assert_true(f->as_wanted);
	qtest_close(q);
	close(f->fd);
}

static void
each_command(void **state)
{
	static const struct line script[] = {
		{ "inb 0x3f8\n", "OK 0x0041\n" },
		{ "outl 0xcf8 0x80000000\n", "OK\n" },
		{ "readq 0xfebf1000\n", "OK 0xfedcba9876543210\n" },
		{ "readw 0x10\n", "OK 0x1234\n" },
		{ "writeb 0x20 0xff\n", "OK\n" },
		{ "irq_intercept_in ioapic\n", "OK\n" },
		{ "inl 0x10\n", "FAIL no\n" },
		{ "inl 0x14\n", "OK 0x7\n" },
		{ 0 },
	};
	struct told t = { 0 };
	struct fake f;
	struct qtest *q = start(&f, script, &t);
	uint64_t v;

	(void)state;
	assert_int_equal(qtest_in(q, 0x3f8, 1, &v), 0);
	assert_int_equal(v, 0x41);
	assert_int_equal(qtest_out(q, 0xcf8, 4, 0x80000000u), 0);
	assert_int_equal(qtest_read(q, 0xfebf1000, 8, &v), 0);
	assert_true(v == 0xfedcba9876543210ull);
	assert_int_equal(qtest_read(q, 0x10, 2, &v), 0);
	assert_int_equal(v, 0x1234);
	assert_int_equal(qtest_write(q, 0x20, 1, 0xff), 0);
	assert_int_equal(qtest_intercept(q, "ioapic"), 0);
	assert_int_equal(qtest_in(q, 0x10, 4, &v), -EIO);
	assert_int_equal(qtest_in(q, 0x14, 4, &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(t.n, 0);
	end(&f, q);
}

/* Lines of interrupts come before the answer, and split anywhere. */
static void
interrupts_between(void **state)
{
	static const struct line script[] = {
		{ "inb 0x1\n", "IRQ raise 10\nIRQ lower 10\nIRQ raise 23\nOK 0x1\nIRQ lo" },
		{ "inb 0x2\n", "wer 23\nOK 0x2\n" },
		{ 0 },
	};
	static const unsigned lines[] = { 10, 10, 23, 23 };
	struct told t = { 0 };
	struct fake f;
	struct qtest *q = start(&f, script, &t);
	uint64_t v;

	(void)state;
	assert_int_equal(qtest_in(q, 1, 1, &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(t.n, 3);
	assert_int_equal(qtest_in(q, 2, 1, &v), 0);
	assert_int_equal(v, 2);
	assert_int_equal(t.n, 4);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(t.lines[i], lines[i]);
		assert_int_equal(t.levels[i], i % 2 == 0);
	}
	end(&f, q);
}

/* QEMU ends; or says what nobody has asked, or a line without an end. */
static void
bad_machines(void **state)
{
	static char endless[300];
	static const struct line dies[] = { { "inb 0x1\n", NULL }, { 0 } };
	static const struct line twice[] = { { "inb 0x1\n", "OK 0x1\nOK 0x2\n" },
		{ "inb 0x2\n", "OK 0x2\n" }, { 0 } };
	static const struct line flood[] = { { "inb 0x1\n", endless }, { 0 } };
	const struct line *scripts[] = { dies, twice, flood };

	(void)state;
	memset(endless, 'x', sizeof endless - 1);
	for (int i = 0; i < 3; i++) {
		struct told t = { 0 };
		struct fake f;
		struct qtest *q = start(&f, scripts[i], &t);
		uint64_t v = 0;
		int rc = qtest_in(q, 1, 1, &v);

		/* What nobody has asked may come before the next question, or be its answer. */
		if (i == 1) {
			assert_int_equal(rc, 0);
			assert_int_equal(v, 1);
			for (int n = 0; n < 3 && rc == 0; n++)
				rc = qtest_in(q, 2, 1, &v);
		}
		assert_int_equal(rc, -ENODEV);
		assert_int_equal(qtest_out(q, 1, 1, 0), -ENODEV);
		shutdown(f.fd, SHUT_RDWR);
		pthread_join(f.thread, NULL);
		qtest_close(q);
		close(f.fd);
	}
}

static void
lies(void **state)
{
	struct liar l = { .one_in = 4, .kinds = LIAR_REGISTERS }, again;
	uint8_t page[64] = { 0 }, was[64];
	unsigned n = 0, same = 0;

	(void)state;
	liar_seed(&l, 3);
	again = l;
	for (int i = 0; i < 1000; i++) {
		n += liar_now(&l, LIAR_REGISTERS);
		assert_false(liar_now(&l, LIAR_MEMORY));
		same += liar_register(&l, 0x55, 1) == 0x55;
		assert_in_range(liar_register(&l, 0x55aa, 2), 0, 0xffff);
	}
	assert_in_range(n, 200, 300);
	assert_int_equal(l.told[0], n);
	assert_in_range(same, 0, 200);
	for (unsigned i = 0; i < n; i++)	/* the same once more from the seed */
		liar_random(&again);
	liar_seed(&l, 3);
	for (unsigned i = 0; i < n; i++)
		liar_random(&l);
	assert_true(liar_random(&l) == liar_random(&again));
	page[20] = 7;
	memcpy(was, page, sizeof was);
	liar_memory(&l, page, sizeof page);
	was[20] = page[20];
	was[21] = page[21];
	was[22] = page[22];
	was[23] = page[23];
	assert_memory_equal(was, page, sizeof was);	/* it was the word that is not 0 */
	l.one_in = 0;
	assert_false(liar_now(&l, LIAR_REGISTERS));
	assert_int_equal(liar_kinds("registers"), LIAR_REGISTERS);
	assert_int_equal(liar_kinds("memory,interrupts"), LIAR_MEMORY | LIAR_INTERRUPTS);
	assert_int_equal(liar_kinds("mem"), -EINVAL);
	assert_int_equal(liar_kinds(""), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_command),
		cmocka_unit_test(interrupts_between),
		cmocka_unit_test(bad_machines),
		cmocka_unit_test(lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
