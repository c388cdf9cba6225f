/* passfs over a directory of its own, on one end of a socket pair, for its tests. */
#pragma once
#include "pass.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <lux9/sys.h>

#include <cmocka.h>

struct rig {
	struct pass pass;
	struct sip_server server;
	char dir[64], path[512];
	int fd;				/* the client's end */
};

static inline const char *
below_path(struct rig *g, const char *name)
{
	snprintf(g->path, sizeof g->path, "%s/%s", g->dir, name);
	return g->path;
}

static inline int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/* Only the directory; nothing serves it. */
static inline struct rig *
rig_dir(void)
{
	struct rig *g = calloc(1, sizeof *g);

	umask(0);
	strcpy(g->dir, "/tmp/passfs-test.XX" "XX" "XX");
	assert_non_null(mkdtemp(g->dir));
	assert_int_equal(mkdir(below_path(g, "tree"), 0755), 0);
	return g;
}

static inline void
rig_dir_free(struct rig *g)
{
	assert_int_equal(nftw(g->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(g);
}

static inline struct rig *
rig_new(void)
{
	struct rig *g = rig_dir();
	int fds[2];

	below_path(g, "tree");
	assert_int_equal(pass_init(&g->pass, g->path), 0);
	g->server.priv = &g->pass;
	g->server.p9.ops = &pass_ops;
	g->server.p9.aux = &g->server;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(p9_srv_start(&g->server.p9, NULL, 8), 0);
	assert_int_equal(p9_srv_add_fd(&g->server.p9, fds[1]), 0);
	g->fd = fds[0];
	return g;
}

/* The client's end is closed.  Every node but the root's has gone, and so every descriptor. */
static inline void
rig_free(struct rig *g)
{
	p9_srv_stop(&g->server.p9);
	p9_srv_wait(&g->server.p9);
	assert_null(g->pass.held);
	assert_int_equal(g->pass.nreordered, 0);
	for (int i = 0, n = 0; i < PASS_BUCKETS; i++)
		for (struct pass_node *node = g->pass.bucket[i]; node; node = node->next)
			assert_int_equal(++n, 1);
	assert_int_equal(g->pass.root->refs, 1);
	pass_end(&g->pass);
	rig_dir_free(g);
}

static inline void
put_below(struct rig *g, const char *name, const char *text)
{
	int fd = open(below_path(g, name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline bool
is_below(struct rig *g, const char *name)
{
	return access(below_path(g, name), F_OK) == 0;
}
