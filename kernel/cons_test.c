/*
 * The console's line discipline: what is typed, what is read, what is shown.
 */
#include "testing/services.h"

#include "amd64/uart.h"
#include "dev/cons.h"
#include "poll.h"

static char shown[4096];
static size_t nshown;
static int notes;
static bool deaf;

int
proc_each(int (*f)(struct proc *, void *), void *arg)
{
	int r = f(&test_proc, arg);

	if (test_note[0]) {
		notes++;
		test_note[0] = '\0';
	}
	return r;
}

void
poll_notify(uint64_t thing)
{
	(void)thing;
}

void
poll_on(struct poller *p, uint64_t thing)
{
	(void)p;
	(void)thing;
}

void
uart_write(const char *s, size_t n)
{
	if (deaf)
		return;
	assert_true(nshown + n < sizeof(shown));
	memcpy(shown + nshown, s, n);
	nshown += n;
	shown[nshown] = '\0';
}

void
vga_write(const char *s, size_t n)
{
	(void)s;
	(void)n;
}

static void
type(const char *s)
{
	nshown = 0;
	shown[0] = '\0';
	while (*s)
		cons_input(*s++);
}

static struct chan tty_chan = { .flags = SYS_O_NONBLOCK };
static struct chan ctl;
static char got[5000];

static int64_t
get(size_t n)
{
	struct uio u = { got, n, false };
	int64_t r = cons_read(&tty_chan, &u);

	got[r > 0 ? r : 0] = '\0';
	return r;
}

static int
ctl_write(const char *text)
{
	char buf[100];

	strcpy(buf, text);
	return consctl_command(&ctl, buf);
}

static int
setup(void **state)
{
	(void)state;
	test_allocations = -1;
	consctl_close(&ctl);
	while (get(100) != -EAGAIN)
		;
	notes = 0;
	return 0;
}

static void
test_line(void **state)
{
	(void)state;
	type("ab");
	assert_int_equal(get(10), -EAGAIN);
	assert_int_equal(cons_poll(NULL), POLLOUT);
	type("c\r");
	assert_string_equal(shown, "c\r\n");
	assert_int_equal(cons_poll(NULL), POLLIN | POLLOUT);
	type("next\n");
	assert_int_equal(get(3), 3);
	assert_string_equal(got, "abc");
	assert_int_equal(get(100), 1);
	assert_int_equal(get(100), 5);
	assert_string_equal(got, "next\n");
	assert_int_equal(get(0), 0);
}

static void
test_editing(void **state)
{
	(void)state;
	type("\b\x7f" "ab\bc\n");
	assert_string_equal(shown, "ab\b \bc\r\n");
	assert_int_equal(get(100), 3);
	assert_string_equal(got, "ac\n");
	type("foo bar  \x17x\n");
	assert_int_equal(get(100), 6);
	assert_string_equal(got, "foo x\n");
	type("lost\x15kept\n");
	assert_int_equal(get(100), 5);
	assert_string_equal(got, "kept\n");
	type("a\xc3\xa4\b\n");
	assert_string_equal(shown, "a\xc3\xa4\b \b\r\n");
	assert_int_equal(get(100), 2);
	type("\x01\n");
	assert_string_equal(shown, "^A\r\n");
	assert_int_equal(get(100), 2);
}

static void
test_end_of_file(void **state)
{
	(void)state;
	type("\x04");
	assert_int_equal(get(100), 0);
	assert_int_equal(get(100), -EAGAIN);
	type("part\x04");
	assert_int_equal(get(100), 4);
	assert_int_equal(get(100), -EAGAIN);
}

static void
test_interrupt(void **state)
{
	(void)state;
	type("gone\x03");
	assert_string_equal(shown, "gone^C\r\n");
	assert_int_equal(notes, 0);
	assert_int_equal(ctl_write("pgrp 7"), 0);
	type("\x03");
	assert_int_equal(notes, 1);
	assert_int_equal(ctl_write("pgrp 8"), 0);
	type("\x03kept\n");
	assert_int_equal(notes, 1);
	assert_int_equal(get(100), 5);
	assert_int_equal(ctl_write("pgrp 0"), 0);
}

static void
test_modes(void **state)
{
	char text[200];
	struct text t = { text, sizeof(text), 0 };

	(void)state;
	type("be");
	assert_int_equal(ctl_write("rawon"), 0);
	assert_int_equal(ctl_write("rawon"), 0);
	type("\x03\x04\r\b");
	assert_string_equal(shown, "");
	assert_int_equal(get(100), 6);
	assert_string_equal(got, "be\x03\x04\r\b");
	assert_int_equal(ctl_write("rawoff"), 0);
	assert_int_equal(ctl_write("echooff"), 0);
	type("secret\n");
	assert_string_equal(shown, "\r\n");
	assert_int_equal(get(100), 7);
	consctl_close(&ctl);
	type("x\n");
	assert_string_equal(shown, "x\r\n");
	get(100);
	assert_int_equal(ctl_write("size 50 132"), 0);
	consctl_text(&t);
	assert_string_equal(text, "raw 0\necho 1\npgrp 0\nrows 50\ncolumns 132\n");
	assert_int_equal(ctl_write("size 0 80"), -EINVAL);
	assert_int_equal(ctl_write("size 5"), -EINVAL);
	assert_int_equal(ctl_write("pgrp x"), -EINVAL);
	assert_int_equal(ctl_write("rawon now"), -EINVAL);
	assert_int_equal(ctl_write(""), -EINVAL);
}

/* More than fits: lines are lost, not memory. */
static void
test_flood(void **state)
{
	size_t total = 0;
	int64_t n;

	(void)state;
	deaf = true;
	for (int i = 0; i < 3000; i++)
		cons_input('l');
	cons_input('\n');
	assert_int_equal(get(5000), 1024);
	for (int k = 0; k < 500; k++)
		type("0123456789\n");
	while ((n = get(100)) > 0)
		total += (size_t)n;
	assert_int_equal(total, 4096);
	deaf = false;
	type("again\n");
	assert_int_equal(get(100), 6);
}

static void
test_output(void **state)
{
	char text[] = "a\n\nb";
	struct uio u = { text, 4, false }, bad = { (char *)8, 4, true };

	(void)state;
	nshown = 0;
	assert_int_equal(uio_get_all(&u, cons_write), 4);
	assert_string_equal(shown, "a\r\n\r\nb");
	assert_int_equal(uio_get_all(&bad, cons_write), -EFAULT);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		TEST(test_line), TEST(test_editing), TEST(test_end_of_file), TEST(test_interrupt),
		TEST(test_modes), TEST(test_flood), TEST(test_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
