/*
 * See testing.h.
 */
#include "testing.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

enum { NTHREADS = 8, WAIT_MS = 60000, TEXT_MAX = 16384 };

void
blk_test_start(struct blk_test *t, struct blk_server *blk)
{
	char where[32];
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	snprintf(where, sizeof where, "fd!%d", fd[0]);
	t->srv = (struct p9_srv){ .ops = &blk_p9_ops, .aux = blk, .msize = P9_MSIZE_MAX };
	assert_int_equal(p9_srv_start(&t->srv, where, NTHREADS), 0);
	assert_int_equal(p9c_open(&t->client, fd[1], P9_2000L, P9_MSIZE_MAX, WAIT_MS), 0);
	assert_int_equal(p9c_attach(t->client, "none", P9_NOUID, "", &t->root), 0);
}

void
blk_test_stop(struct blk_test *t)
{
	p9c_clunk(t->root);
	p9c_close(t->client);
	p9_srv_stop(&t->srv);
	p9_srv_wait(&t->srv);
}

int
blk_test_open(struct blk_test *t, const char *path, uint32_t flags, struct p9c_file **f)
{
	int err = p9c_walk(t->root, path, f);

	if (err < 0)
		return err;
	err = p9c_file_open(*f, flags);
	if (err < 0)
		p9c_clunk(*f);
	return err;
}

struct p9c_file *
blk_test_opened(struct blk_test *t, const char *path, uint32_t flags)
{
	struct p9c_file *f = NULL;
	int err = blk_test_open(t, path, flags, &f);

	if (err < 0)
		fail_msg("%s: %s", path, strerror(-err));
	return f;
}

int64_t
blk_test_read(struct blk_test *t, const char *path, void *buf, size_t n, uint64_t off)
{
	struct p9c_file *f;
	int64_t r = blk_test_open(t, path, O_RDONLY, &f);

	if (r < 0)
		return r;
	r = p9c_read(f, buf, n, off);
	p9c_clunk(f);
	return r;
}

int64_t
blk_test_write(struct blk_test *t, const char *path, const void *buf, size_t n, uint64_t off)
{
	struct p9c_file *f;
	int64_t r = blk_test_open(t, path, O_WRONLY, &f);

	if (r < 0)
		return r;
	r = p9c_write(f, buf, n, off);
	p9c_clunk(f);
	return r;
}

int
blk_test_command(struct blk_test *t, const char *path, const char *text)
{
	int64_t n = blk_test_write(t, path, text, strlen(text), 0);

	return n < 0 ? (int)n : 0;
}

const char *
blk_test_text(struct blk_test *t, const char *path)
{
	static char text[TEXT_MAX];
	int64_t n = blk_test_read(t, path, text, sizeof text - 1, 0);

	if (n < 0)
		fail_msg("%s: %s", path, strerror((int)-n));
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

bool
blk_test_says(struct blk_test *t, const char *path, const char *what)
{
	return strstr(blk_test_text(t, path), what);
}
