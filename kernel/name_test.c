/*
 * The small devices that need nothing but memory: environment, pipes, services, the boot archive.
 */
#include "testing.h"

#include "dev/archive.h"
#include "dev/cons.h"
#include "env.h"
#include "fd.h"
#include "name.h"
#include "poll.h"
#include "service.h"
#include "syscall.h"

struct service {
	int servers, clients;
	uint32_t generation;
	bool recoverable;
};

static int services;

struct service *
service_new(void)
{
	struct service *s = kzalloc(sizeof(*s));

	if (s) {
		s->servers = 1;
		s->generation = 1;
		services++;
	}
	return s;
}

static void
service_drop(struct service *s)
{
	if (s->servers == 0 && s->clients == 0) {
		kfree(s);
		services--;
	}
}

bool
service_put_server(struct service *s, uint32_t generation)
{
	bool stays = s->recoverable;

	assert_int_equal(generation, s->generation);
	s->servers--;
	service_drop(s);
	return stays;
}

int64_t
service_take_over(struct service *s)
{
	if (!s->recoverable || s->servers > 0)
		return -EEXIST;
	s->servers++;
	return ++s->generation;
}

void
service_end(struct service *s)
{
	s->recoverable = false;
}

void
service_get_client(struct service *s)
{
	s->clients++;
}

void
service_put_client(struct service *s)
{
	s->clients--;
	service_drop(s);
}

int
mnt_attach(struct chan *service, const char *aname, uint64_t wait_ns, struct chan **out)
{
	(void)service;
	(void)aname;
	(void)wait_ns;
	(void)out;
	return -EINVAL;
}

bool
mnt_is(const struct chan *c, struct chan *service, const char *aname)
{
	(void)c;
	(void)service;
	(void)aname;
	return false;
}

bool
mnt_is_dead(const struct chan *c)
{
	(void)c;
	return false;
}

bool
cons_is_terminal(const struct chan *c)
{
	(void)c;
	return false;
}

const struct dev *
dev_find(const char *name, size_t n)
{
	static const struct dev *const devs[] = { &dev_env, &dev_srv, &dev_boot };

	for (size_t i = 0; i < ARRAY_LEN(devs); i++)
		if (strlen(devs[i]->name) == n && memcmp(devs[i]->name, name, n) == 0)
			return devs[i];
	return NULL;
}

unsigned
dev_number(const struct dev *d)
{
	(void)d;
	return 1;
}

#define CALL(f, ...) f((const uint64_t[6]){ __VA_ARGS__ })

