/* pwd: the current directory. */
#include "cmd.h"

static const char help[] = "pwd: prints the current directory\n";

int
main(int argc, char **argv)
{
	char path[4096];

	while (cmd_option(argc, argv, "", help) != -1)
		;
	if (!getcwd(path, sizeof(path)))
		cmd_die(".");
	puts(path);
	cmd_end(0);
}
