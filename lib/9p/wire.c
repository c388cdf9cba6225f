/*
 * The server's side of 9P on a byte stream: one connection.
 *
 * Its threads take turns at reading: the one that has read a request carries it out, and another,
 * which is started when none is idle, reads on.  At most state->nthreads carry out requests; the
 * one thread more only reads, queues what comes, and answers flushes, so that a request that
 * blocks never stands in the way of its own flush.
 *
 * A reply is written by the thread that answers.  Under write_lock the request also leaves the
 * table of tags: so a flush either finds it there and waits for it, or is answered after it.
 *
 * Clients are hostile: a size out of bounds ends the connection; anything else gets an error.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>
#include "srv.h"
#include "table.h"

#define AHEAD 8192		/* bytes read at once, when a message begins */
#define HEAD_MAX 512		/* bytes of a reply without its bulk */

/* --- replies ------------------------------------------------------------------------------ */

static void
msg_of_attr(struct p9_msg *m, const struct p9_req *r)
{
	memset(&m->attr, 0, sizeof m->attr);
	if (r->out.length >= sizeof m->attr)
		memcpy(&m->attr, r->out.data, sizeof m->attr);
	m->gen = m->data_version = 0;
}

static void
msg_of_lock(struct p9_msg *m, const struct p9_req *r)
{
	memset(&m->lock, 0, sizeof m->lock);
	if (r->out.length >= sizeof m->lock)
		memcpy(&m->lock, r->out.data, sizeof m->lock);
	m->client = p9_str(((const struct ipc_lock *)r->out.data)->client);
	m->client.n = (uint16_t)strnlen(m->client.s, sizeof m->lock.client - 1);
}

/* The reply in r->out as a message; what is at r->out.data goes by reference. */
static void
make_reply(const struct p9_req *r, struct p9_msg *m)
{
	const struct ipc_qid *qids = r->out.data;

	m->type = (uint8_t)(r->wire_type + 1);
	m->tag = (uint16_t)r->in.tag;
	m->qid = r->out.qid;
	m->iounit = m->count = r->out.count;
	m->status = (uint8_t)r->out.count;
	m->size = r->out.offset;
	switch (m->type) {
	case P9_RREAD:
	case IPC_TREADDIR + 1:
		m->data = r->out.data;
		m->count = (uint32_t)r->out.length;
		break;
	case P9_RWALK:
		m->nwqid = (uint16_t)r->out.count;
		for (unsigned i = 0; i < m->nwqid; i++)
			m->wqid[i] = qids[i];
		break;
	case IPC_TGETATTR + 1:
		msg_of_attr(m, r);
		break;
	case IPC_TSTATFS + 1:
		memcpy(&m->statfs, r->out.data, sizeof m->statfs);
		break;
	case IPC_TGETLOCK + 1:
		msg_of_lock(m, r);
		break;
	case IPC_TREADLINK + 1:
		m->name2 = (struct p9_str){ r->out.data, (uint16_t)r->out.length };
		break;
	case P9_RSTAT:
		m->stat = (struct p9_str){ r->out.data, (uint16_t)r->out.length };
		break;
	default:
		break;
	}
}

static void
make_error(const struct p9_req *r, struct p9_msg *m)
{
	m->tag = (uint16_t)r->in.tag;
	if (r->conn->dialect == P9_2000L) {
		m->type = IPC_RLERROR;
		m->error = r->out.error;
	} else {
		m->type = P9_RERROR;
		m->ename = (struct p9_str){ r->out.data, (uint16_t)r->out.length };
	}
}

/* Plain 9P2000 has no symbolic links. */
static void
plain_qids(struct p9_msg *m)
{
	m->qid.type &= (uint8_t)~P9_QTSYMLINK;
	if (m->type == P9_RWALK)
		for (unsigned i = 0; i < m->nwqid; i++)
			m->wqid[i].type &= (uint8_t)~P9_QTSYMLINK;
}

