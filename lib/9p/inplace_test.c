/*
 * The server in place, lib/os/lux9/serve.c, over a kernel that is played here: requests are handed
 * to SYS_SERVE and answers taken from it, with and without a wait for the next.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <lux9/calls.h>
#include "memtree.h"

#define TAGS 64

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct ipc_req queue[TAGS];
	const void *bulk[TAGS];
	int nqueue, combined, alone;
	bool ended;
	struct {
		bool used, done;
		struct ipc_rep rep;
		uint8_t data[70000];
	} tag[TAGS];
} k = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* The kernel's end of an answer; k.lock is held. */
static long
take_reply(const struct ipc_rep *rep)
{
	if (rep->type == 0) {
		k.ended = true;
	} else {
		if (rep->tag >= TAGS || !k.tag[rep->tag].used || k.tag[rep->tag].done)
			return -EINVAL;
		k.tag[rep->tag].rep = *rep;
		assert_true(rep->length <= sizeof k.tag[0].data);
		if (rep->length)
			memcpy(k.tag[rep->tag].data, rep->data, rep->length);
		k.tag[rep->tag].done = true;
	}
	pthread_cond_broadcast(&k.changed);
	return 0;
}

static long
play_serve(const struct ipc_rep *rep, struct ipc_req *req, void *buf, size_t n)
{
	long rc = 0;

	pthread_mutex_lock(&k.lock);
	if (rep) {
		rc = take_reply(rep);
		*(req ? &k.combined : &k.alone) += 1;
	}
	while (req && rc == 0 && !k.nqueue && !k.ended)
		pthread_cond_wait(&k.changed, &k.lock);
	if (rc == 0 && k.ended) {
		rc = -EHOSTDOWN;
	} else if (req && rc == 0) {
		*req = k.queue[--k.nqueue];
		assert_true(req->length <= n);
		if (req->length)
			memcpy(buf, k.bulk[k.nqueue], req->length);
	}
	pthread_mutex_unlock(&k.lock);
	return rc;
}

static long
play_call6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)f;
	assert_int_equal(number, SYS_SERVE);
	return play_serve((const void *)b, (void *)c, (void *)d, (size_t)e);
}

static int
play_open(const char *path, int flags, uint32_t mode)
{
	(void)mode;
	assert_string_equal(path, "/srv/test");
	assert_true(flags & O_CREAT);
	return dup(0);
}

#define lux_call6 play_call6
#define os_open play_open
#include "../os/lux9/serve.c"

/* --- the client's side -------------------------------------------------------------------- */

static uint32_t
post(struct ipc_req *q, const void *bulk)
{
	uint32_t tag;

	pthread_mutex_lock(&k.lock);
	for (tag = 0; k.tag[tag].used; tag++)
		assert_true(tag < TAGS - 1);
	memset(&k.tag[tag], 0, sizeof k.tag[tag]);
	k.tag[tag].used = true;
	q->tag = tag;
	k.bulk[k.nqueue] = bulk;
	k.queue[k.nqueue++] = *q;
	pthread_cond_broadcast(&k.changed);
	pthread_mutex_unlock(&k.lock);
	return tag;
}

/* The errno of the answer, or 0; its tag stays valid until the next call. */
static unsigned
await_reply(uint32_t tag, unsigned type)
{
	pthread_mutex_lock(&k.lock);
	while (!k.tag[tag].done)
		pthread_cond_wait(&k.changed, &k.lock);
	k.tag[tag].used = false;
	pthread_mutex_unlock(&k.lock);
	if (k.tag[tag].rep.type == IPC_RLERROR) {
		assert_true(k.tag[tag].rep.length > 0);
		return k.tag[tag].rep.error;
	}
	assert_int_equal(k.tag[tag].rep.type, type + 1);
	return 0;
}

static uint32_t last;

static unsigned
call_in_place(struct ipc_req q, const void *bulk, size_t n)
{
	q.length = (uint32_t)n;
	last = post(&q, bulk);
	return await_reply(last, q.type);
}

#define ASK(bulk, n, ...) call_in_place((struct ipc_req){ __VA_ARGS__ }, bulk, n)

static struct mem_tree tree;
static struct p9_srv srv = { .ops = &mem_ops, .aux = &tree };

static int
start(void **state)
{
	(void)state;
	mem_init(&tree);
	k.ended = false;
	assert_int_equal(p9_srv_start(&srv, "test", 3), 0);
	assert_int_equal(ASK("\0\0\0\0", 4, .type = IPC_TATTACH, .newfid = P9_NOFID), 0);
	return 0;
}

static int
finish(void **state)
{
	(void)state;
	assert_int_equal(ASK(NULL, 0, .type = IPC_TCLUNK), 0);
	p9_srv_stop(&srv);
	p9_srv_wait(&srv);
	assert_int_equal(tree.live, 0);
	return 0;
}

