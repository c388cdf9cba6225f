/*
 * Direct requests from both sides, without the 9P library: direct ROUNDS.  The server drives QEMU's
 * edu, which takes 100 ms for what it moves, so whatever a test does in between happens while a
 * device uses the client's memory.
 *
 * Its file "data" takes direct requests of whole sectors to memory at multiples of 4.  Of those edu
 * moves the first DMA_BYTES, the rest stays as it is; others are answered from `store`, byte i
 * being i * 7.  What the server does with a direct request is `shared->mode`.
 *
 * long: what may happen in the middle of a request is one list, with both its sides.
 */
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

enum { SIZE = 1 << 20, BUF = 65536, SECTOR = 512, SMALL = 16384, FILL = 0xee };
enum { WAIT_NS = 2000000000, BIG_PAGES = SIZE / PAGE, SPARE_PAGES = 300, THREADS = 2 };
enum { SLACK_PAGES = 64, SLACK_HEAP = 32768, KILLS = 10, DEATHS = 5, MIDDLE_TRIES = 50 };

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

/* --- tests ----------------------------------------------------------------------------------- */

static void
test_data(void)
{
	pid_t pid = begin(MOVE);
	int fd = open_data(), status;
	uint8_t *p = memory(SIZE + PAGE, MAP_PRIVATE);

	put_pattern(fd, 1);
	CHECK(shared->copied == 0);
	for (unsigned skip = 0; skip <= 4; skip += 4) {
		memset(p, FILL, SIZE + PAGE);
		CHECK(pread(fd, p + skip, SIZE, 0) == SIZE);
		CHECK(is_pattern(p + skip, 1) && all_are(p, skip, FILL));
		CHECK(all_are(p + skip + DMA_BYTES, SIZE + PAGE - skip - DMA_BYTES, FILL));
	}
	/* Not there yet, and shared since a fork: the device writes to the caller's own. */
	CHECK(munmap(p, SIZE) == 0);
	p = mmap(NULL, SMALL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED && pread(fd, p, SMALL, 0) == SMALL && is_pattern(p, 1));
	CHECK(all_are(p + DMA_BYTES, SMALL - DMA_BYTES, 0));
	memset(p, FILL, SMALL);
	if (fork() == 0) {
		CHECK(pread(fd, p, SMALL, 0) == SMALL && is_pattern(p, 1));
		_exit(0);
	}
	CHECK(wait(&status) > 0 && status == 0);
	CHECK(all_are(p, SMALL, FILL) && shared->copied == 0);
	close(fd);
	end(pid);
}

/* What is not large, in line or private comes with data, and is right all the same. */
static void
test_copied(void)
{
	pid_t pid = begin(MOVE);
	int fd = open_data();
	uint8_t *p = memory(2 * SMALL, MAP_PRIVATE), *s = memory(SMALL, MAP_SHARED);
	const struct {
		uint8_t *to;
		unsigned n, offset;
	} reads[] = {
		{ p, SMALL - SECTOR, 0 }, { p + 1, SMALL, 0 }, { p, SMALL, 256 },
		{ p, SMALL + 1, 0 }, { s, SMALL, SECTOR },
	};
	unsigned direct = shared->direct, copied = shared->copied;

	for (unsigned i = 0; i < sizeof reads / sizeof reads[0]; i++) {
		CHECK(pread(fd, reads[i].to, reads[i].n, reads[i].offset) == (ssize_t)reads[i].n);
		for (unsigned k = 0; k < reads[i].n; k++)
			CHECK(reads[i].to[k] == (uint8_t)((reads[i].offset + k) * 7));
		CHECK(pwrite(fd, reads[i].to, reads[i].n, reads[i].offset) == (ssize_t)reads[i].n);
	}
	CHECK(shared->direct == direct && shared->copied == copied + 2 * 5);
	CHECK(munmap(p, (size_t)2 * SMALL) == 0 && munmap(s, SMALL) == 0);
	close(fd);
	end(pid);
}

