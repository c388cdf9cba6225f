/*
 * The console: output to whatever shows it, and the line discipline for what is typed.  cons(3)
 *
 * Typed characters gather in a line that can be edited; a whole line becomes readable.  In raw mode
 * each becomes readable at once, without echo.  Raw and no-echo modes belong to the open consctl
 * that asked for them (chan.aux2) and end with it.  An interrupt (^C) becomes a note to the
 * foreground process group.  `tty.lock` (class "cons") guards the state; output is made without
 * it.
 */
#include "cons.h"

#include "amd64/uart.h"
#include "poll.h"
#include "proc.h"

#define READY_MAX	4096	/* a power of two */
#define LINE_MAX	1024
#define END_OF_FILE	256	/* in the ready ring */

enum { HOLD_RAW = 1, HOLD_NOECHO = 2 };

static struct {
	struct spinlock lock;
	struct waitq readers;
	uint32_t in, out;		/* counts of the ready ring */
	uint16_t ready[READY_MAX];
	char line[LINE_MAX];
	uint32_t nline;
	int raw, noecho;		/* how many hold the mode */
	int pgrp;			/* 0: nobody */
	unsigned rows, columns;
} tty = {
	.lock = SPINLOCK("cons"), .readers = { LIST_INIT(tty.readers.waiters) },
	.rows = 24, .columns = 80,
};

static void
show(const char *s, size_t n)
{
	uart_write(s, n);
	vga_write(s, n);
}

/* A newline is preceded by a carriage return. */
void
cons_write(const char *s, size_t n)
{
	size_t start = 0;

	for (size_t i = 0; i < n; i++)
		if (s[i] == '\n') {
			show(s + start, i - start);
			show("\r\n", 2);
			start = i + 1;
		}
	if (n > start)
		show(s + start, n - start);
}

/* Called with the lock held. */
static void
make_ready(unsigned c)
{
	if (tty.in - tty.out < READY_MAX)
		tty.ready[tty.in++ % READY_MAX] = (uint16_t)c;
}

static void
line_ready(void)
{
	for (uint32_t i = 0; i < tty.nline; i++)
		make_ready((uint8_t)tty.line[i]);
	tty.nline = 0;
}

/* Takes the last character of the line, which may be several bytes of UTF-8; false if none. */
static bool
erase(void)
{
	if (tty.nline == 0)
		return false;
	while (--tty.nline > 0 && ((uint8_t)tty.line[tty.nline] & 0xc0) == 0x80)
		;
	return true;
}

static int
interrupt(struct proc *p, void *arg)
{
	if (p->pgrp == *(int *)arg)
		proc_note(p, 0, "interrupt");
	return 0;
}

/* What a key did: how many characters to rub out, what to show, whom to interrupt. */
struct effect {
	uint32_t rubs;
	char echo[4];
	int interrupt;
	bool wake;
};

static void
ordinary(char c, struct effect *e)
{
	if (tty.nline == LINE_MAX - 1) {
		e->echo[0] = '\a';
		return;
	}
	tty.line[tty.nline++] = c;
	if ((uint8_t)c >= ' ' || c == '\t') {
		e->echo[0] = c;
	} else {
		e->echo[0] = '^';
		e->echo[1] = (char)(c + '@');
	}
}

static void
cooked(char c, struct effect *e)
{
	switch (c) {
	case '\r':
	case '\n':
		tty.line[tty.nline++] = '\n';
		line_ready();
		e->echo[0] = '\n';
		e->wake = true;
		break;
	case '\b':
	case 0x7f:
		e->rubs = erase();
		break;
	case 'U' & 31:
		while (erase())
			e->rubs++;
		break;
	case 'W' & 31:
		while (tty.nline > 0 && tty.line[tty.nline - 1] == ' ' && erase())
			e->rubs++;
		while (tty.nline > 0 && tty.line[tty.nline - 1] != ' ' && erase())
			e->rubs++;
		break;
	case 'D' & 31:
		line_ready();
		make_ready(END_OF_FILE);
		e->wake = true;
		break;
	case 'C' & 31:
		tty.nline = 0;
		e->interrupt = tty.pgrp;
		memcpy(e->echo, "^C\n", 4);
		break;
	default:
		ordinary(c, e);
	}
}