static void
send_all(struct p9_conn *c, struct iovec *iov, int niov)
{
	while (niov && !c->dead) {
		struct msghdr mh = { .msg_iov = iov, .msg_iovlen = (size_t)niov };
		ssize_t n = c->not_socket ? writev(c->fd, iov, niov) :
			sendmsg(c->fd, &mh, MSG_NOSIGNAL);

		if (n < 0 && errno == ENOTSOCK && !c->not_socket) {
			c->not_socket = true;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			p9_wire_cut(c);
			return;
		}
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
}

static void
wire_send(struct p9_req *r)
{
	struct p9_conn *c = r->conn;
	uint8_t head[HEAD_MAX], *big = NULL;
	struct iovec iov[2];
	struct p9_msg m;
	uint32_t old;
	int n;

	m.data = NULL;
	m.count = 0;
	if (p9_failed(r))
		make_error(r, &m);
	else
		make_reply(r, &m);
	if (c->dialect == P9_2000 && !p9_failed(r))
		plain_qids(&m);
	n = p9_pack_head(head, sizeof head, c->dialect, &m);
	if (n == -EMSGSIZE && (big = malloc(P9_MSIZE_MIN + HEAD_MAX)))
		n = p9_pack_head(big, P9_MSIZE_MIN + HEAD_MAX, c->dialect, &m);
	iov[0] = (struct iovec){ big ? big : head, n < 0 ? 0 : (size_t)n };
	iov[1] = (struct iovec){ (void *)m.data, m.count };
	pthread_mutex_lock(&c->write_lock);
	old = atomic_fetch_or(&r->state, REQ_ANSWERED);
	p9_tag_remove(r);
	if (n < 0)
		p9_wire_cut(c);
	else
		send_all(c, iov, m.type == P9_RREAD || m.type == IPC_TREADDIR + 1 ? 2 : 1);
	pthread_mutex_unlock(&c->write_lock);
	free(big);
	p9_answered(r, old & REQ_FLUSHED);
}

void
p9_wire_cut(struct p9_conn *c)
{
	atomic_store(&c->dead, true);
	if (c->fd >= 0)
		shutdown(c->fd, SHUT_RDWR);
}

void
p9_wire_answered(struct p9_conn *c)
{
	if (atomic_fetch_sub(&c->inflight, 1) != 1 || !c->draining)
		return;
	pthread_mutex_lock(&c->queue_lock);
	pthread_cond_broadcast(&c->queue_cond);
	pthread_mutex_unlock(&c->queue_lock);
}

/* --- requests ----------------------------------------------------------------------------- */

static bool
read_some(struct p9_conn *c, uint8_t *buf, size_t n, size_t *got)
{
	ssize_t k;

	do
		k = read(c->fd, buf, n);
	while (k < 0 && errno == EINTR && !c->dead);
	*got = k > 0 ? (size_t)k : 0;
	return k > 0;
}

/* At least n (small) bytes at c->ahead + c->ahead_pos. */
static bool
have(struct p9_conn *c, size_t n)
{
	size_t got;

	if (c->ahead_end - c->ahead_pos >= n)
		return true;
	memmove(c->ahead, c->ahead + c->ahead_pos, c->ahead_end - c->ahead_pos);
	c->ahead_end -= c->ahead_pos;
	c->ahead_pos = 0;
	while (c->ahead_end < n) {
		if (!read_some(c, c->ahead + c->ahead_end, AHEAD - c->ahead_end, &got))
			return false;
		c->ahead_end += got;
	}
	return true;
}

static bool
take_bytes(struct p9_conn *c, uint8_t *to, size_t n)
{
	size_t k = c->ahead_end - c->ahead_pos, got;

	if (k > n)
		k = n;
	memcpy(to, c->ahead + c->ahead_pos, k);
	c->ahead_pos += k;
	for (; k < n; k += got)
		if (!read_some(c, to + k, n - k, &got))
			return false;
	return true;
}

/* The next message, in r->buf; NULL: the connection is over. */
static struct p9_req *
read_message(struct p9_conn *c, size_t *size)
{
	struct p9_cur cur;
	struct p9_req *r;

	if (c->dead || !have(c, P9_HEADER))
		return NULL;
	cur = (struct p9_cur){ c->ahead + c->ahead_pos, c->ahead + c->ahead_end, false };
	*size = p9_get(&cur, 4);
	if (*size < P9_HEADER || *size > (c->versioned ? c->msize : P9_MSIZE_MIN))
		return NULL;
	r = p9_req_new(c);
	if (!r)
		return NULL;
	if (p9_req_room(&r->buf, &r->buf_size, *size) && take_bytes(c, r->buf, *size))
		return r;
	p9_req_recycle(r);
	return NULL;
}

static uint32_t
uid_of(struct p9_str uname)
{
	uint64_t v = 0;

	if (p9_str_eq(uname, "root"))
		return 0;
	for (unsigned i = 0; i < uname.n; i++) {
		if (uname.s[i] < '0' || uname.s[i] > '9' || v > UINT32_MAX)
			return P9_NOUID;
		v = v * 10 + (uint64_t)(uname.s[i] - '0');
	}
	return uname.n && v < UINT32_MAX ? (uint32_t)v : P9_NOUID;
}

/* The members of an in-place request that a message's type gives another name. */
static void
fill_in(struct p9_req *r, const struct p9_msg *m)
{
	r->in = (struct ipc_req){
		.type = m->type, .tag = m->tag, .fid = m->fid, .newfid = m->newfid,
		.offset = m->offset, .count = m->count, .flags = m->flags, .mode = m->mode,
		.uid = m->uid, .gid = m->gid, .conn = (uintptr_t)r->conn,
	};
	r->wire_type = m->type;
	switch (m->type) {
	case P9_TFLUSH:
		r->in.newfid = m->oldtag;
		break;
	case IPC_TMKNOD:
		r->in.offset = (uint64_t)m->major << 32 | m->minor;
		break;
	case IPC_TGETATTR:
		r->in.offset = m->mask;
		break;
	case IPC_TXATTRCREATE:
		r->in.offset = m->size;
		break;
	case P9_TOPEN:
		r->in.mode = m->omode;
		break;
	case P9_TCREATE:
		r->in.flags = m->omode;
		break;
	case P9_TWALK:
		r->in.count = m->nwname;
		break;
	case P9_TWSTAT:
		r->in.count = m->stat.n;
		break;
	case P9_TATTACH:
	case P9_TAUTH:
		if (r->conn->dialect == P9_2000)
			r->in.uid = uid_of(m->uname);
		break;
	default:
		break;
	}
}

/* Its strings and bulk; 0 or a negative errno. */
static int
fill_bulk(struct p9_req *r, const struct p9_msg *m)
{
	int rc = 0;

	switch (m->type) {
	case P9_TWRITE:
		r->data = m->data;
		return 0;
	case P9_TWSTAT:
		r->data = m->stat.s;
		return 0;
	case IPC_TSETATTR:
		r->u.setattr = m->setattr;
		r->data = &r->u.setattr;
		return 0;
	case IPC_TLOCK:
	case IPC_TGETLOCK:
		r->u.lock = m->lock;
		memset(r->u.lock.client, 0, sizeof r->u.lock.client);
		memcpy(r->u.lock.client, m->client.s, m->client.n < sizeof r->u.lock.client ?
			m->client.n : sizeof r->u.lock.client - 1);
		r->data = &r->u.lock;
		return 0;
	case P9_TWALK:
		r->nnames = m->nwname;
		for (unsigned i = 0; i < m->nwname && rc == 0; i++)
			rc = p9_c_string(m->wname[i], NAME_WALK, &r->names[i]);
		return rc;
	case P9_TATTACH:
	case P9_TAUTH:
		return p9_set_names(r, m->aname, m->uname);
	default:
		return p9_set_names(r, m->name, m->name2);
	}
}

/* Decodes and enters a request; false when that has answered it. */
static bool
admit(struct p9_req *r, size_t size)
{
	struct p9_conn *c = r->conn;
	struct p9_msg m;
	int rc = p9_unpack(r->buf, size, c->dialect, &m);
	bool crowded = atomic_fetch_add(&c->inflight, 1) >= P9_SRV_TAGS;
	const char *text = NULL;

	fill_in(r, &m);
	if (rc)
		text = p9_type_name(c->dialect, r->buf[4]) ? "malformed message" :
			"no such message type";
	if (p9_req_begin(r)) {
		rc = -EBUSY;
		text = "tag is in use";
	}
	if (rc == 0 && !c->versioned) {
		rc = -EPROTO;
		text = "version must come first";
	}
	if (rc == 0 && crowded && r->wire_type != P9_TFLUSH) {
		rc = -EAGAIN;
		text = "too many requests in flight";
	}
	if (rc == 0)
		rc = fill_bulk(r, &m);
	if (rc)
		p9_error(r, rc, text);
	return rc == 0;
}

/* Tversion: everything of the session before is over first. */
static void
do_version(struct p9_req *r, size_t size)
{
	struct p9_conn *c = r->conn;
	uint32_t most = c->srv->msize ? c->srv->msize : P9_SRV_MSIZE;
	uint8_t out[64];
	struct iovec iov = { out, 0 };
	struct p9_msg m;
	bool large;
	int n = p9_unpack(r->buf, size, c->dialect, &m);

	p9_flush_all(c);
	c->draining = true;
	pthread_mutex_lock(&c->queue_lock);
	while (c->inflight)
		pthread_cond_wait(&c->queue_cond, &c->queue_lock);
	pthread_mutex_unlock(&c->queue_lock);
	c->draining = false;
	p9_fid_clear(c);
	c->versioned = false;
	c->dialect = P9_2000;
	large = n == 0 && m.msize >= P9_MSIZE_MIN;
	m.tag = (uint16_t)(r->buf[5] | r->buf[6] << 8);
	if (!large) {
		m.type = P9_RERROR;
		m.ename = p9_str(n ? "malformed message" : "msize is too small");
	} else {
		m.type = P9_RVERSION;
		m.msize = m.msize < most ? m.msize : most;
		c->msize = m.msize;
		if (m.version.n >= 8 && memcmp(m.version.s, "9P2000.L", 8) == 0) {
			c->dialect = P9_2000L;
			m.version = p9_str("9P2000.L");
		} else if (m.version.n >= 6 && memcmp(m.version.s, "9P2000", 6) == 0) {
			m.version = p9_str("9P2000");
		} else {
			m.version = p9_str("unknown");
		}
		c->versioned = m.version.s[0] == '9';
	}
	n = p9_pack(out, sizeof out, large ? c->dialect : P9_2000, &m);
	iov.iov_len = n < 0 ? 0 : (size_t)n;
	pthread_mutex_lock(&c->write_lock);
	send_all(c, &iov, 1);
	pthread_mutex_unlock(&c->write_lock);
	p9_req_recycle(r);
}

/* --- threads ------------------------------------------------------------------------------ */

static void *wire_thread(void *);

static void
carry_out(struct p9_req *r)
{
	if (p9_cancelled(r))
		p9_error(r, EINTR, NULL);
	else
		p9_request(r);
	p9_after_request(p9_self);
}

/* queue_lock is held, and on return again. */
static void
work(struct p9_conn *c, struct p9_req *r)
{
	c->nrunning++;
	if (c->nidle) {
		pthread_cond_signal(&c->queue_cond);
	} else if (c->nthreads <= c->state->nthreads) {
		c->nthreads++;
		pthread_mutex_unlock(&c->queue_lock);
		if (p9_thread(c->state, wire_thread, c)) {
			pthread_mutex_lock(&c->queue_lock);
			c->nthreads--;
			pthread_mutex_unlock(&c->queue_lock);
		}
		pthread_mutex_lock(&c->queue_lock);
	}
	pthread_mutex_unlock(&c->queue_lock);
	carry_out(r);
	pthread_mutex_lock(&c->queue_lock);
	c->nrunning--;
}

/* Once, when the connection is dead, whoever finds it so. */
static void
over(struct p9_conn *c)
{
	c->dead = c->hung_up = true;
	pthread_cond_broadcast(&c->queue_cond);
	pthread_mutex_unlock(&c->queue_lock);
	p9_flush_all(c);
	pthread_mutex_lock(&c->queue_lock);
}

static void
read_one(struct p9_conn *c)
{
	struct p9_req *r;
	size_t size;
	bool go = false;

	c->reading = true;
	pthread_mutex_unlock(&c->queue_lock);
	r = read_message(c, &size);
	if (r && r->buf[4] == P9_TVERSION) {
		do_version(r, size);
	} else if (r) {
		go = admit(r, size);
		if (go && r->wire_type == P9_TFLUSH) {
			go = false;
			p9_request(r);
		}
		p9_after_request(p9_self);
	}
	pthread_mutex_lock(&c->queue_lock);
	c->reading = false;
	if (!r) {
		c->dead = true;
	} else if (go && c->nrunning < c->state->nthreads && !c->queue) {
		work(c, r);
	} else if (go) {
		r->next = NULL;
		*c->queue_tail = r;
		c->queue_tail = &r->next;
		pthread_cond_signal(&c->queue_cond);
	}
}

static void
take_one(struct p9_conn *c)
{
	struct p9_req *r = c->queue;

	c->queue = r->next;
	if (!c->queue)
		c->queue_tail = &c->queue;
	r->next = NULL;
	work(c, r);
}

static void *
wire_thread(void *arg)
{
	struct p9_conn *c = arg;
	struct p9_srv_state *st = c->state;
	struct p9_worker me = { 0 };
	bool last;

	p9_worker_begin(&me, c, st);
	pthread_mutex_lock(&c->queue_lock);
	for (;;) {
		if (c->dead && !c->hung_up) {
			over(c);
		} else if (c->queue && c->nrunning < st->nthreads) {
			take_one(c);
		} else if (!c->reading && !c->dead) {
			read_one(c);
		} else if (c->dead && !c->queue) {
			break;
		} else {
			c->nidle++;
			pthread_cond_wait(&c->queue_cond, &c->queue_lock);
			c->nidle--;
		}
	}
	last = --c->nthreads == 0;
	pthread_cond_broadcast(&c->queue_cond);
	pthread_mutex_unlock(&c->queue_lock);
	p9_worker_end(st);
	if (last)
		p9_conn_put(c);
	p9_thread_over(st);
	return NULL;
}

int
p9_wire_start(struct p9_srv *srv, int fd)
{
	struct timeval limit = { .tv_sec = P9_SRV_SEND_S };
	struct p9_conn *c = p9_conn_new(srv, fd);
	int rc;

	if (!c)
		return -EMFILE;
	p9_set_transport(c, wire_send);
	c->dialect = P9_2000;
	c->nthreads = 1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	c->ahead = malloc(AHEAD);
	rc = c->ahead ? p9_thread(srv->state, wire_thread, c) : -ENOMEM;
	if (rc) {
		c->fd = -1;
		p9_conn_put(c);
	}
	return rc;
}
