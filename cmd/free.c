/* free: how much memory there is, and how much of it is free; from /dev/swap. */
#include "cmd.h"

static const char help[] = "free: how much memory there is, in KiB\n";

int
main(int argc, char **argv)
{
	uint64_t total = 0, left = 0, page = 0, value;
	char line[256];
	FILE *f;

	while (cmd_option(argc, argv, "", help) != -1)
		;
	f = fopen("/dev/swap", "r");
	if (!f)
		cmd_die("/dev/swap");
	while (fgets(line, sizeof(line), f)) {
		char *digits = strpbrk(line, "0123456789");

		value = digits ? strtoull(digits, NULL, 10) : 0;
		if (strncmp(line, "pages total ", 12) == 0)
			total = value;
		else if (strncmp(line, "pages free ", 11) == 0)
			left = value;
		else if (strncmp(line, "page size ", 10) == 0)
			page = value;
	}
	if (ferror(f))
		cmd_die("/dev/swap");
	fclose(f);
	printf("%12s %12s %12s\n%12llu %12llu %12llu\n", "total", "used", "free",
		(unsigned long long)(total * page / 1024),
		(unsigned long long)((total - left) * page / 1024),
		(unsigned long long)(left * page / 1024));
	cmd_end(0);
}
