/* ln: another name for a file, or a symbolic link. */
#include "cmd.h"

static const char help[] =
	"ln [-s] TARGET NAME: makes NAME another name of TARGET\n"
	"  -s  a symbolic link\n";

int
main(int argc, char **argv)
{
	bool symbolic = false;
	char *target, *name;

	while (cmd_option(argc, argv, "s", help) != -1)
		symbolic = true;
	if (argc - optind != 2)
		cmd_usage("arguments", "a target and a name are needed");
	target = argv[optind];
	name = argv[optind + 1];
	if ((symbolic ? symlink : link)(target, name) < 0)
		cmd_die(name);
	return 0;
}
