/* mv: renames files; between two file systems it copies (with cp -rp) and then removes. */
#include <sys/stat.h>
#include <sys/wait.h>

#include "cmd.h"

static const char help[] =
	"mv FROM... TO: renames; TO is a directory when there are several\n";

static int
run(char *const argv[])
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return cmd_warn(argv[0]);
	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(cmd_warn(argv[0]));
	}
	if (waitpid(pid, &status, 0) < 0)
		return cmd_warn(argv[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int
move(char *from, char *to)
{
	char *copy[] = { "cp", "-rp", "--", from, to, NULL };
	char *drop[] = { "rm", "-r", "--", from, NULL };

	if (rename(from, to) == 0)
		return 0;
	if (errno != EXDEV)
		return cmd_warn(from);
	return run(copy) || run(drop);
}

int
main(int argc, char **argv)
{
	struct stat st;
	char path[4096], *to, *name;
	int rc = 0;

	while (cmd_option(argc, argv, "", help) != -1)
		;
	if (argc - optind < 2)
		cmd_usage("arguments", "from and to are needed");
	to = argv[argc - 1];
	if (stat(to, &st) < 0 || !S_ISDIR(st.st_mode)) {
		if (argc - optind > 2)
			cmd_usage(to, "not a directory");
		return move(argv[optind], to);
	}
	for (; optind < argc - 1; optind++) {
		name = strrchr(argv[optind], '/');
		name = name ? name + 1 : argv[optind];
		if (snprintf(path, sizeof(path), "%s/%s", to, name) >= (int)sizeof(path))
			cmd_usage(argv[optind], "name too long");
		rc |= move(argv[optind], path);
	}
	return rc;
}
