/*
 * sh: the shell.  A small language of POSIX's shape: programs, pipes, redirections, ; & && ||,
 * quotes, variables, $( ), patterns, if, while, until, for, ( ) and { }.  It has no functions, no
 * case, no here-documents, no arithmetic and no job control beyond & and wait; Debian's busybox
 * runs unmodified for those who want them.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "os.h"
#include "sh/sh.h"

static const char help[] =
	"sh [-evx] [FILE [ARGUMENT...]]: runs the commands in FILE, or those that are typed\n"
	"sh [-evx] -c COMMANDS [NAME [ARGUMENT...]]: runs the commands\n"
	"  -e  ends at the first command that fails    -v  shows commands before they run\n"
	"  -x  shows programs with their arguments     -i  as at a terminal\n"
	"Language: PROGRAM ARGUMENTS, | ; & && || ! < > >> 2> >&, ' \" \\ quotes, $NAME\n"
	"  ${NAME:-WORD} $1 $# $@ $? $! $( ), * ? [ ], NAME=VALUE, # comment, (LIST), { LIST; },\n"
	"  if LIST; then LIST; elif LIST; then LIST; else LIST; fi, while LIST; do LIST; done,\n"
	"  until LIST; do LIST; done, for NAME in WORDS; do LIST; done\n"
	"Own commands: . : [ break cd continue echo exec exit export false read set shift test\n"
	"  true unset wait\n";

void
sh_warn(const struct shell *sh, const char *what, const char *why)
{
	char text[OS_ERRSTR_MAX];
	int err = errno;

	fflush(stdout);
	if (!why && os_errstr(text, sizeof(text)) > 0)
		why = text;
	fprintf(stderr, "%s: %s: %s\n", sh->name, what, why ? why : strerror(err));
}

static void
on_interrupt(int sig)
{
	sh_interrupts = sig;
}

/* A line of standard input that is no terminal: byte by byte, as programs read the same file. */
static int
read_plain(char *line, size_t cap)
{
	size_t n = 0;
	ssize_t got = 0;

	while (n < cap - 1 && (got = read(0, line + n, 1)) == 1 && line[n] != '\n')
		n++;
	line[n] = 0;
	return got == 1 || n ? (int)n : -1;
}

static int
get_line(struct shell *sh, bool more, char *line, size_t n)
{
	if (!sh->interactive)
		return read_plain(line, n);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return sh_edit_line(more ? "> " : "lux9% ", line, n);
}

/* Commands from standard input, until its end. */
static void
run_input(struct shell *sh)
{
	struct arena_mark mark = arena_mark(&sh->arena);
	struct text text = { .arena = &sh->arena };
	char line[SH_LINE_MAX];
	struct node *node;
	int n;

	while (!sh->leaving) {
		size_t at = 0;

		n = get_line(sh, text.n > 0, line, sizeof(line));
		if (n == -1)
			break;
		if (n >= 0) {
			text_add(&text, line, (size_t)n);
			text_char(&text, '\n');
			switch (text.n > SH_TEXT_MAX ? PARSE_ERROR :
				sh_parse(sh, text.s, &at, &node)) {
			case PARSE_MORE:
				continue;
			case PARSE_OK:
				sh_run(sh, node);
				break;
			case PARSE_ERROR:
				sh->status = 2;
			}
		}
		sh->breaking = 0;
		sh_interrupts = 0;
		arena_release(&sh->arena, mark);
		text = (struct text){ .arena = &sh->arena };
	}
	if (text.n)
		sh_warn(sh, "end of the text", "inside a command");
}

static void
begin_interactive(struct shell *sh)
{
	struct sigaction sa = { .sa_handler = on_interrupt };

	sh->interactive = true;
	sigaction(SIGINT, &sa, NULL);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	setpgid(0, 0);
	tcsetpgrp(0, getpgrp());
}

static void
run_arguments(struct shell *sh, const char *command, int argc, char **argv)
{
	if (argc > 0) {
		sh->name = argv[0];
		sh->args = argv + 1;
		sh->nargs = argc - 1;
	}
	if (command)
		sh->status = sh_run_text(sh, command);
	else if (argc > 0)
		sh->status = sh_run_file(sh, argv[0]);
	else
		run_input(sh);
}

int
main(int argc, char **argv)
{
	struct shell sh = { .name = "sh" };
	const char *command = NULL;
	bool interactive = false;
	int c;

	while ((c = getopt(argc, argv, "+:hc:eivx")) != -1) {
		switch (c) {
		case 'h': fputs(help, stdout); return 0;
		case 'c': command = optarg; break;
		case 'e': sh.stop_on_error = true; break;
		case 'i': interactive = true; break;
		case 'v': sh.echo_input = true; break;
		case 'x': sh.trace = true; break;
		default:
			fprintf(stderr, "sh: -%c: %s; sh -h helps\n", optopt,
				c == ':' ? "needs a value" : "no such option");
			return 2;
		}
	}
	setenv("PATH", "/bin:/boot/bin", 0);
	setenv("HOME", "/", 0);
	if (interactive || (optind == argc && !command && isatty(0)))
		begin_interactive(&sh);
	run_arguments(&sh, command, argc - optind, argv + optind);
	if (fflush(stdout) != 0)
		return 1;
	return sh.status;
}
