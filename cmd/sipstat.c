/*
 * sipstat: a table of the servers under /dev/sip, from their status and health files; drawn anew
 * each second, or once.
 */
#include "cmd.h"
#include "sip.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#define SERVERS_MAX	64
#define TEXT_SIZE	4096
#define LINE_SIZE	512
#define PERIOD_NS	1000000000ull
#define CTRL_C		3

static const char help[] =
	"usage: sipstat [-1] [-r ROOT]\n"
	"Shows one line for each server, anew each second; q ends it.\n"
	"  -1       once, with all requests in place of those in a second\n"
	"  -r ROOT  where sip is (/dev)\n";

static const struct column {
	const char *field, *title;
	int width;			/* negative: to the left */
	uint64_t unit;			/* what a number is divided by; 0: as it is */
} columns[] = {
	{ "name", "NAME", -12, 0 }, { "status", "STATE", -8, 0 }, { "pid", "PID", 5, 0 },
	{ "generation", "GEN", 4, 0 }, { "requests", "REQUESTS", 8, 0 },
	{ "errors", "ERRORS", 6, 0 }, { "restarts", "RESTARTS", 8, 0 },
	{ "memory", "KIB", 7, 1024 }, { "p50", "P50US", 6, 1000 }, { "p99", "P99US", 6, 1000 },
	{ "depth", "DEPTH", 5, 0 },
};
#define NCOLUMNS (sizeof columns / sizeof *columns)
#define REQUESTS 4			/* the column that is a rate */

struct seen {				/* for the rate */
	char name[SIP_NAME_MAX];
	uint64_t requests, generation, ns;
};

struct table {
	const char *root;
	bool live;
	int rows, width;		/* of the terminal; 0: there is none */
	int row;
	struct seen seen[SERVERS_MAX];
};

/* The text of a file of a server; false when it has gone. */
static bool
read_text(const struct table *t, const char *name, const char *file, char text[TEXT_SIZE])
{
	char path[3 * SIP_PATH_MAX];
	snprintf(path, sizeof path, "%s/sip/servers/%s/%s", t->root, name, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, TEXT_SIZE - 1);
	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return n >= 0;
}

/* A terminal gets a line only as far as it is wide, and only if there is room for it. */
static void
put_line(struct table *t, const char *line)
{
	if (t->rows && t->row >= t->rows - 1)
		return;
	t->row++;
	if (t->width)
		printf("%.*s\033[K\r\n", t->width - 1, line);
	else
		printf("%s\n", line);
}

static void
put_titles(struct table *t)
{
	char line[LINE_SIZE] = "";
	size_t n = 0;
	for (size_t i = 0; i < NCOLUMNS; i++)
		n += (size_t)snprintf(line + n, sizeof line - n, "%*s ", columns[i].width,
			t->live && i == REQUESTS ? "REQ/S" : columns[i].title);
	snprintf(line + n, sizeof line - n, "LAST CAUSE");
	put_line(t, line);
}

/* Of the last end: while it is down in the status, later the last of its restarts. */
static void
last_cause(const struct table *t, const char *name, const char *status, char out[SIP_TEXT_MAX])
{
	static char text[TEXT_SIZE];
	if (sip_field(status, "cause", out, SIP_TEXT_MAX) > 0)
		return;
	strcpy(out, "-");
	if (!read_text(t, name, "health", text))
		return;
	for (const char *p = text; (p = strstr(p, " cause ")) != NULL;) {
		p += strlen(" cause ");
		snprintf(out, SIP_TEXT_MAX, "%.*s", (int)strcspn(p, "\n"), p);
	}
}

static uint64_t
number(const char *text, const char *field)
{
	char value[32];
	return sip_field(text, field, value, sizeof value) > 0 ? strtoull(value, NULL, 10) : 0;
}

