/*
 * Services, from both sides, without the 9P library: requests and replies of every shape, a
 * server that dies, hangs up, lies, and clients that are killed or noted in the middle.
 *
 * The server knows files by name: "data" has SIZE bytes, byte i being i * 7; "error" cannot be
 * opened; "hang" is never answered; "short" is answered with fewer bytes; for "lie" the server
 * says that data and buffer are in the kernel.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <lux9/calls.h>
#include <lux9/ipc.h>
#include "check.h"

#define SIZE		300000u
#define BUF		65536u
#define PROMPT_NS	500000000ll
#define PAUSES		5	/* of the host's, in which an end may come later */
#define AT_ONCE_NS	20000000000ll	/* with one, and without anybody's time that runs out */

#define KERNEL	0xffff800000100000ul	/* not a program's to read or write */

enum { ROOT, DATA, ERROR, HANG, SHORT, LIE, FILES };
static const char *const names[FILES] = { "", "data", "error", "hang", "short", "lie" };
static int service_fd;
static uint8_t *store;
static uint8_t fid_file[65536];
static _Atomic unsigned *flushes, *clunks, *hanging;

static int64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void
fail(struct ipc_rep *p, int err, const char *text)
{
	p->type = IPC_RLERROR;
	p->error = (uint32_t)err;
	p->data = text;
	p->length = strlen(text);
}

static void
do_walk(const struct ipc_req *q, const uint8_t *bulk, struct ipc_rep *p)
{
	static _Thread_local struct ipc_qid qid;
	unsigned n;

	if (q->count == 0) {
		fid_file[q->newfid] = fid_file[q->fid];
		return;
	}
	n = bulk[0] | bulk[1] << 8;
	for (uint8_t f = 1; f < FILES; f++) {
		if (strlen(names[f]) != n || memcmp(names[f], bulk + 2, n) != 0)
			continue;
		qid = (struct ipc_qid){ .path = f };
		fid_file[q->newfid] = f;
		p->count = 1;
		p->data = &qid;
		p->length = sizeof qid;
		return;
	}
	fail(p, ENOENT, "service: no such file");
}

static void
do_read(const struct ipc_req *q, struct ipc_rep *p)
{
	uint64_t left = q->offset < SIZE ? SIZE - q->offset : 0;

	p->data = store + q->offset;
	p->length = q->count < left ? q->count : left;
	if (fid_file[q->fid] == SHORT && p->length > 3)
		p->length = 3;
}

static const void *truth;	/* where the data is of which a reply lies */

/* False: no answer. */
static int
serve_one(const struct ipc_req *q, const uint8_t *bulk, struct ipc_rep *p)
{
	static const struct ipc_attr attr = { .valid = 0x7ff, .mode = S_IFREG | 0644,
					      .size = SIZE };

	*p = (struct ipc_rep){ .type = q->type + 1, .tag = q->tag };
	switch (q->type) {
	case IPC_TATTACH:
		fid_file[q->fid] = ROOT;
		p->qid.type = 0x80;
		break;
	case IPC_TWALK:
		do_walk(q, bulk, p);
		break;
	case IPC_TLOPEN:
		if (fid_file[q->fid] == ERROR)
			fail(p, EACCES, "service: not this one");
		p->qid.path = fid_file[q->fid];
		break;
	case IPC_TGETATTR:
		p->data = &attr;
		p->length = sizeof attr;
		break;
	case IPC_TREAD:
		if (fid_file[q->fid] == HANG) {
			++*hanging;
			return 0;
		}
		do_read(q, p);
		if (fid_file[q->fid] == LIE) {
			truth = p->data;
			p->data = (void *)KERNEL;
		}
		break;
	case IPC_TWRITE:
		memcpy(store + q->offset, bulk, q->length);
		p->count = q->length;
		break;
	case IPC_TFLUSH: {
		struct ipc_rep old = { .tag = q->newfid };

		++*flushes;
		fail(&old, EINTR, "service: flushed");
		CHECK(lux_call6(SYS_SERVE, service_fd, LUX_ARG(&old), 0, 0, 0, 0) == 0);
		break;
	}
	case IPC_TCLUNK:
		++*clunks;
		break;
	default:
		fail(p, EOPNOTSUPP, "service: not supported");
	}
	return 1;
}


