/*
 * Asking all drivers at once, none of which is trusted to answer.
 *
 * A driver's sdctl is hidden by this server's, so who asks needs a name space in which the driver
 * alone is mounted at the place.  A process has one name space, and a thread that waits for a
 * server that hangs cannot be called back: so each question is a process with a copy of the name
 * space, which opens, reads or writes, sends what it got through a pipe, and ends.  Who has not
 * ended in time is killed.
 *
 * left_lock guards left[]: processes that were killed and had not ended when nobody had time any
 * more; they are waited for at the next question.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sdctl.h"

enum { FDS = 256, STEP_NS = 2000000 };

static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;
static int left[SDCTL_LEFT_MAX];
static unsigned nleft;

/* --- in the process that asks: os.h's functions only ----------------------------------------- */

struct question {
	const struct sdctl *c;
	const struct sdctl_member *m;
	const char *command;
	int out;
	char *buf; /* SDCTL_ANSWER */
};

static int64_t
read_all(int fd, char *buf)
{
	int64_t n, at = 0;

	while (at < SDCTL_ANSWER &&
	       (n = os_pread(fd, buf + at, (size_t)(SDCTL_ANSWER - at), at)) != 0) {
		if (n < 0)
			return n;
		at += n;
	}
	return at < SDCTL_ANSWER ? at : -E2BIG;
}

/* Bytes of the answer in q->buf, or an error. */
static int64_t
put_question(const struct question *q)
{
	char path[SIP_PATH_MAX];
	int64_t n;
	int fd, err;

	os_unmount(NULL, q->c->place); /* a mount that is in the union is not made once more */
	err = os_mount(q->m->service, q->c->place, OS_MREPL, "", (unsigned)q->c->wait_ms);
	if (err < 0)
		return err;
	snprintf(path, sizeof path, "%s/sdctl", q->c->place);
	fd = os_open(path, q->command ? O_WRONLY : O_RDONLY, 0);
	if (fd < 0)
		return fd;
	if (!q->command)
		return read_all(fd, q->buf);
	n = os_pwrite(fd, q->command, strlen(q->command), 0);
	return n < 0 ? n : 0;
}

/* First the error, then the answer or the error's text. */
static int
child(void *arg)
{
	const struct question *q = arg;
	int64_t n;
	int err;

	for (int fd = 0; fd < FDS; fd++) /* this server's end of its service above all */
		if (fd != q->out)
			os_close(fd);
	n = put_question(q);
	err = n < 0 ? (int)n : 0;
	if (err == -E2BIG)
		n = snprintf(q->buf, SDCTL_ANSWER, "too many disks");
	else if (n < 0)
		n = os_errstr(q->buf, OS_ERRSTR_MAX);
	if (n < 0)
		n = 0;
	os_pwrite(q->out, &err, sizeof err, -1);
	for (int64_t at = 0, w; at < n; at += w) {
		w = os_pwrite(q->out, q->buf + at, (size_t)(n - at), -1);
		if (w <= 0)
			return 1;
	}
	return 0;
}

/* --- in the server --------------------------------------------------------------------------- */

/* Waits for those that have ended; true: there is room for another. */
static bool
look_after_left(void)
{
	bool room;

	pthread_mutex_lock(&left_lock);
	for (unsigned i = 0; i < nleft;)
		if (waitpid(left[i], NULL, WNOHANG) != 0)
			left[i] = left[--nleft];
		else
			i++;
	room = nleft + SDCTL_MEMBERS <= SDCTL_LEFT_MAX;
	pthread_mutex_unlock(&left_lock);
	return room;
}

static void
fail(struct sdctl_member *m, int err, const char *why)
{
	m->err = err;
	m->length = 0;
	snprintf(m->why, sizeof m->why, "%s", why);
}

static void
start(const struct sdctl *c, struct sdctl_member *m, const char *command)
{
	struct question q = { .c = c, .m = m, .command = command, .buf = m->answer };
	int fd[2];

	m->fd = -1;
	m->pid = m->err = 0;
	m->got = m->length = 0;
	if (pipe2(fd, O_CLOEXEC) < 0) {
		fail(m, -errno, "no pipe");
		return;
	}
	q.out = fd[1];
	m->pid = os_fork_ns(child, &q);
	close(fd[1]);
	m->fd = fd[0];
	if (m->pid < 0) {
		fail(m, m->pid, "no process to ask it");
		m->pid = 0;
		close(fd[0]);
		m->fd = -1;
	}
}

