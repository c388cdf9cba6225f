/* df: how full file systems are. */
#include <sys/statvfs.h>

#include "cmd.h"

static const char help[] =
	"df [-i] [PATH...]: how full the file systems are that hold the paths (/), in KiB\n"
	"  -i  files instead\n";

static bool files;

static int
tell(const char *path)
{
	struct statvfs s;
	uint64_t total, left;

	if (statvfs(path, &s) < 0)
		return cmd_warn(path);
	total = files ? s.f_files : s.f_blocks;
	left = files ? s.f_ffree : s.f_bfree;
	if (!files) {
		total = total * s.f_frsize / 1024;
		left = left * s.f_frsize / 1024;
	}
	printf("%12llu %12llu %12llu %s\n", (unsigned long long)total,
		(unsigned long long)(total - left), (unsigned long long)left, path);
	return 0;
}

int
main(int argc, char **argv)
{
	int rc = 0;

	while (cmd_option(argc, argv, "i", help) != -1)
		files = true;
	printf("%12s %12s %12s path\n", "total", "used", "free");
	if (optind == argc)
		rc = tell("/");
	for (; optind < argc; optind++)
		rc |= tell(argv[optind]);
	cmd_end(rc);
}
