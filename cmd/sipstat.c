/* sipstat: a table of the servers under /dev/sip, from their status files. */
#include "cmd.h"
#include "sip.h"

#include <dirent.h>
#include <fcntl.h>

#define SERVERS_MAX	1024
#define STATUS_MAX	2048

static const char help[] =
	"usage: sipstat -1 [-r ROOT]\n"
	"Prints one line for each server.\n"
	"  -1       once\n"
	"  -r ROOT  where sip is (/dev)\n";

static const struct column {
	const char *field, *title;
	int width;			/* negative: to the left */
	uint64_t unit;			/* what a number is divided by; 0: as it is */
} columns[] = {
	{ "name", "NAME", -12, 0 }, { "type", "TYPE", -10, 0 }, { "status", "STATUS", -9, 0 },
	{ "pid", "PID", 5, 0 }, { "generation", "GEN", 4, 0 },
	{ "uptime", "SECONDS", 8, 1000000000 }, { "requests", "REQUESTS", 10, 0 },
	{ "errors", "ERRORS", 7, 0 }, { "memory", "KBYTES", 8, 1024 },
};
#define NCOLUMNS (sizeof columns / sizeof *columns)

static void
title(void)
{
	for (size_t i = 0; i < NCOLUMNS; i++)
		printf("%s%*s", i ? " " : "", columns[i].width, columns[i].title);
	printf("\n");
}

/* False when it has gone since the directory was read. */
static bool
row(const char *dir, const char *name)
{
	char path[2 * SIP_PATH_MAX], text[STATUS_MAX], value[64];
	snprintf(path, sizeof path, "%s/%s/status", dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	text[n] = '\0';
	for (size_t i = 0; i < NCOLUMNS; i++) {
		if (sip_field(text, columns[i].field, value, sizeof value) <= 0)
			strcpy(value, "-");
		else if (columns[i].unit)
			snprintf(value, sizeof value, "%llu",
				strtoull(value, NULL, 10) / columns[i].unit);
		printf("%s%*s", i ? " " : "", columns[i].width, value);
	}
	printf("\n");
	return true;
}

int
main(int argc, char **argv)
{
	char path[SIP_PATH_MAX];
	const char *root = "/dev";
	int c;
	while ((c = cmd_option(argc, argv, "1r:", help)) != -1)
		if (c == 'r')
			root = optarg;
	if (optind < argc)
		cmd_usage(argv[optind], "not an option");
	snprintf(path, sizeof path, "%s/sip/servers", root);
	DIR *d = opendir(path);
	if (!d)
		cmd_die(path);
	title();
	struct dirent *e;
	for (int i = 0; i < SERVERS_MAX && (e = readdir(d)) != NULL; i++)
		if (e->d_name[0] != '.')
			row(path, e->d_name);
	closedir(d);
	cmd_end(0);
}