static uint64_t
u(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static int
open_(const char *path, uint32_t flags)
{
	return (int)CALL(sys_open, (uint64_t)SYS_CWD, u(path), flags, 0666);
}

static int64_t
rd(int fd, void *buf, size_t n)
{
	return CALL(sys_pread, (uint64_t)fd, u(buf), n, UINT64_MAX);
}

static int64_t
wr(int fd, const void *buf, size_t n)
{
	return CALL(sys_pwrite, (uint64_t)fd, u(buf), n, UINT64_MAX);
}

static void
cl(int fd)
{
	assert_int_equal(CALL(sys_close, (uint64_t)fd), 0);
}

static int
setup(void **state)
{
	(void)state;
	test_allocations = -1;
	test_note[0] = '\0';
	test_proc.ns = ns_new();
	test_proc.fds = fdtable_new();
	test_proc.env = env_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fdtable_put(test_proc.fds);
	env_put(test_proc.env);
	ns_put(test_proc.ns);
	assert_int_equal(services, 0);
	return 0;
}

static void
test_env(void **state)
{
	char buf[32], *big;
	int fd = open_("#env/HOME", SYS_O_CREAT | SYS_O_RDWR), old;
	struct env *copy, *mine = test_proc.env;
	struct sys_stat st;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(wr(fd, "/usr/x", 6), 6);
	assert_int_equal(CALL(sys_stat, (uint64_t)SYS_CWD, u("#env/HOME"), u(&st), 0), 0);
	assert_int_equal(st.size, 6);
	assert_int_equal(CALL(sys_pread, (uint64_t)fd, u(buf), 32, 1), 5);
	assert_memory_equal(buf, "usr/x", 5);
	assert_int_equal(open_("#env/HOME", SYS_O_CREAT | SYS_O_EXCL), -EEXIST);
	assert_int_equal(open_("#env/NONE", 0), -ENOENT);
	copy = env_copy(mine);
	old = open_("#env/HOME", SYS_O_TRUNC | SYS_O_WRONLY);
	assert_int_equal(rd(fd, buf, 32), 0);
	test_proc.env = copy;
	assert_int_equal(CALL(sys_pread, (uint64_t)fd, u(buf), 32, 0), 6);
	test_proc.env = mine;
	env_put(copy);
	/* A hole is zeros; too much is an error. */
	assert_int_equal(CALL(sys_pwrite, (uint64_t)fd, u("z"), 1, 3), 1);
	assert_int_equal(CALL(sys_pread, (uint64_t)fd, u(buf), 32, 0), 4);
	assert_memory_equal(buf, "\0\0\0z", 4);
	big = calloc(1, 65537);
	assert_int_equal(CALL(sys_pwrite, (uint64_t)fd, u(big), 65537, 0), -EFBIG);
	assert_int_equal(CALL(sys_pwrite, (uint64_t)fd, u(big), 65536, 0), 65536);
	assert_int_equal(CALL(sys_pwrite, (uint64_t)fd, u(big), 2, 65535), -EFBIG);
	assert_int_equal(CALL(sys_pwrite, (uint64_t)fd, u(big), 1, INT64_MAX - 1), -EFBIG);
	free(big);
	assert_int_equal(CALL(sys_unlink, (uint64_t)SYS_CWD, u("#env/HOME"), 0), 0);
	assert_int_equal(CALL(sys_unlink, (uint64_t)SYS_CWD, u("#env/HOME"), 0), -ENOENT);
	assert_int_equal(rd(fd, buf, 32), -ENOENT);
	cl(old);
	cl(fd);
}

static void
test_env_list(void **state)
{
	char name[32], buf[256];
	int fd, count = 0;
	int64_t n;

	(void)state;
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "#env/var%d", i);
		fd = open_(name, SYS_O_CREAT | SYS_O_WRONLY);
		assert_int_equal(wr(fd, name, 5), 5);
		cl(fd);
	}
	fd = open_("#env", 0);
	while ((n = CALL(sys_readdir, (uint64_t)fd, u(buf), sizeof(buf))) > 0)
		for (int64_t at = 0; at < n; count++)
			at += ((struct sys_dirent *)(buf + at))->reclen;
	assert_int_equal(count, 30);
	assert_int_equal(CALL(sys_readdir, (uint64_t)fd, u(buf), 8), 0);
	cl(fd);
}

static void
pipe_(int fd[2], uint32_t flags)
{
	int32_t f[2];

	assert_int_equal(CALL(sys_pipe, u(f), flags), 0);
	fd[0] = f[0];
	fd[1] = f[1];
}

static void
test_pipe(void **state)
{
	char buf[16];
	int fd[2];

	(void)state;
	pipe_(fd, 0);
	assert_int_equal(CALL(sys_fdctl, (uint64_t)fd[0], SYS_FD_KIND), SYS_KIND_PIPE);
	assert_int_equal(CALL(sys_seek, (uint64_t)fd[0], 0, 1), -ESPIPE);
	assert_int_equal(wr(fd[1], "hello", 5), 5);
	assert_int_equal(wr(fd[1], "world", 5), 5);
	assert_int_equal(rd(fd[0], buf, 3), 3);
	assert_int_equal(rd(fd[0], buf, 16), 7);
	assert_memory_equal(buf, "loworld", 7);
	assert_int_equal(wr(fd[0], "back", 4), 4);	/* both ways */
	assert_int_equal(rd(fd[1], buf, 16), 4);
	assert_int_equal(wr(fd[1], "rest", 4), 4);
	assert_int_equal(CALL(sys_pread, (uint64_t)fd[0], 8, 4, UINT64_MAX), -EFAULT);
	cl(fd[1]);
	assert_int_equal(rd(fd[0], buf, 16), 4);	/* a bad address loses nothing */
	assert_int_equal(rd(fd[0], buf, 16), 0);
	assert_int_equal(wr(fd[0], "x", 1), -EPIPE);
	assert_string_equal(test_note, "sys: pipe");
	cl(fd[0]);
}

