/*
 * A unit: a drive with packet commands as a disk of lib/blk.
 *
 * One thread, the worker, has the device: it takes reads and other commands (jobs) from two queues
 * in turns, and when a command does not go well asks for the sense data before the next.  A second
 * one, the keeper (keep.c), looks for changes of the medium; its commands are jobs as well.
 *
 * A read is refused unless the medium is READY, so a disc that nobody looked at is not read.  It is
 * tried READ_TRIES times when the sense data says that this may help.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ata.h"
#include "os.h"
#include "unit.h"

enum { READ_TRIES = 4, WAIT_MS = 100, WAITS_MAX = 100 };

struct atapi_unit *
atapi_unit_new(void)
{
	struct atapi_unit *u = calloc(1, sizeof *u);

	if (!u)
		return NULL;
	atomic_store(&u->refs, 1);
	pthread_mutex_init(&u->lock, NULL);
	pthread_mutex_init(&u->look_lock, NULL);
	pthread_cond_init(&u->work, NULL);
	pthread_cond_init(&u->over, NULL);
	pthread_cond_init(&u->news, NULL);
	return u;
}

void
atapi_unit_free(struct atapi_unit *u)
{
	if (!u || atomic_fetch_sub(&u->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&u->lock);
	pthread_mutex_destroy(&u->look_lock);
	pthread_cond_destroy(&u->work);
	pthread_cond_destroy(&u->over);
	pthread_cond_destroy(&u->news);
	if (u->c.transport && u->c.transport->release)
		u->c.transport->release(u->c.drive);
	free(u);
}

void
atapi_unit_log(struct atapi_unit *u, const char *fmt, ...)
{
	char text[BLK_WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&u->lock);
	memcpy(u->last_error, text, sizeof u->last_error);
	pthread_mutex_unlock(&u->lock);
	if (u->c.transport->log)
		u->c.transport->log(u->c.drive, text);
}

/* --- one command, in the worker -------------------------------------------------------------- */

/* The keeper looks again when the state was lost. */
static void
note(struct atapi_unit *u, const struct atapi_sense *s, bool own)
{
	pthread_mutex_lock(&u->lock);
	u->commands++;
	u->checks += s != NULL;
	if (atapi_medium_sense(&u->medium, s) && !own) {
		u->look = true;
		pthread_cond_signal(&u->news);
	}
	pthread_mutex_unlock(&u->lock);
}

/* What the device has to say of the command before, whose sense key is in `error` [ACS-4, 7.18]. */
static void
ask_sense(struct atapi_unit *u, uint8_t error, struct atapi_job *j)
{
	uint8_t *at = (uint8_t *)u->c.buffer + BLK_PACKET_MAX;
	struct dma_seg seg = { u->c.paddr + BLK_PACKET_MAX, ATAPI_SENSE_SIZE };
	struct atapi_packet p;

	atapi_cmd_request_sense(&p);
	p.seg = &seg;
	p.nsegs = 1;
	p.data = at;
	memset(at, 0, ATAPI_SENSE_SIZE);
	j->raw_len = 0;
	if (u->c.transport->run(u->c.drive, &p) == 0 &&
	    !(p.status & (ATA_STATUS_ERR | ATA_STATUS_DF))) {
		j->raw_len = p.moved < ATAPI_SENSE_SIZE ? p.moved : ATAPI_SENSE_SIZE;
		memcpy(j->raw, at, j->raw_len);
	}
	if (atapi_sense(j->raw, j->raw_len, &j->sense) < 0)
		j->sense = (struct atapi_sense){ .key = error >> 4 };
}

/* j->p is complete.  As j->result. */
static int
carry_out(struct atapi_unit *u, struct atapi_job *j)
{
	int err = u->c.transport->run(u->c.drive, &j->p);

	j->sense = (struct atapi_sense){ 0 };
	if (err < 0)
		return err;
	if (j->p.moved > j->p.bytes)
		j->p.moved = j->p.bytes;
	if (!(j->p.status & (ATA_STATUS_ERR | ATA_STATUS_DF))) {
		note(u, NULL, j->own);
		return 0;
	}
	ask_sense(u, j->p.error, j);
	note(u, &j->sense, j->own);
	return 1;
}

static void
do_job(struct atapi_unit *u, struct atapi_job *j)
{
	struct dma_seg seg = { u->c.paddr, j->p.bytes };

	j->p.seg = &seg;
	j->p.nsegs = j->p.bytes != 0;
	j->p.data = u->c.buffer;
	if (j->p.direction == ATAPI_OUT)
		memcpy(u->c.buffer, j->data, j->p.bytes);
	j->result = carry_out(u, j);
	if (j->p.direction == ATAPI_IN && j->result >= 0)
		memcpy(j->data, u->c.buffer, j->p.moved);
	j->p.seg = NULL;
	j->p.data = NULL;
}

/* --- reads ----------------------------------------------------------------------------------- */

