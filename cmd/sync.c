/* sync: waits until files are on their medium. */
#include <fcntl.h>

#include "cmd.h"

static const char help[] =
	"sync [FILE...]: waits until these files, or all, are on their medium\n";

int
main(int argc, char **argv)
{
	int fd, rc = 0;

	while (cmd_option(argc, argv, "", help) != -1)
		;
	if (optind == argc)
		sync();
	for (; optind < argc; optind++) {
		fd = open(argv[optind], O_RDONLY);
		if (fd < 0 || fsync(fd) < 0)
			rc = cmd_warn(argv[optind]);
		if (fd >= 0)
			close(fd);
	}
	return rc;
}
