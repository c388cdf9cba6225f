/*
 * Running what was parsed.  An interactive shell gives every pipeline a process group of its own
 * and the terminal while it is in the foreground, so that Ctrl-C reaches it and not the shell.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio_ext.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sh.h"

#define SAVED_MIN	64	/* descriptors that a builtin's redirection puts aside */
#define REDIRS_MAX	16
#define STAGES_MAX	32	/* programs in a pipe */

struct saved {
	int fd, copy;
};

volatile sig_atomic_t sh_interrupts;

static int run(struct shell *, const struct node *);

void
sh_child_begin(struct shell *sh, bool background)
{
	int fd;

	signal(SIGINT, SIG_DFL);
	signal(SIGTTOU, SIG_DFL);
	if (sh_interrupts && !background) /* between fork and here */
		raise(SIGINT);
	if (background) {
		fd = open("/dev/null", O_RDONLY);
		if (fd >= 0) {
			dup2(fd, 0);
			close(fd);
		}
	}
	sh->interactive = sh->echo_input = false;
	sh->loops = 0;
}

/* In the shell and in the child, as either may be first. */
static void
own_group(const struct shell *sh, pid_t pid, pid_t group, bool background)
{
	if (!sh->interactive)
		return;
	setpgid(pid, group);
	if (!background)
		tcsetpgrp(0, group ? group : pid ? pid : getpid());
}

static pid_t
start(struct shell *sh, pid_t group, bool background)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		sh_warn(sh, "fork", strerror(errno));
		return pid;
	}
	own_group(sh, pid, group, background);
	if (pid == 0)
		sh_child_begin(sh, background);
	else if (sh_interrupts && sh->interactive && !background)
		kill(-(group ? group : pid), SIGINT); /* it came before the terminal was theirs */
	return pid;
}