static void
test_bad_memory(void)
{
	pid_t pid = begin(MOVE);
	int fd = open_data();
	uint8_t *p = memory(2 * SMALL, MAP_PRIVATE);
	unsigned direct = shared->direct;

	CHECK(mprotect(p + SMALL, SMALL, PROT_READ) == 0);
	CHECK(pread(fd, p + SMALL, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(pread(fd, p + SMALL / 2, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(mprotect(p + SMALL, SMALL, PROT_NONE) == 0);
	CHECK(pread(fd, p + SMALL, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(pwrite(fd, p + SMALL, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(munmap(p + SMALL, SMALL) == 0);
	CHECK(pread(fd, p + SMALL / 2, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(pwrite(fd, p + SMALL / 2, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(pread(fd, (void *)0xffff800000100000ul, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(pread(fd, (void *)0x7ffffffff000ul, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(shared->direct == direct);
	CHECK(mprotect(p, SMALL, PROT_READ) == 0);	/* to be read is enough for a write */
	CHECK(pwrite(fd, p, SMALL, 0) == SMALL && shared->direct == direct + 1);
	close(fd);
	end(pid);
}

static bool
test_fork(void)
{
	pid_t pid = begin(MOVE), child;
	int fd = open_data(), status;
	uint8_t *p = memory(SMALL, MAP_PRIVATE);
	struct reading r;
	unsigned before;
	bool in_time;

	put_pattern(fd, 2);
	before = shared->done;
	start_reading(&r, fd, p, SMALL);
	child = fork();
	if (child == 0) {
		wait_for(&shared->done, before);
		CHECK(all_are(p, SMALL, FILL));
		_exit(0);
	}
	p[PAGE - 1] = 1;		/* with copy-on-write the device would lose its page */
	p[SMALL - 1] = 2;
	in_time = shared->done == before;
	end_reading(&r);
	CHECK(r.got == SMALL && is_pattern(p, 2));
	CHECK(p[PAGE - 1] == 1 && p[SMALL - 1] == 2);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(munmap(p, SMALL) == 0);
	close(fd);
	end(pid);
	return in_time;
}

static bool
test_unmap(void)
{
	pid_t pid = begin(MOVE);
	int fd = open_data();
	uint8_t *p = memory(SMALL, MAP_PRIVATE), *q;
	unsigned before = shared->done;
	struct reading r;
	bool in_time;

	start_reading(&r, fd, p, SMALL);
	CHECK(munmap(p, SMALL) == 0);
	q = mmap(p, SMALL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(q == p);
	memset(q, 0x77, SMALL);
	in_time = shared->done == before;
	end_reading(&r);
	CHECK(r.got == SMALL && all_are(q, SMALL, 0x77));
	CHECK(munmap(q, SMALL) == 0);
	close(fd);
	end(pid);
	return in_time;
}

/* The client dies, and all memory is used while its read goes on. */
static bool
test_client_killed(void)
{
	pid_t pid = begin(MOVE);
	size_t most = (number_in("/dev/swap", "pages free ") - 4 * SPARE_PAGES) * PAGE, rest;
	uint8_t *p = memory(most, MAP_PRIVATE), *q;
	unsigned before = shared->done;
	bool in_time;

	kill_child(start_client(SIZE, 0));
	rest = (number_in("/dev/swap", "pages free ") - SPARE_PAGES) * PAGE;
	q = memory(rest, MAP_PRIVATE);
	in_time = shared->done == before;
	wait_for(&shared->done, before);
	CHECK(all_are(q, rest, FILL));
	CHECK(munmap(p, most) == 0 && munmap(q, rest) == 0);
	end(pid);
	return in_time;
}

/* Both die; the pages wait until somebody says that the device is quiet. */
static void
test_server_killed(void)
{
	pid_t pid = begin(MOVE), client = start_client(SIZE, EHOSTDOWN);
	uint64_t pinned;
	int status;

	kill_child(pid);
	CHECK(waitpid(client, &status, 0) == client && status == 0);
	CHECK(lux_call2(SYS_UNMOUNT, 0, LUX_ARG("/mnt")) == 0);
	pinned = number_in("/dev/swap", "pages free ");
	say_quiet();
	CHECK(number_in("/dev/swap", "pages free ") >= pinned + BIG_PAGES - SLACK_PAGES / 2);
}

/* The service ends, its process and the transfer do not: the client's memory is its own again. */
static bool
test_hang_up(void)
{
	pid_t pid = begin(HANG_UP);
	uint8_t *p = memory(SMALL, MAP_PRIVATE);
	unsigned before = shared->done;
	struct reading r;
	bool in_time;

	start_reading(&r, open_data(), p, SMALL);
	end_reading(&r);
	CHECK(r.got < 0 && r.error == EHOSTDOWN);
	p[DMA_BYTES / 2] = 0x55;
	in_time = shared->done == before;
	wait_for(&shared->done, before);
	CHECK(p[DMA_BYTES / 2] == 0x55);
	CHECK(munmap(p, SMALL) == 0);
	close(r.fd);
	end(pid);
	return in_time;
}

static void
test_recovery(void)
{
	pid_t pid = start_server(O_CREAT | O_EXCL), next;
	uint8_t *p = memory(SMALL, MAP_PRIVATE);
	unsigned before;
	struct reading r;
	int fd;

	shared->mode = MOVE;
	mount_it(WAIT_NS);
	fd = open_data();
	put_pattern(fd, 3);
	before = shared->direct;
	start_reading(&r, fd, p, SMALL);
	kill_child(pid);
	next = start_server(O_TRUNC);
	end_reading(&r);
	CHECK(r.got == SMALL && is_pattern(p, 3) && shared->direct == before + 2);
	CHECK(all_are(p + DMA_BYTES, SMALL - DMA_BYTES, FILL));
	close(fd);
	end(next);
}

static void
test_lies(void)
{
	pid_t pid = begin(LIE);
	int fd = open_data();
	uint8_t *p = memory(2 * SMALL, MAP_PRIVATE);

	CHECK(pread(fd, p, SMALL, 0) == SMALL && all_are(p, (size_t)2 * SMALL, FILL));
	CHECK(pwrite(fd, p, SMALL, 0) == SMALL);
	shared->mode = DATA;
	CHECK(pread(fd, p, SMALL, SECTOR) == SMALL);
	for (unsigned i = 0; i < SMALL; i++)
		CHECK(p[i] == (uint8_t)((SECTOR + i) * 7));
	CHECK(all_are(p + SMALL, SMALL, FILL));
	close(fd);
	end(pid);
}

/* A process that drives nothing has data, whatever it says. */
static void
test_no_driver(void)
{
	unsigned direct = shared->direct;
	uint8_t *p = memory(SMALL, MAP_PRIVATE);
	pid_t pid;
	int fd;

	drives = false;
	pid = begin(MOVE);
	fd = open_data();
	CHECK(pwrite(fd, p, SMALL, 0) == SMALL);
	CHECK(pread(fd, p, SMALL, SMALL) == SMALL && p[1] == (uint8_t)((SMALL + 1) * 7));
	CHECK(shared->direct == direct);
	close(fd);
	end(pid);
	drives = true;
}

/* Until what is to happen in the middle has; elsewhere it must do no harm either. */
static void
in_the_middle(bool (*test)(void))
{
	int tries = MIDDLE_TRIES;

	while (!test() && --tries > 0)
		;
	CHECK(tries > 0);
}

/* --- nothing is left behind ------------------------------------------------------------------ */

static void
rounds(unsigned n)
{
	pid_t pid = begin(ANSWER);
	int fd = open_data();
	uint8_t *p = memory(SIZE, MAP_PRIVATE);

	for (unsigned i = 0; i < n; i++) {
		size_t bytes = SMALL + (i * SECTOR) % (SIZE - SMALL);

		CHECK(pread(fd, p, bytes, 0) == (ssize_t)bytes);
		CHECK(pwrite(fd, p, bytes, 0) == (ssize_t)bytes);
		CHECK(mprotect(p + 3 * PAGE, PAGE, PROT_READ) == 0);
		CHECK(pread(fd, p, SMALL, 0) < 0 && errno == EFAULT);
		CHECK(mprotect(p + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
	}
	shared->mode = HOLD;
	for (unsigned i = 0; i < KILLS; i++)
		kill_child(start_client(SIZE, 0));
	CHECK(munmap(p, SIZE) == 0);
	close(fd);
	end(pid);
	for (unsigned i = 0; i < DEATHS; i++) {
		pid_t client;
		int status;

		pid = begin(HOLD);
		client = start_client(SIZE, EHOSTDOWN);
		end(pid);
		CHECK(waitpid(client, &status, 0) == client && status == 0);
	}
	say_quiet();
}

static void
test_leaks(unsigned n)
{
	uint64_t pages, heap;
	unsigned dma;

	rounds(10);
	pages = number_in("/dev/swap", "pages free ");
	heap = number_in("/dev/swap", "heap ");
	dma = entries_of("/dev/dma");
	rounds(n);
	printf("direct: %u rounds: pages free %lu, then %lu; heap %lu, then %lu\n", n, pages,
	       number_in("/dev/swap", "pages free "), heap, number_in("/dev/swap", "heap "));
	CHECK(number_in("/dev/swap", "pages free ") + SLACK_PAGES >= pages);
	CHECK(number_in("/dev/swap", "heap ") <= heap + SLACK_HEAP);
	CHECK(entries_of("/dev/dma") == dma);
}

int
main(int argc, char **argv)
{
	find_edu();
	drives = true;
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	test_data();
	test_copied();
	test_bad_memory();
	in_the_middle(test_fork);
	in_the_middle(test_unmap);
	in_the_middle(test_client_killed);
	test_server_killed();
	in_the_middle(test_hang_up);
	test_recovery();
	test_lies();
	test_no_driver();
	test_leaks(argc > 1 ? (unsigned)atoi(argv[1]) : 1000);
	return all_right("direct");
}
