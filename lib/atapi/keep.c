/*
 * The keeper: is there a medium, is it still the same, and what is on it?
 *
 * It asks every poll_ms with GET EVENT STATUS NOTIFICATION, or with TEST UNIT READY where a drive
 * has no events, and at once when a command's sense data was news.  A medium is taken up so:
 *
 *	TEST UNIT READY until it goes well	each unit attention is one try
 *	READ CAPACITY				its size
 *	READ TOC, READ of sector 16		what it is: a sum over both, and the size
 *	the old medium's files go		unless the sum is the same
 *	READY, then the new one's files come
 *
 * In that order no read of an old file can give the new medium's bytes: its files' requests are
 * over before another is READY (blk_set_medium).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "os.h"
#include "unit.h"

enum {
	POLL_MS = 2000,
	COMING_MS = 200,    /* between looks at a drive that takes up a medium */
	COMING_LOOKS = 150, /* then as often as else */
	FIRST_MS = 50,
	FIRST_LOOKS = 20,
	READY_TRIES = 8,
	VOLUME_SECTOR = 16, /* where ISO 9660 begins [ECMA-119, 6.2.1] */
	TYPE_CD = 5,
	TYPE_OPTICAL = 7,
	EMPTY_TRIES = 3,
};

static int
command(struct atapi_unit *u, struct atapi_job *j, uint8_t *data)
{
	j->data = data;
	j->own = true;
	return atapi_unit_run(u, j);
}

static enum atapi_state
state_of(struct atapi_unit *u)
{
	enum atapi_state s;

	pthread_mutex_lock(&u->lock);
	s = u->medium.state;
	pthread_mutex_unlock(&u->lock);
	return s;
}

/* --- what is on the medium ------------------------------------------------------------------- */

struct about {
	char text[ATAPI_UNIT_TEXT];
	size_t used;
	uint64_t nsectors;
	uint32_t sum;
};

