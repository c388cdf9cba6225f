/* A server of the tree in memory on one end of a socket pair, for the server's tests. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include <p9_client.h>
#include "memtree.h"

struct rig {
	struct mem_tree tree;
	struct p9_srv srv;
	int fd;				/* the client's end */
	struct p9_client *c;
	struct p9c_file *root;
};

static inline struct rig *
rig_new(const struct p9_srv_ops *ops, int nthreads)
{
	struct rig *g = calloc(1, sizeof *g);
	int fds[2];

	mem_init(&g->tree);
	g->srv.ops = ops;
	g->srv.aux = &g->tree;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(p9_srv_start(&g->srv, NULL, nthreads), 0);
	assert_int_equal(p9_srv_add_fd(&g->srv, fds[1]), 0);
	g->fd = fds[0];
	return g;
}

static inline void
rig_free(struct rig *g)
{
	if (g->c) {
		if (g->root)
			p9c_clunk(g->root);
		p9c_close(g->c);
	} else {
		close(g->fd);
	}
	p9_srv_stop(&g->srv);
	p9_srv_wait(&g->srv);
	assert_int_equal(g->tree.live, 0);	/* each fid was destroyed once */
	assert_int_equal(g->tree.nslow, 0);
	free(g);
}