/* Requests in a second since the last time; of a new life, since its start. */
static uint64_t
rate(struct table *t, const char *name, const char *status)
{
	struct seen now = {
		.ns = os_time_ns(), .requests = number(status, "requests"),
		.generation = number(status, "generation"),
	};
	struct seen *s = NULL;
	snprintf(now.name, sizeof now.name, "%.31s", name);
	for (int i = 0; i < SERVERS_MAX; i++) {
		struct seen *k = &t->seen[i];
		if (strcmp(k->name, now.name) == 0) {
			s = k;
			break;
		}
		if (!s || k->ns < s->ns)	/* a free one, or one that has gone */
			s = k;
	}
	struct seen old = *s;
	*s = now;
	if (strcmp(old.name, now.name) != 0)
		return 0;
	if (old.generation != now.generation || old.requests > now.requests)
		old.requests = 0;
	uint64_t ms = (now.ns - old.ns) / 1000000;
	return ms ? (now.requests - old.requests) * 1000 / ms : 0;
}

static void
put_server(struct table *t, const char *name)
{
	static char status[TEXT_SIZE];
	char line[LINE_SIZE] = "", value[64], cause[SIP_TEXT_MAX];
	size_t n = 0;
	if (!read_text(t, name, "status", status))
		return;
	for (size_t i = 0; i < NCOLUMNS; i++) {
		if (sip_field(status, columns[i].field, value, sizeof value) <= 0)
			strcpy(value, "-");
		else if (t->live && i == REQUESTS)
			snprintf(value, sizeof value, "%llu",
				(unsigned long long)rate(t, name, status));
		else if (columns[i].unit)
			snprintf(value, sizeof value, "%llu",
				strtoull(value, NULL, 10) / columns[i].unit);
		n += (size_t)snprintf(line + n, sizeof line - n, "%*s ", columns[i].width, value);
	}
	last_cause(t, name, status, cause);
	snprintf(line + n, sizeof line - n, "%s", cause);
	put_line(t, line);
}

static void
put_table(struct table *t)
{
	char path[2 * SIP_PATH_MAX];
	snprintf(path, sizeof path, "%s/sip/servers", t->root);
	DIR *d = opendir(path);
	if (!d)
		cmd_die(path);
	t->row = 0;
	put_titles(t);
	struct dirent *e;
	for (int i = 0; i < SERVERS_MAX && (e = readdir(d)) != NULL; i++)
		if (e->d_name[0] != '.')
			put_server(t, e->d_name);
	closedir(d);
}

/* False when the person has had enough. */
static bool
wait_for_key(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t now, end = os_time_ns() + PERIOD_NS;
	char c = 0;
	while ((now = os_time_ns()) < end) {
		int n = poll(&p, 1, (int)((end - now) / 1000000) + 1);
		if (n < 0 || (n > 0 && read(STDIN_FILENO, &c, 1) != 1))
			return false;
		if (n > 0 && (c == 'q' || c == CTRL_C))
			return false;
	}
	return true;
}

static void
watch(struct table *t)
{
	struct termios cooked, raw;
	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &cooked) < 0)
		cmd_usage("no terminal", "-1 prints the table once");
	raw = cooked;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	printf("\033[H\033[J");
	do {
		struct winsize w = { 0 };
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &w);
		t->rows = w.ws_row ? w.ws_row : 24;
		t->width = w.ws_col ? w.ws_col : 80;
		printf("\033[H");
		put_table(t);
		printf("\033[J");
		fflush(stdout);
	} while (wait_for_key());
	tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
}

int
main(int argc, char **argv)
{
	static struct table t = { .root = "/dev", .live = true };
	int c;
	while ((c = cmd_option(argc, argv, "1r:", help)) != -1) {
		if (c == '1')
			t.live = false;
		else if (c == 'r')
			t.root = optarg;
	}
	if (optind < argc)
		cmd_usage(argv[optind], "not an option");
	if (t.live)
		watch(&t);
	else
		put_table(&t);
	cmd_end(0);
}
