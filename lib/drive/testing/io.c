/*
 * Commands that do not come from lib/blk, and are told of their ends in its place; see testing.h.
 */
#include "testing.h"

static struct {
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool done;
	int err;
} mine = { .lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER };

void __real_blk_done(struct blk_io *io, int err);
void __wrap_blk_done(struct blk_io *io, int err);

void
__wrap_blk_done(struct blk_io *io, int err)
{
	if (io->client != &mine) {
		__real_blk_done(io, err);
		return;
	}
	pthread_mutex_lock(&mine.lock);
	mine.done = true;
	mine.err = err;
	pthread_cond_signal(&mine.over);
	pthread_mutex_unlock(&mine.lock);
}

int
drive_test_run_io(struct drive_disk *d, struct blk_io *io)
{
	mine.done = false;
	io->client = &mine;
	drive_blk_ops.read(d, io);
	pthread_mutex_lock(&mine.lock);
	while (!mine.done)
		pthread_cond_wait(&mine.over, &mine.lock);
	pthread_mutex_unlock(&mine.lock);
	return mine.err;
}
