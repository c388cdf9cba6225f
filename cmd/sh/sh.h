/*
 * The shell's parts.  Text is parsed into nodes (parse.c), words are expanded when they are needed
 * (expand.c), nodes are run (run.c); edit.c reads a line from a terminal.
 *
 * Everything that a command needs lives in the shell's arena: what parsing made until the command
 * has ended, what expanding made until the simple command has ended.
 */
#pragma once
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define SH_LINE_MAX	4096	/* a line that is typed */
#define SH_TEXT_MAX	(1u << 20)	/* a script, or what a command prints into $( ) */
#define SH_DEPTH_MAX	100	/* of ( ), if, while, $( ) in each other */

enum node_kind {
	NODE_COMMAND, NODE_PIPE, NODE_AND, NODE_OR, NODE_SEQ, NODE_BACKGROUND, NODE_NOT, NODE_IF,
	NODE_WHILE, NODE_UNTIL, NODE_FOR, NODE_SUBSHELL, NODE_GROUP,
};

enum redir_kind { REDIR_IN, REDIR_OUT, REDIR_APPEND, REDIR_RDWR, REDIR_DUP };

struct word {
	struct word *next;
	const char *text;	/* as it was written, with its quotes */
};

struct redir {
	struct redir *next;
	int fd;
	enum redir_kind kind;
	const char *target;
};

struct node {
	enum node_kind kind;
	struct node *a, *b, *c;	/* left, right; condition, then, else */
	struct word *words;	/* of a command, or that a for goes through */
	struct redir *redirs;
	const char *name;	/* of a for's variable */
};

struct arena_chunk;
struct arena {
	struct arena_chunk *top;
};

struct arena_mark {
	struct arena_chunk *chunk;
	size_t used;
};

struct variable {
	struct variable *next;
	char *name, *value;
};

struct shell {
	struct arena arena;
	struct variable *variables;	/* those that are not exported */
	const char *name;		/* of the shell or the script, for messages */
	char **args;			/* $1 and so on, and $@ */
	int nargs, status, depth;
	pid_t last_background;
	bool interactive, stop_on_error, trace, echo_input;
	bool testing;			/* inside a condition: stop_on_error waits */
	bool leaving;			/* exit was called */
	int breaking;			/* loops to leave; negative: to continue */
	int loops;
};

/* arena.c */
void *arena_get(struct arena *, size_t n);
char *arena_copy(struct arena *, const char *text, size_t n);
struct arena_mark arena_mark(const struct arena *);
void arena_release(struct arena *, struct arena_mark);

/* A text that grows, in an arena. */
struct text {
	struct arena *arena;
	char *s;
	size_t n, cap;
};

void text_add(struct text *, const char *s, size_t n);
void text_char(struct text *, char c);
/* NUL-terminated; lives as long as the arena's mark. */
const char *text_end(struct text *);

/* parse.c */
enum parse_result { PARSE_OK, PARSE_MORE, PARSE_ERROR };

/*
 * Parses one line's worth of commands at *at, and moves *at past its newline.  *out is NULL for
 * an empty line.  PARSE_MORE: the text ends inside a command.  After PARSE_ERROR the message has
 * been printed.
 */
enum parse_result sh_parse(struct shell *, const char *text, size_t *at, struct node **out);
/* Past the word, quotes and all, that begins at p; NULL if it does not end. */
const char *sh_skip_word(const char *p);
/* Past the closing mark of $( or ${ whose inside begins at p; NULL if there is none. */
const char *sh_skip_bracket(const char *p, char open, char close);

/* expand.c */
struct fields {
	struct arena *arena;
	char **v;
	size_t n, cap;
};

/* Variables, commands, quotes, splitting and patterns; appends to the fields. */
void sh_expand(struct shell *, const char *word, struct fields *out);
/* The same into one string, without splitting or patterns. */
const char *sh_expand_one(struct shell *, const char *word);

/* variable.c */
bool sh_is_name(const char *s, size_t n);
const char *sh_get(const struct shell *, const char *name);
void sh_set(struct shell *, const char *name, const char *value);
void sh_export(struct shell *, const char *name);
void sh_unset(struct shell *, const char *name);

/* run.c */
extern volatile sig_atomic_t sh_interrupts; /* Ctrl-C to the shell itself, since the last prompt */
int sh_run(struct shell *, const struct node *);
/* Runs all commands of a text; its status. */
int sh_run_text(struct shell *, const char *text);
int sh_run_file(struct shell *, const char *path);
/* Waits for one child of ours: its status as $? has it. */
int sh_wait(struct shell *, pid_t pid);
/* In the child: the signals as a program expects them. */
void sh_child_begin(struct shell *, bool background);

/* builtin.c */
typedef int (*sh_builtin)(struct shell *, int argc, char **argv);
/* NULL if there is none of this name. */
sh_builtin sh_find_builtin(const char *name);

/* edit.c */
/*
 * Reads a line from the terminal with editing, without its newline.  Returns its length, or -1 at
 * the end of the input, or -EINTR after Ctrl-C.
 */
int sh_edit_line(const char *prompt, char *line, size_t n);
/* Puts the terminal back as programs expect it. */
void sh_edit_end(void);

/* sh.c */
void sh_warn(const struct shell *, const char *what, const char *why);
