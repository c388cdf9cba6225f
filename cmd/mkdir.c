/* mkdir: makes directories. */
#include <sys/stat.h>

#include "cmd.h"

static const char help[] =
	"mkdir [-p] PATH...: makes directories\n"
	"  -p  also the missing ones above; one that exists is no error\n";

static int
make_all(char *path)
{
	struct stat st;

	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(path, 0777) < 0 && errno != EEXIST && (stat(path, &st) < 0))
			return cmd_warn(path);
		*p = '/';
	}
	if (mkdir(path, 0777) < 0 && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)))
		return cmd_warn(path);
	return 0;
}

int
main(int argc, char **argv)
{
	bool parents = false;
	int rc = 0;

	while (cmd_option(argc, argv, "p", help) != -1)
		parents = true;
	if (optind == argc)
		cmd_usage("arguments", "nothing to make");
	for (; optind < argc; optind++) {
		if (parents)
			rc |= make_all(argv[optind]);
		else if (mkdir(argv[optind], 0777) < 0)
			rc = cmd_warn(argv[optind]);
	}
	return rc;
}
