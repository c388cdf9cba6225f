/* mount: makes the tree that a 9P service serves appear at a path. */
#include "cmd.h"

static const char help[] =
	"mount [-abc] SERVICE PATH [TREE]: what a service serves appears at PATH\n"
	"  SERVICE is a file under /srv;  TREE: which of its trees, if it has several\n"
	"  -a  after what is there, as a union    -b  before it    -c  new files are made here\n";

int
main(int argc, char **argv)
{
	int c, flags = OS_MREPL, err;

	while ((c = cmd_option(argc, argv, "abc", help)) != -1)
		flags |= c == 'a' ? OS_MAFTER : c == 'b' ? OS_MBEFORE : OS_MCREATE;
	if (argc - optind != 2 && argc - optind != 3)
		cmd_usage("arguments", "a service and a path are needed");
	err = os_mount(argv[optind], argv[optind + 1], flags,
		argc - optind == 3 ? argv[optind + 2] : "");
	if (err < 0) {
		errno = -err;
		cmd_die(argv[optind]);
	}
	return 0;
}
