/* touch: makes files, or gives them the present time. */
#include <fcntl.h>
#include <sys/stat.h>

#include "cmd.h"

static const char help[] = "touch FILE...: makes files, or sets their times to now\n";

int
main(int argc, char **argv)
{
	int fd, rc = 0;

	while (cmd_option(argc, argv, "", help) != -1)
		;
	if (optind == argc)
		cmd_usage("arguments", "no file");
	for (; optind < argc; optind++) {
		if (utimensat(AT_FDCWD, argv[optind], NULL, 0) == 0)
			continue;
		fd = errno == ENOENT ? open(argv[optind], O_WRONLY | O_CREAT, 0666) : -1;
		if (fd < 0)
			rc = cmd_warn(argv[optind]);
		else
			close(fd);
	}
	return rc;
}
