/* du: how much is in trees.  A file with several names counts at each of them. */
#include <ftw.h>

#include "cmd.h"

static const char help[] =
	"du [-bs] [PATH...]: the KiB that are used in each directory (of .)\n"
	"  -b  bytes of the files, not blocks of the disk    -s  only the sum of each PATH\n";

#define DEPTH_MAX	2048

static bool bytes, sums_only;
static uint64_t sum[DEPTH_MAX + 1];	/* of the directory being visited, at each depth */
static int status;

static int
visit(const char *path, const struct stat *st, int type, struct FTW *where)
{
	uint64_t own = bytes ? (uint64_t)st->st_size : (uint64_t)st->st_blocks * 512;
	int level = where->level;

	if (type == FTW_NS || type == FTW_DNR)
		status = cmd_warn(path);
	if (level >= DEPTH_MAX)
		return 0;
	if (type == FTW_DP) {
		own += sum[level + 1];
		sum[level + 1] = 0;
	}
	sum[level] += own;
	if (level == 0 || (type == FTW_DP && !sums_only))
		printf("%llu\t%s\n", (unsigned long long)(bytes ? own : (own + 1023) / 1024), path);
	return 0;
}

int
main(int argc, char **argv)
{
	int c;

	while ((c = cmd_option(argc, argv, "bs", help)) != -1) {
		bytes |= c == 'b';
		sums_only |= c == 's';
	}
	if (optind == argc && nftw(".", visit, CMD_TREE_FDS, FTW_PHYS | FTW_DEPTH) < 0)
		cmd_die(".");
	for (; optind < argc; optind++)
		if (nftw(argv[optind], visit, CMD_TREE_FDS, FTW_PHYS | FTW_DEPTH) < 0)
			status = cmd_warn(argv[optind]);
	cmd_end(status);
}
