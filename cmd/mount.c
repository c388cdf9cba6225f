/* mount: makes the tree that a 9P service serves appear at a path. */
#include "cmd.h"

#define WAIT_MAX_MS	86400000

static const char help[] =
	"mount [-abc] [-w MS] SERVICE PATH [TREE]: what a service serves appears at PATH\n"
	"  SERVICE is a file under /srv;  TREE: which of its trees, if it has several\n"
	"  -a  after what is there, as a union    -b  before it    -c  new files are made here\n"
	"  -w  when the server goes, calls on its files wait so long for a successor\n";

int
main(int argc, char **argv)
{
	int c, flags = OS_MREPL, err;
	uint64_t wait_ms = 0;

	while ((c = cmd_option(argc, argv, "abcw:", help)) != -1)
		if (c == 'w' && (wait_ms = cmd_number(optarg)) > WAIT_MAX_MS)
			cmd_usage(optarg, "longer than a day");
		else if (c != 'w')
			flags |= c == 'a' ? OS_MAFTER : c == 'b' ? OS_MBEFORE : OS_MCREATE;
	if (argc - optind != 2 && argc - optind != 3)
		cmd_usage("arguments", "a service and a path are needed");
	err = os_mount(argv[optind], argv[optind + 1], flags,
		argc - optind == 3 ? argv[optind + 2] : "", (unsigned)wait_ms);
	if (err < 0) {
		errno = -err;
		cmd_die(argv[optind]);
	}
	return 0;
}
