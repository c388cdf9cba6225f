/* find: the paths in a tree, by name and type. */
#include <fnmatch.h>
#include <ftw.h>

#include "cmd.h"

static const char help[] =
	"find [PATH...] [-type T] [-name PATTERN]: prints the paths in the trees (of .)\n"
	"  -type  f file, d directory, l link    -name  last name, with * ? and [ ]\n";

#define TREE_FDS	32

static char type_wanted;
static const char *pattern;
static int status;

static int
visit(const char *path, const struct stat *st, int type, struct FTW *where)
{
	char t = S_ISDIR(st->st_mode) ? 'd' : S_ISLNK(st->st_mode) ? 'l' :
		 S_ISREG(st->st_mode) ? 'f' : '?';

	if (type == FTW_NS || type == FTW_DNR)
		status = cmd_warn(path);
	if (type_wanted && t != type_wanted)
		return 0;
	if (pattern && fnmatch(pattern, path + where->base, 0) != 0)
		return 0;
	puts(path);
	return 0;
}

int
main(int argc, char **argv)
{
	int first = 1, npaths = 0, i;

	cmd_start(argv);
	if (argc == 2 && strcmp(argv[1], "-h") == 0) {
		fputs(help, stdout);
		return 0;
	}
	while (first + npaths < argc && argv[first + npaths][0] != '-')
		npaths++;
	for (i = first + npaths; i < argc; i += 2) {
		if (strcmp(argv[i], "-type") != 0 && strcmp(argv[i], "-name") != 0)
			cmd_usage(argv[i], "no such option");
		if (i + 1 == argc)
			cmd_usage(argv[i], "needs a value");
		if (argv[i][1] == 'n')
			pattern = argv[i + 1];
		else if (strlen(argv[i + 1]) == 1 && strchr("fdl", argv[i + 1][0]))
			type_wanted = argv[i + 1][0];
		else
			cmd_usage(argv[i + 1], "no such type");
	}
	if (npaths == 0 && nftw(".", visit, TREE_FDS, FTW_PHYS) < 0)
		cmd_die(".");
	for (i = 0; i < npaths; i++)
		if (nftw(argv[first + i], visit, TREE_FDS, FTW_PHYS) < 0)
			status = cmd_warn(argv[first + i]);
	cmd_end(status);
}
