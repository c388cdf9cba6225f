/* unmount: undoes mount and bind. */
#include "cmd.h"

static const char help[] =
	"unmount [NEW] OLD: takes away what was mounted or bound at OLD, or only NEW of it\n";

int
main(int argc, char **argv)
{
	const char *old;
	int err;

	while (cmd_option(argc, argv, "", help) != -1)
		;
	if (argc - optind != 1 && argc - optind != 2)
		cmd_usage("arguments", "a path is needed");
	old = argv[argc - 1];
	err = os_unmount(argc - optind == 2 ? argv[optind] : NULL, old);
	if (err < 0) {
		errno = -err;
		cmd_die(old);
	}
	return 0;
}
