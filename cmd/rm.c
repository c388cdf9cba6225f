/* rm: removes files, and trees with -r. */
#include <ftw.h>
#include <sys/stat.h>

#include "cmd.h"

static const char help[] =
	"rm [-rf] PATH...: removes files\n"
	"  -r  directories with all that is in them\n"
	"  -f  says nothing about what does not exist\n";


static bool recursive, force;
static int status;

static int
visit(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)where;
	if ((type == FTW_DP || type == FTW_D ? rmdir(path) : unlink(path)) < 0)
		status = cmd_warn(path);
	return 0;
}

static void
remove_one(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (!force || errno != ENOENT)
			status = cmd_warn(path);
	} else if (S_ISDIR(st.st_mode) && recursive) {
		if (nftw(path, visit, CMD_TREE_FDS, FTW_PHYS | FTW_DEPTH) < 0)
			status = cmd_warn(path);
	} else if (unlink(path) < 0) {
		status = cmd_warn(path);
	}
}

int
main(int argc, char **argv)
{
	int c;

	while ((c = cmd_option(argc, argv, "rf", help)) != -1) {
		if (c == 'r')
			recursive = true;
		else
			force = true;
	}
	if (optind == argc && !force)
		cmd_usage("arguments", "nothing to remove");
	for (; optind < argc; optind++)
		remove_one(argv[optind]);
	cmd_end(status);
}
