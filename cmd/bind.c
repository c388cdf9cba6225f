/* bind: makes what is at one path appear at another, too. */
#include "cmd.h"

static const char help[] =
	"bind [-abc] NEW OLD: what is at NEW appears at OLD\n"
	"  -a  after what is there, as a union    -b  before it    -c  new files are made in NEW\n";

int
main(int argc, char **argv)
{
	int c, flags = OS_MREPL, err;

	while ((c = cmd_option(argc, argv, "abc", help)) != -1)
		flags |= c == 'a' ? OS_MAFTER : c == 'b' ? OS_MBEFORE : OS_MCREATE;
	if (argc - optind != 2)
		cmd_usage("arguments", "a new and an old path are needed");
	err = os_bind(argv[optind], argv[optind + 1], flags);
	if (err < 0) {
		errno = -err;
		cmd_die(argv[optind]);
	}
	return 0;
}
