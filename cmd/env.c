/* env: the environment; with a program, runs it in a changed one. */
#include "cmd.h"

static const char help[] =
	"env [-i] [NAME=VALUE...] [PROGRAM [ARGUMENT...]]: prints the environment, or runs in it\n"
	"  -i  begins with an empty one\n";

int
main(int argc, char **argv)
{
	while (cmd_option(argc, argv, "i", help) != -1)
		clearenv();
	for (; optind < argc && strchr(argv[optind], '='); optind++)
		if (putenv(argv[optind]) != 0)
			cmd_die(argv[optind]);
	if (optind < argc) {
		execvp(argv[optind], argv + optind);
		cmd_warn(argv[optind]);
		return errno == ENOENT ? 127 : 126;
	}
	for (char **e = environ; e && *e; e++)
		puts(*e);
	cmd_end(0);
}
