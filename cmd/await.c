/* await: waits until files exist, as those of a server that is starting do soon. */
#include <time.h>

#include "cmd.h"

static const char help[] =
	"await [-t SECONDS] PATH...: waits until all of them exist; fails if that takes too long\n"
	"  -t  at most so long (10)\n";

#define STEP_NS	20000000

int
main(int argc, char **argv)
{
	struct timespec step = { .tv_nsec = STEP_NS };
	uint64_t seconds = 10, tries;

	while (cmd_option(argc, argv, "t:", help) != -1)
		seconds = cmd_number(optarg);
	if (optind == argc || seconds > 86400)
		cmd_usage("arguments", "at least one path; at most a day");
	tries = seconds * (1000000000 / STEP_NS);
	for (; optind < argc; optind++) {
		while (access(argv[optind], F_OK) < 0) {
			if (tries-- == 0)
				cmd_die(argv[optind]);
			nanosleep(&step, NULL);
		}
	}
	return 0;
}