static void
test_files(void **state)
{
	static const char two[] = "\1\0a\1\0b", three[] = "\1\0a\1\0b\1\0c";
	uint8_t big[5000] = { 1, 2, 3 };
	struct ipc_attr *a;
	int alone;

	(void)state;
	assert_int_equal(ASK("\1\0a", 3, .type = IPC_TMKDIR, .mode = 0755), 0);
	assert_int_equal(ASK(two, 3, .type = IPC_TWALK, .newfid = 1, .count = 1), 0);
	assert_int_equal(ASK("\1\0b", 3, .type = IPC_TLCREATE, .fid = 1, .flags = O_RDWR,
		.mode = 0644), 0);
	assert_int_equal(ASK(big, sizeof big, .type = IPC_TWRITE, .fid = 1), 0);
	assert_int_equal(k.tag[last].rep.count, sizeof big);
	alone = k.alone;
	assert_int_equal(ASK(NULL, 0, .type = IPC_TREAD, .fid = 1, .count = 3), 0);
	assert_int_equal(k.tag[last].rep.length, 3);
	assert_memory_equal(k.tag[last].data, big, 3);
	assert_int_equal(k.alone, alone);		/* it went with the next wait */
	assert_int_equal(ASK(NULL, 0, .type = IPC_TREAD, .fid = 1, .count = 9999), 0);
	assert_int_equal(k.tag[last].rep.length, sizeof big);
	assert_memory_equal(k.tag[last].data, big, sizeof big);
	assert_int_equal(k.alone, alone + 1);		/* too large to copy twice */
	assert_int_equal(ASK(NULL, 0, .type = IPC_TGETATTR, .fid = 1), 0);
	a = (void *)k.tag[last].data;
	assert_int_equal(k.tag[last].rep.length, sizeof *a);
	assert_int_equal(a->size, sizeof big);
	assert_int_equal(ASK(two, 6, .type = IPC_TWALK, .newfid = 2, .count = 2), 0);
	assert_int_equal(k.tag[last].rep.count, 2);
	assert_int_equal(k.tag[last].rep.length, 2 * sizeof(struct ipc_qid));
	assert_int_equal(ASK(three, 9, .type = IPC_TWALK, .newfid = 3, .count = 3), 0);
	assert_int_equal(k.tag[last].rep.count, 2);	/* no fid 3 */
	assert_int_equal(ASK(NULL, 0, .type = IPC_TCLUNK, .fid = 3), EBADF);
	assert_int_equal(ASK(NULL, 0, .type = IPC_TCLUNK, .fid = 2), 0);
	assert_int_equal(ASK(NULL, 0, .type = IPC_TCLUNK, .fid = 1), 0);
}

static void
test_errors(void **state)
{
	(void)state;
	assert_int_equal(ASK(NULL, 0, .type = 99), EOPNOTSUPP);
	assert_int_equal(ASK(NULL, 0, .type = 0x1074), EOPNOTSUPP);
	assert_int_equal(ASK(NULL, 0, .type = IPC_TREAD, .fid = 0), EBADF);
	assert_int_equal(ASK(NULL, 0, .type = IPC_TREAD, .fid = 77), EBADF);
	assert_int_equal(ASK("\5\0a", 3, .type = IPC_TMKDIR), EINVAL);
	assert_int_equal(ASK("\3\0a/b", 5, .type = IPC_TMKDIR), EINVAL);
	assert_int_equal(ASK("abc", 3, .type = IPC_TSETATTR), EINVAL);
	assert_int_equal(ASK(NULL, 0, .type = IPC_TWALK, .newfid = 5, .count = 17), EINVAL);
	assert_int_equal(ASK("\4\0none", 6, .type = IPC_TWALK, .newfid = 5, .count = 1), ENOENT);
}

static void
test_flush(void **state)
{
	struct ipc_req slow = { .type = IPC_TREAD, .fid = 1, .count = 4 };
	uint32_t tag, other;

	(void)state;
	assert_int_equal(ASK(NULL, 0, .type = IPC_TWALK, .newfid = 1), 0);
	assert_int_equal(ASK("\4\0slow", 6, .type = IPC_TLCREATE, .fid = 1, .flags = O_RDWR), 0);
	for (int i = 0; i < 50; i++) {
		tag = post(&slow, NULL);
		if (i % 2)
			while (!tree.nslow)
				sched_yield();
		assert_int_equal(ASK(NULL, 0, .type = IPC_TFLUSH, .newfid = tag), 0);
		if (i % 2 == 0)			/* the flush may have come first */
			mem_release(&tree);
		while (!k.tag[tag].done && i % 2 == 0)
			mem_release(&tree);
		assert_int_equal(await_reply(tag, IPC_TREAD), i % 2 ? EINTR :
			k.tag[tag].rep.error);
	}
	tag = post(&slow, NULL);
	other = post(&slow, NULL);
	assert_int_equal(ASK(NULL, 0, .type = IPC_TGETATTR, .fid = 1), 0);
	while (tree.nslow < 2)
		sched_yield();
	assert_int_equal(mem_release(&tree), 2);
	assert_int_equal(await_reply(tag, IPC_TREAD), 0);
	assert_int_equal(await_reply(other, IPC_TREAD), 0);
	assert_memory_equal(k.tag[other].data, "slow", 4);
	assert_int_equal(ASK(NULL, 0, .type = IPC_TCLUNK, .fid = 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files, start, finish),
		cmocka_unit_test_setup_teardown(test_errors, start, finish),
		cmocka_unit_test_setup_teardown(test_flush, start, finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
