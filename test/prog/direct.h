/*
 * A server that takes direct requests, without the 9P library, and its clients, for direct.c.  It
 * drives QEMU's edu, which takes 100 ms for what it moves, so whatever a test does in between
 * happens while a device uses the client's memory.
 *
 * Its file "data" takes direct requests of whole sectors to memory at multiples of 4.  Of those edu
 * moves the first DMA_BYTES, the rest stays as it is; others are answered from `store`, byte i
 * being i * 7.  What the server does with a direct request is `shared->mode`.
 */
#pragma once
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <dma_seg.h>
#include <lux9/calls.h>
#include <lux9/ipc.h>
#include "edu.h"

#define WAIT_NS	60000000000ll	/* for the next server, on a slow machine */

enum { SIZE = 1 << 20, BUF = 65536, SECTOR = 512, SMALL = 16384, FILL = 0xee };
enum { BIG_PAGES = SIZE / PAGE, THREADS = 2 };

enum mode {
	MOVE,		/* edu moves, then it is answered */
	HOLD,		/* not answered */
	ANSWER,		/* answered at once: nothing is moved */
	LIE,		/* answered at once, with more than was asked for */
	DATA,		/* with data */
	HANG_UP,	/* the service ends while edu moves */
};

static struct shared {
	_Atomic unsigned direct, copied;	/* reads and writes that came */
	_Atomic unsigned done;			/* transfers that are over */
	_Atomic unsigned mode;			/* enum mode */
} *shared;

static int service_fd;
static bool drives;
static volatile uint8_t *regs;
static uint8_t store[SIZE];
static pthread_mutex_t device = PTHREAD_MUTEX_INITIALIZER;

/* --- the server ------------------------------------------------------------------------------ */

static void
check_list(const struct ipc_req *q, const struct dma_seg *seg)
{
	unsigned n = q->length / sizeof *seg;
	uint64_t bytes = 0;

	CHECK(n > 0 && n * sizeof *seg == q->length && n <= BIG_PAGES + 1);
	for (unsigned i = 0; i < n; i++) {
		CHECK(seg[i].bytes > 0 && seg[i].paddr % 4 == 0);
		CHECK(i == 0 || seg[i].paddr % PAGE == 0);
		CHECK(i == n - 1 || (seg[i].paddr + seg[i].bytes) % PAGE == 0);
		bytes += seg[i].bytes;
	}
	CHECK(bytes == q->count && q->count >= SMALL && q->count <= SIZE);
	CHECK(q->offset % SECTOR == 0 && q->count % SECTOR == 0);
}

static void
move(const struct ipc_req *q, const struct dma_seg *seg)
{
	pthread_mutex_lock(&device);
	transfer(regs, seg->paddr, q->type == IPC_TREAD);
	shared->direct++;
	if (shared->mode == HANG_UP) {
		static const struct ipc_rep end;

		CHECK(lux_call6(SYS_SERVE, service_fd, LUX_ARG(&end), 0, 0, 0, 0) == 0);
	}
	while (transferring(regs))
		tick();
	shared->done++;
	pthread_mutex_unlock(&device);
}

/* False: no answer. */
static bool
serve_direct(const struct ipc_req *q, const struct dma_seg *seg, struct ipc_rep *p)
{
	unsigned mode = shared->mode;	/* clang 14 takes no atomic one below */

	check_list(q, seg);
	p->count = q->count;
	switch (mode) {
	case MOVE:
	case HANG_UP:
		move(q, seg);
		return true;
	case HOLD:
		shared->direct++;
		return false;
	case LIE:
		p->count = UINT32_MAX;
		break;
	case DATA:
		p->data = store + q->offset;
		p->length = q->count;
		break;
	case ANSWER:
		break;
	}
	shared->direct++;
	return true;
}

static void
do_walk(const struct ipc_req *q, struct ipc_rep *p)
{
	static const struct ipc_qid qid = { .path = 1 };

	if (q->count == 0)
		return;
	p->count = 1;
	p->data = &qid;
	p->length = sizeof qid;
}

static bool
serve_one(const struct ipc_req *q, const uint8_t *bulk, struct ipc_rep *p)
{
	static const struct ipc_attr attr = { .valid = 0x7ff, .mode = S_IFREG | 0644,
					      .size = SIZE };

	*p = (struct ipc_rep){ .type = q->type + 1, .tag = q->tag };
	if (q->type == IPC_TREAD || q->type == IPC_TWRITE) {
		if (q->flags & IPC_DIRECT)
			return serve_direct(q, (const struct dma_seg *)bulk, p);
		shared->copied++;
	}
	switch (q->type) {
	case IPC_TATTACH:
		p->qid.type = 0x80;
		break;
	case IPC_TWALK:
		do_walk(q, p);
		break;
	case IPC_TLOPEN:
		p->qid.path = 1;
		p->offset = IPC_DIRECT_FILE(9, 2, 0);
		break;
	case IPC_TGETATTR:
		p->data = &attr;
		p->length = sizeof attr;
		break;
	case IPC_TREAD:
		p->data = store + q->offset;
		p->length = q->count;
		break;
	case IPC_TWRITE:
		memcpy(store + q->offset, bulk, q->length);
		p->count = q->length;
		break;
	}
	return true;
}

