/* Commands of the shell itself: those that change it, and a few that scripts use at every turn. */
#include <sys/stat.h>
#include <sys/wait.h>

#include "sh.h"

static int
do_cd(struct shell *sh, int argc, char **argv)
{
	const char *to = argc > 1 ? argv[1] : sh_get(sh, "HOME");

	if (chdir(to ? to : "/") < 0) {
		sh_warn(sh, to ? to : "/", NULL);
		return 1;
	}
	return 0;
}

static int
do_exit(struct shell *sh, int argc, char **argv)
{
	int status = argc > 1 ? atoi(argv[1]) & 255 : sh->status;

	sh->leaving = true;
	return status;
}

static int
do_export(struct shell *sh, int argc, char **argv)
{
	int status = 0;

	for (int i = 1; i < argc; i++) {
		char *eq = strchr(argv[i], '=');
		size_t n = eq ? (size_t)(eq - argv[i]) : strlen(argv[i]);

		if (!sh_is_name(argv[i], n)) {
			sh_warn(sh, argv[i], "not a variable's name");
			status = 1;
			continue;
		}
		if (eq) {
			*eq = 0;
			sh_set(sh, argv[i], eq + 1);
		}
		sh_export(sh, argv[i]);
	}
	return status;
}

static int
do_unset(struct shell *sh, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		sh_unset(sh, argv[i]);
	return 0;
}

static int
do_set(struct shell *sh, int argc, char **argv)
{
	int i = 1;

	if (argc == 1) {
		for (const struct variable *v = sh->variables; v; v = v->next)
			printf("%s=%s\n", v->name, v->value);
		return 0;
	}
	for (; i < argc && (argv[i][0] == '-' || argv[i][0] == '+'); i++) {
		bool on = argv[i][0] == '-';

		for (const char *c = argv[i] + 1; *c; c++) {
			if (*c == 'e')
				sh->stop_on_error = on;
			else if (*c == 'x')
				sh->trace = on;
			else if (*c == 'v')
				sh->echo_input = on;
			else
				sh_warn(sh, argv[i], "no such option");
		}
	}
	return 0;
}

static int
do_shift(struct shell *sh, int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1;

	if (n < 0 || n > sh->nargs)
		return 1;
	sh->args += n;
	sh->nargs -= n;
	return 0;
}

static int
do_wait(struct shell *sh, int argc, char **argv)
{
	int status = 0;

	for (int i = 1; i < argc; i++)
		status = sh_wait(sh, (pid_t)atoi(argv[i]));
	if (argc == 1)
		while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
			;
	return status;
}

static int
do_exec(struct shell *sh, int argc, char **argv)
{
	int err;

	if (argc == 1)
		return 0;
	execvp(argv[1], argv + 1);
	err = errno;
	sh_warn(sh, argv[1], NULL);
	sh->leaving = !sh->interactive;
	return err == ENOENT ? 127 : 126;
}

static int
do_source(struct shell *sh, int argc, char **argv)
{
	if (argc < 2) {
		sh_warn(sh, ".", "needs a file");
		return 2;
	}
	if (sh->depth >= SH_DEPTH_MAX) {
		sh_warn(sh, argv[1], "too deep");
		return 2;
	}
	sh->depth++;
	int status = sh_run_file(sh, argv[1]);

	sh->depth--;
	return status;
}

/* A line of standard input, read byte by byte so that the next program finds the rest. */
static int
do_read(struct shell *sh, int argc, char **argv)
{
	char line[SH_LINE_MAX], *p = line, *end;
	size_t n = 0;
	ssize_t got = 0;

	while (n < sizeof(line) - 1 && (got = read(0, line + n, 1)) == 1 && line[n] != '\n')
		n++;
	line[n] = 0;
	for (int i = 1; i < argc; i++) {
		p += strspn(p, " \t");
		end = p + (i == argc - 1 ? strlen(p) : strcspn(p, " \t"));
		char *value = arena_copy(&sh->arena, p, (size_t)(end - p));

		sh_set(sh, argv[i], value);
		p = end;
	}
	return got == 1 || n ? 0 : 1;
}

