/*
 * The client's connection: version, tags, and many calls in flight.
 *
 * There is no thread here.  A caller that waits for its answer reads the stream when nobody else
 * does, gives each answer to the call it belongs to, and when its own has come passes the reading
 * on to another that waits.  c->lock guards all but the stream; c->write_lock the writing.
 */
#include <errno.h>
#include <os.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "client.h"

static _Thread_local struct p9c_cancel *cancel_token;
static _Thread_local bool interruptible;

static bool
write_all(struct p9_client *c, struct iovec *iov, int niov)
{
	while (niov) {
		struct msghdr mh = { .msg_iov = iov, .msg_iovlen = (size_t)niov };
		ssize_t n = sendmsg(c->fd, &mh, MSG_NOSIGNAL);

		if (n < 0 && errno == ENOTSOCK)
			n = writev(c->fd, iov, niov);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		while (niov && (size_t)n >= iov->iov_len) {
			n -= (ssize_t)iov->iov_len;
			iov++;
			niov--;
		}
		if (niov) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return true;
}

/* -EINTR, if the caller may be interrupted, only while nothing has been read. */
static int
read_all(struct p9_client *c, uint8_t *buf, size_t n, bool may_end)
{
	struct pollfd pfd = { .fd = c->fd, .events = POLLIN };

	while (n) {
		int ready = c->timeout_ms ? poll(&pfd, 1, c->timeout_ms) : 1;
		ssize_t k;

		if (ready == 0)
			return -ETIMEDOUT;
		k = ready < 0 ? -1 : read(c->fd, buf, n);
		if (k < 0 && errno == EINTR && !may_end)
			continue;
		if (k < 0)
			return -errno;
		if (k == 0)
			return -ECONNRESET;
		may_end = false;
		buf += k;
		n -= (size_t)k;
	}
	return 0;
}

/* One whole message, allocated; or a negative errno. */
static int
read_message(struct p9_client *c, uint8_t **out, size_t *size, bool may_end)
{
	uint8_t head[P9_HEADER];
	struct p9_cur cur = { head, head + sizeof head, false };
	int rc = read_all(c, head, sizeof head, may_end);

	if (rc)
		return rc;
	*size = p9_get(&cur, 4);
	if (*size < P9_HEADER || *size > c->msize)
		return -EPROTO;
	*out = malloc(*size);
	if (!*out)
		return -ENOMEM;
	memcpy(*out, head, sizeof head);
	rc = read_all(c, *out + sizeof head, *size - sizeof head, false);
	if (rc)
		free(*out);
	return rc;
}

static void
fail_all(struct p9_client *c, int error)
{
	if (!c->error)
		c->error = error;
	for (unsigned i = 0; i < P9C_TAGS; i++)
		if (c->calls[i])
			sem_post(&c->calls[i]->woken);
	pthread_cond_broadcast(&c->tag_free);
}

/* Reads one answer; c->lock is held but while reading.  True: a signal came before one. */
static bool
read_one(struct p9_client *c, bool may_end)
{
	uint8_t *buf = NULL;
	struct p9c_call *call;
	size_t size = 0;
	unsigned tag;
	int rc;

	c->reading = true;
	pthread_mutex_unlock(&c->lock);
	rc = read_message(c, &buf, &size, may_end);
	pthread_mutex_lock(&c->lock);
	c->reading = false;
	if (rc) {
		if (rc != -EINTR)
			fail_all(c, rc);
		return rc == -EINTR;
	}
	tag = (unsigned)(buf[5] | buf[6] << 8);
	if (tag == P9_NOTAG)
		tag = 0;		/* Rversion: the only call there is */
	call = tag < P9C_TAGS ? c->calls[tag] : NULL;
	if (c->error || !call || call->buf) {
		free(buf);
		fail_all(c, -EPROTO);
		return false;
	}
	call->buf = buf;
	call->size = size;
	sem_post(&call->woken);
	if (call->flush_of) {		/* which stays until this, or until an error */
		call->flush_of->flushed = true;
		sem_post(&call->flush_of->woken);
	}
	return false;
}

/* Until it is woken, with c->lock given up; true: a signal came. */
static bool
sleep_call(struct p9_client *c, struct p9c_call *call)
{
	bool signalled;

	pthread_mutex_unlock(&c->lock);
	signalled = sem_wait(&call->woken) < 0 && errno == EINTR;
	pthread_mutex_lock(&c->lock);
	return signalled;
}

/* A tag for the call; -errno if the connection has failed. */
static int
enter(struct p9_client *c, struct p9c_call *call)
{
	unsigned tag;

	for (;;) {
		for (tag = 0; tag < P9C_TAGS && c->calls[tag]; tag++)
			;
		if (c->error)
			return c->error;
		if (tag < P9C_TAGS)
			break;
		pthread_cond_wait(&c->tag_free, &c->lock);
	}
	sem_init(&call->woken, 0, 0);
	c->calls[tag] = call;
	call->tag = (uint16_t)tag;
	return 0;
}

/* Wakes one that waits for an answer, to read. */
static void
pass_on(struct p9_client *c)
{
	if (c->reading)
		return;
	for (unsigned i = 0; i < P9C_TAGS; i++) {
		if (c->calls[i] && !c->calls[i]->buf) {
			sem_post(&c->calls[i]->woken);
			return;
		}
	}
}

static void
leave(struct p9_client *c, struct p9c_call *call)
{
	c->calls[call->tag] = NULL;
	pthread_cond_signal(&c->tag_free);
	sem_destroy(&call->woken);
	pass_on(c);
}

static int
send_call(struct p9_client *c, struct p9_msg *t, uint16_t tag)
{
	uint8_t small[4096], *head = small;
	struct iovec iov[2];
	int n, rc = 0;

	t->tag = t->type == P9_TVERSION ? P9_NOTAG : tag;
	n = p9_pack_head(head, sizeof small, c->dialect, t);
	if (n == -EMSGSIZE && (head = malloc(c->msize)))
		n = p9_pack_head(head, c->msize, c->dialect, t);
	if (!head)
		return -ENOMEM;
	iov[0] = (struct iovec){ head, n < 0 ? 0 : (size_t)n };
	iov[1] = (struct iovec){ (void *)t->data, t->type == P9_TWRITE ? t->count : 0 };
	if (n < 0)
		rc = n;
	else if (iov[0].iov_len + iov[1].iov_len > c->msize)
		rc = -EMSGSIZE;
	if (rc == 0) {
		pthread_mutex_lock(&c->write_lock);
		rc = write_all(c, iov, iov[1].iov_len ? 2 : 1) ? 0 : -EPIPE;
		pthread_mutex_unlock(&c->write_lock);
		if (rc) {
			pthread_mutex_lock(&c->lock);
			fail_all(c, rc);
			pthread_mutex_unlock(&c->lock);
		}
	}
	if (head != small)
		free(head);
	return rc;
}

/* Plain 9P2000 tells an error as a text only. */
static int
errno_of(struct p9_str text)
{
	static const struct { const char *text; int error; } known[] = {
		{ "file does not exist", ENOENT }, { "file not found", ENOENT },
		{ "permission denied", EACCES }, { "file already exists", EEXIST },
		{ "not a directory", ENOTDIR }, { "interrupted", EINTR },
		{ "unknown fid", EBADF },
	};
	char own[P9_ERRMAX];

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (p9_str_eq(text, known[i].text))
			return known[i].error;
	if (text.n >= sizeof own)
		return EIO;
	memcpy(own, text.s, text.n);
	own[text.n] = 0;
	for (int e = 1; e < 134; e++)
		if (strcmp(own, strerror(e)) == 0)
			return e;
	return EIO;
}

static int
judge(struct p9_client *c, struct p9c_call *call, const struct p9_msg *t, struct p9_msg *r)
{
	int rc = p9_unpack(call->buf, call->size, c->dialect, r);

	if (rc)
		return rc;
	if (r->type == IPC_RLERROR) {
		rc = r->error >= 1 && r->error < 4096 ? (int)r->error : EIO;
		os_set_errstr("%s", strerror(rc));
		return -rc;
	}
	if (r->type == P9_RERROR) {
		os_set_errstr("%.*s", r->ename.n, r->ename.s);
		return -errno_of(r->ename);
	}
	return r->type == t->type + 1 ? 0 : -EPROTO;
}

static int
begin(struct p9_client *c, struct p9c_call *call, struct p9c_cancel *token)
{
	int rc = token && token->wanted ? -EINTR : enter(c, call);

	if (token && rc)
		token->wanted = false;
	return rc;
}

static int rpc(struct p9_client *, struct p9_msg *, struct p9_msg *, struct p9c_call *,
	struct p9c_cancel *);

/* Flushes a call that is marked as `flushing`, which keeps its tag in use; c->lock is not held. */
static void
flush(struct p9_client *c, struct p9c_call *call, unsigned tag)
{
	struct p9_msg t = { .type = P9_TFLUSH, .oldtag = (uint16_t)tag }, r;
	struct p9c_call own = { .flush_of = call };

	rpc(c, &t, &r, &own, NULL);
	free(own.buf);
}

/* The call, which has been sent, is over for its own thread: a signal came. */
static void
interrupted(struct p9_client *c, struct p9c_call *call)
{
	if (call->flushing)
		return;
	call->flushing = true;
	pthread_mutex_unlock(&c->lock);
	flush(c, call, call->tag);
	pthread_mutex_lock(&c->lock);
}

static int
wait_call(struct p9_client *c, struct p9c_call *call, bool may_end)
{
	while (!call->buf && !call->flushed && !c->error) {
		bool signalled = c->reading ? sleep_call(c, call) : read_one(c, may_end);

		if (signalled && may_end)
			interrupted(c, call);
	}
	if (call->buf)
		return 0;
	return call->flushed ? -EINTR : c->error;
}

/* The call has been sent, so that it can be flushed: now by the token, or here if the token was
 * faster than the sending. */
static void
sent(struct p9_client *c, struct p9c_call *call, struct p9c_cancel *token)
{
	if (!token->wanted) {
		token->call = call;
		return;
	}
	pthread_mutex_unlock(&c->lock);
	flush(c, call, call->tag);
	pthread_mutex_lock(&c->lock);
}

/* The answer, if there is one, is in call->buf; the caller frees it. */
static int
rpc(struct p9_client *c, struct p9_msg *t, struct p9_msg *r, struct p9c_call *call,
	struct p9c_cancel *token)
{
	int rc;

	pthread_mutex_lock(&c->lock);
	rc = begin(c, call, token);
	pthread_mutex_unlock(&c->lock);
	if (rc)
		return rc;
	rc = send_call(c, t, call->tag);
	pthread_mutex_lock(&c->lock);
	if (rc == 0 && token)
		sent(c, call, token);
	if (rc == 0)
		rc = wait_call(c, call, interruptible && !call->flush_of);
	while (call->flushing && !call->flushed && !c->error) {
		pass_on(c);		/* the tag is in use until the flush is answered */
		sleep_call(c, call);
	}
	if (token) {
		token->call = NULL;
		token->wanted = false;
	}
	leave(c, call);
	pthread_mutex_unlock(&c->lock);
	return rc ? rc : judge(c, call, t, r);
}

int
p9c_rpc(struct p9_client *c, struct p9_msg *t, struct p9_msg *r, void **keep)
{
	struct p9c_cancel *token = cancel_token;
	struct p9c_call call = { 0 };
	int rc = rpc(c, t, r, &call, token && token->client == c ? token : NULL);

	*keep = call.buf;
	return rc;
}

int
p9c_simple(struct p9_client *c, struct p9_msg *t, struct p9_msg *r)
{
	void *keep;
	int rc = p9c_rpc(c, t, r, &keep);

	free(keep);
	return rc;
}

void
p9c_cancellable(struct p9_client *c, struct p9c_cancel *token)
{
	cancel_token = token;
	if (token)
		*token = (struct p9c_cancel){ .client = c };
}

void
p9c_interruptible(bool on)
{
	interruptible = on;
}

void
p9c_cancel(struct p9c_cancel *token)
{
	struct p9_client *c = token->client;
	struct p9c_call *call;
	unsigned tag = 0;

	pthread_mutex_lock(&c->lock);
	call = token->call;
	token->wanted = true;
	if (call && !call->flushing) {
		call->flushing = true;
		tag = call->tag;
	} else {
		call = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	if (!call)
		return;
	flush(c, call, tag);
}

static int
agree(struct p9_client *c, enum p9_dialect want)
{
	struct p9_msg t = { .type = P9_TVERSION, .msize = c->msize }, r;
	void *keep;
	int rc;

	t.version = p9_str(want == P9_2000L ? "9P2000.L" : "9P2000");
	rc = p9c_rpc(c, &t, &r, &keep);
	if (rc == 0 && (r.msize > c->msize || r.msize < 256))
		rc = -EPROTO;
	if (rc == 0) {
		c->msize = r.msize;
		if (want == P9_2000L && p9_str_eq(r.version, "9P2000.L"))
			c->dialect = P9_2000L;
		else if (!p9_str_eq(r.version, "9P2000"))
			rc = -EPROTONOSUPPORT;
	}
	free(keep);
	return rc;
}

int
p9c_open(struct p9_client **out, int fd, enum p9_dialect dialect, uint32_t msize,
	int timeout_ms)
{
	struct p9_client *c = calloc(1, sizeof *c);
	int rc;

	rc = !c ? -ENOMEM : msize && (msize < P9_MSIZE_MIN || msize > P9_MSIZE_MAX) ? -EINVAL : 0;
	if (rc) {
		free(c);
		close(fd);
		return rc;
	}
	c->fd = fd;
	c->msize = msize ? msize : 128 * 1024 + P9_IOHDR;
	c->timeout_ms = timeout_ms;
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->write_lock, NULL);
	pthread_cond_init(&c->tag_free, NULL);
	rc = agree(c, dialect);
	if (rc)
		p9c_close(c);
	else
		*out = c;
	return rc;
}

void
p9c_close(struct p9_client *c)
{
	close(c->fd);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->write_lock);
	pthread_cond_destroy(&c->tag_free);
	free(c->free_fids);
	free(c);
}

enum p9_dialect
p9c_dialect(const struct p9_client *c)
{
	return c->dialect;
}
