/* ns: the name space of a process, as the commands that would make it. */
#include <fcntl.h>

#include "cmd.h"

static const char help[] = "ns [PID]: prints the name space of a process (its own)\n";

int
main(int argc, char **argv)
{
	char path[64], buf[8192];
	uint64_t pid;
	ssize_t n;
	int fd;

	while (cmd_option(argc, argv, "", help) != -1)
		;
	if (argc - optind > 1)
		cmd_usage(argv[optind + 1], "one process at a time");
	pid = optind < argc ? cmd_number(argv[optind]) : (uint64_t)getpid();
	snprintf(path, sizeof(path), "/proc/%llu/ns", (unsigned long long)pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		cmd_die(path);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, stdout);
	if (n < 0)
		cmd_die(path);
	cmd_end(0);
}