/* False: the unit stops. */
static bool
wait_a_little(struct atapi_unit *u)
{
	bool stopping;

	os_sleep_ns((uint64_t)WAIT_MS * 1000000);
	pthread_mutex_lock(&u->lock);
	stopping = u->stopping;
	pthread_mutex_unlock(&u->lock);
	return !stopping;
}

static bool
is_ready(struct atapi_unit *u)
{
	bool ready;

	pthread_mutex_lock(&u->lock);
	ready = u->medium.state == ATAPI_READY;
	pthread_mutex_unlock(&u->lock);
	return ready;
}

/* Is it worth trying once more?  May sleep. */
static bool
again(struct atapi_unit *u, const struct atapi_sense *s, unsigned *tries, unsigned *waits)
{
	enum atapi_retry r = atapi_retry(s);

	if (r == ATAPI_AGAIN)
		return ++*tries < READ_TRIES;
	return r == ATAPI_WAIT && ++*waits < WAITS_MAX && wait_a_little(u);
}

static int
read_error(struct blk_io *io, const struct atapi_job *j)
{
	int used = snprintf(io->why, sizeof io->why, "read of %u at %llu: ", io->nsectors,
			    (unsigned long long)io->sector);
	int err = atapi_errno(&j->sense);

	if (used > 0 && (size_t)used < sizeof io->why)
		atapi_sense_text(&j->sense, io->why + used, sizeof io->why - (size_t)used);
	return err ? err : -EIO;
}

static int
read_once(struct atapi_unit *u, struct blk_io *io, struct atapi_job *j)
{
	int err = atapi_cmd_read(io->sector, io->nsectors, &j->p);

	if (err < 0)
		return err;
	j->p.seg = io->seg;
	j->p.nsegs = io->nsegs;
	j->p.data = io->data;
	err = carry_out(u, j);
	if (err == 1 && j->sense.key == ATAPI_RECOVERED)
		err = 0;
	if (err == 0 && j->p.moved != j->p.bytes) {
		snprintf(io->why, sizeof io->why, "read of %u at %llu: %u of %u bytes came",
			 io->nsectors, (unsigned long long)io->sector, j->p.moved, j->p.bytes);
		return -EIO;
	}
	return err;
}

static void
do_read(struct atapi_unit *u, struct blk_io *io)
{
	struct atapi_job j = { 0 };
	unsigned tries = 0, waits = 0;
	int err;

	if (!is_ready(u)) {
		snprintf(io->why, sizeof io->why, "no medium, or another one");
		blk_done(io, -ENOMEDIUM);
		return;
	}
	while ((err = read_once(u, io, &j)) == 1 && again(u, &j.sense, &tries, &waits)) {
		pthread_mutex_lock(&u->lock);
		u->retries++;
		pthread_mutex_unlock(&u->lock);
	}
	if (err == 1)
		err = read_error(io, &j);
	if (err) {
		pthread_mutex_lock(&u->lock);
		u->failures++;
		pthread_mutex_unlock(&u->lock);
		if (err != -ENOMEDIUM)
			atapi_unit_log(u, "%s: %s", u->c.name,
				       io->why[0] ? io->why : strerror(-err));
	}
	blk_done(io, err);
}

/* --- the worker ------------------------------------------------------------------------------ */

static void
end_job(struct atapi_unit *u, struct atapi_job *j)
{
	pthread_mutex_lock(&u->lock);
	j->done = true;
	pthread_cond_broadcast(&u->over);
	pthread_mutex_unlock(&u->lock);
}

/* With the lock. */
static struct atapi_job *
take_job(struct atapi_unit *u)
{
	struct atapi_job *j = u->job;

	if (j)
		u->job = j->next;
	return j;
}

static struct blk_io *
take_read(struct atapi_unit *u)
{
	struct blk_io *io = u->head;

	if (io)
		u->head = io->next;
	return io;
}

static void *
work(void *arg)
{
	struct atapi_unit *u = arg;

	pthread_mutex_lock(&u->lock);
	for (;;) {
		struct atapi_job *j = take_job(u);
		struct blk_io *io = take_read(u);
		bool stopping = u->stopping;

		if (!j && !io) {
			if (stopping)
				break;
			pthread_cond_wait(&u->work, &u->lock);
			continue;
		}
		pthread_mutex_unlock(&u->lock);
		if (j && stopping)
			j->result = -ENODEV;
		else if (j)
			do_job(u, j);
		if (j)
			end_job(u, j);
		if (io && stopping)
			blk_done(io, -ENODEV);
		else if (io)
			do_read(u, io);
		pthread_mutex_lock(&u->lock);
	}
	u->running = false;
	pthread_mutex_unlock(&u->lock);
	return NULL;
}

int
atapi_unit_run(struct atapi_unit *u, struct atapi_job *j)
{
	pthread_mutex_lock(&u->lock);
	if (!u->running) {
		pthread_mutex_unlock(&u->lock);
		return -ENODEV;
	}
	j->next = NULL;
	j->done = false;
	if (u->job)
		u->job_tail->next = j;
	else
		u->job = j;
	u->job_tail = j;
	pthread_cond_signal(&u->work);
	while (!j->done)
		pthread_cond_wait(&u->over, &u->lock);
	pthread_mutex_unlock(&u->lock);
	return j->result;
}