static void
test_pipe_full(void **state)
{
	char *big = calloc(1, 70000), buf[4096];
	int fd[2];

	(void)state;
	pipe_(fd, SYS_O_NONBLOCK);
	assert_int_equal(rd(fd[0], buf, 1), -EAGAIN);
	assert_int_equal(wr(fd[1], big, 70000), 65536);
	assert_int_equal(wr(fd[1], big, 1), -EAGAIN);
	assert_int_equal(rd(fd[0], buf, 4095), 4095);
	assert_int_equal(wr(fd[1], big, 4096), -EAGAIN);	/* all or nothing */
	assert_int_equal(wr(fd[1], big, 4095), 4095);
	assert_int_equal(wr(fd[1], big, 0), 0);
	cl(fd[0]);
	cl(fd[1]);
	/* Short of memory: one page will do. */
	pipe_(fd, SYS_O_NONBLOCK);
	test_allocations = 0;
	assert_int_equal(wr(fd[1], big, 5000), 4096);
	assert_int_equal(wr(fd[1], big, 1), -EAGAIN);
	assert_int_equal(rd(fd[0], buf, 4096), 4096);
	assert_int_equal(wr(fd[1], big, 4096), 4096);
	for (long k = 0; k < 3; k++) {
		struct chan *end[2];

		test_allocations = k;
		assert_int_equal(pipe_new(end), -ENOMEM);
	}
	test_allocations = -1;
	free(big);
	cl(fd[0]);
	cl(fd[1]);
}

#define STREAM 1000000

static void *
stream_writer(void *arg)
{
	struct chan *c = arg;
	uint8_t buf[5000];
	size_t at = 0, n;

	for (size_t k = 1; at < STREAM; at += n, k = k * 7 % 4999 + 1) {
		n = MIN(k, (size_t)STREAM - at);
		for (size_t i = 0; i < n; i++)
			buf[i] = (uint8_t)((at + i) * 31 >> 3);
		struct uio w = { (char *)buf, n, false };

		if (chan_write(c, &w, 0) != (int64_t)n)
			abort();
	}
	chan_put(c);
	return NULL;
}

static void
test_pipe_stream(void **state)
{
	struct chan *end[2];
	size_t at = 0;
	pthread_t t;

	(void)state;
	assert_int_equal(pipe_new(end), 0);
	assert_int_equal(pthread_create(&t, NULL, stream_writer, end[1]), 0);
	for (;;) {
		uint8_t buf[3001];
		struct uio r = { (char *)buf, sizeof(buf), false };
		int64_t n = chan_read(end[0], &r, 0);

		assert_true(n >= 0);
		if (n == 0)
			break;
		for (int64_t i = 0; i < n; i++)
			assert_int_equal(buf[i], (uint8_t)((at + (size_t)i) * 31 >> 3));
		at += (size_t)n;
	}
	assert_int_equal(at, STREAM);
	pthread_join(t, NULL);
	chan_put(end[0]);
}

#define RECORDS 3000

static void *
record_writer(void *arg)
{
	struct chan *c = arg;
	uint32_t record[64];

	for (uint32_t i = 0; i < RECORDS; i++) {
		for (int k = 0; k < 64; k++)
			record[k] = i;
		struct uio w = { (char *)record, sizeof(record), false };

		if (chan_write(c, &w, 0) != sizeof(record))
			abort();
	}
	chan_put(c);
	return NULL;
}

/* Small writes of two writers are not mixed. */
static void
test_pipe_atomic(void **state)
{
	struct chan *end[2];
	pthread_t t[2];
	int count = 0;

	(void)state;
	assert_int_equal(pipe_new(end), 0);
	chan_get(end[1]);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, record_writer, end[1]), 0);
	for (;; count++) {
		uint32_t record[64];

		struct uio r = { (char *)record, sizeof(record), false };
		int64_t n = chan_read(end[0], &r, 0);

		if (n == 0)
			break;
		while (n < (int64_t)sizeof(record)) {
			int64_t m = chan_read(end[0], &r, 0);

			assert_true(m > 0);
			n += m;
		}
		for (int k = 1; k < 64; k++)
			assert_int_equal(record[k], record[0]);
	}
	assert_int_equal(count, 2 * RECORDS);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	chan_put(end[0]);
}

