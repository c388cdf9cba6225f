/*
 * What a drive tells of its disc: in the ctl file of its disk, where the last session begins
 * (sd(3)).  That file is beside the data file, or one folder higher for those in part/.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "iso.h"
#include "os.h"

enum { PATH_ROOM = 512, CTL_ROOM = 8192 };

/* The number in a line "session N" of the ctl file in that folder; 0 without. */
static uint32_t
session_in(const char *folder)
{
	char path[PATH_ROOM + 8], text[CTL_ROOM];
	const char *line;
	int64_t n;
	int fd;

	snprintf(path, sizeof path, "%s/ctl", folder);
	fd = os_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	n = os_pread(fd, text, sizeof text - 1, 0);
	os_close(fd);
	text[n > 0 ? n : 0] = '\0';
	line = strncmp(text, "device ", 7) == 0 ? strstr(text, "\nsession ") : NULL;
	return line ? (uint32_t)strtoul(line + 9, NULL, 10) : 0;
}

uint32_t
iso_drive_session(const char *path)
{
	char folder[PATH_ROOM];
	uint32_t session = 0;

	if (strncmp(path, "/dev/", 5) != 0 || strlen(path) >= sizeof folder)
		return 0;
	strcpy(folder, path);
	for (int up = 0; up < 2 && !session; up++) {
		char *slash = strrchr(folder, '/');

		if (!slash || slash == folder)
			return 0;
		*slash = '\0';
		session = session_in(folder);
	}
	return session;
}