/* --- lib/blk's functions --------------------------------------------------------------------- */

static void
start_read(void *drive, struct blk_io *io)
{
	struct atapi_unit *u = drive;
	bool running;

	pthread_mutex_lock(&u->lock);
	running = u->running;
	if (running) {
		io->next = NULL;
		if (u->head)
			u->tail->next = io;
		else
			u->head = io;
		u->tail = io;
		pthread_cond_signal(&u->work);
	}
	pthread_mutex_unlock(&u->lock);
	if (!running)
		blk_done(io, -ENODEV);
}

static void
refuse_write(void *drive, struct blk_io *io)
{
	(void)drive;
	snprintf(io->why, sizeof io->why, "the disk is read-only");
	blk_done(io, -EROFS);
}

/* Nothing was written. */
static void
flush(void *drive, struct blk_io *io)
{
	(void)drive;
	blk_done(io, 0);
}

static int
pass_through(void *drive, struct blk_packet *b)
{
	struct atapi_job j = { .p = { .direction = !b->bytes ? ATAPI_NODATA
						   : b->out  ? ATAPI_OUT
							     : ATAPI_IN,
				      .bytes = b->bytes,
				      .timeout_ms = b->timeout_ms },
			       .data = b->data };
	int err;

	memcpy(j.p.cdb, b->cdb, sizeof j.p.cdb);
	err = atapi_unit_run(drive, &j);
	if (err < 0)
		return err;
	b->moved = j.p.moved;
	b->status = err ? 2 : 0;
	if (err) {
		b->sense_len = (uint8_t)j.raw_len;
		memcpy(b->sense, j.raw, j.raw_len);
	}
	return 0;
}

static void
release(void *unit)
{
	atapi_unit_free(unit);
}

static const struct blk_ops unit_ops = {
	.read = start_read,
	.write = refuse_write,
	.flush = flush,
	.command = atapi_unit_command,
	.describe = atapi_unit_describe,
	.statistics = atapi_unit_statistics,
	.packet = pass_through,
	.release = release,
};

/* --- start and stop -------------------------------------------------------------------------- */

static int
add_disk(struct atapi_unit *u)
{
	const struct atapi_config *c = &u->c;
	struct blk_info info = { .nsectors = u->nsectors,
				 .secsize = ATAPI_SECTOR,
				 .physsecsize = ATAPI_SECTOR,
				 .max_sectors = c->max_bytes / ATAPI_SECTOR,
				 .queue_depth = 1,
				 .max_segs = c->max_segs,
				 .align = c->align,
				 .readonly = true,
				 .removable = true,
				 .whole = true,
				 .medium = u->sum,
				 .memory = c->memory };

	memcpy(info.name, c->name, sizeof info.name);
	memcpy(info.model, c->model, sizeof info.model);
	memcpy(info.serial, c->serial, sizeof info.serial);
	memcpy(info.firmware, c->firmware, sizeof info.firmware);
	snprintf(info.features, sizeof info.features, "packet removable%s%s",
		 c->features[0] ? " " : "", c->features);
	atomic_fetch_add(&u->refs, 1);
	return blk_add_disk(c->server, &info, &unit_ops, u, &u->disk);
}

int
atapi_unit_start(struct atapi_unit *u, const struct atapi_config *c)
{
	int err;

	u->c = *c;
	u->medium = (struct atapi_medium){ 0 };
	u->stopping = u->look = u->locked = false;
	u->running = true;
	u->nsectors = u->sum = 0;
	u->about[0] = u->last_error[0] = '\0';
	u->disk = NULL;
	u->has_keeper = false;
	if (pthread_create(&u->worker, NULL, work, u) != 0) {
		u->running = false;
		return -EAGAIN;
	}
	err = atapi_unit_first_look(u);
	if (err == 0)
		err = add_disk(u);
	if (err == 0 && pthread_create(&u->keeper, NULL, atapi_unit_keep, u) != 0)
		err = -EAGAIN;
	else
		u->has_keeper = err == 0;
	if (err < 0)
		atapi_unit_stop(u);
	return err;
}

void
atapi_unit_stop(struct atapi_unit *u)
{
	bool started;

	pthread_mutex_lock(&u->lock);
	started = u->running && !u->stopping;
	u->stopping = true;
	pthread_cond_broadcast(&u->work);
	pthread_cond_broadcast(&u->news);
	pthread_mutex_unlock(&u->lock);
	if (!started)
		return;
	if (u->has_keeper)
		pthread_join(u->keeper, NULL);
	pthread_mutex_lock(&u->look_lock); /* a ctl command may be looking */
	if (u->disk)
		blk_remove_disk(u->disk);
	u->disk = NULL;
	pthread_mutex_unlock(&u->look_lock);
	pthread_join(u->worker, NULL);
}
