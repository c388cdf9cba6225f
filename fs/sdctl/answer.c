/*
 * What came of a question, as one text.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "sdctl.h"

static const char *
name_of(const struct sdctl_member *m)
{
	static const char srv[] = "/srv/";

	return strncmp(m->service, srv, strlen(srv)) == 0 ? m->service + strlen(srv) : m->service;
}

/* Something else than a driver of disks is mounted there, or it has just gone. */
static bool
has_none(const struct sdctl_member *m)
{
	return m->err == -ENOENT;
}

/* At the end, if it is all there is room for. */
static void
add(char *buf, size_t size, size_t *at, const char *text, size_t n)
{
	if (n >= size - *at)
		return;
	memcpy(buf + *at, text, n);
	*at += n;
	buf[*at] = '\0';
}

static void
add_note(char *buf, size_t size, size_t *at, const struct sdctl_member *m, const char *why)
{
	char line[SDCTL_NAME_MAX + OS_ERRSTR_MAX + 8];
	int n = snprintf(line, sizeof line, "# %s: %s\n", name_of(m), why);

	add(buf, size, at, line, (size_t)n);
}

size_t
sdctl_lines(const struct sdctl_member *m, unsigned n, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < n; i++) {
		if (has_none(&m[i]))
			continue;
		if (m[i].err < 0)
			add_note(buf, size, &at, &m[i], m[i].why);
		else if (m[i].length >= size - at)
			add_note(buf, size, &at, &m[i], "too many disks");
		else {
			add(buf, size, &at, m[i].answer, m[i].length);
			if (at && buf[at - 1] != '\n')
				add(buf, size, &at, "\n", 1);
		}
	}
	return at;
}

int
sdctl_result(const struct sdctl_member *m, unsigned n, const char *command)
{
	char text[OS_ERRSTR_MAX];
	size_t at = (size_t)snprintf(text, sizeof text, "%s", command);
	int err = 0;

	for (unsigned i = 0; i < n; i++) {
		if (m[i].err == 0 || has_none(&m[i]))
			continue;
		if (at < sizeof text)
			at += (size_t)snprintf(text + at, sizeof text - at, "%c %s: %s",
					       err ? ',' : ':', name_of(&m[i]), m[i].why);
		if (!err)
			err = m[i].err;
	}
	if (err)
		os_set_errstr("%s", text);
	return err;
}

int
sdctl_check(const char *command)
{
	if (strcmp(command, "rescan") == 0)
		return 0;
	if (strncmp(command, "fault", 5) == 0)
		os_set_errstr("sdctl: a fault is one driver's: mount /srv/NAME elsewhere, "
			      "and write it to the sdctl there");
	else
		os_set_errstr("sdctl: unknown command: %.40s", command);
	return -EINVAL;
}