static int
do_true(struct shell *sh, int argc, char **argv)
{
	(void)sh;
	(void)argc;
	(void)argv;
	return 0;
}

static int
do_false(struct shell *sh, int argc, char **argv)
{
	(void)sh;
	(void)argc;
	(void)argv;
	return 1;
}

static int
do_echo(struct shell *sh, int argc, char **argv)
{
	bool newline = argc < 2 || strcmp(argv[1], "-n") != 0;

	(void)sh;
	for (int i = newline ? 1 : 2; i < argc; i++)
		printf("%s%s", argv[i], i + 1 < argc ? " " : "");
	if (newline)
		putchar('\n');
	return 0;
}

static bool
test_file(char what, const char *path)
{
	struct stat st;

	if ((what == 'L' ? lstat : stat)(path, &st) < 0)
		return false;
	switch (what) {
	case 'f': return S_ISREG(st.st_mode);
	case 'd': return S_ISDIR(st.st_mode);
	case 'L': return S_ISLNK(st.st_mode);
	case 's': return st.st_size > 0;
	case 'x': return access(path, X_OK) == 0;
	default: return true;
	}
}

/* -1: there is no such comparison. */
static int
test_two(const char *a, const char *op, const char *b)
{
	static const char *const names[] = { "-eq", "-ne", "-lt", "-le", "-gt", "-ge" };
	long long x = atoll(a), y = atoll(b);
	bool results[] = { x == y, x != y, x < y, x <= y, x > y, x >= y };

	if (strcmp(op, "=") == 0)
		return strcmp(a, b) == 0;
	if (strcmp(op, "!=") == 0)
		return strcmp(a, b) != 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(op, names[i]) == 0)
			return results[i];
	return -1;
}

static int
test(int argc, char **argv)
{
	if (argc > 0 && strcmp(argv[0], "!") == 0) {
		int r = test(argc - 1, argv + 1);

		return r < 0 ? r : !r;
	}
	if (argc == 0)
		return 0;
	if (argc == 1)
		return argv[0][0] != 0;
	if (argc == 3)
		return test_two(argv[0], argv[1], argv[2]);
	if (argc != 2 || argv[0][0] != '-' || strlen(argv[0]) != 2)
		return -1;
	if (argv[0][1] == 'n' || argv[0][1] == 'z')
		return (argv[1][0] != 0) == (argv[0][1] == 'n');
	return strchr("defLsx", argv[0][1]) ? test_file(argv[0][1], argv[1]) : -1;
}

static int
do_test(struct shell *sh, int argc, char **argv)
{
	int result;

	if (strcmp(argv[0], "[") == 0) {
		if (strcmp(argv[argc - 1], "]") != 0) {
			sh_warn(sh, "[", "no ] at the end");
			return 2;
		}
		argc--;
	}
	result = test(argc - 1, argv + 1);
	if (result < 0) {
		sh_warn(sh, argv[0], "not an expression");
		return 2;
	}
	return !result;
}

static int
do_break(struct shell *sh, int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1;

	if (n < 1 || sh->loops == 0)
		return sh->loops == 0 ? 0 : 1;
	if (n > sh->loops)
		n = sh->loops;
	sh->breaking = argv[0][0] == 'b' ? n : -n;
	return 0;
}

static const struct {
	const char *name;
	sh_builtin run;
} builtins[] = {
	{ ":", do_true },      { ".", do_source },  { "[", do_test },	  { "break", do_break },
	{ "cd", do_cd },       { "continue", do_break }, { "echo", do_echo }, { "exec", do_exec },
	{ "exit", do_exit },   { "export", do_export }, { "false", do_false }, { "read", do_read },
	{ "set", do_set },     { "shift", do_shift }, { "test", do_test }, { "true", do_true },
	{ "unset", do_unset }, { "wait", do_wait },
};

sh_builtin
sh_find_builtin(const char *name)
{
	for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++)
		if (strcmp(name, builtins[i].name) == 0)
			return builtins[i].run;
	return NULL;
}
