/*
 * The medium, as far as commands tell of it.  Pure: one state and what changes it.
 *
 *	heard					from any state to
 *	unit attention 28 (may have changed)	UNKNOWN
 *	the same, and its sense data was lost	UNKNOWN
 *	not ready 3a (none)			NONE
 *	not ready 04/01 (becoming ready)	WAITING
 *	event: new, changed			UNKNOWN
 *	event: removed; status: not present	NONE
 *	status: present				UNKNOWN, from NONE only
 *	the drive is ready, we begin to ask	WAITING
 *	the capacity was read			READY, from WAITING only
 *	went well, anything else		no other state
 *
 * A medium is READY only between atapi_medium_ready and the next news, so that nothing is read from
 * a disc that nobody looked at.
 */
#include "atapi.h"

static bool
become(struct atapi_medium *m, enum atapi_state state)
{
	bool is_new = m->state != state;

	if (is_new && m->state == ATAPI_READY)
		m->changes++;
	m->state = state;
	return is_new;
}

bool
atapi_medium_sense(struct atapi_medium *m, const struct atapi_sense *s)
{
	if (!s)
		return false;
	if (s->key == ATAPI_UNIT_ATTENTION && (s->asc == 0x28 || !s->asc))
		return become(m, ATAPI_UNKNOWN);
	if (s->key != ATAPI_NOT_READY)
		return false;
	if (s->asc == 0x3a) {
		if (s->ascq == 1 || s->ascq == 2) /* closed, open; 0 does not tell */
			m->tray_open = s->ascq == 2;
		return become(m, ATAPI_NONE);
	}
	return s->asc == 0x04 && s->ascq == 1 && become(m, ATAPI_WAITING);
}

bool
atapi_medium_events(struct atapi_medium *m, const struct atapi_events *e)
{
	m->tray_open = e->tray_open;
	if (e->event == ATAPI_EVENT_REMOVED || !e->present || e->tray_open)
		return become(m, ATAPI_NONE);
	if (e->event == ATAPI_EVENT_NEW || e->event == ATAPI_EVENT_CHANGED)
		return become(m, ATAPI_UNKNOWN);
	return m->state == ATAPI_NONE && become(m, ATAPI_UNKNOWN);
}

void
atapi_medium_begin(struct atapi_medium *m)
{
	become(m, ATAPI_WAITING);
}

bool
atapi_medium_ready(struct atapi_medium *m)
{
	if (m->state != ATAPI_WAITING)
		return false;
	m->tray_open = false;
	m->state = ATAPI_READY;
	return true;
}

void
atapi_medium_forget(struct atapi_medium *m)
{
	become(m, ATAPI_UNKNOWN);
}

const char *
atapi_state_name(enum atapi_state state)
{
	static const char *const names[] = { "unknown", "none", "becoming-ready", "ready" };

	return names[state];
}