static void *
server_loop(void *arg)
{
	uint8_t *bulk = aligned_alloc(PAGE, BUF);
	struct ipc_rep p, *reply = NULL;
	struct ipc_req q;
	long r;

	(void)arg;
	for (;;) {
		r = lux_call6(SYS_SERVE, service_fd, LUX_ARG(reply), LUX_ARG(&q), LUX_ARG(bulk),
			      (long)(BUF | IPC_SERVE_DIRECT), SYS_FOREVER);
		if (r == -EHOSTDOWN || (r == -EINVAL && shared->mode == HANG_UP))
			return NULL;
		CHECK(r == 0);
		reply = serve_one(&q, bulk, &p) ? &p : NULL;
	}
}

static void
server(int ready, int flags)
{
	pthread_t t;

	if (drives) {
		regs = map_registers();
		take_over(open_function(), regs);
	}
	for (unsigned i = 0; i < SIZE; i++)
		store[i] = (uint8_t)(i * 7);
	service_fd = open("/srv/direct", flags | O_RDWR, 0600);
	CHECK(service_fd >= 0);
	for (int i = 1; i < THREADS; i++)
		CHECK(pthread_create(&t, NULL, server_loop, NULL) == 0);
	CHECK(write(ready, "x", 1) == 1);
	server_loop(NULL);
	for (;;)		/* after a hang-up it lives on */
		pause();
}

static pid_t
start_server(int flags)
{
	int ready[2];
	pid_t pid;
	char c;

	CHECK(pipe(ready) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		server(ready[1], flags);
	CHECK(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* --- what the tests have in common ----------------------------------------------------------- */

static void
mount_it(int64_t wait_ns)
{
	int fd = open("/srv/direct", O_RDWR);

	CHECK(fd >= 0);
	CHECK(lux_call5(SYS_MOUNT, fd, LUX_ARG("/mnt"), SYS_MREPL, LUX_ARG(""), wait_ns) == 0);
	close(fd);
}

static pid_t
begin(enum mode mode)
{
	pid_t pid = start_server(O_CREAT | O_EXCL);

	shared->mode = mode;
	mount_it(0);
	return pid;
}

static void
end(pid_t pid)
{
	kill_child(pid);
	CHECK(lux_call2(SYS_UNMOUNT, 0, LUX_ARG("/mnt")) == 0);
}

static int
open_data(void)
{
	int fd = open("/mnt/data", O_RDWR);

	CHECK(fd >= 0);
	return fd;
}

static uint8_t *
memory(size_t n, int sharing)
{
	uint8_t *p = mmap(NULL, n, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	memset(p, FILL, n);
	return p;
}

static bool
all_are(const uint8_t *p, size_t n, uint8_t value)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != value)
			return false;
	return true;
}

static void
wait_for(_Atomic unsigned *count, unsigned before)
{
	for (int i = 0; *count == before; i++) {
		CHECK(i < TRIES);
		tick();
	}
}

/* Says that the device is quiet, which it is. */
static void
say_quiet(void)
{
	volatile uint8_t *r = map_registers();
	int ctl = open_function();

	take_over(ctl, r);
	command(ctl, "disable");
	close(ctl);
	CHECK(munmap((void *)(uintptr_t)r, PAGE) == 0);
}

/* A read in a thread of its own. */
struct reading {
	pthread_t thread;
	int fd;
	uint8_t *p;
	size_t n;
	ssize_t got;
	int error;
};

static void *
read_it(void *arg)
{
	struct reading *r = arg;

	r->got = pread(r->fd, r->p, r->n, 0);
	r->error = errno;
	return NULL;
}

/* Returns when the device is at work. */
static void
start_reading(struct reading *r, int fd, uint8_t *p, size_t n)
{
	unsigned before = shared->direct;

	*r = (struct reading){ .fd = fd, .p = p, .n = n };
	CHECK(pthread_create(&r->thread, NULL, read_it, r) == 0);
	wait_for(&shared->direct, before);
}

static void
end_reading(struct reading *r)
{
	CHECK(pthread_join(r->thread, NULL) == 0);
}

/* A client of its own that reads n bytes; returns when the server has its request. */
static pid_t
start_client(size_t n, int error)
{
	unsigned before = shared->direct;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		uint8_t *p = memory(n, MAP_PRIVATE);

		CHECK(pread(open_data(), p, n, 0) < 0 && errno == error);
		_exit(0);
	}
	wait_for(&shared->direct, before);
	return pid;
}

/* Puts a pattern into edu's buffer. */
static void
put_pattern(int fd, uint8_t seed)
{
	uint8_t *p = memory(SMALL, MAP_PRIVATE);

	for (unsigned i = 0; i < SMALL; i++)
		p[i] = (uint8_t)(i * 13 + seed);
	CHECK(pwrite(fd, p, SMALL, 0) == SMALL);
	CHECK(munmap(p, SMALL) == 0);
}

static bool
is_pattern(const uint8_t *p, uint8_t seed)
{
	for (unsigned i = 0; i < DMA_BYTES; i++)
		if (p[i] != (uint8_t)(i * 13 + seed))
			return false;
	return true;
}