void
cons_input(char c)
{
	struct effect e = { 0 };
	bool echo;

	spin_lock(&tty.lock);
	echo = tty.raw == 0 && tty.noecho == 0;
	if (tty.raw > 0) {
		make_ready((uint8_t)c);
		e.wake = true;
	} else {
		cooked(c, &e);
	}
	if (e.wake)
		wake_all(&tty.readers);
	spin_unlock(&tty.lock);
	if (e.wake)
		poll_notify((uint64_t)&tty);
	for (uint32_t i = 0; echo && i < e.rubs; i++)
		show("\b \b", 3);
	if (e.echo[0] && (echo || e.echo[0] == '\n'))
		cons_write(e.echo, strnlen(e.echo, sizeof(e.echo)));
	if (e.interrupt > 0)
		proc_each(interrupt, &e.interrupt);
}

/* Called with the lock held: takes up to n bytes; *end says that a line's end was reached. */
static size_t
take(char *buf, size_t n, bool *end)
{
	size_t k = 0;

	while (k < n && !*end && tty.in != tty.out) {
		unsigned c = tty.ready[tty.out++ % READY_MAX];

		if (c != END_OF_FILE)
			buf[k++] = (char)c;
		*end = c == END_OF_FILE || (c == '\n' && tty.raw == 0);
	}
	return k;
}

int64_t
cons_read(struct chan *c, struct uio *u)
{
	size_t done = 0;
	bool end = false;
	char buf[256];

	while (u->left > 0 && !end) {
		size_t n;
		int err = 0;

		spin_lock(&tty.lock);
		while (tty.in == tty.out && done == 0 && err == 0)
			err = c->flags & SYS_O_NONBLOCK
				? -EAGAIN : wait_on(&tty.readers, &tty.lock, FOREVER);
		n = err ? 0 : take(buf, MIN(sizeof(buf), u->left), &end);
		spin_unlock(&tty.lock);
		if (err)
			return err;
		if (uio_put(u, buf, n) < 0)
			return -EFAULT;
		done += n;
		if (n == 0)
			break;
	}
	return (int64_t)done;
}

int
cons_poll(struct poller *p)
{
	int ready;

	poll_on(p, (uint64_t)&tty);
	spin_lock(&tty.lock);
	ready = POLLOUT | (tty.in != tty.out ? POLLIN : 0);
	spin_unlock(&tty.lock);
	return ready;
}

void
consctl_text(struct text *t)
{
	text_add(t, "raw %d\necho %d\npgrp %d\nrows %u\ncolumns %u\n", tty.raw > 0,
		 tty.raw == 0 && tty.noecho == 0, tty.pgrp, tty.rows, tty.columns);
}

/* Takes or leaves a mode for c. */
static void
hold(struct chan *c, unsigned mode, bool on)
{
	int *count = mode == HOLD_RAW ? &tty.raw : &tty.noecho;

	spin_lock(&tty.lock);
	*count += on - ((c->aux2 & mode) != 0);
	c->aux2 = on ? c->aux2 | mode : c->aux2 & ~(uint64_t)mode;
	if (tty.raw > 0)
		line_ready();
	if (tty.in != tty.out)
		wake_all(&tty.readers);
	spin_unlock(&tty.lock);
}

void
consctl_close(struct chan *c)
{
	hold(c, HOLD_RAW, false);
	hold(c, HOLD_NOECHO, false);
}

int
consctl_command(struct chan *c, char *text)
{
	static const struct {
		const char *word;
		unsigned mode;
		bool on;
	} modes[] = {
		{ "rawon", HOLD_RAW, true }, { "rawoff", HOLD_RAW, false },
		{ "echooff", HOLD_NOECHO, true }, { "echoon", HOLD_NOECHO, false },
	};
	uint64_t a = 0, b = 0;
	char *w[3];
	int n = text_words(text, w, 3);

	for (size_t i = 0; n == 1 && i < ARRAY_LEN(modes); i++)
		if (strcmp(w[0], modes[i].word) == 0) {
			hold(c, modes[i].mode, modes[i].on);
			return 0;
		}
	if (n == 2 && strcmp(w[0], "pgrp") == 0 && text_number(w[1], INT32_MAX, &a) == 0) {
		__atomic_store_n(&tty.pgrp, (int)a, __ATOMIC_RELAXED);
		return 0;
	}
	if (n != 3 || strcmp(w[0], "size") != 0 || text_number(w[1], 9999, &a) < 0 ||
	    text_number(w[2], 9999, &b) < 0 || a == 0 || b == 0)
		return error(EINVAL, "consctl: want rawon rawoff echoon echooff, pgrp N, size R C");
	tty.rows = (unsigned)a;
	tty.columns = (unsigned)b;
	return 0;
}
