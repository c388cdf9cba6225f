/* date: the time, in UTC. */
#include <time.h>

#include "cmd.h"

static const char help[] =
	"date [+FORMAT]: the time, in UTC; FORMAT as in strftime(3), %s: seconds since 1970\n";

int
main(int argc, char **argv)
{
	const char *format = "%a %b %e %H:%M:%S UTC %Y";
	char text[512];
	struct tm tm;
	time_t t;

	while (cmd_option(argc, argv, "", help) != -1)
		;
	if (optind < argc) {
		if (argv[optind][0] != '+' || argc - optind > 1)
			cmd_usage(argv[optind], "not a format");
		format = argv[optind] + 1;
	}
	t = time(NULL);
	if (!gmtime_r(&t, &tm))
		cmd_die("time");
	text[0] = 0;
	if (strftime(text, sizeof(text), format, &tm) == 0 && *format)
		cmd_usage(format, "the result is too long");
	puts(text);
	cmd_end(0);
}
