/*
 * lsdisk [DISK...]: the disks under /dev/sd and their partitions, from their files (man/3/sd).
 *
 * Each is an array of fields, which are printed as a table, with tabs, or as JSON.
 */
#include "blk_edit.h"
#include "cmd.h"
#include "sd.h"

static const char help[] =
	"usage: lsdisk [-1j] [-r ROOT] [DISK...]\n"
	"  lists disks and partitions; all in ROOT, which is /dev/sd, when none is named.\n"
	"  -1: for scripts: no heading, sizes in bytes, one tab between fields.  -j: JSON\n";

enum field {
	NAME,
	SIZE, /* bytes */
	SECTOR,
	START, /* sectors; only of partitions */
	TABLE, /* only of disks */
	TYPE,
	LABEL,
	UUID,
	MODEL,
	SERIAL,
	MODE,
	NFIELDS
};

enum { VALUE_MAX = 160 };
enum style { STYLE_TABLE, STYLE_TABS, STYLE_JSON };

static const struct column {
	const char *name;
	bool number; /* in JSON */
	int width;   /* in a table; negative: to the left */
} columns[NFIELDS] = {
	[NAME] = { "name", false, -10 },   [SIZE] = { "size", true, 7 },
	[SECTOR] = { "sector", true, 6 },  [START] = { "start", true, 11 },
	[TABLE] = { "table", false, -5 },  [TYPE] = { "type", false, -8 },
	[LABEL] = { "label", false, -16 }, [UUID] = { "uuid", false, -36 },
	[MODEL] = { "model", false, -20 }, [SERIAL] = { "serial", false, -16 },
	[MODE] = { "mode", false, -4 },
};

struct record {
	char value[NFIELDS][VALUE_MAX]; /* "": it has none */
};

struct lister {
	enum style style;
	unsigned ndisks; /* printed so far */
};

/* --- printing --------------------------------------------------------------------------------- */