static void
test_poll(void **state)
{
	struct sys_poll f[3];
	int fd[2];

	(void)state;
	pipe_(fd, 0);
	f[0] = (struct sys_poll){ fd[0], POLLIN, 9 };
	f[1] = (struct sys_poll){ fd[1], POLLIN, 9 };
	f[2] = (struct sys_poll){ -1, POLLIN, 9 };
	assert_int_equal(CALL(sys_poll, u(f), 3, 0), 0);
	assert_int_equal(f[0].revents | f[1].revents | f[2].revents, 0);
	assert_int_equal(CALL(sys_poll, u(f), 3, 1000), 0);
	wr(fd[1], "x", 1);
	f[1].events = POLLOUT;
	assert_int_equal(CALL(sys_poll, u(f), 3, (uint64_t)SYS_FOREVER), 2);
	assert_int_equal(f[0].revents, POLLIN);
	assert_int_equal(f[1].revents, POLLOUT);
	cl(fd[1]);
	assert_int_equal(CALL(sys_poll, u(f), 3, (uint64_t)SYS_FOREVER), 2);
	assert_int_equal(f[0].revents, POLLIN | POLLHUP);
	assert_int_equal(f[1].revents, POLLNVAL);
	assert_int_equal(CALL(sys_poll, u(f), FD_MAX + 1, 0), -EINVAL);
	assert_int_equal(CALL(sys_poll, 8, 1, 0), -EFAULT);
	cl(fd[0]);
}

/* Files that count who looks at them.  1 and 2 have different hashes. */
static uint32_t looks[3], level[3];

static int
counted_poll(struct chan *c, struct poller *p)
{
	poll_on(p, c->aux2);
	__atomic_add_fetch(&looks[c->aux2], 1, __ATOMIC_SEQ_CST);
	return (int)__atomic_load_n(&level[c->aux2], __ATOMIC_SEQ_CST);
}

static const struct dev dev_counted = { .name = "counted", .poll = counted_poll };

static void *
one_poll(void *arg)
{
	struct sys_poll f = { *(int *)arg, POLLIN, 0 };

	assert_int_equal(CALL(sys_poll, u(&f), 1, (uint64_t)SYS_FOREVER), 1);
	return NULL;
}

static void
looked(unsigned thing, uint32_t n)
{
	while (__atomic_load_n(&looks[thing], __ATOMIC_SEQ_CST) < n)
		usleep(100);
}

/* Who waits looks again when its own file changes, and not for others'. */
static void
test_poll_own(void **state)
{
	pthread_t t[3];
	int fd[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct chan *c = chan_new(&dev_counted);
		unsigned thing = i == 0 ? 1 : i;

		c->aux2 = thing;
		looks[thing] = level[thing] = 0;
		fd[i] = fd_install(c, 0, false);
		assert_true(fd[i] >= 0);
	}
	assert_int_equal(pthread_create(&t[0], NULL, one_poll, &fd[0]), 0);
	looked(1, 2);			/* the second as one who waits */
	assert_int_equal(pthread_create(&t[1], NULL, one_poll, &fd[1]), 0);
	assert_int_equal(pthread_create(&t[2], NULL, one_poll, &fd[2]), 0);
	looked(1, 4);
	looked(2, 2);
	for (uint32_t i = 0; i < 100; i++) {
		poll_notify(2);
		looked(2, 3 + i);
	}
	usleep(20000);
	assert_int_equal(looks[1], 4);
	poll_notify(1);			/* both, for nothing */
	looked(1, 6);
	level[1] = POLLIN;
	poll_notify(1);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(looks[1], 8);
	assert_int_equal(looks[2], 102);
	level[2] = POLLIN;
	poll_notify(2);
	pthread_join(t[2], NULL);
	poll_notify(1);			/* nobody is left in the list */
	for (int i = 0; i < 3; i++)
		cl(fd[i]);
}

