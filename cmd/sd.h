/*
 * What the commands for disks share: the folders of /dev/sd, and the text files in them, whose
 * lines are a name and a value (man/3/sd).
 */
#pragma once
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cmd.h"
#include "os.h"

enum { SD_PATH_MAX = 256, SD_TEXT_MAX = 128 << 10, SD_MAX_DISKS = 256, SD_NAME_MAX = 32 };

/* The whole text of a small file; NULL and errno: it cannot be read.  The caller frees it. */
static inline char *
sd_text(const char *path)
{
	char *text = malloc(SD_TEXT_MAX);
	int fd = os_open(path, O_RDONLY, 0);
	int64_t n = 0, used = 0;

	while (text && fd >= 0 && used < SD_TEXT_MAX - 1 &&
	       (n = os_pread(fd, text + used, (size_t)(SD_TEXT_MAX - 1 - used), used)) > 0)
		used += n;
	if (fd >= 0)
		os_close(fd);
	if (!text || fd < 0 || n < 0) {
		free(text);
		errno = fd < 0 ? -fd : n < 0 ? (int)-n : ENOMEM;
		return NULL;
	}
	text[used] = '\0';
	return text;
}

/*
 * The lines one by one, as strtok_r does: the name, and what stands behind it.  The text is cut to
 * pieces.  NULL after the last.
 */
static inline char *
sd_line(char *text, char **at, char **value)
{
	char *line = strtok_r(text, "\n", at), *space;

	if (!line)
		return NULL;
	space = strchr(line, ' ');
	*value = space ? space + 1 : line + strlen(line);
	if (space)
		*space = '\0';
	return line;
}

/* The next word of a value, which moves on; "" at its end. */
static inline char *
sd_word(char **value)
{
	char *word = *value, *space = strchr(word, ' ');

	*value = space ? space + 1 : word + strlen(word);
	if (space)
		*space = '\0';
	return word;
}

/*
 * The folder of a disk: the name is that, a file in it that is the whole disk, or only the disk's
 * name under /dev/sd.  "": it is none.
 */
static inline void
sd_folder(const char *name, char folder[SD_PATH_MAX])
{
	static const char *const files[] = { "/data", "/raw", "/part/0" };
	char geometry[SD_PATH_MAX + 16];

	snprintf(folder, SD_PATH_MAX, "%s", name);
	if (!strchr(name, '/') && access(name, F_OK) != 0)
		snprintf(folder, SD_PATH_MAX, "/dev/sd/%s", name);
	for (unsigned i = 0; i < 3; i++) {
		size_t len = strlen(folder), n = strlen(files[i]);

		if (len > n && strcmp(folder + len - n, files[i]) == 0)
			folder[len - n] = '\0';
	}
	snprintf(geometry, sizeof geometry, "%s/geometry", folder);
	if (access(geometry, F_OK) != 0)
		folder[0] = '\0';
}

static inline int
sd_compare_names(const void *a, const void *b)
{
	return strverscmp(a, b);
}

/*
 * The disks in a folder as /dev/sd, in the order of their names, each once though several drivers
 * may serve there: how many, or a negative errno.
 */
static inline int
sd_list(const char *root, char name[SD_MAX_DISKS][SD_NAME_MAX])
{
	char path[2 * SD_PATH_MAX];
	DIR *d = opendir(root);
	struct dirent *e;
	int n = 0, kept = 0;

	if (!d)
		return -errno;
	while (n < SD_MAX_DISKS && (e = readdir(d))) {
		snprintf(path, sizeof path, "%.200s/%.200s/geometry", root, e->d_name);
		if (strlen(e->d_name) < SD_NAME_MAX && access(path, F_OK) == 0)
			strcpy(name[n++], e->d_name);
	}
	closedir(d);
	qsort(name, (size_t)n, SD_NAME_MAX, sd_compare_names);
	for (int i = 0; i < n; i++)
		if (!kept || strcmp(name[i], name[kept - 1]) != 0)
			memmove(name[kept++], name[i], SD_NAME_MAX);
	return kept;
}

/* What a command does with one disk, by its name and its folder; gives an exit status. */
typedef int sd_command(void *aux, const char *name, const char *folder);

/*
 * With the disks that are named, which end with NULL, or with all in a folder as /dev/sd if there
 * are no names.  Gives the exit statuses as one; one that is no disk is told of.
 */
static inline int
sd_each(const char *root, char *const *names, sd_command *command, void *aux)
{
	static char found[SD_MAX_DISKS][SD_NAME_MAX];
	char folder[SD_PATH_MAX];
	int n = *names ? 0 : sd_list(root, found), status = 0;

	errno = n < 0 ? -n : 0;
	if (n < 0)
		cmd_die(root);
	for (int i = 0; i < n; i++) {
		snprintf(folder, sizeof folder, "%.200s/%.31s", root, found[i]);
		status |= command(aux, found[i], folder);
	}
	for (; *names; names++) {
		sd_folder(*names, folder);
		os_set_errstr("no such disk");
		status |= folder[0] ? command(aux, *names, folder) : cmd_warn(*names);
	}
	return status;
}
