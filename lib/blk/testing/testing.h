/*
 * What tests of disks under /dev/sd share: the tree of a struct blk_server, served to the test
 * itself over a pair of sockets.  What must not fail fails the test.
 */
#pragma once
#include "blk.h"
#include "p9_client.h"
#include "p9_srv.h"

struct blk_test {
	struct p9_srv srv;
	struct p9_client *client;
	struct p9c_file *root;
};

void blk_test_start(struct blk_test *t, struct blk_server *blk);
void blk_test_stop(struct blk_test *t);
/* Open, to be given back with p9c_clunk: 0, or a negative errno. */
int blk_test_open(struct blk_test *t, const char *path, uint32_t flags, struct p9c_file **f);
/* One that must be there. */
struct p9c_file *blk_test_opened(struct blk_test *t, const char *path, uint32_t flags);
/* How many bytes, or a negative errno; the file is opened for this. */
int64_t blk_test_read(struct blk_test *t, const char *path, void *buf, size_t n, uint64_t off);
int64_t
blk_test_write(struct blk_test *t, const char *path, const void *buf, size_t n, uint64_t off);
/* A command to a ctl file: 0, or a negative errno. */
int blk_test_command(struct blk_test *t, const char *path, const char *text);
/* The whole text of a file, which must be readable; valid until the next call. */
const char *blk_test_text(struct blk_test *t, const char *path);
bool blk_test_says(struct blk_test *t, const char *path, const char *what);
