/* cat: files, one after the other, to standard output. */
#include <fcntl.h>

#include "cmd.h"

static const char help[] =
	"cat [FILE...]: writes the files to standard output; - or none: standard input\n";

static int
copy(int fd, const char *name)
{
	static char buf[65536];
	ssize_t n, done, w;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (done = 0; done < n; done += w)
			if ((w = write(1, buf + done, (size_t)(n - done))) <= 0)
				cmd_die("standard output");
	return n < 0 ? cmd_warn(name) : 0;
}

int
main(int argc, char **argv)
{
	int fd, rc = 0;

	while (cmd_option(argc, argv, "", help) != -1)
		;
	if (optind == argc)
		return copy(0, "standard input");
	for (; optind < argc; optind++) {
		if (strcmp(argv[optind], "-") == 0) {
			rc |= copy(0, "standard input");
		} else if ((fd = open(argv[optind], O_RDONLY)) < 0) {
			rc = cmd_warn(argv[optind]);
		} else {
			rc |= copy(fd, argv[optind]);
			close(fd);
		}
	}
	return rc;
}