/* Foreign text, in which nothing can end a field or a line. */
static void
set(struct record *r, enum field f, const char *text)
{
	snprintf(r->value[f], VALUE_MAX, "%s", text);
	for (char *p = r->value[f]; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '_';
}

static void
short_size(char *out, size_t n, const char *bytes)
{
	static const char units[] = " KMGTPE";
	double size = strtod(bytes, NULL);
	unsigned u = 0;

	for (; size >= 1024 && units[u + 1]; u++)
		size /= 1024;
	if (u)
		snprintf(out, n, "%.1f%c", size, units[u]);
	else
		snprintf(out, n, "%.0f", size);
}

static void
print_row(const struct record *r)
{
	char cell[VALUE_MAX];

	for (unsigned f = 0; f < NFIELDS; f++) {
		int width = columns[f].width;

		snprintf(cell, sizeof cell, "%s", r->value[f][0] ? r->value[f] : "-");
		if (f == SIZE)
			short_size(cell, sizeof cell, r->value[f]);
		printf("%s%*s", f ? " " : "", f == NFIELDS - 1 ? 0 : width, cell);
	}
	putchar('\n');
}

static void
print_heading(void)
{
	for (unsigned f = 0; f < NFIELDS; f++)
		printf("%s%*s", f ? " " : "", f == NFIELDS - 1 ? 0 : columns[f].width,
		       columns[f].name);
	putchar('\n');
}

static void
print_tabs(const struct record *r)
{
	for (unsigned f = 0; f < NFIELDS; f++)
		printf("%s%s", f ? "\t" : "", r->value[f][0] ? r->value[f] : "-");
	putchar('\n');
}

static void
print_string(const char *text)
{
	putchar('"');
	for (; *text; text++) { /* set let no control character through */
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

/* The members of an object, without its end. */
static void
print_members(const struct record *r)
{
	bool any = false;

	putchar('{');
	for (unsigned f = 0; f < NFIELDS; f++) {
		if (!r->value[f][0])
			continue;
		printf("%s\"%s\": ", any ? ", " : "", columns[f].name);
		if (columns[f].number)
			printf("%llu", strtoull(r->value[f], NULL, 10));
		else
			print_string(r->value[f]);
		any = true;
	}
}

static void
print_disk_record(struct lister *l, const struct record *r)
{
	if (l->style == STYLE_JSON) {
		printf("%s\n  ", l->ndisks ? "," : "");
		print_members(r);
		printf(", \"partitions\": [");
	} else if (l->style == STYLE_TABS)
		print_tabs(r);
	else
		print_row(r);
	l->ndisks++;
}

static void
print_part_record(const struct lister *l, const struct record *r, unsigned i)
{
	if (l->style == STYLE_JSON) {
		printf("%s\n    ", i ? "," : "");
		print_members(r);
		putchar('}');
	} else if (l->style == STYLE_TABS)
		print_tabs(r);
	else
		print_row(r);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void
set_mode(struct record *r, const char *folder)
{
	char path[SD_PATH_MAX + 16];
	struct stat st;

	snprintf(path, sizeof path, "%s/data", folder);
	if (stat(path, &st) == 0)
		set(r, MODE, st.st_mode & 0222 ? "rw" : "ro");
}

static int
set_geometry(struct record *r, const char *folder)
{
	char path[SD_PATH_MAX + 16], *text, *at, *value;

	snprintf(path, sizeof path, "%s/geometry", folder);
	text = sd_text(path);
	if (!text)
		return cmd_warn(path);
	for (char *name = sd_line(text, &at, &value); name; name = sd_line(NULL, &at, &value))
		if (strcmp(name, "secsize") == 0)
			set(r, SECTOR, value);
	free(text);
	return 0;
}

/* The lines about the disk itself. */
static void
set_disk(struct record *r, char *text)
{
	char *at, *value;

	for (char *name = sd_line(text, &at, &value); name; name = sd_line(NULL, &at, &value)) {
		if (strcmp(name, "model") == 0)
			set(r, MODEL, value);
		else if (strcmp(name, "serial") == 0)
			set(r, SERIAL, value);
		else if (strcmp(name, "size") == 0)
			set(r, SIZE, value);
		else if (strcmp(name, "table") == 0) {
			set(r, TABLE, sd_word(&value));
			set(r, UUID, value);
		}
	}
}

/* part NUMBER START SECTORS UUID TYPE LABEL */
static void
set_part(struct record *r, const struct record *disk, char *value)
{
	char text[VALUE_MAX];
	const char *type;

	memset(r, 0, sizeof *r);
	snprintf(text, sizeof text, "%.100s/%.20s", disk->value[NAME], sd_word(&value));
	set(r, NAME, text);
	set(r, START, sd_word(&value));
	snprintf(text, sizeof text, "%llu",
		 strtoull(sd_word(&value), NULL, 10) * strtoull(disk->value[SECTOR], NULL, 10));
	set(r, SIZE, text);
	set(r, UUID, sd_word(&value));
	type = sd_word(&value);
	set(r, TYPE, blk_type_name(type) ? blk_type_name(type) : type);
	set(r, LABEL, value);
	set(r, SECTOR, disk->value[SECTOR]);
	set(r, MODE, disk->value[MODE]);
}

static void
list_parts(const struct lister *l, const struct record *disk, char *text)
{
	char *at, *value;
	struct record r;
	unsigned n = 0;

	for (char *name = sd_line(text, &at, &value); name; name = sd_line(NULL, &at, &value))
		if (strcmp(name, "part") == 0) {
			set_part(&r, disk, value);
			print_part_record(l, &r, n++);
		}
	if (l->style == STYLE_JSON)
		printf("%s]}", n ? "\n  " : "");
}

static int
list_disk(void *lister, const char *name, const char *folder)
{
	const char *slash = strrchr(folder, '/');
	struct lister *l = lister;
	char path[SD_PATH_MAX + 16], *text, *again;
	struct record r = { 0 };

	(void)name; /* a table has the folder's, whatever it was called by */
	snprintf(path, sizeof path, "%s/ctl", folder);
	text = sd_text(path);
	if (!text)
		return cmd_warn(path);
	again = strdup(text);
	if (!again)
		cmd_die(path);
	set(&r, NAME, slash ? slash + 1 : folder);
	set_disk(&r, text);
	set_mode(&r, folder);
	if (set_geometry(&r, folder) == 0) {
		print_disk_record(l, &r);
		list_parts(l, &r, again);
	}
	free(again);
	free(text);
	return r.value[SECTOR][0] ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct lister l = { STYLE_TABLE, 0 };
	const char *root = "/dev/sd";
	int c, status;

	while ((c = cmd_option(argc, argv, "1jr:", help)) != -1) {
		if (c == 'r')
			root = optarg;
		else
			l.style = c == 'j' ? STYLE_JSON : STYLE_TABS;
	}
	if (l.style == STYLE_TABLE)
		print_heading();
	else if (l.style == STYLE_JSON)
		printf("{\"disks\": [");
	status = sd_each(root, argv + optind, list_disk, &l);
	if (l.style == STYLE_JSON)
		printf("%s]}\n", l.ndisks ? "\n" : "");
	cmd_end(status);
}
