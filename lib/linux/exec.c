/*
 * execve: a Lux9 exec, and what it does not do: scripts that begin with #!, and the state that
 * Linux keeps.  [execve(2)]
 */
#include "calls.h"
#include "state.h"

#define SCRIPT_LINE	256	/* as Linux's BINPRM_BUF_SIZE */
#define SCRIPT_DEPTH	4
#define UMASK_DEFAULT	022

bool
state_parse(const char *s, struct thread *t)
{
	uint64_t ignored;

	s = text_after(s, STATE_NAME);
	if (!s)
		return false;
	proc.umask = (uint32_t)text_number(&s) & 0777;
	ignored = (uint64_t)text_number(&s);
	for (int sig = 1; sig <= SIGNALS; sig++)
		if (ignored & signal_bit(sig))
			proc.action[sig].sa_handler = SIG_IGN;
	t->mask = (uint64_t)text_number(&s);
	return true;
}

bool
state_format(char buf[STATE_SIZE], const struct thread *t)
{
	uint64_t ignored = 0;
	size_t n;

	for (int sig = 1; sig <= SIGNALS; sig++)
		if (proc.action[sig].sa_handler == SIG_IGN)
			ignored |= signal_bit(sig);
	if (!ignored && !t->mask && proc.umask == UMASK_DEFAULT)
		return false;
	n = text_copy(buf, STATE_NAME, STATE_SIZE);
	n = text_add_number(buf, n, STATE_SIZE, proc.umask);
	n = text_add(buf, n, STATE_SIZE, " ");
	n = text_add_number(buf, n, STATE_SIZE, (int64_t)ignored);
	n = text_add(buf, n, STATE_SIZE, " ");
	text_add_number(buf, n, STATE_SIZE, (int64_t)t->mask);
	return true;
}

struct script {
	char line[SCRIPT_LINE];
	char *interpreter, *argument;	/* in line; argument may be NULL */
};

/* 0, or -ENOEXEC if the file does not begin with #! and a name. */
static long
read_script(int dirfd, const char *path, struct script *s)
{
	long fd = lux_call4(SYS_OPEN, dirfd, LUX_ARG(path), SYS_O_RDONLY | SYS_O_CLOEXEC, 0);
	long n;
	char *p = s->line + 2, *end;

	if (fd < 0)
		return fd;
	n = lux_call4(SYS_PREAD, fd, LUX_ARG(s->line), SCRIPT_LINE - 1, 0);
	lux_call1(SYS_CLOSE, fd);
	if (n < 3 || s->line[0] != '#' || s->line[1] != '!')
		return -ENOEXEC;
	s->line[n] = '\0';
	for (end = p; *end && *end != '\n'; end++)
		;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	while (*p == ' ' || *p == '\t')
		p++;
	s->interpreter = p;
	while (*p && *p != ' ' && *p != '\t')
		p++;
	s->argument = NULL;
	if (*p) {
		*p++ = '\0';
		while (*p == ' ' || *p == '\t')
			p++;
		s->argument = p;
	}
	return *s->interpreter ? 0 : -ENOEXEC;
}

static size_t
count(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static void *
map_pages(size_t n)
{
	long r = lux_call6(SYS_MAP, 0, LUX_ARG(n), SYS_PROT_READ | SYS_PROT_WRITE, SYS_MAP_PRIVATE,
			   -1, 0);

	return r < 0 ? NULL : (void *)r;
}

/* list with `extra` in front of what follows the first `skip`, in pages of its own. */
static char **
join(char *const *front, size_t nfront, char *const *list, char *last)
{
	size_t n = count(list);
	char **out = map_pages((n + nfront + 2) * sizeof(char *));
	size_t at = 0;

	if (!out)
		return NULL;
	for (size_t i = 0; i < nfront; i++)
		out[at++] = front[i];
	for (size_t i = 0; i < n; i++)
		out[at++] = list[i];
	if (last)
		out[at++] = last;
	out[at] = NULL;
	return out;
}

static void
unjoin(char **list)
{
	if (list)
		lux_call2(SYS_UNMAP, LUX_ARG(list), LUX_ARG((count(list) + 1) * sizeof(char *)));
}

/* Runs the interpreter of a script; `path` is how it finds the script. */
static long
exec_script(int dirfd, const char *path, char *const *argv, char *const *envp, int depth)
{
	struct script s;
	char *front[3], **args;
	size_t n = 0;
	long r = read_script(dirfd, path, &s);

	if (r < 0)
		return r;
	if (depth == 0)
		return -ELOOP;
	front[n++] = s.interpreter;
	if (s.argument)
		front[n++] = s.argument;
	front[n++] = (char *)path;
	args = join(front, n, argv && argv[0] ? argv + 1 : argv, NULL);
	if (!args)
		return -ENOMEM;
	r = lux_call5(SYS_EXEC, SYS_CWD, LUX_ARG(s.interpreter), LUX_ARG(args), LUX_ARG(envp), 0);
	if (r == -ENOEXEC)
		r = exec_script(SYS_CWD, s.interpreter, args, envp, depth - 1);
	unjoin(args);
	return r;
}

long
lx_execveat(int dirfd, const char *path, char *const *argv, char *const *envp, int flags)
{
	static char *const none[] = { (char *)"", NULL };
	char buf[PATH_SIZE], state[STATE_SIZE];
	char **env = NULL;
	long r;

	path = path_map(path, buf);
	if (!argv || !argv[0])
		argv = none;
	if (state_format(state, thread_self())) {
		env = join(NULL, 0, envp, state);
		if (!env)
			return -ENOMEM;
		envp = env;
	}
	if (!envp)
		envp = none + 1;
	r = lux_call5(SYS_EXEC, dirfd, LUX_ARG(path), LUX_ARG(argv), LUX_ARG(envp), flags);
	if (r == -ENOEXEC)
		r = exec_script(dirfd, path, argv, envp, SCRIPT_DEPTH);
	unjoin(env);
	return again(r);
}

long
lx_execve(const char *path, char *const *argv, char *const *envp)
{
	return lx_execveat(SYS_CWD, path, argv, envp, 0);
}