int
sh_wait(struct shell *sh, pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return 127;
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (WTERMSIG(status) == SIGINT && sh->interactive)
		sh->breaking = sh->loops;
	else if (WTERMSIG(status) != SIGPIPE && WTERMSIG(status) != SIGINT)
		fprintf(stderr, "%s: process %d: ended by signal %d\n", sh->name, (int)pid,
			WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

static int
wait_foreground(struct shell *sh, pid_t pid)
{
	int status = pid < 0 ? 1 : sh_wait(sh, pid);

	if (sh->interactive)
		tcsetpgrp(0, getpgrp());
	return status;
}

static bool
redirect(struct shell *sh, const struct redir *r)
{
	static const int flags[] = { O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC,
				     O_WRONLY | O_CREAT | O_APPEND, O_RDWR | O_CREAT };
	const char *target = sh_expand_one(sh, r->target);
	int fd;

	if (r->kind == REDIR_DUP) {
		if (strcmp(target, "-") == 0) {
			close(r->fd);
			return true;
		}
		fd = target[0] >= '0' && target[0] <= '9' && !target[1] ? target[0] - '0' : -1;
		if (fd < 0 || dup2(fd, r->fd) < 0) {
			sh_warn(sh, target, fd < 0 ? "not a descriptor" : strerror(errno));
			return false;
		}
		return true;
	}
	fd = open(target, flags[r->kind], 0666);
	if (fd < 0) {
		sh_warn(sh, target, NULL);
		return false;
	}
	if (fd != r->fd) {
		dup2(fd, r->fd);
		close(fd);
	}
	return true;
}

static bool
redirect_all(struct shell *sh, const struct redir *r)
{
	for (; r; r = r->next)
		if (!redirect(sh, r))
			return false;
	return true;
}

/* Puts aside what the redirections will replace; how many. */
static int
save_all(const struct redir *r, struct saved *saved)
{
	int n = 0;

	for (; r && n < REDIRS_MAX; r = r->next, n++) {
		saved[n].fd = r->fd;
		saved[n].copy = fcntl(r->fd, F_DUPFD_CLOEXEC, SAVED_MIN);
	}
	return n;
}

static void
restore_all(const struct saved *saved, int n)
{
	while (n-- > 0) {
		if (saved[n].copy < 0) {
			close(saved[n].fd);
			continue;
		}
		dup2(saved[n].copy, saved[n].fd);
		close(saved[n].copy);
	}
}

/* A write may have failed before, at the end of a line; what could not be written is dropped. */
static bool
flush_output(void)
{
	bool good = !ferror(stdout);

	good = fflush(stdout) == 0 && good;
	__fpurge(stdout);
	clearerr(stdout);
	return good;
}

static int
run_builtin(struct shell *sh, const struct node *n, sh_builtin f, struct fields *args)
{
	struct saved saved[REDIRS_MAX];
	bool keep = strcmp(args->v[0], "exec") == 0;
	int nsaved, status = 1;

	fflush(stdout);
	nsaved = keep ? 0 : save_all(n->redirs, saved);
	if (redirect_all(sh, n->redirs))
		status = f(sh, (int)args->n, args->v);
	if (!flush_output() && status == 0) {
		sh_warn(sh, args->v[0], NULL);
		status = 1;
	}
	restore_all(saved, nsaved);
	return status;
}

/* Replaces this process; returns only if it cannot: the status that tells. */
static int
run_program(struct shell *sh, char **argv)
{
	int err;

	execvp(argv[0], argv);
	err = errno;
	if (err == ENOEXEC && strchr(argv[0], '/')) {
		sh->args = argv + 1;
		sh->nargs = 0;
		while (argv[1 + sh->nargs])
			sh->nargs++;
		return sh_run_file(sh, argv[0]);
	}
	sh_warn(sh, argv[0], err == ENOENT && !strchr(argv[0], '/') ? "not found" : NULL);
	return err == ENOENT ? 127 : 126;
}

static size_t
assignment(const char *word)
{
	const char *eq = strchr(word, '=');

	return eq && sh_is_name(word, (size_t)(eq - word)) ? (size_t)(eq - word) : 0;
}

static void
assign(struct shell *sh, const char *word, bool export)
{
	size_t n = assignment(word);
	char *name = arena_copy(&sh->arena, word, n);

	sh_set(sh, name, sh_expand_one(sh, word + n + 1));
	if (export)
		sh_export(sh, name);
}

static void
trace(const struct shell *sh, const struct fields *args)
{
	if (!sh->trace)
		return;
	fputc('+', stderr);
	for (size_t i = 0; i < args->n; i++)
		fprintf(stderr, " %s", args->v[i]);
	fputc('\n', stderr);
}

/* In a child, or with `forked` false in the shell, which then makes one. */
static int
run_external(struct shell *sh, const struct node *n, struct fields *args, bool forked)
{
	pid_t pid = forked ? 0 : start(sh, 0, false);

	if (pid != 0)
		return wait_foreground(sh, pid);
	for (const struct word *w = n->words; w && assignment(w->text); w = w->next)
		assign(sh, w->text, true);
	exit(redirect_all(sh, n->redirs) ? run_program(sh, args->v) : 1);
}

static int
run_nothing(struct shell *sh, const struct node *n)
{
	struct saved saved[REDIRS_MAX];
	int nsaved = save_all(n->redirs, saved), status;

	sh->status = 0;
	for (const struct word *w = n->words; w && assignment(w->text); w = w->next)
		assign(sh, w->text, false);
	status = redirect_all(sh, n->redirs) ? sh->status : 1;
	restore_all(saved, nsaved);
	return status;
}

static int
run_command(struct shell *sh, const struct node *n, bool forked)
{
	struct arena_mark mark = arena_mark(&sh->arena);
	struct fields args = { .arena = &sh->arena };
	const struct word *w = n->words;
	sh_builtin f;
	int status;

	while (w && assignment(w->text))
		w = w->next;
	for (; w; w = w->next)
		sh_expand(sh, w->text, &args);
	trace(sh, &args);
	if (args.n == 0) {
		status = run_nothing(sh, n);
	} else if ((f = sh_find_builtin(args.v[0]))) {
		for (w = n->words; w && assignment(w->text); w = w->next)
			assign(sh, w->text, false);
		status = run_builtin(sh, n, f, &args);
	} else {
		status = run_external(sh, n, &args, forked);
	}
	arena_release(&sh->arena, mark);
	return status;
}

static void __attribute__((noreturn))
run_in_child(struct shell *sh, const struct node *n)
{
	int status = n->kind == NODE_COMMAND ? run_command(sh, n, true) : run(sh, n);

	fflush(stdout);
	exit(status);
}

/* Starts the stages of a pipe: how many; negative if not all of them could be. */
static int
start_stages(struct shell *sh, const struct node *n, pid_t *pids)
{
	int in = -1, fd[2] = { -1, -1 }, count = 0;
	bool more = true;

	for (; more && count < STAGES_MAX; n = n->b) {
		const struct node *stage = n->kind == NODE_PIPE ? n->a : n;

		more = n->kind == NODE_PIPE;
		fd[0] = fd[1] = -1;
		if (more && pipe2(fd, O_CLOEXEC) < 0) {
			sh_warn(sh, "pipe", NULL);
			break;
		}
		pids[count] = start(sh, count ? pids[0] : 0, false);
		if (pids[count] == 0) {
			if (in >= 0)
				dup2(in, 0);
			if (more)
				dup2(fd[1], 1);
			run_in_child(sh, stage);
		}
		if (in >= 0)
			close(in);
		if (more)
			close(fd[1]);
		in = fd[0];
		if (pids[count++] < 0)
			break;
	}
	if (in >= 0)
		close(in);
	if (more && count == STAGES_MAX)
		sh_warn(sh, "|", "too many programs");
	return more ? -count : count;
}

/* Waits for all of them; the last one's status counts. */
static int
run_pipe(struct shell *sh, const struct node *n)
{
	pid_t pids[STAGES_MAX] = { 0 };
	int count = start_stages(sh, n, pids), status = 1;

	for (int i = 0; i < abs(count); i++)
		status = pids[i] < 0 ? 1 : sh_wait(sh, pids[i]);
	if (sh->interactive)
		tcsetpgrp(0, getpgrp());
	return count < 0 ? 1 : status;
}

static int
run_background(struct shell *sh, const struct node *n)
{
	pid_t pid = start(sh, 0, true);

	if (pid < 0)
		return 1;
	if (pid == 0)
		run_in_child(sh, n);
	sh->last_background = pid;
	if (sh->interactive)
		fprintf(stderr, "[%d]\n", (int)pid);
	return 0;
}

static int
run_condition(struct shell *sh, const struct node *n)
{
	bool was = sh->testing;
	int status;

	sh->testing = true;
	status = run(sh, n);
	sh->testing = was;
	return status;
}

/* After a body: true if the loop is to end. */
static bool
loop_ends(struct shell *sh)
{
	if (sh->leaving)
		return true;
	if (sh->breaking == 0)
		return false;
	if (sh->breaking < 0) {
		sh->breaking++;
		return sh->breaking != 0;
	}
	sh->breaking--;
	return true;
}

static int
run_loop(struct shell *sh, const struct node *n)
{
	struct fields items = { .arena = &sh->arena };
	int status = 0;

	sh->loops++;
	if (n->kind == NODE_FOR) {
		for (const struct word *w = n->words; w; w = w->next)
			sh_expand(sh, w->text, &items);
		for (size_t i = 0; i < items.n; i++) {
			sh_set(sh, n->name, items.v[i]);
			status = run(sh, n->b);
			if (loop_ends(sh))
				break;
		}
	} else {
		while ((run_condition(sh, n->a) == 0) == (n->kind == NODE_WHILE)) {
			if (sh->leaving || sh->breaking)
				break;
			status = run(sh, n->b);
			if (loop_ends(sh))
				break;
		}
	}
	sh->loops--;
	if (sh->loops == 0)
		sh->breaking = 0;
	return status;
}

static int
run_subshell(struct shell *sh, const struct node *n)
{
	pid_t pid = start(sh, 0, false);

	if (pid == 0) {
		if (!redirect_all(sh, n->redirs))
			exit(1);
		run_in_child(sh, n->a);
	}
	return wait_foreground(sh, pid);
}

static int
run_compound(struct shell *sh, const struct node *n)
{
	int status;

	switch (n->kind) {
	case NODE_GROUP:
		return run(sh, n->a);
	case NODE_IF:
		status = run_condition(sh, n->a);
		if (sh->leaving || sh->breaking)
			return status;
		if (status == 0)
			return run(sh, n->b);
		return n->c ? run(sh, n->c) : 0;
	default:
		return run_loop(sh, n);
	}
}

/* A compound command's redirections hold for all that is in it. */
static int
run_redirected(struct shell *sh, const struct node *n)
{
	struct saved saved[REDIRS_MAX];
	int nsaved, status = 1;

	fflush(stdout);
	nsaved = save_all(n->redirs, saved);
	if (redirect_all(sh, n->redirs))
		status = run_compound(sh, n);
	flush_output();
	restore_all(saved, nsaved);
	return status;
}

static int
run_node(struct shell *sh, const struct node *n)
{
	int status;

	switch (n->kind) {
	case NODE_COMMAND:
		return run_command(sh, n, false);
	case NODE_PIPE:
		return run_pipe(sh, n);
	case NODE_SUBSHELL:
		return run_subshell(sh, n);
	case NODE_BACKGROUND:
		return run_background(sh, n->a);
	case NODE_NOT:
		return run_condition(sh, n->a) == 0;
	case NODE_AND:
	case NODE_OR:
		status = run_condition(sh, n->a);
		sh->status = status;
		if (sh->leaving || sh->breaking || (status == 0) != (n->kind == NODE_AND))
			return status;
		return run(sh, n->b);
	default:
		return run_redirected(sh, n);
	}
}

/* Whether a failure of this node ends a shell with -e; the others pass on what is inside them. */
static bool
may_stop(enum node_kind kind)
{
	return kind == NODE_COMMAND || kind == NODE_PIPE || kind == NODE_SUBSHELL;
}

static int
run(struct shell *sh, const struct node *n)
{
	for (; n; n = n->kind == NODE_SEQ ? n->b : NULL) {
		const struct node *here = n->kind == NODE_SEQ ? n->a : n;

		sh->status = run_node(sh, here);
		if (sh_interrupts && sh->interactive) /* it came to us, and not to a program */
			sh->breaking = sh->loops;
		if (sh->status && sh->stop_on_error && !sh->testing && may_stop(here->kind))
			sh->leaving = true;
		if (sh->leaving || sh->breaking)
			break;
	}
	return sh->status;
}

int
sh_run(struct shell *sh, const struct node *n)
{
	return run(sh, n);
}

static void
echo_command(const struct shell *sh, const char *text, size_t n)
{
	while (n && strchr(" \t\n", *text))
		text++, n--;
	while (n && strchr(" \t\n", text[n - 1]))
		n--;
	if (sh->echo_input && n && *text != '#') {
		printf("%% %.*s\n", (int)n, text);
		fflush(stdout);
	}
}

int
sh_run_text(struct shell *sh, const char *text)
{
	size_t at = 0, start_of;
	struct arena_mark mark;
	struct node *n;

	while (text[at] && !sh->leaving) {
		mark = arena_mark(&sh->arena);
		start_of = at;
		switch (sh_parse(sh, text, &at, &n)) {
		case PARSE_OK:
			echo_command(sh, text + start_of, at - start_of);
			run(sh, n);
			break;
		case PARSE_MORE:
			sh_warn(sh, "end of the text", "inside a command");
			[[fallthrough]];
		default:
			sh->status = 2;
			at = strlen(text);
		}
		arena_release(&sh->arena, mark);
	}
	return sh->status;
}

int
sh_run_file(struct shell *sh, const char *path)
{
	struct stat st;
	size_t done = 0;
	ssize_t n = 1;
	char *text;
	int fd = open(path, O_RDONLY | O_CLOEXEC), status;

	if (fd < 0 || fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
		sh_warn(sh, path, fd >= 0 && S_ISDIR(st.st_mode) ? "a directory" : NULL);
		if (fd >= 0)
			close(fd);
		return 127;
	}
	text = malloc(SH_TEXT_MAX + 1);
	while (text && n > 0 && done < SH_TEXT_MAX) {
		n = read(fd, text + done, SH_TEXT_MAX - done);
		done += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (!text || n < 0 || done == SH_TEXT_MAX) {
		sh_warn(sh, path, !text ? "no memory" : n < 0 ? NULL : "too long");
		free(text);
		return 126;
	}
	text[done] = 0;
	status = sh_run_text(sh, text);
	free(text);
	return status;
}
