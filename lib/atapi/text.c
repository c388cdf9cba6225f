/*
 * A unit's lines of ctl and stats, and the commands of ctl: eject, load, lock, unlock, standby; the
 * transport's come after them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "os.h"
#include "unit.h"

size_t
atapi_unit_describe(void *unit, char *buf, size_t n)
{
	struct atapi_unit *u = unit;
	size_t used;

	pthread_mutex_lock(&u->lock);
	used = blk_printed(
		snprintf(buf, n, "medium %s\ntray %s\nlock %s\nlast-sense %s\nsmart none\n%s",
			 atapi_state_name(u->medium.state), u->medium.tray_open ? "open" : "closed",
			 u->locked ? "on" : "off", u->last_error[0] ? u->last_error : "none",
			 u->about),
		n);
	pthread_mutex_unlock(&u->lock);
	if (u->c.transport->describe && used + 1 < n)
		used += u->c.transport->describe(u->c.drive, buf + used, n - used);
	return used;
}

size_t
atapi_unit_statistics(void *unit, char *buf, size_t n)
{
	struct atapi_unit *u = unit;
	size_t used;

	pthread_mutex_lock(&u->lock);
	used = blk_printed(snprintf(buf, n,
				    "packets %llu\nsense-requests %llu\nread-retries %llu\n"
				    "read-failures %llu\nmedium-changes %u\n",
				    (unsigned long long)u->commands, (unsigned long long)u->checks,
				    (unsigned long long)u->retries, (unsigned long long)u->failures,
				    u->medium.changes),
			   n);
	pthread_mutex_unlock(&u->lock);
	if (u->c.transport->statistics && used + 1 < n)
		used += u->c.transport->statistics(u->c.drive, buf + used, n - used);
	return used;
}

/* Once more after a unit attention, which is about something else. */
static int
simple(struct atapi_unit *u, const struct atapi_packet *p)
{
	struct atapi_job j = { 0 };
	char text[BLK_WHY_MAX];
	int err = 1;

	for (unsigned i = 0; i < 3 && err == 1; i++) {
		j.p = *p;
		err = atapi_unit_run(u, &j);
		if (err == 1 && j.sense.key != ATAPI_UNIT_ATTENTION)
			break;
	}
	if (err <= 0)
		return err;
	err = atapi_errno(&j.sense);
	atapi_sense_text(&j.sense, text, sizeof text);
	os_set_errstr("%s: %s", u->c.name, text);
	/* EINVAL would say that ctl has no such command. */
	return err == -EINVAL ? -EOPNOTSUPP : err;
}

/* After this what is in the drive is known again, and shown. */
static int
tray(struct atapi_unit *u, enum atapi_tray what)
{
	struct atapi_packet p;
	int err;

	atapi_cmd_tray(what, &p);
	err = simple(u, &p);
	if (err == -ENOMEDIUM && (what == ATAPI_EJECT || what == ATAPI_LOAD))
		err = 0; /* it is open, or closed and empty: as it was asked for */
	if (err < 0)
		return err;
	pthread_mutex_lock(&u->lock);
	atapi_medium_forget(&u->medium);
	pthread_mutex_unlock(&u->lock);
	atapi_unit_look(u);
	return 0;
}

static int
lock(struct atapi_unit *u, bool on)
{
	struct atapi_packet p;
	int err;

	atapi_cmd_prevent(on, &p);
	err = simple(u, &p);
	if (err < 0)
		return err;
	pthread_mutex_lock(&u->lock);
	u->locked = on;
	pthread_mutex_unlock(&u->lock);
	return 0;
}

int
atapi_unit_command(void *unit, const char *text)
{
	struct atapi_unit *u = unit;
	struct atapi_packet p;

	if (strcmp(text, "eject") == 0)
		return tray(u, ATAPI_EJECT);
	if (strcmp(text, "load") == 0)
		return tray(u, ATAPI_LOAD);
	if (strcmp(text, "lock") == 0 || strcmp(text, "unlock") == 0)
		return lock(u, text[0] == 'l');
	if (strcmp(text, "standby") == 0) {
		atapi_cmd_tray(ATAPI_STOP, &p);
		return simple(u, &p);
	}
	return u->c.transport->command ? u->c.transport->command(u->c.drive, text) : -EINVAL;
}