/* Two bounce a byte, each by polling: no change is missed. */
#define BOUNCES 20000

struct bouncer {
	int in, out;
};

static void *
bounce(void *arg)
{
	const struct bouncer *b = arg;
	char c;

	for (int i = 0; i < BOUNCES; i++) {
		struct sys_poll f = { b->in, POLLIN, 0 };

		assert_int_equal(CALL(sys_poll, u(&f), 1, (uint64_t)SYS_FOREVER), 1);
		assert_int_equal(rd(b->in, &c, 1), 1);
		assert_int_equal(wr(b->out, &c, 1), 1);
	}
	return NULL;
}

static void
test_poll_bounce(void **state)
{
	int fd[2];
	char c;

	(void)state;
	pipe_(fd, 0);
	struct bouncer b[2] = { { fd[0], fd[0] }, { fd[1], fd[1] } };
	pthread_t t[2];

	assert_int_equal(wr(fd[0], "x", 1), 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, bounce, &b[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(rd(fd[1], &c, 1), 1);
	cl(fd[0]);
	cl(fd[1]);
}

static void
test_srv(void **state)
{
	char buf[4];
	uint32_t generation;
	int fd, client;
	struct chan *c;
	struct service *s;

	(void)state;
	assert_int_equal(open_("#srv/fs", SYS_O_CREAT | SYS_O_WRONLY), -EINVAL);
	assert_int_equal(open_("#srv/fs", SYS_O_RDWR), -ENOENT);
	fd = open_("#srv/fs", SYS_O_CREAT | SYS_O_RDWR | SYS_O_EXCL);
	assert_true(fd >= 0);
	assert_int_equal(open_("#srv/fs", SYS_O_CREAT | SYS_O_RDWR | SYS_O_EXCL), -EEXIST);
	client = open_("#srv/fs", SYS_O_RDWR);
	assert_int_equal(rd(client, buf, 4), -EINVAL);
	assert_int_equal(wr(fd, buf, 4), -EINVAL);
	c = fd_get(fd);
	s = srv_service(c, &generation);
	assert_non_null(s);
	assert_int_equal(generation, 1);
	chan_put(c);
	c = fd_get(client);
	assert_ptr_equal(srv_service(c, &generation), s);
	assert_int_equal(generation, 0);
	assert_int_equal(s->clients, 1);
	chan_put(c);
	cl(fd);
	assert_int_equal(open_("#srv/fs", SYS_O_RDWR), -ENOENT);
	assert_int_equal(services, 1);		/* the client still holds it */
	fd = open_("#srv/fs", SYS_O_CREAT | SYS_O_RDWR);
	assert_int_equal(services, 2);
	cl(client);
	assert_int_equal(CALL(sys_unlink, (uint64_t)SYS_CWD, u("#srv/fs"), 0), 0);
	assert_int_equal(open_("#srv/fs", SYS_O_RDWR), -ENOENT);
	cl(fd);
}

/* A name whose service waits for a successor stays, and is taken over once. */
static void
test_srv_take_over(void **state)
{
	int fd = open_("#srv/fs", SYS_O_CREAT | SYS_O_RDWR | SYS_O_EXCL), next;
	struct chan *c = fd_get(fd);
	uint32_t generation;
	struct service *s = srv_service(c, &generation);

	(void)state;
	assert_int_equal(open_("#srv/fs", SYS_O_TRUNC | SYS_O_RDWR), -EEXIST);
	s->recoverable = true;
	s->clients++;			/* a mount */
	chan_put(c);
	cl(fd);
	next = open_("#srv/fs", SYS_O_TRUNC | SYS_O_RDWR);
	assert_true(next >= 0);
	c = fd_get(next);
	assert_ptr_equal(srv_service(c, &generation), s);
	assert_int_equal(generation, 2);
	chan_put(c);
	assert_int_equal(open_("#srv/fs", SYS_O_TRUNC | SYS_O_RDWR), -EEXIST);
	s->recoverable = false;
	cl(next);
	assert_int_equal(open_("#srv/fs", SYS_O_RDWR), -ENOENT);
	service_put_client(s);
}

static void
test_srv_mode(void **state)
{
	int fd = (int)CALL(sys_open, (uint64_t)SYS_CWD, u("#srv/own"), SYS_O_CREAT | SYS_O_RDWR,
			   0600);

	(void)state;
	test_proc.uid = 5;
	assert_int_equal(open_("#srv/own", SYS_O_RDWR), -EACCES);
	assert_int_equal(CALL(sys_unlink, (uint64_t)SYS_CWD, u("#srv/own"), 0), -EACCES);
	test_proc.uid = 0;
	cl(fd);
}

static size_t
put_header(uint8_t *h, const char *name, char type, const char *data)
{
	size_t n = strlen(data);
	unsigned sum = 0;

	memset(h, 0, 512 + (n + 511) / 512 * 512);
	strcpy((char *)h, name);
	snprintf((char *)h + 100, 8, "%07o", 0755);
	snprintf((char *)h + 124, 12, "%011o", (unsigned)n);
	snprintf((char *)h + 136, 12, "%011o", 1234u);
	memcpy(h + 257, "ustar\00000", 8);
	h[156] = (uint8_t)type;
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
	memcpy(h + 512, data, n);
	return 512 + (n + 511) / 512 * 512;
}

static uint8_t archive[20 * 512];

static void
test_boot(void **state)
{
	struct sys_stat st;
	char buf[64];
	size_t n = 0;
	int fd;

	(void)state;
	n += put_header(archive + n, "./init.conf", '0', "sipd &\n");
	n += put_header(archive + n, "bin/sh", '0', "#!");
	n += put_header(archive + n, "../evil", '0', "x");
	n += put_header(archive + n, "init.conf/below", '0', "x");
	n += put_header(archive + n, "dir/", '5', "");
	n += put_header(archive + n, "lnk", '2', "");
	n += put_header(archive + n, "bin/sh", '0', "#!/new");
	n += put_header(archive + n, "cut", '0', "0123456789");
	boot_archive_set(archive, n - 512 + 5);
	fd = open_("#boot/bin/sh", 0);
	assert_int_equal(rd(fd, buf, 64), 6);
	assert_memory_equal(buf, "#!/new", 6);
	assert_int_equal(rd(fd, buf, 64), 0);
	cl(fd);
	fd = open_("#boot/init.conf", 0);
	assert_int_equal(rd(fd, buf, 64), 7);
	cl(fd);
	assert_int_equal(open_("#boot/init.conf/below", 0), -ENOTDIR);
	assert_int_equal(open_("#boot/evil", 0), -ENOENT);
	assert_int_equal(open_("#boot/lnk", 0), -ENOENT);
	assert_int_equal(open_("#boot/cut", 0), -ENOENT);
	assert_int_equal(open_("#boot/bin/sh", SYS_O_WRONLY), -EROFS);
	assert_int_equal(CALL(sys_stat, (uint64_t)SYS_CWD, u("#boot/bin"), u(&st), 0), 0);
	assert_int_equal(st.mode, 0040555);
	assert_int_equal(CALL(sys_stat, (uint64_t)SYS_CWD, u("#boot/bin/sh"), u(&st), 0), 0);
	assert_int_equal(st.mode, 0100555);
	assert_int_equal(st.mtime.sec, 1234);
	fd = open_("#boot", 0);
	assert_int_equal(CALL(sys_readdir, (uint64_t)fd, u(buf), sizeof(buf)), 56);
	assert_int_equal(CALL(sys_readdir, (uint64_t)fd, u(buf), sizeof(buf)), 24);
	assert_int_equal(CALL(sys_readdir, (uint64_t)fd, u(buf), sizeof(buf)), 0);
	cl(fd);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_env), TEST(test_env_list), TEST(test_pipe), TEST(test_pipe_full),
		TEST(test_pipe_stream), TEST(test_pipe_atomic), TEST(test_poll), TEST(test_poll_own),
		TEST(test_poll_bounce), TEST(test_srv),
		TEST(test_srv_take_over), TEST(test_srv_mode), TEST(test_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
