/*
 * smart [DISK...]: what disks tell of their own health, from the lines of their ctl files
 * (man/3/sd).
 *
 * A line for each disk: its name, what it says, its temperature; then its attributes, or its other
 * figures.  Exit status 1 if one says that it fails, or cannot be read.
 */
#include "cmd.h"
#include "sd.h"

static const char help[] =
	"usage: smart [-s] [-r ROOT] [DISK...]\n"
	"  prints the SMART status, temperature and attributes of disks; all in ROOT,\n"
	"  which is /dev/sd, when none is named.  -s: only a line for each\n";

struct health {
	const char *state, *temperature; /* in the text */
	unsigned nattributes;
};

static void
summarize(char *text, struct health *h)
{
	char *at, *value;

	*h = (struct health){ .state = "none" };
	for (char *name = sd_line(text, &at, &value); name; name = sd_line(NULL, &at, &value)) {
		if (strcmp(name, "smart") == 0)
			h->state = value;
		else if (strcmp(name, "temperature") == 0)
			h->temperature = value;
		else if (strcmp(name, "smart-attribute") == 0)
			h->nattributes++;
	}
}

/* id name raw value worst threshold state */
static void
print_attribute(char *value)
{
	const char *word[7];

	for (unsigned i = 0; i < 7; i++)
		word[i] = sd_word(&value);
	printf("  %3s %-28s %20s %5s %5s %5s  %s\n", word[0], word[1], word[2], word[3], word[4],
	       word[5], word[6]);
}

static void
print_details(char *text, bool attributes)
{
	char *at, *value;

	if (attributes)
		printf("  %3s %-28s %20s %5s %5s %5s  %s\n", "id", "attribute", "raw", "value",
		       "worst", "limit", "state");
	for (char *name = sd_line(text, &at, &value); name; name = sd_line(NULL, &at, &value))
		if (strcmp(name, "smart-attribute") == 0)
			print_attribute(value);
		else if (strcmp(name, "smart-value") == 0) {
			const char *what = sd_word(&value);

			printf("      %-28s %20s\n", what, value);
		} else if (strcmp(name, "smart-note") == 0)
			printf("      %s\n", value);
}

static int
print_disk(void *brief, const char *name, const char *folder)
{
	char path[SD_PATH_MAX + 16], *text, *again;
	struct health h;
	int status;

	snprintf(path, sizeof path, "%s/ctl", folder);
	text = sd_text(path);
	if (!text)
		return cmd_warn(path);
	again = strdup(text);
	if (!again)
		cmd_die(path);
	summarize(text, &h);
	printf("%s %s%s%s%s\n", name, h.state, h.temperature ? ", " : "",
	       h.temperature ? h.temperature : "", h.temperature ? " C" : "");
	if (!*(bool *)brief)
		print_details(again, h.nattributes);
	status = strncmp(h.state, "failed", 6) == 0;
	free(again);
	free(text);
	return status;
}

int
main(int argc, char **argv)
{
	const char *root = "/dev/sd";
	bool brief = false;
	int c;

	while ((c = cmd_option(argc, argv, "sr:", help)) != -1) {
		if (c == 's')
			brief = true;
		else
			root = optarg;
	}
	cmd_end(sd_each(root, argv + optind, print_disk, &brief));
}