static void *
server_loop(void *arg)
{
	uint8_t *bulk = malloc(BUF);
	struct ipc_req q;
	struct ipc_rep p, *reply = NULL;
	long r;

	(void)arg;
	for (;;) {
		int lie = reply != NULL && q.type == IPC_TLOPEN && fid_file[q.fid] == LIE;

		r = lux_call6(SYS_SERVE, service_fd, LUX_ARG(reply), LUX_ARG(&q),
			      lie ? (long)KERNEL : LUX_ARG(bulk), BUF, SYS_FOREVER);
		if (r == -EHOSTDOWN)
			break;
		if (r == -EFAULT && reply != NULL && p.data == (void *)KERNEL) {
			p.data = truth;		/* it is not answered yet */
		} else if (r == -EFAULT && lie) {
			q.type = 0;		/* the reply was sent; the request waits */
			reply = NULL;
		} else {
			CHECK(r == 0);
			reply = serve_one(&q, bulk, &p) ? &p : NULL;
		}
	}
	free(bulk);
	return NULL;
}

/* A server process with that many threads; returns its pid when it is mounted on /mnt. */
static pid_t
start_server(int threads)
{
	int ready[2];
	pid_t pid;
	char c;
	long fd;

	CHECK(pipe(ready) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		pthread_t t;

		service_fd = open("/srv/test", O_CREAT | O_RDWR | O_EXCL, 0600);
		CHECK(service_fd >= 0);
		for (int i = 1; i < threads; i++)
			CHECK(pthread_create(&t, NULL, server_loop, NULL) == 0);
		CHECK(write(ready[1], "x", 1) == 1);
		server_loop(NULL);
		_exit(0);
	}
	CHECK(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	close(ready[1]);
	fd = open("/srv/test", O_RDWR);
	CHECK(fd >= 0);
	CHECK(lux_call4(SYS_MOUNT, fd, LUX_ARG("/mnt"), SYS_MREPL, LUX_ARG("")) == 0);
	close((int)fd);
	return pid;
}

static void
end_server(pid_t pid, int sig)
{
	int status;

	if (sig)
		CHECK(kill(pid, sig) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(lux_call2(SYS_UNMOUNT, 0, LUX_ARG("/mnt")) == 0);
}

static void
test_data(void)
{
	static const unsigned sizes[] = { 1, 7, 8, 4095, 4096, 4097, 65535, 65536, 65537, 200000 };
	uint8_t *buf = malloc(SIZE + 1);
	int fd = open("/mnt/data", O_RDWR);

	CHECK(fd >= 0);
	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		for (unsigned off = 0; off < 9000; off += 4093) {
			memset(buf, 0xee, SIZE + 1);
			CHECK(pread(fd, buf, sizes[i], off) == (ssize_t)sizes[i]);
			for (unsigned k = 0; k < sizes[i]; k++)
				CHECK(buf[k] == (uint8_t)((off + k) * 7));
			CHECK(buf[sizes[i]] == 0xee);
		}
		for (unsigned k = 0; k < sizes[i]; k++)
			buf[k] = (uint8_t)(k * 7);
		CHECK(pwrite(fd, buf, sizes[i], 0) == (ssize_t)sizes[i]);
	}
	CHECK(pread(fd, buf, 10, SIZE - 4) == 4);
	CHECK(pread(fd, buf, 10, SIZE) == 0);
	CHECK(pread(fd, (void *)16, 10, 0) < 0 && errno == EFAULT);
	CHECK(pread(fd, buf, 0, 0) == 0);
	CHECK(pwrite(fd, (void *)16, 10, 0) < 0 && errno == EFAULT);
	close(fd);
	free(buf);
}

/* The data goes to a page not there yet, to one shared since a fork, to one that is read-only. */
static void
test_pages(void)
{
	int fd = open("/mnt/data", O_RDONLY), status;
	uint8_t *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	pid_t pid;

	CHECK(fd >= 0 && p != MAP_FAILED);
	CHECK(pread(fd, p + 4000, 4500, 1) == 4500);
	pid = fork();
	if (pid == 0) {
		CHECK(pread(fd, p + 4000, 4500, 2) == 4500);
		CHECK(p[4000] == 14);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(p[4000] == 7 && p[8499] == (uint8_t)(4500 * 7));
	CHECK(mprotect(p, 4096, PROT_READ) == 0);
	CHECK(pread(fd, p, 100, 0) < 0 && errno == EFAULT);
	CHECK(munmap(p, 3 * 4096) == 0);
	CHECK(pread(fd, p, 100, 0) < 0 && errno == EFAULT);
	close(fd);
}

/*
 * A server cannot have the kernel read or write its own memory; it is told, and its client only
 * waits: one whose memory is gone because it dies of that has not lost a request.
 */
static void
test_kernel_memory(void)
{
	static const unsigned sizes[] = { 100, 5000, 65536 };
	static uint8_t buf[65536] __attribute__((aligned(4096)));

	for (unsigned i = 0; i < sizeof buf; i++)
		buf[i] = (uint8_t)(i * 7);	/* as it is */
	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		int fd = open("/mnt/lie", O_RDWR);

		CHECK(fd >= 0);
		CHECK(pwrite(fd, buf, sizes[i], 0) == (ssize_t)sizes[i]);
		CHECK(pread(fd, buf, sizes[i], 0) == (ssize_t)sizes[i]);
		close(fd);
	}
}

/* Large aligned data comes as shared pages: what either side writes later is its own. */
static void
test_share(void)
{
	size_t n = 131072;
	uint8_t *a = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *b = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/mnt/data", O_RDWR), status;
	uint8_t old;
	pid_t pid;

	CHECK(fd >= 0 && a != MAP_FAILED && b != MAP_FAILED);
	for (int round = 0; round < 20; round++) {
		memset(a, 1, n / 2);
		CHECK(pread(fd, a, n, 4096) == (ssize_t)n && pread(fd, b, n, 4096) == (ssize_t)n);
		for (size_t i = 0; i < n; i++)
			CHECK(a[i] == (uint8_t)((4096 + i) * 7) && b[i] == a[i]);
		memset(a, 0xaa, n);
		pid = fork();
		if (pid == 0) {
			memset(b, 0xbb, n);
			CHECK(pread(fd, b, n, 0) == (ssize_t)n && b[5000] == (uint8_t)(5000 * 7));
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		CHECK(pread(fd, &old, 1, 9000) == 1 && old == (uint8_t)(9000 * 7));
		CHECK(pwrite(fd, "\x5a", 1, 9000) == 1);
		CHECK(b[9000 - 4096] == old && a[9000 - 4096] == 0xaa);
		CHECK(pread(fd, a, n, 4096) == (ssize_t)n && a[9000 - 4096] == 0x5a);
		CHECK(pwrite(fd, &old, 1, 9000) == 1);
		CHECK(a[9000 - 4096] == 0x5a && b[9000 - 4096] == old);
	}
	CHECK(munmap(a, n) == 0 && munmap(b, n) == 0);
	close(fd);
}

static void
test_errors(void)
{
	char text[SYS_ERRSTR_MAX];

	CHECK(open("/mnt/none", O_RDONLY) < 0 && errno == ENOENT);
	CHECK(open("/mnt/error", O_RDONLY) < 0 && errno == EACCES);
	CHECK(lux_call2(SYS_ERRSTR, LUX_ARG(text), sizeof text) > 0);
	CHECK(strcmp(text, "service: not this one") == 0);
	CHECK(mkdir("/mnt/dir", 0755) < 0 && errno == EOPNOTSUPP);
}

static void
on_alarm(int sig)
{
	(void)sig;
}

/* A client that gets a signal leaves with EINTR, the server told first; a killed one just goes. */
static void
test_interrupt(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	unsigned late = 0;
	int64_t t;
	int status;
	char c;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open("/mnt/hang", O_RDONLY);
		unsigned before = *flushes, hung = *hanging;
		pid_t me = getpid();

		CHECK(fd >= 0);
		CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
		if (fork() == 0) {
			while (*hanging == hung)
				usleep(1000);
			kill(me, SIGUSR1);
			_exit(0);
		}
		/* Natively: for a Linux program a file's read goes on after the handler. */
		CHECK(lux_call4(SYS_PREAD, fd, LUX_ARG(&c), 1, 0) == -EINTR);
		CHECK(*flushes == before + 1);
		close(fd);
		wait(&status);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	for (int i = 0; i < 50; i++) {
		unsigned before = *hanging;

		pid = fork();
		if (pid == 0) {
			int fd = open("/mnt/hang", O_RDONLY);

			pread(fd, &c, 1, 0);
			_exit(1);
		}
		while (*hanging == before)
			usleep(100);
		t = now();
		CHECK(kill(pid, SIGKILL) == 0);
		CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
		late += now() - t >= PROMPT_NS;
	}
	CHECK(late <= PAUSES);
}

/* Clients in the middle of requests get an error at once when the server ends, however it ends. */
static void
test_death(int sig)
{
	pid_t server = start_server(2), client[8];
	int status, fd = open("/mnt/data", O_RDONLY);
	unsigned before = *hanging;
	int64_t t;
	char c;

	CHECK(fd >= 0);
	for (int i = 0; i < 8; i++) {
		client[i] = fork();
		if (client[i] == 0) {
			int hang = open("/mnt/hang", O_RDONLY);

			CHECK(hang >= 0);
			CHECK(pread(hang, &c, 1, 0) < 0 && errno == EHOSTDOWN);
			_exit(0);
		}
	}
	while (*hanging < before + 8)
		usleep(100);
	t = now();
	CHECK(kill(server, sig) == 0);
	for (int i = 0; i < 8; i++)
		CHECK(waitpid(client[i], &status, 0) == client[i] && status == 0);
	CHECK(now() - t < AT_ONCE_NS);
	CHECK(pread(fd, &c, 1, 0) < 0 && errno == EHOSTDOWN);
	close(fd);
	CHECK(waitpid(server, &status, 0) == server);
	CHECK(lux_call2(SYS_UNMOUNT, 0, LUX_ARG("/mnt")) == 0);
	CHECK(open("/srv/test", O_RDWR) < 0 && errno == ENOENT);
}

/* What a server may get wrong is told to it and harms nobody. */
static void
test_lies(void)
{
	struct ipc_rep p = { .type = IPC_TREAD + 1, .tag = 12345 };
	struct ipc_req q;
	char buf[16];
	long r;
	int fd = open("/srv/lies", O_CREAT | O_RDWR, 0600), null = open("/dev/null", O_RDWR);

	CHECK(fd >= 0 && null >= 0);
	CHECK(lux_call6(SYS_SERVE, fd, LUX_ARG(&p), 0, 0, 0, 0) == -EINVAL);
	CHECK(lux_call6(SYS_SERVE, fd, 16, 0, 0, 0, 0) == -EFAULT);
	CHECK(lux_call6(SYS_SERVE, null, 0, LUX_ARG(&q), LUX_ARG(buf), 16, 0) == -EBADF);
	do	/* the note of a child's end may come in between */
		r = lux_call6(SYS_SERVE, fd, 0, LUX_ARG(&q), LUX_ARG(buf), 16, 1000000);
	while (r == -EINTR);
	CHECK(r == -ETIMEDOUT);
	p.type = 0;
	CHECK(lux_call6(SYS_SERVE, fd, LUX_ARG(&p), LUX_ARG(&q), LUX_ARG(buf), 16, -1) ==
	      -EHOSTDOWN);
	CHECK(open("/srv/lies", O_CREAT | O_EXCL | O_RDWR, 0600) < 0 && errno == EEXIST);
	close(fd);
	CHECK(open("/srv/lies", O_RDWR) < 0 && errno == ENOENT);
}

static void *
reader(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	uint8_t buf[5000];
	int fd = open("/mnt/data", O_RDONLY);

	CHECK(fd >= 0);
	for (int i = 0; i < 2000; i++) {
		unsigned off = (seed = seed * 1103515245 + 12345) >> 8 & 0x1ffff;
		unsigned n = seed >> 3 & 0xfff;

		CHECK(pread(fd, buf, n, off) == (ssize_t)n);
		for (unsigned k = 0; k < n; k += 97)
			CHECK(buf[k] == (uint8_t)((off + k) * 7));
	}
	close(fd);
	return NULL;
}

static void
test_many(void)
{
	pthread_t t[12];

	for (uintptr_t i = 0; i < 12; i++)
		CHECK(pthread_create(&t[i], NULL, reader, (void *)i) == 0);
	for (int i = 0; i < 12; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
}

int
main(void)
{
	_Atomic unsigned *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	CHECK(shared != MAP_FAILED);
	flushes = shared;
	clunks = shared + 1;
	hanging = shared + 2;
	store = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(store != MAP_FAILED);
	for (unsigned i = 0; i < SIZE; i++)
		store[i] = (uint8_t)(i * 7);
	for (int threads = 1; threads <= 3; threads += 2) {
		pid = start_server(threads);
		if (threads == 1)	/* so that it is known who takes the request */
			test_kernel_memory();
		test_data();
		test_pages();
		test_share();
		test_errors();
		test_interrupt();
		test_many();
		CHECK(*clunks > 0);
		end_server(pid, SIGTERM);
	}
	for (int i = 0; i < 20; i++)
		test_death(i % 2 ? SIGKILL : SIGSEGV);
	test_lies();
	return all_right("service");
}