static void put(struct about *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
put(struct about *a, const char *fmt, ...)
{
	size_t room = sizeof a->text - a->used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(a->text + a->used, room, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < room)
		a->used += (size_t)n;
	else
		a->text[a->used] = '\0'; /* whole lines only */
}

static void
ask_tracks(struct atapi_unit *u, struct about *a)
{
	struct atapi_job j = { 0 };
	uint8_t data[ATAPI_TOC_SIZE];
	struct atapi_toc toc;
	uint32_t lba;

	atapi_cmd_toc(ATAPI_TOC_SESSIONS, &j.p);
	if (command(u, &j, data) == 0 && atapi_last_session(data, j.p.moved, &lba) == 0)
		put(a, "session %u\n", lba);
	atapi_cmd_toc(ATAPI_TOC_TRACKS, &j.p);
	if (command(u, &j, data) != 0 || atapi_toc(data, j.p.moved, &toc) < 0)
		return;
	a->sum = blk_crc32(a->sum, data, j.p.moved);
	for (unsigned i = 0; i < toc.ntracks; i++)
		if (toc.track[i].number <= toc.last)
			put(a, "track %u %s %u\n", toc.track[i].number,
			    toc.track[i].data ? "data" : "audio", toc.track[i].lba);
}

static void
ask_volume(struct atapi_unit *u, struct about *a)
{
	struct atapi_job j = { 0 };
	uint8_t data[ATAPI_SECTOR];

	if (a->nsectors <= VOLUME_SECTOR || atapi_cmd_read(VOLUME_SECTOR, 1, &j.p) < 0)
		return;
	if (command(u, &j, data) == 0)
		a->sum = blk_crc32(a->sum, data, j.p.moved);
}

/* 0; or what READ CAPACITY or its answer was. */
static int
ask_medium(struct atapi_unit *u, struct about *a)
{
	struct atapi_job j = { 0 };
	uint8_t data[ATAPI_CAPACITY_SIZE];
	int err;

	atapi_cmd_capacity(&j.p);
	err = command(u, &j, data);
	if (err == 1)
		err = atapi_errno(&j.sense) ? atapi_errno(&j.sense) : -EIO;
	if (err == 0)
		err = atapi_capacity(data, j.p.moved, &a->nsectors);
	if (err < 0)
		return err;
	a->sum = blk_crc32(0, &a->nsectors, sizeof a->nsectors);
	ask_tracks(u, a);
	ask_volume(u, a);
	return 0;
}

/* --- showing it ------------------------------------------------------------------------------ */

/* look_lock is held in all of these. */
static void
show(struct atapi_unit *u, uint64_t nsectors, uint32_t sum)
{
	int err = 0;

	if (u->disk && (nsectors != u->nsectors || sum != u->sum))
		err = blk_set_medium(u->disk, nsectors, sum);
	if (err < 0)
		atapi_unit_log(u, "%s: medium of %llu sectors: %s", u->c.name,
			       (unsigned long long)nsectors, strerror(-err));
	u->nsectors = err < 0 ? 0 : nsectors;
	u->sum = err < 0 ? 0 : sum;
}

static void
show_none(struct atapi_unit *u)
{
	show(u, 0, 0);
	pthread_mutex_lock(&u->lock);
	u->about[0] = '\0';
	pthread_mutex_unlock(&u->lock);
}

static void
show_medium(struct atapi_unit *u, const struct about *a)
{
	bool same = a->nsectors == u->nsectors && a->sum == u->sum, ready;

	if (!same)
		show_none(u);
	pthread_mutex_lock(&u->lock);
	ready = atapi_medium_ready(&u->medium);
	if (ready)
		memcpy(u->about, a->text, sizeof u->about);
	pthread_mutex_unlock(&u->lock);
	if (ready)
		show(u, a->nsectors, a->sum);
}

/* --- looking --------------------------------------------------------------------------------- */

/* 0: ready.  1: not; what there is to know is in the unit's state.  Or a negative errno. */
static int
test_ready(struct atapi_unit *u)
{
	struct atapi_job j = { 0 };
	char text[BLK_WHY_MAX];
	int err = 1;

	for (unsigned i = 0; i < READY_TRIES && err == 1; i++) {
		atapi_cmd_test_ready(&j.p);
		err = command(u, &j, NULL);
		if (err == 1 && j.sense.key != ATAPI_UNIT_ATTENTION)
			break;
	}
	if (err == 1 && state_of(u) == ATAPI_UNKNOWN) {
		atapi_sense_text(&j.sense, text, sizeof text);
		atapi_unit_log(u, "%s: not usable: %s", u->c.name, text);
	}
	return err;
}

static void
take_up(struct atapi_unit *u)
{
	struct about a = { 0 };
	int err = test_ready(u);

	if (err != 0) {
		if (state_of(u) != ATAPI_READY)
			show_none(u);
		return;
	}
	pthread_mutex_lock(&u->lock);
	atapi_medium_begin(&u->medium);
	pthread_mutex_unlock(&u->lock);
	err = ask_medium(u, &a);
	if (err == 0) {
		show_medium(u, &a);
		return;
	}
	if (err != -ENODEV && err != -ENOMEDIUM)
		atapi_unit_log(u, "%s: the medium's size: %s", u->c.name, strerror(-err));
	show_none(u);
}

static void
ask_events(struct atapi_unit *u)
{
	struct atapi_job j = { 0 };
	uint8_t data[ATAPI_EVENT_SIZE];
	struct atapi_events e;
	int err;

	atapi_cmd_events(&j.p);
	err = command(u, &j, data);
	if (err == 0)
		err = atapi_events(data, j.p.moved, &e);
	else if (err == 1 && j.sense.key == ATAPI_ILLEGAL_REQUEST)
		err = -EOPNOTSUPP;
	if (err == -EOPNOTSUPP || err == -EPROTO)
		u->events = false;
	if (err != 0)
		return;
	pthread_mutex_lock(&u->lock);
	atapi_medium_events(&u->medium, &e);
	pthread_mutex_unlock(&u->lock);
}

/* With look_lock. */
static bool
look(struct atapi_unit *u)
{
	enum atapi_state s;

	if (u->events)
		ask_events(u);
	else if (state_of(u) == ATAPI_READY)
		test_ready(u); /* what it hears changes the state */
	s = state_of(u);
	/* Where there are events, NONE is what the drive has just said. */
	if (s == ATAPI_NONE && u->events)
		show_none(u);
	else if (s != ATAPI_READY)
		take_up(u);
	return state_of(u) == ATAPI_WAITING;
}

bool
atapi_unit_look(struct atapi_unit *u)
{
	bool coming;

	pthread_mutex_lock(&u->look_lock);
	coming = look(u);
	pthread_mutex_unlock(&u->look_lock);
	return coming;
}

int
atapi_unit_first_look(struct atapi_unit *u)
{
	struct atapi_job j = { 0 };
	uint8_t data[ATAPI_INQUIRY_SIZE];
	struct atapi_inquiry inq;
	int err = 1;

	for (unsigned i = 0; i < EMPTY_TRIES && err == 1; i++) {
		atapi_cmd_inquiry(&j.p);
		err = command(u, &j, data);
	}
	if (err == 0)
		err = atapi_inquiry(data, j.p.moved, &inq);
	if (err != 0)
		return err < 0 && err != -EPROTO ? err : -ENODEV;
	if (inq.type != TYPE_CD && inq.type != TYPE_OPTICAL)
		return -ENODEV;
	u->events = true;
	for (unsigned i = 0; atapi_unit_look(u) && i < FIRST_LOOKS; i++)
		os_sleep_ns((uint64_t)FIRST_MS * 1000000);
	return 0;
}

/* With the lock: until there are news, or it is time. */
static void
wait_for_news(struct atapi_unit *u, unsigned ms)
{
	uint64_t until = os_wall_ns() + (uint64_t)ms * 1000000;
	struct timespec t = { .tv_sec = (time_t)(until / 1000000000),
			      .tv_nsec = (long)(until % 1000000000) };

	while (!u->stopping && !u->look)
		if (pthread_cond_timedwait(&u->news, &u->lock, &t) == ETIMEDOUT)
			break;
	u->look = false;
}

void *
atapi_unit_keep(void *unit)
{
	struct atapi_unit *u = unit;
	unsigned poll_ms = u->c.poll_ms ? u->c.poll_ms : POLL_MS, looks = 0;
	bool coming = false;

	for (;;) {
		bool stopping;

		pthread_mutex_lock(&u->lock);
		wait_for_news(u, coming && looks < COMING_LOOKS ? COMING_MS : poll_ms);
		stopping = u->stopping;
		pthread_mutex_unlock(&u->lock);
		if (stopping)
			return NULL;
		coming = atapi_unit_look(u);
		looks = coming ? looks + 1 : 0;
	}
}
