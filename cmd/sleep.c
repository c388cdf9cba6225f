/* sleep: waits. */
#include <time.h>

#include "cmd.h"

static const char help[] = "sleep SECONDS: waits; fractions are understood\n";

int
main(int argc, char **argv)
{
	struct timespec t;
	char *end;
	double s;

	while (cmd_option(argc, argv, "", help) != -1)
		;
	if (argc - optind != 1)
		cmd_usage("arguments", "how many seconds");
	s = strtod(argv[optind], &end);
	if (end == argv[optind] || *end || !(s >= 0 && s < 1e9))
		cmd_usage(argv[optind], "not a number of seconds");
	t.tv_sec = (time_t)s;
	t.tv_nsec = (long)((s - (double)t.tv_sec) * 1e9);
	while (nanosleep(&t, &t) < 0)
		if (errno != EINTR)
			cmd_die("sleep");
	return 0;
}