/* What it sent is complete: the pipe has no writer any more. */
static void
take(struct sdctl_member *m)
{
	size_t n = m->got - sizeof m->err;

	close(m->fd);
	m->fd = -1;
	if (m->got < sizeof m->err) {
		fail(m, -EIO, "it was not asked to the end");
		return;
	}
	memcpy(&m->err, m->raw, sizeof m->err);
	if (m->err == 0) {
		m->length = n < sizeof m->answer ? n : sizeof m->answer - 1;
		memcpy(m->answer, m->raw + sizeof m->err, m->length);
		m->answer[m->length] = '\0';
	} else {
		snprintf(m->why, sizeof m->why, "%.*s", (int)n, m->raw + sizeof m->err);
		if (!m->why[0])
			snprintf(m->why, sizeof m->why, "%s", strerror(-m->err));
	}
}

static void
hear(struct sdctl_member *m)
{
	ssize_t n = read(m->fd, m->raw + m->got, sizeof m->raw - m->got);

	if (n > 0)
		m->got += (size_t)n;
	else if (n == 0 || errno != EINTR)
		take(m);
}

static void
hear_all(struct sdctl_member *m, unsigned n, uint64_t until)
{
	for (;;) {
		struct pollfd p[SDCTL_MEMBERS];
		struct sdctl_member *of[SDCTL_MEMBERS];
		uint64_t now = os_time_ns();
		unsigned k = 0;

		for (unsigned i = 0; i < n; i++)
			if (m[i].fd >= 0) {
				p[k] = (struct pollfd){ .fd = m[i].fd, .events = POLLIN };
				of[k++] = &m[i];
			}
		if (k == 0 || now >= until)
			return;
		if (poll(p, k, (int)((until - now) / 1000000) + 1) < 0 && errno != EINTR)
			return;
		for (unsigned i = 0; i < k; i++)
			if (p[i].revents)
				hear(of[i]);
	}
}

static void
end(struct sdctl_member *m, uint64_t until)
{
	while (waitpid(m->pid, NULL, WNOHANG) == 0) {
		if (os_time_ns() < until) {
			os_sleep_ns(STEP_NS);
			continue;
		}
		pthread_mutex_lock(&left_lock);
		if (nleft < SDCTL_LEFT_MAX)
			left[nleft++] = m->pid;
		pthread_mutex_unlock(&left_lock);
		return;
	}
}

void
sdctl_ask(const struct sdctl *c, struct sdctl_member *m, unsigned n, const char *command)
{
	uint64_t until = os_time_ns() + c->wait_ms * 1000000;
	bool room = look_after_left();
	char late[OS_ERRSTR_MAX];

	snprintf(late, sizeof late, "no answer in %llu ms", (unsigned long long)c->wait_ms);
	for (unsigned i = 0; i < n; i++) {
		m[i].fd = -1;
		m[i].pid = 0;
		if (room)
			start(c, &m[i], command);
		else
			fail(&m[i], -EAGAIN, "too many questions have no answer");
	}
	hear_all(m, n, until);
	for (unsigned i = 0; i < n; i++)
		if (m[i].fd >= 0) {
			kill(m[i].pid, SIGKILL);
			close(m[i].fd);
			m[i].fd = -1;
			fail(&m[i], -ETIMEDOUT, late);
		}
	until = os_time_ns() + SDCTL_END_MS * 1000000ull;
	for (unsigned i = 0; i < n; i++)
		if (m[i].pid > 0)
			end(&m[i], until);
}

static int64_t
read_ns(const char *path, char *text)
{
	int fd = os_open(path, O_RDONLY | O_CLOEXEC, 0);
	int64_t n = fd, at = 0;

	if (fd < 0)
		return fd;
	while (at < SDCTL_NS_MAX &&
	       (n = os_pread(fd, text + at, (size_t)(SDCTL_NS_MAX - at), at)) > 0)
		at += n;
	os_close(fd);
	return n < 0 ? n : at;
}

int
sdctl_find(const struct sdctl *c, struct sdctl_member **out)
{
	char *text = malloc(SDCTL_NS_MAX + 1);
	struct sdctl_member *m = calloc(SDCTL_MEMBERS, sizeof *m);
	int64_t n = text && m ? read_ns(c->ns, text) : -ENOMEM;

	if (n >= 0) {
		text[n] = '\0';
		n = sdctl_members(text, c->place, c->own, m, SDCTL_MEMBERS);
	}
	free(text);
	if (n < 0) {
		free(m);
		return (int)n;
	}
	*out = m;
	return (int)n;
}
