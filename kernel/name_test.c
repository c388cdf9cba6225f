/*
 * The small devices that need nothing but memory: environment, pipes, services, the boot archive.
 */
#include "testing/services.h"

#include "dev/archive.h"
#include "env.h"
#include "fd.h"
#include "service.h"
#include "testing/calls.h"
#include "testing/devices.h"

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

static const struct dev *const devs[] = { &dev_env, &dev_srv, &dev_boot, NULL };

static int
setup(void **state)
{
	(void)state;
	test_devs = devs;
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
		TEST(test_pipe_stream), TEST(test_pipe_atomic), TEST(test_srv),
		TEST(test_srv_take_over), TEST(test_srv_mode), TEST(test_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
