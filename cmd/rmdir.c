/* rmdir: removes empty directories. */
#include "cmd.h"

static const char help[] = "rmdir PATH...: removes empty directories\n";

int
main(int argc, char **argv)
{
	int rc = 0;

	while (cmd_option(argc, argv, "", help) != -1)
		;
	if (optind == argc)
		cmd_usage("arguments", "nothing to remove");
	for (; optind < argc; optind++)
		if (rmdir(argv[optind]) < 0)
			rc = cmd_warn(argv[optind]);
	return rc;
}
