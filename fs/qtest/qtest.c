/*
 * The qtest connection: commands one at a time, and a thread that reads.
 *
 * `one` is held for a command and its answer; `lock` guards the answer between the two threads.
 * Once the stream has failed, or an answer did not come in time, everything gives -ENODEV: a later
 * line could not be told from the late one.
 */
#include "qtest.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 256 };

struct qtest {
	int fd;
	void (*irq)(void *arg, unsigned line, bool level);
	void *arg;
	pthread_t reader;
	pthread_mutex_t one;
	pthread_mutex_t lock;		/* all below */
	pthread_cond_t came;
	bool waiting, gone, refused;
	uint64_t value;
};

static void
answer(struct qtest *q, const char *text)
{
	pthread_mutex_lock(&q->lock);
	if (q->waiting) {
		q->refused = strncmp(text, "OK", 2) != 0;
		q->value = q->refused || !text[2] ? 0 : strtoull(text + 2, NULL, 0);
		q->waiting = false;
	} else {
		q->gone = true;		/* nobody has asked: the next answer would be a wrong one */
	}
	pthread_cond_signal(&q->came);
	pthread_mutex_unlock(&q->lock);
}

static void
one_line(struct qtest *q, const char *text)
{
	unsigned line;

	if (sscanf(text, "IRQ raise %u", &line) == 1)
		q->irq(q->arg, line, true);
	else if (sscanf(text, "IRQ lower %u", &line) == 1)
		q->irq(q->arg, line, false);
	else
		answer(q, text);
}

/* Whole lines of buf; what is left of it. */
static size_t
lines(struct qtest *q, char *buf, size_t n)
{
	char *at = buf, *end;

	while ((end = memchr(at, '\n', n - (size_t)(at - buf))) != NULL) {
		*end = 0;
		one_line(q, at);
		at = end + 1;
	}
	n -= (size_t)(at - buf);
	memmove(buf, at, n);
	return n;
}

static void *
reader(void *arg)
{
	struct qtest *q = arg;
	char buf[LINE_MAX_BYTES];
	size_t have = 0;

	while (have < sizeof buf) {
		ssize_t n = read(q->fd, buf + have, sizeof buf - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have = lines(q, buf, have + (size_t)n);
	}
	pthread_mutex_lock(&q->lock);
	q->gone = true;
	pthread_cond_signal(&q->came);
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

int
qtest_open(struct qtest **out, int fd, void (*irq)(void *arg, unsigned line, bool level),
	void *arg)
{
	struct qtest *q = calloc(1, sizeof *q);
	pthread_condattr_t attr;
	int err;

	if (!q) {
		close(fd);
		return -ENOMEM;
	}
	*q = (struct qtest){ .fd = fd, .irq = irq, .arg = arg };
	pthread_mutex_init(&q->one, NULL);
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->came, &attr);
	pthread_condattr_destroy(&attr);
	err = pthread_create(&q->reader, NULL, reader, q);
	if (err) {
		close(fd);
		free(q);
		return -err;
	}
	*out = q;
	return 0;
}

void
qtest_close(struct qtest *q)
{
	shutdown(q->fd, SHUT_RDWR);
	pthread_join(q->reader, NULL);
	close(q->fd);
	pthread_mutex_destroy(&q->one);
	pthread_mutex_destroy(&q->lock);
	pthread_cond_destroy(&q->came);
	free(q);
}

static int
wait_answer(struct qtest *q, uint64_t *value)
{
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += QTEST_TIMEOUT_MS / 1000;
	pthread_mutex_lock(&q->lock);
	while (q->waiting && !q->gone && err != ETIMEDOUT)
		err = pthread_cond_timedwait(&q->came, &q->lock, &until);
	if (q->waiting)
		q->gone = true;
	err = q->waiting ? -ENODEV : q->refused ? -EIO : 0;
	*value = q->value;
	pthread_mutex_unlock(&q->lock);
	return err;
}

static int
ask(struct qtest *q, uint64_t *value, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int
ask(struct qtest *q, uint64_t *value, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	bool gone;
	va_list ap;
	int n, err;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof text)
		return -EINVAL;
	pthread_mutex_lock(&q->one);
	pthread_mutex_lock(&q->lock);
	gone = q->gone;
	q->waiting = true;
	pthread_mutex_unlock(&q->lock);
	if (!gone && send(q->fd, text, (size_t)n, MSG_NOSIGNAL) == n)
		err = wait_answer(q, value);
	else
		err = -ENODEV;
	pthread_mutex_unlock(&q->one);
	return err;
}

static char
letter(unsigned width)
{
	return width == 1 ? 'b' : width == 2 ? 'w' : width == 4 ? 'l' : 'q';
}

int
qtest_in(struct qtest *q, unsigned port, unsigned width, uint64_t *value)
{
	return ask(q, value, "in%c 0x%x\n", letter(width), port);
}

int
qtest_out(struct qtest *q, unsigned port, unsigned width, uint64_t value)
{
	uint64_t none;

	return ask(q, &none, "out%c 0x%x 0x%llx\n", letter(width), port,
		(unsigned long long)value);
}

int
qtest_read(struct qtest *q, uint64_t addr, unsigned width, uint64_t *value)
{
	return ask(q, value, "read%c 0x%llx\n", letter(width), (unsigned long long)addr);
}

int
qtest_write(struct qtest *q, uint64_t addr, unsigned width, uint64_t value)
{
	uint64_t none;

	return ask(q, &none, "write%c 0x%llx 0x%llx\n", letter(width), (unsigned long long)addr,
		(unsigned long long)value);
}

int
qtest_intercept(struct qtest *q, const char *device)
{
	uint64_t none;

	return ask(q, &none, "irq_intercept_in %s\n", device);
}
