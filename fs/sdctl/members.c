/*
 * Who is mounted at a place: a name space's text, one command a line, as /proc/PID/ns has it.
 *
 *	mount [-FLAGS] SERVICE PLACE [# dead]
 *
 * Directories that are bound there are not asked: one could lead back to this server.
 */
#include <stdio.h>
#include <string.h>
#include "sdctl.h"

enum { WORDS = 4, LINE_MAX_BYTES = 1024 };

/* The words of a line, which is cut up: how many, at most WORDS. */
static unsigned
split(char *line, char *word[WORDS])
{
	unsigned n = 0;
	char *at;

	for (char *w = strtok_r(line, " ", &at); w && n < WORDS; w = strtok_r(NULL, " ", &at))
		word[n++] = w;
	return n;
}

/* The service that this line mounts at the place, or NULL. */
static const char *
mounted(char *line, const char *place)
{
	char *word[WORDS];
	unsigned n = split(line, word), at = 1;

	if (n < 3 || strcmp(word[0], "mount") != 0)
		return NULL;
	if (word[1][0] == '-')
		at++;
	return at + 1 < n && strcmp(word[at + 1], place) == 0 ? word[at] : NULL;
}

static bool
has(const struct sdctl_member *m, unsigned n, const char *service)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(m[i].service, service) == 0)
			return true;
	return false;
}

unsigned
sdctl_members(const char *text, const char *place, const char *own, struct sdctl_member *m,
	      unsigned max)
{
	unsigned n = 0;

	while (*text && n < max) {
		size_t length = strcspn(text, "\n");
		char line[LINE_MAX_BYTES];
		const char *service;

		snprintf(line, sizeof line, "%.*s", (int)length, text);
		text += length + (text[length] == '\n');
		service = length < sizeof line ? mounted(line, place) : NULL;
		if (service && strlen(service) < SDCTL_NAME_MAX && strcmp(service, own) != 0 &&
		    !has(m, n, service))
			strcpy(m[n++].service, service);
	}
	return n;
}
