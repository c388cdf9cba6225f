/* Record locks: who is in whose way, and what is left of a range when another is cut out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve.h"

enum { READ, WRITE, UNLOCK };

static struct ext4_locks t;
static const int fid_a, fid_b;

static uint32_t
set(uint32_t pid, uint32_t type, uint64_t start, uint64_t length)
{
	struct ipc_lock l = {.type = type, .start = start, .length = length, .pid = pid,
	    .client = "c"};

	return ext4_lock(&t, 12, pid == 1 ? &fid_a : &fid_b, &l);
}

/* The type of the lock in the way of process 9, which wants to write one byte. */
static uint32_t
at(uint64_t byte, struct ipc_lock *out)
{
	struct ipc_lock l = {.type = WRITE, .start = byte, .length = 1, .pid = 9, .client = "c"};

	ext4_getlock(&t, 12, &l, out);
	return out->type;
}

static void
sharing(void **state)
{
	struct ipc_lock out, other = {.type = WRITE, .pid = 2, .client = "c"};

	(void)state;
	assert_int_equal(EXT4_LOCK_DONE, set(1, READ, 0, 100));
	assert_int_equal(EXT4_LOCK_DONE, set(2, READ, 50, 100));
	assert_int_equal(EXT4_LOCK_BLOCKED, set(2, WRITE, 50, 100));
	assert_int_equal(EXT4_LOCK_DONE, set(2, WRITE, 100, 1));
	assert_int_equal(EXT4_LOCK_BLOCKED, set(1, READ, 0, 0));	/* to the end */
	assert_int_equal(EXT4_LOCK_DONE, ext4_lock(&t, 13, &fid_b, &other));	/* another file */
	assert_int_equal(EXT4_LOCK_ERROR, set(1, 3, 0, 1));
	memcpy(other.client, "d", 2);
	other.pid = 1;		/* the same number on another machine is another owner */
	assert_int_equal(EXT4_LOCK_BLOCKED, ext4_lock(&t, 12, &fid_b, &other));
	assert_int_equal(WRITE, at(100, &out));
	assert_int_equal(2, out.pid);
	assert_int_equal(100, out.start);
	assert_int_equal(1, out.length);
	ext4_unlock_all(&t, &fid_b);
	assert_int_equal(UNLOCK, at(100, &out));
	assert_int_equal(READ, at(99, &out));
	ext4_unlock_all(&t, NULL);
	assert_int_equal(0, t.n);
}

static void
splitting(void **state)
{
	struct ipc_lock out;

	(void)state;
	assert_int_equal(EXT4_LOCK_DONE, set(1, WRITE, 0, 0));
	assert_int_equal(EXT4_LOCK_DONE, set(1, UNLOCK, 10, 10));
	assert_int_equal(2, t.n);
	assert_int_equal(WRITE, at(9, &out));
	assert_int_equal(10, out.length);
	assert_int_equal(UNLOCK, at(10, &out));
	assert_int_equal(UNLOCK, at(19, &out));
	assert_int_equal(WRITE, at(20, &out));
	assert_int_equal(0, out.length);
	assert_int_equal(EXT4_LOCK_DONE, set(1, READ, 5, 20));	/* turns parts of both */
	assert_int_equal(3, t.n);
	assert_int_equal(WRITE, at(4, &out));
	assert_int_equal(READ, at(5, &out));
	assert_int_equal(READ, at(24, &out));
	assert_int_equal(WRITE, at(25, &out));
	assert_int_equal(EXT4_LOCK_DONE, set(1, UNLOCK, 0, 0));
	assert_int_equal(0, t.n);
	assert_int_equal(EXT4_LOCK_DONE, set(1, WRITE, UINT64_MAX, 5));	/* past all numbers */
	assert_int_equal(WRITE, at(UINT64_MAX, &out));
	ext4_unlock_all(&t, NULL);
}

static void
bounded(void **state)
{
	uint64_t n = 0;

	(void)state;
	while (n < 100000 && set(1, WRITE, n * 2, 1) == EXT4_LOCK_DONE)
		n++;
	assert_in_range(n, 1000, 10000);
	assert_int_equal(EXT4_LOCK_DONE, set(1, UNLOCK, 0, 0));
	assert_int_equal(0, t.n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sharing), cmocka_unit_test(splitting), cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
